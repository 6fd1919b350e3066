//! Requests that are sent together: their keys and values.

use std::ops::Range;

use super::mix::Kind;

/// Random bytes that values are cut out of, besides their own.
const POOL: usize = 4096;

/// Values that can be told from each other: each begins with the number of its key, in 8 bytes, and goes on with random
/// bytes that the number chooses.
#[derive(Debug)]
pub struct Values {
    size: usize,
    pool: Vec<u8>,
}

impl Values {
    /// Values of `size` bytes.
    pub fn new(size: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(0x6c63_6d67_7262);
        Self { size, pool: (0..size + POOL).map(|_| random.u8(..)).collect() }
    }

    fn parts(&self, number: u64) -> ([u8; 8], &[u8]) {
        // Less than POOL, so that the cast and the slice hold.
        let from = (number % POOL as u64) as usize;
        (number.to_be_bytes(), &self.pool[from..from + self.size.saturating_sub(8)])
    }

    fn append(&self, number: u64, to: &mut Vec<u8>) {
        let (head, rest) = self.parts(number);
        to.extend_from_slice(&head[..self.size.min(8)]);
        to.extend_from_slice(rest);
    }

    /// Whether `value` is the one of that key.
    pub fn is(&self, number: u64, value: &[u8]) -> bool {
        let (head, rest) = self.parts(number);
        value.len() == self.size && value.starts_with(&head[..self.size.min(8)]) && value.ends_with(rest)
    }
}

/// One request of a batch.
#[derive(Debug)]
pub struct Operation {
    /// What it does.
    pub kind: Kind,
    /// The number of its key.
    pub number: u64,
    key: Range<usize>,
    value: Range<usize>,
}

/// Requests that are sent together.
#[derive(Debug, Default)]
pub struct Batch {
    operations: Vec<Operation>,
    bytes: Vec<u8>,
}

impl Batch {
    /// Forgets all; the room is kept.
    pub fn clear(&mut self) {
        self.operations.clear();
        self.bytes.clear();
    }

    /// Appends a request for the key of a number. A `set` has the value that belongs to it.
    pub fn push(&mut self, kind: Kind, prefix: &str, number: u64, values: &Values) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(prefix.as_bytes());
        self.bytes.extend_from_slice(number.to_string().as_bytes());
        let middle = self.bytes.len();
        if kind == Kind::Set {
            values.append(number, &mut self.bytes);
        }
        let value = middle..self.bytes.len();
        self.operations.push(Operation { kind, number, key: start..middle, value });
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Each, with its key and value.
    pub fn iter(&self) -> impl Iterator<Item = (&Operation, &[u8], &[u8])> {
        self.operations.iter().map(|operation| {
            (operation, &self.bytes[operation.key.clone()], &self.bytes[operation.value.clone()])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_belongs_to_its_key_alone() {
        for size in [8, 9, 100, 5000] {
            let values = Values::new(size);
            for number in [0, 1, 4096, u64::MAX] {
                let mut batch = Batch::default();
                batch.push(Kind::Set, "p:", number, &values);
                let (_, key, value) = batch.iter().next().unwrap();
                assert_eq!(key, format!("p:{number}").as_bytes());
                assert_eq!(value.len(), size);
                assert!(values.is(number, value));
                assert!(!values.is(number.wrapping_add(1), value));
                assert!(!values.is(number, &value[1..]));
                let mut damaged = value.to_vec();
                damaged[size - 1] ^= 1;
                assert!(!values.is(number, &damaged));
            }
        }
        let mut empty = Batch::default();
        empty.push(Kind::Set, "", 7, &Values::new(0));
        assert_eq!(empty.iter().next().unwrap().2, b"");
    }
}
