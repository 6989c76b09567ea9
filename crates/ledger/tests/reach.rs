//! How far a published program reaches: meters that serve it and no others, until its agreement is over; money until the hard end that
//! all have signed.

mod world;

use utilidor_ledger::meter_record::MeterBindings;
use utilidor_program_sdk::{self as wire, Effect};
use utilidor_types::agreement::*;
use utilidor_types::program::*;
use utilidor_types::time::{DAY_MS, HOUR_MS};
use utilidor_types::*;
use world::puppet::*;
use world::*;

const ELECTRICITY: Carrier = Carrier::Electricity;

fn propose(world: &mut World, puppet: &Puppet, change: impl FnOnce(&mut CodedTerms)) -> AgreementId {
    let publication = puppet.publication();
    world.done("station", publish(&publication));
    let mut terms = terms(world, publication.id());
    let Program::Coded(coded) = &mut terms.program else { unreachable!() };
    change(coded);
    let digest = terms.digest();
    world.done("station", Action::ProposeAgreement { label: label("a"), terms, signing_ms: 1_000 });
    world.done("alice", Action::SignAgreement { agreement: agreement_id("a"), terms: digest });
    agreement_id("a")
}

#[test]
fn a_strangers_meter_that_terms_name_is_not_read() {
    let mut world = World::new();
    world.done("station", Action::PublishPackage(world.package(1)));
    let subscription = world.subscription(vec![world.service("bob", ELECTRICITY, 0)]);
    world.done("bob", subscription);
    let agreement = propose(&mut world, &Puppet::answering(vec![], vec![]), |coded| {
        coded.meters.as_mut_slice()[0].meter = meter_id("bob/electricity");
    });
    world.now.0 += HOUR_MS;
    world.done("gateway", world.readings("bob/electricity", &[(world.now, 5 * KWH)]));
    let before: Option<MeterBindings> = world.state.read(&meter_id("bob/electricity"));
    let events = world.done("alice", command(agreement, vec![]));
    assert!(matches!(events[..], [Event::ProgramRan { .. }]), "{events:?}");
    assert_eq!(world.state.read::<MeterBindings>(&meter_id("bob/electricity")), before);
}

#[test]
fn a_contract_that_ends_lets_go_of_its_meters_and_of_the_hours_that_it_has_sold() {
    for metered in [Metered::Rest, Metered::Fill(Quantity(100 * KWH))] {
        let mut world = World::new();
        let ends = vec![Effect::Bind(wire::Meter(0)), Effect::Finish(wire::End::Settled)];
        let tomorrow = Timestamp(world.now.0 + DAY_MS);
        propose(&mut world, &Puppet::answering(ends, vec![]), |coded| {
            let meter = &mut coded.meters.as_mut_slice()[0];
            (meter.metered, meter.window) = (metered, Window { from: tomorrow, to: Timestamp(tomorrow.0 + DAY_MS) });
        });
        assert_eq!(world.status("a"), Status::Settled);
        world.done("operator", Action::RetireMeter { meter: meter_id("alice/electricity") });
        let day = (tomorrow.0 / DAY_MS) as u32;
        let sold: Option<utilidor_ledger::record::SoldDay> = world.state.read(&(account("station"), ELECTRICITY, day));
        assert_eq!(sold, None, "{metered:?}");
    }
}

#[test]
fn nothing_is_taken_after_the_hard_end_whatever_is_still_owed() {
    for owed in [0, 7] {
        let mut world = World::new();
        let after_hard_end = wire_time(Timestamp(world.now.0 + 4 * DAY_MS));
        let mut ends = vec![Effect::Finish(wire::End::Defaulted), Effect::Schedule(after_hard_end)];
        if owed > 0 {
            ends.push(Effect::Owe(money(owed)));
        }
        let agreement = signed(&mut world, &Puppet::answering(ends, vec![pay(USER, OWNER, 10)]));
        let before = world.balance("alice");
        for day in 1..8 {
            world.pass_to(Timestamp(world.now.0 + DAY_MS));
            assert_eq!(world.balance("alice"), before, "on day {day} with {owed} owed");
        }
        if owed > 0 {
            assert_eq!(world.agreement(agreement).debt, Money::units(owed));
            world.done("alice", Action::PayDebt { agreement, amount: Money::units(owed) });
        }
        world.pass_to(Timestamp(world.now.0 + 60 * DAY_MS));
        assert!(!world.has_agreement(agreement), "it is forgotten in the end");
    }
}

#[test]
fn an_amendment_keeps_the_meters_at_their_places_and_can_add_more() {
    let mut world = World::new();
    let puppet = Puppet::answering(vec![], vec![]);
    let agreement = signed(&mut world, &puppet);
    let Program::Coded(present) = terms(&world, puppet.publication().id()).program else { unreachable!() };
    let first = present.meters[0];
    let second = CodedMeter { meter: meter_id("alice/heating"), carrier: Carrier::Heating, ..first };
    let amended = |meters: Vec<CodedMeter>| {
        let program = Program::Coded(CodedTerms { meters: meters.try_into().unwrap(), ..present.clone() });
        Action::ProposeAmendment { agreement, program, from: Timestamp(0) }
    };
    for meters in [vec![], vec![second], vec![second, first]] {
        assert_eq!(world.refused("alice", amended(meters)).code(), "program/bad-reach");
    }
    world.done("alice", amended(vec![first, second]));
}

fn owe(units: u64) -> Effect {
    Effect::Owe(money(units))
}

#[test]
fn a_program_cannot_let_its_user_owe_more_than_the_user_has_granted() {
    let mut world = World::new();
    let agreement = signed(&mut world, &Puppet::answering(vec![], vec![owe(4_600_000_000_000)]));
    // Alice has granted 100 to be reserved and 50 to be taken, once.
    for much in [vec![owe(151)], vec![owe(150), Effect::Owe(wire::Money(1))], vec![Effect::Owe(wire::Money(u64::MAX))]]
    {
        let refusal = world.refused("station", command(agreement, much));
        assert_eq!(refusal, Refusal::ProgramFault { code: 0x7004 });
    }
    world.done("station", command(agreement, vec![owe(150)]));
    assert_eq!(world.refused("station", command(agreement, vec![owe(1)])), Refusal::ProgramFault { code: 0x7004 });
    // What was to be owed out of nothing moves nothing at its time either.
    let hour = Timestamp(world.now.0 + HOUR_MS);
    world.done("station", command(agreement, vec![Effect::Schedule(wire_time(hour))]));
    world.pass_to(hour);
    assert_eq!(world.agreement(agreement).debt, Money::units(150));
    // Once it has failed, it is told nothing for an hour; what is owed can be paid at any time.
    world.done("alice", Action::PayDebt { agreement, amount: Money::units(150) });
    assert_eq!(world.agreement(agreement).debt, Money::ZERO);
}

#[test]
fn a_user_that_has_granted_nothing_owes_nothing() {
    let mut world = World::new();
    let agreement = propose(&mut world, &Puppet::answering(vec![], vec![]), |coded| {
        coded.grants.retain(|grant| grant.party == Party::OWNER);
    });
    let owes = command(agreement, vec![Effect::Owe(wire::Money(1))]);
    assert_eq!(world.refused("station", owes), Refusal::ProgramFault { code: 0x7004 });
    world.done("station", command(agreement, vec![Effect::Owe(wire::Money(0))]));
}

#[test]
fn a_debt_out_of_all_proportion_keeps_no_other_agreement_of_the_same_two_from_settling() {
    let mut world = World::new();
    world.trade("alice");
    // Both have signed that there is no bound; beyond what they all could owe, nothing could be added any more.
    let agreement = propose(&mut world, &Puppet::answering(vec![], vec![]), |coded| {
        coded.grants.as_mut_slice()[1].reserve = Money(u64::MAX);
    });
    world.refused("station", command(agreement, vec![Effect::Owe(wire::Money(u64::MAX))]));
    world.done("station", command(agreement, vec![Effect::Owe(wire::Money(MAX_OWED.0))]));
    // Alice gives all that she has to bob, so that a part of her purchase is owed when it settles.
    let free = world.balance("alice").0;
    world.transfer("alice", "bob", free);
    world.now = at(1, 11, 0);
    world.done("gateway", world.readings("alice/electricity", &[(at(1, 10, 0), 0), (at(1, 11, 0), 1_500 * KWH)]));
    world.pass_to(at(1, 11, 1));
    assert_eq!(world.status("alice"), Status::Defaulted);
    assert!(world.agreement(agreement_id("alice")).debt > Money::ZERO);
}
