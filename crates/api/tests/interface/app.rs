//! What an app asks for: lists from their ends and as tables, series, events of an account, statements on paper.

use crate::common::*;
use reqwest::Method;
use serde_json::{Value, json};
use utilidor_types::action::Prepayment;
use utilidor_types::genesis::ChainKind;
use utilidor_types::time::HOUR_MS;
use utilidor_types::*;

async fn text(world: &World, actor: &str, path: &str) -> (u16, String, String) {
    let response = world.ask(Method::GET, path, Some(&world.token(actor).await)).send().await.unwrap();
    let status = response.status().as_u16();
    let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
    (status, kind, String::from_utf8_lossy(&response.bytes().await.unwrap()).into_owned())
}

/// A month of alice with the station: electricity of 3 kWh an hour, and nothing between the 10th and the 12th.
async fn month() -> World {
    let mut world = World::start(ChainKind::Development).await;
    world.settle_in().await;
    world.done("station", Action::PublishPackage(world.package(1, 800_000))).await;
    world.done("alice", Action::Subscribe { label: label("s"), terms: world.terms(1) }).await;
    world.prepay(Carrier::Electricity, Prepayment::Amount(Money::units(5_000))).await;
    world.advance(at(2, 1, 1)).await;
    let mut register = 0;
    world.readings("alice/electricity", at(1, 1, 0), 9 * 24, &mut register, 3 * KWH).await;
    // One reading that covers two days, and then the rest.
    register += 48 * 3 * KWH - 3 * KWH;
    world.readings("alice/electricity", Timestamp(at(1, 11, 23).0), 1, &mut register, 3 * KWH).await;
    world.readings("alice/electricity", at(1, 12, 0), 20 * 24 - 12, &mut register, 3 * KWH).await;
    world.advance(at(2, 1, 7)).await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_read_from_either_end_and_as_a_table() {
    let mut world = month().await;
    let path = format!("/v1/meters/{}/certificates", meter_id("alice/electricity"));
    let forwards: Value = world.read(&format!("{path}?limit=1000")).await;
    let mut backwards = Vec::new();
    let mut cursor = String::new();
    loop {
        let page: Value = world.read(&format!("{path}?order=newest&limit=100{cursor}")).await;
        backwards.extend(page["items"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let mut forwards = forwards["items"].as_array().unwrap().clone();
    forwards.reverse();
    assert_eq!(forwards, backwards);
    for list in ["/v1/accounts", "/v1/blocks", "/v1/meters", "/v1/statements", "/v1/agreements", "/v1/packages"] {
        let oldest: Value = world.read(&format!("{list}?limit=1000")).await;
        let newest: Value = world.read(&format!("{list}?limit=1000&order=newest")).await;
        let mut oldest = oldest["items"].as_array().unwrap().clone();
        oldest.reverse();
        // Blocks may have been added meanwhile.
        assert!(newest["items"].as_array().unwrap().ends_with(&oldest), "{list}");
    }

    let (status, kind, table) = text(&world, "alice", &format!("{path}?format=csv&limit=2")).await;
    assert_eq!((status, kind.as_str()), (200, "text/csv; charset=utf-8"));
    assert_eq!(table.lines().count(), 1 + forwards.len(), "all pages, whatever the limit");
    assert!(table.starts_with("\u{feff}certificate.id,certificate.interval.from,"), "{}", &table[..100]);
    assert_eq!(text(&world, "bob", &format!("{path}?format=csv")).await.0, 404, "the same rules hold");
    assert_eq!(text(&world, "alice", "/v1/status?format=csv").await.0, 400);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_marks_what_is_not_known() {
    let mut world = month().await;
    let path = format!("/v1/accounts/{}/series/electricity", account("alice"));
    let (from, to) = (at(1, 1, 0), at(2, 1, 0));
    let days: Value = world.read(&format!("{path}?step=day&from_ms={from}&to_ms={to}", from = from.0, to = to.0)).await;
    assert_eq!((&days["step"], &days["offset_minutes"]), (&json!("day"), &json!(480)), "the tariff's own time");
    let known: Vec<_> =
        days["points"].as_array().unwrap().iter().map(|point| point["known"].as_str().unwrap()).collect();
    assert_eq!(known.len(), 31);
    assert_eq!(known[..9], ["measured"; 9]);
    assert_eq!(known[9..11], ["spread"; 2]);
    assert_eq!(known[11..30], ["measured"; 19]);
    assert_eq!(known[30], "missing", "the last day ends at noon");
    let quantity = |point: &Value| point["quantity"].as_str().unwrap().parse::<u64>().unwrap();
    for point in &days["points"].as_array().unwrap()[..30] {
        assert_eq!(quantity(point), 24 * 3 * KWH);
    }
    let hours: Value = world.read(&format!("{path}?from_ms={}&to_ms={}", from.0, to.0)).await;
    let sum: u64 = hours["points"].as_array().unwrap().iter().map(quantity).sum();
    assert_eq!((sum.to_string(), &hours["total"]), (((30 * 24 + 12) * 3 * KWH).to_string(), &days["total"]));
    let month: Value = world.read(&format!("{path}?step=month&from_ms={}&to_ms={}", from.0, to.0)).await;
    assert_eq!(month["points"].as_array().unwrap().len(), 1);
    assert_eq!(month["total"], days["total"]);

    // The other side sees the same under the contract, from its signing in the first hour on, and nobody else does.
    let shared =
        format!("/v1/agreements/{}/series/electricity?step=day&from_ms={}&to_ms={}", subscription(), from.0, to.0);
    let total = |series: &Value| series["total"].as_str().unwrap().parse::<u64>().unwrap();
    let under_it = total(&world.get_as("alice", &shared).await.1);
    assert!(under_it < total(&days) && total(&days) - under_it < 3 * KWH / 100, "{under_it}");
    assert_eq!(total(&world.get_as("station", &shared).await.1), under_it);
    assert_eq!(world.get_as("bob", &shared).await.0, 404);
    assert_eq!(world.get_as("bob", &path).await.0, 404);
    for extreme in
        ["from_ms=5&to_ms=4", "offset_minutes=-32768", "from_ms=18446744073709551615&to_ms=18446744073709551615"]
    {
        let (status, answer) = world.get_as("alice", &format!("{path}?{extreme}")).await;
        assert_eq!(status, 400, "{extreme}");
        assert_eq!(answer["code"], "request/malformed", "{extreme}");
    }
    let far = format!("{path}?step=month&offset_minutes=1080&from_ms=9223372036854775000");
    assert_eq!(world.get_as("alice", &far).await.0, 400, "beyond the calendar");

    let (status, kind, feed) = text(
        &world,
        "alice",
        &format!(
            "/v1/accounts/{}/usage/electricity?from_ms={}&to_ms={}",
            account("alice"),
            from.0,
            from.0 + 5 * HOUR_MS
        ),
    )
    .await;
    assert_eq!((status, kind.as_str()), (200, "application/atom+xml"));
    assert_eq!(feed.matches("<IntervalReading>").count(), 5);
    assert!(feed.contains("<value>3000</value>") && feed.contains("<uom>72</uom>"), "{feed}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_has_its_news_in_one_list() {
    let mut world = month().await;
    let path = format!("/v1/accounts/{}/events", account("alice"));
    let kinds = |page: &Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|row| row["event"]["event"].as_str().unwrap().to_owned()).collect()
    };
    let (_, page) = world.get_as("alice", &path).await;
    for kind in ["agreement_status", "prepaid", "tranche_opened", "gap", "statement_issued"] {
        assert!(kinds(&page).contains(&kind.to_owned()), "{kind}: {:?}", kinds(&page));
    }
    let (_, newest) = world.get_as("alice", &format!("{path}?order=newest")).await;
    let mut oldest = kinds(&page);
    oldest.reverse();
    assert_eq!(kinds(&newest), oldest);
    let (_, statements) = world.get_as("alice", &format!("{path}?kind=statement_issued")).await;
    assert_eq!(kinds(&statements), ["statement_issued"]);
    assert_eq!(world.get_as("bob", &path).await.0, 404);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_printed_in_both_languages_as_a_page_and_as_a_pdf() {
    let mut world = month().await;
    let path = format!("/v1/statements/{}/1/document", subscription());
    let (status, kind, english) = text(&world, "alice", &path).await;
    assert_eq!((status, kind.as_str()), (200, "text/html; charset=utf-8"));
    for part in
        ["<html lang=\"en\">", "Statement 1", "2025-01-01T00:00:00+08:00", "Energy (tranche 1)", "kWh", "/1/proof"]
    {
        assert!(english.contains(part), "{part}: {english}");
    }
    let (_, _, chinese) = text(&world, "alice", &format!("{path}?lang=zh")).await;
    for part in ["<html lang=\"zh-CN\">", "账单 1", "能源费 (预付批次 1)", "增值税"] {
        assert!(chinese.contains(part), "{part}: {chinese}");
    }
    for (query, language) in [("form=pdf", "(en)"), ("form=pdf&lang=zh", "(zh-CN)")] {
        let (status, kind, pdf) = text(&world, "alice", &format!("{path}?{query}")).await;
        assert_eq!((status, kind.as_str()), (200, "application/pdf"), "{query}");
        assert!(pdf.starts_with("%PDF-") && pdf.contains(&format!("/Lang {language}")), "{query}");
    }
    assert_eq!(text(&world, "bob", &path).await.0, 404);
    world.stop().await;
}
