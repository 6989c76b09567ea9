//! What becomes of an agreement whose program fails: it is tried again, stalls, and ends as its parties have signed it. The
//! program of these tests is `utilidor_program::toy`: each command, and its time an hour after signing, pays the owner a fare
//! out of the user's deposit, whether there is enough or not.

mod world;

use utilidor_ledger::{LEDGER_CODES, MAX_FAILURES, RETRY_MS};
use utilidor_program::toy;
use utilidor_types::agreement::*;
use utilidor_types::event::{Movement, Purpose};
use utilidor_types::time::HOUR_MS;
use utilidor_types::*;
use world::*;

/// An agreement of the station and alice on the toy program, signed; `a`.
fn signed(world: &mut World, deposit: u64, fare: u64, hard_end: Option<HardEnd>) -> AgreementId {
    let program = toy::Terms { deposit: Money::units(deposit), fare: Money::units(fare) }.program();
    let terms = AgreementTerms { hard_end, ..AgreementTerms::between(account("station"), account("alice"), program) };
    let digest = terms.digest();
    world.done("station", Action::ProposeAgreement { label: label("a"), terms, signing_ms: 1_000 });
    world.done("alice", Action::SignAgreement { agreement: agreement_id("a"), terms: digest });
    agreement_id("a")
}

fn later(time: Timestamp, hours: u64) -> Timestamp {
    Timestamp(time.0 + hours * HOUR_MS)
}

/// Lets the program fail until it is stalled.
fn stall(world: &mut World) -> AgreementId {
    let agreement = signed(world, 10, 11, None);
    for _ in 0..MAX_FAILURES {
        world.pass_to(later(world.now, 1));
    }
    assert_eq!(world.status("a"), Status::Stalled);
    agreement
}

#[test]
fn a_native_program_beyond_the_first_two_touches_nothing_here() {
    let mut world = World::new();
    let agreement = signed(&mut world, 10, 4, None);
    assert_eq!(world.balance("alice"), (Money::units(999_990), Money::units(10)));
    let command = Action::Command { agreement, command: Bounded::empty() };
    world.done("alice", command.clone());
    world.pass_to(later(world.now, 1));
    assert_eq!(world.balance("station"), (Money::units(1_000_008), Money::ZERO));
    assert_eq!(world.refused("bob", command).code(), "agreement/not-party");
    world.done("alice", Action::Terminate { agreement });
    assert_eq!(world.status("a"), Status::Terminated);
    assert_eq!(world.balance("alice"), (Money::units(999_992), Money::ZERO));
}

#[test]
fn what_a_program_cannot_have_refuses_the_transaction_that_brought_it_about() {
    let mut world = World::new();
    let agreement = signed(&mut world, 10, 11, None);
    let refusal = world.refused("alice", Action::Command { agreement, command: Bounded::empty() });
    assert_eq!(refusal.code(), "program/unfit-effect");
    let unknown = Action::Command { agreement: agreement_id("x"), command: Bounded::empty() };
    assert_eq!(world.refused("alice", unknown).code(), "agreement/unknown");
}

#[test]
fn a_program_that_fails_by_itself_moves_nothing_and_is_tried_again_an_hour_later() {
    let mut world = World::new();
    let agreement = signed(&mut world, 10, 11, None);
    let before = world.agreement(agreement);
    for failures in 1..MAX_FAILURES {
        let receipts = world.pass_to(later(world.now, 1));
        let [Event::ProgramFailed { agreement: of, code, failures: found }] = receipts[0].events() else {
            panic!("{receipts:?}")
        };
        assert_eq!((*of, *found), (agreement, failures));
        assert!(*code > LEDGER_CODES, "the ledger's own code");
        let state = world.agreement(agreement);
        assert_eq!((state.pots, state.status), (before.pots.clone(), Status::Active));
        assert_eq!(state.called, Some(Timestamp(world.now.0 + RETRY_MS)));
        let waits = Action::Command { agreement, command: Bounded::empty() };
        assert_eq!(world.refused("alice", waits).code(), "program/fault", "what it missed comes first");
    }
    let receipts = world.pass_to(later(world.now, 1));
    let stalled = Event::AgreementStatus { agreement, status: Status::Stalled };
    assert_eq!(receipts[0].events().last(), Some(&stalled));
    assert_eq!(world.balance("alice"), (Money::units(999_990), Money::units(10)), "its money is frozen");
    assert!(world.pass_to(later(world.now, 3)).is_empty(), "a stalled program is not tried again");
}

#[test]
fn an_amendment_that_all_sign_brings_a_stalled_agreement_back_unless_the_program_refuses_it() {
    let mut world = World::new();
    let agreement = stall(&mut world);
    let command = Action::Command { agreement, command: Bounded::empty() };
    assert_eq!(world.refused("alice", command).code(), "agreement/wrong-status");
    let program = toy::Terms { deposit: Money::units(10), fare: Money::units(1) }.program();
    let terms = AgreementTerms::between(account("station"), account("alice"), program.clone());
    let from = world.now;
    world.done("alice", Action::ProposeAmendment { agreement, program, from });
    // The toy takes no amendments.
    let sign = Action::SignAmendment { agreement, terms: terms.amendment_digest(from) };
    assert_eq!(world.refused("station", sign).code(), "program/fault");
    assert_eq!(world.status("a"), Status::Stalled);
}

#[test]
fn a_stalled_agreement_ends_when_all_parties_want_it_to() {
    let mut world = World::new();
    let agreement = stall(&mut world);
    let terminate = Action::Terminate { agreement };
    world.done("alice", terminate.clone());
    world.done("alice", Action::WithdrawTermination { agreement });
    world.done("station", terminate.clone());
    assert_eq!(world.status("a"), Status::Stalled);
    let events = world.done("alice", terminate);
    let released = Movement::Release { party: Party::USER, purpose: Purpose::Deposit };
    assert_eq!(
        events,
        [
            Event::Moved { agreement, movement: released, amount: Money::units(10) },
            Event::AgreementStatus { agreement, status: Status::Terminated },
        ]
    );
    assert_eq!(world.balance("alice"), (Money::units(1_000_000), Money::ZERO));
    assert!(world.pass_to(later(world.now, 48)).is_empty(), "its hard end has become idle");
}

#[test]
fn at_its_hard_end_a_stalled_agreement_falls_back_to_what_its_parties_have_signed() {
    let arbiter = account("carol");
    let split = Fallback::Split(vec![250, 750].try_into().unwrap());
    for (fallback, station, alice, carol) in [
        (Fallback::GiveBack, 0, 0, 0),
        (split, 2_500_000, -2_500_000, 0),
        (Fallback::Arbiter(arbiter), 0, -10_000_000, 10_000_000),
    ] {
        let mut world = World::new();
        let at = later(world.now, 30);
        signed(&mut world, 10, 11, Some(HardEnd { at, fallback }));
        for _ in 0..MAX_FAILURES {
            world.pass_to(later(world.now, 1));
        }
        assert_eq!(world.status("a"), Status::Stalled);
        world.pass_to(at);
        assert_eq!(world.status("a"), Status::Terminated);
        for (name, change) in [("station", station), ("alice", alice), ("carol", carol)] {
            let expected = Money((Money::units(1_000_000).0 as i64 + change) as u64);
            assert_eq!(world.balance(name), (expected, Money::ZERO), "{name}");
        }
    }
}

#[test]
fn a_hard_end_comes_whatever_the_program_does() {
    let mut world = World::new();
    let at = later(world.now, 30);
    signed(&mut world, 10, 1, Some(HardEnd { at, fallback: Fallback::GiveBack }));
    world.pass_to(later(world.now, 1));
    assert_eq!(world.status("a"), Status::Active);
    world.pass_to(at);
    assert_eq!(world.status("a"), Status::Terminated);
    assert_eq!(world.balance("alice"), (Money::units(999_999), Money::ZERO));
}

/// Which programs there are is `utilidor_program::native`'s alone.
#[test]
fn nothing_in_the_ledger_tells_programs_apart() {
    let sources = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).unwrap();
    for source in sources.map(|entry| entry.unwrap().path()) {
        let text = std::fs::read_to_string(&source).unwrap();
        if source.ends_with("tests.rs") {
            continue;
        }
        let text = text.split("#[cfg(test)]").next().unwrap();
        for pattern in ["Program::Purchase(", "Program::Coded", "match &agreement.terms.program", "match program {"] {
            assert!(!text.contains(pattern), "{} tells programs apart by {pattern}", source.display());
        }
        let made = text.matches("Program::Subscription(").count();
        assert_eq!(made, text.matches("Program::Subscription(terms.clone())").count(), "{}", source.display());
    }
}
