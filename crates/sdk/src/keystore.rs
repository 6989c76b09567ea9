//! A folder of key files that only its user can read.

use crate::core::key_file::{
    FORMAT, KeyFile, KeyFileError, MAX_KEY_FILE_BYTES, MIN_PASSPHRASE_CHARS, Passphrase, WorkFactor,
};
use crate::core::keys::{KeyInfo, KeyKind, SECRET_BYTES, Secret, signing_key};
use crate::core::random::{self, NoRandomness};
use crate::core::seal::SealKey;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use utilidor_types::PrivateKey;

/// Longest name of a key in bytes.
pub const MAX_NAME_BYTES: usize = 64;
/// What a key file's name ends with.
const EXTENSION: &str = "key";

/// Why a key could not be made, read or unlocked.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The name cannot be a file's.
    #[error("{name:?} cannot name a key: use 1 to {MAX_NAME_BYTES} letters, digits, '-', '_' and '.', not '.' first")]
    BadName {
        /// The name.
        name: String,
    },
    /// There is a key of this name.
    #[error("a key called {name:?} exists in {folder}; keys are never overwritten")]
    Exists {
        /// The name.
        name: String,
        /// The keystore.
        folder: PathBuf,
    },
    /// There is no key of this name.
    #[error("there is no key called {name:?} in {folder}")]
    Unknown {
        /// The name.
        name: String,
        /// The keystore.
        folder: PathBuf,
    },
    /// The key is of another kind than is needed.
    #[error("key {name:?} is of kind {found}, needed is {needed}")]
    WrongKind {
        /// The name.
        name: String,
        /// Its kind.
        found: KeyKind,
        /// What is needed.
        needed: &'static str,
    },
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
    /// The file is no key file of this release.
    #[error("{path} is not a key file of format {FORMAT}: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What was met.
        reason: String,
    },
    /// The bytes are no secret of the kind.
    #[error("the bytes are no secret of kind {0}")]
    NotASecret(KeyKind),
    /// To open the file would take minutes or ages.
    #[error(
        "{path} asks for work of 2^{required} a guess, at most 2^{} is done: it was not made by this program",
        WorkFactor::MAX.log_n()
    )]
    TooMuchWork {
        /// The file.
        path: PathBuf,
        /// The power of two that it asks for.
        required: u8,
    },
    /// The passphrase is shorter than one for a new key may be.
    #[error("the passphrase has {length} characters, one for a key has {MIN_PASSPHRASE_CHARS} or more")]
    ShortPassphrase {
        /// How many.
        length: usize,
    },
    /// The passphrase does not open the file.
    #[error("the passphrase does not open key {name:?}")]
    WrongPassphrase {
        /// The name.
        name: String,
    },
    /// The machine gave no random bytes.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

impl KeyError {
    /// An error of the file at `path`, of the key `name`.
    fn of_file(error: KeyFileError, name: &str, path: &Path) -> Self {
        match error {
            KeyFileError::Malformed(reason) => Self::Malformed { path: path.to_owned(), reason },
            KeyFileError::NotASecret(kind) => Self::NotASecret(kind),
            KeyFileError::TooMuchWork { required } => Self::TooMuchWork { path: path.to_owned(), required },
            KeyFileError::ShortPassphrase { length } => Self::ShortPassphrase { length },
            KeyFileError::WrongPassphrase => Self::WrongPassphrase { name: name.into() },
        }
    }
}

/// A folder of key files.
#[derive(Debug, Clone)]
pub struct Keystore {
    folder: PathBuf,
}

impl Keystore {
    /// The keystore in `folder`. A folder that is missing holds no keys; the first key creates it, readable by its user alone.
    pub fn of_folder(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes a new key and stores it under `name`.
    pub fn create(
        &self,
        name: &str,
        kind: KeyKind,
        passphrase: &Passphrase,
        work: WorkFactor,
    ) -> Result<KeyInfo, KeyError> {
        self.import(name, kind, &*random::secret(kind)?, passphrase, work)
    }

    /// Stores a given secret under `name`. Fails for bytes that are no secret of `kind`, and if the name is taken.
    pub fn import(
        &self,
        name: &str,
        kind: KeyKind,
        secret: &[u8; SECRET_BYTES],
        passphrase: &Passphrase,
        work: WorkFactor,
    ) -> Result<KeyInfo, KeyError> {
        let path = self.path(name)?;
        if path.exists() {
            return Err(KeyError::Exists { name: name.into(), folder: self.folder.clone() });
        }
        let at_fault = |error| KeyError::of_file(error, name, &path);
        let file = KeyFile::lock(kind, secret, passphrase, work).map_err(at_fault)?;
        let info = file.info(name).map_err(at_fault)?;
        self.write_new(name, &path, &file.to_json())?;
        Ok(info)
    }

    /// The keys by name, without unlocking any.
    pub fn list(&self) -> Result<Vec<KeyInfo>, KeyError> {
        let unreadable = |source| KeyError::Io { action: "read", path: self.folder.clone(), source };
        let mut keys = Vec::new();
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(keys),
            entries => entries.map_err(unreadable)?,
        };
        for entry in entries {
            let path = entry.map_err(unreadable)?.path();
            let is_key = path.extension().is_some_and(|extension| extension == EXTENSION);
            if let (true, Some(name)) = (is_key, path.file_stem().and_then(|name| name.to_str())) {
                keys.push(self.info(name)?);
            }
        }
        keys.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(keys)
    }

    /// The public half of the key `name`. It is as trustworthy as the folder: only unlocking compares it with the secret.
    pub fn info(&self, name: &str) -> Result<KeyInfo, KeyError> {
        let (path, file) = self.read(name)?;
        file.info(name).map_err(|error| KeyError::of_file(error, name, &path))
    }

    /// Unlocks the signing key `name`.
    pub fn signing_key(&self, name: &str, passphrase: &Passphrase) -> Result<PrivateKey, KeyError> {
        let (kind, secret) = self.unlock(name, passphrase)?;
        let not_signing = || KeyError::WrongKind { name: name.into(), found: kind, needed: "ed25519 or p256" };
        signing_key(kind, &secret).ok_or_else(not_signing)
    }

    /// Unlocks the seal key `name`.
    pub fn seal_key(&self, name: &str, passphrase: &Passphrase) -> Result<SealKey, KeyError> {
        match self.unlock(name, passphrase)? {
            (KeyKind::Seal, secret) => Ok(SealKey::from_secret(&secret)),
            (found, _) => Err(KeyError::WrongKind { name: name.into(), found, needed: "seal" }),
        }
    }

    /// Unlocks the secret bytes of an Ed25519 key, as a node takes them for its votes.
    pub fn ed25519_secret(&self, name: &str, passphrase: &Passphrase) -> Result<Secret, KeyError> {
        match self.unlock(name, passphrase)? {
            (KeyKind::Ed25519, secret) => Ok(secret),
            (found, _) => Err(KeyError::WrongKind { name: name.into(), found, needed: "ed25519" }),
        }
    }

    /// The file of key `name`, if other users of the machine may read it.
    pub fn exposed(&self, name: &str) -> Option<PathBuf> {
        self.path(name).ok().filter(|path| others_may_read(path))
    }

    /// The key file as it stands, still encrypted: to be kept elsewhere, or given to another keystore.
    pub fn export(&self, name: &str) -> Result<Vec<u8>, KeyError> {
        let (path, _) = self.read(name)?;
        fs::read(&path).map_err(|source| KeyError::Io { action: "read", path, source })
    }

    /// Takes an exported key file in under `name`. Fails if the passphrase does not open it.
    pub fn restore(&self, name: &str, exported: &[u8], passphrase: &Passphrase) -> Result<KeyInfo, KeyError> {
        let path = self.path(name)?;
        let at_fault = |error| KeyError::of_file(error, name, &path);
        let file = KeyFile::parse(exported).map_err(at_fault)?;
        file.unlock(passphrase).map_err(at_fault)?;
        self.write_new(name, &path, exported)?;
        self.info(name)
    }

    fn unlock(&self, name: &str, passphrase: &Passphrase) -> Result<(KeyKind, Secret), KeyError> {
        let (path, file) = self.read(name)?;
        let secret = file.unlock(passphrase).map_err(|error| KeyError::of_file(error, name, &path))?;
        Ok((file.kind(), secret))
    }

    fn path(&self, name: &str) -> Result<PathBuf, KeyError> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || name.len() > MAX_NAME_BYTES || name.starts_with('.') || !name.bytes().all(fits) {
            return Err(KeyError::BadName { name: name.into() });
        }
        Ok(self.folder.join(format!("{name}.{EXTENSION}")))
    }

    fn read(&self, name: &str) -> Result<(PathBuf, KeyFile), KeyError> {
        let path = self.path(name)?;
        let file = match fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(KeyError::Unknown { name: name.into(), folder: self.folder.clone() });
            }
            Err(source) => return Err(KeyError::Io { action: "read", path, source }),
        };
        let mut bytes = Vec::new();
        if let Err(source) = file.take(MAX_KEY_FILE_BYTES as u64 + 1).read_to_end(&mut bytes) {
            return Err(KeyError::Io { action: "read", path, source });
        }
        let file = KeyFile::parse(&bytes).map_err(|error| KeyError::of_file(error, name, &path))?;
        Ok((path, file))
    }

    /// Writes a key's file, wholly or not at all, and never over another.
    fn write_new(&self, name: &str, path: &Path, bytes: &[u8]) -> Result<(), KeyError> {
        create_private_folder(&self.folder).map_err(|source| KeyError::Io {
            action: "create",
            path: self.folder.clone(),
            source,
        })?;
        write_new(path, bytes).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => KeyError::Exists { name: name.into(), folder: self.folder.clone() },
            _ => KeyError::Io { action: "write", path: path.to_owned(), source },
        })
    }
}

/// Whether other users of the machine may read a file, as far as its own permissions tell.
pub fn others_may_read(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}

/// Writes a file that is wholly there after a crash, or not at all, and never replaces another.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    // A link, unlike a rename, fails where the name is taken.
    let linked = fs::hard_link(&unfinished, path);
    fs::remove_file(&unfinished)?;
    linked?;
    // The name is the folder's, which has a place of its own on the disk.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(folder)?.sync_all()
}

fn create_private_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use utilidor_types::AccountId;

    fn keystore() -> (tempfile::TempDir, Keystore) {
        let folder = tempfile::tempdir().unwrap();
        let keystore = Keystore::of_folder(folder.path().join("keys"));
        (folder, keystore)
    }

    #[test]
    fn reading_creates_no_folder_and_the_first_key_does() {
        let (folder, keystore) = keystore();
        assert_eq!(keystore.list().unwrap(), []);
        assert!(matches!(keystore.info("shop"), Err(KeyError::Unknown { .. })));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        keystore.create("shop", KeyKind::Ed25519, &passphrase(), WorkFactor::LIGHT).unwrap();
        assert_eq!(keystore.list().unwrap().len(), 1);
    }

    fn passphrase() -> Passphrase {
        Passphrase::new("correct horse")
    }

    #[test]
    fn a_key_comes_back_with_its_passphrase_and_signs_for_its_account() {
        let (_folder, keystore) = keystore();
        for (name, kind) in [("a", KeyKind::Ed25519), ("b", KeyKind::P256)] {
            let info = keystore.create(name, kind, &passphrase(), WorkFactor::LIGHT).unwrap();
            let key = keystore.signing_key(name, &passphrase()).unwrap();
            assert_eq!(key.public_key().to_string(), info.public);
            assert_eq!(Some(AccountId::of(&key.public_key())), info.account);
        }
        let seal = keystore.create("c", KeyKind::Seal, &passphrase(), WorkFactor::LIGHT).unwrap();
        let key = keystore.seal_key("c", &passphrase()).unwrap();
        assert_eq!(seal.public, format!("x25519:{}", hex::encode(key.public_key())));
        let names: Vec<_> = keystore.list().unwrap().into_iter().map(|info| info.name).collect();
        assert_eq!(names, ["a", "b", "c"]);
    }

    #[test]
    fn refuses_a_wrong_passphrase() {
        let (_folder, keystore) = keystore();
        keystore.create("a", KeyKind::Ed25519, &passphrase(), WorkFactor::LIGHT).unwrap();
        let wrong = keystore.signing_key("a", &Passphrase::new("incorrect horse"));
        assert!(matches!(wrong, Err(KeyError::WrongPassphrase { .. })), "{wrong:?}");
    }

    #[test]
    fn never_overwrites_a_key() {
        let (_folder, keystore) = keystore();
        let first = keystore.create("a", KeyKind::Ed25519, &passphrase(), WorkFactor::LIGHT).unwrap();
        let second = keystore.create("a", KeyKind::P256, &passphrase(), WorkFactor::LIGHT);
        assert!(matches!(second, Err(KeyError::Exists { .. })), "{second:?}");
        assert_eq!(keystore.info("a").unwrap(), first);
    }

    #[test]
    fn refuses_names_that_leave_the_folder() {
        let (_folder, keystore) = keystore();
        for name in ["", "../a", "a/b", ".hidden", "a b", &"a".repeat(65)] {
            let refused = keystore.create(name, KeyKind::Ed25519, &passphrase(), WorkFactor::LIGHT);
            assert!(matches!(refused, Err(KeyError::BadName { .. })), "{name:?}");
        }
    }

    #[test]
    fn refuses_a_key_of_another_kind() {
        let (_folder, keystore) = keystore();
        keystore.create("a", KeyKind::Seal, &passphrase(), WorkFactor::LIGHT).unwrap();
        keystore.create("b", KeyKind::P256, &passphrase(), WorkFactor::LIGHT).unwrap();
        assert!(matches!(keystore.signing_key("a", &passphrase()), Err(KeyError::WrongKind { .. })));
        assert!(matches!(keystore.seal_key("b", &passphrase()), Err(KeyError::WrongKind { .. })));
        assert!(matches!(keystore.ed25519_secret("b", &passphrase()), Err(KeyError::WrongKind { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn key_files_are_readable_by_their_user_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let (_folder, keystore) = keystore();
        keystore.create("a", KeyKind::Ed25519, &passphrase(), WorkFactor::LIGHT).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&keystore.folder().join("a.key")), 0o600);
        assert_eq!(mode(keystore.folder()), 0o700);
        assert_eq!(fs::read_dir(keystore.folder()).unwrap().count(), 1, "nothing unfinished is left");
    }

    #[cfg(unix)]
    #[test]
    fn a_key_file_that_others_may_read_is_noticed() {
        use std::os::unix::fs::PermissionsExt as _;
        let (_folder, keystore) = keystore();
        keystore.create("a", KeyKind::Ed25519, &passphrase(), WorkFactor::LIGHT).unwrap();
        assert_eq!(keystore.exposed("a"), None);
        let path = keystore.path("a").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(keystore.exposed("a"), Some(path));
    }

    #[test]
    fn an_exported_key_can_be_restored_elsewhere_by_who_knows_the_passphrase() {
        let (_folder, keystore) = keystore();
        let info = keystore.create("a", KeyKind::P256, &passphrase(), WorkFactor::LIGHT).unwrap();
        let exported = keystore.export("a").unwrap();
        assert!(keystore.restore("b", &exported, &Passphrase::new("guess")).is_err());
        assert_eq!(keystore.restore("b", &exported, &passphrase()).unwrap().public, info.public);
    }
}
