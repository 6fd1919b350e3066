//! Memos: small things that a node remembers beside records. Byte map in `FORMAT.md`, section 3.
//!
//! A memo record says some of them anew. What was said last counts; before a segment goes, what was last said in
//! it is said again. A memo may be *joined* to the record behind it, which it is the account of: where a crash
//! has left the memo but not that record, the memo does not count either.

use std::collections::BTreeMap;

use crate::log::address::Position;
use crate::log::record::Stamp;

/// The longest key, in bytes.
pub const MAX_KEY: usize = 64;
/// Bytes of all keys and values together, at most.
pub const MAX_TOTAL: usize = 24 << 10;
/// Keys of the engine begin with this byte; those of others must not.
pub const OWN: u8 = 0;
/// The key of the stamp of the last vanish: microseconds, origin.
pub const VANISHED: &[u8] = b"\0vanished";
/// The key of who the server is: see [`crate::store::identity`].
pub const SERVER: &[u8] = b"\0server";

const JOINED: u8 = 1;

/// What is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Memos {
    items: BTreeMap<Vec<u8>, Item>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Item {
    /// Empty for one that was forgotten, which has to be said as long as it may be read elsewhere.
    value: Vec<u8>,
    /// The segment where it was said last; 0 where that is not known.
    segment: u64,
}

impl Memos {
    /// What was said last of a key.
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.items.get(key).map(|item| &item.value[..]).filter(|value| !value.is_empty())
    }

    /// All, by their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.items
            .iter()
            .map(|(key, item)| (&key[..], &item.value[..]))
            .filter(|(_, value)| !value.is_empty())
    }

    /// Takes note of what was said in a segment.
    pub fn set(&mut self, key: &[u8], value: &[u8], segment: u64) {
        let (key, value) = (key.to_vec(), value.to_vec());
        self.items.insert(key, Item { value, segment });
    }

    /// Bytes of all of it, were `key` to become `value`.
    pub fn total_with(&self, key: &[u8], value: &[u8]) -> usize {
        let others = self.items.iter().filter(|(other, _)| other.as_slice() != key);
        let others: usize = others.map(|(other, item)| other.len() + item.value.len()).sum();
        others + key.len() + value.len()
    }

    /// Bytes of a record that says all of it.
    pub fn record_len(&self) -> usize {
        let items = self.items.iter().map(|(key, item)| 3 + key.len() + item.value.len());
        crate::log::record::HEADER + 1 + items.sum::<usize>()
    }

    /// The value of a record that says anew what was last said up to a segment; none where that is nothing. What
    /// was forgotten is not said again once no older segment can speak of it.
    pub fn said_up_to(&mut self, segment: u64, is_oldest: bool) -> Option<Vec<u8>> {
        let is_old = |item: &Item| item.segment <= segment;
        self.items.retain(|_, item| !(is_oldest && is_old(item) && item.value.is_empty()));
        let old: Vec<_> = self.items.iter().filter(|(_, item)| is_old(item)).collect();
        let items = old.iter().map(|(key, item)| (&key[..], &item.value[..]));
        (!old.is_empty()).then(|| encode(false, items))
    }

    /// Takes note of all items of a record's value that was said in a segment.
    pub fn take(&mut self, value: &[u8], segment: u64) {
        for (key, value) in items(value) {
            self.set(key, value, segment);
        }
    }

    /// All of it, for a checkpoint.
    pub fn encode(&self) -> Vec<u8> {
        encode(false, self.items.iter().map(|(key, item)| (&key[..], &item.value[..])))
    }
}

/// The value of a record that says these.
pub fn encode<'a>(joined: bool, items: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Vec<u8> {
    let mut bytes = vec![if joined { JOINED } else { 0 }];
    for (key, value) in items {
        bytes.push(key.len() as u8);
        bytes.extend_from_slice(&(value.len() as u16).to_le_bytes());
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(value);
    }
    bytes
}

/// What a vanish leaves to be remembered, as the value of a record.
pub fn encode_vanish(stamp: Stamp) -> Vec<u8> {
    let value = [&stamp.ts.to_le_bytes()[..], &stamp.origin.to_le_bytes()].concat();
    encode(false, [(VANISHED, &value[..])].into_iter())
}

/// The stamp in that; the least one where it is none.
pub fn decode_stamp(value: &[u8]) -> Stamp {
    match <[u8; 10]>::try_from(value) {
        Ok(bytes) => Stamp {
            ts: u64::from_le_bytes(std::array::from_fn(|i| bytes[i])),
            origin: u16::from_le_bytes([bytes[8], bytes[9]]),
        },
        Err(_) => Stamp::default(),
    }
}

/// The items of a record's value; what is cut short is left out.
pub fn items(value: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = value.get(1..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (&[key_len, low, high], behind) = rest.split_first_chunk::<3>()?;
        let (key, behind) = behind.split_at_checked(key_len.into())?;
        let (value, behind) = behind.split_at_checked(u16::from_le_bytes([low, high]).into())?;
        rest = behind;
        Some((key, value))
    })
}

/// Whether a record's value is the account of the record behind it.
pub fn is_joined(value: &[u8]) -> bool {
    value.first().is_some_and(|flags| flags & JOINED != 0)
}

/// What is found of memos while the log is read, in any order.
#[derive(Debug, Default)]
pub struct Found {
    /// Of each key the newest two, with where they were said: the last one may not count.
    newest: BTreeMap<Vec<u8>, Vec<(Position, Vec<u8>)>>,
    /// The last joined record.
    joined: Position,
}

impl Found {
    /// Takes a record's value in.
    pub fn take(&mut self, value: &[u8], at: Position) {
        for (key, value) in items(value) {
            let newest = self.newest.entry(key.to_vec()).or_default();
            newest.push((at, value.to_vec()));
            newest.sort_by_key(|(at, _)| *at);
            if newest.len() > 2 {
                newest.remove(0);
            }
        }
        if is_joined(value) {
            self.joined = self.joined.max(at);
        }
    }

    /// What is remembered then, on top of what the checkpoint had; `last` is the last record of the log. Says whether
    /// that record is a memo that does not count, so that the others must be said again.
    pub fn finish(self, memos: &mut Memos, last: Position) -> bool {
        let is_torn = self.joined == last && last != Position::default();
        for (key, newest) in self.newest {
            let counted = newest.into_iter().rfind(|(at, _)| !(is_torn && *at == last));
            if let Some((at, value)) = counted {
                memos.set(&key, &value, at.segment);
            }
        }
        is_torn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: u64) -> Position {
        Position { segment: 3, offset }
    }

    fn say(joined: bool, key: &'static [u8], value: &'static [u8]) -> Vec<u8> {
        encode(joined, [(key, value)].into_iter())
    }

    #[test]
    fn the_last_word_counts_in_whatever_order_it_is_read() {
        let said = [
            (say(false, b"a", b"1"), at(100)),
            (say(true, b"a", b"2"), at(200)),
            (say(false, b"b", b""), at(250)),
        ];
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
            let mut found = Found::default();
            for one in order {
                found.take(&said[one].0, said[one].1);
            }
            let mut memos = Memos::default();
            memos.set(b"b", b"old", 0);
            assert!(!found.finish(&mut memos, at(300)));
            assert_eq!((memos.get(b"a"), memos.get(b"b")), (Some(&b"2"[..]), None));
        }
    }

    #[test]
    fn an_account_of_what_is_not_there_does_not_count() {
        let mut found = Found::default();
        found.take(&say(true, b"a", b"1"), at(100));
        found.take(&say(true, b"a", b"2"), at(200));
        let mut memos = Memos::default();
        assert!(found.finish(&mut memos, at(200)));
        assert_eq!(memos.get(b"a"), Some(&b"1"[..]));
    }

    #[test]
    fn what_a_segment_said_last_is_said_again() {
        let mut memos = Memos::default();
        memos.take(&say(false, b"a", b"1"), 1);
        memos.take(&say(false, b"b", b"2"), 2);
        memos.take(&say(false, b"a", b"3"), 2);
        memos.take(&say(false, b"gone", b""), 1);
        let said = memos.said_up_to(1, false).unwrap();
        assert_eq!(items(&said).collect::<Vec<_>>(), [(&b"gone"[..], &b""[..])]);
        assert_eq!(memos.said_up_to(1, true), None);
        let said = memos.said_up_to(2, true).unwrap();
        assert_eq!(items(&said).collect::<Vec<_>>(), [(&b"a"[..], &b"3"[..]), (b"b", b"2")]);
        assert_eq!(memos.iter().count(), 2);
    }

    #[test]
    fn no_bytes_are_read_that_are_not_there() {
        let whole = say(false, b"key", b"value");
        for len in 0..whole.len() {
            assert_eq!(items(&whole[..len]).count(), 0);
        }
    }
}
