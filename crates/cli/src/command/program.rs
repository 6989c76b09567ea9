//! `utilidor program`: contracts that parties write themselves [M15].

mod simulate;

use super::{clauses, show_done};
use crate::causes::{self, code_too_long};
use crate::context::{Context, read_file};
use crate::failure::Failure;
use crate::ids::Given;
use crate::output::{Output, or_dash};
use crate::project::{self, command_bytes};
use crate::sentence::Said;
use crate::sheet::Sheet;
use crate::{chinese, document, said, t};
use clap::Subcommand;
use serde_json::{Value, json};
use simulate::Simulate;
use std::path::{Path, PathBuf};
use utilidor_program::clauses::check_terms as check_fit;
use utilidor_program::wasm::{self, Module, admission};
use utilidor_types::action::MAX_COMMAND_BYTES;
use utilidor_types::agreement::ProgramCode;
use utilidor_types::program::{Code, MAX_MANIFEST_BYTES, Manifest, Publication};
use utilidor_types::refusal::CodeRule;
use utilidor_types::{AccountId, AgreementId, AgreementTerms, Bounded, Program, ProgramId, Timestamp, encode};
use utilidor_view::ProgramView;

/// What is asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lay out a project for a contract that builds and passes its tests
    New {
        /// What it is called: lower-case letters, digits and -
        name: String,
        /// Where it goes [default: a folder of that name]
        #[arg(long)]
        folder: Option<PathBuf>,
        /// What it is written in
        #[arg(long, value_enum, default_value_t)]
        language: project::Language,
    },
    /// Build a project: out/contract.wasm and out/manifest.json
    Build {
        /// The project
        #[arg(default_value = ".")]
        folder: PathBuf,
    },
    /// Say what the ledger would say of what was built, or of a clause sheet
    Check {
        /// The project, or a clause sheet: a file whose name ends in .clauses
        #[arg(default_value = ".")]
        folder: PathBuf,
    },
    /// Play what was built on a past: every statement, what is left, what happens when nobody does anything
    Simulate(Simulate),
    /// Publish what was built; it never changes afterwards
    Publish {
        /// The project
        #[arg(default_value = ".")]
        folder: PathBuf,
    },
    /// Make the terms of an agreement from a sheet, for 'utilidor agreement propose'
    Terms {
        /// The published program, or a clause sheet: a file whose name ends in .clauses
        program: Subject,
        /// The sheet
        sheet: PathBuf,
    },
    /// Tell an agreement's program something
    Command {
        /// The agreement
        agreement: Given<AgreementId>,
        /// The bytes in hex, or a text after text:
        #[arg(value_parser = command_bytes::<MAX_COMMAND_BYTES>)]
        bytes: Bounded<u8, MAX_COMMAND_BYTES>,
    },
    /// List the published programs
    List,
    /// Show a published program, or how a clause sheet reads: what it does, its clauses, its parameters
    Show {
        /// The program, or a clause sheet: a file whose name ends in .clauses
        program: Subject,
    },
    /// Build a project and compare it with what was published
    Verify {
        /// The program
        program: Given<ProgramId>,
        /// The project
        #[arg(default_value = ".")]
        folder: PathBuf,
    },
}

/// What is shown or agreed on.
#[derive(Debug, Clone)]
pub enum Subject {
    /// A published program.
    Published(Given<ProgramId>),
    /// A clause sheet's file.
    Clauses(PathBuf),
}

impl std::str::FromStr for Subject {
    type Err = Said;

    fn from_str(text: &str) -> Result<Self, Said> {
        if clauses::is_sheet(Path::new(text)) {
            return Ok(Self::Clauses(text.into()));
        }
        text.parse().map(Self::Published)
    }
}

/// Does it.
pub async fn run(command: Command, context: Context) -> Result<(), Failure> {
    let out = context.out;
    match command {
        Command::New { name, folder, language } => {
            let folder = folder.unwrap_or_else(|| PathBuf::from(&name));
            let files = project::lay_out(&folder, &name, language)?;
            out.show(&json!({ "folder": folder, "files": files }), |out| {
                format!("{} {}\n  utilidor program build {}", out.word(t!("done")), folder.display(), folder.display())
            });
        }
        Command::Build { folder } if clauses::is_sheet(&folder) => return Err(no_project(&folder)),
        Command::Build { folder } => {
            // What an earlier build has left is not what stands there now.
            project::forget(&folder)?;
            let mut built = project::build(&folder)?;
            built.manifest.fuel = built.manifest.fuel.max(simulate::most_fuel(&folder, &built, &context).unwrap_or(0));
            let [code, manifest] = project::keep(&folder, &built)?;
            let value = json!({
                "code": built.code.digest(), "bytes": built.code.len(), "fuel": built.manifest.fuel, "files": [code, manifest]
            });
            out.show(&value, |out| out.facts(built_facts(&built.code, &built.manifest)));
        }
        Command::Check { folder } if clauses::is_sheet(&folder) => clauses::check(&folder, &out)?,
        Command::Check { folder } => check(&folder, &out)?,
        Command::Simulate(arguments) => simulate::simulate(arguments, &context)?,
        Command::Publish { folder } | Command::Verify { folder, .. } if clauses::is_sheet(&folder) => {
            return Err(no_project(&folder));
        }
        Command::Publish { folder } => {
            let publication = read_built(&folder)?;
            let code = publication.code.digest();
            let made = context.account().await?.publish_program(publication).await?;
            show_done(out, &made.done, json!({ "program": made.id, "code": code }));
        }
        Command::Terms { program: Subject::Clauses(file), sheet } => {
            let sheet = read_sheet(&sheet, &context)?;
            let terms = sheet.terms_of(&clauses::read(&file)?).map_err(Failure::usage)?;
            check_terms(&terms, Timestamp(0))?;
            out.document(&terms);
        }
        Command::Terms { program: Subject::Published(program), sheet } => {
            let program = context.id(&program).await?;
            let manifest = context.client()?.program(program).await?.manifest;
            let sheet = read_sheet(&sheet, &context)?;
            let terms = sheet.terms(&manifest, ProgramCode::Published(program)).map_err(Failure::usage)?;
            check_terms(&terms, Timestamp(0))?;
            out.document(&terms);
        }
        Command::Command { agreement, bytes } => {
            let agreement = context.id(&agreement).await?;
            let done = context.account().await?.command(agreement, bytes.into_vec()).await?;
            show_done(out, &done, json!({ "agreement": agreement }));
        }
        Command::List => {
            let programs = context.client()?.programs().await?;
            out.show(&programs, |out| {
                let rows = programs.iter().map(|program| {
                    [
                        program.id.to_string(),
                        program.manifest.name.to_string(),
                        program.manifest.version.to_string(),
                        program.bytes.to_string(),
                        program.publisher.to_string(),
                    ]
                });
                let headings = [t!("program"), t!("name"), t!("version"), t!("bytes"), t!("publisher")];
                out.table(headings, rows.collect())
            });
        }
        Command::Show { program: Subject::Clauses(file) } => clauses::show(&file, &out)?,
        Command::Show { program: Subject::Published(program) } => {
            let program = context.id(&program).await?;
            let program = context.client()?.program(program).await?;
            out.show(&program, |out| program_text(out, &program));
        }
        Command::Verify { program, folder } => {
            let program = context.id(&program).await?;
            let publication = context.client()?.publication(program).await?;
            verify(program, &publication, &folder, &out)?;
        }
    }
    Ok(())
}

/// A sheet, in which a party may stand by the name of its key.
fn read_sheet(path: &Path, context: &Context) -> Result<Sheet, Failure> {
    let mut document = document::read_value(path, said!("sheet", "参数表"), "program new")?;
    for party in document.get_mut("parties").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(name) = party.as_str().filter(|text| text.parse::<AccountId>().is_err()) else { continue };
        let account = context.account_of_key(name).map_err(|_| {
            let what = said!(
                "{}: {name:?} is no party: write 64 hex digits, or the name of a key of yours",
                "{}：{name:?} 不是当事方：请写 64 位十六进制数字，或自己密钥的名称",
                path.display()
            );
            Failure::usage(what).next(said!(
                "see an account's id: utilidor account show NAME; your keys: utilidor keys list",
                "查看账户标识：utilidor account show NAME；自己的密钥：utilidor keys list"
            ))
        })?;
        *party = json!(account);
    }
    document::of_value(document, path, said!("sheet", "参数表"), "program new")
}

/// A clause sheet in the place of a project.
fn no_project(sheet: &Path) -> Failure {
    let sheet = sheet.display();
    let what = said!(
        "{sheet} is a clause sheet, which is neither built nor published: agreements hold all of it",
        "{sheet} 是条款单，无须构建或发布：合约中就有其全文"
    );
    Failure::usage(what).next(said!(
        "check it: utilidor program check {sheet}; agree on it: utilidor program terms {sheet} parties.json > terms.json, then \
         utilidor agreement propose terms.json",
        "检查：utilidor program check {sheet}；订立：utilidor program terms {sheet} parties.json > terms.json，再 \
         utilidor agreement propose terms.json"
    ))
}

/// What the ledger would say of terms that are signed at `signed`. Of a clause sheet's, first what does not fit: the ledger says
/// that alone.
fn check_terms(terms: &AgreementTerms, signed: Timestamp) -> Result<(), Failure> {
    if let Program::Coded(coded) = &terms.program
        && let Some(sheet) = clauses::signed(coded)
        && let Err(bad) = check_fit(&sheet, coded, terms)
    {
        return Err(Failure::refused("program/bad-terms", causes::bad_sheet(&bad))
            .next(said!("put it right in the sheet of the parties", "请改正当事方的参数表")));
    }
    utilidor_program::check(terms, signed)
        .map_err(|refusal| Failure::refused(refusal.code(), chinese::refusal(&refusal)))
}

/// What was built in a project.
fn read_built(folder: &Path) -> Result<Publication, Failure> {
    let hint = |failure: Failure| {
        failure.next(said!(
            "build it first: utilidor program build {}",
            "请先构建：utilidor program build {}",
            folder.display()
        ))
    };
    let path = folder.join("out/contract.wasm");
    if !path.exists() {
        let what = said!("the project in {} is not built", "{} 中的项目尚未构建", folder.display());
        return Err(hint(Failure::new("program/not-built", what)));
    }
    let bytes = read_file(&path).map_err(hint)?;
    let code = Code::new(bytes);
    let code = code.map_err(|error| Failure::usage(code_too_long(&error)).within(&path.display().to_string()))?;
    let manifest: Manifest =
        document::read(&folder.join("out/manifest.json"), said!("manifest", "清单"), "program new").map_err(hint)?;
    if !project::is_built(folder, &manifest)? {
        let what =
            said!("the project in {} has changed since it was built", "{} 中的项目在构建之后有改动", folder.display());
        return Err(hint(Failure::new("program/not-built", what)));
    }
    check_manifest(&manifest)?;
    Ok(Publication { engine: wasm::ENGINE, code, manifest })
}

/// Texts that whoever signs can read, and numbers that can be: the ledger takes a manifest as it is.
fn check_manifest(manifest: &Manifest) -> Result<(), Failure> {
    let names = manifest.parameters.iter().map(|field| &*field.name);
    let twice = names.clone().enumerate().find(|(place, name)| names.clone().take(*place).any(|other| other == *name));
    let is_plain = |text: &str| !text.trim().is_empty() && !text.chars().any(char::is_control);
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
fn bad_code(bad: wasm::BadCode, code: &[u8]) -> Failure {
    let float = wasm::floats::first(code).filter(|_| matches!(bad.rule, CodeRule::Instruction | CodeRule::NoModule));
    let (found, allowed) = (bad.found, bad.allowed);
    if let Some(float) = float {
        let function = float.function.map(|number| said!(" in function {number}", "（函数 {number}）"));
        let (function, instruction) =
            (or_nothing(function), or_nothing(float.instruction.map(|name| format!(" ({name})"))));
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

fn or_nothing<T: ToString>(part: Option<T>) -> String {
    part.map_or_else(String::new, |part| part.to_string())
}

fn check(folder: &Path, out: &Output) -> Result<(), Failure> {
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

/// What a manifest says that an event takes; nothing if it says nothing.
fn fuel_of(manifest: &Manifest) -> String {
    or_dash((manifest.fuel > 0).then(|| format!("{} / {}", manifest.fuel, wasm::EVENT_FUEL)))
}

fn built_facts(code: &Code, manifest: &Manifest) -> Vec<(crate::output::Word, String)> {
    vec![
        (t!("name"), manifest.name.to_string()),
        (t!("version"), manifest.version.to_string()),
        (t!("code"), code.digest().to_string()),
        (t!("bytes"), code.len().to_string()),
        (t!("fuel"), fuel_of(manifest)),
        (t!("sources"), manifest.sources.to_string()),
        (t!("toolchain"), manifest.toolchain.to_string()),
    ]
}

/// Compares a build with what was published.
fn verify(program: ProgramId, publication: &Publication, folder: &Path, out: &Output) -> Result<(), Failure> {
    if publication.id() != program {
        let what = said!(
            "the node's publication has id {}, asked was {program}",
            "节点给出的发布内容标识为 {}，查询的是 {program}",
            publication.id()
        );
        return Err(Failure::refused("program/other", what).next(said!("ask another node", "请向另一节点查询")));
    }
    let built = project::build(folder)?;
    let (found, published) = (built.code.digest(), publication.code.digest());
    if found != published {
        let what = said!(
            "the sources give code {found}, published is {published}",
            "由源码构建得到代码 {found}，发布的是 {published}"
        );
        let toolchain = &publication.manifest.toolchain;
        return Err(Failure::refused("program/other-code", what).next(said!(
            "it was built with {}; this is {}",
            "当初用 {} 构建；现在是 {}",
            &**toolchain,
            &*built.manifest.toolchain
        )));
    }
    if built.manifest.sources != publication.manifest.sources {
        let what = said!(
            "the sources are {}, published are {}",
            "源码摘要为 {}，发布的是 {}",
            built.manifest.sources,
            publication.manifest.sources
        );
        return Err(Failure::refused("program/other-sources", what)
            .next(said!("the code is the same; comments may differ", "代码相同；注释可能有别")));
    }
    out.show(&json!({ "program": program, "code": found, "verified": true }), |out| {
        format!("{}: {found}", out.word(t!("same_code")))
    });
    Ok(())
}

/// A program for people, in the output's language.
fn program_text(out: &Output, program: &ProgramView) -> String {
    let manifest = &program.manifest;
    let facts = out.facts(vec![
        (t!("program"), program.id.to_string()),
        (t!("name"), manifest.name.to_string()),
        (t!("version"), manifest.version.to_string()),
        (t!("code"), program.code.to_string()),
        (t!("bytes"), program.bytes.to_string()),
        (t!("engine"), program.engine.to_string()),
        (t!("fuel"), fuel_of(manifest)),
        (t!("sources"), manifest.sources.to_string()),
        (t!("toolchain"), manifest.toolchain.to_string()),
        (t!("publisher"), program.publisher.to_string()),
        (t!("time"), out.time(program.cause.time_ms)),
    ]);
    let clauses = clauses::texts(out, manifest, |_| true).unwrap_or_default();
    let fields = manifest.parameters.iter().map(|field| [field.name.to_string(), super::plain(&json!(field.kind))]);
    let fields = out.table([t!("parameters"), t!("kind")], fields.collect());
    format!("{facts}\n{}\n{clauses}\n{fields}", out.text(&manifest.summary))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Lang;
    use utilidor_types::Text;
    use utilidor_types::program::{Bilingual, Field, FieldKind};

    #[test]
    fn a_float_is_called_a_float() {
        // One function: f64.const, drop.
        let code = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a\x0e\x01\x0c\0\x44\0\0\0\0\0\0\0\0\x1a\x0b";
        let failure = bad_code(admission::check(code).unwrap_err(), code);
        let english = "the code uses floating point in function 0 (F64Const), which programs may not have";
        assert_eq!(failure.what().text(Lang::En), english);
        assert!(failure.what().text(Lang::Zh).starts_with("代码使用了浮点数（函数 0） (F64Const)"));
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
        assert!(told(&|it| it.fuel = 500_000).contains("500000, an event has 200000"));
    }
}
