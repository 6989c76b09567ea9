//! Simulated devices: a bus's meters behind a TCP port, as a serial server has them, with the faults of real ones on command.
//!
//! A simulated meter has the register that its configuration describes. It rises with time, and can be set. Faults: silence,
//! late answers, swapped words, another device in its place, a register that starts again. Charging stations are not asked: they connect
//! by themselves ([`station`]).

pub mod collector;
mod device;
pub mod station;
pub mod stations;

use crate::clock::Clock;
use crate::config::{Bus, BusProtocol, Config};
use crate::line::{Dial, Wire};
use crate::number::in_usual_unit;
use crate::protocol::modbus;
use crate::protocol::{Arrival, Refused, cjt188, dlt645, mbus};
use crate::serial::PlayedPort;
use device::{Device, Request};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use utilidor_types::MeterId;

/// Most connections that a simulated bus answers at once.
const MAX_CONNECTIONS: usize = 64;
/// Longest that a late answer is late.
const MAX_LATE: Duration = Duration::from_secs(3_600);

/// A fault of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It answers nothing.
    Silent,
    /// It answers after a time.
    Late(Duration),
    /// It sends its words the other way round.
    SwappedWords,
    /// It changes a bit on the way.
    Noise,
}

/// Why a command did nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// It is no command.
    #[error(
        "{0:?} is no command; commands are: set METER AMOUNT, rate METER AMOUNT, silence METER, late METER DURATION, swap METER, noise METER, exchange METER, rollover METER, well METER; and of a charging station: begin METER TOKEN, tell METER, end METER, again METER, offline METER, online METER, key METER"
    )]
    Unknown(String),
    /// No meter is called that.
    #[error("no simulated meter is called {0:?}: write its id or BUS/UNIT")]
    NoMeter(String),
    /// The meter is not played.
    #[error("{0} publishes over MQTT and is not played: publish at its broker, with mosquitto_pub for example")]
    NotPlayed(String),
    /// Its device has no such fault.
    #[error("{meter} speaks {protocol} and cannot have that fault: {instead}")]
    NoSuchFault {
        /// What it was called.
        meter: String,
        /// What it speaks.
        protocol: BusProtocol,
        /// Who could, or what to do instead.
        instead: &'static str,
    },
    /// The amount or duration cannot be read.
    #[error("{0}")]
    Value(String),
}

/// The simulated devices of a site.
#[derive(Clone)]
pub struct Simulator {
    devices: Arc<Mutex<BTreeMap<String, Device>>>,
    clock: Arc<dyn Clock>,
}

impl Simulator {
    /// The meters of a configuration, each with a register that stands at `quantity` and rises by `per_hour` base units.
    pub fn new(config: &Config, clock: Arc<dyn Clock>, quantity: u64, per_hour: u64) -> Self {
        let set_ms = clock.now_ms();
        let mut devices = BTreeMap::new();
        let by_name: BTreeMap<&str, &Bus> = config.buses.iter().map(|bus| (bus.name.as_str(), bus)).collect();
        for (number, meter) in (1u64..).zip(&config.meters) {
            let Some(bus) = by_name.get(meter.bus.as_str()) else { continue };
            let device = Device {
                meter: meter.clone(),
                protocol: bus.protocol,
                quantity,
                set_ms,
                per_hour,
                fault: None,
                number,
                is_selected: false,
            };
            devices.insert(format!("{}/{}", bus.name, meter.address()), device);
        }
        Self { devices: Arc::new(Mutex::new(devices)), clock }
    }

    fn change<T>(&self, meter: MeterId, change: impl FnOnce(&mut Device, u64) -> T) -> Option<T> {
        let now_ms = self.clock.now_ms();
        let mut devices = self.devices.lock().expect("no holder of this lock panics");
        devices.values_mut().find(|device| device.meter.id == meter).map(|device| change(device, now_ms))
    }

    /// Sets a meter's register, in base units of what flows.
    pub fn set(&self, meter: MeterId, quantity: u64) {
        self.change(meter, |device, now_ms| (device.quantity, device.set_ms) = (quantity, now_ms));
    }

    /// Sets how fast a meter's register rises, in base units an hour.
    pub fn set_rate(&self, meter: MeterId, per_hour: u64) {
        self.change(meter, |device, now_ms| {
            (device.quantity, device.set_ms) = (device.quantity(now_ms), now_ms);
            device.per_hour = per_hour;
        });
    }

    /// Gives a meter a fault, or takes it away.
    pub fn set_fault(&self, meter: MeterId, fault: Option<Fault>) {
        self.change(meter, |device, _| device.fault = fault);
    }

    /// Puts another device in a meter's place: another number, and a register that begins at zero.
    pub fn exchange(&self, meter: MeterId) {
        self.change(meter, |device, now_ms| {
            device.number += 1_000_000;
            (device.quantity, device.set_ms) = (0, now_ms);
        });
    }

    /// Moves a meter's register to one step before it starts again.
    pub fn rollover(&self, meter: MeterId) {
        self.change(meter, |device, now_ms| {
            let last = device.modulus() - 1;
            let quantity = last * u128::from(device.step()) * u128::from(device.meter.ratio.factor());
            (device.quantity, device.set_ms) = (u64::try_from(quantity).unwrap_or(u64::MAX), now_ms);
        });
    }

    /// The time that its devices live in.
    pub fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// What a meter's device shows now, in base units of what flows; none if there is no such meter.
    pub fn shows(&self, meter: MeterId) -> Option<u64> {
        self.change(meter, |device, now_ms| {
            let wrapped = u128::from(device.steps(now_ms, device.step())) % device.modulus();
            (wrapped as u64).saturating_mul(device.step()).saturating_mul(device.meter.ratio.factor())
        })
    }

    /// Does what a line of text says; the answer is for people.
    pub fn command(&self, line: &str) -> Result<String, CommandError> {
        let words: Vec<_> = line.split_whitespace().collect();
        let meter = |name: &str| {
            let devices = self.devices.lock().expect("no holder of this lock panics");
            let is_called =
                |key: &str, device: &Device| key == name || device.meter.id.to_string() == name || device.is_at(name);
            let found = devices.iter().find(|(key, device)| is_called(key, device));
            let (_, device) = found.ok_or(CommandError::NoMeter(name.into()))?;
            match device.protocol {
                BusProtocol::Mqtt => Err(CommandError::NotPlayed(name.into())),
                _ => Ok((device.meter.id, device.meter.carrier)),
            }
        };
        let fault = |name: &str, fault: Fault| {
            let (id, _) = meter(name)?;
            let devices = self.devices.lock().expect("no holder of this lock panics");
            let protocol = devices.values().find(|device| device.meter.id == id).map(|device| device.protocol);
            let refused = |protocol, instead| Err(CommandError::NoSuchFault { meter: name.into(), protocol, instead });
            match (protocol, fault) {
                (Some(protocol @ BusProtocol::Ocpp), _) => refused(protocol, "write offline METER"),
                (
                    Some(protocol @ (BusProtocol::Dlt645 | BusProtocol::Cjt188 | BusProtocol::Mbus)),
                    Fault::SwappedWords,
                ) => refused(protocol, "a Modbus device has words that can be swapped"),
                _ => {
                    drop(devices);
                    self.set_fault(id, Some(fault));
                    Ok(())
                }
            }
        };
        let amount = |text: &str, carrier| {
            let step: crate::number::Step = text.parse().map_err(|error| CommandError::Value(format!("{error}")))?;
            let quantity = step.number.quantity_floor(step.unit, carrier);
            quantity.map(|quantity| quantity.0).map_err(|error| CommandError::Value(error.to_string()))
        };
        match words[..] {
            ["set", name, text] => {
                let (id, carrier) = meter(name)?;
                self.set(id, amount(text, carrier)?);
            }
            ["rate", name, text] => {
                let (id, carrier) = meter(name)?;
                self.set_rate(id, amount(text, carrier)?);
            }
            ["silence", name] => fault(name, Fault::Silent)?,
            ["swap", name] => fault(name, Fault::SwappedWords)?,
            ["noise", name] => fault(name, Fault::Noise)?,
            ["late", name, text] => {
                let late = text.parse::<jiff::SignedDuration>().ok().and_then(|late| Duration::try_from(late).ok());
                let late = late.filter(|late| *late <= MAX_LATE);
                let late = late.ok_or_else(|| CommandError::Value(format!("{text:?} is no duration: write 5s")))?;
                fault(name, Fault::Late(late))?;
            }
            ["exchange", name] => self.exchange(meter(name)?.0),
            ["rollover", name] => {
                let (id, carrier) = meter(name)?;
                self.rollover(id);
                let last = in_usual_unit(self.shows(id).unwrap_or_default(), carrier);
                return Ok(format!(
                    "done: {line}; it shows {last} and starts again with its next step. A gateway takes that for a rollover if it has \
                     read it near there before: else set it there first"
                ));
            }
            ["well", name] => self.set_fault(meter(name)?.0, None),
            _ => return Err(CommandError::Unknown(line.into())),
        }
        Ok(format!("done: {line}"))
    }

    /// Answers on a bus until the listener fails.
    pub async fn serve(&self, bus: &Bus, listener: TcpListener) -> std::io::Error {
        let connections = Arc::new(tokio::sync::Semaphore::new(MAX_CONNECTIONS));
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => return error,
            };
            let Ok(permit) = connections.clone().try_acquire_owned() else { continue };
            let (simulator, name, protocol) = (self.clone(), bus.name.clone(), bus.protocol);
            tokio::spawn(async move {
                let _permit = permit;
                // Answers are a few bytes: waiting to fill a packet costs a fifth of a second each.
                let _ = stream.set_nodelay(true);
                // Whoever hangs up or sends what is no request is simply gone.
                let _ = simulator.answer_all(&name, protocol, stream).await;
            });
        }
    }

    /// A way to a bus's devices that never leaves this process.
    pub fn dial(&self, bus: &Bus) -> Dial {
        /// More than a request or an answer.
        const BUFFER: usize = 1_024;
        let (simulator, bus) = (self.clone(), bus.clone());
        Box::new(move || {
            let (near, far) = tokio::io::duplex(BUFFER);
            let (simulator, bus) = (simulator.clone(), bus.clone());
            tokio::spawn(async move {
                // Whoever hangs up is simply gone.
                let _ = simulator.answer_all(&bus.name, bus.protocol, far).await;
            });
            Box::pin(async move { Ok(Box::new(near) as Box<dyn Wire>) })
        })
    }

    /// Answers at a serial port of its own until that fails.
    pub async fn serve_port(&self, bus: &Bus, mut port: PlayedPort) -> std::io::Error {
        loop {
            // What is no request is noise on the line: a device waits for the next.
            if let Err(error) = self.answer_all(&bus.name, bus.protocol, &mut port.wire).await {
                return error;
            }
        }
    }

    async fn answer_all<W: Wire>(&self, bus: &str, protocol: BusProtocol, mut stream: W) -> std::io::Result<()> {
        let mut bytes = Vec::new();
        loop {
            match arrival(protocol, &bytes) {
                Ok(Arrival::Whole(whole)) => {
                    let request: Vec<u8> = bytes.drain(..whole).collect();
                    if let Some((answer, late)) = self.answer(bus, protocol, &request) {
                        if !late.is_zero() {
                            tokio::time::sleep(late).await;
                        }
                        stream.write_all(&answer).await?;
                    }
                }
                Ok(Arrival::Needs(_)) => {
                    let mut buffer = [0; 512];
                    let count = stream.read(&mut buffer).await?;
                    if count == 0 {
                        return Err(std::io::ErrorKind::UnexpectedEof.into());
                    }
                    bytes.extend(&buffer[..count]);
                }
                Err(_) => return Ok(()),
            }
        }
    }

    /// What the devices of an M-Bus send on a request. Several at once send over each other.
    fn answer_mbus(&self, bus: &str, bytes: &[u8]) -> Option<(Vec<u8>, Duration)> {
        let parsed = mbus::parse(bytes).ok()?;
        let now_ms = self.clock.now_ms();
        let mut devices = self.devices.lock().expect("no holder of this lock panics");
        let mut on_bus: Vec<&mut Device> = devices.values_mut().filter(|device| device.meter.bus == bus).collect();
        let (acknowledge, is_asked): (bool, Box<dyn Fn(&Device) -> bool>) = match (mbus::selection(&parsed), parsed) {
            (Some(meant), _) => {
                for device in &mut on_bus {
                    device.is_selected = device.secondary().is_some_and(|device| meant.means(device));
                }
                (true, Box::new(|device: &Device| device.is_selected))
            }
            (None, mbus::Parsed::Short { control, primary }) => {
                let is_asked = move |device: &Device| match primary {
                    mbus::ANY => true,
                    mbus::SELECTED => device.is_selected,
                    primary => device.meter.unit.to_string() == primary.to_string(),
                };
                (control == 0x40, Box::new(is_asked))
            }
            _ => return None,
        };
        let request = Request::Mbus { acknowledge };
        let asked = on_bus.iter().filter(|device| is_asked(device));
        let sent = asked.filter_map(|device| device.sends(&request, now_ms));
        sent.reduce(|(one, late), (other, later)| (sent_at_once(&one, &other), late.max(later)))
    }

    /// The answer to a request on a bus, and how late it comes.
    fn answer(&self, bus: &str, protocol: BusProtocol, bytes: &[u8]) -> Option<(Vec<u8>, Duration)> {
        let (request, unit) = match protocol {
            BusProtocol::Dlt645 => {
                let parsed = dlt645::parse(bytes).ok()?;
                let unit = (parsed.address != dlt645::Address::ANY).then(|| parsed.address.to_string());
                (Request::Dlt645(parsed), unit)
            }
            BusProtocol::Cjt188 => {
                let parsed = cjt188::parse(bytes).ok()?;
                let unit = (parsed.address != cjt188::Address::ANY).then(|| parsed.address.to_string());
                (Request::Cjt188(parsed), unit)
            }
            BusProtocol::Mbus => return self.answer_mbus(bus, bytes),
            // Whoever tells by itself is not asked.
            BusProtocol::Mqtt | BusProtocol::Ocpp => return None,
            BusProtocol::ModbusTcp | BusProtocol::ModbusRtu => {
                let framing = protocol.framing();
                let parsed = modbus::parse(framing, bytes).ok()?;
                let request = parsed.request()?;
                let transaction = parsed.transaction;
                (Request::Modbus { framing, transaction, request }, Some(request.unit.to_string()))
            }
        };
        let devices = self.devices.lock().expect("no holder of this lock panics");
        let of_bus = format!("{bus}/");
        let device = match unit {
            Some(unit) => devices.get(&format!("{of_bus}{unit}"))?,
            // Whoever asks for any meter gets an answer only where there is one.
            None => {
                let mut on_bus = devices.iter().filter(|(key, _)| key.starts_with(&of_bus));
                let (_, only) = on_bus.next()?;
                if on_bus.next().is_some() {
                    return None;
                }
                only
            }
        };
        debug_assert_eq!(device.protocol, protocol, "a bus has one protocol");
        device.sends(&request, self.clock.now_ms())
    }
}

/// What arrives where two devices of an M-Bus send at once: what both send alike, and then nothing that can be made out.
fn sent_at_once(one: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = one.to_vec();
    bytes.resize(one.len().max(other.len()), 0);
    let alike = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    bytes[alike..].fill(0);
    bytes
}

fn arrival(protocol: BusProtocol, bytes: &[u8]) -> Result<Arrival, Refused> {
    match protocol {
        BusProtocol::Dlt645 => dlt645::arrival(bytes),
        BusProtocol::Cjt188 => cjt188::arrival(bytes),
        BusProtocol::Mbus => mbus::arrival(bytes),
        BusProtocol::ModbusTcp | BusProtocol::ModbusRtu => modbus::request_arrival(protocol.framing(), bytes),
        BusProtocol::Mqtt | BusProtocol::Ocpp => Err(Refused::NeedsProfile { protocol: protocol.protocol() }),
    }
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator").field("now_ms", &self.clock.now_ms()).finish_non_exhaustive()
    }
}
