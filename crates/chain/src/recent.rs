//! A memory of bounded size: what was noted first is forgotten first.

use foldhash::fast::RandomState;
use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
};

/// At most `limit` keys with their values. Noting a key again renews it.
pub(crate) struct Recent<K, V> {
    limit: usize,
    noted: u64,
    values: HashMap<K, (u64, V), RandomState>,
    /// One entry each time a key was noted; those that were renewed or forgotten since are stale.
    order: VecDeque<(u64, K)>,
}

impl<K: Copy + Eq + Hash, V> Recent<K, V> {
    pub fn new(limit: usize) -> Self {
        Self { limit, noted: 0, values: HashMap::default(), order: VecDeque::new() }
    }

    pub fn get(&self, key: &K) -> Option<&V> {
        self.values.get(key).map(|(_, value)| value)
    }

    pub fn contains(&self, key: &K) -> bool {
        self.values.contains_key(key)
    }

    pub fn note(&mut self, key: K, value: V) {
        self.noted += 1;
        self.values.insert(key, (self.noted, value));
        self.order.push_back((self.noted, key));
        if self.order.len() > self.limit
            && let Some((noted, oldest)) = self.order.pop_front()
            && self.values.get(&oldest).is_some_and(|(latest, _)| *latest == noted)
        {
            self.values.remove(&oldest);
        }
    }

    pub fn forget(&mut self, key: &K) {
        self.values.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_what_was_noted_first_and_never_holds_more_than_its_limit() {
        let mut recent = Recent::new(3);
        for key in 0..3 {
            recent.note(key, "first");
        }
        recent.note(0, "renewed");
        assert_eq!(recent.get(&0), Some(&"renewed"), "its stale entry was the oldest");
        recent.note(3, "first");
        assert_eq!(recent.get(&1), None);
        assert_eq!([2, 0, 3].map(|key| recent.contains(&key)), [true; 3]);

        recent.forget(&2);
        assert!(!recent.contains(&2));
        for key in 10..1_000 {
            recent.note(key % 7, "again");
            recent.forget(&(key % 5));
            assert!(recent.values.len() <= 3 && recent.order.len() <= 3);
        }
    }
}
