//! Grants that renew, in a play without a ledger: what counts is what the ledger counts (`crates/ledger/src/money.rs`).

use utilidor_program::coded::Native;
use utilidor_program::host::{Host, Setting};
use utilidor_program_sdk as wire;
use utilidor_types::agreement::{AgreementTerms, Party, Program};
use utilidor_types::time::{DAY_MS, HOUR_MS};
use utilidor_types::{Carrier, Money, Timestamp, Window};

const DEPOSIT: wire::Purpose = wire::Purpose::Deposit;

/// Pays the owner so many units by each command: a source, then the amount; what comes from a pot is reserved first.
fn paying(input: &[u8]) -> Vec<u8> {
    let input: wire::Input = borsh::from_slice(input).unwrap();
    let wire::Event::Command(_, bytes) = input.event else {
        return borsh::to_vec(&wire::Answer::Done(wire::Done::default())).unwrap();
    };
    let (user, amount) = (wire::Party::USER, wire::Money(u64::from(bytes[1]) * 1_000_000));
    let pay = |source| wire::Effect::Pay { from: user, source, to: wire::Party::OWNER, amount };
    let mut effects = match bytes[0] {
        b'a' => vec![pay(wire::Source::Allowance)],
        _ => vec![wire::Effect::Reserve(user, DEPOSIT, amount), pay(wire::Source::Pot(DEPOSIT))],
    };
    let period = wire::Window { from: wire::Time(0), to: input.facts.now };
    let line = wire::Line {
        clause: 0,
        period,
        carrier: None,
        quantity: wire::Quantity(0),
        price: None,
        from: user,
        to: wire::Party::OWNER,
        amount,
    };
    let closing = wire::Closing::Period;
    effects.push(wire::Effect::Issue(wire::Statement { closing, period, lines: vec![line], substituted: false }));
    borsh::to_vec(&wire::Answer::Done(wire::Done { effects, ..wire::Done::default() })).unwrap()
}

/// A user that grants 100 to be reserved and 100 to be taken.
fn terms(renews: bool) -> AgreementTerms {
    let hundred = Money::units(100);
    let hard_end = Timestamp(365 * DAY_MS);
    let setting = Setting {
        parties: 2,
        grants: vec![(Party::USER, hundred, hundred)],
        meters: vec![(Carrier::Electricity, Party::USER)],
        window: Window { from: Timestamp(0), to: hard_end },
        parameters: Vec::new(),
        hard_end,
    };
    let mut terms = setting.terms().unwrap();
    let Program::Coded(coded) = &mut terms.program else { unreachable!() };
    coded.grants.as_mut_slice()[0].renews = renews;
    terms
}

/// Pays at hours, and says whether each was done.
fn paid(renews: bool, source: u8, amounts: &[(u64, u8)]) -> Vec<bool> {
    let mut host = Host::new(Native(paying), terms(renews), Money::units(10_000), Timestamp(0));
    host.sign().unwrap();
    let mut pay = |&(hours, amount): &(u64, u8)| {
        host.pass_to(Timestamp(hours * HOUR_MS));
        host.command(Party::USER, &[source, amount]).is_ok()
    };
    amounts.iter().map(&mut pay).collect()
}

#[test]
fn a_grant_that_renews_gives_again_thirty_days_after_what_was_taken_first() {
    for source in *b"ap" {
        let month = 30 * 24;
        let amounts = [(5, 60), (6, 41), (4 + month, 41), (5 + month, 100), (6 + month, 1), (5 + 2 * month, 1)];
        assert_eq!(paid(true, source, &amounts), [true, false, false, true, false, true], "{}", char::from(source));
    }
}

#[test]
fn a_grant_that_does_not_renew_gives_once() {
    for source in *b"ap" {
        let amounts = [(5, 60), (24 * 90, 41), (24 * 91, 40)];
        assert_eq!(paid(false, source, &amounts), [true, false, true], "{}", char::from(source));
    }
}

#[test]
fn nothing_taken_begins_no_period() {
    let month = 30 * 24;
    assert_eq!(paid(true, b'a', &[(0, 0), (24, 100), (month, 100), (month + 24, 100)]), [true, true, false, true]);
}
