//! Checking what a chain claims, knowing its genesis document alone.
//!
//! ```text
//! members' signatures -> block digest -> header -> root -> transaction | receipt | certified run | state cell
//! ```
//!
//! [`FinalHeader`] is a header with the signatures that make it final; whose signatures count, [`crate::members`] says. The inclusions prove one thing against one header;
//! several may share it. Proofs are self-contained, can be stored as files, and never become invalid: a state proof says what
//! a cell held after that block.
//!
//! Every byte of a proof matters: a changed one makes it fail, with an error that says which step did.

use crate::members::Members;
use borsh::{BorshDeserialize, BorshSerialize};
use bytes::{BufMut, Bytes};
use commonware_codec::{Buf, Copying, Decode, Encode as _, EncodeSize, Error as CodecError, RangeCfg, Read, Write};
use commonware_consensus::simplex::{scheme::ed25519::Scheme, types::Finalization};
use commonware_cryptography::{Sha256, certificate::Verifier as _, sha256};
use commonware_parallel::Sequential;
use commonware_storage::{
    bmt,
    merkle::{self, mmr},
    qmdb::{
        any::value::FixedEncoding,
        current::ordered::proof::constant::{ExclusionProof, KeyValueProof},
        keyless,
        verify::verify_proof,
    },
};
use commonware_utils::sequence::FixedBytes;
use rand::{SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};
use utilidor_types::block::Header;
use utilidor_types::cell::{CELL_BYTES, Cell, Key};
use utilidor_types::encoding::encode;
use utilidor_types::hash::{Digest, tagged_hash};
use utilidor_types::id::ChainId;
use utilidor_types::meter::CertificationEntry;
use utilidor_types::ocmf::OcmfError;
use utilidor_types::receipt::Receipt;
use utilidor_types::transaction::TransactionHash;

/// Most headers between a proven block and the final one that stands for it.
pub const MAX_DESCENDANTS: usize = 256;
/// Most sibling digests of a path in one of the databases.
const MAX_PATH_DIGESTS: usize = 256;
/// Bytes of a chunk of the state's activity bitmap.
pub const STATE_CHUNK_BYTES: usize = 32;

/// A key as the state database holds it.
pub type StateKey = FixedBytes<32>;
/// A cell as the state database holds it.
pub type StateCell = FixedBytes<CELL_BYTES>;
type PresenceProof = KeyValueProof<mmr::Family, StateKey, sha256::Digest, STATE_CHUNK_BYTES>;
type AbsenceProof = ExclusionProof<mmr::Family, StateKey, FixedEncoding<StateCell>, sha256::Digest, STATE_CHUNK_BYTES>;

/// Which step of a proof failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The header is of a format that this release does not know.
    #[error("the header's format is {found}; this release knows {known}")]
    UnknownFormat {
        /// The header's format.
        found: u8,
        /// The format known.
        known: u8,
    },
    /// The header is of another chain than the genesis document's.
    #[error("the header is of chain {found}, expected chain {expected}")]
    WrongChain {
        /// The header's chain.
        found: ChainId,
        /// The chain asked about.
        expected: ChainId,
    },
    /// The headers after the proven one do not follow each other.
    #[error("header {height} does not follow the one before it")]
    BrokenLink {
        /// Height of the header that does not follow.
        height: u64,
    },
    /// A part of the proof is not what its format says.
    #[error("the {part} is malformed: {reason}")]
    Malformed {
        /// The part.
        part: &'static str,
        /// What the decoder met.
        reason: String,
    },
    /// A device's record is not signed by the key beside it, or does not say what was certified.
    #[error("a device's record does not hold: {0}")]
    BadRecord(OcmfError),
    /// The members' signatures are for another block.
    #[error("the members' signatures are for block {signed}, the header's digest is {header}")]
    OtherBlock {
        /// Digest that the members signed.
        signed: Digest,
        /// Digest of the header.
        header: Digest,
    },
    /// The header says that other validators sign its epoch than do.
    #[error(
        "block {height} of epoch {epoch} is said to be signed by set {found} of validators; by the handovers known, set {known} \
         signs that epoch"
    )]
    OtherSet {
        /// The block's height.
        height: u64,
        /// Its epoch.
        epoch: u64,
        /// Version of the set that it names.
        found: u64,
        /// Version of the set that signs its epoch.
        known: u64,
    },
    /// The header is signed by a set of validators that has been replaced.
    #[error(
        "block {height} is of set {found} of validators, which set {known} has replaced: it cannot be the newest state"
    )]
    PastSet {
        /// The block's height.
        height: u64,
        /// Version of its set.
        found: u64,
        /// Version of the newest set known.
        known: u64,
    },
    /// A handover leads to a set that is not the next one.
    #[error("the handover leads to set {found} of validators; set {known} is known already")]
    OldHandover {
        /// Version of the set that it leads to.
        found: u64,
        /// Version of the newest set known.
        known: u64,
    },
    /// A handover's set is not the one that its header names.
    #[error("the handover carries another set of validators than the header of block {height} names")]
    HandoverSet {
        /// The block's height.
        height: u64,
    },
    /// The signatures do not verify, or are too few.
    #[error("the members' signatures on block {height} do not verify")]
    BadSignatures {
        /// The block's height.
        height: u64,
    },
    /// The path does not lead from the item to the header's root.
    #[error("the {item} is not under the {root} root of block {height}")]
    NotIncluded {
        /// What was to be proven.
        item: &'static str,
        /// The root that it should be under.
        root: &'static str,
        /// The block's height.
        height: u64,
    },
}

/// A header, and the signatures that make it final: its own, or those of a block that follows it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct FinalHeader {
    /// The header.
    pub header: Header,
    /// The headers after it, up to the one that was signed as final; mostly none.
    pub descendants: Vec<Header>,
    /// The members' finalization of the last of these headers.
    #[serde(with = "utilidor_types::encoding::hex_bytes")]
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub finalization: Vec<u8>,
}

impl FinalHeader {
    /// The header, if the members made it final.
    pub fn verify(&self, members: &Members) -> Result<&Header, ProofError> {
        if self.descendants.len() > MAX_DESCENDANTS {
            let reason = format!("{} headers are more than the {MAX_DESCENDANTS} allowed", self.descendants.len());
            return Err(ProofError::Malformed { part: "header chain", reason });
        }
        let mut last = &self.header;
        check_header(last, members)?;
        for next in &self.descendants {
            check_header(next, members)?;
            // The last block of an epoch is always signed itself.
            let follows = next.parent == last.digest() && Some(next.height) == last.height.checked_add(1);
            if !follows || next.round.epoch != last.round.epoch {
                return Err(ProofError::BrokenLink { height: next.height });
            }
            last = next;
        }
        check_signatures(last, &self.finalization, members)?;
        Ok(&self.header)
    }

    /// Like [`Self::verify`], for what is to be the newest state: a header of a set that has been replaced is refused, because
    /// two thirds of its keys, once stolen, could go on signing.
    pub fn verify_newest(&self, members: &Members) -> Result<&Header, ProofError> {
        let (found, known) = (self.header.validators.version, members.newest().version);
        if found < known {
            return Err(ProofError::PastSet { height: self.header.height, found, known });
        }
        self.verify(members)
    }
}

/// Whether `finalization` is that of `header`, by the set of its epoch.
pub(crate) fn check_signatures(header: &Header, finalization: &[u8], members: &Members) -> Result<(), ProofError> {
    let verifier = members.verifier(header)?;
    let finalization: Finalization<Scheme, sha256::Digest> =
        Finalization::decode_cfg(Copying(finalization), &verifier.certificate_codec_config())
            .map_err(|error| ProofError::Malformed { part: "finalization", reason: error.to_string() })?;
    let digest = header.digest();
    if finalization.proposal.payload.0 != digest.0 {
        return Err(ProofError::OtherBlock { signed: Digest(finalization.proposal.payload.0), header: digest });
    }
    let signed = finalization.encode();
    let of_epoch = finalization.proposal.round.epoch().get() == header.round.epoch;
    if !of_epoch || !finalization.verify(&mut weights(&signed), verifier, &Sequential) {
        return Err(ProofError::BadSignatures { height: header.height });
    }
    Ok(())
}

/// What weighs the signatures of a batch against each other: numbers that follow from the signatures themselves, so that
/// nobody can choose signatures to fit them, and a check needs no source of randomness.
fn weights(signatures: &[u8]) -> StdRng {
    StdRng::from_seed(tagged_hash("utilidor/batch-weights", &[signatures]).0)
}

pub(crate) fn check_header(header: &Header, members: &Members) -> Result<(), ProofError> {
    if header.version != Header::VERSION {
        return Err(ProofError::UnknownFormat { found: header.version, known: Header::VERSION });
    }
    if header.chain != members.chain() {
        return Err(ProofError::WrongChain { found: header.chain, expected: members.chain() });
    }
    Ok(())
}

/// A transaction's or receipt's place in its block, and the path from there to the root.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct BlockInclusion {
    /// Place in the block, from 0.
    pub index: u32,
    /// Path in the binary Merkle tree.
    #[serde(with = "utilidor_types::encoding::hex_bytes")]
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub path: Vec<u8>,
}

impl BlockInclusion {
    /// Whether the transaction is in the block of `header`.
    pub fn verify_transaction(&self, header: &Header, transaction: TransactionHash) -> Result<(), ProofError> {
        let root = ("transaction", "transactions");
        self.verify(header, root, Digest(transaction.0), header.transactions_root, header.transaction_count)
    }

    /// Whether the block of `header` left the receipt.
    pub fn verify_receipt(&self, header: &Header, receipt: &Receipt) -> Result<(), ProofError> {
        let root = ("receipt", "receipts");
        self.verify(header, root, receipt.hash(), header.receipts_root, header.receipt_count)
    }

    fn verify(
        &self,
        header: &Header,
        (item, name): (&'static str, &'static str),
        leaf: Digest,
        root: Digest,
        count: u32,
    ) -> Result<(), ProofError> {
        let path = bmt::Proof::<sha256::Digest>::decode_cfg(Copying(self.path.as_slice()), &1)
            .map_err(|error| ProofError::Malformed { part: "path", reason: error.to_string() })?;
        let included = path
            .verify_element_inclusion::<Sha256>(&sha256::Digest(leaf.0), self.index, &sha256::Digest(root.0))
            .is_ok();
        if !included || path.leaf_count != count {
            return Err(ProofError::NotIncluded { item, root: name, height: header.height });
        }
        Ok(())
    }
}

/// The place of an entry in the certification log, and the path from there to the root after some block.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct EntryInclusion {
    /// Its place among the log's operations.
    pub position: u64,
    /// Path in the log's Merkle mountain range.
    #[serde(with = "utilidor_types::encoding::hex_bytes")]
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub path: Vec<u8>,
}

impl EntryInclusion {
    /// Whether the entry is in the certification log as of `header`, at this place.
    pub fn verify(&self, header: &Header, entry: &CertificationEntry) -> Result<(), ProofError> {
        let not_included =
            ProofError::NotIncluded { item: "certified run", root: "certification", height: header.height };
        let path =
            merkle::Proof::<mmr::Family, sha256::Digest>::decode_cfg(Copying(self.path.as_slice()), &MAX_PATH_DIGESTS)
                .map_err(|error| ProofError::Malformed { part: "path", reason: error.to_string() })?;
        if self.position >= header.certification.end || *path.leaves != header.certification.end {
            return Err(not_included);
        }
        let operation = keyless::variable::Operation::<mmr::Family, LogEntry>::Append(LogEntry::new(encode(entry)));
        let root = sha256::Digest(header.certification.root.0);
        if !verify_proof::<Sha256, _, _>(&path, mmr::Location::new(self.position), &[operation], &root) {
            return Err(not_included);
        }
        Ok(())
    }
}

/// What a key of the state held after a block.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum StateInclusion {
    /// The key held a cell.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    Present(#[serde(with = "utilidor_types::encoding::hex_bytes")] Vec<u8>),
    /// The key held nothing.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    Absent(#[serde(with = "utilidor_types::encoding::hex_bytes")] Vec<u8>),
}

impl StateInclusion {
    /// Whether `key` held `cell` after the block of `header`; `None` is nothing.
    pub fn verify(&self, header: &Header, key: Key, cell: Option<&Cell>) -> Result<(), ProofError> {
        let malformed = |error: CodecError| ProofError::Malformed { part: "path", reason: error.to_string() };
        let root = sha256::Digest(header.state_root.0);
        let key = StateKey::new(key.0);
        let holds = match (self, cell) {
            (Self::Present(path), Some(cell)) => {
                PresenceProof::decode_cfg(Copying(path.as_slice()), &(MAX_PATH_DIGESTS, ()))
                    .map_err(malformed)?
                    .verify::<Sha256, FixedEncoding<StateCell>>(key, StateCell::new(cell.0), &root)
            }
            (Self::Absent(path), None) => {
                AbsenceProof::decode_cfg(Copying(path.as_slice()), &(MAX_PATH_DIGESTS, (), ()))
                    .map_err(malformed)?
                    .verify::<Sha256>(&key, &root)
            }
            _ => false,
        };
        if !holds {
            return Err(ProofError::NotIncluded { item: "state cell", root: "state", height: header.height });
        }
        Ok(())
    }
}

/// Longest entry of a log in bytes: a block's receipts.
pub const MAX_LOG_ENTRY_BYTES: usize = 16 * 1024 * 1024;

/// An entry of the certification log (one encoded [`CertificationEntry`]) or of the receipts log (one block's encoded receipts).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry(Bytes);

impl LogEntry {
    /// Takes an encoding.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }

    /// The encoding.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Write for LogEntry {
    fn write(&self, buf: &mut impl BufMut) {
        self.0.write(buf);
    }
}

impl EncodeSize for LogEntry {
    fn encode_size(&self) -> usize {
        self.0.encode_size()
    }
}

impl Read for LogEntry {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, CodecError> {
        Bytes::read_cfg(buf, &RangeCfg::from(..=MAX_LOG_ENTRY_BYTES)).map(Self)
    }
}
