//! The vote guard: what this member has voted, kept apart from its data, so that it never contradicts itself.
//!
//! A vote that a member forgets is dangerous: if its disk loses, keeps back or changes bytes, it would vote again, and
//! otherwise. So each vote is recorded here *before* it is signed, in two files beside the key. *vote* for one proposal, for
//! the end of a view without one, or for finality. *floor* the view that was final when records were last left out: nothing
//! at or below it is voted on any more.
//!
//! Rule, for each view: one proposal; finality only for that proposal; never both finality and the end of the view without it.
//! The same vote again is allowed: all members may have lost power at once.
//!
//! A copy counts only if every byte of it is as it was written. One sound copy is enough, and mends the other. Without any, the
//! guard is *lost*: it allows no vote until it is [renewed](Guard::renew), which is safe once the chain is final beyond
//! everything that this member may have voted on before it started.

use crate::durable;
use commonware_codec::Encode as _;
use commonware_consensus::{
    simplex::types::{Proposal, Subject},
    types::Round,
};
use commonware_cryptography::Digest as EngineDigest;
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::Mutex,
};
use tracing::{error, warn};
use utilidor_types::ChainId;

/// First bytes of each copy: what it is, and in which format.
const MAGIC: [u8; 8] = *b"votes\0\0\x01";
/// Bytes of a checksum: a truncated SHA-256 over the one before and what it covers.
const CHECKSUM: usize = 16;
const HEADER: usize = 8 + 32 + 16 + 8 + 8 + 8 + CHECKSUM;
const RECORD: usize = 1 + 8 + 8 + 32 + CHECKSUM;
/// Records after which those at or below the last final view are left out.
const MAX_RECORDS: u64 = 4_096;

type Checksum = [u8; CHECKSUM];

/// Where in consensus: epoch and view.
type Place = (u64, u64);

/// Why a guard could not be created or opened.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// A file could not be read or written.
    #[error("could not {action} the vote guard {path}")]
    Io {
        /// What was attempted.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// There is a guard already.
    #[error("{path} exists: a new guard would forget what its key has voted. Each key needs a guard of its own")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The guard is another key's.
    #[error("the vote guard {path} belongs to another key: name the guard that was made with this node's key")]
    OtherKey {
        /// The guard.
        path: PathBuf,
    },
    /// The guard is another chain's.
    #[error(
        "the vote guard {path} has votes on chain {found}, this is chain {expected}: make a new key for another chain"
    )]
    OtherChain {
        /// The guard.
        path: PathBuf,
        /// Chain of its votes.
        found: ChainId,
        /// The chain asked for.
        expected: ChainId,
    },
}

/// Makes the guard of a new key: two files at `path`, with endings `.1` and `.2`. Make it once, together with the key: a key
/// without a guard votes only after it has followed for a while, and none of the first members of a chain could.
pub fn create_guard(path: &Path, public_key: &[u8; 32]) -> Result<(), GuardError> {
    let mut copies = Files::at(path);
    if let Some(path) = copies.0.iter().find(|path| path.exists()) {
        return Err(GuardError::Exists { path: path.clone() });
    }
    let new = State::new(*public_key, ChainId([0; 16]));
    for copy in 0..2 {
        let create = |source| GuardError::Io { action: "create", path: Files::at(path).0[copy].clone(), source };
        copies.replace(copy, &new.encode()).map_err(create)?;
    }
    Ok(())
}

/// What a copy of a guard is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuardCopy {
    /// There is no such file.
    Missing,
    /// A byte of it is not as it was written.
    Damaged,
    /// Every byte of it is.
    Sound {
        /// Votes that it has recorded.
        votes: u64,
    },
}

/// Reads both copies of the guard at `path`, and changes nothing. The node must not run.
pub fn check_guard(path: &Path) -> io::Result<[GuardCopy; 2]> {
    let mut copies = Files::at(path);
    let mut check = |copy| -> io::Result<GuardCopy> {
        Ok(match copies.read(copy)? {
            None => GuardCopy::Missing,
            Some(bytes) => {
                State::decode(&bytes).map_or(GuardCopy::Damaged, |state| GuardCopy::Sound { votes: state.sequence })
            }
        })
    };
    Ok([check(0)?, check(1)?])
}

/// Where copies of a guard are kept. What is written is there after a crash, once the call has returned.
pub(crate) trait Copies: Send + 'static {
    /// All bytes of copy 0 or 1; none if there is no such copy.
    fn read(&mut self, copy: usize) -> io::Result<Option<Vec<u8>>>;
    /// Appends to a copy.
    fn append(&mut self, copy: usize, bytes: &[u8]) -> io::Result<()>;
    /// Writes a copy anew, wholly or not at all.
    fn replace(&mut self, copy: usize, bytes: &[u8]) -> io::Result<()>;
}

/// Copies in files.
pub(crate) struct Files([PathBuf; 2], [Option<File>; 2]);

impl Files {
    pub fn at(path: &Path) -> Self {
        let copy = |number: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(number);
            PathBuf::from(name)
        };
        Self([copy(".1"), copy(".2")], [None, None])
    }
}

impl Copies for Files {
    fn read(&mut self, copy: usize) -> io::Result<Option<Vec<u8>>> {
        match File::open(&self.0[copy]) {
            Ok(mut file) => {
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes)?;
                Ok(Some(bytes))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn append(&mut self, copy: usize, bytes: &[u8]) -> io::Result<()> {
        let file = match &mut self.1[copy] {
            Some(file) => file,
            none => none.insert(File::options().append(true).open(&self.0[copy])?),
        };
        let written = file.write_all(bytes).and_then(|()| file.sync_data());
        if written.is_err() {
            // What is in the file now is unknown; it is written anew before the next record.
            self.1[copy] = None;
        }
        written
    }

    fn replace(&mut self, copy: usize, bytes: &[u8]) -> io::Result<()> {
        self.1[copy] = None;
        let path = &self.0[copy];
        let new = path.with_extension(["new1", "new2"][copy]);
        let mut options = File::options();
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        durable::replace(path, &new, &mut options, bytes)
    }
}

/// What was voted in a view: hashes of proposals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cast {
    proposal: Option<[u8; 32]>,
    without: bool,
    finality: Option<[u8; 32]>,
}

/// A vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vote {
    Proposal([u8; 32]),
    Without,
    Finality([u8; 32]),
}

impl Vote {
    const fn tag(self) -> u8 {
        match self {
            Self::Proposal(_) => 0,
            Self::Without => 1,
            Self::Finality(_) => 2,
        }
    }

    fn of(tag: u8, proposal: [u8; 32]) -> Option<Self> {
        match tag {
            0 => Some(Self::Proposal(proposal)),
            1 if proposal == [0; 32] => Some(Self::Without),
            2 => Some(Self::Finality(proposal)),
            _ => None,
        }
    }
}

impl Cast {
    /// This with one vote more; none if the vote contradicts it.
    fn with(self, vote: Vote) -> Option<Self> {
        let open = |cast: Option<[u8; 32]>, proposal| cast.is_none_or(|cast| cast == proposal);
        match vote {
            Vote::Proposal(proposal) => (open(self.proposal, proposal) && open(self.finality, proposal))
                .then_some(Self { proposal: Some(proposal), ..self }),
            Vote::Finality(proposal) => {
                (open(self.proposal, proposal) && open(self.finality, proposal) && !self.without)
                    .then_some(Self { finality: Some(proposal), ..self })
            }
            Vote::Without => self.finality.is_none().then_some(Self { without: true, ..self }),
        }
    }

    fn votes(self) -> impl Iterator<Item = Vote> {
        let proposal = self.proposal.map(Vote::Proposal);
        let without = self.without.then_some(Vote::Without);
        proposal.into_iter().chain(without).chain(self.finality.map(Vote::Finality))
    }
}

/// What a guard knows.
#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    key: [u8; 32],
    /// Zero before the first vote.
    chain: ChainId,
    floor: Place,
    /// Records ever written.
    sequence: u64,
    checksum: Checksum,
    /// Records after the header.
    records: u64,
    cast: BTreeMap<Place, Cast>,
}

fn checksum(before: &Checksum, bytes: &[u8]) -> Checksum {
    let hash = Sha256::new().chain_update(b"utilidor/vote-guard").chain_update(before).chain_update(bytes).finalize();
    hash[..CHECKSUM].try_into().expect("a hash is longer")
}

impl State {
    fn new(key: [u8; 32], chain: ChainId) -> Self {
        let (floor, sequence, checksum, records) = ((0, 0), 0, [0; CHECKSUM], 0);
        Self { key, chain, floor, sequence, checksum, records, cast: BTreeMap::new() }
    }

    /// A whole copy, with the records above the floor.
    fn encode(&self) -> Vec<u8> {
        let mut fresh = Self { records: 0, cast: BTreeMap::new(), ..self.clone() };
        let mut bytes = Vec::from(MAGIC);
        bytes.extend(fresh.key);
        bytes.extend(fresh.chain.0);
        bytes.extend([fresh.floor.0, fresh.floor.1, fresh.sequence].into_iter().flat_map(u64::to_be_bytes));
        fresh.checksum = checksum(&[0; CHECKSUM], &bytes);
        bytes.extend(fresh.checksum);
        for (place, cast) in &self.cast {
            cast.votes().for_each(|vote| bytes.extend(fresh.push(*place, vote)));
        }
        bytes
    }

    /// Takes a vote, and gives the record of it.
    fn push(&mut self, place: Place, vote: Vote) -> Vec<u8> {
        let proposal = match vote {
            Vote::Proposal(proposal) | Vote::Finality(proposal) => proposal,
            Vote::Without => [0; 32],
        };
        let mut record = vec![vote.tag()];
        record.extend(place.0.to_be_bytes());
        record.extend(place.1.to_be_bytes());
        record.extend(proposal);
        self.checksum = checksum(&self.checksum, &record);
        record.extend(self.checksum);
        let cast = self.cast.entry(place).or_default();
        *cast = cast.with(vote).unwrap_or(*cast);
        self.sequence += 1;
        self.records += 1;
        record
    }

    /// Reads a copy; none if a byte of it is not as it was written.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let (header, mut records) = bytes.split_at_checked(HEADER)?;
        let (covered, sum) = header.split_at(HEADER - CHECKSUM);
        if covered[..8] != MAGIC || sum != checksum(&[0; CHECKSUM], covered) {
            return None;
        }
        let number = |at: usize| u64::from_be_bytes(covered[at..at + 8].try_into().expect("eight bytes"));
        let mut state = Self::new(covered[8..40].try_into().ok()?, ChainId(covered[40..56].try_into().ok()?));
        state.floor = (number(56), number(64));
        state.sequence = number(72);
        state.checksum = sum.try_into().ok()?;
        while !records.is_empty() {
            let (record, rest) = records.split_at_checked(RECORD)?;
            let number = |at: usize| u64::from_be_bytes(record[at..at + 8].try_into().expect("eight bytes"));
            let vote = Vote::of(record[0], record[17..49].try_into().ok()?)?;
            if state.push((number(1), number(9)), vote) != record {
                return None;
            }
            records = rest;
        }
        Some(state)
    }
}

/// Allows votes that contradict nothing, and remembers them.
pub(crate) struct Guard(Mutex<Inner>);

struct Inner {
    copies: Box<dyn Copies>,
    /// None: the guard is lost.
    state: Option<State>,
    /// Whether the copies have to be written anew before a record is appended.
    stale: bool,
    /// The last view that is final and on disk.
    last_final: Place,
    key: [u8; 32],
    chain: ChainId,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guard")
    }
}

impl Guard {
    /// Opens the guard of a key for a chain; `path` is what errors name.
    pub fn open(mut copies: Box<dyn Copies>, path: &Path, key: [u8; 32], chain: ChainId) -> Result<Self, GuardError> {
        let mut read = |copy| -> Result<Option<State>, GuardError> {
            let failed = |source| GuardError::Io { action: "read", path: path.to_owned(), source };
            Ok(copies.read(copy).map_err(failed)?.and_then(|bytes| State::decode(&bytes)))
        };
        let [first, second] = [read(0)?, read(1)?];
        let sequence = |copy: &Option<State>| copy.as_ref().map(|state| state.sequence);
        let newest = sequence(&first).max(sequence(&second));
        let one_only = sequence(&first) != sequence(&second);
        let mut state = if sequence(&first) == newest { first } else { second };
        match &mut state {
            None => error!(path = %path.display(), "the vote guard is missing or damaged in both copies"),
            Some(state) if state.key != key => return Err(GuardError::OtherKey { path: path.to_owned() }),
            Some(state) if state.chain == ChainId([0; 16]) => state.chain = chain,
            Some(state) if state.chain != chain => {
                let found = state.chain;
                return Err(GuardError::OtherChain { path: path.to_owned(), found, expected: chain });
            }
            Some(_) if one_only => {
                warn!(path = %path.display(), "one copy of the vote guard is missing, damaged or older: it is mended");
            }
            Some(_) => {}
        }
        // Both are written anew at the first vote: then what was read is what is on the disk, whichever copy it was in.
        Ok(Self(Mutex::new(Inner { copies, state, stale: true, last_final: (0, 0), key, chain })))
    }

    /// Whether nothing is known of what was voted.
    pub fn lost(&self) -> bool {
        self.0.lock().expect("no holder of this lock panics").state.is_none()
    }

    /// Begins anew above a view: what was voted at or below it cannot matter any more.
    pub fn renew(&self, floor: Round) -> bool {
        let mut inner = self.0.lock().expect("no holder of this lock panics");
        let mut state = State::new(inner.key, inner.chain);
        state.floor = place(floor);
        inner.state = Some(state);
        inner.stale = true;
        inner.write(&[]).inspect_err(|error| error!(%error, "the vote guard cannot be written: no vote")).is_ok()
    }

    /// Takes note of a view that is final, with all before it, and on disk.
    pub fn finalized(&self, round: Round) {
        let mut inner = self.0.lock().expect("no holder of this lock panics");
        inner.last_final = inner.last_final.max(place(round));
    }

    /// Whether a vote contradicts nothing. If so, it is on record before this returns.
    pub fn allows(&self, round: Round, vote: Vote) -> bool {
        let mut inner = self.0.lock().expect("no holder of this lock panics");
        let place = place(round);
        let Some(state) = &inner.state else { return false };
        if place <= state.floor {
            return false;
        }
        let cast = state.cast.get(&place).copied().unwrap_or_default();
        match cast.with(vote) {
            None => {
                warn!(
                    epoch = place.0,
                    view = place.1,
                    ?vote,
                    "the vote guard holds another vote: this one is not given"
                );
                false
            }
            Some(same) if same == cast => true,
            Some(_) => match inner.record(place, vote) {
                Ok(()) => true,
                Err(error) => {
                    error!(%error, "the vote guard cannot be written: no vote");
                    false
                }
            },
        }
    }
}

fn place(round: Round) -> Place {
    (round.epoch().get(), round.view().get())
}

impl Inner {
    fn record(&mut self, place: Place, vote: Vote) -> io::Result<()> {
        let Some(state) = &mut self.state else { return Err(io::ErrorKind::NotFound.into()) };
        if state.records >= MAX_RECORDS && self.last_final > state.floor {
            state.floor = self.last_final;
            state.cast.retain(|place, _| *place > self.last_final);
            self.stale = true;
        }
        let before = (state.checksum, state.sequence, state.records, state.cast.get(&place).copied());
        let record = state.push(place, vote);
        let written = self.write(&record);
        if written.is_err()
            && let Some(state) = &mut self.state
        {
            // The vote is not given: nothing may say that it was, and whatever is in the copies is written over.
            self.stale = true;
            (state.checksum, state.sequence, state.records) = (before.0, before.1, before.2);
            match before.3 {
                Some(cast) => state.cast.insert(place, cast),
                None => state.cast.remove(&place),
            };
        }
        written
    }

    /// Makes both copies hold the newest record, one after the other: so one is sound at any moment.
    fn write(&mut self, record: &[u8]) -> io::Result<()> {
        let Some(state) = &mut self.state else { return Err(io::ErrorKind::NotFound.into()) };
        if !self.stale {
            return (0..2).try_for_each(|copy| self.copies.append(copy, record));
        }
        let bytes = state.encode();
        for copy in 0..2 {
            self.copies.replace(copy, &bytes)?;
        }
        *state = State::decode(&bytes).expect("what was encoded can be read");
        self.stale = false;
        Ok(())
    }
}

/// What a simplex vote says.
pub(crate) fn vote<D: EngineDigest>(subject: &Subject<'_, D>) -> (Round, Vote) {
    let of = |proposal: &Proposal<D>| -> [u8; 32] { Sha256::digest(proposal.encode()).into() };
    match subject {
        Subject::Notarize { proposal } => (proposal.round, Vote::Proposal(of(proposal))),
        Subject::Finalize { proposal } => (proposal.round, Vote::Finality(of(proposal))),
        Subject::Nullify { round } => (*round, Vote::Without),
    }
}

#[cfg(test)]
#[path = "guard_tests.rs"]
pub(crate) mod tests;
