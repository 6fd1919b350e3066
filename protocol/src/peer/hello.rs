//! What leader and follower say first.

use super::{FOLLOW, MAX_REASON, Position, Reason, Step, VERSION};
use crate::binary::MAGIC;
use crate::step::Fields;

/// What a leader's hello begins with.
const LEADER: [u8; 4] = *b"LCNR";
/// Bytes of a leader's hello before its text.
const LEADER_FIXED: usize = 75;

const HAS_POSITION: u8 = 1;
const MINE: u8 = 2;

/// A position that says whose: the log as it went on since one start of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Epoch {
    /// Chosen at random at that start.
    pub id: u64,
    /// A point of that log.
    pub position: Position,
}

/// What a follower says first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FollowerHello {
    /// Version of the wire that the follower speaks. Any is decoded; the leader refuses what it does not
    /// know.
    pub version: u16,
    /// Server id of the follower.
    pub sid: u16,
    /// Identity of the follower's database.
    pub identity: u64,
    /// The follower's time in microseconds since the Unix epoch.
    pub clock: u64,
    /// From where it wants to go on; `None` if it has nothing of this leader.
    pub position: Option<Epoch>,
    /// Whether it also wants the records that it made itself, up to the present end of the leader's log.
    pub mine: bool,
}

impl FollowerHello {
    /// Bytes of a hello behind the two that begin it, in every version.
    pub(crate) const FIXED: usize = 45;

    /// Writes the hello, from `C8` on, behind what `out` holds.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let Epoch { id, position } = self.position.unwrap_or_default();
        let flags = if self.position.is_some() { HAS_POSITION } else { 0 } | if self.mine { MINE } else { 0 };
        out.extend_from_slice(&[MAGIC, FOLLOW]);
        out.extend_from_slice(&self.version.to_be_bytes());
        out.extend_from_slice(&self.sid.to_be_bytes());
        out.extend_from_slice(&self.identity.to_be_bytes());
        out.extend_from_slice(&self.clock.to_be_bytes());
        out.push(flags);
        out.extend_from_slice(&id.to_be_bytes());
        position.put(out);
    }

    /// Reads what follows the first two bytes. Of another version only what is common to all is looked at:
    /// enough to refuse it with a reason.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Reason> {
        let least = Self::FIXED;
        let short = Reason::Length { frame: "hello", size: bytes.len(), least, most: least };
        let mut fields = Fields(bytes);
        let (Some(version), Some(sid), Some(identity), Some(clock), Some(flags), Some(id)) =
            (fields.u16(), fields.u16(), fields.u64(), fields.u64(), fields.u8(), fields.u64())
        else {
            return Err(short);
        };
        let known = version == VERSION;
        if known && flags & !(HAS_POSITION | MINE) != 0 {
            return Err(Reason::Flags(flags));
        }
        let position = match known && flags & HAS_POSITION != 0 {
            true => Some(Epoch { id, position: Position::take(&mut fields)?.ok_or(short)? }),
            false => None,
        };
        let mine = known && flags & MINE != 0;
        Ok(Self { version, sid, identity, clock, position, mine })
    }
}

/// What a leader is going to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// What changed since the position that the follower told.
    Resume = 0,
    /// All that there is, and what changes.
    Full = 1,
    /// Nothing: it closes.
    Refused = 2,
}

/// What a leader answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaderHello<'a> {
    /// Version of the wire that the leader speaks. Another than [`VERSION`] is decoded only in a refusal.
    pub version: u16,
    /// What it is going to send.
    pub mode: Mode,
    /// Server id of the leader.
    pub sid: u16,
    /// Identity of the leader's database.
    pub identity: u64,
    /// The leader's time in microseconds since the Unix epoch.
    pub clock: u64,
    /// The leader's present epoch, and from where in its log it sends.
    pub from: Epoch,
    /// Where the leader's log ends now.
    pub end: Position,
    /// Microseconds: deletions up to this time may have been forgotten by the leader; 0 for none.
    pub collected: u64,
    /// Why it refuses; empty if it does not. At most [`MAX_REASON`] bytes.
    pub reason: &'a str,
}

impl<'a> LeaderHello<'a> {
    /// A refusal that says no more than why.
    #[must_use]
    pub fn refusal(sid: u16, clock: u64, reason: &'a str) -> Self {
        let (from, end) = (Epoch::default(), Position::default());
        Self {
            version: VERSION,
            mode: Mode::Refused,
            sid,
            identity: 0,
            clock,
            from,
            end,
            collected: 0,
            reason,
        }
    }

    /// Writes the hello behind what `out` holds. A reason that is too long is cut between two characters.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let most = self.reason.len().min(MAX_REASON);
        let cut = (0..=most).rev().find(|&at| self.reason.is_char_boundary(at)).unwrap_or(0);
        let reason = &self.reason[..cut];
        out.extend_from_slice(&LEADER);
        out.extend_from_slice(&self.version.to_be_bytes());
        out.push(self.mode as u8);
        out.extend_from_slice(&self.sid.to_be_bytes());
        out.extend_from_slice(&self.identity.to_be_bytes());
        out.extend_from_slice(&self.clock.to_be_bytes());
        out.extend_from_slice(&self.from.id.to_be_bytes());
        self.from.position.put(out);
        self.end.put(out);
        out.extend_from_slice(&self.collected.to_be_bytes());
        // At most MAX_REASON, which has 11 bits.
        out.extend_from_slice(&(reason.len() as u16).to_be_bytes());
        out.extend_from_slice(reason.as_bytes());
    }

    /// Decodes the hello that `input` begins with.
    ///
    /// # Errors
    ///
    /// A [`Reason`] if the bytes cannot become a hello that this version understands, however many follow.
    pub fn decode(input: &'a [u8]) -> Result<Step<Self>, Reason> {
        match input.first_chunk() {
            None => return Ok(Step::Incomplete { at_least: LEADER.len() }),
            Some(&LEADER) => {}
            Some(_) => return Err(Reason::NotLcnode),
        }
        let Some((fixed, behind)) = input.split_at_checked(LEADER_FIXED) else {
            return Ok(Step::Incomplete { at_least: LEADER_FIXED });
        };
        let (mut item, size) = Self::fixed(fixed)?;
        let used = LEADER_FIXED + size;
        let Some(text) = behind.get(..size) else { return Ok(Step::Incomplete { at_least: used }) };
        item.reason = str::from_utf8(text).map_err(|_| Reason::Text { size })?;
        Ok(Step::Whole { item, used })
    }

    /// What stands before the text, and the text's length.
    fn fixed(bytes: &[u8]) -> Result<(Self, usize), Reason> {
        let (size, least) = (bytes.len(), LEADER_FIXED);
        let short = Reason::Length { frame: "hello", size, least, most: least + MAX_REASON };
        let mut fields = Fields(bytes);
        let (Some(_), Some(version), Some(mode)) = (fields.array::<4>(), fields.u16(), fields.u8()) else {
            return Err(short);
        };
        let mode = match mode {
            // So every version refuses.
            2 => Mode::Refused,
            _ if version != VERSION => return Err(Reason::Version(version)),
            0 => Mode::Resume,
            1 => Mode::Full,
            other => return Err(Reason::Mode(other)),
        };
        let (Some(sid), Some(identity), Some(clock), Some(id)) =
            (fields.u16(), fields.u64(), fields.u64(), fields.u64())
        else {
            return Err(short);
        };
        let from = Epoch { id, position: Position::take(&mut fields)?.ok_or(short)? };
        let end = Position::take(&mut fields)?.ok_or(short)?;
        let (Some(collected), Some(size)) = (fields.u64(), fields.u16()) else { return Err(short) };
        let size = usize::from(size);
        if size > MAX_REASON {
            return Err(Reason::Text { size });
        }
        Ok((Self { version, mode, sid, identity, clock, from, end, collected, reason: "" }, size))
    }
}
