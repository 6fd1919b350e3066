//! A reply that is looked at on its way to the encoder.

use lcnode_protocol::Reply;

/// Passes all on, and remembers whether that was a failure. Every method of [`Reply`] stands here: one that is left to
/// the trait would lose what the encoder makes of it.
pub struct Noted<R> {
    reply: R,
    failed: bool,
}

impl<R> Noted<R> {
    /// Nothing was replied yet.
    #[inline]
    pub fn new(reply: R) -> Self {
        Self { reply, failed: false }
    }

    /// Whether the reply says that it did not work, or that there is nothing there.
    #[inline]
    pub fn has_failed(&self) -> bool {
        self.failed
    }
}

impl<R: Reply> Reply for Noted<R> {
    #[inline]
    fn success(&mut self) {
        self.reply.success();
    }

    #[inline]
    fn failure(&mut self) {
        self.failed = true;
        self.reply.failure();
    }

    #[inline]
    fn missing(&mut self) {
        self.failed = true;
        self.reply.missing();
    }

    #[inline]
    fn exists(&mut self) {
        self.failed = true;
        self.reply.exists();
    }

    #[inline]
    fn forbidden(&mut self) {
        self.failed = true;
        self.reply.forbidden();
    }

    #[inline]
    fn value(&mut self, value: &[u8]) {
        self.reply.value(value);
    }

    #[inline]
    fn int(&mut self, number: i32) {
        self.reply.int(number);
    }

    #[inline]
    fn double(&mut self, number: f64) {
        self.reply.double(number);
    }

    #[inline]
    fn count(&mut self, count: u64) {
        self.reply.count(count);
    }

    #[inline]
    fn begin_list(&mut self) {
        self.reply.begin_list();
    }

    #[inline]
    fn item(&mut self, item: &[u8]) {
        self.reply.item(item);
    }

    #[inline]
    fn record(&mut self, key: &[u8], value: &[u8]) {
        self.reply.record(key, value);
    }

    #[inline]
    fn record_with(&mut self, key: &[u8], value: &[u8], flags: u32, unique: u64) {
        self.reply.record_with(key, value, flags, unique);
    }

    #[inline]
    fn end_list(&mut self) {
        self.reply.end_list();
    }

    #[inline]
    fn abandon_list(&mut self) {
        self.failed = true;
        self.reply.abandon_list();
    }

    #[inline]
    fn len(&self) -> usize {
        self.reply.len()
    }

    #[inline]
    fn is_empty(&self) -> bool {
        self.reply.is_empty()
    }
}
