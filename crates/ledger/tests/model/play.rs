//! Plays a sequence of blocks that a string of bytes describes, on the ledger and on the naive model at once, and
//! compares them after every block.
//!
//! Bytes choose: how far time moves, which action, by whom, with which values. The choice looks at the model's state,
//! so that most actions make sense, and spoils one in some, so that each refusal has its turn. Any bytes are a play;
//! fewer bytes are a shorter one. So the same code serves the property test, its shrinking, and the fuzzer.

use crate::rules::{Asked, Buys, Contract, Model};
use commonware_parallel::Sequential;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use utilidor_ledger::memory::Memory;
use utilidor_ledger::record::{
    AccountRecord, AgreementState, MeterState, OfferRecord, ProgramState, ServiceState, Totals, TrancheOf,
};
use utilidor_ledger::{BlockContext, Change, Execution, Outcome, Progress};
use utilidor_types::action::{AwardedQuote, Prepayment};
use utilidor_types::agreement::{
    Metering, Origin, PurchaseLot, PurchaseTerms, Service, Side, Status, SubscriptionTerms, Substitute,
};
use utilidor_types::genesis::{ChainKind, GenesisMember};
use utilidor_types::hash::tagged_hash;
use utilidor_types::key::PrivateKey;
use utilidor_types::meter::{MeterRun, MeterSignature, READING_NAMESPACE, run_message};
use utilidor_types::package::*;
use utilidor_types::quote::{QuoteLine, SALT_BYTES, sealed_bytes};
use utilidor_types::statement::StatementLine;
use utilidor_types::transaction::verify_batch;
use utilidor_types::*;

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const KWH: u64 = 3_600_000;
const UNIT: u64 = 1_000_000;
/// Midnight of 2025-01-01 in Beijing.
const BEGIN: u64 = 1_735_660_800_000;

// ---- the cast ---------------------------------------------------------------------------------------------

/// Someone who signs.
pub struct Actor {
    key: PrivateKey,
    account: AccountId,
    member: MemberId,
    roles: Roles,
    /// Whether the genesis document opens the account.
    first: bool,
}

const STATION: usize = 0;
const ROOF: usize = 1;
const BOTH: usize = 2;
const ALICE: usize = 3;
const BOB: usize = 4;
const CAROL: usize = 5;
const OPERATOR: usize = 6;
const GATEWAY: usize = 7;
const ISSUER: usize = 8;
const LATER: usize = 10;
const DEVICE: usize = 12;
const OWNERS: [usize; 3] = [STATION, ROOF, BOTH];
const USERS: [usize; 4] = [ALICE, BOB, CAROL, BOTH];

static CAST: LazyLock<Vec<Actor>> = LazyLock::new(|| {
    use Role::*;
    let cast: [(&str, &[Role], bool); 13] = [
        ("station", &[Owner, Validator], true),
        ("roof", &[Owner], true),
        ("both", &[Owner, User], true),
        ("alice", &[User], true),
        ("bob", &[User], true),
        ("carol", &[User], true),
        ("operator", &[MeterOperator], true),
        ("gateway", &[MeterOperator], true),
        ("issuer", &[Issuer], true),
        ("nobody", &[], true),
        ("later", &[User], false),
        ("never", &[User], false),
        ("device", &[], false),
    ];
    let actor = |(label, roles, first): (&str, &[Role], bool)| {
        let key = PrivateKey::ed25519(tagged_hash("model key", &[label.as_bytes()]).0);
        let member = MemberId(tagged_hash("model", &[label.as_bytes()]).0[..16].try_into().expect("16 bytes"));
        Actor { account: AccountId::of(&key.public_key()), key, member, roles: Roles::of(roles), first }
    };
    cast.map(actor).into_iter().collect()
});

fn account(actor: usize) -> AccountId {
    CAST[actor].account
}

fn actor_of(account: AccountId) -> usize {
    CAST.iter().position(|actor| actor.account == account).expect("all accounts are the cast's")
}

fn id(kind: u8, number: usize) -> [u8; 16] {
    let mut id = [kind; 16];
    id[15] = number as u8;
    id
}

fn meter_id(number: usize) -> MeterId {
    MeterId(id(1, number))
}

fn offer_id(number: usize) -> OfferId {
    OfferId(id(2, number))
}

fn agreement_id(number: usize) -> AgreementId {
    AgreementId(id(3, number))
}

fn package_id(number: usize) -> PackageId {
    PackageId(id(4, number))
}

// ---- choices ----------------------------------------------------------------------------------------------

/// Bytes that are used up one by one; zeros follow.
pub struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end.max(1)
    }

    /// Once in about sixteen times.
    fn rarely(&mut self) -> bool {
        self.byte() >= 240
    }

    fn evenly(&mut self) -> bool {
        self.byte() % 2 == 1
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn some<T: Clone>(&mut self, of: Vec<T>) -> Option<T> {
        if of.is_empty() { None } else { Some(of[self.below(of.len())].clone()) }
    }
}

// ---- a play -----------------------------------------------------------------------------------------------

/// How often each verdict, event, line and status occurred over many plays.
pub type Coverage = BTreeMap<String, u64>;

/// What is measured and what is billed, added up from receipts and certificates alone.
#[derive(Default)]
struct Audit {
    /// Last time and register, modulus, what has passed since registration, by meter.
    meters: BTreeMap<MeterId, (Timestamp, u64, u64)>,
    /// What purchases were attributed, by agreement, carrier and side of the meter.
    attributed: BTreeMap<(AgreementId, Carrier, bool), u128>,
    /// What was left for subscriptions, and what their statements say.
    supplied: BTreeMap<(AgreementId, Carrier), (u128, u128)>,
    /// Weight of what statements say was used, and what they charge.
    weights: BTreeMap<(AgreementId, Carrier), (u128, u128)>,
    certificates: u64,
}

/// The ledger and the model, side by side.
pub struct Play<'a> {
    memory: Memory,
    model: Model,
    /// What bidders have sealed.
    contents: BTreeMap<(OfferId, AccountId), QuoteContent>,
    pending: Vec<(Asked, SignedTransaction, Result<Verdict, utilidor_ledger::Inadmissible>)>,
    audit: Audit,
    rng: rand::rngs::StdRng,
    coverage: &'a mut Coverage,
}

/// Plays what `bytes` describe; panics with what differs.
pub fn play(bytes: &[u8], coverage: &mut Coverage) {
    let mut choices = Choices(bytes);
    let mut play = Play::new(coverage);
    while !choices.0.is_empty() {
        let advance = choices.pick(&[
            0,
            10 * MINUTE,
            10 * MINUTE,
            20 * MINUTE,
            HOUR,
            HOUR,
            HOUR,
            2 * HOUR,
            3 * HOUR,
            6 * HOUR,
            DAY,
            40 * DAY,
        ]);
        let asks = 1 + choices.below(12);
        let sliced = choices.below(8) == 0;
        play.block(advance, sliced, |play| {
            for _ in 0..asks {
                let (actor, action) = play.something(&mut choices);
                play.ask(actor, action, &mut choices);
            }
        });
    }
    play.block(2 * HOUR, true, |_| {});
    play.block(70 * DAY, false, |_| {});
    play.block(0, false, |_| {});
}

impl<'a> Play<'a> {
    fn new(coverage: &'a mut Coverage) -> Self {
        let first = CAST.iter().filter(|actor| actor.first);
        let members =
            first.map(|actor| GenesisMember { member: actor.member, account: actor.account, roles: actor.roles });
        let genesis = Genesis {
            kind: ChainKind::Development,
            time: Timestamp(BEGIN),
            validators: vec![CAST[STATION].key.public_key()].try_into().expect("one"),
            members: Bounded::new(members.collect()).expect("few members"),
        };
        let mut play = Self {
            model: Model::new(&genesis),
            memory: Memory::new(genesis),
            contents: BTreeMap::new(),
            pending: Vec::new(),
            audit: Audit::default(),
            rng: rand::SeedableRng::seed_from_u64(1),
            coverage,
        };
        play.block(0, false, |play| {
            let quiet = &mut Choices(&[]);
            for (actor, units) in
                [(STATION, 1_000_000), (ROOF, 1_000), (BOTH, 10_000), (ALICE, 1_000_000), (BOB, 10_000), (CAROL, 20)]
            {
                let (to, amount) = (account(actor), Money(units * UNIT));
                play.ask(ISSUER, Action::Issue { to, amount, reference: Text::default() }, quiet);
            }
            for owner in OWNERS {
                for carrier in [Carrier::Electricity, Carrier::Heating, Carrier::HotWater] {
                    let (owner, per_hour) = (account(owner), Quantity(200 * KWH));
                    play.ask(STATION, Action::DeclareCapacity { owner, carrier, per_hour }, quiet);
                }
            }
            for number in 0..10 {
                play.ask(OPERATOR, Action::RegisterMeter(a_meter(number, Timestamp(BEGIN))), quiet);
            }
            play.ask(STATION, Action::PublishPackage(a_package(0, 1, quiet)), quiet);
        });
        play
    }

    /// Adds a transaction to the block: signs it for the ledger, asks the model.
    fn ask(&mut self, actor: usize, action: Action, choices: &mut Choices<'_>) {
        let account = account(actor);
        let mut nonce = self.model.accounts.get(&account).map_or(0, |account| account.nonce);
        let mut expires = self.model.height + 5;
        if choices.byte() == 255 {
            match choices.below(3) {
                0 => nonce += 1,
                1 => expires = self.model.height - 1,
                _ => expires = u64::MAX,
            }
        }
        let envelope = Transaction {
            chain: self.model.chain,
            signer: CAST[actor].key.public_key(),
            nonce,
            expires,
            action: action.clone(),
        };
        let asked = Asked { account, nonce, expires, action };
        let verdict = self.model.ask(&asked);
        self.pending.push((asked, envelope.sign(&CAST[actor].key), verdict));
    }

    /// Plays a block on both and compares.
    fn block(&mut self, advance: u64, sliced: bool, asks: impl FnOnce(&mut Self)) {
        let time = Timestamp(self.model.now + advance);
        let due = self.model.begin(time);
        asks(self);
        let pending = std::mem::take(&mut self.pending);
        let signed: Vec<_> = pending.iter().map(|(_, signed, _)| signed.clone()).collect();
        let verified = verify_batch(self.model.chain, signed, &mut self.rng, &Sequential);
        let verified: Vec<_> = verified.into_iter().map(|verified| verified.expect("all are signed well")).collect();
        let before = self.memory.clone();
        let outcome = self.memory.execute(time, verified.clone());

        let context = BlockContext { chain: self.model.chain, height: self.model.height, time, next_due: None };
        if sliced {
            same_however_supplied(&before, context, &verified, &outcome);
        }
        let mut changed = outcome.cells.clone();
        changed.sort_by_key(|change| change.key);
        for pair in changed.windows(2) {
            assert!(pair[0].key < pair[1].key, "a cell is changed once");
        }
        for Change { key, cell, .. } in &outcome.cells {
            assert_ne!(before.cells().get(key), cell.as_ref(), "a changed cell differs from before");
        }

        self.compare_receipts(&due, &pending, &outcome);
        self.note(&pending, &outcome);
        self.compare_state();
        self.audit_receipts(&pending, &outcome);
    }

    fn compare_receipts(
        &self,
        due: &[crate::rules::DueDone],
        pending: &[(Asked, SignedTransaction, Result<Verdict, utilidor_ledger::Inadmissible>)],
        outcome: &Outcome,
    ) {
        let mut receipts = outcome.receipts.iter();
        if self.memory.height() == 1 {
            assert_eq!(receipts.next().map(|receipt| receipt.cause), Some(Cause::Genesis));
        }
        for (agreement, at, verdict) in due {
            let receipt = receipts.next().expect("the ledger did what the model did at its due time");
            assert_eq!(receipt.cause, Cause::Due { agreement: *agreement, at: *at });
            assert_eq!(&receipt.verdict, verdict, "due {agreement}");
        }
        let mut inadmissible = outcome.inadmissible.iter();
        for (place, (asked, signed, verdict)) in pending.iter().enumerate() {
            match verdict {
                Ok(verdict) => {
                    let receipt = receipts.next().expect("there is a receipt for each admitted transaction");
                    assert_eq!(receipt.cause, Cause::Transaction(signed.hash()), "admitted: {asked:?}");
                    assert_eq!(&receipt.verdict, verdict, "{:?}", asked.action);
                }
                Err(reason) => assert_eq!(inadmissible.next(), Some(&(place, reason.clone()))),
            }
        }
        assert_eq!(receipts.next(), None, "the ledger does nothing that the model does not");
        assert_eq!(inadmissible.next(), None);
        assert_eq!(outcome.next_due, self.model.next_due());
        let certified = &self.model.certificates[self.audit.certificates as usize..];
        assert_eq!(outcome.certificates().collect::<Vec<_>>(), certified);
        for run in &outcome.certified {
            assert!(!run.readings.is_empty(), "an entry of the log certifies something");
        }
    }

    fn compare_state(&self) {
        let (memory, model) = (&self.memory, &self.model);
        let totals: Totals = memory.read(&()).expect("there are totals");
        let totals = (u128::from(totals.issued.0), u128::from(totals.redeemed.0), totals.certificates.0);
        assert_eq!(totals, (model.issued, model.redeemed, model.certificates.len() as u64));
        let mut circulating = 0;
        for (actor, expected) in CAST.iter().map(|actor| (actor, model.accounts.get(&actor.account))) {
            let record: Option<AccountRecord> = memory.read(&actor.account);
            let Some(record) = record else {
                assert!(expected.is_none(), "the account is open");
                continue;
            };
            let expected = expected.expect("the account is open");
            let reserved = model.reserved(actor.account);
            assert_eq!((record.member, record.nonce), (expected.member, expected.nonce));
            assert_eq!((record.free.0.into(), record.reserved.0.into()), (expected.free, reserved));
            circulating += expected.free + reserved;
        }
        assert_eq!(circulating, model.issued - model.redeemed, "all that is free and reserved was issued");
        for (offer, stand) in &model.offers {
            let state: OfferRecord = memory.read(offer).expect("the offer is known");
            let left: Vec<u128> = state.left.iter().map(|left| left.0.into()).collect();
            let expected: Vec<u128> = (0..stand.offer.lots.len()).map(|lot| model.left(*offer, lot)).collect();
            assert_eq!((state.withdrawn, left), (stand.withdrawn, expected));
        }
        for (id, stand) in &model.meters {
            let state: MeterState = memory.read(id).expect("the meter is known");
            assert_eq!(
                (state.last, state.retired, state.subscription),
                (stand.last, stand.retired, stand.subscription)
            );
            let serves = state.bindings.iter().map(|binding| (binding.agreement, binding.lot.into(), binding.side));
            assert_eq!(serves.collect::<Vec<(AgreementId, usize, Side)>>(), stand.serves);
        }
        for (id, contract) in &model.contracts {
            self.compare_contract(id, contract);
        }
    }

    fn compare_contract(&self, id: &AgreementId, contract: &Contract) {
        let state: AgreementState = self.memory.read(id).expect("the agreement is known");
        assert_eq!(
            (state.status, state.ending, state.statements),
            (contract.status, contract.ending, contract.statements)
        );
        let escrow = [
            (state.escrow.owner_deposit, contract.owner_deposit),
            (state.escrow.user_deposit, contract.user_deposit),
            (state.escrow.guarantee, contract.guarantee),
            (state.escrow.prepaid, contract.prepaid),
        ];
        for (found, expected) in escrow {
            assert_eq!(u128::from(found.0), expected, "the escrow of {id}");
        }
        if !matches!(contract.status, Status::Active) {
            assert_eq!(state.escrow, Default::default(), "what is over holds nothing");
        }
        if let ProgramState::Purchase(lots) = &state.program {
            for (lot, expected) in lots.iter().zip(&contract.lots) {
                assert_eq!((lot.available.0.into(), lot.taken.0.into()), (expected.available, expected.taken));
            }
        }
        let mut prepaid = 0;
        for carrier in Carrier::ALL {
            let service: Option<ServiceState> = self.memory.read(&(*id, carrier));
            let Some(expected) = contract.services.get(&carrier) else {
                assert_eq!(service, None, "{id} has no service of {carrier}");
                continue;
            };
            let service = service.expect("the service is known");
            assert_eq!(service.usage.map(|usage| u128::from(usage.0)), expected.usage);
            assert_eq!(u128::from(service.owed_weight), expected.owed);
            assert_eq!(service.tranches.len(), expected.tranches.len());
            for (tranche, expected) in service.tranches.iter().zip(&expected.tranches) {
                assert_eq!((tranche.paid.0.into(), tranche.billed.0.into()), (expected.paid, expected.billed));
                prepaid += expected.paid - expected.billed;
                if let (TrancheOf::Energy { drawn, .. }, Buys::Energy { drawn: expected, .. }) =
                    (&tranche.buys, &expected.buys)
                {
                    assert_eq!(u128::from(*drawn), *expected);
                }
            }
        }
        assert_eq!(prepaid, contract.prepaid, "what is prepaid and not yet billed is what {id} holds");
    }

    fn count(&mut self, what: String) {
        *self.coverage.entry(what).or_default() += 1;
    }

    /// Counts what occurred.
    fn note(
        &mut self,
        pending: &[(Asked, SignedTransaction, Result<Verdict, utilidor_ledger::Inadmissible>)],
        outcome: &Outcome,
    ) {
        for (asked, _, verdict) in pending {
            match verdict {
                Ok(Verdict::Applied(_)) => self.count(format!("applied {}", asked.action.name())),
                Ok(Verdict::Refused(refusal)) => self.count(format!("refused {}", refusal.code())),
                Err(_) => self.count("inadmissible".into()),
            }
        }
        for event in outcome.receipts.iter().flat_map(|receipt| receipt.events()) {
            let name = |value: &dyn std::fmt::Debug| {
                let text = format!("{value:?}");
                text.split([' ', '(', '{']).next().unwrap_or_default().to_string()
            };
            self.count(format!("event {}", name(event)));
            match event {
                Event::Moved { movement, .. } => self.count(format!("moved {movement:?}")),
                Event::AgreementStatus { status, .. } => self.count(format!("status {status}")),
                Event::StatementIssued(statement) => {
                    statement.lines.iter().for_each(|line| self.count(format!("line {}", name(line))));
                    if statement.substituted {
                        self.count("substituted".into());
                    }
                }
                Event::Certified { refused, .. } => {
                    refused.iter().for_each(|refused| self.count(format!("refused {}", refused.refusal.code())));
                }
                _ => {}
            }
        }
        for certificate in outcome.certificates() {
            if !certificate.purchases.is_empty() {
                self.count("attributed".into());
            }
        }
    }

    /// Energy: what meters say, what is attributed and what is billed are the same, by receipts and certificates alone.
    fn audit_receipts(
        &mut self,
        pending: &[(Asked, SignedTransaction, Result<Verdict, utilidor_ledger::Inadmissible>)],
        outcome: &Outcome,
    ) {
        let audit = &mut self.audit;
        let mut certificates = outcome.certificates().peekable();
        for (asked, _, verdict) in pending {
            let Ok(Verdict::Applied(events)) = verdict else { continue };
            let certified = match (&asked.action, events.first()) {
                (Action::RecordReadings { .. }, Some(Event::Certified { first, count, .. })) => {
                    assert!(*count == 0 || certificates.peek().is_some_and(|next| next.id == *first));
                    *count
                }
                (Action::ExchangeMeter { meter, last, .. }, _) => u32::from(audit.meters[meter].0 < last.time),
                _ => 0,
            };
            for certificate in certificates.by_ref().take(certified as usize) {
                assert_eq!(certificate.id.0, audit.certificates, "certificates are numbered without gaps");
                audit.certificates += 1;
                let (time, register, modulus) = audit.meters.get_mut(&certificate.meter).expect("it is registered");
                assert_eq!(certificate.interval.from, *time, "intervals follow each other");
                let shows = (u128::from(*register) + u128::from(certificate.quantity.0)) % u128::from(*modulus);
                assert_eq!(shows, certificate.register.0.into(), "the quantity is the register's movement");
                (*time, *register) = (certificate.interval.to, certificate.register.0);
                let stand = &self.model.meters[&certificate.meter];
                let carrier = stand.meter.carrier;
                let purchases: u128 = certificate.purchases.iter().map(|part| u128::from(part.quantity.0)).sum();
                let rest = u128::from(certificate.quantity.0).checked_sub(purchases);
                let rest = rest.expect("no more is attributed than has passed");
                for part in &certificate.purchases {
                    let owners = self.model.contracts[&part.agreement].terms.owner == stand.meter.holder;
                    *audit.attributed.entry((part.agreement, carrier, owners)).or_default() +=
                        u128::from(part.quantity.0);
                }
                if let Some(subscription) = certificate.subscription {
                    audit.supplied.entry((subscription, carrier)).or_default().0 += rest;
                }
            }
            match &asked.action {
                Action::RegisterMeter(meter) => {
                    audit.meters.entry(meter.id).or_insert((meter.since, meter.register.0, meter.register_modulus.0));
                }
                Action::ExchangeMeter { meter, last, register_modulus, register, .. } => {
                    audit.meters.insert(*meter, (last.time, register.0, register_modulus.0));
                }
                _ => {}
            }
        }
        assert!(certificates.next().is_none(), "nothing else certifies");
        for event in outcome.receipts.iter().flat_map(|receipt| receipt.events()) {
            if let Event::StatementIssued(statement) = event {
                audit_statement(audit, &self.model.contracts[&statement.agreement], statement);
            }
        }
        for ((id, carrier), (supplied, billed)) in &audit.supplied {
            let service = self.model.contracts[id].services.get(carrier);
            let running: u128 = service.map_or(0, |service| service.usage.iter().sum());
            assert_eq!(*supplied, billed + running, "what was supplied to {id} is what its statements list");
            let (used, charged) = audit.weights.get(&(*id, *carrier)).copied().unwrap_or_default();
            let Some(service) = service else {
                assert_eq!(used, charged, "all that {id} used of {carrier} was charged in the end");
                continue;
            };
            let factors = match &service.tariff {
                Tariff::Metered(tariff) => tariff.time_of_use.factors_permille,
                Tariff::MeteredByPeriod(_) => [1_000; 4],
                Tariff::FloorArea(_) => [0; 4],
            };
            let running: u128 =
                service.usage.iter().zip(factors).map(|(usage, factor)| usage * u128::from(factor)).sum();
            let unbilled: u128 = service
                .tranches
                .iter()
                .map(|tranche| match tranche.buys {
                    Buys::Energy { drawn, drawn_billed, .. } => drawn - drawn_billed,
                    Buys::Area { .. } => 0,
                })
                .sum();
            assert_eq!(
                used + running,
                charged + unbilled + service.owed,
                "each unit is drawn from one tranche, or owed"
            );
        }
    }
}

fn audit_statement(audit: &mut Audit, contract: &Contract, statement: &Statement) {
    let id = statement.agreement;
    let mut paid = 0;
    for line in &statement.lines {
        match line {
            StatementLine::Delivery { carrier, delivered, substituted, amount, .. } => {
                let Program::Purchase(terms) = &contract.terms.program else { panic!("a delivery is a purchase's") };
                let lot = terms.lots.iter().find(|lot| lot.carrier == *carrier).expect("it is in the terms");
                let owners = lot.metering.take.is_none();
                let proven = audit.attributed.get(&(id, *carrier, owners)).copied().unwrap_or_default();
                assert_eq!(u128::from(delivered.0 - substituted.0), proven, "certificates prove what was delivered");
                paid += u128::from(amount.0);
            }
            StatementLine::Usage { carrier, factor_permille, quantity, .. } => {
                audit.supplied.entry((id, *carrier)).or_default().1 += u128::from(quantity.0);
                audit.weights.entry((id, *carrier)).or_default().0 +=
                    u128::from(quantity.0) * u128::from(*factor_permille);
            }
            StatementLine::Charge { carrier, weight, amount, .. }
            | StatementLine::OwedCharge { carrier, weight, amount, .. } => {
                audit.weights.entry((id, *carrier)).or_default().1 += u128::from(*weight);
                paid += u128::from(amount.0);
            }
            StatementLine::FloorArea { amount, .. } => paid += u128::from(amount.0),
            StatementLine::Refund { withheld, .. } => paid += u128::from(withheld.0),
            StatementLine::Owed { .. } | StatementLine::Forfeit { .. } => {}
        }
    }
    let paid = paid.min(u64::MAX.into());
    assert_eq!(
        paid,
        u128::from(statement.paid.0) + u128::from(statement.unpaid.0),
        "the lines add up to the statement"
    );
}

/// Executes the block again with its cells supplied little by little, and expects the same outcome.
fn same_however_supplied(
    before: &Memory,
    context: BlockContext,
    transactions: &[VerifiedTransaction],
    outcome: &Outcome,
) {
    let mut execution = Execution::new(context, before.genesis(), transactions.to_vec());
    let again = loop {
        match execution.run() {
            Progress::Wants(keys) => {
                assert!(!keys.is_empty(), "an execution that is not done wants something");
                let some = &keys[..keys.len().div_ceil(2)];
                execution.supply(some.iter().map(|key| before.cells().get(key).copied()));
            }
            Progress::Done(outcome) => break outcome,
        }
    };
    assert_eq!(however_supplied(again), however_supplied(outcome.clone()), "how cells are supplied changes nothing");
}

/// An outcome without the order in which its cells were asked for.
fn however_supplied(mut outcome: Outcome) -> Outcome {
    outcome.cells.iter_mut().for_each(|change| change.supplied = None);
    outcome.cells.sort_by_key(|change| change.key);
    outcome
}

// ---- documents --------------------------------------------------------------------------------------------

/// The meters of the play: carrier, holder, whether the device signs by itself, modulus and capacity.
fn a_meter(number: usize, since: Timestamp) -> Meter {
    use Carrier::*;
    let (carrier, holder, signs, register_modulus, capacity) = [
        (Electricity, ROOF, false, 1_000_000_000 * KWH, 100 * KWH),
        (Heating, STATION, false, 1_000_000_000 * KWH, 100 * KWH),
        (Electricity, ALICE, false, 1_000_000_000 * KWH, 100 * KWH),
        (Heating, ALICE, false, 1_000 * KWH, 100 * KWH),
        (HotWater, ALICE, false, 1_000_000, 400_001),
        (Electricity, BOB, true, 1_000_000_000 * KWH, 100 * KWH),
        (Electricity, CAROL, false, 300 * KWH, 100 * KWH),
        (Electricity, BOTH, false, u64::MAX, u64::MAX),
        (Electricity, STATION, false, 1_000_000_000 * KWH, 100 * KWH),
        (HotWater, BOB, false, 1_000_000, 400_000),
        (Electricity, ALICE, true, 500 * KWH, 100 * KWH),
        (Heating, CAROL, false, 500 * KWH, 100 * KWH),
        (Gas, BOB, false, 500 * KWH, 100 * KWH),
    ][number % 13];
    let authority = match signs {
        true => MeterAuthority::Meter(CAST[DEVICE].key.public_key()),
        false => MeterAuthority::Gateway(account(GATEWAY)),
    };
    Meter {
        id: meter_id(number),
        carrier,
        holder: account(holder),
        authority,
        register_modulus: Quantity(register_modulus),
        capacity_per_hour: Quantity(capacity),
        register: Quantity(0),
        since,
    }
}

fn price_unit(carrier: Carrier, choices: &mut Choices<'_>) -> PriceUnit {
    match carrier {
        Carrier::Electricity => PriceUnit::KilowattHour,
        Carrier::Heating | Carrier::Cooling => choices.pick(&[PriceUnit::KilowattHour, PriceUnit::Gigajoule]),
        _ => PriceUnit::CubicMetre,
    }
}

fn an_amount(choices: &mut Choices<'_>) -> Money {
    let amount =
        choices.pick(&[100 * UNIT, 1, 333_333, UNIT, 10_000 * UNIT, 7 * UNIT + 1, 1_000 * UNIT, 50_000 * UNIT]);
    if choices.rarely() { Money(choices.pick(&[0, u64::MAX, 5_000_000 * UNIT])) } else { Money(amount) }
}

fn a_price(choices: &mut Choices<'_>) -> u64 {
    let price = choices.pick(&[800_000, 500_001, 333_333, 1, 28_000_000, 777_777]);
    if choices.rarely() { choices.pick(&[0, u64::MAX, u64::MAX / 4_000]) } else { price }
}

fn a_volume(carrier: Carrier, hours: u64, choices: &mut Choices<'_>) -> Quantity {
    let per_hour = match carrier {
        Carrier::Electricity | Carrier::Heating | Carrier::Cooling => {
            choices.pick(&[50 * KWH, KWH / 2, 10 * KWH + 1, 120 * KWH])
        }
        _ => choices.pick(&[100_000, 1, 333_333]),
    };
    if choices.rarely() { Quantity(choices.pick(&[0, u64::MAX, 7])) } else { Quantity(per_hour * hours + per_hour % 3) }
}

fn a_package(number: usize, version: u32, choices: &mut Choices<'_>) -> Package {
    let variant = choices.below(3) as u64;
    let discounts = PeriodDiscounts { month_permille: 5, quarter_permille: 30, year_permille: 80 };
    let step = |units: u64, discount_permille: u16| Step { from: Money(units * UNIT), discount_permille };
    let stretch = |band, months, from_hour, to_hour| BandStretch { band, months, from_hour, to_hour };
    let mut metered = MeteredTariff {
        price: Price::micro_per_kwh(800_000 + 7 * variant),
        steps: vec![step(7, 11), step(1_000, 20), step(50_000, 40)].try_into().expect("few"),
        time_of_use: TimeOfUse {
            factors_permille: [1_000, 1_750, 1_601, 400 - 7 * variant as u16],
            stretches: vec![
                stretch(Band::Valley, 0xfff, 0, 7),
                stretch(Band::Sharp, 0b1000_0000_0011, 19, 21),
                stretch(Band::Peak, 0xfff, 18, 23),
            ]
            .try_into()
            .expect("few"),
        },
        grace: Quantity(10 * KWH),
    };
    let mut season = Season { from_month: 11, from_day: 15, to_month: 3, to_day: 15 };
    let mut per_m2 = Money(43 * UNIT + 1);
    let mut by_period = Price { money: Money(100_000_003), per: PriceUnit::Gigajoule };
    let mut offset_minutes = choices.pick(&[480, 480, 480, 0, -330]);
    if choices.rarely() {
        match choices.below(14) {
            0 => metered.price.money = Money(0),
            1 => metered.price.per = PriceUnit::CubicMetre,
            2 => metered.steps.as_mut_slice()[1].from = Money(0),
            3 => metered.steps.as_mut_slice()[1].discount_permille = 11,
            4 => metered.steps.as_mut_slice()[2].discount_permille = 1_000,
            5 => metered.time_of_use.factors_permille[2] = 0,
            6 => metered.time_of_use.stretches.as_mut_slice()[0].to_hour = 25,
            7 => metered.time_of_use.stretches.as_mut_slice()[1].months = 0,
            8 => season.from_month = 13,
            9 => season = Season { from_month: 2, from_day: 30, to_month: 2, to_day: 31 },
            10 => per_m2 = Money(0),
            11 => offset_minutes = 841,
            12 => by_period.money = Money(0),
            _ => metered.price.money = Money(u64::MAX),
        }
    }
    let option = |carrier, tariff| TariffOption { carrier, tariff };
    let plain = MeteredTariff {
        price: Price::micro_per_m3(28_000_000),
        steps: Bounded::empty(),
        time_of_use: TimeOfUse::none(),
        grace: Quantity(0),
    };
    let area = Tariff::FloorArea(FloorAreaTariff { per_m2, season, discounts });
    let cheap = MeteredTariff { price: Price::micro_per_kwh(1), ..plain.clone() };
    let mut options = vec![
        option(Carrier::Electricity, Tariff::Metered(metered)),
        option(Carrier::Electricity, Tariff::Metered(cheap)),
        option(
            Carrier::Heating,
            Tariff::MeteredByPeriod(MeteredByPeriodTariff { price: by_period, discounts, grace: Quantity(KWH) }),
        ),
        option(Carrier::Heating, area.clone()),
        option(Carrier::HotWater, Tariff::Metered(plain.clone())),
        option(Carrier::Cooling, area),
    ];
    if choices.rarely() {
        match choices.below(2) {
            0 => options.clear(),
            _ => (0..5).for_each(|_| options.push(option(Carrier::Gas, Tariff::Metered(plain.clone())))),
        }
    }
    Package {
        id: package_id(number),
        version,
        offset_minutes,
        options: options.try_into().expect("fewer than the bound"),
    }
}

// ---- what is asked ----------------------------------------------------------------------------------------

impl Play<'_> {
    /// Someone's action.
    fn something(&mut self, choices: &mut Choices<'_>) -> (usize, Action) {
        let (actor, action) = match choices.below(100) {
            0..5 => self.transfer(choices),
            5..7 => self.issue_or_redeem(choices),
            7..14 => self.publish_offers(choices),
            14..15 => self.withdraw_offer(choices),
            15..26 => self.submit_quotes(choices),
            26..27 => self.withdraw_quote(choices),
            27..37 => self.award(choices),
            37..44 => self.propose(choices),
            44..53 => self.sign(choices),
            53..55 => self.decline(choices),
            55..58 => self.propose_amendment(choices),
            58..61 => self.sign_amendment(choices),
            61..65 => self.terminate(choices),
            65..71 => self.meter_action(choices),
            71..83 => self.readings(choices),
            83..85 => self.publish_package(choices),
            85..90 => self.subscribe(choices),
            90..97 => self.prepay(choices),
            97..99 => self.member_action(choices),
            _ => self.declare_capacity(choices),
        };
        if choices.rarely() { (choices.below(CAST.len()), action) } else { (actor, action) }
    }

    fn hour_from_now(&self, hours: u64) -> u64 {
        (self.model.now.div_ceil(HOUR) + hours) * HOUR
    }

    fn transfer(&mut self, choices: &mut Choices<'_>) -> (usize, Action) {
        let (from, to) = (choices.below(10), choices.below(CAST.len()));
        let (to, mut amount) = (account(to), an_amount(choices));
        if choices.rarely() {
            amount = Money(self.model.accounts[&account(from)].free as u64);
        }
        (from, Action::Transfer { to, amount, reference: Text::default() })
    }

    fn issue_or_redeem(&mut self, choices: &mut Choices<'_>) -> (usize, Action) {
        let (amount, reference) = (an_amount(choices), Text::default());
        match choices.below(3) {
            0 => (ISSUER, Action::Redeem { amount, reference }),
            1 => (ISSUER, Action::Issue { to: account(ISSUER), amount, reference }),
            _ => (ISSUER, Action::Issue { to: account(choices.below(CAST.len())), amount, reference }),
        }
    }

    fn lots_of(&self, owner: usize, choices: &mut Choices<'_>, hours: u64) -> Vec<Lot> {
        let carriers = choices.pick(&[
            &[Carrier::Electricity][..],
            &[Carrier::Electricity],
            &[Carrier::HotWater],
            &[Carrier::Electricity, Carrier::Heating],
            &[Carrier::Heating],
            &[Carrier::Gas],
        ]);
        let mut lots = Vec::new();
        for carrier in carriers.iter().copied() {
            let own = self.meters_of(owner, carrier);
            let delivery_meter = if choices.evenly() { choices.some(own) } else { None };
            lots.push(Lot {
                carrier,
                quantity: a_volume(carrier, hours, choices),
                asking_price: Price { money: Money(a_price(choices)), per: price_unit(carrier, choices) },
                delivery_meter,
                user_metered: delivery_meter.is_none() || choices.evenly(),
            });
        }
        lots
    }

    fn meters_of(&self, holder: usize, carrier: Carrier) -> Vec<MeterId> {
        let of = self.model.meters.iter();
        let of = of.filter(|(_, stand)| stand.meter.carrier == carrier && stand.meter.holder == account(holder));
        of.map(|(id, _)| *id).collect()
    }

    fn publish_offers(&mut self, choices: &mut Choices<'_>) -> (usize, Action) {
        let owner = choices.pick(&OWNERS);
        if choices.rarely()
            && let Some(stand) = choices.some(self.model.offers.values().cloned().collect())
        {
            return (actor_of(stand.owner), Action::publish_offer(stand.offer));
        }
        let count = if choices.rarely() { 0 } else { choices.pick(&[1, 1, 2]) };
        let offers = (0..count).map(|place| self.new_offer(owner, place, choices)).collect::<Vec<_>>();
        (owner, Action::PublishOffers { offers: offers.try_into().expect("few") })
    }

    fn new_offer(&mut self, owner: usize, place: usize, choices: &mut Choices<'_>) -> Offer {
        let hours = choices.pick(&[1, 2, 3, 24]);
        let from = self.hour_from_now(choices.pick(&[1, 2, 3]));
        let mut offer = Offer {
            id: offer_id(self.model.offers.len() + place),
            lots: self.lots_of(owner, choices, hours).try_into().expect("few"),
            window: Window { from: Timestamp(from), to: Timestamp(from + hours * HOUR) },
            gate_closes: Timestamp(self.model.now + choices.pick(&[1, 10 * MINUTE, 30 * MINUTE])),
            seal_key: [9; 32],
            terms: OfferTerms {
                deposit_permille: choices.pick(&[200, 0, 1_000, 333]),
                guarantee_permille: choices.pick(&[500, 0, 1_000, 1]),
                tolerance_permille: choices.pick(&[50, 0, 1_000]),
                grace_ms: choices.pick(&[3_600_000, 0, 10_000_001]),
                substitute: choices.pick(&[Substitute::Nothing, Substitute::ProRata]),
                signing_ms: choices.pick(&[86_400_000, 0, 600_001]),
            },
            notice: Text::default(),
        };
        if choices.rarely() {
            match choices.below(12) {
                0 => offer.lots = Bounded::empty(),
                1 => offer.lots.as_mut_slice()[0].user_metered = false,
                2 => offer.lots.push(offer.lots[0].clone()).expect("there is room"),
                3 => offer.lots.as_mut_slice()[0].asking_price.per = PriceUnit::CubicMetre,
                4 => offer.window.to.0 += 1,
                5 => offer.window.to = offer.window.from,
                6 => offer.window.to.0 += 32 * DAY,
                7 => offer.terms.deposit_permille = 1_001,
                8 => offer.gate_closes = Timestamp(self.model.now),
                9 => offer.gate_closes = offer.window.from,
                10 => offer.id = offer_id(0),
                _ => {
                    let last = time::MAX_TIMESTAMP.0 / HOUR * HOUR;
                    offer.window = Window { from: Timestamp(last - HOUR), to: Timestamp(last) };
                    offer.terms.grace_ms = u32::MAX;
                }
            }
        }
        offer
    }

    fn an_offer(&mut self, choices: &mut Choices<'_>, of: impl Fn(&Offer) -> bool) -> OfferId {
        if choices.rarely() {
            return offer_id(choices.below(self.model.offers.len() + 1));
        }
        let fitting = self.model.offers.iter().rev().filter(|(_, stand)| !stand.withdrawn && of(&stand.offer));
        choices.some(fitting.map(|(id, _)| *id).collect()).unwrap_or(offer_id(0))
    }

    fn withdraw_offer(&mut self, choices: &mut Choices<'_>) -> (usize, Action) {
        let now = Timestamp(self.model.now);
        let offer = self.an_offer(choices, |offer| now < offer.gate_closes);
        let owner = self.model.offers.get(&offer).map_or(STATION, |stand| actor_of(stand.owner));
        (owner, Action::WithdrawOffer { offer })
    }

    fn submit_quotes(&mut self, choices: &mut Choices<'_>) -> (usize, Action) {
        let bidder = choices.pick(&USERS);
        let count = if choices.rarely() { 0 } else { choices.pick(&[1, 1, 2]) };
        let quotes = (0..count).map(|_| self.new_quote(bidder, choices)).collect::<Vec<_>>();
        (bidder, Action::SubmitQuotes { quotes: quotes.try_into().expect("few") })
    }

    fn new_quote(&mut self, bidder: usize, choices: &mut Choices<'_>) -> SealedQuote {
        let now = Timestamp(self.model.now);
        let offer = self.an_offer(choices, |offer| now < offer.gate_closes);
        let lots = self.model.offers.get(&offer).map(|stand| stand.offer.lots.clone()).unwrap_or_default();
        let mut lines = Vec::new();
        for lot in &lots {
            let meters = self.meters_of(bidder, lot.carrier);
            let quantity = match choices.below(5) {
                0 | 1 => Quantity(lot.quantity.0 / 2),
                2 => lot.quantity,
                3 => Quantity(lot.quantity.0 / 3),
                _ => Quantity(0),
            };
            lines.push(QuoteLine {
                quantity,
                price: Money(a_price(choices)),
                user_meter: choices.some(meters).unwrap_or(meter_id(choices.below(14))),
            });
        }
        let mut sealed = sealed_bytes(lines.len());
        if choices.rarely() {
            match choices.below(2) {
                0 => sealed += 1,
                _ => drop(lines.pop()),
            }
        }
        let content = QuoteContent { salt: [choices.byte(); SALT_BYTES], lines: lines.try_into().expect("few") };
        let commitment = content.commitment(self.model.chain, offer, account(bidder));
        self.contents.insert((offer, account(bidder)), content);
        let binding = choices.evenly();
        SealedQuote { offer, commitment, sealed: vec![0; sealed], binding }
    }

    fn withdraw_quote(&mut self, choices: &mut Choices<'_>) -> (usize, Action) {
        let now = Timestamp(self.model.now);
        let offer = self.an_offer(choices, |offer| now < offer.gate_closes);
        let bidders = self.model.quotes.keys().filter(|(of, _)| *of == offer).map(|(_, bidder)| *bidder).collect();
        let bidder = choices.some(bidders).map_or(choices.pick(&USERS), actor_of);
        (bidder, Action::WithdrawQuote { offer })
    }

    fn next_agreement(&self, choices: &mut Choices<'_>) -> AgreementId {
        if choices.rarely() { agreement_id(0) } else { agreement_id(self.model.contracts.len()) }
    }

    fn award(&mut self, choices: &mut Choices<'_>) -> (usize, Action) {
        let now = Timestamp(self.model.now);
        let waiting: Vec<OfferId> =
            self.model.quotes.iter().filter(|(_, quote)| !quote.awarded).map(|((offer, _), _)| *offer).collect();
        let ready = |offer: &Offer| offer.gate_closes <= now && now < offer.window.from && waiting.contains(&offer.id);
        let first = self.an_offer(choices, ready);
        let owner = self.model.offers.get(&first).map_or(STATION, |stand| actor_of(stand.owner));
        let mut chosen: Vec<(OfferId, AccountId)> = Vec::new();
        for offer in [first, self.an_offer(choices, ready)].into_iter().take(choices.pick(&[1, 1, 2])) {
            let standing = self.model.quotes.iter().filter(|((of, _), quote)| *of == offer && !quote.awarded);
            chosen.extend(standing.map(|(id, _)| *id).take(1 + choices.below(3)));
        }
        if choices.rarely() {
            match choices.below(3) {
                0 => chosen.clear(),
                1 => chosen.push((first, account(ALICE))),
                _ => chosen.extend(chosen.first().copied()),
            }
        }
        let mut awards = Vec::new();
        for (place, (offer, bidder)) in chosen.into_iter().enumerate() {
            let empty = QuoteContent { salt: [0; SALT_BYTES], lines: Bounded::empty() };
            let mut opening = self.contents.get(&(offer, bidder)).cloned().unwrap_or(empty);
            if choices.rarely() {
                opening.salt[0] ^= 1;
            }
            let AgreementId(mut agreement) = self.next_agreement(choices);
            agreement[15] += place as u8;
            awards.push(AwardedQuote { offer, bidder, agreement: AgreementId(agreement), opening });
        }
        (owner, Action::Award { awards: awards.try_into().expect("few") })
    }

    fn purchase_terms(&mut self, owner: usize, user: usize, choices: &mut Choices<'_>) -> PurchaseTerms {
        let hours = choices.pick(&[1, 2, 3, 24, 48]);
        let from = self.hour_from_now(choices.pick(&[1, 2, 1]));
        let lots = self.lots_of(owner, choices, hours);
        let mut bought = Vec::new();
        for lot in lots {
            let take = if lot.user_metered { choices.some(self.meters_of(user, lot.carrier)) } else { None };
            bought.push(PurchaseLot {
                carrier: lot.carrier,
                quantity: lot.quantity,
                price: lot.asking_price,
                metering: Metering { delivery: lot.delivery_meter, take },
            });
        }
        if choices.rarely() {
            let other = meter_id(choices.below(14));
            bought[0].metering.take = Some(other);
        }
        PurchaseTerms {
            lots: bought.try_into().expect("few"),
            window: Window { from: Timestamp(from), to: Timestamp(from + hours * HOUR) },
            deposit_permille: choices.pick(&[200, 0, 1_000, 333]),
            guarantee_permille: choices.pick(&[500, 0, 1_000, 1]),
            tolerance_permille: choices.pick(&[50, 0, 1_000]),
            grace_ms: choices.pick(&[3_600_000, 0, 10_000_001]),
            substitute: choices.pick(&[Substitute::Nothing, Substitute::ProRata]),
        }
    }

    fn propose(&mut self, choices: &mut Choices<'_>) -> (usize, Action) {
        if choices.rarely() {
            let proposals = self.model.contracts.iter().filter_map(|(id, contract)| match contract.origin {
                Origin::Proposal { by } => Some((*id, contract.terms.clone(), by)),
                _ => None,
            });
            if let Some((id, terms, by)) = choices.some(proposals.collect()) {
                let actor = actor_of(terms.party(by));
                return (actor, Action::ProposeAgreement { id, terms, signing_ms: 0 });
            }
        }
        let (owner, user) = (choices.pick(&OWNERS), choices.pick(&USERS));
        let program = match choices.below(6) {
            5 => Program::Subscription(self.subscription_terms(user, choices)),
            _ => Program::Purchase(self.purchase_terms(owner, user, choices)),
        };
        let terms = AgreementTerms { owner: account(owner), user: account(user), program };
        let id = self.next_agreement(choices);
        let signing_ms = choices.pick(&[7_200_000, 0, 600_001, u32::MAX]);
        let by = if choices.evenly() { owner } else { user };
        (by, Action::ProposeAgreement { id, terms, signing_ms })
    }

    fn a_contract(
        &mut self,
        choices: &mut Choices<'_>,
        of: impl Fn(&Contract) -> bool,
    ) -> Option<(AgreementId, Contract)> {
        if choices.rarely() {
            return choices.some(self.model.contracts.iter().map(|(id, contract)| (*id, contract.clone())).collect());
        }
        let fitting = self.model.contracts.iter().rev().filter(|(_, contract)| of(contract));
        choices.some(fitting.map(|(id, contract)| (*id, contract.clone())).collect())
    }

    fn sign(&mut self, choices: &mut Choices<'_>) -> (usize, Action) {
        let Some((agreement, contract)) = self.a_contract(choices, |contract| contract.status == Status::Proposed)
        else {
            return self.propose(choices);
        };
        let side = match contract.origin {
            Origin::Proposal { by } => by.other(),
            _ => Side::User,
        };
        let terms = if choices.rarely() { Digest::default() } else { contract.terms.digest() };
        (actor_of(contract.terms.party(side)), Action::SignAgreement { agreement, terms })
    }

    fn decline(&mut self, choices: &mut Choices<'_>) -> (usize, Action) {
        let Some((agreement, contract)) = self.a_contract(choices, |contract| contract.status == Status::Proposed)
        else {
            return (ALICE, Action::DeclineAgreement { agreement: agreement_id(255) });
        };
        let actor = if choices.below(4) == 0 { contract.terms.owner } else { contract.terms.user };
        (actor_of(actor), Action::DeclineAgreement { agreement })
    }

    fn propose_amendment(&mut self, choices: &mut Choices<'_>) -> (usize, Action) {
        let now = Timestamp(self.model.now);
        let open = |contract: &Contract| {
            contract.status == Status::Active
                && match &contract.terms.program {
                    Program::Purchase(terms) => now < terms.window.from,
                    Program::Subscription(_) => true,
                }
        };
        let Some((agreement, contract)) = self.a_contract(choices, open) else { return self.propose(choices) };
        let (owner, user) = (actor_of(contract.terms.owner), actor_of(contract.terms.user));
        let program = match contract.terms.program {
            _ if choices.rarely() => Program::Subscription(self.subscription_terms(user, choices)),
            Program::Purchase(_) if choices.evenly() => Program::Purchase(self.purchase_terms(owner, user, choices)),
            Program::Purchase(mut terms) => {
                let lot = &mut terms.lots.as_mut_slice()[0];
                lot.quantity.0 = lot.quantity.0 / 2 + 1;
                lot.price.money.0 /= 2;
                terms.deposit_permille = 100;
                Program::Purchase(terms)
            }
            Program::Subscription(mut terms) => {
                if let Some((_, versions)) = self.model.packages.get(&terms.package) {
                    terms.version = versions.len() as u32;
                }
                if choices.rarely() {
                    terms.package = package_id(choices.below(3));
                }
                for service in terms.services.as_mut_slice() {
                    service.low_balance = Quantity(choices.pick(&[KWH, 0, 1_000 * KWH]));
                    if choices.below(4) == 0 {
                        service.option ^= 1;
                    }
                    if choices.rarely() {
                        service.floor_area_m2 += 1;
                    }
                }
                if choices.rarely() {
                    terms.services = Bounded::empty();
                }
                Program::Subscription(terms)
            }
        };
        let by = if choices.evenly() { owner } else { user };
        (by, Action::ProposeAmendment { agreement, program })
    }

    fn sign_amendment(&mut self, choices: &mut Choices<'_>) -> (usize, Action) {
        let open = |contract: &Contract| contract.status == Status::Active && contract.amendment.is_some();
        let Some((agreement, contract)) = self.a_contract(choices, open) else {
            return self.propose_amendment(choices);
        };
        let Some((by, program)) = contract.amendment else {
            return (
                actor_of(contract.terms.user),
                Action::SignAmendment { agreement, terms: contract.terms.digest() },
            );
        };
        let terms = AgreementTerms { program, ..contract.terms };
        let side = if choices.rarely() { by } else { by.other() };
        let signed = if choices.rarely() { Digest::default() } else { terms.digest() };
        (actor_of(terms.party(side)), Action::SignAmendment { agreement, terms: signed })
    }

    fn terminate(&mut self, choices: &mut Choices<'_>) -> (usize, Action) {
        let half = |contract: &Contract| contract.status == Status::Active && contract.ending.is_some();
        let chosen = match choices.evenly() {
            true => self.a_contract(choices, half),
            false => None,
        };
        let chosen = chosen.or_else(|| self.a_contract(choices, |contract| contract.status == Status::Active));
        let Some((agreement, contract)) = chosen else { return self.transfer(choices) };
        let owners = contract.ending == Some(Side::User) || (contract.ending.is_none() && choices.below(3) > 0);
        let actor = if owners { contract.terms.owner } else { contract.terms.user };
        (actor_of(actor), Action::Terminate { agreement })
    }

    fn meter_action(&mut self, choices: &mut Choices<'_>) -> (usize, Action) {
        let number = choices.below(13);
        let meter = meter_id(number);
        let now = Timestamp(self.model.now);
        let stand = self.model.meters.get(&meter).cloned();
        let authority = a_meter(choices.below(13), now).authority;
        let action = match (choices.below(10), stand) {
            (_, None) | (0, _) => {
                let mut document = a_meter(number, Timestamp(self.model.now - choices.pick(&[0, HOUR, 3 * HOUR])));
                if let (Some(stand), true) = (self.model.meters.get(&meter), choices.evenly()) {
                    document = stand.registered.clone();
                }
                if choices.rarely() {
                    match choices.below(4) {
                        0 => document.register_modulus = Quantity(0),
                        1 => document.register = document.register_modulus,
                        2 => document.since.0 = self.model.now + 1,
                        _ => document.holder = account(DEVICE),
                    }
                }
                Action::RegisterMeter(document)
            }
            (1..4, _) => Action::BindMeter { meter, holder: account(choices.pick(&[ALICE, BOB, CAROL, BOTH, DEVICE])) },
            (4..6, _) => Action::RotateMeterKey { meter, authority },
            (6..9, Some(stand)) => {
                let mut last = stand.last;
                if choices.below(3) > 0 && last.time < now {
                    last.time = now;
                    last.register.0 = last.register.0.saturating_add(choices.pick(&[0, 1, KWH]));
                }
                if choices.rarely() {
                    last.time.0 -= 1;
                }
                let modulus = choices.pick(&[1_000 * KWH, 1_000_000, 1_000_000_000 * KWH, 0]);
                let register =
                    if choices.rarely() { modulus } else { choices.pick(&[0, modulus / 2, modulus.saturating_sub(1)]) };
                let (register_modulus, register) = (Quantity(modulus), Quantity(register));
                Action::ExchangeMeter { meter, last, authority, register_modulus, register }
            }
            _ => Action::RetireMeter { meter },
        };
        let operator = self.model.meters.get(&meter).map_or(OPERATOR, |stand| actor_of(stand.operator));
        (operator, action)
    }

    fn readings(&mut self, choices: &mut Choices<'_>) -> (usize, Action) {
        let mut runs = Vec::new();
        for _ in 0..1 + choices.below(3) {
            let serving =
                self.model.meters.iter().filter(|(_, stand)| !stand.serves.is_empty() || stand.subscription.is_some());
            let serving = serving.map(|(id, _)| *id).collect();
            let bound = self.model.meters.iter().filter(|(_, stand)| !stand.serves.is_empty());
            let bound = bound.map(|(id, _)| *id).collect();
            let meter = match choices.below(6) {
                0 => meter_id(choices.below(14)),
                1..4 => choices.some(bound).unwrap_or(meter_id(choices.below(10))),
                _ => choices.some(serving).unwrap_or(meter_id(choices.below(10))),
            };
            let unknown = a_meter(2, Timestamp(BEGIN));
            let (document, mut last) = match self.model.meters.get(&meter) {
                Some(stand) => (stand.meter.clone(), stand.last),
                None => (unknown, Reading { time: Timestamp(BEGIN), register: Quantity(0) }),
            };
            let mut readings = Vec::new();
            let count = 1 + choices.below(6) as u64;
            let span = self.model.now.saturating_sub(last.time.0);
            let step = choices.pick(&[HOUR, HOUR, span / count, 30 * MINUTE, 3 * HOUR]).max(1);
            for _ in 0..count {
                let mut next = Reading { time: Timestamp(last.time.0 + step), register: last.register };
                let most = u128::from(document.capacity_per_hour.0) * u128::from(step) / u128::from(HOUR);
                let passed = match choices.below(6) {
                    0 => 0,
                    1 => most,
                    2 => most / 3,
                    3 => most / 2,
                    4 => 1.min(most),
                    _ => most * 9 / 10,
                };
                let modulus = u128::from(document.register_modulus.0).max(1);
                next.register.0 = ((u128::from(next.register.0) + passed) % modulus) as u64;
                if choices.rarely() {
                    match choices.below(5) {
                        0 => next = last,
                        1 => next.time = last.time,
                        2 => next.time.0 = self.model.now + 1,
                        3 => next.register = document.register_modulus,
                        _ => next.register.0 = ((u128::from(next.register.0) + most + 1) % modulus) as u64,
                    }
                } else if next.time.0 > self.model.now {
                    break;
                }
                readings.push(next);
                last = next;
            }
            let readings = Bounded::new(readings).expect("few");
            let device = &CAST[DEVICE].key;
            let signs = matches!(document.authority, MeterAuthority::Meter(_)) != choices.rarely();
            let signature = signs.then(|| MeterSignature {
                key: device.public_key(),
                signature: device.sign(READING_NAMESPACE, &run_message(self.model.chain, meter, &readings)),
            });
            runs.push(MeterRun { meter, readings, signature });
        }
        (GATEWAY, Action::RecordReadings { runs: runs.try_into().expect("few") })
    }

    fn publish_package(&mut self, choices: &mut Choices<'_>) -> (usize, Action) {
        let number = choices.below(2);
        let (owner, next) = match self.model.packages.get(&package_id(number)) {
            Some((owner, versions)) => (actor_of(*owner), versions.len() as u32 + 1),
            None => (choices.pick(&OWNERS), 1),
        };
        let version = if choices.rarely() { choices.below(4) as u32 } else { next };
        (owner, Action::PublishPackage(a_package(number, version, choices)))
    }

    fn subscription_terms(&mut self, user: usize, choices: &mut Choices<'_>) -> SubscriptionTerms {
        let number = if choices.rarely() { choices.below(4) } else { 0 };
        let package = package_id(number);
        let last = self.model.packages.get(&package).map_or(0, |(_, versions)| versions.len() as u32);
        let version = if choices.rarely() { last + 1 } else { last };
        let mut services = Vec::new();
        for carrier in [Carrier::Electricity, Carrier::Heating, Carrier::HotWater, Carrier::Cooling] {
            let free = self.meters_of(user, carrier);
            let free: Vec<_> =
                free.into_iter().filter(|meter| self.model.meters[meter].subscription.is_none()).collect();
            let meter = choices.some(free);
            if choices.below(3) == 0 || (meter.is_none() && carrier != Carrier::Cooling) {
                continue;
            }
            let option = choices.pick(&[0, 1]);
            let option = if matches!(carrier, Carrier::HotWater | Carrier::Cooling) { 0 } else { option };
            let low_balance = Quantity(choices.pick(&[10 * KWH, 0, u64::MAX]));
            services.push(Service {
                carrier,
                option,
                meter,
                floor_area_m2: 1_000 + u32::from(choices.byte()),
                low_balance,
            });
        }
        if services.is_empty() && !choices.rarely() {
            services.push(Service {
                carrier: Carrier::Cooling,
                option: 0,
                meter: None,
                floor_area_m2: 7,
                low_balance: Quantity(0),
            });
        }
        if choices.rarely() && !services.is_empty() {
            match choices.below(5) {
                0 => services[0].option = 9,
                1 => services[0].meter = None,
                2 => services.iter_mut().for_each(|service| service.floor_area_m2 = 0),
                3 => services.push(services[0].clone()),
                _ => services[0].meter = Some(meter_id(choices.below(13))),
            }
        }
        SubscriptionTerms { package, version, services: services.try_into().expect("few") }
    }

    fn subscribe(&mut self, choices: &mut Choices<'_>) -> (usize, Action) {
        if choices.rarely() {
            let present = self.model.contracts.iter().filter(|(_, contract)| contract.origin == Origin::Package);
            let present = present.map(|(id, contract)| (*id, contract.terms.clone())).collect();
            if let Some((id, AgreementTerms { user, program: Program::Subscription(terms), .. })) =
                choices.some(present)
            {
                return (actor_of(user), Action::Subscribe { id, terms });
            }
        }
        let user = choices.pick(&USERS);
        let terms = self.subscription_terms(user, choices);
        (user, Action::Subscribe { id: self.next_agreement(choices), terms })
    }

    fn prepay(&mut self, choices: &mut Choices<'_>) -> (usize, Action) {
        let open = |contract: &Contract| contract.status == Status::Active && !contract.services.is_empty();
        let Some((subscription, contract)) = self.a_contract(choices, open) else { return self.subscribe(choices) };
        let carriers: Vec<_> = contract.services.keys().copied().collect();
        let carrier = choices.some(carriers).unwrap_or(Carrier::Electricity);
        let (amount, period) = (an_amount(choices), choices.pick(&[Period::Month, Period::Quarter, Period::Year]));
        let kind = match contract.services.get(&carrier).map(|service| &service.tariff) {
            _ if choices.rarely() => choices.below(3),
            Some(Tariff::MeteredByPeriod(_)) => 1,
            Some(Tariff::FloorArea(_)) => 2,
            _ => 0,
        };
        let payment = match kind {
            0 => Prepayment::Amount(amount),
            1 => Prepayment::AmountForPeriod { amount, period },
            _ => Prepayment::Period { period, at_most: if choices.rarely() { amount } else { Money(u64::MAX) } },
        };
        let carrier = if choices.rarely() { Carrier::Gas } else { carrier };
        (actor_of(contract.terms.user), Action::Prepay { subscription, carrier, payment })
    }

    fn member_action(&mut self, choices: &mut Choices<'_>) -> (usize, Action) {
        let other = LATER + choices.below(2);
        match choices.below(8) {
            0..3 => {
                let member = if choices.rarely() { CAST[ALICE].member } else { CAST[other].member };
                let account = account(if choices.rarely() { BOB } else { other });
                (STATION, Action::AdmitMember { member, account, roles: CAST[other].roles })
            }
            3 => {
                let changed = choices.pick(&[ROOF, ALICE, CAROL, LATER]);
                let roles = if choices.evenly() { CAST[changed].roles } else { Roles::default() };
                (STATION, Action::ChangeRoles { member: CAST[changed].member, roles })
            }
            4 => {
                let changed = choices.pick(&[ROOF, ALICE, CAROL]);
                (STATION, Action::ChangeRoles { member: CAST[changed].member, roles: CAST[changed].roles })
            }
            _ => (choices.pick(&USERS), Action::OpenAccount { account: account(choices.pick(&[other, other, ALICE])) }),
        }
    }

    fn declare_capacity(&mut self, choices: &mut Choices<'_>) -> (usize, Action) {
        let owner = account(choices.pick(&[STATION, ROOF, BOTH, ALICE]));
        let carrier = choices.pick(&[Carrier::Electricity, Carrier::Heating, Carrier::HotWater, Carrier::Gas]);
        let per_hour = Quantity(choices.pick(&[200 * KWH, 60 * KWH, u64::MAX, 0]));
        (STATION, Action::DeclareCapacity { owner, carrier, per_hour })
    }
}
