//! Files that a copy of a node is made of: copied, counted, and durable.

use crate::failure::Failure;
use crate::output::Progress;
use crate::said;
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

/// Bytes that are read at once.
const READ_BYTES: usize = 1 << 20;

/// Copies a file, or only reads it, and tells its length and digest. What was written is on the disk.
pub fn copy(from: &Path, to: Option<&Path>, progress: &Progress) -> Result<(u64, String), Failure> {
    let mut source = File::open(from).map_err(failed(Doing::Read, from))?;
    let mut target = match to {
        Some(to) => {
            Some((File::options().write(true).create_new(true).open(to).map_err(failed(Doing::Create, to))?, to))
        }
        None => None,
    };
    let (mut digest, mut bytes) = (Sha256::new(), 0);
    read_on(&mut source, from, |read| {
        digest.update(read);
        bytes += read.len() as u64;
        progress.more(read.len() as u64);
        target.as_mut().map_or(Ok(()), |(file, to)| file.write_all(read).map_err(failed(Doing::Write, to)))
    })?;
    to.map_or(Ok(()), sync)?;
    Ok((bytes, hex::encode(digest.finalize())))
}

/// What was written to a file gets to the disk.
pub fn sync(path: &Path) -> Result<(), Failure> {
    File::open(path).and_then(|file| file.sync_all()).map_err(failed(Doing::Write, path))
}

/// Reads a file that is at `path` on to its end, piece by piece.
pub fn read_on(
    source: &mut impl Read,
    path: &Path,
    mut take: impl FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => take(&buffer[..read])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(Doing::Read, path)(error)),
        }
    }
}

/// All files below a folder, which may be gone by now.
pub fn files_below(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(failed(Doing::Read, folder))?,
    };
    for entry in entries {
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
