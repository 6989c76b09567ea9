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
    let document = desk.file("offer.json", &desk.run("offer example --at 2025-01-01T00:00:00+08:00").ok());
    let offer = desk.json(&format!("offer publish {document} --seal-key plant-seal --as plant"))["offer"].clone();
    let offer = text(&offer);
    let error = desk.run(&format!("offer publish {document} --seal-key plant-seal --as plant")).failed(1);
    assert!(error.contains("the same offer is open already") && error.contains("label"), "{error}");
    let error = desk.run(&format!("quote submit {offer} --line 60kWh@0.58 --as shop")).failed(2);
    assert!(error.contains("measured at the user's meter"), "{error}");
    let error = desk.run(&format!("quote submit {offer} --line 150kWh@0.58@{shop_meter} --as shop")).failed(2);
    assert!(error.contains("150.000 kWh of electricity are quoted, the lot has 100.000 kWh"), "{error}");
    let error = desk.run(&format!("quote submit {offer} --line 60kWh@0.58@{hotel_meter} --as shop")).failed(2);
    assert!(error.contains("is another account's"), "{error}");
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
    let error = desk.run(&format!("award {offer} --seal-key plant-seal --to shop --as hotel")).failed(1);
    assert!(error.contains("no standing quote"), "who is not the owner does not even see the shop's: {error}");
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

    // Delivery, metered through the gateway. What is handed in again is certified already; what differs from it is refused.
    desk.json("advance-time 2025-01-01T07:00:00+08:00");
    let hours: Vec<_> =
        (3..=7).map(|hour| format!("2025-01-01T{hour:02}:00:00+08:00={}kWh", (hour - 3) * 15)).collect();
    let done = desk.json(&format!("reading record {shop_meter} {} --as founder", hours.join(" ")));
    assert_eq!(done["receipt"]["verdict"]["applied"][0]["count"], 5);
    assert_eq!(
        desk.json(&format!("reading record {shop_meter} {} --as founder", hours.join(" "))),
        json!({ "certified_already": 5 })
    );
    let dry = desk.run(&format!("reading record {shop_meter} {} --dry-run --as founder", hours[4])).ok();
    assert!(dry.contains("certified already"), "{dry}");
    let answer = desk.run(&format!("reading record {shop_meter} 2025-01-01T07:00:00+08:00=61kWh --as founder"));
    assert!(answer.out.contains("reading/out-of-order"), "{}", answer.out);
    answer.failed(3);
    // Meters that sign are imported as well; a file says its unit once, and ids by their beginning.
    let begin = &hotel_meter[..12];
    let file = desk
        .file("hotel.csv", &format!("\u{feff}meter;time;register_kWh\r\n{begin};2025-01-01T06:00:00+08:00;1,0\r\n"));
    let error = desk.run(&format!("reading record --file {file} --as founder")).failed(2);
    assert!(error.contains("signs its readings with p256:") && error.contains("--meter-key"), "{error}");
    desk.json(&format!("reading record --file {file} --meter-key meter-7 --as founder"));
    // What is refused of a file is found in it again: its line, its time, what to do.
    let lines = "meter;time[Asia/Shanghai];register_kWh\nID;2025-01-01 06:00;2\nID;2025-01-01 06:30;0,5\n";
    let file = desk.file("refused.csv", &lines.replace("ID", begin));
    let refused = format!("reading record --file {file} --meter-key meter-7 --as founder");
    let people = desk.run(&refused);
    for said in [
        "line 2: meter ",
        "of this time 1.000 kWh is certified, not 2.000 kWh [reading/out-of-order]",
        "line 3: meter ",
        "2024-12-31T22:30:00Z, 0.500 kWh: the register went back from 1.000 kWh to 0.500 kWh [reading/went-back]",
    ] {
        assert!(people.out.contains(said), "{said}: {}", people.out);
    }
    let error = people.failed(3);
    assert!(error.contains("utilidor reading list METER") && !error.contains("certified_already"), "{error}");
    let answer = desk.run(&format!("{refused} --json"));
    let told: Value = serde_json::from_str(&answer.out).unwrap();
    answer.failed(3);
    assert_eq!((&told["refused"][1]["line"], &told["refused"][1]["code"]), (&json!(3), &json!("reading/went-back")));
    // A dry run says of each line what would become of it, in the ledger's own words, and submits nothing.
    let lines = [
        "2025-01-01 06:30;1,5",
        "2025-01-01 06:30;1,5",
        "2025-01-01 06:45;0,5",
        "2025/1/1 7:00;2",
        "2025-01-01 09:00;3",
    ];
    let lines: String = lines.iter().map(|line| format!("{begin};{line}\n")).collect();
    let text_of_file = format!("meter;time[Asia/Shanghai];register_kWh\n{lines}00000000;2025-01-01 06:30;1\n");
    let file = desk.file("dry.csv", &text_of_file);
    let dry = format!("reading record --file {file} --meter-key meter-7 --dry-run --as founder");
    let answer = desk.run(&format!("{dry} --json"));
    let told: Value = serde_json::from_str(&answer.out).unwrap();
    answer.failed(3);
    let told: Vec<_> = told.as_array().unwrap().iter().map(|it| (&it["certified"], &it["refused"]["code"])).collect();
    assert_eq!(told[0], (&json!("1800000"), &Value::Null));
    assert_eq!(told[1], (&Value::Null, &json!("usage")), "it stands in line 2 already");
    assert_eq!(told[2].1, "reading/went-back");
    assert_eq!(told[3], (&json!("1800000"), &Value::Null));
    assert_eq!(told[4].1, "reading/from-future");
    assert!(told[5].0.is_null() && !told[5].1.is_null(), "it names no meter: {told:?}");
    let people = desk.run(&dry);
    assert!(people.out.contains("stands in line 2 already") && people.out.contains("0.500 kWh"), "{}", people.out);
    assert_eq!(desk.json(&format!("reading list {hotel_meter}")).as_array().unwrap().len(), 1);
    let file = desk.file("bad.csv", "meter,time,register_kWh\n00000000,2025-01-01T06:30:00+08:00,2\n");
    let error = desk.run(&format!("reading record --file {file} --as founder")).failed(1);
    assert!(error.contains("bad.csv: line 2: the id of no meter that you may list begins with 00000000"), "{error}");
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

    // Who is no party sees nothing of it, and is not told that it is there; a read token shows what it is for.
    let error = desk.run(&format!("agreement show {agreement} --as hotel")).failed(1);
    assert!(error.contains("there is no agreement"), "{error}");
    assert_eq!(desk.json("agreement list --as hotel"), json!([]));
    assert_eq!(desk.json("agreement list --as shop").as_array().unwrap().len(), 1);
    let nobody = [("UTILIDOR_KEYS", "nowhere"), ("UTILIDOR_PASSPHRASE", "")];
    let error = desk.run_with(&format!("agreement show {agreement}"), &nobody).failed(1);
    assert!(error.contains("sign in") && error.contains("--as NAME"), "{error}");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let until = now + 3_600_000;
    let token = desk.run(&format!("token new reader --for meters --until {until} --as shop")).ok();
    let token = [("UTILIDOR_TOKEN", token.trim())];
    desk.run_with(&format!("reading list {shop_meter} --json"), &token).ok();
    let error = desk.run_with(&format!("agreement show {agreement}"), &token).failed(1);
    assert!(error.contains("not for the category trade"), "{error}");

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
    // A token for trade alone, as a supervisor gets it, shows it without the readings and says so.
    let token = desk.run(&format!("token new books --for trade --until {until} --as shop")).ok();
    let answer = desk.run_with(&format!("trace {agreement}"), &[("UTILIDOR_TOKEN", token.trim())]);
    assert!(answer.err.contains("the token does not cover meters"), "{}", answer.err);
    assert!(answer.ok().contains("== settlement"));

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
fn awards_stand_or_fall_alone_and_a_bid_that_binds_costs_its_bond() {
    let (desk, node, shop_meter, hotel_meter) = town();
    let offer = desk.file("offer.json", &desk.run("offer example --at 2025-01-01T00:00:00+08:00").ok());
    let made = desk.json(&format!("offer publish {offer} --seal-key plant-seal --as plant"));
    let offer = text(&made["offer"]);
    desk.json(&format!("quote submit {offer} --line 60kWh@0.58@{} --as shop", text(&shop_meter)));
    desk.json(&format!("quote submit {offer} --line 30kWh@0.60@{} --binding --as hotel", text(&hotel_meter)));
    assert_eq!(money(&desk, "hotel"), ("995.000000".into(), "5.000000".into()), "the bond of the offer");
    desk.json("account transfer shop 990 --as hotel");
    desk.json("advance-time 2025-01-01T02:00:00+08:00");

    let answer = desk.run(&format!("award {offer} --seal-key plant-seal --to shop --to hotel --as plant --json"));
    let made: Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(made["agreements"].as_array().unwrap().len(), 1, "the shop's stands");
    assert_eq!(made["refused"][0]["code"], "money/insufficient-funds");
    let error = answer.failed(3);
    assert!(error.contains("1 of 2 awards were refused") && error.contains("money/insufficient-funds"), "{error}");
    assert_eq!(money(&desk, "hotel"), ("5.000000".into(), "0.000000".into()), "the bond is the plant's");
    let quotes = desk.json(&format!("quote list {offer}"));
    let forfeited = quotes.as_array().unwrap().iter().find(|quote| quote["status"] == "forfeited").unwrap();
    assert_eq!(forfeited["refusal"]["refusal"], "insufficient_funds");

    // What was awarded stays so: the same award again is told apart from the first.
    let error = desk.run(&format!("award {offer} --seal-key plant-seal --to shop --as plant")).failed(1);
    assert!(error.contains("no standing quote"), "{error}");
    assert_eq!(node.stop(), 0);
}

#[test]
fn a_subscription_goes_from_prepayment_to_a_debt_that_is_paid() {
    let (desk, node, shop_meter, _) = town();
    let meter = text(&shop_meter);
    let file = desk.file("package.json", &desk.run("package example").ok());
    let package = text(&desk.json(&format!("package publish {file} --as plant"))["package"]).to_owned();
    let error = desk.run(&format!("package publish {file} --as shop")).failed(3);
    assert!(error.contains("the ledger refused (member/missing-role)"), "{error}");
    let people = desk.run(&format!("package show {package} 1")).ok();
    for part in ["by floor area, 28.000000/m2", "levies 0.050000", "13.0 %", "12.000000 a month", "holidays 2027-01-01"]
    {
        assert!(people.contains(part), "{part} is missing:\n{people}");
    }

    let service = format!("--allowance 20 --service electricity:0:{meter} --service heating:0::84.25");
    let made = desk.json(&format!("subscription new {package} 1 {service} --label home --as shop"));
    let subscription = text(&made["subscription"]);
    let again = desk.json(&format!("subscription new {package} 1 {service} --label home --as shop"));
    assert_eq!(again["subscription"], subscription, "the same label, the same subscription");
    desk.run(&format!("subscription prepay {subscription} electricity --as shop")).failed(2);
    let error = desk.run(&format!("subscription prepay {subscription} electricity --amount 5000 --as shop")).failed(3);
    assert!(error.contains("money/insufficient-funds") && error.contains("next: "), "{error}");
    desk.json(&format!("subscription prepay {subscription} electricity --amount 500 --as shop"));
    assert_eq!(desk.json(&format!("subscription show {subscription}"))["tranches"][0]["paid"], "500.000000");

    // January: 40 kWh, and days of the heating season that nobody has prepaid.
    desk.json("advance-time 2025-01-03T00:00:00+08:00");
    desk.json(&format!("reading record {meter} 2025-01-01T12:00:00+08:00=5kWh --as founder"));
    desk.json(&format!("reading record {meter} 2025-01-02T00:00:00+08:00=40kWh --as founder"));
    desk.json("advance-time 2025-02-01T06:00:00+08:00");
    let january = desk.json(&format!("statement show {subscription} 1"))["statement"].clone();
    assert_eq!(january["closing"], "period");
    let people = desk.run(&format!("statement show {subscription} 1")).ok();
    for part in ["usage", "energy", "tranche 1", "levies", "floor area", "84.25 m2", "fixed charge", "value-added tax"]
    {
        assert!(people.contains(part), "{part} is missing:\n{people}");
    }
    let people = desk.run(&format!("statement show {subscription} 1 --lang zh")).ok();
    for part in ["用量", "能源费", "面积费", "增值税", "欠款"] {
        assert!(people.contains(part), "{part} is missing:\n{people}");
    }
    let proof = desk.file("bill.json", &desk.run(&format!("statement proof {subscription} 1")).ok());
    assert_eq!(desk.json(&format!("verify {proof} --genesis town/genesis.json"))["holds"], true);

    // More was due than the allowance lets the statement take. The rest is a debt, which is paid in parts.
    let owed = micro(&january["debt"]);
    assert!(owed > 0, "{january}");
    let debts = desk.json("debt list shop");
    assert_eq!(debts[0]["debt"]["owes"], january["debt"]);
    let error = desk.run(&format!("debt pay {subscription} 900 --as shop")).failed(3);
    assert!(error.contains("debt/above"), "{error}");
    desk.json(&format!("debt pay {subscription} 100 --as shop"));
    assert_eq!(micro(&desk.json("debt list shop")[0]["debt"]["owes"]), owed - 100_000_000);
    let error = desk.run(&format!("debt pay {subscription} --as plant")).failed(1);
    assert!(error.contains("owes nothing"), "{error}");

    // A correction is a line of the next statement that names January.
    let interval = format!("{meter} 2025-01-01T12:00:00+08:00 2025-01-02T00:00:00+08:00");
    desk.json(&format!("reading correct {interval} 30kWh --reason misread --as founder"));
    // The same again changes nothing, and what was certified is not what counts any more.
    desk.run(&format!("reading correct {interval} 30kWh --reason misread --as founder")).failed(3);
    let error = desk
        .run(&format!("reading correct {interval} 20kWh --certified 35kWh --reason misread --as founder"))
        .failed(2);
    assert!(error.contains("30.000 kWh counts in that time now, not 35.000 kWh"), "{error}");
    assert_eq!(desk.json(&format!("meter show {meter}"))["corrections"], 1);
    // It is marked wherever the reading is shown, and every reading says who signed it, and in which unit it is.
    let listed = desk.json(&format!("reading list {meter}"));
    let of =
        |number: usize| [&listed[number]["signed_by"], &listed[number]["carrier"], &listed[number]["unit"]].map(text);
    assert_eq!((of(0), of(1)), (["gateway", "electricity", "J"], ["gateway", "electricity", "J"]));
    assert_eq!(listed[0]["corrections"], json!([]));
    assert_eq!(listed[1]["corrections"][0]["right"], "108000000");
    let corrected = "35.000 kWh, corrected: 30.000 kWh";
    assert!(desk.run(&format!("reading list {meter}")).ok().contains(corrected));
    let people = desk.run(&format!("reading show {}", text(&listed[1]["certificate"]["id"]))).ok();
    assert!(people.contains(corrected) && people.contains("(misread)"), "{people}");

    // The owner's notice can be taken back; the user's word ends it at once, and frees the meter.
    desk.json(&format!("subscription terminate {subscription} --as plant"));
    assert_ne!(desk.json(&format!("agreement show {subscription}"))["ends_ms"], Value::Null);
    desk.json(&format!("agreement withdraw-termination {subscription} --as plant"));
    assert_eq!(desk.json(&format!("agreement show {subscription}"))["ends_ms"], Value::Null);
    desk.json(&format!("subscription terminate {subscription} --as shop"));
    desk.json("advance-time --by 7h");
    let record = desk.json(&format!("subscription show {subscription}"));
    let statements = desk.json(&format!("statement list --agreement {subscription}"));
    let last = statements.as_array().unwrap().last().unwrap()["statement"].clone();
    assert_eq!(last["closing"], "end", "{record}");
    let credits = last["lines"].as_array().unwrap().iter().filter(|line| line["kind"] == "credit");
    assert_eq!(credits.count(), 1, "{last}");

    // Closed to newcomers.
    desk.json(&format!("package close {package} 1 --as plant"));
    let error = desk.run(&format!("subscription new {package} 1 {service} --as hotel")).failed(3);
    assert!(error.contains("package/closed"), "{error}");
    desk.json(&format!("meter capacity {meter} 150kWh --as founder"));
    assert_eq!(desk.json(&format!("meter show {meter}"))["capacity_per_hour"], "540000000");

    // What an operator types at an exchange is its own word, not the gateway's; a quantity has its unit in a refusal too.
    let exchange =
        format!("meter exchange {meter} --last 2025-02-01T00:00:00+08:00=41kWh --gateway founder --as founder");
    let error = desk.run(&format!("{exchange} --modulus 1kWh --register 2kWh")).failed(3);
    assert!(error.contains("the register shows 2.000 kWh, it starts again at 1.000 kWh"), "{error}");
    desk.json(&format!("{exchange} --modulus 1000kWh"));
    let listed = desk.json(&format!("reading list {meter}"));
    let signers: Vec<_> = listed.as_array().unwrap().iter().map(|reading| text(&reading["signed_by"])).collect();
    assert_eq!(signers, ["gateway", "gateway", "operator"]);
    let people = desk.run(&format!("meter show {meter}")).ok();
    assert!(people.contains("devices so far") && people.contains("1000.000 kWh"), "{people}");
    assert_eq!(node.stop(), 0);
}

/// Millionths of an amount of money.
fn micro(value: &Value) -> u64 {
    text(value).parse::<utilidor_types::Money>().unwrap().0
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

    let present = desk.json(&format!("agreement show {agreement}"))["terms"]["program"].clone();
    let mut program = present.clone();
    program["purchase"]["lots"][0]["price"]["money"] = json!("0.600000");
    let amend = |document: &Value| {
        let file = desk.file("amended.json", &document.to_string());
        format!("agreement amend {agreement} {file} --from 2025-01-01T00:30:00+08:00 --as plant")
    };
    desk.json(&amend(&program));
    // Or the whole of the terms, of which nothing else can be another.
    let mut amended = terms.clone();
    amended["program"] = program.clone();
    desk.json(&amend(&amended));
    amended["hard_end"]["at"] = json!("2031-01-01T00:00:00+08:00");
    let error = desk.run(&amend(&amended)).failed(2);
    assert!(error.contains("another hard end"), "{error}");
    let waiting = desk.json(&format!("agreement amendment {agreement}"));
    assert_eq!(waiting["terms"]["program"], program);
    assert_eq!(waiting["from_ms"], 1_735_662_600_000_u64);
    let people = desk.run(&format!("agreement amendment {agreement}")).ok();
    let changed: Vec<&str> = people.lines().filter(|line| line.contains("electricity")).collect();
    assert!(matches!(changed[..], [line] if line.contains("price") && line.contains("0.600000")), "{people}");
    let error =
        desk.run(&format!("agreement sign-amendment {agreement} --terms {} --as shop", "0".repeat(64))).failed(1);
    assert!(error.contains("nothing is signed"), "{error}");
    assert_eq!(desk.json(&format!("agreement show {agreement}"))["terms"]["program"], present);
    desk.json(&format!("agreement sign-amendment {agreement} --as shop"));
    assert_eq!(desk.json(&format!("agreement show {agreement}"))["terms"]["program"], program);
    let error = desk.run(&format!("agreement sign-amendment {agreement} --as shop")).failed(1);
    assert!(error.contains("no amendment"), "{error}");

    // One side's wish to end a purchase has no effect, and can be taken back.
    desk.json(&format!("agreement terminate {agreement} --as plant"));
    desk.json(&format!("agreement withdraw-termination {agreement} --as plant"));
    desk.json(&format!("agreement terminate {agreement} --as shop"));
    let record = desk.json(&format!("agreement show {agreement}"));
    assert_eq!(record["status"], "active");
    let steps: Vec<_> = record["steps"].as_array().unwrap().iter().map(|step| text(&step["step"])).collect();
    assert!(steps.contains(&"termination_withdrawn"), "{steps:?}");
    let people = desk.run(&format!("agreement show {agreement} --lang zh")).ok();
    assert!(people.contains("供能方: ") && people.contains("履行中"), "{people}");
    assert_eq!(node.stop(), 0);
}

#[test]
fn a_newcomer_is_admitted_by_the_document_that_its_own_key_has_signed() {
    let (desk, node, _, _) = town();
    desk.run("keys new baker").ok();
    desk.run("keys new baker-2").ok();
    let file = desk.file("baker.json", &desk.run("account sign-up --as baker").ok());
    let made = desk.json(&format!("member admit --file {file} --roles user --as founder"));
    assert_eq!(made["account"], desk.json("keys show baker")["account"]);
    let member = text(&made["member"]);
    let file = desk.file("second.json", &desk.run(&format!("account sign-up --member {member} --as baker-2")).ok());
    let error = desk.run(&format!("account open --file {file} --as shop")).failed(3);
    assert!(error.contains("account/wrong-member"), "{error}");
    desk.json(&format!("account open --file {file} --as baker"));
    assert_eq!(desk.json("account show baker-2")["member"], member);
    assert_eq!(node.stop(), 0);
}
