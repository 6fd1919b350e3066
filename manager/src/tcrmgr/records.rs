//! `put`, `out`, `get`, `mget`: records by their keys.

use std::ffi::OsString;
use std::io::{self, Write};

use clap::Args;
use lightcloud::tyrant::Answer;

use super::failed::{Code, Failed};
use super::text::{self, Style};
use super::tool::{Host, Patience, Tool, bytes};

/// How keys and values are typed.
#[derive(Debug, Args)]
pub struct Typed {
    /// Keys, values and arguments are typed as hex
    #[arg(long)]
    sx: bool,
    /// This character stands for NUL in what is typed and shown; \t, \n and \r are understood
    #[arg(long, value_name = "CHR", allow_hyphen_values = true)]
    sep: Option<OsString>,
}

impl Typed {
    /// The style, with the output in hex or not.
    pub fn style(&self, hex_out: bool) -> Style {
        Style {
            hex_in: self.sx,
            hex_out,
            separator: self.sep.as_ref().map(|sep| text::separator(bytes(sep))),
        }
    }
}

/// Stores a record
#[derive(Debug, Args)]
pub struct Put {
    #[command(flatten)]
    typed: Typed,
    /// Only if the key does not exist
    #[arg(long, overrides_with_all = ["dc", "ds", "dai", "dad"])]
    dk: bool,
    /// Appends to the value
    #[arg(long, overrides_with_all = ["dk", "ds", "dai", "dad"])]
    dc: bool,
    /// Appends to the value and keeps its last NUM bytes
    #[arg(long, value_name = "NUM", allow_hyphen_values = true, overrides_with_all = ["dk", "dc", "dai", "dad"])]
    ds: Option<String>,
    /// Adds VALUE, a whole number, to an integer of 4 bytes and prints the sum
    #[arg(long, overrides_with_all = ["dk", "dc", "ds", "dad"])]
    dai: bool,
    /// Adds VALUE to a floating-point number and prints the sum
    #[arg(long, overrides_with_all = ["dk", "dc", "ds", "dai"])]
    dad: bool,
    #[command(flatten)]
    host: Host,
    key: OsString,
    value: OsString,
}

impl Put {
    pub async fn run(&self, tool: &Tool, out: &mut impl Write) -> Result<(), Failed> {
        let style = self.typed.style(false);
        let key = &style.read(tool, bytes(&self.key))?;
        let number = self.value.to_string_lossy();
        let server = self.host.server(tool, Patience::Short)?;
        if self.dai {
            let sum = server.add_int(key, text::int(tool, &number)?).await?;
            writeln!(out, "{}", sum.ok_or(Code::Exists)?)?;
            return Ok(());
        }
        if self.dad {
            let sum = server.add_double(key, text::double(tool, &number)?).await?;
            writeln!(out, "{:.6}", sum.ok_or(Code::Exists)?)?;
            return Ok(());
        }
        let value = &style.read(tool, bytes(&self.value))?;
        if self.dk {
            let stored = server.put_keep(key, value).await?;
            return if stored { Ok(()) } else { Err(Code::Exists.into()) };
        }
        if self.dc {
            server.put_cat(key, value).await?;
        } else if let Some(width) = &self.ds {
            match text::whole(tool, width)? {
                // Which is what tcrmgr makes of it.
                ..0 if tool.is_link => server.put(key, value).await?,
                _ => server.put_shl(key, value, text::natural(tool, width)?).await?,
            }
        } else {
            server.put(key, value).await?;
        }
        Ok(())
    }
}

/// Removes a record
#[derive(Debug, Args)]
pub struct Out {
    #[command(flatten)]
    typed: Typed,
    #[command(flatten)]
    host: Host,
    key: OsString,
}

impl Out {
    pub async fn run(&self, tool: &Tool) -> Result<(), Failed> {
        let key = self.typed.style(false).read(tool, bytes(&self.key))?;
        let was_there = self.host.server(tool, Patience::Short)?.out(&key).await?;
        if was_there { Ok(()) } else { Err(Code::Missing.into()) }
    }
}

/// How a value is shown.
#[derive(Debug, Args)]
pub struct Shown {
    /// Shows it as hex
    #[arg(long)]
    px: bool,
    /// Ends it without a new line
    #[arg(long)]
    pz: bool,
}

impl Shown {
    /// Whether it is shown as hex.
    pub fn as_hex(&self) -> bool {
        self.px
    }

    /// Shows a value.
    pub fn write(&self, style: Style, value: &[u8], out: &mut impl Write) -> io::Result<()> {
        style.write(out, value)?;
        if self.pz { Ok(()) } else { out.write_all(b"\n") }
    }
}

/// Shows the value of a record
#[derive(Debug, Args)]
pub struct Get {
    #[command(flatten)]
    typed: Typed,
    #[command(flatten)]
    shown: Shown,
    #[command(flatten)]
    host: Host,
    key: OsString,
}

impl Get {
    pub async fn run(&self, tool: &Tool, out: &mut impl Write) -> Result<(), Failed> {
        let style = self.typed.style(self.shown.as_hex());
        let key = style.read(tool, bytes(&self.key))?;
        let value = self.host.server(tool, Patience::Short)?.get(&key).await?;
        Ok(self.shown.write(style, &value.ok_or(Code::Missing)?, out)?)
    }
}

/// Shows records of several keys
#[derive(Debug, Args)]
pub struct Mget {
    #[command(flatten)]
    typed: Typed,
    /// Shows them as hex
    #[arg(long)]
    px: bool,
    #[command(flatten)]
    host: Host,
    #[arg(value_name = "KEY")]
    keys: Vec<OsString>,
}

impl Mget {
    pub async fn run(&self, tool: &Tool, out: &mut impl Write) -> Result<(), Failed> {
        let style = self.typed.style(self.px);
        let keys = self.keys.iter().map(|key| style.read(tool, bytes(key))).collect::<Result<Vec<_>, _>>()?;
        let server = self.host.server(tool, Patience::Short)?;
        for (key, value) in server.mget(keys.iter().map(Vec::as_slice)).await? {
            write_record(style, &key, Some(&value), out)?;
        }
        Ok(())
    }
}

/// Shows a key, and behind a TAB a value if there is one to show.
pub fn write_record(style: Style, key: &[u8], value: Option<&[u8]>, out: &mut impl Write) -> io::Result<()> {
    style.write(out, key)?;
    if let Some(value) = value {
        out.write_all(b"\t")?;
        style.write(out, value)?;
    }
    out.write_all(b"\n")
}

/// What a value is, where there is one.
pub fn value_of(answer: Answer<'_>) -> Option<Option<&[u8]>> {
    match answer {
        Answer::Value(value) => Some(Some(value)),
        Answer::Failure => Some(None),
        _ => None,
    }
}
