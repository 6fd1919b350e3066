//! The hash of keys: SipHash-1-3 under a secret key of the database, so that a stranger cannot
//! choose keys that fall into one bucket.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

/// A hash that is the same on all nodes (XXH3), for telling whether they hold the same. Keys can be chosen that
/// collide in it, so no table may use it.
#[inline]
pub fn common(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(bytes)
}

/// Hashes keys of one database.
#[derive(Debug, Clone, Copy)]
pub struct KeyHasher {
    key: [u8; 16],
}

impl KeyHasher {
    /// The hasher of a database with this secret.
    pub fn new(key: [u8; 16]) -> Self {
        Self { key }
    }

    /// The hash of a key.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        hasher.write(key);
        hasher.finish()
    }
}
