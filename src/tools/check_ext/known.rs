//! What scripts may use: the API, Lua's library, and what of it is out of reach.

use std::collections::{BTreeMap, BTreeSet};

use lcnode_lua::{Allowed, FAMILIES, Trial};

/// Libraries whose names are all known.
const LIBRARIES: [&str; 7] = ["coroutine", "debug", "io", "math", "os", "string", "table"];
/// Names of later versions of Lua, and what there is in their place.
const LATER: [(&str, &str); 6] = [
    ("bit32", "_bit"),
    ("string.pack", "_pack"),
    ("string.unpack", "_unpack"),
    ("table.pack", "{...}"),
    ("table.unpack", "unpack"),
    ("utf8", "_ucs"),
];
/// Of the API and of Lua's library, what works with files.
const FILES: [&str; 20] = [
    "_glob",
    "_mkdir",
    "_remove",
    "_stat",
    "dofile",
    "io.close",
    "io.flush",
    "io.input",
    "io.lines",
    "io.open",
    "io.output",
    "io.read",
    "io.stderr",
    "io.stdin",
    "io.stdout",
    "io.tmpfile",
    "io.write",
    "loadfile",
    "os.remove",
    "os.rename",
];
const PROCESSES: [&str; 3] = ["io.popen", "os.execute", "os.getenv"];
const NEVER: [&str; 6] = ["loadlib", "newproxy", "os.exit", "os.setlocale", "package.loadlib", "string.dump"];

/// All names that there are.
pub(super) struct Known {
    pub(super) globals: BTreeSet<String>,
    libraries: BTreeMap<String, BTreeSet<String>>,
    allowed: Allowed,
}

impl Known {
    /// What is in a machine once all scripts are loaded.
    pub(super) fn new(trial: &Trial, allowed: Allowed) -> Self {
        let mut libraries = trial.libraries();
        libraries.retain(|name, _| LIBRARIES.contains(&&name[..]));
        Self { globals: trial.globals(), libraries, allowed }
    }

    /// Why something is out of reach, if it is.
    pub(super) fn refusal(&self, name: &str) -> Option<String> {
        let option = |option| {
            Some(format!("{name} is out of reach; start the node with --ext-allow {option} if it is needed"))
        };
        if NEVER.contains(&name) || name.starts_with("debug.") && name != "debug.traceback" {
            Some(format!("{name} is never within reach of scripts; do without it"))
        } else if !self.allowed.files && (FILES.contains(&name) || name == "os.tmpname") {
            option("files")
        } else if !self.allowed.processes && PROCESSES.contains(&name) {
            option("processes")
        } else {
            None
        }
    }

    /// Whether a library has a name; none where that is not known.
    pub(super) fn has(&self, library: &str, name: &str) -> Option<bool> {
        self.libraries.get(library).map(|names| names.contains(name))
    }

    /// What may have been meant by a global that is not there, as the end of a sentence.
    pub(super) fn meant(&self, name: &str) -> String {
        suggestion(name, self.globals.iter().map(|global| &global[..]))
    }

    /// The same of a name in a library.
    pub(super) fn meant_in(&self, library: &str, name: &str) -> String {
        let names: Vec<String> = self
            .libraries
            .get(library)
            .into_iter()
            .flatten()
            .map(|other| format!("{library}.{other}"))
            .collect();
        suggestion(&format!("{library}.{name}"), names.iter().map(|other| &other[..]))
    }
}

fn suggestion<'a>(name: &str, others: impl Iterator<Item = &'a str>) -> String {
    if let Some((_, instead)) = LATER.iter().find(|(later, _)| *later == name) {
        return format!("; use {instead}, Lua is 5.1 here");
    }
    // As far as a third of the name may be wrong.
    let most = (name.chars().count() / 3).clamp(1, 3);
    let near = others
        .map(|other| (strsim::damerau_levenshtein(name, other), other))
        .filter(|(distance, _)| *distance <= most)
        .min();
    near.map_or(String::new(), |(_, other)| format!("; is {other} meant?"))
}

/// At least and at most how many arguments a function of the API takes, and those as the documentation has them; none
/// for other functions.
pub(super) fn arguments(name: &str) -> Option<(usize, Option<usize>, &'static str)> {
    let mut functions = FAMILIES.iter().flat_map(|family| family.functions);
    let args = functions.find(|function| function.name == name)?.args;
    let (least, most) = arity(args);
    Some((least, most, args))
}

fn arity(args: &str) -> (usize, Option<usize>) {
    let (asked, optional) = args.split_once('[').unwrap_or((args, ""));
    let count = |list: &str| {
        let names = list.split([',', '[', ']']).map(str::trim);
        names.filter(|name| !name.is_empty() && *name != "...").count()
    };
    let least = count(asked);
    (least, (!args.contains("...")).then(|| least + count(optional)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_as_documented() {
        for (args, least, most) in [
            ("", 0, Some(0)),
            ("key", 1, Some(1)),
            ("key, value", 2, Some(2)),
            ("message [, level]", 1, Some(2)),
            ("a [, b [, c]]", 1, Some(3)),
            ("name, ...", 1, None),
            ("a [, ...]", 1, None),
            ("...", 0, None),
        ] {
            assert_eq!(arity(args), (least, most), "{args}");
        }
        assert_eq!(arguments("_putkeep"), Some((2, Some(2), "key, value")));
        assert_eq!(arguments("print"), None);
    }

    #[test]
    fn names_that_are_near() {
        let others = ["_put", "_putkeep", "_get", "string"];
        let meant = |name| suggestion(name, others.into_iter());
        assert_eq!(meant("_putt"), "; is _put meant?");
        assert_eq!(meant("_putkep"), "; is _putkeep meant?");
        assert_eq!(meant("_gte"), "; is _get meant?");
        assert_eq!(meant("nothing"), "");
        assert_eq!(meant("table.unpack"), "; use unpack, Lua is 5.1 here");
    }
}
