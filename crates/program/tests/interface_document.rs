//! `docs/program-interface.md` is written from the code that the ledger runs: the types that its adapter reads and writes, and the
//! limits of its engine. `UPDATE_INTERFACE=1` writes it anew.

use std::fmt::Write as _;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/program-interface.md");
const WIRE: &str = include_str!("../../program-sdk/src/wire.rs");
const LIMITS: [(&str, &str); 3] = [
    ("Fuel, memory, failures", include_str!("../src/wasm/mod.rs")),
    ("Admission", include_str!("../src/wasm/admission.rs")),
    ("What is published", include_str!("../../types/src/program.rs")),
];

const BEGIN: &str = "\
# The interface of programs

*Written by `UPDATE_INTERFACE=1 cargo test -p utilidor-program --test interface_document` from the code that the ledger runs; a test
holds it to that. How to write a contract: [guide/own-contract.md](guide/own-contract.md). Why it is so: ADR 0021.*

A program is given an `Input` and gives an `Answer`. Both are Borsh: integers little-endian, a list with a `u32` of its length in front,
an option with a byte in front (0: none), an enumeration with a byte in front: the number in its table. Structures are their fields in
order. SDKs for Rust and AssemblyScript read and write it (`crates/program-sdk`, `sdk/assemblyscript`); another one is held against
`sdk/assemblyscript/tests/vectors.txt`.
";

/// Joins the doc comment that ends before a line.
fn doc_before(lines: &[&str], place: usize) -> String {
    let is_attribute = |line: &&&str| line.trim_start().starts_with("#[");
    let above = lines[..place].iter().rev().skip_while(is_attribute);
    let mut doc: Vec<&str> = above.map_while(|line| line.trim_start().strip_prefix("///")).map(str::trim).collect();
    doc.reverse();
    doc.join(" ")
}

fn row(cells: &[&str]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |\n", cells.join(" | "))
}

/// The members of an enumeration or structure whose head stands at a place, by their lines.
fn members<'a>(lines: &[&'a str], head: usize) -> Vec<(usize, &'a str)> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let own = indent(lines[head]);
    let body =
        lines.iter().enumerate().skip(head + 1).take_while(|(_, line)| line.trim().is_empty() || indent(line) > own);
    let is_member = |line: &str| indent(line) == own + 4 && !line.trim_start().starts_with(['/', '#', '}']);
    body.filter(|(_, line)| is_member(line)).map(|(place, line)| (place, line.trim())).collect()
}

/// The fields of a variant that names them.
fn named_fields(lines: &[&str], variant: usize) -> String {
    let fields: Vec<&str> = members(lines, variant).iter().map(|(_, line)| line.trim_end_matches(',')).collect();
    format!("{{ {} }}", fields.join(", "))
}

/// A type, as a heading and a table.
fn type_of(lines: &[&str], head: usize, into: &mut String) {
    let line = lines[head].trim();
    let (kind, rest) = line.trim_start_matches("pub ").split_once(' ').unwrap();
    let name: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
    let doc = doc_before(lines, head);
    if let Some(of) = rest.split_once('(').map(|(_, of)| of.trim_end_matches(");").trim_start_matches("pub ")) {
        let _ = writeln!(into, "### {name}\n\n`{of}`. {doc}\n");
        return;
    }
    let _ = writeln!(into, "### {name}\n\n{doc}\n");
    let is_enumeration = kind == "enum";
    into.push_str(&row(if is_enumeration {
        &["byte", "name", "what it is"]
    } else {
        &["field", "type", "what it is"]
    }));
    into.push_str("|---|---|---|\n");
    for (number, (place, member)) in members(lines, head).into_iter().enumerate() {
        let what = doc_before(lines, place);
        let member = member.trim_end_matches(',').trim_start_matches("pub ");
        into.push_str(&match (is_enumeration, member.split_once(": ")) {
            (false, Some((field, of))) => row(&[&format!("`{field}`"), &format!("`{of}`"), &what]),
            _ => {
                let fields = if member.ends_with('{') { named_fields(lines, place) } else { String::new() };
                let member = format!("`{}{fields}`", member.trim_end_matches('{'));
                row(&[&number.to_string(), &member, &what])
            }
        });
    }
    into.push('\n');
}

/// The public constants of a source, and those of its faults.
fn constants(source: &str, into: &mut String) {
    let lines: Vec<&str> = source.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).collect();
    into.push_str(&row(&["name", "value", "what it is"]));
    into.push_str("|---|---|---|\n");
    for (place, line) in lines.iter().enumerate() {
        let line = line.trim_start_matches("pub ");
        let Some((name, value)) = line.strip_prefix("const ").and_then(|line| line.split_once(" = ")) else { continue };
        let name = name.split(':').next().unwrap_or(name);
        let value = value.split(';').next().unwrap_or(value);
        into.push_str(&row(&[&format!("`{name}`"), &format!("`{value}`"), &doc_before(&lines, place)]));
    }
}

fn document() -> String {
    let mut text = String::from(BEGIN);
    text.push_str("\n## What goes in and comes out\n\n");
    let lines: Vec<&str> = WIRE.lines().collect();
    let is_type = |line: &&str| line.starts_with("    pub struct ") || line.starts_with("    pub enum ");
    let heads = lines.iter().enumerate().filter(|(_, line)| is_type(line)).map(|(place, _)| place);
    heads.for_each(|head| type_of(&lines, head, &mut text));
    text.push_str("## Limits\n");
    for (title, source) in LIMITS {
        let _ = write!(text, "\n### {title}\n\n");
        constants(source, &mut text);
    }
    format!("{}\n", text.trim_end())
}

#[test]
fn the_document_of_the_interface_is_what_the_code_says() {
    let document = document();
    if std::env::var_os("UPDATE_INTERFACE").is_some() {
        std::fs::write(FILE, &document).unwrap();
    }
    let kept = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(kept == document, "docs/program-interface.md is not what the code says: write it by UPDATE_INTERFACE=1");
    for named in ["### Input", "### Effect", "| 13 | `Finish(End)` |", "`EVENT_FUEL` | `200_000`"] {
        assert!(document.contains(named), "{named}");
    }
}
