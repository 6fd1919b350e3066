//! One virtual machine: a Lua state with the API and the scripts in it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use mlua::{HookTriggers, Lua, LuaOptions, Value as LuaValue, VmState};

use crate::api::{self, Context};
use crate::budget::{Budget, INTERVAL, Limits};
use crate::common::Common;
use crate::host::{Host, Level};
use crate::pressure::Pressure;
use crate::raw::{Answer, Raw};
use crate::{Allowed, LoadError, Script, failure, sandbox};

/// The version that scripts see, that of the original.
const VERSION: &str = "1.1.41";

/// A virtual machine. Its fields are dropped in this order: functions in Lua point at the context.
pub(crate) struct Vm {
    raw: Raw,
    lua: Lua,
    context: Arc<Context>,
}

/// What a virtual machine is made of.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) host: Arc<dyn Host>,
    pub(crate) common: Arc<Common>,
    pub(crate) limits: Limits,
    pub(crate) allowed: Allowed,
    /// How many machines carry out calls.
    pub(crate) machines: usize,
}

/// A call that failed, as it goes into the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError {
    /// What was raised, with file and line where Lua knows them.
    pub message: String,
    /// Where from, a line for each function; empty where memory ran out.
    pub traceback: String,
}

impl CallError {
    /// Whether there was not enough memory.
    pub(crate) fn ran_out_of_memory(&self) -> bool {
        self.message.starts_with("not enough memory")
    }
}

impl Vm {
    /// A machine without scripts.
    pub(crate) fn new(parts: &Parts, number: usize) -> mlua::Result<Self> {
        let libraries = sandbox::libraries(parts.allowed);
        let lua = Lua::new_with(libraries, LuaOptions::new().catch_rust_panics(false))?;
        let context = Arc::new(Context {
            host: Arc::clone(&parts.host),
            common: Arc::clone(&parts.common),
            budget: Budget::new(Arc::clone(&parts.host), parts.limits),
            machines: OnceLock::new(),
            number,
            allowed: parts.allowed,
            expressions: Default::default(),
            evaluating: AtomicBool::new(false),
        });
        let printing = Arc::clone(&context);
        let print = Arc::new(move |line: &str| printing.log(Level::Info, line));
        sandbox::install(&lua, context.clone(), print, parts.allowed)?;
        let ending = Arc::clone(&context);
        let handler = lua.create_function(move |lua, error: LuaValue| {
            let message = match &error {
                LuaValue::Error(_) if ending.budget.reached().is_some() => ending.budget.why(),
                LuaValue::Error(error) => failure::message(error),
                // What the original writes of other objects.
                other => lua
                    .coerce_string(other.clone())?
                    .map_or("(null)".to_owned(), |text| text.to_string_lossy()),
            };
            lua.create_string(format!("{message}\0{}", sandbox::traceback(lua, 1)))
        })?;
        let raw = Raw::new(&lua, handler)?;
        api::register(&lua, &context)?;
        let globals = lua.globals();
        globals.raw_set("_version", VERSION)?;
        globals.raw_set("_pid", std::process::id())?;
        globals.raw_set("_sid", parts.host.server_id())?;
        globals.raw_set("_thnum", parts.machines)?;
        globals.raw_set("_thid", number + 1)?;
        let watching = Arc::clone(&context);
        let pressure = Pressure::new(parts.limits.memory);
        lua.set_global_hook(HookTriggers::new().every_nth_instruction(INTERVAL), move |lua, _| {
            pressure.relieve(lua);
            watching
                .budget
                .step()
                .map(|()| VmState::Continue)
                .map_err(|_| mlua::Error::runtime(watching.budget.why()))
        })?;
        lua.set_memory_limit(parts.limits.memory)?;
        Ok(Self { raw, lua, context })
    }

    /// Runs a script from its first line to its last.
    pub(crate) fn load(&mut self, script: &Script) -> Result<(), LoadError> {
        self.context.budget.begin();
        let failed =
            |error: mlua::Error| LoadError { script: script.name.clone(), why: failure::message(&error) };
        if script.source.first() == Some(&0x1b) {
            return Err(failed(mlua::Error::runtime("compiled scripts are not loaded; give the source")));
        }
        // As the original, which compares byte for byte: a first line that begins with # is skipped.
        let chunk = self.lua.load(&script.source[..]).set_name(format!("={}", script.name));
        chunk.set_mode(mlua::chunk::ChunkMode::Text).exec().map_err(failed)
    }

    /// Calls a function with two strings. An error is logged and counted by the caller.
    #[inline]
    pub(crate) fn call<T>(
        &mut self,
        name: &[u8],
        key: &[u8],
        value: &[u8],
        take: impl FnOnce(Answer<'_>, bool) -> T,
    ) -> Result<T, CallError> {
        let Self { raw, context, .. } = self;
        context.budget.begin();
        raw.call(name, key, value, |answer| take(answer, context.budget.wrote())).map_err(|text| {
            let mut parts = text.splitn(2, |&byte| byte == 0);
            let mut part = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
            CallError { message: part(), traceback: part() }
        })
    }

    /// Whether there is a function of that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        matches!(self.lua.globals().raw_get(name), Ok(LuaValue::Function(_)))
    }

    /// Whether the call that has just ended has changed anything.
    pub(crate) fn wrote(&self) -> bool {
        self.context.budget.wrote()
    }

    /// Whether it was more than an event loop should carry out.
    #[inline]
    pub(crate) fn took_long(&self) -> bool {
        self.context.budget.has_left_event_loop()
    }

    /// Gives back what the call held.
    pub(crate) fn tidy(&self) {
        // What cannot be freed now is freed later.
        let _ = self.lua.gc_collect();
    }

    pub(crate) fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// Runs code given to `_eval` in another machine.
    pub(crate) fn evaluate(&mut self, code: &[u8]) {
        self.context.budget.begin();
        evaluate(&self.lua, &self.context, code);
    }

    /// Runs code, an expression or statements, and gives what it returns, each value as people read it.
    ///
    /// Errors: its message, with a traceback where there is one.
    pub(crate) fn run(&mut self, name: &str, code: &[u8]) -> Result<Vec<Vec<u8>>, String> {
        self.context.budget.begin();
        let chunk = self.lua.load(code).set_name(format!("={name}")).set_mode(mlua::chunk::ChunkMode::Text);
        match chunk.eval::<mlua::MultiValue>() {
            Ok(values) => Ok(values.iter().map(crate::shown::shown).collect()),
            Err(_) if self.context.budget.reached().is_some() => Err(self.context.budget.why()),
            Err(error) => Err(failure::message(&error)),
        }
    }

    pub(crate) fn lua(&self) -> &Lua {
        &self.lua
    }
}

/// Runs code given to `_eval`; its errors are logged.
pub(crate) fn evaluate(lua: &Lua, context: &Context, code: &[u8]) {
    context.evaluating.store(true, Ordering::Relaxed);
    let ran = match sandbox::check_chunk(code, &context.budget) {
        Ok(Ok(())) => lua.load(code).set_name("=_eval").set_mode(mlua::chunk::ChunkMode::Text).exec(),
        Ok(Err(refusal)) => Err(mlua::Error::runtime(refusal)),
        Err(_) => Err(mlua::Error::runtime(context.budget.why())),
    };
    if let Err(error) = ran {
        failure::log(context, "_eval", &failure::message(&error));
    }
    context.evaluating.store(false, Ordering::Relaxed);
}
