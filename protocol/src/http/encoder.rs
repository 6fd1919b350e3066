//! From answers to bytes.

use crate::command::Command;
use crate::reply::Reply;

/// What an answer is to look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// Whether the connection is to be closed after the reply.
    pub close: bool,
}

impl Form {
    /// The command that a request is counted as.
    #[inline]
    #[must_use]
    pub fn counted(&self, command: Command) -> Command {
        command
    }

    /// Whether the connection is to be closed after the reply.
    #[inline]
    #[must_use]
    pub fn closes(&self) -> bool {
        self.close
    }
}

/// Writes the reply of one request behind what the buffer holds already.
#[derive(Debug)]
pub struct Encoder<'o> {
    out: &'o mut Vec<u8>,
    form: Form,
    start: usize,
}

impl<'o> Encoder<'o> {
    /// Begins the reply of a request in this form, behind what `out` holds.
    #[inline]
    #[must_use]
    pub fn new(out: &'o mut Vec<u8>, form: Form) -> Self {
        let start = out.len();
        Self { out, form, start }
    }
}

impl Reply for Encoder<'_> {
    fn success(&mut self) {}
    fn failure(&mut self) {
        _ = self.form;
    }
    fn value(&mut self, _value: &[u8]) {}
    fn int(&mut self, _number: i32) {}
    fn double(&mut self, _number: f64) {}
    fn count(&mut self, _count: u64) {}
    fn begin_list(&mut self) {}
    fn item(&mut self, _item: &[u8]) {}
    fn record(&mut self, _key: &[u8], _value: &[u8]) {}
    fn end_list(&mut self) {}
    fn abandon_list(&mut self) {}
    fn len(&self) -> usize {
        self.out.len() - self.start
    }
}
