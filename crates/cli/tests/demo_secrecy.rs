//! Nobody but its bidder and the offer's owner sees a quote: its content is nowhere in clear, on disk, in the log or at the
//! interface, before the award; and that of a losing quote never is.

mod demonstration;

use demonstration::{begin, block_on};
use std::path::Path;
use utilidor_park::data::Year;
use utilidor_park::meters::park_meters;
use utilidor_park::tender::{Bid, Tender, tenders_of_month};
use utilidor_sdk::Client;
use utilidor_types::{AgreementId, encode};

/// What gives a quote away: its salt, and its quantity and price together, as bytes and as hex.
fn traces(tender: &Tender, bid: &Bid) -> Vec<Vec<u8>> {
    let opening = tender.opening(bid);
    let line = encode(&opening.lines[0])[..16].to_vec();
    let salt = opening.salt.to_vec();
    let json = format!("\"{}\",\"price\":\"{}\"", opening.lines[0].quantity, opening.lines[0].price);
    vec![hex::encode(&salt).into_bytes(), hex::encode(&line).into_bytes(), salt, line, json.into_bytes()]
}

fn holds(bytes: &[u8], trace: &[u8]) -> bool {
    bytes.windows(trace.len()).any(|window| window == trace)
}

/// All files under a folder, put together.
fn disk(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.metadata().unwrap().is_dir() {
            true => bytes.extend(disk(&entry.path())),
            false => bytes.extend(std::fs::read(entry.path()).unwrap()),
        }
    }
    bytes
}

/// What the interface says about offers, quotes, agreements and blocks.
fn interface(client: &Client, tenders: &[Tender]) -> Vec<u8> {
    let mut paths: Vec<String> =
        ["v1/offers?limit=1000", "v1/agreements?limit=1000", "v1/blocks?limit=1000", "v1/summary"]
            .map(String::from)
            .to_vec();
    for tender in tenders {
        let offer = tender.id();
        paths.push(format!("v1/offers/{offer}"));
        paths.push(format!("v1/offers/{offer}/quotes?limit=1000"));
        for bid in &tender.bids {
            let agreement: AgreementId = tender.agreement(&bid.bidder);
            if block_on(client.agreement(agreement)).is_ok() {
                paths.push(format!("v1/agreements/{agreement}/trace"));
            }
        }
    }
    let height = block_on(client.status()).unwrap().height;
    paths.extend((1..=height).map(|height| format!("v1/blocks/{height}")));
    let mut bytes = Vec::new();
    for path in paths {
        let answer: serde_json::Value = block_on(client.get(&path)).unwrap();
        bytes.extend(serde_json::to_vec(&answer).unwrap());
    }
    bytes
}

fn january() -> Vec<Tender> {
    let year = Year::load();
    tenders_of_month(&year, &park_meters(&year), 1)
}

/// Plays so many days, and gives everything that can be seen of them.
fn all_that_is_seen(days: usize) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let mut demonstration = begin(folder.path(), days, &[], &[("RUST_LOG", "trace")]);
    demonstration.until_report();
    let mut seen = interface(&demonstration.client(), &january());
    let log = demonstration.kill();
    seen.extend(log);
    seen.extend(disk(folder.path()));
    seen
}

#[test]
fn before_the_award_no_quote_is_seen() {
    let seen = all_that_is_seen(2);
    for tender in january() {
        assert!(holds(&seen, tender.label.as_bytes()), "the offer itself is seen");
        for bid in &tender.bids {
            for trace in traces(&tender, bid) {
                assert!(!holds(&seen, &trace), "the quote of {} on {}", bid.bidder, tender.label);
            }
        }
    }
}

#[test]
fn after_the_award_the_winners_are_seen_and_the_losers_are_not() {
    let seen = all_that_is_seen(4);
    let (mut winners, mut losers) = (0, 0);
    for tender in january() {
        let quotes = tender.bids.iter().map(|bid| (bid, tender.opening(bid))).collect();
        let chosen: Vec<&Bid> =
            utilidor_park::tender::choose(tender.quantity, quotes).into_iter().map(|(bid, _)| bid).collect();
        for bid in &tender.bids {
            let traces = traces(&tender, bid);
            if chosen.contains(&bid) {
                assert!(traces.iter().any(|trace| holds(&seen, trace)), "the opened quote of {}", bid.bidder);
                winners += 1;
            } else {
                assert!(
                    !traces.iter().any(|trace| holds(&seen, trace)),
                    "the quote of {} on {}",
                    bid.bidder,
                    tender.label
                );
                losers += 1;
            }
        }
    }
    assert!(winners >= 3 && losers >= 3, "{winners} winners, {losers} losers");
}
