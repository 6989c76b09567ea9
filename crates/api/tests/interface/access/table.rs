//! Every endpoint of the interface's document, asked by every role about the same tenant's things. What each is answered stands
//! in `docs/access.md`; after a change that is meant, run with `UPDATE_ACCESS=1` and commit it.

use super::town::{Town, admission, price_index, publication};
use crate::common::*;
use reqwest::Method;
use serde_json::{Value, json};
use utilidor_types::operator::AdvanceTime;
use utilidor_types::session::{Category, OversightWish, Subject};
use utilidor_types::*;

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/access.md");

const INTRODUCTION: &str = "# Who may ask what

Each endpoint, asked by each role about the same tenant's things: its account, agreement, statement, meter, reading and so on. A number in
brackets says how many items of a list were shown. What one may not see is answered as if it were not there. ADR 0023 says why it is so.

This table is written by a test that asks a running node (`crates/api/tests/interface/access/table.rs`).

* *nobody*: without a token. *party*: the tenant itself. *other*: another tenant, which has quoted on the same offer. *owner*: the station that the
  tenant has its contracts with, and that has published the offer. *operator*: of the tenants' meters. *issuer*: of the currency.
* *supervisor*: signed in, without a reason yet. *with reason*: the same, having given a reason for the trade of the tenant's agreement.
* *program*: a read token of the tenant for meters. *validator*: a member that takes part in consensus.

";

const ROLES: [&str; 10] =
    ["nobody", "party", "other", "owner", "operator", "issuer", "supervisor", "with reason", "program", "validator"];

/// The key behind a role.
fn actor(role: &str) -> &'static str {
    match role {
        "party" | "program" => "alice",
        "other" => "bob",
        "owner" => "station",
        "operator" => "gateway",
        "issuer" => "issuer",
        "supervisor" | "with reason" => "inspector",
        "validator" => "founder",
        _ => "stranger",
    }
}

fn wish(town: &Town, who: &str, after: Digest) -> OversightWish {
    let what = (Category::Trade, Subject::Agreement(purchase()));
    OversightWish::sign(
        town.world.genesis.chain(),
        town.world.host(),
        what,
        "complaint 7".parse().unwrap(),
        after,
        &key(who),
    )
}

async fn token_of(town: &Town, role: &str) -> Option<String> {
    let world = &town.world;
    let given = match role {
        "nobody" => return None,
        "with reason" => {
            let wish = wish(town, "inspector", town.last_entry().await);
            world.ask(Method::POST, "/v1/oversight", None).json(&wish)
        }
        "program" => {
            let token = world.sign_in("alice").await;
            world.ask(Method::POST, "/v1/tokens", Some(&token)).json(&token_wish())
        }
        role => return Some(world.sign_in(actor(role)).await),
    };
    let given: Value = given.send().await.unwrap().json().await.unwrap();
    Some(given["token"].as_str().unwrap_or_else(|| panic!("{role}: {given}")).to_owned())
}

fn token_wish() -> Value {
    let day = std::time::SystemTime::now() + std::time::Duration::from_secs(24 * 3_600);
    let ends = day.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64;
    json!({ "name": "a program", "categories": ["meters"], "ends_ms": ends })
}

/// The path with the tenant's things in it.
async fn filled(town: &Town, path: &str, token_id: &str) -> String {
    let height: Value = town.world.read(&format!("/v1/transactions/{}", town.transfers[0])).await;
    let certificates: Value =
        town.world.read(&format!("/v1/meters/{}/certificates?limit=1", meter_id("alice/electricity"))).await;
    let id = if path.starts_with("/v1/tokens") {
        token_id.to_owned()
    } else {
        certificates["items"][0]["certificate"]["id"].as_str().unwrap().to_owned()
    };
    let agreement = if path.contains("subscriptions") { subscription() } else { purchase() };
    let package = PackageId::of(account("station"), label("p"));
    let motion = MotionId::of(account("founder"), admission(town.world.genesis.chain(), "alice").label);
    [
        ("account", account("alice").to_string()),
        ("agreement", agreement.to_string()),
        ("number", "1".into()),
        ("offer", offer_id().to_string()),
        ("meter", meter_id("alice/electricity").to_string()),
        ("id", id),
        ("height", height["height"].to_string()),
        ("hash", town.transfers[0].to_string()),
        ("key", Digest(Key::of(3, &account("alice").0).0).to_string()),
        ("package", package.to_string()),
        ("program", publication().id().to_string()),
        ("index", price_index().to_string()),
        ("motion", motion.to_string()),
        ("version", "1".into()),
        ("beginning", account("alice").to_string()[..8].to_owned()),
        ("carrier", "electricity".into()),
    ]
    .iter()
    .fold(path.to_owned(), |path, (name, value)| path.replace(&format!("{{{name}}}"), value))
}

async fn body(town: &Town, path: &str, role: &str) -> Value {
    match path {
        "/v1/transactions" => json!({ "transactions": [] }),
        "/v1/tokens" => token_wish(),
        "/v1/oversight" => json!(wish(town, actor(role), town.last_entry().await)),
        "/v1/development/time" => {
            let now: Value = town.world.read("/v1/status").await;
            let to = Timestamp(now["time_ms"].as_u64().unwrap() + 1_000);
            json!(AdvanceTime::sign(town.world.genesis.chain(), to, &key(actor(role))))
        }
        _ => json!({}),
    }
}

async fn cell(town: &Town, method: &Method, path: &str, role: &str) -> String {
    let token = token_of(town, role).await;
    let alice = town.world.sign_in("alice").await;
    let token_id = match path {
        "/v1/tokens/{id}" => {
            let made = town.world.ask(Method::POST, "/v1/tokens", Some(&alice)).json(&token_wish());
            assert!(made.send().await.unwrap().status().is_success());
            let tokens = town.world.get_with(Some(&alice), "/v1/tokens").await.1;
            tokens["items"].as_array().unwrap().last().unwrap()["id"].as_str().unwrap().to_owned()
        }
        _ => String::new(),
    };
    let mut request = town.world.ask(method.clone(), &filled(town, path, &token_id).await, token.as_deref());
    if *method == Method::POST {
        request = request.json(&body(town, path, role).await);
    }
    let response = request.send().await.unwrap();
    let status = response.status();
    assert!(!status.is_server_error(), "{method} {path} as {role}: {status}");
    let stream = response.headers()["content-type"].to_str().unwrap().starts_with("text/event-stream");
    // How many tokens and entries there are depends on who was asked before.
    let counted = !stream && !path.contains("token") && !path.contains("oversight");
    let items = match counted && status.is_success() {
        true => {
            let text = response.text().await.unwrap();
            let body: Value = serde_json::from_str(&text).unwrap_or_default();
            let list = body.get("items").or_else(|| body.get("receipts")).and_then(Value::as_array).map(Vec::len);
            list.map(|count| format!(" ({count})")).unwrap_or_default()
        }
        false => String::new(),
    };
    // What was made is undone, so that each role finds the same.
    for token in town.world.get_with(Some(&alice), "/v1/tokens").await.1["items"].as_array().unwrap() {
        let path = format!("/v1/tokens/{}", token["id"].as_str().unwrap());
        town.world.ask(Method::DELETE, &path, Some(&alice)).send().await.unwrap();
    }
    format!("{}{items}", status.as_u16())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_answers_each_role_as_the_table_says() {
    let mut town = Town::play().await;
    let document = serde_json::to_value(utilidor_api::openapi()).unwrap();
    let mut table = format!("| endpoint | {} |\n|---|{}\n", ROLES.join(" | "), "---|".repeat(ROLES.len()));
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let mut cells = Vec::new();
            for role in ROLES {
                cells.push(cell(&town, &method, path, role).await);
            }
            let allowed = |cell: &String| cell.starts_with("200");
            let hidden = |cell: &String| ["401", "403", "404"].contains(&&cell[..3]);
            let body_is_none = ["/v1/session", "/v1/development/time", "/v1/oversight"].contains(&path.as_str());
            assert!(
                cells.iter().all(|cell| allowed(cell) || hidden(cell)) || body_is_none,
                "{method} {path}: {cells:?}"
            );
            if !operation["security"].is_null() {
                assert!(cells[0].starts_with("401"), "{method} {path} says that it wants a token");
            }
            table.push_str(&format!("| {method} `{path}` | {} |\n", cells.join(" | ")));
        }
    }
    let page = format!("{INTRODUCTION}{table}");
    if std::env::var_os("UPDATE_ACCESS").is_some() {
        std::fs::write(TABLE, &page).unwrap();
    }
    let golden = std::fs::read_to_string(TABLE).unwrap_or_default();
    assert!(page == golden, "differs from docs/access.md; if that is meant, run with UPDATE_ACCESS=1:\n{table}");
    town.world.stop().await;
}
