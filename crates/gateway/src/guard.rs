//! Whether a register can be believed.
//!
//! The ledger has the last word; this is about what a gateway can notice earlier, when a second look is still possible. A register
//! that goes back, leaps, or comes after a long silence is read again before it counts. What does not hold at the second
//! look is held and told, never recorded: a low value that became the new beginning would charge everything twice. What a device
//! tells by itself gets its second look from the message after it.

use crate::kept::most_in;
use crate::number::in_usual_unit;
use crate::reason::{Sentence, sentence};
use utilidor_types::carrier::BaseUnit;
use utilidor_types::{Carrier, Timestamp};

/// Intervals after which a silence was long.
const LONG_SILENCE: u64 = 3;

/// What no register reaches: neither journal nor ledger holds it.
const WIDEST: u64 = 1 << 63;

/// What is known of a meter beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The register counts to this and starts again, in base units; none if nothing is known of it.
    pub modulus: Option<u64>,
    /// The most that can pass in an hour, in base units; none if nothing is known of it.
    pub capacity_per_hour: Option<u64>,
    /// The register's step, in base units: it moves by at least this.
    pub step: u64,
    /// How often the meter is read.
    pub interval_ms: u64,
}

/// A register at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// When.
    pub time_ms: u64,
    /// What it showed, in base units.
    pub register: u64,
}

/// Why a register is not taken at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// Nothing was known of the meter before.
    First,
    /// A long time has passed: the capacity allows nearly everything.
    AfterSilence {
        /// How long.
        silence_ms: u64,
    },
    /// The register has started again.
    Rollover {
        /// Before.
        last: u64,
        /// Now.
        register: u64,
    },
    /// The register went back, and starting again does not explain it.
    WentBack {
        /// Before.
        last: u64,
        /// Now.
        register: u64,
    },
    /// The register is at or beyond its width.
    TooWide {
        /// Now.
        register: u64,
        /// Its width.
        modulus: u64,
    },
    /// More has passed than can.
    BeyondCapacity {
        /// What passed.
        passed: u64,
        /// What can.
        most: u64,
    },
    /// Time has not gone on since the last reading.
    TimeNotRising {
        /// The last one's.
        last_ms: u64,
        /// This one's.
        time_ms: u64,
    },
    /// The journal has another register of the same time, which stays as it was recorded.
    Contradicts {
        /// When.
        time_ms: u64,
        /// What stands there.
        known: u64,
        /// This one.
        register: u64,
    },
    /// Two looks within seconds do not fit together.
    Unsteady {
        /// The first.
        first: u64,
        /// The second.
        second: u64,
    },
}

impl Doubt {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::First => "reading/first",
            Self::AfterSilence { .. } => "reading/after-silence",
            Self::Rollover { .. } => "reading/rollover",
            Self::WentBack { .. } => "reading/went-back",
            Self::TooWide { .. } => "reading/register-too-wide",
            Self::BeyondCapacity { .. } => "reading/beyond-capacity",
            Self::TimeNotRising { .. } => "reading/time-not-rising",
            Self::Contradicts { .. } => "reading/contradiction",
            Self::Unsteady { .. } => "reading/unsteady",
        }
    }

    /// What it is, in a sentence whose quantities have one unit.
    pub fn sentence(&self, carrier: Carrier) -> Sentence {
        let shown = |first: u64, second: u64| in_one_unit(first, second, carrier);
        match *self {
            Self::First => sentence!("it is the first reading", "这是第一个读数"),
            Self::AfterSilence { silence_ms } => {
                let silence_s = silence_ms / 1_000;
                sentence!("{silence_s} s have passed since the last reading", "距上一读数已过 {silence_s} 秒")
            }
            Self::Rollover { last, register } => {
                let [last, register] = shown(last, register);
                sentence!(
                    "the register has started again: {last}, now {register}",
                    "表底已翻转：原为 {last}，现为 {register}"
                )
            }
            Self::WentBack { last, register } => {
                let [last, register] = shown(last, register);
                sentence!("the register went back from {last} to {register}", "表底由 {last} 退回到 {register}")
            }
            Self::TooWide { register, modulus } => {
                let [register, modulus] = shown(register, modulus);
                sentence!(
                    "the register shows {register}, it starts again at {modulus}",
                    "表底为 {register}，而它在 {modulus} 归零"
                )
            }
            Self::BeyondCapacity { passed, most } => {
                let [passed, most] = shown(passed, most);
                sentence!("{passed} passed, at most {most} can in the time", "流过 {passed}，这段时间最多 {most}")
            }
            Self::TimeNotRising { last_ms, time_ms } => {
                let [time, last] = [time_ms, last_ms].map(|ms| Timestamp(ms).to_rfc3339());
                sentence!("the reading is of {time}, the last one of {last}", "读数时间为 {time}，上一读数为 {last}")
            }
            Self::Contradicts { time_ms, known, register } => {
                let (time, [known, register]) = (Timestamp(time_ms).to_rfc3339(), shown(known, register));
                sentence!(
                    "the journal has the reading of {time} with {known}, now it shows {register}",
                    "网关日志中 {time} 的读数为 {known}，现在显示 {register}"
                )
            }
            Self::Unsteady { first, second } => {
                let [first, second] = shown(first, second);
                sentence!(
                    "two looks do not fit together: {first}, then {second}",
                    "两次读取不相符：先为 {first}，后为 {second}"
                )
            }
        }
    }

    /// Whether a second look that shows the same makes it believable.
    pub const fn is_dispelled_by_a_second_look(&self) -> bool {
        matches!(self, Self::First | Self::AfterSilence { .. } | Self::Rollover { .. })
    }
}

/// Two quantities of one sentence in the unit that is usual for the carrier, cut to its decimals, with `~` before what was cut. Where
/// two that differ would look alike, both are in joules.
fn in_one_unit(first: u64, second: u64, carrier: Carrier) -> [String; 2] {
    const JOULES: u64 = utilidor_types::quantity::JOULES_PER_WATT_HOUR;
    if carrier.base_unit() != BaseUnit::Joule {
        return [first, second].map(|base| in_usual_unit(base, carrier));
    }
    if first != second && first / JOULES == second / JOULES {
        return [first, second].map(|base| format!("{base}J"));
    }
    [first, second].map(|base| {
        let cut = base % JOULES;
        format!("{}{}", if cut == 0 { "" } else { "~" }, in_usual_unit(base - cut, carrier))
    })
}

/// What follows from a look at a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It counts.
    Take,
    /// Look again.
    LookAgain(Doubt),
    /// It does not count.
    Hold(Doubt),
}

impl Limits {
    /// The most that can pass in a time, one step beyond the capacity: an honest register moves in steps.
    fn most(&self, elapsed_ms: u64) -> Option<u64> {
        Some(most_in(self.capacity_per_hour?, elapsed_ms).saturating_add(self.step))
    }

    /// Whether a register that is lower than before has started again: as far as is known, so much can have passed.
    pub fn has_started_again(&self, last: Seen, now: Seen) -> bool {
        let most = self.most(now.time_ms.saturating_sub(last.time_ms));
        let around = self.modulus.map(|modulus| modulus - last.register.min(modulus) + now.register);
        around.zip(most).is_some_and(|(around, most)| around <= most)
    }

    /// What to think of a first look.
    pub fn first_look(&self, last: Option<Seen>, now: Seen) -> Verdict {
        // A profile or the ledger may say more than a journal keeps.
        let modulus = self.modulus.unwrap_or(WIDEST).min(WIDEST);
        if now.register >= modulus {
            return Verdict::LookAgain(Doubt::TooWide { register: now.register, modulus });
        }
        let Some(last) = last else { return Verdict::LookAgain(Doubt::First) };
        let Some(elapsed_ms) = now.time_ms.checked_sub(last.time_ms).filter(|elapsed| *elapsed > 0) else {
            return Verdict::Hold(Doubt::TimeNotRising { last_ms: last.time_ms, time_ms: now.time_ms });
        };
        let most = self.most(elapsed_ms);
        let Some(passed) = now.register.checked_sub(last.register) else {
            let is_rollover = self.has_started_again(last, now);
            let (last, register) = (last.register, now.register);
            return Verdict::LookAgain(if is_rollover {
                Doubt::Rollover { last, register }
            } else {
                Doubt::WentBack { last, register }
            });
        };
        if let Some(most) = most
            && passed > most
        {
            return Verdict::LookAgain(Doubt::BeyondCapacity { passed, most });
        }
        if elapsed_ms > self.interval_ms.saturating_mul(LONG_SILENCE) {
            return Verdict::LookAgain(Doubt::AfterSilence { silence_ms: elapsed_ms });
        }
        Verdict::Take
    }

    /// What to think of a register that its device tells with its own time. Nobody can look at it again, and it comes as rarely as its
    /// device likes: what its capacity allows after a silence counts at once.
    pub fn told_look(&self, last: Option<Seen>, now: Seen) -> Verdict {
        match self.first_look(last, now) {
            Verdict::LookAgain(Doubt::AfterSilence { .. }) => Verdict::Take,
            verdict => verdict,
        }
    }

    /// What to think of a second look, a moment after a first that left a doubt.
    pub fn second_look(&self, last: Option<Seen>, first: Seen, second: Seen, doubt: Doubt) -> Verdict {
        match self.first_look(last, second) {
            Verdict::Take | Verdict::LookAgain(Doubt::First | Doubt::AfterSilence { .. } | Doubt::Rollover { .. })
                if doubt.is_dispelled_by_a_second_look() =>
            {
                let elapsed_ms = second.time_ms.saturating_sub(first.time_ms);
                let passed = second.register.checked_sub(first.register);
                let is_steady = passed.is_some_and(|passed| self.most(elapsed_ms).is_none_or(|most| passed <= most));
                if is_steady {
                    Verdict::Take
                } else {
                    Verdict::Hold(Doubt::Unsteady { first: first.register, second: second.register })
                }
            }
            // The first look was the wrong one.
            Verdict::Take => Verdict::Take,
            // Two looks that leave different doubts fit nothing.
            Verdict::LookAgain(again) if again.is_dispelled_by_a_second_look() => {
                Verdict::Hold(Doubt::Unsteady { first: first.register, second: second.register })
            }
            Verdict::LookAgain(again) | Verdict::Hold(again) => Verdict::Hold(again),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const LIMITS: Limits =
        Limits { modulus: Some(1_000_000), capacity_per_hour: Some(400), step: 10, interval_ms: 900_000 };
    const LAST: Seen = Seen { time_ms: 10_000_000, register: 5_000 };

    fn at(after_ms: u64, register: u64) -> Seen {
        Seen { time_ms: LAST.time_ms + after_ms, register }
    }

    #[test]
    fn a_steady_register_is_taken_at_the_first_look() {
        for register in [5_000, 5_100, 5_110] {
            assert_eq!(LIMITS.first_look(Some(LAST), at(900_000, register)), Verdict::Take);
        }
    }

    #[test]
    fn each_doubt_is_named() {
        let look = |last, now| match LIMITS.first_look(last, now) {
            Verdict::LookAgain(doubt) | Verdict::Hold(doubt) => doubt.code(),
            Verdict::Take => "taken",
        };
        assert_eq!(look(Some(LAST), at(900_000, 1_000_000)), "reading/register-too-wide");
        assert_eq!(look(None, at(900_000, 1)), "reading/first");
        assert_eq!(look(Some(LAST), at(0, 5_000)), "reading/time-not-rising");
        assert_eq!(look(Some(LAST), at(900_000, 4_999)), "reading/went-back");
        assert_eq!(look(Some(LAST), at(900_000, 5_111)), "reading/beyond-capacity");
        assert_eq!(look(Some(LAST), at(2_700_001, 5_001)), "reading/after-silence");
        let high = Seen { register: 999_950, ..LAST };
        assert_eq!(look(Some(high), at(900_000, 20)), "reading/rollover");
        assert_eq!(look(Some(high), at(900_000, 200)), "reading/went-back");
    }

    #[test]
    fn what_an_operator_is_told_has_units() {
        let kwh = 3_600_000;
        for (doubt, carrier, expected) in [
            (
                Doubt::BeyondCapacity { passed: 12 * kwh, most: kwh },
                Carrier::Electricity,
                "12.000kWh passed, at most 1.000kWh can in the time",
            ),
            (
                Doubt::WentBack { last: 1_500_000, register: 0 },
                Carrier::Water,
                "the register went back from 1.500000m3 to 0.000000m3",
            ),
            (
                Doubt::Unsteady { first: 7_200_000, second: 7_200_001 },
                Carrier::Heating,
                "two looks do not fit together: 7200000J, then 7200001J",
            ),
            (
                Doubt::BeyondCapacity { passed: 1_000 * kwh + 36 * 3_600, most: 143_068_600 },
                Carrier::Electricity,
                "1000.036kWh passed, at most ~39.741kWh can in the time",
            ),
            (
                Doubt::Contradicts { time_ms: 1_800_000_000_000, known: 1_500_000, register: 2_000_000 },
                Carrier::Water,
                "the journal has the reading of 2027-01-15T08:00:00.000Z with 1.500000m3, now it shows 2.000000m3",
            ),
            (
                Doubt::TimeNotRising { last_ms: 1_800_000_000_000, time_ms: 0 },
                Carrier::Water,
                "the reading is of 1970-01-01T00:00:00.000Z, the last one of 2027-01-15T08:00:00.000Z",
            ),
        ] {
            let Sentence { en, zh } = doubt.sentence(carrier);
            assert_eq!(en, expected);
            // Both tell the same values.
            let values = |text: &str| {
                let parts = text.split(|character: char| !character.is_ascii_digit() && character != '.');
                parts.filter(|part| !part.is_empty()).map(str::to_owned).collect::<BTreeSet<_>>()
            };
            assert_eq!(values(&zh), values(&en), "{zh}");
        }
    }

    #[test]
    fn a_low_value_never_becomes_the_beginning_of_the_next() {
        let first = at(900_000, 3);
        let Verdict::LookAgain(doubt) = LIMITS.first_look(Some(LAST), first) else { panic!("it is doubted") };
        // Low again: held.
        let held = LIMITS.second_look(Some(LAST), first, at(901_000, 3), doubt);
        assert_eq!(held, Verdict::Hold(Doubt::WentBack { last: 5_000, register: 3 }));
        // It was a slip: the second look counts.
        assert_eq!(LIMITS.second_look(Some(LAST), first, at(901_000, 5_050), doubt), Verdict::Take);
    }

    #[test]
    fn what_a_second_look_confirms_is_taken() {
        let first = at(10 * 900_000, 5_900);
        let Verdict::LookAgain(doubt) = LIMITS.first_look(Some(LAST), first) else { panic!("it is doubted") };
        assert_eq!(LIMITS.second_look(Some(LAST), first, at(10 * 900_000 + 1_000, 5_900), doubt), Verdict::Take);
        assert_eq!(LIMITS.second_look(Some(LAST), first, at(10 * 900_000 + 1_000, 5_910), doubt), Verdict::Take);
        for second in [5_899, 5_950, 4_000, 999_999] {
            let verdict = LIMITS.second_look(Some(LAST), first, at(10 * 900_000 + 1_000, second), doubt);
            assert!(matches!(verdict, Verdict::Hold(_)), "{second}: {verdict:?}");
        }
        let high = Seen { register: 999_950, ..LAST };
        let around = at(900_000, 20);
        let Verdict::LookAgain(doubt) = LIMITS.first_look(Some(high), around) else { panic!("it is doubted") };
        assert_eq!(LIMITS.second_look(Some(high), around, at(901_000, 20), doubt), Verdict::Take);
        assert!(matches!(LIMITS.second_look(Some(high), around, at(901_000, 300_000), doubt), Verdict::Hold(_)));
    }

    #[test]
    fn without_a_registration_only_the_way_back_is_noticed() {
        let limits = Limits { modulus: None, capacity_per_hour: None, ..LIMITS };
        assert_eq!(limits.first_look(Some(LAST), at(900_000, 500_000)), Verdict::Take);
        // What the journal cannot hold is held back, for one meter's nonsense must not end the gateway.
        let absurd = at(900_000, 1 << 63);
        let Verdict::LookAgain(doubt) = limits.first_look(None, absurd) else { panic!("it is doubted") };
        assert!(matches!(limits.second_look(None, absurd, absurd, doubt), Verdict::Hold(Doubt::TooWide { .. })));
        // Whatever a profile or the ledger says.
        let wide = Limits { modulus: Some(u64::MAX), ..limits };
        assert!(matches!(wide.first_look(None, absurd), Verdict::LookAgain(Doubt::TooWide { .. })));
        assert!(matches!(limits.first_look(Some(LAST), at(900_000, 1)), Verdict::LookAgain(Doubt::WentBack { .. })));
    }
}
