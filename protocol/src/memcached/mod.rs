//! memcached's text protocol: a line of words, perhaps a block of data behind it, and a line or more in answer.
//!
//! It is read as the original reads it, which is more lenient than memcached: any bytes but blanks are a key of any
//! length, numbers end at the first character that is none, CRs in lines are dropped, and a first word that is no verb
//! ends the connection without a word. Beyond the original there are `cas`, `touch`, `gat`, `gats` and `verbosity`; flags
//! and unique ids are those of memcached.
//!
//! Where this goes another way than the original:
//!
//! - What ends the connection ends it for good. The original goes on with what it has buffered, wherever that begins.
//! - A line of more than [`MAX_LINE`] bytes is refused. The original takes its rest for the next line.
//! - A value that is too large is refused before any of it comes; `noreply` does not suppress that.
//! - A line without its end is carried out when the client has nothing more to say, but only if it reads: a change
//!   that was cut off might be of another key than was meant.
//! - A `prepend` that fails is not answered `STORED`.

mod decoder;
mod encoder;
mod line;
mod number;
mod reject;
mod verb;

pub use decoder::Decoder;
pub use encoder::{Encoder, Form};
pub use line::MAX_LINE;
pub use number::wrapping;
pub use reject::Reason;
pub use verb::{begins, first_key, may_end};
