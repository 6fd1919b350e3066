//! Scripts that try to hang, to exhaust memory, to crash, to break out, and to go on after a limit.
//!
//! Each must end with an error within two seconds where a call may take 0.3 s and 16 MiB, and the machine must work
//! after it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lcnode_lua::Scripts;

use crate::answers::call;
use crate::host::{Memory, MemoryHost, settings};

/// What the error must contain, and the script.
const SCRIPTS: &[(&str, &str)] = &[
    // Endless loops.
    ("limit", "while true do end"),
    ("limit", "repeat until false"),
    ("limit", "for i = 1, math.huge do end"),
    ("limit", "local function f() return f() end f()"),
    ("limit", "local t = setmetatable({}, {}) while true do t.x = nil end"),
    ("limit", "while true do string.len('x') end"),
    ("limit", "for _ in function() return 1 end do end"),
    ("limit", "while true do local x = tostring({}) end"),
    // Errors of limits that are caught.
    ("limit", "while true do pcall(function() while true do end end) end"),
    ("limit", "local function f() pcall(f) while true do end end f()"),
    ("limit", "while true do xpcall(function() while true do end end, function() end) end"),
    ("limit", "xpcall(function() while true do end end, function() while true do end end)"),
    ("limit", "xpcall(error, function() while true do end end)"),
    (
        "limit",
        "local p = pcall pcall = function(f) return p(p, f) end while true do pcall(function() while true do end end) end",
    ),
    ("limit", "pcall(pcall, function() while true do end end) while true do end"),
    ("limit", "while true do coroutine.resume(coroutine.create(function() while true do end end)) end"),
    ("limit", "while true do pcall(coroutine.wrap(function() while true do end end)) end"),
    (
        "limit",
        "local co = coroutine.create(function() pcall(function() while true do end end) coroutine.yield() end) coroutine.resume(co) while true do end",
    ),
    ("limit", "while true do load(function() while true do end end) end"),
    ("limit", "pcall(string.gsub, ('x'):rep(9), 'x', function() while true do end end) while true do end"),
    ("limit", "pcall(table.sort, {3, 2, 1}, function() while true do end end) while true do end"),
    ("limit|(null)", "error(setmetatable({}, {__tostring = function() while true do end end}))"),
    (
        "limit",
        "pcall(error, setmetatable({}, {__tostring = function() while true do end end})) while true do end",
    ),
    ("limit", "while true do pcall(string.find, 'x', '%') end"),
    ("limit", "while true do pcall(error) end"),
    (
        "limit",
        "setfenv(pcall, {}) setfenv(xpcall, setmetatable({}, {__index = error})) while true do pcall(function() while true do end end) end",
    ),
    (
        "limit",
        "for k, v in pairs(getfenv(pcall)) do getfenv(pcall)[k] = function() end end while true do pcall(function() while true do end end) end",
    ),
    (
        "limit",
        "_G.error, _G.type, _G.select, _G.next, _G.rawget = nil while true do pcall(function() while true do end end) end",
    ),
    (
        "limit",
        "string.find, string.sub, table.concat, math.floor = nil while true do pcall(function() while true do end end) end",
    ),
    // Coroutines begin with a full count of instructions.
    ("limit|overflow", "local function f() while true do coroutine.wrap(function() f() end)() end end f()"),
    (
        "limit",
        "local function deep(n) for i = 1, 50 do coroutine.wrap(function() if n > 0 then deep(n - 1) end end)() end end deep(30)",
    ),
    (
        "limit",
        "local function chain(n) if n == 0 then while true do end end return coroutine.wrap(chain)(n - 1) end while true do pcall(chain, 20) end",
    ),
    (
        "limit",
        "local co co = coroutine.wrap(function() while true do coroutine.yield() end end) while true do co() end",
    ),
    // Patterns.
    ("limit", "string.find(('a'):rep(1e5), ('.-'):rep(20) .. 'b')"),
    ("limit", "string.match(('a'):rep(1e5), '(.*)(.*)(.*)(.*)b')"),
    ("limit", "string.gsub(('a'):rep(1e5), '.-.-.-.-b', '')"),
    ("limit", "for _ in ('a'):rep(1e5):gmatch('.-.-.-.-b') do end"),
    ("limit", "string.find(('('):rep(1e6), '%b()')  while true do string.find(('('):rep(1e6), '%b()') end"),
    ("limit", "('x'):rep(1e6):find('[^' .. ('y'):rep(1e6) .. ']*z')"),
    ("limit", "local s = ('a'):rep(1e6) while true do s:find('b', 1, true) end"),
    ("limit", "local s = ('a'):rep(2e6) while true do s:find(('a'):rep(1e6) .. 'b', 1, true) end"),
    ("pattern too complex", "string.find(('a'):rep(500), ('a?'):rep(500))"),
    ("too many captures", "string.find('', ('('):rep(1e6))"),
    ("limit", "while true do ('x'):rep(1e5):gsub('', 'y') end"),
    // Functions in C that take long.
    ("limit", "string.rep('', 1e9) while true do string.rep('', 2147483647) end"),
    ("limit", "local s = ('x'):rep(1e6) while true do s:upper() end"),
    ("limit", "local s = ('x'):rep(1e6) while true do s:reverse() end"),
    ("limit", "local s = ('\"'):rep(5e5) while true do string.format('%q', s) end"),
    ("limit", "local s = ('x'):rep(1e6) while true do local t = s .. 'y' end"),
    ("limit", "local s = ('1'):rep(7e6) while true do local n = s + 0 end"),
    ("limit", "local s = ('1'):rep(7e6) while true do local n = tonumber(s) end"),
    ("limit", "local s = ('x'):rep(7e6) while true do local b = s .. '' < s end"),
    ("limit", "table.insert({}, -2147483648, 1)"),
    ("limit", "local t = {} for i = 0, 30 do t[2 ^ i] = 1 end while true do table.insert(t, 1, 1) end"),
    ("limit", "local t = {} for i = 0, 30 do t[2 ^ i] = 1 end while true do table.remove(t, 1) end"),
    ("limit", "local t = {} for i = 0, 30 do t[2 ^ i] = 1 end while true do table.foreachi(t, type) end"),
    ("compare|limit", "local t = {} for i = 0, 30 do t[2 ^ i] = 1 end table.sort(t)"),
    ("limit", "local t = {} for i = 0, 30 do t[2 ^ i] = 1 end while true do table.sort(t, rawequal) end"),
    ("concat", "local t = {} for i = 0, 30 do t[2 ^ i] = '' end return table.concat(t)"),
    ("limit", "local t = {} for i = 1, 1e5 do t[i] = '' end while true do table.concat(t) end"),
    ("limit", "table.foreach({1}, function() while true do end end)"),
    ("limit", "local t = {} for i = 1, 1e5 do t[i] = i end while true do table.foreach(t, type) end"),
    ("limit", "local t = {} for i = 1, 1e5 do t[i] = i end while true do table.maxn(t) end"),
    (
        "limit",
        "local t = {} for i = 1, 1e5 do t[i] = (i * 7919) % 100003 end while true do table.sort(t) end",
    ),
    (
        "limit",
        "local t = {} for i = 1, 1e5 do t[i] = i end while true do table.sort(t, function() return true end) end",
    ),
    (
        "limit",
        "local t = {} for i = 1, 1e5 do t[i] = i end for i = 1, 1e5 do t[i] = nil end while true do next(t) end",
    ),
    ("too many results", "unpack({}, 1, 1e8)"),
    ("too many results", "unpack({}, 0, 2147483647)"),
    ("too many results", "unpack({}, -2147483648, 2147483647)"),
    ("limit", "local function f() while true do local a = unpack({}, 1, 7900) end end pcall(f)"),
    ("too long", "return ('x'):rep(1e6):byte(1, -1)"),
    ("limit", "while true do collectgarbage() end"),
    ("limit", "local t = {} for i = 1, 1e5 do t[i] = {} end while true do collectgarbage('step', 1e6) end"),
    ("limit", "while true do os.date(('%c'):rep(1e4)) end"),
    ("limit", "while true do print(('x'):rep(1e6)) end"),
    ("limit", "while true do debug.traceback() end"),
    (
        "limit",
        "local function f(n) if n > 0 then f(n - 1) return 1 end while true do debug.traceback() end end f(15000)",
    ),
    ("limit", "for i = 1, 5e4 do _G['g' .. i] = i end while true do pcall(string.rep) end"),
    ("limit", "for i = 1, 5e4 do _G['g' .. i] = i end while true do xpcall(error, debug.traceback) end"),
    // Code made at run time.
    ("limit", "while true do loadstring('while true do end')() end"),
    ("limit", "local s = ('x = 1 '):rep(5e5) while true do loadstring(s) end"),
    ("too complex", "assert(loadstring('x = a' .. (' and a'):rep(6e5)))"),
    ("too complex", "assert(loadstring('if a then ' .. ('elseif a then '):rep(2e5) .. 'end'))"),
    ("too complex", "assert(loadstring('while a do ' .. ('do break end '):rep(2e5) .. 'end'))"),
    ("limit", "local s = 'x = a' .. (' and a'):rep(16000) while true do loadstring(s) end"),
    ("too long", "assert(loadstring((' '):rep(5e6)))"),
    ("too long|memory", "assert(load(function() return 'x = 1 ' end))"),
    ("syntax levels|overflow", "assert(loadstring('x = ' .. ('('):rep(1e5)))"),
    ("syntax levels|overflow", "assert(loadstring('x = ' .. ('{'):rep(1e5)))"),
    ("syntax levels|overflow", "assert(loadstring(('do '):rep(1e5)))"),
    ("syntax levels|overflow", "assert(loadstring('x = ' .. ('a .. '):rep(1e5) .. 'a'))"),
    ("compiled code", "assert(loadstring('\\27Lua'))"),
    ("compiled code", "assert(load(function() return '\\27Lua' end))"),
    ("too complex", "assert(loadstring(('if nil then else end '):rep(1.9e5)))"),
    (
        "limit",
        "local names = {} for i = 1, 190 do names[i] = 'a' .. i end
        local open = 'local ' .. table.concat(names, ',') .. ' local function f() '
        assert(loadstring(open:rep(150) .. ('x=x '):rep(5e5) .. ('end '):rep(150)))",
    ),
    (
        "limit",
        "local list = {} for i = 1, 3e4 do list[i] = string.format(\"'%020d'\", i):gsub('%d', '%0x') end
        while true do assert(loadstring('return {' .. table.concat(list, ',') .. '}')) end",
    ),
    // Memory.
    ("memory", "local s = 'x' while true do s = s .. s end"),
    ("memory", "local t = {} while true do t[#t + 1] = {} end"),
    ("memory", "string.rep('x', 1e9)"),
    ("memory", "string.rep(('x'):rep(1e6), 2147483647)"),
    ("memory", "('x'):rep(1e6):gsub('', ('y'):rep(1e6))"),
    ("memory|limit", "('x'):rep(1e6):gsub('x', '%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0')"),
    ("memory", "local s = ('x'):rep(5e6) table.concat({s, s, s, s, s, s})"),
    ("memory", "local t = {} for i = 1, 1e9 do t[i] = coroutine.create(function() end) end"),
    ("memory|limit", "local t = {} for i = 1, 1e9 do t[i] = loadstring('return function() end') end"),
    ("memory|limit", "local s = ('x'):rep(1e6) while true do pcall(string.rep, s, 1e6) end"),
    ("memory|limit", "while true do pcall(function() local t = {} while true do t[#t + 1] = {} end end) end"),
    ("memory|limit", "local t = {} local s = ('x'):rep(1e6) while true do t[#t + 1] = s:gsub('x', 'yy') end"),
    ("memory|limit", "local f = string.format local s = ('x'):rep(7e6) local t = f('%s%s%s', s, s, s)"),
    // Stacks.
    ("stack overflow", "local function f() return 1 + f() end f()"),
    (
        "stack overflow",
        "local function f() return pcall(f) end return assert(false, select(-1, f())) or f() + 1",
    ),
    ("overflow", "local function f() string.gsub('x', 'x', f) end f()"),
    ("overflow", "local function f() table.sort({1, 2}, f) end f()"),
    ("overflow", "local function f() table.foreach({1}, f) end f()"),
    ("overflow", "local t = setmetatable({}, {__index = function(t, k) return t[k] end}) return t.x"),
    (
        "overflow",
        "local t = setmetatable({}, {__tostring = function(t) return tostring(t) end}) return tostring(t)",
    ),
    (
        "overflow",
        "local t = setmetatable({}, {__eq = function(a, b) return a == b end}) return t == setmetatable({}, getmetatable(t))",
    ),
    ("overflow", "local t = setmetatable({}, {__concat = function(a, b) return a .. b end}) return t .. t"),
    (
        "loop in",
        "local t = {} setmetatable(t, {__index = t}) getmetatable(t).__index = setmetatable({}, {__index = t}) getmetatable(getmetatable(t).__index).__index = t return t.x",
    ),
    ("overflow|limit", "local function f() error(xpcall(f, f)) end f()"),
    (
        "overflow|dead|limit",
        "local function f() return assert(coroutine.resume(coroutine.create(f))) end f() error('dead')",
    ),
    ("overflow", "local function f() return coroutine.wrap(f)() + 1 end f()"),
    (
        "overflow",
        "local function f() return require('again') end package.preload.again = function() package.loaded.again = nil return f() + 1 end f()",
    ),
    ("overflow|limit", "local function f() return load(f) and 1 end while true do f() end"),
    ("overflow|limit", "local s = 'return loadstring(...)(...) + 1' loadstring(s)(s)"),
    ("overflow|limit", "local function f(...) return f(1, ...) end f()"),
    // Ways out.
    ("never within reach", "os.exit(0)"),
    ("never within reach", "debug.sethook()"),
    ("never within reach", "debug.getregistry()._LOADED.os.exit()"),
    ("never within reach", "package.loadlib('libc.so.6', 'exit')()"),
    ("ext-allow processes", "os.execute('kill $PPID')"),
    ("ext-allow files", "require 'socket'"),
    ("ext-allow files", "package.path = '/etc/?' require 'passwd'"),
    ("ext-allow files", "package.cpath = '/usr/lib/?.so' require 'x'"),
    ("ext-allow files", "dofile('/dev/zero')"),
    ("nil value", "newproxy(true)"),
    ("attempt to index", "getmetatable(io.stdin).__gc()  setmetatable(io.stdin, {})"),
    ("bytecode", "string.dump(function() end)"),
    ("cannot change environment", "setfenv(type, {})"),
    // Finalizers are not called for tables, and there is nothing else to have them.
    (
        "limit",
        "setmetatable({}, {__gc = function() while true do end end}) collectgarbage() while true do end",
    ),
    (
        "limit",
        "getmetatable('').__gc = function() while true do end end getmetatable('').__index = nil while true do end",
    ),
    ("limit", "setmetatable(_G, {__index = function(t, k) while true do end end}) return undefined"),
    ("environment of a thread", "setfenv(0, {}) while true do end"),
    ("limit", "local ok = pcall(coroutine.yield) while true do end"),
    // The node's own functions.
    ("limit", "while true do _put('a', 'b') end"),
    ("limit", "while true do pcall(_put) end"),
    ("limit", "while true do pcall(_sleep, 100) end"),
    ("limit", "_put('a', 'b') while true do _foreach(function() while true do end end) end"),
    ("limit", "_put('a', 'b') pcall(_foreach, function() while true do end end) while true do end"),
    ("limit", "_put('a', 'b') while true do _foreach(type) end"),
    ("limit", "pcall(_atomic, 'a', function() while true do end end) while true do end"),
    ("limit", "_put('a', 'b') _mapreduce(function() while true do end end, function() end)"),
    (
        "limit",
        "_put('a', 'b') _mapreduce(function(k, v, emit) while true do emit('a', 'b') end end, function() end)",
    ),
    ("limit", "_stashput('a', 'b') _stashforeach(function() while true do end end) while true do end"),
    ("limit", "while true do _eval('while true do end') end"),
    ("limit", "while true do _eval('x = a' .. (' and a'):rep(2e4)) end"),
    ("limit", "while true do _eval(('x = 1 '):rep(2e5)) end"),
    ("overflow", "_put('a', 'b') local function f() return _atomic('a', f) + 1 end f()"),
    ("overflow|limit", "_put('a', 'b') local function f() _foreach(f) end f() while true do end"),
    ("overflow|limit", "_put('a', 'b') local function f() return _mapreduce(f, f) end f() while true do end"),
    (
        "limit",
        "_put('a', 'b') _foreach(function() error(setmetatable({}, {__tostring = function() while true do end end})) end)",
    ),
    (
        "limit",
        "local f = loadstring(\"t = {['\" .. ('x'):rep(3e6) .. \"'] = function() return debug.traceback() end}\") f() for name, f in pairs(t) do while true do f() end end",
    ),
    ("invalid arguments", "_put(setmetatable({}, {__tostring = function() while true do end end}), 'x')"),
];

#[test]
fn hostile_scripts_end() {
    assert!(SCRIPTS.len() >= 60);
    let failures: Vec<String> = SCRIPTS.iter().filter_map(|script| fails(script).err()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Runs a script on a thread with a small stack.
fn fails(&(expected, script): &(&'static str, &'static str)) -> Result<(), String> {
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(move || {
        let memory = Arc::new(Memory::default());
        let mut settings = settings(
            "function run(key, value) return assert(loadstring(value, '=script'))() end
            function fine() return 1 + 1 end",
        );
        settings.machines = 1;
        let scripts = Scripts::load(Arc::new(MemoryHost(Arc::clone(&memory))), settings).unwrap();
        let start = Instant::now();
        let answer = call(&scripts, "run", b"", script.as_bytes());
        let took = start.elapsed();
        let errors = memory.errors().join(" | ");
        let names = expected.split('|').map(|part| if part == "limit" { "--ext-max-" } else { part });
        let short: String = if errors.len() > 400 {
            [
                errors.chars().take(200).collect::<String>(),
                "…".to_owned(),
                errors.chars().rev().take(200).collect::<Vec<char>>().into_iter().rev().collect(),
            ]
            .concat()
        } else {
            errors.clone()
        };
        if answer.is_some() || !names.clone().any(|name| errors.contains(name)) {
            return Err(format!("{script}\n    expected {expected}: {answer:?} {short}"));
        }
        if took > Duration::from_secs(2) {
            return Err(format!("{script}\n    took {took:?}: {short}"));
        }
        match call(&scripts, "fine", b"", b"") {
            Some(two) if two == b"2" => Ok(()),
            other => Err(format!("{script}\n    leaves a machine that answers {other:?}")),
        }
    });
    thread.unwrap().join().unwrap_or_else(|_| Err(format!("{script}\n    panicked")))
}
