//! What a bill proof must contain: found by running the program through the agreement's whole past, with the code that
//! verifies the proof afterwards.

use crate::bill::Before;
use crate::evidence::{Happened, Place};
use crate::readings::Correction;
use crate::replay::Replay;
use std::collections::{BTreeMap, BTreeSet};
use utilidor_types::action::Action;
use utilidor_types::event::{Event, MeterSegment};
use utilidor_types::{AgreementId, ChainId, MeterId, Window};

/// A receipt that belongs to a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Where it stands.
    pub place: Place,
    /// Whether its transaction belongs to the proof too.
    pub with_transaction: bool,
}

/// What belongs to a bill proof.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// What made the agreement and its terms, up to a statement before, or to its signing.
    pub made: Vec<Part>,
    /// What was held then.
    pub before: Before,
    /// What the program was told since; the last one issued the statement.
    pub told: Vec<Part>,
    /// What corrected readings of these times before the program was told of them, and stands in neither list: it belongs to a whole
    /// proof.
    pub corrected: Vec<Part>,
    /// The meters' times whose certified readings belong to a whole proof.
    pub readings: BTreeMap<MeterId, Window>,
}

/// Selects what belongs to the proof of an agreement's statement of this number. `history` holds, in the order of execution,
/// all receipts that may concern the agreement, with their transactions; what does not is passed over.
pub fn select<'h>(
    chain: ChainId,
    agreement: AgreementId,
    number: u32,
    history: impl IntoIterator<Item = Happened<'h>>,
) -> Result<Selection, String> {
    let history: Vec<Happened<'h>> = history.into_iter().collect();
    let mut replay = Replay::new(chain, agreement);
    let mut selection: Option<Selection> = None;
    let (mut made, mut last) = (Vec::new(), None);
    for happened in history.iter().copied() {
        let action = happened.transaction.map(|signed| &signed.transaction.action);
        let with_transaction = action.is_some_and(|action| replay.needs_transaction(action));
        if !with_transaction && !replay.concerns(happened.receipt) {
            continue;
        }
        let part = Part { place: happened.place, with_transaction };
        let transaction = happened.transaction.filter(|_| with_transaction);
        replay.take(Happened { transaction, ..happened })?;
        match &mut selection {
            Some(selection) => {
                selection.told.push(part);
                note_readings(agreement, happened, &mut selection.readings);
            }
            None => {}
        }
        if action.filter(|_| with_transaction).is_some_and(makes_terms) {
            made.push(part);
        }
        if replay.issued_in(happened, number).is_some() {
            let mut selection = selection.ok_or("the statement comes before the agreement is active")?;
            selection.corrected = corrected(agreement, &selection, &history);
            return Ok(selection);
        }
        let issued = replay.issued().map(|statement| statement.number);
        let (Some(program), Some(terms)) = (replay.program(), replay.terms()) else { continue };
        // A bill goes on from the last statement after which nothing waited to be told again.
        if last.replace(issued) != Some(issued) && program.is_at_rest(terms, replay.issued()) {
            let (made, before) = (made.clone(), Before::of(program));
            selection = Some(Selection { made, before, ..Selection::default() });
        }
    }
    Err(format!("the agreement has no statement {number}"))
}

/// Whether an action makes or changes an agreement's terms, or what they refer to.
fn makes_terms(action: &Action) -> bool {
    matches!(
        action,
        Action::PublishOffers { .. }
            | Action::SubmitQuotes { .. }
            | Action::PublishPackage(_)
            | Action::PublishProgram(_)
            | Action::Award { .. }
            | Action::ProposeAgreement { .. }
            | Action::Subscribe { .. }
            | Action::SignAgreement { .. }
            | Action::ProposeAmendment { .. }
            | Action::SignAmendment { .. }
    )
}

fn note_readings(agreement: AgreementId, happened: Happened<'_>, readings: &mut BTreeMap<MeterId, Window>) {
    for segment in segments(agreement, happened) {
        let window = readings.entry(segment.meter).or_insert(segment.interval);
        window.from = window.from.min(segment.interval.from);
        window.to = window.to.max(segment.interval.to);
    }
}

/// What of a receipt's segments concerns the agreement.
fn segments(agreement: AgreementId, happened: Happened<'_>) -> impl Iterator<Item = &MeterSegment> {
    let segments = happened.receipt.events().iter().filter_map(|event| match event {
        Event::Segment(segment) => Some(segment),
        _ => None,
    });
    segments.filter(move |segment| segment.is_of(agreement) && !segment.interval.is_empty())
}

/// The corrections that change the registers of what is told, but for those that are among it.
fn corrected(agreement: AgreementId, selection: &Selection, history: &[Happened<'_>]) -> Vec<Part> {
    let places: BTreeSet<Place> = selection.made.iter().chain(&selection.told).map(|part| part.place).collect();
    let told: BTreeSet<Place> = selection.told.iter().map(|part| part.place).collect();
    let told = history.iter().filter(|happened| told.contains(&happened.place));
    let told: Vec<_> =
        told.flat_map(|happened| segments(agreement, *happened).map(|of| (happened.place, of))).collect();
    let changes = |happened: &&Happened<'_>| {
        let mut corrections = happened.receipt.events().iter().filter_map(Correction::of);
        corrections.any(|of| told.iter().any(|(place, segment)| happened.place < *place && of.changes(segment)))
    };
    let others = history.iter().filter(|happened| !places.contains(&happened.place)).filter(changes);
    others.map(|happened| Part { place: happened.place, with_transaction: false }).collect()
}
