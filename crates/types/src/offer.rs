//! An offer: public notice of energy for sale.
//!
//! Life: open -> (gate closes) -> awarding -> closed, or withdrawn while it is open. It takes quotes until
//! its gate closes; afterwards its owner opens the quotes that it awards, never more than the lots hold.

use crate::agreement::{AgreementTerms, Metering, Program, PurchaseLot, PurchaseTerms, Substitute};
use crate::carrier::Carrier;
use crate::encoding::{Bounded, Text, hex_bytes};
use crate::hash::{Digest, hash_of};
use crate::id::{AccountId, Label, MeterId, OfferId};
use crate::money::{Money, Price};
use crate::quantity::Quantity;
use crate::quote::Opening;
use crate::time::{Timestamp, Window};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Most lots in an offer.
pub const MAX_LOTS: usize = Carrier::COUNT;
/// Most bidders with a live quote on an offer at a time.
pub const MAX_BIDDERS: usize = 128;
/// Longest notice of an offer in bytes.
pub const MAX_NOTICE_BYTES: usize = 140;

/// A part of an offer: a quantity of one carrier.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Lot {
    /// The carrier.
    pub carrier: Carrier,
    /// What is for sale over the whole delivery window.
    pub quantity: Quantity,
    /// The asking price. Quotes may differ; the owner chooses.
    pub asking_price: Price,
    /// The owner's meter that proves what was made available, if the lot is metered on that side.
    pub delivery_meter: Option<MeterId>,
    /// Whether users must name their own meter, which proves what was taken.
    pub user_metered: bool,
}

impl Lot {
    /// How an agreement on this lot is measured, for a user that quotes with `user_meter`.
    pub fn metering(&self, user_meter: MeterId) -> Metering {
        Metering { delivery: self.delivery_meter, take: self.user_metered.then_some(user_meter) }
    }
}

/// The conditions that every agreement from an offer shares.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct OfferTerms {
    /// Deposit of each side, in thousandths of the agreement's value.
    pub deposit_permille: u16,
    /// Part of the value that the user reserves as payment guarantee, in thousandths.
    pub guarantee_permille: u16,
    /// Deviation without consequence, in thousandths of the volume.
    pub tolerance_permille: u16,
    /// Time after the window in which late readings still count, in milliseconds.
    pub grace_ms: u32,
    /// What counts for time without readings.
    pub substitute: Substitute,
    /// How long the user of a quote that is not binding may take to sign, in milliseconds.
    pub signing_ms: u32,
    /// What each bidder reserves with its quote, the same for all: the owner gets it if an award cannot be funded.
    pub bond: Money,
    /// How the owner chooses.
    pub award_rule: AwardRule,
}

/// How an offer's owner chooses among the quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AwardRule {
    /// As it likes.
    Free,
}

/// What quotes on an offer are sealed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Seal {
    /// The owner's X25519 public key (HPKE).
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    Owner(#[serde(with = "hex_bytes")] [u8; 32]),
}

/// An offer as its owner published it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Offer {
    /// What its owner calls it.
    pub label: Label,
    /// What is for sale.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<Lot>))]
    pub lots: Bounded<Lot, MAX_LOTS>,
    /// When it is delivered; whole hours.
    pub window: Window,
    /// Quotes are taken before this time.
    pub gate_closes: Timestamp,
    /// Awards are taken before this time, at the latest until delivery begins.
    pub lapses: Timestamp,
    /// What quotes are sealed to.
    pub seal: Seal,
    /// Conditions of the agreements.
    pub terms: OfferTerms,
    /// A word to the readers.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub notice: Text<MAX_NOTICE_BYTES>,
}

impl Offer {
    /// Its id, given its owner.
    pub fn id(&self, owner: AccountId) -> OfferId {
        OfferId::of(owner, self.label)
    }

    /// The digest that a quote names.
    pub fn digest(&self) -> Digest {
        hash_of("utilidor/offer", self)
    }

    /// The terms of the agreement between `owner` and `bidder` that awarding a quote makes.
    pub fn agreement_terms(&self, owner: AccountId, bidder: AccountId, opening: &Opening) -> AgreementTerms {
        AgreementTerms::between(owner, bidder, Program::Purchase(self.purchase_terms(opening)))
    }

    /// The terms of the purchase that awarding `quote` makes: the lots it wants, at its prices, under the offer's conditions.
    pub fn purchase_terms(&self, quote: &Opening) -> PurchaseTerms {
        let wanted = self.lots.iter().zip(&quote.lines).filter(|(_, line)| line.quantity > Quantity::ZERO);
        let lots = wanted.map(|(lot, line)| PurchaseLot {
            carrier: lot.carrier,
            quantity: line.quantity,
            price: Price { money: line.price, per: lot.asking_price.per },
            metering: lot.metering(line.user_meter),
        });
        PurchaseTerms {
            lots: Bounded::new(lots.collect()).expect("there are no more lots than in the offer"),
            window: self.window,
            deposit_permille: self.terms.deposit_permille,
            guarantee_permille: self.terms.guarantee_permille,
            tolerance_permille: self.terms.tolerance_permille,
            grace_ms: self.terms.grace_ms,
            substitute: self.terms.substitute,
        }
    }
}
