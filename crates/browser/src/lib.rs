//! What the client app does with keys and proofs, as WebAssembly: a thin layer over the SDK's core, which is the same code that
//! the command line and the members run.
//!
//! ```text
//! app --JSON--> worker --JSON, bytes--> this crate --> sdk::core, proof
//!                                          \-- secrets stay here, behind handles, and are wiped when a handle is freed
//! ```
//!
//! | file | answers |
//! |---|---|
//! | [`key`] | a secret behind a handle: making, opening and locking key files; signing what was shown; opening quotes |
//! | [`trade`] | ids, labels, digests, sealing; what the bytes of a transaction say |
//! | [`check`] | whether a proof holds, from the genesis document alone |
//! | [`estimate`] | what consumption comes to under a tariff, by the bill's own arithmetic |
//!
//! Values cross as JSON in the form that the node's interface has, amounts as decimal strings. An error is a sentence.
//!
//! Deliberately absent: the network, storage, clocks, and any rule.

pub mod check;
pub mod estimate;
pub mod key;
pub mod trade;

/// Why something could not be done, as a sentence that says what, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failed(String);

impl Failed {
    /// A failure in doing `what`, with everything that led to it.
    fn of(what: &str, error: &dyn std::error::Error) -> Self {
        let mut sentence = format!("{what}: {error}");
        let mut cause = error.source();
        while let Some(error) = cause {
            // Some errors already say what their cause says.
            let next = error.to_string();
            if !sentence.ends_with(&next) {
                sentence = format!("{sentence}: {next}");
            }
            cause = error.source();
        }
        Self(sentence)
    }
}

impl From<Failed> for wasm_bindgen::JsValue {
    fn from(failed: Failed) -> Self {
        wasm_bindgen::JsError::new(&failed.0).into()
    }
}

/// Reads a value from its JSON form.
fn read<T: serde::de::DeserializeOwned>(what: &str, json: &str) -> Result<T, Failed> {
    serde_json::from_str(json).map_err(|error| Failed::of(&format!("{what} cannot be read"), &error))
}

/// Reads a long document as the bytes that came over the network.
fn read_bytes<T: serde::de::DeserializeOwned>(what: &str, json: &[u8]) -> Result<T, Failed> {
    serde_json::from_slice(json).map_err(|error| Failed::of(&format!("{what} cannot be read"), &error))
}

/// Reads an id or hash from hex.
fn parse<T: std::str::FromStr<Err: std::error::Error>>(what: &str, text: &str) -> Result<T, Failed> {
    text.parse().map_err(|error| Failed::of(&format!("{text:?} is no {what}"), &error))
}

/// A value's JSON form.
fn write(value: &impl serde::Serialize) -> Result<String, Failed> {
    serde_json::to_string(value).map_err(|error| Failed::of("the result cannot be written", &error))
}
