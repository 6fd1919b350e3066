//! From bytes to requests.

use super::encoder::{Form, Kind};
use super::line::{Finder, Found, Line};
use super::number::{saturating, unsigned, wrapping};
use super::reject::Reason;
use super::verb::Verb;
use crate::Arena;
use crate::dialect::{self, Reject, Step};
use crate::limits::Limits;
use crate::request::{Request, Storing, Words, WordsIter};

const NOREPLY: &[u8] = b"noreply";
/// What ends a value.
const END: &[u8] = b"\r\n";

/// Decodes the requests of one connection.
///
/// It remembers nothing but how far it has looked for the end of a line.
#[derive(Debug, Clone)]
pub struct Decoder {
    limits: Limits,
    finder: Finder,
}

/// Why there is no request.
enum Stop {
    /// So many bytes are needed.
    Short(usize),
    Bad(Option<Verb>, Reason),
}

impl Decoder {
    /// A decoder for a new connection.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, finder: Finder::default() }
    }

    /// Decodes the request that `input` begins with; its first word is a verb.
    ///
    /// # Errors
    ///
    /// As [`dialect::Decoder::decode`].
    #[inline]
    pub fn decode<'a>(&mut self, input: &'a [u8], arena: &'a Arena) -> Result<Step<'a>, Reject> {
        let step = match self.finder.find(input, arena) {
            Found::Line(line) => self.request(input, line),
            Found::Open => Err(Stop::Short(input.len() + 1)),
            Found::TooLong => Err(Stop::Bad(None, Reason::LineTooLong)),
        };
        match step {
            Ok(step) => Ok(step),
            Err(Stop::Short(at_least)) => Ok(Step::Incomplete { at_least, interim: b"" }),
            Err(Stop::Bad(verb, reason)) => Err(reject(verb, reason)),
        }
    }

    #[inline]
    fn request<'a>(&self, input: &'a [u8], line: Line<'a>) -> Result<Step<'a>, Stop> {
        let used = line.used;
        let mut words = Words::new(line.text).iter();
        let Some(verb) = words.next().and_then(Verb::of) else {
            // Not by this contract, but whoever calls it otherwise is to get an answer too.
            return Err(Stop::Bad(None, Reason::TooFewWords));
        };
        let mut words = Arguments { verb, words };
        let (request, kind, noreply) = match verb {
            Verb::Get | Verb::Gets => (self.fetch(words, None)?, Kind::fetch(verb == Verb::Gets), false),
            Verb::Gat | Verb::Gats => {
                let exptime = saturating(words.next()?);
                (self.fetch(words, Some(exptime))?, Kind::fetch(verb == Verb::Gats), false)
            }
            Verb::Set | Verb::Add | Verb::Replace | Verb::Append | Verb::Prepend | Verb::Cas => {
                return self.store(input, used, words);
            }
            Verb::Delete => {
                let key = self.key(&mut words)?;
                // Behind the time that some clients send, too.
                let noreply = words.optional() == Some(NOREPLY) || words.optional() == Some(NOREPLY);
                (Request::Out { key }, Kind::Delete, noreply)
            }
            Verb::Incr | Verb::Decr => {
                let key = self.key(&mut words)?;
                let by = wrapping(words.next()?);
                let by = if verb == Verb::Decr { by.wrapping_neg() } else { by };
                (Request::Adjust { key, by }, Kind::Adjust, words.noreply())
            }
            Verb::Touch => {
                let key = self.key(&mut words)?;
                let exptime = saturating(words.next()?);
                (Request::Touch { key, exptime }, Kind::Touch, words.noreply())
            }
            Verb::FlushAll => {
                let delay = words.optional();
                let noreply = delay == Some(NOREPLY) || words.noreply();
                (Request::Flush { delay: delay.map_or(0, saturating) }, Kind::Flush, noreply)
            }
            Verb::Stats => (Request::Stats, Kind::Stats, false),
            Verb::Version => (Request::Version, Kind::Version, false),
            Verb::Verbosity => {
                words.next()?;
                let reply: &[u8] = if words.noreply() { b"" } else { b"OK\r\n" };
                return Ok(Step::Answer { counted: None, reply, used });
            }
            Verb::Quit => return Ok(Step::Quit),
        };
        let form = dialect::Form::Memcached(Form { kind, noreply });
        Ok(Step::Request { request, form, used })
    }

    /// A line that announces a value, and the value.
    #[inline]
    fn store<'a>(&self, input: &'a [u8], line: usize, mut words: Arguments<'a>) -> Result<Step<'a>, Stop> {
        let key = self.key(&mut words)?;
        let flags = u32::try_from(saturating(words.next()?)).unwrap_or(0);
        let exptime = saturating(words.next()?);
        let size = saturating(words.next()?).max(0);
        let (storing, kind) = match words.verb {
            Verb::Add => (Storing::Add, Kind::Add),
            Verb::Replace => (Storing::Replace, Kind::Replace),
            Verb::Append => (Storing::Append, Kind::Replace),
            Verb::Prepend => (Storing::Prepend, Kind::Replace),
            Verb::Cas => (Storing::Cas(unsigned(words.next()?)), Kind::Cas),
            _ => (Storing::Set, Kind::Set),
        };
        let limit = self.limits.max_value;
        let Some(len) = u32::try_from(size).ok().filter(|&size| size <= limit && i32::try_from(size).is_ok())
        else {
            return Err(Stop::Bad(Some(words.verb), Reason::ValueTooLong { size, limit }));
        };
        let end = line + len as usize;
        let (Some(value), Some(after)) = (input.get(line..end), input.get(end..)) else {
            // One byte more tells whether the value ends where it should.
            return Err(Stop::Short(end + 1));
        };
        if !after.starts_with(END) {
            return match END.starts_with(after) {
                true => Err(Stop::Short(input.len() + 1)),
                false => Err(Stop::Bad(Some(words.verb), Reason::NoEndOfValue)),
            };
        }
        let request = Request::Store { key, value, storing, flags, exptime };
        let form = dialect::Form::Memcached(Form { kind, noreply: words.noreply() });
        Ok(Step::Request { request, form, used: end + END.len() })
    }

    /// The next word as a key.
    #[inline]
    fn key<'a>(&self, words: &mut Arguments<'a>) -> Result<&'a [u8], Stop> {
        let key = words.next()?;
        self.check(words.verb, key)?;
        Ok(key)
    }

    #[inline]
    fn check(&self, verb: Verb, key: &[u8]) -> Result<(), Stop> {
        let limit = self.limits.max_key;
        match key.len() > limit as usize {
            true => Err(Stop::Bad(Some(verb), Reason::KeyTooLong { size: key.len(), limit })),
            false => Ok(()),
        }
    }

    /// All words that are left as keys.
    #[inline]
    fn fetch<'a>(&self, words: Arguments<'a>, touch: Option<i64>) -> Result<Request<'a>, Stop> {
        let keys = Words::new(words.words.rest());
        let mut first = words;
        first.next()?;
        // No word is longer than all of them.
        if keys.text().len() > self.limits.max_key as usize {
            keys.iter().try_for_each(|key| self.check(first.verb, key))?;
        }
        Ok(Request::Fetch { keys, touch })
    }
}

/// The words behind the verb.
struct Arguments<'a> {
    verb: Verb,
    words: WordsIter<'a>,
}

impl<'a> Arguments<'a> {
    /// The next one, which must be there.
    #[inline]
    fn next(&mut self) -> Result<&'a [u8], Stop> {
        self.words.next().ok_or(Stop::Bad(Some(self.verb), Reason::TooFewWords))
    }

    #[inline]
    fn optional(&mut self) -> Option<&'a [u8]> {
        self.words.next()
    }

    /// Whether the next one says that no reply is wanted.
    #[inline]
    fn noreply(&mut self) -> bool {
        self.words.next() == Some(NOREPLY)
    }
}

#[cold]
fn reject(verb: Option<Verb>, reason: Reason) -> Reject {
    let command = verb.and_then(Verb::command);
    Reject { command, reply: reason.reply(), reason: dialect::Reason::Memcached(reason) }
}
