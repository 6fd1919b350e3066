//! Changes made here in the name of another server: what an original master sends.

use crate::error::Result;
use crate::store::{Change, Store};

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

/// A store as an author sees it.
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
    pub fn put(&self, _key: &[u8], _value: &[u8]) -> Result<()> {
        unimplemented!("{:?} {:?}", self.store, self.author)
    }

    /// As [`Store::delete`].
    pub fn delete(&self, _key: &[u8]) -> Result<bool> {
        unimplemented!()
    }

    /// As [`Store::update`].
    pub fn update<'new>(
        &self,
        _key: &[u8],
        _decide: impl for<'old> FnOnce(Option<&'old [u8]>) -> Change<'old, 'new>,
    ) -> Result<bool> {
        unimplemented!()
    }

    /// As [`Store::add_int`].
    pub fn add_int(&self, _key: &[u8], _num: i32) -> Result<Option<i32>> {
        unimplemented!()
    }

    /// As [`Store::add_double`].
    pub fn add_double(&self, _key: &[u8], _num: f64) -> Result<Option<f64>> {
        unimplemented!()
    }

    /// As [`Store::vanish`].
    pub fn vanish(&self) -> Result<()> {
        unimplemented!()
    }

    /// Sets the memo alone.
    pub fn nothing(&self) -> Result<()> {
        unimplemented!()
    }
}

impl Store {
    /// Adds to a number of 4 bytes, little-endian, wrapping; a missing one counts as 0. None where the value is
    /// no such number. Additions of several masters add up, see `FORMAT.md`, section 3.
    pub fn add_int(&self, _key: &[u8], _num: i32) -> Result<Option<i32>> {
        unimplemented!()
    }

    /// The same for a double of 8 bytes.
    pub fn add_double(&self, _key: &[u8], _num: f64) -> Result<Option<f64>> {
        unimplemented!()
    }
}
