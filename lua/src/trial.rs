//! Scripts loaded into one virtual machine to be looked at, not called by clients.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mlua::{Table, Value as LuaValue};

use crate::common::Common;
use crate::host::Host;
use crate::vm::{CallError, Parts, Vm};
use crate::{Allowed, Limits, LoadError, Script};

/// A virtual machine for a look at scripts.
pub struct Trial {
    vm: Vm,
    before: BTreeSet<String>,
}

/// A function that scripts have made global.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// The name of the global.
    pub name: String,
    /// The script and the line where the function begins; none for a function of the API or of Lua's library that
    /// was given another name.
    pub place: Option<(String, usize)>,
}

impl Trial {
    /// A machine as a node has them, without scripts.
    ///
    /// Errors: Lua has no memory for it.
    pub fn new(host: Arc<dyn Host>, limits: Limits, allowed: Allowed) -> Result<Self, LoadError> {
        let parts = Parts { host, common: Arc::new(Common::default()), limits, allowed, machines: 1 };
        let vm = Vm::new(&parts, 0)
            .map_err(|error| LoadError { script: "a new Lua state".to_owned(), why: error.to_string() })?;
        let before = names(&vm.lua().globals());
        Ok(Self { vm, before })
    }

    /// Runs a script from its first line to its last.
    ///
    /// Errors: it has a mistake, or raises an error; what it had defined before that stays.
    pub fn load(&mut self, script: &Script) -> Result<(), LoadError> {
        self.vm.load(script)
    }

    /// Whether Lua can read the text of a script, without running it.
    pub fn is_well_formed(&self, script: &Script) -> bool {
        let chunk = self.vm.lua().load(&script.source[..]).set_mode(mlua::chunk::ChunkMode::Text);
        chunk.into_function().is_ok()
    }

    /// Calls `_begin` where there is one, as a node does after loading.
    ///
    /// Errors: what it raised.
    pub fn begin(&mut self) -> Result<(), CallError> {
        if self.vm.has("_begin") { self.vm.call(b"_begin", b"", b"", |_, _| ()) } else { Ok(()) }
    }

    /// Names of all globals that are there now.
    pub fn globals(&self) -> BTreeSet<String> {
        names(&self.vm.lua().globals())
    }

    /// Names of the globals that were there before any script was loaded.
    pub fn given(&self) -> &BTreeSet<String> {
        &self.before
    }

    /// The tables that are there before any script, such as `string`, with the names that are in them now.
    pub fn libraries(&self) -> BTreeMap<String, BTreeSet<String>> {
        let globals = self.vm.lua().globals();
        let library = |name: &String| match globals.raw_get(&name[..]) {
            Ok(LuaValue::Table(table)) if table != globals => Some((name.clone(), names(&table))),
            _ => None,
        };
        self.before.iter().filter_map(library).collect()
    }

    /// The global functions that scripts have defined or named, in order of their names.
    pub fn definitions(&self) -> Vec<Definition> {
        let globals = self.vm.lua().globals();
        let definition = |name: String| {
            let Ok(LuaValue::Function(function)) = globals.raw_get(&name[..]) else { return None };
            let info = function.info();
            // Functions of the library that are written in Lua say that they are in C.
            let source = info.source.filter(|source| info.what == "Lua" && source != "=[C]");
            let place = source.map(|source| {
                (source.trim_start_matches(['=', '@']).to_owned(), info.line_defined.unwrap_or(0))
            });
            let is_theirs = place.is_some() || !self.before.contains(&name);
            is_theirs.then_some(Definition { name, place })
        };
        self.globals().into_iter().filter_map(definition).collect()
    }
}

impl std::fmt::Debug for Trial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trial").finish_non_exhaustive()
    }
}

/// The names in a table, as text; what is no text is none.
fn names(table: &Table) -> BTreeSet<String> {
    let keys = table.pairs::<LuaValue, LuaValue>().filter_map(|pair| match pair {
        Ok((LuaValue::String(name), _)) => Some(name.to_string_lossy()),
        _ => None,
    });
    keys.collect()
}
