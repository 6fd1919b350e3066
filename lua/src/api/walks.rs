//! Functions over all records.

use std::sync::Arc;

use mlua::{Lua, Value as LuaValue};

use super::{Context, Fault, Function, copied, count, text};
use crate::mapreduce;
use crate::meter::Meter;
use crate::raw::Args;
use crate::value::Output;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::direct(
        "_iterinit",
        "",
        "boolean",
        "Sets the iterator to the beginning. There is one, shared with all clients.",
        iter_init,
    ),
    Function::direct("_iternext", "", "string or nil", "The next key of the iterator.", iter_next),
    Function::direct(
        "_fwmkeys",
        "prefix [, max]",
        "array of strings",
        "Keys that begin with the prefix; all of them where max is negative, missing or no number.",
        fwm_keys,
    ),
    Function::calling(
        "_foreach",
        "function",
        "boolean",
        "Calls the function with key and value of each record, until it gives false or nil. It may use the database.",
        for_each,
    ),
    Function::calling(
        "_mapreduce",
        "map, reduce [, keys]",
        "boolean",
        "Calls map(key, value, emit) for each record, or for those of the keys that exist; an error ends that. Then reduce(key, values) for each \
         key that was emitted, in order, with an array of what emit(key, value) was given. False where reduce gives false or \
         nil, which ends it.",
        mapreduce::make,
    ),
];

fn iter_init(context: &Context, args: &Args<'_>, out: &mut Output) -> Result<(), Fault> {
    count(args, 0)?;
    out.bool(context.host.iter_init());
    Ok(())
}

fn iter_next(context: &Context, args: &Args<'_>, out: &mut Output) -> Result<(), Fault> {
    count(args, 0)?;
    if !context.host.iter_next(&mut |key| out.bytes(key)) {
        out.nil();
    }
    copied(context, 1 << 10)
}

fn fwm_keys(context: &Context, args: &Args<'_>, out: &mut Output) -> Result<(), Fault> {
    // As the original, which looks at no more than these.
    let prefix = text(args, 0)?;
    let mut left = match args.number(1) {
        Some(max) if max >= 0.0 => max as u64,
        _ => u64::MAX,
    };
    context.budget.leave_event_loop();
    let begin = out.begin_array();
    let mut ended = Ok(());
    context.host.keys(&prefix, &mut |key| {
        if left == 0 {
            return false;
        }
        left -= 1;
        // An element of an array takes more than its bytes.
        ended = context
            .check_room(out.bytes.len() + key.len() + out.values.len() * 64)
            .and_then(|()| Ok(context.budget.work(200)?));
        if ended.is_ok() {
            out.bytes(key);
        }
        ended.is_ok()
    });
    ended?;
    out.end_array(begin);
    Ok(())
}

/// Whether a walk goes on after the script's function was called: not where that gives false or nil, or fails, which
/// is logged. Errors: a limit is reached.
pub(crate) fn goes_on(context: &Context, name: &str, called: mlua::Result<LuaValue>) -> mlua::Result<bool> {
    match called {
        Ok(LuaValue::Nil | LuaValue::Boolean(false)) => Ok(false),
        Ok(_) => Ok(true),
        Err(error) if context.budget.reached().is_some() => Err(error),
        Err(error) => {
            crate::failure::log(context, name, &crate::failure::message(&error));
            Ok(false)
        }
    }
}

fn for_each(lua: &Lua, context: &Arc<Context>) -> mlua::Result<mlua::Function> {
    let context = Arc::clone(context);
    lua.create_function(move |lua, args: mlua::Variadic<LuaValue>| {
        let [LuaValue::Function(visit)] = &args[..] else {
            return Err(mlua::Error::runtime("_foreach: invalid arguments"));
        };
        context.budget.leave_event_loop();
        let mut scan = context.host.scan();
        loop {
            context.budget.work(300).map_err(mlua::Error::external)?;
            let mut strings = None;
            let more = scan
                .next(&mut |key, value| {
                    strings =
                        Some(lua.create_string(key).and_then(|key| Ok((key, lua.create_string(value)?))));
                })
                .map_err(|error| mlua::Error::runtime(error.0))?;
            let Some(strings) = strings.filter(|_| more).transpose()? else { return Ok(true) };
            if !goes_on(&context, "_foreach", visit.call(strings))? {
                return Ok(true);
            }
        }
    })
}
