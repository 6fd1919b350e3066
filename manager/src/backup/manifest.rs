//! What an archive says of itself: `manifest.json`, its last file.

use std::collections::HashSet;
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

use crate::config::Role;

/// The file's name in the archive.
pub const NAME: &str = "manifest.json";
/// The format written now, and the newest that is read.
pub const FORMAT: u32 = 1;

/// What an archive holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Of the archive: [`FORMAT`].
    pub format: u32,
    /// When the copies were asked for, as RFC 3339.
    pub made: String,
    /// What made it.
    pub program: String,
    /// The text of the file that described the cluster then.
    pub cluster: String,
    /// The copies, in the order in which they are in the archive.
    pub copies: Vec<Copy>,
}

/// The database of one server as of one position of its log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Copy {
    /// The node.
    pub node: String,
    /// Its label of a pair of rings.
    pub system: String,
    /// Its ring: `lookup` or `storage`.
    pub role: Role,
    /// Its weight there.
    pub weight: u32,
    /// The server that made it.
    pub server: String,
    /// Where that listened.
    pub address: String,
    /// Its server id.
    pub server_id: u16,
    /// How it stood to the others of its node then.
    pub standing: String,
    /// Records right after the copy was made; where there were writers this differs from what is in it.
    pub records: u64,
    /// What the copy says of itself.
    #[serde(flatten)]
    pub position: Position,
    /// Its files, in the order in which they are in the archive.
    pub files: Vec<File>,
}

/// The file `backup` of a copy: where in the log it ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The id of the database, 32 digits of base 16.
    pub database_id: String,
    /// The segment in which the log ends.
    pub segment: u64,
    /// The offset in that, in bytes.
    pub offset: u64,
    /// Time of the last change in it, in microseconds since 1970; 0 where there was none.
    pub last_change: u64,
    /// When it was made, in microseconds since 1970.
    pub taken: u64,
}

/// A file of a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Below the directory of the database, with `/`.
    pub path: String,
    /// Bytes.
    pub bytes: u64,
    /// SHA-256, 64 digits of base 16.
    pub sha256: String,
}

impl Manifest {
    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.copies.iter().map(Copy::bytes).fold(0, u64::saturating_add)
    }

    /// What no archive says that was made here, as names that lead elsewhere.
    pub fn check(&self) -> Result<(), String> {
        if self.copies.is_empty() {
            return Err("its manifest names no database".to_owned());
        }
        let mut servers = HashSet::new();
        for copy in &self.copies {
            if !is_name(&copy.server) || !is_name(&copy.node) {
                return Err(format!("its manifest has {:?} as a name", copy.server));
            }
            if !servers.insert(&copy.server) {
                return Err(format!("its manifest has {} twice", copy.server));
            }
            let mut paths = HashSet::new();
            for file in &copy.files {
                let is_plain = Path::new(&file.path).components().all(|c| matches!(c, Component::Normal(_)));
                if !is_plain || !paths.insert(&file.path) || file.path.is_empty() || file.path.contains('\0')
                {
                    return Err(format!("its manifest has {:?} as a file of {}", file.path, copy.server));
                }
            }
        }
        Ok(())
    }
}

impl Copy {
    /// Bytes of its files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).fold(0, u64::saturating_add)
    }

    /// The directory in the archive, and of the database that is made of it.
    pub fn folder(&self) -> String {
        format!("{}.tch", self.server)
    }
}

impl Position {
    /// Reads the file `backup` of a copy. It is not checked here: who restores the copy does that.
    pub fn parse(text: &str) -> Option<Self> {
        let value = |name: &str| {
            text.lines()
                .filter_map(|line| line.split_once(" = "))
                .find(|line| line.0 == name)
                .map(|line| line.1)
        };
        let number = |name: &str| value(name)?.parse().ok();
        Some(Self {
            database_id: value("id")?.to_owned(),
            segment: number("segment")?,
            offset: number("offset")?,
            last_change: number("last change")?,
            taken: number("taken")?,
        })
    }
}

/// Whether a text can be the name of a directory.
fn is_name(text: &str) -> bool {
    !matches!(text, "" | "." | "..") && text.len() < 240 && !text.contains(['/', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(server: &str, paths: &[&str]) -> Manifest {
        let file = |path: &&str| File { path: (*path).to_owned(), bytes: 1, sha256: String::new() };
        let position = "format = 1\nid = 00\nsegment = 3\noffset = 64\nlast change = 5\ntaken = 6\ncrc = 0\n";
        let copy = Copy {
            node: "storage1_A".into(),
            system: "default".into(),
            role: Role::Storage,
            weight: 1,
            server: server.into(),
            address: "a:1".into(),
            server_id: 1,
            standing: String::new(),
            records: 0,
            position: Position::parse(position).unwrap(),
            files: paths.iter().map(file).collect(),
        };
        let text = String::new();
        Manifest {
            format: FORMAT,
            made: text.clone(),
            program: text.clone(),
            cluster: text,
            copies: vec![copy],
        }
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let manifest = manifest("storage1_A-1", &["meta", "log/1"]);
        let text = serde_json::to_string(&manifest).unwrap();
        assert_eq!(serde_json::from_str::<Manifest>(&text).unwrap(), manifest);
        assert_eq!(manifest.copies[0].position.segment, 3);
        assert_eq!(manifest.bytes(), 2);
        assert_eq!(manifest.check(), Ok(()));
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for server in ["", ".", "..", "a/b", "../a"] {
            assert!(manifest(server, &["meta"]).check().is_err(), "{server}");
        }
        for path in ["", "/etc/passwd", "../meta", "log/../../x", ".", "a\0"] {
            assert!(manifest("a", &[path]).check().is_err(), "{path}");
        }
        assert!(manifest("a", &["meta", "meta"]).check().is_err());
        let mut twice = manifest("a", &["meta"]);
        twice.copies.push(twice.copies[0].clone());
        assert!(twice.check().is_err());
    }
}
