//! What came over the wire and what was met there, for the report.

use serde::{Deserialize, Serialize};

/// What goes wrong on command, and at which meter.
pub(super) const FAULTS: [(Kind, &str); 5] = [
    (Kind::Silence, "office-1/electricity"),
    (Kind::LateAnswer, "office-2/heating"),
    (Kind::SwappedWords, "roof-east/generation"),
    (Kind::Exchange, "office-3/electricity"),
    (Kind::Rollover, "office-4/heating"),
];

/// What was met on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A device says nothing.
    Silence,
    /// A device answers when nobody waits any more.
    LateAnswer,
    /// A device sends its words the other way round.
    SwappedWords,
    /// Another device answers.
    Exchange,
    /// A register stands at its last step without having counted to there.
    Rollover,
    /// A register has counted to its end and starts again.
    DigitsEnd,
    /// Readings do not come for hours.
    Gap,
}

/// Something that went wrong, and how it was met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Met {
    /// What.
    pub kind: Kind,
    /// Whether it was commanded, rather than the year's own.
    pub commanded: bool,
    /// Label of the meter.
    pub meter: String,
    /// The hour of the year at whose end it was.
    pub hour: usize,
    /// The gateway's code for it.
    pub code: String,
}

impl Met {
    /// Whether the gateway met it as it should: nothing implausible was taken, what is right was.
    pub fn is_met(&self) -> bool {
        let code = match self.kind {
            Kind::Silence | Kind::LateAnswer => "line/silent",
            Kind::SwappedWords | Kind::Rollover => "reading/beyond-capacity",
            Kind::Exchange => "meter/device-changed",
            Kind::DigitsEnd => "reading/rollover",
            Kind::Gap => "meter/silent",
        };
        self.code == code
    }
}

/// Readings that came by one protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByProtocol {
    /// The protocol, as a configuration calls it.
    pub protocol: String,
    /// Meters.
    pub meters: u64,
    /// Readings.
    pub readings: u64,
}

/// What came over the wire, for the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Story {
    /// Days of the year whose readings came over it.
    pub days: usize,
    /// By protocol.
    pub protocols: Vec<ByProtocol>,
    /// Readings that came from the files.
    pub from_files: u64,
    /// Whether there was a broker for water; without one it is read like heat.
    #[serde(default)]
    pub broker: bool,
    /// Whether faults were commanded.
    pub commanded: bool,
    /// What went wrong, and how it was met.
    pub met: Vec<Met>,
}

impl Story {
    /// What was commanded and not met as it should be, or was the year's own and not.
    pub fn unmet(&self) -> Vec<String> {
        let commanded = FAULTS.iter().filter(|_| self.commanded && self.days > 0);
        let missing = commanded.filter(|(kind, _)| !self.met.iter().any(|met| met.commanded && met.kind == *kind));
        let missing = missing.map(|(kind, meter)| format!("{kind:?} of {meter} did not happen"));
        let wrong = self.met.iter().filter(|met| !met.is_met());
        missing.chain(wrong.map(|met| format!("{:?} of {}: {}", met.kind, met.meter, met.code))).collect()
    }
}
