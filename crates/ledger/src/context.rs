//! What every rule works with: the state, the block's time, and who asks.

use crate::due::DueNotes;
use crate::execution::BlockContext;
use crate::store::{Ruled, Stop, Store};
use std::collections::VecDeque;
use utilidor_types::council::Threshold;
use utilidor_types::genesis::Limits;
use utilidor_types::time::DAY_MS;
use utilidor_types::validator::Epochs;
use utilidor_types::{AccountId, AgreementId, CertificationEntry, ChainId, Event, Genesis, MemberId, Timestamp};

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller {
    pub account: AccountId,
    pub member: MemberId,
}

/// What a block brings besides its transactions, and what the chain allows its members.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context {
    pub block: BlockContext,
    pub limits: Limits,
    pub threshold: Threshold,
    pub epochs: Epochs,
}

impl Context {
    pub const fn of(block: BlockContext, genesis: &Genesis) -> Self {
        Self { block, limits: genesis.limits, threshold: genesis.threshold, epochs: genesis.epochs() }
    }
}

/// What rules work on.
pub(crate) struct Ledger<'a> {
    pub store: &'a mut Store,
    pub chain: ChainId,
    pub now: Timestamp,
    pub limits: Limits,
    pub threshold: Threshold,
    pub epochs: Epochs,
    pub block: BlockContext,
    /// Consequences of the present transaction or due item.
    pub events: Vec<Event>,
    /// New entries of the certification log.
    pub certified: &'a mut Vec<CertificationEntry>,
    /// Whether a program is at work. What agreements are told meanwhile waits until it is done.
    pub is_running: bool,
    /// What agreements are still to be told, in order.
    pub to_tell: VecDeque<(AgreementId, utilidor_program::Event)>,
    /// What the unit has changed about who is due when.
    pub calendar: DueNotes,
    /// Whether the unit has waited so long that it waits no more for what programs miss that are told something.
    pub is_late: bool,
    /// Fuel that parties' programs have used in the unit.
    pub burnt: u64,
    /// How long the first of the unit's events are together, and how many.
    pub told_bytes: (usize, u64),
}

impl<'a> Ledger<'a> {
    pub fn new(store: &'a mut Store, certified: &'a mut Vec<CertificationEntry>, context: &Context) -> Self {
        Self {
            store,
            chain: context.block.chain,
            now: context.block.time,
            limits: context.limits,
            threshold: context.threshold,
            epochs: context.epochs,
            block: context.block,
            events: Vec::new(),
            certified,
            is_running: false,
            to_tell: VecDeque::new(),
            calendar: DueNotes::default(),
            is_late: false,
            burnt: 0,
            told_bytes: (0, 0),
        }
    }

    /// Does something for each item of a list. Once something is missing for one, what the others miss is asked for too, so
    /// that passes do not grow with the list; what is refused then is seen when all is there.
    pub fn each<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut act: impl FnMut(&mut Self, T) -> Ruled<()>,
    ) -> Ruled<()> {
        let mut is_missing = false;
        for item in items {
            match act(self, item) {
                Err(Stop::Unfetched) => is_missing = true,
                Err(_) if is_missing => {}
                done => done?,
            }
        }
        if is_missing { Err(Stop::Unfetched) } else { Ok(()) }
    }

    /// The UTC day that it is, counted from 1970.
    pub const fn today(&self) -> u32 {
        // A block's time lies within the calendar.
        (self.now.0 / DAY_MS) as u32
    }
}
