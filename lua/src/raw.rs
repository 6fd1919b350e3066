//! Calls into Lua and out of it, on Lua's own C interface: the one place with `unsafe`, with `args` below it.
//!
//! Measured: a call of a function that calls one of ours took 0.93 to 1.25 µs by `mlua`'s safe interface with a memory
//! limit, as each value that is passed is a protected call then, and takes 0.2 µs here; carrying out a put takes 0.25.
//! Whatever is not on that path (loading, hooks, functions that call back) goes through `mlua`.
//!
//! The contract:
//! - A [`Raw`] is used only while its `Lua` lives, and by one thread at a time: it is part of a `Vm`, whose calls take
//!   `&mut self`.
//! - Lua leaves a function by a long jump when an error is raised, also where memory runs out. So whatever may raise one
//!   (anything that allocates, a call) happens in [`invoke`] or [`trampoline`], which Lua calls protected, and where no
//!   value with a destructor is alive then.
//! - What is read of arguments does not allocate, and a string stays where it is while the stack, or a table on it, has it.
#![expect(unsafe_code, reason = "Lua's C interface; measured need above")]

mod args;

use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Arc;

use mlua::Lua;
use mlua::ffi::{self, lua_State};

use crate::api::{Context, Fault, Function};
use crate::number::format_g14;
use crate::value::{Out, Output};
pub(crate) use args::Args;
use args::{Source, string};

thread_local! {
    /// Where functions leave what they give. Used between the begin and the end of [`trampoline`] only, which
    /// is never entered twice: functions that call back into Lua don't go through it.
    static OUTPUT: UnsafeCell<Output> = const { UnsafeCell::new(Output::new()) };
}

/// The C side of a virtual machine.
#[derive(Debug)]
pub(crate) struct Raw {
    state: *mut lua_State,
    /// In Lua's registry: what makes a message of an error.
    handler: c_int,
    /// In Lua's registry: [`invoke`].
    invoke: c_int,
}

// SAFETY: the state belongs to a `Lua` that may be sent, and is used by `&mut self` only.
unsafe impl Send for Raw {}

/// [`trampoline`], to know it again.
const TRAMPOLINE: ffi::lua_CFunction = trampoline;
/// What [`invoke`] leaves where the answer is in [`OUTPUT`].
static NATIVE: [u8; 1] = [0];

/// What is called.
struct Call<'a> {
    name: &'a [u8],
    key: &'a [u8],
    value: &'a [u8],
}

/// What a function answered, until the next call.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer<'a> {
    /// Text.
    Bytes(&'a [u8]),
    /// A number, written as Lua writes it.
    Number(f64),
    /// `true`.
    True,
    /// Nothing that is answered to a client: nil, false, a function, an empty table.
    Nothing,
    /// There is no function of that name.
    Missing,
}

impl Raw {
    /// Of a virtual machine. `handler` is called with each error that ends a call, and gives its message.
    pub(crate) fn new(lua: &Lua, handler: mlua::Function) -> mlua::Result<Self> {
        let mut state = ptr::null_mut();
        let (mut handler_ref, mut invoke_ref) = (0, 0);
        // SAFETY: `exec_raw` runs this protected, with the handler on the stack; the references stay in the registry.
        unsafe {
            lua.exec_raw::<()>(handler, |lua_state| {
                state = lua_state;
                handler_ref = ffi::luaL_ref(lua_state, ffi::LUA_REGISTRYINDEX);
                ffi::lua_pushcfunction(lua_state, invoke);
                invoke_ref = ffi::luaL_ref(lua_state, ffi::LUA_REGISTRYINDEX);
            })?;
        }
        Ok(Self { state, handler: handler_ref, invoke: invoke_ref })
    }

    /// Makes a function of the API known to Lua.
    pub(crate) fn function(
        lua: &Lua,
        function: &'static Function,
        context: &Arc<Context>,
    ) -> mlua::Result<mlua::Function> {
        let function: *const Function = function;
        let context: *const Context = Arc::as_ptr(context);
        // SAFETY: run protected. The function is static; the context lives as long as the `Lua` (see `Vm`).
        unsafe {
            lua.exec_raw((), |state| {
                ffi::lua_pushlightuserdata(state, function.cast_mut().cast());
                ffi::lua_pushlightuserdata(state, context.cast_mut().cast());
                ffi::lua_pushcclosure(state, trampoline, 2);
            })
        }
    }

    /// Calls a global function with two strings. The answer is read by `take`; an error is its message.
    pub(crate) fn call<T>(
        &mut self,
        name: &[u8],
        key: &[u8],
        value: &[u8],
        take: impl FnOnce(Answer<'_>) -> T,
    ) -> Result<T, Vec<u8>> {
        let call = Call { name, key, value };
        let call: *const Call<'_> = &call;
        let state = self.state;
        // SAFETY: none of the calls before `lua_pcall` and after it allocates or raises an error: the stack of a state that
        // is not running has room for `LUA_MINSTACK` values. What is read is on the stack until `lua_settop`.
        unsafe {
            let base = ffi::lua_gettop(state);
            ffi::lua_rawgeti_(state, ffi::LUA_REGISTRYINDEX, self.handler);
            ffi::lua_rawgeti_(state, ffi::LUA_REGISTRYINDEX, self.invoke);
            ffi::lua_pushlightuserdata(state, call.cast_mut().cast());
            let status = ffi::lua_pcall(state, 1, 1, base + 1);
            let restore = Restore { state, base };
            let answered = match status {
                ffi::LUA_OK => Ok(take(answer(state))),
                ffi::LUA_ERRMEM => Err(b"not enough memory (--ext-max-memory)".to_vec()),
                _ => Err(string(state, -1).unwrap_or(b"(null)").to_vec()),
            };
            drop(restore);
            answered
        }
    }
}

/// Puts the stack back, also where `take` panics.
struct Restore {
    state: *mut lua_State,
    base: c_int,
}

impl Drop for Restore {
    fn drop(&mut self) {
        // SAFETY: the state is that of the call that is ending; this takes values off its stack.
        unsafe { ffi::lua_settop(self.state, self.base) };
    }
}

/// What the value on top of the stack is to a client.
///
/// SAFETY: it must stay there for as long as the answer is used.
unsafe fn answer<'a>(state: *mut lua_State) -> Answer<'a> {
    // SAFETY: looks at the top of the stack only.
    unsafe {
        match ffi::lua_type(state, -1) {
            ffi::LUA_TSTRING => string(state, -1).map_or(Answer::Nothing, Answer::Bytes),
            ffi::LUA_TNUMBER => Answer::Number(ffi::lua_tonumber(state, -1)),
            ffi::LUA_TBOOLEAN if ffi::lua_toboolean(state, -1) != 0 => Answer::True,
            ffi::LUA_TLIGHTUSERDATA if ffi::lua_touserdata(state, -1).is_null() => Answer::Missing,
            ffi::LUA_TLIGHTUSERDATA => native_answer(&*OUTPUT.with(UnsafeCell::get)),
            _ => Answer::Nothing,
        }
    }
}

/// What a function of the API has given that was called without Lua.
fn native_answer(output: &Output) -> Answer<'_> {
    let mut values = output.values.iter();
    let first = match values.next() {
        Some(Out::Array(1..)) => values.next(),
        first => first,
    };
    match first {
        Some(Out::Bytes(len)) => Answer::Bytes(output.bytes.get(..*len).unwrap_or_default()),
        Some(Out::Number(number)) => Answer::Number(*number),
        Some(Out::Bool(true)) => Answer::True,
        _ => Answer::Nothing,
    }
}

/// Calls what a [`Call`] names. Runs protected; leaves the answer, or light userdata where there is no such function.
///
/// Where the global is a function of the API itself, as in `incr = _incr`, that is carried out without Lua: its arguments
/// and what it gives never become values of Lua.
unsafe extern "C-unwind" fn invoke(state: *mut lua_State) -> c_int {
    // SAFETY: the argument is what `Raw::call` has pushed, and lives until that returns. No destructors here.
    unsafe {
        let call = &*ffi::lua_touserdata(state, 1).cast::<Call<'_>>();
        ffi::lua_pushlstring_(state, call.name.as_ptr().cast(), call.name.len());
        ffi::lua_gettable_(state, ffi::LUA_GLOBALSINDEX);
        if ffi::lua_type(state, -1) != ffi::LUA_TFUNCTION {
            ffi::lua_pushlightuserdata(state, ptr::null_mut::<c_void>());
            return 1;
        }
        if ffi::lua_tocfunction(state, -1).is_some_and(|function| ptr::fn_addr_eq(function, TRAMPOLINE)) {
            ffi::lua_getupvalue(state, -1, 1);
            ffi::lua_getupvalue(state, -2, 2);
            let function = &*ffi::lua_touserdata(state, -2).cast::<Function>();
            let context = &*ffi::lua_touserdata(state, -1).cast::<Context>();
            carry_out(state, function, context, Source::Bytes([call.key, call.value]));
            ffi::lua_pushlightuserdata(state, NATIVE.as_ptr().cast_mut().cast());
            return 1;
        }
        ffi::lua_pushlstring_(state, call.key.as_ptr().cast(), call.key.len());
        ffi::lua_pushlstring_(state, call.value.as_ptr().cast(), call.value.len());
        ffi::lua_call(state, 2, 1);
        match ffi::lua_type(state, -1) {
            // Its first element answers for it.
            ffi::LUA_TTABLE => ffi::lua_rawgeti_(state, -1, 1),
            // Only what `answer` knows.
            ffi::LUA_TLIGHTUSERDATA => ffi::lua_pushnil(state),
            _ => {}
        }
        if ffi::lua_type(state, -1) == ffi::LUA_TLIGHTUSERDATA {
            ffi::lua_pushnil(state);
        }
        1
    }
}

/// What Lua calls for every function of the API that is [`crate::api::Run::Direct`].
unsafe extern "C-unwind" fn trampoline(state: *mut lua_State) -> c_int {
    // SAFETY: the upvalues are those of `Raw::function`. Values with destructors live in `run` alone, which raises no
    // errors of Lua and lets no panic out; the output belongs to the thread.
    unsafe {
        let function = &*ffi::lua_touserdata(state, ffi::lua_upvalueindex(1)).cast::<Function>();
        let context = &*ffi::lua_touserdata(state, ffi::lua_upvalueindex(2)).cast::<Context>();
        let len = ffi::lua_gettop(state);
        carry_out(state, function, context, Source::Stack { state, len });
        let output = OUTPUT.with(UnsafeCell::get);
        let before = ffi::lua_gettop(state);
        let (mut value, mut byte) = (0, 0);
        while value < (*output).values.len() {
            push(state, &*output, &mut value, &mut byte);
        }
        ffi::lua_gettop(state) - before
    }
}

/// Runs a function; what it gives is in [`OUTPUT`]. Where it fails an error of Lua is raised.
///
/// SAFETY: called by what Lua calls protected, and which holds nothing with a destructor.
unsafe fn carry_out(state: *mut lua_State, function: &Function, context: &Context, source: Source<'_>) {
    // SAFETY: values with destructors live in `run` alone; the output belongs to the thread.
    unsafe {
        let output = OUTPUT.with(UnsafeCell::get);
        (*output).clear();
        if !run(function, context, &Args::new(source), &mut *output) {
            let message = &(*output).bytes;
            ffi::lua_pushlstring_(state, message.as_ptr().cast(), message.len());
            ffi::lua_error(state);
        }
    }
}

/// Runs a function; false where it fails, and its message is in the output.
fn run(function: &Function, context: &Context, args: &Args<'_>, output: &mut Output) -> bool {
    let ran = catch_unwind(AssertUnwindSafe(|| function.run_direct(context, args, output)));
    let message = match ran {
        Ok(Ok(())) => return true,
        Ok(Err(Fault::Invalid)) => format!("{}: invalid arguments", function.shown_name()),
        Ok(Err(Fault::Limit)) => context.budget.why(),
        Ok(Err(Fault::Message(message))) => message,
        Err(_) => format!("{}: a fault of the node; please report it", function.name),
    };
    output.clear();
    output.bytes.extend_from_slice(message.as_bytes());
    false
}

/// Pushes one value of an output.
///
/// SAFETY: may raise an error of Lua; the caller is called protected and holds nothing with a destructor.
unsafe fn push(state: *mut lua_State, output: &Output, value: &mut usize, byte: &mut usize) {
    let Some(out) = output.values.get(*value) else { return };
    *value += 1;
    // SAFETY: at most three values are pushed for each level of nesting, of which there are two.
    unsafe {
        match *out {
            Out::Nil => ffi::lua_pushnil(state),
            Out::Bool(bool) => ffi::lua_pushboolean(state, bool.into()),
            Out::Number(number) => ffi::lua_pushnumber(state, number),
            Out::Bytes(len) => {
                let bytes = output.bytes.get(*byte..*byte + len).unwrap_or_default();
                *byte += len;
                ffi::lua_pushlstring_(state, bytes.as_ptr().cast(), bytes.len());
            }
            Out::Array(len) => {
                let len = c_int::try_from(len).unwrap_or(c_int::MAX);
                ffi::lua_createtable(state, len, 0);
                for index in 1..=len {
                    push(state, output, value, byte);
                    ffi::lua_rawseti_(state, -2, index);
                }
            }
            Out::Fields(pairs) => {
                ffi::lua_createtable(state, 0, c_int::try_from(pairs).unwrap_or(0));
                for _ in 0..pairs {
                    push(state, output, value, byte);
                    push(state, output, value, byte);
                    ffi::lua_rawset(state, -3);
                }
            }
        }
    }
}

impl Answer<'_> {
    /// What a client is sent; none where that is a failure.
    pub fn text(&self) -> Option<std::borrow::Cow<'_, [u8]>> {
        match self {
            Self::Bytes(bytes) => Some((*bytes).into()),
            Self::Number(number) => Some(format_g14(*number).into_bytes().into()),
            Self::True => Some(b"true".as_slice().into()),
            Self::Nothing | Self::Missing => None,
        }
    }
}
