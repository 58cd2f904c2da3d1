//! The one connection that writes, and the frontier of the tree that it extends.
//!
//! Promises: an append is one transaction with one durable commit, and every way in which it can end is told
//! apart. After a failure that leaves the connection in doubt the whole writer has to be thrown away.

use std::path::Path;

use provisioning::{Revision, StreamId};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, ToSql, Transaction, TransactionBehavior, params};
use write_ahead::{Copying, WriteAhead};

use super::{LAYOUT, open_failed, owned_by, rows};
use crate::event_log::{AppendError, Head, NewEvent, ReadError};
use crate::merkle::{Frontier, leaf_hash};
use crate::sqlite_file::BUSY_TIMEOUT;

#[derive(Debug)]
pub(super) struct Writer {
    /// Before the connection, which closes when nobody copies any more.
    write_ahead: WriteAhead,
    connection: Connection,
    /// Of all that is committed.
    frontier: Frontier,
}

/// A failed append.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: AppendError,
    /// Whether the writer must not be used again.
    pub(super) broken: bool,
}

impl Writer {
    pub(super) fn open(path: &Path, stream: StreamId) -> Result<Self, ReadError> {
        let mut connection = LAYOUT
            .open(path, |new| {
                new.execute("INSERT INTO meta (one, stream) VALUES (1, ?1)", [stream.to_string()])?;
                Ok(())
            })
            .map_err(|error| open_failed(path, error))?;
        owned_by(&connection, stream)?;
        let frontier = rows::checked_tail(&connection)?;
        let write_ahead = WriteAhead::of(&mut connection, BUSY_TIMEOUT)
            .map_err(|error| rows::failed(&error, Revision::ZERO))?;
        Ok(Self { write_ahead, connection, frontier })
    }

    /// Opens anew after a failed append.
    ///
    /// A commit whose sync failed can leave complete frames behind the end of the write-ahead log. They are not
    /// read now, but recovery after a crash would take them for committed, when callers have long been told that
    /// nothing was stored. Emptying the write-ahead log removes them.
    pub(super) fn reopen(path: &Path, stream: StreamId) -> Result<Self, ReadError> {
        let writer = Self::open(path, stream)?;
        let busy: bool = writer
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
            .map_err(|error| rows::failed(&error, Revision::ZERO))?;
        if busy {
            return Err(ReadError::Unavailable(format!("{} is in use by another process", path.display())));
        }
        Ok(writer)
    }

    /// Whether the write-ahead log is to be copied, and what can be copied while this writes on.
    pub(super) fn copying(&self) -> Option<Copying> {
        self.write_ahead.is_due().then(|| self.write_ahead.copying())
    }

    /// Keeps the write-ahead log small.
    pub(super) fn tend(&mut self) -> Result<(), ReadError> {
        let tended = self.write_ahead.tend(&self.connection);
        tended.map_err(|error| rows::failed(&error, self.head().revision))
    }

    pub(super) fn head(&self) -> Head {
        Head { revision: Revision(self.frontier.size()), root: self.frontier.root() }
    }

    pub(super) fn append(&mut self, expected: Revision, events: &[NewEvent]) -> Result<Head, Failure> {
        let actual = Revision(self.frontier.size());
        if expected < actual && self.holds(expected, events)? {
            return self.head_at(Revision(expected.0 + events.len() as u64));
        }
        if expected != actual {
            return Err(conflict(actual));
        }
        let mut frontier = self.frontier.clone();
        match store(&mut self.connection, expected, events, &mut frontier)? {
            Stored::Yes => {
                self.frontier = frontier;
                Ok(self.head())
            }
            Stored::Refused => Err(self.refused()),
        }
    }

    /// For tests that make SQLite fail.
    #[cfg(test)]
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Whether the events behind `expected` are exactly these: then an earlier try of the append stored them.
    fn holds(&self, expected: Revision, events: &[NewEvent]) -> Result<bool, Failure> {
        let held = rows::ids(&self.connection, expected, events.len())?;
        Ok(held.iter().map(String::as_str).eq(events.iter().map(|event| event.id.to_string())))
    }

    fn head_at(&self, revision: Revision) -> Result<Head, Failure> {
        let frontier = rows::frontier(&self.connection, revision)?;
        Ok(Head { revision, root: frontier.root() })
    }

    /// The triggers refused an event: its id is in the log already, or another process has written to the file,
    /// so that the frontier in memory is behind.
    fn refused(&mut self) -> Failure {
        match rows::checked_tail(&self.connection) {
            Ok(frontier) => {
                self.frontier = frontier;
                conflict(Revision(self.frontier.size()))
            }
            Err(error) => Failure::from(error),
        }
    }
}

enum Stored {
    Yes,
    /// A trigger refused an event, and nothing is stored.
    Refused,
}

/// Commits the events and pushes them onto the frontier, which on any other outcome counts for nothing.
fn store(
    connection: &mut Connection,
    expected: Revision,
    events: &[NewEvent],
    frontier: &mut Frontier,
) -> Result<Stored, Failure> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(|error| not_stored(&error, expected))?;
    if let Err(error) = insert(&transaction, expected, events, frontier) {
        // SQLite ends the transaction itself after some errors: then there is nothing to roll back.
        if !transaction.is_autocommit() {
            transaction.rollback().map_err(|error| unknown(&error))?;
        }
        return match error.sqlite_error_code() {
            Some(ErrorCode::ConstraintViolation) => Ok(Stored::Refused),
            _ => Err(not_stored(&error, expected)),
        };
    }
    // The commit writes all pages, the mark that makes them count, and syncs: an error tells neither whether the
    // mark was written nor whether it will be read after a crash.
    transaction.commit().map_err(|error| unknown(&error))?;
    Ok(Stored::Yes)
}

fn insert(
    transaction: &Transaction<'_>,
    expected: Revision,
    events: &[NewEvent],
    frontier: &mut Frontier,
) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(
        "INSERT INTO events (revision, id, header, payload, hashes) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    let mut revision = expected;
    for event in events {
        revision = revision.next();
        let hashes = frontier.push(leaf_hash(&event.header)).concat();
        let id = event.id.to_string();
        statement.execute(params![rows::sql(revision), id, Text(&event.header), event.payload, hashes])?;
    }
    Ok(())
}

/// Bytes that are bound as text as they are: what is hashed is what is stored.
struct Text<'a>(&'a [u8]);

impl ToSql for Text<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(self.0)))
    }
}

fn conflict(actual: Revision) -> Failure {
    Failure { error: AppendError::Conflict { actual }, broken: false }
}

fn unknown(error: &rusqlite::Error) -> Failure {
    Failure { error: AppendError::OutcomeUnknown(error.to_string()), broken: true }
}

/// A failure before the commit: the transaction is gone and nothing is stored. Whether the connection can go on
/// depends on what failed: a full disk or a lock may pass, a disk that cannot be read or written is looked at
/// anew.
fn not_stored(error: &rusqlite::Error, expected: Revision) -> Failure {
    let broken = !matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::DiskFull | ErrorCode::TooBig)
    );
    Failure { broken, ..Failure::from(rows::failed(error, expected.next())) }
}

impl From<ReadError> for Failure {
    /// Reading failed, and nothing was written: not before it, or it was rolled back.
    fn from(error: ReadError) -> Self {
        let error = match error {
            ReadError::Unavailable(reason) => AppendError::Unavailable(reason),
            ReadError::Corrupt { revision, reason } => AppendError::Corrupt { revision, reason },
        };
        Self { error, broken: true }
    }
}
