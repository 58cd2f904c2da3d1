//! `operations.db`: what a tenant's operation needs to remember and evidence does not: how far the outbox has
//! come, which client came when, and what became of tokens.
//!
//! The file is not disposable (an outbox without it has to ask the broker, and perhaps a person), and it is not
//! evidence: losing the last second of it in a crash is harmless, since the outbox compares it with the broker
//! before it goes on. Hence `synchronous=NORMAL`. A position that the file does not have is `None`, never a guess.
//!
//! A wrong position would make the outbox repeat or leave out messages, so every page bears a checksum, and a
//! damaged file counts as a lost one: it is put aside, and the tenant is not held up by it.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use provisioning::{ClientId, EventId, Revision, Timestamp};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};

use self::tokens::TokenNotes;

mod presence;
#[cfg(test)]
mod tests;
mod tokens;

pub use presence::{Habits, Presence};
pub use tokens::TokenNote;

/// How long a statement waits for another process that reads the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The layout of the file, kept in SQLite's `user_version`; 0 is a file that was just made.
const LAYOUT: i64 = 4;

const TABLES: &str = "
    CREATE TABLE outbox (
        jetstream_stream TEXT NOT NULL PRIMARY KEY,
        revision INTEGER NOT NULL,
        sequence INTEGER NOT NULL,
        settled_sequence INTEGER NOT NULL,
        event TEXT
    ) STRICT, WITHOUT ROWID;
";

/// Layout 2 did not remember which client came when.
const CLIENTS: &str = "
    CREATE TABLE clients (
        client TEXT NOT NULL PRIMARY KEY,
        last_seen INTEGER NOT NULL,
        visits INTEGER NOT NULL,
        longest TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
";

/// Layout 3 did not remember anything of tokens.
const TOKENS: &str = "
    CREATE TABLE tokens (
        token TEXT NOT NULL PRIMARY KEY,
        last_used INTEGER,
        warned_days INTEGER
    ) STRICT, WITHOUT ROWID;
    PRAGMA user_version = 4;
";

/// How far publishing to one `JetStream` stream has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutboxPosition {
    /// The last revision that needs nothing more in that stream: acknowledged by the broker, or without a
    /// message for it.
    pub revision: Revision,
    /// The broker's sequence of the last acknowledged message; 0 before the first.
    pub sequence: u64,
    /// Up to this sequence an operator has settled what the broker holds (`muster outbox resume`): messages up
    /// to there are not compared with the log any more; 0 if nobody ever did.
    pub settled_sequence: u64,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("operations.db cannot be used: {0}")]
pub struct OperationsError(pub String);

impl From<rusqlite::Error> for OperationsError {
    fn from(error: rusqlite::Error) -> Self {
        Self(error.to_string())
    }
}

/// Why the file was not opened.
enum NotOpened {
    /// Its bytes are not what was written.
    Damaged(String),
    /// It is as it was, but cannot be used now or by this release.
    Unusable(OperationsError),
}

impl From<rusqlite::Error> for NotOpened {
    fn from(error: rusqlite::Error) -> Self {
        if page_checksums::is_damage(&error) {
            Self::Damaged(page_checksums::reason(&error))
        } else {
            Self::Unusable(error.into())
        }
    }
}

impl From<std::io::Error> for NotOpened {
    fn from(error: std::io::Error) -> Self {
        Self::Unusable(OperationsError(error.to_string()))
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// Keeps the damaged file for whoever wants to look at it. What SQLite keeps beside it belongs to no other file.
fn put_aside(path: &Path) -> std::io::Result<()> {
    std::fs::rename(path, beside(path, ".damaged"))?;
    for suffix in ["-wal", "-shm", "-journal"] {
        match std::fs::remove_file(beside(path, suffix)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// The file of one tenant.
#[derive(Debug)]
pub struct Operations {
    /// Locked for one statement or one short transaction, never across an await: the callers are on blocking
    /// threads.
    connection: Mutex<Connection>,
    /// What is remembered of tokens. Locked for a moment by every request, never together with the connection.
    tokens: Mutex<TokenNotes>,
}

impl Operations {
    /// Opens the file, creating it if it is missing; then [`Operations::outbox`] knows no positions. One that is
    /// damaged is put aside as `operations.db.damaged` and made anew.
    pub fn open(path: &Path) -> Result<Self, OperationsError> {
        match Self::try_open(path) {
            Err(NotOpened::Damaged(reason)) => {
                tracing::warn!(error = reason, "operations.db is damaged, put aside and made anew: {reason}");
                put_aside(path).map_err(|error| OperationsError(error.to_string()))?;
                Self::try_open(path).map_err(|error| match error {
                    NotOpened::Damaged(reason) => OperationsError(reason),
                    NotOpened::Unusable(error) => error,
                })
            }
            Err(NotOpened::Unusable(error)) => Err(error),
            Ok(operations) => Ok(operations),
        }
    }

    fn try_open(path: &Path) -> Result<Self, NotOpened> {
        if let Some(fault) = page_checksums::wal::fault(&beside(path, "-wal"))? {
            return Err(NotOpened::Damaged(fault.to_string()));
        }
        // SQLite gives its -wal and -shm files the mode of the file itself.
        OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = page_checksums::open(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        match transaction.pragma_query_value(None, "user_version", |row| row.get(0))? {
            0 => transaction.execute_batch(&[TABLES, CLIENTS, TOKENS].concat())?,
            2 => transaction.execute_batch(&[CLIENTS, TOKENS].concat())?,
            3 => transaction.execute_batch(TOKENS)?,
            LAYOUT => {}
            other => {
                return Err(NotOpened::Unusable(OperationsError(format!(
                    "its layout is {other} and this release knows {LAYOUT}; use the release that wrote it"
                ))));
            }
        }
        transaction.commit()?;
        // It is small: damage shows now, not when the outbox is under way.
        connection.query_row("SELECT count(*), max(event), max(sequence) FROM outbox", [], |_| Ok(()))?;
        connection.query_row("SELECT count(*), max(longest), max(visits) FROM clients", [], |_| Ok(()))?;
        let tokens = Mutex::new(TokenNotes::read(&connection)?);
        Ok(Self { connection: Mutex::new(connection), tokens })
    }

    /// Writes position 0 for every stream that has none: a tenant that is just being created, or still observes, has
    /// published nothing.
    pub fn begin_outbox(&self, jetstream_streams: &[&str]) -> Result<(), OperationsError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        for stream in jetstream_streams {
            transaction.execute(
                "INSERT INTO outbox (jetstream_stream, revision, sequence, settled_sequence)
                 VALUES (?1, 0, 0, 0) ON CONFLICT (jetstream_stream) DO NOTHING",
                [stream],
            )?;
        }
        Ok(transaction.commit()?)
    }

    /// The kept position; `None` if the file does not know (it was lost).
    pub fn outbox(&self, jetstream_stream: &str) -> Result<Option<OutboxPosition>, OperationsError> {
        let row: Option<(i64, i64, i64)> = self
            .lock()
            .query_row(
                "SELECT revision, sequence, settled_sequence FROM outbox WHERE jetstream_stream = ?1",
                [jetstream_stream],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .optional()?;
        let Some((revision, sequence, settled_sequence)) = row else { return Ok(None) };
        let unsigned = |number: i64| {
            u64::try_from(number)
                .map_err(|_| OperationsError(format!("the position of {jetstream_stream} is negative")))
        };
        Ok(Some(OutboxPosition {
            revision: Revision(unsigned(revision)?),
            sequence: unsigned(sequence)?,
            settled_sequence: unsigned(settled_sequence)?,
        }))
    }

    /// The event at the revision of the kept position, if it was kept too: another log may have another one there.
    pub fn outbox_event(&self, jetstream_stream: &str) -> Result<Option<EventId>, OperationsError> {
        let event: Option<Option<String>> = self
            .lock()
            .query_row("SELECT event FROM outbox WHERE jetstream_stream = ?1", [jetstream_stream], |row| {
                row.get(0)
            })
            .optional()?;
        let Some(event) = event.flatten() else { return Ok(None) };
        match EventId::parse(&event) {
            Some(event) => Ok(Some(event)),
            None => Err(OperationsError(format!("the position of {jetstream_stream} names no event"))),
        }
    }

    /// What is remembered of clients.
    pub fn presences(&self) -> Result<BTreeMap<ClientId, Presence>, OperationsError> {
        let connection = self.lock();
        let mut statement = connection.prepare("SELECT client, last_seen, visits, longest FROM clients")?;
        let rows = statement.query_map([], |row| {
            Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?, row.get::<_, String>(3)?))
        })?;
        let mut presences = BTreeMap::new();
        for row in rows {
            let (client, last_seen, visits, longest) = row?;
            let broken = || OperationsError("what is remembered of a client cannot be read".to_owned());
            let client = ClientId::parse(&client).ok_or_else(broken)?;
            let longest = serde_json::from_str(&longest).map_err(|_| broken())?;
            presences.insert(client, Presence { last_seen: Timestamp(last_seen), visits, longest });
        }
        Ok(presences)
    }

    /// Remembers clients.
    pub fn keep_presences(&self, presences: &[(ClientId, Presence)]) -> Result<(), OperationsError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        for (client, Presence { last_seen, visits, longest }) in presences {
            transaction.execute(
                "INSERT INTO clients (client, last_seen, visits, longest) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (client) DO UPDATE SET last_seen = excluded.last_seen,
                     visits = excluded.visits, longest = excluded.longest",
                params![client.to_string(), last_seen.0, visits, serde_json::json!(longest).to_string()],
            )?;
        }
        Ok(transaction.commit()?)
    }

    /// Keeps a position, and which event stands at its revision.
    pub fn keep_outbox(
        &self,
        jetstream_stream: &str,
        position: OutboxPosition,
        event: Option<EventId>,
    ) -> Result<(), OperationsError> {
        let signed = |number: u64| {
            i64::try_from(number)
                .map_err(|_| OperationsError(format!("the position of {jetstream_stream} is beyond 2^63")))
        };
        self.lock().execute(
            "INSERT INTO outbox (jetstream_stream, revision, sequence, settled_sequence, event)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (jetstream_stream) DO UPDATE SET revision = excluded.revision,
                 sequence = excluded.sequence, settled_sequence = excluded.settled_sequence,
                 event = excluded.event",
            params![
                jetstream_stream,
                signed(position.revision.0)?,
                signed(position.sequence)?,
                signed(position.settled_sequence)?,
                event.map(|event| event.to_string())
            ],
        )?;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        // A statement that panicked left no transaction open: rusqlite rolls back when one is dropped.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
