use std::sync::Arc;

use lcnode_protocol::Limits;
use lcnode_protocol::update_log::{Change, Item, Logged, Step};
use lcnode_storage::{Attributes, Author, Decimal, Hold, Options, Place, Store};

use super::super::feed::{End, Feed, Refusal};
use super::super::position::Slot;
use super::super::pull::Pull;
use super::{contents, put, settings, store};

/// All that a feed has for now.
fn all(feed: &mut Feed) -> Vec<u8> {
    let mut bytes = Vec::new();
    while feed.fill(1000, &mut bytes).unwrap() {}
    bytes
}

fn feed(store: &Arc<Store>, ts: u64, slave: u32) -> Feed {
    Feed::start(Arc::clone(store), ts, slave).unwrap().unwrap()
}

/// An entry: its time stamp, the id it comes from, and its change as text.
type Shown = (u64, u16, String);

fn shown(mut bytes: &[u8]) -> Vec<Shown> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let Step::Whole { item, used } = Item::decode(bytes, Limits::default()).unwrap() else { panic!() };
        bytes = &bytes[used..];
        let Item::Entry { ts, sid, block } = item else { panic!("{item:?}") };
        let logged = Logged::decode(block, Limits::default()).unwrap();
        assert!(logged.worked);
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let change = match logged.change {
            Change::Put { key, value } => format!("put {} {}", text(key), text(value)),
            Change::Out { key } => format!("out {}", text(key)),
            Change::AddInt { key, num } => format!("addint {} {num}", text(key)),
            Change::AddDouble { key, integ, fract } => format!("adddouble {} {integ} {fract}", text(key)),
            Change::Vanish => "vanish".to_owned(),
            other => panic!("{other:?}"),
        };
        entries.push((ts, sid, change));
    }
    for pair in entries.windows(2) {
        assert!(pair[0].0 < pair[1].0, "time stamps rise: {pair:?}");
    }
    entries
}

fn changes(shown: &[Shown]) -> Vec<&str> {
    shown.iter().map(|(_, _, change)| change.as_str()).collect()
}

#[test]
fn changes_are_sent_as_they_are_made() {
    let store = store(1);
    store.set_counting().unwrap();
    store.put(b"before", b"v").unwrap();
    let mut feed = feed(&store, 1, 9);
    let mut answer = Vec::new();
    feed.answer(&mut answer);
    feed.beat(&mut answer);
    assert_eq!(answer, [0, 0, 0, 1, 0xCA]);
    assert_eq!(changes(&shown(&all(&mut feed))), ["put before v"]);
    store.put(b"a", b"1").unwrap();
    store.put_with(b"b", b"2", Attributes { expiry: Some(9_000_000_000_000), flags: 3 }).unwrap();
    store.update(b"a", |_| lcnode_storage::Change::Put { kept: b"", new: b"12" }).unwrap();
    assert!(store.delete(b"b").unwrap() && !store.delete(b"none").unwrap());
    store.add_int(b"n", 5).unwrap();
    store.add_int(b"n", -7).unwrap();
    store.add_double(b"d", 1.5).unwrap();
    store.set_memo(b"m", b"not theirs").unwrap();
    store.vanish().unwrap();
    let sent = shown(&all(&mut feed));
    let expected = [
        "put a 1",
        "put b 2",
        "put a 12",
        "out b",
        "addint n 5",
        "addint n -7",
        "adddouble d 1 500000000000",
        "vanish",
    ];
    assert_eq!(changes(&sent), expected);
    assert!(sent.iter().all(|(_, sid, _)| *sid == 1));
    assert_eq!((all(&mut feed), feed.entries()), (vec![], 9));
}

#[test]
fn additions_in_decimal_text_are_sent_as_what_they_make() {
    let store = store(1);
    store.set_counting().unwrap();
    let mut feed = feed(&store, 1, 9);
    store.put(b"n", b"1020").unwrap();
    for amount in [Decimal::Int(-20), Decimal::Real(0.5), Decimal::Int(234)] {
        store.add_decimal(b"n", amount, |_| None).unwrap().unwrap();
    }
    store.put(b"n", b"1234").unwrap();
    store.add_decimal(b"n", Decimal::Int(1), |_| None).unwrap().unwrap();
    store.add_int(b"n", 1).unwrap().unwrap();
    store.add_int(b"n", 1).unwrap().unwrap();
    let expected = [
        "put n 1020",
        "put n 1000",
        "put n 1000.5",
        "put n 1234.5",
        "put n 1234",
        "put n 1235",
        "put n 2235",
        "addint n 1",
    ];
    assert_eq!(changes(&shown(&all(&mut feed))), expected);
}

#[test]
fn a_slave_goes_on_at_any_time_stamp() {
    let store = Options { origin: 1, segment_size: 64 << 10, ..Options::new(Place::Memory) };
    let store = Arc::new(Store::open(store).unwrap());
    for number in 0..3000 {
        store.put(format!("k{number}").as_bytes(), &[b'v'; 50]).unwrap();
        if number % 10 == 0 {
            let author = Author { origin: 5, via: 0, memo: Some((b"m", b"x")) };
            store.authored(author).put(b"other", format!("{number}").as_bytes()).unwrap();
        }
    }
    assert!(store.figures().segments > 3);
    let whole = shown(&all(&mut feed(&store, 1, 9)));
    assert_eq!(whole.len(), 3300);
    for at in (0..whole.len()).step_by(97).chain([1, whole.len() - 1]) {
        // Each time another slave: of one that was sent all it is known that it may not have come so far.
        let slave = 100 + at as u32;
        assert!(shown(&all(&mut feed(&store, whole[at].0, slave))) == whole[at..], "{at}");
        assert!(shown(&all(&mut feed(&store, whole[at].0 + 1, 70_000))) == whole[at + 1..], "{at}");
    }
    let mut ahead = feed(&store, u64::MAX, 9);
    assert_eq!(all(&mut ahead), []);
    store.put(b"new", b"v").unwrap();
    assert_eq!(changes(&shown(&all(&mut ahead))), ["put new v"], "one that is ahead gets what is new");
}

#[test]
fn nothing_goes_back_to_where_it_came_from() {
    let store = store(1);
    for (key, origin, via) in [("own", 1, 0), ("by5", 5, 0), ("by6", 6, 5), ("by7", 7, 6)] {
        store.authored(Author { origin, via, memo: None }).put(key.as_bytes(), b"v").unwrap();
    }
    for (slave, expected) in [
        (9, "own by5 by6 by7"),
        (5, "own by7"),
        (6, "own by5"),
        (7, "own by5 by6"),
        (65_536 + 5, "own by5 by6 by7"),
        (i32::MAX as u32, "own by5 by6 by7"),
    ] {
        let sent = shown(&all(&mut feed(&store, 1, slave)));
        let keys: Vec<_> = sent.iter().map(|(_, _, change)| change.split(' ').nth(1).unwrap()).collect();
        assert_eq!(keys.join(" "), expected, "{slave}");
        assert!(sent.iter().all(|(_, sid, change)| change.contains(&format!("by{sid}")) || *sid == 1));
    }
    let refused = |ts, slave| Feed::start(Arc::clone(&store), ts, slave).unwrap().err();
    assert_eq!(refused(0, 9), Some(Refusal::Invalid));
    assert_eq!(refused(1, 0), Some(Refusal::Invalid));
    assert_eq!(refused(1, 1), Some(Refusal::OwnId));
}

/// A store whose oldest segments were compacted away.
fn compacted() -> Arc<Store> {
    let options = Options { origin: 1, segment_size: 64 << 10, ..Options::new(Place::Memory) };
    let store = Arc::new(Store::open(options).unwrap());
    for round in 0..40 {
        for number in 0..200 {
            let key = format!("k{}", if round == 0 { number } else { number % 20 });
            store.put(key.as_bytes(), format!("{round}{}", "v".repeat(100)).as_bytes()).unwrap();
        }
        store.add_int(b"n", 1).unwrap();
    }
    store.delete(b"k0").unwrap();
    store.optimize().unwrap();
    assert!(store.oldest().segment > 1);
    store
}

/// A slave takes the stream as an original server would. It leaves after `limit` bytes, or where the log is gone. Says
/// whether it was sent all, and whether it has come to the end.
fn follow(master: &Arc<Store>, slave: &Arc<Store>, limit: usize) -> [bool; 2] {
    follow_held(master, slave, limit, false)
}

/// The same; the master may keep the log behind what the slave has.
fn follow_held(master: &Arc<Store>, slave: &Arc<Store>, limit: usize, master_holds: bool) -> [bool; 2] {
    let mut pull = Pull::new(Arc::clone(slave), settings());
    let hello = pull.hello();
    let ts = u64::from_be_bytes(hello[2..10].try_into().unwrap());
    let sid = u32::from_be_bytes(hello[10..].try_into().unwrap());
    let mut feed = feed(master, ts, sid);
    let was_full = feed.is_full();
    let mut bytes = Vec::new();
    feed.answer(&mut bytes);
    feed.beat(&mut bytes);
    let mut left = limit;
    loop {
        let more = match feed.fill(5000, &mut bytes) {
            Ok(more) => more,
            Err(End::Gone) => return [was_full, false],
            Err(error) => panic!("{error}"),
        };
        pull.take(&bytes[..bytes.len().min(left)]).unwrap();
        left = left.saturating_sub(bytes.len());
        bytes.clear();
        if left == 0 {
            return [was_full, false];
        }
        if !more {
            if master_holds {
                let at = feed.position();
                master.set_hold(Hold { keep_from: at, collect_before: at });
            }
            return [was_full, true];
        }
    }
}

#[test]
fn a_slave_that_the_log_does_not_reach_back_to_gets_all() {
    let master = compacted();
    let slave = store(2);
    assert_eq!(follow(&master, &slave, usize::MAX), [true, true]);
    assert_eq!(contents(&slave), contents(&master));
    assert_eq!(follow(&master, &slave, usize::MAX), [false, true], "now it is in step");
    master.add_int(b"n", 2).unwrap();
    master.optimize().unwrap();
    // What compaction moved is not sent again, sums not added twice.
    let before = slave.appended();
    follow(&master, &slave, usize::MAX);
    assert_eq!(contents(&slave), contents(&master));
    assert!(slave.appended() - before < 10, "{}", slave.appended() - before);
}

#[test]
fn one_that_leaves_while_it_is_sent_all_is_sent_all_again() {
    let master = compacted();
    for limit in [100, 3000, 10_000, 20_000] {
        let slave = store(2);
        assert_eq!(follow(&master, &slave, limit), [true, false]);
        assert_ne!(contents(&slave), contents(&master));
        let had = Slot::named().load(&slave).map_or(0, |place| place.ts);
        assert_eq!(follow(&master, &slave, usize::MAX), [true, true], "after {limit} bytes, at {had}");
        assert_eq!(contents(&slave), contents(&master), "{limit}");
    }
}

#[test]
fn a_stream_whose_log_is_gone_ends() {
    let master = compacted();
    let mut feed = feed(&master, 1, 2);
    let mut bytes = Vec::new();
    feed.fill(1, &mut bytes).unwrap();
    for number in 0..3000 {
        master.put(b"k1", format!("{number}{}", "v".repeat(100)).as_bytes()).unwrap();
    }
    master.optimize().unwrap();
    let mut ended = None;
    while ended.is_none() {
        match feed.fill(1000, &mut bytes) {
            Ok(true) => {}
            Ok(false) => panic!("it went on"),
            Err(end) => ended = Some(end),
        }
    }
    assert!(matches!(ended, Some(End::Gone)), "{ended:?}");
    let slave = store(2);
    assert_eq!(follow(&master, &slave, usize::MAX), [true, true]);
    assert_eq!(contents(&slave), contents(&master));
}

/// Random changes and random breaks: at the end a slave has what the master has, sums included. Where the log is not kept
/// for it, it does not learn of what was removed in the meantime.
#[test]
fn a_slave_ends_up_with_the_same_records() {
    let seed = std::env::var("LCNODE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    eprintln!("LCNODE_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for round in 0..20 {
        let is_held = round % 2 == 0;
        let options = Options { origin: 1, segment_size: 64 << 10, ..Options::new(Place::Memory) };
        let master = Arc::new(Store::open(options).unwrap());
        master.set_counting().unwrap();
        let slave = store(2);
        if is_held {
            master.put(b"first", b"").unwrap();
            follow_held(&master, &slave, usize::MAX, true);
        }
        for _ in 0..random.usize(1..30) {
            change_at_random(&master, &mut random, is_held);
            if random.bool() {
                master.optimize().unwrap();
            }
            let limit = if random.bool() { usize::MAX } else { random.usize(5..20_000) };
            let [was_full, to_the_end] = follow_held(&master, &slave, limit, is_held);
            assert!(!(is_held && was_full), "round {round}");
            if to_the_end {
                assert!(contents(&slave) == contents(&master), "round {round}");
            }
        }
        while !follow_held(&master, &slave, usize::MAX, is_held)[1] {}
        assert!(contents(&slave) == contents(&master), "round {round}");
    }
}

fn change_at_random(master: &Store, random: &mut fastrand::Rng, removes: bool) {
    for _ in 0..random.usize(0..300) {
        let key = format!("k{}", random.u8(0..50));
        match random.u8(0..100) {
            0 if removes => master.vanish().unwrap(),
            1..20 if removes => _ = master.delete(key.as_bytes()).unwrap(),
            20..40 => {
                let key = format!("n{}", random.u8(0..5));
                master.add_int(key.as_bytes(), random.i32(-5..5)).unwrap();
            }
            40..50 => _ = master.add_double(b"d", f64::from(random.i8(..)) / 4.0).unwrap(),
            50..60 => {
                let num = random.i32(-9..9);
                let amount = if random.bool() {
                    Decimal::Int(num.into())
                } else {
                    Decimal::Real(f64::from(num) / 4.0)
                };
                let key = if random.u8(..9) == 0 { "n1" } else { "t" };
                master.add_decimal(key.as_bytes(), amount, |_| None).unwrap().unwrap();
            }
            _ => master.put(key.as_bytes(), &vec![b'v'; random.usize(0..1000)]).unwrap(),
        }
    }
}

#[test]
fn what_was_put_by_a_slave_bears_its_id() {
    let (master, slave) = (store(1), store(2));
    let mut pull = Pull::new(Arc::clone(&slave), settings());
    let mut bytes = vec![0, 0, 0, 1];
    bytes.extend(super::entry(1_700_000_000_000_000, 3, put("k", "v"), true));
    pull.take(&bytes).unwrap();
    // To 3, which made it, and to 1, which it came from, it is not sent.
    for (sid, count) in [(1, 0), (3, 0), (4, 1)] {
        assert_eq!(shown(&all(&mut feed(&slave, 1, sid))).len(), count, "{sid}");
    }
    drop(master);
}
