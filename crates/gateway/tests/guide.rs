//! The guide to meters: whoever sees a code in the status of a gateway finds there what to do.

use std::collections::BTreeSet;
use std::path::Path;

const GUIDE: &str = include_str!("../../../docs/guide/meters.md");
/// Kinds of codes that operators see, and of which each stands in the guide by its name.
const KINDS: [&str; 8] = ["line", "meter", "register", "reading", "virtual", "clock", "uplink", "ocpp"];
/// What `gateway check` says by itself, and what a first look leads to but never becomes an event.
const NO_EVENTS: [&str; 9] = [
    "meter/carrier",
    "meter/modulus",
    "meter/retired",
    "meter/unknown",
    "reading/after-silence",
    "reading/first",
    "reading/out-of-order",
    "reading/replayed",
    "reading/rollover",
];

/// The codes that stand as texts in the sources of a folder.
fn codes(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            codes(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = std::fs::read_to_string(path).unwrap();
            let is_code = |text: &&str| {
                let (kind, rest) = text.split_once('/').unwrap_or_default();
                KINDS.contains(&kind) && !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
            };
            found.extend(text.split('"').filter(is_code).map(String::from));
        }
    }
}

#[test]
fn each_code_that_a_gateway_notes_has_a_row_in_the_guide() {
    let mut found = BTreeSet::new();
    codes(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.len() > 30, "{found:?}");
    let rows: String = GUIDE.lines().filter(|line| line.starts_with("| `")).map(first_cell).collect();
    let missing: Vec<_> = found
        .iter()
        .filter(|code| !NO_EVENTS.contains(&code.as_str()) && !rows.contains(&format!("`{code}`")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    for family in ["frame/...", "ocmf/..."] {
        assert!(rows.contains(family), "{family}");
    }
}

fn first_cell(line: &str) -> &str {
    line.trim_start_matches('|').split('|').next().unwrap_or_default()
}
