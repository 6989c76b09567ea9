//! Notices through the ledger: given, taken back, and what an operator wants beside its parties.

mod world;

use utilidor_ledger::record::AgreementRecord;
use utilidor_types::agreement::*;
use utilidor_types::statement::StatementLine;
use utilidor_types::time::{DAY_MS, HOUR_MS};
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

/// The owner gives notice and takes it back, each hour, so often.
fn give_and_take_back(world: &mut World, times: u64) {
    for hour in 1..=times {
        world.pass_to(Timestamp(at(1, 1, 0).0 + hour * HOUR_MS));
        world.done("station", terminate());
        world.done("station", take_back());
    }
}

#[test]
fn an_owner_takes_its_notice_back_as_often_as_it_gives_it() {
    for services in [1, 2] {
        let mut world = World::new();
        let mut all = vec![world.service("alice", ELECTRICITY, 0), world.service("alice", Carrier::Heating, 1)];
        all.truncate(services);
        world.subscribe(all);
        give_and_take_back(&mut world, 100);
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
    give_and_take_back(&mut world, 40);
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

#[test]
fn a_meters_operator_that_wants_an_end_beside_the_owner_is_heard_by_both_sides() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    world.done("station", terminate());
    let ends = Timestamp(at(1, 1, 0).0 + 7 * DAY_MS);
    let stands = Event::EndingStands { agreement: subscription_id(), at: ends };
    assert_eq!(world.done("operator", terminate()), [stands]);
    assert_eq!(world.refused("station", take_back()).code(), "agreement/not-ending");
    assert_eq!(world.refused("operator", terminate()).code(), "agreement/already-ending");
}

/// An hour's purchase of a kWh by alice's meter, so many days ahead.
fn bought(days: u64) -> PurchaseTerms {
    let lot = PurchaseLot {
        carrier: ELECTRICITY,
        quantity: Quantity(KWH),
        price: Price::micro_per_kwh(600_000),
        metering: Metering { delivery: None, take: Some(meter_id(METER)) },
    };
    let from = Timestamp(at(1, 1, 0).0 + days * DAY_MS);
    PurchaseTerms {
        lots: vec![lot].try_into().unwrap(),
        window: Window { from, to: Timestamp(from.0 + HOUR_MS) },
        deposit_permille: 0,
        guarantee_permille: 0,
        tolerance_permille: 0,
        grace_ms: HOUR_MS as u32,
        substitute: Substitute::Nothing,
    }
}

#[test]
fn no_amendment_makes_a_purchase_later_once_its_meters_operator_wants_its_end() {
    let mut world = World::new();
    let agreement = agreement_of("station", "bought");
    let terms = AgreementTerms::between(account("station"), account("alice"), Program::Purchase(bought(30)));
    let signed = terms.digest();
    world.done("station", Action::ProposeAgreement { label: label("bought"), terms, signing_ms: HOUR_MS as u32 });
    world.done("alice", Action::SignAgreement { agreement, terms: signed });
    let later = |world: &mut World, days| {
        let now = world.now;
        amend(world, agreement, ["station", "alice"], Program::Purchase(bought(days)), now)
    };
    assert!(matches!(later(&mut world, 31), Verdict::Applied(_)));
    world.pass_to(at(1, 10, 0));
    assert!(matches!(later(&mut world, 40), Verdict::Applied(_)));

    let settles = bought(40).settles_at().unwrap();
    let stands = Event::EndingStands { agreement, at: settles };
    world.pass_to(at(1, 20, 0));
    assert_eq!(world.done("operator", Action::Terminate { agreement }), [stands]);
    let refused = Refusal::AlreadyEnding { at: settles };
    assert_eq!(world.refused("operator", Action::Terminate { agreement }), refused);
    for days in [41, 60] {
        assert_eq!(later(&mut world, days), Verdict::Refused(refused.clone()), "{days} days");
    }
    assert!(matches!(later(&mut world, 39), Verdict::Applied(_)), "earlier is no harm");
    assert!(matches!(later(&mut world, 40), Verdict::Refused(_)), "and stays");
    world.pass_to(bought(39).settles_at().unwrap());
    world.done("operator", Action::BindMeter { meter: meter_id(METER), holder: account("bob") });
}
