//! `utilidor index`: the read model of a node that does not run.

use super::node::read_genesis;
use crate::context::Context;
use crate::failure::Failure;
use crate::node_file::chain_config;
use crate::said;
use crate::sentence::Said;
use crate::t;
use clap::Subcommand;
use serde_json::json;
use std::path::{Path, PathBuf};
use utilidor_chain::{Config, Handle};
use utilidor_index::{CompareError, Compared, Index};
use utilidor_view::Viewer;

/// What is asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build the read model again from block 1
    Rebuild {
        /// The node's folder; the node must not run
        #[arg(long, value_name = "FOLDER")]
        data: PathBuf,
    },
    /// Build a second read model from block 1 and compare it with the present one, row by row
    Check {
        /// The node's folder; the node must not run
        #[arg(long, value_name = "FOLDER")]
        data: PathBuf,
    },
}

/// Does it.
pub async fn run(command: Command, context: Context) -> Result<(), Failure> {
    crate::log::start();
    match command {
        Command::Rebuild { data } => {
            // A running node would go on folding into what is emptied here.
            let held = super::node::hold(&data.join("chain"))?;
            let index = Index::anew(data.join("index.sqlite"), &read_genesis(&data)?);
            let index = index.map_err(|error| failed(said!("could not empty the index", "无法清空索引"), &error))?;
            drop(held);
            let index = fold(&data, index, &context).await?;
            let height = index.height();
            context.out.show(&json!({ "height": height }), |out| {
                format!("{}: {} {height}", out.word(t!("done")), out.word(t!("height")))
            });
        }
        Command::Check { data } => {
            // Beside the present one; removed at the end, however it ends.
            let again = data.join("index-check.sqlite");
            let checked = check(&data, &again, &context).await;
            remove_index(&again);
            let Checked { height, compared, money_conserved } = checked?;
            let value = json!({
                "height": height, "same": true, "tables": compared.tables, "rows": compared.rows,
                "money_conserved": money_conserved
            });
            context.out.show(&value, |out| {
                let conserved = out.say(money_conserved);
                let facts = vec![
                    (t!("height"), height.to_string()),
                    (t!("rows"), compared.rows.to_string()),
                    (t!("conserved"), conserved),
                ];
                format!("{}\n{}", out.word(t!("verified")), out.facts(facts))
            });
        }
    }
    Ok(())
}

/// What a comparison found: no difference, or it would have failed.
struct Checked {
    height: u64,
    compared: Compared,
    money_conserved: bool,
}

/// Compares the present index with one that is built anew, both at the chain's height.
async fn check(data: &Path, again: &Path, context: &Context) -> Result<Checked, Failure> {
    let mut second = open(data, again)?;
    second.reset().map_err(|error| failed(said!("could not empty the second index", "无法清空第二份索引"), &error))?;
    let second = fold(data, second, context).await?;
    let path = data.join("index.sqlite");
    let present = open(data, &path)?;
    let height = second.height();
    if present.height() != height {
        let what = said!(
            "the index is at height {}, the chain at {height}",
            "索引位于高度 {}，链位于 {height}",
            present.height()
        );
        return Err(Failure::new("index/behind", what).next(said!(
            "run the node for a moment, or: utilidor index rebuild",
            "让节点运行片刻，或运行 utilidor index rebuild"
        )));
    }
    let reader = second.reader().map_err(|error| failed(said!("could not read the index", "无法读取索引"), &error))?;
    let summary = reader.questions(Viewer::Operator).and_then(|questions| questions.summary());
    let money_conserved =
        summary.map_err(|error| failed(said!("could not read the index", "无法读取索引"), &error))?.money.conserved;
    // Nobody may write while the tables are compared.
    drop((present, second));
    let compared = utilidor_index::compare(&path, again).map_err(|error| match error {
        CompareError::Sqlite(_) => {
            failed(said!("could not compare the index with one built anew", "无法与重建的索引比对"), &error)
        }
        _ => {
            let what =
                said!("the index (here) differs from one built anew (there)", "索引（此）与重建的索引（彼）不同");
            Failure::from_error("index/differs", what, &error)
                .next(said!("build it again: utilidor index rebuild", "重建索引：utilidor index rebuild"))
        }
    })?;
    Ok(Checked { height, compared, money_conserved })
}

fn open(data: &Path, path: &Path) -> Result<Index, Failure> {
    Index::open(path, &read_genesis(data)?)
        .map_err(|error| failed(said!("could not open the index", "无法打开索引"), &error))
}

/// Folds all blocks of the folder's chain.
async fn fold(data: &Path, index: Index, context: &Context) -> Result<Index, Failure> {
    let config = chain_config(data, None, &context.with_keys(data.join("keys")))?;
    let folded = with_chain(config, async |handle| utilidor_api::catch_up(handle, index, |_| {}).await).await?;
    folded.map_err(|error| failed(said!("the blocks could not be folded", "无法由区块建立索引"), &error))
}

/// Opens a chain's stores, works with them, and closes them.
pub async fn with_chain<T>(config: Config, work: impl AsyncFnOnce(&Handle) -> T) -> Result<T, Failure> {
    let started =
        tokio::task::spawn_blocking(move || utilidor_chain::start(config)).await.expect("starting does not panic");
    let node = started.map_err(|error| {
        Failure::from_error("node/start", said!("the chain could not be opened", "无法打开链"), &error)
            .next(said!("stop the node first", "请先停止节点"))
    })?;
    let done = work(&node.handle()).await;
    let stopped = tokio::task::spawn_blocking(|| node.stop()).await.expect("stopping does not panic");
    stopped.map_err(|error| Failure::from_error("node/failed", said!("the node failed", "节点出现故障"), &error))?;
    Ok(done)
}

/// Removes a read model's file and what stands beside it, where it is.
pub fn remove_index(path: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let mut path = path.as_os_str().to_owned();
        path.push(suffix);
        // Where there is nothing to remove, nothing is left behind.
        let _ = std::fs::remove_file(path);
    }
}

fn failed(what: Said, error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::from_error("index", what, error)
}
