//! The archive of a backup.
//!
//! It is a tar file in two frames of zstd, so `tar --zstd -xf` unpacks it too, and a trailer that zstd skips:
//!
//! | part | holds |
//! |---|---|
//! | first frame | the files of each copy, as `SERVER.tch/PATH`; meanwhile their SHA-256 is taken |
//! | second frame | [`manifest.json`](super::manifest), which has those, and the end of the tar file |
//! | trailer | where the second frame begins, and the SHA-256 of the whole archive |
//!
//! So it is written in one go, its manifest is read before its files, and no bit of it can be another unnoticed.

mod hashed;
mod reader;
mod trailer;
mod writer;

pub use reader::{Archive, Sink};
pub use writer::Writer;
