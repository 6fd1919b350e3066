//! What a connection may do to the node, and the node to a connection.

mod crowds;
mod framing;
mod limits;
mod patience;
