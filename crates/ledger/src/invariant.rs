//! What holds after every block, whatever it contained. A violation is a bug: the node stops rather than go on.
//!
//! Both are checked on what the block changed; by induction they hold for the whole state.

use crate::record::{AccountRecord, AgreementState, Totals};
use crate::store::Store;
use utilidor_types::agreement::Side;

/// Checks money: all that is free and reserved changed by what was issued less what was redeemed, and what
/// accounts have reserved changed by what agreements hold.
pub(crate) fn check(store: &Store) {
    let (mut balances, mut reserved) = (0i128, 0i128);
    for (before, now) in store.changed::<AccountRecord>() {
        for (sign, account) in [(-1, before), (1, now)] {
            let Some(account) = account else { continue };
            balances += sign * (i128::from(account.free.0) + i128::from(account.reserved.0));
            reserved += sign * i128::from(account.reserved.0);
        }
    }
    let mut circulating = 0i128;
    for (before, now) in store.changed::<Totals>() {
        for (sign, totals) in [(-1, before), (1, now)] {
            let Some(totals) = totals else { continue };
            circulating += sign * (i128::from(totals.issued.0) - i128::from(totals.redeemed.0));
        }
    }
    let mut held = 0i128;
    for (before, now) in store.changed::<AgreementState>() {
        for (sign, state) in [(-1, before), (1, now)] {
            let Some(state) = state else { continue };
            held += sign * i128::from(state.escrow.of(Side::Owner).0 + state.escrow.of(Side::User).0);
        }
    }
    assert_eq!(balances, circulating, "the sum of all balances is what was issued less what was redeemed");
    assert_eq!(reserved, held, "what accounts have reserved is what agreements hold");
}
