//! The `utilidor` command: arguments in, calls out, nothing else.
//!
//! | file | answers |
//! |---|---|
//! | [`arguments`] | what can be written on the command line |
//! | [`context`] | which node, which key, which passphrase |
//! | [`command`] | one file per noun: what is called, and what is shown of the answer |
//! | [`output`], [`sentence`], [`text`], [`units`] | how answers look: JSON or tables, English or Chinese, kWh or joules |
//! | [`document`], [`import`], [`ids`] | what people write in documents, in files of readings, and instead of whole ids |
//! | [`node_file`] | what a node among several is told in its folder |
//! | [`label`] | what things are called that are to be made |
//! | [`chinese`], [`causes`], [`help`] | refusals, problems, other parts' failures and help in Chinese |
//! | [`fault`] | what the codes of programs that fail mean |
//! | [`log`] | what a node tells while it runs |
//! | [`failure`] | what went wrong, why, what to do next, and the exit status |
//!
//! Exit status: 0 done, 1 failed, 2 the command line is wrong, 3 the ledger refused.

mod action;
mod arguments;
mod causes;
mod chinese;
mod command;
mod context;
mod document;
mod failure;
mod fault;
mod help;
mod ids;
mod import;
mod label;
mod log;
mod node_file;
mod output;
mod project;
mod sentence;
mod sheet;
mod simulation;
mod text;
mod units;
mod vocabulary;
mod zone;

use arguments::Arguments;
use clap::{CommandFactory as _, FromArgMatches as _};
use context::Context;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(|name| std::env::var(name).ok());
    // What is not UTF-8 is no option's name, but may be a path.
    let words = || std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    let lang = help::language(words(), locale.as_deref());
    // Programs read the same in any language.
    sentence::speak(if words().any(|word| word == "--json") { text::Lang::En } else { lang });
    let matches = help::localized(Arguments::command(), lang).try_get_matches();
    let arguments = matches.and_then(|matches| Arguments::from_arg_matches(&matches));
    let arguments = arguments.unwrap_or_else(|error| help::refuse(error));
    #[cfg(unix)]
    if arguments.command.runs_a_node() {
        keep_freed_memory();
    }
    let json = arguments.global.json;
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report(json);
            failure.exit()
        }
    }
}

/// Begins this program anew with an allocator that keeps freed memory for half a minute before the system has it back; the
/// allocator reads that before `main` does. A node under load frees and takes hundreds of megabytes a second, and with the
/// allocator's own second, a seventh of its time goes into pages that the system clears anew. Huge pages would save a further
/// sixtieth of its time, and an idle node would keep a third more. Where the program cannot begin anew, it goes on without.
#[cfg(unix)]
fn keep_freed_memory() {
    use std::os::unix::process::CommandExt as _;
    let (name, milliseconds) = ("MIMALLOC_PURGE_DELAY", "30000");
    if std::env::var_os(name).is_none()
        && let Ok(program) = std::env::current_exe()
    {
        let mut anew = std::process::Command::new(program);
        let _ = anew.args(std::env::args_os().skip(1)).envs([(name, milliseconds), ("MIMALLOC_ALLOW_THP", "0")]).exec();
    }
}

/// Gives freed memory back that nobody takes again: the allocator looks for such only when a large piece is freed, which an idle node
/// does not do, so that the quarter of a gigabyte that unlocks a key would stay. What is taken here is never written to, and more than
/// any piece that waits to be given back.
async fn give_back_freed_memory() {
    const NEVER_WRITTEN: usize = 512 * 1024 * 1024;
    loop {
        tokio::time::sleep(std::time::Duration::from_secs(45)).await;
        let mut memory: Vec<u8> = Vec::new();
        // Where there is not so much, there is nothing to give back either.
        let _ = std::hint::black_box(&mut memory).try_reserve_exact(NEVER_WRITTEN);
    }
}

fn run(arguments: Arguments) -> Result<(), failure::Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
        failure::Failure::from_error("runtime", said!("could not start the runtime", "无法启动运行环境"), &error)
    })?;
    if arguments.command.runs_a_node() {
        runtime.spawn(give_back_freed_memory());
    }
    let context = Context::new(arguments.global)?;
    runtime.block_on(command::run(arguments.command, context))
}
