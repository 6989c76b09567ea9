//! What flowed, hour by hour, day by day or month by month, with what is not known marked.

use serde::{Deserialize, Serialize};
use utilidor_types::{Carrier, MeterId, Quantity, Timestamp};

/// How long the steps of a series are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// An hour.
    #[default]
    Hour,
    /// A day of the offset's calendar.
    Day,
    /// A month of the offset's calendar.
    Month,
}

/// How well a step is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Known {
    /// Readings say it; nothing flowed if it is zero.
    Measured,
    /// Readings are missing within it: a longer interval reaches across it, and has its share of time.
    Spread,
    /// No reading covers all of it: what is there is a part, or nothing.
    Missing,
}

/// A step of a series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SeriesPoint {
    /// Its begin.
    pub from_ms: Timestamp,
    /// Its end.
    pub to_ms: Timestamp,
    /// What flowed, as far as readings say.
    pub quantity: Quantity,
    /// How well that is known.
    pub known: Known,
    /// Whether a statement has settled some of it by a substitute rule.
    pub substituted: bool,
    /// Whether a correction has changed what was certified.
    pub corrected: bool,
}

/// What flowed through meters of one carrier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SeriesView {
    /// The carrier.
    pub carrier: Carrier,
    /// How long the steps are.
    pub step: Step,
    /// The fixed offset from UTC by which days and months begin, in minutes.
    pub offset_minutes: i16,
    /// The meters that it adds up.
    pub meters: Vec<MeterId>,
    /// The steps, oldest first, without a hole: those of which nothing is known are marked.
    pub points: Vec<SeriesPoint>,
    /// What all of them come to.
    pub total: Quantity,
}

/// Which part of a series is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
pub struct SeriesQuery {
    /// How long the steps are: `hour` (unless given), `day` or `month`.
    #[cfg_attr(feature = "schema", param(inline))]
    #[serde(default)]
    pub step: Step,
    /// From this time on; unless given, so much before the end as is usual for the step: 2 days, 31 days, 12 months.
    #[cfg_attr(feature = "schema", param(inline))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_ms: Option<Timestamp>,
    /// Before this time; unless given, the time of the last block.
    #[cfg_attr(feature = "schema", param(inline))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_ms: Option<Timestamp>,
    /// The fixed offset from UTC in minutes; unless given, that of the tariff that the meters are charged by, or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset_minutes: Option<i16>,
}
