//! Keeps garbage from counting against the memory of a virtual machine.
//!
//! Lua 5.1 collects once memory has doubled, and does not where an allocation fails: a machine whose scripts hold more
//! than half of what they may would fail with the first garbage that does not fit beside it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use mlua::Lua;
use mlua::state::{GcIncParams, GcMode};

/// In per cent: Lua begins to collect when memory has grown to so much of what was left by the last collection.
const USUAL_PAUSE: i32 = 200;
/// In per cent: how much faster than memory is taken it is looked through.
const USUAL_SPEED: i32 = 200;
const HIGH_SPEED: i32 = 400;

/// Watches the memory of one machine.
#[derive(Debug)]
pub(crate) struct Pressure {
    limit: usize,
    /// Bytes in use from which on garbage is collected at once.
    next: AtomicUsize,
    high: AtomicBool,
}

impl Pressure {
    /// Of a machine that may hold `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, next: AtomicUsize::new(limit / 2), high: AtomicBool::new(false) }
    }

    /// To be called often.
    #[inline]
    pub(crate) fn relieve(&self, lua: &Lua) {
        let used = lua.used_memory();
        if used > self.next.load(Ordering::Relaxed) {
            self.collect(lua);
        } else if used < self.limit / 4 && self.high.load(Ordering::Relaxed) {
            self.high.store(false, Ordering::Relaxed);
            self.next.store(self.limit / 2, Ordering::Relaxed);
            set(lua, USUAL_PAUSE, USUAL_SPEED);
        }
    }

    /// From here on Lua collects once half of what is left has been taken; this does it when three quarters have.
    #[cold]
    fn collect(&self, lua: &Lua) {
        // What cannot be collected now is collected later.
        let _ = lua.gc_collect();
        let live = lua.used_memory();
        let left = self.limit.saturating_sub(live);
        let half = left * 50 / live.max(1);
        set(lua, 100 + i32::try_from(half.min(100)).unwrap_or(100), HIGH_SPEED);
        // The pause counts from the next collection on.
        let _ = lua.gc_collect();
        self.next.store(live + left / 4 * 3, Ordering::Relaxed);
        self.high.store(true, Ordering::Relaxed);
    }
}

fn set(lua: &Lua, pause: i32, speed: i32) {
    lua.gc_set_mode(GcMode::Incremental(GcIncParams::default().pause(pause).step_multiplier(speed)));
}
