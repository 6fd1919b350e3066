//! The standard library as scripts have it: Lua 5.1's, but nothing in it runs without end or leaves the virtual machine.
//!
//! Instructions are counted by a hook, which does not fire inside of a function written in C. So whatever can take long
//! there without allocating is done in Lua, in Rust with a [`Meter`], or has a price; what catches errors raises them
//! again where a limit is reached; and what reaches beyond the machine is refused by an error that names the option.
//!
//! The files `*.lua` replace the functions. They keep the originals to themselves: scripts may replace any global.

mod chunks;
mod failure;
mod refusal;
mod strings;
mod system;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use mlua::{Lua, StdLib, Table, Value};

pub(crate) use chunks::check as check_chunk;
pub(crate) use failure::traceback;

use crate::Allowed;
use crate::meter::Meter;

/// Errors of scripts are raised from here; as their name they have that of functions written in C.
const CHUNK_NAME: &str = "=[C]";

const FILES: [&str; 5] = [
    include_str!("sandbox/protect.lua"),
    include_str!("sandbox/strings.lua"),
    include_str!("sandbox/tables.lua"),
    include_str!("sandbox/chunks.lua"),
    include_str!("sandbox/system.lua"),
];

/// The libraries that a machine is to be made with before [`install`].
pub(crate) fn libraries(allowed: Allowed) -> StdLib {
    let libraries = StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::OS;
    if allowed.files || allowed.processes { libraries | StdLib::IO } else { libraries }
}

/// What becomes of a line that `print` writes.
pub(crate) type Print = Arc<dyn Fn(&str) + Send + Sync>;

/// A meter that several machines' functions hold.
type SharedMeter = Arc<dyn Meter + Send + Sync>;

/// Replaces the standard library of a new machine, before any script runs there.
///
/// `meter` must count what it is told together with all else of the call, and must fail whenever it is asked once a
/// limit is reached: that is how scripts are kept from catching the error. The hook that counts instructions must be
/// the machine's global one and must be set before scripts are loaded, as coroutines have it from where they are made.
///
/// Errors: there is no memory for it, or the machine lacks one of [`libraries`].
pub(crate) fn install(lua: &Lua, meter: SharedMeter, print: Print, allowed: Allowed) -> mlua::Result<()> {
    let globals = lua.globals();
    let tools = lua.create_table()?;
    tools.raw_set("raw", originals(lua, &globals)?)?;
    tools.raw_set("globals", &globals)?;
    tools.raw_set("files", allowed.files)?;
    tools.raw_set("processes", allowed.processes)?;
    failure::add(lua, &tools, &meter)?;
    refusal::add(lua, &tools)?;
    strings::add(lua, &tools, &meter)?;
    chunks::add(lua, &tools, &meter)?;
    system::add(lua, &tools, print)?;
    for file in FILES {
        // Without globals, so that none that a script replaces is used.
        let environment = lua.create_table()?;
        let chunk = lua.load(file).set_name(CHUNK_NAME).set_environment(environment).into_function()?;
        chunk.call::<()>(&tools)?;
    }
    Ok(())
}

/// The functions of the library as they are before they are replaced, libraries copied.
fn originals(lua: &Lua, globals: &Table) -> mlua::Result<Table> {
    let originals = lua.create_table()?;
    for pair in globals.pairs::<Value, Value>() {
        let (name, value) = pair?;
        let value = match value {
            Value::Table(library) if library != *globals => {
                let copy = lua.create_table()?;
                for pair in library.pairs::<Value, Value>() {
                    let (name, value) = pair?;
                    copy.raw_set(name, value)?;
                }
                Value::Table(copy)
            }
            other => other,
        };
        originals.raw_set(name, value)?;
    }
    Ok(originals)
}
