//! Lua extensions: scripts whose functions clients call, run by Lua 5.1.
//!
//! [`Scripts`] are loaded into several virtual machines, so that calls run in parallel. Each call has [`Limits`]; what
//! scripts may do with records is up to a [`Host`].

mod api;
mod bit;
mod budget;
mod codec;
mod common;
mod decimal;
mod documentation;
mod failure;
mod files;
mod flood;
mod hash;
mod host;
mod machines;
mod mapreduce;
mod meter;
mod number;
mod pack;
mod pattern;
pub mod posix;
mod pressure;
mod raw;
mod sandbox;
mod scripts;
mod sets;
mod shown;
mod slow;
mod text;
mod tonumber;
mod trial;
mod value;
mod vm;

pub use api::decimal;
pub use api::{FAMILIES, Family, Function};
pub use budget::Limits;
pub use decimal::Decimal;
pub use documentation::documentation;
pub use failure::Figures;
pub use host::{Deadline, Host, HostError, Level, Result, Scan};
pub use meter::{LimitReached, Meter, Unlimited};
pub use number::format_g14;
pub use raw::Answer;
pub use scripts::{Called, LoadError, Script, Scripts, Settings};
pub use tonumber::tonumber;
pub use trial::{Definition, Trial};
pub use vm::CallError;

/// What scripts may do beside working with records, `--ext-allow`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Allowed {
    /// Read and write files.
    pub files: bool,
    /// Run programs, and see the environment of the node.
    pub processes: bool,
}
