//! The node as scripts see it.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lcnode::changes;
use lcnode_lua::{Deadline, Decimal, Host, HostError, Level, Scan};
use lcnode_storage::{self as storage, Attributes, Error, KeyIterator, Scope, Store};

use super::relay::Relays;
use crate::dispatch::{Node, scripted};

/// A node's records and its log.
#[derive(Debug)]
pub(super) struct NodeHost {
    node: Arc<Node>,
    relays: Relays,
    stopping: AtomicBool,
    /// The database is out of reach: for what is called at the very end.
    closed: AtomicBool,
}

type Result<T> = std::result::Result<T, HostError>;

impl NodeHost {
    pub(super) fn new(node: Arc<Node>) -> Self {
        Self {
            node,
            relays: Relays::default(),
            stopping: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        }
    }

    /// Calls that wait or loop are to end.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// From here on there are no records.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        // `_end` may take its time.
        self.stopping.store(false, Ordering::Relaxed);
    }

    #[inline]
    fn store(&self) -> Option<&Store> {
        (!self.closed.load(Ordering::Relaxed)).then_some(&self.node.store)
    }

    /// Makes a change, waiting for what other calls have locked; `none` where it fails, which is logged.
    #[inline]
    fn change<T>(
        &self,
        none: T,
        scope: impl Fn(&Store) -> Scope,
        deadline: Deadline<'_>,
        mut change: impl FnMut(&Store) -> storage::Result<T>,
    ) -> Result<T> {
        let Some(store) = self.store() else { return Ok(none) };
        loop {
            match change(store) {
                Ok(done) => return Ok(done),
                Err(Error::Reserved) => waited(store.wait_for(scope(store), deadline()))?,
                Err(error) => {
                    scripted::note(&error);
                    return Ok(none);
                }
            }
        }
    }

    fn change_key<T>(
        &self,
        none: T,
        key: &[u8],
        deadline: Deadline<'_>,
        change: impl FnMut(&Store) -> storage::Result<T>,
    ) -> Result<T> {
        if key.len() > self.node.limits.max_key as usize {
            return Err(HostError(format!("a key of {} bytes is over --max-key", key.len())));
        }
        self.change(none, |store| store.scope_of(key), deadline, change)
    }

    fn check_value(&self, value: &[u8]) -> Result<()> {
        match value.len() > self.node.limits.max_value as usize {
            true => Err(HostError(format!("a value of {} bytes is over --max-value", value.len()))),
            false => Ok(()),
        }
    }
}

/// What came of waiting for another call's lock.
fn waited<T>(result: storage::Result<T>) -> Result<T> {
    result.map_err(|error| match error {
        Error::Reserved => {
            HostError("a record is locked by another call until after the end of this one".to_owned())
        }
        Error::Deadlock => HostError("two calls wait for records that the other has locked".to_owned()),
        error => HostError(error.to_string()),
    })
}

impl Host for NodeHost {
    fn get(&self, key: &[u8], found: &mut dyn FnMut(&[u8])) -> bool {
        let Some(store) = self.store() else { return false };
        match store.get(key, |value| found(value)) {
            Ok(found) => found.is_some(),
            Err(error) => {
                scripted::note(&error);
                false
            }
        }
    }

    fn put(&self, key: &[u8], value: &[u8], deadline: Deadline<'_>) -> Result<bool> {
        self.check_value(value)?;
        self.change_key(false, key, deadline, |store| store.put(key, value).map(|()| true))
    }

    fn put_keep(&self, key: &[u8], value: &[u8], deadline: Deadline<'_>) -> Result<bool> {
        self.check_value(value)?;
        self.change_key(false, key, deadline, |store| store.update(key, |old| changes::keep(old, value)))
    }

    fn put_cat(&self, key: &[u8], value: &[u8], deadline: Deadline<'_>) -> Result<bool> {
        let limit = self.node.limits.max_value as usize;
        self.change_key(false, key, deadline, |store| {
            store.update(key, |old| changes::append(old, value, limit))
        })
    }

    fn put_expiring(
        &self,
        key: &[u8],
        value: &[u8],
        milliseconds: u64,
        deadline: Deadline<'_>,
    ) -> Result<bool> {
        self.check_value(value)?;
        let expiry = Some((self.node.store.now() / 1000).saturating_add(milliseconds));
        let attributes = Attributes { expiry, flags: 0 };
        self.change_key(false, key, deadline, |store| store.put_with(key, value, attributes).map(|()| true))
    }

    fn out(&self, key: &[u8], deadline: Deadline<'_>) -> Result<bool> {
        self.change_key(false, key, deadline, |store| store.delete(key))
    }

    fn add_int(&self, key: &[u8], num: i32, deadline: Deadline<'_>) -> Result<Option<i32>> {
        self.change_key(None, key, deadline, |store| store.add_int(key, num))
    }

    fn add_double(&self, key: &[u8], num: f64, deadline: Deadline<'_>) -> Result<Option<f64>> {
        self.change_key(None, key, deadline, |store| store.add_double(key, num))
    }

    fn count(&self, key: &[u8], amount: Decimal, deadline: Deadline<'_>) -> Result<Option<Decimal>> {
        let stored = |decimal| match decimal {
            Decimal::Int(int) => storage::Decimal::Int(int),
            Decimal::Real(real) => storage::Decimal::Real(real),
        };
        let amount = stored(amount);
        let lenient = |text: &[u8]| lcnode_lua::decimal(text).map(stored);
        let sum = self.change_key(None, key, deadline, |store| store.add_decimal(key, amount, lenient))?;
        Ok(sum.map(|sum| match sum {
            storage::Decimal::Int(int) => Decimal::Int(int),
            storage::Decimal::Real(real) => Decimal::Real(real),
        }))
    }

    fn vanish(&self, deadline: Deadline<'_>) -> Result<bool> {
        *self.node.iterator.lock() = None;
        self.change(false, |_| Scope::ALL, deadline, |store| store.vanish().map(|()| true))
    }

    fn iter_init(&self) -> bool {
        let is_open = self.store().is_some();
        if is_open {
            *self.node.iterator.lock() = Some(KeyIterator::new());
        }
        is_open
    }

    fn iter_next(&self, found: &mut dyn FnMut(&[u8])) -> bool {
        let Some(store) = self.store() else { return false };
        let next = self.node.iterator.lock().as_mut().map(|iterator| iterator.next(store));
        match next {
            Some(Ok(Some(key))) => {
                found(&key);
                true
            }
            Some(Err(error)) => {
                scripted::note(&error);
                false
            }
            _ => false,
        }
    }

    fn keys(&self, prefix: &[u8], found: &mut dyn FnMut(&[u8]) -> bool) {
        let Some(store) = self.store() else { return };
        let walked = store.for_each(|key, _| match !key.starts_with(prefix) || found(key) {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        });
        if let Err(error) = walked {
            scripted::note(&error);
        }
    }

    fn scan(&self) -> Box<dyn Scan> {
        let keys = if self.store().is_some() { KeyIterator::new() } else { KeyIterator::default() };
        Box::new(Walk { node: Arc::clone(&self.node), keys })
    }

    fn records(&self) -> u64 {
        self.store().map_or(0, Store::records)
    }

    fn size(&self) -> u64 {
        self.store().map_or(0, |_| scripted::size(&self.node))
    }

    fn misc(
        &self,
        name: &[u8],
        args: &[Vec<u8>],
        found: &mut dyn FnMut(&[u8]),
        deadline: Deadline<'_>,
    ) -> Result<bool> {
        let Some(store) = self.store() else { return Ok(false) };
        loop {
            match scripted::misc(&self.node, name, args) {
                Ok(Some(elements)) => {
                    elements.iter().for_each(|element| found(element));
                    return Ok(true);
                }
                Ok(None) => return Ok(false),
                Err(scope) => waited(store.wait_for(scope, deadline()))?,
            }
        }
    }

    fn with_record(&self, key: &[u8], deadline: Deadline<'_>, held: &mut dyn FnMut()) -> Result<()> {
        let Some(store) = self.store() else {
            held();
            return Ok(());
        };
        let scope = store.scope_of(key);
        let _reservation = match store.try_reserve(scope, false) {
            Some(reservation) => reservation,
            None => waited(store.reserve(key, deadline()))?,
        };
        held();
        Ok(())
    }

    fn leave_event_loop(&self) -> bool {
        self.relays.hand_over()
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    fn log(&self, level: Level, text: &str) {
        match level {
            Level::Debug => tracing::debug!("{text}"),
            Level::Info => tracing::info!("{text}"),
            Level::Error => tracing::error!("{text}"),
            Level::System => crate::system!("{text}"),
        }
    }

    fn server_id(&self) -> u16 {
        self.node.store.origin()
    }
}

/// A walk over all records.
struct Walk {
    node: Arc<Node>,
    keys: KeyIterator,
}

impl Scan for Walk {
    fn next(&mut self, found: &mut dyn FnMut(&[u8], &[u8])) -> Result<bool> {
        let store = &self.node.store;
        let failed = |error: Error| HostError(error.to_string());
        while let Some(key) = self.keys.next(store).map_err(failed)? {
            // One that has gone since is passed over.
            if store.get(&key, |value| found(&key, value)).map_err(failed)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
