//! `utilidor program`: contracts that parties write themselves [M15].

mod check;
mod simulate;

use super::{clauses, show_done};
use crate::causes::{self, code_too_long};
use crate::context::{Context, read_file};
use crate::failure::Failure;
use crate::ids::Given;
use crate::output::{Output, or_dash};
use crate::project::{self, Built, command_bytes};
use crate::sentence::Said;
use crate::sheet::{Sheet, kind_text};
use crate::{chinese, document, said, t};
use check::{bad_code, check, check_manifest};
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
            let built = build(&folder, &context)?;
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
            out.document(&document::for_people(&terms));
        }
        Command::Terms { program: Subject::Published(program), sheet } => {
            let program = context.id(&program).await?;
            let manifest = context.client()?.program(program).await?.manifest;
            let sheet = read_sheet(&sheet, &context)?;
            let terms = sheet.terms(&manifest, ProgramCode::Published(program)).map_err(Failure::usage)?;
            check_terms(&terms, Timestamp(0))?;
            out.document(&document::for_people(&terms));
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
            verify(program, &publication, &folder, &context)?;
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
    document::of_people(document, path, said!("sheet", "参数表"), "program new")
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

/// A build that says the most fuel that its own past or its authors have seen.
fn build(folder: &Path, context: &Context) -> Result<Built, Failure> {
    let mut built = project::build(folder)?;
    built.manifest.fuel = built.manifest.fuel.max(simulate::most_fuel(folder, &built, context).unwrap_or(0));
    Ok(built)
}

/// Compares a build with what was published.
fn verify(program: ProgramId, publication: &Publication, folder: &Path, context: &Context) -> Result<(), Failure> {
    if publication.id() != program {
        let what = said!(
            "the node's publication has id {}, asked was {program}",
            "节点给出的发布内容标识为 {}，查询的是 {program}",
            publication.id()
        );
        return Err(Failure::refused("program/other", what).next(said!("ask another node", "请向另一节点查询")));
    }
    let built = build(folder, context)?;
    let (found, published) = (built.code.digest(), publication.code.digest());
    if found != published {
        let what = said!(
            "the sources give code {found}, published is {published}",
            "由源码构建得到代码 {found}，发布的是 {published}"
        );
        let (then, now) = (&*publication.manifest.toolchain, &*built.manifest.toolchain);
        let next = match then == now {
            true => said!(
                "compare src and sdk with what its publisher has: the sources are {}, published are {}",
                "请将 src 和 sdk 与发布者的比较：源码摘要为 {}，发布的是 {}",
                built.manifest.sources,
                publication.manifest.sources
            ),
            false => said!("it was built with {then}; this is {now}", "当初用 {then} 构建；现在是 {now}"),
        };
        return Err(Failure::refused("program/other-code", what).next(next));
    }
    let mut differing = project::differing(&built.manifest, &publication.manifest);
    if publication.manifest.fuel < built.manifest.fuel {
        differing.push("fuel");
    }
    if !differing.is_empty() {
        let what = said!(
            "manifest.json says something else than what was published: {}",
            "manifest.json 与发布的内容不同：{}",
            differing.join(", ")
        );
        return Err(Failure::refused("program/other-texts", what).next(said!(
            "the code is the same; see what was published: utilidor program show {program}",
            "代码相同；查看发布的内容：utilidor program show {program}"
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
    context.out.show(&json!({ "program": program, "code": found, "verified": true }), |out| {
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
    let fields = manifest.parameters.iter().map(|field| [field.name.to_string(), kind_text(field.kind)]);
    let fields = out.table([t!("parameters"), t!("kind")], fields.collect());
    format!("{facts}\n{}\n{clauses}\n{fields}", out.text(&manifest.summary))
}
