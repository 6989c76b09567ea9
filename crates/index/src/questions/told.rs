//! Who is told of which receipts, and of what in them: decided by what `sight` shows of each thing that they name.

use super::sight::Seen;
use super::{Questions, Read};
use crate::store::columns::{int, maybe_value, value, window};
use rusqlite::params;
use std::collections::HashSet;
use utilidor_types::event::{MeterSegment, RefusedReading};
use utilidor_types::session::Category;
use utilidor_types::{
    AccountId, Action, AgreementId, Cause, CertificateId, Decision, DueItem, Event, MeterId, Motion, MotionId, Receipt,
    SignedTransaction, Verdict, Window,
};
use utilidor_view::CauseView;

/// The kind of what an action is about.
const fn category_of(action: &Action) -> Category {
    match action {
        Action::ProposeMotion(_)
        | Action::VoteOnMotion { .. }
        | Action::ProveReady(_)
        | Action::OpenAccount { .. }
        | Action::Issue { .. }
        | Action::Redeem { .. }
        | Action::Transfer { .. } => Category::Accounts,
        Action::RegisterMeter(_)
        | Action::BindMeter { .. }
        | Action::RotateMeterKey { .. }
        | Action::ChangeMeterCapacity { .. }
        | Action::ExchangeMeter { .. }
        | Action::RetireMeter { .. }
        | Action::TakeOverMeters { .. }
        | Action::RecordReadings { .. }
        | Action::CorrectReadings { .. } => Category::Meters,
        _ => Category::Trade,
    }
}

/// What a receipt is judged for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// To be told.
    Listener,
    /// To prove a bill. It may rest on a receipt that tells of its meter beyond the time in which that is seen, since a receipt is
    /// proven whole: of such a meter, all is shown that the receipt says.
    Bill,
}

/// The meter of which an event tells, and of when.
const fn told_of(event: &Event) -> Option<(MeterId, Window)> {
    match event {
        Event::Segment(MeterSegment { meter, interval, .. })
        | Event::Gap { meter, interval }
        | Event::Unsupplied { meter, interval, .. }
        | Event::Corrected { meter, interval, .. } => Some((*meter, *interval)),
        _ => None,
    }
}

impl Questions<'_> {
    /// What of a segment is told to a party of one of the agreements that its meter serves: what others have of it is left out.
    pub(super) fn reduced(&self, event: Event) -> Read<Event> {
        let Event::Segment(mut segment) = event else { return Ok(event) };
        if !self.sees_event(&Event::Segment(segment.clone()), &HashSet::new())? {
            let mut fills = Vec::new();
            for fill in segment.fills.iter() {
                if self.sees_agreement(fill.agreement)? {
                    fills.push(*fill);
                }
            }
            segment.fills = fills.try_into().unwrap_or_default();
            if let Some((agreement, _)) = segment.supply
                && !self.sees_agreement(agreement)?
            {
                segment.supply = None;
            }
        }
        Ok(Event::Segment(segment))
    }

    /// Whether all of an event is seen, of which the meters in `proven` may show everything.
    fn sees_event(&self, event: &Event, proven: &HashSet<MeterId>) -> Read<bool> {
        if told_of(event).is_some_and(|(meter, _)| proven.contains(&meter)) {
            return Ok(true);
        }
        match event {
            Event::Segment(segment) => {
                let seen = self.meter_seen(segment.meter)?;
                if seen.iter().any(|seen| seen.own && seen.shows(segment.interval)) {
                    return Ok(true);
                }
                let (fills, supply) = (segment.fills.iter().map(|fill| fill.agreement), segment.supply);
                let (mut some, mut all) = (false, true);
                for agreement in fills.chain(supply.map(|(agreement, _)| agreement)) {
                    let sees = self.sees_agreement(agreement)?;
                    (some, all) = (some || sees, all && sees);
                }
                Ok(some && all)
            }
            Event::Gap { meter, interval }
            | Event::Unsupplied { meter, interval, .. }
            | Event::Corrected { meter, interval, .. } => self.sees_meter_in(*meter, *interval),
            Event::Certified { first, count, refused } => self.sees_certified(*first, *count, refused, proven),
            Event::Bond { offer, bidder, .. } | Event::AwardRefused { offer, bidder, .. } => {
                Ok(self.sight.has(Category::Trade, *bidder) || self.owns_offer(*offer)?)
            }
            // Headers are checked with the validators' keys, by everybody.
            Event::ValidatorReady { .. }
            | Event::ValidatorsChanged { .. }
            | Event::ValidatorsKept { .. }
            | Event::OfferLapsed { .. } => Ok(true),
            Event::MotionOpened { motion, .. } | Event::Voted { motion, .. } | Event::MotionEnded { motion, .. } => {
                self.sees_motion(*motion)
            }
            Event::Decided { decision, .. } => Ok(self.sees_decision(decision)),
            _ => {
                let mut of = None;
                crate::fold::agreements_of(event, |agreement| of = Some(agreement));
                of.map_or(Ok(false), |agreement| self.sees_agreement(agreement))
            }
        }
    }

    /// Whether all that a batch certified or was refused is seen.
    fn sees_certified(
        &self,
        first: CertificateId,
        count: u32,
        refused: &[RefusedReading],
        proven: &HashSet<MeterId>,
    ) -> Read<bool> {
        for reading in refused {
            if !proven.contains(&reading.meter) && !self.sees_meter_now(reading.meter)? {
                return Ok(false);
            }
        }
        for (meter, time) in self.certified(first, count)? {
            let sees = |seen: &Seen| seen.shows(time) && seen.time.to >= time.to;
            if !proven.contains(&meter) && !self.meter_seen(meter)?.iter().any(sees) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The runs that a batch certified: of which meter, and when.
    fn certified(&self, first: CertificateId, count: u32) -> Read<Vec<(MeterId, Window)>> {
        let sql = "SELECT meters.meter AS meter_id, from_ms, to_ms FROM certified_runs
                   JOIN meters ON meters.id = certified_runs.meter WHERE certified_runs.id >= ? AND certified_runs.id < ?";
        self.all(sql, [int(first.0), int(first.0.saturating_add(count.into()))], |row| {
            Ok((MeterId(row.get("meter_id")?), window(row)?))
        })
    }

    /// The meters of which a receipt tells something that is seen.
    fn meters_shown(&self, events: &[Event]) -> Read<HashSet<MeterId>> {
        let mut shown = HashSet::new();
        for event in events {
            let told = match event {
                Event::Certified { first, count, .. } => self.certified(*first, *count)?,
                event => told_of(event).into_iter().collect(),
            };
            for (meter, time) in told {
                if !shown.contains(&meter) && self.meter_seen(meter)?.iter().any(|seen| seen.time.overlap_ms(time) > 0)
                {
                    shown.insert(meter);
                }
            }
        }
        Ok(shown)
    }

    /// Whether whoever asks is a member and may ask about accounts.
    fn is_member(&self) -> bool {
        self.sight.viewer.may_ask_for(Category::Accounts) && (self.sight.member.is_some() || self.sees_everything())
    }

    /// Whether a decision of the council is seen: by all members, unless it names an account, which only those it is due to can tie
    /// to its member.
    pub(super) fn sees_decision(&self, decision: &Decision) -> bool {
        let mine = |account| self.sight.has(Category::Accounts, account);
        match decision {
            Decision::AdmitMember { account, .. } => mine(account.account()),
            Decision::DeclareCapacity { owner, .. } => mine(*owner),
            Decision::HandOverMeters { from, to } => mine(*from) || mine(*to),
            Decision::RemoveMember { .. }
            | Decision::ChangeRoles { .. }
            | Decision::ChangeLimits { .. }
            | Decision::AppointValidator { .. }
            | Decision::DismissValidator { .. } => self.is_member(),
        }
    }

    /// Whether all motions that were under an id are seen.
    pub(super) fn sees_motion(&self, motion: MotionId) -> Read<bool> {
        let sql = "SELECT body FROM motions WHERE motion = ?";
        let motions: Vec<Motion> = self.all(sql, [motion.0], |row| value(row, "body"))?;
        Ok(!motions.is_empty() && motions.iter().all(|motion| self.sees_decision(&motion.decision)))
    }

    fn see_all(&self, meters: &[MeterId]) -> Read<bool> {
        for meter in meters {
            if !self.sees_meter_now(*meter)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether all of an action is seen that was done.
    fn sees_action(&self, signer: AccountId, action: &Action) -> Read<bool> {
        let category = category_of(action);
        let mine = |account| self.sight.has(category, account);
        if mine(signer) {
            return Ok(true);
        }
        Ok(match action {
            Action::PublishOffers { .. }
            | Action::WithdrawOffer { .. }
            | Action::PublishPackage(_)
            | Action::ClosePackage { .. }
            | Action::PublishProgram(_)
            | Action::PublishIndex(_) => true,
            Action::ProposeMotion(motion) => self.sees_decision(&motion.decision),
            Action::VoteOnMotion { motion, .. } => self.sees_motion(*motion)?,
            Action::ProveReady(_) => self.is_member(),
            Action::OpenAccount { account } => mine(account.account()),
            Action::Issue { to, .. } | Action::Transfer { to, .. } => mine(*to),
            Action::Redeem { .. } => false,
            Action::SubmitQuotes { quotes } => {
                for quote in &**quotes {
                    if !self.owns_offer(quote.offer)? {
                        return Ok(false);
                    }
                }
                true
            }
            Action::WithdrawQuote { offer } => self.owns_offer(*offer)?,
            Action::Award { awards } => awards.iter().all(|award| mine(award.bidder)),
            Action::ProposeAgreement { terms, .. } => terms.parties.iter().any(|party| mine(*party)),
            Action::SignAgreement { agreement, .. }
            | Action::DeclineAgreement { agreement }
            | Action::ProposeAmendment { agreement, .. }
            | Action::SignAmendment { agreement, .. }
            | Action::Terminate { agreement }
            | Action::WithdrawTermination { agreement }
            | Action::PayDebt { agreement, .. }
            | Action::Command { agreement, .. }
            | Action::Prepay { subscription: agreement, .. } => self.sees_agreement(*agreement)?,
            Action::Subscribe { label, .. } => self.sees_agreement(AgreementId::of(signer, *label))?,
            Action::RegisterMeter(meter) => mine(meter.holder),
            Action::BindMeter { holder, .. } => mine(*holder),
            Action::TakeOverMeters { meters } => self.see_all(meters)?,
            Action::RotateMeterKey { meter, .. }
            | Action::ChangeMeterCapacity { meter, .. }
            | Action::ExchangeMeter { meter, .. }
            | Action::RetireMeter { meter } => self.sees_meter_now(*meter)?,
            // What it certified stands in its receipt.
            Action::RecordReadings { .. } => self.sight.viewer.may_ask_for(category),
            Action::CorrectReadings { meter, interval, .. } => self.sees_meter_in(*meter, *interval)?,
        })
    }

    /// Whether all of a receipt, and of the transaction that it answers, is seen.
    pub(super) fn sees_receipt(&self, receipt: &Receipt, signed: Option<&SignedTransaction>, whose: For) -> Read<bool> {
        let transaction = signed.map(|signed| &signed.transaction);
        if transaction
            .is_some_and(|transaction| self.sight.has(category_of(&transaction.action), transaction.account()))
        {
            return Ok(true);
        }
        let Verdict::Applied(events) = &receipt.verdict else { return Ok(self.sees_all()) };
        let seen = match (transaction, &receipt.cause) {
            (Some(transaction), _) => self.sees_action(transaction.account(), &transaction.action)?,
            (None, Cause::Due { item: DueItem::Agreement(agreement), .. }) => self.sees_agreement(*agreement)?,
            (None, _) => true,
        };
        if !seen {
            return Ok(false);
        }
        let proven = match whose {
            For::Listener => HashSet::new(),
            For::Bill => self.meters_shown(events)?,
        };
        for event in events.iter() {
            if !self.sees_event(event, &proven)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn sees_all(&self) -> bool {
        Category::ALL.into_iter().all(|category| self.sight.all(category))
    }

    /// The same of the receipt at a place. One that is not there is not seen.
    pub fn sees_receipt_at(&self, height: u64, place: u32) -> Read<bool> {
        if self.sees_all() {
            return Ok(true);
        }
        if let Some(seen) = self.sight.whole.borrow().get(&(height, place)) {
            return Ok(*seen);
        }
        let seen = self.judge_receipt_at(height, place, For::Listener)?;
        self.sight.whole.borrow_mut().insert((height, place), seen);
        Ok(seen)
    }

    /// Whether the receipt at a place may stand in the proof of a bill that is seen: there, who shares a meter sees what the
    /// others took of it, since the order in which they took it decides the bill.
    pub fn may_prove_by(&self, height: u64, place: u32) -> Read<bool> {
        Ok(self.sees_all() || self.judge_receipt_at(height, place, For::Bill)?)
    }

    fn judge_receipt_at(&self, height: u64, place: u32, whose: For) -> Read<bool> {
        let sql = "SELECT body, signed FROM receipts
                   WHERE id = (SELECT first_receipt FROM blocks WHERE height = ?1) + ?2 AND height = ?1";
        let found = self.find(sql, params![int(height), place], |row| {
            Ok((value::<Receipt>(row, "body")?, maybe_value(row, "signed")?))
        })?;
        match found {
            Some((receipt, signed)) => self.sees_receipt(&receipt, signed.as_ref(), whose),
            None => Ok(false),
        }
    }

    /// Leaves out of causes the hashes of transactions that are not seen whole.
    pub(super) fn withhold<'c>(&self, causes: impl IntoIterator<Item = &'c mut CauseView>) -> Read<()> {
        for cause in causes {
            if cause.transaction.is_some() && !self.sees_receipt_at(cause.height, cause.receipt)? {
                cause.transaction = None;
            }
        }
        Ok(())
    }
}
