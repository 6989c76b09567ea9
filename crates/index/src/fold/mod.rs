//! Folding: what a final block changes in the tables.
//!
//! ```text
//! block + what stood before (rows, asked for one by one) --fold--> changes --store--> tables
//! ```
//!
//! Nothing here knows SQL. A receipt's consequences are its action and its events together: what an action says itself (a
//! transfer's amount, an offer's lots) is read from the action, all else from the events. Anything that the blocks before
//! do not explain is a divergence: it stops the index, because a read model that guesses is worse than one that stands
//! still. Sums are worked out here, in the types of the ledger; the tables only keep them.

mod agreement;
mod changes;
mod council;
mod known;
mod member;
mod meter;
pub(crate) mod money;
mod offer;
mod package;
mod price_index;
mod program;
mod refusal;
mod statement;

pub use changes::*;
pub use known::*;

use crate::fold::money::Entry;
use std::collections::HashMap;
use std::convert::Infallible;
use utilidor_types::block::FinalBlock;
use utilidor_types::receipt::{Cause, Verdict};
use utilidor_types::{
    AccountId, Action, AgreementId, CertificationEntry, DueItem, Event, Genesis, Receipt, SignedTransaction, Timestamp,
    TransactionHash,
};

/// Why a block cannot be folded.
#[derive(Debug)]
pub enum FoldError<E> {
    /// What stood before cannot be told.
    Before(E),
    /// The block contradicts the blocks before.
    Diverged(String),
}

/// A divergence.
fn diverged<E>(reason: impl Into<String>) -> FoldError<E> {
    FoldError::Diverged(reason.into())
}

type Folded<T, B> = Result<T, FoldError<<B as Before>::Error>>;

/// Bits of a place within a receipt, in a number that names both.
pub(crate) const PLACE_BITS: u32 = 20;

const _: () =
    assert!(utilidor_types::event::MAX_EVENTS < 1 << PLACE_BITS, "a number must name every place in a receipt");

/// The number of something in a receipt.
pub(crate) const fn cursor(receipt: Row, place: Row) -> Row {
    (receipt << PLACE_BITS) | place
}

/// The first bytes of a transaction's hash, by which it is found.
pub(crate) fn head(hash: &TransactionHash) -> Row {
    i64::from_be_bytes(*hash.0.first_chunk().expect("a hash is longer than a row's number"))
}

/// Calls `each` with every agreement that an event concerns.
pub(crate) fn agreements_of(event: &Event, mut each: impl FnMut(AgreementId)) {
    match event {
        Event::Moved { agreement, .. }
        | Event::AgreementProposed { agreement, .. }
        | Event::AgreementStatus { agreement, .. }
        | Event::AgreementAmended { agreement, .. }
        | Event::Returned { agreement, .. }
        | Event::LevelReached { agreement, .. }
        | Event::Adjusted { agreement, .. }
        | Event::ProgramFailed { agreement, .. }
        | Event::ProgramRan { agreement, .. }
        | Event::IndicesRead { agreement, .. }
        | Event::Debt { agreement, .. }
        | Event::Ending { agreement, .. }
        | Event::EndingStands { agreement, .. }
        | Event::ReadingsMissing { agreement, .. } => each(*agreement),
        Event::Prepaid { subscription, .. }
        | Event::TrancheOpened { subscription, .. }
        | Event::LowBalance { subscription, .. }
        | Event::Exhausted { subscription, .. } => each(*subscription),
        Event::DayPassedOn { subscription, to } => {
            each(*subscription);
            each(*to);
        }
        Event::StatementIssued(statement) => each(statement.agreement),
        Event::Segment(segment) => {
            segment.fills.iter().for_each(|fill| each(fill.agreement));
            segment.supply.iter().for_each(|(agreement, _)| each(*agreement));
        }
        Event::Certified { .. }
        | Event::Gap { .. }
        | Event::Unsupplied { .. }
        | Event::Corrected { .. }
        | Event::Bond { .. }
        | Event::AwardRefused { .. }
        | Event::OfferLapsed { .. }
        | Event::MotionOpened { .. }
        | Event::Voted { .. }
        | Event::Decided { .. }
        | Event::MotionEnded { .. }
        | Event::ValidatorReady { .. }
        | Event::ValidatorsChanged { .. }
        | Event::ValidatorsKept { .. } => {}
    }
}

/// A block being folded.
pub(crate) struct Fold<'a, 'k, B> {
    before: &'k mut B,
    known: &'k mut Known,
    changes: Changes<'a>,
    height: u64,
    now: Timestamp,
    /// Row of the receipt being folded, and the place of the event in it.
    receipt: Row,
    place: Row,
    /// Refusals in it so far.
    refused: Row,
    /// What the block has added to the certification log and no receipt so far has told of, and the place of its first in the log.
    entries: &'a [CertificationEntry],
    position: u64,
    /// What accounts held before the block, of those that it has touched.
    held_before: HashMap<AccountId, u128>,
}

/// Folds a block, on what stood before.
pub fn fold<'a, B: Before>(
    block: &'a FinalBlock,
    totals: Totals,
    known: &mut Known,
    before: &mut B,
) -> Folded<Changes<'a>, B> {
    let mut fold = Fold::new(block.header.height, block.header.time, totals, known, before);
    fold.block(block)?;
    fold.finish()
}

/// Folds the genesis document: the members that it admits.
pub fn genesis(genesis: &Genesis) -> Result<Changes<'static>, String> {
    let (mut known, mut before) = (Known::default(), Nothing);
    let mut fold = Fold::new(0, genesis.time, Totals::default(), &mut known, &mut before);
    let admitted = genesis.members.iter().try_for_each(|member| fold.admit(member.account, member.roles));
    fold.validators(0, &genesis.roster());
    let admitted =
        admitted.and_then(|()| genesis.validators.iter().try_for_each(|validator| fold.appointed_first(validator)));
    match admitted.and_then(|()| fold.finish()) {
        Ok(changes) => Ok(changes),
        Err(FoldError::Diverged(reason)) => Err(reason),
        Err(FoldError::Before(never)) => match never {},
    }
}

/// Before the genesis document there was nothing.
struct Nothing;

macro_rules! nothing {
    ($($name:ident($($key:ty),*) -> $row:ty;)*) => {
        impl Before for Nothing {
            type Error = Infallible;
            $(fn $name(&mut self, $(_: $key),*) -> Result<Option<$row>, Infallible> {
                Ok(None)
            })*
        }
    };
}

nothing! {
    member(utilidor_types::MemberId) -> Member;
    motion(utilidor_types::MotionId) -> Row;
    account(AccountId) -> Account;
    offer(utilidor_types::OfferId) -> OfferRow;
    standing_quote(Row, Row) -> StandingQuote;
    agreement(AgreementId) -> Agreement;
    terms(Row) -> utilidor_types::AgreementTerms;
    amendment(Row) -> Amendment;
    meter(utilidor_types::MeterId) -> MeterRow;
    serves(Row, Row) -> utilidor_types::Window;
    package(utilidor_types::PackageId, u32) -> PackageRow;
    program(utilidor_types::ProgramId) -> Row;
    tranche(TrancheKey) -> Tranche;
}

impl<'a, 'k, B: Before> Fold<'a, 'k, B> {
    fn new(height: u64, now: Timestamp, totals: Totals, known: &'k mut Known, before: &'k mut B) -> Self {
        let changes = Changes { totals, ..Changes::default() };
        Self {
            before,
            known,
            changes,
            height,
            now,
            receipt: 0,
            place: 0,
            refused: 0,
            entries: &[],
            position: 0,
            held_before: HashMap::new(),
        }
    }

    fn block(&mut self, block: &'a FinalBlock) -> Folded<(), B> {
        let first_receipt = self.changes.totals.receipts as Row + 1;
        self.changes.block = Some(NewBlock {
            header: &block.header,
            digest: block.header.digest(),
            first_receipt,
            first_certificate: self.changes.totals.certificates,
        });
        self.changes.totals.receipts += block.receipts.len() as u64;
        // The block's last operation in the log is its commit.
        self.position = block.header.certification.end.saturating_sub(1 + block.certified.len() as u64);
        self.entries = &block.certified;

        // Those that no receipt has answered yet.
        let mut places: HashMap<_, _> =
            block.transactions.iter().enumerate().map(|(place, one)| (one.hash, place)).collect();
        for (place, receipt) in block.receipts.iter().enumerate() {
            self.receipt = first_receipt + place as Row;
            (self.place, self.refused) = (0, 0);
            let transaction = match receipt.cause {
                Cause::Transaction(hash) => {
                    let place = places.remove(&hash);
                    let place = place.ok_or_else(|| diverged(format!("no transaction {hash} is left in the block")))?;
                    let signed = &*block.transactions[place].signed;
                    Some(AnsweredTransaction { place: place as u32, hash, signed })
                }
                Cause::Due { item: DueItem::Agreement(agreement), .. } => {
                    self.concerns(agreement)?;
                    None
                }
                Cause::Genesis | Cause::Due { .. } => None,
            };
            self.receipt(place as u32, receipt, transaction)?;
        }
        if !places.is_empty() {
            return Err(diverged("a transaction of the block has no receipt"));
        }
        if let Some(entry) = self.entries.first() {
            return Err(diverged(format!("no receipt tells of the certificates from {} on", entry.run().first)));
        }
        Ok(())
    }

    fn receipt(
        &mut self,
        place: u32,
        receipt: &'a Receipt,
        transaction: Option<AnsweredTransaction<'a>>,
    ) -> Folded<(), B> {
        if let Some(AnsweredTransaction { hash, signed, .. }) = transaction {
            let nonce = signed.transaction.nonce.saturating_add(1);
            self.change_account(signed.transaction.account(), |account| account.nonce = nonce)?;
            self.changes.totals.transactions += 1;
            self.changes.transaction_heads.push((head(&hash), self.receipt));
        }
        self.changes.receipts.push(NewReceipt { row: self.receipt, place, receipt, transaction });
        match &receipt.verdict {
            Verdict::Applied(events) => self.applied(transaction.map(|transaction| transaction.signed), events),
            Verdict::Refused(refusal) => {
                self.refuse(refusal.clone(), RefusedWhat::Transaction);
                Ok(())
            }
        }
    }

    fn applied(&mut self, signed: Option<&'a SignedTransaction>, events: &'a [Event]) -> Folded<(), B> {
        let request = signed.map(|signed| (signed.transaction.account(), &signed.transaction.action));
        if let Some((account, action)) = request {
            if let Some(entry) = Entry::of_action(account, action) {
                self.enter(&entry)?;
            }
            self.action(account, action)?;
        }
        for (place, event) in events.iter().enumerate() {
            self.place = place as Row;
            self.event(event, request)?;
            let mut concerned = Vec::new();
            agreements_of(event, |agreement| concerned.push(agreement));
            concerned.into_iter().try_for_each(|agreement| self.concerns(agreement))?;
        }
        Ok(())
    }

    /// Notes that the receipt concerns an agreement.
    fn concerns(&mut self, agreement: AgreementId) -> Folded<(), B> {
        let row = self.agreement(agreement)?.row;
        self.changes.agreement_receipts.push((row, self.receipt));
        Ok(())
    }

    fn action(&mut self, by: AccountId, action: &'a Action) -> Folded<(), B> {
        match action {
            Action::OpenAccount { account } => self.open_account(account),
            Action::Issue { amount, .. } => self.issued(*amount),
            Action::Redeem { amount, .. } => self.redeemed(*amount),
            Action::PublishOffers { offers } => offers.iter().try_for_each(|offer| self.publish_offer(by, offer)),
            Action::WithdrawOffer { offer } => self.withdraw_offer(*offer),
            Action::SubmitQuotes { quotes } => {
                (0..).zip(quotes).try_for_each(|(place, quote)| self.submit_quote(by, place, quote))
            }
            Action::WithdrawQuote { offer } => self.withdraw_quote(by, *offer),
            Action::SignAgreement { agreement, terms } | Action::SignAmendment { agreement, terms } => {
                self.signed(*agreement, by, *terms)
            }
            Action::ProposeAmendment { agreement, program, from } => {
                self.propose_amendment(by, *agreement, program, *from)
            }
            Action::Terminate { agreement } => self.terminate(by, *agreement),
            Action::WithdrawTermination { agreement } => self.withdraw_termination(by, *agreement),
            Action::DeclineAgreement { agreement }
            | Action::PayDebt { agreement, .. }
            | Action::Command { agreement, .. }
            | Action::Prepay { subscription: agreement, .. } => self.concerns(*agreement),
            Action::RegisterMeter(meter) => self.register_meter(by, meter),
            Action::BindMeter { meter, holder } => self.bind_meter(*meter, *holder),
            Action::RotateMeterKey { meter, authority } => self.rotate_meter_key(*meter, *authority),
            Action::ChangeMeterCapacity { meter, capacity_per_hour } => {
                self.change_meter_capacity(*meter, *capacity_per_hour)
            }
            Action::ExchangeMeter { meter, last, authority, register_modulus, register } => {
                self.exchange_meter(*meter, *last, *authority, *register_modulus, *register)
            }
            Action::RetireMeter { meter } => self.retire_meter(*meter),
            Action::TakeOverMeters { meters } => self.take_over_meters(by, meters),
            Action::PublishPackage(package) => self.publish_package(by, package),
            Action::ClosePackage { package, version } => self.close_package(*package, *version),
            Action::PublishProgram(publication) => self.publish_program(by, publication),
            Action::PublishIndex(value) => self.publish_index(by, value),
            // What these bring about stands in their events, and what a transfer moves was entered before.
            Action::Transfer { .. }
            | Action::ProposeMotion(_)
            | Action::VoteOnMotion { .. }
            | Action::ProveReady(_)
            | Action::Award { .. }
            | Action::ProposeAgreement { .. }
            | Action::RecordReadings { .. }
            | Action::CorrectReadings { .. }
            | Action::Subscribe { .. } => Ok(()),
        }
    }

    fn event(&mut self, event: &'a Event, request: Option<(AccountId, &'a Action)>) -> Folded<(), B> {
        match event {
            Event::Moved { agreement, movement, amount } => self.moved(*agreement, *movement, *amount),
            Event::Bond { offer, bidder, movement, amount } => self.bond_moved(*offer, *bidder, *movement, *amount),
            Event::AgreementProposed { agreement, parties, terms, sign_by } => {
                self.agreement_proposed(*agreement, parties, *terms, *sign_by, request)
            }
            Event::AgreementStatus { agreement, status } => self.agreement_status(*agreement, *status),
            Event::AgreementAmended { agreement, terms } => self.agreement_amended(*agreement, *terms),
            Event::Ending { agreement, at } => self.ending(*agreement, *at),
            Event::Debt { agreement, party, owes } => self.debt(*agreement, *party, *owes),
            Event::Certified { first, count, refused } => {
                self.counted(*first, *count)?;
                refused.iter().for_each(|refused| {
                    let of = RefusedWhat::Reading { index: refused.index, meter: refused.meter };
                    self.refuse(refused.refusal.clone(), of);
                });
                Ok(())
            }
            Event::Gap { meter, .. } => self.gap(*meter),
            Event::Corrected { meter, interval, certified, right, .. } => {
                self.corrected(*meter, *interval, *certified, *right)
            }
            Event::Unsupplied { meter, .. } => self.meter_event(*meter, event),
            Event::Segment(segment) => {
                self.meter_event(segment.meter, event)?;
                self.segment(segment)
            }
            Event::StatementIssued(statement) => self.statement_issued(statement),
            Event::Prepaid { subscription, carrier, tranche, paid, period } => {
                self.prepaid((*subscription, *carrier, *tranche), *paid, *period)
            }
            Event::TrancheOpened { subscription, carrier, tranche, debt_paid, paid, discount_permille, period } => self
                .tranche_opened((*subscription, *carrier, *tranche), (*debt_paid, *paid, *discount_permille), *period),
            Event::AwardRefused { offer, bidder, refusal } => self.award_refused(*offer, *bidder, refusal),
            Event::OfferLapsed { offer } => self.offer_lapsed(*offer),
            Event::MotionOpened { motion, closes, .. } => self.motion_opened(*motion, *closes, request),
            Event::Voted { motion, member, in_favour } => self.voted(*motion, *member, *in_favour),
            Event::Decided { motion, decision } => self.decided(*motion, decision),
            Event::MotionEnded { motion, end } => self.motion_ended(*motion, end),
            Event::ValidatorReady { member, epoch } => self.ready(*member, *epoch),
            Event::ValidatorsChanged { epoch, set } => {
                self.validators(*epoch, set);
                Ok(())
            }
            Event::ValidatorsKept { .. } => Ok(()),
            // These are read out of the receipts of their agreements.
            Event::Returned { .. }
            | Event::LevelReached { .. }
            | Event::Adjusted { .. }
            | Event::ProgramFailed { .. }
            | Event::ProgramRan { .. }
            | Event::IndicesRead { .. }
            | Event::ReadingsMissing { .. }
            | Event::LowBalance { .. }
            | Event::Exhausted { .. }
            | Event::EndingStands { .. }
            | Event::DayPassedOn { .. } => Ok(()),
        }
    }

    fn finish(mut self) -> Folded<Changes<'a>, B> {
        self.balances()?;
        let changes = &mut self.changes;
        changes.members_changed = changed(&mut self.known.members);
        changes.offers_changed = changed(&mut self.known.offers);
        changes.agreements_changed = changed(&mut self.known.agreements);
        changes.amendments = self.known.amendments.take_changed();
        changes.meters_changed = changed(&mut self.known.meters);
        changes.serves = with_keys(self.known.serves.take_changed());
        changes.tranches = with_keys(self.known.tranches.take_changed());
        for keys in [
            &mut changes.transaction_heads,
            &mut changes.account_receipts,
            &mut changes.agreement_receipts,
            &mut changes.agreement_parties,
        ] {
            keys.sort_unstable();
            keys.dedup();
        }
        changes.steps.sort_unstable();
        Ok(self.changes)
    }
}

fn changed<K: Copy + Eq + std::hash::Hash + Ord, V: Clone>(rows: &mut Rows<K, V>) -> Vec<V> {
    rows.take_changed().into_iter().filter_map(|(_, row)| row).collect()
}

fn with_keys<K, V>(rows: Vec<(K, Option<V>)>) -> Vec<(K, V)> {
    rows.into_iter().filter_map(|(key, row)| Some((key, row?))).collect()
}
