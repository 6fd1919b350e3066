//! SIGKILL at random moments under concurrent writers: every acknowledged write is there, and nothing
//! that was never written.
//!
//! The child is this same test binary. It acknowledges over a pipe; each of its threads has at most
//! one change that is not acknowledged. `LCNODE_KILLS` sets the kills for each mode (20).

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use lcnode_storage::{Options, Store, SyncMode};

use crate::random::{self, Random};
use crate::scene::{self, Model, small_segments};

const WRITERS: u64 = 4;
const KEYS: u64 = 300;
const SEGMENT: usize = 1 << 17;

/// The `version`th change of a writer: a key, and its value, none for a delete.
fn change(writer: u64, version: u64) -> (Vec<u8>, Option<Vec<u8>>) {
    let mut random = Random::new(writer << 40 | version);
    let key = format!("{writer}:{}", random.below(KEYS)).into_bytes();
    if random.below(5) == 0 {
        return (key, None);
    }
    let len = if random.below(300) == 0 { 30_000 } else { random.below(200) };
    let mut value = version.to_le_bytes().to_vec();
    value.extend(random.bytes(len));
    (key, Some(value))
}

fn mode(name: &str) -> SyncMode {
    match name {
        "always" => SyncMode::Always,
        "every" => SyncMode::Every(Duration::from_millis(5)),
        _ => SyncMode::Never,
    }
}

fn options(path: &Path, sync: SyncMode) -> Options {
    Options { sync, ..small_segments(path, SEGMENT) }
}

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits until all before the end of the log is durable.
fn wait_durable(store: &Store) {
    let position = store.end();
    let waker = Waker::from(std::sync::Arc::new(Unpark(std::thread::current())));
    loop {
        match store.poll_durable(position, &Context::from_waker(&waker)) {
            Poll::Ready(result) => return result.unwrap(),
            Poll::Pending => std::thread::park(),
        }
    }
}

/// The child: writes until it is killed. Does nothing in an ordinary run of the tests.
#[test]
fn child() {
    let Ok(path) = std::env::var("LCNODE_KILL_CHILD") else { return };
    let sync = mode(&std::env::var("LCNODE_KILL_MODE").unwrap());
    let first: Vec<u64> =
        std::env::var("LCNODE_KILL_FROM").unwrap().split(',').map(|number| number.parse().unwrap()).collect();
    let store = Store::open(options(Path::new(&path), sync)).unwrap();
    std::io::stdout().write_all(b"\nopen\n").unwrap();
    std::thread::scope(|scope| {
        for (writer, &first) in (0..).zip(&first) {
            let store = &store;
            scope.spawn(move || {
                for version in first.. {
                    match change(writer, version) {
                        (key, Some(value)) => store.put(&key, &value).unwrap(),
                        (key, None) => _ = store.delete(&key).unwrap(),
                    }
                    if sync == SyncMode::Always {
                        wait_durable(store);
                    }
                    let line = format!("{writer} {version}\n");
                    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
                    std::io::stdout().flush().unwrap();
                }
            });
        }
        scope.spawn(|| {
            loop {
                std::thread::sleep(Duration::from_millis(3));
                store.checkpoint().unwrap();
            }
        });
        loop {
            std::thread::sleep(Duration::from_millis(15));
            store.optimize().unwrap();
        }
    });
}

/// Ends with its owner.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// Runs a child, kills it some time after it opened the database (or while it does) and returns the
/// last acknowledged version of each writer, 0 for none.
fn run_and_kill(path: &Path, name: &str, from: &[u64], random: &mut Random) -> Vec<u64> {
    let list: Vec<String> = from.iter().map(u64::to_string).collect();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child", "--nocapture"])
        .env("LCNODE_KILL_CHILD", path)
        .env("LCNODE_KILL_MODE", name)
        .env("LCNODE_KILL_FROM", list.join(","))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut running = Running(child.unwrap());
    let output = BufReader::new(running.0.stdout.take().unwrap());
    let (opened, is_open) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut acknowledged = vec![0; WRITERS as usize];
        for line in output.split(b'\n') {
            let Ok(line) = String::from_utf8(line.unwrap()) else { continue };
            if line == "open" {
                _ = opened.send(());
            }
            // The last line may be cut short: a prefix of a number is a smaller one, so no matter.
            if let Some((writer, version)) = line.split_once(' ')
                && let (Ok(writer), Ok(version)) = (writer.parse::<usize>(), version.parse::<u64>())
            {
                acknowledged[writer] = version.max(acknowledged[writer]);
            }
        }
        acknowledged
    });
    if random.below(5) == 0 {
        std::thread::sleep(Duration::from_micros(random.below(8_000)));
    } else {
        is_open.recv_timeout(Duration::from_secs(60)).expect("the child did not open the database");
        std::thread::sleep(Duration::from_micros(random.below(60_000)));
    }
    running.0.kill().unwrap();
    running.0.wait().unwrap();
    reader.join().unwrap()
}

/// Applies a writer's changes to what it has.
fn apply(model: &mut Model, writer: u64, versions: std::ops::RangeInclusive<u64>) {
    for version in versions {
        match change(writer, version) {
            (key, Some(value)) => _ = model.insert(key, value),
            (key, None) => _ = model.remove(&key),
        }
    }
}

/// Checks one writer's keys: they are as after version `acknowledged`, or one later. Returns which.
fn check_writer(store: &Store, model: &mut Model, writer: u64, acknowledged: u64, scene: &str) -> u64 {
    let differs = |model: &Model| {
        (0..KEYS).find(|number| {
            let key = format!("{writer}:{number}").into_bytes();
            store.get(&key, <[u8]>::to_vec).unwrap().as_ref() != model.get(&key)
        })
    };
    let Some(different) = differs(model) else { return acknowledged };
    apply(model, writer, acknowledged + 1..=acknowledged + 1);
    if let Some(number) = differs(model) {
        panic!("{scene}: keys {different} and {number} of writer {writer} are not as after {acknowledged}");
    }
    acknowledged + 1
}

fn survive(name: &str) {
    let mut random = random::seeded(name);
    let kills = random::variable("LCNODE_KILLS").unwrap_or(20);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kill.tch");
    let copy = folder.path().join("copy.tch");
    let mut models = vec![Model::new(); WRITERS as usize];
    let mut done = vec![0; WRITERS as usize];
    let mut acknowledged_in_all = 0;
    for kill in 0..kills {
        let scene = format!("{name}, kill {kill}");
        let from: Vec<u64> = done.iter().map(|version| version + 1).collect();
        let acknowledged = run_and_kill(&path, name, &from, &mut random);
        for (writer, (model, done)) in models.iter_mut().zip(&mut done).enumerate() {
            let last = acknowledged[writer].max(*done);
            acknowledged_in_all += last - *done;
            apply(model, writer as u64, *done + 1..=last);
            *done = last;
        }
        // Half of the time the next child recovers by itself what this one left.
        let inspected = match random.below(2) {
            // It may have been killed before it made anything.
            _ if !path.exists() => &path,
            0 => &path,
            _ => {
                scene::copy_files(&path, &copy);
                &copy
            }
        };
        let store = Store::open(options(inspected, SyncMode::Never)).unwrap();
        for (writer, (model, done)) in models.iter_mut().zip(&mut done).enumerate() {
            *done = check_writer(&store, model, writer as u64, *done, &scene);
        }
        let records: usize = models.iter().map(Model::len).sum();
        assert_eq!(store.records(), records as u64, "{scene}: the number of records");
        assert_eq!(scene::keys(&store).len(), records, "{scene}: the number of keys");
        drop(store);
        if inspected == &copy {
            std::fs::remove_dir_all(&copy).unwrap();
        }
    }
    eprintln!("{name}: {kills} kills, {acknowledged_in_all} acknowledged writes, none lost");
}

#[test]
fn always() {
    survive("always");
}

#[test]
fn every() {
    survive("every");
}

#[test]
fn never() {
    survive("never");
}
