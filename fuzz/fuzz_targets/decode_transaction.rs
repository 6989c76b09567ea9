//! Bytes as a transaction: decoding never panics, and what decodes has exactly these bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use utilidor_types::transaction::verify_batch;
use utilidor_types::{SignedTransaction, encode};

fuzz_target!(|bytes: &[u8]| {
    let Ok(signed) = SignedTransaction::decode(bytes) else { return };
    assert_eq!(encode(&signed), bytes, "a value has one encoding");
    let chain = signed.transaction.chain;
    let mut rng: rand::rngs::StdRng = rand::SeedableRng::seed_from_u64(1);
    let verified = verify_batch(chain, vec![signed.clone()], &mut rng, &commonware_parallel::Sequential).remove(0);
    if let Ok(verified) = verified {
        assert_eq!((verified.bytes(), verified.hash()), (bytes.len(), signed.hash()));
    }
});
