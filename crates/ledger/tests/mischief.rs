//! What programs have tried on those who signed them, and on those who did not: lists of effects and times, one kind a test.

mod world;

use utilidor_ledger::LEDGER_CODES;
use utilidor_ledger::meter_record::{MeterBindings, Summed};
use utilidor_program_sdk as wire;
use utilidor_program_sdk::{Effect, Meter, Purpose as Pot, Source};
use utilidor_types::action::Prepayment;
use utilidor_types::agreement::*;
use utilidor_types::genesis::Limits;
use utilidor_types::program::*;
use utilidor_types::time::{DAY_MS, HOUR_MS};
use utilidor_types::*;
use world::puppet::*;
use world::*;

const METER: &str = "alice/electricity";

fn later(time: Timestamp, hours: u64) -> Timestamp {
    Timestamp(time.0 + hours * HOUR_MS)
}

fn bindings(world: &World, meter: &str) -> MeterBindings {
    world.state.read(&meter_id(meter)).unwrap()
}

/// The roof and alice agree on the puppet, on terms that are those of the tests with a change.
fn with_the_roof(world: &mut World, puppet: &Puppet, change: impl FnOnce(&mut CodedTerms)) -> AgreementId {
    let publication = puppet.publication();
    world.done("roof", publish(&publication));
    let present = terms(world, publication.id());
    let Program::Coded(mut coded) = present.program else { unreachable!() };
    change(&mut coded);
    let parties = vec![account("roof"), account("alice")].try_into().unwrap();
    let terms = AgreementTerms { parties, program: Program::Coded(coded), hard_end: present.hard_end };
    let digest = terms.digest();
    let id = agreement_of("roof", "r");
    world.done("roof", Action::ProposeAgreement { label: label("r"), terms, signing_ms: 1_000 });
    world.done("alice", Action::SignAgreement { agreement: id, terms: digest });
    id
}

/// Amends the agreement `a` of the tests' terms to ones with a change.
fn amend(world: &mut World, puppet: &Puppet, signed: Timestamp, change: impl FnOnce(&mut CodedTerms)) {
    let agreement = agreement_id("a");
    let now = std::mem::replace(&mut world.now, signed);
    let present = terms(world, puppet.publication().id());
    world.now = now;
    let Program::Coded(mut coded) = present.program.clone() else { unreachable!() };
    change(&mut coded);
    let program = Program::Coded(coded);
    world.done("station", Action::ProposeAmendment { agreement, program: program.clone(), from: world.now });
    let terms = AgreementTerms { program, ..present }.amendment_digest(world.now);
    world.done("alice", Action::SignAmendment { agreement, terms });
}

#[test]
fn what_nobody_is_to_have_is_no_more_than_was_bought_so_that_the_supply_keeps_the_rest() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", Carrier::Electricity, 0)]);
    let window = Window { from: later(world.now, 24), to: later(world.now, 48) };
    let agreement = with_the_roof(&mut world, &Puppet::answering(vec![Effect::Bind(Meter(0))], vec![]), |coded| {
        let meter = &mut coded.meters.as_mut_slice()[0];
        (meter.metered, meter.window) = (Metered::Fill(Quantity(24 * KWH)), window);
    });
    let settle = |keep: u64, absorb: u64| {
        let (keep, absorb) = (wire::Quantity(keep), wire::Quantity(absorb));
        command(agreement, vec![Effect::Settle { meter: Meter(0), keep, absorb }])
    };
    for (keep, absorb) in [(0, u64::MAX), (0, 24 * KWH + 1), (1, 0), (1, u64::MAX)] {
        let refusal = world.refused("roof", settle(keep, absorb));
        assert_eq!(refusal.code(), "program/unfit-effect", "{keep} kept and {absorb} absorbed of 24 kWh");
    }
    world.done("roof", settle(0, 24 * KWH));
    world.now = window.to;
    world.done("gateway", world.readings(METER, &[(window.from, 0), (window.to, 1_000 * KWH)]));
    let bindings = bindings(&world, METER);
    let supply = bindings.bindings.iter().find_map(|binding| match &binding.sum {
        Summed::Rest(supply) => Some(supply),
        _ => None,
    });
    assert_eq!(supply.unwrap().charged, Quantity(976 * KWH), "all but what was bought is the supply's");
}

#[test]
fn effects_on_a_meter_that_serves_another_agreement_alone_change_nothing_of_it() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", Carrier::Electricity, 0)]);
    let agreement = with_the_roof(&mut world, &Puppet::answering(vec![], vec![]), |_| {});
    world.now = later(world.now, 5);
    world.done("gateway", world.readings(METER, &[(world.now, 5 * KWH)]));
    let before = bindings(&world, METER);
    let (past, now) = (wire_time(Timestamp(world.now.0 - HOUR_MS)), wire_time(world.now));
    let none = wire::Quantity(0);
    for effects in [
        vec![Effect::EndBinding(Meter(0), past)],
        vec![Effect::EndBinding(Meter(0), now), Effect::EndBinding(Meter(0), wire::Time(Timestamp::LARGEST.0))],
        vec![Effect::Settle { meter: Meter(0), keep: none, absorb: none }],
        vec![Effect::Settle { meter: Meter(0), keep: none, absorb: wire::Quantity(u64::MAX) }],
        vec![Effect::Mark(Meter(0), Some(now))],
        vec![Effect::Mark(Meter(0), None)],
        vec![Effect::Level(Meter(0), Some(none))],
        vec![Effect::Bind(Meter(0))],
    ] {
        world.try_do("roof", command(agreement, effects.clone()));
        assert_eq!(bindings(&world, METER), before, "{effects:?}");
    }
    assert_eq!(world.agreement(subscription_id()).status, Status::Active);
}

#[test]
fn at_the_second_of_the_hard_end_the_program_is_not_called_and_all_is_given_back() {
    for before_the_end in [0, 1] {
        let mut world = World::new();
        let end = Timestamp(world.now.0 + 3 * DAY_MS);
        let scheduled = wire_time(Timestamp(end.0 - before_the_end));
        let signed_with = vec![reserve(USER, 100), Effect::Schedule(scheduled)];
        let agreement = signed(&mut world, &Puppet::answering(signed_with, vec![pay(USER, OWNER, 50)]));
        let receipts = world.pass_to(end);
        let events: Vec<&Event> = receipts.iter().flat_map(|receipt| receipt.events()).collect();
        assert!(!events.iter().any(|event| matches!(event, Event::ProgramRan { .. })), "{events:?}");
        assert_eq!(world.balance("alice"), (Money::units(1_000_000), Money::ZERO));
        assert_eq!(world.agreement(agreement).status, Status::Terminated);
        world.pass_to(later(end, 1));
        assert_eq!(world.balance("alice").0, Money::units(1_000_000));
    }
}

#[test]
fn what_is_signed_after_its_own_hard_end_reserves_nothing() {
    let mut world = World::new();
    let publication = Puppet::answering(vec![reserve(USER, 100)], vec![]).publication();
    world.done("station", publish(&publication));
    let terms = terms(&world, publication.id());
    let digest = terms.digest();
    let signing_ms = (4 * DAY_MS) as u32;
    world.done("station", Action::ProposeAgreement { label: label("a"), terms, signing_ms });
    world.now = Timestamp(world.now.0 + 3 * DAY_MS);
    world.refused("alice", Action::SignAgreement { agreement: agreement_id("a"), terms: digest });
    assert_eq!(world.balance("alice").1, Money::ZERO);
}

#[test]
fn who_wants_to_end_while_a_call_waits_for_fuel_is_heard_on_the_next_day_and_has_its_money_at_the_hard_end() {
    let mut world = World::with_limits(Limits { daily_fuel: Fuel(20_000), ..Limits::DEFAULT });
    let next = wire_time(later(world.now, 1));
    let signed_with = vec![reserve(USER, 100), Effect::Schedule(next)];
    let agreement = signed(&mut world, &Puppet::answering(signed_with, vec![pay(USER, OWNER, 1)]));
    // The station spends what it has for the day.
    while !matches!(world.try_do("station", command(agreement, vec![])), Verdict::Refused(_)) {}
    world.pass_to(later(world.now, 2));
    assert_eq!(world.balance("alice").0, Money::units(999_900), "the call waits");
    world.done("alice", Action::Terminate { agreement });
    let wish = world.agreement(agreement).ending;
    assert_eq!(wish, Party::USER.bit());
    // On no day is there fuel for it again: the hard end does not wait for that.
    let limits = Some(Limits { daily_fuel: Fuel(0), ..Limits::DEFAULT });
    world.done("station", Action::decide(Decision::ChangeLimits { member: member("station"), limits }));
    world.pass_to(later(world.now, 24));
    assert_eq!(world.agreement(agreement).status, Status::Active);
    world.pass_to(later(world.now, 72));
    assert_eq!(world.agreement(agreement).status, Status::Terminated);
    assert_eq!(world.balance("alice"), (Money::units(1_000_000), Money::ZERO));
}

#[test]
fn an_amendment_to_less_than_was_given_away_takes_nothing_back_and_gives_nothing_more() {
    let mut world = World::new();
    let (begin, puppet) = (world.now, Puppet::answering(vec![reserve(USER, 100)], vec![]));
    let agreement = signed(&mut world, &puppet);
    let given = Effect::Pay { from: USER, source: Source::Pot(Pot::Deposit), to: OWNER, amount: money(60) };
    world.done("station", command(agreement, vec![given, pay(USER, OWNER, 50), Effect::Owe(money(100))]));
    amend(&mut world, &puppet, begin, |coded| {
        let grant = &mut coded.grants.as_mut_slice()[1];
        (grant.reserve, grant.allowance, grant.renews) = (Money::units(10), Money(1), false);
    });
    let kept = world.balance("alice");
    let prepaid = Effect::Reserve(USER, Pot::Prepayment, wire::Money(1));
    for more in [reserve(USER, 1), prepaid, pay(USER, OWNER, 1), Effect::Owe(wire::Money(1))] {
        world.refused("station", command(agreement, vec![more.clone()]));
        assert_eq!(world.balance("alice"), kept, "{more:?}");
    }
    world.done("station", command(agreement, vec![Effect::Release(USER, Pot::Deposit, money(40))]));
    assert_eq!(world.balance("alice").1, Money::ZERO, "what is held beyond it can be given back");
    world.refused("station", command(agreement, vec![reserve(USER, 1)]));
    // Without any grant there is nothing at all, and what was granted anew counts with what was given.
    amend(&mut world, &puppet, begin, |coded| coded.grants = Bounded::empty());
    world.refused("station", command(agreement, vec![Effect::Reserve(USER, Pot::Deposit, wire::Money(1))]));
    amend(&mut world, &puppet, begin, |_| {});
    world.refused("station", command(agreement, vec![reserve(USER, 41)]));
    world.done("station", command(agreement, vec![reserve(USER, 40)]));
}

#[test]
fn amounts_at_the_edges_move_nothing_whatever_was_granted() {
    let mut world = World::new();
    let agreement = with_the_roof(&mut world, &Puppet::answering(vec![], vec![]), |coded| {
        for grant in coded.grants.as_mut_slice() {
            (grant.reserve, grant.allowance, grant.renews) = (Money(u64::MAX), Money(u64::MAX), true);
        }
    });
    let most = wire::Money(u64::MAX);
    let pay_all = |from, to, amount| Effect::Pay { from, source: Source::Allowance, to, amount };
    let before = ["alice", "roof"].map(|who| world.balance(who));
    for effects in [
        vec![Effect::Reserve(USER, Pot::Deposit, most)],
        vec![reserve(USER, 1), Effect::Reserve(USER, Pot::Deposit, most)],
        vec![
            reserve(USER, 1),
            Effect::Reserve(USER, Pot::Guarantee, most),
            Effect::Reserve(USER, Pot::Prepayment, most),
        ],
        vec![pay_all(USER, OWNER, most)],
        vec![pay(OWNER, USER, 1), pay_all(USER, OWNER, wire::Money(Money::units(1_000_001).0 + 1))],
        vec![Effect::Forfeit { by: USER, to: OWNER, amount: most }],
        vec![Effect::Release(USER, Pot::Deposit, most)],
        vec![Effect::Owe(wire::Money(1)), Effect::PayDebt(most)],
        vec![reserve(USER, 5), Effect::Owe(money(5)), Effect::PayDebt(money(5))],
        vec![Effect::Owe(most), Effect::Owe(wire::Money(1))],
        vec![pay_all(USER, OWNER, wire::Money(1)), statement_of(USER, OWNER, wire::Money(u64::MAX))],
        vec![statement_of(USER, OWNER, most), Effect::Owe(most)],
    ] {
        world.refused("roof", command(agreement, effects.clone()));
        assert_eq!(["alice", "roof"].map(|who| world.balance(who)), before, "{effects:?}");
    }
    assert_eq!(world.agreement(agreement).debt, Money::ZERO);
}

#[test]
fn of_times_in_one_answer_the_last_counts_and_is_called_once() {
    let mut world = World::new();
    let (first, second) = (later(world.now, 1), later(world.now, 2));
    let signed_with = [second, first, second, first].map(|at| Effect::Schedule(wire_time(at))).to_vec();
    let agreement = signed(&mut world, &Puppet::answering(signed_with, vec![pay(USER, OWNER, 1)]));
    for hours in 1..6 {
        world.pass_to(later(first, hours - 1));
    }
    assert_eq!(world.balance("alice").0, Money::units(999_999));
    // One that wants to be called a millisecond later is called once, with the next second of the calendar.
    let next = |world: &World| wire_time(Timestamp(world.now.0 + 1));
    world.done("station", command(agreement, vec![Effect::Schedule(next(&world)), Effect::Schedule(next(&world))]));
    let now = world.now;
    for later_ms in [0, 1, 1_000, 1_000, 2_000] {
        world.pass_to(Timestamp(now.0 + later_ms));
        let paid = if later_ms < 1_000 { 1 } else { 2 };
        assert_eq!(world.balance("alice").0, Money::units(1_000_000 - paid), "{later_ms} ms later");
    }
}

#[test]
fn marks_and_levels_at_odd_places_are_passed_by_readings_and_hold_nothing_up() {
    let mut world = World::new();
    let agreement = signed(&mut world, &Puppet::answering(vec![Effect::Bind(Meter(0))], vec![]));
    world.now = later(world.now, 2);
    world.done("gateway", world.readings(METER, &[(later(world.now, 0), 2 * KWH)]));
    let (begin, now) = (later(world.now, 0), world.now);
    let mark = |at: Timestamp| Effect::Mark(Meter(0), Some(wire_time(at)));
    let level = |at: u64| Effect::Level(Meter(0), Some(wire::Quantity(at)));
    for effects in [
        vec![mark(begin); 60],
        vec![mark(Timestamp(now.0 + 1)), mark(now)],
        vec![mark(Timestamp::LARGEST)],
        vec![mark(later(now, 24 * 300))],
        vec![level(0), level(u64::MAX), level(0)],
        vec![Effect::EndBinding(Meter(0), wire_time(Timestamp::LARGEST)), mark(now)],
    ] {
        let events = world.done("station", command(agreement, effects.clone()));
        assert!(!events.iter().any(|event| matches!(event, Event::ProgramFailed { .. })), "{effects:?}: {events:?}");
    }
    assert_eq!(
        world.refused("station", command(agreement, vec![mark(Timestamp(now.0 - 1))])).code(),
        "program/unfit-effect"
    );
    assert_eq!(world.refused("station", command(agreement, vec![mark(Timestamp(u64::MAX))])).code(), "program/fault");
    for hours in 1..4 {
        world.now = later(now, hours);
        world.done("gateway", world.readings(METER, &[(world.now, (2 + hours) * KWH)]));
    }
    assert_eq!(world.agreement(agreement).failures, 0);
    assert_eq!(bindings(&world, METER).bindings.len(), 1, "it serves until its own window ends");
}

#[test]
fn after_its_end_in_the_same_answer_a_program_holds_nothing() {
    let mut world = World::new();
    let finish = Effect::Finish(wire::End::Settled);
    for holds in [
        vec![finish.clone(), reserve(USER, 1)],
        vec![reserve(USER, 1), finish.clone()],
        vec![reserve(USER, 1), finish.clone(), Effect::Release(USER, Pot::Deposit, wire::Money(Money::units(1).0 - 1))],
    ] {
        let puppet = Puppet::answering(holds.clone(), vec![]).publication();
        world.done("station", publish(&puppet));
        let terms = terms(&world, puppet.id());
        let (digest, name) = (terms.digest(), label("b"));
        world.done("station", Action::ProposeAgreement { label: name, terms, signing_ms: 1_000 });
        let agreement = AgreementId::of(account("station"), name);
        let refusal = world.refused("alice", Action::SignAgreement { agreement, terms: digest });
        assert_eq!(refusal, Refusal::UnfitEffect { code: LEDGER_CODES + 12 }, "{holds:?}");
        world.done("alice", Action::DeclineAgreement { agreement });
    }
    let agreement = signed(&mut world, &Puppet::answering(vec![finish, Effect::Bind(Meter(0))], vec![]));
    assert_eq!(world.agreement(agreement).status, Status::Settled);
    assert!(world.agreement(agreement).bindings.is_empty());
    world.done("operator", Action::RetireMeter { meter: meter_id(METER) });
}

#[test]
fn paying_ahead_makes_room_for_no_more_than_was_given_away() {
    let mut world = World::new();
    let agreement = signed(&mut world, &Puppet::answering(vec![reserve(USER, 100)], vec![]));
    let given = Effect::Pay { from: USER, source: Source::Pot(Pot::Deposit), to: OWNER, amount: money(30) };
    world.done("station", command(agreement, vec![given]));
    assert_eq!(world.refused("station", command(agreement, vec![reserve(USER, 1)])).code(), "program/unfit-effect");
    let payment = Prepayment::Amount(Money(u64::MAX));
    world.done("alice", Action::Prepay { subscription: agreement, carrier: Carrier::Electricity, payment });
    assert_eq!(world.refused("station", command(agreement, vec![reserve(USER, 31)])).code(), "program/fault");
    world.done("station", command(agreement, vec![reserve(USER, 30)]));
    // The owner cannot make room of its user's money.
    let payment = Prepayment::Amount(Money::units(9));
    world.refused("station", Action::Prepay { subscription: agreement, carrier: Carrier::Electricity, payment });
}
