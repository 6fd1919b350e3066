//! Scripts in a node: calls over the wire, locks, several machines, what happens at the start, later and at the end.

mod calls;
mod life;
mod limits;
mod locks;
mod observed;
