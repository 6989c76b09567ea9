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

#[cfg(unix)]
pub(crate) fn free_bytes(path: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(path).ok()?;
    disk.f_bavail.checked_mul(disk.f_frsize)
}

#[cfg(not(unix))]
pub(crate) fn free_bytes(_: &Path) -> Option<u64> {
    None
}
