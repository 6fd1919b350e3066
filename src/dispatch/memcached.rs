//! Commands that only memcached's dialect has.

mod expiry;
mod flushing;
mod stats;

use arrayvec::ArrayVec;
use lcnode_protocol::memcached::wrapping;
use lcnode_protocol::{Command, Reply, Storing, Words};
use lcnode_storage::{Attributes, Change, Current, Scope};

use super::counters::Miss;
use super::{Blocked, ErrorNumber, Node, Session, admin, note, read, write};

pub use flushing::DelayedFlush;
pub(super) use stats::stats;

/// Keys whose records are fetched from memory at once.
const CHUNK: usize = 32;

/// Why a value is not stored.
#[derive(Debug, Clone, Copy)]
enum Refused {
    /// There is a record, or another one than was asked for.
    Exists,
    Missing,
    /// With what is there it would be larger than a value can be.
    TooLarge,
    /// The engine says why.
    Failed,
}

impl Refused {
    fn number(self) -> ErrorNumber {
        match self {
            Self::Exists => ErrorNumber::Exists,
            Self::Missing => ErrorNumber::NoRecord,
            Self::TooLarge | Self::Failed => ErrorNumber::Write,
        }
    }
}

#[inline]
pub(super) fn store(
    node: &Node,
    session: &mut Session,
    (key, value): (&[u8], &[u8]),
    storing: Storing,
    flags: u32,
    exptime: i64,
    reply: &mut impl Reply,
) {
    let attributes = Attributes { expiry: expiry::of(node, exptime), flags };
    let limit = node.limits.max_value as usize;
    let mut refused = Refused::Failed;
    let result = match storing {
        Storing::Set => node.store.put_with(key, value, attributes).map(|()| true),
        _ => node.store.update_with(key, |old| match stored(storing, old, value, attributes, limit) {
            Ok(change) => change,
            Err(why) => {
                refused = why;
                (Change::Keep, attributes)
            }
        }),
    };
    let command = if storing == Storing::Add { Command::PutKeep } else { Command::Put };
    if write::changed(node, session, command, key, refused.number(), result) {
        return reply.success();
    }
    if session.blocked.is_none() {
        node.counters.miss(session.shard, session.dialect, Miss::Put);
    }
    match refused {
        Refused::Exists => reply.exists(),
        Refused::Missing => reply.missing(),
        Refused::TooLarge | Refused::Failed => reply.failure(),
    }
}

/// What becomes of a record.
fn stored<'old, 'new>(
    storing: Storing,
    old: Option<Current<'old>>,
    value: &'new [u8],
    attributes: Attributes,
    limit: usize,
) -> Result<(Change<'old, 'new>, Attributes), Refused> {
    let in_its_place = (Change::Put { kept: &[], new: value }, attributes);
    match (storing, old) {
        (Storing::Set, _) | (Storing::Add, None) | (Storing::Replace, Some(_)) => Ok(in_its_place),
        (Storing::Cas(unique), Some(old)) if old.unique == unique => Ok(in_its_place),
        (Storing::Add | Storing::Cas(_), Some(_)) => Err(Refused::Exists),
        (_, None) => Err(Refused::Missing),
        // What could not be read back in one reply is not stored, as by putcat.
        (_, Some(old)) if old.value.len() + value.len() > limit => Err(Refused::TooLarge),
        (Storing::Append, Some(old)) => Ok((Change::Put { kept: old.value, new: value }, old.attributes)),
        (Storing::Prepend, Some(old)) => {
            Ok((Change::PutBefore { new: value, kept: old.value }, old.attributes))
        }
    }
}

#[inline]
pub(super) fn fetch(
    node: &Node,
    session: &mut Session,
    keys: Words<'_>,
    touch: Option<i64>,
    reply: &mut impl Reply,
) {
    let touch = touch.filter(|_| node.honours_exptime);
    // What ends now would be gone if the request were carried out again for another of its keys: so all or nothing.
    let ends = touch.is_some_and(|exptime| expiry::is_over(node, exptime)) && keys.iter().nth(1).is_some();
    let reservation = ends.then(|| node.store.try_reserve(Scope::ALL, session.in_turn));
    if matches!(reservation, Some(None)) && session.waits {
        session.blocked = Some(Blocked::Reserved(Scope::ALL));
        return;
    }
    let (mut calls, mut misses) = (0_u64, 0_u64);
    let mut is_too_large = false;
    reply.begin_list();
    let mut keys = keys.iter();
    'all: loop {
        let chunk: ArrayVec<&[u8], CHUNK> = keys.by_ref().take(CHUNK).collect();
        if chunk.is_empty() {
            break;
        }
        if chunk.len() > 1 {
            node.store.prefetch(chunk.iter().copied());
        }
        for key in chunk {
            let is_found = fetch_one(node, session, key, touch, reply);
            if session.blocked.is_some() {
                // All of it is carried out again, and counted then.
                return;
            }
            calls += 1;
            misses += u64::from(!is_found);
            if reply.len() > node.max_reply {
                is_too_large = true;
                break 'all;
            }
        }
    }
    (0..calls).for_each(|_| node.counters.count(session.shard, session.dialect, Command::Get));
    (0..misses).for_each(|_| node.counters.miss(session.shard, session.dialect, Miss::Get));
    match is_too_large {
        true => read::too_large(node, session, Command::Get, reply),
        false => reply.end_list(),
    }
}

/// Puts a record into the reply; says whether it is there.
#[inline]
fn fetch_one(
    node: &Node,
    session: &mut Session,
    key: &[u8],
    touch: Option<i64>,
    reply: &mut impl Reply,
) -> bool {
    let Some(exptime) = touch else { return read_one(node, session, key, reply) };
    if expiry::is_over(node, exptime) {
        // It is seen for the last time.
        let is_found = read_one(node, session, key, reply);
        touch_one(node, session, key, exptime);
        is_found
    } else {
        touch_one(node, session, key, exptime) && read_one(node, session, key, reply)
    }
}

#[inline]
fn read_one(node: &Node, session: &mut Session, key: &[u8], reply: &mut impl Reply) -> bool {
    look(node, session, key, |record| {
        reply.record_with(key, record.value, record.attributes.flags, record.unique);
    })
}

/// Looks at a record; says whether it is there.
#[inline]
fn look(node: &Node, session: &mut Session, key: &[u8], see: impl FnOnce(Current<'_>)) -> bool {
    match node.store.get_with(key, see) {
        Ok(Some(())) => true,
        Ok(None) => {
            session.last_error = ErrorNumber::NoRecord;
            false
        }
        Err(error) => {
            note(session, Command::Get, &error);
            false
        }
    }
}

pub(super) fn touch(node: &Node, session: &mut Session, key: &[u8], exptime: i64, reply: &mut impl Reply) {
    let is_there = match node.honours_exptime {
        true => touch_one(node, session, key, exptime),
        false => look(node, session, key, |_| ()),
    };
    if is_there {
        return reply.success();
    }
    if session.blocked.is_none() {
        node.counters.miss(session.shard, session.dialect, Miss::Put);
    }
    match session.last_error {
        ErrorNumber::NoRecord => reply.missing(),
        _ => reply.failure(),
    }
}

/// Writes a record anew with another expiry; says whether it is there.
///
/// A counter becomes the number in plain text that it has come to. What another server adds to it before it hears of
/// that is lost, as if the number had been set.
fn touch_one(node: &Node, session: &mut Session, key: &[u8], exptime: i64) -> bool {
    let expiry = expiry::of(node, exptime);
    let result = node.store.update_with(key, |old| match old {
        None => (Change::Keep, Attributes::default()),
        Some(old) => {
            let attributes = Attributes { expiry, ..old.attributes };
            (Change::Put { kept: old.value, new: &[] }, attributes)
        }
    });
    write::changed(node, session, Command::Put, key, ErrorNumber::NoRecord, result)
}

pub(super) fn adjust(node: &Node, session: &mut Session, key: &[u8], by: i64, reply: &mut impl Reply) {
    // What is too large wraps, and so becomes 0 (observed).
    let result = node.store.adjust_decimal(key, |text| wrapping(text).wrapping_add(by).max(0));
    let (mut sum, failed) = (None, result.is_err());
    let done = result.map(|result| {
        sum = result;
        sum.is_some()
    });
    write::changed(node, session, Command::AddInt, key, ErrorNumber::NoRecord, done);
    match sum {
        Some(sum) => reply.count(sum.unsigned_abs()),
        None if failed => reply.failure(),
        None => reply.missing(),
    }
}

/// Removes all records, now or later; a later one replaces the one that waits.
pub(super) fn flush(node: &Node, session: &mut Session, delay: i64, reply: &mut impl Reply) {
    match expiry::wait(node, delay) {
        Some(wait) => {
            tracing::info!("doing flush_all command in {wait:?}");
            node.delayed_flush.set(wait);
            reply.success();
        }
        None => {
            node.delayed_flush.cancel();
            admin::vanish(node, session, reply);
        }
    }
}
