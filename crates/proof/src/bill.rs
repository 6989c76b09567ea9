//! A bill proof: everything that justifies one statement, to be checked by anyone, offline, from the chain's id alone.
//!
//! ```text
//! genesis -> members -> headers -> the statement's receipt
//!                               -> transactions that made the agreement -> its terms
//!                               -> prepayments -> tranches
//!                               -> certificates -> quantities
//!            terms x quantities x tranches = the statement's lines = what was paid
//! ```
//!
//! [`BillProof::verify`] first checks that every part stands in a final block, then works out the statement's lines again from
//! terms, certificates and prepayments, with the arithmetic of this crate. It relies on the ledger for what no document can
//! show: which of several open tranches a quantity was drawn from, and what the user could not pay.
//!
//! Every part is bound by hash or signature, so a proof with any byte changed is refused.

use crate::action::{Action, Prepayment};
use crate::agreement::{
    AgreementTerms, Program, PurchaseLot, PurchaseTerms, Side, Status, SubscriptionTerms, Substitute,
};
use crate::block::Header;
use crate::carrier::Carrier;
use crate::encoding::{DecodeError, decode, encode};
use crate::event::{Event, Movement, Purpose};
use crate::genesis::Genesis;
use crate::id::{AccountId, AgreementId, ChainId, MeterId, OfferId, PackageId};
use crate::key::SignatureCheck;
use crate::meter::CertifiedRun;
use crate::money::{Money, Price, ratio_half_even};
use crate::offer::Offer;
use crate::package::{BANDS, Band, FloorAreaTariff, Package, Tariff, TimeOfUse, TranchePrice};
use crate::proof::{BlockInclusion, FinalHeader, Members, ProofError, RunInclusion};
use crate::quantity::Quantity;
use crate::quote::SealedQuote;
use crate::receipt::{Cause, Receipt};
use crate::statement::{Statement, StatementLine};
use crate::time::{Timestamp, Window};
use crate::transaction::{SignedTransaction, TRANSACTION_NAMESPACE, TransactionHash};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Longest bill proof in bytes.
pub const MAX_BILL_BYTES: usize = 256 * 1024 * 1024;

/// A transaction in a final block, with its receipt.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct TransactionEvidence {
    /// Which of the proof's headers.
    pub header: u32,
    /// The transaction.
    pub signed: SignedTransaction,
    /// Its place among the block's transactions.
    pub inclusion: BlockInclusion,
    /// Its receipt.
    pub receipt: Receipt,
    /// The receipt's place among the block's receipts.
    pub receipt_inclusion: BlockInclusion,
}

/// A receipt of a final block.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct ReceiptEvidence {
    /// Which of the proof's headers.
    pub header: u32,
    /// The receipt.
    pub receipt: Receipt,
    /// Its place among the block's receipts.
    pub inclusion: BlockInclusion,
}

/// Certified readings under the certification root of one final block.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct CertificatesEvidence {
    /// Which of the proof's headers.
    pub header: u32,
    /// The certified runs by rising ids, with their places in the log. A run may hold readings that the statement does not
    /// count.
    pub runs: Vec<(CertifiedRun, RunInclusion)>,
}

/// All that justifies a statement.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct BillProof {
    /// The chain's first page.
    pub genesis: Genesis,
    /// The headers that the parts stand under, by rising height; each serves at least one part.
    pub headers: Vec<FinalHeader>,
    /// The receipt that issued the statement.
    pub statement: ReceiptEvidence,
    /// Receipts of earlier statements that this one continues: the one before it, and the last one on each tranche.
    pub earlier: Vec<ReceiptEvidence>,
    /// The transactions that made the agreement and opened its tranches, in the order of their execution: offer, quote, award or
    /// proposal, signature; or package and subscription; amendments; prepayments.
    pub steps: Vec<TransactionEvidence>,
    /// The certificates that the statement counts; none if it counts none.
    pub certificates: Option<CertificatesEvidence>,
}

/// What a verified bill says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifiedBill {
    /// The chain.
    pub chain: ChainId,
    /// Height of the block that issued the statement.
    pub height: u64,
    /// The statement.
    pub statement: Statement,
    /// The terms it was made by.
    pub terms: AgreementTerms,
    /// Number of certificates that it counts.
    pub certificates: usize,
    /// Members of the consortium whose signatures could make its blocks final.
    pub validators: usize,
}

/// What failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BillError {
    /// The bytes are no bill proof.
    #[error("the file is no bill proof: {0}")]
    Malformed(#[from] DecodeError),
    /// The genesis document is another chain's than the one trusted.
    #[error("the bill is of chain {found}, expected chain {expected}")]
    OtherChain {
        /// The chain in the proof.
        found: ChainId,
        /// The chain that is trusted.
        expected: ChainId,
    },
    /// A part does not stand in a final block.
    #[error("{part}: {source}")]
    NotProven {
        /// The part.
        part: String,
        /// Which step failed.
        #[source]
        source: ProofError,
    },
    /// The parts do not fit together.
    #[error("{part}: {reason}")]
    Incoherent {
        /// The part.
        part: String,
        /// What does not fit.
        reason: String,
    },
    /// A line of the statement is not what terms, certificates and prepayments lead to.
    #[error("line {line} of the statement does not follow: {reason}")]
    WrongLine {
        /// The line, counted from 1.
        line: usize,
        /// What it should say.
        reason: String,
    },
    /// The lines do not add up.
    #[error("the statement does not add up: {reason}")]
    WrongSum {
        /// Both sums.
        reason: String,
    },
}

/// Where something happened: receipts stand in the order of execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    height: u64,
    receipt: u32,
}

fn incoherent(part: impl Into<String>, reason: impl Into<String>) -> BillError {
    BillError::Incoherent { part: part.into(), reason: reason.into() }
}

fn wrong_sum(reason: impl Into<String>) -> BillError {
    BillError::WrongSum { reason: reason.into() }
}

impl BillProof {
    /// The canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads a proof from its canonical bytes, strictly.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BillError> {
        Ok(decode(bytes, MAX_BILL_BYTES)?)
    }

    /// Checks everything, knowing only the id of the chain. Without `trusted` the bill is consistent with the chain that it
    /// names itself: compare [`VerifiedBill::chain`] with one that you trust.
    pub fn verify(&self, trusted: Option<ChainId>) -> Result<VerifiedBill, BillError> {
        let chain = self.genesis.chain();
        if let Some(expected) = trusted.filter(|expected| *expected != chain) {
            return Err(BillError::OtherChain { found: chain, expected });
        }
        let members = Members::of(&self.genesis)
            .map_err(|source| BillError::NotProven { part: "the genesis document".into(), source })?;
        let headers = self.headers(&members)?;
        let (place, statement) = headers.statement("the statement", &self.statement)?;
        let mut history = History::new(chain, statement.agreement);
        for (number, step) in self.steps.iter().enumerate() {
            let part = format!("step {} ({})", number + 1, step.signed.transaction.action.name());
            let at = headers.step(&part, step)?;
            history.take(&part, at, step).map_err(|reason| incoherent(&part, reason))?;
        }
        let earlier = self.earlier_statements(&headers, place, statement)?;
        let runs = self.certified_runs(&headers, statement)?;
        headers.all_used()?;

        let terms =
            history.terms_at(place).ok_or_else(|| incoherent("the steps", "none of them made the agreement"))?;
        let bill = Bill { history: &history, statement, place, earlier, runs: &runs };
        match &terms.program {
            Program::Purchase(terms) => bill.check_purchase(terms, &self.statement.receipt)?,
            Program::Subscription(subscription) => bill.check_subscription(subscription, &self.statement.receipt)?,
        }
        Ok(VerifiedBill {
            chain,
            height: place.height,
            statement: statement.clone(),
            terms: terms.clone(),
            certificates: runs.iter().map(|run| run.readings.len()).sum(),
            validators: self.genesis.validators.len(),
        })
    }

    fn headers(&self, members: &Members) -> Result<Headers<'_>, BillError> {
        let mut headers = Vec::with_capacity(self.headers.len());
        let mut last = None;
        for (number, header) in self.headers.iter().enumerate() {
            let part = || format!("header {}", number + 1);
            let header = header.verify(members).map_err(|source| BillError::NotProven { part: part(), source })?;
            if last.is_some_and(|last| header.height <= last) {
                return Err(incoherent(part(), "headers stand by rising height"));
            }
            last = Some(header.height);
            headers.push(header);
        }
        Ok(Headers { headers, used: std::cell::RefCell::default() })
    }

    fn earlier_statements<'a>(
        &'a self,
        headers: &Headers<'_>,
        place: Place,
        statement: &Statement,
    ) -> Result<Vec<&'a Statement>, BillError> {
        let mut earlier: Vec<&Statement> = Vec::with_capacity(self.earlier.len());
        for (number, evidence) in self.earlier.iter().enumerate() {
            let part = format!("earlier statement {}", number + 1);
            let (at, before) = headers.statement(&part, evidence)?;
            let rising = earlier.last().is_none_or(|last| last.number < before.number);
            if before.agreement != statement.agreement || at >= place || before.number >= statement.number || !rising {
                return Err(incoherent(part, "it is not an earlier statement of the agreement, in their order"));
            }
            earlier.push(before);
        }
        Ok(earlier)
    }

    fn certified_runs(&self, headers: &Headers<'_>, statement: &Statement) -> Result<Vec<&CertifiedRun>, BillError> {
        let Some(evidence) = &self.certificates else { return Ok(Vec::new()) };
        let header = headers.get("the certificates", evidence.header)?;
        if evidence.runs.is_empty() {
            return Err(incoherent("the certificates", "the list is empty"));
        }
        let mut runs = Vec::with_capacity(evidence.runs.len());
        let mut next = statement.first_certificate;
        for (run, inclusion) in &evidence.runs {
            inclusion.verify(header, run).map_err(|source| BillError::NotProven { part: part_of(run), source })?;
            if run.first < next || run.end() > statement.end_certificate {
                let (first, end) = (statement.first_certificate, statement.end_certificate);
                let reason =
                    format!("runs stand by rising ids, from {first} to before {end} as the statement counts them");
                return Err(incoherent(part_of(run), reason));
            }
            next = run.end();
            runs.push(run);
        }
        Ok(runs)
    }
}

fn part_of(run: &CertifiedRun) -> String {
    format!("the run from certificate {} on", run.first)
}

/// The verified headers, and which of them have served.
struct Headers<'a> {
    headers: Vec<&'a Header>,
    used: std::cell::RefCell<BTreeSet<u32>>,
}

impl Headers<'_> {
    fn get(&self, part: &str, number: u32) -> Result<&Header, BillError> {
        let header = self.headers.get(number as usize);
        self.used.borrow_mut().insert(number);
        header.copied().ok_or_else(|| incoherent(part, format!("the proof has no header number {number}")))
    }

    fn all_used(&self) -> Result<(), BillError> {
        match self.used.borrow().len() == self.headers.len() {
            true => Ok(()),
            false => Err(incoherent("the headers", "one of them serves no part of the proof")),
        }
    }

    fn statement<'e>(&self, part: &str, evidence: &'e ReceiptEvidence) -> Result<(Place, &'e Statement), BillError> {
        let header = self.get(part, evidence.header)?;
        evidence
            .inclusion
            .verify_receipt(header, &evidence.receipt)
            .map_err(|source| BillError::NotProven { part: part.into(), source })?;
        let mut statements = evidence.receipt.events().iter().filter_map(|event| match event {
            Event::StatementIssued(statement) => Some(statement),
            _ => None,
        });
        match (statements.next(), statements.next()) {
            (Some(statement), None) => {
                Ok((Place { height: header.height, receipt: evidence.inclusion.index }, statement))
            }
            _ => Err(incoherent(part, "its receipt issues not exactly one statement")),
        }
    }

    fn step(&self, part: &str, step: &TransactionEvidence) -> Result<At, BillError> {
        let not_proven = |source| BillError::NotProven { part: part.into(), source };
        let header = self.get(part, step.header)?;
        let hash = step.signed.hash();
        step.inclusion.verify_transaction(header, hash).map_err(not_proven)?;
        step.receipt_inclusion.verify_receipt(header, &step.receipt).map_err(not_proven)?;
        if step.receipt.cause != Cause::Transaction(hash) {
            return Err(incoherent(part, "the receipt answers another transaction"));
        }
        if let Some(refusal) = step.receipt.refusal() {
            return Err(incoherent(part, format!("it was refused: {refusal}")));
        }
        let message = encode(&step.signed.transaction);
        let signature = SignatureCheck {
            namespace: TRANSACTION_NAMESPACE,
            message: &message,
            key: &step.signed.transaction.signer,
            signature: &step.signed.signature,
        };
        if !signature.holds() {
            return Err(incoherent(part, "the signature is not its signer's"));
        }
        let place = Place { height: header.height, receipt: step.receipt_inclusion.index };
        Ok(At { place, time: header.time, hash })
    }
}

/// Where and when a step happened.
#[derive(Clone, Copy)]
struct At {
    place: Place,
    time: Timestamp,
    hash: TransactionHash,
}

/// A prepayment, by what its receipt says.
struct Tranche {
    opened: Place,
    paid: Money,
    discount_permille: u16,
    period: Option<Window>,
}

/// What the steps say about the agreement.
struct History {
    chain: ChainId,
    agreement: AgreementId,
    last: Option<Place>,
    offers: BTreeMap<OfferId, (AccountId, Offer)>,
    quotes: BTreeMap<(OfferId, AccountId), SealedQuote>,
    packages: BTreeMap<(PackageId, u32), (AccountId, Package)>,
    proposed: Option<AgreementTerms>,
    amendment: Option<AgreementTerms>,
    /// Terms by the place from which they are in force.
    terms: Vec<(Place, AgreementTerms)>,
    active_since: Option<Timestamp>,
    tranches: BTreeMap<(Carrier, u32), Tranche>,
}

impl History {
    const fn new(chain: ChainId, agreement: AgreementId) -> Self {
        Self {
            chain,
            agreement,
            last: None,
            offers: BTreeMap::new(),
            quotes: BTreeMap::new(),
            packages: BTreeMap::new(),
            proposed: None,
            amendment: None,
            terms: Vec::new(),
            active_since: None,
            tranches: BTreeMap::new(),
        }
    }

    /// The terms in force just before what happened at `place`.
    fn terms_at(&self, place: Place) -> Option<&AgreementTerms> {
        self.terms.iter().rev().find(|(from, _)| *from < place).map(|(_, terms)| terms)
    }

    fn package(&self, terms: &SubscriptionTerms) -> Result<&Package, String> {
        let package = self.packages.get(&(terms.package, terms.version)).map(|(_, package)| package);
        package
            .ok_or_else(|| format!("the publication of package {} version {} is missing", terms.package, terms.version))
    }

    /// The tariff of a carrier's service by terms.
    fn tariff(&self, terms: &SubscriptionTerms, carrier: Carrier) -> Result<&Tariff, String> {
        let service = terms.services.iter().find(|service| service.carrier == carrier);
        let service = service.ok_or_else(|| format!("the terms have no service of {carrier}"))?;
        let tariff = self.package(terms)?.options_of(carrier).nth(service.option.into());
        tariff.ok_or_else(|| format!("the package has no option {} for {carrier}", service.option))
    }

    fn take(&mut self, part: &str, at: At, step: &TransactionEvidence) -> Result<(), String> {
        let by = step.signed.transaction.account();
        if self.last.is_some_and(|last| last >= at.place) {
            return Err("steps stand in the order of their execution".into());
        }
        self.last = Some(at.place);
        match &step.signed.transaction.action {
            Action::PublishOffers { offers } => {
                self.offers.extend(offers.iter().map(|offer| (offer.id, (by, offer.clone()))));
            }
            Action::SubmitQuotes { quotes } => {
                self.quotes.extend(quotes.iter().map(|quote| ((quote.offer, by), quote.clone())));
            }
            Action::PublishPackage(package) => {
                self.packages.insert((package.id, package.version), (by, package.clone()));
            }
            Action::Award { awards } => {
                let award = awards.iter().find(|award| award.agreement == self.agreement);
                let award = award.ok_or("it awards another agreement")?;
                let (owner, offer) = self.offers.get(&award.offer).ok_or("the offer's publication is missing")?;
                let quote = self.quotes.get(&(award.offer, award.bidder)).ok_or("the quote's submission is missing")?;
                if award.opening.commitment(self.chain, award.offer, award.bidder) != quote.commitment {
                    return Err("the opening does not match the quote's commitment".into());
                }
                if by != *owner {
                    return Err("another account than the offer's owner signed it".into());
                }
                let program = Program::Purchase(offer.purchase_terms(&award.opening));
                let terms = AgreementTerms { owner: by, user: award.bidder, program };
                let binding = quote.binding;
                self.propose(terms, step)?;
                if !binding && self.becomes_active(step) {
                    return Err("the quote was not binding, yet the award alone concluded the agreement".into());
                }
            }
            Action::ProposeAgreement { id, terms, .. } if *id == self.agreement => {
                terms.side_of(by).ok_or("another account than a party signed it")?;
                self.propose(terms.clone(), step)?;
            }
            Action::Subscribe { id, terms } if *id == self.agreement => {
                let owner = self.packages.get(&(terms.package, terms.version)).map(|(owner, _)| *owner);
                let owner = owner.ok_or("the package's publication is missing")?;
                let program = Program::Subscription(terms.clone());
                self.propose(AgreementTerms { owner, user: by, program }, step)?;
            }
            Action::SignAgreement { agreement, terms } if *agreement == self.agreement => {
                let proposed = self.proposed.as_ref().ok_or("the proposal is missing")?;
                proposed.side_of(by).ok_or("another account than a party signed it")?;
                if *terms != proposed.digest() {
                    return Err("it signs other terms".into());
                }
            }
            Action::ProposeAmendment { agreement, program } if *agreement == self.agreement => {
                let present = self.terms.last().map(|(_, terms)| terms).ok_or("there is no agreement to amend")?;
                present.side_of(by).ok_or("another account than a party signed it")?;
                self.amendment = Some(AgreementTerms { program: program.clone(), ..present.clone() });
            }
            Action::SignAmendment { agreement, terms } if *agreement == self.agreement => {
                let amended = self.amendment.take().ok_or("the amendment's proposal is missing")?;
                amended.side_of(by).ok_or("another account than a party signed it")?;
                let digest = amended.digest();
                let in_force = |event: &Event| {
                    matches!(event, Event::AgreementAmended { agreement, terms }
                        if *agreement == self.agreement && *terms == digest)
                };
                if *terms != digest || !step.receipt.events().iter().any(in_force) {
                    return Err("the amended terms are not those that the receipt puts in force".into());
                }
                self.terms.push((at.place, amended));
            }
            Action::Prepay { subscription, carrier, payment } if *subscription == self.agreement => {
                self.prepaid(at.place, by, (*carrier, *payment), step)?;
            }
            _ => return Err(format!("it is no part of this bill's agreement (transaction {})", at.hash)),
        }
        if self.becomes_active(step) {
            let terms = self.proposed.take().ok_or_else(|| format!("{part} concludes what nobody proposed"))?;
            self.terms.push((at.place, terms));
            self.active_since = Some(at.time);
        }
        Ok(())
    }

    fn becomes_active(&self, step: &TransactionEvidence) -> bool {
        let active = Event::AgreementStatus { agreement: self.agreement, status: Status::Active };
        step.receipt.events().contains(&active)
    }

    /// Takes proposed terms if they are those that the receipt names.
    fn propose(&mut self, terms: AgreementTerms, step: &TransactionEvidence) -> Result<(), String> {
        let named = step.receipt.events().iter().find_map(|event| match event {
            Event::AgreementProposed { agreement, terms, .. } if *agreement == self.agreement => Some(*terms),
            _ => None,
        });
        if named != Some(terms.digest()) {
            return Err("the terms are not those that the receipt names".into());
        }
        self.proposed = Some(terms);
        Ok(())
    }

    /// Takes a prepayment, after working out its amount, discount and period again.
    fn prepaid(
        &mut self,
        place: Place,
        by: AccountId,
        (carrier, payment): (Carrier, Prepayment),
        step: &TransactionEvidence,
    ) -> Result<(), String> {
        let opened = step.receipt.events().iter().find_map(|event| match event {
            Event::TrancheOpened { subscription, carrier: of, tranche, paid, discount_permille, period }
                if *subscription == self.agreement && *of == carrier =>
            {
                let (paid, discount_permille, period) = (*paid, *discount_permille, *period);
                Some((*tranche, Tranche { opened: place, paid, discount_permille, period }))
            }
            _ => None,
        });
        let (number, tranche) = opened.ok_or("its receipt opens no tranche")?;
        let terms = self.terms_at(place).ok_or("there is no agreement to prepay")?;
        if by != terms.user {
            return Err("another account than the user signed it".into());
        }
        let subscription = subscription(terms)?;
        let (paid, discount) = match (self.tariff(subscription, carrier)?, payment) {
            (Tariff::Metered(tariff), Prepayment::Amount(amount)) => (amount, tariff.discount_permille(amount)),
            (Tariff::MeteredByPeriod(tariff), Prepayment::AmountForPeriod { amount, period }) => {
                (amount, tariff.discounts.permille(period))
            }
            (Tariff::FloorArea(tariff), Prepayment::Period { period, .. }) => {
                let window = tranche.period.ok_or("a prepaid period has begin and end")?;
                let days = tariff.season.days_in(window, self.package(subscription)?.offset_minutes);
                let discount = tariff.discounts.permille(period);
                let amount = tariff.amount_half_even(floor_area(subscription, carrier), days, discount);
                (amount.ok_or("the period's price leaves the range of money")?, discount)
            }
            _ => return Err(format!("this kind of payment does not fit the tariff for {carrier}")),
        };
        if (paid, discount) != (tranche.paid, tranche.discount_permille) {
            let (found, found_discount) = (tranche.paid, tranche.discount_permille);
            return Err(format!(
                "the tranche is {found} at a discount of {found_discount} thousandths, the tariff gives {paid} at {discount}"
            ));
        }
        if self.tranches.insert((carrier, number), tranche).is_some() {
            return Err("the tranche is there twice".into());
        }
        Ok(())
    }
}

fn subscription(terms: &AgreementTerms) -> Result<&SubscriptionTerms, String> {
    match &terms.program {
        Program::Subscription(subscription) => Ok(subscription),
        Program::Purchase(_) => Err("the agreement is no subscription".into()),
    }
}

fn floor_area(terms: &SubscriptionTerms, carrier: Carrier) -> u32 {
    terms.services.iter().find(|service| service.carrier == carrier).map_or(0, |service| service.floor_area_m2)
}

/// A statement with what it follows from.
struct Bill<'a> {
    history: &'a History,
    statement: &'a Statement,
    place: Place,
    earlier: Vec<&'a Statement>,
    runs: &'a [&'a CertifiedRun],
}

/// Money that the lines of a statement say.
#[derive(Default)]
struct Sums {
    /// Paid by the user to the owner, or owed.
    due: u128,
    refunded: u128,
    forfeited: [u128; 2],
}

impl Bill<'_> {
    /// Whether the sums of the lines are what the statement and the movements in its receipt say.
    fn check_sums(&self, sums: &Sums, receipt: &Receipt) -> Result<(), BillError> {
        let Statement { paid, unpaid, .. } = *self.statement;
        if sums.due != u128::from(paid.0) + u128::from(unpaid.0) {
            let due = Money(u64::try_from(sums.due).unwrap_or(u64::MAX));
            return Err(wrong_sum(format!("the lines come to {due}, {paid} was paid and {unpaid} left unpaid")));
        }
        let (mut moved, mut released, mut forfeited) = (0u128, 0u128, [0u128; 2]);
        for event in receipt.events() {
            let Event::Moved { agreement, movement, amount } = event else { continue };
            if *agreement != self.statement.agreement {
                return Err(wrong_sum(format!("the receipt moves money of agreement {agreement}")));
            }
            match movement {
                Movement::Pay | Movement::PayFromReserve { .. } => moved += u128::from(amount.0),
                Movement::Release { purpose: Purpose::Prepayment, .. } => released += u128::from(amount.0),
                Movement::Forfeit { by } => forfeited[*by as usize] += u128::from(amount.0),
                Movement::Release { .. } | Movement::Reserve { .. } => {}
            }
        }
        if moved != u128::from(paid.0) {
            return Err(wrong_sum(format!("{paid} was paid, {moved} millionths moved")));
        }
        if released != sums.refunded {
            return Err(wrong_sum(format!("{} millionths are refunded, {released} moved back", sums.refunded)));
        }
        // A user in default loses what is left of its deposit, whatever the lines say of its shortfall.
        let user = if unpaid > Money::ZERO { forfeited[1] } else { sums.forfeited[1] };
        if forfeited != [sums.forfeited[0], user] {
            return Err(wrong_sum("other deposits moved than the lines forfeit"));
        }
        Ok(())
    }

    fn wrong(&self, line: usize, reason: impl Into<String>) -> BillError {
        BillError::WrongLine { line: line + 1, reason: reason.into() }
    }
}

// ---- purchases --------------------------------------------------------------------------------------------

/// What certificates say about one side of a lot.
#[derive(Clone, Copy, Default)]
struct Measured {
    quantity: u64,
    covered_ms: u64,
}

impl Bill<'_> {
    /// Works out the lines of a purchase and compares them.
    fn check_purchase(&self, terms: &PurchaseTerms, receipt: &Receipt) -> Result<(), BillError> {
        let meters: BTreeSet<MeterId> = terms.meters().collect();
        for run in self.runs {
            if !meters.contains(&run.meter) || run.interval().overlap_ms(terms.window) == 0 {
                return Err(incoherent(part_of(run), "it is not of the agreement's meters and window"));
            }
        }
        // What both sides end early settles without forfeits and substitutes.
        let early = !matches!(receipt.cause, Cause::Due { .. });
        let mut lines = Vec::new();
        let mut sums = Sums::default();
        for lot in &terms.lots {
            self.settle_lot(terms, lot, early, (&mut lines, &mut sums)).map_err(wrong_sum)?;
        }
        self.compare(&lines)?;
        if self.statement.period != terms.window {
            return Err(incoherent("the statement", "its period is not the agreement's window"));
        }
        let substituted = lines
            .iter()
            .any(|line| matches!(line, StatementLine::Delivery { substituted, .. } if *substituted > Quantity::ZERO));
        if substituted != self.statement.substituted {
            return Err(wrong_sum("whether a substitute rule stood in is not what the lines say"));
        }
        self.check_sums(&sums, receipt)
    }

    fn compare(&self, lines: &[StatementLine]) -> Result<(), BillError> {
        for (number, found) in self.statement.lines.iter().enumerate() {
            match lines.get(number) {
                Some(expected) if expected == found => {}
                Some(expected) => {
                    return Err(
                        self.wrong(number, format!("it says {found:?}, terms and readings lead to {expected:?}"))
                    );
                }
                None => return Err(self.wrong(number, format!("nothing leads to {found:?}"))),
            }
        }
        match lines.get(self.statement.lines.len()) {
            Some(missing) => Err(wrong_sum(format!("a line is missing: {missing:?}"))),
            None => Ok(()),
        }
    }

    fn measured(&self, terms: &PurchaseTerms, meter: MeterId) -> Result<Measured, String> {
        let mut measured = Measured::default();
        let runs = self.runs.iter().filter(|run| run.meter == meter);
        for certificate in runs.flat_map(|run| run.certificates()) {
            measured.covered_ms += certificate.interval.overlap_ms(terms.window);
            for purchase in
                certificate.purchases.iter().filter(|purchase| purchase.agreement == self.statement.agreement)
            {
                let sum = measured.quantity.checked_add(purchase.quantity.0);
                measured.quantity = sum.ok_or("the attributed quantities leave their range")?;
            }
        }
        Ok(measured)
    }

    fn settle_lot(
        &self,
        terms: &PurchaseTerms,
        lot: &PurchaseLot,
        early: bool,
        (lines, sums): (&mut Vec<StatementLine>, &mut Sums),
    ) -> Result<(), String> {
        const BEYOND: &str = "an amount leaves the range of money";
        let contracted = lot.quantity;
        let substitute = |measured: Measured| match terms.substitute {
            Substitute::ProRata if !early => {
                let window = terms.window.ms();
                contracted.share_floor(window.saturating_sub(measured.covered_ms), window)
            }
            _ => Quantity::ZERO,
        };
        let with_substitute = |measured: Measured, most: Quantity| {
            Quantity(measured.quantity.saturating_add(substitute(measured).0).min(most.0))
        };
        let delivery = lot.metering.delivery.map(|meter| self.measured(terms, meter)).transpose()?;
        let take = lot.metering.take.map(|meter| self.measured(terms, meter)).transpose()?;
        let available = delivery.map_or(contracted, |measured| with_substitute(measured, contracted));
        let delivered = take.map_or(available, |measured| with_substitute(measured, available));
        let proven = match (take, delivery) {
            (Some(measured), _) | (None, Some(measured)) => Quantity(measured.quantity),
            (None, None) => contracted,
        };
        let substituted = delivered.saturating_sub(proven);
        let amount = lot.price.amount_half_even(delivered).ok_or(BEYOND)?;
        let carrier = lot.carrier;
        let price = lot.price;
        lines.push(StatementLine::Delivery { carrier, contracted, available, delivered, substituted, price, amount });
        sums.due += u128::from(amount.0);

        let tolerance = if early { 1_000 } else { terms.tolerance_permille };
        let tolerated = contracted.share_floor(tolerance.into(), 1_000);
        let value = lot.price.amount_half_even(contracted).ok_or(BEYOND)?;
        let deposit = value.share_half_even(terms.deposit_permille.into(), 1_000).ok_or(BEYOND)?;
        for (by, shortfall) in
            [(Side::Owner, contracted.saturating_sub(available)), (Side::User, available.saturating_sub(delivered))]
        {
            if shortfall > tolerated {
                let amount = deposit.share_half_even(shortfall.0, contracted.0).ok_or(BEYOND)?;
                lines.push(StatementLine::Forfeit { carrier, by, shortfall, contracted, deposit, amount });
                sums.forfeited[by as usize] += u128::from(amount.0);
            }
        }
        Ok(())
    }
}

// ---- subscriptions ----------------------------------------------------------------------------------------

/// Weights of one service: what was consumed and what covers it.
#[derive(Default)]
struct Weights {
    consumed: u128,
    owed_before: u128,
    charged: u128,
    owed: u128,
    owed_charged: Option<u128>,
}

/// How far earlier statements and the lines so far have charged a tranche.
#[derive(Clone, Copy, Default)]
struct Drawn {
    weight: u64,
    billed: Money,
}

impl Bill<'_> {
    /// Checks every line of a subscription's statement.
    fn check_subscription(&self, terms: &SubscriptionTerms, receipt: &Receipt) -> Result<(), BillError> {
        let ending = receipt.events().iter().any(|event| {
            matches!(event, Event::AgreementStatus { agreement, status: Status::Terminated | Status::Defaulted }
                if *agreement == self.statement.agreement)
        });
        self.check_continuation()?;
        let usage = self.usage(terms)?;
        let mut drawn = self.drawn_before()?;
        let mut weights: BTreeMap<Carrier, Weights> = BTreeMap::new();
        let mut sums = Sums::default();
        let mut usage_lines = Vec::new();
        for before in self.earlier.last().into_iter().filter(|before| before.number + 1 == self.statement.number) {
            for line in &before.lines {
                if let StatementLine::Owed { carrier, weight } = line {
                    weights.entry(*carrier).or_default().owed_before += u128::from(*weight);
                }
            }
        }
        for (number, line) in self.statement.lines.iter().enumerate() {
            let wrong = |reason: String| self.wrong(number, reason);
            match line {
                StatementLine::Usage { carrier, factor_permille, quantity, .. } => {
                    usage_lines.push((number, line));
                    weights.entry(*carrier).or_default().consumed +=
                        u128::from(*factor_permille) * u128::from(quantity.0);
                }
                StatementLine::Charge { carrier, tranche, price, weight_before, weight, amount } => {
                    let so_far = drawn.entry((*carrier, *tranche)).or_default();
                    self.check_charge((*carrier, *tranche), *price, (*weight_before, *weight), *amount, so_far)
                        .map_err(wrong)?;
                    weights.entry(*carrier).or_default().charged += u128::from(*weight);
                    sums.due += u128::from(amount.0);
                }
                StatementLine::Owed { carrier, weight } => {
                    weights.entry(*carrier).or_default().owed += u128::from(*weight);
                }
                StatementLine::OwedCharge { carrier, price, weight, amount } => {
                    if !ending {
                        return Err(wrong("what is owed is charged at the end only".into()));
                    }
                    self.check_owed_charge(terms, *carrier, (*price, *weight, *amount)).map_err(wrong)?;
                    weights.entry(*carrier).or_default().owed_charged = Some(u128::from(*weight));
                    sums.due += u128::from(amount.0);
                }
                StatementLine::FloorArea { carrier, tranche, days_passed, days, amount } => {
                    let so_far = drawn.entry((*carrier, *tranche)).or_default();
                    match tranche {
                        0 if !ending => return Err(wrong("unpaid days are charged at the end only".into())),
                        0 => self.check_unpaid_days(terms, *carrier, (*days_passed, *days), *amount),
                        _ => self.check_floor_area((*carrier, *tranche), (*days_passed, *days), *amount, so_far),
                    }
                    .map_err(wrong)?;
                    sums.due += u128::from(amount.0);
                }
                StatementLine::Refund { carrier, tranche, amount, withheld } => {
                    let so_far = drawn.get(&(*carrier, *tranche)).copied().unwrap_or_default();
                    self.check_refund((*carrier, *tranche), (*amount, *withheld), so_far, ending).map_err(wrong)?;
                    sums.due += u128::from(withheld.0);
                    sums.refunded += u128::from(amount.0);
                }
                StatementLine::Delivery { .. } | StatementLine::Forfeit { .. } => {
                    return Err(wrong("a subscription's statement has no such line".into()));
                }
            }
        }
        self.check_usage(&usage, &usage_lines)?;
        for (carrier, weights) in weights {
            check_weights(carrier, &weights, ending)?;
        }
        self.check_sums(&sums, receipt)
    }

    /// A statement begins where the one before it ended, in time and in the certification log.
    fn check_continuation(&self) -> Result<(), BillError> {
        let statement = self.statement;
        if statement.number == 1 {
            return Ok(());
        }
        let before = self.earlier.iter().find(|before| before.number + 1 == statement.number);
        let before = before.ok_or_else(|| incoherent("the earlier statements", "the one before this is missing"))?;
        if before.period.to != statement.period.from || before.end_certificate != statement.first_certificate {
            return Err(incoherent("the statement", "it does not begin where the one before it ended"));
        }
        Ok(())
    }

    /// What the certificates say of each service, by band, with the band's factor.
    fn usage(&self, terms: &SubscriptionTerms) -> Result<Vec<StatementLine>, BillError> {
        let offset = self.history.package(terms).map_err(|reason| incoherent("the steps", reason))?.offset_minutes;
        let none = TimeOfUse::none();
        let mut of_meter: BTreeMap<MeterId, (&TimeOfUse, [u64; BANDS])> = BTreeMap::new();
        let mut services = Vec::new();
        for service in &terms.services {
            let tariff =
                self.history.tariff(terms, service.carrier).map_err(|reason| incoherent("the steps", reason))?;
            let (calendar, charged) = match tariff {
                Tariff::Metered(tariff) => (&tariff.time_of_use, true),
                Tariff::MeteredByPeriod(_) => (&none, true),
                Tariff::FloorArea(_) => (&none, false),
            };
            if let Some(meter) = service.meter {
                of_meter.insert(meter, (calendar, [0; BANDS]));
                services.push((service.carrier, meter, calendar, charged));
            }
        }
        for run in self.runs {
            if run.subscription != Some(self.statement.agreement) {
                return Err(incoherent(part_of(run), "it does not count for the agreement"));
            }
            let (calendar, bands) = of_meter
                .get_mut(&run.meter)
                .ok_or_else(|| incoherent(part_of(run), "its meter is none of the subscription's"))?;
            for certificate in run.certificates() {
                let split = calendar.split(certificate.interval, certificate.rest(), offset);
                for (band, quantity) in bands.iter_mut().zip(split) {
                    *band = band
                        .checked_add(quantity.0)
                        .ok_or_else(|| incoherent(part_of(run), "the quantities together leave their range"))?;
                }
            }
        }
        let mut lines = Vec::new();
        for (carrier, meter, calendar, charged) in services {
            for (band, quantity) in Band::ALL.into_iter().zip(of_meter[&meter].1) {
                if quantity > 0 {
                    let factor_permille = if charged { calendar.factor_permille(band) } else { 0 };
                    lines.push(StatementLine::Usage { carrier, band, factor_permille, quantity: Quantity(quantity) });
                }
            }
        }
        Ok(lines)
    }

    fn check_usage(&self, expected: &[StatementLine], found: &[(usize, &StatementLine)]) -> Result<(), BillError> {
        for (place, (number, found)) in found.iter().enumerate() {
            match expected.get(place) {
                Some(expected) if expected == *found => {}
                Some(expected) => {
                    let reason = format!("it says {found:?}, the certificates add up to {expected:?}");
                    return Err(self.wrong(*number, reason));
                }
                None => return Err(self.wrong(*number, format!("no certificate stands for {found:?}"))),
            }
        }
        match expected.get(found.len()) {
            Some(missing) => Err(wrong_sum(format!("a line is missing: {missing:?}"))),
            None => Ok(()),
        }
    }

    /// How far the earlier statements in the proof have charged each tranche.
    fn drawn_before(&self) -> Result<BTreeMap<(Carrier, u32), Drawn>, BillError> {
        let mut drawn: BTreeMap<(Carrier, u32), Drawn> = BTreeMap::new();
        for line in self.earlier.iter().flat_map(|before| before.lines.iter()) {
            match line {
                StatementLine::Charge { carrier, tranche, price, weight_before, weight, .. } => {
                    let total = weight_before.saturating_add(*weight);
                    let cost = self.cost(*carrier, *tranche, *price, total);
                    let cost = cost.map_err(|reason| incoherent("the earlier statements", reason))?;
                    drawn.insert((*carrier, *tranche), Drawn { weight: total, billed: cost });
                }
                StatementLine::FloorArea { carrier, tranche, days_passed, days, .. } if *tranche > 0 => {
                    let Some(opened) = self.history.tranches.get(&(*carrier, *tranche)) else { continue };
                    let cost = opened.paid.share_half_even((*days_passed).into(), (*days).into());
                    let cost = cost.ok_or_else(|| incoherent("the earlier statements", "a period without days"))?;
                    drawn.insert((*carrier, *tranche), Drawn { weight: 0, billed: cost.min(opened.paid) });
                }
                _ => {}
            }
        }
        Ok(drawn)
    }

    fn tranche(&self, carrier: Carrier, tranche: u32) -> Result<&Tranche, String> {
        let opened = self.history.tranches.get(&(carrier, tranche)).filter(|opened| opened.opened < self.place);
        opened.ok_or_else(|| format!("the prepayment of tranche {tranche} for {carrier} is missing"))
    }

    /// The tariff by which a tranche was opened.
    fn tariff_of_tranche(&self, carrier: Carrier, tranche: &Tranche) -> Result<(&Tariff, &Package), String> {
        let terms = self.history.terms_at(tranche.opened).ok_or("the tranche was opened before the agreement")?;
        let terms = subscription(terms)?;
        Ok((self.history.tariff(terms, carrier)?, self.history.package(terms)?))
    }

    /// What a tranche has cost when `weight` is drawn: what was paid for it once it is used up.
    fn cost(&self, carrier: Carrier, tranche: u32, price: TranchePrice, weight: u64) -> Result<Money, String> {
        // Tranches of earlier statements that this one does not name need no proof.
        let Ok(opened) = self.tranche(carrier, tranche) else { return Ok(Money::ZERO) };
        let whole = price.weight_floor(opened.paid).ok_or("the tranche's weight leaves its range")?;
        match weight {
            weight if weight > whole => Err(format!("{weight} is drawn from a tranche that holds {whole}")),
            weight if weight == whole => Ok(opened.paid),
            weight => {
                let cost = price.amount_half_even(weight).ok_or("the cost leaves the range of money")?;
                Ok(cost.min(opened.paid))
            }
        }
    }

    fn check_charge(
        &self,
        (carrier, tranche): (Carrier, u32),
        price: TranchePrice,
        (weight_before, weight): (u64, u64),
        amount: Money,
        so_far: &mut Drawn,
    ) -> Result<(), String> {
        let opened = self.tranche(carrier, tranche)?;
        let unit_price = match self.tariff_of_tranche(carrier, opened)?.0 {
            Tariff::Metered(tariff) => tariff.price,
            Tariff::MeteredByPeriod(tariff) => tariff.price,
            Tariff::FloorArea(_) => return Err("a floor-area tariff charges no weight".into()),
        };
        let expected = TranchePrice { price: unit_price, discount_permille: opened.discount_permille };
        if price != expected {
            return Err(format!("the price is {price:?}, tariff and prepayment give {expected:?}"));
        }
        if weight_before != so_far.weight {
            return Err(format!("{weight_before} was drawn before, earlier statements say {}", so_far.weight));
        }
        let total = weight_before.checked_add(weight).ok_or("the weights leave their range")?;
        let cost = self.cost(carrier, tranche, price, total)?;
        let expected = cost.saturating_sub(so_far.billed);
        if amount != expected {
            return Err(format!("the amount is {amount}, the weights give {expected}"));
        }
        *so_far = Drawn { weight: total, billed: cost };
        Ok(())
    }

    fn check_floor_area(
        &self,
        (carrier, tranche): (Carrier, u32),
        (days_passed, days): (u32, u32),
        amount: Money,
        so_far: &mut Drawn,
    ) -> Result<(), String> {
        let opened = self.tranche(carrier, tranche)?;
        let (expected_passed, expected_days) = self.days(carrier, opened)?;
        if (days_passed, days) != (expected_passed, expected_days) {
            return Err(format!(
                "{days_passed} of {days} days are charged, the calendar gives {expected_passed} of {expected_days}"
            ));
        }
        let cost = opened.paid.share_half_even(days_passed.into(), days.into()).ok_or("a period without days")?;
        let cost = cost.min(opened.paid).max(so_far.billed);
        let expected = cost.saturating_sub(so_far.billed);
        if amount != expected {
            return Err(format!("the amount is {amount}, the days give {expected}"));
        }
        so_far.billed = cost;
        Ok(())
    }

    /// Days of the season that have passed, and all of them, of a prepaid floor-area period.
    fn days(&self, carrier: Carrier, tranche: &Tranche) -> Result<(u32, u32), String> {
        let (tariff, package) = self.tariff_of_tranche(carrier, tranche)?;
        let Tariff::FloorArea(FloorAreaTariff { season, .. }) = tariff else {
            return Err("the tariff does not charge by floor area".into());
        };
        let period = tranche.period.ok_or("a prepaid period has begin and end")?;
        let until = self.statement.period.to.clamp(period.from, period.to);
        let passed = Window { from: period.from, to: until };
        Ok((season.days_in(passed, package.offset_minutes), season.days_in(period, package.offset_minutes)))
    }

    /// The season's days since the last prepaid period, at the undiscounted price.
    fn check_unpaid_days(
        &self,
        terms: &SubscriptionTerms,
        carrier: Carrier,
        (days_passed, days): (u32, u32),
        amount: Money,
    ) -> Result<(), String> {
        let Tariff::FloorArea(tariff) = self.history.tariff(terms, carrier)? else {
            return Err("the tariff does not charge by floor area".into());
        };
        let package = self.history.package(terms)?;
        let opened =
            self.history.tranches.iter().filter(|((of, _), opened)| *of == carrier && opened.opened < self.place);
        let paid_until = match opened.filter_map(|(_, opened)| opened.period.map(|period| period.to)).max() {
            Some(until) => until,
            None => {
                let since = self.history.active_since.ok_or("the agreement never became active")?;
                let concluded = self.history.terms.first().map(|(_, terms)| terms).ok_or("there are no terms")?;
                let offset = self.history.package(subscription(concluded)?)?.offset_minutes;
                let month = since.date(offset).first_of_month_after(0).midnight(offset);
                month.ok_or("the month begins outside the calendar")?
            }
        };
        let unpaid = Window { from: paid_until, to: self.statement.period.to };
        let expected_days = tariff.season.days_in(unpaid, package.offset_minutes);
        let expected = tariff.amount_half_even(floor_area(terms, carrier), expected_days, 0);
        if (days_passed, days, Some(amount)) != (expected_days, expected_days, expected) {
            return Err(format!(
                "{days} unpaid days cost {amount}, the tariff gives {expected_days} days, {expected:?}"
            ));
        }
        Ok(())
    }

    fn check_owed_charge(
        &self,
        terms: &SubscriptionTerms,
        carrier: Carrier,
        (price, weight, amount): (Price, u64, Money),
    ) -> Result<(), String> {
        let unit_price = match self.history.tariff(terms, carrier)? {
            Tariff::Metered(tariff) => tariff.price,
            Tariff::MeteredByPeriod(tariff) => tariff.price,
            Tariff::FloorArea(_) => return Err("a floor-area tariff charges no weight".into()),
        };
        let expected = TranchePrice { price: unit_price, discount_permille: 0 }.amount_half_even(weight);
        if price != unit_price || Some(amount) != expected {
            return Err(format!(
                "{weight} at {price:?} is charged {amount}, the tariff gives {unit_price:?}, {expected:?}"
            ));
        }
        Ok(())
    }

    fn check_refund(
        &self,
        (carrier, number): (Carrier, u32),
        (amount, withheld): (Money, Money),
        so_far: Drawn,
        ending: bool,
    ) -> Result<(), String> {
        let tranche = self.tranche(carrier, number)?;
        let left = tranche.paid.saturating_sub(so_far.billed);
        let undiscounted = match self.tariff_of_tranche(carrier, tranche)?.0 {
            Tariff::Metered(tariff) => {
                TranchePrice { price: tariff.price, discount_permille: 0 }.amount_half_even(so_far.weight)
            }
            Tariff::MeteredByPeriod(tariff) => {
                TranchePrice { price: tariff.price, discount_permille: 0 }.amount_half_even(so_far.weight)
            }
            Tariff::FloorArea(_) => {
                let (passed, days) = self.days(carrier, tranche)?;
                let whole = u128::from(days) * u128::from(1_000 - tranche.discount_permille);
                ratio_half_even(u128::from(tranche.paid.0) * 1_000 * u128::from(passed), whole).map(Money)
            }
        };
        let keeps = match ending {
            true => undiscounted.unwrap_or(tranche.paid).saturating_sub(so_far.billed).min(left),
            false => Money::ZERO,
        };
        let expected = left.saturating_sub(keeps);
        if (amount, withheld) != (expected, keeps) {
            return Err(format!(
                "{amount} goes back and {withheld} is withheld, the tranche gives {expected} and {keeps}"
            ));
        }
        Ok(())
    }
}

/// What was consumed and owed before is what was charged and is owed now.
fn check_weights(carrier: Carrier, weights: &Weights, ending: bool) -> Result<(), BillError> {
    let Weights { consumed, owed_before, charged, owed, owed_charged } = *weights;
    if consumed + owed_before != charged + owed {
        return Err(wrong_sum(format!(
            "of {carrier} {consumed} was consumed and {owed_before} owed before, {charged} is charged and {owed} owed"
        )));
    }
    if ending && owed_charged.unwrap_or(0) != owed {
        return Err(wrong_sum(format!(
            "at the end {owed} of {carrier} is owed, {} is charged",
            owed_charged.unwrap_or(0)
        )));
    }
    Ok(())
}
