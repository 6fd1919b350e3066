//! Each call of the medium fails once, at every position of a life with all that a store does: nothing
//! acknowledged is lost, reads go on, and after a failed sync nothing more is written.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lcnode_storage::{Error, Options, Store, SyncMode};

use crate::faulty::{Call, Faulty};
use crate::random::{self, Random};
use crate::scene::{self, Model, check, small_segments};

const SEGMENT: usize = 1 << 16;
/// Calls of one kind in such a life, at most.
const MOST: u64 = 400;

const CALLS: [Call; 10] = [
    Call::Create,
    Call::Sync,
    Call::Cut,
    Call::Wipe,
    Call::Remove,
    Call::RemoveHalf,
    Call::WriteWhole,
    Call::Open,
    Call::ReadAt,
    Call::List,
];

/// A change of one key that failed: it may have happened or not.
type Doubt = (Vec<u8>, Option<Vec<u8>>);

struct Life {
    medium: Arc<Faulty>,
    options: Options,
    model: Model,
    doubts: Vec<Doubt>,
    scene: String,
}

impl Life {
    /// Opens the database. A start that fails says why, and goes well when it is tried again.
    fn open(&self) -> Store {
        let open = || Store::on(self.medium.clone(), self.options.clone(), None);
        open().unwrap_or_else(|error| {
            assert!(matches!(error, Error::Io { .. }), "{}: {error}", self.scene);
            assert!(error.to_string().contains("as scripted"), "{}: {error}", self.scene);
            open().unwrap_or_else(|error| panic!("{}: the second try: {error}", self.scene))
        })
    }

    /// An error must be one that says what failed; after some no more writes are taken.
    fn look_at(&self, store: &Store, error: &Error) {
        let scene = &self.scene;
        let text = error.to_string();
        assert!(text.contains("as scripted"), "{scene}: {text}");
        match error {
            Error::Failed(_) => {
                assert!(store.failure().is_some(), "{scene}: {text}");
                assert!(matches!(store.put(b"refused", b""), Err(Error::Failed(_))), "{scene}: {text}");
                assert!(matches!(store.sync(), Err(Error::Failed(_))), "{scene}: {text}");
            }
            Error::Full(_) | Error::Io { .. } => {}
            _ => panic!("{scene}: {text}"),
        }
    }

    /// Makes so many changes, or fewer once the store takes no more.
    fn change(&mut self, store: &Store, random: &mut Random, count: u64) {
        for _ in 0..count {
            let key = format!("key {}", random.below(80)).into_bytes();
            let value = (random.below(5) > 0).then(|| {
                let len = random.below(2_500);
                random.bytes(len)
            });
            let done = match &value {
                Some(value) => store.put(&key, value),
                None => store.delete(&key).map(drop),
            };
            match (done, value) {
                (Ok(()), Some(value)) => _ = self.model.insert(key, value),
                (Ok(()), None) => _ = self.model.remove(&key),
                (Err(error), value) => {
                    self.doubts.push((key, value));
                    self.look_at(store, &error);
                    if store.failure().is_some() {
                        return;
                    }
                    wait_for_space(store, &self.scene);
                }
            }
        }
    }

    /// All that was acknowledged is there; what failed is there or not, from now on one or the other.
    fn check(&mut self, store: &Store) {
        for (key, value) in std::mem::take(&mut self.doubts) {
            if store.get(&key, <[u8]>::to_vec).unwrap() == value {
                match value {
                    Some(value) => _ = self.model.insert(key, value),
                    None => _ = self.model.remove(&key),
                }
            }
        }
        check(store, &self.model, &self.scene);
    }

    /// One of all things, one after the other.
    fn live(&mut self, random: &mut Random) {
        for round in 0..2 {
            let store = self.open();
            self.check(&store);
            for _ in 0..3 {
                self.change(&store, random, 60);
                for done in [store.sync(), store.optimize()] {
                    done.unwrap_or_else(|error| self.look_at(&store, &error));
                }
                self.check(&store);
            }
            self.change(&store, random, 20);
            if round == 0 {
                store
                    .close()
                    .unwrap_or_else(|error| assert!(error.to_string().contains("as scripted"), "{error}"));
                continue;
            }
            // As a kill leaves it, with a torn end.
            let path = self.path().with_extension("killed");
            scene::crash(&self.path(), &path);
            drop(store);
            std::fs::remove_dir_all(self.path()).unwrap();
            std::fs::rename(&path, self.path()).unwrap();
            self.tear();
            let store = self.open();
            self.check(&store);
        }
    }

    fn path(&self) -> std::path::PathBuf {
        match &self.options.place {
            lcnode_storage::Place::Directory(path) => path.clone(),
            lcnode_storage::Place::Memory => unreachable!(),
        }
    }

    /// Writes something behind the last record.
    fn tear(&self) {
        let files = scene::segments(&self.path());
        let last = files.iter().rev().find(|file| scene::used(file) > 64).unwrap();
        let end = scene::used(last);
        if end + 100 < std::fs::metadata(last).unwrap().len() {
            scene::patch(last, end + 9, b"torn");
        }
    }
}

fn wait_for_space(store: &Store, scene: &str) {
    let started = Instant::now();
    while store.full().is_some() {
        assert!(started.elapsed() < Duration::from_secs(30), "{scene}: no space came");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Lives with the call at one position failing; says whether there was one.
fn live_with(call: Call, position: u64, seed: u64) -> bool {
    let folder = scene::quick_folder();
    let path = folder.path().join("life.tch");
    let medium = Faulty::new(&path);
    medium.fail(call, position, 1);
    let mut life = Life {
        medium: medium.clone(),
        options: Options { sync: SyncMode::Never, ..small_segments(&path, SEGMENT) },
        model: Model::new(),
        doubts: Vec::new(),
        scene: format!("{call:?} fails at position {position}"),
    };
    life.live(&mut Random::new(seed));
    let failed = medium.failed() > 0;
    medium.heal();
    let store = life.open();
    life.check(&store);
    life.change(&store, &mut Random::new(seed), 50);
    life.check(&store);
    failed
}

#[test]
fn each_call_fails_once_at_every_position() {
    let seed = random::seed("each_call_fails_once_at_every_position");
    for call in CALLS {
        let mut position = 0;
        while live_with(call, position, seed) {
            position += 1;
            assert!(position < MOST, "{call:?}");
        }
        eprintln!("{call:?} failed at {position} positions");
        assert!(position > 0, "{call:?} is never made");
    }
}

#[test]
fn a_table_for_which_there_is_no_memory_is_an_error() {
    let folder = scene::quick_folder();
    let path = folder.path().join("large.tch");
    // 64 bytes a bucket: more than an address space holds is asked for only where the limit lets it.
    let limit = "ulimit -v 4000000; exec \"$0\" --exact each_call::child_without_memory --nocapture";
    let output = std::process::Command::new("sh")
        .args(["-c", limit])
        .arg(std::env::current_exe().unwrap())
        .env("LCNODE_LARGE_TABLE", &path)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("cannot allocate memory for the table"), "{text}");
    // It is no reason to lose the database.
    Store::open(small_segments(&path, SEGMENT)).unwrap().put(b"key", b"value").unwrap();
}

/// Run with little memory by the test above; does nothing in an ordinary run of the tests.
#[test]
fn child_without_memory() {
    let Ok(path) = std::env::var("LCNODE_LARGE_TABLE") else { return };
    let options = small_segments(path.as_ref(), SEGMENT);
    Store::open(options.clone()).unwrap().close().unwrap();
    std::fs::remove_file(std::path::Path::new(&path).join("index/checkpoint")).unwrap();
    let error = Store::open(Options { buckets: 1 << 32, ..options }).unwrap_err();
    eprintln!("{error}");
}
