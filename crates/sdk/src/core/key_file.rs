//! Encrypted key files.
//!
//! A *key file* is a JSON document with the public half in the clear and the secret in an age file (scrypt passphrase), so
//! that keys can be listed without their passphrase, and recovered with any age implementation. Where key files are kept is
//! [`crate::keystore`].

use super::keys::{KeyInfo, KeyKind, SECRET_BYTES, Secret};
use age::secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use std::fmt;
use utilidor_types::encoding::hex_bytes;
use utilidor_types::{AccountId, PublicKey};
use zeroize::Zeroizing;

/// Version of the key file's format.
pub const FORMAT: u32 = 1;
/// Longest key file that is read, in bytes.
pub const MAX_KEY_FILE_BYTES: usize = 16 * 1024;
/// Fewest characters of a new key's passphrase. Four random words are better than any eight.
pub const MIN_PASSPHRASE_CHARS: usize = 8;

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

    /// The power of two.
    pub const fn log_n(self) -> u8 {
        self.0
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

/// Why a key file could not be made, read or unlocked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    /// The bytes are no key file of this release.
    #[error("not a key file of format {FORMAT}: {0}")]
    Malformed(String),
    /// The bytes are no secret of the kind.
    #[error("the bytes are no secret of kind {0}")]
    NotASecret(KeyKind),
    /// To open the file would take minutes or ages.
    #[error(
        "it asks for work of 2^{required} a guess, at most 2^{} is done: it was not made by this program",
        WorkFactor::MAX.0
    )]
    TooMuchWork {
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
    #[error("the passphrase does not open the key")]
    WrongPassphrase,
}

/// A key file: the public half, and the secret under a passphrase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    format: u32,
    kind: KeyKind,
    public: String,
    #[serde(with = "hex_bytes")]
    age: Vec<u8>,
}

impl KeyFile {
    /// Encrypts a secret under a passphrase.
    pub fn lock(
        kind: KeyKind,
        secret: &[u8; SECRET_BYTES],
        passphrase: &Passphrase,
        work: WorkFactor,
    ) -> Result<Self, KeyFileError> {
        let length = passphrase.length();
        if length < MIN_PASSPHRASE_CHARS {
            return Err(KeyFileError::ShortPassphrase { length });
        }
        let public = kind.public(secret).ok_or(KeyFileError::NotASecret(kind))?;
        let mut recipient = age::scrypt::Recipient::new(passphrase.0.clone());
        recipient.set_work_factor(work.0);
        let age = age::encrypt(&recipient, secret)
            .expect("writing to memory cannot fail, and one recipient never conflicts with another");
        Ok(Self { format: FORMAT, kind, public, age })
    }

    /// Reads a key file.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeyFileError> {
        if bytes.len() > MAX_KEY_FILE_BYTES {
            return Err(KeyFileError::Malformed(format!("it has more than {MAX_KEY_FILE_BYTES} bytes")));
        }
        let file: Self = serde_json::from_slice(bytes).map_err(|error| KeyFileError::Malformed(error.to_string()))?;
        if file.format != FORMAT {
            return Err(KeyFileError::Malformed(format!("its format is {}", file.format)));
        }
        Ok(file)
    }

    /// The file's bytes.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("a key file is plain data, which JSON can always hold")
    }

    /// What the key is for.
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The public half, under a name. It is as trustworthy as the file: only unlocking compares it with the secret.
    pub fn info(&self, name: &str) -> Result<KeyInfo, KeyFileError> {
        let account = match self.kind {
            KeyKind::Seal => None,
            KeyKind::Ed25519 | KeyKind::P256 => {
                let no_key = |_| KeyFileError::Malformed("the public key is none".into());
                let public: PublicKey = self.public.parse().map_err(no_key)?;
                Some(AccountId::of(&public))
            }
        };
        Ok(KeyInfo { name: name.into(), kind: self.kind, public: self.public.clone(), account })
    }

    /// Decrypts the secret, and compares the public half with it.
    pub fn unlock(&self, passphrase: &Passphrase) -> Result<Secret, KeyFileError> {
        let mut identity = age::scrypt::Identity::new(passphrase.0.clone());
        identity.set_max_work_factor(WorkFactor::MAX.0);
        let plaintext = match age::decrypt(&identity, &self.age) {
            Ok(plaintext) => Zeroizing::new(plaintext),
            Err(age::DecryptError::DecryptionFailed | age::DecryptError::KeyDecryptionFailed) => {
                return Err(KeyFileError::WrongPassphrase);
            }
            // The error's own sentence works out how long that would take, and cannot for such numbers.
            Err(age::DecryptError::ExcessiveWork { required, .. }) => {
                return Err(KeyFileError::TooMuchWork { required });
            }
            Err(error) => return Err(KeyFileError::Malformed(error.to_string())),
        };
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        if plaintext.len() != SECRET_BYTES {
            return Err(KeyFileError::Malformed("the secret has not 32 bytes".into()));
        }
        secret.copy_from_slice(&plaintext);
        let public = self.kind.public(&secret).ok_or(KeyFileError::NotASecret(self.kind))?;
        if public != self.public {
            return Err(KeyFileError::Malformed("the public key is not that of the secret".into()));
        }
        Ok(secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::seal::SealKey;
    use utilidor_types::PrivateKey;

    fn passphrase() -> Passphrase {
        Passphrase::new("correct horse")
    }

    #[test]
    fn a_secret_comes_back_from_its_file_with_the_passphrase_and_no_other() {
        for kind in [KeyKind::Ed25519, KeyKind::P256, KeyKind::Seal] {
            let file = KeyFile::lock(kind, &[7; SECRET_BYTES], &passphrase(), WorkFactor::LIGHT).unwrap();
            let file = KeyFile::parse(&file.to_json()).unwrap();
            assert_eq!(*file.unlock(&passphrase()).unwrap(), [7; SECRET_BYTES]);
            assert_eq!(file.unlock(&Passphrase::new("guess")), Err(KeyFileError::WrongPassphrase));
        }
    }

    #[test]
    fn refuses_what_is_no_secret_and_no_passphrase() {
        let lock = |kind, secret: u8, passphrase: &str| {
            KeyFile::lock(kind, &[secret; SECRET_BYTES], &Passphrase::new(passphrase), WorkFactor::LIGHT)
        };
        assert_eq!(lock(KeyKind::P256, 0, "correct horse"), Err(KeyFileError::NotASecret(KeyKind::P256)));
        assert_eq!(lock(KeyKind::Ed25519, 1, "1234567\n"), Err(KeyFileError::ShortPassphrase { length: 7 }));
    }

    #[test]
    fn refuses_work_that_protects_nothing_or_takes_minutes() {
        assert!(WorkFactor::new(7).is_none() && WorkFactor::new(21).is_none());
        assert!(WorkFactor::LIGHT.is_light() && !WorkFactor::STANDARD.is_light());
    }

    #[test]
    fn a_key_file_that_asks_for_endless_work_is_refused_in_words() {
        let mut file = KeyFile::lock(KeyKind::Ed25519, &[1; SECRET_BYTES], &passphrase(), WorkFactor::LIGHT).unwrap();
        let text = String::from_utf8_lossy(&file.age).into_owned();
        let place = text.find(" 8\n").expect("the work factor stands in the header");
        file.age.splice(place + 1..place + 2, *b"63");

        let error = file.unlock(&passphrase()).unwrap_err();
        assert_eq!(error, KeyFileError::TooMuchWork { required: 63 });
        assert!(error.to_string().contains("asks for work of 2^63"));
    }

    #[test]
    fn a_public_key_that_was_exchanged_in_the_file_is_noticed_on_unlocking() {
        let mut file = KeyFile::lock(KeyKind::Ed25519, &[1; SECRET_BYTES], &passphrase(), WorkFactor::LIGHT).unwrap();
        file.public = KeyKind::Ed25519.public(&[2; SECRET_BYTES]).unwrap();
        let refused = file.unlock(&passphrase());
        assert!(matches!(&refused, Err(KeyFileError::Malformed(reason)) if reason.contains("not that of the secret")));
    }

    #[test]
    fn the_secret_stands_neither_in_the_file_nor_in_debug() {
        let secret = [0xab; SECRET_BYTES];
        let file = KeyFile::lock(KeyKind::Ed25519, &secret, &passphrase(), WorkFactor::LIGHT).unwrap();
        let shown = hex::encode(&secret[..8]);
        assert!(!String::from_utf8(file.to_json()).unwrap().contains(&shown));
        assert!(!format!("{:?}", PrivateKey::ed25519(secret)).contains(&shown));
        assert!(!format!("{:?}", SealKey::from_secret(&secret)).contains(&shown));
        assert_eq!(format!("{:?}", passphrase()), "Passphrase(hidden)");
    }
}
