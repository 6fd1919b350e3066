//! The library as scripts have it, each test in a machine of its own.

mod behaviour;
mod library;
mod oracle;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mlua::{HookTriggers, Lua, LuaOptions, MultiValue, Value, VmState};
use parking_lot::Mutex;

use super::{install, libraries};
use crate::Allowed;
use crate::failure::message;
use crate::meter::{LimitReached, Meter};

/// What a call may use.
const TIME: Duration = Duration::from_millis(300);
const MEMORY: usize = 16 << 20;
const INSTRUCTIONS: u32 = 250;

/// Ends a call once its time is up, or would be with the work that is announced.
struct Clock {
    deadline: Mutex<Instant>,
    reached: AtomicBool,
}

impl Meter for Clock {
    fn work(&self, steps: u64) -> Result<(), LimitReached> {
        if Instant::now() + Duration::from_nanos(steps.min(1 << 40)) > *self.deadline.lock() {
            self.reached.store(true, Ordering::Relaxed);
        }
        if self.reached.load(Ordering::Relaxed) { Err(LimitReached) } else { Ok(()) }
    }
}

struct Machine {
    lua: Lua,
    clock: Arc<Clock>,
}

impl Machine {
    fn new(allowed: Allowed) -> Self {
        let lua = Lua::new_with(libraries(allowed), LuaOptions::new().catch_rust_panics(false)).unwrap();
        let clock = Arc::new(Clock { deadline: Mutex::new(Instant::now()), reached: AtomicBool::new(false) });
        let shared = Arc::clone(&clock);
        lua.set_global_hook(HookTriggers::new().every_nth_instruction(INSTRUCTIONS), move |_, _| {
            shared.work(0).map(|()| VmState::Continue).map_err(mlua::Error::external)
        })
        .unwrap();
        let machine = Self { lua, clock };
        machine.begin();
        install(&machine.lua, machine.clock.clone(), Arc::new(|line| tracing::info!("{line}")), allowed)
            .unwrap();
        machine.lua.set_memory_limit(MEMORY).unwrap();
        machine
    }

    fn plain() -> Self {
        Self::new(Allowed::default())
    }

    fn begin(&self) {
        *self.clock.deadline.lock() = Instant::now() + TIME;
        self.clock.reached.store(false, Ordering::Relaxed);
    }

    /// What a chunk returns, each value as Lua writes it, or its error.
    fn run(&self, code: &str) -> Result<Vec<String>, String> {
        self.begin();
        let values: mlua::Result<MultiValue> =
            self.lua.load(code).set_name("=script").into_function().and_then(|f| f.call(()));
        values.map(|values| values.iter().map(shown).collect()).map_err(|error| message(&error))
    }

    /// One line of what [`Self::run`] gives.
    fn line(&self, code: &str) -> String {
        match self.run(code) {
            Ok(values) => values.join(" "),
            Err(error) => format!("error: {error}"),
        }
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.as_bytes().escape_ascii().to_string(),
        Value::Nil => "nil".to_owned(),
        Value::Table(_) | Value::Function(_) | Value::Thread(_) | Value::UserData(_) => {
            value.type_name().to_owned()
        }
        other => other.to_string().unwrap_or_else(|error| format!("{error}")),
    }
}
