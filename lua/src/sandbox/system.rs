//! Dates, and lines for the log.

use mlua::{Function, Lua, LuaString, Table, Value};
use parking_lot::Mutex;

use super::Print;

/// The C library takes dates apart in one place for all threads.
static DATES: Mutex<()> = Mutex::new(());

pub(super) fn add(lua: &Lua, tools: &Table, print: Print) -> mlua::Result<()> {
    let originals: Table = tools.raw_get("raw")?;
    let library: Table = originals.raw_get("os")?;
    let date: Function = library.raw_get("date")?;
    let date = lua.create_function(move |_, args: (LuaString, Option<f64>)| {
        let _alone = DATES.lock();
        date.call::<Value>(args)
    })?;
    tools.raw_set("date", date)?;
    let print = lua.create_function(move |_, line: LuaString| {
        print(&one_line(&line.to_string_lossy()));
        Ok(())
    })?;
    tools.raw_set("print_line", print)
}

/// Text without what would begin another line of the log, or steer a terminal.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for char in text.chars() {
        if char.is_control() && char != '\t' {
            line.extend(char.escape_default());
        } else {
            line.push(char);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one() {
        assert_eq!(one_line("a\tb\nc\r\u{1b}[2J é"), "a\tb\\nc\\r\\u{1b}[2J é");
    }
}
