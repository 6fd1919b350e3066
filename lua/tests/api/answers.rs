//! What is answered to a client.

use lcnode_lua::{Called, Scripts};

use crate::host::loaded;

/// The answer to a call; none for a failure.
pub fn call(scripts: &Scripts, name: &str, key: &[u8], value: &[u8]) -> Option<Vec<u8>> {
    let called =
        scripts.call(0, name.as_bytes(), key, value, |answer, _| answer.text().map(|text| text.into_owned()));
    match called {
        Called::Done(answer) => answer,
        Called::Failed { .. } => None,
        Called::Busy => panic!("all machines are busy"),
    }
}

/// The answer to a function that consists of `return EXPRESSION`.
pub fn answered(expression: &str) -> Option<Vec<u8>> {
    let (_, scripts) = loaded(&format!("function f(key, value) return {expression} end"));
    call(&scripts, "f", b"k", b"v")
}

#[test]
fn values_as_clients_see_them() {
    for (expression, answer) in [
        ("'text'", Some("text")),
        ("''", Some("")),
        ("key .. value", Some("kv")),
        ("3", Some("3")),
        ("3.5", Some("3.5")),
        ("1/3", Some("0.33333333333333")),
        ("99999999999999", Some("99999999999999")),
        ("1e14", Some("1e+14")),
        ("2^53", Some("9.007199254741e+15")),
        ("-0", Some("-0")),
        ("1/0", Some("inf")),
        ("-1/0", Some("-inf")),
        ("true", Some("true")),
        ("false", None),
        ("nil", None),
        ("print", None),
        ("{}", None),
        ("{nil, 'x'}", None),
        ("{{'x'}}", None),
        ("{a = 'b'}", None),
        ("{false, 'x'}", None),
        ("{'x', 'y'}", Some("x")),
        ("{7}", Some("7")),
        ("{true}", Some("true")),
        ("'first', 'second'", Some("first")),
        ("coroutine.create(print)", None),
    ] {
        assert_eq!(answered(expression).as_deref(), answer.map(str::as_bytes), "{expression}");
    }
}

#[test]
fn only_global_functions_are_called() {
    let source = "function f() return 1 end  t = {f = f}  function _hidden() return 1 end  \
                  callable = setmetatable({}, {__call = f})  s = 'text'";
    let (memory, scripts) = loaded(source);
    assert_eq!(call(&scripts, "f", b"", b""), Some(b"1".to_vec()));
    assert_eq!(call(&scripts, "f\0g", b"", b""), Some(b"1".to_vec()), "a name ends at a NUL");
    assert_eq!(call(&scripts, "tonumber", b"ff", b"16"), Some(b"255".to_vec()));
    for name in ["g", "_hidden", "_put", "t", "t.f", "callable", "s", ""] {
        assert_eq!(call(&scripts, name, b"", b""), None, "{name}");
    }
    assert_eq!(memory.errors(), [""; 0], "nothing of it is an error");
}

/// Whether a change was made decides whether an answer waits for the disk.
#[test]
fn a_call_says_whether_it_has_changed_anything() {
    let (_, scripts) = loaded(
        "put = _put  get = function(key) return _get(key) end  count = function(key) return _incr(key, 1) end  \
         keep = _putkeep  late = function(key) _put(key, 'x') error('late') end  add = function(key) return _addint(key, 1) end  \
         out = function(key) return _out(key) end  double = function(key) return _adddouble(key, 1) end  \
         cat = _putcat  clear = function() return _vanish() end  misc = function(key) return _misc('echo', key) end",
    );
    let wrote = |name: &str, key: &str| match scripts.call(
        0,
        name.as_bytes(),
        key.as_bytes(),
        b"1",
        |_, wrote| wrote,
    ) {
        Called::Done(wrote) | Called::Failed { wrote } => wrote,
        Called::Busy => panic!("all machines are busy"),
    };
    for (name, key, changes) in [
        ("put", "a", true),
        ("get", "a", false),
        ("keep", "a", false),
        ("keep", "b", true),
        ("cat", "b", true),
        ("count", "n", true),
        ("add", "i", true),
        ("double", "d", true),
        ("late", "a", true),
        ("out", "a", true),
        ("out", "a", false),
        ("misc", "a", true),
        ("clear", "", true),
        ("get", "a", false),
    ] {
        assert_eq!(wrote(name, key), changes, "{name} {key}");
    }
}

#[test]
fn a_function_of_the_api_is_called_without_lua() {
    let (memory, scripts) =
        loaded("incr = _incr  get = _get  keep = _putkeep  keys = _fwmkeys  time = _time");
    assert_eq!(call(&scripts, "incr", b"a", b"5"), Some(b"5".to_vec()));
    assert_eq!(call(&scripts, "incr", b"a", b"0x10"), Some(b"21".to_vec()));
    assert_eq!(call(&scripts, "incr", b"a", b"x"), None);
    assert_eq!(call(&scripts, "keep", b"b", b"x"), Some(b"true".to_vec()));
    assert_eq!(call(&scripts, "keep", b"b", b"y"), None);
    assert_eq!(call(&scripts, "keys", b"a", b"10"), Some(b"a".to_vec()));
    assert_eq!(memory.errors(), [""; 0]);
    assert_eq!(call(&scripts, "get", b"a", b""), None, "it takes one argument");
    assert!(memory.errors()[0].contains("get: _get: invalid arguments"), "{:?}", memory.errors());
    assert_eq!(call(&scripts, "time", b"", b""), None);
}

#[test]
fn an_error_is_logged_with_its_place_and_answered_as_a_failure() {
    let (memory, scripts) = loaded("function inner() error('broken') end\nfunction f() inner() end");
    assert_eq!(call(&scripts, "f", b"", b""), None);
    let errors = memory.errors();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].starts_with("Lua error: f: test.lua:1: broken; raised "), "{errors:?}");
    assert!(
        errors[0].contains("in function 'inner'") || errors[0].contains("in function `inner'"),
        "{errors:?}"
    );
    assert_eq!(scripts.figures().errors(), 1);
    for _ in 0..100 {
        call(&scripts, "f", b"", b"");
    }
    assert_eq!((memory.errors().len(), scripts.figures().errors()), (1, 101), "logged once a second");
}

#[test]
fn a_script_that_does_not_load_says_why() {
    use crate::host::{Memory, MemoryHost, settings};
    use std::sync::Arc;
    let load = |source: &str| {
        let host = Arc::new(MemoryHost(Arc::new(Memory::default())));
        Scripts::load(host, settings(source)).err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert!(load("function f(").starts_with("test.lua: test.lua:1: "), "{}", load("function f("));
    assert!(load("error('no')").contains("test.lua:1: no"), "{}", load("error('no')"));
    assert!(load("while true do end").contains("--ext-max-time"), "{}", load("while true do end"));
    assert!(load("\u{1b}Lua").contains("compiled"), "{}", load("\u{1b}Lua"));
    let (_, scripts) = loaded("function f() return 'old' end");
    let script = |source: &str| vec![lcnode_lua::Script { name: "new.lua".into(), source: source.into() }];
    assert!(scripts.reload(script("function f(")).is_err());
    assert_eq!(call(&scripts, "f", b"", b""), Some(b"old".to_vec()));
    scripts.reload(script("function f() return 'new' end")).unwrap();
    assert_eq!(call(&scripts, "f", b"", b""), Some(b"new".to_vec()));
}
