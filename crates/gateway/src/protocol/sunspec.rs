//! SunSpec: inverters and meters that say themselves which registers they have, over Modbus.
//!
//! ```text
//! "SunS"  1 L common (maker, model, number)  103 L inverter  1 L common  203 L meter  ...  FFFF 0
//! ```
//!
//! From a base address on stands a chain of *models*, each with its id and its length. A counter stands in a model as a whole
//! number of 32 bits with a *scale factor*, a power of ten, beside it. The device that a model belongs to is the one that the last
//! common model before it names. What the points of each model are and where they stand is the crate `sunspec`'s, generated from
//! the definitions of the SunSpec Alliance; it is read here by frames, so that the journal keeps what was asked and answered.
//!
//! A model is read whole, in one answer: a register and the scale factor of another moment would not be one reading. A counter
//! of 0 is "not accumulated" by the definition, and what devices show while they wake up: it is absent.
//!
//! Not read: models with floats (111 to 113, 211 to 214).

use super::modbus::{self, Function, MAX_REGISTERS, Request};
use super::{Content, Direction, Protocol, Record, Refused, Telegram};
use crate::number::{Number, Unit};
use crate::reason::sentence;
use serde::Deserialize;
use sunspec::models::{model1, model101, model102, model103, model201, model202, model203, model204};
use sunspec::{DecodeError, Group, Point};
use utilidor_types::Carrier;

/// Where a chain can begin.
pub use sunspec::DEFAULT_DISCOVERY_ADDRESSES as BASES;
/// What stands there.
pub const MARKER: [u16; 2] = sunspec::SUNS_IDENTIFIER;
/// Most models that are walked past.
pub const MAX_MODELS: usize = 64;
/// Most of a kind that can be told apart.
pub const MAX_NTH: u16 = 16;
/// Registers of a model's id and length.
pub const HEADER: u16 = 2;
/// The id after the last model.
const END: u16 = 0xffff;
/// Powers of ten that a scale factor can be.
const SCALES: std::ops::RangeInclusive<i16> = -10..=10;
/// The registers of a common model that are read: as far as the device's number.
const COMMON: u16 = 64;

/// Which counter of a device is the register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Energy {
    /// What an inverter has given: models 101 to 103.
    Produced,
    /// What a meter has counted from the grid: models 201 to 204.
    Imported,
    /// What a meter has counted into the grid: models 201 to 204.
    Exported,
}

impl Energy {
    const fn record(self) -> &'static str {
        match self {
            Self::Produced => "energy_produced",
            Self::Imported => "energy_imported",
            Self::Exported => "energy_exported",
        }
    }

    /// Whether a model has it.
    const fn is_in(self, model: u16) -> bool {
        match self {
            Self::Produced => matches!(model, 101..=103),
            Self::Imported | Self::Exported => matches!(model, 201..=204),
        }
    }
}

/// What is wanted of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// The counter.
    pub energy: Energy,
    /// Of the how many-th model that has it: several meters can stand behind one inverter.
    #[serde(default = "first")]
    pub nth: u16,
}

const fn first() -> u16 {
    1
}

/// A step along a chain: what to read next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The header of the model at this register.
    Header {
        /// Its first register.
        first: u16,
    },
    /// The common model whose header stands at this register.
    Common {
        /// Its first register.
        first: u16,
    },
    /// The model that is wanted, whole.
    Model {
        /// Its first register, that of its id.
        first: u16,
        /// Its registers, id and length among them.
        count: u16,
    },
}

/// A walk along a chain of models, and what was learnt on the way. It ends: at the model, at the chain's end, after
/// [`MAX_MODELS`], or at the last register that there is.
#[derive(Debug, Clone)]
pub struct Walk {
    wanted: Wanted,
    next: u16,
    models: usize,
    found: u16,
    /// The number of the device that the last common model named.
    pub device: Option<String>,
    /// Its maker and model.
    pub maker: Option<String>,
}

impl Walk {
    /// A walk from a base address whose marker was read.
    pub const fn from(base: u16, wanted: Wanted) -> Self {
        Self { wanted, next: base.saturating_add(HEADER), models: 0, found: 0, device: None, maker: None }
    }

    /// Where the next header stands.
    pub const fn next(&self) -> Step {
        Step::Header { first: self.next }
    }

    /// What to read after a header.
    pub fn header(&mut self, registers: &[u16]) -> Result<Step, Refused> {
        let [id, length] = *registers else {
            return Err(Refused::WrongLength { what: "header".into(), bytes: registers.len() * 2, expected: 4 });
        };
        self.models += 1;
        let end = u32::from(self.next) + u32::from(HEADER) + u32::from(length);
        let next = u16::try_from(end).ok().filter(|_| id != END && self.models <= MAX_MODELS);
        let Some(next) = next else {
            let address = format!("model {} after {} models", self.wanted.energy.record(), self.models - 1);
            return Err(Refused::NoRegister { address });
        };
        let first = std::mem::replace(&mut self.next, next);
        if id == 1 && length >= COMMON {
            return Ok(Step::Common { first });
        }
        if self.wanted.energy.is_in(id) {
            self.found += 1;
            if self.found == self.wanted.nth {
                let count = HEADER.saturating_add(length);
                if usize::from(count) > MAX_REGISTERS {
                    let (bytes, most) = (usize::from(count) * 2, MAX_REGISTERS * 2);
                    return Err(Refused::Oversize { bytes, most });
                }
                return Ok(Step::Model { first, count });
            }
        }
        Ok(self.next())
    }

    /// Takes a common model, and goes on.
    pub fn common(&mut self, registers: &[u16]) -> Step {
        // What a device writes into its name is nobody's harm: without text it has none.
        let text = |point: &Point<model1::Model1, String>| {
            let data = registers.get(usize::from(HEADER)..)?;
            let text = point.from_data(data).ok()?;
            let text: String = text.trim().chars().filter(|character| !character.is_control()).collect();
            (!text.is_empty()).then_some(text)
        };
        self.device = text(&model1::Model1::SN);
        self.maker = match (text(&model1::Model1::MN), text(&model1::Model1::MD)) {
            (Some(maker), Some(model)) => Some(format!("{maker} {model}")),
            (maker, model) => maker.or(model),
        };
        self.next()
    }
}

/// The question for a step.
pub const fn request(unit: u8, step: &Step) -> Request {
    let (first, count) = match *step {
        Step::Header { first } => (first, HEADER),
        Step::Common { first } => (first, HEADER + COMMON),
        Step::Model { first, count } => (first, count),
    };
    Request { unit, function: Function::Holding, first, count }
}

/// What a whole model says, its id and length first. The register is the counter that is wanted.
pub fn records(registers: &[u16], wanted: Wanted) -> Result<Vec<Record>, Refused> {
    let [id, length, data @ ..] = registers else {
        return Err(Refused::WrongLength { what: "model".into(), bytes: registers.len() * 2, expected: 4 });
    };
    if usize::from(*length) != data.len() {
        let (bytes, expected) = (data.len() * 2, usize::from(*length) * 2);
        return Err(Refused::WrongLength { what: "model".into(), bytes, expected });
    }
    if !wanted.energy.is_in(*id) {
        let expected = sentence!("a model with {}", "含 {} 的模型", wanted.energy.record());
        return Err(Refused::WrongSubject { expected, found: sentence!("model {id}", "模型 {id}") });
    }
    macro_rules! inverter {
        ($model:ident, $name:ident) => {{
            type Model = $model::$name;
            vec![counter(data, Energy::Produced, &Model::WH, &Model::WH_SF)?, power(data, &Model::W, &Model::W_SF)?]
        }};
    }
    macro_rules! meter {
        ($model:ident, $name:ident) => {{
            type Model = $model::$name;
            vec![
                counter(data, Energy::Imported, &Model::TOT_WH_IMP, &Model::TOT_WH_SF)?,
                counter(data, Energy::Exported, &Model::TOT_WH_EXP, &Model::TOT_WH_SF)?,
                power(data, &Model::W, &Model::W_SF)?,
            ]
        }};
    }
    let mut records = match id {
        101 => inverter!(model101, Model101),
        102 => inverter!(model102, Model102),
        103 => inverter!(model103, Model103),
        201 => meter!(model201, Model201),
        202 => meter!(model202, Model202),
        203 => meter!(model203, Model203),
        204 => meter!(model204, Model204),
        _ => return Err(Refused::Unknown { what: "model", value: (*id).into() }),
    };
    for record in &mut records {
        record.is_register = record.what == wanted.energy.record();
    }
    Ok(records)
}

fn short(error: &DecodeError) -> Refused {
    let reason = sentence!("it ends before a point that it must have: {error}", "它在必有的数据点之前结束（{error}）");
    Refused::Invalid { what: "model".into(), reason }
}

/// The power of ten beside a value; none where the device has not got one.
fn scale<G: Group>(data: &[u16], point: &Point<G, i16>) -> Result<Option<i8>, Refused> {
    let scale = point.from_data(data).map_err(|error| short(&error))?;
    Ok(SCALES.contains(&scale).then_some(scale as i8))
}

fn counter<G: Group>(
    data: &[u16],
    energy: Energy,
    value: &Point<G, u32>,
    factor: &Point<G, i16>,
) -> Result<Record, Refused> {
    let value = value.from_data(data).map_err(|error| short(&error))?;
    let content = match (value, scale(data, factor)?) {
        (0, _) => Content::Absent,
        (value, Some(scale)) => match Number::unsigned(value.into()).times_ten_to(scale) {
            Some(number) => Content::Number { number, unit: Unit::WattHour },
            None => Content::Invalid(sentence!(
                "{value} times 10 to {scale} is beyond any register",
                "{value} 乘以 10 的 {scale} 次方超出任何表底"
            )),
        },
        (_, None) => Content::Invalid(sentence!("its scale factor is none", "其比例因子无效")),
    };
    Ok(Record::new(energy.record(), content))
}

fn power<G: Group>(data: &[u16], value: &Point<G, i16>, factor: &Point<G, i16>) -> Result<Record, Refused> {
    let value = value.from_data(data).map_err(|error| short(&error))?;
    let number = match scale(data, factor)? {
        Some(scale) if value != i16::MIN => Number::whole(value.into()).times_ten_to(scale),
        _ => None,
    };
    let content = number.map_or(Content::Absent, |number| Content::Number { number, unit: Unit::Watt });
    Ok(Record::new("power", content))
}

/// The telegram of a model's records.
pub fn telegram(unit: u8, registers: &[u16], wanted: Wanted) -> Result<Telegram, Refused> {
    let model = registers.first().copied().unwrap_or_default();
    Ok(Telegram {
        protocol: Protocol::Modbus,
        direction: Direction::Reply,
        address: unit.to_string(),
        carrier: Some(Carrier::Electricity),
        subject: sentence!("SunSpec model {model}", "SunSpec 模型 {model}"),
        records: records(registers, wanted)?,
    })
}

/// What a frame with a whole model says.
pub fn decode(bytes: &[u8], wanted: Wanted) -> Result<Telegram, Refused> {
    let parsed = modbus::parse_any(bytes)?;
    telegram(parsed.unit, &modbus::registers(&parsed)?, wanted)
}

/// The registers of a device with one model, from its base on: what a simulated one answers from.
pub fn image(wanted: Wanted, number: u64, watt_hours: u32) -> Vec<u16> {
    let (id, length, at, scale_at) = match wanted.energy {
        Energy::Produced => (103, 50, model103::Model103::WH.offset, model103::Model103::WH_SF.offset),
        Energy::Imported => (203, 105, model203::Model203::TOT_WH_IMP.offset, model203::Model203::TOT_WH_SF.offset),
        Energy::Exported => (203, 105, model203::Model203::TOT_WH_EXP.offset, model203::Model203::TOT_WH_SF.offset),
    };
    let text = |text: &str, count: usize| {
        let mut bytes = text.as_bytes().to_vec();
        bytes.resize(2 * count, 0);
        bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect::<Vec<_>>()
    };
    let mut registers = MARKER.to_vec();
    registers.extend([1, 66]);
    for (content, count) in [("Utilidor", 16), ("simulated", 16), ("", 8), ("1", 8), (number.to_string().as_str(), 16)]
    {
        registers.extend(text(content, count));
    }
    registers.extend([1, 0x8000]);
    for _ in 1..wanted.nth {
        registers.extend([id, length]);
        registers.extend(vec![0; length.into()]);
    }
    registers.extend([id, length]);
    // What it has not got is not implemented.
    let mut data = vec![0x8000; length.into()];
    let at = usize::from(at);
    (data[at], data[at + 1]) = ((watt_hours >> 16) as u16, watt_hours as u16);
    data[usize::from(scale_at)] = 0;
    registers.extend(data);
    registers.extend([END, 0]);
    registers
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRODUCED: Wanted = Wanted { energy: Energy::Produced, nth: 1 };

    /// Walks through registers from 0 on; the model, and what was learnt.
    fn walk(registers: &[u16], wanted: Wanted) -> Result<(Vec<u16>, Walk), Refused> {
        let mut walk = Walk::from(0, wanted);
        let mut step = walk.next();
        loop {
            let Request { first, count, .. } = request(1, &step);
            let past_the_end = Refused::DeviceError { code: 2, meaning: sentence!("past the end", "已到末尾") };
            let range = usize::from(first)..usize::from(first) + usize::from(count);
            let read = registers.get(range).ok_or(past_the_end)?;
            step = match step {
                Step::Header { .. } => walk.header(read)?,
                Step::Common { .. } => walk.common(read),
                Step::Model { .. } => return Ok((read.to_vec(), walk)),
            };
        }
    }

    fn shown(registers: &[u16], wanted: Wanted) -> String {
        let records = records(registers, wanted).unwrap();
        records.iter().find(|record| record.is_register).map(|record| record.content.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_chain_is_walked_to_the_model_that_is_wanted_and_names_its_device() {
        for energy in [Energy::Produced, Energy::Imported, Energy::Exported] {
            for nth in [1, 3] {
                let wanted = Wanted { energy, nth };
                let (model, walk) = walk(&image(wanted, 4_711, 70_000), wanted).unwrap();
                assert_eq!(shown(&model, wanted), "70000 Wh", "{wanted:?}");
                assert_eq!(walk.device.as_deref(), Some("4711"));
                assert_eq!(walk.maker.as_deref(), Some("Utilidor simulated"));
            }
        }
    }

    #[test]
    fn a_chain_that_ends_or_never_ends_has_no_such_model() {
        let wanted = Wanted { energy: Energy::Imported, nth: 1 };
        assert!(matches!(walk(&image(PRODUCED, 1, 1), wanted), Err(Refused::NoRegister { .. })));
        let second = Wanted { nth: 2, ..PRODUCED };
        assert!(matches!(walk(&image(PRODUCED, 1, 1), second), Err(Refused::NoRegister { .. })));
        // Models without registers, one after the other, for ever.
        let endless = [MARKER.as_slice(), &[160, 0].repeat(1_000)].concat();
        assert!(matches!(walk(&endless, wanted), Err(Refused::NoRegister { .. })));
        let mut lying = image(PRODUCED, 1, 1);
        lying[3] = u16::MAX;
        assert!(matches!(walk(&lying, PRODUCED), Err(Refused::NoRegister { .. })));
        let mut long = image(PRODUCED, 1, 1);
        long[71] = 124;
        assert!(matches!(walk(&long, PRODUCED), Err(Refused::Oversize { .. })));
    }

    #[test]
    fn scale_factors_are_powers_of_ten_and_nothing_is_rounded() {
        let (model, _) = walk(&image(PRODUCED, 1, 123_456), PRODUCED).unwrap();
        let scale_at = usize::from(HEADER + model103::Model103::WH_SF.offset);
        for (scale, expected) in [
            (0u16, "123456 Wh"),
            (3, "123456000 Wh"),
            (0xfffe, "1234.56 Wh"),
            (0xfff6, "0.0000123456 Wh"),
            (0x8000, "invalid: its scale factor is none"),
            (11, "invalid: its scale factor is none"),
        ] {
            let mut scaled = model.clone();
            scaled[scale_at] = scale;
            assert_eq!(shown(&scaled, PRODUCED), expected);
        }
    }

    #[test]
    fn a_counter_of_nothing_is_absent_and_a_model_that_is_cut_is_refused() {
        let (mut model, _) = walk(&image(PRODUCED, 1, 0), PRODUCED).unwrap();
        assert_eq!(shown(&model, PRODUCED), "absent");
        model.truncate(20);
        assert!(matches!(records(&model, PRODUCED), Err(Refused::WrongLength { .. })));
        model[1] = 18;
        assert!(matches!(records(&model, PRODUCED), Err(Refused::Invalid { .. })));
        let meter = Wanted { energy: Energy::Imported, nth: 1 };
        assert!(matches!(records(&model, meter), Err(Refused::WrongSubject { .. })));
        assert!(records(&[], PRODUCED).is_err() && records(&[103], PRODUCED).is_err());
    }
}
