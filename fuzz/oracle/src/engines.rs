//! The engines, and what each says of a module and an input, in the same words.

use crate::rewrite::{NO_MEMORY, TOO_DEEP};
use std::fmt;
use std::io::{self, BufReader, BufWriter, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use utilidor_program::wasm::{self, Ended, TrapCode};
use wasmtime::{Config, Engine, Extern, Instance, Linker, Module, Store, Trap, Val};

/// Fuel of wasmtime for what ours ends within 200,000: only what never ends needs more.
const ENOUGH_FUEL: u64 = 500_000_000;

/// Room for 256 functions of any size: the most that wasmtime takes.
const WASM_STACK_BYTES: usize = 2 * 1024 * 1024;

/// What came of a module and an input.
#[derive(Clone, PartialEq, Eq)]
pub enum Outcome {
    Answer(Vec<u8>),
    /// The place that it names is none, or the answer is too long.
    BadAnswer,
    Trap(Kind),
    /// Ours alone.
    OutOfFuel,
    /// The engine does not take the module, or failed in a way that is none of a program's.
    Broken(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Unreachable,
    Memory,
    Table,
    DivisionByZero,
    Overflow,
    /// An entry of the table that is empty or of another type: V8 does not tell them apart.
    Callee,
    TooDeep,
    NoMemory,
    Other,
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(bytes) => {
                write!(f, "{} bytes that begin with {:02x?}", bytes.len(), &bytes[..bytes.len().min(16)])
            }
            Self::BadAnswer => f.write_str("no answer"),
            Self::Trap(kind) => write!(f, "the trap {kind:?}"),
            Self::OutOfFuel => f.write_str("out of fuel"),
            Self::Broken(why) => write!(f, "broken: {why}"),
        }
    }
}

/// Where an answer stands.
fn place(told: u64) -> Option<std::ops::Range<usize>> {
    let (from, len) = ((told >> 32) as usize, (told & u64::from(u32::MAX)) as usize);
    (len <= wasm::MAX_ANSWER_BYTES).then(|| from..from + len)
}

/// What the node runs.
pub fn ours(module: &wasm::Module, input: &[u8]) -> Outcome {
    match module.attempt(input) {
        Ok(ran) => Outcome::Answer(ran.answer),
        Err(Ended { fault: wasm::OUT_OF_FUEL, .. }) => Outcome::OutOfFuel,
        Err(Ended { fault: wasm::BAD_ANSWER, .. }) => Outcome::BadAnswer,
        // The one failure that it has no trap for: an element segment that does not fit into the table.
        Err(Ended { trap: None, fault: wasm::TRAPPED }) => Outcome::Trap(Kind::Table),
        Err(Ended { trap: None, fault }) => Outcome::Broken(fault.to_string()),
        Err(Ended { trap: Some(trap), .. }) => Outcome::Trap(match trap {
            TrapCode::UnreachableCodeReached => Kind::Unreachable,
            TrapCode::MemoryOutOfBounds => Kind::Memory,
            TrapCode::TableOutOfBounds => Kind::Table,
            TrapCode::IntegerDivisionByZero => Kind::DivisionByZero,
            TrapCode::IntegerOverflow => Kind::Overflow,
            TrapCode::IndirectCallToNull | TrapCode::BadSignature => Kind::Callee,
            TrapCode::StackOverflow => Kind::TooDeep,
            TrapCode::GrowthOperationLimited => Kind::NoMemory,
            _ => Kind::Other,
        }),
    }
}

/// wasmtime, by Cranelift.
pub struct Wasmtime(Engine);

impl Wasmtime {
    pub fn new() -> Self {
        let mut config = Config::new();
        config.consume_fuel(true).max_wasm_stack(WASM_STACK_BYTES).memory_init_cow(false);
        config.memory_reservation(2 * 1024 * 1024).memory_guard_size(64 * 1024);
        Self(Engine::new(&config).expect("the configuration is one that there is"))
    }

    pub fn run(&self, code: &[u8], inputs: &[Vec<u8>]) -> Vec<Outcome> {
        match Module::new(&self.0, code) {
            Ok(module) => inputs.iter().map(|input| self.run_one(&module, input)).collect(),
            Err(error) => vec![Outcome::Broken(format!("{error:?}")); inputs.len()],
        }
    }

    fn run_one(&self, module: &Module, input: &[u8]) -> Outcome {
        let mut store = Store::new(&self.0, ());
        if let Err(error) = store.set_fuel(ENOUGH_FUEL) {
            return Outcome::Broken(error.to_string());
        }
        // No program has imports. What runs clause sheets is linked with libraries that have some, which it never calls.
        let mut linker = Linker::new(&self.0);
        if let Err(error) = linker.define_unknown_imports_as_traps(module) {
            return Outcome::Broken(error.to_string());
        }
        let instance = match linker.instantiate(&mut store, module) {
            Ok(instance) => instance,
            Err(error) => return trapped(&error),
        };
        let (memory, buffer) = (instance.get_memory(&mut store, "memory"), global(&instance, &mut store, "buffer"));
        let act = instance.get_typed_func::<u32, u64>(&mut store, "act");
        let (Some(memory), Some(buffer), Ok(act)) = (memory, buffer, act) else {
            return Outcome::Broken("an export is missing".into());
        };
        if memory.write(&mut store, buffer as usize, input).is_err() {
            return Outcome::Broken("the input does not fit".into());
        }
        match act.call(&mut store, input.len() as u32) {
            Ok(told) => {
                let answer = place(told).and_then(|place| memory.data(&store).get(place));
                answer.map_or(Outcome::BadAnswer, |answer| Outcome::Answer(answer.to_vec()))
            }
            Err(error) => match global(&instance, &mut store, "why") {
                Some(TOO_DEEP) => Outcome::Trap(Kind::TooDeep),
                Some(NO_MEMORY) => Outcome::Trap(Kind::NoMemory),
                _ => trapped(&error),
            },
        }
    }
}

fn trapped(error: &wasmtime::Error) -> Outcome {
    match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => Outcome::Trap(Kind::Unreachable),
        Some(Trap::MemoryOutOfBounds) => Outcome::Trap(Kind::Memory),
        Some(Trap::TableOutOfBounds) => Outcome::Trap(Kind::Table),
        Some(Trap::IntegerDivisionByZero) => Outcome::Trap(Kind::DivisionByZero),
        Some(Trap::IntegerOverflow) => Outcome::Trap(Kind::Overflow),
        Some(Trap::IndirectCallToNull | Trap::BadSignature) => Outcome::Trap(Kind::Callee),
        _ => Outcome::Broken(format!("{error:?}")),
    }
}

fn global(instance: &Instance, store: &mut Store<()>, name: &str) -> Option<i32> {
    match instance.get_export(&mut *store, name)? {
        Extern::Global(global) => match global.get(store) {
            Val::I32(value) => Some(value),
            _ => None,
        },
        _ => None,
    }
}

/// V8, in a process of Node: `v8.mjs` says what goes to and fro.
pub struct V8 {
    node: Child,
    to: BufWriter<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl V8 {
    pub fn start(flags: &[String]) -> io::Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("v8.mjs");
        let mut command = Command::new("node");
        command.arg("--stack-size=6000").args(flags).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut node = command.spawn()?;
        let (to, from) = node.stdin.take().zip(node.stdout.take()).ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self { node, to: BufWriter::new(to), from: BufReader::new(from) })
    }

    pub fn run(&mut self, code: &[u8], inputs: &[Vec<u8>]) -> io::Result<Vec<Outcome>> {
        self.send(code)?;
        self.to.write_all(&(inputs.len() as u32).to_le_bytes())?;
        inputs.iter().try_for_each(|input| self.send(input))?;
        self.to.flush()?;
        inputs.iter().map(|_| self.outcome()).collect()
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.to.write_all(&(bytes.len() as u32).to_le_bytes())?;
        self.to.write_all(bytes)
    }

    fn outcome(&mut self) -> io::Result<Outcome> {
        let mut head = [0; 5];
        self.from.read_exact(&mut head)?;
        let [what, length @ ..] = head;
        let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
        self.from.read_exact(&mut bytes)?;
        let text = || String::from_utf8_lossy(&bytes).into_owned();
        Ok(match what {
            0 => Outcome::Answer(bytes),
            1 => Outcome::BadAnswer,
            2 => match text().as_str() {
                "unreachable" => Outcome::Trap(Kind::Unreachable),
                "memory access out of bounds" => Outcome::Trap(Kind::Memory),
                "table index is out of bounds" => Outcome::Trap(Kind::Table),
                "divide by zero" | "remainder by zero" => Outcome::Trap(Kind::DivisionByZero),
                "divide result unrepresentable" => Outcome::Trap(Kind::Overflow),
                "null function or function signature mismatch" => Outcome::Trap(Kind::Callee),
                "too deep" => Outcome::Trap(Kind::TooDeep),
                "no memory" => Outcome::Trap(Kind::NoMemory),
                other => Outcome::Broken(other.into()),
            },
            _ => Outcome::Broken(text()),
        })
    }
}

impl Drop for V8 {
    fn drop(&mut self) {
        drop(self.node.kill());
        drop(self.node.wait());
    }
}
