//! What a program issues, held against a statement of the ledger, and where they part.

use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use utilidor_program::Draft;
use utilidor_types::statement::Closing;
use utilidor_types::{Money, Statement, Window};

/// Compares what the program issues with what the ledger says, line by line.
pub fn compare(draft: &Draft, statement: &Statement) -> Result<(), String> {
    for (number, found) in statement.lines.iter().enumerate() {
        match draft.lines.get(number) {
            Some(expected) if expected == found => {}
            Some(expected) => {
                let differing = differing(&json!(found), &json!(expected));
                return Err(format!("line {}: {differing} by what was agreed and measured", number + 1));
            }
            None => return Err(format!("line {}: nothing leads to {}", number + 1, json!(found))),
        }
    }
    if let Some(missing) = draft.lines.get(statement.lines.len()) {
        return Err(format!("a line is missing: {}", json!(missing)));
    }
    let around = |closing: Closing, period: Window, substituted: bool, paid: Money, unpaid: Money| json!({ "closing": closing, "period": period, "substituted": substituted, "paid": paid, "unpaid": unpaid });
    let found = around(statement.closing, statement.period, statement.substituted, statement.paid, statement.unpaid);
    let expected = around(draft.closing, draft.period, draft.substituted, draft.paid, draft.unpaid);
    if found != expected {
        return Err(format!("{} by what was agreed and measured", differing(&found, &expected)));
    }
    Ok(())
}

/// The fields in which two JSON objects differ: `amount is "5", it would be "6"`.
fn differing(found: &Value, expected: &Value) -> String {
    let names: BTreeSet<&String> =
        [found, expected].into_iter().filter_map(Value::as_object).flat_map(Map::keys).collect();
    let told = names.into_iter().filter(|name| found.get(name) != expected.get(name)).map(|name| {
        let shown = |line: &Value| line.get(name).map_or_else(|| "nothing".into(), Value::to_string);
        format!("{name} is {}, it would be {}", shown(found), shown(expected))
    });
    told.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named_and_nothing_else() {
        let (found, expected) = (json!({ "a": "5", "b": 1, "d": [1] }), json!({ "a": "6", "b": 1, "c": null }));
        assert_eq!(
            differing(&found, &expected),
            "a is \"5\", it would be \"6\"; c is nothing, it would be null; d is [1], it would be nothing"
        );
        assert_eq!(differing(&found, &found), "");
    }
}
