//! The `misc` command: functions by name over lists of arguments. One table says which there are, so
//! that nothing else has to know.

use std::ops::ControlFlow;

use lcnode::replication::digest;
use lcnode_lua::posix::Regex;
use lcnode_protocol::{Command, Items, Reply};
use lcnode_storage::{Cursor, KeyIterator};

use super::numbers::leading;
use super::read::{self, too_large};
use super::{ErrorNumber, Node, Session, admin, note, write};

/// Records of a page of `scan` where its caller says nothing, and its bytes.
const SCANNED: usize = 1000;
const SCANNED_BYTES: usize = 1 << 20;

/// A function of `misc` for a hash database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    Put,
    PutKeep,
    PutCat,
    Out,
    Get,
    PutList,
    OutList,
    GetList,
    GetPart,
    IterInit,
    IterNext,
    Regex,
    Sync,
    Optimize,
    Vanish,
    Error,
    Defrag,
    CacheClear,
    Digest,
    Lcnode,
    Scan,
}

impl Function {
    const ALL: [(&'static [u8], Self); 21] = [
        (b"put", Self::Put),
        (b"putkeep", Self::PutKeep),
        (b"putcat", Self::PutCat),
        (b"out", Self::Out),
        (b"get", Self::Get),
        (b"putlist", Self::PutList),
        (b"outlist", Self::OutList),
        (b"getlist", Self::GetList),
        (b"getpart", Self::GetPart),
        (b"iterinit", Self::IterInit),
        (b"iternext", Self::IterNext),
        (b"regex", Self::Regex),
        (b"sync", Self::Sync),
        (b"optimize", Self::Optimize),
        (b"vanish", Self::Vanish),
        (b"error", Self::Error),
        (b"defrag", Self::Defrag),
        (b"cacheclear", Self::CacheClear),
        // Not of the original.
        (b"digest", Self::Digest),
        (b"lcnode", Self::Lcnode),
        (b"scan", Self::Scan),
    ];

    /// The function of a name, which is compared up to a NUL byte.
    fn of(name: &[u8]) -> Option<Self> {
        let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, function)| *function)
    }
}

/// Whether a call may take long: a walk over everything, a sync, or many records.
pub(super) fn is_slow(name: &[u8], args: usize) -> bool {
    use Function::{Defrag, Digest, Optimize, Regex, Sync, Vanish};
    args > 1000 || matches!(Function::of(name), Some(Regex | Sync | Optimize | Vanish | Defrag | Digest))
}

pub(super) fn misc(node: &Node, session: &mut Session, name: &[u8], args: Items<'_>, reply: &mut impl Reply) {
    let mut arg = args.iter();
    let (first, second) = (arg.next(), arg.next());
    let done = |done: bool, reply: &mut dyn Reply| if done { reply.success() } else { reply.failure() };
    match (Function::of(name), first, second) {
        (Some(Function::Put), Some(key), Some(value)) => {
            done(fits(node, session, key, value) && write::do_put(node, session, key, value), reply);
        }
        (Some(Function::PutKeep), Some(key), Some(value)) => {
            done(fits(node, session, key, value) && write::do_put_keep(node, session, key, value), reply);
        }
        (Some(Function::PutCat), Some(key), Some(value)) => {
            done(fits(node, session, key, value) && write::do_put_cat(node, session, key, value), reply);
        }
        (Some(Function::Out), Some(key), _) => done(write::do_out(node, session, key), reply),
        (Some(Function::Get), Some(key), _) => get(node, session, key, reply),
        (Some(Function::PutList), ..) => {
            let mut fields = args.iter();
            let mut stored = true;
            while let (true, Some(key), Some(value)) = (stored, fields.next(), fields.next()) {
                stored = fits(node, session, key, value) && write::do_put(node, session, key, value);
            }
            done(stored, reply);
        }
        (Some(Function::OutList), ..) => {
            let mut removed = true;
            for key in args.iter() {
                removed &= write::do_out(node, session, key) || session.last_error == ErrorNumber::NoRecord;
                if session.blocked.is_some() {
                    break;
                }
            }
            done(removed, reply);
        }
        (Some(Function::GetList), ..) => get_list(node, session, args, reply),
        (Some(Function::GetPart), Some(key), offset) => {
            let length = args.iter().nth(2).map_or(-1, leading);
            get_part(node, session, key, offset.map_or(0, leading), length, reply);
        }
        (Some(Function::IterInit), None, _) => read::iter_init(node, reply),
        (Some(Function::IterInit), Some(key), _) => iter_init_at(node, session, key, reply),
        (Some(Function::IterNext), ..) => iter_next(node, session, reply),
        (Some(Function::Regex), Some(pattern), max) => {
            regex(node, session, pattern, max.map_or(0, leading), reply);
        }
        (Some(Function::Sync), ..) => admin::sync(node, session, reply),
        (Some(Function::Optimize), params, _) => {
            admin::optimize(node, session, params.unwrap_or_default(), reply);
        }
        (Some(Function::Vanish), ..) => admin::vanish(node, session, reply),
        (Some(Function::Error), ..) if !node.store.is_memory() => error(node, session, reply),
        (Some(Function::Digest), None, _) => digest(node, session, reply),
        (Some(Function::Scan), Some(cursor), max) => scan(node, session, cursor, max, reply),
        // So that a node that wants to follow this one can tell it from an original.
        (Some(Function::Lcnode), ..) => {
            reply.begin_list();
            reply.item(env!("CARGO_PKG_VERSION").as_bytes());
            reply.end_list();
        }
        // The engine keeps itself tidy, and its cache is the system's.
        (Some(Function::Defrag | Function::CacheClear), ..) if !node.store.is_memory() => reply.success(),
        _ => {
            session.last_error = ErrorNumber::Invalid;
            reply.failure();
        }
    }
}

/// Whether a record is within the limits of keys and values: an argument may have the size of either.
fn fits(node: &Node, session: &mut Session, key: &[u8], value: &[u8]) -> bool {
    let fits = key.len() <= node.limits.max_key as usize && value.len() <= node.limits.max_value as usize;
    if !fits {
        session.last_error = ErrorNumber::Invalid;
    }
    fits
}

fn get(node: &Node, session: &mut Session, key: &[u8], reply: &mut impl Reply) {
    match node.store.get(key, |value| reply.value(value)) {
        Ok(Some(())) => {}
        Ok(None) => {
            session.last_error = ErrorNumber::NoRecord;
            reply.failure();
        }
        Err(error) => {
            note(session, Command::Misc, &error);
            reply.failure();
        }
    }
}

fn get_list(node: &Node, session: &mut Session, keys: Items<'_>, reply: &mut impl Reply) {
    reply.begin_list();
    for key in keys.iter() {
        let found = node.store.get(key, |value| {
            reply.item(key);
            reply.item(value);
        });
        if let Err(error) = found {
            note(session, Command::Misc, &error);
            return reply.abandon_list();
        }
        if reply.len() > node.max_reply {
            return too_large(node, session, Command::Misc, reply);
        }
    }
    reply.end_list();
}

fn get_part(
    node: &Node,
    session: &mut Session,
    key: &[u8],
    offset: i64,
    length: i64,
    reply: &mut impl Reply,
) {
    let from = usize::try_from(offset).unwrap_or(0);
    let found = node.store.get(key, |value| {
        let Some(rest) = value.get(from..).filter(|rest| !rest.is_empty()) else { return false };
        let length = usize::try_from(length).map_or(rest.len(), |length| length.min(rest.len()));
        reply.value(&rest[..length]);
        true
    });
    match found {
        Ok(Some(true)) => return,
        Ok(Some(false)) => session.last_error = ErrorNumber::Invalid,
        Ok(None) => session.last_error = ErrorNumber::NoRecord,
        Err(error) => note(session, Command::Misc, &error),
    }
    reply.failure();
}

/// Sets the shared iterator to a record. Where there is none it stays where it was, which a hash file
/// calls a failure and a database in memory does not (observed).
fn iter_init_at(node: &Node, session: &mut Session, key: &[u8], reply: &mut impl Reply) {
    match KeyIterator::starting_at(&node.store, key) {
        Ok(Some(iterator)) => {
            *node.iterator.lock() = Some(iterator);
            reply.success();
        }
        Ok(None) if node.store.is_memory() && !key.is_empty() => reply.success(),
        Ok(None) => {
            session.last_error = ErrorNumber::NoRecord;
            reply.failure();
        }
        Err(error) => {
            note(session, Command::Misc, &error);
            reply.failure();
        }
    }
}

fn iter_next(node: &Node, session: &mut Session, reply: &mut impl Reply) {
    while let Some(key) = read::next_key(node, session, Command::Misc) {
        reply.begin_list();
        let found = node.store.get(&key, |value| {
            reply.item(&key);
            reply.item(value);
        });
        match found {
            Ok(Some(())) => return reply.end_list(),
            // Removed since the iterator saw it.
            Ok(None) => reply.abandon_list(),
            Err(error) => {
                note(session, Command::Misc, &error);
                return reply.abandon_list();
            }
        }
    }
    reply.failure();
}

fn regex(node: &Node, session: &mut Session, pattern: &[u8], max: i64, reply: &mut impl Reply) {
    let regex = match Regex::new(pattern) {
        Ok(regex) => regex,
        Err(error) => {
            tracing::info!("do_misc: regex: {error}");
            session.last_error = ErrorNumber::Invalid;
            return reply.failure();
        }
    };
    let mut left = if max > 0 { max as u64 } else { u64::MAX };
    reply.begin_list();
    let walked = node.store.for_each(|key, value| {
        if left == 0 || reply.len() > node.max_reply {
            return ControlFlow::Break(());
        }
        if regex.is_match(key) {
            left -= 1;
            reply.item(key);
            reply.item(value);
        }
        ControlFlow::Continue(())
    });
    if let Err(error) = walked {
        note(session, Command::Misc, &error);
        return reply.abandon_list();
    }
    if reply.len() > node.max_reply {
        return too_large(node, session, Command::Misc, reply);
    }
    reply.end_list();
}

/// The next records of a walk that its client keeps the place of: a cursor, empty at the end, then keys and values. The
/// first cursor is empty. At most so many records as the second argument says, 1000 without one, or about a megabyte,
/// and the rest of a bucket.
fn scan(node: &Node, session: &mut Session, cursor: &[u8], max: Option<&[u8]>, reply: &mut impl Reply) {
    let number = match cursor {
        b"" => Some(0),
        digits => str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()),
    };
    let max = max.map_or(Ok(SCANNED), |max| usize::try_from(leading(max)));
    let (Some(number), Ok(max)) = (number, max) else {
        session.last_error = ErrorNumber::Invalid;
        return reply.failure();
    };
    let mut next = Some(Cursor::from_u64(number));
    let mut records: Vec<Box<[u8]>> = Vec::new();
    let mut bytes = 0;
    while let Some(at) = next
        && bytes < SCANNED_BYTES
        && records.len() / 2 < max.max(1)
    {
        let visited = node.store.visit_at(at, |key, value| {
            bytes += key.len() + value.len();
            records.extend([key.into(), value.into()]);
        });
        match visited {
            Ok(cursor) => next = cursor,
            Err(error) => {
                note(session, Command::Misc, &error);
                return reply.failure();
            }
        }
    }
    if bytes > node.max_reply {
        return too_large(node, session, Command::Misc, reply);
    }
    reply.begin_list();
    reply.item(next.map(|next| next.to_u64().to_string()).unwrap_or_default().as_bytes());
    for field in &records {
        reply.item(field);
    }
    reply.end_list();
}

/// One number for all records, 16 hexadecimal digits: two nodes that have the same records have the same.
fn digest(node: &Node, session: &mut Session, reply: &mut impl Reply) {
    match digest::whole(&node.store) {
        Ok(digest) => {
            reply.begin_list();
            reply.item(format!("{digest:016x}").as_bytes());
            reply.end_list();
        }
        Err(error) => {
            note(session, Command::Misc, &error);
            reply.failure();
        }
    }
}

fn error(node: &Node, session: &Session, reply: &mut impl Reply) {
    reply.begin_list();
    reply.item(session.last_error.text().as_bytes());
    if node.store.failure().is_some() {
        reply.item(b"fatal");
    }
    reply.end_list();
}
