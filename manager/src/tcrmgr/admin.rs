//! What looks after a node: `inform`, `sync`, `optimize`, `vanish`, `copy`, `restore`, `setmst`, `version`.

use std::ffi::OsString;
use std::io::Write;

use clap::Args;

use super::failed::Failed;
use super::text;
use super::tool::{self, Host, Patience, Tool, bytes};

/// Tells how many records a node has and how large it is
#[derive(Debug, Args)]
pub struct Inform {
    /// Shows all of its state
    #[arg(long)]
    st: bool,
    #[command(flatten)]
    host: Host,
}

impl Inform {
    pub async fn run(&self, tool: &Tool, out: &mut impl Write) -> Result<(), Failed> {
        let server = self.host.server(tool, Patience::Short)?;
        if self.st {
            for (name, value) in server.stat().await? {
                writeln!(out, "{name}\t{value}")?;
            }
            return Ok(());
        }
        writeln!(out, "record number: {}", server.rnum().await?)?;
        Ok(writeln!(out, "file size: {}", server.size().await?)?)
    }
}

/// A command that names a node and nothing else.
#[derive(Debug, Args)]
pub struct Plain {
    #[command(flatten)]
    host: Host,
}

impl Plain {
    /// `sync`.
    pub async fn sync(&self, tool: &Tool) -> Result<(), Failed> {
        Ok(self.host.server(tool, Patience::Endless)?.sync().await?)
    }

    /// `vanish`.
    pub async fn vanish(&self, tool: &Tool) -> Result<(), Failed> {
        Ok(self.host.server(tool, Patience::Endless)?.vanish().await?)
    }
}

/// Reorganises the database of a node
#[derive(Debug, Args)]
pub struct Optimize {
    #[command(flatten)]
    host: Host,
    /// Tuning parameters, as NAME=VALUE joined by #
    params: Option<String>,
}

impl Optimize {
    pub async fn run(&self, tool: &Tool) -> Result<(), Failed> {
        let params = self.params.as_deref().unwrap_or_default();
        Ok(self.host.server(tool, Patience::Endless)?.optimize(params).await?)
    }
}

/// Backs the database of a node up, while it serves
#[derive(Debug, Args)]
pub struct Copy {
    #[command(flatten)]
    host: Host,
    /// Path on the node, or @PROGRAM for a program there
    dpath: OsString,
}

impl Copy {
    pub async fn run(&self, tool: &Tool) -> Result<(), Failed> {
        Ok(self.host.server(tool, Patience::Endless)?.copy(bytes(&self.dpath)).await?)
    }
}

/// Replays update logs of an original server on a node
#[derive(Debug, Args)]
pub struct Restore {
    /// Only changes from this time on: microseconds since 1970, or now
    #[arg(long, value_name = "NUM", allow_hyphen_values = true)]
    ts: Option<String>,
    /// Stops where a change has another outcome than it had
    #[arg(long)]
    rcc: bool,
    #[command(flatten)]
    host: Host,
    /// Directory of the logs, on the node
    upath: OsString,
}

impl Restore {
    pub async fn run(&self, tool: &Tool) -> Result<(), Failed> {
        let ts = self.ts.as_ref().map_or(Ok(0), |ts| text::time_stamp(tool, ts))?;
        let server = self.host.server(tool, Patience::Endless)?;
        Ok(server.restore(bytes(&self.upath), ts, u32::from(self.rcc)).await?)
    }
}

/// Sets the master that a node follows
#[derive(Debug, Args)]
pub struct Setmst {
    /// Port of the master; 1978 unless given
    #[arg(long, value_name = "NUM", allow_hyphen_values = true)]
    mport: Option<String>,
    /// Only changes from this time on: microseconds since 1970, or now
    #[arg(long, value_name = "NUM", allow_hyphen_values = true)]
    ts: Option<String>,
    /// Stops where a change has another outcome than it had
    #[arg(long)]
    rcc: bool,
    #[command(flatten)]
    host: Host,
    /// The master: HOST or HOST:PORT; none, or an empty one, to follow nobody any more
    mhost: Option<String>,
}

impl Setmst {
    pub async fn run(&self, tool: &Tool) -> Result<(), Failed> {
        let ts = self.ts.as_ref().map_or(Ok(0), |ts| text::time_stamp(tool, ts))?;
        let port = self.mport.as_ref().map_or(Ok(1978), |port| text::whole(tool, port))?;
        let (mhost, port) = tool::split(tool, self.mhost.as_deref().unwrap_or_default(), port)?;
        let port = text::natural(tool, &port.to_string())?;
        let server = self.host.server(tool, Patience::Short)?;
        Ok(server.setmst(mhost, port, ts, u32::from(self.rcc)).await?)
    }
}

/// Says which version this is
pub fn version(out: &mut impl Write) -> Result<(), Failed> {
    writeln!(out, "Tokyo Tyrant version 1.1.41 (324:0.91) for Linux")?;
    Ok(writeln!(out, "lcmgr {}, Copyright (C) 2026 the lcnode founders", env!("CARGO_PKG_VERSION"))?)
}
