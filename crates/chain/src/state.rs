//! The state's database: the engine's, with a floor that rises by a rule of our own.
//!
//! Operations below the floor are no longer needed to know the state. To raise the floor, what is still valid there is
//! written again at the end of the log. The engine's own rule writes one operation again for every one that a block makes
//! invalid; ours, [`Gradual`], for every third: a fifth to a third fewer operations a block, for a log that holds more old
//! ones between its floor and its end (docs/adr/0008). The rule is part of consensus: members that differ in it would differ
//! in the state's root.

use commonware_cryptography::{Sha256, sha256};
use commonware_glue::stateful::db::{
    BatchContext, InitError, ManagedDb, Merkleized, Shared, StateSyncDb, SyncEngineConfig, Unmerkleized,
};
use commonware_parallel::Rayon;
use commonware_runtime::{Handle, Spawner};
use commonware_storage::{
    Context as StorageContext,
    merkle::mmr,
    qmdb::{
        Error as DatabaseError,
        any::{batch::Slot, ordered, value::FixedEncoding},
        current::{self, batch},
        floor::{Decision, Entry, Limits, Policy},
        sync::{self, Source, Target, source},
    },
    translator::{OrderedTranslator, Translator},
};
use commonware_utils::channel::{mpsc, ring};
use std::{hash::BuildHasher, ops::Deref, sync::Arc};
use utilidor_proof::inclusion::{STATE_CHUNK_BYTES, StateCell, StateKey};

type Database<E> =
    current::ordered::fixed::Db<mmr::Family, E, StateKey, StateCell, Sha256, KeyHead, STATE_CHUNK_BYTES, Rayon>;
type Update = ordered::Update<StateKey, FixedEncoding<StateCell>>;
type Error = DatabaseError<mmr::Family>;
type SyncTarget = Target<mmr::Family, sha256::Digest>;

/// What the index in memory holds of a key: its first 16 bytes, in which family, record and cell differ.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct KeyHead;

impl Translator for KeyHead {
    type Key = u128;

    fn transform(&self, key: &[u8]) -> u128 {
        u128::from_be_bytes(key[..16].try_into().expect("a state key is longer"))
    }
}

impl OrderedTranslator for KeyHead {}

impl BuildHasher for KeyHead {
    type Hasher = foldhash::fast::FoldHasher<'static>;

    fn build_hasher(&self) -> Self::Hasher {
        foldhash::fast::FixedState::default().build_hasher()
    }
}

/// One operation is written again for so many that became invalid.
const INVALID_PER_MOVE: usize = 3;

/// The rule by which the floor rises.
struct Gradual;

impl<K, V> Policy<mmr::Family, K, V> for Gradual {
    fn evicts(&self) -> bool {
        false
    }

    fn limits(&self, made_inactive: usize) -> Limits {
        // The block before's own commit has become invalid too.
        Limits { entries: (made_inactive + 1).div_ceil(INVALID_PER_MOVE), skips: u64::MAX }
    }

    fn decide<'a>(&mut self, entry: Entry<'a, mmr::Family, K, V>) -> Decision<'a, V> {
        entry.keep()
    }
}

/// The state.
pub(crate) struct State<E: StorageContext>(Database<E>);

impl<E: StorageContext> Deref for State<E> {
    type Target = Database<E>;

    fn deref(&self) -> &Database<E> {
        &self.0
    }
}

/// Changes on their way.
pub(crate) struct StateBatch<E: StorageContext> {
    batch: batch::UnmerkleizedBatch<mmr::Family, Sha256, Update, STATE_CHUNK_BYTES, Rayon>,
    state: Shared<State<E>>,
}

/// Cells that were read, and may be written.
pub(crate) struct StagedState<E: StorageContext> {
    staged: batch::Staged<mmr::Family, Sha256, Update, STATE_CHUNK_BYTES, Rayon>,
    state: Shared<State<E>>,
}

/// Changes with the root that they lead to.
pub(crate) struct SealedState<E: StorageContext> {
    batch: Arc<batch::MerkleizedBatch<mmr::Family, sha256::Digest, Update, STATE_CHUNK_BYTES, Rayon>>,
    state: Shared<State<E>>,
}

impl<E: StorageContext> StateBatch<E> {
    /// Begins to read.
    pub async fn stage(self) -> Result<StagedState<E>, Error> {
        let Self { batch, state } = self;
        let (_, staged) = batch.stage(&[], &state.read().await.0).await?;
        Ok(StagedState { staged, state })
    }
}

impl<E: StorageContext> StagedState<E> {
    /// How many cells have been read.
    pub const fn len(&self) -> usize {
        self.staged.len()
    }

    /// Reads more cells, in order.
    pub async fn expand(self, keys: &[&StateKey]) -> Result<(Vec<Option<StateCell>>, Self), Error> {
        let Self { staged, state } = self;
        let (_, values, staged) = staged.expand(keys, &state.read().await.0).await?;
        Ok((values, Self { staged, state }))
    }

    /// Writes: a slot for each cell that was read, in order, and what is new without having been read.
    pub async fn seal(
        self,
        slots: Vec<Slot<StateCell>>,
        unstaged: Vec<(StateKey, Option<StateCell>)>,
    ) -> Result<SealedState<E>, Error> {
        let Self { staged, state } = self;
        let batch = staged.merkleize(slots, unstaged, None, &state.read().await.0, &mut Gradual).await?;
        Ok(SealedState { batch, state })
    }
}

impl<E: StorageContext> Clone for SealedState<E> {
    fn clone(&self) -> Self {
        Self { batch: self.batch.clone(), state: self.state.clone() }
    }
}

impl<E: StorageContext> SealedState<E> {
    /// What the log of operations comes to.
    pub fn target(&self) -> SyncTarget {
        let range = commonware_utils::non_empty_range!(self.batch.sync_boundary(), self.batch.bounds().tip.size);
        Target::new(self.batch.ops_root(), range)
    }
}

impl<E: Spawner + StorageContext> Unmerkleized for StateBatch<E> {
    type Merkleized = SealedState<E>;
    type Error = Error;

    async fn merkleize(self) -> Result<SealedState<E>, Error> {
        let Self { batch, state } = self;
        let batch = batch.merkleize(&state.read().await.0, None, &mut Gradual).await?;
        Ok(SealedState { batch, state })
    }
}

impl<E: Spawner + StorageContext> Merkleized for SealedState<E> {
    type Digest = sha256::Digest;
    type Unmerkleized = StateBatch<E>;

    fn root(&self) -> sha256::Digest {
        self.batch.root()
    }

    fn new_batch(&self) -> StateBatch<E> {
        StateBatch { batch: self.batch.new_batch::<Sha256>(), state: self.state.clone() }
    }
}

impl<E: Spawner + StorageContext> ManagedDb<E> for State<E> {
    type Unmerkleized = StateBatch<E>;
    type Merkleized = SealedState<E>;
    type Error = Error;
    type Config = <Database<E> as ManagedDb<E>>::Config;
    type SyncTarget = SyncTarget;

    async fn init(
        context: E,
        config: Self::Config,
        expected: Option<SyncTarget>,
    ) -> Result<Self, InitError<Error, SyncTarget>> {
        <Database<E> as ManagedDb<E>>::init(context, config, expected).await.map(Self)
    }

    fn initial_sync_target() -> SyncTarget {
        <Database<E> as ManagedDb<E>>::initial_sync_target()
    }

    fn new_batch(database: BatchContext<'_, Self>) -> StateBatch<E> {
        let (database, state) = database.into_parts();
        StateBatch { batch: database.0.new_batch(), state }
    }

    fn matches_sync_target(batch: &SealedState<E>, target: &SyncTarget) -> bool {
        batch.target() == *target
    }

    async fn apply(self, batch: SealedState<E>) -> Result<Self, Error> {
        self.0.apply_batch(batch.batch).await.map(Self)
    }

    async fn finalize(self) -> Result<(Self, Handle<()>), Error> {
        let (database, durable) = self.0.start_sync().await?;
        Ok((Self(database), durable))
    }

    async fn prune(self, target: &SyncTarget) -> Result<Self, Error> {
        <Database<E> as ManagedDb<E>>::prune(self.0, target).await.map(Self)
    }

    fn sync_target(&self) -> SyncTarget {
        <Database<E> as ManagedDb<E>>::sync_target(&self.0)
    }
}

impl<E: Spawner + StorageContext> Source for State<E> {
    type Family = <Database<E> as Source>::Family;
    type Digest = <Database<E> as Source>::Digest;
    type Op = <Database<E> as Source>::Op;
    type Error = <Database<E> as Source>::Error;

    async fn serve(&self, request: sync::Request<Self::Family>) -> source::Result<Self> {
        self.0.serve(request).await
    }
}

impl<E: Spawner + StorageContext, R: sync::SourceFor<Database<E>>> StateSyncDb<E, R> for State<E> {
    type SyncError = <Database<E> as StateSyncDb<E, R>>::SyncError;

    async fn sync_db(
        context: E,
        config: Self::Config,
        source: R,
        target: SyncTarget,
        tip_updates: ring::Receiver<SyncTarget>,
        finish: Option<mpsc::Receiver<()>>,
        reached_target: Option<ring::Sender<SyncTarget>>,
        sync_config: SyncEngineConfig,
    ) -> Result<Self, Self::SyncError> {
        Database::<E>::sync_db(context, config, source, target, tip_updates, finish, reached_target, sync_config)
            .await
            .map(Self)
    }
}
