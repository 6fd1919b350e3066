//! Functions of single records.

use std::borrow::Cow;

use super::{Context, Fault, Function, copied, count, text};
use crate::decimal::Decimal;
use crate::number::to_i32;
use crate::raw::Args;
use crate::tonumber::tonumber;
use crate::value::{Output, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::direct("_put", "key, value", "boolean", "Stores a record, whatever was there.", put),
    Function::direct(
        "_putkeep",
        "key, value",
        "boolean",
        "Stores a record; false where there is one.",
        put_keep,
    ),
    Function::direct("_putcat", "key, value", "boolean", "Appends to a record.", put_cat),
    Function::direct(
        "_putex",
        "key, value, seconds",
        "boolean",
        "Stores a record that is gone after so many seconds, to the millisecond. Not in the original.",
        put_expiring,
    ),
    Function::direct("_out", "key", "boolean", "Removes a record; false where there is none.", out),
    Function::direct("_get", "key", "string or nil", "The value of a record.", get),
    Function::direct("_vsiz", "key", "number", "Bytes of the value; -1 where there is no record.", vsiz),
    Function::direct(
        "_addint",
        "key, number",
        "number or nil",
        "Adds to a record of 4 bytes, little-endian. A fraction is cut, the sum wraps. Nil where the record is no such \
         number, and where the sum is -2147483648, which is stored all the same.",
        add_int,
    ),
    Function::direct(
        "_adddouble",
        "key, number",
        "number or nil",
        "Adds to a record of 8 bytes, a little-endian double. Nil where the record is no such number.",
        add_double,
    ),
    Function::direct(
        "_incr",
        "key, number",
        "string or nil",
        "Adds to a number in decimal text, and gives the sum as text. What several masters add at the same time adds up. \
         A value that is no number counts as 0. Nil where the number is none, or where the sum would be over 63 bits. Not in the \
         original.",
        incr,
    ),
    Function::direct("_vanish", "", "boolean", "Removes all records.", vanish),
    Function::direct("_rnum", "", "number", "Number of records.", rnum),
    Function::direct("_size", "", "number", "Bytes that the database takes.", size),
    Function::direct(
        "_misc",
        "name, ...",
        "array of strings or nil",
        "Carries out a function of the misc command. Arguments are strings, numbers and arrays of them; others are left out. \
         Nil where it fails.",
        misc,
    ),
];

fn changed(context: &Context, out: &mut Output, done: crate::host::Result<bool>) -> Result<(), Fault> {
    let done = done?;
    if done {
        context.budget.note_write();
    }
    out.bool(done);
    Ok(())
}

type Pair<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

fn pair<'a>(context: &Context, args: &Args<'a>) -> Result<Pair<'a>, Fault> {
    count(args, 2)?;
    let (key, value) = (text(args, 0)?, text(args, 1)?);
    copied(context, value.len())?;
    Ok((key, value))
}

fn put(context: &Context, args: &Args<'_>, out: &mut Output) -> Result<(), Fault> {
    let (key, value) = pair(context, args)?;
    changed(context, out, context.host.put(&key, &value, &|| context.deadline()))
}

fn put_keep(context: &Context, args: &Args<'_>, out: &mut Output) -> Result<(), Fault> {
    let (key, value) = pair(context, args)?;
    changed(context, out, context.host.put_keep(&key, &value, &|| context.deadline()))
}

fn put_cat(context: &Context, args: &Args<'_>, out: &mut Output) -> Result<(), Fault> {
    let (key, value) = pair(context, args)?;
    changed(context, out, context.host.put_cat(&key, &value, &|| context.deadline()))
}

fn put_expiring(context: &Context, args: &Args<'_>, out: &mut Output) -> Result<(), Fault> {
    count(args, 3)?;
    let (key, value) = (text(args, 0)?, text(args, 1)?);
    let seconds = args.number(2).filter(|seconds| *seconds > 0.0).ok_or(Fault::Invalid)?;
    copied(context, value.len())?;
    // A cast of a double saturates.
    let milliseconds = (seconds * 1000.0).ceil() as u64;
    changed(context, out, context.host.put_expiring(&key, &value, milliseconds, &|| context.deadline()))
}

fn out(context: &Context, args: &Args<'_>, out: &mut Output) -> Result<(), Fault> {
    count(args, 1)?;
    changed(context, out, context.host.out(&text(args, 0)?, &|| context.deadline()))
}

fn get(context: &Context, args: &Args<'_>, out: &mut Output) -> Result<(), Fault> {
    count(args, 1)?;
    let key = text(args, 0)?;
    let mut len = 0;
    let found = context.host.get(&key, &mut |value| {
        len = value.len();
        // What does not fit is not even copied.
        if len <= context.budget.limits().memory {
            out.bytes(value);
        }
    });
    if !found {
        out.nil();
    }
    context.check_room(len)?;
    copied(context, len)
}

fn vsiz(context: &Context, args: &Args<'_>, out: &mut Output) -> Result<(), Fault> {
    count(args, 1)?;
    let mut size = -1.0;
    context.host.get(&text(args, 0)?, &mut |value| size = value.len() as f64);
    out.number(size);
    Ok(())
}

/// The number of the second argument, as Lua reads it.
fn amount(args: &Args<'_>) -> Result<f64, Fault> {
    args.number(1).ok_or(Fault::Invalid)
}

fn add_int(context: &Context, args: &Args<'_>, out: &mut Output) -> Result<(), Fault> {
    count(args, 2)?;
    let (key, num) = (text(args, 0)?, to_i32(amount(args)?));
    match context.host.add_int(&key, num, &|| context.deadline())? {
        Some(sum) => {
            context.budget.note_write();
            // The original takes this sum for its error mark (observed).
            if sum == i32::MIN { out.nil() } else { out.number(sum.into()) }
        }
        None => out.nil(),
    }
    Ok(())
}

fn add_double(context: &Context, args: &Args<'_>, out: &mut Output) -> Result<(), Fault> {
    count(args, 2)?;
    let (key, num) = (text(args, 0)?, amount(args)?);
    match context.host.add_double(&key, num, &|| context.deadline())? {
        Some(sum) => {
            context.budget.note_write();
            if sum.is_nan() { out.nil() } else { out.number(sum) }
        }
        None => out.nil(),
    }
    Ok(())
}

/// What a text or a number amounts to; none where it is no finite number.
pub fn decimal(text: &[u8]) -> Option<Decimal> {
    if let Some(int) = std::str::from_utf8(text.trim_ascii()).ok().and_then(|text| text.parse::<i64>().ok()) {
        return Some(Decimal::Int(int));
    }
    match tonumber(text)? {
        real if !real.is_finite() => None,
        // Doubles are exact up to there.
        real if real.fract() == 0.0 && real.abs() <= 9_007_199_254_740_992.0 => {
            Some(Decimal::Int(real as i64))
        }
        real => Some(Decimal::Real(real)),
    }
}

fn incr(context: &Context, args: &Args<'_>, out: &mut Output) -> Result<(), Fault> {
    count(args, 2)?;
    let key = text(args, 0)?;
    let Some(amount) = decimal(&text(args, 1)?) else {
        out.nil();
        return Ok(());
    };
    match context.host.count(&key, amount, &|| context.deadline())? {
        Some(sum) => {
            context.budget.note_write();
            match sum {
                Decimal::Int(int) => {
                    let mut digits = Digits::default();
                    out.bytes(digits.of(int));
                }
                Decimal::Real(real) => out.bytes(crate::number::format_g14(real).as_bytes()),
            }
        }
        None => out.nil(),
    }
    Ok(())
}

/// Decimal digits without an allocation.
#[derive(Default)]
struct Digits([u8; 20]);

impl Digits {
    fn of(&mut self, int: i64) -> &[u8] {
        let mut rest = int.unsigned_abs();
        let mut at = self.0.len();
        loop {
            at -= 1;
            self.0[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        if int < 0 {
            at -= 1;
            self.0[at] = b'-';
        }
        &self.0[at..]
    }
}

fn vanish(context: &Context, args: &Args<'_>, out: &mut Output) -> Result<(), Fault> {
    count(args, 0)?;
    context.budget.leave_event_loop();
    changed(context, out, context.host.vanish(&|| context.deadline()))
}

fn rnum(context: &Context, args: &Args<'_>, out: &mut Output) -> Result<(), Fault> {
    count(args, 0)?;
    out.number(context.host.records() as f64);
    Ok(())
}

fn size(context: &Context, args: &Args<'_>, out: &mut Output) -> Result<(), Fault> {
    count(args, 0)?;
    out.number(context.host.size() as f64);
    Ok(())
}

fn misc(context: &Context, args: &Args<'_>, out: &mut Output) -> Result<(), Fault> {
    let name = text(args, 0)?;
    let mut flat = Vec::new();
    for index in 1..args.len() {
        if let Some(value) = args.value(index)? {
            flatten(&value, &mut flat);
        }
    }
    // Some of its functions walk over everything.
    context.budget.leave_event_loop();
    let begin = out.begin_array();
    let mut room = Ok(());
    let mut found = |element: &[u8]| {
        room = room.clone().and_then(|()| context.check_room(out.bytes.len() + element.len()));
        if room.is_ok() {
            out.bytes(element);
        }
    };
    // Without an update log of its own, `$` changes nothing.
    let name = name.strip_prefix(b"$").unwrap_or(&name);
    let done = context.host.misc(name, &flat, &mut found, &|| context.deadline())?;
    room?;
    if done {
        context.budget.note_write();
        out.end_array(begin);
    } else {
        out.clear();
        out.nil();
    }
    Ok(())
}

/// Strings and numbers, also those of an array; arrays in arrays are left out (observed).
fn flatten(value: &Value<'_>, flat: &mut Vec<Vec<u8>>) {
    match value {
        Value::Array(elements) => {
            flat.extend(elements.iter().filter_map(|one| one.text().map(Cow::into_owned)))
        }
        value => flat.extend(value.text().map(Cow::into_owned)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits() {
        for int in [0, 7, -1, i64::MAX, i64::MIN, 1_000] {
            assert_eq!(Digits::default().of(int), int.to_string().as_bytes());
        }
    }

    #[test]
    fn what_increments_mean() {
        for (text, decimal) in [
            ("1", Some(Decimal::Int(1))),
            (" 7 ", Some(Decimal::Int(7))),
            ("0x10", Some(Decimal::Int(16))),
            ("1e3", Some(Decimal::Int(1000))),
            ("0.5", Some(Decimal::Real(0.5))),
            ("9007199254740993", Some(Decimal::Int(9_007_199_254_740_993))),
            ("", None),
            ("abc", None),
            ("nan", None),
            ("inf", None),
        ] {
            assert_eq!(super::decimal(text.as_bytes()), decimal, "{text:?}");
        }
        assert_eq!(super::decimal(b"5\0junk"), Some(Decimal::Int(5)));
    }
}
