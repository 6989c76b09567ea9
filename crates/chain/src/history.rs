//! The past from peers: blocks that this node does not hold, because it began with a later state or because they are damaged.
//!
//! An answer is a block with the signatures that make it final, and its receipts. Both are checked against what this node
//! knows: the signatures by the handovers since the genesis document, the receipts by the root in the signed header. So any peer
//! will do, and one that sends anything else is blocked. Nothing is kept but the last few.

use crate::{
    block::{Block, merkle_root},
    engine::Runtime,
    reader::{Held, Request},
    recent::Recent,
    sets::Sets,
};
use borsh::{BorshDeserialize, BorshSerialize};
use commonware_codec::{Copying, Decode as _};
use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::{Blocker, Receiver, Recipients, Sender, block};
use futures::{StreamExt as _, stream::FuturesUnordered};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::sync::{mpsc, oneshot};
use utilidor_proof::{FinalHeader, inclusion::MAX_LOG_ENTRY_BYTES};
use utilidor_types::{Receipt, decode, encode};

/// Time that a peer has to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// Peers that are asked for a block, one after the other, before it is given up.
const MAX_TRIES: usize = 8;
/// Blocks that are asked for at the same time.
const MAX_PENDING: usize = 32;
/// Blocks that are asked for ahead: who asks for one will ask for the next.
const AHEAD: u64 = 8;
/// Blocks that are kept.
const MAX_KEPT: usize = 24;
/// Questions of peers that are in work.
const MAX_SERVING: usize = 8;

/// Bound on a message in bytes: receipts are the largest.
pub(crate) const MAX_MESSAGE_BYTES: usize = MAX_LOG_ENTRY_BYTES + 64;

#[derive(BorshSerialize, BorshDeserialize)]
enum Message {
    /// What is the block at this height?
    Question { height: u64 },
    /// This one, with the signatures that make it final. Its receipts follow.
    Block { height: u64, header: FinalHeader, block: Vec<u8> },
    /// The receipts of that block.
    Receipts { height: u64, receipts: Vec<u8> },
    /// The sender does not hold it.
    Missing { height: u64 },
}

/// A block of the past, verified.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub header: FinalHeader,
    pub block: Block,
    pub receipts: Vec<Receipt>,
}

type Answer = oneshot::Sender<Option<Arc<Fetched>>>;

/// Asks peers for blocks of the past.
#[derive(Clone)]
pub(crate) struct Asking(mpsc::Sender<(u64, Answer)>);

/// Where the questions arrive.
pub(crate) struct Asked(mpsc::Receiver<(u64, Answer)>);

pub(crate) fn queue() -> (Asking, Asked) {
    let (asking, asked) = mpsc::channel(MAX_PENDING);
    (Asking(asking), Asked(asked))
}

impl Asking {
    /// The final block at a height, from a peer. None if no peer has told it.
    pub async fn fetch(&self, height: u64) -> Option<Arc<Fetched>> {
        let (answer, answered) = oneshot::channel();
        self.0.send((height, answer)).await.ok()?;
        answered.await.ok()?
    }
}

/// What is known of a block that was asked for.
struct Pending {
    answers: Vec<Answer>,
    tries: usize,
    asked: PublicKey,
    since: SystemTime,
    block: Option<(FinalHeader, Block)>,
    receipts: Option<Vec<u8>>,
}

/// Answers peers' questions, and asks them.
pub(crate) struct History<E, S, B> {
    pub context: E,
    pub sets: Sets,
    pub me: PublicKey,
    pub reader: mpsc::Sender<Request>,
    pub blocker: B,
    pub sender: S,
}

impl<E, S, B> History<E, S, B>
where
    E: Runtime,
    S: Sender<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey>,
{
    /// Starts it.
    pub fn start<R: Receiver<PublicKey = PublicKey>>(self, receiver: R, asked: Asked) {
        let context = self.context.child("history");
        let actor = Actor { io: self, pending: BTreeMap::new(), kept: Recent::new(MAX_KEPT), turn: 0 };
        context.spawn(move |_| actor.run(receiver, asked));
    }
}

struct Actor<E, S, B> {
    io: History<E, S, B>,
    pending: BTreeMap<u64, Pending>,
    kept: Recent<u64, Arc<Fetched>>,
    /// Counts questions, so that peers are asked in turn.
    turn: usize,
}

impl<E, S, B> Actor<E, S, B>
where
    E: Runtime,
    S: Sender<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey>,
{
    async fn run<R: Receiver<PublicKey = PublicKey>>(mut self, mut receiver: R, Asked(mut asked): Asked) {
        let mut serving = FuturesUnordered::new();
        let mut look = Box::pin(self.io.context.sleep(LOOK));
        loop {
            tokio::select! {
                biased;
                Some((to, height, held)) = serving.next() => self.serve(to, height, held),
                message = receiver.recv() => {
                    let Ok((from, message)) = message else { return };
                    let Ok(message) = decode::<Message>(message.as_ref(), MAX_MESSAGE_BYTES) else {
                        block!(self.io.blocker, from, "a message about the past that cannot be read");
                        continue;
                    };
                    if let Message::Question { height } = message {
                        if serving.len() < MAX_SERVING {
                            serving.push(held(self.io.reader.clone(), from, height));
                        }
                        continue;
                    }
                    self.answered(from, message);
                }
                Some((height, answer)) = asked.recv(), if self.pending.len() < MAX_PENDING => {
                    self.want(height, Some(answer));
                    for next in height + 1..=height + AHEAD {
                        self.want(next, None);
                    }
                }
                () = &mut look, if !self.pending.is_empty() => {
                    self.look();
                    look = Box::pin(self.io.context.sleep(LOOK));
                }
            }
        }
    }

    /// Answers a peer.
    fn serve(&mut self, to: PublicKey, height: u64, held: Option<Held>) {
        let Some(Held { header, block, receipts }) = held else {
            self.send(to, &Message::Missing { height });
            return;
        };
        self.send(to.clone(), &Message::Block { height, header, block });
        self.send(to, &Message::Receipts { height, receipts });
    }

    fn send(&mut self, to: PublicKey, message: &Message) {
        let _ = self.io.sender.send(Recipients::One(to), encode(message), false);
    }

    /// Asks for a block that is wanted, if it is not at hand and was not asked for already.
    fn want(&mut self, height: u64, answer: Option<Answer>) {
        if let Some(fetched) = self.kept.get(&height) {
            // Who asked may have gone.
            answer.into_iter().for_each(|answer| drop(answer.send(Some(fetched.clone()))));
            return;
        }
        if let Some(pending) = self.pending.get_mut(&height) {
            pending.answers.extend(answer);
            return;
        }
        let Some(asked) = self.next_peer() else { return };
        let (since, answers) = (self.io.context.current(), answer.into_iter().collect());
        let pending = Pending { answers, tries: 1, asked: asked.clone(), since, block: None, receipts: None };
        self.pending.insert(height, pending);
        self.send(asked, &Message::Question { height });
    }

    /// The next of the validators: those that have been there from the beginning hold everything.
    fn next_peer(&mut self) -> Option<PublicKey> {
        let newest = self.io.sets.newest();
        let others: Vec<_> = newest.iter().filter(|key| **key != self.io.me).collect();
        self.turn = self.turn.wrapping_add(1);
        others.get(self.turn.checked_rem(others.len())?).map(|key| (*key).clone())
    }

    fn answered(&mut self, from: PublicKey, message: Message) {
        let height = match &message {
            Message::Block { height, .. } | Message::Receipts { height, .. } | Message::Missing { height } => *height,
            Message::Question { .. } => return,
        };
        // What comes late, or from another than was asked, is not wanted any more.
        let Some(pending) = self.pending.get_mut(&height).filter(|pending| pending.asked == from) else { return };
        match message {
            Message::Block { header, block, .. } => match verified(&self.io.sets, height, &header, &block) {
                Ok(block) => pending.block = Some((header, block)),
                Err(reason) => {
                    block!(self.io.blocker, from, height, reason, "a block of the past that does not verify");
                    self.retry(height);
                    return;
                }
            },
            Message::Receipts { receipts, .. } => pending.receipts = Some(receipts),
            Message::Missing { .. } | Message::Question { .. } => {
                self.retry(height);
                return;
            }
        }
        if pending.block.is_some() && pending.receipts.is_some() {
            self.complete(from, height);
        }
    }

    /// Joins a block and its receipts, both of which are there.
    fn complete(&mut self, from: PublicKey, height: u64) {
        let Some(pending) = self.pending.remove(&height) else { return };
        let (Some((header, block)), Some(bytes)) = (pending.block, pending.receipts) else { return };
        let receipts: Option<Vec<Receipt>> = decode(&bytes, MAX_LOG_ENTRY_BYTES).ok();
        let committed = receipts.filter(|receipts| {
            let root = merkle_root(receipts.iter().map(Receipt::hash));
            root == header.header.receipts_root && receipts.len() == header.header.receipt_count as usize
        });
        let Some(receipts) = committed else {
            block!(self.io.blocker, from.clone(), height, "receipts of the past that their block does not have");
            let (tries, answers) = (pending.tries, pending.answers);
            let (asked, since) = (from, self.io.context.current());
            self.pending.insert(height, Pending { answers, tries, asked, since, block: None, receipts: None });
            self.retry(height);
            return;
        };
        let fetched = Arc::new(Fetched { header, block, receipts });
        self.kept.note(height, fetched.clone());
        for answer in pending.answers {
            // Who asked may have gone.
            let _ = answer.send(Some(fetched.clone()));
        }
    }

    /// Asks another peer, or gives up.
    fn retry(&mut self, height: u64) {
        let asked = self.next_peer();
        let now = self.io.context.current();
        let Some(pending) = self.pending.get_mut(&height) else { return };
        pending.tries += 1;
        // What is only wanted ahead is not worth a second question.
        let worthwhile = pending.tries <= MAX_TRIES && !pending.answers.is_empty();
        match asked.filter(|_| worthwhile) {
            Some(asked) => {
                (pending.asked, pending.since) = (asked.clone(), now);
                (pending.block, pending.receipts) = (None, None);
                self.send(asked, &Message::Question { height });
            }
            None => {
                let pending = self.pending.remove(&height);
                for answer in pending.into_iter().flat_map(|pending| pending.answers) {
                    let _ = answer.send(None);
                }
            }
        }
    }

    /// Asks others where a peer has not answered in time.
    fn look(&mut self) {
        let now = self.io.context.current();
        let late = |pending: &Pending| now.duration_since(pending.since).is_ok_and(|passed| passed >= PATIENCE);
        let late: Vec<u64> =
            self.pending.iter().filter(|(_, pending)| late(pending)).map(|(height, _)| *height).collect();
        late.into_iter().for_each(|height| self.retry(height));
    }
}

/// What this node itself holds of a block, for a peer.
async fn held(reader: mpsc::Sender<Request>, to: PublicKey, height: u64) -> (PublicKey, u64, Option<Held>) {
    let (answer, answered) = oneshot::channel();
    let asked = reader.send(Request::Held(height, answer)).await;
    let held = match asked {
        Ok(()) => answered.await.ok().and_then(Result::ok),
        Err(_) => None,
    };
    (to, height, held)
}

/// Checks a block that a peer tells.
fn verified(sets: &Sets, height: u64, header: &FinalHeader, block: &[u8]) -> Result<Block, String> {
    let block = Block::decode_cfg(Copying(block), &()).map_err(|error| error.to_string())?;
    if *block.header() != header.header || header.header.height != height {
        return Err("it is another block than was asked for".into());
    }
    sets.verify(header).map_err(|error| error.to_string())?;
    Ok(block)
}
