//! Meters [M16]: registering, binding to a holder, rotating keys, changing what can pass, exchanging devices, retiring.
//! Which agreements a meter serves is in `binding`.

use crate::context::{Caller, Ledger};
use crate::meter_record::{Device, MeterBindings, MeterRecord, MeterState, NO_LEVEL, NO_MARK};
use crate::record::{AccountRecord, SuccessionRecord};
use crate::segment::{Flow, Step};
use crate::store::{Place, Ruled};
use std::sync::Arc;
use utilidor_types::meter::MAX_CAPACITY_PER_HOUR;
use utilidor_types::refusal::Limited;
use utilidor_types::{
    AccountId, Bands, Bounded, Digest, Meter, MeterAuthority, MeterId, Quantity, Reading, Refusal, Role, Window,
};

/// What the actions name.
impl Ledger<'_> {
    /// A meter and what it serves.
    pub fn want_meter(&mut self, meter: MeterId) {
        self.store.want::<MeterRecord>(&meter);
        self.store.want::<MeterState>(&meter);
        self.store.want::<MeterBindings>(&meter);
    }
}

/// Order: the register's width and the capacity, the largest capacity.
fn check_range(meter: MeterId, modulus: Quantity, capacity: Quantity) -> Result<(), Refusal> {
    if modulus == Quantity::ZERO || capacity == Quantity::ZERO {
        return Err(Refusal::MeterWithoutRange { meter });
    }
    if capacity > MAX_CAPACITY_PER_HOUR {
        return Err(Refusal::CapacityTooLarge { capacity, max: MAX_CAPACITY_PER_HOUR });
    }
    Ok(())
}

fn check_register(register: Quantity, modulus: Quantity) -> Result<(), Refusal> {
    if register >= modulus { Err(Refusal::RegisterTooWide { register, modulus }) } else { Ok(()) }
}

impl Ledger<'_> {
    /// Order: role, id, holder, ranges, register, time, quota. A repeated registration gives the first result.
    pub fn register_meter(&mut self, caller: Caller, meter: &Meter, id: MeterId, registered: Digest) -> Ruled<()> {
        self.need_role(caller, Role::MeterOperator)?;
        if let Some(present) = self.store.view::<MeterRecord>(&id)? {
            return if present.registered == registered { Ok(()) } else { Err(Refusal::IdTaken.into()) };
        }
        let account = meter.holder;
        self.store.view::<AccountRecord>(&account)?.ok_or(Refusal::UnknownAccount { account })?;
        check_range(id, meter.register_modulus, meter.capacity_per_hour)?;
        check_register(meter.register, meter.register_modulus)?;
        if meter.since > self.now {
            return Err(Refusal::MeterInFuture { since: meter.since, now: self.now }.into());
        }
        self.keep(caller.member, Limited::Meters)?;

        let (authority, register_modulus, since) = (meter.authority, meter.register_modulus, meter.since);
        let device = Device { authority, register_modulus, since };
        self.store.put(&id, MeterRecord { operator: caller.account, registered, meter: meter.clone(), device });
        let state = MeterState {
            last: Reading { time: since, register: meter.register },
            registers: Bands::ZERO,
            next_mark: NO_MARK,
            next_level: NO_LEVEL,
            peak: (Quantity::ZERO, 0),
            retired: false,
            tariff: None,
            offset_minutes: 0,
        };
        self.store.create_unread(&id, state);
        Ok(())
    }

    /// The meter, with the place of its state, refused if it is unknown or retired.
    pub fn metered(&mut self, meter: MeterId) -> Ruled<(Arc<MeterRecord>, Place<MeterState>, MeterState)> {
        let (record, place, state) = self.registered(meter)?;
        if state.retired {
            return Err(Refusal::MeterRetired { meter }.into());
        }
        Ok((record, place, state))
    }

    /// The meter, with the place of its state, in service or not.
    fn registered(&mut self, meter: MeterId) -> Ruled<(Arc<MeterRecord>, Place<MeterState>, MeterState)> {
        let record = self.store.view::<MeterRecord>(&meter);
        if record.is_err() {
            self.store.want::<MeterState>(&meter);
        }
        let record = record?.ok_or(Refusal::UnknownMeter { meter })?;
        let (place, state) = self.store.known_at::<MeterState>(&meter)?;
        Ok((record, place, state))
    }

    /// Order: role, meter, whether it is in service, operator.
    fn operated_meter(
        &mut self,
        caller: Caller,
        meter: MeterId,
    ) -> Ruled<(MeterRecord, Place<MeterState>, MeterState)> {
        self.need_role(caller, Role::MeterOperator)?;
        let (record, place, state) = self.metered(meter)?;
        if record.operator != caller.account {
            return Err(Refusal::NotMeterOperator { meter }.into());
        }
        Ok((Arc::unwrap_or_clone(record), place, state))
    }

    /// The same for a meter that may be retired. Order: role, meter, operator.
    pub fn once_operated_meter(
        &mut self,
        caller: Caller,
        meter: MeterId,
    ) -> Ruled<(Arc<MeterRecord>, Place<MeterState>, MeterState)> {
        self.need_role(caller, Role::MeterOperator)?;
        let (record, place, state) = self.registered(meter)?;
        if record.operator != caller.account {
            return Err(Refusal::NotMeterOperator { meter }.into());
        }
        Ok((record, place, state))
    }

    /// What the action names and refers to: who may take the meter over.
    pub fn want_succession(&mut self, meter: MeterId) {
        if let Ok(Some(record)) = self.store.view::<MeterRecord>(&meter) {
            self.store.want::<SuccessionRecord>(&record.operator);
            self.want_account(record.operator);
        }
    }

    /// Order: role, whether there are any; then for each meter: meter, successor, quota.
    pub fn take_over_meters(&mut self, caller: Caller, meters: &[MeterId]) -> Ruled<()> {
        self.need_role(caller, Role::MeterOperator)?;
        if meters.is_empty() {
            return Err(Refusal::NothingAsked.into());
        }
        self.each(meters, |ledger, meter| ledger.take_over_meter(caller, *meter))
    }

    fn take_over_meter(&mut self, caller: Caller, meter: MeterId) -> Ruled<()> {
        let (record, _, state) = self.registered(meter)?;
        let present = record.operator;
        if present == caller.account {
            return Ok(());
        }
        let successor = self.store.view::<SuccessionRecord>(&present)?.map(|succession| succession.to);
        if successor != Some(caller.account) {
            return Err(Refusal::NotHandedOver { meter }.into());
        }
        if !state.retired {
            let before = self.member_of(present)?;
            self.keep(caller.member, Limited::Meters)?;
            self.keep_no_more(before, Limited::Meters)?;
        }

        self.store.put(&meter, MeterRecord { operator: caller.account, ..Arc::unwrap_or_clone(record) });
        Ok(())
    }

    /// Order: both accounts, whether they differ, the successor's role.
    pub fn hand_over_meters(&mut self, from: AccountId, to: AccountId) -> Ruled<()> {
        self.member_of(from)?;
        self.member_of(to)?;
        if from == to {
            return Err(Refusal::SameOperator.into());
        }
        self.account_needs_role(to, Role::MeterOperator)?;
        self.store.find::<SuccessionRecord>(&from)?;

        self.store.put(&from, SuccessionRecord { to });
        Ok(())
    }

    /// A supply that has ended, and only waits for the meter to pass its end, is no use.
    fn need_idle(&mut self, meter: MeterId) -> Ruled<()> {
        let now = self.now;
        let in_use = self.store.view::<MeterBindings>(&meter)?.is_some_and(|bindings| bindings.is_in_use(now));
        if in_use { Err(Refusal::MeterInUse { meter }.into()) } else { Ok(()) }
    }

    /// Order: role, meter, whether it is in service, operator, holder, use.
    pub fn bind_meter(&mut self, caller: Caller, meter: MeterId, holder: AccountId) -> Ruled<()> {
        let (mut record, ..) = self.operated_meter(caller, meter)?;
        self.store.view::<AccountRecord>(&holder)?.ok_or(Refusal::UnknownAccount { account: holder })?;
        self.need_idle(meter)?;

        record.meter.holder = holder;
        self.store.put(&meter, record);
        Ok(())
    }

    /// Order: role, meter, whether it is in service, operator.
    pub fn rotate_meter_key(&mut self, caller: Caller, meter: MeterId, authority: MeterAuthority) -> Ruled<()> {
        let (mut record, ..) = self.operated_meter(caller, meter)?;
        let before = record.device.authority;
        if before != authority {
            self.let_device_go(meter, before)?;
        }

        record.device.authority = authority;
        self.store.put(&meter, record);
        Ok(())
    }

    /// It counts for the interval that is open as well. Order: role, meter, whether it is in service, operator, range.
    pub fn change_meter_capacity(&mut self, caller: Caller, meter: MeterId, capacity: Quantity) -> Ruled<()> {
        let (mut record, ..) = self.operated_meter(caller, meter)?;
        check_range(meter, record.device.register_modulus, capacity)?;

        record.meter.capacity_per_hour = capacity;
        self.store.put(&meter, record);
        Ok(())
    }

    /// The old device's last reading is certified on the operator's word; the new one goes on from its own register.
    /// Order: role, meter, whether it is in service, operator, the last reading's rules, ranges, register.
    pub fn exchange_meter(
        &mut self,
        caller: Caller,
        meter: MeterId,
        last: Reading,
        authority: MeterAuthority,
        register_modulus: Quantity,
        register: Quantity,
    ) -> Ruled<()> {
        let (mut record, place, mut state) = self.operated_meter(caller, meter)?;
        let passed = if last == state.last { None } else { Some(record.limits().passed(state.last, last, self.now)?) };
        check_range(meter, register_modulus, record.meter.capacity_per_hour)?;
        check_register(register, register_modulus)?;
        self.let_device_go(meter, record.device.authority)?;

        if let Some(quantity) = passed {
            let from = state.last.time;
            let flow = Flow { interval: Window { from, to: last.time }, quantity };
            let certified = self.certify(meter, place, &mut state, Step { flow, to: last })?;
            self.add_certified(meter, from, Bounded::new(vec![certified]).map_err(|_| Refusal::Overflow)?, None)?;
        }
        state.last.register = register;
        self.store.put_at(place, state);
        record.device = Device { authority, register_modulus, since: last.time };
        self.store.put(&meter, record);
        Ok(())
    }

    /// Order: role, meter, whether it is in service, operator, use.
    pub fn retire_meter(&mut self, caller: Caller, meter: MeterId) -> Ruled<()> {
        let (record, place, mut state) = self.operated_meter(caller, meter)?;
        self.need_idle(meter)?;
        self.let_device_go(meter, record.device.authority)?;

        state.retired = true;
        self.store.put_at(place, state);
        self.keep_no_more(caller.member, Limited::Meters)
    }
}
