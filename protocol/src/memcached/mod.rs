//! memcached's text protocol.

mod decoder;
mod encoder;
mod reject;

pub use decoder::{Decoder, begins, may_end};
pub use encoder::{Encoder, Form};
pub use reject::Reason;
