//! Charging sessions of an electric vehicle, by a tariff as roaming platforms publish them (OCPI 2.2, tariffs module).
//!
//! The operator of the charging point (the owner) says when a session begins, when charging ends and when the vehicle leaves; the
//! certified readings of its meter say how much energy flowed. A session costs
//!
//! * a start fee (clause 0);
//! * its energy, in steps that are rounded up (clause 1);
//! * the time of charging, in steps that are rounded up, at a price that depends on the highest power and on whether it began
//!   on a weekend (clause 2);
//! * the time of parking afterwards, in steps that are rounded up, at the price of the day and hour at which parking began
//!   (clause 3);
//! * what is missing from a lowest price, or is beyond a highest one (clauses 4 and 5). Prices are net.
//!
//! It is settled when the grace time for late readings is over, out of the user's allowance; what is missing is owed.

#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use alloc::{vec, vec::Vec};
use utilidor_program_sdk::*;

const METER: Meter = Meter(0);

/// Commands of the owner: a session begins, charging has ended, the vehicle has left.
const BEGINS: u8 = 1;
const CHARGED: u8 = 2;
const LEAVES: u8 = 3;

/// The contract.
pub struct EvSession;

/// An hourly price with the step in which it is billed.
struct Hourly {
    price: Money,
    step_ms: u64,
}

impl Hourly {
    fn of(read: &mut Parameters<'_>) -> Result<Self, Fault> {
        Ok(Self { price: read.money()?, step_ms: read.number()?.max(1) })
    }

    /// What a time costs, and how much of it is billed.
    fn cost(&self, ms: u64) -> Result<(u64, Money), Fault> {
        let billed = ms.div_ceil(self.step_ms).checked_mul(self.step_ms).ok_or(Fault::OVERFLOW)?;
        Ok((billed, self.price.share(billed, HOUR_MS)?))
    }
}

/// A price that holds between two minutes of the day.
struct Parking {
    hourly: Hourly,
    from_minute: u64,
    to_minute: u64,
}

impl Parking {
    fn of(read: &mut Parameters<'_>) -> Result<Self, Fault> {
        Ok(Self { hourly: Hourly::of(read)?, from_minute: read.number()?, to_minute: read.number()? })
    }
}

/// What the parties have agreed.
struct Tariff {
    offset_minutes: i64,
    start: Money,
    energy: Price,
    energy_step: u64,
    /// Up to this mean power in watts, charging time is billed at the lower price.
    low_power_w: u64,
    low: Hourly,
    high_on_weekdays: Hourly,
    high_on_weekends: Hourly,
    parking_on_weekdays: Parking,
    parking_on_saturdays: Parking,
    least: Money,
    most: Money,
    grace_ms: u64,
}

impl Tariff {
    fn of(bytes: &[u8]) -> Result<Self, Fault> {
        let mut read = Parameters::new(bytes);
        let tariff = Self {
            offset_minutes: read.integer()?,
            start: read.money()?,
            energy: read.price(PriceUnit::KilowattHour)?,
            energy_step: read.number()?.max(1),
            low_power_w: read.number()?,
            low: Hourly::of(&mut read)?,
            high_on_weekdays: Hourly::of(&mut read)?,
            high_on_weekends: Hourly::of(&mut read)?,
            parking_on_weekdays: Parking::of(&mut read)?,
            parking_on_saturdays: Parking::of(&mut read)?,
            least: read.money()?,
            most: read.money()?,
            grace_ms: read.number()?,
        };
        read.end()?;
        Ok(tariff)
    }

    /// Day of the week, 0 for Monday, and minute of the day, in local time.
    fn local(&self, time: Time) -> (u64, u64) {
        let ms = time.0.saturating_add_signed(self.offset_minutes.saturating_mul(MINUTE_MS as i64));
        (weekday(Time(ms)), ms % DAY_MS / MINUTE_MS)
    }

    fn charging(&self, session: &Session) -> &Hourly {
        let (day, _) = self.local(session.began);
        let (energy, ms) = (u128::from(session.peak.0.0), u128::from(session.peak.1.max(1)));
        // Joules in milliseconds against watts.
        let is_low = energy * 1_000 <= u128::from(self.low_power_w) * ms;
        match (is_low, day >= 5) {
            (true, _) => &self.low,
            (false, false) => &self.high_on_weekdays,
            (false, true) => &self.high_on_weekends,
        }
    }

    fn parking(&self, from: Time) -> Option<&Hourly> {
        let (day, minute) = self.local(from);
        let parking = match day {
            0..5 => &self.parking_on_weekdays,
            5 => &self.parking_on_saturdays,
            _ => return None,
        };
        let is_priced = (parking.from_minute..parking.to_minute).contains(&minute);
        is_priced.then_some(&parking.hourly)
    }
}

/// A session.
#[derive(Clone, Copy)]
struct Session {
    /// 1 charging, 2 parking, 3 over.
    phase: u64,
    began: Time,
    charged: Time,
    left: Time,
    energy: Quantity,
    /// The highest mean power: a quantity in milliseconds.
    peak: (Quantity, u64),
}

impl Session {
    /// `None`: there is no session.
    fn of(head: &[u8]) -> Result<Option<Self>, Fault> {
        if head.is_empty() {
            return Ok(None);
        }
        let mut read = Parameters::new(head);
        let session = Self {
            phase: read.number()?,
            began: read.time()?,
            charged: read.time()?,
            left: read.time()?,
            energy: read.quantity()?,
            peak: (read.quantity()?, read.number()?),
        };
        read.end()?;
        Ok(Some(session))
    }

    fn head(&self) -> Vec<u8> {
        let numbers =
            [self.phase, self.began.0, self.charged.0, self.left.0, self.energy.0, self.peak.0.0, self.peak.1];
        numbers.into_iter().flat_map(u64::to_le_bytes).collect()
    }

    fn brought(&mut self, segment: &Segment) -> Result<(), Fault> {
        self.energy = self.energy.plus(total(&segment.bands)?)?;
        let (energy, ms) = (segment.peak.0, u64::from(segment.peak.1));
        let higher =
            u128::from(energy.0) * u128::from(self.peak.1.max(1)) > u128::from(self.peak.0.0) * u128::from(ms.max(1));
        if higher {
            self.peak = (energy, ms);
        }
        Ok(())
    }
}

impl Program for EvSession {
    fn act(input: Input) -> Result<Done, Fault> {
        let tariff = Tariff::of(&input.terms.parameters)?;
        let is_metered = input.terms.meters.first().is_some_and(|meter| {
            meter.party == Party::OWNER && meter.carrier == Carrier::Electricity && meter.fills.is_none()
        });
        if !is_metered || input.terms.parties != 2 {
            return Err(Fault::PARAMETERS);
        }
        let mut session = Session::of(&input.state.head)?;
        let now = input.facts.now;
        let effects = match (&input.event, &mut session) {
            (Event::Signed | Event::EndingWithdrawn(_), _) => Vec::new(),
            (Event::Command(Party::OWNER, bytes), session) => command(&tariff, session, bytes, now)?,
            (Event::Segment(METER, segment) | Event::Returned(METER, segment), Some(session)) => {
                session.brought(segment)?;
                Vec::new()
            }
            (Event::Corrected(METER, more, less), Some(session)) => {
                session.brought(more)?;
                session.energy = session.energy.less(total(less)?);
                Vec::new()
            }
            // What comes after the session was settled is nobody's.
            (Event::Segment(..) | Event::Returned(..) | Event::Corrected(..), None) => Vec::new(),
            (Event::Due, Some(ended)) if ended.phase == 3 => {
                let effects = settle(&tariff, ended, &input)?;
                session = None;
                effects
            }
            (Event::Ending(..), None) => vec![Effect::Finish(End::Terminated)],
            (Event::Command(..), _) => return Err(Fault::COMMAND),
            _ => return Err(Fault::UNEXPECTED),
        };
        let head = session.map_or(Vec::new(), |session| session.head());
        Ok(Done { head: Some(head), effects, ..Done::default() })
    }
}

/// The owner says how far the session is.
fn command(tariff: &Tariff, session: &mut Option<Session>, bytes: &[u8], now: Time) -> Result<Vec<Effect>, Fault> {
    match (bytes, session) {
        ([BEGINS], none @ None) => {
            let peak = (Quantity::ZERO, 1);
            *none = Some(Session { phase: 1, began: now, charged: now, left: now, energy: Quantity::ZERO, peak });
            Ok(vec![Effect::Bind(METER)])
        }
        ([CHARGED], Some(session)) if session.phase == 1 => {
            (session.phase, session.charged) = (2, now);
            Ok(vec![Effect::EndBinding(METER, now)])
        }
        ([LEAVES], Some(session)) if session.phase < 3 => {
            let mut effects = Vec::new();
            if session.phase == 1 {
                session.charged = now;
                effects.push(Effect::EndBinding(METER, now));
            }
            (session.phase, session.left) = (3, now);
            let settles = now.0.checked_add(tariff.grace_ms.max(1)).ok_or(Fault::OVERFLOW)?;
            effects.push(Effect::Schedule(Time(settles)));
            Ok(effects)
        }
        _ => Err(Fault::COMMAND),
    }
}

fn settle(tariff: &Tariff, session: &Session, input: &Input) -> Result<Vec<Effect>, Fault> {
    let period = Window { from: session.began, to: session.left };
    let line = |clause, carrier, quantity, price, amount| Line {
        clause,
        period,
        carrier,
        quantity: Quantity(quantity),
        price,
        from: Party::USER,
        to: Party::OWNER,
        amount,
    };
    let energy =
        session.energy.0.div_ceil(tariff.energy_step).checked_mul(tariff.energy_step).ok_or(Fault::OVERFLOW)?;
    let mut lines = vec![
        line(0, None, 1, None, tariff.start),
        line(1, Some(Carrier::Electricity), energy, Some(tariff.energy), tariff.energy.of(Quantity(energy))?),
    ];
    let (ms, amount) = tariff.charging(session).cost(session.charged.0 - session.began.0)?;
    lines.push(line(2, None, ms, None, amount));
    if let Some(hourly) = tariff.parking(session.charged) {
        let (ms, amount) = hourly.cost(session.left.0 - session.charged.0)?;
        lines.push(line(3, None, ms, None, amount));
    }
    lines.retain(|line| line.amount > Money::ZERO || line.clause == 1);
    let sum = lines.iter().try_fold(Money::ZERO, |sum, line| sum.plus(line.amount))?;
    let due = sum.max(tariff.least).min(tariff.most);
    if due > sum {
        lines.push(line(4, None, 0, None, due.minus(sum)?));
    }
    if due < sum {
        lines.push(Line { from: Party::OWNER, to: Party::USER, ..line(5, None, 0, None, sum.minus(due)?) });
    }
    let paid = due.min(input.available(Party::USER));
    let left = due.less(paid);
    let owed = left.min(input.can_owe());
    if left > owed {
        lines.push(Line { from: Party::OWNER, to: Party::USER, ..line(6, None, 0, None, left.minus(owed)?) });
    }
    Ok(vec![
        Effect::Pay { from: Party::USER, source: Source::Allowance, to: Party::OWNER, amount: paid },
        Effect::Owe(owed),
        Effect::Issue(Statement { closing: Closing::Period, period, lines, substituted: false }),
    ])
}

contract!(EvSession);
