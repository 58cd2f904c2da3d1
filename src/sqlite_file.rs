//! Opening a SQLite file whose contents nothing can replace: the log and the data keys.
//!
//! Promises: the file is readable by its owner only, a commit is durable when it returns, and a file that is not
//! of the expected layout is refused, never adapted. What the tables mean is the caller's.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

/// Whether SQLite says that the file is not what was written: its pages, its tables, or the values in them. All else
/// may pass.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(error, _) => {
            matches!(error.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        }
        // Statements fit the layout: where one does not, a table is missing or another. A value that is not there or
        // of another type was changed.
        rusqlite::Error::SqlInputError { .. }
        | rusqlite::Error::QueryReturnedNoRows
        | rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::Utf8Error(..) => true,
        _ => false,
    }
}

/// How long a statement waits for another process (a backup, a command on the same folder) to release the file.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What a file must be.
pub(crate) struct Layout {
    /// For messages: `an event log`.
    pub(crate) what: &'static str,
    /// SQLite's mark of whose file it is.
    pub(crate) application_id: i32,
    /// The number of the layout, kept as SQLite's `user_version`.
    pub(crate) number: i32,
    /// Fixed when the file is made.
    pub(crate) page_bytes: u32,
    /// Makes the tables.
    pub(crate) tables: &'static str,
}

/// Why a file cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// It is something else than was expected; a person has to look.
    #[error("{0}")]
    Refused(String),
}

impl Layout {
    /// Opens a file for writing. If it is missing or empty, makes the tables and calls `fill` in the same
    /// transaction, so that a file has all of its contents or none.
    pub(crate) fn open(
        &self,
        path: &Path,
        fill: impl FnOnce(&Connection) -> Result<(), OpenError>,
    ) -> Result<Connection, OpenError> {
        // SQLite gives its side files the mode of the main file, and syncs the folder with the first commit.
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let is_new = is_empty(&connection)?;
        if !is_new {
            // Before anything is set: a file that is not ours stays as it is.
            self.check(&connection)?;
        }
        connection.pragma_update(None, "page_size", self.page_bytes)?;
        let journal: String =
            connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
        if journal != "wal" {
            return Err(OpenError::Refused("its folder does not allow SQLite's write-ahead log".to_owned()));
        }
        connection.pragma_update(None, "synchronous", "FULL")?;
        // Without this, a sync on macOS leaves the bytes in the cache of the drive.
        connection.pragma_update(None, "fullfsync", true)?;
        if is_new {
            let creation = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            creation.execute_batch(self.tables)?;
            creation.pragma_update(None, "application_id", self.application_id)?;
            creation.pragma_update(None, "user_version", self.number)?;
            fill(&creation)?;
            creation.commit()?;
        } else {
            self.guard(&connection)?;
        }
        Ok(connection)
    }

    /// Opens an existing file for reading.
    pub(crate) fn open_read_only(&self, path: &Path) -> Result<Connection, OpenError> {
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        self.check(&connection)?;
        Ok(connection)
    }

    /// Opens an existing file to copy its write-ahead log into it.
    pub(crate) fn open_to_copy(path: &Path) -> Result<Connection, OpenError> {
        connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
    }

    /// Opens an existing file if there is any table in it; one that was begun and never filled has none.
    pub(crate) fn open_filled(&self, path: &Path) -> Result<Option<Connection>, OpenError> {
        // Not read-only: what a crash left half done has to be rolled back first.
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        if is_empty(&connection)? {
            return Ok(None);
        }
        self.check(&connection)?;
        Ok(Some(connection))
    }

    fn check(&self, connection: &Connection) -> Result<(), OpenError> {
        let application_id: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let number: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if application_id != self.application_id {
            return Err(OpenError::Refused(format!("the file is not {}", self.what)));
        }
        if number != self.number {
            return Err(OpenError::Refused(format!(
                "the file is {} of layout {number}; this release knows layout {}",
                self.what, self.number
            )));
        }
        Ok(())
    }

    /// Makes the triggers again that are missing or were changed: they guard the rows against whoever opens the file.
    fn guard(&self, connection: &Connection) -> Result<(), OpenError> {
        let model = Connection::open_in_memory()?;
        model.execute_batch(self.tables)?;
        let found = triggers(connection)?;
        for (name, sql) in triggers(&model)? {
            let there = found.iter().find(|(found, _)| *found == name);
            if there.is_some_and(|(_, found)| bare(found) == bare(&sql)) {
                continue;
            }
            tracing::warn!(
                trigger = name,
                "a trigger that guards {} was missing or changed, and is made again: somebody has worked on the file",
                self.what
            );
            connection.execute_batch(&format!("DROP TRIGGER IF EXISTS {name}; {sql}"))?;
        }
        Ok(())
    }
}

/// The triggers of a file and what makes them.
fn triggers(connection: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    let mut statement =
        connection.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY name")?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// A statement without comments and blanks: those may change between releases.
fn bare(sql: &str) -> String {
    let lines = sql.lines().map(|line| line.split("--").next().unwrap_or_default());
    lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))
}

fn connect(path: &Path, access: OpenFlags) -> Result<Connection, OpenError> {
    // Each connection is used by one thread at a time, under a lock of ours.
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // A file that was tampered with must not be able to call functions from its schema.
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}
