//! Sealed quotes: HPKE (RFC 9180) in base mode with X25519, HKDF-SHA256 and AES-128-GCM.
//!
//! What is bound in: the chain (info), the offer and the bidder (additional data). A sealed quote that is copied to another
//! chain, offer or bidder does not open. All sealed quotes on an offer have the same size.

use hpke::{Deserializable as _, Kem as _, OpModeR, OpModeS, Serializable as _};
use std::fmt;
use utilidor_types::encoding::DecodeError;
use utilidor_types::quote::{SALT_BYTES, SEAL_OVERHEAD_BYTES, sealed_bytes};
use utilidor_types::{AccountId, ChainId, Digest, OfferId, QuoteContent, SealedQuote};
use zeroize::Zeroizing;

type Kem = hpke::kem::X25519HkdfSha256;
type Kdf = hpke::kdf::HkdfSha256;
type Aead = hpke::aead::AesGcm128;

/// What sealing is for; it stands before the chain's id in HPKE's info.
const LABEL: &[u8] = b"utilidor/quote/1";
/// Bytes of the encapsulated key, which a sealed quote begins with.
const ENCAPPED_BYTES: usize = 32;

/// Why a quote could not be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The offer's seal key is none that anything can be sealed to.
    #[error("the offer's seal key is no usable X25519 key")]
    BadSealKey,
}

/// Why a sealed quote could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It has the size of no quote.
    #[error("the sealed quote has {bytes} bytes, which is the size of no quote")]
    Size {
        /// Its size.
        bytes: usize,
    },
    /// It was sealed to another key, for another chain, offer or bidder, or was changed.
    #[error("the sealed quote does not open with this key for this chain, offer and bidder")]
    DoesNotOpen,
    /// It opens, and holds no quote.
    #[error("the opened bytes are no quote")]
    Malformed(#[source] DecodeError),
    /// It opens to another content than the one committed to: an award of it would be refused.
    #[error("the quote opens to commitment {opened}, the ledger holds {committed}")]
    OtherCommitment {
        /// Of what was opened.
        opened: Digest,
        /// On the ledger.
        committed: Digest,
    },
}

/// The owner's key that opens quotes on its offers. Wiped when dropped; `Debug` shows the public half.
#[derive(Clone)]
pub struct SealKey(<Kem as hpke::Kem>::PrivateKey);

impl SealKey {
    /// The key of 32 secret bytes; any will do.
    pub fn from_secret(secret: &[u8; 32]) -> Self {
        let key = <Kem as hpke::Kem>::PrivateKey::from_bytes(secret);
        Self(key.expect("any 32 bytes are an X25519 secret"))
    }

    /// The public half, as it stands in an offer.
    pub fn public_key(&self) -> [u8; 32] {
        Kem::sk_to_pk(&self.0).to_bytes().into()
    }

    /// Opens `sealed`, which `bidder` submitted on `offer`.
    pub fn open(
        &self,
        sealed: &[u8],
        chain: ChainId,
        offer: OfferId,
        bidder: AccountId,
    ) -> Result<QuoteContent, OpenError> {
        let size = OpenError::Size { bytes: sealed.len() };
        if sealed.len() < SALT_BYTES + SEAL_OVERHEAD_BYTES || sealed.len() > utilidor_types::quote::MAX_SEALED_BYTES {
            return Err(size);
        }
        let (encapped, ciphertext) = sealed.split_at(ENCAPPED_BYTES);
        let encapped = <Kem as hpke::Kem>::EncappedKey::from_bytes(encapped).map_err(|_| OpenError::DoesNotOpen)?;
        let plaintext = hpke::single_shot_open::<Aead, Kdf, Kem>(
            &OpModeR::Base,
            &self.0,
            &encapped,
            &info(chain),
            ciphertext,
            &additional_data(offer, bidder),
        )
        .map_err(|_| OpenError::DoesNotOpen)?;
        QuoteContent::from_plaintext(&plaintext).map_err(OpenError::Malformed)
    }

    /// Opens a quote as the ledger has it, and checks that the content is the one committed to.
    pub fn open_quote(
        &self,
        quote: &SealedQuote,
        chain: ChainId,
        bidder: AccountId,
    ) -> Result<QuoteContent, OpenError> {
        let content = self.open(&quote.sealed, chain, quote.offer, bidder)?;
        let opened = content.commitment(chain, quote.offer, bidder);
        if opened != quote.commitment {
            return Err(OpenError::OtherCommitment { opened, committed: quote.commitment });
        }
        Ok(content)
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealKey(of x25519:{})", hex::encode(self.public_key()))
    }
}

/// Seals `content` to an offer's key. The result is exactly [`sealed_bytes`] of the content's lines long.
pub fn seal(
    content: &QuoteContent,
    seal_key: &[u8; 32],
    chain: ChainId,
    offer: OfferId,
    bidder: AccountId,
) -> Result<Vec<u8>, SealError> {
    let recipient = <Kem as hpke::Kem>::PublicKey::from_bytes(seal_key).map_err(|_| SealError::BadSealKey)?;
    let plaintext = Zeroizing::new(content.to_plaintext());
    // A key of low order gives no shared secret: sealing to it would hide nothing.
    let (encapped, ciphertext) = hpke::single_shot_seal::<Aead, Kdf, Kem>(
        &OpModeS::Base,
        &recipient,
        &info(chain),
        &plaintext,
        &additional_data(offer, bidder),
    )
    .map_err(|_| SealError::BadSealKey)?;
    let sealed = [encapped.to_bytes().as_slice(), &ciphertext].concat();
    assert_eq!(sealed.len(), sealed_bytes(content.lines.len()), "the size of a sealed quote follows from its lines");
    Ok(sealed)
}

/// Seals `content` and commits to it: what [`utilidor_types::Action::SubmitQuote`] takes.
pub fn seal_quote(
    content: &QuoteContent,
    seal_key: &[u8; 32],
    chain: ChainId,
    offer: OfferId,
    bidder: AccountId,
    binding: bool,
) -> Result<SealedQuote, SealError> {
    let sealed = seal(content, seal_key, chain, offer, bidder)?;
    Ok(SealedQuote { offer, commitment: content.commitment(chain, offer, bidder), sealed, binding })
}

fn info(chain: ChainId) -> Vec<u8> {
    [LABEL, &chain.0].concat()
}

fn additional_data(offer: OfferId, bidder: AccountId) -> Vec<u8> {
    [offer.0.as_slice(), &bidder.0].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use utilidor_types::quote::QuoteLine;
    use utilidor_types::{MeterId, Money, Quantity};

    const CHAIN: ChainId = ChainId([1; 16]);
    const OFFER: OfferId = OfferId([2; 16]);
    const BIDDER: AccountId = AccountId([3; 32]);

    fn content(lots: usize) -> QuoteContent {
        let line = QuoteLine { quantity: Quantity(7), price: Money(8), user_meter: MeterId([9; 16]) };
        QuoteContent { salt: [4; SALT_BYTES], lines: vec![line; lots].try_into().unwrap() }
    }

    #[test]
    fn the_owner_opens_what_a_bidder_sealed() {
        let key = SealKey::from_secret(&[5; 32]);
        for lots in 1..=utilidor_types::offer::MAX_LOTS {
            let quote = seal_quote(&content(lots), &key.public_key(), CHAIN, OFFER, BIDDER, true).unwrap();
            assert_eq!(quote.sealed.len(), sealed_bytes(lots));
            assert_eq!(key.open_quote(&quote, CHAIN, BIDDER), Ok(content(lots)));
        }
    }

    #[test]
    fn a_sealed_quote_opens_for_no_other_key_chain_offer_or_bidder() {
        let key = SealKey::from_secret(&[5; 32]);
        let sealed = seal(&content(1), &key.public_key(), CHAIN, OFFER, BIDDER).unwrap();
        let other = SealKey::from_secret(&[6; 32]);
        assert_eq!(other.open(&sealed, CHAIN, OFFER, BIDDER), Err(OpenError::DoesNotOpen));
        assert_eq!(key.open(&sealed, ChainId([0; 16]), OFFER, BIDDER), Err(OpenError::DoesNotOpen));
        assert_eq!(key.open(&sealed, CHAIN, OfferId([0; 16]), BIDDER), Err(OpenError::DoesNotOpen));
        assert_eq!(key.open(&sealed, CHAIN, OFFER, AccountId([0; 32])), Err(OpenError::DoesNotOpen));
    }

    #[test]
    fn a_sealed_quote_with_any_byte_changed_does_not_open() {
        let key = SealKey::from_secret(&[5; 32]);
        let sealed = seal(&content(1), &key.public_key(), CHAIN, OFFER, BIDDER).unwrap();
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert_eq!(key.open(&changed, CHAIN, OFFER, BIDDER), Err(OpenError::DoesNotOpen), "byte {index}");
        }
        assert_eq!(key.open(&sealed[..40], CHAIN, OFFER, BIDDER), Err(OpenError::Size { bytes: 40 }));
    }

    #[test]
    fn a_content_other_than_the_one_committed_to_is_noticed() {
        let key = SealKey::from_secret(&[5; 32]);
        let mut quote = seal_quote(&content(1), &key.public_key(), CHAIN, OFFER, BIDDER, true).unwrap();
        quote.commitment = content(2).commitment(CHAIN, OFFER, BIDDER);
        assert!(matches!(key.open_quote(&quote, CHAIN, BIDDER), Err(OpenError::OtherCommitment { .. })));
    }

    #[test]
    fn refuses_a_seal_key_that_hides_nothing() {
        assert_eq!(seal(&content(1), &[0; 32], CHAIN, OFFER, BIDDER), Err(SealError::BadSealKey));
    }

    #[test]
    fn two_sealings_of_one_content_have_nothing_in_common() {
        let key = SealKey::from_secret(&[5; 32]);
        let seal = || seal(&content(1), &key.public_key(), CHAIN, OFFER, BIDDER).unwrap();
        let (first, second) = (seal(), seal());
        assert_ne!(first[..32], second[..32]);
        assert_ne!(first[32..], second[32..]);
    }
}
