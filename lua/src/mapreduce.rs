//! `_mapreduce`: pairs that a function emits, brought in order and handed to another key by key.

mod sorter;

use std::sync::Arc;

use mlua::{Function, Lua, Value as LuaValue, Variadic};
use parking_lot::Mutex;

use crate::api::Context;
use crate::meter::Meter;
use sorter::Sorter;

/// Nanoseconds of work that a record counts as.
const RECORD: u64 = 500;

/// Makes the function.
pub(crate) fn make(lua: &Lua, context: &Arc<Context>) -> mlua::Result<Function> {
    let context = Arc::clone(context);
    lua.create_function(move |lua, args: Variadic<LuaValue>| {
        let [LuaValue::Function(map), LuaValue::Function(reduce), rest @ ..] = &args[..] else {
            return Err(mlua::Error::runtime("_mapreduce: invalid arguments"));
        };
        let keys = rest.first().map(|keys| keys_of(lua, keys)).transpose()?.flatten();
        context.budget.leave_event_loop();
        let directory = lua.globals().raw_get::<Option<std::path::PathBuf>>("_tmpdir_").unwrap_or(None);
        let sorter = Arc::new(Mutex::new(Sorter::new(context.budget.limits().memory / 4, directory)));
        let emit = emit(lua, &sorter)?;
        if !mapped(lua, &context, map, &emit, keys)? {
            return Ok(false);
        }
        let sorted = std::mem::take(&mut *sorter.lock());
        reduced(lua, &context, reduce, sorted)
    })
}

/// The keys of the third argument; none where it names none (observed: whatever else it is).
fn keys_of(lua: &Lua, keys: &LuaValue) -> mlua::Result<Option<Vec<Vec<u8>>>> {
    let text = |value: LuaValue| -> mlua::Result<Option<Vec<u8>>> {
        Ok(lua.coerce_string(value)?.map(|text| text.as_bytes().to_vec()))
    };
    match keys {
        LuaValue::Table(table) => {
            let mut keys = Vec::new();
            for key in table.clone().sequence_values::<LuaValue>() {
                keys.extend(text(key?)?);
            }
            Ok(Some(keys))
        }
        plain @ (LuaValue::String(_) | LuaValue::Number(_) | LuaValue::Integer(_)) => {
            Ok(Some(text(plain.clone())?.into_iter().collect()))
        }
        _ => Ok(None),
    }
}

/// The function that a map calls.
fn emit(lua: &Lua, sorter: &Arc<Mutex<Sorter>>) -> mlua::Result<Function> {
    let sorter = Arc::clone(sorter);
    lua.create_function(move |lua, args: Variadic<LuaValue>| {
        let texts: Vec<_> =
            args.iter().map_while(|arg| lua.coerce_string(arg.clone()).ok().flatten()).collect();
        let ([key, value], 2) = (&texts[..], args.len()) else {
            return Err(mlua::Error::runtime("_mapreducemapemit: invalid arguments"));
        };
        let added = sorter.lock().add(&key.as_bytes(), &value.as_bytes());
        added.map(|()| true).map_err(|error| mlua::Error::runtime(format!("_mapreduce: {error}")))
    })
}

/// Calls `map` for all records, or those of the keys, until it raises an error, which is logged. Says whether what was
/// emitted is to be reduced.
fn mapped(
    lua: &Lua,
    context: &Context,
    map: &Function,
    emit: &Function,
    keys: Option<Vec<Vec<u8>>>,
) -> mlua::Result<bool> {
    let mut scan = context.host.scan();
    let mut keys = keys.map(Vec::into_iter);
    loop {
        context.budget.work(RECORD).map_err(mlua::Error::external)?;
        let mut strings = None;
        let mut show = |key: &[u8], value: &[u8]| {
            strings = Some(lua.create_string(key).and_then(|key| Ok((key, lua.create_string(value)?))));
        };
        let more = match &mut keys {
            None => scan.next(&mut show).map_err(|error| mlua::Error::runtime(error.0))?,
            Some(keys) => match keys.next() {
                None => false,
                Some(key) => {
                    context.host.get(&key, &mut |value| show(&key, value));
                    true
                }
            },
        };
        if !more {
            return Ok(true);
        }
        // A key without a record is passed over.
        let Some(strings) = strings.transpose()? else { continue };
        let (key, value) = strings;
        if let Err(error) = map.call::<()>((key, value, emit)) {
            ended(context, error)?;
            // As observed.
            return Ok(keys.is_none());
        }
    }
}

/// An error of the script's function ends its part of the whole, and is logged; but a limit ends the call.
fn ended(context: &Context, error: mlua::Error) -> mlua::Result<bool> {
    if context.budget.reached().is_some() {
        return Err(error);
    }
    crate::failure::log(context, "_mapreduce", &crate::failure::message(&error));
    Ok(false)
}

/// Calls `reduce` for each key; false where it wanted no more.
fn reduced(lua: &Lua, context: &Context, reduce: &Function, sorter: Sorter) -> mlua::Result<bool> {
    let failed = |error: std::io::Error| mlua::Error::runtime(format!("_mapreduce: {error}"));
    let mut pairs = sorter.sorted().map_err(failed)?.peekable();
    while let Some(pair) = pairs.next() {
        let (key, first) = pair.map_err(failed)?;
        let values = lua.create_table()?;
        values.raw_push(lua.create_string(&first)?)?;
        while let Some(Ok((_, value))) = pairs.next_if(|next| next.as_ref().is_ok_and(|next| next.0 == key)) {
            context.budget.work(RECORD).map_err(mlua::Error::external)?;
            values.raw_push(lua.create_string(&value)?)?;
        }
        match reduce.call::<LuaValue>((lua.create_string(&key)?, values)) {
            Ok(LuaValue::Nil | LuaValue::Boolean(false)) => return Ok(false),
            Ok(_) => {}
            Err(error) => return ended(context, error),
        }
    }
    Ok(true)
}
