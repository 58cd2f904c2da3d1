//! The append-only log of one tenant: the contract that every backend keeps.
//!
//! A log is opened for one stream and holds its events under revisions 1, 2, 3 … without gaps, together with
//! the Merkle tree over their headers. It is synchronous: appends come from one writer on a blocking thread.
//! The log does not open payloads and does not know what an event means.

pub mod memory;
pub mod sqlite;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use provisioning::{EventId, Revision, StreamId};

pub use crate::merkle::Hash;

/// One read answers about this much at most, headers and payloads together: the last event may exceed it.
const READ_BYTES_MAX: usize = 4 * 1024 * 1024;

/// An event as it is handed to the log: bytes that will never be serialised again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// Also in the header; by it a retried append is recognised.
    pub id: EventId,
    /// The header's JSON: the bytes that are hashed into the tree.
    pub header: Vec<u8>,
    /// The stored payload (`docs/events.md`), or nothing.
    pub payload: Option<Vec<u8>>,
}

/// An event as the log holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its place in the stream.
    pub revision: Revision,
    /// The header's JSON.
    pub header: Vec<u8>,
    /// The stored payload, or nothing.
    pub payload: Option<Vec<u8>>,
}

/// Where the log stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The last revision; 0 for an empty log.
    pub revision: Revision,
    /// The Merkle root over all headers up to there (RFC 6962; the empty tree's root is SHA-256 of nothing).
    pub root: Hash,
}

/// Why an append did not surely succeed.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Surely not stored: the log stands elsewhere than the writer believed.
    #[error("the log stands at revision {actual}")]
    Conflict {
        /// Where it stands.
        actual: Revision,
    },
    /// Surely not stored; the same append may be tried again.
    #[error("the log cannot be written: {0}")]
    Unavailable(String),
    /// May be stored: reopen and read the tail before anything else.
    #[error("it is unknown whether the log stored the append: {0}")]
    OutcomeUnknown(String),
    /// The log contradicts itself; a person has to look.
    #[error("the log is corrupt at revision {revision}: {reason}")]
    Corrupt {
        /// Where.
        revision: Revision,
        /// What is wrong.
        reason: String,
    },
}

/// Why the log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The backend failed; reading may be tried again.
    #[error("the log cannot be read: {0}")]
    Unavailable(String),
    /// A gap, a wrong hash or unreadable bytes; nothing behind that revision may be trusted.
    #[error("the log is corrupt at revision {revision}: {reason}")]
    Corrupt {
        /// Where.
        revision: Revision,
        /// What is wrong.
        reason: String,
    },
}

/// The log of one stream.
///
/// Retrying an append with the same expected revision and the same event ids after an error is safe: it takes
/// effect once. Nothing here retries, times out or logs by itself; the writer does. Reads do not wait for an
/// append that is under way.
pub trait EventLog: Send + Sync {
    /// Appends events behind `expected`, which is always exact (0 for the empty log). When this returns `Ok`,
    /// all of them are durable; otherwise none is, or the error says that it is unknown. At least one event.
    ///
    /// If the log already holds exactly these ids behind `expected`, they are left alone and the answer is where
    /// the log stood after them. An id that it holds elsewhere is a conflict too. After an I/O error and after
    /// [`AppendError::OutcomeUnknown`] the log takes nothing until [`EventLog::reopen`] has returned `Ok`.
    fn append(&self, expected: Revision, events: &[NewEvent]) -> Result<Head, AppendError>;

    /// Events behind `after` in order, at most `limit` (at least one if there is any) and about 4 MiB; never a
    /// gap that is filled later. Each event's leaf hash is checked.
    fn read(&self, after: Revision, limit: usize) -> Result<Vec<StoredEvent>, ReadError>;

    /// Where the log stands. Unavailable while that is unknown: see [`EventLog::append`].
    fn head(&self) -> Result<Head, ReadError>;

    /// The Merkle root over the first `size` headers. Where the log is shorter, the first missing revision that
    /// the tree needs is reported as corrupt: whoever asks knows of it from this log.
    fn root_at(&self, size: Revision) -> Result<Hash, ReadError>;

    /// Recomputes the tree over the first `size` headers and compares every stored hash with it. The first event
    /// whose hashes differ, or which is missing, is reported as corrupt. Reads all headers.
    fn check_tree(&self, size: Revision) -> Result<(), ReadError>;

    /// Puts in order what appends have left, where it is due, on a thread that nobody waits for. A failure loses
    /// nothing.
    fn tend(&self) -> Result<(), ReadError> {
        Ok(())
    }

    /// Whether [`Self::tend`] has something to do.
    fn is_tending_due(&self) -> bool {
        false
    }

    /// Gives up whatever an error left open and opens the log anew, so that the next read tells what is stored.
    fn reopen(&self) -> Result<(), ReadError>;
}

/// Where the logs of this house are kept.
pub trait LogSource: Send + Sync + fmt::Debug {
    /// Opens the log of a stream in which nothing needs to be recorded yet, making it if there is none.
    fn begin(&self, folder: &Path, stream: StreamId) -> Result<Arc<dyn EventLog>, ReadError>;

    /// Opens a log in which events were recorded. One that is missing or empty is corrupt, and nothing is made in
    /// its place.
    fn open(&self, folder: &Path, stream: StreamId) -> Result<Arc<dyn EventLog>, ReadError>;
}
