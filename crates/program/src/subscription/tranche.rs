//! A prepaid tranche: money that buys at one price. It waits until its meter has passed the time of payment; then what was
//! used before is paid out of it, and the rest is drawn, oldest tranche first.

use super::head::TariffRef;
use super::rate::Rates;
use crate::contract::Fault;
use crate::exact::{money_half_even, share_floor, times};
use borsh::{BorshDeserialize, BorshSerialize};
use utilidor_types::{Bands, Money, Timestamp, Window};

/// A prepaid tranche of a service.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Tranche {
    /// Numbered from 1 for each service.
    pub number: u32,
    /// What was paid; once it is open, what was left for it.
    pub paid: Money,
    /// The tariff at whose prices it buys, whatever replaces it later.
    pub tariff: TariffRef,
    /// The discount.
    pub discount_permille: u16,
    /// What it is for, if its tariff has periods.
    pub period: Option<Window>,
    /// Where it stands.
    pub stage: Stage,
}

/// Where a tranche stands.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) enum Stage {
    /// It waits for the meter to pass the time of payment.
    Waits {
        /// The time of payment.
        at: Timestamp,
        /// What went to earlier statements' debt when it was paid.
        debt_paid: Money,
    },
    /// Open for energy.
    Energy {
        /// What has been drawn, by band.
        #[borsh(serialize_with = "super::sparse::write", deserialize_with = "super::sparse::read")]
        drawn: Bands,
        /// What has been charged, tax included.
        charged: Money,
    },
    /// Open for floor area.
    Area {
        /// What the days so far cost, tax included, over [`super::area::Days::denominator`].
        cost: u128,
        /// What has been charged, tax included.
        charged: Money,
    },
}

/// What a draw took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Drawn {
    /// How much.
    pub bands: Bands,
    /// For how much, tax included.
    pub gross: Money,
}

impl Tranche {
    /// When it was paid, while it waits for the meter to pass that time.
    pub fn waits_for(&self) -> Option<Timestamp> {
        match self.stage {
            Stage::Waits { at, .. } => Some(at),
            _ => None,
        }
    }

    /// Whether it covers energy that flows from `at` on until the next boundary.
    pub fn covers(&self, at: Timestamp) -> bool {
        matches!(self.stage, Stage::Energy { .. })
            && self.period.is_none_or(|period| period.from <= at && at < period.to)
    }

    /// Whether its period is over.
    pub fn is_over(&self, at: Timestamp) -> bool {
        self.period.is_some_and(|period| period.to <= at)
    }

    /// What of its money has not been charged.
    pub fn left(&self) -> Money {
        match self.stage {
            Stage::Waits { .. } => self.paid,
            Stage::Energy { charged, .. } | Stage::Area { charged, .. } => self.paid.saturating_sub(charged),
        }
    }

    /// What can still be drawn, over the rates' denominator.
    pub fn room(&self, rates: &Rates) -> Result<u128, Fault> {
        let Stage::Energy { drawn, charged } = &self.stage else { return Ok(0) };
        if *charged == self.paid {
            return Ok(0);
        }
        let bought = times(self.paid.0.into(), rates.denominator())?;
        Ok(bought.saturating_sub(rates.gross(self.discount_permille, drawn)?))
    }

    /// Whether it can buy a base unit more.
    pub fn buys(&self, rates: &Rates) -> Result<bool, Fault> {
        Ok(self.room(rates)? >= rates.units(self.discount_permille).1)
    }

    /// Draws what it can of `wanted`. Where it does not reach, it gives of each band the same share, rounded down; it is then
    /// used up, and has cost exactly what was paid for it.
    pub fn draw(&mut self, rates: &Rates, wanted: &Bands) -> Result<Drawn, Fault> {
        let nothing = Drawn { bands: Bands::ZERO, gross: Money::ZERO };
        let (room, cost) = (self.room(rates)?, rates.gross(self.discount_permille, wanted)?);
        if wanted.is_zero() || !self.buys(rates)? {
            return Ok(nothing);
        }
        let (paid, discount, denominator) = (self.paid, self.discount_permille, rates.denominator());
        let Stage::Energy { drawn, charged } = &mut self.stage else { return Ok(nothing) };
        let mut bands = *wanted;
        for quantity in &mut bands.0 {
            quantity.0 = share_floor(quantity.0, room, cost);
        }
        let now = drawn.checked_add(&bands).ok_or(crate::contract::OVERFLOW)?;
        let cost_now = rates.gross(discount, &now)?;
        let room_left = times(paid.0.into(), denominator)?.saturating_sub(cost_now);
        let used_up = cost > room || room_left < rates.units(discount).1;
        let charged_now = if used_up { paid } else { money_half_even(cost_now, denominator)?.min(paid).max(*charged) };
        let gross = charged_now.saturating_sub(*charged);
        (*drawn, *charged) = (now, charged_now);
        Ok(Drawn { bands, gross })
    }

    /// What the drawn energy would have cost without the discount.
    pub fn undiscounted(&self, rates: &Rates) -> Result<Money, Fault> {
        match &self.stage {
            Stage::Energy { drawn, .. } => rates.gross_half_even(0, drawn),
            Stage::Waits { .. } | Stage::Area { .. } => Ok(Money::ZERO),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use utilidor_types::{Price, Quantity};

    const KWH: u64 = 3_600_000;

    fn rates() -> Rates {
        let factors_permille = [1_000, 1_800, 1_500, 400, 200];
        Rates { price: Price::micro_per_kwh(800_000), factors_permille, levy: Money::ZERO, vat_permille: 0 }
    }

    fn tranche(paid: Money, discount_permille: u16) -> Tranche {
        let tariff = TariffRef { version: 0, option: 0 };
        let stage = Stage::Energy { drawn: Bands::ZERO, charged: Money::ZERO };
        Tranche { number: 1, paid, tariff, discount_permille, period: None, stage }
    }

    fn bands(flat: u64, valley: u64) -> Bands {
        Bands([Quantity(flat), Quantity(0), Quantity(0), Quantity(valley), Quantity(0)])
    }

    #[test]
    fn a_tranche_that_does_not_reach_gives_every_band_the_same_share() {
        let mut tranche = tranche(Money(12_000_000), 0);
        // 20 kWh by day and 50 at night come to 32.00: three eighths of both.
        let drawn = tranche.draw(&rates(), &bands(20 * KWH, 50 * KWH)).unwrap();
        assert_eq!(drawn, Drawn { bands: bands(20 * KWH * 3 / 8, 50 * KWH * 3 / 8), gross: Money(12_000_000) });
        assert!(!tranche.buys(&rates()).unwrap());
        assert_eq!(tranche.left(), Money::ZERO);
    }

    #[test]
    fn what_is_bought_to_the_last_unit_is_used_up() {
        let mut tranche = tranche(Money(8_000_000), 0);
        assert_eq!(tranche.draw(&rates(), &bands(10 * KWH, 0)).unwrap().gross, Money(8_000_000));
        assert_eq!(tranche.draw(&rates(), &bands(1, 0)).unwrap().bands, Bands::ZERO);
    }

    proptest! {
        #[test]
        fn a_tranche_never_costs_more_than_was_paid_and_gives_no_more_than_it_buys(
            paid in 1u64..1 << 50, discount in 0u16..1_000, draws in proptest::collection::vec(any::<[u32; 5]>(), 1..8),
        ) {
            let (rates, mut tranche) = (rates(), tranche(Money(paid), discount));
            let mut charged = 0;
            for wanted in draws {
                let wanted = Bands(wanted.map(|quantity| Quantity(u64::from(quantity) << 12)));
                let drawn = tranche.draw(&rates, &wanted).unwrap();
                prop_assert!(wanted.checked_sub(&drawn.bands).is_some());
                charged += drawn.gross.0;
                prop_assert!(charged <= paid);
                if drawn.bands != wanted {
                    prop_assert_eq!(charged, paid, "used up");
                }
            }
            let Stage::Energy { drawn, .. } = tranche.stage else { unreachable!() };
            prop_assert!(rates.gross(discount, &drawn).unwrap() <= u128::from(paid) * rates.denominator());
        }
    }
}
