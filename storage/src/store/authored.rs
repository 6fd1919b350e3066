//! Changes made here in the name of another server: what an original master sends.

use crate::error::Result;
use crate::log::append::By;
use crate::store::change::Old;
use crate::store::{Change, Scope, Store, memo};

/// Who made a change, and what is to be remembered with it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Author<'a> {
    /// Id of the server where it was made.
    pub origin: u16,
    /// Id of the server it was received from, where that is another; else 0.
    pub via: u16,
    /// A memo, key and value, that is set together with the change: after a crash both are there or none.
    pub memo: Option<(&'a [u8], &'a [u8])>,
}

/// A store as an author sees it. What is reserved is waited for. Where nothing is to be changed the memo is set alone.
#[derive(Debug)]
pub struct Authored<'a> {
    store: &'a Store,
    author: Author<'a>,
}

impl Store {
    /// Changes in the name of `author`.
    pub fn authored<'a>(&'a self, author: Author<'a>) -> Authored<'a> {
        Authored { store: self, author }
    }
}

impl Authored<'_> {
    /// As [`Store::put`].
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        let shared = &self.store.shared;
        self.change(self.store.scope_of(key), |by, memo| {
            shared.change(key, Old::Replaced, by, memo, |_| Change::Put { kept: &[], new: value })
        })?;
        Ok(())
    }

    /// As [`Store::delete`].
    pub fn delete(&self, key: &[u8]) -> Result<bool> {
        self.change(self.store.scope_of(key), |by, memo| {
            self.store.shared.change(key, Old::Replaced, by, memo, |_| Change::Delete)
        })
    }

    /// As [`Store::update`].
    pub fn update<'new>(
        &self,
        key: &[u8],
        decide: impl for<'old> FnOnce(Option<&'old [u8]>) -> Change<'old, 'new>,
    ) -> Result<bool> {
        let mut decide = Some(decide);
        self.change(self.store.scope_of(key), |by, memo| {
            // Called once: what is refused is not decided.
            self.store.shared.change(key, Old::Read, by, memo, |old| match decide.take() {
                Some(decide) => decide(old),
                None => Change::Keep,
            })
        })
    }

    /// As [`Store::add_int`].
    pub fn add_int(&self, key: &[u8], num: i32) -> Result<Option<i32>> {
        self.addition(key, |by, memo| self.store.shared.add_int(key, num, by, memo))
    }

    /// As [`Store::add_double`].
    pub fn add_double(&self, key: &[u8], num: f64) -> Result<Option<f64>> {
        self.addition(key, |by, memo| self.store.shared.add_double(key, num, by, memo))
    }

    /// As [`Store::vanish`].
    pub fn vanish(&self) -> Result<()> {
        self.change(Scope::ALL, |by, memo| self.store.shared.vanish(by, memo).map(|()| true))?;
        Ok(())
    }

    /// Sets the memo alone.
    pub fn nothing(&self) -> Result<()> {
        self.change(Scope::ALL, |_, _| Ok(false))?;
        Ok(())
    }

    fn addition<T>(
        &self,
        key: &[u8],
        mut add: impl FnMut(By, Option<&[u8]>) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        let mut sum = None;
        self.change(self.store.scope_of(key), |by, memo| {
            sum = add(by, memo)?;
            Ok(sum.is_some())
        })?;
        Ok(sum)
    }

    /// Makes a change of something in `scope`.
    fn change(
        &self,
        scope: Scope,
        mut change: impl FnMut(By, Option<&[u8]>) -> Result<bool>,
    ) -> Result<bool> {
        let Author { origin, via, memo } = self.author;
        let shared = &self.store.shared;
        let memo = memo.map(|(key, value)| memo::checked(shared, key, value, true)).transpose()?;
        let changed = shared.patiently(scope, || change(By { origin, via }, memo.as_deref()))?;
        match memo {
            // With nothing behind it that it would be the account of.
            Some(mut memo) if !changed => {
                memo[0] = 0;
                shared.say(&memo)?;
            }
            _ => {}
        }
        Ok(changed)
    }
}
