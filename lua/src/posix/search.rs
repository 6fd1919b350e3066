//! Finds the leftmost of the longest matches, with a look at the meter now and then.
//!
//! A match begins where the leftmost match begins, wherever that ends: an automaton that runs from the
//! left says where one ends, one that runs back from there where it begins. The longest match from there on is
//! what a third one finds, which prefers nothing.

use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, Config, DFA};
use regex_automata::nfa::thompson::pikevm::PikeVM;
use regex_automata::nfa::thompson::{Compiler, Config as NfaConfig, NFA, WhichCaptures};
use regex_automata::util::primitives::NonMaxUsize;
use regex_automata::{Anchored, Input, MatchKind};
use regex_syntax::hir::Hir;

use super::MAX_AUTOMATON;
use crate::meter::{LimitReached, Meter};

/// Bytes of automata states that are kept; they are made again after that.
const CACHE: usize = 1 << 20;
/// Steps that may pass uncounted.
const UNCOUNTED: usize = 1 << 16;

/// What finding groups may take, as nothing ends it before: a second or two.
const MAX_STEPS: usize = 1 << 26;

/// The automata of an expression.
#[derive(Debug)]
pub(super) struct Searcher {
    ends: DFA,
    starts: DFA,
    longest: DFA,
    groups: PikeVM,
    /// States of the automaton: the steps that making one state of those above takes.
    size: usize,
}

/// Room for the states of a [`Searcher`].
pub(super) struct Scratch {
    ends: Cache,
    starts: Cache,
    longest: Cache,
}

/// Where groups begin and end: two places for each, the whole match first.
pub(super) type Groups = Vec<Option<NonMaxUsize>>;

impl Searcher {
    /// None where it gets too large.
    pub(super) fn new(hir: &Hir) -> Option<Self> {
        let nfa = |reverse: bool, captures: WhichCaptures| -> Option<NFA> {
            let config = NfaConfig::new()
                .utf8(false)
                .reverse(reverse)
                .which_captures(captures)
                .nfa_size_limit(Some(MAX_AUTOMATON));
            Compiler::new().configure(config).build_from_hir(hir).ok()
        };
        let dfa = |nfa: NFA, kind: MatchKind| {
            let config = Config::new().match_kind(kind).cache_capacity(CACHE).skip_cache_capacity_check(true);
            DFA::builder().configure(config).build_from_nfa(nfa).ok()
        };
        let forward = nfa(false, WhichCaptures::None)?;
        let size = forward.states().len();
        let with_groups = nfa(false, WhichCaptures::All)?;
        Some(Self {
            ends: dfa(forward.clone(), MatchKind::LeftmostFirst)?,
            starts: dfa(nfa(true, WhichCaptures::None)?, MatchKind::All)?,
            longest: dfa(forward, MatchKind::All)?,
            groups: PikeVM::builder()
                .configure(PikeVM::config().match_kind(MatchKind::All))
                .build_from_nfa(with_groups)
                .ok()?,
            size,
        })
    }

    /// States of the automaton.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    pub(super) fn scratch(&self) -> Scratch {
        Scratch {
            ends: self.ends.create_cache(),
            starts: self.starts.create_cache(),
            longest: self.longest.create_cache(),
        }
    }

    pub(super) fn is_match(&self, text: &[u8], meter: &dyn Meter) -> Result<bool, LimitReached> {
        let input = Input::new(text).earliest(true);
        Ok(self.forward(&self.ends, &mut self.ends.create_cache(), &input, meter)?.is_some())
    }

    /// Where the leftmost longest match begins and ends.
    pub(super) fn find(
        &self,
        scratch: &mut Scratch,
        text: &[u8],
        meter: &dyn Meter,
    ) -> Result<Option<(usize, usize)>, LimitReached> {
        let Some(end) = self.forward(&self.ends, &mut scratch.ends, &Input::new(text), meter)? else {
            return Ok(None);
        };
        let input = Input::new(text).range(..end).anchored(Anchored::Yes);
        let Some(start) = self.backward(&mut scratch.starts, &input, meter)? else { return Ok(None) };
        let input = Input::new(text).range(start..).anchored(Anchored::Yes);
        let end = self.forward(&self.longest, &mut scratch.longest, &input, meter)?;
        Ok(end.map(|end| (start, end)))
    }

    /// The groups of the match that begins and ends there; none where that takes more than [`MAX_STEPS`].
    pub(super) fn groups(
        &self,
        text: &[u8],
        (start, end): (usize, usize),
        meter: &dyn Meter,
    ) -> Result<Option<Groups>, LimitReached> {
        // Each step visits all states at most.
        let steps = (end - start + 1).saturating_mul(self.size);
        if steps > MAX_STEPS {
            return Ok(None);
        }
        let mut slots = vec![None; self.groups.get_nfa().group_info().slot_len()];
        let input = Input::new(text).range(start..end).anchored(Anchored::Yes);
        self.groups.search_slots(&mut self.groups.create_cache(), &input, &mut slots);
        meter.work(u64::try_from(steps).unwrap_or(u64::MAX).saturating_mul(5))?;
        Ok(Some(slots))
    }

    /// The end of a match: the last that the automaton tells of, or the first for an `earliest` input.
    fn forward(
        &self,
        dfa: &DFA,
        cache: &mut Cache,
        input: &Input<'_>,
        meter: &dyn Meter,
    ) -> Result<Option<usize>, LimitReached> {
        let Ok(mut state) = dfa.start_state_forward(cache, input) else { return Ok(None) };
        let mut found = None;
        let mut pace = Pace::new(meter, self.size, cache);
        let bytes = input.haystack().iter().enumerate().take(input.end()).skip(input.start());
        for (at, byte) in bytes {
            pace.byte(cache)?;
            match step(dfa, cache, state, *byte) {
                Some(next) => state = next,
                None => return pace.count(cache).map(|()| found),
            }
            // A match is told one byte late.
            if state.is_match() {
                found = Some(at);
                if input.get_earliest() {
                    return pace.count(cache).map(|()| found);
                }
            }
        }
        pace.count(cache)?;
        match dfa.next_eoi_state(cache, state) {
            Ok(last) if last.is_match() => Ok(Some(input.end())),
            _ => Ok(found),
        }
    }

    /// The leftmost start of a match that ends where the input does.
    fn backward(
        &self,
        cache: &mut Cache,
        input: &Input<'_>,
        meter: &dyn Meter,
    ) -> Result<Option<usize>, LimitReached> {
        let dfa = &self.starts;
        let Ok(mut state) = dfa.start_state_reverse(cache, input) else { return Ok(None) };
        let mut found = None;
        let mut pace = Pace::new(meter, self.size, cache);
        for at in (input.start()..input.end()).rev() {
            pace.byte(cache)?;
            match step(dfa, cache, state, input.haystack()[at]) {
                Some(next) => state = next,
                None => return pace.count(cache).map(|()| found),
            }
            if state.is_match() {
                found = Some(at + 1);
            }
        }
        match dfa.next_eoi_state(cache, state) {
            Ok(last) if last.is_match() => Ok(Some(input.start())),
            _ => Ok(found),
        }
    }
}

/// Counts bytes: each is one step, or as many as the automaton has states where a set of them is new.
struct Pace<'m> {
    meter: &'m dyn Meter,
    size: usize,
    /// Bytes since the last count, and at which there is one.
    read: usize,
    every: usize,
    /// What the known sets of states took then.
    known: usize,
}

impl<'m> Pace<'m> {
    fn new(meter: &'m dyn Meter, size: usize, cache: &Cache) -> Self {
        let every = (UNCOUNTED / size.max(1)).clamp(1, 4096);
        Self { meter, size, read: 0, every, known: cache.memory_usage() }
    }

    #[inline]
    fn byte(&mut self, cache: &Cache) -> Result<(), LimitReached> {
        self.read += 1;
        if self.read < self.every { Ok(()) } else { self.count(cache) }
    }

    fn count(&mut self, cache: &Cache) -> Result<(), LimitReached> {
        let known = cache.memory_usage();
        let steps =
            if known == self.known { self.read + 10 } else { self.read.saturating_mul(5 * self.size) };
        (self.read, self.known) = (0, known);
        self.meter.work(u64::try_from(steps).unwrap_or(u64::MAX))
    }
}

/// None from where nothing more matches.
fn step(dfa: &DFA, cache: &mut Cache, state: LazyStateID, byte: u8) -> Option<LazyStateID> {
    dfa.next_state(cache, state, byte).ok().filter(|next| !next.is_dead() && !next.is_quit())
}
