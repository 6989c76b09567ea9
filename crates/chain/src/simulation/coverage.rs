//! What really occurred in a run: sizes, faults, behaviours, actions of the ledger, counted as they happen.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Consortium,
    Fault,
    Behaviour,
    Ledger,
}

impl Kind {
    pub const ALL: [(Self, &str); 4] = [
        (Self::Consortium, "consortium"),
        (Self::Fault, "faults"),
        (Self::Behaviour, "behaviours"),
        (Self::Ledger, "ledger"),
    ];
}

/// How often what was seen. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Coverage(Arc<Mutex<BTreeMap<(Kind, String), u64>>>);

impl Coverage {
    pub fn note(&self, kind: Kind, name: &str) {
        self.add(kind, name, 1);
    }

    pub fn add(&self, kind: Kind, name: &str, count: u64) {
        *self.0.lock().unwrap().entry((kind, name.to_owned())).or_default() += count;
    }

    /// Adds all that another has counted.
    pub fn merge(&self, other: &Self) {
        for ((kind, name), count) in other.0.lock().unwrap().iter() {
            self.add(*kind, name, *count);
        }
    }

    /// What was counted of a kind, by name.
    pub fn of(&self, kind: Kind) -> BTreeMap<String, u64> {
        let all = self.0.lock().unwrap();
        all.iter().filter(|((of, _), _)| *of == kind).map(|((_, name), count)| (name.clone(), *count)).collect()
    }

    pub fn has(&self, kind: Kind, name: &str) -> bool {
        self.0.lock().unwrap().contains_key(&(kind, name.to_owned()))
    }

    /// A table for people.
    pub fn table(&self) -> String {
        let mut lines = Vec::new();
        for (kind, title) in Kind::ALL {
            lines.push(format!("{title}:"));
            lines.extend(self.of(kind).iter().map(|(name, count)| format!("  {count:>10}  {name}")));
        }
        lines.join("\n")
    }
}
