//! What `ARCHITECTURE.md` says of the files, compared with the files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Lines above which a file has a reason in the table.
const MOST_LINES: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Rust files under a folder, by their path from it.
fn sources(folder: &Path, below: &str, found: &mut Vec<(String, PathBuf)>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        if entry.file_type().unwrap().is_dir() {
            if name != "target" {
                sources(&entry.path(), &path, found);
            }
        } else if name.ends_with(".rs") {
            found.push((path, entry.path()));
        }
    }
}

/// The paths that `a/{b,c/d}.rs` stands for.
fn expanded(path: &str) -> Vec<String> {
    match path.split_once('{').and_then(|(head, rest)| Some((head, rest.split_once('}')?))) {
        None => vec![path.into()],
        Some((head, (choices, tail))) => choices.split(',').map(|choice| format!("{head}{choice}{tail}")).collect(),
    }
}

#[test]
fn the_table_of_long_files_names_those_that_are_and_no_others() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let (_, section) = text.split_once("## Files above 500 lines").unwrap();
    let section = section.split("\n## ").next().unwrap();
    // The first cell of a row names the files, the second one says why.
    let rows = section.lines().filter(|line| line.starts_with("| ") && line.contains('`'));
    let cells = rows.filter_map(|row| row.split('|').find(|cell| cell.contains('`')));
    let named: BTreeSet<String> = cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .filter(|path| path.ends_with(".rs"))
        .flat_map(expanded)
        .collect();

    let mut files = Vec::new();
    sources(&root().join("crates"), "", &mut files);
    sources(&root().join("contracts"), "contracts", &mut files);
    let long = files.iter().filter(|(_, file)| std::fs::read_to_string(file).unwrap().lines().count() > MOST_LINES);
    let long: BTreeSet<String> = long.map(|(path, _)| path.clone()).collect();
    assert_eq!(named.difference(&long).collect::<Vec<_>>(), Vec::<&String>::new(), "named, and not that long");
    assert_eq!(long.difference(&named).collect::<Vec<_>>(), Vec::<&String>::new(), "that long, and not named");
}
