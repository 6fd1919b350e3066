//! Lists as LightCloud keeps them in one value: each item followed by a `~`.

use bytes::Bytes;

/// What ends an item.
const END: u8 = b'~';

/// A list as a value; an error with the item that cannot be in one.
pub(crate) fn encode(items: &[&[u8]]) -> Result<Vec<u8>, String> {
    let mut value = Vec::with_capacity(items.iter().map(|item| item.len() + 1).sum());
    for item in items {
        if item.is_empty() || item.contains(&END) {
            return Err(String::from_utf8_lossy(item).into_owned());
        }
        value.extend_from_slice(item);
        value.push(END);
    }
    Ok(value)
}

/// The items of a value.
pub(crate) fn decode(value: &Bytes) -> Vec<Bytes> {
    let items = value.split(|byte| *byte == END).filter(|item| !item.is_empty());
    items.map(|item| value.slice_ref(item)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_they_were_written() {
        let value = encode(&[b"a", b"bc"]).unwrap();
        assert_eq!(value, b"a~bc~");
        assert_eq!(decode(&value.into()), ["a", "bc"]);
        assert_eq!(decode(&Bytes::from_static(b"~~a~~b")), ["a", "b"]);
        assert!(decode(&Bytes::new()).is_empty());
        for items in [&[&b"a~b"[..]][..], &[b"a", b""]] {
            assert!(encode(items).is_err());
        }
    }
}
