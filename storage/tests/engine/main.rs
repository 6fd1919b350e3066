//! Tests of the engine through its public interface.
//!
//! Every random test prints its seed; `LCNODE_SEED` repeats it.

#[cfg(test)]
mod adjustments;
#[cfg(test)]
mod backup;
#[cfg(test)]
mod checkpoints;
#[cfg(test)]
mod compaction;
#[cfg(test)]
mod counters;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod decimals;
#[cfg(test)]
mod each_call;
#[cfg(test)]
mod examine;
#[cfg(test)]
mod expiry;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod faulty;
#[cfg(test)]
mod follow;
#[cfg(test)]
mod forged;
#[cfg(test)]
mod format;
#[cfg(test)]
mod format_backup;
#[cfg(test)]
mod format_counter;
#[cfg(test)]
mod format_moved;
#[cfg(test)]
mod history;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod large;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod model;
#[cfg(test)]
mod mutations;
#[cfg(test)]
mod notes;
#[cfg(test)]
mod opening;
#[cfg(test)]
mod power;
#[cfg(test)]
mod random;
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod reservations;
#[cfg(test)]
mod restore;
#[cfg(test)]
mod restore_refused;
#[cfg(test)]
mod salvage;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod simulated;
#[cfg(test)]
mod stress;
#[cfg(test)]
mod tombstones;
#[cfg(test)]
mod waiting;
#[cfg(test)]
mod walk;
