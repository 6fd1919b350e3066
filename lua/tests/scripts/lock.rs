//! lock.lua.

use crate::world::World;

#[test]
fn one_owner_at_a_time() {
    let mut world = World::new();
    assert_eq!(world.ask("lock_acquire", "a", "10|me").as_deref(), Some("1"));
    assert_eq!(world.ask("lock_acquire", "a", "10|you"), None);
    assert_eq!(world.ask("lock_acquire", "b", "10|you").as_deref(), Some("2"), "another lock");
    assert_eq!(world.ask("lock_release", "a", "you"), None);
    assert_eq!(world.ask("lock_extend", "a", "10|you"), None);
    assert_eq!(world.ask("lock_release", "a", "me").as_deref(), Some("ok"));
    assert_eq!(world.ask("lock_release", "a", "me"), None, "it is free");
    assert_eq!(world.ask("lock_extend", "a", "10|me"), None);
    assert_eq!(world.ask("lock_acquire", "a", "10|you").as_deref(), Some("3"));
    world.pass(10.0);
    assert_eq!(world.ask("lock_acquire", "a", "10|me").as_deref(), Some("4"), "its time was up");
    assert_eq!(world.ask("lock_release", "a", "you"), None);
    assert_eq!(world.memory.errors(), [""; 0], "a lock that is held is no error");
}

#[test]
fn an_owner_may_go_on() {
    let mut world = World::new();
    assert_eq!(world.ask("lock_acquire", "a", "10|me").as_deref(), Some("1"));
    world.pass(9.0);
    assert_eq!(world.ask("lock_extend", "a", "10|me").as_deref(), Some("1"), "the same token");
    world.pass(9.0);
    assert_eq!(world.ask("lock_acquire", "a", "0.5|me").as_deref(), Some("1"), "an answer that was lost");
    assert_eq!(world.ask("lock_acquire", "a", "10|you"), None);
    world.pass(0.5);
    assert_eq!(world.ask("lock_extend", "a", "10|me"), None, "too late");
    assert_eq!(world.ask("lock_acquire", "a", "10|you").as_deref(), Some("2"));
}

#[test]
fn odd_names_and_owners() {
    let world = World::new();
    for (number, name) in [&b""[..], b"\0", b"%d", b"a|b", b"~"].into_iter().enumerate() {
        let token = (number + 1).to_string();
        assert_eq!(world.ask("lock_acquire", name, b"5|a|b\0\xff "), Some(token), "{}", name.escape_ascii());
        assert_eq!(world.ask("lock_acquire", name, b"5|a|b\0\xfe "), None);
        assert_eq!(world.ask("lock_release", name, b"a|b\0\xff ").as_deref(), Some("ok"));
    }
}

#[test]
fn bad_input_is_refused() {
    let world = World::new();
    for value in ["", "10", "10|", "|me", "0|me", "-1|me", "x|me", "nan|me", "inf|me", "1e9|me", "|", "\0"] {
        world.refuses("lock_acquire", "a", value, "SECONDS|OWNER");
        world.refuses("lock_extend", "a", value, "SECONDS|OWNER");
    }
    world.put("a", "something else");
    world.refuses("lock_acquire", "a", "1|me", "no lock of lock.lua");
    world.refuses("lock_extend", "a", "1|me", "no lock of lock.lua");
    world.refuses("lock_release", "a", "me", "no lock of lock.lua");
}
