//! How a payload is stored: one byte of algorithm, a salt, the payload; sealed or plain.
//!
//! The bytes are fixed for ever (`docs/events.md`). The digest, which the header commits to, covers salt and
//! payload: without the salt nobody can test a guess against it. What the payload says is not looked at.

use provisioning::EventId;
use sha2::{Digest, Sha256};

use super::KeyError;
use super::secret::{NONCE_BYTES, Secret, TAG_BYTES};
use crate::randomness::Randomness;

#[cfg(test)]
mod tests;

const PLAIN: u8 = 0;
const XCHACHA20_POLY1305: u8 = 1;
const SALT_BYTES: usize = 16;

/// What a sealed or plain payload becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedPayload {
    /// The stored bytes: algorithm byte and the rest.
    pub stored: Vec<u8>,
    /// `sha256:<hex>` of salt and payload, for the header.
    pub digest: String,
}

/// What could be read of a stored payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenedPayload {
    /// Its bytes; the digest in the header was checked.
    Bytes(Vec<u8>),
    /// Its key was destroyed.
    Erased,
}

/// Gives a plain payload its salt.
pub(super) fn plain(randomness: &dyn Randomness, payload: &[u8]) -> Result<SealedPayload, KeyError> {
    let salt = randomness.array()?;
    let stored = [&[PLAIN], &salt[..], payload].concat();
    Ok(SealedPayload { stored, digest: digest(&salt, payload) })
}

/// Gives a payload its salt and seals it. Bound to the event's id, so that it cannot be moved to another event.
pub(super) fn seal(
    randomness: &dyn Randomness,
    key: &Secret,
    event: EventId,
    payload: &[u8],
) -> Result<SealedPayload, KeyError> {
    let salt = randomness.array()?;
    let mut stored = Vec::with_capacity(1 + NONCE_BYTES + SALT_BYTES + payload.len() + TAG_BYTES);
    stored.push(XCHACHA20_POLY1305);
    key.encrypt_onto(&mut stored, randomness.array()?, &[&salt, payload], event.0.as_bytes());
    Ok(SealedPayload { stored, digest: digest(&salt, payload) })
}

/// Opens a stored payload, with the key if the header names one, and checks its digest.
pub(super) fn open(
    key: Option<&Secret>,
    event: EventId,
    stored: &[u8],
    digest_in_header: &str,
) -> Result<Vec<u8>, KeyError> {
    let mut salted = match (stored.split_first(), key) {
        (Some((&PLAIN, salted)), None) => salted.to_vec(),
        (Some((&XCHACHA20_POLY1305, encrypted)), Some(key)) => {
            let opened = key.decrypt(encrypted, event.0.as_bytes());
            std::mem::take(
                &mut *opened.ok_or_else(|| corrupt(event, "was changed or sealed with another key"))?,
            )
        }
        _ => return Err(corrupt(event, "is not stored in the way that its header says")),
    };
    let Some((salt, payload)) = salted.split_first_chunk::<SALT_BYTES>() else {
        return Err(corrupt(event, "is too short to hold its salt"));
    };
    if digest(salt, payload) != digest_in_header {
        return Err(corrupt(event, "does not have the digest in its header"));
    }
    salted.drain(..SALT_BYTES);
    Ok(salted)
}

fn digest(salt: &[u8; SALT_BYTES], payload: &[u8]) -> String {
    let digest = Sha256::new().chain_update(salt).chain_update(payload).finalize();
    format!("sha256:{}", hex::encode(digest))
}

fn corrupt(event: EventId, what: &str) -> KeyError {
    KeyError::Corrupt(format!("the payload of event {event} {what}"))
}
