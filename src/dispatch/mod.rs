//! Requests into answers: one function a command, in families, over one shared [`Node`].
//!
//! Commands know neither socket nor dialect: they read a [`Request`] and tell a [`Reply`] what came of
//! it, so that every dialect and every script shares them.

mod admin;
mod copy;
mod copy_command;
mod counters;
mod ext;
mod http;
pub mod masked;
mod master;
mod memcached;
mod misc;
mod noted;
mod numbers;
mod read;
mod refusals;
mod restore;
pub mod scripted;
pub mod stat;
mod write;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use lcnode::replication::Replication;
use lcnode_lua::Scripts;
use lcnode_protocol::{Command, Dialect, Reply, Request};
use lcnode_storage::{Error, KeyIterator, Scope, Store};
use parking_lot::Mutex;

pub use copy_command::Commands;
pub use counters::{Counters, Outcome};
pub use master::NamedMaster;
pub use memcached::DelayedFlush;
pub use noted::Noted;

use crate::config::Mask;

/// What all connections share.
#[derive(Debug)]
pub struct Node {
    /// The database.
    pub store: Arc<Store>,
    /// Who follows this node, and whom it follows.
    pub replication: Replication,
    /// The commands that are refused.
    pub mask: Mask,
    /// Whether a change is acknowledged only once it is durable.
    pub acknowledges_durable: bool,
    /// Calls and misses since the start.
    pub counters: Counters,
    /// The limits of one request.
    pub limits: lcnode_protocol::Limits,
    /// Whether records end when clients of memcached say; else they never do.
    pub honours_exptime: bool,
    /// When all records are to go.
    pub delayed_flush: DelayedFlush,
    /// Event-loop threads.
    pub threads: usize,
    /// Bytes that a reply with a list may have.
    pub max_reply: usize,
    /// Where `copy` may write, and `restore` read.
    pub backup_dir: Option<PathBuf>,
    /// Where `restore` may read too.
    pub update_logs: Option<PathBuf>,
    /// What `copy @COMMAND` may run.
    pub commands: Commands,
    /// The database's name as it was given, without tuning.
    pub database_name: String,
    /// When the node started.
    pub started: Instant,
    /// The one iterator, shared by all clients as in the original; none before iterinit.
    pub iterator: Mutex<Option<KeyIterator>>,
    /// The master that `setmst` replaces.
    pub master: NamedMaster,
    /// Functions that clients call; they use the node, so it does not keep them.
    pub scripts: OnceLock<Weak<Scripts>>,
}

impl Node {
    /// The scripts, where there are any.
    #[inline]
    pub fn scripts(&self) -> Option<Arc<Scripts>> {
        self.scripts.get().and_then(Weak::upgrade)
    }
}

/// Why a request cannot be carried out at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocked {
    /// What it changes is reserved by another.
    Reserved(Scope),
    /// All virtual machines are busy.
    Machines,
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reserved(_) => "what it locks was locked by others",
            Self::Machines => "all virtual machines were busy (--ext-machines)",
        })
    }
}

/// What a connection remembers between its requests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Session {
    /// Which share of the counters it uses.
    pub shard: usize,
    /// The dialect of the request at hand.
    pub dialect: Dialect,
    /// Descriptor of its socket, for `stat`.
    pub descriptor: i32,
    /// Number of its last error, for `misc error`.
    pub last_error: ErrorNumber,
    /// Whether it has changed anything since the last replies were sent.
    pub wrote: bool,
    /// Whether a change that meets what another has reserved is to be carried out again, once that is let go; else it is
    /// refused.
    pub waits: bool,
    /// The last request met that, or found no virtual machine: its reply means nothing, and it is to be
    /// carried out again.
    pub blocked: Option<Blocked>,
    /// It has waited for what it reserves, and it is its turn.
    pub in_turn: bool,
    /// What the last request that was carried out on its own had to wait for.
    pub waited_for: Option<Blocked>,
    /// The mask has refused the request at hand.
    pub refused: bool,
}

/// The error numbers that `misc error` and `stat` tell, from `spec` of the original's `misc error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ErrorNumber {
    /// No error yet.
    #[default]
    Success,
    /// Not possible in this state.
    Invalid,
    /// A record's bytes are not what was written.
    BadRecord,
    /// The log could not be made durable.
    Sync,
    /// The log could not be written.
    Write,
    /// The record was there already, or is not a number.
    Exists,
    /// There is no such record.
    NoRecord,
    /// Anything else.
    Other,
}

impl ErrorNumber {
    /// Number and message as the original has them.
    pub fn text(self) -> &'static str {
        match self {
            Self::Success => "0: success",
            Self::Invalid => "2: invalid operation",
            Self::BadRecord => "6: invalid record header",
            Self::Sync => "10: sync error",
            Self::Write => "14: write error",
            Self::Exists => "21: existing record",
            Self::NoRecord => "22: no record found",
            Self::Other => "9999: miscellaneous error",
        }
    }

    fn of(error: &Error) -> Self {
        match error {
            Error::Damaged { .. } => Self::BadRecord,
            Error::ReadOnly => Self::Invalid,
            Error::Failed(_) => Self::Sync,
            Error::Full(_) | Error::TooLarge { .. } => Self::Write,
            _ => Self::Other,
        }
    }
}

/// Records that are fetched while the connections of the same thread wait.
const MANY: usize = 1000;

/// Whether a request may take long and must not hold up the connections that share its thread.
pub fn is_slow(node: &Node, request: &Request<'_>) -> bool {
    match request {
        Request::FwmKeys { .. }
        | Request::Sync
        | Request::Optimize { .. }
        | Request::Vanish
        | Request::Flush { .. }
        | Request::Copy { .. }
        | Request::Restore { .. }
        | Request::SetMst { .. } => true,
        Request::Misc { name, args, .. } => misc::is_slow(name, args.len()),
        Request::MGet { keys } => keys.len() > MANY,
        // Each takes two bytes at least, so that the usual ones need not be counted.
        Request::Fetch { keys, .. } => keys.text().len() > 2 * MANY && keys.iter().nth(MANY).is_some(),
        Request::Ext { name, .. } => node.scripts().is_some_and(|scripts| scripts.is_slow(name)),
        _ => false,
    }
}

/// Carries out one request, which has been counted.
#[inline]
pub fn execute(node: &Node, session: &mut Session, request: &Request<'_>, reply: &mut impl Reply) {
    if node.mask != Mask::NONE && node.mask.forbids(masked::bits(session.dialect, request)) {
        return masked::refuse(node, session, request, reply);
    }
    match *request {
        Request::Get { key } => read::get(node, session, key, reply),
        Request::Put { key, value } | Request::PutNr { key, value } => {
            write::put(node, session, key, value, reply);
        }
        Request::PutKeep { key, value } => write::put_keep(node, session, key, value, reply),
        Request::PutCat { key, value } => write::put_cat(node, session, key, value, reply),
        Request::PutShl { key, value, width } => write::put_shl(node, session, key, value, width, reply),
        Request::Out { key } => write::out(node, session, key, reply),
        Request::AddInt { key, num } => write::add_int(node, session, key, num, reply),
        Request::AddDouble { key, num } => write::add_double(node, session, key, num, reply),
        Request::MGet { keys } => read::mget(node, session, keys, reply),
        Request::Vsiz { key } => read::vsiz(node, session, key, reply),
        Request::IterInit => read::iter_init(node, reply),
        Request::IterNext => read::iter_next(node, session, reply),
        Request::FwmKeys { prefix, max } => read::fwm_keys(node, session, prefix, max, reply),
        Request::Rnum => reply.count(node.store.records()),
        Request::Size => reply.count(admin::size(node)),
        Request::Stat => reply.value(stat::text(node, session).as_bytes()),
        Request::Sync => admin::sync(node, session, reply),
        Request::Optimize { params } => admin::optimize(node, session, params, reply),
        Request::Vanish => admin::vanish(node, session, reply),
        Request::Copy { path } => copy::copy(node, session, path, reply),
        Request::Restore { path, ts, options } => {
            restore::restore(node, session, path, ts, options, reply);
        }
        Request::SetMst { host, port, ts, options } => {
            master::set_master(node, session, (host, port), ts, options, reply);
        }
        Request::Misc { name, args, .. } => misc::misc(node, session, name, args, reply),
        Request::Ext { name, options, key, value } => {
            ext::ext(node, session, name, options, (key, value), reply);
        }
        Request::Store { key, value, storing, flags, exptime } => {
            memcached::store(node, session, (key, value), storing, flags, exptime, reply);
        }
        Request::Fetch { keys, touch } => memcached::fetch(node, session, keys, touch, reply),
        Request::Touch { key, exptime } => memcached::touch(node, session, key, exptime, reply),
        Request::Adjust { key, by } => memcached::adjust(node, session, key, by, reply),
        Request::Flush { delay } => memcached::flush(node, session, delay, reply),
        Request::Stats => memcached::stats(node, reply),
        Request::Version => reply.value(stat::ORIGINAL_VERSION.as_bytes()),
        Request::Options => http::options(node, session, reply),
        // The connection answers these itself.
        Request::Repl { .. } | Request::Follow(_) => reply.failure(),
    }
}

/// Notes an error of the engine: in the log, and for `misc error`.
#[cold]
fn note(session: &mut Session, command: Command, error: &Error) {
    session.last_error = ErrorNumber::of(error);
    refusals::log(command, error);
}
