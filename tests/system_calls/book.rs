//! One client that writes, and knows what must be there.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::support::{ANSWER, Client, Node, eventually, wire};

const KEYS: u32 = 60;

/// What was acknowledged, and the changes that were refused, which may have happened or not.
#[derive(Debug, Default)]
pub struct Book {
    records: BTreeMap<u32, Vec<u8>>,
    doubtful: Vec<(u32, Option<Vec<u8>>)>,
    changes: u32,
}

impl Book {
    /// The next change: a key, and its value or none for a delete.
    fn next(&mut self) -> (u32, Option<Vec<u8>>) {
        self.changes += 1;
        let key = self.changes.wrapping_mul(2_654_435_761) % KEYS;
        match self.changes % 5 {
            0 if self.records.contains_key(&key) => (key, None),
            _ => (key, Some(vec![self.changes as u8; 20 + (self.changes * 37 % 1500) as usize])),
        }
    }

    fn apply(&mut self, key: u32, value: Option<Vec<u8>>) {
        match value {
            Some(value) => _ = self.records.insert(key, value),
            None => _ = self.records.remove(&key),
        }
    }

    /// The book of a client whose first `count` changes were acknowledged.
    pub fn after(count: u32) -> Self {
        let mut book = Self::default();
        for _ in 0..count {
            let (key, value) = book.next();
            book.apply(key, value);
        }
        book
    }

    /// Makes a change; says whether it was acknowledged.
    pub fn change(&mut self, client: &mut Client) -> bool {
        let (key, value) = self.next();
        let request = match &value {
            Some(value) => wire::put(&key.to_be_bytes(), value),
            None => wire::out(&key.to_be_bytes()),
        };
        // Under --sync always a change that cannot be made durable ends its connection.
        let done =
            client.try_send(&request).and_then(|()| client.try_take::<1>()).is_ok_and(|code| code == [0]);
        match done {
            true => self.apply(key, value),
            false => self.doubtful.push((key, value)),
        }
        done
    }

    /// Makes so many changes, or fewer if one is refused; says whether all were acknowledged.
    pub fn changes(&mut self, client: &mut Client, count: u32) -> bool {
        (0..count).all(|_| self.change(client))
    }

    /// Every record is there as it was acknowledged, and no other.
    pub fn check(&mut self, client: &mut Client, scene: &str) {
        let doubtful = std::mem::take(&mut self.doubtful);
        for key in 0..KEYS {
            let found = client.get(key.to_be_bytes());
            if found.as_ref() == self.records.get(&key) {
                continue;
            }
            let len = found.as_ref().map(Vec::len);
            assert!(doubtful.contains(&(key, found.clone())), "{scene}: record {key} has {len:?} bytes");
            // It happened.
            self.apply(key, found);
        }
        assert_eq!(client.rnum(), self.records.len() as u64, "{scene}");
    }

    /// Reads go on; a node that refuses writes for good says so everywhere, and one that does not takes them
    /// again. Returns whether it refuses them.
    pub fn check_node(&mut self, node: &Node, scene: &str) -> bool {
        self.check(&mut node.client(), scene);
        let mut fatal = None;
        eventually(scene, ANSWER, || {
            std::thread::sleep(Duration::from_millis(20));
            let goes_on = self.changes(&mut node.client(), 20);
            fatal = node.client().stat_of("fatal");
            goes_on || fatal.is_some()
        });
        if let Some(why) = &fatal {
            assert!(why.contains("os error"), "{scene}: {why}");
            for _ in 0..3 {
                let mut client = node.client();
                assert!(!client.put("refused", "value"), "{scene}: a put after {why}");
                assert!(!client.out(0u32.to_be_bytes()), "{scene}: an out after {why}");
                assert!(!client.succeeds(&wire::sync()), "{scene}: a sync after {why}");
            }
            assert!(node.log().contains("writes are refused until a restart"), "{scene}: {}", node.log());
        }
        self.check(&mut node.client(), scene);
        fatal.is_some()
    }
}
