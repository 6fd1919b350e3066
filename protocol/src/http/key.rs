//! From the target of a request to a key.

use super::escapes;
use super::reject::Reason;
use crate::Arena;
use crate::dialect::Reject;
use crate::limits::Limits;

/// The key: the target without its first `/` and with escapes resolved. Query and fragment belong to it.
#[inline]
pub(super) fn key<'a>(target: &'a [u8], limits: Limits, arena: &'a Arena) -> Result<&'a [u8], Reject> {
    let path = match target.first() {
        Some(b'/') => &target[1..],
        _ => path_of_absolute(target),
    };
    let key = escapes::resolve(path, arena).ok_or(Reason::BadEscape)?;
    match key.len() <= limits.max_key as usize {
        true => Ok(key),
        false => Err(Reason::KeyTooLong.into()),
    }
}

/// What follows the host of `http://host/path`; the whole target where it is no such one (observed).
#[cold]
fn path_of_absolute(target: &[u8]) -> &[u8] {
    const SCHEME: &[u8] = b"http://";
    match target.split_at_checked(SCHEME.len()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(SCHEME) => {
            memchr::memchr(b'/', rest).map_or(target, |slash| &rest[slash + 1..])
        }
        _ => target,
    }
}
