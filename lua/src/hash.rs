//! `_hash`: MD5 and CRC-32.

use md5::{Digest as _, Md5};

/// A hash in the form that its mode gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hash {
    /// Text or bytes.
    Bytes(Vec<u8>),
    /// A number.
    Number(u32),
}

/// The hash of `data` by `mode`, in any case: `md5` in lower-case hexadecimal, `md5raw` as 16 bytes,
/// `crc32` (the polynomial of zlib) as a number. None for an unknown mode.
#[must_use]
pub fn hash(mode: &[u8], data: &[u8]) -> Option<Hash> {
    Some(match mode.to_ascii_lowercase().as_slice() {
        b"md5" => Hash::Bytes(hex::encode(Md5::digest(data)).into_bytes()),
        b"md5raw" => Hash::Bytes(Md5::digest(data).to_vec()),
        b"crc32" => Hash::Number(crc32fast::hash(data)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_give_what_was_observed() {
        let text = |text: &str| Some(Hash::Bytes(text.as_bytes().to_vec()));
        assert_eq!(hash(b"md5", b"hello"), text("5d41402abc4b2a76b9719d911017c592"));
        assert_eq!(hash(b"MD5", b"hello"), text("5d41402abc4b2a76b9719d911017c592"));
        assert_eq!(hash(b"md5", b""), text("d41d8cd98f00b204e9800998ecf8427e"));
        assert_eq!(hash(b"md5", b"a\0b"), text("70350f6027bce3713f6b76473084309b"));
        let raw = b"]A@*\xbcK*v\xb9q\x9d\x91\x10\x17\xc5\x92";
        assert_eq!(hash(b"Md5Raw", b"hello"), Some(Hash::Bytes(raw.to_vec())));
        assert_eq!(hash(b"crc32", b"hello"), Some(Hash::Number(907_060_870)));
        assert_eq!(hash(b"CRC32", b"a\0b"), Some(Hash::Number(367_556_721)));
        assert_eq!(hash(b"crc32", b""), Some(Hash::Number(0)));
        assert_eq!(hash(b"crc32", &[b'a'; 100_000]), Some(Hash::Number(467_860_103)));
        for mode in ["", "crc", "sha1", "md5 ", "5"] {
            assert_eq!(hash(mode.as_bytes(), b"hello"), None, "{mode}");
        }
    }
}
