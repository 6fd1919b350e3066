//! Trying a pattern at places of a subject.

use std::ops::Range;

use super::class::{Class, Set};
use super::{MAX_CAPTURES, MAX_DEPTH, PatternError, until_nul};
use crate::meter::{LimitReached, Meter};

/// Nanoseconds of work between two reports of it.
const REPORT: u64 = 10_000;

/// What a capture holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Captured {
    /// Bytes of the subject.
    Text(Range<usize>),
    /// `()`: where it stands, from 0.
    Position(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Closed { end: usize },
    Position,
}

#[derive(Debug, Clone, Copy)]
struct Capture {
    start: usize,
    state: State,
}

/// How often a class may match.
#[derive(Debug, Clone, Copy)]
enum Repeat {
    Once,
    Optional,
    Most { least: usize },
    Fewest,
}

/// One item of a pattern.
enum Item<'p> {
    End,
    EndOfSubject,
    Open(State),
    Close,
    Balance(u8, u8),
    Frontier(Set<'p>),
    Back(u8),
    Class(Class<'p>, Repeat),
}

/// A pattern being tried on a subject.
pub(crate) struct Matcher<'a> {
    subject: &'a [u8],
    pattern: &'a [u8],
    meter: &'a dyn Meter,
    captures: [Capture; MAX_CAPTURES],
    used: usize,
    depth: usize,
    unreported: u64,
}

type Attempt = Result<Option<usize>, PatternError>;

impl<'a> Matcher<'a> {
    /// `pattern` is without its anchor, see [`super::split_anchor`].
    pub(crate) fn new(subject: &'a [u8], pattern: &'a [u8], meter: &'a dyn Meter) -> Self {
        Self {
            subject,
            pattern: until_nul(pattern),
            meter,
            captures: [Capture { start: 0, state: State::Position }; MAX_CAPTURES],
            used: 0,
            depth: 0,
            unreported: 0,
        }
    }

    /// The first match that begins at `from` or, unless `anchored`, after it. None for a `from` beyond the subject.
    pub(crate) fn find(&mut self, from: usize, anchored: bool) -> Result<Option<Range<usize>>, PatternError> {
        let last = if anchored { from.min(self.subject.len()) } else { self.subject.len() };
        let mut found = None;
        for start in from..=last {
            self.used = 0;
            self.depth = 0;
            self.count(8)?;
            if let Some(end) = self.attempt(start, 0)? {
                found = Some(start..end);
                break;
            }
        }
        self.report()?;
        Ok(found)
    }

    /// How many captures the match has that was found last.
    pub(crate) fn captures(&self) -> usize {
        self.used
    }

    /// A capture, from 0, of the match that was found last; the first is the whole match where there are none.
    pub(crate) fn capture(&self, index: usize, whole: &Range<usize>) -> Result<Captured, PatternError> {
        match self.captures[..self.used].get(index) {
            None if index == 0 => Ok(Captured::Text(whole.clone())),
            None => Err(PatternError::NoSuchCapture),
            Some(Capture { start, state }) => match *state {
                State::Open => Err(PatternError::UnfinishedCapture),
                State::Closed { end } => Ok(Captured::Text(*start..end)),
                State::Position => Ok(Captured::Position(*start)),
            },
        }
    }

    fn count(&mut self, steps: u64) -> Result<(), LimitReached> {
        self.unreported += steps;
        if self.unreported < REPORT { Ok(()) } else { self.report() }
    }

    fn report(&mut self) -> Result<(), LimitReached> {
        self.meter.work(std::mem::take(&mut self.unreported))
    }

    /// Where the pattern from `item` on ends in the subject if it matches at `at`.
    fn attempt(&mut self, at: usize, item: usize) -> Attempt {
        if self.depth >= MAX_DEPTH {
            return Err(PatternError::TooComplex);
        }
        self.depth += 1;
        let end = self.attempt_items(at, item);
        self.depth -= 1;
        end
    }

    fn attempt_items(&mut self, mut at: usize, mut next: usize) -> Attempt {
        loop {
            let (item, rest) = Item::read(self.pattern, next)?;
            let matched = match item {
                Item::End => return Ok(Some(at)),
                Item::EndOfSubject => (at == self.subject.len()).then_some(at),
                Item::Open(state) => return self.open(state, at, rest),
                Item::Close => return self.close(at, rest),
                Item::Balance(open, close) => self.balance(at, open, close)?,
                Item::Frontier(set) => self.frontier(at, &set)?.then_some(at),
                Item::Back(digit) => self.back(at, digit)?,
                Item::Class(class, repeat) => {
                    self.count(class.cost())?;
                    let here = self.subject.get(at).is_some_and(|byte| class.contains(*byte));
                    match repeat {
                        Repeat::Once => here.then_some(at + 1),
                        Repeat::Optional => {
                            if here && let Some(end) = self.attempt(at + 1, rest)? {
                                return Ok(Some(end));
                            }
                            Some(at)
                        }
                        Repeat::Most { least } => return self.most(&class, least, at, rest),
                        Repeat::Fewest => return self.fewest(&class, at, rest),
                    }
                }
            };
            match matched {
                Some(end) => (at, next) = (end, rest),
                None => return Ok(None),
            }
        }
    }

    /// As many of a class as there are, then fewer and fewer until the rest matches too.
    fn most(&mut self, class: &Class<'_>, least: usize, at: usize, rest: usize) -> Attempt {
        let mut end = at;
        while self.subject.get(end).is_some_and(|byte| class.contains(*byte)) {
            self.count(class.cost())?;
            end += 1;
        }
        while end >= at + least {
            if let Some(found) = self.attempt(end, rest)? {
                return Ok(Some(found));
            }
            self.count(4)?;
            let Some(fewer) = end.checked_sub(1) else { break };
            end = fewer;
        }
        Ok(None)
    }

    /// As few of a class as let the rest match too.
    fn fewest(&mut self, class: &Class<'_>, mut at: usize, rest: usize) -> Attempt {
        loop {
            if let Some(found) = self.attempt(at, rest)? {
                return Ok(Some(found));
            }
            self.count(class.cost())?;
            if !self.subject.get(at).is_some_and(|byte| class.contains(*byte)) {
                return Ok(None);
            }
            at += 1;
        }
    }

    fn open(&mut self, state: State, at: usize, rest: usize) -> Attempt {
        let capture = self.captures.get_mut(self.used).ok_or(PatternError::TooManyCaptures)?;
        *capture = Capture { start: at, state };
        self.used += 1;
        let end = self.attempt(at, rest)?;
        if end.is_none() {
            self.used -= 1;
        }
        Ok(end)
    }

    fn close(&mut self, at: usize, rest: usize) -> Attempt {
        let open = self.captures[..self.used].iter().rposition(|capture| capture.state == State::Open);
        let open = open.ok_or(PatternError::NothingToClose)?;
        self.captures[open].state = State::Closed { end: at };
        let end = self.attempt(at, rest)?;
        if end.is_none() {
            self.captures[open].state = State::Open;
        }
        Ok(end)
    }

    fn balance(&mut self, at: usize, open: u8, close: u8) -> Result<Option<usize>, PatternError> {
        if self.subject.get(at) != Some(&open) {
            return Ok(None);
        }
        let mut depth = 1_usize;
        for (offset, byte) in self.subject[at + 1..].iter().enumerate() {
            if *byte == close {
                depth -= 1;
                if depth == 0 {
                    self.count(offset as u64)?;
                    return Ok(Some(at + offset + 2));
                }
            } else if *byte == open {
                depth += 1;
            }
        }
        self.count((self.subject.len() - at) as u64)?;
        Ok(None)
    }

    /// Whether a run of the set's bytes begins here. Outside of the subject there are NULs.
    fn frontier(&mut self, at: usize, set: &Set<'_>) -> Result<bool, PatternError> {
        self.count(2 * Class::Set(*set).cost())?;
        let byte = |index: Option<usize>| index.and_then(|index| self.subject.get(index)).copied();
        let before = byte(at.checked_sub(1)).unwrap_or(0);
        Ok(!set.contains(before) && set.contains(byte(Some(at)).unwrap_or(0)))
    }

    /// The same bytes again that a capture holds. A position is matched by nothing.
    fn back(&mut self, at: usize, digit: u8) -> Result<Option<usize>, PatternError> {
        let index = usize::from(digit).checked_sub(usize::from(b'1')).ok_or(PatternError::NoSuchCapture)?;
        let capture = self.captures[..self.used].get(index).ok_or(PatternError::NoSuchCapture)?;
        let end = match capture.state {
            State::Open => return Err(PatternError::NoSuchCapture),
            State::Position => return Ok(None),
            State::Closed { end } => end,
        };
        let text = &self.subject[capture.start..end];
        self.count(4 + text.len() as u64 / 8)?;
        Ok(self.subject[at..].starts_with(text).then_some(at + text.len()))
    }
}

impl<'p> Item<'p> {
    /// The item at `at`, and where the next one is.
    fn read(pattern: &'p [u8], at: usize) -> Result<(Self, usize), PatternError> {
        let rest = pattern.get(at..).unwrap_or_default();
        match rest {
            [] => Ok((Self::End, at)),
            [b'(', b')', ..] => Ok((Self::Open(State::Position), at + 2)),
            [b'(', ..] => Ok((Self::Open(State::Open), at + 1)),
            [b')', ..] => Ok((Self::Close, at + 1)),
            [b'$'] => Ok((Self::EndOfSubject, at + 1)),
            [b'%', b'b', open, close, ..] => Ok((Self::Balance(*open, *close), at + 4)),
            [b'%', b'b', ..] => Err(PatternError::Unbalanced),
            [b'%', b'f', b'[', ..] => Set::read(pattern, at + 2).map(|(set, end)| (Self::Frontier(set), end)),
            [b'%', b'f', ..] => Err(PatternError::FrontierWithoutSet),
            [b'%', digit, ..] if digit.is_ascii_digit() => Ok((Self::Back(*digit), at + 2)),
            _ => {
                let (class, end) = Class::read(pattern, at)?;
                let (repeat, end) = match pattern.get(end) {
                    Some(b'?') => (Repeat::Optional, end + 1),
                    Some(b'*') => (Repeat::Most { least: 0 }, end + 1),
                    Some(b'+') => (Repeat::Most { least: 1 }, end + 1),
                    Some(b'-') => (Repeat::Fewest, end + 1),
                    _ => (Repeat::Once, end),
                };
                Ok((Self::Class(class, repeat), end))
            }
        }
    }
}
