//! What a virtual meter's reading is computed from: the document that stands in the journal where other readings have frames.
//!
//! ```text
//! now.register = before.register + sum of what passed at the parts with + - sum of those with -
//! ```
//!
//! It names each part with its register before and now, so that whoever has the parts' readings can follow the sum. Reading it
//! makes the sum again: a document whose sum does not hold is refused. Whole numbers of base units; nothing is rounded.

use super::json::{invalid, no_json};
use super::{Content, Direction, Protocol, Record, Refused, Telegram};
use crate::number::{Number, Unit};
use crate::reason::sentence;
use serde::{Deserialize, Serialize};
use utilidor_types::carrier::BaseUnit;
use utilidor_types::{Carrier, MeterId, Quantity};

/// Most parts of one virtual meter: their registers must fit into a reading's evidence. Of more, sums are parts of sums.
pub const MAX_PARTS: usize = 20;
/// Longest document.
pub const MAX_DOCUMENT: usize = 8 * 1024;
/// Longest number of a device that a document holds.
pub const MAX_DEVICE: usize = 64;

/// Whether what passes at a part counts for or against the virtual meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Sign {
    /// For it.
    #[serde(rename = "+")]
    Plus,
    /// Against it.
    #[serde(rename = "-")]
    Minus,
}

impl Sign {
    /// How people write it.
    pub const fn symbol(self) -> char {
        match self {
            Self::Plus => '+',
            Self::Minus => '-',
        }
    }
}

/// A register at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct At {
    /// When.
    pub time_ms: u64,
    /// What it showed, in base units.
    pub register: Quantity,
}

/// A part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Whether it counts for or against.
    pub sign: Sign,
    /// The meter.
    pub meter: MeterId,
    /// The number of its device, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// How many devices the ledger knows of in its place, where it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<u32>,
    /// Its register in the reading before; none where the virtual meter begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<At>,
    /// Its register now.
    pub now: At,
    /// Where its register started again in between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modulus: Option<Quantity>,
}

impl Part {
    /// What passed at it, in base units; none if its registers do not say.
    pub fn passed(&self) -> Option<u64> {
        let Some(before) = self.before else { return Some(0) };
        let (before, now) = (before.register.0, self.now.register.0);
        match self.modulus {
            None => now.checked_sub(before),
            Some(modulus) => modulus.0.checked_sub(before)?.checked_add(now).filter(|_| now < before),
        }
    }
}

/// A reading of a virtual meter with what it is computed from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Computed {
    /// What it measures.
    pub carrier: Carrier,
    /// Its register in the reading before, or the one that it begins from.
    pub before: At,
    /// What it is computed from.
    pub parts: Vec<Part>,
    /// Its register now; the time is that of the part that was read last.
    pub now: At,
    /// Where its own register started again in between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modulus: Option<Quantity>,
}

impl Computed {
    /// What passed at all parts together, in base units; it may be less than nothing. None if a part's registers do not say.
    pub fn passed(&self) -> Option<i128> {
        self.parts.iter().try_fold(0, |sum: i128, part| {
            let passed = i128::from(part.passed()?);
            // At most 20 parts of 64 bits each.
            Some(if part.sign == Sign::Plus { sum + passed } else { sum - passed })
        })
    }

    /// As it stands in the journal.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a document of strings and whole numbers is JSON")
    }

    /// Reads a document and makes its sum again. Order: its length, its form, the number of its parts, each part, the sum.
    pub fn read(bytes: &[u8]) -> Result<Self, Refused> {
        if bytes.len() > MAX_DOCUMENT {
            return Err(Refused::Oversize { bytes: bytes.len(), most: MAX_DOCUMENT });
        }
        let computed: Self = serde_json::from_slice(bytes).map_err(|error| invalid("document", no_json(&error)))?;
        if computed.parts.is_empty() || computed.parts.len() > MAX_PARTS {
            let count = computed.parts.len();
            return Err(invalid(
                "parts",
                sentence!("{count} are not between 1 and {MAX_PARTS}", "有 {count} 个，应为 1 至 {MAX_PARTS} 个"),
            ));
        }
        for part in &computed.parts {
            if part.passed().is_none() {
                let meter = part.meter;
                return Err(invalid(
                    "part",
                    sentence!("the register of meter {meter} goes back", "表计 {meter} 的表底倒退"),
                ));
            }
        }
        let passed = computed.passed().unwrap_or(-1);
        let around = computed.modulus.map_or(0, |modulus| i128::from(modulus.0));
        let sum = i128::from(computed.before.register.0) + passed - around;
        if passed < 0 || sum != i128::from(computed.now.register.0) {
            let shown = computed.now.register.0;
            let reason = sentence!(
                "the parts add up to {sum}, the document says {shown}",
                "各组成部分合计为 {sum}，文档写的是 {shown}"
            );
            return Err(invalid("sum", reason));
        }
        Ok(computed)
    }
}

/// What a document says.
pub fn decode(bytes: &[u8]) -> Result<Telegram, Refused> {
    let computed = Computed::read(bytes)?;
    let unit = match computed.carrier.base_unit() {
        BaseUnit::Joule => Unit::Joule,
        BaseUnit::Millilitre => Unit::Millilitre,
    };
    let number = |quantity: u64| Content::Number { number: Number::unsigned(quantity), unit };
    let mut records = vec![Record { is_register: true, ..Record::new("register", number(computed.now.register.0)) }];
    records.extend(computed.parts.iter().map(|part| {
        let what = format!("passed_{}{}", part.sign.symbol(), part.meter);
        Record::new(what, number(part.passed().unwrap_or_default()))
    }));
    Ok(Telegram {
        protocol: Protocol::Virtual,
        direction: Direction::Reply,
        address: "computed".into(),
        carrier: Some(computed.carrier),
        subject: sentence!("computed from {} meters", "由 {} 块表计算", computed.parts.len()),
        records,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time_ms: u64, register: u64) -> At {
        At { time_ms, register: Quantity(register) }
    }

    fn part(sign: Sign, before: u64, now: u64) -> Part {
        let (before, now) = (Some(at(1, before)), at(2, now));
        Part { sign, meter: MeterId([7; 16]), device: None, devices: None, before, now, modulus: None }
    }

    /// 100 arrive at the main meter, 30 and 50 at the tenants' meters: 20 are lost on the way.
    fn losses() -> Computed {
        let parts = vec![part(Sign::Plus, 0, 100), part(Sign::Minus, 5, 35), part(Sign::Minus, 0, 50)];
        Computed { carrier: Carrier::Heating, before: at(1, 7), parts, now: at(2, 27), modulus: None }
    }

    #[test]
    fn a_document_is_read_as_it_was_written_and_shows_what_passed_where() {
        let losses = losses();
        assert_eq!(losses.passed(), Some(20));
        assert_eq!(Computed::read(&losses.to_bytes()), Ok(losses.clone()));
        let telegram = decode(&losses.to_bytes()).unwrap();
        assert_eq!(telegram.quantity_floor(Carrier::Heating), Ok(Quantity(27)));
        let shown: Vec<_> = telegram.records[1..].iter().map(|record| record.content.to_string()).collect();
        assert_eq!(shown, ["100 J", "30 J", "50 J"]);
    }

    #[test]
    fn a_document_whose_sum_does_not_hold_is_refused() {
        let reason = |change: fn(&mut Computed)| {
            let mut computed = losses();
            change(&mut computed);
            Computed::read(&computed.to_bytes()).unwrap_err().to_string()
        };
        assert!(reason(|computed| computed.now.register.0 = 28).contains("add up to 27"));
        assert!(reason(|computed| computed.parts[1].sign = Sign::Plus).contains("add up to 87"));
        assert!(reason(|computed| computed.parts[0].now.register.0 = 79).contains("add up to 6"), "less than nothing");
        assert!(reason(|computed| computed.parts[1].now.register.0 = 4).contains("goes back"));
        assert!(reason(|computed| computed.parts[0].modulus = Some(Quantity(1_000))).contains("goes back"));
        assert!(reason(|computed| computed.parts.clear()).contains("between 1 and"));
        assert!(matches!(Computed::read(&[b' '; MAX_DOCUMENT + 1]), Err(Refused::Oversize { .. })));
        assert!(Computed::read(b"{\"carrier\":\"heating\"}").is_err());
    }

    #[test]
    fn a_register_that_started_again_counts_what_passed_around_its_width() {
        let mut computed = losses();
        computed.parts[0] = Part { modulus: Some(Quantity(1_000)), ..part(Sign::Plus, 950, 50) };
        assert_eq!(Computed::read(&computed.to_bytes()), Ok(computed.clone()));
        (computed.modulus, computed.now.register) = (Some(Quantity(20)), Quantity(7));
        assert_eq!(Computed::read(&computed.to_bytes()), Ok(computed));
    }

    #[test]
    fn the_largest_document_fits_into_a_readings_evidence() {
        let most = at(u64::MAX >> 11, u64::MAX);
        let parts = (0..MAX_PARTS).map(|_| Part {
            device: Some("9".repeat(MAX_DEVICE)),
            devices: Some(u32::MAX),
            before: Some(most),
            now: most,
            modulus: Some(Quantity(u64::MAX)),
            ..part(Sign::Minus, 0, 0)
        });
        let computed = Computed {
            carrier: Carrier::Electricity,
            before: most,
            parts: parts.collect(),
            now: most,
            modulus: Some(Quantity(u64::MAX)),
        };
        let formula = MAX_PARTS * 33;
        let bytes = computed.to_bytes().len() + formula;
        assert!(bytes <= crate::journal::MAX_EVIDENCE_BYTES, "{bytes}");
    }
}
