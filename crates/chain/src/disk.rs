//! Room on the disk: a node stops cleanly while there is some left, instead of in the middle of a write.

use std::path::{Path, PathBuf};

/// Bytes that a node keeps free unless it is told otherwise: a few full blocks with all that follows from them.
pub const KEEP_FREE_BYTES: u64 = 64 * 1024 * 1024;

/// There is too little room on a disk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the disk of {path} is full: {free} bytes are free, a node keeps {kept} free. Make room and start it again: what was final \
     is kept, and it goes on from there"
)]
pub struct DiskFull {
    /// The node's folder.
    pub path: PathBuf,
    /// Bytes that are free.
    pub free: u64,
    /// Bytes that are to be free.
    pub kept: u64,
}

/// Whether the disk of a folder has `kept` bytes free. Where the system does not tell, it has.
pub(crate) fn check(path: &Path, kept: u64) -> Result<(), DiskFull> {
    match free_bytes(path) {
        Some(free) if free < kept => Err(DiskFull { path: path.to_owned(), free, kept }),
        _ => Ok(()),
    }
}

/// Least and most memory for pages that were read.
const CACHE_BYTES: (u64, u64) = (16 << 20, 256 << 20);

/// Memory for pages of a folder's files: half of what they take now. A node that begins is small, one with years of data is
/// not.
pub(crate) fn cache_bytes(folder: &Path) -> usize {
    let half = used_bytes(folder) / 2;
    usize::try_from(half.clamp(CACHE_BYTES.0, CACHE_BYTES.1)).unwrap_or(usize::MAX)
}

/// What the files of a folder take. What cannot be read takes nothing.
fn used_bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let of = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => used_bytes(&entry.path()),
        Ok(data) => data.len(),
        Err(_) => 0,
    };
    entries.map(of).fold(0, u64::saturating_add)
}

#[cfg(unix)]
pub(crate) fn free_bytes(path: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(path).ok()?;
    disk.f_bavail.checked_mul(disk.f_frsize)
}

#[cfg(not(unix))]
pub(crate) fn free_bytes(_: &Path) -> Option<u64> {
    None
}
