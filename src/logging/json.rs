//! One event as one object of JSON.

use std::fmt::{self, Write};

use jiff::Timestamp;
use tracing::Event;
use tracing::field::{Field, Visit};
use tracing_subscriber::fmt::format::Writer;

use super::levels::part_of;
use super::line::{MAX_LINE, level_name};

/// What is more than enough for the members of each line, and for the end of one that is cut.
const FRAME: usize = 160;
/// Members that fields must not be taken for.
const OWN: [&str; 4] = ["time", "level", "target", "cut"];

/// Writes `{"time":…,"level":…,"target":…,"message":…, and the fields}` LF. `target` is the part of the node, where it has a
/// name. A line that would be longer than others may be is cut within its texts, and says so by `"cut":true`.
pub(super) fn write_event(writer: &mut Writer<'_>, event: &Event<'_>) -> fmt::Result {
    let metadata = event.metadata();
    write!(writer, r#"{{"time":"{:.6}","level":"{}""#, Timestamp::now(), level_name(metadata))?;
    if let Some(part) = part_of(metadata.target()) {
        write!(writer, r#","target":"{part}""#)?;
    }
    let mut members =
        Members { writer: writer.by_ref(), left: MAX_LINE - FRAME, is_cut: false, failed: Ok(()) };
    event.record(&mut members);
    let Members { is_cut, failed, .. } = members;
    failed?;
    if is_cut {
        writer.write_str(r#","cut":true"#)?;
    }
    writer.write_str("}\n")
}

struct Members<'a> {
    writer: Writer<'a>,
    /// Bytes that there is room for.
    left: usize,
    is_cut: bool,
    failed: fmt::Result,
}

impl Members<'_> {
    /// Begins a member whose value needs at least `least` bytes. False where there is no room for it.
    fn name(&mut self, field: &Field, least: usize) -> bool {
        let name = field.name();
        let mark = if OWN.contains(&name) { "_" } else { "" };
        let needed = name.len() + mark.len() + 4 + least;
        if self.is_cut || self.failed.is_err() || needed > self.left {
            self.is_cut = true;
            return false;
        }
        self.left -= needed;
        // Names of fields are words of this program.
        self.failed = write!(self.writer, r#","{name}{mark}":"#);
        self.failed.is_ok()
    }

    /// A number or a word of JSON, as it is written.
    fn plain(&mut self, field: &Field, value: &str) {
        if self.name(field, value.len()) {
            self.failed = self.writer.write_str(value);
        }
    }

    fn text(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        if !self.name(field, 2) {
            return;
        }
        self.failed = self.writer.write_char('"');
        // An error means that the line is full.
        let _ = Escaped(self).write_fmt(value);
        self.failed = self.failed.and_then(|()| self.writer.write_char('"'));
    }
}

impl Visit for Members<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // null where it is no number.
        self.plain(field, &serde_json::Value::from(value).to_string());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field, &value.to_string());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field, &value.to_string());
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.plain(field, &value.to_string());
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.plain(field, &value.to_string());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field, &value.to_string());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, format_args!("{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.text(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, format_args!("{value:?}"));
    }
}

/// The inside of a text: escapes what JSON wants escaped, and all control characters, as terminals obey some that JSON allows.
struct Escaped<'a, 'b>(&'a mut Members<'b>);

impl Escaped<'_, '_> {
    fn put(&mut self, text: &str) -> fmt::Result {
        let members = &mut *self.0;
        let room = members.left.min(text.len());
        let kept = (0..=room).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        members.left -= kept;
        members.is_cut |= kept < text.len();
        members.failed = members.writer.write_str(&text[..kept]);
        if members.is_cut { Err(fmt::Error) } else { members.failed }
    }

    /// Whole or not at all: half an escape is no JSON.
    fn put_escape(&mut self, escape: fmt::Arguments<'_>, len: usize) -> fmt::Result {
        let members = &mut *self.0;
        if len > members.left {
            members.is_cut = true;
            return Err(fmt::Error);
        }
        members.left -= len;
        members.failed = members.writer.write_fmt(escape);
        members.failed
    }
}

impl Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((at, special)) =
            rest.char_indices().find(|(_, c)| matches!(c, '"' | '\\') || c.is_control())
        {
            self.put(&rest[..at])?;
            match special {
                '"' | '\\' => self.put_escape(format_args!("\\{special}"), 2)?,
                '\n' => self.put_escape(format_args!("\\n"), 2)?,
                '\r' => self.put_escape(format_args!("\\r"), 2)?,
                '\t' => self.put_escape(format_args!("\\t"), 2)?,
                // Every control character is below 0x100.
                control => self.put_escape(format_args!("\\u{:04x}", u32::from(control)), 6)?,
            }
            rest = &rest[at + special.len_utf8()..];
        }
        self.put(rest)
    }
}
