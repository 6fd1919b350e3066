//! Paths by a pattern, as the C library's `glob` finds them: `*`, `?`, `[...]`, and a backslash before what is
//! to stand for itself.

use std::path::Path;

use crate::meter::{LimitReached, Meter};
use crate::posix::named_class;
use crate::text::c_string;

use super::path;

/// The paths that match, in the order in which directories have them. A name that begins with a dot is found by
/// a pattern that does too.
///
/// # Errors
/// [`LimitReached`] as the meter says.
pub fn glob(pattern: &[u8], meter: &dyn Meter) -> Result<Vec<Vec<u8>>, LimitReached> {
    let pattern = c_string(pattern);
    let mut found = Vec::new();
    if !pattern.is_empty() {
        search(Vec::new(), pattern, &mut found, meter)?;
    }
    Ok(found)
}

/// Finds what follows `prefix`, a path as it is given back.
fn search(
    mut prefix: Vec<u8>,
    mut rest: &[u8],
    found: &mut Vec<Vec<u8>>,
    meter: &dyn Meter,
) -> Result<(), LimitReached> {
    loop {
        let slashes = rest.iter().take_while(|byte| **byte == b'/').count();
        let name;
        (name, rest) =
            rest.split_at(slashes + rest[slashes..].iter().take_while(|byte| **byte != b'/').count());
        let (slashes, name) = name.split_at(slashes);
        if name.is_empty() {
            // At the end of the pattern: a directory, with one slash.
            prefix.extend_from_slice(&slashes[..slashes.len().min(1)]);
            if exists(&prefix) {
                found.push(prefix);
            }
            return Ok(());
        }
        prefix.extend_from_slice(slashes);
        let tokens = tokens(name);
        if let Some(literal) = literal(&tokens) {
            prefix.extend_from_slice(&literal);
            meter.work(1000)?;
            if !rest.is_empty() {
                continue;
            }
            if exists(&prefix) {
                found.push(prefix);
            }
            return Ok(());
        }
        for name in names(&prefix) {
            meter.work(5000)?;
            let is_hidden = name.first() == Some(&b'.') && !matches!(tokens.first(), Some(Token::Byte(b'.')));
            if is_hidden || !matches(&tokens, &name) {
                continue;
            }
            let whole = [prefix.as_slice(), &name].concat();
            if rest.is_empty() {
                found.push(whole);
            } else if path(&whole).is_dir() {
                search(whole, rest, found, meter)?;
            }
        }
        return Ok(());
    }
}

fn exists(at: &[u8]) -> bool {
    path(at).symlink_metadata().is_ok()
}

/// The names in a directory.
fn names(directory: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    use std::os::unix::ffi::OsStringExt as _;
    let directory = if directory.is_empty() { Path::new(".") } else { path(directory) };
    let entries = std::fs::read_dir(directory).ok();
    let own = entries.iter().flat_map(|_| [b".".to_vec(), b"..".to_vec()]).collect::<Vec<_>>();
    own.into_iter().chain(entries.into_iter().flatten().flatten().map(|entry| entry.file_name().into_vec()))
}

/// A part of a name's pattern.
enum Token {
    Byte(u8),
    Any,
    Many,
    /// One of the bytes that are true.
    Set(Box<[bool; 256]>),
}

/// The name, where the pattern is one.
fn literal(tokens: &[Token]) -> Option<Vec<u8>> {
    let byte = |token: &Token| if let Token::Byte(byte) = token { Some(*byte) } else { None };
    tokens.iter().map(byte).collect()
}

fn tokens(mut rest: &[u8]) -> Vec<Token> {
    let mut tokens = Vec::new();
    while let [byte, tail @ ..] = rest {
        rest = tail;
        tokens.push(match (byte, tail) {
            (b'*', _) => Token::Many,
            (b'?', _) => Token::Any,
            (b'\\', [escaped, tail @ ..]) => {
                rest = tail;
                Token::Byte(*escaped)
            }
            (b'[', _) => match set(tail) {
                Some((set, tail)) => {
                    rest = tail;
                    Token::Set(set)
                }
                None => Token::Byte(b'['),
            },
            _ => Token::Byte(*byte),
        });
    }
    tokens
}

/// A bracket expression after its `[`, and what follows it. None where it does not end. What is not known in it
/// has no bytes.
fn set(mut rest: &[u8]) -> Option<(Box<[bool; 256]>, &[u8])> {
    let negated = matches!(rest.first(), Some(b'!' | b'^'));
    rest = &rest[usize::from(negated)..];
    let mut set = Box::new([false; 256]);
    let mut first = true;
    loop {
        let start;
        (start, rest) = match rest {
            [b']', tail @ ..] if !first => {
                rest = tail;
                break;
            }
            [b'[', b':', tail @ ..] => {
                let end = tail.windows(2).position(|two| two == b":]")?;
                let class = named_class(&tail[..end]);
                let ranges = class.iter().flat_map(|class| class.ranges());
                ranges.for_each(|range| {
                    (range.start()..=range.end()).for_each(|byte| set[usize::from(byte)] = true)
                });
                rest = &tail[end + 2..];
                first = false;
                continue;
            }
            _ => byte(rest)?,
        };
        first = false;
        let mut end = start;
        if let [b'-', tail @ ..] = rest
            && tail.first() != Some(&b']')
        {
            (end, rest) = byte(tail)?;
        }
        (start..=end).for_each(|byte| set[usize::from(byte)] = true);
    }
    set.iter_mut().for_each(|is_in| *is_in ^= negated);
    Some((set, rest))
}

/// A byte of a bracket expression, and what follows it.
fn byte(rest: &[u8]) -> Option<(u8, &[u8])> {
    match rest {
        [b'\\', byte, tail @ ..] | [b'[', b'.', byte, b'.', b']', tail @ ..] => Some((*byte, tail)),
        [byte, tail @ ..] => Some((*byte, tail)),
        [] => None,
    }
}

fn matches(tokens: &[Token], name: &[u8]) -> bool {
    let (mut token, mut at) = (0, 0);
    // Behind the last `*`, and how much of the name that has taken.
    let mut retry = None;
    loop {
        let is_one = match (tokens.get(token), name.get(at)) {
            (Some(Token::Many), _) => {
                token += 1;
                retry = Some((token, at));
                continue;
            }
            (None, None) => return true,
            (Some(Token::Byte(byte)), Some(other)) => byte == other,
            (Some(Token::Any), Some(_)) => true,
            (Some(Token::Set(set)), Some(byte)) => set[usize::from(*byte)],
            _ => false,
        };
        if is_one {
            token += 1;
            at += 1;
            continue;
        }
        match &mut retry {
            Some((after, taken)) if *taken < name.len() => {
                *taken += 1;
                (token, at) = (*after, *taken);
            }
            _ => return false,
        }
    }
}
