//! What a command can answer, whatever the dialect.

/// Where a command puts its answer.
///
/// A command calls exactly one of the methods that make a whole reply, or
/// [`begin_list`](Reply::begin_list), any number of items or records, and then
/// [`end_list`](Reply::end_list) or [`abandon_list`](Reply::abandon_list). The
/// dialect decides which bytes that becomes. No method can fail: what cannot be
/// expressed on the wire becomes the failure reply.
pub trait Reply {
    /// It worked, and there is nothing more to say.
    fn success(&mut self);

    /// It did not work, or there is nothing there.
    fn failure(&mut self);

    /// There is no such record, where that is the reason.
    fn missing(&mut self) {
        self.failure();
    }

    /// The record is there already, or is another one than was asked for, where that is the reason.
    fn exists(&mut self) {
        self.failure();
    }

    /// The mask of the node forbids it.
    fn forbidden(&mut self) {
        self.failure();
    }

    /// A piece of bytes: the value of `get`, the key of `iternext`, the result
    /// of `ext`, the text of `stat`.
    fn value(&mut self, value: &[u8]);

    /// A 32-bit number: the sum of `addint`, the size of `vsiz` in bytes.
    fn int(&mut self, number: i32);

    /// A floating-point number: the sum of `adddouble`.
    fn double(&mut self, number: f64);

    /// An unsigned 64-bit number: the records of `rnum`, the bytes of `size`.
    fn count(&mut self, count: u64);

    /// Begins a list: the answer of `mget`, `fwmkeys` or `misc`.
    fn begin_list(&mut self);

    /// One element of the list: a key of `fwmkeys`, an element of `misc`.
    fn item(&mut self, item: &[u8]);

    /// One record of the list, as `mget` answers them.
    fn record(&mut self, key: &[u8], value: &[u8]);

    /// One record of the list with what memcached knows of it: its flags, and an id that no other version of
    /// the record has.
    fn record_with(&mut self, key: &[u8], value: &[u8], flags: u32, unique: u64) {
        _ = (flags, unique);
        self.record(key, value);
    }

    /// Ends the list.
    fn end_list(&mut self);

    /// Takes back the list that was begun and answers failure in its place.
    fn abandon_list(&mut self);

    /// Bytes of this reply so far, so that the caller can bound a list.
    fn len(&self) -> usize;

    /// Whether nothing was written yet for this reply.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
