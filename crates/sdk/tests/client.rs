//! The client against a server that answers as the test says: what is repeated, what is not, how lists, nonces and the event
//! stream go on. Against a real node it is tested with the command line.

use axum::Router;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use futures::StreamExt as _;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use utilidor_sdk::core::readings::{gateway_run, signed_run};
use utilidor_sdk::core::seal::{OpenError, seal_quote};
use utilidor_sdk::http::quotes::OpenQuotesError;
use utilidor_sdk::http::stream::LedgerEvent;
use utilidor_sdk::{Account, Client, ClientError, SealKey, SubmitError};
use utilidor_types::agreement::Substitute;
use utilidor_types::offer::{AwardRule, Seal};
use utilidor_types::quote::QuoteLine;
use utilidor_types::{
    AccountId, Action, Bounded, Carrier, Cause, ChainId, Label, Lot, MemberId, Money, Offer, OfferTerms, Opening,
    Price, PrivateKey, Quantity, Receipt, SignedTransaction, Timestamp, Verdict, Window, encode,
};

/// Serves `router` on a free port for as long as the test's runtime lives.
async fn serve(router: Router) -> Client {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    Client::new(&format!("http://{address}")).unwrap()
}

fn status() -> Value {
    json!({
        "chain": ChainId([7; 16]), "kind": "development", "height": 41, "time_ms": 1, "block": "00".repeat(32),
        "state_root": "00".repeat(32), "pool": 0, "indexed_height": 41, "version": "0.1.0"
    })
}

fn problem(status: u16, code: &str) -> Value {
    json!({ "type": "about:blank", "title": "a title", "status": status, "detail": "a detail", "code": code })
}

fn key() -> PrivateKey {
    PrivateKey::ed25519([3; 32])
}

#[tokio::test]
async fn reads_a_list_to_its_end() {
    let members = |Query(query): Query<HashMap<String, String>>| async move {
        let member = |byte| json!({ "member": MemberId([byte; 16]), "roles": ["owner"], "accounts": [], "height": 1 });
        axum::Json(match query.get("cursor").map(String::as_str) {
            None => json!({ "items": [member(1), member(2)], "next": "2" }),
            Some("2") => json!({ "items": [member(3)], "next": null }),
            Some(other) => panic!("no page was said to begin at {other}"),
        })
    };
    let client = serve(Router::new().route("/v1/members", get(members))).await;
    let members: Vec<_> = client.members().await.unwrap().into_iter().map(|member| member.member.0[0]).collect();
    assert_eq!(members, [1, 2, 3]);
}

#[tokio::test]
async fn a_list_whose_page_follows_itself_is_not_read_for_ever() {
    let members = || async { axum::Json(json!({ "items": [], "next": "2" })) };
    let client = serve(Router::new().route("/v1/members", get(members))).await;
    assert!(matches!(client.members().await, Err(ClientError::NotUnderstood { .. })));
}

#[tokio::test]
async fn a_client_is_not_sent_to_another_server() {
    let elsewhere = get(|| async { axum::Json(status()) });
    let sent = get(|| async { axum::response::Redirect::temporary("/elsewhere") });
    let client = serve(Router::new().route("/v1/status", sent).route("/elsewhere", elsewhere)).await;
    client.status().await.unwrap_err();
}

#[tokio::test]
async fn a_read_is_repeated_after_a_passing_failure() {
    let asked = Arc::new(AtomicU32::new(0));
    let count = asked.clone();
    let router = Router::new().route(
        "/v1/status",
        get(move || async move {
            match count.fetch_add(1, Ordering::Relaxed) {
                0 | 1 => (StatusCode::SERVICE_UNAVAILABLE, axum::Json(problem(503, "node/too-many-clients"))),
                _ => (StatusCode::OK, axum::Json(status())),
            }
        }),
    );
    assert_eq!(serve(router).await.status().await.unwrap().height, 41);
    assert_eq!(asked.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn moving_time_is_never_repeated() {
    let asked = Arc::new(AtomicU32::new(0));
    let count = asked.clone();
    let router = Router::new().route(
        "/v1/development/time",
        post(move || async move {
            count.fetch_add(1, Ordering::Relaxed);
            (StatusCode::SERVICE_UNAVAILABLE, axum::Json(problem(503, "node/stopping")))
        }),
    );
    let operator = PrivateKey::ed25519([1; 32]);
    let refused = serve(router).await.advance_time(ChainId([1; 16]), Timestamp(9), &operator).await.unwrap_err();
    assert_eq!(refused.code(), Some("node/stopping"));
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_problem_is_told_with_its_code_and_a_foreign_answer_with_its_status() {
    let router = Router::new()
        .route("/v1/status", get(|| async { (StatusCode::NOT_FOUND, axum::Json(problem(404, "not-found"))) }))
        .route("/v1/summary", get(|| async { (StatusCode::NOT_FOUND, "<html>") }))
        .route("/v1/genesis", get(|| async { "<html>" }));
    let client = serve(router).await;
    let error = client.status().await.unwrap_err();
    assert!(error.is_not_found());
    assert_eq!(error.to_string(), "a detail");
    let error = client.summary().await.unwrap_err();
    assert!(!error.is_not_found());
    assert_eq!(error.code(), Some("http/status"));
    assert!(matches!(client.genesis().await, Err(ClientError::NotUnderstood { .. })));
}

#[tokio::test]
async fn an_address_that_is_none_is_refused_before_anything_is_sent() {
    for address in ["", "https://node", "ftp://node", "http://"] {
        assert!(matches!(Client::new(address), Err(ClientError::BadAddress { .. })), "{address:?}");
    }
    assert_eq!(Client::new("127.0.0.1:4680").unwrap().address(), "http://127.0.0.1:4680/");
    for address in ["http://u:S3CRET@node:4680", "u:S3CRET@node", "https://u:S3CRET@node", "http://S3CRET@node"] {
        let error = Client::new(address).unwrap_err();
        assert!(matches!(error, ClientError::LoginInAddress), "{address}");
        assert!(!format!("{error} {error:?}").contains("S3CRET"));
    }
}

/// A node that takes transactions of one account in the order of their nonces, beginning with `next`.
#[derive(Clone)]
struct Node {
    next: Arc<Mutex<u64>>,
    submissions: Arc<Mutex<Vec<Vec<u64>>>>,
}

async fn take(State(node): State<Node>, request: Request) -> axum::Json<Value> {
    let body = axum::body::to_bytes(request.into_body(), usize::MAX).await.unwrap();
    let transactions: Vec<Vec<u8>> = utilidor_types::decode(&body, usize::MAX).unwrap();
    let mut next = node.next.lock().unwrap();
    let mut nonces = Vec::new();
    let mut results = Vec::new();
    for bytes in transactions {
        let signed = SignedTransaction::decode(&bytes).unwrap();
        let nonce = signed.transaction.nonce;
        nonces.push(nonce);
        if nonce < *next {
            results.push(json!({ "problem": problem(409, "pool/nonce-too-old") }));
            continue;
        }
        assert_eq!(nonce, *next, "no nonce is left out");
        assert!(signed.transaction.expires > 41);
        *next += 1;
        let receipt = Receipt { cause: Cause::Transaction(signed.hash()), verdict: Verdict::Applied(Bounded::empty()) };
        results.push(json!({ "hash": signed.hash(), "height": 42, "receipt": receipt }));
    }
    node.submissions.lock().unwrap().push(nonces);
    axum::Json(json!({ "results": results }))
}

async fn account_record(State(node): State<Node>) -> impl IntoResponse {
    match *node.next.lock().unwrap() {
        0 => (StatusCode::NOT_FOUND, axum::Json(problem(404, "not-found"))),
        next => {
            let record = json!({
                "account": AccountId::of(&key().public_key()), "member": MemberId([1; 16]), "roles": [],
                "free": "0.000000", "reserved": "0.000000", "nonce": next, "height": 1
            });
            (StatusCode::OK, axum::Json(record))
        }
    }
}

async fn node(next: u64) -> (Node, Account) {
    let node = Node { next: Arc::new(Mutex::new(next)), submissions: Arc::default() };
    let router = Router::new()
        .route("/v1/status", get(|| async { axum::Json(status()) }))
        .route("/v1/transactions", post(take))
        .route("/v1/accounts/{account}", get(account_record))
        .with_state(node.clone());
    let account = Account::open(serve(router).await, key()).await.unwrap();
    (node, account)
}

fn transfer() -> Action {
    Action::Transfer { to: AccountId([9; 32]), amount: Money(1), reference: "".parse().unwrap() }
}

#[tokio::test]
async fn many_actions_go_as_one_request_with_consecutive_nonces() {
    let (node, account) = node(5).await;
    let done = account.submit_many(vec![transfer(); 100]).await;
    assert!(done.iter().all(|done| done.as_ref().is_ok_and(|done| done.height == 42)));
    account.submit(transfer()).await.unwrap();
    assert_eq!(*node.submissions.lock().unwrap(), [(5..105).collect(), vec![105]]);
}

#[tokio::test]
async fn an_account_that_is_not_open_yet_begins_with_nonce_zero() {
    let (node, account) = node(0).await;
    account.submit(transfer()).await.unwrap();
    assert_eq!(*node.submissions.lock().unwrap(), [[0]]);
}

#[tokio::test]
async fn a_nonce_that_another_client_has_used_is_asked_for_again() {
    let (node, account) = node(5).await;
    account.submit(transfer()).await.unwrap();
    *node.next.lock().unwrap() = 20;
    account.submit(transfer()).await.unwrap();
    assert_eq!(*node.submissions.lock().unwrap(), [[5], [6], [20]]);
}

#[tokio::test]
async fn a_node_that_answers_for_another_transaction_is_not_believed() {
    let router = Router::new()
        .route("/v1/status", get(|| async { axum::Json(status()) }))
        .route(
            "/v1/accounts/{account}",
            get(|| async { (StatusCode::NOT_FOUND, axum::Json(problem(404, "not-found"))) }),
        )
        .route("/v1/transactions", post(|| async { axum::Json(json!({ "results": [{ "hash": "ab".repeat(32) }] })) }));
    let account = Account::open(serve(router).await, key()).await.unwrap();
    let error = account.submit(transfer()).await.unwrap_err();
    assert!(matches!(error, SubmitError::Client(ClientError::NotUnderstood { .. })), "{error:?}");
}

#[tokio::test]
async fn a_receipt_of_another_transaction_is_not_believed() {
    let (_, account) = node(5).await;
    let other = account.submit(transfer()).await.unwrap();
    let (hash, receipt) = (other.hash, json!(other.receipt));
    // What stands between has kept an answer; or hands on the right hash with another one's receipt.
    let old = json!({ "results": [{ "hash": hash, "height": 42, "receipt": receipt }] });
    let asked = account.signer().sign(&account.signer().transaction(transfer(), 6, 99));
    let mixed = json!({ "results": [{ "hash": asked.hash(), "height": 42, "receipt": receipt }] });
    let nameless = json!({ "results": [{ "height": 42, "receipt": receipt }] });
    for answer in [old, mixed, nameless] {
        let router = Router::new().route("/v1/transactions", post(|| async { axum::Json(answer) }));
        let error = serve(router).await.submit_signed(std::slice::from_ref(&asked), 0).await.unwrap_err();
        assert!(matches!(error, ClientError::NotUnderstood { .. }), "{error:?}");
    }
    let found = json!({
        "hash": hash, "height": 42, "index": 0, "time_ms": 1, "account": account.id(), "nonce": 5, "action": transfer(),
        "receipt_index": 0, "receipt": receipt
    });
    let client = serve(Router::new().route("/v1/transactions/{hash}", get(|| async { axum::Json(found) }))).await;
    client.transaction(hash, 0).await.unwrap();
    let error = client.transaction(asked.hash(), 0).await.unwrap_err();
    assert!(matches!(error, ClientError::NotUnderstood { .. }), "{error:?}");
}

#[tokio::test]
async fn a_height_that_no_chain_has_is_an_error_and_no_crash() {
    let highest = || async {
        let mut highest = status();
        highest["height"] = json!(u64::MAX);
        axum::Json(highest)
    };
    let account = Account::open(serve(Router::new().route("/v1/status", get(highest))).await, key()).await.unwrap();
    let error = account.submit(transfer()).await.unwrap_err();
    assert!(matches!(error, SubmitError::Client(ClientError::NotUnderstood { .. })), "{error:?}");
}

#[tokio::test]
async fn a_transaction_longer_than_any_may_be_is_not_sent() {
    let (node, account) = node(5).await;
    let signature = signed_run(ChainId([7; 16]), Default::default(), Vec::new(), &key()).unwrap();
    // Far more than a transaction holds.
    let runs: Vec<_> = (0..2_048).map(|_| signature.clone()).collect();
    let reading = utilidor_types::Reading { time: Timestamp(1), register: utilidor_types::Quantity(1) };
    let long = gateway_run(Default::default(), vec![reading; 96]).unwrap();
    let runs: Vec<_> = runs.into_iter().take(1_500).chain(std::iter::repeat_n(long, 200)).collect();
    let action = Action::RecordReadings { runs: runs.try_into().unwrap() };
    assert!(encode(&action).len() > utilidor_types::transaction::MAX_TRANSACTION_BYTES);
    assert!(matches!(account.submit(action).await, Err(SubmitError::TooLong { .. })));
    account.submit(transfer()).await.unwrap();
    assert_eq!(*node.submissions.lock().unwrap(), [[5]], "no nonce was used up");
}

#[tokio::test]
async fn the_event_stream_goes_on_where_it_was_interrupted() {
    let connections = Arc::new(Mutex::new(Vec::new()));
    let seen = connections.clone();
    let events = move |Query(query): Query<HashMap<String, String>>, headers: HeaderMap| async move {
        let last = headers.get("last-event-id").map(|id| id.to_str().unwrap().to_owned());
        seen.lock().unwrap().push((query.get("after_height").cloned(), last.clone()));
        let block = |height: u64| {
            let data = json!({
                "height": height, "time_ms": height, "block": "00".repeat(32), "state_root": "00".repeat(32),
                "transactions": 0, "receipts": 0, "certificates": "0"
            });
            format!("event: block\nid: {height}:0\ndata: {data}\n\n")
        };
        // The first connection breaks off in the middle of an event.
        match last {
            None => format!("{}event: block\nid: 7", block(6)),
            Some(_) => block(7),
        }
    };
    let client = serve(Router::new().route("/v1/events", get(events))).await;
    let events: Vec<_> = client.events_after(5).take(2).map(Result::unwrap).collect().await;
    let heights: Vec<_> = events
        .into_iter()
        .map(|event| match event {
            LedgerEvent::Block(block) => block.height,
            LedgerEvent::Receipt(_) => panic!("no receipt was sent"),
        })
        .collect();
    assert_eq!(heights, [6, 7]);
    assert_eq!(*connections.lock().unwrap(), [(Some("5".into()), None), (None, Some("6:0".into()))]);
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let endless =
        futures::stream::repeat_with(|| Ok::<_, std::io::Error>(axum::body::Bytes::from(vec![b' '; 1 << 20])));
    let router = Router::new().route("/v1/status", get(|| async { axum::body::Body::from_stream(endless) }));
    let error = serve(router).await.status().await.unwrap_err();
    assert!(matches!(error, ClientError::NotUnderstood { .. }), "{error}");
    assert!(error.to_string().contains("longer than"), "{error}");
}

#[tokio::test]
async fn a_list_whose_pages_lead_nowhere_ends() {
    let pages = Arc::new(AtomicU32::new(0));
    let count = pages.clone();
    let page = move || async move {
        axum::Json(json!({ "items": [], "next": count.fetch_add(1, Ordering::Relaxed).to_string() }))
    };
    let error = serve(Router::new().route("/v1/members", get(page))).await.members().await.unwrap_err();
    assert!(error.to_string().contains("its list has no end"), "{error}");
}

#[test]
fn an_address_may_leave_out_its_scheme() {
    for (written, read) in [
        ("127.0.0.1:4680", "http://127.0.0.1:4680/"),
        ("localhost:4680", "http://localhost:4680/"),
        ("http://node.example/gateway", "http://node.example/gateway/"),
    ] {
        assert_eq!(Client::new(written).unwrap().address(), read);
    }
    for wrong in ["", "https://node.example", "ftp://node.example", "http://"] {
        assert!(Client::new(wrong).is_err(), "{wrong:?}");
    }
}

#[tokio::test]
async fn an_owner_is_told_which_quotes_do_not_open() {
    let (chain, owner, seal_key) = (ChainId([7; 16]), AccountId([1; 32]), SealKey::from_secret(&[5; 32]));
    let offer = offer(seal_key.seal());
    let id = offer.id(owner);
    let quote = |bidder, sealed_for| {
        let opening = Opening { salt: [bidder; 32], lines: vec![line()].try_into().unwrap() };
        let signed = seal_quote(&opening, (owner, &offer), chain, AccountId([sealed_for; 32]), false).unwrap();
        let mut quote = serde_json::to_value(&signed).unwrap();
        quote["bidder"] = json!(AccountId([bidder; 32]));
        quote["status"] = json!("submitted");
        quote["cause"] = cause();
        quote
    };
    let mut withdrawn = quote(4, 4);
    withdrawn["status"] = json!("withdrawn");
    let quotes = json!({ "items": [quote(2, 2), quote(3, 9), withdrawn], "next": null });
    let view = json!({
        "id": id, "offer": offer, "owner": owner, "status": "awarding", "awarded": ["0"], "quotes": 2, "cause": cause()
    });
    let router = Router::new()
        .route("/v1/status", get(|| async { axum::Json(status()) }))
        .route("/v1/offers/{offer}", get(move || async move { axum::Json(view) }))
        .route("/v1/offers/{offer}/quotes", get(move || async move { axum::Json(quotes) }));
    let client = serve(router).await;

    let opened = client.open_quotes(id, &seal_key).await.unwrap().quotes;
    assert_eq!(opened.len(), 2, "one was withdrawn");
    assert_eq!(opened[0].opening.as_ref().unwrap().lines[0], line());
    assert_eq!(opened[1].quote.bidder, AccountId([3; 32]));
    assert_eq!(opened[1].opening, Err(OpenError::DoesNotOpen), "it was sealed for another bidder");
    let other = client.open_quotes(id, &SealKey::from_secret(&[6; 32])).await;
    assert!(matches!(other, Err(OpenQuotesError::OtherKey { .. })), "{other:?}");
}

fn cause() -> Value {
    json!({ "height": 1, "receipt": 0, "time_ms": 1 })
}

fn line() -> QuoteLine {
    QuoteLine { quantity: Quantity(7), price: Money(8), user_meter: Default::default() }
}

fn offer(seal: Seal) -> Offer {
    let lot = Lot {
        carrier: Carrier::Electricity,
        quantity: Quantity(9),
        asking_price: Price::micro_per_kwh(1),
        delivery_meter: None,
        user_metered: true,
    };
    Offer {
        label: Label([1; 16]),
        lots: vec![lot].try_into().unwrap(),
        window: Window { from: Timestamp(3_600_000), to: Timestamp(7_200_000) },
        gate_closes: Timestamp(1),
        lapses: Timestamp(2),
        seal,
        terms: OfferTerms {
            deposit_permille: 0,
            guarantee_permille: 0,
            tolerance_permille: 0,
            grace_ms: 0,
            substitute: Substitute::Nothing,
            signing_ms: 0,
            bond: Money::ZERO,
            award_rule: AwardRule::Free,
        },
        notice: "".parse().unwrap(),
    }
}

/// A node that knows sessions: each sign-in is counted and gives another token; tokens before `good` have ended.
fn with_sessions(sign_ins: Arc<AtomicU32>, good: u32) -> Router {
    let challenge = json!({ "challenge": "07".repeat(32), "chain": ChainId([7; 16]), "ends_ms": 1 });
    let sign_in = move |axum::Json(answer): axum::Json<utilidor_types::session::SignIn>| async move {
        assert!(answer.holds(ChainId([7; 16])), "the signature is for the node's chain, name and challenge");
        assert!(answer.node.starts_with("127.0.0.1:"), "{}", answer.node);
        let number = sign_ins.fetch_add(1, Ordering::SeqCst) + 1;
        axum::Json(json!({
            "token": number.to_string(), "kind": "session", "account": AccountId::of(&answer.signer), "roles": [],
            "sees_everything": false, "categories": [], "ends_ms": 1
        }))
    };
    let accounts = move |headers: HeaderMap| async move {
        let token = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
        match token.as_deref().and_then(|token| token.strip_prefix("Bearer ")?.parse::<u32>().ok()) {
            Some(number) if number >= good => axum::Json(json!({ "items": [], "next": null })).into_response(),
            _ => (StatusCode::UNAUTHORIZED, axum::Json(problem(401, "access/bad-token"))).into_response(),
        }
    };
    Router::new()
        .route("/v1/session/challenge", post(move || async move { axum::Json(challenge) }))
        .route("/v1/session", post(sign_in))
        .route("/v1/accounts", get(accounts))
        .route(
            "/v1/status",
            get(|headers: HeaderMap| async move {
                assert!(!headers.contains_key("authorization"), "what is for everybody needs no token");
                axum::Json(status())
            }),
        )
}

#[tokio::test]
async fn signs_in_when_something_is_not_for_everybody_and_again_when_the_session_has_ended() {
    let sign_ins = Arc::new(AtomicU32::new(0));
    let client = serve(with_sessions(Arc::clone(&sign_ins), 2)).await.acting_as(key());
    client.status().await.unwrap();
    assert_eq!(sign_ins.load(Ordering::SeqCst), 0);
    client.accounts().await.unwrap();
    assert_eq!(sign_ins.load(Ordering::SeqCst), 2, "the first session had ended");
    client.clone().accounts().await.unwrap();
    assert_eq!(sign_ins.load(Ordering::SeqCst), 2, "clones share the session");
}

#[tokio::test]
async fn without_a_key_or_with_a_token_that_has_ended_it_is_told_so() {
    let sign_ins = Arc::new(AtomicU32::new(0));
    let nobody = serve(with_sessions(Arc::clone(&sign_ins), 1)).await;
    for client in [nobody.clone(), nobody.acting_by(|_| Ok(None)), nobody.with_token("0")] {
        assert_eq!(client.accounts().await.unwrap_err().code(), Some("access/bad-token"));
    }
    nobody.with_token("7").accounts().await.unwrap();
    let locked = nobody.acting_by(|_| Err("the passphrase does not open it".into()));
    assert!(matches!(locked.accounts().await.unwrap_err(), ClientError::SignIn { .. }));
    assert_eq!(sign_ins.load(Ordering::SeqCst), 0);
}
