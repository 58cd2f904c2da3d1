//! The only callers of the operating system's clock, and of the uuid crate's randomness for ids.
//!
//! Tests take a [`ManualClock`], which they move by hand, and [`SeededIds`], so that stored bytes and snapshots
//! are the same in every run.

use std::fmt::Debug;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use provisioning::Timestamp;
use uuid::{ContextV7, Uuid};

#[cfg(test)]
mod tests;

/// Tells the time.
pub trait Clock: Send + Sync + Debug {
    /// Now, in microseconds.
    fn now(&self) -> Timestamp;
}

/// The operating system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the place that the ban points to")]
    fn now(&self) -> Timestamp {
        Timestamp(chrono::Utc::now().timestamp_micros())
    }
}

/// Makes ids.
pub trait IdSource: Send + Sync + Debug {
    /// A UUID of version 7 whose sub-millisecond bits keep order within this process.
    fn next(&self) -> Uuid;
}

/// Ids from the operating system's clock, and from a generator of each thread that the operating system seeds.
///
/// Each id is greater than the one before, also within a millisecond and when the clock steps back: then the
/// last instant is kept and counted on.
#[derive(Debug)]
pub struct RandomIds {
    /// The last instant and counter. Locked for each id, since the order is the point of it.
    context: Mutex<ContextV7>,
}

impl Default for RandomIds {
    fn default() -> Self {
        Self { context: Mutex::new(ContextV7::new().with_additional_precision()) }
    }
}

impl IdSource for RandomIds {
    fn next(&self) -> Uuid {
        Uuid::new_v7(uuid::Timestamp::now(&self.context))
    }
}

/// For tests and golden files: a clock that stands still until it is moved.
#[derive(Debug)]
pub struct ManualClock {
    micros: AtomicI64,
}

impl ManualClock {
    /// Where a new one stands: 2026-01-01T00:00:00Z.
    pub const START: Timestamp = Timestamp(1_767_225_600_000_000);

    /// Stands at an instant.
    pub fn at(instant: Timestamp) -> Self {
        Self { micros: AtomicI64::new(instant.0) }
    }

    /// Moves forward.
    pub fn advance(&self, by: Duration) {
        let micros = i64::try_from(by.as_micros()).expect("tests advance by less than 292,000 years");
        self.micros.fetch_add(micros, Ordering::SeqCst);
    }

    /// Moves to an instant, which may lie behind: clocks do that.
    pub fn set(&self, instant: Timestamp) {
        self.micros.store(instant.0, Ordering::SeqCst);
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::at(Self::START)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.micros.load(Ordering::SeqCst))
    }
}

/// For tests and golden files: the same ids in every run, `019b76da-a800-7SSS-8000-NNNNNNNNNNNN` with the seed
/// and a counter. They have the shape of version 7 and keep order; all bear the instant [`ManualClock::START`].
#[derive(Debug)]
pub struct SeededIds {
    seed: u16,
    made: AtomicU64,
}

impl SeededIds {
    /// Ids of different seeds differ; only the lowest 12 bits of the seed count.
    pub fn new(seed: u16) -> Self {
        Self { seed, made: AtomicU64::new(0) }
    }
}

impl IdSource for SeededIds {
    fn next(&self) -> Uuid {
        let count = self.made.fetch_add(1, Ordering::SeqCst) + 1;
        let millis = ManualClock::START.0.unsigned_abs() / 1_000;
        let mut rest = [0; 10];
        rest[..2].copy_from_slice(&self.seed.to_be_bytes());
        rest[2..].copy_from_slice(&count.to_be_bytes());
        uuid::Builder::from_unix_timestamp_millis(millis, &rest).into_uuid()
    }
}
