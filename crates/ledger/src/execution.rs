//! Executing a block: genesis (in the first block), due work, then the transactions in order, then the
//! invariants. The same code proposes, verifies and replays.
//!
//! *unit* a due item or a transaction. *pass* goes through the block from the first unit that is not finished. What finishes
//! stays finished; a unit that misses a record waits for the next pass, and those behind it are only looked at ahead, to
//! find out what they will miss. A pass begins when all cells that the one before asked for are there. So passes are a
//! measure of the block, not of the machine: they are bounded, and a block whose transactions need more breaks a rule.
//! A proposer leaves the rest out.
//!
//! That a block which was cut off needs the same passes as it did before, when more stood behind it, is what
//! [`crate::store`] sees to; and that the transactions left out in between leave no trace, by admitting all of them before
//! the first is run.

use crate::context::{Caller, Context, Ledger};
use crate::due::{DuePlan, DueSecond};
use crate::invariant;
use crate::program::RETRY_MS;
use crate::record::{AccountRecord, MemberRecord, Totals};
use crate::store::{Change, Place, Ruled, Stop, Store};
use crate::work::{MAX_BLOCK_WORK, MAX_DUE_WORK, Work};
use utilidor_types::transaction::MAX_EXPIRY_BLOCKS;
use utilidor_types::{
    AccountId, Action, Bounded, Cause, Cell, Certificate, CertificateId, CertificationEntry, CertifiedRun, ChainId,
    Digest, DueItem, Event, Genesis, Key, PublicKey, Receipt, Refusal, Roster, Timestamp, Verdict, VerifiedTransaction,
};

/// Passes after which a block takes no more transactions.
pub const MAX_PASSES: u32 = 24;
/// Passes after which a block works off no more due items: enough for the first one, and few enough for the first
/// transaction after it.
pub const MAX_DUE_PASSES: u32 = 14;
/// Passes that a unit may wait as the first one of the block before it is refused.
pub const MAX_UNIT_PASSES: u32 = 8;
/// Passes after which a unit waits no more for what programs miss that are told something: they are told later. It has as many left as
/// it takes to put them off: for their backlogs, the calendar's nodes and the calendar's pages.
const PATIENCE: u32 = 3;
/// Most due items that one block works off.
pub const MAX_DUE_PER_BLOCK: usize = 4_096;
/// Statement lines after which a block works off no more items, so that the receipts of due work stay small.
pub const MAX_DUE_LINES_PER_BLOCK: usize = 32_768;
/// Records that a due item usually reads.
const RECORDS_A_DUE_ITEM: usize = 8;
/// Records looked up ahead in a pass, after which it ends.
const MAX_LOOK_UPS_AHEAD: u64 = MAX_BLOCK_WORK.look_ups;

/// The pass in which what transactions refer to is asked for; those that miss some of it ask again in the next one, because
/// what they refer to can refer to more (see `ahead`).
const FIRST_ASKING: u32 = 2;
/// The pass in which transactions are run first.
const FIRST_RUN: u32 = 5;
// The first due item finds its place in the calendar in seven passes; after it, the first transaction can wait as long.
const _: () = assert!(6 + MAX_UNIT_PASSES <= MAX_DUE_PASSES && MAX_DUE_PASSES + MAX_UNIT_PASSES < MAX_PASSES);

/// The calendar's place among the units: what it reads is seen by all.
const CALENDAR: u32 = 0;
/// The first due item's.
const FIRST_DUE: u32 = 1;
/// The first transaction's.
const FIRST_TRANSACTION: u32 = FIRST_DUE + MAX_DUE_PER_BLOCK as u32;
/// What comes after the transactions.
const CLOSING: u32 = u32::MAX - 1;

/// What a block brings besides its transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockContext {
    /// The chain.
    pub chain: ChainId,
    /// The block's height; the first block has height 1.
    pub height: u64,
    /// The block's timestamp.
    pub time: Timestamp,
    /// Digest of the block that it follows.
    pub parent: Digest,
    /// Consensus key of the validator that proposes it.
    pub proposer: PublicKey,
    /// What the parent left as the next instant at which work is due: where to read first. It decides nothing but in how
    /// many passes the block is done.
    pub next_due: Option<Timestamp>,
}

/// Why a transaction cannot stand in a block. It changes nothing, not even the nonce.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Inadmissible {
    /// The account is not open. One that this block opens can act from the next one on.
    #[error("no account {0} is open")]
    UnknownAccount(AccountId),
    /// The nonce is not the account's next.
    #[error("the nonce is {found}, the account's next is {expected}")]
    WrongNonce {
        /// In the transaction.
        found: u64,
        /// The account's.
        expected: u64,
    },
    /// The transaction's last height has passed, or lies further ahead than allowed.
    #[error("the transaction expires at height {expires}, the block's is {height}")]
    Expired {
        /// In the transaction.
        expires: u64,
        /// The block's.
        height: u64,
    },
    /// The block has no room left for it, or opens its account only now: a later block can take it.
    #[error("this block cannot take the transaction, a later one can")]
    NotThisBlock,
}

/// What executing a block gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Changed cells, each once.
    pub cells: Vec<Change>,
    /// In the order of execution: genesis (in the first block), due work, then one per admitted transaction.
    pub receipts: Vec<Receipt>,
    /// New entries of the certification log, in order.
    pub certified: Vec<CertificationEntry>,
    /// Places of the transactions that may stand in the block.
    pub admitted: Vec<usize>,
    /// Places of the others, with the reason.
    pub inadmissible: Vec<(usize, Inadmissible)>,
    /// The next instant at which work is due; not after now if some was carried over to the next block.
    pub next_due: Option<Timestamp>,
    /// In an epoch's last block: the validators of the next epoch.
    pub next_validators: Option<Roster>,
    /// What the transactions took, of [`MAX_BLOCK_WORK`].
    pub work: Work,
    /// What due work took, of [`MAX_DUE_WORK`].
    pub due_work: Work,
}

impl Outcome {
    /// What the block certified, by rising id.
    pub fn certificates(&self) -> impl Iterator<Item = Certificate> {
        self.certified.iter().map(CertificationEntry::run).flat_map(CertifiedRun::certificates)
    }
}

/// Where an execution stands.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // there is one of them at a time
pub enum Progress {
    /// These cells must be supplied first, in this order; each is there once.
    Wants(Vec<Key>),
    /// Done.
    Done(Outcome),
}

/// A transaction that may stand in the block.
#[derive(Debug, Clone, Copy)]
struct Turn {
    /// Its place among the transactions.
    place: usize,
    account: Place<AccountRecord>,
    caller: Caller,
}

/// Due work on its way.
#[derive(Debug, Default)]
struct DueWork {
    plan: DuePlan,
    /// The plan's items, each with its place in the calendar: its second's in the plan, and its own in the second.
    items: Vec<(usize, u32, DueItem)>,
    /// The first item that is not finished.
    next: usize,
    lines: usize,
    work: Work,
    is_done: bool,
}

/// A block being executed: call [`Execution::run`] and [`Execution::supply`] in turn until it is done.
#[derive(Debug)]
pub struct Execution {
    context: Context,
    /// Until it is carried out.
    genesis: Option<Genesis>,
    /// Whether an epoch's begin or end is still to be worked through.
    turns_epoch: bool,
    next_validators: Option<Roster>,
    transactions: Vec<VerifiedTransaction>,
    store: Store,
    pass: u32,
    /// Passes that the first unfinished unit has waited.
    waited: u32,
    /// Records that may be looked up ahead in the present pass.
    ahead_left: u64,
    due: DueWork,
    /// `None` until accounts are there.
    turns: Option<Vec<Turn>>,
    /// Turns that have missed something when they asked last.
    asking: Vec<usize>,
    /// The first turn that is not finished.
    next: usize,
    /// Whether the rest of the turns is left to a later block.
    is_full: bool,
    inadmissible: Vec<(usize, Inadmissible)>,
    receipts: Vec<Receipt>,
    certified: Vec<CertificationEntry>,
    /// How many of them are those of finished units.
    certified_for_good: usize,
    /// What the transactions may take together.
    most: Work,
    /// What due items may take together.
    most_due: Work,
    /// Passes after which it takes no more transactions.
    most_passes: u32,
    work: Work,
}

/// A unit that ran to its end.
struct Ran {
    /// `None`: there was nothing to do.
    receipt: Option<Receipt>,
    spent: Work,
}

impl Ran {
    fn is_refused(&self) -> bool {
        self.receipt.as_ref().is_some_and(|receipt| receipt.refusal().is_some())
    }
}

impl Execution {
    /// Begins to execute a block. The genesis document is carried out by the block of height 1.
    pub fn new(context: BlockContext, genesis: &Genesis, transactions: Vec<VerifiedTransaction>) -> Self {
        let first = (context.height == 1).then(|| genesis.clone());
        Self {
            context: Context::of(context, genesis),
            genesis: first,
            turns_epoch: genesis.epochs().end()
                && context.height > 1
                && (genesis.epochs().is_first(context.height) || genesis.epochs().is_last(context.height)),
            next_validators: None,
            receipts: Vec::with_capacity(transactions.len()),
            store: Store::with_room(transactions.iter().map(usual_records).sum()),
            transactions,
            pass: 0,
            waited: 0,
            ahead_left: 0,
            due: DueWork::default(),
            turns: None,
            asking: Vec::new(),
            next: 0,
            is_full: false,
            inadmissible: Vec::new(),
            certified: Vec::new(),
            certified_for_good: 0,
            most: MAX_BLOCK_WORK,
            most_due: MAX_DUE_WORK,
            most_passes: MAX_PASSES,
            work: Work::default(),
        }
    }

    /// The same with less work allowed, to come to the bound with little.
    #[cfg(test)]
    pub(crate) fn with_most(self, most: Work) -> Self {
        Self { most, ..self }
    }

    /// The same with less work allowed for what is due.
    #[cfg(test)]
    pub(crate) fn with_most_due(self, most_due: Work) -> Self {
        Self { most_due, ..self }
    }

    /// The same with fewer passes, to come to their bound with little.
    #[cfg(test)]
    pub(crate) fn with_most_passes(self, most_passes: u32) -> Self {
        Self { most_passes, ..self }
    }

    /// Supplies cells that were wanted, in that order. Those left out are wanted again.
    pub fn supply(&mut self, cells: impl IntoIterator<Item = Option<Cell>>) {
        self.store.supply(cells);
    }

    /// How many passes it has taken.
    pub const fn passes(&self) -> u32 {
        self.pass
    }

    /// Runs the block until cells are missing or all is done.
    pub fn run(&mut self) -> Progress {
        loop {
            self.store.ask_for_rests();
            let wanted = self.store.wanted();
            if !wanted.is_empty() {
                return Progress::Wants(wanted.to_vec());
            }
            if let Some(outcome) = self.pass() {
                return Progress::Done(outcome);
            }
        }
    }

    /// One pass. All that was asked for is there.
    fn pass(&mut self) -> Option<Outcome> {
        self.store.begin_pass();
        self.certified.truncate(self.certified_for_good);
        if self.genesis.is_some() {
            self.carry_out_genesis();
            return None;
        }
        if self.turns_epoch {
            self.turn_epoch();
            return None;
        }
        if self.pass == 1 && self.turns.is_none() {
            self.admit();
        }
        self.pass += 1;
        self.ahead_left = MAX_LOOK_UPS_AHEAD;
        if self.pass == 1 {
            self.ask_for_named();
            return None;
        }
        self.work_off_due();
        if self.pass < FIRST_RUN {
            self.ask_for_found();
        }
        if self.pass >= FIRST_RUN || self.turns().is_empty() {
            self.take_turns();
            self.look_at_turns_ahead();
        }
        let is_done = self.due.is_done && (self.is_full || self.next == self.turns().len());
        if is_done { self.close() } else { None }
    }

    fn turns(&self) -> &[Turn] {
        self.turns.as_deref().unwrap_or_default()
    }

    fn ledger(&mut self) -> Ledger<'_> {
        Ledger::new(&mut self.store, &mut self.certified, &self.context)
    }

    fn carry_out_genesis(&mut self) {
        let Some(genesis) = self.genesis.take() else { return };
        let mut ledger = self.ledger();
        ledger.store.begin(CALENDAR);
        if ledger.found(&genesis).is_ok() {
            self.store.finish();
            self.receipts.push(Receipt { cause: Cause::Genesis, verdict: Verdict::Applied(Bounded::empty()) });
        } else {
            self.store.abandon();
            self.genesis = Some(genesis);
        }
    }
}

/// Epochs.
impl Execution {
    /// An epoch's first block says which block it follows, its last one who the validators of the next epoch are: before
    /// anything else happens in it.
    fn turn_epoch(&mut self) {
        let (context, most) = (self.context, self.most_due);
        let mut ledger = self.ledger();
        ledger.store.begin(CALENDAR);
        let item = DueItem::Epoch(context.epochs.of(context.block.height));
        let mut next = None;
        let ran = ledger.run(cause_of(item, context.block.time), &most, |ledger| {
            ledger.begin_epoch()?;
            let turned = ledger.end_epoch()?;
            next = turned.next;
            Ok(turned.is_told)
        });
        let Some(Ran { receipt, .. }) = ran else { return self.store.abandon() };
        self.store.finish();
        self.receipts.extend(receipt);
        self.next_validators = next;
        self.turns_epoch = false;
    }
}

/// Reading ahead.
impl Execution {
    /// Asks for what the transactions name, and for what is due first.
    fn ask_for_named(&mut self) {
        let mut ledger = Ledger::new(&mut self.store, &mut self.certified, &self.context);
        ledger.store.begin(CALENDAR);
        ledger.store.want::<Totals>(&());
        ledger.want_backlog(self.context.block.next_due.unwrap_or(self.context.block.time));
        ledger.want_presence();
        let places = 0..self.transactions.len();
        let places: Vec<usize> = match &self.turns {
            Some(turns) => turns.iter().map(|turn| turn.place).collect(),
            None => places.collect(),
        };
        for (unit, place) in (FIRST_TRANSACTION..).zip(places) {
            let transaction = &self.transactions[place];
            ledger.store.begin(unit);
            // Every account is asked for, to decide which transactions are admitted.
            ledger.store.want::<AccountRecord>(&transaction.account());
            if self.ahead_left > 0 {
                ledger.want_named(transaction);
                self.ahead_left = self.ahead_left.saturating_sub(ledger.store.look_ups());
            }
        }
    }

    /// Asks for what the records refer to that the transactions name.
    fn ask_for_found(&mut self) {
        let turns = self.turns.as_deref().unwrap_or_default();
        let asking = match self.pass {
            FIRST_ASKING => (0..turns.len()).collect(),
            _ => std::mem::take(&mut self.asking),
        };
        let mut ledger = Ledger::new(&mut self.store, &mut self.certified, &self.context);
        for number in asking {
            if self.ahead_left == 0 {
                break;
            }
            let turn = &turns[number];
            ledger.store.begin(FIRST_TRANSACTION + number as u32);
            ledger.want_found(turn.caller, &self.transactions[turn.place]);
            if ledger.store.has_missed() {
                self.asking.push(number);
            }
            // Nothing else follows from it.
            ledger.store.want::<MemberRecord>(&turn.caller.member);
            self.ahead_left = self.ahead_left.saturating_sub(ledger.store.look_ups());
        }
    }

    /// Decides which transactions may stand in the block, by the state before it. Others leave no trace: if there are any, the
    /// first pass is taken again without them, for which all cells are there.
    fn admit(&mut self) {
        let height = self.context.block.height;
        let mut turns = Vec::with_capacity(self.transactions.len());
        // How many transactions of an account are admitted, by the account's place.
        let mut admitted = vec![0u64; self.store.places()];
        for (place, transaction) in self.transactions.iter().enumerate() {
            self.store.begin(FIRST_TRANSACTION + place as u32);
            let (id, envelope) = (transaction.account(), transaction.transaction());
            let found =
                self.store.find_at::<AccountRecord>(&id).expect("every account was asked for in the first pass");
            let Some((account, record)) = found else {
                self.inadmissible.push((place, Inadmissible::UnknownAccount(id)));
                continue;
            };
            if envelope.expires < height || envelope.expires > height.saturating_add(MAX_EXPIRY_BLOCKS) {
                self.inadmissible.push((place, Inadmissible::Expired { expires: envelope.expires, height }));
                continue;
            }
            let expected = record.nonce + admitted[account.number()];
            if envelope.nonce != expected {
                self.inadmissible.push((place, Inadmissible::WrongNonce { found: envelope.nonce, expected }));
                continue;
            }
            admitted[account.number()] += 1;
            turns.push(Turn { place, account, caller: Caller { account: id, member: record.member } });
        }
        self.turns = Some(turns);
        if !self.inadmissible.is_empty() {
            self.store.forget();
            self.pass = 0;
        }
    }
}

/// Due work.
impl Execution {
    /// Works off what is due, in order, up to the bounds. The rest stays in the calendar.
    fn work_off_due(&mut self) {
        if !self.due.is_done && !self.due.plan.is_whole {
            self.plan_due();
        }
        if self.due.plan.is_whole {
            while !self.due.is_done && !self.store.is_ahead() {
                self.next_due_item();
            }
        } else if self.pass > MAX_DUE_PASSES {
            self.due.is_done = true;
        } else {
            self.store.look_ahead();
        }
        self.look_at_items_ahead();
    }

    fn plan_due(&mut self) {
        let mut ledger = self.ledger();
        ledger.store.begin(CALENDAR);
        let plan =
            ledger.due_plan(MAX_DUE_PER_BLOCK).expect("a block's part of the calendar is less than a unit may read");
        // What is due is often the end of an agreement, which is kept for a while: the same for all of the block.
        if !plan.seconds.is_empty() {
            ledger.want_due(ledger.kept_until());
        }
        ledger.store.finish();
        let of = |(place, due): (usize, &'_ DueSecond)| {
            due.items.iter().map(move |(number, item)| (place, *number, *item)).collect::<Vec<_>>()
        };
        self.due.items = plan.seconds.iter().enumerate().flat_map(of).collect();
        if plan.is_whole {
            self.store.make_room(RECORDS_A_DUE_ITEM * self.due.items.len());
        }
        self.due.plan = plan;
    }

    /// Takes the first unfinished item, or ends due work.
    fn next_due_item(&mut self) {
        let next = self.due.next;
        let Some((place, number, item)) = self.due.items.get(next).copied() else {
            self.due.is_done = true;
            // The last second may have nothing but empty places as far as it was looked at.
            if let Some((place, due)) =
                self.due.plan.seconds.iter().enumerate().next_back().filter(|(_, due)| due.items.is_empty())
            {
                self.take_off(place, due.places.end);
            }
            return;
        };
        if self.pass > MAX_DUE_PASSES || self.due.lines >= MAX_DUE_LINES_PER_BLOCK {
            return self.end_due_work(place, number);
        }
        let at = self.due.plan.seconds[place].at();
        let mut ran = {
            let mut ledger = Ledger::new(&mut self.store, &mut self.certified, &self.context);
            ledger.is_late = self.waited >= PATIENCE;
            ledger.run_item(FIRST_DUE + next as u32, item, at, &self.most_due)
        };
        if ran.is_none() {
            self.waited += 1;
            if self.waited < MAX_UNIT_PASSES {
                self.store.look_ahead();
                return;
            }
        }
        if ran.as_ref().is_none_or(Ran::is_refused) {
            let put_off = self.ledger().put_off_item(FIRST_DUE + next as u32, item, at, ran);
            if put_off.is_none() {
                self.store.abandon();
                self.store.look_ahead();
                return;
            }
            ran = put_off;
        }
        let Some(Ran { receipt, spent }) = ran else { return };
        let work = self.due.work.plus(spent);
        if !work.is_within(&self.most_due) {
            self.store.abandon();
            self.certified.truncate(self.certified_for_good);
            return self.end_due_work(place, number);
        }
        self.store.finish();
        self.certified_for_good = self.certified.len();
        self.waited = 0;
        self.due.work = work;
        self.due.lines += receipt.iter().flat_map(Receipt::events).map(statement_lines).sum::<usize>();
        self.receipts.extend(receipt);
        self.due.next += 1;
        if self.due.items.get(self.due.next).is_none_or(|(next, ..)| *next != place) {
            self.take_off(place, self.due.plan.seconds[place].places.end);
        }
    }

    /// Ends due work before an item.
    fn end_due_work(&mut self, place: usize, number: u32) {
        self.due.is_done = true;
        self.waited = 0;
        if self.due.plan.seconds[place].places.start < number {
            self.take_off(place, number);
        }
    }

    /// Takes what stands before a place of a second off the calendar: it was worked off, or is empty.
    fn take_off(&mut self, place: usize, until: u32) {
        let mut ledger = Ledger::new(&mut self.store, &mut self.certified, &self.context);
        ledger.store.begin(CALENDAR);
        ledger.take_off(&self.due.plan.seconds[place], until).expect("the calendar was read where the plan comes from");
        ledger.store.finish();
    }

    /// Finds out what the items behind an unfinished one will miss.
    fn look_at_items_ahead(&mut self) {
        if !self.store.is_ahead() {
            return;
        }
        let next = self.due.next + usize::from(self.due.plan.is_whole);
        let mut ledger = Ledger::new(&mut self.store, &mut self.certified, &self.context);
        for (unit, (place, _, item)) in (FIRST_DUE..).zip(&self.due.items).skip(next) {
            if self.ahead_left == 0 {
                break;
            }
            ledger.run_item(unit, *item, self.due.plan.seconds[*place].at(), &self.most_due);
            ledger.store.finish();
            self.ahead_left = self.ahead_left.saturating_sub(ledger.store.look_ups());
        }
    }
}

/// Transactions.
impl Execution {
    /// Goes through the transactions from the first unfinished one to the first that must wait, or to the block's end.
    fn take_turns(&mut self) {
        while !self.store.is_ahead() && !self.is_full {
            let Some(turn) = self.turns().get(self.next).copied() else { break };
            if self.pass > self.most_passes {
                self.is_full = true;
                break;
            }
            self.take_turn(&turn);
        }
    }

    fn take_turn(&mut self, turn: &Turn) {
        let transaction = &self.transactions[turn.place];
        let unit = FIRST_TRANSACTION + self.next as u32;
        let mut ledger = Ledger::new(&mut self.store, &mut self.certified, &self.context);
        ledger.is_late = self.waited >= PATIENCE;
        let mut ran = ledger.run_transaction(unit, turn, transaction, &self.most);
        if ran.is_none() {
            ledger.want_more(turn, transaction);
            self.waited += 1;
            if self.waited < MAX_UNIT_PASSES {
                self.store.look_ahead();
                return;
            }
            ran = Some(ledger.refuse(unit, turn, transaction));
        }
        let Some(Ran { receipt, spent }) = ran else { return };
        let work = self.work.plus(spent);
        if !work.is_within(&self.most) {
            self.store.abandon();
            self.certified.truncate(self.certified_for_good);
            self.is_full = true;
            return;
        }
        self.store.finish();
        self.certified_for_good = self.certified.len();
        self.waited = 0;
        self.work = work;
        self.receipts.extend(receipt);
        self.next += 1;
    }

    /// Finds out what the transactions behind an unfinished unit will miss.
    fn look_at_turns_ahead(&mut self) {
        if !self.store.is_ahead() {
            return;
        }
        // If an item waits, no transaction has been looked at; else the first unfinished one has.
        let next = self.next + usize::from(self.due.is_done);
        let turns = self.turns.as_deref().unwrap_or_default();
        let mut ledger = Ledger::new(&mut self.store, &mut self.certified, &self.context);
        for (unit, turn) in (FIRST_TRANSACTION..).zip(turns).skip(next) {
            if self.ahead_left == 0 {
                break;
            }
            let transaction = &self.transactions[turn.place];
            let ran = ledger.run_transaction(unit, turn, transaction, &self.most);
            // It may be refused only because what stands before it has not been done.
            if ran.is_none_or(|ran| ran.is_refused()) {
                ledger.want_more(turn, transaction);
            }
            ledger.store.finish();
            self.ahead_left = self.ahead_left.saturating_sub(ledger.store.look_ups());
        }
    }

    /// Ends the block, unless the calendar must be read for it first.
    fn close(&mut self) -> Option<Outcome> {
        let mut ledger = self.ledger();
        ledger.store.begin(CLOSING);
        let closed = ledger
            .next_due()
            .and_then(|next_due| ledger.count_certificates().map(|()| next_due))
            .and_then(|next_due| ledger.note_presence().map(|()| next_due));
        let Ok(next_due) = closed else {
            self.store.abandon();
            return None;
        };
        self.store.finish();
        let mut inadmissible = std::mem::take(&mut self.inadmissible);
        for (_, reason) in &mut inadmissible {
            if matches!(reason, Inadmissible::UnknownAccount(id) if self.store.has_made::<AccountRecord>(id)) {
                *reason = Inadmissible::NotThisBlock;
            }
        }
        let (taken, left) = self.turns().split_at(self.next);
        let admitted = taken.iter().map(|turn| turn.place).collect();
        inadmissible.extend(left.iter().map(|turn| (turn.place, Inadmissible::NotThisBlock)));
        inadmissible.sort_by_key(|(place, _)| *place);
        invariant::check(&self.store);
        Some(Outcome {
            cells: self.store.changes(),
            receipts: std::mem::take(&mut self.receipts),
            certified: std::mem::take(&mut self.certified),
            admitted,
            inadmissible,
            next_due,
            next_validators: self.next_validators.take(),
            work: self.work,
            due_work: self.due.work,
        })
    }
}

/// Units.
impl Ledger<'_> {
    /// Carries out the genesis document.
    fn found(&mut self, genesis: &Genesis) -> Ruled<()> {
        self.store.want::<Totals>(&());
        for first in &genesis.members {
            self.store.want::<MemberRecord>(&first.member());
            self.store.want::<AccountRecord>(&first.account);
        }
        self.store.create(&(), Totals::default())?;
        self.found_council(genesis)?;
        for first in &genesis.members {
            self.store.create(&first.member(), MemberRecord::of(first.roles))?;
            self.store.create(&first.account, AccountRecord::of(first.member()))?;
        }
        Ok(())
    }

    /// Runs a due item.
    fn run_item(&mut self, unit: u32, item: DueItem, at: Timestamp, most: &Work) -> Option<Ran> {
        self.store.begin(unit);
        self.run(cause_of(item, at), most, |ledger| ledger.due(item))
    }

    /// What could not be done, because it was refused or has waited too long, is due again later: with the failure of the program
    /// that was called for it as receipt, or the refusal. `None` if what that needs is not there yet.
    fn put_off_item(&mut self, unit: u32, item: DueItem, at: Timestamp, refused: Option<Ran>) -> Option<Ran> {
        let cause = cause_of(item, at);
        let refused = refused.unwrap_or_else(|| {
            let receipt = Receipt { cause, verdict: Verdict::Refused(Refusal::TooMuchWork) };
            Ran { receipt: Some(receipt), spent: Work::default() }
        });
        self.store.begin(unit);
        self.begin_anew();
        self.put_off_due(item).and_then(|()| self.keep_calendar()).ok()?;
        let failed = Bounded::new(std::mem::take(&mut self.events)).ok().filter(|events| !events.is_empty());
        let failed = failed.map(|events| Receipt { cause, verdict: Verdict::Applied(events) });
        Some(Ran { receipt: failed.or(refused.receipt), ..refused })
    }

    /// Puts a due item off, as who is meant has it.
    fn put_off_due(&mut self, item: DueItem) -> Ruled<()> {
        let at = self.now.checked_add_ms(RETRY_MS).unwrap_or(Timestamp::LARGEST);
        match item {
            DueItem::Agreement(agreement) => self.put_off_agreement(agreement, at),
            DueItem::Offer(_) | DueItem::Motion(_) => self.schedule_again(item, at),
            DueItem::Epoch(_) => Ok(()),
        }
    }

    /// Forgets what another run of a unit has done.
    fn begin_anew(&mut self) {
        self.events.clear();
        self.to_tell.clear();
        self.calendar.clear();
        self.told_bytes = (0, 0);
        self.burnt = 0;
        self.is_running = false;
    }

    /// Runs a transaction: its nonce counts even if it is refused.
    fn run_transaction(
        &mut self,
        unit: u32,
        turn: &Turn,
        transaction: &VerifiedTransaction,
        most: &Work,
    ) -> Option<Ran> {
        self.begin_transaction(unit, turn, &transaction.transaction().action);
        let ran = self.run(Cause::Transaction(transaction.hash()), most, |ledger| {
            ledger.perform(turn.caller, transaction).map(|()| true)
        });
        // What programs have used counts for who asked, though all else is undone.
        let ran = match ran {
            Some(Ran { receipt: Some(receipt), .. }) if self.burnt > 0 && receipt.refusal().is_some() => {
                match self.use_fuel_of(turn.caller.member, self.burnt) {
                    Err(Stop::Unfetched) => None,
                    Ok(()) | Err(Stop::Refused(_)) => Some(self.ran(receipt, most)),
                }
            }
            ran => ran,
        };
        if ran.is_none() {
            self.store.abandon();
        }
        ran
    }

    /// Asks for all that a transaction refers to, as far as it can be found now.
    fn want_more(&mut self, turn: &Turn, transaction: &VerifiedTransaction) {
        self.want_found(turn.caller, transaction);
    }

    /// Refuses a transaction that has waited too long.
    fn refuse(&mut self, unit: u32, turn: &Turn, transaction: &VerifiedTransaction) -> Ran {
        self.begin_transaction(unit, turn, &transaction.transaction().action);
        let cause = Cause::Transaction(transaction.hash());
        self.ran(Receipt { cause, verdict: Verdict::Refused(Refusal::TooMuchWork) }, &MAX_BLOCK_WORK)
    }

    fn begin_transaction(&mut self, unit: u32, turn: &Turn, action: &Action) {
        self.store.begin(unit);
        self.store.spend(Work::of(action));
        let account = self.store.at(turn.account);
        let mut account =
            account.ok().flatten().expect("an admitted transaction's account was read, and none is deleted");
        account.nonce += 1;
        self.store.put_at(turn.account, account);
    }

    /// Does what a unit is to do: all of it or nothing. `None` if it misses a record.
    fn run(&mut self, cause: Cause, most: &Work, act: impl FnOnce(&mut Self) -> Ruled<bool>) -> Option<Ran> {
        let (mark, certified) = (self.store.mark(), self.certified.len());
        self.begin_anew();
        let acted = act(self).and_then(|has_acted| self.keep_calendar().map(|()| has_acted));
        let verdict = match acted {
            Err(Stop::Unfetched) => None,
            // What it has read too much may be what it asked for ahead when it missed something.
            _ if self.store.has_missed() && self.store.has_read_too_much() => None,
            _ if self.store.has_read_too_much() => Some(Err(Refusal::TooMuchWork)),
            Err(Stop::Refused(refusal)) => Some(Err(refusal)),
            Ok(has_acted) => {
                let events = Bounded::new(std::mem::take(&mut self.events)).map_err(|_| Refusal::TooMuchWork);
                Some(events.map(|events| has_acted.then_some(events)))
            }
        };
        let refused = match verdict {
            Some(Ok(events)) => {
                let receipt = events.map(|events| Receipt { cause, verdict: Verdict::Applied(events) });
                let spent = match &receipt {
                    Some(receipt) => self.store.spent().with_receipt(receipt),
                    None => self.store.spent(),
                };
                if spent.is_within(most) {
                    return Some(Ran { receipt, spent });
                }
                Some(Refusal::TooMuchWork)
            }
            Some(Err(refusal)) => Some(refusal),
            None => None,
        };
        self.store.undo(mark);
        self.certified.truncate(certified);
        let verdict = Verdict::Refused(refused?);
        Some(self.ran(Receipt { cause, verdict }, most))
    }

    /// A unit that was refused.
    fn ran(&self, receipt: Receipt, most: &Work) -> Ran {
        let spent = self.store.spent().with_receipt(&receipt).at_most(most);
        Ran { receipt: Some(receipt), spent }
    }

    /// Calls who is meant by a due item. `false` if nothing is to be done any more.
    fn due(&mut self, item: DueItem) -> Ruled<bool> {
        match item {
            DueItem::Agreement(agreement) => self.agreement_due(agreement),
            DueItem::Offer(offer) => self.offer_due(offer),
            DueItem::Motion(motion) => self.motion_due(motion),
            // An epoch ends with a block, not at a time: it stands in no calendar.
            DueItem::Epoch(_) => Ok(false),
        }
    }

    fn perform(&mut self, caller: Caller, transaction: &VerifiedTransaction) -> Ruled<()> {
        let derived = transaction.derived();
        match &transaction.transaction().action {
            Action::ProposeMotion(motion) => self.propose_motion(caller, motion),
            Action::VoteOnMotion { motion, digest, in_favour } => {
                self.vote_on_motion(caller, *motion, *digest, *in_favour)
            }
            Action::ProveReady(readiness) => self.prove_ready(readiness),
            Action::OpenAccount { account } => self.open_account(caller, account.member, derived.account),
            Action::Issue { to, amount, reference: _ } => self.issue(caller, *to, *amount),
            Action::Redeem { amount, reference: _ } => self.redeem(caller, *amount),
            Action::Transfer { to, amount, reference: _ } => self.transfer(caller, *to, *amount),
            Action::PublishOffers { offers } => self.publish_offers(caller, offers, &derived.offers),
            Action::WithdrawOffer { offer } => self.withdraw_offer(caller, *offer),
            Action::SubmitQuotes { quotes } => self.submit_quotes(caller, quotes, &derived.sealed),
            Action::WithdrawQuote { offer } => self.withdraw_quote(caller, *offer),
            Action::Award { awards } => self.award(caller, awards, &derived.agreements),
            Action::ProposeAgreement { label, terms, signing_ms } => {
                self.propose_agreement(caller, *label, terms, *signing_ms)
            }
            Action::SignAgreement { agreement, terms } => self.sign_agreement(caller, *agreement, *terms),
            Action::DeclineAgreement { agreement } => self.decline_agreement(caller, *agreement),
            Action::ProposeAmendment { agreement, program, from } => {
                self.propose_amendment(caller, *agreement, program, *from)
            }
            Action::SignAmendment { agreement, terms } => self.sign_amendment(caller, *agreement, *terms),
            Action::Terminate { agreement } => self.terminate(caller, *agreement),
            Action::WithdrawTermination { agreement } => self.withdraw_termination(caller, *agreement),
            Action::PayDebt { agreement, amount } => self.pay_debt(caller, *agreement, *amount),
            Action::Command { agreement, command } => self.command(caller, *agreement, command),
            Action::RegisterMeter(meter) => self.register_meter(caller, meter, derived.meter, derived.document),
            Action::BindMeter { meter, holder } => self.bind_meter(caller, *meter, *holder),
            Action::RotateMeterKey { meter, authority } => self.rotate_meter_key(caller, *meter, *authority),
            Action::ChangeMeterCapacity { meter, capacity_per_hour } => {
                self.change_meter_capacity(caller, *meter, *capacity_per_hour)
            }
            Action::ExchangeMeter { meter, last, authority, register_modulus, register } => {
                self.exchange_meter(caller, *meter, *last, *authority, *register_modulus, *register)
            }
            Action::RetireMeter { meter } => self.retire_meter(caller, *meter),
            Action::TakeOverMeters { meters } => self.take_over_meters(caller, meters),
            Action::RecordReadings { runs } => self.record_readings(caller, runs),
            Action::CorrectReadings { meter, interval, certified, right, reason } => {
                self.correct_readings(caller, *meter, *interval, *certified, *right, reason)
            }
            Action::PublishPackage(package) => self.publish_package(caller, package),
            Action::ClosePackage { package, version } => self.close_package(caller, *package, *version),
            Action::PublishProgram(publication) => self.publish_program(caller, publication),
            Action::Subscribe { label, terms } => self.subscribe(caller, *label, terms),
            Action::Prepay { subscription, carrier, payment } => self.prepay(caller, *subscription, *carrier, *payment),
            Action::PublishIndex(value) => self.publish_index(caller, value),
        }
    }

    /// The next certificate's id: the totals', or where this block's last run ends.
    pub fn next_certificate(&mut self) -> Ruled<CertificateId> {
        match self.certified.last() {
            Some(last) => Ok(last.run().end()),
            None => Ok(self.store.known::<Totals>(&())?.certificates),
        }
    }

    /// Counts the block's certificates, once.
    fn count_certificates(&mut self) -> Ruled<()> {
        let next = self.next_certificate()?;
        let mut totals: Totals = self.store.known(&())?;
        if totals.certificates != next {
            totals.certificates = next;
            self.store.put(&(), totals);
        }
        Ok(())
    }
}

/// Records that a transaction usually reads: its account's and its member's, and what its action takes.
fn usual_records(transaction: &VerifiedTransaction) -> usize {
    2 + transaction.transaction().action.work()
}

/// What the receipt of a due item answers.
const fn cause_of(item: DueItem, at: Timestamp) -> Cause {
    Cause::Due { item, at }
}

fn statement_lines(event: &Event) -> usize {
    match event {
        Event::StatementIssued(statement) => statement.lines.len(),
        _ => 0,
    }
}
