//! From bytes to requests.

use super::reject::Reason;
use crate::Arena;
use crate::dialect::{self, Reject, Step};
use crate::limits::Limits;

/// Decodes the requests of one connection.
#[derive(Debug, Clone)]
pub struct Decoder {
    limits: Limits,
}

/// Whether the input begins like a request of HTTP: none where too little of it is there to tell.
#[must_use]
pub fn begins(_input: &[u8]) -> Option<bool> {
    Some(false)
}

impl Decoder {
    /// A decoder for a new connection.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits }
    }

    /// Decodes the request that `input` begins with.
    ///
    /// # Errors
    ///
    /// As [`dialect::Decoder::decode`].
    pub fn decode<'a>(&mut self, _input: &'a [u8], _arena: &'a Arena) -> Result<Step<'a>, Reject> {
        let reason = dialect::Reason::Http(Reason::HeadTooLong);
        _ = self.limits;
        Err(Reject { command: None, reply: b"", reason })
    }
}
