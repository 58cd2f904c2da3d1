//! Random bytes for keys, salts, nonces and tokens: the only caller of the operating system's generator.
//!
//! Tests take [`SeededRandomness`], so that stored bytes and snapshots are the same in every run. Nothing here
//! knows what the bytes are for.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};

/// The source gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gives no random bytes: {0}")]
pub struct RandomnessError(String);

/// Gives random bytes.
pub trait Randomness: Send + Sync + Debug {
    /// Overwrites all of `bytes`.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomnessError>;
}

impl dyn Randomness + '_ {
    /// As many bytes as the caller has a place for.
    pub fn array<const N: usize>(&self) -> Result<[u8; N], RandomnessError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }
}

/// The operating system's generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandomness;

impl Randomness for SystemRandomness {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomnessError> {
        getrandom::fill(bytes).map_err(|error| RandomnessError(error.to_string()))
    }
}

/// For tests and golden files: the same bytes in every run, `SHA-256(seed ‖ number of the call ‖ number of the
/// block)`. They hide nothing.
#[derive(Debug)]
pub struct SeededRandomness {
    seed: u64,
    calls: AtomicU64,
}

impl SeededRandomness {
    /// Bytes of different seeds differ.
    pub fn new(seed: u64) -> Self {
        Self { seed, calls: AtomicU64::new(0) }
    }
}

impl Randomness for SeededRandomness {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomnessError> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        for (block, part) in (0_u64..).zip(bytes.chunks_mut(32)) {
            let text = [self.seed.to_be_bytes(), call.to_be_bytes(), block.to_be_bytes()].concat();
            part.copy_from_slice(&Sha256::digest(text)[..part.len()]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeded_bytes_are_the_same_in_every_run_and_differ_from_call_to_call() {
        let draw = |seed| {
            let source: &dyn Randomness = &SeededRandomness::new(seed);
            [source.array::<40>().unwrap(), source.array::<40>().unwrap()]
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7)[0], draw(7)[1]);
        assert_ne!(draw(7), draw(8));
        assert_eq!(hex::encode(&draw(7)[0][..8]), "b8c5c75443033977");
    }

    #[test]
    fn the_system_never_gives_the_same_bytes_twice() {
        let source: &dyn Randomness = &SystemRandomness;
        assert_ne!(source.array::<32>().unwrap(), source.array::<32>().unwrap());
    }
}
