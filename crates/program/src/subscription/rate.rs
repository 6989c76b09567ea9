//! What a unit costs: the one place where a tariff, a discount and a quantity become money.
//!
//! A unit costs `(price x (1 - discount) x factor + levy) x (1 + VAT)`. All of it is an exact fraction over one denominator;
//! money is rounded once, half to even, by the functions that say so.

use crate::contract::{Fault, OVERFLOW};
use crate::exact::{money_half_even, plus, times};
use utilidor_types::package::{BANDS, TariffOption, TimeOfUse, UnitPrice};
use utilidor_types::{Bands, Money, Price, Quantity, Tariff};

const PERMILLE: u128 = 1_000;

/// The prices of a metered tariff.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rates {
    /// The undiscounted unit price, net.
    pub price: Price,
    /// Factor of each band on it.
    pub factors_permille: [u16; BANDS],
    /// Levies on each unit, net.
    pub levy: Money,
    /// Value-added tax.
    pub vat_permille: u16,
}

impl Rates {
    /// The prices of a tariff; none if it is by floor area.
    pub fn of(option: &TariffOption) -> Option<Self> {
        let (price, factors_permille, levy) = match &option.tariff {
            Tariff::Metered(tariff) => (tariff.price, tariff.time_of_use.factors_permille, tariff.levy),
            Tariff::MeteredByPeriod(tariff) => (tariff.price, TimeOfUse::none().factors_permille, tariff.levy),
            Tariff::FloorArea(_) => return None,
        };
        Some(Self { price, factors_permille, levy, vat_permille: option.vat_permille })
    }

    fn gross_factor(&self) -> u128 {
        PERMILLE + u128::from(self.vat_permille)
    }

    /// What [`Self::gross`] is over. At most 10^18.
    pub fn denominator(&self) -> u128 {
        u128::from(self.price.per.base_units()) * PERMILLE * PERMILLE * PERMILLE
    }

    /// A base unit in a band, at a discount, with levy and tax.
    pub fn unit(&self, discount_permille: u16, band: usize) -> u128 {
        // At most (10^10 x 10^3 x 10^4 + 10^16) x 2,000 by the bounds of a package: below 2^68.
        let discounted = u128::from(self.price.money.0) * PERMILLE.saturating_sub(discount_permille.into());
        let energy = discounted * u128::from(self.factors_permille[band]);
        (energy + u128::from(self.levy.0) * PERMILLE * PERMILLE) * self.gross_factor()
    }

    /// The dearest and the cheapest base unit at a discount.
    pub fn units(&self, discount_permille: u16) -> (u128, u128) {
        let units = (0..BANDS).map(|band| self.unit(discount_permille, band));
        units.fold((0, u128::MAX), |(most, least), unit| (most.max(unit), least.min(unit)))
    }

    /// A quantity at a discount, with levy and tax.
    pub fn gross(&self, discount_permille: u16, bands: &Bands) -> Result<u128, Fault> {
        let part = |band: usize| times(self.unit(discount_permille, band), bands.0[band].0);
        (0..BANDS).try_fold(0, |sum, band| plus(sum, part(band)?))
    }

    /// The same as money.
    pub fn gross_half_even(&self, discount_permille: u16, bands: &Bands) -> Result<Money, Fault> {
        money_half_even(self.gross(discount_permille, bands)?, self.denominator())
    }

    /// A quantity at the undiscounted price without a band, with levy and tax.
    pub fn flat_half_even(&self, quantity: Quantity) -> Result<Money, Fault> {
        let flat = Self { factors_permille: [1_000; BANDS], ..*self };
        money_half_even(times(flat.unit(0, 0), quantity.0)?, self.denominator())
    }

    /// A quantity at a discount, without levy and tax.
    pub fn energy_half_even(&self, discount_permille: u16, bands: &Bands) -> Result<Money, Fault> {
        let bare = Self { levy: Money::ZERO, vat_permille: 0, ..*self };
        bare.gross_half_even(discount_permille, bands)
    }

    /// The levies on a quantity, without tax.
    pub fn levy_half_even(&self, quantity: Quantity) -> Result<Money, Fault> {
        self.levy_price().amount_half_even(quantity).ok_or(OVERFLOW)
    }

    /// The levies as a price.
    pub fn levy_price(&self) -> Price {
        Price { money: self.levy, per: self.price.per }
    }

    /// What a line shows.
    pub fn unit_price(&self, discount_permille: u16) -> UnitPrice {
        UnitPrice { price: self.price, discount_permille }
    }
}

/// The net part of an amount that includes tax, half to even; the rest is the tax.
pub(super) fn net_half_even(gross: Money, vat_permille: u16) -> Result<Money, Fault> {
    money_half_even(u128::from(gross.0) * PERMILLE, PERMILLE + u128::from(vat_permille))
}

/// All bands together.
pub(super) fn total(bands: &Bands) -> Result<Quantity, Fault> {
    bands.total().ok_or(OVERFLOW)
}
