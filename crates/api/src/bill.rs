//! Putting a bill proof together: the index knows an agreement's past, `utilidor_proof` selects what belongs to the bill by
//! running the program through it, the chain proves each part.

use crate::extract::{AsksReadings, Path, Query};
use crate::problem::{Code, Problem, Problems};
use crate::state::App;
use crate::statement::unknown;
use axum::extract::State;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use utilidor_index::questions::Happening;
use utilidor_index::{Questions, ReadError};
use utilidor_proof::bill::BillProof;
use utilidor_proof::document::Proof;
use utilidor_proof::evidence::{Happened, Place, ReadingsEvidence, ReceiptEvidence};
use utilidor_proof::inclusion::FinalHeader;
use utilidor_proof::select::{Part, Selection, select};
use utilidor_types::{AgreementId, ChainId};
use utilidor_view::ProofDocument;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(prove_statement))
}

/// How much a bill proof brings.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct BillQuery {
    /// Leave out the certified readings and rely on the registers at the meters' marks, which stand in receipts.
    #[serde(default)]
    short: bool,
}

/// Everything that justifies a statement: members' signatures, the transactions that made the agreement, what its program was
/// told since the statement before, and certified readings, each with its path to a final block. `utilidor verify` checks it
/// offline and runs the program again.
#[utoipa::path(
    get, path = "/v1/statements/{agreement}/{number}/proof", tag = "proofs",
    params(
        ("agreement" = AgreementId, Path, description = "The agreement"),
        ("number" = u32, Path, description = "1, then 2, ... for each agreement"),
        BillQuery
    ),
    security(("token" = ["trade", "meters"])),
    responses((status = 200, body = ProofDocument), Problems)
)]
async fn prove_statement(
    State(app): State<App>,
    AsksReadings(viewer): AsksReadings,
    Path((agreement, number)): Path<(AgreementId, u32)>,
    Query(BillQuery { short }): Query<BillQuery>,
) -> Result<axum::Json<ProofDocument>, Problem> {
    let chain = app.chain.genesis().chain();
    let parts = app.ask(viewer, move |questions| Parts::find(questions, chain, agreement, number, short)).await?;
    let parts = parts.ok_or_else(|| unknown(agreement, number))?;
    let parts = parts.map_err(|unproven| match unproven {
        Unproven::Contradiction(reason) => Problem::new(Code::Internal, reason),
        Unproven::Mixed => Problem::new(
            Code::MixedEvidence,
            "a transaction that this bill rests on also holds what is others': its sender put both into one; ask the other party \
             or a supervisor",
        ),
    })?;
    let proof = assemble(&app, agreement, number, parts).await?;
    Ok(axum::Json(Proof::Bill(proof).document()))
}

/// Why a bill that is there is not proven.
enum Unproven {
    /// The past that the index holds does not lead to it.
    Contradiction(String),
    /// What proves it would show what whoever asks may not see.
    Mixed,
}

/// What belongs to a bill, as the index knows it.
struct Parts {
    selection: Selection,
    /// Where the transactions of the selected receipts stand among their blocks' transactions.
    transactions: BTreeMap<Place, u32>,
    /// Places in the certification log; none for a short proof.
    positions: Option<BTreeSet<u64>>,
}

impl Parts {
    /// `None` if there is no such statement.
    fn find(
        questions: &Questions<'_>,
        chain: ChainId,
        agreement: AgreementId,
        number: u32,
        short: bool,
    ) -> Result<Option<Result<Self, Unproven>>, ReadError> {
        if questions.statement(agreement, number)?.is_none() {
            return Ok(None);
        }
        let history = questions.history(agreement)?;
        let happened = history.iter().map(|happening| Happened {
            place: place(happening),
            time: happening.time,
            receipt: &happening.receipt,
            transaction: happening.transaction.as_ref().map(|(_, signed)| signed),
        });
        let selection = match select(chain, agreement, number, happened) {
            Ok(selection) if short => Selection { corrected: Vec::new(), ..selection },
            Ok(selection) => selection,
            Err(reason) => return Ok(Some(Err(Unproven::Contradiction(reason)))),
        };
        for part in parts(&selection) {
            if !questions.may_prove_by(part.place.height, part.place.receipt)? {
                return Ok(Some(Err(Unproven::Mixed)));
            }
        }
        let positions = match short {
            true => None,
            false => {
                let found =
                    selection.readings.iter().map(|(meter, window)| questions.positions_of_meter(*meter, *window));
                Some(found.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
            }
        };
        let wanted: BTreeSet<Place> =
            parts(&selection).filter(|part| part.with_transaction).map(|part| part.place).collect();
        let transactions =
            history.iter().filter_map(|happening| Some((place(happening), happening.transaction.as_ref()?.0)));
        let transactions = transactions.filter(|(place, _)| wanted.contains(place)).collect();
        Ok(Some(Ok(Self { selection, transactions, positions })))
    }
}

fn place(happening: &Happening) -> Place {
    Place { height: happening.height, receipt: happening.receipt_index }
}

fn parts(selection: &Selection) -> impl Iterator<Item = &Part> {
    selection.made.iter().chain(&selection.told).chain(&selection.corrected)
}

async fn assemble(app: &App, agreement: AgreementId, number: u32, parts: Parts) -> Result<BillProof, Problem> {
    let Parts { selection, transactions, positions } = parts;
    let mut headers = Headers::default();
    let made = evidence(app, &selection.made, &transactions, &mut headers).await?;
    let told = evidence(app, &selection.told, &transactions, &mut headers).await?;
    let corrected = evidence(app, &selection.corrected, &transactions, &mut headers).await?;
    let issued = selection.told.last().map(|part| part.place.height);
    let readings = match positions.filter(|positions| !positions.is_empty()) {
        Some(positions) => {
            let proof = app.chain.prove_certified(positions.into_iter().collect(), issued).await?;
            let height = headers.add(proof.block);
            Some((height, proof.entries))
        }
        None => None,
    };
    let place = |height| headers.number(height);
    let receipts = |evidence: Vec<(u64, ReceiptEvidence)>| {
        evidence.into_iter().map(|(height, evidence)| ReceiptEvidence { header: place(height), ..evidence }).collect()
    };
    let epoch = headers.0.values().map(|header| header.header.round.epoch).max().unwrap_or_default();
    Ok(BillProof {
        genesis: app.chain.genesis().clone(),
        handovers: app.chain.handovers_until(epoch),
        agreement,
        number,
        made: receipts(made),
        before: selection.before,
        told: receipts(told),
        corrected: receipts(corrected),
        readings: readings.map(|(height, entries)| ReadingsEvidence { header: place(height), entries }),
        headers: headers.0.into_values().collect(),
    })
}

/// The evidence of parts with their heights; the headers are numbered when all are known.
async fn evidence(
    app: &App,
    parts: &[Part],
    transactions: &BTreeMap<Place, u32>,
    headers: &mut Headers,
) -> Result<Vec<(u64, ReceiptEvidence)>, Problem> {
    let mut evidence = Vec::with_capacity(parts.len());
    for part in parts {
        let Place { height, receipt } = part.place;
        let proof = app.chain.prove_receipt(height, receipt).await?;
        headers.add(proof.block);
        let transaction = match transactions.get(&part.place) {
            Some(&index) => Some(app.chain.prove_transaction(height, index).await?.transaction),
            None => None,
        };
        let (receipt, inclusion) = (proof.receipt, proof.inclusion);
        evidence.push((height, ReceiptEvidence { header: 0, receipt, inclusion, transaction }));
    }
    Ok(evidence)
}

/// Headers by height.
#[derive(Default)]
struct Headers(BTreeMap<u64, FinalHeader>);

impl Headers {
    fn add(&mut self, header: FinalHeader) -> u64 {
        let height = header.header.height;
        self.0.insert(height, header);
        height
    }

    /// The header's place by rising height.
    fn number(&self, height: u64) -> u32 {
        self.0.range(..height).count() as u32
    }
}
