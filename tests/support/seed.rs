//! Randomness that can be had again.

use fastrand::Rng;

/// A generator for the test `name`. Its seed is `LCNODE_SEED` where that is set; it is printed, which
/// shows when the test fails.
pub fn rng(name: &str) -> Rng {
    let seed = number_from_env("LCNODE_SEED").unwrap_or_else(|| fastrand::u64(..));
    eprintln!("{name}: LCNODE_SEED={seed}");
    Rng::with_seed(seed)
}

/// A number from the environment; none where the variable is not set. Anything else in it is a mistake.
pub fn number_from_env(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}
