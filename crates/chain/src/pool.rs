//! Verified transactions that wait for a block, and the blocks that are on their way to being final.
//!
//! *pool* bounded by count and bytes, in all and for each member; an account's transactions leave it in the order of their
//! nonces, accounts in the order of arrival. *ready* a transaction whose account's earlier nonces are final or in the pool.
//! *ahead* one that is not: an earlier nonce is missing. A member may have a few of those, and they leave first when room is
//! needed. *draft* a block that this node built or executed and that is not final yet: its transactions stay pooled, because
//! the block may still fail, but are not proposed again on top of it. *share* what a block holds for each member where more
//! wait than fit: nobody's many transactions hold up another's few.
//!
//! What is pooled was fit for the chain's tip: its account is open, its nonce is not used, it has not expired. A transaction
//! leaves the pool when a final block carries it, or when it can enter none any more: then it is *dropped*, and the reason is
//! remembered for a while. Nothing is kept across restarts: a client submits again until it has a receipt.

use bytes::Bytes;
use commonware_cryptography::sha256;
use foldhash::fast::RandomState;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    sync::{Mutex, MutexGuard},
};
use tokio::sync::Notify;
use utilidor_ledger::Inadmissible;
use utilidor_types::{
    AccountId, MemberId, SignedTransaction, Timestamp, TransactionHash, VerifiedTransaction, time::HOUR_MS,
    transaction::MAX_EXPIRY_BLOCKS,
};

use crate::{
    block::{Body, MAX_BLOCK_TRANSACTIONS, TRANSACTION_OVERHEAD},
    latest,
    recent::Recent,
};

/// Recently finished transactions that the pool remembers, to answer repeated submissions.
const MAX_REMEMBERED: usize = 65_536;

/// Dropped transactions whose reason the pool remembers.
const MAX_DROPPED: usize = 10_000;

/// Accounts whose member and next nonce the pool remembers.
const MAX_REMEMBERED_ACCOUNTS: usize = 65_536;

/// Members whose use is remembered, before those that use nothing are forgotten.
const MAX_REMEMBERED_MEMBERS: usize = 8_192;

/// Bounds of the pool. Those of a member hold for all its accounts together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// Most transactions.
    pub transactions: usize,
    /// Most bytes of transactions.
    pub bytes: usize,
    /// Most transactions of one member.
    pub member_transactions: usize,
    /// Most bytes of transactions of one member.
    pub member_bytes: usize,
    /// Most transactions of one member that wait for an earlier nonce.
    pub member_ahead: usize,
    /// A member's fair share: so many bytes of transactions an hour of the chain's time may it bring to the chain through this
    /// node, as much at once after an hour's pause. None: as many as enter blocks.
    pub member_bytes_per_hour: Option<usize>,
}

impl PoolLimits {
    /// Bounds for a node whose chain is this member's alone to fill: a benchmark's, or a try-out's.
    pub const fn one_member(self) -> Self {
        let Self { transactions, bytes, .. } = self;
        Self {
            member_transactions: transactions,
            member_bytes: bytes,
            member_ahead: transactions,
            member_bytes_per_hour: None,
            ..self
        }
    }

    /// The same bounds without a share by the hour: a development chain's time stands still between its operator's moves.
    pub const fn without_hourly_share(self) -> Self {
        Self { member_bytes_per_hour: None, ..self }
    }
}

impl Default for PoolLimits {
    /// A quarter of the pool for a member; an hourly share that records 100,000 meters' hourly readings, or 30,000 payments.
    fn default() -> Self {
        Self {
            transactions: 8 * MAX_BLOCK_TRANSACTIONS,
            bytes: 64 * 1024 * 1024,
            member_transactions: 2 * MAX_BLOCK_TRANSACTIONS,
            member_bytes: 16 * 1024 * 1024,
            member_ahead: 64,
            member_bytes_per_hour: Some(8 * 1024 * 1024),
        }
    }
}

/// Why a transaction was not pooled. The sender may try again later where the reason is a bound.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolRefused {
    /// The pool holds as many transactions as it may.
    #[error("the pool is full: it holds {held} transactions and may hold {limit}")]
    Full {
        /// Transactions held.
        held: usize,
        /// Transactions allowed.
        limit: usize,
    },
    /// The pool holds as many bytes as it may.
    #[error("the pool is full: it holds {held} bytes, this transaction has {bytes} and {limit} are allowed")]
    FullBytes {
        /// Bytes held.
        held: usize,
        /// Bytes of this transaction.
        bytes: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The member has as many transactions waiting as it may.
    #[error("the member has {held} transactions waiting and may have {limit}: submit more when some are final")]
    MemberFull {
        /// Transactions of the member held.
        held: usize,
        /// Transactions of one member allowed.
        limit: usize,
    },
    /// The member has as many bytes of transactions waiting as it may.
    #[error(
        "the member has {held} bytes of transactions waiting, this one has {bytes} and {limit} are allowed: submit more when \
         some are final"
    )]
    MemberFullBytes {
        /// Bytes of the member held.
        held: usize,
        /// Bytes of this transaction.
        bytes: usize,
        /// Bytes of one member allowed.
        limit: usize,
    },
    /// An earlier nonce is missing, and as many transactions of the member wait for earlier nonces as may.
    #[error(
        "nonce {nonce} waits for nonce {missing} of the account, and {held} transactions of the member wait so; {limit} may: \
         submit an account's transactions in order"
    )]
    TooFarAhead {
        /// The transaction's nonce.
        nonce: u64,
        /// The nonce that is missing.
        missing: u64,
        /// Transactions of the member that wait for earlier nonces.
        held: usize,
        /// How many may.
        limit: usize,
    },
    /// The member has used up its share of the hour.
    #[error(
        "the member has used {used} bytes of its share of {limit} an hour, this transaction has {bytes}: submit more in {minutes} \
         minutes"
    )]
    ShareUsed {
        /// Bytes used and waiting.
        used: usize,
        /// Bytes of this transaction.
        bytes: usize,
        /// Bytes allowed in an hour.
        limit: usize,
        /// Minutes until this transaction fits, if no other comes first.
        minutes: usize,
    },
    /// Another transaction of the account waits with the same nonce.
    #[error("nonce {nonce} of the account is taken by the waiting transaction {waiting}")]
    DuplicateNonce {
        /// The nonce.
        nonce: u64,
        /// The transaction that waits with it.
        waiting: TransactionHash,
    },
    /// The account's transaction with this nonce is final already.
    #[error("nonce {nonce} of the account is used: the next one is {next}")]
    NonceTooOld {
        /// The transaction's nonce.
        nonce: u64,
        /// The account's next nonce.
        next: u64,
    },
    /// No block on the chain's tip could carry it.
    #[error(transparent)]
    Inadmissible(#[from] Inadmissible),
}

/// Why a transaction that was taken enters no block after all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Dropped {
    /// The ledger admits it to no block any more.
    #[error(transparent)]
    Inadmissible(#[from] Inadmissible),
    /// It waited for an earlier nonce, and the pool needed the room.
    #[error("nonce {nonce} waited for nonce {missing} of the account, and left when the pool needed the room")]
    Displaced {
        /// Its nonce.
        nonce: u64,
        /// The nonce that was missing.
        missing: u64,
    },
}

/// A transaction for a block, with its canonical bytes.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub transaction: VerifiedTransaction,
    pub bytes: Bytes,
}

/// What the ledger holds of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub member: MemberId,
    /// The account's next nonce.
    pub nonce: u64,
}

/// A transaction in a block, with the nonce of its account that it uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spent {
    hash: TransactionHash,
    account: AccountId,
    nonce: u64,
}

impl From<&VerifiedTransaction> for Spent {
    fn from(verified: &VerifiedTransaction) -> Self {
        Self { hash: verified.hash(), account: verified.account(), nonce: verified.transaction().nonce }
    }
}

impl Spent {
    /// What a final block's transaction used.
    pub fn of(body: &Body) -> Option<Self> {
        let transaction = SignedTransaction::decode(&body.bytes).ok()?.transaction;
        Some(Self { hash: body.hash, account: AccountId::of(&transaction.signer), nonce: transaction.nonce })
    }
}

struct Entry {
    candidate: Candidate,
    hash: TransactionHash,
    arrival: u64,
}

impl Entry {
    fn expires(&self) -> u64 {
        self.candidate.transaction.transaction().expires
    }

    fn weight(&self) -> Room {
        Room {
            count: 1,
            bytes: self.candidate.bytes.len() + TRANSACTION_OVERHEAD,
            work: self.candidate.transaction.transaction().action.work(),
        }
    }
}

/// An account's transactions by their nonces.
struct Waiting {
    member: MemberId,
    /// The account's next nonce at the tip. No entry is below it, save while a final block is being taken note of.
    next: u64,
    /// The first nonce from `next` on that is missing: what is below is ready, the others are ahead.
    missing: u64,
    /// Entries above `missing`.
    ahead: usize,
    entries: BTreeMap<u64, Entry>,
}

impl Waiting {
    fn new(Standing { member, nonce }: Standing) -> Self {
        Self { member, next: nonce, missing: nonce, ahead: 0, entries: BTreeMap::new() }
    }

    fn insert(&mut self, nonce: u64, entry: Entry) {
        self.entries.insert(nonce, entry);
        self.ahead += 1;
        self.close_gap();
    }

    fn remove(&mut self, nonce: u64) -> Option<Entry> {
        let entry = self.entries.remove(&nonce)?;
        if nonce > self.missing {
            self.ahead -= 1;
        } else if nonce >= self.next {
            self.ahead += (self.missing - nonce - 1) as usize;
            self.missing = nonce;
        }
        Some(entry)
    }

    /// The account's next nonce is `next` now.
    fn advance(&mut self, next: u64) {
        self.next = self.next.max(next);
        if self.missing < self.next {
            self.ahead -= self.entries.range(self.missing..self.next).count();
            self.missing = self.next;
            self.close_gap();
        }
    }

    fn close_gap(&mut self) {
        while self.entries.contains_key(&self.missing) {
            self.missing += 1;
            self.ahead -= 1;
        }
    }
}

/// What a member uses of the pool and of the chain.
#[derive(Default)]
struct Usage {
    held: usize,
    bytes: usize,
    ahead: usize,
    /// Bytes that entered blocks, less what has been allowed for since, as of a time of the chain.
    spent: usize,
    spent_at: Timestamp,
}

impl Usage {
    /// Bytes of the hourly share that are used at `now`.
    fn spent(&self, now: Timestamp, per_hour: usize) -> usize {
        let allowed = u128::from(now.0.saturating_sub(self.spent_at.0)) * per_hour as u128 / u128::from(HOUR_MS);
        self.spent.saturating_sub(usize::try_from(allowed).unwrap_or(usize::MAX))
    }

    const fn is_idle(&self) -> bool {
        self.held == 0 && self.spent == 0
    }
}

struct Draft {
    parent: sha256::Digest,
    height: u64,
    transactions: Vec<Spent>,
}

struct Inner {
    arrivals: u64,
    bytes: usize,
    /// Time of the last final block.
    time: Timestamp,
    accounts: HashMap<AccountId, Waiting, RandomState>,
    members: HashMap<MemberId, Usage, RandomState>,
    /// Accounts that have transactions ahead.
    ahead: BTreeSet<AccountId>,
    by_hash: HashMap<TransactionHash, (AccountId, u64), RandomState>,
    /// Whose transaction each arrival was, from `arrivals - queue.len()` on; `None` where it has left.
    queue: VecDeque<Option<AccountId>>,
    /// No transaction held expires below this height.
    expires_from: u64,
    drafts: HashMap<sha256::Digest, Draft>,
    /// What is known of accounts: the member where it was asked for, and the next nonce at the tip.
    standings: Recent<AccountId, (Option<MemberId>, u64)>,
    finished: Recent<TransactionHash, ()>,
    dropped: Recent<TransactionHash, Dropped>,
    drops: u64,
}

/// The pool of one node.
pub(crate) struct Pool {
    limits: PoolLimits,
    inner: Mutex<Inner>,
    /// Signalled when there may be something new to propose.
    pub changed: Notify,
    /// How many transactions were dropped.
    pub drops: latest::Sender<u64>,
}

/// What fits in a block.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Room {
    /// Transactions.
    pub count: usize,
    /// Their bytes, each with [`TRANSACTION_OVERHEAD`].
    pub bytes: usize,
    /// Their work.
    pub work: usize,
}

impl Room {
    /// Takes `weight` out, if there is so much.
    fn take(&mut self, weight: Self) -> bool {
        let fits = weight.count <= self.count && weight.bytes <= self.bytes && weight.work <= self.work;
        if fits {
            self.count -= weight.count;
            self.bytes -= weight.bytes;
            self.work -= weight.work;
        }
        fits
    }

    const fn shared_among(self, members: usize) -> Self {
        Self { count: self.count / members, bytes: self.bytes / members, work: self.work / members }
    }
}

impl Pool {
    pub fn new(limits: PoolLimits) -> Self {
        let inner = Inner {
            arrivals: 0,
            bytes: 0,
            time: Timestamp(0),
            accounts: HashMap::default(),
            members: HashMap::default(),
            ahead: BTreeSet::new(),
            by_hash: HashMap::default(),
            queue: VecDeque::new(),
            expires_from: u64::MAX,
            drafts: HashMap::new(),
            standings: Recent::new(MAX_REMEMBERED_ACCOUNTS),
            finished: Recent::new(MAX_REMEMBERED),
            dropped: Recent::new(MAX_DROPPED),
            drops: 0,
        };
        Self { limits, inner: Mutex::new(inner), changed: Notify::new(), drops: latest::Sender::new(0) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no holder of the pool's lock panics")
    }

    /// Transactions held.
    pub fn len(&self) -> usize {
        self.inner().by_hash.len()
    }

    /// Which transactions are held, or were recently in a final block.
    pub fn known(&self, hashes: &[TransactionHash]) -> Vec<bool> {
        let inner = self.inner();
        hashes.iter().map(|hash| inner.by_hash.contains_key(hash) || inner.finished.contains(hash)).collect()
    }

    /// What is known of accounts without asking the state.
    pub fn standings(&self, accounts: &[AccountId]) -> Vec<Option<Standing>> {
        let inner = self.inner();
        accounts.iter().map(|account| inner.standing(account)).collect()
    }

    /// Why a transaction that was held can enter no block; `None` if it is not among those dropped lately.
    pub fn dropped(&self, hash: &TransactionHash) -> Option<Dropped> {
        self.inner().dropped.get(hash).cloned()
    }

    /// Tells those who wait for transactions that some were dropped.
    fn report(&self, inner: MutexGuard<'_, Inner>) {
        let drops = inner.drops;
        drop(inner);
        self.drops.send_if_modified(|reported| {
            let more = drops > *reported;
            *reported = drops.max(*reported);
            more
        });
    }

    /// Takes verified transactions, each with what the tip's state holds of its account, answering for each; `height` is that of
    /// the next block. All that are taken become visible to a proposer at once, so that a batch below a block's bounds enters
    /// one block. A transaction that is held already, or was recently in a final block, is taken again without effect.
    pub fn insert(
        &self,
        candidates: Vec<(Candidate, Option<Standing>)>,
        height: u64,
    ) -> Vec<Result<TransactionHash, PoolRefused>> {
        let mut inner = self.inner();
        let insert = |(candidate, standing)| inner.insert(candidate, standing, height, &self.limits);
        let answers = candidates.into_iter().map(insert).collect();
        self.report(inner);
        self.changed.notify_waiters();
        answers
    }

    /// Whether a block of `height` on `parent` would have a transaction.
    pub fn has_ready(&self, parent: &sha256::Digest, height: u64) -> bool {
        let inner = self.inner();
        if inner.by_hash.is_empty() {
            return false;
        }
        let nexts = inner.drafted(parent);
        let mut queued = inner.queue.iter().flatten();
        queued.any(|account| inner.accounts[account].next_entry(nexts.get(account), height).is_some())
    }

    /// Transactions for a block of `height` on `parent`, as far as there is room, in the order of arrival. Where more are ready
    /// than fit, each member has its share before others have more.
    pub fn candidates(&self, parent: &sha256::Digest, height: u64, mut room: Room) -> Vec<Candidate> {
        let inner = self.inner();
        let mut nexts = inner.drafted(parent);
        let members = inner.members.values().filter(|usage| usage.held > usage.ahead).count();
        let share = room.shared_among(members.max(1));
        // What each member may still have before others have had theirs; none where it has used that up.
        let mut shares: HashMap<MemberId, Option<Room>, RandomState> = HashMap::default();
        let mut chosen: Vec<(usize, &Entry)> = Vec::new();
        for sharing in [true, false] {
            let taken: HashSet<usize, RandomState> = chosen.iter().map(|(place, _)| *place).collect();
            let mut passed_over = false;
            for (place, account) in inner.queue.iter().enumerate() {
                let Some(account) = account.filter(|_| sharing || !taken.contains(&place)) else { continue };
                let waiting = &inner.accounts[&account];
                let Some((nonce, entry)) = waiting.next_entry(nexts.get(&account), height) else { continue };
                let weight = entry.weight();
                if sharing {
                    let first = !shares.contains_key(&waiting.member);
                    let left = shares.entry(waiting.member).or_insert(Some(share));
                    // A member has at least one. What follows one that was passed over has to wait with it.
                    if !left.as_mut().is_some_and(|left| left.take(weight)) && !first {
                        *left = None;
                        passed_over = true;
                        continue;
                    }
                }
                if !room.take(weight) {
                    break;
                }
                chosen.push((place, entry));
                nexts.insert(account, nonce.saturating_add(1));
            }
            if !passed_over {
                break;
            }
        }
        chosen.sort_by_key(|(place, _)| *place);
        chosen.into_iter().map(|(_, entry)| entry.candidate.clone()).collect()
    }

    /// The verified form of a pooled transaction.
    pub fn verified(&self, hash: &TransactionHash) -> Option<VerifiedTransaction> {
        let inner = self.inner();
        let (account, nonce) = inner.by_hash.get(hash)?;
        Some(inner.accounts[account].entries[nonce].candidate.transaction.clone())
    }

    /// Drops candidates that a block could not take.
    pub fn unfit(&self, transactions: impl IntoIterator<Item = (TransactionHash, Inadmissible)>) {
        let mut inner = self.inner();
        transactions.into_iter().for_each(|(hash, reason)| inner.discard(hash, reason.into()));
        self.report(inner);
    }

    /// Records a block that was built or executed: it carries `transactions`.
    pub fn drafted(&self, digest: sha256::Digest, parent: sha256::Digest, height: u64, transactions: Vec<Spent>) {
        self.inner().drafts.insert(digest, Draft { parent, height, transactions });
    }

    /// Forgets what the final block `digest` carried, what can no longer follow it, and every draft of its height or below.
    /// What it carried is asked for only where this node has not executed it, or not since it was started.
    pub fn finalized(
        &self,
        digest: &sha256::Digest,
        height: u64,
        time: Timestamp,
        carried: impl FnOnce() -> Vec<Spent>,
    ) {
        let mut inner = self.inner();
        inner.time = inner.time.max(time);
        let carried = inner.drafts.remove(digest).map_or_else(carried, |draft| draft.transactions);
        carried.into_iter().for_each(|spent| inner.finish(spent, self.limits.member_bytes_per_hour));
        inner.expire(height.saturating_add(1));
        inner.drafts.retain(|_, draft| draft.height > height);
        inner.forget_idle_members(self.limits.member_bytes_per_hour);
        self.report(inner);
    }
}

impl Waiting {
    /// The transaction that a block of `height` could carry next, where `drafted` is the nonce after those in drafts below it.
    fn next_entry(&self, drafted: Option<&u64>, height: u64) -> Option<(u64, &Entry)> {
        let nonce = drafted.map_or(self.next, |drafted| self.next.max(*drafted));
        self.entries.get(&nonce).filter(|entry| entry.expires() >= height).map(|entry| (nonce, entry))
    }
}

impl Inner {
    fn standing(&self, account: &AccountId) -> Option<Standing> {
        if let Some(waiting) = self.accounts.get(account) {
            return Some(Standing { member: waiting.member, nonce: waiting.next });
        }
        let (member, nonce) = self.standings.get(account)?;
        Some(Standing { member: (*member)?, nonce: *nonce })
    }

    fn insert(
        &mut self,
        candidate: Candidate,
        standing: Option<Standing>,
        height: u64,
        limits: &PoolLimits,
    ) -> Result<TransactionHash, PoolRefused> {
        let hash = candidate.transaction.hash();
        if self.by_hash.contains_key(&hash) || self.finished.contains(&hash) {
            return Ok(hash);
        }
        let account = candidate.transaction.account();
        let (nonce, expires) = (candidate.transaction.transaction().nonce, candidate.transaction.transaction().expires);
        let Some(mut standing) = standing else { return Err(Inadmissible::UnknownAccount(account).into()) };
        // A block may have become final since the state was asked.
        standing.nonce = standing.nonce.max(self.standings.get(&account).map_or(0, |(_, next)| *next));
        if expires < height || expires > height.saturating_add(MAX_EXPIRY_BLOCKS) {
            return Err(Inadmissible::Expired { expires, height }.into());
        }
        if nonce < standing.nonce {
            return Err(PoolRefused::NonceTooOld { nonce, next: standing.nonce });
        }
        let waiting = self.accounts.get(&account);
        if let Some(entry) = waiting.and_then(|waiting| waiting.entries.get(&nonce)) {
            return Err(PoolRefused::DuplicateNonce { nonce, waiting: entry.hash });
        }
        let missing = waiting.map_or(standing.nonce, |waiting| waiting.missing);
        let bytes = candidate.bytes.len();
        let now = self.time;
        let usage = self.members.entry(standing.member).or_default();
        if usage.held >= limits.member_transactions {
            return Err(PoolRefused::MemberFull { held: usage.held, limit: limits.member_transactions });
        }
        if usage.bytes + bytes > limits.member_bytes {
            return Err(PoolRefused::MemberFullBytes { held: usage.bytes, bytes, limit: limits.member_bytes });
        }
        if let Some(limit) = limits.member_bytes_per_hour {
            let used = usage.spent(now, limit) + usage.bytes;
            if used + bytes > limit {
                let minutes = ((used + bytes - limit) * 60).div_ceil(limit.max(1));
                return Err(PoolRefused::ShareUsed { used, bytes, limit, minutes });
            }
        }
        if nonce > missing && usage.ahead >= limits.member_ahead {
            let (held, limit) = (usage.ahead, limits.member_ahead);
            return Err(PoolRefused::TooFarAhead { nonce, missing, held, limit });
        }
        if nonce == missing {
            while self.by_hash.len() >= limits.transactions || self.bytes + bytes > limits.bytes {
                if !self.displace(&account) {
                    break;
                }
            }
        }
        let held = self.by_hash.len();
        if held >= limits.transactions {
            return Err(PoolRefused::Full { held, limit: limits.transactions });
        }
        if self.bytes + bytes > limits.bytes {
            return Err(PoolRefused::FullBytes { held: self.bytes, bytes, limit: limits.bytes });
        }

        let arrival = self.arrivals;
        self.arrivals += 1;
        self.bytes += bytes;
        self.by_hash.insert(hash, (account, nonce));
        self.queue.push_back(Some(account));
        self.expires_from = self.expires_from.min(expires);
        self.dropped.forget(&hash);
        self.standings.note(account, (Some(standing.member), standing.nonce));
        let usage = self.members.entry(standing.member).or_default();
        usage.held += 1;
        usage.bytes += bytes;
        let entry = Entry { candidate, hash, arrival };
        self.change(account, || Waiting::new(standing), |waiting| waiting.insert(nonce, entry));
        Ok(hash)
    }

    /// Changes what waits of an account, and keeps count of what is ahead.
    fn change<T>(
        &mut self,
        account: AccountId,
        new: impl FnOnce() -> Waiting,
        change: impl FnOnce(&mut Waiting) -> T,
    ) -> T {
        let waiting = self.accounts.entry(account).or_insert_with(new);
        let before = waiting.ahead;
        let changed = change(waiting);
        let (member, after) = (waiting.member, waiting.ahead);
        if waiting.entries.is_empty() {
            self.accounts.remove(&account);
        }
        if after != before {
            let usage = self.members.entry(member).or_default();
            usage.ahead = usage.ahead + after - before;
            match after {
                0 => drop(self.ahead.remove(&account)),
                _ => drop(self.ahead.insert(account)),
            }
        }
        changed
    }

    /// Makes room: one that is ahead leaves, of another account than `account` if there is any.
    fn displace(&mut self, account: &AccountId) -> bool {
        let other = self.ahead.iter().rev().find(|other| *other != account).or(self.ahead.last());
        let Some(waiting) = other.and_then(|other| self.accounts.get(other)) else { return false };
        let missing = waiting.missing;
        let (nonce, entry) = waiting.entries.last_key_value().expect("an account with transactions ahead has some");
        let (nonce, hash) = (*nonce, entry.hash);
        self.discard(hash, Dropped::Displaced { nonce, missing });
        true
    }

    /// The next nonces of the accounts in the drafts from `parent` down to the last final block.
    fn drafted(&self, parent: &sha256::Digest) -> HashMap<AccountId, u64, RandomState> {
        let mut nexts = HashMap::default();
        let mut digest = *parent;
        while let Some(draft) = self.drafts.get(&digest) {
            for spent in &draft.transactions {
                let next = nexts.entry(spent.account).or_default();
                *next = spent.nonce.saturating_add(1).max(*next);
            }
            digest = draft.parent;
        }
        nexts
    }

    /// Takes a transaction out. Says whose it was, and its bytes.
    fn remove(&mut self, hash: &TransactionHash) -> Option<(MemberId, usize)> {
        let (account, nonce) = self.by_hash.remove(hash)?;
        let remove = |waiting: &mut Waiting| (waiting.member, waiting.remove(nonce));
        let (member, entry) = self.change(account, || unreachable!("each known hash has its account"), remove);
        let entry = entry.expect("each known hash has its entry");
        let bytes = entry.candidate.bytes.len();
        self.bytes -= bytes;
        let usage = self.members.get_mut(&member).expect("each member with transactions is counted");
        usage.held -= 1;
        usage.bytes -= bytes;
        let first = self.arrivals - self.queue.len() as u64;
        self.queue[(entry.arrival - first) as usize] = None;
        while self.queue.front().is_some_and(Option::is_none) {
            self.queue.pop_front();
        }
        Some((member, bytes))
    }

    /// Removes a transaction that can enter no block, if it is held, and remembers why.
    fn discard(&mut self, hash: TransactionHash, reason: Dropped) {
        if self.remove(&hash).is_some() {
            self.dropped.note(hash, reason);
            self.drops += 1;
        }
    }

    /// Removes a transaction that is final, and drops any of its account that its nonce made too old.
    fn finish(&mut self, Spent { hash, account, nonce }: Spent, per_hour: Option<usize>) {
        let expected = nonce.saturating_add(1);
        if self.accounts.contains_key(&account) {
            self.change(account, || unreachable!("it is there"), |waiting| waiting.advance(expected));
        }
        if let (Some((member, bytes)), Some(per_hour)) = (self.remove(&hash), per_hour) {
            let now = self.time;
            let usage = self.members.get_mut(&member).expect("each member with transactions is counted");
            usage.spent = usage.spent(now, per_hour).saturating_add(bytes);
            usage.spent_at = now;
        }
        self.dropped.forget(&hash);
        self.finished.note(hash, ());
        let waiting = self.accounts.get(&account).into_iter();
        let outdated: Vec<_> = waiting
            .flat_map(|waiting| waiting.entries.range(..=nonce))
            .map(|(nonce, entry)| (*nonce, entry.hash))
            .collect();
        for (found, hash) in outdated {
            self.discard(hash, Inadmissible::WrongNonce { found, expected }.into());
        }
        let (member, next) = self.standings.get(&account).copied().unwrap_or_default();
        self.standings.note(account, (member, next.max(expected)));
    }

    /// Drops what can enter no block of `height` or above, whether or not its turn would have come.
    fn expire(&mut self, height: u64) {
        if self.expires_from >= height {
            return;
        }
        let held = self.accounts.values().flat_map(|waiting| waiting.entries.values());
        let held = held.map(|entry| (entry.expires(), entry.hash));
        let (over, rest): (Vec<_>, Vec<_>) = held.partition(|(expires, _)| *expires < height);
        self.expires_from = rest.into_iter().map(|(expires, _)| expires).min().unwrap_or(u64::MAX);
        for (expires, hash) in over {
            self.discard(hash, Inadmissible::Expired { expires, height }.into());
        }
    }

    fn forget_idle_members(&mut self, per_hour: Option<usize>) {
        if self.members.len() > MAX_REMEMBERED_MEMBERS {
            let now = self.time;
            for usage in self.members.values_mut() {
                (usage.spent, usage.spent_at) = (per_hour.map_or(0, |per_hour| usage.spent(now, per_hour)), now);
            }
            self.members.retain(|_, usage| !usage.is_idle());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use commonware_parallel::Sequential;
    use commonware_utils::sys_rng;
    use utilidor_types::{
        AccountId, Action, ChainId, Money, PrivateKey, SignedTransaction, Text, Transaction, encode,
        transaction::verify_batch,
    };

    const CHAIN: ChainId = ChainId([1; 16]);
    const TIP: sha256::Digest = sha256::Digest([0; 32]);
    const DRAFT: sha256::Digest = sha256::Digest([1; 32]);

    fn candidate(account: u8, nonce: u64) -> Candidate {
        expiring(account, nonce, 9)
    }

    fn expiring(account: u8, nonce: u64, expires: u64) -> Candidate {
        let key = PrivateKey::ed25519([account; 32]);
        let action = Action::Transfer { to: AccountId([account; 32]), amount: Money(1), reference: Text::default() };
        let transaction = Transaction { chain: CHAIN, signer: key.public_key(), nonce, expires, action }.sign(&key);
        let bytes = Bytes::from(encode(&transaction));
        let transactions: Vec<SignedTransaction> = vec![transaction];
        let verified = verify_batch(CHAIN, transactions, &mut sys_rng(), &Sequential).remove(0).unwrap();
        Candidate { transaction: verified, bytes }
    }

    fn account(number: u8) -> AccountId {
        AccountId::of(&PrivateKey::ed25519([number; 32]).public_key())
    }

    /// Offers transactions of members that have one account each, whose next nonce is 0.
    fn offer(pool: &Pool, candidates: &[Candidate]) -> Vec<Result<TransactionHash, PoolRefused>> {
        let member = |candidate: &Candidate| MemberId(candidate.transaction.account().0[..16].try_into().unwrap());
        let standing = |candidate: &Candidate| Standing { member: member(candidate), nonce: 0 };
        offer_as(pool, candidates.iter().map(|one| (one.clone(), Some(standing(one)))).collect())
    }

    fn offer_as(
        pool: &Pool,
        candidates: Vec<(Candidate, Option<Standing>)>,
    ) -> Vec<Result<TransactionHash, PoolRefused>> {
        pool.insert(candidates, 1)
    }

    fn pool(candidates: &[Candidate]) -> Pool {
        limited(PoolLimits::default(), candidates)
    }

    fn limited(limits: PoolLimits, candidates: &[Candidate]) -> Pool {
        let pool = Pool::new(limits);
        let refused: Vec<_> = offer(&pool, candidates).into_iter().filter_map(Result::err).collect();
        assert_eq!(refused, []);
        pool
    }

    const WHOLE: Room = Room { count: usize::MAX, bytes: usize::MAX, work: usize::MAX };

    fn proposed(pool: &Pool, parent: &sha256::Digest) -> Vec<(AccountId, u64)> {
        proposed_in(pool, parent, WHOLE)
    }

    fn proposed_in(pool: &Pool, parent: &sha256::Digest, room: Room) -> Vec<(AccountId, u64)> {
        let candidates = pool.candidates(parent, 1, room);
        assert_eq!(pool.has_ready(parent, 1), !candidates.is_empty());
        let transaction =
            |candidate: Candidate| (candidate.transaction.account(), candidate.transaction.transaction().nonce);
        candidates.into_iter().map(transaction).collect()
    }

    fn finalized(pool: &Pool, digest: &sha256::Digest, height: u64, time: u64, candidates: &[&Candidate]) {
        let carried = || candidates.iter().map(|one| Spent::from(&one.transaction)).collect();
        pool.finalized(digest, height, Timestamp(time), carried);
    }

    fn drafted(pool: &Pool, digest: sha256::Digest, height: u64, candidates: &[&Candidate]) {
        pool.drafted(digest, TIP, height, candidates.iter().map(|one| Spent::from(&one.transaction)).collect());
    }

    #[test]
    fn a_drafted_transaction_is_not_proposed_on_top_of_its_draft_but_is_beside_it() {
        let [first, second] = [candidate(1, 0), candidate(1, 1)];
        let account = first.transaction.account();
        let pool = pool(&[first.clone(), second]);

        drafted(&pool, DRAFT, 1, &[&first]);

        assert_eq!(proposed(&pool, &DRAFT), [(account, 1)]);
        assert_eq!(proposed(&pool, &TIP), [(account, 0), (account, 1)], "the draft may fail");
        finalized(&pool, &DRAFT, 1, 0, &[]);
        assert_eq!(proposed(&pool, &DRAFT), [(account, 1)]);
        assert_eq!(pool.len(), 1);
    }

    #[test]
    fn an_account_is_served_in_the_order_of_nonces_and_accounts_in_the_order_of_arrival() {
        let pool = pool(&[candidate(2, 1), candidate(1, 0), candidate(2, 0)]);
        let [one, two] = [1, 2].map(account);

        assert_eq!(proposed(&pool, &TIP), [(two, 0), (one, 0), (two, 1)]);
    }

    #[test]
    fn a_transaction_ahead_of_its_nonce_waits_until_the_missing_one_is_pooled_drafted_or_final() {
        let [missing, ahead] = [candidate(1, 0), candidate(1, 1)];
        let both = [(account(1), 0), (account(1), 1)];
        let wait = || {
            let pool = pool(std::slice::from_ref(&ahead));
            assert_eq!(proposed(&pool, &TIP), []);
            pool
        };

        let pool = wait();
        offer(&pool, std::slice::from_ref(&missing)).remove(0).unwrap();
        assert_eq!(proposed(&pool, &TIP), both);

        // Other members' blocks carry what this node has never held.
        let pool = wait();
        drafted(&pool, DRAFT, 1, &[&missing]);
        assert_eq!(proposed(&pool, &DRAFT), both[1..]);
        assert_eq!(proposed(&pool, &TIP), []);

        let pool = wait();
        finalized(&pool, &DRAFT, 1, 0, &[&missing]);
        assert_eq!(proposed(&pool, &DRAFT), both[1..]);
    }

    #[test]
    fn a_block_takes_no_more_bytes_than_it_may() {
        let candidates = [candidate(1, 0), candidate(1, 1)];
        let room = candidates[0].bytes.len() + TRANSACTION_OVERHEAD;
        let pool = pool(&candidates);

        let work = candidates[0].transaction.transaction().action.work();
        let fitting = |count, bytes, work| pool.candidates(&TIP, 1, Room { count, bytes, work }).len();
        assert_eq!(fitting(usize::MAX, room, usize::MAX), 1);
        assert_eq!(fitting(usize::MAX, 2 * room, 2 * work), 2);
        assert_eq!(fitting(1, 2 * room, usize::MAX), 1);
        assert_eq!(fitting(usize::MAX, usize::MAX, 2 * work - 1), 1);
    }

    #[test]
    fn what_a_final_block_made_too_old_leaves_the_pool_with_a_reason() {
        let [rival, used, next] = [expiring(1, 3, 8), candidate(1, 3), candidate(1, 4)];
        let pool = pool(&[rival.clone(), next.clone()]);
        let drops = pool.drops.subscribe();
        let hashes = [&rival, &used, &next].map(|candidate| candidate.transaction.hash());

        // Another member's block carries what this node has never held.
        drafted(&pool, DRAFT, 1, &[&used]);
        finalized(&pool, &DRAFT, 1, 0, &[]);

        assert_eq!(pool.len(), 1);
        let reason = Dropped::from(Inadmissible::WrongNonce { found: 3, expected: 4 });
        assert_eq!(hashes.map(|hash| pool.dropped(&hash)), [Some(reason), None, None]);
        assert!(drops.has_changed().unwrap(), "whoever waits for it is told");
        assert_eq!(offer(&pool, &[used]).remove(0), Ok(hashes[1]), "it is known as final");
        assert_eq!(offer(&pool, &[candidate(1, 2)]).remove(0), Err(PoolRefused::NonceTooOld { nonce: 2, next: 4 }));
    }

    #[test]
    fn what_no_block_takes_is_dropped_with_the_ledgers_reason_until_it_is_submitted_again() {
        let one = candidate(1, 0);
        let hash = one.transaction.hash();
        let pool = pool(std::slice::from_ref(&one));
        let reason = Inadmissible::UnknownAccount(one.transaction.account());

        pool.unfit([(hash, reason.clone())]);
        assert_eq!((pool.len(), pool.dropped(&hash)), (0, Some(reason.into())));
        assert!(!pool.known(&[hash])[0]);

        offer(&pool, std::slice::from_ref(&one)).remove(0).unwrap();
        assert_eq!((pool.len(), pool.dropped(&hash)), (1, None));
        drafted(&pool, DRAFT, 1, &[&one]);
        finalized(&pool, &DRAFT, 1, 0, &[]);
        pool.unfit([(hash, Inadmissible::WrongNonce { found: 0, expected: 1 })]);
        assert_eq!(pool.dropped(&hash), None, "what is final is not dropped, whatever a late draft says");
    }

    #[test]
    fn what_waits_for_an_earlier_nonce_is_dropped_when_it_expires() {
        let [waiting, later] = [expiring(1, 5, 3), expiring(1, 6, 4)];
        let hash = waiting.transaction.hash();
        let pool = pool(&[waiting, later]);

        finalized(&pool, &DRAFT, 2, 0, &[]);
        assert_eq!(pool.len(), 2);
        finalized(&pool, &DRAFT, 3, 0, &[]);
        assert_eq!(pool.dropped(&hash), Some(Inadmissible::Expired { expires: 3, height: 4 }.into()));
        assert_eq!(pool.len(), 1);
    }

    #[test]
    fn one_member_cannot_fill_the_pool_for_all_whatever_accounts_it_opens() {
        let limits = PoolLimits { transactions: 20, member_transactions: 8, member_ahead: 3, ..PoolLimits::default() };
        let pool = Pool::new(limits);
        let member = Some(Standing { member: MemberId([9; 16]), nonce: 0 });

        // Nine accounts, each with a first nonce that is missing.
        let ahead = (1..=9).flat_map(|number| [1, 2].map(|nonce| (candidate(number, nonce), member))).collect();
        let answers = offer_as(&pool, ahead);
        assert!(answers[..3].iter().all(Result::is_ok));
        let refused = PoolRefused::TooFarAhead { nonce: 2, missing: 0, held: 3, limit: 3 };
        assert_eq!(answers[3], Err(refused), "three of the member's transactions wait for earlier nonces");
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 3);

        let ready = (20..=29).map(|number| (candidate(number, 0), member)).collect();
        let answers = offer_as(&pool, ready);
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 5);
        assert_eq!(answers[5], Err(PoolRefused::MemberFull { held: 8, limit: 8 }));
        let bytes = PoolLimits { member_bytes: candidate(1, 0).bytes.len(), ..limits };
        let refused = offer(&limited(bytes, &[candidate(1, 0)]), &[candidate(1, 1)]).remove(0);
        assert!(matches!(refused, Err(PoolRefused::MemberFullBytes { .. })));

        assert!(offer(&pool, &[candidate(40, 0)])[0].is_ok(), "another member is not affected");
    }

    #[test]
    fn what_is_ahead_of_its_nonce_makes_room_for_what_is_ready_and_is_told_so() {
        let limits = PoolLimits { transactions: 4, ..PoolLimits::default() };
        let ahead = [candidate(1, 1), candidate(1, 2), candidate(2, 5)];
        let pool = limited(limits, &ahead);
        offer(&pool, &[candidate(3, 0)]).remove(0).unwrap();

        let full = PoolRefused::Full { held: 4, limit: 4 };
        assert_eq!(offer(&pool, &[candidate(4, 1)]).remove(0), Err(full.clone()), "what is ahead displaces nothing");
        for number in [5, 6, 7] {
            offer(&pool, &[candidate(number, 0)]).remove(0).unwrap();
        }
        assert_eq!(offer(&pool, &[candidate(8, 0)]).remove(0), Err(full));
        assert_eq!(proposed(&pool, &TIP), [3, 5, 6, 7].map(|number| (account(number), 0)));
        let reasons = ahead.map(|one| pool.dropped(&one.transaction.hash()).unwrap());
        assert!(reasons.contains(&Dropped::Displaced { nonce: 5, missing: 0 }));
        assert_eq!(*pool.drops.subscribe().borrow(), 3);
    }

    #[test]
    fn nobodys_many_transactions_hold_up_anothers_few() {
        let many: Vec<_> = (0..6).map(|nonce| candidate(1, nonce)).collect();
        let pool = pool(&many);
        assert!(offer(&pool, &[candidate(2, 0), candidate(3, 0), candidate(3, 1)]).iter().all(Result::is_ok));
        let [one, two, three] = [1, 2, 3].map(account);
        let room = |count| Room { count, ..WHOLE };

        let whole = proposed(&pool, &TIP);
        assert_eq!(
            whole[..6],
            [0, 1, 2, 3, 4, 5].map(|nonce| (one, nonce)),
            "there is room for all: in order of arrival"
        );
        let six = [(one, 0), (one, 1), (one, 2), (two, 0), (three, 0), (three, 1)];
        assert_eq!(proposed_in(&pool, &TIP, room(6)), six, "two for each, and the rest to who came first");
        assert_eq!(proposed_in(&pool, &TIP, room(3)), [(one, 0), (two, 0), (three, 0)]);
        assert_eq!(proposed_in(&pool, &TIP, room(2)), [(one, 0), (two, 0)]);
    }

    #[test]
    fn a_member_brings_no_more_to_the_chain_in_an_hour_than_its_share() {
        let one = candidate(1, 0);
        let bytes = one.bytes.len();
        let limits = PoolLimits { member_bytes_per_hour: Some(2 * bytes), ..PoolLimits::default() };
        let pool = limited(limits, &[one.clone(), candidate(1, 1)]);
        let next = || offer(&pool, &[candidate(1, 2)]).remove(0);

        let refused = |used, minutes| Err(PoolRefused::ShareUsed { used, bytes, limit: 2 * bytes, minutes });
        assert_eq!(next(), refused(2 * bytes, 30), "what waits counts");
        finalized(&pool, &DRAFT, 1, 1_000_000, &[&one, &candidate(1, 1)]);
        assert_eq!(next(), refused(2 * bytes, 30), "what is final counts");
        assert!(offer(&pool, &[candidate(2, 0)])[0].is_ok(), "another member has its own");
        finalized(&pool, &DRAFT, 2, 1_000_000 + HOUR_MS / 4, &[]);
        assert_eq!(next(), refused(2 * bytes - bytes / 2, 15));
        finalized(&pool, &DRAFT, 3, 1_000_000 + HOUR_MS / 2, &[]);
        assert!(next().is_ok());
    }

    #[test]
    fn what_no_block_on_the_tip_could_carry_is_not_pooled() {
        let pool = Pool::new(PoolLimits::default());
        let standing = Some(Standing { member: MemberId([1; 16]), nonce: 4 });
        let refused = |candidate: Candidate, standing| {
            let answer = pool.insert(vec![(candidate, standing)], 3).remove(0);
            assert!(!pool.has_ready(&TIP, 3));
            answer.unwrap_err()
        };

        assert_eq!(refused(candidate(1, 0), None), Inadmissible::UnknownAccount(account(1)).into());
        assert_eq!(refused(expiring(1, 4, 2), standing), Inadmissible::Expired { expires: 2, height: 3 }.into());
        let expires = 4 + MAX_EXPIRY_BLOCKS;
        assert_eq!(refused(expiring(1, 4, expires), standing), Inadmissible::Expired { expires, height: 3 }.into());
        assert_eq!(refused(candidate(1, 3), standing), PoolRefused::NonceTooOld { nonce: 3, next: 4 });
        assert_eq!(pool.len(), 0);
    }

    #[test]
    fn what_has_expired_by_the_next_block_is_no_reason_for_one() {
        let pool = pool(&[expiring(1, 0, 1)]);

        assert!(pool.has_ready(&TIP, 1));
        assert!(!pool.has_ready(&DRAFT, 2));
        assert!(pool.candidates(&DRAFT, 2, WHOLE).is_empty());
    }
}
