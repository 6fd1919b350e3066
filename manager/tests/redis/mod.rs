//! The client on nodes of Redis servers, with real ones.

mod failures;
mod model;
mod servers;
