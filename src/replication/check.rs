//! The follower's side of a comparison: asks for the leader's digests, finds the ranges that differ, has them sent,
//! and deletes what the leader has forgotten it deleted.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use lcnode_protocol::peer::{Entries, FollowerFrame, Hashes, MAX_ENTRIES, RANGES};
use lcnode_storage::{Position, Store};

use super::digest::{Job, List, Outcome};
use super::status::Agrees;

/// Between comparisons, in microseconds.
const EVERY: u64 = 60_000_000;
/// Before the next look after something differed, in microseconds.
const AGAIN: u64 = 1_000_000;
/// A comparison that is not answered is asked for again after so long, in microseconds.
const PATIENCE: u64 = 600_000_000;
/// Ranges that are exchanged at once while records change on either side.
const BUSY_RANGES: usize = 64;
/// Hashes of records that are sent in one comparison.
const MAX_LISTED: u64 = 2 << 20;
/// Looks at what differs, on busy nodes, before it is exchanged.
const LOOKS: u32 = 3;

/// A comparison with one leader.
#[derive(Debug)]
pub struct Check {
    stage: Stage,
    /// When the next one begins, or this one is given up.
    due: u64,
    id: u64,
    /// Result of the last one.
    agrees: Agrees,
    /// Ranges that differed in each of the last looks.
    differing: Option<BTreeSet<u16>>,
    looks: u32,
    /// What the leader did not know.
    unknown: HashSet<u64>,
    /// Records that were taken over or deleted in this comparison.
    healed: usize,
    /// Whether something changed between the digests.
    is_busy: bool,
    /// Records appended here when the leader was asked.
    appended: u64,
    /// Deletions up to this time may have been forgotten by the leader.
    collected: u64,
    found: Found,
}

/// What all comparisons of a connection have found so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Found {
    /// Comparisons in which something differed.
    pub differences: u64,
    /// Records that were taken over or deleted for that.
    pub healed: u64,
}

#[derive(Debug)]
enum Stage {
    Idle,
    Asked,
    /// Until its log was applied to where the digests are from.
    Behind {
        end: Position,
        ranges: Vec<u64>,
    },
    /// While the digests here are made.
    Digesting {
        end: Position,
        ranges: Vec<u64>,
    },
    /// Before and while lists are made.
    Choosing(BTreeSet<u16>),
    Listing,
    /// Ranges whose answer has not come.
    Exchanging(BTreeSet<u16>),
    /// Before and while tombstones are made.
    Burying(bool),
}

/// What has come of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Healed {
    /// Records taken over or deleted.
    pub records: usize,
    /// Whether they should have been here: nothing was changing.
    pub is_alarming: bool,
}

impl Check {
    /// The first comparison comes as soon as the follower is in step.
    #[must_use]
    pub fn new() -> Self {
        Self {
            stage: Stage::Idle,
            due: 0,
            id: 0,
            agrees: Agrees::Unknown,
            differing: None,
            looks: 0,
            unknown: HashSet::new(),
            healed: 0,
            is_busy: false,
            appended: 0,
            collected: 0,
            found: Found::default(),
        }
    }

    /// Result of the last comparison.
    #[must_use]
    pub fn agrees(&self) -> Agrees {
        self.agrees
    }

    /// What all comparisons have found so far.
    #[must_use]
    pub fn found(&self) -> Found {
        self.found
    }

    /// Asks the leader when it is time.
    pub fn tick(&mut self, store: &Store, is_in_step: bool, out: &mut Vec<u8>) {
        let now = store.now();
        if now < self.due && self.due - now <= PATIENCE {
            return;
        }
        if !is_in_step
            || matches!(self.stage, Stage::Digesting { .. } | Stage::Listing | Stage::Burying(true))
        {
            return;
        }
        self.id += 1;
        self.unknown.clear();
        (self.healed, self.appended) = (0, store.appended());
        (self.stage, self.due) = (Stage::Asked, now + PATIENCE);
        FollowerFrame::AskDigest { id: self.id }.encode(out);
    }

    /// The leader's digests.
    pub fn digest(&mut self, id: u64, collected: u64, end: Position, ranges: Hashes<'_>) {
        if id == self.id && matches!(self.stage, Stage::Asked) && ranges.len() == usize::from(RANGES) {
            self.collected = collected;
            self.stage = Stage::Behind { end, ranges: ranges.iter().collect() };
        }
    }

    /// What is to be found out, now that the leader's log was applied up to `position`; `had` are servers, and the
    /// time up to which the leader had all changes that were made there.
    pub fn job(&mut self, position: Position, had: [(u16, u64); 2]) -> Option<Job> {
        match std::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Behind { end, ranges } if position >= end => {
                self.is_busy = position > end;
                self.stage = Stage::Digesting { end, ranges };
                Some(Job::Ranges(self.id))
            }
            Stage::Choosing(ranges) => {
                self.stage = Stage::Listing;
                Some(Job::Lists(ranges))
            }
            Stage::Burying(false) => {
                self.stage = Stage::Burying(true);
                let until = had.map(|(origin, ts)| (origin, ts.min(self.collected)));
                Some(Job::Bury(std::mem::take(&mut self.unknown), until))
            }
            other => {
                self.stage = other;
                None
            }
        }
    }

    /// Takes what a job found. Tombstones that are to be applied are given back.
    pub fn done(
        &mut self,
        store: &Store,
        position: Position,
        outcome: Outcome,
        out: &mut Vec<u8>,
    ) -> Vec<Vec<u8>> {
        match (std::mem::replace(&mut self.stage, Stage::Idle), outcome) {
            (Stage::Digesting { end, ranges }, Outcome::Ranges(_, _, own)) => {
                // Memos of the node itself, a few a second, are no changes.
                let appended = store.appended().saturating_sub(self.appended);
                self.is_busy |= position > end || appended > 16;
                let pairs = (0..RANGES).zip(ranges.iter().zip(&own));
                let differing = pairs.filter(|(_, (theirs, ours))| theirs != ours).map(|(range, _)| range);
                self.judge(store, differing.collect());
            }
            (Stage::Listing, Outcome::Lists(lists)) => self.send(lists, out),
            (Stage::Burying(_), Outcome::Bury(tombstones)) => return tombstones,
            (stage, _) => self.stage = stage,
        }
        Vec::new()
    }

    fn judge(&mut self, store: &Store, differing: BTreeSet<u16>) {
        if differing.is_empty() {
            (self.agrees, self.differing, self.looks) = (Agrees::Yes, None, 0);
            self.due = store.now() + EVERY;
            return;
        }
        self.agrees = if self.is_busy { Agrees::Unknown } else { Agrees::No };
        self.found.differences += 1;
        let common = match self.differing.take() {
            Some(before) => before.intersection(&differing).copied().collect(),
            None => differing,
        };
        self.looks += 1;
        if common.is_empty() || self.is_busy && self.looks < LOOKS {
            // What was under way the last time has come since.
            if common.is_empty() {
                self.looks = 0;
            } else {
                self.differing = Some(common);
            }
            self.due = store.now() + if self.looks == 0 { EVERY } else { AGAIN };
            return;
        }
        self.looks = 0;
        let a_range = store.records() / u64::from(RANGES) + 1;
        let most = usize::try_from(MAX_LISTED / a_range).unwrap_or(usize::MAX).max(1);
        let most = if self.is_busy { most.min(BUSY_RANGES) } else { most };
        self.stage = Stage::Choosing(common.into_iter().take(most).collect());
        self.due = store.now() + PATIENCE;
    }

    fn send(&mut self, lists: BTreeMap<u16, List>, out: &mut Vec<u8>) {
        self.stage = Stage::Exchanging(lists.keys().copied().collect());
        for (range, list) in lists {
            let mut chunks = list.chunks(MAX_ENTRIES).peekable();
            loop {
                let chunk = chunks.next().unwrap_or_default();
                let last = chunks.peek().is_none();
                let wire = Entries::to_wire(chunk);
                let entries = Entries::from_wire(&wire).unwrap_or_default();
                FollowerFrame::Compare { id: self.id, range, last, entries }.encode(out);
                if last {
                    break;
                }
            }
        }
    }

    /// Part of the leader's answer for a range; `news` of its records were taken over. At the end of the comparison
    /// says what came of it.
    pub fn compared(
        &mut self,
        store: &Store,
        id: u64,
        range: u16,
        last: bool,
        unknown: Hashes<'_>,
        news: usize,
    ) -> Option<Healed> {
        if id != self.id {
            return None;
        }
        let Stage::Exchanging(left) = &mut self.stage else { return None };
        self.healed += news;
        // The lists that were sent bound it.
        self.unknown.extend(unknown.iter());
        if last {
            left.remove(&range);
        }
        if !left.is_empty() {
            return None;
        }
        if !self.unknown.is_empty() && self.collected > 0 {
            self.stage = Stage::Burying(false);
            return None;
        }
        self.finish(store)
    }

    /// `count` records were deleted that the leader had forgotten it deleted.
    pub fn buried(&mut self, store: &Store, count: usize) -> Option<Healed> {
        self.healed += count;
        self.finish(store)
    }

    fn finish(&mut self, store: &Store) -> Option<Healed> {
        let records = std::mem::take(&mut self.healed);
        self.found.healed += records as u64;
        self.stage = Stage::Idle;
        // What only this node has the leader fetches itself, if it follows.
        self.due = store.now() + if records > 0 { AGAIN } else { EVERY };
        (records > 0).then_some(Healed { records, is_alarming: !self.is_busy })
    }
}

impl Default for Check {
    fn default() -> Self {
        Self::new()
    }
}
