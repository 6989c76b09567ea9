//! Meters, readings and certificates [M16, M17].
//!
//! A reading is a register value at a time, signed by its meter, or by the gateway for a meter that cannot
//! sign. A reading that the ledger accepts becomes a certificate. The append-only certification log, whose root stands in
//! every header, holds them: an entry is what was certified of one meter at once.

use crate::carrier::Carrier;
use crate::encoding::{Bounded, encode};
use crate::hash::{Digest, hash_of};
use crate::id::{AccountId, CertificateId, ChainId, Label, MeterId};
use crate::key::{PublicKey, Signature};
use crate::ocmf::{MAX_OCMF_BYTES, OcmfError, OcmfRecord};
use crate::quantity::Quantity;
use crate::refusal::Refusal;
use crate::time::{HOUR_MS, Timestamp, Window};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Most runs in one batch of readings.
pub const MAX_RUNS: usize = 2_048;
/// Most readings in one run.
pub const MAX_RUN_READINGS: usize = 96;
/// Most readings in one batch.
pub const MAX_BATCH_READINGS: usize = 2_048;
/// Most bindings of a meter at a time: purchases, substitutes that wait for what the meter brings later, and supplies, ended
/// ones included until the meter has passed their end.
pub const MAX_METER_AGREEMENTS: usize = 16;
/// Longest reason of a correction in bytes.
pub const MAX_REASON_BYTES: usize = 140;
/// The most that a meter can be registered to pass in an hour: 10 TJ or 10,000,000 m3. It keeps exact products within 128 bits.
pub const MAX_CAPACITY_PER_HOUR: Quantity = Quantity(10_000_000_000_000);
/// What a meter signs is signed for this purpose.
pub const READING_NAMESPACE: &[u8] = b"utilidor/reading";

/// Who signs a meter's readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MeterAuthority {
    /// The meter itself.
    Meter(PublicKey),
    /// The account of the gateway that it is wired to: recorded as such.
    Gateway(AccountId),
}

/// A register's value in marks and segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Register {
    /// For everybody to read.
    Clear(Quantity),
}

impl Register {
    /// The value.
    pub const fn quantity(self) -> Quantity {
        match self {
            Self::Clear(quantity) => quantity,
        }
    }
}

/// A meter as it is registered.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Meter {
    /// What its operator calls it.
    pub label: Label,
    /// What it measures.
    pub carrier: Carrier,
    /// The party whose consumption or generation it measures.
    pub holder: AccountId,
    /// Who signs its readings.
    pub authority: MeterAuthority,
    /// The register counts from 0 to this and starts again: its width, in base units.
    pub register_modulus: Quantity,
    /// The most that can pass in an hour, in base units.
    pub capacity_per_hour: Quantity,
    /// The register when it is taken into service.
    pub register: Quantity,
    /// When it is taken into service: the begin of its first interval.
    pub since: Timestamp,
}

impl Meter {
    /// Its id, given the operator that registers it.
    pub fn id(&self, operator: AccountId) -> MeterId {
        MeterId::of(operator, self.label)
    }
}

/// A register value at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Reading {
    /// When the register showed it.
    pub time: Timestamp,
    /// What it showed, in base units.
    pub register: Quantity,
}

/// What a meter's register can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegisterLimits {
    /// It counts from 0 to this and starts again.
    pub modulus: Quantity,
    /// The most that can pass in an hour.
    pub capacity_per_hour: Quantity,
}

impl RegisterLimits {
    /// The most that can pass in a time.
    pub fn most_in(self, ms: u64) -> Quantity {
        let most = u128::from(self.capacity_per_hour.0) * u128::from(ms) / u128::from(HOUR_MS);
        Quantity(u64::try_from(most).unwrap_or(u64::MAX))
    }

    /// What has passed the meter since its last reading. Order: register's width, replay, order, future, register's way back,
    /// capacity.
    pub fn passed(self, last: Reading, reading: Reading, now: Timestamp) -> Result<Quantity, Refusal> {
        let Reading { time, register } = reading;
        let modulus = self.modulus;
        if register >= modulus {
            return Err(Refusal::RegisterTooWide { register, modulus });
        }
        if reading == last {
            return Err(Refusal::Replayed { time });
        }
        if time <= last.time {
            return Err(Refusal::OutOfOrder { last: last.time, time });
        }
        if time > now {
            return Err(Refusal::FromFuture { time, now });
        }
        let most = self.most_in(time.0 - last.time.0);
        let rolled_over = register < last.register;
        let quantity = match rolled_over {
            // What was registered, or read of another device, can be more than the register's width.
            true => Quantity(modulus.0.saturating_sub(last.register.0).saturating_add(register.0)),
            false => Quantity(register.0 - last.register.0),
        };
        if quantity > most {
            return Err(match rolled_over {
                true => Refusal::WentBack { last: last.register, register },
                false => Refusal::BeyondCapacity { quantity, most },
            });
        }
        Ok(quantity)
    }
}

/// A meter's own signature.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MeterSignature {
    /// Over a run of readings, in this platform's own format.
    Run {
        /// The meter's key; the ledger checks that it is the registered one.
        key: PublicKey,
        /// Its signature over [`run_message`].
        signature: Signature,
    },
    /// In a public format: the run is what the record says, reading by reading. The certification log keeps the record.
    Ocmf(SignedRecord),
}

/// A record that a device has signed, with the device's key.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SignedRecord {
    /// The meter's key; the ledger checks that it is the registered one.
    pub key: PublicKey,
    /// The record, byte for byte.
    pub record: OcmfRecord,
}

impl SignedRecord {
    /// Stands for the device and its register: key, serial number and OBIS code.
    pub fn device(&self) -> Result<Digest, OcmfError> {
        let contents = self.record.read()?;
        Ok(hash_of("utilidor/device", &(self.key, contents.serial, contents.register)))
    }

    /// Whether the key has signed the record, and the record says just these readings.
    pub fn says(&self, readings: &[Reading]) -> Result<(), OcmfError> {
        let contents = self.record.verify(&self.key)?;
        if *contents.readings == *readings { Ok(()) } else { Err(OcmfError::OtherReadings) }
    }

    /// Whether the key has signed the record, and the record says these readings among others.
    pub fn holds(&self, readings: impl Iterator<Item = Reading>) -> Result<(), OcmfError> {
        let contents = self.record.verify(&self.key)?;
        let mut said = contents.readings.iter();
        for reading in readings {
            if !said.any(|other| *other == reading) {
                return Err(OcmfError::OtherReadings);
            }
        }
        Ok(())
    }
}

impl MeterSignature {
    /// The key that signed.
    pub const fn key(&self) -> &PublicKey {
        match self {
            Self::Run { key, .. } => key,
            Self::Ocmf(signed) => &signed.key,
        }
    }
}

/// Readings of one meter, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct MeterRun {
    /// The meter.
    pub meter: MeterId,
    /// The readings.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<Reading>))]
    pub readings: Bounded<Reading, MAX_RUN_READINGS>,
    /// The meter's signature; none where the gateway, who signs the transaction, answers for the meter.
    pub signature: Option<MeterSignature>,
}

/// The register of a device that stands in its meter's place `since` a time, after a correction of an interval that ends with its
/// last reading. Of what more or less has passed, the share of the time before the device was there was shown by the one before it.
pub fn corrected_register(
    register: Quantity,
    (since, modulus): (Timestamp, Quantity),
    interval: Window,
    [certified, right]: [Quantity; 2],
) -> Quantity {
    let difference = Quantity(certified.0.abs_diff(right.0));
    let before = since.0.saturating_sub(interval.from.0);
    let of_others = if before < interval.ms() { difference.share_floor(before, interval.ms()) } else { difference };
    let (register, modulus) = (u128::from(register.0), u128::from(modulus.0.max(1)));
    let moved = u128::from(difference.saturating_sub(of_others).0) % modulus;
    let register = if right >= certified { register + moved } else { register + modulus - moved };
    Quantity((register % modulus) as u64)
}

/// What a meter signs: chain, meter and readings.
pub fn run_message(chain: ChainId, meter: MeterId, readings: &Bounded<Reading, MAX_RUN_READINGS>) -> Vec<u8> {
    encode(&(chain, meter, readings))
}

/// A certified reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Certificate {
    /// The unique trading id: how many readings were certified before it.
    pub id: CertificateId,
    /// The meter.
    pub meter: MeterId,
    /// The interval since the meter's reading before.
    pub interval: Window,
    /// The register at the interval's end.
    pub register: Quantity,
    /// What passed in the interval.
    pub quantity: Quantity,
}

/// An entry of the certification log.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CertificationEntry {
    /// Readings of one meter that were certified together.
    Run(CertifiedRun),
    /// The same, with the record in which their device has signed them.
    Ocmf {
        /// The readings.
        run: CertifiedRun,
        /// The record.
        signed: SignedRecord,
    },
}

impl CertificationEntry {
    /// The run.
    pub const fn run(&self) -> &CertifiedRun {
        match self {
            Self::Run(run) | Self::Ocmf { run, .. } => run,
        }
    }

    /// The record in which the device has signed the readings, if it has.
    pub const fn signed(&self) -> Option<&SignedRecord> {
        match self {
            Self::Run(_) => None,
            Self::Ocmf { signed, .. } => Some(signed),
        }
    }

    /// Whether the device's record, if there is one, is signed by the key beside it and says what was certified.
    pub fn check(&self) -> Result<(), OcmfError> {
        match self {
            Self::Run(_) => Ok(()),
            Self::Ocmf { run, signed } => signed.holds(run.readings.iter().map(|certified| certified.reading)),
        }
    }
}

/// Readings of one meter that were certified together. Their ids and intervals follow each other. What they count for is
/// settled later, at the meter's marks.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CertifiedRun {
    /// Id of the first; the others follow.
    pub first: CertificateId,
    /// The meter.
    pub meter: MeterId,
    /// Where the first interval begins.
    pub from: Timestamp,
    /// The readings, oldest first.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<CertifiedReading>))]
    pub readings: Bounded<CertifiedReading, MAX_RUN_READINGS>,
}

/// A reading in a certified run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CertifiedReading {
    /// The reading: the end of the interval since the one before it.
    pub reading: Reading,
    /// What passed in the interval.
    pub quantity: Quantity,
}

/// The longest encoding of an entry of the certification log in bytes.
pub const MAX_CERTIFICATION_ENTRY_BYTES: usize =
    1 + 8 + 16 + 8 + 2 + MAX_RUN_READINGS * (16 + 8) + 1 + 33 + 2 + MAX_OCMF_BYTES;

impl CertifiedRun {
    /// Id of what is certified next.
    pub fn end(&self) -> CertificateId {
        CertificateId(self.first.0.saturating_add(self.readings.len() as u64))
    }

    /// All its intervals together.
    pub fn interval(&self) -> Window {
        Window { from: self.from, to: self.readings.last().map_or(self.from, |last| last.reading.time) }
    }

    /// The certificates, by rising id.
    pub fn certificates(&self) -> impl Iterator<Item = Certificate> {
        let ids = self.first.0..self.end().0;
        let begins = std::iter::once(self.from).chain(self.readings.iter().map(|certified| certified.reading.time));
        ids.zip(begins).zip(self.readings.iter()).map(|((id, from), certified)| Certificate {
            id: CertificateId(id),
            meter: self.meter,
            interval: Window { from, to: certified.reading.time },
            register: certified.reading.register,
            quantity: certified.quantity,
        })
    }
}
