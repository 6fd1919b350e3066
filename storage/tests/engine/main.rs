//! Tests of the engine through its public interface.
//!
//! Every random test prints its seed; `LCNODE_SEED` repeats it.

#[cfg(test)]
mod checkpoints;
#[cfg(test)]
mod compaction;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod faulty;
#[cfg(test)]
mod format;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod large;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod model;
#[cfg(test)]
mod opening;
#[cfg(test)]
mod power;
#[cfg(test)]
mod random;
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod stress;
#[cfg(test)]
mod walk;
