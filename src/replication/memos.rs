//! What replication remembers in the log, as bytes. All numbers are big-endian.
//!
//! | key | value |
//! |---|---|
//! | `epochs` | identity u64, then for each start of the node: id u64, segment u64, offset u64 of where its log began |
//! | `collected` | microseconds u64: deletions up to this time may have been forgotten before a peer knew them |
//! | `p` sid u16 | epoch u64, segment u64, offset u64, microseconds u64: how far the log of that server was applied |
//! | `f` sid u16 | identity u64, identity u64 of the follower's log, segment u64, offset u64, microseconds u64 of our last change there, microseconds u64 when it was seen, u8 1 where it was given up: how far that server has ours |
//!
//! A memo with an identity speaks of the log that it is in, and means nothing in a copy of that log.

use lcnode_storage::Position;

/// Key of [`Epochs`].
pub const EPOCHS: &[u8] = b"epochs";
/// Key of the time up to which deletions may have been forgotten.
pub const COLLECTED: &[u8] = b"collected";
/// Starts of the node that are remembered.
const MAX_EPOCHS: usize = 64;

/// How far the log of a leader was applied here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// The leader's epoch.
    pub epoch: u64,
    /// Up to here.
    pub position: Position,
    /// The leader's last change as of there, in microseconds; 0 where it is not known.
    pub ts: u64,
}

/// How far a follower has the log of this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Which log this speaks of.
    pub identity: u64,
    /// Which log the follower has: after a restore from a backup it is another.
    pub peer: u64,
    /// Up to here.
    pub acked: Position,
    /// Our last change as of there, in microseconds; 0 where it is not known.
    pub last_change: u64,
    /// When the follower was seen last, in microseconds.
    pub seen: u64,
    /// Whether nothing is kept for it any more.
    pub given_up: bool,
}

/// The starts of a node: how its log went on after each of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Epochs {
    /// Which log this speaks of.
    pub identity: u64,
    /// Id and beginning of each, oldest first.
    pub list: Vec<(u64, Position)>,
}

/// Key of a [`Progress`].
#[must_use]
pub fn progress_key(sid: u16) -> [u8; 3] {
    key(b'p', sid)
}

/// Key of a [`Known`].
#[must_use]
pub fn known_key(sid: u16) -> [u8; 3] {
    key(b'f', sid)
}

fn key(kind: u8, sid: u16) -> [u8; 3] {
    let [high, low] = sid.to_be_bytes();
    [kind, high, low]
}

/// The server that a key of a [`Known`] is about.
#[must_use]
pub fn known_sid(key: &[u8]) -> Option<u16> {
    match *key {
        [b'f', high, low] => Some(u16::from_be_bytes([high, low])),
        _ => None,
    }
}

/// The server that a key of a [`Progress`] is about.
#[must_use]
pub fn progress_sid(key: &[u8]) -> Option<u16> {
    match *key {
        [b'p', high, low] => Some(u16::from_be_bytes([high, low])),
        _ => None,
    }
}

fn numbers<const N: usize>(bytes: &[u8]) -> Option<[u64; N]> {
    let (words, rest) = bytes.as_chunks::<8>();
    if !rest.is_empty() || words.len() != N {
        return None;
    }
    let mut numbers = [0; N];
    for (number, word) in numbers.iter_mut().zip(words) {
        *number = u64::from_be_bytes(*word);
    }
    Some(numbers)
}

fn bytes(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

impl Progress {
    /// As a memo's value.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        bytes(&[self.epoch, self.position.segment, self.position.offset, self.ts])
    }

    /// From a memo's value; none where it is no such thing.
    #[must_use]
    pub fn decode(value: &[u8]) -> Option<Self> {
        let [epoch, segment, offset, ts] = numbers(value)?;
        Some(Self { epoch, position: Position { segment, offset }, ts })
    }
}

impl Known {
    /// As a memo's value.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let Position { segment, offset } = self.acked;
        let mut value = bytes(&[self.identity, self.peer, segment, offset, self.last_change, self.seen]);
        value.push(u8::from(self.given_up));
        value
    }

    /// From a memo's value; none where it is no such thing.
    #[must_use]
    pub fn decode(value: &[u8]) -> Option<Self> {
        let (&flag, rest) = value.split_last()?;
        let [identity, peer, segment, offset, last_change, seen] = numbers(rest)?;
        let given_up = match flag {
            0 => false,
            1 => true,
            _ => return None,
        };
        Some(Self { identity, peer, acked: Position { segment, offset }, last_change, seen, given_up })
    }
}

impl Epochs {
    /// As a memo's value.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut value = bytes(&[self.identity]);
        for (id, start) in &self.list {
            value.extend(bytes(&[*id, start.segment, start.offset]));
        }
        value
    }

    /// From a memo's value; none where it is no such thing.
    #[must_use]
    pub fn decode(value: &[u8]) -> Option<Self> {
        let (identity, rest) = value.split_first_chunk()?;
        if !rest.len().is_multiple_of(24) {
            return None;
        }
        let epoch = |bytes: &[u8]| {
            let [id, segment, offset] = numbers(bytes)?;
            Some((id, Position { segment, offset }))
        };
        let list = rest.chunks_exact(24).map(epoch).collect::<Option<_>>()?;
        Some(Self { identity: u64::from_be_bytes(*identity), list })
    }

    /// Adds a start; the oldest are forgotten.
    pub fn push(&mut self, id: u64, start: Position) {
        self.list.push((id, start));
        let over = self.list.len().saturating_sub(MAX_EPOCHS);
        self.list.drain(..over);
    }

    /// The id of the last one.
    #[must_use]
    pub fn current(&self) -> u64 {
        self.list.last().map_or(0, |(id, _)| *id)
    }

    /// Where the log has what a position of epoch `id` stood for: there, or where that epoch ended if it lost its
    /// end in a crash. None for an epoch that is not known.
    #[must_use]
    pub fn resolve(&self, id: u64, position: Position) -> Option<Position> {
        let at = self.list.iter().position(|(known, _)| *known == id)?;
        let end = self.list.get(at + 1).map_or(Position::MAX, |(_, start)| *start);
        Some(position.min(end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(segment: u64, offset: u64) -> Position {
        Position { segment, offset }
    }

    #[test]
    fn memos_come_back_and_nothing_else_is_taken_for_one() {
        let progress = Progress { epoch: u64::MAX, position: at(3, 400), ts: 5 };
        let value = progress.encode();
        assert_eq!(Progress::decode(&value), Some(progress));
        let known = Known { identity: 1, peer: 2, acked: at(2, 64), last_change: 3, seen: 4, given_up: true };
        let value = [value, known.encode()];
        assert_eq!(Known::decode(&value[1]), Some(known));
        let epochs = Epochs { identity: 9, list: vec![(1, at(1, 64)), (2, at(5, 0))] };
        assert_eq!(Epochs::decode(&epochs.encode()), Some(epochs.clone()));
        for len in 0..40 {
            let cut = &value[0][..len.min(31)];
            assert_eq!(Progress::decode(cut), None);
            assert_eq!(Known::decode(&value[1][..len]), None);
            assert_eq!(Epochs::decode(&epochs.encode()[8..][..len]).is_some(), len % 24 == 8);
        }
        assert_eq!(known_sid(&known_key(0xABCD)), Some(0xABCD));
        assert_eq!(known_sid(&progress_key(1)), None);
    }

    #[test]
    fn a_position_that_a_crash_took_back_is_the_end_of_its_epoch() {
        let mut epochs = Epochs::default();
        epochs.push(7, at(1, 64));
        epochs.push(8, at(2, 500));
        assert_eq!(epochs.resolve(7, at(1, 100)), Some(at(1, 100)));
        assert_eq!(epochs.resolve(7, at(2, 501)), Some(at(2, 500)));
        assert_eq!(epochs.resolve(8, at(2, 501)), Some(at(2, 501)));
        assert_eq!(epochs.resolve(9, at(2, 501)), None);
        assert_eq!(epochs.current(), 8);
        for id in 100..200 {
            epochs.push(id, at(3, id));
        }
        assert_eq!((epochs.list.len(), epochs.list[0].0), (64, 136));
    }
}
