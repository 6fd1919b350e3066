//! A host for tests: records in a map, lines of the log in a list. The test binaries share it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use lcnode_lua::{
    Allowed, Deadline, Decimal, Host, HostError, Level, Limits, Result, Scan, Script, Scripts, Settings,
};
use parking_lot::{Mutex, ReentrantMutex, ReentrantMutexGuard};

/// Records in a map.
#[derive(Default)]
pub struct Memory {
    pub records: Mutex<BTreeMap<Vec<u8>, Vec<u8>>>,
    pub log: Mutex<Vec<(Level, String)>>,
    pub stopping: AtomicBool,
    /// How many changes succeed before one fails; none of them does where this is none.
    pub failing: Mutex<Option<u32>>,
    /// Milliseconds that have passed, see [`Memory::pass`].
    clock: AtomicU64,
    /// When records end.
    ends: Mutex<BTreeMap<Vec<u8>, u64>>,
    iterator: Mutex<Option<Vec<u8>>>,
    held: ReentrantMutex<()>,
}

impl Memory {
    /// Lines of the log that are errors.
    pub fn errors(&self) -> Vec<String> {
        self.log
            .lock()
            .iter()
            .filter(|(level, _)| *level == Level::Error)
            .map(|(_, line)| line.clone())
            .collect()
    }

    /// Lets time pass: records whose end it brings are gone.
    #[allow(dead_code, reason = "not each of the test binaries lets time pass")]
    pub fn pass(&self, time: Duration) {
        let passed = u64::try_from(time.as_millis()).unwrap();
        let now = self.clock.fetch_add(passed, Ordering::Relaxed) + passed;
        let mut records = self.records.lock();
        self.ends.lock().retain(|key, end| {
            if *end <= now {
                records.remove(key);
            }
            *end > now
        });
    }

    /// To be held during a change: nobody else holds a record then.
    fn change(&self) -> Result<ReentrantMutexGuard<'_, ()>> {
        let held = self.held.lock();
        match self.failing.lock().as_mut() {
            Some(0) => Err(HostError("this change is to fail".to_owned())),
            Some(left) => {
                *left -= 1;
                Ok(held)
            }
            None => Ok(held),
        }
    }

    fn after(&self, key: Option<&[u8]>) -> Option<(Vec<u8>, Vec<u8>)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let records = self.records.lock();
        let mut rest = records.range::<[u8], _>((key.map_or(Unbounded, Excluded), Unbounded));
        rest.next().map(|(key, value)| (key.clone(), value.clone()))
    }
}

struct Walk(Arc<Memory>, Option<Vec<u8>>);

impl Scan for Walk {
    fn next(&mut self, found: &mut dyn FnMut(&[u8], &[u8])) -> Result<bool> {
        let Some((key, value)) = self.0.after(self.1.as_deref()) else { return Ok(false) };
        found(&key, &value);
        self.1 = Some(key);
        Ok(true)
    }
}

/// [`Memory`] as scripts see it.
pub struct MemoryHost(pub Arc<Memory>);

impl Host for MemoryHost {
    fn get(&self, key: &[u8], found: &mut dyn FnMut(&[u8])) -> bool {
        self.0.records.lock().get(key).map(|value| found(value)).is_some()
    }

    fn put(&self, key: &[u8], value: &[u8], _: Deadline<'_>) -> Result<bool> {
        let _change = self.0.change()?;
        self.0.ends.lock().remove(key);
        self.0.records.lock().insert(key.to_vec(), value.to_vec());
        Ok(true)
    }

    fn put_keep(&self, key: &[u8], value: &[u8], _: Deadline<'_>) -> Result<bool> {
        let _change = self.0.change()?;
        let mut records = self.0.records.lock();
        let is_new = !records.contains_key(key);
        records.entry(key.to_vec()).or_insert_with(|| value.to_vec());
        Ok(is_new)
    }

    fn put_cat(&self, key: &[u8], value: &[u8], _: Deadline<'_>) -> Result<bool> {
        let _change = self.0.change()?;
        self.0.records.lock().entry(key.to_vec()).or_default().extend_from_slice(value);
        Ok(true)
    }

    fn put_expiring(
        &self,
        key: &[u8],
        value: &[u8],
        milliseconds: u64,
        deadline: Deadline<'_>,
    ) -> Result<bool> {
        self.put(key, value, deadline)?;
        let end = self.0.clock.load(Ordering::Relaxed).saturating_add(milliseconds);
        self.0.ends.lock().insert(key.to_vec(), end);
        Ok(true)
    }

    fn out(&self, key: &[u8], _: Deadline<'_>) -> Result<bool> {
        let _change = self.0.change()?;
        self.0.ends.lock().remove(key);
        Ok(self.0.records.lock().remove(key).is_some())
    }

    fn add_int(&self, key: &[u8], num: i32, _: Deadline<'_>) -> Result<Option<i32>> {
        let _change = self.0.change()?;
        let mut records = self.0.records.lock();
        let old = records.get(key).map_or(Some(0), |old| Some(i32::from_le_bytes(old[..].try_into().ok()?)));
        let sum = old.map(|old| old.wrapping_add(num));
        sum.map(|sum| records.insert(key.to_vec(), sum.to_le_bytes().to_vec()));
        Ok(sum)
    }

    fn add_double(&self, key: &[u8], num: f64, _: Deadline<'_>) -> Result<Option<f64>> {
        let _change = self.0.change()?;
        let mut records = self.0.records.lock();
        let old =
            records.get(key).map_or(Some(0.0), |old| Some(f64::from_le_bytes(old[..].try_into().ok()?)));
        let sum = old.map(|old| old + num);
        sum.map(|sum| records.insert(key.to_vec(), sum.to_le_bytes().to_vec()));
        Ok(sum)
    }

    fn count(&self, key: &[u8], amount: Decimal, _: Deadline<'_>) -> Result<Option<Decimal>> {
        let _change = self.0.change()?;
        let mut records = self.0.records.lock();
        let old = records.get(key).and_then(|old| lcnode_lua::decimal(old)).unwrap_or(Decimal::Int(0));
        let Some(sum) = sum(old, amount) else { return Ok(None) };
        let text = match sum {
            Decimal::Int(int) => int.to_string(),
            Decimal::Real(real) => lcnode_lua::format_g14(real),
        };
        records.insert(key.to_vec(), text.into_bytes());
        Ok(Some(sum))
    }

    fn vanish(&self, _: Deadline<'_>) -> Result<bool> {
        let _change = self.0.change()?;
        self.0.ends.lock().clear();
        self.0.records.lock().clear();
        Ok(true)
    }

    fn iter_init(&self) -> bool {
        *self.0.iterator.lock() = Some(Vec::new());
        true
    }

    fn iter_next(&self, found: &mut dyn FnMut(&[u8])) -> bool {
        let mut iterator = self.0.iterator.lock();
        let Some((key, _)) = iterator.as_ref().and_then(|last| self.0.after(Some(last))) else {
            return false;
        };
        found(&key);
        *iterator = Some(key);
        true
    }

    fn keys(&self, prefix: &[u8], found: &mut dyn FnMut(&[u8]) -> bool) {
        let keys: Vec<Vec<u8>> =
            self.0.records.lock().keys().filter(|key| key.starts_with(prefix)).cloned().collect();
        let _ = keys.iter().all(|key| found(key));
    }

    fn scan(&self) -> Box<dyn Scan> {
        Box::new(Walk(Arc::clone(&self.0), None))
    }

    fn records(&self) -> u64 {
        self.0.records.lock().len() as u64
    }

    fn size(&self) -> u64 {
        self.0.records.lock().iter().map(|(key, value)| (key.len() + value.len()) as u64).sum()
    }

    fn misc(
        &self,
        name: &[u8],
        args: &[Vec<u8>],
        found: &mut dyn FnMut(&[u8]),
        _: Deadline<'_>,
    ) -> Result<bool> {
        // Shows what it was given, so that tests see what arrives.
        args.iter().for_each(|arg| found(arg));
        Ok(name == b"echo")
    }

    fn with_record(&self, key: &[u8], _: Deadline<'_>, held: &mut dyn FnMut()) -> Result<()> {
        if key == b"held by another" {
            return Err(HostError("held by another".to_owned()));
        }
        let _held = self.0.held.lock();
        held();
        Ok(())
    }

    fn leave_event_loop(&self) -> bool {
        true
    }

    fn is_stopping(&self) -> bool {
        self.0.stopping.load(Ordering::Relaxed)
    }

    fn log(&self, level: Level, text: &str) {
        self.0.log.lock().push((level, text.to_owned()));
    }

    fn server_id(&self) -> u16 {
        7
    }
}

/// A sum, exact where both are integers; none where it cannot be kept.
fn sum(old: Decimal, amount: Decimal) -> Option<Decimal> {
    let real = |number| match number {
        Decimal::Int(int) => int as f64,
        Decimal::Real(real) => real,
    };
    if let (Decimal::Int(old), Decimal::Int(amount)) = (old, amount) {
        return old.checked_add(amount).map(Decimal::Int);
    }
    let sum = real(old) + real(amount);
    let is_whole = sum.fract() == 0.0 && sum.abs() < 9_007_199_254_740_992.0;
    sum.is_finite().then_some(if is_whole { Decimal::Int(sum as i64) } else { Decimal::Real(sum) })
}

/// Settings for tests: one script, small limits.
pub fn settings(source: &str) -> Settings {
    Settings {
        scripts: vec![Script { name: "test.lua".to_owned(), source: source.as_bytes().to_vec() }],
        machines: 2,
        periodic: 0,
        limits: Limits { time: Duration::from_millis(300), memory: 16 << 20, ..Limits::default() },
        allowed: Allowed::default(),
        tolerant: false,
    }
}

/// Scripts over an empty map.
#[allow(dead_code, reason = "not each of the test binaries has a script of its own")]
pub fn loaded(source: &str) -> (Arc<Memory>, Scripts) {
    let memory = Arc::new(Memory::default());
    let scripts = Scripts::load(Arc::new(MemoryHost(Arc::clone(&memory))), settings(source)).unwrap();
    (memory, scripts)
}
