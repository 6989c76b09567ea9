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
    let terms = AgreementTerms::between(account("station"), account("alice"), Program::Purchase(terms));
    Action::ProposeAgreement { label: self::label(label), terms, signing_ms }
}

/// Whether the transaction meets the second before, while or after its page is read depends on how much falls due
/// earlier, so all amounts are tried.
#[test]
fn a_second_is_worked_off_and_scheduled_again_in_the_same_block() {
    for earlier in 0..40 {
        let mut world = World::new();
        let now = at(1, 1, 12);
        let wait = (now.0 - world.now.0) as u32;
        let proposals: Vec<_> = (0..=earlier)
            .map(|number| world.sign("alice", proposal(&format!("{number}"), wait - number * 600_000)))
            .collect();
        world.block(proposals);
        world.now = now;
        let transaction = world.sign("alice", proposal("late", 0));
        let outcome = world.block(vec![transaction]);
        assert_eq!(outcome.receipts.len(), earlier as usize + 2, "all expire, and the late one is proposed");
        assert_eq!(outcome.next_due, Some(now), "the late one waits for the next block");
        let late = agreement_of("alice", "late");
        assert_eq!(world.agreement(late).status, Status::Proposed);
        world.pass_to(now);
        assert!(!world.has_agreement(late));
    }
}

#[test]
fn what_falls_due_in_one_second_is_worked_off_in_the_order_of_scheduling() {
    let mut world = World::new();
    for label in ["a", "b", "c", "d", "e", "f", "g"] {
        world.done("alice", proposal(label, 7_200_000));
    }
    let receipts = world.pass_to(at(1, 1, 2));
    let due: Vec<_> = receipts.iter().map(|receipt| receipt.cause).collect();
    let expected = ["a", "b", "c", "d", "e", "f", "g"].map(|label| DueItem::Agreement(agreement_of("alice", label)));
    assert_eq!(due, expected.map(|item| Cause::Due { item, at: at(1, 1, 2) }), "in the order of scheduling");
    assert_eq!(world.block(vec![]).next_due, None, "nothing is left");
}
