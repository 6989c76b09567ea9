//! Minimums: what the net charges of a period come to at least. What comes late for a period is set off against the minimum
//! that it was charged, and what a correction takes back of it raises the minimum again: it comes to the same as in time.

use super::account::Account;
use super::bill::Bill;
use super::frame::Frame;
use super::head::Head;
use super::rate::Rates;
use super::statement;
use super::usage::Pays;
use crate::contract::{BAD_STATE, Facts, Fault, OVERFLOW};
use crate::exact::add;
use borsh::{BorshDeserialize, BorshSerialize};
use utilidor_types::package::{Charge, ChargeRule, PackageTerms, UnitPrice, local_day};
use utilidor_types::statement::StatementLine;
use utilidor_types::{Bands, Bounded, Carrier, Money, Price, PriceUnit, Timestamp, Window};

/// Most minimums of periods with a statement that a subscription remembers: six months' of one, fewer of several.
pub(super) const MAX_MINIMUMS: usize = 6;

/// A minimum of a period that has its statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Minimum {
    /// The period.
    pub period: Window,
    /// The number of the version.
    pub version: u8,
    /// Which of the version's charges.
    pub charge: u8,
    /// What the period's other charges have come to.
    pub others: Money,
    /// What is charged of the minimum.
    pub charged: Money,
}

/// Minimums that what comes late can still change, by rising time.
pub(super) type Minimums = Bounded<Minimum, MAX_MINIMUMS>;

/// What corrections take back and no statement has shown: when its period begins, and how much.
pub(super) fn taken_back(account: &Account, frame: &Frame<'_>) -> Result<Vec<(Timestamp, Money)>, Fault> {
    let mut taken = Vec::new();
    for group in account.groups.iter().filter(|group| group.pays == Pays::Credit(None)) {
        taken.push((group.period.from, statement::credit_net(group, frame)?));
    }
    Ok(taken)
}

/// A minimum's part for the days of a period.
pub(super) fn share_half_even(head: &Head, per_month: Money, period: Window) -> Result<Money, Fault> {
    let begin = head.month_begin(period.from, 0).unwrap_or(period.from);
    let days = |from, to| local_day(to, head.offset_minutes) - local_day(from, head.offset_minutes);
    // Both windows lie in the ledger's calendar, and the month is not empty.
    let part = days(period.from, period.to).max(0) as u64;
    let all = days(begin, head.month_end(period.from)).max(1) as u64;
    per_month.share_half_even(part.min(all), all).ok_or(OVERFLOW)
}

/// Charges the minimums of a period that gets its statement.
pub(super) fn charge(
    head: &Head,
    facts: &Facts,
    (period, version, terms): (Window, u8, &PackageTerms),
    taken_back: &[(Timestamp, Money)],
    minimums: &mut Minimums,
    bill: &mut Bill,
) -> Result<(), Fault> {
    let others = others(head, bill, period)?.saturating_sub(taken_from(head, taken_back, period)?);
    let (mut sum, mut charged) = (others, Vec::new());
    for (number, charge) in (0u8..).zip(&terms.charges) {
        let ChargeRule::Minimum { per_month } = charge.rule else { continue };
        let least = share_half_even(head, per_month, period)?;
        let amount = least.saturating_sub(sum);
        owe(charge, period, least, amount, bill)?;
        sum = add(sum, amount)?;
        charged.push(Minimum { period, version, charge: number, others, charged: amount });
    }
    // Each counts those before it: the first ones can be remembered without the others.
    charged.truncate(MAX_MINIMUMS);
    make_room(head, facts, charged.len(), minimums)?;
    charged.into_iter().try_for_each(|minimum| minimums.push(minimum).map_err(|_| BAD_STATE))
}

/// Makes room for so many: what the oldest period was charged stands, unless something of it has still to go back.
fn make_room(head: &Head, facts: &Facts, more: usize, minimums: &mut Minimums) -> Result<(), Fault> {
    while minimums.len() + more > MAX_MINIMUMS {
        let all = wanted(head, facts, minimums)?;
        let waits = minimums.iter().zip(all).filter(|(minimum, wanted)| minimum.charged > wanted.amount);
        let waits: Vec<Window> = waits.map(|(minimum, _)| minimum.period).collect();
        let is_settled = |minimum: &&Minimum| !waits.contains(&minimum.period);
        let given_up = minimums.iter().find(is_settled).or(minimums.first()).map(|minimum| minimum.period);
        minimums.retain(|minimum| Some(minimum.period) != given_up);
    }
    Ok(())
}

/// Charges what is missing.
fn owe(charge: &Charge, period: Window, least: Money, amount: Money, bill: &mut Bill) -> Result<(), Fault> {
    if amount == Money::ZERO {
        return Ok(());
    }
    let (name, charged) = (charge.name.clone(), least.saturating_sub(amount));
    bill.lines.push(StatementLine::Minimum { name, period, least, charged, amount });
    bill.owed(charge.vat_permille, amount)
}

/// Whether what begins at `from` counts for a period's minimum. Days do, as minimums are charged for them: a floor area is charged from the
/// midnight on of the day on which the period begins.
fn counts_for(head: &Head, period: Window, from: Timestamp) -> bool {
    let day = |time| local_day(time, head.offset_minutes);
    (day(period.from)..day(period.to)).contains(&day(from))
}

/// The period's net charges on a bill, without minimums.
fn others(head: &Head, bill: &Bill, period: Window) -> Result<Money, Fault> {
    let counts = |line: &&StatementLine| {
        !matches!(line, StatementLine::Refund { .. } | StatementLine::Tax { .. } | StatementLine::Minimum { .. })
            && line.period().is_some_and(|of| counts_for(head, period, of.from))
    };
    bill.lines.iter().filter(counts).try_fold(Money::ZERO, |sum, line| add(sum, line.due()))
}

fn taken_from(head: &Head, taken_back: &[(Timestamp, Money)], period: Window) -> Result<Money, Fault> {
    let mut of = taken_back.iter().filter(|(from, _)| counts_for(head, period, *from));
    of.try_fold(Money::ZERO, |sum, (_, money)| add(sum, *money))
}

/// Counts what a bill has for periods that have their statement; what is missing from a minimum again is charged.
pub(super) fn count_late(
    head: &Head,
    facts: &Facts,
    taken_back: &[(Timestamp, Money)],
    minimums: &mut Minimums,
    bill: &mut Bill,
) -> Result<(), Fault> {
    let mut late = Vec::new();
    for minimum in minimums.iter() {
        late.push((others(head, bill, minimum.period)?, taken_from(head, taken_back, minimum.period)?));
    }
    for (minimum, (more, less)) in minimums.as_mut_slice().iter_mut().zip(late) {
        minimum.others = add(minimum.others, more)?.saturating_sub(less);
    }
    for (place, Wanted { charge, least, amount }) in wanted(head, facts, minimums)?.into_iter().enumerate() {
        let minimum = &mut minimums.as_mut_slice()[place];
        owe(charge, minimum.period, least, amount.saturating_sub(minimum.charged), bill)?;
        minimum.charged = minimum.charged.max(amount);
    }
    Ok(())
}

/// Gives back what is charged of minimums beyond what they come to, as far as the bill has something to lower at their rates
/// of tax; the rest waits. In a last statement or a supplement it lowers what is due at other rates too, and the debt: once
/// all else has gone back.
pub(super) fn give_back(
    head: &Head,
    facts: &Facts,
    goes_beyond: bool,
    minimums: &mut Minimums,
    bill: &mut Bill,
) -> Result<(), Fault> {
    for (place, Wanted { charge, amount, .. }) in wanted(head, facts, minimums)?.into_iter().enumerate() {
        let minimum = &mut minimums.as_mut_slice()[place];
        let left = minimum.charged.saturating_sub(amount);
        let amount = match goes_beyond {
            false => bill.credit(charge.vat_permille, left)?,
            true => bill.credit_beyond(charge.vat_permille, left, facts.debt)?,
        };
        if amount > Money::ZERO {
            minimum.charged = minimum.charged.saturating_sub(amount);
            let line = credit(minimum.period, amount, head, facts, bill).ok_or(BAD_STATE)?;
            bill.lines.push(line);
        }
    }
    Ok(())
}

/// What a minimum should come to.
struct Wanted<'a> {
    charge: &'a Charge,
    least: Money,
    amount: Money,
}

fn wanted<'a>(head: &Head, facts: &'a Facts, minimums: &Minimums) -> Result<Vec<Wanted<'a>>, Fault> {
    let (mut all, mut period, mut before) = (Vec::new(), None, Money::ZERO);
    for minimum in minimums.iter() {
        if period.replace(minimum.period) != Some(minimum.period) {
            before = Money::ZERO;
        }
        let charge = head.terms_of(facts, minimum.version)?.charges.get(usize::from(minimum.charge));
        let charge = charge.ok_or(BAD_STATE)?;
        let ChargeRule::Minimum { per_month } = charge.rule else { return Err(BAD_STATE) };
        let least = share_half_even(head, per_month, minimum.period)?;
        let amount = least.saturating_sub(add(minimum.others, before)?);
        before = add(before, amount)?;
        all.push(Wanted { charge, least, amount });
    }
    Ok(all)
}

/// A line of no energy, beside the price of what came late.
fn credit(period: Window, amount: Money, head: &Head, facts: &Facts, bill: &Bill) -> Option<StatementLine> {
    let late = bill.lines.iter().rev().find_map(|line| match line {
        StatementLine::Energy { carrier, period: of, price, .. } if counts_for(head, period, of.from) => {
            Some((*carrier, *price))
        }
        _ => None,
    });
    let (carrier, price) = late.or_else(|| any_price(head, facts))?;
    Some(StatementLine::Credit { carrier, period, price, bands: Bands::ZERO, amount })
}

/// The list price of the first service that has one: what went back and could not be given before has no line beside it.
/// Floor areas alone have no price of a unit.
fn any_price(head: &Head, facts: &Facts) -> Option<(Carrier, UnitPrice)> {
    let known = facts.tariffs.iter().filter(|(id, _)| head.tariff_ids(Some(id.carrier)).contains(id));
    let prices = known.map(|(id, option)| (id.carrier, Rates::of(option).map(|rates| rates.unit_price(0))));
    let (carrier, price) = prices.min_by_key(|(carrier, price)| (price.is_none(), *carrier as u8))?;
    let none = UnitPrice { price: Price { money: Money::ZERO, per: PriceUnit::of(carrier) }, discount_permille: 0 };
    Some((carrier, price.unwrap_or(none)))
}
