//! A roof's PV generation shared among the tenants below it.
//!
//! The owner (party 0) has the roof's meter, which comes first; each tenant (parties 1 to 12) has one of its own, in the order
//! of the parties. In each interval the generation is shared by the key that all have signed:
//!
//! * *fixed*: in proportion to agreed shares, of which the owner may have one too. What a tenant cannot use of its share stays
//!   with the owner;
//! * *by consumption*: in proportion to what each tenant consumes in the interval;
//! * *in order*: the first tenant first, up to what it consumes, then the second, and so on.
//!
//! Nobody gets more than it consumes in the interval, and what the tenants get and what stays with the owner add up to the
//! generation, to the last joule (clauses 0 and 2). A standing charge of the roof is split by the agreed shares, to the last
//! millionth (clause 1). What a tenant cannot pay is carried to its next statement (clause 3).

#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use alloc::{vec, vec::Vec};
use utilidor_program_sdk::*;

/// Most tenants: the lines of more of them do not fit into the fuel of one event.
pub const MAX_TENANTS: usize = 12;
/// Most intervals of a period and its grace time, so that the slots hold what runs already as well.
const MAX_OPEN: u64 = 240;
/// Most intervals of a period: a day of quarters of an hour.
const MAX_INTERVALS: u64 = 96;
/// What fits into the fuel of one event: for each party, its intervals and some more for its lines. So seven tenants share a
/// day of hours, and two one of quarters of an hour.
const MAX_WORK: u64 = 352;
const WORK_A_PARTY: u64 = 20;

const CLAUSE_SHARE: u16 = 0;
const CLAUSE_STANDING: u16 = 1;
const CLAUSE_REST: u16 = 2;
const CLAUSE_CARRIED: u16 = 3;

/// The contract.
pub struct SharedRoofPv;

/// How the generation of an interval is shared.
#[derive(Clone, Copy)]
enum Key {
    Fixed,
    ByConsumption,
    InOrder,
}

impl Key {
    fn of(number: u64) -> Result<Self, Fault> {
        Ok(match number {
            0 => Self::Fixed,
            1 => Self::ByConsumption,
            2 => Self::InOrder,
            _ => return Err(Fault::PARAMETERS),
        })
    }

    /// What each tenant gets of a generation, by its consumption. Each key is a function of its own: an interval costs the
    /// fuel of its key alone.
    fn share(self, generation: u64, shares: &[u64], consumed: &[u64], parts: &mut Vec<u64>) -> Result<(), Fault> {
        match self {
            Self::Fixed => by_shares(generation, shares, consumed, parts),
            Self::ByConsumption => by_consumption(generation, consumed, parts),
            Self::InOrder => {
                in_order(generation, consumed, parts);
                Ok(())
            }
        }
    }
}

#[inline(never)]
fn by_shares(generation: u64, shares: &[u64], consumed: &[u64], parts: &mut Vec<u64>) -> Result<(), Fault> {
    split_into(generation, shares, parts)?;
    // What the owner's share is, and what a tenant cannot use, is not given to anybody.
    parts.remove(0);
    parts.iter_mut().zip(consumed).for_each(|(part, consumed)| *part = *consumed.min(part));
    Ok(())
}

#[inline(never)]
fn by_consumption(generation: u64, consumed: &[u64], parts: &mut Vec<u64>) -> Result<(), Fault> {
    let all = consumed.iter().try_fold(0u64, |sum, one| sum.checked_add(*one)).ok_or(Fault::OVERFLOW)?;
    if all > generation {
        return split_into(generation, consumed, parts);
    }
    parts.clear();
    parts.extend_from_slice(consumed);
    Ok(())
}

#[inline(never)]
fn in_order(generation: u64, consumed: &[u64], parts: &mut Vec<u64>) {
    let mut left = generation;
    parts.clear();
    parts.extend(consumed.iter().map(|consumed| {
        let part = left.min(*consumed);
        left -= part;
        part
    }));
}

/// What the parties have agreed.
struct Agreed {
    periods: Periods,
    intervals: Grid,
    /// Intervals of a period.
    each: u64,
    key: Key,
    price: Price,
    standing: Money,
    guarantee: Money,
    /// The owner's share, and each tenant's.
    shares: Vec<u64>,
}

impl Agreed {
    fn of(input: &Input) -> Result<Self, Fault> {
        let mut read = Parameters::new(&input.terms.parameters);
        let periods = Periods::new(read.time()?, read.number()?, read.number()?, read.number()?)?;
        let (intervals, each) = periods.divide(read.number()?, MAX_OPEN)?;
        let key = Key::of(read.number()?)?;
        let (price, standing) = (read.price(PriceUnit::KilowattHour)?, read.money()?);
        let guarantee = read.money()?;
        let mut shares = Vec::with_capacity(1 + MAX_TENANTS);
        for _ in 0..=MAX_TENANTS {
            shares.push(read.number()?);
        }
        read.end()?;

        let parties = usize::from(input.terms.parties);
        // Nobody has a share who is no party.
        let strangers = shares.get(parties..).is_none_or(|others| others.iter().any(|share| *share > 0));
        shares.truncate(parties);
        let is_own = |(number, meter): (u8, &MeterTerms)| {
            meter.party == Party(number) && meter.carrier == Carrier::Electricity && meter.fills.is_none()
        };
        let meters = &input.terms.meters;
        let is_metered = meters.len() == parties && (0u8..).zip(meters).all(is_own);
        let work = u64::from(input.terms.parties).saturating_mul(each.saturating_add(WORK_A_PARTY));
        if strangers || !is_metered || each > MAX_INTERVALS || work > MAX_WORK || shares.iter().all(|share| *share == 0)
        {
            return Err(Fault::PARAMETERS);
        }
        Ok(Self { periods, intervals, each, key, price, standing, guarantee, shares })
    }

    /// The tenants.
    fn tenants(&self) -> impl Iterator<Item = Party> {
        (1..self.shares.len() as u8).map(Party)
    }

    /// The roof's meter and the tenants'.
    fn meters(&self) -> impl Iterator<Item = Meter> {
        (0..self.shares.len() as u8).map(Meter)
    }
}

/// What the contract remembers besides what the meters have brought, which stands in their slots.
struct Kept {
    /// The period that is settled next.
    period: u64,
    /// Who wants to end it, a bit for each party.
    ending: u64,
    /// What each tenant owes the owner.
    owed: Vec<i64>,
}

impl Kept {
    fn of(head: &[u8], tenants: usize) -> Result<Self, Fault> {
        if head.is_empty() {
            return Ok(Self { period: 0, ending: 0, owed: vec![0; tenants] });
        }
        let mut read = Parameters::new(head);
        let (period, ending) = (read.number()?, read.number()?);
        let owed = (0..tenants).map(|_| read.integer()).collect::<Result<Vec<i64>, Fault>>()?;
        read.end()?;
        Ok(Self { period, ending, owed })
    }

    fn head(&self) -> Vec<u8> {
        bytes_of([self.period as i64, self.ending as i64].into_iter().chain(self.owed.iter().copied()))
    }
}

impl Program for SharedRoofPv {
    fn act(input: Input) -> Result<Done, Fault> {
        let agreed = Agreed::of(&input)?;
        if let Some(done) = Series::keep(&input, agreed.intervals, agreed.periods.end()?, u64::MAX)? {
            return Ok(done);
        }
        let mut kept = Kept::of(&input.state.head, agreed.shares.len() - 1)?;
        let mut slots = Vec::new();
        let effects = match &input.event {
            Event::Signed => sign(&agreed, input.facts.now)?,
            Event::Due => settle(&agreed, &mut kept, &input, &mut slots)?,
            Event::Ending(Some(party), _) => {
                kept.ending |= bit(*party)?;
                let all = agreed.meters().try_fold(0, |all, meter| Ok(all | bit(Party(meter.0))?))?;
                if kept.ending == all { input.end_early()? } else { Vec::new() }
            }
            Event::EndingWithdrawn(party) => {
                kept.ending &= !bit(*party)?;
                Vec::new()
            }
            // A meter's operator alone ends nothing that so many share.
            Event::Ending(None, _) => Vec::new(),
            _ => return Err(Fault::UNEXPECTED),
        };
        Ok(Done { head: Some(kept.head()), slots, effects })
    }
}

fn bit(party: Party) -> Result<u64, Fault> {
    1u64.checked_shl(party.0.into()).ok_or(Fault::UNEXPECTED)
}

fn sign(agreed: &Agreed, now: Time) -> Result<Vec<Effect>, Fault> {
    let mark = agreed.intervals.mark_after(now.max(agreed.periods.begin()), agreed.periods.end()?)?;
    let reserve = |tenant| Effect::Reserve(tenant, Purpose::Guarantee, agreed.guarantee);
    let mut effects: Vec<Effect> = agreed.tenants().map(reserve).collect();
    effects.extend(agreed.meters().flat_map(|meter| [Effect::Bind(meter), Effect::Mark(meter, mark)]));
    effects.push(Effect::Schedule(agreed.periods.settles(0)?));
    Ok(effects)
}

/// What each tenant gets in a period's intervals, and what stays with the owner.
fn share(agreed: &Agreed, series: &[Series], first: u64) -> Result<(Vec<Quantity>, Quantity), Fault> {
    let brought = |series: &Series| series.list(first, agreed.each);
    let brought = series.iter().map(brought).collect::<Result<Vec<Vec<Quantity>>, Fault>>()?;
    let [generated, tenants @ ..] = &*brought else { return Err(Fault::STATE) };
    let mut shared = vec![Quantity::ZERO; tenants.len()];
    let mut rest = Quantity::ZERO;
    let (mut consumed, mut parts) = (Vec::with_capacity(tenants.len()), Vec::with_capacity(1 + tenants.len()));
    for (interval, generated) in generated.iter().enumerate().filter(|(_, generated)| **generated > Quantity::ZERO) {
        consumed.clear();
        consumed.extend(tenants.iter().map(|tenant| tenant.get(interval).map_or(0, |consumed| consumed.0)));
        agreed.key.share(generated.0, &agreed.shares, &consumed, &mut parts)?;
        let mut left = *generated;
        for (shared, part) in shared.iter_mut().zip(&parts) {
            *shared = shared.plus(Quantity(*part))?;
            left = left.minus(Quantity(*part))?;
        }
        rest = rest.plus(left)?;
    }
    Ok((shared, rest))
}

fn line(
    clause: u16,
    period: Window,
    tenant: Party,
    (quantity, price): (Quantity, Option<Price>),
    amount: Money,
) -> Line {
    let carrier = (clause != CLAUSE_STANDING).then_some(Carrier::Electricity);
    Line { clause, period, carrier, quantity, price, from: tenant, to: Party::OWNER, amount }
}

/// What a tenant pays for.
#[inline(never)]
fn lines_of(
    agreed: &Agreed,
    period: Window,
    tenant: Party,
    shared: Quantity,
    standing: Money,
) -> Result<Vec<Line>, Fault> {
    let amount = agreed.price.of(shared)?;
    let mut lines = vec![line(CLAUSE_SHARE, period, tenant, (shared, Some(agreed.price)), amount)];
    if standing > Money::ZERO {
        lines.push(line(CLAUSE_STANDING, period, tenant, (Quantity::ZERO, None), standing));
    }
    Ok(lines)
}

fn settle(
    agreed: &Agreed,
    kept: &mut Kept,
    input: &Input,
    slots: &mut Vec<(u8, Option<Vec<u8>>)>,
) -> Result<Vec<Effect>, Fault> {
    let period = agreed.periods.window(kept.period)?;
    let is_last = agreed.periods.is_last(kept.period);
    let first = agreed.intervals.part_of(period.from);
    let mut series =
        agreed.meters().map(|meter| Series::of_meter(input, meter)).collect::<Result<Vec<Series>, Fault>>()?;
    let (shared, rest) = share(agreed, &series, first)?;
    let standing = split(agreed.standing.0, &agreed.shares)?;

    let (mut lines, mut effects) = (Vec::with_capacity(3 * shared.len()), Vec::with_capacity(4 * shared.len()));
    for ((tenant, shared), (owed, standing)) in
        agreed.tenants().zip(shared).zip(kept.owed.iter_mut().zip(standing.into_iter().skip(1)))
    {
        let mut own = lines_of(agreed, period, tenant, shared, Money(standing))?;
        let mut account = Account { one: tenant, other: Party::OWNER, owed: *owed };
        effects.append(&mut account.settle(input, &mut own, (CLAUSE_CARRIED, period), is_last)?);
        lines.append(&mut own);
        *owed = account.owed;
    }
    lines.push(line(CLAUSE_REST, period, Party::USER, (rest, None), Money::ZERO));
    let closing = if is_last { Closing::End } else { Closing::Period };
    effects.push(Effect::Issue(Statement { closing, period, lines, substituted: false }));

    for (meter, series) in agreed.meters().zip(&mut series) {
        series.forget_before(first.saturating_add(agreed.each));
        slots.push((meter.0, Some(series.slot())));
    }
    kept.period += 1;
    if is_last {
        input.finish(&mut effects, kept.owed.iter().any(|owed| *owed != 0))?;
    } else {
        effects.push(Effect::Schedule(agreed.periods.settles(kept.period)?));
    }
    Ok(effects)
}

contract!(SharedRoofPv);
