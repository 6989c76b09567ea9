//! Notices through the ledger: given, taken back, and what an operator wants beside its parties.

mod world;

use utilidor_ledger::record::AgreementRecord;
use utilidor_types::agreement::*;
use utilidor_types::statement::StatementLine;
use utilidor_types::time::HOUR_MS;
use utilidor_types::*;
use world::*;

const ELECTRICITY: Carrier = Carrier::Electricity;
const METER: &str = "alice/electricity";

fn terminate() -> Action {
    Action::Terminate { agreement: subscription_id() }
}

fn take_back() -> Action {
    Action::WithdrawTermination { agreement: subscription_id() }
}

#[test]
fn an_owner_takes_its_notice_back_as_often_as_it_gives_it() {
    for services in [1, 2] {
        let mut world = World::new();
        let mut all = vec![world.service("alice", ELECTRICITY, 0), world.service("alice", Carrier::Heating, 1)];
        all.truncate(services);
        world.subscribe(all);
        for hour in 1..=100u64 {
            world.pass_to(Timestamp(at(1, 1, 0).0 + hour * HOUR_MS));
            world.done("station", terminate());
            world.done("station", take_back());
        }
        world.pass_to(at(1, 31, 23));
        world.done("gateway", world.readings(METER, &[(at(1, 31, 23), 100 * KWH)]));
        world.pass_to(at(2, 1, 6));
        assert_eq!(world.agreement(subscription_id()).status, Status::Active);
        assert_eq!(world.agreement(subscription_id()).bindings.len(), services);
    }
}

/// Both sign other terms from a time on.
fn amend(world: &mut World, agreement: AgreementId, parties: [&str; 2], program: Program, from: Timestamp) -> Verdict {
    let terms = world.state.read::<AgreementRecord>(&agreement).unwrap().agreement.terms.clone();
    let signed = AgreementTerms { program: program.clone(), ..terms }.amendment_digest(from);
    world.done(parties[0], Action::ProposeAmendment { agreement, program, from });
    world.try_do(parties[1], Action::SignAmendment { agreement, terms: signed })
}

#[test]
fn a_meter_that_was_agreed_for_later_is_bound_again_as_often_as_a_notice_is_taken_back() {
    let mut world = World::new();
    let second = Meter { label: label("second"), ..world.meter("alice", ELECTRICITY) };
    world.done("operator", Action::RegisterMeter(second));
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    let service = Service { meter: Some(meter_id("second")), ..world.service("alice", ELECTRICITY, 0) };
    let other = Program::Subscription(world.subscription_terms(vec![service]));
    let agreed = amend(&mut world, subscription_id(), ["station", "alice"], other, at(1, 20, 0));
    assert!(matches!(agreed, Verdict::Applied(_)), "{agreed:?}");
    for hour in 1..=40u64 {
        world.pass_to(Timestamp(at(1, 1, 0).0 + hour * HOUR_MS));
        world.done("station", terminate());
        world.done("station", take_back());
    }
    world.pass_to(at(1, 20, 0));
    world.done("gateway", world.readings(METER, &[(at(1, 20, 0), 100 * KWH)]));
    world.done("gateway", world.readings("second", &[(at(1, 20, 0), 7 * KWH)]));
    world.pass_to(at(2, 1, 0));
    world.done("gateway", world.readings("second", &[(at(2, 1, 0), 57 * KWH)]));
    let passed = world.pass_to(at(2, 1, 6));
    let events: Vec<Event> = passed.iter().flat_map(|receipt| receipt.events().to_vec()).collect();
    let used = statement(&events).lines.iter().map(|line| match line {
        StatementLine::Usage { quantity, .. } => quantity.0,
        _ => 0,
    });
    assert_eq!(used.sum::<u64>(), 150 * KWH);
}
