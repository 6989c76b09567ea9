//! When a block is built, and when a vote waits.
//!
//! Stands between consensus and the ledger's application. A leader builds as soon as there is something to do: a
//! transaction to try, due work left over, or a time the operator asked for. Otherwise it waits: on a production chain for the
//! idle interval, so that contracts find their time, and twice as long after each block in which nothing happened, up to a
//! longest pause; on a development chain for as long as nothing happens, and the view is given up without a block. The wait is here and not in the application, because finality waits for a build.
//!
//! A voter holds back while a proposal's time is ahead of its own clock by more than the drift, and for longer than any view lasts if
//! it lags far behind; not for ever, for a proposal that others have certified keeps its view from being given up, and the chain
//! would stand. It never refuses for that: clocks differ from member to member, so a clock can only delay. So a wrong
//! clock makes its member's turns pass, and gates and deadlines keep the others' time. Where a quorum needs a member whose clock is
//! behind, its views fail, since it holds back for longer than they last: then leaders step back from their own clocks
//! (`Clock::stepping_back`), within what voters let pass. On a development chain it holds back while a
//! proposal's time is neither the next millisecond nor within what the operator asked for, as far as it has heard.

use crate::{
    block::{Block, BlockContext},
    clock::Clock,
    pool::Pool,
    scheme::Scheme,
};
use commonware_consensus::{Application, marshal::ancestry::Ancestry};
use commonware_cryptography::Digested;
use commonware_runtime::Clock as RuntimeClock;
use futures::future::Either;
use std::{sync::Arc, time::Duration};
use utilidor_types::{Header, Timestamp};

/// How far a proposal's time may be ahead of a voter's clock, in milliseconds.
pub const MAX_DRIFT_MS: u64 = 1_000;

/// How far a proposal's time may lag behind a voter's clock, in milliseconds, before the voter lets its view pass.
pub const MAX_LAG_MS: u64 = 30_000;

/// How long the first leader of an epoch waits, so that the others have entered it as well: what they are sent before is lost.
const ENTERING: Duration = Duration::from_millis(100);

/// How long a leader looks for the block before its parent, which is at hand unless the node has just synchronised.
const GLANCE: Duration = Duration::from_millis(20);

/// How long a voter holds a proposal back that lags too far: longer than any view lasts.
const LATE_WAIT: Duration = Duration::from_secs(60);

/// How often a voter looks whether its clock has reached a proposal's time, at least: a clock can be set.
const LOOK: Duration = Duration::from_secs(5);

/// Pacing of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// How long a leader without work waits before it builds an empty block; `None`: it builds none.
    pub idle: Option<Duration>,
    /// How long a leader that has waited gathers transactions after the first.
    pub gather: Duration,
    /// Most that this becomes while nothing happens.
    pub longest_pause: Duration,
}

/// An application that is asked at the right time.
#[derive(Clone)]
pub(crate) struct Paced<A> {
    pub inner: A,
    pub clock: Arc<Clock>,
    pub pool: Arc<Pool>,
    pub pace: Pace,
}

impl<A> Paced<A> {
    /// How long a leader waits for something to do. `before` is the block before the parent, if there is one.
    fn pause(&self, parent: &Header, before: Option<&Header>) -> Option<Duration> {
        let idle = self.pace.idle?;
        let quiet = parent.transaction_count == 0 && parent.receipt_count == 0;
        let last = before.filter(|_| quiet).map_or(0, |before| parent.time.0.saturating_sub(before.time.0));
        Some(Duration::from_millis(last.saturating_mul(2)).clamp(idle, self.pace.longest_pause.max(idle)))
    }

    /// Returns once a block on `parent` is worth building.
    async fn wait<E: RuntimeClock>(&self, runtime: &E, parent: &Block, before: Option<&Header>) {
        use commonware_cryptography::Digestible as _;
        let header = parent.header();
        if self.clock.wants_block_after(header.time, header.next_due) {
            return;
        }
        let worth_building = async {
            // What came while the parent was built has been gathered already.
            let mut gather = Duration::ZERO;
            loop {
                let changed = self.pool.changed.notified();
                futures::pin_mut!(changed);
                changed.as_mut().enable();
                if self.clock.wants_block_after(header.time, header.next_due) {
                    return;
                }
                if self.pool.has_ready(&parent.digest(), header.height + 1) {
                    break;
                }
                changed.await;
                gather = self.pace.gather;
            }
            if !gather.is_zero() {
                runtime.sleep(gather).await;
            }
        };
        match self.pause(header, before) {
            None => worth_building.await,
            Some(idle) => {
                let due = header.next_due.map(|due| due.0.saturating_sub(self.clock.now(runtime).0));
                let idle = due.map_or(idle, |due| idle.min(Duration::from_millis(due)));
                let idle = runtime.sleep(idle);
                futures::pin_mut!(idle, worth_building);
                futures::future::select(worth_building, idle).await;
            }
        }
    }

    /// Returns once this member may vote on `block`, as far as its clock is concerned. `parent` tells the time of the block before
    /// it.
    async fn hold_back<E: RuntimeClock>(
        &self,
        runtime: &E,
        block: &Block,
        parent: impl Future<Output = Option<Timestamp>>,
    ) {
        let time = block.header().time.0;
        let now = || self.clock.now(runtime).0;
        if matches!(*self.clock, Clock::Development(_)) {
            let asked_for = time <= now() || parent.await.is_some_and(|parent| time <= parent.0.saturating_add(1));
            if !asked_for {
                self.clock.moved_to(Timestamp(time)).await;
            }
            return;
        }
        if time.saturating_add(MAX_LAG_MS) < now() {
            return runtime.sleep(LATE_WAIT).await;
        }
        let ahead = || time.saturating_sub(now().saturating_add(MAX_DRIFT_MS));
        while ahead() > 0 {
            runtime.sleep(Duration::from_millis(ahead()).min(LOOK)).await;
        }
    }
}

impl<E, A> Application<E> for Paced<A>
where
    E: RuntimeClock,
    A: Application<E, SigningScheme = Scheme, Context = BlockContext, Block = Block, Input = ()> + Sync,
{
    type SigningScheme = Scheme;
    type Context = BlockContext;
    type Block = Block;
    type Input = ();

    async fn propose(
        &mut self,
        context: (E, BlockContext),
        ancestry: impl Ancestry<Block>,
        (): (),
    ) -> Option<Digested<Block>> {
        use futures::StreamExt as _;
        let mut blocks = ancestry.clone();
        let parent = blocks.next().await?;
        let height = parent.inner().header().height;
        let before = async { if height > 0 { blocks.next().await } else { None } };
        let (before, patience) = (before, context.0.sleep(GLANCE));
        futures::pin_mut!(before, patience);
        let before = match futures::future::select(before, patience).await {
            Either::Left((before, _)) => before,
            Either::Right(_) => None,
        };
        if context.1.parent.0.is_zero() && height > 0 {
            context.0.sleep(ENTERING).await;
        }
        self.wait(&context.0, parent.inner(), before.as_ref().map(|before| before.inner().header())).await;
        self.inner.propose(context, ancestry, ()).await
    }

    async fn verify(&mut self, context: (E, BlockContext), ancestry: impl Ancestry<Block>) -> bool {
        use futures::StreamExt as _;
        let mut blocks = ancestry.clone();
        if let Some(block) = blocks.next().await {
            let parent = async { blocks.next().await.map(|parent| parent.inner().header().time) };
            self.hold_back(&context.0, block.inner(), parent).await;
        }
        self.inner.verify(context, ancestry).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{block::merkle_root, pool::PoolLimits};
    use commonware_cryptography::{Signer as _, ed25519};
    use commonware_runtime::{Runner as _, deterministic};
    use std::future::pending;
    use utilidor_types::{
        ChainId, Digest,
        block::{Log, Round},
        handover::SetId,
    };

    fn block(time: u64, receipts: u32, due: Option<u64>) -> Block {
        let log = Log { root: Digest([1; 32]), start: 0, end: 2 };
        let set = SetId { version: 0, digest: Digest([2; 32]) };
        let empty = merkle_root(std::iter::empty());
        let header = Header {
            version: Header::VERSION,
            chain: ChainId([3; 16]),
            height: 5,
            time: Timestamp(time),
            parent: Digest([4; 32]),
            proposer: ed25519::PrivateKey::from_seed(5).public_key().as_ref().try_into().unwrap(),
            round: Round { epoch: 0, view: 5, parent_view: 4 },
            validators: set,
            next_validators: set,
            transaction_count: 0,
            receipt_count: receipts,
            transactions_root: empty,
            receipts_root: empty,
            state_root: Digest([6; 32]),
            state_operations: log,
            certification: log,
            receipts: log,
            next_due: due.map(Timestamp),
        };
        Block::new(header, Vec::new(), None)
    }

    fn paced() -> Paced<()> {
        let pace = Pace {
            idle: Some(Duration::from_secs(1)),
            longest_pause: Duration::from_secs(5),
            gather: Duration::from_millis(2),
        };
        let pool = Arc::new(Pool::new(PoolLimits::default()));
        Paced { inner: (), clock: Arc::new(Clock::new(None)), pool, pace }
    }

    /// How long a leader waits on a parent at 100 s, in milliseconds.
    fn waits(before: u64, receipts: u32, due: Option<u64>) -> u64 {
        deterministic::Runner::default().start(|context| async move {
            context.sleep(Duration::from_secs(100)).await;
            let (parent, before) = (block(100_000, receipts, due), block(before, 0, None));
            let begin = context.current();
            paced().wait(&context, &parent, Some(before.header())).await;
            u64::try_from(context.current().duration_since(begin).unwrap().as_millis()).unwrap()
        })
    }

    #[test]
    fn a_leader_waits_longer_the_longer_nothing_has_happened_and_never_past_what_is_due() {
        assert_eq!(waits(99_900, 0, None), 1_000, "the shortest pause");
        assert_eq!(waits(98_000, 0, None), 4_000, "twice the last one");
        assert_eq!(waits(80_000, 0, None), 5_000, "the longest pause");
        assert_eq!(waits(80_000, 1, None), 1_000, "something happened in the parent");
        assert_eq!(waits(80_000, 0, Some(100_700)), 700, "work is due");
        assert_eq!(waits(80_000, 0, Some(99_000)), 0, "work was carried over");
    }

    /// How long a voter at 100 s holds back, in milliseconds; none: until its view is over, after half a minute.
    fn holds_back(time: u64) -> Option<u64> {
        holds_back_within(time, 30)
    }

    fn holds_back_within(time: u64, seconds: u64) -> Option<u64> {
        deterministic::Runner::default().start(|context| async move {
            context.sleep(Duration::from_secs(100)).await;
            let (proposal, begin, paced) = (block(time, 0, None), context.current(), paced());
            let voter = paced.hold_back(&context, &proposal, pending());
            let over = context.sleep(Duration::from_secs(seconds));
            futures::pin_mut!(voter, over);
            match futures::future::select(voter, over).await {
                Either::Left(_) => u64::try_from(context.current().duration_since(begin).unwrap().as_millis()).ok(),
                Either::Right(_) => None,
            }
        })
    }

    #[test]
    fn a_voter_bounds_a_proposals_time_by_its_own_clock_on_both_sides() {
        assert_eq!(holds_back(100_000), Some(0));
        assert_eq!(holds_back(100_000 + MAX_DRIFT_MS), Some(0));
        assert_eq!(holds_back(103_500), Some(2_500), "until its own clock is near enough");
        assert_eq!(holds_back(100_000 + 3_600_000), None, "an hour ahead");
        assert_eq!(holds_back(100_000 - MAX_LAG_MS), Some(0));
        assert_eq!(holds_back(100_000 - MAX_LAG_MS - 1), None, "held back too long");
        let late = holds_back_within(100_000 - MAX_LAG_MS - 1, 61);
        assert_eq!(late, Some(60_000), "others may have certified it, and wait for this vote");
    }

    /// Whether a voter of a development chain at 1 s, whose operator asked for 9 s, votes on a proposal at once, and once it hears
    /// that the operator has asked for 60 s.
    fn votes(time: u64, parent: u64) -> (bool, bool) {
        deterministic::Runner::default().start(|context| async move {
            let paced = Paced { clock: Arc::new(Clock::new(Some(Timestamp(1_000)))), ..paced() };
            paced.clock.advance(Timestamp(9_000)).unwrap();
            let proposal = block(time, 0, None);
            let voter = paced.hold_back(&context, &proposal, async { Some(Timestamp(parent)) });
            futures::pin_mut!(voter);
            if futures::poll!(&mut voter).is_ready() {
                return (true, true);
            }
            paced.clock.advance(Timestamp(60_000)).unwrap();
            (false, futures::poll!(&mut voter).is_ready())
        })
    }

    #[test]
    fn no_single_member_moves_a_development_chains_time() {
        assert_eq!(votes(9_000, 1_000), (true, true), "the operator asked for it");
        assert_eq!(votes(5_000, 1_000), (true, true), "the operator asked for more");
        assert_eq!(votes(9_001, 9_000), (true, true), "the next millisecond");
        assert_eq!(votes(9_002, 9_000), (false, true), "until it hears of the wish");
        assert_eq!(votes(60_001, 9_000), (false, false), "nobody asked for it");
    }
}
