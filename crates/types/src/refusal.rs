//! Refusals: why the ledger did not do what a transaction asks. Each names a rule, carries the values that
//! were compared, and has a stable code. The order in which an action checks its rules is written in the
//! ledger's file of the same noun.

use crate::agreement::Status;
use crate::carrier::Carrier;
use crate::hash::Digest;
use crate::id::{AccountId, AgreementId, MemberId, MeterId, MotionId, OfferId, PackageId, ProgramId};
use crate::key::PublicKey;
use crate::member::Role;
use crate::money::Money;
use crate::program::Fuel;
use crate::quantity::Quantity;
use crate::time::Timestamp;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// What a member can have a limited number of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Limited {
    /// Accounts.
    Accounts,
    /// Offers that have not lapsed.
    Offers,
    /// Live quotes.
    Quotes,
    /// Proposals that nobody has signed.
    Proposals,
    /// Meters in service.
    Meters,
    /// Versions of packages.
    Packages,
    /// Subscriptions that have not ended.
    Subscriptions,
    /// Open motions.
    Motions,
    /// Published programs.
    Programs,
    /// Agreements on programs that parties have written, as an owner, as long as they are kept.
    WrittenAgreements,
}

impl std::fmt::Display for Limited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Accounts => "accounts",
            Self::Offers => "open offers",
            Self::Quotes => "live quotes",
            Self::Proposals => "unsigned proposals",
            Self::Meters => "meters in service",
            Self::Packages => "versions of packages",
            Self::Subscriptions => "running subscriptions",
            Self::Motions => "open motions",
            Self::Programs => "published programs",
            Self::WrittenAgreements => "agreements on written programs",
        })
    }
}

macro_rules! code_rules {
    ($($name:ident = $sentence:literal;)*) => {
        /// What a program's code may be. The order is that in which it is checked as far as sections of a module allow.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
        #[serde(rename_all = "snake_case")]
        #[allow(missing_docs)] // the sentence of each says what it is
        pub enum CodeRule {
            $($name,)*
        }

        impl CodeRule {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
        }

        impl std::fmt::Display for CodeRule {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(match self {
                    $(Self::$name => $sentence,)*
                })
            }
        }
    };
}

code_rules! {
    NoModule = "bytes of a WebAssembly module, at fault at this place";
    Instruction = "an instruction or type that programs may not have, at this place";
    Imports = "imports";
    Start = "start functions";
    Types = "types of functions";
    Parameters = "parameters of a function";
    Results = "results of a function";
    Functions = "functions";
    Body = "bytes of a function";
    Locals = "locals of a function";
    Operands = "operands of a function at once";
    Nesting = "nested blocks of a function";
    BranchTargets = "targets of a branch table";
    Tables = "tables";
    TableEntries = "entries of a table, or up to which its segments reach";
    Elements = "entries of element segments";
    Memories = "memories";
    MemoryPages = "pages of memory, or up to which its segments reach";
    Globals = "globals";
    DataSegments = "segments of data";
    Custom = "bytes of sections that no engine reads";
    Exports = "exports besides memory, buffer and act";
    NoMemory = "memories exported as memory";
    NoBuffer = "globals exported as buffer: the place of the input, in the first memory";
    NoAct = "functions exported as act: from the input's length to the place and length of the output";
}

macro_rules! refusals {
    ($($(#[doc = $doc:literal])* $name:ident $({ $($field:ident: $type:ty),* $(,)? })? = $code:literal, $message:literal;)*) => {
        /// A rule that forbids what was asked. `Display` gives the sentence, [`Refusal::code`] the stable code.
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
        #[serde(tag = "refusal", rename_all = "snake_case")]
        #[allow(missing_docs)] // the message of each variant says what its fields are
        pub enum Refusal {
            $($(#[doc = $doc])* #[error($message)] $name $({ $($field: $type),* })?,)*
        }

        impl Refusal {
            /// All codes with their rule's description, for the reference.
            pub const REFERENCE: &'static [(&'static str, &'static str)] = &[$(($code, concat!($($doc),*)),)*];

            /// The stable code: noun and rule.
            pub const fn code(&self) -> &'static str {
                match self {
                    $(Self::$name $({ $($field: _),* })? => $code,)*
                }
            }
        }
    };
}

refusals! {
    /// The account's member does not have the role that the action needs.
    MissingRole { role: Role } = "member/missing-role", "the account's member is no {role}";
    /// No such member is admitted.
    UnknownMember { member: MemberId } = "member/unknown", "no member {member} is admitted";
    /// No such account is open.
    UnknownAccount { account: AccountId } = "account/unknown", "no account {account} is open";
    /// The account is open already.
    AccountExists { account: AccountId } = "account/exists", "account {account} is open already";
    /// The id is taken by something else; the same content would have given the first result.
    IdTaken = "id/taken", "the id is taken by something else";
    /// The member has as many of these as its limits allow.
    LimitReached { what: Limited, max: u32 } = "member/limit-reached", "the member has {max} {what} already, which is its limit";
    /// The new account is signed for another member.
    WrongMember { signed: MemberId, expected: MemberId } = "account/wrong-member", "the new account is signed for member {signed}, expected {expected}";
    /// To carry it out takes more than a whole block may: more records, cells or readings, or a longer receipt.
    TooMuchWork = "transaction/too-much-work", "it takes more work than a block may hold";
    /// The list of offers, quotes or awards is empty.
    NothingAsked = "transaction/nothing-asked", "the list of what is asked is empty";
    /// A sum, product or time leaves the range of its type.
    Overflow = "arithmetic/overflow", "a sum, product or time leaves its range";
    /// The amount is zero.
    ZeroAmount = "money/zero-amount", "the amount is zero";
    /// The account's free balance is smaller than what is to be moved or reserved. How much it is nobody is told: who asks may be
    /// another than whose money it is.
    InsufficientFunds { account: AccountId, needed: Money } = "money/insufficient-funds", "account {account} has less free than the {needed} that is needed";

    /// The member was removed from the consortium.
    MemberRemoved { member: MemberId } = "member/removed", "member {member} was removed from the consortium";
    /// A motion is open for no time, or for longer than it may be.
    BadMotionTime { open_ms: u64, max_ms: u64 } = "motion/bad-time", "a motion is open for between 1 and {max_ms} ms, not {open_ms}";
    /// No such motion is open.
    UnknownMotion { motion: MotionId } = "motion/unknown", "no motion {motion} is open";
    /// The vote names another motion than the one that is open.
    MotionDiffers { motion: MotionId, digest: Digest } = "motion/differs", "motion {motion} is open with digest {digest}, the vote names another";
    /// The council has as many seats taken as it has.
    CouncilFull { seats: u32 } = "council/full", "all {seats} seats of the council are taken";
    /// The council would have no member left.
    CouncilEmpty = "council/empty", "the council would have no member left";
    /// The member has no seat in the council.
    NotInCouncil { member: MemberId } = "council/not-a-member", "member {member} has no seat in the council";
    /// A validator's key is no Ed25519 key.
    ValidatorKeyKind = "validator/key-kind", "a validator's key is an Ed25519 key";
    /// The key is another member's validator.
    ValidatorKeyTaken { key: PublicKey } = "validator/key-taken", "key {key} is another validator's";
    /// Where there are several validators, each needs an address.
    ValidatorNeedsAddress = "validator/needs-address", "where there are several validators, each needs an address";
    /// The member has no validator.
    NoValidator { member: MemberId } = "validator/none", "member {member} has no validator";
    /// The chain would have no validator left.
    LastValidator = "validator/last", "the chain would have no validator left";
    /// The validators of this chain never change.
    ValidatorsFixed = "validator/fixed", "the validators of this chain never change: its genesis document has no epochs";
    /// No member's validator has this key.
    UnknownValidator { key: PublicKey } = "validator/unknown", "no validator with key {key} is appointed";
    /// The node's word is of another epoch, or names another block.
    NotOfThisEpoch { epoch: u64, now: u64 } = "validator/not-of-this-epoch", "the node's word is of epoch {epoch} or of another chain's, it is epoch {now}";
    /// The meter's operator was not replaced by this account.
    NotHandedOver { meter: MeterId } = "meter/not-handed-over", "meter {meter} was not handed to this account";
    /// The operator would be its own successor.
    SameOperator = "meter/same-operator", "the meters are to be handed to another operator";

    /// The document has no lots.
    NoLots = "terms/no-lots", "there are no lots";
    /// A quantity is zero.
    ZeroQuantity { carrier: Carrier } = "terms/zero-quantity", "the quantity of {carrier} is zero";
    /// A carrier stands in two lots.
    DuplicateCarrier { carrier: Carrier } = "terms/duplicate-carrier", "{carrier} stands in two lots";
    /// The price is per a unit in which the carrier is not measured.
    PriceUnit { carrier: Carrier } = "terms/price-unit", "{carrier} is not priced in this unit";
    /// The delivery window is empty or does not begin and end on whole hours.
    WindowNotWholeHours { from: Timestamp, to: Timestamp } = "terms/window-not-whole-hours", "the window from {from} to {to} is not made of whole hours";
    /// The delivery window is longer than an agreement may last.
    WindowTooLong { hours: u64, max: u64 } = "terms/window-too-long", "the window has {hours} hours, at most {max} are allowed";
    /// The delivery has begun, or would have when the agreement is concluded.
    DeliveryBegun { from: Timestamp, now: Timestamp } = "terms/delivery-begun", "delivery begins at {from}, it is {now}";
    /// A rate exceeds the whole.
    RateTooHigh { permille: u16, max: u16 } = "terms/rate-too-high", "{permille} thousandths exceed the {max} allowed";
    /// A lot has no meter that could prove its delivery: it could never settle.
    Unmetered { carrier: Carrier } = "terms/unmetered", "no meter proves the delivery of {carrier}";
    /// Owner and user are the same account.
    SelfDealing = "terms/self-dealing", "owner and user are the same account";
    /// Too few or too many parties for the program, or one of them twice.
    BadParties = "terms/bad-parties", "the program does not take these parties";
    /// No such program is known.
    UnknownProgram { code: u16 } = "program/unknown", "no program {code} is known";
    /// No such program is published.
    UnknownPublication { program: ProgramId } = "program/unknown-publication", "no program {program} is published";
    /// No engine of this number runs programs.
    UnknownEngine { engine: u16, last: u16 } = "program/unknown-engine", "there is no engine {engine}, the last one is {last}";
    /// The code is no WebAssembly that a program may be.
    BadCode { rule: CodeRule, found: u32, allowed: u32 } = "program/bad-code", "{rule}: {found} found, {allowed} allowed";
    /// The manifest is too long.
    ManifestTooLong { bytes: u32, max: u32 } = "program/manifest-too-long", "the manifest has {bytes} bytes, at most {max} are allowed";
    /// The program's reach is impossible: a party or meter twice or not there, a window that is empty, nothing to fill.
    BadReach = "program/bad-reach", "a grant or meter is named twice, of no party, or of no time or volume";
    /// The agreements of the member have used as much fuel today as they may.
    FuelSpent { used: Fuel, max: Fuel } = "program/fuel-spent", "the owner's agreements have used {used} of fuel today, at most {max} are allowed";
    /// The program does not accept its terms.
    BadTerms { code: u16 } = "program/bad-terms", "the program does not accept its terms (code {code})";
    /// The program failed, so that nothing was done.
    ProgramFault { code: u16 } = "program/fault", "the program failed with code {code}";
    /// The program asked for something that it cannot have.
    UnfitEffect { code: u16 } = "program/unfit-effect", "the program asks for something that it cannot have (code {code})";
    /// The hard end is past, or its shares do not add up.
    BadHardEnd = "terms/bad-hard-end", "the hard end is past, or its shares do not add up to 1,000";
    /// A price is higher than any may be.
    PriceTooHigh { carrier: Carrier, max: Money } = "terms/price-too-high", "the price of {carrier} exceeds {max}";

    /// The gate closes in the past.
    GateInPast { gate: Timestamp, now: Timestamp } = "offer/gate-in-past", "the gate would close at {gate}, it is {now}";
    /// The gate closes after delivery begins.
    GateAfterDelivery { gate: Timestamp, from: Timestamp } = "offer/gate-after-delivery", "the gate closes at {gate}, delivery begins at {from}";
    /// No such offer.
    UnknownOffer { offer: OfferId } = "offer/unknown", "there is no offer {offer}";
    /// The offer is another account's.
    NotOfferOwner { offer: OfferId } = "offer/not-owner", "offer {offer} is another account's";
    /// The gate has closed.
    GateClosed { gate: Timestamp, now: Timestamp } = "offer/gate-closed", "the gate closed at {gate}, it is {now}";
    /// The gate is still open.
    GateOpen { gate: Timestamp, now: Timestamp } = "offer/gate-open", "the gate closes at {gate}, it is {now}";
    /// The offer lapses before its gate closes or after delivery begins.
    BadLapse { lapses: Timestamp, gate: Timestamp, from: Timestamp } = "offer/bad-lapse", "the offer would lapse at {lapses}, its gate closes at {gate}, delivery begins at {from}";
    /// The offer has lapsed.
    OfferLapsed { lapsed: Timestamp, now: Timestamp } = "offer/lapsed", "the offer lapsed at {lapsed}, it is {now}";
    /// As many bidders have quoted as can.
    TooManyBidders { max: u32 } = "offer/too-many-bidders", "{max} bidders have quoted already";

    /// An owner quotes on its own offer.
    OwnOffer = "quote/own-offer", "the offer is the bidder's own";
    /// The sealed quote has not the one size that all quotes on the offer have.
    SealedSize { bytes: u32, expected: u32 } = "quote/sealed-size", "the sealed quote has {bytes} bytes, every quote on this offer has {expected}";
    /// The bidder has no quote on the offer.
    UnknownQuote { offer: OfferId, bidder: AccountId } = "quote/unknown", "{bidder} has no quote on offer {offer}";
    /// The quote answers an offer that stood under the same label before.
    OtherOffer { quoted: Digest, published: Digest } = "quote/other-offer", "the quote answers the offer {quoted}, and {published} is published under that label; read it and quote again";
    /// The quote is awarded already.
    QuoteAwarded { bidder: AccountId } = "quote/awarded", "the quote of {bidder} is awarded already";
    /// The opening does not match the commitment.
    BadOpening { bidder: AccountId } = "quote/bad-opening", "the opening of the quote of {bidder} does not match its commitment";
    /// The opened quote has not one line for each lot.
    LineCount { lines: u32, lots: u32 } = "quote/line-count", "the quote has {lines} lines, the offer {lots} lots";
    /// The awards together exceed the lot.
    AboveLot { carrier: Carrier, wanted: Quantity, left: Quantity } = "award/above-lot", "{wanted} of {carrier} are awarded, {left} are left in the lot (J or mL)";

    /// No such agreement.
    UnknownAgreement { agreement: AgreementId } = "agreement/unknown", "there is no agreement {agreement}";
    /// The account is no party of the agreement.
    NotParty { agreement: AgreementId } = "agreement/not-party", "the account is no party of agreement {agreement}";
    /// The agreement's status does not allow this.
    WrongStatus { status: Status } = "agreement/wrong-status", "the agreement is {status}";
    /// The account has signed already.
    AlreadySigned { agreement: AgreementId } = "agreement/already-signed", "this side has signed agreement {agreement} already";
    /// The signature is for other terms.
    WrongTerms { signed: Digest, expected: Digest } = "agreement/wrong-terms", "the signature is for terms {signed}, the agreement's are {expected}";
    /// The time for signing is over.
    SigningOver { sign_by: Timestamp, now: Timestamp } = "agreement/signing-over", "signing ended at {sign_by}, it is {now}";
    /// There is no amendment to sign.
    NoAmendment { agreement: AgreementId } = "agreement/no-amendment", "no amendment of agreement {agreement} is proposed";
    /// There is no wish to end the agreement that could be taken back.
    NotEnding { agreement: AgreementId } = "agreement/not-ending", "there is no wish to end agreement {agreement} that could be taken back";
    /// The agreement is ending already.
    AlreadyEnding { at: Timestamp } = "agreement/already-ending", "the agreement ends at {at} already";
    /// More would be paid than is owed.
    AboveDebt { owed: Money, amount: Money } = "debt/above", "{amount} would be paid, {owed} is owed";
    /// The amendment would take effect too far ahead, or another one waits already.
    BadAmendmentTime { from: Timestamp } = "agreement/bad-amendment-time", "no amendment can take effect from {from}";
    /// An amendment cannot change the kind of program.
    AmendmentKind = "agreement/amendment-kind", "an amendment keeps the kind of program";
    /// The program is not of the kind that the action needs.
    WrongProgram = "agreement/wrong-program", "the agreement's program does not take this action";

    /// The owner has declared no capacity for the carrier.
    NoCapacity { carrier: Carrier } = "capacity/none", "no capacity for {carrier} is declared";
    /// The owner would sell more in an hour than it can supply.
    CapacityExceeded { hour: Timestamp, sold: Quantity, wanted: Quantity, capacity: Quantity } = "capacity/exceeded", "in the hour from {hour} the owner has sold {sold} and would sell {wanted} more, its capacity is {capacity} (J or mL)";

    /// No such meter.
    UnknownMeter { meter: MeterId } = "meter/unknown", "no meter {meter} is registered";
    /// The meter is out of service.
    MeterRetired { meter: MeterId } = "meter/retired", "meter {meter} is retired";
    /// The account is not the operator that registered the meter.
    NotMeterOperator { meter: MeterId } = "meter/not-operator", "another operator registered meter {meter}";
    /// The register's width or the capacity is zero.
    MeterWithoutRange { meter: MeterId } = "meter/without-range", "meter {meter} has no register width or no capacity";
    /// The meter would be taken into service in the future.
    MeterInFuture { since: Timestamp, now: Timestamp } = "meter/in-future", "the meter would be in service from {since}, it is {now}";
    /// The meter measures another carrier.
    MeterCarrier { meter: MeterId, carrier: Carrier } = "meter/carrier", "meter {meter} does not measure {carrier}";
    /// The meter measures another party.
    MeterHolder { meter: MeterId } = "meter/holder", "meter {meter} is bound to another account";
    /// The meter serves as many agreements as it can.
    MeterBusy { meter: MeterId, max: u32 } = "meter/busy", "meter {meter} serves {max} agreements already";
    /// The meter serves an agreement.
    MeterInUse { meter: MeterId } = "meter/in-use", "meter {meter} serves an agreement";
    /// The meter's capacity is larger than any may be.
    CapacityTooLarge { capacity: Quantity, max: Quantity } = "meter/capacity-too-large", "a capacity of {capacity} an hour exceeds {max} (J or mL)";
    /// The correction is of no time before the meter's last reading, or changes nothing.
    BadCorrection { meter: MeterId } = "meter/bad-correction", "the correction is of no time before the last reading of {meter}, or changes nothing";
    /// The meter would have passed less than nothing, or more than it can.
    CorrectionOutOfRange { meter: MeterId } = "meter/correction-out-of-range", "meter {meter} cannot have passed the corrected quantity";
    /// The meter already serves a subscription.
    MeterSubscribed { meter: MeterId, subscription: AgreementId } = "meter/subscribed", "meter {meter} serves subscription {subscription}";

    /// The key is not the one that signs this meter's readings.
    NotAuthority { meter: MeterId } = "reading/not-authority", "the signer is not the one that signs for meter {meter}";
    /// A run has no readings.
    EmptyRun { meter: MeterId } = "reading/empty-run", "the run of meter {meter} has no readings";
    /// The reading is certified already.
    Replayed { time: Timestamp } = "reading/replayed", "the reading of {time} is certified already";
    /// The time is not after the last reading's.
    OutOfOrder { last: Timestamp, time: Timestamp } = "reading/out-of-order", "the reading is of {time}, the last one of {last}";
    /// The reading is from the future.
    FromFuture { time: Timestamp, now: Timestamp } = "reading/from-future", "the reading is of {time}, it is {now}";
    /// The register shows more than it can.
    RegisterTooWide { register: Quantity, modulus: Quantity } = "reading/register-too-wide", "the register shows {register}, it starts again at {modulus} (J or mL)";
    /// The register went back, and a rollover does not explain it.
    WentBack { last: Quantity, register: Quantity } = "reading/went-back", "the register went back from {last} to {register} (J or mL)";
    /// More passed than the meter's capacity allows in the time.
    BeyondCapacity { quantity: Quantity, most: Quantity } = "reading/beyond-capacity", "{quantity} passed, at most {most} can in this time (J or mL)";

    /// The version does not follow the last one.
    VersionOrder { version: u32, expected: u32 } = "package/version-order", "version {version} is published, {expected} comes next";
    /// The package is another account's.
    NotPackageOwner { package: PackageId } = "package/not-owner", "package {package} is another account's";
    /// The package offers nothing.
    NoOptions = "package/no-options", "the package has no tariff";
    /// The carrier has more options than allowed.
    TooManyOptions { carrier: Carrier, max: u32 } = "package/too-many-options", "{carrier} has more than {max} options";
    /// The steps do not rise.
    StepsNotRising { carrier: Carrier } = "package/steps-not-rising", "the steps for {carrier} do not rise in payment and discount";
    /// The price is zero.
    ZeroPrice { carrier: Carrier } = "package/zero-price", "the price of {carrier} is zero";
    /// The time-of-use calendar has an impossible stretch or factor.
    BadTimeOfUse { carrier: Carrier } = "package/bad-time-of-use", "the time-of-use calendar for {carrier} has an impossible stretch or factor";
    /// The season is no part of the year.
    BadSeason { carrier: Carrier } = "package/bad-season", "the season for {carrier} is no part of the year";
    /// The offset from UTC is impossible.
    BadOffset { offset_minutes: i16 } = "package/bad-offset", "no place is {offset_minutes} minutes from UTC";
    /// No such package or version.
    UnknownPackage { package: PackageId, version: u32 } = "package/unknown", "there is no version {version} of package {package}";
    /// The version is closed to new subscriptions.
    PackageClosed { package: PackageId, version: u32 } = "package/closed", "version {version} of package {package} is closed to new subscriptions";
    /// The notice that the owner gives of an end is shorter than a day, or longer than it may be.
    BadNotice { days: u8, max: u8 } = "package/bad-notice", "a notice of {days} days is not between 1 and {max}";
    /// A charge is impossible: no name, no price or too high a one, or demand of a carrier that is no power.
    BadCharge { charge: u8 } = "package/bad-charge", "charge {charge} has no name, no price or too high a one, or is for the demand of a carrier that is no power";
    /// The package has no such option.
    NoSuchOption { carrier: Carrier, option: u8 } = "package/no-such-option", "the package has no option {option} for {carrier}";
    /// The subscription has no services.
    NoServices = "subscription/no-services", "the subscription has no services";
    /// A metered tariff needs the user's meter.
    ServiceNeedsMeter { carrier: Carrier } = "subscription/needs-meter", "the tariff for {carrier} needs a meter";
    /// A floor-area tariff needs the area.
    ServiceNeedsArea { carrier: Carrier } = "subscription/needs-area", "the tariff for {carrier} needs the floor area";
    /// The subscription has no such service.
    NoSuchService { carrier: Carrier } = "subscription/no-such-service", "the subscription has no service of {carrier}";
    /// The kind of payment does not fit the tariff.
    PaymentKind { carrier: Carrier } = "prepayment/kind", "this kind of payment does not fit the tariff for {carrier}";
    /// As many tranches are open as can be.
    TooManyTranches { max: u32 } = "prepayment/too-many-tranches", "{max} tranches are open already";
    /// The computed amount exceeds what the user would pay at most.
    AboveAtMost { amount: Money, at_most: Money } = "prepayment/above-at-most", "the period costs {amount}, at most {at_most} was to be paid";
    /// The payment buys nothing: it is smaller than the price of the smallest quantity, or out of season.
    BuysNothing = "prepayment/buys-nothing", "the payment buys nothing";
    /// The device's record counts energy, and the meter does not.
    RecordOfEnergy { meter: MeterId, carrier: Carrier } = "reading/record-of-energy", "the record counts energy, meter {meter} measures {carrier}";
    /// As many validators are appointed as can show in an epoch that they are there.
    ManyForEpoch { most: u32 } = "validator/many-for-epoch", "in an epoch of this chain at most {most} validators can show that they are there";
    /// The period of an index is empty, too long, or not of whole quarters of an hour.
    BadIndexPeriod { from: Timestamp, to: Timestamp, max_days: u32 } = "index/bad-period", "the period from {from} to {to} is not made of whole quarters of an hour, or is longer than {max_days} days";
    /// The value of an index is larger than any may be.
    IndexOutOfRange { max_micro: u64 } = "index/out-of-range", "the value exceeds {max_micro} millionths";
    /// A value that programs may still ask for would have to make room.
    IndexValueKept { from: Timestamp, until: Timestamp } = "index/value-kept", "the value for the period from {from} is kept until {until}, and this one would take its place";
    /// The period begins before the end of the last one that was published.
    IndexNotInOrder { from: Timestamp, last: Timestamp } = "index/not-in-order", "the period begins at {from}, values are published up to {last}";
    /// The member has as many indices as it may.
    TooManyIndices { max: u32 } = "index/too-many", "the member has {max} indices already";
    /// The record is another device's than the meter's earlier ones, or of another register.
    OtherDevice { meter: MeterId } = "reading/other-device", "the record is of another device or register than the earlier ones of meter {meter}";
    /// The device's records count for another meter.
    DeviceOfAnother { meter: MeterId, other: MeterId } = "reading/device-of-another", "records of this device and register count for meter {other}, and so for no other";
}
