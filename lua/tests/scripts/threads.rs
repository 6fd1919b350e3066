//! Calls from several threads at once: nothing is lost, nothing is given twice.

use std::collections::BTreeSet;

use crate::fixedlist::netstrings;
use crate::world::World;

const THREADS: usize = 6;
const CALLS: usize = 500;

/// Calls `work` with the number of each thread, all of them at once.
fn together<T: Send>(world: &World, work: impl Fn(&World, usize) -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|number| {
                scope.spawn({
                    let work = &work;
                    move || work(world, number)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn each_function_holds_the_record_that_it_changes() {
    let world = World::new();
    // What the host says of a record that another call holds.
    let held = "held by another";
    for (name, key, value) in [
        ("list_add", "", "a~"),
        ("list_add", "5|", "a~"),
        ("list_remove", "", "a~"),
        ("flist_push", "", "a"),
        ("flist_push", "5|", "a"),
        ("flist_pop", "", ""),
        ("flist_clear", "", ""),
        ("lock_acquire", "", "1|me"),
        ("lock_extend", "", "1|me"),
        ("lock_release", "", "me"),
        ("rate_allow", "", "1|1"),
        ("queue_push", "", "a"),
        ("queue_pop", "", ""),
        ("queue_take", "", "1"),
        ("queue_done", "", "1"),
    ] {
        world.refuses(name, format!("{key}{held}"), value, held);
    }
}

#[test]
fn sums_are_exact() {
    let world = World::new();
    together(&world, |world, number| {
        for _ in 0..CALLS {
            world.call("incr", "k", (number + 1).to_string()).unwrap();
        }
    });
    let sum = CALLS * THREADS * (THREADS + 1) / 2;
    assert_eq!(world.record("k").unwrap(), sum.to_string().as_bytes());
}

#[test]
fn lists_lose_no_item() {
    let world = World::new();
    together(&world, |world, number| {
        for call in 0..CALLS / 2 {
            // Under names that mean one record.
            let key = ["9999|ll_x", "9998|ll_x"][call % 2];
            world.call("list_add", key, format!("{number}-{call}~shared~gone {number}~")).unwrap();
            world.call("list_remove", "ll_x", format!("gone {number}~")).unwrap();
        }
    });
    let record = String::from_utf8(world.record("ll_x").unwrap()).unwrap();
    let items: Vec<&str> = record.split_terminator('~').collect();
    assert_eq!(items.len(), THREADS * (CALLS / 2) + 1);
    assert_eq!(items.iter().collect::<BTreeSet<_>>().len(), items.len(), "none twice");
    for number in 0..THREADS {
        let own = items.iter().filter_map(|item| item.strip_prefix(&format!("{number}-")));
        assert!(own.map(|call| call.parse::<usize>().unwrap()).eq(0..CALLS / 2), "in order");
    }
}

#[test]
fn fixed_lists_lose_no_element() {
    let world = World::new();
    together(&world, |world, number| {
        for call in 0..CALLS {
            world.call("flist_push", "100000|L", format!("{number} {call}")).unwrap();
            world.call("flist_push", "10|short", format!("{number} {call}")).unwrap();
            let range = world.call("flist_range", "short", "").unwrap();
            assert!(netstrings(&range).len() <= 10);
        }
    });
    let elements: BTreeSet<_> =
        netstrings(&world.call("flist_range", "L", "").unwrap()).into_iter().collect();
    assert_eq!(elements.len(), THREADS * CALLS);
    assert_eq!(world.ask("flist_len", "short", "").as_deref(), Some("10"));
    assert_eq!(world.records(), THREADS * CALLS + 1 + 10 + 1, "nothing is left behind");
}

#[test]
fn queues_give_each_element_once() {
    let world = World::new();
    let got = together(&world, |world, number| {
        let mut got = Vec::new();
        for call in 0..CALLS {
            world.call("queue_push", "Q", format!("{number} {call}")).unwrap();
            if call % 2 == 0 {
                got.extend(world.call("queue_pop", "Q", ""));
            } else if let Some(lent) = world.ask("queue_take", "Q", "1000") {
                let (id, value) = lent.split_once(':').unwrap();
                assert_eq!(world.ask("queue_done", "Q", id).as_deref(), Some("ok"));
                got.push(value.as_bytes().to_vec());
            }
        }
        got
    });
    let got: Vec<_> = got.into_iter().flatten().collect();
    let rest = std::iter::from_fn(|| world.call("queue_pop", "Q", ""));
    let all: Vec<_> = got.into_iter().chain(rest).collect();
    assert_eq!(all.len(), THREADS * CALLS);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "each once");
    assert_eq!(world.records(), 1, "the head alone");
}

#[test]
fn locks_have_one_owner_and_growing_tokens() {
    let world = World::new();
    let inside = std::sync::Mutex::new(0_u64);
    let taken: usize = together(&world, |world, number| {
        let owner = number.to_string();
        let acquire = |_: &usize| {
            let Some(token) = world.ask("lock_acquire", "a", format!("1000|{owner}")) else { return false };
            let mut last = inside.try_lock().expect("nobody else has the lock");
            let token: u64 = token.parse().unwrap();
            assert!(token > *last, "{token} after {last}");
            *last = token;
            drop(last);
            assert_eq!(world.ask("lock_release", "a", &owner).as_deref(), Some("ok"));
            true
        };
        (0..CALLS).filter(acquire).count()
    })
    .into_iter()
    .sum();
    assert!(taken > CALLS / 2, "{taken}");
}

#[test]
fn no_more_are_allowed_than_the_limit() {
    let world = World::new();
    let allowed = together(&world, |world, _| {
        let allowed = |_: &usize| world.ask("rate_allow", "k", "1000|1000").unwrap().starts_with("1|");
        (0..CALLS).filter(allowed).count()
    });
    assert_eq!(allowed.iter().sum::<usize>(), 1000);
}
