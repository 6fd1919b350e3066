//! What is out of reach for scripts.

use mlua::{Lua, Table};

use super::failure::fail;

/// Functions that start or look at processes; of the others those that are not ruled out altogether need files.
const PROCESSES: [&str; 3] = ["io.popen", "os.execute", "os.getenv"];

pub(super) fn add(lua: &Lua, tools: &Table) -> mlua::Result<()> {
    let refused = lua.create_function(|lua, name: String| {
        lua.create_function(move |lua, ()| -> mlua::Result<()> {
            Err(fail(lua, 1, format_args!("{name}: {}", reason(&name))))
        })
    })?;
    tools.raw_set("refused", refused)?;
    tools.raw_set("refusal", lua.create_function(|_, option: String| Ok(refusal(&option)))?)
}

fn reason(name: &str) -> String {
    let never = matches!(name, "os.exit" | "os.setlocale" | "package.loadlib") || name.starts_with("debug.");
    if never {
        "never within reach of scripts".to_owned()
    } else if PROCESSES.contains(&name) {
        refusal("processes")
    } else {
        refusal("files")
    }
}

fn refusal(option: &str) -> String {
    format!("{option} are out of reach for scripts; start the node with --ext-allow {option}")
}
