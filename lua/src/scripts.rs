//! The scripts of a node: loaded, called, loaded anew.

use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::Allowed;
use crate::budget::Limits;
use crate::common::Common;
use crate::failure::{Figures, Repeats};
use crate::host::Host;
use crate::machines::{Machines, Taken};
use crate::raw::Answer;
use crate::slow::Slow;
use crate::vm::{CallError, Parts};

/// A script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Its name in messages, such as `incr.lua`.
    pub name: String,
    /// Its text.
    pub source: Vec<u8>,
}

/// A script that cannot be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{script}: {why}")]
pub struct LoadError {
    /// Its name.
    pub script: String,
    /// What is wrong, with the line.
    pub why: String,
}

/// What scripts are run with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// In the order in which they are loaded.
    pub scripts: Vec<Script>,
    /// Virtual machines that carry out calls: as many scripts run at once. At least 1.
    pub machines: usize,
    /// Virtual machines for periodic functions.
    pub periodic: usize,
    /// What one call may use.
    pub limits: Limits,
    /// What scripts may do outside of the database.
    pub allowed: Allowed,
    /// Whether a script that cannot be loaded is only logged, as in the original.
    pub tolerant: bool,
}

/// Loaded scripts.
pub struct Scripts {
    machines: ArcSwap<Machines>,
    parts: Parts,
    settings: Settings,
    /// Held while they are loaded anew.
    loading: Mutex<()>,
    repeats: Repeats,
    slow: Slow,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Called<T> {
    /// It has answered.
    Done(T),
    /// It has failed; that is logged and counted. `wrote` says whether it had changed anything.
    Failed {
        /// Whether anything had been changed.
        wrote: bool,
    },
    /// All machines are busy: to be tried again after [`Scripts::until_free`].
    Busy,
}

impl Scripts {
    /// Loads the scripts into all virtual machines, and calls `_begin` in the first where there is one.
    pub fn load(host: Arc<dyn Host>, settings: Settings) -> Result<Self, LoadError> {
        let settings = Settings { machines: settings.machines.max(1), ..settings };
        let parts = Parts {
            host,
            common: Arc::new(Common::default()),
            limits: settings.limits,
            allowed: settings.allowed,
            machines: settings.machines,
        };
        let repeats = Repeats::default();
        let machines = Machines::load(&parts, &settings, |vm| {
            if vm.has("_begin")
                && let Err(error) = vm.call(b"_begin", b"", b"", |_, _| ())
            {
                repeats.log(vm.context(), "_begin", &error);
            }
        })?;
        Ok(Self {
            machines: ArcSwap::new(machines),
            parts,
            settings,
            loading: Mutex::new(()),
            repeats,
            slow: Slow::default(),
        })
    }

    /// Loads other scripts in place of these; calls that are under way end in the old ones. Stash and locks stay;
    /// neither `_begin` nor `_end` is called.
    ///
    /// Errors: one cannot be loaded; then nothing changes.
    pub fn reload(&self, scripts: Vec<Script>) -> Result<(), LoadError> {
        let _loading = self.loading.lock();
        let settings = Settings { scripts, tolerant: false, ..self.settings.clone() };
        self.machines.store(Machines::load(&self.parts, &settings, |_| {})?);
        Ok(())
    }

    /// Calls a function for a client. `take` gets its answer and whether it has changed anything. `thread` is the number
    /// of the calling thread.
    #[inline]
    pub fn call<T>(
        &self,
        thread: usize,
        name: &[u8],
        key: &[u8],
        value: &[u8],
        take: impl FnOnce(Answer<'_>, bool) -> T,
    ) -> Called<T> {
        let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
        if name.first() == Some(&b'_') {
            return Called::Done(take(Answer::Missing, false));
        }
        let machines = self.machines.load();
        match machines.take(thread) {
            Some(mut taken) => self.call_in(&mut taken, name, key, value, take),
            None => Called::Busy,
        }
    }

    /// Whether a function took long when it was called last, so that it is better called where nobody waits for the thread.
    #[inline]
    pub fn is_slow(&self, name: &[u8]) -> bool {
        self.slow.has(name)
    }

    /// Calls a periodic function, where there is one of that name, in the machine of that number.
    pub fn call_periodic(&self, number: usize, name: &str) {
        let machines = self.machines.load_full();
        let Some(mut taken) = machines.take_periodic(number) else { return };
        if !name.starts_with('_') && taken.vm().has(name) {
            let _ = self.call_in(&mut taken, name.as_bytes(), b"", b"", |_, _| ());
        }
    }

    #[inline]
    fn call_in<T>(
        &self,
        taken: &mut Taken<'_>,
        name: &[u8],
        key: &[u8],
        value: &[u8],
        take: impl FnOnce(Answer<'_>, bool) -> T,
    ) -> Called<T> {
        self.parts.common.figures.called();
        let called = taken.vm().call(name, key, value, take);
        let ran_out = called.as_ref().is_err_and(CallError::ran_out_of_memory);
        self.slow.note(name, ran_out || taken.vm().took_long());
        match called {
            Ok(answered) => Called::Done(answered),
            Err(error) => self.failed(taken, name, &error),
        }
    }

    #[cold]
    fn failed<T>(&self, taken: &mut Taken<'_>, name: &[u8], error: &CallError) -> Called<T> {
        let vm = taken.vm();
        self.repeats.log(vm.context(), &String::from_utf8_lossy(name), error);
        if error.ran_out_of_memory() {
            vm.tidy();
        }
        Called::Failed { wrote: vm.wrote() }
    }

    /// Ready once a virtual machine may have become idle.
    pub async fn until_free(&self) {
        let machines = self.machines.load_full();
        machines.until_free().await;
    }

    /// Calls `_end` where there is one.
    pub fn end(&self) {
        let machines = self.machines.load_full();
        let Some(mut taken) = machines.take(0) else { return };
        if taken.vm().has("_end")
            && let Err(error) = taken.vm().call(b"_end", b"", b"", |_, _| ())
        {
            self.repeats.log(taken.vm().context(), "_end", &error);
        }
    }

    /// Errors since the start.
    pub fn figures(&self) -> &Figures {
        &self.parts.common.figures
    }

    /// The virtual machines for calls: how many of them are in use, and how many there are.
    pub fn machines(&self) -> (usize, usize) {
        self.machines.load().in_use()
    }

    /// Runs code, an expression or statements, in one of the machines and gives what it returns, each value as people read
    /// it: strings as they are, tables as one would write them. `name` stands for the code in messages.
    ///
    /// Errors: what it raised, with a traceback.
    pub fn run(&self, name: &str, code: &[u8]) -> Result<Vec<Vec<u8>>, String> {
        let machines = self.machines.load_full();
        match machines.take(0) {
            Some(mut taken) => taken.vm().run(name, code),
            None => Err("all virtual machines are busy".to_owned()),
        }
    }
}

impl std::fmt::Debug for Scripts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.settings.scripts.iter().map(|script| &script.name[..]).collect();
        f.debug_struct("Scripts").field("scripts", &names).field("machines", &self.settings.machines).finish()
    }
}
