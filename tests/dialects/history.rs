//! What clients did to one key, and whether it could have happened one after the other.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use super::record::{Operation, Outcome, Record};
use super::speaker::Tongue;

/// One operation of a client: it took effect at some moment between `from` and `to`.
#[derive(Debug, Clone)]
pub struct Event {
    pub from: Duration,
    pub to: Duration,
    pub client: usize,
    pub tongue: Tongue,
    pub operation: Operation,
    pub outcome: Outcome,
}

/// All events of a key.
pub struct History(Vec<Event>);

impl History {
    pub fn new(mut events: Vec<Event>) -> Self {
        assert!(events.len() <= 128, "{} events of one key", events.len());
        events.sort_by_key(|event| event.from);
        Self(events)
    }

    /// Looks for an order in which each outcome is what the one before makes it, and no event comes before one that had
    /// ended when it began (Wing and Gong's search, with a memory of where it has been).
    pub fn is_linearizable(&self) -> bool {
        self.search(0, &None, &mut HashSet::new())
    }

    fn search(&self, done: u128, record: &Record, seen: &mut HashSet<(u128, Record)>) -> bool {
        if done.count_ones() as usize == self.0.len() {
            return true;
        }
        if !seen.insert((done, record.clone())) {
            return false;
        }
        let left = || self.0.iter().enumerate().filter(|(at, _)| done & (1 << at) == 0);
        let first_end = left().map(|(_, event)| event.to).min().unwrap_or_default();
        left().take_while(|(_, event)| event.from <= first_end).any(|(at, event)| {
            event
                .operation
                .apply(record, &event.outcome)
                .is_some_and(|next| self.search(done | 1 << at, &next, seen))
        })
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for event in &self.0 {
            let Event { from, to, client, tongue, operation, outcome } = event;
            let (from, to) = (from.as_micros(), to.as_micros());
            writeln!(
                f,
                "{from:>9} to {to:>9} us, client {client}, {tongue:?}: {operation:?} -> {outcome:?}"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(from: u64, to: u64, operation: Operation, outcome: Outcome) -> Event {
        let (from, to) = (Duration::from_micros(from), Duration::from_micros(to));
        Event { from, to, client: 0, tongue: Tongue::Binary, operation, outcome }
    }

    #[test]
    fn the_checker_finds_orders_and_their_lack() {
        let put = |value: &str| Operation::Put { value: value.to_owned(), flags: 0 };
        let found = |value: &str| Outcome::Found(Some((value.to_owned(), None)));
        let done = || Outcome::Done(true);
        // A get during two puts may see either, one after both only the last.
        for (value, from, is_possible) in [("a", 2, true), ("b", 2, true), ("a", 30, true), ("c", 2, false)] {
            let events = vec![
                event(0, 20, put("a"), done()),
                event(1, 20, put("b"), done()),
                event(from, from + 1, Operation::Get, found(value)),
            ];
            assert_eq!(History::new(events).is_linearizable(), is_possible, "{value} from {from}");
        }
        let stale = vec![
            event(0, 1, put("a"), done()),
            event(2, 3, put("b"), done()),
            event(4, 5, Operation::Get, found("a")),
        ];
        assert!(!History::new(stale).is_linearizable());
        let lost = vec![
            event(0, 1, put("5"), done()),
            event(2, 9, Operation::Adjust { by: 1 }, Outcome::Sum(Some(6))),
            event(3, 8, Operation::Adjust { by: 1 }, Outcome::Sum(Some(6))),
        ];
        assert!(!History::new(lost).is_linearizable());
    }
}
