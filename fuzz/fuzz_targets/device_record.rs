//! Text as a record that a device has signed: reading it never panics, and what is read stands within its bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use utilidor_types::ocmf::MAX_OCMF_BYTES;
use utilidor_types::time::MAX_TIMESTAMP;
use utilidor_types::{OcmfRecord, PublicKey};

fuzz_target!(|text: &str| {
    read(text);
    // Most random text fails at the signature: here it is one, of nobody.
    const SIGNATURE: &str = "{\"SD\":\"3006020101020101\"}";
    read(&format!("OCMF|{}|{SIGNATURE}", text.replace('|', "")));
    // And most fails before the readings.
    let entries = text.replace('|', "");
    read(&format!("OCMF|{{\"PG\":\"F1\",\"MS\":\"1\",\"RD\":[{entries}]}}|{SIGNATURE}"));
});

fn read(text: &str) {
    let Ok(record) = OcmfRecord::new(text) else {
        assert!(text.len() > MAX_OCMF_BYTES, "only length keeps a text from being looked at");
        return;
    };
    assert_eq!(record.text(), text, "its bytes are kept");
    if let Ok(contents) = record.read() {
        assert!(contents.readings.iter().all(|reading| reading.time <= MAX_TIMESTAMP));
        assert!(text.contains(contents.payload));
    }
    assert!(record.verify(&PublicKey::P256([2; 33])).is_err(), "nobody has signed it");
}
