//! `repl`: the changes of a node, as they come.

use std::io::Write;

use clap::Args;
use lightcloud::tyrant::update_log::Entry as FileEntry;
use lightcloud::tyrant::{Entry, NO_SERVER};

use super::failed::Failed;
use super::text;
use super::tool::{Host, Patience, Tool};

/// Shows the changes of a node, those in its update log and new ones as they come
#[derive(Debug, Args)]
pub struct Repl {
    /// From this time on: microseconds since 1970, or now
    #[arg(long, value_name = "NUM", allow_hyphen_values = true)]
    ts: Option<String>,
    /// Without those of this server
    #[arg(long, value_name = "NUM", allow_hyphen_values = true)]
    sid: Option<String>,
    /// One a line: time, origin:master, command, hex; else as they are in the files of an update log
    #[arg(long)]
    ph: bool,
    #[command(flatten)]
    host: Host,
}

impl Repl {
    pub async fn run(&self, tool: &Tool, out: &mut impl Write) -> Result<(), Failed> {
        let ts = self.ts.as_ref().map_or(Ok(0), |ts| text::time_stamp(tool, ts))?;
        let sid = self.sid.as_ref().map_or(Ok(NO_SERVER), |sid| text::natural(tool, sid))?;
        let sid = if sid == 0 { NO_SERVER } else { sid };
        let server = self.host.server(tool, Patience::Short)?;
        let mut stream = server.replicate(ts, sid).await.map_err(|error| {
            let why = if tool.is_link { String::new() } else { format!(": {}", error.kind) };
            let address = match &error.address {
                lightcloud::Address::Unix(path) => format!("{}:0", path.display()),
                address => address.to_string(),
            };
            Failed::Text(format!("{address} could not be connected{why}"))
        })?;
        let master = stream.sid();
        loop {
            let entry = stream.next().await?;
            if let Some(entry) = &entry {
                self.show(entry, master, out)?;
            }
            // Nothing that came is held back while nothing comes.
            if entry.is_none() || !stream.has_more() {
                out.flush()?;
            }
        }
    }

    fn show(&self, entry: &Entry, master: u32, out: &mut impl Write) -> Result<(), Failed> {
        let (ts, sid, block) = (entry.ts, entry.sid, &entry.block[..]);
        if self.ph {
            write!(out, "{ts}\t{sid}:{master}\t")?;
            match block {
                [_, id, ..] => {
                    let name = lightcloud::tyrant::Command::from_id(*id).map_or("(unknown)", |c| c.name());
                    write!(out, "{name}\t")?;
                    text::write_hex(out, block)?;
                    out.write_all(b"\n")?;
                }
                _ => out.write_all(b"[broken entry]\n")?,
            }
            return Ok(());
        }
        // Of the id 16 bits are used.
        let mid = u16::try_from(master & 0xFFFF).unwrap_or_default();
        let mut bytes = Vec::new();
        FileEntry { ts, sid, mid, block }.encode(&mut bytes);
        Ok(out.write_all(&bytes)?)
    }
}
