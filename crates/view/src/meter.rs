//! Meters and the certificates of their readings. What else receipts say of a meter (segments between its marks, gaps,
//! corrections) are events.

use serde::{Deserialize, Serialize};
use utilidor_types::meter::SignedRecord;
use utilidor_types::{AccountId, Carrier, Certificate, MeterAuthority, MeterId, Quantity, Timestamp};

/// A meter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct MeterView {
    /// The meter.
    pub meter: MeterId,
    /// Who registered it.
    pub operator: AccountId,
    /// What it measures.
    pub carrier: Carrier,
    /// Whose consumption or generation it measures.
    pub holder: AccountId,
    /// Who signs its readings.
    pub authority: MeterAuthority,
    /// The register counts from 0 to this and starts again.
    pub register_modulus: Quantity,
    /// The most that can pass in an hour.
    pub capacity_per_hour: Quantity,
    /// The register at the last certified reading.
    pub register: Quantity,
    /// Time of the last certified reading.
    pub read_ms: Timestamp,
    /// When it was taken into service.
    pub since_ms: Timestamp,
    /// Devices so far: one more than exchanges.
    pub devices: u32,
    /// Readings certified.
    pub certificates: u64,
    /// Intervals in which readings are missing.
    pub gaps: u32,
    /// Corrections of what was certified.
    pub corrections: u32,
    /// Whether it is out of service.
    pub retired: bool,
}

/// A certified reading with the block that certified it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CertificateView {
    /// The certificate.
    pub certificate: Certificate,
    /// Height of the block that certified it.
    pub height: u64,
    /// Who has signed it.
    pub signed_by: SignedBy,
    /// The record in which the device has signed the reading, byte for byte, and the device's key; none where it was signed in
    /// this platform's own way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<SignedRecord>,
}

/// Who has signed a reading, at the time when it was certified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SignedBy {
    /// Its device, in a record.
    Device,
    /// The meter, in this platform's way.
    Meter,
    /// The gateway in its place.
    Gateway,
    /// The operator, as it put another device in its place.
    Operator,
}

impl SignedBy {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Device, Self::Meter, Self::Gateway, Self::Operator];
}

/// Which meters are wanted; what is absent does not restrict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
pub struct MeterFilter {
    /// Whose consumption or generation they measure: an account in hex.
    #[cfg_attr(feature = "schema", param(inline))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<AccountId>,
}

/// A stretch of time; what is absent does not restrict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
pub struct TimeFilter {
    /// Intervals that end after this time.
    #[cfg_attr(feature = "schema", param(inline))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_ms: Option<Timestamp>,
    /// Intervals that begin before this time.
    #[cfg_attr(feature = "schema", param(inline))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_ms: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_signs_readings_is_stored_by_its_place_among_all() {
        assert_eq!(SignedBy::ALL.map(|by| by as usize), [0, 1, 2, 3]);
        let names = SignedBy::ALL.map(|by| serde_json::to_string(&by).unwrap());
        assert_eq!(names, ["\"device\"", "\"meter\"", "\"gateway\"", "\"operator\""], "the read model's layout");
    }
}
