//! Reading the log behind writers, and what is kept of it for those who do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use lcnode_storage::medium::Medium;
use lcnode_storage::{Error, Hold, Kind, LogRead, Options, Place, Position, Store};

use crate::faulty::Faulty;
use crate::random::{self, Random};
use crate::scene::{self, small_segments};

const SEGMENT: usize = 1 << 16;

/// A change as a follower sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    at: Position,
    kind: Kind,
    time: u64,
    moved: bool,
    key: Vec<u8>,
    value: Vec<u8>,
}

/// A database without threads: nothing happens that was not asked for.
fn quiet() -> Store {
    Store::open(Options {
        segment_size: SEGMENT,
        buckets: 1,
        background: false,
        ..Options::new(Place::Memory)
    })
    .unwrap()
}

/// Reads on to the end, about `bytes` at a time.
fn follow(store: &Store, from: Position, bytes: usize) -> (Vec<Seen>, LogRead) {
    let (mut seen, mut at) = (Vec::<Seen>::new(), from);
    loop {
        let read = store.read_log(at, bytes, |record| {
            assert!(seen.last().is_none_or(|last| last.at < record.at), "positions rise");
            assert!(record.bytes.ends_with(&[record.key, record.value].concat()));
            if record.kind == Kind::Memo {
                // What the node says to itself.
                return;
            }
            seen.push(Seen {
                at: record.at,
                kind: record.kind,
                time: record.stamp.ts,
                moved: record.moved,
                key: record.key.to_vec(),
                value: record.value.to_vec(),
            });
        });
        match read.unwrap() {
            LogRead::Upto(next) if next != at => at = next,
            read => return (seen, read),
        }
    }
}

/// Makes changes; gives them back, in order. No value: a delete.
fn change(store: &Store, random: &mut Random, changes: u64, keys: u64) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let mut made = Vec::new();
    while (made.len() as u64) < changes {
        let key = random.below(keys).to_le_bytes().to_vec();
        let len = random.below(100);
        match random.below(10) {
            0 if store.delete(&key).unwrap() => made.push((key, None)),
            0 => {}
            _ => {
                let value = random.bytes(len);
                store.put(&key, &value).unwrap();
                made.push((key, Some(value)));
            }
        }
    }
    made
}

fn assert_same(seen: &[Seen], made: &[(Vec<u8>, Option<Vec<u8>>)]) {
    assert_eq!(seen.len(), made.len());
    for (seen, (key, value)) in seen.iter().zip(made) {
        let kind = if value.is_some() { Kind::Put } else { Kind::Delete };
        assert_eq!((seen.kind, &seen.key, &seen.value), (kind, key, value.as_ref().unwrap_or(&Vec::new())));
    }
}

#[test]
fn the_log_is_read_in_order_and_in_any_pieces() {
    let mut random = random::seeded("the_log_is_read_in_order_and_in_any_pieces");
    let store = quiet();
    let made = change(&store, &mut random, 6_000, 1_000);
    let mut passed = 0;
    store.read_log(store.oldest(), usize::MAX, |_| passed += 1).unwrap();
    assert_eq!(store.appended(), passed);
    assert!(passed > made.len() as u64, "each segment but the first begins with a memo");
    let mut ends = Vec::new();
    for bytes in [0, 1_000, SEGMENT, usize::MAX] {
        let (seen, read) = follow(&store, store.oldest(), bytes);
        assert_same(&seen, &made);
        assert_eq!(read, LogRead::Upto(store.end()));
        ends.push(seen);
    }
    assert!(ends.iter().all(|seen| *seen == ends[0]) && ends[0].last().unwrap().at.segment > 4);
    // From any record on, and from where the log ended at any time.
    for _ in 0..20 {
        let skipped = random.below(made.len() as u64) as usize;
        assert_same(&follow(&store, ends[0][skipped].at, 1 << 14).0, &made[skipped..]);
    }
    let end = store.end();
    let later = change(&store, &mut random, 2_000, 1_000);
    assert_same(&follow(&store, end, 5_000).0, &later);
}

#[test]
fn positions_that_are_none_are_refused() {
    let store = quiet();
    let mut random = Random::new(1);
    change(&store, &mut random, 3_000, 100);
    let end = store.end();
    for from in [
        Position::default(),
        Position { segment: end.segment + 1, offset: 64 },
        Position { segment: end.segment, offset: end.offset + 1 },
        Position { segment: u64::MAX, offset: u64::MAX },
        Position { segment: 1 + (1 << 20), offset: 64 },
    ] {
        let read = store.read_log(from, 1_000, |record| panic!("{from:?}: {record:?}")).unwrap();
        assert_eq!(read, LogRead::Gone(store.oldest()), "{from:?}");
    }
    let amid = Position { segment: 1, offset: 65 };
    let read = store.read_log(amid, 1_000, |record| panic!("{record:?}"));
    assert!(matches!(read, Err(Error::Damaged { offset: 65, .. })), "{read:?}");
}

#[test]
fn what_compaction_took_is_gone_unless_it_is_held() {
    let mut random = random::seeded("what_compaction_took_is_gone_unless_it_is_held");
    let store = quiet();
    let first = change(&store, &mut random, 3_000, 500);
    let start = store.oldest();
    let middle = store.end();
    store.set_hold(Hold { keep_from: middle, ..Hold::NONE });
    // Some of the rest stays live.
    let later = change(&store, &mut random, 6_000, 300);
    let end = store.end();
    store.optimize().unwrap();
    assert!(store.oldest() > start && store.oldest().segment <= middle.segment, "{:?}", store.oldest());
    let read = store.read_log(start, 1_000, |_| panic!("it is gone")).unwrap();
    assert_eq!(read, LogRead::Gone(store.oldest()));
    // All changes, then what compaction moved.
    let (seen, _) = follow(&store, middle, 10_000);
    let (changes, moved): (Vec<Seen>, Vec<Seen>) = seen.into_iter().partition(|seen| seen.at < end);
    assert_same(&changes, &later);
    assert!(!moved.is_empty() && moved.iter().all(|seen| seen.moved));
    assert!(changes.iter().all(|seen| !seen.moved));
    // Segments that died meanwhile go once nobody needs them.
    let held = store.segments().len();
    store.set_hold(Hold::NONE);
    store.optimize().unwrap();
    assert!(store.segments().len() < held / 2, "{} of {held}", store.segments().len());
    assert_eq!(store.read_log(middle, 1_000, |_| ()).unwrap(), LogRead::Gone(store.oldest()));
    let mut model = scene::Model::new();
    for (key, value) in first.into_iter().chain(later) {
        match value {
            Some(value) => _ = model.insert(key, value),
            None => _ = model.remove(&key),
        }
    }
    scene::check(&store, &model, "after the hold");
}

#[test]
fn a_read_does_not_pass_over_a_segment_that_was_removed() {
    let store = quiet();
    let fill = |from: u64, value: &[u8]| {
        (from..from + 400).for_each(|key| store.put(&key.to_le_bytes(), value).unwrap())
    };
    // Segments that stay, one that dies, segments that stay.
    fill(0, &[1; 200]);
    store.optimize().unwrap();
    let from = store.end();
    (0..400).for_each(|_| store.put(b"hot", &[2; 200]).unwrap());
    fill(1_000, &[3; 200]);
    store.optimize().unwrap();
    let (seen, read) = follow(&store, store.oldest(), 1_000);
    let LogRead::Gone(oldest) = read else { panic!("{read:?} after {} records", seen.len()) };
    assert!(oldest <= seen[0].at && oldest < from);
    assert!(seen.iter().all(|seen| seen.at < from), "nothing behind the gap");
}

#[test]
fn tombstones_stay_as_long_as_they_are_needed_and_nothing_spins() {
    let store = quiet();
    for number in 0..2_000_u32 {
        store.put(&number.to_le_bytes(), &[7; 100]).unwrap();
    }
    store.set_hold(Hold { collect_before: Position::default(), ..Hold::NONE });
    for number in 0..2_000_u32 {
        assert!(store.delete(&number.to_le_bytes()).unwrap());
    }
    for round in 0..3 {
        store.optimize().unwrap();
        assert_eq!(store.figures().entries, 2_000, "round {round}");
    }
    let (seen, _) = follow(&store, store.oldest(), 10_000);
    assert!(seen.len() >= 2_000 && seen.iter().all(|seen| seen.kind == Kind::Delete));
    // In the background as well it ends.
    (0..100).for_each(|_| store.work().unwrap());
    let end = store.end();
    (0..20).for_each(|_| store.work().unwrap());
    assert_eq!(store.end(), end, "compaction goes on for ever");

    // A half of them is not needed any more.
    let half = seen[1_000].at;
    store.set_hold(Hold { collect_before: Position { segment: half.segment + 1, offset: 0 }, ..Hold::NONE });
    for _ in 0..3 {
        store.optimize().unwrap();
    }
    store.set_hold(Hold::NONE);
    for _ in 0..3 {
        store.optimize().unwrap();
    }
    assert_eq!(store.figures().entries, 0);
}

/// Counts how often it is woken.
#[derive(Default)]
struct Counting(AtomicU64);

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn who_waits_is_told_of_every_kind_of_append() {
    let store = quiet();
    let woken = Arc::new(Counting::default());
    let waker = Waker::from(Arc::clone(&woken));
    let context = Context::from_waker(&waker);
    for number in 0..600_u64 {
        store.put(&number.to_le_bytes(), &[1; 300]).unwrap();
        store.put(&number.to_le_bytes(), &[1; 300]).unwrap();
    }
    let received = lcnode_storage::tombstone(
        b"received",
        lcnode_storage::Stamp { ts: 1_900_000_000_000_000, origin: 9 },
    );
    let appends: [(&str, &dyn Fn()); 8] = [
        ("put", &|| store.put(b"key", b"value").unwrap()),
        ("update", &|| {
            assert!(store.update(b"key", |_| lcnode_storage::Change::Put { kept: b"", new: b"2" }).unwrap());
        }),
        ("delete", &|| assert!(store.delete(b"key").unwrap())),
        ("compaction", &|| store.optimize().unwrap()),
        ("memo", &|| store.set_memo(b"memo", b"value").unwrap()),
        ("count", &|| assert_eq!(store.add_int(b"count", 5).unwrap(), Some(5))),
        ("apply", &|| {
            let (record, _) = lcnode_storage::Received::read(&received).unwrap();
            assert_eq!(store.apply(&[record], lcnode_storage::Arrival::default()).unwrap(), 1);
        }),
        ("vanish", &|| store.vanish().unwrap()),
    ];
    for (count, (name, append)) in (1..).zip(appends) {
        let end = store.end();
        for _ in 0..3 {
            assert_eq!(store.poll_appended(end, &context), Poll::Pending, "{name}");
        }
        append();
        assert_eq!(woken.0.load(Ordering::Relaxed), count, "{name} wakes once");
        assert_eq!(store.poll_appended(end, &context), Poll::Ready(()), "{name}");
    }
    // Those who went away without a word are not kept for ever.
    let end = store.end();
    let gone: Vec<_> = (0..5_000).map(|_| Arc::new(Counting::default())).collect();
    for one in &gone {
        let waker = Waker::from(Arc::clone(one));
        assert_eq!(store.poll_appended(end, &Context::from_waker(&waker)), Poll::Pending);
    }
    assert!(gone.iter().filter(|one| Arc::strong_count(one) > 1).count() <= 1_024);
}

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[test]
fn a_follower_keeps_up_with_writers_and_compaction() {
    let mut random = random::seeded("a_follower_keeps_up_with_writers_and_compaction");
    let folder = scene::quick_folder();
    let store = Store::open(small_segments(&folder.path().join("follow.tch"), SEGMENT)).unwrap();
    let start = store.end();
    store.set_hold(Hold { keep_from: start, ..Hold::NONE });
    let done = AtomicBool::new(false);
    let until = Instant::now() + Duration::from_secs(60);
    let mut followed = BTreeMap::new();
    let (mut at, mut seen) = (start, 0_u64);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..3_u64)
            .map(|writer| {
                let (store, mut random) = (&store, Random::new(random.next()));
                scope.spawn(move || {
                    for number in 0..8_000_u64 {
                        let key = [writer, random.below(200)].map(u64::to_le_bytes).concat();
                        match random.below(8) {
                            0 => _ = store.delete(&key).unwrap(),
                            _ => store.put(&key, &[&number.to_le_bytes()[..], &[5; 40]].concat()).unwrap(),
                        }
                    }
                })
            })
            .collect();
        let done = &done;
        scope.spawn(move || {
            writers.into_iter().for_each(|writer| writer.join().unwrap());
            done.store(true, Ordering::Release);
        });
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        loop {
            let was_done = done.load(Ordering::Acquire);
            let read = store.read_log(at, 20_000, |record| {
                seen += 1;
                // Moved records are older than what is known already.
                if !record.moved && record.kind != Kind::Memo {
                    let value = (record.kind == Kind::Put).then(|| record.value.to_vec());
                    followed.insert(record.key.to_vec(), value);
                }
            });
            match read.unwrap() {
                LogRead::Upto(next) if next != at => {
                    at = next;
                    // What was read is needed no more.
                    store.set_hold(Hold { keep_from: at, ..Hold::NONE });
                }
                LogRead::Upto(_) if was_done => break,
                LogRead::Upto(_) => {
                    let polled = store.poll_appended(at, &Context::from_waker(&waker));
                    if polled.is_pending() && !done.load(Ordering::Acquire) {
                        std::thread::park_timeout(Duration::from_millis(200));
                    }
                }
                LogRead::Gone(oldest) => panic!("{at:?} is gone, the log begins at {oldest:?}"),
            }
            assert!(Instant::now() < until, "the follower hangs at {at:?} of {:?}", store.end());
        }
    });
    followed.retain(|_, value| value.is_some());
    assert_eq!(followed.len() as u64, store.records());
    for (key, value) in &followed {
        assert_eq!(store.get(key, |found| Some(found.to_vec())).unwrap().as_ref(), Some(value));
    }
    assert!(store.appended() >= seen, "{} appended, {seen} seen", store.appended());
    assert!(store.oldest().segment > start.segment, "compaction went on behind the follower");
}

/// Space for what followers need comes from those who set the hold, not from what they need.
#[test]
fn a_full_disk_does_not_loosen_a_hold() {
    let folder = scene::quick_folder();
    let path = folder.path().join("full.tch");
    let medium = Faulty::new(&path);
    medium.limit(8 * SEGMENT as u64);
    let store =
        Store::on(Arc::clone(&medium) as Arc<dyn Medium>, small_segments(&path, SEGMENT), None).unwrap();
    let start = store.oldest();
    store.set_hold(Hold { keep_from: start, ..Hold::NONE });
    let put = |number: u64| store.put(&(number % 100).to_le_bytes(), &[4; 200]);
    let made = (0_u64..).take_while(|&number| put(number).is_ok()).count();
    std::thread::sleep(Duration::from_millis(500));
    assert!(store.full().is_some());
    let (seen, read) = follow(&store, start, 10_000);
    assert_eq!((seen.len(), read), (made, LogRead::Upto(store.end())));
    store.set_hold(Hold::NONE);
    let until = Instant::now() + Duration::from_secs(30);
    for number in 0..2_000 {
        while put(number).is_err() {
            assert!(Instant::now() < until, "put {number}: {:?}", store.segments());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A removal that has begun is over before a new hold counts.
#[test]
fn a_hold_is_certain_once_it_is_set() {
    let folder = scene::quick_folder();
    let store = Store::open(small_segments(&folder.path().join("hold.tch"), SEGMENT)).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..60_000_u64 {
                store.put(&(number % 50).to_le_bytes(), &[3; 100]).unwrap();
            }
            done.store(true, Ordering::Release);
        });
        while !done.load(Ordering::Acquire) {
            let oldest = store.oldest();
            store.set_hold(Hold { keep_from: oldest, ..Hold::NONE });
            let was = store.oldest();
            std::thread::sleep(Duration::from_millis(2));
            assert_eq!(store.oldest(), was);
            store.set_hold(Hold::NONE);
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    assert!(store.oldest().segment > 10, "{:?}", store.oldest());
}
