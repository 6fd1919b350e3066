//! What fails, fails cleanly: no acknowledged write is lost, reads go on, the error says what it was,
//! and once there is space again writing goes on.

use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use lcnode_storage::{Error, Options, Store, SyncMode};

use crate::faulty::{Call, Faulty};
use crate::random::{self, Random};
use crate::scene::{Model, check, small_segments};

const SEGMENT: usize = 1 << 16;
const ALWAYS: u64 = u64::MAX;

struct Scene {
    _folder: tempfile::TempDir,
    path: PathBuf,
    medium: Arc<Faulty>,
    model: Model,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("faults.tch");
        let medium = Faulty::new(&path);
        Self { _folder: folder, path, medium, model: Model::new() }
    }

    fn open(&self, sync: SyncMode) -> Store {
        let options = Options { sync, ..small_segments(&self.path, SEGMENT) };
        Store::on(self.medium.clone(), options, None).unwrap()
    }

    fn put(&mut self, store: &Store, key: &[u8], value: &[u8]) -> Result<(), Error> {
        store.put(key, value)?;
        self.model.insert(key.to_vec(), value.to_vec());
        Ok(())
    }

    fn delete(&mut self, store: &Store, key: &[u8]) -> Result<(), Error> {
        let existed = store.delete(key)?;
        assert_eq!(existed, self.model.remove(key).is_some());
        Ok(())
    }

    /// Puts random records until that fails; returns the error.
    fn fill(&mut self, store: &Store, random: &mut Random, spread: u64) -> Error {
        loop {
            let key = random.below(spread).to_be_bytes();
            let len = random.below(300);
            if let Err(error) = self.put(store, &key, &random.bytes(len)) {
                return error;
            }
        }
    }

    fn fill_some(&mut self, store: &Store, random: &mut Random, spread: u64, count: u64) {
        for _ in 0..count {
            let key = random.below(spread).to_be_bytes();
            let len = random.below(300);
            self.put(store, &key, &random.bytes(len)).unwrap();
        }
    }

    /// Reopens without faults and compares, with and without what a close leaves.
    fn reopen_and_check(self, store: Store, scene: &str) {
        self.medium.heal();
        let killed = self.path.with_extension("killed");
        crate::scene::crash(&self.path, &killed);
        drop(store);
        for path in [killed, self.path.clone()] {
            let store = Store::open(small_segments(&path, SEGMENT)).unwrap();
            check(&store, &self.model, scene);
        }
    }
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_secs(30), "{what} did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_full_disk_refuses_puts_and_nothing_else() {
    let mut random = random::seeded("a_full_disk_refuses_puts_and_nothing_else");
    for spread in [500, 2_000, 1_000_000] {
        let mut scene = Scene::new();
        let store = scene.open(SyncMode::Never);
        scene.medium.limit(20 * SEGMENT as u64);
        let error = scene.fill(&store, &mut random, spread.max(4_000));
        assert!(matches!(error, Error::Full(_)), "{error}");
        assert!(error.to_string().contains("no space"), "{error}");
        check(&store, &scene.model, "on a full disk");
        // Deletes go through at once or as soon as compaction has made room.
        let mut keys: Vec<Vec<u8>> = scene.model.keys().cloned().collect();
        let mut deleted = 0;
        while keys.len() > 100 {
            let key = keys.swap_remove(random.below(keys.len() as u64) as usize);
            let started = Instant::now();
            while let Err(error) = scene.delete(&store, &key) {
                assert!(matches!(error, Error::Full(_)), "{error}");
                assert!(started.elapsed() < Duration::from_secs(30), "no room for a delete after {deleted}");
                std::thread::sleep(Duration::from_millis(5));
            }
            deleted += 1;
        }
        wait_until("space coming back", || store.full().is_none());
        for _ in 0..1_000 {
            let (key, len) = (random.below(100).to_be_bytes(), random.below(300));
            let value = random.bytes(len);
            wait_until("room for a put", || scene.put(&store, &key, &value).is_ok());
        }
        check(&store, &scene.model, "after space came back");
        scene.reopen_and_check(store, "after a full disk");
    }
}

#[test]
fn overwriting_on_a_nearly_full_disk_goes_on() {
    let mut random = random::seeded("overwriting_on_a_nearly_full_disk_goes_on");
    let mut scene = Scene::new();
    let store = scene.open(SyncMode::Never);
    scene.medium.limit(12 * SEGMENT as u64);
    let mut refused = 0_u64;
    for _ in 0..60_000 {
        let (key, len) = (random.below(500).to_be_bytes(), random.below(300));
        let value = random.bytes(len);
        let started = Instant::now();
        while let Err(error) = scene.put(&store, &key, &value) {
            assert!(matches!(error, Error::Full(_)), "{error}");
            assert!(started.elapsed() < Duration::from_secs(30), "stuck");
            refused += 1;
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    eprintln!("{refused} times refused, {:?}", store.figures());
    check(&store, &scene.model, "on a nearly full disk");
    scene.reopen_and_check(store, "after a nearly full disk");
}

#[test]
fn a_kill_on_a_full_disk_leaves_it_usable() {
    let mut random = random::seeded("a_kill_on_a_full_disk_leaves_it_usable");
    let mut scene = Scene::new();
    let store = scene.open(SyncMode::Never);
    let limit = 20 * SEGMENT as u64;
    scene.medium.limit(limit);
    scene.fill(&store, &mut random, 1_000_000);
    let path = scene.path.with_extension("killed");
    crate::scene::crash(&scene.path, &path);
    let medium = Faulty::new(&path);
    medium.limit(limit);
    let after = Store::on(medium, small_segments(&path, SEGMENT), None).unwrap();
    check(&after, &scene.model, "reopened on a full disk");
    wait_until("the full state", || after.full().is_some());
    let keys: Vec<Vec<u8>> = scene.model.keys().cloned().collect();
    for key in keys.iter().step_by(2).chain(keys.iter().skip(1).step_by(4)) {
        wait_until("room for a delete", || after.delete(key).is_ok());
        scene.model.remove(key);
    }
    wait_until("space coming back", || after.full().is_none());
    after.put(b"new", b"value").unwrap();
    scene.model.insert(b"new".to_vec(), b"value".to_vec());
    check(&after, &scene.model, "after space came back");
}

#[test]
fn one_failed_allocation_is_got_over() {
    let mut random = random::seeded("one_failed_allocation_is_got_over");
    let mut scene = Scene::new();
    let store = scene.open(SyncMode::Never);
    wait_until("the first spare", || crate::scene::segments(&scene.path).len() == 2);
    scene.medium.fail(Call::Create, 0, 1);
    let error = scene.fill(&store, &mut random, 1_000);
    assert!(matches!(error, Error::Full(_)), "{error}");
    wait_until("another try", || store.full().is_none());
    scene.fill_some(&store, &mut random, 1_000, 5_000);
    scene.reopen_and_check(store, "after a failed allocation");
}

#[test]
fn a_large_record_that_finds_no_space_harms_no_other() {
    let mut random = random::seeded("a_large_record_that_finds_no_space_harms_no_other");
    let mut scene = Scene::new();
    let store = scene.open(SyncMode::Never);
    scene.medium.limit(100 * SEGMENT as u64);
    scene.fill_some(&store, &mut random, 1_000, 1_000);
    for len in [99 * SEGMENT, 95 * SEGMENT, 99 * SEGMENT] {
        let error = scene.put(&store, b"large", &vec![1; len]).unwrap_err();
        assert!(matches!(error, Error::Full(_)), "{error}");
        scene.fill_some(&store, &mut random, 1_000, 100);
    }
    scene.put(&store, b"large", &[2; 30 * SEGMENT]).unwrap();
    scene.fill_some(&store, &mut random, 1_000, 1_000);
    scene.put(&store, b"large", &[3; 30 * SEGMENT]).unwrap();
    check(&store, &scene.model, "after large records");
    scene.reopen_and_check(store, "after large records");
}

#[test]
fn a_segment_that_was_made_for_nothing_is_given_back() {
    let mut scene = Scene::new();
    let store = scene.open(SyncMode::Never);
    wait_until("a spare", || crate::scene::segments(&scene.path).len() == 2);
    scene.put(&store, b"key", b"value").unwrap();
    // Room for the segment of a large record, but not for the spare behind it.
    let large = 10 * SEGMENT;
    scene.medium.limit((2 * SEGMENT + large + SEGMENT) as u64);
    let error = scene.put(&store, b"large", &vec![1; large]).unwrap_err();
    assert!(matches!(error, Error::Full(_)), "{error}");
    assert!(scene.medium.failed() > 0);
    let files = crate::scene::segments(&scene.path);
    let bytes: u64 = files.iter().map(|file| std::fs::metadata(file).unwrap().len()).sum();
    assert!(bytes <= 3 * SEGMENT as u64, "{bytes} bytes in {files:?}");
    scene.medium.heal();
    scene.put(&store, b"large", &vec![1; large]).unwrap();
    scene.reopen_and_check(store, "after a segment was made for nothing");
}

fn poll(store: &Store) -> Poll<Result<(), Error>> {
    store.poll_durable(store.end(), &Context::from_waker(Waker::noop()))
}

#[test]
fn after_a_failed_sync_writes_are_refused_and_reads_go_on() {
    for (call, pass) in [(Call::Sync, 0), (Call::Sync, 7), (Call::Cut, 0), (Call::Cut, 3)] {
        let mut random = random::seeded("after_a_failed_sync_writes_are_refused_and_reads_go_on");
        let mut scene = Scene::new();
        let store = scene.open(SyncMode::Always);
        scene.medium.fail(call, pass, 1);
        let error = loop {
            let (key, len) = (random.below(500).to_be_bytes(), random.below(300));
            let value = random.bytes(len);
            if let Err(error) = scene.put(&store, &key, &value) {
                break error;
            }
            if let Err(error) = store.sync() {
                break error;
            }
        };
        assert!(matches!(error, Error::Failed(_)), "{call:?}: {error}");
        let failed = scene.medium.failed();
        for _ in 0..10 {
            assert!(matches!(store.put(b"key", b"value"), Err(Error::Failed(_))));
            assert!(matches!(store.delete(b"key"), Err(Error::Failed(_))));
            assert!(matches!(store.vanish(), Err(Error::Failed(_))));
            assert!(matches!(store.sync(), Err(Error::Failed(_))));
            assert!(matches!(store.optimize(), Err(Error::Failed(_))));
        }
        assert!(matches!(poll(&store), Poll::Ready(Err(Error::Failed(_)))));
        assert!(store.failure().unwrap().contains("as scripted"), "{:?}", store.failure());
        assert_eq!(scene.medium.failed(), failed, "nothing was tried again");
        check(&store, &scene.model, "after a failed sync");
        scene.medium.heal();
        let killed = scene.path.with_extension("killed");
        crate::scene::crash(&scene.path, &killed);
        assert!(matches!(store.close(), Err(Error::Failed(_))));
        assert!(!scene.path.join("index/checkpoint").exists(), "no checkpoint after a failure");
        for path in [&scene.path, &killed] {
            let store = Store::open(small_segments(path, SEGMENT)).unwrap();
            check(&store, &scene.model, "reopened after a failed sync");
        }
    }
}

#[test]
fn all_who_wait_learn_of_a_failed_sync_and_it_is_not_tried_again() {
    let scene = Scene::new();
    let store = scene.open(SyncMode::Never);
    scene.medium.fail(Call::Sync, 0, 1);
    std::thread::scope(|scope| {
        for thread in 0..8_u8 {
            let store = &store;
            scope.spawn(move || {
                let written = store.put(&[thread], b"value");
                assert!(written.and_then(|()| store.sync()).is_err());
            });
        }
    });
    assert_eq!(scene.medium.failed(), 1);
}

#[test]
fn a_segment_that_cannot_be_removed_brings_nothing_back() {
    let mut random = random::seeded("a_segment_that_cannot_be_removed_brings_nothing_back");
    let mut scene = Scene::new();
    let store = scene.open(SyncMode::Never);
    scene.fill_some(&store, &mut random, 1_000, 2_000);
    scene.medium.fail(Call::Remove, 0, ALWAYS);
    for key in scene.model.keys().cloned().collect::<Vec<_>>() {
        scene.delete(&store, &key).unwrap();
    }
    scene.fill_some(&store, &mut random, 50, 2_000);
    let error = store.optimize().unwrap_err();
    assert!(error.to_string().contains("cannot remove"), "{error}");
    scene.fill_some(&store, &mut random, 50, 500);
    check(&store, &scene.model, "while nothing can be removed");
    scene.reopen_and_check(store, "after nothing could be removed");
}

#[test]
fn a_removal_that_may_not_last_refuses_writes() {
    let mut random = random::seeded("a_removal_that_may_not_last_refuses_writes");
    let mut scene = Scene::new();
    let store = scene.open(SyncMode::Never);
    scene.medium.fail(Call::RemoveHalf, 0, 1);
    let error = scene.fill(&store, &mut random, 100);
    assert!(matches!(error, Error::Failed(_)), "{error}");
    check(&store, &scene.model, "after a removal that may not last");
    scene.reopen_and_check(store, "after a removal that may not last");
}

#[test]
fn a_checkpoint_that_cannot_be_written_costs_time_only() {
    let mut random = random::seeded("a_checkpoint_that_cannot_be_written_costs_time_only");
    for round in 0..2 {
        let mut scene = Scene::new();
        let store = scene.open(SyncMode::Never);
        scene.fill_some(&store, &mut random, 1_000, 3_000);
        let store = match round {
            0 => store,
            // An older checkpoint is there then.
            _ => {
                store.close().unwrap();
                scene.open(SyncMode::Never)
            }
        };
        scene.fill_some(&store, &mut random, 1_000, 3_000);
        scene.medium.fail(Call::WriteWhole, 0, 1);
        let error = store.close().unwrap_err();
        assert!(error.to_string().contains("cannot write"), "{error}");
        let store = Store::open(small_segments(&scene.path, SEGMENT)).unwrap();
        check(&store, &scene.model, "without a new checkpoint");
    }
}

#[test]
fn creating_a_database_can_fail_at_any_step_and_be_tried_again() {
    let steps = [(Call::WriteWhole, 0), (Call::Create, 0), (Call::WriteWhole, 1)];
    for (call, pass) in steps {
        let mut scene = Scene::new();
        scene.medium.fail(call, pass, 1);
        let opened = Store::on(scene.medium.clone(), small_segments(&scene.path, SEGMENT), None);
        assert!(matches!(opened, Err(Error::Io { .. })), "{call:?}: {opened:?}");
        let store = Store::open(small_segments(&scene.path, SEGMENT)).unwrap();
        scene.put(&store, b"key", b"value").unwrap();
        scene.reopen_and_check(store, "a database that was hard to make");
    }
}

#[test]
fn emptying_a_database_can_fail_at_any_step_and_be_tried_again() {
    let steps = [
        (Call::WriteWhole, 0),
        (Call::Remove, 0),
        (Call::Remove, 2),
        (Call::Create, 0),
        (Call::WriteWhole, 1),
    ];
    for (call, pass) in steps {
        let mut random = random::seeded("emptying_a_database_can_fail_at_any_step_and_be_tried_again");
        let mut scene = Scene::new();
        let store = scene.open(SyncMode::Never);
        scene.fill_some(&store, &mut random, 1_000, 2_000);
        store.close().unwrap();
        scene.medium.fail(call, pass, 1);
        let truncating = Options { truncate: true, ..small_segments(&scene.path, SEGMENT) };
        let opened = Store::on(scene.medium.clone(), truncating, None);
        assert!(matches!(opened, Err(Error::Io { .. })), "{call:?}: {opened:?}");
        let store = Store::open(small_segments(&scene.path, SEGMENT)).unwrap();
        // Either all is still there, or nothing is.
        let expected = if (call, pass) == (Call::WriteWhole, 0) { scene.model.clone() } else { Model::new() };
        check(&store, &expected, "a database that was hard to empty");
    }
}

#[test]
fn a_torn_end_that_cannot_be_mended_is_an_error_and_harms_nothing() {
    let mut scene = Scene::new();
    let store = scene.open(SyncMode::Never);
    scene.put(&store, b"key", b"value").unwrap();
    let path = scene.path.with_extension("killed");
    crate::scene::crash(&scene.path, &path);
    drop(store);
    let end = crate::scene::used(&crate::scene::segment(&path, 1));
    crate::scene::patch(&crate::scene::segment(&path, 1), end + 3, b"torn");
    let medium = Faulty::new(&path);
    medium.fail(Call::Wipe, 0, 1);
    let opened = Store::on(medium, small_segments(&path, SEGMENT), None);
    assert!(matches!(opened, Err(Error::Io { .. })), "{opened:?}");
    let store = Store::open(small_segments(&path, SEGMENT)).unwrap();
    check(&store, &scene.model, "after a torn end");
}
