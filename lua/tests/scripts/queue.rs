//! queue.lua.

use std::collections::VecDeque;

use crate::world::{World, seeded};

#[test]
fn first_in_first_out() {
    let world = World::new();
    for (value, len) in [("a", "1"), ("", "2"), ("c", "3")] {
        assert_eq!(world.ask("queue_push", "Q", value).as_deref(), Some(len));
    }
    assert_eq!(world.ask("queue_peek", "Q", "").as_deref(), Some("a"));
    assert_eq!(world.ask("queue_len", "Q", "").as_deref(), Some("3"));
    for value in [Some("a"), Some(""), Some("c"), None] {
        assert_eq!(world.ask("queue_pop", "Q", "").as_deref(), value);
    }
    assert_eq!(world.ask("queue_len", "Q", "").as_deref(), Some("0"));
    assert_eq!(world.ask("queue_peek", "Q", ""), None);
    assert_eq!(world.ask("queue_len", "none", "").as_deref(), Some("0"));
    assert_eq!(world.records(), 1, "the head alone");
    assert_eq!(world.memory.errors(), [""; 0], "an empty queue is no error");
}

#[test]
fn what_is_lent_comes_back_unless_it_is_done() {
    let mut world = World::new();
    for value in ["a", "b", "c"] {
        world.ask("queue_push", "Q", value);
    }
    assert_eq!(world.ask("queue_take", "Q", "10").as_deref(), Some("1:a"));
    assert_eq!(world.ask("queue_take", "Q", "10").as_deref(), Some("2:b"));
    assert_eq!(world.ask("queue_len", "Q", "").as_deref(), Some("1"));
    assert_eq!(world.ask("queue_done", "Q", "1").as_deref(), Some("ok"));
    assert_eq!(world.ask("queue_done", "Q", "1"), None, "once");
    world.pass(9.0);
    assert_eq!(world.ask("queue_peek", "Q", "").as_deref(), Some("c"), "b is lent");
    world.pass(1.5);
    assert_eq!(world.ask("queue_peek", "Q", "").as_deref(), Some("b"), "b is overdue");
    assert_eq!(world.ask("queue_take", "Q", "10").as_deref(), Some("3:b"));
    assert_eq!(world.ask("queue_done", "Q", "2"), None, "who was too late has it no more");
    world.pass(11.0);
    assert_eq!(world.ask("queue_pop", "Q", "").as_deref(), Some("b"), "an overdue one goes first");
    assert_eq!(world.ask("queue_take", "Q", "0.5").as_deref(), Some("4:c"));
    world.pass(1.0);
    assert_eq!(world.ask("queue_done", "Q", "4").as_deref(), Some("ok"), "overdue, but nobody else has it");
    assert_eq!(world.ask("queue_take", "Q", "1"), None);
    assert_eq!(world.records(), 1, "the head alone");
}

#[test]
fn what_is_done_is_passed_over_at_once() {
    let world = World::new();
    for value in ["a", "b", "c"] {
        world.ask("queue_push", "Q", value);
        world.ask("queue_take", "Q", "10");
    }
    for (id, head) in [("2", "queue 4 3 1 3"), ("3", "queue 4 3 1 3"), ("1", "queue 4 3 4 3")] {
        assert_eq!(world.ask("queue_done", "Q", id).as_deref(), Some("ok"));
        assert_eq!(world.record("Q").unwrap(), head.as_bytes(), "after {id}");
    }
}

#[test]
fn bad_input_is_refused() {
    let world = World::new();
    world.ask("queue_push", "Q", "a");
    for seconds in ["", "0", "-1", "x", "nan", "inf", "1e10", "\0"] {
        world.refuses("queue_take", "Q", seconds, "number of seconds");
    }
    for id in ["", "x", "-1", "1.5", "1\0", "9999999999999999", "0x1"] {
        world.refuses("queue_done", "Q", id, "ID");
    }
    assert_eq!(world.ask("queue_done", "Q", "1"), None, "nothing was lent");
    assert_eq!(world.ask("queue_done", "Q", "0"), None);
    world.put("L", "a~b~");
    for name in ["queue_push", "queue_pop", "queue_peek", "queue_len"] {
        world.refuses(name, "L", "", "no queue of queue.lua");
    }
    world.refuses("queue_take", "L", "1", "no queue of queue.lua");
    world.refuses("queue_done", "L", "1", "no queue of queue.lua");
}

/// A queue in memory: what waits, and what is lent until when, in the order of the loans.
#[derive(Default)]
struct Model {
    waiting: VecDeque<Vec<u8>>,
    lent: VecDeque<(u64, u64, Vec<u8>)>,
    loans: u64,
}

impl Model {
    fn next(&mut self, now: u64) -> Option<Vec<u8>> {
        match self.lent.front() {
            Some((_, end, _)) if *end <= now => self.lent.pop_front().map(|lent| lent.2),
            _ => self.waiting.pop_front(),
        }
    }
}

#[test]
fn queues_are_those_of_the_model() {
    let mut random = seeded("queues_are_those_of_the_model");
    for _ in 0..10 {
        let mut world = World::new();
        let mut model = Model::default();
        let mut now = 0;
        for step in 0..600 {
            let scene = format!("step {step}");
            match random.u8(..100) {
                0..40 => {
                    let value: Vec<u8> = (0..random.usize(..4)).map(|_| random.u8(..)).collect();
                    model.waiting.push_back(value.clone());
                    let len = world.ask("queue_push", "Q", value);
                    assert_eq!(len, Some(model.waiting.len().to_string()), "{scene}");
                }
                40..50 => assert_eq!(world.call("queue_pop", "Q", ""), model.next(now), "{scene}"),
                50..75 => {
                    let seconds = random.u64(1..20);
                    let expected = model.next(now).map(|value| {
                        model.loans += 1;
                        model.lent.push_back((model.loans, now + seconds, value.clone()));
                        [format!("{}:", model.loans).as_bytes(), &value].concat()
                    });
                    assert_eq!(world.call("queue_take", "Q", seconds.to_string()), expected, "{scene}");
                }
                75..90 => {
                    let id = random.u64(0..model.loans + 2);
                    let at = model.lent.iter().position(|lent| lent.0 == id);
                    at.map(|at| model.lent.remove(at));
                    let answer = world.ask("queue_done", "Q", id.to_string());
                    assert_eq!(answer.as_deref(), at.map(|_| "ok"), "{scene}");
                }
                _ => {
                    let seconds = random.u64(1..6);
                    now += seconds;
                    world.pass(seconds as f64);
                }
            }
            let head = usize::from(world.record("Q").is_some());
            let records = head + model.waiting.len() + 2 * model.lent.len();
            assert_eq!(world.records(), records, "{scene}: nothing is left behind");
        }
    }
}
