//! Signatures are checked in batches, on all cores, and once per node.
//!
//! What a client submits is verified before it is pooled. What arrives in another member's block is looked up in the pool
//! first and among recently verified transactions second; only the rest is verified.

use crate::{block::Body, pool::Pool, recent::Recent};
use bytes::Bytes;
use commonware_parallel::{Rayon, Strategy as _};
use commonware_utils::sys_rng;
use std::sync::{Arc, Mutex};
use utilidor_types::{ChainId, DecodeError, transaction::VerifyError};
use utilidor_types::{
    SignedTransaction, TransactionHash, VerifiedTransaction, key::KeyRing, transaction::verify_batch_with,
};

/// Transactions verified in other members' blocks that are remembered.
const MAX_REMEMBERED: usize = 8_192;

/// Verifies transactions on the node's cores.
#[derive(Clone)]
pub(crate) struct Verifier {
    chain: ChainId,
    strategy: Rayon,
    keys: Arc<KeyRing>,
    remembered: Arc<Mutex<Recent<TransactionHash, VerifiedTransaction>>>,
}

/// A transaction in a block that is malformed or wrongly signed.
#[derive(Debug, thiserror::Error)]
#[error("transaction {index} of the block: {reason}")]
pub(crate) struct BodyRefused {
    index: usize,
    reason: String,
}

impl Verifier {
    pub fn new(chain: ChainId, strategy: Rayon) -> Self {
        Self { chain, strategy, keys: Arc::default(), remembered: Arc::new(Mutex::new(Recent::new(MAX_REMEMBERED))) }
    }
}

impl Verifier {
    /// Decodes and verifies what a client sent, answering for each in order.
    pub async fn verify_submitted(&self, transactions: Vec<Vec<u8>>) -> Vec<Verdict> {
        self.verify(transactions.into_iter().map(Bytes::from).collect()).await
    }

    /// Verifies a block's transactions, except those that this node verified before.
    pub async fn verify_bodies(&self, bodies: &[Body], pool: &Pool) -> Result<Vec<VerifiedTransaction>, BodyRefused> {
        let mut verified: Vec<Option<VerifiedTransaction>> = {
            let remembered = self.remembered.lock().expect("no holder of this lock panics");
            bodies
                .iter()
                .map(|body| pool.verified(&body.hash).or_else(|| remembered.get(&body.hash).cloned()))
                .collect()
        };
        let unknown: Vec<usize> = (0..bodies.len()).filter(|&index| verified[index].is_none()).collect();
        let fresh = self.verify(unknown.iter().map(|&index| bodies[index].bytes.clone()).collect()).await;
        for (index, result) in unknown.into_iter().zip(fresh) {
            match result {
                Ok((transaction, _)) => {
                    let mut remembered = self.remembered.lock().expect("no holder of this lock panics");
                    remembered.note(transaction.hash(), transaction.clone());
                    verified[index] = Some(transaction);
                }
                Err(error) => return Err(BodyRefused { index, reason: error.to_string() }),
            }
        }
        Ok(verified.into_iter().map(|transaction| transaction.expect("each was known or has been verified")).collect())
    }

    async fn verify(&self, transactions: Vec<Bytes>) -> Vec<Verdict> {
        if transactions.is_empty() {
            return Vec::new();
        }
        let (chain, keys) = (self.chain, self.keys.clone());
        self.strategy.spawn(transactions.len(), move |strategy| verify_all(&keys, chain, transactions, &strategy)).await
    }
}

/// Why submitted bytes are no transaction of this chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SubmittedRefused {
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    #[error(transparent)]
    Unverified(#[from] VerifyError),
}

type Verdict = Result<(VerifiedTransaction, Bytes), SubmittedRefused>;

fn verify_all(keys: &KeyRing, chain: ChainId, transactions: Vec<Bytes>, strategy: &Rayon) -> Vec<Verdict> {
    let decoded = strategy.map_collect_vec(&transactions, |bytes| SignedTransaction::decode(bytes));
    let mut well_formed = Vec::with_capacity(decoded.len());
    let decoded: Vec<Option<DecodeError>> =
        decoded.into_iter().map(|decoded| decoded.map(|transaction| well_formed.push(transaction)).err()).collect();
    let mut verified = verify_batch_with(keys, chain, well_formed, &mut sys_rng(), strategy).into_iter();
    decoded
        .into_iter()
        .zip(transactions)
        .map(|(malformed, bytes)| match malformed {
            Some(error) => Err(error.into()),
            None => Ok((verified.next().expect("each decoded transaction has a verdict")?, bytes)),
        })
        .collect()
}
