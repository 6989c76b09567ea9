//! Which set of validators signs which epoch, as far as this node knows, and how it came to know.
//!
//! Everything begins with the genesis document; each further set is learnt from a handover that the set before has signed: from
//! the last block of an epoch when the chain gets there, from what is kept when the node starts, or from peers while it
//! synchronises. An epoch beyond what is known has no set: what claims to be of it cannot be judged yet.

use crate::scheme::{Scheme, Voter};
use commonware_codec::RangeCfg;
use commonware_consensus::types::{Epoch, Epocher as _, FixedEpocher, Height};
use commonware_cryptography::{
    certificate::{Provider, Scheme as _, Scoped},
    ed25519::PublicKey,
};
use commonware_storage::{
    Context as StorageContext,
    metadata::{self, Metadata},
};
use commonware_utils::{ordered::Set, sequence::U64};
use std::{
    collections::BTreeMap,
    sync::{Arc, RwLock},
};
use utilidor_proof::{FinalHeader, Members, ProofError, members::keys};
use utilidor_types::{
    Genesis, Roster,
    block::consensus_namespace,
    decode, encode,
    handover::{Handover, MAX_HANDOVER_BYTES},
};

/// The sets that are known. Cheap to clone; clones share everything.
#[derive(Clone)]
pub(crate) struct Sets {
    namespace: Arc<[u8]>,
    voter: Option<Voter>,
    epocher: FixedEpocher,
    known: Arc<RwLock<Known>>,
}

struct Known {
    members: Members,
    /// The scheme of each set, by the first epoch that it signs.
    schemes: BTreeMap<u64, Arc<Scheme>>,
    /// The last epoch whose set is known.
    until: u64,
    /// The newest end of an epoch that is known, if it changed nothing.
    unchanged: Option<Handover>,
}

impl Sets {
    /// The genesis document's set, for the first epoch.
    pub fn new(genesis: &Genesis, epocher: FixedEpocher, voter: Option<Voter>) -> Result<Self, ProofError> {
        let members = Members::of(genesis)?;
        let namespace: Arc<[u8]> = consensus_namespace(genesis.chain()).into();
        let scheme = Scheme::new(&namespace, keys(members.newest())?, voter.as_ref());
        let schemes = BTreeMap::from([(0, Arc::new(scheme))]);
        let known = Arc::new(RwLock::new(Known { members, schemes, until: 0, unchanged: None }));
        Ok(Self { namespace, voter, epocher, known })
    }

    /// Learns the set of the epoch after a handover's. Says whether that is news; fails for what is not signed as it must be.
    pub fn learn(&self, handover: &Handover) -> Result<bool, ProofError> {
        let header = &handover.header;
        let next = header.round.epoch.saturating_add(1);
        if self.epocher.last(Epoch::new(header.round.epoch)) != Some(Height::new(header.height)) {
            return Err(ProofError::BrokenLink { height: header.height });
        }
        let mut known = self.known.write().expect("no holder of this lock panics");
        if next <= known.until {
            return Ok(false);
        }
        if header.next_validators == header.validators {
            known.members.confirm(handover)?;
            known.unchanged = Some(handover.clone());
        } else {
            known.members.follow(handover)?;
            let scheme = Scheme::new(&self.namespace, keys(&handover.set)?, self.voter.as_ref());
            known.schemes.insert(next, Arc::new(scheme));
            known.unchanged = None;
        }
        known.until = next;
        Ok(true)
    }

    /// The last epoch whose set is known.
    pub fn until(&self) -> Epoch {
        Epoch::new(self.known().until)
    }

    /// The set that signs an epoch.
    pub fn at(&self, epoch: Epoch) -> Option<Roster> {
        let known = self.known();
        (epoch.get() <= known.until).then(|| known.members.at(epoch.get()).clone())
    }

    /// The scheme of the set that signs an epoch.
    pub fn scheme_at(&self, epoch: Epoch) -> Option<Arc<Scheme>> {
        let known = self.known();
        let (_, scheme) = known.schemes.range(..=epoch.get()).next_back()?;
        (epoch.get() <= known.until).then(|| scheme.clone())
    }

    /// The keys of the newest set known.
    pub fn newest(&self) -> Set<PublicKey> {
        let known = self.known();
        let (_, scheme) = known.schemes.last_key_value().expect("the first set is always there");
        scheme.participants().clone()
    }

    /// Whether a header is final.
    pub fn verify(&self, header: &FinalHeader) -> Result<(), ProofError> {
        header.verify(&self.known().members).map(|_| ())
    }

    /// Version of the newest set known.
    pub fn version(&self) -> u64 {
        self.known().members.newest().version
    }

    /// The handovers that lead from the genesis document to the set that signs an epoch.
    pub fn changes_until(&self, epoch: u64) -> Vec<Handover> {
        let known = self.known();
        known.members.handovers().iter().take_while(|handover| handover.header.round.epoch < epoch).cloned().collect()
    }

    /// Handovers from the set of `version` on, at most `limit`; then the newest end of an epoch, if it changed nothing.
    pub fn handovers(&self, version: u64, limit: usize) -> Vec<Handover> {
        let known = self.known();
        let handovers = known.members.handovers();
        let first = usize::try_from(version).unwrap_or(usize::MAX).min(handovers.len());
        handovers[first..].iter().chain(&known.unchanged).take(limit).cloned().collect()
    }

    fn known(&self) -> std::sync::RwLockReadGuard<'_, Known> {
        self.known.read().expect("no holder of this lock panics")
    }
}

impl Provider for Sets {
    type Scope = Epoch;
    type Scheme = Scheme;

    fn scoped(&self, epoch: Epoch) -> Option<Scoped<Scheme>> {
        self.scheme_at(epoch).map(Scoped::scheme)
    }
}

/// Handovers on the disk: one for each change, and the newest end of an epoch that changed nothing.
pub(crate) struct Kept<E: StorageContext>(Option<Metadata<E, U64, Vec<u8>>>);

/// Key of the end of an epoch that changed nothing; the others have the version that they led to.
const UNCHANGED: U64 = U64::new(0);

impl<E: StorageContext> Kept<E> {
    /// Opens the store, and lets `sets` learn what is in it. What is damaged is left out: the archive of blocks, or peers, have
    /// it as well.
    pub async fn open(context: E, partition: String, sets: &Sets) -> Self {
        let config = metadata::Config { partition, codec_config: (RangeCfg::from(..=MAX_HANDOVER_BYTES), ()) };
        let kept: Metadata<E, U64, Vec<u8>> =
            Metadata::init(context, config).await.expect("the store of handovers must open");
        let read = |key: &U64| decode::<Handover>(kept.get(key)?, MAX_HANDOVER_BYTES).ok();
        for version in 1.. {
            let Some(handover) = read(&U64::new(version)) else { break };
            if sets.learn(&handover).is_err() {
                break;
            }
        }
        if let Some(unchanged) = read(&UNCHANGED) {
            let _ = sets.learn(&unchanged);
        }
        Self(Some(kept))
    }

    /// Keeps a handover that was learnt.
    pub async fn put(&mut self, handover: &Handover) {
        let changed = handover.header.next_validators != handover.header.validators;
        let key = if changed { U64::new(handover.set.version) } else { UNCHANGED };
        let store = self.0.take().expect("the store is put back after each write");
        self.0 = Some(store.put_sync(key, encode(handover)).await.expect("the store of handovers must be writable"));
    }
}

/// Whether a set can sign: it has keys, each an Ed25519 key.
pub(crate) fn usable(set: &Roster) -> bool {
    keys(set).is_ok()
}
