//! Lua extensions: scripts whose functions clients call, run by Lua 5.1.

#![allow(dead_code, reason = "the virtual machine is not wired yet")]

mod meter;
mod pattern;
mod sandbox;
