//! `/`, a page to look at, and `/status.json`, the figures that it draws (see `STATUS.md`).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use hyper::StatusCode;
use hyper::header::{CONTENT_SECURITY_POLICY, HeaderValue, REFERRER_POLICY, X_FRAME_OPTIONS};
use prometheus::proto::{LabelPair, Metric, MetricFamily, MetricType};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::health::readiness;
use super::metrics;
use super::routes::{self, Page};
use super::state::State;

/// All of it in one file: styles, script, and no picture but those that the script draws.
const PAGE: &str = include_str!("page.html");
/// What the page has of its own may run, told by its hash, and ask this server. Nothing may be fetched from elsewhere, sent
/// elsewhere, or show the page in a frame.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = |element: &str| {
        let inner = PAGE
            .split_once(&format!("<{element}>"))
            .and_then(|(_, rest)| rest.split_once(&format!("</{element}>")));
        BASE64_STANDARD.encode(Sha256::digest(inner.map_or("", |(inner, _)| inner)))
    };
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; img-src data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash("script"),
        hash("style")
    );
    // Without a policy that can be written nothing of the page may run.
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// The page.
pub(super) fn page() -> Page {
    let mut page = routes::page(StatusCode::OK, "text/html; charset=utf-8", PAGE);
    let headers = page.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    page
}

/// The figures.
pub(super) fn figures(state: &State) -> Page {
    let (is_ready, condition) = readiness(state);
    let shared = state.shared().ok();
    let peers = shared.as_ref().map(|shared| shared.node.replication.statuses()).unwrap_or_default();
    let peers = peers.iter().map(|peer| {
        json!({
            "host": peer.host,
            "role": peer.role.to_string(),
            "sid": peer.sid,
            "state": peer.state.to_string(),
            "lag_bytes": peer.lag_bytes,
            "lag_seconds": peer.lag_seconds,
            "agrees": peer.agrees.to_string(),
            "error": peer.error,
            "full_sync_percent": peer.full_sync.map(|sync| sync.percent),
        })
    });
    let peers: Vec<Value> = peers.collect();
    let status = json!({
        "host": std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim(),
        "pid": std::process::id(),
        "version": env!("CARGO_PKG_VERSION"),
        "database": state.database,
        "log_level": state.logging.levels().to_string(),
        "ready": is_ready,
        "condition": condition,
        "disk_full": shared.as_ref().and_then(|shared| shared.node.store.full()),
        "peers": peers,
        "metrics": metrics::families(state).iter().map(family).collect::<BTreeMap<_, _>>(),
    });
    routes::page(StatusCode::OK, "application/json", status.to_string())
}

/// A metric as its name and a list of its values, an object each.
fn family(family: &MetricFamily) -> (&str, Value) {
    let kind = family.get_field_type();
    (family.name(), family.get_metric().iter().map(|metric| value(kind, metric)).collect())
}

fn value(kind: MetricType, metric: &Metric) -> Value {
    let label = |pair: &LabelPair| (pair.name().to_owned(), Value::from(pair.value()));
    let mut members: serde_json::Map<_, _> = metric.get_label().iter().map(label).collect();
    match kind {
        MetricType::HISTOGRAM => {
            let times = metric.get_histogram();
            let bucket =
                |bucket: &prometheus::proto::Bucket| json!([bucket.upper_bound(), bucket.cumulative_count()]);
            members.insert("count".to_owned(), times.get_sample_count().into());
            members.insert("sum".to_owned(), times.get_sample_sum().into());
            members.insert("buckets".to_owned(), times.get_bucket().iter().map(bucket).collect());
        }
        MetricType::COUNTER => {
            _ = members.insert("value".to_owned(), metric.get_counter().get_value().into())
        }
        _ => _ = members.insert("value".to_owned(), metric.get_gauge().get_value().into()),
    }
    Value::Object(members)
}
