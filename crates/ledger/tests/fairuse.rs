//! What one member's programs use, write and hold is bounded, whatever they answer.

mod world;

use utilidor_ledger::record::{FuelRecord, MemberRecord};
use utilidor_ledger::{CELL_FUEL, FREE_CELLS};
use utilidor_program_sdk as wire;
use utilidor_types::genesis::Limits;
use utilidor_types::program::Fuel;
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
    let mut cost = |bytes| {
        let before = used(&world, "alice");
        world.done("alice", filling(agreement, bytes, bytes as u8));
        used(&world, "alice") - before
    };
    cost(1);
    let (little, much) = (cost(2), cost(900));
    assert!(little < CELL_FUEL, "an event that writes little costs its fuel alone: {little}");
    // 900 bytes are eight cells; with the agreement's own some of them are free.
    assert!(much > little && much < little + 8 * CELL_FUEL + 10_000, "{much}");
    let day = Limits::DEFAULT.daily_fuel.0 / CELL_FUEL * 128;
    assert!(day <= 24 * 8 * 1024 * 1024, "no more than the transactions of a day: {day}");
    assert_eq!(FREE_CELLS, 8);
}

#[test]
fn an_owner_keeps_no_more_agreements_on_written_programs_than_its_limit() {
    let mut world = World::with_limits(Limits { contracts: 1, ..Limits::DEFAULT });
    let puppet = Puppet::answering(vec![], vec![]);
    signed(&mut world, &puppet);
    let kept = |world: &World| world.state.read::<MemberRecord>(&member("station")).unwrap().kept.contracts;
    assert_eq!(kept(&world), 1);
    let terms = terms(&world, puppet.publication().id());
    let digest = terms.digest();
    world.done("station", Action::ProposeAgreement { label: label("b"), terms, signing_ms: 100 * HOUR_MS as u32 });
    let sign = Action::SignAgreement { agreement: agreement_id("b"), terms: digest };
    let refusal = Refusal::LimitReached { what: Limited::Contracts, max: 1 };
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
