//! Every bill of the year.
mod support;

use support::{LedgerPlatform, block_on};
use utilidor_park::data::Year;
use utilidor_park::scenario::play;

#[test]
fn plays() {
    let days = std::env::var("DAYS").map_or(365, |days| days.parse().unwrap());
    let year = Year::load();
    let platform = LedgerPlatform::new();
    let journal = block_on(play(&platform, &year, days, &mut |_| {})).unwrap();
    println!("{} statements, {} low, {} exhausted, {} gaps, {:?} {} certificates of {}", platform.statements().len(), journal.low_balances, journal.exhausted, journal.gaps, journal.refusals, platform.certificates().len(), journal.readings);
}
