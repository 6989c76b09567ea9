//! Modules taken apart and put together again.
//!
//! * [`dress`] makes a program of a generated module: what no program may have is replaced by what it may, and an `act` is added
//!   that calls the module's functions as the input says and answers with what they return and leave behind.
//! * [`with_limits`] writes our engine's own limits, on recursion and on memory, into the module, for engines that have others.

use std::borrow::Cow;
use utilidor_program::wasm::MAX_MEMORY_PAGES;
use wasm_encoder::reencode::{Error, Reencode, RoundtripReencoder};
use wasm_encoder::{
    CodeSection, ConstExpr, DataSection, ElementSection, Elements, ExportKind, ExportSection, Function,
    FunctionSection, GlobalSection, GlobalType, Instruction, MemArg, MemArgTarget, MemorySection, MemoryType, Module,
    TableSection, TypeSection, ValType,
};
use wasmparser::{DataKind, ElementItems, ElementKind, FuncType, Operator, Parser, Payload};

/// Deepest recursion of engine 1, `act` included.
const MAX_DEPTH: i32 = 256;
/// What the global `why` says after a trap that is one of our limits: too deep, and no more memory.
pub const TOO_DEEP: i32 = 1;
pub const NO_MEMORY: i32 = 2;

/// Most pages that the standard knows.
const STANDARD_PAGES: u64 = 65_536;

type Rewritten<T> = Result<T, Error>;

/// Where the input says which functions are called, which part of the memory is answered, and with what they are called.
const CALLED_AT: u64 = 16;
const PLACE_AT: u64 = 15;
const ARGUMENTS_AT: u64 = 64;
/// Bytes of input that `act` reads; the memory has room for the longest that there can be.
pub const INPUT_BYTES: usize = 2_048;
const LEAST_PAGES: u64 = 2;

/// A module's sections.
#[derive(Default)]
struct Parts {
    types: TypeSection,
    functions: FunctionSection,
    tables: TableSection,
    memories: MemorySection,
    globals: GlobalSection,
    exports: ExportSection,
    elements: ElementSection,
    code: CodeSection,
    data: DataSection,
    /// The signatures, each function's, and the globals' types.
    signatures: Vec<FuncType>,
    of_functions: Vec<u32>,
    of_globals: Vec<ValType>,
    /// The most pages that the module itself says.
    maximum: Option<u64>,
}

impl Parts {
    fn module(&self) -> Vec<u8> {
        let mut module = Module::new();
        module.section(&self.types).section(&self.functions).section(&self.tables).section(&self.memories);
        module.section(&self.globals).section(&self.exports).section(&self.elements).section(&self.code);
        module.section(&self.data);
        module.finish()
    }

    /// Adds a type, and says which it is.
    fn add_type(&mut self, parameters: &[ValType], results: &[ValType]) -> u32 {
        self.types.ty().function(parameters.iter().copied(), results.iter().copied());
        self.types.len() - 1
    }

    fn signature(&self, function: usize) -> &FuncType {
        &self.signatures[self.of_functions[function] as usize]
    }
}

/// How a module's parts are changed while it is read.
trait Change {
    fn memory(&self, memory: MemoryType) -> MemoryType;
    /// What a function begins with.
    fn begin(&self, function: &mut Function);
    fn instruction(&self, instruction: Instruction<'_>, function: &mut Function);
    fn keeps_exports(&self) -> bool;
}

fn read(code: &[u8], change: &dyn Change, before_code: &mut dyn FnMut(&Parts)) -> Rewritten<Parts> {
    let (mut parts, mut reencode) = (Parts::default(), RoundtripReencoder);
    for payload in Parser::new(0).parse_all(code) {
        match payload? {
            Payload::TypeSection(section) => {
                for group in section.clone() {
                    let types = group?.into_types();
                    parts.signatures.extend(types.map(|ty| ty.unwrap_func().clone()));
                }
                reencode.parse_type_section(&mut parts.types, section)?;
            }
            Payload::FunctionSection(section) => {
                parts.of_functions = section.clone().into_iter().collect::<Result<_, _>>()?;
                reencode.parse_function_section(&mut parts.functions, section)?;
            }
            Payload::TableSection(section) => reencode.parse_table_section(&mut parts.tables, section)?,
            Payload::MemorySection(section) => {
                for memory in section {
                    let memory = memory?;
                    parts.maximum = memory.maximum;
                    parts.memories.memory(change.memory(reencode.memory_type(memory)?));
                }
            }
            Payload::GlobalSection(section) => {
                for global in section.clone() {
                    parts.of_globals.push(reencode.val_type(global?.ty.content_type)?);
                }
                reencode.parse_global_section(&mut parts.globals, section)?;
            }
            Payload::ExportSection(section) if change.keeps_exports() => {
                reencode.parse_export_section(&mut parts.exports, section)?;
            }
            Payload::ElementSection(section) => {
                for element in section {
                    let element = element?;
                    if let (ElementKind::Active { table_index, offset_expr }, ElementItems::Functions(functions)) =
                        (element.kind, element.items)
                    {
                        let functions: Vec<u32> = functions.into_iter().collect::<Result<_, _>>()?;
                        let offset = reencode.const_expr(offset_expr)?;
                        parts.elements.active(table_index, &offset, Elements::Functions(Cow::Owned(functions)));
                    }
                }
            }
            Payload::CodeSectionStart { .. } => before_code(&parts),
            Payload::CodeSectionEntry(body) => {
                let mut function = reencode.new_function_with_parsed_locals(&body)?;
                change.begin(&mut function);
                let mut operators = body.get_operators_reader()?;
                while !operators.eof() {
                    match operators.read()? {
                        // Another encoding of a call of the only table.
                        Operator::CallIndirect { type_index, table_index } => {
                            change.instruction(Instruction::CallIndirect { type_index, table_index }, &mut function);
                        }
                        operator => change.instruction(reencode.instruction(operator)?, &mut function),
                    }
                }
                parts.code.function(&function);
            }
            Payload::DataSection(section) => {
                for data in section {
                    let data = data?;
                    match data.kind {
                        DataKind::Active { offset_expr, .. } => {
                            let offset = reencode.const_expr(offset_expr)?;
                            parts.data.active(0, &offset, data.data.iter().copied());
                        }
                        // Told apart from where it would have been copied to only by being there from the begin.
                        DataKind::Passive => {
                            parts.data.active(0, &ConstExpr::i32_const(1_024), data.data.iter().copied());
                        }
                    }
                }
            }
            _ => {}
        }
    }
    Ok(parts)
}

struct Dress;

impl Change for Dress {
    fn memory(&self, memory: MemoryType) -> MemoryType {
        let minimum = memory.minimum.clamp(LEAST_PAGES, u64::from(MAX_MEMORY_PAGES));
        MemoryType { minimum, maximum: memory.maximum.map(|most| most.max(minimum)), ..memory }
    }

    fn begin(&self, _: &mut Function) {}

    fn instruction(&self, instruction: Instruction<'_>, function: &mut Function) {
        match instruction {
            Instruction::MemoryInit { .. } => {
                function.instruction(&Instruction::MemoryCopy { src_mem: 0, dst_mem: 0 });
            }
            Instruction::TableInit { .. } | Instruction::TableCopy { .. } => {
                for _ in 0..3 {
                    function.instruction(&Instruction::Drop);
                }
            }
            Instruction::DataDrop(_) | Instruction::ElemDrop(_) => {}
            other => {
                function.instruction(&other);
            }
        }
    }

    fn keeps_exports(&self) -> bool {
        false
    }
}

fn at(offset: u64) -> MemArg {
    MemArg { offset, align: 0, target: MemArgTarget::Memory(0), ordering: None }
}

/// Makes a program of a module with one memory and functions of integers.
pub fn dress(code: &[u8]) -> Rewritten<Vec<u8>> {
    let mut parts = read(code, &Dress, &mut |_| {})?;
    let act_type = parts.add_type(&[ValType::I32], &[ValType::I64]);
    let act_index = parts.of_functions.len() as u32;
    parts.functions.function(act_type);
    parts.code.function(&act(&parts));
    let place = GlobalType { val_type: ValType::I32, mutable: false, shared: false };
    parts.globals.global(place, &ConstExpr::i32_const(0));
    parts.exports.export("memory", ExportKind::Memory, 0);
    parts.exports.export("buffer", ExportKind::Global, parts.of_globals.len() as u32);
    parts.exports.export("act", ExportKind::Func, act_index);
    Ok(parts.module())
}

/// Calls one function in four as the input says, and mixes what they return and what the globals hold.
fn act(parts: &Parts) -> Function {
    use Instruction as I;
    const MIXED: u32 = 1;
    const BASE: u32 = 2;
    let mut body = Function::new([(1, ValType::I64), (1, ValType::I32)]);
    let mix = |body: &mut Function, ty: ValType| {
        if ty == ValType::I32 {
            body.instruction(&I::I64ExtendI32U);
        }
        body.instruction(&I::LocalGet(MIXED)).instruction(&I::I64Const(7)).instruction(&I::I64Rotl);
        body.instruction(&I::I64Xor).instruction(&I::LocalSet(MIXED));
    };
    for function in 0..parts.of_functions.len() {
        body.instruction(&I::I32Const(0)).instruction(&I::I32Load8U(at(CALLED_AT + function as u64)));
        body.instruction(&I::I32Const(3)).instruction(&I::I32And).instruction(&I::I32Eqz);
        body.instruction(&I::If(wasm_encoder::BlockType::Empty));
        let signature = parts.signature(function);
        for (place, parameter) in signature.params().iter().enumerate() {
            let offset = at(ARGUMENTS_AT + ((function * 7 + place * 8) % 1_024) as u64);
            body.instruction(&I::I32Const(0));
            let is_long = *parameter == wasmparser::ValType::I64;
            body.instruction(&if is_long { I::I64Load(offset) } else { I::I32Load(offset) });
        }
        body.instruction(&I::Call(function as u32));
        for result in signature.results() {
            mix(&mut body, if *result == wasmparser::ValType::I64 { ValType::I64 } else { ValType::I32 });
        }
        body.instruction(&I::End);
    }
    for (global, ty) in (0..).zip(&parts.of_globals) {
        body.instruction(&I::GlobalGet(global));
        mix(&mut body, *ty);
    }
    body.instruction(&I::MemorySize(0));
    mix(&mut body, ValType::I32);
    // The first page or the last.
    body.instruction(&I::MemorySize(0)).instruction(&I::I32Const(1)).instruction(&I::I32Sub);
    body.instruction(&I::I32Const(0)).instruction(&I::I32Load8U(at(PLACE_AT)));
    body.instruction(&I::I32Const(1)).instruction(&I::I32And).instruction(&I::I32Mul);
    body.instruction(&I::I32Const(16)).instruction(&I::I32Shl).instruction(&I::LocalTee(BASE));
    body.instruction(&I::LocalGet(MIXED)).instruction(&I::I64Store(at(0)));
    body.instruction(&I::LocalGet(BASE)).instruction(&I::I64ExtendI32U);
    body.instruction(&I::I64Const(32)).instruction(&I::I64Shl);
    body.instruction(&I::I64Const(65_536)).instruction(&I::I64Or).instruction(&I::End);
    body
}

/// What the rewritten module has besides: a helper that grows memory, and the globals `depth` and `why`. A growth that the standard
/// refuses, beyond a maximum of the module's own or what 32 bits reach, answers -1; one that only our limit refuses ends the event.
struct Limits {
    grow: u32,
    depth: u32,
    why: u32,
}

impl Limits {
    fn end_with(&self, why: i32, body: &mut Function) {
        body.instruction(&Instruction::I32Const(why)).instruction(&Instruction::GlobalSet(self.why));
        body.instruction(&Instruction::Unreachable);
    }

    fn deeper(&self, by: i32, body: &mut Function) {
        body.instruction(&Instruction::GlobalGet(self.depth)).instruction(&Instruction::I32Const(by));
        body.instruction(&Instruction::I32Add).instruction(&Instruction::GlobalSet(self.depth));
    }
}

impl Change for Limits {
    fn memory(&self, memory: MemoryType) -> MemoryType {
        let most = u64::from(MAX_MEMORY_PAGES);
        MemoryType { maximum: Some(memory.maximum.map_or(most, |declared| declared.min(most))), ..memory }
    }

    fn begin(&self, body: &mut Function) {
        body.instruction(&Instruction::GlobalGet(self.depth)).instruction(&Instruction::I32Const(MAX_DEPTH));
        body.instruction(&Instruction::I32GeU).instruction(&Instruction::If(wasm_encoder::BlockType::Empty));
        self.end_with(TOO_DEEP, body);
        body.instruction(&Instruction::End);
        self.deeper(1, body);
    }

    fn instruction(&self, instruction: Instruction<'_>, body: &mut Function) {
        let is_call = matches!(instruction, Instruction::Call(_) | Instruction::CallIndirect { .. });
        match instruction {
            Instruction::MemoryGrow(_) => {
                body.instruction(&Instruction::Call(self.grow));
            }
            other => {
                body.instruction(&other);
            }
        }
        if is_call {
            self.deeper(-1, body);
        }
    }

    fn keeps_exports(&self) -> bool {
        true
    }
}

/// The module with our limits in it.
pub fn with_limits(code: &[u8]) -> Rewritten<Vec<u8>> {
    let (mut functions, mut globals, mut own_maximum) = (0, 0, None);
    read(code, &Dress, &mut |parts| {
        (functions, globals) = (parts.of_functions.len() as u32, parts.of_globals.len() as u32);
        own_maximum = parts.maximum;
    })?;
    let limits = Limits { grow: functions, depth: globals, why: globals + 1 };
    let mut parts = read(code, &limits, &mut |_| {})?;
    let ty = parts.add_type(&[ValType::I32], &[ValType::I32]);
    parts.functions.function(ty);
    let mut grow = Function::new([(1, ValType::I32)]);
    grow.instruction(&Instruction::LocalGet(0))
        .instruction(&Instruction::MemoryGrow(0))
        .instruction(&Instruction::LocalTee(1));
    grow.instruction(&Instruction::I32Const(-1)).instruction(&Instruction::I32Eq);
    grow.instruction(&Instruction::If(wasm_encoder::BlockType::Empty));
    grow.instruction(&Instruction::MemorySize(0)).instruction(&Instruction::I64ExtendI32U);
    grow.instruction(&Instruction::LocalGet(0)).instruction(&Instruction::I64ExtendI32U);
    let most = own_maximum.map_or(STANDARD_PAGES, |own| own.min(STANDARD_PAGES));
    grow.instruction(&Instruction::I64Add).instruction(&Instruction::I64Const(most as i64));
    grow.instruction(&Instruction::I64LeU).instruction(&Instruction::If(wasm_encoder::BlockType::Empty));
    limits.end_with(NO_MEMORY, &mut grow);
    grow.instruction(&Instruction::End).instruction(&Instruction::End).instruction(&Instruction::LocalGet(1));
    grow.instruction(&Instruction::End);
    parts.code.function(&grow);
    let counter = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
    parts.globals.global(counter, &ConstExpr::i32_const(0)).global(counter, &ConstExpr::i32_const(0));
    parts.exports.export("why", ExportKind::Global, limits.why);
    Ok(parts.module())
}
