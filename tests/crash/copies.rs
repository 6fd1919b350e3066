//! SIGKILL while copies are made under writers: the node goes on, and a copy that has its name is whole.
//!
//! Each writer puts its keys in turn, over and over, so that what is there tells how many puts were made, and
//! whether any before them is missing. `LCNODE_KILLS` sets how often the node is killed (6).

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{scope, sleep};
use std::time::Duration;

use crate::support::{Client, HASH, Node, folder, number_from_env, rng, wire};

const WRITERS: usize = 3;
const KEYS: u64 = 40;
const OPTIONS: [&str; 7] = ["-thnum", "2", "--segment-size", "64k", "--backup-dir", "backups", HASH];

type Counts = [u64; WRITERS];

fn key(writer: usize, key: u64) -> Vec<u8> {
    format!("{writer} {key}").into_bytes()
}

/// What the put with this number, from 0, puts.
fn value(put: u64) -> Vec<u8> {
    let filler = put.wrapping_mul(997) % 700;
    [&put.to_be_bytes()[..], &vec![put as u8; filler as usize]].concat()
}

/// Puts from its `done`th put on until the connection ends.
fn write(client: &mut Client, writer: usize, done: &AtomicU64) {
    loop {
        let put = done.load(Ordering::Relaxed);
        let request = wire::put(&key(writer, put % KEYS), &value(put));
        match client.try_send(&request).and_then(|()| client.try_take::<1>()) {
            Ok(code) => assert_eq!(code, [0], "put {put} of writer {writer}"),
            Err(_) => return,
        }
        done.store(put + 1, Ordering::Relaxed);
    }
}

/// How many puts of each writer there are. The last of each key must be there, and be whole.
fn counts(client: &mut Client, scene: &str) -> Counts {
    let counts = std::array::from_fn(|writer| {
        let found: Vec<Option<Vec<u8>>> = (0..KEYS).map(|number| client.get(key(writer, number))).collect();
        let number = |value: &Vec<u8>| u64::from_be_bytes(value[..8].try_into().unwrap());
        let count = found.iter().flatten().map(|value| number(value) + 1).max().unwrap_or(0);
        for (number, found) in (0..KEYS).zip(&found) {
            let last = (number..count).step_by(KEYS as usize).last().map(value);
            assert!(*found == last, "{scene}: key {number} of writer {writer} is not as after {count} puts");
        }
        count
    });
    assert_eq!(client.rnum(), counts.iter().map(|&count| count.min(KEYS)).sum::<u64>(), "{scene}: rnum");
    counts
}

/// A copy that was acknowledged, and how many puts had been when it was asked for.
struct Copy {
    name: String,
    asked: Counts,
}

/// Copies until the connection ends.
fn copy(client: &mut Client, kill: u64, done: &[AtomicU64; WRITERS]) -> Vec<Copy> {
    let mut copies = Vec::new();
    for number in 0.. {
        let name = format!("{kill}-{number}.tch");
        let asked = std::array::from_fn(|writer| done[writer].load(Ordering::Relaxed));
        match client.try_send(&wire::copy(name.as_bytes())).and_then(|()| client.try_take::<1>()) {
            Ok(code) => assert_eq!(code, [0], "copy {name}"),
            Err(_) => break,
        }
        copies.push(Copy { name, asked });
    }
    copies
}

#[derive(Debug, Default)]
struct Figures {
    kills: u64,
    acknowledged: u64,
    copies: usize,
    acknowledged_copies: usize,
    half_copies: usize,
}

#[test]
fn kills_while_copies_are_made() {
    let wanted = number_from_env("LCNODE_KILLS").unwrap_or(6);
    let mut rng = rng("kills while copies are made");
    let folder = folder();
    let backups = folder.path().join("backups");
    fs::create_dir(&backups).unwrap();
    let done: [AtomicU64; WRITERS] = Default::default();
    let mut figures = Figures::default();
    while figures.kills < wanted {
        let node = Node::start(folder.path(), &OPTIONS);
        let moment = Duration::from_micros(rng.u64(1_000..150_000));
        let mut copies = Vec::new();
        scope(|threads| {
            for (writer, done) in done.iter().enumerate() {
                let mut client = node.client();
                threads.spawn(move || write(&mut client, writer, done));
            }
            let (mut client, done, kill) = (node.client(), &done, figures.kills);
            let copying = threads.spawn(move || copy(&mut client, kill, done));
            sleep(moment);
            node.kill();
            copies = copying.join().unwrap();
        });
        figures.kills += 1;
        let scene = format!("kill {}", figures.kills);
        let node = Node::start(folder.path(), &OPTIONS);
        let found = counts(&mut node.client(), &scene);
        for (found, done) in found.iter().zip(&done) {
            let acknowledged = done.swap(*found, Ordering::Relaxed);
            assert!((acknowledged..=acknowledged + 1).contains(found), "{scene}: {acknowledged}, {found}");
        }
        check_copies(&node, &backups, &copies, found, &scene, &mut figures);
    }
    figures.acknowledged = done.iter().map(|done| done.load(Ordering::Relaxed)).sum();
    eprintln!("{figures:?}");
    assert!(figures.acknowledged_copies > 0, "too few copies to show anything: {figures:?}");
}

/// Opens every copy that has its name. One that was not finished can be made again.
fn check_copies(
    node: &Node,
    backups: &Path,
    copies: &[Copy],
    found: Counts,
    scene: &str,
    figures: &mut Figures,
) {
    let files = fs::read_dir(backups).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let (half, whole): (Vec<String>, Vec<String>) = files.partition(|name| name.ends_with(".unfinished"));
    for Copy { name, .. } in copies {
        assert!(whole.contains(name), "{scene}: {name} was acknowledged and is not there: {whole:?}");
    }
    // Those of one kill are much alike: the first, and the last two, of which one may not be acknowledged.
    let mut looked_at = whole.clone();
    looked_at.sort_by_key(|name| name.len());
    while looked_at.len() > 3 {
        looked_at.remove(1);
    }
    for name in &looked_at {
        let scene = format!("{scene}, {name}");
        let copied = Node::start(backups, &["--segment-size", "64k", name]);
        let counts = counts(&mut copied.client(), &scene);
        let asked = copies.iter().find(|copy| copy.name == *name).map_or([0; WRITERS], |copy| copy.asked);
        for writer in 0..WRITERS {
            let range = asked[writer]..=found[writer];
            assert!(range.contains(&counts[writer]), "{scene}: {} puts, not {range:?}", counts[writer]);
        }
        assert!(copied.client().put("more", "value"), "{scene}");
        copied.stop();
    }
    for name in &half {
        let name = name.strip_suffix(".unfinished").unwrap();
        assert!(node.client().succeeds(&wire::copy(name.as_bytes())), "{scene}: {name} again");
        let copied = Node::start(backups, &["--segment-size", "64k", name]);
        assert_eq!(counts(&mut copied.client(), name), found, "{scene}: {name} made again");
        copied.stop();
    }
    figures.copies += whole.len();
    figures.acknowledged_copies += copies.len();
    figures.half_copies += half.len();
    fs::remove_dir_all(backups).unwrap();
    fs::create_dir(backups).unwrap();
}
