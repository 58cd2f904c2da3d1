//! Keeps SQLite's write-ahead logs small, without a commit that waits for it.
//!
//! SQLite by itself copies a write-ahead log into its file inside of the commit that makes it long, and lets it grow
//! for as long as there is always some reader in it. Here the writer calls [`WriteAhead::tend`] when its callers have
//! been answered: it copies from time to time what has come together, and when readers have kept the log from being
//! begun anew for too long, it lets them run out for a moment. Where a writer has no time for that, most of it is
//! copied beforehand on another thread ([`WriteAhead::copying`]), while it goes on: only what it has written meanwhile
//! is left for [`WriteAhead::tend`].

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::hooks::Wal;
use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, ErrorCode};

#[cfg(test)]
mod tests;

/// How long readers are waited for: whoever reads for longer is waited for again when as much has come together once
/// more.
const READERS_WAIT_MAX: Duration = Duration::from_millis(100);

/// When something is done.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// So many bytes come together before they are copied into the file.
    copied: u64,
    /// From this length on readers are waited for, so that the log begins anew.
    begun_anew: u64,
}

const BOUNDS: Bounds = Bounds { copied: 4 * 1024 * 1024, begun_anew: 32 * 1024 * 1024 };

/// The write-ahead log behind a connection, the only one that writes to its file.
#[derive(Debug)]
pub struct WriteAhead {
    bounds: Bounds,
    page_bytes: u64,
    /// Told by SQLite after each commit.
    pages: Arc<AtomicU64>,
    /// The length at which it was last tended.
    tended_at: u64,
    /// How long the connection waits for locks otherwise.
    busy_timeout: Duration,
    /// Whether the writer's connection is open; held for as long as somebody else copies.
    open: Arc<Mutex<bool>>,
}

/// What is copied on another thread than the writer's.
#[derive(Debug)]
pub struct Copying {
    open: Arc<Mutex<bool>>,
}

impl Copying {
    /// Copies what it can through a connection of its own, which `open` opens and which is closed at the end. Does
    /// nothing if the writer has gone: its file may be another one by now.
    pub fn run<E: From<rusqlite::Error>>(
        self,
        open: impl FnOnce() -> Result<Connection, E>,
    ) -> Result<(), E> {
        let writing = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if !*writing {
            return Ok(());
        }
        let connection = open()?;
        // Beginning and ending the log is for the writer and its readers.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        // A connection that has read nothing does not know yet that there is a log.
        connection.pragma_query_value(None, "schema_version", |_| Ok(()))?;
        Ok(checkpoint(&connection, CheckpointMode::PASSIVE)?)
    }
}

impl Drop for WriteAhead {
    /// Waits for whoever copies: the writer's connection is the last to close, which empties the log.
    fn drop(&mut self) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = false;
    }
}

impl WriteAhead {
    /// Takes over from SQLite for a connection that waits `busy_timeout` for locks.
    pub fn of(connection: &mut Connection, busy_timeout: Duration) -> rusqlite::Result<Self> {
        Self::within(BOUNDS, connection, busy_timeout)
    }

    fn within(bounds: Bounds, connection: &mut Connection, busy_timeout: Duration) -> rusqlite::Result<Self> {
        let page_bytes: u32 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        // The file is not left at the length that a reader who stayed for long has brought about.
        connection.pragma_update_and_check(
            None,
            "journal_size_limit",
            i64::try_from(bounds.begun_anew).unwrap_or(i64::MAX),
            |_| Ok(()),
        )?;
        let pages = Arc::new(AtomicU64::new(0));
        let told = Arc::clone(&pages);
        // In the place of SQLite's own hook, which copies.
        connection.wal_hook(Some(move |_: &mut Wal, pages| {
            told.store(u64::try_from(pages).unwrap_or_default(), Ordering::Relaxed);
            Ok(())
        }))?;
        let open = Arc::new(Mutex::new(true));
        Ok(Self { bounds, page_bytes: page_bytes.into(), pages, tended_at: 0, busy_timeout, open })
    }

    /// How many bytes the log has, with what was copied already.
    pub fn bytes(&self) -> u64 {
        self.pages.load(Ordering::Relaxed) * self.page_bytes
    }

    /// Whether there is something to do.
    pub fn is_due(&self) -> bool {
        let bytes = self.bytes();
        // A shorter one was begun anew by SQLite.
        let tended_at = if bytes < self.tended_at { 0 } else { self.tended_at };
        bytes - tended_at >= self.bounds.copied
    }

    /// What another thread can do beforehand, so that little is left for [`Self::tend`].
    pub fn copying(&self) -> Copying {
        Copying { open: Arc::clone(&self.open) }
    }

    /// Does what is due. To be called after commits, by the thread that made them or while it makes none.
    pub fn tend(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if !self.is_due() {
            return Ok(());
        }
        let bytes = self.bytes();
        // After a failure too: what fails at once need not be tried with every commit.
        self.tended_at = bytes;
        if bytes < self.bounds.begun_anew {
            return checkpoint(connection, CheckpointMode::PASSIVE);
        }
        connection.busy_timeout(READERS_WAIT_MAX)?;
        let begun_anew = checkpoint(connection, CheckpointMode::RESTART);
        connection.busy_timeout(self.busy_timeout)?;
        begun_anew
    }
}

/// Copies what it can. That somebody is in the way is no failure: there is a next time.
fn checkpoint(connection: &Connection, mode: CheckpointMode) -> rusqlite::Result<()> {
    match connection.wal_checkpoint_v2(Some("main"), mode) {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Ok(()),
        outcome => outcome.map(drop),
    }
}
