//! Limits on what runs outside of Lua code.

/// Counts the work of what runs outside of Lua code, so that limits hold there too.
pub trait Meter {
    /// Counts `steps` of work, each about a nanosecond.
    ///
    /// # Errors
    /// [`LimitReached`] when the call has used up its time; the work must end then.
    fn work(&self, steps: u64) -> Result<(), LimitReached>;
}

/// A call has used up what it may use.
#[derive(Debug, thiserror::Error)]
#[error("the call has reached its limit of time")]
pub struct LimitReached;

/// No limit, for tests and for work that is bounded otherwise.
#[derive(Debug, Clone, Copy)]
pub struct Unlimited;

impl Meter for Unlimited {
    fn work(&self, _steps: u64) -> Result<(), LimitReached> {
        Ok(())
    }
}
