//! Spreads keys over many nodes as LightCloud does.

pub mod address;
pub mod ring;
pub mod tyrant;

pub use address::Address;
