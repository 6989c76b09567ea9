//! The data directory: whose data it is and in which format, checked before anything is opened.
//!
//! ```text
//! <dir>/format         version of everything below, as a decimal number
//! <dir>/genesis.json   the chain's genesis document
//! <dir>/lock           held by the node that uses the directory
//! <dir>/storage/       the engine's stores
//! ```

use crate::durable::write_durably;
use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};
use utilidor_types::{ChainId, Genesis};

/// Version of the data format that this release reads and writes.
pub const FORMAT: u32 = 14;

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// A file or folder could not be read or written.
    #[error("could not {action} {path}")]
    Io {
        /// What was attempted.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Another node uses the directory.
    #[error("{path} is in use by another node")]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The directory was written by another release.
    #[error("{path} has data format {found}; this release reads format {FORMAT}")]
    OtherFormat {
        /// The directory.
        path: PathBuf,
        /// What its format file says.
        found: String,
    },
    /// The folder holds files, but is no data directory.
    #[error("{path} is not empty and is not a data directory: it has no format file")]
    NotADirectory {
        /// The folder.
        path: PathBuf,
    },
    /// There is no data directory.
    #[error("{path} holds no node's data: there is no format file")]
    Missing {
        /// The folder.
        path: PathBuf,
    },
    /// The directory's genesis document cannot be read.
    #[error("the genesis document {path} is malformed")]
    MalformedGenesis {
        /// The document.
        path: PathBuf,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// The directory holds the data of another chain.
    #[error("{path} holds chain {found}, asked for chain {expected}")]
    OtherChain {
        /// The directory.
        path: PathBuf,
        /// Its chain.
        found: ChainId,
        /// The chain asked for.
        expected: ChainId,
    },
}

/// A data directory, held for as long as this lives.
#[derive(Debug)]
pub(crate) struct Directory {
    pub storage: PathBuf,
    _lock: File,
}

fn io_error<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> DirectoryError + 'a {
    move |source| DirectoryError::Io { action, path: path.to_owned(), source }
}

/// The genesis document of the data directory at `path`; `None` if there is no data directory yet.
pub fn read_genesis(path: &Path) -> Result<Option<Genesis>, DirectoryError> {
    let file = path.join("genesis.json");
    match fs::read(&file) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| DirectoryError::MalformedGenesis { path: file, source }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_error("read", &file)(error)),
    }
}

/// The format of the data directory at `path`, as its file says it; `None` if there is no data directory.
pub fn read_format(path: &Path) -> Result<Option<String>, DirectoryError> {
    let file = path.join("format");
    match fs::read_to_string(&file) {
        Ok(found) => Ok(Some(found.trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_error("read", &file)(error)),
    }
}

/// Says which format a data directory has.
pub(crate) fn write_format(path: &Path, format: u32) -> Result<(), DirectoryError> {
    let path = path.join("format");
    write_durably(&path, format!("{format}\n").as_bytes()).map_err(io_error("write", &path))
}

/// A data directory that no node uses while this lives: what is in it stands still.
#[derive(Debug)]
pub struct Held {
    _lock: File,
}

/// Holds the data directory at `path`, whatever its format is. Fails while a node uses it.
pub fn hold(path: &Path) -> Result<Held, DirectoryError> {
    if read_format(path)?.is_none() {
        return Err(DirectoryError::Missing { path: path.to_owned() });
    }
    Ok(Held { _lock: lock(path)? })
}

fn lock(path: &Path) -> Result<File, DirectoryError> {
    let lock_path = path.join("lock");
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock_path)
        .map_err(io_error("open", &lock_path))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(DirectoryError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(io_error("lock", &lock_path)(source)),
    }
}

impl Directory {
    /// Opens the data directory at `path` for the chain of `genesis`, creating it if there is none.
    pub fn open(path: &Path, genesis: &Genesis) -> Result<Self, DirectoryError> {
        fs::create_dir_all(path).map_err(io_error("create", path))?;
        let format_path = path.join("format");
        if !format_path.exists() && !is_fresh(path)? {
            return Err(DirectoryError::NotADirectory { path: path.to_owned() });
        }
        let lock = lock(path)?;
        match read_format(path)? {
            Some(found) if found == FORMAT.to_string() => {}
            Some(found) => return Err(DirectoryError::OtherFormat { path: path.to_owned(), found }),
            None => write_format(path, FORMAT)?,
        }
        match read_genesis(path)? {
            Some(found) if found.chain() == genesis.chain() => {}
            Some(found) => {
                return Err(DirectoryError::OtherChain {
                    path: path.to_owned(),
                    found: found.chain(),
                    expected: genesis.chain(),
                });
            }
            None => {
                let document = serde_json::to_vec_pretty(genesis).expect("a genesis document is plain data");
                let file = path.join("genesis.json");
                write_durably(&file, &document).map_err(io_error("write", &file))?;
            }
        }
        let storage = path.join("storage");
        fs::create_dir_all(&storage).map_err(io_error("create", &storage))?;
        Ok(Self { storage, _lock: lock })
    }
}

/// Whether a folder holds nothing but what an interrupted creation may have left.
fn is_fresh(path: &Path) -> Result<bool, DirectoryError> {
    for entry in fs::read_dir(path).map_err(io_error("read", path))? {
        let name = entry.map_err(io_error("read", path))?.file_name();
        if name != "lock" && name != "format.new" {
            return Ok(false);
        }
    }
    Ok(true)
}
