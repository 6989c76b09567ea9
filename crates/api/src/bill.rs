//! Putting a bill proof together: the index knows what belongs to a statement, the chain proves each part.

use crate::extract::Path;
use crate::problem::{Problem, Problems};
use crate::state::App;
use crate::statement::unknown;
use axum::extract::State;
use std::collections::{BTreeMap, BTreeSet};
use utilidor_index::block::TransactionRow;
use utilidor_index::money::CauseRow;
use utilidor_index::statement::StatementRow;
use utilidor_index::{ReadError, Reader};
use utilidor_types::action::Action;
use utilidor_types::agreement::Origin;
use utilidor_types::bill::{BillProof, CertificatesEvidence, ReceiptEvidence, TransactionEvidence};
use utilidor_types::proof::FinalHeader;
use utilidor_types::statement::StatementLine;
use utilidor_types::{AgreementId, Carrier, PackageId, Program, SignedTransaction, TransactionHash};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(bill_proof))
}

/// Everything that justifies a statement: members' signatures, the transactions that made the agreement, prepayments and
/// certified readings, each with its path to a final block. `utilidor verify` checks it offline and works the lines out again.
#[utoipa::path(
    get, path = "/v1/statements/{agreement}/{number}/proof", tag = "proofs",
    params(
        ("agreement" = String, Path, description = "16 bytes in hex"),
        ("number" = u32, Path, description = "1, then 2, ... for each agreement")
    ),
    responses((status = 200, description = "The bill proof", body = Object), Problems)
)]
async fn bill_proof(
    State(app): State<App>,
    Path((agreement, number)): Path<(AgreementId, u32)>,
) -> Result<axum::Json<BillProof>, Problem> {
    let parts = app.read(move |reader| Parts::find(reader, agreement, number)).await?;
    let parts = parts.ok_or_else(|| unknown(agreement, number))?;
    Ok(axum::Json(assemble(&app, parts).await?))
}

/// What belongs to a bill, as the index knows it.
struct Parts {
    statement: CauseRow,
    earlier: Vec<CauseRow>,
    steps: Vec<(TransactionRow, SignedTransaction)>,
    /// Places of certified runs in the certification log.
    runs: Vec<u64>,
}

impl Parts {
    fn find(reader: &Reader, agreement: AgreementId, number: u32) -> Result<Option<Self>, ReadError> {
        let (Some(row), Some(terms)) =
            (reader.statement(agreement, number)?, reader.terms_of_statement(agreement, number)?)
        else {
            return Ok(None);
        };
        let place = (row.cause.height, row.cause.receipt);
        let tranches = tranches_of(&row);
        let mut earlier = BTreeSet::from_iter(number.checked_sub(1).filter(|before| *before > 0));
        for (carrier, tranche) in &tranches {
            earlier.extend(reader.last_statement_on_tranche(agreement, number, *carrier, *tranche)?);
        }
        let earlier = earlier.into_iter().map(|number| reader.statement(agreement, number));
        let earlier = earlier.filter_map(Result::transpose).map(|row| row.map(|row| row.cause));

        let mut steps = agreement_steps(reader, agreement, place)?;
        if matches!(terms.program, Program::Subscription(_)) {
            steps.extend(prepayments(reader, &row, &tranches, place)?);
        }
        let mut found = BTreeMap::new();
        for hash in steps {
            if let (Some(row), Some(signed)) = (reader.transaction(hash)?, reader.signed_transaction(hash)?) {
                found.insert((row.height, row.receipt_index), (row, signed));
            }
        }
        Ok(Some(Self {
            statement: row.cause.clone(),
            earlier: earlier.collect::<Result<_, _>>()?,
            steps: found.into_values().collect(),
            runs: reader.runs_of_statement(&terms, &row.statement)?,
        }))
    }
}

/// The tranches that a statement's lines name. Tranche 0 stands for days that none covers.
fn tranches_of(row: &StatementRow) -> BTreeSet<(Carrier, u32)> {
    let named = row.statement.lines.iter().filter_map(|line| match line {
        StatementLine::Charge { carrier, tranche, .. }
        | StatementLine::FloorArea { carrier, tranche, .. }
        | StatementLine::Refund { carrier, tranche, .. } => Some((*carrier, *tranche)),
        _ => None,
    });
    named.collect()
}

/// The transactions that made the agreement, and its amendments in force before `place`.
fn agreement_steps(
    reader: &Reader,
    agreement: AgreementId,
    place: (u64, u32),
) -> Result<BTreeSet<TransactionHash>, ReadError> {
    let mut hashes = BTreeSet::new();
    let Some(row) = reader.agreement(agreement)? else { return Ok(hashes) };
    let before = |cause: &CauseRow| (cause.height, cause.receipt) < place;
    let mut packages: BTreeSet<(PackageId, u32)> = BTreeSet::new();
    let original = row.steps.iter().find(|step| step.step == "proposed").and_then(|step| step.terms);
    let active = row.steps.iter().find(|step| step.step == "active").map(|step| &step.cause);
    let concluded =
        |cause: &CauseRow| active.is_none_or(|active| (cause.height, cause.receipt) <= (active.height, active.receipt));
    let signatures = row.steps.iter().filter(|step| step.step == "signed" && step.terms == original);
    hashes.extend(signatures.filter(|step| concluded(&step.cause)).filter_map(|step| step.cause.transaction));
    if let Origin::Award { offer } = row.origin {
        hashes.extend(reader.offer(offer)?.and_then(|offer| offer.cause.transaction));
        hashes.extend(reader.quote_of_agreement(agreement)?.and_then(|quote| quote.cause.transaction));
    }
    let amended = row.steps.iter().filter(|step| step.step == "amended" && before(&step.cause));
    for amended in amended {
        hashes.extend(amended.cause.transaction);
        let mut proposals =
            row.steps.iter().filter(|step| step.step == "amendment_proposed" && step.terms == amended.terms);
        let in_time = |cause: &CauseRow| (cause.height, cause.receipt) < (amended.cause.height, amended.cause.receipt);
        hashes.extend(proposals.rfind(|step| in_time(&step.cause)).and_then(|step| step.cause.transaction));
    }
    for hash in &hashes {
        let terms = match reader.signed_transaction(*hash)?.map(|signed| signed.transaction.action) {
            Some(Action::Subscribe { terms, .. }) => Some(terms),
            Some(Action::ProposeAmendment { program: Program::Subscription(terms), .. }) => Some(terms),
            Some(Action::ProposeAgreement { terms, .. }) => match terms.program {
                Program::Subscription(terms) => Some(terms),
                Program::Purchase(_) => None,
            },
            _ => None,
        };
        packages.extend(terms.map(|terms| (terms.package, terms.version)));
    }
    for (package, version) in packages {
        hashes.extend(reader.package(package, version)?.and_then(|package| package.cause.transaction));
    }
    Ok(hashes)
}

/// The prepayments of the tranches that a statement names; of a carrier with days that no tranche covers, all.
fn prepayments(
    reader: &Reader,
    row: &StatementRow,
    named: &BTreeSet<(Carrier, u32)>,
    place: (u64, u32),
) -> Result<BTreeSet<TransactionHash>, ReadError> {
    let subscription = reader.subscription(row.statement.agreement)?;
    let tranches = subscription.into_iter().flat_map(|subscription| subscription.tranches);
    let wanted = tranches.filter(|tranche| {
        (tranche.cause.height, tranche.cause.receipt) < place
            && (named.contains(&(tranche.carrier, tranche.tranche)) || named.contains(&(tranche.carrier, 0)))
    });
    Ok(wanted.filter_map(|tranche| tranche.cause.transaction).collect())
}

async fn assemble(app: &App, parts: Parts) -> Result<BillProof, Problem> {
    let chain = &app.chain;
    let mut headers: BTreeMap<u64, FinalHeader> = BTreeMap::new();
    let statement = chain.prove_receipt(parts.statement.height, parts.statement.receipt).await?;
    headers.insert(parts.statement.height, statement.block);
    let mut earlier = Vec::with_capacity(parts.earlier.len());
    for cause in &parts.earlier {
        let proof = chain.prove_receipt(cause.height, cause.receipt).await?;
        headers.insert(cause.height, proof.block);
        earlier.push((cause.height, proof.receipt, proof.inclusion));
    }
    let mut steps = Vec::with_capacity(parts.steps.len());
    for (row, signed) in parts.steps {
        let transaction = chain.prove_transaction(row.height, row.index).await?;
        let receipt = chain.prove_receipt(row.height, row.receipt_index).await?;
        headers.insert(row.height, transaction.block);
        steps.push((row.height, signed, transaction.inclusion, receipt.receipt, receipt.inclusion));
    }
    let runs = match parts.runs.is_empty() {
        true => None,
        false => Some(chain.prove_certified(parts.runs, Some(parts.statement.height)).await?.runs),
    };

    let heights: Vec<u64> = headers.keys().copied().collect();
    let number = |height: u64| heights.partition_point(|before| *before < height) as u32;
    let earlier = earlier.into_iter().map(|(height, receipt, inclusion)| ReceiptEvidence {
        header: number(height),
        receipt,
        inclusion,
    });
    let steps = steps.into_iter().map(|(height, signed, inclusion, receipt, receipt_inclusion)| TransactionEvidence {
        header: number(height),
        signed,
        inclusion,
        receipt,
        receipt_inclusion,
    });
    Ok(BillProof {
        genesis: chain.genesis().clone(),
        statement: ReceiptEvidence {
            header: number(parts.statement.height),
            receipt: statement.receipt,
            inclusion: statement.inclusion,
        },
        earlier: earlier.collect(),
        steps: steps.collect(),
        certificates: runs.map(|runs| CertificatesEvidence { header: number(parts.statement.height), runs }),
        headers: headers.into_values().collect(),
    })
}
