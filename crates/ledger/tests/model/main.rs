//! The ledger against a naive second model: random plays of many blocks, compared after every block.
//!
//! The plays are the same in every run. `PROPTEST_RNG_SEED` chooses others, `PROPTEST_CASES` how many; a failure
//! prints the bytes of the shortest play found in twenty seconds; `play(&[..])` with them plays it again.

mod play;
mod rules;

use play::{Coverage, play};
use proptest::collection::vec;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use std::cell::RefCell;
use utilidor_types::Refusal;

/// Plays of a run, unless `PROPTEST_CASES` says otherwise.
const CASES: u32 = 600;
/// Longest play in bytes; an action takes about fifteen.
const MAX_BYTES: usize = 2_500;
/// Refusals that need a dozen or so agreements or payments in a row; the tests of their nouns meet them.
const TOO_RARE: [&str; 3] = ["meter/busy", "prepayment/buys-nothing", "prepayment/too-many-tranches"];
/// Where the plays begin, unless `PROPTEST_RNG_SEED` says otherwise.
const SEED: u64 = 2;

#[test]
fn the_ledger_and_the_naive_model_agree_after_every_block() {
    let mut config = Config { failure_persistence: None, max_shrink_time: 20_000, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    if std::env::var_os("PROPTEST_RNG_SEED").is_none() {
        config.rng_seed = RngSeed::Fixed(SEED);
    }
    let whole_run = config.cases == CASES && config.rng_seed == RngSeed::Fixed(SEED);
    let coverage = RefCell::new(Coverage::new());
    let result = TestRunner::new(config).run(&vec(proptest::num::u8::ANY, 0..MAX_BYTES), |bytes| {
        play(&bytes, &mut coverage.borrow_mut());
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
    let coverage = coverage.into_inner();
    for (what, times) in &coverage {
        println!("{times:>8} {what}");
    }
    if whole_run {
        let missing: Vec<_> = Refusal::REFERENCE
            .iter()
            .map(|(code, _)| *code)
            .filter(|code| !coverage.contains_key(&format!("refused {code}")) && !TOO_RARE.contains(code))
            .collect();
        assert!(missing.is_empty(), "no play has met {missing:?}: the choice of actions has become poorer");
        assert!(coverage["attributed"] > 100, "purchases are delivered in many plays");
    }
}
