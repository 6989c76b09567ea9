//! Programs that parties have published: the registry, what they do to an agreement, and what they cannot do to anybody. The
//! program of these tests is a puppet: what a command says is its answer, and what it answers at other times is in its code.

mod world;

use utilidor_ledger::record::{CHUNK_BYTES, CodeChunk, FuelRecord, ManifestRecord, ProgramRecord};
use utilidor_ledger::{LEDGER_CODES, MAX_FAILURES, RETRY_MS};
use utilidor_program::wasm::{self, EVENT_FUEL};
use utilidor_program_sdk as wire;
use utilidor_program_sdk::{Effect, Purpose as Pot, Source};
use utilidor_types::action::Prepayment;
use utilidor_types::agreement::*;
use utilidor_types::genesis::Limits;
use utilidor_types::program::*;
use utilidor_types::time::{DAY_MS, HOUR_MS};
use utilidor_types::*;
use world::puppet::*;
use world::*;

fn later(time: Timestamp, hours: u64) -> Timestamp {
    Timestamp(time.0 + hours * HOUR_MS)
}

#[test]
fn what_is_published_stands_in_the_state_by_the_hash_of_all_of_it() {
    let mut world = World::new();
    let publication = Puppet::answering(vec![], vec![]).publication();
    let (id, code) = (publication.id(), publication.code.digest());
    world.done("alice", publish(&publication));
    let record: ProgramRecord = world.state.read(&id).unwrap();
    assert_eq!((record.engine, record.code, record.publisher), (1, code, account("alice")));
    let chunk: CodeChunk = world.state.read(&(code, 0)).unwrap();
    assert_eq!(&*chunk.bytes, &*publication.code);
    let manifest: ManifestRecord = world.state.read(&id).unwrap();
    assert_eq!(manifest.manifest, publication.manifest);

    let cells = world.state.cells().len();
    world.done("bob", publish(&publication));
    let record: ProgramRecord = world.state.read(&id).unwrap();
    assert_eq!((record.publisher, world.state.cells().len()), (account("alice"), cells), "the first result stands");

    // Another text beside the same code is another program, and the code is kept once.
    let mut other = publication.clone();
    other.manifest.version = Text::new("2").unwrap();
    assert_ne!(other.id(), id);
    world.done("bob", publish(&other));
    assert!(world.state.read::<ProgramRecord>(&other.id()).is_some());
}

#[test]
fn long_code_is_kept_in_parts_and_runs_from_them() {
    let mut world = World::new();
    let publication = Puppet { ballast: 40_000, ..Puppet::answering(vec![reserve(USER, 3)], vec![]) }.publication();
    assert!(publication.code.len() > 2 * CHUNK_BYTES);
    world.done("station", publish(&publication));
    wasm::forget_all();
    let terms = terms(&world, publication.id());
    let digest = terms.digest();
    world.done("station", Action::ProposeAgreement { label: label("a"), terms, signing_ms: 1_000 });
    world.done("alice", Action::SignAgreement { agreement: agreement_id("a"), terms: digest });
    assert_eq!(world.balance("alice").1, Money::units(3));
}

#[test]
fn refuses_a_publication_that_breaks_a_rule() {
    let mut world = World::with_limits(Limits { programs: 1, ..Limits::DEFAULT });
    let good = Puppet::answering(vec![], vec![]).publication();
    let engine = Publication { engine: 2, ..good.clone() };
    assert_eq!(world.refused("alice", publish(&engine)).code(), "program/unknown-engine");
    let mut long = good.clone();
    let text = || Text::new("x".repeat(MAX_TEXT_BYTES)).unwrap();
    long.manifest.clauses = vec![Bilingual { en: text(), zh: text() }; 9].try_into().unwrap();
    assert_eq!(world.refused("alice", publish(&long)).code(), "program/manifest-too-long");
    let code = Publication { code: Code::new(b"no module".to_vec()).unwrap(), ..good.clone() };
    assert_eq!(world.refused("alice", publish(&code)).code(), "program/bad-code");
    world.done("alice", publish(&good));
    let another = Puppet::answering(vec![], vec![reserve(USER, 1)]).publication();
    assert_eq!(world.refused("alice", publish(&another)).code(), "member/limit-reached");
    world.done("bob", publish(&another));
}

#[test]
fn refuses_terms_of_a_program_that_nobody_has_published_or_that_reach_for_too_much() {
    let mut world = World::new();
    let publication = Puppet::answering(vec![], vec![]).publication();
    let propose = |terms| Action::ProposeAgreement { label: label("a"), terms, signing_ms: 1_000 };
    let good = terms(&world, publication.id());
    assert_eq!(world.refused("station", propose(good.clone())).code(), "program/unknown-publication");
    world.done("station", publish(&publication));
    let no_end = AgreementTerms { hard_end: None, ..good.clone() };
    assert_eq!(world.refused("station", propose(no_end)).code(), "terms/bad-hard-end");
    let changed = |change: fn(&mut CodedTerms)| {
        let Program::Coded(mut coded) = good.program.clone() else { unreachable!() };
        change(&mut coded);
        AgreementTerms { program: Program::Coded(coded), ..good.clone() }
    };
    let bad: [fn(&mut CodedTerms); 5] = [
        |coded| coded.grants.as_mut_slice()[1].party = Party::OWNER,
        |coded| coded.grants.as_mut_slice()[1].party = Party(2),
        |coded| coded.meters.as_mut_slice()[0].party = Party(2),
        |coded| coded.meters.as_mut_slice()[0].window.to = Timestamp(0),
        |coded| coded.meters.as_mut_slice()[0].metered = Metered::Fill(Quantity(0)),
    ];
    for change in bad {
        assert_eq!(world.refused("station", propose(changed(change))).code(), "program/bad-reach");
    }
    world.done("station", propose(good));
}

#[test]
fn a_program_moves_money_both_ways_and_states_it() {
    let mut world = World::new();
    let agreement = signed(&mut world, &Puppet::answering(vec![reserve(USER, 10), reserve(OWNER, 5)], vec![]));
    assert_eq!(world.balance("alice"), (Money::units(999_990), Money::units(10)));
    assert_eq!(world.balance("station").1, Money::units(5));
    let effects = vec![pay(OWNER, USER, 7), statement_of(OWNER, USER, money(7))];
    let events = world.done("alice", command(agreement, effects));
    assert!(matches!(&events[0], Event::ProgramRan { fuel, .. } if u64::from(*fuel) < EVENT_FUEL));
    assert_eq!(statement(&events).paid, Money::ZERO, "the owner has paid the user");
    assert_eq!(world.balance("alice").0, Money::units(999_997));
    let forfeit = Effect::Forfeit { by: USER, to: OWNER, amount: money(10) };
    let release = Effect::Release(OWNER, Pot::Deposit, money(5));
    world.done("station", command(agreement, vec![forfeit, release, Effect::Finish(wire::End::Defaulted)]));
    assert_eq!(world.status("a"), Status::Defaulted);
    assert_eq!(world.balance("alice").1, Money::ZERO);
}

#[test]
fn what_a_program_cannot_have_refuses_the_command_and_moves_nothing() {
    let mut world = World::new();
    let agreement = signed(&mut world, &Puppet::answering(vec![reserve(USER, 10)], vec![]));
    let now = wire_time(world.now);
    let refused = [
        (vec![reserve(USER, 91)], "program/fault"),
        (vec![pay(USER, OWNER, 51)], "program/unfit-effect"),
        (vec![pay(USER, OWNER, 26), pay(USER, OWNER, 25)], "program/unfit-effect"),
        (vec![Effect::Release(USER, Pot::Deposit, money(11))], "program/unfit-effect"),
        (vec![Effect::Forfeit { by: OWNER, to: USER, amount: money(1) }], "program/unfit-effect"),
        (vec![Effect::Schedule(now)], "program/unfit-effect"),
        (vec![Effect::Schedule(wire::Time(Timestamp::LARGEST.0))], "program/unfit-effect"),
        (vec![Effect::Schedule(wire::Time(u64::MAX))], "program/fault"),
        (vec![Effect::Finish(wire::End::Settled)], "program/unfit-effect"),
        (vec![Effect::Mark(wire::Meter(0), Some(now))], "program/unfit-effect"),
        (vec![Effect::Bind(wire::Meter(0)), Effect::Bind(wire::Meter(0))], "program/unfit-effect"),
        (vec![statement_of(USER, OWNER, money(1))], "program/fault"),
        (vec![pay(USER, OWNER, 1), reserve(USER, 1_000_000)], "program/fault"),
    ];
    for (effects, code) in refused {
        assert_eq!(world.refused("alice", command(agreement, effects.clone())).code(), code, "{effects:?}");
    }
    assert_eq!(world.refused("bob", command(agreement, vec![])).code(), "agreement/not-party");
    assert_eq!(world.balance("alice"), (Money::units(999_990), Money::units(10)));
}

#[test]
fn a_time_that_no_record_or_block_can_hold_is_no_answer() {
    let mut world = World::new();
    let agreement = signed(&mut world, &Puppet::answering(vec![Effect::Bind(wire::Meter(0))], vec![]));
    let period = |to| wire::Window { from: wire::Time(1), to };
    let stated = |whole, of_line| {
        let Effect::Issue(mut statement) = statement_of(USER, OWNER, money(0)) else { unreachable!() };
        (statement.period, statement.lines[0].period) = (period(whole), period(of_line));
        Effect::Issue(statement)
    };
    let good = wire::Time(2);
    for bad in [wire::Time(Timestamp::LARGEST.0 + 1), wire::Time(u64::MAX)] {
        for effect in [
            Effect::EndBinding(wire::Meter(0), bad),
            Effect::Mark(wire::Meter(0), Some(bad)),
            stated(bad, good),
            stated(good, bad),
        ] {
            let refusal = world.refused("alice", command(agreement, vec![effect.clone()]));
            assert_eq!(refusal.code(), "program/fault", "{effect:?}");
        }
    }
    let last = wire::Time(Timestamp::LARGEST.0);
    let effects =
        vec![Effect::Mark(wire::Meter(0), Some(last)), Effect::EndBinding(wire::Meter(0), last), stated(last, good)];
    let events = world.done("alice", command(agreement, effects));
    assert_eq!(utilidor_types::decode::<Vec<Event>>(&encode(&events), 10_000).unwrap(), events);
    assert_eq!(world.agreement(agreement).bindings.len(), 1);
}

#[test]
fn what_others_were_given_of_what_was_reserved_is_not_reserved_again() {
    let mut world = World::new();
    let agreement = signed(&mut world, &Puppet::answering(vec![reserve(USER, 60)], vec![]));
    let from_pot =
        |units| Effect::Pay { from: USER, source: Source::Pot(Pot::Deposit), to: OWNER, amount: money(units) };
    world.done("alice", command(agreement, vec![from_pot(40)]));
    world.done("alice", command(agreement, vec![reserve(USER, 40), from_pot(20)]));
    for effects in [vec![reserve(USER, 1)], vec![from_pot(1), reserve(USER, 1)]] {
        assert_eq!(world.refused("alice", command(agreement, effects)).code(), "program/unfit-effect");
    }
    world.done("alice", command(agreement, vec![Effect::Release(USER, Pot::Deposit, money(40)), reserve(USER, 40)]));
    world.done("alice", command(agreement, vec![Effect::Forfeit { by: USER, to: OWNER, amount: money(40) }]));
    assert_eq!(world.refused("alice", command(agreement, vec![reserve(USER, 1)])).code(), "program/unfit-effect");
    assert_eq!(world.balance("alice"), (Money::units(999_900), Money::ZERO), "the 100 that alice has put under it");

    let ahead = Prepayment::Amount(Money::units(30));
    let prepay = Action::Prepay { subscription: agreement, carrier: Carrier::Electricity, payment: ahead };
    world.done("alice", prepay);
    assert_eq!(world.refused("alice", command(agreement, vec![reserve(USER, 31)])).code(), "program/unfit-effect");
    world.done("alice", command(agreement, vec![reserve(USER, 30)]));
}

#[test]
fn an_endless_program_moves_nothing_stalls_and_falls_back_at_the_hard_end() {
    let mut world = World::new();
    let at = wire_time(later(world.now, 1));
    let puppet = Puppet {
        signed: vec![reserve(USER, 10), Effect::Schedule(at)],
        due: vec![pay(USER, OWNER, 50)],
        acts: "(loop (br 0))",
        ballast: 0,
    };
    let agreement = signed(&mut world, &puppet);
    for failures in 1..=MAX_FAILURES {
        let receipts = world.pass_to(later(world.now, 1));
        let code = 0x7002;
        assert_eq!(receipts[0].events()[0], Event::ProgramFailed { agreement, code, failures });
    }
    assert_eq!(world.status("a"), Status::Stalled);
    assert_eq!(world.refused("alice", command(agreement, vec![])).code(), "agreement/wrong-status");
    world.transfer("alice", "bob", Money::units(1));
    world.pass_to(Timestamp(at_hard_end(&world).0));
    assert_eq!(world.status("a"), Status::Terminated);
    assert_eq!(world.balance("alice"), (Money::units(999_999), Money::ZERO), "what it had reserved is its own again");
}

fn at_hard_end(world: &World) -> Timestamp {
    world.agreement(agreement_id("a")).ends
}

#[test]
fn lying_effects_at_their_time_are_a_failure_and_nothing_else() {
    for due in [
        vec![reserve(USER, 90), reserve(USER, 1)],
        vec![pay(USER, OWNER, 1), pay(USER, OWNER, 50)],
        vec![Effect::Finish(wire::End::Settled)],
        vec![Effect::Settle { meter: wire::Meter(0), keep: wire::Quantity(1), absorb: wire::Quantity(0) }],
        vec![Effect::Bind(wire::Meter(0)), Effect::Level(wire::Meter(0), None), Effect::Schedule(wire::Time(5))],
    ] {
        let mut world = World::new();
        let at = wire_time(later(world.now, 1));
        let agreement =
            signed(&mut world, &Puppet::answering(vec![reserve(USER, 10), Effect::Schedule(at)], due.clone()));
        let before = world.agreement(agreement);
        let receipts = world.pass_to(later(world.now, 1));
        let [Event::ProgramFailed { code, failures: 1, .. }] = receipts[0].events() else { panic!("{receipts:?}") };
        assert!(*code >= wasm::ENGINE_CODES, "{due:?}: {code}");
        let after = world.agreement(agreement);
        assert_eq!((after.pots, after.bindings, after.statements), (before.pots, before.bindings, 0), "{due:?}");
        assert_eq!(after.called, Some(Timestamp(world.now.0 + RETRY_MS)));
        let _ = LEDGER_CODES;
    }
}

#[test]
fn a_program_is_told_of_its_meters_segments_between_the_marks_that_it_sets() {
    let mut world = World::new();
    let mark = later(world.now, 2);
    let signing = vec![Effect::Bind(wire::Meter(0)), Effect::Mark(wire::Meter(0), Some(wire_time(mark)))];
    let agreement = signed(&mut world, &Puppet::answering(signing, vec![]));
    world.now = later(world.now, 1);
    let events = world.done("gateway", world.readings("alice/electricity", &[(world.now, KWH)]));
    assert!(
        !events.iter().any(|event| matches!(event, Event::ProgramRan { .. })),
        "no reading before the mark runs code"
    );
    world.now = mark;
    let events = world.done("gateway", world.readings("alice/electricity", &[(mark, 3 * KWH)]));
    assert!(events.iter().any(|event| matches!(event, Event::ProgramRan { agreement: of, .. } if *of == agreement)));
}

#[test]
fn a_member_uses_no_more_fuel_in_a_day_than_it_may() {
    let mut world = World::with_limits(Limits { daily_fuel: Fuel(8_000), ..Limits::DEFAULT });
    let at = later(world.now, 1);
    let puppet = Puppet::answering(vec![Effect::Schedule(wire_time(at))], vec![pay(USER, OWNER, 1)]);
    let agreement = signed(&mut world, &puppet);
    let used = |world: &World, who: &str| world.state.read::<FuelRecord>(&member(who)).map_or(0, |record| record.used);
    for who in ["alice", "station"] {
        while used(&world, who) < 8_000 {
            world.done(who, command(agreement, vec![]));
        }
        assert_eq!(world.refused(who, command(agreement, vec![])).code(), "program/fuel-spent", "who asks pays");
    }
    world.pass_to(at);
    assert_eq!(world.balance("station").0, Money::units(1_000_000), "what is due is the owner's, and waits");
    let tomorrow = Timestamp((world.now.0 / DAY_MS + 1) * DAY_MS);
    assert_eq!(world.agreement(agreement).called, Some(tomorrow));
    world.pass_to(tomorrow);
    assert_eq!(world.balance("station").0, Money::units(1_000_001));
    world.done("alice", command(agreement, vec![]));
}

#[test]
fn warm_cold_and_replaying_nodes_come_to_the_same() {
    let mut world = World::new();
    let agreement = signed(&mut world, &Puppet::answering(vec![reserve(USER, 10)], vec![]));
    let before = world.state.clone();
    let transaction = world.sign("alice", command(agreement, vec![pay(USER, OWNER, 1)]));
    let warm = world.block(vec![transaction.clone()]);
    world.state = before.clone();
    wasm::forget_all();
    let cold = world.block(vec![transaction.clone()]);
    world.state = before;
    let again = world.block(vec![transaction]);
    assert_eq!(warm, cold);
    assert_eq!(warm, again);
    let compiled = wasm::COMPILE_FUEL_PER_BYTE * Puppet::answering(vec![reserve(USER, 10)], vec![]).code().len() as u64;
    assert!(warm.work.fuel > compiled, "compiling is paid for, cached or not: {}", warm.work.fuel);
}

#[test]
fn the_code_is_charged_once_in_a_block_however_many_run_it() {
    let mut world = World::new();
    let agreement = signed(&mut world, &Puppet::answering(vec![], vec![]));
    let mut block = |count: usize| {
        let transactions = (0..count).map(|_| world.sign("alice", command(agreement, vec![]))).collect();
        world.block(transactions).work
    };
    let (one, three) = (block(1), block(3));
    let compiled = wasm::COMPILE_FUEL_PER_BYTE * Puppet::answering(vec![], vec![]).code().len() as u64;
    assert_eq!(three.fuel, one.fuel + 2 * (one.fuel - compiled));
}

#[test]
fn an_amendment_can_put_another_program_in_force_by_both_signatures_only() {
    let mut world = World::new();
    let agreement = signed(&mut world, &Puppet::answering(vec![reserve(USER, 10)], vec![]));
    let other = Puppet::answering(vec![], vec![reserve(USER, 1)]).publication();
    let present = terms(&world, Puppet::answering(vec![reserve(USER, 10)], vec![]).publication().id());
    let Program::Coded(coded) = present.program.clone() else { unreachable!() };
    let program = Program::Coded(CodedTerms { code: ProgramCode::Published(other.id()), ..coded });
    let from = world.now;
    let propose = Action::ProposeAmendment { agreement, program: program.clone(), from };
    assert_eq!(world.refused("alice", propose.clone()).code(), "program/unknown-publication");
    world.done("bob", publish(&other));
    world.done("alice", propose);
    let digest = AgreementTerms { program, ..present }.amendment_digest(from);
    assert_eq!(
        world.refused("alice", Action::SignAmendment { agreement, terms: digest }).code(),
        "agreement/already-signed"
    );
    let events = world.done("station", Action::SignAmendment { agreement, terms: digest });
    assert!(events.iter().any(|event| matches!(event, Event::ProgramRan { .. })), "the new program has heard of it");
}
