//! What the contract promises.

use contract::Contract;
use utilidor_program_sdk::*;

const KWH: u64 = 3_600_000;

/// 0.60 for a kWh, at least 10 kWh a day, two days from the beginning of time.
fn input(event: Event, head: Vec<u8>) -> Input {
    let parameters = [600_000, 10 * KWH, 0, DAY_MS, 2].into_iter().flat_map(u64::to_le_bytes).collect();
    let window = Window { from: Time(0), to: Time(2 * DAY_MS) };
    let meter = MeterTerms { carrier: Carrier::Electricity, party: Party::USER, window, fills: None };
    let terms = Terms {
        agreement: [0; 16],
        parties: 2,
        hard_end: Time(100 * DAY_MS),
        grants: Vec::new(),
        meters: vec![meter],
        parameters,
    };
    let facts = Facts { now: Time(DAY_MS), available: vec![Money(0), Money(1_000_000_000)], ..Facts::default() };
    Input { event, terms, state: State { head, slots: Vec::new() }, facts }
}

fn taken(kwh: u64) -> Event {
    let mut bands = [Quantity(0); BANDS];
    bands[0] = Quantity(kwh * KWH);
    let interval = Window { from: Time(0), to: Time(DAY_MS) };
    Event::Segment(Meter(0), Segment { interval, bands, peak: (Quantity(0), 0) })
}

/// What is paid for a day on which so much is taken.
fn paid(kwh: u64) -> Money {
    let done = Contract::act(input(taken(kwh), Vec::new())).unwrap();
    let done = Contract::act(input(Event::Due, done.head.unwrap())).unwrap();
    let paid = done.effects.iter().find_map(|effect| match effect {
        Effect::Pay { amount, .. } => Some(*amount),
        _ => None,
    });
    paid.unwrap()
}

#[test]
fn what_is_taken_is_paid() {
    assert_eq!(paid(25), Money(15_000_000));
}

#[test]
fn a_least_quantity_is_paid_whether_it_is_taken_or_not() {
    assert_eq!(paid(4), Money(6_000_000));
}

#[test]
fn other_events_are_refused() {
    assert_eq!(Contract::act(input(Event::Command(Party::USER, vec![1]), Vec::new())), Err(Fault::UNEXPECTED));
}
