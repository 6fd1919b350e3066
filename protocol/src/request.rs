//! What a client can ask, whatever the dialect.

use crate::command::Command;
use crate::peer::FollowerHello;

pub use crate::items::{Items, ItemsIter};
pub use crate::words::{Words, WordsIter};

/// When memcached's storage commands store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storing {
    /// `set`: whatever is there.
    Set,
    /// `add`: where there is nothing.
    Add,
    /// `replace`: where there is something.
    Replace,
    /// `append`: behind what is there, whose flags and expiry stay.
    Append,
    /// `prepend`: before what is there, whose flags and expiry stay.
    Prepend,
    /// `cas`: where the record has this unique id, as `gets` told it.
    Cas(u64),
}

/// A request, whose bytes still lie in the buffer it was read from.
///
/// Keys and values are arbitrary bytes and may be empty.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Request<'a> {
    /// Store a record, replacing the one that is there.
    Put {
        /// The key.
        key: &'a [u8],
        /// The value.
        value: &'a [u8],
    },
    /// Store a record; fails if the key exists.
    PutKeep {
        /// The key.
        key: &'a [u8],
        /// The value.
        value: &'a [u8],
    },
    /// Append to a value, or store it if the key is missing.
    PutCat {
        /// The key.
        key: &'a [u8],
        /// What to append.
        value: &'a [u8],
    },
    /// Append to a value and keep only its last `width` bytes. If the key is
    /// missing the whole value is stored, whatever the width.
    PutShl {
        /// The key.
        key: &'a [u8],
        /// What to append.
        value: &'a [u8],
        /// How many bytes to keep, at most 2147483647.
        width: u32,
    },
    /// Store a record without any reply, not even on failure.
    PutNr {
        /// The key.
        key: &'a [u8],
        /// The value.
        value: &'a [u8],
    },
    /// Remove a record; fails if it is missing.
    Out {
        /// The key.
        key: &'a [u8],
    },
    /// Read a value; fails if it is missing.
    Get {
        /// The key.
        key: &'a [u8],
    },
    /// Read several records; those that are missing are left out.
    MGet {
        /// The keys, in the order of the answer.
        keys: Items<'a>,
    },
    /// Read the size of a value.
    Vsiz {
        /// The key.
        key: &'a [u8],
    },
    /// Start the iterator that all connections share.
    IterInit,
    /// The next key of that iterator.
    IterNext,
    /// The keys that begin with a prefix.
    FwmKeys {
        /// The prefix; empty for all keys.
        prefix: &'a [u8],
        /// At most so many keys; `None` is no limit, zero is no keys.
        max: Option<u32>,
    },
    /// Add to an integer.
    AddInt {
        /// The key.
        key: &'a [u8],
        /// What to add.
        num: i32,
    },
    /// Add to a floating-point number.
    AddDouble {
        /// The key.
        key: &'a [u8],
        /// What to add; may be infinite or not a number.
        num: f64,
    },
    /// Call a function of the script.
    Ext {
        /// The function's name.
        name: &'a [u8],
        /// Bit 0 locks the record, bit 1 locks all.
        options: u32,
        /// The first argument.
        key: &'a [u8],
        /// The second argument.
        value: &'a [u8],
    },
    /// Flush to the device.
    Sync,
    /// Reorganise the database.
    Optimize {
        /// Tuning parameters, `name=value` joined by `#`.
        params: &'a [u8],
    },
    /// Remove all records.
    Vanish,
    /// Back up the database.
    Copy {
        /// A path on the server, or `@` and a program.
        path: &'a [u8],
    },
    /// Replay an update log.
    Restore {
        /// The update log's directory on the server.
        path: &'a [u8],
        /// From this time stamp on, in microseconds since 1970; 0 is all.
        ts: u64,
        /// Bit 0: stop where the outcome differs from the logged one.
        options: u32,
    },
    /// Set the replication master.
    SetMst {
        /// The master's host; empty switches replication off.
        host: &'a [u8],
        /// The master's port, at most 2147483647 as in the original, which does
        /// not check it against 65535; 0 switches replication off.
        port: u32,
        /// Resume from this time stamp in microseconds; 0 keeps the present one.
        ts: u64,
        /// Bit 0: stop where the outcome differs from the master's.
        options: u32,
    },
    /// Count the records.
    Rnum,
    /// The size of the database in bytes.
    Size,
    /// The state of the server as text.
    Stat,
    /// Call a function of the database by name.
    Misc {
        /// The function's name.
        name: &'a [u8],
        /// Bit 0: leave the call out of the update log.
        options: u32,
        /// The arguments.
        args: Items<'a>,
    },
    /// Store a record as memcached does.
    Store {
        /// The key.
        key: &'a [u8],
        /// The value.
        value: &'a [u8],
        /// When it is stored.
        storing: Storing,
        /// Opaque to the server, returned with the value.
        flags: u32,
        /// When it expires, in memcached's terms: 0 is never, negative is at once, up to 30 days (2592000) are
        /// seconds from now, more are seconds since 1970.
        exptime: i64,
    },
    /// Read records as memcached does: with flags and unique id, those that are missing left out.
    Fetch {
        /// The keys, in the order of the answer; at least one.
        keys: Words<'a>,
        /// A new expiry for each record that is found, as in `Store`.
        touch: Option<i64>,
    },
    /// Give a record a new expiry; fails if it is missing.
    Touch {
        /// The key.
        key: &'a [u8],
        /// As in `Store`.
        exptime: i64,
    },
    /// Add to an integer in decimal text, with 0 as its least; fails if it is missing.
    Adjust {
        /// The key.
        key: &'a [u8],
        /// What to add.
        by: i64,
    },
    /// Remove all records, perhaps later.
    Flush {
        /// Seconds from now; 0 or less is now.
        delay: i64,
    },
    /// The state of the server as a list of memcached's names and values.
    Stats,
    /// The version of the server.
    Version,
    /// The state of the server as a list of HTTP headers.
    Options,
    /// Become a replica and receive the stream of changes.
    Repl {
        /// Changes from this time stamp on, in microseconds; at least 1.
        ts: u64,
        /// The replica's server id, at least 1. That it differs from the
        /// server's own is for the server to check.
        sid: u32,
    },
    /// Become a follower of this lcnode: see [`peer`](crate::peer). Another form of `repl`, under the same
    /// bit of the mask.
    Follow(FollowerHello),
}

impl<'a> Request<'a> {
    /// The key of a command about one record; the first of those of `Fetch`.
    #[inline]
    #[must_use]
    pub fn key(&self) -> Option<&'a [u8]> {
        match *self {
            Self::Put { key, .. }
            | Self::PutKeep { key, .. }
            | Self::PutCat { key, .. }
            | Self::PutShl { key, .. }
            | Self::PutNr { key, .. }
            | Self::Out { key }
            | Self::Get { key }
            | Self::Vsiz { key }
            | Self::AddInt { key, .. }
            | Self::AddDouble { key, .. }
            | Self::Ext { key, .. }
            | Self::Store { key, .. }
            | Self::Touch { key, .. }
            | Self::Adjust { key, .. } => Some(key),
            Self::Fetch { keys, .. } => keys.iter().next(),
            _ => None,
        }
    }

    /// Whether it stores a value whatever was there before.
    #[inline]
    #[must_use]
    pub fn is_blind_put(&self) -> bool {
        matches!(self, Self::Put { .. } | Self::PutNr { .. } | Self::Store { storing: Storing::Set, .. })
    }

    /// The command that this request is of, or counts as.
    #[inline]
    #[must_use]
    pub fn command(&self) -> Command {
        match self {
            Request::Store { storing: Storing::Add, .. } => Command::PutKeep,
            Request::Put { .. } | Request::Store { .. } | Request::Touch { .. } => Command::Put,
            Request::PutKeep { .. } => Command::PutKeep,
            Request::PutCat { .. } => Command::PutCat,
            Request::PutShl { .. } => Command::PutShl,
            Request::PutNr { .. } => Command::PutNr,
            Request::Out { .. } => Command::Out,
            Request::Get { .. } | Request::Fetch { .. } => Command::Get,
            Request::MGet { .. } => Command::MGet,
            Request::Vsiz { .. } => Command::Vsiz,
            Request::IterInit => Command::IterInit,
            Request::IterNext => Command::IterNext,
            Request::FwmKeys { .. } => Command::FwmKeys,
            Request::AddInt { .. } | Request::Adjust { .. } => Command::AddInt,
            Request::AddDouble { .. } => Command::AddDouble,
            Request::Ext { .. } => Command::Ext,
            Request::Sync => Command::Sync,
            Request::Optimize { .. } => Command::Optimize,
            Request::Vanish | Request::Flush { .. } => Command::Vanish,
            Request::Copy { .. } => Command::Copy,
            Request::Restore { .. } => Command::Restore,
            Request::SetMst { .. } => Command::SetMst,
            Request::Rnum => Command::Rnum,
            Request::Size => Command::Size,
            Request::Stat | Request::Stats | Request::Version | Request::Options => Command::Stat,
            Request::Misc { .. } => Command::Misc,
            Request::Repl { .. } | Request::Follow(_) => Command::Repl,
        }
    }
}
