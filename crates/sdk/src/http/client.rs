//! One typed method per endpoint of a node.
//!
//! Requests whose repetition is harmless are repeated after a passing failure, with growing pauses: every `GET`, and the
//! submission of the same transactions, which the node recognises. Nothing else is repeated.

use super::identity::Identity;
use crate::core::signer::SignedBytes;
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::error::Error as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use utilidor_proof::ProofDocument;
use utilidor_types::block::transaction_hash;
use utilidor_types::operator::AdvanceTime;
use utilidor_types::program::Publication;
use utilidor_types::{
    AccountId, AgreementId, Cause, CertificateId, ChainId, Genesis, MeterId, MotionId, OfferId, PackageId,
    PriceIndexId, PrivateKey, ProgramId, Receipt, SignedTransaction, Timestamp, TransactionHash, encode,
};
use utilidor_view::limits::{MAX_PAGE_ITEMS, MAX_SUBMISSION_BYTES, MAX_SUBMISSION_TRANSACTIONS, MAX_WAIT_MS};
use utilidor_view::{
    AccountView, AgreementFilter, AgreementView, BlockDetail, BlockFilter, BlockView, CertificateView, ChainTime, Code,
    CouncilView, EventFilter, EventView, FoundId, FoundIds, IndexValueView, MemberView, MeterFilter, MeterView,
    MotionFilter, MotionView, MovementView, NodeStatus, OfferFilter, OfferView, PackageView, Page, PriceIndexView,
    Problem, ProgramView, QuoteView, RefusalCount, RefusalView, StatementFilter, StatementView, SubmissionResult,
    Submitted, SubscriptionView, Summary, TimeFilter, TransactionView,
};

/// How often a harmless request is repeated.
const MAX_REPETITIONS: u32 = 6;
/// The first pause before a repetition; each later one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Longest answer that is read, in bytes: the largest block with its receipts is smaller.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// Most items of a list that is read to its end.
const MAX_LIST_ITEMS: usize = 5_000_000;
/// Most pages of such a list.
const MAX_LIST_PAGES: usize = 2 * MAX_LIST_ITEMS / MAX_PAGE_ITEMS as usize;
/// How long a height that the node named serves to set expiries.
const HEIGHT_LIFETIME: Duration = Duration::from_secs(5);
/// How long an answer may take beyond what the node was asked to wait.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a node did not answer as asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClientError {
    /// The address is no address of a node.
    #[error("{address:?} is not the address of a node: write it as http://127.0.0.1:4680")]
    BadAddress {
        /// The address.
        address: String,
    },
    /// The address names a user, and mostly a password: it is not told again.
    #[error("a node's address names no user and no password: write it as http://127.0.0.1:4680")]
    LoginInAddress,
    /// No answer came.
    #[error("no answer from the node at {address}: {reason}")]
    Unreachable {
        /// The node.
        address: String,
        /// What happened.
        reason: String,
        /// The cause.
        #[source]
        source: Arc<reqwest::Error>,
    },
    /// The node refuses, with a problem document.
    #[error("{0}")]
    Problem(Problem),
    /// The answer is not what this release understands.
    #[error("the node's answer to {path} is not understood: {reason}")]
    NotUnderstood {
        /// What was asked for.
        path: String,
        /// What was met.
        reason: String,
    },
    /// A transaction was taken, and was not final in the time that it was waited for. It may still become final.
    #[error("transaction {hash} is not final after {waited_ms} ms; it may still become so before height {expires}")]
    NotFinal {
        /// The transaction.
        hash: TransactionHash,
        /// How long it was waited for.
        waited_ms: u64,
        /// The last height at which it may enter a block.
        expires: u64,
    },
    /// The node did not let the key sign in, or there is no key to sign in with.
    #[error("could not sign in: {reason}")]
    SignIn {
        /// Why.
        reason: String,
    },
    /// The transactions are too many or too long for one submission.
    #[error(
        "{transactions} transactions with {bytes} bytes exceed one submission: {MAX_SUBMISSION_TRANSACTIONS} and {MAX_SUBMISSION_BYTES}"
    )]
    TooMuch {
        /// How many.
        transactions: usize,
        /// Their bytes.
        bytes: usize,
    },
}

impl ClientError {
    /// The stable code of the node's problem document, if it is one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Problem(problem) => Some(&problem.code),
            _ => None,
        }
    }

    /// Whether what was asked for is not on the chain, or not yet.
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(Code::NotFound.code())
    }
}

/// A filter that lets everything through.
#[derive(Debug, Clone, Copy, Default, Serialize)]
struct Everything {}

#[derive(Serialize)]
struct ListQuery<'a, F> {
    #[serde(flatten)]
    filter: &'a F,
    limit: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<&'a str>,
}

/// A connection to a node. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    pub(super) http: reqwest::Client,
    pub(super) base: Url,
    pub(super) head: Arc<Head>,
    pub(super) identity: Option<Arc<Identity>>,
    pub(super) waits: Waits,
}

/// Who is told of transactions that let wait for themselves, if anybody.
#[derive(Clone, Default)]
pub(super) struct Waits(Option<Arc<dyn Fn(&[TransactionHash]) + Send + Sync>>);

impl std::fmt::Debug for Waits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Waits")
    }
}

impl Waits {
    pub(super) fn tell(&self, transactions: &[TransactionHash]) {
        if let Some(told) = &self.0 {
            told(transactions);
        }
    }
}

/// The highest height that the node has named, so that an expiry can be set without asking each time.
#[derive(Debug, Default)]
pub(super) struct Head {
    height: AtomicU64,
    seen: Mutex<Option<Instant>>,
}

/// Whether an answer is about `asked`: whatever stands between here and the node can confuse two answers, or keep an old one.
fn is_about(
    path: &str,
    asked: TransactionHash,
    hash: Option<TransactionHash>,
    receipt: Option<&Receipt>,
) -> Result<(), ClientError> {
    let cause = receipt.map(|receipt| receipt.cause);
    if hash == Some(asked) && cause.is_none_or(|cause| cause == Cause::Transaction(asked)) {
        return Ok(());
    }
    let reason = match (hash, cause) {
        (Some(hash), Some(cause)) if hash == asked => format!("the receipt of transaction {asked} is of {cause:?}"),
        (hash, _) => format!("it is about transaction {hash:?}, asked was {asked}"),
    };
    Err(ClientError::NotUnderstood { path: path.into(), reason })
}

impl Client {
    /// A client of the node at `address`, such as `http://127.0.0.1:4680` or, in short, `127.0.0.1:4680`. Connects on the first
    /// request.
    pub fn new(address: &str) -> Result<Self, ClientError> {
        // Whatever else is wrong with it: a secret is not repeated.
        if address.contains('@') {
            return Err(ClientError::LoginInAddress);
        }
        let bad = || ClientError::BadAddress { address: address.into() };
        let whole = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
        let mut base = Url::parse(&whole).map_err(|_| bad())?;
        if base.scheme() != "http" || base.host_str().is_none() || base.cannot_be_a_base() {
            return Err(bad());
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            // No node sends its clients elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("utilidor-sdk/", env!("CARGO_PKG_VERSION")))
            .build()
            .expect("a client without TLS needs nothing from the machine");
        Ok(Self { http, base, head: Arc::default(), identity: None, waits: Waits::default() })
    }

    /// The same node; `told` hears of submitted transactions that are not final within [`TELL_AFTER`], before they are waited
    /// for any longer. Whoever stops waiting then still knows what to ask for.
    ///
    /// [`TELL_AFTER`]: super::account::TELL_AFTER
    #[must_use]
    pub fn telling_of_waits(&self, told: impl Fn(&[TransactionHash]) + Send + Sync + 'static) -> Self {
        Self { waits: Waits(Some(Arc::new(told))), ..self.clone() }
    }

    /// Host and port, as requests name them.
    pub(super) fn host(&self) -> String {
        let host = self.base.host_str().unwrap_or_default();
        self.base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// The node's address.
    pub fn address(&self) -> &str {
        self.base.as_str()
    }

    /// Where the node stands.
    pub async fn status(&self) -> Result<NodeStatus, ClientError> {
        let status: NodeStatus = self.get("v1/status").await?;
        self.saw_height(status.height);
        Ok(status)
    }

    /// A height that the chain had a moment ago.
    pub(crate) async fn recent_height(&self) -> Result<u64, ClientError> {
        let seen = *self.head.seen.lock().expect("no holder of this lock panics");
        if seen.is_some_and(|seen| seen.elapsed() < HEIGHT_LIFETIME) {
            return Ok(self.head.height.load(Ordering::Relaxed));
        }
        Ok(self.status().await?.height)
    }

    /// Remembers that the chain has come to `height`.
    pub(crate) fn saw_height(&self, height: u64) {
        let before = self.head.height.fetch_max(height, Ordering::Relaxed);
        if height >= before {
            *self.head.seen.lock().expect("no holder of this lock panics") = Some(Instant::now());
        }
    }

    /// The chain's genesis document, as the node says. What is checked with it is as good as where it comes from.
    pub async fn genesis(&self) -> Result<Genesis, ClientError> {
        self.get("v1/genesis").await
    }

    /// Totals of the chain.
    pub async fn summary(&self) -> Result<Summary, ClientError> {
        self.get("v1/summary").await
    }

    /// Submits signed transactions, answering for each in order. With `wait_ms` above zero the node answers once those
    /// that it took are final, or when the time is over.
    pub async fn submit(
        &self,
        transactions: &[SignedTransaction],
        wait_ms: u64,
    ) -> Result<Vec<SubmissionResult>, ClientError> {
        let encoded: Vec<Vec<u8>> = transactions.iter().map(encode).collect();
        self.submit_encoded(&encoded.iter().map(Vec::as_slice).collect::<Vec<_>>(), wait_ms).await
    }

    /// Submits transactions that were signed into bytes, as [`Client::submit`] does.
    pub async fn submit_signed(
        &self,
        transactions: &[SignedBytes],
        wait_ms: u64,
    ) -> Result<Vec<SubmissionResult>, ClientError> {
        self.submit_encoded(&transactions.iter().map(SignedBytes::bytes).collect::<Vec<_>>(), wait_ms).await
    }

    /// Submits transactions in their canonical bytes, as [`Client::submit`] does.
    pub async fn submit_encoded(
        &self,
        transactions: &[&[u8]],
        wait_ms: u64,
    ) -> Result<Vec<SubmissionResult>, ClientError> {
        const PATH: &str = "v1/transactions";
        let bytes = transactions.iter().map(|transaction| transaction.len()).sum();
        if transactions.len() > MAX_SUBMISSION_TRANSACTIONS || bytes > MAX_SUBMISSION_BYTES {
            return Err(ClientError::TooMuch { transactions: transactions.len(), bytes });
        }
        let body = bytes::Bytes::from(encode(transactions));
        let wait_ms = wait_ms.min(MAX_WAIT_MS);
        let request = || {
            self.request(Method::POST, PATH)
                .query(&[("wait_ms", wait_ms)])
                .timeout(PATIENCE + Duration::from_millis(wait_ms))
                .header("content-type", "application/octet-stream")
                .body(body.clone())
        };
        let Submitted { results } = self.send_repeatedly(PATH, request).await?;
        if results.len() != transactions.len() {
            let reason = format!("{} results for {} transactions", results.len(), transactions.len());
            return Err(ClientError::NotUnderstood { path: PATH.into(), reason });
        }
        for (result, bytes) in results.iter().zip(transactions) {
            if result.hash.is_some() || result.receipt.is_some() {
                is_about(PATH, transaction_hash(bytes), result.hash, result.receipt.as_ref())?;
            }
        }
        Ok(results)
    }

    /// A final transaction with its receipt; with `wait_ms` above zero the node waits that long for it.
    pub async fn transaction(&self, hash: TransactionHash, wait_ms: u64) -> Result<TransactionView, ClientError> {
        let path = format!("v1/transactions/{hash}");
        let wait_ms = wait_ms.min(MAX_WAIT_MS);
        let request = || {
            self.request(Method::GET, &path)
                .query(&[("wait_ms", wait_ms)])
                .timeout(PATIENCE + Duration::from_millis(wait_ms))
        };
        let found: TransactionView = self.send_repeatedly(&path, request).await?;
        is_about(&path, hash, Some(found.hash), Some(&found.receipt))?;
        Ok(found)
    }

    /// The proof that a block holds a transaction and left its receipt: [`crate::core::check::check`] checks it.
    pub async fn transaction_proof(&self, hash: TransactionHash) -> Result<ProofDocument, ClientError> {
        self.get(&format!("v1/transactions/{hash}/proof")).await
    }

    /// The blocks after a height, at most 1,000.
    pub async fn blocks_after(&self, height: u64, limit: u32) -> Result<Page<BlockView>, ClientError> {
        let filter = BlockFilter { after: Some(height) };
        self.get_with("v1/blocks", &ListQuery { filter: &filter, limit, cursor: None }).await
    }

    /// The block at a height.
    pub async fn block(&self, height: u64) -> Result<BlockDetail, ClientError> {
        self.get(&format!("v1/blocks/{height}")).await
    }

    /// Ids that begin with hex digits, at most ten of each kind.
    pub async fn ids_beginning(&self, digits: &str) -> Result<Vec<FoundId>, ClientError> {
        let FoundIds { items } = self.get(&format!("v1/ids/{digits}")).await?;
        Ok(items)
    }

    /// The council and the validators.
    pub async fn council(&self) -> Result<CouncilView, ClientError> {
        self.get("v1/council").await
    }

    /// Motions of the council.
    pub async fn motions(&self, filter: &MotionFilter) -> Result<Vec<MotionView>, ClientError> {
        self.all("v1/motions", filter).await
    }

    /// A motion.
    pub async fn motion(&self, motion: MotionId) -> Result<MotionView, ClientError> {
        self.get(&format!("v1/motions/{motion}")).await
    }

    /// The members.
    pub async fn members(&self) -> Result<Vec<MemberView>, ClientError> {
        self.all("v1/members", &Everything {}).await
    }

    /// The accounts.
    pub async fn accounts(&self) -> Result<Vec<AccountView>, ClientError> {
        self.all("v1/accounts", &Everything {}).await
    }

    /// An account.
    pub async fn account(&self, account: AccountId) -> Result<AccountView, ClientError> {
        self.get(&format!("v1/accounts/{account}")).await
    }

    /// The movements of an account's money.
    pub async fn movements(&self, account: AccountId) -> Result<Vec<MovementView>, ClientError> {
        self.all(&format!("v1/accounts/{account}/movements"), &Everything {}).await
    }

    /// Offers.
    pub async fn offers(&self, filter: &OfferFilter) -> Result<Vec<OfferView>, ClientError> {
        self.all("v1/offers", filter).await
    }

    /// An offer.
    pub async fn offer(&self, offer: OfferId) -> Result<OfferView, ClientError> {
        self.get(&format!("v1/offers/{offer}")).await
    }

    /// The quotes on an offer, sealed.
    pub async fn quotes(&self, offer: OfferId) -> Result<Vec<QuoteView>, ClientError> {
        self.all(&format!("v1/offers/{offer}/quotes"), &Everything {}).await
    }

    /// Agreements.
    pub async fn agreements(&self, filter: &AgreementFilter) -> Result<Vec<AgreementView>, ClientError> {
        self.all("v1/agreements", filter).await
    }

    /// An agreement.
    pub async fn agreement(&self, agreement: AgreementId) -> Result<AgreementView, ClientError> {
        self.get(&format!("v1/agreements/{agreement}")).await
    }

    /// An agreement's statements.
    pub async fn agreement_statements(&self, agreement: AgreementId) -> Result<Vec<StatementView>, ClientError> {
        self.all(&format!("v1/agreements/{agreement}/statements"), &Everything {}).await
    }

    /// Statements.
    pub async fn statements(&self, filter: &StatementFilter) -> Result<Vec<StatementView>, ClientError> {
        self.all("v1/statements", filter).await
    }

    /// A statement.
    pub async fn statement(&self, agreement: AgreementId, number: u32) -> Result<StatementView, ClientError> {
        self.get(&format!("v1/statements/{agreement}/{number}")).await
    }

    /// A statement's bill proof: [`crate::core::check::check`] checks it offline. A short one does without certified readings and
    /// relies on the registers at the meters' marks, which stand in receipts.
    pub async fn bill_proof(
        &self,
        agreement: AgreementId,
        number: u32,
        short: bool,
    ) -> Result<ProofDocument, ClientError> {
        self.get_with(&format!("v1/statements/{agreement}/{number}/proof"), &[("short", short)]).await
    }

    /// The meters.
    pub async fn meters(&self, filter: &MeterFilter) -> Result<Vec<MeterView>, ClientError> {
        self.all("v1/meters", filter).await
    }

    /// A meter.
    pub async fn meter(&self, meter: MeterId) -> Result<MeterView, ClientError> {
        self.get(&format!("v1/meters/{meter}")).await
    }

    /// The certified readings of a meter.
    pub async fn meter_certificates(
        &self,
        meter: MeterId,
        time: &TimeFilter,
    ) -> Result<Vec<CertificateView>, ClientError> {
        self.all(&format!("v1/meters/{meter}/certificates"), time).await
    }

    /// What receipts tell of a meter: segments between its marks, gaps, corrections.
    pub async fn meter_events(&self, meter: MeterId, filter: &EventFilter) -> Result<Vec<EventView>, ClientError> {
        self.all(&format!("v1/meters/{meter}/events"), filter).await
    }

    /// A certificate.
    pub async fn certificate(&self, certificate: CertificateId) -> Result<CertificateView, ClientError> {
        self.get(&format!("v1/certificates/{certificate}")).await
    }

    /// The proof that a certificate is in the certification log: [`crate::core::check::check`] checks it.
    pub async fn certificate_proof(&self, certificate: CertificateId) -> Result<ProofDocument, ClientError> {
        self.get(&format!("v1/certificates/{certificate}/proof")).await
    }

    /// The published packages, all versions.
    pub async fn packages(&self) -> Result<Vec<PackageView>, ClientError> {
        self.all("v1/packages", &Everything {}).await
    }

    /// A version of a package.
    pub async fn package(&self, package: PackageId, version: u32) -> Result<PackageView, ClientError> {
        self.get(&format!("v1/packages/{package}/{version}")).await
    }

    /// The published programs.
    pub async fn programs(&self) -> Result<Vec<ProgramView>, ClientError> {
        self.all("v1/programs", &Everything {}).await
    }

    /// A published program.
    pub async fn program(&self, program: ProgramId) -> Result<ProgramView, ClientError> {
        self.get(&format!("v1/programs/{program}")).await
    }

    /// All that was published of a program. Its id should be compared with the one that was asked for.
    pub async fn publication(&self, program: ProgramId) -> Result<Publication, ClientError> {
        self.get(&format!("v1/programs/{program}/publication")).await
    }

    /// The published indices.
    pub async fn price_indices(&self) -> Result<Vec<PriceIndexView>, ClientError> {
        self.all("v1/price-indices", &Everything {}).await
    }

    /// A published index.
    pub async fn price_index(&self, index: PriceIndexId) -> Result<PriceIndexView, ClientError> {
        self.get(&format!("v1/price-indices/{index}")).await
    }

    /// The values of an index, in the order of their periods.
    pub async fn index_values(&self, index: PriceIndexId) -> Result<Vec<IndexValueView>, ClientError> {
        self.all(&format!("v1/price-indices/{index}/values"), &Everything {}).await
    }

    /// A subscription.
    pub async fn subscription(&self, agreement: AgreementId) -> Result<SubscriptionView, ClientError> {
        self.get(&format!("v1/subscriptions/{agreement}")).await
    }

    /// Refused transactions and readings.
    pub async fn refusals(&self) -> Result<Vec<RefusalView>, ClientError> {
        self.all("v1/refusals", &Everything {}).await
    }

    /// Refusals counted by code.
    pub async fn refusal_counts(&self) -> Result<Vec<RefusalCount>, ClientError> {
        self.all("v1/refusals/summary", &Everything {}).await
    }

    /// Moves the time of a development chain to `to`, and waits for the block that carries it. Returns that block's time.
    /// Refused by a production chain, and to everybody but the chain's operator.
    pub async fn advance_time(
        &self,
        chain: ChainId,
        to: Timestamp,
        operator: &PrivateKey,
    ) -> Result<Timestamp, ClientError> {
        const PATH: &str = "v1/development/time";
        let request =
            self.request(Method::POST, PATH).timeout(PATIENCE * 10).json(&AdvanceTime::sign(chain, to, operator));
        let answer: ChainTime = self.read(PATH, request.send().await.map_err(|error| self.unreachable(error))?).await?;
        Ok(answer.time_ms)
    }

    /// A request to the node for its answer as it comes: the event stream, and endpoints newer than this release.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = self.base.join(path).expect("paths are made of ids and numbers");
        self.http.request(method, url)
    }

    /// Reads any endpoint as JSON.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.get_with(path, &Everything {}).await
    }

    async fn get_with<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &(impl Serialize + ?Sized),
    ) -> Result<T, ClientError> {
        self.send_repeatedly(path, || self.request(Method::GET, path).query(query).timeout(PATIENCE)).await
    }

    /// Reads the list at `path` to its end.
    pub(super) async fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, ClientError> {
        self.all(path, &Everything {}).await
    }

    /// Reads a list to its end.
    async fn all<T: DeserializeOwned>(&self, path: &str, filter: &impl Serialize) -> Result<Vec<T>, ClientError> {
        let first = ListQuery { filter, limit: MAX_PAGE_ITEMS, cursor: None };
        let page = self.get_with(path, &first).await?;
        self.rest_of(path, filter, page).await
    }

    /// Reads an answer that holds lists, with as much of each as a page can hold.
    pub(super) async fn get_first<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.get_with(path, &ListQuery { filter: &Everything {}, limit: MAX_PAGE_ITEMS, cursor: None }).await
    }

    /// Reads the list at `path` to its end, of which the first page is known.
    pub(super) async fn rest<T: DeserializeOwned>(&self, path: &str, page: Page<T>) -> Result<Vec<T>, ClientError> {
        self.rest_of(path, &Everything {}, page).await
    }

    async fn rest_of<T: DeserializeOwned>(
        &self,
        path: &str,
        filter: &impl Serialize,
        page: Page<T>,
    ) -> Result<Vec<T>, ClientError> {
        let Page { mut items, mut next } = page;
        let mut pages = 1;
        while let Some(cursor) = next {
            pages += 1;
            if items.len() > MAX_LIST_ITEMS || pages > MAX_LIST_PAGES {
                let reason = format!("its list has no end: {} items came in {pages} pages", items.len());
                return Err(ClientError::NotUnderstood { path: path.into(), reason });
            }
            let query = ListQuery { filter, limit: MAX_PAGE_ITEMS, cursor: Some(&cursor) };
            let page: Page<T> = self.get_with(path, &query).await?;
            if page.next.as_ref() == Some(&cursor) {
                let reason = format!("the page after {cursor:?} is followed by itself");
                return Err(ClientError::NotUnderstood { path: path.into(), reason });
            }
            items.extend(page.items);
            next = page.next;
        }
        Ok(items)
    }

    async fn send_repeatedly<T: DeserializeOwned>(
        &self,
        path: &str,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<T, ClientError> {
        let mut pause = FIRST_PAUSE;
        for repetition in 0..MAX_REPETITIONS {
            let token = self.token_for(path).await?;
            match shown(request(), token.as_deref()).send().await {
                // A node that has begun anew, or a session that has ended: sign in again, once.
                Ok(response) if response.status() == StatusCode::UNAUTHORIZED && repetition == 0 && token.is_some() => {
                    self.forget_token(token.as_deref()).await;
                    continue;
                }
                Ok(response) if !is_passing(response.status()) => return self.read(path, response).await,
                Ok(_) => {}
                Err(error) if error.is_builder() => return Err(self.unreachable(error)),
                Err(_) => {}
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        let token = self.token_for(path).await?;
        let request = shown(request(), token.as_deref());
        self.read(path, request.send().await.map_err(|error| self.unreachable(error))?).await
    }

    pub(super) async fn read<T: DeserializeOwned>(&self, path: &str, response: Response) -> Result<T, ClientError> {
        let status = response.status();
        let bytes = self.bytes(path, response).await?;
        if !status.is_success() {
            return Err(ClientError::Problem(problem(status, &bytes)));
        }
        serde_json::from_slice(&bytes)
            .map_err(|error| ClientError::NotUnderstood { path: path.into(), reason: error.to_string() })
    }

    /// The bytes of an answer, as far as an honest node's go.
    async fn bytes(&self, path: &str, mut response: Response) -> Result<Vec<u8>, ClientError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(error))? {
            if bytes.len() + chunk.len() > MAX_ANSWER_BYTES {
                let reason = format!("it is longer than {MAX_ANSWER_BYTES} bytes");
                return Err(ClientError::NotUnderstood { path: path.into(), reason });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    pub(crate) fn unreachable(&self, error: reqwest::Error) -> ClientError {
        let mut reason = error.to_string();
        let mut cause = error.source();
        while let Some(source) = cause {
            reason = source.to_string();
            cause = source.source();
        }
        ClientError::Unreachable { address: self.address().into(), reason, source: Arc::new(error) }
    }
}

/// A request with the token that shows who asks.
pub(super) fn shown(request: RequestBuilder, token: Option<&str>) -> RequestBuilder {
    match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    }
}

/// Whether the same request may succeed a moment later.
pub(crate) fn is_passing(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
            | StatusCode::TOO_MANY_REQUESTS
    )
}

/// The problem document of an answer; made up from the status where a proxy sent something else.
pub(crate) fn problem(status: StatusCode, bytes: &[u8]) -> Problem {
    match serde_json::from_slice::<Problem>(bytes) {
        Ok(problem) if !problem.code.is_empty() => Problem { status: status.as_u16(), ..problem },
        _ => Problem {
            kind: "about:blank".into(),
            title: status.canonical_reason().unwrap_or("unknown status").into(),
            status: status.as_u16(),
            detail: format!("the node answered with status {status}"),
            code: "http/status".into(),
        },
    }
}
