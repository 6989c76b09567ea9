//! Keys in encrypted files.
//!
//! A *key file* is a JSON document with the public half in the clear and the secret in an age file (scrypt passphrase), so
//! that keys can be listed without their passphrase, and recovered with any age implementation. A *keystore* is a folder of
//! key files that only its user can read. Secrets live in memory that is wiped when they are dropped; no `Debug`, error
//! or log shows one.

use crate::seal::SealKey;
use age::secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use utilidor_types::encoding::hex_bytes;
use utilidor_types::{AccountId, PrivateKey, PublicKey};
use zeroize::Zeroizing;

/// Version of the key file's format.
pub const FORMAT: u32 = 1;
/// Longest key file that is read, in bytes.
pub const MAX_KEY_FILE_BYTES: u64 = 16 * 1024;
/// Longest name of a key in bytes.
pub const MAX_NAME_BYTES: usize = 64;
/// Fewest characters of a new key's passphrase. Four random words are better than any eight.
pub const MIN_PASSPHRASE_CHARS: usize = 8;
/// What a key file's name ends with.
const EXTENSION: &str = "key";
/// Bytes of every kind of secret.
const SECRET_BYTES: usize = 32;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyKind {
    /// Signs for an account, a meter or a validator: Ed25519.
    Ed25519,
    /// Signs for an account or a meter: ECDSA over P-256.
    P256,
    /// Opens quotes that were sealed to an offer: X25519.
    Seal,
}

impl KeyKind {
    /// The name used in JSON, tables and commands.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::P256 => "p256",
            Self::Seal => "seal",
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What protects key files. It is wiped from memory when dropped, and never shown.
#[derive(Clone)]
pub struct Passphrase(SecretString);

impl Passphrase {
    /// Takes a passphrase. One line break at its end, as editors leave it, does not belong to it.
    pub fn new(text: impl Into<String>) -> Self {
        let mut text = text.into();
        if text.ends_with('\n') {
            text.pop();
            if text.ends_with('\r') {
                text.pop();
            }
        }
        Self(SecretString::from(text))
    }

    /// How many characters it has.
    pub fn length(&self) -> usize {
        self.0.expose_secret().chars().count()
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(hidden)")
    }
}

/// How much work a passphrase guess costs: scrypt with N = 2 to this power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkFactor(u8);

impl WorkFactor {
    /// About a second for each guess: for keys that control money.
    pub const STANDARD: Self = Self(17);
    /// A few milliseconds: for tests and demonstrations only. The least there is.
    pub const LIGHT: Self = Self(8);
    /// Below this, a guess costs so little that only a long random passphrase protects the key.
    pub const ADVISABLE: Self = Self(15);
    /// The most that is accepted when a key file is read: above it, opening a hostile file would take minutes.
    pub const MAX: Self = Self(20);

    /// N = 2 to the power of `log_n`, from [`WorkFactor::LIGHT`] to [`WorkFactor::MAX`].
    pub fn new(log_n: u8) -> Option<Self> {
        (Self::LIGHT.0..=Self::MAX.0).contains(&log_n).then_some(Self(log_n))
    }

    /// Whether it is less than is advisable.
    pub const fn is_light(self) -> bool {
        self.0 < Self::ADVISABLE.0
    }
}

impl Default for WorkFactor {
    fn default() -> Self {
        Self::STANDARD
    }
}

/// The public half of a key file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyInfo {
    /// Its name in the keystore.
    pub name: String,
    /// What it is for.
    pub kind: KeyKind,
    /// The public key: `ed25519:...`, `p256:...` or, for a seal key, `x25519:...`.
    pub public: String,
    /// The account that it controls; none for a seal key.
    pub account: Option<AccountId>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    format: u32,
    kind: KeyKind,
    public: String,
    #[serde(with = "hex_bytes")]
    age: Vec<u8>,
}

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
    /// To open the file would take minutes or ages.
    #[error("{path} asks for work of 2^{required} a guess, at most 2^{} is done: it was not made by this program", WorkFactor::MAX.0)]
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
    #[error("the machine gave no random bytes: {0}")]
    NoRandomness(getrandom::Error),
}

/// 32 random bytes, wiped when dropped.
pub fn random_secret() -> Result<Zeroizing<[u8; SECRET_BYTES]>, KeyError> {
    let mut secret = Zeroizing::new([0; SECRET_BYTES]);
    getrandom::fill(secret.as_mut_slice()).map_err(KeyError::NoRandomness)?;
    Ok(secret)
}

/// A new signing key of `kind`, for which nothing is stored.
pub fn generate_signing_key(kind: KeyKind) -> Result<PrivateKey, KeyError> {
    loop {
        let secret = random_secret()?;
        match kind {
            KeyKind::Ed25519 => return Ok(PrivateKey::ed25519(*secret)),
            // One secret in 2^32 is no scalar of the curve.
            KeyKind::P256 => match PrivateKey::p256(*secret) {
                Ok(key) => return Ok(key),
                Err(_) => continue,
            },
            KeyKind::Seal => {
                return Err(KeyError::WrongKind { name: String::new(), found: kind, needed: "ed25519 or p256" });
            }
        }
    }
}

/// A folder of key files.
#[derive(Debug, Clone)]
pub struct Keystore {
    folder: PathBuf,
}

impl Keystore {
    /// The keystore in `folder`, created (readable by its user alone) if it is missing.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, KeyError> {
        let folder = folder.into();
        create_private_folder(&folder).map_err(|source| KeyError::Io {
            action: "create",
            path: folder.clone(),
            source,
        })?;
        Ok(Self { folder })
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
        loop {
            let secret = random_secret()?;
            if kind == KeyKind::P256 && PrivateKey::p256(*secret).is_err() {
                continue;
            }
            return self.import(name, kind, &secret, passphrase, work);
        }
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
        let length = passphrase.length();
        if length < MIN_PASSPHRASE_CHARS {
            return Err(KeyError::ShortPassphrase { length });
        }
        if path.exists() {
            return Err(KeyError::Exists { name: name.into(), folder: self.folder.clone() });
        }
        let info = describe(name, kind, secret)
            .ok_or_else(|| KeyError::Malformed { path: path.clone(), reason: "the bytes are no secret".into() })?;
        let age = encrypt(secret, passphrase, work);
        let file = KeyFile { format: FORMAT, kind, public: info.public.clone(), age };
        let json = serde_json::to_vec_pretty(&file).expect("a key file is plain data");
        self.write_new(&path, &json).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => KeyError::Exists { name: name.into(), folder: self.folder.clone() },
            _ => KeyError::Io { action: "write", path: path.clone(), source },
        })?;
        Ok(info)
    }

    /// The keys by name, without unlocking any.
    pub fn list(&self) -> Result<Vec<KeyInfo>, KeyError> {
        let unreadable = |source| KeyError::Io { action: "read", path: self.folder.clone(), source };
        let mut keys = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(unreadable)? {
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
        let account = match file.kind {
            KeyKind::Seal => None,
            KeyKind::Ed25519 | KeyKind::P256 => {
                let public: PublicKey = file
                    .public
                    .parse()
                    .map_err(|_| KeyError::Malformed { path, reason: "the public key is none".into() })?;
                Some(AccountId::of(&public))
            }
        };
        Ok(KeyInfo { name: name.into(), kind: file.kind, public: file.public, account })
    }

    /// Unlocks the signing key `name`.
    pub fn signing_key(&self, name: &str, passphrase: &Passphrase) -> Result<PrivateKey, KeyError> {
        let (kind, secret) = self.unlock(name, passphrase)?;
        match kind {
            KeyKind::Ed25519 => Ok(PrivateKey::ed25519(*secret)),
            KeyKind::P256 => PrivateKey::p256(*secret).map_err(|_| KeyError::Malformed {
                path: self.folder.join(name),
                reason: "the secret is no scalar of the curve".into(),
            }),
            KeyKind::Seal => Err(KeyError::WrongKind { name: name.into(), found: kind, needed: "ed25519 or p256" }),
        }
    }

    /// Unlocks the seal key `name`.
    pub fn seal_key(&self, name: &str, passphrase: &Passphrase) -> Result<SealKey, KeyError> {
        match self.unlock(name, passphrase)? {
            (KeyKind::Seal, secret) => Ok(SealKey::from_secret(&secret)),
            (found, _) => Err(KeyError::WrongKind { name: name.into(), found, needed: "seal" }),
        }
    }

    /// Unlocks the secret bytes of an Ed25519 key, as a node takes them for its votes.
    pub fn ed25519_secret(
        &self,
        name: &str,
        passphrase: &Passphrase,
    ) -> Result<Zeroizing<[u8; SECRET_BYTES]>, KeyError> {
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
        let file = parse(&path, exported)?;
        unlock(name, &path, &file, passphrase)?;
        self.write_new(&path, exported).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => KeyError::Exists { name: name.into(), folder: self.folder.clone() },
            _ => KeyError::Io { action: "write", path: path.clone(), source },
        })?;
        self.info(name)
    }

    fn unlock(
        &self,
        name: &str,
        passphrase: &Passphrase,
    ) -> Result<(KeyKind, Zeroizing<[u8; SECRET_BYTES]>), KeyError> {
        let (path, file) = self.read(name)?;
        Ok((file.kind, unlock(name, &path, &file, passphrase)?))
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
        if let Err(source) = file.take(MAX_KEY_FILE_BYTES).read_to_end(&mut bytes) {
            return Err(KeyError::Io { action: "read", path, source });
        }
        let file = parse(&path, &bytes)?;
        Ok((path, file))
    }

    /// Writes a file that is wholly there after a crash, or not at all, and never replaces another.
    fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
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
        linked
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

fn parse(path: &Path, bytes: &[u8]) -> Result<KeyFile, KeyError> {
    let malformed = |reason: String| KeyError::Malformed { path: path.to_owned(), reason };
    let file: KeyFile = serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
    if file.format != FORMAT {
        return Err(malformed(format!("its format is {}", file.format)));
    }
    Ok(file)
}

fn describe(name: &str, kind: KeyKind, secret: &[u8; SECRET_BYTES]) -> Option<KeyInfo> {
    let signing = match kind {
        KeyKind::Ed25519 => PrivateKey::ed25519(*secret),
        KeyKind::P256 => PrivateKey::p256(*secret).ok()?,
        KeyKind::Seal => {
            let public = format!("x25519:{}", hex::encode(SealKey::from_secret(secret).public_key()));
            return Some(KeyInfo { name: name.into(), kind, public, account: None });
        }
    };
    let public = signing.public_key();
    let account = Some(AccountId::of(&public));
    Some(KeyInfo { name: name.into(), kind, public: public.to_string(), account })
}

fn encrypt(secret: &[u8; SECRET_BYTES], passphrase: &Passphrase, work: WorkFactor) -> Vec<u8> {
    let mut recipient = age::scrypt::Recipient::new(passphrase.0.clone());
    recipient.set_work_factor(work.0);
    age::encrypt(&recipient, secret).expect("writing to memory cannot fail, and one recipient never conflicts")
}

fn unlock(
    name: &str,
    path: &Path,
    file: &KeyFile,
    passphrase: &Passphrase,
) -> Result<Zeroizing<[u8; SECRET_BYTES]>, KeyError> {
    let malformed = |reason: String| KeyError::Malformed { path: path.to_owned(), reason };
    let mut identity = age::scrypt::Identity::new(passphrase.0.clone());
    identity.set_max_work_factor(WorkFactor::MAX.0);
    let plaintext = match age::decrypt(&identity, &file.age) {
        Ok(plaintext) => Zeroizing::new(plaintext),
        Err(age::DecryptError::DecryptionFailed | age::DecryptError::KeyDecryptionFailed) => {
            return Err(KeyError::WrongPassphrase { name: name.into() });
        }
        // The error's own sentence works out how long that would take, and cannot for such numbers.
        Err(age::DecryptError::ExcessiveWork { required, .. }) => {
            return Err(KeyError::TooMuchWork { path: path.to_owned(), required });
        }
        Err(error) => return Err(malformed(error.to_string())),
    };
    let mut secret = Zeroizing::new([0; SECRET_BYTES]);
    if plaintext.len() != SECRET_BYTES {
        return Err(malformed("the secret has not 32 bytes".into()));
    }
    secret.copy_from_slice(&plaintext);
    let info = describe(name, file.kind, &secret).ok_or_else(|| malformed("the bytes are no secret".into()))?;
    if info.public != file.public {
        return Err(malformed("the public key is not that of the secret".into()));
    }
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_that_asks_for_endless_work_is_refused_in_words() {
        let (_folder, keystore) = keystore();
        keystore.create("a", KeyKind::Ed25519, &passphrase(), WorkFactor::LIGHT).unwrap();
        let path = keystore.path("a").unwrap();
        let mut file = parse(&path, &fs::read(&path).unwrap()).unwrap();
        let text = String::from_utf8_lossy(&file.age).into_owned();
        let place = text.find(" 8\n").expect("the work factor stands in the header");
        file.age.splice(place + 1..place + 2, *b"63");
        fs::write(&path, serde_json::to_vec(&file).unwrap()).unwrap();

        let error = keystore.signing_key("a", &passphrase()).unwrap_err();
        assert!(matches!(error, KeyError::TooMuchWork { required: 63, .. }), "{error}");
        assert!(error.to_string().contains("asks for work of 2^63"));
    }

    #[test]
    fn a_short_passphrase_and_light_work_are_refused() {
        let (_folder, keystore) = keystore();
        let short = keystore.create("a", KeyKind::Ed25519, &Passphrase::new("1234567"), WorkFactor::LIGHT);
        assert!(matches!(short, Err(KeyError::ShortPassphrase { length: 7 })));
        assert!(WorkFactor::new(7).is_none() && WorkFactor::new(21).is_none());
        assert!(WorkFactor::LIGHT.is_light() && !WorkFactor::STANDARD.is_light());
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

    fn keystore() -> (tempfile::TempDir, Keystore) {
        let folder = tempfile::tempdir().unwrap();
        let keystore = Keystore::open(folder.path().join("keys")).unwrap();
        (folder, keystore)
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

    #[test]
    fn a_public_key_that_was_exchanged_in_the_file_is_noticed_on_unlocking() {
        let (_folder, keystore) = keystore();
        keystore.create("a", KeyKind::Ed25519, &passphrase(), WorkFactor::LIGHT).unwrap();
        let other = keystore.create("b", KeyKind::Ed25519, &passphrase(), WorkFactor::LIGHT).unwrap();
        let path = keystore.folder().join("a.key");
        let mut file: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        file["public"] = other.public.into();
        fs::write(&path, serde_json::to_vec(&file).unwrap()).unwrap();
        let refused = keystore.signing_key("a", &passphrase());
        assert!(
            matches!(&refused, Err(KeyError::Malformed { reason, .. }) if reason.contains("not that of the secret"))
        );
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

    #[test]
    fn the_secret_stands_neither_in_the_file_nor_in_debug() {
        let (_folder, keystore) = keystore();
        let secret = [0xab; SECRET_BYTES];
        keystore.import("a", KeyKind::Ed25519, &secret, &passphrase(), WorkFactor::LIGHT).unwrap();
        let file = keystore.export("a").unwrap();
        let text = String::from_utf8(file).unwrap();
        assert!(!text.contains(&hex::encode(&secret[..8])));
        let key = keystore.signing_key("a", &passphrase()).unwrap();
        assert!(!format!("{key:?}").contains(&hex::encode(&secret[..8])));
        assert_eq!(format!("{:?}", passphrase()), "Passphrase(hidden)");
        assert!(!format!("{:?}", SealKey::from_secret(&secret)).contains(&hex::encode(&secret[..8])));
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
