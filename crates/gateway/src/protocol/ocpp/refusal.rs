//! What a message is answered with that cannot be understood.

use super::{MAX_ID, Version, error};
use crate::protocol::Refused;
use serde_json::value::RawValue;

/// What refuses a message that cannot be understood, as the standard of its version has it; none where it says to pass over: answers, kinds of
/// message that are not known, and by 1.6 what has no id that could be read. By 2.0.1 that is answered with id -1.
///
/// A station takes no answer for a line that is lost, and says the same for as long as it lives; an error ends that after so many tries.
pub fn refusal(text: &str, version: Version, refused: &Refused) -> Option<String> {
    let parts = serde_json::from_str::<Vec<&RawValue>>(text).unwrap_or_default();
    match parts.first().map(|kind| kind.get()) {
        Some("3" | "4") => return None,
        Some(kind) if kind != "2" && kind.parse::<i64>().is_ok() => return None,
        _ => {}
    }
    let is_call = parts.first().is_some_and(|kind| kind.get() == "2");
    let id = parts.get(1).filter(|_| is_call).and_then(|id| serde_json::from_str::<String>(id.get()).ok());
    let id = id.filter(|id| id.len() <= MAX_ID);
    // What is wrong before its payload is looked at: the frame of a call, or what it holds.
    let is_framed =
        matches!(parts[..], [_, _, action, payload] if action.get().starts_with('"') && payload.get().starts_with('{'));
    match (id, version) {
        (Some(id), Version::V201) if is_framed => Some(error(&id, "FormatViolation", &refused.to_string())),
        (Some(id), Version::V201) => Some(error(&id, "RpcFrameworkError", &refused.to_string())),
        (None, Version::V201) => Some(error("-1", "RpcFrameworkError", &refused.to_string())),
        (Some(id), Version::V16) => Some(error(&id, "FormationViolation", &refused.to_string())),
        (None, Version::V16) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::call;
    use super::*;

    #[test]
    fn a_malformed_call_is_answered_with_the_error_that_its_version_has_for_it() {
        let long = format!("[2,\"{}\",\"Heartbeat\",{{}}]", "i".repeat(MAX_ID + 1));
        for (text, by_16, by_201) in [
            // No action, no payload, too much, another kind of action or payload, fields that are missing.
            ("[2,\"7\"]", Some("[4,\"7\",\"FormationViolation\""), Some("[4,\"7\",\"RpcFrameworkError\"")),
            ("[2,\"7\",{}]", Some("[4,\"7\",\"FormationViolation\""), Some("[4,\"7\",\"RpcFrameworkError\"")),
            ("[2,\"7\",\"A\",{},1]", Some("[4,\"7\",\"FormationViolation\""), Some("[4,\"7\",\"RpcFrameworkError\"")),
            ("[2,\"7\",5,{}]", Some("[4,\"7\",\"FormationViolation\""), Some("[4,\"7\",\"RpcFrameworkError\"")),
            (
                "[2,\"7\",\"Authorize\",[]]",
                Some("[4,\"7\",\"FormationViolation\""),
                Some("[4,\"7\",\"RpcFrameworkError\""),
            ),
            (
                "[2,\"7\",\"MeterValues\",{}]",
                Some("[4,\"7\",\"FormationViolation\""),
                Some("[4,\"7\",\"FormatViolation\""),
            ),
            // Without an id that can be read.
            ("[2,7,\"Heartbeat\",{}]", None, Some("[4,\"-1\",\"RpcFrameworkError\"")),
            (long.as_str(), None, Some("[4,\"-1\",\"RpcFrameworkError\"")),
            ("[2]", None, Some("[4,\"-1\",\"RpcFrameworkError\"")),
            ("[]", None, Some("[4,\"-1\",\"RpcFrameworkError\"")),
            ("{\"2\":1}", None, Some("[4,\"-1\",\"RpcFrameworkError\"")),
            ("no json", None, Some("[4,\"-1\",\"RpcFrameworkError\"")),
            // Kinds that are not known are passed over, and so are answers.
            ("[5,\"7\",\"A\",{}]", None, None),
            ("[4,\"7\"]", None, None),
        ] {
            for (version, expected) in [(Version::V16, by_16), (Version::V201, by_201)] {
                let Err(refused) = call(text, version) else {
                    assert_eq!((call(text, version), expected), (Ok(None), None), "{text}");
                    continue;
                };
                let answer = refusal(text, version, &refused);
                let is_expected = match (&answer, expected) {
                    (Some(answer), Some(begin)) => answer.starts_with(begin) && answer.len() < 512,
                    (answer, expected) => answer.is_none() && expected.is_none(),
                };
                assert!(is_expected, "{version:?} {text}: {answer:?}");
            }
        }
    }

    #[test]
    fn a_field_of_a_call_that_stands_twice_is_refused_by_its_name() {
        for (text, version) in [
            ("[2,\"7\",\"Authorize\",{\"idTag\":\"A\",\"idTag\":\"B\"}]", Version::V16),
            (
                "[2,\"7\",\"StartTransaction\",{\"connectorId\":1,\"idTag\":\"T\",\"meterStart\":1,\"meterStart\":2,\"timestamp\":\
                 \"2024-05-01T10:00:00Z\"}]",
                Version::V16,
            ),
            ("[2,\"7\",\"Authorize\",{\"idToken\":{\"idToken\":\"A\",\"idToken\":\"B\"}}]", Version::V201),
        ] {
            let error = call(text, version).unwrap_err().to_string();
            assert!(error.contains("duplicate field `"), "{error}");
        }
    }
}
