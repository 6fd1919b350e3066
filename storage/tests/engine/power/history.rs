//! What a database held after each of its changes, in a few bytes each.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::ops::RangeInclusive;

use crate::scene::Model;

/// A number that hardly two databases share.
pub fn fingerprint(model: &Model) -> u64 {
    model.iter().fold(0, |sum, (key, value)| sum ^ of_record(key, value))
}

fn of_record(key: &[u8], value: &[u8]) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one((key, value))
}

/// The fingerprints of a database after 0, 1, 2 changes and so on.
#[derive(Debug, Clone)]
pub struct History {
    model: Model,
    states: Vec<u64>,
}

impl History {
    /// Begins with what a database holds.
    pub fn new(model: Model) -> Self {
        Self { states: vec![fingerprint(&model)], model }
    }

    /// What the database holds now.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Changes so far.
    pub fn len(&self) -> usize {
        self.states.len() - 1
    }

    fn add(&mut self, old: Option<u64>, new: Option<u64>) {
        let last = self.states[self.len()];
        self.states.push(last ^ old.unwrap_or(0) ^ new.unwrap_or(0));
    }

    /// A key gets a value.
    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        let new = of_record(&key, &value);
        let old = self.model.insert(key.clone(), value).map(|old| of_record(&key, &old));
        self.add(old, Some(new));
    }

    /// A key is deleted, if it is there.
    pub fn delete(&mut self, key: &[u8]) -> bool {
        let old = self.model.remove(key).map(|old| of_record(key, &old));
        self.add(old, None);
        old.is_some()
    }

    /// All records are deleted.
    pub fn clear(&mut self) {
        self.model.clear();
        self.states.push(0);
    }

    /// The last of these moments at which the database was like that.
    pub fn find(&self, found: &Model, moments: RangeInclusive<usize>) -> Option<usize> {
        let found = fingerprint(found);
        moments.rev().find(|&moment| self.states.get(moment) == Some(&found))
    }
}
