//! Calls in which a change fails midway, as it does where the disk is full or a record cannot be had: what was acknowledged
//! stays, and the next call goes on.

use crate::fixedlist::netstrings;
use crate::world::World;

/// Calls `call` in a world that `before` made, with its first, second, third … change failing, until none does;
/// `after` looks at the world, and is told whether the call failed.
fn at_each_change(
    before: impl Fn(&mut World),
    call: impl Fn(&World) -> bool,
    after: impl Fn(&mut World, bool),
) {
    for changes in 0.. {
        let mut world = World::new();
        before(&mut world);
        *world.memory.failing.lock() = Some(changes);
        let worked = call(&world);
        let failed_there = world.memory.failing.lock().take() == Some(0) && !worked;
        after(&mut world, !worked);
        if !failed_there {
            assert!(worked && changes > 0);
            return;
        }
    }
}

#[test]
fn a_fixed_list_keeps_all_but_the_oldest() {
    let before = |world: &mut World| {
        (1..=3).for_each(|number| _ = world.call("flist_push", "3|L", number.to_string()).unwrap());
    };
    let after = |world: &mut World, failed: bool| {
        let elements = netstrings(&world.call("flist_range", "L", "").unwrap());
        let newest: [&[u8]; 2] = if failed { [b"2", b"3"] } else { [b"3", b"4"] };
        assert!(elements.ends_with(&newest.map(<[u8]>::to_vec)), "{elements:?}");
        world.call("flist_push", "3|L", "5").unwrap();
        let elements = netstrings(&world.call("flist_range", "L", "").unwrap());
        assert_eq!((elements.len(), &elements[2][..]), (3, &b"5"[..]));
        assert_eq!(world.records(), 4, "nothing is left behind");
    };
    at_each_change(before, |world| world.call("flist_push", "3|L", "4").is_some(), after);
}

#[test]
fn a_queue_loses_nothing_that_is_taken() {
    let before = |world: &mut World| {
        ["a", "b"].into_iter().for_each(|value| _ = world.call("queue_push", "Q", value).unwrap());
        world.call("queue_take", "Q", "10").unwrap();
        world.pass(11.0);
    };
    let after = |world: &mut World, _: bool| {
        // Its first loan is over, also where that has left a record.
        if world.record("Q").unwrap() == b"queue 2 2 2 2" {
            assert_eq!(world.ask("queue_done", "Q", "1"), None);
        }
        // Whether it was given out or not: it comes back.
        world.pass(20.0);
        let elements: Vec<_> = std::iter::from_fn(|| world.ask("queue_take", "Q", "5")).collect();
        let values: Vec<_> = elements.iter().map(|lent| lent.split_once(':').unwrap().1).collect();
        assert_eq!(values, ["a", "b"]);
    };
    at_each_change(before, |world| world.call("queue_take", "Q", "10").is_some(), after);
}

#[test]
fn a_queue_goes_on_after_a_pop_that_failed() {
    let before = |world: &mut World| {
        ["a", "b"].into_iter().for_each(|value| _ = world.call("queue_push", "Q", value).unwrap());
    };
    let after = |world: &mut World, _: bool| {
        let values: Vec<_> = std::iter::from_fn(|| world.ask("queue_pop", "Q", "")).collect();
        assert!(values == ["a", "b"] || values == ["b"], "{values:?}");
        assert_eq!(world.call("queue_push", "Q", "c"), Some(b"1".to_vec()));
        assert_eq!(world.call("queue_pop", "Q", ""), Some(b"c".to_vec()));
        assert_eq!(world.records(), 1, "the head alone");
    };
    at_each_change(before, |world| world.call("queue_pop", "Q", "").is_some(), after);
}

#[test]
fn a_queue_goes_on_after_a_push_or_a_done_that_failed() {
    let before = |world: &mut World| {
        ["a", "b"].into_iter().for_each(|value| _ = world.call("queue_push", "Q", value).unwrap());
        assert_eq!(world.ask("queue_take", "Q", "10").as_deref(), Some("1:a"));
    };
    let drained = |world: &World| std::iter::from_fn(|| world.ask("queue_pop", "Q", "")).collect::<Vec<_>>();
    at_each_change(
        before,
        |world| world.call("queue_push", "Q", "c").is_some(),
        |world, failed| {
            let waiting = if failed { vec!["b"] } else { vec!["b", "c"] };
            assert_eq!(world.ask("queue_len", "Q", ""), Some(waiting.len().to_string()));
            assert_eq!(drained(world), waiting);
        },
    );
    at_each_change(
        before,
        |world| world.call("queue_done", "Q", "1").is_some(),
        |world, _| {
            assert_eq!(drained(world), ["b"]);
        },
    );
}

#[test]
fn others_change_one_record_or_nothing() {
    let before = |world: &mut World| {
        world.put("ll_x", "a~");
        world.call("lock_acquire", "held", "10|me").unwrap();
    };
    for (name, key, value) in [
        ("list_add", "ll_x", "b~"),
        ("list_remove", "ll_x", "a~"),
        ("incr", "n", "1"),
        ("lock_acquire", "free", "10|me"),
        ("lock_extend", "held", "10|me"),
        ("lock_release", "held", "me"),
        ("rate_allow", "r", "1|1"),
    ] {
        let after = |world: &mut World, failed: bool| {
            let again = world.call(name, key, value);
            // What failed works the second time as it would have the first time.
            assert!(!failed || again.is_some(), "{name}");
        };
        at_each_change(before, |world| world.call(name, key, value).is_some(), after);
    }
}
