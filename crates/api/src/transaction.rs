//! Submitting transactions, and reading them with their receipts.

use crate::extract::{Asked, Path, Query};
use crate::peer::Peer;
use crate::problem::{Code, PROBLEM_JSON, Problem, Problems};
use crate::state::App;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, header};
use serde::Deserialize;
use std::collections::HashSet;
use std::time::Duration;
use tokio::time::Instant;
use tracing::field::Empty;
use tracing::{Instrument as _, info_span};
use utilidor_chain::Dropped;
use utilidor_index::questions::Outcome;
use utilidor_proof::document::{Proof, TransactionProof};
use utilidor_types::TransactionHash;
use utilidor_types::transaction::MAX_TRANSACTION_BYTES;
use utilidor_view::limits::{MAX_SUBMISSION_TRANSACTIONS, MAX_WAIT_MS};
use utilidor_view::{ProofDocument, Submission, SubmissionResult, Submitted, TransactionView, Viewer};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(submit_transactions))
        .routes(routes!(get_transaction))
        .routes(routes!(prove_transaction))
}

/// How long to wait.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wait {
    /// Milliseconds to wait until the transactions are final and can be read; at most 30000. 0 does not wait. Where too many
    /// wait already, a submission is answered at once.
    #[serde(default)]
    wait_ms: u64,
}

impl Wait {
    fn until(&self) -> Result<Option<Instant>, Problem> {
        match self.wait_ms {
            0 => Ok(None),
            wait if wait <= MAX_WAIT_MS => Ok(Some(Instant::now() + Duration::from_millis(wait))),
            wait => Err(Problem::new(Code::WaitTooLong, format!("{wait} ms is more than the {MAX_WAIT_MS} allowed"))),
        }
    }
}

/// Submits signed transactions. A transaction that the node knows already is taken again without effect, so a client may
/// repeat a submission until it has its receipts. What is taken is not yet final: wait for it, or ask later. A transaction
/// whose account, nonce or expiry makes it inadmissible is dropped, with the reason as its problem: nothing of it happened, and
/// it gets no receipt unless it is submitted again and the reason has passed.
#[utoipa::path(
    post, path = "/v1/transactions", tag = "transactions", params(Wait),
    request_body(
        description = "At most 4096 transactions and 8 MiB: the Borsh encoding of a list of byte strings (32-bit \
            little-endian count, then each with its 32-bit length), or JSON",
        content((Vec<u8> = "application/octet-stream"), (Submission = "application/json"))
    ),
    responses(
        (status = 200, description = "One result for each transaction, in order", body = Submitted),
        (status = 413, description = "`request/too-large`, `request/too-many-transactions`", body = utilidor_view::Problem,
            content_type = PROBLEM_JSON),
        (status = 415, description = "`request/media-type`", body = utilidor_view::Problem, content_type = PROBLEM_JSON),
        Problems
    )
)]
async fn submit_transactions(
    State(app): State<App>,
    peer: Peer,
    Asked(viewer): Asked,
    Query(wait): Query<Wait>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<axum::Json<Submitted>, Problem> {
    let until = wait.until()?;
    let transactions = read_transactions(&headers, &body?)?;
    let hashes: Vec<_> = transactions.iter().map(|bytes| utilidor_types::block::transaction_hash(bytes)).collect();

    let first = hashes.first().map(tracing::field::display);
    let submission = info_span!("submission", transactions = hashes.len(), first);
    let admission = info_span!(parent: &submission, "admission", taken = Empty);
    let answers = app.chain.submit(transactions).instrument(admission.clone()).await;
    admission.record("taken", answers.iter().filter(|answer| answer.is_ok()).count());
    drop(admission);
    // The pool forgets what is long final; the index does not.
    let refused = hashes.iter().zip(&answers).filter(|(_, answer)| answer.is_err()).map(|(hash, _)| *hash);
    let refused: Vec<_> = refused.collect();
    let final_before: HashSet<_> = match refused.is_empty() {
        true => HashSet::new(),
        false => app.ask(viewer, move |questions| questions.known(&refused)).await?.into_iter().collect(),
    };
    let results = hashes.into_iter().zip(answers).map(|(hash, answer)| match answer {
        Err(refused) if !final_before.contains(&hash) => {
            SubmissionResult { problem: Some(Problem::from(refused).0), ..Default::default() }
        }
        _ => SubmissionResult { hash: Some(hash), ..Default::default() },
    });
    let mut results: Vec<_> = results.collect();
    // What was taken was taken, whether or not there is a place to wait for it: the client can ask later.
    if let Some(until) = until
        && let Ok(_place) = app.wait_place(peer)
    {
        let hashes: Vec<_> = results.iter().filter_map(|result| result.hash).collect();
        let finality = info_span!(parent: &submission, "finality");
        let mut outcomes = outcomes(&app, viewer, hashes, until).instrument(finality).await?.into_iter();
        for result in results.iter_mut().filter(|result| result.hash.is_some()) {
            match outcomes.next().flatten() {
                Some(Ok(Outcome { height, receipt })) => {
                    (result.height, result.receipt) = (Some(height), Some(receipt));
                }
                Some(Err(dropped)) => result.problem = Some(Problem::from(dropped).0),
                None => {}
            }
        }
    }
    Ok(axum::Json(Submitted { results }))
}

/// What became of each transaction, once all are final and can be read or were dropped, or the time is over.
async fn outcomes(
    app: &App,
    viewer: Viewer,
    hashes: Vec<TransactionHash>,
    until: Instant,
) -> Result<Vec<Option<Result<Outcome, Dropped>>>, Problem> {
    let mut found: Vec<Option<Result<Outcome, Dropped>>> = hashes.iter().map(|_| None).collect();
    let mut indexed = app.indexed.clone();
    let mut drops = app.chain.drops();
    let mut stopping = app.stopping.clone();
    loop {
        indexed.borrow_and_update();
        drops.borrow_and_update();
        let missing: Vec<_> = (0..hashes.len()).filter(|place| found[*place].is_none()).collect();
        let asked: Vec<_> = missing.iter().map(|place| hashes[*place]).collect();
        let answers =
            app.ask(viewer, move |questions| asked.iter().map(|hash| questions.outcome(*hash)).collect()).await;
        let answers: Vec<Option<Outcome>> = answers?;
        for (place, answer) in missing.into_iter().zip(answers) {
            found[place] = answer.map(Ok).or_else(|| app.chain.dropped(hashes[place]).map(Err));
        }
        if found.iter().all(Option::is_some) {
            return Ok(found);
        }
        tokio::select! {
            changed = indexed.changed() => if changed.is_err() { return Ok(found) },
            changed = drops.changed() => if changed.is_err() { return Ok(found) },
            _ = stopping.wait_for(|stopping| *stopping) => return Ok(found),
            () = tokio::time::sleep_until(until) => return Ok(found),
        }
    }
}

/// The transactions of a submission, each in its canonical bytes.
fn read_transactions(headers: &HeaderMap, body: &[u8]) -> Result<Vec<Vec<u8>>, Problem> {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let malformed = |reason: String| Problem::new(Code::Malformed, reason);
    let transactions = match media_type.as_str() {
        "application/octet-stream" => byte_strings(body)?,
        "application/json" => {
            let submission: Submission = serde_json::from_slice(body).map_err(|error| malformed(error.to_string()))?;
            bounded(submission.transactions.len())?;
            let decoded = submission.transactions.iter().enumerate().map(|(place, text)| {
                hex::decode(text).map_err(|error| malformed(format!("transaction {place} is no hex: {error}")))
            });
            decoded.collect::<Result<_, _>>()?
        }
        other => {
            let detail = format!("{other:?} is neither application/octet-stream nor application/json");
            return Err(Problem::new(Code::MediaType, detail));
        }
    };
    Ok(transactions)
}

fn bounded(transactions: usize) -> Result<(), Problem> {
    if transactions > MAX_SUBMISSION_TRANSACTIONS {
        let detail = format!("{transactions} transactions are more than the {MAX_SUBMISSION_TRANSACTIONS} allowed");
        return Err(Problem::new(Code::TooMany, detail));
    }
    Ok(())
}

/// The Borsh encoding of a list of byte strings, read without allocating for lengths that are not there.
fn byte_strings(body: &[u8]) -> Result<Vec<Vec<u8>>, Problem> {
    fn length<'a>(rest: &mut &'a [u8]) -> Option<(usize, &'a [u8])> {
        let (length, after) = rest.split_first_chunk::<4>()?;
        *rest = after;
        Some((u32::from_le_bytes(*length) as usize, after))
    }
    let cut = || Problem::new(Code::Malformed, "the list of transactions ends early");
    let mut rest = body;
    let (count, _) = length(&mut rest).ok_or_else(cut)?;
    bounded(count)?;
    let mut transactions = Vec::with_capacity(count);
    for place in 0..count {
        let (bytes, after) = length(&mut rest).ok_or_else(cut)?;
        if bytes > MAX_TRANSACTION_BYTES.saturating_mul(2) {
            let detail = format!("transaction {place} has {bytes} bytes, at most {MAX_TRANSACTION_BYTES} are allowed");
            return Err(Problem::new(Code::Malformed, detail));
        }
        let (transaction, after) = after.split_at_checked(bytes).ok_or_else(cut)?;
        transactions.push(transaction.to_vec());
        rest = after;
    }
    if !rest.is_empty() {
        return Err(Problem::new(Code::Malformed, format!("{} bytes follow the list of transactions", rest.len())));
    }
    Ok(transactions)
}

/// A final transaction with its receipt, for whoever has its hash: it is told to nobody who may not see all of it. One that was
/// dropped lately is answered with the reason.
#[utoipa::path(
    get, path = "/v1/transactions/{hash}", tag = "transactions",
    params(("hash" = TransactionHash, Path, description = "The transaction's hash"), Wait),
    responses(
        (status = 200, body = TransactionView),
        (status = 409, description = "`transaction/unknown-account`, `transaction/wrong-nonce`, `transaction/expired`",
            body = utilidor_view::Problem, content_type = PROBLEM_JSON),
        Problems
    )
)]
async fn get_transaction(
    State(app): State<App>,
    peer: Peer,
    Asked(viewer): Asked,
    Path(hash): Path<TransactionHash>,
    Query(wait): Query<Wait>,
) -> Result<axum::Json<TransactionView>, Problem> {
    if let Some(until) = wait.until()? {
        // What is final needs no place.
        if let Some(row) = app.ask(viewer, move |questions| questions.transaction(hash)).await? {
            return Ok(axum::Json(row));
        }
        let _place = if app.chain.knows(hash) { app.wait_place(peer)? } else { app.wait_for_unknown_place(peer)? };
        outcomes(&app, viewer, vec![hash], until).await?;
    }
    let row = app.ask(viewer, move |questions| questions.transaction(hash)).await?;
    row.map(axum::Json).ok_or_else(|| match app.chain.dropped(hash) {
        Some(reason) => reason.into(),
        None => Problem::not_found(format!("final transaction {hash}")),
    })
}

/// The proof that a final block holds a transaction and left its receipt.
#[utoipa::path(
    get, path = "/v1/transactions/{hash}/proof", tag = "proofs",
    params(("hash" = TransactionHash, Path, description = "The transaction's hash")),
    responses((status = 200, body = ProofDocument), Problems)
)]
async fn prove_transaction(
    State(app): State<App>,
    Asked(viewer): Asked,
    Path(hash): Path<TransactionHash>,
) -> Result<axum::Json<ProofDocument>, Problem> {
    let row = app.ask(viewer, move |questions| questions.transaction(hash)).await?;
    let row = row.ok_or_else(|| Problem::not_found(format!("final transaction {hash}")))?;
    let transaction = app.chain.prove_transaction(row.height, row.index).await?;
    let receipt = app.chain.prove_receipt(row.height, row.receipt_index).await?;
    let proof = TransactionProof {
        handovers: app.chain.handovers_until(transaction.block.header.round.epoch),
        block: transaction.block,
        transaction: transaction.transaction,
        receipt: receipt.receipt,
        receipt_inclusion: receipt.inclusion,
    };
    Ok(axum::Json(Proof::Transaction(proof).document()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(result: Result<Vec<Vec<u8>>, Problem>) -> String {
        result.unwrap_err().0.code.into_owned()
    }

    #[test]
    fn a_list_of_byte_strings_is_read_strictly() {
        let list: Vec<Vec<u8>> = vec![vec![1, 2, 3], vec![], vec![4]];
        let bytes = utilidor_types::encode(&list);
        assert_eq!(byte_strings(&bytes).unwrap(), list);
        for end in 0..bytes.len() {
            assert_eq!(code(byte_strings(&bytes[..end])), "request/malformed", "cut at {end}");
        }
        assert_eq!(code(byte_strings(&[bytes, vec![0]].concat())), "request/malformed");
    }

    #[test]
    fn lengths_that_lie_are_refused_before_anything_is_allocated() {
        assert_eq!(code(byte_strings(&u32::MAX.to_le_bytes())), "request/too-many-transactions");
        let one_of_four_gigabytes = [1u32.to_le_bytes(), u32::MAX.to_le_bytes()].concat();
        assert_eq!(code(byte_strings(&one_of_four_gigabytes)), "request/malformed");
    }
}
