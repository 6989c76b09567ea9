//! A node's lives: it starts, runs, is ended by its machine, and starts again.

use super::wire::Votes;
use super::*;
use commonware_runtime::{Blob as _, ReadOptions, Storage as _, WriteOptions};

/// What a node keeps besides its data, in all its lives.
#[derive(Default)]
pub struct Place {
    pub machine: Arc<Machine>,
    pub guard: InMemory,
    /// What it has voted.
    pub votes: Arc<Votes>,
    pub lives: AtomicU64,
    /// The life in which it has started, counted from one.
    pub started: AtomicU64,
    /// The last height that it has told to be final.
    pub told: AtomicU64,
}

impl Place {
    /// Whether the node is up: not ended by its machine, nor on its way back.
    pub fn is_up(&self) -> bool {
        !self.machine.has_ended() && self.started.load(Ordering::Relaxed) == self.lives.load(Ordering::Relaxed)
    }
}

/// What a node finds when it starts again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Loss {
    /// All that it wrote.
    #[default]
    Nothing,
    /// No data, but its vote guard.
    Data,
    /// Its data, but no vote guard.
    Guard,
    /// Neither.
    Everything,
}

/// A node in one of its lives.
#[derive(Clone)]
pub struct Now {
    pub head: latest::Receiver<Header>,
    pub marshal: MarshalMailbox<Scheme, Standard<Block>>,
    pub status: latest::Receiver<Option<ConsensusStatus>>,
    pub handle: Handle,
}

type Ends = (simulated::Sender<PublicKey, deterministic::Context>, simulated::Receiver<PublicKey>);

/// What lives on while a node's machine ends it and starts it again.
pub struct Life {
    pub consortium: Consortium,
    pub index: usize,
    pub delayed: bool,
    pub oracle: Oracle<PublicKey, deterministic::Context>,
    pub monitor: mpsc::UnboundedSender<FinalizationUpdate<PublicKey>>,
    pub started: latest::Sender<Option<Now>>,
}

impl Life {
    /// Runs the node, again and again if its machine ends it.
    pub async fn supervise(self, context: deterministic::Context, mut channels: Vec<Ends>) {
        let machine = self.consortium.places[self.index].machine.clone();
        let node = Arc::new(self);
        loop {
            let ended = machine.ended.notified();
            futures::pin_mut!(ended);
            ended.as_mut().enable();
            let (life, ends) = (node.clone(), std::mem::take(&mut channels));
            let number = node.consortium.places[node.index].lives.load(Ordering::Relaxed);
            let mut running = context
                .child("life")
                .with_attribute("life", number)
                .spawn(move |context| async move { life.live(context, ends).await });
            tokio::select! {
                biased;
                _ = &mut running => return,
                () = &mut ended => {}
            }
            running.abort();
            let _ = running.await;
            node.consortium.coverage.note(Kind::Fault, "machine ended at a storage operation");
            context.sleep(Duration::from_millis(500)).await;
            let control = node.oracle.control(key(u8::try_from(node.index).unwrap()).public_key());
            for channel in 0..engine::CHANNELS {
                channels.push(control.register(channel, QUOTA).await.unwrap());
            }
        }
    }

    /// One life.
    async fn live(&self, context: deterministic::Context, channels: Vec<Ends>) {
        let Self { consortium, index, delayed, oracle, monitor, started } = self;
        let (index, place) = (*index, &consortium.places[*index]);
        let me = key(u8::try_from(index).unwrap()).public_key();
        let conduct = consortium.conduct[index].clone();
        if let Some(rot) = consortium.rot[index].filter(|_| place.lives.load(Ordering::Relaxed) > 0) {
            rot.set_in(&context, &format!("member-{index}-0-consensus-"), place, &consortium.coverage).await;
        }
        let _slow = consortium.slow[index].map(|by| {
            consortium.coverage.note(Kind::Fault, "slow disk");
            place.machine.slow_down(context.child("disk"), by)
        });
        let mut channels = channels.into_iter().zip(wire::CHANNELS);
        let mut channel = || {
            let ((inner, receiver), channel) = channels.next().unwrap();
            let (conduct, votes, machine) = (conduct.clone(), place.votes.clone(), place.machine.clone());
            (Wire { inner, channel, conduct, votes, machine }, receiver)
        };
        let network = Network {
            votes: channel(),
            certificates: channel(),
            resolver: channel(),
            backfill: channel(),
            broadcast: channel(),
            synchronisation: channel(),
            probe: channel(),
            handovers: channel(),
            peers: oracle.manager(),
            blocker: oracle.control(me.clone()),
        };
        let transactions = channel();
        let (past_sender, received_past) = channel();
        let everybody = Set::from_iter_dedup(consortium.participants());
        let connections = SimulatedConnections { manager: oracle.manager(), everybody };
        place.machine.revive();
        place.machine.set_skew(EPOCH_MS + consortium.skew[index]);
        let strategy = context.strategy(NZUsize!(1));
        let context = Node { inner: context, machine: place.machine.clone() };
        let life = place.lives.fetch_add(1, Ordering::Relaxed);
        consortium.note_start(index, life, *delayed);
        let config = consortium.engine(index, life, Box::new(connections), strategy, *delayed);
        let clock = config.clock.clone();
        let running = engine::start(context.child("engine"), network, config).await;

        // What was told to be final is there again, and its state as well, before anybody is answered.
        let told = place.told.load(Ordering::Relaxed);
        assert!(running.head.borrow().height >= told, "a final block is lost");
        assert!(running.applied.borrow().height >= told, "the state lacks a final block");

        let (places, public_key, monitor) = (consortium.places.clone(), me.clone(), monitor.clone());
        let (mut head, heads) = (running.head.clone(), consortium.heads.clone());
        let honest = !consortium.hostile.contains(&u8::try_from(index).unwrap());
        context.child("monitor").spawn(move |context| async move {
            while head.changed().await.is_ok() {
                let header = head.borrow_and_update().clone();
                places[index].told.fetch_max(header.height, Ordering::Relaxed);
                if honest {
                    heads.tell(context.elapsed(), index, &header);
                }
                let update = FinalizationUpdate {
                    pk: public_key.clone(),
                    round: Round::new(Epoch::new(header.round.epoch), View::new(header.round.view)),
                    height: Height::new(header.height),
                    block_digest: header.digest().0.to_vec(),
                };
                if monitor.send(update).is_err() {
                    return;
                }
            }
        });
        let (asking, asked) = history::queue();
        let reader = Reader::start(context.child("reading"), &running, asking);
        let past = History {
            context: context.child("past"),
            sets: running.sets.clone(),
            me: me.clone(),
            reader: reader.clone(),
            blocker: oracle.control(me.clone()),
            sender: past_sender,
        };
        past.start(received_past, asked);
        let (queue, submitted) = relay::queue();
        let handle = Handle::new(consortium.genesis.clone(), Path::new("."), clock, &running, reader, queue);
        let relay = Relay {
            context: context.child("relay"),
            handle: handle.clone(),
            me: me.clone(),
            status: running.status.clone(),
            blocker: oracle.control(me),
        };
        relay.start(transactions, submitted);
        if let Some(clients) = &consortium.clients {
            let (handle, clients) = (handle.clone(), clients.clone());
            context.child("client").spawn(move |context| clients.run(index, context, handle));
        } else if !consortium.client_at_last || index + 1 == usize::from(consortium.nodes) {
            // The client sends every transaction to every node, or all to the last one.
            let (handle, consortium) = (handle.clone(), consortium.clone());
            context.child("client").spawn(move |context| async move {
                let account = AccountId::of(&client().public_key());
                let _ = handle.reached(1).await;
                let mut nonce = 0;
                loop {
                    // A node that comes back has lost its pool: its client goes on where the chain stands.
                    let standing = handle.standings(&[account]).await.unwrap_or_default();
                    nonce = standing.into_iter().flatten().map(|standing| standing.nonce).fold(nonce, u64::max);
                    let _ = handle.submit(vec![consortium.transaction(nonce)]).await;
                    nonce += 1;
                    context.sleep(CLIENT_PAUSE).await;
                }
            });
        }
        let Running { head, marshal, consensus, status, .. } = running;
        place.started.store(life + 1, Ordering::Relaxed);
        started.send_replace(Some(Now { head, marshal, status, handle }));
        let _ = consensus.await;
    }
}

/// The peers of a simulated network: those who sign, and everybody else. All nodes share them, so the first to enter an epoch
/// changes them for all.
pub struct SimulatedConnections {
    manager: Manager<PublicKey, deterministic::Context>,
    everybody: Set<PublicKey>,
}

impl Connections for SimulatedConnections {
    fn enter(&mut self, epoch: Epoch, validators: &Roster, _: &[Roster]) {
        if epoch.get() > 0 {
            let peers = TrackedPeers::new(keys(validators).unwrap(), self.everybody.clone());
            let _ = self.manager.track(epoch.get(), peers);
        }
    }
}

/// What a disk does to a journal of votes while its node is down, and to one copy of the vote guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rot {
    /// A bit has changed, at this place of a thousand.
    Flip(u64),
    /// Some bytes were written to another place.
    Misdirected(u64),
}

impl Rot {
    async fn set_in(self, context: &deterministic::Context, journal: &str, place: &Place, coverage: &Coverage) {
        let (Self::Flip(at) | Self::Misdirected(at)) = self;
        let name = match self {
            Self::Flip(_) => "bit flipped in the journal of votes",
            Self::Misdirected(_) => "misdirected write in the journal of votes",
        };
        // The journal of the newest epoch.
        for epoch in (0..100).rev() {
            let partition = format!("{journal}{epoch}");
            let Some(file) = context.scan(&partition).await.ok().and_then(|mut files| files.pop()) else { continue };
            let (blob, len) = context.open(&partition, &file).await.unwrap();
            if len < 64 {
                continue;
            }
            let at = (len - 32) * (at % 1_000) / 1_000;
            let read = blob.read_at(at, 16, ReadOptions::default()).await.unwrap();
            let mut bytes = read.coalesce().as_ref().to_vec();
            let to = match self {
                Self::Flip(_) => {
                    bytes[0] ^= 1;
                    at
                }
                Self::Misdirected(_) => at + 16,
            };
            blob.write_at(to, bytes, WriteOptions::default()).await.unwrap();
            blob.sync().await.unwrap();
            coverage.note(Kind::Fault, name);
            break;
        }
        if let Some(bytes) = &mut place.guard.0.lock().unwrap()[usize::from(at % 2 == 0)] {
            let at = usize::try_from(at).unwrap() % bytes.len();
            bytes[at] ^= 1;
            coverage.note(Kind::Fault, "bit flipped in the vote guard");
        }
    }
}
