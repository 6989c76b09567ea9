//! What admission would say of a program that was built, and what a signer could not read.

use super::*;
use utilidor_types::program::Bilingual;

/// Texts that whoever signs can read, and numbers that can be: the ledger takes a manifest as it is.
pub fn check_manifest(manifest: &Manifest) -> Result<(), Failure> {
    let names = manifest.parameters.iter().map(|field| &*field.name);
    let twice = names.clone().enumerate().find(|(place, name)| names.clone().take(*place).any(|other| other == *name));
    let is_plain = |text: &str| !text.trim().is_empty() && !text.chars().any(char::is_control);
    let acts = |text: &str| text.chars().any(|char| char.is_control() && char != '\n');
    let acting = |text: &Bilingual| acts(&text.en) || acts(&text.zh);
    let bad = if !is_plain(&manifest.name) {
        said!("its name is empty, or has a line break or control character in it", "名称为空，或含有换行或控制字符")
    } else if let Some((_, name)) = twice {
        said!("two parameters have the name {name:?}", "有两个参数名为 {name:?}")
    } else if !names.clone().all(is_plain) {
        said!("a parameter's name is empty, or has a control character in it", "有参数的名称为空或含有控制字符")
    } else if manifest.clauses.is_empty() {
        said!("it has no clauses: whoever signs would read none", "没有条款：签署者将无从阅读")
    } else if let Some(number) =
        manifest.clauses.iter().position(|clause| clause.en.trim().is_empty() || clause.zh.trim().is_empty())
    {
        said!("clause {number} is empty in English or in Chinese", "第 {number} 条缺少英文或中文")
    } else if let Some(number) = manifest.clauses.iter().position(acting) {
        said!("clause {number} has a control character in it", "第 {number} 条含有控制字符")
    } else if acts(&manifest.version) || acting(&manifest.summary) {
        said!("its version or its summary has a control character in it", "版本或摘要含有控制字符")
    } else if u64::from(manifest.fuel) > wasm::EVENT_FUEL {
        let (fuel, most) = (manifest.fuel, wasm::EVENT_FUEL);
        said!("its fuel is {fuel}, an event has {most}", "fuel 为 {fuel}，一次事件至多 {most}")
    } else {
        return Ok(());
    };
    Err(Failure::refused("program/bad-manifest", said!("the manifest will not do: {bad}", "清单不可用：{bad}"))
        .next(said!("put it right in manifest.json and build again", "请改正 manifest.json 后重新构建")))
}

/// Which rule forbids code, and where.
pub fn bad_code(bad: wasm::BadCode, code: &[u8]) -> Failure {
    let float = wasm::floats::first(code).filter(|_| matches!(bad.rule, CodeRule::Instruction | CodeRule::NoModule));
    let (found, allowed) = (bad.found, bad.allowed);
    if let Some(float) = float {
        let function =
            float.function.map_or_else(|| said!("", ""), |number| said!(" in function {number}", "（函数 {number}）"));
        let instruction = float.instruction.map_or_else(|| said!("", ""), |name| said!(" ({name})", "（{name}）"));
        let what = said!(
            "the code uses floating point{function}{instruction}, which programs may not have",
            "代码使用了浮点数{function}{instruction}，程序不得使用"
        );
        return Failure::refused("program/bad-code", what).next(said!(
            "take out f32 and f64 (number in AssemblyScript) and count in whole millionths, joules or thousandths: the SDK's \
             math has exact shares",
            "去掉 f32 和 f64（AssemblyScript 中的 number），以百万分之一、焦耳或千分之一的整数计算：SDK 的 math 有精确的份额"
        ));
    }
    let what = match bad.rule {
        CodeRule::NoModule if allowed == 0 => {
            said!(
                "the code is no WebAssembly module: byte {found} is at fault",
                "代码不是 WebAssembly 模块：错在第 {found} 字节"
            )
        }
        CodeRule::NoModule => {
            said!("the code has {found} bytes, {allowed} are allowed", "代码有 {found} 字节，允许 {allowed} 字节")
        }
        CodeRule::Instruction => said!(
            "the code has an instruction or type that programs may not have, at byte {found}",
            "代码在第 {found} 字节有程序不得使用的指令或类型"
        ),
        rule => said!("{bad}", "代码不合规则：{rule}：有 {found}，允许 {allowed}"),
    };
    Failure::refused("program/bad-code", what)
        .next(said!("docs/guide/own-contract.md lists the rules for code", "代码的规则见 docs/guide/own-contract.md"))
}

pub fn check(folder: &Path, out: &Output) -> Result<(), Failure> {
    let publication = read_built(folder)?;
    Module::compile(&publication.code).map_err(|bad| bad_code(bad, &publication.code))?;
    let bytes = encode(&publication.manifest).len();
    if bytes > MAX_MANIFEST_BYTES {
        let what = said!(
            "the manifest has {bytes} bytes, at most {MAX_MANIFEST_BYTES} are allowed",
            "清单有 {bytes} 字节，最多允许 {MAX_MANIFEST_BYTES} 字节"
        );
        return Err(
            Failure::refused("program/manifest-too-long", what).next(said!("shorten its texts", "请缩短其文字"))
        );
    }
    let shape = admission::check(&publication.code).map_err(|bad| bad_code(bad, &publication.code))?;
    let value = json!({
        "program": publication.id(),
        "code": publication.code.digest(),
        "bytes": publication.code.len(),
        "fuel": publication.manifest.fuel,
        "pages": shape.pages,
        "locals": shape.locals,
        "operands": shape.operands,
        "nesting": shape.nesting,
        "longest_function": shape.body_bytes,
    });
    out.show(&value, |out| {
        let mut facts = vec![(t!("program"), publication.id().to_string())];
        facts.extend(built_facts(&publication.code, &publication.manifest));
        facts.push((t!("pages"), format!("{} / {}", shape.pages, admission::MAX_MEMORY_PAGES)));
        format!("{}\n{}", out.word(t!("checked")), out.facts(facts))
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Lang;
    use utilidor_types::Text;
    use utilidor_types::program::{Field, FieldKind};

    #[test]
    fn a_float_is_called_a_float() {
        // One function: f64.const, drop.
        let code = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a\x0e\x01\x0c\0\x44\0\0\0\0\0\0\0\0\x1a\x0b";
        let failure = bad_code(admission::check(code).unwrap_err(), code);
        let english = "the code uses floating point in function 0 (F64Const), which programs may not have";
        assert_eq!(failure.what().text(Lang::En), english);
        assert!(failure.what().text(Lang::Zh).starts_with("代码使用了浮点数（函数 0）（F64Const），程序不得使用"));
        let broken = bad_code(admission::check(b"no module").unwrap_err(), b"no module");
        assert!(broken.what().text(Lang::En).contains("no WebAssembly module"), "{}", broken.what());
    }

    #[test]
    fn a_manifest_that_nobody_could_read_is_refused_by_name() {
        let text = |text: &str| Bilingual { en: Text::new(text).unwrap(), zh: Text::new(text).unwrap() };
        let field = |name: &str| Field { name: Text::new(name).unwrap(), kind: FieldKind::Integer };
        let good = || Manifest {
            name: Text::new("heat").unwrap(),
            clauses: Bounded::new(vec![text("Taken.")]).unwrap(),
            parameters: Bounded::new(vec![field("a"), field("b")]).unwrap(),
            ..Manifest::default()
        };
        assert!(check_manifest(&good()).is_ok());
        let told = |change: &dyn Fn(&mut Manifest)| {
            let mut manifest = good();
            change(&mut manifest);
            let failure = check_manifest(&manifest).unwrap_err();
            assert_eq!(failure.code(), "program/bad-manifest");
            failure.what().text(Lang::En).to_owned()
        };
        assert!(told(&|it| it.name = Text::new("").unwrap()).contains("name is empty"));
        assert!(told(&|it| it.name = Text::new("a\nb\u{1b}").unwrap()).contains("line break"));
        assert!(told(&|it| it.parameters.push(field("a")).unwrap()).contains("two parameters have the name \"a\""));
        assert!(told(&|it| it.parameters.push(field(" ")).unwrap()).contains("parameter's name is empty"));
        assert!(told(&|it| it.clauses = Bounded::empty()).contains("no clauses"));
        assert!(told(&|it| it.clauses.push(text("")).unwrap()).contains("clause 1 is empty"));
        assert!(
            told(&|it| it.clauses.push(text("paid\u{1b}[2J")).unwrap()).contains("clause 1 has a control character")
        );
        assert!(told(&|it| it.summary = text("a\u{7}")).contains("version or its summary has a control character"));
        assert!(told(&|it| it.version = Text::new("1\u{1b}").unwrap()).contains("version or its summary"));
        let mut lines = good();
        lines.clauses.push(text("paid\nor not")).unwrap();
        assert!(check_manifest(&lines).is_ok(), "a clause may have several lines");
        assert!(told(&|it| it.fuel = 500_000).contains("500000, an event has 200000"));
    }
}
