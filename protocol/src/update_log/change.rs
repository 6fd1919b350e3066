//! Command blocks: one change as the original logs and sends it, and whether it worked there.

use super::reject::BadBlock;
use crate::binary::cursor::{Cursor, Stop};
use crate::binary::sizes;
use crate::binary::{Field, MAGIC, Reason};
use crate::command::Command;
use crate::items::Items;
use crate::limits::Limits;

/// A change as a client asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change<'a> {
    /// Store a record. What `putnr` stores is logged so too.
    Put {
        /// The key.
        key: &'a [u8],
        /// The value.
        value: &'a [u8],
    },
    /// Store a record unless the key exists.
    PutKeep {
        /// The key.
        key: &'a [u8],
        /// The value.
        value: &'a [u8],
    },
    /// Append to a value.
    PutCat {
        /// The key.
        key: &'a [u8],
        /// What to append.
        value: &'a [u8],
    },
    /// Append to a value and keep its last bytes.
    PutShl {
        /// The key.
        key: &'a [u8],
        /// What to append.
        value: &'a [u8],
        /// How many bytes to keep, at most 2147483647.
        width: u32,
    },
    /// Remove a record.
    Out {
        /// The key.
        key: &'a [u8],
    },
    /// Add to an integer.
    AddInt {
        /// The key.
        key: &'a [u8],
        /// What to add.
        num: i32,
    },
    /// Add to a floating-point number. In two parts as on the wire, so that what is passed on stays the
    /// same: see [`decode_double`](crate::binary::decode_double).
    AddDouble {
        /// The key.
        key: &'a [u8],
        /// The integral part.
        integ: i64,
        /// The fractional part in units of 10^-12.
        fract: i64,
    },
    /// Flush to the device.
    Sync,
    /// Reorganise the database.
    Optimize {
        /// Tuning parameters.
        params: &'a [u8],
    },
    /// Remove all records.
    Vanish,
    /// Call a function of the database by name. Many of them change nothing, and are logged all the same.
    Misc {
        /// The function's name.
        name: &'a [u8],
        /// The arguments.
        args: Items<'a>,
    },
}

/// A change with its result: a command block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logged<'a> {
    /// What was asked for.
    pub change: Change<'a>,
    /// Whether it worked on the server that logged it. A change that did not work there is carried out by
    /// replicas of the original nevertheless.
    pub worked: bool,
}

impl<'a> Logged<'a> {
    /// Decodes a whole command block.
    ///
    /// # Errors
    ///
    /// What is wrong, and with which command. Entries behind it are not affected.
    pub fn decode(block: &'a [u8], limits: Limits) -> Result<Self, BadBlock> {
        let size = block.len();
        let command = match *block {
            [] | [MAGIC] => return Err(BadBlock::Short { command: None, size, needed: super::MIN_BLOCK }),
            [MAGIC, id, ..] => Command::from_id(id).ok_or(BadBlock::UnknownCommand(id))?,
            [other, ..] => return Err(BadBlock::Magic(other)),
        };
        let mut cursor = Cursor::new(block);
        cursor.skip(2);
        let change = match read(command, &mut cursor, limits) {
            Ok(Some(change)) => change,
            Ok(None) => return Err(BadBlock::NotLogged(command)),
            Err(Stop::Bad(reason)) => return Err(BadBlock::Size { command, reason }),
            Err(Stop::Short(fields)) => {
                return Err(BadBlock::Short { command: Some(command), size, needed: fields + 1 });
            }
        };
        let used = cursor.used() + 1;
        match *cursor.rest() {
            [result] => Ok(Self { change, worked: result == 0 }),
            [] => Err(BadBlock::Short { command: Some(command), size, needed: used }),
            _ => Err(BadBlock::Long { command, size, used }),
        }
    }

    /// Writes the command block behind what `out` holds.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let command = self.change.command();
        out.extend_from_slice(&[MAGIC, command.id()]);
        match self.change {
            Change::Put { key, value } | Change::PutKeep { key, value } | Change::PutCat { key, value } => {
                put(out, &[size(key), size(value)], &[key, value]);
            }
            Change::PutShl { key, value, width } => {
                put(out, &[size(key), size(value), width], &[key, value]);
            }
            Change::Out { key } => put(out, &[size(key)], &[key]),
            Change::AddInt { key, num } => put(out, &[size(key), num.cast_unsigned()], &[key]),
            Change::AddDouble { key, integ, fract } => {
                put(out, &[size(key)], &[&integ.to_be_bytes(), &fract.to_be_bytes(), key]);
            }
            Change::Optimize { params } => put(out, &[size(params)], &[params]),
            Change::Misc { name, args } => {
                put(out, &[size(name), u32::try_from(args.len()).unwrap_or(u32::MAX)], &[name, args.wire()]);
            }
            Change::Sync | Change::Vanish => {}
        }
        out.push(u8::from(!self.worked));
    }
}

impl Change<'_> {
    /// The command that the change is of.
    #[must_use]
    pub fn command(&self) -> Command {
        match self {
            Change::Put { .. } => Command::Put,
            Change::PutKeep { .. } => Command::PutKeep,
            Change::PutCat { .. } => Command::PutCat,
            Change::PutShl { .. } => Command::PutShl,
            Change::Out { .. } => Command::Out,
            Change::AddInt { .. } => Command::AddInt,
            Change::AddDouble { .. } => Command::AddDouble,
            Change::Sync => Command::Sync,
            Change::Optimize { .. } => Command::Optimize,
            Change::Vanish => Command::Vanish,
            Change::Misc { .. } => Command::Misc,
        }
    }
}

/// Reads the fields of a command; `None` for one that is never logged.
fn read<'a>(command: Command, cursor: &mut Cursor<'a>, limits: Limits) -> Result<Option<Change<'a>>, Stop> {
    Ok(Some(match command {
        Command::Put => {
            let (key, value) = record(cursor, limits)?;
            Change::Put { key, value }
        }
        Command::PutKeep => {
            let (key, value) = record(cursor, limits)?;
            Change::PutKeep { key, value }
        }
        Command::PutCat => {
            let (key, value) = record(cursor, limits)?;
            Change::PutCat { key, value }
        }
        Command::PutShl => {
            let [ksiz, vsiz, width] = cursor.words()?;
            let sizes = [key_size(ksiz, limits)?, sizes::value(vsiz, limits)?];
            let width = sizes::natural(width, Field::Width)?;
            let [key, value] = cursor.fields(sizes)?;
            Change::PutShl { key, value, width }
        }
        Command::Out => {
            let [ksiz] = cursor.words()?;
            let [key] = cursor.fields([key_size(ksiz, limits)?])?;
            Change::Out { key }
        }
        Command::AddInt => {
            let [ksiz, num] = cursor.words()?;
            let [key] = cursor.fields([key_size(ksiz, limits)?])?;
            Change::AddInt { key, num: num.cast_signed() }
        }
        Command::AddDouble => {
            let [ksiz, i_high, i_low, f_high, f_low] = cursor.words()?;
            let [key] = cursor.fields([key_size(ksiz, limits)?])?;
            let join = |high, low| (u64::from(high) << 32 | u64::from(low)).cast_signed();
            Change::AddDouble { key, integ: join(i_high, i_low), fract: join(f_high, f_low) }
        }
        Command::Sync => Change::Sync,
        Command::Optimize => {
            let [psiz] = cursor.words()?;
            let [params] = cursor.fields([sizes::text(psiz, Field::Params)?])?;
            Change::Optimize { params }
        }
        Command::Vanish => Change::Vanish,
        Command::Misc => {
            let [nsiz, count] = cursor.words()?;
            let (size, count) = (sizes::name(nsiz)?, sizes::count(count)?);
            let [name] = cursor.fields([size])?;
            let run = cursor.rest();
            let start = cursor.used();
            for _ in 0..count {
                let [size] = cursor.words()?;
                cursor.fields([sizes::argument(size, limits)?])?;
            }
            let wire = run.get(..cursor.used() - start).unwrap_or_default();
            Change::Misc { name, args: Items::checked(wire, count) }
        }
        _ => return Ok(None),
    }))
}

fn record<'a>(cursor: &mut Cursor<'a>, limits: Limits) -> Result<(&'a [u8], &'a [u8]), Stop> {
    let [ksiz, vsiz] = cursor.words()?;
    let [key, value] = cursor.fields([key_size(ksiz, limits)?, sizes::value(vsiz, limits)?])?;
    Ok((key, value))
}

fn key_size(size: u32, limits: Limits) -> Result<usize, Reason> {
    sizes::key(size, Field::Key, limits)
}

/// The size of a field. No field of a request or of a record is longer than 31 bits.
fn size(field: &[u8]) -> u32 {
    u32::try_from(field.len()).unwrap_or(u32::MAX)
}

fn put(out: &mut Vec<u8>, numbers: &[u32], fields: &[&[u8]]) {
    numbers.iter().for_each(|number| out.extend_from_slice(&number.to_be_bytes()));
    fields.iter().for_each(|field| out.extend_from_slice(field));
}
