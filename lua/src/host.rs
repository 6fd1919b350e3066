//! What scripts ask of the node they run in.

use std::time::Instant;

use crate::decimal::Decimal;

/// A change, a walk or a lock that could not be had: raised in the script with this text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct HostError(pub String);

/// What a host gives where it may have to wait for another's lock.
pub type Result<T> = std::result::Result<T, HostError>;

/// When the call ends. Asked only by who has to wait, as it also takes the call off the event loop.
pub type Deadline<'a> = &'a dyn Fn() -> Instant;

/// How loud a line of the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Only with debugging on.
    Debug,
    /// Of interest.
    Info,
    /// Something failed.
    Error,
    /// Always.
    System,
}

/// The records and the log of the node.
///
/// A change answers `false` where the original answers failure: the record was there (`put_keep`), was not (`out`), or
/// the database cannot take it, which the host has logged then. Who has to wait for another call's lock waits until
/// `deadline`, and gets an error then.
pub trait Host: Send + Sync + 'static {
    /// Shows the value of a key; says whether there is one.
    fn get(&self, key: &[u8], found: &mut dyn FnMut(&[u8])) -> bool;
    /// Stores a record.
    fn put(&self, key: &[u8], value: &[u8], deadline: Deadline<'_>) -> Result<bool>;
    /// Stores a record where there is none.
    fn put_keep(&self, key: &[u8], value: &[u8], deadline: Deadline<'_>) -> Result<bool>;
    /// Appends to a record.
    fn put_cat(&self, key: &[u8], value: &[u8], deadline: Deadline<'_>) -> Result<bool>;
    /// Stores a record that ends after so many milliseconds.
    fn put_expiring(
        &self,
        key: &[u8],
        value: &[u8],
        milliseconds: u64,
        deadline: Deadline<'_>,
    ) -> Result<bool>;
    /// Removes a record.
    fn out(&self, key: &[u8], deadline: Deadline<'_>) -> Result<bool>;
    /// Adds to a number of 4 bytes; none where the record is none.
    fn add_int(&self, key: &[u8], num: i32, deadline: Deadline<'_>) -> Result<Option<i32>>;
    /// Adds to a double of 8 bytes; none where the record is none.
    fn add_double(&self, key: &[u8], num: f64, deadline: Deadline<'_>) -> Result<Option<f64>>;
    /// Adds to a number in decimal text so that what several masters add is never lost. What is no number counts as
    /// nothing. None where the sum cannot be kept.
    fn count(&self, key: &[u8], amount: Decimal, deadline: Deadline<'_>) -> Result<Option<Decimal>>;
    /// Removes all records.
    fn vanish(&self, deadline: Deadline<'_>) -> Result<bool>;
    /// Sets the iterator that all clients share to the beginning.
    fn iter_init(&self) -> bool;
    /// Shows the next key of that iterator; says whether there is one.
    fn iter_next(&self, found: &mut dyn FnMut(&[u8])) -> bool;
    /// Shows keys that begin with `prefix` until `found` says to stop.
    fn keys(&self, prefix: &[u8], found: &mut dyn FnMut(&[u8]) -> bool);
    /// All records, each that stays exactly once whatever changes meanwhile.
    fn scan(&self) -> Box<dyn Scan>;
    /// Number of records.
    fn records(&self) -> u64;
    /// Bytes that the database takes.
    fn size(&self) -> u64;
    /// Carries out a function of the `misc` command. Shows each element of the answer; says whether it worked.
    fn misc(
        &self,
        name: &[u8],
        args: &[Vec<u8>],
        found: &mut dyn FnMut(&[u8]),
        deadline: Deadline<'_>,
    ) -> Result<bool>;
    /// Runs `held` while nobody else can change the record of `key`.
    fn with_record(&self, key: &[u8], deadline: Deadline<'_>, held: &mut dyn FnMut()) -> Result<()>;
    /// The call takes longer: other connections of this thread are to be served elsewhere. False where that could not be had
    /// yet: then it is asked for again.
    fn leave_event_loop(&self) -> bool;
    /// Whether the node is about to stop: calls end with an error then.
    fn is_stopping(&self) -> bool;
    /// Writes a line to the log.
    fn log(&self, level: Level, text: &str);
    /// The server id.
    fn server_id(&self) -> u16;
}

/// A walk over all records.
pub trait Scan {
    /// Shows the next key and value; says whether there is one.
    fn next(&mut self, found: &mut dyn FnMut(&[u8], &[u8])) -> Result<bool>;
}
