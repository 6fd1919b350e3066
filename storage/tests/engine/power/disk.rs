//! What a disk holds for certain after an event, and what a power loss then may leave of the rest.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::power::tape::{Call, Event, Name};
use crate::random::Random;

const PAGE: usize = 4096;
const SECTOR: usize = 512;

/// The files of a disk and their bytes.
pub type Image = BTreeMap<Name, Vec<u8>>;

/// Bytes that were written and are not durable.
#[derive(Debug, Clone)]
struct Write {
    /// The event that it was.
    event: usize,
    at: usize,
    bytes: Arc<[u8]>,
}

impl Write {
    fn end(&self) -> usize {
        self.at + self.bytes.len()
    }

    /// The part of it that lies within a range.
    fn within(&self, range: &Range<usize>) -> Option<Self> {
        let (from, to) = (self.at.max(range.start), self.end().min(range.end));
        (from < to).then(|| Self {
            event: self.event,
            at: from,
            bytes: self.bytes[from - self.at..to - self.at].into(),
        })
    }
}

#[derive(Debug, Clone, Default)]
struct OnDisk {
    durable: Vec<u8>,
    /// In the order they were made.
    unsynced: Vec<Write>,
}

fn copy(to: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(to) = to.get_mut(at..at + bytes.len()) {
        to.copy_from_slice(bytes);
    }
}

impl OnDisk {
    /// What was written into a range before an event is durable.
    fn settle(&mut self, before: usize, range: Range<usize>) {
        for write in std::mem::take(&mut self.unsynced) {
            if write.event > before {
                self.unsynced.push(write);
                continue;
            }
            if let Some(inside) = write.within(&range) {
                copy(&mut self.durable, inside.at, &inside.bytes);
            }
            self.unsynced.extend(write.within(&(0..range.start)));
            self.unsynced.extend(write.within(&(range.end..usize::MAX)));
        }
    }

    fn cut(&mut self, len: usize) {
        self.durable.truncate(len);
        self.unsynced = self.unsynced.iter().filter_map(|write| write.within(&(0..len))).collect();
    }

    fn pages(&self) -> Vec<usize> {
        let pages = |write: &Write| write.at / PAGE..write.end().div_ceil(PAGE);
        let mut pages: Vec<usize> = self.unsynced.iter().flat_map(pages).collect();
        pages.sort_unstable();
        pages.dedup();
        pages
    }

    /// The file with each unsynced page as fate has it.
    fn fated(&self, mut fate: impl FnMut(usize) -> Fate) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        for page in self.pages() {
            let fate = fate(page);
            for sector in 0..PAGE / SECTOR {
                let start = page * PAGE + sector * SECTOR;
                let written = |write: &&Write| match fate {
                    Fate::Kept => true,
                    Fate::Lost => false,
                    Fate::Torn(sectors) => sectors >> sector & 1 == 1,
                    Fate::AsOf(event) => write.event <= event,
                };
                for write in self.unsynced.iter().filter(written) {
                    if let Some(part) = write.within(&(start..start + SECTOR)) {
                        copy(&mut bytes, part.at, &part.bytes);
                    }
                }
            }
        }
        bytes
    }
}

/// What becomes of an unsynced page.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Kept,
    Lost,
    /// Of its eight sectors those are kept whose bit is set.
    Torn(u8),
    /// It reached the disk after this event, and not again.
    AsOf(usize),
}

/// Which unsynced pages are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    AllKept,
    AllLost,
    OnlyLastKept,
    OnlyFirstLost,
    OneLost,
    OneKept,
    /// Files are kept or lost whole.
    ByFile,
    /// One in eight, a half, seven in eight; torn and older pages among them.
    Random(u64),
}

/// In the order in which they are tried.
pub const PATTERNS: [Pattern; 10] = [
    Pattern::Random(4),
    Pattern::AllLost,
    Pattern::OnlyFirstLost,
    Pattern::Random(1),
    Pattern::OnlyLastKept,
    Pattern::AllKept,
    Pattern::Random(7),
    Pattern::OneLost,
    Pattern::ByFile,
    Pattern::OneKept,
];

/// A disk as of an event.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    files: BTreeMap<Name, OnDisk>,
    /// Calls that began and have not returned, by the event with which they began.
    running: BTreeMap<usize, (Name, Call)>,
    /// Changes that began.
    pub changes: usize,
    /// Of them, those that are promised to last.
    pub durable: usize,
    /// The last event.
    event: usize,
}

impl Disk {
    /// A disk that holds an image for certain.
    pub fn of(image: &Image) -> Self {
        let file = |(name, bytes): (&Name, &Vec<u8>)| {
            (name.clone(), OnDisk { durable: bytes.clone(), unsynced: Vec::new() })
        };
        Self { files: image.iter().map(file).collect(), ..Self::default() }
    }

    /// Goes on to the next event.
    pub fn take(&mut self, number: usize, event: &Event) {
        self.event = number;
        match event {
            Event::Written { file, at, bytes } => {
                let write = Write { event: number, at: *at, bytes: bytes.clone() };
                self.files.entry(file.clone()).or_default().unsynced.push(write);
            }
            Event::Begun { file, call } => _ = self.running.insert(number, (file.clone(), call.clone())),
            Event::Done { begun } => {
                if let Some((file, call)) = self.running.remove(begun) {
                    self.finish(*begun, file, call);
                }
            }
            Event::Changing => self.changes += 1,
            Event::Durable(changes) => self.durable = *changes,
        }
    }

    fn finish(&mut self, begun: usize, name: Name, call: Call) {
        match call {
            Call::Create { capacity } => {
                self.files.insert(name, OnDisk { durable: vec![0; capacity], unsynced: Vec::new() });
            }
            Call::WriteWhole { bytes } => {
                self.files.insert(name, OnDisk { durable: bytes.to_vec(), unsynced: Vec::new() });
            }
            Call::Remove => _ = self.files.remove(&name),
            Call::Sync { from, to } => {
                if let Some(file) = self.files.get_mut(&name) {
                    file.settle(begun, from..to);
                }
            }
            Call::Cut { len } => {
                if let Some(file) = self.files.get_mut(&name) {
                    file.settle(begun, 0..len);
                    file.cut(len);
                }
            }
            Call::Wipe { from, to } => {
                if let Some(file) = self.files.get_mut(&name) {
                    file.settle(begun, 0..usize::MAX);
                    file.durable[from..to].fill(0);
                }
            }
        }
    }

    /// Whether a power loss now can leave more than one image.
    pub fn is_uncertain(&self) -> bool {
        !self.running.is_empty() || self.files.values().any(|file| !file.unsynced.is_empty())
    }

    /// What a power loss now leaves, by a pattern and by chance.
    pub fn lose_power(&self, pattern: Pattern, random: &mut Random) -> Image {
        let pages: Vec<(&Name, usize)> = self
            .files
            .iter()
            .flat_map(|(name, file)| file.pages().into_iter().map(move |page| (name, page)))
            .collect();
        let chosen = pages.get(random.below(pages.len().max(1) as u64) as usize).copied();
        let chosen = match pattern {
            Pattern::OnlyLastKept => pages.last().copied(),
            Pattern::OnlyFirstLost => pages.first().copied(),
            _ => chosen,
        };
        let mut image = Image::new();
        for (name, file) in &self.files {
            let whole = random.below(2) == 0;
            let bytes = file.fated(|page| {
                let is_chosen = chosen == Some((name, page));
                let kept = match pattern {
                    Pattern::AllKept => true,
                    Pattern::AllLost => false,
                    Pattern::OnlyLastKept | Pattern::OneKept => is_chosen,
                    Pattern::OnlyFirstLost | Pattern::OneLost => !is_chosen,
                    Pattern::ByFile => whole,
                    Pattern::Random(eighths) => match random.below(4) {
                        0 => return Fate::Torn(random.next() as u8),
                        1 => return Fate::AsOf(self.event.saturating_sub(random.below(60) as usize)),
                        _ => random.below(8) < eighths,
                    },
                };
                if kept { Fate::Kept } else { Fate::Lost }
            });
            image.insert(name.clone(), bytes);
        }
        for (name, call) in self.running.values() {
            half_do(&mut image, name, call, random);
        }
        image
    }
}

/// A call that did not return may have happened, or not, or in part.
fn half_do(image: &mut Image, name: &Name, call: &Call, random: &mut Random) {
    match call {
        // Its pages are unsynced, which says it all.
        Call::Sync { .. } => {}
        Call::Create { capacity } => match random.below(4) {
            0 => {}
            1 => _ = image.remove(name),
            2 => _ = image.insert(name.clone(), Vec::new()),
            _ => _ = image.insert(name.clone(), vec![0; *capacity]),
        },
        Call::Remove => {
            if random.below(2) == 0 {
                image.remove(name);
            }
        }
        Call::Cut { len } => {
            if let (0, Some(bytes)) = (random.below(2), image.get_mut(name)) {
                bytes.truncate(*len);
            }
        }
        Call::Wipe { from, to } => {
            let Some(bytes) = image.get_mut(name) else { return };
            for sector in (from / SECTOR * SECTOR..*to).step_by(SECTOR) {
                if random.below(2) == 0 {
                    bytes[sector.max(*from)..(sector + SECTOR).min(*to)].fill(0);
                }
            }
        }
        Call::WriteWhole { bytes } => {
            let unfinished: Name = format!("{name}.tmp").into();
            match random.below(4) {
                0 => {}
                1 => {
                    let len = random.below(bytes.len() as u64 + 1) as usize;
                    image.insert(unfinished, bytes[..len].to_vec());
                }
                2 => {
                    let mut torn = bytes.to_vec();
                    torn.chunks_mut(PAGE).filter(|_| random.below(2) == 0).for_each(|page| page.fill(0));
                    image.insert(unfinished, torn);
                }
                _ => _ = image.insert(name.clone(), bytes.to_vec()),
            }
        }
    }
}
