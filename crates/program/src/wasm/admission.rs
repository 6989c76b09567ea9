//! Which WebAssembly a program may be. Everything is bounded before anything is compiled: what an engine does with a
//! module of any shape within these bounds has been measured, and nothing of it depends on how a node is configured.
//!
//! Not allowed: imports, floats (types too), vectors, threads, 64-bit or several memories, tail calls, exceptions,
//! references (types too; only the newer *encoding* of indirect calls is read), computed constants, start functions, segments that
//! lie outside of the memory or the table. So an instance of what is admitted always begins.

use super::MAX_INPUT_BYTES;
use super::operators::is_allowed;
use utilidor_types::Refusal;
use utilidor_types::program::MAX_CODE_BYTES;
use utilidor_types::refusal::CodeRule;
use wasmparser::{
    BinaryReaderError, BlockType, CompositeInnerType, ConstExpr, DataKind, ElementItems, ElementKind, Export,
    ExternalKind, FuncToValidate, FuncValidatorAllocations, FunctionBody, Operator, Parser, Payload, RefType, ValType,
    ValidPayload, Validator, ValidatorResources, WasmFeatures,
};

/// Bytes of a page.
pub const PAGE_BYTES: usize = 64 * 1024;
/// Most types of functions.
pub const MAX_TYPES: u32 = 64;
/// Most parameters of a function.
pub const MAX_PARAMETERS: u32 = 16;
/// Most results of a function.
pub const MAX_RESULTS: u32 = 1;
/// Most functions.
pub const MAX_FUNCTIONS: u32 = 2_000;
/// Longest function in bytes.
pub const MAX_BODY_BYTES: u32 = 32 * 1024;
/// Most locals of a function, parameters included: they are set to zero with each call.
pub const MAX_LOCALS: u32 = 256;
/// Most operands of a function at once.
pub const MAX_OPERANDS: u32 = 256;
/// Deepest nesting of a function's blocks.
pub const MAX_NESTING: u32 = 256;
/// Most targets of a branch table.
pub const MAX_BRANCH_TARGETS: u32 = 512;
/// Most tables.
pub const MAX_TABLES: u32 = 1;
/// Most entries of the table.
pub const MAX_TABLE_ENTRIES: u32 = 1_024;
/// Most entries of all element segments.
pub const MAX_ELEMENTS: u32 = 1_024;
/// Most memories.
pub const MAX_MEMORIES: u32 = 1;
/// Most pages of the memory, grown or not.
pub const MAX_MEMORY_PAGES: u32 = 16;
/// Most globals.
pub const MAX_GLOBALS: u32 = 64;
/// Most segments of data.
pub const MAX_DATA_SEGMENTS: u32 = 256;
/// Most bytes of sections that no engine reads, such as names, their own names included: they only cost room.
pub const MAX_CUSTOM_BYTES: u32 = 1_024;
/// Most exports besides the three; they can be globals that do not change.
pub const MAX_OTHER_EXPORTS: u32 = 4;

/// Why code is not admitted: the rule, what was found, and what is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{rule}: {found} found, {allowed} allowed")]
pub struct BadCode {
    /// The rule.
    pub rule: CodeRule,
    /// What was found; for bytes that are no module and instructions that are not allowed, where.
    pub found: u32,
    /// What is allowed; 0 where a place was found.
    pub allowed: u32,
}

impl BadCode {
    pub(super) const fn unreadable(at: usize) -> Self {
        Self { rule: CodeRule::NoModule, found: at as u32, allowed: 0 }
    }

    const fn instruction(at: usize) -> Self {
        Self { rule: CodeRule::Instruction, found: at as u32, allowed: 0 }
    }
}

impl From<BinaryReaderError> for BadCode {
    fn from(error: BinaryReaderError) -> Self {
        Self::unreadable(error.offset())
    }
}

impl From<BadCode> for Refusal {
    fn from(BadCode { rule, found, allowed }: BadCode) -> Self {
        Self::BadCode { rule, found, allowed }
    }
}

/// What a module's instances cost by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shape {
    /// Where the input goes.
    pub buffer: u32,
    /// Functions, globals, table entries and segments.
    pub items: u32,
    /// Pages of memory at the begin.
    pub pages: u32,
    /// Bytes of its data segments.
    pub data_bytes: u32,
    /// Most locals of a function.
    pub locals: u32,
    /// Most operands of a function at once.
    pub operands: u32,
    /// Deepest nesting.
    pub nesting: u32,
    /// Longest function in bytes.
    pub body_bytes: u32,
}

fn features() -> WasmFeatures {
    WasmFeatures::MUTABLE_GLOBAL
        | WasmFeatures::SIGN_EXTENSION
        | WasmFeatures::BULK_MEMORY
        | WasmFeatures::REFERENCE_TYPES
        | WasmFeatures::GC_TYPES
}

const fn within(rule: CodeRule, found: u32, allowed: u32) -> Result<(), BadCode> {
    if found > allowed { Err(BadCode { rule, found, allowed }) } else { Ok(()) }
}

/// Checks code, and says what its instances cost by.
pub fn check(code: &[u8]) -> Result<Shape, BadCode> {
    if code.len() > MAX_CODE_BYTES {
        return Err(BadCode { rule: CodeRule::NoModule, found: code.len() as u32, allowed: MAX_CODE_BYTES as u32 });
    }
    let mut admission = Admission { validator: Validator::new_with_features(features()), ..Admission::default() };
    for payload in Parser::new(0).parse_all(code) {
        let payload = payload?;
        admission.look(&payload)?;
        if let ValidPayload::Func(function, body) = admission.validator.payload(&payload)? {
            admission.function(function, &body)?;
        }
    }
    admission.end()
}

#[derive(Default)]
struct Admission {
    validator: Validator,
    allocations: FuncValidatorAllocations,
    shape: Shape,
    /// Type of each function: whether it is that of `act`.
    is_act_type: Vec<bool>,
    types: Vec<u32>,
    /// The constant of each global, if it is an unchanging `i32`.
    globals: Vec<Option<u32>>,
    table_entries: u32,
    custom_bytes: u32,
    other_exports: u32,
    has_memory: bool,
    buffer: Option<u32>,
    has_act: bool,
}

impl Admission {
    /// Bounds of a section, before it is validated.
    fn look(&mut self, payload: &Payload<'_>) -> Result<(), BadCode> {
        use CodeRule as Rule;
        match payload {
            Payload::TypeSection(section) => self.types(section.clone()),
            Payload::ImportSection(section) => within(Rule::Imports, section.count(), 0),
            Payload::FunctionSection(section) => {
                within(Rule::Functions, section.count(), MAX_FUNCTIONS)?;
                self.shape.items += section.count();
                self.types = section.clone().into_iter().collect::<Result<_, _>>()?;
                Ok(())
            }
            Payload::TableSection(section) => {
                within(Rule::Tables, section.count(), MAX_TABLES)?;
                for table in section.clone() {
                    let table = table?.ty;
                    let entries = u32::try_from(table.initial).unwrap_or(u32::MAX);
                    within(Rule::TableEntries, entries, MAX_TABLE_ENTRIES)?;
                    if table.element_type != RefType::FUNCREF {
                        return Err(BadCode::instruction(section.range().start));
                    }
                    self.shape.items += entries;
                    self.table_entries = entries;
                }
                Ok(())
            }
            Payload::MemorySection(section) => {
                within(Rule::Memories, section.count(), MAX_MEMORIES)?;
                for memory in section.clone() {
                    let pages = u32::try_from(memory?.initial).unwrap_or(u32::MAX);
                    within(Rule::MemoryPages, pages, MAX_MEMORY_PAGES)?;
                    self.shape.pages = pages;
                }
                Ok(())
            }
            Payload::GlobalSection(section) => {
                within(Rule::Globals, section.count(), MAX_GLOBALS)?;
                self.shape.items += section.count();
                for global in section.clone() {
                    let global = global?;
                    let constant = constant(&global.init_expr)?;
                    let is_place = global.ty.content_type == ValType::I32 && !global.ty.mutable;
                    self.globals.push(constant.filter(|_| is_place));
                }
                Ok(())
            }
            Payload::ElementSection(section) => {
                within(Rule::Elements, section.count(), MAX_ELEMENTS)?;
                let (mut entries, mut end) = (section.count(), 0);
                for element in section.clone() {
                    let element = element?;
                    let (ElementKind::Active { offset_expr, .. }, ElementItems::Functions(functions)) =
                        (element.kind, element.items)
                    else {
                        return Err(BadCode::instruction(element.range.start));
                    };
                    end = end.max(end_of(&offset_expr, functions.count(), 1)?);
                    entries = entries.saturating_add(functions.count());
                }
                self.shape.items += entries;
                within(Rule::Elements, entries, MAX_ELEMENTS)?;
                within(Rule::TableEntries, end, self.table_entries)
            }
            Payload::DataCountSection { count, .. } => within(Rule::DataSegments, *count, MAX_DATA_SEGMENTS),
            Payload::DataSection(section) => {
                within(Rule::DataSegments, section.count(), MAX_DATA_SEGMENTS)?;
                self.shape.items += section.count();
                for data in section.clone() {
                    let data = data?;
                    let DataKind::Active { offset_expr, .. } = data.kind else {
                        return Err(BadCode::instruction(data.range.start));
                    };
                    let bytes = data.data.len() as u32;
                    within(Rule::MemoryPages, end_of(&offset_expr, bytes, PAGE_BYTES as u64)?, self.shape.pages)?;
                    self.shape.data_bytes = self.shape.data_bytes.saturating_add(bytes);
                }
                Ok(())
            }
            Payload::StartSection { .. } => within(Rule::Start, 1, 0),
            Payload::ExportSection(section) => section.clone().into_iter().try_for_each(|export| self.export(&export?)),
            Payload::CustomSection(section) => {
                self.custom_bytes = self.custom_bytes.saturating_add(section.range().len() as u32);
                within(Rule::Custom, self.custom_bytes, MAX_CUSTOM_BYTES)
            }
            Payload::Version { .. }
            | Payload::CodeSectionStart { .. }
            | Payload::CodeSectionEntry(_)
            | Payload::End(_) => Ok(()),
            // Tags, components, and whatever a newer standard brings.
            _ => Err(BadCode::instruction(0)),
        }
    }

    fn types(&mut self, section: wasmparser::TypeSectionReader<'_>) -> Result<(), BadCode> {
        within(CodeRule::Types, section.count(), MAX_TYPES)?;
        let mut number = 0;
        for group in section {
            for ty in group?.into_types() {
                number += 1;
                within(CodeRule::Types, number, MAX_TYPES)?;
                let CompositeInnerType::Func(function) = &ty.composite_type.inner else {
                    return Err(BadCode::instruction(0));
                };
                let (parameters, results) = (function.params(), function.results());
                within(CodeRule::Parameters, parameters.len() as u32, MAX_PARAMETERS)?;
                within(CodeRule::Results, results.len() as u32, MAX_RESULTS)?;
                if !parameters.iter().chain(results).all(is_integer) {
                    return Err(BadCode::instruction(0));
                }
                self.is_act_type.push((parameters, results) == (&[ValType::I32], &[ValType::I64]));
            }
        }
        Ok(())
    }

    fn export(&mut self, export: &Export<'_>) -> Result<(), BadCode> {
        let place = export.index as usize;
        match (export.name, export.kind) {
            ("memory", ExternalKind::Memory) => self.has_memory = true,
            ("buffer", ExternalKind::Global) => self.buffer = self.globals.get(place).copied().flatten(),
            ("act", ExternalKind::Func) => {
                let is_act = |ty: &u32| self.is_act_type.get(*ty as usize).copied();
                self.has_act = self.types.get(place).and_then(is_act).unwrap_or(false);
            }
            // Linkers export where their data ends.
            (_, ExternalKind::Global) if self.globals.get(place).is_some_and(Option::is_some) => {
                self.other_exports += 1;
                within(CodeRule::Exports, self.other_exports, MAX_OTHER_EXPORTS)?;
            }
            _ => return within(CodeRule::Exports, MAX_OTHER_EXPORTS + 1, MAX_OTHER_EXPORTS),
        }
        Ok(())
    }

    fn function(
        &mut self,
        function: FuncToValidate<ValidatorResources>,
        body: &FunctionBody<'_>,
    ) -> Result<(), BadCode> {
        let bytes = body.range().len() as u32;
        within(CodeRule::Body, bytes, MAX_BODY_BYTES)?;
        let shape = &mut self.shape;
        shape.body_bytes = shape.body_bytes.max(bytes);
        let mut locals = 0u32;
        for group in body.get_locals_reader()? {
            let (count, ty) = group?;
            if !is_integer(&ty) {
                return Err(BadCode::instruction(body.range().start));
            }
            locals = locals.saturating_add(count);
            within(CodeRule::Locals, locals, MAX_LOCALS)?;
        }
        let mut validator = function.into_validator(std::mem::take(&mut self.allocations));
        let mut reader = body.get_binary_reader();
        validator.read_locals(&mut reader)?;
        within(CodeRule::Locals, validator.len_locals(), MAX_LOCALS)?;
        shape.locals = shape.locals.max(validator.len_locals());
        while !reader.eof() {
            let at = reader.original_position();
            let operator = reader.read_operator()?;
            if !is_allowed(&operator) {
                return Err(BadCode::instruction(at));
            }
            match &operator {
                Operator::BrTable { targets } => {
                    within(CodeRule::BranchTargets, targets.len(), MAX_BRANCH_TARGETS)?;
                }
                Operator::Block { blockty } | Operator::Loop { blockty } | Operator::If { blockty } if matches!(blockty, BlockType::Type(ty) if !is_integer(ty)) =>
                {
                    return Err(BadCode::instruction(at));
                }
                _ => {}
            }
            validator.op(at, &operator)?;
            within(CodeRule::Operands, validator.operand_stack_height(), MAX_OPERANDS)?;
            within(CodeRule::Nesting, validator.control_stack_height(), MAX_NESTING)?;
            shape.operands = shape.operands.max(validator.operand_stack_height());
            shape.nesting = shape.nesting.max(validator.control_stack_height());
        }
        validator.finish(reader.original_position())?;
        self.allocations = validator.into_allocations();
        Ok(())
    }

    fn end(self) -> Result<Shape, BadCode> {
        let missing = |rule, is_there: bool| {
            within(rule, u32::from(!is_there), 0).map_err(|_| BadCode { rule, found: 0, allowed: 1 })
        };
        missing(CodeRule::NoMemory, self.has_memory)?;
        missing(CodeRule::NoAct, self.has_act)?;
        let room = self.shape.pages as usize * PAGE_BYTES;
        let fits = |buffer: &u32| (*buffer as usize).saturating_add(MAX_INPUT_BYTES) <= room;
        missing(CodeRule::NoBuffer, self.buffer.as_ref().is_some_and(fits))?;
        Ok(Shape { buffer: self.buffer.unwrap_or(0), ..self.shape })
    }
}

const fn is_integer(ty: &ValType) -> bool {
    matches!(ty, ValType::I32 | ValType::I64)
}

/// Where a segment of this length ends, in units of so many bytes or entries, begun ones counted: it lies within as many or more.
fn end_of(offset: &ConstExpr<'_>, length: u32, unit: u64) -> Result<u32, BadCode> {
    let from = constant(offset)?.ok_or(BadCode::unreadable(offset.get_binary_reader().original_position()))?;
    let end = (u64::from(from) + u64::from(length)).div_ceil(unit);
    Ok(u32::try_from(end).unwrap_or(u32::MAX))
}

/// The `i32` that an initial value is; `None` if it is an `i64`. Anything else is not allowed.
fn constant(expression: &ConstExpr<'_>) -> Result<Option<u32>, BadCode> {
    let mut reader = expression.get_operators_reader();
    let constant = match reader.read()? {
        Operator::I32Const { value } => Some(value as u32),
        Operator::I64Const { .. } => None,
        _ => return Err(BadCode::instruction(reader.original_position())),
    };
    match reader.read()? {
        Operator::End => Ok(constant),
        _ => Err(BadCode::instruction(reader.original_position())),
    }
}
