//! The other end of the binary dialect: requests to bytes, bytes to answers.

mod answer;
mod encode;

pub use answer::{Answer, BadReply, Elements, Records, ReplyDecoder, Step};
pub use encode::{Unsendable, encode};

#[cfg(test)]
mod tests;
