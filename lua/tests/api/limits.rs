//! Calls that use more than they may.

use std::time::{Duration, Instant};

use crate::answers::call;
use crate::host::loaded;

#[test]
fn a_limit_ends_its_call_and_nothing_else() {
    let source = "
        function loop() while true do end end
        function sleep() _sleep(100) end
        function grow() local t = {} for i = 1, 1e9 do t[i] = string.rep('x', 1e5) .. i end end
        function double() local s = 'x' while true do s = s .. s end end
        function recurse() return 1 + recurse() end
        function lock() _lock('a') _lock('a') end
        function walk() while true do _put('a', 'b') end end
        function fine() return 'fine' end";
    let (memory, scripts) = loaded(source);
    for (name, why) in [
        ("loop", "--ext-max-time"),
        ("sleep", "--ext-max-time"),
        ("grow", "--ext-max-memory"),
        ("double", "--ext-max-memory"),
        ("recurse", "stack overflow"),
        ("lock", "--ext-max-time"),
        ("walk", "--ext-max-time"),
    ] {
        memory.log.lock().clear();
        let begin = Instant::now();
        assert_eq!(call(&scripts, name, b"", b""), None, "{name}");
        assert!(begin.elapsed() < Duration::from_secs(3), "{name}: {:?}", begin.elapsed());
        assert!(memory.errors().iter().any(|line| line.contains(why)), "{name}: {:?}", memory.errors());
        assert_eq!(call(&scripts, "fine", b"", b""), Some(b"fine".to_vec()), "after {name}");
    }
    assert_eq!(
        scripts.figures().limits(),
        4,
        "loop, sleep, lock, walk; what else ends a call is an error like any other"
    );
}

#[test]
fn what_is_garbage_does_not_count_against_the_memory() {
    let source = "
        function churn(size, kept)
            local live = {}
            for i = 1, kept do live[i] = string.rep('x', 1e6) .. i end
            for i = 1, 2e7 / size do local s = string.rep('x', size) .. i end
            return #live
        end";
    for (size, kept) in [("10000", "0"), ("10000", "9"), ("100000", "12"), ("1000000", "9"), ("3000000", "0")]
    {
        let (memory, scripts) = loaded(source);
        let answer = call(&scripts, "churn", size.as_bytes(), kept.as_bytes());
        assert_eq!(answer, Some(kept.into()), "{size} {kept}: {:?}", memory.errors());
    }
}
