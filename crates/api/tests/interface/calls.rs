//! The interface against a running development chain.

use crate::common::*;
use serde_json::{Value, json};
use utilidor_proof::Members;
use utilidor_proof::document::{Proof, ProofDocument, VERSION};
use utilidor_types::genesis::ChainKind;
use utilidor_types::operator::AdvanceTime;
use utilidor_types::*;

fn transfer(amount: u64) -> Action {
    Action::Transfer { to: account("bob"), amount: Money(amount), reference: Text::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_submitted_waited_for_read_proven_and_recognised_again() {
    let mut world = World::start(ChainKind::Development).await;
    world.settle_in().await;
    let signed = world.sign("alice", transfer(5));
    let results = world.submit(std::slice::from_ref(&signed), 30_000).await;
    let hash = signed.hash().to_string();
    assert_eq!(results[0]["hash"], hash.as_str());
    let height = results[0]["height"].as_u64().unwrap();

    let row: Value = world.read(&format!("/v1/transactions/{hash}")).await;
    assert_eq!((row["height"].as_u64(), &row["account"]), (Some(height), &json!(account("alice"))));
    let block: Value = world.read(&format!("/v1/blocks/{height}")).await;
    assert!(block["transactions"].as_array().unwrap().contains(&json!(hash)));
    let proof: Value = world.read(&format!("/v1/transactions/{hash}/proof")).await;
    assert_eq!((&proof["kind"], &proof["version"]), (&json!("transaction"), &json!(VERSION)));
    let document: ProofDocument = serde_json::from_value(proof).unwrap();
    let Proof::Transaction(proof) = document.proof else { panic!("another kind of proof") };
    assert_eq!(proof.transaction.signed.hash(), signed.hash());
    assert_eq!(proof.verify(&Members::of(&world.genesis).unwrap()).unwrap().height, height);

    let again = world.submit(std::slice::from_ref(&signed), 30_000).await;
    assert_eq!(again[0]["height"].as_u64(), Some(height));
    // The pool forgets across a restart; the index does not.
    world.restart().await;
    let again = world.submit(std::slice::from_ref(&signed), 30_000).await;
    assert_eq!((&again[0]["hash"], again[0]["height"].as_u64()), (&json!(hash), Some(height)));
    let account: Value = world.read(&format!("/v1/accounts/{}", account("bob"))).await;
    assert_eq!(account["free"], "1000000.000005");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_block_could_carry_is_refused_and_what_expires_is_told_to_who_waits() {
    let mut world = World::start(ChainKind::Development).await;
    world.settle_in().await;
    let chain = world.genesis.chain();
    let nonce = world.sign("alice", transfer(1)).transaction.nonce;
    let sign = |actor: &str, nonce, expires| {
        let key = key(actor);
        Transaction { chain, signer: key.public_key(), nonce, expires, action: transfer(1) }.sign(&key)
    };

    for (signed, code) in [
        (sign("stranger", 0, 90_000), "transaction/unknown-account"),
        (sign("alice", nonce, 900_000), "transaction/expired"),
    ] {
        let result = world.submit(std::slice::from_ref(&signed), 30_000).await.remove(0);
        assert!(result["hash"].is_null(), "{result}");
        assert_eq!(result["problem"]["code"], code, "{result}");
    }
    // What can enter a block is not held up by what cannot.
    let mixed = [sign("stranger", 1, 90_000), sign("alice", nonce, 90_000)];
    let results = world.submit(&mixed, 30_000).await;
    assert!(results[0]["height"].is_null() && results[1]["height"].is_u64(), "{results:?}");

    // One that waits for an earlier nonce is taken; the next block is the last that it could enter.
    let height = results[1]["height"].as_u64().unwrap();
    let waiting = sign("bob", 7, height + 1);
    let result = world.submit(std::slice::from_ref(&waiting), 0).await.remove(0);
    assert_eq!(result["hash"], waiting.hash().to_string().as_str(), "{result}");
    let path = format!("/v1/transactions/{}", waiting.hash());
    let (asked, next) = (format!("{path}?wait_ms=30000"), [sign("alice", nonce + 1, 90_000)]);
    let (waited, _) = tokio::join!(world.get(&asked), world.submit(&next, 30_000));
    assert_eq!((waited.0.as_u16(), &waited.1["code"]), (409, &json!("transaction/expired")));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_answered_with_its_own_code() {
    let mut world = World::start(ChainKind::Development).await;
    world.settle_in().await;
    for (path, status, code) in [
        ("/v1/nothing", 404, "route/unknown"),
        ("/v1/accounts/zz", 400, "request/malformed"),
        (&*format!("/v1/accounts/{}", account("stranger")), 404, "not-found"),
        ("/v1/accounts?limit=0", 400, "request/bad-page"),
        ("/v1/accounts?limit=1001", 400, "request/bad-page"),
        ("/v1/accounts?cursor=x", 400, "request/bad-page"),
        ("/v1/agreements?status=lost", 400, "request/malformed"),
        ("/v1/agreements?kind=lost", 400, "request/malformed"),
        ("/v1/offers?status=lost", 400, "request/malformed"),
        ("/v1/statements/00000000000000000000000000000000/1/readings", 404, "not-found"),
        ("/v1/blocks/99999", 404, "not-found"),
        ("/v1/certificates/99999", 404, "not-found"),
        ("/v1/certificates/99999/proof", 404, "not-found"),
        ("/v1/statements/00000000000000000000000000000000/1/proof", 404, "not-found"),
        (&*format!("/v1/transactions/{}?wait_ms=30001", Digest([0; 32])), 400, "request/wait-too-long"),
    ] {
        let (found, problem) = world.get(path).await;
        assert_eq!((found.as_u16(), &problem["code"]), (status, &json!(code)), "{path}: {problem}");
        assert_eq!(problem["status"], status, "{path}");
    }
    let post = |body: Vec<u8>, media: &'static str| {
        let request = world.http.post(format!("{}/v1/transactions", world.base)).header("content-type", media);
        async move {
            let request = request.body(body);
            let mut answer = request.try_clone().unwrap().send().await;
            // Who is refused before all was read may lose the connection while sending, and the answer with it.
            for _ in 0..10 {
                if answer.is_ok() {
                    break;
                }
                answer = request.try_clone().unwrap().send().await;
            }
            let response = answer.unwrap();
            assert_eq!(response.headers()["content-type"], "application/problem+json");
            assert!(response.headers().contains_key("x-request-id"));
            response.json::<Value>().await.unwrap()["code"].clone()
        }
    };
    assert_eq!(post(vec![1, 2], "application/octet-stream").await, "request/malformed");
    assert_eq!(post(b"{}".to_vec(), "application/json").await, "request/malformed");
    assert_eq!(post(vec![], "text/plain").await, "request/media-type");
    assert_eq!(post(vec![0; 9 * 1024 * 1024], "application/octet-stream").await, "request/too-large");
    assert_eq!(post(vec![255; 4], "application/octet-stream").await, "request/too-many-transactions");

    let good = world.sign("alice", transfer(1));
    let mut forged = good.clone();
    forged.signature.0[0] ^= 1;
    let mut foreign = good.transaction.clone();
    foreign.chain = ChainId([1; 16]);
    let foreign = foreign.sign(&key("alice"));
    let results = world.submit(&[forged, foreign, good], 0).await;
    assert_eq!(results[0]["problem"]["code"], "transaction/bad-signature");
    assert_eq!(results[1]["problem"]["code"], "transaction/wrong-chain");
    assert!(results[2]["hash"].is_string(), "{results:?}");

    // A refusal of the ledger is no problem: it is in the receipt, and counted.
    let receipt =
        world.act("bob", Action::Issue { to: account("bob"), amount: Money(1), reference: Text::default() }).await;
    assert_eq!(receipt.refusal().unwrap().code(), "member/missing-role");
    let refusals: Value = world.read("/v1/refusals").await;
    assert_eq!(refusals["items"][0]["code"], "member/missing-role");
    let counts: Value = world.read("/v1/refusals/summary").await;
    assert_eq!(
        counts["items"],
        json!([{ "code": "member/missing-role", "transactions": 1, "readings": 0, "awards": 0 }])
    );

    let body = AdvanceTime::sign(world.genesis.chain(), Timestamp(1), &key("validator"));
    let response = world.http.post(format!("{}/v1/development/time", world.base)).json(&body).send().await.unwrap();
    assert_eq!(response.json::<Value>().await.unwrap()["code"], "development/time-in-past");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_come_in_pages_that_neither_repeat_nor_skip() {
    let mut world = World::start(ChainKind::Development).await;
    world.settle_in().await;
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page: Value = world.read(&format!("/v1/accounts?limit=2{cursor}")).await;
        seen.extend(page["items"].as_array().unwrap().iter().map(|row| row["account"].clone()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let whole: Value = world.read("/v1/accounts").await;
    let whole: Vec<_> = whole["items"].as_array().unwrap().iter().map(|row| row["account"].clone()).collect();
    assert_eq!(seen, whole);
    assert_eq!(seen.len(), 5);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_event_stream_tells_every_receipt_once_and_goes_on_where_it_stopped() {
    let mut world = World::start(ChainKind::Development).await;
    world.settle_in().await;
    let status: Value = world.read("/v1/status").await;
    let height = status["indexed_height"].as_u64().unwrap();

    /// Ids of the events from the beginning, or after one, until block `height` has been told.
    async fn ids(world: &World, last: Option<&str>, height: u64) -> Vec<String> {
        let token = world.token(OPERATOR).await;
        let mut request = world.ask(reqwest::Method::GET, "/v1/events?after_height=0", Some(&token));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let mut response = request.send().await.unwrap();
        assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/event-stream"));
        let mut text = String::new();
        let end = format!("id: {height}:");
        while !text.contains(&end) || !text.ends_with("\n\n") {
            let chunk = response.chunk().await.unwrap().expect("the stream goes on");
            text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        let ids = text.lines().filter_map(|line| line.strip_prefix("id: ")).map(String::from);
        ids.filter(|id| id.split(':').next().unwrap().parse::<u64>().unwrap() < height).collect()
    }

    let all = ids(&world, None, height).await;
    let mut expected = Vec::new();
    for height in 1..height {
        let block: Value = world.read(&format!("/v1/blocks/{height}")).await;
        expected.extend((0..=block["receipts"].as_array().unwrap().len()).map(|index| format!("{height}:{index}")));
    }
    assert_eq!(all, expected);
    for place in [0, 1, all.len() / 2, all.len() - 2] {
        assert_eq!(ids(&world, Some(&all[place]), height).await, all[place + 1..], "after {}", all[place]);
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_production_chains_time_cannot_be_advanced() {
    let mut world = World::start(ChainKind::Production).await;
    let body = AdvanceTime::sign(world.genesis.chain(), at(2, 1, 0), &key("validator"));
    let response = world.http.post(format!("{}/v1/development/time", world.base)).json(&body).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 409);
    assert_eq!(response.json::<Value>().await.unwrap()["code"], "development/not-a-development-chain");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_clean_stop_the_index_file_alone_holds_all_rows() {
    let mut world = World::start(ChainKind::Development).await;
    world.settle_in().await;
    let height = world.read::<Value>("/v1/status").await["indexed_height"].as_u64().unwrap();

    world.stop().await;

    let wal = world.dir.path().join("index.sqlite-wal");
    assert!(!wal.exists() || wal.metadata().unwrap().len() == 0);
    let copied = world.dir.path().join("copied.sqlite");
    std::fs::copy(world.dir.path().join("index.sqlite"), &copied).unwrap();
    let index = utilidor_index::Index::open(&copied, &world.genesis).unwrap();
    assert!(index.height() >= height && height > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_balance_that_a_bad_disk_has_changed_in_the_index_is_told_to_nobody() {
    let mut world = World::start(ChainKind::Development).await;
    world.settle_in().await;
    let path = format!("/v1/accounts/{}", account("alice"));
    let right = world.get_as("alice", &path).await;
    assert_eq!(right.0, 200);
    world.stop().await;
    let index = rusqlite::Connection::open(world.dir.path().join("index.sqlite")).unwrap();
    let changed = index.execute("UPDATE accounts SET free = free + 4096, nonce = nonce + 1", []).unwrap();
    assert!(changed > 1);
    drop(index);

    world.run().await;

    assert_eq!(world.get_as("alice", &path).await, right);
    let own = world.get_as("alice", "/v1/accounts").await.1;
    assert!(own["items"].as_array().unwrap().contains(&right.1), "{own}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_is_found_by_its_beginning() {
    let mut world = World::start(ChainKind::Development).await;
    world.settle_in().await;
    let signed = world.sign("alice", transfer(1));
    world.submit(std::slice::from_ref(&signed), 30_000).await;

    for (kind, id) in [
        ("account", account("alice").to_string()),
        ("member", MemberId::of(account("bob")).to_string()),
        ("meter", meter_id("alice/electricity").to_string()),
        ("transaction", signed.hash().to_string()),
    ] {
        for digits in [5, 12, 17, id.len()] {
            let found: Value = world.read(&format!("/v1/ids/{}", &id[..digits.min(id.len())])).await;
            assert_eq!(found["items"], json!([{ "kind": kind, "id": id }]), "{digits} digits");
        }
    }
    assert_eq!(world.read::<Value>("/v1/ids/00000000").await["items"], json!([]));
    for beginning in ["77a", "hello", &"7".repeat(65)] {
        let (status, problem) = world.get(&format!("/v1/ids/{beginning}")).await;
        assert_eq!((status.as_u16(), &problem["code"]), (400, &json!("request/malformed")), "{beginning}");
    }
    world.stop().await;
}
