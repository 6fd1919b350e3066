//! What the text of a script says: which globals it reads, sets and calls, and where.

use std::collections::BTreeSet;

/// How a global is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Called with at least and at most so many arguments; without a most where that cannot be told.
    Called(usize, Option<usize>),
    /// A field of it is used.
    Indexed,
    /// Anything else, such as a test whether it is there.
    Plain,
}

/// A global is read.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) used: Use,
}

/// A global is set inside of a function.
#[derive(Debug)]
pub(super) struct SetInside {
    pub(super) name: String,
    pub(super) line: usize,
    /// The name of the outermost function around it; empty where it has none.
    pub(super) function: String,
}

/// A field of a global is read.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) table: String,
    pub(super) name: String,
    pub(super) line: usize,
}

/// A record is read and then written, with no lock in sight.
#[derive(Debug)]
pub(super) struct GetPut {
    /// The key as it is written.
    pub(super) key: String,
    pub(super) line: usize,
    /// Names of the functions around it.
    pub(super) functions: BTreeSet<String>,
}

/// A function, wherever it is.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) line: usize,
    /// The name that its definition gives it; empty where that is none.
    pub(super) name: String,
    pub(super) parameters: Vec<String>,
}

/// All of a script.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) reads: Vec<Read>,
    pub(super) fields: Vec<Field>,
    /// Globals that are set anywhere, also as fields of `_G`.
    pub(super) set: BTreeSet<String>,
    /// Fields of globals that are set anywhere, as `table.name`.
    pub(super) set_fields: BTreeSet<String>,
    pub(super) set_inside: Vec<SetInside>,
    pub(super) get_puts: Vec<GetPut>,
    /// Names of functions that are given to `_atomic`.
    pub(super) atomic: BTreeSet<String>,
    pub(super) shapes: Vec<Shape>,
    /// Globals may be defined in ways that the text does not show.
    pub(super) is_dynamic: bool,
}
