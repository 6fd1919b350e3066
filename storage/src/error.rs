//! What can go wrong in the engine, each error saying what, where and what to do.

use std::io;

/// The result of an engine call.
pub type Result<T> = std::result::Result<T, Error>;

/// An engine error.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A call of the operating system failed.
    #[error("cannot {what} {path}: {source}")]
    Io {
        /// What was tried, as a verb: "open", "allocate".
        what: &'static str,
        /// The file or directory.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// Another process holds the database.
    #[error("{path} is in use by another process{holder}: stop it, or name another database")]
    Locked {
        /// The database directory.
        path: String,
        /// " (pid N)" where it is known, else empty.
        holder: String,
    },
    /// The path is there but is no database of ours.
    #[error("{path} is not an lcnode database: {why}")]
    Foreign {
        /// The path as given.
        path: String,
        /// What was found instead.
        why: String,
    },
    /// A directory that cannot serve what was asked: a backup, the log of a database, the place for one.
    #[error("cannot use {path}: {why}")]
    Unusable {
        /// The directory or file.
        path: String,
        /// Why, and what to do.
        why: String,
    },
    /// Written by a later version of this program.
    #[error("{path} has format {found}, this program reads up to {supported}: use a newer lcnode")]
    Newer {
        /// The file that says so.
        path: String,
        /// Its format number.
        found: u32,
        /// The newest format this program knows.
        supported: u32,
    },
    /// The database is not there and was not to be created.
    #[error("{path} does not exist, and its mode does not allow creating it")]
    Missing {
        /// The path as given.
        path: String,
    },
    /// Bytes on disk are not what was written.
    #[error("{path} is damaged at offset {offset}: {why}; restore it from a backup or a replica")]
    Damaged {
        /// The file.
        path: String,
        /// Offset of the damaged record or field, in bytes.
        offset: u64,
        /// What does not hold.
        why: &'static str,
    },
    /// No space for another segment: deletes still work, and compaction goes on.
    #[error("no space for the log: {0}; free space, or delete records and wait for compaction")]
    Full(String),
    /// The database was opened for reading only.
    #[error("the database is open for reading only")]
    ReadOnly,
    /// An earlier write or sync failed; nothing more is written until a restart.
    #[error("refused after an earlier failure ({0}): reads go on, restart the node to write again")]
    Failed(String),
    /// Another caller has the key reserved, or one that shares its lock. Nothing was changed.
    #[error(
        "the record is reserved by another caller, such as a script that holds its lock: try again later"
    )]
    Reserved,
    /// Waiting would never end: whoever has it reserved waits for what this caller has reserved.
    #[error(
        "refused, as two callers would wait for each other for ever: each has reserved what the other wants"
    )]
    Deadlock,
    /// A key or value is past the engine's limit of 512 MiB for one record.
    #[error("a record of {bytes} bytes is past the limit of {limit}")]
    TooLarge {
        /// Size of the record.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
}

impl Error {
    /// Builds the mapping closure for a failed system call.
    pub(crate) fn io(what: &'static str, path: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}
