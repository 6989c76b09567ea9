//! What becomes of records that devices have signed, or somebody in their place.

use super::*;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use utilidor_gateway::signed::MAX_UNVERIFIED_BYTES;
use utilidor_types::PrivateKey;

/// The secret of the meter's device.
const DEVICE: [u8; 32] = [11; 32];

/// A record of a device, of so many minutes after the last certified register.
fn record(secret: [u8; 32], serial: &str, minutes: u64) -> String {
    let time = Timestamp(PUBLISHED_MS - 900_000 + minutes * 60_000).to_rfc3339().replace(".000Z", ",000+0000");
    let payload = format!(
        "{{\"FV\":\"1.0\",\"PG\":\"T{minutes}\",\"MS\":\"{serial}\",\"RD\":[{{\"TM\":\"{time} \
         S\",\"RV\":3058.7,\"RI\":\"1-b:1.8.0\",\"RU\":\"kWh\",\"ST\":\"G\"}}]}}"
    );
    let signature: Signature = SigningKey::from_slice(&secret).unwrap().sign(payload.as_bytes());
    format!("OCMF|{payload}|{{\"SD\":\"{}\"}}", hex::encode(signature.to_der()))
}

impl Site {
    /// One whose meter signs with this key, as far as the ledger has told it.
    async fn signing(key: Option<[u8; 32]>) -> Self {
        let site = Self::new("ocpp-signed", None).await;
        site.tell_key(key);
        let epoch = site.shared.watch.stamp().unwrap().epoch;
        site.shared.writer.call(move |journal| journal.judge_clock(epoch, ClockState::Trusted, 0)).await.unwrap();
        site
    }

    fn tell_key(&self, key: Option<[u8; 32]>) {
        let key = key.map(|secret| PrivateKey::p256(secret).unwrap().public_key());
        self.shared.registrations.write().unwrap().get_mut(&METER).unwrap().key = key;
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join(format!("signed/{METER}.ocmf"))
    }

    fn kept(&self) -> String {
        std::fs::read_to_string(self.file()).unwrap_or_default()
    }
}

/// Whether a record is acknowledged.
async fn acknowledges(station: &mut Station, record: &str) -> bool {
    let sampled = json!([{ "value": record, "format": "SignedData", "context": "Transaction.End" }]);
    let values = json!([{ "timestamp": "2022-09-04T18:39:12Z", "sampledValue": sampled }]);
    let call = json!([2, "1", "MeterValues", { "connectorId": 1, "meterValue": values }]).to_string();
    station.says(&call).await[0] == 3
}

#[tokio::test]
async fn a_record_that_the_meters_key_has_not_signed_is_refused_by_name_and_takes_no_room() {
    let site = Site::signing(Some(DEVICE)).await;
    let mut station = site.station("/CHHome-1", "ocpp1.6", None).await.unwrap();
    let changed = record(DEVICE, "A7", 3).replace("3058.7", "3058.8");
    for forged in [record([12; 32], "A7", 1), KEBA.into(), changed] {
        assert!(!acknowledges(&mut station, &forged).await, "a new device's record comes again until its key is known");
    }
    assert_eq!((site.kept(), site.codes().await), (String::new(), vec!["ocmf/bad-signature".to_string()]));
    let right = record(DEVICE, "A7", 5);
    assert!(acknowledges(&mut station, &right).await);
    assert_eq!(site.kept(), format!("{right}\n"));
}

#[tokio::test]
async fn a_record_of_another_device_or_of_a_time_far_ahead_is_refused_by_name_and_takes_no_room() {
    let site = Site::signing(Some(DEVICE)).await;
    let mut station = site.station("/CHHome-1", "ocpp1.6", None).await.unwrap();
    let right = record(DEVICE, "A7", 5);
    assert!(acknowledges(&mut station, &right).await);
    assert!(!acknowledges(&mut station, &record(DEVICE, "B8", 6)).await);
    // What a wrong clock has stamped is wrong for ever.
    assert!(acknowledges(&mut station, &record(DEVICE, "A7", 77 * 365 * 24 * 60)).await);
    assert_eq!(site.codes().await, ["ocmf/other-device", "ocmf/early"]);
    assert_eq!(site.kept(), format!("{right}\n"));
}

#[tokio::test]
async fn while_the_meters_key_is_not_known_records_are_kept_and_leave_room_for_those_that_are_verified() {
    let site = Site::signing(None).await;
    let mut station = site.station("/CHHome-1", "ocpp1.6", None).await.unwrap();
    assert!(acknowledges(&mut station, KEBA).await);
    let junk = [KEBA.as_bytes(), b"\n"].concat().repeat(MAX_UNVERIFIED_BYTES as usize / KEBA.len());
    std::fs::write(site.file(), &junk).unwrap();
    let right = record(DEVICE, "A7", 5);
    assert!(!acknowledges(&mut station, &right).await);
    assert_eq!(site.codes().await, ["ocmf/not-kept"]);
    site.tell_key(Some(DEVICE));
    assert!(acknowledges(&mut station, &right).await);
    assert!(site.kept().ends_with(&format!("\n{right}\n")));
}
