//! Layer `execute`: the rules alone. Signatures are known to be good, state is in memory.

use crate::measure::{Played, Seconds, Stopwatch};
use crate::spool::Transactions;
use crate::tally::Tally;
use crate::workload::{START, Workload};
use commonware_parallel::Rayon;
use rand::SeedableRng;
use std::num::NonZeroUsize;
use utilidor_ledger::Inadmissible;
use utilidor_ledger::memory::Memory;
use utilidor_types::key::KeyRing;
use utilidor_types::transaction::{verify_batch, verify_batch_with};
use utilidor_types::{SignedTransaction, VerifiedTransaction};

/// Transactions whose signatures are checked in one batch.
const VERIFIED_TOGETHER: usize = 1_024;

/// Most transactions of a block in a benchmark.
pub const BLOCK: usize = 5_000;

fn decoded(transactions: &mut Transactions, most: usize) -> Vec<SignedTransaction> {
    let signed = |bytes: Vec<u8>| SignedTransaction::decode(&bytes).expect("the workload's own encoding");
    transactions.take(most).map(signed).collect()
}

/// Verifies what the benchmark itself has signed.
fn verified(workload: &Workload, transactions: Vec<SignedTransaction>) -> Vec<VerifiedTransaction> {
    let mut rng = rand::rngs::StdRng::seed_from_u64(1);
    let chain = workload.genesis.chain();
    let verdicts = verify_batch(chain, transactions, &mut rng, &commonware_parallel::Sequential);
    verdicts.into_iter().map(|verdict| verdict.expect("the workload signs well")).collect()
}

/// Checks the signatures of a workload, and does nothing else with it: what the machine can do at most.
pub fn play_verification(workload: &Workload) -> Played {
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let strategy = Rayon::new(threads).expect("threads can be started");
    let keys = KeyRing::default();
    let mut rng = rand::rngs::StdRng::seed_from_u64(1);
    let mut played = Played::default();
    for phase in workload.phases.iter().filter(|phase| phase.timed) {
        let mut transactions = phase.transactions.read();
        let mut seconds = Seconds::default();
        while transactions.len() > 0 {
            let batch = decoded(&mut transactions, VERIFIED_TOGETHER);
            let stopwatch = Stopwatch::start();
            let verdicts = verify_batch_with(&keys, workload.genesis.chain(), batch, &mut rng, &strategy);
            assert!(verdicts.iter().all(Result::is_ok), "the workload signs well");
            seconds += stopwatch.read();
        }
        played.count(phase, seconds, None);
    }
    played
}

/// Plays a workload on a state in memory. Every transaction must be applied.
pub fn play(workload: &Workload) -> Played {
    let mut state = Memory::new(workload.genesis.clone());
    let mut played = Played::default();
    let mut tally = Tally::default();
    for phase in &workload.phases {
        let mut transactions = phase.transactions.read();
        let mut seconds = Seconds::default();
        let time = phase.at.max(state.time()).max(START);
        let mut run = |mut block: Vec<VerifiedTransaction>| loop {
            let tried = block.clone();
            let stopwatch = Stopwatch::start();
            let outcome = state.execute(time, tried);
            seconds += stopwatch.read();
            played.rounds = played.rounds.max(state.rounds());
            tally.add(&outcome.receipts);
            // What a block has no room for is the next one's.
            let left = outcome.inadmissible.iter().map(|(place, reason)| {
                assert_eq!(*reason, Inadmissible::NotThisBlock);
                block[*place].clone()
            });
            block = left.collect();
            if block.is_empty() {
                break outcome.next_due;
            }
        };
        // A phase without transactions is the ledger's own: one empty block at least.
        let mut next_due = Some(time);
        while transactions.len() > 0 {
            next_due = run(verified(workload, decoded(&mut transactions, BLOCK)));
        }
        while next_due.is_some_and(|due| due <= time) {
            next_due = run(Vec::new());
        }
        if phase.timed {
            played.count(phase, seconds, None);
        }
    }
    tally.check(workload);
    played
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Suite, TOGETHER, workload};

    #[test]
    fn every_suite_comes_to_its_totals_and_reads_in_few_rounds() {
        for suite in Suite::ALL {
            let workload = workload(suite, 0.01, "integrated-energy-1", TOGETHER);
            let played = play(&workload);
            assert!(workload.units > 0 && played.timed.wall > 0.0, "{}", suite.name());
            // Two read ahead, and what a calendar's page or a subscription's tariff is found by.
            assert!(played.rounds <= 6, "{}: a block asked for cells {} times", suite.name(), played.rounds);
        }
    }
}
