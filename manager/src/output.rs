//! Standard output, which may be a pipe that is closed early.

use std::io::{self, Write};

/// Writes a text. Where nobody reads any more, as behind `| head`, the process ends quietly.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(1),
        other => other,
    }
}
