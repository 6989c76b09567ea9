//! Paying ahead: a debt from earlier statements is paid at once; the rest is reserved, and buys when the meter has passed the
//! time of payment.

use super::area;
use super::frame::Frame;
use super::rate::Rates;
use super::tranche::{Stage, Tranche};
use super::work::Work;
use crate::contract::{BAD_STATE, Effect, Fault, Notice, OVERFLOW};
use crate::exact::{add, times};
use utilidor_types::action::Prepayment;
use utilidor_types::event::{Movement, Purpose};
use utilidor_types::statement::MAX_TRANCHES;
use utilidor_types::{Carrier, Money, Party, Refusal, Tariff, Window};

/// What is bought.
struct Purchase {
    /// How much is paid, an earlier debt included.
    amount: Money,
    period: Option<Window>,
    discount_permille: u16,
    by_area: bool,
}

impl Work<'_> {
    /// The event `prepaid`. Order: end, service; payment's kind, amount or period and its price; room for a tranche, whether it
    /// buys anything. A payment for a period of a floor area is for the period and the debt together.
    pub(super) fn prepaid(&mut self, carrier: Carrier, payment: Prepayment) -> Result<(), Fault> {
        if let Some(at) = self.head.end().filter(|at| *at <= self.facts.now) {
            return Err(Refusal::AlreadyEnding { at }.into());
        }
        let (now, debt) = (self.facts.now, self.facts.debt);
        let frame = Frame::new(&self.head, self.facts, carrier);
        let account = self.accounts.get(&carrier).ok_or(Refusal::NoSuchService { carrier })?;
        let tariff = account.epoch_at(now)?.tariff;
        let bought = self.what_it_buys(&frame, carrier, payment)?;
        let debt_paid = bought.amount.min(debt);
        let paid = bought.amount.saturating_sub(debt_paid);
        if paid > Money::ZERO && account.tranches.len() >= MAX_TRANCHES {
            return Err(Refusal::TooManyTranches { max: MAX_TRANCHES as u32 }.into());
        }
        let mut tranche = Tranche {
            number: account.numbered.checked_add(1).ok_or(OVERFLOW)?,
            paid,
            tariff,
            discount_permille: bought.discount_permille,
            period: bought.period,
            stage: Stage::Waits { at: now, debt_paid },
        };
        if let Some(rates) = frame.rates(tariff)?.filter(|_| paid > Money::ZERO) {
            check_buys(&tranche, &rates, frame.discount(&tranche)?)?;
        }

        let reserve = Movement::Reserve { party: Party::USER, purpose: Purpose::Prepayment };
        self.effects.push(Effect::Move(reserve, bought.amount));
        if debt_paid > Money::ZERO {
            self.effects.push(Effect::PayDebt(debt_paid));
        }
        if paid == Money::ZERO {
            return Ok(());
        }
        let (number, period) = (tranche.number, tranche.period);
        self.effects.push(Effect::Notify(Notice::Prepaid { carrier, tranche: number, paid: bought.amount, period }));
        let account = self.accounts.get_mut(&carrier).ok_or(BAD_STATE)?;
        (account.numbered, account.low_noticed, account.exhausted_noticed) = (number, false, false);
        account.paid_until = account.paid_until.max(period.map_or(account.paid_until, |period| period.to));
        if bought.by_area {
            tranche.stage = Stage::Area { cost: 0, charged: Money::ZERO };
            let discount_permille = tranche.discount_permille;
            self.effects.push(Effect::Notify(Notice::TrancheOpened {
                carrier,
                tranche: number,
                debt_paid,
                paid,
                discount_permille,
                period,
            }));
        }
        account.tranches.push(tranche).map_err(|_| BAD_STATE)?;
        self.run(carrier)?;
        self.look(carrier)
    }

    fn what_it_buys(&self, frame: &Frame<'_>, carrier: Carrier, payment: Prepayment) -> Result<Purchase, Fault> {
        let account = self.accounts.get(&carrier).ok_or(BAD_STATE)?;
        let now = self.facts.now;
        let option = frame.option(account.epoch_at(now)?.tariff)?;
        let energy = |amount: Money, period, discount_permille| match amount {
            Money::ZERO => Err(Refusal::ZeroAmount.into()),
            amount => Ok(Purchase { amount, period, discount_permille, by_area: false }),
        };
        match (&option.tariff, payment) {
            (Tariff::Metered(_), Prepayment::Amount(amount)) => energy(amount, None, 0),
            (Tariff::MeteredByPeriod(tariff), Prepayment::AmountForPeriod { amount, period }) => {
                // It begins when what is paid is over, whether or not that is used up, which the meter may not have told.
                let from = now.max(account.paid_until);
                let to = frame.head.month_begin(from, period.months()).ok_or(Refusal::Overflow)?;
                energy(amount, Some(Window { from, to }), tariff.discounts.permille(period))
            }
            (Tariff::FloorArea(tariff), Prepayment::Period { period, at_most }) => {
                let window = area::prepaid_period(account, frame, tariff.season, period.months());
                let window = window.map_err(|_| Refusal::Overflow)?.ok_or(Refusal::BuysNothing)?;
                let discount_permille = tariff.discounts.permille(period);
                let price =
                    area::price_half_even(account, option, window, discount_permille, frame.head.offset_minutes);
                let price = price.map_err(|_| Refusal::Overflow)?;
                if price == Money::ZERO {
                    return Err(Refusal::BuysNothing.into());
                }
                let amount = add(price, self.facts.debt).map_err(|_| Refusal::Overflow)?;
                if amount > at_most {
                    return Err(Refusal::AboveAtMost { amount, at_most }.into());
                }
                Ok(Purchase { amount, period: Some(window), discount_permille, by_area: true })
            }
            _ => Err(Refusal::PaymentKind { carrier }.into()),
        }
    }
}

/// A payment buys at least a base unit in the cheapest band.
fn check_buys(tranche: &Tranche, rates: &Rates, discount_permille: u16) -> Result<(), Fault> {
    let bought = times(tranche.paid.0.into(), rates.denominator()).map_err(|_| Refusal::Overflow)?;
    if bought < rates.units(discount_permille).1 { Err(Refusal::BuysNothing.into()) } else { Ok(()) }
}
