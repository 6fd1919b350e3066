//! Bodies in chunks.

use std::ops::Range;

use memchr::memchr;

use super::decoder::MAX_HEAD;
use super::reject::Reason;
use crate::Arena;

/// Bytes of the line that a chunk begins with.
const MAX_LINE: usize = 4096;
/// Digits of a chunk's size.
const MAX_DIGITS: usize = 16;

/// A walk over a body in chunks, which goes on where it stood when more of the body is there.
#[derive(Debug, Clone)]
pub(super) struct Walk {
    /// Where what comes next begins, counted from the start of the request.
    at: usize,
    next: Next,
    /// Bytes of the chunks so far.
    size: usize,
    /// Bytes of extensions and trailers so far, which mean nothing here.
    ignored: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Size,
    Data(usize),
    Trailer,
    End,
}

impl Walk {
    /// Over the body that begins there.
    pub(super) fn new(at: usize) -> Self {
        Self { at, next: Next::Size, size: 0, ignored: 0 }
    }

    /// Where the request ends, once that was reached.
    pub(super) fn end(&self) -> usize {
        self.at
    }

    /// Goes on, and tells of each chunk that is whole where it lies. Gives how many bytes of the request must be there
    /// before it gets further; none when the end was reached.
    pub(super) fn advance(
        &mut self,
        input: &[u8],
        max: usize,
        mut chunk: impl FnMut(Range<usize>),
    ) -> Result<Option<usize>, Reason> {
        loop {
            match self.next {
                Next::Size => {
                    let Some(line) = self.line(input, MAX_LINE).map_err(|TooLong| Reason::BadChunk)? else {
                        return Ok(Some(input.len() + 1));
                    };
                    let line = line.strip_suffix(b"\r").ok_or(Reason::BadChunk)?;
                    let (size, extension) = size_of(line).ok_or(Reason::BadChunk)?;
                    self.ignore(extension)?;
                    if size > max.saturating_sub(self.size) as u64 {
                        return Err(Reason::BodyTooLarge);
                    }
                    // At most `max`.
                    let size = size as usize;
                    self.size += size;
                    self.next = if size == 0 { Next::Trailer } else { Next::Data(size) };
                }
                Next::Data(size) => {
                    let end = self.at + size;
                    let Some(after) = input.get(end..end + 2) else { return Ok(Some(end + 2)) };
                    if after != b"\r\n" {
                        return Err(Reason::BadChunk);
                    }
                    chunk(self.at..end);
                    self.at = end + 2;
                    self.next = Next::Size;
                }
                Next::Trailer => {
                    let Some(line) = self.line(input, MAX_HEAD).map_err(|TooLong| Reason::HeadTooLong)?
                    else {
                        return Ok(Some(input.len() + 1));
                    };
                    if matches!(line, b"" | b"\r") {
                        self.next = Next::End;
                    } else {
                        self.ignore(line.len() + 1)?;
                    }
                }
                Next::End => return Ok(None),
            }
        }
    }

    /// The line that begins here, without its line feed, which is gone past; none where its end is not there yet.
    fn line<'i>(&mut self, input: &'i [u8], max: usize) -> Result<Option<&'i [u8]>, TooLong> {
        let rest = input.get(self.at..).unwrap_or_default();
        let rest = &rest[..rest.len().min(max)];
        match memchr(b'\n', rest) {
            Some(end) => {
                self.at += end + 1;
                Ok(Some(&rest[..end]))
            }
            None if rest.len() == max => Err(TooLong),
            None => Ok(None),
        }
    }

    fn ignore(&mut self, bytes: usize) -> Result<(), Reason> {
        self.ignored += bytes;
        if self.ignored > MAX_HEAD { Err(Reason::HeadTooLong) } else { Ok(()) }
    }
}

/// A line without an end.
struct TooLong;

/// The size that a chunk's line gives, and the bytes of the extensions behind it.
fn size_of(line: &[u8]) -> Option<(u64, usize)> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (size, extension) = line.split_at(digits);
    if digits > MAX_DIGITS || extension.iter().any(|&byte| byte.is_ascii_control() && byte != b'\t') {
        return None;
    }
    // No digits are no number.
    let size = u64::from_str_radix(str::from_utf8(size).ok()?, 16).ok()?;
    match extension.trim_ascii_start().first() {
        None | Some(b';') => Some((size, extension.len())),
        Some(_) => None,
    }
}

/// The bytes of the chunks of a body that is whole, in one piece: where it lies if there is but one chunk, else in the arena.
pub(super) fn gather<'a>(input: &'a [u8], start: usize, walk: &Walk, arena: &'a Arena) -> &'a [u8] {
    let whole = input.get(..walk.at).unwrap_or_default();
    let mut first = None;
    let mut rest: Option<(&mut [u8], usize)> = None;
    // It went well before.
    let _ = Walk::new(start).advance(whole, walk.size, |chunk| {
        let bytes = whole.get(chunk).unwrap_or_default();
        let Some(alone) = first else { return first = Some(bytes) };
        let (body, len) = rest.get_or_insert_with(|| {
            let body = arena.alloc_slice_fill_copy(walk.size, 0);
            if let Some(place) = body.get_mut(..alone.len()) {
                place.copy_from_slice(alone);
            }
            (body, alone.len())
        });
        if let Some(place) = body.get_mut(*len..*len + bytes.len()) {
            place.copy_from_slice(bytes);
        }
        *len += bytes.len();
    });
    match rest {
        Some((body, _)) => body,
        None => first.unwrap_or_default(),
    }
}
