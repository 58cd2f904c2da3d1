//! The stored bytes, taken apart by hand with the primitives themselves.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{Key, KeyInit, XChaCha20Poly1305, XNonce};
use provisioning::EventId;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{SealedPayload, open};
use crate::randomness::SystemRandomness;
use crate::sealing::KeyError;
use crate::sealing::secret::Secret;

const EVENT: EventId = EventId(Uuid::from_u128(0x0123_4567_89ab_cdef));
const PAYLOAD: &[u8] = br#"{"members":[]}"#;

fn key(byte: u8) -> Secret {
    Secret::copied(&[byte; 32]).unwrap()
}

fn plain(payload: &[u8]) -> Result<SealedPayload, KeyError> {
    super::plain(&SystemRandomness, payload)
}

fn seal(key: &Secret, event: EventId, payload: &[u8]) -> Result<SealedPayload, KeyError> {
    super::seal(&SystemRandomness, key, event, payload)
}

fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

#[track_caller]
fn assert_corrupt(opened: Result<Vec<u8>, KeyError>, text: &str) {
    match opened {
        Err(KeyError::Corrupt(reason)) => {
            assert!(reason.contains(text), "{reason}");
            assert!(reason.contains(&EVENT.to_string()), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_plain_payload_is_zero_a_salt_and_the_payload() {
    let made = plain(PAYLOAD).unwrap();
    assert_eq!((made.stored[0], made.stored.len()), (0, 1 + 16 + PAYLOAD.len()));
    assert_eq!(&made.stored[17..], PAYLOAD);
    assert_eq!(made.digest, sha256(&made.stored[1..]));
    assert_eq!(open(None, EVENT, &made.stored, &made.digest).unwrap(), PAYLOAD);
}

#[test]
fn a_sealed_payload_is_one_a_nonce_and_what_is_sealed_for_the_event() {
    let made = seal(&key(7), EVENT, PAYLOAD).unwrap();
    assert_eq!((made.stored[0], made.stored.len()), (1, 1 + 24 + 16 + PAYLOAD.len() + 16));
    let nonce: [u8; 24] = made.stored[1..25].try_into().unwrap();
    let salted = XChaCha20Poly1305::new(&Key::from([7; 32]))
        .decrypt(&XNonce::from(nonce), Payload { msg: &made.stored[25..], aad: &EVENT.0.into_bytes() })
        .unwrap();
    assert_eq!(&salted[16..], PAYLOAD);
    assert_eq!(made.digest, sha256(&salted));
    assert_eq!(open(Some(&key(7)), EVENT, &made.stored, &made.digest).unwrap(), PAYLOAD);
}

#[test]
fn a_golden_payload_opens() {
    let mut stored = vec![0; 17];
    stored.extend_from_slice(br#"{"a":1}"#);
    let digest = "sha256:c5961791f82c7a925cef5b9fb7af1e2b205b05ab33c26b1ddabac8b2ff90930d";
    assert_eq!(open(None, EVENT, &stored, digest).unwrap(), br#"{"a":1}"#);
}

#[test]
fn equal_payloads_have_different_digests() {
    assert_ne!(plain(PAYLOAD).unwrap().digest, plain(PAYLOAD).unwrap().digest);
    let sealed = || seal(&key(7), EVENT, PAYLOAD).unwrap();
    assert_ne!(sealed().digest, sealed().digest);
}

#[test]
fn an_empty_payload_is_sealed_and_opened() {
    let made = seal(&key(7), EVENT, b"").unwrap();
    assert_eq!(open(Some(&key(7)), EVENT, &made.stored, &made.digest).unwrap(), b"");
}

#[test]
fn a_sealed_payload_opens_under_no_other_key_and_for_no_other_event() {
    let made = seal(&key(7), EVENT, PAYLOAD).unwrap();
    assert_corrupt(open(Some(&key(8)), EVENT, &made.stored, &made.digest), "sealed with another key");
    let elsewhere = seal(&key(7), EventId(Uuid::nil()), PAYLOAD).unwrap();
    assert_corrupt(open(Some(&key(7)), EVENT, &elsewhere.stored, &elsewhere.digest), "was changed");
}

#[test]
fn a_flipped_bit_anywhere_is_noticed() {
    let made = plain(PAYLOAD).unwrap();
    let sealed = seal(&key(7), EVENT, PAYLOAD).unwrap();
    for (made, key) in [(made, None), (sealed, Some(&key(7)))] {
        for index in 0..made.stored.len() {
            let mut flipped = made.stored.clone();
            flipped[index] ^= 1;
            assert_corrupt(open(key, EVENT, &flipped, &made.digest), "the payload of event");
        }
    }
}

#[test]
fn what_the_header_says_about_the_payload_must_hold() {
    let made = plain(PAYLOAD).unwrap();
    let sealed = seal(&key(7), EVENT, PAYLOAD).unwrap();
    assert_corrupt(open(None, EVENT, &sealed.stored, &sealed.digest), "not stored in the way");
    assert_corrupt(open(Some(&key(7)), EVENT, &made.stored, &made.digest), "not stored in the way");
    assert_corrupt(open(None, EVENT, &[], &made.digest), "not stored in the way");
    assert_corrupt(open(None, EVENT, &[2; 40], &made.digest), "not stored in the way");
    assert_corrupt(open(None, EVENT, &[0; 16], &made.digest), "too short");
    assert_corrupt(open(Some(&key(7)), EVENT, &[1; 40], &made.digest), "was changed");
    assert_corrupt(open(None, EVENT, &made.stored, &sealed.digest), "does not have the digest");
}
