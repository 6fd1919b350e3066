//! `/health` and `/ready`, for those who start and stop nodes and send clients to them.

use hyper::StatusCode;

use super::routes::{Page, text};
use super::state::State;

/// The process lives.
pub(super) fn health(_: &State) -> Page {
    text(StatusCode::OK, "alive")
}

/// The node carries requests out; or why it does not.
pub(super) fn ready(state: &State) -> Page {
    let (is_ready, condition) = readiness(state);
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    text(status, &condition)
}

/// Whether the node carries requests out, and `ready`, or what it waits for.
pub(super) fn readiness(state: &State) -> (bool, String) {
    match state.shared().map(|shared| shared.node.store.failure()) {
        Ok(None) => (true, "ready".to_owned()),
        Ok(Some(why)) => (false, format!("refusing changes: {why}")),
        Err(waits_for) => (false, waits_for.to_owned()),
    }
}
