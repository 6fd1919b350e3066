//! Which page is where.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};

use super::state::State;
use super::{health, log_level, metrics, status};

/// What a page answers.
pub(super) type Page = Response<Full<Bytes>>;

/// The answer to a request. `body` is what came with it, at most [`super::server::BODY`] bytes. Of HEAD the caller
/// sends the headers only.
pub(super) fn answer(state: &State, request: &Parts, body: &Bytes) -> Page {
    let method = if request.method == Method::HEAD { &Method::GET } else { &request.method };
    match (method, request.uri.path()) {
        (&Method::GET, "/") => status::page(),
        (&Method::GET, "/status.json") => status::figures(state),
        (&Method::GET, "/health") => health::health(state),
        (&Method::GET, "/ready") => health::ready(state),
        (&Method::GET, "/metrics") => metrics::metrics(state),
        (&Method::GET, "/log-level") => log_level::get(state),
        (&Method::PUT, "/log-level") => log_level::put(state, request, body),
        (_, "/log-level") => not_allowed("GET, HEAD, PUT"),
        (_, "/" | "/status.json" | "/metrics" | "/health" | "/ready") => not_allowed("GET, HEAD"),
        _ => {
            let there = "not found; there are /, /status.json, /metrics, /health, /ready and /log-level";
            text(StatusCode::NOT_FOUND, there)
        }
    }
}

/// A page that exists, asked for in a way that it does not know.
pub(super) fn not_allowed(allowed: &'static str) -> Page {
    let mut page = text(StatusCode::METHOD_NOT_ALLOWED, &format!("not allowed; this page knows {allowed}"));
    page.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    page
}

/// A page of one line of text.
pub(super) fn text(status: StatusCode, line: &str) -> Page {
    page(status, "text/plain; charset=utf-8", format!("{line}\n"))
}

/// A page of any type.
pub(super) fn page(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Page {
    let mut page = Response::new(Full::new(body.into()));
    *page.status_mut() = status;
    let headers = page.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    page
}
