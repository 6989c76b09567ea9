//! What every rule works with: the state, the block's time, and who asks.

use crate::execution::BlockContext;
use crate::store::Store;
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
        }
    }

    /// The UTC day that it is, counted from 1970.
    pub const fn today(&self) -> u32 {
        // A block's time lies within the calendar.
        (self.now.0 / DAY_MS) as u32
    }
}
