//! `utilidor keys`: keys in encrypted files.

use crate::context::{Context, read_file};
use crate::failure::Failure;
use crate::output::{or_dash, print, warn};
use crate::{said, t};
use clap::{Subcommand, ValueEnum};
use std::path::PathBuf;
use utilidor_sdk::{KeyInfo, KeyKind, WorkFactor};

/// What is asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a key
    #[command(after_help = "\
Examples:
  utilidor keys new plant                  # signs for an account (Ed25519)
  utilidor keys new meter-7 --kind p256    # for hardware that knows P-256 only
  utilidor keys new plant-seal --kind seal # opens the quotes on plant's offers")]
    New {
        /// Its name
        name: String,
        /// What it is for
        #[arg(long, value_enum, default_value = "ed25519")]
        kind: Kind,
        /// Work that a passphrase guess costs: scrypt with N = 2 to this power, 8 (for tests only) to 20
        #[arg(long, env = "UTILIDOR_KEY_WORK", value_name = "LOG2_N", default_value_t = 17)]
        work: u8,
    },
    /// List the keys; needs no passphrase
    List,
    /// Show a key's public half; needs no passphrase
    Show {
        /// Its name
        name: String,
    },
    /// Print a key file, still encrypted
    Export {
        /// Its name
        name: String,
    },
    /// Take an exported key file in
    Import {
        /// Its name here
        name: String,
        /// The file; `-` is standard input
        file: PathBuf,
    },
}

/// What a key is for.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Kind {
    /// Signs for an account or a meter
    Ed25519,
    /// Signs for an account or a meter whose hardware knows P-256 only
    P256,
    /// Opens quotes on offers
    Seal,
}

impl From<Kind> for KeyKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Ed25519 => Self::Ed25519,
            Kind::P256 => Self::P256,
            Kind::Seal => Self::Seal,
        }
    }
}

/// A work factor from the command line.
pub fn work_factor(log_n: u8) -> Result<WorkFactor, Failure> {
    let work = WorkFactor::new(log_n).ok_or_else(|| {
        let what = said!(
            "a work factor is 8 (for tests only) to 20, not {log_n}",
            "工作量因子为 8（仅供测试）至 20，而不是 {log_n}"
        );
        Failure::usage(what)
    })?;
    if work.is_light() {
        warn(&said!(
            "with a work factor of {log_n}, a guess at the passphrase costs next to nothing: for tests only",
            "工作量因子为 {log_n} 时，猜测口令几乎没有代价：仅供测试"
        ));
    }
    Ok(work)
}

/// Does it.
pub fn run(command: Command, context: &Context) -> Result<(), Failure> {
    let keystore = context.keystore()?;
    match command {
        Command::New { name, kind, work } => {
            let work = work_factor(work)?;
            show(context, &keystore.create(&name, kind.into(), &context.new_passphrase()?, work)?);
        }
        Command::List => {
            let keys = keystore.list()?;
            context.out.show(&keys, |out| {
                let rows = keys
                    .iter()
                    .map(|key| [key.name.clone(), key.kind.to_string(), or_dash(key.account), key.public.clone()]);
                out.table([t!("name"), t!("kind"), t!("account"), t!("public")], rows.collect())
            });
        }
        Command::Show { name } => show(context, &keystore.info(&name)?),
        Command::Export { name } => print(&String::from_utf8_lossy(&keystore.export(&name)?)),
        Command::Import { name, file } => {
            let exported = read_file(&file)?;
            show(context, &keystore.restore(&name, &exported, &context.passphrase()?)?);
        }
    }
    Ok(())
}

fn show(context: &Context, key: &KeyInfo) {
    context.out.show(key, |out| {
        out.facts(vec![
            (t!("name"), key.name.clone()),
            (t!("kind"), key.kind.to_string()),
            (t!("account"), or_dash(key.account)),
            (t!("public"), key.public.clone()),
        ])
    });
}
