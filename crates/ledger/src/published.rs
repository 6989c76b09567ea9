//! A published document: what many refer to by its digest, which is worked out when somebody first asks for it.

use borsh::{BorshDeserialize, BorshSerialize};
use std::io::{Read, Result, Write};
use std::ops::Deref;
use std::sync::OnceLock;
use utilidor_types::{Digest, Offer};

/// An offer as published: it does not change, and neither does its digest.
#[derive(Debug, Clone)]
pub struct Published {
    offer: Offer,
    digest: OnceLock<Digest>,
}

impl Published {
    /// The digest that quotes name.
    pub fn digest(&self) -> Digest {
        *self.digest.get_or_init(|| self.offer.digest())
    }
}

impl From<Offer> for Published {
    fn from(offer: Offer) -> Self {
        Self { offer, digest: OnceLock::new() }
    }
}

impl Deref for Published {
    type Target = Offer;
    fn deref(&self) -> &Offer {
        &self.offer
    }
}

impl PartialEq for Published {
    fn eq(&self, other: &Self) -> bool {
        self.offer == other.offer
    }
}

impl Eq for Published {}

impl BorshSerialize for Published {
    fn serialize<W: Write>(&self, writer: &mut W) -> Result<()> {
        self.offer.serialize(writer)
    }
}

impl BorshDeserialize for Published {
    fn deserialize_reader<R: Read>(reader: &mut R) -> Result<Self> {
        Offer::deserialize_reader(reader).map(Self::from)
    }
}
