//! Capacity of a source: what an owner has sold for an hour never exceeds what it can supply in it.

use crate::context::Ledger;
use crate::effect::Unfit;
use crate::record::{CapacityRecord, SoldDay};
use crate::store::Ruled;
use std::ops::Range;
use utilidor_program::Volume;
use utilidor_types::agreement::MAX_WINDOW_HOURS;
use utilidor_types::time::{DAY_MS, HOUR_MS, MAX_TIMESTAMP};
use utilidor_types::{AccountId, Carrier, Quantity, Refusal, Role, Timestamp, Window};

/// Whole hours of a window that can be sold; `None` for any other.
fn hours(window: Window) -> Option<u64> {
    let is_whole = |time: Timestamp| time.0.is_multiple_of(HOUR_MS) && time <= MAX_TIMESTAMP;
    let hours = window.ms() / HOUR_MS;
    (is_whole(window.from) && is_whole(window.to) && (1..=MAX_WINDOW_HOURS).contains(&hours)).then_some(hours)
}

/// The UTC days that a window touches; none for a window that cannot be sold.
fn days(window: Window) -> Range<u32> {
    match hours(window) {
        Some(_) => (window.from.0 / DAY_MS) as u32..window.to.0.div_ceil(DAY_MS) as u32,
        None => 0..0,
    }
}

impl Ledger<'_> {
    pub fn want_capacity(&mut self, owner: AccountId, carrier: Carrier) {
        self.store.want::<CapacityRecord>(&(owner, carrier));
    }

    /// The hours of a sale, or of what is given back.
    pub fn want_hours(&mut self, owner: AccountId, carrier: Carrier, window: Window) {
        self.want_capacity(owner, carrier);
        self.want_days(owner, carrier, days(window));
    }

    /// The hours of a sale, and the days that it lets go of.
    pub fn want_sale(&mut self, owner: AccountId, carrier: Carrier, window: Window) {
        self.want_hours(owner, carrier, window);
        if let Ok(Some(record)) = self.store.view::<CapacityRecord>(&(owner, carrier)) {
            self.want_days(owner, carrier, self.let_go_of(&record, window));
        }
    }

    fn want_days(&mut self, owner: AccountId, carrier: Carrier, days: Range<u32>) {
        days.for_each(|day| self.store.want::<SoldDay>(&(owner, carrier, day)));
    }

    /// Each sale lets go of as many days that are past as it begins, and one more: so what is kept of them does not grow.
    fn let_go_of(&self, record: &CapacityRecord, window: Window) -> Range<u32> {
        let most = record.kept_from.saturating_add(days(window).len() as u32).saturating_add(1);
        record.kept_from..self.today().min(most)
    }

    /// Order: owner, its role.
    pub fn declare_capacity(&mut self, owner: AccountId, carrier: Carrier, per_hour: Quantity) -> Ruled<()> {
        self.account_needs_role(owner, Role::Owner)?;
        let present = self.store.find::<CapacityRecord>(&(owner, carrier))?;

        let kept_from = present.map_or(self.today(), |present| present.kept_from);
        self.store.put(&(owner, carrier), CapacityRecord { per_hour, kept_from });
        Ok(())
    }

    /// Sells a volume in equal parts, rounded up, in each hour of a window; or refuses the first that is full.
    pub fn sell_hours(&mut self, owner: AccountId, volume: Volume, window: Window) -> Ruled<()> {
        let wanted = volume.quantity.0.div_ceil(hours(window).ok_or(Unfit::Window)?);
        let carrier = volume.carrier;
        let record = self.store.get::<CapacityRecord>(&(owner, carrier), || Refusal::NoCapacity { carrier })?;
        let capacity = record.per_hour;
        self.forget_days(owner, carrier, record, window)?;
        self.each_hour(owner, carrier, window, |hour, sold| {
            let total = sold.checked_add(wanted).filter(|total| *total <= capacity.0);
            *sold = total.ok_or(Refusal::CapacityExceeded {
                hour,
                sold: Quantity(*sold),
                wanted: Quantity(wanted),
                capacity,
            })?;
            Ok(())
        })
    }

    fn forget_days(&mut self, owner: AccountId, carrier: Carrier, record: CapacityRecord, window: Window) -> Ruled<()> {
        let past = self.let_go_of(&record, window);
        self.want_days(owner, carrier, past.clone());
        for day in past.clone() {
            if self.store.find::<SoldDay>(&(owner, carrier, day))?.is_some() {
                self.store.delete::<SoldDay>(&(owner, carrier, day));
            }
        }
        if !past.is_empty() {
            self.store.put(&(owner, carrier), CapacityRecord { kept_from: past.end, ..record });
        }
        Ok(())
    }

    /// Gives back what was sold in the same way.
    pub fn return_hours(&mut self, owner: AccountId, volume: Volume, window: Window) -> Ruled<()> {
        let sold_before = volume.quantity.0.div_ceil(hours(window).ok_or(Unfit::Window)?);
        self.each_hour(owner, volume.carrier, window, |_, sold| {
            *sold = sold.checked_sub(sold_before).ok_or(Unfit::Capacity)?;
            Ok(())
        })
    }

    fn each_hour(
        &mut self,
        owner: AccountId,
        carrier: Carrier,
        window: Window,
        mut change: impl FnMut(Timestamp, &mut u64) -> Result<(), Refusal>,
    ) -> Ruled<()> {
        self.want_hours(owner, carrier, window);
        for day in days(window) {
            let id = (owner, carrier, day);
            let mut sold = self.store.find::<SoldDay>(&id)?.unwrap_or_default();
            for (hour, sold) in sold.hours.iter_mut().enumerate() {
                let from = Timestamp(u64::from(day) * DAY_MS + hour as u64 * HOUR_MS);
                if window.from <= from && from < window.to {
                    change(from, sold)?;
                }
            }
            match sold.hours.iter().any(|sold| *sold > 0) {
                true => self.store.put(&id, sold),
                false => self.store.delete::<SoldDay>(&id),
            }
        }
        Ok(())
    }
}
