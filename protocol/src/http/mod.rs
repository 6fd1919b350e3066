//! HTTP/1.1.

mod decoder;
mod encoder;
mod reject;

pub use decoder::{Decoder, begins};
pub use encoder::{Encoder, Form};
pub use reject::Reason;
