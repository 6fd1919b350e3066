//! The command mask: which requests the node refuses (`-mask`, `-unmask`).
//!
//! | bits | names |
//! |---|---|
//! | 0 to 25 | the commands, as [`lcnode_protocol::Command::bit`] numbers them: `put` to `repl` |
//! | 26 | `slave` |
//! | 27, 28, 29 | `allorg`, `allmc`, `allhttp`: everything of one dialect |
//! | 30, 31, 32 | `allread`, `allwrite`, `allmanage`: everything of one class |
//! | 0 to 63 | `all` |
//!
//! A group is a bit of its own and not the union of its commands: after `-mask all -unmask get` a get is
//! still refused, because `allorg` and `allread` stay set. This is ttserver's rule, kept because masks
//! are written down in start scripts.

use std::fmt;

use lcnode_protocol::Command;

/// A set of command and group bits that are refused. Empty by default.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Mask(pub u64);

/// What one expression of `-mask` or `-unmask` names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MaskExpr {
    /// The bits of all names together.
    pub bits: Mask,
    /// Words that name nothing, as typed. They have no effect.
    pub unknown: Vec<String>,
}

impl Mask {
    /// Refuses nothing.
    pub const NONE: Self = Self(0);
    /// All 64 bits.
    pub const ALL: Self = Self(u64::MAX);
    /// The node follows no master.
    pub const SLAVE: Self = Self(1 << 26);
    /// Everything of the binary dialect.
    pub const ALLORG: Self = Self(1 << 27);
    /// Everything of the memcached dialect.
    pub const ALLMC: Self = Self(1 << 28);
    /// Everything over HTTP.
    pub const ALLHTTP: Self = Self(1 << 29);
    /// Every command that reads.
    pub const ALLREAD: Self = Self(1 << 30);
    /// Every command that writes.
    pub const ALLWRITE: Self = Self(1 << 31);
    /// Every command that manages the database.
    pub const ALLMANAGE: Self = Self(1 << 32);

    const GROUPS: [(&'static str, Self); 8] = [
        ("slave", Self::SLAVE),
        ("allorg", Self::ALLORG),
        ("allmc", Self::ALLMC),
        ("allhttp", Self::ALLHTTP),
        ("allread", Self::ALLREAD),
        ("allwrite", Self::ALLWRITE),
        ("allmanage", Self::ALLMANAGE),
        ("all", Self::ALL),
    ];

    /// The bit of one command.
    #[must_use]
    pub const fn of(command: Command) -> Self {
        Self(1 << (command as u32))
    }

    /// The bits of this one and of `other`.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The bits of this one that are not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether any of `bits` is set: a request is refused if one of its bits is.
    #[inline]
    #[must_use]
    pub const fn forbids(self, bits: Self) -> bool {
        self.0 & bits.0 != 0
    }

    /// Reads an expression: names separated by commas or blanks, in any case, or raw bits as `0x40`.
    ///
    /// Never fails: ttserver ignores what it does not know, and so the caller can only report it.
    #[must_use]
    pub fn parse(expr: &str) -> MaskExpr {
        let mut parsed = MaskExpr::default();
        let words = expr.split(|c: char| c == ',' || c.is_ascii_whitespace());
        for word in words.filter(|word| !word.is_empty()) {
            match Self::named(word) {
                Some(bits) => parsed.bits = parsed.bits.union(bits),
                None => parsed.unknown.push(word.to_owned()),
            }
        }
        parsed
    }

    fn named(word: &str) -> Option<Self> {
        let digits = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X"));
        if let Some(digits) = digits {
            // A sign is not hexadecimal, but the standard parser would take it.
            let plain = !digits.starts_with(['+', '-']);
            return u64::from_str_radix(digits, 16).ok().filter(|_| plain).map(Self);
        }
        if let Some(command) = Command::from_name(word) {
            return Some(Self::of(command));
        }
        let mut groups = Self::GROUPS.iter();
        groups.find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, bits)| *bits)
    }
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mask({self})")
    }
}

impl fmt::Display for Mask {
    /// As the log shows it: `0x` and 16 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#018x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every name of ttserver's table and its bit.
    const NAMES: [(&str, u32); 33] = [
        ("put", 0),
        ("putkeep", 1),
        ("putcat", 2),
        ("putshl", 3),
        ("putnr", 4),
        ("out", 5),
        ("get", 6),
        ("mget", 7),
        ("vsiz", 8),
        ("iterinit", 9),
        ("iternext", 10),
        ("fwmkeys", 11),
        ("addint", 12),
        ("adddouble", 13),
        ("ext", 14),
        ("sync", 15),
        ("optimize", 16),
        ("vanish", 17),
        ("copy", 18),
        ("restore", 19),
        ("setmst", 20),
        ("rnum", 21),
        ("size", 22),
        ("stat", 23),
        ("misc", 24),
        ("repl", 25),
        ("slave", 26),
        ("allorg", 27),
        ("allmc", 28),
        ("allhttp", 29),
        ("allread", 30),
        ("allwrite", 31),
        ("allmanage", 32),
    ];

    #[test]
    fn names_and_bits() {
        for (name, bit) in NAMES {
            let expected = MaskExpr { bits: Mask(1 << bit), unknown: vec![] };
            assert_eq!(Mask::parse(name), expected, "{name}");
            assert_eq!(Mask::parse(&name.to_uppercase()), expected, "{name}");
        }
        assert_eq!(Mask::parse("all").bits, Mask::ALL);
    }

    #[test]
    fn expressions() {
        for (expr, bits, unknown) in [
            ("put,get", 0x41, ""),
            ("put get", 0x41, ""),
            (" , put ,\tGET,", 0x41, ""),
            ("0x40", 0x40, ""),
            ("0X1,get", 0x41, ""),
            ("0xffffffffffffffff", u64::MAX, ""),
            ("", 0, ""),
            ("gets,put", 0x1, "gets"),
            ("0x1ffffffffffffffff 0xzz 0x 0x+1", 0, "0x1ffffffffffffffff 0xzz 0x 0x+1"),
            ("64", 0, "64"),
        ] {
            let parsed = Mask::parse(expr);
            assert_eq!((parsed.bits, parsed.unknown.join(" ").as_str()), (Mask(bits), unknown), "{expr}");
        }
    }

    #[test]
    fn groups_are_bits_of_their_own() {
        let get = Mask::of(Command::Get).union(Mask::ALLORG).union(Mask::ALLREAD);
        let put = Mask::of(Command::Put).union(Mask::ALLORG).union(Mask::ALLWRITE);
        assert!(Mask::ALL.without(Mask::of(Command::Get)).forbids(get));
        assert!(Mask::ALLWRITE.without(Mask::of(Command::Put)).forbids(put));
        assert!(!Mask::ALLWRITE.forbids(get));
        assert!(!Mask::NONE.forbids(Mask::ALL));
        assert_eq!(Mask::ALLMANAGE.to_string(), "0x0000000100000000");
    }
}
