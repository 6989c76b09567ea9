//! The way over HTTP against a node that answers as the test says: what is believed, and what is not.

#![cfg(feature = "http")]

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use utilidor_gateway::journal::{Batch, NewBatch, Waiting};
use utilidor_gateway::reason::Sentence;
use utilidor_gateway::uplink::{Answer, HttpUplink, Uplink as _, UplinkError, Words};
use utilidor_sdk::{Account, Client, ClientError};
use utilidor_types::block::transaction_hash;
use utilidor_types::council::Threshold;
use utilidor_types::event::RefusedReading;
use utilidor_types::genesis::{ChainKind, Limits};
use utilidor_types::{
    AccountId, Action, Bounded, Cause, CertificateId, ChainId, Event, Genesis, MeterId, Money, PrivateKey, Receipt,
    Refusal, Timestamp, TransactionHash, Verdict,
};

const CHAIN: ChainId = ChainId([7; 16]);
const METER: MeterId = MeterId([1; 16]);

/// How this test tells what the ledger and the node say.
const WORDS: Words = Words {
    refusal: |refusal| Sentence { en: refusal.to_string(), zh: format!("拒绝：{}", refusal.code()) },
    problem: |problem| Sentence { en: problem.to_string(), zh: format!("不受理：{}", problem.code) },
    failure: |error| error.downcast_ref::<ClientError>().map(|_| "没有应答".into()),
};

fn receipt(of: TransactionHash) -> Value {
    let certified = Event::Certified { first: CertificateId(0), count: 1, refused: Bounded::empty() };
    let verdict = Verdict::Applied(Bounded::new(vec![certified]).unwrap());
    json!(Receipt { cause: Cause::Transaction(of), verdict })
}

fn problem(status: u16, code: &str) -> Value {
    json!({ "type": "about:blank", "title": "a title", "status": status, "detail": "a detail", "code": code })
}

/// What a node says.
struct Says {
    status: Value,
    genesis: Option<Genesis>,
    /// To a submission.
    result: Value,
    /// Of a transaction that is asked for; nothing if it is in no block.
    transaction: Option<Value>,
    submissions: u32,
}

#[derive(Clone)]
struct Node(Arc<Mutex<Says>>);

impl Node {
    async fn new() -> (Self, HttpUplink) {
        Self::of(CHAIN).await
    }

    async fn of(chain: ChainId) -> (Self, HttpUplink) {
        let status = json!({
            "chain": chain, "kind": "production", "height": 41, "time_ms": 1, "block": "00".repeat(32),
            "state_root": "00".repeat(32), "pool": 0, "indexed_height": 41, "version": "0.1.0"
        });
        let node = Self(Arc::new(Mutex::new(Says {
            status,
            genesis: None,
            result: json!({}),
            transaction: None,
            submissions: 0,
        })));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let serving = node.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let node = serving.clone();
                let service = service_fn(move |request| {
                    let answer = node.answer(&request);
                    async move { Ok::<_, Infallible>(answer) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        (node, HttpUplink::new(Account::on_chain(client, chain, PrivateKey::ed25519([3; 32])), WORDS))
    }

    fn says(&self) -> std::sync::MutexGuard<'_, Says> {
        self.0.lock().unwrap()
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<String> {
        let mut says = self.says();
        let answer = match (request.method(), request.uri().path()) {
            (_, "/v1/status") => Some(says.status.clone()),
            (_, "/v1/genesis") => says.genesis.as_ref().map(|genesis| json!(genesis)),
            (&Method::POST, "/v1/transactions") => {
                says.submissions += 1;
                Some(json!({ "results": [says.result] }))
            }
            (_, path) if path.starts_with("/v1/transactions/") => says.transaction.clone(),
            _ => None,
        };
        let status = if answer.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
        let mut response = Response::new(answer.unwrap_or_else(|| problem(404, "not-found")).to_string());
        *response.status_mut() = status;
        response
    }
}

/// The node's record of a transaction.
fn record(of: TransactionHash) -> Value {
    let action = Action::Transfer { to: AccountId([9; 32]), amount: Money(1), reference: "".parse().unwrap() };
    json!({
        "hash": of, "height": 42, "index": 0, "time_ms": Timestamp(1), "account": AccountId([8; 32]), "nonce": 5,
        "action": action, "receipt_index": 0, "receipt": receipt(of)
    })
}

async fn batch(uplink: &HttpUplink) -> (Batch, TransactionHash) {
    let NewBatch { bytes, hash, expires } =
        uplink.sign(&[Waiting { meter: METER, time_ms: 1, register: 5 }]).await.unwrap();
    let of = transaction_hash(&bytes);
    assert_eq!(hash, of.0);
    (Batch { id: 1, bytes, hash, expires }, of)
}

#[tokio::test]
async fn a_batch_may_stand_in_the_next_thousand_blocks_and_in_none_after_them() {
    let (node, uplink) = Node::new().await;
    assert_eq!(batch(&uplink).await.0.expires, 1_041);
    node.says().status["height"] = json!(100_000);
    assert_eq!(batch(&uplink).await.0.expires, 101_000);
}

#[tokio::test]
async fn whose_clock_counts_is_a_matter_of_the_genesis_document_and_not_of_a_node_s_word() {
    let genesis = |kind| Genesis {
        kind,
        time: Timestamp(1),
        validators: Bounded::empty(),
        epoch_length: u64::MAX,
        threshold: Threshold::TWO_THIRDS,
        members: Bounded::empty(),
        limits: Limits::DEFAULT,
    };
    let [production, development] = [ChainKind::Production, ChainKind::Development].map(genesis);
    let (node, uplink) = Node::of(production.chain()).await;
    node.says().status["kind"] = json!("development");
    node.says().genesis = Some(production);
    assert!(!uplink.is_development().await.unwrap());
    node.says().genesis = Some(development.clone());
    assert!(!uplink.is_development().await.unwrap(), "another chain's document");
    let (node, uplink) = Node::of(development.chain()).await;
    node.says().genesis = Some(development);
    assert!(uplink.is_development().await.unwrap());
}

const FINAL: Answer = Answer::Final { height: 42, refused: Vec::new() };

#[tokio::test]
async fn an_answer_that_is_about_another_batch_certifies_nothing() {
    let (node, uplink) = Node::new().await;
    let (batch, hash) = batch(&uplink).await;
    let other = TransactionHash([0xab; 32]);
    for (hash, cause) in [(other, other), (hash, other), (other, hash)] {
        node.says().result = json!({ "hash": hash, "height": 42, "receipt": receipt(cause) });
        let answer = uplink.submit(&batch).await;
        assert!(matches!(answer, Err(UplinkError::Node(_))), "{answer:?}");
    }
    // Nor does one that does not say what is certified.
    let empty = Receipt { cause: Cause::Transaction(hash), verdict: Verdict::Applied(Bounded::empty()) };
    node.says().result = json!({ "hash": hash, "height": 42, "receipt": empty });
    let answer = uplink.submit(&batch).await;
    assert!(matches!(answer, Err(UplinkError::Node(_))), "{answer:?}");
    // Nor where it is looked for among those that are final.
    node.says().result = json!({ "problem": problem(409, "pool/nonce-too-old") });
    node.says().transaction = Some(record(other));
    let answer = uplink.submit(&batch).await;
    assert!(matches!(answer, Err(UplinkError::Node(_))), "{answer:?}");
    node.says().transaction = Some(record(hash));
    assert_eq!(uplink.submit(&batch).await.unwrap(), FINAL);
    node.says().result = json!({ "hash": hash, "height": 42, "receipt": receipt(hash) });
    assert_eq!(uplink.submit(&batch).await.unwrap(), FINAL);
}

#[tokio::test]
async fn a_batch_that_has_changed_on_the_disk_is_not_sent_and_is_spoilt_where_no_block_has_it() {
    let (node, uplink) = Node::new().await;
    let (sound, hash) = batch(&uplink).await;
    let mut damaged = sound.clone();
    damaged.bytes[40] ^= 1;
    assert!(matches!(uplink.submit(&damaged).await.unwrap(), Answer::Spoilt { .. }));
    let short = Batch { hash: vec![1; 31], ..sound };
    assert!(matches!(uplink.submit(&short).await.unwrap(), Answer::Spoilt { .. }));
    // Sent before it changed.
    node.says().transaction = Some(record(hash));
    assert_eq!(uplink.submit(&damaged).await.unwrap(), FINAL);
    // A read model that is behind does not know yet.
    node.says().transaction = None;
    node.says().status["indexed_height"] = json!(40);
    assert_eq!(uplink.submit(&damaged).await.unwrap(), Answer::Pending);
    assert_eq!(node.says().submissions, 0);
}

#[tokio::test]
async fn bytes_that_a_node_will_never_take_are_spoilt_and_what_it_does_not_take_now_is_not() {
    let (node, uplink) = Node::new().await;
    let (batch, _) = batch(&uplink).await;
    for code in ["transaction/bad-signature", "transaction/malformed", "transaction/oversize"] {
        node.says().result = json!({ "problem": problem(400, code) });
        assert!(matches!(uplink.submit(&batch).await.unwrap(), Answer::Spoilt { .. }), "{code}");
    }
    for code in ["pool/full", "transaction/wrong-chain"] {
        node.says().result = json!({ "problem": problem(409, code) });
        assert!(matches!(uplink.submit(&batch).await.unwrap(), Answer::NotTaken { .. }), "{code}");
    }
}

/// A receipt that refuses a transaction whole, or a reading of it.
fn refusing(of: TransactionHash, is_whole: bool) -> Value {
    let refusal = Refusal::UnknownMeter { meter: METER };
    let refused = Bounded::new(vec![RefusedReading { index: 0, meter: METER, refusal: refusal.clone() }]).unwrap();
    let certified = Event::Certified { first: CertificateId(0), count: 0, refused };
    let verdict = match is_whole {
        true => Verdict::Refused(refusal),
        false => Verdict::Applied(Bounded::new(vec![certified]).unwrap()),
    };
    json!(Receipt { cause: Cause::Transaction(of), verdict })
}

#[tokio::test]
async fn what_the_ledger_and_the_node_say_is_told_in_both_languages() {
    let (node, uplink) = Node::new().await;
    let (batch, hash) = batch(&uplink).await;
    node.says().result = json!({ "hash": hash, "height": 42, "receipt": refusing(hash, true) });
    let Answer::RefusedWhole { code, detail } = uplink.submit(&batch).await.unwrap() else { panic!("it is refused") };
    assert_eq!(detail.zh, format!("拒绝：{code}"));
    node.says().result = json!({ "hash": hash, "height": 42, "receipt": refusing(hash, false) });
    let Answer::Final { refused, .. } = uplink.submit(&batch).await.unwrap() else { panic!("it is final") };
    assert_eq!(refused[0].2.zh, format!("拒绝：{}", refused[0].1));
    assert_eq!(refused[0].2.en, detail.en);

    node.says().result = json!({ "problem": problem(409, "pool/full") });
    let Answer::NotTaken { detail, .. } = uplink.submit(&batch).await.unwrap() else { panic!("it is not taken") };
    assert_eq!(detail.zh, "不受理：pool/full");
    node.says().result = json!({ "problem": problem(400, "transaction/malformed") });
    let Answer::Spoilt { detail } = uplink.submit(&batch).await.unwrap() else { panic!("it is spoilt") };
    assert_eq!(detail.zh, "不受理：transaction/malformed");

    node.says().result = json!("nonsense");
    let error = uplink.submit(&batch).await.unwrap_err();
    let Sentence { en, zh } = uplink.says(&error);
    assert!(en.starts_with("the node could not be asked: "), "{en}");
    assert_eq!(zh, "无法向节点查询：没有应答");
}

#[tokio::test]
async fn a_height_or_a_time_that_no_chain_has_is_an_error_and_no_crash() {
    let (node, uplink) = Node::new().await;
    uplink.chain().await.unwrap();
    node.says().status["height"] = json!(u64::MAX);
    let signed = uplink.sign(&[Waiting { meter: METER, time_ms: 1, register: 5 }]).await;
    assert!(matches!(signed, Err(UplinkError::Node(_))), "{signed:?}");
    node.says().status["time_ms"] = json!(u64::MAX);
    assert!(matches!(uplink.chain().await, Err(UplinkError::Node(_))));
}
