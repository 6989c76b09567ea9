//! The way from the data format of an earlier release to this one's.
//!
//! A *step* leads from one format to the next. Whoever changes the format writes the step that carries a data directory over, and
//! a test that takes it from a directory of the format before (docs/adr/0028); where nothing can be carried over, the way begins
//! anew after that format. A step may be cut off at any moment and is then begun again: it must come to the same, however far it
//! had come. The format file says how far the way has been gone.
//!
//! The read model is not part of the format: of another version, it is built again from the blocks when the node starts.

use crate::directory::{DirectoryError, FORMAT, hold, read_format, write_format};
use std::{io, path::Path};

/// Carries a data directory from one format to the next.
type Step = fn(&Path) -> io::Result<()>;

/// The steps to this release's format, the last one last. The first leads from the oldest format that can be carried over.
const STEPS: &[Step] = &[];

/// A data directory that is of this release's format now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upgraded {
    /// Its format before.
    pub from: u32,
    /// Its format now.
    pub to: u32,
}

/// Why a data directory was not carried over.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// The directory cannot be used.
    #[error("the data directory cannot be used")]
    Directory(#[from] DirectoryError),
    /// The directory is of a later release, or its format file is damaged.
    #[error("the data format is {found:?}; this release knows formats up to {newest}")]
    Unknown {
        /// What its format file says.
        found: String,
        /// This release's format.
        newest: u32,
    },
    /// There is no way from so early a format.
    #[error("data format {found} cannot be carried over: the earliest that can is {oldest}")]
    TooOld {
        /// The directory's format.
        found: u32,
        /// The earliest format with a way to this release's.
        oldest: u32,
    },
    /// A step failed. It can be tried again.
    #[error("data format {from} could not be carried over to the next")]
    Step {
        /// The format that the directory still has.
        from: u32,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// Carries the data directory at `path` over to this release's format. One that has it already stays as it is. Fails while a
/// node uses the directory.
pub fn upgrade(path: &Path) -> Result<Upgraded, UpgradeError> {
    along(path, STEPS, FORMAT)
}

fn along(path: &Path, steps: &[Step], newest: u32) -> Result<Upgraded, UpgradeError> {
    let _held = hold(path)?;
    let found = read_format(path)?.unwrap_or_default();
    let from: u32 = match found.parse() {
        Ok(format) if format <= newest => format,
        _ => return Err(UpgradeError::Unknown { found, newest }),
    };
    let ahead = (newest - from) as usize;
    let Some(first) = steps.len().checked_sub(ahead) else {
        let oldest = newest.saturating_sub(u32::try_from(steps.len()).unwrap_or(u32::MAX));
        return Err(UpgradeError::TooOld { found: from, oldest });
    };
    for (format, step) in (from..).zip(&steps[first..]) {
        step(path).map_err(|source| UpgradeError::Step { from: format, source })?;
        write_format(path, format + 1)?;
    }
    Ok(Upgraded { from, to: newest })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A directory of a format, with a trace of the steps that were taken in it.
    fn directory(format: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("format"), format).unwrap();
        folder
    }

    fn note(path: &Path, step: &str) -> io::Result<()> {
        let trace = fs::read_to_string(path.join("trace")).unwrap_or_default();
        fs::write(path.join("trace"), trace + step)
    }

    fn one(path: &Path) -> io::Result<()> {
        note(path, "1")
    }

    fn two(path: &Path) -> io::Result<()> {
        if path.join("full").exists() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        note(path, "2")
    }

    fn trace(folder: &tempfile::TempDir) -> (String, String) {
        let read = |name| fs::read_to_string(folder.path().join(name)).unwrap_or_default();
        (read("format").trim().into(), read("trace"))
    }

    #[test]
    fn a_folder_of_an_earlier_format_is_carried_over_step_by_step_and_goes_on_where_a_step_failed() {
        let folder = directory("7\n");
        fs::write(folder.path().join("full"), "").unwrap();
        let failed = along(folder.path(), &[one, two], 9);
        assert!(matches!(failed, Err(UpgradeError::Step { from: 8, .. })), "{failed:?}");
        assert_eq!(trace(&folder), ("8".into(), "1".into()), "the first step is done, and is not done again");
        fs::remove_file(folder.path().join("full")).unwrap();
        assert_eq!(along(folder.path(), &[one, two], 9).unwrap(), Upgraded { from: 8, to: 9 });
        assert_eq!(trace(&folder), ("9".into(), "12".into()));
        assert_eq!(along(folder.path(), &[one, two], 9).unwrap(), Upgraded { from: 9, to: 9 });
        assert_eq!(trace(&folder), ("9".into(), "12".into()));
    }

    #[test]
    fn formats_without_a_way_are_refused_by_name_and_left_as_they_are() {
        for (format, expected) in [("6", "the earliest that can is 7"), ("10", "up to 9"), ("x", "\"x\""), ("", "\"\"")]
        {
            let folder = directory(format);
            let refused = along(folder.path(), &[one, two], 9).unwrap_err().to_string();
            assert!(refused.contains(expected), "{refused}");
            assert_eq!(trace(&folder), (format.into(), String::new()));
        }
        let nothing = tempfile::tempdir().unwrap();
        assert!(matches!(along(nothing.path(), &[], 7), Err(UpgradeError::Directory(_))));
    }

    #[test]
    fn a_folder_in_use_is_not_touched() {
        let folder = directory("8");
        let held = hold(folder.path()).unwrap();
        assert!(matches!(along(folder.path(), &[one], 9), Err(UpgradeError::Directory(DirectoryError::InUse { .. }))));
        drop(held);
        assert_eq!(along(folder.path(), &[one], 9).unwrap(), Upgraded { from: 8, to: 9 });
    }
}
