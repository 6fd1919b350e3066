//! Replaces matches.

use super::search::Groups;
use super::{Regex, ReplaceError};
use crate::meter::Meter;
use crate::text::{append, c_string};

/// A piece of what replaces a match.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Bytes(Vec<u8>),
    /// A group; 0 is the whole match.
    Group(usize),
}

/// `&` is the match, `\1` to `\9` a group, `\0` the match; another byte after a backslash is itself.
fn pieces(template: &[u8]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        let byte = match (byte, tail) {
            (b'&', _) => {
                pieces.push(Piece::Group(0));
                continue;
            }
            (b'\\', [digit @ b'0'..=b'9', tail @ ..]) => {
                rest = tail;
                pieces.push(Piece::Group(usize::from(digit - b'0')));
                continue;
            }
            (b'\\', [escaped, tail @ ..]) => {
                rest = tail;
                *escaped
            }
            (b'\\', []) => break,
            _ => *byte,
        };
        match pieces.last_mut() {
            Some(Piece::Bytes(bytes)) => bytes.push(byte),
            _ => pieces.push(Piece::Bytes(vec![byte])),
        }
    }
    pieces
}

impl Regex {
    /// The text, up to its first NUL, with each match replaced by `with` (in which `&` is the match, `\1` a group,
    /// and a backslash takes the meaning of what follows). After a match that is empty no further one
    /// is replaced; an empty expression replaces nothing. Between two matches a new text begins, but for `^`.
    ///
    /// # Errors
    /// [`ReplaceError::TooLong`] for more than `limit` bytes, and as the meter says.
    pub fn replace(
        &self,
        text: &[u8],
        with: &[u8],
        limit: usize,
        meter: &dyn Meter,
    ) -> Result<Vec<u8>, ReplaceError> {
        let mut rest = c_string(text);
        let pieces = pieces(c_string(with));
        let with_groups = pieces.iter().any(|piece| matches!(piece, Piece::Group(1..)));
        let mut out = Vec::new();
        let mut put = |bytes: &[u8]| append(&mut out, bytes, limit).ok_or(ReplaceError::TooLong(limit));
        let mut searcher = self.searcher().filter(|_| !self.is_empty);
        let mut scratch = None;
        while let Some(current) = searcher.filter(|_| !rest.is_empty()) {
            let states = scratch.get_or_insert_with(|| current.scratch());
            let Some((start, end)) = current.find(states, rest, meter)? else { break };
            let groups = match with_groups {
                true => current.groups(rest, (start, end), meter)?.ok_or(ReplaceError::LongMatch)?,
                false => Groups::new(),
            };
            put(&rest[..start])?;
            for piece in &pieces {
                match piece {
                    Piece::Bytes(bytes) => put(bytes)?,
                    Piece::Group(0) => put(&rest[start..end])?,
                    Piece::Group(number) => put(group(rest, &groups, *number))?,
                }
            }
            rest = &rest[end..];
            if start == end {
                break;
            }
            let next = self.continued_searcher();
            if self.continued.is_some() && !std::ptr::eq(current, next.unwrap_or(current)) {
                scratch = None;
            }
            searcher = next;
        }
        put(rest)?;
        Ok(out)
    }
}

fn group<'a>(text: &'a [u8], groups: &Groups, number: usize) -> &'a [u8] {
    match (groups.get(2 * number), groups.get(2 * number + 1)) {
        (Some(Some(start)), Some(Some(end))) => text.get(start.get()..end.get()).unwrap_or_default(),
        _ => &[],
    }
}
