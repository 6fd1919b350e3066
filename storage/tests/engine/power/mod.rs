//! Power losses at every write, every sync and every other call of a mixed workload.
//!
//! A workload runs on a disk in memory that writes down all that happens to it (`work`, `tape`). From that
//! record images are made of what a power loss may leave after each event: each unsynced page kept, lost,
//! torn or as it was earlier, each call under way done, half done or not (`disk`). Each is opened, read and
//! held against the changes that were promised to last (`verdict`).
//!
//! The threads of a store never run twice the same way, so a seed repeats the workload but not the moments of
//! its syncs; everything after the record follows from it. An image that fails is kept as a directory, which
//! any store opens.
//!
//! `LCNODE_IMAGES` sets about how many images are made for each way of syncing (2000).

mod disk;
mod history;
mod tape;
mod verdict;
mod work;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lcnode_storage::SyncMode;
use lcnode_storage::examine::{self, Verdict};

use crate::random::{self, Random};
use crate::scene;
use disk::{Disk, Image, PATTERNS};
use history::History;
use tape::{Event, Tape};
use work::Record;

/// Images of a workload at most.
const IMAGES_EACH: u64 = 10_000;
/// One image in so many also loses power while it is opened.
const AGAIN: u64 = 8;
/// One image in so many is looked at by a check.
const EXAMINED: u64 = 20;

/// What was counted.
#[derive(Debug, Default)]
struct Figures {
    changes: AtomicUsize,
    events: AtomicUsize,
    /// Checkpoints written while the database was changed.
    checkpoints: AtomicUsize,
    /// Images that were checked as files, too.
    examined: AtomicU64,
    images: AtomicU64,
    /// Images of power losses during the recovery from another.
    again: AtomicU64,
    /// The most acknowledged changes that one image has lost. None of them was promised to last.
    longest_tail: AtomicUsize,
}

/// One image: where it was made, and how.
struct Case<'a> {
    test: &'a str,
    seed: u64,
    event: usize,
    attempt: u64,
}

impl Case<'_> {
    /// Fails the test, leaving the image where it can be looked at.
    fn fail(&self, image: &Image, events: &[Event], why: &str) -> ! {
        let folder = keep(image);
        let from = self.event.saturating_sub(12);
        let last: Vec<String> =
            (from..=self.event).map(|at| format!("  {at}: {}", brief(&events[at]))).collect();
        panic!(
            "{}, workload {}, after event {}, image {} ({:?}): {why}\nit is kept as {}\nevents:\n{}",
            self.test,
            self.seed,
            self.event,
            self.attempt,
            PATTERNS[self.attempt as usize % PATTERNS.len()],
            folder.display(),
            last.join("\n")
        )
    }
}

fn brief(event: &Event) -> String {
    match event {
        Event::Written { file, at, bytes } => format!("{} bytes written into {file} at {at}", bytes.len()),
        Event::Begun { file, call: tape::Call::WriteWhole { bytes } } => {
            format!("{file} is written whole, {} bytes", bytes.len())
        }
        event => format!("{event:?}"),
    }
}

/// Writes an image out as a database directory.
fn keep(image: &Image) -> PathBuf {
    let folder = tempfile::Builder::new().prefix("lcnode-image-").tempdir().unwrap().keep();
    write_files(image, &folder);
    folder
}

fn write_files(image: &Image, folder: &Path) {
    for name in ["log", "index"] {
        std::fs::create_dir(folder.join(name)).unwrap();
    }
    for (name, bytes) in image {
        std::fs::write(folder.join(&**name), bytes).unwrap();
    }
}

/// Makes and checks the images of one workload, on all cores.
fn examine(test: &str, record: &Record, seed: u64, images: u64, figures: &Figures) {
    let points = points(&record.events);
    let each = images.div_ceil(points).max(1);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || {
                let mut disk = Disk::default();
                for (number, event) in record.events.iter().enumerate() {
                    disk.take(number, event);
                    if number % threads != thread || matches!(event, Event::Changing) {
                        continue;
                    }
                    let count = if disk.is_uncertain() { each } else { 1 };
                    for attempt in 0..count {
                        // Each point begins with another pattern.
                        let attempt = attempt + (number / threads) as u64 % PATTERNS.len() as u64;
                        let case = Case { test, seed, event: number, attempt };
                        one(&case, &disk, record, figures);
                    }
                }
            });
        }
    });
    figures.changes.fetch_add(record.history.len(), Ordering::Relaxed);
    figures.events.fetch_add(record.events.len(), Ordering::Relaxed);
    figures.checkpoints.fetch_add(record.checkpoints, Ordering::Relaxed);
}

/// Moments of a record at which more than one image is possible.
fn points(events: &[Event]) -> u64 {
    let mut disk = Disk::default();
    let mut points = 0;
    for (number, event) in events.iter().enumerate() {
        disk.take(number, event);
        points += u64::from(disk.is_uncertain() && !matches!(event, Event::Changing));
    }
    points.max(1)
}

fn one(case: &Case<'_>, disk: &Disk, record: &Record, figures: &Figures) {
    let mut random = Random::new(case.seed ^ (case.event as u64) << 20 ^ case.attempt);
    let pattern = PATTERNS[case.attempt as usize % PATTERNS.len()];
    let image = disk.lose_power(pattern, &mut random);
    let again = random.below(AGAIN) == 0;
    let examined = random.below(EXAMINED) == 0;
    let checked = catch_unwind(AssertUnwindSafe(|| {
        let moments = disk.durable..=disk.changes;
        let moment = verdict::check(&image, &record.history, moments, &mut random)?;
        // Before there is a database nothing can be said of one.
        if examined && image.contains_key("meta") {
            examine_files(&image)?;
            figures.examined.fetch_add(1, Ordering::Relaxed);
        }
        if again {
            lose_power_again(&image, &mut random, figures)?;
        }
        Ok::<usize, String>(moment)
    }));
    match checked {
        Ok(Ok(moment)) => {
            figures.images.fetch_add(1, Ordering::Relaxed);
            // The change under way was not acknowledged.
            let lost = (disk.changes - moment).saturating_sub(1);
            figures.longest_tail.fetch_max(lost, Ordering::Relaxed);
        }
        Ok(Err(why)) => case.fail(&image, &record.events, &why),
        Err(_) => case.fail(&image, &record.events, "a panic, see above"),
    }
}

/// A check of the files of an image, which opens, finds nothing that is damaged.
fn examine_files(image: &Image) -> Result<(), String> {
    let folder = scene::quick_folder();
    write_files(image, folder.path());
    match examine::check(folder.path(), &mut |_| ()) {
        Ok(report) if matches!(report.verdict(), Verdict::Sound | Verdict::Mended) => Ok(()),
        Ok(report) => Err(format!("a check calls it damaged: {report:#?}")),
        Err(error) => Err(format!("a check fails: {error}")),
    }
}

/// Opens an image with the disk writing down what recovery does; power losses within that lose nothing.
fn lose_power_again(image: &Image, random: &mut Random, figures: &Figures) -> Result<(), String> {
    let tape = Tape::recording(image, Random::new(random.next()));
    let store = verdict::open(&tape)?;
    let history = History::new(verdict::contents(&store)?);
    let events = tape.events();
    drop(store);
    let mut disk = Disk::of(image);
    for (number, event) in events.iter().enumerate() {
        disk.take(number, event);
        let pattern = PATTERNS[random.below(PATTERNS.len() as u64) as usize];
        let image = disk.lose_power(pattern, random);
        let checked = verdict::check(&image, &history, 0..=0, random);
        if let Err(why) = checked {
            let kept = keep(&image);
            return Err(format!("{why}; after {} of recovery, kept as {}", brief(event), kept.display()));
        }
        figures.again.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

fn survive(test: &str, sync: SyncMode) {
    let mut random = random::seeded(test);
    let wanted = random::variable("LCNODE_IMAGES").unwrap_or(2_000).max(1);
    let started = Instant::now();
    let figures = Figures::default();
    let mut left = wanted;
    while left > 0 {
        let images = left.min(IMAGES_EACH);
        let seed = random.next();
        let changes = (images / 8).clamp(50, 700) as usize;
        let record = work::record(sync, changes, Random::new(seed));
        let before = figures.images.load(Ordering::Relaxed);
        examine(test, &record, seed, images, &figures);
        assert!(figures.images.load(Ordering::Relaxed) > before, "no image was made");
        left -= images;
    }
    assert!(sync != SyncMode::Always || figures.longest_tail.load(Ordering::Relaxed) == 0, "{figures:?}");
    assert!(wanted < 1_000 || figures.examined.load(Ordering::Relaxed) > 0, "{figures:?}");
    eprintln!("{test}: {figures:?} in {:.1} s, nothing lost", started.elapsed().as_secs_f64());
}

#[test]
fn power_lost_anywhere_under_sync_always() {
    survive("power_lost_anywhere_under_sync_always", SyncMode::Always);
}

#[test]
fn power_lost_anywhere_with_syncs_now_and_then() {
    survive("power_lost_anywhere_with_syncs_now_and_then", SyncMode::Never);
}

#[test]
fn power_lost_anywhere_with_a_sync_every_millisecond() {
    survive("power_lost_anywhere_with_a_sync_every_millisecond", SyncMode::Every(Duration::from_millis(1)));
}

/// The test sees what it is there to see: a promise that is not kept.
#[test]
fn a_promise_that_is_not_kept_is_noticed() {
    let record = work::record(SyncMode::Never, 60, Random::new(7));
    let mut disk = Disk::default();
    let mut noticed = 0;
    // Each change is promised as soon as it is made, before the disk was asked for anything.
    for (number, event) in record.events.iter().enumerate() {
        disk.take(number, event);
        let premature = disk.changes.saturating_sub(1);
        let image = disk.lose_power(disk::Pattern::AllLost, &mut Random::new(1));
        let moments = premature.max(disk.durable)..=disk.changes;
        noticed +=
            usize::from(verdict::check(&image, &record.history, moments, &mut Random::new(1)).is_err());
    }
    assert!(noticed > 5, "{noticed}");
}
