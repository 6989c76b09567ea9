//! Files of a node that may run, as they stand at one moment: that is what a node leaves which is killed, and what it starts from.
//!
//! They are copied, and what has changed meanwhile is copied again, until a look before and a look after say that nothing has. A node
//! writes with each block, and is still between them: not long enough for a large file, but nearly all of what it writes is put behind
//! what stands there. So a file that has grown is copied on from where its copy ended. Whether nothing has changed before that place is
//! known at the end, when all of it is read once more, for which the node need not be still.

use super::backup::{INDEX, KEPT, Kept, is_copied};
use super::files::{Doing, failed, files_below, parent, read_on, slashed, sync, sync_below};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::Progress;
use crate::{said, t};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long nothing must have changed before files are copied: file systems tell times in steps of a few milliseconds, and two changes in
/// one step would look like one.
const STILL: Duration = Duration::from_millis(12);
/// The same where a file system tells times in seconds, or in every other one.
const STILL_BY_SECONDS: Duration = Duration::from_secs(2);
/// How often is looked whether anything has changed.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// How long a moment in which nothing changes is waited for, before the first file is copied and after all are.
const PATIENCE: Duration = Duration::from_secs(120);
/// Bytes at the end of a file that are copied again with what came behind them: the engine writes its last page anew until it is full.
const SEAM: u64 = 64 << 10;

/// How long a file is, and when it changed last.
type Stand = (u64, SystemTime);
/// The files that are kept.
type Files = BTreeMap<PathBuf, Stand>;

/// What was copied of a file.
struct Copied {
    /// How the file stood then.
    stand: Stand,
    /// How many bytes from its beginning stay when it has grown, and their digest.
    stay: u64,
    of_stay: Sha256,
    /// How many bytes the copy has, and their digest.
    bytes: u64,
    of_all: Sha256,
    /// Whether those that stay were copied before the rest.
    is_carried_on: bool,
}

/// Copies what is kept but for the read model, and tells the digest of each file.
pub fn copy_as_of_one_moment(data: &Path, to: &Path, context: &Context) -> Result<Vec<Kept>, Failure> {
    let mut copied: BTreeMap<PathBuf, Copied> = BTreeMap::new();
    // The files that change before their ends.
    let mut change_within = BTreeSet::new();
    let mut files = still(data, Instant::now())?;
    let progress = Progress::of_bytes(context.out, t!("copying"), files.values().map(|(bytes, _)| bytes).sum());
    let mut since = None;
    loop {
        for (path, _) in copied.extract_if(.., |path, _| !files.contains_key(path)) {
            let target = to.join(path);
            fs::remove_file(&target).map_err(failed(Doing::Remove, &target))?;
        }
        for (path, stand) in &files {
            let from = data.join(path);
            let is_carried_on = !change_within.contains(path);
            let now = match copied.remove(path) {
                Some(before) if before.stand == *stand && (is_carried_on || !before.is_carried_on) => Ok(before),
                before => {
                    let before = before.filter(|before| is_carried_on && stand.0 >= before.stay);
                    copy_on(before, *stand, &from, &to.join(path), &progress)
                }
            };
            match now {
                Ok(now) => drop(copied.insert(path.clone(), now)),
                // It is not there any more, as the look that follows says.
                Err(_) if !from.exists() => drop(fs::remove_file(to.join(path))),
                Err(failure) => return Err(failure),
            }
        }
        let is_of_now = copied.len() == files.len() && look(data)? == files;
        if is_of_now {
            let mut changed = Vec::new();
            for (path, copied) in &copied {
                if !copied.is_whole(&data.join(path))? {
                    changed.push(path.clone());
                }
            }
            if changed.is_empty() {
                break;
            }
            change_within.extend(changed);
            since = None;
        }
        let since = *since.get_or_insert_with(Instant::now);
        if since.elapsed() > PATIENCE {
            return Err(busy(&files));
        }
        files = still(data, since)?;
    }
    // Not before: the disk would take longer than the node is still.
    copied.keys().try_for_each(|path| sync(&to.join(path)))?;
    sync_below(to).map_err(failed(Doing::Write, to))?;
    let kept = |(path, copied): (PathBuf, Copied)| Kept {
        path: slashed(&path),
        bytes: copied.bytes,
        sha256: hex::encode(copied.of_all.finalize()),
    };
    Ok(copied.into_iter().map(kept).collect())
}

/// Copies a file that stands so, from its beginning or from where an earlier copy of it stays.
fn copy_on(
    before: Option<Copied>,
    stand: Stand,
    from: &Path,
    to: &Path,
    progress: &Progress,
) -> Result<Copied, Failure> {
    let is_carried_on = before.as_ref().is_some_and(|before| before.stay > 0);
    let (begin, mut digest) = before.map_or_else(Default::default, |before| (before.stay, before.of_stay));
    fs::create_dir_all(parent(to)).map_err(failed(Doing::Create, to))?;
    let mut source = File::open(from).map_err(failed(Doing::Read, from))?;
    source.seek(SeekFrom::Start(begin)).map_err(failed(Doing::Read, from))?;
    let mut target =
        File::options().create(true).truncate(false).write(true).open(to).map_err(failed(Doing::Create, to))?;
    target.set_len(begin).and_then(|()| target.seek(SeekFrom::Start(begin))).map_err(failed(Doing::Write, to))?;

    let mut bytes = begin;
    let mut take = |read: &[u8], digest: &mut Sha256| {
        digest.update(read);
        bytes += read.len() as u64;
        progress.more(read.len() as u64);
        target.write_all(read).map_err(failed(Doing::Write, to))
    };
    let stay = stand.0.saturating_sub(SEAM).max(begin);
    read_on(&mut (&source).take(stay - begin), from, |read| take(read, &mut digest))?;
    let of_stay = digest.clone();
    read_on(&mut source, from, |read| take(read, &mut digest))?;
    Ok(Copied { stand, stay, of_stay, bytes, of_all: digest, is_carried_on })
}

impl Copied {
    /// Whether what was copied before the rest was so when the rest was copied: it still is.
    fn is_whole(&self, from: &Path) -> Result<bool, Failure> {
        if !self.is_carried_on {
            return Ok(true);
        }
        let source = match File::open(from) {
            // It is gone since, and nobody can say.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            source => source.map_err(failed(Doing::Read, from))?,
        };
        let mut digest = Sha256::new();
        read_on(&mut source.take(self.stay), from, |read| {
            digest.update(read);
            Ok(())
        })?;
        Ok(digest.finalize() == self.of_stay.clone().finalize())
    }
}

/// The files once none has changed for a while. By this machine's clock: that of the file system may be another's.
fn still(data: &Path, since: Instant) -> Result<Files, Failure> {
    let (mut files, mut seen) = (look(data)?, Instant::now());
    while seen.elapsed() < step(&files) {
        if since.elapsed() > PATIENCE {
            return Err(busy(&files));
        }
        std::thread::sleep(LOOK_EVERY);
        let now = look(data)?;
        if now != files {
            (files, seen) = (now, Instant::now());
        }
    }
    Ok(files)
}

/// How far apart two changes are that do not look like one: a file system whose times are all whole seconds knows no others.
fn step(files: &Files) -> Duration {
    let is_whole = |time: &SystemTime| time.duration_since(UNIX_EPOCH).is_ok_and(|time| time.subsec_nanos() == 0);
    if files.values().all(|(_, changed)| is_whole(changed)) { STILL_BY_SECONDS } else { STILL }
}

fn busy(files: &Files) -> Failure {
    let (seconds, still) = (PATIENCE.as_secs(), step(files));
    let newest = files.iter().max_by_key(|(_, (_, changed))| *changed);
    let newest = newest.map(|(path, _)| slashed(path)).unwrap_or_default();
    let what = said!(
        "for {seconds} s the node has written without a pause in which all that had changed could be copied, to {newest} last; a pause \
         begins when nothing was written for {still:?}",
        "{seconds} 秒内，节点的写入之间没有足够复制全部更改的间歇，最后写入的是 {newest}；{still:?} 内没有写入才算间歇开始"
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

#[cfg(test)]
mod tests {
    use super::{Files, STILL, STILL_BY_SECONDS, step};
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn where_times_have_whole_seconds_two_changes_are_told_apart_by_seconds() {
        let files = |milliseconds: &[u64]| -> Files {
            let stand = |of: &u64| (of.to_string().into(), (1, UNIX_EPOCH + Duration::from_millis(*of)));
            milliseconds.iter().map(stand).collect()
        };
        assert_eq!(step(&files(&[1_000, 5_000])), STILL_BY_SECONDS);
        assert_eq!(step(&files(&[1_000, 5_001])), STILL, "one came from elsewhere");
    }
}
