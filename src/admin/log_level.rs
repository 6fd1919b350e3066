//! `/log-level`: which lines the log shows, and others from now on.
//!
//! ```text
//! curl http://127.0.0.1:9178/log-level
//! curl -X PUT -d info,replication=debug http://127.0.0.1:9178/log-level
//! ```
//!
//! Changes are made by PUT alone, which no page of another site can send from the browser of somebody who reaches this
//! address: browsers ask first, by OPTIONS, and nothing here answers yes. A site whose name was made to mean this address after its
//! page was loaded would be no other site to the browser, so what a PUT calls this server must be no name but `localhost` and the one
//! given to `--admin`.

use std::net::{IpAddr, Ipv6Addr};

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::HOST;
use hyper::http::request::Parts;
use hyper::http::uri::Authority;

use super::routes::{Page, text};
use super::state::State;

/// The levels that hold.
pub(super) fn get(state: &State) -> Page {
    text(StatusCode::OK, &state.logging.levels().to_string())
}

/// Shows lines of the levels that the body says, as `--log-level` has them, until the node ends or SIGUSR1 comes.
pub(super) fn put(state: &State, request: &Parts, body: &Bytes) -> Page {
    if !calls_it_by_its_name(request, &state.host) {
        let why = "the Host of a PUT must be an address, localhost or the host given to --admin";
        return text(StatusCode::FORBIDDEN, why);
    }
    let Ok(levels) = std::str::from_utf8(body) else {
        return text(StatusCode::BAD_REQUEST, "the body must be levels, such as info,replication=debug");
    };
    match state.logging.set_levels(levels.trim(), "the admin server") {
        Ok(levels) => text(StatusCode::OK, &levels.to_string()),
        Err(error) => text(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

fn calls_it_by_its_name(request: &Parts, own: &str) -> bool {
    let Some(host) = request.headers.get(HOST).and_then(|host| host.to_str().ok()) else { return false };
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let host = authority.host();
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    host.parse::<IpAddr>().is_ok()
        || inner.is_some_and(|host| host.parse::<Ipv6Addr>().is_ok())
        || host.eq_ignore_ascii_case("localhost")
        || host.eq_ignore_ascii_case(own)
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    #[test]
    fn names_that_a_put_may_call_it_by() {
        let called = |host: &str| {
            let request = Request::put("/log-level").header(HOST, host).body(()).unwrap();
            calls_it_by_its_name(&request.into_parts().0, "node7.example")
        };
        for host in [
            "127.0.0.1:9178",
            "10.1.2.3",
            "[::1]:9178",
            "localhost",
            "LOCALHOST:1",
            "node7.example:9178",
            "Node7.Example",
        ] {
            assert!(called(host), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example:9178",
            "127.0.0.1.evil.example",
            "",
            "node8.example",
            "[x]",
        ] {
            assert!(!called(host), "{host}");
        }
        let without = Request::put("/log-level").body(()).unwrap();
        assert!(!calls_it_by_its_name(&without.into_parts().0, "node7.example"));
    }
}
