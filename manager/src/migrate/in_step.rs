//! Whether all of the source's changes up to a moment have come.
//!
//! The stream does not say where its end is, so something is looked for in it. An original logs every call of `misc`,
//! also one that asks for a record that nobody has: when that comes back, all before it has come. An lcnode logs only
//! changes, but their times rise: one that is later than the present, and than the clocks of its masters may be ahead,
//! is behind all that was there at present. Where nothing at all comes for a few seconds there is nothing to come.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::changes::Changes;
use super::source::{Kind, Source};
use crate::clock;
use crate::context::Failure;

/// How far an lcnode lets the clock of a master be ahead, unless told otherwise, in microseconds.
const SKEW: u64 = 10_000_000;
/// Signs of life, one a second, with nothing between, after which there is nothing to come.
const QUIET: u32 = 3;
/// Where the sign took longer to come back than it must, more has happened meanwhile: another one is sent.
const FRESH: Duration = Duration::from_secs(5);

/// A search for the end of the stream.
#[derive(Debug)]
pub struct InStep {
    sign: Sign,
    asked: Instant,
    quiet: u32,
    is_found: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Sign {
    /// A key that was asked for.
    Key(Bytes),
    /// A time in microseconds.
    Time(u64),
}

impl InStep {
    /// Begins to search.
    pub async fn search(source: &Source) -> Result<Self, Failure> {
        let sign = match source.kind {
            Kind::Original => {
                let key = Bytes::from(format!("lcmgr-migrate-{}-{}", std::process::id(), clock::now()));
                // Whether it is there or not: it is in the log.
                source.server.misc("get", 0, [&key[..]]).await?;
                Sign::Key(key)
            }
            Kind::Lcnode | Kind::Unclear => Sign::Time(source.time().await?.saturating_add(SKEW)),
        };
        Ok(Self { sign, asked: Instant::now(), quiet: 0, is_found: false })
    }

    /// Takes note of what came.
    pub fn saw(&mut self, changes: &Changes) {
        self.quiet = 0;
        self.is_found |= match &self.sign {
            Sign::Key(key) => changes.asked_for.contains(key),
            Sign::Time(time) => changes.latest >= *time,
        };
    }

    /// Takes note that the source is there and has nothing new.
    pub fn was_quiet(&mut self) {
        self.quiet += 1;
    }

    /// Whether nothing is known to be outstanding: for those who look on.
    pub fn is_quiet(&self) -> bool {
        self.quiet >= 2
    }

    /// Whether all has come; false too where so much time has passed that it has to be searched anew.
    pub fn is_reached(&self) -> bool {
        match self.sign {
            Sign::Key(_) => self.is_found && self.asked.elapsed() < FRESH,
            Sign::Time(_) => {
                let fresh = FRESH + Duration::from_micros(SKEW);
                self.quiet >= QUIET || (self.is_found && self.asked.elapsed() < fresh)
            }
        }
    }

    /// Whether the search has to begin anew.
    pub fn is_stale(&self) -> bool {
        self.is_found && !self.is_reached()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(sign: Sign, ago: u64) -> InStep {
        let asked = Instant::now() - Duration::from_secs(ago);
        InStep { sign, asked, quiet: 0, is_found: false }
    }

    #[tokio::test]
    async fn an_original_is_believed_only_by_the_sign() {
        let key = Bytes::from_static(b"sign");
        let other = Changes { asked_for: vec!["other".into()], latest: u64::MAX, ..Changes::default() };
        let own = Changes { asked_for: vec![key.clone()], ..Changes::default() };
        for (ago, reached) in [(0, true), (60, false)] {
            let mut search = search(Sign::Key(key.clone()), ago);
            (0..100).for_each(|_| search.was_quiet());
            search.saw(&other);
            assert!(!search.is_reached() && !search.is_stale());
            search.saw(&own);
            assert_eq!((search.is_reached(), search.is_stale()), (reached, !reached));
        }
    }

    #[tokio::test]
    async fn an_lcnode_is_believed_when_quiet_or_late() {
        let mut quiet = search(Sign::Time(100), 60);
        quiet.was_quiet();
        quiet.was_quiet();
        quiet.saw(&Changes { latest: 99, ..Changes::default() });
        quiet.was_quiet();
        quiet.was_quiet();
        assert!(!quiet.is_reached());
        quiet.was_quiet();
        assert!(quiet.is_reached());
        let mut late = search(Sign::Time(100), 0);
        late.saw(&Changes { latest: 100, ..Changes::default() });
        assert!(late.is_reached());
    }
}
