//! Numbers that several servers count, and records that come from other logs.

use lcnode_storage::{Arrival, Author, Change, Options, Place, Received, Stamp, Store, tombstone};

use crate::random;
use crate::scene;

pub fn server(origin: u16) -> Store {
    let store = Store::open(Options { origin, buckets: 64, ..Options::new(Place::Memory) }).unwrap();
    store.set_counting().unwrap();
    store
}

/// What a store knows of a key, as it is sent to others.
pub fn sent(store: &Store, key: &[u8]) -> Option<Vec<u8>> {
    let mut found = None;
    store
        .visit(|visited| {
            if visited.key == key {
                found = Some(visited.bytes.to_vec());
            }
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    found
}

pub fn apply(to: &Store, bytes: &[u8], via: u16) -> usize {
    let (received, len) = Received::read(bytes).unwrap();
    assert_eq!(len, bytes.len());
    to.apply(&[received], Arrival { via, buried: 0 }).unwrap()
}

pub fn pass(from: &Store, to: &Store, key: &[u8]) -> usize {
    sent(from, key).map_or(0, |bytes| apply(to, &bytes, from.origin()))
}

fn int(store: &Store, key: &[u8]) -> Option<i32> {
    store.get(key, |value| i32::from_le_bytes(value.try_into().unwrap())).unwrap()
}

pub fn version(store: &Store, key: &[u8]) -> Option<u64> {
    let mut found = None;
    store
        .visit(|visited| {
            if visited.key == key && !visited.deleted {
                found = Some(visited.version);
            }
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    found
}

#[test]
fn additions_of_three_servers_add_up_however_they_travel() {
    let mut random = random::seeded("additions_of_three_servers_add_up_however_they_travel");
    let servers = [1, 2, 3].map(server);
    let mut total = 0_i32;
    let (mut double_total, mut old) = (0.0, Vec::new());
    for _ in 0..3_000 {
        let at = random.below(3) as usize;
        let num = random.below(2_001) as i32 - 1_000;
        servers[at].add_int(b"int", num).unwrap().unwrap();
        servers[at].add_double(b"double", f64::from(num) / 8.0).unwrap().unwrap();
        total += num;
        double_total += f64::from(num) / 8.0;
        let (from, to) = (random.below(3) as usize, random.below(3) as usize);
        if random.below(4) == 0 {
            for key in [&b"int"[..], b"double"] {
                old.extend(sent(&servers[from], key));
                pass(&servers[from], &servers[to], key);
            }
        }
        // Repeats, out of order.
        if random.below(10) == 0 && !old.is_empty() {
            let bytes = &old[random.below(old.len() as u64) as usize];
            apply(&servers[to], bytes, 9);
        }
    }
    for _ in 0..2 {
        for (from, to) in [(0, 1), (1, 2), (2, 0), (0, 1), (1, 0)] {
            pass(&servers[from], &servers[to], b"int");
            pass(&servers[from], &servers[to], b"double");
        }
    }
    for server in &servers {
        assert_eq!(int(server, b"int"), Some(total));
        let double = server.get(b"double", |value| f64::from_le_bytes(value.try_into().unwrap())).unwrap();
        assert_eq!(double, Some(double_total));
        assert_eq!(server.records(), 2);
    }
    for key in [&b"int"[..], b"double"] {
        assert_eq!(version(&servers[0], key), version(&servers[1], key));
        assert_eq!(version(&servers[0], key), version(&servers[2], key));
    }
    assert_eq!(pass(&servers[0], &servers[1], b"int"), 0, "nothing new");
}

#[test]
fn the_last_put_or_delete_wins_everywhere() {
    let mut random = random::seeded("the_last_put_or_delete_wins_everywhere");
    let servers = [1, 2, 3].map(server);
    let keys: Vec<[u8; 1]> = (0..20).map(|key| [key]).collect();
    for _ in 0..5_000 {
        let (server, key) = (&servers[random.below(3) as usize], &keys[random.below(20) as usize]);
        match random.below(6) {
            0 | 1 => server.put(key, &random.below(1 << 40).to_le_bytes()).unwrap(),
            2 => _ = server.delete(key).unwrap(),
            3 => _ = server.add_double(key, 1.0).unwrap(),
            4 => {
                let changed = server.update(key, |old| match old {
                    Some(_) => Change::Put { kept: &[], new: b"changed" },
                    None => Change::Keep,
                });
                changed.unwrap();
            }
            _ => {}
        }
        if random.below(3) == 0 {
            pass(&servers[random.below(3) as usize], &servers[random.below(3) as usize], key);
        }
    }
    for _ in 0..2 {
        for key in &keys {
            for (from, to) in [(0, 1), (1, 2), (2, 0), (0, 1)] {
                pass(&servers[from], &servers[to], key);
            }
        }
    }
    for key in &keys {
        let values = servers.each_ref().map(|server| server.get(key, <[u8]>::to_vec).unwrap());
        assert!(values.iter().all(|value| *value == values[0]), "{key:?}: {values:?}");
        let versions = servers.each_ref().map(|server| version(server, key));
        assert!(versions.iter().all(|version| *version == versions[0]), "{key:?}");
    }
    assert_eq!(servers[0].records(), servers[1].records());
    assert_eq!(servers[0].records(), servers[2].records());
}

/// What was applied, counted and remembered is there again, whichever way the log is read.
#[test]
fn what_came_from_elsewhere_survives_every_start() {
    let mut random = random::seeded("what_came_from_elsewhere_survives_every_start");
    let folder = scene::quick_folder();
    let path = folder.path().join("live.tch");
    let options = |read_only| Options {
        origin: 7,
        segment_size: 1 << 16,
        read_only,
        ..Options::new(Place::Directory(path.clone()))
    };
    let other = server(9);
    let mut stamps = std::collections::BTreeMap::new();
    for round in 0..6_u32 {
        let store = Store::open(options(false)).unwrap();
        store.set_counting().unwrap();
        for (key, (value, stamp)) in &stamps {
            let key: &Vec<u8> = key;
            let found = store.get(key, <[u8]>::to_vec).unwrap();
            assert_eq!((&found, store.stamp_of(key).unwrap()), (value, *stamp), "round {round}, {key:?}");
        }
        if round > 0 {
            assert_eq!(store.memo(b"round").unwrap(), (round - 1).to_le_bytes());
            assert_eq!(store.memo(b"gone"), None);
        }
        store.set_memo(b"gone", b"there for a moment").unwrap();
        for number in 0..3_000_u32 {
            let key = random.below(300).to_le_bytes();
            match number % 6 {
                0 => other.put(&key, &[number as u8; 60]).unwrap(),
                1 => _ = other.delete(&key).unwrap(),
                2 => _ = other.add_int(&key, 1).unwrap(),
                3 => _ = store.add_int(&key, 1).unwrap(),
                4 if number % 60 == 4 => store.put(&key, &[1; 50]).unwrap(),
                _ => _ = pass(&other, &store, &key),
            }
        }
        if round == 2 {
            store.vanish().unwrap();
            let (stamp, _) = other.stamp_of(&1_u64.to_le_bytes()).unwrap().unwrap();
            let old = Stamp { ts: stamp.ts - 60_000_000, origin: 9 };
            assert_eq!(apply(&store, &tombstone(b"never", old), 9), 0, "older than the vanish");
        }
        store.set_memo(b"round", &round.to_le_bytes()).unwrap();
        store.set_memo(b"gone", b"").unwrap();
        store.optimize().unwrap();
        stamps.clear();
        for key in 0..300_u64 {
            let key = key.to_le_bytes().to_vec();
            // Tombstones may go.
            let stamp = store.stamp_of(&key).unwrap().filter(|(_, deleted)| !deleted);
            if let Some(stamp) = stamp {
                let value = store.get(&key, <[u8]>::to_vec).unwrap();
                stamps.insert(key, (value, Some(stamp)));
            }
        }
        let records = store.records();
        match round % 3 {
            0 => store.close().unwrap(),
            1 => drop(store),
            _ => {
                drop(store);
                _ = std::fs::remove_file(path.join("index/checkpoint"));
            }
        }
        assert_eq!(Store::open(options(true)).unwrap().records(), records, "round {round}");
    }
}

#[test]
fn an_author_changes_in_its_own_name_and_remembers() {
    let store = server(1);
    const TIMES: [&[u8]; 4] = [&[1], &[2], &[3], &[4]];
    let author = |number: usize| Author { origin: 5, via: 6, memo: Some((b"rts", TIMES[number])) };
    store.authored(author(0)).put(b"key", b"value").unwrap();
    assert_eq!(store.memo(b"rts").unwrap(), [1]);
    let (stamp, _) = store.stamp_of(b"key").unwrap().unwrap();
    assert_eq!(stamp.origin, 5);
    assert!(!store.authored(author(1)).delete(b"nothing").unwrap());
    assert_eq!(store.memo(b"rts").unwrap(), [2], "also where nothing changed");
    assert_eq!(store.authored(author(2)).add_int(b"int", 5).unwrap(), Some(5));
    assert_eq!(store.authored(author(3)).add_int(b"key", 5).unwrap(), None);
    assert_eq!(store.memo(b"rts").unwrap(), [4]);
    store.authored(author(0)).vanish().unwrap();
    assert_eq!((store.records(), store.memo(b"rts").unwrap()), (0, vec![1]));
}

#[test]
fn what_may_have_been_deleted_here_does_not_come_back() {
    let (here, there) = (server(1), server(2));
    there.put(b"old", b"value").unwrap();
    let (stamp, _) = there.stamp_of(b"old").unwrap().unwrap();
    there.put(b"new", b"value").unwrap();
    for key in [&b"old"[..], b"new"] {
        let bytes = sent(&there, key).unwrap();
        let (received, _) = Received::read(&bytes).unwrap();
        assert_eq!(here.apply(&[received], Arrival { via: 2, buried: stamp.ts }).unwrap(), 1);
    }
    assert_eq!(here.get(b"old", |_| ()).unwrap(), None);
    assert_eq!(here.get(b"new", |_| ()).unwrap(), Some(()));
    assert_eq!(pass(&here, &there, b"old"), 1, "and it goes where it still is");
    assert_eq!((here.records(), there.records()), (1, 1));
}

#[test]
fn nothing_but_whole_changes_is_taken_from_others() {
    let store = server(1);
    store.put(b"key", b"value").unwrap();
    store.add_int(b"count", 3).unwrap();
    for key in [&b"key"[..], b"count"] {
        let bytes = sent(&store, key).unwrap();
        for len in 0..bytes.len() {
            assert!(Received::read(&bytes[..len]).is_err(), "{len}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Received::read(&bad).is_err(), "bit {bit}");
        }
    }
    assert!(Received::read(&tombstone(b"key", Stamp { ts: u64::MAX, origin: 1 })).is_err());
    let mut memos = Vec::new();
    store.set_memo(b"a", b"b").unwrap();
    for number in 0..100_u8 {
        memos.push(store.set_memo(&[1, number], &[0; 1_000]).is_ok());
    }
    assert!(memos[0] && !memos[99], "memos are bounded");
    assert!(store.set_memo(b"", b"x").is_err() && store.set_memo(b"\0own", b"x").is_err());
}

/// Another server's vanish: all that is older goes, what is newer stays.
#[test]
fn a_vanish_deletes_by_its_stamp() {
    let (here, there) = (server(1), server(2));
    for number in 0..100_u32 {
        here.put(&number.to_le_bytes(), b"old").unwrap();
    }
    // Stamps run ahead of the clock where there are more than one in a microsecond.
    while there.now() <= here.last_change() {}
    let vanish = vanish_of(&there);
    for number in 50..100_u32 {
        here.put(&number.to_le_bytes(), b"new").unwrap();
    }
    assert_eq!(apply(&here, &vanish, 2), 1);
    assert_eq!(here.records(), 50);
    assert_eq!(apply(&here, &vanish, 2), 0, "once");
    there.put(b"later", b"value").unwrap();
    assert_eq!(pass(&there, &here, b"later"), 1);
    let vanish = vanish_of(&there);
    assert_eq!((apply(&here, &vanish, 2), here.records()), (1, 0), "all is older");
}

/// The bytes of a vanish that a server makes now.
fn vanish_of(server: &Store) -> Vec<u8> {
    let from = server.end();
    server.vanish().unwrap();
    let mut found = Vec::new();
    server
        .read_log(from, 1 << 20, |record| {
            if record.kind == lcnode_storage::Kind::Vanish {
                found = record.bytes.to_vec();
            }
        })
        .unwrap();
    found
}
