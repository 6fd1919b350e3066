//! The request line.

use super::reject::Reason;
use crate::dialect::{self, Reject};
use crate::request::Words;

/// A method that is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Head,
    Put,
    Post,
    Delete,
    Options,
}

/// A request line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) verb: Verb,
    pub(super) target: &'a [u8],
    /// Whether it is of HTTP/1.1 or later: kept alive unless it says otherwise.
    pub(super) is_modern: bool,
}

impl<'a> Line<'a> {
    /// Takes a line, without its line feed, apart.
    #[inline]
    pub(super) fn parse(line: &'a [u8]) -> Result<Self, Reject> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut words = Words::new(line).iter();
        let (Some(method), Some(target), Some(version)) = (words.next(), words.next(), words.next()) else {
            return Err(of_nobody(line));
        };
        let is_modern = match version {
            b"HTTP/1.1" => true,
            other => minor_of(other).ok_or_else(|| of_nobody(line))?? >= 1,
        };
        let verb = match method {
            b"GET" => Verb::Get,
            b"HEAD" => Verb::Head,
            b"PUT" => Verb::Put,
            b"POST" => Verb::Post,
            b"DELETE" => Verb::Delete,
            b"OPTIONS" => Verb::Options,
            b"PATCH" | b"TRACE" | b"CONNECT" => return Err(Reason::MethodNotAllowed.into()),
            _ => return Err(Reason::UnknownMethod.into()),
        };
        if words.next().is_some() || target.iter().any(u8::is_ascii_control) {
            return Err(Reason::BadLine.into());
        }
        Ok(Self { verb, target, is_modern })
    }
}

/// The original closes without a word where the third one is no version of HTTP.
#[cold]
fn of_nobody(line: &[u8]) -> Reject {
    let reason = dialect::Reason::NoDialect(line.first().copied().unwrap_or_default());
    Reject { command: None, reply: b"", reason }
}

/// The number behind `HTTP/1.`; none where it is no version of HTTP at all.
#[cold]
fn minor_of(version: &[u8]) -> Option<Result<u32, Reject>> {
    let version = version.strip_prefix(b"HTTP/")?;
    let Some(minor) = version.strip_prefix(b"1.") else { return Some(Err(Reason::Version.into())) };
    let number = str::from_utf8(minor).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    Some(number.and_then(|number| number.parse().ok()).ok_or_else(|| Reason::BadLine.into()))
}
