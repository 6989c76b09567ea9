//! Published indices: values that contracts follow. An index is its publisher's alone, since its id is the hash of that account,
//! name and unit; whatever account it is needs no role, for nobody follows an index that both sides of a contract have not named.
//!
//! ```text
//! PublishIndex ──> PriceIndexRecord (id) ──> IndexValueRecord (id, place of the period's begin)
//!                     \──> IndexCount (member)
//! ```
//!
//! How much it makes all others keep is bounded: indices by member, and of each index one record for every step of the grid in
//! [`INDEX_KEPT_MS`]. Periods follow each other, and a value takes the place of none that is younger than that.

use crate::context::{Caller, Ledger};
use crate::record::{IndexCount, IndexValueRecord, PriceIndexRecord};
use crate::store::Ruled;
use utilidor_types::price_index::{
    INDEX_GRID_MS, INDEX_KEPT_MS, IndexRead, IndexUnit, IndexValue, MAX_INDEX_MICRO, MAX_INDEX_PERIOD_MS, MAX_INDICES,
    PublishedValue, index_slot,
};
use utilidor_types::time::{DAY_MS, MAX_TIMESTAMP};
use utilidor_types::{PriceIndexId, Refusal, Timestamp, Window};

impl Ledger<'_> {
    pub fn want_index(&mut self, index: PriceIndexId, period: Window) {
        self.store.want::<PriceIndexRecord>(&index);
        self.store.want::<IndexValueRecord>(&(index, index_slot(period.from)));
    }

    /// Order: period, value, order of periods, whose place it takes, limit. The last value published again gives the first result.
    pub fn publish_index(&mut self, caller: Caller, value: &IndexValue) -> Ruled<()> {
        let IndexValue { index, period, micro } = value;
        let (id, period) = (index.id(caller.account), *period);
        self.want_index(id, period);
        self.store.want::<IndexCount>(&caller.member);
        let is_whole = [period.from, period.to].iter().all(|time| time.0.is_multiple_of(INDEX_GRID_MS));
        if !is_whole || period.is_empty() || period.ms() > MAX_INDEX_PERIOD_MS || period.to > MAX_TIMESTAMP {
            let max_days = (MAX_INDEX_PERIOD_MS / DAY_MS) as u32;
            return Err(Refusal::BadIndexPeriod { from: period.from, to: period.to, max_days }.into());
        }
        if micro.unsigned_abs() > MAX_INDEX_MICRO.unsigned_abs() {
            return Err(Refusal::IndexOutOfRange { max_micro: MAX_INDEX_MICRO.unsigned_abs() }.into());
        }
        let key = (id, index_slot(period.from));
        let present = self.store.view::<PriceIndexRecord>(&id)?.map(|record| (*record).clone());
        let there = self.store.view::<IndexValueRecord>(&key)?.map(|record| *record);
        if there.is_some_and(|there| (there.period, there.micro) == (period, *micro)) {
            return Ok(());
        }
        if let Some(last) = present.as_ref().map(|record| record.until).filter(|last| period.from < *last) {
            return Err(Refusal::IndexNotInOrder { from: period.from, last }.into());
        }
        if let Some(there) = there {
            let until = Timestamp(there.period.from.0.saturating_add(INDEX_KEPT_MS));
            if self.now < until {
                return Err(Refusal::IndexValueKept { from: there.period.from, until }.into());
            }
        }
        let count = self.store.view::<IndexCount>(&caller.member)?.map_or(0, |record| record.indices);
        if present.is_none() && count >= MAX_INDICES {
            return Err(Refusal::TooManyIndices { max: MAX_INDICES.into() }.into());
        }

        if present.is_none() {
            self.store.put(&caller.member, IndexCount { indices: count + 1 });
        }
        let record = PriceIndexRecord { publisher: caller.account, index: index.clone(), until: period.to };
        self.store.put(&id, record);
        self.store.put(&key, IndexValueRecord { period, micro: *micro, published: self.now });
        Ok(())
    }

    /// What a program is told of an index: the value for exactly this period, if it is published and still kept. The numbers of
    /// an index of another unit mean something else, and are none.
    pub fn read_index(&mut self, index: PriceIndexId, unit: IndexUnit, period: Window) -> Ruled<IndexRead> {
        let is_of_unit = self.store.view::<PriceIndexRecord>(&index)?.is_some_and(|record| record.index.unit == unit);
        let record = self.store.view::<IndexValueRecord>(&(index, index_slot(period.from)))?;
        let value = record.filter(|record| is_of_unit && record.period == period);
        let value = value.map(|record| PublishedValue { micro: record.micro, published: record.published });
        Ok(IndexRead { index, period, value })
    }
}
