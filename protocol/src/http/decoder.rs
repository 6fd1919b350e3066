//! From bytes to requests.

use memchr::memchr;

use super::arguments::arguments;
use super::chunks::{self, Walk};
use super::encoder::{Form, Method};
use super::head::Head;
use super::key::key;
use super::line::{Line, Verb};
use super::reject::Reason;
use crate::Arena;
use crate::command::Command;
use crate::dialect::{self, Dialect, Reject, Step};
use crate::limits::Limits;
use crate::request::Request;

/// Bytes that the head of a request may have: its line, its headers, and the empty line.
pub const MAX_HEAD: usize = 64 << 10;
/// Letters of a method.
const MAX_METHOD: usize = 16;

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
const BAD_REQUEST: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 12\r\n\r\nBad Request\n";

/// Decodes the requests of one connection.
///
/// What was seen of a request that is not all there is not looked at again until it is.
#[derive(Debug, Clone)]
pub struct Decoder {
    limits: Limits,
    progress: Progress,
}

/// How far the request at hand was read.
#[derive(Debug, Clone)]
enum Progress {
    /// The end of the head was looked for up to here; the line was found to be in order unless this is 0.
    Head(usize),
    /// The head is in order, and the request ends here.
    Length(usize),
    /// The head is in order, and so much of a body in chunks was walked.
    Chunks(Walk),
}

/// Where the body is.
enum Body {
    /// From here to there.
    Plain(usize, usize),
    /// In chunks from here on.
    Chunks(usize, Walk),
}

/// Whether the input begins like a request of HTTP, with a word in upper case and a blank: none where too little of it is
/// there to tell.
#[inline]
#[must_use]
pub fn begins(input: &[u8]) -> Option<bool> {
    let letters = input.iter().take(MAX_METHOD + 1).take_while(|byte| byte.is_ascii_uppercase()).count();
    match input.get(letters) {
        _ if letters > MAX_METHOD => Some(false),
        Some(b' ' | b'\t') => Some(letters > 0),
        Some(_) => Some(false),
        None => None,
    }
}

impl Decoder {
    /// A decoder for a new connection.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, progress: Progress::Head(0) }
    }

    /// Decodes the request that `input` begins with.
    ///
    /// # Errors
    ///
    /// As [`dialect::Decoder::decode`].
    #[inline]
    pub fn decode<'a>(&mut self, input: &'a [u8], arena: &'a Arena) -> Result<Step<'a>, Reject> {
        let step = self.step(input, arena);
        if !matches!(step, Ok(Step::Incomplete { .. })) {
            self.progress = Progress::Head(0);
        }
        step
    }

    #[inline]
    fn step<'a>(&mut self, input: &'a [u8], arena: &'a Arena) -> Result<Step<'a>, Reject> {
        if let Some(at_least) = self.still_lacks(input)? {
            return Ok(Step::Incomplete { at_least, interim: b"" });
        }
        let window = &input[..input.len().min(MAX_HEAD)];
        let Some(line_end) = memchr(b'\n', window) else {
            return unended(input, Reason::LineTooLong);
        };
        let line = Line::parse(&window[..line_end])?;
        let head_end = match end_of_head(window, line_end) {
            Ok(end) => end,
            Err(searched) => {
                self.progress = Progress::Head(searched);
                return unended(input, Reason::HeadTooLong);
            }
        };
        let head = Head::parse(&window[line_end + 1..head_end])?;
        if head.is_chunked && !line.is_modern {
            return Err(Reason::TwoLengths.into());
        }
        if head.expects_other && line.is_modern {
            return Err(Reason::Expectation.into());
        }
        match self.body(input, head_end, &head)? {
            Ok(body) => self.request(input, (&line, &head), body, arena),
            Err(at_least) => {
                // Only once, as the head is not looked at again before all is there.
                let interim = if head.expects && line.is_modern { CONTINUE } else { b"" };
                Ok(Step::Incomplete { at_least, interim })
            }
        }
    }

    /// How many bytes there must be, where what was seen of the request before says that it is not all there yet.
    #[inline]
    fn still_lacks(&mut self, input: &[u8]) -> Result<Option<usize>, Reject> {
        match &mut self.progress {
            Progress::Head(0) => Ok(None),
            Progress::Head(searched) => {
                let window = &input[..input.len().min(MAX_HEAD)];
                match end_of_head(window, *searched) {
                    Ok(_) => Ok(None),
                    Err(_) if window.len() == MAX_HEAD => Err(Reason::HeadTooLong.into()),
                    Err(further) => {
                        *searched = further;
                        Ok(Some(input.len() + 1))
                    }
                }
            }
            Progress::Length(end) => Ok((input.len() < *end).then_some(*end)),
            Progress::Chunks(walk) => Ok(walk.advance(input, self.limits.max_value as usize, |_| ())?),
        }
    }

    /// Where the body is; or how many bytes there must be before it is all there, or is looked at again.
    #[inline]
    fn body(&mut self, input: &[u8], start: usize, head: &Head<'_>) -> Result<Result<Body, usize>, Reject> {
        let max = self.limits.max_value as usize;
        if head.is_chunked {
            let mut walk = Walk::new(start);
            return Ok(match walk.advance(input, max, |_| ())? {
                None => Ok(Body::Chunks(start, walk)),
                Some(at_least) => {
                    self.progress = Progress::Chunks(walk);
                    Err(at_least)
                }
            });
        }
        let length = head.length.unwrap_or(0);
        if length > max as u64 {
            return Err(Reason::BodyTooLarge.into());
        }
        let end = start + length as usize;
        if input.len() < end {
            self.progress = Progress::Length(end);
            return Ok(Err(end));
        }
        Ok(Ok(Body::Plain(start, end)))
    }

    /// The request, all of which is there.
    #[inline]
    fn request<'a>(
        &self,
        input: &'a [u8],
        (line, head): (&Line<'a>, &Head<'a>),
        body: Body,
        arena: &'a Arena,
    ) -> Result<Step<'a>, Reject> {
        let used = match &body {
            Body::Plain(_, end) => *end,
            Body::Chunks(_, walk) => walk.end(),
        };
        let value = || match &body {
            Body::Plain(start, end) => &input[*start..*end],
            Body::Chunks(start, walk) => chunks::gather(input, *start, walk, arena),
        };
        let key = || key(line.target, self.limits, arena);
        let close = head.close || !(line.is_modern || head.keep_alive);
        let (request, method) = match line.verb {
            Verb::Get => (Request::Get { key: key()? }, Method::Get),
            Verb::Head => (Request::Vsiz { key: key()? }, Method::Head),
            Verb::Put => match head.put_mode {
                1 => (Request::PutKeep { key: key()?, value: value() }, Method::PutKeep),
                2 => (Request::PutCat { key: key()?, value: value() }, Method::Put),
                _ => (Request::Put { key: key()?, value: value() }, Method::Put),
            },
            Verb::Delete => (Request::Out { key: key()? }, Method::Delete),
            Verb::Options => (Request::Options, Method::Options),
            Verb::Post => match (head.ext, head.misc) {
                (Some(name), _) => {
                    let options = head.ext_options;
                    (Request::Ext { name, options, key: key()?, value: value() }, Method::Ext)
                }
                (None, Some(name)) => {
                    let args = arguments(value(), head.content_type, arena)?;
                    (Request::Misc { name, options: head.misc_options, args }, Method::Misc)
                }
                (None, None) if close => return Err(Reason::NoFunction.into()),
                (None, None) => {
                    let counted = Some((Dialect::Http, Command::Ext));
                    return Ok(Step::Answer { counted, reply: BAD_REQUEST, used });
                }
            },
        };
        let range = if method == Method::Get { head.range } else { None };
        let form = dialect::Form::Http(Form { method, close, range });
        Ok(Step::Request { request, form, used })
    }
}

/// What is there has no end: it is too long, or not all there.
fn unended<'a>(input: &[u8], too_long: Reason) -> Result<Step<'a>, Reject> {
    match input.len() < MAX_HEAD {
        true => Ok(Step::Incomplete { at_least: input.len() + 1, interim: b"" }),
        false => Err(too_long.into()),
    }
}

/// Where the head ends: behind an empty line. Looks at line feeds from `from` on; the error is where to go on when more
/// is there.
#[inline]
fn end_of_head(window: &[u8], from: usize) -> Result<usize, usize> {
    let mut at = from;
    while let Some(found) = memchr(b'\n', window.get(at..).unwrap_or_default()) {
        let feed = at + found;
        match &window[feed + 1..] {
            [b'\n', ..] => return Ok(feed + 2),
            [b'\r', b'\n', ..] => return Ok(feed + 3),
            [] | [b'\r'] => return Err(feed),
            _ => at = feed + 1,
        }
    }
    Err(window.len())
}
