//! Why a request is refused before it becomes one.

use std::fmt;

/// What is wrong with a refused request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A line without an end.
    LineTooLong,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LineTooLong => f.write_str("the line is too long"),
        }
    }
}
