//! What goes on beside the calls that are measured.

use std::error::Error;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use lcnode_storage::{Result, Store};

use crate::Phase;
use crate::load::{Latencies, Load, Record};
use crate::report::{Slice, list_slowest};

type Outcome<T> = std::result::Result<T, Box<dyn Error>>;
/// A phase: its name, what was done, and the latencies.
type Measured = (&'static str, String, Latencies);

/// Between two backups or checkpoints.
const PAUSE: Duration = Duration::from_millis(50);
/// Puts of a background writer between two looks at the clock.
const BURST: u32 = 100;

/// Puts records 0 to `records`, as fast as it goes.
pub fn fill(store: &Store, records: u64) -> Outcome<()> {
    eprintln!("loading {records} records");
    let style = ProgressStyle::with_template("{bar:40} {human_pos} of {human_len}, {eta} left")?;
    let bar = ProgressBar::new(records).with_style(style);
    let mut record = Record::new();
    for number in 0..records {
        record.set(number);
        store.put(record.key(), record.value())?;
        if number % 10_000 == 0 {
            bar.set_position(number);
        }
    }
    bar.finish_and_clear();
    store.sync()?;
    store.checkpoint()?;
    Ok(())
}

/// What is to go on, and how much of it.
#[derive(Debug)]
pub struct Phases<'a> {
    pub store: &'a Store,
    /// The directory of this run.
    pub dir: &'a Path,
    pub copy_to: &'a Path,
    /// Records at first: the keys of the calls that are measured.
    pub records: u64,
    /// Records that came since.
    pub grown: u64,
    pub growth: u32,
    pub overwrites: u32,
    /// How long an idle slice takes, and a phase at least.
    pub slice: Duration,
    pub slowest: usize,
    pub seed: u64,
}

impl Phases<'_> {
    /// Measures all idle slices together, then each phase.
    pub fn measure(&mut self, load: &mut Load<'_>, wanted: &[Phase]) -> Outcome<Vec<Slice>> {
        let mut all_idle = Latencies::new()?;
        let mut slices: Vec<Slice> = Vec::new();
        // Warms up.
        self.idle(load)?;
        let mut before = self.idle(load)?;
        all_idle.add(&before)?;
        for &phase in wanted {
            let Some((name, did, latencies)) = self.one(load, phase)? else { continue };
            // What the phase leaves the background to do is not idle.
            self.store.sync()?;
            self.idle(load)?;
            let after = self.idle(load)?;
            all_idle.add(&after)?;
            let mut idle = before;
            idle.add(&after)?;
            slices.push(Slice { name, did, latencies, idle: Some(idle) });
            before = after;
        }
        slices.insert(0, Slice { name: "idle", did: "nothing".to_owned(), latencies: all_idle, idle: None });
        Ok(slices)
    }

    fn idle(&self, load: &mut Load<'_>) -> Outcome<Latencies> {
        eprintln!("idle");
        let latencies = load.run(self.slowest, |lasted| lasted >= self.slice)?;
        list_slowest("idle", &latencies.slowest);
        Ok(latencies)
    }

    /// Measures a phase: its name, what was done, and the latencies. None where it cannot be measured here.
    fn one(&mut self, load: &mut Load<'_>, phase: Phase) -> Outcome<Option<Measured>> {
        let name = match phase {
            Phase::Growth => "growth",
            Phase::Checkpoint => "checkpoints",
            Phase::Overwrite => "overwriting, compaction",
            Phase::Optimize => "optimize",
            Phase::Link => "backups by link",
            Phase::Copy => "backups by copying",
        };
        if phase == Phase::Copy
            && let Some(why) = self.cannot_copy()?
        {
            eprintln!("{name}: left out, {why}");
            return Ok(None);
        }
        if phase == Phase::Optimize {
            eprintln!("overwriting half of the records");
            let mut random = fastrand::Rng::with_seed(self.seed ^ 1);
            let mut record = Record::new();
            for _ in 0..self.records / 2 {
                record.set(random.u64(..self.records));
                self.store.put(record.key(), record.value())?;
            }
            self.store.sync()?;
        }
        eprintln!("{name}");
        let (first_new, mut new) = (self.records + self.grown, 0);
        let (mut random, keys) = (fastrand::Rng::with_seed(self.seed ^ 2), self.records);
        let (did, latencies) = self.beside(load, |store, time_is_up| match phase {
            Phase::Growth => {
                new = paced(store, self.growth, |at| first_new + at, time_is_up)?;
                Ok(format!("{new} new keys"))
            }
            Phase::Overwrite => {
                let puts = paced(store, self.overwrites, |_| random.u64(..keys), time_is_up)?;
                Ok(format!("{puts} puts"))
            }
            Phase::Checkpoint => {
                let count = again_and_again(time_is_up, |_| store.checkpoint().map(|_| ()))?;
                Ok(format!("{count} checkpoints"))
            }
            Phase::Optimize => {
                let before = store.figures().log_bytes;
                store.optimize()?;
                let after = store.figures().log_bytes;
                Ok(format!("{:.2} GB became {:.2} GB", before as f64 / 1e9, after as f64 / 1e9))
            }
            Phase::Link => self.backups(self.dir, time_is_up),
            Phase::Copy => {
                let place = tempfile::Builder::new()
                    .prefix("lcnode-latency-")
                    .tempdir_in(self.copy_to)
                    .map_err(|error| failed("make a directory in", self.copy_to, &error))?;
                self.backups(place.path(), time_is_up)
            }
        })?;
        self.grown += new;
        eprintln!("  {did}");
        list_slowest(name, &latencies.slowest);
        Ok(Some((name, did, latencies)))
    }

    /// Measures while another thread does `work`, which is told when its time is up.
    fn beside(
        &self,
        load: &mut Load<'_>,
        work: impl FnOnce(&Store, &dyn Fn() -> bool) -> Result<String> + Send,
    ) -> Outcome<(String, Latencies)> {
        let (ended, broken_off) = (AtomicBool::new(false), AtomicBool::new(false));
        thread::scope(|scope| {
            let worker = scope.spawn(|| {
                let began = Instant::now();
                let time_is_up = || began.elapsed() >= self.slice || broken_off.load(Ordering::Relaxed);
                let did = work(self.store, &time_is_up);
                ended.store(true, Ordering::Release);
                did
            });
            let latencies = load.run(self.slowest, |_| ended.load(Ordering::Acquire) || worker.is_finished());
            broken_off.store(true, Ordering::Relaxed);
            match worker.join() {
                Ok(did) => Ok((did?, latencies?)),
                Err(_) => Err("the thread beside the calls panicked".into()),
            }
        })
    }

    /// Backups into `place`, each removed before the next.
    fn backups(&self, place: &Path, time_is_up: &dyn Fn() -> bool) -> Result<String> {
        let (mut linked, mut copied) = (0, 0);
        let count = again_and_again(time_is_up, |at| {
            let target = place.join(format!("backup-{at}"));
            let (_, ways) = self.store.copy_to(&target)?;
            linked += ways.linked + ways.cloned;
            copied += ways.copied_bytes;
            fs::remove_dir_all(&target).map_err(|error| failed("remove", &target, &error))
        })?;
        Ok(format!("{count} backups: {linked} segments shared, {:.2} GB copied", copied as f64 / 1e9))
    }

    /// Why no backup can be made that must copy, if so.
    fn cannot_copy(&self) -> Outcome<Option<String>> {
        let place = self.copy_to.display();
        let Ok(found) = fs::metadata(self.copy_to) else {
            return Ok(Some(format!("there is no {place}")));
        };
        if found.dev() == fs::metadata(self.dir)?.dev() {
            return Ok(Some(format!("{place} is on the file system of the database")));
        }
        let space = nix::sys::statvfs::statvfs(self.copy_to)?;
        let free = space.blocks_available().saturating_mul(space.fragment_size());
        let needed = self.store.figures().log_bytes * 5 / 4;
        Ok((free < needed).then(|| format!("{place} has no {:.1} GB free", needed as f64 / 1e9)))
    }
}

fn failed(to: &str, path: &Path, error: &dyn Error) -> lcnode_storage::Error {
    lcnode_storage::Error::Failed(format!("cannot {to} {}: {error}", path.display()))
}

/// Once at least, and until the time is up; how often.
fn again_and_again(time_is_up: &dyn Fn() -> bool, mut once: impl FnMut(u64) -> Result<()>) -> Result<u64> {
    let mut count = 0;
    loop {
        once(count)?;
        count += 1;
        if time_is_up() {
            return Ok(count);
        }
        thread::sleep(PAUSE);
    }
}

/// Puts records at a rate until the time is up; how many.
fn paced(
    store: &Store,
    rate: u32,
    mut number: impl FnMut(u64) -> u64,
    time_is_up: &dyn Fn() -> bool,
) -> Result<u64> {
    let mut record = Record::new();
    let began = Instant::now();
    let mut count = 0;
    while !time_is_up() {
        for _ in 0..BURST {
            record.set(number(count));
            store.put(record.key(), record.value())?;
            count += 1;
        }
        let due = Duration::from_secs_f64(count as f64 / f64::from(rate));
        thread::sleep(due.saturating_sub(began.elapsed()));
    }
    Ok(count)
}
