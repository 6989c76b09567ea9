//! What is sent next of a batch that the ledger has refused whole: halves of its meters, down to a single reading of the one that it
//! is refused for. That meter is set aside for a while, and stops no other.
//!
//! ```text
//! refused whole ──> half of the meters, the other half ──> ... ──> one meter ──> its oldest reading ──> set aside for an hour
//! ```
//!
//! All of this is known in memory only: a gateway that is started anew finds it out again.

use crate::journal::Waiting;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use utilidor_types::MeterId;
use utilidor_types::time::HOUR_MS;

/// How long a meter is set aside before its oldest reading is tried again.
const ASIDE_MS: u64 = HOUR_MS;

/// Meters whose readings are sent by themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    meters: BTreeSet<MeterId>,
    /// Whether only the oldest reading is.
    is_single: bool,
}

/// What is refused whole, in parts.
#[derive(Debug, Clone, Default)]
pub(super) struct Split {
    parts: VecDeque<Part>,
    /// Until when each meter is set aside.
    aside: BTreeMap<MeterId, u64>,
}

/// What follows when a batch is refused whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Narrowed {
    /// Smaller ones are sent.
    Halved,
    /// It was a single reading: its meter is set aside.
    Aside(MeterId),
}

impl Split {
    /// Meters whose time aside is over are tried again, with one reading.
    pub fn pass_to(&mut self, now_ms: u64) {
        let over: Vec<_> = self.aside.iter().filter(|(_, until)| **until <= now_ms).map(|(meter, _)| *meter).collect();
        for meter in over {
            self.aside.remove(&meter);
            self.parts.push_back(Part { meters: [meter].into(), is_single: true });
        }
    }

    /// Whether a meter's readings may be in the next batch.
    pub fn sends(&self, meter: MeterId) -> bool {
        let of_part = self.parts.front().is_none_or(|part| part.meters.contains(&meter));
        of_part && !self.aside.contains_key(&meter)
    }

    /// Leaves what may be in the next batch. `false` if nothing is left of a part, and the next one is to be looked at.
    pub fn narrow(&mut self, waiting: &mut Vec<Waiting>) -> bool {
        let Some(part) = self.parts.front() else { return true };
        if part.is_single {
            waiting.sort_unstable_by_key(|reading| reading.time_ms);
            waiting.truncate(1);
        }
        if waiting.is_empty() {
            self.parts.pop_front();
            return false;
        }
        true
    }

    /// The ledger has answered for the batch that was sent.
    pub fn is_answered(&mut self) {
        self.parts.pop_front();
    }

    /// The ledger has refused these readings whole.
    pub fn is_refused(&mut self, readings: &[Waiting], now_ms: u64) -> Option<Narrowed> {
        self.parts.pop_front();
        let meters: Vec<MeterId> =
            readings.iter().map(|reading| reading.meter).collect::<BTreeSet<_>>().into_iter().collect();
        match (meters.as_slice(), readings.len()) {
            ([], _) => None,
            ([meter], 1) => {
                self.aside.insert(*meter, now_ms.saturating_add(ASIDE_MS));
                Some(Narrowed::Aside(*meter))
            }
            ([meter], _) => {
                self.parts.push_front(Part { meters: [*meter].into(), is_single: true });
                Some(Narrowed::Halved)
            }
            (meters, _) => {
                let (first, second) = meters.split_at(meters.len() / 2);
                for half in [second, first] {
                    self.parts.push_front(Part { meters: half.iter().copied().collect(), is_single: false });
                }
                Some(Narrowed::Halved)
            }
        }
    }
}
