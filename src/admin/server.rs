//! The HTTP server under the pages: its thread, its connections, and what bounds them.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::pin::pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};

use super::routes::{self, Page, text};
use super::state::State;

/// Connections at once; others wait to be accepted.
const CONNECTIONS: usize = 64;
/// Bytes of a request's body.
pub(super) const BODY: usize = 4 << 10;
/// How long a connection may be idle, or take for the head of a request; and how long for its body.
const PATIENCE: Duration = Duration::from_secs(10);
/// A connection is ended after this time, once the request at hand has been answered ...
const LIFE: Duration = Duration::from_secs(60);
/// ... which it may take so long for, so that a client that does not take replies does not stay.
const LAST: Duration = Duration::from_secs(5);
/// Bytes of the head of a request.
const HEAD: usize = 16 << 10;
/// How long accepting pauses when the system has no descriptor left.
const PAUSE: Duration = Duration::from_millis(100);

/// Starts the thread that serves `listener` until `stopped`.
pub(super) fn start(
    listener: TcpListener,
    state: Arc<State>,
    stopped: oneshot::Receiver<()>,
) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = {
        let _guard = runtime.enter();
        tokio::net::TcpListener::from_std(listener)?
    };
    std::thread::Builder::new().name("admin".to_owned()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                () = accept(&listener, &state) => {}
                // Ends when told to, or when nobody can tell it any more.
                _ = stopped => {}
            }
        });
    })
}

async fn accept(listener: &tokio::net::TcpListener, state: &Arc<State>) {
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // Never closed.
        let Ok(place) = Arc::clone(&free).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let state = Arc::clone(state);
                tokio::spawn(async move {
                    serve(stream, &state).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::error!("admin server: cannot accept a connection: {error}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Serves one connection to its end.
async fn serve(stream: TcpStream, state: &Arc<State>) {
    let service = service_fn(|request| async { Ok::<_, Infallible>(answer(state, request).await) });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::time::timeout(LIFE, connection.as_mut()).await;
    let ended = match ended {
        Ok(ended) => ended,
        Err(_) => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(LAST, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!("admin server: a connection ended: {error}");
    }
}

async fn answer(state: &State, request: Request<Incoming>) -> Page {
    let (head, body) = request.into_parts();
    if body.size_hint().lower() > BODY as u64 {
        return too_large();
    }
    match tokio::time::timeout(PATIENCE, Limited::new(body, BODY).collect()).await {
        Ok(Ok(body)) => routes::answer(state, &head, &body.to_bytes()),
        // It has more, or was cut off.
        Ok(Err(_)) => too_large(),
        Err(_) => closing(text(StatusCode::REQUEST_TIMEOUT, "the body of the request did not come")),
    }
}

fn too_large() -> Page {
    closing(text(StatusCode::PAYLOAD_TOO_LARGE, &format!("at most {BODY} bytes of body")))
}

/// The connection ends with it: where the next request begins is not known.
fn closing(mut page: Page) -> Page {
    page.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    page
}
