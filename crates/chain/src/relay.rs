//! What a client gave to one node reaches all validators, so that whoever builds the next block has it, and followers can take
//! it as well: transactions, and on a development chain the operator's wish to advance time.
//!
//! A node passes on what its own clients submitted and repeats it until it is final. What comes in is verified before it is
//! pooled; a peer that sends what no client can have signed is blocked. Nobody passes on transactions that came from a peer.
//!
//! A wish is passed on by everybody who hears of it for the first time, and repeated until the chain's time has reached it: if
//! the node that was asked is lost, a wish that only some have heard of does not leave the others waiting.

use crate::{
    engine::Runtime,
    epochs::ConsensusStatus,
    handle::{Handle, SubmitRefused},
    latest,
};
use bytes::Bytes;
use commonware_codec::{Decode as _, Encode as _, RangeCfg};
use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::{Blocker, Receiver, Recipients, Sender, block};
use std::{
    collections::VecDeque,
    time::{Duration, SystemTime},
};
use tokio::sync::mpsc;
use utilidor_proof::members::validator;
use utilidor_types::{
    block::transaction_hash, decode, encode, operator::AdvanceTime, transaction::MAX_TRANSACTION_BYTES,
};

/// Transactions in a message.
const MAX_COUNT: usize = 1_024;
/// Bytes of transactions in a message, but for the last one.
const MAX_BYTES: usize = 256 * 1024;
/// Time after which what is not final is sent again.
const REPEAT: Duration = Duration::from_secs(5);
/// Transactions that are remembered to be sent again.
const MAX_REMEMBERED: usize = 16_384;
/// Bytes of a wish at most.
const MAX_WISH_BYTES: usize = 256;
/// Submissions that wait to be passed on; more wait at the client.
const MAX_WAITING: usize = 256;

/// Bound on a message in bytes.
pub(crate) const MAX_MESSAGE_BYTES: usize = MAX_BYTES + MAX_TRANSACTION_BYTES + MAX_COUNT * 5 + 16;

/// What a node passes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PassedOn {
    /// What clients have submitted.
    Transactions(Vec<Bytes>),
    /// What the operator of a development chain has asked for.
    Wish(AdvanceTime),
}

impl PassedOn {
    /// A message of transactions begins with their count, which is never 0: so a 0 tells that a wish follows.
    fn message(&self) -> Bytes {
        match self {
            Self::Transactions(transactions) => transactions.encode(),
            Self::Wish(wish) => [&[0][..], &encode(wish)[..]].concat().into(),
        }
    }

    /// What a message holds. None if it cannot be read.
    fn read(message: Bytes) -> Option<Self> {
        if let Some((0, wish)) = message.split_first() {
            return decode(wish, MAX_WISH_BYTES).ok().map(Self::Wish);
        }
        let limits = (RangeCfg::from(1..=MAX_COUNT), RangeCfg::from(1..=MAX_TRANSACTION_BYTES));
        Vec::<Bytes>::decode_cfg(message, &limits).ok().map(Self::Transactions)
    }
}

/// What is to be passed on, on its way to the relay.
pub(crate) type Submitted = mpsc::Receiver<PassedOn>;

/// The way to the relay, which may be started later.
pub(crate) fn queue() -> (mpsc::Sender<PassedOn>, Submitted) {
    mpsc::channel(MAX_WAITING)
}

/// Passes on what clients submit, and takes it from peers.
pub(crate) struct Relay<E, B> {
    pub context: E,
    pub handle: Handle,
    pub me: PublicKey,
    pub status: latest::Receiver<Option<ConsensusStatus>>,
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
        let outward = Outward { handle: handle.clone(), me, status, sender, remembered: VecDeque::new(), wish: None };
        context.child("relay_outward").spawn(move |context| outward.run(context, submitted));
        context.child("relay_inward").spawn(move |_| inward(handle, receiver, blocker));
    }
}

struct Outward<S> {
    handle: Handle,
    me: PublicKey,
    status: latest::Receiver<Option<ConsensusStatus>>,
    sender: S,
    /// By the time when each was sent last.
    remembered: VecDeque<(SystemTime, Bytes)>,
    /// The last wish, until the chain's time has reached it.
    wish: Option<AdvanceTime>,
}

impl<S: Sender<PublicKey = PublicKey>> Outward<S> {
    async fn run<E: Runtime>(mut self, context: E, mut submitted: Submitted) {
        let mut pause = Box::pin(context.sleep(REPEAT));
        loop {
            tokio::select! {
                biased;
                next = submitted.recv() => {
                    let Some(next) = next else { return };
                    let mut transactions = Vec::new();
                    self.gather(&mut transactions, next);
                    while transactions.len() < MAX_COUNT && let Ok(more) = submitted.try_recv() {
                        self.gather(&mut transactions, more);
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

    /// Adds transactions to those that are passed on together. A wish is passed on at once.
    fn gather(&mut self, transactions: &mut Vec<Bytes>, next: PassedOn) {
        match next {
            PassedOn::Transactions(more) => transactions.extend(more),
            PassedOn::Wish(wish) => {
                self.wish = Some(wish);
                self.pass_on_wish();
            }
        }
    }

    /// Passes the last wish on, or forgets it if the chain's time has reached it.
    fn pass_on_wish(&mut self) {
        let time = self.handle.head().time;
        self.wish = self.wish.take().filter(|wish| wish.to > time);
        if let Some(wish) = self.wish.clone() {
            self.send(&self.others(), &PassedOn::Wish(wish));
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
                self.send(&others, &PassedOn::Transactions(std::mem::take(&mut message)));
                bytes = 0;
            }
        }
        if !message.is_empty() {
            self.send(&others, &PassedOn::Transactions(message));
        }
    }

    fn send(&mut self, others: &[PublicKey], passed_on: &PassedOn) {
        // Before the first epoch is entered nobody is known: what is remembered is sent later.
        if !others.is_empty() {
            let _ = self.sender.send(Recipients::Some(others.to_vec()), passed_on.message(), false);
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
        self.pass_on_wish();
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
    while let Ok((from, message)) = receiver.recv().await {
        let transactions = match PassedOn::read(message.into()) {
            Some(PassedOn::Transactions(transactions)) => transactions,
            Some(PassedOn::Wish(wish)) => {
                if let Err(reason) = handle.heed(&wish).await {
                    block!(blocker, from, %reason, "a wish that is not the operator's");
                }
                continue;
            }
            None => {
                block!(blocker, from, "what cannot be read as transactions or a wish");
                continue;
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use utilidor_types::{ChainId, PrivateKey, Timestamp};

    #[test]
    fn what_is_passed_on_is_read_as_it_was_and_nothing_else_is() {
        let wish = AdvanceTime::sign(ChainId([1; 16]), Timestamp(7), &PrivateKey::ed25519([2; 32]));
        let transactions = vec![Bytes::from_static(b"one"), Bytes::from_static(b"another")];
        for passed_on in [PassedOn::Wish(wish), PassedOn::Transactions(transactions)] {
            let message = passed_on.message();
            assert_eq!(PassedOn::read(message.clone()), Some(passed_on));
            for cut in 0..message.len() {
                assert_eq!(PassedOn::read(message.slice(..cut)), None, "the first {cut} bytes");
            }
            assert_eq!(PassedOn::read([&message[..], &[0]].concat().into()), None, "a byte more");
        }
    }
}
