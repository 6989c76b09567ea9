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

use crate::compare::compare;
use crate::evidence::{Happened, Place};
use crate::run::{Documents, Issued, Ran, Run};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use utilidor_program::backlog::Backlog;
use utilidor_program::{Event as Told, Standing, State};
use utilidor_types::action::{Action, AwardedQuote};
use utilidor_types::agreement::{AgreementTerms, Party, Status};
use utilidor_types::event::{Event, Purpose};
use utilidor_types::price_index::IndexRead;
use utilidor_types::receipt::Cause;
use utilidor_types::{AccountId, AgreementId, Bands, ChainId, DueItem, MeterId, Money, Statement, Timestamp};

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
    /// Which terms are in force from when on, by rising time.
    in_force: Vec<(Timestamp, AgreementTerms)>,
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
    /// Who wants to end it: bit `n` is party `n`.
    pub ending: u16,
    /// What purchases have filled, by binding, and how far the meter was read.
    pub sums: BTreeMap<u8, (Bands, Timestamp)>,
    /// How often in a row a published program has failed.
    pub failures: u8,
    /// What it is to be told again.
    pub waiting: Backlog,
}

impl Program {
    /// What it goes on from, as statements name it.
    pub fn standing(&self, terms: &AgreementTerms) -> Standing {
        let (terms, state) = (terms.digest(), self.state.digest());
        Standing { terms, state, pots: self.pots_held(), debt: self.debt, ending: self.ending }
    }

    /// What is reserved; nothing empty.
    pub fn pots_held(&self) -> Pots {
        self.pots.iter().filter(|(_, pot)| **pot > Money::ZERO).map(|(key, pot)| (*key, *pot)).collect()
    }

    /// Whether it goes on from what its last statement says, and from nothing else: nothing waits to be told again, and nothing was
    /// told after the statement.
    pub fn is_at_rest(&self, terms: &AgreementTerms, issued: Option<&Statement>) -> bool {
        let stands = issued.is_none_or(|statement| statement.state_after == self.standing(terms).digest());
        self.failures == 0 && self.waiting.is_empty() && stands
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
            in_force: Vec::new(),
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
            Action::PublishOffers { .. } | Action::SubmitQuotes { .. } => true,
            Action::PublishPackage(_) | Action::PublishProgram(_) => true,
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
            if happened.transaction.is_none() {
                return Err("the transaction that concludes it is missing".into());
            }
            let terms = self.proposed.take().ok_or("it concludes what nobody proposed")?;
            self.in_force = vec![(Timestamp(0), terms.clone())];
            self.terms = Some(terms);
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

    fn take_action(&mut self, by: AccountId, action: &Action, happened: Happened<'_>) -> Result<Option<Told>, String> {
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
            Action::PublishProgram(publication) => {
                self.documents.programs.insert(publication.id(), publication.clone());
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
                return self.amended(by, terms, happened);
            }
            Action::Prepay { subscription, carrier, payment } => {
                self.need_ours(*subscription)?;
                self.need_party(by, Party::USER)?;
                return Ok(Some(Told::Prepaid { carrier: *carrier, payment: *payment }));
            }
            Action::Terminate { agreement } => {
                self.need_ours(*agreement)?;
                let by = self.terms.as_ref().and_then(|terms| terms.party_of(by));
                let Some(program) = &mut self.program else { return Ok(None) };
                let wish = by.map_or(0, Party::bit);
                let agreed = by.is_some() && program.ending & !wish != 0;
                program.ending |= wish;
                // One that fails is not told: its agreement is stalled.
                return Ok((program.failures == 0).then_some(Told::Ending { by, agreed }));
            }
            Action::WithdrawTermination { agreement } => {
                self.need_ours(*agreement)?;
                let by = self.terms.as_ref().and_then(|terms| terms.party_of(by));
                let by = by.ok_or("another account than a party signed it")?;
                let Some(program) = &mut self.program else { return Ok(None) };
                program.ending &= !by.bit();
                return Ok((program.failures == 0).then_some(Told::EndingWithdrawn { by }));
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
    ) -> Result<Option<Told>, String> {
        let place = self.amendments.iter().rposition(|(terms, from)| terms.amendment_digest(*from) == *signed);
        let place = place.ok_or("the amendment's proposal is missing")?;
        let (terms, _) = &self.amendments[place];
        terms.party_of(by).ok_or("another account than a party signed it")?;
        let digest = terms.digest();
        let in_force = |event: &Event| {
            matches!(event, Event::AgreementAmended { agreement, terms }
                if *agreement == self.agreement && *terms == digest)
        };
        if !happened.receipt.events().iter().any(in_force) {
            // Others have to sign it as well.
            let other = |event: &Event| matches!(event, Event::AgreementAmended { agreement, .. } if *agreement == self.agreement);
            if happened.receipt.events().iter().any(other) {
                return Err("the amended terms are not those that the receipt puts in force".into());
            }
            return Ok(None);
        }
        let (terms, from) = self.amendments.swap_remove(place);
        let from = from.max(happened.time);
        self.in_force.retain(|(since, _)| *since < from);
        self.in_force.push((from, terms.clone()));
        let before = self.terms.replace(terms).ok_or("there is no agreement to amend")?;
        if let Some(program) = &mut self.program {
            program.ending = 0;
        }
        Ok(Some(Told::Amended { before: Box::new(before), from }))
    }

    // ---- what the program is told ----

    /// Tells the program what a receipt says, in the order in which the ledger did.
    fn tell(&mut self, cause: Option<Told>, happened: Happened<'_>) -> Result<(), String> {
        if matches!(cause, Some(Told::Signed)) && self.program.is_none() {
            self.program = Some(Program::default());
        }
        let (Some(program), Some(terms)) = (self.program.take(), self.terms.as_ref()) else { return Ok(()) };
        let failed = happened
            .receipt
            .events()
            .iter()
            .any(|event| matches!(event, Event::ProgramFailed { agreement, .. } if *agreement == self.agreement));
        let mut run = Run {
            agreement: self.agreement,
            documents: &self.documents,
            terms,
            now: happened.time,
            statements: self.statements_in(happened).collect(),
            program,
            issued: Vec::new(),
            ran: self.runs_in(happened),
            indices: self.indices_in(happened),
            follower: self.follower_in(happened),
            failed,
        };
        let mut events = happened.receipt.events().iter().peekable();
        let published = terms.program.is_written();
        let is_due = cause == Some(Told::Due);
        if published && is_due && run.program.failures > 0 {
            run.tell_waiting()?;
        }
        // A published program that fails at its time has been told what came before; a native one, nothing.
        let fails = if published { is_due && run.program.failures > 0 } else { failed };
        if let Some(cause) = cause.filter(|_| !fails) {
            let read: BTreeSet<MeterId> = run.reads_first(&cause)?;
            while let Some(event) = events.peek() {
                let first = matches!(event, Event::Segment(segment)
                    if read.contains(&segment.meter) && !segment.interval.is_empty());
                if !first && self.concerns_program(event) {
                    break;
                }
                // A debt is the outcome of what the program is about to be told.
                if !matches!(event, Event::Debt { .. }) {
                    run.tell_event(event)?;
                }
                events.next();
            }
            match published {
                true => run.attempt(cause)?,
                false => run.told(cause)?,
            }
        }
        events.try_for_each(|event| run.tell_event(event))?;
        if !run.ran.is_empty() || !run.indices.is_empty() {
            return Err("the receipt tells of a run of the program that nothing led to".into());
        }
        let (program, issued) = (run.program, run.issued);
        self.check_statements(happened, &issued)?;
        self.program = Some(program);
        Ok(())
    }

    fn runs_in<'h>(&self, happened: Happened<'h>) -> VecDeque<Ran<'h>> {
        let runs = happened.receipt.events().iter().filter_map(|event| match event {
            Event::ProgramRan { agreement, fuel, available, sums } if *agreement == self.agreement => {
                Some(Ran { fuel: *fuel, available, sums })
            }
            _ => None,
        });
        runs.collect()
    }

    fn indices_in<'h>(&self, happened: Happened<'h>) -> VecDeque<&'h [IndexRead]> {
        let read = happened.receipt.events().iter().filter_map(|event| match event {
            Event::IndicesRead { agreement, values } if *agreement == self.agreement => Some(&**values),
            _ => None,
        });
        read.collect()
    }

    fn follower_in(&self, happened: Happened<'_>) -> Option<AgreementId> {
        happened.receipt.events().iter().find_map(|event| match event {
            Event::DayPassedOn { subscription, to } if *subscription == self.agreement => Some(*to),
            _ => None,
        })
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
            Event::Segment(segment) => segment.is_of(self.agreement),
            Event::Debt { agreement, .. }
            | Event::ProgramRan { agreement, .. }
            | Event::IndicesRead { agreement, .. }
            | Event::ProgramFailed { agreement, .. }
            | Event::StatementIssued(Statement { agreement, .. }) => *agreement == self.agreement,
            event => self.concerns_program(event),
        })
    }

    /// The agreement's statement of this number, if this receipt has issued it.
    pub(crate) fn issued_in<'h>(&self, happened: Happened<'h>, number: u32) -> Option<&'h Statement> {
        self.statements_in(happened).find(|statement| statement.number == number)
    }

    /// The agreement's statements in a receipt.
    pub(crate) fn statements_in<'h>(&self, happened: Happened<'h>) -> impl Iterator<Item = &'h Statement> + use<'h> {
        let agreement = self.agreement;
        happened.receipt.events().iter().filter_map(move |event| match event {
            Event::StatementIssued(statement) if statement.agreement == agreement => Some(statement),
            _ => None,
        })
    }

    /// Whether what the program issues is what the receipt says, statement by statement.
    fn check_statements(&mut self, happened: Happened<'_>, issued: &[Issued]) -> Result<(), String> {
        let statements: Vec<_> = self.statements_in(happened).collect();
        if issued.len() != statements.len() {
            let (issued, found) = (issued.len(), statements.len());
            return Err(format!("its program issues {issued} statements here, the receipt has {found}"));
        }
        for (Issued { draft, debt, after }, statement) in issued.iter().zip(&statements) {
            compare(draft, statement)?;
            if statement.debt != *debt {
                return Err(format!("{debt} are owed after it, the statement says {}", statement.debt));
            }
            if statement.state_after != *after {
                return Err(format!("what stands after it is {after}, the statement says {}", statement.state_after));
            }
        }
        if let Some(last) = statements.last() {
            self.issued = Some((*last).clone());
        }
        Ok(())
    }

    /// The calendar by which a supply's meter is cut into bands from a time on: that of the terms which are in force then.
    pub fn calendar(&self, meter: MeterId, from: Timestamp) -> Option<(&utilidor_types::package::Calendar, i16)> {
        let (_, terms) = self.in_force.iter().rfind(|(since, _)| *since <= from)?;
        let utilidor_types::Program::Subscription(terms) = &terms.program else { return None };
        let service = terms.services.iter().find(|service| service.meter == Some(meter))?;
        let (_, document) = self.documents.packages.get(&(terms.package, terms.version))?;
        let chosen = document.options_of(service.carrier).nth(service.option.into())?;
        Some((chosen.tariff.calendar()?, document.terms.offset_minutes))
    }
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
