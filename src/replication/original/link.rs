//! The dialect over a connection. Both ways block their thread while the store works, so each has one of its
//! own.

use std::future::poll_fn;
use std::io;
use std::time::Duration;

use lcnode_storage::Position;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::feed::Feed;
use super::pull::{End, Pull, SILENCE};

/// Between two bytes that keep a stream alive.
const BEAT: Duration = Duration::from_secs(1);
/// Bytes of log that are passed on at once.
const CHUNK: usize = 256 << 10;

/// Follows an original server over an open connection, until that is of no use any more. `told` is called after
/// each thing that came.
pub async fn follow<S>(mut stream: S, pull: &mut Pull, mut told: impl FnMut(&Pull)) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if let Err(error) = stream.write_all(&pull.hello()).await {
        return End::Failed(format!("cannot ask for its changes: {error}"));
    }
    let mut buffer = vec![0; 64 << 10];
    loop {
        let size = match timeout(SILENCE, stream.read(&mut buffer)).await {
            Err(_) => return End::Failed(format!("not a byte for {} s", SILENCE.as_secs())),
            Ok(Err(error)) => return End::Failed(format!("cannot read: {error}")),
            Ok(Ok(0)) if pull.figures().sid == 0 => return End::Failed(REFUSED.to_owned()),
            Ok(Ok(0)) => return End::Failed("the master closed the connection".to_owned()),
            Ok(Ok(size)) => size,
        };
        if let Err(end) = pull.take(&buffer[..size]) {
            return end;
        }
        told(pull);
    }
}

/// What is at the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An original server.
    Original,
    /// An lcnode.
    Lcnode,
    /// One that does not tell, as `misc` is masked there.
    Unclear,
}

/// The function of `misc` that only an lcnode has.
const PROBE: &[u8] = b"lcnode";
/// The longest answer to it that is read, in bytes.
const MAX_ANSWER: u32 = 1024;

/// Asks a server what it is. It serves this connection as before then, and logs nothing.
pub async fn ask_kind<S>(stream: &mut S) -> io::Result<Kind>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut request = vec![0xC8, 0x90];
    // Its name's length, the option not to log it, no arguments.
    for number in [PROBE.len() as u32, 1, 0] {
        request.extend_from_slice(&number.to_be_bytes());
    }
    request.extend_from_slice(PROBE);
    stream.write_all(&request).await?;
    let result = stream.read_u8().await?;
    let mut fields = stream.read_u32().await?;
    let kind = match (result, fields) {
        (1, 0) => Kind::Original,
        (0, 0) => Kind::Unclear,
        (0, 1..=16) => Kind::Lcnode,
        _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no Tokyo Tyrant")),
    };
    while fields > 0 {
        let size = stream.read_u32().await?;
        if size > MAX_ANSWER {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no Tokyo Tyrant"));
        }
        stream.read_exact(&mut vec![0; size as usize]).await?;
        fields -= 1;
    }
    Ok(kind)
}

/// Why an original may close a connection without a byte.
const REFUSED: &str = "the master refused: it has the same server id as this node, or repl is masked there";

/// Leads a slave over a connection whose request was read, until it ends; says why. `passed` is told how far
/// the log was sent.
pub async fn lead<S>(
    mut stream: S,
    feed: &mut Feed,
    store: &lcnode_storage::Store,
    mut passed: impl FnMut(Position),
) -> String
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut out = Vec::new();
    feed.answer(&mut out);
    let mut beat = Instant::now();
    loop {
        if Instant::now() >= beat {
            feed.beat(&mut out);
            beat = Instant::now() + BEAT;
        }
        let more = match feed.fill(CHUNK, &mut out) {
            Ok(more) => more,
            Err(end) => return end.to_string(),
        };
        if let Err(why) = send(&mut stream, &out).await {
            return why;
        }
        out.clear();
        out.shrink_to(4 * CHUNK);
        passed(feed.position());
        if more {
            continue;
        }
        let end = feed.position();
        let mut byte = [0];
        tokio::select! {
            () = poll_fn(|context| store.poll_appended(end, context)) => {}
            () = tokio::time::sleep_until(beat) => {}
            read = stream.read(&mut byte) => match read {
                Ok(0) => return "the slave closed the connection".to_owned(),
                Ok(_) => return "the slave sent something, which none does".to_owned(),
                Err(error) => return format!("cannot read: {error}"),
            },
        }
    }
}

/// Sends all of it, as long as the slave takes some now and then.
async fn send(stream: &mut (impl AsyncWrite + Unpin), mut bytes: &[u8]) -> Result<(), String> {
    while !bytes.is_empty() {
        match timeout(SILENCE, stream.write(bytes)).await {
            Ok(Ok(0)) => return Err("the slave takes nothing any more".to_owned()),
            Ok(Ok(size)) => bytes = &bytes[size..],
            Ok(Err(error)) => return Err(format!("cannot write: {error}")),
            Err(_) => return Err(format!("the slave took nothing for {} s", SILENCE.as_secs())),
        }
    }
    Ok(())
}
