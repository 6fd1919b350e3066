//! Functions on files, for scripts that are allowed them.

use std::borrow::Cow;

use super::utilities::give_array;
use super::{Context, Fault, Function, count, text};
use crate::raw::Args;
use crate::value::Output;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::direct(
        "_stat",
        "path",
        "table or nil",
        "About a file; symbolic links are not followed. Numbers dev, ino, mode, nlink, uid, gid, rdev, size, blksize, blocks, \
         atime, mtime, ctime; booleans _regular, _directory, _readable, _writable, _executable; _realpath, its path without \
         symbolic links. Nil where there is none. With --ext-allow files.",
        stat,
    ),
    Function::direct(
        "_glob",
        "pattern",
        "array of paths",
        "The paths that a pattern with *, ? and [...] finds, in no order. With --ext-allow files.",
        glob,
    ),
    Function::direct(
        "_remove",
        "path",
        "boolean",
        "Removes a file, or a directory with all that is in it; false where there is none. With --ext-allow files.",
        remove,
    ),
    Function::direct(
        "_mkdir",
        "path",
        "boolean",
        "Makes a directory; false where it is there or cannot be made. With --ext-allow files.",
        make_directory,
    ),
];

/// The path that is the only argument.
fn path<'a>(name: &str, context: &Context, args: &Args<'a>) -> Result<Cow<'a, [u8]>, Fault> {
    if !context.allowed.files {
        return Err(Fault::Message(format!(
            "{name}: files are out of reach for scripts; start the node with --ext-allow files"
        )));
    }
    count(args, 1)?;
    let path = text(args, 0)?;
    // The disk may be slow.
    context.budget.leave_event_loop();
    Ok(path)
}

fn stat(context: &Context, args: &Args<'_>, out: &mut Output) -> Result<(), Fault> {
    let Some(found) = crate::files::stat(&path("_stat", context, args)?) else {
        out.nil();
        return Ok(());
    };
    out.fields(found.numbers.len() + found.flags.len() + 1);
    for (name, number) in found.numbers {
        out.bytes(name.as_bytes());
        out.number(number);
    }
    for (name, is) in found.flags {
        out.bytes(name.as_bytes());
        out.bool(is);
    }
    out.bytes(b"_realpath");
    out.bytes(&found.real_path);
    Ok(())
}

fn glob(context: &Context, args: &Args<'_>, out: &mut Output) -> Result<(), Fault> {
    let found = crate::files::glob(&path("_glob", context, args)?, &context.budget)?;
    give_array(context, out, &found, |out, path| out.bytes(path))
}

fn remove(context: &Context, args: &Args<'_>, out: &mut Output) -> Result<(), Fault> {
    out.bool(crate::files::remove(&path("_remove", context, args)?, &context.budget)?);
    Ok(())
}

fn make_directory(context: &Context, args: &Args<'_>, out: &mut Output) -> Result<(), Fault> {
    out.bool(crate::files::make_directory(&path("_mkdir", context, args)?));
    Ok(())
}
