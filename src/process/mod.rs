//! The node as a process among others: background form, pid file, limits of the system.

pub mod daemon;
pub mod limits;
pub mod pid_file;
mod signals;
