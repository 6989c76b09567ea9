//! A block as the consensus engine carries it: the header's bytes first, then the transactions.
//!
//! A block's digest covers its header only. The body is bound to the header when a block is decoded: a body whose Merkle
//! root, count or size is not the header's is refused there, so two blocks with one digest are the same block.

use crate::pool::Spent;
use bytes::{BufMut, Bytes};
use commonware_codec::{Buf, Copying, DecodeExt as _, EncodeSize, Error as CodecError, RangeCfg, Read, Write};
use commonware_consensus::{
    BoundedBlock, CertifiableBlock, Heightable,
    simplex::types::Context,
    types::{Epoch, Height, Round, View},
};
use commonware_cryptography::{Digestible, Hasher as _, Sha256, ed25519, sha256};
use commonware_storage::bmt;
use std::sync::Arc;
use utilidor_types::{
    Digest, Roster, TransactionHash,
    block::{Header, transaction_hash},
    decode, encode,
    transaction::MAX_TRANSACTION_BYTES,
    validator::MAX_ROSTER_BYTES,
};

/// Most transactions in one block.
pub const MAX_BLOCK_TRANSACTIONS: usize = 4_096;

/// Work of the transactions that a block is built from, as [`utilidor_types::Action::work`] estimates it. What a block may hold
/// is counted by the ledger ([`utilidor_ledger::MAX_BLOCK_WORK`]).
pub const MAX_BLOCK_WORK: usize = 32_768;

/// Most bytes of transactions in one block, each counted with [`TRANSACTION_OVERHEAD`].
pub const MAX_BLOCK_BYTES: usize = 4 * 1024 * 1024;

/// Bytes a transaction takes in a block besides its own: its length prefix, at its widest.
pub const TRANSACTION_OVERHEAD: usize = 5;

/// Bound on the encoded header.
const MAX_HEADER_BYTES: usize = 1_024;

/// The consensus context of a block: its round, its proposer and its parent.
pub(crate) type BlockContext = Context<sha256::Digest, ed25519::PublicKey>;

/// A transaction in a block: its canonical bytes and their hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Body {
    pub hash: TransactionHash,
    pub bytes: Bytes,
}

impl Body {
    pub fn new(bytes: Bytes) -> Self {
        Self { hash: transaction_hash(&bytes), bytes }
    }
}

/// A header with the transactions it commits to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    header: Header,
    encoded_header: Bytes,
    digest: sha256::Digest,
    proposer: ed25519::PublicKey,
    transactions: Arc<[Body]>,
    /// The set of validators of the next epoch, in a last block of an epoch that changes it.
    next_validators: Option<Arc<Roster>>,
}

impl Block {
    /// Joins a header and the transactions it was made for.
    ///
    /// # Panics
    ///
    /// Panics if the header's proposer is no public key. That the header commits to `transactions` is the caller's word.
    pub fn new(header: Header, transactions: Vec<Body>, next_validators: Option<Roster>) -> Self {
        debug_assert!(commits(&header, &transactions), "a sealed header commits to its transactions");
        debug_assert!(names(&header, next_validators.as_ref()), "a sealed header names the next validators");
        Self::of(header, transactions, next_validators).expect("a sealed header's proposer is a public key")
    }

    fn checked(header: Header, transactions: Vec<Body>, next_validators: Option<Roster>) -> Result<Self, CodecError> {
        if header.version != Header::VERSION {
            return Err(CodecError::Invalid("Block", "unknown header version"));
        }
        if !commits(&header, &transactions) {
            return Err(CodecError::Invalid("Block", "header does not commit to the transactions"));
        }
        if !names(&header, next_validators.as_ref()) {
            return Err(CodecError::Invalid("Block", "header does not name the next validators"));
        }
        Self::of(header, transactions, next_validators)
    }

    fn of(header: Header, transactions: Vec<Body>, next_validators: Option<Roster>) -> Result<Self, CodecError> {
        let proposer = ed25519::PublicKey::decode(Copying(&header.proposer))
            .map_err(|_| CodecError::Invalid("Block", "proposer is no public key"))?;
        let encoded_header = Bytes::from(encode(&header));
        let digest = Sha256::hash(&[&encoded_header]);
        let next_validators = next_validators.map(Arc::new);
        Ok(Self { header, encoded_header, digest, proposer, transactions: transactions.into(), next_validators })
    }

    /// The set of validators of the next epoch, if this block changes it.
    pub fn next_validators(&self) -> Option<&Roster> {
        self.next_validators.as_deref()
    }

    fn encoded_validators(&self) -> Option<Bytes> {
        self.next_validators().map(|set| Bytes::from(encode(set)))
    }

    pub const fn header(&self) -> &Header {
        &self.header
    }

    pub fn transactions(&self) -> &[Body] {
        &self.transactions
    }

    /// What its transactions use, read from their bytes.
    pub fn spent(&self) -> Vec<Spent> {
        self.transactions.iter().filter_map(Spent::of).collect()
    }
}

impl Write for Block {
    fn write(&self, buf: &mut impl BufMut) {
        self.encoded_header.write(buf);
        self.transactions.len().write(buf);
        for transaction in self.transactions.iter() {
            transaction.bytes.write(buf);
        }
        self.encoded_validators().write(buf);
    }
}

impl EncodeSize for Block {
    fn encode_size(&self) -> usize {
        self.encoded_header.encode_size()
            + self.transactions.len().encode_size()
            + self.transactions.iter().map(|transaction| transaction.bytes.encode_size()).sum::<usize>()
            + self.encoded_validators().encode_size()
    }
}

impl Read for Block {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, _: &()) -> Result<Self, CodecError> {
        let header = Bytes::read_cfg(buf, &RangeCfg::from(1..=MAX_HEADER_BYTES))?;
        let header: Header =
            decode(&header, MAX_HEADER_BYTES).map_err(|_| CodecError::Invalid("Block", "header is not canonical"))?;
        let count = usize::read_cfg(buf, &RangeCfg::from(0..=MAX_BLOCK_TRANSACTIONS))?;
        let mut transactions = Vec::with_capacity(count);
        let mut size = 0;
        for _ in 0..count {
            let bytes = Bytes::read_cfg(buf, &RangeCfg::from(1..=MAX_TRANSACTION_BYTES))?;
            size += bytes.len() + TRANSACTION_OVERHEAD;
            if size > MAX_BLOCK_BYTES {
                return Err(CodecError::Invalid("Block", "transactions exceed a block"));
            }
            transactions.push(Body::new(bytes));
        }
        let set = Option::<Bytes>::read_cfg(buf, &RangeCfg::from(1..=MAX_ROSTER_BYTES))?;
        let set = set.map(|bytes| decode(&bytes, MAX_ROSTER_BYTES)).transpose();
        let set = set.map_err(|_| CodecError::Invalid("Block", "the next validators are not canonical"))?;
        Self::checked(header, transactions, set)
    }
}

impl Digestible for Block {
    type Digest = sha256::Digest;

    fn digest(&self) -> sha256::Digest {
        self.digest
    }
}

impl Heightable for Block {
    fn height(&self) -> Height {
        Height::new(self.header.height)
    }
}

impl commonware_consensus::Block for Block {
    fn parent(&self) -> sha256::Digest {
        sha256::Digest(self.header.parent.0)
    }
}

impl CertifiableBlock for Block {
    type Context = BlockContext;

    fn context(&self) -> BlockContext {
        let round = &self.header.round;
        Context {
            round: Round::new(Epoch::new(round.epoch), View::new(round.view)),
            leader: self.proposer.clone(),
            parent: (View::new(round.parent_view), sha256::Digest(self.header.parent.0)),
        }
    }
}

impl BoundedBlock for Block {
    fn max_encode_size(_: &()) -> usize {
        MAX_HEADER_BYTES + 3 * TRANSACTION_OVERHEAD + MAX_BLOCK_BYTES + 1 + MAX_ROSTER_BYTES
    }
}

/// Whether a header's count and root are those of the transactions.
fn commits(header: &Header, transactions: &[Body]) -> bool {
    header.transaction_count as usize == transactions.len()
        && header.transactions_root == merkle_root(transactions.iter().map(|body| Digest(body.hash.0)))
}

/// Whether the set that a block carries is the one that its header names: none if the next epoch's is this one's.
fn names(header: &Header, next_validators: Option<&Roster>) -> bool {
    match next_validators {
        Some(set) => header.next_validators != header.validators && set.id() == header.next_validators,
        None => header.next_validators == header.validators,
    }
}

/// Root of the binary Merkle tree over `leaves`, in order.
pub(crate) fn merkle_root(leaves: impl ExactSizeIterator<Item = Digest>) -> Digest {
    Digest(merkle_tree(leaves).root().0)
}

/// The binary Merkle tree over `leaves`, in order.
pub(crate) fn merkle_tree(leaves: impl ExactSizeIterator<Item = Digest>) -> bmt::Tree<sha256::Digest> {
    let mut builder = bmt::Builder::<Sha256>::new(leaves.len());
    for leaf in leaves {
        builder.add(&sha256::Digest(leaf.0));
    }
    builder.build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use commonware_codec::{Decode as _, Encode as _};
    use commonware_cryptography::Signer as _;
    use utilidor_types::{
        Bounded, ChainId, MemberId, PublicKey, Timestamp, Validator,
        block::{Log, Round as HeaderRound},
    };

    fn set(version: u64) -> Roster {
        let validator = Validator { key: PublicKey::Ed25519([7; 32]), member: MemberId([8; 16]), address: None };
        Roster::new(version, Bounded::new(vec![validator]).unwrap())
    }

    fn block(bodies: &[&'static [u8]]) -> Block {
        block_with(bodies, false)
    }

    fn block_with(bodies: &[&'static [u8]], changes: bool) -> Block {
        let transactions: Vec<Body> = bodies.iter().map(|bytes| Body::new(Bytes::from_static(bytes))).collect();
        let log = Log { root: Digest([1; 32]), start: 0, end: 2 };
        let header = Header {
            version: Header::VERSION,
            chain: ChainId([2; 16]),
            height: 1,
            time: Timestamp(3),
            parent: Digest([4; 32]),
            proposer: ed25519::PrivateKey::from_seed(5).public_key().as_ref().try_into().unwrap(),
            round: HeaderRound { epoch: 0, view: 1, parent_view: 0 },
            validators: set(0).id(),
            next_validators: set(u64::from(changes)).id(),
            transaction_count: u32::try_from(transactions.len()).unwrap(),
            receipt_count: 0,
            transactions_root: merkle_root(transactions.iter().map(|body| Digest(body.hash.0))),
            receipts_root: merkle_root(std::iter::empty()),
            state_root: Digest([6; 32]),
            state_operations: log,
            certification: log,
            receipts: log,
            next_due: None,
        };
        Block::new(header, transactions, changes.then(|| set(1)))
    }

    #[test]
    fn a_block_survives_its_encoding() {
        let block = block(&[b"one", b"two"]);
        let bytes = block.encode();

        let decoded = Block::decode_cfg(bytes.clone(), &()).unwrap();
        assert_eq!(decoded, block);
        assert_eq!(decoded.digest().0, block.header().digest().0);
        assert!(bytes.len() <= Block::max_encode_size(&()));
    }

    #[test]
    fn a_block_with_any_byte_changed_is_another_block_or_none() {
        let block = block_with(&[b"one", b"two"], true);
        let bytes = block.encode();
        for index in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.to_vec();
                changed[index] ^= 1 << bit;
                if let Ok(changed) = Block::decode_cfg(changed, &()) {
                    assert_ne!(changed.digest(), block.digest(), "bit {bit} of byte {index} is not bound");
                }
            }
        }
    }

    #[test]
    fn a_block_over_its_bounds_is_refused() {
        static LONG: [u8; MAX_TRANSACTION_BYTES] = [7; MAX_TRANSACTION_BYTES];
        let fits = MAX_BLOCK_BYTES / (MAX_TRANSACTION_BYTES + TRANSACTION_OVERHEAD);

        let full = block(&vec![LONG.as_slice(); fits]);
        assert!(full.encode().len() <= Block::max_encode_size(&()));
        Block::decode_cfg(full.encode(), &()).unwrap();
        let over = block(&vec![LONG.as_slice(); fits + 1]);
        assert!(Block::decode_cfg(over.encode(), &()).is_err());
        let many = block(&vec![b"x".as_slice(); MAX_BLOCK_TRANSACTIONS + 1]);
        assert!(Block::decode_cfg(many.encode(), &()).is_err());
    }
}
