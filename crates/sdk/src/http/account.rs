//! An account that acts: a key, a node, and the number of the next transaction.
//!
//! ```text
//! action -> size checked -> nonce, expiry -> signed -> submitted (again, if need be) -> final -> receipt
//! ```
//!
//! An account's submissions follow one another: the second begins when the first is final. Many actions at once go through
//! [`Account::submit_many`] or, for several accounts, [`submit_all`]: they enter as few requests and blocks as they fit in.
//! After any error the next submission asks the node for the nonce again.

use super::client::{Client, ClientError};
use crate::core::signer::{SignedBytes, Signer};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, OwnedMutexGuard};
use utilidor_types::transaction::MAX_TRANSACTION_BYTES;
use utilidor_types::{
    AccountId, Action, ChainId, Event, PrivateKey, PublicKey, Receipt, Refusal, Transaction, TransactionHash, Verdict,
};
use utilidor_view::limits::{MAX_SUBMISSION_BYTES, MAX_SUBMISSION_TRANSACTIONS, MAX_WAIT_MS};
use utilidor_view::{AccountView, Code, Problem, SubmissionResult};

/// For how many blocks a transaction can wait to enter one.
pub const EXPIRY_BLOCKS: u64 = 20_000;
/// For how long a transaction is waited for before it counts as not final.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// After how long whoever submits is told which transactions are waited for ([`Client::telling_of_waits`]).
pub const TELL_AFTER: Duration = Duration::from_secs(2);
/// How often a transaction is offered to a node whose pool is full, or signed anew for another nonce.
const MAX_OFFERS: u32 = 8;
/// The first pause before offering again; each later one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// How often a node is asked about a transaction that it does not let the client wait for.
const BETWEEN_QUESTIONS: Duration = Duration::from_millis(500);
/// The node's code where as many clients as allowed are being served.
const TOO_MANY_CLIENTS: &str = Code::TooManyClients.code();
/// Bytes of a transaction's length in a submission.
const LENGTH_BYTES: usize = 4;

/// A transaction that is final, whatever the ledger made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The transaction.
    pub hash: TransactionHash,
    /// The block that carries it.
    pub height: u64,
    /// What the ledger answered.
    pub receipt: Receipt,
}

impl Done {
    /// What followed; none if it was refused.
    pub fn events(&self) -> &[Event] {
        self.receipt.events()
    }

    /// This, or the refusal as an error.
    pub fn applied(self) -> Result<Self, SubmitError> {
        match self.receipt.verdict {
            Verdict::Applied(_) => Ok(self),
            Verdict::Refused(refusal) => Err(SubmitError::Refused { hash: self.hash, height: self.height, refusal }),
        }
    }
}

/// Why an action did not happen, or is not known to have happened.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SubmitError {
    /// A rule of the ledger forbids it. The transaction is final; nothing but the nonce has changed.
    #[error("{refusal}")]
    Refused {
        /// The transaction.
        hash: TransactionHash,
        /// The block that carries it.
        height: u64,
        /// The rule, with the values that were compared.
        refusal: Refusal,
    },
    /// The node did not take the transaction.
    #[error("{0}")]
    NotTaken(Problem),
    /// The transaction is longer than any may be.
    #[error("the transaction has {bytes} bytes, at most {MAX_TRANSACTION_BYTES} are allowed")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The node could not be asked, or its answer is missing.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A quote could not be sealed.
    #[error(transparent)]
    Seal(#[from] crate::core::seal::SealError),
    /// A list is longer than the ledger takes.
    #[error(transparent)]
    TooMany(#[from] utilidor_types::encoding::TooLong),
    /// The machine gave no random bytes.
    #[error(transparent)]
    NoRandomness(#[from] crate::core::random::NoRandomness),
    /// A quote could not be made.
    #[error(transparent)]
    Opening(#[from] crate::core::random::OpeningError),
}

impl SubmitError {
    /// The stable code: the ledger's for a refusal, the node's for a problem.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { refusal, .. } => Some(refusal.code()),
            Self::NotTaken(problem) => Some(&problem.code),
            Self::Client(error) => error.code(),
            _ => None,
        }
    }

    /// The ledger's refusal, if it is one.
    pub const fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused { refusal, .. } => Some(refusal),
            _ => None,
        }
    }
}

/// An account that acts. Clones share the key and the nonce.
#[derive(Clone, Debug)]
pub struct Account {
    client: Client,
    signer: Arc<Signer>,
    nonce: Arc<Mutex<Option<u64>>>,
}

impl Account {
    /// The account of `key` on the chain of `client`'s node.
    pub async fn open(client: Client, key: PrivateKey) -> Result<Self, ClientError> {
        let chain = client.status().await?.chain;
        Ok(Self::on_chain(client, chain, key))
    }

    /// The account of `key` on a chain that is known already. Asks the node nothing. Unless the client is somebody in particular,
    /// it asks as this account from now on.
    pub fn on_chain(client: Client, chain: ChainId, key: PrivateKey) -> Self {
        let client = if client.has_identity() { client } else { client.acting_as(key.clone()) };
        Self { client, signer: Arc::new(Signer::new(chain, key)), nonce: Arc::default() }
    }

    /// Its id.
    pub fn id(&self) -> AccountId {
        self.signer.account()
    }

    /// Its public key.
    pub fn public_key(&self) -> PublicKey {
        self.signer.public_key()
    }

    /// The chain that it signs for.
    pub fn chain(&self) -> ChainId {
        self.signer.chain()
    }

    /// The key that signs for it.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// The node that it acts through.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// What the ledger holds for it.
    pub async fn record(&self) -> Result<AccountView, ClientError> {
        self.client.account(self.id()).await
    }

    /// Submits one action and waits until it is final. A refusal by the ledger is an answer, not an error: see
    /// [`Done::applied`].
    pub async fn submit(&self, action: Action) -> Result<Done, SubmitError> {
        let mut results = self.submit_many(vec![action]).await;
        results.pop().expect("there is a result for every action")
    }

    /// Submits actions in order and waits until all are final; a result for each.
    pub async fn submit_many(&self, actions: Vec<Action>) -> Vec<Result<Done, SubmitError>> {
        submit_all(actions.into_iter().map(|action| (self, action)).collect()).await
    }
}

/// Submits the actions of several accounts of one chain, each account's in the order given, and waits until all are final.
/// A result for each. All accounts must act through the same node.
pub async fn submit_all(actions: Vec<(&Account, Action)>) -> Vec<Result<Done, SubmitError>> {
    let Some(client) = actions.first().map(|(account, _)| account.client.clone()) else { return Vec::new() };
    // In the order of their ids, so that two submissions of the same accounts never wait for each other.
    let accounts: BTreeMap<AccountId, &Account> = actions.iter().map(|(account, _)| (account.id(), *account)).collect();
    let mut nonces = Nonces { accounts, held: BTreeMap::new() };
    for (id, account) in &nonces.accounts {
        nonces.held.insert(*id, account.nonce.clone().lock_owned().await);
    }

    // Their numbers and expiry are set when they are signed, perhaps more than once.
    let mut transactions: Vec<(&Account, Transaction)> =
        actions.into_iter().map(|(account, action)| (account, account.signer.transaction(action, 0, 0))).collect();
    let mut results: Vec<Option<Result<Done, SubmitError>>> = transactions.iter().map(|_| None).collect();
    let mut waiting: Vec<usize> = (0..transactions.len()).collect();
    let mut pause = FIRST_PAUSE;
    for offer in 1..=MAX_OFFERS {
        let signed = match nonces.sign(&client, &mut transactions, &waiting, &mut results).await {
            Ok(signed) => signed,
            Err(error) => {
                waiting.iter().for_each(|place| results[*place] = Some(Err(error.clone().into())));
                break;
            }
        };
        let (places, signed): (Vec<usize>, Vec<SignedBytes>) = signed.into_iter().unzip();
        waiting.clear();
        for (place, answer) in places.into_iter().zip(submit_batch(&client, &signed).await) {
            match answer {
                // Nothing happened, and the same may succeed a moment later or with another nonce.
                Err(SubmitError::NotTaken(problem)) if offer < MAX_OFFERS && is_worth_another_offer(&problem) => {
                    nonces.forget(transactions[place].0.id());
                    waiting.push(place);
                }
                Err(error) => {
                    nonces.forget(transactions[place].0.id());
                    results[place] = Some(Err(error));
                }
                Ok(done) => results[place] = Some(Ok(done)),
            }
        }
        if waiting.is_empty() {
            break;
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    results.into_iter().map(|result| result.expect("every action was submitted or could not be")).collect()
}

/// The next nonces of the accounts that take part in a submission; no other submission uses them meanwhile.
struct Nonces<'a> {
    accounts: BTreeMap<AccountId, &'a Account>,
    held: BTreeMap<AccountId, OwnedMutexGuard<Option<u64>>>,
}

impl Nonces<'_> {
    fn forget(&mut self, account: AccountId) {
        if let Some(nonce) = self.held.get_mut(&account) {
            **nonce = None;
        }
    }

    /// Signs the transactions at `places`. Those that no node would take get their result at once.
    async fn sign(
        &mut self,
        client: &Client,
        transactions: &mut [(&Account, Transaction)],
        places: &[usize],
        results: &mut [Option<Result<Done, SubmitError>>],
    ) -> Result<Vec<(usize, SignedBytes)>, ClientError> {
        let expires = expiry(client.recent_height().await?)?;
        let mut signed = Vec::with_capacity(places.len());
        for place in places {
            let (account, transaction) = &mut transactions[*place];
            let nonce = self.held.get_mut(&account.id()).expect("every account's nonce is held");
            let next = match **nonce {
                Some(next) => next,
                // An account that is not open yet begins with 0; the ledger will say if it is not to be opened either.
                None => match self.accounts[&account.id()].record().await {
                    Ok(record) => record.nonce,
                    Err(error) if error.is_not_found() => 0,
                    Err(error) => return Err(error),
                },
            };
            (transaction.nonce, transaction.expires) = (next, expires);
            let bytes = account.signer.sign(transaction);
            if bytes.bytes().len() > MAX_TRANSACTION_BYTES {
                **nonce = Some(next);
                results[*place] = Some(Err(SubmitError::TooLong { bytes: bytes.bytes().len() }));
                continue;
            }
            **nonce = next.checked_add(1);
            signed.push((*place, bytes));
        }
        Ok(signed)
    }
}

/// The last height at which what is signed at `height` may enter a block.
pub fn expiry(height: u64) -> Result<u64, ClientError> {
    height.checked_add(EXPIRY_BLOCKS).ok_or_else(|| ClientError::NotUnderstood {
        path: "v1/status".into(),
        reason: format!("no chain comes to height {height}"),
    })
}

fn is_worth_another_offer(problem: &Problem) -> bool {
    matches!(
        problem.code.as_ref(),
        "pool/full"
            | "pool/member-full"
            | "pool/too-far-ahead"
            | "pool/displaced"
            | "pool/duplicate-nonce"
            | "pool/nonce-too-old"
            | "transaction/wrong-nonce"
            | "transaction/expired"
            | TOO_MANY_CLIENTS
    )
}

/// Submits signed transactions in as few requests as they fit in, and waits until all are final. A result for each.
pub async fn submit_batch(client: &Client, transactions: &[SignedBytes]) -> Vec<Result<Done, SubmitError>> {
    let lengths: Vec<usize> = transactions.iter().map(|transaction| transaction.bytes().len()).collect();
    let mut results = Vec::with_capacity(transactions.len());
    while results.len() < transactions.len() {
        let begin = results.len();
        let end = begin + submission_len(&lengths[begin..]);
        let deadline = Instant::now() + PATIENCE;
        let batch = &transactions[begin..end];
        match told_of(client, batch, TELL_AFTER, client.submit_signed(batch, MAX_WAIT_MS)).await {
            Ok(answers) => {
                for (answer, signed) in answers.into_iter().zip(batch) {
                    results.push(done(client, answer, signed, deadline).await);
                }
            }
            Err(error) => results.extend((begin..end).map(|_| Err(SubmitError::Client(error.clone())))),
        }
    }
    results
}

/// What a submission comes to. If that takes long, whoever submits is told of its transactions, taken or not: their ids serve to
/// find out.
async fn told_of<T>(
    client: &Client,
    transactions: &[SignedBytes],
    after: Duration,
    submission: impl Future<Output = T>,
) -> T {
    tokio::pin!(submission);
    match tokio::time::timeout(after, &mut submission).await {
        Ok(answers) => answers,
        Err(_) => {
            client.waits.tell(&transactions.iter().map(SignedBytes::hash).collect::<Vec<_>>());
            submission.await
        }
    }
}

/// How many transactions of these lengths in bytes fit in one submission; at least one.
fn submission_len(lengths: &[usize]) -> usize {
    let mut bytes = 0;
    let fits = |length: &&usize| {
        bytes += **length + LENGTH_BYTES;
        bytes <= MAX_SUBMISSION_BYTES - LENGTH_BYTES
    };
    lengths.iter().take(MAX_SUBMISSION_TRANSACTIONS).take_while(fits).count().max(1)
}

/// What became of one submitted transaction; waited for if need be.
async fn done(
    client: &Client,
    answer: SubmissionResult,
    signed: &SignedBytes,
    deadline: Instant,
) -> Result<Done, SubmitError> {
    if let Some(problem) = answer.problem {
        return Err(SubmitError::NotTaken(problem));
    }
    let hash = signed.hash();
    if answer.hash != Some(hash) {
        let reason = format!("the node calls transaction {hash} {:?}", answer.hash);
        return Err(ClientError::NotUnderstood { path: "v1/transactions".into(), reason }.into());
    }
    if let (Some(height), Some(receipt)) = (answer.height, answer.receipt) {
        client.saw_height(height);
        return Ok(Done { hash, height, receipt });
    }
    // A node that lets no more clients wait is asked from time to time instead.
    let mut may_wait = true;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let wait_ms = if may_wait { u64::try_from(left.as_millis()).unwrap_or(u64::MAX) } else { 0 };
        match client.transaction(hash, wait_ms).await {
            Ok(record) => {
                client.saw_height(record.height);
                return Ok(Done { hash, height: record.height, receipt: record.receipt });
            }
            Err(error) if error.code() == Some(TOO_MANY_CLIENTS) && !left.is_zero() => may_wait = false,
            Err(error) if error.is_not_found() && left.is_zero() => {
                let waited_ms = u64::try_from(PATIENCE.as_millis()).expect("a patience of minutes");
                return Err(ClientError::NotFinal { hash, waited_ms, expires: signed.expires() }.into());
            }
            Err(error) if error.is_not_found() => {}
            // It was taken and then dropped: it is in no block.
            Err(ClientError::Problem(problem)) if was_dropped(&problem) => return Err(SubmitError::NotTaken(problem)),
            Err(error) => return Err(error.into()),
        }
        if !may_wait {
            tokio::time::sleep(BETWEEN_QUESTIONS.min(left)).await;
        }
    }
}

fn was_dropped(problem: &Problem) -> bool {
    problem.code.starts_with("transaction/") || problem.code == "pool/displaced"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_submission_takes_as_many_transactions_as_its_bounds_allow() {
        assert_eq!(submission_len(&[100; 5_000]), MAX_SUBMISSION_TRANSACTIONS);
        assert_eq!(submission_len(&[1024 * 1024; 20]), 7);
        assert_eq!(submission_len(&[MAX_SUBMISSION_BYTES]), 1);
    }

    #[tokio::test]
    async fn who_waits_is_told_the_ids_and_who_is_answered_at_once_is_not() {
        let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let client = Client::new("127.0.0.1:1").unwrap().telling_of_waits(move |ids| told.send(ids.to_vec()).unwrap());
        let signer = Signer::new(ChainId::default(), PrivateKey::ed25519([7; 32]));
        let action = Action::WithdrawQuote { offer: utilidor_types::OfferId::default() };
        let signed = [signer.sign(&signer.transaction(action, 0, 1))];

        told_of(&client, &signed, TELL_AFTER, std::future::ready(())).await;
        assert!(heard.try_recv().is_err());
        // It ends only once the ids are told.
        let ids = told_of(&client, &signed, Duration::ZERO, heard.recv()).await;
        assert_eq!(ids.unwrap(), [signed[0].hash()]);
    }
}
