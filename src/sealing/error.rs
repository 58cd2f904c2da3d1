//! Why a key or payload cannot be used. No text holds a key or a byte of a payload.

use crate::randomness::RandomnessError;

/// Why a key or payload cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The key store failed; trying again may help.
    #[error("the key store cannot be used: {0}")]
    Unavailable(String),
    /// The key store or a payload contradicts itself; a person has to look.
    #[error("sealed data cannot be read: {0}")]
    Corrupt(String),
}

impl From<RandomnessError> for KeyError {
    fn from(error: RandomnessError) -> Self {
        Self::Unavailable(error.to_string())
    }
}
