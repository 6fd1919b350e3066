//! Reading the fields of one request, and stopping where the input ends.

use super::reject::Reason;

/// Why a request cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// So many bytes of input, counted from the start of the request, are needed
    /// to get any further. More than there are.
    Short(usize),
    /// Whatever comes next, the request is refused.
    Bad(Reason),
}

impl From<Reason> for Stop {
    #[inline]
    fn from(reason: Reason) -> Self {
        Stop::Bad(reason)
    }
}

/// What is left of the input of one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a> {
    input: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// At the start of a request.
    #[inline]
    pub(crate) fn new(input: &'a [u8]) -> Self {
        Self { input, rest: input }
    }

    /// Bytes read so far.
    #[inline]
    pub(crate) fn used(&self) -> usize {
        self.input.len() - self.rest.len()
    }

    /// The bytes not yet read.
    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `N` 32-bit numbers. They are read together, so that what a
    /// header says does not depend on where the input was cut.
    #[inline]
    pub(crate) fn words<const N: usize>(&mut self) -> Result<[u32; N], Stop> {
        let mut words = [0; N];
        let mut rest = self.rest;
        for word in &mut words {
            let Some((bytes, after)) = rest.split_first_chunk::<4>() else {
                return Err(Stop::Short(self.used() + 4 * N));
            };
            *word = u32::from_be_bytes(*bytes);
            rest = after;
        }
        self.rest = rest;
        Ok(words)
    }

    /// The next fields, of these sizes. All must be there before any is read.
    #[inline]
    pub(crate) fn fields<const N: usize>(&mut self, sizes: [usize; N]) -> Result<[&'a [u8]; N], Stop> {
        let mut fields = [&[][..]; N];
        let mut rest = self.rest;
        for (field, &size) in fields.iter_mut().zip(&sizes) {
            let Some((bytes, after)) = rest.split_at_checked(size) else {
                return Err(Stop::Short(self.used() + sizes.iter().sum::<usize>()));
            };
            *field = bytes;
            rest = after;
        }
        self.rest = rest;
        Ok(fields)
    }

    /// Moves on by `size` bytes, which the caller knows to be there.
    #[inline]
    pub(crate) fn skip(&mut self, size: usize) {
        self.rest = self.rest.get(size..).unwrap_or_default();
    }
}
