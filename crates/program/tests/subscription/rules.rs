//! Rule 5: sums do not depend on the order in which readings arrive, on further readings that lie exactly on the line, or on
//! what else closes segments.

use crate::world::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use utilidor_types::action::Prepayment;
use utilidor_types::package::{Band, Period};
use utilidor_types::statement::StatementLine;
use utilidor_types::time::HOUR_MS;
use utilidor_types::{Carrier, Money, Party, Quantity, Timestamp};

/// Hours from the beginning of January to the middle of March.
const HOURS: u64 = 74 * 24;

#[derive(Debug, Clone)]
enum Deed {
    Pay(u64),
    PayHeat(u64, Period),
    /// Which option for electricity, from so many hours later on.
    Amend(u8, u64),
}

/// What happens, by the hour.
#[derive(Debug, Clone)]
struct Story {
    deeds: BTreeMap<u64, Deed>,
    /// Of each meter: from which hour on it brings how many joules an hour.
    paces: [BTreeMap<u64, u64>; 2],
    end: u64,
}

/// How readings come.
#[derive(Debug, Clone)]
struct Arrival {
    /// Hours at which there are further readings.
    extra: Vec<u64>,
    /// Hours at which something else closes segments.
    foreign: Vec<u64>,
    /// Every so many hours the gateways deliver what they have, the first and the second meter.
    every: [u64; 2],
}

fn time(hour: u64) -> Timestamp {
    Timestamp(on(1, 1, 0).0 + hour * HOUR_MS)
}

/// Hours at which readings must be in for a statement, and are.
fn deadlines(end: u64) -> [u64; 3] {
    [31 * 24, 59 * 24, end]
}

/// What statements say: usage, and money by line; paid and not paid.
type Sums = (BTreeMap<String, u64>, Vec<(Money, Money)>);

fn play(story: &Story, arrival: &Arrival) -> Sums {
    let mut world = World::new(time(0), &package());
    world.meter(1, time(0));
    world.meter(2, time(0));
    world.foreign_marks = arrival.foreign.iter().map(|hour| time(*hour)).collect();
    let a = world.subscribe(vec![electricity(1, 1), heating(2)], "1000000", "50").unwrap();
    let mut queues: [Vec<(u64, Quantity)>; 2] = Default::default();
    let (mut registers, mut paces) = ([0u64; 2], [0u64; 2]);
    for hour in 0..=story.end + 4 {
        world.until(time(hour));
        for meter in 0..2 {
            registers[meter] += if hour > 0 { paces[meter] } else { 0 };
            let knot = story.paces[meter].get(&hour);
            paces[meter] = knot.copied().unwrap_or(paces[meter]);
            let due = knot.is_some() || deadlines(story.end).contains(&hour) || hour == story.end + 4;
            if hour > 0 && (due || arrival.extra.contains(&hour)) {
                queues[meter].push((hour, Quantity(registers[meter])));
            }
            let must = deadlines(story.end).iter().any(|deadline| hour == deadline + 4);
            if must || hour % arrival.every[meter] == 0 {
                for (hour, register) in queues[meter].drain(..) {
                    world.read(meter as u8 + 1, time(hour), register);
                }
            }
        }
        if hour == story.end {
            world.end(a, Some(Party::USER)).unwrap();
        } else if let Some(deed) = story.deeds.get(&hour).filter(|_| hour < story.end) {
            match deed {
                Deed::Pay(amount) => world.prepay(a, Carrier::Electricity, Prepayment::Amount(Money(*amount))).unwrap(),
                Deed::PayHeat(amount, period) => {
                    let (amount, period) = (Money(*amount), *period);
                    world.prepay(a, Carrier::Heating, Prepayment::AmountForPeriod { amount, period }).unwrap();
                }
                Deed::Amend(option, later) => {
                    let terms = world.terms(vec![electricity(*option, 1), heating(2)], "50");
                    let _ = world.amend(a, terms, time(hour + later));
                }
            }
        }
    }
    world.until(time(story.end + 12));
    sums(&world, a)
}

fn sums(world: &World, a: usize) -> Sums {
    let mut sums = BTreeMap::new();
    let agreement = &world.agreements[a];
    for (number, issued) in agreement.statements.iter().enumerate() {
        for line in &issued.draft.lines {
            let (key, amount) = match line {
                StatementLine::Usage { carrier, period, band, factor_permille, quantity } => {
                    (format!("{carrier} {} {} {factor_permille}", period.from, band.name()), quantity.0)
                }
                StatementLine::Energy { carrier, period, tranche, price, amount, .. } => {
                    (format!("{carrier} {} {tranche} {price:?}", period.from), amount.0)
                }
                StatementLine::Refund { carrier, tranche, amount, withheld } => {
                    (format!("{carrier} {tranche} {withheld}"), amount.0)
                }
                other => panic!("{other:?}"),
            };
            *sums.entry(format!("{number} {key}")).or_default() += amount;
        }
    }
    assert_eq!(agreement.pot, Money::ZERO);
    (sums, agreement.statements.iter().map(|of| (of.draft.paid, of.draft.unpaid)).collect())
}

prop_compose! {
    fn deed()(kind in 0..8, amount in 1_000_000u64..400_000_000, option in 0u8..2, later in 0u64..100) -> Deed {
        match kind {
            0..4 => Deed::Pay(amount),
            4 => Deed::PayHeat(amount, Period::Month),
            5 => Deed::PayHeat(amount, Period::Quarter),
            _ => Deed::Amend(option, later),
        }
    }
}

prop_compose! {
    fn story()(
        deeds in proptest::collection::btree_map(1..HOURS, deed(), 0..8),
        one in proptest::collection::btree_map(1..HOURS, 0u64..4_000_001, 1..12),
        two in proptest::collection::btree_map(1..HOURS, 0u64..4_000_001, 1..6),
        end in 61u64 * 24..HOURS,
    ) -> Story {
        // A third amendment can be refused until the meter has passed the first: that depends on the meter.
        let amendments = deeds.iter().filter(|(_, deed)| matches!(deed, Deed::Amend(..))).map(|(hour, _)| *hour);
        let third: Vec<u64> = amendments.skip(2).collect();
        let deeds = deeds.into_iter().filter(|(hour, _)| !third.contains(hour)).collect();
        Story { deeds, paces: [one, two], end }
    }
}

prop_compose! {
    fn arrival()(
        extra in proptest::collection::vec(1..HOURS, 0..12),
        foreign in proptest::collection::vec(1..HOURS, 0..12),
        every in [1u64..300, 1u64..300],
    ) -> Arrival {
        Arrival { extra, foreign, every }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn sums_do_not_depend_on_when_and_how_readings_come(story in story(), arrivals in [arrival(), arrival()]) {
        let steady = Arrival { extra: vec![], foreign: vec![], every: [1, 1] };
        let expected = play(&story, &steady);
        for arrival in arrivals {
            prop_assert_eq!(&play(&story, &arrival), &expected);
        }
    }
}

fn check(deeds: &[(u64, Deed)], paces: [&[(u64, u64)]; 2], end: u64, arrival: &Arrival) {
    let paces = paces.map(|of| of.iter().copied().collect());
    let story = Story { deeds: deeds.iter().cloned().collect(), paces, end };
    let steady = Arrival { extra: vec![], foreign: vec![], every: [1, 1] };
    assert_eq!(play(&story, arrival), play(&story, &steady));
}

#[test]
fn when_a_period_begins_does_not_depend_on_what_the_meter_has_told() {
    let deeds = [(400, Deed::PayHeat(1_000_000, Period::Month)), (500, Deed::PayHeat(179_000_000, Period::Quarter))];
    let arrival = Arrival { extra: vec![450], foreign: vec![], every: [1, 1] };
    check(&deeds, [&[], &[(1, 40_000)]], 1_464, &arrival);
}

#[test]
fn boundaries_before_the_end_cut_what_is_read_after_it() {
    let deeds = [(1_404, Deed::Amend(1, 78)), (1_457, Deed::Amend(1, 26))];
    let arrival = Arrival { extra: vec![], foreign: vec![], every: [2, 1] };
    check(&deeds, [&[(1, 1)], &[]], 1_489, &arrival);
}

#[test]
fn what_was_used_before_an_amendment_is_one_line_whenever_the_amendment_was_known() {
    let deeds = [(1_121, Deed::Pay(17_981_270)), (1_285, Deed::Amend(0, 12))];
    let arrival = Arrival { extra: vec![], foreign: vec![], every: [215, 1] };
    check(&deeds, [&[(1, 234_880), (403, 2_041_973), (1_123, 0)], &[]], 1_464, &arrival);
}

#[test]
fn a_month_of_readings_tells_the_program_once() {
    let mut world = World::new(on(1, 1, 0), &package());
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(1, 1)], "1000", "0").unwrap();
    world.pay(a, "1000");
    world.until(on(1, 1, 1));
    world.read(1, on(1, 1, 1), kwh(1));
    let before = (world.segments, world.steps);
    for hour in 2..=31 * 24 {
        world.until(time(hour));
        world.read(1, time(hour), kwh(hour));
    }
    world.until(on(2, 1, 6));
    assert_eq!(world.segments - before.0, 1, "at the end of the month");
    assert!(world.steps - before.1 <= 5, "the segment, the statement and a few levels: {}", world.steps - before.1);
    assert_eq!(world.agreements[a].last().used_in_band(Band::Valley), kwh(7 * 31));
}

#[test]
fn who_pays_afterwards_is_told_once_that_nothing_is_prepaid() {
    let mut world = World::new(on(1, 1, 0), &package());
    world.meter(1, on(1, 1, 0));
    world.subscribe(vec![electricity(1, 1)], "1000", "1000").unwrap();
    for hour in 1..=31 * 24 {
        world.until(time(hour));
        world.read(1, time(hour), kwh(hour));
    }
    world.until(on(2, 1, 6));
    assert!(world.steps <= 5, "signing, the grace used up, the segment, the statement: {}", world.steps);
}

#[test]
fn what_comes_after_its_statement_has_the_same_quantities_and_the_same_price() {
    let play = |late: bool| {
        let mut world = World::new(on(1, 1, 0), &package());
        world.meter(1, on(1, 1, 0));
        let a = world.subscribe(vec![electricity(1, 1)], "10000", "10000").unwrap();
        world.until(on(1, 20, 0));
        world.read(1, on(1, 20, 0), kwh(100));
        world.until(if late { on(2, 3, 0) } else { on(2, 1, 1) });
        world.read(1, on(1, 31, 12), kwh(200));
        world.read(1, on(2, 1, 1), kwh(226));
        world.until(on(3, 1, 0));
        world.read(1, on(3, 1, 0), kwh(300));
        world.until(on(3, 1, 6));
        let mut used = BTreeMap::new();
        for line in world.agreements[a].statements.iter().flat_map(|issued| &issued.draft.lines) {
            if let StatementLine::Usage { period, band, quantity, .. } = line {
                *used.entry((period.to, *band)).or_insert(0) += quantity.0;
            }
        }
        (used, world.agreements[a].charged())
    };
    assert_eq!(play(true), play(false));
}
