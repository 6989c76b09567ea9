//! One run of consensus an epoch, over sets of validators that change.
//!
//! ```text
//! final block -> is it the epoch's last? -> learn the next set -> enter the next epoch: vote in it, or follow it
//! ```
//!
//! *boundary* an epoch's last block. *voting* this node's key is in the epoch's set, and it may vote: it runs the engine's
//! consensus. *following* otherwise: it takes the certificates that the others send, checks them, and lets marshal fetch the
//! blocks. A member whose vote guard is lost follows first, until whatever it may have voted on before is behind.
//!
//! Who is in another epoch than a peer shows by the channel that its messages use. Of a later one: this node asks that peer for
//! the boundary. Of an earlier one: it sends that peer the boundary's certificate, because those who left a set may be the only
//! ones that have it.
//!
//! A boundary may be final here before its certificate is: a power loss can spare the one and not the other. The epoch goes on
//! until the certificate is there as well: consensus has it in its journal, peers tell it, or it is made again.

use crate::{
    block::Block,
    clock::CLOCK_ERROR,
    engine::{Runtime, Timeouts, VIEW_RETENTION},
    feed,
    guard::Guard,
    latest,
    pace::MAX_DRIFT_MS,
    recent::Recent,
    scheme::Scheme,
    sets::{Kept, Sets},
    store::BUFFER_BYTES,
    witness::{Proofs, Witness},
};
use commonware_actor::{
    Feedback,
    mailbox::{self, Policy},
};
use commonware_codec::Encode as _;
use commonware_consensus::{
    CertifiableAutomaton, Epochable as _, Heightable as _, Relay, Reporter,
    marshal::{Identifier, Update, core::Mailbox as MarshalMailbox, standard::Standard},
    simplex::{
        self, Floor, Plan,
        config::{ForwardPolicy, SkipPolicy},
        elector::RoundRobin,
        types::{Activity, Certificate, Context, Finalization},
    },
    types::{Epoch, Epocher as _, FixedEpocher, Height, Round, View, ViewDelta},
};
use commonware_cryptography::{
    Digested, Digestible as _, Sha256, certificate::Scheme as _, ed25519::PublicKey, sha256,
};
use commonware_p2p::{
    Blocker, Receiver, Recipients, Sender,
    utils::mux::{Builder as _, GlobalSender, MuxHandle, Muxer, SubReceiver, SubSender},
};
use commonware_parallel::Rayon;
use commonware_runtime::{Handle, buffer::paged::CacheRef};
use commonware_utils::{
    Acknowledgement as _, NZDuration, NZUsize, acknowledgement::Exact, ordered::Quorum as _, vec::NonEmptyVec,
};
use futures::future::OptionFuture;
use std::{
    collections::VecDeque,
    num::NonZeroUsize,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tracing::{debug, error, info, warn};
use utilidor_types::{Roster, Timestamp, handover::Handover};

/// How far two members' clocks can be apart: each may differ from a third one, with which both are connected, by as much as
/// connections allow.
const CLOCK_ERROR_MS: u64 = 2 * CLOCK_ERROR.as_millis() as u64;
/// Time between two answers to a peer that is in an earlier epoch.
const ANSWER_PAUSE: Duration = Duration::from_secs(1);
/// Peers whose last answer is remembered.
const MAX_ANSWERED: usize = 256;

/// How often is looked, and peers are asked, for a boundary's certificate that is missing.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// What this node does in the present epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It votes.
    Votes,
    /// It follows: its key is not in the epoch's set of validators, or it is a follower.
    Follows,
    /// It is in the set, but its vote guard was lost: it follows until a final block is later than this time.
    Waits {
        /// Until when.
        until: Timestamp,
    },
}

/// Where a node stands in consensus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsensusStatus {
    /// The present epoch.
    pub epoch: u64,
    /// Its last block's height.
    pub boundary: u64,
    /// Who signs it.
    pub validators: Roster,
    /// What this node does in it.
    pub part: Part,
}

/// Connects with those who take part in an epoch.
pub(crate) trait Connections: Send + 'static {
    /// The validators of `epoch` are these; `others` are those of the epochs next to it.
    fn enter(&mut self, epoch: Epoch, validators: &Roster, others: &[Roster]);
}

/// A final block, and who waits until it is dealt with.
pub(crate) struct Message(Digested<Block>, Exact);

impl Policy for Message {
    type Overflow = VecDeque<Self>;

    fn handle(overflow: &mut VecDeque<Self>, message: Self) {
        // Marshal waits for acknowledgements, so there are never more than it lets wait.
        overflow.push_back(message);
    }
}

/// Takes final blocks.
#[derive(Clone)]
pub(crate) struct Mailbox(mailbox::Sender<Message>);

impl Reporter for Mailbox {
    type Activity = Update<Block>;

    fn report(&mut self, update: Update<Block>) -> Feedback {
        match update {
            Update::Block(block, acknowledgement) => self.0.enqueue(Message(block, acknowledgement)),
            Update::Tip(..) => Feedback::Ok,
        }
    }
}

pub(crate) type Inbox = mailbox::Receiver<Message>;

pub(crate) fn mailbox<E: Runtime>(context: &E) -> (Mailbox, Inbox) {
    let (sender, receiver) = mailbox::new(context.child("epochs_mailbox"), NZUsize!(64));
    (Mailbox(sender), receiver)
}

pub(crate) type Marshal = MarshalMailbox<Scheme, Standard<Block>>;
pub(crate) type Final = Finalization<Scheme, sha256::Digest>;

/// What the actor works with.
pub(crate) struct Config<E: Runtime, A, B> {
    /// Builds and judges blocks, spreads them, and takes what consensus reports.
    pub application: A,
    pub blocker: B,
    pub marshal: Marshal,
    pub sets: Sets,
    pub kept: Kept<E>,
    pub connections: Box<dyn Connections>,
    pub epocher: FixedEpocher,
    pub genesis: sha256::Digest,
    pub strategy: Rayon,
    pub page_cache: CacheRef,
    pub partition: String,
    pub timeouts: Timeouts,
    pub mailbox_size: NonZeroUsize,
    /// Where this node's state was synchronised to, if it was in this life.
    pub floor: Option<Final>,
    pub guard: Option<Arc<Guard>>,
    /// Whether the operators let it vote although its guard is lost.
    pub without_guard: bool,
    pub status: latest::Sender<Option<ConsensusStatus>>,
    pub proofs: Proofs,
}

/// The run of an epoch.
struct Active {
    epoch: Epoch,
    handle: Handle<()>,
}

impl Drop for Active {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

struct Channels<S: Sender> {
    votes: MuxHandle<S>,
    certificates: MuxHandle<S>,
    resolver: MuxHandle<S>,
}

type SubEnds<S> = (SubSender<S>, SubReceiver<PublicKey>);

struct Epochs<E: Runtime, S: Sender, A, B> {
    context: E,
    config: Config<E, A, B>,
    channels: Channels<S>,
    anywhere: GlobalSender<S>,
    /// A member without its guard follows until a final block is later.
    follow_until: Option<Timestamp>,
    answered: Recent<[u8; 32], SystemTime>,
    entered: Option<Epoch>,
    /// The boundary whose certificate was asked for last.
    asked: Option<Height>,
}

/// Runs until consensus ends.
pub(crate) async fn run<E, S, R, A, B>(
    context: E,
    config: Config<E, A, B>,
    mut inbox: Inbox,
    votes: (S, R),
    certificates: (S, R),
    resolver: (S, R),
) where
    E: Runtime,
    S: Sender<PublicKey = PublicKey>,
    R: Receiver<PublicKey = PublicKey>,
    A: CertifiableAutomaton<Context = Context<sha256::Digest, PublicKey>, Digest = sha256::Digest>
        + Relay<Digest = sha256::Digest, PublicKey = PublicKey, Plan = Plan<PublicKey>>
        + Reporter<Activity = Activity<Scheme, sha256::Digest>>
        + Clone,
    B: Blocker<PublicKey = PublicKey> + Clone + Sync,
{
    let (mux, votes, mut late_votes) = Muxer::builder(context.child("votes"), votes.0, votes.1).with_backup().build();
    mux.start();
    let (mux, certificates, mut late_certificates, anywhere) =
        Muxer::builder(context.child("certificates"), certificates.0, certificates.1)
            .with_backup()
            .with_global_sender()
            .build();
    mux.start();
    let (mux, resolver) = Muxer::new(context.child("resolver"), resolver.0, resolver.1);
    mux.start();
    let channels = Channels { votes, certificates, resolver };
    let answered = Recent::new(MAX_ANSWERED);
    let mut epochs =
        Epochs { context, config, channels, anywhere, follow_until: None, answered, entered: None, asked: None };
    epochs.mind_the_guard().await;
    let (epoch, genesis) = epochs.first().await;
    let Some(mut active) = epochs.enter(epoch, genesis).await else { return };
    let mut next: Option<Message> = None;
    loop {
        if let Some(Message(block, acknowledgement)) = next.take() {
            if epochs.lacks_certificate(active.epoch, block.height()).await {
                next = Some(Message(block, acknowledgement));
            } else {
                let Some(entered) = epochs.finalized(active, &block).await else { return };
                active = entered;
                acknowledgement.acknowledge();
            }
        }
        let again = OptionFuture::from(next.as_ref().map(|_| epochs.context.sleep(ASK_AGAIN)));
        // The order of arms is the order in which they are looked at, so that a run of the simulation can be repeated.
        tokio::select! {
            biased;
            message = inbox.recv(), if next.is_none() => {
                let Some(message) = message else { return };
                next = Some(message);
            }
            Some((epoch, (from, _))) = late_votes.recv() => epochs.elsewhere(active.epoch, epoch, from).await,
            Some((epoch, (from, _))) = late_certificates.recv() => epochs.elsewhere(active.epoch, epoch, from).await,
            ended = &mut active.handle => {
                if let Err(reason) = ended {
                    error!(epoch = %active.epoch, %reason, "consensus has ended");
                }
                return;
            }
            Some(()) = again => {}
        }
    }
}

impl<E, S, A, B> Epochs<E, S, A, B>
where
    E: Runtime,
    S: Sender<PublicKey = PublicKey>,
    A: CertifiableAutomaton<Context = Context<sha256::Digest, PublicKey>, Digest = sha256::Digest>
        + Relay<Digest = sha256::Digest, PublicKey = PublicKey, Plan = Plan<PublicKey>>
        + Reporter<Activity = Activity<Scheme, sha256::Digest>>
        + Clone,
    B: Blocker<PublicKey = PublicKey> + Clone + Sync,
{
    /// Decides what a member does whose guard is lost.
    async fn mind_the_guard(&mut self) {
        let Some(guard) = self.config.guard.clone().filter(|guard| guard.lost()) else { return };
        if self.config.without_guard {
            warn!("this member votes although its vote guard is lost, because its operator says so");
            guard.renew(self.last_final().await.map_or(Round::zero(), |(_, last)| last.round()));
            return;
        }
        let now = self.context.current().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        let until = Timestamp(now.saturating_add(MAX_DRIFT_MS + CLOCK_ERROR_MS));
        warn!(
            ?until,
            "this member's vote guard is lost: it follows until a final block is later, and votes from then on"
        );
        self.follow_until = Some(until);
    }

    /// The first epoch to enter: the one after what was dealt with before the restart; and the block that it begins on.
    async fn first(&mut self) -> (Epoch, Option<sha256::Digest>) {
        let processed = self.config.marshal.get_processed().await.map(|processed| processed.height().next());
        let recovered = processed.and_then(|next| self.config.epocher.containing(next)).map(|info| info.epoch());
        let synchronised = self.config.floor.as_ref().map(|floor| floor.epoch());
        let epoch = recovered.max(synchronised).unwrap_or_else(Epoch::zero);
        let before = epoch.previous().and_then(|epoch| self.config.epocher.last(epoch));
        let genesis = match before {
            None => Some(self.config.genesis),
            Some(boundary) => {
                let block = self.config.marshal.get_block(Identifier::Height(boundary)).await;
                block.map(|block| block.digest())
            }
        };
        (epoch, genesis)
    }

    /// The last block that has a certificate of its own.
    async fn last_final(&mut self) -> Option<(Height, Final)> {
        let (height, _) = self.config.marshal.get_info(Identifier::Latest).await?;
        let stored = self.config.marshal.get_finalization(height).await.map(|last| (height, last));
        stored.or_else(|| self.config.floor.clone().map(|floor| (height, floor)))
    }

    /// Enters an epoch, which begins on the block `genesis`. None if the node is stopping.
    async fn enter(&mut self, epoch: Epoch, genesis: Option<sha256::Digest>) -> Option<Active> {
        let scheme = self.config.sets.scheme_at(epoch).expect("an epoch is entered once its set is known");
        let boundary = self.config.epocher.last(epoch).expect("the chain ends before its last height");
        self.connect(epoch);
        let last = self.last_final().await;
        let over = last.as_ref().is_some_and(|(height, _)| *height >= boundary);
        let last = last.map(|(_, last)| last).filter(|last| last.epoch() == epoch);
        let alone = scheme.participants().len() == 1;
        let signs = scheme.me().is_some_and(|me| me.signer().is_some());
        if alone && signs && self.follow_until.take().is_some() {
            // Nobody else could have signed anything, and nobody is there to wait for.
            let last = last.as_ref().map_or(Round::new(epoch, View::zero()), |last| last.round());
            if let Some(guard) = &self.config.guard {
                guard.renew(last);
            }
        }
        let floor = last.map(Floor::Finalized).or_else(|| genesis.map(Floor::Genesis));
        // A last block that is final already only has to be handed over, and who does not know on what an epoch begins cannot
        // vote in it.
        let floor = floor.filter(|_| !over);
        let part = match (self.follow_until, &floor) {
            _ if !signs => Part::Follows,
            (Some(until), _) => Part::Waits { until },
            (None, None) => Part::Follows,
            (None, Some(_)) => Part::Votes,
        };
        let votes = self.channels.votes.register(epoch.get()).await.ok()?;
        let certificates = self.channels.certificates.register(epoch.get()).await.ok()?;
        let resolver = self.channels.resolver.register(epoch.get()).await.ok()?;
        info!(%epoch, ?part, "entered an epoch");
        self.config.status.send_replace(Some(ConsensusStatus {
            epoch: epoch.get(),
            boundary: boundary.get(),
            validators: self.config.sets.at(epoch).expect("an epoch is entered once its set is known"),
            part,
        }));
        let context = self.context.child("epoch").with_attribute("epoch", epoch);
        let handle = match floor {
            Some(floor) if part == Part::Votes => {
                self.consensus(context, epoch, &scheme, floor, (votes, certificates, resolver))
            }
            _ => {
                let feed = feed::Feed {
                    epoch,
                    scheme,
                    marshal: self.config.marshal.clone(),
                    blocker: self.config.blocker.clone(),
                    strategy: self.config.strategy.clone(),
                };
                context.spawn(move |context| feed.run(context, certificates, (votes, resolver)))
            }
        };
        Some(Active { epoch, handle })
    }

    /// Starts the engine's consensus for an epoch.
    fn consensus(
        &self,
        context: E,
        epoch: Epoch,
        scheme: &Scheme,
        floor: Floor<Scheme, sha256::Digest>,
        (votes, certificates, resolver): (SubEnds<S>, SubEnds<S>, SubEnds<S>),
    ) -> Handle<()> {
        let config = &self.config;
        let alone = scheme.participants().len() == 1;
        let Timeouts { leader, certification, skip } = config.timeouts;
        simplex::Engine::new(
            context,
            simplex::Config {
                scheme: scheme.clone(),
                elector: RoundRobin::<Sha256>::default(),
                blocker: config.blocker.clone(),
                automaton: config.application.clone(),
                relay: config.application.clone(),
                reporter: Witness {
                    inner: config.application.clone(),
                    scheme: scheme.clone(),
                    proofs: config.proofs.clone(),
                },
                strategy: config.strategy.clone(),
                partition: partition(&config.partition, epoch),
                mailbox_size: config.mailbox_size,
                epoch,
                floor,
                replay_buffer: BUFFER_BYTES,
                write_buffer: BUFFER_BYTES,
                page_cache: config.page_cache.clone(),
                leader_timeout: leader,
                certification_timeout: certification,
                timeout_retry: Duration::from_secs(1),
                view_retention: ViewDelta::new(VIEW_RETENTION),
                skip: if alone {
                    SkipPolicy::Disabled
                } else {
                    SkipPolicy::Enabled { timeout: skip, budget: simplex::SkipBudget::Participants }
                },
                fetch_timeout: NZDuration!(Duration::from_secs(2)),
                fetch_retry_delay: Duration::from_secs(1),
                forward: if alone { ForwardPolicy::Disabled } else { ForwardPolicy::SilentVoters },
                // Else two votes that contradict each other are no evidence once their view is decided. What is kept is bounded by the
                // views that are.
                track_historical_votes: !alone,
            },
        )
        .start(votes, certificates, resolver)
    }

    /// Connects with an epoch's validators, once.
    fn connect(&mut self, epoch: Epoch) {
        if self.entered.replace(epoch) == Some(epoch) {
            return;
        }
        let sets = &self.config.sets;
        let present = sets.at(epoch).expect("an epoch is entered once its set is known");
        let others: Vec<Roster> =
            [epoch.previous(), Some(sets.until())].into_iter().flatten().filter_map(|epoch| sets.at(epoch)).collect();
        self.config.connections.enter(epoch, &present, &others);
    }

    /// Whether a block is the last of an epoch and its certificate is not here. If so, the others are asked for it.
    async fn lacks_certificate(&mut self, epoch: Epoch, height: Height) -> bool {
        if self.config.epocher.last(epoch) != Some(height)
            || self.config.marshal.get_finalization(height).await.is_some()
        {
            return false;
        }
        let sets = &self.config.sets;
        let scheme = sets.scheme_at(epoch).expect("an epoch is entered once its set is known");
        let me = scheme.me().and_then(|me| scheme.participants().key(me.index()));
        let others: Vec<_> = scheme.participants().iter().filter(|member| Some(*member) != me).cloned().collect();
        if self.asked.replace(height) != Some(height) {
            warn!(%epoch, %height, "the certificate of an epoch's last block is missing: the other members are asked for it");
        }
        if let Ok(others) = NonEmptyVec::try_from(others) {
            self.config.marshal.hint_finalized(height, others);
        }
        true
    }

    /// Deals with a final block: gives the run of the epoch that is to go on. None if the node is stopping.
    async fn finalized(&mut self, mut active: Active, block: &Digested<Block>) -> Option<Active> {
        let (epoch, height) = (active.epoch, block.height());
        let boundary = self.config.epocher.last(epoch).expect("the chain ends before its last height");
        assert!(height <= boundary, "a final block skips the last of epoch {epoch}");
        let header = block.inner().header();
        let round = Round::new(Epoch::new(header.round.epoch), View::new(header.round.view));
        self.config.guard.iter().for_each(|guard| guard.finalized(round));
        if height == boundary {
            self.hand_over(block).await;
            drop(active);
            let next = self.enter(epoch.next(), Some(block.digest())).await;
            // Stragglers of the epoch that is over are answered with its last block: its votes are not needed any more.
            if let Some(old) = epoch.previous() {
                let _ = self.context.remove(&partition(&self.config.partition, old), None).await;
            }
            return next;
        }
        let waited = self.follow_until.is_some_and(|until| header.time > until);
        if waited && let Some(finalization) = self.config.marshal.get_finalization(height).await {
            // Nobody honest has voted for a block of that time before this node started: what it may have voted on then is
            // at or below this block's view.
            let renewed = self.config.guard.as_ref().is_none_or(|guard| guard.renew(finalization.round()));
            if renewed {
                info!(%height, "whatever this member may have voted on is behind: it votes again");
                self.follow_until = None;
                active.handle.abort();
                let _ = (&mut active.handle).await;
                return self.enter(epoch, None).await;
            }
        }
        Some(active)
    }

    /// Learns who signs the next epoch from the last block of the present one.
    async fn hand_over(&mut self, block: &Digested<Block>) {
        let (height, block) = (block.height(), block.inner());
        let finalization = self.config.marshal.get_finalization(height).await;
        let finalization = finalization.expect("the last block of an epoch has a certificate of its own");
        let handover = handover(block, &finalization, &self.config.sets);
        let learnt = self.config.sets.learn(&handover).expect("a final block hands over to a set that can sign");
        if learnt {
            self.config.kept.put(&handover).await;
        }
    }

    /// Deals with a peer that is in another epoch.
    async fn elsewhere(&mut self, ours: Epoch, theirs: u64, from: PublicKey) {
        let theirs = Epoch::new(theirs);
        if theirs > ours {
            let boundary = self.config.epocher.last(ours).expect("the chain ends before its last height");
            debug!(%theirs, %ours, "behind: asking for the last block of the epoch");
            self.config.marshal.hint_finalized(boundary, NonEmptyVec::new(from));
            return;
        }
        let now = self.context.current();
        let peer: [u8; 32] = from.as_ref().try_into().expect("an ed25519 public key has 32 bytes");
        let lately = |at: &SystemTime| now.duration_since(*at).is_ok_and(|passed| passed < ANSWER_PAUSE);
        if self.answered.get(&peer).is_some_and(lately) {
            return;
        }
        self.answered.note(peer, now);
        let Some(boundary) = self.config.epocher.last(theirs) else { return };
        if let Some(finalization) = self.config.marshal.get_finalization(boundary).await {
            let certificate = Certificate::<Scheme, sha256::Digest>::Finalization(finalization).encode();
            self.anywhere.send(theirs.get(), Recipients::One(from), certificate, true);
        }
    }
}

/// Where the votes of an epoch are kept.
fn partition(prefix: &str, epoch: Epoch) -> String {
    format!("{prefix}-consensus-{epoch}")
}

/// The handover that an epoch's last block makes with its certificate.
pub(crate) fn handover(block: &Block, finalization: &Final, sets: &Sets) -> Handover {
    let header = block.header().clone();
    let set = block.next_validators().cloned();
    let set = set.or_else(|| sets.at(Epoch::new(header.round.epoch)));
    let set = set.expect("the set of a final block's epoch is known");
    Handover { header, finalization: finalization.encode().to_vec(), set }
}
