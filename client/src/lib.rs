//! Spreads keys over many nodes as LightCloud does.
//!
//! Built so far is [`ring`], which decides where keys belong, point for point as the rings of LightCloud's clients do.

pub mod ring;
