//! How much of the log may be dead: under as much as is live once writers pause, under a tenth after
//! `optimize`. Counted is what was written to segments, the active one included; not what is allocated
//! ahead of it (one or two segments), and not the checkpoint.

use std::time::{Duration, Instant};

use lcnode_storage::Store;

use crate::random::{self, Random};
use crate::scene::{self, Model, check, small_segments};

const SEGMENT: usize = 1 << 16;
const KEYS: u64 = 30_000;

fn put(store: &Store, model: &mut Model, key: u64, random: &mut Random) {
    let len = 50 + random.below(100);
    let value = random.bytes(len);
    store.put(&key.to_be_bytes(), &value).unwrap();
    model.insert(key.to_be_bytes().to_vec(), value);
}

/// Dead after each workload: everything evenly, the hot few over many cold, whole ages, and deletes.
fn work(name: &str, store: &Store, model: &mut Model, random: &mut Random) {
    for key in 0..KEYS {
        put(store, model, key, random);
    }
    match name {
        "even" => (0..3 * KEYS).for_each(|_| put(store, model, random.below(KEYS), random)),
        "hot" => (0..4 * KEYS).for_each(|_| put(store, model, random.below(300), random)),
        "ages" => (0..2 * KEYS).for_each(|number| put(store, model, number % (KEYS / 2), random)),
        _ => {
            for key in (0..KEYS).filter(|key| key % 3 > 0) {
                assert!(store.delete(&key.to_be_bytes()).unwrap());
                model.remove(&key.to_be_bytes()[..]);
            }
        }
    }
}

#[test]
fn space_comes_back_whatever_the_workload() {
    let mut random = random::seeded("space_comes_back_whatever_the_workload");
    for name in ["even", "hot", "ages", "deletes"] {
        let folder = scene::quick_folder();
        let store = Store::open(small_segments(&folder.path().join("space.tch"), SEGMENT)).unwrap();
        let mut model = Model::new();
        // A checkpoint in the middle, whose segments must not keep others from going.
        std::thread::scope(|scope| {
            scope.spawn(|| store.checkpoint().unwrap());
            work(name, &store, &mut model, &mut random);
        });
        let started = Instant::now();
        let ratio = |store: &Store| {
            let figures = store.figures();
            figures.log_bytes as f64 / figures.live_bytes as f64
        };
        let busy = ratio(&store);
        while ratio(&store) >= 2.0 {
            assert!(started.elapsed() < Duration::from_secs(60), "{name}: {:?}", store.figures());
            std::thread::sleep(Duration::from_millis(20));
        }
        let (idle, waited) = (ratio(&store), started.elapsed());
        store.optimize().unwrap();
        let tight = ratio(&store);
        eprintln!("{name}: {busy:.2}, after {waited:.1?} of pause {idle:.2}, after optimize {tight:.3}");
        assert!(tight < 1.1, "{name}: {:?}", store.figures());
        check(&store, &model, name);
    }
}

#[test]
fn dead_bytes_stay_bounded_while_writers_go_on() {
    let mut random = random::seeded("dead_bytes_stay_bounded_while_writers_go_on");
    let folder = scene::quick_folder();
    let store = Store::open(small_segments(&folder.path().join("space.tch"), SEGMENT)).unwrap();
    let mut model = Model::new();
    for key in 0..KEYS {
        put(&store, &mut model, key, &mut random);
    }
    let mut most = 0.0_f64;
    for number in 0..20 * KEYS {
        put(&store, &mut model, random.below(KEYS), &mut random);
        if number % 1_000 == 0 {
            let figures = store.figures();
            most = most.max(figures.log_bytes as f64 / figures.live_bytes as f64);
        }
    }
    eprintln!("at most {most:.2} bytes of log for each live one");
    // Rest ends at three. From there on it depends on the machine: without compaction it would be 21.
    assert!(most < 10.0, "{most}");
    check(&store, &model, "after twenty times as many writes as keys");
}
