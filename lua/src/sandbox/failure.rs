//! Errors between Rust and scripts, and the stack they came from.

use std::fmt::Write as _;

use mlua::{Error, Lua, Table, Value};

use super::SharedMeter;
use crate::failure::message;

/// Nanoseconds that an error raised by a function in Rust costs: its stack is written down.
const RAISING: u64 = 100_000;
/// Levels of the stack at its top and at its bottom that a traceback shows.
const TOP: usize = 12;
const BOTTOM: usize = 10;
/// Characters of a function's name.
const LONGEST_NAME: usize = 100;

pub(super) fn add(lua: &Lua, tools: &Table, meter: &SharedMeter) -> mlua::Result<()> {
    let counted = SharedMeter::clone(meter);
    // The limit itself is not raised by an error with a stack, which takes long to write where there are many globals.
    let guard = lua.create_function(move |_, ()| counted.work(1000).map_err(Error::external))?;
    tools.raw_set("guard", guard)?;
    let counted = SharedMeter::clone(meter);
    let work =
        lua.create_function(move |_, steps: f64| counted.work(steps as u64).map_err(Error::external))?;
    tools.raw_set("work", work)?;
    let counted = SharedMeter::clone(meter);
    let plain = lua.create_function(move |lua, error: Value| match error {
        Value::Error(error) => {
            counted.work(RAISING).map_err(Error::external)?;
            lua.create_string(message(&error)).map(Value::String)
        }
        other => Ok(other),
    })?;
    tools.raw_set("plain", plain)?;
    tools.raw_set("traceback", lua.create_function(|lua, ()| Ok(traceback(lua, 2)))?)
}

/// An error with the line of the script that is `level` calls above the function in Rust that raises it.
pub(super) fn fail(lua: &Lua, level: usize, message: impl std::fmt::Display) -> Error {
    let place = lua.inspect_stack(level, |frame| {
        let line = frame.current_line().filter(|line| *line > 0)?;
        Some(format!("{}:{line}: ", frame.source().short_src.as_deref().unwrap_or("?")))
    });
    Error::RuntimeError(format!("{}{message}", place.flatten().unwrap_or_default()))
}

/// The error of a function that was given something else than it takes. `index` counts from 1.
pub(super) fn bad_argument(lua: &Lua, level: usize, index: usize, name: &str, wrong: &str) -> Error {
    let method =
        level == 1 && lua.inspect_stack(0, |frame| frame.names().name_what == Some("method")) == Some(true);
    match (method, index) {
        (true, 1) => fail(lua, level, format_args!("calling '{name}' on bad self ({wrong})")),
        (true, _) => fail(lua, level, format_args!("bad argument #{} to '{name}' ({wrong})", index - 1)),
        (false, _) => fail(lua, level, format_args!("bad argument #{index} to '{name}' ({wrong})")),
    }
}

/// The stack from `level` on, as 5.1 writes it. It is short, and takes no memory of Lua's.
pub(crate) fn traceback(lua: &Lua, level: usize) -> String {
    let depth = depth(lua);
    let mut text = "stack traceback:".to_owned();
    let mut next = level;
    while next < depth {
        if next == level + TOP && depth - next > BOTTOM {
            text.push_str("\n\t...");
            next = depth - BOTTOM;
        }
        lua.inspect_stack(next, |frame| write_frame(&mut text, frame));
        next += 1;
    }
    text
}

fn write_frame(text: &mut String, frame: &mlua::debug::Debug<'_>) {
    let source = frame.source();
    let names = frame.names();
    // A name can be any constant of the script.
    let name = names.name.as_deref().map(|name| name.chars().take(LONGEST_NAME).collect::<String>());
    let file = source.short_src.as_deref().unwrap_or("?");
    let line = frame.current_line().filter(|line| *line > 0).map_or(String::new(), |line| format!("{line}:"));
    // Writing to a string does not fail.
    let _ = write!(text, "\n\t{file}:{line}");
    let _ = match (name, source.what) {
        (Some(name), _) if names.name_what.is_some() => write!(text, " in function '{name}'"),
        (_, "main") => write!(text, " in main chunk"),
        (_, "C" | "tail") => write!(text, " ?"),
        _ => write!(text, " in function <{file}:{}>", source.line_defined.unwrap_or(0)),
    };
}

/// How many levels the stack has. Reaching a level takes as long as it is deep.
fn depth(lua: &Lua) -> usize {
    let is_there = |level| lua.inspect_stack(level, |_| ()).is_some();
    let mut beyond = 1;
    while is_there(beyond) {
        beyond *= 2;
    }
    let mut within = beyond / 2;
    while within + 1 < beyond {
        let middle = usize::midpoint(within, beyond);
        if is_there(middle) {
            within = middle;
        } else {
            beyond = middle;
        }
    }
    within + 1
}
