//! Bill proofs, from a running chain to a check that knows nothing but the chain's id.

use crate::common::*;
use utilidor_proof::bill::{Before, BillError, BillProof};
use utilidor_proof::document::{Proof, ProofDocument, VERSION};
use utilidor_types::action::Prepayment;
use utilidor_types::agreement::Party;
use utilidor_types::event::Purpose;
use utilidor_types::genesis::ChainKind;
use utilidor_types::package::Period;
use utilidor_types::statement::StatementLine;
use utilidor_types::*;
use utilidor_view::{AgreementView, Trace};

const ELECTRICITY: Carrier = Carrier::Electricity;
const HEATING: Carrier = Carrier::Heating;

async fn proof(world: &World, agreement: AgreementId, number: u32, query: &str) -> BillProof {
    let document: ProofDocument = world.read(&format!("/v1/statements/{agreement}/{number}/proof{query}")).await;
    assert_eq!(document.version, VERSION);
    match document.proof {
        Proof::Bill(bill) => bill,
        other => panic!("a {} proof", other.name()),
    }
}

/// Verifies a bill as a client would: whole and short, from its JSON and from its bytes.
async fn verified(world: &World, agreement: AgreementId, number: u32) -> Statement {
    let mut statements = Vec::new();
    for query in ["", "?short=true"] {
        let proof = proof(world, agreement, number, query).await;
        assert_eq!(BillProof::from_bytes(&proof.to_bytes()).unwrap(), proof);
        let bill = proof.verify(Some(world.genesis.chain()));
        let bill = bill.unwrap_or_else(|error| panic!("{agreement} {number} {query}: {error}"));
        assert_eq!((bill.statement.agreement, bill.statement.number), (agreement, number));
        assert_eq!(bill.readings.is_none(), proof.readings.is_none());
        let other = ChainId([7; 16]);
        assert!(matches!(proof.verify(Some(other)), Err(BillError::OtherChain { .. })));
        statements.push(bill.statement);
    }
    assert_eq!(statements[0], statements[1]);
    statements.remove(0)
}

/// Every byte up to `dense`, then one in `step`: changed, it is refused.
fn refuses_changes(proof: &BillProof, chain: ChainId, dense: usize, step: usize) {
    let bytes = proof.to_bytes();
    let mut tried = 0;
    for place in (0..bytes.len()).filter(|place| *place < dense || place % step == 0) {
        let mut changed = bytes.clone();
        changed[place] ^= 1 << (place % 8);
        match BillProof::from_bytes(&changed).and_then(|proof| proof.verify(Some(chain))) {
            Ok(_) => panic!("byte {place} of {} is proven by nothing", bytes.len()),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
        tried += 1;
    }
    assert!(tried > 500, "{tried} bytes were tried");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_is_traced_and_proven_and_its_proof_refuses_changed_bytes() {
    let mut world = World::start(ChainKind::Development).await;
    world.settle_in().await;
    let [_, losing] = world.trade(true).await;
    world.advance(at(1, 11, 0)).await;
    // 40 kWh an hour for 20 of the 24 hours; the rest is substituted pro rata.
    let mut register = 0;
    let hours = 9 * 24 + 20;
    world.readings("alice/electricity", at(1, 1, 0), hours, &mut register, 40 * KWH).await;
    world.advance(at(1, 11, 2)).await;

    let statement = verified(&world, purchase(), 1).await;
    assert!(statement.substituted);
    let [StatementLine::Delivery { delivered, substituted, amount, .. }, ..] = &*statement.lines else {
        panic!("{statement:?}")
    };
    assert_eq!((delivered.0 / KWH, substituted.0 / KWH), (966, 166));
    assert_eq!(*amount, statement.paid);

    let trace: Trace = world.read(&format!("/v1/agreements/{}/trace?limit=1000", purchase())).await;
    assert_eq!(trace.quotes.as_ref().unwrap().items.len(), 2);
    assert_eq!((trace.signatures.len(), trace.readings.items.len()), (2, 20));
    assert_eq!(trace.agreement.status, agreement::Status::Settled);
    let kinds: Vec<_> = trace.movements.items.iter().map(|row| row.kind.name()).collect();
    assert!(kinds.contains(&"pay") && kinds.contains(&"release"), "{kinds:?}");
    let text = serde_json::to_string(&trace).unwrap();
    assert!(!text.contains(&hex::encode(losing.salt)), "a losing quote's content is in the trace");

    refuses_changes(&proof(&world, purchase(), 1, "").await, world.genesis.chain(), 2_000, 101);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriptions_bills_are_proven_through_amendment_and_termination() {
    let mut world = World::start(ChainKind::Development).await;
    world.settle_in().await;
    world.done("station", Action::PublishPackage(world.package(1, 800_000))).await;
    world.done("station", Action::PublishPackage(world.package(2, 750_000))).await;
    world.done("alice", Action::Subscribe { label: label("s"), terms: world.terms(1) }).await;
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
    let january = verified(&world, subscription(), 1).await;
    assert!(january.lines.iter().any(|line| matches!(line, StatementLine::Energy { tranche: 1, .. })), "{january:?}");

    // February: 60 kWh an hour are more than is prepaid; the tariff is changed by consent in the middle.
    world.advance(at(2, 14, 0)).await;
    world.readings("alice/electricity", at(2, 1, 0), 13 * 24, &mut electricity, 60 * KWH).await;
    let program = Program::Subscription(world.terms(2));
    let from = at(2, 14, 0);
    world.done("station", Action::ProposeAmendment { agreement: subscription(), program, from }).await;
    let proposed: AgreementView = world.read(&format!("/v1/agreements/{}", subscription())).await;
    let terms = proposed.amendment.expect("it waits for alice").digest;
    world.done("alice", Action::SignAmendment { agreement: subscription(), terms }).await;

    // What is owed is paid out of the next payment.
    world.prepay(ELECTRICITY, Prepayment::Amount(Money::units(20_000))).await;
    world.advance(at(3, 1, 0)).await;
    world.readings("alice/electricity", at(2, 14, 0), 15 * 24, &mut electricity, 20 * KWH).await;
    world.advance(at(3, 1, 7)).await;
    let february = verified(&world, subscription(), 2).await;
    assert_eq!(february.state_before, january.state_after);

    // The end, in the middle of a period, and the final statement after its grace time.
    world.advance(at(3, 10, 0)).await;
    world.readings("alice/electricity", at(3, 1, 0), 9 * 24, &mut electricity, KWH).await;
    world.done("alice", Action::Terminate { agreement: subscription() }).await;
    world.advance(at(3, 10, 7)).await;
    let last = verified(&world, subscription(), 3).await;
    assert!(last.lines.iter().any(|line| matches!(line, StatementLine::Refund { .. })), "{last:?}");

    let summary: serde_json::Value = world.read("/v1/summary").await;
    assert_eq!(summary["money"]["conserved"], true);

    // Nor does one that goes on from anything else than what the statement before left.
    let chain = world.genesis.chain();
    let good = proof(&world, subscription(), 3, "").await;
    assert!(!good.before.pots.is_empty(), "what was prepaid is held");
    let changes: [&dyn Fn(&mut Before); 4] = [
        &|before| before.pots[0].2 = Money(before.pots[0].2.0 + 1),
        &|before| before.pots.push((Party::OWNER, Purpose::Prepayment, Money(1))),
        &|before| before.debt = Money(before.debt.0 + 1),
        &|before| before.ending = 1,
    ];
    for change in changes {
        let mut forged = good.clone();
        change(&mut forged.before);
        assert!(matches!(forged.verify(Some(chain)), Err(BillError::Incoherent { .. })));
    }

    // A bill that leaves something out does not follow.
    let mut short = proof(&world, subscription(), 3, "").await;
    short.readings.as_mut().unwrap().entries.remove(1);
    assert!(short.verify(Some(chain)).is_err());
    let mut unpaid = proof(&world, subscription(), 3, "").await;
    unpaid.told.remove(0);
    assert!(unpaid.verify(Some(chain)).is_err());
    refuses_changes(&proof(&world, subscription(), 3, "").await, chain, 0, 23);
    world.stop().await;
}

/// Readings are corrected before the meter passes the month's end, and both sign a tariff with longer nights for the month after.
#[tokio::test(flavor = "multi_thread")]
async fn a_bill_is_proven_by_the_tariff_of_its_time_and_by_what_corrected_its_readings() {
    let mut world = World::start(ChainKind::Development).await;
    world.settle_in().await;
    world.done("station", Action::PublishPackage(world.package(1, 800_000))).await;
    world.done("station", Action::PublishPackage(world.package(2, 750_000))).await;
    world.done("alice", Action::Subscribe { label: label("s"), terms: world.terms(1) }).await;
    let correct = |day, certified, right| Action::CorrectReadings {
        meter: meter_id("alice/electricity"),
        interval: Window { from: at(1, day, 5), to: at(1, day, 10) },
        certified: Quantity(certified * KWH),
        right: Quantity(right * KWH),
        reason: Text::default(),
    };
    let mut register = 0;
    world.advance(at(1, 20, 1)).await;
    world.readings("alice/electricity", at(1, 1, 0), 19 * 24, &mut register, 3 * KWH).await;
    world.done("gateway", correct(10, 15, 2)).await;
    world.done("gateway", correct(11, 15, 23)).await;
    let program = Program::Subscription(world.terms(2));
    world.done("station", Action::ProposeAmendment { agreement: subscription(), program, from: at(2, 1, 0) }).await;
    let proposed: AgreementView = world.read(&format!("/v1/agreements/{}", subscription())).await;
    let terms = proposed.amendment.expect("it waits for alice").digest;
    world.done("alice", Action::SignAmendment { agreement: subscription(), terms }).await;
    world.advance(at(2, 1, 1)).await;
    world.readings("alice/electricity", at(1, 20, 0), 12 * 24, &mut register, 3 * KWH).await;
    world.advance(at(2, 1, 7)).await;
    verified(&world, subscription(), 1).await;

    let mut forged = proof(&world, subscription(), 1, "").await;
    assert_eq!(forged.corrected.len(), 2);
    assert_eq!(proof(&world, subscription(), 1, "?short=true").await.corrected.len(), 0);
    forged.corrected.pop();
    assert!(forged.verify(Some(world.genesis.chain())).is_err(), "the readings alone do not lead to it");

    // What is corrected of a month with its statement is told, and stands on the next one, by the longer nights.
    world.done("gateway", correct(12, 15, 4)).await;
    world.advance(at(3, 1, 1)).await;
    world.readings("alice/electricity", at(2, 1, 0), 28 * 24, &mut register, 3 * KWH).await;
    world.advance(at(3, 1, 7)).await;
    verified(&world, subscription(), 2).await;
    world.stop().await;
}
