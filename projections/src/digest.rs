//! Digests of all tables of a view, by which two views are compared row for row.
//!
//! A digest covers every value of every row, in the order of the primary key, with its type: two tables have the
//! same one only if they hold the same rows. Indexes and SQLite's own tables hold nothing of their own.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use sha2::{Digest, Sha256};

use crate::{Position, ViewError, view};

#[cfg(test)]
mod tests;

/// What the errors here call the file: either view may be behind it.
const VIEW: &str = "view";

/// For each table the lower-case hex SHA-256 over all its rows, from one state of the file.
pub fn tables(path: &Path) -> Result<BTreeMap<String, String>, ViewError> {
    tables_at(path).map(|(_, tables)| tables)
}

/// The same, with the position of that state: what another view must have reached to be compared with it.
pub fn tables_at(path: &Path) -> Result<(Position, BTreeMap<String, String>), ViewError> {
    let digest = || {
        // Not read-only: only a connection that may write removes the WAL when it is the last to close.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = page_checksums::open(path, flags)?;
        connection.pragma_update(None, "query_only", true)?;
        connection.busy_timeout(view::BUSY_TIMEOUT)?;
        let snapshot = connection.unchecked_transaction()?;
        let position = view::position(&snapshot)?;
        let tables = table_names(&snapshot)?
            .into_iter()
            .map(|name| table(&snapshot, &name).map(|digest| (name, digest)))
            .collect::<rusqlite::Result<_>>()?;
        Ok((position, tables))
    };
    digest().map_err(|source| view::failed(VIEW, source))
}

/// The names of the tables that differ or stand on one side only, sorted.
pub fn compare(a: &BTreeMap<String, String>, b: &BTreeMap<String, String>) -> Vec<String> {
    let differs = |name: &&String| a.get(*name) != b.get(*name);
    let only_b = b.keys().filter(|name| !a.contains_key(*name));
    let mut names: Vec<_> = a.keys().chain(only_b).filter(differs).cloned().collect();
    names.sort_unstable();
    names
}

fn table_names(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let query =
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    connection.prepare(query)?.query_map([], |row| row.get(0))?.collect()
}

fn table(connection: &Connection, name: &str) -> rusqlite::Result<String> {
    let key: Vec<String> = connection
        .prepare("SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk")?
        .query_map([name], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let key: Vec<_> = key.iter().map(|column| quoted(column)).collect();
    let mut query =
        connection.prepare(&format!("SELECT * FROM {} ORDER BY {}", quoted(name), key.join(", ")))?;
    let columns = query.column_count();
    let mut digest = Sha256::new();
    for column in query.column_names() {
        add_bytes(&mut digest, b'c', column.as_bytes());
    }
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        for column in 0..columns {
            add(&mut digest, row.get_ref(column)?);
        }
    }
    Ok(hex::encode(digest.finalize()))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A tag for the type, the length where it varies, the bytes: no two sequences of values are the same bytes.
fn add(digest: &mut Sha256, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => digest.update(b"n"),
        ValueRef::Integer(number) => {
            digest.update(b"i");
            digest.update(number.to_be_bytes());
        }
        ValueRef::Real(number) => {
            digest.update(b"r");
            digest.update(number.to_bits().to_be_bytes());
        }
        ValueRef::Text(text) => add_bytes(digest, b't', text),
        ValueRef::Blob(bytes) => add_bytes(digest, b'b', bytes),
    }
}

fn add_bytes(digest: &mut Sha256, tag: u8, bytes: &[u8]) {
    digest.update([tag]);
    digest.update((bytes.len() as u64).to_be_bytes());
    digest.update(bytes);
}
