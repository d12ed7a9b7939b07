//! What is known of functions that were seen lately, by canonical key, in bounded memory.

use crate::graph::Key;
use std::collections::HashMap;

/// Two generations: what is looked up moves to the young one; when that is full it becomes the old one, and what the old one
/// still held is forgotten.
pub struct Cache<V> {
    half: usize,
    young: HashMap<Key, V>,
    old: HashMap<Key, V>,
}

impl<V: Copy> Cache<V> {
    /// For up to `capacity` functions.
    pub fn new(capacity: usize) -> Self {
        Cache { half: (capacity / 2).max(1), young: HashMap::new(), old: HashMap::new() }
    }

    /// What is known of `key`.
    pub fn get(&mut self, key: &Key) -> Option<V> {
        if let Some(value) = self.young.get(key) {
            return Some(*value);
        }
        let (key, value) = self.old.remove_entry(key)?;
        self.insert(key, value);
        Some(value)
    }

    /// Remembers `value` for `key`.
    pub fn insert(&mut self, key: Key, value: V) {
        if self.young.len() == self.half {
            // The table's memory is kept: it is as large again.
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_what_is_not_goes() {
        let mut cache = Cache::new(4);
        let key = |name: u16| -> Key { vec![name].into() };
        for name in 0..100 {
            cache.insert(key(name), name);
            assert_eq!(cache.get(&key(0)), Some(0));
            assert!(cache.young.len() + cache.old.len() <= 4);
        }
        assert_eq!((cache.get(&key(99)), cache.get(&key(50))), (Some(99), None));
    }
}
