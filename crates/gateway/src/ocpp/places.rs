//! Who may be connected to a central system at once, so that nobody keeps a station out: connections that have not said who they are
//! make room for newer ones, each station that a meter names has a place of its own, and all others share a few.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Connections that have not said who they are. A station says it at once.
const MAX_OPENING: usize = 128;
/// Stations that no meter names.
const MAX_STRANGE: usize = 16;

/// The places of a central system. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Places(Arc<Mutex<Taken>>);

#[derive(Debug, Default)]
struct Taken {
    last: u64,
    /// In the order in which they came. Whoever is dropped from here has to go.
    opening: VecDeque<(u64, oneshot::Sender<()>)>,
    stations: BTreeMap<String, (u64, oneshot::Sender<()>)>,
    strange: BTreeMap<u64, oneshot::Sender<()>>,
}

/// A connection's place, until it is dropped.
#[derive(Debug)]
pub struct Held {
    places: Places,
    number: u64,
    /// Ends when somebody newer has the place.
    pub displaced: oneshot::Receiver<()>,
}

impl Places {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection that has not said who it is. If there are too many, the oldest of them goes.
    pub fn open(&self) -> Held {
        let (sender, displaced) = oneshot::channel();
        let mut taken = self.taken();
        taken.last += 1;
        let number = taken.last;
        taken.opening.push_back((number, sender));
        if taken.opening.len() > MAX_OPENING {
            taken.opening.pop_front();
        }
        Held { places: self.clone(), number, displaced }
    }
}

impl Held {
    /// The connection is that of a station, which a meter names or not. An older connection of a named one goes: the station has lost
    /// it. `false` if there is no place for one more that no meter names.
    pub fn settle(&self, station: &str, is_named: bool) -> bool {
        let mut taken = self.places.taken();
        let Some(place) = taken.opening.iter().position(|(number, _)| *number == self.number) else { return false };
        if !is_named && taken.strange.len() >= MAX_STRANGE {
            return false;
        }
        if let Some((number, sender)) = taken.opening.remove(place) {
            match is_named {
                true => drop(taken.stations.insert(station.into(), (number, sender))),
                false => drop(taken.strange.insert(number, sender)),
            }
        }
        true
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.opening.retain(|(number, _)| *number != self.number);
        taken.stations.retain(|_, (number, _)| *number != self.number);
        taken.strange.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_displaced(held: &mut Held) -> bool {
        matches!(held.displaced.try_recv(), Err(oneshot::error::TryRecvError::Closed))
    }

    #[test]
    fn whoever_says_nothing_makes_room_and_a_named_station_has_its_place() {
        let places = Places::default();
        let mut station = places.open();
        assert!(station.settle("A", true));
        let mut silent: Vec<Held> = (0..=MAX_OPENING).map(|_| places.open()).collect();
        assert!(is_displaced(&mut silent[0]) && !is_displaced(&mut silent[1]));
        assert!(!is_displaced(&mut station));

        let strange: Vec<Held> = (0..MAX_STRANGE).map(|_| places.open()).collect();
        assert!(strange.iter().all(|held| held.settle("X", false)));
        assert!(!places.open().settle("Y", false), "they share a few");
        drop(strange);
        assert!(places.open().settle("Y", false));

        let again = places.open();
        assert!(again.settle("A", true));
        assert!(is_displaced(&mut station), "the newer connection counts");
        drop(station);
        assert_eq!(places.taken().stations.len(), 1, "and keeps its place");
    }
}
