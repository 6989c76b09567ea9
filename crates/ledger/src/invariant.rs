//! What holds after every block, whatever it contained. A violation is a bug: the node stops rather than go on.
//!
//! Both are checked on what the block changed; by induction they hold for the whole state.

use crate::record::{AccountRecord, AgreementState, QuoteRecord, Record, Totals};
use crate::store::Store;

/// By how much a sum over all records of a kind has changed.
fn change<R: Record>(store: &Store, value: impl Fn(&R) -> i128) -> i128 {
    let of = |record: Option<&R>| record.map_or(0, &value);
    store.changed::<R>().map(|(before, now)| of(now) - of(before)).sum()
}

/// Checks money: all that is free and reserved changed by what was issued less what was redeemed, and what accounts have
/// reserved changed by what agreements hold and quotes are secured by.
pub(crate) fn check(store: &Store) {
    let balances =
        change::<AccountRecord>(store, |account| i128::from(account.free.0) + i128::from(account.reserved.0));
    let circulating = change::<Totals>(store, |totals| i128::from(totals.issued.0) - i128::from(totals.redeemed.0));
    let reserved = change::<AccountRecord>(store, |account| i128::from(account.reserved.0));
    let held = change::<AgreementState>(store, |state| state.pots.iter().map(|pot| i128::from(pot.money.0)).sum());
    let bonds = change::<QuoteRecord>(store, |quote| i128::from(quote.bond.0));
    assert_eq!(balances, circulating, "the sum of all balances is what was issued less what was redeemed");
    assert_eq!(reserved, held + bonds, "what accounts have reserved is what agreements hold and quotes are secured by");
}
