//! The play of hostile programs, for a while in every run and for long on demand:
//! `PLAYS=10000000 cargo test --release -p utilidor-program --test published -- --ignored for_long`.

use crate::play::play;
use proptest::prelude::*;
use rand::SeedableRng as _;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_bytes_make_a_program_that_does_harm(bytes in proptest::collection::vec(any::<u8>(), 1..80)) {
        play(&bytes);
    }
}

#[test]
#[ignore = "runs as long as it is told to"]
fn no_bytes_make_a_program_that_does_harm_for_long() {
    let plays: u64 = std::env::var("PLAYS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let mut rng = rand::rngs::StdRng::seed_from_u64(plays);
    let mut bytes = [0; 80];
    for _ in 0..plays {
        rng.fill_bytes(&mut bytes);
        let len = 1 + usize::from(bytes[79]) % 79;
        play(&bytes[..len]);
    }
}
