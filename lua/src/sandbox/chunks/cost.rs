//! How long compiling a chunk takes, from its words.
//!
//! Lua's compiler takes time in proportion to the length of a chunk, and beside that:
//! - for each word that jumps, in proportion to the jumps that lead to the same place;
//! - for each name, in proportion to the local variables that it may be, up to 200 of each function around it;
//! - for each new string, in proportion to the strings of the same hash, which anyone can make as many of as they like.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

/// Buckets of strings by the lower bits of their hash. Lua has at least as many where there are many strings.
const BUCKETS: usize = 4096;
/// Local variables of one function.
const LOCALS: u64 = 200;

/// What compiling takes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cost {
    /// Words that jump.
    pub(super) jumps: u64,
    /// Nanoseconds, jumps included, at worst.
    pub(super) nanoseconds: u64,
}

/// Reads a chunk through.
pub(super) fn cost(code: &[u8]) -> Cost {
    let mut reader = Reader {
        jumps: 0,
        lookups: 0,
        collisions: 0,
        blocks: Vec::new(),
        functions: 1,
        seen: HashSet::new(),
        hasher: RandomState::new(),
        buckets: vec![0; BUCKETS],
    };
    reader.read(code);
    let nanoseconds = 60 * code.len() as u64
        + reader.jumps * reader.jumps / 2
        + LOCALS * reader.lookups
        + 8 * reader.collisions;
    Cost { jumps: reader.jumps, nanoseconds }
}

struct Reader {
    jumps: u64,
    /// Names, each as often as there are functions around it.
    lookups: u64,
    /// Strings that are compared with others of their bucket.
    collisions: u64,
    /// The blocks around what is read: whether each is a function.
    blocks: Vec<bool>,
    functions: u64,
    /// Hashes of the strings so far, by a function that nobody outside knows.
    seen: HashSet<u64>,
    hasher: RandomState,
    buckets: Vec<u64>,
}

impl Reader {
    fn read(&mut self, code: &[u8]) {
        let mut rest = code;
        while let Some((&byte, after)) = rest.split_first() {
            rest = match byte {
                b'"' | b'\'' => {
                    let (text, after) = quoted(after, byte);
                    self.string(&text);
                    after
                }
                b'[' => match long_bracket(rest) {
                    Some((text, after)) => {
                        self.string(text);
                        after
                    }
                    None => after,
                },
                b'-' if after.first() == Some(&b'-') => after_comment(&after[1..]),
                byte if is_word(byte) => {
                    let end = rest.iter().position(|byte| !is_word(*byte)).unwrap_or(rest.len());
                    self.word(&rest[..end]);
                    &rest[end..]
                }
                _ => after,
            };
        }
    }

    fn word(&mut self, word: &[u8]) {
        match word {
            b"if" | b"not" | b"and" | b"or" | b"else" | b"elseif" | b"while" | b"for" | b"until"
            | b"break" => {
                self.jumps += 1;
            }
            _ => {}
        }
        match word {
            b"function" => {
                self.blocks.push(true);
                self.functions += 1;
            }
            b"do" | b"if" | b"repeat" => self.blocks.push(false),
            b"end" | b"until" => {
                if self.blocks.pop() == Some(true) {
                    self.functions -= 1;
                }
            }
            [b'0'..=b'9', ..] => {}
            name => {
                self.lookups += self.functions;
                self.string(name);
            }
        }
    }

    fn string(&mut self, text: &[u8]) {
        if self.seen.insert(self.hasher.hash_one(text)) {
            let bucket = &mut self.buckets[hash(text) as usize % BUCKETS];
            self.collisions += *bucket;
            *bucket += 1;
        }
    }
}

/// Lua 5.1's hash: of long strings it looks at some 32 bytes only.
fn hash(text: &[u8]) -> u32 {
    let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
    let step = (text.len() >> 5) + 1;
    let bytes = text.iter().rev().step_by(step).take(text.len() / step);
    bytes.fold(len, |hash, byte| hash ^ (hash << 5).wrapping_add(hash >> 2).wrapping_add(u32::from(*byte)))
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// A string in quotes, of which the first is taken off, and what follows it. One that is not closed ends with its line.
fn quoted(mut rest: &[u8], quote: u8) -> (Vec<u8>, &[u8]) {
    let mut text = Vec::new();
    loop {
        rest = match rest {
            [] => return (text, rest),
            [b'\\', digit, ..] if digit.is_ascii_digit() => {
                let digits = rest[1..].iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
                let code =
                    rest[1..=digits].iter().fold(0_u32, |code, digit| 10 * code + u32::from(digit - b'0'));
                text.push(code as u8);
                &rest[1 + digits..]
            }
            [b'\\', escaped, after @ ..] => {
                text.push(match escaped {
                    b'a' => 7,
                    b'b' => 8,
                    b'f' => 12,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'v' => 11,
                    other => *other,
                });
                after
            }
            [byte, after @ ..] if *byte == quote || *byte == b'\n' => return (text, after),
            [byte, after @ ..] => {
                text.push(*byte);
                after
            }
        };
    }
}

/// What stands in `[[…]]` or `[=[…]=]` and what follows it, if that is what `rest` begins with.
fn long_bracket(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let level = rest.strip_prefix(b"[")?.iter().take_while(|byte| **byte == b'=').count();
    if rest.get(level + 1) != Some(&b'[') {
        return None;
    }
    let close = [b"]".as_slice(), &vec![b'='; level], b"]"].concat();
    let inner = &rest[level + 2..];
    let inner = inner.strip_prefix(b"\n").unwrap_or(inner);
    Some(match memchr::memmem::find(inner, &close) {
        Some(at) => (&inner[..at], &inner[at + close.len()..]),
        None => (inner, &[]),
    })
}

/// What follows a comment, of which the dashes are taken off.
fn after_comment(comment: &[u8]) -> &[u8] {
    match long_bracket(comment) {
        Some((_, after)) => after,
        None => memchr::memchr(b'\n', comment).map_or(&[], |newline| &comment[newline..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_are_counted_outside_of_strings_and_comments() {
        for (code, expected) in [
            ("x = a and b or not c", 3),
            ("if a then elseif b then else end while true do break end", 5),
            ("x = 'and or' .. \"or\\\" and\" .. [[break]] .. [==[ or ]] or ]==]", 0),
            ("-- and\nx = a or b --[[ or\n or ]] and c --[=[ or ]]", 2),
            ("band = order .. sand", 0),
            ("x = 'and\ny = a and b", 1),
            ("t[a and b]", 1),
            ("", 0),
        ] {
            assert_eq!(cost(code.as_bytes()).jumps, expected, "{code}");
        }
    }

    #[test]
    fn strings_are_read_as_lua_reads_them() {
        assert_eq!(quoted(b"a\\065\\n\\\"\\1b\"rest", b'"'), (b"aA\n\"\x01b".to_vec(), b"rest".as_slice()));
        assert_eq!(long_bracket(b"[=[\nx]]]=]y"), Some((b"x]]".as_slice(), b"y".as_slice())));
        assert_eq!(long_bracket(b"[x]"), None);
    }

    #[test]
    fn names_cost_what_is_around_them() {
        let flat = cost("x = 1 ".repeat(1000).as_bytes()).nanoseconds;
        let nested =
            format!("{}{}{}", "function f() ".repeat(100), "x = 1 ".repeat(1000), "end ".repeat(100));
        let nested = cost(nested.as_bytes()).nanoseconds;
        assert!(nested > 20 * flat, "{nested} {flat}");
        let after = format!("{}{}", "function f() end ".repeat(100), "x = 1 ".repeat(1000));
        assert!(cost(after.as_bytes()).nanoseconds < 2 * flat);
    }

    #[test]
    fn strings_of_one_hash_cost_more() {
        // Of 64 bytes each third counts, so that others can be anything.
        let strings = |free: usize| {
            let mut code = String::new();
            for number in 0..3000 {
                let mut bytes = vec![b'x'; 64];
                for (digit, place) in [1_usize, 2, 4, 5].into_iter().enumerate() {
                    bytes[63 - place - free] = b'a' + (number >> (4 * digit) & 15) as u8;
                }
                code.push_str(&format!("x('{}')", String::from_utf8(bytes).unwrap()));
            }
            cost(code.as_bytes()).nanoseconds
        };
        assert!(strings(0) > strings(2) + 8 * 3000 * 2999 / 2 / 4, "{} {}", strings(0), strings(2));
    }
}
