//! Usage that is charged and waits for its statement: what tranches give, what is owed, and how a prepayment covers it. And
//! the prices that closed stretches ended with.

use super::account::Account;
use super::frame::Frame;
use super::head::TariffRef;
use super::tranche::{Stage, Tranche};
use crate::contract::{BAD_STATE, Fault, Notice, OVERFLOW};
use crate::exact::add;
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeSet;
use utilidor_types::{Bands, Bounded, Money, Quantity, Timestamp, Window};

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
            (Pays::Credit(None), Pays::Credit(None)) => true,
            // What is left of credits that statements have shown.
            (Pays::Credit(Some(_)), Pays::Credit(Some(_))) => self.bands.is_zero() && other.bands.is_zero(),
            _ => false,
        };
        alike && self.period == other.period
    }

    /// Takes `other` in if it is of the same period and kind; `false` if it is not, or if a sum leaves its range.
    pub fn merge(&mut self, other: &Self) -> bool {
        let Some(bands) = self.bands.checked_add(&other.bands).filter(|_| self.takes(other)) else { return false };
        match (&mut self.pays, other.pays) {
            (Pays::Prepaid(one), Pays::Prepaid(two)) | (Pays::Credit(Some(one)), Pays::Credit(Some(two))) => {
                let Some(sum) = one.checked_add(two) else { return false };
                *one = sum;
            }
            _ => {}
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

impl Account {
    /// Draws `bands`, which flowed from `at` on, from the tranches that cover them, or from `only` one. What is left is
    /// given back.
    pub(super) fn draw(
        &mut self,
        frame: &Frame<'_>,
        period: Window,
        at: Timestamp,
        bands: Bands,
        only: Option<u32>,
    ) -> Result<Bands, Fault> {
        let (mut rest, mut groups) = (bands, Vec::new());
        for tranche in self.tranches.as_mut_slice() {
            if !tranche.covers(at) || only.is_some_and(|only| only != tranche.number) {
                continue;
            }
            let Some(rates) = frame.rates(tranche.tariff)? else { continue };
            let drawn = tranche.draw(&rates, &rest)?;
            rest = rest.checked_sub(&drawn.bands).ok_or(BAD_STATE)?;
            let (tranche, tariff, discount_permille) = (tranche.number, tranche.tariff, tranche.discount_permille);
            let priced = Priced { tranche, tariff, discount_permille };
            groups.push(Group { period, priced, bands: drawn.bands, pays: Pays::Prepaid(drawn.gross) });
        }
        groups.into_iter().try_for_each(|group| self.group(group))?;
        Ok(rest)
    }

    /// The price at which the next unit would be drawn.
    pub(super) fn open_at(&self, frame: &Frame<'_>, at: Timestamp) -> Result<Option<Priced>, Fault> {
        for tranche in self.tranches.iter().filter(|tranche| tranche.covers(at)) {
            let Some(rates) = frame.rates(tranche.tariff)? else { continue };
            if tranche.buys(&rates)? {
                let (tariff, discount_permille) = (tranche.tariff, tranche.discount_permille);
                return Ok(Some(Priced { tranche: tranche.number, tariff, discount_permille }));
            }
        }
        Ok(None)
    }

    pub(super) fn drop_used_up(&mut self) {
        self.tranches.retain(|tranche| match tranche.stage {
            Stage::Energy { charged, .. } => charged < tranche.paid,
            Stage::Waits { .. } | Stage::Area { .. } => true,
        });
    }

    /// Notes usage that waits for its statement.
    pub fn group(&mut self, group: Group) -> Result<(), Fault> {
        if group.bands.is_zero() && group.pays.money() == Money::ZERO {
            return Ok(());
        }
        let same = |present: &&mut Group| present.priced == group.priced;
        if self.groups.as_mut_slice().iter_mut().filter(same).any(|present| present.merge(&group)) {
            return Ok(());
        }
        if self.groups.len() == MAX_GROUPS {
            self.merge_groups()?;
        }
        self.groups.push(group).map_err(|_| OVERFLOW)
    }

    /// Makes room by putting together what has the same price: tranches first, then periods.
    fn merge_groups(&mut self) -> Result<(), Fault> {
        for periods in [false, true] {
            let mut merged: Vec<Group> = Vec::new();
            for group in &self.groups {
                let fits = |present: &mut Group| {
                    let mut as_present = *group;
                    if periods {
                        as_present.period = present.period;
                    }
                    let (one, other) = (present.priced, group.priced);
                    (one.tariff, one.discount_permille) == (other.tariff, other.discount_permille)
                        && present.merge(&as_present)
                };
                match merged.iter_mut().find_map(|present| fits(present).then_some(present)) {
                    Some(present) => present.priced.tranche = group.priced.tranche.max(present.priced.tranche),
                    None => merged.push(*group),
                }
            }
            self.groups = Bounded::new(merged).map_err(|_| BAD_STATE)?;
            if self.groups.len() < MAX_GROUPS {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Opens what waits for a time that is closed: what was used before is paid first, the remainder sets the discount.
    pub(super) fn open_waiting(&mut self, frame: &mut Frame<'_>) -> Result<(), Fault> {
        let closed = self.closed;
        let due = |tranche: &Tranche| tranche.waits_for().is_some_and(|at| at <= closed);
        while let Some(place) = self.tranches.iter().position(due) {
            let mut tranche = self.tranches[place].clone();
            let Stage::Waits { debt_paid, .. } = tranche.stage else { return Err(BAD_STATE) };
            let paid = self.cover(frame, tranche.paid)?;
            tranche.paid = tranche.paid.saturating_sub(paid);
            tranche.discount_permille = frame.discount(&tranche)?;
            tranche.stage = Stage::Energy { drawn: Bands::ZERO, charged: Money::ZERO };
            frame.notices.push(Notice::TrancheOpened {
                carrier: frame.carrier,
                tranche: tranche.number,
                debt_paid: add(debt_paid, paid)?,
                paid: tranche.paid,
                discount_permille: tranche.discount_permille,
                period: tranche.period,
            });
            self.tranches.as_mut_slice()[place] = tranche;
            self.tranches.retain(|tranche| tranche.paid > Money::ZERO);
        }
        Ok(())
    }

    /// Pays out of `money` what the user owes for usage that has no statement yet, oldest first; how much that is.
    fn cover(&mut self, frame: &Frame<'_>, money: Money) -> Result<Money, Fault> {
        let mut left = money;
        let mut all = true;
        for group in self.groups.as_mut_slice() {
            let Pays::Owed(covered) = group.pays else { continue };
            let Some(rates) = frame.rates(group.priced.tariff)? else { continue };
            let cost = rates.gross_half_even(group.priced.discount_permille, &group.bands)?;
            let owed = cost.saturating_sub(covered);
            let pays = owed.min(left);
            left = left.saturating_sub(pays);
            all &= pays == owed;
            // What is covered as a whole has its price for good, tax included.
            group.pays = if pays == owed { Pays::Prepaid(cost) } else { Pays::Owed(add(covered, pays)?) };
        }
        if all {
            self.uncovered = Quantity::ZERO;
        }
        Ok(money.saturating_sub(left))
    }

    /// What is owed for usage that has no statement yet, and not covered, tax included.
    pub fn owed(&self, frame: &Frame<'_>) -> Result<Money, Fault> {
        let mut owed = Money::ZERO;
        for group in &self.groups {
            let Pays::Owed(covered) = group.pays else { continue };
            let Some(rates) = frame.rates(group.priced.tariff)? else { continue };
            let cost = rates.gross_half_even(group.priced.discount_permille, &group.bands)?;
            owed = add(owed, cost.saturating_sub(covered))?;
        }
        Ok(owed)
    }

    /// How many different prices its usage can come to before the next statement: each needs a place among the groups.
    pub fn prices(&self) -> usize {
        let kind = |pays: Pays| match pays {
            Pays::Prepaid(_) => 0u8,
            Pays::Owed(_) => 1,
            Pays::Shown => 2,
            Pays::Credit(_) => 3,
        };
        let groups = self.groups.iter().map(|of| (of.priced.tariff, of.priced.discount_permille, kind(of.pays)));
        let open = self.tranches.iter().filter(|tranche| tranche.waits_for().is_none());
        let open = open.map(|tranche| (tranche.tariff, tranche.discount_permille, 0));
        let waiting = self.tranches.iter().filter(|tranche| tranche.waits_for().is_some()).count();
        groups.chain(open).collect::<BTreeSet<_>>().len() + waiting
    }
}
