//! Waiting for what others have reserved: everyone's turn comes, and nobody waits for himself.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use lcnode_storage::{Error, Options, Place, Result, Scope, Store};

use crate::random::{self, Random};

/// Long enough for anything that ends at all.
const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(50);

fn memory() -> Store {
    Store::open(Options { buckets: 64, ..Options::new(Place::Memory) }).unwrap()
}

fn long() -> Instant {
    Instant::now() + LONG
}

fn short() -> Instant {
    Instant::now() + SHORT
}

/// Keys that share no lock.
fn keys(store: &Store, count: usize) -> Vec<Vec<u8>> {
    let mut keys: Vec<Vec<u8>> = Vec::new();
    for number in 0..100_000_u32 {
        let key = number.to_le_bytes().to_vec();
        if keys.len() < count
            && keys.iter().all(|other| !store.scope_of(other).excludes(store.scope_of(&key)))
        {
            keys.push(key);
        }
    }
    assert_eq!(keys.len(), count);
    keys
}

fn is_deadlock<T>(result: &Result<T>) -> bool {
    matches!(result, Err(Error::Deadlock))
}

#[test]
fn who_waits_gets_it_or_an_error_at_the_deadline() {
    let store = memory();
    let keys = keys(&store, 2);
    for all in [false, true] {
        let reserve = |deadline| match all {
            true => store.reserve_all(deadline),
            false => store.reserve(&keys[0], deadline),
        };
        let wait = |deadline| match all {
            true => store.wait_for(Scope::ALL, deadline),
            false => store.wait_for(store.scope_of(&keys[0]), deadline),
        };
        let reservation = store.reserve(&keys[0], long()).unwrap();
        wait(short()).unwrap();
        thread::scope(|scope| {
            let late = scope.spawn(|| {
                let started = Instant::now();
                let refused = [reserve(short()).map(drop), wait(short())];
                assert!(refused.iter().all(|result| matches!(result, Err(Error::Reserved))), "{refused:?}");
                assert!(started.elapsed() >= SHORT * 2 && started.elapsed() < LONG);
                assert!(matches!(wait(Instant::now()), Err(Error::Reserved)));
            });
            late.join().unwrap();
            let waits = scope.spawn(|| wait(long()));
            let reserves = scope.spawn(|| {
                let _reserved = reserve(long()).unwrap();
                store.put(&keys[0], b"theirs").unwrap();
            });
            thread::sleep(SHORT);
            assert!(!waits.is_finished() && !reserves.is_finished());
            store.put(&keys[0], b"mine").unwrap();
            drop(reservation);
            waits.join().unwrap().unwrap();
            reserves.join().unwrap();
        });
        assert_eq!(store.get(&keys[0], <[u8]>::to_vec).unwrap(), Some(b"theirs".to_vec()));
    }
}

/// Each of some threads has reserved something and wants what the next has: one of them must be refused, and that it lets go
/// is enough for the others. Says who was refused.
fn circle(store: &Store, threads: usize, want: impl Fn(usize) -> Result<()> + Sync) -> usize {
    let keys = keys(store, threads);
    let (all_have, refused) = (Barrier::new(threads), AtomicUsize::new(0));
    thread::scope(|scope| {
        for (number, key) in keys.iter().enumerate() {
            let (all_have, refused, want) = (&all_have, &refused, &want);
            scope.spawn(move || {
                let _reserved = store.reserve(key, long()).unwrap();
                all_have.wait();
                match want(number) {
                    Ok(()) => {}
                    Err(Error::Deadlock) => _ = refused.fetch_add(1, Ordering::Relaxed),
                    Err(error) => panic!("{error}"),
                }
            });
        }
    });
    refused.into_inner()
}

#[test]
fn a_circle_of_those_who_wait_is_refused() {
    let store = memory();
    for threads in [2, 3, 7] {
        let keys = keys(&store, threads);
        let next = |number: usize| &keys[(number + 1) % threads];
        let started = Instant::now();
        for _ in 0..20 {
            let reserve = |number: usize| store.reserve(next(number), long()).map(drop);
            assert_eq!(circle(&store, threads, reserve), 1, "{threads} that reserve");
            let wait = |number: usize| store.wait_for(store.scope_of(next(number)), long());
            assert_eq!(circle(&store, threads, wait), 1, "{threads} that wait for a change");
            // Whoever wants all is waited for by nobody who wants a single key; but only one of them can get all.
            let all = |_| store.reserve_all(long()).map(drop);
            assert_eq!(circle(&store, threads, all), threads - 1, "{threads} that want all");
        }
        assert!(started.elapsed() < LONG);
    }
}

#[test]
fn a_chain_of_those_who_wait_is_none() {
    let store = memory();
    let keys = keys(&store, 3);
    let first = store.reserve(&keys[0], long()).unwrap();
    let (has, may) = (Barrier::new(2), Barrier::new(2));
    thread::scope(|scope| {
        let second = scope.spawn(|| {
            let _second = store.reserve(&keys[1], long()).unwrap();
            has.wait();
            may.wait();
            store.reserve(&keys[0], long()).map(drop)
        });
        has.wait();
        may.wait();
        let third = scope.spawn(|| {
            let _third = store.reserve(&keys[2], long()).unwrap();
            store.reserve(&keys[1], long()).map(drop)
        });
        thread::sleep(SHORT);
        assert!(!second.is_finished() && !third.is_finished());
        let closing = store.reserve(&keys[2], long());
        assert!(is_deadlock(&closing), "both wait for this thread");
        // It still has the first, whatever that may be needed for.
        store.put(&keys[0], b"v").unwrap();
        assert!(matches!(scope.spawn(|| store.put(&keys[0], b"v")).join().unwrap(), Err(Error::Reserved)));
        drop(first);
        second.join().unwrap().unwrap();
        third.join().unwrap().unwrap();
    });
}

/// Counts how often it was woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_turn_comes_without_blocking() {
    let store = memory();
    let keys = keys(&store, 2);
    let woken: [Arc<Woken>; 3] = Default::default();
    let count = |number: usize| woken[number].0.load(Ordering::SeqCst);
    let turns: Vec<_> = (0..3).map(|_| store.queue_for(store.scope_of(&keys[0]))).collect();
    let poll = |number: usize| {
        let waker = Waker::from(Arc::clone(&woken[number]));
        turns[number].poll(&Context::from_waker(&waker)).is_ready()
    };
    let (reserved, let_go) = (Barrier::new(2), Barrier::new(2));
    thread::scope(|scope| {
        let holder = scope.spawn(|| {
            let _other = store.reserve(&keys[1], long()).unwrap();
            // Past those who wait: it has something already.
            let _one = store.reserve(&keys[0], long()).unwrap();
            reserved.wait();
            let_go.wait();
        });
        reserved.wait();
        assert!(!poll(0) && !poll(1) && !poll(2));
        assert_eq!((count(0), count(1), count(2)), (0, 0, 0));
        let_go.wait();
        holder.join().unwrap();
    });
    assert_eq!((count(0), count(1), count(2)), (1, 1, 1), "all who only want to change, and once");
    assert!(poll(0) && poll(1) && poll(2));
    // Nobody new comes between, neither for one key nor for all; other keys are free.
    assert!(matches!(store.reserve(&keys[0], short()), Err(Error::Reserved)));
    assert!(matches!(store.reserve_all(short()), Err(Error::Reserved)));
    drop(store.reserve(&keys[1], short()).unwrap());
    store.put(&keys[0], b"v").unwrap();
    assert!(poll(0), "still");
    drop(turns);
    drop(store.reserve(&keys[0], Instant::now()).unwrap());
    let all = store.queue_for(Scope::ALL);
    let waker = Waker::from(Arc::clone(&woken[0]));
    let held = store.reserve(&keys[0], short());
    assert!(matches!(held, Err(Error::Reserved)), "not even before it was asked for");
    assert!(all.poll(&Context::from_waker(&waker)).is_ready());
}

#[test]
fn who_gives_up_holds_up_nobody() {
    let store = memory();
    let reservation = store.reserve(b"key", long()).unwrap();
    thread::scope(|scope| {
        let waits = scope.spawn(|| {
            let turn = store.queue_for(store.scope_of(b"key"));
            let all = scope.spawn(|| store.reserve_all(short()).map(drop));
            assert!(all.join().unwrap().is_err());
            let later = scope.spawn(|| store.reserve(b"key", long()).map(drop));
            thread::sleep(SHORT);
            assert!(!later.is_finished());
            (turn, later)
        });
        let (turn, later) = waits.join().unwrap();
        drop(reservation);
        thread::sleep(SHORT);
        assert!(!later.is_finished(), "the turn is still to be taken");
        drop(turn);
        later.join().unwrap().unwrap();
    });
}

#[test]
fn a_stream_of_reservations_lets_those_through_who_want_all() {
    let store = memory();
    let stop = AtomicBool::new(false);
    let reserved = AtomicU64::new(0);
    thread::scope(|scope| {
        for number in 0..4_u32 {
            let (store, stop, reserved) = (&store, &stop, &reserved);
            scope.spawn(move || {
                let mut random = Random::new(number.into());
                while !stop.load(Ordering::Relaxed) {
                    let _one = store.reserve(&random.below(20).to_le_bytes(), long()).unwrap();
                    reserved.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(Duration::from_micros(random.below(300)));
                }
            });
        }
        let mut got = 0;
        while got < 200 || reserved.load(Ordering::Relaxed) < 1_000 {
            got += 1;
            drop(store.reserve_all(long()).unwrap());
            store.wait_for(Scope::ALL, long()).unwrap();
            store.wait_for(store.scope_of(&1_u64.to_le_bytes()), long()).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    });
}

/// Increments under reservations of keys, of two keys and of all, and by waiting turns; besides plain puts. `LCNODE_STRESS`
/// sets how many for each thread.
#[test]
fn stress_of_increments_under_reservations() {
    const THREADS: u64 = 8;
    const KEYS: u64 = 4;
    let seed = random::seed("stress_of_increments_under_reservations");
    let rounds = random::variable("LCNODE_STRESS").unwrap_or(20_000);
    let store = memory();
    let key = |number: u64| format!("counter {number}").into_bytes();
    let number = |key: &[u8]| {
        store.get(key, |value| u64::from_le_bytes(value.try_into().unwrap())).unwrap().unwrap_or(0)
    };
    let increment = |key: &[u8], yields: bool| {
        let number = number(key);
        if yields {
            thread::yield_now();
        }
        store.put(key, &(number + 1).to_le_bytes()).unwrap();
    };
    let totals: Vec<AtomicU64> = (0..KEYS).map(|_| AtomicU64::new(0)).collect();
    let (refused, circles) = (AtomicU64::new(0), AtomicU64::new(0));
    let deadline = Instant::now() + Duration::from_secs(120);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (store, totals, refused, circles) = (&store, &totals, &refused, &circles);
            scope.spawn(move || {
                let mut random = Random::new(seed + thread);
                for round in 0..rounds {
                    let (one, yields) = (random.below(KEYS), random.below(8) == 0);
                    match random.below(100) {
                        0 => {
                            let _all = store.reserve_all(deadline).unwrap();
                            for number in 0..KEYS {
                                increment(&key(number), yields);
                                totals[number as usize].fetch_add(1, Ordering::Relaxed);
                            }
                        }
                        1..10 => {
                            let other = random.below(KEYS);
                            let _first = store.reserve(&key(one), deadline).unwrap();
                            match store.reserve(&key(other), deadline) {
                                Ok(_second) => {
                                    increment(&key(other), yields);
                                    totals[other as usize].fetch_add(1, Ordering::Relaxed);
                                }
                                Err(Error::Deadlock) => _ = circles.fetch_add(1, Ordering::Relaxed),
                                Err(error) => panic!("{error}"),
                            }
                            increment(&key(one), yields);
                            totals[one as usize].fetch_add(1, Ordering::Relaxed);
                        }
                        _ => {
                            let _reserved = store.reserve(&key(one), deadline).unwrap();
                            increment(&key(one), yields);
                            totals[one as usize].fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    // Its own, under locks that others reserve.
                    let own = [thread, random.below(300)].map(u64::to_le_bytes).concat();
                    while let Err(error) = store.put(&own, &round.to_le_bytes()) {
                        assert!(matches!(error, Error::Reserved), "{error}");
                        refused.fetch_add(1, Ordering::Relaxed);
                        store.wait_for(store.scope_of(&own), deadline).unwrap();
                    }
                }
            });
        }
    });
    for number_of_key in 0..KEYS {
        let total = totals[number_of_key as usize].load(Ordering::Relaxed);
        assert_eq!(number(&key(number_of_key)), total, "{number_of_key}");
    }
    eprintln!("{refused:?} puts were refused at first, {circles:?} circles");
}
