//! Work outside of Lua code, counted so that limits hold there too.

/// Counts the work of what runs outside of Lua code, so that limits hold there too.
pub trait Meter {
    /// Notes `steps` of work, about a nanosecond each; an error once the call has used up what it may.
    fn work(&self, steps: u64) -> Result<(), LimitReached>;
}

/// A call has used up what it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a limit of the call is reached")]
pub struct LimitReached;

/// Without limits, for tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unlimited;

impl Meter for Unlimited {
    fn work(&self, _: u64) -> Result<(), LimitReached> {
        Ok(())
    }
}
