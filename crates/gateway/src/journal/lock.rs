//! One process writes a journal: whoever holds the lock of the file beside it.

use super::JournalError;
use std::fs::{File, TryLockError};
use std::path::Path;

/// A lock that ends with its owner, whoever has inherited the file meanwhile: a process that is just being started has it
/// until it runs.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    /// Takes the lock of the journal at `path`. Refused while another process has it.
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
