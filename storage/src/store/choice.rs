//! Which segment compaction works on next, if any.

use std::sync::Arc;

use crate::log::address::MAX_SPAN;
use crate::log::segment::Segment;
use crate::store::pace::Ease;
use crate::store::{Hold, View};

/// How much of the log may be dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goal {
    /// While writers are busy: as much as is live, or a few segments. What is overwritten often is
    /// better left to die by itself than copied.
    Busy,
    /// Once they pause: a little less than is live.
    Idle,
    /// When asked to optimize: a twentieth of each segment older than this one.
    Tight(u64),
}

/// Dead bytes that are always allowed while writers are busy, in segments.
const SLACK: u64 = 4;
/// Bytes that rewriting a segment on a full disk should give back at least.
const LEAST_GAIN: u64 = 2048;

/// What is to be done next.
pub(crate) struct Choice<'a> {
    pub(crate) segment: &'a Arc<Segment>,
    pub(crate) ease: Ease,
}

/// What bears on the choice of a segment, beside the goal.
pub(crate) struct Limits {
    pub(crate) segment_size: u64,
    /// What may be appended where there is no space for another segment.
    pub(crate) room: Option<u64>,
    pub(crate) hold: Hold,
    /// Milliseconds since the Unix epoch.
    pub(crate) now: u64,
}

/// Whether the log spans so many segments that the numbers in addresses, which wrap, may run out.
pub(crate) fn spans_too_much(view: &View) -> bool {
    let (oldest, newest) = (view.segments.oldest(), view.segments.iter().next_back());
    let number = |segment: Option<&Arc<Segment>>| segment.map_or(0, |segment| segment.number());
    number(newest) - number(oldest) > MAX_SPAN / 2
}

/// The sealed segment to work on next, if the goal asks for any.
pub(crate) fn choose<'a>(view: &'a View, goal: Goal, bounds: &Limits) -> Option<Choice<'a>> {
    let Limits { segment_size, room, hold, now } = *bounds;
    let at_once = |segment| Choice { segment, ease: Ease::NONE };
    let end = if let Goal::Tight(end) = goal { end } else { u64::MAX };
    let oldest = view.segments.oldest()?.number();
    if spans_too_much(view) {
        // Whatever is held.
        return view.segments.iter().find(|segment| segment.is_sealed()).map(at_once);
    }
    // What is held counts for nothing here: it can't be helped.
    let sealed = || {
        let segments = view.segments.iter().filter(move |segment| !hold.keeps(segment));
        segments.filter(move |segment| segment.is_sealed() && segment.number() < end)
    };
    // Oldest first: a vanish must outlive the segments that it declared dead.
    if let Some(dead) = sealed().find(|segment| segment.is_dead()) {
        return Some(at_once(dead));
    }
    // Those in a segment that only begins before the limit are taken to be behind it.
    let collectable = |segment: &Segment| match segment.number() < hold.collect_before.segment {
        true => segment.tombstones(),
        false => 0,
    };
    let useful = |segment: &Segment| {
        let tombstones = if segment.number() == oldest { collectable(segment) } else { 0 };
        segment.live().saturating_sub(tombstones + segment.expired(now))
    };
    let (mut written, mut live, mut tombstones) = (0, 0, 0);
    for segment in sealed() {
        written += segment.written();
        live += useful(segment);
        tombstones += collectable(segment);
    }
    let dead = written.saturating_sub(live);
    let allowed = live.max(SLACK * segment_size);
    let ease = match (room, goal) {
        (Some(_), _) => Ease::NONE,
        (None, Goal::Tight(_)) => Ease::SOME,
        (None, Goal::Idle) => Ease::FULL,
        (None, Goal::Busy) => Ease::of(dead, allowed),
    };
    let is_due = |segment: &Segment| match (room, goal) {
        // On a full disk every gain counts.
        (Some(_), _) => useful(segment) + useful(segment) / 1024 + LEAST_GAIN < segment.written(),
        (None, Goal::Tight(_)) => useful(segment) * 100 < segment.written() * 95,
        (None, Goal::Busy) => dead > allowed,
        (None, Goal::Idle) => dead * 10 > live * 9,
    };
    // But what cannot be moved whole, and a manifest behind it, would only use up the last room.
    let manifest = 64 + 16 * view.segments.iter().count() as u64;
    let room = room.map_or(u64::MAX, |room| room.saturating_sub(manifest));
    let best = sealed()
        .filter(|segment| !segment.is_damaged() && is_due(segment) && useful(segment) <= room)
        .filter(|segment| useful(segment) < segment.written())
        .min_by_key(|segment| useful(segment) * 1000 / segment.written().max(1));
    // Tombstones behind a full oldest segment can go only once that one has moved on.
    let first = || {
        let first = sealed().next().filter(|first| !first.is_damaged() && useful(first) <= room);
        first.filter(|_| tombstones * 4 > live)
    };
    best.or_else(first).map(|segment| Choice { segment, ease })
}
