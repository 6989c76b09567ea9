//! Whether a proof holds, from the genesis document alone. Take that document from where it is trusted: a node that forges
//! blocks would forge it too.

use crate::{Failed, parse, read, read_bytes, write};
use serde::{Deserialize, Serialize};
use utilidor_ledger::record::{AccountRecord, Record as _};
use utilidor_proof::{FinalHeader, Members, ProofDocument, StateInclusion};
use utilidor_sdk::core::check::{Trust, check};
use utilidor_types::cell::{Cell, Key, from_cells};
use utilidor_types::{AccountId, Genesis, Money, decode, encode};
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

/// The proof of what a key of the state held after a block, as a node gives it.
#[derive(Deserialize)]
struct StateProof {
    block: FinalHeader,
    key: Key,
    #[serde(default)]
    cell: Option<Cell>,
    inclusion: StateInclusion,
}

/// What an account has, as the members have signed it.
#[derive(Serialize)]
struct Balance {
    height: u64,
    time_ms: utilidor_types::Timestamp,
    free: Money,
    reserved: Money,
    nonce: u64,
}

/// The key of the state under which an account's balance stands: what to ask a node's proof of.
#[wasm_bindgen]
pub fn account_key(account: &str) -> Result<String, Failed> {
    Ok(hex::encode(key_of(parse("account", account)?).0))
}

/// Checks the proof of an account's balance. Gives the balance and the block after which it was so, in JSON.
#[wasm_bindgen]
pub fn check_balance(genesis: &str, account: &str, proof: &str) -> Result<String, Failed> {
    let genesis: Genesis = read("the genesis document", genesis)?;
    let StateProof { block, key, cell, inclusion } = read("the proof", proof)?;
    if key != key_of(parse("account", account)?) {
        return Err(Failed("the proof is about something else than this account".into()));
    }
    let holds = |error: utilidor_proof::ProofError| Failed::of("the proof does not hold", &error);
    let members = Members::of(&genesis).map_err(holds)?;
    let header = block.verify(&members).map_err(holds)?;
    inclusion.verify(header, key, cell.as_ref()).map_err(holds)?;
    let Some(cell) = cell else { return Err(Failed("the account is not open".into())) };
    let cells = [cell];
    let record = from_cells(&cells).ok_or_else(|| Failed("the account's record has another form".into()))?;
    let account: AccountRecord = decode(&record, utilidor_types::CELL_BYTES)
        .map_err(|error| Failed::of("the account's record has another form", &error))?;
    write(&Balance {
        height: header.height,
        time_ms: header.time,
        free: account.free,
        reserved: account.reserved,
        nonce: account.nonce,
    })
}

fn key_of(account: AccountId) -> Key {
    Key::of(AccountRecord::TABLE, &encode(&account))
}
