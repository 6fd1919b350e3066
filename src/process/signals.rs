//! Other processes: whether they live, and how they are ended.

use std::fs;
use std::num::NonZeroU32;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A process id: above 0, so that no signal can reach a whole group of processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProcessId(NonZeroU32);

impl ProcessId {
    /// This process.
    pub(super) fn own() -> Option<Self> {
        NonZeroU32::new(std::process::id()).map(Self)
    }

    /// From decimal digits with nothing else around them, within the range of the system's ids.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let id: NonZeroU32 = text.parse().ok().filter(|_| digits)?;
        i32::try_from(id.get()).ok().map(|_| Self(id))
    }

    /// The plain number.
    pub(super) fn get(self) -> u32 {
        self.0.get()
    }

    /// Whether a process of this id runs, also one that belongs to another user.
    ///
    /// One that has ended and that its parent has not yet asked about does not run.
    pub(super) fn is_alive(self) -> bool {
        match kill(self.raw(), None) {
            Ok(()) | Err(Errno::EPERM) => !self.has_ended(),
            Err(_) => false,
        }
    }

    /// Sends `signal`. A process that is gone already is no error.
    pub(super) fn send(self, signal: Signal) -> Result<(), Errno> {
        match kill(self.raw(), signal) {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn raw(self) -> Pid {
        Pid::from_raw(self.0.get().cast_signed())
    }

    /// Whether the system keeps only the exit status. Where it cannot be told the answer is no.
    fn has_ended(self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.get())).unwrap_or_default();
        // The program's name stands in brackets before the state and may hold anything.
        let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().next());
        matches!(state, Some("Z" | "X"))
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn ids() {
        for text in ["", "0", "-1", "+5", " 5", "5 ", "4294967295", "2147483648", "5x"] {
            assert_eq!(ProcessId::parse(text), None, "{text:?}");
        }
        assert_eq!(ProcessId::parse("2147483647").map(ProcessId::get), Some(i32::MAX as u32));
    }

    #[test]
    fn alive_until_ended() {
        assert!(ProcessId::own().unwrap().is_alive());
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let id = ProcessId::parse(&child.id().to_string()).unwrap();
        assert!(id.is_alive());
        id.send(Signal::SIGKILL).unwrap();
        while id.is_alive() {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(!id.is_alive());
    }
}
