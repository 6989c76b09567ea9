//! Verified transactions that wait for a block, and the blocks that are on their way to being final.
//!
//! *pool* bounded by count and bytes, and per account; an account's transactions leave it in the order of their nonces,
//! accounts in the order of arrival. *draft* a block that this node built or executed and that is not final yet: its
//! transactions stay pooled, because the block may still fail, but are not proposed again on top of it. *set aside* a
//! transaction whose turn has not come (an earlier nonce is missing); it waits until its account moves.
//!
//! A transaction leaves the pool when a final block carries it, or when it can no longer enter any block: then it is *dropped*,
//! and the reason is remembered for a while. Nothing is kept across restarts: a client submits again until it has a receipt.

use bytes::Bytes;
use commonware_cryptography::sha256;
use foldhash::fast::RandomState;
use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::{Mutex, MutexGuard},
};
use tokio::sync::{Notify, watch};
use utilidor_ledger::Inadmissible;
use utilidor_types::{AccountId, TransactionHash, VerifiedTransaction};

use crate::{block::TRANSACTION_OVERHEAD, recent::Recent};

/// Recently finished transactions that the pool remembers, to answer repeated submissions.
const MAX_REMEMBERED: usize = 65_536;

/// Dropped transactions whose reason the pool remembers.
const MAX_DROPPED: usize = 10_000;

/// Accounts whose next nonce the pool remembers.
const MAX_REMEMBERED_ACCOUNTS: usize = 65_536;

/// Bounds of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// Most transactions.
    pub transactions: usize,
    /// Most bytes of transactions.
    pub bytes: usize,
    /// Most transactions of one account.
    pub per_account: usize,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self { transactions: 32_768, bytes: 64 * 1024 * 1024, per_account: 4_096 }
    }
}

/// Why a transaction was not pooled. The sender may try again later where the reason is a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
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
    /// The account has as many transactions waiting as it may.
    #[error("the account has {held} transactions waiting and may have {limit}")]
    AccountFull {
        /// Transactions of the account held.
        held: usize,
        /// Transactions of one account allowed.
        limit: usize,
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
}

/// A transaction for a block, with its canonical bytes.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub transaction: VerifiedTransaction,
    pub bytes: Bytes,
}

/// What becomes of a candidate that a block could not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// Its turn has not come.
    NotYet,
    /// It can enter no later block either.
    Never(Inadmissible),
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

struct Entry {
    candidate: Candidate,
    hash: TransactionHash,
    arrival: u64,
    set_aside: bool,
}

/// An account's transactions by their nonces.
#[derive(Default)]
struct Waiting {
    entries: BTreeMap<u64, Entry>,
    set_aside: usize,
}

struct Draft {
    parent: sha256::Digest,
    height: u64,
    transactions: Vec<Spent>,
}

struct Inner {
    arrivals: u64,
    bytes: usize,
    set_aside: usize,
    accounts: HashMap<AccountId, Waiting, RandomState>,
    by_hash: HashMap<TransactionHash, (AccountId, u64), RandomState>,
    /// Whose transaction each arrival was, from `arrivals - queue.len()` on; `None` where it has left.
    queue: VecDeque<Option<AccountId>>,
    /// No transaction held expires below this height.
    expires_from: u64,
    drafts: HashMap<sha256::Digest, Draft>,
    next_nonces: HashMap<AccountId, u64, RandomState>,
    finished: Recent<TransactionHash, ()>,
    dropped: Recent<TransactionHash, Inadmissible>,
    drops: u64,
}

/// The pool of one node.
pub(crate) struct Pool {
    limits: PoolLimits,
    inner: Mutex<Inner>,
    /// Signalled when there may be something new to propose.
    pub changed: Notify,
    /// How many transactions were dropped.
    pub drops: watch::Sender<u64>,
}

/// What fits in a block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    /// Transactions.
    pub count: usize,
    /// Their bytes, each with [`TRANSACTION_OVERHEAD`].
    pub bytes: usize,
    /// Their work.
    pub work: usize,
}

impl Pool {
    pub fn new(limits: PoolLimits) -> Self {
        let inner = Inner {
            arrivals: 0,
            bytes: 0,
            set_aside: 0,
            accounts: HashMap::default(),
            by_hash: HashMap::default(),
            queue: VecDeque::new(),
            expires_from: u64::MAX,
            drafts: HashMap::new(),
            next_nonces: HashMap::default(),
            finished: Recent::new(MAX_REMEMBERED),
            dropped: Recent::new(MAX_DROPPED),
            drops: 0,
        };
        Self { limits, inner: Mutex::new(inner), changed: Notify::new(), drops: watch::Sender::new(0) }
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

    /// Why a transaction that was held can enter no block; `None` if it is not among those dropped lately.
    pub fn dropped(&self, hash: &TransactionHash) -> Option<Inadmissible> {
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

    /// Takes verified transactions, answering for each. All that are taken become visible to a proposer at once, so that a
    /// batch below a block's bounds enters one block. A transaction that is held already, or was recently in a final block, is
    /// taken again without effect.
    pub fn insert(&self, candidates: Vec<Candidate>) -> Vec<Result<TransactionHash, PoolRefused>> {
        let mut inner = self.inner();
        let answers = candidates.into_iter().map(|candidate| inner.insert(candidate, &self.limits)).collect();
        drop(inner);
        self.changed.notify_waiters();
        answers
    }

    /// Whether a block on `parent` would have a transaction to try.
    pub fn has_ready(&self, parent: &sha256::Digest) -> bool {
        let inner = self.inner();
        let waiting = inner.by_hash.len() - inner.set_aside;
        if waiting == 0 {
            return false;
        }
        let drafted = inner.drafted(parent);
        waiting > drafted.len() || waiting > drafted.iter().filter(|hash| inner.by_hash.contains_key(*hash)).count()
    }

    /// Transactions to try in a block on `parent`, as far as there is room.
    pub fn candidates(&self, parent: &sha256::Digest, room: Room) -> Vec<Candidate> {
        let inner = self.inner();
        let drafted = inner.drafted(parent);
        let mut chosen = Vec::new();
        let mut taken = Room { count: 0, bytes: 0, work: 0 };
        let mut cursors: HashMap<AccountId, u64, RandomState> = HashMap::default();
        for account in inner.queue.iter().flatten() {
            let cursor = cursors.entry(*account).or_default();
            let Some((nonce, entry)) = inner.accounts[account]
                .entries
                .range(*cursor..)
                .find(|(_, entry)| !entry.set_aside && !drafted.contains(&entry.hash))
            else {
                continue;
            };
            taken.count += 1;
            taken.bytes += entry.candidate.bytes.len() + TRANSACTION_OVERHEAD;
            taken.work += entry.candidate.transaction.transaction().action.work();
            if taken.count > room.count || taken.bytes > room.bytes || taken.work > room.work {
                break;
            }
            chosen.push(entry.candidate.clone());
            *cursor = nonce.saturating_add(1);
        }
        chosen
    }

    /// The verified form of a pooled transaction.
    pub fn verified(&self, hash: &TransactionHash) -> Option<VerifiedTransaction> {
        let inner = self.inner();
        let (account, nonce) = inner.by_hash.get(hash)?;
        Some(inner.accounts[account].entries[nonce].candidate.transaction.clone())
    }

    /// Deals with candidates that a block could not take.
    pub fn unfit(&self, transactions: impl IntoIterator<Item = (TransactionHash, Unfit)>) {
        let mut inner = self.inner();
        for (hash, unfit) in transactions {
            match unfit {
                Unfit::Never(reason) => inner.discard(hash, reason),
                Unfit::NotYet => inner.set_aside(&hash),
            }
        }
        self.report(inner);
    }

    /// Records a block that was built or executed: it carries `transactions`.
    pub fn drafted(&self, digest: sha256::Digest, parent: sha256::Digest, height: u64, transactions: Vec<Spent>) {
        let mut inner = self.inner();
        for spent in &transactions {
            inner.reconsider(&spent.account);
        }
        inner.drafts.insert(digest, Draft { parent, height, transactions });
    }

    /// Forgets what the final block `digest` carried, what can no longer follow it, and every draft of its height or below.
    pub fn finalized(
        &self,
        digest: &sha256::Digest,
        height: u64,
        transactions: impl IntoIterator<Item = TransactionHash>,
    ) {
        let mut inner = self.inner();
        match inner.drafts.remove(digest) {
            Some(draft) => draft.transactions.into_iter().for_each(|spent| inner.finish(spent)),
            // The node synchronised its state, or executed the block before it was restarted.
            None => transactions.into_iter().for_each(|hash| inner.finish_unseen(hash)),
        }
        inner.expire(height.saturating_add(1));
        inner.drafts.retain(|_, draft| draft.height > height);
        self.report(inner);
    }
}

impl Inner {
    fn insert(&mut self, candidate: Candidate, limits: &PoolLimits) -> Result<TransactionHash, PoolRefused> {
        let hash = candidate.transaction.hash();
        if self.by_hash.contains_key(&hash) || self.finished.contains(&hash) {
            return Ok(hash);
        }
        let account = candidate.transaction.account();
        let nonce = candidate.transaction.transaction().nonce;
        if let Some(&next) = self.next_nonces.get(&account)
            && nonce < next
        {
            return Err(PoolRefused::NonceTooOld { nonce, next });
        }
        let waiting = self.accounts.get(&account);
        if let Some(entry) = waiting.and_then(|waiting| waiting.entries.get(&nonce)) {
            return Err(PoolRefused::DuplicateNonce { nonce, waiting: entry.hash });
        }
        let held = waiting.map_or(0, |waiting| waiting.entries.len());
        if held >= limits.per_account {
            return Err(PoolRefused::AccountFull { held, limit: limits.per_account });
        }
        let held = self.by_hash.len();
        if held >= limits.transactions {
            return Err(PoolRefused::Full { held, limit: limits.transactions });
        }
        let bytes = candidate.bytes.len();
        if self.bytes + bytes > limits.bytes {
            return Err(PoolRefused::FullBytes { held: self.bytes, bytes, limit: limits.bytes });
        }

        let arrival = self.arrivals;
        self.arrivals += 1;
        self.bytes += bytes;
        self.by_hash.insert(hash, (account, nonce));
        self.queue.push_back(Some(account));
        self.expires_from = self.expires_from.min(candidate.transaction.transaction().expires);
        self.dropped.forget(&hash);
        let entry = Entry { candidate, hash, arrival, set_aside: false };
        self.accounts.entry(account).or_default().entries.insert(nonce, entry);
        self.reconsider(&account);
        Ok(hash)
    }

    /// Transactions of the drafts from `parent` down to the last final block.
    fn drafted(&self, parent: &sha256::Digest) -> HashSet<TransactionHash, RandomState> {
        let mut hashes = HashSet::default();
        let mut digest = *parent;
        while let Some(draft) = self.drafts.get(&digest) {
            hashes.extend(draft.transactions.iter().map(|spent| spent.hash));
            digest = draft.parent;
        }
        hashes
    }

    fn set_aside(&mut self, hash: &TransactionHash) {
        let Some((account, nonce)) = self.by_hash.get(hash) else { return };
        let waiting = self.accounts.get_mut(account).expect("each known hash has its account");
        let entry = waiting.entries.get_mut(nonce).expect("each known hash has its entry");
        if !entry.set_aside {
            entry.set_aside = true;
            waiting.set_aside += 1;
            self.set_aside += 1;
        }
    }

    /// Gives an account's transactions that were set aside another chance.
    fn reconsider(&mut self, account: &AccountId) {
        let Some(waiting) = self.accounts.get_mut(account) else { return };
        if waiting.set_aside > 0 {
            self.set_aside -= std::mem::take(&mut waiting.set_aside);
            waiting.entries.values_mut().for_each(|entry| entry.set_aside = false);
        }
    }

    fn remove(&mut self, hash: &TransactionHash) {
        let Some((account, nonce)) = self.by_hash.remove(hash) else { return };
        let waiting = self.accounts.get_mut(&account).expect("each known hash has its account");
        let entry = waiting.entries.remove(&nonce).expect("each known hash has its entry");
        self.bytes -= entry.candidate.bytes.len();
        self.set_aside -= usize::from(entry.set_aside);
        waiting.set_aside -= usize::from(entry.set_aside);
        if waiting.entries.is_empty() {
            self.accounts.remove(&account);
        }
        let first = self.arrivals - self.queue.len() as u64;
        self.queue[(entry.arrival - first) as usize] = None;
        while self.queue.front().is_some_and(Option::is_none) {
            self.queue.pop_front();
        }
    }

    /// Removes a transaction that can enter no block, if it is held, and remembers why.
    fn discard(&mut self, hash: TransactionHash, reason: Inadmissible) {
        if self.by_hash.contains_key(&hash) {
            self.remove(&hash);
            self.dropped.note(hash, reason);
            self.drops += 1;
        }
    }

    /// Removes a transaction that is final, and drops any of its account that its nonce made too old.
    fn finish(&mut self, Spent { hash, account, nonce }: Spent) {
        self.finish_unseen(hash);
        let expected = nonce.saturating_add(1);
        let waiting = self.accounts.get(&account).into_iter();
        let outdated: Vec<_> = waiting
            .flat_map(|waiting| waiting.entries.range(..=nonce))
            .map(|(nonce, entry)| (*nonce, entry.hash))
            .collect();
        for (found, hash) in outdated {
            self.discard(hash, Inadmissible::WrongNonce { found, expected });
        }
        if self.next_nonces.len() >= MAX_REMEMBERED_ACCOUNTS {
            self.next_nonces.clear();
        }
        self.next_nonces.insert(account, expected);
    }

    /// Removes a transaction that is final, of which nothing but its hash may be known.
    fn finish_unseen(&mut self, hash: TransactionHash) {
        self.remove(&hash);
        self.dropped.forget(&hash);
        self.finished.note(hash, ());
    }

    /// Drops what can enter no block of `height` or above, whether or not its turn would have come.
    fn expire(&mut self, height: u64) {
        if self.expires_from >= height {
            return;
        }
        let held = self.accounts.values().flat_map(|waiting| waiting.entries.values());
        let held = held.map(|entry| (entry.candidate.transaction.transaction().expires, entry.hash));
        let (over, rest): (Vec<_>, Vec<_>) = held.partition(|(expires, _)| *expires < height);
        self.expires_from = rest.into_iter().map(|(expires, _)| expires).min().unwrap_or(u64::MAX);
        for (expires, hash) in over {
            self.discard(hash, Inadmissible::Expired { expires, height });
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

    fn pool(candidates: &[Candidate]) -> Pool {
        let pool = Pool::new(PoolLimits::default());
        assert!(pool.insert(candidates.to_vec()).iter().all(Result::is_ok));
        pool
    }

    fn proposed(pool: &Pool, parent: &sha256::Digest) -> Vec<(AccountId, u64)> {
        let candidates = pool.candidates(parent, Room { count: usize::MAX, bytes: usize::MAX, work: usize::MAX });
        assert_eq!(pool.has_ready(parent), !candidates.is_empty());
        let transaction =
            |candidate: Candidate| (candidate.transaction.account(), candidate.transaction.transaction().nonce);
        candidates.into_iter().map(transaction).collect()
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
        pool.finalized(&DRAFT, 1, [first.transaction.hash()]);
        assert_eq!(proposed(&pool, &DRAFT), [(account, 1)]);
        assert_eq!(pool.len(), 1);
    }

    #[test]
    fn an_account_is_served_in_the_order_of_nonces_and_accounts_in_the_order_of_arrival() {
        let candidates = [candidate(2, 1), candidate(1, 0), candidate(2, 0)];
        let [two, one] = [candidates[0].transaction.account(), candidates[1].transaction.account()];
        let pool = pool(&candidates);

        assert_eq!(proposed(&pool, &TIP), [(two, 0), (one, 0), (two, 1)]);
    }

    #[test]
    fn a_transaction_set_aside_waits_until_its_account_moves() {
        let [waiting, missing] = [candidate(1, 1), candidate(1, 0)];
        let account = waiting.transaction.account();
        let pool = pool(std::slice::from_ref(&waiting));

        pool.unfit([(waiting.transaction.hash(), Unfit::NotYet)]);
        assert_eq!(proposed(&pool, &TIP), []);
        pool.insert(vec![missing]).remove(0).unwrap();
        assert_eq!(proposed(&pool, &TIP), [(account, 0), (account, 1)]);
    }

    #[test]
    fn a_block_takes_no_more_bytes_than_it_may() {
        let candidates = [candidate(1, 0), candidate(1, 1)];
        let room = candidates[0].bytes.len() + TRANSACTION_OVERHEAD;
        let pool = pool(&candidates);

        let work = candidates[0].transaction.transaction().action.work();
        let fitting = |count, bytes, work| pool.candidates(&TIP, Room { count, bytes, work }).len();
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
        pool.finalized(&DRAFT, 1, [hashes[1]]);

        assert_eq!(pool.len(), 1);
        let reason = Inadmissible::WrongNonce { found: 3, expected: 4 };
        assert_eq!(hashes.map(|hash| pool.dropped(&hash)), [Some(reason), None, None]);
        assert!(drops.has_changed().unwrap(), "whoever waits for it is told");
        assert_eq!(pool.insert(vec![used]).remove(0), Ok(hashes[1]), "it is known as final");
        assert_eq!(pool.insert(vec![candidate(1, 2)]).remove(0), Err(PoolRefused::NonceTooOld { nonce: 2, next: 4 }));
    }

    #[test]
    fn what_no_block_takes_is_dropped_with_the_ledgers_reason_until_it_is_submitted_again() {
        let one = candidate(1, 0);
        let hash = one.transaction.hash();
        let pool = pool(std::slice::from_ref(&one));
        let reason = Inadmissible::UnknownAccount(one.transaction.account());

        pool.unfit([(hash, Unfit::Never(reason.clone()))]);
        assert_eq!((pool.len(), pool.dropped(&hash)), (0, Some(reason)));
        assert!(!pool.known(&[hash])[0]);

        pool.insert(vec![one.clone()]).remove(0).unwrap();
        assert_eq!((pool.len(), pool.dropped(&hash)), (1, None));
        drafted(&pool, DRAFT, 1, &[&one]);
        pool.finalized(&DRAFT, 1, [hash]);
        pool.unfit([(hash, Unfit::Never(Inadmissible::WrongNonce { found: 0, expected: 1 }))]);
        assert_eq!(pool.dropped(&hash), None, "what is final is not dropped, whatever a late draft says");
    }

    #[test]
    fn what_waits_for_an_earlier_nonce_is_dropped_when_it_expires() {
        let [waiting, later] = [expiring(1, 5, 3), expiring(1, 6, 4)];
        let hash = waiting.transaction.hash();
        let pool = pool(&[waiting, later]);
        pool.unfit([(hash, Unfit::NotYet)]);

        pool.finalized(&DRAFT, 2, []);
        assert_eq!(pool.len(), 2);
        pool.finalized(&DRAFT, 3, []);
        assert_eq!(pool.dropped(&hash), Some(Inadmissible::Expired { expires: 3, height: 4 }));
        assert_eq!(pool.len(), 1);
    }
}
