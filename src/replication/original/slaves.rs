//! What is remembered of original servers that follow this node: they say no more than a time stamp.

use lcnode_storage::{Error, Position, Result, Store};

/// How far a slave has the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Slave {
    /// Up to this time of order it may lack records though it asks for later ones: it was being sent all. 0 where
    /// it does not.
    pub unfinished: u64,
    /// Time stamp of the last entry that it was sent up to `at`: one that asks for later ones has had all that is
    /// before it.
    pub sent: u64,
    /// How far the log was passed on.
    pub at: Position,
    /// The time of order of the last record before `at`.
    pub order: u64,
}

/// The key of the memo; none for ids that are no servers.
fn key(sid: u32) -> Option<[u8; 3]> {
    let [high, low] = u16::try_from(sid).ok()?.to_be_bytes();
    Some([b's', high, low])
}

impl Slave {
    /// What is remembered of the slave `sid`, if it speaks of this log: nothing of it holds for a copy.
    #[must_use]
    pub fn load(store: &Store, sid: u32) -> Option<Self> {
        let memo = store.memo(&key(sid)?)?;
        let (words, []) = memo.as_chunks::<8>() else { return None };
        let &[identity, unfinished, sent, segment, offset, order] = words else { return None };
        let [identity, unfinished, sent, segment, offset, order] =
            [identity, unfinished, sent, segment, offset, order].map(u64::from_be_bytes);
        let slave = Self { unfinished, sent, at: Position { segment, offset }, order };
        (identity == store.opened().identity).then_some(slave)
    }

    /// Remembers it. What it says of the log is before it in the log, so it is true after any crash.
    pub fn save(&self, store: &Store, sid: u32) -> Result<()> {
        let Some(key) = key(sid) else { return Ok(()) };
        let Position { segment, offset } = self.at;
        let words = [store.opened().identity, self.unfinished, self.sent, segment, offset, self.order];
        match store.set_memo(&key, &words.map(u64::to_be_bytes).concat()) {
            // Nothing can be remembered, and a slave that leaves too early lacks what it has not had.
            Err(Error::ReadOnly) => Ok(()),
            result => result,
        }
    }
}

#[cfg(test)]
mod tests {
    use lcnode_storage::{Options, Place};

    use super::*;

    #[test]
    fn each_slave_is_remembered() {
        let store = Store::open(Options { origin: 1, ..Options::new(Place::Memory) }).unwrap();
        let slave = Slave { unfinished: 1, sent: 2, at: Position { segment: 3, offset: 4 }, order: 5 };
        slave.save(&store, 9).unwrap();
        slave.save(&store, 70_000).unwrap();
        assert_eq!(Slave::load(&store, 9), Some(slave));
        assert_eq!(Slave::load(&store, 70_000), None, "no server");
        assert_eq!(Slave::load(&store, 8), None);
        for wrong in [&[0; 48][..], &[0; 47], &[0; 40]] {
            store.set_memo(&key(9).unwrap(), wrong).unwrap();
            let of_this_log = store.opened().identity == 0 && wrong.len() == 48;
            assert_eq!(Slave::load(&store, 9).is_some(), of_this_log);
        }
    }
}
