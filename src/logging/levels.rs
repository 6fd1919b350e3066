//! Which lines are shown: one level for all, and others for some parts of the node.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

use super::SYSTEM;

/// The parts that can have a level of their own, and the modules that each is.
const PARTS: [(&str, &str); 7] = [
    ("admin", "lcnode::admin"),
    ("commands", "lcnode::dispatch"),
    ("process", "lcnode::process"),
    ("replication", "lcnode::replication"),
    ("scripts", "lcnode::scripts"),
    ("server", "lcnode::server"),
    ("storage", "lcnode_storage"),
];

const LEVELS: [(&str, LevelFilter); 4] = [
    ("error", LevelFilter::ERROR),
    ("warn", LevelFilter::WARN),
    ("info", LevelFilter::INFO),
    ("debug", LevelFilter::DEBUG),
];

/// Which lines are shown, written as `info` or `warn,replication=debug`. SYSTEM lines always are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Levels {
    all: LevelFilter,
    parts: BTreeMap<&'static str, LevelFilter>,
}

/// Why a text says no levels. A level must be `error`, `warn`, `info` or `debug`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LevelsError {
    /// A word that should be a level is none.
    #[error("{0:?} is no level: write error, warn, info or debug, or PART=LEVEL, several by comma")]
    Level(String),
    /// There is no such part.
    #[error("there is no part {0:?}: the parts are {parts}", parts = part_names())]
    Part(String),
}

impl Levels {
    /// ERROR alone, for each part.
    pub const ERROR: Self = Self::of(LevelFilter::ERROR);
    /// INFO, WARN and ERROR, for each part.
    pub const INFO: Self = Self::of(LevelFilter::INFO);
    /// Everything, also a line for each connection.
    pub const DEBUG: Self = Self::of(LevelFilter::DEBUG);

    const fn of(all: LevelFilter) -> Self {
        Self { all, parts: BTreeMap::new() }
    }

    pub(super) fn targets(&self) -> Targets {
        let parts = self.parts.iter().filter_map(|(part, level)| {
            PARTS.iter().find(|(name, _)| name == part).map(|(_, module)| (*module, *level))
        });
        Targets::new().with_default(self.all).with_target(SYSTEM, LevelFilter::INFO).with_targets(parts)
    }
}

/// Levels and `PART=LEVEL` by comma, with blanks around them or not; the later of two for the same counts. Parts that are not named
/// have the level that stands alone, or `info`.
impl FromStr for Levels {
    type Err = LevelsError;

    fn from_str(text: &str) -> Result<Self, LevelsError> {
        let mut levels = Self::INFO;
        for word in text.split(',') {
            match word.split_once('=') {
                None => levels.all = level(word)?,
                Some((part, word)) => {
                    let known = PARTS.iter().find(|(name, _)| *name == part.trim());
                    let (name, _) = known.ok_or_else(|| LevelsError::Part(part.trim().to_owned()))?;
                    levels.parts.insert(name, level(word)?);
                }
            }
        }
        Ok(levels)
    }
}

impl fmt::Display for Levels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.all)?;
        self.parts.iter().try_for_each(|(part, level)| write!(f, ",{part}={level}"))
    }
}

/// The part that a module belongs to.
pub(super) fn part_of(module: &str) -> Option<&'static str> {
    PARTS.iter().find(|(_, path)| module.starts_with(path)).map(|(name, _)| *name)
}

fn level(word: &str) -> Result<LevelFilter, LevelsError> {
    let known = LEVELS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word.trim()));
    known.map(|(_, level)| *level).ok_or_else(|| LevelsError::Level(word.trim().to_owned()))
}

fn part_names() -> String {
    PARTS.map(|(name, _)| name).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_and_written() {
        for (text, shown) in [
            ("info", "info"),
            ("DEBUG", "debug"),
            ("error", "error"),
            ("replication=debug", "info,replication=debug"),
            (" warn , storage = info,scripts=error", "warn,scripts=error,storage=info"),
            ("server=debug,error,server=warn", "error,server=warn"),
        ] {
            let levels: Levels = text.parse().unwrap();
            assert_eq!(levels.to_string(), shown, "{text}");
            assert_eq!(shown.parse(), Ok(levels), "{text}");
        }
    }

    #[test]
    fn mistakes_say_what_can_be_written() {
        let error = |text: &str| text.parse::<Levels>().unwrap_err().to_string();
        for text in ["", "loud", "info,", "server=", "server=5", "off", "trace", "server"] {
            assert!(error(text).contains("is no level: write error, warn, info or debug"), "{text}");
        }
        for text in ["bogus=info", "=info", "lcnode::server=debug", "info,Server=info"] {
            assert!(error(text).contains("the parts are admin, commands, process, repl"), "{text}");
        }
    }

    #[test]
    fn modules_have_parts() {
        assert_eq!(part_of("lcnode::replication::link::master"), Some("replication"));
        assert_eq!(part_of("lcnode_storage::store"), Some("storage"));
        assert_eq!(part_of(module_path!()), None);
    }
}
