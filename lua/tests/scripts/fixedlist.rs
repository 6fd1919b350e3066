//! fixedlist.lua.

use std::collections::VecDeque;

use crate::world::{World, seeded};

/// The elements of an answer of netstrings.
pub fn netstrings(mut answer: &[u8]) -> Vec<Vec<u8>> {
    let mut elements = Vec::new();
    while !answer.is_empty() {
        let colon = answer.iter().position(|&byte| byte == b':').unwrap();
        let len: usize = std::str::from_utf8(&answer[..colon]).unwrap().parse().unwrap();
        let (element, rest) = answer[colon + 1..].split_at(len);
        elements.push(element.to_vec());
        answer = rest.strip_prefix(b",").unwrap();
    }
    elements
}

#[test]
fn a_list_keeps_its_newest() {
    let world = World::new();
    for (number, len) in [(1, "1"), (2, "2"), (3, "3"), (4, "3"), (5, "3")] {
        assert_eq!(world.ask("flist_push", "3|L", format!("e{number}")).as_deref(), Some(len));
    }
    assert_eq!(world.records(), 4, "three elements and the head");
    for (range, answer) in [
        ("", "2:e3,2:e4,2:e5,"),
        ("1|-1", "2:e3,2:e4,2:e5,"),
        ("1|1", "2:e3,"),
        ("-1|-1", "2:e5,"),
        ("-2|-1", "2:e4,2:e5,"),
        ("2|9", "2:e4,2:e5,"),
        ("-9|-3", "2:e3,"),
        ("0|1", "2:e3,"),
        ("3|2", ""),
        ("4|9", ""),
        ("1e300|1e301", ""),
        ("-1e300|1e300", "2:e3,2:e4,2:e5,"),
    ] {
        assert_eq!(world.ask("flist_range", "L", range).as_deref(), Some(answer), "{range}");
    }
    assert_eq!(world.ask("flist_pop", "L", "").as_deref(), Some("e5"));
    assert_eq!(world.ask("flist_len", "L", "").as_deref(), Some("2"));
    assert_eq!(world.ask("flist_push", "1|L", "e6").as_deref(), Some("1"), "a smaller limit drops more");
    assert_eq!(world.ask("flist_range", "L", "").as_deref(), Some("2:e6,"));
    assert_eq!(world.records(), 2);
    assert_eq!(world.ask("flist_clear", "L", "").as_deref(), Some("ok"));
    assert_eq!(world.records(), 0);
}

#[test]
fn what_is_missing_is_empty() {
    let world = World::new();
    assert_eq!(world.ask("flist_len", "L", "").as_deref(), Some("0"));
    assert_eq!(world.ask("flist_range", "L", "").as_deref(), Some(""));
    assert_eq!(world.ask("flist_pop", "L", ""), None);
    assert_eq!(world.ask("flist_clear", "L", "").as_deref(), Some("ok"));
    assert_eq!((world.records(), world.memory.errors().len()), (0, 0));
}

#[test]
fn bad_input_is_refused() {
    let world = World::new();
    for key in ["0|L", "-1|L", "x|L", "1.5|L", "|L", "L|", "7|", "|", "nan|L", "1e10|L", "inf|L"] {
        world.refuses("flist_push", key, "v", "LIMIT|KEY");
    }
    for range in ["1", "1|", "|1", "a|b", "1.5|2", "1|2|3", "nan|1", "1|inf", "|", "\0"] {
        world.refuses("flist_range", "L", range, "FROM|TO");
    }
    world.put("L", "a~b~");
    for (name, key) in [
        ("flist_push", "5|L"),
        ("flist_range", "L"),
        ("flist_len", "L"),
        ("flist_pop", "L"),
        ("flist_clear", "L"),
    ] {
        world.refuses(name, key, "", "no list of fixedlist.lua");
    }
}

#[test]
fn default_limit() {
    let world = World::new();
    for _ in 0..201 {
        world.ask("flist_push", "L", "x");
    }
    assert_eq!(world.ask("flist_len", "L", "").as_deref(), Some("200"));
}

#[test]
fn lists_are_those_of_the_model() {
    let mut random = seeded("fixedlist: lists_are_those_of_the_model");
    let world = World::new();
    let mut models: Vec<VecDeque<Vec<u8>>> = vec![VecDeque::new(); 3];
    let names = ["L", "a|b", "\0"];
    for step in 0..5000 {
        let which = random.usize(..models.len());
        let (model, name) = (&mut models[which], names[which]);
        let scene = format!("step {step}");
        match random.u8(..100) {
            0..60 => {
                let value: Vec<u8> = (0..random.usize(..5)).map(|_| random.u8(..)).collect();
                let limit = if random.u8(..) < 10 { random.usize(1..5) } else { 20 };
                model.push_back(value.clone());
                model.drain(..model.len().saturating_sub(limit));
                let len = world.ask("flist_push", format!("{limit}|{name}"), value);
                assert_eq!(len, Some(model.len().to_string()), "{scene}");
            }
            60..80 => assert_eq!(world.call("flist_pop", name, ""), model.pop_back(), "{scene}"),
            80..98 => {
                let (from, to) = (random.usize(1..25), random.usize(1..25));
                let answer = world.call("flist_range", name, format!("{from}|{to}")).unwrap();
                let expected: Vec<_> = (from..=to).filter_map(|at| model.get(at - 1).cloned()).collect();
                assert_eq!(netstrings(&answer), expected, "{scene}: {from}|{to}");
            }
            _ => {
                world.ask("flist_clear", name, "");
                model.clear();
            }
        }
        let heads = names.iter().filter(|name| world.record(name).is_some()).count();
        let elements: usize = models.iter().map(VecDeque::len).sum();
        assert_eq!(world.records(), heads + elements, "{scene}: nothing is left behind");
    }
}
