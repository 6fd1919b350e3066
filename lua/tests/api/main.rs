//! Scripts as a node runs them, over records in a map.

mod answers;
mod host;
mod limits;
mod utilities;
