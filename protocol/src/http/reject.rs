//! Why a request is refused before it becomes one.

use std::fmt;

/// What is wrong with a refused request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A head without an end.
    HeadTooLong,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeadTooLong => f.write_str("the head is too long"),
        }
    }
}
