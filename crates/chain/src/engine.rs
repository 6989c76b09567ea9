//! Puts the engine together: storage, marshal, state, consensus, on any runtime and any network.

use crate::{
    application::LedgerApplication,
    archive::{Damage, Kept},
    block::Block,
    clock::Clock,
    final_blocks::FinalBlocks,
    finality::{FinalityReporter, advance},
    pace::{Pace, Paced},
    pool::{Pool, PoolLimits},
    state::State,
    store::{self, ARCHIVE_SECTION, BUFFER_BYTES, COMPRESSION, Certification, Databases, Receipts},
    verification::Verifier,
};
use commonware_broadcast::buffered;
use commonware_codec::FixedSize as _;
use commonware_consensus::{
    marshal::{
        self,
        core::{Actor as MarshalActor, Mailbox as MarshalMailbox},
        resolver::p2p as marshal_resolver,
        standard::{Deferred, Standard},
    },
    simplex::{
        self,
        config::{ForwardPolicy, SkipPolicy},
        elector::RoundRobin,
        scheme::ed25519::Scheme,
    },
    types::{Epoch, FixedEpocher, ViewDelta},
};
use commonware_cryptography::{
    Digested, Digestible as _, Sha256, Signer as _, certificate::ConstantProvider, ed25519, sha256,
};
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
use commonware_storage::{archive::prunable, merkle::mmr, qmdb::any, translator::EightCap};
use commonware_utils::{NZDuration, NZU32, NZU64, NZUsize, ordered::Set};
use rand_core::CryptoRng;
use std::{num::NonZeroU64, sync::Arc, time::Duration};
use tokio::sync::watch;
use utilidor_proof::inclusion::{MAX_LOG_ENTRY_BYTES, StateCell, StateKey};
use utilidor_types::{
    Digest, Genesis,
    block::{Header, Round, consensus_namespace},
    meter::MAX_CERTIFICATION_ENTRY_BYTES,
};

/// What the engine needs of a runtime.
pub(crate) trait Runtime:
    Spawner + Metrics + RuntimeClock + Storage + CryptoRng + Send + Sync + 'static
{
}
impl<E: Spawner + Metrics + RuntimeClock + Storage + CryptoRng + Send + Sync + 'static> Runtime for E {}

/// The channels of the network, in the order in which they are registered.
pub(crate) const CHANNELS: u64 = 7;

/// One channel's two ends.
pub(crate) type Ends<S, R> = (S, R);

/// The network that the engine runs on.
pub(crate) struct Network<S, R, P, B> {
    pub votes: Ends<S, R>,
    pub certificates: Ends<S, R>,
    pub resolver: Ends<S, R>,
    pub backfill: Ends<S, R>,
    pub broadcast: Ends<S, R>,
    pub synchronisation: Ends<S, R>,
    pub probe: Ends<S, R>,
    pub peers: P,
    pub blocker: B,
}

/// What the engine is started with.
pub(crate) struct Config {
    pub genesis: Arc<Genesis>,
    /// Ed25519 public keys of the members that vote.
    pub validators: Set<ed25519::PublicKey>,
    pub key: ed25519::PrivateKey,
    pub clock: Arc<Clock>,
    pub pace: Pace,
    pub pool: PoolLimits,
    /// Whether a node without data fetches a recent state from its peers instead of executing every block.
    pub synchronise: bool,
    pub strategy: Rayon,
    /// Prefix of the names of everything on disk.
    pub partition: String,
}

/// A running engine, as the rest of the node uses it.
pub(crate) struct Running<E: Runtime> {
    pub pool: Arc<Pool>,
    pub verifier: Verifier,
    pub blocks: Arc<FinalBlocks>,
    /// The last final block: it is on disk, and its state follows.
    pub head: watch::Receiver<Header>,
    /// The last block whose state can be read.
    pub applied: watch::Receiver<Header>,
    pub databases: Databases<E>,
    pub marshal: MarshalMailbox<Scheme, Standard<Block>>,
    /// What of the archives cannot be read.
    pub damage: Arc<Damage>,
    /// Ends only if consensus stops.
    pub consensus: TaskHandle<()>,
}

/// Bound on a message between members.
pub(crate) fn max_message_bytes(members: u32) -> u32 {
    let sync = |operations: NonZeroU64, bytes: usize| {
        prefixed(sync_resolver::max_payload_size::<mmr::Family, sha256::Digest>(operations, bytes))
    };
    let entry = |bytes: usize| bytes + LOG_OPERATION_OVERHEAD;
    max_message_size(&[
        simplex::max_payload_size::<Scheme, sha256::Digest>(members),
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
const VIEW_RETENTION: u64 = 64;
const MAILBOX: usize = 1_024;
/// Time a leader has to build, beyond the idle interval.
const BUILD_TIMEOUT: Duration = Duration::from_millis(2_500);
/// Time that a leader of a development chain waits for work before the view is given up.
const DEVELOPMENT_VIEW: Duration = Duration::from_secs(5);

/// The block that every chain of `genesis` begins with: its state is empty, and the allocations are part of block 1.
pub(crate) fn genesis_block<E: Runtime>(genesis: &Genesis, proposer: &ed25519::PublicKey) -> Block {
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
    Block::new(header, Vec::new())
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
    B: Blocker<PublicKey = ed25519::PublicKey> + Clone,
{
    let Config { genesis, validators, key, clock, pace, pool, synchronise, strategy, partition } = config;
    let public_key = key.public_key();
    let namespace = consensus_namespace(genesis.chain());
    let scheme = Scheme::signer(&namespace, validators.clone(), key.clone())
        .unwrap_or_else(|| Scheme::verifier(&namespace, validators.clone()));
    let page_cache = store::page_cache();
    let genesis_block = genesis_block::<E>(&genesis, validators.iter().next().expect("a chain has a validator"));
    let epocher = FixedEpocher::new(NonZeroU64::MAX);
    let provider = ConstantProvider::new(scheme.clone());

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

    let (applied_sender, applied) = watch::channel(genesis_block.header().clone());
    let (head_sender, head) = watch::channel(genesis_block.header().clone());
    let names = ["blocks", "finalizations"].map(|name| format!("{partition}-{name}"));
    let damage = Arc::new(Damage::new(&names[0], &names[1], applied.clone()));
    let finalizations = prunable::Archive::init(
        context.child("finalizations"),
        archive(
            &names[1],
            &page_cache,
            <Scheme as commonware_cryptography::certificate::Verifier>::certificate_codec_config_unbounded(),
        ),
    )
    .await
    .expect("the archive of finalizations must open");
    let blocks = prunable::Archive::init(context.child("blocks"), archive(&names[0], &page_cache, ()))
        .await
        .expect("the archive of blocks must open");
    let finalizations = Kept { inner: finalizations, damage: damage.clone() };
    let blocks = Kept { inner: blocks, damage: damage.clone() };

    let mut plan = SyncPlan::init(context.child("plan"), format!("{partition}-plan-")).await;
    let (probe, probe_mailbox) = Probe::new(ProbeConfig {
        context: context.child("probe"),
        provider: provider.clone(),
        strategy: strategy.clone(),
        mailbox_size: NZUsize!(MAILBOX),
        blocker: network.blocker.clone(),
        minimum_epoch: Epoch::zero(),
        retry_timeout: NZDuration!(Duration::from_secs(1)),
    });
    probe.start(network.probe);
    if plan.should_sync(synchronise) {
        let floor = probe_mailbox.subscribe().await.expect("the probe runs as long as the node");
        plan = plan.set_floor(floor).await;
    }

    let (marshal, marshal_mailbox, floor) = MarshalActor::<_, Standard<Block>, _, _, _, _, _>::init(
        context.child("marshal"),
        finalizations,
        blocks,
        marshal::Config {
            provider,
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
                fetch_batch_size: SYNC_RECEIPTS,
                apply_batch_size: NZU64!(1_024),
                max_outstanding_requests: NZUsize!(16),
            },
            prune_config: None,
            strategy: strategy.clone(),
        },
    );
    let paced = Paced { inner: stateful_mailbox.clone(), clock, pool: pool.clone(), pace };
    let deferred = Deferred::new(context.child("deferred"), paced, marshal_mailbox.clone(), epocher);

    let reporter = FinalityReporter {
        inner: stateful_mailbox.clone(),
        blocks: final_blocks.clone(),
        pool: pool.clone(),
        head: head_sender.clone(),
    };
    marshal.start(reporter, buffer, marshal_resolver);
    probe_mailbox.attach(marshal_mailbox.clone());
    stateful.start();

    // What was applied before the restart is on disk: the node begins there, and applies what was final already.
    let databases = stateful_mailbox.subscribe_databases().await;
    if let Some((_, anchor)) = marshal_mailbox.get_anchor().await {
        advance(&applied_sender, anchor.inner().header());
        advance(&head_sender, anchor.inner().header());
    }
    if let Some((latest, _)) = marshal_mailbox.get_info(marshal::Identifier::Latest).await {
        let mut applied = applied.clone();
        applied.wait_for(|applied| applied.height >= latest.get()).await.expect("the engine holds the sender");
    }

    let alone = validators.len() == 1;
    let leader_timeout = pace.idle.map_or(DEVELOPMENT_VIEW, |idle| idle + BUILD_TIMEOUT);
    let certification_timeout = leader_timeout + BUILD_TIMEOUT;
    let consensus = simplex::Engine::new(
        context.child("consensus"),
        simplex::Config {
            scheme,
            elector: RoundRobin::<Sha256>::default(),
            blocker: network.blocker,
            automaton: deferred.clone(),
            relay: deferred.clone(),
            reporter: deferred,
            strategy,
            partition: format!("{partition}-consensus"),
            mailbox_size: NZUsize!(MAILBOX),
            epoch: Epoch::zero(),
            floor: simplex::config::Floor::Genesis(genesis_block.digest()),
            replay_buffer: BUFFER_BYTES,
            write_buffer: BUFFER_BYTES,
            page_cache,
            leader_timeout,
            certification_timeout,
            timeout_retry: Duration::from_secs(1),
            view_retention: ViewDelta::new(VIEW_RETENTION),
            skip: if alone {
                SkipPolicy::Disabled
            } else {
                SkipPolicy::Enabled {
                    timeout: certification_timeout + 2 * BUILD_TIMEOUT,
                    budget: simplex::SkipBudget::Participants,
                }
            },
            fetch_timeout: NZDuration!(Duration::from_secs(2)),
            fetch_retry_delay: Duration::from_secs(1),
            forward: if alone { ForwardPolicy::Disabled } else { ForwardPolicy::SilentVoters },
            track_historical_votes: false,
        },
    )
    .start(network.votes, network.certificates, network.resolver);

    let marshal = marshal_mailbox;
    Running { pool, verifier, blocks: final_blocks, head, applied, databases, marshal, damage, consensus }
}

/// Quota of each channel and peer.
pub(crate) const QUOTA: Quota = Quota::per_second(NZU32!(512));
