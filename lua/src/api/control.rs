//! Functions about running: the log, time, code that is evaluated, atomic sections.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mlua::{Lua, MultiValue, Value as LuaValue};

use super::{Context, Fault, Function, count, text};
use crate::host::Level;
use crate::raw::Args;
use crate::value::Output;

/// How often a sleeping script looks whether the node stops.
const LOOK: Duration = Duration::from_millis(100);
/// Bytes of a line that a script writes to the log.
const MAX_LINE: usize = 16 << 10;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::calling(
        "_eval",
        "code",
        "true",
        "Runs the code in every virtual machine: in the idle ones at once, in the others as soon as their call ends. Errors are \
         logged. Code that is run so cannot use _eval.",
        eval,
    ),
    Function::calling(
        "_atomic",
        "key, function, ...",
        "what the function gives",
        "Calls the function with the further arguments while nobody else can change the record of the key, like a call with \
         record lock. Not in the original.",
        atomic,
    ),
    Function::direct(
        "_log",
        "message [, level]",
        "nothing",
        "Writes a line to the log: level 0 debug, 1 information (default), 2 error, 3 system.",
        log,
    ),
    Function::direct("_time", "", "number", "Seconds since 1970, with a fraction.", time),
    Function::direct("_sleep", "seconds", "boolean", "Waits; false for 0 and less.", sleep),
];

fn eval(lua: &Lua, context: &Arc<Context>) -> mlua::Result<mlua::Function> {
    let context = Arc::clone(context);
    lua.create_function(move |lua, args: mlua::Variadic<LuaValue>| {
        let code = match &args[..] {
            [LuaValue::String(code)] => code.as_bytes().to_vec(),
            [LuaValue::Number(number)] => crate::number::format_g14(*number).into_bytes(),
            [LuaValue::Integer(number)] => number.to_string().into_bytes(),
            _ => return Err(mlua::Error::runtime("_eval: invalid arguments")),
        };
        if context.evaluating.load(Ordering::Relaxed) {
            crate::failure::log(&context, "_eval", "code that is evaluated cannot use _eval");
            return Ok(true);
        }
        let Some(machines) = context.machines.get().and_then(std::sync::Weak::upgrade) else {
            crate::failure::log(&context, "_eval", "not ready");
            return Ok(true);
        };
        context.budget.leave_event_loop();
        crate::vm::evaluate(lua, &context, &code);
        machines.evaluate_in_others(context.number, &code.into());
        Ok(true)
    })
}

fn atomic(lua: &Lua, context: &Arc<Context>) -> mlua::Result<mlua::Function> {
    let context = Arc::clone(context);
    lua.create_function(move |lua, mut args: MultiValue| {
        let key = args.pop_front().and_then(|key| lua.coerce_string(key).ok().flatten());
        let (Some(key), Some(LuaValue::Function(function))) = (key, args.pop_front()) else {
            return Err(mlua::Error::runtime("_atomic: invalid arguments"));
        };
        let mut args = Some(args);
        let mut result = None;
        let key = key.as_bytes().to_vec();
        context
            .host
            .with_record(&key, &|| context.deadline(), &mut || {
                result = args.take().map(|args| function.call::<MultiValue>(args));
            })
            .map_err(|error| mlua::Error::runtime(error.0))?;
        result.unwrap_or_else(|| Ok(MultiValue::new()))
    })
}

fn log(context: &Context, args: &Args<'_>, _: &mut Output) -> Result<(), Fault> {
    let message = text(args, 0)?;
    let level = match args.number(1) {
        Some(0.0) => Level::Debug,
        Some(2.0) => Level::Error,
        Some(3.0) => Level::System,
        _ => Level::Info,
    };
    let cut = &message[..message.len().min(MAX_LINE)];
    context.log(level, &String::from_utf8_lossy(cut));
    Ok(())
}

fn time(_: &Context, args: &Args<'_>, out: &mut Output) -> Result<(), Fault> {
    count(args, 0)?;
    out.number(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64());
    Ok(())
}

fn sleep(context: &Context, args: &Args<'_>, out: &mut Output) -> Result<(), Fault> {
    count(args, 1)?;
    let seconds = args.number(0).ok_or(Fault::Invalid)?;
    if seconds.is_nan() || seconds <= 0.0 {
        out.bool(false);
        return Ok(());
    }
    let deadline = context.deadline();
    let end = Duration::try_from_secs_f64(seconds).ok().and_then(|time| Instant::now().checked_add(time));
    loop {
        let now = Instant::now();
        if end.is_some_and(|end| now >= end) {
            out.bool(true);
            return Ok(());
        }
        if now >= deadline || context.host.is_stopping() {
            context.budget.end_at_deadline();
            return Err(Fault::Limit);
        }
        std::thread::sleep(LOOK.min(end.unwrap_or(deadline).min(deadline) - now));
    }
}
