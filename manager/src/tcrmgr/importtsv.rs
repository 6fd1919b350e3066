//! `importtsv`: records from lines of text, key and value with a TAB between.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};

use clap::Args;
use lightcloud::tyrant::{Answer, Request, Server};

use super::failed::{Code, Failed};
use super::text;
use super::tool::{Host, Patience, Tool, bytes};

/// Bytes of records that are sent before answers are waited for.
const BATCH: usize = 1 << 20;
/// Records between two dots, and in a line of them.
const DOT: u64 = 100;
const LINE: u64 = 5000;
/// The longest line, in bytes: no key or value is longer than 256 MiB.
const MAX_LINE: usize = 2 * (256 << 20) + 1;

/// Stores records from lines of text: a key, a TAB, a value
#[derive(Debug, Args)]
pub struct ImportTsv {
    /// Does not wait for the node to store them
    #[arg(long)]
    nr: bool,
    /// Makes the letters A to Z of keys small
    #[arg(long)]
    sc: bool,
    /// This character stands for NUL in values; \t, \n and \r are understood
    #[arg(long, value_name = "CHR", allow_hyphen_values = true)]
    sep: Option<OsString>,
    #[command(flatten)]
    host: Host,
    /// The file; standard input unless given
    file: Option<OsString>,
}

impl ImportTsv {
    pub async fn run(&self, tool: &Tool, out: &mut impl Write) -> Result<(), Failed> {
        let input: Box<dyn BufRead> = match &self.file {
            Some(path) => {
                let shown = path.display();
                Box::new(BufReader::new(File::open(path).map_err(|error| {
                    let why = if tool.is_link { String::new() } else { format!(": {error}") };
                    Failed::Bare(format!("{shown}: could not open{why}"))
                })?))
            }
            None => Box::new(io::stdin().lock()),
        };
        let server = self.host.server(tool, Patience::Endless)?;
        // A node that is not there is named before anything is read.
        server.rnum().await?;
        let mut count = Count { stored: 0, out };
        let outcome = self.import(Lines { input, number: 0 }, &server, &mut count).await;
        writeln!(count.out, " ({:08})", count.stored)?;
        outcome
    }

    async fn import(
        &self,
        mut lines: Lines<impl BufRead>,
        server: &Server,
        count: &mut Count<'_, impl Write>,
    ) -> Result<(), Failed> {
        let separator = self.sep.as_ref().map(|sep| text::separator(bytes(sep)));
        let mut batch = Vec::new();
        let mut size = 0;
        loop {
            let line = lines.next()?;
            let is_end = line.is_none();
            if let Some((key, mut value)) = line.and_then(split) {
                let mut key = key;
                if self.sc {
                    key.make_ascii_lowercase();
                }
                if let Some(separator) = separator {
                    value.iter_mut().filter(|byte| **byte == separator).for_each(|byte| *byte = 0);
                }
                // What a record costs beside its bytes.
                size += key.len() + value.len() + 64;
                batch.push((key, value));
            }
            if size >= BATCH || is_end {
                self.store(&batch, server, count).await?;
                batch.clear();
                size = 0;
            }
            if is_end {
                return Ok(());
            }
        }
    }

    async fn store(
        &self,
        batch: &[(Vec<u8>, Vec<u8>)],
        server: &Server,
        count: &mut Count<'_, impl Write>,
    ) -> Result<(), Failed> {
        let mut stored = 0;
        let mut has_failed = false;
        let requests = batch.iter().map(|(key, value)| match self.nr {
            true => Request::PutNr { key, value },
            false => Request::Put { key, value },
        });
        // The last one is answered once all before it were carried out.
        let requests = requests.chain(self.nr.then_some(Request::Rnum));
        let sent = server.pipeline(requests, |_, answer| match answer {
            Answer::Success if !has_failed => stored += 1,
            Answer::Count(_) => stored = batch.len(),
            _ => has_failed = true,
        });
        let sent = sent.await;
        (0..stored).try_for_each(|_| count.one())?;
        count.out.flush()?;
        sent?;
        if has_failed {
            let key = batch.get(stored).map(|(key, _)| String::from_utf8_lossy(key).into_owned());
            let detail =
                key.map(|key| format!("{}: {key:?} was not stored: its log says why", server.address()));
            return Err(Failed::Code(Code::Other, detail));
        }
        Ok(())
    }
}

/// Key and value of a line; none where it has no TAB.
fn split(mut line: Vec<u8>) -> Option<(Vec<u8>, Vec<u8>)> {
    let tab = line.iter().position(|&byte| byte == b'\t')?;
    let value = line.split_off(tab + 1);
    line.truncate(tab);
    Some((line, value))
}

/// Records that were stored, shown as tcrmgr does: a dot for each hundred once there is one more.
struct Count<'c, W> {
    stored: u64,
    out: &'c mut W,
}

impl<W: Write> Count<'_, W> {
    fn one(&mut self) -> io::Result<()> {
        if self.stored > 0 && self.stored.is_multiple_of(DOT) {
            self.out.write_all(b".")?;
            if self.stored.is_multiple_of(LINE) {
                writeln!(self.out, " ({:08})", self.stored)?;
            }
        }
        self.stored += 1;
        Ok(())
    }
}

/// Lines that end with LF or CR, without their NULs.
struct Lines<R> {
    input: R,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self) -> Result<Option<Vec<u8>>, Failed> {
        let mut line = Vec::new();
        self.number += 1;
        loop {
            let read = match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read,
            };
            let chunk = read.map_err(|error| Failed::Text(format!("line {}: {error}", self.number)))?;
            if chunk.is_empty() {
                return Ok(if line.is_empty() { None } else { Some(line) });
            }
            let end = chunk.iter().position(|&byte| matches!(byte, b'\n' | b'\r'));
            let part = &chunk[..end.unwrap_or(chunk.len())];
            line.extend(part.iter().filter(|&&byte| byte != 0));
            let used = part.len() + usize::from(end.is_some());
            self.input.consume(used);
            if end.is_some() {
                return Ok(Some(line));
            }
            if line.len() > MAX_LINE {
                let why =
                    format!("line {} is longer than {MAX_LINE} bytes, more than any record", self.number);
                return Err(Failed::Text(why));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8], buffer: usize) -> Vec<Vec<u8>> {
        let mut lines = Lines { input: BufReader::with_capacity(buffer, text), number: 0 };
        std::iter::from_fn(|| lines.next().unwrap()).collect()
    }

    #[test]
    fn lines_end_with_either_and_have_no_nul() {
        for buffer in [1, 2, 7, 100] {
            let all = lines(b"a\tb\n\r\nc\0\td\0\0e\rlast", buffer);
            assert_eq!(all, [&b"a\tb"[..], b"", b"", b"c\tde", b"last"], "{buffer}");
        }
    }

    #[test]
    fn dots_come_with_the_record_behind_a_hundred() {
        for (records, expected) in [
            (0, String::new()),
            (100, String::new()),
            (101, ".".to_owned()),
            (5000, ".".repeat(49)),
            (5001, format!("{} (00005000)\n", ".".repeat(50))),
        ] {
            let mut out = Vec::new();
            let mut count = Count { stored: 0, out: &mut out };
            (0..records).for_each(|_| count.one().unwrap());
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{records}");
        }
    }
}
