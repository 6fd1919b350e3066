//! Tests of the dialect on stores in memory, with what an original sends spelled out.

mod apply;
mod feed;
mod pull;
mod recorded;
mod restore;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use super::position::Slot;
use super::pull::Settings;
use lcnode_protocol::update_log::{Change, Item, Logged};
use lcnode_protocol::{Items, Limits};
use lcnode_storage::{Options, Place, Store};

/// An empty store of server `sid`.
fn store(sid: u16) -> Arc<Store> {
    Arc::new(Store::open(Options { origin: sid, ..Options::new(Place::Memory) }).unwrap())
}

/// How the tests follow a master.
fn settings() -> Settings {
    Settings {
        name: "db:1978".to_owned(),
        slot: Slot::named(),
        begin: 0,
        check: false,
        limits: Limits::default(),
        max_skew: Duration::from_secs(10),
    }
}

fn contents(store: &Store) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut records = BTreeMap::new();
    let take = |key: &[u8], value: &[u8]| {
        records.insert(key.to_vec(), value.to_vec());
        ControlFlow::Continue(())
    };
    store.for_each(take).unwrap();
    records
}

fn get(store: &Store, key: &str) -> Option<String> {
    store.get(key.as_bytes(), |value| String::from_utf8_lossy(value).into_owned()).unwrap()
}

/// A run of fields as `misc` has them, on the wire.
fn fields(fields: &[&str]) -> Vec<u8> {
    let field = |text: &&str| [&(text.len() as u32).to_be_bytes()[..], text.as_bytes()].concat();
    fields.iter().flat_map(field).collect()
}

fn misc<'a>(name: &'a str, args: &'a [u8]) -> Change<'a> {
    Change::Misc { name: name.as_bytes(), args: Items::from_wire(args).unwrap() }
}

fn put<'a>(key: &'a str, value: &'a str) -> Change<'a> {
    Change::Put { key: key.as_bytes(), value: value.as_bytes() }
}

fn block(change: Change<'_>, worked: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    Logged { change, worked }.encode(&mut bytes);
    bytes
}

/// An entry of a stream.
fn entry(ts: u64, sid: u16, change: Change<'_>, worked: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    Item::Entry { ts, sid, block: &block(change, worked) }.encode(&mut bytes);
    bytes
}
