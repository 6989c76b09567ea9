//! A bill of a published program is verified by running its code again: whatever is changed is found.

#[path = "../../ledger/tests/world/mod.rs"]
mod world;

use utilidor_program_sdk::Effect;
use utilidor_proof::evidence::{Happened, Place};
use utilidor_proof::select::select;
use utilidor_types::time::HOUR_MS;
use utilidor_types::*;
use world::puppet::*;
use world::*;

/// The past of the agreement as a prover knows it: receipts with their transactions, in order.
struct Past(Vec<(SignedTransaction, Receipt, Timestamp)>, Vec<(Receipt, Timestamp)>);

#[test]
fn whoever_has_the_code_and_the_receipts_comes_to_the_same_statement() {
    let mut world = World::new();
    let at = Timestamp(world.now.0 + HOUR_MS);
    let puppet = Puppet::answering(
        vec![reserve(USER, 10), Effect::Schedule(wire_time(at))],
        vec![pay(USER, OWNER, 3), statement_of(USER, OWNER, money(3))],
    );
    let publication = puppet.publication();
    let terms = terms(&world, publication.id());
    let digest = terms.digest();
    let agreement = agreement_id("a");
    let mut past = Past(Vec::new(), Vec::new());
    let mut act = |world: &mut World, actor: &str, action: Action| {
        let signed = world.sign(actor, action);
        let outcome = world.block(vec![signed.clone()]);
        past.0.push((signed, outcome.receipts.last().unwrap().clone(), world.now));
    };
    act(&mut world, "station", publish(&publication));
    act(&mut world, "station", Action::ProposeAgreement { label: label("a"), terms, signing_ms: 1_000 });
    act(&mut world, "alice", Action::SignAgreement { agreement, terms: digest });
    act(&mut world, "alice", command(agreement, vec![pay(OWNER, USER, 2)]));
    let due = world.pass_to(at);
    past.1.push((due[0].clone(), world.now));

    let chain = world.state.genesis().chain();
    let prove = |past: &Past| {
        let made = past.0.iter().enumerate().map(|(height, (signed, receipt, time))| Happened {
            place: Place { height: height as u64, receipt: 0 },
            time: *time,
            receipt,
            transaction: Some(signed),
        });
        let due = past.1.iter().map(|(receipt, time)| Happened {
            place: Place { height: 99, receipt: 0 },
            time: *time,
            receipt,
            transaction: None,
        });
        select(chain, agreement, 1, made.chain(due))
    };
    let selection = prove(&past).unwrap();
    assert_eq!(selection.told.len(), 2, "the command and the due time lead from signing to the statement");

    // Whatever is changed is found by running the program again.
    let mut other_code = Past(past.0.clone(), past.1.clone());
    let another = Puppet::answering(vec![reserve(USER, 10)], vec![pay(USER, OWNER, 4)]).publication();
    other_code.0[0].0.transaction.action = publish(&another);
    assert!(prove(&other_code).unwrap_err().contains("is missing"), "the terms name the code by its hash");
    let mut without = Past(past.0.clone(), past.1.clone());
    without.0.remove(3);
    assert!(prove(&without).is_ok(), "a command that changes no state is of no consequence for this statement");
    let changed = |change: fn(&mut Event)| {
        let (receipt, time) = past.1[0].clone();
        let Verdict::Applied(mut events) = receipt.verdict.clone() else { unreachable!() };
        events.as_mut_slice().iter_mut().for_each(change);
        Past(past.0.clone(), vec![(Receipt { verdict: Verdict::Applied(events), ..receipt }, time)])
    };
    let lines = changed(|event| {
        if let Event::StatementIssued(statement) = event {
            statement.paid = Money::units(2);
        }
    });
    assert!(prove(&lines).unwrap_err().contains("paid is \"2.000000\""));
    let fuel = changed(|event| {
        if let Event::ProgramRan { fuel, .. } = event {
            *fuel += 1;
        }
    });
    assert!(prove(&fuel).unwrap_err().contains("fuel"));
    let state = changed(|event| {
        if let Event::StatementIssued(statement) = event {
            statement.state_after = Digest([1; 32]);
        }
    });
    assert!(prove(&state).unwrap_err().contains("state"));
}
