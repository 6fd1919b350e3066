//! The database argument: a name in ttserver's form, then `#name=value` tuning.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::tuning::Tuning;

/// The database to serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseSpec {
    /// Where the records are kept.
    pub kind: DatabaseKind,
    /// The name as it was typed, without tuning; `stat` shows it as `path`.
    pub name: String,
    /// First size of the table in buckets; `None` is the engine's default. The table grows by itself.
    pub bnum: Option<u64>,
    /// Soft maximum of records, only for a database in memory; `None` is no limit.
    pub capnum: Option<u64>,
    /// Soft maximum of bytes in memory, only for a database in memory; `None` is no limit.
    pub capsiz: Option<u64>,
    /// How to open it.
    pub mode: Mode,
    /// Tuning that was typed and has no effect here, as typed and with the reason where it needs one.
    pub ignored: Vec<String>,
}

/// Where the records of a database are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseKind {
    /// In memory, gone when the process ends (`*`).
    Memory,
    /// In this directory, an absolute path.
    Directory(PathBuf),
}

/// How to open a database on disk (`#mode=`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode {
    /// Changes are allowed (letter w). Without it every write is refused.
    pub write: bool,
    /// Create the database if it is missing (letter c). Never set without `write`.
    pub create: bool,
    /// Remove every record while opening (letter t). Never set without `write`.
    pub truncate: bool,
}

impl Default for Mode {
    /// `wc`: write, and create what is missing.
    fn default() -> Self {
        Self { write: true, create: true, truncate: false }
    }
}

/// Why a database name cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DatabaseError {
    /// Only tuning, no name.
    #[error("the database name is empty; write a name ending in .tch, or * for a database in memory")]
    Empty,
    /// A type of Tokyo Cabinet that lcnode does not have.
    #[error(
        "{name}: {kind} databases are not built, only hash databases; \
         use a name ending in .tch, or * for a hash database in memory"
    )]
    NotBuilt {
        /// The name as typed.
        name: String,
        /// What the name stands for.
        kind: &'static str,
    },
    /// The suffix says nothing.
    #[error(
        "{name}: the suffix tells the type of a database and this one is unknown; \
         use a name ending in .tch (or .hdb), or * for a database in memory"
    )]
    UnknownSuffix {
        /// The name as typed.
        name: String,
    },
}

impl DatabaseSpec {
    /// Reads the argument `text`; a relative path means one below `base`.
    ///
    /// Errors: a name that stands for no hash database. Tuning never fails: what it cannot use is in
    /// [`DatabaseSpec::ignored`].
    pub fn parse(text: &str, base: &Path) -> Result<Self, DatabaseError> {
        let (name, tuning) = text.split_once('#').unwrap_or((text, ""));
        let kind = kind_of(name, base)?;
        let tuning = Tuning::parse(tuning, kind == DatabaseKind::Memory);
        Ok(Self {
            kind,
            name: name.to_owned(),
            bnum: tuning.bnum,
            capnum: tuning.capnum,
            capsiz: tuning.capsiz,
            mode: tuning.mode,
            ignored: tuning.ignored,
        })
    }
}

fn kind_of(name: &str, base: &Path) -> Result<DatabaseKind, DatabaseError> {
    let not_built = |kind| Err(DatabaseError::NotBuilt { name: name.to_owned(), kind });
    match name {
        "" => return Err(DatabaseError::Empty),
        "*" => return Ok(DatabaseKind::Memory),
        "+" => return not_built("in-memory tree"),
        _ => {}
    }
    // A database is a directory here, and shells complete those with a slash.
    let suffix = name.trim_end_matches('/').rsplit_once('.').map(|(_, suffix)| suffix.to_ascii_lowercase());
    match suffix.as_deref() {
        Some("tch" | "hdb") => Ok(DatabaseKind::Directory(base.join(name))),
        Some("tcb" | "bdb") => not_built("B+ tree"),
        Some("tcf" | "fdb") => not_built("fixed-length"),
        Some("tct" | "tdb") => not_built("table"),
        _ => Err(DatabaseError::UnknownSuffix { name: name.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<DatabaseSpec, DatabaseError> {
        DatabaseSpec::parse(text, Path::new("/start"))
    }

    #[test]
    fn hash_databases() {
        for (text, path) in [
            ("casket.tch", "/start/casket.tch"),
            ("A.TCH", "/start/A.TCH"),
            ("a.hdb", "/start/a.hdb"),
            ("a.HdB", "/start/a.HdB"),
            ("/data/1.tch#bnum=1000000#fpow=13#opts=ld", "/data/1.tch"),
            ("sub.d/casket.tch/", "/start/sub.d/casket.tch/"),
        ] {
            let spec = parse(text).unwrap();
            assert_eq!(spec.kind, DatabaseKind::Directory(PathBuf::from(path)), "{text}");
            assert_eq!(Some(spec.name.as_str()), text.split('#').next());
        }
        assert_eq!(parse("*#capnum=5").unwrap().kind, DatabaseKind::Memory);
    }

    #[test]
    fn refused_names() {
        for (text, part) in [
            ("", "is empty"),
            ("#bnum=1", "is empty"),
            ("+", "+: in-memory tree databases are not built"),
            ("+#capnum=5", "+: in-memory tree"),
            ("a.tcb", "a.tcb: B+ tree"),
            ("a.BDB", "B+ tree"),
            ("a.tcf", "fixed-length"),
            ("a.fdb", "fixed-length"),
            ("a.tct", "table"),
            ("a.tdb#bnum=3", "a.tdb: table"),
            ("casket", "ending in .tch"),
            ("casket.db", "casket.db: the suffix"),
            ("tch", "ending in .tch"),
            ("x.tch/log", "ending in .tch"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
