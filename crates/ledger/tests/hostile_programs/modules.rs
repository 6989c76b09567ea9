//! Hostile programs: modules made for the purpose, and the repository's contracts, with bytes changed or as they are.

use crate::effects::{Setting, answer, beginning, of, one_in};
use rand::RngExt as _;
use rand::rngs::StdRng;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use utilidor_program::wasm;
use utilidor_types::Timestamp;
use utilidor_types::program::{Code, Manifest};
use utilidor_types::time::{DAY_MS, HOUR_MS};

/// How often bytes of a contract are changed until admission lets it through.
const CHANGES: usize = 32;
/// Answers that a generated module has.
const ANSWERS: usize = 4;
/// Where they stand, one after so many bytes the other, and where it is said how long they are.
const ANSWERS_AT: usize = 131_072;
const ANSWER_BYTES: usize = 8_192;
const PLACES_AT: usize = ANSWERS_AT + (ANSWERS + 1) * ANSWER_BYTES;
const SIGNED_AT: usize = PLACES_AT + 8 * ANSWERS;

/// What a module does instead of answering; `$n` is a number of the event.
const ACTS: &[&str] = &[
    "(loop (br 0))",
    "(call $deep)",
    "(loop (call $bomb) (br 0))",
    "(loop (drop (memory.grow (i32.const 1))) (br 0))",
    "(drop (memory.grow (i32.const 65536)))",
    "(loop (memory.fill (i32.const 100000) (i32.const 9) (i32.const 65536)) (br 0))",
    "(memory.copy (i32.const 0) (i32.const 300000) (i32.const 1))",
    "(drop (i32.div_u (i32.const 1) (i32.const 0)))",
    "(drop (i32.load (i32.const -1)))",
    "(call_indirect (type $t) (i32.const 1))",
    "(call_indirect (type $t) (i32.const 9))",
    "(unreachable)",
    "(return (i64.const -1))",
    // An answer of all that there is, and one of more than there may be.
    "(return (i64.const 131072))",
    "(return (i64.const 131073))",
    // Nearly all of an event's fuel, and then it answers.
    "(local.set $n (i32.const 25000)) (loop (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))",
];

/// A module that answers commands with what they say, and everything else with one of its answers or with what it does instead.
fn generated(rng: &mut StdRng, setting: Setting) -> Code {
    let (mut segments, mut places) = (String::new(), String::new());
    let data = |into: &mut String, at: usize, bytes: &[u8]| {
        write!(into, "(data (i32.const {at}) \"").unwrap();
        bytes.iter().for_each(|byte| write!(into, "\\{byte:02x}").unwrap());
        into.push_str("\")");
    };
    for number in 0..=ANSWERS {
        // The last is for when all have signed: mostly nothing that keeps the agreement from beginning.
        let bytes = if number == ANSWERS && !one_in(rng, 8) { beginning(rng, setting) } else { answer(rng, setting) };
        let (at, mut bytes) = (ANSWERS_AT + number * ANSWER_BYTES, bytes);
        bytes.truncate(ANSWER_BYTES);
        data(&mut segments, at, &bytes);
        data(&mut places, PLACES_AT + 8 * number, &((at as u64) << 32 | bytes.len() as u64).to_le_bytes());
    }
    let acts = if rng.random() { of(rng, ACTS) } else { "" };
    let acts_for = rng.random_range(0..4);
    let salt: u32 = rng.random_range(0..ANSWERS as u32);
    // The first byte of the input is the event's number: 7 is a command, with its party and its bytes.
    let text = format!(
        r#"(module (type $t (func)) (memory (export "memory") 3) (global (export "buffer") i32 (i32.const 0))
           (table 2 funcref) {segments} {places}
           (func $deep (call $deep))
           (func $bomb (local {}))
           (func (export "act") (param $len i32) (result i64) (local $n i32) (local $event i32)
             (local.set $event (i32.load8_u (i32.const 0)))
             (if (i32.eqz (local.get $event)) (then (return (i64.load (i32.const {SIGNED_AT})))))
             (local.set $n (i32.rem_u (i32.add (local.get $len) (i32.const {salt})) (i32.const 4)))
             (if (i32.eq (local.get $n) (i32.const {acts_for})) (then {acts}))
             (if (i32.eq (local.get $event) (i32.const 7)) (then
               (return (i64.or (i64.const {}) (i64.extend_i32_u (i32.load (i32.const 2)))))))
             (i64.load (i32.add (i32.const {PLACES_AT})
               (i32.shl (i32.and (i32.add (local.get $event) (local.get $len)) (i32.const 3)) (i32.const 3))))))"#,
        "i64 ".repeat(250),
        6u64 << 32,
    );
    Code::new(wat::parse_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"))).unwrap()
}

/// The contracts of this repository, with the kinds of their parameters.
pub struct Contracts(Vec<(Vec<u8>, Vec<String>)>);

impl Contracts {
    pub fn read() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts");
        let mut folders: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        folders.sort();
        let contract = |folder: PathBuf| {
            let code = std::fs::read(folder.join("contract.wasm")).ok()?;
            let manifest = std::fs::read_to_string(folder.join("manifest.json")).ok()?;
            let (_, parameters) = manifest.split_once("\"parameters\"")?;
            let (parameters, _) = parameters.split_once(']')?;
            let kinds = parameters.split("\"kind\": \"").skip(1).filter_map(|rest| rest.split('"').next());
            Some((code, kinds.map(str::to_owned).collect()))
        };
        let contracts: Vec<_> = folders.into_iter().filter_map(contract).collect();
        assert!(contracts.len() >= 6, "the repository has six contracts with code");
        Self(contracts)
    }
}

/// A program to be published.
pub struct Hostile {
    pub code: Code,
    pub name: &'static str,
    /// Parameters that it may take.
    pub parameters: Vec<u8>,
}

impl Hostile {
    pub fn manifest(&self) -> Manifest {
        Manifest { name: self.name.parse().unwrap(), ..Manifest::default() }
    }
}

fn parameter(rng: &mut StdRng, kind: &str, now: Timestamp) -> i64 {
    let midnight = now.0 / DAY_MS * DAY_MS;
    match kind {
        "price" => rng.random_range(1..1_000_000),
        "quantity" => 3_600_000 * rng.random_range(1..100),
        "money" => 1_000_000 * rng.random_range(1..60),
        "time" => (midnight + DAY_MS * rng.random_range(0..3)) as i64,
        "duration" => of(rng, &[DAY_MS, DAY_MS, DAY_MS, HOUR_MS, 2 * DAY_MS]) as i64,
        "permille" => rng.random_range(0..1_001),
        _ => of(rng, &[1, 2, 3, 4, 7, 24, 0, -1]),
    }
}

fn contract(rng: &mut StdRng, now: Timestamp, contracts: &Contracts) -> Hostile {
    let (code, kinds) = &contracts.0[rng.random_range(0..contracts.0.len())];
    let mut code = code.clone();
    if !one_in(rng, 3) {
        for _ in 0..CHANGES {
            let mut changed = code.clone();
            for _ in 0..rng.random_range(1..4) {
                let place = rng.random_range(8..changed.len());
                changed[place] =
                    if rng.random() { rng.random() } else { changed[place] ^ (1 << rng.random_range(0..8)) };
            }
            if wasm::check(&changed).is_ok() {
                code = changed;
                break;
            }
        }
    }
    let parameters = kinds.iter().flat_map(|kind| parameter(rng, kind, now).to_le_bytes()).collect();
    Hostile { code: Code::new(code).unwrap(), name: "contract", parameters }
}

/// A hostile program.
pub fn program(rng: &mut StdRng, setting: Setting, contracts: &Contracts) -> Hostile {
    if one_in(rng, 4) {
        return contract(rng, setting.now, contracts);
    }
    let parameters = vec![rng.random(); rng.random_range(0..64)];
    Hostile { code: generated(rng, setting), name: "generated", parameters }
}
