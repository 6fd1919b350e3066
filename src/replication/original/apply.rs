//! One change of an original server, carried out here.

use lcnode_protocol::binary::decode_double;
use lcnode_protocol::update_log::{Change, Logged};
use lcnode_protocol::{Items, Limits};
use lcnode_storage::{Author, Authored, Result, Store};

use crate::changes;

/// What came of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It worked.
    Worked,
    /// It was refused: a `putkeep` of a key that is there, an `out` of one that is not.
    Refused,
    /// It changes no record and was passed over; the author's memo is not set.
    Passed,
}

impl Outcome {
    /// Whether it was another on the server that logged it. Of an addition only that it fails here counts, as
    /// the original has it.
    #[must_use]
    pub fn differs_from(self, logged: &Logged<'_>) -> bool {
        let is_addition = matches!(logged.change, Change::AddInt { .. } | Change::AddDouble { .. });
        match self {
            Self::Worked => !logged.worked && !is_addition,
            Self::Refused => logged.worked,
            Self::Passed => false,
        }
    }
}

/// Carries out a change in the name of `author`, whose memo is set with it, also where it is refused. That it did
/// not work where it was made is no reason not to: so it is between originals.
///
/// `sync` is asked for and not waited for; `optimize` and the functions of `misc` that only read are passed
/// over, as compaction here goes on by itself.
///
/// Errors: those of the store. Then nothing was changed, or some puts or outs of one `misc` call, which may
/// be repeated.
pub fn apply(store: &Store, author: Author<'_>, change: &Change<'_>, limits: Limits) -> Result<Outcome> {
    let by = store.authored(author);
    let largest = limits.max_value as usize;
    let worked = match *change {
        Change::Put { key, value } => by.put(key, value).map(|()| true)?,
        Change::PutKeep { key, value } => by.update(key, |old| changes::keep(old, value))?,
        Change::PutCat { key, value } => by.update(key, |old| changes::append(old, value, largest))?,
        Change::PutShl { key, value, width } => {
            by.update(key, |old| changes::shift(old, value, width, largest))?
        }
        Change::Out { key } => by.delete(key)?,
        Change::AddInt { key, num } => by.add_int(key, num)?.is_some(),
        Change::AddDouble { key, integ, fract } => by.add_double(key, decode_double(integ, fract))?.is_some(),
        Change::Vanish => by.vanish().map(|()| true)?,
        Change::Sync => {
            store.want_durable(store.end());
            return Ok(Outcome::Passed);
        }
        Change::Optimize { .. } => return Ok(Outcome::Passed),
        Change::Misc { name, args } => return misc(store, author, name, args, limits),
    };
    Ok(if worked { Outcome::Worked } else { Outcome::Refused })
}

/// Calls of `misc`, by the rules of a client's call.
fn misc(store: &Store, author: Author<'_>, name: &[u8], args: Items<'_>, limits: Limits) -> Result<Outcome> {
    let mut arg = args.iter();
    let (first, second) = (arg.next(), arg.next());
    // Compared up to a NUL byte, as the original.
    let change = match (name.split(|&byte| byte == 0).next().unwrap_or_default(), first, second) {
        (b"put", Some(key), Some(value)) => Change::Put { key, value },
        (b"putkeep", Some(key), Some(value)) => Change::PutKeep { key, value },
        (b"putcat", Some(key), Some(value)) => Change::PutCat { key, value },
        (b"out", Some(key), _) => Change::Out { key },
        (b"vanish", ..) => Change::Vanish,
        (b"sync", ..) => Change::Sync,
        (b"putlist", ..) => return put_list(store, author, args, limits),
        (b"outlist", ..) => return out_list(store, author, args, limits),
        (b"put" | b"putkeep" | b"putcat" | b"out", ..) => return refuse(&store.authored(author)),
        _ => return Ok(Outcome::Passed),
    };
    match change {
        Change::Put { key, value } | Change::PutKeep { key, value } | Change::PutCat { key, value }
            if !fits(key, value, limits) =>
        {
            refuse(&store.authored(author))
        }
        Change::Out { key } if !fits(key, &[], limits) => refuse(&store.authored(author)),
        change => apply(store, author, &change, limits),
    }
}

/// The decoder cannot tell keys from values: an argument may have the size of either.
fn fits(key: &[u8], value: &[u8], limits: Limits) -> bool {
    key.len() <= limits.max_key as usize && value.len() <= limits.max_value as usize
}

fn refuse(by: &Authored<'_>) -> Result<Outcome> {
    by.nothing()?;
    Ok(Outcome::Refused)
}

/// Pairs of key and value; a key without a value at the end is passed over. The memo goes with the last, so
/// that after a crash in between all are put again.
fn put_list(store: &Store, author: Author<'_>, args: Items<'_>, limits: Limits) -> Result<Outcome> {
    let mut fields = args.iter();
    let mut last = None;
    while let (Some(key), Some(value)) = (fields.next(), fields.next()) {
        if let Some((key, value)) = last.replace((key, value)) {
            store.authored(Author { memo: None, ..author }).put(key, value)?;
        }
        if !fits(key, value, limits) {
            return refuse(&store.authored(author));
        }
    }
    let by = store.authored(author);
    match last {
        Some((key, value)) => by.put(key, value)?,
        None => by.nothing()?,
    }
    Ok(Outcome::Worked)
}

/// Keys. That one is missing is no failure.
fn out_list(store: &Store, author: Author<'_>, args: Items<'_>, limits: Limits) -> Result<Outcome> {
    let without_memo = store.authored(Author { memo: None, ..author });
    for key in args.iter().filter(|key| fits(key, &[], limits)) {
        without_memo.delete(key)?;
    }
    store.authored(author).nothing()?;
    Ok(Outcome::Worked)
}
