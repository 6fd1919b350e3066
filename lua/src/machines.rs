//! The virtual machines of one load of the scripts: those that carry out calls, and one for each periodic function.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_utils::CachePadded;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use crate::LoadError;
use crate::host::Level;
use crate::scripts::Settings;
use crate::vm::{Parts, Vm};

/// Codes given to `_eval` that may wait for one machine.
const MAX_PENDING: usize = 1000;

/// All of them.
pub(crate) struct Machines {
    slots: Box<[CachePadded<Slot>]>,
    /// How many of them, from the first on, carry out calls of clients.
    callable: usize,
    freed: Notify,
}

struct Slot {
    vm: Mutex<Vm>,
    /// Codes given to `_eval` while the machine was busy.
    pending: Mutex<Vec<Arc<[u8]>>>,
    has_pending: AtomicBool,
}

/// A machine that nobody else uses. Being dropped it is free again; then, its fields being dropped in this order, who
/// waits is told.
pub(crate) struct Taken<'a> {
    vm: MutexGuard<'a, Vm>,
    slot: &'a Slot,
    _freed: Freed<'a>,
}

struct Freed<'a>(&'a Notify);

impl Drop for Freed<'_> {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Machines {
    /// Makes all of them and loads the scripts into each. `first` is called with the first one once that is loaded.
    pub(crate) fn load(
        parts: &Parts,
        settings: &Settings,
        first: impl FnOnce(&mut Vm),
    ) -> Result<Arc<Self>, LoadError> {
        let mut first = Some(first);
        let slots = (0..settings.machines + settings.periodic).map(|number| {
            let mut vm = Vm::new(parts, number).map_err(|error| LoadError {
                script: "a new Lua state".to_owned(),
                why: error.to_string(),
            })?;
            for script in &settings.scripts {
                match vm.load(script) {
                    Err(error) if settings.tolerant => {
                        if number == 0 {
                            parts.host.log(Level::Error, &format!("Lua error: {error}"));
                        }
                    }
                    loaded => loaded?,
                }
            }
            if let Some(first) = first.take() {
                first(&mut vm);
            }
            let slot =
                Slot { vm: Mutex::new(vm), pending: Mutex::default(), has_pending: AtomicBool::new(false) };
            Ok(CachePadded::new(slot))
        });
        let slots = slots.collect::<Result<Box<[_]>, LoadError>>()?;
        let machines = Arc::new(Self { slots, callable: settings.machines, freed: Notify::new() });
        for slot in &machines.slots {
            // Nothing is set twice.
            let _ = slot.vm.lock().context().machines.set(Arc::downgrade(&machines));
        }
        Ok(machines)
    }

    /// An idle machine for calls, preferably always the same for one thread; none where all are busy.
    #[inline]
    pub(crate) fn take(&self, thread: usize) -> Option<Taken<'_>> {
        (0..self.callable).find_map(|next| self.taken(&self.slots[(thread + next) % self.callable]))
    }

    /// The machine of a periodic function; none while it is in use.
    pub(crate) fn take_periodic(&self, number: usize) -> Option<Taken<'_>> {
        self.slots.get(self.callable + number).and_then(|slot| self.taken(slot))
    }

    #[inline]
    fn taken<'a>(&'a self, slot: &'a Slot) -> Option<Taken<'a>> {
        let mut vm = slot.vm.try_lock()?;
        if slot.has_pending.load(Ordering::Relaxed) {
            slot.evaluate_pending(&mut vm);
        }
        Some(Taken { vm, slot, _freed: Freed(&self.freed) })
    }

    /// How many of those that carry out calls are in use, and how many there are.
    pub(crate) fn in_use(&self) -> (usize, usize) {
        let busy = self.slots[..self.callable].iter().filter(|slot| slot.vm.is_locked());
        (busy.count(), self.callable)
    }

    /// Ready once a machine may have become idle.
    pub(crate) async fn until_free(&self) {
        let freed = self.freed.notified();
        tokio::pin!(freed);
        freed.as_mut().enable();
        if self.slots[..self.callable].iter().any(|slot| !slot.vm.is_locked()) {
            return;
        }
        freed.await;
    }

    /// Has all machines for calls but one run code: idle ones at once, the others as soon as they are idle.
    pub(crate) fn evaluate_in_others(&self, but: usize, code: &Arc<[u8]>) {
        let others = self.slots[..self.callable].iter().enumerate().filter(|(number, _)| *number != but);
        for (_, slot) in others {
            {
                let mut pending = slot.pending.lock();
                if pending.len() >= MAX_PENDING {
                    pending.remove(0);
                }
                pending.push(Arc::clone(code));
                slot.has_pending.store(true, Ordering::Release);
            }
            drop(self.taken(slot));
        }
    }
}

impl Slot {
    #[cold]
    fn evaluate_pending(&self, vm: &mut Vm) {
        let pending = {
            let mut pending = self.pending.lock();
            self.has_pending.store(false, Ordering::Relaxed);
            std::mem::take(&mut *pending)
        };
        for code in pending {
            vm.evaluate(&code);
        }
    }
}

impl Taken<'_> {
    #[inline]
    pub(crate) fn vm(&mut self) -> &mut Vm {
        &mut self.vm
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if self.slot.has_pending.load(Ordering::Acquire) {
            self.slot.evaluate_pending(&mut self.vm);
        }
    }
}
