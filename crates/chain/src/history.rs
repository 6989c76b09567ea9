//! The past from peers: blocks that this node does not hold, because it began with a later state or because they are damaged.
//!
//! An answer is a block with the signatures that make it final, and its receipts. Both are checked against what this node
//! knows: the signatures by the handovers since the genesis document, the receipts by the root in the signed header. So any peer
//! will do, and one that sends anything else is blocked. Blocks come in stretches, for each message counts in a peer's quota; the
//! next stretch is asked for while this one is used. Nothing is kept but the last few.

use crate::{
    block::{Block, merkle_root},
    engine::Runtime,
    reader::{Held, Request},
    sets::Sets,
};
use borsh::{BorshDeserialize, BorshSerialize};
use commonware_codec::{Copying, Decode as _};
use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::{Blocker, Receiver, Recipients, Sender, block};
use futures::{StreamExt as _, stream::FuturesUnordered};
use std::{
    collections::{BTreeMap, VecDeque},
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
/// Peers that are asked for a stretch, one after the other, before it is given up.
const MAX_TRIES: usize = 8;
/// Stretches that are asked for at the same time.
const MAX_PENDING: usize = 32;
/// Blocks that are asked for with a first one: who asks for one may ask for the next ...
const FEW: u64 = 8;
/// ... and who has done so will go on.
const MANY: u64 = 256;
/// Bytes of a stretch that is told in one message. A larger block is told alone.
const STRETCH_BYTES: usize = 512 * 1024;
/// Stretches that are kept.
const MAX_KEPT: usize = 8;
/// Questions of peers that are in work.
const MAX_SERVING: usize = 8;

/// Bound on a message in bytes: receipts are the largest.
pub(crate) const MAX_MESSAGE_BYTES: usize = MAX_LOG_ENTRY_BYTES + 64;

#[derive(BorshSerialize, BorshDeserialize)]
enum Message {
    /// What are the blocks from this height on, so many at most?
    Question { first: u64, count: u64 },
    /// These, in order: as many as fit.
    Stretch { first: u64, told: Vec<Told> },
    /// The first one, which is large, with the signatures that make it final. Its receipts follow.
    Block { height: u64, header: FinalHeader, block: Vec<u8> },
    /// The receipts of that block.
    Receipts { height: u64, receipts: Vec<u8> },
    /// The sender does not hold the first one.
    Missing { height: u64 },
}

/// A block with the signatures that make it final, and its receipts.
#[derive(BorshSerialize, BorshDeserialize)]
struct Told {
    header: FinalHeader,
    block: Vec<u8>,
    receipts: Vec<u8>,
}

impl Told {
    fn bytes(&self) -> usize {
        borsh::object_length(self).unwrap_or(usize::MAX)
    }
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

/// Blocks that were asked for from a height on.
struct Pending {
    count: u64,
    /// Who waits for which.
    answers: Vec<(u64, Answer)>,
    /// Whether they go on where others that are kept end.
    goes_on: bool,
    tries: usize,
    asked: PublicKey,
    since: SystemTime,
    /// The first one, if it is large.
    block: Option<(FinalHeader, Block)>,
}

/// Blocks that follow each other.
struct Stretch {
    first: u64,
    blocks: Vec<Arc<Fetched>>,
}

impl Stretch {
    const fn end(&self) -> u64 {
        self.first + self.blocks.len() as u64
    }

    fn at(&self, height: u64) -> Option<&Arc<Fetched>> {
        self.blocks.get(usize::try_from(height.checked_sub(self.first)?).ok()?)
    }
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
        let actor = Actor { io: self, pending: BTreeMap::new(), kept: VecDeque::new(), turn: 0 };
        context.spawn(move |_| actor.run(receiver, asked));
    }
}

struct Actor<E, S, B> {
    io: History<E, S, B>,
    /// By the first height.
    pending: BTreeMap<u64, Pending>,
    kept: VecDeque<Stretch>,
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
                Some((to, first, told)) = serving.next() => self.serve(to, first, told),
                message = receiver.recv() => {
                    let Ok((from, message)) = message else { return };
                    let Ok(message) = decode::<Message>(message.as_ref(), MAX_MESSAGE_BYTES) else {
                        block!(self.io.blocker, from, "a message about the past that cannot be read");
                        continue;
                    };
                    if let Message::Question { first, count } = message {
                        if serving.len() < MAX_SERVING {
                            serving.push(held(self.io.reader.clone(), from, first, count));
                        }
                        continue;
                    }
                    self.answered(from, message);
                }
                Some((height, answer)) = asked.recv(), if self.pending.len() < MAX_PENDING => {
                    self.want(height, answer);
                }
                () = &mut look, if !self.pending.is_empty() => {
                    self.look();
                    look = Box::pin(self.io.context.sleep(LOOK));
                }
            }
        }
    }

    /// Answers a peer.
    fn serve(&mut self, to: PublicKey, first: u64, mut told: Vec<Told>) {
        if told.is_empty() {
            self.send(to, &Message::Missing { height: first });
        } else if told[0].bytes() <= STRETCH_BYTES {
            self.send(to, &Message::Stretch { first, told });
        } else {
            let Told { header, block, receipts } = told.swap_remove(0);
            self.send(to.clone(), &Message::Block { height: first, header, block });
            self.send(to, &Message::Receipts { height: first, receipts });
        }
    }

    fn send(&mut self, to: PublicKey, message: &Message) {
        let _ = self.io.sender.send(Recipients::One(to), encode(message), false);
    }

    /// Gives a block that is wanted, or asks for it with those that follow it.
    fn want(&mut self, height: u64, answer: Answer) {
        let kept = self.kept.iter().find_map(|stretch| Some((stretch.at(height)?.clone(), stretch.end())));
        if let Some((fetched, end)) = kept {
            // Who asked may have gone.
            let _ = answer.send(Some(fetched));
            self.ask_ahead(end);
            return;
        }
        match self.pending.range_mut(..=height).next_back() {
            Some((first, pending)) if height - first < pending.count => pending.answers.push((height, answer)),
            _ => self.ask(height, vec![(height, answer)]),
        }
    }

    /// Asks for what will be wanted next, if it is neither at hand nor asked for.
    fn ask_ahead(&mut self, first: u64) {
        let is_kept = self.kept.iter().any(|stretch| stretch.at(first).is_some());
        let is_pending =
            self.pending.range(..=first).next_back().is_some_and(|(from, pending)| first - from < pending.count);
        if !is_kept && !is_pending && self.pending.len() < MAX_PENDING {
            self.ask(first, Vec::new());
        }
    }

    /// Asks for the blocks from a height on, up to those that are asked for already.
    fn ask(&mut self, first: u64, answers: Vec<(u64, Answer)>) {
        let Some(asked) = self.next_peer() else { return };
        let goes_on = self.kept.iter().any(|stretch| stretch.end() == first);
        let room = self.pending.range(first..).next().map_or(MANY, |(next, _)| next - first);
        let count = room.min(if goes_on { MANY } else { FEW });
        let since = self.io.context.current();
        self.pending
            .insert(first, Pending { count, answers, goes_on, tries: 1, asked: asked.clone(), since, block: None });
        self.send(asked, &Message::Question { first, count });
    }

    /// The next of the validators: those that have been there from the beginning hold everything.
    fn next_peer(&mut self) -> Option<PublicKey> {
        let newest = self.io.sets.newest();
        let others: Vec<_> = newest.iter().filter(|key| **key != self.io.me).collect();
        self.turn = self.turn.wrapping_add(1);
        others.get(self.turn.checked_rem(others.len())?).map(|key| (*key).clone())
    }

    fn answered(&mut self, from: PublicKey, message: Message) {
        let first = match &message {
            Message::Stretch { first, .. } => *first,
            Message::Block { height, .. } | Message::Receipts { height, .. } | Message::Missing { height } => *height,
            Message::Question { .. } => return,
        };
        // What comes late, or from another than was asked, is not wanted any more.
        let Some(pending) = self.pending.get_mut(&first).filter(|pending| pending.asked == from) else { return };
        let sets = &self.io.sets;
        let fetched = match message {
            Message::Stretch { told, .. } => {
                if told.is_empty() || told.len() as u64 > MANY {
                    Err("no blocks, or more than anyone asks for".into())
                } else {
                    (first..).zip(told).map(|(height, told)| verified(sets, height, told)).collect()
                }
            }
            Message::Block { header, block, .. } => match verified_block(sets, first, &header, &block) {
                Ok(block) => {
                    pending.block = Some((header, block));
                    return;
                }
                Err(reason) => Err(reason),
            },
            Message::Receipts { receipts, .. } => match pending.block.take() {
                Some((header, block)) => with_receipts(header, block, &receipts).map(|fetched| vec![fetched]),
                // Another peer was asked in between, and this one again.
                None => return,
            },
            Message::Missing { .. } | Message::Question { .. } => {
                self.retry(first);
                return;
            }
        };
        match fetched {
            Ok(fetched) => self.complete(first, fetched),
            Err(reason) => {
                let reason: String = reason;
                block!(self.io.blocker, from, first, reason, "blocks of the past that do not verify");
                self.retry(first);
            }
        }
    }

    /// Keeps blocks, and gives them to those who wait.
    fn complete(&mut self, first: u64, fetched: Vec<Fetched>) {
        let Some(pending) = self.pending.remove(&first) else { return };
        let stretch = Stretch { first, blocks: fetched.into_iter().map(Arc::new).collect() };
        let is_wanted = !pending.answers.is_empty();
        let mut beyond = Vec::new();
        for (height, answer) in pending.answers {
            match stretch.at(height) {
                // Who asked may have gone.
                Some(fetched) => drop(answer.send(Some(fetched.clone()))),
                None => beyond.push((height, answer)),
            }
        }
        let end = stretch.end();
        if self.kept.len() == MAX_KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(stretch);
        beyond.into_iter().for_each(|(height, answer)| self.want(height, answer));
        if is_wanted && pending.goes_on {
            self.ask_ahead(end);
        }
    }

    /// Asks another peer, or gives up.
    fn retry(&mut self, first: u64) {
        let asked = self.next_peer();
        let now = self.io.context.current();
        let Some(pending) = self.pending.get_mut(&first) else { return };
        pending.tries += 1;
        // What is only wanted ahead is not worth a second question.
        let worthwhile = pending.tries <= MAX_TRIES && !pending.answers.is_empty();
        match asked.filter(|_| worthwhile) {
            Some(asked) => {
                (pending.asked, pending.since, pending.block) = (asked.clone(), now, None);
                let count = pending.count;
                self.send(asked, &Message::Question { first, count });
            }
            None => {
                let pending = self.pending.remove(&first);
                for (_, answer) in pending.into_iter().flat_map(|pending| pending.answers) {
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
            self.pending.iter().filter(|(_, pending)| late(pending)).map(|(first, _)| *first).collect();
        late.into_iter().for_each(|first| self.retry(first));
    }
}

/// What this node itself holds of the blocks from a height on, for a peer: as much as fits into a message, or one large block.
async fn held(reader: mpsc::Sender<Request>, to: PublicKey, first: u64, count: u64) -> (PublicKey, u64, Vec<Told>) {
    let (mut told, mut room) = (Vec::new(), STRETCH_BYTES);
    for height in (0..count.min(MANY)).map_while(|number| first.checked_add(number)) {
        let Some(block) = held_block(&reader, height).await else { break };
        let bytes = block.bytes();
        if told.is_empty() || bytes <= room {
            told.push(block);
        }
        if bytes > room {
            break;
        }
        room -= bytes;
    }
    (to, first, told)
}

async fn held_block(reader: &mpsc::Sender<Request>, height: u64) -> Option<Told> {
    let (answer, answered) = oneshot::channel();
    reader.send(Request::Held(height, answer)).await.ok()?;
    let Held { header, block, receipts } = answered.await.ok()?.ok()?;
    Some(Told { header, block, receipts })
}

/// Checks what a peer tells of a block.
fn verified(sets: &Sets, height: u64, told: Told) -> Result<Fetched, String> {
    let block = verified_block(sets, height, &told.header, &told.block)?;
    with_receipts(told.header, block, &told.receipts)
}

fn verified_block(sets: &Sets, height: u64, header: &FinalHeader, block: &[u8]) -> Result<Block, String> {
    let block = Block::decode_cfg(Copying(block), &()).map_err(|error| error.to_string())?;
    if *block.header() != header.header || header.header.height != height {
        return Err("it is another block than was asked for".into());
    }
    sets.verify(header).map_err(|error| error.to_string())?;
    Ok(block)
}

fn with_receipts(header: FinalHeader, block: Block, receipts: &[u8]) -> Result<Fetched, String> {
    let receipts: Vec<Receipt> = decode(receipts, MAX_LOG_ENTRY_BYTES).map_err(|error| error.to_string())?;
    let root = merkle_root(receipts.iter().map(Receipt::hash));
    if root != header.header.receipts_root || receipts.len() != header.header.receipt_count as usize {
        return Err("receipts that the block does not have".into());
    }
    Ok(Fetched { header, block, receipts })
}
