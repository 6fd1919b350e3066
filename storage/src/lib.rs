//! The log-structured engine of lcnode.
