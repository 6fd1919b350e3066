//! Moving from a running server.
