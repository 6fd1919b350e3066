//! Spreads keys over many nodes as LightCloud does.

pub mod address;
pub mod blocking;
mod cache;
pub mod config;
mod error;
mod list;
mod node;
pub mod ring;
mod system;
pub mod tyrant;

pub use address::Address;
pub use config::{CacheConfig, Config, ConfigError, Kind, NodeConfig, ReadFrom, Role};
pub use error::Error;
pub use node::{NodeError, NodeErrorKind};
#[cfg(feature = "redis")]
pub use node::{RedisFailure, RedisFailureKind};
pub use system::{LightCloud, Location, Moved, Mover, Scan, Sweeper, Swept, System};
