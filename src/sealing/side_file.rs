//! The key of a file that lies beside a tenant's log and holds what people must not read: the request log.
//!
//! It is drawn when the file is made and kept in it, wrapped by the tenant key; whoever deletes the file deletes the
//! key. From it come two secrets: one seals contents, the other makes fingerprints (HMAC-SHA-256), by which a name
//! can be looked for and cannot be guessed without the key.

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::KeyError;
use super::secret::Secret;
use crate::randomness::Randomness;

/// How many bytes a fingerprint has: two of them agree by chance once in 2^64 names.
const FINGERPRINT_BYTES: usize = 16;

const SEALING: &[u8] = b"muster side file sealing v1";
const FINGERPRINTS: &[u8] = b"muster side file fingerprints v1";

/// What a name looks like to whoever has not the key.
pub type Fingerprint = [u8; FINGERPRINT_BYTES];

/// The secrets of one file.
pub struct SideFileKey {
    sealing: Secret,
    fingerprints: Secret,
    randomness: Arc<dyn Randomness>,
}

impl fmt::Debug for SideFileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SideFileKey(…)")
    }
}

impl SideFileKey {
    pub(super) fn of(secret: &Secret, randomness: Arc<dyn Randomness>) -> Self {
        Self {
            sealing: secret.derive(&[], &[SEALING]),
            fingerprints: secret.derive(&[], &[FINGERPRINTS]),
            randomness,
        }
    }

    /// Seals contents; they open only as what they are bound to.
    pub fn seal(&self, bound_to: &[u8], contents: &[u8]) -> Result<Vec<u8>, KeyError> {
        let mut sealed = Vec::new();
        self.sealing.encrypt_onto(&mut sealed, self.randomness.array()?, &[contents], bound_to);
        Ok(sealed)
    }

    /// Opens sealed contents; `None` if they were changed or belong elsewhere.
    pub fn open(&self, bound_to: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        self.sealing.decrypt(sealed, bound_to).map(|mut opened| std::mem::take(&mut *opened))
    }

    /// What makes fingerprints of names; preparing it costs as much as a fingerprint.
    pub fn fingerprints(&self) -> Fingerprints {
        let keyed = Hmac::new_from_slice(self.fingerprints.expose()).expect("HMAC takes keys of any length");
        Fingerprints(keyed)
    }
}

/// Makes fingerprints of names.
pub struct Fingerprints(Hmac<Sha256>);

impl fmt::Debug for Fingerprints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprints(…)")
    }
}

impl Fingerprints {
    /// The fingerprint of a name. What counts as the same name is the caller's.
    pub fn of(&self, name: &str) -> Fingerprint {
        let digest: [u8; 32] = self.0.clone().chain_update(name).finalize().into_bytes().into();
        *digest.first_chunk().expect("a digest is longer than a fingerprint")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::randomness::SeededRandomness;

    fn key(byte: u8) -> SideFileKey {
        let secret = Secret::copied(&[byte; 32]).unwrap();
        SideFileKey::of(&secret, Arc::new(SeededRandomness::new(1)))
    }

    #[test]
    fn contents_open_with_their_key_and_as_what_they_are_bound_to() {
        let sealed = key(1).seal(b"row 1", b"alice").unwrap();
        assert!(!sealed.windows(5).any(|bytes| bytes == b"alice"));
        assert_eq!(key(1).open(b"row 1", &sealed).as_deref(), Some(&b"alice"[..]));
        assert_eq!(key(1).open(b"row 2", &sealed), None);
        assert_eq!(key(2).open(b"row 1", &sealed), None);
    }

    #[test]
    fn fingerprints_are_the_same_for_the_same_name_under_the_same_key_only() {
        let of = |byte, name| key(byte).fingerprints().of(name);
        assert_eq!(of(1, "alice"), of(1, "alice"));
        assert_ne!(of(1, "alice"), of(1, "bob"));
        assert_ne!(of(1, "alice"), of(2, "alice"));
    }
}
