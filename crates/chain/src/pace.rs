//! When a block is built, and when a vote waits.
//!
//! Stands between consensus and the ledger's application. A leader builds as soon as there is something to do: a
//! transaction to try, due work left over, or a time the operator asked for. Otherwise it waits: on a production chain for the
//! idle interval, so that contracts find their time; on a development chain for as long as nothing happens, and the view is
//! given up without a block. The wait is here and not in the application, because finality waits for a build.
//!
//! A voter holds back while a proposal's time is ahead of its own clock by more than the drift, or lags far behind it. It
//! never refuses for that: clocks differ from member to member, so a clock can only delay.

use crate::{
    block::{Block, BlockContext},
    clock::Clock,
    pool::Pool,
};
use commonware_consensus::{Application, marshal::ancestry::Ancestry, simplex::scheme::ed25519::Scheme};
use commonware_cryptography::Digested;
use commonware_runtime::Clock as RuntimeClock;
use std::{future::pending, sync::Arc, time::Duration};

/// How far a proposal's time may be ahead of a voter's clock, in milliseconds.
pub const MAX_DRIFT_MS: u64 = 1_000;

/// How far a proposal's time may lag behind a voter's clock, in milliseconds, before the voter lets its view pass.
pub const MAX_LAG_MS: u64 = 30_000;

/// How long a voter waits for its clock to reach a proposal's time: longer than any view lasts.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// Pacing of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// How long a leader without work waits before it builds an empty block; `None`: it builds none.
    pub idle: Option<Duration>,
    /// How long a leader that has waited gathers transactions after the first.
    pub gather: Duration,
    /// How long a voter holds back on a proposal whose time lags.
    pub patience: Duration,
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
    /// Returns once a block on `parent` is worth building.
    async fn wait<E: RuntimeClock>(&self, runtime: &E, parent: &Block) {
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
        match self.pace.idle {
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

    /// Returns once this member may vote on `block`, as far as its clock is concerned.
    async fn hold_back<E: RuntimeClock>(&self, runtime: &E, block: &Block) {
        if matches!(*self.clock, Clock::Development(_)) {
            return;
        }
        let now = self.clock.now(runtime).0;
        let time = block.header().time.0;
        if time > now.saturating_add(MAX_DRIFT_MS) {
            let wait = Duration::from_millis(time - now - MAX_DRIFT_MS);
            if wait > MAX_WAIT {
                pending::<()>().await;
            }
            runtime.sleep(wait).await;
        } else if time.saturating_add(MAX_LAG_MS) < now {
            runtime.sleep(self.pace.patience).await;
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
        let parent = ancestry.clone().next().await?;
        self.wait(&context.0, parent.inner()).await;
        self.inner.propose(context, ancestry, ()).await
    }

    async fn verify(&mut self, context: (E, BlockContext), ancestry: impl Ancestry<Block>) -> bool {
        use futures::StreamExt as _;
        if let Some(block) = ancestry.clone().next().await {
            self.hold_back(&context.0, block.inner()).await;
        }
        self.inner.verify(context, ancestry).await
    }
}
