//! The year's bills, recomputed by separate code from the rules: every statement, every balance, to the millionth.

mod support;

use support::oracle::{Expected, recompute};
use support::{LedgerPlatform, block_on};
use utilidor_ledger::record::AccountRecord;
use utilidor_park::data::Year;
use utilidor_park::scenario::{Deed, Journal, account_of, play};
use utilidor_types::action::Prepayment;
use utilidor_types::{Carrier, Money};

fn play_days(days: usize) -> (Journal, LedgerPlatform) {
    let platform = LedgerPlatform::new();
    let journal = block_on(play(&platform, &Year::load(), days, &mut |_| {})).unwrap();
    (journal, platform)
}

#[test]
fn every_bill_of_the_year_is_recomputed_to_the_millionth() {
    let (journal, platform) = play_days(365);
    let books = recompute(&journal);

    let mut found: Vec<Expected> = platform.statements().iter().map(Expected::of).collect();
    found.sort_by_key(|statement| (statement.agreement, statement.number));
    assert!(found.len() > 250, "{} statements", found.len());
    for (expected, found) in books.statements.iter().zip(&found) {
        assert_eq!(expected, found);
    }
    assert_eq!(books.statements.len(), found.len());

    let memory = platform.memory();
    for (who, balance) in &books.balances {
        let account = memory.read::<AccountRecord>(&account_of(who)).unwrap();
        assert_eq!(*balance, i128::from(account.free.0) + i128::from(account.reserved.0), "balance of {who}");
    }
    for carrier in Carrier::ALL {
        let unbilled = books.unbilled.get(&carrier).copied().unwrap_or(0);
        let told = journal.unbilled.iter().filter(|part| part.carrier == carrier).map(|part| part.quantity.0);
        assert_eq!(unbilled, i128::from(told.sum::<u64>()), "{carrier}: on nobody's bill");
        assert_eq!(books.supplied[&carrier], books.billed[&carrier] + unbilled, "{carrier}: supplied and billed");
    }
}

#[test]
fn the_recomputation_notices_a_prepayment_of_another_size() {
    let (mut journal, platform) = play_days(31);
    let found: u64 = platform.statements().iter().map(|statement| statement.paid.0).sum();
    let recomputed = |journal: &Journal| recompute(journal).statements.iter().map(|bill| bill.paid).sum::<i128>();
    assert_eq!(recomputed(&journal), i128::from(found));
    // Enough for another step, and so another discount.
    let payment = journal.entries.iter_mut().find_map(|entry| match &mut entry.deed {
        Deed::Prepaid { carrier: Carrier::Electricity, payment: Prepayment::Amount(amount), .. } => Some(amount),
        _ => None,
    });
    *payment.unwrap() = Money::units(499_999);
    assert_ne!(recomputed(&journal), i128::from(found));
}
