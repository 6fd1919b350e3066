//! Which sizes, counts and other bounded numbers of a request are accepted.

use super::reject::{Field, Reason};
use super::{MAX_ITEMS, MAX_NAME, MAX_TEXT};
use crate::limits::Limits;

/// The size of a key or of a prefix, which `field` tells apart.
#[inline]
pub(crate) fn key(size: u32, field: Field, limits: Limits) -> Result<usize, Reason> {
    let limit = limits.max_key;
    bounded(size, field, limit, Reason::KeyTooLong { size, limit })
}

/// The size of a value.
#[inline]
pub(crate) fn value(size: u32, limits: Limits) -> Result<usize, Reason> {
    let limit = limits.max_value;
    let too_long = Reason::ValueTooLong { size, limit };
    bounded(size, Field::Value, limit, too_long)
}

/// The size of an argument of `misc`.
#[inline]
pub(crate) fn argument(size: u32, limits: Limits) -> Result<usize, Reason> {
    let limit = limits.max_field();
    let too_long = Reason::ArgumentTooLong { size, limit };
    bounded(size, Field::Argument, limit, too_long)
}

/// The size of the name of a function.
#[inline]
pub(crate) fn name(size: u32) -> Result<usize, Reason> {
    bounded(size, Field::Name, MAX_NAME, Reason::NameTooLong { size })
}

/// The size of parameters, a path or a host, which `field` tells apart.
#[inline]
pub(crate) fn text(size: u32, field: Field) -> Result<usize, Reason> {
    bounded(size, field, MAX_TEXT, Reason::TextTooLong { field, size })
}

/// The number of items of a run.
#[inline]
pub(crate) fn count(count: u32) -> Result<u32, Reason> {
    let too_many = Reason::TooManyItems { count };
    bounded(count, Field::Count, MAX_ITEMS, too_many)?;
    Ok(count)
}

/// Any number that is not negative as a signed one.
#[inline]
pub(crate) fn natural(number: u32, field: Field) -> Result<u32, Reason> {
    let value = number.cast_signed();
    if value < 0 {
        return Err(Reason::Negative { field, value });
    }
    Ok(number)
}

#[inline]
fn bounded(number: u32, field: Field, limit: u32, beyond: Reason) -> Result<usize, Reason> {
    natural(number, field)?;
    if number > limit {
        return Err(beyond);
    }
    Ok(number as usize)
}
