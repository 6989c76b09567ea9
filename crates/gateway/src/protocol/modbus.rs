//! Modbus: reading registers, in RTU frames (serial lines, and serial servers) and in TCP frames.
//!
//! ```text
//! RTU   unit  function  ...  CRC CRC
//! TCP   transaction(2)  0 0  length(2)  unit  function  ...
//! ```
//!
//! A register is 16 bits without meaning: what a row of them shows, and in which order its words and bytes stand, is each
//! maker's own. A *register description* says it; without one, [`interpretations`] shows all that the bytes can mean.
//!
//! Only reading is built here, on purpose: a gateway that can write can stop a meter.

use super::{Arrival, Content, Direction, Protocol, Record, Refused, Telegram, expect_byte, whole_frame};
use crate::number::{Bits, NotFinite, Number, NumberError, Step, Unit};
use crate::reason::{Sentence, sentence};
use serde::{Deserialize, Serialize};

/// Most registers that can be read at once.
pub const MAX_REGISTERS: usize = 125;
/// Longest RTU frame.
pub const MAX_RTU_FRAME: usize = 256;
/// Longest TCP frame.
pub const MAX_TCP_FRAME: usize = 260;
/// Bytes of unit, function and CRC around an RTU frame's content.
const RTU_EXTRA: usize = 4;
/// Bytes before the unit in a TCP frame.
const TCP_HEAD: usize = 6;
/// Set in the function of an answer that is an error.
const EXCEPTION: u8 = 0x80;
/// Bytes of a request's content: first register and count.
const REQUEST_CONTENT: usize = 4;

/// How a frame is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Framing {
    /// With a checksum; on serial lines, and through serial servers that pass bytes on.
    Rtu,
    /// With a transaction number; over TCP.
    Tcp,
}

/// Which registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Function {
    /// Holding registers: function 3.
    Holding = 3,
    /// Input registers: function 4.
    Input = 4,
}

impl TryFrom<u8> for Function {
    type Error = String;
    fn try_from(code: u8) -> Result<Self, String> {
        match code {
            3 => Ok(Self::Holding),
            4 => Ok(Self::Input),
            _ => Err(format!("function {code} does not read registers; 3 reads holding registers, 4 input registers")),
        }
    }
}

impl From<Function> for u8 {
    fn from(function: Function) -> Self {
        function as u8
    }
}

/// Asks a unit for registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// The device behind the connection.
    pub unit: u8,
    /// Which registers.
    pub function: Function,
    /// The first, counted from 0.
    pub first: u16,
    /// How many.
    pub count: u16,
}

impl Request {
    /// Its frame; `transaction` is a TCP frame's number.
    pub fn frame(self, framing: Framing, transaction: u16) -> Vec<u8> {
        let [first_high, first_low] = self.first.to_be_bytes();
        let [count_high, count_low] = self.count.to_be_bytes();
        frame(framing, transaction, self.unit, self.function.into(), &[first_high, first_low, count_high, count_low])
    }
}

/// The answer with registers.
pub fn answer(framing: Framing, transaction: u16, unit: u8, function: Function, registers: &[u16]) -> Vec<u8> {
    let mut content = vec![(registers.len() * 2) as u8];
    content.extend(registers.iter().flat_map(|register| register.to_be_bytes()));
    frame(framing, transaction, unit, function.into(), &content)
}

/// The answer that is an error.
pub fn exception(framing: Framing, transaction: u16, unit: u8, function: Function, code: u8) -> Vec<u8> {
    frame(framing, transaction, unit, function as u8 | EXCEPTION, &[code])
}

fn frame(framing: Framing, transaction: u16, unit: u8, function: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(content.len() + 8);
    if framing == Framing::Tcp {
        bytes.extend(transaction.to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend((content.len() as u16 + 2).to_be_bytes());
    }
    bytes.extend([unit, function]);
    bytes.extend(content);
    if framing == Framing::Rtu {
        bytes.extend(crc(&bytes).to_le_bytes());
    }
    bytes
}

/// The checksum of an RTU frame: CRC-16 with the reflected polynomial A001.
pub fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xffff, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xa001 } else { crc >> 1 })
    })
}

/// How far an answer has arrived. Refuses what can become none. A request cannot be told from an answer before it is whole:
/// this is for the gateway's side of the line, [`request_arrival`] for the device's.
pub fn arrival(framing: Framing, bytes: &[u8]) -> Result<Arrival, Refused> {
    match framing {
        Framing::Tcp => tcp_arrival(bytes),
        Framing::Rtu => {
            let (Some(function), Some(length)) = (bytes.get(1), bytes.get(2)) else {
                return Ok(Arrival::Needs(RTU_EXTRA + 1 - bytes.len()));
            };
            let whole = match function {
                3 | 4 => usize::from(*length) + RTU_EXTRA + 1,
                function if function & EXCEPTION != 0 => RTU_EXTRA + 1,
                function => return Err(Refused::Unknown { what: "function", value: (*function).into() }),
            };
            if whole > MAX_RTU_FRAME {
                return Err(Refused::Oversize { bytes: whole, most: MAX_RTU_FRAME });
            }
            Ok(if bytes.len() < whole { Arrival::Needs(whole - bytes.len()) } else { Arrival::Whole(whole) })
        }
    }
}

/// How far a request has arrived.
pub fn request_arrival(framing: Framing, bytes: &[u8]) -> Result<Arrival, Refused> {
    match framing {
        Framing::Tcp => tcp_arrival(bytes),
        Framing::Rtu => {
            let whole = RTU_EXTRA + REQUEST_CONTENT;
            Ok(if bytes.len() < whole { Arrival::Needs(whole - bytes.len()) } else { Arrival::Whole(whole) })
        }
    }
}

fn tcp_arrival(bytes: &[u8]) -> Result<Arrival, Refused> {
    for place in [2, 3] {
        if bytes.len() > place {
            expect_byte("protocol", bytes, place, 0)?;
        }
    }
    let (Some(high), Some(low)) = (bytes.get(4), bytes.get(5)) else {
        return Ok(Arrival::Needs(TCP_HEAD + 3 - bytes.len()));
    };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    let whole = TCP_HEAD + length;
    if whole > MAX_TCP_FRAME {
        return Err(Refused::Oversize { bytes: whole, most: MAX_TCP_FRAME });
    }
    // Unit, function and at least one byte.
    if length < 3 {
        return Err(Refused::WrongLength { what: "frame".into(), bytes: length, expected: 3 });
    }
    Ok(if bytes.len() < whole { Arrival::Needs(whole - bytes.len()) } else { Arrival::Whole(whole) })
}

/// What a frame holds, its checksum checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// How it is written.
    pub framing: Framing,
    /// A TCP frame's number.
    pub transaction: u16,
    /// The device.
    pub unit: u8,
    /// Its function as sent.
    pub function: u8,
    /// What follows.
    pub content: Vec<u8>,
}

impl Parsed {
    /// The request, if it is one for registers.
    pub fn request(&self) -> Option<Request> {
        let function = Function::try_from(self.function).ok()?;
        let [first_high, first_low, count_high, count_low] = self.content[..] else { return None };
        let count = u16::from_be_bytes([count_high, count_low]);
        let first = u16::from_be_bytes([first_high, first_low]);
        let is_readable = (1..=MAX_REGISTERS).contains(&count.into());
        is_readable.then_some(Request { unit: self.unit, function, first, count })
    }
}

/// Takes a frame apart. Order: oversize, truncation, protocol and length of a TCP frame, bytes that follow, checksum.
pub fn parse(framing: Framing, bytes: &[u8]) -> Result<Parsed, Refused> {
    let body = match framing {
        Framing::Tcp => &bytes[TCP_HEAD..whole_frame(bytes, MAX_TCP_FRAME, tcp_arrival)?],
        Framing::Rtu => {
            if bytes.len() > MAX_RTU_FRAME {
                return Err(Refused::Oversize { bytes: bytes.len(), most: MAX_RTU_FRAME });
            }
            if bytes.len() < RTU_EXTRA + 1 {
                return Err(Refused::Truncated { bytes: bytes.len(), needed: RTU_EXTRA + 1 });
            }
            let (body, checksum) = bytes.split_at(bytes.len() - 2);
            let (found, computed) = (u16::from_le_bytes([checksum[0], checksum[1]]), crc(body));
            if found != computed {
                return Err(Refused::Checksum { found, computed, digits: 2 });
            }
            body
        }
    };
    let transaction = if framing == Framing::Tcp { u16::from_be_bytes([bytes[0], bytes[1]]) } else { 0 };
    Ok(Parsed { framing, transaction, unit: body[0], function: body[1], content: body[2..].to_vec() })
}

/// Takes a frame apart whose framing is not known: an RTU frame if its checksum holds, a TCP frame if its protocol bytes say so.
pub fn parse_any(bytes: &[u8]) -> Result<Parsed, Refused> {
    let refused = match parse(Framing::Rtu, bytes) {
        Ok(parsed) => return Ok(parsed),
        Err(refused) => refused,
    };
    match parse(Framing::Tcp, bytes) {
        Ok(parsed) => Ok(parsed),
        // What is as long as an RTU frame that says so is one, on which something went wrong.
        Err(of_tcp) if bytes.get(2..4) == Some(&[0, 0]) && !has_rtu_length(bytes) => Err(of_tcp),
        Err(_) => Err(refused),
    }
}

/// Whether bytes are as long as an RTU frame that reads registers, or fails to.
fn has_rtu_length(bytes: &[u8]) -> bool {
    match bytes.get(1) {
        Some(3 | 4) => {
            bytes.len() == RTU_EXTRA + REQUEST_CONTENT
                || arrival(Framing::Rtu, bytes) == Ok(Arrival::Whole(bytes.len()))
        }
        Some(0x83 | 0x84) => bytes.len() == RTU_EXTRA + 1,
        _ => false,
    }
}

/// The registers of an answer. Refuses an error of the device and a length that lies.
pub fn registers(parsed: &Parsed) -> Result<Vec<u16>, Refused> {
    if parsed.function & EXCEPTION != 0 {
        let [code] = parsed.content[..] else {
            let bytes = parsed.content.len();
            return Err(Refused::WrongLength { what: "error".into(), bytes, expected: 1 });
        };
        return Err(Refused::DeviceError { code: code.into(), meaning: error_meaning(code) });
    }
    if Function::try_from(parsed.function).is_err() {
        return Err(Refused::Unknown { what: "function", value: parsed.function.into() });
    }
    let Some((length, data)) = parsed.content.split_first() else {
        return Err(Refused::WrongLength { what: "answer".into(), bytes: 0, expected: 1 });
    };
    let length = usize::from(*length);
    if length != data.len() || length == 0 || !length.is_multiple_of(2) || length > MAX_REGISTERS * 2 {
        // A length that is true but none of registers: say which would be.
        let possible = length.next_multiple_of(2).clamp(2, MAX_REGISTERS * 2);
        let expected = if length == data.len() { possible } else { length };
        return Err(Refused::WrongLength { what: "registers".into(), bytes: data.len(), expected });
    }
    Ok(data.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect())
}

/// The registers that answer `request`. Order: the frame's own checks, which transaction, who answers, errors of the device,
/// to which question, how many.
pub fn decode_answer(framing: Framing, bytes: &[u8], request: Request, transaction: u16) -> Result<Vec<u16>, Refused> {
    let parsed = parse(framing, bytes)?;
    if framing == Framing::Tcp && parsed.transaction != transaction {
        let name = |number: u16| sentence!("transaction {number}", "事务 {number}");
        return Err(Refused::WrongSubject { expected: name(transaction), found: name(parsed.transaction) });
    }
    if parsed.unit != request.unit {
        let name = |unit: u8| sentence!("unit {unit}", "单元 {unit}");
        return Err(Refused::WrongAddress { expected: name(request.unit), found: name(parsed.unit) });
    }
    let function = parsed.function & !EXCEPTION;
    if function != request.function as u8 {
        let name = |function: u8| sentence!("function {function}", "功能码 {function}");
        return Err(Refused::WrongSubject { expected: name(request.function.into()), found: name(function) });
    }
    let registers = registers(&parsed)?;
    if registers.len() != usize::from(request.count) {
        let expected = usize::from(request.count) * 2;
        return Err(Refused::WrongLength { what: "registers".into(), bytes: registers.len() * 2, expected });
    }
    Ok(registers)
}

fn error_meaning(code: u8) -> Sentence {
    match code {
        1 => sentence!("it does not know the function", "不支持该功能码"),
        2 => sentence!("it does not have such registers", "没有这些寄存器"),
        3 => sentence!("it does not take the count", "不接受该数量"),
        4 => sentence!("it has failed", "设备故障"),
        5 => sentence!("it needs longer", "需要更长时间"),
        6 => sentence!("it is busy", "设备忙"),
        8 => sentence!("its memory has failed", "存储器故障"),
        10 => sentence!("the gateway before it has no way to it", "其前的网关没有通往它的路径"),
        11 => sentence!("it does not answer the gateway before it", "它没有应答其前的网关"),
        _ => sentence!("no reason is known", "原因不明"),
    }
}

/// What a frame says, without a description of its registers.
pub fn decode(bytes: &[u8]) -> Result<Telegram, Refused> {
    let parsed = parse_any(bytes)?;
    let telegram = |direction, subject, records| Telegram {
        protocol: Protocol::Modbus,
        direction,
        address: parsed.unit.to_string(),
        carrier: None,
        subject,
        records,
    };
    if let Some(request) = parsed.request() {
        let (first, last) = (request.first, request.first.wrapping_add(request.count - 1));
        let subject = sentence!("registers {first:#06x} to {last:#06x}", "寄存器 {first:#06x} 至 {last:#06x}");
        return Ok(telegram(Direction::Request, subject, Vec::new()));
    }
    let registers = registers(&parsed)?;
    let words: Vec<_> = registers.iter().map(|register| format!("{register:04x}")).collect();
    let mut records = vec![Record::new("registers", Content::Text(words.join(" ")))];
    records.extend(interpretations(&registers));
    let subject = sentence!("{} registers", "{} 个寄存器", registers.len());
    Ok(telegram(Direction::Reply, subject, records))
}

/// What an answer says with a description of its registers.
pub fn decode_described(bytes: &[u8], description: &Description) -> Result<Telegram, Refused> {
    let parsed = parse_any(bytes)?;
    let mut telegram = decode(bytes)?;
    if telegram.direction == Direction::Reply {
        telegram.records.truncate(1);
        telegram.records.push(description.record(&registers(&parsed)?)?);
    }
    Ok(telegram)
}

/// What a row of registers can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Unsigned, one register.
    U16,
    /// Signed, one register.
    I16,
    /// Unsigned, two registers.
    U32,
    /// Signed, two registers.
    I32,
    /// Unsigned, three registers.
    U48,
    /// Unsigned, four registers.
    U64,
    /// Signed, four registers.
    I64,
    /// IEEE 754, two registers.
    F32,
    /// IEEE 754, four registers.
    F64,
    /// Eight decimal digits, two registers.
    Bcd32,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 10] = [
        Self::U16,
        Self::I16,
        Self::U32,
        Self::I32,
        Self::U48,
        Self::U64,
        Self::I64,
        Self::F32,
        Self::F64,
        Self::Bcd32,
    ];

    /// Registers that one value takes.
    pub const fn registers(self) -> u16 {
        match self {
            Self::U16 | Self::I16 => 1,
            Self::U32 | Self::I32 | Self::F32 | Self::Bcd32 => 2,
            Self::U48 => 3,
            Self::U64 | Self::I64 | Self::F64 => 4,
        }
    }

    /// The name in a profile.
    pub const fn name(self) -> &'static str {
        match self {
            Self::U16 => "u16",
            Self::I16 => "i16",
            Self::U32 => "u32",
            Self::I32 => "i32",
            Self::U48 => "u48",
            Self::U64 => "u64",
            Self::I64 => "i64",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::Bcd32 => "bcd32",
        }
    }

    /// The number of a pattern.
    fn number(self, bits: u64) -> Result<Number, Refused> {
        Ok(match self {
            Self::U16 | Self::U32 | Self::U48 | Self::U64 => Number::unsigned(bits),
            Self::I16 => Number::whole((bits as u16 as i16).into()),
            Self::I32 => Number::whole((bits as u32 as i32).into()),
            Self::I64 => Number::whole(bits as i64),
            Self::F32 => Number::binary32(bits as u32)?,
            Self::F64 => Number::binary64(bits)?,
            Self::Bcd32 => {
                let digits = super::decimal_digits(&(bits as u32).to_be_bytes())
                    .map_err(|byte| Refused::NotDecimal { what: "register".into(), byte })?;
                Number::unsigned(digits)
            }
        })
    }
}

/// Which of a value's words stands first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WordOrder {
    /// The highest.
    #[default]
    HighFirst,
    /// The lowest.
    LowFirst,
}

/// Which of a word's bytes stands first. The protocol says the high one; some devices swap them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ByteOrder {
    /// The high one.
    #[default]
    HighFirst,
    /// The low one.
    LowFirst,
}

/// The pattern of a row of registers.
pub fn bits(registers: &[u16], words: WordOrder, bytes: ByteOrder) -> u64 {
    let word = |register: &u16| if bytes == ByteOrder::LowFirst { register.swap_bytes() } else { *register };
    let join = |bits: u64, word: u16| bits << 16 | u64::from(word);
    match words {
        WordOrder::HighFirst => registers.iter().map(word).fold(0, join),
        WordOrder::LowFirst => registers.iter().rev().map(word).fold(0, join),
    }
}

/// The registers of a pattern, as a device sends it.
pub fn to_registers(bits: u64, count: u16, words: WordOrder, bytes: ByteOrder) -> Vec<u16> {
    let mut registers: Vec<u16> = (0..count).rev().map(|place| (bits >> (16 * place)) as u16).collect();
    if words == WordOrder::LowFirst {
        registers.reverse();
    }
    if bytes == ByteOrder::LowFirst {
        registers.iter_mut().for_each(|register| *register = register.swap_bytes());
    }
    registers
}

/// What a row of registers shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// What it is, in words joined by underlines.
    pub what: String,
    /// How it is written.
    pub kind: Kind,
    /// Which word stands first.
    pub words: WordOrder,
    /// Which byte stands first.
    pub bytes: ByteOrder,
    /// How much one counts.
    pub step: Step,
    /// Patterns that say that there is no value.
    pub absent: Vec<u64>,
    /// Whether it is the device's cumulative register.
    pub is_register: bool,
}

impl Description {
    /// The value that registers show.
    pub fn record(&self, registers: &[u16]) -> Result<Record, Refused> {
        if registers.len() != usize::from(self.kind.registers()) {
            let expected = usize::from(self.kind.registers()) * 2;
            return Err(Refused::WrongLength { what: self.what.clone(), bytes: registers.len() * 2, expected });
        }
        let bits = bits(registers, self.words, self.bytes);
        let content = if self.absent.contains(&bits) {
            Content::Absent
        } else {
            let number = self.kind.number(bits)?.times(self.step.number);
            let too_large = NumberError::NotFinite { bits: Bits(bits), reason: NotFinite::TooLargeInSteps };
            Content::Number { number: number.ok_or(too_large)?, unit: self.step.unit }
        };
        Ok(Record { is_register: self.is_register, ..Record::new(self.what.clone(), content) })
    }
}

/// The function and the address that makers write as a number of six digits, 3 or 4 before a register that counts from 1. Numbers of
/// five digits can be addresses as well, and are not taken for it.
pub fn in_makers_notation(number: &str) -> Option<(Function, u16)> {
    let function = match number.as_bytes() {
        [b'3', _, _, _, _, _] => Function::Input,
        [b'4', _, _, _, _, _] => Function::Holding,
        _ => return None,
    };
    let register = number[1..].parse::<u32>().ok()?.checked_sub(1)?;
    Some((function, register.try_into().ok()?))
}

/// All that registers can mean: every kind that takes as many, in every order. Orders that show the same stand once.
pub fn interpretations(registers: &[u16]) -> Vec<Record> {
    let mut found: Vec<Record> = Vec::new();
    for kind in Kind::ALL.into_iter().filter(|kind| usize::from(kind.registers()) == registers.len()) {
        for words in [WordOrder::HighFirst, WordOrder::LowFirst] {
            for bytes in [ByteOrder::HighFirst, ByteOrder::LowFirst] {
                let order = match (words, bytes) {
                    (WordOrder::HighFirst, ByteOrder::HighFirst) => "high_first",
                    (WordOrder::LowFirst, ByteOrder::HighFirst) => "low_first",
                    (WordOrder::HighFirst, ByteOrder::LowFirst) => "high_first_bytes_swapped",
                    (WordOrder::LowFirst, ByteOrder::LowFirst) => "low_first_bytes_swapped",
                };
                let Ok(number) = kind.number(bits(registers, words, bytes)) else { continue };
                let record =
                    Record::new(format!("as_{}_{order}", kind.name()), Content::Number { number, unit: Unit::One });
                let is_new = !found.iter().any(|other| {
                    other.content == record.content && other.what.starts_with(&format!("as_{}_", kind.name()))
                });
                if is_new {
                    found.push(record);
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: Request = Request { unit: 1, function: Function::Holding, first: 0x000a, count: 2 };

    fn described(kind: Kind, words: WordOrder, step: &str) -> Description {
        Description {
            what: "energy".into(),
            kind,
            words,
            bytes: ByteOrder::HighFirst,
            step: step.parse().unwrap(),
            absent: vec![0xffff_ffff],
            is_register: true,
        }
    }

    #[test]
    fn frames_are_those_of_the_specification() {
        // The example of the serial line guide: unit 17, holding registers 108 to 110.
        let request = Request { unit: 0x11, function: Function::Holding, first: 0x006b, count: 3 };
        assert_eq!(hex::encode(request.frame(Framing::Rtu, 0)), "1103006b00037687");
        assert_eq!(hex::encode(request.frame(Framing::Tcp, 1)), "0001000000061103006b0003");
    }

    #[test]
    fn an_answer_is_read_as_it_was_built() {
        for framing in [Framing::Rtu, Framing::Tcp] {
            let frame = answer(framing, 7, 1, Function::Holding, &[1, 2]);
            assert_eq!(decode_answer(framing, &frame, REQUEST, 7), Ok(vec![1, 2]));
            assert_eq!(arrival(framing, &frame), Ok(Arrival::Whole(frame.len())));
            let request = REQUEST.frame(framing, 7);
            assert_eq!(parse(framing, &request).unwrap().request(), Some(REQUEST));
        }
    }

    #[test]
    fn refuses_answers_that_are_not_to_the_question() {
        let tcp = |transaction, unit, function, registers: &[u16]| {
            decode_answer(Framing::Tcp, &answer(Framing::Tcp, transaction, unit, function, registers), REQUEST, 7)
        };
        assert!(matches!(tcp(6, 1, Function::Holding, &[1, 2]), Err(Refused::WrongSubject { .. })));
        assert!(matches!(tcp(7, 2, Function::Holding, &[1, 2]), Err(Refused::WrongAddress { .. })));
        assert!(matches!(tcp(7, 1, Function::Input, &[1, 2]), Err(Refused::WrongSubject { .. })));
        assert!(matches!(tcp(7, 1, Function::Holding, &[1]), Err(Refused::WrongLength { .. })));
        let error = exception(Framing::Rtu, 0, 1, Function::Holding, 2);
        let refused = decode_answer(Framing::Rtu, &error, REQUEST, 0);
        assert_eq!(refused, Err(Refused::DeviceError { code: 2, meaning: error_meaning(2) }));
    }

    #[test]
    fn a_register_in_makers_notation_is_known_where_it_can_be_nothing_else() {
        assert_eq!(in_makers_notation("300053"), Some((Function::Input, 0x0034)));
        assert_eq!(in_makers_notation("400001"), Some((Function::Holding, 0)));
        for other in ["400000", "30053", "500001", "465537", "0x0034", "4", "40005é"] {
            assert_eq!(in_makers_notation(other), None, "{other}");
        }
    }

    #[test]
    fn the_order_of_words_and_bytes_is_declared_and_never_guessed() {
        let registers = [0x0001, 0x86a0];
        let value = |kind, words| described(kind, words, "0.1kWh").record(&registers).unwrap().content.to_string();
        assert_eq!(value(Kind::U32, WordOrder::HighFirst), "10000.0 kWh");
        assert_eq!(value(Kind::U32, WordOrder::LowFirst), "225863270.5 kWh");
        assert_eq!(value(Kind::I32, WordOrder::LowFirst), "-203633459.1 kWh");
        for kind in Kind::ALL {
            for words in [WordOrder::HighFirst, WordOrder::LowFirst] {
                for bytes in [ByteOrder::HighFirst, ByteOrder::LowFirst] {
                    let pattern = 0x1122_3344_5566_7788 >> (64 - 16 * kind.registers());
                    assert_eq!(bits(&to_registers(pattern, kind.registers(), words, bytes), words, bytes), pattern);
                }
            }
        }
    }

    #[test]
    fn a_pattern_that_is_declared_absent_is_no_value() {
        let record = described(Kind::U32, WordOrder::HighFirst, "1Wh").record(&[0xffff, 0xffff]).unwrap();
        assert_eq!(record.content, Content::Absent);
        let refused = described(Kind::F32, WordOrder::HighFirst, "1kWh").record(&[0x7fc0, 0]);
        assert!(matches!(refused, Err(Refused::Number(NumberError::NotFinite { .. }))));
    }

    #[test]
    fn a_frame_of_either_kind_is_recognised_and_shows_all_that_it_can_mean() {
        for framing in [Framing::Rtu, Framing::Tcp] {
            let frame = answer(framing, 1, 1, Function::Input, &[0x4640, 0xe6b7]);
            let telegram = decode(&frame).unwrap();
            assert_eq!(telegram.records[0].content, Content::Text("4640 e6b7".into()));
            let shown: Vec<_> = telegram.records.iter().map(|r| format!("{}={}", r.what, r.content)).collect();
            assert!(shown.contains(&"as_f32_high_first=12345.6787109375".into()), "{shown:?}");
            assert!(shown.contains(&"as_u32_high_first=1178658487".into()), "{shown:?}");
            assert_eq!(telegram.register(), None);
        }
        assert_eq!(decode(&REQUEST.frame(Framing::Tcp, 1)).unwrap().direction, Direction::Request);
    }

    #[test]
    fn a_frame_with_a_wrong_checksum_is_called_that_whatever_its_bytes_look_like() {
        // A request for the first registers has the zeros of a TCP frame's protocol where their number is.
        for frame in [
            REQUEST.frame(Framing::Rtu, 0),
            Request { first: 0, ..REQUEST }.frame(Framing::Rtu, 0),
            answer(Framing::Rtu, 0, 1, Function::Holding, &[1, 2]),
            exception(Framing::Rtu, 0, 1, Function::Input, 2),
        ] {
            let mut frame = frame;
            *frame.last_mut().unwrap() ^= 1;
            assert!(matches!(decode(&frame), Err(Refused::Checksum { digits: 2, .. })), "{frame:02x?}");
        }
        let mut tcp = answer(Framing::Tcp, 1, 1, Function::Holding, &[1, 2]);
        tcp.pop();
        assert!(matches!(decode(&tcp), Err(Refused::Truncated { .. })));
    }

    #[test]
    fn refuses_lengths_that_lie() {
        let mut odd = answer(Framing::Tcp, 1, 1, Function::Holding, &[1, 2]);
        odd[8] = 3;
        assert!(matches!(decode(&odd), Err(Refused::WrongLength { .. })));
        let mut long = answer(Framing::Tcp, 1, 1, Function::Holding, &[1, 2]);
        long[4] = 0xff;
        assert!(matches!(decode(&long), Err(Refused::Oversize { .. })));
        assert!(matches!(decode(&[0; 300]), Err(Refused::Oversize { .. })));
        assert!(matches!(decode(&[1, 3]), Err(Refused::Truncated { .. })));
    }

    #[test]
    fn a_length_that_is_none_of_registers_is_refused_with_one_that_is() {
        for (length, expected) in [(0, 2), (3, 4), (252, 250)] {
            let content = [vec![length as u8], vec![0; length]].concat();
            let parsed = Parsed { framing: Framing::Tcp, transaction: 0, unit: 1, function: 3, content };
            let refused = Refused::WrongLength { what: "registers".into(), bytes: length, expected };
            assert_eq!(registers(&parsed), Err(refused));
        }
    }
}
