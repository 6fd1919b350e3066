//! `/metrics`: what the node counts, for Prometheus. All of them are described in `METRICS.md`; a test holds one
//! against the other.
//!
//! Nothing is kept here: the figures are those of the node, read when they are asked for.

mod families;
mod process;
mod replication;
mod requests;
mod scripts;
mod storage;

use hyper::StatusCode;
use prometheus::proto::MetricFamily;
use prometheus::{TEXT_FORMAT, TextEncoder};

use super::routes::{Page, page, text};
use super::state::State;
use families::Families;

/// The metrics in Prometheus' text format. While the node does not serve these are the process's alone.
pub(super) fn metrics(state: &State) -> Page {
    match TextEncoder::new().encode_to_string(&families(state)) {
        Ok(lines) => page(StatusCode::OK, TEXT_FORMAT, lines),
        Err(error) => {
            text(StatusCode::INTERNAL_SERVER_ERROR, &format!("the metrics cannot be written: {error}"))
        }
    }
}

/// What both they and `/status.json` show.
pub(super) fn families(state: &State) -> Vec<MetricFamily> {
    let mut families = Families::default();
    let shared = state.shared();
    process::collect(state, shared.is_ok(), &mut families);
    if let Ok(shared) = shared {
        requests::collect(&shared, &mut families);
        storage::collect(&shared.node.store, &mut families);
        replication::collect(&shared.node.replication, &mut families);
        scripts::collect(&shared.node, &mut families);
    }
    families.into_vec()
}
