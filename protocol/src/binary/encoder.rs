//! From answers to bytes.

use super::number::encode_double;
use crate::command::Command;
use crate::reply::Reply;

/// The code byte of a reply that worked.
const SUCCESS: u8 = 0;
/// The code byte of a reply that did not.
const FAILURE: u8 = 1;
/// A failed `misc` keeps its count, unlike any other failure.
const FAILED_LIST: [u8; 5] = [FAILURE, 0, 0, 0, 0];

/// Writes the reply of one request behind what the buffer holds already.
///
/// `putnr` has no reply: all that is said is dropped. So it is for `repl`, whose
/// answer is a stream of another form without a code byte, written by whoever
/// feeds the replica.
#[derive(Debug)]
pub struct Encoder<'o> {
    out: &'o mut Vec<u8>,
    command: Command,
    /// Where this reply begins in `out`.
    start: usize,
    list: Option<List>,
}

/// A list that was begun and has not ended.
#[derive(Debug, Clone, Copy)]
struct List {
    count: i32,
    /// It has an item, or a number of items, that the wire cannot express.
    broken: bool,
}

impl<'o> Encoder<'o> {
    /// Begins the reply of a request of this command, behind what `out` holds.
    #[inline]
    #[must_use]
    pub fn new(out: &'o mut Vec<u8>, command: Command) -> Self {
        let start = out.len();
        Self { out, command, start, list: None }
    }

    /// Whether the command has no reply in this form.
    #[inline]
    fn silent(&self) -> bool {
        matches!(self.command, Command::PutNr | Command::Repl)
    }

    /// Whether a successful reply of the command is a list.
    #[inline]
    fn answers_list(&self) -> bool {
        matches!(self.command, Command::MGet | Command::FwmKeys | Command::Misc)
    }

    /// Puts a code byte and a number of `N` bytes.
    #[inline]
    fn put<const N: usize>(&mut self, number: [u8; N]) {
        if !self.silent() {
            self.out.reserve(1 + N);
            self.out.push(SUCCESS);
            self.out.extend_from_slice(&number);
        }
    }

    /// One more item, if a list was begun and these sizes fit into it. The
    /// caller then writes exactly one item.
    #[inline]
    fn next_item(&mut self, fits: bool) -> bool {
        let Some(list) = &mut self.list else {
            return false;
        };
        match list.count.checked_add(1) {
            Some(count) if fits && !list.broken => {
                list.count = count;
                true
            }
            _ => {
                list.broken = true;
                false
            }
        }
    }
}

/// The size of a field as the wire has it; `None` if it does not fit.
#[inline]
fn wire_size(field: &[u8]) -> Option<[u8; 4]> {
    i32::try_from(field.len()).ok().map(i32::to_be_bytes)
}

impl Reply for Encoder<'_> {
    /// One byte; for the commands that answer a list, an empty one.
    #[inline]
    fn success(&mut self) {
        if self.answers_list() {
            self.begin_list();
            self.end_list();
        } else {
            self.put([]);
        }
    }

    /// One byte; for `misc` five.
    #[inline]
    fn failure(&mut self) {
        if self.command == Command::Misc {
            self.out.extend_from_slice(&FAILED_LIST);
        } else if !self.silent() {
            self.out.push(FAILURE);
        }
    }

    /// The size and the bytes; for `misc` a list of that one element. A value
    /// above 2147483647 bytes becomes a failure.
    #[inline]
    fn value(&mut self, value: &[u8]) {
        if self.silent() {
            return;
        }
        if self.answers_list() {
            self.begin_list();
            self.item(value);
            self.end_list();
            return;
        }
        let Some([a, b, c, d]) = wire_size(value) else {
            self.failure();
            return;
        };
        self.out.reserve(5 + value.len());
        self.out.extend_from_slice(&[SUCCESS, a, b, c, d]);
        self.out.extend_from_slice(value);
    }

    #[inline]
    fn int(&mut self, number: i32) {
        self.put(number.to_be_bytes());
    }

    /// The integral part and the fractional part in units of 10^-12. NaN is
    /// written as such: that the original answers failure for it is for the
    /// command to know.
    #[inline]
    fn double(&mut self, number: f64) {
        let (integ, fract) = encode_double(number);
        let mut parts = [0; 16];
        let (first, second) = parts.split_at_mut(8);
        first.copy_from_slice(&integ.to_be_bytes());
        second.copy_from_slice(&fract.to_be_bytes());
        self.put(parts);
    }

    #[inline]
    fn count(&mut self, count: u64) {
        self.put(count.to_be_bytes());
    }

    /// The code byte and a count of zero, which `end_list` corrects. What was
    /// said before is taken back.
    fn begin_list(&mut self) {
        if self.silent() {
            return;
        }
        self.out.truncate(self.start);
        self.list = Some(List { count: 0, broken: false });
        self.out.extend_from_slice(&[SUCCESS, 0, 0, 0, 0]);
    }

    /// The size and the bytes. Dropped if there is no list.
    #[inline]
    fn item(&mut self, item: &[u8]) {
        let size = wire_size(item);
        if self.next_item(size.is_some()) {
            self.out.reserve(4 + item.len());
            self.out.extend_from_slice(&size.unwrap_or_default());
            self.out.extend_from_slice(item);
        }
    }

    /// Both sizes, then both fields. Dropped if there is no list.
    #[inline]
    fn record(&mut self, key: &[u8], value: &[u8]) {
        let sizes = wire_size(key).zip(wire_size(value));
        if self.next_item(sizes.is_some()) {
            let (ksiz, vsiz) = sizes.unwrap_or_default();
            self.out.reserve(8 + key.len() + value.len());
            self.out.extend_from_slice(&ksiz);
            self.out.extend_from_slice(&vsiz);
            self.out.extend_from_slice(key);
            self.out.extend_from_slice(value);
        }
    }

    /// Puts the count in place. A list that the wire cannot express becomes a
    /// failure.
    fn end_list(&mut self) {
        match self.list {
            Some(list) if list.broken => self.abandon_list(),
            Some(list) => {
                let place = self.out.get_mut(self.start + 1..self.start + 5);
                if let Some(place) = place {
                    place.copy_from_slice(&list.count.to_be_bytes());
                }
                self.list = None;
            }
            None => {}
        }
    }

    /// Takes back what was said, and answers failure.
    fn abandon_list(&mut self) {
        self.list = None;
        self.out.truncate(self.start);
        self.failure();
    }

    #[inline]
    fn len(&self) -> usize {
        self.out.len() - self.start
    }
}
