//! The scenario: what everybody does, day by day, from the first package to the last reading.
//!
//! ```text
//! day's begin -> readings of the day before -> top-ups where little is left -> the month's payments and tenders
//!             -> what is special about the day -> settlements and statements fall due -> next day
//! ```
//!
//! *deed* a thing done, as the journal keeps it: what a bill can be recomputed from. *batch* transactions that are submitted
//! together, so that they enter one block.
//!
//! Everything is decided by the data, the labels and the ledger's answers, so that two runs are the same. Each account's
//! k-th transaction is always the same one: when the demonstration is taken up again after an interruption it walks through
//! the same days, and what the chain has already, by the accounts' nonces, is not submitted a second time.

mod contract;
mod journal;
mod special;
mod supply;
mod trade;

pub use journal::{Deed, Entry, Journal, Pending, Purchase, Subscription, Unbilled};

use crate::adviser::{Advice, Adviser, Mode};
use crate::cast::{Cast, GATEWAY, ISSUER, METER_OPERATOR, STATION, account_key, agreement_id, meter_id, package_id};
use crate::data::{DAYS, OFFSET_MINUTES, Year, day_begin, hour_at, hour_begin, midnight};
use crate::meters::{ParkMeter, park_meters, tenant_meter};
use crate::platform::{Executed, Platform, PlatformError};
use crate::tariff::{version_1, version_2};
use crate::tender::{Tender, capacities, choose, tenders_of_month};
use crate::wire::{Wire, WireError};
use std::collections::BTreeMap;
use utilidor_types::Decision;
use utilidor_types::{
    AccountId, Action, AgreementId, AgreementTerms, Area, Carrier, Event, Label, MemberId, MeterId, Money, Package,
    Price, PrivateKey, Program, Quantity, Receipt, SignedTransaction, SubscriptionTerms, Timestamp, Transaction,
    Verdict, Window,
    action::{AwardBasis, AwardedQuote, NewAccount, Prepayment},
    agreement::Service,
    meter::MeterRun,
    statement::STATEMENT_GRACE_MS,
    time::HOUR_MS,
};

/// The last height at which a transaction of the demonstration may enter a block: beyond any that it reaches.
const EXPIRES: u64 = 90_000;
/// What a subscription may take from its tenant's balance within 30 days, beyond what is prepaid.
pub const ALLOWANCE: Money = Money::units(1_000_000);
/// The tenant that agrees to version 2 of the package, in July.
pub const ADJUSTS: &str = "garage-charging";
/// The tenant that ends its subscription and takes a new one, on a day in September at noon. Its first subscription may take
/// nothing beyond what is prepaid.
pub const LEAVES: &str = "office-9";

/// How far the demonstration has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Days behind us.
    pub day: usize,
    /// Days in all.
    pub days: usize,
}

/// Why the demonstration stopped.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// The platform did not answer.
    #[error("the platform did not answer")]
    Platform(#[from] PlatformError),
    /// The ledger did otherwise than the scenario knows.
    #[error("{who}'s {action}, transaction {nonce}: {found}, where the scenario expects {expected}")]
    Unexpected {
        /// Who acted.
        who: String,
        /// The action.
        action: &'static str,
        /// The transaction's number.
        nonce: u64,
        /// What the ledger answered.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// A meter could not be read over the wire.
    #[error("the meters could not be read over the wire")]
    Wire(#[from] WireError),
    /// The chain has another history than this demonstration's.
    #[error(
        "the chain's time is {found}, which a demonstration of so many days never reaches: the folder holds a longer one, or its \
         time was moved on. Ask for as many days as before, start over with --fresh, or choose another folder with --data"
    )]
    OtherHistory {
        /// The chain's time.
        found: Timestamp,
    },
}

/// A transaction that the scenario wants in a block.
struct Planned {
    who: String,
    nonce: u64,
    signed: SignedTransaction,
    /// The refusal that is meant to happen.
    refused: Option<&'static str>,
}

struct Running {
    agreement: AgreementId,
    label: Label,
    tenant: usize,
    from_day: usize,
    version: u32,
    modes: BTreeMap<Carrier, Mode>,
    services: Vec<Service>,
    allowance: Money,
}

struct Player<'a, P> {
    platform: &'a P,
    year: &'a Year,
    cast: Cast,
    meters: Vec<ParkMeter>,
    /// Where the first days' registers are read; without it all are the data's.
    wire: Option<&'a mut Wire>,
    packages: [Package; 2],
    keys: BTreeMap<String, PrivateKey>,
    nonces: BTreeMap<String, u64>,
    settled_nonces: BTreeMap<String, u64>,
    now: Timestamp,
    at: Timestamp,
    /// Time of the last block that took something of the scenario's.
    executed: Timestamp,
    running: Vec<Running>,
    awaiting_signature: Vec<(Tender, Vec<Purchase>)>,
    settlements: Vec<Timestamp>,
    /// What is owed under subscriptions.
    debts: BTreeMap<AgreementId, Money>,
    journal: Journal,
}

/// Plays `days` days of the year (1 to 365) and tells what was done. `progress` is called after each day. Registers are the data's.
pub async fn play<P: Platform>(
    platform: &P,
    year: &Year,
    days: usize,
    progress: &mut dyn FnMut(Progress),
) -> Result<Journal, PlayError> {
    play_over(None, platform, year, days, progress).await
}

/// The same; the registers of the wire's days are read over it.
pub async fn play_over<P: Platform>(
    wire: Option<&mut Wire>,
    platform: &P,
    year: &Year,
    days: usize,
    progress: &mut dyn FnMut(Progress),
) -> Result<Journal, PlayError> {
    assert!((1..=DAYS).contains(&days), "the demonstration has 1 to {DAYS} days");
    let mut player = Player::new(platform, year, days).await?;
    player.wire = wire;
    player.prepare().await?;
    for day in 0..=days {
        player.advance(day_begin(day)).await?;
        player.begin_day(day, days).await?;
        platform.day_is_over(day, days).await?;
        progress(Progress { day, days });
    }
    player.journal.end = player.at;
    if player.now > player.at {
        // Blocks within a step are a millisecond apart; an hour further on lies another demonstration.
        let beyond = player.now.0 - player.at.0 >= HOUR_MS;
        if beyond {
            return Err(PlayError::OtherHistory { found: player.now });
        }
    }
    Ok(player.journal)
}

impl<'a, P: Platform> Player<'a, P> {
    async fn new(platform: &'a P, year: &'a Year, days: usize) -> Result<Self, PlayError> {
        let cast = Cast::new(year);
        let mut settled_nonces = BTreeMap::new();
        let mut keys = BTreeMap::new();
        for label in cast.everyone() {
            settled_nonces.insert(label.to_owned(), platform.next_nonce(cast.account(label)).await?);
            keys.insert(label.to_owned(), account_key(label));
        }
        let now = platform.time().await?;
        let journal = Journal {
            days,
            entries: Vec::new(),
            subscriptions: Vec::new(),
            endowments: Vec::new(),
            tenders: Vec::new(),
            readings: 0,
            refusals: BTreeMap::new(),
            low_balances: 0,
            exhausted: 0,
            gaps: 0,
            unbilled: Vec::new(),
            pending: Vec::new(),
            end: now,
        };
        Ok(Self {
            platform,
            year,
            cast,
            meters: park_meters(year),
            wire: None,
            packages: [version_1(), version_2()],
            keys,
            nonces: BTreeMap::new(),
            settled_nonces,
            now,
            at: crate::cast::genesis_time(),
            executed: crate::cast::genesis_time(),
            running: Vec::new(),
            awaiting_signature: Vec::new(),
            settlements: Vec::new(),
            debts: BTreeMap::new(),
            journal,
        })
    }

    fn plan(&mut self, who: &str, action: Action) -> Planned {
        let key = &self.keys[who];
        let next = self.nonces.entry(who.to_owned()).or_default();
        let nonce = *next;
        *next += 1;
        let chain = self.platform.chain();
        let transaction = Transaction { chain, signer: key.public_key(), nonce, expires: EXPIRES, action };
        Planned { who: who.into(), nonce, signed: transaction.sign(key), refused: None }
    }

    /// Submits a batch; what is final already is looked up instead. The receipts in order.
    async fn submit(&mut self, batch: Vec<Planned>) -> Result<Vec<Receipt>, PlayError> {
        let mut all: Vec<Option<Executed>> = vec![None; batch.len()];
        let mut new = Vec::new();
        for (place, planned) in batch.iter().enumerate() {
            if planned.nonce >= self.settled_nonces[&planned.who] {
                new.push((place, planned.signed.clone()));
            } else {
                all[place] = Some(self.platform.executed(planned.signed.hash()).await?);
            }
        }
        if !new.is_empty() {
            let (places, transactions): (Vec<usize>, Vec<SignedTransaction>) = new.into_iter().unzip();
            for (place, executed) in places.into_iter().zip(self.platform.submit(transactions).await?) {
                all[place] = Some(executed);
            }
        }
        let mut receipts = Vec::with_capacity(batch.len());
        for (planned, executed) in batch.iter().zip(all) {
            let Executed { receipt, time } = executed.expect("each was submitted, or final before");
            self.executed = time;
            planned.check(&receipt)?;
            self.note(&receipt);
            if let Some(code) = planned.refused {
                *self.journal.refusals.entry(code.into()).or_default() += 1;
            }
            receipts.push(receipt);
        }
        Ok(receipts)
    }

    fn note(&mut self, receipt: &Receipt) {
        for event in receipt.events() {
            match event {
                Event::LowBalance { .. } => self.journal.low_balances += 1,
                Event::Exhausted { .. } => self.journal.exhausted += 1,
                Event::Gap { .. } => self.journal.gaps += 1,
                Event::Debt { agreement, owes, .. } => {
                    self.debts.insert(*agreement, *owes);
                }
                Event::Unsupplied { meter, interval, quantity } => {
                    self.note_unsupplied(*meter, *interval, *quantity);
                }
                _ => {}
            }
        }
    }

    fn note_unsupplied(&mut self, meter: MeterId, interval: Window, quantity: Quantity) {
        let meter = self.meters.iter().find(|known| known.id == meter && known.tenant.is_some());
        if let Some(carrier) = meter.map(|meter| meter.carrier) {
            self.journal.unbilled.push(Unbilled { carrier, interval, quantity });
        }
    }

    async fn advance(&mut self, to: Timestamp) -> Result<(), PlayError> {
        self.at = to;
        if self.now < to {
            self.platform.advance(to).await?;
            self.now = to;
        }
        Ok(())
    }

    fn done(&mut self, deed: Deed) {
        self.journal.entries.push(Entry { at: self.executed, deed });
    }

    /// Declares capacities, issues money, opens the gateway's account and publishes the package.
    async fn prepare(&mut self) -> Result<(), PlayError> {
        let mut batch = Vec::new();
        for (owner, carrier, per_hour) in capacities() {
            let owner = self.cast.account(owner);
            batch.push(self.plan(STATION, Action::decide(Decision::DeclareCapacity { owner, carrier, per_hour })));
        }
        batch.push(self.plan(STATION, Action::PublishPackage(self.packages[0].clone())));
        let member = MemberId::of(self.cast.account(METER_OPERATOR));
        let account = NewAccount::sign(self.platform.chain(), member, &self.keys[GATEWAY]);
        batch.push(self.plan(METER_OPERATOR, Action::OpenAccount { account }));
        self.journal.endowments = self.endowments();
        for (who, amount) in self.journal.endowments.clone() {
            let to = self.cast.account(&who);
            let reference = "money received before the year".parse().expect("a short reference");
            batch.push(self.plan(ISSUER, Action::Issue { to, amount, reference }));
        }
        self.submit(batch).await?;
        self.platform.council_votes().await?;
        Ok(())
    }

    /// What everyone brings: the owners for their deposits, each tenant seven fifths of what the adviser expects.
    fn endowments(&self) -> Vec<(String, Money)> {
        let mut endowments = vec![(STATION.to_owned(), Money::units(2_000_000))];
        endowments.extend(crate::cast::ROOFS.map(|(roof, _)| (roof.to_owned(), Money::units(100_000))));
        for (tenant, record) in self.year.tenants().iter().enumerate() {
            let adviser = Adviser { year: self.year, package: &self.packages[0], tenant };
            let year = self.year.carriers_of(tenant).map(|carrier| {
                let advice = adviser.advise(carrier, 0);
                advice.candidates[advice.chosen].charge.0
            });
            let ten_thousand = Money::units(10_000).0;
            let amount = (year.sum::<u64>() / 5 * 7 / ten_thousand + 20) * ten_thousand;
            endowments.push((record.name.clone(), Money(amount)));
        }
        endowments
    }

    async fn begin_day(&mut self, day: usize, days: usize) -> Result<(), PlayError> {
        if day == 0 {
            self.register_meters().await?;
        } else {
            self.record_day(day - 1).await?;
        }
        let date = day_begin(day).date(OFFSET_MINUTES);
        let goes_on = day < days;
        if goes_on {
            self.special(day).await?;
            if day == 0 {
                for tenant in 0..self.year.tenants().len() {
                    self.begin_subscription(tenant, 0);
                }
                self.subscribe_new().await?;
                self.conclude_contracts().await?;
            }
            self.call_for_load(day).await?;
            if date.day == 1 {
                self.pay_periods(day).await?;
                self.publish_tenders(date.month).await?;
            }
            if date.day == 3 {
                self.award_tenders().await?;
            }
        }
        let settles = Timestamp(day_begin(day).0 + crate::tender::GRACE_MS);
        if self.settlements.contains(&settles) {
            self.advance(settles).await?;
        }
        if date.day == 1 && day > 0 {
            self.advance(Timestamp(day_begin(day).0 + STATEMENT_GRACE_MS)).await?;
        }
        Ok(())
    }

    async fn register_meters(&mut self) -> Result<(), PlayError> {
        let documents: Vec<_> = self.meters.iter().map(|meter| meter.document(&self.cast)).collect();
        let batch =
            documents.into_iter().map(|meter| self.plan(METER_OPERATOR, Action::RegisterMeter(meter))).collect();
        self.submit(batch).await?;
        Ok(())
    }

    /// A meter's readings at the ends of `hours`, as they were read.
    fn run_of(&self, meter: &ParkMeter, hours: std::ops::Range<usize>) -> Option<MeterRun> {
        let shown = |hour| self.wire.as_ref().and_then(|wire| wire.register(meter.id, hour));
        meter.run_showing(self.platform.chain(), hours, shown)
    }

    /// Sends in the readings of a day, and answers the low-balance notices that they lead to.
    async fn record_day(&mut self, day: usize) -> Result<(), PlayError> {
        let hours = day * 24..day * 24 + 24;
        if let Some(wire) = &mut self.wire {
            wire.read_day(day).await?;
        }
        let runs: Vec<MeterRun> = self.meters.iter().filter_map(|meter| self.run_of(meter, hours.clone())).collect();
        let readings: usize = runs.iter().map(|run| run.readings.len()).sum();
        self.journal.readings += readings as u64;
        // Each meter's in a transaction of its own: what proves the bill of one shows nothing of another (ADR 0023).
        let record = |run| Action::RecordReadings { runs: vec![run].try_into().expect("one run is within the bound") };
        let mut batch: Vec<_> = runs.into_iter().map(|run| self.plan(GATEWAY, record(run))).collect();
        let exchanges: Vec<Action> = self
            .meters
            .iter()
            .filter(|meter| meter.exchanged == Some(hours.end))
            .filter_map(|meter| meter.exchange(&self.cast))
            .collect();
        let exchanged = !exchanges.is_empty();
        self.journal.readings += exchanges.len() as u64;
        if exchanged {
            // The exchange follows in a block of its own: the old device's other readings come first.
            let mut receipts = self.submit(batch).await?;
            batch = exchanges.into_iter().map(|action| self.plan(METER_OPERATOR, action)).collect();
            receipts.extend(self.submit(batch).await?);
            self.done(Deed::Readings { day });
            return self.answer_notices(day + 1, receipts).await;
        }
        let receipts = self.submit(batch).await?;
        self.done(Deed::Readings { day });
        self.note_pending(day);
        self.answer_notices(day + 1, receipts).await?;
        self.pay_debts().await
    }
}

impl Planned {
    /// Whether the ledger did what the scenario expects.
    fn check(&self, receipt: &Receipt) -> Result<(), PlayError> {
        let found = match &receipt.verdict {
            Verdict::Applied(_) => None,
            Verdict::Refused(refusal) => Some(refusal),
        };
        if found.map(utilidor_types::Refusal::code) == self.refused {
            return Ok(());
        }
        Err(PlayError::Unexpected {
            who: self.who.clone(),
            action: self.signed.transaction.action.name(),
            nonce: self.nonce,
            found: found.map_or("applied".into(), ToString::to_string),
            expected: self.refused.map_or("that it is applied".into(), |code| format!("a refusal {code}")),
        })
    }
}

/// The account of a label, for readers of the journal.
pub fn account_of(label: &str) -> AccountId {
    AccountId::of(&account_key(label).public_key())
}
