//! Numbers in decimal text.

/// A number that is kept as decimal text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Decimal {
    /// Without a fraction.
    Int(i64),
    /// With one, or too large for an integer.
    Real(f64),
}
