//! Which device signs a meter's records. A device's records count for one meter, and a meter takes those of one device, of one of its
//! registers: so no record counts twice, and no other register's. Another key or device in the meter's place, and the end of its
//! service, let the device go.

use crate::context::Ledger;
use crate::record::{DeviceMeter, DeviceRecord};
use crate::store::Ruled;
use utilidor_types::meter::SignedRecord;
use utilidor_types::{Digest, MeterAuthority, MeterId, Refusal};

/// Where a record comes from: a device and its register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The meter has taken its records before.
    Known,
    /// Nobody's yet.
    New(Digest),
}

/// What the actions name.
impl Ledger<'_> {
    pub fn want_device(&mut self, meter: MeterId) {
        self.store.want::<DeviceRecord>(&meter);
    }
}

impl Ledger<'_> {
    /// Order: whether the meter takes another device's records, whether another meter takes this one's.
    pub fn device_of(&mut self, meter: MeterId, signed: &SignedRecord) -> Ruled<Origin> {
        let device = signed.device().map_err(|_| Refusal::NotAuthority { meter })?;
        match self.store.find::<DeviceRecord>(&meter)? {
            Some(known) if known.device == device => Ok(Origin::Known),
            Some(_) => Err(Refusal::OtherDevice { meter }.into()),
            None => match self.store.find::<DeviceMeter>(&device)? {
                Some(DeviceMeter { meter: other }) => Err(Refusal::DeviceOfAnother { meter, other }.into()),
                None => Ok(Origin::New(device)),
            },
        }
    }

    /// From now on the meter takes this device's records. It was looked for before.
    pub fn take_device(&mut self, meter: MeterId, origin: Origin) {
        if let Origin::New(device) = origin {
            self.store.put(&meter, DeviceRecord { device });
            self.store.put(&device, DeviceMeter { meter });
        }
    }

    /// The meter takes records of whatever device comes next, if one has signed them.
    pub fn let_device_go(&mut self, meter: MeterId, authority: MeterAuthority) -> Ruled<()> {
        if matches!(authority, MeterAuthority::Meter(_))
            && let Some(DeviceRecord { device }) = self.store.find(&meter)?
        {
            self.store.known::<DeviceMeter>(&device)?;
            self.store.delete::<DeviceRecord>(&meter);
            self.store.delete::<DeviceMeter>(&device);
        }
        Ok(())
    }
}
