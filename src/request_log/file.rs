//! `requests.db` of one tenant: opening it, and beginning it anew when it cannot be used; writing rows.
//!
//! Durability: `synchronous=NORMAL`. A crash may take the last second and never damages the file.

use std::path::PathBuf;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::contents;
use super::entry::Entry;
use super::secrets::Secrets;
use crate::directory::Directory;
use crate::sealing::{KeyError, SideFileKey};

/// How long a statement waits for a reader or another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// SQLite's mark of whose file it is.
const APPLICATION_ID: i32 = i32::from_be_bytes(*b"MuRq");
const LAYOUT: i32 = 1;
const TABLES: &str = include_str!("requests.sql");

/// Why rows could not be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("{0}")]
    Keys(#[from] KeyError),
    /// It is none of ours, of another layout, or its key is another tenant's.
    #[error("{0}")]
    Foreign(&'static str),
}

impl FileError {
    /// Whether a new file would help.
    pub(super) fn is_damage(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase, Unknown};
        match self {
            Self::Sqlite(error) => {
                // `Unknown`: a table is missing.
                matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase | Unknown) | None)
            }
            Self::Foreign(_) => true,
            Self::Io(_) | Self::Keys(_) => false,
        }
    }
}

/// The open file of a tenant.
pub(super) struct File {
    pub(super) connection: Connection,
    key: SideFileKey,
}

/// Where a tenant's file lies.
pub(super) fn path_of(directory: &Directory) -> PathBuf {
    directory.folder().join(super::FILE)
}

impl File {
    /// Opens the file; makes it if it is missing, and anew if it is damaged.
    pub(super) fn open(directory: &Directory) -> Result<Self, FileError> {
        match Self::open_as_it_is(directory) {
            Err(error) if error.is_damage() => {
                give_up(directory, &error)?;
                Self::open_as_it_is(directory)
            }
            other => other,
        }
    }

    fn open_as_it_is(directory: &Directory) -> Result<Self, FileError> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let path = path_of(directory);
        std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&path)?;
        let mut connection = Connection::open(&path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "trusted_schema", false)?;
        // What is removed because somebody must be forgotten is overwritten.
        connection.pragma_update(None, "secure_delete", true)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        let creation = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let key = match mark(&creation)? {
            (0, 0) => {
                let (key, wrapped) = directory.keys().new_side_file_key()?;
                creation.execute_batch(TABLES)?;
                creation.execute(
                    "INSERT INTO meta (one, wrapped_key, dropped, pruned) VALUES (1, ?1, 0, 0)",
                    [wrapped],
                )?;
                creation.pragma_update(None, "application_id", APPLICATION_ID)?;
                creation.pragma_update(None, "user_version", LAYOUT)?;
                key
            }
            _ => key_of(&creation, directory)?,
        };
        creation.commit()?;
        Ok(Self { connection, key })
    }

    /// Writes rows in one transaction, without the tenant's secrets.
    pub(super) fn write(
        &mut self,
        rows: &[Written<'_>],
        secrets: &Secrets,
        dropped: u64,
    ) -> Result<(), FileError> {
        let transaction =
            self.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        for row in rows {
            match row {
                Written::Own(entry) => insert(&transaction, &self.key, secrets, entry)?,
                Written::Folded { entry, filter, requests, duration } => {
                    fold(&transaction, entry, filter.as_deref(), *requests, *duration)?;
                }
            }
        }
        if dropped > 0 {
            transaction.execute("UPDATE meta SET dropped = dropped + ?1", [sql(dropped)])?;
        }
        Ok(transaction.commit()?)
    }
}

/// Names what is wrong with a file and removes it, so that it begins anew.
pub(super) fn give_up(directory: &Directory, because: &FileError) -> std::io::Result<()> {
    tracing::error!(
        tenant.id = directory.tenant(), error = %because,
        "the request log of {} is damaged and begins anew: {because}", directory.tenant()
    );
    super::remove(&path_of(directory))
}

/// Opens an existing file for reading, and its key; `None` if nothing was logged yet.
pub(super) fn open_to_read(directory: &Directory) -> Result<Option<(Connection, SideFileKey)>, FileError> {
    let path = path_of(directory);
    if !path.try_exists()? {
        return Ok(None);
    }
    // May write: reading a write-ahead log needs its index, which may have to be made.
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    if mark(&connection)? == (0, 0) {
        return Ok(None);
    }
    let key = key_of(&connection, directory)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(Some((connection, key)))
}

/// Application and layout; zeros are a file that was just made.
fn mark(connection: &Connection) -> Result<(i32, i32), rusqlite::Error> {
    let application = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let layout = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok((application, layout))
}

fn key_of(connection: &Connection, directory: &Directory) -> Result<SideFileKey, FileError> {
    if mark(connection)? != (APPLICATION_ID, LAYOUT) {
        return Err(FileError::Foreign("it is no request log of this layout"));
    }
    let wrapped: Option<Vec<u8>> =
        connection.query_row("SELECT wrapped_key FROM meta", [], |row| row.get(0)).optional()?;
    let key = wrapped.and_then(|wrapped| directory.keys().side_file_key(&wrapped));
    key.ok_or(FileError::Foreign("its key is not of this tenant"))
}

/// One row to write.
pub(super) enum Written<'e> {
    /// For one request.
    Own(&'e Entry),
    /// For several reads of one minute, of which this is the first.
    Folded { entry: &'e Entry, filter: Option<String>, requests: u64, duration: Duration },
}

fn insert(
    transaction: &Transaction<'_>,
    key: &SideFileKey,
    secrets: &Secrets,
    entry: &Entry,
) -> Result<(), FileError> {
    let contents = contents::of(entry, secrets);
    let sealed = key.seal(entry.id.0.as_bytes(), &contents.kept)?;
    let revisions = entry.revisions.as_ref().filter(|revisions| !revisions.is_empty());
    transaction
        .prepare_cached(
            "INSERT INTO requests (id, at, client, token, method, route, filter, status, code, outcome, results,
                 duration, resource, notes, first_revision, end_revision, requests, folded, sealed)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, 1, 0, ?17)",
        )?
        .execute(params![
            entry.id.to_string(),
            entry.received_at.0,
            entry.client.map(|id| id.to_string()),
            entry.token.map(|id| id.to_string()),
            method_of(entry),
            entry.route,
            contents.filter,
            entry.status,
            entry.code,
            entry.outcome().as_str(),
            entry.results.map(sql),
            micros(entry.duration),
            entry.resource.map(|id| id.to_string()),
            (!entry.notes.is_empty()).then(|| entry.notes.names().join(",")),
            revisions.map(|revisions| sql(revisions.start)),
            revisions.map(|revisions| sql(revisions.end)),
            sealed,
        ])?;
    let number = transaction.last_insert_rowid();
    let mut names = transaction
        .prepare_cached("INSERT INTO names (fingerprint, number) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
    for name in &contents.names {
        names.execute(params![key.fingerprint(name), number])?;
    }
    Ok(())
}

/// A client can invent methods, and words of its own have no place in the clear.
fn method_of(entry: &Entry) -> &str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == entry.method).unwrap_or("other")
}

fn fold(
    transaction: &Transaction<'_>,
    entry: &Entry,
    filter: Option<&str>,
    requests: u64,
    duration: Duration,
) -> Result<(), FileError> {
    transaction
        .prepare_cached(
            "INSERT INTO requests (at, client, method, route, filter, outcome, duration, requests, folded)
             VALUES (?1, ?2, ?3, ?4, ?5, 'read', ?6, ?7, 1)
             ON CONFLICT (at, ifnull(client, ''), route, ifnull(filter, '')) WHERE folded = 1
             DO UPDATE SET requests = requests + excluded.requests, duration = duration + excluded.duration",
        )?
        .execute(params![
            entry.minute().0,
            entry.client.map(|id| id.to_string()),
            method_of(entry),
            entry.route,
            filter,
            micros(duration),
            sql(requests),
        ])?;
    Ok(())
}

/// Microseconds as they are stored.
pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Counts and revisions lie far below 2^63.
pub(super) fn sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
