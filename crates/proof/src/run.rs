//! One receipt's worth of a program's runs: what the ledger did with it, done again.
//!
//! It keeps what the ledger keeps for an agreement as far as the program can see it: pots, debt, what purchases have filled.

use crate::replay::Program;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use utilidor_program::backlog;
use utilidor_program::wasm::{self, Module};
use utilidor_program::{Case, Draft, Effect, Event as Told, Facts, Step, Sums};
use utilidor_types::agreement::{AgreementTerms, Party};
use utilidor_types::event::{Event, Filled, MeterSegment, Movement, Purpose, Source};
use utilidor_types::package::{Package, PackageTerms, TariffOption};
use utilidor_types::price_index::IndexRead;
use utilidor_types::program::Publication;
use utilidor_types::{
    AccountId, AgreementId, Bands, Digest, MeterId, Money, Offer, OfferId, PackageId, ProgramId, SealedQuote,
    Statement, Timestamp,
};

/// What agreements refer to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Documents {
    pub offers: BTreeMap<OfferId, (AccountId, Offer)>,
    pub quotes: BTreeMap<(OfferId, AccountId), SealedQuote>,
    pub packages: BTreeMap<(PackageId, u32), (AccountId, Package)>,
    pub programs: BTreeMap<ProgramId, Box<Publication>>,
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
        if let Some(program) = wants.program {
            facts.module = Some(self.module(program)?);
        }
        for (id, version) in &wants.packages {
            let terms: &PackageTerms = &self.package(*id, *version)?.1.terms;
            facts.packages.insert((*id, *version), Arc::new(terms.clone()));
        }
        Ok(())
    }

    /// A program's code, compiled: the code of exactly that id.
    fn module(&self, program: ProgramId) -> Result<Arc<Module>, String> {
        let publication = self.programs.get(&program);
        let publication = publication.ok_or_else(|| format!("the publication of program {program} is missing"))?;
        let Publication { engine, code, .. } = &**publication;
        if !wasm::is_engine(*engine) {
            return Err(format!("program {program} runs on engine {engine}, which this release does not have"));
        }
        wasm::load(*engine, code.digest(), || code.to_vec()).map_err(|error| error.to_string())
    }

    pub fn package(&self, id: PackageId, version: u32) -> Result<&(AccountId, Package), String> {
        let missing = || format!("the publication of package {id} version {version} is missing");
        self.packages.get(&(id, version)).ok_or_else(missing)
    }
}

/// The runs of a program that one receipt stands for.
pub(crate) struct Run<'a> {
    pub agreement: AgreementId,
    pub documents: &'a Documents,
    pub terms: &'a AgreementTerms,
    pub now: Timestamp,
    /// The statements that the receipt has: those of `issued` and what follows.
    pub statements: Vec<&'a Statement>,
    pub program: Program,
    pub issued: Vec<Issued>,
    /// What the receipt says of the runs of a published program, in their order.
    pub ran: VecDeque<Ran<'a>>,
    /// What the receipt says that the program knew of indices, for each time that it asked.
    pub indices: VecDeque<&'a [IndexRead]>,
    /// Who has taken a meter over, by the receipt.
    pub follower: Option<AgreementId>,
    /// Whether the receipt says that the program failed.
    pub failed: bool,
}

/// A statement as its step leaves it.
pub(crate) struct Issued {
    pub draft: Draft,
    /// What is owed after the step.
    pub debt: Money,
    /// Digest of what stands after it.
    pub after: Digest,
}

/// What a receipt says of a run of a published program.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ran<'a> {
    pub fuel: u32,
    pub available: &'a [Money],
    pub sums: &'a [Filled],
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
                self.told(Told::Returned { binding: *binding, segment })
            }
            Event::LevelReached { agreement, binding, bands } if *agreement == self.agreement => {
                self.told(Told::Level { binding: *binding, bands: *bands })
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
                self.told(Told::Corrected { binding: *binding, more, less: *less })
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
        self.told(Told::Segment { binding, segment })
    }

    /// The program is told something, unless it fails or has failed: then it is told later. Which of it is, the receipt says.
    pub fn told(&mut self, event: Told) -> Result<(), String> {
        if !self.terms.program.is_written() {
            return self.tell(&event, None);
        }
        if self.program.failures > 0 {
            self.wait(event);
            return Ok(());
        }
        self.attempt(event)
    }

    fn wait(&mut self, event: Told) {
        backlog::wait(&mut self.program.waiting, event);
    }

    /// The program is told something that it either does, or fails at.
    pub fn attempt(&mut self, event: Told) -> Result<(), String> {
        match self.ran.pop_front() {
            Some(ran) => self.tell(&event, Some(ran)),
            None if self.failed => {
                self.program.failures = self.program.failures.saturating_add(1);
                if event != Told::Due {
                    self.wait(event);
                }
                Ok(())
            }
            // It was called only to be told what it had missed.
            None if event == Told::Due => Ok(()),
            None => Err("the receipt does not say that the program ran".into()),
        }
    }

    /// The program is told what waits for it. What comes after another failure goes on waiting.
    pub fn tell_waiting(&mut self) -> Result<(), String> {
        let failures = std::mem::take(&mut self.program.failures);
        for event in std::mem::take(&mut self.program.waiting).into_vec() {
            self.told(event)?;
        }
        if self.program.failures > 0 {
            self.program.failures = failures.saturating_add(1);
        }
        Ok(())
    }

    fn tell(&mut self, event: &Told, ran: Option<Ran<'_>>) -> Result<(), String> {
        let wants = utilidor_program::wants(&self.terms.program, event, &self.program.state);
        let wants = wants.map_err(|fault| fault.to_string())?;
        // What a step finds stands in the statement that it issues.
        let available = self.statements.get(self.issued.len()).map_or(Money::ZERO, |statement| statement.available);
        let pots = self.program.pots.iter().filter(|(_, pot)| **pot > Money::ZERO);
        let mut facts = Facts {
            now: self.now,
            available: vec![Money::ZERO, available],
            debt: self.program.debt,
            pots: pots.map(|((party, purpose), pot)| (*party, *purpose, *pot)).collect(),
            sums: wants.sums.iter().map(|(binding, _)| self.sums(*binding)).collect(),
            follower: self.follower.filter(|_| !wants.follows.is_empty()),
            ..Facts::default()
        };
        if let Some(ran) = ran {
            self.check_sums(ran.sums)?;
            facts.available = ran.available.to_vec();
            let sums = ran.sums.iter();
            facts.sums = sums.map(|sum| Sums { binding: sum.binding, bands: sum.bands, until: sum.until }).collect();
        }
        self.documents.supply(&wants, &mut facts)?;
        if !wants.indices.is_empty() {
            let read = self.indices.pop_front().ok_or("the receipt does not say what the program knew of indices")?;
            let asked = read.iter().map(|read| (read.index, read.period));
            if !asked.eq(wants.indices.iter().map(|(index, _, period)| (*index, *period))) {
                return Err("the receipt tells of other indices than the program asks for".into());
            }
            facts.indices = read.to_vec();
        }
        let case = Case { agreement: self.agreement, terms: self.terms, state: &self.program.state, facts: &facts };
        let step = utilidor_program::act(event, case).map_err(|fault| fault.to_string())?;
        if let Some(ran) = ran.filter(|ran| u64::from(ran.fuel) != step.fuel) {
            return Err(format!("the program used {} of fuel, the receipt says {}", step.fuel, ran.fuel));
        }
        self.carry_out(step)
    }

    /// What a receipt says that meters had filled is no less than what segments say.
    fn check_sums(&self, sums: &[Filled]) -> Result<(), String> {
        for (binding, (filled, _)) in &self.program.sums {
            let less = |sum: &Filled| sum.binding == *binding && sum.bands.checked_sub(filled).is_none();
            if sums.iter().any(less) {
                return Err(format!("meter {binding} has filled more than the receipt says"));
            }
        }
        Ok(())
    }

    fn sums(&self, binding: u8) -> Sums {
        let (bands, until) = self.program.sums.get(&binding).copied().unwrap_or_default();
        Sums { binding, bands, until }
    }

    fn carry_out(&mut self, step: Step) -> Result<(), String> {
        step.apply_to(&mut self.program.state).map_err(|fault| fault.to_string())?;
        let mut drafts = Vec::new();
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
                Effect::LowerDebt(amount) => {
                    let debt = self.program.debt.checked_sub(amount);
                    self.program.debt = debt.ok_or("more is given back than is owed")?;
                }
                Effect::Issue(draft) => drafts.push(draft),
                Effect::Settle { binding, .. } => drop(self.program.sums.remove(&binding)),
                // The rest is between the ledger and its meters and calendar; what follows from it is told.
                Effect::Schedule(_)
                | Effect::Bind(_)
                | Effect::EndBinding { .. }
                | Effect::Resume { .. }
                | Effect::Mark { .. }
                | Effect::Level { .. }
                | Effect::Sell(..)
                | Effect::Unsell(..)
                | Effect::Notify(_)
                | Effect::Finish(_) => {}
            }
        }
        if !drafts.is_empty() {
            let (debt, after) = (self.program.debt, self.program.standing(self.terms).digest());
            self.issued.extend(drafts.into_iter().map(|draft| Issued { draft, debt, after }));
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
