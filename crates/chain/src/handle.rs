//! The node as the rest of the platform uses it: submit, watch, read, prove. Works from any async runtime.

use crate::{
    clock::{AdvanceTimeRefused, Clock},
    engine::{Running, Runtime},
    epochs::ConsensusStatus,
    latest,
    pool::{Candidate, Dropped, Pool, PoolRefused, Standing},
    reader::{ReadError, ReceiptProof, Request, TransactionProof},
    relay::PassedOn,
    sets::Sets,
    verification::{SubmittedRefused, Verifier},
    witness::{Misconduct, Proofs},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};
use tokio::sync::{mpsc, oneshot};
use utilidor_proof::document::{CertificatesProof, StateProof};
use utilidor_proof::inclusion::FinalHeader;
use utilidor_types::{
    AccountId, Cell, DecodeError, Digest, Genesis, Key, Timestamp, TransactionHash,
    block::{FinalBlock, Header, transaction_hash},
    genesis::ChainKind,
    handover::Handover,
    operator::AdvanceTime,
    time::MAX_TIMESTAMP,
    transaction::VerifyError,
};

/// Why a submitted transaction was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitRefused {
    /// The bytes are no transaction.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// The transaction is for another chain, or a signature is wrong.
    #[error(transparent)]
    Unverified(#[from] VerifyError),
    /// The pool does not take it.
    #[error(transparent)]
    Pool(#[from] PoolRefused),
    /// The state could not be asked for the account.
    #[error(transparent)]
    Unread(#[from] ReadError),
}

impl From<SubmittedRefused> for SubmitRefused {
    fn from(refused: SubmittedRefused) -> Self {
        match refused {
            SubmittedRefused::Malformed(error) => Self::Malformed(error),
            SubmittedRefused::Unverified(error) => Self::Unverified(error),
        }
    }
}

/// The last final block, and what waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its height.
    pub height: u64,
    /// Its time.
    pub time: Timestamp,
    /// Its digest.
    pub digest: Digest,
    /// Root of the state after it.
    pub state_root: Digest,
    /// Transactions in the pool.
    pub pooled: usize,
}

/// A running node. Cheap to clone. It may outlive the node, and holds nothing of its storage: then it answers that the node has
/// stopped.
#[derive(Clone)]
pub struct Handle {
    pub(crate) genesis: Arc<Genesis>,
    /// The node's folder.
    pub(crate) folder: Arc<Path>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) verifier: Verifier,
    pub(crate) head: latest::Receiver<Header>,
    pub(crate) reader: mpsc::Sender<Request>,
    pub(crate) relay: mpsc::Sender<PassedOn>,
    pub(crate) status: latest::Receiver<Option<ConsensusStatus>>,
    pub(crate) sets: Sets,
    pub(crate) proofs: Proofs,
}

/// Handovers that are told at once.
const MAX_HANDOVERS: usize = 64;

impl Handle {
    /// The way to use a running engine.
    pub(crate) fn new<E: Runtime>(
        genesis: Arc<Genesis>,
        folder: &Path,
        clock: Arc<Clock>,
        engine: &Running<E>,
        reader: mpsc::Sender<Request>,
        relay: mpsc::Sender<PassedOn>,
    ) -> Self {
        Self {
            genesis,
            folder: folder.into(),
            clock,
            pool: engine.pool.clone(),
            verifier: engine.verifier.clone(),
            head: engine.head.clone(),
            reader,
            relay,
            status: engine.status.clone(),
            sets: engine.sets.clone(),
            proofs: engine.proofs.clone(),
        }
    }

    /// The chain's genesis document.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// Takes canonical transaction bytes, answering for each in order. What no block on the chain's tip could carry is refused;
    /// what is taken enters a block once its turn comes, or is dropped if it can enter none any more: its receipt or
    /// [`Self::dropped`] tells. What is taken together can enter one block together. Submitting a transaction again has no
    /// effect.
    pub async fn submit(&self, transactions: Vec<Vec<u8>>) -> Vec<Result<TransactionHash, SubmitRefused>> {
        self.take(transactions, true).await
    }

    /// Takes transactions from a client, to be passed on to the validators, or from a peer.
    pub(crate) async fn take(
        &self,
        transactions: Vec<Vec<u8>>,
        pass_on: bool,
    ) -> Vec<Result<TransactionHash, SubmitRefused>> {
        let hashes: Vec<TransactionHash> = transactions.iter().map(|bytes| transaction_hash(bytes)).collect();
        let known = self.pool.known(&hashes).into_iter().zip(hashes);
        let mut answers: Vec<Option<Result<TransactionHash, SubmitRefused>>> =
            known.map(|(known, hash)| known.then_some(Ok(hash))).collect();
        let (places, unknown): (Vec<usize>, Vec<Vec<u8>>) =
            transactions.into_iter().enumerate().filter(|(place, _)| answers[*place].is_none()).unzip();
        let mut taken = Vec::new();
        let mut candidates = Vec::new();
        for (place, verdict) in places.into_iter().zip(self.verifier.verify_submitted(unknown).await) {
            match verdict {
                Ok((transaction, bytes)) => {
                    taken.push(place);
                    candidates.push(Candidate { transaction, bytes });
                }
                Err(refused) => answers[place] = Some(Err(refused.into())),
            }
        }
        let bytes: Vec<_> = candidates.iter().map(|candidate| candidate.bytes.clone()).collect();
        let mut pooled = Vec::new();
        for ((place, bytes), answer) in taken.into_iter().zip(bytes).zip(self.offer(candidates).await) {
            if answer.is_ok() {
                pooled.push(bytes);
            }
            answers[place] = Some(answer);
        }
        if pass_on && !pooled.is_empty() {
            // A node that is stopping passes nothing on.
            let _ = self.relay.send(PassedOn::Transactions(pooled)).await;
        }
        answers
            .into_iter()
            .map(|answer| answer.expect("each transaction was refused, known or offered to the pool"))
            .collect()
    }

    /// Offers verified transactions to the pool, with what the ledger holds of their accounts.
    async fn offer(&self, candidates: Vec<Candidate>) -> Vec<Result<TransactionHash, SubmitRefused>> {
        if candidates.is_empty() {
            return Vec::new();
        }
        let accounts: Vec<_> = candidates.iter().map(|candidate| candidate.transaction.account()).collect();
        let standings = async {
            // Before the first block no account is open.
            self.reached(1).await?;
            self.standings(&accounts).await
        };
        match standings.await {
            Ok(standings) => {
                let candidates = candidates.into_iter().zip(standings).collect();
                let height = self.head.borrow().height + 1;
                self.pool.insert(candidates, height).into_iter().map(|answer| answer.map_err(Into::into)).collect()
            }
            Err(error) => accounts.iter().map(|_| Err(error.clone().into())).collect(),
        }
    }

    /// What the ledger holds of accounts: as the pool remembers, else as the state says.
    pub(crate) async fn standings(&self, accounts: &[AccountId]) -> Result<Vec<Option<Standing>>, ReadError> {
        let mut standings = self.pool.standings(accounts);
        let unknown: BTreeSet<_> =
            accounts.iter().zip(&standings).filter(|(_, known)| known.is_none()).map(|(account, _)| *account).collect();
        if !unknown.is_empty() {
            let unknown: Vec<_> = unknown.into_iter().collect();
            let found = self.ask(|answer| Request::Standings(unknown.clone(), answer)).await?;
            let found: BTreeMap<_, _> = unknown.into_iter().zip(found).collect();
            for (account, standing) in accounts.iter().zip(&mut standings).filter(|(_, known)| known.is_none()) {
                *standing = found[account];
            }
        }
        Ok(standings)
    }

    /// Why a transaction that was taken can enter no block after all. The last 10,000 are remembered until the node stops, or
    /// until they are submitted again: what the reason names may change, and then the transaction is tried anew.
    pub fn dropped(&self, transaction: TransactionHash) -> Option<Dropped> {
        self.pool.dropped(&transaction)
    }

    /// Whether a transaction waits in the pool.
    pub(crate) fn waits(&self, transaction: TransactionHash) -> bool {
        self.pool.verified(&transaction).is_some()
    }

    /// Where this node stands in consensus. None until it has entered an epoch.
    pub fn consensus(&self) -> Option<ConsensusStatus> {
        self.status.borrow().clone()
    }

    /// Misconduct of validators that this node can prove, since it started. The proofs stand in its log as well.
    pub fn misconduct(&self) -> Vec<Misconduct> {
        self.proofs.all()
    }

    /// The handovers that lead from the set of validators of `version` on, a few at a time; the last of all is the newest end
    /// of an epoch, even if that changed nothing.
    pub fn handovers(&self, version: u64) -> Vec<Handover> {
        self.sets.handovers(version, MAX_HANDOVERS)
    }

    /// The handovers that lead from the genesis document to the validators of an epoch.
    pub fn handovers_until(&self, epoch: u64) -> Vec<Handover> {
        self.sets.changes_until(epoch)
    }

    /// Whether a transaction is in the pool, or was in a final block lately.
    pub fn knows(&self, transaction: TransactionHash) -> bool {
        self.pool.known(&[transaction])[0]
    }

    /// Follows the number of transactions dropped so far: it changes when [`Self::dropped`] has something new to say.
    pub fn drops(&self) -> latest::Receiver<u64> {
        self.pool.drops.subscribe()
    }

    /// The last final block: it and its certificate are on disk.
    pub fn head(&self) -> Head {
        let header = self.head.borrow();
        Head {
            height: header.height,
            time: header.time,
            digest: header.digest(),
            state_root: header.state_root,
            pooled: self.pool.len(),
        }
    }

    /// Follows the header of the last final block. Slow receivers skip headers, never miss the last.
    pub fn subscribe(&self) -> latest::Receiver<Header> {
        self.head.clone()
    }

    /// Waits for a final block of at least `height`.
    pub async fn reached(&self, height: u64) -> Result<Header, ReadError> {
        let mut head = self.head.clone();
        let header = head.wait_for(|head| head.height >= height).await;
        header.map(|header| header.clone()).map_err(|_| ReadError::Stopped)
    }

    /// The final block at `height`; `None` if it is not final yet.
    pub async fn finalized(&self, height: u64) -> Result<Option<Arc<FinalBlock>>, ReadError> {
        match self.ask(|answer| Request::Block(height, answer)).await {
            Ok(block) => Ok(Some(block)),
            Err(ReadError::NotFinal { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Height of the first block that this node holds with all that it did: later than 1 if it began with a state that it
    /// fetched from peers.
    pub async fn first_held(&self) -> Result<u64, ReadError> {
        self.ask(Request::FirstHeld).await
    }

    /// The header at `height` with the signatures that make it final.
    pub async fn final_header(&self, height: u64) -> Result<FinalHeader, ReadError> {
        self.ask(|answer| Request::FinalHeader(height, answer)).await
    }

    /// What each key holds after the last final block; waits until that is applied.
    pub async fn state(&self, keys: Vec<Key>) -> Result<Vec<Option<Cell>>, ReadError> {
        self.ask(|answer| Request::State(keys, answer)).await
    }

    /// A digest over every key and cell in key order, with the height of that state. Equal for equal content, however the
    /// transactions were spread over blocks, which is not so for the state root.
    pub async fn state_digest(&self) -> Result<(u64, Digest), ReadError> {
        self.ask(Request::StateDigest).await
    }

    /// Proves what `key` holds, or that it holds nothing, after the last final block.
    pub async fn prove_state(&self, key: Key) -> Result<StateProof, ReadError> {
        let mut proof = self.ask(|answer| Request::ProveState(key, answer)).await?;
        proof.handovers = self.handovers_until(proof.block.header.round.epoch);
        Ok(proof)
    }

    /// Proves that the block at `height` holds its transaction number `index`.
    pub async fn prove_transaction(&self, height: u64, index: u32) -> Result<TransactionProof, ReadError> {
        self.ask(|answer| Request::ProveTransaction(height, index, answer)).await
    }

    /// Proves that the block at `height` left its receipt number `index`.
    pub async fn prove_receipt(&self, height: u64, index: u32) -> Result<ReceiptProof, ReadError> {
        self.ask(|answer| Request::ProveReceipt(height, index, answer)).await
    }

    /// Proves that the certified runs at `positions` are in the certification log as of the block at height `at`, or else the
    /// last final one. Any height not below the runs' own will do, at any time.
    pub async fn prove_certified(&self, positions: Vec<u64>, at: Option<u64>) -> Result<CertificatesProof, ReadError> {
        let mut proof = self.ask(|answer| Request::ProveCertified(positions, at, answer)).await?;
        proof.handovers = self.handovers_until(proof.block.header.round.epoch);
        Ok(proof)
    }

    /// The engine's own metrics as OpenMetrics text: consensus, network, storage.
    pub async fn engine_metrics(&self) -> Result<String, ReadError> {
        self.ask(Request::Metrics).await
    }

    /// The node's bytes that are free on its disk; none where the system does not tell.
    pub fn free_bytes(&self) -> Option<u64> {
        crate::disk::free_bytes(&self.folder)
    }

    /// Moves a development chain's time as its operator wishes and waits for the block that carries it. Returns that block's
    /// time. Asking for the time that the chain has already changes nothing.
    pub async fn advance_time(&self, wish: &AdvanceTime) -> Result<Timestamp, AdvanceTimeRefused> {
        let (to, now) = (wish.to, self.head.borrow().time);
        self.heed(wish).await?;
        if to < now {
            return Err(AdvanceTimeRefused::InThePast { to, now });
        }
        let mut head = self.head.clone();
        let header = head.wait_for(|head| head.time >= to).await.map_err(|_| AdvanceTimeRefused::Stopped)?;
        Ok(header.time)
    }

    /// Takes the operator's wish from a client or a peer: this node's clock moves, and the validators hear of what is new.
    /// Whatever is refused, no honest peer passes on.
    pub(crate) async fn heed(&self, wish: &AdvanceTime) -> Result<(), AdvanceTimeRefused> {
        if self.genesis.kind == ChainKind::Production {
            return Err(AdvanceTimeRefused::Production);
        }
        if wish.to > MAX_TIMESTAMP {
            return Err(AdvanceTimeRefused::BeyondTheCalendar { to: wish.to, latest: MAX_TIMESTAMP });
        }
        wish.verify(&self.genesis)?;

        if self.clock.advance(wish.to)? {
            self.pool.changed.notify_waiters();
            // A node that is stopping passes nothing on.
            let _ = self.relay.send(PassedOn::Wish(wish.clone())).await;
        }
        Ok(())
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, ReadError>>) -> Request,
    ) -> Result<T, ReadError> {
        let (answer, answered) = oneshot::channel();
        self.reader.send(request(answer)).await.map_err(|_| ReadError::Stopped)?;
        answered.await.map_err(|_| ReadError::Stopped)?
    }
}
