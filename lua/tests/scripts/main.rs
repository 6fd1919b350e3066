//! The bundled scripts, called as a node calls them, over records in a map.
//!
//! Every random test prints its seed; `LCNODE_SEED` repeats it.

#[cfg(test)]
mod documented;
#[cfg(test)]
mod failing;
#[cfg(test)]
mod fixedlist;
#[cfg(test)]
#[path = "../api/host.rs"]
mod host;
#[cfg(test)]
mod incr;
#[cfg(test)]
mod list;
#[cfg(test)]
mod list_model;
#[cfg(test)]
mod lock;
#[cfg(test)]
mod queue;
#[cfg(test)]
mod ratelimit;
#[cfg(test)]
mod threads;
#[cfg(test)]
mod world;
