//! `utilidor node backup` and `utilidor node restore`: a copy of what a node keeps, which may run, and a node's folder from it.
//!
//! ```text
//! <copy>/manifest.json    what the copy holds: a digest for each file, the chain, the format, how far it is
//! <copy>/genesis.json     the rest, as it stands in the node's folder
//! <copy>/node.toml
//! <copy>/oversight.jsonl
//! <copy>/index.sqlite
//! <copy>/chain/
//! ```
//!
//! Left out: keys and the vote guard, since a guard that goes back in time forgets votes; tokens, since a copy would bring back
//! those that were revoked; and the beginnings of files.

use super::files::{Doing, copy, failed, parent, sync_below, sync_folder, with_ending, write_synced};
use super::moment::copy_as_of_one_moment;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Progress, warn};
use crate::said;
use crate::sentence::Said;
use crate::t;
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};
use utilidor_chain::{DirectoryError, FORMAT};
use utilidor_index::Standing;
use utilidor_types::{ChainId, Digest, Genesis, Timestamp};

/// Which node, and where to.
#[derive(Debug, Args)]
#[command(after_help = "\
The node may run: the copy is as of one moment, for which it waits while the node writes. The copy is a new folder; it is there as
a whole or not at all. Keys and the vote guard are never copied: keep the keys apart, and never take a vote guard from a copy,
because it forgets votes, and a member that votes twice is shut out. Read tokens are left out as well: a copy would bring back
those that were revoked.

Example:
  utilidor node backup --data north --to /backup/north-2027-03-01")]
pub struct Backup {
    /// The node's folder; the node may run
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
    /// The copy's folder; must not be there
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
}

/// Which copy, and where to.
#[derive(Debug, Args)]
#[command(after_help = "\
Every byte of the copy is checked before anything is written. The node's folder holds its keys, and nothing of a chain yet; what
is there stays as it is: keys, vote guard, node.toml. A member's node then follows the others before it votes. A chain with one
node goes back to what the copy holds: what became final later is lost.

Example:
  utilidor node restore --from /backup/north-2027-03-01 --data north")]
pub struct Restore {
    /// The copy's folder
    #[arg(long, value_name = "FOLDER")]
    from: PathBuf,
    /// The node's folder; created
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
}

const MANIFEST: &str = "manifest.json";
/// Version of the manifest and of how a copy is laid out.
const VERSION: u32 = 1;
/// Most bytes of a manifest: a node of a thousand years has fewer files.
const MAX_MANIFEST_BYTES: u64 = 64 << 20;
/// What a copy holds of a node's folder, in the order in which it is put in place: without the read model, which comes last, the
/// node builds it again.
pub const KEPT: [&str; 5] = ["genesis.json", "node.toml", "oversight.jsonl", "chain", INDEX];
/// The read model.
pub const INDEX: &str = "index.sqlite";
/// What may be in the folder that a copy is taken into. It stays as it is.
const STAYS: [&str; 7] =
    ["keys", "node.toml", "genesis.json", "oversight.jsonl", "tokens.json", "card.json", "signatures.json"];
/// Where a copy is put before its parts get their names.
const UNFINISHED: &str = "restore.unfinished";

/// What a copy holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    /// Version of this document.
    backup: u32,
    /// Release that made the copy.
    release: String,
    /// When.
    made_ms: Timestamp,
    /// Data format of the node's folder.
    format: u32,
    chain: ChainId,
    /// SHA-256 of the genesis document.
    genesis_sha256: String,
    /// How far the read model was; the blocks are at least as far. None where it is of another release.
    height: Option<u64>,
    /// Root of the state after that block.
    state_root: Option<Digest>,
    files: Vec<Kept>,
}

/// A file of a copy.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// Below the copy's folder, with slashes.
    pub path: String,
    /// How long it is.
    pub bytes: u64,
    /// Its digest, in hexadecimal digits.
    pub sha256: String,
}

/// Makes a copy.
pub fn backup(Backup { data, to }: &Backup, context: &Context) -> Result<(), Failure> {
    let genesis = super::read_genesis(data)?;
    let chain = data.join("chain");
    // Nobody may start a node meanwhile. One that runs holds the folder itself.
    let _held = match utilidor_chain::hold(&chain) {
        Ok(held) => Some(held),
        Err(DirectoryError::InUse { .. }) => None,
        Err(error) => return Err(super::not_held(&error)),
    };
    // Of one that this release does not know nothing is copied.
    super::format_of(&chain)?;
    if to.exists() {
        return Err(Failure::new("backup/exists", said!("{} is there already", "{} 已经存在", to.display())).next(
            said!(
                "name a folder that is not there: a copy is never written over",
                "指定一个尚不存在的文件夹：副本从不覆盖"
            ),
        ));
    }
    if fs::canonicalize(to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")))
        .is_ok_and(|folder| fs::canonicalize(&chain).is_ok_and(|chain| folder.starts_with(chain)))
    {
        return Err(Failure::usage(said!(
            "{} is within what is to be copied",
            "{} 位于要复制的内容之中",
            to.display()
        )));
    }
    let unfinished = with_ending(to, ".unfinished");
    fs::create_dir(&unfinished).map_err(|error| {
        let was_cut_off = error.kind() == std::io::ErrorKind::AlreadyExists;
        let failure = failed(Doing::Create, &unfinished)(error);
        if !was_cut_off {
            return failure;
        }
        failure.next(said!(
            "if an earlier copy was cut off, remove {}",
            "若先前的复制中断，请删除 {}",
            unfinished.display()
        ))
    })?;

    let copied = copy_index(data, &unfinished, context).and_then(|(standing, index)| {
        // After it: the blocks are as far as the read model, or farther.
        let mut files = copy_as_of_one_moment(data, &unfinished, context)?;
        files.extend(index);
        // That of the copy: who holds the folder may have carried it over meanwhile.
        let format = super::format_of(&unfinished.join("chain"))?;
        let standing = standing.filter(|standing| standing.chain == genesis.chain());
        let of_genesis = files.iter().find(|file| file.path == "genesis.json");
        Ok(Manifest {
            backup: VERSION,
            release: env!("CARGO_PKG_VERSION").into(),
            made_ms: crate::command::offer::now(),
            format,
            chain: genesis.chain(),
            genesis_sha256: of_genesis.map(|file| file.sha256.clone()).unwrap_or_default(),
            height: standing.map(|standing| standing.height),
            state_root: standing.and_then(|standing| standing.state_root),
            files,
        })
    });
    let finished = copied.and_then(|manifest| {
        let document = serde_json::to_vec_pretty(&manifest).expect("a manifest is plain data");
        let path = unfinished.join(MANIFEST);
        write_synced(&path, &document).map_err(failed(Doing::Write, &path))?;
        sync_folder(&unfinished).map_err(failed(Doing::Write, &unfinished))?;
        fs::rename(&unfinished, to).map_err(failed(Doing::Name, to))?;
        sync_folder(&parent(to)).map_err(failed(Doing::Write, to))?;
        Ok(manifest)
    });
    let manifest = finished.inspect_err(|_| {
        // Half a copy is none. If it cannot be removed, the next attempt says so.
        let _ = fs::remove_dir_all(&unfinished);
    })?;
    show(to, &manifest, context);
    Ok(())
}

/// Copies the read model, which a node may be writing. One that is damaged is left out: it is built again from the blocks.
fn copy_index(data: &Path, to: &Path, context: &Context) -> Result<(Option<Standing>, Option<Kept>), Failure> {
    let (index, target) = (data.join(INDEX), to.join(INDEX));
    if !index.exists() {
        return Ok((None, None));
    }
    match utilidor_index::copy(&index, &target).and_then(|()| utilidor_index::standing(&target)) {
        Ok(standing) => {
            let length = fs::metadata(&target).map_or(0, |data| data.len());
            let (bytes, sha256) = copy(&target, None, &Progress::of_bytes(context.out, t!("copying"), length))?;
            Ok((standing, Some(Kept { path: INDEX.into(), bytes, sha256 })))
        }
        Err(error) if utilidor_index::is_of_the_machine(&error) => {
            let what = said!("could not copy the read model", "无法复制读取模型");
            Err(Failure::from_error("backup/read-model", what, &error).next(said!(
                "see that the disk has room for the copy and that its folder may be written",
                "请检查磁盘空间是否够放副本，以及其文件夹是否可写"
            )))
        }
        Err(error) => {
            warn(&said!(
                "the read model is left out, since it cannot be read: {error}",
                "读取模型无法读取，已略过：{error}"
            ));
            match fs::remove_file(&target) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(failed(Doing::Remove, &target)(error))
                }
                _ => Ok((None, None)),
            }
        }
    }
}

/// Whether a file belongs into a copy, by its path below the node's folder.
pub fn is_copied(below: &Path) -> bool {
    let mut parts = below.components();
    let Some(Component::Normal(top)) = parts.next() else { return false };
    let name = below.file_name().unwrap_or_default();
    // A lock says which process uses a folder; what ends in `.new` was never finished.
    let is_passing = name == "lock" || below.extension().is_some_and(|ending| ending == "new");
    parts.all(|part| matches!(part, Component::Normal(_))) && KEPT.iter().any(|kept| top == *kept) && !is_passing
}

/// Takes a node's folder from a copy.
pub fn restore(Restore { from, data }: &Restore, context: &Context) -> Result<(), Failure> {
    let manifest = read_manifest(from)?;
    check_folder(data)?;
    check_copy(from, &manifest, context)?;
    let genesis: Genesis =
        crate::document::read(&from.join("genesis.json"), said!("genesis document", "创世文件"), "node init --help")?;
    if genesis.chain() != manifest.chain {
        return Err(damaged(
            from,
            &said!("its genesis document is not that of the chain in its manifest", "其创世文件不属于清单中的链"),
        ));
    }
    let present = data.join("genesis.json");
    if present.exists() {
        let found = super::read_genesis(data)?.chain();
        if found != manifest.chain {
            return Err(Failure::new(
                "restore/other-chain",
                said!(
                    "{} is of chain {found}, the copy of chain {}",
                    "{} 属于链 {found}，副本属于链 {}",
                    data.display(),
                    manifest.chain
                ),
            )
            .next(said!("take the copy of this chain, or name another folder", "请用本链的副本，或指定另一文件夹")));
        }
    }

    let unfinished = data.join(UNFINISHED);
    let progress = Progress::of_bytes(context.out, t!("copying"), manifest.files.iter().map(|file| file.bytes).sum());
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(failed(Doing::Remove, &unfinished))?;
    }
    for file in &manifest.files {
        let target = unfinished.join(&file.path);
        fs::create_dir_all(parent(&target)).map_err(failed(Doing::Create, &target))?;
        let (_, sha256) = copy(&from.join(&file.path), Some(&target), &progress)?;
        if sha256 != file.sha256 {
            return Err(damaged(
                from,
                &said!("{} has changed since it was checked", "{} 在核验之后发生了变化", file.path),
            ));
        }
    }
    sync_below(&unfinished).map_err(failed(Doing::Write, &unfinished))?;
    for top in KEPT {
        let (made, place) = (unfinished.join(top), data.join(top));
        if made.exists() && !place.exists() {
            fs::rename(&made, &place).map_err(failed(Doing::Name, &place))?;
        }
    }
    fs::remove_dir_all(&unfinished).map_err(failed(Doing::Remove, &unfinished))?;
    sync_folder(data).map_err(failed(Doing::Write, data))?;
    show(data, &manifest, context);
    Ok(())
}

fn read_manifest(from: &Path) -> Result<Manifest, Failure> {
    let path = from.join(MANIFEST);
    let mut text = String::new();
    let read = File::open(&path).and_then(|file| file.take(MAX_MANIFEST_BYTES).read_to_string(&mut text));
    read.map_err(|error| {
        failed(Doing::Read, &path)(error).next(said!(
            "name a folder that 'utilidor node backup' has made",
            "指定由 'utilidor node backup' 生成的文件夹"
        ))
    })?;
    // The version first: what another one means by the rest is not known here.
    #[derive(Deserialize)]
    struct Versions {
        backup: u32,
        format: u32,
    }
    let unreadable = |error: serde_json::Error| {
        damaged(from, &said!("its manifest cannot be read: {error}", "无法读取其清单：{error}"))
    };
    let versions: Versions = serde_json::from_str(&text).map_err(unreadable)?;
    if versions.backup != VERSION || versions.format > FORMAT {
        return Err(Failure::new(
            "restore/unknown-format",
            said!(
                "the copy is of version {} with data format {}; this release knows version {VERSION} and formats up to {FORMAT}",
                "副本的版本为 {}，数据格式为 {}；本版本只认识版本 {VERSION} 和到 {FORMAT} 为止的格式",
                versions.backup,
                versions.format
            ),
        )
        .next(said!("take the release that made it, or a later one", "请用生成它的版本或更新的版本")));
    }
    let manifest: Manifest = serde_json::from_str(&text).map_err(unreadable)?;
    let strange = manifest.files.iter().find(|file| !is_copied(Path::new(&file.path)));
    match strange {
        Some(file) => Err(damaged(
            from,
            &said!("its manifest names {:?}, which no copy holds", "其清单列有 {:?}，而副本不含此类文件", file.path),
        )),
        None => Ok(manifest),
    }
}

/// A copy goes into a folder that holds nothing of a chain yet.
fn check_folder(data: &Path) -> Result<(), Failure> {
    fs::create_dir_all(data).map_err(failed(Doing::Create, data))?;
    for entry in fs::read_dir(data).map_err(failed(Doing::Read, data))? {
        let name = entry.map_err(failed(Doing::Read, data))?.file_name();
        let stays = name == UNFINISHED || STAYS.iter().any(|stays| name == *stays) || is_aside(&name);
        if !stays {
            let name = data.join(name);
            return Err(Failure::new("restore/not-empty", said!("{} is there already", "{} 已经存在", name.display()))
                .next(said!(
                    "move it away, or name another folder; {}/keys stays where it is",
                    "将其移走，或指定另一文件夹；{}/keys 保留原处",
                    data.display()
                )));
        }
    }
    Ok(())
}

/// Whether `utilidor node scrub --repair` has put this aside.
fn is_aside(name: &std::ffi::OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with(super::scrub::ASIDE))
}

/// Compares every byte of a copy with its manifest.
fn check_copy(from: &Path, manifest: &Manifest, context: &Context) -> Result<(), Failure> {
    let progress = Progress::of_bytes(context.out, t!("checking"), manifest.files.iter().map(|file| file.bytes).sum());
    for file in &manifest.files {
        let path = from.join(&file.path);
        if !path.is_file() {
            return Err(damaged(from, &said!("{} is missing", "缺少 {}", file.path)));
        }
        let (bytes, sha256) = copy(&path, None, &progress)?;
        if (bytes, &sha256) != (file.bytes, &file.sha256) {
            return Err(damaged(from, &said!("{} is not as it was copied", "{} 与复制时不同", file.path)));
        }
    }
    for needed in ["genesis.json", "chain/format", "chain/genesis.json"] {
        if !manifest.files.iter().any(|file| file.path == needed) {
            return Err(damaged(from, &said!("{needed} is missing in its manifest", "其清单中缺少 {needed}")));
        }
    }
    let genesis = manifest.files.iter().find(|file| file.path == "genesis.json");
    if genesis.is_none_or(|file| file.sha256 != manifest.genesis_sha256) {
        return Err(damaged(
            from,
            &said!("its genesis document is not the one in its manifest", "其创世文件不是清单中的那一份"),
        ));
    }
    Ok(())
}

fn damaged(from: &Path, what: &Said) -> Failure {
    let from = from.display();
    let what =
        said!("the copy {from} is damaged: {what}; nothing was restored", "副本 {from} 已损坏：{what}；未恢复任何内容");
    Failure::new("restore/damaged", what).next(said!(
        "take another copy, or, where the chain has other members, let the node fetch its \
             data anew: utilidor node run",
        "请用另一副本；若链上有其他成员，也可让节点重新取得数据：utilidor node run"
    ))
}

fn show(place: &Path, manifest: &Manifest, context: &Context) {
    let bytes: u64 = manifest.files.iter().map(|file| file.bytes).sum();
    let value = json!({
        "folder": place.display().to_string(), "chain": manifest.chain, "format": manifest.format, "height": manifest.height,
        "state_root": manifest.state_root, "made_ms": manifest.made_ms, "files": manifest.files.len(), "bytes": bytes,
    });
    context.out.show(&value, |out| {
        out.facts(vec![
            (t!("folder"), place.display().to_string()),
            (t!("chain"), manifest.chain.to_string()),
            (t!("height"), crate::output::or_dash(manifest.height)),
            (t!("time"), out.time(manifest.made_ms)),
            (t!("files"), manifest.files.len().to_string()),
            (t!("bytes"), bytes.to_string()),
        ])
    });
}
