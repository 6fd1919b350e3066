//! The functions that scripts find beside Lua's own: one table, from which they are registered and documented.

mod control;
mod files;
mod records;
mod shared;
mod utilities;
mod walks;

pub use records::decimal;

use std::sync::{Arc, Weak};
use std::time::Instant;

use mlua::Lua;

use crate::budget::Budget;
use crate::common::Common;
use crate::host::{Host, HostError, Level};
use crate::machines::Machines;
use crate::meter::{LimitReached, Meter};
use crate::raw::Args;
use crate::value::Output;

/// A function of the API.
pub struct Function {
    /// Its global name.
    pub name: &'static str,
    /// Its arguments as documentation shows them.
    pub args: &'static str,
    /// What it gives.
    pub gives: &'static str,
    /// What it does, in a sentence or two.
    pub does: &'static str,
    run: Run,
}

/// How a function is carried out.
#[derive(Clone, Copy)]
pub(crate) enum Run {
    /// At once: it takes values and gives values.
    Direct(fn(&Context, &Args<'_>, &mut Output) -> Result<(), Fault>),
    /// It calls functions of the script.
    Calling(fn(&Lua, &Arc<Context>) -> mlua::Result<mlua::Function>),
}

/// Why a function fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Wrong number or types of arguments.
    Invalid,
    /// A limit of the call is reached.
    Limit,
    /// Anything else.
    Message(String),
}

impl From<LimitReached> for Fault {
    fn from(_: LimitReached) -> Self {
        Self::Limit
    }
}

impl From<HostError> for Fault {
    fn from(error: HostError) -> Self {
        Self::Message(error.0)
    }
}

impl From<Fault> for mlua::Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Invalid => Self::runtime("invalid arguments"),
            Fault::Limit => Self::external(LimitReached),
            Fault::Message(message) => Self::runtime(message),
        }
    }
}

/// What functions work on: the virtual machine's own, and what it shares with others.
pub(crate) struct Context {
    pub(crate) host: Arc<dyn Host>,
    pub(crate) common: Arc<Common>,
    pub(crate) budget: Budget,
    /// The machines that this one is among; none before all of them are there.
    pub(crate) machines: std::sync::OnceLock<Weak<Machines>>,
    /// The number of this one among them, from 0.
    pub(crate) number: usize,
    /// What scripts may do beside working with records.
    pub(crate) allowed: crate::Allowed,
    /// Regular expressions that were used last.
    pub(crate) expressions: utilities::Expressions,
    /// Whether code given to `_eval` is being run.
    pub(crate) evaluating: std::sync::atomic::AtomicBool,
}

impl Context {
    /// When the call ends, for what is about to wait.
    pub(crate) fn deadline(&self) -> Instant {
        self.budget.leave_event_loop();
        self.budget.deadline()
    }

    /// Writes a line of a script to the log, unless there are too many.
    pub(crate) fn log(&self, level: Level, text: &str) {
        let Some(left_out) = self.common.flood.admit(text.len()) else { return };
        if left_out > 0 {
            self.host.log(
                Level::Error,
                &format!("{left_out} lines of scripts were left out, there were too many"),
            );
        }
        self.host.log(level, text);
    }

    /// Room for `bytes` more in what a function collects outside of Lua.
    pub(crate) fn check_room(&self, bytes: usize) -> Result<(), Fault> {
        match bytes > self.budget.limits().memory {
            true => Err(Fault::Message("not enough memory (--ext-max-memory)".to_owned())),
            false => Ok(()),
        }
    }
}

impl Meter for Context {
    fn work(&self, steps: u64) -> Result<(), LimitReached> {
        self.budget.work(steps)
    }
}

impl Function {
    const fn direct(
        name: &'static str,
        args: &'static str,
        gives: &'static str,
        does: &'static str,
        run: fn(&Context, &Args<'_>, &mut Output) -> Result<(), Fault>,
    ) -> Self {
        Self { name, args, gives, does, run: Run::Direct(run) }
    }

    const fn calling(
        name: &'static str,
        args: &'static str,
        gives: &'static str,
        does: &'static str,
        run: fn(&Lua, &Arc<Context>) -> mlua::Result<mlua::Function>,
    ) -> Self {
        Self { name, args, gives, does, run: Run::Calling(run) }
    }

    /// The name in messages: two of the original's functions leave out the underscore there (observed).
    pub(crate) fn shown_name(&self) -> &'static str {
        match self.name {
            "_ucs" | "_dist" => &self.name[1..],
            name => name,
        }
    }

    pub(crate) fn run_direct(
        &self,
        context: &Context,
        args: &Args<'_>,
        out: &mut Output,
    ) -> Result<(), Fault> {
        match self.run {
            Run::Direct(run) => run(context, args, out),
            Run::Calling(_) => Err(Fault::Message(format!("{} is called otherwise", self.name))),
        }
    }

    /// Makes it known to Lua.
    pub(crate) fn register(&'static self, lua: &Lua, context: &Arc<Context>) -> mlua::Result<()> {
        let function = match self.run {
            Run::Direct(_) => crate::raw::Raw::function(lua, self, context)?,
            Run::Calling(make) => make(lua, context)?,
        };
        lua.globals().raw_set(self.name, function)
    }
}

/// A group of functions.
pub struct Family {
    /// Its title in the documentation.
    pub title: &'static str,
    /// Its functions.
    pub functions: &'static [Function],
}

/// All functions.
pub const FAMILIES: &[Family] = &[
    Family { title: "Records", functions: records::FUNCTIONS },
    Family { title: "All records", functions: walks::FUNCTIONS },
    Family { title: "Stash and locks", functions: shared::FUNCTIONS },
    Family { title: "Packing, text and sets", functions: utilities::FUNCTIONS },
    Family { title: "Running", functions: control::FUNCTIONS },
    Family { title: "Files", functions: files::FUNCTIONS },
];

/// Registers all functions.
pub(crate) fn register(lua: &Lua, context: &Arc<Context>) -> mlua::Result<()> {
    FAMILIES
        .iter()
        .flat_map(|family| family.functions)
        .try_for_each(|function| function.register(lua, context))
}

/// Exactly so many arguments.
fn count(args: &Args<'_>, count: usize) -> Result<(), Fault> {
    if args.len() == count { Ok(()) } else { Err(Fault::Invalid) }
}

/// An argument that is a string or a number.
fn text<'a>(args: &Args<'a>, index: usize) -> Result<std::borrow::Cow<'a, [u8]>, Fault> {
    args.text(index).ok_or(Fault::Invalid)
}

/// Counts bytes that are copied as work.
fn copied(context: &Context, bytes: usize) -> Result<(), Fault> {
    if bytes > 1 << 16 {
        context.budget.work(bytes as u64 / 8)?;
    }
    Ok(())
}
