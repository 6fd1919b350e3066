//! From bytes to requests.

use super::cursor::{Cursor, Stop};
use super::number::decode_double;
use super::reject::{Field, Reason, Reject};
use super::run::Progress;
use super::{MAGIC, sizes};
use crate::command::Command;
use crate::limits::Limits;
use crate::peer::{self, FollowerHello};
use crate::request::Request;

/// What a decoder made of its input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step<'a> {
    /// The input holds the beginning of a request.
    Incomplete {
        /// Calling again is of no use before the input is at least so many bytes
        /// long, counted from the start of the request. Always more than there
        /// are, and never more than the request needs. It grows as sizes become
        /// known, so that a caller who gives up where it exceeds what he wants
        /// to buffer bounds the memory of a connection.
        at_least: usize,
    },
    /// The input begins with a whole request.
    Request {
        /// The request, borrowing from the input.
        request: Request<'a>,
        /// How many bytes of the input it took.
        used: usize,
    },
}

/// Decodes the requests of one connection.
///
/// It remembers nothing but how far it came in a long `mget` or `misc`.
#[derive(Debug, Clone, Default)]
pub struct Decoder {
    limits: Limits,
    progress: Progress,
}

impl Decoder {
    /// A decoder for a new connection.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, progress: Progress::default() }
    }

    /// Decodes the request that `input` begins with.
    ///
    /// `input` starts at the beginning of a request. After
    /// [`Step::Incomplete`] the caller calls again with the same bytes and more
    /// after them; after [`Step::Request`] with what follows the bytes used.
    /// The outcome depends on the bytes alone, not on how they were cut.
    ///
    /// # Errors
    ///
    /// A [`Reject`] if the bytes cannot become a request, however many follow.
    /// The connection is then of no further use, as where the next request
    /// begins is not known.
    #[inline]
    pub fn decode<'a>(&mut self, input: &'a [u8]) -> Result<Step<'a>, Reject> {
        let mut cursor = Cursor::new(input);
        match self.request(&mut cursor) {
            Ok(request) => Ok(Step::Request { request, used: cursor.used() }),
            Err(Stop::Short(at_least)) => Ok(Step::Incomplete { at_least }),
            Err(Stop::Bad(reason)) => Err(reject(input, reason)),
        }
    }

    /// The two commands that matter for speed are decoded here, where the
    /// compiler can merge the caller's code with them.
    #[inline]
    fn request<'a>(&mut self, cursor: &mut Cursor<'a>) -> Result<Request<'a>, Stop> {
        const GET: u8 = Command::Get.id();
        const PUT: u8 = Command::Put.id();

        let id = match cursor.rest() {
            [] => return Err(Stop::Short(1)),
            [MAGIC] => return Err(Stop::Short(2)),
            [MAGIC, id, ..] => *id,
            [other, ..] => return Err(Reason::NotBinary(*other).into()),
        };
        cursor.skip(2);
        match id {
            GET => self.key(cursor).map(|key| Request::Get { key }),
            PUT => self.record(cursor).map(|(key, value)| Request::Put { key, value }),
            other => self.less_frequent(other, cursor),
        }
    }

    /// Every command. `get` and `put` are here for completeness: they are known
    /// before.
    #[inline(never)]
    fn less_frequent<'a>(&mut self, id: u8, cursor: &mut Cursor<'a>) -> Result<Request<'a>, Stop> {
        let Some(command) = Command::from_id(id) else {
            return match id {
                peer::FOLLOW => follow(cursor),
                _ => Err(Reason::UnknownCommand(id).into()),
            };
        };
        Ok(match command {
            Command::Put => {
                let (key, value) = self.record(cursor)?;
                Request::Put { key, value }
            }
            Command::PutKeep => {
                let (key, value) = self.record(cursor)?;
                Request::PutKeep { key, value }
            }
            Command::PutCat => {
                let (key, value) = self.record(cursor)?;
                Request::PutCat { key, value }
            }
            Command::PutNr => {
                let (key, value) = self.record(cursor)?;
                Request::PutNr { key, value }
            }
            Command::PutShl => {
                let [ksiz, vsiz, width] = cursor.words()?;
                let sizes = [sizes::key(ksiz, Field::Key, self.limits)?, sizes::value(vsiz, self.limits)?];
                let width = sizes::natural(width, Field::Width)?;
                let [key, value] = cursor.fields(sizes)?;
                Request::PutShl { key, value, width }
            }
            Command::Out => Request::Out { key: self.key(cursor)? },
            Command::Get => Request::Get { key: self.key(cursor)? },
            Command::Vsiz => Request::Vsiz { key: self.key(cursor)? },
            Command::MGet => self.mget(cursor)?,
            Command::IterInit => Request::IterInit,
            Command::IterNext => Request::IterNext,
            Command::FwmKeys => {
                let [psiz, max] = cursor.words()?;
                let size = sizes::key(psiz, Field::Prefix, self.limits)?;
                let [prefix] = cursor.fields([size])?;
                // Negative as a signed number is no limit.
                let max = i32::try_from(max).is_ok().then_some(max);
                Request::FwmKeys { prefix, max }
            }
            Command::AddInt => {
                let [ksiz, num] = cursor.words()?;
                let [key] = cursor.fields([sizes::key(ksiz, Field::Key, self.limits)?])?;
                let num = num.cast_signed();
                Request::AddInt { key, num }
            }
            Command::AddDouble => {
                let [ksiz, i_high, i_low, f_high, f_low] = cursor.words()?;
                let [key] = cursor.fields([sizes::key(ksiz, Field::Key, self.limits)?])?;
                let integ = join(i_high, i_low).cast_signed();
                let fract = join(f_high, f_low).cast_signed();
                let num = decode_double(integ, fract);
                Request::AddDouble { key, num }
            }
            Command::Ext => {
                let [nsiz, options, ksiz, vsiz] = cursor.words()?;
                let sizes = [
                    sizes::name(nsiz)?,
                    sizes::key(ksiz, Field::Key, self.limits)?,
                    sizes::value(vsiz, self.limits)?,
                ];
                let [name, key, value] = cursor.fields(sizes)?;
                Request::Ext { name, options, key, value }
            }
            Command::Sync => Request::Sync,
            Command::Optimize => {
                let [psiz] = cursor.words()?;
                let [params] = cursor.fields([sizes::text(psiz, Field::Params)?])?;
                Request::Optimize { params }
            }
            Command::Vanish => Request::Vanish,
            Command::Copy => {
                let [psiz] = cursor.words()?;
                let [path] = cursor.fields([sizes::text(psiz, Field::Path)?])?;
                Request::Copy { path }
            }
            Command::Restore => {
                let [psiz, ts_high, ts_low, options] = cursor.words()?;
                let [path] = cursor.fields([sizes::text(psiz, Field::Path)?])?;
                let ts = join(ts_high, ts_low);
                Request::Restore { path, ts, options }
            }
            Command::SetMst => {
                let [hsiz, port, ts_high, ts_low, options] = cursor.words()?;
                let size = sizes::text(hsiz, Field::Host)?;
                let port = sizes::natural(port, Field::Port)?;
                let [host] = cursor.fields([size])?;
                let ts = join(ts_high, ts_low);
                Request::SetMst { host, port, ts, options }
            }
            Command::Rnum => Request::Rnum,
            Command::Size => Request::Size,
            Command::Stat => Request::Stat,
            Command::Misc => self.misc(cursor)?,
            Command::Repl => {
                let [ts_high, ts_low, sid] = cursor.words()?;
                let ts = join(ts_high, ts_low);
                if ts == 0 || sid == 0 {
                    return Err(Reason::BadReplication { ts, sid }.into());
                }
                Request::Repl { ts, sid }
            }
        })
    }

    fn mget<'a>(&mut self, cursor: &mut Cursor<'a>) -> Result<Request<'a>, Stop> {
        let [count] = cursor.words()?;
        let count = sizes::count(count)?;
        let limits = self.limits;
        let keys = self.progress.read(cursor, count, |size| sizes::key(size, Field::Key, limits))?;
        Ok(Request::MGet { keys })
    }

    fn misc<'a>(&mut self, cursor: &mut Cursor<'a>) -> Result<Request<'a>, Stop> {
        let [nsiz, options, count] = cursor.words()?;
        let size = sizes::name(nsiz)?;
        let count = sizes::count(count)?;
        let [name] = cursor.fields([size])?;
        let limits = self.limits;
        let args = self.progress.read(cursor, count, |size| sizes::argument(size, limits))?;
        Ok(Request::Misc { name, options, args })
    }

    #[inline]
    fn key<'a>(&self, cursor: &mut Cursor<'a>) -> Result<&'a [u8], Stop> {
        let [ksiz] = cursor.words()?;
        let [key] = cursor.fields([sizes::key(ksiz, Field::Key, self.limits)?])?;
        Ok(key)
    }

    #[inline]
    fn record<'a>(&self, cursor: &mut Cursor<'a>) -> Result<(&'a [u8], &'a [u8]), Stop> {
        let [ksiz, vsiz] = cursor.words()?;
        let sizes = [sizes::key(ksiz, Field::Key, self.limits)?, sizes::value(vsiz, self.limits)?];
        let [key, value] = cursor.fields(sizes)?;
        Ok((key, value))
    }
}

/// The hello of an lcnode that wants to follow this one.
fn follow<'a>(cursor: &mut Cursor<'a>) -> Result<Request<'a>, Stop> {
    let [bytes] = cursor.fields([FollowerHello::FIXED])?;
    let hello = FollowerHello::read(bytes).map_err(Reason::BadHello)?;
    Ok(Request::Follow(hello))
}

/// A refusal, with the command if the input got as far as its byte.
#[cold]
fn reject(input: &[u8], reason: Reason) -> Reject {
    let command = match input {
        [MAGIC, peer::FOLLOW, ..] => Some(Command::Repl),
        [MAGIC, id, ..] => Command::from_id(*id),
        _ => None,
    };
    Reject { command, reason }
}

/// A 64-bit number from its two halves.
#[inline]
fn join(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}
