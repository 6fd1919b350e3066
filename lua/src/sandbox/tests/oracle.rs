//! Random calls, in a machine with the replaced library beside one with Lua's own.

use mlua::StdLib;

use super::*;

const ROUNDS: usize = 400;
const CALLS: usize = 40;

const SUBJECTS: &[&str] = &[
    "",
    "a",
    "aab",
    "hello world",
    "key=value; k2 = v2",
    "x(a(b)c)y",
    "a\\0b\\0a",
    "12-34-56",
    "äö~a~",
    "a.b%c",
];
const PATTERNS: &[&str] = &[
    "",
    "a",
    "a*",
    "a-",
    ".",
    "%w+",
    "(%w+)=(%w+)",
    "%b()",
    "()",
    "(a)(b)",
    "%d+",
    "^a",
    "^",
    "$",
    "a$",
    "(",
    "%",
    "[a",
    "%f[%w]%w+",
    "(.)%1",
    "a\\0b",
    "[^%s]+",
    ".-b",
    "()a()",
    "a)",
    "%1",
    "-",
];
const REPLACEMENTS: &[&str] = &[
    "'x'",
    "''",
    "'%0%0'",
    "'<%1>'",
    "'%2'",
    "'%%'",
    "'%'",
    "7",
    "string.upper",
    "function() end",
    "function(a, b) return b end",
    "function(a) return a .. '!' end",
    "function() return {} end",
    "{a = 'A', key = false, b = 1}",
    "{}",
    "setmetatable({}, {__index = function(_, k) return k .. k end})",
    "nil",
    "true",
];
const NUMBERS: &[&str] = &["0", "1", "2", "-1", "-3", "100", "-100", "nil", "1.7", "'2'"];
const TABLES: &[&str] = &[
    "{}",
    "{1, 2, 3}",
    "{'b', 'a', 'c', 'a'}",
    "{3, 1, 2, n = 5}",
    "{5, 4, 3, 2, 1, 0, -1, 8, 9, 7, 11}",
    "{1, 'x'}",
    "{{}, 1}",
    "{1, nil, 3}",
];

fn pick<'a>(random: &mut fastrand::Rng, of: &[&'a str]) -> &'a str {
    of[random.usize(..of.len())]
}

/// An expression that is called.
fn call(random: &mut fastrand::Rng) -> String {
    let (subject, pattern) = (pick(random, SUBJECTS), pick(random, PATTERNS));
    let (number, other, t) = (pick(random, NUMBERS), pick(random, NUMBERS), pick(random, TABLES));
    let by = pick(random, REPLACEMENTS);
    match random.usize(..17) {
        0 => format!("return string.find('{subject}', '{pattern}', {number}, {other} == 1)"),
        1 => format!("return string.match('{subject}', '{pattern}', {number})"),
        2 => format!("return string.gsub('{subject}', '{pattern}', {by})"),
        3 => format!("return string.gsub('{subject}', '{pattern}', {by}, {number})"),
        4 => format!(
            "local r = {{}} for a, b in string.gmatch('{subject}', '{pattern}') do r[#r + 1] = tostring(a) .. tostring(b) end return table.concat(r, ',')"
        ),
        5 => format!("return string.rep('{subject}', {number})"),
        6 => format!("return string.format('%5s|%q|%d', '{subject}', '{subject}', {number})"),
        7 => format!("return ('{subject}'):upper(), ('{subject}'):lower(), ('{subject}'):reverse()"),
        8 => format!("local t = {t} table.insert(t, {number}) return dump(t)"),
        9 => format!("local t = {t} table.insert(t, {number}, {other}) return dump(t)"),
        10 => format!("local t = {t} local r = table.remove(t, {number}) return r, dump(t)"),
        11 => format!("return table.concat({t}, '{pattern}', {number}, {other})"),
        12 => format!("local t = {t} table.sort(t) return dump(t)"),
        13 => format!("local t = {t} table.sort(t, function(a, b) return a > b end) return dump(t)"),
        14 => format!("return table.maxn({t}), table.getn({t}), unpack({t}, {number}, 3)"),
        15 => format!(
            "local s = '' table.foreachi({t}, function(k, v) s = s .. k .. tostring(v):sub(1, 5) end) return s"
        ),
        _ => format!(
            "return select('#', pcall(string.find, '{subject}', '{pattern}')), loadstring('return {number} {subject}')"
        ),
    }
}

const DUMP: &str = "function dump(t)
    local r = {}
    for k, v in pairs(t) do r[#r + 1] = tostring(k) .. '=' .. (type(v) == 'table' and 'table' or tostring(v)) end
    return table.concat(r, ' ')
end";

/// Addresses and places differ.
fn line(values: Result<Vec<String>, String>) -> String {
    match values {
        Ok(values) => values.join(" "),
        Err(error) => format!("error: {}", error.strip_prefix("script:1: ").unwrap_or(&error)),
    }
}

#[test]
fn as_the_original_library_answers() {
    let seed = std::env::var("LCNODE_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    eprintln!("LCNODE_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let original = Lua::new_with(StdLib::STRING | StdLib::TABLE, LuaOptions::default()).unwrap();
    original.load(DUMP).exec().unwrap();
    let ours = Machine::plain();
    ours.run(DUMP).unwrap();
    let (mut errors, mut calls) = (0, 0);
    for _ in 0..ROUNDS * CALLS {
        let code = call(&mut random);
        let expected: mlua::Result<MultiValue> = original.load(&code).set_name("=script").eval();
        let expected =
            line(expected.map(|values| values.iter().map(shown).collect()).map_err(|error| message(&error)));
        calls += 1;
        errors += usize::from(expected.starts_with("error: "));
        assert_eq!(line(ours.run(&code)), expected, "seed {seed}: {code}");
    }
    assert!(errors > calls / 50 && errors < calls / 2, "{errors} of {calls} were errors");
}
