//! HTTP/1.1.
//!
//! | module | what it holds |
//! |---|---|
//! | `decoder` | bytes to requests: what is remembered of one that is not all there |
//! | `line` | the request line |
//! | `head` | the headers that mean something |
//! | `key` | from the target of a request to a key |
//! | `escapes` | `%XX` and `+` |
//! | `chunks` | bodies in chunks |
//! | `arguments` | the body of a call of `misc` |
//! | `range` | parts of a value |
//! | `encoder` | answers to bytes |
//! | `reject` | why a request is refused, and how |

mod arguments;
mod chunks;
mod decoder;
mod encoder;
mod escapes;
mod head;
mod key;
mod line;
mod range;
mod reject;

pub use arguments::MAX_ARGUMENTS;
pub use decoder::{Decoder, MAX_HEAD, begins};
pub use encoder::{Encoder, Form, Method};
pub use head::MAX_HEADERS;
pub use range::Range;
pub use reject::Reason;
