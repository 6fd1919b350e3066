//! The node as a service of systemd: what it tells it, sockets that it gets from it, and the unit files.

mod notify;
mod sockets;
mod units;
