//! The default log: one SQLite file for each tenant.
//!
//! One connection writes, others read, so that no read waits for a sync. The writer keeps the frontier of the
//! Merkle tree in memory; a root of the past is read from the hashes that lie beside the events.

mod rows;
mod writer;

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use provisioning::{Revision, StreamId};
use rusqlite::{Connection, OptionalExtension};

use self::writer::Writer;
use super::{AppendError, EventLog, Head, LogSource, NewEvent, ReadError, StoredEvent};
use crate::merkle::Hash;
use crate::sqlite_file::{Layout, OpenError};

#[cfg(test)]
mod tests;

/// The name of a log's file.
pub const FILE: &str = "log.db";

const LAYOUT: Layout = Layout {
    what: "an event log",
    application_id: i32::from_be_bytes(*b"MuLg"),
    number: 1,
    // Measured: takes a fifth less disk than 4,096 and costs nothing.
    page_bytes: 8_192,
    tables: include_str!("sqlite.sql"),
};

/// So many reading connections are kept open; more are opened while more threads read.
const IDLE_READERS_MAX: usize = 4;

const GONE: &str = "the log's file was removed or replaced while the service ran";

/// Every commit empties a reader's page cache, so a large one does not pay.
const READER_CACHE_KIB: i32 = 512;

/// A log in a SQLite file: WAL, `synchronous=FULL`; triggers refuse UPDATE and DELETE.
#[derive(Debug)]
pub struct SqliteLog {
    path: PathBuf,
    stream: StreamId,
    /// Which file was opened: device and inode.
    file: FileIdentity,
    /// Before the writer, since fields are dropped in this order: SQLite removes the write-ahead log when the last
    /// connection closes, if that one may write.
    idle_readers: Mutex<Vec<Connection>>,
    /// Held for the whole of an append. The blocking kind: appends come from a blocking thread.
    writer: Mutex<WriteSide>,
    /// Where the log stands, apart from the writer, so that asking does not wait for a sync.
    standing: Mutex<Standing>,
}

#[derive(Debug)]
enum WriteSide {
    Open(Box<Writer>),
    /// An append failed in a way that left the connection in doubt; there is none until the log is reopened.
    Closed {
        /// Whether that append may be stored.
        outcome_unknown: bool,
    },
    ReadOnly,
}

#[derive(Debug, Clone, Copy)]
enum Standing {
    At(Head),
    /// An append failed, and the log was not reopened yet.
    Unknown,
    /// Another process writes the file.
    InFile,
}

impl SqliteLog {
    /// Opens the log of `stream`, creating the file if it is missing. A file that belongs to another stream, has
    /// a gap at its end or an unknown layout is refused.
    pub fn open(path: &Path, stream: StreamId) -> Result<Self, ReadError> {
        let writer = Writer::open(path, stream).map_err(|error| located(path, error))?;
        let standing = Standing::At(writer.head());
        Self::new(path, stream, WriteSide::Open(Box::new(writer)), standing)
    }

    /// Opens for reading only, for commands on a folder whose server is stopped or runs elsewhere.
    pub fn open_read_only(path: &Path, stream: StreamId) -> Result<Self, ReadError> {
        let log = Self::new(path, stream, WriteSide::ReadOnly, Standing::InFile)?;
        let tail = log.with_reader(|connection| rows::checked_tail(connection).map(drop));
        tail.map_err(|error| located(path, error))?;
        Ok(log)
    }

    fn new(path: &Path, stream: StreamId, writer: WriteSide, standing: Standing) -> Result<Self, ReadError> {
        Ok(Self {
            path: path.to_owned(),
            stream,
            file: FileIdentity::of(path).map_err(|error| ReadError::Unavailable(error.to_string()))?,
            writer: Mutex::new(writer),
            standing: Mutex::new(standing),
            idle_readers: Mutex::default(),
        })
    }

    /// Whether the path still leads to the file that was opened. What is written to one that nobody can find any more
    /// is lost with the process.
    fn is_in_place(&self) -> bool {
        FileIdentity::of(&self.path).is_ok_and(|found| found == self.file)
    }

    fn with_reader<T>(&self, read: impl FnOnce(&Connection) -> Result<T, ReadError>) -> Result<T, ReadError> {
        let idle = lock(&self.idle_readers).pop();
        let connection = idle.map_or_else(|| self.open_reader(), Ok)?;
        // A connection that failed is closed: the next reader starts from a fresh one.
        let answer = read(&connection)?;
        let mut idle = lock(&self.idle_readers);
        if idle.len() < IDLE_READERS_MAX {
            idle.push(connection);
        }
        Ok(answer)
    }

    fn open_reader(&self) -> Result<Connection, ReadError> {
        let connection = LAYOUT.open_read_only(&self.path).map_err(|error| open_failed(&self.path, error))?;
        connection
            .pragma_update(None, "cache_size", -READER_CACHE_KIB)
            .map_err(|error| rows::failed(&error, Revision::ZERO))?;
        owned_by(&connection, self.stream)?;
        Ok(connection)
    }
}

impl EventLog for SqliteLog {
    fn append(&self, expected: Revision, events: &[NewEvent]) -> Result<Head, AppendError> {
        assert!(!events.is_empty(), "an append has at least one event");
        let mut side = lock(&self.writer);
        let writer = match &mut *side {
            WriteSide::Open(_) if !self.is_in_place() => {
                return Err(AppendError::Unavailable(GONE.to_owned()));
            }
            WriteSide::Open(writer) => writer,
            WriteSide::ReadOnly => {
                return Err(AppendError::Unavailable("it was opened for reading only".to_owned()));
            }
            WriteSide::Closed { outcome_unknown } => {
                let reason = "an earlier append failed and the log was not reopened".to_owned();
                return Err(if *outcome_unknown {
                    AppendError::OutcomeUnknown(reason)
                } else {
                    AppendError::Unavailable(reason)
                });
            }
        };
        let failure = match writer.append(expected, events) {
            Ok(head) => {
                *lock(&self.standing) = Standing::At(writer.head());
                return Ok(head);
            }
            Err(failure) => failure,
        };
        if failure.broken {
            let outcome_unknown = matches!(failure.error, AppendError::OutcomeUnknown(_));
            *side = WriteSide::Closed { outcome_unknown };
            *lock(&self.standing) = Standing::Unknown;
        } else {
            *lock(&self.standing) = Standing::At(writer.head());
        }
        Err(failure.error)
    }

    fn read(&self, after: Revision, limit: usize) -> Result<Vec<StoredEvent>, ReadError> {
        // Taken before the read: what is committed meanwhile may be in the answer or not.
        let head = match *lock(&self.standing) {
            Standing::At(head) => Some(head.revision),
            Standing::Unknown | Standing::InFile => None,
        };
        self.with_reader(|connection| rows::read(connection, after, limit, head))
    }

    fn head(&self) -> Result<Head, ReadError> {
        let standing = *lock(&self.standing);
        match standing {
            Standing::At(head) => Ok(head),
            Standing::Unknown => {
                Err(ReadError::Unavailable("an append failed and the log was not reopened".to_owned()))
            }
            Standing::InFile => self.with_reader(|connection| {
                let revision = rows::last_revision(connection)?;
                Ok(Head { revision, root: rows::frontier(connection, revision)?.root() })
            }),
        }
    }

    fn root_at(&self, size: Revision) -> Result<Hash, ReadError> {
        if let Standing::At(head) = *lock(&self.standing)
            && head.revision == size
        {
            return Ok(head.root);
        }
        self.with_reader(|connection| Ok(rows::frontier(connection, size)?.root()))
    }

    fn check_tree(&self, size: Revision) -> Result<(), ReadError> {
        let checked = self.with_reader(|connection| rows::checked_tree(connection, size))?.size();
        if checked < size.0 {
            let reason = "the event is missing".to_owned();
            return Err(ReadError::Corrupt { revision: Revision(checked + 1), reason });
        }
        Ok(())
    }

    fn is_tending_due(&self) -> bool {
        matches!(&*lock(&self.writer), WriteSide::Open(writer) if writer.copying().is_some())
    }

    fn tend(&self) -> Result<(), ReadError> {
        let copying = match &*lock(&self.writer) {
            WriteSide::Open(writer) => writer.copying(),
            WriteSide::Closed { .. } | WriteSide::ReadOnly => None,
        };
        let Some(copying) = copying else { return Ok(()) };
        // Appends go on meanwhile.
        copying.run(|| Layout::open_to_copy(&self.path)).map_err(|error| open_failed(&self.path, error))?;
        match &mut *lock(&self.writer) {
            WriteSide::Open(writer) => writer.tend(),
            WriteSide::Closed { .. } | WriteSide::ReadOnly => Ok(()),
        }
    }

    fn reopen(&self) -> Result<(), ReadError> {
        let mut side = lock(&self.writer);
        lock(&self.idle_readers).clear();
        if let WriteSide::ReadOnly = *side {
            return self.with_reader(|connection| rows::checked_tail(connection).map(drop));
        }
        if !self.is_in_place() {
            return Err(ReadError::Corrupt { revision: Revision(1), reason: GONE.to_owned() });
        }
        // The old connection is closed first: one whose rollback failed would still hold the lock of the file.
        if let WriteSide::Open(_) = *side {
            *side = WriteSide::Closed { outcome_unknown: false };
        }
        *lock(&self.standing) = Standing::Unknown;
        let writer = Writer::reopen(&self.path, self.stream)?;
        *lock(&self.standing) = Standing::At(writer.head());
        *side = WriteSide::Open(Box::new(writer));
        Ok(())
    }
}

/// Which file a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileIdentity {
    device: u64,
    inode: u64,
}

impl FileIdentity {
    fn of(path: &Path) -> std::io::Result<Self> {
        let metadata = std::fs::metadata(path)?;
        Ok(Self { device: metadata.dev(), inode: metadata.ino() })
    }
}

/// What these locks guard is replaced as a whole or not at all, so a panic elsewhere leaves nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The stream that a log file belongs to; `None` if there is no such file, or one that holds nothing because
/// whoever made it was killed before the tables were there.
pub fn stream_of(path: &Path) -> Result<Option<StreamId>, ReadError> {
    if !path.exists() {
        return Ok(None);
    }
    let opened = LAYOUT.open_filled(path).map_err(|error| open_failed(path, error));
    let owner = match opened {
        Ok(None) => return Ok(None),
        Ok(Some(connection)) => owner(&connection),
        Err(error) => Err(error),
    };
    owner.map(Some).map_err(|error| located(path, error))
}

/// Says where a log is corrupt that cannot be opened: SQLite does not, so the events are read up to the one that
/// cannot be. Where it is not the events that are broken, nothing in the file may be trusted.
fn located(path: &Path, error: ReadError) -> ReadError {
    let ReadError::Corrupt { revision: Revision::ZERO, reason } = error else { return error };
    let first_broken = LAYOUT
        .open_read_only(path)
        .ok()
        .and_then(|connection| rows::checked_tree(&connection, Revision(u64::MAX)).err());
    match first_broken {
        Some(broken @ ReadError::Corrupt { .. }) => broken,
        Some(ReadError::Unavailable(_)) | None => ReadError::Corrupt { revision: Revision(1), reason },
    }
}

/// Logs in files named [`FILE`], each in its tenant's folder.
#[derive(Debug, Clone, Copy, Default)]
pub struct SqliteLogs;

impl LogSource for SqliteLogs {
    fn begin(&self, folder: &Path, stream: StreamId) -> Result<Arc<dyn EventLog>, ReadError> {
        Ok(Arc::new(SqliteLog::open(&folder.join(FILE), stream)?))
    }

    fn open(&self, folder: &Path, stream: StreamId) -> Result<Arc<dyn EventLog>, ReadError> {
        let path = folder.join(FILE);
        let lost =
            |what| ReadError::Corrupt { revision: Revision(1), reason: format!("{} {what}", path.display()) };
        if stream_of(&path)?.is_none() {
            return Err(lost("is missing or empty, but events were recorded in it"));
        }
        let log = SqliteLog::open(&path, stream)?;
        if log.head()?.revision == Revision::ZERO {
            return Err(lost("holds no event any more"));
        }
        Ok(Arc::new(log))
    }
}

/// Refuses a log that belongs to another stream.
fn owned_by(connection: &Connection, stream: StreamId) -> Result<(), ReadError> {
    let owner = owner(connection)?;
    if owner == stream {
        return Ok(());
    }
    Err(ReadError::Corrupt {
        revision: Revision::ZERO,
        reason: format!("the file belongs to stream {owner}, not {stream}"),
    })
}

fn owner(connection: &Connection) -> Result<StreamId, ReadError> {
    let owner: Option<String> = connection
        .query_row("SELECT stream FROM meta", [], |row| row.get(0))
        .optional()
        .map_err(|error| rows::failed(&error, Revision::ZERO))?;
    owner.as_deref().and_then(StreamId::parse).ok_or_else(|| ReadError::Corrupt {
        revision: Revision::ZERO,
        reason: "the file does not say to which stream it belongs".to_owned(),
    })
}

fn open_failed(path: &Path, error: OpenError) -> ReadError {
    match error {
        OpenError::Io(error) => ReadError::Unavailable(format!("{}: {error}", path.display())),
        OpenError::Sqlite(error) => rows::failed(&error, Revision::ZERO),
        OpenError::Refused(reason) => ReadError::Corrupt { revision: Revision::ZERO, reason },
    }
}
