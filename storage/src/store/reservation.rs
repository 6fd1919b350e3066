//! Reservations: a caller holds keys over several changes, and others may not change them meanwhile.
//!
//! What is reserved is a key of a stripe (see [`crate::store::stripe`]), or all of it. It is
//! written under the stripe's lock who has it, and whoever changes a record looks there. Nobody waits in a change: it is
//! refused with [`Error::Reserved`], and whoever can wait does so apart from it. What comes from other servers waits.
//!
//! What is no change of a record goes on: readers, growth, compaction, checkpoints, copies.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

use crate::error::{Error, Result};
use crate::store::queue::Place;
use crate::store::{Scope, Shared, Store};

thread_local! {
    /// The thread's number; 0 before it needs one.
    static NUMBER: Cell<u64> = const { Cell::new(0) };
    /// Its reservations, of whatever store.
    static RESERVATIONS: Cell<usize> = const { Cell::new(0) };
}

/// The number of this thread, from 1 on.
fn me() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    if NUMBER.get() == 0 {
        NUMBER.set(LAST.fetch_add(1, Ordering::Relaxed) + 1);
    }
    NUMBER.get()
}

/// Who has reserved a stripe; looked at and changed under its lock.
#[derive(Debug, Default)]
pub(crate) struct Reserved {
    /// The number of the thread; 0 where it is nobody.
    by: Cell<u64>,
    /// How often.
    depth: Cell<u32>,
    /// The hash of the key that is meant; none where it is all keys of the stripe.
    hash: Cell<Option<u64>>,
}

impl Reserved {
    /// An error where another thread has the key with this hash.
    #[inline]
    pub(crate) fn check(&self, hash: u64) -> Result<()> {
        if self.by.get() == 0 { Ok(()) } else { self.check_owner(Some(hash)) }
    }

    /// An error where another thread has any key of the stripe.
    pub(crate) fn check_all(&self) -> Result<()> {
        if self.by.get() == 0 { Ok(()) } else { self.check_owner(None) }
    }

    #[cold]
    fn check_owner(&self, hash: Option<u64>) -> Result<()> {
        let is_another_key = hash.zip(self.hash.get()).is_some_and(|(wanted, reserved)| wanted != reserved);
        if self.by.get() == me() || is_another_key { Ok(()) } else { Err(Error::Reserved) }
    }

    fn take(&self, hash: Option<u64>) {
        // Whoever has several keys of a stripe has all of it until he lets go of the last.
        let same = self.depth.get() == 0 || self.hash.get() == hash;
        self.hash.set(hash.filter(|_| same));
        self.by.set(me());
        self.depth.set(self.depth.get() + 1);
    }

    fn give_back(&self) {
        self.depth.set(self.depth.get() - 1);
        if self.depth.get() == 0 {
            self.by.set(0);
        }
    }
}

/// Something reserved by the thread that made it, until this is dropped.
#[derive(Debug)]
#[must_use = "what is not kept is reserved no longer"]
pub struct Reservation<'a> {
    shared: &'a Shared,
    scope: Scope,
    /// It belongs to its thread.
    _not_send: PhantomData<*const ()>,
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        for stripe in self.scope.stripes() {
            self.shared.lock_as_it_is(stripe).reserved.give_back();
        }
        RESERVATIONS.set(RESERVATIONS.get() - 1);
        if !self.shared.queue.is_empty() {
            self.shared.queue.wake(self.scope);
        }
    }
}

/// A place among those who wait, for a caller that must not block: while it is kept nobody new reserves anything of its
/// scope once it is [ready](Turn::poll). Dropping it gives the place up.
#[derive(Debug)]
pub struct Turn<'a> {
    shared: &'a Shared,
    place: Place<'a>,
}

impl Turn<'_> {
    /// Ready once a change need not be refused. It may be so all the same, where somebody who had reserved something else
    /// before reserves this too: then this is to be asked again.
    pub fn poll(&self, context: &Context<'_>) -> Poll<()> {
        match self.place.look(context.waker(), || self.shared.is_free(self.place.scope())) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

/// Wakes a thread that is parked.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl Store {
    /// Reserves a key for the calling thread: until the reservation is dropped, changes of it by others are refused with
    /// [`Error::Reserved`], or wait, where they come from other servers. Some 1/256 of all other keys cannot be reserved
    /// meanwhile, but changed.
    /// Waits until `deadline` for what others have. Reentrant: a thread that has it already gets it again.
    ///
    /// Errors: [`Error::Reserved`] at the deadline; [`Error::Deadlock`] where its holder waits, directly or through others,
    /// for something that this thread has reserved.
    pub fn reserve(&self, key: &[u8], deadline: Instant) -> Result<Reservation<'_>> {
        self.shared.reserve(self.scope_of(key), Some(deadline))
    }

    /// The same for all keys at once.
    pub fn reserve_all(&self, deadline: Instant) -> Result<Reservation<'_>> {
        self.shared.reserve(Scope::ALL, Some(deadline))
    }

    /// Waits until a change of something of `scope` by this thread would not be refused. It may be again right after that: who
    /// must not fail tries until it works, or reserves it himself. Errors: as of [`Store::reserve`].
    pub fn wait_for(&self, scope: Scope, deadline: Instant) -> Result<()> {
        self.shared.wait_for(scope, deadline)
    }

    /// A key, to be waited for or reserved.
    pub fn scope_of(&self, key: &[u8]) -> Scope {
        Scope::of(self.shared.hasher.hash(key))
    }

    /// Reserves what is free of others without waiting; none where it is not, or where others wait, unless it is the turn of
    /// the caller after he has waited in the queue himself (see [`Turn`]).
    pub fn try_reserve(&self, scope: Scope, in_turn: bool) -> Option<Reservation<'_>> {
        let shared = &*self.shared;
        let may_go = in_turn || shared.queue.is_empty() || RESERVATIONS.get() > 0;
        (may_go && shared.reserve_if_free(scope)).then(|| {
            RESERVATIONS.set(RESERVATIONS.get() + 1);
            Reservation { shared, scope, _not_send: PhantomData }
        })
    }

    /// A place among those who wait to change something of `scope`, for a caller that must not block.
    pub fn queue_for(&self, scope: Scope) -> Turn<'_> {
        Turn { shared: &self.shared, place: self.shared.queue.join(scope, false) }
    }

    /// What waits for reservations without a deadline gives up, now and from now on: [`Store::apply`] and changes by
    /// [`crate::Authored`] give [`Error::Reserved`] then. For the stop of a node, lest it wait for somebody who does not
    /// end.
    pub fn end_waiting(&self) {
        self.shared.queue.end();
    }
}

impl Shared {
    /// Reserves, waiting until a deadline if there is one.
    pub(crate) fn reserve(&self, scope: Scope, deadline: Option<Instant>) -> Result<Reservation<'_>> {
        // Nobody is overtaken but by those who have something that others may be waiting for.
        let may_overtake = self.queue.is_empty() || RESERVATIONS.get() > 0;
        if !may_overtake || !self.reserve_if_free(scope) {
            self.wait(scope, true, deadline, || self.reserve_if_free(scope))?;
        }
        RESERVATIONS.set(RESERVATIONS.get() + 1);
        Ok(Reservation { shared: self, scope, _not_send: PhantomData })
    }

    fn wait_for(&self, scope: Scope, deadline: Instant) -> Result<()> {
        match self.is_free(scope) {
            true => Ok(()),
            false => self.wait(scope, false, Some(deadline), || self.is_free(scope)),
        }
    }

    /// Has a change made, which waits where others are refused.
    pub(crate) fn patiently<T>(&self, scope: Scope, mut change: impl FnMut() -> Result<T>) -> Result<T> {
        match change() {
            Err(Error::Reserved) => {
                let _reserved = self.reserve(scope, None)?;
                change()
            }
            done => done,
        }
    }

    /// Whether a change of something of a scope would not be refused.
    fn is_free(&self, scope: Scope) -> bool {
        scope.stripes().all(|stripe| {
            let held = self.lock_as_it_is(stripe);
            scope.hash().map_or_else(|| held.reserved.check_all(), |hash| held.reserved.check(hash)).is_ok()
        })
    }

    /// Reserves a scope if no other thread has any of it.
    fn reserve_if_free(&self, scope: Scope) -> bool {
        let mut stripes = Vec::new();
        for stripe in scope.stripes() {
            let held = self.lock_as_it_is(stripe);
            if held.reserved.check_all().is_err() {
                return false;
            }
            stripes.push(held);
        }
        stripes.iter().for_each(|held| held.reserved.take(scope.hash()));
        true
    }

    /// The threads that have any of a scope.
    fn owners(&self, scope: Scope) -> Vec<u64> {
        let mut owners: Vec<u64> =
            scope.stripes().map(|stripe| self.lock_as_it_is(stripe).reserved.by.get()).collect();
        owners.sort_unstable();
        owners.dedup();
        owners.retain(|&owner| owner != 0);
        owners
    }

    /// Waits in the queue until it is this thread's turn and `go` succeeds.
    #[cold]
    fn wait(
        &self,
        scope: Scope,
        reserves: bool,
        deadline: Option<Instant>,
        mut go: impl FnMut() -> bool,
    ) -> Result<()> {
        let place = match RESERVATIONS.get() {
            0 => self.queue.join(scope, reserves),
            _ => {
                let owners = |scope| self.owners(scope);
                self.queue.join_as_holder(scope, reserves, me(), &owners).ok_or(Error::Deadlock)?
            }
        };
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        while !place.look(&waker, &mut go) {
            match deadline {
                Some(deadline) => match deadline.saturating_duration_since(Instant::now()) {
                    left if left.is_zero() => return Err(Error::Reserved),
                    left => thread::park_timeout(left),
                },
                None if self.queue.has_ended() => return Err(Error::Reserved),
                None => thread::park(),
            }
        }
        if reserves {
            place.leave_for_reservation();
        }
        Ok(())
    }
}
