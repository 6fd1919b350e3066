//! What a run of the source's changes comes to.
//!
//! What a key is set to is taken from the log. What an addition or an appending made of it is not worked out here but
//! asked of the source when the run is carried out: its present value. That may be of later than the entry, and then
//! the entries that made it so are still to come and ask again. So it does not matter how often an entry is carried out,
//! nor that the copy had its effect already: in the end the target has what the source has, counters too.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use lightcloud::tyrant::Entry;
use lightcloud::tyrant::update_log::{BadBlock, Change};

/// What is to be done with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Store this.
    Put(Bytes),
    /// Remove it.
    Delete,
    /// Store what the source has now, or remove it where that has nothing.
    Refresh,
}

/// What some changes come to.
#[derive(Debug, PartialEq, Eq)]
pub struct Changes {
    /// All records are to go first; by the entry of this time.
    pub vanish: Option<u64>,
    /// The last thing that is to be done with each key.
    pub actions: HashMap<Bytes, Action>,
    /// Bytes of entries.
    pub bytes: usize,
    /// Entries.
    pub entries: u64,
    /// The time of the earliest, in microseconds; the largest number where there is none.
    pub earliest: u64,
    /// The time of the latest, in microseconds.
    pub latest: u64,
    /// First arguments of calls of `misc get`, which change nothing.
    pub asked_for: Vec<Bytes>,
    /// Functions that may have changed anything.
    pub unknown: BTreeSet<String>,
}

/// Functions of `misc` that change no records.
const HARMLESS: [&[u8]; 12] = [
    b"get",
    b"getlist",
    b"getpart",
    b"iterinit",
    b"iternext",
    b"regex",
    b"range",
    b"sync",
    b"optimize",
    b"error",
    b"defrag",
    b"cacheclear",
];

impl Default for Changes {
    fn default() -> Self {
        Self {
            vanish: None,
            actions: HashMap::new(),
            bytes: 0,
            entries: 0,
            earliest: u64::MAX,
            latest: 0,
            asked_for: Vec::new(),
            unknown: BTreeSet::new(),
        }
    }
}

impl Changes {
    /// Takes one more entry.
    ///
    /// Errors: it is none.
    pub fn add(&mut self, entry: &Entry) -> Result<(), BadBlock> {
        self.entries += 1;
        self.bytes += entry.block.len();
        self.earliest = self.earliest.min(entry.ts);
        self.latest = self.latest.max(entry.ts);
        let logged = entry.logged()?;
        let own = |part: &[u8]| entry.block.slice_ref(part);
        match logged.change {
            Change::Put { key, value } | Change::PutKeep { key, value } if logged.worked => {
                self.actions.insert(own(key), Action::Put(own(value)));
            }
            Change::Out { key } if logged.worked => {
                self.actions.insert(own(key), Action::Delete);
            }
            // One that failed has changed the value in rare cases.
            Change::Put { key, .. }
            | Change::PutKeep { key, .. }
            | Change::PutCat { key, .. }
            | Change::PutShl { key, .. }
            | Change::Out { key }
            | Change::AddInt { key, .. }
            | Change::AddDouble { key, .. } => self.refresh(own(key)),
            Change::Vanish if logged.worked => self.empty(entry.ts),
            Change::Vanish | Change::Sync | Change::Optimize { .. } => {}
            Change::Misc { name, args } => {
                let mut args = args.iter().map(own);
                match name {
                    b"put" | b"putkeep" | b"putcat" | b"out" | b"putdup" | b"putdupback" => {
                        args.next().into_iter().for_each(|key| self.refresh(key));
                    }
                    b"putlist" => args.step_by(2).for_each(|key| self.refresh(key)),
                    b"outlist" => args.for_each(|key| self.refresh(key)),
                    b"vanish" if logged.worked => self.empty(entry.ts),
                    b"get" => self.asked_for.extend(args.next()),
                    name if !logged.worked || HARMLESS.contains(&name) => {}
                    name => {
                        self.unknown.insert(String::from_utf8_lossy(name).into_owned());
                    }
                }
            }
        }
        Ok(())
    }

    fn refresh(&mut self, key: Bytes) {
        self.actions.insert(key, Action::Refresh);
    }

    fn empty(&mut self, ts: u64) {
        self.actions.clear();
        self.vanish = Some(ts);
    }
}

#[cfg(test)]
mod tests {
    use lightcloud::tyrant::Items;
    use lightcloud::tyrant::update_log::Logged;

    use super::*;

    fn add(changes: &mut Changes, change: Change<'_>, worked: bool) {
        let mut block = Vec::new();
        Logged { change, worked }.encode(&mut block);
        let ts = changes.latest + 1;
        changes.add(&Entry { ts, sid: 1, block: block.into() }).unwrap();
    }

    fn misc(changes: &mut Changes, name: &[u8], args: &[&[u8]], worked: bool) {
        let mut wire = Vec::new();
        for arg in args {
            wire.extend((arg.len() as u32).to_be_bytes());
            wire.extend_from_slice(arg);
        }
        let args = Items::from_wire(&wire).unwrap();
        add(changes, Change::Misc { name, args }, worked);
    }

    fn actions(changes: &Changes) -> Vec<(&[u8], Action)> {
        let mut all: Vec<_> =
            changes.actions.iter().map(|(key, action)| (&key[..], action.clone())).collect();
        all.sort_by_key(|(key, _)| *key);
        all
    }

    #[test]
    fn the_last_change_of_a_key_decides() {
        let mut changes = Changes::default();
        let put = |key, value| Change::Put { key, value };
        add(&mut changes, put(b"a", b"1"), true);
        add(&mut changes, put(b"b", b"1"), true);
        add(&mut changes, Change::Out { key: b"a" }, true);
        add(&mut changes, Change::AddInt { key: b"b", num: 5 }, true);
        add(&mut changes, Change::AddInt { key: b"c", num: 5 }, true);
        add(&mut changes, put(b"c", b"x\0"), true);
        add(&mut changes, Change::PutKeep { key: b"d", value: b"1" }, true);
        add(&mut changes, Change::PutKeep { key: b"e", value: b"1" }, false);
        add(&mut changes, Change::Out { key: b"f" }, false);
        add(&mut changes, Change::Sync, true);
        let put = |value: &'static [u8]| Action::Put(Bytes::from_static(value));
        let expected: [(&[u8], _); 6] = [
            (b"a", Action::Delete),
            (b"b", Action::Refresh),
            (b"c", put(b"x\0")),
            (b"d", put(b"1")),
            (b"e", Action::Refresh),
            (b"f", Action::Refresh),
        ];
        assert_eq!(actions(&changes), expected);
        assert_eq!((changes.entries, changes.latest, changes.vanish), (10, 10, None));
    }

    #[test]
    fn a_vanish_takes_all_before_it() {
        for by_misc in [false, true] {
            let mut changes = Changes::default();
            add(&mut changes, Change::Put { key: b"a", value: b"1" }, true);
            if by_misc {
                misc(&mut changes, b"vanish", &[], true);
            } else {
                add(&mut changes, Change::Vanish, true);
            }
            add(&mut changes, Change::Put { key: b"b", value: b"1" }, true);
            add(&mut changes, Change::Vanish, false);
            assert_eq!(changes.vanish, Some(2));
            assert_eq!(actions(&changes).len(), 1);
        }
    }

    #[test]
    fn functions_of_the_database_have_their_keys_refreshed() {
        let mut changes = Changes::default();
        misc(&mut changes, b"putlist", &[b"a", b"1", b"b", b"2"], true);
        misc(&mut changes, b"outlist", &[b"c", b"d"], true);
        misc(&mut changes, b"putcat", &[b"e", b"x"], true);
        misc(&mut changes, b"get", &[b"marker"], false);
        misc(&mut changes, b"getlist", &[b"f"], true);
        misc(&mut changes, b"nothing", &[b"g"], false);
        let keys: Vec<_> = actions(&changes).into_iter().map(|(key, action)| (key, action)).collect();
        let expected: [&[u8]; 5] = [b"a", b"b", b"c", b"d", b"e"];
        assert_eq!(keys, expected.map(|key| (key, Action::Refresh)));
        assert_eq!(changes.asked_for, ["marker"]);
        assert!(changes.unknown.is_empty());
        misc(&mut changes, b"mystery", &[], true);
        assert_eq!(changes.unknown.len(), 1);
    }

    #[test]
    fn what_is_no_change_is_named() {
        let entry = Entry { ts: 1, sid: 1, block: Bytes::from_static(b"\xC8\x10\0\0\0\x09") };
        assert!(Changes::default().add(&entry).is_err());
    }
}
