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
    match state.shared().map(|shared| shared.node.store.failure()) {
        Ok(None) => text(StatusCode::OK, "ready"),
        Ok(Some(why)) => text(StatusCode::SERVICE_UNAVAILABLE, &format!("refusing changes: {why}")),
        Err(waits_for) => text(StatusCode::SERVICE_UNAVAILABLE, waits_for),
    }
}
