//! What a play without a ledger tells of a meter that was read before its window began: what the ledger tells, whose marks are the
//! window's begin and end as well (`crates/ledger/src/segment.rs`).

use utilidor_program::Event;
use utilidor_program::coded::Native;
use utilidor_program::host::{Host, Setting};
use utilidor_program_sdk as wire;
use utilidor_types::agreement::Party;
use utilidor_types::time::{DAY_MS, HOUR_MS};
use utilidor_types::{Carrier, Money, Quantity, Timestamp, Window};

/// Binds its meter when it is signed, sets a mark a day after its window's begin, and wants to know of 10 J. A command ends it.
fn marking(input: &[u8]) -> Vec<u8> {
    let input: wire::Input = borsh::from_slice(input).unwrap();
    let meter = wire::Meter(0);
    let at = wire::Time(input.terms.meters[0].window.from.0 + DAY_MS);
    let effects = match input.event {
        wire::Event::Signed => vec![
            wire::Effect::Bind(meter),
            wire::Effect::Mark(meter, Some(at)),
            wire::Effect::Level(meter, Some(wire::Quantity(10))),
        ],
        wire::Event::Command(..) => vec![wire::Effect::Finish(wire::End::Settled)],
        _ => Vec::new(),
    };
    borsh::to_vec(&wire::Answer::Done(wire::Done { effects, ..wire::Done::default() })).unwrap()
}

/// Signed at an hour, with a window from 48 hours to 96.
fn signed(hour: u64, before: &[(u64, u64)]) -> Host<Native> {
    let setting = Setting {
        parties: 2,
        grants: Vec::new(),
        meters: vec![(Carrier::Electricity, Party::USER)],
        window: Window { from: Timestamp(48 * HOUR_MS), to: Timestamp(96 * HOUR_MS) },
        parameters: Vec::new(),
        hard_end: Timestamp(200 * HOUR_MS),
    };
    let mut host = Host::new(Native(marking), setting.terms().unwrap(), Money::units(1), Timestamp(0));
    read(&mut host, before);
    host.pass_to(Timestamp(hour * HOUR_MS));
    host.sign().unwrap();
    host
}

/// Reads the meter at hours.
fn read(host: &mut Host<Native>, readings: &[(u64, u64)]) {
    for &(hour, register) in readings {
        host.reading(0, Timestamp(hour * HOUR_MS), Quantity(register)).unwrap();
    }
}

/// The segments that were told: hours, quantity, and whether they had a demand.
fn segments(host: &Host<Native>) -> Vec<(u64, u64, u64, bool)> {
    let told = host.acted().iter().filter_map(|acted| match &acted.told {
        Event::Segment { segment, .. } => {
            let Window { from, to } = segment.interval;
            Some((from.0 / HOUR_MS, to.0 / HOUR_MS, segment.bands.0[0].0, segment.peak.1 > 0))
        }
        _ => None,
    });
    told.collect()
}

#[test]
fn what_flowed_before_the_window_is_nobodys() {
    let mut host = signed(0, &[]);
    // A demand of before the window, a level that would be reached, and an interval over the begin.
    read(&mut host, &[(0, 0), (1, 400), (36, 400), (60, 424), (72, 450), (96, 460), (100, 999)]);
    assert_eq!(segments(&host), [(48, 72, 38, false), (72, 96, 10, false)]);
    let levels: Vec<u64> =
        host.acted().iter().filter(|acted| matches!(acted.told, Event::Level { .. })).map(|acted| acted.at.0).collect();
    assert_eq!(levels, [60 * HOUR_MS], "12 J since the begin");
}

#[test]
fn what_flowed_before_the_signature_is_nobodys_either() {
    let mut host = signed(54, &[(0, 0), (42, 42)]);
    read(&mut host, &[(66, 66), (78, 78)]);
    assert_eq!(segments(&host), [(54, 72, 18, false)]);
}

#[test]
fn who_asks_before_the_window_is_told_of_no_segment() {
    let mut host = signed(0, &[]);
    read(&mut host, &[(0, 0), (24, 100)]);
    host.terminate(Party::USER, false).unwrap();
    assert_eq!(segments(&host), []);
    read(&mut host, &[(72, 148)]);
    assert_eq!(segments(&host), [(48, 72, 24, false)]);
}

#[test]
fn what_has_ended_is_told_of_what_comes_late_until_its_hard_end() {
    for (arrives, told) in [(120, vec![(48, 72, 24, false), (72, 96, 24, false)]), (200, vec![])] {
        let mut host = signed(0, &[]);
        read(&mut host, &[(0, 0)]);
        host.pass_to(Timestamp(100 * HOUR_MS));
        host.command(Party::USER, &[1]).unwrap();
        assert!(host.ended().is_some());
        host.pass_to(Timestamp(arrives * HOUR_MS));
        read(&mut host, &[(96, 96)]);
        assert_eq!(segments(&host), told, "at {arrives} hours");
    }
}
