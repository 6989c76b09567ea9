//! OCPP 2.0.1: the fields that are read of its messages.
//!
//! A transaction is told by `TransactionEvent`, under a name that the station gives it. Numbers are JSON numbers whose digits count;
//! units have a power of ten. What a device has signed stands beside its number, as text in base64.

use super::{MAX_ID, MeterValue, Said, ShownValue, invalid, is_register, register, signed, time, values};
use crate::protocol::Refused;
use crate::protocol::json::{decimal, no_json};
use crate::reason::sentence;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Largest power of ten of a unit, either way.
const MAX_POWER: i8 = 9;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Authorize {
    id_token: IdToken,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IdToken {
    id_token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MeterValues<'a> {
    evse_id: u32,
    #[serde(borrow)]
    meter_value: Vec<MeterValue<SampledValue<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SampledValue<'a> {
    #[serde(borrow)]
    value: &'a RawValue,
    #[serde(default)]
    measurand: Option<String>,
    #[serde(default)]
    phase: Option<String>,
    #[serde(default)]
    location: Option<String>,
    #[serde(default)]
    unit_of_measure: Option<UnitOfMeasure>,
    #[serde(default)]
    signed_meter_value: Option<SignedMeterValue>,
}

#[derive(Deserialize)]
struct UnitOfMeasure {
    #[serde(default)]
    unit: Option<String>,
    #[serde(default)]
    multiplier: i8,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignedMeterValue {
    signed_meter_data: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TransactionEvent<'a> {
    event_type: EventType,
    timestamp: String,
    transaction_info: TransactionInfo,
    #[serde(default)]
    evse: Option<Evse>,
    #[serde(default)]
    id_token: Option<IdToken>,
    #[serde(borrow, default)]
    meter_value: Vec<MeterValue<SampledValue<'a>>>,
}

#[derive(Deserialize, PartialEq)]
enum EventType {
    Started,
    Updated,
    Ended,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TransactionInfo {
    transaction_id: String,
}

#[derive(Deserialize)]
struct Evse {
    id: u32,
}

/// What a call of this name and payload says; none if it is not known.
pub(super) fn said(action: &str, payload: &str) -> Result<Option<Said>, Refused> {
    let fields = |error| invalid(action, no_json(&error));
    Ok(Some(match action {
        "Authorize" => {
            let authorize: Authorize = serde_json::from_str(payload).map_err(fields)?;
            Said::Authorize { token: authorize.id_token.id_token }
        }
        "StatusNotification"
        | "SecurityEventNotification"
        | "FirmwareStatusNotification"
        | "LogStatusNotification"
        | "NotifyEvent" => Said::Other,
        "MeterValues" => {
            let told: MeterValues<'_> = serde_json::from_str(payload).map_err(fields)?;
            Said::Values(values(told.evse_id, &told.meter_value, shown_in)?)
        }
        "TransactionEvent" => {
            let event: TransactionEvent<'_> = serde_json::from_str(payload).map_err(fields)?;
            // Each value has its own time; the event's is checked all the same.
            time(&event.timestamp)?;
            let transaction = event.transaction_info.transaction_id;
            if transaction.is_empty() || transaction.len() > MAX_ID {
                let count = transaction.len();
                let reason = sentence!(
                    "it has {count} characters: write 1 to {MAX_ID}",
                    "有 {count} 个字符：应为 1 至 {MAX_ID} 个"
                );
                return Err(invalid("transactionId", reason));
            }
            let connector = event.evse.map(|evse| evse.id);
            Said::Event {
                transaction,
                connector,
                begins: event.event_type == EventType::Started,
                token: event.id_token.map(|token| token.id_token),
                values: values(connector.unwrap_or_default(), &event.meter_value, shown_in)?,
            }
        }
        "NotifyReport" | "NotifyMonitoringReport" | "NotifyCustomerInformation" | "NotifyDisplayMessages" => {
            Said::Unasked { action: action.into() }
        }
        _ => return Ok(None),
    }))
}

/// What a sampled value is: signed, a register, or both.
fn shown_in(sampled: &SampledValue<'_>) -> Result<impl Iterator<Item = ShownValue> + use<>, Refused> {
    Ok(signature(sampled)?.into_iter().chain(register_in(sampled)))
}

/// What the device has signed: in base64 by the standard; some send the document of 1.6, or the record as it is.
fn signature(sampled: &SampledValue<'_>) -> Result<Option<ShownValue>, Refused> {
    let Some(value) = &sampled.signed_meter_value else { return Ok(None) };
    let data = &value.signed_meter_data;
    // A device that signs only ends and begins sends nothing in between.
    if data.is_empty() {
        return Ok(None);
    }
    let text = if data.starts_with("OCMF|") {
        data.clone()
    } else {
        let bytes = BASE64_STANDARD
            .decode(data)
            .map_err(|error| invalid("signedMeterData", sentence!("{error}", "不是 Base64")))?;
        String::from_utf8(bytes).map_err(|error| invalid("signedMeterData", sentence!("{error}", "不是 UTF-8 文本")))?
    };
    Ok(Some(ShownValue::Signed(signed(text))))
}

/// The register, if the value is one.
fn register_in(sampled: &SampledValue<'_>) -> Option<ShownValue> {
    let (measurand, location) = (sampled.measurand.as_deref(), sampled.location.as_deref());
    if !is_register(measurand, location, sampled.phase.as_deref()) {
        return None;
    }
    let (unit, power) =
        sampled.unit_of_measure.as_ref().map_or((None, 0), |unit| (unit.unit.as_deref(), unit.multiplier));
    let text = sampled.value.get();
    let number = decimal(text).filter(|_| (-MAX_POWER..=MAX_POWER).contains(&power));
    let number = number.and_then(|number| number.times_ten_to(power));
    Some(register(
        unit,
        number.ok_or_else(|| {
            sentence!("{text} times ten to {power} is no decimal number", "{text} 乘以 10 的 {power} 次方不是十进制数")
        }),
    ))
}

#[cfg(test)]
mod tests {
    use super::super::{Answering, Version, answer, call, decode, refusal};

    fn event(fields: &str) -> String {
        format!(
            "[2,\"1\",\"TransactionEvent\",{{\"eventType\":\"Started\",\"timestamp\":\"2024-05-01T10:00:00Z\",\"triggerReason\":\
             \"Authorized\",\"seqNo\":0,\"transactionInfo\":{{\"transactionId\":\"a\"}}{fields}}}]"
        )
    }

    #[test]
    fn numbers_are_their_digits_times_their_power_of_ten() {
        for (value, unit, expected) in [
            ("12.5", "", "forward_active_energy=12.5 Wh"),
            ("12.5", ",\"unitOfMeasure\":{\"unit\":\"Wh\",\"multiplier\":3}", "forward_active_energy=12500 Wh"),
            ("1.25E1", ",\"unitOfMeasure\":{\"unit\":\"kWh\"}", "forward_active_energy=12.5 kWh"),
            ("1", ",\"unitOfMeasure\":{\"unit\":\"varh\"}", "invalid"),
            ("1", ",\"unitOfMeasure\":{\"multiplier\":99}", "invalid"),
        ] {
            let fields = format!(
                ",\"evse\":{{\"id\":1}},\"meterValue\":[{{\"timestamp\":\"2024-05-01T10:00:00Z\",\"sampledValue\":[{{\"value\":\
                 {value}{unit}}},{{\"value\":1,\"measurand\":\"Power.Active.Import\"}}]}}]"
            );
            let telegram = decode(event(&fields).as_bytes()).unwrap();
            let shown: Vec<_> =
                telegram.records.iter().map(|record| format!("{}={}", record.what, record.content)).collect();
            assert_eq!(shown.len(), 2, "{shown:?}");
            assert!(shown[1].contains(expected), "{shown:?}");
        }
    }

    #[test]
    fn what_is_not_as_the_standard_writes_it_is_refused_with_the_calls_own_id() {
        for text in [
            "[2,\"1\",\"Authorize\",{}]".to_owned(),
            "[2,\"1\",\"MeterValues\",{\"connectorId\":1,\"meterValue\":[]}]".into(),
            event("").replace("Started", "Begun"),
            event("").replace("\"a\"", "\"\""),
            event("").replace("\"a\"", &format!("\"{}\"", "a".repeat(37))),
            event("").replace("{\"transactionId\":\"a\"}", "{\"transactionId\":\"a\",\"transactionId\":\"b\"}"),
            event(",\"meterValue\":[{\"timestamp\":\"soon\",\"sampledValue\":[]}]"),
        ] {
            let refused = call(&text, Version::V201).unwrap_err();
            let answer = refusal(&text, Version::V201, &refused).unwrap();
            assert!(answer.starts_with("[4,\"1\",\"FormatViolation\","), "{answer}");
        }
        let told = call("[2,\"1\",\"NotifyReport\",{}]", Version::V201).unwrap().unwrap();
        let knows = Answering { now_ms: 0, interval_ms: 60_000, transaction: 0, is_known: true };
        assert!(answer(&told, Version::V201, knows).starts_with("[4,\"1\",\"NotSupported\","));
        assert!(call(&event(""), Version::V201).unwrap().is_some());
    }
}
