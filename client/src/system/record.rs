//! Lookup records: where a key is.
//!
//! Usually the name of a storage node and nothing else, as LightCloud has it. While a key is being moved it is
//! `FROM>TO@UNTIL`: until that time, in milliseconds since 1970, the key is read where it was and not changed by
//! anybody but who moves it. Other clients than this one do not know the name and take the key for one without a
//! record, so none of them may be at work while keys are moved.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A lookup record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// The node that has the key.
    pub(super) node: String,
    /// Where it is being moved, if it is.
    pub(super) moving: Option<Moving>,
}

/// A key on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moving {
    /// Where to.
    pub(super) to: String,
    /// The end of the mover's time, in milliseconds since 1970.
    pub(super) until: u64,
}

impl Record {
    /// What the bytes of a record say; none where they are no text.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let moving = || {
            let (node, rest) = text.split_once('>')?;
            let (to, until) = rest.split_once('@')?;
            let moving = Moving { to: to.to_owned(), until: until.parse().ok()? };
            Some(Self { node: node.to_owned(), moving: Some(moving) })
        };
        moving().or_else(|| Some(Self { node: text.to_owned(), moving: None }))
    }

    /// The record as bytes.
    pub(super) fn bytes(&self) -> Vec<u8> {
        match &self.moving {
            None => self.node.clone(),
            Some(Moving { to, until }) => format!("{}>{to}@{until}", self.node),
        }
        .into_bytes()
    }
}

impl Moving {
    /// How long it still is to be respected; none where its time is over.
    pub(super) fn left(&self) -> Option<Duration> {
        self.until.checked_sub(now()).filter(|left| *left > 0).map(Duration::from_millis)
    }
}

/// Milliseconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_as_they_were_written() {
        let plain = Record { node: "storage1_A".into(), moving: None };
        let moving = Moving { to: "storage4_A".into(), until: 1_795_000_000_000 };
        let moving = Record { moving: Some(moving), ..plain.clone() };
        assert_eq!(plain.bytes(), b"storage1_A");
        assert_eq!(moving.bytes(), b"storage1_A>storage4_A@1795000000000");
        for record in [plain, moving] {
            assert_eq!(Record::parse(&record.bytes()), Some(record));
        }
        assert_eq!(Record::parse(b"a>b"), Some(Record { node: "a>b".into(), moving: None }));
        assert_eq!(Record::parse(b"\xff"), None);
    }
}
