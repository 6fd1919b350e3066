//! Backup, restore and verify, of clusters of real nodes.
//!
//! | variable | what it does |
//! |---|---|
//! | `LCNODE_SEED` | the seed of every random test; else a new one each, printed when a test fails |
//! | `LCNODE_ROUNDS` | how many archives are damaged in each way, default 12 |
//! | `LCNODE_KILLS` | how often backups and restores are killed, default 6 |

mod damage;
mod full_disk;
mod interrupt;
mod load;
mod refusals;
mod remote;
mod verify;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lightcloud::tyrant::{Request, Server};

use crate::support::cluster::{self, Cluster};

/// What a run printed, and its exit code.
#[derive(Debug)]
struct Run {
    code: Option<i32>,
    text: String,
}

impl Run {
    /// It must have ended with this code and said all of these.
    #[track_caller]
    fn expect(self, code: i32, says: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.text);
        for part in says {
            assert!(self.text.contains(part), "{part:?} is not said:\n{}", self.text);
        }
        self
    }
}

fn run(command: &mut Command) -> Run {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    Run { code: status.code(), text }
}

fn lcmgr(cluster: &Cluster, words: &[&str]) -> Run {
    run(&mut cluster.lcmgr(words))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Puts records `0..count` of `len` bytes, which no compression makes smaller.
fn fill(server: &Server, rng: &mut fastrand::Rng, count: u32, len: usize) {
    let records: Vec<_> = (0..count)
        .map(|number| {
            (format!("key-{number}"), std::iter::repeat_with(|| rng.u8(..)).take(len).collect::<Vec<u8>>())
        })
        .collect();
    let puts = records.iter().map(|(key, value)| Request::Put { key: key.as_bytes(), value });
    let mut stored = 0;
    block(server.pipeline(puts, |_, answer| {
        assert_eq!(answer, lightcloud::tyrant::Answer::Success);
        stored += 1;
    }))
    .unwrap();
    assert_eq!(stored, count);
}

/// Runs a future on this thread.
fn block<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn digest(server: &cluster::Server) -> Vec<u8> {
    let digest = block(server.client().misc("digest", 0, [])).unwrap().expect("it tells its digest");
    digest[0].to_vec()
}

fn records(server: &cluster::Server) -> u64 {
    block(server.client().rnum()).unwrap()
}

/// All files below a directory, with what is in them.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.insert(path.clone(), Vec::new());
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    found
}

/// Names in a directory; none where it is not there.
fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Nothing of a backup or restore may be left on the servers.
#[track_caller]
fn assert_nothing_left(cluster: &Cluster) {
    for server in &cluster.servers {
        assert_eq!(names(&server.backup_dir()), [""; 0], "{}", server.name);
        let left = names(&server.data_dir).into_iter().filter(|name| name.starts_with("lcmgr-restore@"));
        assert_eq!(left.collect::<Vec<_>>(), [""; 0], "{}", server.name);
    }
}

/// A generator for the test `name`, whose seed is printed.
fn rng(name: &str) -> fastrand::Rng {
    let seed = number_from_env("LCNODE_SEED").unwrap_or_else(|| fastrand::u64(..));
    eprintln!("{name}: LCNODE_SEED={seed}");
    fastrand::Rng::with_seed(seed)
}

fn number_from_env(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}
