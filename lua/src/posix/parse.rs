//! From the text of an expression to its tree.

use regex_syntax::hir::{Capture, Class, ClassBytes, ClassBytesRange, Dot, Hir, Look, Repetition};

use super::{PatternError, brackets};

/// The largest count of a repetition.
const MAX_COUNT: u32 = 0x7fff;
/// How deep groups and repetitions may be nested: automata are compiled by recursion.
const MAX_DEPTH: usize = 200;

/// A part of an expression.
struct Item {
    hir: Hir,
    /// Levels of groups and repetitions in it.
    depth: usize,
    /// Whether it can be repeated: an anchor cannot.
    repeatable: bool,
}

/// A group that is being read: what stands before the last `|`, and behind it.
#[derive(Default)]
struct Group {
    number: u32,
    alternatives: Vec<Hir>,
    items: Vec<Item>,
    depth: usize,
}

impl Group {
    fn end_alternative(&mut self) {
        self.depth = self.items.iter().map(|item| item.depth).max().unwrap_or(0).max(self.depth);
        self.alternatives.push(Hir::concat(self.items.drain(..).map(|item| item.hir).collect()));
    }

    fn finish(mut self) -> Item {
        self.end_alternative();
        Item { hir: Hir::alternation(self.alternatives), depth: self.depth + 1, repeatable: true }
    }
}

/// The tree of a pattern. `^` matches at the start of the text if `at_start`, else nowhere.
pub(super) fn parse(pattern: &[u8], ignore_case: bool, at_start: bool) -> Result<Hir, PatternError> {
    let mut outer = vec![];
    let mut group = Group::default();
    let mut groups = 0;
    let mut rest = pattern;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        let item = match byte {
            b'\\' => {
                let Some((escaped, tail)) = tail.split_first() else {
                    return Err(PatternError::Malformed("a backslash at its end"));
                };
                rest = tail;
                escape(*escaped, ignore_case, groups)?
            }
            b'[' => {
                let (class, tail) = brackets::parse(tail, ignore_case)?;
                rest = tail;
                atom(Hir::class(Class::Bytes(class)))
            }
            b'.' => atom(Hir::dot(Dot::AnyByte)),
            b'^' if at_start => anchor(Look::Start),
            b'^' => Item { hir: Hir::fail(), depth: 0, repeatable: false },
            b'$' => anchor(Look::End),
            b'|' => {
                group.end_alternative();
                continue;
            }
            b'(' => {
                groups += 1;
                let inner = Group { number: groups, ..Group::default() };
                outer.push(std::mem::replace(&mut group, inner));
                if outer.len() > MAX_DEPTH {
                    return Err(PatternError::Unsupported("has groups nested too deeply"));
                }
                continue;
            }
            b')' if !outer.is_empty() => {
                let inner = std::mem::replace(&mut group, outer.pop().unwrap_or_default());
                let index = inner.number;
                let Item { hir, depth, repeatable } = inner.finish();
                Item {
                    hir: Hir::capture(Capture { index, name: None, sub: Box::new(hir) }),
                    depth,
                    repeatable,
                }
            }
            b'*' | b'+' | b'?' | b'{' => {
                let (min, max, tail) = repetition(*byte, tail)?;
                rest = tail;
                let Some(item) = group.items.pop().filter(|item| item.repeatable) else {
                    return Err(PatternError::Malformed("a repetition of nothing"));
                };
                if item.depth > MAX_DEPTH {
                    return Err(PatternError::Unsupported("has repetitions nested too deeply"));
                }
                let sub = Box::new(item.hir);
                let hir = Hir::repetition(Repetition { min, max, greedy: true, sub });
                Item { hir, depth: item.depth + 1, repeatable: true }
            }
            _ => atom(literal(*byte, ignore_case)),
        };
        group.items.push(item);
    }
    match outer.is_empty() {
        true => Ok(group.finish().hir),
        false => Err(PatternError::Malformed("a ( without its )")),
    }
}

fn atom(hir: Hir) -> Item {
    Item { hir, depth: 0, repeatable: true }
}

fn anchor(look: Look) -> Item {
    Item { hir: Hir::look(look), depth: 0, repeatable: false }
}

/// What a backslash makes of the byte after it.
fn escape(byte: u8, ignore_case: bool, groups: u32) -> Result<Item, PatternError> {
    let of_class = |class: &[u8], negated: bool| {
        let mut class = brackets::named(class)?;
        if negated {
            class.negate();
        }
        Some(atom(Hir::class(Class::Bytes(class))))
    };
    let word = |negated| {
        let mut class = brackets::named(b"alnum")?;
        class.push(ClassBytesRange::new(b'_', b'_'));
        if negated {
            class.negate();
        }
        Some(atom(Hir::class(Class::Bytes(class))))
    };
    let special = match byte {
        b'w' => word(false),
        b'W' => word(true),
        b's' => of_class(b"space", false),
        b'S' => of_class(b"space", true),
        b'b' => Some(anchor(Look::WordAscii)),
        b'B' => Some(anchor(Look::WordAsciiNegate)),
        b'<' => Some(anchor(Look::WordStartAscii)),
        b'>' => Some(anchor(Look::WordEndAscii)),
        b'`' => Some(anchor(Look::Start)),
        b'\'' => Some(anchor(Look::End)),
        b'1'..=b'9' if u32::from(byte - b'0') <= groups => {
            return Err(PatternError::Unsupported("has a back-reference, which is not to be had here"));
        }
        b'1'..=b'9' => return Err(PatternError::Malformed("a back-reference to a group that is not there")),
        _ => None,
    };
    Ok(special.unwrap_or_else(|| atom(literal(byte, ignore_case))))
}

/// One byte that stands for itself.
fn literal(byte: u8, ignore_case: bool) -> Hir {
    let mut class = ClassBytes::new([ClassBytesRange::new(byte, byte)]);
    if ignore_case {
        class.case_fold_simple();
    }
    Hir::class(Class::Bytes(class))
}

/// The least and the most times of a repetition that begins with `byte`, and what follows it.
fn repetition(byte: u8, tail: &[u8]) -> Result<(u32, Option<u32>, &[u8]), PatternError> {
    const MALFORMED: PatternError = PatternError::Malformed("a { that is no count");
    match byte {
        b'*' => return Ok((0, None, tail)),
        b'+' => return Ok((1, None, tail)),
        b'?' => return Ok((0, Some(1), tail)),
        _ => {}
    }
    let end = tail.iter().position(|byte| *byte == b'}').ok_or(MALFORMED)?;
    let (counts, tail) = (&tail[..end], &tail[end + 1..]);
    let count = |digits: &[u8]| {
        let digits =
            std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
        digits.and_then(|digits| digits.parse().ok()).filter(|count| *count <= MAX_COUNT).ok_or(MALFORMED)
    };
    let (min, max) = match counts.iter().position(|byte| *byte == b',') {
        None => (count(counts)?, Some(count(counts)?)),
        Some(comma) => {
            let (min, max) = (&counts[..comma], &counts[comma + 1..]);
            let min = if min.is_empty() { 0 } else { count(min)? };
            (min, if max.is_empty() { None } else { Some(count(max)?) })
        }
    };
    match max.is_some_and(|max| max < min) {
        true => Err(MALFORMED),
        false => Ok((min, max, tail)),
    }
}
