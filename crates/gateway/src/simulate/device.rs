//! One simulated device: what its register shows, and what it answers.

use super::Fault;
use crate::config::{BusProtocol, Meter, UnitAddress};
use crate::profile::Register;
use crate::protocol::modbus::{self, Framing, WordOrder};
use crate::protocol::{cjt188, dlt645, mbus, sunspec};
use std::time::Duration;
use utilidor_types::Carrier;
use utilidor_types::carrier::BaseUnit;
use utilidor_types::time::HOUR_MS;

/// A device in a meter's place.
#[derive(Debug, Clone)]
pub(super) struct Device {
    pub(super) meter: Meter,
    pub(super) protocol: BusProtocol,
    /// What has flowed when it was last set, in base units.
    pub(super) quantity: u64,
    pub(super) set_ms: u64,
    pub(super) per_hour: u64,
    pub(super) fault: Option<Fault>,
    /// The device's own number.
    pub(super) number: u64,
    /// Whether it was selected on its M-Bus.
    pub(super) is_selected: bool,
}

impl Device {
    /// Whether this is its bus and its unit, as a configuration may write it.
    pub(super) fn is_at(&self, name: &str) -> bool {
        let unit = name.strip_prefix(self.meter.bus.as_str()).and_then(|rest| rest.strip_prefix('/'));
        let unit = unit.and_then(|unit| UnitAddress::read(self.protocol, unit).ok());
        // Whoever tells by itself has its topic, as it is written.
        self.meter.topic.is_none() && unit == Some(self.meter.unit)
    }

    pub(super) fn quantity(&self, now_ms: u64) -> u64 {
        let elapsed = u128::from(now_ms.saturating_sub(self.set_ms));
        let passed = elapsed * u128::from(self.per_hour) / u128::from(HOUR_MS);
        u64::try_from(u128::from(self.quantity) + passed).unwrap_or(u64::MAX)
    }

    /// The register in steps of `step` base units, as the device counts it: behind its transformers.
    pub(super) fn steps(&self, now_ms: u64, step: u64) -> u64 {
        self.quantity(now_ms) / self.meter.ratio.factor() / step
    }

    /// Base units of one step of the register as it is sent.
    pub(super) fn step(&self) -> u64 {
        match (&self.meter.profile.register, self.meter.carrier.base_unit()) {
            (Register::Modbus { description, .. }, _) => {
                let step = description.step;
                step.number.quantity_floor(step.unit, self.meter.carrier).map_or(1, |quantity| quantity.0.max(1))
            }
            // Watt-hours, litres.
            (Register::Mbus { .. } | Register::SunSpec(_) | Register::Ocpp { .. }, BaseUnit::Joule) => 3_600,
            (Register::Mbus { .. }, BaseUnit::Millilitre) => 1_000,
            // Hundredths of a kilowatt-hour, of a cubic metre.
            (_, BaseUnit::Joule) => 36_000,
            (_, BaseUnit::Millilitre) => 10_000,
        }
    }

    /// Steps at which the register starts again.
    pub(super) fn modulus(&self) -> u128 {
        match &self.meter.profile.register {
            Register::Modbus { description, .. } => 1 << (16 * description.kind.registers()),
            Register::Mbus { .. } | Register::SunSpec(_) => 1 << 32,
            Register::Json(_) | Register::Ocpp { .. } | Register::Computed(_) => 1 << 64,
            Register::Dlt645 { .. } | Register::Cjt188 { .. } => 100_000_000,
        }
    }

    /// What is printed on an M-Bus device.
    pub(super) fn secondary(&self) -> Option<mbus::Secondary> {
        match self.meter.unit {
            UnitAddress::Mbus(_) => Some(mbus::Secondary::numbered(self.number)),
            UnitAddress::MbusSecondary(device) => Some(device),
            _ => None,
        }
    }

    /// What it sends on a request, and how late, with the fault that it has.
    pub(super) fn sends(&self, request: &Request, now_ms: u64) -> Option<(Vec<u8>, Duration)> {
        let mut answer = self.answer(request, now_ms)?;
        match self.fault {
            Some(Fault::Silent) => None,
            Some(Fault::Late(late)) => Some((answer, late)),
            Some(Fault::Noise) => {
                let place = answer.len() / 2;
                answer[place] ^= 0x04;
                Some((answer, Duration::ZERO))
            }
            Some(Fault::SwappedWords) | None => Some((answer, Duration::ZERO)),
        }
    }

    /// The answer to a request for this device; none if it does not understand.
    fn answer(&self, request: &Request, now_ms: u64) -> Option<Vec<u8>> {
        let steps = self.steps(now_ms, self.step());
        let wrapped = (u128::from(steps) % self.modulus()) as u64;
        Some(match (request, self.meter.unit, &self.meter.profile.register) {
            (Request::Dlt645(parsed), UnitAddress::Dlt645(address), Register::Dlt645 { identifier, serial }) => {
                if parsed.is_address_request() {
                    return Some(dlt645::address_answer(address));
                }
                let asked = parsed.identifier().ok()?;
                if asked == *identifier {
                    dlt645::read_answer(address, asked, wrapped, 4)
                } else if Some(asked) == *serial {
                    dlt645::read_answer(address, asked, self.number, 6)
                } else {
                    dlt645::clock_answer(address, asked, local(now_ms))
                        .unwrap_or_else(|| dlt645::no_data_answer(address))
                }
            }
            (Request::Cjt188(parsed), UnitAddress::Cjt188(address), _) => {
                let kind = cjt188::Kind::of(self.meter.carrier);
                let serial = parsed.serial()?;
                if parsed.is_address_request() {
                    return Some(cjt188::address_answer(kind, address, serial));
                }
                match self.meter.carrier {
                    Carrier::Heating | Carrier::Cooling | Carrier::Electricity => {
                        cjt188::heat_answer(kind, address, serial, wrapped)
                    }
                    Carrier::HotWater | Carrier::Gas | Carrier::Water => {
                        cjt188::volume_answer(kind, address, serial, wrapped)
                    }
                }
            }
            (Request::Mbus { acknowledge: true }, UnitAddress::Mbus(_) | UnitAddress::MbusSecondary(_), _) => {
                mbus::acknowledgement()
            }
            (Request::Mbus { .. }, UnitAddress::Mbus(primary), _) => {
                mbus::answer_of(primary, self.secondary()?, self.meter.carrier, wrapped as u32)
            }
            // It has no primary address: what was never set is 0.
            (Request::Mbus { .. }, UnitAddress::MbusSecondary(_), _) => {
                mbus::answer_of(0, self.secondary()?, self.meter.carrier, wrapped as u32)
            }
            (
                Request::Modbus { framing, transaction, request },
                UnitAddress::Modbus(unit),
                Register::Modbus { function, address, description, serial },
            ) => {
                let count = description.kind.registers();
                if let Some(serial) = serial
                    && (request.function, request.first, request.count)
                        == (serial.function, serial.address, serial.count)
                {
                    let high_first = WordOrder::HighFirst;
                    let registers =
                        modbus::to_registers(self.number, serial.count.min(4), high_first, Default::default());
                    return Some(modbus::answer(*framing, *transaction, unit, *function, &registers));
                }
                if (request.function, request.first, request.count) != (*function, *address, count) {
                    return Some(modbus::exception(*framing, *transaction, unit, request.function, NO_SUCH_REGISTERS));
                }
                let bits = match description.kind {
                    // A device that shows floats rounds as they do: here it may.
                    modbus::Kind::F32 => (steps as f32).to_bits().into(),
                    modbus::Kind::F64 => (steps as f64).to_bits(),
                    modbus::Kind::Bcd32 => {
                        u64::from_str_radix(&(steps % 100_000_000).to_string(), 16).unwrap_or_default()
                    }
                    _ => wrapped,
                };
                let words = match (self.fault, description.words) {
                    (Some(Fault::SwappedWords), WordOrder::HighFirst) => WordOrder::LowFirst,
                    (Some(Fault::SwappedWords), WordOrder::LowFirst) => WordOrder::HighFirst,
                    (_, words) => words,
                };
                let registers = modbus::to_registers(bits, count, words, description.bytes);
                modbus::answer(*framing, *transaction, unit, *function, &registers)
            }
            (
                Request::Modbus { framing, transaction, request },
                UnitAddress::Modbus(unit),
                Register::SunSpec(wanted),
            ) => {
                let swap = if self.fault == Some(Fault::SwappedWords) { 16 } else { 0 };
                let image = sunspec::image(*wanted, self.number, (wrapped as u32).rotate_left(swap));
                let first = usize::from(request.first).checked_sub(sunspec::BASES[0].into());
                let registers = first.and_then(|first| image.get(first..first + usize::from(request.count)));
                match registers {
                    Some(registers) => modbus::answer(*framing, *transaction, unit, request.function, registers),
                    None => modbus::exception(*framing, *transaction, unit, request.function, NO_SUCH_REGISTERS),
                }
            }
            _ => return None,
        })
    }
}

/// What a clock shows in the zone that 645 meters live in.
fn local(now_ms: u64) -> jiff::civil::DateTime {
    const ZONE: jiff::tz::Offset = jiff::tz::offset(8);
    let now = jiff::Timestamp::from_millisecond(i64::try_from(now_ms).unwrap_or(i64::MAX)).unwrap_or_default();
    ZONE.to_datetime(now)
}

/// What a device says that does not have the registers it is asked for.
const NO_SUCH_REGISTERS: u8 = 2;

/// A question on a bus, its checksum checked.
pub(super) enum Request {
    Dlt645(dlt645::Parsed),
    Cjt188(cjt188::Parsed),
    Mbus { acknowledge: bool },
    Modbus { framing: Framing, transaction: u16, request: modbus::Request },
}
