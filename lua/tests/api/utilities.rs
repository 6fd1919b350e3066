//! Functions that only compute, and those on files, against what the original answered.
//!
//! A line of `observed/*.txt` is an expression in Lua and, after `  =>  `, what the original was seen to give for
//! it, written by `observed/show.lua`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lcnode_lua::{Allowed, Limits, Scripts};

use crate::answers::call;
use crate::host::{Memory, MemoryHost, settings};

const SHOW: &str = include_str!("observed/show.lua");

fn scripts(allowed: Allowed) -> Scripts {
    let mut settings = settings(SHOW);
    settings.allowed = allowed;
    settings.limits = Limits { time: Duration::from_secs(5), ..settings.limits };
    Scripts::load(Arc::new(MemoryHost(Arc::new(Memory::default()))), settings).unwrap()
}

fn with_files() -> Scripts {
    scripts(Allowed { files: true, processes: false })
}

/// What an expression gives.
fn shown(scripts: &Scripts, expression: &str) -> String {
    match call(scripts, "run", expression.as_bytes(), b"") {
        Some(shown) => String::from_utf8_lossy(&shown).into_owned(),
        None => "FAILED".to_owned(),
    }
}

fn check(observed: &str) {
    let scripts = with_files();
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in observed.lines() {
        let (expression, expected) = line.split_once("  =>  ").expect("two parts");
        let given = shown(&scripts, expression);
        if given != expected {
            wrong.push(format!("{expression}\n  original: {expected}\n  here:     {given}"));
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 10);
}

#[test]
fn packing_is_as_observed() {
    check(include_str!("observed/pack.txt"));
    check(include_str!("observed/unpack.txt"));
}

#[test]
fn text_functions_are_as_observed() {
    check(include_str!("observed/text.txt"));
}

#[test]
fn codecs_are_as_observed() {
    check(include_str!("observed/codec.txt"));
}

#[test]
fn hashes_and_bits_are_as_observed() {
    check(include_str!("observed/numbers.txt"));
}

#[test]
fn regular_expressions_are_as_observed() {
    check(include_str!("observed/regex.txt"));
}

#[test]
fn sets_are_as_observed() {
    check(include_str!("observed/sets.txt"));
}

#[test]
fn arguments_of_file_functions_are_as_observed() {
    check(include_str!("observed/files.txt"));
}

#[test]
fn streams_are_read_back() {
    let scripts = with_files();
    for mode in ["deflate", "gzip", "bzip", "tcbs", "pack", "base", "hex", "url", "quote", "xml"] {
        for text in ["''", "'hello'", "('a'):rep(1000)", "('abracadabra '):rep(2000)", "'\\255\\254\\1'"] {
            let expression = format!("_codec('~{mode}', _codec('{mode}', {text})) == {text}");
            assert_eq!(shown(&scripts, &expression), "true", "{expression}");
        }
    }
    // Written by the original.
    for (mode, written) in [
        ("deflate", "789c4b4c2a4a4c4e4c4904520a8923800d000ba25911"),
        ("gzip", "1f8b08000000000000034b4c2a4a4c4e4c4904520a8923800d0010683e80f0000000"),
        (
            "bzip",
            "425a6839314159265359ccfbec92000027918040003c001000200030c00295467a9f13131384fc989d0984f0bb9229c2848667df6490",
        ),
    ] {
        let decoded = format!("_codec('~{mode}', _codec('~hex', '{written}')) == ('abracadabra '):rep(20)");
        assert_eq!(shown(&scripts, &decoded), "true", "{mode}");
    }
}

/// What the original hangs on, makes up or has, and is otherwise here.
#[test]
fn differences_from_the_original_are_these() {
    let scripts = with_files();
    let unsupported = "ERR _regex: the pattern has a back-reference, which is not to be had here";
    for (expression, expected) in [
        // An endless loop there.
        ("_codec('~bzip', '')", "nil"),
        ("_codec('~bzip', (_codec('bzip', 'hello'):sub(1, -2)))", "nil"),
        // Bytes that nobody has written there.
        ("_codec('~tcbs', (_codec('tcbs', 'hello world'):sub(1, -2)))", "nil"),
        ("_codec('~tcbs', 'hello world, this is no such stream')", "nil"),
        // There, they match.
        ("_regex('abab', '(ab)\\\\1')", unsupported),
        ("_regex('abab', '(ab)\\\\1', 'X')", unsupported),
        (
            "_regex('a', ('('):rep(250) .. 'a' .. (')'):rep(250))",
            "ERR _regex: the pattern has groups nested too deeply",
        ),
        // Many seconds there.
        ("_regex('xx', ('x{1,32767}'):rep(20), '-')", "ERR _regex: the pattern makes too large an automaton"),
    ] {
        assert_eq!(shown(&scripts, expression), expected, "{expression}");
    }
}

#[test]
fn nothing_outgrows_the_limits() {
    let (memory, limited) = crate::host::loaded(SHOW);
    for expression in [
        "_codec('~gzip', _codec('gzip', ('a'):rep(4000000)) .. '') .. _codec('~pack', ('\\127a'):rep(1000000))",
        "_codec('~pack', ('\\127a'):rep(1000000))",
        "_codec('url', ('\\1'):rep(8000000))",
        "_strstr(('a'):rep(1000000), 'a', ('b'):rep(1000))",
        "_regex(('a'):rep(100000), 'a', ('b'):rep(1000))",
        "_regex(('a'):rep(100000), 'a', ('&'):rep(1000))",
        "_unpack('c*', ('a'):rep(8000000))",
        "_split(('a'):rep(8000000, ','), ',')",
        "_split((','):rep(8000000), ',')",
        "_ucs(('a'):rep(8000000))",
        "_dist(('a'):rep(1000000), ('b'):rep(1000000))",
        "_dist(('a'):rep(1000000), ('b'):rep(1000000), true)",
        "_regex(('a'):rep(1000000), 'a|.*b', '')",
        "_regex(('a'):rep(5000000), '(.*)(.*)(.*)(.*)[^a]*(.*)x*', '\\\\5')",
        "(function() while true do _regex('x', '((x{1,255}){1,50})' .. math.random()) end end)()",
        "(function() while true do _codec('tcbs', ('a'):rep(8192)) end end)()",
        "(function() while true do _union({}) end end)()",
        "(function() local s = ('ab'):rep(2000000) while true do _hash('md5', s) end end)()",
        "(function() local s = ('ab'):rep(2000000) while true do _codec('bzip', s) end end)()",
    ] {
        let begun = Instant::now();
        let given = shown(&limited, expression);
        eprintln!("{:?} {expression}", begun.elapsed());
        assert!(begun.elapsed() < Duration::from_secs(5), "{expression} took {:?}", begun.elapsed());
        let is_refused = given.starts_with("ERR") || given == "FAILED";
        assert!(is_refused, "{expression}: {}", &given[..given.len().min(100)]);
        // What it left is garbage; Lua 5.1 does not collect when memory runs out.
        shown(&limited, "collectgarbage()");
        assert_eq!(shown(&limited, "1 + 1"), "2", "after {expression}: {:?}", memory.errors());
    }
}

#[test]
fn odd_tables_do_no_harm() {
    let scripts = with_files();
    for (expression, expected) in [
        ("local t = {} t[1] = t return _union(t)", "{}"),
        ("local t = {} t[1] = t return _isect(t, t)", "{}"),
        ("local t = {} t[1] = t return _pack('c*', t, t)", "\"\\x00\\x00\""),
        ("local t = {} t[1] = t return _ucs(t)", "\"\""),
        ("local t = {} for i = 1, 100 do t = {t} end return _union(t)", "{}"),
        ("#_pack('c*', {[100] = 1})", "0"),
        ("_union({1, nil, 2, n = 5})", "{\"1\", \"2\"}"),
        (
            "#_union({'a'}, (function() local t = {} for i = 1, 50000 do t[i] = i % 777 end return t end)())",
            "778",
        ),
        ("_pack(('w0'):rep(10000), 1)", "\"\""),
        ("#_pack('c' .. ('9'):rep(10000), 1, 2)", "0"),
        ("#_unpack(('c0'):rep(10000) .. 'c', 'ab')", "1"),
        ("select('#', _stat, _glob, _remove, _mkdir)", "4"),
    ] {
        assert_eq!(shown(&scripts, expression), expected, "{expression}");
    }
}

#[test]
fn files_are_out_of_reach_unless_allowed() {
    let refusing = scripts(Allowed { files: false, processes: true });
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new");
    for name in ["_stat", "_glob", "_remove", "_mkdir"] {
        let refusal =
            format!("ERR {name}: files are out of reach for scripts; start the node with --ext-allow files");
        assert_eq!(shown(&refusing, &format!("{name}('{}')", path.display())), refusal);
        assert_eq!(shown(&refusing, &format!("{name}()")), refusal);
    }
    assert!(!path.exists());
}

#[test]
fn files_are_worked_on_as_observed() {
    let scripts = with_files();
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().canonicalize().unwrap();
    std::fs::write(root.join("file"), "abc").unwrap();
    for (expression, expected) in [
        ("_mkdir('ROOT/a')", "true"),
        ("_mkdir('ROOT/a')", "false"),
        ("_mkdir('ROOT/b/c')", "false"),
        ("_mkdir('ROOT/a/5')", "true"),
        ("_mkdir('')", "false"),
        ("_stat('ROOT/file').size", "3"),
        ("_stat('ROOT/file').nlink", "1"),
        ("_stat('ROOT/a/../file')._realpath", "\"ROOT/file\""),
        ("_stat('ROOT/file\\0x')._regular", "true"),
        ("_stat('ROOT/file')._directory", "false"),
        ("_stat('ROOT/a')._directory", "true"),
        ("_stat('ROOT/a')._executable", "true"),
        ("_stat('ROOT/nothere')", "nil"),
        ("_stat('')", "nil"),
        ("(function() local n = 0 for k in pairs(_stat('ROOT')) do n = n + 1 end return n end)()", "19"),
        ("_glob('ROOT/f*')", "{\"ROOT/file\"}"),
        ("_glob('ROOT/*/*')", "{\"ROOT/a/5\"}"),
        ("_glob('ROOT/x*')", "{}"),
        ("_glob('')", "{}"),
        ("_remove('ROOT/a')", "true"),
        ("_remove('ROOT/a')", "false"),
        ("_remove('ROOT/file/')", "false"),
        ("_remove('ROOT/file')", "true"),
        ("_remove('')", "false"),
        ("_glob('ROOT/*')", "{}"),
    ] {
        let root = root.display().to_string();
        let given = shown(&scripts, &expression.replace("ROOT", &root));
        assert_eq!(given, expected.replace("ROOT", &root), "{expression}");
    }
}
