//! Every value that Utilidor signs, sends or stores, with its one canonical encoding.
//!
//! | file | answers |
//! |---|---|
//! | [`carrier`], [`quantity`], [`money`], [`time`] | what is measured, in which integer unit, and the one place where rounding happens |
//! | [`id`], [`hash`], [`key`] | how things are named, hashed and signed |
//! | [`member`], [`offer`], [`quote`], [`agreement`], [`package`], [`meter`] | the nouns of the trade and their stateless checks |
//! | [`ocmf`] | readings that a device has signed in a public format |
//! | [`action`], [`transaction`] | what an account can ask for, and the envelope that carries it |
//! | [`program`] | what parties publish of programs that they write themselves |
//! | [`price_index`] | values that contracts follow, published for a period each |
//! | [`receipt`], [`refusal`], [`event`], [`statement`] | what the ledger answers |
//! | [`cell`] | the fixed-width cells that state is kept in |
//! | [`block`], [`validators`] | what the members sign, and whose signatures count |
//! | [`operator`], [`session`] | what is signed for a node, outside the ledger: by a development chain's operator, by who signs in, by a supervisor |
//!
//! Deliberately absent: clocks, randomness, floats, maps with an order of their own, logging and I/O.

pub mod action;
pub mod agreement;
pub mod block;
pub mod carrier;
pub mod cell;
pub mod council;
pub mod derived;
pub mod encoding;
pub mod event;
pub mod founding;
pub mod genesis;
pub mod handover;
pub mod hash;
pub mod id;
pub mod key;
pub mod member;
pub mod meter;
pub mod money;
pub mod ocmf;
pub mod offer;
pub mod operator;
pub mod package;
pub mod price_index;
pub mod program;
pub mod quantity;
pub mod quote;
pub mod receipt;
pub mod refusal;
#[cfg(feature = "schema")]
mod schema;
pub mod session;
pub mod statement;
pub mod time;
pub mod transaction;
pub mod validator;

pub use action::Action;
pub use agreement::{Agreement, AgreementTerms, Party, Program, PurchaseLot, PurchaseTerms, SubscriptionTerms};
pub use block::Header;
pub use carrier::Carrier;
pub use cell::{CELL_BYTES, Cell, Key};
pub use council::{Decision, Motion};
pub use encoding::{Bounded, DecodeError, Text, decode, encode};
pub use event::Event;
pub use genesis::Genesis;
pub use hash::Digest;
pub use id::{
    AccountId, AgreementId, CertificateId, ChainId, Label, MemberId, MeterId, MotionId, OfferId, PackageId,
    PriceIndexId, ProgramId,
};
pub use key::{PrivateKey, PublicKey, Signature};
pub use member::{Role, Roles};
pub use meter::{Certificate, CertificationEntry, CertifiedRun, Meter, MeterAuthority, Reading};
pub use money::{Money, Price, PriceUnit};
pub use ocmf::OcmfRecord;
pub use offer::{Lot, Offer, OfferTerms};
pub use package::{Band, Bands, Package, Tariff, TariffOption};
pub use quantity::{Area, Quantity};
pub use quote::{Opening, SealedQuote};
pub use receipt::{Cause, DueItem, Receipt, Verdict};
pub use refusal::Refusal;
pub use statement::Statement;
pub use time::{Timestamp, Window};
pub use transaction::{SignedTransaction, Transaction, TransactionHash, VerifiedTransaction};
pub use validator::{NodeAddress, Readiness, Roster, Validator};
