//! Functions of what all virtual machines share: stash and locks.

use std::sync::Arc;

use mlua::{Lua, Value as LuaValue};

use super::{Context, Fault, Function, copied, count, text};
use crate::common::{Locked, Put};
use crate::raw::Args;
use crate::value::Output;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::direct(
        "_stashput",
        "key, value",
        "true",
        "Stores a record in the stash, whatever was there.",
        put,
    ),
    Function::direct("_stashputkeep", "key, value", "true", "Stores it unless there is one.", put_keep),
    Function::direct("_stashputcat", "key, value", "true", "Appends to it.", put_cat),
    Function::direct("_stashout", "key", "boolean", "Removes it; false where there is none.", out),
    Function::direct("_stashget", "key", "string or nil", "Its value.", get),
    Function::direct("_stashvanish", "", "nothing", "Removes all of them.", vanish),
    Function::calling(
        "_stashforeach",
        "function",
        "nothing",
        "Calls the function with key and value of each, until it gives false or nil.",
        for_each,
    ),
    Function::direct(
        "_lock",
        "name",
        "boolean",
        "Takes a lock, waiting until it is free; false where the node stops. A lock has no owner: it stays until someone \
         unlocks it, also when the call fails. It cannot be taken twice.",
        lock,
    ),
    Function::direct("_unlock", "name", "boolean", "Lets a lock go; false where it was free.", unlock),
];

fn put_as(context: &Context, args: &Args<'_>, output: &mut Output, put: Put) -> Result<(), Fault> {
    count(args, 2)?;
    let (key, value) = (text(args, 0)?, text(args, 1)?);
    copied(context, value.len())?;
    let full = |_| Fault::Message("the stash is full (--ext-max-stash)".to_owned());
    context.common.put(&key, &value, put, context.budget.limits().stash).map_err(full)?;
    output.bool(true);
    Ok(())
}

fn put(context: &Context, args: &Args<'_>, output: &mut Output) -> Result<(), Fault> {
    put_as(context, args, output, Put::Over)
}

fn put_keep(context: &Context, args: &Args<'_>, output: &mut Output) -> Result<(), Fault> {
    put_as(context, args, output, Put::Keep)
}

fn put_cat(context: &Context, args: &Args<'_>, output: &mut Output) -> Result<(), Fault> {
    put_as(context, args, output, Put::Cat)
}

fn out(context: &Context, args: &Args<'_>, output: &mut Output) -> Result<(), Fault> {
    count(args, 1)?;
    output.bool(context.common.out(&text(args, 0)?));
    Ok(())
}

fn get(context: &Context, args: &Args<'_>, output: &mut Output) -> Result<(), Fault> {
    count(args, 1)?;
    if !context.common.get(&text(args, 0)?, |value| output.bytes(value)) {
        output.nil();
    }
    Ok(())
}

fn vanish(context: &Context, args: &Args<'_>, _: &mut Output) -> Result<(), Fault> {
    count(args, 0)?;
    context.common.vanish();
    Ok(())
}

fn for_each(lua: &Lua, context: &Arc<Context>) -> mlua::Result<mlua::Function> {
    let context = Arc::clone(context);
    lua.create_function(move |lua, args: mlua::Variadic<LuaValue>| {
        let [LuaValue::Function(visit)] = &args[..] else {
            return Err(mlua::Error::runtime("_stashforeach: invalid arguments"));
        };
        let mut last = None;
        while let Some((key, value)) = context.common.after(last.as_deref()) {
            let strings = (lua.create_string(&key)?, lua.create_string(&value)?);
            last = Some(key);
            if !super::walks::goes_on(&context, "_stashforeach", visit.call(strings))? {
                break;
            }
        }
        Ok(())
    })
}

fn lock(context: &Context, args: &Args<'_>, output: &mut Output) -> Result<(), Fault> {
    count(args, 1)?;
    let name = text(args, 0)?;
    let common = &context.common;
    let locked = common
        .try_lock(&name)
        .unwrap_or_else(|| common.lock(&name, context.deadline(), || context.host.is_stopping()));
    match locked {
        Locked::Yes => output.bool(true),
        Locked::Stopping => output.bool(false),
        Locked::TooLate => {
            context.budget.end_at_deadline();
            let name = String::from_utf8_lossy(&name).into_owned();
            return Err(Fault::Message(format!(
                "_lock: {name} is not free before the end of the call (--ext-max-time)"
            )));
        }
        Locked::TooMany => return Err(Fault::Message("_lock: too many locks are taken".to_owned())),
    }
    Ok(())
}

fn unlock(context: &Context, args: &Args<'_>, output: &mut Output) -> Result<(), Fault> {
    count(args, 1)?;
    output.bool(context.common.unlock(&text(args, 0)?));
    Ok(())
}
