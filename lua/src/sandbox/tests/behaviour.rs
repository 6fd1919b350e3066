//! What of the replaced functions shows: errors, places, stacks, values.

use super::*;

fn check(cases: &[(&str, &str)]) {
    let machine = Machine::plain();
    for (code, expected) in cases {
        assert_eq!(machine.line(code), *expected, "{code}");
    }
}

#[test]
fn errors_are_caught_as_they_are() {
    check(&[
        ("return pcall(error, 'x')", "false x"),
        ("return pcall(error, 'x', 0)", "false x"),
        ("return pcall(function() error('x') end)", "false script:1: x"),
        ("local t = {} local ok, e = pcall(error, t) return ok, e == t", "false true"),
        ("return pcall(error)", "false nil"),
        ("return pcall(function() return nil, 1, nil end)", "true nil 1 nil"),
        ("return select('#', pcall(function(...) return ... end, nil, nil))", "3"),
        ("return pcall(pcall)", "true false attempt to call a nil value"),
        ("return pcall(string.find, 'x', '%')", "false malformed pattern (ends with \\'%\\')"),
        ("return pcall(string.rep)", "false bad argument #1 to \\'rep\\' (string expected, got no value)"),
        (
            "return pcall(function() string.rep('x', {}) end)",
            "false script:1: bad argument #2 to \\'rep\\' (number expected, got table)",
        ),
        (
            "return pcall(function() return ('x'):find({}) end)",
            "false script:1: bad argument #1 to \\'find\\' (string expected, got table)",
        ),
        (
            "return pcall(function() string.upper({}) end)",
            "false script:1: bad argument #1 to \\'upper\\' (string expected, got table)",
        ),
        (
            "return pcall(function() string.format('%d', 'x') end)",
            "false script:1: bad argument #2 to \\'format\\' (number expected, got string)",
        ),
        (
            "return pcall(function() local t = table.concat({1, {}}) end)",
            "false script:1: invalid value (table) at index 2 in table for \\'concat\\'",
        ),
        (
            "return pcall(function() table.insert(nil, 1) end)",
            "false script:1: bad argument #1 to \\'insert\\' (table expected, got nil)",
        ),
        (
            "return pcall(function() table.insert({}) end)",
            "false script:1: wrong number of arguments to \\'insert\\'",
        ),
        (
            "return pcall(function() for _ in ('x'):gmatch('(') do end end)",
            "false script:1: unfinished capture",
        ),
        (
            "return pcall(function() local s = ('x'):gsub('x', '%2') end)",
            "false script:1: invalid capture index",
        ),
        ("return pcall(string.gsub, 'a', 'a', function() error({code = 5}) end)", "false table"),
        ("local ok, e = pcall(string.gsub, 'a', 'a', function() error({code = 5}) end) return e.code", "5"),
        ("string.find('x', '[')", "error: script:1: malformed pattern (missing ']')"),
    ]);
}

#[test]
fn handlers_see_the_error_and_its_stack() {
    check(&[
        ("return xpcall(function() return 1, nil, 3 end, print)", "true 1 nil 3"),
        ("return xpcall(function() error('x') end, function(e) return e .. '!', 2 end)", "false script:1: x!"),
        ("return xpcall(error, function() error('y') end)", "false error in error handling"),
        ("return xpcall(error, nil)", "false error in error handling"),
        ("local t = {} local _, e = xpcall(function() error(t) end, function(e) return e end) return e == t", "true"),
        (
            "function inner() error('deep') end function outer() inner() end
            local _, trace = xpcall(outer, debug.traceback)
            return trace:match('^[^\\n]*'), trace:find(\"in function 'inner'\", 1, true) ~= nil, trace:find('script:1: in function <script:1>', 1, true) ~= nil",
            "script:1: deep true true",
        ),
        ("return debug.traceback('a', 1):match('^a\\nstack traceback:\\n\\tscript:1: in main chunk') ~= nil", "true"),
        ("return type(debug.traceback({})), debug.traceback(nil):sub(1, 16)", "table stack traceback:"),
        ("return debug.traceback(coroutine.create(print), 'm')", "m\\nstack traceback:"),
    ]);
}

#[test]
fn coroutines() {
    check(&[
        (
            "local co = coroutine.create(function(a) local b = coroutine.yield(a + 1) error('e' .. b) end)
          return coroutine.resume(co, 1), coroutine.resume(co, 2)",
            "true false script:1: e2",
        ),
        (
            "local co = coroutine.create(function() return 1, nil end) return coroutine.resume(co)",
            "true 1 nil",
        ),
        (
            "local co = coroutine.create(function() end) coroutine.resume(co) return coroutine.resume(co)",
            "false cannot resume dead coroutine",
        ),
        (
            "local f = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i, nil) end end) return f(), select('#', f()), f(), f()",
            "1 2 3",
        ),
        ("local f = coroutine.wrap(function() error('x', 0) end) f()", "error: script:1: x"),
        ("local f = coroutine.wrap(function() error({1}) end) return pcall(f)", "false table"),
        (
            "return pcall(coroutine.create, 1)",
            "false bad argument #1 to \\'create\\' (Lua function expected)",
        ),
        (
            "return pcall(coroutine.wrap, print == nil)",
            "false bad argument #1 to \\'wrap\\' (Lua function expected)",
        ),
        ("return coroutine.running(), coroutine.status(coroutine.create(function() end))", "nil suspended"),
        (
            "return coroutine.resume(coroutine.create(function() local x = coroutine.resume(1) end))",
            "false script:1: bad argument #1 to \\'resume\\' (coroutine expected)",
        ),
    ]);
}

#[test]
fn code_and_modules() {
    check(&[
        ("return loadstring('return ...')(1, nil, 3)", "1 nil 3"),
        ("return loadstring('return +')", "nil [string \\\"return +\\\"]:1: unexpected symbol near \\'+\\'"),
        ("return loadstring('x', '=name')", "nil name:1: \\'=\\' expected near \\'<eof>\\'"),
        ("return loadstring('\\27Lua')", "nil compiled code is out of reach for scripts; load its source"),
        (
            "local parts = {'return ', '4', '2'} local i = 0 return load(function() i = i + 1 return parts[i] end)()",
            "42",
        ),
        ("return load(function() error('r') end)", "nil script:1: r"),
        ("return load(function() return {} end)", "nil reader function must return a string"),
        (
            "return pcall(load, 'return 1')",
            "false bad argument #1 to \\'load\\' (function expected, got string)",
        ),
        (
            "package.preload.m = function(name) return {name = name} end return require('m').name, require('m') == require('m')",
            "m true",
        ),
        ("package.preload.n = function() end return require 'n', package.loaded.n", "true true"),
        (
            "package.preload.l = function() require 'l' end return pcall(require, 'l')",
            "false script:1: loop or previous error loading module \\'l\\'",
        ),
        ("return require('string') == string", "true"),
        (
            "do local g = _G module('deep.er', package.seeall) x = 5 g.setfenv(1, g) end return deep.er.x, deep.er._NAME, deep.er._PACKAGE, x",
            "5 deep.er deep. nil",
        ),
        (
            "y = 1 return pcall(function() module('y') end)",
            "false script:1: name conflict for module \\'y\\'",
        ),
        ("local env = {} setfenv(1, env) z = 3 return env.z", "3"),
        ("local env = {w = 4} local function f() setfenv(2, env) end f() return w", "4"),
        (
            "local env = {w = 5} return setfenv(function() return w end, env)(), pcall(setfenv, 0, {})",
            "5 false \\'setfenv\\' cannot change the environment of a thread",
        ),
        (
            "return pcall(setfenv, print == nil, {})",
            "false bad argument #1 to \\'setfenv\\' (number expected, got boolean)",
        ),
        ("return pcall(setfenv, type, {})", "false \\'setfenv\\' cannot change environment of given object"),
        (
            "return pcall(setfenv, 1, 2)",
            "false bad argument #2 to \\'setfenv\\' (table expected, got number)",
        ),
    ]);
}

#[test]
fn small_things() {
    check(&[
        ("local function f(...) return arg.n end return f(1, nil)", "2"),
        (
            "return math.mod(5, 3), table.getn({1, 2}), #arg_or_nothing",
            "error: script:1: attempt to get length of global 'arg_or_nothing' (a nil value)",
        ),
        (
            "return collectgarbage(), collectgarbage('stop'), collectgarbage('restart'), collectgarbage('setpause', 1), type(collectgarbage('step'))",
            "0 0 0 0 boolean",
        ),
        ("return collectgarbage('count') > 10, gcinfo() > 10", "true true"),
        (
            "return pcall(collectgarbage, 'x')",
            "false bad argument #1 to \\'collectgarbage\\' (invalid option \\'x\\')",
        ),
        (
            "return os.date('!%Y-%m-%d', 86400), os.date('!*t', 0).year, os.date('%', 0), os.date('%Ez%Q', 0) ~= nil",
            "1970-01-02 1970 % true",
        ),
        (
            "return os.date('!%c', 1e300), os.time({year = 2000, month = 1, day = 1}) ~= nil, type(os.clock())",
            "nil true number",
        ),
        (
            "return pcall(os.date, '%c', 'x')",
            "false bad argument #2 to \\'date\\' (number expected, got string)",
        ),
        (
            "return pcall(string.gfind, 'a', 'a')",
            "false \\'string.gfind\\' was renamed to \\'string.gmatch\\'",
        ),
        ("return pcall(table.setn, {}, 1)", "false \\'setn\\' is obsolete"),
        (
            "return table.foreach({a = 1}, function(k, v) return k .. v end), table.foreachi({5, 6}, function(i, v) if i == 2 then return v end end)",
            "a1 6",
        ),
        (
            "local t = {} for i = 1, 9000 do t[i] = i end table.insert(t, 1, 0) table.remove(t, 2) return t[1], t[2], #t, t[9000], table.concat(t, ','):len()",
            "0 2 9000 9000 43892",
        ),
        (
            "local t = {} for i = 1, 5000 do t[i] = (i * 7919) % 5003 end table.sort(t) for i = 2, #t do if t[i - 1] > t[i] then return i end end return #t",
            "5000",
        ),
        ("local t = {3, 1, 2} pcall(table.sort, t, function() error('x') end) return table.concat(t)", "312"),
        (
            "print('a', nil, 1) return pcall(print, setmetatable({}, {__tostring = function() return {} end}))",
            "false \\'tostring\\' must return a string to \\'print\\'",
        ),
    ]);
}

/// Takes what is logged.
struct Lines(Mutex<Vec<String>>);

impl tracing::Subscriber for Lines {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::INFO
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        struct Message<'a>(&'a Mutex<Vec<String>>);
        impl tracing::field::Visit for Message<'_> {
            fn record_debug(&mut self, _: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0.lock().push(format!("{value:?}"));
            }
        }
        event.record(&mut Message(&self.0));
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn print_writes_a_line_to_the_log() {
    let lines = Arc::new(Lines(Mutex::default()));
    let machine = Machine::plain();
    tracing::subscriber::with_default(Arc::clone(&lines), || {
        machine
            .run("print('a', nil, 1.5, true) print('two\\nlines') print() print(('x'):rep(1e6), 'y')")
            .unwrap();
        machine.run("tostring = function(v) return 'T' end print({})").unwrap();
    });
    let lines = lines.0.lock();
    assert_eq!(lines[..3], ["a\tnil\t1.5\ttrue", "two\\nlines", ""]);
    assert_eq!((lines[3].len(), lines[4].as_str(), lines.len()), (8192, "T", 5));
}
