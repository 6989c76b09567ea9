//! Where code that is not admitted uses floating point, for who explains a refusal. It takes no part in consensus: what is admitted
//! is [`super::admission`]'s to say.

use wasmparser::{BinaryReaderError, CompositeInnerType, FunctionBody, Parser, Payload, ValType};

/// A use of floating point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Float {
    /// The function, counted from 0; none: a type or a global.
    pub function: Option<u32>,
    /// The instruction; none: a type.
    pub instruction: Option<String>,
}

/// A use of floating point in code, an instruction if there is one: it says more than the type of the function that has it.
pub fn first(code: &[u8]) -> Option<Float> {
    let (mut in_types, mut function) = (None, 0);
    for payload in Parser::new(0).parse_all(code) {
        let Ok(payload) = payload else { break };
        let found = match &payload {
            Payload::CodeSectionEntry(body) => {
                function += 1;
                in_body(body, function - 1)
            }
            other => in_section(other),
        };
        match found {
            Ok(Some(float)) if float.instruction.is_some() => return Some(float),
            Ok(found) => in_types = in_types.or(found),
            Err(_) => break,
        }
    }
    in_types
}

fn in_section(payload: &Payload<'_>) -> Result<Option<Float>, BinaryReaderError> {
    let mut is_used = false;
    match payload {
        Payload::TypeSection(section) => {
            for group in section.clone() {
                for ty in group?.into_types() {
                    if let CompositeInnerType::Func(function) = &ty.composite_type.inner {
                        is_used |= function.params().iter().chain(function.results()).any(is_float);
                    }
                }
            }
        }
        Payload::GlobalSection(section) => {
            for global in section.clone() {
                is_used |= is_float(&global?.ty.content_type);
            }
        }
        _ => {}
    }
    Ok(is_used.then_some(Float { function: None, instruction: None }))
}

fn in_body(body: &FunctionBody<'_>, function: u32) -> Result<Option<Float>, BinaryReaderError> {
    let mut is_used = false;
    for group in body.get_locals_reader()? {
        is_used |= is_float(&group?.1);
    }
    for operator in body.get_operators_reader()? {
        // The name comes first, and all that deal with floats have their type in it.
        let name = format!("{:?}", operator?);
        let name: String = name.chars().take_while(char::is_ascii_alphanumeric).collect();
        if name.contains("F32") || name.contains("F64") {
            return Ok(Some(Float { function: Some(function), instruction: Some(name) }));
        }
    }
    Ok(is_used.then_some(Float { function: Some(function), instruction: None }))
}

const fn is_float(ty: &ValType) -> bool {
    matches!(ty, ValType::F32 | ValType::F64)
}
