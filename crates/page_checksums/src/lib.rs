//! SQLite files whose pages bear a checksum, which is checked whenever a page is read.
//!
//! SQLite finds a damaged page only if its structure is damaged: a flipped bit in a value is handed on. Files that are
//! opened here keep the last bytes of each page for a CRC-32 over the page and its number. A page that was changed by
//! anything but a connection of this package, or that stands in another page's place, is an error that
//! [`is_damage`] knows, never an answer. The same holds for pages that are still in the write-ahead log: each bears a
//! mark there, which is checked whenever it is read, by a reader or to be copied into the file. [`wal::fault`] looks
//! through a log that a crash left behind.

use std::ffi::c_void;
use std::path::Path;

use rusqlite::{Connection, Error, OpenFlags, ffi};

mod frame;
mod gathered;
mod vfs;
pub mod wal;

#[cfg(test)]
mod tests;

/// How many bytes at the end of each page are the checksum.
const CHECKSUM_BYTES: usize = 4;
/// How many bytes at the end of each page SQLite leaves to this package: in the write-ahead log it takes more.
const RESERVED_BYTES: usize = frame::MARK_BYTES;
/// Where a file's first page says so.
const RESERVED_AT: usize = 20;
/// No page of SQLite is larger.
const PAGE_BYTES_MAX: usize = 65_536;

/// Opens a file whose pages bear checksums; with [`OpenFlags::SQLITE_OPEN_CREATE`] makes one. A file that was made
/// otherwise reads as damaged.
pub fn open(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    vfs::register()?;
    let connection = Connection::open_with_flags_and_vfs(path, flags, vfs::NAME)?;
    vfs::reserve(&connection)?;
    Ok(connection)
}

/// Whether SQLite says that stored bytes are not what was written: a page without its checksum, or one whose
/// structure is wrong.
pub fn is_damage(error: &Error) -> bool {
    let Error::SqliteFailure(error, _) = error else { return false };
    error.extended_code == ffi::SQLITE_IOERR_DATA
        || matches!(error.code, ffi::ErrorCode::DatabaseCorrupt | ffi::ErrorCode::NotADatabase)
}

/// What SQLite says of a failure, or, where it only says that reading failed, what is behind that.
pub fn reason(error: &Error) -> String {
    match error {
        Error::SqliteFailure(failure, _) if failure.extended_code == ffi::SQLITE_IOERR_DATA => {
            "a page is not as it was written: the disk or another program has changed it".to_owned()
        }
        _ => error.to_string(),
    }
}

fn is_page_size(bytes: usize) -> bool {
    bytes.is_power_of_two() && (512..=PAGE_BYTES_MAX).contains(&bytes)
}

/// The number of the page that is read or written at an offset, if it is a page: SQLite also looks at the header of
/// a file alone, which is checked as a part of its page.
fn page_number(amount: usize, offset: i64) -> Option<u64> {
    let offset = u64::try_from(offset).ok()?;
    let page = is_page_size(amount) && offset.is_multiple_of(amount as u64);
    page.then(|| offset / amount as u64 + 1)
}

/// Over a page and its place.
fn checksum(number: u64, content: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&number.to_le_bytes());
    crc.update(content);
    crc.finalize().to_le_bytes()
}

fn is_whole(number: u64, page: &[u8]) -> bool {
    let has_room = number != 1 || usize::from(page[RESERVED_AT]) == RESERVED_BYTES;
    has_room && page.split_last_chunk().is_some_and(|(content, sum)| *sum == checksum(number, content))
}

fn completed(number: u64, page: &[u8]) -> Vec<u8> {
    let content = &page[..page.len() - CHECKSUM_BYTES];
    [content, &checksum(number, content)].concat()
}
