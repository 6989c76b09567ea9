//! Programs that parties write themselves [M15]: published once, never changed, named by the hash of all that was published.
//!
//! ```text
//! code (WebAssembly) + manifest ── PublishProgram ──> registry ── named by agreements ──> terms, grants, meters, parameters
//! ```
//!
//! What parties read, they sign: the id of a program is the hash of its code *and* its manifest, and an agreement's terms name
//! the id. What money and which meters a program can reach stands in the terms, not in the code.

use crate::agreement::Party;
use crate::carrier::Carrier;
use crate::encoding::{Bounded, Text, decimal_string, encode, invalid};
use crate::hash::{Digest, hash_of, tagged_hash};
use crate::id::{MeterId, ProgramId};
use crate::money::{Money, PriceUnit};
use crate::quantity::Quantity;
use crate::time::Window;
use borsh::{BorshDeserialize, BorshSerialize, io};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ops::Deref;

/// What running a published program costs, in steps of its engine.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Default,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(transparent)]
pub struct Fuel(#[serde(with = "decimal_string")] pub u64);

impl std::fmt::Display for Fuel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Longest code of a program in bytes. It is never compressed.
pub const MAX_CODE_BYTES: usize = 128 * 1024;
/// Longest manifest in bytes, so that it is one record.
pub const MAX_MANIFEST_BYTES: usize = 15 * 1024;
/// Most meters that an agreement's program of its own can reach.
pub const MAX_CODED_METERS: usize = 16;
/// Longest parameters of a program in bytes.
pub const MAX_PARAMETER_BYTES: usize = 4_096;
/// Most clauses that a manifest explains.
pub const MAX_CLAUSES: usize = 64;
/// Most fields of a schema.
pub const MAX_FIELDS: usize = 64;
/// Longest name in bytes.
pub const MAX_NAME_BYTES: usize = 64;
/// Longest text of one language in bytes.
pub const MAX_TEXT_BYTES: usize = 1_024;
/// The number of the native program `clauses`, whose parameters are a clause sheet.
pub const CLAUSES: u16 = 1;
/// Width of a parameter in bytes: a little-endian integer.
pub const PARAMETER_BYTES: usize = 8;
/// For how many periods a program in code can let its user owe all that the user's grant gives in one, if it renews ...
pub const MAX_OWED_PERIODS: u64 = 12;
/// ... and the most that it can let its user owe whatever was granted, so that what one agreement says keeps no other from saying its own.
pub const MAX_OWED: Money = Money::units(100_000_000);

/// A program's code: a WebAssembly module. JSON: hex.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Code(Vec<u8>);

/// Code is longer than [`MAX_CODE_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the code has {bytes} bytes, at most {MAX_CODE_BYTES} are allowed")]
pub struct CodeTooLong {
    /// Its length.
    pub bytes: usize,
}

impl Code {
    /// Takes code that is not too long.
    pub fn new(bytes: Vec<u8>) -> Result<Self, CodeTooLong> {
        if bytes.len() > MAX_CODE_BYTES { Err(CodeTooLong { bytes: bytes.len() }) } else { Ok(Self(bytes)) }
    }

    /// Its digest: what a rebuild from the sources is compared with.
    pub fn digest(&self) -> Digest {
        tagged_hash("utilidor/code", &[&self.0])
    }
}

impl Deref for Code {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Code({} bytes, {})", self.len(), self.digest())
    }
}

impl BorshSerialize for Code {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        BorshSerialize::serialize(&self.0, writer)
    }
}

impl BorshDeserialize for Code {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let bytes = u32::deserialize_reader(reader)? as usize;
        if bytes > MAX_CODE_BYTES {
            return Err(invalid(CodeTooLong { bytes }));
        }
        let mut code = vec![0; bytes];
        reader.read_exact(&mut code)?;
        Ok(Self(code))
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let bytes = hex::decode(<String as Deserialize>::deserialize(deserializer)?).map_err(D::Error::custom)?;
        Self::new(bytes).map_err(D::Error::custom)
    }
}

/// A text in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Bilingual {
    /// English.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub en: Text<MAX_TEXT_BYTES>,
    /// Chinese.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub zh: Text<MAX_TEXT_BYTES>,
}

/// How a parameter or a part of the state is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    /// A whole number, signed.
    Integer,
    /// Millionths of the settlement currency, signed.
    Money,
    /// Millionths of the settlement currency, signed, for each unit that is usual for the carrier of the agreement's first meter:
    /// kWh of energy, m3 of volume.
    Price,
    /// Base units of a carrier: joules or millilitres.
    Quantity,
    /// Milliseconds since 1970 in UTC.
    Time,
    /// Milliseconds.
    Duration,
    /// Thousandths.
    Permille,
    /// Millionths of the settlement currency, signed, for each of these.
    PricePer(PriceUnit),
}

/// A named integer of eight bytes, little-endian, in a program's parameters or in the head of its state.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Field {
    /// What it is called.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub name: Text<MAX_NAME_BYTES>,
    /// How it is read.
    pub kind: FieldKind,
}

/// What people need to know of a program before they sign.
#[derive(Debug, Clone, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Manifest {
    /// What it is called.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub name: Text<MAX_NAME_BYTES>,
    /// Its version, as its authors count.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub version: Text<MAX_NAME_BYTES>,
    /// What it does.
    pub summary: Bilingual,
    /// Its clauses; lines of statements name them by number, counted from 0.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<Bilingual>))]
    pub clauses: Bounded<Bilingual, MAX_CLAUSES>,
    /// The parameters, in their order. A program whose parameters are of another form has none here.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<Field>))]
    pub parameters: Bounded<Field, MAX_FIELDS>,
    /// The head of its state, as the parameters.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<Field>))]
    pub state: Bounded<Field, MAX_FIELDS>,
    /// The most fuel that one event took in its authors' tests.
    pub fuel: u32,
    /// Digest of the sources, as its authors have packed them.
    pub sources: Digest,
    /// With what it was built.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub toolchain: Text<MAX_NAME_BYTES>,
}

/// What is published.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Publication {
    /// The engine that runs it for ever: what its instructions do and cost.
    pub engine: u16,
    /// The code.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub code: Code,
    /// The manifest.
    pub manifest: Manifest,
}

impl Publication {
    /// The program's id.
    pub fn id(&self) -> ProgramId {
        program_id(self.engine, self.code.digest(), &self.manifest)
    }
}

/// The id of a program: the hash of its engine, its code's digest and its manifest.
pub fn program_id(engine: u16, code: Digest, manifest: &Manifest) -> ProgramId {
    ProgramId(hash_of("utilidor/program", &(engine, code, encode(manifest))).0)
}

/// What a party lets a program reach of its money, by signing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Grant {
    /// The party; each at most once.
    pub party: Party,
    /// The most that the program may hold reserved of the party's money.
    pub reserve: Money,
    /// The most that it may take from the party's free balance.
    pub allowance: Money,
    /// Whether the allowance is for each 30 days, or for all time.
    pub renews: bool,
}

impl Grant {
    /// The most that a program in code can let the party owe.
    pub fn most_owed(&self) -> Money {
        let periods = if self.renews { MAX_OWED_PERIODS } else { 1 };
        let period = self.reserve.0.saturating_add(self.allowance.0);
        MAX_OWED.min(Money(period.saturating_mul(periods)))
    }
}

/// How the ledger sums what a meter brings for a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Metered {
    /// Up to a volume, in the order of signing, before any supply: the program sees the sum. The owner sells it, from the
    /// capacity that it has declared, in equal parts for the hours of the window: whole ones, a month at most.
    Fill(Quantity),
    /// All that nothing else has taken; one agreement at a time. The program is told of segments between the marks that it
    /// sets.
    Rest,
}

/// A meter that a program can reach; it is called by its place in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CodedMeter {
    /// The meter.
    pub meter: MeterId,
    /// What it measures.
    pub carrier: Carrier,
    /// Whose it is.
    pub party: Party,
    /// When it can serve the agreement.
    pub window: Window,
    /// How it is summed.
    pub metered: Metered,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_party_can_owe_is_what_it_grants_in_a_year_of_periods_and_within_the_range_of_money() {
        let most = |reserve, allowance, renews| {
            let (reserve, allowance) = (Money::units(reserve), Money::units(allowance));
            Grant { party: Party::USER, reserve, allowance, renews }.most_owed()
        };
        assert_eq!(most(0, 0, true), Money::ZERO, "who grants nothing owes nothing");
        assert_eq!((most(100, 50, false), most(100, 50, true)), (Money::units(150), Money::units(1_800)));
        assert_eq!(most(10_000_000_000_000, 10_000_000_000_000, true), MAX_OWED);
    }
}
