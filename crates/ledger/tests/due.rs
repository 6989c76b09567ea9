//! The due calendar under unusual timing: what falls due and what is scheduled in the same second, and times at the
//! calendar's end.

mod world;

use utilidor_types::agreement::*;
use utilidor_types::*;
use world::*;

/// A bilateral proposal by alice that waits for the station's signature.
fn proposal(label: &str, signing_ms: u32) -> Action {
    let lot = PurchaseLot {
        carrier: Carrier::Electricity,
        quantity: Quantity(KWH),
        price: Price::micro_per_kwh(1),
        metering: Metering { delivery: None, take: Some(meter_id("alice/electricity")) },
    };
    let terms = PurchaseTerms {
        lots: vec![lot].try_into().unwrap(),
        window: Window { from: at(1, 10, 0), to: at(1, 11, 0) },
        deposit_permille: 0,
        guarantee_permille: 0,
        tolerance_permille: 0,
        grace_ms: 0,
        substitute: Substitute::Nothing,
    };
    let terms = AgreementTerms { owner: account("station"), user: account("alice"), program: Program::Purchase(terms) };
    Action::ProposeAgreement { id: agreement_id(label), terms, signing_ms }
}

#[test]
fn a_second_is_worked_off_and_scheduled_again_in_the_same_block() {
    let mut world = World::new();
    let count = 72;
    // So many seconds, so far apart, that reading them takes longer than reading what the transaction needs.
    for number in 1..=count {
        world.done("alice", proposal(&format!("{number}"), number * 600_000));
    }
    let now = at(1, 1, 12);
    world.now = now;
    let transaction = world.sign("alice", proposal("late", 0));
    let outcome = world.block(vec![transaction]);
    assert_eq!(outcome.receipts.len(), count as usize + 1, "all expire, and the late one is proposed");
    assert_eq!(outcome.next_due, Some(now), "the late one waits for the next block");
    assert_eq!(world.status("late"), Status::Proposed);
    world.pass_to(now);
    assert_eq!(world.status("late"), Status::Expired);
}
