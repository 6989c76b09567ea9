//! How others look into a journal, also while a gateway writes it.

use super::layout::{self, SCHEMA_VERSION};
use super::{BUSY, Journal, JournalError, expect_file};
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};

impl Journal {
    /// Opens a journal to look into it, also while a gateway writes it.
    pub fn look(path: &Path) -> Result<Self, JournalError> {
        if !path.exists() {
            return Err(JournalError::Missing { path: path.into() });
        }
        expect_file(path)?;
        // A gateway that has ended leaves no log beside it; where a link leads to it, beside what that leads to.
        let is_at_rest = std::fs::canonicalize(path).is_ok_and(|name| !wal(&name).exists());
        match Self::look_with(path, path, OpenFlags::SQLITE_OPEN_READ_WRITE) {
            Err(JournalError::Sql(error)) if is_write_protected(&error) && is_at_rest => Self::look_at_rest(path),
            Err(JournalError::Sql(error)) if is_write_protected(&error) => {
                Err(JournalError::ReadOnly { path: path.into() })
            }
            found => found,
        }
    }

    /// Opens a journal that nobody writes, where nothing can be written beside it.
    fn look_at_rest(path: &Path) -> Result<Self, JournalError> {
        let read_only = || JournalError::ReadOnly { path: path.into() };
        let name = path.to_str().ok_or_else(read_only)?;
        let name = name.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
        let uri = format!("file:{name}?immutable=1");
        Self::look_with(path, Path::new(&uri), OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI)
    }

    fn look_with(path: &Path, name: &Path, flags: OpenFlags) -> Result<Self, JournalError> {
        let connection = Connection::open_with_flags(name, flags)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "query_only", true)?;
        layout::expect(&connection, path)?;
        match layout::of(&connection)? {
            SCHEMA_VERSION => Ok(Self { connection, _lock: None }),
            found => Err(JournalError::Layout { found }),
        }
    }
}

/// Whether SQLite could write no file where it looked.
fn is_write_protected(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{CannotOpen, PermissionDenied, ReadOnly};
    matches!(error.sqlite_error_code(), Some(CannotOpen | PermissionDenied | ReadOnly))
}

/// SQLite's log of a journal.
fn wal(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}
