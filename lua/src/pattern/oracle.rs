//! Random patterns on random subjects, beside Lua's own `string.find`.

use mlua::{Function, Lua, LuaOptions, LuaString, MultiValue, StdLib, Value};

use super::{Captured, Matcher, split_anchor};
use crate::meter::Unlimited;

const ROUNDS: usize = 60_000;
/// Pieces of patterns, the odd ones included.
const PIECES: &[&[u8]] = &[
    b"a",
    b"b",
    b"ab",
    b".",
    b"%a",
    b"%A",
    b"%d",
    b"%s",
    b"%S",
    b"%w",
    b"%p",
    b"%z",
    b"%Z",
    b"%x",
    b"%l",
    b"%u",
    b"%c",
    b"%%",
    b"%.",
    b"[ab]",
    b"[^a]",
    b"[a-c]",
    b"[%d%-]",
    b"[]]",
    b"[^]]",
    b"[a-]",
    b"[%]]",
    b"[^%s]",
    b"(",
    b")",
    b"()",
    b"(a)",
    b"(.-)",
    b"(%w*)",
    b"%1",
    b"%2",
    b"%0",
    b"*",
    b"+",
    b"-",
    b"?",
    b"^",
    b"$",
    b"%b()",
    b"%bab",
    b"%bxx",
    b"%b(",
    b"%f[a]",
    b"%f[%w]",
    b"%f[^%w]",
    b"%f",
    b"%",
    b"[",
    b"[a",
    b"[^",
    b"[%",
    b"\0",
    b"1",
    b"-",
    b"]",
    b"\xff",
    b"[\x80-\xff]",
];
const BYTES: &[u8] = b"aaabbbc1 -()]x.\0\xff\x80A%\n~";

fn pick<T: Copy>(random: &mut fastrand::Rng, of: &[T]) -> T {
    of[random.usize(..of.len())]
}

/// What ours finds, written as Lua's `find` would answer.
fn ours(subject: &[u8], pattern: &[u8], from: usize) -> Result<Vec<String>, String> {
    let (pattern, anchored) = split_anchor(pattern);
    let mut matcher = Matcher::new(subject, pattern, &Unlimited);
    let found = matcher.find(from, anchored).map_err(|error| error.to_string())?;
    let Some(whole) = found else { return Ok(vec!["nil".to_owned()]) };
    let mut values = vec![(whole.start + 1).to_string(), whole.end.to_string()];
    for index in 0..matcher.captures() {
        values.push(match matcher.capture(index, &whole).map_err(|error| error.to_string())? {
            Captured::Position(at) => (at + 1).to_string(),
            Captured::Text(range) => format!("{:?}", subject[range].escape_ascii().to_string()),
        });
    }
    Ok(values)
}

fn theirs(
    find: &Function,
    subject: &LuaString,
    pattern: &LuaString,
    from: usize,
) -> Result<Vec<String>, String> {
    let answer: Result<MultiValue, _> = find.call((subject, pattern, from + 1));
    match answer {
        Ok(values) => Ok(values
            .into_iter()
            .map(|value| match value {
                Value::String(text) => format!("{:?}", text.as_bytes().escape_ascii().to_string()),
                Value::Nil => "nil".to_owned(),
                other => other.to_string().unwrap(),
            })
            .collect()),
        Err(error) => {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            Err(line.trim_start_matches("runtime error: ").to_owned())
        }
    }
}

#[test]
fn as_lua_matches() {
    let seed = std::env::var("LCNODE_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    eprintln!("LCNODE_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let lua = Lua::new_with(StdLib::STRING, LuaOptions::default()).unwrap();
    let find: Function = lua.load("return string.find").eval().unwrap();
    let (mut matches, mut errors) = (0, 0);
    for round in 0..ROUNDS {
        let mut pattern = Vec::new();
        for _ in 0..random.usize(0..7) {
            pattern.extend_from_slice(pick(&mut random, PIECES));
        }
        if !super::has_specials(&pattern) {
            continue;
        }
        let subject: Vec<u8> = (0..random.usize(0..16)).map(|_| pick(&mut random, BYTES)).collect();
        let from = random.usize(0..=subject.len());
        let (subject_text, pattern_text) =
            (lua.create_string(&subject).unwrap(), lua.create_string(&pattern).unwrap());
        let ours = ours(&subject, &pattern, from);
        let theirs = theirs(&find, &subject_text, &pattern_text, from);
        assert_eq!(
            ours,
            theirs,
            "seed {seed}, round {round}: find({:?}, {:?}, {})",
            subject.escape_ascii().to_string(),
            pattern.escape_ascii().to_string(),
            from + 1
        );
        matches += usize::from(theirs.as_ref().is_ok_and(|values| values.len() > 1));
        errors += usize::from(theirs.is_err());
    }
    assert!(matches > ROUNDS / 20, "{matches} of {ROUNDS} matched");
    assert!(errors > ROUNDS / 20, "{errors} of {ROUNDS} were errors");
}
