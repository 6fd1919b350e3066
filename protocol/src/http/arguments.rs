//! The arguments of a call of `misc` in the body of a request: as a form is sent, in either of the two ways.
//!
//! As in the original, arguments of the same name become one, at the place of the first, their values joined by a NUL
//! byte (observed).

use std::collections::HashMap;

use memchr::memmem;

use super::escapes;
use super::reject::Reason;
use crate::Arena;
use crate::request::Items;

/// Arguments that a call may have: what is kept about each is more than a short one has bytes.
pub const MAX_ARGUMENTS: usize = 1 << 18;

const MULTIPART: &[u8] = b"multipart/";

/// The arguments in a body, which is at most 2147483647 bytes long.
pub(super) fn arguments<'a>(
    body: &'a [u8],
    content_type: &[u8],
    arena: &'a Arena,
) -> Result<Items<'a>, Reason> {
    let mut arguments = Arguments::default();
    match content_type.split_at_checked(MULTIPART.len()) {
        Some((kind, rest)) if kind.eq_ignore_ascii_case(MULTIPART) => {
            let boundary = parameter(rest, b"boundary").filter(|boundary| !boundary.is_empty());
            parts(body, boundary.ok_or(Reason::BadParts)?, &mut arguments)?;
        }
        _ => pairs(body, &mut arguments, arena)?,
    }
    Ok(arguments.into_items(arena))
}

/// `name=value` joined by `&` or `;`, with escapes.
fn pairs<'a>(body: &'a [u8], arguments: &mut Arguments<'a>, arena: &'a Arena) -> Result<(), Reason> {
    for pair in body.split(|&byte| matches!(byte, b'&' | b';')).filter(|pair| !pair.is_empty()) {
        let (name, value) = match memchr::memchr(b'=', pair) {
            Some(equals) => (&pair[..equals], &pair[equals + 1..]),
            None => (pair, &[][..]),
        };
        let resolved = |text| escapes::resolve(text, arena).ok_or(Reason::BadEscape);
        arguments.add(Some(resolved(name)?), resolved(value)?)?;
    }
    Ok(())
}

/// Parts between boundaries, each with headers of its own.
fn parts<'a>(body: &'a [u8], boundary: &[u8], arguments: &mut Arguments<'a>) -> Result<(), Reason> {
    let delimiter = [b"\r\n--", boundary].concat();
    let finder = memmem::Finder::new(&delimiter);
    let mut rest = match body.strip_prefix(&delimiter[2..]) {
        Some(rest) => rest,
        None => &body[finder.find(body).ok_or(Reason::BadParts)? + delimiter.len()..],
    };
    while !rest.starts_with(b"--") {
        let line = memmem::find(rest, b"\r\n").ok_or(Reason::BadParts)?;
        if rest[..line].iter().any(|byte| !matches!(byte, b' ' | b'\t')) {
            return Err(Reason::BadParts);
        }
        // From the line's end on, so that a part without headers has its empty line too.
        let part = &rest[line..];
        let end = finder.find(&part[2..]).ok_or(Reason::BadParts)? + 2;
        let blank = memmem::find(&part[..end], b"\r\n\r\n").ok_or(Reason::BadParts)?;
        arguments.add(name_of(&part[..blank]), &part[blank + 4..end])?;
        rest = &part[end + delimiter.len()..];
    }
    Ok(())
}

/// The name in the headers of a part.
fn name_of(headers: &[u8]) -> Option<&[u8]> {
    const HEADER: &[u8] = b"content-disposition:";
    headers.split(|&byte| byte == b'\n').find_map(|line| {
        let (header, value) = line.split_at_checked(HEADER.len())?;
        header.eq_ignore_ascii_case(HEADER).then(|| parameter(value, b"name"))?
    })
}

/// A parameter of a header's value, without its quotes.
fn parameter<'v>(value: &'v [u8], name: &[u8]) -> Option<&'v [u8]> {
    value.split(|&byte| byte == b';').find_map(|parameter| {
        let (found, value) = parameter.trim_ascii().split_at_checked(name.len())?;
        let value = value.strip_prefix(b"=")?;
        let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
        found.eq_ignore_ascii_case(name).then_some(value)
    })
}

/// Arguments as they come.
#[derive(Debug, Default)]
struct Arguments<'a> {
    values: Vec<Value<'a>>,
    /// The first and the last value of each argument.
    spans: Vec<(usize, usize)>,
    /// Where in `spans` the argument of a name is.
    names: HashMap<&'a [u8], usize>,
    /// Bytes of all values.
    bytes: usize,
}

#[derive(Debug)]
struct Value<'a> {
    bytes: &'a [u8],
    /// The next value of the same argument.
    next: Option<usize>,
}

impl<'a> Arguments<'a> {
    fn add(&mut self, name: Option<&'a [u8]>, bytes: &'a [u8]) -> Result<(), Reason> {
        let index = self.values.len();
        if index == MAX_ARGUMENTS {
            return Err(Reason::TooManyArguments);
        }
        self.values.push(Value { bytes, next: None });
        self.bytes += bytes.len();
        let place = name.map(|name| *self.names.entry(name).or_insert(self.spans.len()));
        match place.and_then(|place| self.spans.get_mut(place)) {
            Some((_, last)) => {
                self.values[*last].next = Some(index);
                *last = index;
            }
            None => self.spans.push((index, index)),
        }
        Ok(())
    }

    /// As a run of sizes and arguments.
    fn into_items(self, arena: &'a Arena) -> Items<'a> {
        // Every value has a size of its own or a NUL byte before it.
        let joined = self.values.len() - self.spans.len();
        let mut wire = Vec::with_capacity(self.bytes + 4 * self.spans.len() + joined);
        for &(first, _) in &self.spans {
            let start = wire.len();
            wire.extend_from_slice(&[0; 4]);
            let mut next = Some(first);
            while let Some(index) = next {
                if index != first {
                    wire.push(0);
                }
                let value = &self.values[index];
                wire.extend_from_slice(value.bytes);
                next = value.next;
            }
            let size = (wire.len() - start - 4) as u32;
            wire[start..start + 4].copy_from_slice(&size.to_be_bytes());
        }
        // At most MAX_ARGUMENTS.
        let count = self.spans.len() as u32;
        Items::checked(arena.alloc_slice_copy(&wire), count)
    }
}
