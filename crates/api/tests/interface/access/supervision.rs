//! Supervision [M8]: by category, with a reason, in a log that members see.

use super::town::Town;
use crate::common::*;
use reqwest::Method;
use reqwest::header::HOST;
use serde_json::{Value, json};
use utilidor_api::Settings;
use utilidor_types::session::{Category, OversightWish, Subject};
use utilidor_types::{Action, Decision, MemberId, Role, Roles};

async fn oversee(town: &Town, who: &str, what: (Category, Subject), reason: &str) -> (u16, Value) {
    let (chain, after) = (town.world.genesis.chain(), town.last_entry().await);
    let wish = OversightWish::sign(chain, town.world.host(), what, reason.parse().unwrap(), after, &key(who));
    let answer = town.world.ask(Method::POST, "/v1/oversight", None).json(&wish).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_sees_one_category_of_one_subject_after_saying_why() {
    let mut town = Town::play().await;
    let meter = meter_id("alice/electricity");
    let what = (Category::Meters, Subject::Meter(meter));
    let path = format!("/v1/meters/{meter}/certificates");

    assert_eq!(town.world.get_as("inspector", &path).await.0, 404, "the role alone shows nothing");
    for who in ["alice", "station", "issuer", "stranger"] {
        let (status, problem) = oversee(&town, who, what, "curiosity").await;
        assert_eq!((status, &problem["code"]), (403, &json!("access/missing-role")), "{who}");
    }
    assert_eq!(oversee(&town, "inspector", what, " ").await.0, 400, "a reason is needed");
    let (status, given) = oversee(&town, "inspector", what, "complaint 7: bill of January").await;
    assert_eq!(status, 200, "{given}");
    let token = given["token"].as_str();

    let (status, readings) = town.world.get_with(token, &path).await;
    assert_eq!((status.as_u16(), readings["items"].as_array().unwrap().len()), (200, 100));
    for (path, status) in [
        (format!("/v1/meters/{}/certificates", meter_id("bob/electricity")), 404),
        (format!("/v1/agreements/{}", subscription()), 403),
        (format!("/v1/accounts/{}", account("alice")), 403),
        ("/v1/tokens".into(), 403),
    ] {
        assert_eq!(town.world.get_with(token, &path).await.0.as_u16(), status, "{path}");
    }

    // All members see that it was looked on; whom it concerns sees at what, and why.
    for (who, told) in
        [("alice", true), ("gateway", true), ("station", true), ("bob", false), ("issuer", false), ("inspector", true)]
    {
        let (_, log) = town.world.get_as(who, "/v1/oversight").await;
        let [entry] = &log["items"].as_array().unwrap()[..] else { panic!("{log}") };
        assert_eq!(
            (&entry["category"], &entry["supervisor"]),
            (&json!("meters"), &json!(account("inspector"))),
            "{who}"
        );
        assert_eq!(entry["subject"].is_object(), told, "{who}: {entry}");
        assert_eq!(entry["reason"] == "complaint 7: bill of January", told, "{who}: {entry}");
        assert_eq!(log.to_string().contains(&meter.to_string()), told, "{who}");
    }
    assert_eq!(town.world.get_with(None, "/v1/oversight").await.0, 401);
    town.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_for_another_node_is_refused_whatever_host_its_bearer_names() {
    let mut town = Town::play().await;
    let (world, after) = (&town.world, town.last_entry().await);
    for (signed_for, sent_to, status) in [
        ("203.0.113.5:4680", world.host().to_string(), 401),
        ("203.0.113.5:4680", "203.0.113.5:4680".into(), 401),
        (&*world.host(), world.host().to_string(), 200),
    ] {
        let what = (Category::Meters, Subject::Everything);
        let (node, reason) = (signed_for.parse().unwrap(), "complaint 7".parse().unwrap());
        let wish = OversightWish::sign(world.genesis.chain(), node, what, reason, after, &key("inspector"));
        let sent =
            world.ask(Method::POST, "/v1/oversight", None).header(HOST, &sent_to).json(&wish).send().await.unwrap();
        let (answered, body) = (sent.status().as_u16(), sent.json::<Value>().await.unwrap());
        assert_eq!(answered, status, "{signed_for} at {sent_to}: {body}");
        assert_eq!(body["code"] == "access/bad-sign-in", status == 401, "{body}");
    }
    let (_, log) = world.get_as("alice", "/v1/oversight").await;
    assert_eq!(log["items"].as_array().unwrap().len(), 1, "what is refused stands in no log");
    town.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_no_supervisor_any_more_sees_nothing_with_the_tokens_it_still_has() {
    let mut town = Town::play().await;
    let meter = meter_id("alice/electricity");
    let path = format!("/v1/meters/{meter}");
    let what = (Category::Meters, Subject::Meter(meter));
    let (_, given) = oversee(&town, "inspector", what, "complaint 8").await;
    let (token, session) = (given["token"].as_str(), town.world.sign_in("inspector").await);
    assert_eq!(town.world.get_with(token, &path).await.0, 200);
    let told = async |world: &World| {
        let (_, log) = world.get_with(Some(&session), "/v1/oversight").await;
        log["items"][0]["reason"] == "complaint 8"
    };
    assert!(told(&town.world).await, "supervisors read the whole log");

    let member = MemberId::of(account("inspector"));
    let dismissed = Decision::ChangeRoles { member, roles: Roles::of(&[Role::User]) };
    town.world.done("founder", Action::decide(dismissed)).await;
    assert_eq!(town.world.get_with(token, &path).await.0, 404);
    assert_eq!(town.world.get_with(token, "/v1/session").await.1["roles"], json!(["user"]));
    assert!(!told(&town.world).await, "why somebody else was looked at is for those whom it concerns");
    let (status, problem) = oversee(&town, "inspector", what, "complaint 9").await;
    assert_eq!((status, &problem["code"]), (403, &json!("access/missing-role")));
    town.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trade_of_an_account_or_of_all_is_a_category_of_its_own_and_a_node_can_leave_it_out() {
    let mut town = Town::play().await;
    let of_alice = (Category::Trade, Subject::Account(account("alice")));
    let (_, given) = oversee(&town, "inspector", of_alice, "audit").await;
    let token = given["token"].as_str();
    let (_, agreements) = town.world.get_with(token, "/v1/agreements").await;
    assert_eq!(agreements["items"].as_array().unwrap().len(), 2);
    assert!(!agreements.to_string().contains(&account("bob").to_string()));
    let readings = format!("/v1/agreements/{}/readings", purchase());
    assert_eq!(town.world.get_with(token, &readings).await.0, 403, "readings are another category");

    let (_, given) = oversee(&town, "inspector", (Category::Accounts, Subject::Everything), "yearly audit").await;
    let (_, accounts) = town.world.get_with(given["token"].as_str(), "/v1/accounts").await;
    assert_eq!(accounts["items"].as_array().unwrap().len(), 9, "all of them, with their members");
    let (_, log) = town.world.get_as("bob", "/v1/oversight?order=newest").await;
    let entries = log["items"].as_array().unwrap();
    assert_eq!((&entries[0]["concerns_you"], &entries[1]["concerns_you"]), (&json!(true), &json!(false)));
    assert_eq!(entries[0]["after"], entries[1]["digest"]);
    town.world.stop().await;

    let settings = Settings { oversight: vec![Category::Meters], ..Settings::default() };
    let world = World::begin(genesis_of_single_roles(), settings, "founder").await;
    let mut town = Town { world, openings: town.openings, transfers: town.transfers };
    let (status, problem) = oversee(&town, "inspector", (Category::Trade, Subject::Everything), "audit").await;
    assert_eq!((status, &problem["code"]), (403, &json!("access/out-of-scope")));
    assert_eq!(oversee(&town, "inspector", (Category::Meters, Subject::Everything), "audit").await.0, 200);
    town.world.stop().await;
}
