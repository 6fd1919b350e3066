//! Errors of scripts: their messages, and how they come into the log.

use std::sync::atomic::{AtomicU64, Ordering};

use std::time::{Duration, Instant};

use mlua::Error;
use parking_lot::Mutex;

use crate::api::Context;
use crate::host::Level;
use crate::vm::CallError;

/// Counted since the start of the node, over all virtual machines.
#[derive(Debug, Default)]
pub struct Figures {
    calls: AtomicU64,
    errors: AtomicU64,
    limits: AtomicU64,
}

impl Figures {
    /// Calls of functions by clients, and those that are made every so often.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    pub(crate) fn called(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    /// Errors of scripts, those ended by a limit included.
    pub fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// Calls that a limit has ended.
    pub fn limits(&self) -> u64 {
        self.limits.load(Ordering::Relaxed)
    }

    pub(crate) fn count(&self, by_limit: bool) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        if by_limit {
            self.limits.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The message of an error as a script would see it: without what `mlua` puts around it, and without the stack that it
/// writes behind the message of an error that went through a function in Rust.
pub(crate) fn message(error: &Error) -> String {
    match error {
        Error::MemoryError(_) => "not enough memory (--ext-max-memory)".to_owned(),
        Error::RuntimeError(message) | Error::SyntaxError { message, .. } => {
            message.split("\nstack traceback:").next().unwrap_or_default().to_owned()
        }
        Error::CallbackError { cause, .. } => message(cause),
        Error::BadArgument { cause, .. } => message(cause),
        Error::WithContext { context, cause } => format!("{context}: {}", message(cause)),
        other => other.to_string(),
    }
}

/// Writes an error to the log and counts it.
pub(crate) fn log(context: &Context, function: &str, message: &str) {
    context.common.figures.count(context.budget.reached().is_some());
    context.log(Level::Error, &format!("Lua error: {function}: {message}"));
}

/// Errors of calls on their way to the log: the same one once a second, however often it comes.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    seen: Mutex<Vec<Seen>>,
}

#[derive(Debug)]
struct Seen {
    text: String,
    logged: Instant,
    /// Since then.
    more: u64,
}

/// Errors that are told apart.
const KINDS: usize = 64;
/// How long an error that was logged is only counted.
const QUIET: Duration = Duration::from_secs(1);

impl Repeats {
    pub(crate) fn log(&self, context: &Context, function: &str, error: &CallError) {
        context.common.figures.count(context.budget.reached().is_some());
        let text = format!("{function}: {}", error.message);
        let now = Instant::now();
        let more = {
            let mut seen = self.seen.lock();
            match seen.iter_mut().find(|seen| seen.text == text) {
                Some(seen) if now < seen.logged + QUIET => {
                    seen.more += 1;
                    return;
                }
                Some(seen) => {
                    seen.logged = now;
                    std::mem::take(&mut seen.more)
                }
                None => {
                    if seen.len() >= KINDS {
                        seen.remove(0);
                    }
                    seen.push(Seen { text: text.clone(), logged: now, more: 0 });
                    0
                }
            }
        };
        let repeated = if more > 0 { format!(" (and {more} times more since)") } else { String::new() };
        let calls = error.traceback.lines().skip(1).map(str::trim).filter(|call| !call.ends_with(": ?"));
        let trace = calls.collect::<Vec<&str>>().join(", called from ");
        let trace = if trace.is_empty() { trace } else { format!("; raised {trace}") };
        context.log(Level::Error, &format!("Lua error: {text}{repeated}{trace}"));
    }
}
