//! How large a key and a value may be.

/// The largest key and value that a decoder lets through, in bytes.
///
/// The decoder never buffers anything itself. What a whole request may cost is
/// bounded by the caller, who sees a lower bound of its length in
/// [`Step::Incomplete`](crate::binary::Step::Incomplete).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest key, and largest prefix of `fwmkeys`, in bytes.
    pub max_key: u32,
    /// Largest value in bytes. An argument of `misc` may be as large as the
    /// larger of `max_key` and `max_value`.
    pub max_value: u32,
}

impl Limits {
    /// The original server's limit for every size on the wire: 256 MiB.
    pub const ORIGINAL: u32 = 268_435_456;

    /// The larger of the two limits, which is the one for a `misc` argument:
    /// that may be a key or a value.
    #[inline]
    #[must_use]
    pub fn max_field(&self) -> u32 {
        self.max_key.max(self.max_value)
    }
}

impl Default for Limits {
    /// Both limits as in the original server, [`Limits::ORIGINAL`].
    fn default() -> Self {
        Self { max_key: Self::ORIGINAL, max_value: Self::ORIGINAL }
    }
}
