//! What is checked of code before it is compiled: the compiler cannot be interrupted.

mod cost;

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use mlua::{Error, Lua, LuaString, Table};

use self::cost::Cost;
use super::SharedMeter;
use crate::meter::{LimitReached, Meter};

/// Bytes of a chunk.
const LONGEST: usize = 4 << 20;
/// Words in a chunk that jump; so many to one place take 0.2 s.
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
    // Reading it through.
    meter.work(1000 + 20 * code.len().min(LONGEST) as u64)?;
    match cost_of_chunk(code) {
        Err(refusal) => Ok(Err(refusal)),
        Ok(cost) => meter.work(cost.nanoseconds).map(Ok),
    }
}

/// What compiling a chunk takes; an error says why it is not compiled.
fn cost_of_chunk(code: &[u8]) -> Result<Cost, String> {
    if code.first() == Some(&COMPILED) {
        return Err("compiled code is out of reach for scripts; load its source".to_owned());
    }
    if code.len() > LONGEST {
        return Err(format!("a chunk of {} bytes is too long; at most {LONGEST} are compiled", code.len()));
    }
    match cost::cost(code) {
        Cost { jumps, .. } if jumps > MOST_JUMPS => Err(format!(
            "a chunk with {jumps} words that jump (if, and, or, break…) is too complex; at most {MOST_JUMPS}"
        )),
        cost => Ok(cost),
    }
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
    fn chunks_are_text_of_bounded_length() {
        assert_eq!(cost_of_chunk(b"return 1 or 2").map(|cost| cost.jumps), Ok(1));
        assert!(cost_of_chunk(b"\x1bLua").unwrap_err().contains("compiled"));
        assert!(cost_of_chunk(&vec![b' '; LONGEST + 1]).unwrap_err().contains("too long"));
        assert!(cost_of_chunk(&vec![b' '; LONGEST]).is_ok());
        let complex = format!("x = a{}", " and a".repeat(20_000));
        assert!(cost_of_chunk(complex.as_bytes()).unwrap_err().contains("too complex"));
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
