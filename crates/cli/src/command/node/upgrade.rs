//! `utilidor node upgrade`: a node's folder that an earlier release wrote becomes this one's.

use crate::context::Context;
use crate::failure::Failure;
use crate::t;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use utilidor_chain::{DirectoryError, FORMAT, UpgradeError};
use utilidor_index::SCHEMA_VERSION;

/// Which node.
#[derive(Debug, Args)]
#[command(after_help = "\
The node must not run. Make a copy first ('utilidor node backup' of the release that wrote the folder): there is no way back. Cut off
and begun again, it goes on where it was. Where no way leads from so early a format, that is said, and nothing is changed. The read
model needs nothing: of another release, the node builds it again when it starts.

Example:
  utilidor node upgrade --data north")]
pub struct Arguments {
    /// The node's folder; the node must not run
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
}

/// Does it.
pub fn run(Arguments { data }: &Arguments, context: &Context) -> Result<(), Failure> {
    let done = utilidor_chain::upgrade(&data.join("chain")).map_err(|error| {
        let failure = Failure::from_error("node/upgrade", "the folder was not carried over", &error);
        match &error {
            UpgradeError::Directory(DirectoryError::InUse { .. }) => failure.next("stop the node first"),
            UpgradeError::Directory(_) => failure.next("name a node's folder: it holds genesis.json and chain/"),
            UpgradeError::Unknown { .. } => failure.next("take the release that wrote it, or a later one"),
            UpgradeError::TooOld { .. } => failure.next(TOO_OLD),
            UpgradeError::Step { .. } => {
                failure.next("make room, check the disk, and try again: it goes on where it was")
            }
        }
    })?;
    let value = json!({ "from": done.from, "to": done.to, "index_schema": SCHEMA_VERSION });
    context.out.show(&value, |out| {
        let format = match done.from == done.to {
            true => FORMAT.to_string(),
            false => format!("{} -> {}", done.from, done.to),
        };
        out.facts(vec![(t!("data_format"), format), (t!("index_schema"), SCHEMA_VERSION.to_string())])
    });
    Ok(())
}

/// What to do with a folder from which no way leads.
pub const TOO_OLD: &str = "keep it with the release that wrote it: that release still serves it, and makes proofs of its bills \
     (utilidor statement proof), which every release checks; a chain of this release begins anew";
