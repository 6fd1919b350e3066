//! Lua extensions: scripts whose functions clients call, run by Lua 5.1.

pub mod bit;
pub mod codec;
pub mod hash;
pub mod meter;
pub mod number;
pub mod pack;
pub mod sets;
pub mod text;
