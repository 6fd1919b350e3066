//! `lcnode check-ext`: what it lists, what it finds, how it ends.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::{folder, lcnode};

fn check(folder: &Path, words: &[&str]) -> Output {
    Command::new(lcnode()).arg("check-ext").args(words).current_dir(folder).output().unwrap()
}

/// What it prints for a script, and how it ends.
fn checked(folder: &Path, source: &str, words: &[&str]) -> (String, Option<i32>) {
    fs::write(folder.join("a.lua"), source).unwrap();
    let output = check(folder, &[&["a.lua"], words].concat());
    assert!(output.stderr.is_empty(), "{source}: {}", String::from_utf8_lossy(&output.stderr));
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code())
}

#[test]
fn a_good_script_is_listed() {
    let folder = folder();
    let source = "local calls = 0\n\
        local function helper(a, b, c, d) calls = calls + 1 return a .. b end\n\
        function _private(x) return x end\n\
        function _begin() _stashput('begun', _time()) end\n\
        function incr(key, value) return _incr(key, value) end\n\
        \n\
        many = function(key, ...)\n\
        \x20 local n = select('#', ...)\n\
        \x20 for _, name in ipairs(_fwmkeys(key, 10)) do n = n + #name end\n\
        \x20 return _private(helper(key, n, 1, 2))\n\
        end\n\
        function safe(key, value)\n\
        \x20 return _atomic(key, function() local old = _get(key) _put(key, (old or '') .. value) return old end)\n\
        end\n\
        get = _get\n\
        string.trim = function(s) return (s:gsub('^%s+', '')) end\n\
        function trimmed(key) return string.trim(key) end\n";
    let (text, code) = checked(folder.path(), source, &[]);
    assert_eq!(
        text,
        "functions that clients can call:\n\
         \x20 get(...)          a function of the API or of Lua\n\
         \x20 incr(key, value)  a.lua:5\n\
         \x20 many(key, ...)    a.lua:7\n\
         \x20 safe(key, value)  a.lua:12\n\
         \x20 trimmed(key)      a.lua:17\n"
    );
    assert_eq!(code, Some(0));
    assert_eq!(checked(folder.path(), "", &[]), ("no function that clients can call\n".to_owned(), Some(0)));
}

#[test]
fn each_mistake_is_found() {
    let folder = folder();
    for (source, found) in [
        ("function f(\n\nend", "a.lua:3: mistake: <name> or '...' expected near 'end'"),
        ("x = 1\nerror('no')", "a.lua:2: mistake: no;"),
        ("function _begin()\n  error('begun')\nend", "a.lua:2: mistake: begun;"),
        ("\u{1b}Lua", "a.lua: mistake: compiled"),
        (
            "function f(k, v) return _putt(k, v) end",
            "a.lua:1: mistake: the global _putt is defined nowhere, it is nil; is _put meant?",
        ),
        (
            "function f(k)\n  return nothing.x\nend",
            "a.lua:2: mistake: the global nothing is defined nowhere, it is nil\n",
        ),
        (
            "function f(k) return table.unpack({k}) end",
            "a.lua:1: mistake: there is no table.unpack in Lua 5.1; use unpack",
        ),
        (
            "function f(k) return string.fnid(k, 'x') end",
            "there is no string.fnid in Lua 5.1; is string.find meant?",
        ),
        (
            "function f(k)\n  _put(k)\nend",
            "a.lua:2: mistake: _put is called with 1 argument, which it refuses; call _put(key, value)",
        ),
        ("function f(k) return _get(k, 'x', _time()) end", "_get is called with 2 or more arguments"),
        ("function f(k) return _rnum 'x' end", "call _rnum()"),
        (
            "function f(k) return io.open(k) end",
            "a.lua:1: mistake: io.open is out of reach; start the node with --ext-allow files",
        ),
        (
            "function f(k) return dofile(k) end",
            "dofile is out of reach; start the node with --ext-allow files",
        ),
        (
            "function f(k) return os['execute'](k) end",
            "os.execute is out of reach; start the node with --ext-allow processes",
        ),
        ("function f(k) return debug.getinfo(1) end", "debug.getinfo is never within reach"),
        ("function f(k) return string.dump(f) end", "string.dump is never within reach"),
    ] {
        let (text, code) = checked(folder.path(), source, &[]);
        assert!(text.contains(found), "{source}: {found:?} is not in {text}");
        assert_eq!(code, Some(2), "{source}: {text}");
        assert_eq!(text.matches("mistake: ").count(), 1, "{source}: {text}");
    }
}

#[test]
fn each_hint_is_given() {
    let folder = folder();
    for (source, found) in [
        (
            "function f(k)\n  n = k\n  return n\nend",
            "a.lua:2: hint: a function sets the global n, which later calls",
        ),
        (
            "function _begin()\n  ready = true\nend\nfunction f() return ready end",
            "a.lua:2: hint: _begin sets the global ready",
        ),
        (
            "function f(k, v)\n  local old = _get(k)\n  _put(k, old .. v)\nend",
            "a.lua:3: hint: _put(k, …) after _get(k)",
        ),
        ("function f(k, v)\n  _put(k, (_get(k) or '') .. v)\nend", "a.lua:2: hint: _put(k, …) after _get(k)"),
        ("if extra then extra() end", "a.lua:1: hint: the global extra is defined nowhere"),
        ("function _hidden(k) return k end", "a.lua:1: hint: clients cannot call _hidden"),
        ("function _get(k) return k end", "a.lua:1: hint: _get takes the place"),
        ("function f(k, v, limit) return limit end", "a.lua:1: hint: clients give f two strings"),
    ] {
        let (text, code) = checked(folder.path(), source, &[]);
        assert!(text.contains(found), "{source}: {found:?} is not in {text}");
        assert_eq!(code, Some(3), "{source}: {text}");
    }
}

#[test]
fn what_is_right_is_let_be() {
    let folder = folder();
    for source in [
        "function f(k) local _putt = _put return _putt(k, 1) end",
        "function f(...) return _put(...) end",
        "function f(k) return _put(unpack{k, 1}) end",
        "function f(k) local x repeat local done = true until done for i = 1, 2 do x = i end return x end",
        "local t = {} function t.g(a, b, c) t.x = self end function t:m() return self.y end self = t",
        "function f(k, v) _lock(k) local old = _get(k) _put(k, old .. v) _unlock(k) end",
        "local function add(k, v) _put(k, (_get(k) or '') .. v) end function f(k, v) _atomic(k, add, k, v) end",
        "function f(k) _put(k .. 1, _get(k)) end",
        "_G.hello = function(k) return k end function f(k) return hello(k) end",
        "function f(k) return io.type(k), debug.traceback(k) end",
        "local s = 'caf\\233' -- \u{e9}\nfunction f() return s end",
    ] {
        let (text, code) = checked(folder.path(), source, &[]);
        assert_eq!(code, Some(0), "{source}: {text}");
    }
    for (words, code) in
        [(&[][..], 2), (&["--ext-allow", "files"], 2), (&["--ext-allow", "files,processes"], 0)]
    {
        let source = "function f(k) os.execute(k) return io.open(k) end";
        assert_eq!(checked(folder.path(), source, words).1, Some(code), "{words:?}");
    }
}

#[test]
fn several_files_are_loaded_in_order() {
    let folder = folder();
    fs::write(folder.path().join("a.lua"), "function a(k) return b(k) end\nassert(not b)").unwrap();
    fs::write(folder.path().join("b.lua"), "function b(k) return a(k) end\nassert(a)").unwrap();
    let output = check(folder.path(), &["a.lua", "b.lua"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.code() == Some(0) && text.contains("b(k)  b.lua:1"), "{text}");
    let output = check(folder.path(), &["b.lua", "a.lua"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.code() == Some(2) && text.contains("b.lua:2: mistake: assertion failed!"),
        "{text}"
    );
    let output = check(folder.path(), &["a.lua", "none.lua"]);
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && message.contains("none.lua cannot be read"), "{message}");
    assert!(output.stdout.is_empty());
    // A name that Lua would cut.
    let long = format!("{}.lua", "long".repeat(20));
    fs::write(folder.path().join(&long), "\nfunction f(k) return k + nil end\nf(1)").unwrap();
    let output = check(folder.path(), &[&long]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains(&format!("{long}:2: mistake: attempt to perform")), "{text}");
    assert!(text.contains(&format!("f(k)  {long}:2")), "{text}");
}

#[test]
fn hostile_scripts_end() {
    let folder = folder();
    let (text, code) = checked(folder.path(), "while true do end", &["--ext-max-time", "0.2"]);
    assert!(code == Some(2) && text.contains("--ext-max-time"), "{text}");
    for source in [
        format!("x = {}1", "1 + ".repeat(60_000)),
        format!("x = {}1{}", "(".repeat(150), ")".repeat(150)),
        format!("x = {}1{}", "(".repeat(100_000), ")".repeat(100_000)),
        format!("x = {}1", "- ".repeat(100_000)),
        format!("x = {}{}", "{".repeat(100_000), "}".repeat(100_000)),
        "if x then elseif ".repeat(5_000),
        format!("x = f{}", "()".repeat(20_000)),
        format!("-- {}", "x".repeat(1 << 20)),
        "\0\0\0".to_owned(),
    ] {
        let (text, code) = checked(folder.path(), &source, &[]);
        assert!(matches!(code, Some(0 | 2 | 3)), "{:.40}: {code:?} {text:.200}", source);
    }
    let (text, code) = checked(folder.path(), &format!("x = 1 --{}", "x".repeat(1 << 20)), &[]);
    assert!(code == Some(3) && text.contains("a.lua: hint: its text is not looked at"), "{text}");
}
