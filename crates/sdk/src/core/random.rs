//! What has to be random: secrets, salts and labels. All else follows from what it is given.

use super::keys::{KeyKind, SECRET_BYTES, Secret};
use utilidor_types::encoding::TooLong;
use utilidor_types::quote::{QuoteLine, SALT_BYTES};
use utilidor_types::{Label, Opening};
use zeroize::Zeroizing;

/// The machine gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the machine gave no random bytes: {0}")]
pub struct NoRandomness(#[from] getrandom::Error);

/// 32 random bytes that are a secret of `kind`.
pub fn secret(kind: KeyKind) -> Result<Secret, NoRandomness> {
    loop {
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        getrandom::fill(secret.as_mut_slice())?;
        // One in 2^32 is no scalar of P-256.
        if kind.public(&secret).is_some() {
            return Ok(secret);
        }
    }
}

/// A label for something that nobody needs to call by a name.
pub fn label() -> Result<Label, NoRandomness> {
    let mut label = Label::default();
    getrandom::fill(&mut label.0)?;
    Ok(label)
}

/// An opening with a new salt: what a quote says.
pub fn opening(lines: Vec<QuoteLine>) -> Result<Opening, OpeningError> {
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt).map_err(NoRandomness)?;
    Ok(Opening { salt, lines: lines.try_into()? })
}

/// Why there is no new opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpeningError {
    /// The machine gave no random bytes.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// There are more lines than an offer can have lots.
    #[error(transparent)]
    TooLong(#[from] TooLong),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::keys::signing_key;

    #[test]
    fn two_quotes_never_share_their_salt() {
        assert_ne!(opening(Vec::new()).unwrap().salt, opening(Vec::new()).unwrap().salt);
    }

    #[test]
    fn a_new_secret_is_one_of_its_kind() {
        for kind in [KeyKind::Ed25519, KeyKind::P256] {
            assert!(signing_key(kind, &secret(kind).unwrap()).is_some());
        }
        assert_ne!(secret(KeyKind::Seal).unwrap(), secret(KeyKind::Seal).unwrap());
    }
}
