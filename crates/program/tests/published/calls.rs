//! When a program's own time comes to it in a play without a ledger.

use utilidor_program::coded::Native;
use utilidor_program::host::{Host, MAX_CALLS, Setting};
use utilidor_program_sdk as wire;
use utilidor_types::time::{DAY_MS, SECOND_MS};
use utilidor_types::{Carrier, Money, Timestamp, Window};

/// Asks to be called a millisecond later, always.
fn restless(input: &[u8]) -> Vec<u8> {
    let input: wire::Input = borsh::from_slice(input).unwrap();
    let again = wire::Effect::Schedule(wire::Time(input.facts.now.0 + 1));
    borsh::to_vec(&wire::Answer::Done(wire::Done { effects: vec![again], ..wire::Done::default() })).unwrap()
}

fn played(hard_end: Timestamp) -> Host<Native> {
    let setting = Setting {
        parties: 2,
        grants: Vec::new(),
        meters: vec![(Carrier::Electricity, utilidor_types::agreement::Party::USER)],
        window: Window { from: Timestamp(0), to: hard_end },
        parameters: Vec::new(),
        hard_end,
    };
    let mut host = Host::new(Native(restless), setting.terms().unwrap(), Money::units(1), Timestamp(0));
    host.sign().unwrap();
    host.pass_to(hard_end);
    host
}

#[test]
fn a_program_is_called_at_whole_seconds_as_on_the_ledger() {
    let host = played(Timestamp(10 * SECOND_MS));
    let at: Vec<u64> = host.acted().iter().map(|acted| acted.at.0).collect();
    assert_eq!(at, (0..10).map(|second| second * SECOND_MS).collect::<Vec<u64>>(), "signed, then each second");
}

#[test]
fn a_program_that_calls_itself_again_and_again_does_not_hold_a_play_up() {
    let host = played(Timestamp(400 * DAY_MS));
    assert_eq!(host.acted().len(), 2 + MAX_CALLS as usize);
    assert!(host.acted().last().is_some_and(|acted| acted.answer.is_err()), "the play says so");
    assert!(host.ended().is_some(), "its hard end comes");
}
