//! A bill proof: everything that justifies one statement, to be checked by anyone, offline, from the chain's id alone.
//!
//! ```text
//! genesis -> members -> headers -> receipts and transactions
//!      transactions that made the agreement -> its terms
//!      state after the last statement (its digest stands in this one)
//!      receipts since -> what the program was told -> the program, run again -> this statement
//!      certified readings, and corrections of them -> registers at the marks -> the segments that the program was told of
//! ```
//!
//! A *whole* proof brings the certified readings; a *short* one relies on the registers at the marks, which stand in receipts
//! that the members have signed. Both run the program again, so the arithmetic of a bill stands in one place, the program.
//!
//! Every part is bound by hash or signature, or checked against a digest that is, so a proof with any byte changed is
//! refused, or shows the same.

use crate::evidence::{Happened, Headers, Place, ReadingsEvidence, ReceiptEvidence};
use crate::inclusion::{FinalHeader, ProofError};
use crate::members::Members;
use crate::readings::{Correction, check_segment};
use crate::replay::{Pots, Program, Replay};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utilidor_program::State;
use utilidor_types::agreement::{AgreementTerms, Party};
use utilidor_types::encoding::{DecodeError, decode, encode, hex_bytes};
use utilidor_types::event::{Event, MeterSegment, Purpose};
use utilidor_types::handover::Handover;
use utilidor_types::{AgreementId, Certificate, ChainId, Digest, Genesis, MeterId, Money, Statement};

/// Longest bill proof in bytes.
pub const MAX_BILL_BYTES: usize = 64 * 1024 * 1024;

/// What the program and the ledger held for the agreement after a statement before, or when it was signed: all that its program
/// goes on from. Its digest stands in the next statement.
#[derive(Debug, Clone, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Before {
    /// The program's state.
    #[serde(with = "hex_bytes")]
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub state: Vec<u8>,
    /// What was reserved.
    pub pots: Vec<(Party, Purpose, Money)>,
    /// What was owed.
    pub debt: Money,
    /// Who wanted to end it: bit `n` is party `n`.
    pub ending: u16,
}

/// All that justifies a statement.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct BillProof {
    /// The chain's first page.
    pub genesis: Genesis,
    /// What leads from there to the validators of the newest header; empty while those of the document still sign.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handovers: Vec<Handover>,
    /// The headers that the parts stand under, by rising height; each serves at least one part.
    pub headers: Vec<FinalHeader>,
    /// The agreement.
    pub agreement: AgreementId,
    /// The statement's number in it: the last receipt can have issued several.
    pub number: u32,
    /// What made the agreement and its terms, in the order of execution, up to there.
    pub made: Vec<ReceiptEvidence>,
    /// What was held then.
    pub before: Before,
    /// What the program was told since, in the order of execution; the last one issued the statement. Others are among it where they
    /// were issued together, and where a published program had not done yet what it was told before.
    pub told: Vec<ReceiptEvidence>,
    /// What corrected certified readings before the program was told of them, as far as it stands in neither list; nothing in a short
    /// proof.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub corrected: Vec<ReceiptEvidence>,
    /// The certified readings behind the segments; none in a short proof.
    pub readings: Option<ReadingsEvidence>,
}

/// What a verified bill says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct VerifiedBill {
    /// The chain.
    pub chain: ChainId,
    /// Height of the block that issued the statement.
    pub height: u64,
    /// The statement.
    pub statement: Statement,
    /// The terms it was made by.
    pub terms: AgreementTerms,
    /// Number of certified readings that it was checked against; none for a short proof of what was metered.
    pub readings: Option<usize>,
    /// Number of records in which devices have signed such readings in a public format, each checked with the device's key.
    pub device_records: usize,
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
}

impl BillError {
    pub(crate) fn incoherent(part: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Incoherent { part: part.into(), reason: reason.into() }
    }
}

/// The part of a proof that a statement goes on from.
const HELD_BEFORE: &str = "what was held before";

impl Before {
    /// What a replay holds.
    pub fn of(program: &Program) -> Self {
        let pots = program.pots_held().into_iter();
        Self {
            state: encode(&program.state),
            pots: pots.map(|((party, purpose), pot)| (party, purpose, pot)).collect(),
            debt: program.debt,
            ending: program.ending,
        }
    }

    fn program(&self) -> Result<Program, BillError> {
        let state: State = decode(&self.state, MAX_BILL_BYTES)
            .map_err(|error| BillError::incoherent(HELD_BEFORE, format!("its state cannot be read: {error}")))?;
        let pots: Pots = self.pots.iter().map(|(party, purpose, pot)| ((*party, *purpose), *pot)).collect();
        Ok(Program { state, pots, debt: self.debt, ending: self.ending, ..Program::default() })
    }
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
            .and_then(|members| members.following(&self.handovers))
            .map_err(|source| BillError::NotProven { part: "the validators".into(), source })?;
        let headers = Headers::verify(&self.headers, &members)?;
        let mut replay = Replay::new(chain, self.agreement);
        let mut corrections = Corrections::default();
        for (part, evidence) in parts("what corrected readings", &self.corrected) {
            let happened = headers.happened(&part, evidence)?;
            if corrections.take(happened) == 0 {
                return Err(BillError::incoherent(part, "it corrects none"));
            }
        }
        for (part, evidence) in parts("what made the agreement", &self.made) {
            let happened = headers.happened(&part, evidence)?;
            corrections.take(happened);
            replay.take_making(happened).map_err(|reason| BillError::incoherent(part, reason))?;
        }
        let before = self.before.program()?;
        let Some(terms) = replay.terms() else {
            return Err(BillError::incoherent("what made the agreement", "it makes none"));
        };
        let standing = before.standing(terms).digest();
        replay.take_over(before);
        let told = parts("what the program was told", &self.told);
        let told = told.map(|(part, evidence)| Ok((headers.happened(&part, evidence)?, part)));
        let told: Vec<_> = told.collect::<Result<_, BillError>>()?;
        // Before the program runs on it: of what was changed, this names it.
        if let Some(statement) = told.iter().find_map(|(happened, _)| replay.statements_in(*happened).next()) {
            check_before(standing, statement)?;
        }
        let mut segments = Vec::new();
        let mut last = None;
        for (happened, part) in told {
            corrections.take(happened);
            segments.extend(self.segments(&replay, &part, happened));
            replay.take(happened).map_err(|reason| BillError::incoherent(part.as_str(), reason))?;
            last = Some(happened);
        }
        let statement = last.and_then(|last| replay.issued_in(last, self.number));
        let (Some(statement), Some(last), Some(terms)) = (statement, last, replay.terms()) else {
            let reason = format!("its last receipt issues no statement {}", self.number);
            return Err(BillError::incoherent("what the program was told", reason));
        };
        let (readings, device_records) = self.check_readings(&headers, &segments, &corrections)?;
        headers.all_used()?;
        Ok(VerifiedBill {
            chain,
            height: last.place.height,
            statement: statement.clone(),
            terms: terms.clone(),
            readings,
            device_records,
            validators: members.newest().keys().len(),
        })
    }

    /// The segments of a receipt that the agreement's program was told of or that its purchases filled, each with the
    /// calendar that cuts it.
    fn segments<'s>(&self, replay: &Replay, part: &str, happened: Happened<'s>) -> Vec<Cut<'s>> {
        let segments = happened.receipt.events().iter().filter_map(|event| match event {
            Event::Segment(segment) => Some(segment),
            _ => None,
        });
        let cut = segments.filter(|segment| segment.is_of(self.agreement)).map(|segment| {
            let supplied = segment.supply.is_some_and(|(agreement, _)| agreement == self.agreement);
            let calendar = replay.calendar(segment.meter, segment.interval.from).filter(|_| supplied);
            let calendar = calendar.map(|(calendar, offset)| (calendar.clone(), offset));
            Cut { part: part.into(), place: happened.place, segment, calendar }
        });
        cut.collect()
    }

    /// How many certified readings and how many devices' records the segments follow from; none where there are segments and no
    /// readings.
    fn check_readings(
        &self,
        headers: &Headers<'_>,
        segments: &[Cut<'_>],
        corrections: &Corrections,
    ) -> Result<(Option<usize>, usize), BillError> {
        let Some(evidence) = &self.readings else { return Ok((segments.is_empty().then_some(0), 0)) };
        let part = "the certified readings";
        let header = headers.get(part, evidence.header)?;
        let mut of_meter: BTreeMap<MeterId, Vec<Certificate>> = BTreeMap::new();
        let mut next = None;
        for (entry, inclusion) in &evidence.entries {
            let run = entry.run();
            let part = format!("the run from certificate {} on", run.first);
            inclusion.verify(header, entry).map_err(|source| BillError::NotProven { part: part.clone(), source })?;
            if next.is_some_and(|next| run.first < next) {
                return Err(BillError::incoherent(part, "runs stand by rising ids"));
            }
            entry.check().map_err(|reason| BillError::incoherent(part, reason.to_string()))?;
            next = Some(run.end());
            of_meter.entry(run.meter).or_default().extend(run.certificates());
        }
        for Cut { part, place, segment, calendar } in segments {
            let certificates: Vec<&Certificate> = of_meter.get(&segment.meter).into_iter().flatten().collect();
            let calendar = calendar.as_ref().map(|(calendar, offset)| (calendar, *offset));
            check_segment(segment, calendar, &certificates, &corrections.before(*place))
                .map_err(|reason| BillError::incoherent(format!("{part}, meter {}", segment.meter), reason))?;
        }
        if let Some(meter) = of_meter.keys().find(|meter| !segments.iter().any(|cut| cut.segment.meter == **meter)) {
            return Err(BillError::incoherent(part, format!("meter {meter} is none of the agreement's")));
        }
        let device_records = evidence.entries.iter().filter(|(entry, _)| entry.signed().is_some()).count();
        Ok((Some(of_meter.values().map(Vec::len).sum()), device_records))
    }
}

fn check_before(found: Digest, statement: &Statement) -> Result<(), BillError> {
    if found != statement.state_before {
        let reason = format!("its digest is {found}, the statement goes on from {}", statement.state_before);
        return Err(BillError::incoherent(HELD_BEFORE, reason));
    }
    Ok(())
}

/// Corrections of readings, by where they were made.
#[derive(Default)]
struct Corrections(BTreeMap<Place, Vec<Correction>>);

impl Corrections {
    /// Takes those of a receipt, and tells how many these are.
    fn take(&mut self, happened: Happened<'_>) -> usize {
        let corrections: Vec<_> = happened.receipt.events().iter().filter_map(Correction::of).collect();
        let count = corrections.len();
        self.0.insert(happened.place, corrections);
        count
    }

    fn before(&self, place: Place) -> Vec<Correction> {
        self.0.range(..place).flat_map(|(_, corrections)| corrections.iter().copied()).collect()
    }
}

/// A segment with the calendar that cuts it, and where it was told.
struct Cut<'a> {
    part: String,
    place: Place,
    segment: &'a MeterSegment,
    calendar: Option<(utilidor_types::package::Calendar, i16)>,
}

fn parts<'e>(
    list: &'static str,
    evidence: &'e [ReceiptEvidence],
) -> impl Iterator<Item = (String, &'e ReceiptEvidence)> {
    evidence.iter().enumerate().map(move |(number, evidence)| (format!("{list}, receipt {}", number + 1), evidence))
}
