//! One process writes a journal: whoever holds the lock of the file beside it.

use super::JournalError;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// A lock that ends with its owner, whoever has inherited the file meanwhile: a process that is just being started has it
/// until it runs.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    /// Takes the lock of the journal at `path`, which is its own and only name. Refused while another process has it.
    pub fn take(path: &Path) -> Result<Self, JournalError> {
        let failed = |source| JournalError::Open { path: path.into(), source };
        let file = File::options().create(true).write(true).truncate(false).open(path.with_added_extension("lock"));
        let file = file.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(JournalError::Held { path: path.into() }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // It is closed next: that unlocks it too.
        let _ = self.0.unlock();
    }
}

/// The one name under which a journal is locked and written: that to which links lead. SQLite keeps its log beside the name too, so
/// that a file with a second name could be written from two logs.
pub(super) fn only_name(path: &Path) -> Result<PathBuf, JournalError> {
    use std::os::unix::fs::MetadataExt as _;
    let failed = |source| JournalError::Open { path: path.into(), source };
    match std::fs::canonicalize(path) {
        Ok(name) if std::fs::metadata(&name).map_err(failed)?.nlink() > 1 => {
            Err(JournalError::SecondName { path: path.into() })
        }
        Ok(name) => Ok(name),
        // It is not there yet; a link that leads nowhere is none that a journal is begun at.
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => Ok(path.into()),
        Err(error) => Err(failed(error)),
    }
}
