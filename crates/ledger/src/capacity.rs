//! Capacity of a source: what an owner has sold for an hour never exceeds what it can supply in it.

use crate::execution::Ledger;
use crate::member::Caller;
use crate::record::{CapacityRecord, SoldDay};
use crate::store::Ruled;
use std::ops::Range;
use utilidor_types::time::{DAY_MS, HOUR_MS};
use utilidor_types::{AccountId, Carrier, PurchaseTerms, Quantity, Refusal, Role, Timestamp, Window};

/// An hour's part of a quantity that is spread evenly over whole hours, rounded up.
fn hourly_ceil(quantity: Quantity, window: Window) -> u64 {
    quantity.0.div_ceil(window.ms() / HOUR_MS)
}

/// The UTC days that a window touches.
pub(crate) fn days(window: Window) -> Range<u32> {
    (window.from.0 / DAY_MS) as u32..window.to.0.div_ceil(DAY_MS) as u32
}

impl Ledger<'_> {
    /// Order: role, owner.
    pub fn declare_capacity(
        &mut self,
        caller: Caller,
        owner: AccountId,
        carrier: Carrier,
        per_hour: Quantity,
    ) -> Ruled<()> {
        self.need_role(caller, Role::Validator)?;
        self.account_needs_role(owner, Role::Owner)?;
        self.store.find::<CapacityRecord>(&(owner, carrier))?;

        self.store.put(&(owner, carrier), CapacityRecord { per_hour });
        Ok(())
    }

    /// Sells the hours of a purchase, or refuses the first that is full.
    pub fn sell_hours(&mut self, owner: AccountId, terms: &PurchaseTerms) -> Ruled<()> {
        for lot in &terms.lots {
            let carrier = lot.carrier;
            let capacity =
                self.store.get::<CapacityRecord>(&(owner, carrier), || Refusal::NoCapacity { carrier })?.per_hour;
            let wanted = hourly_ceil(lot.quantity, terms.window);
            self.each_day(owner, carrier, terms.window, |hour, sold| {
                let total = sold.checked_add(wanted).filter(|total| *total <= capacity.0);
                *sold = total.ok_or(Refusal::CapacityExceeded {
                    hour,
                    sold: Quantity(*sold),
                    wanted: Quantity(wanted),
                    capacity,
                })?;
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Gives the hours of a purchase back.
    pub fn return_hours(&mut self, owner: AccountId, terms: &PurchaseTerms) -> Ruled<()> {
        for lot in &terms.lots {
            let sold_before = hourly_ceil(lot.quantity, terms.window);
            self.each_day(owner, lot.carrier, terms.window, |_, sold| {
                *sold = sold.checked_sub(sold_before).expect("no more hours are given back than were sold");
                Ok(())
            })?;
        }
        Ok(())
    }

    fn each_day(
        &mut self,
        owner: AccountId,
        carrier: Carrier,
        window: Window,
        mut change: impl FnMut(Timestamp, &mut u64) -> Result<(), Refusal>,
    ) -> Ruled<()> {
        for day in days(window) {
            self.store.want::<SoldDay>(&(owner, carrier, day));
        }
        for day in days(window) {
            let id = (owner, carrier, day);
            let mut sold = self.store.find::<SoldDay>(&id)?.unwrap_or_default();
            for (hour, sold) in sold.hours.iter_mut().enumerate() {
                let from = Timestamp(u64::from(day) * DAY_MS + hour as u64 * HOUR_MS);
                if window.from <= from && from < window.to {
                    change(from, sold)?;
                }
            }
            self.store.put(&id, sold);
        }
        Ok(())
    }
}
