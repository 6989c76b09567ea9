//! An agreement's program, run again on what receipts say that it was told.
//!
//! ```text
//! transactions that made the agreement ──> terms, packages
//! receipts since the last statement ──> what the program was told ──> act ──> state, pots, debt, statement
//! ```
//!
//! The same code finds out for a node what a proof must contain ([`Replay::concerns`]) and for a client what it shows.
//!
//! A receipt tells a program, in this order: the segments of meters that are read first, the cause of the receipt (a payment,
//! a due time, a command, a wish to end, an amendment), and whatever else its events say. What the ledger alone can know, how
//! much a party's allowance could give, stands in the statement.

use crate::evidence::{Happened, Place};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use utilidor_program::{Case, Draft, Effect, Event as Told, Facts, State, Step, Sums};
use utilidor_types::action::{Action, AwardedQuote};
use utilidor_types::agreement::{AgreementTerms, Party, Status};
use utilidor_types::event::{Event, MeterSegment, Movement, Purpose, Source};
use utilidor_types::package::{Package, PackageTerms, TariffId, TariffOption};
use utilidor_types::receipt::Cause;
use utilidor_types::{
    AccountId, AgreementId, Bands, ChainId, DueItem, MeterId, Money, Offer, OfferId, PackageId, SealedQuote, Statement,
    Timestamp,
};

/// What is reserved under an agreement, by party and purpose.
pub type Pots = BTreeMap<(Party, Purpose), Money>;

/// An agreement as far as receipts have told of it.
#[derive(Debug, Clone)]
pub struct Replay {
    chain: ChainId,
    agreement: AgreementId,
    last: Option<Place>,
    documents: Documents,
    proposed: Option<AgreementTerms>,
    amendments: Vec<(AgreementTerms, Timestamp)>,
    terms: Option<AgreementTerms>,
    /// The program's state; none before the agreement is active, or before it was taken over from a proof.
    program: Option<Program>,
    issued: Option<Statement>,
}

/// A program's state and what the ledger holds for its agreement.
#[derive(Debug, Clone, Default)]
pub struct Program {
    /// Its state.
    pub state: State,
    /// What is reserved.
    pub pots: Pots,
    /// What the user owes.
    pub debt: Money,
    /// Who wants to end it.
    pub wish: Option<Party>,
    /// What purchases have filled, by binding, and how far the meter was read.
    pub sums: BTreeMap<u8, (Bands, Timestamp)>,
}

/// What agreements refer to.
#[derive(Debug, Clone, Default)]
struct Documents {
    offers: BTreeMap<OfferId, (AccountId, Offer)>,
    quotes: BTreeMap<(OfferId, AccountId), SealedQuote>,
    packages: BTreeMap<(PackageId, u32), (AccountId, Package)>,
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

    fn package(&self, id: PackageId, version: u32) -> Result<&(AccountId, Package), String> {
        let missing = || format!("the publication of package {id} version {version} is missing");
        self.packages.get(&(id, version)).ok_or_else(missing)
    }

    /// The tariff of that id, if its package is at hand.
    fn tariff(&self, id: TariffId) -> Option<&TariffOption> {
        self.packages.get(&(id.package, id.version))?.1.options_of(id.carrier).nth(id.option.into())
    }
}

impl Replay {
    /// An agreement of which nothing is known yet.
    pub fn new(chain: ChainId, agreement: AgreementId) -> Self {
        Self {
            chain,
            agreement,
            last: None,
            documents: Documents::default(),
            proposed: None,
            amendments: Vec::new(),
            terms: None,
            program: None,
            issued: None,
        }
    }

    /// The terms in force.
    pub fn terms(&self) -> Option<&AgreementTerms> {
        self.terms.as_ref()
    }

    /// The program's state, once it is active.
    pub fn program(&self) -> Option<&Program> {
        self.program.as_ref()
    }

    /// Goes on from a state that was proven otherwise.
    pub fn take_over(&mut self, program: Program) {
        self.program = Some(program);
    }

    /// The last statement that the program has issued.
    pub fn issued(&self) -> Option<&Statement> {
        self.issued.as_ref()
    }

    /// Whether a transaction's content is part of what makes or changes the agreement; a receipt alone tells the rest.
    pub fn needs_transaction(&self, action: &Action) -> bool {
        match action {
            Action::PublishOffers { .. } | Action::SubmitQuotes { .. } | Action::PublishPackage(_) => true,
            Action::Award { .. } | Action::ProposeAgreement { .. } | Action::Subscribe { .. } => true,
            Action::SignAgreement { agreement, .. }
            | Action::ProposeAmendment { agreement, .. }
            | Action::SignAmendment { agreement, .. }
            | Action::Terminate { agreement }
            | Action::WithdrawTermination { agreement }
            | Action::Command { agreement, .. }
            | Action::Prepay { subscription: agreement, .. } => *agreement == self.agreement,
            _ => false,
        }
    }

    /// Takes a receipt, with its transaction where [`Self::needs_transaction`] says so.
    pub fn take(&mut self, happened: Happened<'_>) -> Result<(), String> {
        if self.last.is_some_and(|last| last >= happened.place) {
            return Err("receipts stand in the order of their execution".into());
        }
        self.last = Some(happened.place);
        let mut told = None;
        if let Some(signed) = happened.transaction {
            let by = signed.transaction.account();
            told = self.take_action(by, &signed.transaction.action, happened)?;
        }
        if happened.receipt.events().contains(&self.status(Status::Active)) && self.terms.is_none() {
            self.terms = Some(self.proposed.take().ok_or("it concludes what nobody proposed")?);
            told = Some(Told::Signed);
        }
        if happened.receipt.cause == (Cause::Due { item: DueItem::Agreement(self.agreement), at: happened.due_at() }) {
            told = Some(Told::Due);
        }
        self.tell(told, happened)
    }

    /// Takes a receipt for what it says about the agreement's terms alone: the program's state comes from elsewhere.
    pub fn take_making(&mut self, happened: Happened<'_>) -> Result<(), String> {
        self.program = None;
        self.take(happened)?;
        self.program = None;
        self.issued = None;
        Ok(())
    }

    fn status(&self, status: Status) -> Event {
        Event::AgreementStatus { agreement: self.agreement, status }
    }

    // ---- what transactions say ----

    fn take_action(
        &mut self,
        by: AccountId,
        action: &Action,
        happened: Happened<'_>,
    ) -> Result<Option<Told>, String> {
        match action {
            Action::PublishOffers { offers } => {
                self.documents.offers.extend(offers.iter().map(|offer| (offer.id(by), (by, offer.clone()))));
            }
            Action::SubmitQuotes { quotes } => {
                self.documents.quotes.extend(quotes.iter().map(|quote| ((quote.offer, by), quote.clone())));
            }
            Action::PublishPackage(package) => {
                let id = (package.id(by), package.version);
                self.documents.packages.insert(id, (by, package.clone()));
            }
            Action::Award { awards } => {
                let ours = |award: &&AwardedQuote| AgreementId::of(by, award.label) == self.agreement;
                let award = awards.iter().find(ours).ok_or("it awards another agreement")?;
                let terms = self.awarded(by, award)?;
                self.propose(terms, happened)?;
            }
            Action::ProposeAgreement { label, terms, .. } => {
                self.need_ours(AgreementId::of(by, *label))?;
                terms.party_of(by).ok_or("another account than a party signed it")?;
                self.propose(terms.clone(), happened)?;
            }
            Action::Subscribe { label, terms } => {
                self.need_ours(AgreementId::of(by, *label))?;
                let (owner, _) = self.documents.package(terms.package, terms.version)?;
                let program = utilidor_types::Program::Subscription(terms.clone());
                self.propose(AgreementTerms::between(*owner, by, program), happened)?;
            }
            Action::SignAgreement { agreement, terms } => {
                self.need_ours(*agreement)?;
                let proposed = self.proposed.as_ref().ok_or("the proposal is missing")?;
                proposed.party_of(by).ok_or("another account than a party signed it")?;
                if *terms != proposed.digest() {
                    return Err("it signs other terms".into());
                }
            }
            Action::ProposeAmendment { agreement, program, from } => {
                self.need_ours(*agreement)?;
                let present = self.terms.as_ref().ok_or("there is no agreement to amend")?;
                present.party_of(by).ok_or("another account than a party signed it")?;
                self.amendments.push((AgreementTerms { program: program.clone(), ..present.clone() }, *from));
            }
            Action::SignAmendment { agreement, terms } => {
                self.need_ours(*agreement)?;
                return self.amended(by, terms, happened).map(Some);
            }
            Action::Prepay { subscription, carrier, payment } => {
                self.need_ours(*subscription)?;
                self.need_party(by, Party::USER)?;
                return Ok(Some(Told::Prepaid { carrier: *carrier, payment: *payment }));
            }
            Action::Terminate { agreement } => {
                self.need_ours(*agreement)?;
                let by = self.terms.as_ref().and_then(|terms| terms.party_of(by));
                let wish = self.program.as_ref().and_then(|program| program.wish);
                return Ok(Some(Told::Ending { by, agreed: wish.is_some_and(|wish| Some(wish) != by) }));
            }
            Action::WithdrawTermination { agreement } => {
                self.need_ours(*agreement)?;
                let by = self.terms.as_ref().and_then(|terms| terms.party_of(by));
                return Ok(Some(Told::EndingWithdrawn { by: by.ok_or("another account than a party signed it")? }));
            }
            Action::Command { agreement, command } => {
                self.need_ours(*agreement)?;
                let by = self.terms.as_ref().and_then(|terms| terms.party_of(by));
                let by = by.ok_or("another account than a party signed it")?;
                return Ok(Some(Told::Command { by, bytes: command.clone() }));
            }
            _ => return Err("it is no part of this bill's agreement".into()),
        }
        Ok(None)
    }

    fn need_ours(&self, agreement: AgreementId) -> Result<(), String> {
        if agreement == self.agreement { Ok(()) } else { Err("it is about another agreement".into()) }
    }

    fn need_party(&self, by: AccountId, party: Party) -> Result<(), String> {
        let account = self.terms.as_ref().and_then(|terms| terms.account(party));
        if account == Some(by) { Ok(()) } else { Err(format!("another account than the {party} signed it")) }
    }

    fn awarded(&self, by: AccountId, award: &AwardedQuote) -> Result<AgreementTerms, String> {
        let (owner, offer) = self.documents.offers.get(&award.offer).ok_or("the offer's publication is missing")?;
        let quote = self.documents.quotes.get(&(award.offer, award.bidder)).ok_or("the quote is missing")?;
        if award.opening.commitment(self.chain, award.offer, award.bidder) != quote.commitment {
            return Err("the opening does not match the quote's commitment".into());
        }
        if by != *owner {
            return Err("another account than the offer's owner signed it".into());
        }
        Ok(offer.agreement_terms(by, award.bidder, &award.opening))
    }

    /// Takes proposed terms if they are those that the receipt names.
    fn propose(&mut self, terms: AgreementTerms, happened: Happened<'_>) -> Result<(), String> {
        let named = happened.receipt.events().iter().find_map(|event| match event {
            Event::AgreementProposed { agreement, terms, .. } if *agreement == self.agreement => Some(*terms),
            _ => None,
        });
        if named != Some(terms.digest()) {
            return Err("the terms are not those that the receipt names".into());
        }
        self.proposed = Some(terms);
        Ok(())
    }

    fn amended(
        &mut self,
        by: AccountId,
        signed: &utilidor_types::Digest,
        happened: Happened<'_>,
    ) -> Result<Told, String> {
        let place = self.amendments.iter().rposition(|(terms, from)| terms.amendment_digest(*from) == *signed);
        let (terms, from) = self.amendments.swap_remove(place.ok_or("the amendment's proposal is missing")?);
        terms.party_of(by).ok_or("another account than a party signed it")?;
        let digest = terms.digest();
        let in_force = |event: &Event| {
            matches!(event, Event::AgreementAmended { agreement, terms }
                if *agreement == self.agreement && *terms == digest)
        };
        if !happened.receipt.events().iter().any(in_force) {
            return Err("the amended terms are not those that the receipt puts in force".into());
        }
        let before = self.terms.replace(terms).ok_or("there is no agreement to amend")?;
        Ok(Told::Amended { before: Box::new(before), from: from.max(happened.time) })
    }

    // ---- what the program is told ----

    /// Tells the program what a receipt says, in the order in which the ledger did.
    fn tell(&mut self, cause: Option<Told>, happened: Happened<'_>) -> Result<(), String> {
        if matches!(cause, Some(Told::Signed)) && self.program.is_none() {
            self.program = Some(Program::default());
        }
        let (Some(program), Some(terms)) = (self.program.take(), self.terms.as_ref()) else { return Ok(()) };
        let failed = happened.receipt.events().iter().any(
            |event| matches!(event, Event::ProgramFailed { agreement, .. } if *agreement == self.agreement),
        );
        let mut run = Run {
            agreement: self.agreement,
            documents: &self.documents,
            terms,
            now: happened.time,
            statement: self.statement_in(happened),
            program,
            drafts: Vec::new(),
        };
        let mut events = happened.receipt.events().iter().peekable();
        if let Some(cause) = cause.filter(|_| !failed) {
            let read: BTreeSet<MeterId> = run.reads_first(&cause)?;
            while let Some(event) = events.peek() {
                let first = matches!(event, Event::Segment(segment)
                    if read.contains(&segment.meter) && !segment.interval.is_empty());
                if !first && self.concerns_program(event) {
                    break;
                }
                run.tell_event(event)?;
                events.next();
            }
            run.tell(&cause)?;
        }
        events.try_for_each(|event| run.tell_event(event))?;
        let (program, drafts) = (run.program, run.drafts);
        self.check_statement(happened, &program, drafts)?;
        self.program = Some(program);
        Ok(())
    }

    fn concerns_program(&self, event: &Event) -> bool {
        match event {
            Event::Segment(segment) => segment.supply.is_some_and(|(agreement, _)| agreement == self.agreement),
            Event::Returned { agreement, .. }
            | Event::LevelReached { agreement, .. }
            | Event::Adjusted { agreement, .. } => *agreement == self.agreement,
            _ => false,
        }
    }

    /// Whether a receipt says anything that the agreement's program was told, or that changes what it knows.
    pub fn concerns(&self, receipt: &utilidor_types::Receipt) -> bool {
        let due = matches!(receipt.cause, Cause::Due { item: DueItem::Agreement(agreement), .. } if agreement == self.agreement);
        due || receipt.events().iter().any(|event| match event {
            Event::Segment(segment) => {
                self.concerns_program(event) || segment.fills.iter().any(|fill| fill.agreement == self.agreement)
            }
            Event::Debt { agreement, .. } | Event::StatementIssued(Statement { agreement, .. }) => {
                *agreement == self.agreement
            }
            event => self.concerns_program(event),
        })
    }

    fn statement_in<'h>(&self, happened: Happened<'h>) -> Option<&'h Statement> {
        happened.receipt.events().iter().find_map(|event| match event {
            Event::StatementIssued(statement) if statement.agreement == self.agreement => Some(statement),
            _ => None,
        })
    }

    /// Whether what the program issues is what the receipt says.
    fn check_statement(
        &mut self,
        happened: Happened<'_>,
        program: &Program,
        drafts: Vec<Draft>,
    ) -> Result<(), String> {
        let (draft, statement) = match (&drafts[..], self.statement_in(happened)) {
            ([], None) => return Ok(()),
            ([draft], Some(statement)) => (draft, statement),
            (drafts, found) => {
                let (drafts, found) = (drafts.len(), usize::from(found.is_some()));
                return Err(format!("its program issues {drafts} statements here, the receipt has {found}"));
            }
        };
        compare(draft, statement)?;
        if statement.debt != program.debt {
            return Err(format!("{} are owed after it, the statement says {}", program.debt, statement.debt));
        }
        let digest = program.state.digest();
        if statement.state_after != digest {
            return Err(format!("the program's state is {digest} after it, the statement says {}", statement.state_after));
        }
        self.issued = Some(statement.clone());
        Ok(())
    }

    /// The calendar by which a supply's meter is cut into bands at this point.
    pub fn calendar(&self, meter: MeterId) -> Option<(&utilidor_types::package::Calendar, i16)> {
        let utilidor_types::Program::Subscription(terms) = &self.terms.as_ref()?.program else { return None };
        let service = terms.services.iter().find(|service| service.meter == Some(meter))?;
        let (package, version, carrier, option) = (terms.package, terms.version, service.carrier, service.option);
        let tariff = self.documents.tariff(TariffId { package, version, carrier, option })?;
        let (_, document) = self.documents.packages.get(&(package, version))?;
        Some((tariff.tariff.calendar()?, document.terms.offset_minutes))
    }
}

/// Compares what the program issues with what the ledger says, line by line.
fn compare(draft: &Draft, statement: &Statement) -> Result<(), String> {
    for (number, found) in statement.lines.iter().enumerate() {
        match draft.lines.get(number) {
            Some(expected) if expected == found => {}
            Some(expected) => {
                return Err(format!("line {}: it says {found:?}, what was agreed and measured leads to {expected:?}", number + 1));
            }
            None => return Err(format!("line {}: nothing leads to {found:?}", number + 1)),
        }
    }
    if let Some(missing) = draft.lines.get(statement.lines.len()) {
        return Err(format!("a line is missing: {missing:?}"));
    }
    let Draft { closing, period, substituted, paid, unpaid, .. } = draft;
    let expected = (*closing, *period, *substituted, *paid, *unpaid);
    let found = (statement.closing, statement.period, statement.substituted, statement.paid, statement.unpaid);
    if expected != found {
        return Err(format!("closing, period, substitution and payment are {found:?}, they should be {expected:?}"));
    }
    Ok(())
}

impl Happened<'_> {
    /// When a due item was due; for others the block's time, which no due cause has to equal.
    fn due_at(&self) -> Timestamp {
        match self.receipt.cause {
            Cause::Due { at, .. } => at,
            _ => self.time,
        }
    }
}

/// The runs of a program that one receipt stands for.
struct Run<'a> {
    agreement: AgreementId,
    documents: &'a Documents,
    terms: &'a AgreementTerms,
    now: Timestamp,
    statement: Option<&'a Statement>,
    program: Program,
    drafts: Vec<Draft>,
}

impl Run<'_> {
    fn reads_first(&self, event: &Told) -> Result<BTreeSet<MeterId>, String> {
        let wants = utilidor_program::wants(&self.terms.program, event, &self.program.state);
        let wants = wants.map_err(|fault| fault.to_string())?;
        Ok(wants.read.into_iter().map(|(_, meter)| meter).collect())
    }

    fn tell_event(&mut self, event: &Event) -> Result<(), String> {
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

    fn tell(&mut self, event: &Told) -> Result<(), String> {
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
                Effect::Issue(draft) => self.drafts.push(draft),
                _ => {}
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
