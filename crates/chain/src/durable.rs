//! Writing a file so that a loss of power leaves it as it was, or as it is to be, and nothing between.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

/// Writes a file wholly or not at all, by way of one beside it that ends in `.new`. Once this has returned, it stays.
pub fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, &path.with_extension("new"), &mut OpenOptions::new(), bytes)
}

/// The same by way of a file that is named, which `options` say how to make.
pub(crate) fn replace(path: &Path, beside: &Path, options: &mut OpenOptions, bytes: &[u8]) -> io::Result<()> {
    let mut file = options.create(true).truncate(true).write(true).open(beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(beside, path)?;
    // The name is the folder's, which has a place of its own on the disk.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
