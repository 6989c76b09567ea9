//! Taking a meter into service: who answers, what the bytes say, whether they say the same twice, and what to write down.

use crate::config::{BusProtocol, Meter, UnitAddress};
use crate::device::{self, Look, LookError, Numbers};
use crate::kept;
use crate::line::{ExchangeError, Line};
use crate::profile::{Profile, Ratio, Register, Side};
use crate::protocol::modbus::{Framing, Function, Request};
use crate::protocol::{Content, Direction, Protocol, Refused, Telegram, cjt188, dlt645, mbus, modbus};
use std::sync::Arc;
use utilidor_types::carrier::BaseUnit;
use utilidor_types::{Carrier, MeterId};

/// What is known of a meter beforehand.
#[derive(Debug, Clone)]
pub struct Question {
    /// What is spoken.
    pub protocol: BusProtocol,
    /// The device's address, if it is known.
    pub unit: Option<UnitAddress>,
    /// What it measures, if the device does not say it.
    pub carrier: Option<Carrier>,
    /// How it is read, if that is known.
    pub profile: Option<Arc<Profile>>,
    /// The transformers before it.
    pub ratio: Ratio,
    /// Registers to look at where no profile is known: which, the first, how many.
    pub registers: Option<(Function, u16, u16)>,
}

/// A question and its answer, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// What was asked, in words.
    pub asked: &'static str,
    /// As sent.
    pub request: Vec<u8>,
    /// As received.
    pub answer: Option<Vec<u8>>,
    /// What it says.
    pub telegram: Option<Telegram>,
    /// Why it says nothing.
    pub refused: Option<String>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// All that was asked and answered.
    pub exchanges: Vec<Exchange>,
    /// The device's address.
    pub unit: Option<String>,
    /// What it measures.
    pub carrier: Option<Carrier>,
    /// The register at two looks, in base units.
    pub looks: Vec<u64>,
    /// The device's own number.
    pub number: Option<String>,
    /// The device's clock.
    pub clock: Option<String>,
    /// What is wrong, or should be known.
    pub findings: Vec<String>,
    /// The meter for the configuration file.
    pub meter: Option<String>,
    /// The least capacity with which honest steps are not refused, in base units an hour; for an interval of 15 minutes.
    pub least_capacity: Option<u64>,
}

impl Report {
    /// Whether the meter can be taken into service as it is.
    pub const fn is_good(&self) -> bool {
        self.looks.len() == 2 && self.meter.is_some()
    }
}

struct Probe<'a> {
    line: &'a mut Line,
    numbers: Numbers,
    report: Report,
}

/// Probes a device over a line. `bus` is the name that the bus has, or will have, in the configuration.
pub async fn probe(line: &mut Line, bus: &str, question: &Question, builtin: impl Fn(&str) -> Arc<Profile>) -> Report {
    let report = Report {
        exchanges: Vec::new(),
        unit: None,
        carrier: question.carrier,
        looks: Vec::new(),
        number: None,
        clock: None,
        findings: Vec::new(),
        meter: None,
        least_capacity: None,
    };
    let mut probe = Probe { line, numbers: Numbers::default(), report };
    probe.all(bus, question, builtin).await;
    probe.report
}

impl Probe<'_> {
    async fn all(&mut self, bus: &str, question: &Question, builtin: impl Fn(&str) -> Arc<Profile>) {
        let Some(unit) = self.find(question).await else { return };
        self.report.unit = Some(unit.to_string());
        if let (UnitAddress::Modbus(unit), Some((function, first, count))) = (unit, question.registers) {
            self.registers(question.protocol, Request { unit, function, first, count }).await;
        }
        let profile = match (&question.profile, question.protocol.protocol()) {
            (Some(profile), _) => profile.clone(),
            (None, Protocol::Dlt645) => builtin("dlt645-2007"),
            (None, Protocol::Cjt188) => builtin("cjt188"),
            (None, Protocol::Mbus) => builtin("mbus"),
            (None, Protocol::Modbus | Protocol::Json | Protocol::Ocpp | Protocol::Virtual) => {
                let finding = "which registers count is each maker's own: name a profile, or look at some registers";
                self.report.findings.push(finding.into());
                return;
            }
        };
        // Where nobody has said what it measures, the device is asked; a request needs some carrier until then.
        let carrier = profile.carrier.or(self.report.carrier);
        let mut meter = Meter {
            id: MeterId::default(),
            bus: bus.into(),
            unit,
            topic: None,
            carrier: carrier.unwrap_or(Carrier::Water),
            profile,
            ratio: question.ratio,
        };
        if carrier.is_none() {
            match device::ask(self.line, question.protocol, &meter, &mut self.numbers).await {
                Ok((telegram, request, answer)) => {
                    let found = telegram.carrier;
                    self.kept("what it measures", request, answer, Ok(telegram));
                    let Some(found) = found else {
                        self.report.findings.push("the device does not say what it measures: name the carrier".into());
                        return;
                    };
                    meter.carrier = found;
                }
                Err(error) => return self.failed("what it measures", &error),
            }
        }
        self.report.carrier = Some(meter.carrier);
        self.clock(unit).await;
        match device::number(self.line, question.protocol, &meter, &mut self.numbers).await {
            Ok(number) => self.report.number = number,
            Err(error) => self.report.findings.push(format!("its number could not be read: {}", error.sentence())),
        }
        for asked in ["the register, first look", "the register, second look"] {
            match device::look(self.line, question.protocol, &meter, &mut self.numbers).await {
                Ok(look) => self.looked(asked, look),
                Err(error) => return self.failed(asked, &error),
            }
        }
        self.conclude(&meter);
    }

    async fn find(&mut self, question: &Question) -> Option<UnitAddress> {
        if let Some(unit) = question.unit {
            return Some(unit);
        }
        let asked = "the address of the only device";
        let found = match question.protocol {
            BusProtocol::Dlt645 => {
                let request = dlt645::address_request();
                let answer = self.line.exchange(&request, dlt645::arrival).await;
                let telegram = self.received(asked, request, answer, dlt645::decode)?;
                UnitAddress::read(Protocol::Dlt645, &telegram.address)
            }
            BusProtocol::Cjt188 => {
                let request = cjt188::address_request();
                let decode = |bytes: &[u8]| cjt188::decode(bytes, cjt188::UnitPosition::Found);
                let answer = self.line.exchange(&request, cjt188::arrival).await;
                let telegram = self.received(asked, request, answer, decode)?;
                self.report.carrier = self.report.carrier.or(telegram.carrier);
                UnitAddress::read(Protocol::Cjt188, &telegram.address)
            }
            BusProtocol::Mbus => {
                let request = mbus::read_request(mbus::ANY, true);
                let answer = self.line.exchange(&request, mbus::arrival).await;
                let is_silent = matches!(answer, Err(ExchangeError::Silent { bytes: 0, .. }));
                let Some(telegram) = self.received(asked, request, answer, mbus::decode) else {
                    if !is_silent {
                        let finding =
                            "something answers that is no single device: find all that are there with --search";
                        self.report.findings.push(finding.into());
                    }
                    return None;
                };
                self.report.carrier = self.report.carrier.or(telegram.carrier);
                UnitAddress::read(Protocol::Mbus, &telegram.address)
            }
            BusProtocol::ModbusTcp | BusProtocol::ModbusRtu => {
                Err("a Modbus device cannot be asked for its address: name its unit".into())
            }
            BusProtocol::Mqtt => Err("a device that publishes is not asked: see its topic at the broker".into()),
            BusProtocol::Ocpp => Err("a charging station is not asked: it connects to the gateway".into()),
        };
        match found {
            Ok(unit) => Some(unit),
            Err(finding) => {
                self.report.findings.push(finding);
                None
            }
        }
    }

    /// All that some registers can mean.
    async fn registers(&mut self, protocol: BusProtocol, question: Request) {
        let framing = if protocol == BusProtocol::ModbusTcp { Framing::Tcp } else { Framing::Rtu };
        let request = question.frame(framing, 1);
        let answer = self.line.exchange(&request, |bytes| modbus::arrival(framing, bytes)).await;
        let decode = |bytes: &[u8]| {
            modbus::decode_answer(framing, bytes, question, 1)?;
            modbus::decode(bytes)
        };
        self.received("registers", request, answer, decode);
    }

    async fn clock(&mut self, unit: UnitAddress) {
        let UnitAddress::Dlt645(address) = unit else { return };
        let mut shown = Vec::new();
        for (asked, identifier) in [("its date", dlt645::DATE), ("its time", dlt645::TIME)] {
            let request = dlt645::read_request(address, identifier);
            let answer = self.line.exchange(&request, dlt645::arrival).await;
            let decode = |bytes: &[u8]| dlt645::decode_answer(bytes, address, identifier);
            let telegram = self.received(asked, request, answer, decode);
            if let Some(record) = telegram.and_then(|telegram| telegram.records.into_iter().next()) {
                shown.push(record.content.to_string());
            }
        }
        if shown.len() == 2 {
            self.report.clock = Some(shown.join("T"));
        }
    }

    fn looked(&mut self, asked: &'static str, look: Look) {
        if self.report.clock.is_none() {
            let clock = look.telegram.records.iter().find(|record| matches!(record.content, Content::Time(_)));
            self.report.clock = clock.map(|record| record.content.to_string());
        }
        if self.report.number.is_none() {
            self.report.number = device::number_in(&look.telegram);
        }
        self.report.looks.push(look.quantity.0);
        let Look { mut telegram, request, answer, .. } = look;
        if telegram.protocol == Protocol::Modbus
            && let Ok(all) = modbus::decode(&answer)
        {
            // Beside what the profile says: all that the bytes could mean, so that a wrong order of words is seen.
            telegram.records.extend(all.records);
        }
        self.kept(asked, request, answer, Ok(telegram));
    }

    fn conclude(&mut self, meter: &Meter) {
        let [first, second] = self.report.looks[..] else { return };
        if second < first {
            self.report.findings.push(format!("the register went back between two looks: {first}, then {second}"));
            return;
        }
        if meter.profile.side == Side::Secondary && meter.ratio.factor() == 1 {
            let finding = "the register counts behind the meter's transformers: give --ct and --pt if there are any";
            self.report.findings.push(finding.into());
        }
        if first == 0 {
            self.report.findings.push("the register shows nothing: is it the right one?".into());
        }
        const QUARTERS_IN_AN_HOUR: u64 = 4;
        self.report.least_capacity = Some(kept::step(meter).saturating_mul(QUARTERS_IN_AN_HOUR));
        let unit = meter.unit.to_string();
        let profile = &meter.profile.name;
        self.report.meter = Some(meter_table(&meter.bus, &unit, meter.carrier, profile, meter.ratio));
    }

    fn received(
        &mut self,
        asked: &'static str,
        request: Vec<u8>,
        answer: Result<Vec<u8>, ExchangeError>,
        decode: impl Fn(&[u8]) -> Result<Telegram, Refused>,
    ) -> Option<Telegram> {
        match answer {
            Ok(answer) => {
                let decoded = decode(&answer).and_then(|telegram| match telegram.direction {
                    Direction::Reply => Ok(telegram),
                    Direction::Request => {
                        Err(Refused::WrongSubject { expected: "an answer".into(), found: "a request".into() })
                    }
                });
                if decoded.is_err() {
                    self.line.hang_up();
                }
                self.kept(asked, request, answer, decoded.clone());
                decoded.ok()
            }
            Err(error) => {
                let error = LookError::Line(error);
                let answer = error.answer().map(<[u8]>::to_vec);
                let refused = Some(error.sentence());
                self.report.exchanges.push(Exchange { asked, request, answer, telegram: None, refused });
                None
            }
        }
    }

    fn kept(&mut self, asked: &'static str, request: Vec<u8>, answer: Vec<u8>, decoded: Result<Telegram, Refused>) {
        let (telegram, refused) = match decoded {
            Ok(telegram) => (Some(telegram), None),
            Err(refused) => (None, Some(refused.to_string())),
        };
        self.report.exchanges.push(Exchange { asked, request, answer: Some(answer), telegram, refused });
    }

    fn failed(&mut self, asked: &'static str, error: &LookError) {
        let answer = error.answer().map(<[u8]>::to_vec);
        let refused = Some(error.sentence());
        self.report.exchanges.push(Exchange { asked, request: Vec::new(), answer, telegram: None, refused });
    }
}

/// A meter's table for the configuration file; its id comes with its registration.
pub fn meter_table(bus: &str, unit: &str, carrier: Carrier, profile: &str, ratio: Ratio) -> String {
    let ratio = match ratio {
        Ratio { ct: 1, pt: 1 } => String::new(),
        Ratio { ct, pt } => format!("\nratio = {{ ct = {ct}, pt = {pt} }}"),
    };
    format!(
        "[[meter]]\nid = \"METER\"\nbus = \"{bus}\"\nunit = \"{unit}\"\ncarrier = \"{carrier}\"\nprofile = \"{profile}\"{ratio}"
    )
}

/// A quantity in the unit that people register meters in.
pub fn in_usual_unit(quantity: u64, carrier: Carrier) -> String {
    match carrier.base_unit() {
        // Rounded up to whole watt-hours: a capacity that is a little too large refuses nothing.
        BaseUnit::Joule => {
            let watt_hours = quantity.div_ceil(3_600);
            format!("{}.{:03}kWh", watt_hours / 1_000, watt_hours % 1_000)
        }
        BaseUnit::Millilitre => format!("{}.{:06}m3", quantity / 1_000_000, quantity % 1_000_000),
    }
}

/// Whether a profile's register is of one protocol: what a caller checks before it asks.
pub const fn is_for(profile: &Profile, protocol: BusProtocol) -> bool {
    matches!(
        (&profile.register, protocol.protocol()),
        (Register::Dlt645 { .. }, Protocol::Dlt645)
            | (Register::Cjt188 { .. }, Protocol::Cjt188)
            | (Register::Mbus { .. }, Protocol::Mbus)
            | (Register::Modbus { .. } | Register::SunSpec(_), Protocol::Modbus)
            | (Register::Json(_), Protocol::Json)
    )
}
