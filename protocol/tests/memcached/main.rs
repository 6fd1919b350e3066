//! Tests of memcached's text protocol through the decoder of all dialects.
//!
//! Every random test prints its seed; `LCNODE_TEST_SEED` repeats it.

// Helpers of tests may fail as loudly as the tests themselves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod feed;
mod limits;
mod random;
mod replies;
mod split;
mod vectors;
