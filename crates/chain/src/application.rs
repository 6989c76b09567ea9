//! The chain's rules as the consensus engine asks for them: build a block, judge a block, take note of a final one.

use crate::{
    block::{Block, BlockContext, Body, MAX_BLOCK_BYTES, MAX_BLOCK_TRANSACTIONS, MAX_BLOCK_WORK},
    clock::Clock,
    executor::{Executed, execute, proposer, seal},
    final_blocks::FinalBlocks,
    latest,
    pool::{Candidate, Pool, Room, Spent},
    scheme::Scheme,
    sets::usable,
    store::{Batches, Databases, Merkleized, SyncTargets, target},
    verification::Verifier,
};
use commonware_consensus::{
    Heightable as _,
    marshal::ancestry::Ancestry,
    types::{Epocher as _, FixedEpocher, Height},
};
use commonware_cryptography::Digestible as _;
use commonware_glue::stateful::{Application, Finality, Input, Proposed, db::DatabaseSet};
use commonware_runtime::Spawner;
use commonware_storage::Context as StorageContext;
use futures::StreamExt as _;
use std::sync::Arc;
use tracing::{debug, error, warn};
use utilidor_ledger::{Inadmissible, Outcome};
use utilidor_types::{
    Genesis, Roster,
    block::{FinalBlock, FinalTransaction, Header},
};

/// What a block is built from: work is an estimate here, the ledger counts it and leaves out what is too much.
const ROOM: Room = Room { count: MAX_BLOCK_TRANSACTIONS, bytes: MAX_BLOCK_BYTES, work: MAX_BLOCK_WORK };

/// Asks the ledger for the set of validators of the next epoch, after what the last block of an epoch did: the header before
/// that block, whose `next_validators` are the present ones, and the outcome. None: the set stays.
pub(crate) type Council = Arc<dyn Fn(&Header, &Outcome) -> Option<Roster> + Send + Sync>;

/// What the ledger says.
pub(crate) fn by_ledger() -> Council {
    Arc::new(|_, outcome| outcome.next_validators.clone())
}

/// The ledger behind the consensus engine. Cheap to clone; clones share everything.
#[derive(Clone)]
pub(crate) struct LedgerApplication {
    pub genesis: Arc<Genesis>,
    pub genesis_block: Arc<Block>,
    pub epocher: FixedEpocher,
    pub council: Council,
    pub clock: Arc<Clock>,
    pub pool: Arc<Pool>,
    pub verifier: Verifier,
    /// The blocks that were executed last.
    pub blocks: Arc<FinalBlocks>,
    /// The last block whose state can be read; that state may not be on disk yet.
    pub applied: latest::Sender<Header>,
}

impl LedgerApplication {
    /// The set of validators that the block on `parent` changes to: only an epoch's last block can, and the ledger says to
    /// which.
    fn next_validators(&self, parent: &Header, outcome: &Outcome) -> Option<Roster> {
        let info = self.epocher.containing(Height::new(parent.height + 1))?;
        if info.last() != info.height() {
            return None;
        }
        let next = (self.council)(parent, outcome).filter(|next| next.id() != parent.next_validators)?;
        let usable = usable(&next);
        if !usable {
            error!(
                height = parent.height + 1,
                "the ledger names validators that cannot sign: those of this epoch stay"
            );
        }
        usable.then_some(next)
    }

    /// Executes a block that exists. `None` if it breaks a rule of its own or of the ledger.
    async fn replay<E: Spawner + StorageContext>(
        &self,
        runtime: &E,
        block: &Block,
        parent: &Header,
        batches: Batches<E>,
    ) -> Option<Merkleized<E>> {
        let header = block.header();
        if header.chain != parent.chain || header.time <= parent.time {
            warn!(height = header.height, "refused a block of another chain or of a time not after its parent's");
            return None;
        }
        if header.height == 1 && !block.transactions().is_empty() {
            warn!("refused a first block with transactions: it carries out the genesis document and nothing else");
            return None;
        }
        let transactions = match self.verifier.verify_bodies(block.transactions(), &self.pool).await {
            Ok(transactions) => transactions,
            Err(error) => {
                warn!(height = header.height, %error, "refused a block with a transaction that does not verify");
                return None;
            }
        };
        let spent = transactions.iter().map(Spent::from).collect();
        let carried = transactions.iter().map(FinalTransaction::from).collect();
        let executed =
            execute(runtime, &self.genesis, parent, header.time, header.proposer, transactions, batches).await;
        if let Some((place, reason)) = executed.outcome.inadmissible.first() {
            warn!(height = header.height, place, %reason, "refused a block with a transaction that may not stand in it");
            return None;
        }
        let context = commonware_consensus::CertifiableBlock::context(block);
        let next = self.next_validators(parent, &executed.outcome);
        if seal(parent, &context, header.time, block.transactions(), &executed, next.as_ref()) != *header {
            warn!(height = header.height, "refused a block whose header is not what its transactions lead to");
            return None;
        }
        self.pool.drafted(block.digest(), context.parent.1, header.height, spent);
        Some(self.executed(block, carried, executed))
    }

    /// Keeps what a block did until it is asked for.
    fn executed<E: Spawner + StorageContext>(
        &self,
        block: &Block,
        transactions: Vec<FinalTransaction>,
        Executed { outcome, merkleized, .. }: Executed<E>,
    ) -> Merkleized<E> {
        let (receipts, certified) = (outcome.receipts, outcome.certified);
        let executed = FinalBlock { header: block.header().clone(), transactions, receipts, certified };
        self.blocks.executed(block.digest(), executed);
        merkleized
    }
}

impl<E: Spawner + StorageContext> Application<E> for LedgerApplication {
    type SigningScheme = Scheme;
    type Context = BlockContext;
    type Block = Block;
    type Databases = Databases<E>;
    type Captured = ();
    type Provider = ();
    type Input = ();

    fn sync_targets(block: &Block) -> SyncTargets<E> {
        let header = block.header();
        (target(&header.state_operations), target(&header.certification), target(&header.receipts))
    }

    async fn genesis(&mut self) -> Block {
        (*self.genesis_block).clone()
    }

    async fn propose(
        &mut self,
        (runtime, context): (E, BlockContext),
        mut ancestry: impl Ancestry<Block>,
        batches: <Self::Databases as DatabaseSet<E>>::Unmerkleized,
        _: Input<(), ()>,
    ) -> Option<Proposed<Self, E>> {
        let parent = ancestry.next().await?;
        let parent_digest = parent.digest();
        let parent = parent.inner().header();
        // The parent is not final, and views were given up since: some clock may be too far behind for the leaders' own times.
        let given_up = context.round.view() > context.parent.0.next();
        let time = if given_up && parent.height > self.applied.borrow().height {
            self.clock.stepping_back(&runtime, parent.time)
        } else {
            self.clock.after(&runtime, parent.time)
        };
        // Block 1 is the genesis document's alone: whatever happens while a chain begins, it is the same block.
        let room = if parent.height == 0 { Room::default() } else { ROOM };
        let candidates = self.pool.candidates(&parent_digest, parent.height + 1, room);
        let transactions = candidates.iter().map(|candidate| candidate.transaction.clone()).collect();

        let executed = execute(&runtime, &self.genesis, parent, time, proposer(&context), transactions, batches).await;
        let outcome = &executed.outcome;
        let body = |candidate: &Candidate| Body { hash: candidate.transaction.hash(), bytes: candidate.bytes.clone() };
        let bodies: Vec<Body> = outcome.admitted.iter().map(|&index| body(&candidates[index])).collect();
        let admitted = || outcome.admitted.iter().map(|&index| &candidates[index].transaction);
        let (spent, carried) =
            (admitted().map(Spent::from).collect(), admitted().map(FinalTransaction::from).collect());
        let unfit: Vec<_> = outcome
            .inadmissible
            .iter()
            .filter_map(|(index, reason)| {
                let hash = candidates[*index].transaction.hash();
                // The pool offers what it knows to be fit: so the block is full, or the pool learnt of a block later than the
                // ledger, which is rare.
                debug!(%hash, ?reason, "left a transaction out of a block");
                (!may_follow(reason)).then(|| (hash, reason.clone()))
            })
            .collect();
        let next = self.next_validators(parent, &executed.outcome);
        let block = Block::new(seal(parent, &context, time, &bodies, &executed, next.as_ref()), bodies, next);
        self.pool.drafted(block.digest(), parent_digest, block.header().height, spent);
        self.pool.unfit(unfit);
        let merkleized = self.executed(&block, carried, executed);
        Some(Proposed { block, merkleized })
    }

    async fn process(
        &mut self,
        (runtime, _): (E, BlockContext),
        mut ancestry: impl Ancestry<Block>,
        batches: <Self::Databases as DatabaseSet<E>>::Unmerkleized,
        _: Finality,
    ) -> Option<Merkleized<E>> {
        let block = ancestry.next().await?;
        let parent = ancestry.next().await?;
        self.replay(&runtime, block.inner(), parent.inner().header(), batches).await
    }

    async fn capture(
        &mut self,
        _: (E, BlockContext),
        _: &Block,
        _: &Merkleized<E>,
        _: <Self::Databases as DatabaseSet<E>>::Readers,
    ) {
    }

    async fn finalized(
        &mut self,
        (runtime, _): (E, BlockContext),
        block: &Block,
        (): (),
        _: <Self::Databases as DatabaseSet<E>>::Readers,
    ) {
        let height = block.height().get();
        // One that was final before it was executed is verified by what the pool holds until now.
        if self.blocks.at(height).is_none() {
            self.pool.finalized(&block.digest(), height, block.header().time, || block.spent());
        }
        let forgotten = self.blocks.forget();
        runtime.spawn(|_| async move { drop(forgotten) });
        self.applied.send_replace(block.header().clone());
    }
}

/// Whether a pooled transaction that the ledger left out of a block may enter the next one: the block had no room for it, or
/// none for one of its account that comes first.
fn may_follow(reason: &Inadmissible) -> bool {
    match reason {
        Inadmissible::NotThisBlock => true,
        Inadmissible::WrongNonce { found, expected } => found > expected,
        Inadmissible::UnknownAccount(_) | Inadmissible::Expired { .. } => false,
    }
}
