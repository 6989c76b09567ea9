//! Labels: what a creator calls what it creates. The id is derived from the label and the creator's account, so that whoever
//! tries again under the same label gets the first result, and nobody can take another's id.

use crate::failure::Failure;
use crate::said;
use serde_json::{Map, Value};
use utilidor_sdk::core::random;
use utilidor_types::Label;

/// A label as people write it: 32 hex digits stand for themselves, any other text for its hash.
pub fn of(text: &str) -> Label {
    text.parse().unwrap_or_else(|_| Label::of_text(text))
}

/// The label that was given, else a random one.
pub fn or_random(given: Option<&str>) -> Result<Label, Failure> {
    match given {
        Some(text) => Ok(of(text)),
        None => random::label().map_err(|error| {
            Failure::from_error("randomness", said!("no label could be chosen", "无法选定标签"), &error)
        }),
    }
}

/// Completes the label of a document: a text becomes the label that it stands for, a missing one is chosen.
pub fn complete(fields: &mut Map<String, Value>) -> Result<(), Failure> {
    let label = match fields.get("label") {
        None | Some(Value::Null) => or_random(None)?,
        Some(Value::String(text)) => of(text),
        // Anything else is told with its place when the document is read.
        Some(_) => return Ok(()),
    };
    fields.insert("label".into(), label.to_string().into());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_text_stands_for_its_hash_and_hex_digits_for_themselves() {
        assert_eq!(of(&"07".repeat(16)), Label([7; 16]));
        assert_eq!(of("spring tender"), Label::of_text("spring tender"));
        assert_ne!(or_random(None).unwrap(), or_random(None).unwrap());
    }

    #[test]
    fn a_document_without_a_label_gets_one_and_keeps_its_own() {
        let completed = |document: Value| {
            let Value::Object(mut fields) = document else { panic!("an object") };
            complete(&mut fields).unwrap();
            fields["label"].as_str().unwrap().parse::<Label>().unwrap()
        };
        assert_ne!(completed(json!({})), completed(json!({})));
        assert_eq!(completed(json!({ "label": "a" })), Label::of_text("a"));
    }
}
