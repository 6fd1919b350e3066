//! How far a migration has come, in a file, so that it can be interrupted.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How far a migration has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The source.
    pub from: String,
    /// The target.
    pub to: String,
    /// When the copy began, by the clock of the source, in microseconds since the Unix epoch.
    pub began: u64,
    /// Up to which entry of the source's update log the target has it, in the same; 0 before the first.
    pub position: u64,
    /// Whether the copy is complete.
    pub is_copied: bool,
    /// Records copied.
    pub records: u64,
    /// How far the copy has come.
    pub place: Place,
}

/// A place in a walk over the records of the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// Before the first.
    Start,
    /// Of an lcnode, as it gave it: hex.
    Cursor(String),
    /// Of other servers: the keys that came last, in hex, the latest at the end.
    Behind(Vec<String>),
}

/// What is wrong with the file.
#[derive(Debug, Error)]
pub enum StateError {
    /// It cannot be read or written.
    #[error("{}: {error}; name a file that can be written with --state", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is none.
    #[error("{} is no state of a migration: {error}; name another file with --state", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why.
        error: serde_json::Error,
    },
    /// It is of another migration.
    #[error(
        "{} is of the migration from {} to {}: name another file with --state, or remove it",
        path.display(), state.from, state.to
    )]
    Other {
        /// The file.
        path: PathBuf,
        /// What it has.
        state: Box<State>,
    },
}

impl State {
    /// Before the beginning.
    pub fn new(from: &str, to: &str, began: u64) -> Self {
        Self {
            from: from.to_owned(),
            to: to.to_owned(),
            began,
            position: 0,
            is_copied: false,
            records: 0,
            place: Place::Start,
        }
    }

    /// Reads the file; none where it is not there.
    pub fn load(path: &Path, from: &str, to: &str) -> Result<Option<Self>, StateError> {
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StateError::Io { path: path.to_owned(), error }),
            Ok(text) => text,
        };
        let state: Self = serde_json::from_str(&text)
            .map_err(|error| StateError::Malformed { path: path.to_owned(), error })?;
        if state.from != from || state.to != to {
            return Err(StateError::Other { path: path.to_owned(), state: Box::new(state) });
        }
        Ok(Some(state))
    }

    /// Writes the file anew: after a crash there is the old one or the new one.
    pub fn save(&self, path: &Path) -> Result<(), StateError> {
        let write = || {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let mut name = path.as_os_str().to_owned();
            name.push(".new");
            let new = PathBuf::from(name);
            let mut file = std::fs::File::create(&new)?;
            serde_json::to_writer_pretty(&mut file, self)?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            std::fs::rename(&new, path)?;
            std::fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
        };
        write().map_err(|error| StateError::Io { path: path.to_owned(), error })
    }
}

/// Bytes as hex.
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Hex as bytes; none where it is no hex.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, single) = text.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes = pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?));
    bytes.collect::<Option<Vec<u8>>>().filter(|_| single.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_loaded_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        assert_eq!(State::load(&path, "a", "b").unwrap(), None);
        for place in [Place::Start, Place::Cursor("00ff".into()), Place::Behind(vec!["6b".into()])] {
            let state = State { place, position: 7, ..State::new("a", "b", 5) };
            state.save(&path).unwrap();
            assert_eq!(State::load(&path, "a", "b").unwrap(), Some(state));
        }
        let error = State::load(&path, "a", "c").unwrap_err().to_string();
        assert!(error.contains("from a to b"), "{error}");
        for text in ["", "{}", "{\"from\":", "\0"] {
            std::fs::write(&path, text).unwrap();
            assert!(matches!(State::load(&path, "a", "b"), Err(StateError::Malformed { .. })), "{text}");
        }
        let nowhere = folder.path().join("no/state");
        assert!(matches!(State::new("a", "b", 1).save(&nowhere), Err(StateError::Io { .. })));
    }

    #[test]
    fn hex_is_read_back() {
        for bytes in [&b""[..], b"\0", b"key\xff"] {
            assert_eq!(from_hex(&to_hex(bytes)).unwrap(), bytes);
        }
        assert_eq!((from_hex("0"), from_hex("zz")), (None, None));
    }
}
