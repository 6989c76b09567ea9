//! Files of a node that may run, as they stand at one moment: that is what a node leaves which is killed, and what it starts from.
//!
//! They are copied, and what has changed meanwhile is copied again, until a look before and a look after say that nothing has. A node
//! writes with each block, and is still between them.

use super::backup::{INDEX, KEPT, Kept, is_copied};
use super::files::{Doing, copy_unsynced, failed, files_below, parent, slashed, sync, sync_below};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::Progress;
use crate::{said, t};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// How long nothing must have changed before files are copied: file systems tell times in steps of a few milliseconds, and two changes in
/// one step would look like one.
const STILL: Duration = Duration::from_millis(12);
/// How long a moment in which nothing changes is waited for, before the first file is copied and after all are.
const PATIENCE: Duration = Duration::from_secs(120);

/// The files that are kept, each with its length and when it changed last.
type Files = BTreeMap<PathBuf, (u64, SystemTime)>;

/// Copies what is kept but for the read model, and tells the digest of each file.
pub fn copy_as_of_one_moment(data: &Path, to: &Path, context: &Context) -> Result<Vec<Kept>, Failure> {
    let (mut copied, mut digests) = (Files::new(), BTreeMap::new());
    let mut files = still(data, Instant::now())?;
    let progress = Progress::of_bytes(context.out, t!("copying"), files.values().map(|(bytes, _)| bytes).sum());
    let mut since = None;
    loop {
        for path in copied.keys().filter(|path| !files.contains_key(*path)) {
            let target = to.join(path);
            fs::remove_file(&target).map_err(failed(Doing::Remove, &target))?;
            digests.remove(path);
        }
        copied.retain(|path, _| files.contains_key(path));
        for (path, stand) in &files {
            let from = data.join(path);
            if copied.get(path) != Some(stand) {
                match copy_anew(&from, &to.join(path), &progress) {
                    Ok(digest) => drop((digests.insert(path.clone(), digest), copied.insert(path.clone(), *stand))),
                    // It is not there any more, as the look that follows says.
                    Err(_) if !from.exists() => drop((copied.remove(path), digests.remove(path))),
                    Err(failure) => return Err(failure),
                }
            }
        }
        if copied == files && look(data)? == files {
            break;
        }
        let since = *since.get_or_insert_with(Instant::now);
        if since.elapsed() > PATIENCE {
            return Err(busy());
        }
        files = still(data, since)?;
    }
    // Not before: the disk would take longer than the node is still.
    digests.keys().try_for_each(|path| sync(&to.join(path)))?;
    sync_below(to).map_err(failed(Doing::Write, to))?;
    let kept = |(path, (bytes, sha256)): (PathBuf, _)| Kept { path: slashed(&path), bytes, sha256 };
    Ok(digests.into_iter().map(kept).collect())
}

/// Copies a file in the place of an earlier copy, if there is one.
fn copy_anew(from: &Path, to: &Path, progress: &Progress) -> Result<(u64, String), Failure> {
    match fs::remove_file(to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(Doing::Remove, to)(error)),
        _ => {}
    }
    fs::create_dir_all(parent(to)).map_err(failed(Doing::Create, to))?;
    copy_unsynced(from, Some(to), progress)
}

/// The files once none has just changed.
fn still(data: &Path, since: Instant) -> Result<Files, Failure> {
    loop {
        let files = look(data)?;
        let now = SystemTime::now();
        if files.values().all(|(_, changed)| now.duration_since(*changed).map_or(true, |ago| ago >= STILL)) {
            return Ok(files);
        }
        if since.elapsed() > PATIENCE {
            return Err(busy());
        }
        std::thread::sleep(STILL / 12);
    }
}

fn busy() -> Failure {
    let milliseconds = STILL.as_millis();
    let what = said!(
        "the node writes all the time: no copy was made between two changes that are {milliseconds} ms apart",
        "节点一直在写入：未能在相隔 {milliseconds} 毫秒的两次更改之间完成复制"
    );
    Failure::new("backup/busy", what).next(said!(
        "make the copy at a quieter time, or stop the node for as long as it takes",
        "请在较空闲时复制，或在复制期间停止节点"
    ))
}

/// What is kept but for the read model, by the paths below the node's folder.
fn look(data: &Path) -> Result<Files, Failure> {
    let mut paths = Vec::new();
    for top in KEPT.into_iter().filter(|top| *top != INDEX) {
        let path = data.join(top);
        if path.is_dir() {
            files_below(&path, &mut paths)?;
        } else if path.exists() {
            paths.push(path);
        }
    }
    let mut files = Files::new();
    for path in paths {
        let below = path.strip_prefix(data).expect("it was found below the folder");
        match fs::metadata(&path).and_then(|of| Ok((of.len(), of.modified()?))) {
            Ok(stand) if is_copied(below) => drop(files.insert(below.to_owned(), stand)),
            // One that is gone was not kept any more.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(Doing::Read, &path)(error)),
            _ => {}
        }
    }
    Ok(files)
}
