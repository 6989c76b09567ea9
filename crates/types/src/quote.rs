//! A quote: a user's confidential answer to an offer.
//!
//! The ledger holds a commitment and a ciphertext of fixed size. The ciphertext is HPKE-sealed (RFC 9180,
//! X25519, HKDF-SHA256, AES-128-GCM) to the offer's key with chain, offer and bidder bound in; only the
//! offer's owner can open it. An award publishes the content; the ledger checks it against the commitment.
//! Quotes that are not awarded are never opened. Sealing itself is the client's work (`utilidor-sdk`).

use crate::encoding::{Bounded, DecodeError, decode, encode, hex_bytes};
use crate::hash::{Digest, tagged_hash};
use crate::id::{AccountId, ChainId, MeterId, OfferId};
use crate::money::Money;
use crate::offer::MAX_LOTS;
use crate::quantity::Quantity;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Bytes of the content for one lot.
pub const QUOTE_LINE_BYTES: usize = 32;
/// Bytes of salt in a content.
pub const SALT_BYTES: usize = 32;
/// Bytes that sealing adds: the encapsulated key and the authentication tag.
pub const SEAL_OVERHEAD_BYTES: usize = 32 + 16;
/// Longest sealed quote in bytes.
pub const MAX_SEALED_BYTES: usize = SALT_BYTES + MAX_LOTS * QUOTE_LINE_BYTES + SEAL_OVERHEAD_BYTES;

/// Size of every sealed quote on an offer with `lots` lots.
pub const fn sealed_bytes(lots: usize) -> usize {
    SALT_BYTES + lots * QUOTE_LINE_BYTES + SEAL_OVERHEAD_BYTES
}

/// What a user quotes on one lot. A quantity of zero: no interest in this lot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct QuoteLine {
    /// What the user wants over the delivery window.
    pub quantity: Quantity,
    /// The price, per the unit of the lot's asking price.
    pub price: Money,
    /// The user's meter, if the lot is user-metered; all zeros otherwise.
    pub user_meter: MeterId,
}

/// What a quote says, in confidence until it is awarded: a line for each lot of the offer, in the offer's order.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Opening {
    /// Random bytes that keep the commitment from being guessed.
    #[serde(with = "hex_bytes")]
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub salt: [u8; SALT_BYTES],
    /// One line per lot.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<QuoteLine>))]
    pub lines: Bounded<QuoteLine, MAX_LOTS>,
}

impl Opening {
    /// The bytes that are sealed: salt, then the lines. Their number follows from the offer, so the size tells nothing.
    pub fn to_plaintext(&self) -> Vec<u8> {
        let mut bytes = self.salt.to_vec();
        self.lines.iter().for_each(|line| bytes.extend(encode(line)));
        bytes
    }

    /// Reads the plaintext of a quote.
    pub fn from_plaintext(bytes: &[u8]) -> Result<Self, DecodeError> {
        let malformed = |reason: &str| DecodeError::Malformed { reason: reason.into() };
        let (salt, lines) = bytes.split_first_chunk().ok_or_else(|| malformed("the salt is cut short"))?;
        let lines = lines.chunks(QUOTE_LINE_BYTES).map(|line| decode(line, QUOTE_LINE_BYTES));
        let lines = lines.collect::<Result<Vec<_>, _>>()?;
        Ok(Self { salt: *salt, lines: Bounded::new(lines).map_err(|error| malformed(&error.to_string()))? })
    }

    /// The commitment: hiding by its salt, binding to chain, offer, bidder and content.
    pub fn commitment(&self, chain: ChainId, offer: OfferId, bidder: AccountId) -> Commitment {
        let hash = tagged_hash("utilidor/quote", &[&chain.0, &offer.0, &bidder.0, &self.to_plaintext()]);
        Commitment::Hash(hash)
    }
}

/// What binds a bidder to a quote that nobody can read yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Commitment {
    /// A salted hash of the opening.
    Hash(Digest),
}

impl fmt::Display for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hash(digest) => digest.fmt(f),
        }
    }
}

/// A quote as the ledger sees it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SealedQuote {
    /// The offer it answers. A bidder has at most one quote on an offer; another one replaces it.
    pub offer: OfferId,
    /// Digest of the offer that it answers: of another one, published later under the same label, it is none.
    pub offered: Digest,
    /// Commitment to the opening.
    pub commitment: Commitment,
    /// The opening, sealed to the offer's key; exactly [`sealed_bytes`] long.
    #[serde(with = "hex_bytes")]
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub sealed: Vec<u8>,
    /// Whether an award alone concludes the agreement. Otherwise the user signs within the offer's signing time.
    pub binding: bool,
}

impl SealedQuote {
    /// The digest of its sealed bytes, by which a dispute about them can be settled.
    pub fn sealed_digest(&self) -> Digest {
        tagged_hash("utilidor/sealed", &[&self.sealed])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_size_that_sealing_counts_on() {
        let line = QuoteLine { quantity: Quantity(1), price: Money(2), user_meter: MeterId([3; 16]) };
        assert_eq!(encode(&line).len(), QUOTE_LINE_BYTES);
        let content = Opening { salt: [7; SALT_BYTES], lines: vec![line, line].try_into().unwrap() };
        assert_eq!(content.to_plaintext().len() + SEAL_OVERHEAD_BYTES, sealed_bytes(2));
        assert_eq!(Opening::from_plaintext(&content.to_plaintext()), Ok(content));
    }

    #[test]
    fn a_commitment_binds_chain_offer_bidder_and_salt() {
        let content = |salt| Opening { salt: [salt; SALT_BYTES], lines: Bounded::empty() };
        let base = content(1).commitment(ChainId([1; 16]), OfferId([1; 16]), AccountId([1; 32]));
        assert_ne!(base, content(2).commitment(ChainId([1; 16]), OfferId([1; 16]), AccountId([1; 32])));
        assert_ne!(base, content(1).commitment(ChainId([2; 16]), OfferId([1; 16]), AccountId([1; 32])));
        assert_ne!(base, content(1).commitment(ChainId([1; 16]), OfferId([2; 16]), AccountId([1; 32])));
        assert_ne!(base, content(1).commitment(ChainId([1; 16]), OfferId([1; 16]), AccountId([2; 32])));
    }
}
