//! `http`: fetches a page, to see what a node says to the HTTP protocol.

use std::ffi::OsString;
use std::io::Write;
use std::time::Duration;

use clap::Args;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, HeaderName, HeaderValue};
use hyper::{Request, Response, Uri, Version};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::failed::Failed;
use super::tool::{Tool, bytes};

/// The longest that a server may take to be there, and to say something.
const SILENCE: Duration = Duration::from_secs(60);

/// Fetches a page by HTTP
#[derive(Debug, Args)]
pub struct Http {
    /// Sends a header
    #[arg(long, num_args = 2, value_names = ["NAME", "VALUE"], allow_hyphen_values = true, action = clap::ArgAction::Append)]
    ah: Vec<OsString>,
    /// Shows the status and the headers first
    #[arg(long)]
    ih: bool,
    /// The page: http://HOST:PORT/PATH
    url: String,
}

impl Http {
    pub async fn run(&self, tool: &Tool, out: &mut impl Write) -> Result<(), Failed> {
        let failed = |why: String| {
            let why = if tool.is_link { String::new() } else { format!(": {why}") };
            Failed::Text(format!("{}: could not be connected{why}", self.url))
        };
        let response = timeout(SILENCE, self.fetch()).await.map_err(|_| "nothing came in time".to_owned());
        let response = response.and_then(|response| response).map_err(failed)?;
        if self.ih {
            write_head(&response, out)?;
        }
        let mut body = response.into_body();
        loop {
            let frame =
                timeout(SILENCE, body.frame()).await.map_err(|_| failed("it fell silent".to_owned()))?;
            match frame {
                None => return Ok(()),
                Some(Err(error)) => return Err(failed(error.to_string())),
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        out.write_all(data)?;
                    }
                }
            }
        }
    }

    async fn fetch(&self) -> Result<Response<Incoming>, String> {
        // What stands behind # is the reader's; a space is no character of an address.
        let url = self.url.split('#').next().unwrap_or_default().replace(' ', "%20");
        let uri: Uri = url.parse().map_err(|error| format!("it is no address: {error}"))?;
        let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http"));
        let authority = authority.ok_or("give http://HOST:PORT/PATH")?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let port = authority.port_u16().unwrap_or(80);
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let host_header = authority.as_str().rsplit('@').next().unwrap_or_default();
        let mut request = Request::get(path).header(HOST, host_header).header(CONNECTION, "close");
        for pair in self.ah.as_chunks::<2>().0 {
            let [name, value] = pair.each_ref().map(|word| bytes(word));
            let name = HeaderName::from_bytes(name).map_err(|error| format!("-ah: {error}"))?;
            let value = HeaderValue::from_bytes(value).map_err(|error| format!("-ah {name}: {error}"))?;
            request = request.header(name, value);
        }
        let request = request.body(Empty::<Bytes>::new()).map_err(|error| error.to_string())?;
        let stream = TcpStream::connect((host, port)).await.map_err(|error| error.to_string())?;
        let handshake = http1::Builder::new().title_case_headers(true).handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| error.to_string())?;
        // It ends with the response, or with this program.
        tokio::spawn(connection);
        sender.send_request(request).await.map_err(|error| error.to_string())
    }
}

fn write_head(response: &Response<Incoming>, out: &mut impl Write) -> Result<(), Failed> {
    let version = if response.version() == Version::HTTP_10 { "HTTP/1.0" } else { "HTTP/1.1" };
    let own = response.extensions().get::<hyper::ext::ReasonPhrase>();
    let reason = own.map(hyper::ext::ReasonPhrase::as_bytes);
    let reason = reason.or(response.status().canonical_reason().map(str::as_bytes)).unwrap_or_default();
    write!(out, "{version} {} ", response.status().as_u16())?;
    out.write_all(reason)?;
    out.write_all(b"\n")?;
    for (name, value) in response.headers() {
        write!(out, "{}: ", capitalised(name.as_str()))?;
        out.write_all(value.as_bytes())?;
        out.write_all(b"\n")?;
    }
    Ok(out.write_all(b"\n")?)
}

/// Each word with a capital letter: `Content-Length`.
fn capitalised(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let mut word = word.to_owned();
        if let Some(first) = word.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        word
    });
    words.collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_headers_are_capitalised() {
        for (name, shown) in [("content-length", "Content-Length"), ("etag", "Etag"), ("x--a", "X--A")] {
            assert_eq!(capitalised(name), shown);
        }
    }
}
