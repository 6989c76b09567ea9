//! Bill proofs, from a running chain to a check that knows nothing but the chain's id.

mod common;

use common::*;
use utilidor_types::action::Prepayment;
use utilidor_types::bill::{BillError, BillProof};
use utilidor_types::genesis::ChainKind;
use utilidor_types::package::Period;
use utilidor_types::statement::StatementLine;
use utilidor_types::*;

const ELECTRICITY: Carrier = Carrier::Electricity;
const HEATING: Carrier = Carrier::Heating;

async fn proof(world: &World, agreement: &str, number: u32) -> BillProof {
    world.read(&format!("/v1/statements/{}/{number}/proof", agreement_id(agreement))).await
}

/// Verifies a bill as a client would: from its JSON and from its bytes.
async fn verified(world: &World, agreement: &str, number: u32) -> Statement {
    let proof = proof(world, agreement, number).await;
    let bytes = proof.to_bytes();
    assert_eq!(BillProof::from_bytes(&bytes).unwrap(), proof);
    let bill =
        proof.verify(Some(world.genesis.chain())).unwrap_or_else(|error| panic!("{agreement} {number}: {error}"));
    assert_eq!((bill.statement.agreement, bill.statement.number), (agreement_id(agreement), number));
    let other = ChainId([7; 16]);
    assert!(matches!(proof.verify(Some(other)), Err(BillError::OtherChain { .. })));
    bill.statement
}

/// Every byte up to `dense`, then one in `step`: changed, it must be refused.
fn refuses_changes(proof: &BillProof, chain: ChainId, dense: usize, step: usize) {
    let bytes = proof.to_bytes();
    let mut tried = 0;
    for place in (0..bytes.len()).filter(|place| *place < dense || place % step == 0) {
        let mut changed = bytes.clone();
        changed[place] ^= 1 << (place % 8);
        let refused = BillProof::from_bytes(&changed).and_then(|proof| proof.verify(Some(chain)));
        let error = refused.expect_err(&format!("byte {place} of {} can be changed", bytes.len()));
        assert!(!error.to_string().is_empty());
        tried += 1;
    }
    assert!(tried > 500, "{tried} bytes were tried");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_is_traced_and_proven_and_its_proof_refuses_any_changed_byte() {
    let mut world = World::start(ChainKind::Development).await;
    world.settle_in().await;
    let [_, losing] = world.trade(true).await;
    world.advance(at(1, 11, 0)).await;
    // 40 kWh an hour for 20 of the 24 hours; the rest is substituted pro rata.
    let mut register = 0;
    let days = 9 * 24 + 20;
    world.readings("alice/electricity", at(1, 1, 0), days, &mut register, 40 * KWH).await;
    world.advance(at(1, 11, 2)).await;

    let statement = verified(&world, "alice", 1).await;
    assert!(statement.substituted);
    let [StatementLine::Delivery { delivered, substituted, amount, .. }, ..] = &*statement.lines else {
        panic!("{statement:?}")
    };
    assert_eq!((delivered.0 / KWH, substituted.0 / KWH), (966, 166));
    assert_eq!(*amount, statement.paid);

    let trace: serde_json::Value =
        world.read(&format!("/v1/agreements/{}/trace?limit=1000", agreement_id("alice"))).await;
    assert_eq!(trace["quotes"]["items"].as_array().unwrap().len(), 2);
    assert_eq!(trace["signatures"].as_array().unwrap().len(), 2);
    assert_eq!(trace["readings"]["items"].as_array().unwrap().len(), 20);
    assert_eq!(trace["agreement"]["status"], "settled");
    let kinds: Vec<_> = trace["movements"]["items"].as_array().unwrap().iter().map(|row| &row["kind"]).collect();
    assert!(kinds.iter().any(|kind| *kind == "pay_from_reserve") && kinds.iter().any(|kind| *kind == "release"));
    let losing = hex::encode(losing.salt);
    assert!(!trace.to_string().contains(&losing), "a losing quote's content is in the trace");

    refuses_changes(&proof(&world, "alice", 1).await, world.genesis.chain(), 4_000, 29);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriptions_bills_are_proven_through_amendment_and_termination() {
    let mut world = World::start(ChainKind::Development).await;
    world.settle_in().await;
    world.done("station", Action::PublishPackage(world.package(1, 800_000))).await;
    world.done("station", Action::PublishPackage(world.package(2, 750_000))).await;
    world.done("alice", Action::Subscribe { id: agreement_id("s"), terms: world.terms(1) }).await;
    world.prepay(ELECTRICITY, Prepayment::Amount(Money::units(1_000))).await;
    world.prepay(ELECTRICITY, Prepayment::Amount(Money::units(10_000))).await;
    let quarter = Prepayment::Period { period: Period::Quarter, at_most: Money::units(1_000_000) };
    world.prepay(HEATING, quarter).await;

    // January: 744 hours of 3 kWh; the first tranche is used up.
    let (mut electricity, mut heating) = (0, 0);
    world.advance(at(2, 1, 1)).await;
    world.readings("alice/electricity", at(1, 1, 0), 744, &mut electricity, 3 * KWH).await;
    world.readings("alice/heating", at(1, 1, 0), 744, &mut heating, 5 * KWH).await;
    world.advance(at(2, 1, 7)).await;
    let january = verified(&world, "s", 1).await;
    assert!(january.lines.iter().any(|line| matches!(line, StatementLine::Charge { tranche: 1, .. })), "{january:?}");

    // February: 60 kWh an hour are more than is prepaid; the tariff is changed by consent in the middle.
    world.advance(at(2, 14, 0)).await;
    world.readings("alice/electricity", at(2, 1, 0), 13 * 24, &mut electricity, 60 * KWH).await;
    let program = Program::Subscription(world.terms(2));
    let amended = AgreementTerms { owner: account("station"), user: account("alice"), program: program.clone() };
    world.done("station", Action::ProposeAmendment { agreement: agreement_id("s"), program }).await;
    world.done("alice", Action::SignAmendment { agreement: agreement_id("s"), terms: amended.digest() }).await;
    let half = verified(&world, "s", 2).await;
    assert!(half.lines.iter().any(|line| matches!(line, StatementLine::Owed { .. })), "{half:?}");

    // What is owed is drawn from the next payment, at the new tariff.
    world.prepay(ELECTRICITY, Prepayment::Amount(Money::units(20_000))).await;
    world.advance(at(3, 1, 0)).await;
    world.readings("alice/electricity", at(2, 14, 0), 15 * 24, &mut electricity, 20 * KWH).await;
    world.advance(at(3, 1, 7)).await;
    verified(&world, "s", 3).await;

    // The end, in the middle of a period: refunds, less the discount on what was used.
    world.advance(at(3, 10, 0)).await;
    world.readings("alice/electricity", at(3, 1, 0), 9 * 24, &mut electricity, KWH).await;
    world.done("alice", Action::Terminate { agreement: agreement_id("s") }).await;
    let last = verified(&world, "s", 4).await;
    assert!(last.lines.iter().any(|line| matches!(line, StatementLine::Refund { .. })), "{last:?}");

    let summary: serde_json::Value = world.read("/v1/summary").await;
    assert_eq!(summary["money"]["conserved"], true);
    assert_eq!(summary["statements"], 4);

    // A bill that leaves out certificates, or a prepayment, does not follow.
    let mut short = proof(&world, "s", 4).await;
    short.certificates.as_mut().unwrap().runs.remove(1);
    let error = short.verify(Some(world.genesis.chain())).unwrap_err();
    assert!(matches!(error, BillError::WrongLine { .. }), "{error}");
    let mut unpaid = proof(&world, "s", 4).await;
    unpaid.steps.retain(|step| !matches!(step.signed.transaction.action, Action::Prepay { .. }));
    assert!(unpaid.verify(Some(world.genesis.chain())).is_err());
    refuses_changes(&proof(&world, "s", 4).await, world.genesis.chain(), 0, 23);
    world.stop().await;
}
