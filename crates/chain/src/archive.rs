//! The archives of blocks and of their certificates: a damaged part of the past is told, and does not end the node.
//!
//! The engine takes a part of its archives that cannot be read for a reason to stop. Rightly so where it is going to execute
//! what it reads; but what has been applied is only asked for by people. There, a damaged part is *missed*: it is remembered
//! with what was wrong, and said loudly once.
//!
//! Deliberately absent: mending. What to do is in `docs/operating.md`.

use crate::{latest, store::ARCHIVE_SECTION};
use commonware_consensus::{
    marshal::store::{Blocks, Certificates},
    simplex::types::Finalization,
    types::Height,
};
use commonware_cryptography::Digestible;
use commonware_runtime::Handle;
use commonware_storage::archive::Identifier;
use commonware_utils::Array;
use std::{
    collections::BTreeMap,
    fmt::Display,
    sync::{Arc, Mutex},
};
use tracing::error;
use utilidor_types::block::Header;

/// Damaged parts that are remembered.
const MAX_REMEMBERED: usize = 1_024;

/// Which archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Block,
    Certificate,
}

/// What is known to be damaged.
pub(crate) struct Damage {
    /// Folder of each archive's values, below the node's storage.
    folders: [String; 2],
    /// The last block whose state can be read.
    applied: latest::Receiver<Header>,
    found: Mutex<BTreeMap<(Part, u64), String>>,
}

impl Damage {
    pub fn new(blocks: &str, certificates: &str, applied: latest::Receiver<Header>) -> Self {
        let folders = [blocks, certificates].map(|name| format!("{name}-values"));
        Self { folders, applied, found: Mutex::default() }
    }

    /// What is wrong with the part of `height`, if that is known.
    pub fn of(&self, part: Part, height: u64) -> Option<String> {
        self.found.lock().expect("no holder of this lock panics").get(&(part, height)).cloned()
    }

    /// Takes note of a part that cannot be read. Says whether the node can do without it.
    fn note(&self, part: Part, height: Option<u64>, reason: &impl Display) -> bool {
        let Some(height) = height.filter(|height| *height < self.applied.borrow().height) else { return false };
        let section = height / ARCHIVE_SECTION.get();
        let file = format!("{}/{section:016x}", self.folders[part as usize]);
        let mut found = self.found.lock().expect("no holder of this lock panics");
        if found.len() < MAX_REMEMBERED && !found.contains_key(&(part, height)) {
            error!(
                ?part, height, file, %reason,
                "a stored part of the past is damaged: requests that need it fail; take the node's data from a copy or from \
                 another member, and check the disk"
            );
            found.insert((part, height), format!("{file}: {reason}"));
        }
        true
    }
}

/// The height that is asked for; none where a block is asked for by its digest, which consensus does with recent ones.
const fn height_of<K: Array>(id: &Identifier<'_, K>) -> Option<u64> {
    match id {
        Identifier::Index(height) => Some(*height),
        Identifier::Key(_) => None,
    }
}

/// An archive whose damaged parts are missed.
pub(crate) struct Kept<A> {
    pub inner: A,
    pub damage: Arc<Damage>,
}

impl<A: Blocks> Blocks for Kept<A> {
    type Block = A::Block;
    type Error = A::Error;

    async fn put(self, digest: <A::Block as Digestible>::Digest, block: &A::Block) -> Result<Self, A::Error> {
        Ok(Self { inner: self.inner.put(digest, block).await?, damage: self.damage })
    }

    async fn sync(self) -> Result<Self, A::Error> {
        Ok(Self { inner: self.inner.sync().await?, damage: self.damage })
    }

    async fn start_sync(self) -> Result<(Self, Handle<()>), A::Error> {
        let (inner, durable) = self.inner.start_sync().await?;
        Ok((Self { inner, damage: self.damage }, durable))
    }

    async fn get(&self, id: Identifier<'_, <A::Block as Digestible>::Digest>) -> Result<Option<A::Block>, A::Error> {
        let height = height_of(&id);
        let found = self.inner.get(id).await;
        found.or_else(|error| if self.damage.note(Part::Block, height, &error) { Ok(None) } else { Err(error) })
    }

    async fn prune(self, min: Height) -> Result<Self, A::Error> {
        Ok(Self { inner: self.inner.prune(min).await?, damage: self.damage })
    }

    fn missing_items(&self, start: Height, max: usize) -> Vec<Height> {
        self.inner.missing_items(start, max)
    }

    fn next_gap(&self, value: Height) -> (Option<Height>, Option<Height>) {
        self.inner.next_gap(value)
    }

    fn last_index(&self) -> Option<Height> {
        self.inner.last_index()
    }
}

impl<A: Certificates> Certificates for Kept<A> {
    type BlockDigest = A::BlockDigest;
    type Commitment = A::Commitment;
    type Scheme = A::Scheme;
    type Error = A::Error;

    async fn put(
        self,
        height: Height,
        digest: A::BlockDigest,
        finalization: &Finalization<A::Scheme, A::Commitment>,
    ) -> Result<Self, A::Error> {
        Ok(Self { inner: self.inner.put(height, digest, finalization).await?, damage: self.damage })
    }

    async fn sync(self) -> Result<Self, A::Error> {
        Ok(Self { inner: self.inner.sync().await?, damage: self.damage })
    }

    async fn start_sync(self) -> Result<(Self, Handle<()>), A::Error> {
        let (inner, durable) = self.inner.start_sync().await?;
        Ok((Self { inner, damage: self.damage }, durable))
    }

    async fn get(
        &self,
        id: Identifier<'_, A::BlockDigest>,
    ) -> Result<Option<Finalization<A::Scheme, A::Commitment>>, A::Error> {
        let height = height_of(&id);
        let found = self.inner.get(id).await;
        found.or_else(|error| if self.damage.note(Part::Certificate, height, &error) { Ok(None) } else { Err(error) })
    }

    async fn has(&self, height: Height) -> Result<bool, A::Error> {
        self.inner.has(height).await
    }

    async fn prune(self, min: Height) -> Result<Self, A::Error> {
        Ok(Self { inner: self.inner.prune(min).await?, damage: self.damage })
    }

    fn last_index(&self) -> Option<Height> {
        self.inner.last_index()
    }

    fn ranges_from(&self, from: Height) -> impl Iterator<Item = (Height, Height)> {
        self.inner.ranges_from(from)
    }
}
