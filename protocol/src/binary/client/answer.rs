//! Replies as a client reads them.

use crate::binary::number::decode_double;
use crate::command::Command;
use crate::items::Items;

/// What a server said to one request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Answer<'a> {
    /// It worked, and there is nothing more to say.
    Success,
    /// It did not work, or there is nothing there.
    Failure,
    /// A piece of bytes.
    Value(&'a [u8]),
    /// The sum of `addint`, the size of `vsiz`.
    Int(i32),
    /// The sum of `adddouble`.
    Double(f64),
    /// The records of `rnum`, the bytes of `size`.
    Count(u64),
    /// The keys of `fwmkeys`, the elements of `misc`.
    List(Elements<'a>),
    /// The records of `mget`.
    Records(Records<'a>),
}

/// The elements of a list.
pub type Elements<'a> = Items<'a>;

/// The records of a list: key and value of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Records<'a> {
    wire: &'a [u8],
    count: u32,
}

impl<'a> Records<'a> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Key and value of each, in the order of the reply.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let mut rest = self.wire;
        std::iter::from_fn(move || {
            let (sizes, body) = rest.split_first_chunk::<8>()?;
            let [ksiz, vsiz] = both(sizes)?;
            let (key, body) = body.split_at_checked(ksiz)?;
            let (value, body) = body.split_at_checked(vsiz)?;
            rest = body;
            Some((key, value))
        })
    }
}

/// A reply that no server gives: what follows on this connection cannot be told apart any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadReply {
    /// To which command.
    pub command: Command,
    /// Which bytes: the code, a size or a count.
    pub number: i64,
}

impl std::fmt::Display for BadReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { command, number } = self;
        write!(f, "the reply to {} has the impossible code, size or count {number}", command.name())
    }
}

impl std::error::Error for BadReply {}

/// How far a reply has come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step<'a> {
    /// It has at least this many bytes, counted from its first, and they are not all there.
    Incomplete(usize),
    /// What it says, and its bytes.
    Complete(Answer<'a>, usize),
}

/// Reads one reply, however its bytes come. It remembers how much of a list was seen, so that one of many elements
/// that comes in pieces is not walked again with each.
#[derive(Debug, Clone)]
pub struct ReplyDecoder {
    command: Command,
    /// Elements that were seen, and where the next begins.
    seen: u32,
    offset: usize,
}

const LIST_HEAD: usize = 5;

impl ReplyDecoder {
    /// For the reply to a request of this command, which is not `putnr` or `repl`: those have none of this form.
    #[inline]
    pub fn new(command: Command) -> Self {
        Self { command, seen: 0, offset: LIST_HEAD }
    }

    /// Looks at what is there of the reply: its first bytes, the same as last time and perhaps more.
    #[inline]
    pub fn decode<'a>(&mut self, bytes: &'a [u8]) -> Result<Step<'a>, BadReply> {
        let Some(&code) = bytes.first() else { return Ok(Step::Incomplete(1)) };
        match (code, self.command) {
            (0, Command::MGet | Command::FwmKeys | Command::Misc) => self.list(bytes),
            (0, _) => self.simple(bytes),
            // It keeps its count.
            (1, Command::Misc) if bytes.len() < LIST_HEAD => Ok(Step::Incomplete(LIST_HEAD)),
            (1, Command::Misc) => Ok(Step::Complete(Answer::Failure, LIST_HEAD)),
            (1, _) => Ok(Step::Complete(Answer::Failure, 1)),
            _ => Err(self.bad(code.into())),
        }
    }

    fn bad(&self, number: i64) -> BadReply {
        BadReply { command: self.command, number }
    }

    #[inline]
    fn simple<'a>(&self, bytes: &'a [u8]) -> Result<Step<'a>, BadReply> {
        let body = &bytes[1..];
        let (answer, len) = match self.command {
            Command::Get | Command::IterNext | Command::Ext | Command::Stat => {
                let Some((size, body)) = body.split_first_chunk::<4>() else {
                    return Ok(Step::Incomplete(5));
                };
                let size = i32::from_be_bytes(*size);
                let size = usize::try_from(size).map_err(|_| self.bad(size.into()))?;
                (body.get(..size).map(Answer::Value), 4 + size)
            }
            Command::Vsiz | Command::AddInt => {
                (body.first_chunk().map(|number| Answer::Int(i32::from_be_bytes(*number))), 4)
            }
            Command::AddDouble => {
                let halves =
                    body.split_first_chunk().and_then(|(integ, rest)| Some((integ, rest.first_chunk()?)));
                let double = halves.map(|(integ, fract)| {
                    decode_double(i64::from_be_bytes(*integ), i64::from_be_bytes(*fract))
                });
                (double.map(Answer::Double), 16)
            }
            Command::Rnum | Command::Size => {
                (body.first_chunk().map(|number| Answer::Count(u64::from_be_bytes(*number))), 8)
            }
            _ => (Some(Answer::Success), 0),
        };
        Ok(answer.map_or(Step::Incomplete(1 + len), |answer| Step::Complete(answer, 1 + len)))
    }

    fn list<'a>(&mut self, bytes: &'a [u8]) -> Result<Step<'a>, BadReply> {
        let Some(count) = bytes[1..].first_chunk() else { return Ok(Step::Incomplete(LIST_HEAD)) };
        let count = i32::from_be_bytes(*count);
        let count = u32::try_from(count).map_err(|_| self.bad(count.into()))?;
        let head = if self.command == Command::MGet { 8 } else { 4 };
        while self.seen < count {
            let sizes = bytes.get(self.offset..).unwrap_or_default();
            let Some(sizes) = sizes.get(..head) else { return Ok(Step::Incomplete(self.offset + head)) };
            let mut end = self.offset + head;
            for size in sizes.as_chunks::<4>().0 {
                let size = i32::from_be_bytes(*size);
                end += usize::try_from(size).map_err(|_| self.bad(size.into()))?;
            }
            if bytes.len() < end {
                return Ok(Step::Incomplete(end));
            }
            self.offset = end;
            self.seen += 1;
        }
        let wire = &bytes[LIST_HEAD..self.offset];
        let answer = match self.command {
            Command::MGet => Answer::Records(Records { wire, count }),
            _ => Answer::List(Items::checked(wire, count)),
        };
        Ok(Step::Complete(answer, self.offset))
    }
}

fn both(sizes: &[u8; 8]) -> Option<[usize; 2]> {
    let [key, value] = sizes.as_chunks::<4>().0 else { return None };
    let size = |bytes: &[u8; 4]| usize::try_from(i32::from_be_bytes(*bytes)).ok();
    Some([size(key)?, size(value)?])
}
