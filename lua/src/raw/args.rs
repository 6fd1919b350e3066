//! The arguments of a function of the API, read from Lua's stack or as a client has sent them.
#![expect(unsafe_code, reason = "part of raw, whose contract holds here")]

use std::borrow::Cow;
use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

use crate::api::Fault;
use crate::tonumber::tonumber;
use crate::value::Value;

/// Elements of an array that are read, nested ones included.
const MAX_ELEMENTS: usize = 1 << 22;
/// How deep tables in arguments are read.
const MAX_DEPTH: usize = 8;

/// The arguments of a function.
pub(crate) struct Args<'a> {
    source: Source<'a>,
}

/// Where arguments are.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    /// On the stack of a function that Lua calls.
    Stack { state: *mut lua_State, len: c_int },
    /// Those of a client, which Lua has not seen.
    Bytes([&'a [u8]; 2]),
}

impl<'a> Args<'a> {
    pub(super) fn new(source: Source<'a>) -> Self {
        Self { source }
    }

    /// How many there are.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        match self.source {
            Source::Stack { len, .. } => len as usize,
            Source::Bytes(bytes) => bytes.len(),
        }
    }

    /// One of them, the first is 0. A string or a number as text.
    #[inline]
    pub(crate) fn text(&self, index: usize) -> Option<Cow<'a, [u8]>> {
        match self.plain(index) {
            Some(value @ (Value::Bytes(_) | Value::Number(_))) => value.text(),
            _ => None,
        }
    }

    /// A number, or a string that Lua reads as one.
    pub(crate) fn number(&self, index: usize) -> Option<f64> {
        match self.source {
            Source::Bytes(bytes) => bytes.get(index).copied().and_then(tonumber),
            Source::Stack { state, len } => {
                let index = stack(index, len)?;
                // SAFETY: looks at an argument; of a string a number is made without changing it.
                unsafe {
                    match ffi::lua_isnumber(state, index) {
                        0 => None,
                        _ => Some(ffi::lua_tonumber(state, index)),
                    }
                }
            }
        }
    }

    /// One of them; of a table that it is one.
    fn plain(&self, index: usize) -> Option<Value<'a>> {
        match self.source {
            Source::Bytes(bytes) => bytes.get(index).copied().map(Value::Bytes),
            // SAFETY: the index is that of an argument, which stays on the stack until the function returns.
            Source::Stack { state, len } => stack(index, len).map(|index| unsafe { scalar(state, index) }),
        }
    }

    /// One of them whole, also a table.
    ///
    /// Errors: it has too many elements.
    pub(crate) fn value(&self, index: usize) -> Result<Option<Value<'a>>, Fault> {
        let Source::Stack { state, len } = self.source else { return Ok(self.plain(index)) };
        let Some(index) = stack(index, len) else { return Ok(None) };
        let mut left = MAX_ELEMENTS;
        // SAFETY: as above; elements of a table are reached by it as long as it is not changed, and no Lua runs here.
        unsafe { whole(state, index, Levels::All(MAX_DEPTH), &mut left).map(Some) }
    }

    /// The same, but tables below `depth` levels of them are given empty: for functions that look no deeper.
    ///
    /// Errors: it has too many elements.
    pub(crate) fn value_to(&self, index: usize, depth: usize) -> Result<Option<Value<'a>>, Fault> {
        let Source::Stack { state, len } = self.source else { return Ok(self.plain(index)) };
        let Some(index) = stack(index, len) else { return Ok(None) };
        let mut left = MAX_ELEMENTS;
        // SAFETY: as above.
        unsafe { whole(state, index, Levels::Cut(depth), &mut left).map(Some) }
    }
}

/// The place of an argument on a stack with so many.
fn stack(index: usize, len: c_int) -> Option<c_int> {
    c_int::try_from(index).ok().filter(|index| *index < len).map(|index| index + 1)
}

/// SAFETY: see [`string`].
unsafe fn scalar<'a>(state: *mut lua_State, index: c_int) -> Value<'a> {
    // SAFETY: looks at a value of the stack without changing it.
    unsafe {
        match ffi::lua_type(state, index) {
            ffi::LUA_TNIL => Value::Nil,
            ffi::LUA_TBOOLEAN => Value::Bool(ffi::lua_toboolean(state, index) != 0),
            ffi::LUA_TNUMBER => Value::Number(ffi::lua_tonumber(state, index)),
            ffi::LUA_TSTRING => string(state, index).map_or(Value::Nil, Value::Bytes),
            ffi::LUA_TTABLE => Value::Array(Vec::new()),
            _ => Value::Other,
        }
    }
}

/// How many levels of tables are read.
#[derive(Clone, Copy)]
enum Levels {
    /// More are an error.
    All(usize),
    /// Tables below are given empty.
    Cut(usize),
}

/// SAFETY: see [`string`]; what a table holds must stay in it.
unsafe fn whole<'a>(
    state: *mut lua_State,
    index: c_int,
    levels: Levels,
    left: &mut usize,
) -> Result<Value<'a>, Fault> {
    // SAFETY: one value is pushed for each level, of which there are fewer than `LUA_MINSTACK`, and taken off again.
    unsafe {
        let mut value = scalar(state, index);
        let Value::Array(elements) = &mut value else { return Ok(value) };
        let below = match levels {
            Levels::Cut(0) => return Ok(value),
            Levels::All(levels) => levels.checked_sub(1).map(Levels::All),
            Levels::Cut(levels) => levels.checked_sub(1).map(Levels::Cut),
        };
        let len = ffi::lua_objlen(state, index);
        let Some(below) = below.filter(|_| len <= *left) else {
            return Err(Fault::Message("a table is too large or nested too deeply".to_owned()));
        };
        *left -= len;
        for number in 1..=len as c_int {
            ffi::lua_rawgeti_(state, index, number);
            let element = whole(state, ffi::lua_gettop(state), below, left);
            ffi::lua_settop(state, -2);
            elements.push(element?);
        }
        Ok(value)
    }
}

/// The bytes of a string on the stack.
///
/// SAFETY: the string must stay on the stack for as long as they are used.
pub(super) unsafe fn string<'a>(state: *mut lua_State, index: c_int) -> Option<&'a [u8]> {
    // SAFETY: of a string, `lua_tolstring` gives a pointer that is valid while the string is on the stack.
    unsafe {
        if ffi::lua_type(state, index) != ffi::LUA_TSTRING {
            return None;
        }
        let mut len = 0;
        let start = ffi::lua_tolstring(state, index, &mut len);
        Some(std::slice::from_raw_parts(start.cast(), len))
    }
}
