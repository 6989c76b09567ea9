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

use crate::adviser::{Advice, Adviser, Mode};
use crate::cast::{Cast, GATEWAY, ISSUER, METER_OPERATOR, STATION, account_key, agreement_id, meter_id, package_id};
use crate::data::{DAYS, OFFSET_MINUTES, Year, day_begin, hour_at, midnight};
use crate::meters::{ParkMeter, park_meters, tenant_meter};
use crate::platform::{Executed, Platform, PlatformError};
use crate::tariff::{version_1, version_2};
use crate::tender::{Tender, capacities, choose, tenders_of_month};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utilidor_types::Decision;
use utilidor_types::{
    AccountId, Action, AgreementId, AgreementTerms, Area, Carrier, Event, Label, MemberId, MeterId, Money, Package,
    Price, PrivateKey, Program, Quantity, Receipt, SignedTransaction, SubscriptionTerms, Timestamp, Transaction,
    Verdict, Window,
    action::{AwardBasis, AwardedQuote, NewAccount, Prepayment},
    agreement::Service,
    meter::{MAX_BATCH_READINGS, MeterRun},
    statement::STATEMENT_GRACE_MS,
    time::HOUR_MS,
};

/// The last height at which a transaction of the demonstration may enter a block: beyond any that it reaches.
const EXPIRES: u64 = 90_000;
/// What each subscription may take from its tenant's balance within 30 days, beyond what is prepaid.
pub const ALLOWANCE: Money = Money::units(1_000_000);
/// The tenant that agrees to version 2 of the package, in July.
pub const ADJUSTS: &str = "garage-charging";
/// The tenant that ends its subscription and takes a new one, in September.
pub const LEAVES: &str = "office-9";
/// The meter whose readings are sent in again.
const REPLAYED: (&str, Carrier) = ("hotel", Carrier::Water);

/// A purchase as it was awarded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purchase {
    /// The agreement.
    pub agreement: AgreementId,
    /// The tender's label.
    pub tender: String,
    /// The seller's label.
    pub owner: String,
    /// The buyer's label.
    pub user: String,
    /// The carrier.
    pub carrier: Carrier,
    /// The volume.
    pub quantity: Quantity,
    /// Money per kWh.
    pub price: Money,
    /// Label of the meter that proves what is made available, if any.
    pub delivery_meter: Option<String>,
    /// Label of the meter that proves what is taken.
    pub take_meter: String,
    /// When it is delivered.
    pub window: Window,
}

/// A thing done, on which bills depend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// The readings of a day, counted from 0, are recorded.
    Readings {
        /// The day.
        day: usize,
    },
    /// A tenant subscribes.
    Subscribed {
        /// The subscription.
        agreement: AgreementId,
        /// The tenant's name.
        tenant: String,
        /// The package's version.
        version: u32,
        /// What it chose.
        services: Vec<Service>,
    },
    /// A tenant pays ahead.
    Prepaid {
        /// The subscription.
        agreement: AgreementId,
        /// The service.
        carrier: Carrier,
        /// What it pays.
        payment: Prepayment,
    },
    /// A purchase is signed by both sides.
    Concluded(Purchase),
    /// An award is never signed.
    Unsigned(Purchase),
    /// Both sides of a subscription agree to another version of the package.
    Adjusted {
        /// The subscription.
        agreement: AgreementId,
        /// The version.
        version: u32,
        /// From when on.
        from: Timestamp,
    },
    /// A tenant ends its subscription.
    Ended {
        /// The subscription.
        agreement: AgreementId,
    },
}

/// A deed with the time of its block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// What.
    pub deed: Deed,
}

/// A tenant's choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// The agreement.
    pub agreement: AgreementId,
    /// The tenant's name.
    pub tenant: String,
    /// The day from which it runs.
    pub from_day: usize,
    /// What the adviser says, by carrier.
    pub advice: Vec<Advice>,
}

/// What passed a tenant's meter while no supply was open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unbilled {
    /// The carrier.
    pub carrier: Carrier,
    /// When.
    pub interval: Window,
    /// How much.
    pub quantity: Quantity,
}

/// All that was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// Days that were played.
    pub days: usize,
    /// The deeds, in order.
    pub entries: Vec<Entry>,
    /// The subscriptions, in the order of their beginning.
    pub subscriptions: Vec<Subscription>,
    /// The money that everyone brought, by label.
    pub endowments: Vec<(String, Money)>,
    /// The tenders, in order.
    pub tenders: Vec<Tender>,
    /// Readings sent in that should be certified.
    pub readings: u64,
    /// Actions that should be refused, by code.
    pub refusals: BTreeMap<String, u64>,
    /// Notices of a low balance.
    pub low_balances: u64,
    /// Notices of exhausted supply.
    pub exhausted: u64,
    /// Intervals longer than usual.
    pub gaps: u64,
    /// What passed tenants' meters while no supply was open.
    pub unbilled: Vec<Unbilled>,
    /// The last instant that time was advanced to.
    pub end: Timestamp,
}

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
    /// The chain has another history than this demonstration's.
    #[error("the chain's time is {found}, which this demonstration never reaches: it holds another history")]
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
}

struct Player<'a, P> {
    platform: &'a P,
    year: &'a Year,
    cast: Cast,
    meters: Vec<ParkMeter>,
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
    journal: Journal,
}

/// Plays `days` days of the year (1 to 365) and tells what was done. `progress` is called after each day.
pub async fn play<P: Platform>(
    platform: &P,
    year: &Year,
    days: usize,
    progress: &mut dyn FnMut(Progress),
) -> Result<Journal, PlayError> {
    assert!((1..=DAYS).contains(&days), "the demonstration has 1 to {DAYS} days");
    let mut player = Player::new(platform, year, days).await?;
    player.prepare().await?;
    for day in 0..=days {
        player.advance(day_begin(day)).await?;
        player.begin_day(day, days).await?;
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
            end: now,
        };
        Ok(Self {
            platform,
            year,
            cast,
            meters: park_meters(year),
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
            journal,
        })
    }

    // ---- acting -------------------------------------------------------------------------------------------

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

    // ---- before the year ----------------------------------------------------------------------------------

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

    // ---- the days -----------------------------------------------------------------------------------------

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
            }
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

    /// Sends in the readings of a day, and answers the low-balance notices that they lead to.
    async fn record_day(&mut self, day: usize) -> Result<(), PlayError> {
        let chain = self.platform.chain();
        let hours = day * 24..day * 24 + 24;
        let runs: Vec<MeterRun> = self.meters.iter().filter_map(|meter| meter.run(chain, hours.clone())).collect();
        let readings: usize = runs.iter().map(|run| run.readings.len()).sum();
        assert!(readings <= MAX_BATCH_READINGS, "a day's readings fit in one batch");
        self.journal.readings += readings as u64;
        let runs = runs.try_into().expect("a run for each meter is within the bound");
        let mut batch = vec![self.plan(GATEWAY, Action::RecordReadings { runs })];
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
        self.answer_notices(day + 1, receipts).await
    }

    async fn answer_notices(&mut self, day: usize, receipts: Vec<Receipt>) -> Result<(), PlayError> {
        let mut batch = Vec::new();
        let mut deeds = Vec::new();
        for event in receipts.iter().flat_map(Receipt::events) {
            let Event::LowBalance { subscription, carrier } = *event else { continue };
            let Some(running) = self.running.iter().find(|running| running.agreement == subscription) else { continue };
            let adviser = self.adviser(running);
            let Some(amount) = adviser.next_top_up(carrier, running.modes[&carrier], day) else { continue };
            let who = self.year.tenants()[running.tenant].name.clone();
            let payment = Prepayment::Amount(amount);
            batch.push(self.plan(&who, Action::Prepay { subscription, carrier, payment }));
            deeds.push(Deed::Prepaid { agreement: subscription, carrier, payment });
        }
        if !batch.is_empty() {
            self.submit(batch).await?;
            deeds.into_iter().for_each(|deed| self.done(deed));
        }
        Ok(())
    }

    // ---- packages -----------------------------------------------------------------------------------------

    fn adviser(&self, running: &Running) -> Adviser<'_> {
        Adviser { year: self.year, package: &self.packages[running.version as usize - 1], tenant: running.tenant }
    }

    /// Chooses a tenant's services from `day` on; [`Self::subscribe_new`] signs for them.
    fn begin_subscription(&mut self, tenant: usize, day: usize) {
        let record = &self.year.tenants()[tenant];
        let version = 1;
        let adviser = Adviser { year: self.year, package: &self.packages[0], tenant };
        let advice: Vec<Advice> = self.year.carriers_of(tenant).map(|carrier| adviser.advise(carrier, day)).collect();
        let services: Vec<Service> = advice
            .iter()
            .map(|advice| Service {
                carrier: advice.carrier,
                option: advice.option(),
                meter: Some(meter_id(&tenant_meter(&record.name, advice.carrier))),
                floor_area: Area::square_metres(record.floor_area_m2).expect("an area of the park is small"),
                low_balance: adviser.low_balance(advice.carrier, advice.mode()),
            })
            .collect();
        let label = format!("subscription from day {day}");
        let agreement = agreement_id(&record.name, &label);
        let modes = advice.iter().map(|advice| (advice.carrier, advice.mode())).collect();
        let label = Label::of_text(&label);
        self.running.push(Running { agreement, label, tenant, from_day: day, version, modes, services });
        let tenant = record.name.clone();
        self.journal.subscriptions.push(Subscription { agreement, tenant, from_day: day, advice });
    }

    /// Signs the subscriptions that were begun and not signed yet, and makes their first prepayments.
    async fn subscribe_new(&mut self) -> Result<(), PlayError> {
        let day = hour_at(self.at) / 24;
        let mut subscriptions = Vec::new();
        let mut payments = Vec::new();
        for running in self.running.iter().filter(|running| running.from_day == day) {
            let (agreement, version, services) = (running.agreement, running.version, running.services.clone());
            let who = self.year.tenants()[running.tenant].name.clone();
            let terms = subscription_terms(version, &services);
            subscriptions.push((who.clone(), Action::Subscribe { label: running.label, terms }));
            payments.push((running.tenant, Deed::Subscribed { agreement, tenant: who, version, services }));
            let adviser = self.adviser(running);
            for (carrier, mode) in &running.modes {
                let top_up = adviser.first_top_up(*carrier, *mode, day).map(Prepayment::Amount);
                let period = adviser.period_payment(*carrier, *mode, running.from_day, day);
                let payment = top_up.or(period);
                let deed = |payment| Deed::Prepaid { agreement, carrier: *carrier, payment };
                payments.extend(payment.map(|payment| (running.tenant, deed(payment))));
            }
        }
        // A subscription and its first payments enter one block, so that nothing is consumed before it is paid for.
        let mut batch: Vec<Planned> = subscriptions.into_iter().map(|(who, action)| self.plan(&who, action)).collect();
        for (tenant, deed) in &payments {
            let Deed::Prepaid { agreement, carrier, payment } = deed else { continue };
            let action = Action::Prepay { subscription: *agreement, carrier: *carrier, payment: *payment };
            let who = self.year.tenants()[*tenant].name.clone();
            batch.push(self.plan(&who, action));
        }
        self.submit(batch).await?;
        payments.into_iter().for_each(|(_, deed)| self.done(deed));
        Ok(())
    }

    async fn prepay(&mut self, payments: Vec<(AgreementId, usize, Carrier, Prepayment)>) -> Result<(), PlayError> {
        let mut batch = Vec::new();
        for (subscription, tenant, carrier, payment) in &payments {
            let who = self.year.tenants()[*tenant].name.clone();
            let action = Action::Prepay { subscription: *subscription, carrier: *carrier, payment: *payment };
            batch.push(self.plan(&who, action));
        }
        if batch.is_empty() {
            return Ok(());
        }
        self.submit(batch).await?;
        for (agreement, _, carrier, payment) in payments {
            self.done(Deed::Prepaid { agreement, carrier, payment });
        }
        Ok(())
    }

    /// The prepayments of periods that begin on this first day of a month.
    async fn pay_periods(&mut self, day: usize) -> Result<(), PlayError> {
        let mut payments = Vec::new();
        for running in self.running.iter().filter(|running| running.from_day < day) {
            let adviser = self.adviser(running);
            for (carrier, mode) in &running.modes {
                if let Some(payment) = adviser.period_payment(*carrier, *mode, running.from_day, day) {
                    payments.push((running.agreement, running.tenant, *carrier, payment));
                }
            }
        }
        self.prepay(payments).await
    }

    // ---- the trade ----------------------------------------------------------------------------------------

    async fn publish_tenders(&mut self, month: u8) -> Result<(), PlayError> {
        let tenders = tenders_of_month(self.year, &self.meters, month);
        let batch =
            tenders.iter().map(|tender| self.plan(&tender.owner, Action::publish_offer(tender.offer()))).collect();
        self.submit(batch).await?;

        let chain = self.platform.chain();
        let mut batch = Vec::new();
        for tender in &tenders {
            for bid in &tender.bids {
                let quote = tender.quote(&self.cast, chain, bid);
                batch.push(self.plan(&bid.bidder, quote));
            }
        }
        self.submit(batch).await?;
        self.awaiting_signature = tenders.into_iter().map(|tender| (tender, Vec::new())).collect();
        Ok(())
    }

    /// The owners open their quotes and award; who must sign, signs; who is late, is refused.
    async fn award_tenders(&mut self) -> Result<(), PlayError> {
        let chain = self.platform.chain();
        let mut batch = Vec::new();
        let mut concluded = Vec::new();
        let mut to_sign = Vec::new();
        let mut late = Vec::new();
        for (tender, _) in std::mem::take(&mut self.awaiting_signature) {
            let (offer, key) = (tender.id(), tender.seal_key());
            let mut quotes = Vec::new();
            for (bidder, quote) in self.platform.quotes(offer).await? {
                // A quote that does not open could not be awarded.
                if let Ok(content) = key.open_quote(&quote, chain, bidder) {
                    quotes.push(((bidder, quote.binding), content));
                }
            }
            let chosen = choose(tender.quantity, quotes);
            let mut awards = Vec::new();
            for ((bidder, binding), opening) in chosen {
                let user = self.cast.label(bidder).expect("only participants quote").to_owned();
                let purchase = purchase_of(&tender, &user, &opening);
                let signs = tender.bids.iter().any(|bid| bid.bidder == user && bid.signs);
                let terms = tender.offer().agreement_terms(self.cast.account(&tender.owner), bidder, &opening);
                let (label, basis) = (tender.agreement_label(&user), AwardBasis::Choice);
                awards.push(AwardedQuote { offer, bidder, label, opening, basis });
                match (binding, signs) {
                    (true, _) => concluded.push(Deed::Concluded(purchase)),
                    (false, true) => to_sign.push((purchase, terms.digest())),
                    (false, false) => concluded.push(Deed::Unsigned(purchase)),
                }
            }
            self.settlements.push(tender.settles_at());
            let awards = awards.try_into().expect("a tender has few winners");
            batch.push(self.plan(&tender.owner, Action::Award { awards }));
            if let Some(bidder) = &tender.late {
                let price = tender.ask;
                let quantity = tender.bids[0].quantity;
                let bid = crate::tender::Bid { bidder: bidder.clone(), quantity, price, binding: true, signs: true };
                late.push((bidder.clone(), tender.quote(&self.cast, chain, &bid)));
            }
            self.journal.tenders.push(tender);
        }
        self.submit(batch).await?;
        concluded.into_iter().for_each(|deed| self.done(deed));

        let mut batch = Vec::new();
        for (purchase, terms) in &to_sign {
            let action = Action::SignAgreement { agreement: purchase.agreement, terms: *terms };
            batch.push(self.plan(&purchase.user, action));
        }
        for (bidder, quote) in late {
            let mut planned = self.plan(&bidder, quote);
            planned.refused = Some("offer/gate-closed");
            batch.push(planned);
        }
        if !batch.is_empty() {
            self.submit(batch).await?;
        }
        to_sign.into_iter().for_each(|(purchase, _)| self.done(Deed::Concluded(purchase)));
        Ok(())
    }

    // ---- what is special about a day ----------------------------------------------------------------------

    async fn special(&mut self, day: usize) -> Result<(), PlayError> {
        match day_begin(day) {
            time if time == midnight(1, 15) => self.replay_readings(day).await,
            time if time == midnight(6, 30) => self.adjust_tariff().await,
            time if time == midnight(9, 1) => self.end_and_begin_again(day).await,
            _ => Ok(()),
        }
    }

    /// Sends the last day's readings of one meter in once more: each of them is refused.
    async fn replay_readings(&mut self, day: usize) -> Result<(), PlayError> {
        let label = tenant_meter(REPLAYED.0, REPLAYED.1);
        let meter = self.meters.iter().find(|meter| meter.label == label).expect("the meter exists");
        let run = meter.run(self.platform.chain(), (day - 1) * 24..day * 24).expect("the day has readings");
        let count = run.readings.len() as u64;
        let runs = vec![run].try_into().expect("one run is within the bound");
        let batch = vec![self.plan(GATEWAY, Action::RecordReadings { runs })];
        self.submit(batch).await?;
        // The last of them is the very one that the ledger has as the last; the others are older than it.
        *self.journal.refusals.entry("reading/replayed".into()).or_default() += 1;
        *self.journal.refusals.entry("reading/out-of-order".into()).or_default() += count - 1;
        Ok(())
    }

    /// The station publishes version 2; one tenant and the station agree that it applies to them from the next day on.
    async fn adjust_tariff(&mut self) -> Result<(), PlayError> {
        let package = self.packages[1].clone();
        let batch = vec![self.plan(STATION, Action::PublishPackage(package))];
        self.submit(batch).await?;

        let tenant = self.year.tenant(ADJUSTS);
        let place = self.running.iter().position(|running| running.tenant == tenant).expect("it has a subscription");
        let agreement = self.running[place].agreement;
        let program = Program::Subscription(subscription_terms(2, &self.running[place].services));
        let from = midnight(7, 1);
        let proposal = Action::ProposeAmendment { agreement, program: program.clone(), from };
        let batch = vec![self.plan(STATION, proposal)];
        self.submit(batch).await?;
        let terms = AgreementTerms::between(self.cast.account(STATION), self.cast.account(ADJUSTS), program);
        let terms = terms.amendment_digest(from);
        let batch = vec![self.plan(ADJUSTS, Action::SignAmendment { agreement, terms })];
        self.submit(batch).await?;
        self.running[place].version = 2;
        self.done(Deed::Adjusted { agreement, version: 2, from });
        Ok(())
    }

    /// A tenant ends its subscription, is refunded, and takes a new one for the rest of the year.
    async fn end_and_begin_again(&mut self, day: usize) -> Result<(), PlayError> {
        let tenant = self.year.tenant(LEAVES);
        let place = self.running.iter().position(|running| running.tenant == tenant).expect("it has a subscription");
        let agreement = self.running.remove(place).agreement;
        let batch = vec![self.plan(LEAVES, Action::Terminate { agreement })];
        self.submit(batch).await?;
        self.done(Deed::Ended { agreement });
        self.begin_subscription(tenant, day);
        self.subscribe_new().await
    }
}

fn subscription_terms(version: u32, services: &[Service]) -> SubscriptionTerms {
    let services = services.to_vec().try_into().expect("a service for each carrier is within the bound");
    SubscriptionTerms { package: package_id(), version, services, allowance: ALLOWANCE }
}

fn purchase_of(tender: &Tender, user: &str, opening: &utilidor_types::Opening) -> Purchase {
    Purchase {
        agreement: tender.agreement(user),
        tender: tender.label.clone(),
        owner: tender.owner.clone(),
        user: user.into(),
        carrier: tender.carrier,
        quantity: opening.lines[0].quantity,
        price: opening.lines[0].price,
        delivery_meter: tender.delivery_meter.clone(),
        take_meter: tenant_meter(user, tender.carrier),
        window: tender.window,
    }
}

impl Purchase {
    /// The price as the ledger has it.
    pub const fn unit_price(&self) -> Price {
        Price::micro_per_kwh(self.price.0)
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
