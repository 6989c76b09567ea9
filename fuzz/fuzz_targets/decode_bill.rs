//! Bytes as a bill's proof and as the proofs in it: reading and checking never panic, and what is read has exactly
//! these bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use utilidor_proof::BillProof;
use utilidor_proof::inclusion::{BlockInclusion, EntryInclusion, FinalHeader, StateInclusion};
use utilidor_types::{decode, encode};

const LIMIT: usize = 1024 * 1024;

macro_rules! read_as {
    ($bytes:expr, $($kind:ty),*) => {
        $(if let Ok(value) = decode::<$kind>($bytes, LIMIT) {
            assert_eq!(encode(&value), $bytes, "a value has one encoding");
        })*
    };
}

fuzz_target!(|bytes: &[u8]| {
    read_as!(bytes, FinalHeader, BlockInclusion, EntryInclusion, StateInclusion);
    let Ok(proof) = BillProof::from_bytes(bytes) else { return };
    assert_eq!(proof.to_bytes(), bytes, "a value has one encoding");
    let _ = proof.verify(None);
});
