//! Who waits for something reserved, in the order in which they came.
//!
//! What is always true:
//! - Who wants to reserve goes only when nobody before him waits for any of the same keys, and who wants to change
//!   only when nobody before him waits to reserve any. So nobody waits for ever, also not for all keys.
//! - But who has reserved something already waits for no turn: those before him may be waiting for that.
//! - Whoever waits is in the queue before he looks whether he may go, and whoever lets something go looks at the queue
//!   after that. So nobody is forgotten.
//!
//! Nobody takes this lock while holding a stripe, and no waker is called while holding it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Waker;

use parking_lot::{Mutex, MutexGuard};

use crate::index::STRIPES;

/// What can be reserved: a key, by its hash, or all of them. Keys that share a stripe cannot be reserved by two at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope(Option<u64>);

impl Scope {
    /// All keys.
    pub const ALL: Self = Self(None);

    /// The key with this hash.
    pub(crate) fn of(hash: u64) -> Self {
        Self(Some(hash))
    }

    /// Whether two callers cannot have reserved this and another at the same time.
    pub fn excludes(self, other: Self) -> bool {
        self.stripe().zip(other.stripe()).is_none_or(|(one, other)| one == other)
    }

    /// The hash of the key; none for all of them.
    pub(crate) fn hash(self) -> Option<u64> {
        self.0
    }

    /// The stripe; none for all of them.
    pub(crate) fn stripe(self) -> Option<u64> {
        self.0.map(|hash| hash & (STRIPES as u64 - 1))
    }

    /// All its stripes.
    pub(crate) fn stripes(self) -> std::ops::Range<u64> {
        self.stripe().map_or(0..STRIPES as u64, |stripe| stripe..stripe + 1)
    }
}

/// Some of the stripes.
#[derive(Default)]
struct Stripes {
    bits: [u64; STRIPES / 64],
    some: bool,
    all: bool,
}

impl Stripes {
    fn add(&mut self, scope: Scope) {
        self.some = true;
        match scope.stripe() {
            Some(stripe) => self.bits[stripe as usize / 64] |= 1 << (stripe % 64),
            None => self.all = true,
        }
    }

    fn has_any_of(&self, scope: Scope) -> bool {
        match scope.stripe() {
            Some(stripe) => self.all || self.bits[stripe as usize / 64] >> (stripe % 64) & 1 == 1,
            None => self.some,
        }
    }
}

/// One who waits.
#[derive(Debug)]
struct Waiter {
    ticket: u64,
    scope: Scope,
    kind: Kind,
    /// To be called when it may be his turn; none where that has been done.
    waker: Option<Waker>,
}

/// What somebody waits for.
#[derive(Debug, Clone, Copy)]
struct Kind {
    /// To reserve, not only to change.
    reserves: bool,
    /// The number of the waiting thread, where it has reserved something already.
    holder: Option<u64>,
}

#[derive(Debug, Default)]
struct Waiters {
    last: u64,
    /// By their tickets.
    waiters: VecDeque<Waiter>,
}

/// Those who wait.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// How many they are.
    len: AtomicUsize,
    waiters: Mutex<Waiters>,
    /// Nobody is to wait without end any more.
    ended: AtomicBool,
}

impl Waiters {
    fn find(&self, ticket: u64) -> Option<usize> {
        self.waiters.binary_search_by_key(&ticket, |waiter| waiter.ticket).ok()
    }

    /// Calls `visit` with each whose turn it is, oldest first, as far as others who wait matter.
    fn each_turn(&mut self, mut visit: impl FnMut(&mut Waiter)) {
        let (mut reserving, mut any) = (Stripes::default(), Stripes::default());
        for waiter in &mut self.waiters {
            let Waiter { scope, kind, .. } = *waiter;
            let before = if kind.reserves { &any } else { &reserving };
            if kind.holder.is_some() || !before.has_any_of(scope) {
                visit(waiter);
            }
            any.add(scope);
            if kind.reserves {
                reserving.add(scope);
            }
        }
    }

    /// Whether a thread waits, directly or through others, for what `me` has reserved, once it waits for `scope`.
    fn leads_back(&self, me: u64, scope: Scope, owners: &dyn Fn(Scope) -> Vec<u64>) -> bool {
        let mut seen = vec![me];
        let mut next = owners(scope);
        while let Some(owner) = next.pop() {
            if seen.contains(&owner) {
                continue;
            }
            seen.push(owner);
            let waits = self.waiters.iter().find(|waiter| waiter.kind.holder == Some(owner));
            let found = waits.map(|waiter| owners(waiter.scope)).unwrap_or_default();
            if found.contains(&me) {
                return true;
            }
            next.extend(found);
        }
        false
    }
}

impl Queue {
    /// Whether nobody waits.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len.load(Ordering::SeqCst) == 0
    }

    /// A place at the end, for somebody who has reserved nothing.
    pub(crate) fn join(&self, scope: Scope, reserves: bool) -> Place<'_> {
        self.enter(&mut self.waiters.lock(), scope, Kind { reserves, holder: None })
    }

    /// The same for thread `me`, which has reserved something. None where it would wait for ever; `owners` tells who
    /// has reserved any of a scope.
    pub(crate) fn join_as_holder(
        &self,
        scope: Scope,
        reserves: bool,
        me: u64,
        owners: &dyn Fn(Scope) -> Vec<u64>,
    ) -> Option<Place<'_>> {
        let mut waiters = self.waiters.lock();
        if waiters.leads_back(me, scope, owners) {
            return None;
        }
        Some(self.enter(&mut waiters, scope, Kind { reserves, holder: Some(me) }))
    }

    fn enter(&self, waiters: &mut Waiters, scope: Scope, kind: Kind) -> Place<'_> {
        waiters.last += 1;
        let ticket = waiters.last;
        waiters.waiters.push_back(Waiter { ticket, scope, kind, waker: None });
        self.len.fetch_add(1, Ordering::SeqCst);
        Place { queue: self, ticket, scope }
    }

    /// Wakes those who may be able to go now that something has been let go.
    #[cold]
    pub(crate) fn wake(&self, freed: Scope) {
        self.wake_from(self.waiters.lock(), freed);
    }

    fn wake_from(&self, mut waiters: MutexGuard<'_, Waiters>, freed: Scope) {
        let mut wanted = Stripes::default();
        wanted.add(freed);
        let mut wakers = Vec::new();
        waiters.each_turn(|waiter| {
            if wanted.has_any_of(waiter.scope) {
                wakers.extend(waiter.waker.take());
            }
        });
        drop(waiters);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn remove(&self, waiters: &mut Waiters, ticket: u64) -> Option<Waiter> {
        let left = waiters.find(ticket).and_then(|place| waiters.waiters.remove(place));
        self.len.fetch_sub(usize::from(left.is_some()), Ordering::SeqCst);
        left
    }

    /// From now on [`Queue::has_ended`].
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        let wakers: Vec<_> =
            self.waiters.lock().waiters.iter_mut().filter_map(|waiter| waiter.waker.take()).collect();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Whether those who would wait without end are to give up.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }
}

/// A place in the queue. Who drops it gives it up.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    queue: &'a Queue,
    ticket: u64,
    scope: Scope,
}

impl Place<'_> {
    pub(crate) fn scope(&self) -> Scope {
        self.scope
    }

    /// Whether it is his turn and `may_go`; else `waker` is called when it is worth another look.
    pub(crate) fn look(&self, waker: &Waker, may_go: impl FnOnce() -> bool) -> bool {
        let mut waiters = self.queue.waiters.lock();
        let mut is_turn = false;
        waiters.each_turn(|waiter| is_turn |= waiter.ticket == self.ticket);
        if is_turn && may_go() {
            return true;
        }
        let place = waiters.find(self.ticket);
        let old = place.and_then(|place| waiters.waiters[place].waker.replace(waker.clone()));
        drop(waiters);
        // What a waker does when it goes is not known here either.
        drop(old);
        false
    }

    /// Gives the place up, having reserved the whole scope: nobody behind it can go now.
    pub(crate) fn leave_for_reservation(self) {
        let left = self.queue.remove(&mut self.queue.waiters.lock(), self.ticket);
        drop(left);
        std::mem::forget(self);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut waiters = self.queue.waiters.lock();
        let left = self.queue.remove(&mut waiters, self.ticket);
        // Whose turn it was not because of him may go now.
        self.queue.wake_from(waiters, self.scope);
        drop(left);
    }
}
