//! What one member's programs use, write and hold is bounded, whatever they answer.

mod world;

use utilidor_ledger::record::{BacklogRecord, FuelRecord, MemberRecord, MeterState};
use utilidor_ledger::{CELL_FUEL, LEDGER_CODES, RETRY_MS};
use utilidor_program_sdk as wire;
use utilidor_program_sdk::Effect;
use utilidor_types::agreement::*;
use utilidor_types::genesis::Limits;
use utilidor_types::program::{Fuel, Publication};
use utilidor_types::refusal::Limited;
use utilidor_types::time::HOUR_MS;
use utilidor_types::*;
use world::puppet::*;
use world::*;

fn used(world: &World, who: &str) -> u64 {
    world.state.read::<FuelRecord>(&member(who)).map_or(0, |record| record.used)
}

#[test]
fn fuel_of_refused_commands_counts_and_runs_out() {
    let mut world = World::with_limits(Limits { daily_fuel: Fuel(100_000), ..Limits::DEFAULT });
    let agreement = signed(&mut world, &Puppet::answering(vec![], vec![]));
    let unfit = || command(agreement, vec![pay(USER, OWNER, 51)]);
    let mut before = used(&world, "alice");
    while before < 100_000 {
        assert_eq!(world.refused("alice", unfit()).code(), "program/unfit-effect");
        let after = used(&world, "alice");
        assert!(after > before, "what is refused has been run");
        before = after;
    }
    assert_eq!(world.refused("alice", unfit()).code(), "program/fuel-spent");
    assert_eq!(used(&world, "alice"), before, "what is not run costs nothing");
    assert!(used(&world, "station") < 100_000, "who asks pays, whoever the contract is with");
}

/// The station proposes the puppet's terms: what alice signs them with.
fn proposed(world: &mut World, called: &str, publication: &Publication) -> Action {
    let terms = terms(world, publication.id());
    let digest = terms.digest();
    let signing_ms = 100 * HOUR_MS as u32;
    world.done("station", Action::ProposeAgreement { label: label(called), terms, signing_ms });
    Action::SignAgreement { agreement: agreement_id(called), terms: digest }
}

#[test]
fn fuel_of_refused_signatures_counts_for_who_signs_and_runs_out() {
    let mut world = World::with_limits(Limits { daily_fuel: Fuel(100_000), ..Limits::DEFAULT });
    let publication = Puppet::answering(vec![pay(USER, OWNER, 51)], vec![]).publication();
    world.done("station", publish(&publication));
    let sign = proposed(&mut world, "a", &publication);
    while used(&world, "alice") < 100_000 {
        let before = used(&world, "alice");
        assert_eq!(world.refused("alice", sign.clone()).code(), "program/unfit-effect");
        assert!(used(&world, "alice") > before, "what is refused has been run");
    }
    let before = used(&world, "alice");
    assert_eq!(world.refused("alice", sign).code(), "program/fuel-spent");
    assert_eq!((used(&world, "alice"), used(&world, "station")), (before, 0));
}

/// The council leaves a member no fuel.
fn without_fuel(world: &mut World, who: &str) {
    let limits = Some(Limits { daily_fuel: Fuel(0), ..Limits::DEFAULT });
    world.done("station", Action::decide(Decision::ChangeLimits { member: member(who), limits }));
}

#[test]
fn who_has_no_fuel_left_has_nothing_run_by_amending_or_ending_what_another_pays_for() {
    let mut world = World::new();
    let bound = Puppet::answering(vec![Effect::Bind(wire::Meter(0))], vec![]);
    let agreement = signed(&mut world, &bound);
    let present = terms(&world, bound.publication().id());
    let Program::Coded(coded) = &present.program else { unreachable!() };
    let program = Program::Coded(CodedTerms { parameters: vec![4].try_into().unwrap(), ..coded.clone() });
    world.done("station", Action::ProposeAmendment { agreement, program: program.clone(), from: world.now });
    let amended = AgreementTerms { program, ..present }.amendment_digest(world.now);
    without_fuel(&mut world, "alice");
    without_fuel(&mut world, "operator");
    let before = used(&world, "station");
    for (who, action) in [
        ("alice", Action::SignAmendment { agreement, terms: amended }),
        ("alice", Action::Terminate { agreement }),
        ("operator", Action::Terminate { agreement }),
    ] {
        assert_eq!(world.refused(who, action).code(), "program/fuel-spent", "{who}");
    }
    assert_eq!(used(&world, "station"), before);
}

#[test]
fn what_is_told_on_the_way_to_a_refusal_counts_for_who_asked_too() {
    let mut world = World::new();
    let agreement = signed(&mut world, &Puppet::answering(vec![Effect::Bind(wire::Meter(0))], vec![]));
    let unfit = || command(agreement, vec![pay(USER, OWNER, 51)]);
    let cost = |world: &mut World| {
        let before = used(world, "alice");
        assert_eq!(world.refused("alice", unfit()).code(), "program/unfit-effect");
        used(world, "alice") - before
    };
    let alone = cost(&mut world);

    // The command reads the meter first, and the program is told what that has brought.
    world.now = at(1, 1, 1);
    world.done("gateway", world.readings("alice/electricity", &[(at(1, 1, 1), KWH)]));
    assert!(cost(&mut world) > alone, "the program has been told, and nothing of it is left");
}

#[test]
fn what_a_program_is_told_waits_for_the_next_day_when_its_owners_quota_is_spent() {
    // The signature alone spends it.
    let mut world = World::with_limits(Limits { daily_fuel: Fuel(1), ..Limits::DEFAULT });
    let mark = Effect::Mark(wire::Meter(0), Some(wire_time(Timestamp(world.now.0 + HOUR_MS))));
    let agreement = signed(&mut world, &Puppet::answering(vec![Effect::Bind(wire::Meter(0)), mark], vec![]));
    let before = used(&world, "station");
    world.now = at(1, 1, 2);
    let events = world.done("gateway", world.readings("alice/electricity", &[(at(1, 1, 2), KWH)]));
    assert!(matches!(&events[0], Event::Certified { count: 1, .. }), "{events:?}");
    assert_eq!(world.state.read::<MeterState>(&meter_id("alice/electricity")).unwrap().last.time, at(1, 1, 2));
    let failed = Event::ProgramFailed { agreement, code: LEDGER_CODES + 14, failures: 1 };
    assert_eq!(events.last(), Some(&failed));
    let has_run = |events: &[Event]| events.iter().any(|event| matches!(event, Event::ProgramRan { .. }));
    assert!(!has_run(&events));
    assert_eq!(used(&world, "station"), before, "what is not run costs nothing");

    // Midnight in UTC is eight o'clock.
    assert_eq!(
        world.pass_to(Timestamp(at(1, 1, 2).0 + RETRY_MS)),
        vec![],
        "it goes on waiting, and nothing is said of that"
    );
    let state = world.agreement(agreement);
    assert_eq!((state.failures, state.called), (1, Some(at(1, 1, 8))));
    let receipts = world.pass_to(at(1, 1, 8));
    assert!(has_run(receipts[0].events()));
    assert_eq!(world.agreement(agreement).failures, 0);
    assert!(world.state.read::<BacklogRecord>(&agreement).is_none());
}

/// A command whose answer fills a slot.
fn filling(agreement: AgreementId, bytes: usize, value: u8) -> Action {
    let slots = vec![(0, Some(vec![value; bytes]))];
    let answer = wire::Answer::Done(wire::Done { slots, ..wire::Done::default() });
    Action::Command { agreement, command: borsh::to_vec(&answer).unwrap().try_into().unwrap() }
}

#[test]
fn what_a_command_writes_counts_in_the_daily_quota() {
    let mut world = World::new();
    let agreement = signed(&mut world, &Puppet::answering(vec![], vec![]));
    // What it costs beside the fuel that its run used.
    let mut cost = |bytes| {
        let before = used(&world, "alice");
        let events = world.done("alice", filling(agreement, bytes, bytes as u8));
        let fuel = events.iter().find_map(|event| match event {
            Event::ProgramRan { fuel, .. } => Some(u64::from(*fuel)),
            _ => None,
        });
        used(&world, "alice") - before - fuel.unwrap()
    };
    assert_eq!(cost(2), 0, "an event that writes little costs its fuel alone");
    // 900 bytes are eight cells, and as many are free; the agreement's state is one more.
    assert_eq!(cost(900), CELL_FUEL);
    let day = Limits::DEFAULT.daily_fuel.0 / CELL_FUEL * 128;
    assert!(day <= 24 * 8 * 1024 * 1024, "no more than the transactions of a day: {day}");
}

#[test]
fn an_owner_keeps_no_more_agreements_on_written_programs_than_its_limit() {
    let mut world = World::with_limits(Limits { written_agreements: 1, ..Limits::DEFAULT });
    let puppet = Puppet::answering(vec![], vec![]);
    signed(&mut world, &puppet);
    let kept = |world: &World| world.state.read::<MemberRecord>(&member("station")).unwrap().kept.written_agreements;
    assert_eq!(kept(&world), 1);
    let terms = terms(&world, puppet.publication().id());
    let digest = terms.digest();
    world.done("station", Action::ProposeAgreement { label: label("b"), terms, signing_ms: 100 * HOUR_MS as u32 });
    let sign = Action::SignAgreement { agreement: agreement_id("b"), terms: digest };
    let refusal = Refusal::LimitReached { what: Limited::WrittenAgreements, max: 1 };
    assert_eq!(world.refused("alice", sign), refusal);

    // It makes room when it leaves the state, with its slots.
    let ends = world.agreement(agreement_id("a")).ends;
    world.pass_to(ends);
    let kept_until = world.agreement(agreement_id("a")).ends;
    assert_eq!(kept(&world), 1, "until then its state is kept");
    world.pass_to(kept_until);
    assert!(!world.has_agreement(agreement_id("a")));
    assert_eq!(kept(&world), 0);
}
