//! The functions of `string` that run in Rust.

use std::ops::Range;

use mlua::{Error, Lua, LuaString, MultiValue, Table, Value};

use super::SharedMeter;
use super::failure::{bad_argument, fail};
use crate::meter::Meter;
use crate::pattern::{self, Captured, Matcher, PatternError};

/// Bytes of a string that is made here where the machine has no limit of its own.
const LONGEST: usize = 1 << 30;

pub(super) fn add(lua: &Lua, tools: &Table, meter: &SharedMeter) -> mlua::Result<()> {
    let counted = SharedMeter::clone(meter);
    let find = lua.create_function(move |lua, args: MultiValue| search(lua, &args, "find", &*counted))?;
    tools.raw_set("find", find)?;
    let counted = SharedMeter::clone(meter);
    let matches = lua.create_function(move |lua, args: MultiValue| search(lua, &args, "match", &*counted))?;
    tools.raw_set("match", matches)?;
    let counted = SharedMeter::clone(meter);
    let seek = lua
        .create_function(move |lua, args: (LuaString, LuaString, usize, bool)| seek(lua, args, &*counted))?;
    tools.raw_set("seek", seek)?;
    let counted = SharedMeter::clone(meter);
    let replace = lua.create_function(move |lua, args: (LuaString, LuaString, LuaString, f64)| {
        replace(lua, args, &*counted)
    })?;
    tools.raw_set("replace", replace)?;
    let counted = SharedMeter::clone(meter);
    let repeat = lua.create_function(move |lua, args: MultiValue| repeat(lua, &args, &*counted))?;
    tools.raw_set("rep", repeat)
}

/// `string.find` and `string.match`.
fn search(lua: &Lua, args: &MultiValue, name: &str, meter: &dyn Meter) -> mlua::Result<MultiValue> {
    let subject = text(lua, args, 1, name)?;
    let pattern = text(lua, args, 2, name)?;
    let (subject, pattern) = (subject.as_bytes(), pattern.as_bytes());
    let from = match args.get(2) {
        None | Some(Value::Nil) => 0,
        Some(_) => start(integer(lua, args, 3, name)?, subject.len()),
    };
    let find = name == "find";
    if find && (truth(args.get(3)) || !pattern::has_specials(&pattern)) {
        let found = pattern::find_plain(&subject, &pattern, from, meter)
            .map_err(|limit| raised(lua, 1, limit.into()))?;
        return Ok(match found {
            Some(at) => both(at + 1, at + pattern.len()),
            None => MultiValue::from_iter([Value::Nil]),
        });
    }
    let (pattern, anchored) = pattern::split_anchor(&pattern);
    let mut matcher = Matcher::new(&subject, pattern, meter);
    let Some(whole) = matcher.find(from, anchored).map_err(|error| raised(lua, 1, error))? else {
        return Ok(MultiValue::from_iter([Value::Nil]));
    };
    let mut answer = MultiValue::new();
    if find {
        answer = both(whole.start + 1, whole.end);
    }
    push_captures(lua, 1, &matcher, &subject, &whole, usize::from(!find), &mut answer)?;
    Ok(answer)
}

/// Where a match is at an offset or after it: its ends, then what it captured.
fn seek(
    lua: &Lua,
    (subject, pattern, from, anchored): (LuaString, LuaString, usize, bool),
    meter: &dyn Meter,
) -> mlua::Result<MultiValue> {
    let (subject, pattern) = (subject.as_bytes(), pattern.as_bytes());
    let mut matcher = Matcher::new(&subject, &pattern, meter);
    let Some(whole) = matcher.find(from, anchored).map_err(|error| raised(lua, 2, error))? else {
        return Ok(MultiValue::new());
    };
    let mut answer = both(whole.start, whole.end);
    push_captures(lua, 2, &matcher, &subject, &whole, 1, &mut answer)?;
    Ok(answer)
}

/// `string.gsub` by a string.
fn replace(
    lua: &Lua,
    (subject, pattern, by, most): (LuaString, LuaString, LuaString, f64),
    meter: &dyn Meter,
) -> mlua::Result<(LuaString, f64)> {
    let (subject, pattern, by) = (subject.as_bytes(), pattern.as_bytes(), by.as_bytes());
    let (pattern, anchored) = pattern::split_anchor(&pattern);
    let mut matcher = Matcher::new(&subject, pattern, meter);
    let mut out = Output { bytes: Vec::new(), room: room(lua, subject.len())? };
    let (mut at, mut count) = (0, 0.0);
    while count < most {
        let Some(whole) = matcher.find(at, anchored).map_err(|error| raised(lua, 2, error))? else { break };
        count += 1.0;
        out.add(&subject[at..whole.start])?;
        out.expand(lua, &by, &matcher, &subject, &whole)?;
        meter.work(50 + by.len() as u64 / 4).map_err(Error::external)?;
        at = whole.end;
        if whole.is_empty() {
            let Some(byte) = subject.get(at..=at) else { break };
            out.add(byte)?;
            at += 1;
        }
        if anchored {
            break;
        }
    }
    out.add(subject.get(at..).unwrap_or_default())?;
    Ok((lua.create_string(&out.bytes)?, count))
}

/// `string.rep`.
fn repeat(lua: &Lua, args: &MultiValue, meter: &dyn Meter) -> mlua::Result<LuaString> {
    let text = text(lua, args, 1, "rep")?;
    let times = usize::try_from(integer(lua, args, 2, "rep")?).unwrap_or(0);
    let len = text.as_bytes().len();
    if len == 0 || times == 0 {
        return lua.create_string("");
    }
    match len.checked_mul(times) {
        Some(all) if all <= room(lua, all)? => {
            meter.work(all as u64 / 4).map_err(Error::external)?;
            lua.create_string(text.as_bytes().repeat(times))
        }
        _ => Err(not_enough_memory()),
    }
}

/// The result of a replacement, as long as there is room for it.
struct Output {
    bytes: Vec<u8>,
    room: usize,
}

impl Output {
    fn add(&mut self, bytes: &[u8]) -> mlua::Result<()> {
        if bytes.len() > self.room.saturating_sub(self.bytes.len()) {
            return Err(not_enough_memory());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Adds `by`, in which `%1` stands for a capture, `%0` for the whole match, and `%` keeps other bytes as they are.
    fn expand(
        &mut self,
        lua: &Lua,
        by: &[u8],
        matcher: &Matcher<'_>,
        subject: &[u8],
        whole: &Range<usize>,
    ) -> mlua::Result<()> {
        let mut rest = by;
        while let Some(escape) = memchr::memchr(b'%', rest) {
            self.add(&rest[..escape])?;
            match rest.get(escape + 1) {
                // As the original, which reads the NUL behind a string there.
                None => self.add(b"\0")?,
                Some(b'0') => self.add(&subject[whole.clone()])?,
                Some(digit @ b'1'..=b'9') => {
                    let capture = matcher.capture(usize::from(digit - b'1'), whole);
                    match capture.map_err(|error| raised(lua, 2, error))? {
                        Captured::Text(range) => self.add(&subject[range])?,
                        Captured::Position(at) => self.add((at + 1).to_string().as_bytes())?,
                    }
                }
                Some(other) => self.add(&[*other])?,
            }
            rest = rest.get(escape + 2..).unwrap_or_default();
        }
        self.add(rest)
    }
}

/// Bytes that the machine may still allocate, `wanted` among them if that can be.
fn room(lua: &Lua, wanted: usize) -> mlua::Result<usize> {
    // There is no other way to read it.
    let limit = lua.set_memory_limit(0)?;
    lua.set_memory_limit(limit)?;
    if limit == 0 {
        return Ok(LONGEST);
    }
    let left = || limit.saturating_sub(lua.used_memory());
    // Lua does not collect garbage where there is no room. What is made is often copied, and soon garbage too.
    if wanted <= limit && left() < wanted.saturating_mul(3) {
        lua.gc_collect()?;
    }
    Ok(left())
}

fn not_enough_memory() -> Error {
    Error::MemoryError("not enough memory".to_owned())
}

fn push_captures(
    lua: &Lua,
    level: usize,
    matcher: &Matcher<'_>,
    subject: &[u8],
    whole: &Range<usize>,
    least: usize,
    answer: &mut MultiValue,
) -> mlua::Result<()> {
    for index in 0..matcher.captures().max(least) {
        answer.push_back(match matcher.capture(index, whole).map_err(|error| raised(lua, level, error))? {
            Captured::Text(range) => Value::String(lua.create_string(&subject[range])?),
            Captured::Position(at) => Value::Number((at + 1) as f64),
        });
    }
    Ok(())
}

fn raised(lua: &Lua, level: usize, error: PatternError) -> Error {
    match error {
        PatternError::Limit(limit) => Error::external(limit),
        other => fail(lua, level, other),
    }
}

fn both(first: usize, second: usize) -> MultiValue {
    MultiValue::from_iter([Value::Number(first as f64), Value::Number(second as f64)])
}

fn truth(value: Option<&Value>) -> bool {
    !matches!(value, None | Some(Value::Nil | Value::Boolean(false)))
}

/// An offset from a position as scripts give it: negative ones count from the end.
fn start(position: i64, len: usize) -> usize {
    match usize::try_from(position) {
        Ok(position) => position.saturating_sub(1).min(len),
        Err(_) => len.saturating_sub(usize::try_from(position.unsigned_abs()).unwrap_or(usize::MAX)),
    }
}

/// A string, or a number as one. Arguments count from 1.
fn text(lua: &Lua, args: &MultiValue, index: usize, name: &str) -> mlua::Result<LuaString> {
    let value = args.get(index - 1);
    match value {
        Some(Value::String(text)) => return Ok(text.clone()),
        Some(number @ (Value::Integer(_) | Value::Number(_))) => {
            if let Some(text) = lua.coerce_string(number.clone())? {
                return Ok(text);
            }
        }
        _ => {}
    }
    let got = value.map_or("no value", Value::type_name);
    Err(bad_argument(lua, 1, index, name, &format!("string expected, got {got}")))
}

/// A number, or a string that reads as one, cut towards zero.
fn integer(lua: &Lua, args: &MultiValue, index: usize, name: &str) -> mlua::Result<i64> {
    let value = args.get(index - 1);
    if let Some(number) = lua.coerce_number(value.cloned().unwrap_or(Value::Nil))? {
        return Ok(number as i64);
    }
    let got = value.map_or("no value", Value::type_name);
    Err(bad_argument(lua, 1, index, name, &format!("number expected, got {got}")))
}
