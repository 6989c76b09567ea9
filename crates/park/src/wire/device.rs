//! The park's meters as devices on buses: what their displays show, and the configuration of the gateway that reads them.

use super::{JOURNAL_FILE, TIMEOUT};
use crate::meters::{ParkMeter, ROLLS_OVER, tenant_meter};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use tokio::net::TcpListener;
use utilidor_gateway::kept::Registration;
use utilidor_types::{Carrier, carrier::BaseUnit, quantity::JOULES_PER_WATT_HOUR};

/// Steps at which a device with eight decimal digits starts again.
const EIGHT_DIGITS: u64 = 100_000_000;
/// The same for the 32 bits of a meter of generation or of a contract.
const BITS_32: u64 = 1 << 32;
/// Millilitres in the hundredth of a cubic metre that such devices count in.
const VOLUME_STEP: u64 = 10_000;
/// How a configuration calls the protocol of collectors that publish.
pub(super) const MQTT: &str = "mqtt";
/// The meter whose device has been in use before: its digits end in the first day's fifteenth hour.
const DIGITS_END: (&str, Carrier) = ("hotel", Carrier::HotWater);
const DIGITS_END_HOUR: usize = 14;
/// A meter as it hangs on its bus.
pub(super) struct Wired {
    pub(super) meter: ParkMeter,
    pub(super) protocol: &'static str,
    /// Base units of a step of its display.
    pub(super) step: u64,
    /// Base units at which its display starts again.
    pub(super) width: u64,
    /// What its display is ahead of the ledger's register.
    pub(super) ahead: u64,
    /// What its display showed last, and the ledger's register then, in whole steps.
    pub(super) last: (u64, u64),
    /// Whether its second device hangs there.
    pub(super) is_exchanged: bool,
}

impl Wired {
    /// `has_broker` says whether there is one that water's collectors can publish to.
    pub(super) fn new(meter: ParkMeter, has_broker: bool) -> Self {
        let (protocol, step, steps) = match meter.carrier.base_unit() {
            _ if meter.carrier == Carrier::Water && has_broker => (MQTT, VOLUME_STEP, EIGHT_DIGITS),
            _ if meter.carrier == Carrier::Electricity && meter.tenant.is_none() => {
                ("modbus-tcp", JOULES_PER_WATT_HOUR, BITS_32)
            }
            _ if meter.carrier == Carrier::Electricity => {
                ("dlt645", 10 * JOULES_PER_WATT_HOUR * u64::from(ratio(&meter)), EIGHT_DIGITS)
            }
            BaseUnit::Joule => ("cjt188", 10 * JOULES_PER_WATT_HOUR, EIGHT_DIGITS),
            BaseUnit::Millilitre => ("cjt188", VOLUME_STEP, EIGHT_DIGITS),
        };
        let width = step * steps;
        let ahead = if meter.label == tenant_meter(DIGITS_END.0, DIGITS_END.1) {
            let then = meter.register_at_end(DIGITS_END_HOUR);
            width - (then - then % step)
        } else {
            0
        };
        let first = meter.first_register - meter.first_register % step;
        let last = ((first + ahead) % width, first);
        Self { meter, protocol, step, width, ahead, last, is_exchanged: false }
    }

    /// The register on the ledger of what the display shows at the end of an hour.
    pub(super) fn complete(&mut self, display: u64, hour: usize) -> u64 {
        let (before, register) = self.last;
        let passed = (display + self.width - before) % self.width;
        self.last = (display, (register + passed) % self.meter.modulus);
        self.last.1 + self.meter.register_at_end(hour) % self.step
    }

    /// What its collector publishes under.
    pub(super) fn topic(&self) -> String {
        format!("park/{}", self.meter.label)
    }

    /// What the gateway knows of it beforehand.
    pub(super) fn registration(&self, at_ms: u64) -> Registration {
        Registration {
            modulus: self.width,
            capacity_per_hour: self.meter.capacity_per_hour(),
            last_ms: at_ms,
            register: self.last.0,
            devices: 1 + u32::from(self.is_exchanged),
            key: None,
        }
    }
}

/// The transformers before a meter. The one whose register rolls over in January has such that its digits end there.
fn ratio(meter: &ParkMeter) -> u32 {
    if meter.label == tenant_meter(ROLLS_OVER, Carrier::Electricity) { 10 } else { 1 }
}

/// The bus that a meter hangs on: several a carrier, so that many are read at once.
pub(super) fn bus(meter: &ParkMeter) -> String {
    const BUSES: usize = 7;
    match meter.tenant {
        None if meter.carrier == Carrier::Electricity => "roofs".into(),
        None => format!("{}-contracts", meter.carrier),
        Some(tenant) => format!("{}-{}", meter.carrier, tenant % BUSES + 1),
    }
}

/// What a collector publishes of a display that shows so many steps at a time.
pub(super) fn document(steps: u64, time_ms: u64) -> String {
    format!("{{\"count\":{steps},\"ts\":{time_ms}}}")
}

/// The gateway's configuration, as one would write it.
pub(super) fn configuration(
    meters: &[Wired],
    listeners: &BTreeMap<String, (TcpListener, &'static str)>,
    broker: Option<&str>,
) -> Result<String, std::io::Error> {
    let mut text = format!(
        "# The gateway of the demonstration's meters. Its ports are those of the run that wrote this.\n\n[site]\nkey = \
         \"gateway\"\ninterval = \"1h\"\njournal = \"{JOURNAL_FILE}\"\n\n[[profile]]\nname = \"roof\"\ncarrier = \
         \"electricity\"\nregister = {{ address = 0x0034, function = 4, type = \"u32\", words = \"high-first\", step = \"1Wh\" \
         }}\n"
    );
    for (name, (listener, protocol)) in listeners {
        let address = listener.local_addr()?;
        let _ = write!(
            text,
            "\n[[bus]]\nname = \"{name}\"\nprotocol = \"{protocol}\"\naddress = \"{address}\"\ntimeout = \"{}s\"\nretries = 0\n",
            TIMEOUT.as_secs()
        );
    }
    if let Some(address) = broker {
        text.push_str(
            "\n[[profile]]\nname = \"collector\"\nprotocol = \"json\"\njson = { value = \"/count\", time = \"/ts\", step = \"0.01m3\" \
             }\n",
        );
        let published = meters.iter().filter(|wired| wired.protocol == MQTT);
        for name in published.map(|wired| bus(&wired.meter)).collect::<BTreeSet<_>>() {
            let _ = write!(text, "\n[[bus]]\nname = \"{name}\"\nprotocol = \"{MQTT}\"\naddress = \"{address}\"\n");
        }
    }
    for (number, wired) in (1u32..).zip(meters) {
        let meter = &wired.meter;
        let (profile, unit) = match wired.protocol {
            "dlt645" => ("dlt645-2007", number.to_string()),
            "cjt188" => ("cjt188-unit-after", number.to_string()),
            MQTT => ("collector", wired.topic()),
            _ => ("roof", number.to_string()),
        };
        let _ = write!(
            text,
            "\n# {}\n[[meter]]\nid = \"{}\"\nbus = \"{}\"\nunit = \"{unit}\"\ncarrier = \"{}\"\nprofile = \"{profile}\"\n",
            meter.label,
            meter.id,
            bus(meter),
            meter.carrier
        );
        if ratio(meter) != 1 {
            let _ = writeln!(text, "ratio = {{ ct = {} }}", ratio(meter));
        }
    }
    Ok(text)
}
