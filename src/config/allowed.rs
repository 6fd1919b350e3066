//! The programs that `copy` may run.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A program that `copy` may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedCommand {
    /// What a client writes behind the `@`, exactly.
    pub name: OsString,
    /// The file to run, an absolute path; without a slash it is looked for in `PATH` when it is run, as
    /// ttserver does.
    pub program: PathBuf,
}

impl AllowedCommand {
    /// From what was typed; a relative path means one below `base`.
    pub(super) fn new(name: OsString, base: &Path) -> Self {
        let has_slash = name.as_encoded_bytes().contains(&b'/');
        let program = if has_slash { base.join(&name) } else { PathBuf::from(&name) };
        Self { name, program }
    }
}
