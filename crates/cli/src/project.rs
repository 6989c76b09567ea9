//! A contract's project on disk: laying one out, building it, and comparing a build with what was published.
//!
//! ```text
//! new ──> Cargo.toml, src/, manifest.json, sheet.json, past.csv, sdk/ ──build──> out/contract.wasm, out/manifest.json
//!         package.json, assembly/, ... in AssemblyScript
//! ```
//!
//! The SDK stands in the project, with the versions of what it uses, so that it builds the same for ever and needs nothing of
//! this platform's sources.

use crate::causes::{code_too_long, too_long};
use crate::context::read_file;
use crate::document;
use crate::failure::Failure;
use crate::said;
use crate::sentence::Said;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use utilidor_types::Digest;
use utilidor_types::hash::tagged_hash;
use utilidor_types::program::{Code, Manifest};
use utilidor_types::{Bounded, Text};

/// Where programs are built for.
const TARGET: &str = "wasm32-unknown-unknown";
/// Bytes of a program's stack: what an event needs, and not the megabyte that linkers take.
const STACK_BYTES: u32 = 32 * 1024;

/// Where package-lock.json says which compiler it is.
const PINNED: &[&str] = &["packages", "node_modules/assemblyscript", "version"];

macro_rules! files {
    ($name:ident $($path:literal = $source:literal;)*) => {
        const $name: &[(&str, &str)] = &[$(($path, include_str!($source)),)*];
    };
}

files! {
    RUST_FILES
    "Cargo.toml" = "../templates/contract/Cargo.toml.txt";
    "Cargo.lock" = "../templates/contract/Cargo.lock.txt";
    "README.md" = "../templates/contract/README.md";
    "manifest.json" = "../templates/contract/manifest.json";
    "sheet.json" = "../templates/contract/sheet.json";
    "past.csv" = "../templates/contract/past.csv";
    "src/lib.rs" = "../templates/contract/src/lib.rs";
    "tests/contract.rs" = "../templates/contract/tests/contract.rs";
    "sdk/Cargo.toml" = "../templates/contract/sdk.toml.txt";
    "sdk/src/lib.rs" = "../../program-sdk/src/lib.rs";
    "sdk/src/account.rs" = "../../program-sdk/src/account.rs";
    "sdk/src/read.rs" = "../../program-sdk/src/read.rs";
    "sdk/src/series.rs" = "../../program-sdk/src/series.rs";
    "sdk/src/time.rs" = "../../program-sdk/src/time.rs";
    "sdk/src/values.rs" = "../../program-sdk/src/values.rs";
    "sdk/src/wire.rs" = "../../program-sdk/src/wire.rs";
    "sdk/src/write.rs" = "../../program-sdk/src/write.rs";
    "sdk/src/math.rs" = "../../program-sdk/src/math.rs";
    "sdk/src/parameters.rs" = "../../program-sdk/src/parameters.rs";
    "sdk/src/entry.rs" = "../../program-sdk/src/entry.rs";
}

files! {
    ASSEMBLYSCRIPT_FILES
    "package.json" = "../templates/assemblyscript/package.json";
    "package-lock.json" = "../templates/assemblyscript/package-lock.json.txt";
    "README.md" = "../templates/assemblyscript/README.md";
    "manifest.json" = "../templates/contract/manifest.json";
    "sheet.json" = "../templates/contract/sheet.json";
    "past.csv" = "../templates/contract/past.csv";
    "assembly/index.ts" = "../templates/assemblyscript/assembly/index.ts";
    "tests/contract.test.mjs" = "../templates/assemblyscript/tests/contract.test.mjs";
    "sdk/build.mjs" = "../../../sdk/assemblyscript/build.mjs";
    "sdk/assembly/index.ts" = "../../../sdk/assemblyscript/assembly/index.ts";
    "sdk/assembly/math.ts" = "../../../sdk/assemblyscript/assembly/math.ts";
    "sdk/assembly/read.ts" = "../../../sdk/assemblyscript/assembly/read.ts";
    "sdk/assembly/runtime.ts" = "../../../sdk/assemblyscript/assembly/runtime.ts";
    "sdk/assembly/wire.ts" = "../../../sdk/assemblyscript/assembly/wire.ts";
    "sdk/assembly/write.ts" = "../../../sdk/assemblyscript/assembly/write.ts";
}

/// What a project is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Language {
    /// Rust, built by cargo
    #[default]
    Rust,
    /// AssemblyScript, built by npm and Node
    #[value(name = "assemblyscript")]
    AssemblyScript,
}

impl Language {
    const fn files(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Rust => RUST_FILES,
            Self::AssemblyScript => ASSEMBLYSCRIPT_FILES,
        }
    }

    /// What a folder's project is written in.
    fn of(folder: &Path) -> Self {
        let is_rust = folder.join("Cargo.toml").is_file();
        if !is_rust && folder.join("package.json").is_file() { Self::AssemblyScript } else { Self::Rust }
    }

    /// Files and folders that the code is built from.
    const fn sources(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Self::Rust => (&["Cargo.toml", "Cargo.lock"], &["src", "sdk"]),
            Self::AssemblyScript => (&["package.json", "package-lock.json"], &["assembly", "sdk"]),
        }
    }
}

/// What a build gives.
pub struct Built {
    /// The module.
    pub code: Code,
    /// The manifest, with sources and toolchain.
    pub manifest: Manifest,
}

/// Lays out a project in a folder that is not there yet, or empty. Gives the files.
pub fn lay_out(folder: &Path, name: &str, language: Language) -> Result<Vec<PathBuf>, Failure> {
    let is_name =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !is_name || !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        return Err(Failure::usage(said!(
            "{name:?} is no name of a project: use lower-case letters, digits and -",
            "{name:?} 不能作为项目名称：请用小写字母、数字和 -"
        ))
        .next(said!("for example: utilidor program new my-contract", "例如：utilidor program new my-contract")));
    }
    let is_used = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if is_used {
        return Err(Failure::usage(said!("{} is not empty", "{} 不是空文件夹", folder.display()))
            .next(said!("choose another folder", "另选一个文件夹")));
    }
    let files = language.files();
    let mut written = Vec::with_capacity(files.len());
    for (path, text) in files {
        let path = folder.join(path);
        write(&path, text.replace("{{name}}", name).as_bytes())?;
        written.push(path);
    }
    Ok(written)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::from_error("file/unwritable", said!("cannot write {}", "无法写入 {}", path.display()), &error)
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    std::fs::write(path, bytes).map_err(failed)
}

/// Builds a project for the ledger, the same bytes wherever it stands.
pub fn build(folder: &Path) -> Result<Built, Failure> {
    let mut manifest: Manifest =
        document::read(&folder.join("manifest.json"), said!("manifest", "清单"), "program new")?;
    let absolute = std::fs::canonicalize(folder)
        .map_err(|_| Failure::usage(said!("there is no folder {}", "没有文件夹 {}", folder.display())))?;
    let language = Language::of(&absolute);
    let module = match language {
        Language::Rust => build_rust(&absolute)?,
        Language::AssemblyScript => build_assemblyscript(&absolute)?,
    };
    let bytes = read_file(&module)?;
    let code = Code::new(bytes)
        .map_err(|error| Failure::usage(code_too_long(&error)).within(&module.display().to_string()))?;
    manifest.sources = sources(&absolute, language)?;
    manifest.toolchain = match language {
        Language::Rust => toolchain(),
        Language::AssemblyScript => assemblyscript(&absolute),
    };
    Ok(Built { code, manifest })
}

/// Builds by cargo, and says where the module is.
fn build_rust(absolute: &Path) -> Result<PathBuf, Failure> {
    let mut flags = vec![format!("-Clink-arg=-zstack-size={STACK_BYTES}"), "-Cstrip=symbols".into()];
    flags.extend(renamed(absolute).map(|(place, name)| format!("--remap-path-prefix={}={name}", place.display())));
    let target = absolute.join("target");
    let status = Command::new("cargo")
        .args(["build", "--release", "--lib", "--target", TARGET])
        .current_dir(absolute)
        .env("CARGO_TARGET_DIR", &target)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .status();
    match status {
        Ok(status) if status.success() => {}
        Ok(_) => {
            return Err(Failure::new(
                "program/build",
                said!("the project does not build: see above", "项目构建失败：见上文"),
            )
            .next(after_failed_build(absolute)));
        }
        Err(error) => {
            return Err(Failure::from_error("program/build", said!("cannot run cargo", "无法运行 cargo"), &error)
                .next(said!("install Rust: https://rustup.rs", "请安装 Rust：https://rustup.rs")));
        }
    }
    built_module(&target.join(TARGET).join("release"))
}

/// What to do where cargo does not build a project.
fn after_failed_build(project: &Path) -> Said {
    let manifest = std::fs::read_to_string(project.join("Cargo.toml")).unwrap_or_default();
    if manifest.contains("workspace = true") {
        return said!(
            "its Cargo.toml is part of a workspace, as those in contracts/ are: lay out a project of its own, utilidor program new, and copy \
             src/lib.rs and manifest.json into it",
            "其 Cargo.toml 属于某个工作区，contracts/ 中的合约即如此：请用 utilidor program new 另建项目，再复制 src/lib.rs 和 manifest.json"
        );
    }
    said!("where the target is missing: rustup target add {TARGET}", "若缺少目标平台：rustup target add {TARGET}")
}

/// Builds by npm: the compiler of package-lock.json, fetched if it is not there or is another, and the project's own script.
fn build_assemblyscript(absolute: &Path) -> Result<PathBuf, Failure> {
    let installed = text_in(&absolute.join("node_modules/assemblyscript/package.json"), &["version"]);
    if installed.is_none() || installed != text_in(&absolute.join("package-lock.json"), PINNED) {
        npm(absolute, &["ci", "--no-audit", "--no-fund"])?;
    }
    npm(absolute, &["run", "build"])?;
    Ok(absolute.join("assembly/contract.wasm"))
}

fn npm(folder: &Path, arguments: &[&str]) -> Result<(), Failure> {
    // What it prints is for people: the command's own answer is all that stands in the output.
    let output = Command::new("npm").args(arguments).current_dir(folder).stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            let what = said!(
                "npm {} failed in {}: {}",
                "npm {} 在 {} 中失败：{}",
                arguments.join(" "),
                folder.display(),
                said.trim()
            );
            Err(Failure::new("program/build", what).next(said!(
                "npm ci needs package-lock.json and the registry that it names",
                "npm ci 需要 package-lock.json 及其所指的软件源"
            )))
        }
        Err(error) => Err(Failure::from_error("program/build", said!("cannot run npm", "无法运行 npm"), &error).next(
            said!("install Node 20 or later: https://nodejs.org", "请安装 Node 20 或更新版本：https://nodejs.org"),
        )),
    }
}

/// The compiler that package-lock.json pins.
fn assemblyscript<const MAX: usize>(folder: &Path) -> Text<MAX> {
    let version = text_in(&folder.join("package-lock.json"), PINNED).unwrap_or_else(|| "unknown".into());
    Text::new(format!("assemblyscript {version}")).unwrap_or_default()
}

/// A text within a document.
fn text_in(path: &Path, keys: &[&str]) -> Option<String> {
    let document: serde_json::Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    let found = keys.iter().try_fold(&document, |value, key| value.get(key))?;
    found.as_str().map(str::to_owned)
}

/// Folders of this machine that a module would tell, and what it tells instead: the project's, the libraries', and the standard
/// library's where its sources are installed.
fn renamed(project: &Path) -> impl Iterator<Item = (PathBuf, String)> {
    let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo = cargo.or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    let libraries = cargo.map(|cargo| (cargo.join("registry/src"), "/registry".into()));
    let standard = rustc(&["--print", "sysroot"]).zip(rustc(&["-vV"])).and_then(|(sysroot, version)| {
        let commit = version.lines().find_map(|line| line.strip_prefix("commit-hash: "))?;
        Some((Path::new(sysroot.trim()).join("lib/rustlib/src/rust"), format!("/rustc/{commit}")))
    });
    [Some((project.to_owned(), "/contract".into())), libraries, standard].into_iter().flatten()
}

/// What the compiler says of itself.
fn rustc(arguments: &[&str]) -> Option<String> {
    let output = Command::new("rustc").args(arguments).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The one module that the build has left.
fn built_module(folder: &Path) -> Result<PathBuf, Failure> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut modules: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|end| end == "wasm")).collect();
    match (modules.pop(), modules.is_empty()) {
        (Some(module), true) => Ok(module),
        _ => Err(Failure::new(
            "program/build",
            said!("{} does not hold one module", "{} 中应恰有一个模块", folder.display()),
        )
        .next(said!(
            "the project's crate needs crate-type = [\"cdylib\", \"rlib\"]; \
             remove the folder target and build again",
            "项目的 crate 须有 crate-type = [\"cdylib\", \"rlib\"]；请删除 target 文件夹后重新构建"
        ))),
    }
}

/// What a build leaves in a project.
const OUT: [&str; 2] = ["out/contract.wasm", "out/manifest.json"];

/// Takes away what an earlier build has left.
pub fn forget(folder: &Path) -> Result<(), Failure> {
    for path in OUT.map(|path| folder.join(path)) {
        match std::fs::remove_file(&path) {
            Err(error) if path.exists() => {
                let what = said!("cannot remove {}", "无法删除 {}", path.display());
                return Err(Failure::from_error("file/unwritable", what, &error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether what was built is of the sources and texts that stand in a project now.
pub fn is_built(folder: &Path, built: &Manifest) -> Result<bool, Failure> {
    let now: Manifest = document::read(&folder.join("manifest.json"), said!("manifest", "清单"), "program new")?;
    let absolute = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    Ok(differing(&now, built).is_empty()
        && now.fuel <= built.fuel
        && sources(&absolute, Language::of(&absolute))? == built.sources)
}

/// What people read before they sign, and do not read alike in two manifests, by its name in the document.
pub fn differing(one: &Manifest, other: &Manifest) -> Vec<&'static str> {
    let compared = [
        ("name", one.name == other.name),
        ("version", one.version == other.version),
        ("summary", one.summary == other.summary),
        ("clauses", one.clauses == other.clauses),
        ("parameters", one.parameters == other.parameters),
        ("state", one.state == other.state),
    ];
    compared.into_iter().filter(|(_, is_same)| !is_same).map(|(name, _)| name).collect()
}

/// Writes what was built, and gives where.
pub fn keep(folder: &Path, built: &Built) -> Result<[PathBuf; 2], Failure> {
    let paths = OUT.map(|path| folder.join(path));
    write(&paths[0], &built.code)?;
    let manifest = serde_json::to_vec_pretty(&built.manifest).expect("a manifest is plain data");
    write(&paths[1], &manifest)?;
    Ok(paths)
}

/// Digest of the files that the code is built from, by their paths in the project.
fn sources(folder: &Path, language: Language) -> Result<Digest, Failure> {
    let (tops, folders) = language.sources();
    let mut files = Vec::new();
    for top in tops {
        let path = folder.join(top);
        if path.is_file() {
            files.push(path);
        }
    }
    for top in folders {
        collect(&folder.join(top), &mut files);
    }
    // What was built before is no source.
    files.retain(|file| file.extension().is_none_or(|end| end != "wasm"));
    files.sort();
    let mut parts = Vec::new();
    for file in &files {
        let name = file.strip_prefix(folder).unwrap_or(file).to_string_lossy().replace('\\', "/");
        let content = tagged_hash("utilidor/source", &[&read_file(file)?]);
        parts.push([name.as_bytes(), &[0], &content.0].concat());
    }
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    Ok(tagged_hash("utilidor/sources", &parts))
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    for path in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        match path.is_dir() {
            true if path.ends_with("target") => {}
            true => collect(&path, into),
            false => into.push(path),
        }
    }
}

fn toolchain<const MAX: usize>() -> Text<MAX> {
    let version = rustc(&["--version"]).unwrap_or_default();
    let short: String = version.chars().take_while(|character| *character != '(').collect();
    Text::new(short.trim()).unwrap_or_default()
}

/// A command's bytes: hex, or text after `text:`.
pub fn command_bytes<const MAX: usize>(text: &str) -> Result<Bounded<u8, MAX>, Said> {
    let bytes = match text.strip_prefix("text:") {
        Some(text) => text.as_bytes().to_vec(),
        None => hex::decode(text).map_err(|error| {
            said!("{text:?} is no hex: {error}; a text begins with text:", "{text:?} 不是十六进制；文字请以 text: 开头")
        })?,
    };
    bytes.try_into().map_err(|error| too_long(&error))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    /// Name, version and checksum of each package that comes from a registry.
    fn packages(lock: &str) -> BTreeSet<String> {
        let keys = ["name = ", "version = ", "checksum = "];
        let told = |package: &str| -> Vec<String> {
            let lines = package.lines().filter(|line| keys.iter().any(|key| line.starts_with(key)));
            lines.map(str::to_owned).collect()
        };
        let all = lock.split("[[package]]").skip(1).map(told);
        all.filter(|lines| lines.len() == keys.len()).map(|lines| lines.join("\n")).collect()
    }

    /// Nothing else has to be fetched for it, and nothing is built into a contract that was not looked at here.
    #[test]
    fn a_new_project_is_built_from_versions_that_this_platform_is_built_from() {
        let project = packages(include_str!("../templates/contract/Cargo.lock.txt"));
        let platform = packages(include_str!("../../../Cargo.lock"));
        assert!(!project.is_empty());
        let others: Vec<&String> = project.difference(&platform).collect();
        assert!(others.is_empty(), "bring templates/contract/Cargo.lock.txt up to Cargo.lock: {others:#?}");
    }
}
