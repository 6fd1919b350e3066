//! When an acknowledged write reaches the disk.

use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

/// When an acknowledged write reaches the disk (`--sync`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncMode {
    /// Before its reply: a power loss takes nothing that was acknowledged.
    Always,
    /// At most this long after its reply: a power loss takes at most this much.
    Every(Duration),
    /// When the system sees fit. A killed process still loses nothing, a power loss may.
    Never,
}

impl SyncMode {
    /// The longest interval in milliseconds: one hour.
    pub const MAX_MILLISECONDS: u32 = 3_600_000;
}

/// The text is none of the three forms of `--sync`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("write always, never, or an interval of 1 to 3600000 milliseconds")]
pub struct SyncModeError;

impl FromStr for SyncMode {
    type Err = SyncModeError;

    fn from_str(text: &str) -> Result<Self, SyncModeError> {
        if text.eq_ignore_ascii_case("always") {
            return Ok(Self::Always);
        }
        if text.eq_ignore_ascii_case("never") {
            return Ok(Self::Never);
        }
        let interval: NonZeroU32 = text.parse().map_err(|_| SyncModeError)?;
        if interval.get() > Self::MAX_MILLISECONDS {
            return Err(SyncModeError);
        }
        Ok(Self::Every(Duration::from_millis(u64::from(interval.get()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes() {
        assert_eq!("always".parse(), Ok(SyncMode::Always));
        assert_eq!("Never".parse(), Ok(SyncMode::Never));
        assert_eq!("1".parse(), Ok(SyncMode::Every(Duration::from_millis(1))));
        assert_eq!("3600000".parse(), Ok(SyncMode::Every(Duration::from_secs(3600))));
        for text in ["", "0", "-1", "1.5", "100ms", "3600001", "sometimes"] {
            assert_eq!(text.parse::<SyncMode>(), Err(SyncModeError), "{text}");
        }
    }
}
