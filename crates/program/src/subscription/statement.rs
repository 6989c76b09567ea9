//! Statements of a subscription: the month's, the final one, and supplements for what comes after the end.
//!
//! A statement charges what its stretches have come to, and closes them: what comes later for its period is a line of the
//! next one. Prepaid parts have their price with tax, and are split; all else is net, and taxed per rate and statement.

use super::account::{Account, Position};
use super::area;
use super::bill::{Bill, Totals, bound_lines};
use super::charge;
use super::frame::Frame;
use super::head::Head;
use super::minimum::{self, Minimums};
use super::rate::{Rates, total};
use super::tranche::{Stage, Tranche};
use super::usage::{Group, Pays};
use crate::contract::{BAD_STATE, Draft, Effect, Facts, Fault, Notice, OVERFLOW};
use crate::exact::add;
use std::collections::BTreeMap;
use utilidor_types::agreement::Status;
use utilidor_types::statement::{Closing, StatementLine};
use utilidor_types::{Band, Bounded, Carrier, Money, Party, Price, Quantity, Timestamp, Window};

/// Closes all accounts at `ends` and makes the statement.
pub(super) fn make(
    head: &mut Head,
    accounts: &mut BTreeMap<Carrier, Account>,
    facts: &Facts,
    ends: Timestamp,
    closing: Closing,
    effects: &mut Vec<Effect>,
) -> Result<(), Fault> {
    let mut bill = Bill::default();
    let days_end = head.days_end(ends, closing, facts.follower);
    effects.extend(missing(head, accounts, facts, ends));
    for (carrier, account) in accounts.iter_mut() {
        let mut frame = Frame::new(head, facts, *carrier);
        account.close_until(&mut frame, ends)?;
        effects.extend(std::mem::take(&mut frame.notices).into_iter().map(Effect::Notify));
        usage(account, &frame, (closing == Closing::Period).then_some(ends), &mut bill)?;
        if area::tariff(frame.option(account.epoch_at(ends)?.tariff)?).is_some() {
            area::charge(account, &frame, days_end, &mut bill)?;
        }
        refund(account, &frame, ends, closing, &mut bill)?;
    }
    let mut minimums = head.minimums.clone();
    charge::charge(head, facts, accounts, days_end, &mut minimums, &mut bill)?;
    let shared: &Head = head;
    let credited = accounts.iter_mut().map(|(carrier, account)| (Frame::new(shared, facts, *carrier), account));
    credit(credited.collect(), closing, ends, facts.debt, &mut bill)?;
    if closing != Closing::Period {
        minimum::give_back(shared, facts, true, &mut minimums, &mut bill)?;
    }
    head.minimums = minimums;
    let owes = issue(bill, head.period(ends), closing, facts, effects)?;

    head.period_from = head.period_from.max(ends);
    let used: Vec<_> =
        accounts.iter().flat_map(|(of, account)| account.tariffs().map(|tariff| (*of, tariff))).collect();
    head.forget(&used);
    if closing == Closing::End {
        head.finished = true;
        effects.push(Effect::Finish(if owes { Status::Defaulted } else { Status::Terminated }));
    }
    Ok(())
}

/// Lets both sides know which meters' readings do not reach the end of what is billed: what they bring later is a correction.
fn missing<'a>(
    head: &'a Head,
    accounts: &'a BTreeMap<Carrier, Account>,
    facts: &Facts,
    ends: Timestamp,
) -> impl Iterator<Item = Effect> + 'a {
    let at = facts.now;
    let positions = accounts.values().flat_map(|account| account.meters.iter());
    let until = move |of: &Position| of.until(head.end()).map_or(ends, |until| until.min(ends));
    let behind = positions.filter(move |of| of.from < ends && of.at < until(of));
    let meters = behind.filter_map(|position| head.supply(position.binding).map(|supply| supply.meter));
    meters.map(move |meter| Effect::Notify(Notice::ReadingsMissing { meter, at }))
}

/// What has come for a service after the final statement: usage, a higher demand, corrections, and minimums with them.
pub(super) fn supplement(
    account: &mut Account,
    frame: &Frame<'_>,
    minimums: &mut Minimums,
    effects: &mut Vec<Effect>,
) -> Result<(), Fault> {
    let (head, facts) = (frame.head, frame.facts);
    let used = account.groups.iter().map(|group| group.period.from).min();
    let ends = head.end().unwrap_or(facts.now);
    let mut bill = Bill::default();
    let taken_back = minimum::taken_back(account, frame)?;
    usage(account, frame, None, &mut bill)?;
    charge::demands(head, facts, &mut [(frame.carrier, &mut *account)], ends, &mut bill)?;
    let charged = bill.lines.iter().filter_map(|line| line.period().map(|period| period.from));
    let Some(from) = charged.chain(used).min() else { return Ok(()) };
    minimum::count_late(head, facts, &taken_back, minimums, &mut bill)?;
    minimum::give_back(head, facts, false, minimums, &mut bill)?;
    let credited = vec![(Frame::new(head, facts, frame.carrier), account)];
    credit(credited, Closing::Supplement, ends, facts.debt, &mut bill)?;
    minimum::give_back(head, facts, true, minimums, &mut bill)?;
    if bill.is_empty() {
        return Ok(());
    }
    issue(bill, Window { from, to: ends.max(from) }, Closing::Supplement, facts, effects)?;
    Ok(())
}

/// Says how a bill is paid, and issues it; whether anything is owed after it.
fn issue(
    mut bill: Bill,
    period: Window,
    closing: Closing,
    facts: &Facts,
    effects: &mut Vec<Effect>,
) -> Result<bool, Fault> {
    // At the end what goes back pays earlier statements' debt first.
    let debt = if closing == Closing::Period { Money::ZERO } else { facts.debt };
    let totals = bill.pay(facts.available(Party::USER), debt, effects)?;
    bound_lines(&mut bill.lines)?;
    let Totals { paid, unpaid, debt_paid, debt_lowered } = totals;
    effects.push(Effect::Issue(Draft { closing, period, lines: bill.lines, substituted: false, paid, unpaid }));
    Ok(unpaid > Money::ZERO || facts.debt > add(debt_paid, debt_lowered)?)
}

/// Moves the service's usage of periods that began before `until`, or all of it, to the bill. Credits stay.
fn usage(account: &mut Account, frame: &Frame<'_>, until: Option<Timestamp>, bill: &mut Bill) -> Result<(), Fault> {
    let is_due = |group: &Group| until.is_none_or(|until| group.period.from < until);
    let (mut due, kept): (Vec<Group>, Vec<Group>) =
        account.groups.iter().partition(|group| is_due(group) && !matches!(group.pays, Pays::Credit(_)));
    account.groups = Bounded::new(kept).map_err(|_| BAD_STATE)?;
    for group in &mut due {
        let end = [until, frame.head.end()].into_iter().flatten().min().unwrap_or(group.period.to);
        group.period.to = group.period.to.min(end.max(group.period.from));
    }
    due.sort_by_key(|group| (group.period.from, group.period.to, group.priced.tranche == 0, group.priced.tranche));
    let mut lines = Lines::of(frame.carrier);
    for group in &due {
        let rates = frame.rates(group.priced.tariff)?;
        lines.usage(group, rates.as_ref())?;
        let Some(rates) = rates else { continue };
        lines.charge(group, &rates, bill)?;
    }
    lines.add_to(bill);
    Ok(())
}

/// Lines of a service's usage.
struct Lines {
    carrier: Carrier,
    /// By period, band and factor.
    used: BTreeMap<(Timestamp, Timestamp, Band, u16), Quantity>,
    energy: Vec<StatementLine>,
    /// By period and price.
    levies: BTreeMap<(Timestamp, Timestamp, Price), (Quantity, Money)>,
}

impl Lines {
    fn of(carrier: Carrier) -> Self {
        Self { carrier, used: BTreeMap::new(), energy: Vec::new(), levies: BTreeMap::new() }
    }

    fn usage(&mut self, group: &Group, rates: Option<&Rates>) -> Result<(), Fault> {
        for (band, quantity) in group.bands.iter() {
            let factor = rates.map_or(0, |rates| rates.factors_permille[band as usize]);
            let used = self.used.entry((group.period.from, group.period.to, band, factor)).or_default();
            *used = used.checked_add(quantity).ok_or(OVERFLOW)?;
        }
        Ok(())
    }

    fn charge(&mut self, group: &Group, rates: &Rates, bill: &mut Bill) -> Result<(), Fault> {
        let discount_permille = group.priced.discount_permille;
        let quantity = total(&group.bands)?;
        let levy = rates.levy_half_even(quantity)?;
        let (energy, levy) = match group.pays {
            Pays::Prepaid(gross) => {
                let net = bill.prepaid(rates.vat_permille, gross)?;
                let levy = levy.min(net);
                (net.saturating_sub(levy), levy)
            }
            Pays::Owed(covered) => {
                let energy = rates.energy_half_even(discount_permille, &group.bands)?;
                bill.owed(rates.vat_permille, add(energy, levy)?)?;
                bill.covered(covered)?;
                (energy, levy)
            }
            Pays::Shown | Pays::Credit(_) => return Ok(()),
        };
        self.energy.push(StatementLine::Energy {
            carrier: self.carrier,
            period: group.period,
            tranche: group.priced.tranche,
            price: rates.unit_price(discount_permille),
            bands: group.bands,
            amount: energy,
        });
        if rates.levy > Money::ZERO {
            let key = (group.period.from, group.period.to, rates.levy_price());
            let (on, amount) = self.levies.entry(key).or_default();
            *on = on.checked_add(quantity).ok_or(OVERFLOW)?;
            *amount = add(*amount, levy)?;
        }
        Ok(())
    }

    fn add_to(self, bill: &mut Bill) {
        let carrier = self.carrier;
        bill.lines.extend(self.used.into_iter().map(|((from, to, band, factor_permille), quantity)| {
            StatementLine::Usage { carrier, period: Window { from, to }, band, factor_permille, quantity }
        }));
        bill.lines.extend(self.energy);
        bill.lines.extend(self.levies.into_iter().map(|((from, to, price), (quantity, amount))| StatementLine::Levy {
            carrier,
            period: Window { from, to },
            price,
            quantity,
            amount,
        }));
    }
}

/// What a correction gives back.
struct Credit {
    /// Which of the services.
    place: usize,
    group: Group,
    rates: Rates,
    net: Money,
    used: Money,
}

/// What a correction takes back, net.
pub(super) fn credit_net(group: &Group, frame: &Frame<'_>) -> Result<Money, Fault> {
    let rates = frame.rates(group.priced.tariff)?.ok_or(BAD_STATE)?;
    let energy = rates.energy_half_even(group.priced.discount_permille, &group.bands)?;
    add(energy, rates.levy_half_even(total(&group.bands)?)?)
}

/// Lowers the bill by what corrections give back of periods that began before `ends`. What is more than the bill waits for the
/// next one. At the end and after it all of it is shown, and it lowers the `debt` too; what is left lowers later supplements.
fn credit(
    mut accounts: Vec<(Frame<'_>, &mut Account)>,
    closing: Closing,
    ends: Timestamp,
    debt: Money,
    bill: &mut Bill,
) -> Result<(), Fault> {
    let mut credits = Vec::new();
    let is_due = |group: &Group| closing != Closing::Period || group.period.from < ends;
    for (place, (frame, account)) in accounts.iter_mut().enumerate() {
        for group in account.groups.iter().copied().filter(is_due) {
            let Pays::Credit(left) = group.pays else { continue };
            let rates = frame.rates(group.priced.tariff)?.ok_or(BAD_STATE)?;
            let net = match left {
                Some(net) => net,
                None => credit_net(&group, frame)?,
            };
            let used = bill.credit(rates.vat_permille, net)?;
            credits.push(Credit { place, group, rates, net, used });
        }
        account.groups.retain(|group| !is_due(group) || !matches!(group.pays, Pays::Credit(_)));
    }
    for credit in credits.iter_mut().filter(|_| closing != Closing::Period) {
        let more = bill.credit_beyond(credit.rates.vat_permille, credit.net.saturating_sub(credit.used), debt)?;
        credit.used = add(credit.used, more)?;
    }
    for Credit { place, group, rates, net, used } in credits {
        let (frame, account) = accounts.get_mut(place).ok_or(BAD_STATE)?;
        let is_shown = match closing {
            Closing::Period => false,
            Closing::End => true,
            // What has no bands has been shown.
            Closing::Supplement => !group.bands.is_zero(),
        };
        let amount = if is_shown { net } else { used };
        if amount > Money::ZERO {
            let price = rates.unit_price(group.priced.discount_permille);
            let (carrier, period, bands) = (frame.carrier, group.period, group.bands);
            bill.lines.push(StatementLine::Credit { carrier, period, price, bands, amount });
        }
        // A line has said how much it is for: what is left is money.
        let bands = if amount > Money::ZERO { Default::default() } else { group.bands };
        let rest = net.saturating_sub(used);
        if rest > Money::ZERO {
            account.group(Group { bands, pays: Pays::Credit(Some(rest)), ..group })?;
        }
    }
    Ok(())
}

/// Gives back what is left of tranches whose period is over; at the end of all, less the discount on what was used.
fn refund(
    account: &mut Account,
    frame: &Frame<'_>,
    ends: Timestamp,
    closing: Closing,
    bill: &mut Bill,
) -> Result<(), Fault> {
    let mut kept = Vec::new();
    for tranche in std::mem::take(&mut account.tranches).into_vec() {
        let over = tranche.is_over(ends);
        if !over && closing == Closing::Period {
            kept.push(tranche);
            continue;
        }
        let option = frame.option(tranche.tariff)?;
        let left = tranche.left();
        let withheld = if over { Money::ZERO } else { withheld(&tranche, frame)?.min(left) };
        if left > Money::ZERO {
            let amount = left.saturating_sub(withheld);
            let withheld = bill.refund(option.vat_permille, amount, withheld)?;
            let (carrier, tranche) = (frame.carrier, tranche.number);
            bill.lines.push(StatementLine::Refund { carrier, tranche, amount, withheld });
        }
        if !over {
            // What comes later is charged as the rest was in the end: without the discount.
            let same = account.history.as_mut_slice().iter_mut().filter(|of| of.priced.tranche == tranche.number);
            same.for_each(|ended| (ended.priced.tranche, ended.priced.discount_permille) = (0, 0));
        }
    }
    account.tranches = Bounded::new(kept).map_err(|_| BAD_STATE)?;
    Ok(())
}

/// The discount on what was used of a tranche, tax included.
fn withheld(tranche: &Tranche, frame: &Frame<'_>) -> Result<Money, Fault> {
    let (undiscounted, charged) = match &tranche.stage {
        Stage::Waits { .. } => return Ok(Money::ZERO),
        Stage::Energy { charged, .. } => {
            (tranche.undiscounted(&frame.rates(tranche.tariff)?.ok_or(BAD_STATE)?)?, *charged)
        }
        Stage::Area { charged, .. } => (area::undiscounted(tranche, frame.option(tranche.tariff)?)?, *charged),
    };
    Ok(undiscounted.saturating_sub(charged))
}
