//! Puts the engine together: storage, marshal, state, consensus, on any runtime and any network.

use crate::{
    application::{Council, LedgerApplication},
    archive::{Damage, Kept},
    block::Block,
    clock::Clock,
    epochs::{self, Connections, ConsensusStatus, Final},
    final_blocks::FinalBlocks,
    finality::{FinalityReporter, advance},
    handovers::{self, Asking},
    history, latest,
    pace::{Pace, Paced},
    pool::{Pool, PoolLimits},
    relay,
    scheme::{Scheme, Voter},
    sets::{self, Sets},
    state::State,
    store::{self, ARCHIVE_SECTION, BUFFER_BYTES, COMPRESSION, Certification, Databases, Receipts},
    verification::Verifier,
    witness::Proofs,
};
use commonware_broadcast::buffered;
use commonware_codec::FixedSize as _;
use commonware_consensus::{
    Reporters,
    marshal::{
        self,
        core::{Actor as MarshalActor, Mailbox as MarshalMailbox},
        resolver::p2p as marshal_resolver,
        standard::{Deferred, Standard},
        store::{Blocks, Certificates},
    },
    simplex,
    types::{Epoch, Epocher as _, FixedEpocher, Height, ViewDelta},
};
use commonware_cryptography::{Digested, Digestible as _, certificate::Verifier as _, ed25519, sha256};
use commonware_glue::stateful::{
    Config as StatefulConfig, Stateful, SyncPlan,
    db::{DatabaseSet, SyncEngineConfig, p2p as sync_resolver},
    probe::{self, Config as ProbeConfig, Probe},
};
use commonware_p2p::{
    Blocker, Provider, Receiver, Sender, max_message_size,
    utils::mux::{Muxer, prefixed},
};
use commonware_parallel::Rayon;
use commonware_runtime::{
    Clock as RuntimeClock, Handle as TaskHandle, Metrics, Quota, Spawner, Storage, buffer::paged::CacheRef,
};
use commonware_storage::{
    archive::{Identifier, prunable},
    merkle::mmr,
    qmdb::any,
    translator::EightCap,
};
use commonware_utils::{NZDuration, NZU32, NZU64, NZUsize};
use futures::future::Either;
use rand_core::CryptoRng;
use std::{num::NonZeroU64, sync::Arc, time::Duration};
use tracing::warn;
use utilidor_proof::inclusion::{MAX_LOG_ENTRY_BYTES, StateCell, StateKey};
use utilidor_types::{
    Digest, Genesis,
    block::{Header, Round},
    genesis::MAX_VALIDATORS,
    meter::MAX_CERTIFICATION_ENTRY_BYTES,
};

/// What the engine needs of a runtime.
pub(crate) trait Runtime:
    Spawner + Metrics + RuntimeClock + Storage + CryptoRng + Send + Sync + 'static
{
}
impl<E: Spawner + Metrics + RuntimeClock + Storage + CryptoRng + Send + Sync + 'static> Runtime for E {}

/// The channels of the network, in the order in which they are registered; the last two are those of transactions and of the past.
pub(crate) const CHANNELS: u64 = 10;

/// One channel's two ends.
pub(crate) type Ends<S, R> = (S, R);

/// The network that the engine runs on: all channels but those of transactions and of the past.
pub(crate) struct Network<S, R, P, B> {
    pub votes: Ends<S, R>,
    pub certificates: Ends<S, R>,
    pub resolver: Ends<S, R>,
    pub backfill: Ends<S, R>,
    pub broadcast: Ends<S, R>,
    pub synchronisation: Ends<S, R>,
    pub probe: Ends<S, R>,
    pub handovers: Ends<S, R>,
    pub peers: P,
    pub blocker: B,
}

/// What the engine is started with.
pub(crate) struct Config {
    pub genesis: Arc<Genesis>,
    /// This node's key.
    pub me: ed25519::PublicKey,
    /// Who signs for it in epochs whose set has its key; none for a node that only follows.
    pub voter: Option<Voter>,
    /// Whether it may vote at once although its guard is lost.
    pub without_guard: bool,
    /// Blocks in an epoch, at least two.
    pub epoch_length: NonZeroU64,
    pub council: Council,
    pub connections: Box<dyn Connections>,
    pub clock: Arc<Clock>,
    pub pace: Pace,
    pub pool: PoolLimits,
    /// Height of the chain from which a node without data fetches a recent state from its peers instead of executing every
    /// block.
    pub synchronise: Option<u64>,
    pub strategy: Rayon,
    /// Prefix of the names of everything on disk.
    pub partition: String,
    /// Memory for pages that were read.
    pub cache_bytes: usize,
}

/// When a view is given up.
#[derive(Clone, Copy)]
pub(crate) struct Timeouts {
    /// Time that a leader has to propose.
    pub leader: Duration,
    /// Time that a view has to come to a certificate.
    pub certification: Duration,
    /// Silence after which a leader's views are given up at once.
    pub skip: Duration,
}

impl Timeouts {
    fn of(pace: &Pace) -> Self {
        let leader = pace.idle.map_or(DEVELOPMENT_VIEW, |idle| idle.max(pace.longest_pause) + BUILD_TIMEOUT);
        let certification = leader + BUILD_TIMEOUT;
        Self { leader, certification, skip: certification + 2 * BUILD_TIMEOUT }
    }
}

/// A running engine, as the rest of the node uses it.
pub(crate) struct Running<E: Runtime> {
    pub pool: Arc<Pool>,
    pub verifier: Verifier,
    pub blocks: Arc<FinalBlocks>,
    /// The last final block: it is on disk, and its state follows.
    pub head: latest::Receiver<Header>,
    /// The last block whose state can be read.
    pub applied: latest::Receiver<Header>,
    pub databases: Databases<E>,
    pub marshal: MarshalMailbox<Scheme, Standard<Block>>,
    /// What of the archives cannot be read.
    pub damage: Arc<Damage>,
    pub sets: Sets,
    pub status: latest::Receiver<Option<ConsensusStatus>>,
    pub proofs: Proofs,
    /// Ends only if consensus stops.
    pub consensus: TaskHandle<()>,
}

/// Bound on a message between nodes.
pub(crate) fn max_message_bytes() -> u32 {
    let members = u32::try_from(MAX_VALIDATORS).expect("the bound on validators is small");
    let sync = |operations: NonZeroU64, bytes: usize| {
        prefixed(sync_resolver::max_payload_size::<mmr::Family, sha256::Digest>(operations, bytes))
    };
    let entry = |bytes: usize| bytes + LOG_OPERATION_OVERHEAD;
    max_message_size(&[
        prefixed(simplex::max_payload_size::<Scheme, sha256::Digest>(members)),
        handovers::MAX_MESSAGE_BYTES,
        relay::MAX_MESSAGE_BYTES,
        history::MAX_MESSAGE_BYTES,
        marshal::max_payload_size::<Standard<Block>, Scheme>(members, &()),
        probe::max_payload_size::<Standard<Block>, Scheme>(members),
        sync(SYNC_OPERATIONS, any::ordered::fixed::Operation::<mmr::Family, StateKey, StateCell>::SIZE),
        sync(SYNC_RUNS, entry(MAX_CERTIFICATION_ENTRY_BYTES)),
        sync(SYNC_RECEIPTS, entry(MAX_LOG_ENTRY_BYTES)),
    ])
}

/// Bytes that an operation of a log has besides its entry, at most.
const LOG_OPERATION_OVERHEAD: usize = 64;
/// Operations of the state that a peer is asked for at once.
const SYNC_OPERATIONS: NonZeroU64 = NZU64!(1_024);
/// Entries of the certification log that a peer is asked for at once.
const SYNC_RUNS: NonZeroU64 = NZU64!(256);
/// Entries of the receipts log that a peer is asked for at once.
const SYNC_RECEIPTS: NonZeroU64 = NZU64!(1);
/// Final blocks that may wait for the disk; what one flush makes durable together.
const MAX_PENDING_BLOCKS: usize = 8;
/// Votes and certificates of this many views behind the last final one are kept.
pub(crate) const VIEW_RETENTION: u64 = 64;
const MAILBOX: usize = 1_024;
/// How long a node that starts without data waits for peers that tell it how far the chain is.
const CATCH_UP_PATIENCE: Duration = Duration::from_secs(5);
/// How long it waits for a recent block to synchronise to, before it executes all blocks instead.
const PROBE_PATIENCE: Duration = Duration::from_secs(60);
/// Time a leader has to build, beyond the idle interval.
const BUILD_TIMEOUT: Duration = Duration::from_millis(2_500);
/// Time that a leader of a development chain waits for work before the view is given up.
const DEVELOPMENT_VIEW: Duration = Duration::from_secs(5);

/// The block that every chain of `genesis` begins with: its state is empty, and the allocations are part of block 1.
pub(crate) fn genesis_block<E: Runtime>(genesis: &Genesis, proposer: &ed25519::PublicKey) -> Block {
    let validators = genesis.roster().id();
    let (state, certification, receipts) = <Databases<E> as DatabaseSet<E>>::initial_sync_targets();
    let empty = crate::block::merkle_root(std::iter::empty());
    let header = Header {
        version: Header::VERSION,
        chain: genesis.chain(),
        height: 0,
        time: genesis.time,
        parent: Digest([0; 32]),
        proposer: proposer.as_ref().try_into().expect("an ed25519 public key has 32 bytes"),
        round: Round::default(),
        validators,
        next_validators: validators,
        transaction_count: 0,
        receipt_count: 0,
        transactions_root: empty,
        receipts_root: empty,
        state_root: Digest(state.root.0),
        state_operations: store::log(&state),
        certification: store::log(&certification),
        receipts: store::log(&receipts),
        next_due: Some(genesis.time),
    };
    Block::new(header, Vec::new(), None)
}

fn archive<C>(name: &str, page_cache: &CacheRef, codec_config: C) -> prunable::Config<EightCap, C> {
    prunable::Config {
        translator: EightCap,
        metadata_partition: format!("{name}-metadata"),
        key_partition: format!("{name}-keys"),
        key_page_cache: page_cache.clone(),
        value_partition: format!("{name}-values"),
        compression: COMPRESSION,
        codec_config,
        items_per_section: ARCHIVE_SECTION,
        key_write_buffer: BUFFER_BYTES,
        value_write_buffer: BUFFER_BYTES,
        replay_buffer: BUFFER_BYTES,
    }
}

/// Starts the engine and returns once it has recovered: its head is at least what it reported before it stopped.
///
/// # Panics
///
/// Panics if storage cannot be opened, as the engine does for every storage failure.
pub(crate) async fn start<E, S, R, P, B>(context: E, network: Network<S, R, P, B>, config: Config) -> Running<E>
where
    E: Runtime,
    S: Sender<PublicKey = ed25519::PublicKey>,
    R: Receiver<PublicKey = ed25519::PublicKey>,
    P: Provider<PublicKey = ed25519::PublicKey> + Clone,
    B: Blocker<PublicKey = ed25519::PublicKey> + Clone + Sync,
{
    let Config {
        genesis,
        me: public_key,
        voter,
        without_guard,
        epoch_length,
        council,
        connections,
        clock,
        pace,
        pool,
        synchronise,
        strategy,
        partition,
        cache_bytes,
    } = config;
    let page_cache = store::page_cache(cache_bytes);
    let epocher = FixedEpocher::new(epoch_length);
    let guard = voter.as_ref().and_then(|voter| voter.guard.clone());
    let sets = Sets::new(&genesis, epocher.clone(), voter).expect("the genesis document's validators were checked");
    let genesis_block = genesis_block::<E>(&genesis, sets.newest().iter().next().expect("a chain has a validator"));

    let marshal_resolver = marshal_resolver::init(
        context.child("backfill"),
        marshal_resolver::Config {
            public_key: public_key.clone(),
            peer_provider: network.peers.clone(),
            blocker: network.blocker.clone(),
            mailbox_size: NZUsize!(MAILBOX),
            fetch_timeout: NZDuration!(Duration::from_secs(2)),
            fetch_retry_delay: Duration::from_millis(100),
            priority_requests: false,
            priority_responses: false,
        },
        network.backfill,
    );
    let (broadcast, buffer) = buffered::Engine::new(
        context.child("broadcast"),
        buffered::Config {
            public_key: public_key.clone(),
            mailbox_size: NZUsize!(MAILBOX),
            deque_size: 8,
            priority: false,
            codec_config: (),
            peer_provider: network.peers.clone(),
            strategy: strategy.clone(),
        },
    );
    broadcast.start(network.broadcast);

    let (applied_sender, applied) = latest::channel(genesis_block.header().clone());
    let (head_sender, head) = latest::channel(genesis_block.header().clone());
    let names = ["blocks", "finalizations"].map(|name| format!("{partition}-{name}"));
    let damage = Arc::new(Damage::new(&names[0], &names[1], applied.clone()));
    let finalizations = prunable::Archive::init(
        context.child("finalizations"),
        archive(&names[1], &page_cache, Scheme::certificate_codec_config_unbounded()),
    )
    .await
    .expect("the archive of finalizations must open");
    let blocks = prunable::Archive::init(context.child("blocks"), archive(&names[0], &page_cache, ()))
        .await
        .expect("the archive of blocks must open");
    let finalizations = Kept { inner: finalizations, damage: damage.clone() };
    let blocks = Kept { inner: blocks, damage: damage.clone() };

    let mut kept = sets::Kept::open(context.child("kept"), format!("{partition}-handovers"), &sets).await;
    learn_from_archive(&sets, &mut kept, &epocher, &finalizations, &blocks).await;
    let (blocker, status) = (network.blocker.clone(), latest::Sender::new(None));
    let asking = handovers::start(context.child("handovers"), sets.clone(), head.clone(), blocker, network.handovers);

    let mut plan = SyncPlan::init(context.child("plan"), format!("{partition}-plan-")).await;
    let searching = synchronise.filter(|_| plan.should_sync(true) && plan.floor().is_none());
    let worthwhile = match searching {
        Some(from) => is_worthwhile(&asking, &mut kept, from).await,
        None => false,
    };
    let (probe, probe_mailbox) = Probe::new(ProbeConfig {
        context: context.child("probe"),
        provider: sets.clone(),
        strategy: strategy.clone(),
        mailbox_size: NZUsize!(MAILBOX),
        blocker: network.blocker.clone(),
        minimum_epoch: if worthwhile { sets.until() } else { Epoch::zero() },
        retry_timeout: NZDuration!(Duration::from_secs(1)),
    });
    probe.start(network.probe);
    if worthwhile {
        let (floor, patience) = (probe_mailbox.subscribe(), context.sleep(PROBE_PATIENCE));
        futures::pin_mut!(patience);
        if let Either::Left((Ok(floor), _)) = futures::future::select(floor, patience).await {
            plan = plan.set_floor(floor).await;
        } else {
            warn!("no peer told a recent final block: this node executes all blocks from the first");
        }
    }
    let sync_floor: Option<Final> = plan.floor().cloned();

    let (marshal, marshal_mailbox, floor) = MarshalActor::<_, Standard<Block>, _, _, _, _, _>::init(
        context.child("marshal"),
        finalizations,
        blocks,
        marshal::Config {
            provider: sets.clone(),
            epocher: epocher.clone(),
            start: plan.marshal_start(Digested::compute(genesis_block.clone(), &strategy).await),
            partition_prefix: format!("{partition}-marshal"),
            mailbox_size: NZUsize!(MAILBOX),
            view_retention: ViewDelta::new(VIEW_RETENTION),
            prunable_items_per_section: NZU64!(256),
            page_cache: page_cache.clone(),
            replay_buffer: BUFFER_BYTES,
            key_write_buffer: BUFFER_BYTES,
            value_write_buffer: BUFFER_BYTES,
            block_codec_config: (),
            max_repair: NZUsize!(64),
            max_pending_acks: NZUsize!(MAX_PENDING_BLOCKS),
            strategy: strategy.clone(),
        },
    )
    .await;

    let (mux, mut mux_handle) =
        Muxer::new(context.child("synchronisation"), network.synchronisation.0, network.synchronisation.1);
    mux.start();
    macro_rules! resolver {
        ($channel:literal, $label:literal, $database:ty, $operations:expr) => {{
            let (actor, resolver) = sync_resolver::Actor::<_, ed25519::PublicKey, _, _, mmr::Family, $database>::new(
                context.child($label),
                sync_resolver::Config {
                    peer_provider: network.peers.clone(),
                    blocker: network.blocker.clone(),
                    database: None,
                    mailbox_size: NZUsize!(MAILBOX),
                    me: Some(public_key.clone()),
                    fetch_timeout: NZDuration!(Duration::from_secs(5)),
                    fetch_retry_delay: Duration::from_millis(100),
                    max_serve_ops: $operations,
                    priority_requests: false,
                    priority_responses: false,
                },
            );
            actor.start(mux_handle.register($channel).await.expect("each subchannel is registered once"));
            resolver
        }};
    }
    let resolvers = (
        resolver!(0, "state_resolver", State<E>, SYNC_OPERATIONS),
        resolver!(1, "certification_resolver", Certification<E>, SYNC_RUNS),
        resolver!(2, "receipts_resolver", Receipts<E>, SYNC_RECEIPTS),
    );

    let pool = Arc::new(Pool::new(pool));
    let verifier = Verifier::new(genesis.chain(), strategy.clone());
    let final_blocks = Arc::new(FinalBlocks::default());
    let application = LedgerApplication {
        genesis,
        genesis_block: Arc::new(genesis_block.clone()),
        epocher: epocher.clone(),
        council,
        clock: clock.clone(),
        pool: pool.clone(),
        verifier: verifier.clone(),
        blocks: final_blocks.clone(),
        applied: applied_sender.clone(),
    };
    let (stateful, stateful_mailbox) = Stateful::new(
        context.child("stateful"),
        StatefulConfig {
            application,
            db_config: store::databases::<E>(&partition, &strategy, &page_cache),
            provider: (),
            marshal: (marshal_mailbox.clone(), floor),
            mailbox_size: NZUsize!(MAILBOX),
            plan,
            resolvers,
            sync_config: SyncEngineConfig {
                // A request asks for no more than there is to fetch: of receipts, the last commit.
                fetch_batch_size: SYNC_RUNS,
                apply_batch_size: NZU64!(1_024),
                max_outstanding_requests: NZUsize!(16),
            },
            prune_config: None,
            strategy: strategy.clone(),
        },
    );
    let paced = Paced { inner: stateful_mailbox.clone(), clock, pool: pool.clone(), pace };
    let deferred = Deferred::new(context.child("deferred"), paced, marshal_mailbox.clone(), epocher.clone());

    let reporter = FinalityReporter {
        inner: stateful_mailbox.clone(),
        blocks: final_blocks.clone(),
        pool: pool.clone(),
        head: head_sender.clone(),
    };
    let (epochs_mailbox, epochs_inbox) = epochs::mailbox(&context);
    marshal.start(Reporters::from((reporter, epochs_mailbox)), buffer, marshal_resolver);
    probe_mailbox.attach(marshal_mailbox.clone());
    stateful.start();

    let proofs = Proofs::default();
    let epochs_config = epochs::Config {
        application: deferred,
        blocker: network.blocker,
        marshal: marshal_mailbox.clone(),
        sets: sets.clone(),
        kept,
        connections,
        epocher,
        genesis: genesis_block.digest(),
        strategy,
        page_cache,
        partition,
        timeouts: Timeouts::of(&pace),
        mailbox_size: NZUsize!(MAILBOX),
        floor: sync_floor.clone(),
        guard,
        without_guard,
        status: status.clone(),
        proofs: proofs.clone(),
    };
    // It takes final blocks as the databases do: without it, what was final before a restart would not be applied.
    let consensus = context.child("epochs").spawn(move |context| {
        epochs::run(context, epochs_config, epochs_inbox, network.votes, network.certificates, network.resolver)
    });

    // What was applied before the restart is on disk: the node begins there, and applies what was final already.
    let databases = stateful_mailbox.subscribe_databases().await;
    if let Some((_, anchor)) = marshal_mailbox.get_anchor().await {
        if sync_floor.is_some() {
            check_synchronised(&databases, &marshal_mailbox, anchor.inner().header().height).await;
        }
        advance(&applied_sender, anchor.inner().header());
        advance(&head_sender, anchor.inner().header());
    }
    if let Some((latest, _)) = marshal_mailbox.get_info(marshal::Identifier::Latest).await {
        let mut applied = applied.clone();
        applied.wait_for(|applied| applied.height >= latest.get()).await.expect("the engine holds the sender");
    }

    let marshal = marshal_mailbox;
    Running {
        pool,
        verifier,
        blocks: final_blocks,
        head,
        applied,
        databases,
        marshal,
        damage,
        sets,
        status: status.subscribe(),
        proofs,
        consensus,
    }
}

/// Learns the sets of epochs that the archives hold the last blocks of.
async fn learn_from_archive<E, C, B>(
    sets: &Sets,
    kept: &mut sets::Kept<E>,
    epocher: &FixedEpocher,
    finalizations: &C,
    blocks: &B,
) where
    E: Runtime,
    C: Certificates<Scheme = Scheme, Commitment = sha256::Digest>,
    B: Blocks<Block = Arc<Block>>,
{
    while let Some(boundary) = epocher.last(sets.until())
        && blocks.last_index().is_some_and(|last| last >= boundary)
    {
        let block =
            blocks.get(Identifier::Index(boundary.get())).await.expect("the archive of blocks must be readable");
        let certificate = finalizations.get(Identifier::Index(boundary.get())).await;
        let certificate = certificate.expect("the archive of finalizations must be readable");
        let (Some(block), Some(certificate)) = (block, certificate) else { return };
        let handover = epochs::handover(&block, &certificate, sets);
        if !matches!(sets.learn(&handover), Ok(true)) {
            return;
        }
        kept.put(&handover).await;
    }
}

/// Whether peers are so far that synchronising to their state is worthwhile. What sets they know of is learnt.
async fn is_worthwhile<E: Runtime>(asking: &Asking, kept: &mut sets::Kept<E>, from: u64) -> bool {
    let caught = asking.catch_up(CATCH_UP_PATIENCE).await;
    for handover in &caught.learnt {
        kept.put(handover).await;
    }
    caught.height.is_some_and(|height| height >= from)
}

/// Compares the state that was fetched with what the validators have signed: the operations were compared already, the state
/// that they come to was not.
async fn check_synchronised<E: Runtime>(databases: &Databases<E>, marshal: &epochs::Marshal, anchor: u64) {
    let found = Digest(databases.0.read().await.root().0);
    // Blocks may have been applied since.
    for height in anchor.. {
        let block = marshal.get_block(marshal::Identifier::Height(Height::new(height))).await;
        let block = block.expect("the state that was fetched from peers is not that of a final block");
        if block.inner().header().state_root == found {
            return;
        }
    }
}

/// Quota of each channel and peer. Every channel keeps room for as many messages of every peer that there can be as may come at once:
/// each costs a node of a consortium more than a megabyte, but with a quarter of them members lag behind under load.
pub(crate) const QUOTA: Quota = Quota::per_second(NZU32!(512)).allow_burst(NZU32!(128));

/// Stack of the thread that a node is put together on: unoptimised, that takes more than the 2 MiB a thread gets by default.
pub(crate) const STACK_BYTES: usize = 16 << 20;
