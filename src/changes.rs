//! What becomes of a record's value by the commands that look at the old one, whoever asks: a client, a
//! script or a server that is followed.

use lcnode_storage::Change;

/// `putkeep`: stored where there is nothing.
pub fn keep<'old, 'new>(old: Option<&'old [u8]>, value: &'new [u8]) -> Change<'old, 'new> {
    match old {
        Some(_) => Change::Keep,
        None => Change::Put { kept: &[], new: value },
    }
}

/// `putcat`: appended, unless more than `limit` bytes came of it.
pub fn append<'old, 'new>(old: Option<&'old [u8]>, value: &'new [u8], limit: usize) -> Change<'old, 'new> {
    let kept = old.unwrap_or_default();
    // What could not be read back in one reply is not stored.
    if kept.len() + value.len() > limit { Change::Keep } else { Change::Put { kept, new: value } }
}

/// `putshl`: appended, and only the last `width` bytes kept, unless those are more than `limit`.
pub fn shift<'old, 'new>(
    old: Option<&'old [u8]>,
    value: &'new [u8],
    width: u32,
    limit: usize,
) -> Change<'old, 'new> {
    // A new record keeps all of its value, whatever the width (observed).
    let Some(old) = old else { return Change::Put { kept: &[], new: value } };
    let cut = (old.len() + value.len()).saturating_sub(width as usize);
    let kept = &old[cut.min(old.len())..];
    let new = &value[cut.saturating_sub(old.len())..];
    // As for putcat.
    if kept.len() + new.len() > limit { Change::Keep } else { Change::Put { kept, new } }
}
