//! Which functions took long when they were called last: those are better not called on an event loop at all.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How long that is remembered.
const MEMORY: Duration = Duration::from_secs(10);
/// Functions that are remembered.
const MAX: usize = 256;

/// The functions.
#[derive(Debug, Default)]
pub(crate) struct Slow {
    len: AtomicUsize,
    functions: Mutex<Vec<(Box<[u8]>, Instant)>>,
}

impl Slow {
    /// Whether a function took long lately.
    #[inline]
    pub(crate) fn has(&self, name: &[u8]) -> bool {
        self.len.load(Ordering::Relaxed) > 0 && self.look(name)
    }

    #[cold]
    fn look(&self, name: &[u8]) -> bool {
        let functions = self.functions.lock();
        functions.iter().any(|(known, at)| **known == *name && at.elapsed() < MEMORY)
    }

    /// A call of a function has ended.
    #[inline]
    pub(crate) fn note(&self, name: &[u8], took_long: bool) {
        if took_long || self.len.load(Ordering::Relaxed) > 0 {
            self.change(name, took_long);
        }
    }

    #[cold]
    fn change(&self, name: &[u8], took_long: bool) {
        let mut functions = self.functions.lock();
        functions.retain(|(known, at)| **known != *name && at.elapsed() < MEMORY);
        if took_long {
            if functions.len() >= MAX {
                functions.remove(0);
            }
            functions.push((name.into(), Instant::now()));
        }
        self.len.store(functions.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_call_counts() {
        let slow = Slow::default();
        assert!(!slow.has(b"f"));
        slow.note(b"f", true);
        slow.note(b"g", false);
        assert!(slow.has(b"f") && !slow.has(b"g"));
        slow.note(b"f", false);
        assert!(!slow.has(b"f"));
        for number in 0..1000_u32 {
            slow.note(&number.to_le_bytes(), true);
        }
        assert_eq!(slow.len.load(Ordering::Relaxed), MAX);
        assert!(slow.has(&999_u32.to_le_bytes()) && !slow.has(&0_u32.to_le_bytes()));
    }
}
