//! What one member does cannot stop the others' readings, offers or calendar: neither the program that a meter tells, nor a list
//! that others have prepared for, nor what was withdrawn.

mod world;

use utilidor_ledger::record::{BacklogRecord, DueBucket, MeterState};
use utilidor_ledger::{LEDGER_CODES, Outcome, RETRY_MS};
use utilidor_program::wasm;
use utilidor_program_sdk as wire;
use utilidor_program_sdk::Effect;
use utilidor_types::agreement::*;
use utilidor_types::program::*;
use utilidor_types::time::{DAY_MS, HOUR_MS};
use utilidor_types::*;
use world::puppet::*;
use world::*;

const QUARTER_MS: u64 = HOUR_MS / 4;
/// Passes within which all of these are done.
const FEW_PASSES: u32 = 12;
const METER: &str = "alice/electricity";

/// A program that answers `signed` first, and at each segment what `told` says with some numbers put in: `fill` does that in its code,
/// where `$at` is where the answer stands and `$to` the segment's end.
fn publication(signed: Vec<Effect>, told: Vec<Effect>, fill: impl Fn(usize) -> String) -> Publication {
    let data = |place: u32, bytes: &[u8]| {
        let text: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
        format!(r#"(data (i32.const {place}) "{text}")"#)
    };
    let answers = [(131_072, done(signed)), (139_264, done(told)), (147_456, done(vec![]))];
    let segments: String = answers.iter().map(|(place, bytes)| data(*place, bytes)).collect();
    let fill = fill(139_264 + answers[1].1.len());
    let [signed, told, other] = answers.map(|(place, bytes)| u64::from(place) << 32 | bytes.len() as u64);
    // The first byte of the input is the event's number: 0 signed, 1 a segment with its binding, its begin and its end.
    let text = format!(
        r#"(module (memory (export "memory") 3) (global (export "buffer") i32 (i32.const 0)) {segments}
           (func (export "act") (param i32) (result i64) (local $event i32) (local $to i64)
             (local.set $event (i32.load8_u (i32.const 0)))
             (local.set $to (i64.load (i32.const 10)))
             (if (i32.eqz (local.get $event)) (then (return (i64.const {signed}))))
             (if (i32.eq (local.get $event) (i32.const 1)) (then {fill} (return (i64.const {told}))))
             (i64.const {other})))"#,
    );
    let code = Code::new(wat::parse_str(text).unwrap()).unwrap();
    let manifest = Manifest { name: Text::new("told").unwrap(), ..Manifest::default() };
    Publication { engine: wasm::ENGINE, code, manifest }
}

/// Stores what comes `ms` after the segment's end at a place.
fn store_later(place: usize, ms: u64) -> String {
    format!("(i64.store (i32.const {place}) (i64.add (local.get $to) (i64.const {ms})))")
}

fn meter_of(number: u8) -> String {
    if number == 0 { METER.into() } else { format!("alice/{number}") }
}

/// Alice and the station sign an agreement on a program over so many of alice's meters.
fn signed_over(world: &mut World, publication: &Publication, meters: u8) -> AgreementId {
    for number in 1..meters {
        let meter = Meter { label: label(&meter_of(number)), ..world.meter("alice", Carrier::Electricity) };
        world.done("operator", Action::RegisterMeter(meter));
    }
    world.done("station", publish(publication));
    let mut terms = terms(world, publication.id());
    let Program::Coded(coded) = &mut terms.program else { unreachable!() };
    let first = coded.meters[0].clone();
    let metered = (0..meters).map(|number| CodedMeter { meter: meter_id(&meter_of(number)), ..first.clone() });
    coded.meters = metered.collect::<Vec<_>>().try_into().unwrap();
    let digest = terms.digest();
    world.done("station", Action::ProposeAgreement { label: label("a"), terms, signing_ms: 1_000 });
    world.done("alice", Action::SignAgreement { agreement: agreement_id("a"), terms: digest });
    agreement_id("a")
}

/// A gateway's batch of the meters of alice and bob at one time: both are certified.
fn both_are_read(world: &mut World, at: Timestamp) -> Vec<Event> {
    world.now = at;
    let both = [METER, "bob/electricity"].map(|meter| world.readings(meter, &[(at, 1)]));
    let runs = both.into_iter().flat_map(|action| match action {
        Action::RecordReadings { runs } => runs.into_vec(),
        _ => unreachable!("a batch of readings"),
    });
    let action = Action::RecordReadings { runs: runs.collect::<Vec<_>>().try_into().unwrap() };
    let events = world.done("gateway", action);
    assert!(matches!(&events[0], Event::Certified { count: 2, refused, .. } if refused.is_empty()), "{:?}", events[0]);
    let state: MeterState = world.state.read(&meter_id(METER)).unwrap();
    assert_eq!(state.last.time, at);
    assert!(world.state.passes() <= FEW_PASSES, "{} passes", world.state.passes());
    events
}

fn later(time: Timestamp, ms: u64) -> Timestamp {
    Timestamp(time.0 + ms)
}

#[test]
fn a_program_that_schedules_another_second_at_each_mark_stops_no_reading() {
    let mut world = World::new();
    let first = Effect::Mark(wire::Meter(0), Some(wire_time(later(world.now, QUARTER_MS))));
    let told = vec![Effect::Mark(wire::Meter(0), Some(wire::Time(0))), Effect::Schedule(wire::Time(0))];
    let publication = publication(vec![Effect::Bind(wire::Meter(0)), first], told, |end| {
        store_later(end - 17, QUARTER_MS) + &store_later(end - 8, 40 * HOUR_MS)
    });
    let agreement = signed_over(&mut world, &publication, 1);
    let cells = world.state.cells().len();
    for hours in [1, 24, 30] {
        let at = at(1, 1, hours);
        both_are_read(&mut world, at);
        let state = world.agreement(agreement);
        assert_eq!((state.failures, state.called), (0, Some(later(at, 40 * HOUR_MS))), "the last one counts");
        assert_eq!(world.block(vec![]).next_due, state.called, "and no other one is kept");
    }
    assert!(world.state.cells().len() <= cells + 8, "{} cells more", world.state.cells().len() - cells);
}

#[test]
fn a_program_that_misses_another_record_at_each_mark_is_told_later_and_stops_no_reading() {
    let mut world = World::new();
    let first = Effect::Mark(wire::Meter(0), Some(wire_time(later(world.now, QUARTER_MS))));
    let signing = (0..16).map(|number| Effect::Bind(wire::Meter(number))).chain([first]).collect();
    let mark = |meter| Effect::Mark(wire::Meter(meter), Some(wire::Time(0)));
    // At each mark it sets the next one, and one of another meter.
    let publication = publication(signing, vec![mark(0), mark(1)], |end| {
        let other = "(i32.add (i32.const 1) (i32.wrap_i64 (i64.rem_u \
                     (i64.div_u (local.get $to) (i64.const 900000)) (i64.const 15))))";
        store_later(end - 19, QUARTER_MS)
            + &store_later(end - 8, 2 * DAY_MS)
            + &format!("(i32.store8 (i32.const {}) {other})", end - 10)
    });
    let agreement = signed_over(&mut world, &publication, 16);
    let at = at(1, 1, 23);
    let events = both_are_read(&mut world, at);
    let code = LEDGER_CODES + 16;
    assert!(events.contains(&Event::ProgramFailed { agreement, code, failures: 1 }), "it is told later");
    assert!(world.state.read::<BacklogRecord>(&agreement).is_some());
    world.pass_to(later(at, RETRY_MS));
    assert_eq!(world.agreement(agreement).failures, 0, "what it missed is told to it an hour later");
    assert!(world.state.read::<BacklogRecord>(&agreement).is_none());
}

/// Offers of an owner, one for each hour.
fn hourly(world: &World, name: &str, count: u64) -> Vec<Offer> {
    let offer = |hour| Offer { lapses: at(1, 6, hour), ..world.offer(&format!("{name} {hour}")) };
    (0..count).map(offer).collect()
}

fn publish_all(offers: &[Offer]) -> Action {
    Action::PublishOffers { offers: offers.to_vec().try_into().unwrap() }
}

#[test]
fn a_list_of_offers_is_published_whatever_lapses_at_the_same_times_already() {
    let mut world = World::new();
    for count in [1, 8, 32] {
        for (round, owner) in ["station", "roof", "station"].into_iter().enumerate() {
            let offers = hourly(&world, &format!("{count} {round}"), count);
            world.done(owner, publish_all(&offers));
            assert!(world.state.passes() <= FEW_PASSES, "{} passes", world.state.passes());
        }
    }
}

fn withdraw(owner: &str, offer: &Offer) -> Action {
    Action::WithdrawOffer { offer: OfferId::of(account(owner), offer.label) }
}

#[test]
fn what_is_withdrawn_leaves_nothing_in_the_state() {
    let mut world = World::new();
    world.done("station", publish_all(&hourly(&world, "kept", 1)));
    let cells = world.state.cells().len();
    let mut outcome: Option<Outcome> = None;
    for round in 0..3 {
        let mut offers = hourly(&world, &format!("{round}"), 24);
        let later = Offer {
            window: Window { from: at(12, 1, 0), to: at(12, 2, 0) },
            lapses: at(11, 1, 0),
            ..offers[0].clone()
        };
        offers.push(Offer { label: label(&format!("late {round}")), ..later });
        world.done("station", publish_all(&offers));
        let transactions = offers.iter().map(|offer| world.sign("station", withdraw("station", offer))).collect();
        outcome = Some(world.block(transactions));
    }
    assert_eq!(world.state.cells().len(), cells);
    let kept = Some(at(1, 6, 0));
    assert_eq!(outcome.and_then(|outcome| outcome.next_due), kept);
    world.done("station", withdraw("station", &hourly(&world, "kept", 1)[0]));
    assert_eq!(world.block(vec![]).next_due, None, "nothing is due at a time at which nothing is to be done");
}

#[test]
fn who_stays_in_a_second_is_called_in_order_whoever_has_left_it() {
    for kept in 0..20u64 {
        let mut world = World::new();
        let cells = world.state.cells().len();
        let lapses = at(1, 6, 0);
        let offers: Vec<_> = (0..20).map(|number| Offer { lapses, ..world.offer(&number.to_string()) }).collect();
        world.done("station", publish_all(&offers));
        for (number, offer) in (0..).zip(&offers) {
            if number % 20 != kept && number != 19 {
                world.done("station", withdraw("station", offer));
            }
        }
        world.done("station", Action::publish_offer(Offer { lapses, ..world.offer("last") }));
        let receipts = world.pass_to(lapses);
        let lapsed: Vec<_> = receipts.iter().flat_map(Receipt::events).cloned().collect();
        let mut names: Vec<String> = [kept, 19].map(|number| number.to_string()).into();
        names.dedup();
        names.push("last".into());
        let expected: Vec<_> = names.iter().map(|name| Event::OfferLapsed { offer: offer_id(name) }).collect();
        assert_eq!(lapsed, expected);
        assert_eq!(world.state.cells().len(), cells);
        let second = (lapses.0 / 1_000) as u32;
        assert!(world.state.read::<DueBucket>(&second).is_none());
        assert_eq!(world.block(vec![]).next_due, None);
    }
}

#[test]
fn a_program_that_schedules_another_time_leaves_the_one_before() {
    let mut world = World::new();
    let agreement = signed(&mut world, &Puppet::answering(vec![], vec![]));
    let schedule = |world: &World, hours| vec![Effect::Schedule(wire_time(later(world.now, hours * HOUR_MS)))];
    let effects = schedule(&world, 1);
    world.done("alice", command(agreement, effects));
    let cells = world.state.cells().len();
    for hours in 2..40 {
        let effects = schedule(&world, hours);
        world.done("alice", command(agreement, effects));
        assert_eq!(world.block(vec![]).next_due, Some(later(world.now, hours * HOUR_MS)));
        assert!(world.state.cells().len() <= cells + 1, "{} cells more", world.state.cells().len() - cells);
    }
}

#[test]
fn what_is_declined_leaves_the_calendar() {
    let mut world = World::new();
    let publication = Puppet::answering(vec![], vec![]).publication();
    world.done("station", publish(&publication));
    let cells = world.state.cells().len();
    let terms = terms(&world, publication.id());
    world.done("station", Action::ProposeAgreement { label: label("a"), terms, signing_ms: 90_000 });
    world.done("alice", Action::DeclineAgreement { agreement: agreement_id("a") });
    assert_eq!((world.state.cells().len(), world.block(vec![]).next_due), (cells, None));
}
