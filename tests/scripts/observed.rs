//! Functions of records, stash, locks and control, one after the other on one database: a line of
//! `fixtures/scripts/observed.txt` is an expression in Lua and, after `  =>  `, what the original was seen to give for it, written
//! by the same `show.lua` as the answers of the other functions (`lua/tests/api/observed`).

use crate::support::{on_both, source_file};

fn check(observed: &str) {
    let show = source_file("lua/tests/api/observed/show.lua");
    on_both(&["-ext", show.to_str().unwrap(), "--ext-machines", "1"], |node| {
        let mut client = node.client();
        for line in observed.lines() {
            let (code, wanted) = line.split_once("  =>  ").unwrap();
            let got = client.ext("run", 0, code, "").unwrap_or_else(|| panic!("{code} fails"));
            assert_eq!(String::from_utf8_lossy(&got), wanted, "{code}");
        }
    });
}

#[test]
fn functions_are_as_observed() {
    check(&std::fs::read_to_string(source_file("tests/fixtures/scripts/observed.txt")).unwrap());
}

/// The original calls reduce once more after it wanted no more, and its server id is 0 unless it was given one.
#[test]
fn differences_from_the_original_are_these() {
    check(
        "_vanish()  =>  true\n\
         _put('a', '1') and _put('b', '2') and _put('c', '3')  =>  true\n\
         (function() local r = {} local ok = _mapreduce(function(k, v, emit) emit(v, k) end, function(k) r[#r + 1] = k \
         return false end) return ok, r end)()  =>  false ; {\"1\"}\n\
         (function() local r = 0 local ok = _mapreduce(function(k, v, emit) emit(v, k) end, function() r = r + 1 \
         error('x') end) return ok, r end)()  =>  false ; 1\n\
         _sid > 0  =>  true\n",
    );
}
