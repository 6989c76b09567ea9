//! `utilidor node scrub`: every byte of a stopped node's folder is read and judged, and said what to do about.
//!
//! ```text
//! checksums   of every file, before anything opens it: opening a store cuts it back to what can be read
//! blocks      where all files are whole: each block from the first on, its link to the one before, what it did; the signatures
//!             on the last; the state's root against that; a second read model is folded from them
//! read model  SQLite's own check, then row by row against the second one
//! the rest    read tokens and the log of oversight, as the node reads them
//! ```
//!
//! It can be stopped at any moment. What it has found good is remembered in `scrub.json`, and the blocks that it has folded in
//! `scrub.sqlite`; begun again, it goes on from there. Both are removed at the end.

mod judged;

use super::super::index::{remove_index, with_chain};
use crate::causes::{system, told};
use crate::context::Context;
use crate::failure::Failure;
use crate::node_file::{NodeFile, guard_path};
use crate::output::Progress;
use crate::said;
use crate::sentence::Said;
use crate::t;
use clap::Args;
use judged::{BLOCKS, Judged, Verdict, text};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, UNIX_EPOCH};
use utilidor_chain::{Config, GuardCopy, Handle, Soundness, check_file, check_guard, store_files};
use utilidor_index::Index;
use utilidor_proof::Members;
use utilidor_types::Genesis;

/// Which node.
#[derive(Debug, Args)]
#[command(after_help = "\
The node must not run. Nothing is changed, except with --repair. Stopped and begun again, it goes on where it was. Ends with status
1 if something is damaged.

With --repair what can be had again is put aside or removed: a damaged read model is removed, since it is built again from the
blocks; the folder of a damaged chain gets another name where the chain has other members, since the node fetches it anew. Keys and
the vote guard are never touched.

Example:
  utilidor node scrub --data north")]
pub struct Arguments {
    /// The node's folder; the node must not run
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
    /// Remove or put aside what is damaged and can be had again
    #[arg(long)]
    repair: bool,
}

/// What has been found good by a run that is not over.
const REMEMBERED: &str = "scrub.json";
/// The read model that is folded from the blocks.
const AGAIN: &str = "scrub.sqlite";
/// How often it is written down what was found good.
const REMEMBER_EVERY: Duration = Duration::from_secs(5);

/// How the names begin of chains that were put aside.
pub const ASIDE: &str = "chain.damaged-";

/// Does it.
pub async fn run(Arguments { data, repair }: Arguments, context: Context) -> Result<(), Failure> {
    let genesis = super::read_genesis(&data)?;
    let advice = Advice::of(&data, &genesis)?;
    let mut judged = folder(&data, &genesis, &advice)?;
    judged.extend(stores(&data, &advice, &context)?);
    judged.extend(guard(&data)?);
    let is_whole = judged.iter().all(|part| part.verdict != Verdict::Damaged || part.what.starts_with("keys/"));
    let (blocks, folded) = if is_whole {
        blocks(&data, &genesis, &advice, &context).await
    } else {
        let why = said!(
            "not asked for: opening damaged files would cut them back to what can be read",
            "未检查：打开损坏的文件会把它们截短到可读之处"
        );
        let next = said!("mend the files first", "请先修复文件");
        (vec![Judged::other(BLOCKS, Verdict::Unknown, why, next)], None)
    };
    judged.extend(blocks);
    judged.push(read_model(&data, folded.as_deref(), &advice));
    judged.extend(kept(&data, &genesis));
    forget(&data);
    finish(&data, &judged, repair, &advice, &context)
}

/// What to do about damage, which depends on whether there are other nodes to fetch from.
struct Advice {
    chain: Said,
    has_others: bool,
    index: Said,
}

impl Advice {
    fn of(data: &Path, genesis: &Genesis) -> Result<Self, Failure> {
        let has_others = genesis.validators.len() > 1 || NodeFile::of_folder(data)?.is_some();
        let shown = data.display();
        let chain = match has_others {
            true => said!(
                "put {shown}/chain aside (utilidor node scrub --data {shown} --repair) and start the node: it fetches it anew; or take \
                 a copy (utilidor node restore). Check the disk",
                "将 {shown}/chain 移到一旁（utilidor node scrub --data {shown} --repair）并启动节点：它会重新取得数据；\
                 或用副本恢复（utilidor node restore）。请检查磁盘"
            ),
            false => said!(
                "move {shown}/chain away and take it from a copy: utilidor node restore --help. Check the disk",
                "移走 {shown}/chain，用副本恢复：utilidor node restore --help。请检查磁盘"
            ),
        };
        let index = said!(
            "build it again: utilidor node scrub --data {shown} --repair, then start the node",
            "重建：utilidor node scrub --data {shown} --repair，然后启动节点"
        );
        Ok(Self { chain, has_others, index })
    }
}

/// The small files of the folder.
fn folder(data: &Path, genesis: &Genesis, advice: &Advice) -> Result<Vec<Judged>, Failure> {
    let chain = data.join("chain");
    super::own_format(&chain)?;
    let mut judged = vec![Judged::good("chain/format")];
    judged.push(match utilidor_chain::read_genesis(&chain) {
        Ok(Some(found)) if found.chain() == genesis.chain() => Judged::good("genesis.json"),
        Ok(found) => {
            let found = found.map_or_else(
                || said!("there is none", "没有此文件"),
                |found| said!("it is chain {}'s", "它属于链 {}", found.chain()),
            );
            Judged::other(
                "chain/genesis.json",
                Verdict::Damaged,
                found,
                said!("put the chain's document in place of the other", "换成本链的创世文件"),
            )
        }
        Err(error) => Judged::other("chain/genesis.json", Verdict::Damaged, told(&error), advice.chain.clone()),
    });
    Ok(judged)
}

/// A file as it was when it was found good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    bytes: u64,
    modified_ns: u64,
}

impl Seen {
    fn of(path: &Path) -> Option<Self> {
        let data = fs::metadata(path).ok()?;
        let modified = data.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(Self { bytes: data.len(), modified_ns: u64::try_from(modified.as_nanos()).ok()? })
    }
}

/// Reads the files of all stores. What an earlier run has found good, and has not been written since, it does not read again.
fn stores(data: &Path, advice: &Advice, context: &Context) -> Result<Vec<Judged>, Failure> {
    let chain = data.join("chain");
    let _held = super::hold(&chain)?;
    let failed = |path: &Path| {
        let what = said!("could not read {}", "无法读取 {}", path.display());
        move |error| Failure::from_error("scrub/unreadable", what, &error)
    };
    let files = store_files(&chain).map_err(failed(&chain))?;
    let remembered = fs::read(data.join(REMEMBERED)).ok();
    let mut good: BTreeMap<PathBuf, Seen> =
        remembered.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    let bytes = |path: &Path| fs::metadata(path).map_or(0, |data| data.len());
    let progress = Progress::of_bytes(context.out, t!("checking"), files.iter().map(|path| bytes(path)).sum());
    let mut judged = Vec::new();
    let mut written = Instant::now();
    for path in files {
        let below = path.strip_prefix(data).expect("it was found below the folder").to_path_buf();
        let what = below.display().to_string();
        let seen = Seen::of(&path);
        if seen.is_none() || good.get(&below) != seen.as_ref() {
            // What the disk does not give is damaged, as far as the node is concerned.
            match check_file(&path) {
                Ok(Soundness::Good | Soundness::Values) => {
                    good.extend(seen.map(|seen| (below, seen)));
                    judged.push(Judged::good(what));
                }
                Ok(Soundness::Damaged { at, what: why }) => {
                    good.remove(&below);
                    judged.push(Judged::other(
                        what,
                        Verdict::Damaged,
                        said!("byte {at}: {why}", "第 {at} 字节：{why}"),
                        advice.chain.clone(),
                    ));
                }
                Err(error) => judged.push(Judged::other(what, Verdict::Damaged, system(&error), advice.chain.clone())),
            }
        } else {
            judged.push(Judged::good(what));
        }
        progress.more(bytes(&path));
        if written.elapsed() >= REMEMBER_EVERY {
            remember(data, &good);
            written = Instant::now();
        }
    }
    remember(data, &good);
    Ok(judged)
}

fn remember(data: &Path, good: &BTreeMap<PathBuf, Seen>) {
    let document = serde_json::to_vec(good).expect("names and sizes are plain data");
    // On a disk that takes nothing, a run that is stopped begins anew.
    let _ = super::write_durably(&data.join(REMEMBERED), &document);
}

/// Removes what is kept for a run that goes on. Where there is nothing to remove, nothing is left behind.
fn forget(data: &Path) {
    let _ = fs::remove_file(data.join(REMEMBERED));
    remove_index(&data.join(AGAIN));
}

/// The copies of the vote guard.
fn guard(data: &Path) -> Result<Vec<Judged>, Failure> {
    let path = guard_path(data);
    let copies = check_guard(&path).map_err(|error| {
        Failure::from_error("scrub/unreadable", said!("could not read {}", "无法读取 {}", path.display()), &error)
    })?;
    let [first, second] = copies;
    if copies == [GuardCopy::Missing; 2] {
        // A chain of one has none, and a member that has lost its guard is told so by the doctor.
        return Ok(Vec::new());
    }
    let lost = !copies.iter().any(|copy| matches!(copy, GuardCopy::Sound { .. }));
    let next = match lost {
        true => said!(
            "start the node: it follows first and votes again by itself. Never take a vote guard from a copy",
            "启动节点：它先跟随，之后会自行恢复投票。切勿从副本取用投票护卫文件"
        ),
        false => said!(
            "start the node: the other copy is whole, and mends this one with the next vote",
            "启动节点：另一份完好，下次投票时会修复这一份"
        ),
    };
    let judge = |number: u8, copy: GuardCopy, other: GuardCopy| {
        let next = next.clone();
        let what = format!("keys/validator.votes.{number}");
        match (copy, other) {
            (GuardCopy::Sound { votes }, GuardCopy::Sound { votes: others }) if votes < others => {
                // A crash between the two leaves it so.
                let found =
                    said!("{votes} votes, the other copy has {others}", "有 {votes} 次投票，另一份有 {others} 次");
                Judged::other(what, Verdict::Unknown, found, next)
            }
            (GuardCopy::Sound { .. }, _) => Judged::good(what),
            (GuardCopy::Missing, _) => Judged::other(what, Verdict::Damaged, said!("it is missing", "缺失"), next),
            (GuardCopy::Damaged, _) => {
                let found = said!("a byte is not as it was written", "有字节与写入时不同");
                Judged::other(what, Verdict::Damaged, found, next)
            }
        }
    };
    Ok(vec![judge(1, first, second), judge(2, second, first)])
}

/// Opens the stores, as a node that takes no part in anything, and reads every block. Gives the read model that follows from
/// them.
async fn blocks(data: &Path, genesis: &Genesis, advice: &Advice, context: &Context) -> (Vec<Judged>, Option<PathBuf>) {
    let damaged = |found: Said| Judged::other(BLOCKS, Verdict::Damaged, found, advice.chain.clone());
    let unfolded = |found: Said| {
        let next = said!(
            "nothing, where the node itself answers for those blocks from its peers",
            "若节点自己能从其他节点取得这些区块，则无需处理"
        );
        (vec![Judged::other(BLOCKS, Verdict::Unknown, found, next)], None)
    };
    // It signs nothing, and nobody knows it: no node answers it, so what is missing here is not fetched.
    let nobody = Sha256::digest(b"utilidor node scrub").into();
    let config = Config { synchronise: false, ..Config::follower(data.join("chain"), genesis.clone(), nobody) };
    let again = data.join(AGAIN);
    let index = Index::open(&again, genesis).or_else(|_| {
        // What an earlier run has left is of no use.
        remove_index(&again);
        Index::open(&again, genesis)
    });
    let index = match index {
        Ok(index) => index,
        Err(error) => {
            return unfolded(said!(
                "the second read model could not be opened: {error}",
                "无法打开第二份读取模型：{error}"
            ));
        }
    };
    let asked = with_chain(config, async |handle: &Handle| {
        let first = handle.first_held().await.map_err(|error| told(&error))?;
        let head = handle.head().height;
        let progress = Progress::of_steps(context.out, t!("reading_blocks"), head);
        certified(handle, genesis, head).await?;
        handle.state_digest().await.map_err(|error| told(&error))?;
        if first == 1 {
            let index = utilidor_api::catch_up(handle, index, |height| progress.at(height)).await;
            return index.map(|index| (first, Some(index))).map_err(|error| told(&error));
        }
        for height in first..=head {
            handle
                .finalized(height)
                .await
                .map_err(|error| said!("block {height}: {error}", "区块 {height}：{error}"))?;
            progress.at(height);
        }
        Ok((first, None))
    });
    match asked.await {
        Err(failure) => (vec![damaged(failure.what().clone())], None),
        Ok(Err(found)) => (vec![damaged(found)], None),
        Ok(Ok((_, Some(index)))) => match index.checkpoint() {
            Ok(()) => (vec![Judged::good(BLOCKS)], Some(again)),
            Err(error) => unfolded(told(&error)),
        },
        Ok(Ok((first, None))) => {
            let mut judged = Judged::good(BLOCKS);
            judged.found = Some(said!(
                "from block {first} on: the node has fetched the state of that time",
                "自区块 {first} 起：节点取得的是当时的状态"
            ));
            (vec![judged], None)
        }
    }
}

/// Checks the signatures on the last block; each block before it is named by the one after.
async fn certified(handle: &Handle, genesis: &Genesis, head: u64) -> Result<(), Said> {
    if head == 0 {
        return Ok(());
    }
    let header = handle.final_header(head).await.map_err(|error| told(&error))?;
    let handovers = handle.handovers_until(header.header.round.epoch);
    let members = Members::of(genesis).and_then(|members| members.following(&handovers));
    members.and_then(|members| header.verify(&members).map(|_| ())).map_err(|error| told(&error))
}

/// The read model: SQLite's own check, and every row against one that was folded from the blocks.
fn read_model(data: &Path, again: Option<&Path>, advice: &Advice) -> Judged {
    const WHAT: &str = "index.sqlite";
    let path = data.join(WHAT);
    if !path.exists() {
        let next = said!("nothing: the node builds it from the blocks", "无需处理：节点会由区块建立它");
        return Judged::other(WHAT, Verdict::Unknown, said!("there is none", "没有此文件"), next);
    }
    let damaged = |found: Said| Judged::other(WHAT, Verdict::Damaged, found, advice.index.clone());
    match utilidor_index::faults(&path) {
        Err(error) => return damaged(told(&error)),
        Ok(faults) if !faults.is_empty() => return damaged(said!("{}", "{}", faults.join("; "))),
        Ok(_) => {}
    }
    let unknown = |found: Said, next: Said| Judged::other(WHAT, Verdict::Unknown, found, next);
    match utilidor_index::standing(&path) {
        Err(error) => return damaged(told(&error)),
        Ok(None) => {
            let next = said!("nothing: the node builds it again", "无需处理：节点会重建它");
            return unknown(said!("it is of another release", "它属于另一版本"), next);
        }
        Ok(Some(_)) => {}
    }
    let Some(again) = again else {
        let found =
            said!("whole for SQLite; its rows were compared with nothing", "SQLite 检查完好；各行没有可比对的内容");
        return unknown(found, said!("nothing", "无需处理"));
    };
    let height = |path| utilidor_index::standing(path).ok().flatten().map(|standing| standing.height);
    if let (Some(own), Some(chain)) = (height(&path), height(again))
        && own != chain
    {
        let found = said!(
            "whole for SQLite, and at block {own}; the chain is at block {chain}",
            "SQLite 检查完好，位于区块 {own}；链位于区块 {chain}"
        );
        let next = said!(
            "run the node for a moment, and scrub again: then its rows are compared",
            "让节点运行片刻后再检查：届时会逐行比对"
        );
        return unknown(found, next);
    }
    match utilidor_index::compare(&path, again) {
        Ok(_) => Judged::good(WHAT),
        Err(error) => damaged(told(&error)),
    }
}

/// What stands beside the read model, and follows from no block.
fn kept(data: &Path, genesis: &Genesis) -> impl Iterator<Item = Judged> {
    let all = utilidor_api::check_kept(genesis.chain(), &data.join("index.sqlite"));
    all.into_iter().map(|(what, read)| match read {
        Ok(()) => Judged::good(what),
        Err(error) => {
            let next = said!(
                "take the file from a copy of this folder; or put it aside and start the node: programs then need new read \
                 tokens, and the log of oversight begins anew, which members see",
                "从此文件夹的副本中取回该文件；或将其移到一旁再启动节点：此后程序需要新的只读令牌，\
                 监管日志也重新开始，成员都能看到"
            );
            Judged::other(what, Verdict::Damaged, told(&error), next)
        }
    })
}

/// Says what was found, mends what may be mended, and fails if something is damaged still.
fn finish(data: &Path, judged: &[Judged], repair: bool, advice: &Advice, context: &Context) -> Result<(), Failure> {
    let damaged: Vec<&str> =
        judged.iter().filter(|part| part.verdict == Verdict::Damaged).map(|part| part.what.as_str()).collect();
    let mut repaired = Vec::new();
    let mut left = damaged.len();
    if repair {
        if damaged.contains(&"index.sqlite") {
            remove_index(&data.join("index.sqlite"));
            repaired
                .push(said!("index.sqlite: removed; the node builds it again", "index.sqlite：已删除；节点会重建它"));
            left -= 1;
        }
        let of_chain = damaged.iter().filter(|what| what.starts_with("chain/") || **what == BLOCKS).count();
        if of_chain > 0 && advice.has_others {
            let aside = aside(data);
            fs::rename(data.join("chain"), &aside).map_err(|error| {
                Failure::from_error("file", said!("could not put the chain aside", "无法将链移到一旁"), &error)
            })?;
            // What the read model holds is of blocks that the node fetches anew.
            repaired.push(said!(
                "chain: put aside as {}; the node fetches it anew",
                "chain：已移到一旁，名为 {}；节点会重新取得数据",
                aside.display()
            ));
            left -= of_chain;
        }
    }
    let value = json!({ "damaged": damaged.len(), "parts": judged, "repaired": repaired });
    context.out.show(&value, |out| text(out, judged, &repaired));
    match left {
        0 => Ok(()),
        left => Err(Failure::new(
            "scrub/damaged",
            said!("{left} of {} parts are damaged", "{0} 项中有 {left} 项损坏", judged.len()),
        )
        .next(said!(
            "each says what to do; a copy: utilidor node restore --help",
            "各项均说明处理办法；用副本恢复：utilidor node restore --help"
        ))),
    }
}

/// A name for the damaged chain that is not taken.
fn aside(data: &Path) -> PathBuf {
    let names = (1..).map(|number: u32| data.join(format!("{ASIDE}{number}")));
    names.into_iter().find(|path| !path.exists()).expect("there are more numbers than folders")
}
