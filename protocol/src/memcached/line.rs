//! Lines: where one ends, and what of it counts.

use crate::Arena;

/// Bytes of the longest line, without its LF.
pub const MAX_LINE: usize = 16 << 20;

/// A line that is all there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    /// What its words are in: no CR and no NUL.
    pub text: &'a [u8],
    /// Bytes of it in the input, LF and all.
    pub used: usize,
}

/// What was found at the start of the input.
#[derive(Debug, Clone, Copy)]
pub(super) enum Found<'a> {
    Line(Line<'a>),
    /// Its end has not come.
    Open,
    TooLong,
}

/// Looks for the end of a line. What has been searched is not searched again when more has come.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Finder {
    /// So many bytes hold no LF.
    searched: usize,
    /// They hold a byte that is to be left out.
    is_dirty: bool,
}

impl Finder {
    /// The line that the input begins with.
    ///
    /// CRs are dropped wherever they are, and a NUL ends what counts (observed).
    #[inline]
    pub fn find<'a>(&mut self, input: &'a [u8], arena: &'a Arena) -> Found<'a> {
        // Nearly always the first of the three is the CR right before the LF, so that one search tells it all.
        if !self.is_dirty {
            let from = self.searched.min(input.len());
            let first = memchr::memchr3(b'\n', b'\r', 0, &input[from..]).map(|at| from + at);
            match first {
                Some(end) if input[end] == b'\n' => return self.line(&input[..end], end),
                Some(end) if input[end] == b'\r' && end + 1 == input.len() => return self.open(end, input),
                Some(end) if input[end] == b'\r' && input[end + 1] == b'\n' => {
                    return self.line(&input[..end], end + 1);
                }
                Some(_) => self.is_dirty = true,
                None => return self.open(input.len(), input),
            }
        }
        self.find_dirty(input, arena)
    }

    #[inline]
    fn line<'a>(&mut self, text: &'a [u8], lf: usize) -> Found<'a> {
        *self = Self::default();
        if lf > MAX_LINE { Found::TooLong } else { Found::Line(Line { text, used: lf + 1 }) }
    }

    #[inline]
    fn open<'a>(&mut self, searched: usize, input: &[u8]) -> Found<'a> {
        if input.len() > MAX_LINE {
            *self = Self::default();
            return Found::TooLong;
        }
        self.searched = searched;
        Found::Open
    }

    #[cold]
    fn find_dirty<'a>(&mut self, input: &'a [u8], arena: &'a Arena) -> Found<'a> {
        let from = self.searched.min(input.len());
        let Some(end) = memchr::memchr(b'\n', &input[from..]).map(|at| from + at) else {
            return self.open(input.len(), input);
        };
        let line = &input[..end];
        let line = memchr::memchr(0, line).map_or(line, |nul| &line[..nul]);
        let text = match memchr::memchr(b'\r', line) {
            None => line,
            Some(_) if end > MAX_LINE => &[],
            Some(_) => without_cr(line, arena),
        };
        self.line(text, end)
    }
}

fn without_cr<'a>(line: &[u8], arena: &'a Arena) -> &'a [u8] {
    let copy = arena.alloc_slice_copy(line);
    let mut len = 0;
    for &byte in line.iter().filter(|&&byte| byte != b'\r') {
        copy[len] = byte;
        len += 1;
    }
    &copy[..len]
}
