//! One event as one line of text.

use std::fmt::{self, Write};

use jiff::Zoned;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

use super::{SYSTEM, json};
use crate::config::LogForm;

/// The most bytes of a line, with its line feed. What is longer is cut.
pub const MAX_LINE: usize = 8192;

/// Writes an event as a line of one of the forms.
#[derive(Debug)]
pub(super) struct LineFormat(pub(super) LogForm);

impl<S, N> FormatEvent<S, N> for LineFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        match self.0 {
            LogForm::Text => write_event(&mut writer, event),
            LogForm::Json => json::write_event(&mut writer, event),
        }
    }
}

/// Writes `DATE` TAB `LEVEL` TAB `message` LF.
fn write_event(writer: &mut Writer<'_>, event: &Event<'_>) -> fmt::Result {
    write_date(writer, &Zoned::now())?;
    let level = level_name(event.metadata());
    write!(writer, "\t{level}\t")?;
    // The longest head has 25 bytes of date, 6 of level and two tabs.
    let line = Tail { writer: writer.by_ref(), left: MAX_LINE - 25 - level.len() - 2 - 1 };
    let mut fields = Fields { line, written: false };
    event.record(&mut fields);
    fields.line.writer.write_char('\n')
}

/// Local time to the second with its offset, `Z` where that is 0.
pub(super) fn write_date(writer: &mut impl Write, now: &Zoned) -> fmt::Result {
    write!(writer, "{}", now.strftime("%Y-%m-%dT%H:%M:%S"))?;
    let minutes = now.offset().seconds() / 60;
    if minutes == 0 {
        return writer.write_char('Z');
    }
    let sign = if minutes < 0 { '-' } else { '+' };
    let minutes = minutes.unsigned_abs();
    write!(writer, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// The level as it is written.
pub(super) fn level_name(metadata: &Metadata<'_>) -> &'static str {
    if metadata.target() == SYSTEM {
        return "SYSTEM";
    }
    match *metadata.level() {
        Level::ERROR => "ERROR",
        Level::WARN => "WARN",
        Level::INFO => "INFO",
        _ => "DEBUG",
    }
}

/// Writes the message as it is and every other field as ` name=value`.
struct Fields<'a> {
    line: Tail<'a>,
    written: bool,
}

impl Fields<'_> {
    fn write(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        let separator = if std::mem::replace(&mut self.written, true) { " " } else { "" };
        // An error means the line is full, and the rest is cut.
        let _ = match field.name() {
            "message" => write!(self.line, "{separator}{value}"),
            name => write!(self.line, "{separator}{name}={value}"),
        };
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        // Quoted only where a reader could not tell where the value ends.
        let plain = !value.is_empty() && !value.contains(|c: char| c.is_whitespace() || c == '"');
        if plain || field.name() == "message" {
            self.write(field, format_args!("{value}"));
        } else {
            self.write(field, format_args!("{value:?}"));
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.write(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.write(field, format_args!("{value:?}"));
    }
}

/// The part of a line that may hold foreign text: escapes control characters, and is full after `left` bytes.
struct Tail<'a> {
    writer: Writer<'a>,
    left: usize,
}

impl Tail<'_> {
    fn put(&mut self, text: &str) -> fmt::Result {
        let room = self.left.min(text.len());
        let kept = (0..=room).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        self.writer.write_str(&text[..kept])?;
        if kept < text.len() {
            self.left = 0;
            return Err(fmt::Error);
        }
        self.left -= kept;
        Ok(())
    }
}

impl Write for Tail<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(char::is_control) {
            let (clean, tail) = rest.split_at(at);
            self.put(clean)?;
            let mut tail = tail.chars();
            for control in tail.by_ref().take(1) {
                self.put(&control.escape_default().to_string())?;
            }
            rest = tail.as_str();
        }
        self.put(rest)
    }
}
