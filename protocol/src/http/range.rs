//! Parts of a value.

/// The part that a client asks for with `Range: bytes=`. Positions count from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// From one byte to another, both included; the second may be past the end.
    Between(u64, u64),
    /// So many of the last bytes.
    Last(u64),
}

/// What a range comes to for a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it, with status 200.
    Whole,
    /// From a byte to before another.
    Of(usize, usize),
    /// The value has nothing there.
    Nothing,
}

impl Range {
    /// The range in a header's value. None where there are several, in another unit, or none that makes sense: then the
    /// header is to be ignored.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let (unit, range) = text.split_at_checked(6)?;
        if !unit.eq_ignore_ascii_case(b"bytes=") {
            return None;
        }
        let range = range.trim_ascii();
        let dash = memchr::memchr(b'-', range)?;
        match (&range[..dash], &range[dash + 1..]) {
            (b"", last) => Some(Self::Last(number(last)?)),
            (first, b"") => Some(Self::Between(number(first)?, u64::MAX)),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::Between(first, last))
            }
        }
    }

    /// What it comes to for a value of so many bytes.
    pub(super) fn part(self, len: usize) -> Part {
        let whole = len as u64;
        let (first, end) = match self {
            // There is no way to name a part of nothing, but that its end was asked for is no mistake either.
            Self::Last(1..) if whole == 0 => return Part::Whole,
            Self::Last(count) => (whole.saturating_sub(count), whole),
            Self::Between(first, last) => (first, last.saturating_add(1).min(whole)),
        };
        // Neither is more than `len`.
        if first < end { Part::Of(first as usize, end as usize) } else { Part::Nothing }
    }
}

/// A number of digits alone; one that is too large is past any end.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let step = |number: u64, digit: &u8| number.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    Some(digits.iter().fold(0, step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_ignored() {
        for text in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5",
            "bytes=2-1",
            "bytes=0-1,3-4",
            "bytes=a-b",
            "bytes=1-b",
            "bytes=-1-2",
            "items=0-1",
            "bytes 0-1",
            "bytes=+1-2",
            "bytes=0x1-2",
            "bytes=1- 2",
        ] {
            assert_eq!(Range::parse(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn parts() {
        for (text, len, part) in [
            ("bytes=0-0", 10, Part::Of(0, 1)),
            ("bytes=2-5", 10, Part::Of(2, 6)),
            ("Bytes= 2-5 ", 10, Part::Of(2, 6)),
            ("bytes=2-", 10, Part::Of(2, 10)),
            ("bytes=9-99999999999999999999999", 10, Part::Of(9, 10)),
            ("bytes=10-", 10, Part::Nothing),
            ("bytes=99999999999999999999999-", 10, Part::Nothing),
            ("bytes=0-0", 0, Part::Nothing),
            ("bytes=-3", 10, Part::Of(7, 10)),
            ("bytes=-30", 10, Part::Of(0, 10)),
            ("bytes=-0", 10, Part::Nothing),
            ("bytes=-3", 0, Part::Whole),
        ] {
            let range = Range::parse(text.as_bytes()).unwrap();
            assert_eq!(range.part(len), part, "{text:?} of {len}");
        }
    }
}
