//! A full disk: puts fail and say so, reads and deletes go on, space comes back, nothing acknowledged is lost.
//!
//! On a file system of its own in memory, which only root can mount. Where that is not possible these tests
//! show nothing and say so; with `CI=true` root must be able to.

mod load;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::{ANSWER, Client, HASH, MEMORY, Node, eventually, folder, is_root, wire};

const VALUE: usize = 50_000;

/// A small file system. Dropping it unmounts it.
struct Disk {
    folder: TempDir,
}

impl Disk {
    fn mount(size: &str) -> Option<Self> {
        let folder = folder();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "lcnode-test"])
            .arg(folder.path())
            .output();
        let why = match mounted {
            Ok(output) if output.status.success() => return Some(Self { folder }),
            Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
            Err(error) => error.to_string(),
        };
        let must = is_root() && std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!must, "no file system for the test of a full disk: {why}");
        eprintln!("SKIPPED: no file system for the test of a full disk: {why}");
        None
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily, because a node that is only just killed may still hold it.
        let unmounted = Command::new("umount").arg("-l").arg(self.folder.path()).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("{} is still mounted", self.folder.path().display());
        }
    }
}

fn value(number: u32) -> Vec<u8> {
    let mut value = vec![number as u8; VALUE];
    value[..4].copy_from_slice(&number.to_be_bytes());
    value
}

fn key(number: u32) -> [u8; 4] {
    number.to_be_bytes()
}

/// Puts until one fails, which must come; gives the number of those that were acknowledged.
fn fill(client: &mut Client) -> u32 {
    let start = Instant::now();
    for number in 0.. {
        if !client.put(key(number), value(number)) {
            return number;
        }
        assert!(start.elapsed() < 2 * ANSWER, "{number} puts and the disk is not full");
    }
    unreachable!()
}

fn assert_whole(client: &mut Client, numbers: impl Iterator<Item = u32>) {
    for number in numbers {
        assert!(client.get(key(number)) == Some(value(number)), "record {number}");
    }
}

/// With the smallest disk that the default segments fit on, and with small segments.
#[test]
fn puts_fail_and_everything_else_goes_on() {
    for (size, segment_size) in [("300m", "64m"), ("40m", "1m")] {
        let Some(disk) = Disk::mount(size) else { return };
        let options = ["--segment-size", segment_size, HASH];
        let node = Node::start(disk.path(), &options);
        let mut client = node.client();
        assert_eq!(client.addint("counter", 5), Some(5));
        let stored = fill(&mut client);
        eprintln!("{stored} records of {VALUE} bytes on {size} with segments of {segment_size}");
        assert!(stored > 100);
        // Every kind of put fails, more than once, and says so.
        assert!(!client.put("new", value(1)) && !client.put(key(0), value(1)));
        assert!(!client.succeeds(&wire::putkeep(b"new", &value(1))));
        assert!(!client.succeeds(&wire::putcat(&key(0), &value(1))));
        assert_eq!(client.misc("put", &[b"new", &value(1)]), None);
        assert_eq!(client.misc("error", &[]).unwrap()[0], b"14: write error");
        assert!(node.log().contains("no space for the log"), "the log names the cause");
        assert!(
            client.stat_of("disk_full").is_some_and(|why| why.contains("No space left")),
            "stat names it too"
        );
        assert!(client.count_of("cnt_put_miss") >= 5);
        // Reads go on.
        assert_whole(&mut client, 0..stored);
        assert_eq!(client.rnum(), u64::from(stored) + 1);
        assert_eq!(client.keys().len(), stored as usize + 1);
        assert_eq!(client.fwmkeys(b"c", -1), [b"counter"]);
        // Deletes work, and give space back.
        for number in 0..stored {
            assert!(client.out(key(number)), "out of record {number} of {stored}");
            if number % 4 == 0 {
                // Time for compaction to take the spare segment, and the room for deletes with it.
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        assert_eq!(client.rnum(), 1);
        eventually("there is space again", ANSWER, || client.put("new", value(1)));
        eventually("stat says so", ANSWER, || client.stat_of("disk_full").is_none());
        assert_eq!(client.addint("counter", 1), Some(6));
        // Half as many fit again; each may have to wait until a dead segment is given back.
        for number in 0..stored / 2 {
            eventually("a record fits again", ANSWER, || client.put(key(number), value(number)));
        }
        assert_whole(&mut client, 0..stored / 2);
        fill(&mut client);
        assert_whole(&mut client, 0..stored / 2);
        assert!(client.succeeds(&wire::vanish()), "vanish works on a full disk");
        eventually("there is space again", ANSWER, || client.put("after", value(1)));
    }
}

#[test]
fn what_was_acknowledged_is_there_after_a_restart() {
    for killed in [true, false] {
        let Some(disk) = Disk::mount("40m") else { return };
        let options = ["--segment-size", "1m", HASH];
        let node = Node::start(disk.path(), &options);
        let mut client = node.client();
        let stored = fill(&mut client);
        // At once, or when compaction has given back the segment that it is using.
        for number in (0..stored).step_by(10) {
            eventually("a delete on a full disk", ANSWER, || client.out(key(number)));
        }
        drop(client);
        if killed {
            node.kill();
        } else {
            node.signal(nix::sys::signal::Signal::SIGTERM);
            let end = node.wait();
            assert!(end.success(), "the end on a full disk: {end}");
        }
        let node = Node::start(disk.path(), &options);
        let mut client = node.client();
        let left = (0..stored).filter(|number| number % 10 != 0);
        assert_eq!(client.rnum(), left.clone().count() as u64, "killed: {killed}");
        assert_whole(&mut client, left.clone());
        for number in left {
            assert!(client.out(key(number)));
        }
        eventually("there is space again", ANSWER, || client.put("new", value(1)));
    }
}

/// One record that needs a segment of its own: it fails where it does not fit, and the others go on.
#[test]
fn a_record_larger_than_the_space_fails_alone() {
    let Some(disk) = Disk::mount("40m") else { return };
    let node = Node::start(disk.path(), &["--segment-size", "1m", HASH]);
    let mut client = node.client();
    let large = vec![b'x'; 60 << 20];
    assert!(!client.put("large", &large));
    assert_eq!(client.get("large"), None);
    for number in 0..100 {
        assert!(client.put(key(number), value(number)), "record {number}");
    }
    let fits = vec![b'x'; 20 << 20];
    assert!(client.put("fits", &fits));
    assert!(!client.put("fits", &large));
    assert!(client.get("fits") == Some(fits));
    assert_whole(&mut client, 0..100);
}

#[test]
fn a_copy_that_does_not_fit_fails_and_leaves_nothing() {
    let Some(disk) = Disk::mount("40m") else { return };
    let data = folder();
    let database = data.path().join(HASH);
    let options = ["--segment-size", "1m", "--backup-dir", ".", database.to_str().unwrap()];
    let node = Node::start(disk.path(), &options);
    let mut client = node.client();
    for number in 0..1000 {
        assert!(client.put(key(number), value(number)));
    }
    assert!(!client.succeeds(&wire::copy(b"copied.tch")));
    let names: Vec<_> =
        std::fs::read_dir(disk.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["node.log"]);
    assert!(client.put("k", "v"), "the database itself has space");
    assert_whole(&mut client, 0..1000);
}

/// A disk too small to begin with: the start is refused at once, with the reason.
#[test]
fn a_start_without_space_is_refused() {
    let Some(disk) = Disk::mount("30m") else { return };
    let output = crate::support::Launch::new(disk.path(), &[HASH]).output();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("No space left on device"), "{message}");
    // In memory it needs none.
    let node = Node::start(disk.path(), &[MEMORY]);
    assert!(node.client().put("k", "v"));
    std::thread::sleep(Duration::from_millis(1));
}
