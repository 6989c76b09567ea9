//! What the contracts' statements must say, worked out from the year's data by separate straightforward code, in whole numbers:
//! it shares no rule with the programs, with their SDK or with the ledger.
//!
//! *bill* a statement as it must be: when it falls due, and its lines. That everybody can pay is part of what is expected.

use super::*;

/// A line of a bill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BillLine {
    /// The clause.
    pub clause: u16,
    /// Who pays.
    pub from: u8,
    /// Who is paid.
    pub to: u8,
    /// Of how much, in base units.
    pub quantity: u64,
    /// Millionths.
    pub amount: u64,
}

/// A statement as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bill {
    /// When it is issued, or soon after.
    pub due: Timestamp,
    /// Its lines.
    pub lines: Vec<BillLine>,
}

const JOULES_PER_KWH: i128 = 3_600_000;

/// The bills of a contract that fall due by a time, after so many days of the demonstration.
pub fn bills(year: &Year, name: &str, days: usize, until: Timestamp) -> Vec<Bill> {
    let meters = meters(year);
    let hours = |label: String| &*meters.iter().find(|meter| meter.label == label).expect("a contract's meter").hours;
    let bills = match name {
        "shared-roof-pv" => {
            let [hotel, shops] = SHARE.map(|tenant| hours(label(tenant, ANNEX)));
            shared(hours(label(CANOPY_OWNER, CANOPY)), [hotel, shops])
        }
        "interruptible-load" => called(hours(label(COMPUTES, BATCHES)), days),
        _ => taken(hours(label(COMPUTES, RACKS))),
    };
    bills.into_iter().filter(|bill| bill.due <= until).collect()
}

/// Numerator by denominator, half to even.
fn half_even(numerator: i128, denominator: i128) -> i128 {
    let (whole, rest) = (numerator / denominator, numerator % denominator);
    match (2 * rest).cmp(&denominator) {
        std::cmp::Ordering::Less => whole,
        std::cmp::Ordering::Equal => whole + whole % 2,
        std::cmp::Ordering::Greater => whole + 1,
    }
}

fn cost(quantity: i128, price: Money) -> i128 {
    half_even(quantity * i128::from(price.0), JOULES_PER_KWH)
}

fn line(clause: u16, (from, to): (u8, u8), quantity: i128, amount: i128) -> BillLine {
    BillLine { clause, from, to, quantity: quantity as u64, amount: amount as u64 }
}

fn sum(hours: &[u64]) -> i128 {
    hours.iter().map(|joules| i128::from(*joules)).sum()
}

/// A canopy's generation among two tenants: each gets what it consumes, and where that is too much, its part of it.
fn shared(canopy: &[u64], tenants: [&[u64]; 2]) -> Vec<Bill> {
    let week = |number: usize| {
        let first = (FIRST_DAY + number * SHARING_DAYS) * 24;
        let (mut got, mut rest) = ([0; 2], 0);
        for from in (first..first + SHARING_DAYS * 24).step_by(SHARING_HOURS) {
            let interval = from..from + SHARING_HOURS;
            let generated = sum(&canopy[interval.clone()]);
            let [one, other] = tenants.map(|hours| sum(&hours[interval.clone()]));
            let all = one + other;
            // Of what is too little the first one's part is rounded down; the second one has what remains.
            let parts = if all <= generated {
                [one, other]
            } else {
                let part = generated * one / all;
                [part, generated - part]
            };
            got = [got[0] + parts[0], got[1] + parts[1]];
            rest += generated - parts[0] - parts[1];
        }
        let standing = i128::from(STANDING.0);
        let [owner, one, _] = SHARES.map(i128::from);
        let all: i128 = SHARES.iter().map(|share| i128::from(*share)).sum();
        let upto = [standing * owner / all, standing * (owner + one) / all, standing];
        let mut lines = Vec::new();
        for party in 1..=2u8 {
            let place = usize::from(party);
            lines.push(line(0, (party, 0), got[place - 1], cost(got[place - 1], SHARING_PRICE)));
            lines.push(line(1, (party, 0), 0, upto[place] - upto[place - 1]));
        }
        lines.push(line(2, (1, 0), rest, 0));
        Bill { due: Timestamp(day_begin(FIRST_DAY + (number + 1) * SHARING_DAYS).0 + GRACE_MS), lines }
    };
    (0..SHARING_PERIODS).map(week).collect()
}

/// What the calls come to that the station has made within so many days.
fn called(batches: &[u64], days: usize) -> Vec<Bill> {
    let called_days: Vec<usize> = CALLS.iter().map(|((month, day), _)| hour_at(midnight(*month, *day)) / 24).collect();
    let load = |day: usize| &batches[day * 24 + CALLED.0..day * 24 + CALLED.0 + CALLED.1];
    let bill = |day: usize| {
        // The first of January 2025 was a Wednesday.
        let counts = |day: &usize| (day + 2) % 7 < 5 && !called_days.contains(day);
        let mut looked_at: Vec<usize> = (FIRST_DAY..day).rev().filter(counts).take(BASELINE.0).collect();
        assert_eq!(looked_at.len(), BASELINE.0, "a call comes when there are enough days for its baseline");
        looked_at.sort_by_key(|day| std::cmp::Reverse(sum(load(*day))));
        let shed = (0..CALLED.1).map(|hour| {
            let taken = looked_at.iter().take(BASELINE.1).map(|day| i128::from(load(*day)[hour])).sum();
            (half_even(taken, BASELINE.1 as i128) - i128::from(load(day)[hour])).max(0)
        });
        let shed: i128 = shed.sum();
        let committed = i128::from(COMMITTED.0) * CALLED.1 as i128;
        let (least, most) = (i128::from(BONUS_PERMILLE.0), i128::from(BONUS_PERMILLE.1));
        let line = if shed >= committed * least / 1_000 {
            let counted = shed.min(committed * most / 1_000);
            line(0, (0, 1), counted, cost(counted, BONUS))
        } else {
            let missing = committed - shed;
            line(1, (1, 0), missing, cost(missing, PENALTY))
        };
        let end = day_begin(day).0 + (CALLED.0 + CALLED.1) as u64 * HOUR_MS;
        Bill { due: Timestamp(end + CALL_GRACE_MS), lines: vec![line] }
    };
    called_days.iter().filter(|day| **day < days).map(|day| bill(*day)).collect()
}

/// Cold for the racks: the minimum is paid in any case, and what was paid and not taken is made up later, oldest first.
fn taken(racks: &[u64]) -> Vec<Bill> {
    let minimum = i128::from(MINIMUM.0);
    let mut banked: Vec<(usize, i128)> = Vec::new();
    let mut period = |number: usize| {
        let first = (FIRST_DAY + number * TAKE_DAYS) * 24;
        let taken = sum(&racks[first..first + TAKE_DAYS * 24]);
        banked.retain(|(since, _)| number <= since + MAKE_UP_PERIODS);
        let mut beyond = (taken - minimum).max(0);
        let mut made_up = 0;
        for (_, left) in &mut banked {
            let part = beyond.min(*left);
            (*left, beyond, made_up) = (*left - part, beyond - part, made_up + part);
        }
        banked.retain(|(_, left)| *left > 0);
        let deficiency = (minimum - taken).max(0);
        let charged = taken - made_up;
        let mut lines = vec![line(0, (1, 0), charged, cost(charged, COLD_PRICE))];
        if deficiency > 0 {
            banked.push((number, deficiency));
            lines.push(line(1, (1, 0), deficiency, cost(deficiency, COLD_PRICE)));
        }
        if made_up > 0 {
            lines.push(line(2, (1, 0), made_up, 0));
        }
        Bill { due: Timestamp(day_begin(FIRST_DAY + (number + 1) * TAKE_DAYS).0 + GRACE_MS), lines }
    };
    (0..TAKE_PERIODS).map(&mut period).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clauses_that_the_year_uses_are_these() {
        let year = Year::load();
        let clauses = |name| {
            let bills = bills(&year, name, DAYS, day_begin(DAYS + 1));
            let clauses: std::collections::BTreeSet<u16> =
                bills.iter().flat_map(|bill| bill.lines.iter().map(|line| line.clause)).collect();
            (bills.len(), clauses.into_iter().collect::<Vec<u16>>())
        };
        // Everybody can pay, so nothing is carried; and the calls come when there are enough days for a baseline.
        assert_eq!(clauses("shared-roof-pv"), (52, vec![0, 1, 2]));
        assert_eq!(clauses("interruptible-load"), (6, vec![0]));
        assert_eq!(clauses("take-or-pay"), (12, vec![0, 1, 2]));
    }

    #[test]
    fn one_of_each_is_due_within_a_month() {
        let year = Year::load();
        for contract in contracts() {
            let due = bills(&year, contract.name, 31, Timestamp(day_begin(31).0 + 6 * HOUR_MS));
            assert!(!due.is_empty(), "{}", contract.name);
        }
    }
}
