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

fn bands(kwh: u64) -> [Quantity; BANDS] {
    let mut bands = [Quantity(0); BANDS];
    bands[0] = Quantity(kwh * KWH);
    bands
}

/// On the first day.
fn segment(kwh: u64) -> Segment {
    let interval = Window { from: Time(0), to: Time(DAY_MS) };
    Segment { interval, bands: bands(kwh), peak: (Quantity(0), 0) }
}

fn taken(kwh: u64) -> Event {
    Event::Segment(Meter(0), segment(kwh))
}

fn act(event: Event, head: Vec<u8>) -> Done {
    Contract::act(input(event, head)).unwrap()
}

/// What is paid for a day on which so much is taken.
fn paid(kwh: u64) -> Money {
    paid_after(&[taken(kwh)])
}

/// What is paid for the first day after these events.
fn paid_after(events: &[Event]) -> Money {
    let head = events.iter().fold(Vec::new(), |head, event| act(event.clone(), head).head.unwrap());
    let done = act(Event::Due, head);
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
fn what_the_operator_puts_right_before_the_settlement_is_on_the_bill() {
    let corrected = Event::Corrected(Meter(0), segment(2), bands(5));
    assert_eq!(paid_after(&[taken(25), corrected]), Money(13_200_000), "22 kWh");
}

#[test]
fn what_is_put_right_after_the_settlement_counts_in_the_next_period() {
    let head = act(Event::Due, act(taken(25), Vec::new()).head.unwrap()).head.unwrap();
    let second = Segment { interval: Window { from: Time(DAY_MS), to: Time(2 * DAY_MS) }, ..segment(20) };
    let head = act(Event::Segment(Meter(0), second), head).head.unwrap();
    let done = act(Event::Corrected(Meter(0), segment(0), bands(5)), head);
    assert!(done.effects.is_empty(), "no mark in the past");
    let paid = act(Event::Due, done.head.unwrap());
    assert!(paid.effects.iter().any(|effect| matches!(effect, Effect::Pay { amount: Money(9_000_000), .. })), "15 kWh");
}

#[test]
fn what_a_purchase_gives_back_is_on_the_bill_and_sets_no_mark_in_the_past() {
    assert_eq!(paid_after(&[taken(20), Event::Returned(Meter(0), segment(5))]), Money(15_000_000));
    assert!(act(Event::Returned(Meter(0), segment(5)), Vec::new()).effects.is_empty());
}

#[test]
fn other_events_are_refused() {
    assert_eq!(Contract::act(input(Event::Command(Party::USER, vec![1]), Vec::new())), Err(Fault::UNEXPECTED));
}
