//! Holds the engine that runs parties' programs against others: what wasmtime and V8 say of a module and an input, ours says too, answers
//! byte for byte and traps by their kind.
//!
//! `oracle modules COUNT SEED [NODE'S FLAGS]` (`make oracle`). The module of a seed is made by wasm-smith, or is one of the repository's contracts
//! with bytes changed; it is held against the others if admission lets it through. A difference names its seed, and `oracle modules 1
//! SEED` does it again. Events that used up their fuel are not compared: fuel is ours alone.
//!
//! `oracle clauses MODULE COUNT SEED` holds the native program of clause sheets against itself as WebAssembly ([`clauses`]).

mod clauses;
mod engines;
mod rewrite;

use engines::{Outcome, V8, Wasmtime, ours};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rewrite::{INPUT_BYTES, dress, with_limits};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;
use utilidor_program::wasm::{self, admission};

/// Inputs for each module.
const INPUTS: usize = 8;
/// One seed in so many is a contract with bytes changed.
const CONTRACT_ONE_IN: u64 = 4;
/// How often bytes are changed until something is admitted.
const CHANGES: usize = 64;
/// Room for what wasmtime lets a program put on the stack.
const STACK_BYTES: usize = 16 * 1024 * 1024;

/// What contracts are made of and told.
struct Corpus {
    contracts: Vec<(PathBuf, Vec<u8>)>,
    inputs: Vec<Vec<u8>>,
}

impl Corpus {
    fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let folders = std::fs::read_dir(root.join("contracts")).expect("the repository has contracts");
        let folders = folders.map(|folder| folder.expect("the folder can be read").path());
        let files =
            folders.flat_map(|folder| [folder.join("contract.wasm"), folder.join("assemblyscript/contract.wasm")]);
        let mut contracts: Vec<_> = files.filter_map(|file| Some((file.clone(), std::fs::read(file).ok()?))).collect();
        contracts.sort();
        let vectors =
            std::fs::read_to_string(root.join("sdk/assemblyscript/tests/vectors.txt")).expect("the SDK has vectors");
        let inputs = vectors.lines().filter_map(|line| bytes_of_hex(line.strip_prefix("answer ")?.split(' ').next()?));
        Self { contracts, inputs: inputs.collect() }
    }
}

fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    (0..text.len() / 2).map(|place| u8::from_str_radix(text.get(2 * place..2 * place + 2)?, 16).ok()).collect()
}

/// A module and what it is told.
struct Case {
    code: Vec<u8>,
    inputs: Vec<Vec<u8>>,
}

fn generated(rng: &mut StdRng) -> Option<Case> {
    let config = wasm_smith::Config {
        allow_floats: false,
        allow_start_export: false,
        disallow_traps: rng.random(),
        bulk_memory_enabled: rng.random(),
        exceptions_enabled: false,
        gc_enabled: false,
        compact_imports_enabled: false,
        max_imports: 0,
        min_funcs: 1,
        max_funcs: rng.random_range(1..24),
        max_types: 12,
        max_globals: 12,
        max_instructions: *[50, 200, 600].choose(rng)?,
        max_nesting_depth: rng.random_range(2..40),
        max_memories: 1,
        min_memories: 1,
        max_memory32_bytes: 16 * 65_536,
        max_tables: 1,
        max_table_elements: 64,
        max_element_segments: 6,
        max_elements: 24,
        max_data_segments: 6,
        memory64_enabled: false,
        multi_value_enabled: false,
        reference_types_enabled: false,
        relaxed_simd_enabled: false,
        saturating_float_to_int_enabled: false,
        simd_enabled: false,
        tail_call_enabled: false,
        threads_enabled: false,
        wide_arithmetic_enabled: false,
        extended_const_enabled: false,
        ..wasm_smith::Config::default()
    };
    let mut bytes = vec![0; *[2_000, 8_000, 30_000].choose(rng)?];
    rng.fill_bytes(&mut bytes);
    let mut module = wasm_smith::Module::new(config, &mut arbitrary::Unstructured::new(&bytes)).ok()?;
    // Mostly it ends by itself; seldom it recurses as deep as it may.
    module.ensure_termination(*[60, 200, 1_000].choose(rng)?).ok()?;
    let code = dress(&module.to_bytes()).ok()?;
    let inputs = (0..INPUTS).map(|_| {
        let mut input = vec![0; INPUT_BYTES];
        rng.fill_bytes(&mut input);
        input
    });
    Some(Case { code, inputs: inputs.collect() })
}

fn changed(corpus: &Corpus, rng: &mut StdRng) -> Option<Case> {
    let (_, contract) = corpus.contracts.choose(rng)?;
    let inputs = (0..INPUTS).filter_map(|_| corpus.inputs.choose(rng).cloned()).collect();
    for _ in 0..CHANGES {
        let mut code = contract.clone();
        for _ in 0..rng.random_range(0..4) {
            let place = rng.random_range(8..code.len());
            code[place] = if rng.random() { rng.random() } else { code[place] ^ (1 << rng.random_range(0..8)) };
        }
        if admission::check(&code).is_ok() {
            return Some(Case { code, inputs });
        }
    }
    None
}

#[derive(Default)]
struct Tally {
    modules: u64,
    contracts: u64,
    not_admitted: u64,
    calls: u64,
    answers: u64,
    traps: BTreeMap<engines::Kind, u64>,
    out_of_fuel: u64,
    differences: u64,
}

struct Oracles {
    wasmtime: Wasmtime,
    v8: Option<V8>,
}

impl Oracles {
    /// What differs, told.
    fn compare(&mut self, case: &Case, tally: &mut Tally) -> Vec<String> {
        let module = match wasm::Module::compile(&case.code) {
            Ok(module) => module,
            Err(bad) => return vec![format!("admission lets it through, but our engine does not take it: {bad}")],
        };
        let mut told: Vec<(Vec<u8>, Outcome)> = Vec::with_capacity(case.inputs.len());
        for input in &case.inputs {
            let outcome = ours(&module, input);
            tally.calls += 1;
            match &outcome {
                Outcome::OutOfFuel => {
                    tally.out_of_fuel += 1;
                    continue;
                }
                Outcome::Trap(kind) => *tally.traps.entry(*kind).or_default() += 1,
                _ => tally.answers += 1,
            }
            told.push((input.clone(), outcome));
        }
        let inputs: Vec<Vec<u8>> = told.iter().map(|(input, _)| input.clone()).collect();
        let code = match with_limits(&case.code) {
            Ok(code) => code,
            Err(error) => return vec![format!("it cannot be rewritten: {error}")],
        };
        let mut differences = Vec::new();
        let mut hold = |engine: &str, others: Vec<Outcome>| {
            for (place, ((_, ours), other)) in told.iter().zip(others).enumerate() {
                if *ours != other {
                    differences.push(format!("input {place}: ours {ours:?}, {engine} {other:?}"));
                }
            }
        };
        hold("wasmtime", self.wasmtime.run(&code, &inputs));
        if let Some(v8) = &mut self.v8 {
            hold("V8", v8.run(&code, &inputs).expect("the process of Node answers"));
        }
        differences
    }
}

fn start_v8(flags: &[String]) -> Option<V8> {
    V8::start(flags).inspect_err(|error| println!("without V8: node does not start: {error}")).ok()
}

fn hold_modules(modules: u64, seed: u64, flags: &[String]) -> bool {
    let (corpus, v8) = (Corpus::read(), start_v8(flags));
    let with = if v8.is_some() { "wasmtime and V8" } else { "wasmtime" };
    let (mut oracles, mut tally, begin) = (Oracles { wasmtime: Wasmtime::new(), v8 }, Tally::default(), Instant::now());
    for seed in seed..seed.saturating_add(modules) {
        let mut rng = StdRng::seed_from_u64(seed);
        let is_contract = seed % CONTRACT_ONE_IN == CONTRACT_ONE_IN - 1;
        let case = if is_contract { changed(&corpus, &mut rng) } else { generated(&mut rng) };
        let Some(case) = case.filter(|case| admission::check(&case.code).is_ok()) else {
            tally.not_admitted += 1;
            continue;
        };
        tally.modules += 1;
        tally.contracts += u64::from(is_contract);
        let differences = oracles.compare(&case, &mut tally);
        if let Some(first) = differences.first() {
            tally.differences += 1;
            println!("seed {seed}: {first} ({} more)", differences.len() - 1);
            if modules == 1 {
                let path = std::env::temp_dir().join(format!("oracle-{seed}.wasm"));
                let kept = std::fs::write(&path, &case.code);
                println!("its module is {} ({kept:?})", path.display());
            }
        }
    }
    println!(
        "{} modules held against {with} in {:.0} s, seeds {seed} to {}: {} of wasm-smith, {} contracts with bytes changed ({} seeds gave none that is admitted)",
        tally.modules,
        begin.elapsed().as_secs_f64(),
        seed.saturating_add(modules).saturating_sub(1),
        tally.modules - tally.contracts,
        tally.contracts,
        tally.not_admitted
    );
    println!(
        "{} calls: {} answered, {} trapped {:?}, {} used up their fuel and were not compared",
        tally.calls,
        tally.answers,
        tally.traps.values().sum::<u64>(),
        tally.traps,
        tally.out_of_fuel
    );
    println!("{} modules of which an engine says something else", tally.differences);
    tally.differences == 0
}

fn run() -> bool {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let texts: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<u64>().unwrap_or_else(|_| panic!("{text:?} is no whole number"));
    match texts[..] {
        ["modules", count, seed, ..] => hold_modules(number(count), number(seed), &arguments[3..]),
        ["clauses", module, count, seed, ..] => {
            let mut v8 = start_v8(&arguments[4..]);
            clauses::hold(Path::new(module), number(count), number(seed), v8.as_mut())
        }
        _ => panic!("oracle modules COUNT SEED [NODE'S FLAGS] | oracle clauses MODULE COUNT SEED [NODE'S FLAGS]"),
    }
}

fn main() {
    let runner = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(run).expect("a thread can be started");
    let held = runner.join().expect("the run ends");
    std::process::exit(if held { 0 } else { 1 });
}
