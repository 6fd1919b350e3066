//! The headers that mean something.

use httparse::{EMPTY_HEADER, Error, Header, Status};

use super::range::Range;
use super::reject::Reason;
use crate::dialect::Reject;

/// Headers that a request may have.
pub const MAX_HEADERS: usize = 100;
/// Headers that there is room for at first: as many as most clients send.
const USUAL: usize = 16;
/// Bytes of a function's name that count, as in the original (observed).
const MAX_NAME: usize = 2048;

/// What the headers of a request say. Numbers are read as the original does: their leading digits, else 0.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Head<'a> {
    /// `Connection` has `close`.
    pub(super) close: bool,
    /// `Connection` has `keep-alive`.
    pub(super) keep_alive: bool,
    pub(super) length: Option<u64>,
    pub(super) is_chunked: bool,
    /// `Expect: 100-continue`.
    pub(super) expects: bool,
    /// `Expect` is something else.
    pub(super) expects_other: bool,
    pub(super) range: Option<Range>,
    pub(super) content_type: &'a [u8],
    /// `X-TT-PDMODE`.
    pub(super) put_mode: u32,
    /// `X-TT-XNAME`, where it is not empty, and `X-TT-XOPTS`.
    pub(super) ext: Option<&'a [u8]>,
    pub(super) ext_options: u32,
    /// `X-TT-MNAME`, where it is not empty, and `X-TT-MOPTS`.
    pub(super) misc: Option<&'a [u8]>,
    pub(super) misc_options: u32,
}

impl<'a> Head<'a> {
    /// Reads header lines with the empty one that ends them.
    #[inline]
    pub(super) fn parse(lines: &'a [u8]) -> Result<Self, Reject> {
        let mut usual = [EMPTY_HEADER; USUAL];
        match httparse::parse_headers(lines, &mut usual) {
            Err(Error::TooManyHeaders) => Self::parse_many(lines),
            parsed => Self::of(parsed),
        }
    }

    #[cold]
    fn parse_many(lines: &'a [u8]) -> Result<Self, Reject> {
        let mut all = [EMPTY_HEADER; MAX_HEADERS];
        Self::of(httparse::parse_headers(lines, &mut all))
    }

    #[inline]
    fn of(parsed: httparse::Result<(usize, &[Header<'a>])>) -> Result<Self, Reject> {
        let headers = match parsed {
            Ok(Status::Complete((_, headers))) => headers,
            Err(Error::TooManyHeaders) => return Err(Reason::TooManyHeaders.into()),
            Ok(Status::Partial) | Err(_) => return Err(Reason::BadHeader.into()),
        };
        let mut head = Self::default();
        let (mut ranges, mut encodings, mut has_if_range) = (0, 0, false);
        for Header { name, value } in headers {
            let is = |known: &str| name.eq_ignore_ascii_case(known);
            // By length first: most headers are none of these.
            match name.len() {
                5 if is("range") => {
                    ranges += 1;
                    head.range = Range::parse(value);
                }
                6 if is("expect") => match value.eq_ignore_ascii_case(b"100-continue") {
                    true => head.expects = true,
                    false => head.expects_other = true,
                },
                8 if is("if-range") => has_if_range = true,
                10 if is("connection") => head.connection(value),
                10 if is("x-tt-xname") => head.ext = function(value),
                10 if is("x-tt-mname") => head.misc = function(value),
                10 if is("x-tt-xopts") => head.ext_options = number(value),
                10 if is("x-tt-mopts") => head.misc_options = number(value),
                11 if is("x-tt-pdmode") => head.put_mode = number(value),
                12 if is("content-type") => head.content_type = value,
                14 if is("content-length") => head.content_length(value)?,
                17 if is("transfer-encoding") => {
                    encodings += 1;
                    if encodings > 1 || !value.eq_ignore_ascii_case(b"chunked") {
                        return Err(Reason::TransferEncoding.into());
                    }
                    head.is_chunked = true;
                }
                _ => {}
            }
        }
        // Several are as no range. And values have no mark of their version, which a conditional one would ask for.
        if ranges > 1 || has_if_range {
            head.range = None;
        }
        if head.is_chunked && head.length.is_some() {
            return Err(Reason::TwoLengths.into());
        }
        Ok(head)
    }

    /// A list of words, of which two mean something.
    fn connection(&mut self, value: &[u8]) {
        for word in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            self.close |= word.eq_ignore_ascii_case(b"close");
            self.keep_alive |= word.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    /// Digits and nothing else, the same each time. Any doubt about where a request ends is how others smuggle theirs.
    fn content_length(&mut self, value: &[u8]) -> Result<(), Reject> {
        let digits = str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let length = digits.and_then(|digits| digits.parse::<u64>().ok()).ok_or(Reason::BadLength)?;
        if self.length.is_some_and(|before| before != length) {
            return Err(Reason::BadLength.into());
        }
        self.length = Some(length);
        Ok(())
    }
}

/// The name of a function; an empty one is none.
fn function(value: &[u8]) -> Option<&[u8]> {
    (!value.is_empty()).then(|| &value[..value.len().min(MAX_NAME)])
}

fn number(value: &[u8]) -> u32 {
    let digits = value.strip_prefix(b"+").unwrap_or(value);
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number: u32, digit| number.saturating_mul(10).saturating_add(u32::from(digit - b'0')))
}
