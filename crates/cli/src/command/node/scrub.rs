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

use super::super::index::{remove_index, with_chain};
use crate::context::Context;
use crate::failure::Failure;
use crate::next;
use crate::node_file::{NodeFile, guard_path};
use crate::output::{Output, Progress, Word};
use crate::t;
use clap::Args;
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

/// Where the stores' files are.
const STORES: &str = "chain/storage";
/// What has been found good by a run that is not over.
const REMEMBERED: &str = "scrub.json";
/// The read model that is folded from the blocks.
const AGAIN: &str = "scrub.sqlite";
/// How often it is written down what was found good.
const REMEMBER_EVERY: Duration = Duration::from_secs(5);

/// How the names begin of chains that were put aside.
pub const ASIDE: &str = "chain.damaged-";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Good,
    Unknown,
    Damaged,
}

/// What is known of a file, or of what a folder means.
#[derive(Debug, Serialize)]
struct Judged {
    what: String,
    verdict: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl Judged {
    fn good(what: impl Into<String>) -> Self {
        Self { what: what.into(), verdict: Verdict::Good, found: None, next: None }
    }

    fn other(what: impl Into<String>, verdict: Verdict, found: impl Into<String>, next: impl Into<String>) -> Self {
        Self { what: what.into(), verdict, found: Some(found.into()), next: Some(next.into()) }
    }
}

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
        let why = "not asked for: opening damaged files would cut them back to what can be read";
        (vec![Judged::other("blocks and state", Verdict::Unknown, why, "mend the files first")], None)
    };
    judged.extend(blocks);
    judged.push(read_model(&data, folded.as_deref(), &advice));
    judged.extend(kept(&data, &genesis));
    forget(&data);
    finish(&data, &judged, repair, &advice, &context)
}

/// What to do about damage, which depends on whether there are other nodes to fetch from.
struct Advice {
    chain: String,
    has_others: bool,
    index: String,
}

impl Advice {
    fn of(data: &Path, genesis: &Genesis) -> Result<Self, Failure> {
        let has_others = genesis.validators.len() > 1 || NodeFile::of_folder(data)?.is_some();
        let shown = data.display();
        let chain = match has_others {
            true => format!(
                "put {shown}/chain aside (utilidor node scrub --data {shown} --repair) and start the node: it fetches it anew; or take \
                 a copy (utilidor node restore). Check the disk"
            ),
            false => {
                format!("move {shown}/chain away and take it from a copy: utilidor node restore --help. Check the disk")
            }
        };
        let index = format!("build it again: utilidor node scrub --data {shown} --repair, then start the node");
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
            let found =
                found.map_or_else(|| "there is none".into(), |found| format!("it is chain {}'s", found.chain()));
            Judged::other(
                "chain/genesis.json",
                Verdict::Damaged,
                found,
                "put the chain's document in place of the other",
            )
        }
        Err(error) => Judged::other("chain/genesis.json", Verdict::Damaged, error.to_string(), advice.chain.clone()),
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
        let what = format!("could not read {}", path.display());
        move |error| Failure::from_error("scrub/unreadable", &what, &error)
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
                        format!("byte {at}: {why}"),
                        advice.chain.clone(),
                    ));
                }
                Err(error) => {
                    judged.push(Judged::other(what, Verdict::Damaged, error.to_string(), advice.chain.clone()))
                }
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
        Failure::from_error("scrub/unreadable", &format!("could not read {}", path.display()), &error)
    })?;
    let [first, second] = copies;
    if copies == [GuardCopy::Missing; 2] {
        // A chain of one has none, and a member that has lost its guard is told so by the doctor.
        return Ok(Vec::new());
    }
    let lost = !copies.iter().any(|copy| matches!(copy, GuardCopy::Sound { .. }));
    let next = match lost {
        true => "start the node: it follows first and votes again by itself. Never take a vote guard from a copy",
        false => "start the node: the other copy is whole, and mends this one with the next vote",
    };
    let judge = |number: u8, copy: GuardCopy, other: GuardCopy| {
        let what = format!("keys/validator.votes.{number}");
        match (copy, other) {
            (GuardCopy::Sound { votes }, GuardCopy::Sound { votes: others }) if votes < others => {
                // A crash between the two leaves it so.
                Judged::other(what, Verdict::Unknown, format!("{votes} votes, the other copy has {others}"), next)
            }
            (GuardCopy::Sound { .. }, _) => Judged::good(what),
            (GuardCopy::Missing, _) => Judged::other(what, Verdict::Damaged, "it is missing", next),
            (GuardCopy::Damaged, _) => Judged::other(what, Verdict::Damaged, "a byte is not as it was written", next),
        }
    };
    Ok(vec![judge(1, first, second), judge(2, second, first)])
}

/// Opens the stores, as a node that takes no part in anything, and reads every block. Gives the read model that follows from
/// them.
async fn blocks(data: &Path, genesis: &Genesis, advice: &Advice, context: &Context) -> (Vec<Judged>, Option<PathBuf>) {
    const WHAT: &str = "blocks and state";
    let damaged = |found: String| Judged::other(WHAT, Verdict::Damaged, found, advice.chain.clone());
    let unfolded = |found: String| {
        let next = "nothing, where the node itself answers for those blocks from its peers";
        (vec![Judged::other(WHAT, Verdict::Unknown, found, next)], None)
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
        Err(error) => return unfolded(format!("the second read model could not be opened: {error}")),
    };
    let asked = with_chain(config, async |handle: &Handle| {
        let first = handle.first_held().await.map_err(|error| error.to_string())?;
        let head = handle.head().height;
        let progress = Progress::of_steps(context.out, t!("reading_blocks"), head);
        certified(handle, genesis, head).await?;
        handle.state_digest().await.map_err(|error| error.to_string())?;
        if first == 1 {
            let index = utilidor_api::catch_up(handle, index, |height| progress.at(height)).await;
            return index.map(|index| (first, Some(index))).map_err(|error| crate::failure::causes(&error));
        }
        for height in first..=head {
            handle.finalized(height).await.map_err(|error| format!("block {height}: {error}"))?;
            progress.at(height);
        }
        Ok((first, None))
    });
    match asked.await {
        Err(failure) => (vec![damaged(failure.what().into())], None),
        Ok(Err(found)) => (vec![damaged(found)], None),
        Ok(Ok((_, Some(index)))) => match index.checkpoint() {
            Ok(()) => (vec![Judged::good(WHAT)], Some(again)),
            Err(error) => unfolded(error.to_string()),
        },
        Ok(Ok((first, None))) => {
            let mut judged = Judged::good(WHAT);
            judged.found = Some(format!("from block {first} on: the node has fetched the state of that time"));
            (vec![judged], None)
        }
    }
}

/// Checks the signatures on the last block; each block before it is named by the one after.
async fn certified(handle: &Handle, genesis: &Genesis, head: u64) -> Result<(), String> {
    if head == 0 {
        return Ok(());
    }
    let header = handle.final_header(head).await.map_err(|error| error.to_string())?;
    let handovers = handle.handovers_until(header.header.round.epoch);
    let members = Members::of(genesis).and_then(|members| members.following(&handovers));
    members.and_then(|members| header.verify(&members).map(|_| ())).map_err(|error| crate::failure::causes(&error))
}

/// The read model: SQLite's own check, and every row against one that was folded from the blocks.
fn read_model(data: &Path, again: Option<&Path>, advice: &Advice) -> Judged {
    const WHAT: &str = "index.sqlite";
    let path = data.join(WHAT);
    if !path.exists() {
        return Judged::other(WHAT, Verdict::Unknown, "there is none", "nothing: the node builds it from the blocks");
    }
    let damaged = |found: String| Judged::other(WHAT, Verdict::Damaged, found, advice.index.clone());
    match utilidor_index::faults(&path) {
        Err(error) => return damaged(error.to_string()),
        Ok(faults) if !faults.is_empty() => return damaged(faults.join("; ")),
        Ok(_) => {}
    }
    let unknown = |found: String, next: &str| Judged::other(WHAT, Verdict::Unknown, found, next);
    match utilidor_index::standing(&path) {
        Err(error) => return damaged(error.to_string()),
        Ok(None) => return unknown("it is of another release".into(), "nothing: the node builds it again"),
        Ok(Some(_)) => {}
    }
    let Some(again) = again else {
        return unknown("whole for SQLite; its rows were compared with nothing".into(), "nothing");
    };
    let height = |path| utilidor_index::standing(path).ok().flatten().map(|standing| standing.height);
    if let (Some(own), Some(chain)) = (height(&path), height(again))
        && own != chain
    {
        let found = format!("whole for SQLite, and at block {own}; the chain is at block {chain}");
        return unknown(found, "run the node for a moment, and scrub again: then its rows are compared");
    }
    match utilidor_index::compare(&path, again) {
        Ok(_) => Judged::good(WHAT),
        Err(error) => damaged(crate::failure::causes(&error)),
    }
}

/// What stands beside the read model, and follows from no block.
fn kept(data: &Path, genesis: &Genesis) -> impl Iterator<Item = Judged> {
    let all = utilidor_api::check_kept(genesis.chain(), &data.join("index.sqlite"));
    all.into_iter().map(|(what, read)| match read {
        Ok(()) => Judged::good(what),
        Err(error) => {
            let next = "take the file from a copy of this folder; or put it aside and start the node: programs then need new read \
                        tokens, and the log of oversight begins anew, which members see";
            Judged::other(what, Verdict::Damaged, error.to_string(), next)
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
            repaired.push("index.sqlite: removed; the node builds it again".to_owned());
            left -= 1;
        }
        let of_chain = damaged.iter().filter(|what| what.starts_with("chain/") || **what == "blocks and state").count();
        if of_chain > 0 && advice.has_others {
            let aside = aside(data);
            fs::rename(data.join("chain"), &aside)
                .map_err(|error| Failure::from_error("file", "could not put the chain aside", &error))?;
            // What the read model holds is of blocks that the node fetches anew.
            repaired.push(format!("chain: put aside as {}; the node fetches it anew", aside.display()));
            left -= of_chain;
        }
    }
    let value = json!({ "damaged": damaged.len(), "parts": judged, "repaired": repaired });
    context.out.show(&value, |out| text(out, judged, &repaired));
    match left {
        0 => Ok(()),
        left => {
            Err(Failure::new("scrub/damaged", format!("{left} of {} parts are damaged", judged.len())).next(next!(
                "each says what to do; a copy: utilidor node restore --help",
                "各项均说明处理办法；用副本恢复：utilidor node restore --help"
            )))
        }
    }
}

/// A name for the damaged chain that is not taken.
fn aside(data: &Path) -> PathBuf {
    let names = (1..).map(|number: u32| data.join(format!("{ASIDE}{number}")));
    names.into_iter().find(|path| !path.exists()).expect("there are more numbers than folders")
}

fn text(out: &Output, judged: &[Judged], repaired: &[String]) -> String {
    let word = |verdict| -> Word {
        match verdict {
            Verdict::Good => t!("check_good"),
            Verdict::Unknown => t!("check_unknown"),
            Verdict::Damaged => t!("check_damaged"),
        }
    };
    let mut lines = Vec::new();
    // Good files of stores are many, and their names tell nobody anything.
    let is_plain =
        |part: &&Judged| part.verdict == Verdict::Good && part.found.is_none() && part.what.starts_with(STORES);
    let plain = judged.iter().filter(is_plain).count();
    if plain > 0 {
        lines.push(format!("{}  {STORES}: {plain} {}", out.word(t!("check_good")), out.word(t!("files"))));
    }
    for part in judged.iter().filter(|part| !is_plain(part)) {
        let found = part.found.as_ref().map(|found| format!(": {found}")).unwrap_or_default();
        lines.push(format!("{}  {}{found}", out.word(word(part.verdict)), part.what));
        lines.extend(part.next.as_ref().map(|next| format!("      {}: {next}", out.word(t!("next")))));
    }
    lines.extend(repaired.iter().map(|done| format!("{}  {done}", out.word(t!("done")))));
    if judged.iter().all(|part| part.verdict != Verdict::Damaged) {
        lines.push(format!("{}: {}", out.word(t!("whole")), judged.len()));
    }
    lines.join("\n")
}
