//! A secret of 32 bytes, and what is encrypted under it: `nonce (24) ‖ XChaCha20-Poly1305(plain)`.
//!
//! Promises: a secret is wiped from memory when its last holder drops it and is never printed; nonces are random,
//! which their 192 bits allow without counting.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use chacha20poly1305::{AeadInOut, Key, KeyInit, Tag, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::KeyError;
use crate::randomness::Randomness;

pub(super) const SECRET_BYTES: usize = 32;
pub(super) const NONCE_BYTES: usize = 24;
pub(super) const TAG_BYTES: usize = 16;

/// Shared, so that clones are neither copies in memory nor waited for under a lock; behind a pointer, so that
/// moving one leaves no bytes behind.
#[derive(Clone)]
pub(super) struct Secret(Arc<Zeroizing<[u8; SECRET_BYTES]>>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// A secret that is written where it will stay.
    pub(super) fn filled<E>(fill: impl FnOnce(&mut [u8; SECRET_BYTES]) -> Result<(), E>) -> Result<Self, E> {
        let mut bytes = Arc::new(Zeroizing::new([0; SECRET_BYTES]));
        fill(Arc::get_mut(&mut bytes).expect("nobody else holds it yet"))?;
        Ok(Self(bytes))
    }

    /// A copy of 32 bytes; of any other number, nothing.
    pub(super) fn copied(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; SECRET_BYTES] = bytes.try_into().ok()?;
        let Ok(secret) = Self::filled(|secret| {
            secret.copy_from_slice(bytes);
            Ok::<_, Infallible>(())
        });
        Some(secret)
    }

    pub(super) fn random(randomness: &dyn Randomness) -> Result<Self, KeyError> {
        Ok(Self::filled(|bytes| randomness.fill(bytes))?)
    }

    /// HKDF-SHA-256 (RFC 5869) with this secret as input; `info` is the parts one after the other.
    pub(super) fn derive(&self, salt: &[u8], info: &[&[u8]]) -> Self {
        let derived = Self::filled(|bytes| {
            Hkdf::<Sha256>::new(Some(salt), self.expose()).expand_multi_info(info, bytes)
        });
        derived.expect("HKDF-SHA-256 gives up to 8,160 bytes")
    }

    pub(super) fn expose(&self) -> &[u8; SECRET_BYTES] {
        &self.0
    }

    /// Appends the nonce, which has to be random, and the sealed parts, one after the other, to `out`.
    pub(super) fn encrypt_onto(
        &self,
        out: &mut Vec<u8>,
        nonce: [u8; NONCE_BYTES],
        parts: &[&[u8]],
        associated: &[u8],
    ) {
        out.extend_from_slice(&nonce);
        let start = out.len();
        for part in parts {
            out.extend_from_slice(part);
        }
        let tag = self
            .cipher()
            .encrypt_inout_detached(&XNonce::from(nonce), associated, (&mut out[start..]).into())
            .expect("the cipher takes 256 GiB at once, and memory holds less");
        out.extend_from_slice(&tag);
    }

    /// Opens what [`Secret::encrypt_onto`] appended; `None` if it was changed or belongs elsewhere.
    pub(super) fn decrypt(&self, encrypted: &[u8], associated: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = encrypted.split_first_chunk::<NONCE_BYTES>()?;
        let (sealed, tag) = sealed.split_last_chunk::<TAG_BYTES>()?;
        let mut plain = Zeroizing::new(sealed.to_vec());
        let (nonce, tag) = (XNonce::from(*nonce), Tag::from(*tag));
        self.cipher().decrypt_inout_detached(&nonce, associated, plain.as_mut_slice().into(), &tag).ok()?;
        Some(plain)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        let key: &Key = self.expose().into();
        XChaCha20Poly1305::new(key)
    }
}
