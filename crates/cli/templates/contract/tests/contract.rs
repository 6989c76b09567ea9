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

fn taken_on_the_second_day(kwh: u64) -> Event {
    let interval = Window { from: Time(DAY_MS), to: Time(2 * DAY_MS) };
    Event::Segment(Meter(0), Segment { interval, ..segment(kwh) })
}

fn act(event: Event, head: Vec<u8>) -> Done {
    Contract::act(input(event, head)).unwrap()
}

/// What is paid for a day on which so much is taken.
fn paid(kwh: u64) -> Money {
    paid_after(&[taken(kwh)])
}

/// The head after these events.
fn after(events: &[Event]) -> Vec<u8> {
    events.iter().fold(Vec::new(), |head, event| act(event.clone(), head).head.unwrap())
}

/// What the user pays at the settlement that follows these events.
fn paid_after(events: &[Event]) -> Money {
    let done = act(Event::Due, after(events));
    let paid = done.effects.iter().find_map(|effect| match effect {
        Effect::Pay { from: Party::USER, amount, .. } => Some(*amount),
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
fn what_is_put_right_after_the_settlement_counts_in_the_next_period_whatever_came_before_it() {
    let second = taken_on_the_second_day(20);
    let corrected = Event::Corrected(Meter(0), segment(0), bands(5));
    for next in [[second.clone(), corrected.clone()], [corrected.clone(), second]] {
        let events = [&[taken(25), Event::Due], &next[..]].concat();
        assert_eq!(paid_after(&events), Money(9_000_000), "15 kWh");
    }
    let settled = after(&[taken(25), Event::Due]);
    assert!(act(corrected, settled).effects.is_empty(), "no mark in the past");
}

#[test]
fn what_comes_after_the_last_settlement_is_settled_by_a_supplement_a_day_later() {
    let late = act(taken_on_the_second_day(25), after(&[Event::Due, Event::Due]));
    assert_eq!(late.effects, [Effect::Schedule(Time(2 * DAY_MS))]);
    let supplement = act(Event::Due, late.head.unwrap());
    let pays = |from, amount| {
        let to = if from == Party::USER { Party::OWNER } else { Party::USER };
        Effect::Pay { from, source: Source::Allowance, to, amount: Money(amount) }
    };
    assert_eq!(supplement.effects[0], pays(Party::USER, 9_000_000), "25 kWh, less the least 10 that are paid already");
    assert!(matches!(&supplement.effects[1], Effect::Issue(statement) if statement.closing == Closing::Supplement));

    let corrected = Event::Corrected(Meter(0), segment(0), bands(20));
    let back = act(Event::Due, act(corrected, supplement.head.unwrap()).head.unwrap());
    assert_eq!(back.effects[0], pays(Party::OWNER, 9_000_000), "5 kWh are less than the least");
}

#[test]
fn what_cannot_be_paid_is_owed_and_makes_the_end_a_default() {
    let end = |kwh| {
        let done = act(Event::Due, after(&[Event::Due, taken_on_the_second_day(kwh)]));
        let owed = done.effects.iter().any(|effect| matches!(effect, Effect::Owe(_)));
        (owed, done.effects.last().cloned())
    };
    assert_eq!(end(20), (false, Some(Effect::Finish(End::Settled))));
    assert_eq!(end(2_000), (true, Some(Effect::Finish(End::Defaulted))), "1,200 of a thousand");
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
