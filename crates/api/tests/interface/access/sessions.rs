//! Signing in, read tokens, and what follows from whose account it is.

use super::town::{Town, publication};
use crate::common::*;
use reqwest::header::HOST;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use utilidor_types::agreement::{CodedTerms, Fallback, HardEnd, Party, ProgramCode};
use utilidor_types::genesis::ChainKind;
use utilidor_types::program::{CodedMeter, Metered};
use utilidor_types::session::{Challenge, SignIn};
use utilidor_types::*;

fn in_an_hour() -> u64 {
    let hour = std::time::SystemTime::now() + std::time::Duration::from_secs(3_600);
    hour.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64
}

async fn make(world: &World, token: &str, wish: &Value) -> (StatusCode, Value) {
    let answer = world.ask(Method::POST, "/v1/tokens", Some(token)).json(wish).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_signs_in_with_a_fresh_challenge_under_the_nodes_own_name() {
    let mut world = World::start(ChainKind::Development).await;
    let chain = world.genesis.chain();
    let host = world.base.strip_prefix("http://").unwrap().to_owned();
    let challenge = async || -> Challenge {
        let answer = world.ask(Method::POST, "/v1/session/challenge", None).send().await.unwrap();
        serde_json::from_value(answer.json::<Value>().await.unwrap()["challenge"].clone()).unwrap()
    };
    let send = async |answer: &SignIn| {
        let answer = world.ask(Method::POST, "/v1/session", None).json(answer).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json::<Value>().await.unwrap())
    };
    let good = SignIn::sign(chain, host.parse().unwrap(), challenge().await, &key("alice"));

    let (status, session) = send(&good).await;
    assert_eq!((status, &session["account"]), (200, &json!(account("alice"))));
    assert_eq!((&session["kind"], &session["roles"]), (&json!("session"), &json!(["user"])));
    assert_eq!(session["categories"], json!(["accounts", "trade", "meters"]));
    for bad in [
        good,
        SignIn::sign(chain, "evil.example:4680".parse().unwrap(), challenge().await, &key("alice")),
        SignIn::sign(ChainId([7; 16]), host.parse().unwrap(), challenge().await, &key("alice")),
        SignIn::sign(chain, host.parse().unwrap(), Challenge([7; 32]), &key("alice")),
        SignIn {
            signer: key("bob").public_key(),
            ..SignIn::sign(chain, host.parse().unwrap(), challenge().await, &key("alice"))
        },
    ] {
        let (status, problem) = send(&bad).await;
        assert_eq!((status, &problem["code"]), (401, &json!("access/bad-sign-in")), "{bad:?}");
    }

    let token = session["token"].as_str().unwrap();
    assert_eq!(world.get_with(Some(token), "/v1/session").await.1["account"], json!(account("alice")));
    assert_eq!(world.ask(Method::DELETE, "/v1/session", Some(token)).send().await.unwrap().status(), 200);
    for gone in [token, "nonsense", ""] {
        let (status, problem) = world.get_with(Some(gone), "/v1/session").await;
        assert_eq!((status.as_u16(), &problem["code"]), (401, &json!("access/bad-token")), "{gone:?}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_for_another_node_is_refused_whatever_host_its_bearer_names() {
    let mut world = World::start(ChainKind::Development).await;
    let own: std::net::SocketAddr = world.base.strip_prefix("http://").unwrap().parse().unwrap();
    let port = own.port();
    // Whoever relays what was signed for another node writes the `Host` as well.
    for (host, status) in [
        (format!("203.0.113.5:{port}"), 401),
        (format!("[2001:db8::5]:{port}"), 401),
        (own.to_string(), 200),
        (format!("localhost:{port}"), 200),
    ] {
        let challenge = world.ask(Method::POST, "/v1/session/challenge", None).send().await.unwrap();
        let challenge: Challenge =
            serde_json::from_value(challenge.json::<Value>().await.unwrap()["challenge"].clone()).unwrap();
        let signed = SignIn::sign(world.genesis.chain(), host.parse().unwrap(), challenge, &key("alice"));
        let sent = world.ask(Method::POST, "/v1/session", None).header(HOST, &host).json(&signed).send().await.unwrap();
        let (answered, body) = (sent.status().as_u16(), sent.json::<Value>().await.unwrap());
        assert_eq!(answered, status, "{host}: {body}");
        if status == 401 {
            assert_eq!(body["code"], "access/bad-sign-in", "{host}");
        }
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_without_an_account_makes_no_tokens_and_reads_no_log() {
    let mut world = World::start(ChainKind::Development).await;
    let stranger = world.sign_in("stranger").await;
    let wish = json!({ "name": "gateway", "categories": ["meters"], "ends_ms": in_an_hour() });

    let (status, problem) = make(&world, &stranger, &wish).await;
    assert_eq!((status.as_u16(), &problem["code"]), (403, &json!("access/out-of-scope")), "{problem}");
    let (status, members) = world.get_with(Some(&stranger), "/v1/members").await;
    assert_eq!((status.as_u16(), &members["items"]), (200, &json!([])), "who the members are is told to members");
    let (status, problem) = world.get_with(Some(&stranger), "/v1/oversight").await;
    assert_eq!((status.as_u16(), &problem["code"]), (403, &json!("access/out-of-scope")), "{problem}");
    assert_eq!(world.get_as("alice", "/v1/oversight").await.0, 200);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_validators_key_is_for_its_categories_alone() {
    let mut world = World::start(ChainKind::Development).await;
    let node = world.sign_in("validator").await;
    let wish = json!({ "name": "monitor", "categories": ["meters"], "ends_ms": in_an_hour() });

    let (status, made) = make(&world, &node, &wish).await;
    assert_eq!((status.as_u16(), &made["sees_everything"]), (200, &json!(true)), "{made}");
    let token = made["token"].as_str().unwrap();
    assert_eq!(world.get_with(Some(token), "/v1/meters").await.0, 200);
    let (status, problem) = world.get_with(Some(token), "/v1/agreements").await;
    assert_eq!((status.as_u16(), &problem["code"]), (403, &json!("access/out-of-scope")), "{problem}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_programs_token_reads_its_categories_only_until_it_is_revoked() {
    let mut town = Town::play().await;
    let session = town.world.sign_in("alice").await;
    let wish = json!({ "name": "gateway", "categories": ["meters"], "ends_ms": in_an_hour() });
    let (status, made) = make(&town.world, &session, &wish).await;
    assert_eq!(status, 200, "{made}");
    let token = made["token"].as_str().unwrap().to_owned();
    let ask = async |world: &World, path: &str| {
        let (status, body) = world.get_with(Some(&token), path).await;
        (status.as_u16(), body["code"].as_str().unwrap_or_default().to_owned())
    };
    let meters = format!("/v1/meters/{}/certificates", meter_id("alice/electricity"));

    assert_eq!(ask(&town.world, &meters).await.0, 200);
    let out_of_scope = (403, "access/out-of-scope".to_owned());
    for path in ["/v1/accounts", "/v1/agreements", "/v1/statements", "/v1/refusals", "/v1/tokens"] {
        assert_eq!(ask(&town.world, path).await, out_of_scope, "{path}");
    }
    let readings = format!("/v1/agreements/{}/readings", purchase());
    assert_eq!(ask(&town.world, &readings).await, out_of_scope, "readings under a contract want both");
    assert_eq!(make(&town.world, &token, &wish).await.0, 403, "it makes no others");
    let ended = town.world.ask(Method::DELETE, "/v1/session", Some(&token)).send().await.unwrap();
    assert_eq!(ended.status(), 403, "and does not say that it has ended: whoever made it revokes it");
    let (_, members) = town.world.get_with(Some(&token), "/v1/members").await;
    assert!(!members.to_string().contains(&account("alice").to_string()), "{members}");

    // It outlives a restart, and ends with one word.
    town.world.restart().await;
    assert_eq!(ask(&town.world, &meters).await.0, 200);
    assert_eq!(town.world.get_with(Some(&session), "/v1/session").await.0, 401, "sessions do not");
    let (session, others) = (town.world.sign_in("alice").await, town.world.sign_in("bob").await);
    let listed = town.world.get_with(Some(&session), "/v1/tokens").await.1;
    assert!(!listed.to_string().contains(&token), "it is told once");
    let path = format!("/v1/tokens/{}", listed["items"][0]["id"].as_str().unwrap());
    assert_eq!(town.world.ask(Method::DELETE, &path, Some(&others)).send().await.unwrap().status(), 404);
    assert_eq!(town.world.ask(Method::DELETE, &path, Some(&session)).send().await.unwrap().status(), 200);
    assert_eq!(ask(&town.world, &meters).await, (401, "access/bad-token".into()));
    town.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_members_accounts_are_linked_for_that_member_only() {
    let mut town = Town::play().await;
    let world = &town.world;
    let (first, second) = (account("alice").to_string(), account("alice, second").to_string());

    // Either of its accounts shows the member both.
    for actor in ["alice", "alice, second"] {
        let (_, members) = world.get_as(actor, "/v1/members").await;
        let own = members["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|member| !member["accounts"].as_array().unwrap().is_empty());
        assert_eq!(own.unwrap()["accounts"], json!([first, second]), "{actor}");
        let (_, accounts) = world.get_as(actor, "/v1/accounts").await;
        assert_eq!(accounts["items"].as_array().unwrap().len(), 2);
    }
    for actor in ["bob", "station", "gateway", "issuer", "inspector"] {
        let (status, members) = world.get_as(actor, "/v1/members").await;
        assert_eq!((status.as_u16(), members["items"].as_array().unwrap().len()), (200, 7), "{actor}");
        assert!(!members.to_string().contains(&first) && !members.to_string().contains(&second), "{actor}");
        for id in [&first, &second] {
            assert_eq!(world.get_as(actor, &format!("/v1/accounts/{id}")).await.0, 404, "{actor}");
        }
    }
    // A token for one account only does not show the other.
    let session = world.sign_in("alice").await;
    let wish = json!({
        "name": "one", "categories": ["accounts"], "this_account_only": true, "ends_ms": in_an_hour()
    });
    let token = make(world, &session, &wish).await.1["token"].as_str().unwrap().to_owned();
    let (_, accounts) = world.get_with(Some(&token), "/v1/accounts").await;
    assert_eq!(accounts["items"].as_array().unwrap().len(), 1);
    assert_eq!(world.get_with(Some(&token), &format!("/v1/accounts/{second}")).await.0, 404);
    town.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_may_not_see_is_answered_as_what_is_not_there() {
    let mut town = Town::play().await;
    let nothing = AgreementId([7; 16]);
    for (path, thing, missing) in [
        ("/v1/agreements/ID", purchase().to_string(), nothing.to_string()),
        ("/v1/agreements/ID/trace", purchase().to_string(), nothing.to_string()),
        ("/v1/agreements/ID/events", purchase().to_string(), nothing.to_string()),
        ("/v1/agreements/ID/movements", purchase().to_string(), nothing.to_string()),
        ("/v1/agreements/ID/readings", purchase().to_string(), nothing.to_string()),
        ("/v1/agreements/ID/statements", purchase().to_string(), nothing.to_string()),
        ("/v1/statements/ID/1", purchase().to_string(), nothing.to_string()),
        ("/v1/statements/ID/1/proof", purchase().to_string(), nothing.to_string()),
        ("/v1/statements/ID/1/readings", purchase().to_string(), nothing.to_string()),
        ("/v1/subscriptions/ID", subscription().to_string(), nothing.to_string()),
        ("/v1/meters/ID", meter_id("alice/electricity").to_string(), nothing.to_string()),
        ("/v1/meters/ID/certificates", meter_id("alice/electricity").to_string(), nothing.to_string()),
        ("/v1/meters/ID/events", meter_id("alice/electricity").to_string(), nothing.to_string()),
        ("/v1/accounts/ID", account("alice").to_string(), account("nobody").to_string()),
        ("/v1/accounts/ID/movements", account("alice").to_string(), account("nobody").to_string()),
    ] {
        let ask = async |id: &str| {
            let (status, problem) = town.world.get_as("bob", &path.replace("ID", id)).await;
            (status.as_u16(), problem.to_string().replace(id, "ID"))
        };
        let hidden = ask(&thing).await;
        assert_eq!(hidden.0, 404, "{path}");
        assert_eq!(hidden, ask(&missing).await, "{path}");
    }
    town.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_a_meter_over_sees_nothing_from_before_and_who_gave_it_up_nothing_after() {
    let mut world = World::start(ChainKind::Development).await;
    world.settle_in().await;
    let (meter, mut register) = (meter_id("alice/heating"), 0);
    world.advance(at(1, 3, 0)).await;
    world.readings("alice/heating", at(1, 1, 0), 48, &mut register, KWH).await;
    world.done("gateway", Action::BindMeter { meter, holder: account("bob") }).await;
    world.advance(at(1, 5, 1)).await;
    world.readings("alice/heating", at(1, 3, 0), 48, &mut register, KWH).await;

    let hours = async |actor: &str| {
        let (_, page) = world.get_as(actor, &format!("/v1/meters/{meter}/certificates?limit=1000")).await;
        let begins = page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| (row["certificate"]["interval"]["from"].as_u64().unwrap() - at(1, 1, 0).0) / 3_600_000);
        begins.collect::<Vec<_>>()
    };
    let (before, after, all) = (hours("alice").await, hours("bob").await, hours("gateway").await);
    assert_eq!(all, (0..96).collect::<Vec<_>>());
    // It was bound a moment after the third day began.
    assert_eq!(before, (0..=48).collect::<Vec<_>>());
    assert_eq!(after, (49..96).collect::<Vec<_>>());
    assert_eq!(world.get_as("alice", &format!("/v1/meters/{meter}")).await.0, 404, "it is another's now");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_batch_holds_of_several_is_proven_to_none_of_them() {
    let mut world = World::start(ChainKind::Development).await;
    world.settle_in().await;
    world.done("station", Action::PublishPackage(world.package(1, 800_000))).await;
    world.done("alice", Action::Subscribe { label: label("s"), terms: world.terms(1) }).await;
    world.advance(at(2, 1, 1)).await;
    let run = |meter: &str| {
        let readings = vec![Reading { time: at(2, 1, 0), register: Quantity(700 * KWH) }];
        let readings = readings.try_into().unwrap();
        utilidor_types::meter::MeterRun { meter: meter_id(meter), readings, signature: None }
    };
    let runs = vec![run("alice/electricity"), run("alice/heating"), run("bob/electricity")].try_into().unwrap();
    let mixed = world.sign("gateway", Action::RecordReadings { runs });
    world.submit(std::slice::from_ref(&mixed), 30_000).await;
    world.advance(at(2, 1, 7)).await;

    let proof = format!("/v1/statements/{}/1/proof", subscription());
    let (status, problem) = world.get_as("alice", &proof).await;
    assert_eq!((status.as_u16(), &problem["code"]), (403, &json!("access/mixed-evidence")), "{problem}");
    assert_eq!(world.get(&proof).await.0, 200, "who runs the node sees it all anyway");
    let (_, events) = world.get_as("alice", &format!("/v1/agreements/{}/events", subscription())).await;
    assert!(events["items"].as_array().unwrap().len() > 1, "what concerns her she is told: {events}");
    for path in [
        format!("/v1/agreements/{}/trace", subscription()),
        format!("/v1/meters/{}/events", meter_id("alice/electricity")),
        format!("/v1/ids/{}", &mixed.hash().to_string()[..8]),
    ] {
        let (_, answer) = world.get_as("alice", &path).await;
        assert!(!answer.to_string().contains(&mixed.hash().to_string()), "{path} tells the hash: {answer}");
    }
    let (_, found) = world.get_as("gateway", &format!("/v1/ids/{}", &mixed.hash().to_string()[..8])).await;
    assert_eq!(found["items"].as_array().unwrap().len(), 1, "its sender knows it");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_that_names_somebody_elses_meter_shows_nothing_of_it() {
    let mut town = Town::play().await;
    let theirs = meter_id("alice/electricity");
    let named = |meter| CodedMeter {
        meter,
        carrier: Carrier::Electricity,
        party: Party::USER,
        window: Window { from: at(1, 1, 0), to: at(3, 1, 0) },
        metered: Metered::Rest,
    };
    let code = ProgramCode::Published(publication().id());
    // The other one is nowhere: nobody's index may stumble over it.
    let meters = vec![named(theirs), named(meter_id("nowhere"))].try_into().unwrap();
    let coded = CodedTerms { meters, ..CodedTerms::bare(code, Bounded::empty()) };
    let terms = AgreementTerms {
        hard_end: Some(HardEnd { at: at(3, 1, 0), fallback: Fallback::GiveBack }),
        ..AgreementTerms::between(account("station"), account("bob"), Program::Coded(coded))
    };
    let (agreement, digest) = (agreement_of("station", "n"), terms.digest());
    let propose = Action::ProposeAgreement { label: label("n"), terms, signing_ms: 3_600_000 };
    town.world.done("station", propose).await;
    town.world.done("bob", Action::SignAgreement { agreement, terms: digest }).await;

    let (_, shown) = town.world.get_as("bob", &format!("/v1/agreements/{agreement}")).await;
    assert_eq!(shown["status"], "active", "{shown}");
    let (_, readings) = town.world.get_as("bob", &format!("/v1/agreements/{agreement}/readings")).await;
    assert_eq!(readings["items"], json!([]));
    for path in [format!("/v1/meters/{theirs}"), format!("/v1/meters/{theirs}/certificates")] {
        assert_eq!(town.world.get_as("bob", &path).await.0, 404, "{path}");
    }
    town.world.stop().await;
}
