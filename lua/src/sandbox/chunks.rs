//! What is checked of code before it is compiled.
//!
//! The compiler cannot be interrupted. It takes time in proportion to the length of a chunk, and for each `and`, `or`,
//! `elseif` and `break` time in proportion to how many there were in the same expression or statement.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use mlua::{Error, Lua, LuaString, Table};

use super::SharedMeter;
use crate::meter::{LimitReached, Meter};

/// Bytes of a chunk.
const LONGEST: usize = 4 << 20;
/// Words in a chunk that jump; so many in one expression take 0.2 s.
const MOST_JUMPS: u64 = 16_384;
/// The first byte of compiled code.
const COMPILED: u8 = 0x1b;

pub(super) fn add(lua: &Lua, tools: &Table, meter: &SharedMeter) -> mlua::Result<()> {
    let counted = SharedMeter::clone(meter);
    let refusal = lua.create_function(move |_, code: LuaString| {
        check(&code.as_bytes(), &*counted).map(|checked| checked.err()).map_err(Error::external)
    })?;
    tools.raw_set("refusal_of_chunk", refusal)?;
    let read = lua.create_function(|lua, path: LuaString| {
        match read_chunk(Path::new(OsStr::from_bytes(&path.as_bytes()))) {
            Ok(code) => Ok((Some(lua.create_string(code)?), None)),
            Err(message) => Ok((None, Some(message))),
        }
    })?;
    tools.raw_set("read_file", read)
}

/// Whether code that came at run time may be compiled; if not, why. What compiling takes is counted.
///
/// Errors: it takes longer than the call may.
pub(crate) fn check(code: &[u8], meter: &dyn Meter) -> Result<Result<(), String>, LimitReached> {
    // Before it is read through, and for compiling it.
    meter.work(1000 + 60 * code.len().min(LONGEST) as u64)?;
    match jumps_of_chunk(code) {
        Err(refusal) => Ok(Err(refusal)),
        Ok(jumps) => meter.work(jumps * jumps / 2).map(Ok),
    }
}

/// How many jumps a chunk has; an error says why it is not compiled.
fn jumps_of_chunk(code: &[u8]) -> Result<u64, String> {
    if code.first() == Some(&COMPILED) {
        return Err("compiled code is out of reach for scripts; load its source".to_owned());
    }
    if code.len() > LONGEST {
        return Err(format!("a chunk of {} bytes is too long; at most {LONGEST} are compiled", code.len()));
    }
    match jumps(code) {
        jumps if jumps > MOST_JUMPS => Err(format!(
            "a chunk with {jumps} and, or, elseif and break is too complex; at most {MOST_JUMPS}"
        )),
        jumps => Ok(jumps),
    }
}

/// How many `and`, `or`, `elseif` and `break` there are outside of strings and comments.
fn jumps(code: &[u8]) -> u64 {
    let mut jumps = 0;
    let mut rest = code;
    while let Some((&byte, after)) = rest.split_first() {
        rest = match byte {
            b'"' | b'\'' => after_quoted(after, byte),
            b'[' => long_bracket(rest).unwrap_or(after),
            b'-' if after.first() == Some(&b'-') => {
                let comment = &after[1..];
                long_bracket(comment).unwrap_or_else(|| {
                    memchr::memchr(b'\n', comment).map_or(&[][..], |newline| &comment[newline..])
                })
            }
            byte if is_word(byte) => {
                let end = rest.iter().position(|byte| !is_word(*byte)).unwrap_or(rest.len());
                jumps += u64::from(matches!(&rest[..end], b"and" | b"or" | b"elseif" | b"break"));
                &rest[end..]
            }
            _ => after,
        };
    }
    jumps
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// What follows a string in quotes, of which the first is taken off. One that is not closed ends with its line.
fn after_quoted(mut rest: &[u8], quote: u8) -> &[u8] {
    loop {
        rest = match rest {
            [] => return rest,
            [b'\\', _, after @ ..] => after,
            [byte, after @ ..] if *byte == quote || *byte == b'\n' => return after,
            [_, after @ ..] => after,
        };
    }
}

/// What follows `[[…]]` or `[=[…]=]`, if that is what `rest` begins with.
fn long_bracket(rest: &[u8]) -> Option<&[u8]> {
    let level = rest.strip_prefix(b"[")?.iter().take_while(|byte| **byte == b'=').count();
    if rest.get(level + 1) != Some(&b'[') {
        return None;
    }
    let close = [b"]".as_slice(), &vec![b'='; level], b"]"].concat();
    let inner = &rest[level + 2..];
    Some(memchr::memmem::find(inner, &close).map_or(&[][..], |at| &inner[at + close.len()..]))
}

/// The text of a file, its first line left empty where that begins with `#`.
fn read_chunk(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |what: &str, error: std::io::Error| format!("cannot {what} {}: {error}", path.display());
    let mut file = File::open(path).map_err(|error| failed("open", error))?;
    let metadata = file.metadata().map_err(|error| failed("read", error))?;
    if !metadata.is_file() {
        return Err(format!("cannot read {}: it is not a file", path.display()));
    }
    let mut code = Vec::new();
    let most = LONGEST as u64 + 1;
    file.by_ref().take(most).read_to_end(&mut code).map_err(|error| failed("read", error))?;
    if code.first() == Some(&b'#') {
        let line = memchr::memchr(b'\n', &code).unwrap_or(code.len());
        code.drain(..line);
    }
    Ok(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_are_counted_outside_of_strings_and_comments() {
        for (code, expected) in [
            ("x = a and b or c", 2),
            ("if a then elseif b then end while true do break end", 2),
            ("x = 'and or' .. \"or\\\" and\" .. [[break]] .. [==[ or ]] or ]==]", 0),
            ("-- and\nx = a or b --[[ or\n or ]] and c --[=[ or ]]", 2),
            ("band = order .. sand", 0),
            ("x = 'and\ny = a and b", 1),
            ("t[a and b]", 1),
            ("", 0),
        ] {
            assert_eq!(jumps(code.as_bytes()), expected, "{code}");
        }
    }

    #[test]
    fn chunks_are_text_of_bounded_length() {
        assert_eq!(jumps_of_chunk(b"return 1 or 2"), Ok(1));
        assert!(jumps_of_chunk(b"\x1bLua").unwrap_err().contains("compiled"));
        assert!(jumps_of_chunk(&vec![b' '; LONGEST + 1]).unwrap_err().contains("too long"));
        assert_eq!(jumps_of_chunk(&vec![b' '; LONGEST]), Ok(0));
        let complex = format!("x = a{}", " and a".repeat(20_000));
        assert!(jumps_of_chunk(complex.as_bytes()).unwrap_err().contains("too complex"));
    }

    #[test]
    fn a_first_line_of_a_shell_is_left_out() {
        let path = std::env::temp_dir().join(format!("lcnode-chunk-{}", std::process::id()));
        std::fs::write(&path, "#!/usr/bin/lua\nreturn 1").unwrap();
        assert_eq!(read_chunk(&path).unwrap(), b"\nreturn 1");
        std::fs::remove_file(&path).unwrap();
        assert!(read_chunk(&path).unwrap_err().starts_with("cannot open "));
        assert!(read_chunk(Path::new("/")).unwrap_err().ends_with("it is not a file"));
    }
}
