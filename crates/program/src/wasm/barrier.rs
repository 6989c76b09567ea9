//! What stands between a module and a fault of its interpreter.
//!
//! wasmi 2.0.0 joins a comparison with zero and the `select` that it decides into one instruction. If what is compared is a local
//! variable, that instruction looks at whatever was computed before instead of at the variable: `x, y, (local.get c), i32.eqz, select`
//! takes the wrong one of both. So each `select` is told its condition anew, `condition > 0` without a sign, which is the same and is
//! never joined. A select's price holds what that costs.

use super::admission::BadCode;
use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{CodeSection, Instruction};
use wasmparser::{FunctionBody, Operator, Parser};

/// The same module, fit for the interpreter.
pub(super) fn put_up(code: &[u8]) -> Result<Vec<u8>, BadCode> {
    let mut module = wasm_encoder::Module::new();
    Barrier.parse_core_module(&mut module, Parser::new(0), code).map_err(|_| BadCode::unreadable(0))?;
    Ok(module.finish())
}

struct Barrier;

impl Reencode for Barrier {
    type Error = std::convert::Infallible;

    fn parse_function_body(
        &mut self,
        section: &mut CodeSection,
        body: FunctionBody<'_>,
    ) -> Result<(), Error<Self::Error>> {
        let mut function = self.new_function_with_parsed_locals(&body)?;
        for operator in body.get_operators_reader()? {
            let operator = operator?;
            if matches!(operator, Operator::Select) {
                function.instruction(&Instruction::I32Const(0)).instruction(&Instruction::I32GtU);
            }
            function.instruction(&self.instruction(operator)?);
        }
        section.function(&function);
        Ok(())
    }

    /// The interpreter ignores them, so whether they can be read does not matter either.
    fn parse_custom_section(
        &mut self,
        _: &mut wasm_encoder::Module,
        _: wasmparser::CustomSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        Ok(())
    }
}
