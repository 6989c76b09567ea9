//! A whole trade by hand against a real node: from keys to a paid statement and its proof, with what is refused on the way.

mod common;

use common::Desk;
use serde_json::{Value, json};

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// A desk with a running development chain, an owner and two users with money, and their meters.
fn town() -> (Desk, common::Node, Value, Value) {
    let mut desk = Desk::new();
    desk.run("node init --data town --time 2025-01-01T00:00:00+08:00").ok();
    let node = desk.start_node();
    for key in ["plant", "shop", "hotel"] {
        desk.run(&format!("keys new {key}")).ok();
    }
    desk.run("keys new meter-7 --kind p256").ok();
    desk.run("keys new plant-seal --kind seal").ok();
    desk.json("member admit --as founder --account plant --roles owner");
    desk.json("member admit --as founder --account shop --roles user");
    desk.json("member admit --as founder --account hotel --roles user");
    desk.json("account capacity plant electricity 500kWh --as founder");
    for account in ["plant", "shop", "hotel"] {
        desk.json(&format!("account issue {account} 1000 --reference opening --as founder"));
    }
    let shop = desk.json(
        "meter register --carrier electricity --holder shop --gateway founder --modulus 100000kWh --capacity 100kWh --as founder",
    );
    let hotel = desk.json(
        "meter register --carrier electricity --holder hotel --meter-key meter-7 --modulus 100000kWh --capacity 100kWh --as founder",
    );
    (desk, node, shop["meter"].clone(), hotel["meter"].clone())
}

fn money(desk: &Desk, account: &str) -> (String, String) {
    let record = desk.json(&format!("account show {account}"));
    (text(&record["free"]).into(), text(&record["reserved"]).into())
}

#[test]
fn a_trade_goes_from_offer_to_payment_and_its_bill_can_be_checked() {
    let (mut desk, node, shop_meter, hotel_meter) = town();
    let (shop_meter, hotel_meter) = (text(&shop_meter).to_owned(), text(&hotel_meter).to_owned());

    // Offer, sealed quotes.
    let offer = desk.file("offer.json", &desk.run("offer example --at 2025-01-01T00:00:00+08:00").ok());
    let offer = desk.json(&format!("offer publish {offer} --seal-key plant-seal --as plant"))["offer"].clone();
    let offer = text(&offer);
    let error = desk.run(&format!("quote submit {offer} --line 60kWh@0.58 --as shop")).failed(2);
    assert!(error.contains("measured at the user's meter"), "{error}");
    desk.json(&format!("quote submit {offer} --line 90kWh@0.51@{shop_meter} --as shop"));
    desk.json(&format!("quote submit {offer} --line 60kWh@0.58@{shop_meter} --as shop"));
    desk.json(&format!("quote submit {offer} --line 50kWh@0.37@{hotel_meter} --binding --as hotel"));
    let quotes = desk.run(&format!("quote list {offer} --json")).ok();
    for secret in ["0.58", "580000", "0.37", "370000", "opening\": {"] {
        assert!(!quotes.contains(secret), "{secret} can be read: {quotes}");
    }

    // Award: not before the gate closes, not by a stranger.
    let error = desk.run(&format!("award {offer} --seal-key plant-seal --to shop --as plant")).failed(3);
    assert!(error.contains("offer/gate-open") && error.contains("advance-time"), "{error}");
    let error = desk.run("advance-time 2025-01-01T02:00:00+08:00 --as plant").failed(1);
    assert!(error.contains("no operator's key") && error.contains("--as founder"), "{error}");
    desk.json("advance-time 2025-01-01T02:00:00+08:00");
    let error = desk.run(&format!("award {offer} --seal-key plant-seal --to shop --as hotel")).failed(3);
    assert!(error.contains("offer/not-owner") || error.contains("member/missing-role"), "{error}");
    let opened = desk.json(&format!("quote open {offer} --seal-key plant-seal"));
    let mut prices: Vec<_> =
        opened.as_array().unwrap().iter().map(|quote| text(&quote["opening"]["lines"][0]["price"])).collect();
    prices.sort_unstable();
    assert_eq!(prices, ["0.370000", "0.580000"], "the replaced quote is gone");
    let award = desk.json(&format!("award {offer} --seal-key plant-seal --to shop --as plant"));
    let agreement = text(&award["agreements"][0]);

    // Signing: the terms that were read, and only once.
    let record = desk.json(&format!("agreement show {agreement}"));
    assert_eq!(record["status"], "proposed");
    let error = desk.run(&format!("agreement sign {agreement} --terms {} --as shop", "0".repeat(64))).failed(1);
    assert!(error.contains("nothing is signed"), "{error}");
    desk.json(&format!("agreement sign {agreement} --terms {} --as shop", text(&record["terms_digest"])));
    desk.run(&format!("agreement sign {agreement} --as shop")).failed(3);
    assert_eq!(desk.json(&format!("agreement show {agreement}"))["status"], "active");
    // 60 kWh at 0.58 are 34.80: a deposit of a tenth from both, and the guarantee from the user.
    assert_eq!(money(&desk, "plant"), ("996.520000".into(), "3.480000".into()));
    assert_eq!(money(&desk, "shop"), ("961.720000".into(), "38.280000".into()));

    // Delivery, metered through the gateway; a replay is refused and the rest is certified.
    desk.json("advance-time 2025-01-01T07:00:00+08:00");
    let hours: Vec<_> =
        (3..=7).map(|hour| format!("2025-01-01T{hour:02}:00:00+08:00={}kWh", (hour - 3) * 15)).collect();
    let done = desk.json(&format!("reading record {shop_meter} {} --as founder", hours.join(" ")));
    assert_eq!(done["receipt"]["verdict"]["applied"][0]["count"], 5);
    let answer = desk.run(&format!("reading record {shop_meter} {} --as founder", hours[4]));
    assert!(answer.out.contains("reading/replayed"), "{}", answer.out);
    answer.failed(3);
    // Meters that sign are imported as well; a file says its unit once, and ids by their beginning.
    let begin = &hotel_meter[..12];
    let file = desk
        .file("hotel.csv", &format!("\u{feff}meter;time;register_kWh\r\n{begin};2025-01-01T06:00:00+08:00;1,0\r\n"));
    let error = desk.run(&format!("reading record --file {file} --as founder")).failed(2);
    assert!(error.contains("signs its readings with p256:") && error.contains("--meter-key"), "{error}");
    desk.json(&format!("reading record --file {file} --meter-key meter-7 --as founder"));
    let file = desk.file("bad.csv", "meter,time,register_kWh\n00000000,2025-01-01T06:30:00+08:00,2\n");
    let error = desk.run(&format!("reading record --file {file} --as founder")).failed(1);
    assert!(error.contains("bad.csv: line 2: the id of no meter begins with 00000000"), "{error}");
    let certificates = desk.json(&format!("reading list {shop_meter}"));
    assert_eq!(certificates.as_array().unwrap().len(), 5);

    // The contract executes by itself once its grace time is over.
    desk.json("advance-time 2025-01-01T08:00:00+08:00");
    assert_eq!(desk.json(&format!("agreement show {}", &agreement[..8]))["status"], "settled");
    assert_eq!(desk.json(&format!("account show {}", &text(&record["owner"])[..12]))["account"], record["owner"]);
    assert_eq!(money(&desk, "plant"), ("1034.800000".into(), "0.000000".into()));
    assert_eq!(money(&desk, "shop"), ("965.200000".into(), "0.000000".into()));
    let statement = desk.json(&format!("statement show {agreement} 1"));
    assert_eq!(statement["statement"]["paid"], "34.800000");
    assert_eq!(statement["statement"]["lines"][0]["delivered"], "216000000");
    let people = desk.run(&format!("statement show {agreement} 1")).ok();
    assert!(people.contains("contracted 60.000 kWh") && people.contains("0.580000/kWh"), "{people}");

    // Everything about it, and nothing about the losing quote.
    let trace = desk.json(&format!("trace {agreement}"));
    assert_eq!(trace["quotes"].as_array().unwrap().iter().filter(|quote| !quote["opening"].is_null()).count(), 1);
    assert_eq!(trace["signatures"].as_array().unwrap().len(), 2);
    assert_eq!(trace["readings"].as_array().unwrap().len(), 4, "the hour before the window does not count");
    let kinds: Vec<_> = trace["movements"].as_array().unwrap().iter().map(|movement| text(&movement["kind"])).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "reserve").count(), 3, "{kinds:?}");
    assert!(kinds.contains(&"pay") && kinds.contains(&"release"), "{kinds:?}");
    let people = desk.run(&format!("trace {agreement}")).ok();
    for heading in [
        "== offer",
        "== quotes",
        "== award",
        "== signature",
        "== readings certified",
        "== segments",
        "== settlement",
        "== money",
    ] {
        assert!(people.contains(heading), "{heading} is missing:\n{people}");
    }

    // The bill's proof holds, and no byte of it can be changed.
    let proof = desk.run(&format!("statement proof {agreement} 1")).ok();
    let file = desk.file("bill.json", &proof);
    let checked = desk.json(&format!("verify {file} --genesis town/genesis.json"));
    assert_eq!(checked["holds"], true);
    let people = desk.run(&format!("verify {file} --genesis town/genesis.json")).ok();
    assert!(people.contains("the proof holds"), "{people}");
    let chain = text(&checked["chain"]).to_owned();
    desk.run(&format!("verify {file} --chain {chain}")).ok();
    let error = desk.run(&format!("verify {file} --chain {}", "0".repeat(32))).failed(1);
    assert!(error.contains("expected chain"), "{error}");
    for place in (0..proof.len()).step_by(proof.len() / 40) {
        let mut bytes = proof.clone().into_bytes();
        bytes[place] ^= 1;
        let path = desk.path().join("changed.json");
        std::fs::write(&path, bytes).unwrap();
        desk.run(&format!("verify {} --chain {chain}", path.display())).failed(1);
    }
    let forged = desk.file("forged.json", &proof.replacen("34.800000", "34.800001", 1));
    let error = desk.run(&format!("verify {forged} --genesis town/genesis.json")).failed(1);
    assert!(error.contains("does not hold"), "{error}");

    let payment = desk.run(&format!("transaction {} --proof", text(&award["transaction"]))).ok();
    let payment = desk.file("payment.json", &payment);
    assert_eq!(desk.json(&format!("verify {payment} --genesis town/genesis.json"))["kind"], "transaction");
    let reading = desk.file("reading.json", &desk.run("reading proof 1").ok());
    assert_eq!(desk.json(&format!("verify {reading} --genesis town/genesis.json"))["kind"], "certificates");

    // The read model follows from the blocks alone; a node that was killed goes on.
    node.kill();
    let checked = desk.json("index check --data town");
    assert_eq!(checked["same"], true);
    assert_eq!(checked["money_conserved"], true);
    desk.json("index rebuild --data town");
    let node = desk.start_node();
    assert_eq!(desk.json(&format!("trace {agreement}")), trace);
    let status = desk.json("status");
    assert_eq!(status["totals"]["money"]["conserved"], true);
    assert_eq!(node.stop(), 0);
}

#[test]
fn a_subscription_is_taken_prepaid_and_ended() {
    let (desk, node, shop_meter, _) = town();
    let package = desk.run("package example").ok();
    let file = desk.file("package.json", &package);
    let id = text(&desk.json(&format!("package publish {file} --as plant"))["package"]).to_owned();
    let error = desk.run(&format!("package publish {file} --as shop")).failed(3);
    assert!(error.contains("the ledger refused (member/missing-role)"), "{error}");
    assert!(desk.run(&format!("package show {id} 1")).ok().contains("by floor area, 28.000000/m2"));

    let service = format!("--allowance 300 --service electricity:0:{} --service heating:0::84.25", text(&shop_meter));
    let subscription = desk.json(&format!("subscription new {id} 1 {service} --as shop"))["subscription"].clone();
    let subscription = text(&subscription);
    desk.run(&format!("subscription prepay {subscription} electricity --as shop")).failed(2);
    let error = desk.run(&format!("subscription prepay {subscription} electricity --amount 5000 --as shop")).failed(3);
    assert!(error.contains("money/insufficient-funds") && error.contains("next: "), "{error}");
    desk.json(&format!("subscription prepay {subscription} electricity --amount 500 --as shop"));
    let record = desk.json(&format!("subscription show {subscription}"));
    assert_eq!(record["tranches"][0]["paid"], "500.000000");
    assert_eq!(record["agreement"]["status"], "active");

    desk.json(&format!("subscription terminate {subscription} --as shop"));
    assert_eq!(desk.json(&format!("subscription show {subscription}"))["agreement"]["status"], "terminated");
    assert_eq!(money(&desk, "shop"), ("1000.000000".into(), "0.000000".into()), "nothing was consumed");
    assert_eq!(node.stop(), 0);
}

#[test]
fn an_agreement_is_amended_only_by_both_sides() {
    let (desk, node, shop_meter, _) = town();
    let mut terms: Value =
        serde_json::from_str(&desk.run("agreement example --at 2025-01-01T00:00:00+08:00").ok()).unwrap();
    for (party, key) in ["plant", "shop"].into_iter().enumerate() {
        terms["parties"][party] = desk.json(&format!("keys show {key}"))["account"].clone();
    }
    terms["program"]["purchase"]["lots"][0]["metering"]["take"] = shop_meter;
    let file = desk.file("terms.json", &terms.to_string());
    let proposed = desk.json(&format!("agreement propose {file} --as plant"));
    let agreement = text(&proposed["agreement"]);
    desk.json(&format!("agreement sign {agreement} --as shop"));

    let mut program = terms["program"].clone();
    program["purchase"]["lots"][0]["price"]["money"] = json!("0.600000");
    let file = desk.file("program.json", &program.to_string());
    desk.json(&format!("agreement amend {agreement} {file} --as plant"));
    let waiting = desk.json(&format!("agreement amendment {agreement} --as shop"));
    assert_eq!(waiting["terms"]["program"], program);
    assert_eq!(desk.json(&format!("agreement show {agreement}"))["terms"]["program"], terms["program"]);
    desk.json(&format!("agreement sign-amendment {agreement} --as shop"));
    assert_eq!(desk.json(&format!("agreement show {agreement}"))["terms"]["program"], program);
    let error = desk.run(&format!("agreement sign-amendment {agreement} --as shop")).failed(1);
    assert!(error.contains("no amendment"), "{error}");
    assert_eq!(node.stop(), 0);
}
