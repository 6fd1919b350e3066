//! Functions that only compute: packing, text, codecs, sets.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Context, Fault, Function, copied, count, text};
use crate::codec::{CodecError, codec};
use crate::hash::Hash;
use crate::meter::Meter as _;
use crate::posix::{PatternError, Regex, ReplaceError};
use crate::raw::Args;
use crate::tonumber::tonumber;
use crate::value::{Out, Output, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::direct(
        "_pack",
        "format, ...",
        "string",
        "Numbers, also in arrays, in binary forms, each a letter of the format: c s i l and C S I L (8, 16, 32, 64 bits in host \
         order), f d and F D (float, double), n N M (16, 32, 64 bits, big-endian), w (base 128). A letter may be followed by a count, or \
         by * for all that are left. What is no number counts as 0; an unknown letter takes numbers and gives nothing.",
        pack,
    ),
    Function::direct(
        "_unpack",
        "format, string",
        "array of numbers",
        "The numbers in a string that _pack made. c s i l have a sign, C S I L n N M w have none. An incomplete one ends it.",
        unpack,
    ),
    Function::direct(
        "_split",
        "string [, delimiters]",
        "array of strings",
        "The fields of a string, empty ones too: between any of the delimiters and up to the first NUL, or without \
         delimiters between NULs.",
        split,
    ),
    Function::direct(
        "_codec",
        "mode, string",
        "string or nil",
        "Encodes, or decodes with ~ before the mode: url, base (Base64), quote (Quoted-Printable), hex, xml, pack (PackBits), \
         tcbs (Tokyo Cabinet's), deflate (zlib), gzip, bzip (bzip2). Nil for an unknown mode, and for data that is broken.",
        encode,
    ),
    Function::direct(
        "_hash",
        "mode, string",
        "string, number or nil",
        "md5 in hexadecimal, md5raw in 16 bytes, crc32 as a number; nil for other modes.",
        hash,
    ),
    Function::direct(
        "_bit",
        "mode, number [, number]",
        "number",
        "Bits of 32-bit numbers without sign: and, or, xor, not, left, right. Shifts count modulo 32.",
        bit,
    ),
    Function::direct(
        "_strstr",
        "string, part [, replacement]",
        "number or string",
        "Where a part is in a string, from 1, and 0 if it is not there; or the string with all such parts replaced. Strings end at a NUL.",
        strstr,
    ),
    Function::direct(
        "_regex",
        "string, expression [, replacement]",
        "boolean or string",
        "Whether a POSIX extended regular expression matches, with * before it in any case; or the string with all matches \
         replaced, where & is the match and \\1 a group. False, or the string, where it is no expression. Strings end at a NUL. \
         Expressions with back-references are refused.",
        regex,
    ),
    Function::direct(
        "_ucs",
        "string or array",
        "array of numbers or string",
        "The characters of a UTF-8 string as codes of 16 bits, or the string of such codes.",
        ucs,
    ),
    Function::direct(
        "_dist",
        "string, string [, utf]",
        "number",
        "The Levenshtein distance in bytes, or in characters if utf is true. Strings end at a NUL.",
        distance,
    ),
    Function::direct(
        "_isect",
        "array, ...",
        "array of strings",
        "The distinct elements that all arrays have: of two arrays in the order of the second, else in that of the first. Instead of \
         several arrays, one array of arrays.",
        intersection,
    ),
    Function::direct(
        "_union",
        "array, ...",
        "array of strings",
        "The distinct elements of all arrays, in the order in which they come. Instead of several arrays, one array of arrays.",
        union,
    ),
];

/// Elements of an array between two looks at the limits.
const LOOK: usize = 4096;

/// Gives an array, within what the call may use.
pub(super) fn give_array<T>(
    context: &Context,
    out: &mut Output,
    elements: impl IntoIterator<Item = T>,
    give: impl Fn(&mut Output, T),
) -> Result<(), Fault> {
    let begin = out.begin_array();
    for (index, element) in elements.into_iter().enumerate() {
        give(out, element);
        if index % LOOK == LOOK - 1 {
            context.budget.work(50 * LOOK as u64)?;
            context.check_room(out.values.len().saturating_mul(size_of::<Out>()) + out.bytes.len())?;
        }
    }
    context.check_room(out.bytes.len())?;
    out.end_array(begin);
    Ok(())
}

/// At least so many arguments.
fn at_least(args: &Args<'_>, count: usize) -> Result<(), Fault> {
    if args.len() < count { Err(Fault::Invalid) } else { Ok(()) }
}

/// Counts `steps` for each of so many bytes or elements.
fn work(context: &Context, units: usize, steps: u64) -> Result<(), Fault> {
    Ok(context.budget.work(u64::try_from(units).unwrap_or(u64::MAX).saturating_mul(steps))?)
}

fn too_long(name: &str, limit: usize) -> Fault {
    Fault::Message(format!("{name}: the result would be longer than {limit} bytes (--ext-max-memory)"))
}

/// A value as a number; 0 for what is none.
fn number(value: &Value<'_>) -> f64 {
    match value {
        Value::Number(number) => *number,
        Value::Bytes(text) => tonumber(text).unwrap_or(0.0),
        _ => 0.0,
    }
}

fn pack(context: &Context, args: &Args<'_>, out: &mut Output) -> Result<(), Fault> {
    at_least(args, 1)?;
    let format = text(args, 0)?;
    let mut numbers = Vec::new();
    for index in 1..args.len() {
        match args.value_to(index, 1)? {
            Some(Value::Array(elements)) => numbers.extend(elements.iter().map(number)),
            value => numbers.extend(value.as_ref().map(number)),
        }
    }
    work(context, numbers.len(), 20)?;
    work(context, format.len(), 2)?;
    out.bytes(&crate::pack::pack(&format, &numbers));
    Ok(())
}

fn unpack(context: &Context, args: &Args<'_>, out: &mut Output) -> Result<(), Fault> {
    count(args, 2)?;
    let format = text(args, 0)?;
    work(context, format.len(), 2)?;
    // What is no string holds no numbers.
    let bytes = args.text(1).unwrap_or_default();
    give_array(context, out, crate::pack::unpack(&format, &bytes), Output::number)
}

fn split(context: &Context, args: &Args<'_>, out: &mut Output) -> Result<(), Fault> {
    at_least(args, 1)?;
    let (string, delimiters) = (text(args, 0)?, args.text(1));
    copied(context, string.len())?;
    give_array(context, out, crate::text::split(&string, delimiters.as_deref()), Output::bytes)
}

fn encode(context: &Context, args: &Args<'_>, out: &mut Output) -> Result<(), Fault> {
    count(args, 2)?;
    let (mode, data) = (text(args, 0)?, text(args, 1)?);
    let mode = crate::text::c_string(&mode);
    match codec(mode, &data, context.budget.limits().memory, &context.budget) {
        Ok(Some(result)) => out.bytes(&result),
        Ok(None) => out.nil(),
        Err(CodecError::TooLong(limit)) => return Err(too_long("_codec", limit)),
        Err(CodecError::LimitReached(reached)) => return Err(reached.into()),
    }
    Ok(())
}

fn hash(context: &Context, args: &Args<'_>, out: &mut Output) -> Result<(), Fault> {
    count(args, 2)?;
    let (mode, data) = (text(args, 0)?, text(args, 1)?);
    work(context, data.len(), 2)?;
    match crate::hash::hash(crate::text::c_string(&mode), &data) {
        Some(Hash::Bytes(bytes)) => out.bytes(&bytes),
        Some(Hash::Number(number)) => out.number(number.into()),
        None => out.nil(),
    }
    Ok(())
}

fn bit(_: &Context, args: &Args<'_>, out: &mut Output) -> Result<(), Fault> {
    at_least(args, 2)?;
    let mode = text(args, 0)?;
    let number = |index| args.number(index).unwrap_or(0.0);
    let result = crate::bit::bit(crate::text::c_string(&mode), number(1), number(2));
    out.number(result.ok_or(Fault::Invalid)?.into());
    Ok(())
}

fn strstr(context: &Context, args: &Args<'_>, out: &mut Output) -> Result<(), Fault> {
    at_least(args, 2)?;
    let (string, part) = (text(args, 0)?, text(args, 1)?);
    work(context, string.len() + part.len(), 2)?;
    match args.text(2) {
        None => out.number(crate::text::find(&string, &part) as f64),
        Some(with) => {
            let limit = context.budget.limits().memory;
            let replaced = crate::text::replace(&string, &part, &with, limit);
            out.bytes(&replaced.ok_or_else(|| too_long("_strstr", limit))?);
        }
    }
    Ok(())
}

fn regex(context: &Context, args: &Args<'_>, out: &mut Output) -> Result<(), Fault> {
    at_least(args, 2)?;
    let (string, pattern, with) = (text(args, 0)?, text(args, 1)?, args.text(2));
    let regex = match compiled(context, &pattern) {
        Ok(regex) => regex?,
        Err(error @ PatternError::Unsupported(_)) => return Err(Fault::Message(format!("_regex: {error}"))),
        Err(PatternError::Malformed(_)) => {
            match with {
                Some(_) => out.bytes(crate::text::c_string(&string)),
                None => out.bool(false),
            }
            return Ok(());
        }
    };
    match with {
        None => out.bool(regex.is_found(&string, &context.budget)?),
        Some(with) => match regex.replace(&string, &with, context.budget.limits().memory, &context.budget) {
            Ok(replaced) => out.bytes(&replaced),
            Err(ReplaceError::TooLong(limit)) => return Err(too_long("_regex", limit)),
            Err(error @ ReplaceError::LongMatch) => return Err(Fault::Message(format!("_regex: {error}"))),
            Err(ReplaceError::LimitReached(reached)) => return Err(reached.into()),
        },
    }
    Ok(())
}

/// Expressions that are kept, and the most that one of them may have cost.
const KEPT: usize = 16;
const MAX_COST: u64 = 1_000_000;

/// Expressions that were used last; scripts use the same ones again and again.
pub(crate) type Expressions = parking_lot::Mutex<Vec<(Vec<u8>, Arc<Regex>)>>;

/// An expression; the inner error where compiling it has taken the time of the call.
fn compiled(context: &Context, pattern: &[u8]) -> Result<Result<Arc<Regex>, Fault>, PatternError> {
    let mut kept = context.expressions.lock();
    if let Some(at) = kept.iter().position(|(of, _)| of == pattern) {
        let found = Arc::clone(&kept[at].1);
        kept[..=at].rotate_right(1);
        return Ok(Ok(found));
    }
    let regex = Arc::new(Regex::new(pattern)?);
    if regex.cost() <= MAX_COST {
        kept.truncate(KEPT - 1);
        kept.insert(0, (pattern.to_vec(), Arc::clone(&regex)));
    }
    drop(kept);
    Ok(context.budget.work(regex.cost()).map(|()| regex).map_err(Fault::from))
}

fn ucs(context: &Context, args: &Args<'_>, out: &mut Output) -> Result<(), Fault> {
    count(args, 1)?;
    if let Some(string) = args.text(0) {
        return give_array(context, out, crate::text::codes(&string).map(f64::from), Output::number);
    }
    let Some(Value::Array(elements)) = args.value_to(0, 1)? else { return Err(Fault::Invalid) };
    work(context, elements.len(), 20)?;
    let codes = elements.iter().map(|element| crate::text::code(number(element)));
    out.bytes(&crate::text::from_codes(codes));
    Ok(())
}

fn distance(context: &Context, args: &Args<'_>, out: &mut Output) -> Result<(), Fault> {
    at_least(args, 2)?;
    let (first, second) = (text(args, 0)?, text(args, 1)?);
    let in_characters = !matches!(args.value_to(2, 0)?, None | Some(Value::Nil | Value::Bool(false)));
    copied(context, first.len() + second.len())?;
    context.check_room(second.len().saturating_mul(size_of::<usize>() + 4))?;
    let distance = crate::text::distance(&first, &second, in_characters, &context.budget)?;
    out.number(distance as f64);
    Ok(())
}

/// The sets that arguments are: each table one, or each element that is a table of the only one.
fn sets<'a>(context: &Context, args: &Args<'a>) -> Result<Vec<Vec<Cow<'a, [u8]>>>, Fault> {
    let mut arguments = Vec::new();
    for index in 0..args.len() {
        arguments.extend(args.value_to(index, 2)?);
    }
    if let [Value::Array(elements)] = &mut arguments[..]
        && matches!(elements.first(), Some(Value::Array(_)))
    {
        arguments = std::mem::take(elements);
    }
    let mut sets = Vec::new();
    for argument in &arguments {
        if let Value::Array(elements) = argument {
            work(context, elements.len(), 200)?;
            sets.push(elements.iter().filter_map(Value::text).collect());
        }
    }
    Ok(sets)
}

fn intersection(context: &Context, args: &Args<'_>, out: &mut Output) -> Result<(), Fault> {
    let common = crate::sets::intersection(&sets(context, args)?);
    give_array(context, out, &common, |out, element| out.bytes(element))
}

fn union(context: &Context, args: &Args<'_>, out: &mut Output) -> Result<(), Fault> {
    let all = crate::sets::union(&sets(context, args)?);
    give_array(context, out, &all, |out, element| out.bytes(element))
}
