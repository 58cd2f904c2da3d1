//! The fingerprint of a name, as short as suffices to tell those of one row apart.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::sealing::Fingerprint;

const BYTES: usize = 8;

/// The keyed fingerprint of a name, a filter or a value.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Print([u8; BYTES]);

impl Print {
    pub(in crate::request_log) fn of(fingerprint: &Fingerprint) -> Self {
        Self(*fingerprint.first_chunk().expect("a fingerprint is longer"))
    }
}

impl fmt::Debug for Print {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Print({:016x})", u64::from_be_bytes(self.0))
    }
}

impl Serialize for Print {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; BYTES * 2];
        for (at, byte) in self.0.iter().enumerate() {
            text[at * 2] = DIGITS[usize::from(byte >> 4)];
            text[at * 2 + 1] = DIGITS[usize::from(byte & 15)];
        }
        serializer.serialize_str(std::str::from_utf8(&text).expect("digits are ASCII"))
    }
}

impl<'de> Deserialize<'de> for Print {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = u64::from_str_radix(&text, 16).map_err(D::Error::custom)?;
        Ok(Self(number.to_be_bytes()))
    }
}
