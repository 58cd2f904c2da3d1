//! Texts that go out and come back unchanged, or not at all: cursors.
//!
//! Promises: nobody but this service can make or read one, and one that was sealed for something else does not open.
//! The key is derived from the master key, so nothing about a text is kept anywhere.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::secret::{NONCE_BYTES, Secret};
use super::{KeyError, MasterKey};
use crate::randomness::Randomness;

const KEY: &[u8] = b"muster text seal v1";

/// Seals short texts.
#[derive(Debug)]
pub struct TextSeal(Secret);

impl TextSeal {
    /// The seal of the house that the master key belongs to.
    pub fn new(master: &MasterKey) -> Self {
        Self(master.secret().derive(&[], &[KEY]))
    }

    /// A text of unreserved characters (RFC 3986 section 2.3) that holds these bytes for `purpose`.
    pub fn seal(
        &self,
        bytes: &[u8],
        purpose: &[u8],
        randomness: &dyn Randomness,
    ) -> Result<String, KeyError> {
        let nonce: [u8; NONCE_BYTES] = randomness.array()?;
        let mut sealed = Vec::new();
        self.0.encrypt_onto(&mut sealed, nonce, &[bytes], purpose);
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// The bytes in a text that was sealed for `purpose`; `None` for any other text.
    pub fn open(&self, text: &str, purpose: &[u8]) -> Option<Vec<u8>> {
        let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        Some(self.0.decrypt(&sealed, purpose)?.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::randomness::SystemRandomness;

    #[test]
    fn a_text_opens_for_its_purpose_and_only_unchanged() {
        let folder = tempfile::tempdir().unwrap();
        let master = MasterKey::load_or_create(&folder.path().join("key"), &SystemRandomness).unwrap();
        let other = MasterKey::load_or_create(&folder.path().join("other"), &SystemRandomness).unwrap();
        let seal = TextSeal::new(&master);
        let text = seal.seal(b"page 2", b"this query", &SystemRandomness).unwrap();
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        assert!(text.bytes().all(unreserved), "{text}");
        assert_ne!(text, seal.seal(b"page 2", b"this query", &SystemRandomness).unwrap());
        assert_eq!(seal.open(&text, b"this query").as_deref(), Some(&b"page 2"[..]));
        assert_eq!(seal.open(&text, b"that query"), None);
        assert_eq!(TextSeal::new(&other).open(&text, b"this query"), None);
        assert_eq!(seal.open("", b"this query"), None);
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(seal.open(&changed, b"this query"), None, "{at}");
        }
    }
}
