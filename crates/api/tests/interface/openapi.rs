//! The OpenAPI document is part of the interface: it changes only on purpose. After a change that is meant, run this test
//! with `UPDATE_OPENAPI=1` and commit `openapi.json`.

use std::collections::BTreeSet;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");

fn document() -> String {
    utilidor_api::openapi().to_pretty_json().unwrap() + "\n"
}

#[test]
fn the_openapi_document_is_the_one_that_was_published() {
    let document = document();
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(GOLDEN, &document).unwrap();
    }
    let golden = std::fs::read_to_string(GOLDEN).unwrap();
    assert!(document == golden, "the document differs from {GOLDEN}; if that is meant, run with UPDATE_OPENAPI=1");
}

#[test]
fn every_reference_in_the_document_leads_somewhere() {
    fn references(value: &serde_json::Value, found: &mut BTreeSet<String>) {
        match value {
            serde_json::Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(|text| text.as_str()).map(String::from));
                fields.values().for_each(|value| references(value, found));
            }
            serde_json::Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document: serde_json::Value = serde_json::from_str(&document()).unwrap();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.contains("#/components/schemas/Problem"));
    for reference in found {
        let pointer = reference.strip_prefix('#').expect("references stay in the document");
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

#[test]
fn every_operation_says_what_it_does_and_how_it_fails() {
    let document: serde_json::Value = serde_json::from_str(&document()).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() > 30, "{} paths", paths.len());
    for (path, operations) in paths {
        for (method, operation) in operations.as_object().unwrap() {
            assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{method} {path}");
            for (status, response) in operation["responses"].as_object().unwrap() {
                assert!(response["description"].as_str().is_some_and(|text| !text.is_empty()), "{path} {status}");
            }
            assert!(operation["responses"]["200"].is_object(), "{method} {path}");
            assert!(
                operation["responses"]["500"]["content"]["application/problem+json"].is_object(),
                "{method} {path}"
            );
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let name = parameter["name"].as_str().unwrap();
                assert!(parameter["description"].as_str().is_some_and(|text| !text.is_empty()), "{path} {name}");
            }
        }
    }
}

fn walk(
    value: &serde_json::Value,
    path: &str,
    visit: &mut impl FnMut(&str, &serde_json::Map<String, serde_json::Value>),
) {
    match value {
        serde_json::Value::Object(fields) => {
            visit(path, fields);
            fields.iter().for_each(|(name, value)| walk(value, &format!("{path}/{name}"), visit));
        }
        serde_json::Value::Array(items) => {
            items.iter().enumerate().for_each(|(place, value)| walk(value, &format!("{path}/{place}"), visit));
        }
        _ => {}
    }
}

/// All schemas: those with names, and those that stand where they are used. A map of names to schemas is none itself.
fn schemas(mut visit: impl FnMut(&str, &serde_json::Map<String, serde_json::Value>)) {
    let document: serde_json::Value = serde_json::from_str(&document()).unwrap();
    let mut visit = |path: &str, fields: &serde_json::Map<String, serde_json::Value>| {
        if !path.is_empty() && !path.ends_with("/properties") {
            visit(path, fields);
        }
    };
    walk(&document["components"]["schemas"], "", &mut visit);
    walk(&document["paths"], "", &mut |path, fields| {
        if let Some(schema) = fields.get("schema") {
            // A parameter has its name beside its schema.
            let name = fields.get("name").and_then(|name| name.as_str()).unwrap_or("body");
            walk(schema, &format!("{path}/{name}"), &mut visit);
        }
    });
}

#[test]
fn no_schema_leaves_open_what_an_object_holds() {
    let mut open = Vec::new();
    schemas(|path, fields| {
        let object = match fields.get("type") {
            Some(serde_json::Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
            kind => kind.is_some_and(|kind| kind == "object"),
        };
        let typed =
            ["properties", "additionalProperties", "allOf", "oneOf"].iter().any(|key| fields.contains_key(*key));
        if fields.is_empty() || (object && !typed) {
            open.push(path.to_owned());
        }
    });
    assert_eq!(open, Vec::<String>::new());
}

/// A number in JavaScript is exact up to 2^53. What can pass it is a decimal string; these can not: they count blocks, or
/// what is in them, or milliseconds of the ledger's calendar; or a bound of the rules (an index is at most 10^15 millionths).
const COUNTED: &[&str] = &[
    "Timestamp",
    "accounts",
    "after",
    "after_height",
    "awards",
    "blocks",
    "certificates",
    "count",
    "end",
    "epoch",
    "epoch_length",
    "expires",
    "first_violation",
    "height",
    "hours",
    "indexed_height",
    "last",
    "max",
    "max_micro",
    "members",
    "meters",
    "misconduct",
    "nonce",
    "now",
    "number",
    "offers",
    "parent_view",
    "pool",
    "position",
    "readings",
    "ready_epoch",
    "start",
    "statements",
    "transactions",
    "version",
    "view",
];

#[test]
fn numbers_that_can_pass_2_to_the_53_are_strings() {
    let mut found = BTreeSet::new();
    schemas(|path, fields| {
        let wide = fields.get("format").is_some_and(|format| format == "int64");
        let structure = |part: &&str| ["items", "oneOf", "allOf"].contains(part) || part.parse::<u32>().is_ok();
        let name = path.rsplit('/').find(|part| !structure(part)).unwrap_or_default();
        if wide && !name.ends_with("_ms") && !COUNTED.contains(&name) {
            found.insert(path.to_owned());
        }
    });
    assert_eq!(found, BTreeSet::new());
}

#[test]
fn every_operation_has_an_id_of_its_own() {
    let document: serde_json::Value = serde_json::from_str(&document()).unwrap();
    let operations =
        document["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values());
    let ids: Vec<_> = operations.map(|operation| operation["operationId"].as_str().unwrap()).collect();
    let distinct: BTreeSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len(), "{ids:?}");
}
