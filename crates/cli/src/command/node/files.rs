//! Files that a copy of a node is made of: copied, counted, and durable.

use crate::failure::Failure;
use crate::output::Progress;
use crate::said;
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// Bytes that are read at once.
const READ_BYTES: usize = 1 << 20;

/// Copies a file, or only reads it, and tells its length and digest. What was written is on the disk.
pub fn copy(from: &Path, to: Option<&Path>, progress: &Progress) -> Result<(u64, String), Failure> {
    let copied = copy_unsynced(from, to, progress)?;
    to.map_or(Ok(()), sync)?;
    Ok(copied)
}

/// What was written to a file gets to the disk.
pub fn sync(path: &Path) -> Result<(), Failure> {
    File::open(path).and_then(|file| file.sync_all()).map_err(failed(Doing::Write, path))
}

/// The same as [`copy`], and what was written may get to the disk later.
pub fn copy_unsynced(from: &Path, to: Option<&Path>, progress: &Progress) -> Result<(u64, String), Failure> {
    let mut source = File::open(from).map_err(failed(Doing::Read, from))?;
    let mut target = match to {
        Some(to) => {
            Some((File::options().write(true).create_new(true).open(to).map_err(failed(Doing::Create, to))?, to))
        }
        None => None,
    };
    let (mut hasher, mut bytes) = (Sha256::new(), 0);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let read = match source.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed(Doing::Read, from)(error)),
        };
        let read = &buffer[..read];
        hasher.update(read);
        if let Some((file, to)) = &mut target {
            file.write_all(read).map_err(failed(Doing::Write, to))?;
        }
        bytes += read.len() as u64;
        progress.more(read.len() as u64);
    }
    Ok((bytes, hex::encode(hasher.finalize())))
}

/// All files below a folder.
pub fn files_below(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    for entry in fs::read_dir(folder).map_err(failed(Doing::Read, folder))? {
        let path = entry.map_err(failed(Doing::Read, folder))?.path();
        if path.is_dir() {
            files_below(&path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

/// Makes the names of all files below a folder durable.
pub fn sync_below(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sync_below(&path)?;
        }
    }
    sync_folder(folder)
}

/// Makes the names in a folder durable.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Writes a file that is on the disk.
pub fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// The folder that a path is in.
pub fn parent(path: &Path) -> PathBuf {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).into()
}

/// A path with more behind its name.
pub fn with_ending(path: &Path, ending: &str) -> PathBuf {
    // A trailing slash is no part of a folder's name.
    let mut name: std::ffi::OsString = path.components().collect::<PathBuf>().into();
    name.push(ending);
    name.into()
}

/// A path with slashes.
pub fn slashed(path: &Path) -> String {
    let parts = path.components().map(|part| part.as_os_str().to_string_lossy());
    parts.collect::<Vec<_>>().join("/")
}

/// What is done with a file or a folder.
#[derive(Debug, Clone, Copy)]
pub enum Doing {
    /// Create.
    Create,
    /// Name.
    Name,
    /// Read.
    Read,
    /// Remove.
    Remove,
    /// Write.
    Write,
}

/// What could not be done.
pub fn failed(doing: Doing, path: &Path) -> impl FnOnce(io::Error) -> Failure {
    let path = path.display();
    let what = match doing {
        Doing::Create => said!("could not create {path}", "无法建立 {path}"),
        Doing::Name => said!("could not name {path}", "无法命名 {path}"),
        Doing::Read => said!("could not read {path}", "无法读取 {path}"),
        Doing::Remove => said!("could not remove {path}", "无法删除 {path}"),
        Doing::Write => said!("could not write {path}", "无法写入 {path}"),
    };
    move |error| Failure::from_error("file", what, &error)
}
