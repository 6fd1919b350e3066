//! Appending records, each with its stamp; see [`crate::log::writer`] for where.

use crc32fast::Hasher;

use crate::counter::{Amount, Counter};
use crate::error::{Error, Result};
use crate::log::address::Address;
use crate::log::record::{self, Attributes, Head, Kind, Record, Stamp};
use crate::log::writer::{Host, Kit, TailGuard, Urgency, make_room};

/// What is about to be appended.
#[derive(Debug, Clone, Copy)]
pub struct Draft<'a> {
    /// What it says.
    pub kind: Kind,
    /// Its key.
    pub key: &'a [u8],
    /// Its value, in two parts.
    pub value: [&'a [u8]; 2],
    /// Expiry and flags.
    pub attributes: Attributes,
    /// Where the change was made.
    pub by: By,
    /// Microseconds: it is to be later than this, which no record of the key is. A vanish is later than all.
    pub after: u64,
    /// The value of a memo record that is to stand right before it.
    pub memo: Option<&'a [u8]>,
}

/// Where a change was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct By {
    /// Id of that server; 0 for this one.
    pub origin: u16,
    /// Id of the server it was received from, where that is another; else 0.
    pub via: u16,
}

impl By {
    /// This server.
    pub const HERE: Self = Self { origin: 0, via: 0 };

    pub fn origin(self, kit: &Kit) -> u16 {
        if self.origin == 0 { kit.origin } else { self.origin }
    }
}

impl<'a> Draft<'a> {
    /// A change made here, with neither expiry nor flags.
    #[inline]
    pub fn new(kind: Kind, key: &'a [u8], value: [&'a [u8]; 2]) -> Self {
        Self { kind, key, value, attributes: Attributes::default(), by: By::HERE, after: 0, memo: None }
    }
}

/// Appends a record with a new stamp; gives its time too. `body` has been fed key and value; `time` is the time now, taken before the
/// tail.
#[inline]
pub fn append(
    tail: &mut TailGuard<'_>,
    kit: &Kit,
    host: &impl Host,
    draft: &Draft<'_>,
    body: Hasher,
    time: u64,
    urgency: Urgency,
) -> Result<(Address, u64)> {
    let value_len = draft.value[0].len() + draft.value[1].len();
    let mut head = Head::received(draft.kind, draft.key.len(), value_len, draft.attributes, draft.by.via);
    let len = head.len() + draft.key.len() + value_len;
    make_room(tail, kit, host, len + draft.memo.map_or(0, memo_len), urgency)?;
    if let Some(memo) = draft.memo {
        tail.place_memo(memo)?;
    }
    let after = if draft.kind == Kind::Vanish { tail.last_ts } else { draft.after };
    let ts = tail.next_ts(time, after);
    let head = head.finish(Stamp { ts, origin: draft.by.origin(kit) }, body);
    let placed = tail.place(&[head, draft.key, draft.value[0], draft.value[1]], len, draft.kind, ts)?;
    tail.last_ts = ts;
    tail.note_expiry(len, draft.attributes);
    Ok((placed, ts))
}

/// An addition to a counter.
#[derive(Debug)]
pub struct Addition<'a> {
    /// The counter's key.
    pub key: &'a [u8],
    /// What is known of it.
    pub before: Counter<'a>,
    /// What is added.
    pub amount: Amount,
    /// The run of this server.
    pub run: u32,
    /// Where the change was made.
    pub by: By,
    /// As of a draft.
    pub after: u64,
    /// The value of a memo record that is to stand right before it.
    pub memo: Option<&'a [u8]>,
}

/// Appends a counter after an addition; its state holds the stamp. Gives its time and its new value too. None where the addition
/// cannot be kept as such.
pub fn append_addition(
    tail: &mut TailGuard<'_>,
    kit: &Kit,
    host: &impl Host,
    addition: Addition<'_>,
    time: u64,
) -> Result<Option<(Address, u64, Amount)>> {
    let Addition { key, before, amount, run, by, after: later_than, memo } = addition;
    let after = |ts| {
        let mut counter = before.clone();
        counter.add(kit.origin, run, ts, amount)?;
        Some((counter.seen().unwrap_or_default(), counter.encode()))
    };
    // As long as at the time it will get: the newest is what a client sees.
    let Some((value, state)) = after(u64::MAX) else { return Ok(None) };
    let state_len = match &state {
        Some(state) => state.len(),
        None => return Err(Error::TooLarge { bytes: u64::from(u16::MAX) + 1, limit: u64::from(u16::MAX) }),
    };
    let attributes = before.base.attributes;
    let mut head = Head::received(Kind::Counter, key.len(), value.len() + state_len, attributes, by.via);
    let len = head.len() + key.len() + value.len() + state_len;
    make_room(tail, kit, host, len + memo.map_or(0, memo_len), Urgency::Ordinary)?;
    if let Some(memo) = memo {
        tail.place_memo(memo)?;
    }
    let ts = tail.next_ts(time, later_than);
    let Some((value, Some(state))) = after(ts) else { return Ok(None) };
    let mut body = Hasher::new();
    [key, &value, &state].into_iter().for_each(|part| body.update(part));
    let head = head.finish(Stamp { ts, origin: by.origin(kit) }, body);
    let placed = tail.place(&[head, key, &value, &state], len, Kind::Counter, ts)?;
    tail.last_ts = ts;
    tail.note_expiry(len, attributes);
    Ok(Some((placed, ts, crate::counter::number(&value, amount).unwrap_or(amount))))
}

/// A record with its stamp, in two parts.
#[derive(Debug, Clone, Copy)]
pub struct Stamped<'a> {
    /// All its bytes.
    pub bytes: [&'a [u8]; 2],
    /// What it says.
    pub kind: Kind,
    /// When and where the change was made.
    pub stamp: Stamp,
    /// Expiry and flags.
    pub attributes: Attributes,
}

/// Appends a record that has its stamp already. None where it is older than the last vanish.
pub fn append_stamped(
    tail: &mut TailGuard<'_>,
    kit: &Kit,
    host: &impl Host,
    stamped: &Stamped<'_>,
    urgency: Urgency,
) -> Result<Option<Address>> {
    let Stamped { bytes, kind, stamp, attributes } = *stamped;
    let len = bytes[0].len() + bytes[1].len();
    make_room(tail, kit, host, len, urgency)?;
    if stamp <= tail.vanished {
        return Ok(None);
    }
    let placed = tail.place(&bytes, len, kind, stamp.ts)?;
    tail.last_ts = tail.last_ts.max(stamp.ts);
    tail.note_expiry(len, attributes);
    Ok(Some(placed))
}

/// Appends a memo record with this value.
pub fn append_memo(
    tail: &mut TailGuard<'_>,
    kit: &Kit,
    host: &impl Host,
    value: &[u8],
    urgency: Urgency,
) -> Result<()> {
    make_room(tail, kit, host, memo_len(value), urgency)?;
    tail.place_memo(value)
}

/// Appends a whole record, stamp included, as it is but for the mark of what compaction moves: `parts` are its
/// bytes.
pub fn append_copy(
    tail: &mut TailGuard<'_>,
    kit: &Kit,
    host: &impl Host,
    parts: &[&[u8]],
    record: &Record<'_>,
) -> Result<Address> {
    make_room(tail, kit, host, record.len, Urgency::Compaction)?;
    tail.owed = tail.owed.map(|owed| owed.saturating_sub(record.len));
    let placed = tail.place(parts, record.len, record.kind, record.stamp.ts)?;
    tail.note_expiry(record.len, record.attributes);
    Ok(placed)
}

/// Appends a tombstone in place of a record that has expired, under its stamp.
pub fn append_tombstone(
    tail: &mut TailGuard<'_>,
    kit: &Kit,
    host: &impl Host,
    record: &Record<'_>,
) -> Result<Address> {
    let mut body = Hasher::new();
    body.update(record.key);
    let mut head = Head::received(Kind::Delete, record.key.len(), 0, Attributes::default(), record.via);
    head.set_moved();
    let len = head.len() + record.key.len();
    make_room(tail, kit, host, len, Urgency::Compaction)?;
    tail.owed = tail.owed.map(|owed| owed.saturating_sub(record.len));
    tail.place(&[head.finish(record.stamp, body), record.key], len, Kind::Delete, record.stamp.ts)
}

/// Bytes of a memo record with this value.
fn memo_len(value: &[u8]) -> usize {
    record::HEADER + value.len()
}
