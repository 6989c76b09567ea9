//! A device's own signature from the device to the bill: the record that it signed comes out of the trace and of the bill's proof
//! byte for byte, and one changed byte is refused by name at each stage.

mod common;

use common::Desk;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

fn device() -> SigningKey {
    SigningKey::from_slice(&[11; 32]).unwrap()
}

/// What a device with a register of `kwh` at an hour of 2025-01-01 signs.
fn record(page: u64, hour: u64, kwh: u64) -> String {
    let payload = format!(
        "{{\"FV\":\"1.0\",\"GI\":\"plant\",\"GS\":\"1\",\"PG\":\"F{page}\",\"MS\":\"A7\",\"IS\":false,\"IT\":\"NONE\",\"RD\":[{{\"TM\":\
         \"2025-01-01T{hour:02}:00:00,000+0800 S\",\"RV\":{kwh}.00,\"RI\":\"1-b:1.8.0\",\"RU\":\"kWh\",\"RT\":\"AC\",\"EF\":\"\",\
         \"ST\":\"G\"}}]}}"
    );
    let signature: Signature = device().sign(payload.as_bytes());
    format!("OCMF|{payload}|{{\"SD\":\"{}\"}}", hex(signature.to_der().as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_devices_record_comes_out_of_the_trace_and_the_bill_as_it_went_in() {
    let mut desk = Desk::new();
    desk.run("node init --data town --time 2025-01-01T00:00:00+08:00").ok();
    let node = desk.start_node();
    for key in ["plant", "shop"] {
        desk.run(&format!("keys new {key}")).ok();
    }
    desk.run("keys new plant-seal --kind seal").ok();
    desk.json("member admit --as founder --account plant --roles owner");
    desk.json("member admit --as founder --account shop --roles user");
    desk.json("account capacity plant electricity 500kWh --as founder");
    for account in ["plant", "shop"] {
        desk.json(&format!("account issue {account} 1000 --reference opening --as founder"));
    }
    // The device's key as it stands in its register: an X.509 key in hex.
    let point = hex(device().verifying_key().to_sec1_point(false).as_bytes());
    let key = format!("3059301306072a8648ce3d020106082a8648ce3d030107034200{point}");
    let meter = desk.json(&format!(
        "meter register --label pile --carrier electricity --holder shop --meter-key {key} --modulus 100000kWh \
         --capacity 100kWh --as founder"
    ));
    let meter = text(&meter["meter"]);

    let offer = desk.file("offer.json", &desk.run("offer example --at 2025-01-01T00:00:00+08:00").ok());
    let offer = desk.json(&format!("offer publish {offer} --seal-key plant-seal --as plant"));
    let offer = text(&offer["offer"]);
    desk.json(&format!("quote submit {offer} --line 60kWh@0.58@{meter} --binding --as shop"));
    desk.json("advance-time 2025-01-01T02:00:00+08:00");
    let award = desk.json(&format!("award {offer} --seal-key plant-seal --to shop --as plant"));
    let agreement = text(&award["agreements"][0]);

    desk.json("advance-time 2025-01-01T07:00:00+08:00");
    let records: Vec<_> = (3..=7).map(|hour| record(hour, hour, (hour - 3) * 15)).collect();
    // Stage one: what the device did not sign does not leave the desk.
    for (from, to, code) in [
        ("\"RV\":15.00", "\"RV\":16.00", "ocmf/bad-signature"),
        ("OCMF|", "OCMG|", "ocmf/not-a-record"),
        ("\"FV\":\"1.0\"", "\"FV\":\"9.0\"", "ocmf/field"),
    ] {
        let changed = desk.file("changed.txt", &records.join("\n").replacen(from, to, 1));
        let error = desk.run(&format!("reading record {meter} --ocmf {changed} --as founder --json")).failed(1);
        assert!(error.contains(code), "{code}: {error}");
    }
    let hand_in = |desk: &Desk, records: &[String]| {
        let file = desk.file("records.txt", &records.join("\n"));
        desk.json(&format!("reading record {meter} --ocmf {file} --as founder"))
    };
    hand_in(&desk, &records[..3]);
    // The gateway goes on writing into the file: what is certified already is passed over.
    let done = hand_in(&desk, &records);
    assert_eq!(
        (&done["certified_already"], &done["receipt"]["verdict"]["applied"][0]["count"]),
        (&json!(3), &json!(2))
    );
    assert_eq!(hand_in(&desk, &records), json!({ "certified_already": 5 }));
    let dry = desk.run(&format!("reading record {meter} --ocmf records.txt --dry-run --as founder")).ok();
    assert_eq!(dry.matches("certified already").count(), 5, "{dry}");
    // The gateway's own word is not the device's.
    let answer = desk.run(&format!("reading record {meter} 2025-01-01T07:00:00+08:00=60kWh --as founder"));
    assert_ne!(answer.status, 0);

    desk.json("advance-time 2025-01-01T08:00:00+08:00");
    assert_eq!(desk.json(&format!("agreement show {agreement}"))["status"], "settled");
    let trace = desk.json(&format!("trace {agreement}"));
    let traced: Vec<_> =
        trace["readings"].as_array().unwrap().iter().map(|reading| text(&reading["signed"]["record"])).collect();
    assert_eq!(traced, records[1..].iter().collect::<Vec<_>>(), "those of the window");
    let people = desk.run(&format!("trace {agreement}")).ok();
    assert!(people.contains("by the device, OCMF") && people.contains(&records[2]), "{people}");
    assert!(desk.run("reading show 3").ok().contains(&records[3]));

    // The bill's proof carries them, and checks them with the device's key.
    let proof = desk.run(&format!("statement proof {agreement} 1")).ok();
    let file = desk.file("bill.json", &proof);
    let checked = desk.json(&format!("verify {file} --genesis town/genesis.json"));
    let steps = checked["checked"].to_string();
    assert!(steps.contains("records hold in which devices have signed"), "{steps}");
    let document: Value = serde_json::from_str(&proof).unwrap();
    let entries = document["readings"]["entries"].as_array().unwrap();
    let carried: Vec<_> = entries.iter().map(|entry| text(&entry[0]["ocmf"]["signed"]["record"])).collect();
    assert!(records[1..].iter().all(|record| carried.contains(&record.as_str())), "{carried:?}");
    for (from, to) in [("kWh", "kwh"), ("A7", "A8"), (":00,000+0800 S", ":01,000+0800 S")] {
        // Of the first record that is carried, and nothing else.
        let (before, rest) = proof.split_once("OCMF|").unwrap();
        let forged = desk.file("forged.json", &format!("{before}OCMF|{}", rest.replacen(from, to, 1)));
        let error = desk.run(&format!("verify {forged} --genesis town/genesis.json")).failed(1);
        assert!(error.contains("does not hold"), "{error}");
    }
    let reading = desk.file("reading.json", &desk.run("reading proof 2").ok());
    assert_eq!(desk.json(&format!("verify {reading} --genesis town/genesis.json"))["kind"], "certificates");
    assert_eq!(node.stop(), 0);
}
