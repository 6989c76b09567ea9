//! Strain that transactions alone cannot bring about in a test's time: seeded states, and lower bounds.

#[path = "../tests/world/mod.rs"]
mod world;

use crate::execution::{BlockContext, Execution, Ledger, Outcome, Progress};
use crate::memory::Memory;
use crate::record::{AccountRecord, AgreementRecord, AgreementState, DueItem, Record};
use crate::store::{Stop, Store};
use crate::work::{MAX_BLOCK_WORK, Work};
use crate::{Inadmissible, MAX_DUE_PER_BLOCK};
use commonware_parallel::Sequential;
use rand::SeedableRng as _;
use utilidor_types::transaction::verify_batch;
use utilidor_types::{
    Action, AgreementId, Cause, Money, Receipt, Refusal, SignedTransaction, Text, Timestamp, Verdict,
    VerifiedTransaction,
};
use world::{World, account, agreement_id, at};

/// Changes a state by other means than a block.
fn seed(state: &mut Memory, mut change: impl FnMut(&mut Ledger<'_>) -> Result<(), Stop>) {
    let (mut store, mut certified) = (Store::default(), Vec::new());
    let context = state.context_at(state.time());
    loop {
        store.ask_for_rests();
        let cells: Vec<_> = store.wanted().iter().map(|key| state.cells().get(key).copied()).collect();
        if !cells.is_empty() {
            store.supply(cells);
            continue;
        }
        store.begin_pass();
        store.begin(0);
        match change(&mut Ledger::new(&mut store, &mut certified, &context)) {
            Ok(()) => break,
            Err(Stop::Unfetched) => store.abandon(),
            Err(Stop::Refused(refusal)) => panic!("refused: {refusal}"),
        }
    }
    store.finish();
    state.take_on(&store.changes());
}

fn verified(world: &World, transactions: Vec<SignedTransaction>) -> Vec<VerifiedTransaction> {
    let mut rng = rand::rngs::StdRng::seed_from_u64(1);
    let verdicts = verify_batch(world.state.genesis().chain(), transactions, &mut rng, &Sequential);
    verdicts.into_iter().map(|verdict| verdict.expect("the test signs well")).collect()
}

/// Executes a block in which less work is allowed.
fn execute_with(world: &World, most: Work, transactions: Vec<SignedTransaction>) -> Outcome {
    let context: BlockContext = world.state.context_at(world.now);
    let transactions = verified(world, transactions);
    let mut execution = Execution::new(context, world.state.genesis(), transactions).with_most(most);
    loop {
        match execution.run() {
            Progress::Wants(keys) => execution.supply(keys.iter().map(|key| world.state.cells().get(key).copied())),
            Progress::Done(outcome) => return outcome,
        }
    }
}

fn read<R: Record>(world: &World, id: &R::Id) -> R {
    world.state.read(id).expect("the record exists")
}

/// A year's standstill: each item lies in a node of its own, some five minutes after the one before.
#[test]
fn a_years_backlog_is_worked_off_a_block_at_a_time() {
    let mut world = World::new();
    world.trade("alice");
    let model: AgreementRecord = read(&world, &agreement_id("alice"));
    let state: AgreementState = read(&world, &agreement_id("alice"));
    let count = if cfg!(debug_assertions) { 20_000 } else { 100_000 };
    let id = |number: u32| {
        let mut id = [7; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        AgreementId(id)
    };
    let step = 365 * 86_400_000 / u64::from(count);
    let begin = world.now;
    let mut at = vec![];
    for number in 0..count {
        at.push(Timestamp(begin.0 + u64::from(number + 1) * step));
    }
    for batch in (0..count).collect::<Vec<_>>().chunks(5_000) {
        let mut number = batch[0];
        seed(&mut world.state, |ledger| {
            let mut missing = Ok(());
            for number in batch {
                if let Err(stop) = ledger.schedule(DueItem::Agreement(id(*number)), at[*number as usize]) {
                    missing = Err(stop);
                }
            }
            missing
        });
        for chunk in batch.chunks(1_000) {
            seed(&mut world.state, |ledger| {
                chunk.iter().for_each(|number| ledger.store.want::<AgreementRecord>(&id(*number)));
                chunk.iter().for_each(|number| ledger.store.want::<AgreementState>(&id(*number)));
                for number in chunk {
                    let mut record = model.clone();
                    record.agreement.id = id(*number);
                    record.agreement.sign_by = at[*number as usize];
                    record.agreement.origin = utilidor_types::agreement::Origin::Package;
                    let status = utilidor_types::agreement::Status::Proposed;
                    ledger.store.create(&id(*number), record)?;
                    ledger.store.create(&id(*number), AgreementState { status, ..state.clone() })?;
                }
                Ok(())
            });
        }
        number += 1;
        assert!(number > 0);
    }
    world.now = Timestamp(begin.0 + 366 * 86_400_000);
    let mut worked_off = 0;
    while worked_off < count as usize {
        let begin = std::time::Instant::now();
        let receipts = world.block(vec![]).receipts;
        let took = begin.elapsed();
        let passes = world.state.passes();
        println!("{} of {count} in {passes} passes, {:?}", receipts.len(), took);
        assert!(passes <= 12, "{passes} passes");
        let expected = MAX_DUE_PER_BLOCK.min(count as usize - worked_off);
        let others = receipts.len() - expected;
        assert!(others <= 1, "the trade's own settlement is among them");
        worked_off += receipts.len() - others;
        assert!(receipts.iter().all(|receipt| receipt.refusal().is_none()));
    }
    assert_eq!(world.block(vec![]).next_due, None);
}

#[test]
fn a_transaction_that_takes_more_than_a_block_may_is_refused_and_its_nonce_counts() {
    let mut world = World::new();
    let transfer = || Action::Transfer { to: account("bob"), amount: Money(1), reference: Text::default() };
    let transactions: Vec<_> = (0..3).map(|_| world.sign("alice", transfer())).collect();
    let outcome = execute_with(&world, Work { look_ups: 2, ..MAX_BLOCK_WORK }, transactions.clone());
    let refusals: Vec<_> = outcome.receipts.iter().map(|receipt| receipt.refusal().cloned()).collect();
    assert_eq!(refusals, vec![Some(Refusal::TooMuchWork)], "it takes a whole block's work");
    assert_eq!(outcome.inadmissible, vec![(1, Inadmissible::NotThisBlock), (2, Inadmissible::NotThisBlock)]);
    let before: AccountRecord = read(&world, &account("alice"));
    world.state.take_on(&outcome.cells);
    let after: AccountRecord = read(&world, &account("alice"));
    assert_eq!(after, AccountRecord { nonce: before.nonce + 1, ..before });

    // With room for one, the others follow in later blocks.
    let one = Work { cells_written: 3, ..MAX_BLOCK_WORK };
    let outcome = execute_with(&world, one, transactions[1..].to_vec());
    assert_eq!((outcome.admitted, outcome.receipts[0].refusal()), (vec![0], None));
}

/// The owner's balance is full to the brim: the settlement's payment does not fit.
#[test]
fn a_due_item_that_is_refused_changes_nothing_and_has_a_receipt() {
    let mut world = World::new();
    world.trade("alice");
    world.now = at(1, 11, 0);
    world.done("gateway", world.readings("alice/electricity", &[(at(1, 11, 0), 1_000 * world::KWH)]));
    seed(&mut world.state, |ledger| {
        let mut record: AccountRecord = ledger.store.known(&account("station"))?;
        record.free = Money(u64::MAX - record.reserved.0);
        ledger.store.put(&account("station"), record);
        Ok(())
    });
    let before: AgreementState = read(&world, &agreement_id("alice"));
    let outcome = world.state.execute(at(1, 11, 1), vec![]);
    let cause = Cause::Due { agreement: agreement_id("alice"), at: at(1, 11, 1) };
    assert_eq!(outcome.receipts, vec![Receipt { cause, verdict: Verdict::Refused(Refusal::Overflow) }]);
    assert_eq!(outcome.next_due, None, "it is off the calendar");
    assert_eq!(read::<AgreementState>(&world, &agreement_id("alice")), before);
}
