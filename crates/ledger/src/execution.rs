//! Executing a block: genesis (in the first block), due work, then the transactions in order, then the
//! invariants. The same code proposes, verifies and replays.

use crate::invariant;
use crate::member::Caller;
use crate::record::{AccountRecord, MemberRecord, Totals};
use crate::store::{Change, Ruled, Stop, Store};
use utilidor_types::transaction::MAX_EXPIRY_BLOCKS;
use utilidor_types::{
    AccountId, Action, AgreementId, Bounded, Carrier, Cause, Cell, Certificate, CertificateId, CertifiedRun, ChainId,
    Event, Genesis, Key, Receipt, Timestamp, Verdict, VerifiedTransaction,
};

/// What a block brings besides its transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockContext {
    /// The chain.
    pub chain: ChainId,
    /// The block's height; the first block has height 1.
    pub height: u64,
    /// The block's timestamp.
    pub time: Timestamp,
    /// What the parent left as the next instant at which work is due: where to read first. Nothing is decided by it.
    pub next_due: Option<Timestamp>,
}

/// Why a transaction cannot stand in a block. It changes nothing, not even the nonce.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Inadmissible {
    /// The account is not open.
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
}

/// What executing a block gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Changed cells, each once.
    pub cells: Vec<Change>,
    /// In the order of execution: genesis (in the first block), due work, then one per admitted transaction.
    pub receipts: Vec<Receipt>,
    /// New entries of the certification log, in order.
    pub certified: Vec<CertifiedRun>,
    /// Places of the transactions that may stand in the block.
    pub admitted: Vec<usize>,
    /// Places of the others, with the reason.
    pub inadmissible: Vec<(usize, Inadmissible)>,
    /// The next instant at which work is due; not after now if some was carried over to the next block.
    pub next_due: Option<Timestamp>,
}

impl Outcome {
    /// What the block certified, by rising id.
    pub fn certificates(&self) -> impl Iterator<Item = Certificate> {
        self.certified.iter().flat_map(CertifiedRun::certificates)
    }
}

/// Where an execution stands.
#[derive(Debug)]
pub enum Progress {
    /// These cells must be supplied first, in this order; each is there once.
    Wants(Vec<Key>),
    /// Done.
    Done(Outcome),
}

/// A block being executed: call [`Execution::run`] and [`Execution::supply`] in turn until it is done.
#[derive(Debug)]
pub struct Execution {
    context: BlockContext,
    genesis: Option<Genesis>,
    transactions: Vec<VerifiedTransaction>,
    store: Store,
    rounds_ahead: Rounds,
    /// What readings are charged to, as far as the rounds ahead have found it.
    services: Vec<(AgreementId, Carrier)>,
}

/// What is read ahead next, before the block is run.
#[derive(Debug, Clone, Copy)]
enum Rounds {
    /// What transactions name.
    Named,
    /// What that refers to.
    Found,
    /// What that is charged under.
    Tariffs,
    /// Nothing: the block is run.
    Run,
}

impl Rounds {
    const fn next(self) -> Option<Self> {
        match self {
            Self::Named => Some(Self::Found),
            Self::Found => Some(Self::Tariffs),
            Self::Tariffs => Some(Self::Run),
            Self::Run => None,
        }
    }
}

/// What rules work on.
pub(crate) struct Ledger<'a> {
    pub store: &'a mut Store,
    pub chain: ChainId,
    pub now: Timestamp,
    /// Consequences of the present transaction or due item.
    pub events: Vec<Event>,
    /// New entries of the certification log.
    pub certified: Vec<CertifiedRun>,
}

impl Execution {
    /// Begins to execute a block. The genesis document is carried out by the block of height 1.
    pub fn new(context: BlockContext, genesis: &Genesis, transactions: Vec<VerifiedTransaction>) -> Self {
        let genesis = (context.height == 1).then(|| genesis.clone());
        Self {
            context,
            genesis,
            transactions,
            store: Store::default(),
            rounds_ahead: Rounds::Named,
            services: Vec::new(),
        }
    }

    /// Leaves out all but the first `count` transactions, and begins the block again. What was supplied stays.
    pub fn shorten(&mut self, count: usize) {
        self.transactions.truncate(count);
    }

    /// How many transactions it executes.
    pub fn len(&self) -> usize {
        self.transactions.len()
    }

    /// Whether it executes due work only.
    pub fn is_empty(&self) -> bool {
        self.transactions.is_empty()
    }

    /// Supplies cells that were wanted, in that order. Those left out are wanted again.
    pub fn supply(&mut self, cells: impl IntoIterator<Item = Option<Cell>>) {
        self.store.supply(cells);
    }

    /// Runs the block until cells are missing or all is done.
    pub fn run(&mut self) -> Progress {
        while let Some(next) = self.rounds_ahead.next() {
            let mut ledger = Ledger::new(&mut self.store, &self.context);
            match self.rounds_ahead {
                Rounds::Named => ledger.read_ahead_named(&self.transactions, self.context.next_due),
                Rounds::Found => self.services = ledger.read_ahead_found(&self.transactions),
                _ => ledger.read_ahead_tariffs(&self.services),
            }
            self.rounds_ahead = next;
            let wanted = self.store.wanted();
            if !wanted.is_empty() {
                return Progress::Wants(wanted.to_vec());
            }
        }
        self.store.restart();
        match self.attempt() {
            Some(outcome) => Progress::Done(outcome),
            None => Progress::Wants(self.store.wanted().to_vec()),
        }
    }

    /// One pass over the block. When cells are missing it goes on, to find out what else will be missing, and
    /// gives nothing.
    fn attempt(&mut self) -> Option<Outcome> {
        let mut ledger = Ledger::new(&mut self.store, &self.context);
        let mut whole = true;
        let mut receipts = Vec::with_capacity(self.transactions.len());
        if let Some(genesis) = &self.genesis {
            whole &= ledger.found(genesis).is_ok();
            receipts.push(Receipt { cause: Cause::Genesis, verdict: Verdict::Applied(Bounded::empty()) });
        }
        whole &= ledger.work_off_due(&mut receipts).is_ok();

        let mut admitted = Vec::with_capacity(self.transactions.len());
        let mut inadmissible = Vec::new();
        for (place, transaction) in self.transactions.iter().enumerate() {
            match ledger.admit(self.context.height, transaction) {
                Err(Stop::Unfetched) => whole = false,
                Err(Stop::Refused(_)) => unreachable!("admission does not refuse"),
                Ok(Err(reason)) => inadmissible.push((place, reason)),
                Ok(Ok(caller)) => {
                    admitted.push(place);
                    match ledger.apply(caller, &transaction.transaction().action) {
                        Some(verdict) => {
                            receipts.push(Receipt { cause: Cause::Transaction(transaction.hash()), verdict })
                        }
                        None => whole = false,
                    }
                }
            }
        }
        let next_due = ledger.next_due();
        whole &= ledger.count_certificates().is_ok();
        if !whole || !ledger.store.wanted().is_empty() {
            return None;
        }
        let next_due = next_due.expect("the due calendar was read when due work was looked for");
        let certified = ledger.certified;
        invariant::check(&self.store);
        Some(Outcome { cells: self.store.changes(), receipts, certified, admitted, inadmissible, next_due })
    }
}

impl<'a> Ledger<'a> {
    fn new(store: &'a mut Store, context: &BlockContext) -> Self {
        Self { store, chain: context.chain, now: context.time, events: Vec::new(), certified: Vec::new() }
    }
}

impl Ledger<'_> {
    /// Carries out the genesis document.
    fn found(&mut self, genesis: &Genesis) -> Ruled<()> {
        self.store.want::<Totals>(&());
        for first in &genesis.members {
            self.store.want::<MemberRecord>(&first.member);
            self.store.want::<AccountRecord>(&first.account);
        }
        self.store.create(&(), Totals::default())?;
        for first in &genesis.members {
            self.store.create(&first.member, MemberRecord { roles: first.roles })?;
            self.store.create(&first.account, AccountRecord::of(first.member))?;
        }
        self.store.commit();
        Ok(())
    }

    /// Checks that a transaction may stand in this block, and counts it. Order: account, expiry, nonce.
    fn admit(&mut self, height: u64, transaction: &VerifiedTransaction) -> Ruled<Result<Caller, Inadmissible>> {
        let id = transaction.account();
        let envelope = transaction.transaction();
        let Some((place, mut account)) = self.store.find_at::<AccountRecord>(&id)? else {
            return Ok(Err(Inadmissible::UnknownAccount(id)));
        };
        if envelope.expires < height || envelope.expires > height.saturating_add(MAX_EXPIRY_BLOCKS) {
            return Ok(Err(Inadmissible::Expired { expires: envelope.expires, height }));
        }
        if envelope.nonce != account.nonce {
            return Ok(Err(Inadmissible::WrongNonce { found: envelope.nonce, expected: account.nonce }));
        }

        account.nonce += 1;
        let caller = Caller { account: id, member: account.member };
        self.store.put_at(place, account);
        self.store.commit();
        Ok(Ok(caller))
    }

    /// Applies an action: all of it or nothing. `None` if cells are missing.
    fn apply(&mut self, caller: Caller, action: &Action) -> Option<Verdict> {
        let certified = self.certified.len();
        self.events.clear();
        match self.perform(caller, action) {
            Ok(()) => {
                self.store.commit();
                let events = std::mem::take(&mut self.events);
                Some(Verdict::Applied(Bounded::new(events).expect("an action has a bounded number of events")))
            }
            Err(stop) => {
                self.store.roll_back();
                self.certified.truncate(certified);
                match stop {
                    Stop::Unfetched => None,
                    Stop::Refused(refusal) => Some(Verdict::Refused(refusal)),
                }
            }
        }
    }

    fn perform(&mut self, caller: Caller, action: &Action) -> Ruled<()> {
        match action {
            Action::AdmitMember { member, account, roles } => self.admit_member(caller, *member, *account, *roles),
            Action::ChangeRoles { member, roles } => self.change_roles(caller, *member, *roles),
            Action::OpenAccount { account } => self.open_account(caller, *account),
            Action::DeclareCapacity { owner, carrier, per_hour } => {
                self.declare_capacity(caller, *owner, *carrier, *per_hour)
            }
            Action::Issue { to, amount, reference: _ } => self.issue(caller, *to, *amount),
            Action::Redeem { amount, reference: _ } => self.redeem(caller, *amount),
            Action::Transfer { to, amount, reference: _ } => self.transfer(caller, *to, *amount),
            Action::PublishOffers { offers } => self.publish_offers(caller, offers),
            Action::WithdrawOffer { offer } => self.withdraw_offer(caller, *offer),
            Action::SubmitQuotes { quotes } => self.submit_quotes(caller, quotes),
            Action::WithdrawQuote { offer } => self.withdraw_quote(caller, *offer),
            Action::Award { awards } => self.award(caller, awards),
            Action::ProposeAgreement { id, terms, signing_ms } => {
                self.propose_agreement(caller, *id, terms, *signing_ms)
            }
            Action::SignAgreement { agreement, terms } => self.sign_agreement(caller, *agreement, *terms),
            Action::DeclineAgreement { agreement } => self.decline_agreement(caller, *agreement),
            Action::ProposeAmendment { agreement, program } => self.propose_amendment(caller, *agreement, program),
            Action::SignAmendment { agreement, terms } => self.sign_amendment(caller, *agreement, *terms),
            Action::Terminate { agreement } => self.terminate(caller, *agreement),
            Action::RegisterMeter(meter) => self.register_meter(caller, meter),
            Action::BindMeter { meter, holder } => self.bind_meter(caller, *meter, *holder),
            Action::RotateMeterKey { meter, authority } => self.rotate_meter_key(caller, *meter, *authority),
            Action::ExchangeMeter { meter, last, authority, register_modulus, register } => {
                self.exchange_meter(caller, *meter, *last, *authority, *register_modulus, *register)
            }
            Action::RetireMeter { meter } => self.retire_meter(caller, *meter),
            Action::RecordReadings { runs } => self.record_readings(caller, runs),
            Action::PublishPackage(package) => self.publish_package(caller, package),
            Action::Subscribe { id, terms } => self.subscribe(caller, *id, terms),
            Action::Prepay { subscription, carrier, payment } => self.prepay(caller, *subscription, *carrier, *payment),
        }
    }

    /// The next certificate's id: the totals', or where this block's last run ends.
    pub fn next_certificate(&mut self) -> Ruled<CertificateId> {
        match self.certified.last() {
            Some(last) => Ok(last.end()),
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
            self.store.commit();
        }
        Ok(())
    }
}
