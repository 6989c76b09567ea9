//! Two tenants plant values, and each searches all that the interface answers for the other's.

use super::town::{HOURLY, PAID, Town, price_index, publication, reference};
use crate::common::*;
use reqwest::Method;
use serde_json::Value;
use std::collections::BTreeSet;
use utilidor_types::quote::sealed_bytes;
use utilidor_types::*;

/// What is a tenant's: ids, hashes, sums, registers, words. Its member's id is not: members see who is one.
async fn planted(town: &Town, tenant: &str) -> Vec<String> {
    let place = usize::from(tenant == "bob");
    let (paid, hourly) = (PAID[place].1, HOURLY[place].1);
    let own: Value = town.world.get_as(tenant, &format!("/v1/accounts/{}", account(tenant))).await.1;
    let statement: Value =
        town.world.get_as(tenant, &format!("/v1/statements/{}/1", agreement_of(tenant, "s"))).await.1;
    let mut planted = vec![
        account(tenant).to_string(),
        account(&format!("{tenant}, second")).to_string(),
        agreement_of(tenant, "s").to_string(),
        meter_id(&format!("{tenant}/electricity")).to_string(),
        town.transfers[place].to_string(),
        reference(tenant),
        Money(paid).to_string(),
        hex::encode(town.openings[place].salt),
        hex::encode(vec![tenant.as_bytes()[0]; sealed_bytes(1)]),
        own["free"].as_str().unwrap().to_owned(),
        statement["statement"]["paid"].as_str().unwrap().to_owned(),
    ];
    if tenant == "alice" {
        planted.push(purchase().to_string());
    }
    // Registers after some of the hours.
    planted.extend([1, 2, 100, 239, 240, 500, 744].map(|hours| format!("\"{}\"", hourly * hours)));
    for value in &planted {
        assert!(value.len() > 6, "{tenant} plants {value:?}, which could stand anywhere");
    }
    planted
}

/// All paths that can be asked for, with the things of both.
fn paths(town: &Town, hashes: &BTreeSet<String>, blocks: u64, certificates: u64) -> Vec<String> {
    let document = serde_json::to_value(utilidor_api::openapi()).unwrap();
    let package = PackageId::of(account("station"), label("p"));
    let both = |of: &dyn Fn(&str) -> String| vec![of("alice"), of("bob")];
    let agreements = [both(&|of| agreement_of(of, "s").to_string()), vec![purchase().to_string()]].concat();
    let accounts = [both(&|of| account(of).to_string()), both(&|of| account(&format!("{of}, second")).to_string())];
    let accounts = accounts.concat();
    let meters = both(&|of| meter_id(&format!("{of}/electricity")).to_string());
    let key = |id: &String| Digest(Key::of(3, &hex::decode(id).unwrap()).0).to_string();
    let transfers = town.transfers.iter().map(TransactionHash::to_string);
    let all_ids = accounts.iter().chain(&agreements).chain(&meters).cloned().chain(transfers);
    let certificate_ids = (0..certificates).step_by(37).map(|id| id.to_string());
    let nothing = vec![Digest([0; 32]).to_string()];
    let holes: Vec<(&str, Vec<String>)> = vec![
        ("key", accounts.iter().map(key).collect()),
        ("beginning", all_ids.map(|id| id[..6].to_owned()).collect()),
        ("account", accounts),
        ("agreement", agreements),
        ("number", vec!["1".into(), "2".into()]),
        ("offer", vec![offer_id().to_string()]),
        ("meter", meters),
        ("height", (1..=blocks).map(|height| height.to_string()).collect()),
        ("hash", hashes.iter().cloned().collect()),
        ("package", vec![package.to_string()]),
        ("program", vec![publication().id().to_string()]),
        ("index", vec![price_index().to_string()]),
        ("version", vec!["1".into()]),
        ("carrier", vec!["electricity".into()]),
    ];
    let certificates: Vec<String> = certificate_ids.collect();
    let mut all = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        if operations.get("get").is_none() || path == "/v1/events" {
            continue;
        }
        let ids = if path.contains("certificates/{id}") { &certificates } else { &nothing };
        let mut filled = vec![path.clone()];
        for (name, values) in holes.iter().map(|(name, values)| (*name, values)).chain([("id", ids)]) {
            let hole = format!("{{{name}}}");
            let fill = |path: String| -> Vec<String> {
                match path.contains(&hole) {
                    true => values.iter().map(|value| path.replace(&hole, value)).collect(),
                    false => vec![path],
                }
            };
            filled = filled.into_iter().flat_map(fill).collect();
        }
        all.extend(filled);
    }
    all
}

/// Whatever could be a transaction's hash.
fn hashes_in(text: &str) -> Vec<String> {
    let word = |text: &&str| text.len() == 64 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    text.split('"').filter(word).map(String::from).collect()
}

/// Everything that one is answered, with what was asked; hashes that are told are asked for in turn.
async fn everything(town: &Town, who: Option<&str>) -> Vec<(String, String)> {
    let world = &town.world;
    let token = match who {
        Some(who) => Some(world.token(who).await),
        None => None,
    };
    let status: Value = world.read("/v1/status").await;
    let summary: Value = world.read("/v1/summary").await;
    let (blocks, certificates) =
        (status["indexed_height"].as_u64().unwrap(), summary["certificates"].as_u64().unwrap());
    let (mut answers, mut asked, mut hashes) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    loop {
        let mut wanted = Vec::new();
        for path in paths(town, &hashes, blocks, certificates) {
            let ways = ["", "?limit=1000&order=newest"];
            wanted.extend(ways.map(|way| format!("{path}{way}")));
            for own in ["alice", "bob"] {
                if ["/v1/agreements", "/v1/statements", "/v1/offers", "/v1/meters"].contains(&path.as_str()) {
                    let account = account(own);
                    wanted.push(format!("{path}?account={account}"));
                    wanted.push(format!("{path}?owner={account}"));
                    wanted.push(format!("{path}?holder={account}"));
                }
            }
        }
        wanted.retain(|path| asked.insert(path.clone()));
        if wanted.is_empty() {
            break;
        }
        for path in wanted {
            let response = world.ask(Method::GET, &path, token.as_deref()).send().await.unwrap();
            let headers = format!("{:?}", response.headers());
            let text = response.text().await.unwrap();
            hashes.extend(hashes_in(&text));
            answers.push((path, format!("{headers}\n{text}")));
        }
    }
    let mut stream = world.ask(Method::GET, "/v1/events?after_height=0", token.as_deref()).send().await.unwrap();
    let (mut told, end) = (String::new(), format!("id: {blocks}:0"));
    while !told.contains(&end) {
        told.push_str(std::str::from_utf8(&stream.chunk().await.unwrap().unwrap()).unwrap());
    }
    answers.push(("/v1/events".into(), told));
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tenants_find_nothing_of_each_other_and_strangers_find_nothing_of_either() {
    let mut town = Town::play().await;
    for (who, whose) in [(Some("bob"), "alice"), (Some("alice"), "bob"), (None, "alice"), (None, "bob")] {
        let planted = planted(&town, whose).await;
        let answers = everything(&town, who).await;
        assert!(answers.len() > 100, "{} answers", answers.len());
        for (path, answer) in &answers {
            for value in planted.iter().filter(|value| answer.contains(*value)) {
                // An answer may repeat what it was asked for.
                let repeated = path.contains(value.as_str()) && answer.contains("\"code\"");
                assert!(repeated, "{who:?} finds {value} of {whose} at {path}: {answer}");
            }
        }
    }
    // The search does find what is one's own.
    let own = planted(&town, "alice").await;
    let answers = everything(&town, Some("alice")).await;
    for value in own {
        assert!(answers.iter().any(|(_, answer)| answer.contains(&value)), "alice does not find {value} of her own");
    }
    town.world.stop().await;
}
