//! A statement in the making: its lines, its taxes, and where the money comes from.

use super::rate::net_half_even;
use crate::contract::{Effect, Fault, OVERFLOW};
use crate::exact::{add, money_half_even};
use std::collections::BTreeMap;
use utilidor_types::event::{Movement, Purpose, Source};
use utilidor_types::statement::StatementLine;
use utilidor_types::{Money, Party};

const PREPAYMENT: Source = Source::Pot(Purpose::Prepayment);

/// What a rate of value-added tax is on, net.
#[derive(Debug, Clone, Copy, Default)]
struct Taxed {
    /// Prepaid, and the tax in it.
    prepaid: (Money, Money),
    /// Owed.
    owed: Money,
    /// Given back of that.
    credit: Money,
    /// Given back beyond that, of what is due at other rates or owed already.
    beyond: Money,
}

impl Taxed {
    /// What is charged less what is given back of it, and the tax on that.
    fn due(&self, permille: u16) -> Result<(Money, Money), Fault> {
        let base = add(self.prepaid.0, self.owed)?.saturating_sub(self.credit);
        let more = tax_half_even(self.owed.saturating_sub(self.credit), permille)?;
        let less = tax_half_even(self.credit.saturating_sub(self.owed), permille)?;
        Ok((base, add(self.prepaid.1, more)?.saturating_sub(less)))
    }
}

fn tax_half_even(net: Money, permille: u16) -> Result<Money, Fault> {
    money_half_even(u128::from(net.0) * u128::from(permille), 1_000)
}

/// A statement in the making.
#[derive(Debug, Default)]
pub(super) struct Bill {
    /// Its lines.
    pub lines: Vec<StatementLine>,
    taxed: BTreeMap<u16, Taxed>,
    /// What the pot holds for it.
    pot: Money,
    /// What the pot gives back.
    refunded: Money,
}

/// What a statement comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Totals {
    /// Paid with it.
    pub paid: Money,
    /// Not paid.
    pub unpaid: Money,
    /// Paid of earlier statements' debt.
    pub debt_paid: Money,
    /// Given back of earlier statements' debt.
    pub debt_lowered: Money,
}

impl Bill {
    /// An amount with tax that prepaid money pays; its net part.
    pub fn prepaid(&mut self, vat_permille: u16, gross: Money) -> Result<Money, Fault> {
        let net = net_half_even(gross, vat_permille)?;
        let taxed = self.taxed.entry(vat_permille).or_default();
        taxed.prepaid.0 = add(taxed.prepaid.0, net)?;
        taxed.prepaid.1 = add(taxed.prepaid.1, gross.saturating_sub(net))?;
        self.pot = add(self.pot, gross)?;
        Ok(net)
    }

    /// A net amount that the user owes.
    pub fn owed(&mut self, vat_permille: u16, net: Money) -> Result<(), Fault> {
        let taxed = self.taxed.entry(vat_permille).or_default();
        taxed.owed = add(taxed.owed, net)?;
        Ok(())
    }

    /// What a prepayment has set aside for what is owed.
    pub fn covered(&mut self, money: Money) -> Result<(), Fault> {
        self.pot = add(self.pot, money)?;
        Ok(())
    }

    /// A net amount that goes back for a correction: as far as there is something to lower at its rate. What of it is used.
    pub fn credit(&mut self, vat_permille: u16, net: Money) -> Result<Money, Fault> {
        let taxed = self.taxed.entry(vat_permille).or_default();
        let charged = add(taxed.prepaid.0, taxed.owed)?;
        let used = net.min(charged.saturating_sub(taxed.credit));
        taxed.credit = add(taxed.credit, used)?;
        Ok(used)
    }

    /// The same in a last statement for what is left of it: with its tax it lowers what is due at other rates, and the `debt`
    /// of earlier statements.
    pub fn credit_beyond(&mut self, vat_permille: u16, net: Money, debt: Money) -> Result<Money, Fault> {
        let room = add(self.due()?, debt)?.saturating_sub(self.beyond()?);
        let most = u128::from(room.0) * 1_000 / (1_000 + u128::from(vat_permille));
        let used = Money(u64::try_from(most).map_or(net.0, |most| most.min(net.0)));
        let taxed = self.taxed.entry(vat_permille).or_default();
        taxed.beyond = add(taxed.beyond, used)?;
        Ok(used)
    }

    fn due(&self) -> Result<Money, Fault> {
        self.taxed.iter().try_fold(Money::ZERO, |sum, (permille, taxed)| {
            let (base, tax) = taxed.due(*permille)?;
            add(sum, add(base, tax)?)
        })
    }

    fn beyond(&self) -> Result<Money, Fault> {
        self.taxed.iter().try_fold(Money::ZERO, |sum, (permille, taxed)| {
            add(sum, add(taxed.beyond, tax_half_even(taxed.beyond, *permille)?)?)
        })
    }

    /// What is left of a tranche: `refunded` goes back, `withheld` stays with the owner; the net part of that.
    pub fn refund(&mut self, vat_permille: u16, refunded: Money, withheld: Money) -> Result<Money, Fault> {
        self.refunded = add(self.refunded, refunded)?;
        self.prepaid(vat_permille, withheld)
    }

    /// Whether it says anything.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Adds the taxes.
    fn tax(&mut self) -> Result<(), Fault> {
        for (permille, taxed) in &self.taxed {
            let (base, amount) = taxed.due(*permille)?;
            if *permille > 0 && (base > Money::ZERO || amount > Money::ZERO) {
                self.lines.push(StatementLine::Tax { permille: *permille, base, amount });
            }
        }
        Ok(())
    }

    /// Adds the taxes and says how everything is paid: out of the pot, with what goes back anyway, from the allowance, of
    /// which `available` is left; the rest is owed. What goes back pays so much `debt` of earlier statements first, and what
    /// is given back beyond all that is due lowers it.
    pub fn pay(&mut self, available: Money, debt: Money, effects: &mut Vec<Effect>) -> Result<Totals, Fault> {
        self.tax()?;
        let (due, beyond) = (self.due()?, self.beyond()?);
        let debt_lowered = beyond.saturating_sub(due).min(debt);
        let (due, debt) = (due.saturating_sub(beyond), debt.saturating_sub(debt_lowered));
        let set_aside = due.min(self.pot);
        let spare = add(self.pot.saturating_sub(set_aside), self.refunded)?;
        let owed = due.saturating_sub(set_aside);
        let from_spare = owed.min(spare);
        let owed = owed.saturating_sub(from_spare);
        let allowed = owed.min(available);
        let spare = spare.saturating_sub(from_spare);
        let totals = Totals {
            paid: add(add(set_aside, from_spare)?, allowed)?,
            unpaid: owed.saturating_sub(allowed),
            debt_paid: debt.min(spare),
            debt_lowered,
        };
        let pay = |source| Movement::Pay { from: Party::USER, source, to: Party::OWNER };
        let release = Movement::Release { party: Party::USER, purpose: Purpose::Prepayment };
        if totals.debt_paid > Money::ZERO {
            effects.push(Effect::PayDebt(totals.debt_paid));
        }
        if totals.debt_lowered > Money::ZERO {
            effects.push(Effect::LowerDebt(totals.debt_lowered));
        }
        let moves = [
            (pay(PREPAYMENT), add(set_aside, from_spare)?),
            (pay(Source::Allowance), allowed),
            (release, spare.saturating_sub(totals.debt_paid)),
        ];
        let moves = moves.into_iter().filter(|(_, amount)| *amount > Money::ZERO);
        effects.extend(moves.map(|(movement, amount)| Effect::Move(movement, amount)));
        if totals.unpaid > Money::ZERO {
            effects.push(Effect::Owe(totals.unpaid));
        }
        Ok(totals)
    }
}

/// The most that lines can say; what shows usage without money is left out first.
pub(super) fn bound_lines(lines: &mut Vec<StatementLine>) -> Result<(), Fault> {
    use utilidor_types::statement::MAX_LINES;
    if lines.len() > MAX_LINES {
        lines.retain(|line| !matches!(line, StatementLine::Usage { .. }));
    }
    if lines.len() > MAX_LINES { Err(OVERFLOW) } else { Ok(()) }
}
