//! Taking a meter into service: who answers, what the bytes say, whether they say the same twice, and what to write down.

use crate::config::{BusProtocol, Meter, UnitAddress};
use crate::device::{self, Look, LookError, Numbers};
use crate::kept;
use crate::line::{ExchangeError, Line};
use crate::profile::{Profile, Ratio, Side};
use crate::protocol::modbus::{Function, Request};
use crate::protocol::{Content, Direction, Protocol, Refused, Telegram, cjt188, dlt645, mbus, modbus};
use crate::reason::{Sentence, reason, sentence};
use std::sync::Arc;
use utilidor_types::time::HOUR_MS;
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
    /// What was asked.
    pub asked: Asked,
    /// As sent.
    pub request: Vec<u8>,
    /// As received.
    pub answer: Option<Vec<u8>>,
    /// What it says.
    pub telegram: Option<Telegram>,
    /// Why it says nothing: the stable code, and the sentence.
    pub refused: Option<(&'static str, Sentence)>,
}

/// What a device is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Its address, where it is the only one.
    Address,
    /// What it measures.
    Carrier,
    /// Registers that nothing is known of.
    Registers,
    /// Its date.
    Date,
    /// Its time of day.
    Time,
    /// The register, for the first time.
    FirstLook,
    /// The register once more.
    SecondLook,
}

impl Asked {
    /// What is asked, in words.
    pub fn sentence(self) -> Sentence {
        match self {
            Self::Address => sentence!("the address of the only device", "唯一设备的地址"),
            Self::Carrier => sentence!("what it measures", "计量什么"),
            Self::Registers => sentence!("registers", "寄存器"),
            Self::Date => sentence!("its date", "设备日期"),
            Self::Time => sentence!("its time", "设备时间"),
            Self::FirstLook => sentence!("the register, first look", "表底，第一次读取"),
            Self::SecondLook => sentence!("the register, second look", "表底，第二次读取"),
        }
    }
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
    pub findings: Vec<Sentence>,
    /// The meter for the configuration file.
    pub meter: Option<String>,
    /// Where the register starts again, in base units, if its profile says so.
    pub modulus: Option<u64>,
    /// The least capacity with which honest steps are not refused, in base units an hour; for an interval of 15 minutes.
    pub least_capacity: Option<u64>,
}

impl Report {
    /// Whether registers were looked at that nothing is known of, and have shown what they can mean.
    pub fn has_shown_registers(&self) -> bool {
        self.exchanges.iter().any(|exchange| exchange.asked == Asked::Registers && exchange.telegram.is_some())
    }

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
        modulus: None,
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
                self.report.findings.push(match question.registers {
                    None => sentence!(
                        "which registers count is each maker's own: name a profile, or look at some registers",
                        "哪些寄存器计量由厂商自定：请指定设备档案，或查看若干寄存器"
                    ),
                    Some(_) => sentence!(
                        "if one of these is the register, write a profile with its address, function, type, order of words and step",
                        "如其中之一即为所需表底，请编写设备档案，写明其 address、function、type、words 和 step"
                    ),
                });
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
                    self.kept(Asked::Carrier, request, answer, Ok(telegram));
                    let Some(found) = found else {
                        self.report.findings.push(sentence!(
                            "the device does not say what it measures: name the carrier",
                            "设备没有说明计量什么：请指定能源"
                        ));
                        return;
                    };
                    meter.carrier = found;
                }
                Err(error) => return self.failed(Asked::Carrier, &error),
            }
        }
        self.report.carrier = Some(meter.carrier);
        self.clock(unit).await;
        match device::number(self.line, question.protocol, &meter, &mut self.numbers).await {
            Ok(number) => self.report.number = number,
            Err(error) => self.report.findings.push(sentence!(
                "its number could not be read: {}",
                "无法读取其表号：{}",
                error.sentence()
            )),
        }
        for asked in [Asked::FirstLook, Asked::SecondLook] {
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
        let asked = Asked::Address;
        let found = match question.protocol {
            BusProtocol::Dlt645 => {
                let request = dlt645::address_request();
                let answer = self.line.exchange(&request, dlt645::arrival).await;
                let telegram = self.received(asked, request, answer, dlt645::decode)?;
                UnitAddress::read(question.protocol, &telegram.address)
            }
            BusProtocol::Cjt188 => {
                let request = cjt188::address_request();
                let decode = |bytes: &[u8]| cjt188::decode(bytes, cjt188::UnitPosition::Found);
                let answer = self.line.exchange(&request, cjt188::arrival).await;
                let telegram = self.received(asked, request, answer, decode)?;
                self.report.carrier = self.report.carrier.or(telegram.carrier);
                UnitAddress::read(question.protocol, &telegram.address)
            }
            BusProtocol::Mbus => {
                let request = mbus::read_request(mbus::ANY, true);
                let answer = self.line.exchange(&request, mbus::arrival).await;
                let is_silent = matches!(answer, Err(ExchangeError::Silent { bytes: 0, .. }));
                let Some(telegram) = self.received(asked, request, answer, mbus::decode) else {
                    if !is_silent {
                        self.report.findings.push(sentence!(
                            "something answers that is no single device: find all that are there with --search",
                            "应答的不是单台设备：用 --search 查找线路上的所有设备"
                        ));
                    }
                    return None;
                };
                self.report.carrier = self.report.carrier.or(telegram.carrier);
                UnitAddress::read(question.protocol, &telegram.address)
            }
            BusProtocol::ModbusTcp | BusProtocol::ModbusRtu => Err(reason!(
                "a Modbus device cannot be asked for its address: name its unit",
                "无法询问 Modbus 设备的地址：请指定其单元号"
            )),
            BusProtocol::Mqtt => Err(reason!(
                "a device that publishes is not asked: see its topic at the broker",
                "自行发布的设备不接受询问：请在代理服务器查看其主题"
            )),
            BusProtocol::Ocpp => Err(reason!(
                "a charging station is not asked: it connects to the gateway",
                "充电桩不接受询问：由它连接网关"
            )),
        };
        match found {
            Ok(unit) => Some(unit),
            Err(reason) => {
                self.report.findings.push(reason.what);
                None
            }
        }
    }

    /// All that some registers can mean.
    async fn registers(&mut self, protocol: BusProtocol, question: Request) {
        let framing = protocol.framing();
        let request = question.frame(framing, 1);
        let answer = self.line.exchange(&request, |bytes| modbus::arrival(framing, bytes)).await;
        let decode = |bytes: &[u8]| {
            modbus::decode_answer(framing, bytes, question, 1)?;
            modbus::decode(bytes)
        };
        self.received(Asked::Registers, request, answer, decode);
    }

    async fn clock(&mut self, unit: UnitAddress) {
        let UnitAddress::Dlt645(address) = unit else { return };
        let mut shown = Vec::new();
        for (asked, identifier) in [(Asked::Date, dlt645::DATE), (Asked::Time, dlt645::TIME)] {
            let request = dlt645::read_request(address, identifier);
            let answer = self.line.exchange(&request, dlt645::arrival).await;
            let decode = |bytes: &[u8]| dlt645::decode_answer(bytes, address, identifier);
            let telegram = self.received(asked, request, answer, decode);
            if let Some(record) = telegram.and_then(|telegram| telegram.records.into_iter().next()) {
                shown.push(record.content.to_string());
            }
        }
        if shown.len() == 2 {
            let clock = shown.join("T");
            self.report.findings.extend(beside(&clock, jiff::Timestamp::now()));
            self.report.clock = Some(clock);
        }
    }

    fn looked(&mut self, asked: Asked, look: Look) {
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
            self.report.findings.push(sentence!(
                "the register went back between two looks: {first}, then {second}",
                "两次读取之间表底退回：先为 {first}，后为 {second}"
            ));
            return;
        }
        if meter.profile.side == Side::Secondary && meter.ratio.factor() == 1 {
            self.report.findings.push(sentence!(
                "the register counts behind the meter's transformers: give --ct and --pt if there are any",
                "表底在互感器二次侧计数：如有互感器，请写 --ct 和 --pt"
            ));
        }
        if first == 0 {
            self.report
                .findings
                .push(sentence!("the register shows nothing: is it the right one?", "表底为零：是否为所需的表底？"));
        }
        const QUARTER_MS: u64 = HOUR_MS / 4;
        self.report.least_capacity = Some(kept::least_capacity(meter, QUARTER_MS));
        self.report.modulus = kept::modulus(meter);
        let unit = meter.unit.to_string();
        let profile = &meter.profile.name;
        self.report.meter = Some(meter_table(&meter.bus, &unit, meter.carrier, profile, meter.ratio));
    }

    fn received(
        &mut self,
        asked: Asked,
        request: Vec<u8>,
        answer: Result<Vec<u8>, ExchangeError>,
        decode: impl Fn(&[u8]) -> Result<Telegram, Refused>,
    ) -> Option<Telegram> {
        match answer {
            Ok(answer) => {
                let decoded = decode(&answer).and_then(|telegram| match telegram.direction {
                    Direction::Reply => Ok(telegram),
                    Direction::Request => Err(Refused::WrongSubject {
                        expected: sentence!("an answer", "应答"),
                        found: sentence!("a request", "请求"),
                    }),
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
                let refused = Some((error.code(), error.sentence()));
                self.report.exchanges.push(Exchange { asked, request, answer, telegram: None, refused });
                None
            }
        }
    }

    fn kept(&mut self, asked: Asked, request: Vec<u8>, answer: Vec<u8>, decoded: Result<Telegram, Refused>) {
        let (telegram, refused) = match decoded {
            Ok(telegram) => (Some(telegram), None),
            Err(refused) => (None, Some((refused.code(), refused.sentence()))),
        };
        self.report.exchanges.push(Exchange { asked, request, answer: Some(answer), telegram, refused });
    }

    fn failed(&mut self, asked: Asked, error: &LookError) {
        let answer = error.answer().map(<[u8]>::to_vec);
        let refused = Some((error.code(), error.sentence()));
        self.report.exchanges.push(Exchange { asked, request: Vec::new(), answer, telegram: None, refused });
    }
}

/// What is wrong with a clock that shows `clock`, in whichever zone it is: zones are whole quarters of an hour apart.
fn beside(clock: &str, now: jiff::Timestamp) -> Option<Sentence> {
    /// What a meter's clock may be off, in seconds.
    const MOST_OFF: i64 = 60;
    const QUARTER: i64 = 900;
    /// Zones reach from 12 hours behind to 14 hours ahead.
    const ZONES: std::ops::RangeInclusive<i64> = -12 * 3_600..=14 * 3_600;
    let shown = clock.parse::<jiff::civil::DateTime>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    let ahead = shown.as_second() - now.as_second();
    let off = (ahead + QUARTER / 2).rem_euclid(QUARTER) - QUARTER / 2;
    let now = now.strftime("%Y-%m-%dT%H:%M:%SZ");
    if !ZONES.contains(&(ahead - off)) {
        return Some(sentence!(
            "its clock shows {clock}, and it is {now}: no zone lies between them, set its clock",
            "其时钟显示 {clock}，现在是 {now}：两者之差不是任何时区，请校准其时钟"
        ));
    }
    (off.abs() > MOST_OFF).then(|| {
        let (late, late_zh) = if off > 0 { ("ahead", "快") } else { ("behind", "慢") };
        let off = off.abs();
        sentence!(
            "its clock is {off} s {late}, in whichever zone it is ({clock}, and it is {now}): set its clock",
            "无论处于哪个时区，其时钟{late_zh} {off} 秒（显示 {clock}，现在是 {now}）：请校准其时钟"
        )
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_compared_without_its_zone_being_known() {
        let now: jiff::Timestamp = "2026-11-27T13:00:00Z".parse().unwrap();
        let said = |clock: &str| beside(clock, now).map(|said| said.en);
        for right in ["2026-11-27T13:00:00", "2026-11-27T21:00:59", "2026-11-27T18:44:30", "2026-11-28T03:00:00"] {
            assert_eq!(said(right), None, "{right}");
        }
        assert!(said("2026-11-27T21:02:00").unwrap().contains("120 s ahead"));
        assert!(said("2026-11-27T20:55:00").unwrap().contains("300 s behind"));
        assert!(said("2026-11-29T21:00:00").unwrap().contains("no zone lies between them"));
        assert!(said("2000-01-01T00:00:00").unwrap().contains("set its clock"));
    }
}
