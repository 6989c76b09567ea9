//! Bytes as the parts of a block and as documents: decoding never panics, and what decodes has exactly these bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use utilidor_types::{Agreement, CertificationEntry, Genesis, Header, Offer, Package, Receipt, Statement, decode, encode};

const LIMIT: usize = 1024 * 1024;

macro_rules! read_as {
    ($bytes:expr, $($kind:ty),*) => {
        $(if let Ok(value) = decode::<$kind>($bytes, LIMIT) {
            assert_eq!(encode(&value), $bytes, "a value has one encoding");
        })*
    };
}

fuzz_target!(|bytes: &[u8]| {
    read_as!(bytes, Header, Receipt, CertificationEntry, Statement, Genesis, Offer, Agreement, Package);
});
