//! Answers questions about final blocks and the state, and builds proofs.
//!
//! Runs inside the engine's runtime, because that is where its storage can be read; the [`Handle`](crate::Handle) sends it
//! requests from any other.

use crate::{
    archive::{Damage, Part},
    block::{Block, merkle_tree},
    engine::{Running, Runtime},
    final_blocks::FinalBlocks,
    history::{Asking, Fetched},
    latest,
    pool::Standing,
    scheme::Scheme,
    store::{Databases, first_held, receipts_position},
};
use commonware_codec::Encode as _;
use commonware_consensus::{
    marshal::{self, core::Mailbox as MarshalMailbox, standard::Standard},
    types::Height,
};
use commonware_cryptography::Sha256;
use commonware_storage::{bmt, merkle::mmr};
use commonware_utils::NZU64;
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use sha2::Digest as _;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use utilidor_ledger::record::{AccountRecord, Record as _};
use utilidor_proof::document::{CertificatesProof, StateProof};
use utilidor_proof::evidence::TransactionEvidence;
use utilidor_proof::inclusion::{
    BlockInclusion, EntryInclusion, FinalHeader, LogEntry, MAX_DESCENDANTS, MAX_LOG_ENTRY_BYTES, StateCell,
    StateInclusion, StateKey,
};
use utilidor_types::{
    AccountId, Cell, Digest, Key, Receipt, SignedTransaction,
    block::{FinalBlock, FinalTransaction, Header},
    cell::from_cells,
    decode, encode,
    meter::MAX_CERTIFICATION_ENTRY_BYTES,
};

/// Requests that wait for the reader; more wait at the sender.
pub(crate) const MAX_REQUESTS: usize = 1_024;

/// Why a question about the chain has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The node no longer runs.
    #[error("the node has stopped")]
    Stopped,
    /// The block is not final yet.
    #[error("block {height} is not final; the last final block is {head}")]
    NotFinal {
        /// The height asked for.
        height: u64,
        /// Height of the last final block.
        head: u64,
    },
    /// The node began with a later state and does not hold the block.
    #[error("this node does not hold block {height}")]
    NotHeld {
        /// The height asked for.
        height: u64,
    },
    /// The block has no item of that number.
    #[error("block {height} has {count}, asked for number {index}")]
    NoSuchItem {
        /// The block's height.
        height: u64,
        /// How many there are.
        count: u32,
        /// The number asked for, from 0.
        index: u32,
    },
    /// The certification log holds no run at that position at that height.
    #[error("the certification log holds no certified run at position {position} at height {height}")]
    NoSuchRun {
        /// The position asked for.
        position: u64,
        /// The height asked about.
        height: u64,
    },
    /// What is stored of the past is damaged.
    #[error("what this node stores of block {height} is damaged: {reason}")]
    Damaged {
        /// The block's height.
        height: u64,
        /// The file, and what was met.
        reason: String,
    },
    /// What is stored cannot be read.
    #[error("stored data cannot be read: {0}")]
    Storage(String),
}

/// A proof that a transaction is in a final block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionProof {
    /// The block.
    pub block: FinalHeader,
    /// The transaction with its place.
    pub transaction: TransactionEvidence,
}

/// A proof that a final block left a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptProof {
    /// The block.
    pub block: FinalHeader,
    /// The receipt.
    pub receipt: Receipt,
    /// Its place.
    pub inclusion: BlockInclusion,
}

type Answer<T> = oneshot::Sender<Result<T, ReadError>>;

/// What a node itself holds of a block, as it is told to a peer.
pub(crate) struct Held {
    pub header: FinalHeader,
    /// The block's encoding.
    pub block: Vec<u8>,
    /// Its receipts' encoding.
    pub receipts: Vec<u8>,
}

/// A question.
pub(crate) enum Request {
    Held(u64, Answer<Held>),
    Block(u64, Answer<Arc<FinalBlock>>),
    FirstHeld(Answer<u64>),
    FinalHeader(u64, Answer<FinalHeader>),
    State(Vec<Key>, Answer<Vec<Option<Cell>>>),
    Standings(Vec<AccountId>, Answer<Vec<Option<Standing>>>),
    StateDigest(Answer<(u64, Digest)>),
    ProveState(Key, Answer<StateProof>),
    ProveTransaction(u64, u32, Answer<TransactionProof>),
    ProveReceipt(u64, u32, Answer<ReceiptProof>),
    ProveCertified(Vec<u64>, Option<u64>, Answer<CertificatesProof>),
    Metrics(Answer<String>),
}

/// Reads what the engine stores.
pub(crate) struct Reader<E: Runtime> {
    marshal: MarshalMailbox<Scheme, Standard<Block>>,
    databases: Databases<E>,
    blocks: Arc<FinalBlocks>,
    head: latest::Receiver<Header>,
    applied: latest::Receiver<Header>,
    damage: Arc<Damage>,
    history: Asking,
}

fn storage(error: impl std::fmt::Display) -> ReadError {
    ReadError::Storage(error.to_string())
}

impl<E: Runtime> Reader<E> {
    /// Starts a reader on a running engine; requests are answered concurrently.
    pub fn start(context: E, engine: &Running<E>, history: Asking) -> mpsc::Sender<Request> {
        let (sender, mut requests) = mpsc::channel(MAX_REQUESTS);
        let reader = Arc::new(Self {
            marshal: engine.marshal.clone(),
            databases: engine.databases.clone(),
            blocks: engine.blocks.clone(),
            head: engine.head.clone(),
            applied: engine.applied.clone(),
            damage: engine.damage.clone(),
            history,
        });
        context.child("reader").spawn(move |context| async move {
            while let Some(request) = requests.recv().await {
                if let Request::Metrics(answer) = request {
                    drop(answer.send(Ok(context.encode())));
                    continue;
                }
                let reader = reader.clone();
                context.child("request").spawn(move |_| async move { reader.answer(request).await });
            }
        });
        sender
    }

    async fn answer(&self, request: Request) {
        // A requester that no longer waits is no error.
        match request {
            Request::Block(height, answer) => drop(answer.send(self.block(height).await)),
            Request::Held(height, answer) => drop(answer.send(self.held(height).await)),
            Request::FirstHeld(answer) => {
                let start = *self.databases.2.read().await.bounds().start;
                drop(answer.send(Ok(first_held(start))));
            }
            Request::FinalHeader(height, answer) => drop(answer.send(self.final_header(height).await)),
            Request::State(keys, answer) => drop(answer.send(self.state(&keys).await)),
            Request::Standings(accounts, answer) => drop(answer.send(self.standings(&accounts).await)),
            Request::StateDigest(answer) => drop(answer.send(self.state_digest().await)),
            Request::ProveState(key, answer) => drop(answer.send(self.prove_state(key).await)),
            Request::ProveTransaction(height, index, answer) => {
                drop(answer.send(self.prove_transaction(height, index).await));
            }
            Request::ProveReceipt(height, index, answer) => drop(answer.send(self.prove_receipt(height, index).await)),
            Request::ProveCertified(positions, at, answer) => {
                drop(answer.send(self.prove_certified(&positions, at).await));
            }
            // Answered where the requests come in: it needs the engine's runtime.
            Request::Metrics(_) => {}
        }
    }

    fn final_height(&self, height: u64) -> Result<(), ReadError> {
        let head = self.head.borrow().height;
        if height > head { Err(ReadError::NotFinal { height, head }) } else { Ok(()) }
    }

    /// Waits until the databases hold what the block at `height` did.
    async fn applied(&self, height: u64) -> Result<(), ReadError> {
        let mut applied = self.applied.clone();
        let reached = applied.wait_for(|applied| applied.height >= height).await;
        reached.map(|_| ()).map_err(|_| ReadError::Stopped)
    }

    /// Waits until the databases hold what all blocks did that are final now.
    async fn caught_up(&self) -> Result<(), ReadError> {
        let head = self.head.borrow().height;
        self.applied(head).await
    }

    async fn stored(&self, height: u64) -> Result<Block, ReadError> {
        let block = self.marshal.get_block(marshal::Identifier::Height(Height::new(height))).await;
        block.map(|block| block.inner().clone()).ok_or_else(|| self.missing(Part::Block, height))
    }

    /// Why a part of the archives is not there.
    fn missing(&self, part: Part, height: u64) -> ReadError {
        match self.damage.of(part, height) {
            Some(reason) => ReadError::Damaged { height, reason },
            None => ReadError::NotHeld { height },
        }
    }

    async fn header(&self, height: u64) -> Result<Header, ReadError> {
        Ok(self.stored(height).await?.header().clone())
    }

    async fn receipts(&self, height: u64) -> Result<Vec<Receipt>, ReadError> {
        if height == 0 {
            return Ok(Vec::new());
        }
        self.applied(height).await?;
        let position = mmr::Location::new(receipts_position(height));
        let receipts = self.databases.2.read().await;
        if height < first_held(*receipts.bounds().start) {
            return Err(ReadError::NotHeld { height });
        }
        let entry = receipts.get(position).await.map_err(storage)?;
        drop(receipts);
        let entry = entry.ok_or(ReadError::NotHeld { height })?;
        decode(entry.bytes(), MAX_LOG_ENTRY_BYTES).map_err(storage)
    }

    async fn block(&self, height: u64) -> Result<Arc<FinalBlock>, ReadError> {
        self.final_height(height)?;
        match self.blocks.at(height) {
            Some(block) => Ok(block),
            None => match self.stored_final(height).await {
                Err(missing) => self.past_final(height, missing).await.map(Arc::new),
                stored => stored.map(Arc::new),
            },
        }
    }

    /// A block from a peer, in place of one that is missing here.
    async fn fetched(&self, height: u64, missing: ReadError) -> Result<Arc<Fetched>, ReadError> {
        match missing {
            ReadError::NotHeld { .. } | ReadError::Damaged { .. } if height > 0 => {
                self.history.fetch(height).await.ok_or(missing)
            }
            _ => Err(missing),
        }
    }

    /// What a block did, from a peer; what it certified is in this node's own log.
    async fn past_final(&self, height: u64, missing: ReadError) -> Result<FinalBlock, ReadError> {
        let fetched = self.fetched(height, missing).await?;
        let header = fetched.block.header().clone();
        let mut certified = Vec::new();
        let log = self.databases.1.read().await;
        // Its entries stand between the commit of the block before and its own.
        for position in (0..header.certification.end.saturating_sub(1)).rev() {
            let Some(entry) = log.get(mmr::Location::new(position)).await.map_err(storage)? else { break };
            certified.push(decode(entry.bytes(), MAX_CERTIFICATION_ENTRY_BYTES).map_err(storage)?);
        }
        drop(log);
        certified.reverse();
        Ok(FinalBlock {
            header,
            transactions: transactions(&fetched.block)?,
            receipts: fetched.receipts.clone(),
            certified,
        })
    }

    /// What this node itself holds of a block.
    async fn held(&self, height: u64) -> Result<Held, ReadError> {
        self.final_height(height)?;
        let header = self.stored_final_header(height).await?;
        let block = self.stored(height).await?.encode().to_vec();
        Ok(Held { header, block, receipts: encode(&self.receipts(height).await?) })
    }

    async fn stored_final(&self, height: u64) -> Result<FinalBlock, ReadError> {
        self.applied(height).await?;
        let block = self.stored(height).await?;
        let header = block.header().clone();
        let transactions = transactions(&block)?;
        let mut certified = Vec::new();
        if height > 0 {
            let first = self.header(height - 1).await?.certification.end;
            // The block's last operation in the log is its commit.
            let positions: Vec<_> = (first..header.certification.end - 1).map(mmr::Location::new).collect();
            let entries = if positions.is_empty() {
                Vec::new()
            } else {
                self.databases.1.read().await.get_many(&positions).await.map_err(storage)?
            };
            for entry in entries {
                let entry = entry.ok_or(ReadError::NotHeld { height })?;
                certified.push(decode(entry.bytes(), MAX_CERTIFICATION_ENTRY_BYTES).map_err(storage)?);
            }
        }
        Ok(FinalBlock { header, transactions, receipts: self.receipts(height).await?, certified })
    }

    async fn final_header(&self, height: u64) -> Result<FinalHeader, ReadError> {
        self.final_height(height)?;
        match self.stored_final_header(height).await {
            Err(missing) => self.fetched(height, missing).await.map(|fetched| fetched.header.clone()),
            stored => stored,
        }
    }

    async fn stored_final_header(&self, height: u64) -> Result<FinalHeader, ReadError> {
        let header = self.header(height).await?;
        let mut descendants = Vec::new();
        let mut last = height;
        loop {
            if let Some(finalization) = self.marshal.get_finalization(Height::new(last)).await {
                return Ok(FinalHeader { header, descendants, finalization: finalization.encode().to_vec() });
            }
            last += 1;
            if descendants.len() == MAX_DESCENDANTS {
                return Err(self.missing(Part::Certificate, height));
            }
            descendants.push(self.header(last).await?);
        }
    }

    async fn state(&self, keys: &[Key]) -> Result<Vec<Option<Cell>>, ReadError> {
        self.caught_up().await?;
        let keys: Vec<StateKey> = keys.iter().map(|key| StateKey::new(key.0)).collect();
        let keys: Vec<&StateKey> = keys.iter().collect();
        let cells = self.databases.0.read().await.get_many(&keys).await.map_err(storage)?;
        Ok(cells.into_iter().map(|cell| cell.map(|cell| cell_of(&cell))).collect())
    }

    /// What the ledger holds of accounts. The state may be a moment behind the last final block; it is waited for where that
    /// block may have opened an account.
    async fn standings(&self, accounts: &[AccountId]) -> Result<Vec<Option<Standing>>, ReadError> {
        let mut standings = self.present_standings(accounts).await?;
        let missing: Vec<usize> = (0..accounts.len()).filter(|place| standings[*place].is_none()).collect();
        if !missing.is_empty() && self.applied.borrow().height < self.head.borrow().height {
            self.caught_up().await?;
            let asked: Vec<AccountId> = missing.iter().map(|place| accounts[*place]).collect();
            for (place, standing) in missing.into_iter().zip(self.present_standings(&asked).await?) {
                standings[place] = standing;
            }
        }
        Ok(standings)
    }

    async fn present_standings(&self, accounts: &[AccountId]) -> Result<Vec<Option<Standing>>, ReadError> {
        let key = |account| StateKey::new(Key::of(AccountRecord::TABLE, &encode(account)).0);
        let keys: Vec<StateKey> = accounts.iter().map(key).collect();
        let keys: Vec<&StateKey> = keys.iter().collect();
        let cells = self.databases.0.read().await.get_many(&keys).await.map_err(storage)?;
        let standing = |cell: StateCell| {
            let cells = [cell_of(&cell)];
            let bytes = from_cells(&cells).ok_or_else(|| storage("an account's record has more than one cell"))?;
            let record: AccountRecord = borsh::from_slice(&bytes).map_err(storage)?;
            Ok(Standing { member: record.member, nonce: record.nonce })
        };
        cells.into_iter().map(|cell| cell.map(standing).transpose()).collect()
    }

    async fn state_digest(&self) -> Result<(u64, Digest), ReadError> {
        self.caught_up().await?;
        let mut applied = self.applied.clone();
        loop {
            let header = applied.borrow_and_update().clone();
            let state = self.databases.0.read().await;
            if header.height == 0 || state.root().0 == header.state_root.0 {
                let mut hasher = sha2::Sha256::new();
                let mut cells = Box::pin(state.stream_range(..));
                while let Some(cell) = cells.next().await {
                    let (key, cell) = cell.map_err(storage)?;
                    hasher.update(&*key);
                    hasher.update(&*cell);
                }
                return Ok((header.height, Digest(hasher.finalize().into())));
            }
            drop(state);
            applied.changed().await.map_err(|_| ReadError::Stopped)?;
        }
    }

    async fn prove_state(&self, key: Key) -> Result<StateProof, ReadError> {
        self.caught_up().await?;
        let mut applied = self.applied.clone();
        loop {
            let header = applied.borrow_and_update().clone();
            if header.height == 0 {
                return Err(ReadError::NotFinal { height: 1, head: 0 });
            }
            let state = self.databases.0.read().await;
            // The state moves a moment before the applied header does.
            if state.root().0 != header.state_root.0 {
                drop(state);
                applied.changed().await.map_err(|_| ReadError::Stopped)?;
                continue;
            }
            let stored = StateKey::new(key.0);
            let cell = state.get(&stored).await.map_err(storage)?;
            let inclusion = match &cell {
                Some(_) => {
                    let proof = state.key_value_proof(stored).await.map_err(storage)?;
                    StateInclusion::Present(proof.encode().to_vec())
                }
                None => {
                    let proof = state.exclusion_proof(&stored).await.map_err(storage)?;
                    StateInclusion::Absent(proof.encode().to_vec())
                }
            };
            drop(state);
            let block = self.final_header(header.height).await?;
            let cell = cell.map(|cell| cell_of(&cell));
            return Ok(StateProof { handovers: Vec::new(), block, key, cell, inclusion });
        }
    }

    async fn prove_transaction(&self, height: u64, index: u32) -> Result<TransactionProof, ReadError> {
        let final_header = self.final_header(height).await?;
        let block = match self.stored(height).await {
            Err(missing) => self.fetched(height, missing).await?.block.clone(),
            stored => stored?,
        };
        let leaves = block.transactions().iter().map(|body| Digest(body.hash.0));
        let inclusion = inclusion(leaves, height, index)?;
        let signed = SignedTransaction::decode(&block.transactions()[index as usize].bytes).map_err(storage)?;
        Ok(TransactionProof { block: final_header, transaction: TransactionEvidence { signed, inclusion } })
    }

    async fn prove_receipt(&self, height: u64, index: u32) -> Result<ReceiptProof, ReadError> {
        let final_header = self.final_header(height).await?;
        let receipts = match self.receipts(height).await {
            Err(missing) => self.fetched(height, missing).await?.receipts.clone(),
            stored => stored?,
        };
        let inclusion = inclusion(receipts.iter().map(Receipt::hash), height, index)?;
        let receipt = receipts[index as usize].clone();
        Ok(ReceiptProof { block: final_header, receipt, inclusion })
    }

    async fn prove_certified(&self, positions: &[u64], at: Option<u64>) -> Result<CertificatesProof, ReadError> {
        let at = at.unwrap_or_else(|| self.head.borrow().height);
        let block = self.final_header(at).await?;
        self.applied(at).await?;
        let end = mmr::Location::new(block.header.certification.end);
        let mut entries = Vec::with_capacity(positions.len());
        for &position in positions {
            let no_such_run = ReadError::NoSuchRun { position, height: at };
            if position >= block.header.certification.end {
                return Err(no_such_run);
            }
            let location = mmr::Location::new(position);
            let log = self.databases.1.read().await;
            let entry: LogEntry = log.get(location).await.map_err(storage)?.ok_or(no_such_run)?;
            let (path, _) = log.historical_proof(end, location, NZU64!(1)).await.map_err(storage)?;
            drop(log);
            let certified = decode(entry.bytes(), MAX_CERTIFICATION_ENTRY_BYTES).map_err(storage)?;
            entries.push((certified, EntryInclusion { position, path: path.encode().to_vec() }));
        }
        Ok(CertificatesProof { handovers: Vec::new(), block, entries })
    }
}

/// A block's transactions, decoded.
fn transactions(block: &Block) -> Result<Vec<FinalTransaction>, ReadError> {
    let decoded = block.transactions().iter().map(|body| {
        let signed = SignedTransaction::decode(&body.bytes).map_err(storage)?;
        Ok(FinalTransaction { hash: body.hash, signed: Arc::new(signed) })
    });
    decoded.collect()
}

fn cell_of(cell: &StateCell) -> Cell {
    Cell((**cell).try_into().expect("a state cell has its fixed size"))
}

fn inclusion(
    leaves: impl ExactSizeIterator<Item = Digest>,
    height: u64,
    index: u32,
) -> Result<BlockInclusion, ReadError> {
    let count = u32::try_from(leaves.len()).expect("a block's lists are bounded far below 2^32");
    let tree: bmt::Tree<<Sha256 as commonware_cryptography::Hasher>::Digest> = merkle_tree(leaves);
    let path = tree.proof(index).map_err(|_| ReadError::NoSuchItem { height, count, index })?;
    Ok(BlockInclusion { index, path: path.encode().to_vec() })
}
