//! Requests as a client sends them.

use crate::binary::MAGIC;
use crate::binary::number::encode_double;
use crate::binary::reject::Field;
use crate::binary::sizes;
use crate::limits::Limits;
use crate::request::{Items, Request};

/// A request that no server would take: nothing of it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsendable {
    /// A field of it is too long or too large.
    Beyond {
        /// Which one.
        field: Field,
        /// Its length in bytes, or the number itself.
        size: u64,
    },
    /// Another dialect has it.
    OtherDialect,
}

impl std::fmt::Display for Unsendable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Beyond { field, size } => write!(f, "the {field} is {size}, more than the protocol takes"),
            Self::OtherDialect => f.write_str("the binary protocol has no such request"),
        }
    }
}

impl std::error::Error for Unsendable {}

/// Writes a request behind what `out` holds. Its fields are bounded as the original server bounds them.
pub fn encode(request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), Unsendable> {
    let start = out.len();
    let written = Writer { out }.request(request);
    if written.is_err() {
        out.truncate(start);
    }
    written
}

struct Writer<'o> {
    out: &'o mut Vec<u8>,
}

impl Writer<'_> {
    fn request(&mut self, request: &Request<'_>) -> Result<(), Unsendable> {
        if let Request::Follow(hello) = request {
            hello.encode(self.out);
            return Ok(());
        }
        self.out.extend_from_slice(&[MAGIC, request.command().id()]);
        match *request {
            Request::Put { key, value }
            | Request::PutKeep { key, value }
            | Request::PutCat { key, value }
            | Request::PutNr { key, value } => {
                self.size(key, Field::Key)?;
                self.size(value, Field::Value)?;
                self.bytes(key);
                self.bytes(value);
            }
            Request::PutShl { key, value, width } => {
                self.size(key, Field::Key)?;
                self.size(value, Field::Value)?;
                self.natural(width, Field::Width)?;
                self.bytes(key);
                self.bytes(value);
            }
            Request::Out { key } | Request::Get { key } | Request::Vsiz { key } => {
                self.size(key, Field::Key)?;
                self.bytes(key);
            }
            Request::MGet { keys } => self.items(keys, Field::Key)?,
            Request::FwmKeys { prefix, max } => {
                self.size(prefix, Field::Prefix)?;
                let max = max.map_or(-1, |max| i32::try_from(max).unwrap_or(i32::MAX));
                self.bytes(&max.to_be_bytes());
                self.bytes(prefix);
            }
            Request::AddInt { key, num } => {
                self.size(key, Field::Key)?;
                self.bytes(&num.to_be_bytes());
                self.bytes(key);
            }
            Request::AddDouble { key, num } => {
                self.size(key, Field::Key)?;
                let (integ, fract) = encode_double(num);
                self.bytes(&integ.to_be_bytes());
                self.bytes(&fract.to_be_bytes());
                self.bytes(key);
            }
            Request::Ext { name, options, key, value } => {
                self.name(name)?;
                self.bytes(&options.to_be_bytes());
                self.size(key, Field::Key)?;
                self.size(value, Field::Value)?;
                self.bytes(name);
                self.bytes(key);
                self.bytes(value);
            }
            Request::Optimize { params: text } | Request::Copy { path: text } => {
                let is_copy = matches!(request, Request::Copy { .. });
                self.text(text, if is_copy { Field::Path } else { Field::Params })?;
                self.bytes(text);
            }
            Request::Restore { path, ts, options } => {
                self.text(path, Field::Path)?;
                self.bytes(&ts.to_be_bytes());
                self.bytes(&options.to_be_bytes());
                self.bytes(path);
            }
            Request::SetMst { host, port, ts, options } => {
                self.text(host, Field::Host)?;
                self.natural(port, Field::Port)?;
                self.bytes(&ts.to_be_bytes());
                self.bytes(&options.to_be_bytes());
                self.bytes(host);
            }
            Request::Misc { name, options, args } => {
                self.name(name)?;
                self.bytes(&options.to_be_bytes());
                let count = self.count(args)?;
                self.bytes(&count);
                self.bytes(name);
                self.each(args, Field::Argument)?;
            }
            Request::Repl { ts, sid } => {
                self.bytes(&ts.to_be_bytes());
                self.bytes(&sid.to_be_bytes());
            }
            Request::IterInit
            | Request::IterNext
            | Request::Sync
            | Request::Vanish
            | Request::Rnum
            | Request::Size
            | Request::Stat
            | Request::Follow(_) => {}
            Request::Store { .. }
            | Request::Fetch { .. }
            | Request::Touch { .. }
            | Request::Adjust { .. }
            | Request::Flush { .. }
            | Request::Stats
            | Request::Version
            | Request::Options => return Err(Unsendable::OtherDialect),
        }
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// The size of a key, value or argument.
    fn size(&mut self, bytes: &[u8], field: Field) -> Result<(), Unsendable> {
        self.bounded(bytes, field, |size| sizes::value(size, Limits::default()).is_ok())
    }

    fn name(&mut self, name: &[u8]) -> Result<(), Unsendable> {
        self.bounded(name, Field::Name, |size| sizes::name(size).is_ok())
    }

    fn text(&mut self, text: &[u8], field: Field) -> Result<(), Unsendable> {
        self.bounded(text, field, |size| sizes::text(size, field).is_ok())
    }

    fn bounded(&mut self, bytes: &[u8], field: Field, fits: impl Fn(u32) -> bool) -> Result<(), Unsendable> {
        let too_long = Unsendable::Beyond { field, size: bytes.len() as u64 };
        let size = u32::try_from(bytes.len()).ok().filter(|&size| fits(size)).ok_or(too_long)?;
        self.bytes(&size.to_be_bytes());
        Ok(())
    }

    fn natural(&mut self, number: u32, field: Field) -> Result<(), Unsendable> {
        sizes::natural(number, field).map_err(|_| Unsendable::Beyond { field, size: number.into() })?;
        self.bytes(&number.to_be_bytes());
        Ok(())
    }

    fn count(&self, items: Items<'_>) -> Result<[u8; 4], Unsendable> {
        let count = u32::try_from(items.len()).ok().filter(|&count| sizes::count(count).is_ok());
        let too_many = Unsendable::Beyond { field: Field::Count, size: items.len() as u64 };
        count.map(u32::to_be_bytes).ok_or(too_many)
    }

    fn items(&mut self, items: Items<'_>, field: Field) -> Result<(), Unsendable> {
        let count = self.count(items)?;
        self.bytes(&count);
        self.each(items, field)
    }

    fn each(&mut self, items: Items<'_>, field: Field) -> Result<(), Unsendable> {
        for item in items.iter() {
            self.size(item, field)?;
            self.bytes(item);
        }
        Ok(())
    }
}
