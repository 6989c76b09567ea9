//! A small ledger for one owner's subscriptions: clock, accounts, pots, allowances, debts, meters with marks. It checks what
//! the ledger checks of every effect, so that a step that the ledger would not carry out fails the test.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use utilidor_program::bands;
use utilidor_program::contract::{MAX_EFFECTS, MAX_HEAD_BYTES, MAX_SLOT_BYTES, OVERFLOW};
use utilidor_program::{Case, Draft, Effect, Event, Facts, Fault, Notice, Segment, State, Sum};
use utilidor_types::action::Prepayment;
use utilidor_types::agreement::{ALLOWANCE_PERIOD_MS, AgreementTerms, Service, Status, SubscriptionTerms};
use utilidor_types::event::{Movement, Purpose, Source};
use utilidor_types::package::{
    Band, BandStretch, Calendar, EVERY_DAY, EVERY_MONTH, FloorAreaTariff, MeteredByPeriodTariff, MeteredTariff,
    Package, PackageTerms, PeriodDiscounts, Season, Step, TariffId, TariffOption, TimeOfUse,
};
use utilidor_types::statement::{Closing, StatementLine};
use utilidor_types::time::Date;
use utilidor_types::{
    AccountId, AgreementId, Area, Bands, Bounded, Carrier, Label, MeterId, Money, PackageId, Party, Price, Program,
    Quantity, Refusal, Tariff, Timestamp, Window,
};

pub const OFFSET: i16 = 480;

/// Local time.
pub fn at(year: i32, month: u8, day: u8, hour: u64, minute: u64) -> Timestamp {
    let midnight = Date { year, month, day }.midnight(OFFSET).unwrap();
    Timestamp(midnight.0 + (hour * 60 + minute) * 60_000)
}

/// A time in 2026.
pub fn on(month: u8, day: u8, hour: u64) -> Timestamp {
    at(2026, month, day, hour, 0)
}

pub fn kwh(quantity: u64) -> Quantity {
    Quantity::watt_hours(quantity * 1_000).unwrap()
}

pub fn money(text: &str) -> Money {
    text.parse().unwrap()
}

pub fn some<T, const MAX: usize>(items: Vec<T>) -> Bounded<T, MAX> {
    Bounded::new(items).ok().unwrap()
}

/// Night from 0:00 to 7:00 at 40 %.
pub fn night() -> TimeOfUse {
    let night =
        BandStretch { band: Band::Valley, months: EVERY_MONTH, days: EVERY_DAY, from_half_hour: 0, to_half_hour: 14 };
    TimeOfUse {
        factors_permille: [1_000, 1_800, 1_500, 400, 200],
        calendar: Calendar { stretches: some(vec![night]), holidays: Bounded::empty() },
    }
}

pub fn metered(micro_per_kwh: u64, time_of_use: TimeOfUse) -> MeteredTariff {
    MeteredTariff {
        price: Price::micro_per_kwh(micro_per_kwh),
        steps: some(vec![
            Step { from: Money::units(10_000), discount_permille: 20 },
            Step { from: Money::units(50_000), discount_permille: 40 },
        ]),
        time_of_use,
        grace: kwh(100),
        levy: Money::ZERO,
    }
}

pub const DISCOUNTS: PeriodDiscounts = PeriodDiscounts { month_permille: 0, quarter_permille: 30, year_permille: 80 };
pub const NO_DISCOUNTS: PeriodDiscounts = PeriodDiscounts { month_permille: 0, quarter_permille: 0, year_permille: 0 };
pub const WINTER: Season = Season { from_month: 11, from_day: 15, to_month: 3, to_day: 15 };

pub fn by_period() -> MeteredByPeriodTariff {
    MeteredByPeriodTariff {
        price: Price::micro_per_kwh(360_000),
        discounts: DISCOUNTS,
        grace: kwh(100),
        levy: Money::ZERO,
    }
}

pub fn by_area(per_m2: &str) -> FloorAreaTariff {
    FloorAreaTariff { per_m2: money(per_m2), season: WINTER, discounts: DISCOUNTS }
}

pub fn option(carrier: Carrier, tariff: Tariff) -> TariffOption {
    TariffOption { carrier, tariff, vat_permille: 0 }
}

/// Electricity with and without bands; heating by period and by area at 121 a season.
pub fn package() -> Package {
    Package {
        label: Label([7; 16]),
        version: 1,
        terms: PackageTerms { offset_minutes: OFFSET, notice_days: 14, charges: Bounded::empty() },
        options: some(vec![
            option(Carrier::Electricity, Tariff::Metered(metered(800_000, TimeOfUse::none()))),
            option(Carrier::Electricity, Tariff::Metered(metered(800_000, night()))),
            option(Carrier::Heating, Tariff::MeteredByPeriod(by_period())),
            option(Carrier::Heating, Tariff::FloorArea(by_area("121"))),
        ]),
    }
}

pub const OWNER: AccountId = AccountId([1; 32]);

pub fn electricity(option: u8, meter: u8) -> Service {
    Service {
        carrier: Carrier::Electricity,
        option,
        meter: Some(MeterId([meter; 16])),
        floor_area: Area(0),
        low_balance: Quantity::ZERO,
    }
}

pub fn heating(meter: u8) -> Service {
    Service { carrier: Carrier::Heating, option: 0, ..electricity(0, meter) }
}

pub fn area(square_metres: u32) -> Service {
    Service {
        carrier: Carrier::Heating,
        option: 1,
        meter: None,
        floor_area: Area::square_metres(square_metres).unwrap(),
        low_balance: Quantity::ZERO,
    }
}

/// A statement, with the debt after it.
#[derive(Debug, Clone)]
pub struct Issued {
    pub at: Timestamp,
    pub draft: Draft,
    pub debt: Money,
}

#[derive(Clone)]
pub struct Agreement {
    pub id: AgreementId,
    pub terms: AgreementTerms,
    pub state: State,
    pub status: Status,
    pub pot: Money,
    pub debt: Money,
    pub scheduled: Option<Timestamp>,
    drawn: Money,
    drawn_since: Timestamp,
    pub statements: Vec<Issued>,
    pub notices: Vec<(Timestamp, Notice)>,
}

#[derive(Clone)]
struct Supply {
    agreement: usize,
    number: u8,
    window: Window,
    tariff: Option<TariffId>,
    mark: Option<Timestamp>,
    level: Option<Quantity>,
}

#[derive(Clone)]
struct Meter {
    last: Timestamp,
    shown: Quantity,
    /// While marks are passed, the time of the last of them.
    at: Timestamp,
    registers: Bands,
    base: Timestamp,
    base_registers: Bands,
    peak: (Quantity, u32),
    supplies: Vec<Supply>,
}

/// One owner, any number of users and meters.
pub struct World {
    pub now: Timestamp,
    pub package_id: PackageId,
    packages: BTreeMap<(PackageId, u32), Arc<PackageTerms>>,
    tariffs: BTreeMap<TariffId, Arc<TariffOption>>,
    pub free: BTreeMap<AccountId, Money>,
    pub agreements: Vec<Agreement>,
    meters: BTreeMap<MeterId, Meter>,
    queue: VecDeque<(usize, Event)>,
    running: bool,
    /// Whether a program may say that a number leaves its range; it is then over for the world.
    pub may_overflow: bool,
    pub overflown: bool,
    /// Times at which others have segments closed too: purchases whose windows begin or end.
    pub foreign_marks: Vec<Timestamp>,
    /// How many segments programs were told of.
    pub segments: usize,
    /// How many steps programs took.
    pub steps: usize,
}

impl World {
    pub fn new(now: Timestamp, package: &Package) -> Self {
        let mut world = Self {
            now,
            package_id: package.id(OWNER),
            packages: BTreeMap::new(),
            tariffs: BTreeMap::new(),
            free: BTreeMap::from([(OWNER, Money::ZERO)]),
            agreements: Vec::new(),
            meters: BTreeMap::new(),
            queue: VecDeque::new(),
            running: false,
            may_overflow: false,
            overflown: false,
            foreign_marks: Vec::new(),
            segments: 0,
            steps: 0,
        };
        world.publish(package);
        world
    }

    pub fn publish(&mut self, package: &Package) {
        utilidor_program::package::check(package).unwrap();
        let (id, version) = (package.id(OWNER), package.version);
        self.packages.insert((id, version), Arc::new(package.terms.clone()));
        for carrier in Carrier::ALL {
            for (option, tariff) in (0u8..).zip(package.options_of(carrier)) {
                let id = TariffId { package: id, version, carrier, option };
                self.tariffs.insert(id, Arc::new(tariff.clone()));
            }
        }
    }

    /// A meter whose last reading is 0 now.
    pub fn meter(&mut self, meter: u8, last: Timestamp) {
        let new = Meter {
            last,
            shown: Quantity::ZERO,
            at: last,
            registers: Bands::ZERO,
            base: last,
            base_registers: Bands::ZERO,
            peak: (Quantity::ZERO, 0),
            supplies: Vec::new(),
        };
        self.meters.insert(MeterId([meter; 16]), new);
    }

    pub fn terms(&self, services: Vec<Service>, allowance: &str) -> SubscriptionTerms {
        let (package, services) = (self.package_id, some(services));
        SubscriptionTerms { package, version: 1, services, allowance: money(allowance) }
    }

    /// A user with so much money subscribes.
    pub fn subscribe(&mut self, services: Vec<Service>, has: &str, allowance: &str) -> Result<usize, Refusal> {
        let number = self.agreements.len();
        let user = AccountId([100 + number as u8; 32]);
        self.free.insert(user, money(has));
        let program = Program::Subscription(self.terms(services, allowance));
        let terms = AgreementTerms::between(OWNER, user, program);
        utilidor_program::check(&terms, self.now)?;
        self.agreements.push(Agreement {
            id: AgreementId([number as u8; 16]),
            terms,
            state: State::default(),
            status: Status::Proposed,
            pot: Money::ZERO,
            debt: Money::ZERO,
            scheduled: None,
            drawn: Money::ZERO,
            drawn_since: Timestamp(0),
            statements: Vec::new(),
            notices: Vec::new(),
        });
        let before = std::mem::replace(&mut self.agreements[number].status, Status::Active);
        let done = self.ask(number, Event::Signed);
        if done.is_err() {
            self.agreements.pop();
        }
        assert_eq!(before, Status::Proposed);
        done.map(|()| number)
    }

    pub fn user(&self, agreement: usize) -> AccountId {
        self.agreements[agreement].terms.user().unwrap()
    }

    pub fn free_of(&self, agreement: usize) -> Money {
        self.free[&self.user(agreement)]
    }

    pub fn prepay(&mut self, agreement: usize, carrier: Carrier, payment: Prepayment) -> Result<(), Refusal> {
        self.ask(agreement, Event::Prepaid { carrier, payment })
    }

    pub fn pay(&mut self, agreement: usize, amount: &str) {
        self.prepay(agreement, Carrier::Electricity, Prepayment::Amount(money(amount))).unwrap();
    }

    /// The user's own action.
    pub fn pay_debt(&mut self, agreement: usize, amount: Money) {
        let user = self.user(agreement);
        self.take(user, amount).unwrap();
        self.give(OWNER, amount);
        self.agreements[agreement].debt = self.agreements[agreement].debt.checked_sub(amount).unwrap();
    }

    pub fn end(&mut self, agreement: usize, by: Option<Party>) -> Result<(), Refusal> {
        self.ask(agreement, Event::Ending { by, agreed: false })
    }

    pub fn amend(&mut self, agreement: usize, terms: SubscriptionTerms, from: Timestamp) -> Result<(), Refusal> {
        let before = self.agreements[agreement].terms.clone();
        let after = AgreementTerms { program: Program::Subscription(terms), ..before.clone() };
        utilidor_program::check_amendment(&after, &before, self.now)?;
        self.agreements[agreement].terms = after;
        let event = Event::Amended { before: Box::new(before.clone()), from: from.max(self.now) };
        let done = self.ask(agreement, event);
        if done.is_err() {
            self.agreements[agreement].terms = before;
        }
        done
    }

    /// Lets time pass; what falls due until then is done at its time.
    pub fn until(&mut self, time: Timestamp) {
        loop {
            let due = (0..).zip(&self.agreements).filter_map(|(number, of)| Some((of.scheduled?, number)));
            let Some((at, agreement)) = due.min().filter(|(at, _)| *at <= time) else { break };
            self.now = self.now.max(at);
            self.agreements[agreement].scheduled = None;
            self.must(agreement, &Event::Due);
            self.tell_waiting();
        }
        self.now = self.now.max(time);
    }

    /// A reading arrives now.
    pub fn read(&mut self, meter: u8, time: Timestamp, register: Quantity) {
        assert!(time <= self.now, "a reading from the future");
        let id = MeterId([meter; 16]);
        let state = &self.meters[&id];
        let (from, quantity) = (state.last, register.checked_sub(state.shown).unwrap());
        let flow = (Window { from, to: time }, quantity);
        assert!(from < time);
        if self.waits_at_base(id) {
            self.close(id);
        }
        while let Some(mark) = self.next_mark(id).filter(|mark| *mark <= time) {
            self.go_on(id, flow, mark);
            self.close(id);
        }
        self.go_on(id, flow, time);
        let state = self.meters.get_mut(&id).unwrap();
        (state.last, state.shown) = (time, register);
        self.reach_level(id);
    }

    fn waits_at_base(&self, id: MeterId) -> bool {
        let meter = &self.meters[&id];
        meter.at == meter.base && meter.supplies.iter().any(|supply| supply.mark == Some(meter.base))
    }

    fn next_mark(&self, id: MeterId) -> Option<Timestamp> {
        let meter = &self.meters[&id];
        let marks = meter.supplies.iter().flat_map(|of| [Some(of.window.from), Some(of.window.to), of.mark]);
        marks.flatten().chain(self.foreign_marks.iter().copied()).filter(|mark| *mark > meter.base).min()
    }

    fn open_supply(&self, id: MeterId) -> Option<&Supply> {
        let meter = &self.meters[&id];
        meter.supplies.iter().find(|of| of.window.from <= meter.base && meter.base < of.window.to)
    }

    fn go_on(&mut self, id: MeterId, flow: (Window, Quantity), until: Timestamp) {
        let tariff = self.open_supply(id).and_then(|supply| supply.tariff);
        let option = tariff.map(|tariff| self.tariffs[&tariff].clone());
        let none = Calendar::default();
        let calendar = option.as_ref().and_then(|option| option.tariff.calendar()).unwrap_or(&none);
        let meter = self.meters.get_mut(&id).unwrap();
        let part = Window { from: meter.at, to: until };
        let bands = bands::part(calendar, OFFSET, flow.0, flow.1, part);
        meter.registers = meter.registers.checked_add(&bands).unwrap();
        if meter.at < until && until == flow.0.to && flow.0.ms() <= 3_600_000 {
            let (peak, highest) = ((flow.1, flow.0.ms() as u32), meter.peak);
            if u128::from(peak.0.0) * u128::from(highest.1.max(1)) > u128::from(highest.0.0) * u128::from(peak.1) {
                meter.peak = peak;
            }
        }
        meter.at = meter.at.max(until);
    }

    fn close(&mut self, id: MeterId) {
        let meter = self.meters.get_mut(&id).unwrap();
        let interval = Window { from: meter.base, to: meter.at };
        let bands = meter.registers.checked_sub(&meter.base_registers).unwrap();
        let peak = std::mem::take(&mut meter.peak);
        let holds = |of: &&Supply| of.window.from <= interval.from && interval.to <= of.window.to;
        let told = meter.supplies.iter().find(holds).map(|of| (of.agreement, of.number));
        (meter.base, meter.base_registers) = (meter.at, meter.registers);
        let base = meter.base;
        for supply in &mut meter.supplies {
            supply.mark = supply.mark.filter(|mark| *mark > base);
        }
        meter.supplies.retain(|of| of.window.to > base);
        if let Some((agreement, binding)) = told {
            self.segments += 1;
            self.tell(agreement, Event::Segment { binding, segment: Segment { interval, bands, peak } });
        }
    }

    fn reach_level(&mut self, id: MeterId) {
        let meter = self.meters.get_mut(&id).unwrap();
        let (base, bands) = (meter.base, meter.registers.checked_sub(&meter.base_registers).unwrap());
        let brought = bands.total().unwrap();
        let open = |of: &&mut Supply| of.window.from <= base && base < of.window.to;
        let Some(supply) = meter.supplies.iter_mut().find(open) else { return };
        if supply.level.is_some_and(|level| level <= brought) {
            supply.level = None;
            let (agreement, binding) = (supply.agreement, supply.number);
            self.tell(agreement, Event::Level { binding, bands });
        }
    }

    /// A correction of what is worked out already, or what a purchase gives back.
    pub fn tell(&mut self, agreement: usize, event: Event) {
        if self.running {
            self.queue.push_back((agreement, event));
            return;
        }
        self.must(agreement, &event);
        self.tell_waiting();
    }

    fn must(&mut self, agreement: usize, event: &Event) {
        if self.overflown {
            return;
        }
        match self.act(agreement, event) {
            Err(Refusal::ProgramFault { .. }) => self.overflown = true,
            done => done.unwrap(),
        }
    }

    fn tell_waiting(&mut self) {
        while let Some((agreement, event)) = self.queue.pop_front() {
            self.must(agreement, &event);
        }
    }

    /// A party's transaction: what is refused changes nothing.
    pub fn ask(&mut self, agreement: usize, event: Event) -> Result<(), Refusal> {
        let before = (self.agreements.clone(), self.free.clone(), self.meters.clone());
        let done = self.act(agreement, &event);
        if done.is_err() {
            (self.agreements, self.free, self.meters) = before;
            self.queue.clear();
        }
        self.tell_waiting();
        done
    }

    fn act(&mut self, number: usize, event: &Event) -> Result<(), Refusal> {
        let may_overflow = self.may_overflow;
        let refused = |fault| match fault {
            Fault::Refused(refusal) => refusal,
            Fault::Failed(code) if may_overflow && fault == OVERFLOW => Refusal::ProgramFault { code },
            Fault::Failed(code) => panic!("the program failed with code {code} in {event:?}"),
        };
        let program = self.agreements[number].terms.program.clone();
        let wants = |world: &Self| {
            let head = world.agreements[number].state.head.clone();
            utilidor_program::wants(&program, event, &State { head, slots: BTreeMap::new() }).map_err(refused)
        };
        for (_, meter) in wants(self)?.read {
            if self.meters[&meter].base < self.meters[&meter].at || self.waits_at_base(meter) {
                self.close(meter);
            }
        }
        let wants = wants(self)?;
        let agreement = &self.agreements[number];
        let mut state = State { head: agreement.state.head.clone(), slots: BTreeMap::new() };
        for slot in wants.slots {
            state.slots.insert(slot, agreement.state.slots[&slot].clone());
        }
        let mut facts = Facts { now: self.now, debt: agreement.debt, ..Facts::default() };
        facts.available = vec![Money::ZERO, self.available(number)];
        facts.pots = vec![(Party::USER, Purpose::Prepayment, agreement.pot)];
        for tariff in wants.tariffs {
            let (carrier, option) = (tariff.carrier, tariff.option);
            let found = self.tariffs.get(&tariff).ok_or(Refusal::NoSuchOption { carrier, option })?;
            facts.tariffs.insert(tariff, found.clone());
        }
        for (package, version) in wants.packages {
            let found = self.packages.get(&(package, version)).ok_or(Refusal::UnknownPackage { package, version })?;
            facts.packages.insert((package, version), found.clone());
        }
        for (meter, window) in wants.follows {
            let others = self.meters[&meter].supplies.iter().filter(|of| {
                of.agreement != number
                    && window.from <= of.window.from
                    && of.window.from < window.to
                    && of.window.from <= self.now
            });
            let covers = |of: &&Supply| {
                utilidor_program::subscription::covers(&self.agreements[of.agreement].terms, &agreement.terms)
            };
            let follower = others.filter(covers).map(|of| self.agreements[of.agreement].id).next();
            facts.follower = facts.follower.or(follower);
        }
        let case = Case { agreement: agreement.id, terms: &agreement.terms, state: &state, facts: &facts };
        self.steps += 1;
        let step = utilidor_program::act(event, case).map_err(refused)?;
        let again = utilidor_program::act(event, case).map_err(refused)?;
        assert_eq!(step, again, "a step follows from its case alone");

        assert!(step.effects.len() <= MAX_EFFECTS);
        step.apply_to(&mut self.agreements[number].state).unwrap();
        let state = &self.agreements[number].state;
        assert!(state.head.len() <= MAX_HEAD_BYTES && state.slots.values().all(|slot| slot.len() <= MAX_SLOT_BYTES));
        self.running = true;
        let done = step.effects.into_iter().try_for_each(|effect| self.carry_out(number, effect));
        self.running = false;
        done?;
        let agreement = &mut self.agreements[number];
        if agreement.status != Status::Active {
            assert_eq!(agreement.pot, Money::ZERO, "nothing is left in the pot after the end");
        }
        let debt = agreement.debt;
        agreement.statements.iter_mut().filter(|issued| issued.debt == Money(u64::MAX)).for_each(|of| of.debt = debt);
        Ok(())
    }

    fn available(&self, number: usize) -> Money {
        let agreement = &self.agreements[number];
        let Program::Subscription(terms) = &agreement.terms.program else { unreachable!("all are subscriptions") };
        let renewed = self.now.0 - agreement.drawn_since.0 >= ALLOWANCE_PERIOD_MS;
        let left = if renewed { terms.allowance } else { terms.allowance.saturating_sub(agreement.drawn) };
        left.min(self.free_of(number))
    }

    fn take(&mut self, account: AccountId, amount: Money) -> Result<(), Refusal> {
        let free = self.free.get_mut(&account).unwrap();
        *free = free.checked_sub(amount).ok_or(Refusal::InsufficientFunds { account, needed: amount })?;
        Ok(())
    }

    fn give(&mut self, account: AccountId, amount: Money) {
        let free = self.free.get_mut(&account).unwrap();
        *free = free.checked_add(amount).unwrap();
    }

    fn carry_out(&mut self, number: usize, effect: Effect) -> Result<(), Refusal> {
        let user = self.user(number);
        let agreement = &mut self.agreements[number];
        match effect {
            Effect::Move(Movement::Reserve { party: Party::USER, purpose: Purpose::Prepayment }, amount) => {
                agreement.pot = Money(agreement.pot.0.saturating_add(amount.0));
                self.take(user, amount)?;
            }
            Effect::Move(Movement::Release { party: Party::USER, purpose: Purpose::Prepayment }, amount) => {
                agreement.pot = agreement.pot.checked_sub(amount).expect("a pot gives what it holds");
                self.give(user, amount);
            }
            Effect::Move(Movement::Pay { from: Party::USER, source, to: Party::OWNER }, amount) => {
                match source {
                    Source::Pot(Purpose::Prepayment) => {
                        agreement.pot = agreement.pot.checked_sub(amount).expect("a pot pays what it holds");
                    }
                    Source::Allowance => {
                        if self.now.0 - agreement.drawn_since.0 >= ALLOWANCE_PERIOD_MS {
                            (agreement.drawn, agreement.drawn_since) = (Money::ZERO, self.now);
                        }
                        agreement.drawn = agreement.drawn.checked_add(amount).unwrap();
                        self.take(user, amount).expect("an allowance is never more than the free balance");
                    }
                    source => panic!("no program can pay from {source:?}"),
                }
                self.give(OWNER, amount);
            }
            Effect::Owe(amount) => {
                agreement.debt = agreement.debt.checked_add(amount).ok_or(Refusal::ProgramFault { code: 1 })?;
            }
            Effect::PayDebt(amount) => {
                agreement.pot = agreement.pot.checked_sub(amount).expect("a pot pays what it holds");
                agreement.debt = agreement.debt.checked_sub(amount).expect("no more is paid than is owed");
                self.give(OWNER, amount);
            }
            Effect::LowerDebt(amount) => {
                agreement.debt = agreement.debt.checked_sub(amount).expect("no more is given back than is owed");
            }
            Effect::Schedule(at) => {
                assert!(at > self.now);
                agreement.scheduled = Some(at);
            }
            Effect::Issue(draft) => {
                check_sums(&draft);
                agreement.statements.push(Issued { at: self.now, draft, debt: Money(u64::MAX) });
            }
            Effect::Notify(notice) => agreement.notices.push((self.now, notice)),
            Effect::Finish(status) => agreement.status = status,
            Effect::Bind(binding) => {
                let Sum::Rest { tariff, offset_minutes: OFFSET } = binding.sum else { panic!("a supply") };
                let meter = self.meters.get_mut(&binding.meter).unwrap();
                let overlaps = |of: &Supply| of.window.from < binding.window.to && binding.window.from < of.window.to;
                if let Some(other) = meter.supplies.iter().find(|of| overlaps(of)) {
                    let subscription = AgreementId([other.agreement as u8; 16]);
                    return Err(Refusal::MeterSubscribed { meter: binding.meter, subscription });
                }
                assert!(binding.window.from >= meter.last);
                if binding.window.from == meter.at && meter.base < meter.at {
                    self.close(binding.meter);
                }
                let (window, number, agreement) = (binding.window, binding.number, number);
                let supply = Supply { agreement, number, window, tariff, mark: None, level: None };
                self.meters.get_mut(&binding.meter).unwrap().supplies.push(supply);
            }
            Effect::EndBinding { binding, meter, at } => {
                let id = meter;
                let meter = self.meters.get_mut(&id).unwrap();
                assert!(at >= meter.base, "an end before what was told");
                let (base, last) = (meter.base, meter.at);
                let at = if at > base { at.max(last) } else { at };
                let of = meter.supplies.iter_mut().find(|of| (of.agreement, of.number) == (number, binding));
                let of = of.expect("the binding is there");
                of.window.to = of.window.to.min(at).max(of.window.from);
                meter.supplies.retain(|of| of.window.to > base && !of.window.is_empty());
                if at == last && base < last {
                    self.close(id);
                }
            }
            Effect::Resume { binding, meter, until } => {
                let supplies = &self.meters[&meter].supplies;
                let is_it = |of: &Supply| (of.agreement, of.number) == (number, binding);
                let place = supplies.iter().position(is_it).expect("the binding is there");
                let added = Window { from: supplies[place].window.to, to: until };
                assert!(!added.is_empty() && added.from > self.now, "it goes on");
                let overlaps = |of: &Supply| of.window.from < added.to && added.from < of.window.to;
                if let Some(other) = supplies.iter().find(|of| overlaps(of)) {
                    let subscription = AgreementId([other.agreement as u8; 16]);
                    return Err(Refusal::MeterSubscribed { meter, subscription });
                }
                self.meters.get_mut(&meter).unwrap().supplies[place].window.to = until;
            }
            Effect::Mark { binding, meter, at } => {
                let id = meter;
                let meter = self.meters.get_mut(&id).unwrap();
                assert!(at.is_none_or(|at| at >= meter.base), "a mark before what was told");
                let (base, last) = (meter.base, meter.at);
                let of = meter.supplies.iter_mut().find(|of| (of.agreement, of.number) == (number, binding));
                let at = at.map(|at| if at > base || last > base { at.max(last) } else { at });
                let Some(of) = of else { panic!("no binding {binding} to mark at {at:?}, it is {:?}", self.now) };
                of.mark = at;
                if at == Some(last) && base < last {
                    self.close(id);
                }
            }
            Effect::Level { binding, meter, at } => {
                let meter = self.meters.get_mut(&meter).unwrap();
                let of = meter.supplies.iter_mut().find(|of| (of.agreement, of.number) == (number, binding));
                of.expect("the binding is there").level = at;
            }
            other => panic!("a subscription does not ask for {other:?}"),
        }
        Ok(())
    }
}

/// What is due by the lines, less what they give back, is paid or not paid.
fn check_sums(draft: &Draft) {
    let sum = |of: fn(&StatementLine) -> Money| draft.lines.iter().map(|line| u128::from(of(line).0)).sum::<u128>();
    let due = sum(StatementLine::due);
    let back = sum(|line| match line {
        StatementLine::Credit { amount, .. } => *amount,
        _ => Money::ZERO,
    });
    let paid = u128::from(draft.paid.0) + u128::from(draft.unpaid.0);
    match draft.closing {
        Closing::Period => assert_eq!(due.checked_sub(back), Some(paid), "{draft:#?}"),
        // A credit at the end can be more than there is to lower at its rate of tax.
        Closing::End | Closing::Supplement => assert!(due.saturating_sub(back) >= paid || back > due, "{draft:#?}"),
    }
}

impl Issued {
    /// All that flowed, by the statement's usage lines.
    pub fn used(&self) -> Quantity {
        self.used_in(|_| true)
    }

    pub fn used_in(&self, wanted: impl Fn(Window) -> bool) -> Quantity {
        let used = self.draft.lines.iter().map(|line| match line {
            StatementLine::Usage { period, quantity, .. } if wanted(*period) => quantity.0,
            _ => 0,
        });
        Quantity(used.sum())
    }

    pub fn used_in_band(&self, wanted: Band) -> Quantity {
        let used = self.draft.lines.iter().map(|line| match line {
            StatementLine::Usage { band, quantity, .. } if *band == wanted => quantity.0,
            _ => 0,
        });
        Quantity(used.sum())
    }

    /// Its lines without usage.
    pub fn charges(&self) -> Vec<&StatementLine> {
        self.draft.lines.iter().filter(|line| !matches!(line, StatementLine::Usage { .. })).collect()
    }

    pub fn paid(&self) -> Money {
        self.draft.paid
    }
}

impl Agreement {
    pub fn last(&self) -> &Issued {
        self.statements.last().expect("a statement")
    }

    /// What all statements have charged.
    pub fn charged(&self) -> Money {
        let of = |issued: &Issued| Money(issued.draft.paid.0 + issued.draft.unpaid.0);
        self.statements.iter().map(of).sum()
    }
}
