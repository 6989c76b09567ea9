//! Quotas: how much of each kind one member can make all others keep. The limits are those of
//! the genesis document, unless the council has given a member its own.

use crate::context::Ledger;
use crate::record::{Kept, MemberRecord};
use crate::store::Ruled;
use utilidor_types::genesis::Limits;
use utilidor_types::program::Fuel;
use utilidor_types::refusal::Limited;
use utilidor_types::{MemberId, Refusal};

impl Kept {
    const fn of(&mut self, what: Limited) -> &mut u32 {
        match what {
            Limited::Accounts => &mut self.accounts,
            Limited::Offers => &mut self.offers,
            Limited::Quotes => &mut self.quotes,
            Limited::Proposals => &mut self.proposals,
            Limited::Meters => &mut self.meters,
            Limited::Packages => &mut self.packages,
            Limited::Subscriptions => &mut self.subscriptions,
            Limited::Motions => &mut self.motions,
            Limited::Programs => &mut self.programs,
            Limited::WrittenAgreements => &mut self.written_agreements,
        }
    }
}

const fn limit(limits: &Limits, what: Limited) -> u32 {
    match what {
        Limited::Accounts => limits.accounts,
        Limited::Offers => limits.offers,
        Limited::Quotes => limits.quotes,
        Limited::Proposals => limits.proposals,
        Limited::Meters => limits.meters,
        Limited::Packages => limits.packages,
        Limited::Subscriptions => limits.subscriptions,
        Limited::Motions => limits.motions,
        Limited::Programs => limits.programs,
        Limited::WrittenAgreements => limits.written_agreements,
    }
}

impl Ledger<'_> {
    /// Counts one more of a kind for a member, or refuses it.
    pub fn keep(&mut self, member: MemberId, what: Limited) -> Ruled<()> {
        let (place, mut record) = self.store.known_at::<MemberRecord>(&member)?;
        let max = limit(record.limits.as_ref().unwrap_or(&self.limits), what);
        let count = record.kept.of(what);
        if *count >= max {
            return Err(Refusal::LimitReached { what, max }.into());
        }
        *count += 1;
        self.store.put_at(place, record);
        Ok(())
    }

    /// How much fuel agreements of a member may use in a day.
    pub fn daily_fuel(&mut self, member: MemberId) -> Ruled<Fuel> {
        let own = self.store.view::<MemberRecord>(&member)?.and_then(|record| record.limits);
        Ok(own.unwrap_or(self.limits).daily_fuel)
    }

    /// Counts one less of a kind for a member.
    pub fn keep_no_more(&mut self, member: MemberId, what: Limited) -> Ruled<()> {
        let (place, mut record) = self.store.known_at::<MemberRecord>(&member)?;
        let count = record.kept.of(what);
        *count = count.saturating_sub(1);
        self.store.put_at(place, record);
        Ok(())
    }
}
