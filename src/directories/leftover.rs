//! Folders below `tenants/` that the registry does not know: a creation that was cut off, or somebody else's.
//!
//! Nobody was told of a tenant that is not registered, so it may be finished or removed. Whatever is not surely
//! the beginning of a tenant is left alone and named: it might be a person's only copy.

use std::fs;
use std::path::Path;

use provisioning::{Revision, StreamId};

use crate::event_log::sqlite::{self, SqliteLog, stream_of};
use crate::event_log::{EventLog as _, ReadError};

/// What the names of a tenant's own files begin with.
const OWN_FILES: [&str; 6] =
    [sqlite::FILE, "keys.db", "operations.db", "current.db", "history.db", "requests.db"];

/// What a folder is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Leftover {
    /// A tenant with its first events.
    Begun(StreamId),
    /// A tenant in which nothing was recorded.
    Empty,
    /// Something else, with what is odd about it.
    Foreign(&'static str),
}

pub(super) fn look_at(folder: &Path) -> Result<Leftover, ReadError> {
    let log = folder.join(sqlite::FILE);
    if let Some(stream) = stream_of(&log)? {
        let head = SqliteLog::open_read_only(&log, stream)?.head()?;
        if head.revision > Revision::ZERO {
            return Ok(Leftover::Begun(stream));
        }
    }
    let unreadable = |error: std::io::Error| ReadError::Unavailable(format!("{}: {error}", folder.display()));
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        if !OWN_FILES.iter().any(|own| name.to_string_lossy().starts_with(own)) {
            return Ok(Leftover::Foreign("no tenant's: it holds other files than a tenant's"));
        }
    }
    if stream_of(&log)?.is_none() && was_filled(folder) {
        return Ok(Leftover::Foreign("a tenant's whose log.db is missing or empty; put it back"));
    }
    Ok(Leftover::Empty)
}

/// Whether a log was there once: its file is complete before any other is made.
pub(super) fn was_filled(folder: &Path) -> bool {
    OWN_FILES.iter().filter(|own| **own != sqlite::FILE).any(|own| folder.join(own).exists())
}
