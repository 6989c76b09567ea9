//! Usage that is charged and waits for its statement, and the prices that closed stretches ended with.

use super::head::TariffRef;
use borsh::{BorshDeserialize, BorshSerialize};
use utilidor_types::{Bands, Money, Timestamp, Window};

/// Most groups of usage that wait for a statement.
pub(super) const MAX_GROUPS: usize = 26;
/// Most prices of closed stretches that a service remembers.
pub(super) const MAX_HISTORY: usize = 14;

/// A price at which energy is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Priced {
    /// The tranche; 0: none.
    pub tranche: u32,
    /// The tariff.
    pub tariff: TariffRef,
    /// The discount.
    pub discount_permille: u16,
}

/// Who pays for a group, and what of that is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) enum Pays {
    /// Prepaid money; so much of it, tax included.
    Prepaid(Money),
    /// The user, at the statement, save what a prepayment has covered already, tax included.
    Owed(Money),
    /// Nobody: a floor-area service's meter is shown, not charged.
    Shown,
    /// The owner: a correction gives it back. What of its net amount is still to be given, once that is known.
    Credit(Option<Money>),
}

impl Pays {
    /// The money that is settled already.
    pub fn money(self) -> Money {
        match self {
            Self::Prepaid(money) | Self::Owed(money) | Self::Credit(Some(money)) => money,
            Self::Shown | Self::Credit(None) => Money::ZERO,
        }
    }
}

/// Usage of one period at one price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Group {
    /// When it flowed.
    pub period: Window,
    /// The price.
    pub priced: Priced,
    /// How much.
    #[borsh(serialize_with = "super::sparse::write", deserialize_with = "super::sparse::read")]
    pub bands: Bands,
    /// Who pays.
    pub pays: Pays,
}

impl Group {
    /// Whether more of the same can be added to it: nothing of it is settled beyond what adds up.
    fn takes(&self, other: &Self) -> bool {
        let alike = match (self.pays, other.pays) {
            (Pays::Prepaid(_), Pays::Prepaid(_)) | (Pays::Shown, Pays::Shown) => true,
            (Pays::Owed(_), Pays::Owed(covered)) => covered == Money::ZERO,
            (Pays::Credit(left), Pays::Credit(other)) => left.is_none() && other.is_none(),
            _ => false,
        };
        alike && self.period == other.period
    }

    /// Takes `other` in if it is of the same period and kind; `false` if it is not, or if a sum leaves its range.
    pub fn merge(&mut self, other: &Self) -> bool {
        let Some(bands) = self.bands.checked_add(&other.bands).filter(|_| self.takes(other)) else { return false };
        if let (Pays::Prepaid(one), Pays::Prepaid(two)) = (self.pays, other.pays) {
            let Some(sum) = one.checked_add(two) else { return false };
            self.pays = Pays::Prepaid(sum);
        }
        self.bands = bands;
        true
    }
}

/// The price that closed stretches ended with: what comes late for them is charged at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Ended {
    /// Where the stretches end.
    pub until: Timestamp,
    /// The price.
    pub priced: Priced,
}
