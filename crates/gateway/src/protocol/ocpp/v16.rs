//! OCPP 1.6: the fields that are read of its messages.
//!
//! A transaction's begin and end are calls of their own, with a counter in whole watt-hours. Values are texts; a signed one stands in place of
//! a number.

use super::{MeterValue, Said, Shown, ShownValue, invalid, is, is_register, register, signed, time, values};
use crate::number::{Number, Unit};
use crate::protocol::Refused;
use crate::protocol::json::{decimal, no_decimal, no_json};
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MeterValues<'a> {
    connector_id: u32,
    #[serde(borrow)]
    meter_value: Vec<MeterValue<SampledValue<'a>>>,
}

#[derive(Deserialize)]
struct SampledValue<'a> {
    // By the standard a text; some stations send a number.
    #[serde(borrow)]
    value: &'a RawValue,
    #[serde(default)]
    format: Option<String>,
    #[serde(default)]
    measurand: Option<String>,
    #[serde(default)]
    phase: Option<String>,
    #[serde(default)]
    location: Option<String>,
    #[serde(default)]
    unit: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Authorize {
    #[serde(default)]
    id_tag: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StartTransaction {
    connector_id: u32,
    // Whoever says nobody's is refused; what flows counts all the same.
    #[serde(default)]
    id_tag: String,
    meter_start: i64,
    timestamp: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StopTransaction<'a> {
    transaction_id: i64,
    meter_stop: i64,
    timestamp: String,
    #[serde(borrow, default)]
    transaction_data: Vec<MeterValue<SampledValue<'a>>>,
}

/// What a call of this name and payload says; none if it is not known.
pub(super) fn said(action: &str, payload: &str) -> Result<Option<Said>, Refused> {
    let fields = |error| invalid(action, no_json(&error));
    Ok(Some(match action {
        "Authorize" => Said::Authorize { token: serde_json::from_str::<Authorize>(payload).map_err(fields)?.id_tag },
        "StatusNotification" | "DiagnosticsStatusNotification" | "FirmwareStatusNotification" => Said::Other,
        "StartTransaction" => {
            let start: StartTransaction = serde_json::from_str(payload).map_err(fields)?;
            let shown = counter(start.connector_id, &start.timestamp, start.meter_start)?;
            Said::Start { token: start.id_tag, shown }
        }
        "StopTransaction" => {
            let stop: StopTransaction<'_> = serde_json::from_str(payload).map_err(fields)?;
            let end = counter(0, &stop.timestamp, stop.meter_stop)?;
            Said::Stop { transaction: stop.transaction_id, end, values: values(0, &stop.transaction_data, shown_in)? }
        }
        "MeterValues" => {
            let told: MeterValues<'_> = serde_json::from_str(payload).map_err(fields)?;
            Said::Values(values(told.connector_id, &told.meter_value, shown_in)?)
        }
        _ => return Ok(None),
    }))
}

fn counter(connector: u32, timestamp: &str, watt_hours: i64) -> Result<Shown, Refused> {
    let value = ShownValue::Register { number: Number::whole(watt_hours), unit: Unit::WattHour };
    Ok(Shown { connector, time_ms: time(timestamp)?, value })
}

/// What a sampled value is, if it is a register or signed.
fn shown_in(sampled: &SampledValue<'_>) -> Result<Option<ShownValue>, Refused> {
    let raw = sampled.value.get();
    let text = match raw.starts_with('"') {
        true => match serde_json::from_str(raw) {
            Ok(text) => text,
            Err(_) => return Ok(None),
        },
        false => raw.to_string(),
    };
    if text.starts_with("OCMF|") || !is(sampled.format.as_deref(), "Raw") {
        return Ok(Some(ShownValue::Signed(signed(text))));
    }
    let (measurand, location) = (sampled.measurand.as_deref(), sampled.location.as_deref());
    if !is_register(measurand, location, sampled.phase.as_deref()) {
        return Ok(None);
    }
    let number = decimal(&text).ok_or_else(|| no_decimal(&text));
    Ok(Some(register(sampled.unit.as_deref(), number)))
}
