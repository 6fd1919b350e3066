//! Tests of the whole node over its socket and its command line: one binary, a module a charter.
//!
//! | variable | what it does |
//! |---|---|
//! | `LCNODE_SEED` | the seed of every random test; else a new one each, printed when a test fails |
//! | `LCNODE_KILLS` | SIGKILLs for each `--sync` mode, default 8, and while copies are made, default 6; of two masters, default 8 |
//! | `LCNODE_FILLS` | how often several writers fill a small disk, default 3 |
//! | `LCNODE_DISK` | MiB of that disk, default 48 |
//! | `LCNODE_ROUNDS` | rounds of the model test between clean restarts, default 3; and a twentieth of those in which clients of all protocols fight for keys |
//! | `LCNODE_INCREMENTS` | what each of three masters adds to the same counters while links and nodes fail, default 1000 |
//! | `LCNODE_CUTS` | how often the link between two network namespaces is cut, default 5 |
//! | `LCNODE_SIMS` | seeds of the simulated masters, from `LCNODE_SEED` on; default 1000, always the same |
//! | `CI=true` | as root, the test of a full disk must run: a file system that cannot be mounted fails it; as must that of cut links, with network namespaces; the tests of failing system calls must run too: a strace that is not there or may not trace fails them |

// Helpers of tests may fail as loudly as the tests themselves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod command_line;
mod commands;
mod conformance;
mod connections;
mod crash;
mod dialects;
mod full_disk;
mod http;
mod masks;
mod memcached;
mod model;
mod replication;
mod scripts;
mod sim;
mod stat;
mod support;
mod system_calls;
mod systemd;
mod watching;
