//! The members' clients: they ask for whatever the ledger offers, fit or unfit, as the hostile play of the ledger's own tests
//! chooses it. They see one chain, whichever node tells of it: every final block is executed anew in memory, must leave the
//! same receipts, and conserves money.

use super::coverage::{Coverage, Kind};
use super::scenario::Draw;
use super::*;
use commonware_codec::Encode as _;
use commonware_parallel::Sequential;
use play::{ACCOUNTS, Play};
use rand::{SeedableRng as _, rngs::StdRng};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Mutex,
};
use utilidor_ledger::{
    memory::Memory,
    record::{AccountRecord, Totals},
};
use utilidor_types::{MotionId, block::FinalBlock, transaction::verify_batch};

#[path = "../../../ledger/tests/hostile/play.rs"]
mod play;

/// Time between two transactions of a node's clients.
const PAUSE: Duration = Duration::from_millis(120);
/// And while a cut lasts that is to last long.
const LONG_PAUSE: Duration = Duration::from_secs(60);
/// Blocks within which a transaction must enter one, or is given up.
const LIFETIME: u64 = 20;
/// Bytes by which an action is chosen.
const CHOICE_BYTES: usize = 160;

/// All clients of all nodes. Clones share everything.
#[derive(Clone)]
pub struct Clients(Arc<Mutex<Inner>>);

struct Inner {
    genesis: Arc<Genesis>,
    play: Play,
    draw: Draw,
    /// What each account asks for first.
    first: BTreeMap<usize, VecDeque<Action>>,
    /// The transaction that an account waits for, its nonce, and the last height at which it may enter a block.
    waiting: BTreeMap<usize, (Vec<u8>, u64, u64)>,
    votes: BTreeSet<(usize, MotionId)>,
    nodes: u8,
    /// Of final blocks.
    digests: Vec<utilidor_types::Digest>,
    with_transactions: u64,
    transactions: u64,
    elapsed: Duration,
    /// From when to when clients ask seldom.
    rests: Vec<(Duration, Duration)>,
}

/// What a run came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub blocks: u64,
    pub with_transactions: u64,
    pub transactions: u64,
    pub elapsed: Duration,
    /// How long it took at most, after a cut that had lasted, until a new block was final, and until all held one.
    pub went_on: Duration,
    pub caught_up: Duration,
}

/// The chain that the clients play on: their accounts, and those of the nodes' members, which sit in the council with them.
pub fn genesis(members: u8, nodes: u8) -> Genesis {
    let played = play::genesis();
    let all = played.members.iter().cloned().chain((0..nodes).map(member));
    Genesis {
        kind: ChainKind::Production,
        time: Timestamp(0),
        validators: Bounded::new((0..members).map(validator).collect()).unwrap(),
        epoch_length: ENDLESS_EPOCH,
        members: Bounded::new(all.collect()).unwrap(),
        ..played
    }
}

/// The key of an account: one of those that play, or of a node's member.
fn key_of(who: usize) -> PrivateKey {
    if who < ACCOUNTS {
        return play::key(who);
    }
    let secret = key(u8::try_from(who - ACCOUNTS).unwrap()).encode();
    PrivateKey::ed25519(secret.as_ref().try_into().unwrap())
}

impl Clients {
    pub fn new(genesis: Arc<Genesis>, nodes: u8, draw: Draw) -> Self {
        let mut play = Play::on(Memory::new((*genesis).clone()));
        let mut first: BTreeMap<usize, VecDeque<Action>> = BTreeMap::new();
        for (who, action) in play.beginning().into_iter().flatten() {
            first.entry(who).or_default().push_back(action);
        }
        Self(Arc::new(Mutex::new(Inner {
            genesis,
            play,
            draw,
            first,
            waiting: BTreeMap::new(),
            votes: BTreeSet::new(),
            nodes,
            digests: Vec::new(),
            with_transactions: 0,
            transactions: 0,
            elapsed: Duration::ZERO,
            rests: Vec::new(),
        })))
    }

    /// The clients of one node, for as long as it lives.
    pub async fn run(self, node: usize, context: Node<deterministic::Context>, handle: Handle) {
        if handle.reached(1).await.is_err() {
            return;
        }
        loop {
            self.follow(&handle).await;
            let transaction = self.0.lock().unwrap().next(node);
            let _ = handle.submit(transaction.into_iter().collect()).await;
            let pause = self.0.lock().unwrap().pause(context.elapsed());
            context.sleep(pause).await;
            self.0.lock().unwrap().elapsed = context.elapsed();
        }
    }

    /// Clients ask seldom from one time to another.
    pub fn rest(&self, (from, to): (Duration, Duration)) {
        self.0.lock().unwrap().rests.push((from, to));
    }

    /// Executes the blocks that a node holds to be final, as far as none was executed yet.
    pub async fn follow(&self, handle: &Handle) {
        loop {
            let height = self.0.lock().unwrap().play.memory.height() + 1;
            if handle.head().height < height {
                return;
            }
            let Ok(Some(block)) = handle.finalized(height).await else { return };
            self.0.lock().unwrap().take(&block);
        }
    }

    /// The digest of the final block at a height.
    pub fn digest(&self, height: u64) -> Option<utilidor_types::Digest> {
        self.0.lock().unwrap().digests.get(usize::try_from(height).unwrap() - 1).copied()
    }

    /// How long the run has lasted.
    pub fn elapsed(&self) -> Duration {
        self.0.lock().unwrap().elapsed
    }

    /// What was done, counted.
    pub fn tally(&self, coverage: &Coverage) -> Tally {
        let inner = self.0.lock().unwrap();
        for (name, count) in &inner.play.coverage {
            coverage.add(Kind::Ledger, name, *count);
        }
        Tally {
            blocks: inner.play.memory.height(),
            with_transactions: inner.with_transactions,
            transactions: inner.transactions,
            elapsed: inner.elapsed,
            ..Tally::default()
        }
    }
}

impl Inner {
    /// How long a client waits after what it has asked for.
    fn pause(&self, now: Duration) -> Duration {
        let rests = self.rests.iter().any(|(from, to)| (*from..*to).contains(&now));
        if rests { LONG_PAUSE } else { PAUSE }
    }

    /// Executes the next block. One that was executed already changes nothing.
    fn take(&mut self, block: &FinalBlock) {
        let header = &block.header;
        if header.height != self.play.memory.height() + 1 {
            return;
        }
        let names: Vec<&str> =
            block.transactions.iter().map(|carried| carried.signed.transaction.action.name()).collect();
        let signed: Vec<_> = block.transactions.iter().map(|carried| (*carried.signed).clone()).collect();
        let mut rng = StdRng::seed_from_u64(1);
        let verified = verify_batch(self.genesis.chain(), signed, &mut rng, &Sequential);
        let verified = verified.into_iter().collect::<Result<Vec<_>, _>>().expect("a final transaction verifies");
        self.play.memory.set_proposer(AccountKey::Ed25519(header.proposer));
        let outcome = self.play.memory.execute(header.time, verified);
        let height = header.height;
        assert!(outcome.inadmissible.is_empty(), "block {height} holds what may not stand in it");
        assert_eq!(outcome.receipts, block.receipts, "block {height} executed anew leaves other receipts");
        assert_eq!(outcome.next_due, header.next_due, "block {height} executed anew leaves other work");
        self.play.note(&names, &block.receipts);
        self.check_money(height);
        self.digests.push(header.digest());
        self.transactions += names.len() as u64;
        self.with_transactions += u64::from(!names.is_empty());
    }

    fn check_money(&self, height: u64) {
        let memory = &self.play.memory;
        let totals: Totals = memory.read(&()).expect("the first block wrote the totals");
        // All that can have an account: who plays, who was admitted or opened another, the nodes' members.
        let keys = (0..40).map(play::key).chain((0..usize::from(self.nodes)).map(|node| key_of(ACCOUNTS + node)));
        let accounts = keys.filter_map(|key| memory.read::<AccountRecord>(&AccountId::of(&key.public_key())));
        let sum: u64 = accounts.map(|account| account.free.0 + account.reserved.0).sum();
        assert_eq!(sum, totals.issued.0 - totals.redeemed.0, "money is conserved in block {height}");
    }

    /// What the clients of a node submit next: something new, or what waits already.
    fn next(&mut self, node: usize) -> Option<Vec<u8>> {
        let height = self.play.memory.height();
        let (who, action) = self.choose(node);
        let account = AccountId::of(&key_of(who).public_key());
        let nonce = self.play.memory.read::<AccountRecord>(&account)?.nonce;
        if let Some((bytes, waits, expires)) = self.waiting.get(&who)
            && *waits == nonce
            && *expires > height
        {
            return Some(bytes.clone());
        }
        let action = self.first.get_mut(&who).and_then(VecDeque::pop_front).unwrap_or(action);
        if let Action::VoteOnMotion { motion, .. } = &action {
            self.votes.insert((who, *motion));
        }
        let (key, expires) = (key_of(who), height + LIFETIME);
        let transaction = Transaction { chain: self.genesis.chain(), signer: key.public_key(), nonce, expires, action };
        let bytes = encode(&transaction.sign(&key));
        self.waiting.insert(who, (bytes.clone(), nonce, expires));
        Some(bytes)
    }

    /// Who acts, and what it asks for. The member of the node votes for what was moved, or somebody plays.
    fn choose(&mut self, node: usize) -> (usize, Action) {
        let voter = ACCOUNTS + node;
        let open = self.play.motions.iter().find(|(motion, _)| !self.votes.contains(&(voter, **motion)));
        if let Some((motion, digest)) = open
            && self.draw.one_in(3)
        {
            return (voter, Action::VoteOnMotion { motion: *motion, digest: *digest, in_favour: true });
        }
        let bytes: Vec<u8> = (0..CHOICE_BYTES).map(|_| self.draw.byte()).collect();
        self.play.next(&bytes)
    }
}
