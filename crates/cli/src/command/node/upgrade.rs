//! `utilidor node upgrade`: a node's folder that an earlier release wrote becomes this one's.

use crate::context::Context;
use crate::failure::Failure;
use crate::said;
use crate::sentence::Said;
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
        let failure =
            Failure::from_error("node/upgrade", said!("the folder was not carried over", "文件夹没有转换"), &error);
        match &error {
            UpgradeError::Directory(DirectoryError::InUse { .. }) => {
                failure.next(said!("stop the node first", "请先停止节点"))
            }
            UpgradeError::Directory(_) => failure.next(said!(
                "name a node's folder: it holds genesis.json and chain/",
                "指定一个节点的文件夹：其中有 genesis.json 和 chain/"
            )),
            UpgradeError::Unknown { .. } => {
                failure.next(said!("take the release that wrote it, or a later one", "请用写成它的版本或更新的版本"))
            }
            UpgradeError::TooOld { .. } => failure.next(too_old()),
            UpgradeError::Step { .. } => failure.next(said!(
                "make room, check the disk, and try again: it goes on where it was",
                "请腾出空间、检查磁盘后再试：将从中断之处继续"
            )),
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
fn too_old() -> Said {
    said!(
        "keep it with the release that wrote it: that release still serves it, and makes \
         proofs of its bills (utilidor statement proof), which every release checks; \
         a chain of this release begins anew",
        "请与写成它的版本一并保留：该版本仍可使用它，\
         并可为其账单出具证明（utilidor statement proof），任何版本都能核验；\
         本版本的链须重新建立"
    )
}
