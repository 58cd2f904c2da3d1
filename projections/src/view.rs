//! Opening a view's file: creation, layout number, pragmas; and what can be wrong with it.
//!
//! A view is never migrated: a file with another layout or of another stream is stale, and whoever opened it
//! builds it again from the log (`migrations/README.md`). Nothing here knows what the tables mean.

use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use provisioning::StreamId;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use crate::Position;
use crate::column::{self, Column};

#[cfg(test)]
mod tests;

/// Views hold what the log keeps sealed, so nobody but their owner reads them.
const FILE_MODE: u32 = 0o600;
/// How long a statement waits for a lock: for a checkpoint or another process's recovery, not for a writer.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Page cache of a writer in KiB; pages that a batch changes stay in it until the commit.
const WRITER_CACHE_KIB: i64 = 16 * 1024;
/// Page cache of a rebuild in KiB: random inserts into the narrow tables stay in memory.
const REBUILD_CACHE_KIB: i64 = 48 * 1024;
/// Page cache of a reader in KiB, which it takes page by page as it reads them: the inner pages and the index of ids
/// of a hundred thousand users. Each commit empties it.
const READER_CACHE_KIB: i64 = 8 * 1024;
/// What SQLite may take in all, in bytes, in all files of the process: beyond it, each cache makes do with the pages
/// that it has.
const MEMORY_MAX: i64 = 96 * 1024 * 1024;
/// Prepared statements kept by each connection; filters of the same shape share one.
const STATEMENTS_KEPT: usize = 64;

/// Why a view cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// SQLite failed.
    #[error("{view} failed: {source}")]
    Sqlite {
        /// `current` or `history`.
        view: &'static str,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// A file operation failed.
    #[error("{view} failed: {source}")]
    File {
        /// `current` or `history`.
        view: &'static str,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The file has another layout or belongs to another stream: rebuild it.
    #[error("{view} must be rebuilt: {reason}")]
    Stale {
        /// `current` or `history`.
        view: &'static str,
        /// Why.
        reason: String,
    },
    /// The view contradicts itself or the log: rebuild it.
    #[error("{view} is broken: {reason}")]
    Broken {
        /// `current` or `history`.
        view: &'static str,
        /// What is wrong; names a table and a key, never a value.
        reason: String,
    },
}

/// Tells a damaged file from a failure of the moment.
pub(crate) fn failed(view: &'static str, source: rusqlite::Error) -> ViewError {
    let damaged = page_checksums::is_damage(&source);
    let unreadable = matches!(
        source,
        rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::Utf8Error(..)
    );
    if damaged || unreadable {
        ViewError::Broken { view, reason: page_checksums::reason(&source) }
    } else {
        ViewError::Sqlite { view, source }
    }
}

/// What a view's file must look like.
pub(crate) struct Layout {
    /// `current` or `history`.
    pub(crate) view: &'static str,
    /// Raised whenever the tables or the meaning of their rows change.
    pub(crate) number: i64,
    /// Tables, and the indexes that taking in events needs.
    pub(crate) tables: &'static str,
    /// Indexes that only reads need.
    pub(crate) indexes: &'static str,
}

impl Layout {
    /// Opens or creates the view of `stream` for writing. Nobody else may have it open.
    pub(crate) fn open(&self, path: &Path, stream: StreamId) -> Result<Connection, ViewError> {
        self.check_log(path)?;
        self.make_private(path)?;
        let connection = self.connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        self.set_wal(&connection)?;
        self.set(&connection, "synchronous", "NORMAL")?;
        self.set(&connection, "cache_size", -WRITER_CACHE_KIB)?;
        if self.is_empty(&connection)? {
            self.create(&connection, stream, self.indexes)?;
        }
        self.check(&connection, Some(stream))?;
        Ok(connection)
    }

    /// Creates the view of `stream` in a new file and begins the one transaction in which it is filled, as fast as
    /// possible: no page is written before there is no more room for it, and a crash leaves rubbish. [`Self::finish`]
    /// makes it a view like any other.
    pub(crate) fn open_for_rebuild(&self, path: &Path, stream: StreamId) -> Result<Connection, ViewError> {
        self.make_private(path)?;
        let connection = self.connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        if !self.is_empty(&connection)? {
            return Err(self.stale("a rebuild begins with a new file".to_owned()));
        }
        self.journal_mode(&connection, "OFF")?;
        self.set(&connection, "synchronous", "OFF")?;
        self.set(&connection, "cache_size", -REBUILD_CACHE_KIB)?;
        self.create(&connection, stream, "")?;
        connection.execute_batch("BEGIN IMMEDIATE").map_err(|source| self.failed(source))?;
        Ok(connection)
    }

    /// Ends a rebuild: makes the indexes, commits, switches to WAL, closes the file and syncs it.
    pub(crate) fn finish(&self, connection: Connection, path: &Path) -> Result<(), ViewError> {
        connection
            .execute_batch(self.indexes)
            .and_then(|()| connection.execute_batch("COMMIT"))
            .map_err(|source| self.failed(source))?;
        self.set_wal(&connection)?;
        connection.close().map_err(|(_, source)| self.failed(source))?;
        let synced = File::open(path).and_then(|file| file.sync_all());
        synced.map_err(|source| ViewError::File { view: self.view, source })
    }

    /// Sees to it that a rebuilt file is a view and has everything in itself, which takes room on the disk. Whoever
    /// replaces a live one asks for this first, while that one can still be used.
    pub(crate) fn settle(&self, rebuilt: &Path) -> Result<(), ViewError> {
        let whole = self.connect(rebuilt, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        self.check(&whole, None)?;
        // The last connection to close, if it may write, leaves everything in the file and no WAL.
        whole.close().map_err(|(_, source)| self.failed(source))?;
        let unfinished = |path: &Path| std::fs::metadata(path).is_ok_and(|wal| wal.len() > 0);
        if unfinished(&with_suffix(rebuilt, "-wal")) {
            let reason = "its write-ahead log could not be copied into the rebuilt file";
            return Err(ViewError::File { view: self.view, source: std::io::Error::other(reason) });
        }
        Ok(())
    }

    /// Puts a rebuilt file in the place of the live one. No connection to either may be open.
    ///
    /// A WAL that outlives its file would be taken for the new file's, so the live file goes first: SQLite throws
    /// away the WAL of a file that is not there. After a crash on the way there is no view, which a start builds.
    pub(crate) fn replace(&self, live: &Path, rebuilt: &Path) -> Result<(), ViewError> {
        self.settle(rebuilt)?;
        let replaced = || {
            for suffix in ["", "-wal", "-shm"] {
                remove_if_there(&with_suffix(live, suffix))?;
            }
            std::fs::rename(rebuilt, live)?;
            let folder = live.parent().filter(|folder| !folder.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
        };
        replaced().map_err(|source| ViewError::File { view: self.view, source })
    }

    /// Opens the view for reading.
    pub(crate) fn open_read_only(&self, path: &Path) -> Result<Connection, ViewError> {
        let connection = self.connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        self.set(&connection, "query_only", true)?;
        self.set(&connection, "cache_size", -READER_CACHE_KIB)?;
        self.set(&connection, "soft_heap_limit", MEMORY_MAX)?;
        self.check(&connection, None)?;
        Ok(connection)
    }

    /// Opens an existing file to copy its write-ahead log into it, for which no table matters.
    pub(crate) fn open_to_copy(path: &Path) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = page_checksums::open(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        Ok(connection)
    }

    /// Makes the file if it is missing, and readable by its owner only. SQLite gives its side files the same mode.
    fn make_private(&self, path: &Path) -> Result<(), ViewError> {
        let private = || {
            let file = OpenOptions::new().create(true).append(true).mode(FILE_MODE).open(path)?;
            file.set_permissions(Permissions::from_mode(FILE_MODE))
        };
        private().map_err(|source| ViewError::File { view: self.view, source })
    }

    /// A write-ahead log that lost frames in its middle would leave a view that never was, and one with another
    /// program's frames a view of somebody else's.
    fn check_log(&self, path: &Path) -> Result<(), ViewError> {
        let fault = page_checksums::wal::fault(&with_suffix(path, "-wal"));
        match fault.map_err(|source| ViewError::File { view: self.view, source })? {
            Some(fault) => Err(ViewError::Broken { view: self.view, reason: fault.to_string() }),
            None => Ok(()),
        }
    }

    fn connect(&self, path: &Path, flags: OpenFlags) -> Result<Connection, ViewError> {
        let connection = page_checksums::open(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .map_err(|source| self.failed(source))?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(|source| self.failed(source))?;
        // Plans must not depend on bound values: SQLite would prepare many statements again for each new value.
        connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
            .map_err(|source| self.failed(source))?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        Ok(connection)
    }

    fn create(&self, connection: &Connection, stream: StreamId, indexes: &str) -> Result<(), ViewError> {
        let all = || {
            connection.execute_batch("BEGIN IMMEDIATE")?;
            connection.execute_batch(self.tables)?;
            connection.execute_batch(indexes)?;
            let meta = "INSERT INTO meta (one, stream, revision, root) VALUES (1, ?1, 0, zeroblob(32))";
            connection.execute(meta, [Column(stream)])?;
            connection.pragma_update(None, "user_version", self.number)?;
            connection.execute_batch("COMMIT")
        };
        all().map_err(|source| self.failed(source))
    }

    fn is_empty(&self, connection: &Connection) -> Result<bool, ViewError> {
        let count =
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0));
        count.map(|count| count == 0).map_err(|source| self.failed(source))
    }

    fn check(&self, connection: &Connection, stream: Option<StreamId>) -> Result<(), ViewError> {
        let number = connection
            .pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))
            .map_err(|source| self.failed(source))?;
        if number != self.number {
            return Err(self.stale(format!("its layout is {number}, this program writes {}", self.number)));
        }
        let found = connection
            .query_row("SELECT stream FROM meta", [], |row| column::read::<StreamId>(row, 0))
            .optional()
            .map_err(|source| self.failed(source))?;
        match (found, stream) {
            (None, _) => Err(self.stale("it has no position".to_owned())),
            (Some(found), Some(stream)) if found != stream => {
                Err(self.stale(format!("it is of stream {found}, not of {stream}")))
            }
            (Some(_), _) => Ok(()),
        }
    }

    fn set_wal(&self, connection: &Connection) -> Result<(), ViewError> {
        match self.journal_mode(connection, "WAL")?.as_str() {
            "wal" => Ok(()),
            other => Err(self.stale(format!("its journal mode stays {other}"))),
        }
    }

    fn journal_mode(&self, connection: &Connection, mode: &str) -> Result<String, ViewError> {
        connection
            .pragma_update_and_check(None, "journal_mode", mode, |row| row.get(0))
            .map_err(|source| self.failed(source))
    }

    fn set(
        &self,
        connection: &Connection,
        pragma: &str,
        value: impl rusqlite::ToSql,
    ) -> Result<(), ViewError> {
        connection.pragma_update(None, pragma, value).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: rusqlite::Error) -> ViewError {
        failed(self.view, source)
    }

    fn stale(&self, reason: String) -> ViewError {
        ViewError::Stale { view: self.view, reason }
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

fn remove_if_there(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// How far the view behind a connection has come.
pub(crate) fn position(connection: &Connection) -> rusqlite::Result<Position> {
    connection.query_row("SELECT revision, root FROM meta", [], |row| {
        Ok(Position { revision: column::read(row, 0)?, root: row.get(1)? })
    })
}
