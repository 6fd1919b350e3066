//! The node as a process among others: background form, pid file, limits of the system, its service
//! manager.

pub mod activation;
pub mod daemon;
pub mod limits;
pub mod pid_file;
mod signals;
pub mod systemd;
