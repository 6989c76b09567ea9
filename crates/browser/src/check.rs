//! Whether a proof holds, from the genesis document alone. Take that document from where it is trusted: a node that forges
//! blocks would forge it too.

use crate::{Failed, parse, read, read_bytes, write};
use serde::Serialize;
use utilidor_ledger::record::{AccountRecord, MeterRecord, Record};
use utilidor_proof::document::{Proof, StateProof};
use utilidor_proof::{Members, ProofDocument};
use utilidor_sdk::core::check::{Checked, Trust, check, signed_by_devices};
use utilidor_types::cell::{CELL_BYTES, Cell, Key, from_cells};
use utilidor_types::handover::Handover;
use utilidor_types::{
    AccountId, Carrier, Certificate, CertificateId, Genesis, MeterId, Money, Timestamp, decode, encode,
};
use wasm_bindgen::prelude::wasm_bindgen;

/// The chain that begins with a genesis document.
#[wasm_bindgen]
pub fn chain_of(genesis: &str) -> Result<String, Failed> {
    Ok(read::<Genesis>("the genesis document", genesis)?.chain().to_string())
}

/// Checks a proof document of any kind, JSON as the node sent it. Gives what it has shown, in JSON.
#[wasm_bindgen]
pub fn check_proof(genesis: &str, document: &[u8]) -> Result<String, Failed> {
    let (_, shown) = checked(genesis, document)?;
    write(&shown)
}

/// What a bill's proof has shown, with the certificates of the readings that it rests on.
#[derive(Serialize)]
struct BillWithCertificates {
    shown: Checked,
    certificates: Vec<Certificate>,
    /// Those of them that their devices have signed by themselves.
    by_device: Vec<CertificateId>,
}

/// Checks the proof of a bill, JSON as the node sent it. Gives what it has shown with the certificates of the readings that it
/// rests on, in JSON.
#[wasm_bindgen]
pub fn check_readings_of_bill(genesis: &str, document: &[u8]) -> Result<String, Failed> {
    let (document, shown) = checked(genesis, document)?;
    let Proof::Bill(bill) = &document.proof else { return Err(Failed("the proof is of no bill".into())) };
    let Some(readings) = &bill.readings else { return Err(Failed("the proof is short, without the readings".into())) };
    let certificates = readings.entries.iter().flat_map(|(entry, _)| entry.run().certificates()).collect();
    write(&BillWithCertificates { shown, certificates, by_device: signed_by_devices(&readings.entries) })
}

/// A proof document, and what it has shown.
fn checked(genesis: &str, document: &[u8]) -> Result<(ProofDocument, Checked), Failed> {
    let genesis: Genesis = read("the genesis document", genesis)?;
    let document: ProofDocument = read_bytes("the proof", document)?;
    let shown = check(&document, Trust::Genesis(&genesis));
    Ok((document, shown.map_err(|error| Failed::of("the proof does not hold", &error))?))
}

/// What the members have signed of a record after the newest block.
#[derive(Serialize)]
struct Stood<T> {
    height: u64,
    /// How many members could make that block final.
    validators: usize,
    time_ms: Timestamp,
    /// None: there is no such record.
    record: Option<T>,
    /// What leads to the newest validators known now: to keep, for the next check.
    handovers: Vec<Handover>,
}

/// What an account has.
#[derive(Serialize)]
struct Balance {
    free: Money,
    reserved: Money,
    nonce: u64,
}

/// What is known of a meter for ever.
#[derive(Serialize)]
struct Measured {
    carrier: Carrier,
}

/// The key of the state under which an account's balance stands: what to ask a node's proof of.
#[wasm_bindgen]
pub fn account_key(account: &str) -> Result<String, Failed> {
    Ok(hex::encode(key_of::<AccountRecord>(&parse::<AccountId>("account", account)?).0))
}

/// The same for what a meter measures.
#[wasm_bindgen]
pub fn meter_key(meter: &str) -> Result<String, Failed> {
    Ok(hex::encode(key_of::<MeterRecord>(&parse::<MeterId>("meter", meter)?).0))
}

/// Checks the proof of an account's balance. Gives the balance and the block after which it was so, in JSON, with the handovers
/// to keep. `kept` is what was kept of the last check, `[]` before the first: validators that have been replaced since prove
/// no balance.
#[wasm_bindgen]
pub fn check_balance(genesis: &str, kept: &str, account: &str, proof: &str) -> Result<String, Failed> {
    let key = key_of::<AccountRecord>(&parse("account", account)?);
    write(&stood(genesis, kept, key, proof, |cell| {
        let record = from_cells([cell])?;
        let AccountRecord { free, reserved, nonce, .. } = decode(&record, CELL_BYTES).ok()?;
        Some(Balance { free, reserved, nonce })
    })?)
}

/// The same for what a meter measures, which never changes.
#[wasm_bindgen]
pub fn check_carrier(genesis: &str, kept: &str, meter: &str, proof: &str) -> Result<String, Failed> {
    let key = key_of::<MeterRecord>(&parse("meter", meter)?);
    write(&stood(genesis, kept, key, proof, |cell| Some(Measured { carrier: MeterRecord::carrier_in(cell)? }))?)
}

fn stood<T>(
    genesis: &str,
    kept: &str,
    key: Key,
    proof: &str,
    read_record: impl FnOnce(&Cell) -> Option<T>,
) -> Result<Stood<T>, Failed> {
    let genesis: Genesis = read("the genesis document", genesis)?;
    let kept: Vec<Handover> = read("what was kept of changes of the validators", kept)?;
    let proof: StateProof = read("the proof", proof)?;
    if proof.key != key {
        return Err(Failed("the proof is about something else".into()));
    }
    let holds = |error: utilidor_proof::ProofError| Failed::of("the proof does not hold", &error);
    let members = Members::of(&genesis).and_then(|members| members.following(&kept)).map_err(holds)?;
    let (header, members) = proof.verify_newest(members).map_err(holds)?;
    let other_form = || Failed("the record has another form".into());
    let record = proof.cell.as_ref().map(|cell| read_record(cell).ok_or_else(other_form)).transpose()?;
    Ok(Stood {
        height: header.height,
        validators: members.at(header.round.epoch).keys().len(),
        time_ms: header.time,
        record,
        handovers: members.handovers().to_vec(),
    })
}

fn key_of<R: Record>(id: &R::Id) -> Key {
    Key::of(R::TABLE, &encode(id))
}
