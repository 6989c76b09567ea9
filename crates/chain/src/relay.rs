//! Transactions between nodes: what a client gave to one node reaches all validators, so that whoever builds the next block
//! has it, and followers can take transactions as well.
//!
//! A node passes on what its own clients submitted and repeats it until it is final. What comes in is verified before it is
//! pooled; a peer that sends what no client can have signed is blocked. Nobody passes on what came from a peer.

use crate::{
    engine::Runtime,
    epochs::ConsensusStatus,
    handle::{Handle, SubmitRefused},
};
use bytes::Bytes;
use commonware_codec::{Decode as _, Encode as _, RangeCfg};
use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::{Blocker, Receiver, Recipients, Sender, block};
use std::{
    collections::VecDeque,
    time::{Duration, SystemTime},
};
use tokio::sync::{mpsc, watch};
use utilidor_proof::members::validator;
use utilidor_types::{block::transaction_hash, transaction::MAX_TRANSACTION_BYTES};

/// Transactions in a message.
const MAX_COUNT: usize = 1_024;
/// Bytes of transactions in a message, but for the last one.
const MAX_BYTES: usize = 256 * 1024;
/// Time after which what is not final is sent again.
const REPEAT: Duration = Duration::from_secs(5);
/// Transactions that are remembered to be sent again.
const MAX_REMEMBERED: usize = 16_384;
/// Submissions that wait to be passed on; more wait at the client.
const MAX_WAITING: usize = 256;

/// Bound on a message in bytes.
pub(crate) const MAX_MESSAGE_BYTES: usize = MAX_BYTES + MAX_TRANSACTION_BYTES + MAX_COUNT * 5 + 16;

/// What the node's clients have submitted, on its way to the relay.
pub(crate) type Submitted = mpsc::Receiver<Vec<Bytes>>;

/// The way to the relay, which may be started later.
pub(crate) fn queue() -> (mpsc::Sender<Vec<Bytes>>, Submitted) {
    mpsc::channel(MAX_WAITING)
}

/// Passes transactions on, and takes them from peers.
pub(crate) struct Relay<E, B> {
    pub context: E,
    pub handle: Handle,
    pub me: PublicKey,
    pub status: watch::Receiver<Option<ConsensusStatus>>,
    pub blocker: B,
}

impl<E: Runtime, B: Blocker<PublicKey = PublicKey>> Relay<E, B> {
    /// Starts both directions.
    pub fn start<S, R>(self, (sender, receiver): (S, R), submitted: Submitted)
    where
        S: Sender<PublicKey = PublicKey>,
        R: Receiver<PublicKey = PublicKey>,
    {
        let Self { context, handle, me, status, blocker } = self;
        let outward = Outward { handle: handle.clone(), me, status, sender, remembered: VecDeque::new() };
        context.child("relay_outward").spawn(move |context| outward.run(context, submitted));
        context.child("relay_inward").spawn(move |_| inward(handle, receiver, blocker));
    }
}

struct Outward<S> {
    handle: Handle,
    me: PublicKey,
    status: watch::Receiver<Option<ConsensusStatus>>,
    sender: S,
    /// By the time when each was sent last.
    remembered: VecDeque<(SystemTime, Bytes)>,
}

impl<S: Sender<PublicKey = PublicKey>> Outward<S> {
    async fn run<E: Runtime>(mut self, context: E, mut submitted: Submitted) {
        let mut pause = Box::pin(context.sleep(REPEAT));
        loop {
            tokio::select! {
                biased;
                next = submitted.recv() => {
                    let Some(mut transactions) = next else { return };
                    while transactions.len() < MAX_COUNT && let Ok(more) = submitted.try_recv() {
                        transactions.extend(more);
                    }
                    self.pass_on(context.current(), transactions);
                }
                () = &mut pause => {
                    self.repeat(context.current());
                    pause = Box::pin(context.sleep(REPEAT));
                }
            }
        }
    }

    fn pass_on(&mut self, now: SystemTime, transactions: Vec<Bytes>) {
        let entered = self.status.borrow().is_some();
        let others = self.others();
        if others.is_empty() && entered {
            return;
        }
        let mut message = Vec::new();
        let mut bytes = 0;
        for transaction in transactions {
            bytes += transaction.len();
            if self.remembered.len() == MAX_REMEMBERED {
                self.remembered.pop_front();
            }
            self.remembered.push_back((now, transaction.clone()));
            message.push(transaction);
            if message.len() == MAX_COUNT || bytes >= MAX_BYTES {
                self.send(&others, std::mem::take(&mut message));
                bytes = 0;
            }
        }
        self.send(&others, message);
    }

    fn send(&mut self, others: &[PublicKey], message: Vec<Bytes>) {
        // Before the first epoch is entered nobody is known: what is remembered is sent later.
        if !message.is_empty() && !others.is_empty() {
            let _ = self.sender.send(Recipients::Some(others.to_vec()), message.encode(), false);
        }
    }

    /// Sends again what was sent a while ago and is still waiting.
    fn repeat(&mut self, now: SystemTime) {
        let long_ago = |at: &SystemTime| now.duration_since(*at).is_ok_and(|passed| passed >= REPEAT);
        let mut again = Vec::new();
        while self.remembered.front().is_some_and(|(at, _)| long_ago(at)) {
            let transaction = self.remembered.pop_front().map(|(_, transaction)| transaction);
            again.extend(transaction.filter(|bytes| self.handle.waits(transaction_hash(bytes))));
        }
        self.pass_on(now, again);
    }

    /// The other validators of the present epoch.
    fn others(&self) -> Vec<PublicKey> {
        let status = self.status.borrow();
        let keys = status.iter().flat_map(|status| status.validators.keys());
        keys.filter_map(|key| validator(key).ok()).filter(|key| *key != self.me).collect()
    }
}

async fn inward<R, B>(handle: Handle, mut receiver: R, mut blocker: B)
where
    R: Receiver<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey>,
{
    let limits = (RangeCfg::from(1..=MAX_COUNT), RangeCfg::from(1..=MAX_TRANSACTION_BYTES));
    while let Ok((from, message)) = receiver.recv().await {
        let Ok(transactions) = Vec::<Bytes>::decode_cfg(message, &limits) else {
            block!(blocker, from, "transactions that cannot be read");
            continue;
        };
        let answers = handle.take(transactions.iter().map(|bytes| bytes.to_vec()).collect(), false).await;
        let forged = |answer: &Result<_, SubmitRefused>| {
            matches!(answer, Err(SubmitRefused::Malformed(_) | SubmitRefused::Unverified(_)))
        };
        if let Some(Err(reason)) = answers.into_iter().find(forged) {
            block!(blocker, from, %reason, "a transaction that no client has signed");
        }
    }
}
