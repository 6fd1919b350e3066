//! `list`: the keys of a node.
//!
//! Without a prefix they come from the iterator of the node, a batch of requests at a time, so that neither side has
//! to hold them all. With one the node is asked for all at once; where that is more than it is well to hold, they are
//! taken from the iterator here too. The iterator is the one that all clients of a node share: where two of them list
//! at the same time, each gets a part of the keys.

use std::ffi::OsString;
use std::io::{self, Write};

use clap::Args;
use lightcloud::tyrant::{Answer, ErrorKind, Request, Server, ServerOptions};

use super::failed::Failed;
use super::records::{value_of, write_record};
use super::text::{self, Style};
use super::tool::{Host, Patience, Tool, bytes};

/// Keys that are asked for at once.
const BATCH: u64 = 256;
/// The longest list that a node is asked for at once, in bytes.
const MAX_LIST: usize = 64 << 20;

/// Lists keys
#[derive(Debug, Args)]
pub struct List {
    /// This character stands for NUL in what is shown; \t, \n and \r are understood
    #[arg(long, value_name = "CHR", allow_hyphen_values = true)]
    sep: Option<OsString>,
    /// At most so many; below zero all
    #[arg(long, value_name = "NUM", allow_hyphen_values = true)]
    m: Option<String>,
    /// Shows the values too, behind a TAB
    #[arg(long)]
    pv: bool,
    /// Shows them as hex
    #[arg(long)]
    px: bool,
    /// Only keys that begin so
    #[arg(long, value_name = "STR", allow_hyphen_values = true)]
    fm: Option<OsString>,
    #[command(flatten)]
    host: Host,
}

impl List {
    pub async fn run(&self, tool: &Tool, out: &mut impl Write) -> Result<(), Failed> {
        let separator = self.sep.as_ref().map(|sep| text::separator(bytes(sep)));
        let style = Style { hex_in: false, hex_out: self.px, separator };
        let max = self.m.as_ref().map(|max| text::whole(tool, max)).transpose()?;
        let max = max.and_then(|max| u64::try_from(max).ok());
        let address = self.host.address(tool)?;
        let options = self.host.server(tool, Patience::Endless)?.options().clone();
        let server = Server::new(address, ServerOptions { max_reply: MAX_LIST, ..options });
        let mut lines = Lines { server: &server, style, with_values: self.pv, out };
        let Some(prefix) = &self.fm else {
            // The first key is shown before anything is counted, as tcrmgr does.
            return lines.iterate(b"", max.map(|max| max.max(1))).await;
        };
        let prefix = bytes(prefix);
        match lines.matching(prefix, max).await {
            Err(Listing::TooLong) => lines.iterate(prefix, max).await,
            Err(Listing::Failed(failed)) => Err(failed),
            Ok(()) => Ok(()),
        }
    }
}

/// Why there is no list of what begins with something.
enum Listing {
    TooLong,
    Failed(Failed),
}

struct Lines<'l, W> {
    server: &'l Server,
    style: Style,
    with_values: bool,
    out: &'l mut W,
}

impl<W: Write> Lines<'_, W> {
    /// Keys from the iterator that begin with `prefix`.
    async fn iterate(&mut self, prefix: &[u8], max: Option<u64>) -> Result<(), Failed> {
        let mut left = max.unwrap_or(u64::MAX);
        self.server.iter_init().await?;
        let mut is_end = false;
        while left > 0 && !is_end {
            // Where all keys count, none is taken from the iterator that is not shown.
            let size = if prefix.is_empty() { left.min(BATCH) } else { BATCH };
            let mut keys = Vec::new();
            let next = (0..size).map(|_| Request::IterNext);
            self.server
                .pipeline(next, |_, answer| match answer {
                    Answer::Value(key) if key.starts_with(prefix) => keys.push(key.to_vec()),
                    Answer::Value(_) => {}
                    _ => is_end = true,
                })
                .await?;
            keys.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            left -= keys.len() as u64;
            self.show(&keys).await?;
        }
        Ok(())
    }

    /// Keys that the node finds itself.
    async fn matching(&mut self, prefix: &[u8], max: Option<u64>) -> Result<(), Listing> {
        let max = max.and_then(|max| u32::try_from(max).ok());
        let keys = self.server.fwmkeys(prefix, max).await.map_err(|error| match error.kind {
            ErrorKind::TooLong(_) => Listing::TooLong,
            _ => Listing::Failed(error.into()),
        })?;
        for keys in keys.chunks(BATCH as usize) {
            self.show(keys).await.map_err(Listing::Failed)?;
        }
        Ok(())
    }

    async fn show(&mut self, keys: &[impl AsRef<[u8]>]) -> Result<(), Failed> {
        let style = self.style;
        if !self.with_values {
            return Ok(keys.iter().try_for_each(|key| write_record(style, key.as_ref(), None, self.out))?);
        }
        let mut shown: io::Result<()> = Ok(());
        let mut following = keys.iter();
        let gets = keys.iter().map(|key| Request::Get { key: key.as_ref() });
        let take = |_, answer: Answer<'_>| {
            let key = following.next();
            // What was removed since is left out.
            if let (Ok(()), Some(key), Some(Some(value))) = (&shown, key, value_of(answer)) {
                shown = write_record(style, key.as_ref(), Some(value), self.out);
            }
        };
        self.server.pipeline(gets, take).await?;
        Ok(shown?)
    }
}
