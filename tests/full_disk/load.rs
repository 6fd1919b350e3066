//! Several writers fill the disk to its end, over and over, with deletes, kills and clean ends in between.
//!
//! `LCNODE_FILLS` sets how often (3), `LCNODE_DISK` the size of the disk in MiB (48).

use std::collections::BTreeMap;
use std::thread::scope;

use fastrand::Rng;
use nix::sys::signal::Signal;

use super::Disk;
use crate::support::{ANSWER, Client, HASH, Launch, Node, eventually, number_from_env, rng};

const WRITERS: usize = 4;
const OPTIONS: [&str; 5] = ["-thnum", "2", "--segment-size", "1m", HASH];
/// Refused puts after which a writer takes the disk for full.
const REFUSED: u64 = 40;

/// What a writer knows.
struct Writer {
    number: usize,
    rng: Rng,
    /// The version of each of its records.
    records: BTreeMap<u32, u32>,
    version: u32,
    next: u32,
    figures: Figures,
}

#[derive(Debug, Default, Clone, Copy)]
struct Figures {
    puts: u64,
    refused: u64,
    deletes: u64,
    /// Deletes that were refused at first.
    delayed: u64,
}

fn value(version: u32) -> Vec<u8> {
    let len = version.wrapping_mul(2_654_435_761) % 20_000;
    [&version.to_be_bytes()[..], &vec![version as u8; len as usize]].concat()
}

impl Writer {
    fn new(number: usize, rng: Rng) -> Self {
        Self { number, rng, records: BTreeMap::new(), version: 0, next: 0, figures: Figures::default() }
    }

    fn key(&self, record: u32) -> String {
        format!("{}:{record}", self.number)
    }

    fn put(&mut self, client: &mut Client) -> bool {
        let overwrites = self.next > 0 && self.rng.u8(..3) == 0;
        let record = if overwrites { self.rng.u32(..self.next) } else { self.next };
        self.version += 1;
        let done = client.put(self.key(record), value(self.version));
        if done {
            self.records.insert(record, self.version);
            self.next = self.next.max(record + 1);
            self.figures.puts += 1;
        } else {
            self.figures.refused += 1;
        }
        done
    }

    /// Puts until the disk is full, for deletes and compaction may make room again for a few more.
    fn fill(&mut self, client: &mut Client) {
        let end = self.figures.refused + REFUSED;
        while self.figures.refused < end {
            self.put(client);
        }
    }

    /// Deletes most of its records. Each goes through at once or when compaction has made room.
    fn delete_most(&mut self, client: &mut Client) {
        let doomed: Vec<u32> = self.records.keys().copied().filter(|_| self.rng.u8(..10) > 1).collect();
        for record in doomed {
            let key = self.key(record);
            if !client.out(&key) {
                self.figures.delayed += 1;
                eventually("a delete on a full disk", ANSWER, || client.out(&key));
            }
            self.records.remove(&record);
            self.figures.deletes += 1;
        }
        eventually("a put after the deletes", ANSWER, || self.put(client));
    }

    /// All is as it was acknowledged: what was refused has changed nothing.
    fn check(&self, client: &mut Client) {
        for record in 0..self.next {
            let wanted = self.records.get(&record).map(|&version| value(version));
            assert!(client.get(self.key(record)) == wanted, "record {record} of writer {}", self.number);
        }
    }
}

fn each(node: &Node, writers: &mut [Writer], act: impl Fn(&mut Writer, &mut Client) + Sync) {
    scope(|threads| {
        for writer in writers {
            let (mut client, act) = (node.client(), &act);
            threads.spawn(move || act(writer, &mut client));
        }
    });
}

fn check(node: &Node, writers: &mut [Writer]) {
    each(node, writers, |writer, client| writer.check(client));
    let records: usize = writers.iter().map(|writer| writer.records.len()).sum();
    assert_eq!(node.client().rnum(), records as u64);
    assert_eq!(node.client().stat_of("fatal"), None);
}

#[test]
fn several_writers_fill_it_over_and_over() {
    let fills = number_from_env("LCNODE_FILLS").unwrap_or(3);
    let size = number_from_env("LCNODE_DISK").unwrap_or(48);
    let Some(disk) = Disk::mount(&format!("{size}m")) else { return };
    let mut rng = rng("several writers fill the disk");
    let mut writers: Vec<Writer> = (0..WRITERS).map(|number| Writer::new(number, rng.fork())).collect();
    let mut node = Node::start(disk.path(), &OPTIONS);
    for fill in 0..fills {
        each(&node, &mut writers, Writer::fill);
        assert!(node.log().contains("no space for the log"), "the log names the cause");
        check(&node, &mut writers);
        match fill % 3 {
            0 => {}
            1 => {
                node.kill();
                node = Launch::new(disk.path(), &OPTIONS).start();
                check(&node, &mut writers);
            }
            _ => {
                node.signal(Signal::SIGTERM);
                let end = node.wait();
                assert!(end.success(), "the end on a full disk: {end}");
                node = Launch::new(disk.path(), &OPTIONS).start();
                check(&node, &mut writers);
            }
        }
        each(&node, &mut writers, Writer::delete_most);
        check(&node, &mut writers);
        let bytes: Vec<Figures> = writers.iter().map(|writer| writer.figures).collect();
        eprintln!("fill {fill}: {} bytes of log, {bytes:?}", node.client().size());
    }
    node.stop();
    node = Node::start(disk.path(), &OPTIONS);
    check(&node, &mut writers);
}
