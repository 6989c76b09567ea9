//! The subscription fuzzed against a second model, which is written from the rules of retail and not from the code: readings
//! that come late, corrections, prepayments, amendments and an end, at any times.
//!
//! `MODEL_STORIES=5000 MODEL_SEED=0 cargo test -p utilidor-ledger --test second_model` plays more stories, from another one on.

mod model;
mod story;
#[path = "../world/mod.rs"]
mod world;

#[test]
fn the_subscription_charges_what_the_second_model_charges() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect("a whole number"));
    let (first, count): (u64, u64) = (number("MODEL_SEED").unwrap_or(0), number("MODEL_STORIES").unwrap_or(40));
    for seed in first..first + count {
        story::play(seed);
    }
}
