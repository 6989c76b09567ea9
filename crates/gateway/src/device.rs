//! Asking a device for its register.

use crate::causes;
use crate::config::{BusProtocol, Meter, UnitAddress};
use crate::line::{ExchangeError, Line};
use crate::profile::{self, Register};
use crate::protocol::modbus::{self, Request};
use crate::protocol::{Content, Direction, Protocol, Record, Refused, Telegram, cjt188, dlt645, mbus, sunspec};
use crate::reason::{Sentence, sentence};
use utilidor_types::Quantity;

/// Numbers that requests carry so that their answers can be told from older ones. One a bus.
#[derive(Debug, Clone, Copy, Default)]
pub struct Numbers {
    transaction: u16,
    serial: u8,
}

/// A look at a device's register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// What it shows, in base units, its transformers reckoned in.
    pub quantity: Quantity,
    /// What the answer says.
    pub telegram: Telegram,
    /// What was asked, as sent.
    pub request: Vec<u8>,
    /// What was answered, as received.
    pub answer: Vec<u8>,
}

/// Why there is no look.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// No answer came.
    #[error(transparent)]
    Line(#[from] ExchangeError),
    /// What came is refused.
    #[error("{refused}")]
    Refused {
        /// Why.
        refused: Refused,
        /// What came.
        answer: Vec<u8>,
    },
}

impl LookError {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Line(error) => error.code(),
            Self::Refused { refused, .. } => refused.code(),
        }
    }

    /// The bytes that it is about.
    pub fn answer(&self) -> Option<&[u8]> {
        match self {
            Self::Refused { answer, .. } | Self::Line(ExchangeError::Refused { bytes: answer, .. }) => Some(answer),
            Self::Line(_) => None,
        }
    }

    /// The error with its cause, in one sentence.
    pub fn sentence(&self) -> Sentence {
        causes::told(self)
    }
}

/// Looks at a meter's register once.
pub async fn look(
    line: &mut Line,
    protocol: BusProtocol,
    meter: &Meter,
    numbers: &mut Numbers,
) -> Result<Look, LookError> {
    let (telegram, request, answer) = ask(line, protocol, meter, numbers).await?;
    match profile::quantity_floor(&telegram, meter.carrier, meter.ratio) {
        Ok(quantity) => Ok(Look { quantity, telegram, request, answer }),
        Err(refused) => Err(LookError::Refused { refused, answer }),
    }
}

/// What the device answers to the question for its register, with the bytes of both.
pub async fn ask(
    line: &mut Line,
    protocol: BusProtocol,
    meter: &Meter,
    numbers: &mut Numbers,
) -> Result<(Telegram, Vec<u8>, Vec<u8>), LookError> {
    let (request, answer, telegram) = match (meter.unit, &meter.profile.register) {
        (UnitAddress::Dlt645(address), Register::Dlt645 { identifier, .. }) => {
            let request = dlt645::read_request(address, *identifier);
            let answer = line.exchange(&request, dlt645::arrival).await?;
            let telegram = dlt645::decode_answer(&answer, address, *identifier).map(as_register);
            (request, answer, telegram)
        }
        (UnitAddress::Cjt188(address), Register::Cjt188 { units }) => {
            numbers.serial = numbers.serial.wrapping_add(1);
            let request = cjt188::read_request(cjt188::Kind::of(meter.carrier), address, numbers.serial);
            let answer = line.exchange(&request, cjt188::arrival).await?;
            let telegram = cjt188::decode_answer(&answer, address, numbers.serial, *units);
            (request, answer, telegram)
        }
        (UnitAddress::Mbus(primary), Register::Mbus { selector }) => {
            // A device repeats its last answer where it does not see that the one before was received. Beginning anew each
            // time makes sure that it shows what is now.
            acknowledged(line, &mbus::reset_request(primary)).await?;
            let decode = |answer: &[u8]| mbus::decode_answer(answer, primary);
            mbus_values(line, primary, selector.as_ref(), decode).await?
        }
        (UnitAddress::MbusSecondary(device), Register::Mbus { selector }) => {
            // Being selected, it begins anew too, and whoever was selected before is not any more.
            acknowledged(line, &mbus::select_request(device)).await?;
            let decode = |answer: &[u8]| mbus::decode_selected(answer, device);
            mbus_values(line, mbus::SELECTED, selector.as_ref(), decode).await?
        }
        (UnitAddress::Modbus(unit), Register::Modbus { function, address, description, .. }) => {
            let count = description.kind.registers();
            let question = Request { unit, function: *function, first: *address, count };
            let (request, answer, registers) = read_registers(line, protocol, question, numbers).await?;
            let telegram = registers.and_then(|registers| {
                Ok(Telegram {
                    protocol: Protocol::Modbus,
                    direction: Direction::Reply,
                    address: unit.to_string(),
                    carrier: Some(meter.carrier),
                    subject: sentence!("registers from {address:#06x} on", "自 {address:#06x} 起的寄存器"),
                    records: vec![description.record(&registers)?],
                })
            });
            (request, answer, telegram)
        }
        (UnitAddress::Modbus(unit), Register::SunSpec(wanted)) => {
            sunspec_model(line, protocol, unit, *wanted, numbers).await?
        }
        _ => unreachable!("a configuration gives each meter a profile of its bus's protocol"),
    };
    match telegram {
        Ok(telegram) => Ok((telegram, request, answer)),
        Err(refused) => {
            // What was not the answer may be followed by it.
            line.hang_up();
            Err(LookError::Refused { refused, answer })
        }
    }
}

/// Sends a request that an M-Bus device acknowledges.
async fn acknowledged(line: &mut Line, request: &[u8]) -> Result<(), LookError> {
    let answer = line.exchange(request, mbus::arrival).await?;
    if mbus::parse(&answer) == Ok(mbus::Parsed::Acknowledged) {
        return Ok(());
    }
    line.hang_up();
    let refused = Refused::WrongSubject {
        expected: sentence!("acknowledged", "确认"),
        found: sentence!("another frame", "另一种报文"),
    };
    Err(LookError::Refused { refused, answer })
}

/// The first of a device's telegrams that holds the register, or its last one.
async fn mbus_values(
    line: &mut Line,
    address: u8,
    selector: Option<&mbus::Selector>,
    decode: impl Fn(&[u8]) -> Result<Telegram, Refused>,
) -> Result<(Vec<u8>, Vec<u8>, Result<Telegram, Refused>), LookError> {
    let mut toggle = true;
    let mut telegrams = 1;
    loop {
        let request = mbus::read_request(address, toggle);
        let answer = line.exchange(&request, mbus::arrival).await?;
        let mut telegram = decode(&answer);
        if let (Ok(telegram), Some(selector)) = (&mut telegram, selector) {
            selector.apply(telegram);
        }
        let goes_on = telegram.as_ref().is_ok_and(|telegram| {
            let is_there = telegram.records.iter().any(|record| record.is_register);
            !is_there && mbus::is_continued(telegram) && telegrams < mbus::MAX_TELEGRAMS
        });
        if !goes_on {
            return Ok((request, answer, telegram));
        }
        // The other toggle says that this telegram has come, and asks for the next.
        toggle = !toggle;
        telegrams += 1;
    }
}

/// What a profile asks for is the register, whichever it is: reverse energy of a generator's meter is its quantity.
fn as_register(mut telegram: Telegram) -> Telegram {
    if let [record] = telegram.records.as_mut_slice() {
        record.is_register = true;
    }
    telegram
}

async fn read_registers(
    line: &mut Line,
    protocol: BusProtocol,
    question: Request,
    numbers: &mut Numbers,
) -> Result<(Vec<u8>, Vec<u8>, Result<Vec<u16>, Refused>), LookError> {
    let framing = protocol.framing();
    numbers.transaction = numbers.transaction.wrapping_add(1);
    let request = question.frame(framing, numbers.transaction);
    let answer = line.exchange(&request, |bytes| modbus::arrival(framing, bytes)).await?;
    let registers = modbus::decode_answer(framing, &answer, question, numbers.transaction);
    Ok((request, answer, registers))
}

/// The model that is wanted of a SunSpec device. The chain is walked each time: a device can be exchanged, or get new programs,
/// and then other registers stand where the counter was.
async fn sunspec_model(
    line: &mut Line,
    protocol: BusProtocol,
    unit: u8,
    wanted: sunspec::Wanted,
    numbers: &mut Numbers,
) -> Result<(Vec<u8>, Vec<u8>, Result<Telegram, Refused>), LookError> {
    let mut base = None;
    for first in sunspec::BASES {
        let question = Request { unit, function: modbus::Function::Holding, first, count: sunspec::HEADER };
        let (request, answer, registers) = read_registers(line, protocol, question, numbers).await?;
        match registers {
            Ok(registers) if registers == sunspec::MARKER => {
                base = Some(first);
                break;
            }
            // There is something else, or nothing: the chain can begin elsewhere.
            Ok(_) | Err(Refused::DeviceError { .. }) if first != sunspec::BASES[sunspec::BASES.len() - 1] => {}
            Ok(registers) => {
                let found = Sentence::alike(format!("{registers:04x?}"));
                let refused =
                    Refused::WrongSubject { expected: sentence!("the mark of SunSpec", "SunSpec 标记"), found };
                return Ok((request, answer, Err(refused)));
            }
            Err(refused) => return Ok((request, answer, Err(refused))),
        }
    }
    let mut walk = sunspec::Walk::from(base.unwrap_or_default(), wanted);
    let mut step = walk.next();
    loop {
        let question = sunspec::request(unit, &step);
        let (request, answer, registers) = read_registers(line, protocol, question, numbers).await?;
        let registers = match registers {
            Ok(registers) => registers,
            Err(refused) => return Ok((request, answer, Err(refused))),
        };
        let next = match step {
            sunspec::Step::Header { .. } => walk.header(&registers),
            sunspec::Step::Common { .. } => Ok(walk.common(&registers)),
            sunspec::Step::Model { .. } => {
                let telegram = sunspec::telegram(unit, &registers, wanted).map(|mut telegram| {
                    let text = |what, text: Option<String>| Some(Record::new(what, Content::Text(text?)));
                    telegram.records.extend(text(SUNSPEC_NUMBER, walk.device));
                    telegram.records.extend(text("device", walk.maker));
                    telegram
                });
                return Ok((request, answer, telegram));
            }
        };
        step = match next {
            Ok(step) => step,
            Err(refused) => return Ok((request, answer, Err(refused))),
        };
    }
}

/// The record with the number of a SunSpec device.
const SUNSPEC_NUMBER: &str = "device_number";

/// The number of the device, where it can be asked for; to notice that another stands in its place.
pub async fn number(
    line: &mut Line,
    protocol: BusProtocol,
    meter: &Meter,
    numbers: &mut Numbers,
) -> Result<Option<String>, LookError> {
    let refuse = |line: &mut Line, refused, answer| {
        line.hang_up();
        LookError::Refused { refused, answer }
    };
    match (meter.unit, &meter.profile.register) {
        (UnitAddress::Dlt645(address), Register::Dlt645 { serial: Some(identifier), .. }) => {
            let request = dlt645::read_request(address, *identifier);
            let answer = line.exchange(&request, dlt645::arrival).await?;
            match dlt645::decode_answer(&answer, address, *identifier) {
                Ok(telegram) => Ok(text_of(&telegram, "meter_number")),
                // Older meters do not keep their number.
                Err(Refused::DeviceError { .. }) => Ok(None),
                Err(refused) => Err(refuse(line, refused, answer)),
            }
        }
        (UnitAddress::Modbus(unit), Register::Modbus { serial: Some(serial), .. }) => {
            let question = Request { unit, function: serial.function, first: serial.address, count: serial.count };
            let (_, answer, registers) = read_registers(line, protocol, question, numbers).await?;
            match registers {
                Ok(registers) => Ok(Some(registers.iter().map(|register| format!("{register:04x}")).collect())),
                Err(refused) => Err(refuse(line, refused, answer)),
            }
        }
        // The address is the maker's own number of the device.
        (UnitAddress::Cjt188(_), _) => Ok(None),
        // It stands in every answer: see `number_in`.
        _ => Ok(None),
    }
}

/// The number of the device, where every answer says it.
pub fn number_in(telegram: &Telegram) -> Option<String> {
    match telegram.protocol {
        Protocol::Mbus => text_of(telegram, "identification"),
        Protocol::Modbus => text_of(telegram, SUNSPEC_NUMBER),
        _ => None,
    }
}

fn text_of(telegram: &Telegram, what: &str) -> Option<String> {
    telegram.records.iter().find_map(|record: &Record| match &record.content {
        Content::Text(text) if record.what == what => Some(text.clone()),
        _ => None,
    })
}
