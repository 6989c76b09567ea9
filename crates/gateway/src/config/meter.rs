//! Meters: which register of which device on which bus.

use super::ConfigError;
use super::bus::Bus;
use super::unit::UnitAddress;
use crate::profile::{Profile, Profiles, Ratio, Side};
use crate::reason::{Reason, reason};
use serde::Deserialize;
use std::fmt;
use std::sync::Arc;
use utilidor_types::{Carrier, MeterId};

/// A meter and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meter {
    /// Its id on the ledger.
    pub id: MeterId,
    /// The name of its bus.
    pub bus: String,
    /// Its address there.
    pub unit: UnitAddress,
    /// The topic that its collector publishes on, or the station and the connector that it is at.
    pub topic: Option<String>,
    /// What it measures.
    pub carrier: Carrier,
    /// How it is read: one for all meters of its kind.
    pub profile: Arc<Profile>,
    /// The transformers before it.
    pub ratio: Ratio,
}

impl Meter {
    /// Its address on its bus, as it stands in the configuration.
    pub fn address(&self) -> String {
        self.topic.clone().unwrap_or_else(|| self.unit.to_string())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenMeter {
    id: String,
    pub(super) bus: String,
    unit: String,
    #[serde(default)]
    carrier: Option<String>,
    profile: String,
    #[serde(default)]
    ratio: Option<Ratio>,
}

/// Reads a meter on its bus.
pub(super) fn read_meter(
    place: usize,
    meter: WrittenMeter,
    bus: &Bus,
    profiles: &Profiles,
) -> Result<Meter, ConfigError> {
    let value = |field: &str, reason| ConfigError::Value { place: format!("meter[{place}].{field}"), reason };
    let id: MeterId = meter.id.parse().map_err(|_| value("id", no_id(&meter.id)))?;
    let Some(profile) = profiles.get(&meter.profile) else {
        let known = profiles.iter().map(|profile| profile.name.as_str()).collect::<Vec<_>>().join(", ");
        let reason = reason!(
            "no profile is called {:?}; there are {known}",
            "没有名为 {:?} 的设备档案；现有 {known}",
            meter.profile
        );
        return Err(value("profile", reason));
    };
    let (name, bus_name, speaks) = (&profile.name, &bus.name, bus.protocol);
    if profile.register.protocol() != bus.protocol.protocol() {
        let reason = reason!(
            "{name} is for {}, bus {bus_name} speaks {speaks}",
            "{name} 用于 {}，总线 {bus_name} 使用 {speaks}",
            profile.register.protocol()
        );
        return Err(value("profile", reason));
    }
    let unit = UnitAddress::read(bus.protocol, &meter.unit).map_err(|reason| value("unit", reason))?;
    let carrier = meter.carrier.map(|carrier| carrier.parse::<Carrier>()).transpose();
    let carrier = carrier.map_err(|error| value("carrier", no_carrier(&error)))?;
    let carrier = match (carrier, profile.carrier) {
        (Some(carrier), Some(other)) if carrier != other => {
            let reason = reason!("{name} measures {other}, not {carrier}", "{name} 计量 {other}，不计量 {carrier}");
            return Err(value("carrier", reason));
        }
        (Some(carrier), _) | (None, Some(carrier)) => carrier,
        (None, None) => {
            let reason = reason!("{name} does not say what the meter measures", "{name} 没有说明表计计量什么");
            return Err(value("carrier", reason));
        }
    };
    let ratio = meter.ratio.unwrap_or_default();
    if ratio.factor() == 0 {
        return Err(value("ratio", reason!("a transformer's ratio is at least 1", "互感器变比至少为 1")));
    }
    // A device that reckons its transformers in by itself would have them reckoned in twice.
    if profile.side == Side::Primary && ratio.factor() != 1 {
        let reason = reason!(
            "{name} shows what flows: its device has reckoned the transformers in already",
            "{name} 显示一次侧电量：设备已计入互感器变比"
        );
        return Err(value("ratio", reason));
    }
    profile.measures(carrier).map_err(|(_, reason)| value("profile", reason))?;
    let topic = (unit == UnitAddress::Topic).then_some(meter.unit);
    Ok(Meter { id, bus: meter.bus, unit, topic, carrier, profile: profile.clone(), ratio })
}

/// A text that is no meter's id.
pub(super) fn no_id(text: &str) -> Reason {
    reason!("{text:?} is no meter: an id has 32 hex digits", "“{text}”不是表计：标识有 32 位十六进制数字")
}

/// A text that names no carrier.
pub(crate) fn no_carrier(error: &impl fmt::Display) -> Reason {
    let names = Carrier::ALL.map(|carrier| carrier.to_string()).join(", ");
    reason!("{error}", "没有这样的能源；有 {names}")
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use std::path::Path;

    #[test]
    fn no_register_is_counted_for_two_meters() {
        let meter = |number: u32, bus: &str, unit: &str, profile: &str| {
            format!(
                "[[meter]]\nid = \"{number:032x}\"\nbus = \"{bus}\"\nunit = \"{unit}\"\ncarrier = \"water\"\nprofile = \
                 \"{profile}\"\n"
            )
        };
        let site = "[site]\nkey = \"g\"\n\
            [[bus]]\nname = \"m\"\nprotocol = \"mbus\"\naddress = \"h:1\"\n\
            [[bus]]\nname = \"q\"\nprotocol = \"mqtt\"\naddress = \"h:1883\"\n\
            [[bus]]\nname = \"r\"\nprotocol = \"mqtt\"\naddress = \"h:1883\"\n\
            [[bus]]\nname = \"c\"\nprotocol = \"cjt188\"\naddress = \"h:2\"\n\
            [[bus]]\nname = \"t\"\nprotocol = \"modbus-tcp\"\naddress = \"h:502\"\n\
            [[profile]]\nname = \"a\"\nprotocol = \"json\"\njson = { value = \"/v\", time = \"/t\", step = \"1m3\" }\n\
            [[profile]]\nname = \"b\"\nprotocol = \"json\"\njson = { value = \"/v\", time = \"/u\", step = \"1L\" }\n\
            [[profile]]\nname = \"other\"\nprotocol = \"json\"\njson = { value = \"/w\", time = \"/t\", step = \"1m3\" }\n\
            [[profile]]\nname = \"x\"\nregister = { address = 1, function = 3, type = \"u16\", step = \"1m3\" }\n\
            [[profile]]\nname = \"y\"\nregister = { address = 1, function = 3, type = \"i16\", step = \"1L\" }\n";
        let read = |one: &str, other: &str| Config::read(&format!("{site}{one}{other}"), Path::new(""));
        for (one, other) in [
            (meter(1, "q", "t/1", "a"), meter(2, "q", "t/1", "a")),
            (meter(1, "q", "t/1", "a"), meter(2, "q", "t/1", "b")),
            (meter(1, "q", "t/1", "a"), meter(2, "r", "t/1", "a")),
            (meter(1, "c", "1", "cjt188"), meter(2, "c", "00000000000001", "cjt188-unit-after")),
            (meter(1, "t", "1", "x"), meter(2, "t", "1", "y")),
            (meter(1, "m", "12345678", "mbus"), meter(2, "m", "1234567824400107", "mbus")),
        ] {
            let error = read(&one, &other).unwrap_err().to_string();
            assert!(error.starts_with("meter[1].unit: "), "{error}");
        }
        for (one, other) in [
            (meter(1, "q", "t/1", "a"), meter(2, "q", "t/1", "other")),
            (meter(1, "m", "1234567824400106", "mbus"), meter(2, "m", "1234567824400107", "mbus")),
        ] {
            assert!(read(&one, &other).is_ok(), "{other}");
        }
    }
}
