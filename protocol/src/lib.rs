//! Bytes to requests and replies to bytes: the wire dialects of lcnode.
