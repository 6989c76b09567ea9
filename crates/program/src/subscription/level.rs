//! When to say that little, or nothing, is left of what was prepaid. A level is an amount that the meter must bring before
//! anything can have changed: what is left at the price of the dearest band.

use super::account::Account;
use super::frame::Frame;
use super::rate::total;
use crate::contract::{BAD_STATE, Fault, Notice, OVERFLOW};
use crate::exact::add;
use utilidor_types::{Bands, Money, Quantity, Tariff};

/// A level is set at least this part of the quantity that it watches further on, so that it is reached a bounded number of
/// times: a notice can come so much late.
const FINENESS: u64 = 64;

/// Looks at what is left when the meter has brought `brought` since its last segment; adds notices to the frame, and gives
/// the level at which to look again.
pub(super) fn watch(
    account: &mut Account,
    frame: &mut Frame<'_>,
    low_balance: Quantity,
    brought: &Bands,
) -> Result<Option<Quantity>, Fault> {
    let tariff = account.epoch_at(frame.facts.now)?.tariff;
    let Some(rates) = frame.rates(tariff)? else { return Ok(None) };
    let grace = match &frame.option(tariff)?.tariff {
        Tariff::Metered(tariff) => tariff.grace,
        Tariff::MeteredByPeriod(tariff) => tariff.grace,
        Tariff::FloorArea(_) => return Ok(None),
    };
    let left = left(account, frame, brought)?;
    // A user can ask to be warned of any quantity; what money cannot buy is never there.
    let least = rates.flat_half_even(low_balance).unwrap_or(Money(u64::MAX));
    let used = total(brought)?;
    if !account.low_noticed && left.money < least && left.used {
        account.low_noticed = true;
        frame.notices.push(Notice::Low(frame.carrier));
    }
    if !account.exhausted_noticed && left.beyond > grace {
        account.exhausted_noticed = true;
        frame.notices.push(Notice::Exhausted(frame.carrier));
    }
    if account.exhausted_noticed {
        return Ok(None);
    }
    let dearest = rates.units(0).0.max(1);
    let buys = |money: Money| {
        let units = u128::from(money.0).saturating_mul(rates.denominator()) / dearest;
        Quantity(u64::try_from(units).unwrap_or(u64::MAX))
    };
    let (distance, watched) = if account.low_noticed || least == Money::ZERO {
        let beyond = grace.saturating_sub(left.beyond);
        (Quantity(buys(left.money).0.saturating_add(beyond.0).saturating_add(1)), grace)
    } else {
        (buys(left.money.saturating_sub(least)), low_balance)
    };
    let step = distance.0.max(watched.0 / FINENESS).max(1);
    Ok(Some(Quantity(used.0.saturating_add(step))))
}

/// What is left of what was prepaid.
struct Left {
    money: Money,
    /// What nothing prepaid covers.
    beyond: Quantity,
    /// Whether anything has been used or prepaid at all.
    used: bool,
}

fn left(account: &Account, frame: &Frame<'_>, brought: &Bands) -> Result<Left, Fault> {
    let known = account.stretches.iter().try_fold(*brought, |sum, stretch| sum.checked_add(&stretch.bands));
    let known = known.ok_or(OVERFLOW)?;
    let (mut rest, mut money, mut waiting) = (known, Money::ZERO, Money::ZERO);
    for tranche in &account.tranches {
        if tranche.waits_for().is_some() {
            waiting = add(waiting, tranche.paid)?;
        } else if tranche.covers(account.closed) {
            let mut tranche = tranche.clone();
            let rates = frame.rates(tranche.tariff)?.ok_or(BAD_STATE)?;
            let drawn = tranche.draw(&rates, &rest)?;
            rest = rest.checked_sub(&drawn.bands).ok_or(BAD_STATE)?;
            money = add(money, tranche.left())?;
        }
    }
    let mut beyond = account.uncovered.checked_add(total(&rest)?).ok_or(OVERFLOW)?;
    if waiting > Money::ZERO {
        let tariff = account.epoch_at(account.closed)?.tariff;
        let rates = frame.rates(tariff)?.ok_or(BAD_STATE)?;
        let owed = add(account.owed(frame)?, rates.gross_half_even(0, &rest)?)?;
        if waiting >= owed {
            beyond = Quantity::ZERO;
            money = add(money, waiting.saturating_sub(owed))?;
        }
    }
    let used = !known.is_zero() || account.numbered > 0 || account.uncovered > Quantity::ZERO;
    Ok(Left { money, beyond, used })
}
