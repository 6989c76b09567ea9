//! The authenticated databases: what is kept, in which shape, and under which names on disk.
//!
//! *state* one fixed-width cell a key, with proofs of presence and absence. *certification* the append-only log of certified
//! readings. *receipts* the append-only log of what each block did, one entry a block. All three are written in one step per
//! finalized block, so they never disagree after a crash.
//!
//! History is kept: nothing prunes the logs or the state's operations.

use crate::state::{KeyHead, State};
use commonware_cryptography::{Sha256, sha256};
use commonware_glue::stateful::db::{DatabaseSet, Shared};
use commonware_parallel::Rayon;
use commonware_runtime::{Spawner, buffer::paged::CacheRef};
use commonware_storage::{
    Context as StorageContext,
    journal::contiguous::{fixed::Config as FixedJournal, variable::Config as VariableJournal},
    merkle::{full::Config as MerkleConfig, mmr},
    qmdb::{current, keyless, sync::Target},
};
use commonware_utils::{NZU16, NZU64, NZUsize, non_empty_range};
use std::num::{NonZeroU16, NonZeroU64, NonZeroUsize};
use utilidor_proof::inclusion::LogEntry;
use utilidor_types::{Digest, block::Log};

pub(crate) type Certification<E> = keyless::variable::Db<mmr::Family, E, LogEntry, Sha256, Rayon>;
pub(crate) type Receipts<E> = keyless::variable::Db<mmr::Family, E, LogEntry, Sha256, Rayon>;

/// The databases of a node, in the order of their sync targets.
pub(crate) type Databases<E> = (Shared<State<E>>, Shared<Certification<E>>, Shared<Receipts<E>>);
pub(crate) type Batches<E> = <Databases<E> as DatabaseSet<E>>::Unmerkleized;
pub(crate) type Merkleized<E> = <Databases<E> as DatabaseSet<E>>::Merkleized;
pub(crate) type SyncTargets<E> = <Databases<E> as DatabaseSet<E>>::SyncTargets;

/// Height of the first block whose receipts a node holds, if its receipts log begins at `start`: a log that was synchronised
/// begins with the commit of the block that it was synchronised to.
pub(crate) const fn first_held(start: u64) -> u64 {
    start / 2 + 1
}

/// Position in the receipts log of the entry of the block at `height`, which must not be 0: the log begins with a commit,
/// and each block appends its entry and a commit.
pub(crate) const fn receipts_position(height: u64) -> u64 {
    2 * height - 1
}

/// A log's commitment as a sync target.
pub(crate) fn target(log: &Log) -> Target<mmr::Family, sha256::Digest> {
    Target::new(
        sha256::Digest(log.root.0),
        non_empty_range!(mmr::Location::new(log.start), mmr::Location::new(log.end)),
    )
}

/// A sync target as a log's commitment.
pub(crate) fn log(target: &Target<mmr::Family, sha256::Digest>) -> Log {
    Log { root: Digest(target.root.0), start: *target.range.start(), end: *target.range.end() }
}

// The sizes below are part of the data format: changing one needs a new format version.
const PAGE_BYTES: NonZeroU16 = NZU16!(4_096);
const ITEMS_PER_BLOB: NonZeroU64 = NZU64!(1 << 20);
const ENTRIES_PER_SECTION: NonZeroU64 = NZU64!(1 << 14);
/// Blocks and certificates in one archive section.
pub(crate) const ARCHIVE_SECTION: NonZeroU64 = NZU64!(1 << 14);
/// Level of the compression of blocks, certificates and receipts (zstd).
pub(crate) const COMPRESSION: Option<u8> = Some(1);

// These may change freely.
pub(crate) const BUFFER_BYTES: NonZeroUsize = NZUsize!(1 << 20);

/// The cache of pages that all stores of a node share. It takes all of its `bytes` from the beginning.
pub(crate) fn page_cache(bytes: usize) -> CacheRef {
    let pages = NonZeroUsize::new(bytes / usize::from(PAGE_BYTES.get())).unwrap_or(NonZeroUsize::MIN);
    CacheRef::new(PAGE_BYTES, pages)
}

fn merkle(name: &str, strategy: &Rayon, page_cache: &CacheRef) -> MerkleConfig<Rayon> {
    MerkleConfig {
        journal_partition: format!("{name}-merkle"),
        metadata_partition: format!("{name}-pinned"),
        items_per_blob: ITEMS_PER_BLOB,
        write_buffer: BUFFER_BYTES,
        replay_buffer: BUFFER_BYTES,
        strategy: strategy.clone(),
        page_cache: page_cache.clone(),
    }
}

fn fixed(name: &str, page_cache: &CacheRef) -> FixedJournal {
    FixedJournal {
        partition: format!("{name}-operations"),
        items_per_blob: ITEMS_PER_BLOB,
        page_cache: page_cache.clone(),
        write_buffer: BUFFER_BYTES,
        replay_buffer: BUFFER_BYTES,
    }
}

fn variable(name: &str, compression: Option<u8>, page_cache: &CacheRef) -> VariableJournal<()> {
    VariableJournal {
        partition: format!("{name}-operations"),
        items_per_section: ENTRIES_PER_SECTION,
        compression,
        codec_config: (),
        page_cache: page_cache.clone(),
        write_buffer: BUFFER_BYTES,
        replay_buffer: BUFFER_BYTES,
    }
}

/// Configuration of the databases under the partition prefix `name`.
pub(crate) fn databases<E: Spawner + StorageContext>(
    name: &str,
    strategy: &Rayon,
    page_cache: &CacheRef,
) -> <Databases<E> as DatabaseSet<E>>::Config {
    let state = format!("{name}-state");
    let certification = format!("{name}-certification");
    let receipts = format!("{name}-receipts");
    (
        current::FixedConfig {
            merkle_config: merkle(&state, strategy, page_cache),
            journal_config: fixed(&state, page_cache),
            grafted_metadata_partition: format!("{state}-bitmap"),
            translator: KeyHead,
            init_cache: Some(NZUsize!(1 << 16)),
            init_buffer: NZUsize!(1 << 21),
            init_concurrency: (),
        },
        keyless::variable::Config {
            merkle: merkle(&certification, strategy, page_cache),
            log: variable(&certification, None, page_cache),
        },
        keyless::variable::Config {
            merkle: merkle(&receipts, strategy, page_cache),
            log: variable(&receipts, COMPRESSION, page_cache),
        },
    )
}
