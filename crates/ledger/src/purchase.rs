//! The native program `purchase`: a volume in a window, settled after a grace time [M14].
//!
//! Per lot, with `contracted` the volume:
//!
//! * available = what the delivery meter attributed to this agreement, or all of it where no such meter is agreed;
//! * taken = what the user's meter drew of what was available at the time, or all that is available;
//! * time without readings counts by the substitute rule, and is flagged;
//! * the user pays taken x price, half to even;
//! * what the owner did not make available, beyond the tolerance, forfeits its share of the owner's deposit;
//!   what the user did not take of what was available, beyond the tolerance, of the user's;
//! * all else is released. A user that cannot pay loses what is left of its deposit, and is in default.

use crate::offer::check_delivery;
use crate::program::{Draft, Effect, Facts};
use crate::record::{Escrow, LotState};
use utilidor_types::agreement::{Metering, PurchaseLot, PurchaseTerms, Side, Status, Substitute};
use utilidor_types::event::{Movement, Purpose};
use utilidor_types::offer::MAX_LOTS;
use utilidor_types::statement::StatementLine;
use utilidor_types::{Bounded, Money, Quantity, Refusal};

/// Checks that terms can settle. Order: as [`check_delivery`], then metering, then the value.
pub(crate) fn check(terms: &PurchaseTerms) -> Result<(), Refusal> {
    check_delivery(
        terms.lots.iter().map(|lot| (lot.carrier, lot.quantity, lot.price)),
        terms.window,
        [terms.deposit_permille, terms.guarantee_permille, terms.tolerance_permille],
        terms.grace_ms,
    )?;
    if let Some(lot) = terms.lots.iter().find(|lot| lot.metering == (Metering { delivery: None, take: None })) {
        return Err(Refusal::Unmetered { carrier: lot.carrier });
    }
    terms.value().ok_or(Refusal::Overflow)?;
    Ok(())
}

fn value(lot: &PurchaseLot) -> Money {
    lot.price.amount_half_even(lot.quantity).expect("the terms' value was checked")
}

/// A lot's share of each side's deposit.
fn deposit(terms: &PurchaseTerms, lot: &PurchaseLot) -> Money {
    value(lot).share_half_even(terms.deposit_permille.into(), 1_000).expect("a share of money is money")
}

/// Event `signed`: deposits and guarantee are reserved, settlement is scheduled.
pub(crate) fn signed(terms: &PurchaseTerms) -> (Bounded<LotState, MAX_LOTS>, Vec<Effect>) {
    let lots = terms.lots.iter().map(|lot| LotState {
        contracted: lot.quantity,
        available: if lot.metering.delivery.is_some() { Quantity::ZERO } else { lot.quantity },
        taken: Quantity::ZERO,
        delivery_covered_ms: 0,
        take_covered_ms: 0,
    });
    let deposit: Money = terms.lots.iter().map(|lot| deposit(terms, lot)).sum();
    let total = terms.value().expect("the terms' value was checked");
    let guarantee = total.share_half_even(terms.guarantee_permille.into(), 1_000).expect("a share of money is money");
    let reserve = |side, purpose, amount| Effect::Move(Movement::Reserve { side, purpose }, amount);
    let effects = vec![
        reserve(Side::Owner, Purpose::Deposit, deposit),
        reserve(Side::User, Purpose::Deposit, deposit),
        reserve(Side::User, Purpose::Guarantee, guarantee),
        Effect::Schedule(terms.settles_at().expect("the terms' times were checked")),
    ];
    (Bounded::new(lots.collect()).expect("one per lot"), effects)
}

/// Event `reading certified`: attributes what it can of `quantity` to the lot, and says how much.
pub(crate) fn certified(lot: &mut LotState, side: Side, quantity: Quantity, covered_ms: u64) -> Quantity {
    let (room, covered) = match side {
        Side::Owner => (lot.contracted.saturating_sub(lot.available), &mut lot.delivery_covered_ms),
        Side::User => (lot.available.saturating_sub(lot.taken), &mut lot.take_covered_ms),
    };
    *covered = covered.saturating_add(covered_ms as u32);
    let part = quantity.min(room);
    match side {
        Side::Owner => lot.available.0 += part.0,
        Side::User => lot.taken.0 += part.0,
    }
    part
}

/// What a lot comes to at its end.
struct Delivered {
    available: Quantity,
    taken: Quantity,
    substituted: Quantity,
}

fn delivered(terms: &PurchaseTerms, lot: &PurchaseLot, state: &LotState) -> Delivered {
    let substitute = |covered_ms: u32| match terms.substitute {
        Substitute::Nothing => Quantity::ZERO,
        Substitute::ProRata => {
            let window = terms.window.ms();
            state.contracted.share_floor(window.saturating_sub(covered_ms.into()), window)
        }
    };
    let plus =
        |measured: Quantity, extra: Quantity, most: Quantity| Quantity(measured.0.saturating_add(extra.0).min(most.0));
    let (mut available, mut taken) = (state.available, state.taken);
    if lot.metering.delivery.is_some() {
        available = plus(available, substitute(state.delivery_covered_ms), state.contracted);
    }
    let measured = match lot.metering.take {
        Some(_) => {
            taken = plus(taken, substitute(state.take_covered_ms), available);
            state.taken
        }
        None => {
            taken = available;
            state.available
        }
    };
    Delivered { available, taken, substituted: taken.saturating_sub(measured) }
}

/// Event `time reached`: settles.
pub(crate) fn settle(terms: &PurchaseTerms, lots: &[LotState], escrow: &Escrow, facts: Facts) -> Vec<Effect> {
    let mut lines = Vec::new();
    let mut due = Money::ZERO;
    let (mut owner_forfeits, mut user_forfeits) = (Money::ZERO, Money::ZERO);
    let mut substituted = false;
    for (lot, state) in terms.lots.iter().zip(lots) {
        let end = delivered(terms, lot, state);
        let amount = lot.price.amount_half_even(end.taken).expect("no more is delivered than was valued");
        due.0 += amount.0;
        substituted |= end.substituted > Quantity::ZERO;
        lines.push(StatementLine::Delivery {
            carrier: lot.carrier,
            contracted: state.contracted,
            available: end.available,
            delivered: end.taken,
            substituted: end.substituted,
            price: lot.price,
            amount,
        });
        let tolerated = state.contracted.share_floor(terms.tolerance_permille.into(), 1_000);
        for (by, shortfall, forfeits) in [
            (Side::Owner, state.contracted.saturating_sub(end.available), &mut owner_forfeits),
            (Side::User, end.available.saturating_sub(end.taken), &mut user_forfeits),
        ] {
            if shortfall <= tolerated {
                continue;
            }
            let deposit = deposit(terms, lot);
            let amount = deposit.share_half_even(shortfall.0, state.contracted.0).expect("a share of money is money");
            forfeits.0 += amount.0;
            let (carrier, contracted) = (lot.carrier, state.contracted);
            lines.push(StatementLine::Forfeit { carrier, by, shortfall, contracted, deposit, amount });
        }
    }

    let from_guarantee = due.min(escrow.guarantee);
    let from_free = due.saturating_sub(from_guarantee).min(facts.user_free);
    let paid = Money(from_guarantee.0 + from_free.0);
    let unpaid = due.saturating_sub(paid);
    if unpaid > Money::ZERO {
        user_forfeits = escrow.user_deposit;
    }
    let release = |side, purpose, amount| Effect::Move(Movement::Release { side, purpose }, amount);
    vec![
        Effect::Move(Movement::PayFromReserve { purpose: Purpose::Guarantee }, from_guarantee),
        Effect::Move(Movement::Pay, from_free),
        Effect::Move(Movement::Forfeit { by: Side::Owner }, owner_forfeits),
        Effect::Move(Movement::Forfeit { by: Side::User }, user_forfeits),
        release(Side::User, Purpose::Guarantee, escrow.guarantee.saturating_sub(from_guarantee)),
        release(Side::Owner, Purpose::Deposit, escrow.owner_deposit.saturating_sub(owner_forfeits)),
        release(Side::User, Purpose::Deposit, escrow.user_deposit.saturating_sub(user_forfeits)),
        Effect::Issue(Draft { period: terms.window, lines, paid, unpaid, substituted }),
        Effect::Finish(if unpaid > Money::ZERO { Status::Defaulted } else { Status::Settled }),
    ]
}

/// Both sides end it early: what was delivered so far is paid, nobody forfeits anything, nothing is substituted.
pub(crate) fn end_early(terms: &PurchaseTerms, lots: &[LotState], escrow: &Escrow, facts: Facts) -> Vec<Effect> {
    let lenient = PurchaseTerms { tolerance_permille: 1_000, substitute: Substitute::Nothing, ..terms.clone() };
    let mut effects = settle(&lenient, lots, escrow, facts);
    if let Some(Effect::Finish(status @ Status::Settled)) = effects.last_mut() {
        *status = Status::Terminated;
    }
    effects
}

/// Everything that is held goes back, before other terms take its place.
pub(crate) fn release_all(escrow: &Escrow) -> Vec<Effect> {
    let release = |side, purpose, amount| Effect::Move(Movement::Release { side, purpose }, amount);
    vec![
        release(Side::User, Purpose::Guarantee, escrow.guarantee),
        release(Side::Owner, Purpose::Deposit, escrow.owner_deposit),
        release(Side::User, Purpose::Deposit, escrow.user_deposit),
    ]
}
