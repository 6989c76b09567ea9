//! Handovers between nodes: whoever has been away, or begins from the genesis document, learns from peers which sets of
//! validators came since.
//!
//! A question names the newest version known; the answer is what follows it, and how far the peer is. Answers are signed by the
//! sets themselves, so a peer can keep something back but not lie; who sends what does not verify is blocked. The newest set is
//! known once more of its members than can be faulty have answered with nothing newer.

use crate::{engine::Runtime, latest, sets::Sets};
use borsh::{BorshDeserialize, BorshSerialize};
use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::{Blocker, Receiver, Recipients, Sender, block};
use commonware_utils::{Faults as _, N3f1};
use std::{collections::BTreeMap, time::Duration};
use tokio::sync::{mpsc, oneshot};
use utilidor_types::{
    Bounded, Header, decode, encode,
    handover::{Handover, MAX_HANDOVER_BYTES},
};

/// Handovers in one answer.
const MAX_HANDOVERS: usize = 16;
/// Time after which peers are asked again.
const RETRY: Duration = Duration::from_millis(500);

/// Bound on a message in bytes.
pub(crate) const MAX_MESSAGE_BYTES: usize = 16 + MAX_HANDOVERS * MAX_HANDOVER_BYTES;

#[derive(BorshSerialize, BorshDeserialize)]
enum Message {
    /// What follows the set of this version?
    Question { version: u64 },
    /// This does; and the sender's last final block has this height.
    Answer { handovers: Bounded<Handover, MAX_HANDOVERS>, height: u64 },
}

/// What asking has led to.
#[derive(Debug)]
pub(crate) struct Caught {
    /// What was learnt, in order.
    pub learnt: Vec<Handover>,
    /// The highest block that any of those who answered claims to have; none if too few have answered in time.
    pub height: Option<u64>,
}

/// Asks peers on behalf of a node that starts.
pub(crate) struct Asking(mpsc::Sender<(Duration, oneshot::Sender<Caught>)>);

impl Asking {
    /// Asks until the newest set is known, for as long as `patience`.
    pub async fn catch_up(&self, patience: Duration) -> Caught {
        let (answer, answered) = oneshot::channel();
        let _ = self.0.send((patience, answer)).await;
        // The actor runs for as long as the node; if that stops, nothing was learnt.
        answered.await.unwrap_or(Caught { learnt: Vec::new(), height: None })
    }
}

/// Starts to answer peers, and to ask them where that is wanted.
pub(crate) fn start<E, S, R, B>(
    context: E,
    sets: Sets,
    head: latest::Receiver<Header>,
    blocker: B,
    (sender, receiver): (S, R),
) -> Asking
where
    E: Runtime,
    S: Sender<PublicKey = PublicKey>,
    R: Receiver<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey>,
{
    let (asking, asked) = mpsc::channel(1);
    let actor = Actor { context: context.child("handovers"), sets, head, blocker, sender, search: None };
    context.spawn(move |_| actor.run(receiver, asked));
    Asking(asking)
}

struct Actor<E, S, B> {
    context: E,
    sets: Sets,
    head: latest::Receiver<Header>,
    blocker: B,
    sender: S,
    search: Option<Search>,
}

/// A question to all that is not answered by enough yet.
struct Search {
    answer: oneshot::Sender<Caught>,
    learnt: Vec<Handover>,
    /// Those who know nothing newer, and how far they are.
    nothing_newer: BTreeMap<PublicKey, u64>,
}

impl<E, S, B> Actor<E, S, B>
where
    E: Runtime,
    S: Sender<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey>,
{
    async fn run<R: Receiver<PublicKey = PublicKey>>(
        mut self,
        mut receiver: R,
        mut asked: mpsc::Receiver<(Duration, oneshot::Sender<Caught>)>,
    ) {
        let never = || Box::pin(std::future::pending()) as futures::future::BoxFuture<'static, ()>;
        let (mut patience, mut retry) = (never(), never());
        loop {
            tokio::select! {
                biased;
                message = receiver.recv() => match message {
                    Ok((from, bytes)) => self.received(from, bytes.as_ref()),
                    Err(_) => return,
                },
                Some((time, answer)) = asked.recv() => {
                    self.search = Some(Search { answer, learnt: Vec::new(), nothing_newer: BTreeMap::new() });
                    patience = Box::pin(self.context.sleep(time));
                    retry = Box::pin(std::future::ready(()));
                }
                () = &mut patience => {
                    patience = never();
                    self.found(None);
                }
                () = &mut retry => {
                    retry = never();
                    if self.search.is_some() {
                        self.ask();
                        retry = Box::pin(self.context.sleep(RETRY));
                    }
                }
            }
        }
    }

    fn ask(&mut self) {
        let question = Message::Question { version: self.sets.version() };
        let _ = self.sender.send(Recipients::All, encode(&question), false);
    }

    fn received(&mut self, from: PublicKey, bytes: &[u8]) {
        match decode::<Message>(bytes, MAX_MESSAGE_BYTES) {
            Err(_) => {
                block!(self.blocker, from, "a message about handovers that cannot be read");
            }
            Ok(Message::Question { version }) => {
                let handovers = Bounded::new(self.sets.handovers(version, MAX_HANDOVERS)).expect("within the limit");
                let answer = Message::Answer { handovers, height: self.head.borrow().height };
                let _ = self.sender.send(Recipients::One(from), encode(&answer), false);
            }
            Ok(Message::Answer { handovers, height }) => self.answered(from, &handovers, height),
        }
    }

    fn answered(&mut self, from: PublicKey, handovers: &[Handover], height: u64) {
        let Some(search) = &mut self.search else { return };
        let before = self.sets.until();
        for handover in handovers {
            match self.sets.learn(handover) {
                Ok(true) => search.learnt.push(handover.clone()),
                Ok(false) => {}
                Err(reason) => {
                    block!(self.blocker, from, %reason, "a handover that does not verify");
                    return;
                }
            }
        }
        if self.sets.until() != before {
            // Whoever answered before may know what follows.
            search.nothing_newer.clear();
            self.ask();
            return;
        }
        let newest = self.sets.newest();
        if newest.position(&from).is_some() {
            search.nothing_newer.insert(from, height);
        }
        let faulty = N3f1::max_faults(newest.len());
        if search.nothing_newer.len() > faulty as usize {
            let height = search.nothing_newer.values().max().copied();
            self.found(height);
        }
    }

    fn found(&mut self, height: Option<u64>) {
        if let Some(search) = self.search.take() {
            // A node that stops no longer waits.
            let _ = search.answer.send(Caught { learnt: search.learnt, height });
        }
    }
}
