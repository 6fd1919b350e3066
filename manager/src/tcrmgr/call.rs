//! `ext` and `misc`: functions of scripts and of the database.

use std::ffi::OsString;
use std::io::Write;

use clap::Args;

use super::failed::{Code, Failed};
use super::records::{Shown, Typed};
use super::tool::{Host, Patience, Tool, bytes};

/// Calls a function of the node's scripts
#[derive(Debug, Args)]
pub struct Ext {
    /// Locks the record while the function runs
    #[arg(long)]
    xlr: bool,
    /// Locks all records while the function runs
    #[arg(long)]
    xlg: bool,
    #[command(flatten)]
    typed: Typed,
    #[command(flatten)]
    shown: Shown,
    #[command(flatten)]
    host: Host,
    func: String,
    key: Option<OsString>,
    value: Option<OsString>,
}

impl Ext {
    pub async fn run(&self, tool: &Tool, out: &mut impl Write) -> Result<(), Failed> {
        let style = self.typed.style(self.shown.as_hex());
        let read = |argument: &Option<OsString>| {
            style.read(tool, argument.as_ref().map(|argument| bytes(argument)).unwrap_or_default())
        };
        let (key, value) = (read(&self.key)?, read(&self.value)?);
        let options = u32::from(self.xlr) | u32::from(self.xlg) << 1;
        let server = self.host.server(tool, Patience::Endless)?;
        let result = server.ext(&self.func, options, &key, &value).await?;
        let none =
            || Failed::Code(Code::Other, Some(format!("{} failed there: its log says why", self.func)));
        Ok(self.shown.write(style, &result.ok_or_else(none)?, out)?)
    }
}

/// Calls a function of the database
#[derive(Debug, Args)]
pub struct Misc {
    /// Leaves the call out of the update log
    #[arg(long)]
    mnu: bool,
    #[command(flatten)]
    typed: Typed,
    /// Shows the result as hex
    #[arg(long)]
    px: bool,
    #[command(flatten)]
    host: Host,
    func: String,
    #[arg(value_name = "ARG")]
    args: Vec<OsString>,
}

impl Misc {
    pub async fn run(&self, tool: &Tool, out: &mut impl Write) -> Result<(), Failed> {
        let style = self.typed.style(self.px);
        let args = self.args.iter().map(|arg| style.read(tool, bytes(arg))).collect::<Result<Vec<_>, _>>()?;
        let server = self.host.server(tool, Patience::Endless)?;
        let result = server.misc(&self.func, u32::from(self.mnu), args.iter().map(Vec::as_slice)).await?;
        let none = || Failed::Code(Code::Other, Some(format!("{} failed, or is not there", self.func)));
        for element in result.ok_or_else(none)? {
            style.write(out, &element)?;
            out.write_all(b"\n")?;
        }
        Ok(())
    }
}
