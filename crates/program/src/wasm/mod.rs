//! Running programs that parties have written [M15]: WebAssembly, bytes in, bytes out, nothing else.
//!
//! ```text
//! code ──admission──> Module (compiled once, kept by digest) ──a fresh instance for each event──> answer | fault, and fuel
//! ```
//!
//! * *engine 1*: the interpreter (wasmi 2.0.0, eager), what is put before it ([`barrier`]), the admission rules and the fuel table,
//!   together. A program's record names its engine, so that history is replayed by what it was made with. Another version of any of the four is engine 2.
//! * *fuel* is counted by instruction as the module has it, whether its code was compiled just now or an hour ago.
//! * A module has no imports: it can call nobody, and nobody can be called back.
//!
//! Deliberately absent: what the bytes mean, which is [`crate::coded`]'s.

pub mod admission;
mod barrier;
pub mod floats;
pub mod operators;

pub use admission::{BadCode, MAX_MEMORY_PAGES, check};
pub use wasmi::TrapCode;

use crate::contract::Fault;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use utilidor_types::Digest;
use wasmi::{
    CompilationMode, Config, EnforcedLimits, Engine, Instance, Memory, Store, StoreLimits, StoreLimitsBuilder,
    TypedFunc,
};

/// The engine that new programs run on.
pub const ENGINE: u16 = 1;

/// Most fuel of one event: some 0.4 milliseconds of a core.
pub const EVENT_FUEL: u64 = 200_000;
/// What compiling a byte of code costs, once in each block for a program.
pub const COMPILE_FUEL_PER_BYTE: u64 = 40;
/// What an instance costs before its first instruction ...
const INSTANCE_FUEL: u64 = 1_200;
/// ... and for each function, global and entry of its table ...
const ITEM_FUEL: u64 = 6;
/// ... and each page of its memory.
const PAGE_FUEL: u64 = 2_000;
/// Bytes of input, answer and data segments for a unit of fuel.
const BYTES_PER_FUEL: u64 = 4;

/// Longest input in bytes: every program has room for it.
pub const MAX_INPUT_BYTES: usize = 96 * 1024;
/// Longest answer in bytes.
pub const MAX_ANSWER_BYTES: usize = 128 * 1024;

/// Deepest recursion. Functions are so small that it ends a recursion before the stack's bytes do.
const MAX_RECURSION: usize = 256;
/// Longest stack in bytes: [`MAX_RECURSION`] functions of the most locals and operands.
const MAX_STACK_BYTES: usize = 2 * 1024 * 1024;

/// Most bytes of code whose modules are kept compiled; others are compiled again.
const MAX_KEPT_BYTES: usize = 16 * 1024 * 1024;

/// The program trapped: a division by zero, an access outside of its memory, a recursion that is too deep.
pub const TRAPPED: Fault = Fault::Failed(0x7001);
/// The program used more fuel than an event has.
pub const OUT_OF_FUEL: Fault = Fault::Failed(0x7002);
/// The answer is none: outside of the memory, too long, or of another form.
pub const BAD_ANSWER: Fault = Fault::Failed(0x7003);
/// The program asks for what its terms do not let it reach: another party or meter, or more money than was granted, to be
/// reserved or to be owed.
pub const OUT_OF_REACH: Fault = Fault::Failed(0x7004);
/// A statement's lines are not what the same answer moves.
pub const UNBALANCED: Fault = Fault::Failed(0x7005);
/// What the program would have to be told is longer than an input may be, or its code is not at hand.
pub const UNTOLD: Fault = Fault::Failed(0x7006);
/// A line's price is for a unit in which its carrier is not measured.
pub const WRONG_UNIT: Fault = Fault::Failed(0x7007);
/// Codes from here on are not a program's own.
pub const ENGINE_CODES: u16 = 0x7000;

static ENGINE_1: LazyLock<Engine> = LazyLock::new(|| {
    let mut config = Config::default();
    config
        .compilation_mode(CompilationMode::Eager)
        .consume_fuel(true)
        .operator_cost(operators::COSTS)
        .fuel_cost(operators::COPIED)
        .allow_start_fn(false)
        .ignore_custom_sections(true)
        .enforced_limits(EnforcedLimits::default())
        .floats(false)
        .wasm_mutable_global(true)
        .wasm_sign_extension(true)
        .wasm_bulk_memory(true)
        // For the encoding of indirect calls only: see `admission`.
        .wasm_reference_types(true)
        .wasm_multi_value(false)
        .wasm_multi_memory(false)
        .wasm_saturating_float_to_int(false)
        .wasm_tail_call(false)
        .wasm_extended_const(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false)
        .set_max_recursion_depth(MAX_RECURSION)
        .set_max_stack_height(MAX_STACK_BYTES);
    Engine::new(&config)
});

/// A program's code, compiled.
pub struct Module {
    module: wasmi::Module,
    /// Where the input goes.
    buffer: usize,
    /// What an instance costs.
    instance_fuel: u64,
    bytes: usize,
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Module({} bytes)", self.bytes)
    }
}

/// What an event came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// The fuel that it used.
    pub fuel: u64,
    /// The answer's bytes.
    pub answer: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// What the ledger is told.
    pub fault: Fault,
    /// Which trap it was, if it was one while the program ran: for tests that hold other engines against this one.
    pub trap: Option<TrapCode>,
}

impl From<Fault> for Ended {
    fn from(fault: Fault) -> Self {
        Self { fault, trap: None }
    }
}

impl From<wasmi::Error> for Ended {
    fn from(error: wasmi::Error) -> Self {
        let trap = error.as_trap_code();
        Self { fault: if trap == Some(TrapCode::OutOfFuel) { OUT_OF_FUEL } else { TRAPPED }, trap }
    }
}

impl Module {
    /// Admits and compiles code.
    pub fn compile(code: &[u8]) -> Result<Self, BadCode> {
        let shape = admission::check(code)?;
        let module = wasmi::Module::new(&ENGINE_1, barrier::put_up(code)?).map_err(|_| BadCode::unreadable(0))?;
        let instance_fuel = INSTANCE_FUEL
            + ITEM_FUEL * u64::from(shape.items)
            + PAGE_FUEL * u64::from(shape.pages)
            + u64::from(shape.data_bytes) / BYTES_PER_FUEL;
        Ok(Self { module, buffer: shape.buffer as usize, instance_fuel, bytes: code.len() })
    }

    /// Lets the program answer.
    pub fn run(&self, input: &[u8]) -> Result<Ran, Fault> {
        self.attempt(input).map_err(|ended| ended.fault)
    }

    /// The same, with the engine's own word for why there is no answer.
    pub fn attempt(&self, input: &[u8]) -> Result<Ran, Ended> {
        let told = self.instance_fuel.saturating_add(input.len() as u64 / BYTES_PER_FUEL);
        let left = EVENT_FUEL.checked_sub(told).ok_or(OUT_OF_FUEL)?;
        if input.len() > MAX_INPUT_BYTES {
            return Err(UNTOLD.into());
        }
        let mut store = Store::new(&ENGINE_1, memory_limit());
        store.limiter(|limits| limits);
        store.set_fuel(left)?;
        let instance = Instance::new(&mut store, &self.module, &[])?;
        let memory = instance.get_memory(&store, "memory").ok_or(TRAPPED)?;
        let act: TypedFunc<u32, u64> = instance.get_typed_func(&store, "act")?;
        memory.write(&mut store, self.buffer, input).map_err(|_| TRAPPED)?;
        let place = act.call(&mut store, input.len() as u32)?;
        let answer = read_answer(&store, memory, place)?;
        let left = store.get_fuel()?;
        let left = left.checked_sub(answer.len() as u64 / BYTES_PER_FUEL).ok_or(OUT_OF_FUEL)?;
        Ok(Ran { fuel: EVENT_FUEL - left, answer })
    }
}

fn memory_limit() -> StoreLimits {
    let bytes = MAX_MEMORY_PAGES as usize * admission::PAGE_BYTES;
    StoreLimitsBuilder::new().memory_size(bytes).trap_on_grow_failure(true).build()
}

fn read_answer(store: &Store<StoreLimits>, memory: Memory, place: u64) -> Result<Vec<u8>, Fault> {
    let (from, len) = ((place >> 32) as usize, (place & u64::from(u32::MAX)) as usize);
    if len > MAX_ANSWER_BYTES {
        return Err(BAD_ANSWER);
    }
    let to = from.checked_add(len).ok_or(BAD_ANSWER)?;
    memory.data(store).get(from..to).map(<[u8]>::to_vec).ok_or(BAD_ANSWER)
}

/// Modules that are compiled already, by engine and code. It changes how long something takes, and nothing else.
#[derive(Default)]
struct Kept {
    modules: BTreeMap<(u16, Digest), (u64, Arc<Module>)>,
    bytes: usize,
    clock: u64,
}

impl Kept {
    fn get(&mut self, key: (u16, Digest)) -> Option<Arc<Module>> {
        self.clock += 1;
        let (used, module) = self.modules.get_mut(&key)?;
        *used = self.clock;
        Some(module.clone())
    }

    fn put(&mut self, key: (u16, Digest), module: Arc<Module>) {
        self.clock += 1;
        self.bytes += module.bytes;
        if let Some((_, before)) = self.modules.insert(key, (self.clock, module)) {
            self.bytes -= before.bytes;
        }
        while self.bytes > MAX_KEPT_BYTES {
            let Some(oldest) = self.modules.iter().min_by_key(|(_, (used, _))| *used).map(|(key, _)| *key) else {
                break;
            };
            let Some((_, module)) = self.modules.remove(&oldest) else { break };
            self.bytes -= module.bytes;
        }
    }
}

static KEPT: LazyLock<Mutex<Kept>> = LazyLock::new(Mutex::default);

fn kept() -> std::sync::MutexGuard<'static, Kept> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether there is such an engine.
pub const fn is_engine(engine: u16) -> bool {
    engine == ENGINE
}

/// The compiled code of this digest; `code` is asked for it only if it is not at hand. The engine is one that there is.
pub fn load(engine: u16, digest: Digest, code: impl FnOnce() -> Vec<u8>) -> Result<Arc<Module>, BadCode> {
    let key = (engine, digest);
    if let Some(module) = kept().get(key) {
        return Ok(module);
    }
    let module = Arc::new(Module::compile(&code())?);
    kept().put(key, module.clone());
    Ok(module)
}

/// Forgets all compiled code, as a restart does.
pub fn forget_all() {
    *kept() = Kept::default();
}
