//! Records that devices have signed: what is taken of them, and what is refused, by name.

use commonware_parallel::Sequential;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use utilidor_types::meter::{MeterRun, MeterSignature, SignedRecord};
use utilidor_types::ocmf::{MAX_OCMF_BYTES, OcmfContext, OcmfError};
use utilidor_types::transaction::{VerifyError, verify_batch};
use utilidor_types::{
    Action, Bounded, Carrier, ChainId, MeterId, OcmfRecord, PrivateKey, PublicKey, Quantity, Reading, Timestamp,
    Transaction,
};

// The records of the devices are of the test data of S.A.F.E.'s Transparenzsoftware, Copyright 2023 S.A.F.E. e.V., Apache License 2.0.
const KEBA: &str = r#"OCMF|{"FV":"1.0","GI":"KEBA_KCP30","GS":"17619300","GV":"2.8.5","PG":"T32","IS":false,"IL":"NONE","IF":["RFID_NONE","OCPP_NONE","ISO15118_NONE","PLMN_NONE"],"IT":"NONE","ID":"","RD":[{"TM":"2019-08-13T10:03:15,000+0000 I","TX":"B","EF":"","ST":"G","RV":0.2596,"RI":"1-b:1.8.0","RU":"kWh"},{"TM":"2019-08-13T10:03:36,000+0000 R","TX":"E","EF":"","ST":"G","RV":0.2597,"RI":"1-b:1.8.0","RU":"kWh"}]}|{"SD":"304502200E2F107C987A300AC1695CA89EA149A8CDFA16188AF0A33EE64B67964AA943F9022100889A72B6D65364BEA8562E7F6A0253157ACFF84FE4929A93B5964D23C4265699"}"#;
const KEBA_KEY: &str = "3059301306072A8648CE3D020106082A8648CE3D030107034200043AEEB45C392357820A58FDFB0857BD77ADA31585C61C430531DFA53B440AFBFDD95AC887C658EA55260F808F55CA948DF235C2108A0D6DC7D4AB1A5E1A7955BE";
/// Its device says that the times cannot be used.
const ISKRA: &str = r#"OCMF|{"FV":"1.0","GI":"eSystemsMtg OcppChargePoint_v0 ESY-00101.01.2201234567","GS":"000007","GV":"PWR P0037","PG":"T241","MV":"Iskra","MM":"WM3M4C","MS":"W4155775","MF":"2.05","IS":true,"IT":"UNDEFINED","ID":"0480423a4b5880","CT":"CBIDC","CI":"KHStation","RD":[{"TM":"2023-04-14T11:51:06,000+0000 S","TX":"B","RV":80.77,"RI":"1-b:1.8.0","RU":"kWh","RT":"AC","EF":"t","ST":"G"},{"TM":"2023-04-14T11:54:43,000+0000 S","TX":"E","RV":80.97,"RI":"1-b:1.8.0","RU":"kWh","RT":"AC","EF":"t","ST":"G"}]}|{"SD":"30450220331E469735684E31F6F5903457C6DD8873CEAE1DFDBE4001FFBF94D124481DE7022100B8375F730A0B719B99B2DB89BA5B03CFDF4CE1A8829816BF7BBB75C3042C289D"}"#;

fn record(text: &str) -> OcmfRecord {
    OcmfRecord::new(text).unwrap()
}

fn reading(time: u64, joules: u64) -> Reading {
    Reading { time: Timestamp(time), register: Quantity(joules) }
}

#[test]
fn a_record_of_a_charging_station_gives_its_readings_and_holds_with_its_key() {
    let key = PublicKey::of_device(KEBA_KEY).unwrap();
    let keba = record(KEBA);
    let contents = keba.verify(&key).unwrap();
    assert_eq!((contents.context, contents.page), (OcmfContext::Transaction, 32));
    assert_eq!((contents.serial.as_str(), contents.register.as_str()), ("17619300", "1-b:1.8.0"));
    // 0.2596 and 0.2597 kWh, 2019-08-13 10:03:15 and 10:03:36.
    assert_eq!(*contents.readings, [reading(1_565_690_595_000, 934_560), reading(1_565_690_616_000, 934_920)]);
    assert!(keba.text().starts_with(&format!("OCMF|{}|", contents.payload)), "its bytes are kept as they came");
    let signed = SignedRecord { key, record: keba.clone() };
    let readings = contents.readings.into_vec();
    assert_eq!(signed.says(&readings), Ok(()));
    assert_eq!(signed.says(&readings[1..]), Err(OcmfError::OtherReadings), "all of them");
    assert_eq!(signed.holds(readings[1..].iter().copied()), Ok(()));
    let reversed = [readings[1], readings[0]];
    assert_eq!(signed.holds(reversed.into_iter()), Err(OcmfError::OtherReadings));
}

#[test]
fn a_reading_that_its_device_calls_unusable_is_none() {
    assert_eq!(record(ISKRA).read().unwrap_err(), OcmfError::NoReading);
}

#[test]
fn one_changed_byte_is_refused() {
    let key = PublicKey::of_device(KEBA_KEY).unwrap();
    for place in 0..KEBA.len() {
        let mut bytes = KEBA.as_bytes().to_vec();
        bytes[place] ^= 1;
        let changed = String::from_utf8(bytes).unwrap();
        // Hex digits have two cases, which say the same: the record then has other bytes and holds.
        let same_hex = changed.eq_ignore_ascii_case(KEBA);
        assert!(same_hex || record(&changed).verify(&key).is_err(), "byte {place}: {changed}");
    }
    let other = PublicKey::P256([2; 33]);
    assert_eq!(record(KEBA).verify(&other).unwrap_err(), OcmfError::BadSignature);
    assert_eq!(record(KEBA).verify(&PublicKey::Ed25519([2; 32])).unwrap_err(), OcmfError::BadSignature);
}

#[test]
fn a_node_refuses_a_transaction_whose_record_has_one_byte_changed_by_its_run_and_reason() {
    let key = PublicKey::of_device(KEBA_KEY).unwrap();
    let gateway = PrivateKey::ed25519([1; 32]);
    let readings = record(KEBA).verify(&key).unwrap().readings;
    let verified = |record: OcmfRecord| {
        let signature = Some(MeterSignature::Ocmf(SignedRecord { key, record }));
        let run = MeterRun { meter: MeterId([3; 16]), readings: readings.clone(), signature };
        let action = Action::RecordReadings { runs: Bounded::new(vec![run]).unwrap() };
        let chain = ChainId([7; 16]);
        let transaction = Transaction { chain, signer: gateway.public_key(), nonce: 0, expires: 10, action };
        let mut rng = <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(5);
        verify_batch(chain, vec![transaction.sign(&gateway)], &mut rng, &Sequential).remove(0)
    };
    assert!(verified(record(KEBA)).is_ok());
    let mut refused = 0;
    for place in 0..KEBA.len() {
        let mut bytes = KEBA.as_bytes().to_vec();
        bytes[place] ^= 1;
        let changed = String::from_utf8(bytes).unwrap();
        // What is no record at all is none before any transaction; hex digits of the other case say the same.
        let Ok(record) = OcmfRecord::new(&changed) else { continue };
        if changed.eq_ignore_ascii_case(KEBA) {
            continue;
        }
        let found = verified(record);
        assert!(matches!(found, Err(VerifyError::BadMeterRecord { run: 0, .. })), "byte {place}: {found:?}");
        refused += 1;
    }
    assert!(refused > KEBA.len() / 2, "{refused}");
}

fn device() -> SigningKey {
    SigningKey::from_slice(&[5; 32]).unwrap()
}

fn device_key() -> PublicKey {
    PublicKey::of_device(&hex::encode(device().verifying_key().to_sec1_point(false).as_bytes())).unwrap()
}

fn signed(payload: &str) -> String {
    let signature: Signature = device().sign(payload.as_bytes());
    format!("OCMF|{payload}|{{\"SD\":\"{}\"}}", hex::encode(signature.to_der().as_bytes()))
}

/// A payload with these entries.
fn payload(entries: &str) -> String {
    format!("{{\"FV\":\"1.4\",\"PG\":\"F7\",\"MS\":\"A1\",\"RD\":[{entries}]}}")
}

const ENTRY: &str =
    r#"{"TM":"2025-01-01T08:15:00,250+0800 S","RV":1234.5678,"RI":"1-b:1.8.0","RU":"kWh","EF":"","ST":"G"}"#;

#[test]
fn what_stands_in_the_entry_before_is_taken_over_and_other_quantities_are_passed_over() {
    let entries = [
        ENTRY,
        r#"{"TM":"2025-01-01T08:30:00,000+0800 I","RV":1235}"#,
        // An unsynchronised clock, a substitute, an error without a value, a cable's resistance.
        r#"{"TM":"2025-01-01T08:45:00,000+0800 U","RV":1236}"#,
        r#"{"TM":"2025-01-01T09:00:00,000+0800 S","RV":1237,"ST":"S"}"#,
        r#"{"EF":"E"}"#,
        r#"{"RV":7,"RU":"mOhm","RI":"x","EF":"","ST":"G"}"#,
        r#"{"TM":"2025-01-01T01:15:00,000-0000 R","RV":1.2385E6,"RU":"Wh","RI":"1-b:1.8.0"}"#,
    ];
    let text = signed(&payload(&entries.join(",")));
    let readings = record(&text).verify(&device_key()).unwrap().readings.into_vec();
    const EIGHT: u64 = 1_735_689_600_000;
    assert_eq!(
        readings,
        [
            reading(EIGHT + 900_250, 4_444_444_080),
            reading(EIGHT + 1_800_000, 4_446_000_000),
            reading(EIGHT + 4_500_000, 4_458_600_000)
        ]
    );
}

#[test]
fn a_high_s_is_taken_as_the_low_one() {
    let payload = payload(ENTRY);
    let low: Signature = device().sign(payload.as_bytes());
    let (r, s) = low.split_scalars();
    let high = Signature::from_scalars(r.to_bytes(), (-*s).to_bytes()).unwrap();
    assert_ne!(high, high.normalize_s());
    let text = format!("OCMF|{payload}|{{\"SD\":\"{}\"}}", hex::encode(high.to_der().as_bytes()));
    assert!(record(&text).verify(&device_key()).is_ok());
}

#[test]
fn what_is_not_understood_is_refused_by_the_field_s_name() {
    let good = payload(ENTRY);
    let field = |name| move |error: OcmfError| matches!(error, OcmfError::Field { field, .. } if field == name);
    type Check = Box<dyn Fn(OcmfError) -> bool>;
    let cases: Vec<(&str, &str, Check)> = vec![
        ("\"FV\":\"1.4\"", "\"FV\":\"0.4\"", Box::new(field("FV"))),
        ("\"FV\":\"1.4\"", "\"FV\":1.4", Box::new(field("FV"))),
        ("\"PG\":\"F7\"", "\"PG\":\"F07\"", Box::new(field("PG"))),
        ("\"PG\":\"F7\"", "\"PG\":\"X7\"", Box::new(field("PG"))),
        ("\"PG\":\"F7\",", "", Box::new(field("PG"))),
        ("\"MS\":\"A1\"", "\"MS\":\"\"", Box::new(field("MS"))),
        ("08:15:00,250+0800 S", "08:15:00.250+0800 S", Box::new(field("TM"))),
        ("08:15:00,250+0800 S", "24:15:00,250+0800 S", Box::new(field("TM"))),
        ("2025-01-01T", "2025-02-30T", Box::new(field("TM"))),
        ("2025-01-01T", "1969-01-01T", Box::new(field("TM"))),
        ("1234.5678", "-1", Box::new(field("RV"))),
        ("1234.5678", "\"1\"", Box::new(field("RV"))),
        ("1234.5678", "1e40", Box::new(field("RV"))),
        ("1234.5678", "123456789012345678901", Box::new(field("RV"))),
        ("1234.5678", "99999999999999", Box::new(field("RV"))),
        ("\"RU\":\"kWh\",", "", Box::new(field("RU"))),
        (",\"ST\":\"G\"", "", Box::new(field("ST"))),
        ("\"RD\":[", "\"RD\":[1,", Box::new(field("RD"))),
        ("\"MS\"", "\"PG\"", Box::new(|error| matches!(error, OcmfError::NotJson { section: "payload", .. }))),
        ("1234.5678", "01", Box::new(|error| matches!(error, OcmfError::NotJson { .. }))),
        (
            "\"ST\":\"G\"}",
            "\"ST\":\"G\"},{\"RV\":1,\"RI\":\"1-b:2.8.0\"}",
            Box::new(|error| error == OcmfError::SeveralRegisters),
        ),
        ("kWh", "ohm", Box::new(|error| error == OcmfError::NoReading)),
    ];
    for (from, to, check) in cases {
        assert!(good.contains(from), "{from}");
        let text = signed(&good.replacen(from, to, 1));
        let error = record(&text).read().unwrap_err();
        assert!(check(error.clone()), "{to}: {error:?}");
    }
    for (signature, name) in [
        ("{\"SD\":\"00\"}", "SD"),
        ("{\"SD\":\"xy\"}", "SD"),
        ("{}", "SD"),
        ("{\"SA\":\"ECDSA-secp256k1-SHA256\",\"SD\":\"00\"}", "SA"),
        ("{\"SE\":\"base64\",\"SD\":\"00\"}", "SE"),
    ] {
        let error = record(&format!("OCMF|{good}|{signature}")).read().unwrap_err();
        assert!(field(name)(error.clone()), "{signature}: {error:?}");
    }
    for text in ["", "OCMF", "OCMF|{}", "ocmf|{}|{}", "OCMF|{}|{}|{}"] {
        assert_eq!(record(text).read().unwrap_err(), OcmfError::NotARecord, "{text}");
    }
    let long = "x".repeat(MAX_OCMF_BYTES + 1);
    assert!(matches!(OcmfRecord::new(long), Err(OcmfError::TooLong { .. })));
    assert!(OcmfRecord::can_carry(Carrier::Electricity) && !OcmfRecord::can_carry(Carrier::Water));
}
