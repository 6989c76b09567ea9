//! A seed as a play: three parties sign agreements on hostile programs, and things happen to them until their hard ends have passed.
//!
//! What must hold after each block: no panic (the ledger asserts that money is conserved and that what accounts have reserved is what
//! agreements hold), what bystanders do is done, their money is what it was, no party has lost more than it has granted, and programs
//! have used no more fuel than an event and a block may. After the last hard end nothing is reserved any more.

use crate::effects::{Setting, answer, of, one_in};
use crate::modules::{Contracts, Hostile, program};
use commonware_parallel::Sequential;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::collections::BTreeMap;
use std::sync::LazyLock;
use utilidor_ledger::memory::Memory;
use utilidor_ledger::meter_record::{MeterBinding, MeterBindings, Summed};
use utilidor_ledger::record::{AccountRecord, AgreementRecord, AgreementState, AmendmentRecord, MeterState};
use utilidor_ledger::{LEDGER_CODES, MAX_BLOCK_WORK, MAX_DUE_WORK};
use utilidor_program::wasm::{ENGINE, EVENT_FUEL};
use utilidor_types::action::Prepayment;
use utilidor_types::agreement::*;
use utilidor_types::event::{Movement, Source};
use utilidor_types::genesis::{ChainKind, GenesisMember, Limits};
use utilidor_types::key::{KeyRing, PrivateKey};
use utilidor_types::meter::{MeterAuthority, MeterRun};
use utilidor_types::program::{CodedMeter, Fuel, Grant, Metered, Publication};
use utilidor_types::time::{DAY_MS, HOUR_MS};
use utilidor_types::transaction::verify_batch_with;
use utilidor_types::*;

const BEGIN: Timestamp = Timestamp(1_735_660_800_000);
/// Three parties, two bystanders, who operates the meters, and who issues money and decides.
const PARTIES: usize = 3;
const BYSTANDERS: [usize; 2] = [3, 4];
const OPERATOR: usize = 5;
const ISSUER: usize = 6;
const ACCOUNTS: usize = 7;
const METERS: u8 = 5;
/// Programs, agreements, how many of them live at a time, and blocks of a play.
const PROGRAMS: usize = 5;
const AGREEMENTS: usize = 60;
const LIVE: usize = 20;
const BLOCKS: usize = 150;
/// Fewer than so many blocks follow each of them, in which nobody does anything: they are cheap, for nothing is signed.
const IDLE_BLOCKS: usize = 8;
/// The last hard end.
const LAST_END_MS: u64 = 40 * DAY_MS;
/// Blocks in which everything that is due has been done.
const BLOCKS_TO_END: usize = 5_000;

/// What plays have come to.
#[derive(Default)]
pub struct Tally {
    /// How often programs were run.
    pub executions: u64,
    pub blocks: u64,
    /// What was reached, by name.
    pub reached: BTreeMap<String, u64>,
}

impl Tally {
    pub fn add(&mut self, other: Self) {
        self.executions += other.executions;
        self.blocks += other.blocks;
        for (what, count) in other.reached {
            *self.reached.entry(what).or_default() += count;
        }
    }

    fn reach(&mut self, what: String) {
        *self.reached.entry(what).or_default() += 1;
    }
}

/// Who can sign. Keys are worked out once: they would take most of a play's time.
struct Signer {
    key: PrivateKey,
    public: PublicKey,
    account: AccountId,
}

static SIGNERS: LazyLock<Vec<Signer>> = LazyLock::new(|| {
    let signer = |number: u8| {
        let key = PrivateKey::ed25519([number + 1; 32]);
        let public = key.public_key();
        Signer { key, public, account: AccountId::of(&public) }
    };
    (0..100).map(signer).collect()
});

static KEYS: LazyLock<KeyRing> = LazyLock::new(KeyRing::default);

fn account(number: usize) -> AccountId {
    SIGNERS[number].account
}

fn number_of(of: AccountId) -> Option<usize> {
    (0..ACCOUNTS).find(|number| account(*number) == of)
}

fn meter_id(number: u8) -> MeterId {
    MeterId::of(account(OPERATOR), Label([number; 16]))
}

fn genesis(rng: &mut StdRng) -> Genesis {
    use Role::*;
    let roles = |number| match number {
        0 | 3 => Roles::of(&[Owner, User]),
        OPERATOR => Roles::of(&[MeterOperator]),
        ISSUER => Roles::of(&[Issuer, Validator]),
        _ => Roles::of(&[User]),
    };
    let members = (0..ACCOUNTS).map(|number| GenesisMember { account: account(number), roles: roles(number) });
    let daily_fuel = Fuel(if one_in(rng, 4) { 1_000_000 } else { u32::MAX.into() });
    let limits = Limits { daily_fuel, programs: 64, proposals: 64, ..Limits::DEFAULT };
    let members = members.collect::<Vec<_>>().try_into().unwrap();
    Genesis::alone(ChainKind::Development, BEGIN, SIGNERS[99].public, members, limits)
}

/// What a party has put under an agreement.
struct Granted {
    party: usize,
    terms: Grant,
    since: Timestamp,
    /// The hard end: after it nothing is taken.
    until: Timestamp,
}

struct Play<'a> {
    rng: StdRng,
    memory: Memory,
    now: Timestamp,
    programs: Vec<(ProgramId, Hostile)>,
    contracts: &'a Contracts,
    agreements: Vec<AgreementId>,
    /// Those whose programs are told things.
    live: Vec<AgreementId>,
    granted: BTreeMap<AgreementId, Vec<Granted>>,
    /// What agreements have taken of parties.
    taken: BTreeMap<(AgreementId, usize), u128>,
    /// What parties have paid by transactions of their own.
    paid: [u128; ACCOUNTS],
    /// What parties have paid ahead for an agreement.
    ahead: BTreeMap<(AgreementId, usize), u128>,
    tally: Tally,
}

/// The ledger's codes for programs that are told later, and were not run: what they missed comes first, the unit's work is used up,
/// or its records are not there.
const NOT_RUN: [u16; 3] = [LEDGER_CODES + 13, LEDGER_CODES + 14, LEDGER_CODES + 16];

const OPENING: Money = Money::units(1_000_000);

/// Plays a seed.
pub fn play(seed: u64, contracts: &Contracts) -> Tally {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut play = Play {
        memory: Memory::new(genesis(&mut rng)),
        rng,
        now: BEGIN,
        programs: Vec::new(),
        contracts,
        agreements: Vec::new(),
        live: Vec::new(),
        granted: BTreeMap::new(),
        taken: BTreeMap::new(),
        paid: [0; ACCOUNTS],
        ahead: BTreeMap::new(),
        tally: Tally::default(),
    };
    play.settle_in();
    for _ in 0..BLOCKS {
        play.step();
        if play.live.is_empty() && play.agreements.len() == AGREEMENTS {
            break;
        }
    }
    play.end();
    play.tally
}

impl Play<'_> {
    fn settle_in(&mut self) {
        let issue =
            |number| (ISSUER, Action::Issue { to: account(number), amount: OPENING, reference: Text::default() });
        self.block((0..=BYSTANDERS[1]).map(issue).collect());
        let since = self.now;
        let meter = |number: u8| Meter {
            label: Label([number; 16]),
            carrier: Carrier::Electricity,
            // The last two are bystanders'.
            holder: account(usize::from(number)),
            authority: MeterAuthority::Gateway(account(OPERATOR)),
            register_modulus: Quantity(1_000_000_000_000_000),
            capacity_per_hour: Quantity(3_600_000_000),
            register: Quantity::ZERO,
            since,
        };
        self.block((0..METERS).map(|number| (OPERATOR, Action::RegisterMeter(meter(number)))).collect());
        // What fills is sold out of what the owner of all agreements can supply; now and then that is too little.
        let per_hour = Quantity(3_600_000 * of(&mut self.rng, &[1, 10_000]));
        let (owner, carrier) = (account(0), Carrier::Electricity);
        self.block(vec![(ISSUER, Action::decide(Decision::DeclareCapacity { owner, carrier, per_hour }))]);
        for _ in 0..PROGRAMS {
            let until = Timestamp(BEGIN.0 + LAST_END_MS);
            let setting = Setting { now: self.now, until, parties: 2, meters: 2 };
            let program = program(&mut self.rng, setting, self.contracts);
            let publication = Publication { engine: ENGINE, code: program.code.clone(), manifest: program.manifest() };
            self.tally.reach(format!("published {}", program.name));
            self.programs.push((publication.id(), program));
            self.block(vec![(0, Action::PublishProgram(Box::new(publication)))]);
        }
        for _ in 0..LIVE {
            self.agree();
        }
    }

    /// A new agreement, proposed and signed.
    fn agree(&mut self) {
        let label = Label([self.agreements.len() as u8; 16]);
        let terms = self.terms();
        let parties: Vec<usize> = terms.parties.iter().filter_map(|party| number_of(*party)).collect();
        let id = AgreementId::of(account(parties[0]), label);
        let digest = terms.digest();
        self.agreements.push(id);
        if let (Program::Coded(coded), Some(HardEnd { at: until, .. })) = (&terms.program, terms.hard_end.clone()) {
            let granted = coded.grants.iter().filter_map(|terms| {
                let party = *parties.get(usize::from(terms.party.0))?;
                Some(Granted { party, terms: *terms, since: self.now, until })
            });
            let granted = granted.collect();
            self.granted.insert(id, granted);
        }
        let mut actions = vec![(parties[0], Action::ProposeAgreement { label, terms, signing_ms: HOUR_MS as u32 })];
        actions.extend(parties[1..].iter().map(|who| (*who, Action::SignAgreement { agreement: id, terms: digest })));
        self.block(actions);
    }

    fn coded(&mut self, parties: u8) -> CodedTerms {
        let (id, program) = &self.programs[self.rng.random_range(0..self.programs.len())];
        let (code, parameters) = (ProgramCode::Published(*id), program.parameters.clone());
        let rng = &mut self.rng;
        let mut grants = Vec::new();
        for party in 0..parties {
            if !one_in(rng, 30) {
                let cap = |rng: &mut StdRng| match rng.random_range(0..16) {
                    0 => Money::ZERO,
                    1 => Money(u64::MAX),
                    _ => Money::units(rng.random_range(1..120)),
                };
                let (reserve, allowance) = (cap(rng), cap(rng));
                grants.push(Grant { party: Party(party), reserve, allowance, renews: rng.random() });
            }
        }
        let now = self.now;
        let first = rng.random_range(0..parties);
        // Mostly a party's own: the meter of its number.
        let meters = (0..rng.random_range(0..3u8)).map(|place| (first + place) % parties).map(|party| CodedMeter {
            meter: meter_id(if one_in(rng, 4) { rng.random_range(0..METERS) } else { party }),
            carrier: Carrier::Electricity,
            party: Party(party),
            window: Window {
                from: Timestamp(now.0 / HOUR_MS * HOUR_MS + HOUR_MS * rng.random_range(0..4)),
                to: Timestamp(now.0 / HOUR_MS * HOUR_MS + DAY_MS * rng.random_range(1..20)),
            },
            metered: if one_in(rng, 3) {
                Metered::Fill(Quantity(3_600_000 * rng.random_range(1..50)))
            } else {
                Metered::Rest
            },
        });
        let meters: Vec<CodedMeter> = meters.collect();
        CodedTerms {
            code,
            grants: grants.try_into().unwrap(),
            meters: meters.try_into().unwrap(),
            parameters: parameters.try_into().unwrap(),
        }
    }

    fn terms(&mut self) -> AgreementTerms {
        let mut parties: Vec<usize> = if one_in(&mut self.rng, 4) { vec![0, 1, 2] } else { vec![0, 1] };
        let turned = self.rng.random_range(0..parties.len());
        // The owner has to be one.
        if parties.len() == PARTIES && turned > 0 {
            parties.swap(1, 2);
        }
        let program = Program::Coded(self.coded(parties.len() as u8));
        let rng = &mut self.rng;
        let fallback = match rng.random_range(0..3) {
            0 => Fallback::GiveBack,
            1 => {
                let shares = if parties.len() == 2 { vec![250, 750] } else { vec![100, 200, 700] };
                Fallback::Split(shares.try_into().unwrap())
            }
            _ => Fallback::Arbiter(account(of(rng, &[0, 1, 2, 3]))),
        };
        let latest = BEGIN.0 + LAST_END_MS;
        let at =
            Timestamp((self.now.0 + of(rng, &[HOUR_MS, DAY_MS, 5 * DAY_MS, 20 * DAY_MS, LAST_END_MS])).min(latest));
        let parties: Vec<AccountId> = parties.into_iter().map(account).collect();
        AgreementTerms { parties: parties.try_into().unwrap(), program, hard_end: Some(HardEnd { at, fallback }) }
    }

    fn agreement(&mut self) -> AgreementId {
        let from = if self.live.is_empty() || one_in(&mut self.rng, 10) { &self.agreements } else { &self.live };
        from[self.rng.random_range(0..from.len())]
    }

    fn party_of(&mut self, agreement: AgreementId) -> usize {
        let record = self.memory.read::<AgreementRecord>(&agreement);
        let Some(record) = record.filter(|_| !one_in(&mut self.rng, 20)) else {
            return self.rng.random_range(0..ACCOUNTS);
        };
        let parties = &record.agreement.terms.parties;
        number_of(parties[self.rng.random_range(0..parties.len())]).unwrap_or(0)
    }

    fn pass_time(&mut self) {
        let pace = of(&mut self.rng, &[0, 0, 1, 1_000, 60_000, HOUR_MS / 2, HOUR_MS, HOUR_MS, 3 * HOUR_MS]);
        let pace = if one_in(&mut self.rng, 40) { of(&mut self.rng, &[DAY_MS, 5 * DAY_MS]) } else { pace };
        self.now = Timestamp((self.now.0 + pace).min(BEGIN.0 + LAST_END_MS));
    }

    /// A block: some time passes, some things happen. In the blocks after it programs are told only what they have asked to be told.
    fn step(&mut self) {
        self.pass_time();
        let lives = |id: &&AgreementId| {
            self.memory.read::<AgreementState>(id).is_some_and(|state| state.status == Status::Active)
        };
        self.live = self.agreements.iter().filter(lives).copied().collect();
        if self.live.len() < LIVE && self.agreements.len() < AGREEMENTS && self.now.0 < BEGIN.0 + LAST_END_MS {
            self.agree();
        }
        let count = if self.live.is_empty() { one_in(&mut self.rng, 8).into() } else { self.rng.random_range(0..16) };
        let actions = (0..count).map(|_| self.action()).collect();
        self.block(actions);
        for _ in 0..self.rng.random_range(0..IDLE_BLOCKS) {
            self.pass_time();
            self.block(vec![]);
        }
    }

    fn action(&mut self) -> (usize, Action) {
        let agreement = self.agreement();
        let who = self.party_of(agreement);
        let action = match self.rng.random_range(0..40) {
            0..=25 => {
                let parties = 2 + u8::from(one_in(&mut self.rng, 4));
                let setting = Setting { now: self.now, until: self.now, parties, meters: 2 };
                let mut command = answer(&mut self.rng, setting);
                command.truncate(utilidor_types::action::MAX_COMMAND_BYTES);
                Action::Command { agreement, command: command.try_into().unwrap() }
            }
            26..=32 => return (OPERATOR, self.readings()),
            33 => Action::Terminate { agreement },
            34 => Action::WithdrawTermination { agreement },
            35 => Action::PayDebt { agreement, amount: Money(self.rng.random_range(0..50_000_000)) },
            36 => {
                let payment = Prepayment::Amount(Money(self.rng.random_range(0..50_000_000)));
                Action::Prepay { subscription: agreement, carrier: Carrier::Electricity, payment }
            }
            37 => return (OPERATOR, self.correction()),
            38 => match self.amended(agreement) {
                Some(program) => Action::ProposeAmendment { agreement, program, from: self.now },
                None => Action::Terminate { agreement },
            },
            _ => {
                let record = self.memory.read::<AgreementRecord>(&agreement);
                let amendment = self.memory.read::<AmendmentRecord>(&agreement);
                let terms = record.zip(amendment).map_or(Digest([1; 32]), |(record, amendment)| {
                    amendment.terms(&record.agreement.terms).amendment_digest(amendment.from)
                });
                Action::SignAmendment { agreement, terms }
            }
        };
        (who, action)
    }

    /// Other code or parameters for the same grants.
    fn amended(&mut self, agreement: AgreementId) -> Option<Program> {
        let terms = self.memory.read::<AgreementRecord>(&agreement)?.agreement.terms;
        let (parties, Program::Coded(present)) = (terms.parties.len() as u8, terms.program) else { return None };
        let other = self.coded(parties);
        let meters = if one_in(&mut self.rng, 8) { other.meters } else { present.meters };
        Some(Program::Coded(CodedTerms { grants: present.grants, meters, ..other }))
    }

    fn readings(&mut self) -> Action {
        let meter = meter_id(self.rng.random_range(0..METERS));
        let last = self.memory.read::<MeterState>(&meter).map(|state| state.last);
        let last = last.unwrap_or(Reading { time: self.now, register: Quantity::ZERO });
        let ms = self.now.0.saturating_sub(last.time.0);
        let time = Timestamp(last.time.0 + ms / self.rng.random_range(1..4));
        let most = (time.0 - last.time.0) / 1_000 * 1_000_000;
        let register = last.register.0.saturating_add(most / self.rng.random_range(1..100));
        let reading = Reading { time, register: Quantity(register % 1_000_000_000_000_000) };
        let run = MeterRun { meter, readings: vec![reading].try_into().unwrap(), signature: None };
        Action::RecordReadings { runs: vec![run].try_into().unwrap() }
    }

    fn correction(&mut self) -> Action {
        let meter = meter_id(self.rng.random_range(0..METERS));
        let to = self.memory.read::<MeterState>(&meter).map_or(self.now, |state| state.last.time);
        let from = Timestamp(to.0.saturating_sub(HOUR_MS * self.rng.random_range(1..50)));
        let quantity = |rng: &mut StdRng| Quantity(3_600_000 * rng.random_range(0..50));
        let (certified, right) = (quantity(&mut self.rng), quantity(&mut self.rng));
        Action::CorrectReadings { meter, interval: Window { from, to }, certified, right, reason: Text::default() }
    }

    fn block(&mut self, mut actions: Vec<(usize, Action)>) {
        // Bystanders go about their business.
        let trades = self.tally.blocks > 0 && one_in(&mut self.rng, 8);
        let [first, second] = BYSTANDERS;
        if trades {
            for (from, to) in [(first, second), (second, first)] {
                let (to, amount) = (account(to), Money(1_000));
                actions.push((from, Action::Transfer { to, amount, reference: Text::default() }));
            }
        }
        let named: Vec<(usize, Action)> = actions.clone();
        let mut nonces: BTreeMap<usize, u64> = BTreeMap::new();
        let chain = self.memory.genesis().chain();
        let signed = actions.into_iter().map(|(who, action)| {
            let present = || self.memory.read::<AccountRecord>(&account(who)).map_or(0, |record| record.nonce);
            let nonce = nonces.entry(who).or_insert_with(present);
            let expires = self.memory.height() + 1_000;
            let transaction = Transaction { chain, signer: SIGNERS[who].public, nonce: *nonce, expires, action };
            *nonce += 1;
            transaction.sign(&SIGNERS[who].key)
        });
        let signed = signed.collect();
        let mut rng = StdRng::seed_from_u64(1);
        let verified = verify_batch_with(&KEYS, chain, signed, &mut rng, &Sequential);
        let verified: Vec<VerifiedTransaction> = verified.into_iter().map(|verified| verified.unwrap()).collect();
        let outcome = self.memory.execute(self.now, verified);
        self.tally.blocks += 1;

        assert!(outcome.work.is_within(&MAX_BLOCK_WORK), "a block's transactions take no more than a block has");
        assert!(outcome.due_work.is_within(&MAX_DUE_WORK), "nor does what is due in it");
        let mut admitted = outcome.admitted.iter();
        for receipt in &outcome.receipts {
            let asked = matches!(receipt.cause, Cause::Transaction(_))
                .then(|| admitted.next().map(|place| &named[*place]))
                .flatten();
            self.note(receipt, asked);
        }
        if trades {
            let done = |number: usize| outcome.admitted.contains(&(named.len() - number));
            assert!(done(1) && done(2), "what bystanders do is admitted");
        }
        self.hold();
    }

    fn note(&mut self, receipt: &Receipt, asked: Option<&(usize, Action)>) {
        match (asked, receipt.refusal()) {
            (Some((who, action)), Some(refusal)) => {
                assert!(!BYSTANDERS.contains(who) || !matches!(action, Action::Transfer { .. }), "{refusal}");
                let ran = matches!(refusal, Refusal::ProgramFault { code } | Refusal::UnfitEffect { code } if !NOT_RUN.contains(code));
                self.tally.executions += u64::from(ran);
                if let Refusal::ProgramFault { code } = refusal {
                    self.tally.reach(format!("failed {code:#x}"));
                }
                self.tally.reach(format!("{} refused: {}", action.name(), refusal.code()));
            }
            (Some((who, Action::PayDebt { amount, .. })), None) => self.paid[*who] += u128::from(amount.0),
            (Some((who, Action::Prepay { subscription, payment: Prepayment::Amount(amount), .. })), None) => {
                *self.ahead.entry((*subscription, *who)).or_default() += u128::from(amount.0);
            }
            _ => {}
        }
        for event in receipt.events() {
            match event {
                Event::ProgramRan { fuel, sums, .. } => {
                    assert!(u64::from(*fuel) <= EVENT_FUEL, "an event takes no more fuel than it has");
                    self.tally.executions += 1;
                    self.tally.reach("event ProgramRan".into());
                    if sums.iter().any(|sums| !sums.bands.is_zero()) {
                        self.tally.reach("a meter that has filled".into());
                    }
                }
                Event::ProgramFailed { code, .. } => {
                    self.tally.executions += u64::from(!NOT_RUN.contains(code));
                    self.tally.reach(format!("failed {code:#x}"));
                }
                Event::Moved { agreement, movement, amount } => {
                    self.take(*agreement, movement, *amount);
                    let name = format!("{movement:?}");
                    let name = name.split([' ', '{']).next().unwrap_or_default().to_owned();
                    self.tally.reach(format!("moved {name}"));
                }
                Event::Debt { agreement, owes, .. } => {
                    let granted = self.granted.get(agreement).into_iter().flatten().map(|granted| granted.terms);
                    let user = granted.filter(|grant| grant.party == Party::USER);
                    let most = user.map(|grant| grant.most_owed()).max().unwrap_or_default();
                    assert!(*owes <= most, "{agreement} lets its user owe {owes}, which has granted {most}");
                    self.tally.reach("event Debt".into());
                }
                Event::AgreementStatus { status, .. } => self.tally.reach(format!("status {status:?}")),
                Event::Segment(segment) if BYSTANDERS.map(|number| meter_id(number as u8)).contains(&segment.meter) => {
                    panic!("a meter that serves nobody is read for {:?}", receipt.cause);
                }
                other => {
                    let name = format!("{other:?}");
                    let name = name.split([' ', '(', '{']).next().unwrap_or_default().to_owned();
                    self.tally.reach(format!("event {name}"));
                }
            }
        }
    }

    /// Money has left a party.
    fn take(&mut self, agreement: AgreementId, movement: &Movement, amount: Money) {
        let from = match movement {
            Movement::Pay { source: Source::Debt, .. } | Movement::Reserve { .. } | Movement::Release { .. } => return,
            Movement::Pay { from, .. } => from,
            Movement::Forfeit { by, .. } => by,
            Movement::FallBack { party, .. } => party,
        };
        let record =
            self.memory.read::<AgreementRecord>(&agreement).expect("an agreement is kept when it has moved money");
        let from = record.agreement.terms.account(*from).and_then(number_of).expect("a party moves its own");
        *self.taken.entry((agreement, from)).or_default() += u128::from(amount.0);
    }

    fn holds(&self, number: usize) -> u128 {
        let record = self.memory.read::<AccountRecord>(&account(number));
        record.map_or(0, |record| u128::from(record.free.0) + u128::from(record.reserved.0))
    }

    /// Nobody has lost what was not put under an agreement.
    fn hold(&self) {
        if self.tally.blocks < 2 {
            return;
        }
        let opening = u128::from(OPENING.0);
        let [first, second] = BYSTANDERS.map(|number| self.holds(number));
        // One of them can be an arbiter, who is given what was reserved.
        assert!(first >= opening && second == opening, "bystanders keep what they have");
        for ((agreement, party), taken) in &self.taken {
            let granted = self.granted.get(agreement).into_iter().flatten().filter(|granted| granted.party == *party);
            let most: u128 = granted.map(|granted| self.most(granted)).sum();
            let most = most + self.ahead.get(&(*agreement, *party)).copied().unwrap_or(0);
            assert!(*taken <= most, "{agreement} has taken {taken} of party {party}, which has put {most} under it");
        }
        for party in 0..PARTIES {
            let taken: u128 = self.taken.iter().filter(|((_, of), _)| *of == party).map(|(_, taken)| taken).sum();
            let lost = opening.saturating_sub(self.holds(party));
            let paid = self.paid[party];
            assert!(lost <= taken + paid, "party {party} has lost {lost}, {taken} to programs and {paid} by itself");
        }
    }

    /// The most that a grant can cost until now.
    fn most(&self, granted: &Granted) -> u128 {
        let until = self.now.min(granted.until);
        let periods = if granted.terms.renews { 1 + (until.0 - granted.since.0) / ALLOWANCE_PERIOD_MS } else { 1 };
        (u128::from(granted.terms.allowance.0) + u128::from(granted.terms.reserve.0)) * u128::from(periods)
    }

    /// Lets all hard ends pass.
    fn end(&mut self) {
        self.now = Timestamp(BEGIN.0 + LAST_END_MS);
        for _ in 0..BLOCKS_TO_END {
            // What is told to an agreement in the block of its hard end puts that off by a second.
            self.now = Timestamp(self.now.0 + 1_000);
            self.block(vec![]);
            let is_quiet = |id: &AgreementId| {
                self.memory
                    .read::<AgreementState>(id)
                    .is_none_or(|state| state.pots.is_empty() && state.status != Status::Active)
            };
            if self.agreements.iter().all(is_quiet) {
                break;
            }
        }
        for agreement in &self.agreements {
            if let Some(state) = self.memory.read::<AgreementState>(agreement) {
                assert_ne!(state.status, Status::Active, "no agreement goes on beyond its hard end");
                assert_ne!(state.status, Status::Stalled, "nor is it stalled");
                assert!(state.pots.is_empty(), "nor does it hold anything");
            }
        }
        for meter in (0..METERS).map(meter_id) {
            let is_held = |binding: &MeterBinding| match &binding.sum {
                Summed::Fill(filling) => !filling.ended,
                Summed::Rest(_) => binding.window.to > self.now,
                Summed::Absorb(_) => false,
            };
            let bindings = self.memory.read::<MeterBindings>(&meter);
            let held = bindings.is_some_and(|bindings| bindings.bindings.iter().any(is_held));
            assert!(!held, "no meter is held beyond the hard ends");
        }
        for number in 0..ACCOUNTS {
            let record = self.memory.read::<AccountRecord>(&account(number));
            assert!(
                record.is_none_or(|record| record.reserved == Money::ZERO),
                "nothing is frozen beyond the hard ends"
            );
        }
    }
}
