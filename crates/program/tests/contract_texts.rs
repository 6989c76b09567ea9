//! The texts of all contracts in `contracts/`: each sentence that the other side reads before it signs names a test that there is.
//! A contract's own tests hold this as well; here it is held that none goes without such a list.

use std::path::Path;
use utilidor_program::host::unheld;
use utilidor_types::program::Manifest;

/// The pairs of string literals of `const HELD`.
fn held(tests: &str) -> Vec<(&str, &str)> {
    let Some((_, list)) = tests.split_once("const HELD: &[(&str, &str)] = &[") else { return Vec::new() };
    let list = list.split_once("\n];").map_or(list, |(list, _)| list);
    // No sentence has a quotation mark, so every second part is between two.
    let literals: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
    literals.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
}

#[test]
fn each_sentence_of_every_contract_names_a_test_that_there_is() {
    let contracts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts");
    let mut seen = 0;
    for entry in std::fs::read_dir(contracts).unwrap() {
        let folder = entry.unwrap().path();
        let manifest = folder.join("manifest.json");
        if !manifest.is_file() {
            continue;
        }
        let tests = folder.join("tests/published_numbers.rs");
        let tests = std::fs::read_to_string(&tests).unwrap_or_else(|error| panic!("{}: {error}", tests.display()));
        let manifest: Manifest = serde_json::from_str(&std::fs::read_to_string(&manifest).unwrap()).unwrap();
        let held = held(&tests);
        assert_eq!(unheld(&manifest, &held, &tests), Vec::<String>::new(), "{}", folder.display());
        assert!(!held.is_empty(), "{} has a text", folder.display());
        seen += 1;
    }
    assert!(seen >= 6, "{seen} contracts");
}
