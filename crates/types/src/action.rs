//! What an account can ask of the ledger. One variant per action; the reference of what each checks, in
//! which order, is the ledger's file of the same noun.

use crate::agreement::{AgreementTerms, Program, SubscriptionTerms};
use crate::carrier::Carrier;
use crate::council::{Decision, Motion};
use crate::encoding::{Bounded, Text, encode};
use crate::hash::Digest;
use crate::id::{AccountId, AgreementId, ChainId, Label, MemberId, MeterId, MotionId, OfferId, PackageId};
use crate::key::{PrivateKey, PublicKey, Signature};
use crate::meter::{MAX_REASON_BYTES, MAX_RUNS, Meter, MeterAuthority, MeterRun, Reading};
use crate::money::Money;
use crate::offer::Offer;
use crate::package::{Package, Period};
use crate::price_index::IndexValue;
use crate::program::Publication;
use crate::quantity::Quantity;
use crate::quote::{Opening, SealedQuote};
use crate::time::{Timestamp, Window};
use crate::validator::Readiness;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Longest reference of a money movement in bytes.
pub const MAX_REFERENCE_BYTES: usize = 64;
/// Most offers, quotes or awards that one signature covers.
pub const MAX_TOGETHER: usize = 32;

/// Most meters that one signature takes over.
pub const MAX_TAKEN_OVER: usize = 256;
/// Longest command to a program in bytes.
pub const MAX_COMMAND_BYTES: usize = 1_024;
/// What the key of a new account signs is signed for this purpose.
pub const ACCOUNT_NAMESPACE: &[u8] = b"utilidor/account";

/// A new account for a member, agreed to by the account's own key, so that nobody can claim another's account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct NewAccount {
    /// The member that the account is to belong to.
    pub member: MemberId,
    /// The account's key.
    pub key: PublicKey,
    /// Its signature over chain and member.
    pub signature: Signature,
}

impl NewAccount {
    /// An account of `key` for `member`, signed.
    pub fn sign(chain: ChainId, member: MemberId, key: &PrivateKey) -> Self {
        let signature = key.sign(ACCOUNT_NAMESPACE, &encode(&(chain, member)));
        Self { member, key: key.public_key(), signature }
    }

    /// The first account of a new member, signed.
    pub fn first(chain: ChainId, key: &PrivateKey) -> Self {
        Self::sign(chain, MemberId::of(AccountId::of(&key.public_key())), key)
    }

    /// The account.
    pub fn account(&self) -> AccountId {
        AccountId::of(&self.key)
    }

    /// What its key has signed.
    pub fn message(&self, chain: ChainId) -> Vec<u8> {
        encode(&(chain, self.member))
    }
}

/// What an award rests on.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AwardBasis {
    /// The owner's own choice.
    Choice,
}

/// A quote that the owner chooses.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct AwardedQuote {
    /// The offer.
    pub offer: OfferId,
    /// Who quoted.
    pub bidder: AccountId,
    /// What the owner calls the agreement that results.
    pub label: Label,
    /// The quote, opened. The ledger checks it against the commitment.
    pub opening: Opening,
    /// What the choice rests on.
    pub basis: AwardBasis,
}

/// An action.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// A council member moves that the council decide something, and is in favour of it.
    ProposeMotion(Motion),
    /// A council member votes on a motion, or changes its vote.
    VoteOnMotion {
        /// The motion.
        motion: MotionId,
        /// Digest of the motion ([`Motion::digest`]): what is voted on.
        digest: Digest,
        /// For or against it.
        in_favour: bool,
    },
    /// The node of an appointed validator shows that it is ready to take part in consensus.
    ProveReady(Readiness),
    /// A member opens a further account for itself [M3].
    OpenAccount {
        /// The new account.
        account: NewAccount,
    },
    /// The issuer issues money against what it has received outside.
    Issue {
        /// Who gets it.
        to: AccountId,
        /// How much.
        amount: Money,
        /// The issuer's reference.
        #[cfg_attr(feature = "schema", schema(value_type = String))]
        reference: Text<MAX_REFERENCE_BYTES>,
    },
    /// The issuer takes its own money out of circulation.
    Redeem {
        /// How much.
        amount: Money,
        /// The issuer's reference.
        #[cfg_attr(feature = "schema", schema(value_type = String))]
        reference: Text<MAX_REFERENCE_BYTES>,
    },
    /// A payment.
    Transfer {
        /// Who gets it.
        to: AccountId,
        /// How much.
        amount: Money,
        /// What it is for.
        #[cfg_attr(feature = "schema", schema(value_type = String))]
        reference: Text<MAX_REFERENCE_BYTES>,
    },
    /// An owner publishes offers [M10], all or none.
    PublishOffers {
        /// The offers.
        #[cfg_attr(feature = "schema", schema(value_type = Vec<Offer>))]
        offers: Bounded<Offer, MAX_TOGETHER>,
    },
    /// An owner withdraws an offer whose gate is open.
    WithdrawOffer {
        /// The offer.
        offer: OfferId,
    },
    /// A user submits quotes, or replaces its own [M11], all or none.
    SubmitQuotes {
        /// The quotes.
        #[cfg_attr(feature = "schema", schema(value_type = Vec<SealedQuote>))]
        quotes: Bounded<SealedQuote, MAX_TOGETHER>,
    },
    /// A user withdraws its quote before the gate closes.
    WithdrawQuote {
        /// The offer.
        offer: OfferId,
    },
    /// An owner awards quotes on its offers after their gates have closed [M12]. Each stands
    /// or falls alone.
    Award {
        /// The chosen quotes.
        #[cfg_attr(feature = "schema", schema(value_type = Vec<AwardedQuote>))]
        awards: Bounded<AwardedQuote, MAX_TOGETHER>,
    },
    /// One side proposes an agreement without an offer.
    ProposeAgreement {
        /// What the proposer calls it.
        label: Label,
        /// What both sign; the proposer signs with this action.
        terms: AgreementTerms,
        /// How long the other side may take to sign, in milliseconds.
        signing_ms: u32,
    },
    /// The other side signs an agreement [M12].
    SignAgreement {
        /// The agreement.
        agreement: AgreementId,
        /// Digest of its terms: what is signed.
        terms: Digest,
    },
    /// The other side declines to sign.
    DeclineAgreement {
        /// The agreement.
        agreement: AgreementId,
    },
    /// One side proposes other terms for an active agreement.
    ProposeAmendment {
        /// The agreement.
        agreement: AgreementId,
        /// The terms that replace the present ones.
        program: Program,
        /// From when on; once signed, at once if this is past.
        from: Timestamp,
    },
    /// The other side signs an amendment.
    SignAmendment {
        /// The agreement.
        agreement: AgreementId,
        /// Digest of the terms that result and of the time from which they count
        /// ([`AgreementTerms::amendment_digest`]): what is signed.
        terms: Digest,
    },
    /// A party wants to end an active agreement early. A purchase ends when both do. A subscription ends at once when its
    /// user does, and after its package's notice when its owner, or the operator of one of its meters, does.
    Terminate {
        /// The agreement.
        agreement: AgreementId,
    },
    /// A party takes back its wish to end an agreement, as long as it has had no effect.
    WithdrawTermination {
        /// The agreement.
        agreement: AgreementId,
    },
    /// A party pays what it owes under an agreement, or a part of it.
    PayDebt {
        /// The agreement.
        agreement: AgreementId,
        /// How much; more than is owed is refused.
        amount: Money,
    },
    /// A party tells an agreement's program something in the program's own words.
    Command {
        /// The agreement.
        agreement: AgreementId,
        /// What.
        #[cfg_attr(feature = "schema", schema(value_type = Vec<u8>))]
        command: Bounded<u8, MAX_COMMAND_BYTES>,
    },
    /// A meter operator registers a meter.
    RegisterMeter(Meter),
    /// A meter operator binds a meter to another holder.
    BindMeter {
        /// The meter.
        meter: MeterId,
        /// Whose consumption or generation it measures from now on.
        holder: AccountId,
    },
    /// A meter operator changes who signs a meter's readings.
    RotateMeterKey {
        /// The meter.
        meter: MeterId,
        /// Who signs from now on.
        authority: MeterAuthority,
    },
    /// A meter operator changes the most that can pass a meter in an hour.
    ChangeMeterCapacity {
        /// The meter.
        meter: MeterId,
        /// Base units per hour from now on.
        capacity_per_hour: Quantity,
    },
    /// A meter operator puts a new device in a meter's place. The old one's last reading is certified.
    ExchangeMeter {
        /// The meter.
        meter: MeterId,
        /// The old device's last reading.
        last: Reading,
        /// Who signs from now on.
        authority: MeterAuthority,
        /// Width of the new register.
        register_modulus: Quantity,
        /// The new device's register at that time.
        register: Quantity,
    },
    /// A meter operator takes a meter out of service.
    RetireMeter {
        /// The meter.
        meter: MeterId,
    },
    /// A meter operator takes over meters of another that the council has handed to it, all or none.
    TakeOverMeters {
        /// The meters.
        #[cfg_attr(feature = "schema", schema(value_type = Vec<MeterId>))]
        meters: Bounded<MeterId, MAX_TAKEN_OVER>,
    },
    /// A batch of readings [M16].
    RecordReadings {
        /// Readings by meter; together at most [`crate::meter::MAX_BATCH_READINGS`].
        #[cfg_attr(feature = "schema", schema(value_type = Vec<MeterRun>))]
        runs: Bounded<MeterRun, MAX_RUNS>,
    },
    /// A meter operator corrects what was certified of its meter.
    CorrectReadings {
        /// The meter.
        meter: MeterId,
        /// Between two certified readings ...
        interval: Window,
        /// ... so much was certified ...
        certified: Quantity,
        /// ... and this is right.
        right: Quantity,
        /// Why, for both sides to read.
        #[cfg_attr(feature = "schema", schema(value_type = String))]
        reason: Text<MAX_REASON_BYTES>,
    },
    /// An owner publishes a version of a package [M19].
    PublishPackage(Package),
    /// An owner closes a version of a package to new subscriptions; those that run keep it.
    ClosePackage {
        /// The package.
        package: PackageId,
        /// The version.
        version: u32,
    },
    /// A member publishes a program that it has written [M15].
    PublishProgram(Box<Publication>),
    /// A user subscribes to a published package: both sides have signed, since publishing is a standing offer.
    Subscribe {
        /// What the user calls it.
        label: Label,
        /// What the user chooses.
        terms: SubscriptionTerms,
    },
    /// A user pays ahead for a service [M20-M22].
    Prepay {
        /// The subscription.
        subscription: AgreementId,
        /// The service's carrier.
        carrier: Carrier,
        /// For how much, or for how long.
        payment: Prepayment,
    },
    /// An account publishes the value of its index for a period.
    PublishIndex(IndexValue),
}

/// A payment ahead, by the kind of the service's tariff.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Prepayment {
    /// Metered: this much money; its size sets the discount.
    Amount(Money),
    /// Metered by period: this much money for energy within a period that begins with the payment, or with the end of the
    /// period that is paid already.
    AmountForPeriod {
        /// How much.
        amount: Money,
        /// How long; sets the discount.
        period: Period,
    },
    /// Floor area: a period that begins with the day of payment, or with the end of what is paid, and ends with its last
    /// calendar month; it is moved to the next month that has days of the season.
    Period {
        /// How long; sets the discount.
        period: Period,
        /// The ledger computes the amount; it is refused if it exceeds this.
        at_most: Money,
    },
}

impl Action {
    /// Moves for a decision, for the usual time and without a reason. In a council of one it is thereby decided.
    pub fn decide(decision: Decision) -> Self {
        Self::ProposeMotion(Motion::of(decision))
    }

    /// Publishes one offer.
    pub fn publish_offer(offer: Offer) -> Self {
        Self::PublishOffers { offers: Bounded::new(vec![offer]).expect("one offer is within the bound") }
    }

    /// Submits one quote.
    pub fn submit_quote(quote: SealedQuote) -> Self {
        Self::SubmitQuotes { quotes: Bounded::new(vec![quote]).expect("one quote is within the bound") }
    }

    /// How much work it is to carry out, in readings: what blocks are bounded by. An award makes an agreement of many cells.
    pub fn work(&self) -> usize {
        match self {
            Self::PublishOffers { offers } => 2 * offers.len(),
            Self::SubmitQuotes { quotes } => 2 * quotes.len(),
            Self::Award { awards } => 12 * awards.len(),
            Self::RecordReadings { runs } => runs.iter().map(|run| run.readings.len()).sum(),
            Self::TakeOverMeters { meters } => 8 * meters.len(),
            Self::Transfer { .. } => 1,
            // A record of some hundred cells for each 16 KiB.
            Self::PublishProgram(publication) => 16 + publication.code.len() / 256,
            _ => 8,
        }
        .max(1)
    }

    /// The action's name in JSON, receipts and tables.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ProposeMotion(_) => "propose_motion",
            Self::VoteOnMotion { .. } => "vote_on_motion",
            Self::ProveReady(_) => "prove_ready",
            Self::OpenAccount { .. } => "open_account",
            Self::Issue { .. } => "issue",
            Self::Redeem { .. } => "redeem",
            Self::Transfer { .. } => "transfer",
            Self::PublishOffers { .. } => "publish_offers",
            Self::WithdrawOffer { .. } => "withdraw_offer",
            Self::SubmitQuotes { .. } => "submit_quotes",
            Self::WithdrawQuote { .. } => "withdraw_quote",
            Self::Award { .. } => "award",
            Self::ProposeAgreement { .. } => "propose_agreement",
            Self::SignAgreement { .. } => "sign_agreement",
            Self::DeclineAgreement { .. } => "decline_agreement",
            Self::ProposeAmendment { .. } => "propose_amendment",
            Self::SignAmendment { .. } => "sign_amendment",
            Self::Terminate { .. } => "terminate",
            Self::WithdrawTermination { .. } => "withdraw_termination",
            Self::PayDebt { .. } => "pay_debt",
            Self::Command { .. } => "command",
            Self::RegisterMeter(_) => "register_meter",
            Self::BindMeter { .. } => "bind_meter",
            Self::RotateMeterKey { .. } => "rotate_meter_key",
            Self::ChangeMeterCapacity { .. } => "change_meter_capacity",
            Self::ExchangeMeter { .. } => "exchange_meter",
            Self::RetireMeter { .. } => "retire_meter",
            Self::TakeOverMeters { .. } => "take_over_meters",
            Self::RecordReadings { .. } => "record_readings",
            Self::CorrectReadings { .. } => "correct_readings",
            Self::PublishPackage(_) => "publish_package",
            Self::ClosePackage { .. } => "close_package",
            Self::PublishProgram(_) => "publish_program",
            Self::Subscribe { .. } => "subscribe",
            Self::Prepay { .. } => "prepay",
            Self::PublishIndex(_) => "publish_index",
        }
    }
}
