//! Sealed quotes: HPKE (RFC 9180) in base mode with X25519, HKDF-SHA256 and AES-128-GCM.
//!
//! What is bound in: the chain (info), the offer and the bidder (additional data). A sealed quote that is copied to another
//! chain, offer or bidder does not open. All sealed quotes on an offer have the same size.
//!
//! Sealing is a function of the opening: all its randomness is derived from the opening's salt, so that an opening makes every
//! sealed byte again. A program that is shown an opening can thus tell, by [`seals_to`], whether the bidder has sealed it as it
//! should, or has made the owner unable to read it.

use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable as _, Kem as _, OpModeR, OpModeS, Serializable as _};
use std::convert::Infallible;
use std::fmt;
use utilidor_types::encoding::DecodeError;
use utilidor_types::hash::tagged_hash;
use utilidor_types::offer::Seal;
use utilidor_types::quote::{Commitment, SALT_BYTES, SEAL_OVERHEAD_BYTES};
use utilidor_types::{AccountId, ChainId, Offer, OfferId, Opening, SealedQuote};
use zeroize::{Zeroize as _, Zeroizing};

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
        opened: Commitment,
        /// On the ledger.
        committed: Commitment,
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

    /// The public half.
    pub fn public_key(&self) -> [u8; 32] {
        Kem::sk_to_pk(&self.0).to_bytes().into()
    }

    /// What an offer says whose quotes are to be sealed to this key.
    pub fn seal(&self) -> Seal {
        Seal::Owner(self.public_key())
    }

    /// Opens `sealed`, which `bidder` submitted on `offer`.
    pub fn open(&self, sealed: &[u8], chain: ChainId, offer: OfferId, bidder: AccountId) -> Result<Opening, OpenError> {
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
        let plaintext = Zeroizing::new(plaintext);
        Opening::from_plaintext(&plaintext).map_err(OpenError::Malformed)
    }

    /// Opens a quote as the ledger has it, and checks that the opening is the one committed to.
    pub fn open_quote(&self, quote: &SealedQuote, chain: ChainId, bidder: AccountId) -> Result<Opening, OpenError> {
        let opening = self.open(&quote.sealed, chain, quote.offer, bidder)?;
        let opened = opening.commitment(chain, quote.offer, bidder);
        if opened != quote.commitment {
            return Err(OpenError::OtherCommitment { opened, committed: quote.commitment });
        }
        Ok(opening)
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealKey(of x25519:{})", hex::encode(self.public_key()))
    }
}

/// Seals `opening` to what an offer's quotes are sealed to. The result is exactly
/// [`utilidor_types::quote::sealed_bytes`] of the opening's lines long,
/// and always the same for the same arguments. An opening must have a new random salt for each quote.
pub fn seal(
    opening: &Opening,
    seal: &Seal,
    chain: ChainId,
    offer: OfferId,
    bidder: AccountId,
) -> Result<Vec<u8>, SealError> {
    let Seal::Owner(key) = seal;
    let recipient = <Kem as hpke::Kem>::PublicKey::from_bytes(key).map_err(|_| SealError::BadSealKey)?;
    let plaintext = Zeroizing::new(opening.to_plaintext());
    // A key of low order gives no shared secret: sealing to it would hide nothing.
    let (encapped, ciphertext) = hpke::single_shot_seal_with_rng::<Aead, Kdf, Kem>(
        &OpModeS::Base,
        &recipient,
        &info(chain),
        &plaintext,
        &additional_data(offer, bidder),
        &mut Derived::of(key, chain, offer, bidder, &plaintext),
    )
    .map_err(|_| SealError::BadSealKey)?;
    Ok([encapped.to_bytes().as_slice(), &ciphertext].concat())
}

/// Seals `opening` to an offer of `owner` and commits to it: what [`utilidor_types::Action::SubmitQuotes`] takes.
pub fn seal_quote(
    opening: &Opening,
    (owner, offer): (AccountId, &Offer),
    chain: ChainId,
    bidder: AccountId,
    binding: bool,
) -> Result<SealedQuote, SealError> {
    let id = offer.id(owner);
    let sealed = seal(opening, &offer.seal, chain, id, bidder)?;
    let commitment = opening.commitment(chain, id, bidder);
    Ok(SealedQuote { offer: id, offered: offer.digest(), commitment, sealed, binding })
}

/// Whether a quote is what sealing `opening` gives: commitment and every sealed byte. It settles a dispute between an owner
/// that could not open a quote and the bidder that shows what it quoted.
pub fn seals_to(quote: &SealedQuote, opening: &Opening, to: &Seal, chain: ChainId, bidder: AccountId) -> bool {
    let commitment = opening.commitment(chain, quote.offer, bidder);
    quote.commitment == commitment
        && seal(opening, to, chain, quote.offer, bidder).is_ok_and(|sealed| sealed == quote.sealed)
}

/// The randomness of a sealing: a stream of hashes that begin with the salt, which nobody else knows. All else that the sealing
/// depends on is hashed with it, so that a salt that is used twice against the rule gives the key of an earlier sealing only
/// where every byte is the same.
struct Derived {
    seed: [u8; 32],
    block: u64,
}

impl Derived {
    fn of(key: &[u8; 32], chain: ChainId, offer: OfferId, bidder: AccountId, plaintext: &[u8]) -> Self {
        let seed = tagged_hash("utilidor/seal/1", &[key, &chain.0, &offer.0, &bidder.0, plaintext]).0;
        Self { seed, block: 0 }
    }
}

impl Drop for Derived {
    fn drop(&mut self) {
        self.seed.zeroize();
    }
}

impl TryRng for Derived {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(32) {
            let block = tagged_hash("utilidor/seal/1/block", &[&self.seed, &self.block.to_le_bytes()]).0;
            chunk.copy_from_slice(&block[..chunk.len()]);
            self.block += 1;
        }
        Ok(())
    }
}

impl TryCryptoRng for Derived {}

fn info(chain: ChainId) -> Vec<u8> {
    [LABEL, &chain.0].concat()
}

fn additional_data(offer: OfferId, bidder: AccountId) -> Vec<u8> {
    [offer.0.as_slice(), &bidder.0].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use utilidor_types::quote::{QuoteLine, sealed_bytes};
    use utilidor_types::{Digest, MeterId, Money, Quantity};

    const CHAIN: ChainId = ChainId([1; 16]);
    const OFFER: OfferId = OfferId([2; 16]);
    const BIDDER: AccountId = AccountId([3; 32]);

    fn opening(lots: usize) -> Opening {
        let line = QuoteLine { quantity: Quantity(7), price: Money(8), user_meter: MeterId([9; 16]) };
        Opening { salt: [4; SALT_BYTES], lines: vec![line; lots].try_into().unwrap() }
    }

    fn quote(lots: usize, key: &SealKey, binding: bool) -> SealedQuote {
        let (opening, to) = (opening(lots), key.seal());
        let sealed = seal(&opening, &to, CHAIN, OFFER, BIDDER).unwrap();
        let commitment = opening.commitment(CHAIN, OFFER, BIDDER);
        SealedQuote { offer: OFFER, offered: Digest([8; 32]), commitment, sealed, binding }
    }

    #[test]
    fn the_owner_opens_what_a_bidder_sealed() {
        let key = SealKey::from_secret(&[5; 32]);
        for lots in 1..=utilidor_types::offer::MAX_LOTS {
            let quote = quote(lots, &key, true);
            assert_eq!(quote.sealed.len(), sealed_bytes(lots));
            assert_eq!(key.open_quote(&quote, CHAIN, BIDDER), Ok(opening(lots)));
        }
    }

    #[test]
    fn a_sealed_quote_opens_for_no_other_key_chain_offer_or_bidder() {
        let key = SealKey::from_secret(&[5; 32]);
        let sealed = seal(&opening(1), &key.seal(), CHAIN, OFFER, BIDDER).unwrap();
        let other = SealKey::from_secret(&[6; 32]);
        assert_eq!(other.open(&sealed, CHAIN, OFFER, BIDDER), Err(OpenError::DoesNotOpen));
        assert_eq!(key.open(&sealed, ChainId([0; 16]), OFFER, BIDDER), Err(OpenError::DoesNotOpen));
        assert_eq!(key.open(&sealed, CHAIN, OfferId([0; 16]), BIDDER), Err(OpenError::DoesNotOpen));
        assert_eq!(key.open(&sealed, CHAIN, OFFER, AccountId([0; 32])), Err(OpenError::DoesNotOpen));
    }

    #[test]
    fn a_sealed_quote_with_any_byte_changed_does_not_open() {
        let key = SealKey::from_secret(&[5; 32]);
        let sealed = seal(&opening(1), &key.seal(), CHAIN, OFFER, BIDDER).unwrap();
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert_eq!(key.open(&changed, CHAIN, OFFER, BIDDER), Err(OpenError::DoesNotOpen), "byte {index}");
        }
        assert_eq!(key.open(&sealed[..40], CHAIN, OFFER, BIDDER), Err(OpenError::Size { bytes: 40 }));
    }

    #[test]
    fn an_opening_other_than_the_one_committed_to_is_noticed() {
        let key = SealKey::from_secret(&[5; 32]);
        let mut quote = quote(1, &key, true);
        quote.commitment = opening(2).commitment(CHAIN, OFFER, BIDDER);
        assert!(matches!(key.open_quote(&quote, CHAIN, BIDDER), Err(OpenError::OtherCommitment { .. })));
    }

    #[test]
    fn refuses_a_seal_key_that_hides_nothing() {
        assert_eq!(seal(&opening(1), &Seal::Owner([0; 32]), CHAIN, OFFER, BIDDER), Err(SealError::BadSealKey));
    }

    #[test]
    fn an_opening_makes_every_sealed_byte_again() {
        let key = SealKey::from_secret(&[5; 32]);
        let quote = quote(2, &key, false);
        let opened = key.open_quote(&quote, CHAIN, BIDDER).unwrap();
        assert!(seals_to(&quote, &opened, &key.seal(), CHAIN, BIDDER));

        for index in 0..quote.sealed.len() {
            let mut changed = quote.clone();
            changed.sealed[index] ^= 1;
            assert!(!seals_to(&changed, &opened, &key.seal(), CHAIN, BIDDER), "byte {index}");
        }
        let other = SealKey::from_secret(&[6; 32]);
        assert!(!seals_to(&quote, &opened, &other.seal(), CHAIN, BIDDER), "another owner's key");
        assert!(!seals_to(&quote, &opened, &key.seal(), ChainId([0; 16]), BIDDER), "another chain");
        assert!(!seals_to(&quote, &opened, &key.seal(), CHAIN, AccountId([0; 32])), "another bidder");
        let mut cheaper = opened;
        cheaper.lines = vec![QuoteLine { price: Money(7), ..cheaper.lines[0] }; 2].try_into().unwrap();
        assert!(!seals_to(&quote, &cheaper, &key.seal(), CHAIN, BIDDER), "another price");
    }

    #[test]
    fn the_sealed_bytes_of_an_opening_stay_what_they_are() {
        // Disputes are settled with them long after a quote was sealed, perhaps by a later release.
        let key = SealKey::from_secret(&[5; 32]);
        let quote = quote(1, &key, false);
        assert_eq!(
            quote.sealed_digest().to_string(),
            "de196a0b020bdffda638b79c3970e4992f394404b8f4ee332101b20e5521844f"
        );
    }

    #[test]
    fn sealings_share_nothing_even_where_a_salt_is_used_twice() {
        let key = SealKey::from_secret(&[5; 32]);
        let other_price = Opening {
            lines: vec![QuoteLine { price: Money(9), ..opening(1).lines[0] }].try_into().unwrap(),
            ..opening(1)
        };
        let other_salt = Opening { salt: [6; SALT_BYTES], ..opening(1) };
        let first = seal(&opening(1), &key.seal(), CHAIN, OFFER, BIDDER).unwrap();
        for second in [
            seal(&other_price, &key.seal(), CHAIN, OFFER, BIDDER).unwrap(),
            seal(&other_salt, &key.seal(), CHAIN, OFFER, BIDDER).unwrap(),
            seal(&opening(1), &key.seal(), CHAIN, OfferId([0; 16]), BIDDER).unwrap(),
            seal(&opening(1), &key.seal(), CHAIN, OFFER, AccountId([0; 32])).unwrap(),
        ] {
            assert_ne!(first[..32], second[..32]);
            assert_ne!(first[32..], second[32..]);
        }
    }
}
