//! Tokens: how they look, how they are made, how they are recognised. Only their hashes are kept.
//!
//! `mst_` and 38 characters of base 62: 32 random ones (190 bits) and a CRC-32 of them in six, so that leak
//! scanners can tell a token of ours from noise without asking us.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use crate::index::token_hash;
use crate::randomness::{Randomness, RandomnessError};

/// What every token begins with.
pub const PREFIX: &str = "mst_";
const RANDOM_CHARACTERS: usize = 32;
const CHECKSUM_CHARACTERS: usize = 6;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A token that was just made: shown once.
pub struct NewSecret(String);

impl std::fmt::Debug for NewSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewSecret(…)")
    }
}

impl NewSecret {
    /// Makes a token.
    pub fn generate(randomness: &dyn Randomness) -> Result<Self, RandomnessError> {
        let mut random = String::with_capacity(RANDOM_CHARACTERS);
        while random.len() < RANDOM_CHARACTERS {
            let bytes: [u8; 64] = randomness.array()?;
            // Bytes at and above 248 would favour the first letters of the alphabet.
            let letters =
                bytes.iter().filter(|byte| **byte < 248).map(|byte| ALPHABET[usize::from(*byte) % 62]);
            random.extend(letters.map(char::from).take(RANDOM_CHARACTERS - random.len()));
        }
        Ok(Self(format!("{PREFIX}{random}{}", checksum(&random))))
    }

    /// The token itself.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// What people tell it apart by: the prefix and four characters.
    pub fn label(&self) -> String {
        self.0[..PREFIX.len() + 4].to_owned()
    }

    /// What is kept of it.
    pub fn sha256(&self) -> String {
        token_hash(&self.0)
    }
}

/// Whether a text has the form of a token, checksum included.
pub fn is_well_formed(text: &str) -> bool {
    let Some(body) = text.strip_prefix(PREFIX) else { return false };
    body.len() == RANDOM_CHARACTERS + CHECKSUM_CHARACTERS
        && body.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && checksum(&body[..RANDOM_CHARACTERS]) == body[RANDOM_CHARACTERS..]
}

/// Whether a text begins with what may be a token, whatever follows. It may have lost its case on the way, and with that
/// what its checksum tells.
pub fn begins(text: &str) -> bool {
    const CHARACTERS: usize = RANDOM_CHARACTERS + CHECKSUM_CHARACTERS;
    let Some((prefix, body)) = text.split_at_checked(PREFIX.len()) else { return false };
    let body = body.bytes().take_while(u8::is_ascii_alphanumeric).take(CHARACTERS);
    prefix.eq_ignore_ascii_case(PREFIX) && body.count() == CHARACTERS
}

fn checksum(random: &str) -> String {
    let mut rest = crc32fast::hash(random.as_bytes());
    let mut digits = [b'0'; CHECKSUM_CHARACTERS];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    digits.map(char::from).iter().collect()
}

/// Writes a file that only its owner can read, replacing it whole.
pub fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let unfinished = path.with_extension("new");
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&unfinished, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::randomness::SystemRandomness;

    #[test]
    fn a_new_token_is_well_formed_and_one_flipped_letter_is_not() {
        let secret = NewSecret::generate(&SystemRandomness).unwrap();
        assert!(is_well_formed(secret.text()), "{}", secret.text());
        assert_eq!(secret.text().len(), 42);
        let mut flipped = secret.text().to_owned();
        let last = flipped.pop().unwrap();
        flipped.push(if last == 'a' { 'b' } else { 'a' });
        assert!(!is_well_formed(&flipped));
        assert!(!is_well_formed("mst_short"));
        assert_ne!(NewSecret::generate(&SystemRandomness).unwrap().sha256(), secret.sha256());
    }

    #[test]
    fn what_may_be_a_token_is_told_whatever_its_case_and_whatever_follows() {
        let secret = NewSecret::generate(&SystemRandomness).unwrap();
        let token = secret.text();
        for text in [
            token.to_owned(),
            token.to_uppercase(),
            token.to_lowercase(),
            format!("{token}1"),
            format!("{token}ü"),
        ] {
            assert!(begins(&text), "{text}");
        }
        for text in ["", "mst", "mst_", "mst_y", "müt_", &token[1..], &token[..41], &format!("x{token}")] {
            assert!(!begins(text), "{text}");
        }
    }
}
