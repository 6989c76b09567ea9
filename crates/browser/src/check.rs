//! Whether a proof holds, from the genesis document alone. Take that document from where it is trusted: a node that forges
//! blocks would forge it too.

use crate::{Failed, parse, read, read_bytes, write};
use serde::Serialize;
use utilidor_ledger::record::{AccountRecord, Record as _};
use utilidor_proof::document::{Proof, StateProof};
use utilidor_proof::{Members, ProofDocument};
use utilidor_sdk::core::check::{Checked, Trust, check};
use utilidor_types::cell::{Key, from_cells};
use utilidor_types::handover::Handover;
use utilidor_types::{AccountId, Certificate, Genesis, Money, decode, encode};
use wasm_bindgen::prelude::wasm_bindgen;

/// The chain that begins with a genesis document.
#[wasm_bindgen]
pub fn chain_of(genesis: &str) -> Result<String, Failed> {
    Ok(read::<Genesis>("the genesis document", genesis)?.chain().to_string())
}

/// Checks a proof document of any kind, JSON as the node sent it. Gives what it has shown, in JSON.
#[wasm_bindgen]
pub fn check_proof(genesis: &str, document: &[u8]) -> Result<String, Failed> {
    let genesis: Genesis = read("the genesis document", genesis)?;
    let document: ProofDocument = read_bytes("the proof", document)?;
    let checked = check(&document, Trust::Genesis(&genesis));
    write(&checked.map_err(|error| Failed::of("the proof does not hold", &error))?)
}

/// What a bill's proof has shown, with the readings that it rests on.
#[derive(Serialize)]
struct BillWithReadings {
    shown: Checked,
    readings: Vec<Certificate>,
}

/// Checks the proof of a bill, JSON as the node sent it. Gives what it has shown with the readings that it rests on, in JSON.
#[wasm_bindgen]
pub fn check_readings_of_bill(genesis: &str, document: &[u8]) -> Result<String, Failed> {
    let genesis: Genesis = read("the genesis document", genesis)?;
    let document: ProofDocument = read_bytes("the proof", document)?;
    let shown = check(&document, Trust::Genesis(&genesis));
    let shown = shown.map_err(|error| Failed::of("the proof does not hold", &error))?;
    let Proof::Bill(bill) = &document.proof else { return Err(Failed("the proof is of no bill".into())) };
    let Some(readings) = &bill.readings else { return Err(Failed("the proof is short, without the readings".into())) };
    let readings = readings.entries.iter().flat_map(|(entry, _)| entry.run().certificates()).collect();
    write(&BillWithReadings { shown, readings })
}

/// What an account has, as the members have signed it.
#[derive(Serialize)]
struct Balance {
    height: u64,
    /// How many members could make that block final.
    validators: usize,
    time_ms: utilidor_types::Timestamp,
    free: Money,
    reserved: Money,
    nonce: u64,
    /// What leads to the newest validators known now: to keep, for the next check.
    handovers: Vec<Handover>,
}

/// The key of the state under which an account's balance stands: what to ask a node's proof of.
#[wasm_bindgen]
pub fn account_key(account: &str) -> Result<String, Failed> {
    Ok(hex::encode(key_of(parse("account", account)?).0))
}

/// Checks the proof of an account's balance. Gives the balance and the block after which it was so, in JSON, with the handovers
/// to keep. `kept` is what was kept of the last check, `[]` before the first: validators that have been replaced since prove
/// no balance.
#[wasm_bindgen]
pub fn check_balance(genesis: &str, kept: &str, account: &str, proof: &str) -> Result<String, Failed> {
    let genesis: Genesis = read("the genesis document", genesis)?;
    let kept: Vec<Handover> = read("what was kept of changes of the validators", kept)?;
    let proof: StateProof = read("the proof", proof)?;
    if proof.key != key_of(parse("account", account)?) {
        return Err(Failed("the proof is about something else than this account".into()));
    }
    let holds = |error: utilidor_proof::ProofError| Failed::of("the proof does not hold", &error);
    let members = Members::of(&genesis).and_then(|members| members.following(&kept)).map_err(holds)?;
    let (header, members) = proof.verify_newest(members).map_err(holds)?;
    let Some(cell) = proof.cell else { return Err(Failed("the account is not open".into())) };
    let cells = [cell];
    let record = from_cells(&cells).ok_or_else(|| Failed("the account's record has another form".into()))?;
    let account: AccountRecord = decode(&record, utilidor_types::CELL_BYTES)
        .map_err(|error| Failed::of("the account's record has another form", &error))?;
    write(&Balance {
        height: header.height,
        validators: members.at(header.round.epoch).keys().len(),
        time_ms: header.time,
        free: account.free,
        reserved: account.reserved,
        nonce: account.nonce,
        handovers: members.handovers().to_vec(),
    })
}

fn key_of(account: AccountId) -> Key {
    Key::of(AccountRecord::TABLE, &encode(&account))
}
