//! The whole consortium in one deterministic run: the same engine, a simulated network, disk and clock.
//!
//! A failure prints its seed. Hashing and verification run on a real thread pool, whose timing is not part of the seed: a
//! repeated run takes the same events at the same simulated times, but may interleave tasks differently.

use crate::{
    block::Block,
    clock::Clock,
    engine::{self, CHANNELS, Network, QUOTA, Running, max_message_bytes},
    node::STACK_BYTES,
    pace::Pace,
    pool::{Candidate, PoolLimits},
    reader::{Reader, Request},
};
use commonware_consensus::{
    marshal::{Identifier, core::Mailbox as MarshalMailbox, standard::Standard},
    simplex::scheme::ed25519::Scheme,
    types::{Epoch, Height, Round, View},
};
use commonware_cryptography::{Digestible as _, Signer as _, ed25519};
use commonware_glue::simulate::{
    action::{Action as Event, Crash, Schedule},
    engine::{EngineDefinition, InitContext},
    exit::ProcessedHeightAtLeast,
    plan::PlanBuilder,
    processed::ProcessedHeight,
    property::Property,
    tracker::{FinalizationUpdate, ProgressTracker},
};
use commonware_p2p::simulated::Link;
use commonware_runtime::{Clock as _, Handle as TaskHandle, Quota, Spawner as _, Strategizer as _, Supervisor as _};
use commonware_utils::{NZUsize, ordered::Set, probability};
use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::{oneshot, watch};
use utilidor_types::{
    AccountId, Action, Bounded, Genesis, Money, NodeAddress, PrivateKey, PublicKey, Role, Roles, SignedTransaction,
    Text, Timestamp, Transaction, Validator,
    block::Header,
    council::Threshold,
    encode,
    genesis::{ChainKind, GenesisMember, Limits},
    validator::ENDLESS_EPOCH,
};

const MEMBERS: u8 = 4;
/// Time between two transactions of the simulated client.
const CLIENT_PAUSE: Duration = Duration::from_millis(70);
const SEEDS: [u64; 2] = [11, 12];

/// A consortium to simulate.
#[derive(Clone)]
struct Consortium {
    genesis: Arc<Genesis>,
    /// Whether a member that joins late synchronises its state.
    synchronise: bool,
    /// The last height that each member has told to be final, in all its lives.
    told: Arc<[AtomicU64; MEMBERS as usize]>,
}

/// One member, as the properties see it. Holds no database, so that a crashed member's can be opened again.
#[derive(Clone)]
struct Member {
    head: watch::Receiver<Header>,
    marshal: MarshalMailbox<Scheme, Standard<Block>>,
}

fn key(index: u8) -> ed25519::PrivateKey {
    ed25519::PrivateKey::from_seed(u64::from(index))
}

fn client() -> PrivateKey {
    PrivateKey::ed25519([77; 32])
}

impl Consortium {
    fn new(synchronise: bool) -> Self {
        let public = |index| PublicKey::Ed25519(key(index).public_key().as_ref().try_into().unwrap());
        let issuer =
            GenesisMember { account: AccountId::of(&client().public_key()), roles: Roles::of(&[Role::Issuer]) };
        let member =
            |index| GenesisMember { account: AccountId::of(&public(index)), roles: Roles::of(&[Role::Validator]) };
        let validator = |index| Validator {
            key: public(index),
            member: member(index).member(),
            address: Some(NodeAddress::from(std::net::SocketAddr::from(([127, 0, 0, 1], 4_700 + index as u16)))),
        };
        let genesis = Genesis {
            kind: ChainKind::Production,
            time: Timestamp(0),
            validators: Bounded::new((0..MEMBERS).map(validator).collect()).unwrap(),
            epoch_length: ENDLESS_EPOCH,
            threshold: Threshold::TWO_THIRDS,
            members: Bounded::new(std::iter::once(issuer).chain((0..MEMBERS).map(member)).collect()).unwrap(),
            limits: Limits::DEFAULT,
        };
        Self { genesis: Arc::new(genesis), synchronise, told: Arc::default() }
    }

    fn transaction(&self, nonce: u64) -> Vec<u8> {
        let signer = client().public_key();
        let to = AccountId::of(&signer);
        let action = Action::Issue { to, amount: Money(1_000), reference: Text::new("simulated").unwrap() };
        let chain = self.genesis.chain();
        encode(&Transaction { chain, signer, nonce, expires: 50_000, action }.sign(&client()))
    }
}

impl ProcessedHeight for Member {
    async fn processed_height(&self) -> u64 {
        self.head.borrow().height
    }
}

impl EngineDefinition for Consortium {
    type PublicKey = ed25519::PublicKey;
    type Engine = TaskHandle<()>;
    type State = Member;

    fn participants(&self) -> Vec<ed25519::PublicKey> {
        (0..MEMBERS).map(|index| key(index).public_key()).collect()
    }

    fn channels(&self) -> Vec<(u64, Quota)> {
        (0..CHANNELS).map(|channel| (channel, QUOTA)).collect()
    }

    fn max_message_size(&self) -> u32 {
        max_message_bytes(u32::from(MEMBERS))
    }

    async fn init(&self, simulated: InitContext<'_, ed25519::PublicKey>) -> (TaskHandle<()>, Member) {
        let InitContext { context, index, delayed, public_key, oracle, channels, monitor, .. } = simulated;
        let mut channels = channels.into_iter();
        let mut channel = || channels.next().unwrap();
        let network = Network {
            votes: channel(),
            certificates: channel(),
            resolver: channel(),
            backfill: channel(),
            broadcast: channel(),
            synchronisation: channel(),
            probe: channel(),
            peers: oracle.manager(),
            blocker: oracle.control(public_key.clone()),
        };
        // A crash ends this task, and with it all that was started in its context; nothing of the member is left to go on.
        let (consortium, public_key) = (self.clone(), public_key.clone());
        let (sender, started) = oneshot::channel();
        let life = context.spawn(move |context| async move {
            let running = engine::start(
                context.child("engine"),
                network,
                engine::Config {
                    genesis: consortium.genesis.clone(),
                    validators: Set::try_from(consortium.participants()).unwrap(),
                    key: key(u8::try_from(index).unwrap()),
                    clock: Arc::new(Clock::new(None)),
                    pace: Pace {
                        idle: Some(Duration::from_millis(300)),
                        gather: Duration::from_millis(5),
                        patience: Duration::from_secs(2),
                    },
                    pool: PoolLimits::default(),
                    synchronise: consortium.synchronise && delayed,
                    strategy: context.strategy(NZUsize!(1)),
                    partition: format!("member-{index}"),
                },
            )
            .await;

            // What was told to be final is there again, and its state as well, before anybody is answered.
            let told = consortium.told[index].load(Ordering::Relaxed);
            assert!(running.head.borrow().height >= told, "a final block is lost");
            assert!(running.applied.borrow().height >= told, "the state lacks a final block");

            let mut head = running.head.clone();
            let members = consortium.told.clone();
            context.child("monitor").spawn(move |_| async move {
                while head.changed().await.is_ok() {
                    let header = head.borrow_and_update().clone();
                    members[index].fetch_max(header.height, Ordering::Relaxed);
                    let round = Round::new(Epoch::new(header.round.epoch), View::new(header.round.view));
                    let update = FinalizationUpdate {
                        pk: public_key.clone(),
                        round,
                        height: Height::new(header.height),
                        block_digest: header.digest().0.to_vec(),
                    };
                    if monitor.send(update).is_err() {
                        return;
                    }
                }
            });
            // The client sends every transaction to every member.
            let (pool, verifier) = (running.pool.clone(), running.verifier.clone());
            let reader = Reader::start(context.child("reading"), &running);
            let mut tip = running.head.clone();
            let account = AccountId::of(&client().public_key());
            context.child("client").spawn(move |context| async move {
                tip.wait_for(|tip| tip.height > 0).await.unwrap();
                for nonce in 0.. {
                    let verified =
                        verifier.verify_submitted(vec![consortium.transaction(nonce)]).await.remove(0).unwrap();
                    let candidate = Candidate { transaction: verified.0, bytes: verified.1 };
                    let (answer, answered) = oneshot::channel();
                    reader.send(Request::Standings(vec![account], answer)).await.unwrap();
                    let standing = answered.await.unwrap().unwrap().remove(0);
                    // A member that comes back may know the nonce already: then it is too old.
                    let _ = pool.insert(vec![(candidate, standing)], tip.borrow().height + 1);
                    context.sleep(CLIENT_PAUSE).await;
                }
            });
            let Running { head, marshal, consensus, .. } = running;
            // The harness waits for it, or is gone.
            let _ = sender.send(Member { head, marshal });
            let _ = consensus.await;
        });
        (life, started.await.unwrap())
    }

    fn start(engine: TaskHandle<()>) -> TaskHandle<()> {
        engine
    }
}

/// All members hold the same block at every height up to `height`, and the client's transactions are in them once, in order.
#[derive(Clone)]
struct OneHistory {
    height: u64,
    from: u64,
}

impl Property<ed25519::PublicKey, Member> for OneHistory {
    fn name(&self) -> &str {
        "one_history"
    }

    fn check<'a>(
        &'a self,
        _: &'a ProgressTracker<ed25519::PublicKey>,
        members: &'a [&'a Member],
    ) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>> {
        Box::pin(async move {
            let mut nonces = Vec::new();
            for height in self.from..=self.height {
                let mut agreed = None;
                for (place, member) in members.iter().enumerate() {
                    let identifier = Identifier::Height(Height::new(height));
                    let Some(block) = member.marshal.get_block(identifier).await else {
                        return Err(format!("a member lacks block {height}"));
                    };
                    let digest = block.digest();
                    if *agreed.get_or_insert(digest) != digest {
                        return Err(format!("members disagree about block {height}"));
                    }
                    if place == 0 {
                        let bodies = block.inner().transactions().iter();
                        let signed = bodies.map(|body| SignedTransaction::decode(&body.bytes).unwrap());
                        nonces.extend(signed.map(|signed| signed.transaction.nonce));
                    }
                }
            }
            if nonces.is_empty() {
                return Err("no transaction entered a block".into());
            }
            if nonces.windows(2).any(|pair| pair[1] != pair[0] + 1) {
                return Err(format!("the client's transactions are not there once and in order: {nonces:?}"));
            }
            Ok(())
        })
    }
}

fn plan(consortium: Consortium, height: u64) -> PlanBuilder<Consortium> {
    PlanBuilder::new(consortium)
        .timeout(Duration::from_secs(600))
        .exit_condition(ProcessedHeightAtLeast::new(height))
        .property(OneHistory { height, from: 1 })
}

/// Runs a plan with each seed, on a thread with the stack that a node has.
fn run(plan: impl Fn() -> PlanBuilder<Consortium> + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
    let running = thread.spawn(move || SEEDS.into_iter().for_each(|seed| drop(plan().seeds([seed]).run().unwrap())));
    let running = running.unwrap();
    if let Err(panic) = running.join() {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn members_agree_while_they_crash_at_random() {
    let crash = Crash::Random { frequency: Duration::from_secs(3), downtime: Duration::from_secs(2), count: 1 };
    run(move || plan(Consortium::new(false), 300).crash(crash.clone()));
}

#[test]
fn members_agree_after_a_partition_has_healed() {
    let members = Consortium::new(false).participants();
    let link =
        |success_rate| Link { latency: Duration::from_millis(10), jitter: Duration::from_millis(5), success_rate };
    // Two and two: neither side has a quorum.
    let mut schedule = Schedule::new();
    for (from, to) in [(0, 2), (0, 3), (1, 2), (1, 3)] {
        for (from, to) in [(from, to), (to, from)] {
            let cut = Event::UpdateLink {
                from: members[from].clone(),
                to: members[to].clone(),
                link: link(probability!(0.0)),
            };
            schedule = schedule.at(Duration::from_secs(1), cut);
        }
    }
    let schedule = schedule.at(Duration::from_secs(15), Event::Heal(link(probability!(1.0))));
    run(move || plan(Consortium::new(false), 100).crash(Crash::Schedule(schedule.clone())));
}

#[test]
fn members_agree_over_a_lossy_network() {
    let link = Link {
        latency: Duration::from_millis(100),
        jitter: Duration::from_millis(80),
        success_rate: probability!(0.8),
    };
    run(move || plan(Consortium::new(false), 20).link(link.clone()));
}

fn late() -> Crash<ed25519::PublicKey> {
    Crash::DelayRound { participants: vec![key(0).public_key()], round: Round::new(Epoch::zero(), View::new(20)) }
}

#[test]
fn a_member_that_joins_late_executes_every_block() {
    run(|| plan(Consortium::new(false), 40).crash(late()));
}

#[test]
fn a_member_that_joins_late_can_synchronise_its_state() {
    run(|| {
        let plan = PlanBuilder::new(Consortium::new(true)).timeout(Duration::from_secs(600));
        plan.crash(late()).exit_condition(ProcessedHeightAtLeast::new(40)).property(OneHistory { height: 40, from: 38 })
    });
}
