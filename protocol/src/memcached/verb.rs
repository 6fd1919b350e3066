//! First words: what they ask for, and whether the input begins with one.

use crate::command::Command;

/// What a line asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Gets,
    Set,
    Add,
    Replace,
    Append,
    Prepend,
    Cas,
    Delete,
    Incr,
    Decr,
    Touch,
    Gat,
    Gats,
    Stats,
    FlushAll,
    Version,
    Verbosity,
    Quit,
}

/// So many bytes decide whether a line begins with a verb: what has only blanks in them does not.
const BEGINNING: usize = 1024;

const VERBS: [(&[u8], Verb); 19] = [
    (b"get", Verb::Get),
    (b"gets", Verb::Gets),
    (b"set", Verb::Set),
    (b"add", Verb::Add),
    (b"replace", Verb::Replace),
    (b"append", Verb::Append),
    (b"prepend", Verb::Prepend),
    (b"cas", Verb::Cas),
    (b"delete", Verb::Delete),
    (b"incr", Verb::Incr),
    (b"decr", Verb::Decr),
    (b"touch", Verb::Touch),
    (b"gat", Verb::Gat),
    (b"gats", Verb::Gats),
    (b"stats", Verb::Stats),
    (b"flush_all", Verb::FlushAll),
    (b"version", Verb::Version),
    (b"verbosity", Verb::Verbosity),
    (b"quit", Verb::Quit),
];

impl Verb {
    #[inline]
    pub fn of(word: &[u8]) -> Option<Self> {
        match word {
            b"get" => Some(Self::Get),
            b"set" => Some(Self::Set),
            _ => VERBS.iter().find(|(name, _)| *name == word).map(|(_, verb)| *verb),
        }
    }

    /// What it counts as before its words are looked at; none where keys are counted, or nothing is.
    pub fn command(self) -> Option<Command> {
        match self {
            Self::Get | Self::Gets | Self::Gat | Self::Gats | Self::Verbosity | Self::Quit => None,
            Self::Set | Self::Replace | Self::Append | Self::Prepend | Self::Cas | Self::Touch => {
                Some(Command::Put)
            }
            Self::Add => Some(Command::PutKeep),
            Self::Delete => Some(Command::Out),
            Self::Incr | Self::Decr => Some(Command::AddInt),
            Self::Stats | Self::Version => Some(Command::Stat),
            Self::FlushAll => Some(Command::Vanish),
        }
    }
}

/// The first word of what has come, as far as it has: CRs left out.
struct First {
    bytes: [u8; 16],
    len: usize,
    /// It has ended; else more of it may come.
    is_whole: bool,
}

impl First {
    /// None where it cannot be a verb.
    fn of(input: &[u8]) -> Option<Self> {
        let mut first = Self { bytes: [0; 16], len: 0, is_whole: false };
        for &byte in input.iter().take(BEGINNING) {
            match byte {
                b'\r' => {}
                b' ' | b'\t' if first.len == 0 => {}
                b' ' | b'\t' | b'\n' | 0 => {
                    first.is_whole = true;
                    break;
                }
                _ => {
                    *first.bytes.get_mut(first.len)? = byte;
                    first.len += 1;
                }
            }
        }
        (first.is_whole || input.len() < BEGINNING).then_some(first)
    }

    fn word(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Whether the first word of the input is a verb of memcached: none where too little of it is there to tell.
#[inline]
#[must_use]
pub fn begins(input: &[u8]) -> Option<bool> {
    if input.starts_with(b"get ") || input.starts_with(b"set ") {
        return Some(true);
    }
    let Some(first) = First::of(input) else { return Some(false) };
    if first.is_whole {
        return Some(Verb::of(first.word()).is_some());
    }
    let may_become = VERBS.iter().any(|(name, _)| name.starts_with(first.word()));
    if may_become { None } else { Some(false) }
}

/// The first key of a plain `get` or `gets`, as far as a glance tells: a hint of what is going to be read.
#[inline]
#[must_use]
pub fn first_key(input: &[u8]) -> Option<&[u8]> {
    let words = input.strip_prefix(b"get ").or_else(|| input.strip_prefix(b"gets "))?;
    let len = words.iter().position(|&byte| byte <= b' ')?;
    words.get(..len)
}

/// See [`dialect::may_end`](crate::dialect::may_end).
#[must_use]
pub fn may_end(input: &[u8]) -> bool {
    let verb = First::of(input).and_then(|first| Verb::of(first.word()));
    matches!(verb, Some(Verb::Get | Verb::Gets | Verb::Version | Verb::Stats))
        && memchr::memchr(b'\n', input).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_are_known_by_their_first_word() {
        for (name, verb) in VERBS {
            assert_eq!(Verb::of(name), Some(verb));
            for end in [&b" "[..], b"\t", b"\n", b"\r\n", b"\0"] {
                assert_eq!(begins(&[name, end].concat()), Some(true), "{name:?}");
                assert_eq!(begins(&[b" \t\r ", name, end].concat()), Some(true), "{name:?}");
            }
            for len in 0..=name.len() {
                assert_eq!(begins(&name[..len]), None, "{name:?}");
            }
            assert_eq!(begins(&[name, &b"x"[..]].concat()), Some(false), "{name:?}");
            assert_eq!(begins(&[name.to_ascii_uppercase(), b" ".to_vec()].concat()), Some(false));
        }
        for other in [&b"mg k"[..], b"\n", b" \r\n", b"\0", b"GET / HTTP/1.1", b"ge t", b"g\0et ", b"setgets"]
        {
            assert_eq!(begins(other), Some(false), "{other:?}");
        }
        assert_eq!(begins(b"g\re\rt "), Some(true));
    }

    #[test]
    fn blanks_do_not_go_on_for_ever() {
        assert_eq!(begins(&[b' '; BEGINNING - 1]), None);
        assert_eq!(begins(&[b' '; BEGINNING]), Some(false));
        let mut late = vec![b'\r'; BEGINNING - 3];
        late.extend_from_slice(b"get k\n");
        assert_eq!(begins(&late), Some(false));
        assert_eq!(begins(&late[1..]), Some(true));
    }

    #[test]
    fn a_glance_tells_the_first_key() {
        assert_eq!(first_key(b"get key\r\n"), Some(&b"key"[..]));
        assert_eq!(first_key(b"gets key other\n"), Some(&b"key"[..]));
        for input in [&b"get key"[..], b"gat 0 key\n", b"set key 0 0 0\n", b""] {
            assert_eq!(first_key(input), None);
        }
    }

    #[test]
    fn only_what_reads_may_end_with_the_input() {
        for input in [&b"version"[..], b"get k", b" gets a b", b"stats", b"g\ret k\r"] {
            assert!(may_end(input), "{input:?}");
        }
        for input in
            [&b""[..], b"ver", b"set k 0 0 1", b"delete k", b"gat 0 k", b"get k\nversion", b"flush_all"]
        {
            assert!(!may_end(input), "{input:?}");
        }
    }
}
