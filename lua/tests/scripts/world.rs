//! All bundled scripts over an empty map, with a clock that tests set.

use std::sync::Arc;
use std::time::Duration;

use lcnode_lua::{Called, Limits, Script, Scripts, Settings};

use crate::host::{Memory, MemoryHost, settings};

/// Their names; all of them are always loaded, as they must not be in each other's way.
const BUNDLED: [&str; 6] =
    ["incr.lua", "list.lua", "fixedlist.lua", "lock.lua", "ratelimit.lua", "queue.lua"];
/// Makes `_time` a clock that tests set.
const CLOCK: &str = "function _time() return tonumber(_stashget('now') or 1e9) end
                     function set_now(key, value) _stashput('now', value) end";

pub struct World {
    pub memory: Arc<Memory>,
    scripts: Scripts,
    now: f64,
}

impl World {
    pub fn new() -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/");
        let read = |name: &&str| Script {
            name: name.to_string(),
            source: std::fs::read(folder.to_owned() + name).unwrap(),
        };
        let clock = Script { name: "clock.lua".to_owned(), source: CLOCK.into() };
        let memory = Arc::new(Memory::default());
        let settings = Settings {
            scripts: BUNDLED.iter().map(read).chain([clock]).collect(),
            machines: 4,
            limits: Limits { time: Duration::from_secs(30), ..Limits::default() },
            ..settings("")
        };
        let scripts = Scripts::load(Arc::new(MemoryHost(Arc::clone(&memory))), settings).unwrap();
        Self { memory, scripts, now: 1e9 }
    }

    /// The answer to a call; none for a failure. Waits where all machines are busy.
    pub fn call(&self, name: &str, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        loop {
            let (key, value) = (key.as_ref(), value.as_ref());
            let take = |answer: lcnode_lua::Answer<'_>, _| answer.text().map(|text| text.into_owned());
            match self.scripts.call(0, name.as_bytes(), key, value, take) {
                Called::Done(answer) => return answer,
                Called::Failed { .. } => return None,
                Called::Busy => std::thread::yield_now(),
            }
        }
    }

    /// The same, as text.
    pub fn ask(&self, name: &str, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Option<String> {
        self.call(name, key, value).map(|answer| String::from_utf8(answer).unwrap())
    }

    pub fn put(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.memory.records.lock().insert(key.as_ref().to_vec(), value.as_ref().to_vec());
    }

    pub fn record(&self, key: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        self.memory.records.lock().get(key.as_ref()).cloned()
    }

    /// How many records there are.
    pub fn records(&self) -> usize {
        self.memory.records.lock().len()
    }

    /// Lets time pass, for `_time` and for records that expire.
    pub fn pass(&mut self, seconds: f64) {
        self.now += seconds;
        self.call("set_now", "", format!("{:.6}", self.now));
        self.memory.pass(Duration::from_secs_f64(seconds));
    }

    /// That a call fails with an error that says this, and changes nothing.
    pub fn refuses(&self, name: &str, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>, why: &str) {
        let before = self.memory.records.lock().clone();
        let counted = self.scripts.figures().errors();
        self.memory.log.lock().clear();
        let scene = format!("{name} {:?} {:?}", key.as_ref().escape_ascii(), value.as_ref().escape_ascii());
        assert_eq!(self.call(name, key, value), None, "{scene}");
        let errors = self.memory.errors();
        assert_eq!(self.scripts.figures().errors(), counted + 1, "{scene}");
        // The same error is logged once a second.
        assert!(errors.iter().all(|error| error.contains(why)), "{scene}: {errors:?} should say {why:?}");
        assert_eq!(*self.memory.records.lock(), before, "{scene}");
    }
}

/// A generator for the test `name`, whose seed is printed, which shows where the test fails.
pub fn seeded(name: &str) -> fastrand::Rng {
    let seed = std::env::var("LCNODE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    eprintln!("{name}: LCNODE_SEED={seed} repeats this");
    fastrand::Rng::with_seed(seed)
}
