//! What the node asks of the system, seen and tampered with by `strace` (Debian package strace).
//!
//! Where strace may not trace, these tests show nothing and say so; with `CI=true` they fail then.

mod book;
mod order;
mod serving;
mod starting;
mod stopping;
mod strace;

/// A folder in memory where there is one: no disk is needed for calls that fail anyway.
fn folder() -> tempfile::TempDir {
    let in_memory = tempfile::Builder::new().prefix("lcnode-test-").tempdir_in("/dev/shm");
    in_memory.unwrap_or_else(|_| crate::support::folder())
}
