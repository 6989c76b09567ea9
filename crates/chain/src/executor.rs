//! Runs the ledger on a block's transactions and seals what comes out into a header.
//!
//! The ledger is pure: it says which cells it wants, is given them, and ends with the cells that change. One function
//! executes and one seals, whoever asks: the proposer, the verifier, and the node that replays a block after a restart.

use crate::{
    block::{BlockContext, Body, merkle_root},
    store::{Batches, Certification, Merkleized, log},
};
use commonware_consensus::{Epochable as _, Viewable as _};
use commonware_glue::stateful::db::{ManagedDb, Merkleized as _, Unmerkleized as _};
use commonware_runtime::{Handle, Spawner};
use commonware_storage::{
    Context as StorageContext,
    merkle::mmr,
    qmdb::{any::batch::Slot, sync::Target},
};
use commonware_utils::non_empty_range;
use utilidor_ledger::{
    BlockContext as LedgerContext, Change, Execution, MAX_BLOCK_WORK, MAX_DUE_WORK, Outcome, Progress,
};
use utilidor_proof::inclusion::{LogEntry, MAX_LOG_ENTRY_BYTES, StateCell, StateKey};
use utilidor_types::{
    Cell, Digest, Genesis, PublicKey, Roster, Timestamp, VerifiedTransaction,
    block::{Header, Round},
    encode,
};

// The receipts of a block are one entry of their log: with room for the one of genesis, and for lengths.
const _: () = assert!(MAX_BLOCK_WORK.receipt_bytes + MAX_DUE_WORK.receipt_bytes + 1_024 <= MAX_LOG_ENTRY_BYTES as u64);

type UnmerkleizedLog<E> = <Certification<E> as ManagedDb<E>>::Unmerkleized;

/// What a block did, and the database batches that hold all of it.
pub(crate) struct Executed<E: Spawner + StorageContext> {
    pub outcome: Outcome,
    /// Hashes of the receipts, in order.
    pub receipt_hashes: Vec<Digest>,
    pub merkleized: Merkleized<E>,
}

/// Executes `transactions` on the state that `batches` fork, in a block of `proposer` on `parent` at `time`.
///
/// # Panics
///
/// Panics if a database cannot be read.
#[tracing::instrument(
    name = "block", skip_all, fields(height = parent.height + 1, transactions = transactions.len())
)]
pub(crate) async fn execute<E: Spawner + StorageContext>(
    runtime: &E,
    genesis: &Genesis,
    parent: &Header,
    time: Timestamp,
    proposer: [u8; 32],
    transactions: Vec<VerifiedTransaction>,
    batches: Batches<E>,
) -> Executed<E> {
    let (state, certification, receipts) = batches;
    let mut staged = state.stage().await.expect("the state must be readable");
    let context = LedgerContext {
        chain: parent.chain,
        height: parent.height + 1,
        time,
        parent: parent.digest(),
        proposer: PublicKey::Ed25519(proposer),
        next_due: parent.next_due,
    };
    let mut execution = Execution::new(context, genesis, transactions);
    let mut outcome = loop {
        match execution.run() {
            Progress::Wants(wanted) => {
                let wanted: Vec<StateKey> = wanted.iter().map(|key| StateKey::new(key.0)).collect();
                let keys: Vec<&StateKey> = wanted.iter().collect();
                let (values, expanded) = staged.expand(&keys).await.expect("the state must be readable");
                staged = expanded;
                execution.supply(values.iter().map(|value| value.as_ref().map(cell_of)));
            }
            Progress::Done(outcome) => break outcome,
        }
    };
    let entry = encode(&outcome.receipts);
    let height = parent.height + 1;

    let mut slots = Vec::new();
    slots.resize_with(staged.len(), || Slot::Keep);
    let mut unstaged = Vec::new();
    for Change { key, cell, supplied } in &outcome.cells {
        let cell = cell.map(|cell| StateCell::new(cell.0));
        // What is supplied is staged in the same order.
        match supplied {
            Some(slot) => slots[*slot] = cell.map_or(Slot::Delete, Slot::Put),
            None => unstaged.push((StateKey::new(key.0), cell)),
        }
    }
    // The order in which cells were asked for is this execution's own; the database is given one that all members share.
    unstaged.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    // The logs are sealed beside the state, on other threads where there are some.
    let certified = std::mem::take(&mut outcome.certified);
    let certification = runtime.child("certification").spawn(|_| async move {
        let append = |log: UnmerkleizedLog<E>, run| log.append(LogEntry::new(encode(run)));
        (certified.iter().fold(certification, append).merkleize().await, certified)
    });
    let left = std::mem::take(&mut outcome.receipts);
    let receipts = runtime.child("receipts").spawn(move |_| async move {
        let hashes: Vec<Digest> = left.iter().map(utilidor_types::Receipt::hash).collect();
        // Freeing what the block has read takes time, too.
        drop(execution);
        // A node that synchronises needs no receipts of the past: what it has to fetch of them is the last commit.
        let receipts = receipts.append(LogEntry::new(entry)).with_inactivity_floor(mmr::Location::new(2 * height));
        (receipts.merkleize().await, left, hashes)
    });
    let (state, (certification, certified), (receipts, left, hashes)) =
        futures::join!(staged.seal(slots, unstaged), done(certification), done(receipts));
    (outcome.certified, outcome.receipts) = (certified, left);
    let merkleized = (
        state.expect("the state must be readable"),
        certification.expect("the certification log must be readable"),
        receipts.expect("the receipts log must be readable"),
    );
    Executed { outcome, receipt_hashes: hashes, merkleized }
}

/// What a task gives. One that is cut off never gives anything: the node is stopping, and so is who waits for it.
async fn done<T: Send + 'static>(task: Handle<T>) -> T {
    match task.await {
        Ok(done) => done,
        Err(_) => std::future::pending().await,
    }
}

/// The header of the block that carries `transactions`, proposed in `context`, with what executing them left; `next` is the
/// set of validators that the block changes to.
pub(crate) fn seal<E: Spawner + StorageContext>(
    parent: &Header,
    context: &BlockContext,
    time: Timestamp,
    transactions: &[Body],
    executed: &Executed<E>,
    next: Option<&Roster>,
) -> Header {
    let (state, certification, receipts) = &executed.merkleized;
    Header {
        version: Header::VERSION,
        chain: parent.chain,
        height: parent.height + 1,
        time,
        parent: Digest(context.parent.1.0),
        proposer: proposer(context),
        round: Round { epoch: context.epoch().get(), view: context.view().get(), parent_view: context.parent.0.get() },
        validators: parent.next_validators,
        next_validators: next.map_or(parent.next_validators, Roster::id),
        transaction_count: count(transactions.len()),
        receipt_count: count(executed.receipt_hashes.len()),
        transactions_root: merkle_root(transactions.iter().map(|transaction| Digest(transaction.hash.0))),
        receipts_root: merkle_root(executed.receipt_hashes.iter().copied()),
        state_root: Digest(state.root().0),
        state_operations: log(&state.target()),
        certification: log(&Target::new(
            certification.root(),
            non_empty_range!(certification.bounds().inactivity_floor, certification.bounds().tip.size),
        )),
        receipts: log(&Target::new(
            receipts.root(),
            non_empty_range!(receipts.bounds().inactivity_floor, receipts.bounds().tip.size),
        )),
        next_due: executed.outcome.next_due,
    }
}

/// Consensus key of the member that proposes in `context`.
pub(crate) fn proposer(context: &BlockContext) -> [u8; 32] {
    context.leader.as_ref().try_into().expect("an ed25519 public key has 32 bytes")
}

fn cell_of(cell: &StateCell) -> Cell {
    Cell((**cell).try_into().expect("a state cell has its fixed size"))
}

fn count(length: usize) -> u32 {
    u32::try_from(length).expect("a block's lists are bounded far below 2^32")
}
