//! The `#name=value` items after a database name.
//!
//! ttserver never refuses tuning, so neither does this: what has no effect is listed instead, so that
//! the log can name it.

use super::database::Mode;
use super::size::unit_of;

/// What the tuning items of one database name say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tuning {
    pub(super) bnum: Option<u64>,
    pub(super) capnum: Option<u64>,
    pub(super) capsiz: Option<u64>,
    pub(super) mode: Mode,
    pub(super) ignored: Vec<String>,
}

/// Tuning of Tokyo Cabinet that is known and means nothing to this engine.
const WITHOUT_EFFECT: [&str; 13] = [
    "apow", "fpow", "opts", "rcnum", "xmsiz", "dfunit", "lmemb", "nmemb", "lcnum", "ncnum", "width",
    "limsiz", "idx",
];

impl Tuning {
    /// Reads the items of `text`, separated by `#`. `memory`: they belong to a database in memory.
    pub(super) fn parse(text: &str, memory: bool) -> Self {
        let mut tuning = Self::default();
        for (at, item) in text.split('#').enumerate() {
            if item.is_empty() {
                continue;
            }
            let Some((name, value)) = item.split_once('=') else {
                tuning.ignored.push(format!("{item} (no =)"));
                continue;
            };
            let name = name.to_ascii_lowercase();
            if overruled(text, at, &name) {
                continue;
            }
            tuning.set(item, &name, value, memory);
        }
        tuning
    }

    fn set(&mut self, item: &str, name: &str, value: &str, memory: bool) {
        match name {
            "bnum" => self.bnum = number(value),
            "capnum" if memory => self.capnum = number(value),
            "capsiz" if memory => self.capsiz = number(value),
            "capnum" | "capsiz" => self.ignored.push(format!("{item} (only for *)")),
            "mode" if memory => self.ignored.push(format!("{item} (only for a database on disk)")),
            "mode" => self.set_mode(value),
            known if WITHOUT_EFFECT.contains(&known) => self.ignored.push(item.to_owned()),
            _ => self.ignored.push(format!("{item} (unknown)")),
        }
    }

    fn set_mode(&mut self, letters: &str) {
        let mut mode = Mode { write: false, create: false, truncate: false };
        let mut without_effect = String::new();
        for letter in letters.chars() {
            match letter.to_ascii_lowercase() {
                'w' => mode.write = true,
                'r' => {}
                'c' => mode.create = true,
                't' => mode.truncate = true,
                // Locking is not a choice here: a second process is always refused, and at once.
                _ => without_effect.push(letter),
            }
        }
        if !mode.write {
            for (set, letter) in [(&mut mode.create, 'c'), (&mut mode.truncate, 't')] {
                if std::mem::take(set) {
                    without_effect.push(letter);
                }
            }
        }
        if !without_effect.is_empty() {
            self.ignored.push(format!("mode={letters} (no effect: {without_effect})"));
        }
        self.mode = mode;
    }
}

/// Whether an item after the one at `at` sets `name` again; the last one counts.
fn overruled(text: &str, at: usize, name: &str) -> bool {
    let later = text.split('#').skip(at + 1).filter_map(|item| item.split_once('='));
    later.into_iter().any(|(other, _)| other.eq_ignore_ascii_case(name))
}

/// A number in ttserver's lenient form; 0, negative or no number at all is `None`, the default.
///
/// Leading blanks and `+` are skipped, digits count until something else comes, a fraction works before
/// a unit, units k, m, g and t are powers of 1024, the rest is not looked at.
fn number(text: &str) -> Option<u64> {
    let text = text.trim_start_matches(|c: char| c.is_ascii_whitespace() || c.is_ascii_control());
    let text = text.strip_prefix('+').unwrap_or(text);
    let (whole, rest) = split_digits(text);
    let mut value: u128 = saturating_digits(whole);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => split_digits(rest),
        None => ("", rest),
    };
    if let Some(unit) = rest.bytes().next().and_then(unit_of) {
        let unit = u128::from(unit);
        let fraction = fraction.get(..18).unwrap_or(fraction);
        let scale = 10_u128.pow(fraction.len() as u32);
        value = value.saturating_mul(unit).saturating_add(saturating_digits(fraction) * unit / scale);
    }
    let value = u64::try_from(value).unwrap_or(u64::MAX).min(i64::MAX as u64);
    (value > 0).then_some(value)
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

fn saturating_digits(digits: &str) -> u128 {
    digits.bytes().fold(0_u128, |sum, digit| sum.saturating_mul(10).saturating_add(u128::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (text, value) in [
            ("10", Some(10)),
            ("1.5k", Some(1536)),
            ("1.5", Some(1)),
            ("  +7", Some(7)),
            ("2M", Some(2 << 20)),
            ("1gb", Some(1 << 30)),
            ("3t", Some(3 << 40)),
            ("12 monkeys", Some(12)),
            ("0x10", None),
            ("0", None),
            ("-5", None),
            ("", None),
            ("many", None),
            ("99999999999999999999999999999999999999999999t", Some(i64::MAX as u64)),
        ] {
            assert_eq!(number(text), value, "{text:?}");
        }
    }

    #[test]
    fn items() {
        let tuning = Tuning::parse("BNUM=10##bnum=20#fpow=13#opts=ld#x#foo=1#capnum=3", false);
        assert_eq!(tuning.bnum, Some(20));
        assert_eq!(tuning.capnum, None);
        assert_eq!(
            tuning.ignored,
            ["fpow=13", "opts=ld", "x (no =)", "foo=1 (unknown)", "capnum=3 (only for *)"]
        );
        let tuning = Tuning::parse("bnum=1#capnum=1k#capsiz=2m#mode=r", true);
        assert_eq!((tuning.bnum, tuning.capnum, tuning.capsiz), (Some(1), Some(1024), Some(2 << 20)));
        assert_eq!(tuning.mode, Mode::default());
        assert_eq!(tuning.ignored, ["mode=r (only for a database on disk)"]);
        let tuning = Tuning::parse("bnum=5#bnum=0", false);
        assert_eq!(tuning.bnum, None, "the last duplicate counts, also when it means the default");
    }

    #[test]
    fn modes() {
        let mode = |write, create, truncate| Mode { write, create, truncate };
        for (letters, expected, ignored) in [
            ("wc", mode(true, true, false), ""),
            ("w", mode(true, false, false), ""),
            ("r", mode(false, false, false), ""),
            ("WCT", mode(true, true, true), ""),
            ("rct", mode(false, false, false), "mode=rct (no effect: ct)"),
            ("wcef", mode(true, true, false), "mode=wcef (no effect: ef)"),
            ("wx", mode(true, false, false), "mode=wx (no effect: x)"),
            ("", mode(false, false, false), ""),
        ] {
            let tuning = Tuning::parse(&format!("mode={letters}"), false);
            assert_eq!(tuning.mode, expected, "{letters}");
            assert_eq!(tuning.ignored.concat(), ignored, "{letters}");
        }
    }
}
