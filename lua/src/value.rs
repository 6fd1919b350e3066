//! What a function of the API is given, and what it gives.

use std::borrow::Cow;

use crate::number::format_g14;

/// A value of Lua as functions of the API see it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'a> {
    Nil,
    Bool(bool),
    Number(f64),
    Bytes(&'a [u8]),
    /// Elements 1 to `#`.
    Array(Vec<Value<'a>>),
    /// A function, a coroutine, userdata.
    Other,
}

impl<'a> Value<'a> {
    /// A string, or a number as text.
    pub(crate) fn text(&self) -> Option<Cow<'a, [u8]>> {
        match self {
            Self::Bytes(bytes) => Some(Cow::Borrowed(bytes)),
            Self::Number(number) => Some(Cow::Owned(format_g14(*number).into_bytes())),
            _ => None,
        }
    }
}

/// One value that a function gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Out {
    Nil,
    Bool(bool),
    Number(f64),
    /// That many of the bytes that come next.
    Bytes(usize),
    /// An array of that many of the values that come next.
    Array(usize),
    /// A table of that many pairs, key and value, of the values that come next.
    Fields(usize),
}

/// What a function gives, in the order in which it is given. Kept from call to call, so that it need not be allocated.
#[derive(Debug, Default)]
pub(crate) struct Output {
    pub(crate) values: Vec<Out>,
    pub(crate) bytes: Vec<u8>,
}

/// Above this the bytes of an output are given back.
const KEEP: usize = 1 << 20;

impl Output {
    pub(crate) const fn new() -> Self {
        Self { values: Vec::new(), bytes: Vec::new() }
    }

    pub(crate) fn clear(&mut self) {
        self.values.clear();
        self.bytes.clear();
        if self.bytes.capacity() > KEEP || self.values.capacity() > KEEP {
            *self = Self::default();
        }
    }

    #[inline]
    pub(crate) fn nil(&mut self) {
        self.values.push(Out::Nil);
    }

    #[inline]
    pub(crate) fn bool(&mut self, bool: bool) {
        self.values.push(Out::Bool(bool));
    }

    #[inline]
    pub(crate) fn number(&mut self, number: f64) {
        self.values.push(Out::Number(number));
    }

    #[inline]
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.values.push(Out::Bytes(bytes.len()));
        self.bytes.extend_from_slice(bytes);
    }

    /// Begins an array whose length is not known yet; for [`Output::end_array`].
    pub(crate) fn begin_array(&mut self) -> usize {
        self.values.push(Out::Array(0));
        self.values.len()
    }

    /// Ends an array of plain values.
    pub(crate) fn end_array(&mut self, begin: usize) {
        let len = self.values.len() - begin;
        if let Some(array) = begin.checked_sub(1).and_then(|at| self.values.get_mut(at)) {
            *array = Out::Array(len);
        }
    }

    /// Begins a table of pairs; `pairs` of key and value follow.
    pub(crate) fn fields(&mut self, pairs: usize) {
        self.values.push(Out::Fields(pairs));
    }
}
