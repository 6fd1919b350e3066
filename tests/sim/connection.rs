//! One connection between a follower and its leader, as the network has it.

use std::collections::VecDeque;

use lcnode::replication::ended::Ended;
use lcnode::replication::feed::Feed;
use lcnode::replication::pull::Pull;
use lcnode_protocol::binary::{Decoder, Step as Decoded};
use lcnode_protocol::peer::{FollowerFrame, Step};
use lcnode_protocol::{Limits, Request};

use super::node::Up;

/// Bytes under way in one direction: when they arrive, and what they are. Empty bytes are the end.
pub type Pipe = VecDeque<(u64, Vec<u8>)>;

/// The limits of all nodes.
pub const LIMITS: Limits = Limits { max_key: 1 << 16, max_value: 1 << 20 };

/// A side that hears nothing for so long gives up, in microseconds.
const SILENCE: u64 = 5_000_000;
const BEAT: u64 = 1_000_000;

/// One side of a connection.
#[derive(Debug, Default)]
pub struct Side {
    /// What came and was not used.
    input: Vec<u8>,
    pub incoming: Pipe,
    heard: u64,
    pub is_open: bool,
}

impl Side {
    fn new(now: u64) -> Self {
        Self { heard: now, is_open: true, ..Self::default() }
    }
}

/// A connection.
#[derive(Debug)]
pub struct Connection {
    /// Numbers of the nodes.
    pub follower: usize,
    pub leader: usize,
    pub pull: Pull,
    pub feed: Option<Feed>,
    pub at_follower: Side,
    pub at_leader: Side,
    beat: u64,
    /// Whether the follower compares.
    compares: bool,
}

/// Why a side ended, if it did.
type Outcome = Result<(), Ended>;

impl Connection {
    pub fn new(
        (follower, leader): (usize, usize),
        pull: Pull,
        hello: Vec<u8>,
        now: u64,
        compares: bool,
    ) -> Self {
        let (at_follower, mut at_leader) = (Side::new(now), Side::new(now));
        at_leader.incoming.push_back((now, hello));
        Self { follower, leader, pull, feed: None, at_follower, at_leader, beat: 0, compares }
    }

    /// The follower takes what has come by now.
    pub fn follow(&mut self, up: &Up, now: u64, out: &mut Vec<u8>) -> Outcome {
        let (side, pull) = (&mut self.at_follower, &mut self.pull);
        while side.incoming.front().is_some_and(|(at, _)| *at <= now) {
            let (_, bytes) = side.incoming.pop_front().expect("it was there");
            if bytes.is_empty() {
                return Err(if pull.is_unanswered() { Ended::NoAnswer } else { Ended::Closed });
            }
            side.heard = now;
            side.input.extend(bytes);
        }
        let (used, _) = pull.take(&up.store, &up.peers, &side.input, out)?;
        side.input.drain(..used);
        pull.tick(&up.store, &up.peers, out)?;
        if self.compares
            && let Some(job) = pull.job(&up.store, &up.peers)
        {
            let outcome = job.run(&up.store, &false.into()).map_err(Ended::Storage)?;
            pull.done(&up.store, outcome, out)?;
        }
        if now - side.heard > SILENCE { Err(Ended::Closed) } else { Ok(()) }
    }

    /// The leader takes what has come by now, and sends what there is, `frames` at most.
    pub fn lead(&mut self, up: &Up, now: u64, frames: u32, out: &mut Vec<u8>) -> Outcome {
        let side = &mut self.at_leader;
        while side.incoming.front().is_some_and(|(at, _)| *at <= now) {
            let (_, bytes) = side.incoming.pop_front().expect("it was there");
            if bytes.is_empty() {
                return Err(Ended::Closed);
            }
            side.heard = now;
            side.input.extend(bytes);
        }
        if self.feed.is_none() {
            let Ok(Decoded::Request { request: Request::Follow(hello), used }) =
                Decoder::new(LIMITS).decode(&side.input)
            else {
                return if now - side.heard > SILENCE { Err(Ended::Closed) } else { Ok(()) };
            };
            match Feed::start(&up.store, &up.peers, &hello) {
                Ok((feed, answer)) => {
                    out.extend(answer);
                    self.feed = Some(feed);
                }
                Err(refusal) => {
                    out.extend(refusal.hello);
                    return Err(refusal.why);
                }
            }
            side.input.drain(..used);
        }
        let Some(feed) = &mut self.feed else { return Ok(()) };
        while let Step::Whole { item, used } = FollowerFrame::decode(&side.input, LIMITS)? {
            feed.take(&up.store, &up.peers, &item)?;
            side.input.drain(..used);
        }
        if now >= self.beat {
            if !feed.is_current(&up.peers) {
                return Err(Ended::Replaced);
            }
            feed.beat(&up.store, out);
            self.beat = now + BEAT;
        }
        for _ in 0..frames {
            if !feed.fill(&up.store, out)? {
                break;
            }
        }
        if let Some(job) = feed.job() {
            let outcome = job.run(&up.store, &false.into()).map_err(Ended::Storage)?;
            feed.done(&up.store, &up.peers, outcome, out);
        }
        if now - side.heard > SILENCE { Err(Ended::Closed) } else { Ok(()) }
    }
}
