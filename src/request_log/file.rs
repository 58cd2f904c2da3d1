//! `requests.db` of one tenant: opening it, and beginning it anew when it cannot be used; writing rows.
//!
//! Durability: `synchronous=NORMAL`. A crash may take the last second and never damages the file.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::about::{self, Print};
use super::allowed::Allowed;
use super::contents::{self, Contents};
use super::entry::Entry;
use super::reads::{Folded, FoldedBy};
use super::tallies::Tally;
use crate::directory::Directory;
use crate::sealing::{Fingerprint, KeyError, SideFileKey};

/// How long a statement waits for a reader or another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How large the file's pages are.
const PAGE_BYTES: u32 = 8_192;

/// SQLite's mark of whose file it is.
const APPLICATION_ID: i32 = i32::from_be_bytes(*b"MuRq");
const LAYOUT: i32 = 3;
const TABLES: &str = concat!(include_str!("requests.sql"), include_str!("names.sql"));

/// Before layout 3, rows did not say what they were about.
const LAYOUT_WITHOUT_ABOUT: i32 = 2;
const ABOUT: &str = "
    ALTER TABLE requests ADD COLUMN about BLOB;
    ALTER TABLE requests ADD COLUMN is_cut INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE meta ADD COLUMN foreign_requests INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE meta ADD COLUMN foreign_at INTEGER;";

/// In layout 1 the names of all rows lay together, ordered by their fingerprints.
const LAYOUT_WITHOUT_CHUNKS: i32 = 1;
const CHUNK_NAMES: &str = concat!(
    "ALTER TABLE names RENAME TO unchunked;",
    include_str!("names.sql"),
    "INSERT INTO names SELECT number / 1024, fingerprint, number FROM unchunked ORDER BY 1, 2, 3;
     DROP TABLE unchunked;"
);

/// For so many rows their names lie together; part of the layout. Fewer make names harder to find, more make each
/// batch of rows touch more pages.
pub(super) const CHUNK_ROWS: i64 = 1_024;

/// Names of one batch of rows that wait to be written together.
const WAITING_NAMES_MAX: usize = 50_000;

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

/// What is to be written to one tenant's file.
pub(super) struct Batch {
    pub(super) directory: Arc<Directory>,
    /// Requests that have rows of their own.
    pub(super) entries: Vec<Entry>,
    pub(super) folded: Vec<(FoldedBy, Folded)>,
    /// Requests that are to be counted only.
    pub(super) dropped: u64,
    /// Requests to the tenant's address with a token of another.
    pub(super) foreign: Tally,
}

impl Batch {
    pub(super) fn new(directory: Arc<Directory>) -> Self {
        let (entries, folded, foreign) = (Vec::new(), Vec::new(), Tally::default());
        Self { directory, entries, folded, dropped: 0, foreign }
    }

    /// How many requests are to have rows.
    pub(super) fn requests(&self) -> u64 {
        let folded: u64 = self.folded.iter().map(|(_, folded)| folded.requests).sum();
        self.entries.len() as u64 + folded
    }
}

/// The open file of a tenant.
pub(super) struct File {
    pub(super) connection: Connection,
    key: SideFileKey,
    /// What may be kept, as the tenant's schemas were when it was last asked for.
    allowed: Allowed,
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
        // Of a file that is made only: two rows leave a quarter of the usual page unused.
        connection.pragma_update(None, "page_size", PAGE_BYTES)?;
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
            mark => {
                let key = key_of(&creation, directory)?;
                if mark.1 <= LAYOUT_WITHOUT_CHUNKS {
                    creation.execute_batch(CHUNK_NAMES)?;
                }
                if mark.1 <= LAYOUT_WITHOUT_ABOUT {
                    creation.execute_batch(ABOUT)?;
                }
                creation.pragma_update(None, "user_version", LAYOUT)?;
                key
            }
        };
        creation.commit()?;
        Ok(Self { connection, key, allowed: Allowed::of(directory.schemas()) })
    }

    /// Writes rows in one transaction.
    pub(super) fn write(&mut self, batch: &Batch) -> Result<(), FileError> {
        let schemas = batch.directory.schemas();
        if !self.allowed.is_of(&schemas) {
            self.allowed = Allowed::of(schemas.clone());
        }
        let transaction =
            self.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let fingerprints = self.key.fingerprints();
        let mut names = Vec::new();
        for entry in &batch.entries {
            let mut contents = contents::of(entry, &self.allowed, &schemas);
            let sealed = self.key.seal(entry.id.0.as_bytes(), &contents.kept)?;
            // In the order of the names, so that what was made once is found again.
            let prints: Vec<(&str, Fingerprint)> =
                contents.names.iter().map(|name| (name.as_str(), fingerprints.of(name))).collect();
            let print = |name: &str| match prints.binary_search_by_key(&name, |(name, _)| *name) {
                Ok(at) => Print::of(&prints[at].1),
                Err(_) => Print::of(&fingerprints.of(name)),
            };
            let about = contents.about.take().map(|operations| {
                about::encode(&operations.into_iter().map(|it| it.printed(&print)).collect::<Vec<_>>())
            });
            let number = insert(&transaction, entry, &contents, &sealed, about.as_deref())?;
            names.extend(prints.into_iter().map(|(_, fingerprint)| (number, fingerprint)));
            if names.len() > WAITING_NAMES_MAX {
                insert_names(&transaction, std::mem::take(&mut names))?;
            }
        }
        for (by, folded) in &batch.folded {
            fold(&transaction, by, folded)?;
        }
        insert_names(&transaction, names)?;
        if batch.dropped > 0 {
            transaction.execute("UPDATE meta SET dropped = dropped + ?1", [sql(batch.dropped)])?;
        }
        if let Some(at) = batch.foreign.last_at {
            transaction.execute(
                "UPDATE meta SET foreign_requests = foreign_requests + ?1, foreign_at = ?2",
                params![sql(batch.foreign.requests), at.0],
            )?;
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

/// Whether names lie in chunks: not in a file that the service has not opened since they do.
pub(super) fn has_chunks(connection: &Connection) -> Result<bool, rusqlite::Error> {
    Ok(mark(connection)?.1 > LAYOUT_WITHOUT_CHUNKS)
}

/// Whether rows say what they are about: not in a file that the service has not opened since they do.
pub(super) fn has_about(connection: &Connection) -> Result<bool, rusqlite::Error> {
    Ok(mark(connection)?.1 > LAYOUT_WITHOUT_ABOUT)
}

fn key_of(connection: &Connection, directory: &Directory) -> Result<SideFileKey, FileError> {
    if !matches!(mark(connection)?, (APPLICATION_ID, LAYOUT_WITHOUT_CHUNKS..=LAYOUT)) {
        return Err(FileError::Foreign("it is no request log of this layout"));
    }
    let wrapped: Option<Vec<u8>> =
        connection.query_row("SELECT wrapped_key FROM meta", [], |row| row.get(0)).optional()?;
    let key = wrapped.and_then(|wrapped| directory.keys().side_file_key(&wrapped));
    key.ok_or(FileError::Foreign("its key is not of this tenant"))
}

/// Writes the row of one request and answers its number.
fn insert(
    transaction: &Transaction<'_>,
    entry: &Entry,
    contents: &Contents,
    sealed: &[u8],
    about: Option<&[u8]>,
) -> Result<i64, FileError> {
    let revisions = entry.revisions.as_ref().filter(|revisions| !revisions.is_empty());
    transaction
        .prepare_cached(
            "INSERT INTO requests (id, at, client, token, method, route, filter, status, code, outcome, results,
                 duration, resource, notes, first_revision, end_revision, requests, folded, sealed, about, is_cut)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, 1, 0, ?17, ?18, ?19)",
        )?
        .execute(params![
            entry.id.to_string(),
            entry.received_at.0,
            entry.client.map(|id| id.to_string()),
            entry.token.map(|id| id.to_string()),
            entry.known_method(),
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
            about,
            contents.is_cut,
        ])?;
    Ok(transaction.last_insert_rowid())
}

/// Writes whom rows name, in the order in which it is kept: neighbours share pages.
fn insert_names(
    transaction: &Transaction<'_>,
    names: Vec<(i64, Fingerprint)>,
) -> Result<(), rusqlite::Error> {
    let chunked = names.into_iter().map(|(number, fingerprint)| (number / CHUNK_ROWS, fingerprint, number));
    let mut sorted: Vec<_> = chunked.collect();
    sorted.sort_unstable();
    let mut insert =
        transaction.prepare_cached("INSERT INTO names (chunk, fingerprint, number) VALUES (?1, ?2, ?3)")?;
    for (chunk, fingerprint, number) in sorted {
        insert.execute(params![chunk, fingerprint, number])?;
    }
    Ok(())
}

fn fold(transaction: &Transaction<'_>, by: &FoldedBy, folded: &Folded) -> Result<(), FileError> {
    transaction
        .prepare_cached(
            "INSERT INTO requests (at, client, method, route, filter, outcome, duration, requests, folded)
             VALUES (?1, ?2, ?3, ?4, ?5, 'read', ?6, ?7, 1)
             ON CONFLICT (at, ifnull(client, ''), route, ifnull(filter, '')) WHERE folded = 1
             DO UPDATE SET requests = requests + excluded.requests, duration = duration + excluded.duration",
        )?
        .execute(params![
            by.minute.0,
            by.client.map(|id| id.to_string()),
            folded.method,
            by.route,
            by.filter,
            micros(folded.duration),
            sql(folded.requests),
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
