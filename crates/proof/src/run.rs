//! One receipt's worth of a program's runs: what the ledger did with it, done again.
//!
//! It keeps what the ledger keeps for an agreement as far as the program can see it: pots, debt, what purchases have filled.

use crate::replay::Program;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use utilidor_program::{Case, Draft, Effect, Event as Told, Facts, Step, Sums};
use utilidor_types::agreement::{AgreementTerms, Party};
use utilidor_types::event::{Event, MeterSegment, Movement, Purpose, Source};
use utilidor_types::package::{Package, PackageTerms, TariffId, TariffOption};
use utilidor_types::{
    AccountId, AgreementId, Bands, MeterId, Money, Offer, OfferId, PackageId, SealedQuote, Statement, Timestamp,
};

/// What agreements refer to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Documents {
    pub offers: BTreeMap<OfferId, (AccountId, Offer)>,
    pub quotes: BTreeMap<(OfferId, AccountId), SealedQuote>,
    pub packages: BTreeMap<(PackageId, u32), (AccountId, Package)>,
}

impl Documents {
    /// The tariffs and packages that a program wants.
    fn supply(&self, wants: &utilidor_program::Wants, facts: &mut Facts) -> Result<(), String> {
        for id in &wants.tariffs {
            let (_, package) = self.package(id.package, id.version)?;
            let option: &TariffOption = package
                .options_of(id.carrier)
                .nth(id.option.into())
                .ok_or_else(|| format!("the package has no option {} for {}", id.option, id.carrier))?;
            facts.tariffs.insert(*id, Arc::new(option.clone()));
        }
        for (id, version) in &wants.packages {
            let terms: &PackageTerms = &self.package(*id, *version)?.1.terms;
            facts.packages.insert((*id, *version), Arc::new(terms.clone()));
        }
        Ok(())
    }

    pub fn package(&self, id: PackageId, version: u32) -> Result<&(AccountId, Package), String> {
        let missing = || format!("the publication of package {id} version {version} is missing");
        self.packages.get(&(id, version)).ok_or_else(missing)
    }

    /// The tariff of that id, if its package is at hand.
    pub fn tariff(&self, id: TariffId) -> Option<&TariffOption> {
        self.packages.get(&(id.package, id.version))?.1.options_of(id.carrier).nth(id.option.into())
    }
}

/// The runs of a program that one receipt stands for.
pub(crate) struct Run<'a> {
    pub agreement: AgreementId,
    pub documents: &'a Documents,
    pub terms: &'a AgreementTerms,
    pub now: Timestamp,
    pub statement: Option<&'a Statement>,
    pub program: Program,
    pub drafts: Vec<Draft>,
}

impl Run<'_> {
    pub fn reads_first(&self, event: &Told) -> Result<BTreeSet<MeterId>, String> {
        let wants = utilidor_program::wants(&self.terms.program, event, &self.program.state);
        let wants = wants.map_err(|fault| fault.to_string())?;
        Ok(wants.read.into_iter().map(|(_, meter)| meter).collect())
    }

    pub fn tell_event(&mut self, event: &Event) -> Result<(), String> {
        match event {
            Event::Segment(segment) => self.take_segment(segment),
            Event::Returned { agreement, binding, interval, bands } if *agreement == self.agreement => {
                let segment = utilidor_program::Segment {
                    interval: *interval,
                    bands: *bands,
                    peak: (utilidor_types::Quantity::ZERO, 0),
                };
                self.tell(&Told::Returned { binding: *binding, segment })
            }
            Event::LevelReached { agreement, binding, bands } if *agreement == self.agreement => {
                self.tell(&Told::Level { binding: *binding, bands: *bands })
            }
            Event::Adjusted { agreement, binding, interval, more, less } if *agreement == self.agreement => {
                if self.fills(*binding)? {
                    return self.adjust_sum(*binding, more, less);
                }
                let more = utilidor_program::Segment {
                    interval: *interval,
                    bands: *more,
                    peak: (utilidor_types::Quantity::ZERO, 0),
                };
                self.tell(&Told::Corrected { binding: *binding, more, less: *less })
            }
            Event::Debt { agreement, owes, .. } if *agreement == self.agreement => {
                self.program.debt = *owes;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Whether a binding is one whose sum the program asks for: it is not told of corrections, its sum changes.
    fn fills(&self, binding: u8) -> Result<bool, String> {
        let wants = utilidor_program::wants(&self.terms.program, &Told::Due, &self.program.state);
        Ok(wants.map_err(|fault| fault.to_string())?.sums.iter().any(|(number, _)| *number == binding))
    }

    fn adjust_sum(&mut self, binding: u8, more: &Bands, less: &Bands) -> Result<(), String> {
        let (bands, _) = self.program.sums.entry(binding).or_default();
        let adjusted = bands.checked_add(more).and_then(|bands| bands.checked_sub(less));
        *bands = adjusted.ok_or("a correction takes more from a purchase than it has filled")?;
        Ok(())
    }

    fn take_segment(&mut self, segment: &MeterSegment) -> Result<(), String> {
        for fill in segment.fills.iter().filter(|fill| fill.agreement == self.agreement) {
            let (bands, until) = self.program.sums.entry(fill.binding).or_default();
            *bands = bands.checked_add(&fill.bands).ok_or("what was filled leaves its range")?;
            *until = (*until).max(segment.interval.to);
        }
        let Some((_, binding)) = segment.supply.filter(|(agreement, _)| *agreement == self.agreement) else {
            return Ok(());
        };
        let bands = segment.rest().ok_or("a segment's registers go back, or less is left than purchases took")?;
        let segment = utilidor_program::Segment { interval: segment.interval, bands, peak: segment.peak };
        self.tell(&Told::Segment { binding, segment })
    }

    pub fn tell(&mut self, event: &Told) -> Result<(), String> {
        let wants = utilidor_program::wants(&self.terms.program, event, &self.program.state);
        let wants = wants.map_err(|fault| fault.to_string())?;
        let available = self.statement.map_or(Money::ZERO, |statement| statement.available);
        let pots = self.program.pots.iter().filter(|(_, pot)| **pot > Money::ZERO);
        let mut facts = Facts {
            now: self.now,
            available: vec![Money::ZERO, available],
            debt: self.program.debt,
            pots: pots.map(|((party, purpose), pot)| (*party, *purpose, *pot)).collect(),
            sums: wants.sums.iter().map(|(binding, _)| self.sums(*binding)).collect(),
            ..Facts::default()
        };
        self.documents.supply(&wants, &mut facts)?;
        let case = Case { agreement: self.agreement, terms: self.terms, state: &self.program.state, facts: &facts };
        let step = utilidor_program::act(event, case).map_err(|fault| fault.to_string())?;
        match event {
            Told::Ending { by, agreed: false } => self.program.wish = *by,
            Told::EndingWithdrawn { .. } | Told::Amended { .. } => self.program.wish = None,
            _ => {}
        }
        self.carry_out(step)
    }

    fn sums(&self, binding: u8) -> Sums {
        let (bands, until) = self.program.sums.get(&binding).copied().unwrap_or_default();
        Sums { binding, bands, until }
    }

    fn carry_out(&mut self, step: Step) -> Result<(), String> {
        step.apply_to(&mut self.program.state).map_err(|fault| fault.to_string())?;
        for effect in step.effects {
            match effect {
                Effect::Move(movement, amount) => self.move_money(movement, amount)?,
                Effect::Owe(amount) => {
                    let debt = self.program.debt.checked_add(amount);
                    self.program.debt = debt.ok_or("the debt leaves the range of money")?;
                }
                Effect::PayDebt(amount) => {
                    let (from, to, source) = (Party::USER, Party::OWNER, Source::Pot(Purpose::Prepayment));
                    self.move_money(Movement::Pay { from, source, to }, amount)?;
                    let debt = self.program.debt.checked_sub(amount);
                    self.program.debt = debt.ok_or("more is paid than is owed")?;
                }
                Effect::Issue(draft) => self.drafts.push(draft),
                // The rest is between the ledger and its meters and calendar; what follows from it is told.
                Effect::Schedule(_)
                | Effect::Bind(_)
                | Effect::EndBinding { .. }
                | Effect::Settle { .. }
                | Effect::Mark { .. }
                | Effect::Level { .. }
                | Effect::Sell(..)
                | Effect::Unsell(..)
                | Effect::Notify(_)
                | Effect::Finish(_) => {}
            }
        }
        Ok(())
    }

    fn move_money(&mut self, movement: Movement, amount: Money) -> Result<(), String> {
        let (pot, taken) = match movement {
            Movement::Reserve { party, purpose } => ((party, purpose), false),
            Movement::Release { party, purpose }
            | Movement::FallBack { party, purpose, .. }
            | Movement::Pay { from: party, source: Source::Pot(purpose), .. } => ((party, purpose), true),
            Movement::Forfeit { by, .. } => ((by, Purpose::Deposit), true),
            Movement::Pay { source: Source::Debt, .. } => {
                self.program.debt = self.program.debt.checked_sub(amount).ok_or("more is paid than is owed")?;
                return Ok(());
            }
            Movement::Pay { source: Source::Allowance, .. } => return Ok(()),
        };
        let pot = self.program.pots.entry(pot).or_default();
        let moved = if taken { pot.checked_sub(amount) } else { pot.checked_add(amount) };
        *pot = moved.ok_or("a pot would hold less than nothing, or more than money can be")?;
        Ok(())
    }
}
