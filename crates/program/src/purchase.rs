//! The native program `purchase`: a volume in a window, settled after a grace time [M14].
//!
//! Per lot, with `contracted` the volume, both meters fill up to it over the window, in whatever order they report:
//!
//! * available = what the delivery meter filled, or all of it where no such meter is agreed;
//! * taken = what the user's meter filled, or all that is available where no such meter is agreed;
//! * time without readings counts by the substitute rule, and is flagged;
//! * delivered = the smaller of both; the user pays delivered x price, half to even, out of its guarantee and its allowance;
//! * what the owner did not make available, beyond the tolerance, forfeits its share of the owner's deposit;
//!   what the user did not take of what was available, beyond the tolerance, of the user's;
//! * all else is released, and what the user's meter filled beyond `delivered` goes back to its supply. A user that cannot
//!   pay loses what is left of its deposit, owes the rest, and is in default.
//!
//! Where nothing stands in for readings and a lot has none at all, nobody has failed: nothing is paid for it, no deposit is
//! forfeited, and the statement says so.

use crate::contract::{
    BAD_STATE, Binding, Case, Draft, Effect, Event, Facts, Fault, Notice, OVERFLOW, State, Step, Sum, Sums, UNEXPECTED,
    Volume, Wants,
};
use crate::native::Contract;
use utilidor_types::agreement::{
    Allowance, Fallback, HardEnd, MAX_WINDOW_HOURS, Metering, Party, PurchaseLot, PurchaseTerms, Status, Substitute,
};
use utilidor_types::event::{Movement, Purpose, Source};
use utilidor_types::money::Price;
use utilidor_types::statement::{Closing, StatementLine};
use utilidor_types::time::{DAY_MS, HOUR_MS, MAX_TIMESTAMP};
use utilidor_types::{AgreementTerms, Carrier, MeterId, Money, Quantity, Refusal, Timestamp, Window};

/// The whole, in thousandths.
const WHOLE_PERMILLE: u16 = 1_000;
/// A purchase that has not settled by itself ends so long after its time: 31 days.
const HARD_END_AFTER_MS: u64 = 31 * DAY_MS;
/// The operator of a meter can end a purchase whose delivery is at least so far ahead: nobody's word keeps a meter for years.
const PROMISED_MS: u64 = 31 * DAY_MS;
/// What the state is once the operator of a meter has wanted an end that is nearer: no amendment makes it later.
const WANTED: [u8; 1] = [1];
/// Both sides are warned so long before a purchase settles without readings.
const WARNING_MS: u64 = HOUR_MS / 2;

/// What offers and purchases have in common. Order: lots, then for each its quantity, carrier and price unit;
/// window; rates; grace time.
pub fn check_delivery(
    lots: impl Iterator<Item = (Carrier, Quantity, Price)>,
    window: Window,
    rates_permille: [u16; 3],
    grace_ms: u32,
) -> Result<(), Refusal> {
    // A bit for each carrier that a lot has.
    let mut seen = 0u8;
    for (carrier, quantity, price) in lots {
        if quantity == Quantity::ZERO {
            return Err(Refusal::ZeroQuantity { carrier });
        }
        let bit = 1 << carrier as u8;
        if seen & bit != 0 {
            return Err(Refusal::DuplicateCarrier { carrier });
        }
        seen |= bit;
        if !price.per.fits(carrier) {
            return Err(Refusal::PriceUnit { carrier });
        }
    }
    if seen == 0 {
        return Err(Refusal::NoLots);
    }
    check_sold(window)?;
    if let Some(permille) = rates_permille.into_iter().find(|rate| *rate > WHOLE_PERMILLE) {
        return Err(Refusal::RateTooHigh { permille, max: WHOLE_PERMILLE });
    }
    let settles = window.to.checked_add_ms(grace_ms.into());
    settles.and_then(|at| at.checked_add_ms(HARD_END_AFTER_MS)).ok_or(Refusal::Overflow)?;
    Ok(())
}

/// What is sold is sold by the hour, a month at a time.
pub(crate) fn check_sold(window: Window) -> Result<(), Refusal> {
    if window.is_empty() || !window.from.0.is_multiple_of(HOUR_MS) || !window.to.0.is_multiple_of(HOUR_MS) {
        return Err(Refusal::WindowNotWholeHours { from: window.from, to: window.to });
    }
    let hours = window.ms() / HOUR_MS;
    if hours > MAX_WINDOW_HOURS {
        return Err(Refusal::WindowTooLong { hours, max: MAX_WINDOW_HOURS });
    }
    Ok(())
}

/// A lot's volume times its price, half to even.
fn lot_value(lot: &PurchaseLot) -> Result<Money, Refusal> {
    lot.price.amount_half_even(lot.quantity).ok_or(Refusal::Overflow)
}

/// A lot's share of each side's deposit.
fn lot_deposit(terms: &PurchaseTerms, lot: &PurchaseLot) -> Result<Money, Refusal> {
    lot_value(lot)?.share_half_even(terms.deposit_permille.into(), WHOLE_PERMILLE.into()).ok_or(Refusal::Overflow)
}

fn sum_of_lots(terms: &PurchaseTerms, of: impl Fn(&PurchaseLot) -> Result<Money, Refusal>) -> Result<Money, Refusal> {
    terms.lots.iter().try_fold(Money::ZERO, |sum, lot| sum.checked_add(of(lot)?).ok_or(Refusal::Overflow))
}

/// Volume times price over all lots.
pub fn value(terms: &PurchaseTerms) -> Result<Money, Refusal> {
    sum_of_lots(terms, lot_value)
}

/// Each side's deposit.
pub fn deposit(terms: &PurchaseTerms) -> Result<Money, Refusal> {
    sum_of_lots(terms, |lot| lot_deposit(terms, lot))
}

/// What the user reserves to show that it can pay.
pub fn guarantee(terms: &PurchaseTerms) -> Result<Money, Refusal> {
    value(terms)?.share_half_even(terms.guarantee_permille.into(), WHOLE_PERMILLE.into()).ok_or(Refusal::Overflow)
}

/// The number of a lot's binding on one side.
const fn number(lot: usize, party: Party) -> u8 {
    2 * lot as u8 + party.0
}

/// The bindings of a purchase: for each lot the owner's meter and the user's, as far as they are agreed.
fn bindings(terms: &PurchaseTerms) -> impl Iterator<Item = Binding> {
    terms.lots.iter().enumerate().flat_map(move |(place, lot)| {
        let sides = [(Party::OWNER, lot.metering.delivery), (Party::USER, lot.metering.take)];
        sides.into_iter().filter_map(move |(party, meter)| {
            let (carrier, window, sum) = (lot.carrier, terms.window, Sum::Fill(lot.quantity));
            Some(Binding { number: number(place, party), meter: meter?, carrier, party, window, sum })
        })
    })
}

fn sales(terms: &PurchaseTerms) -> impl Iterator<Item = Volume> {
    terms.lots.iter().map(|lot| Volume { carrier: lot.carrier, quantity: lot.quantity })
}

/// Opens or, after an amendment, opens again: takes its places and reserves.
fn open(terms: &PurchaseTerms, now: Timestamp) -> Result<Vec<Effect>, Fault> {
    if now >= terms.window.from {
        return Err(Refusal::DeliveryBegun { from: terms.window.from, now }.into());
    }
    let (deposit, guarantee) = (deposit(terms)?, guarantee(terms)?);
    let reserve = |party, purpose, amount| Effect::Move(Movement::Reserve { party, purpose }, amount);
    let mut effects: Vec<Effect> = bindings(terms).map(Effect::Bind).collect();
    effects.extend(sales(terms).map(|volume| Effect::Sell(volume, terms.window)));
    effects.extend([
        reserve(Party::OWNER, Purpose::Deposit, deposit),
        reserve(Party::USER, Purpose::Deposit, deposit),
        reserve(Party::USER, Purpose::Guarantee, guarantee),
        Effect::Schedule(warns_at(terms)?),
    ]);
    Ok(effects)
}

fn settles_at(terms: &PurchaseTerms) -> Result<Timestamp, Fault> {
    terms.settles_at().ok_or(OVERFLOW)
}

/// When it looks whether readings are missing: a while before it settles, once the window is over.
fn warns_at(terms: &PurchaseTerms) -> Result<Timestamp, Fault> {
    let settles = settles_at(terms)?;
    let early = Timestamp(settles.0.saturating_sub(WARNING_MS));
    Ok(if early > terms.window.to { early } else { settles })
}

/// Gives back everything that is held.
fn release_all(facts: &Facts) -> impl Iterator<Item = Effect> {
    facts
        .pots
        .iter()
        .map(|(party, purpose, pot)| Effect::Move(Movement::Release { party: *party, purpose: *purpose }, *pot))
}

/// What a lot comes to at its end.
struct Delivered {
    available: Quantity,
    taken: Quantity,
    delivered: Quantity,
    substituted: Quantity,
    /// Whether no meter has brought any reading of the window, and nothing stands in for them.
    silent: bool,
}

/// One side of a lot: what its meter filled, and what stands in for the readings that it did not bring.
#[derive(Clone, Copy)]
struct Measured {
    meter: MeterId,
    number: u8,
    filled: Quantity,
    substitute: Quantity,
    silent: bool,
}

/// How a purchase is worked out: at its time, or early by both sides' word, without substitutes and forfeits.
struct Settlement<'a> {
    terms: &'a PurchaseTerms,
    facts: &'a Facts,
    early: bool,
}

impl Settlement<'_> {
    fn measured(&self, place: usize, party: Party, meter: Option<MeterId>) -> Result<Option<Measured>, Fault> {
        let Some(meter) = meter else { return Ok(None) };
        let number = number(place, party);
        let Sums { bands, until, .. } = *self.facts.sums.iter().find(|sums| sums.binding == number).ok_or(BAD_STATE)?;
        let window = self.terms.window;
        let covered = until.clamp(window.from, window.to);
        let contracted = self.terms.lots.get(place).ok_or(BAD_STATE)?.quantity;
        let substitute = match self.terms.substitute {
            Substitute::ProRata if !self.early => contracted.share_floor(window.to.0 - covered.0, window.ms()),
            _ => Quantity::ZERO,
        };
        let filled = bands.total().ok_or(OVERFLOW)?;
        Ok(Some(Measured { meter, number, filled, substitute, silent: covered == window.from }))
    }

    fn delivered(&self, lot: &PurchaseLot, sides: [Option<Measured>; 2]) -> Result<Delivered, Fault> {
        let all = |side: Measured| -> Result<Quantity, Fault> {
            let sum = side.filled.checked_add(side.substitute).ok_or(OVERFLOW)?;
            Ok(sum.min(lot.quantity))
        };
        let [owner, user] = sides;
        let available = owner.map_or(Ok(lot.quantity), all)?;
        let taken = user.map_or(Ok(available), all)?;
        let delivered = available.min(taken);
        let proven = [owner, user].into_iter().flatten().map(|side| side.filled).min().unwrap_or(Quantity::ZERO);
        let nothing_stands_in = self.terms.substitute == Substitute::Nothing && !self.early;
        let silent = nothing_stands_in && sides.into_iter().flatten().all(|side| side.silent);
        Ok(Delivered { available, taken, delivered, substituted: delivered.saturating_sub(proven), silent })
    }
}

/// What all lots of a purchase come to.
#[derive(Default)]
struct Bill {
    lines: Vec<StatementLine>,
    meters: Vec<Effect>,
    due: Money,
    forfeits: [Money; 2],
    substituted: bool,
}

impl Bill {
    fn add_lot(&mut self, settlement: &Settlement<'_>, place: usize, lot: &PurchaseLot) -> Result<(), Fault> {
        let terms = settlement.terms;
        let sides = [
            settlement.measured(place, Party::OWNER, lot.metering.delivery)?,
            settlement.measured(place, Party::USER, lot.metering.take)?,
        ];
        let end = settlement.delivered(lot, sides)?;
        let (carrier, contracted, price) = (lot.carrier, lot.quantity, lot.price);
        let Delivered { available, taken, delivered, substituted, silent } = end;
        let amount = price.amount_half_even(delivered).ok_or(OVERFLOW)?;
        self.due = self.due.checked_add(amount).ok_or(OVERFLOW)?;
        self.substituted |= substituted > Quantity::ZERO;
        let delivery =
            StatementLine::Delivery { carrier, contracted, available, taken, delivered, substituted, price, amount };
        self.lines.push(delivery);
        for side in sides.into_iter().flatten() {
            // What is billed without a reading is billed no second time when the reading comes.
            let keep = side.filled.min(delivered);
            let absorb = delivered.saturating_sub(keep).min(side.substitute);
            self.meters.push(Effect::Settle { binding: side.number, meter: side.meter, keep, absorb });
        }
        if silent {
            let parties = [Party::OWNER, Party::USER].into_iter().zip(sides).filter(|(_, side)| side.is_some());
            self.lines.extend(parties.map(|(party, _)| StatementLine::NoReading { carrier, party }));
        }
        if silent || settlement.early {
            return Ok(());
        }
        let tolerated = contracted.share_floor(terms.tolerance_permille.into(), WHOLE_PERMILLE.into());
        let shortfalls =
            [(Party::OWNER, contracted.saturating_sub(available)), (Party::USER, available.saturating_sub(delivered))];
        for (by, shortfall) in shortfalls.into_iter().filter(|(_, shortfall)| *shortfall > tolerated) {
            let deposit = lot_deposit(terms, lot)?;
            let amount = deposit.share_half_even(shortfall.0, contracted.0).ok_or(OVERFLOW)?;
            let forfeits = &mut self.forfeits[usize::from(by.0)];
            *forfeits = forfeits.checked_add(amount).ok_or(OVERFLOW)?;
            self.lines.push(StatementLine::Forfeit { carrier, by, shortfall, contracted, deposit, amount });
        }
        Ok(())
    }
}

/// Settles: pays, forfeits, releases, and lets the meters go.
fn settle(terms: &PurchaseTerms, facts: &Facts, early: bool) -> Result<Vec<Effect>, Fault> {
    let settlement = Settlement { terms, facts, early };
    let mut bill = Bill::default();
    for (place, lot) in terms.lots.iter().enumerate() {
        bill.add_lot(&settlement, place, lot)?;
    }
    let (owner, user) = (Party::OWNER, Party::USER);
    let guarantee = facts.pot(user, Purpose::Guarantee);
    let from_guarantee = bill.due.min(guarantee);
    let from_allowance = bill.due.saturating_sub(from_guarantee).min(facts.available(user));
    let paid = from_guarantee.checked_add(from_allowance).ok_or(OVERFLOW)?;
    let unpaid = bill.due.saturating_sub(paid);
    let deposits = [facts.pot(owner, Purpose::Deposit), facts.pot(user, Purpose::Deposit)];
    let [owner_forfeits, user_forfeits] = [bill.forfeits[0].min(deposits[0]), bill.forfeits[1].min(deposits[1])];
    let default_forfeit = match unpaid > Money::ZERO {
        true => deposits[1].saturating_sub(user_forfeits),
        false => Money::ZERO,
    };
    if default_forfeit > Money::ZERO {
        bill.lines.push(StatementLine::DefaultForfeit { by: user, amount: default_forfeit });
    }
    let user_loses = user_forfeits.checked_add(default_forfeit).ok_or(OVERFLOW)?;

    let pay = |source, amount| Effect::Move(Movement::Pay { from: user, source, to: owner }, amount);
    let release = |party, purpose, amount| Effect::Move(Movement::Release { party, purpose }, amount);
    let mut effects = bill.meters;
    effects.extend([
        pay(Source::Pot(Purpose::Guarantee), from_guarantee),
        pay(Source::Allowance, from_allowance),
        Effect::Move(Movement::Forfeit { by: owner, to: user }, owner_forfeits),
        Effect::Move(Movement::Forfeit { by: user, to: owner }, user_loses),
        release(user, Purpose::Guarantee, guarantee.saturating_sub(from_guarantee)),
        release(owner, Purpose::Deposit, deposits[0].saturating_sub(owner_forfeits)),
        release(user, Purpose::Deposit, deposits[1].saturating_sub(user_loses)),
        Effect::Owe(unpaid),
        Effect::Issue(Draft {
            closing: Closing::End,
            period: terms.window,
            lines: bill.lines,
            substituted: bill.substituted,
            paid,
            unpaid,
        }),
        Effect::Finish(match (unpaid > Money::ZERO, early) {
            (true, _) => Status::Defaulted,
            (false, true) => Status::Terminated,
            (false, false) => Status::Settled,
        }),
    ]);
    Ok(effects)
}

/// The sums that settling needs, of meters that are read first.
fn meters(terms: &PurchaseTerms) -> Wants {
    let meters: Vec<(u8, MeterId)> = bindings(terms).map(|binding| (binding.number, binding.meter)).collect();
    Wants { read: meters.clone(), sums: meters, ..Wants::default() }
}

impl Contract for PurchaseTerms {
    /// Order: parties; as [`check_delivery`]; metering; the value.
    fn check(&self, terms: &AgreementTerms) -> Result<(), Refusal> {
        if terms.parties.len() != 2 {
            return Err(Refusal::BadParties);
        }
        check_delivery(
            self.lots.iter().map(|lot| (lot.carrier, lot.quantity, lot.price)),
            self.window,
            [self.deposit_permille, self.guarantee_permille, self.tolerance_permille],
            self.grace_ms,
        )?;
        if let Some(lot) = self.lots.iter().find(|lot| lot.metering == (Metering { delivery: None, take: None })) {
            return Err(Refusal::Unmetered { carrier: lot.carrier });
        }
        // A user in default can lose its deposit and its guarantee, so both together must be money.
        let most = [value(self)?, deposit(self)?, guarantee(self)?];
        most.into_iter().try_fold(Money::ZERO, Money::checked_add).ok_or(Refusal::Overflow)?;
        Ok(())
    }

    /// Only before the delivery begins, under both terms.
    fn check_amendment(&self, before: &AgreementTerms, now: Timestamp) -> Result<(), Refusal> {
        let utilidor_types::Program::Purchase(present) = &before.program else { return Err(Refusal::AmendmentKind) };
        let from = present.window.from.min(self.window.from);
        if now >= from { Err(Refusal::DeliveryBegun { from, now }) } else { Ok(()) }
    }

    /// The user's: the value less the guarantee.
    fn allowances(&self) -> Vec<Allowance> {
        let rest = value(self).and_then(|value| Ok(value.saturating_sub(guarantee(self)?)));
        vec![Allowance { party: Party::USER, cap: rest.unwrap_or(Money::ZERO), renews: false }]
    }

    fn hard_end(&self, _: Timestamp) -> HardEnd {
        let at = self.settles_at().and_then(|at| at.checked_add_ms(HARD_END_AFTER_MS)).unwrap_or(MAX_TIMESTAMP);
        HardEnd { at, fallback: Fallback::GiveBack }
    }

    fn volumes(&self) -> Vec<Volume> {
        sales(self).collect()
    }

    fn wants(&self, event: &Event, _: &State) -> Result<Wants, Fault> {
        Ok(match event {
            Event::Due | Event::Ending { agreed: true, .. } | Event::Ending { by: None, .. } => meters(self),
            _ => Wants::default(),
        })
    }

    fn act(&self, event: &Event, case: Case<'_>) -> Result<Step, Fault> {
        let facts = case.facts;
        let effects = match event {
            Event::Signed => open(self, facts.now)?,
            Event::Due if facts.now < settles_at(self)? => warn(self, facts)?,
            Event::Due => settle(self, facts, false)?,
            Event::Amended { before, .. } => amend(self, before, case)?,
            Event::Ending { agreed: true, .. } => end_early(self, facts)?,
            Event::Ending { by: None, .. } if facts.now.0.saturating_add(PROMISED_MS) <= self.window.from.0 => {
                end_early(self, facts)?
            }
            Event::Ending { by: None, .. } => return want_end(self, case.state),
            Event::Ending { .. } | Event::EndingWithdrawn { .. } => Vec::new(),
            Event::Prepaid { .. } | Event::Command { .. } => return Err(Refusal::WrongProgram.into()),
            Event::Segment { .. } | Event::Returned { .. } | Event::Level { .. } | Event::Corrected { .. } => {
                return Err(UNEXPECTED);
            }
        };
        Ok(Step { effects, ..Step::default() })
    }
}

/// Lets both sides know which meters have not brought the window's end.
fn warn(terms: &PurchaseTerms, facts: &Facts) -> Result<Vec<Effect>, Fault> {
    let at = settles_at(terms)?;
    let reached = |number| facts.sums.iter().any(|sums| sums.binding == number && sums.until >= terms.window.to);
    let missing = bindings(terms).filter(|binding| !reached(binding.number));
    let notices = missing.map(|binding| Effect::Notify(Notice::ReadingsMissing { meter: binding.meter, at }));
    Ok(notices.chain([Effect::Schedule(at)]).collect())
}

/// The operator of a meter wants an end, and the delivery is near: it is waited for, and no amendment makes that longer.
fn want_end(terms: &PurchaseTerms, state: &State) -> Result<Step, Fault> {
    let at = settles_at(terms)?;
    if !state.head.is_empty() {
        return Err(Refusal::AlreadyEnding { at }.into());
    }
    let effects = vec![Effect::Notify(Notice::EndingStands(at))];
    Ok(Step { head: Some(WANTED.to_vec()), effects, ..Step::default() })
}

/// Everything that is held goes back, and the purchase opens anew under the amended terms. Order: whether the delivery has begun;
/// whether it ends later than a meter's operator wants.
fn amend(terms: &PurchaseTerms, before: &AgreementTerms, case: Case<'_>) -> Result<Vec<Effect>, Fault> {
    let utilidor_types::Program::Purchase(present) = &before.program else { return Err(UNEXPECTED) };
    let facts = case.facts;
    if facts.now >= present.window.from {
        return Err(Refusal::DeliveryBegun { from: present.window.from, now: facts.now }.into());
    }
    let at = settles_at(present)?;
    if !case.state.head.is_empty() && settles_at(terms)? > at {
        return Err(Refusal::AlreadyEnding { at }.into());
    }
    let mut effects: Vec<Effect> = let_go(present).collect();
    effects.extend(sales(present).map(|volume| Effect::Unsell(volume, present.window)));
    effects.extend(release_all(facts));
    effects.extend(open(terms, facts.now)?);
    Ok(effects)
}

fn let_go(terms: &PurchaseTerms) -> impl Iterator<Item = Effect> {
    bindings(terms).map(|Binding { number, meter, .. }| Effect::Settle {
        binding: number,
        meter,
        keep: Quantity::ZERO,
        absorb: Quantity::ZERO,
    })
}

/// Both sides end it early: what was delivered so far is paid, nobody forfeits anything, nothing is substituted.
fn end_early(terms: &PurchaseTerms, facts: &Facts) -> Result<Vec<Effect>, Fault> {
    let unsold = sales(terms).map(|volume| Effect::Unsell(volume, terms.window));
    let mut effects: Vec<Effect> = unsold.filter(|_| facts.now < terms.window.from).collect();
    effects.extend(settle(terms, facts, true)?);
    Ok(effects)
}
