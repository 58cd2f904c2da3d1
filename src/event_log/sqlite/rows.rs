//! Reading and checking the rows of the log. Whatever does not fit is reported with its revision.
//!
//! All functions take a connection in autocommit: rows are never changed, so several statements in a row need no
//! snapshot, and none holds up a checkpoint for long.

use provisioning::Revision;
use rusqlite::{Connection, OptionalExtension, params};

use crate::event_log::{READ_BYTES_MAX, ReadError, StoredEvent};
use crate::merkle::{Frontier, Hash, hashes_completed, leaf_hash};
use crate::sqlite_file::is_damage;

/// How many headers one statement reads when the tree is recomputed.
const CHECKED_AT_ONCE: i64 = 1_024;

/// SQLite's signed integer; a revision beyond it is as good as infinite.
pub(super) fn sql(revision: Revision) -> i64 {
    i64::try_from(revision.0).unwrap_or(i64::MAX)
}

/// What SQLite says while reading at `revision`.
pub(super) fn failed(error: &rusqlite::Error, revision: Revision) -> ReadError {
    if is_damage(error) {
        corrupt(revision, error.to_string())
    } else {
        ReadError::Unavailable(error.to_string())
    }
}

fn corrupt(revision: Revision, reason: impl Into<String>) -> ReadError {
    ReadError::Corrupt { revision, reason: reason.into() }
}

/// The last revision in the file.
pub(super) fn last_revision(connection: &Connection) -> Result<Revision, ReadError> {
    let last = connection
        .prepare_cached("SELECT coalesce(max(revision), 0) FROM events")
        .and_then(|mut statement| statement.query_row([], |row| row.get::<_, i64>(0)))
        .map_err(|error| failed(&error, Revision::ZERO))?;
    u64::try_from(last).map(Revision).map_err(|_| corrupt(Revision::ZERO, "a revision is negative"))
}

/// Events behind `after`. `head`, where known, is what must be there at least.
pub(super) fn read(
    connection: &Connection,
    after: Revision,
    limit: usize,
    head: Option<Revision>,
) -> Result<Vec<StoredEvent>, ReadError> {
    let limit = limit.max(1);
    let mut events = Vec::new();
    let mut bytes = 0;
    let mut next = after.next();
    let mut statement = connection
        .prepare_cached(
            "SELECT revision, header, payload, hashes FROM events WHERE revision > ?1 ORDER BY revision LIMIT ?2",
        )
        .map_err(|error| failed(&error, next))?;
    let mut rows = statement
        .query(params![sql(after), i64::try_from(limit).unwrap_or(i64::MAX)])
        .map_err(|error| failed(&error, next))?;
    while bytes < READ_BYTES_MAX
        && let Some(row) = rows.next().map_err(|error| failed(&error, next))?
    {
        let (event, _) = decode(row, next)?;
        bytes += event.header.len() + event.payload.as_ref().map_or(0, Vec::len);
        events.push(event);
        next = next.next();
    }
    let exhausted = events.len() < limit && bytes < READ_BYTES_MAX;
    if exhausted && head.is_some_and(|head| next <= head) {
        return Err(corrupt(next, "the event is missing"));
    }
    Ok(events)
}

/// The event of a row that has to be the `expected` one, and the hashes that are stored with it.
fn decode(row: &rusqlite::Row<'_>, expected: Revision) -> Result<(StoredEvent, Vec<Hash>), ReadError> {
    let unreadable = |_| corrupt(expected, "the row does not have the columns of an event");
    let revision: i64 = row.get(0).map_err(|error| failed(&error, expected))?;
    if revision != sql(expected) {
        return Err(corrupt(expected, "the event is missing"));
    }
    let column = |index| row.get_ref(index).map_err(|error| failed(&error, expected));
    let header = column(1)?.as_bytes().map_err(unreadable)?.to_vec();
    let payload = column(2)?.as_blob_or_null().map_err(unreadable)?.map(<[u8]>::to_vec);
    let hashes = split_hashes(column(3)?.as_blob().map_err(unreadable)?, expected)?;
    if hashes[0] != leaf_hash(&header) {
        return Err(corrupt(expected, "the header does not have the hash that was stored with it"));
    }
    Ok((StoredEvent { revision: expected, header, payload }, hashes))
}

/// Recomputes the tree over the headers up to `size`, or up to the last one, and compares it with what is stored:
/// the first event that does not fit is named. Answers the tree.
pub(super) fn checked_tree(connection: &Connection, size: Revision) -> Result<Frontier, ReadError> {
    let mut tree = Frontier::default();
    while tree.size() < size.0 {
        let before = tree.size();
        check_some(connection, &mut tree, size)?;
        if tree.size() == before {
            break;
        }
    }
    Ok(tree)
}

/// Takes the next events into the tree: some, so that no statement holds up a checkpoint for long.
fn check_some(connection: &Connection, tree: &mut Frontier, size: Revision) -> Result<(), ReadError> {
    let mut next = Revision(tree.size()).next();
    let mut statement = connection
        .prepare_cached(
            "SELECT revision, header, NULL, hashes FROM events WHERE revision BETWEEN ?1 AND ?2
             ORDER BY revision LIMIT ?3",
        )
        .map_err(|error| failed(&error, next))?;
    let mut rows = statement
        .query(params![sql(next), sql(size), CHECKED_AT_ONCE])
        .map_err(|error| failed(&error, next))?;
    while let Some(row) = rows.next().map_err(|error| failed(&error, next))? {
        let (event, stored) = decode(row, next)?;
        if tree.push(leaf_hash(&event.header)) != stored {
            return Err(unfitting(next));
        }
        next = next.next();
    }
    Ok(())
}

fn unfitting(revision: Revision) -> ReadError {
    corrupt(revision, "the hashes that were stored with the event do not fit those before it")
}

/// The ids of the events behind `after`, at most `limit`.
pub(super) fn ids(connection: &Connection, after: Revision, limit: usize) -> Result<Vec<String>, ReadError> {
    let query = || -> rusqlite::Result<Vec<String>> {
        connection
            .prepare_cached("SELECT id FROM events WHERE revision > ?1 ORDER BY revision LIMIT ?2")?
            .query_map(params![sql(after), i64::try_from(limit).unwrap_or(i64::MAX)], |row| row.get(0))?
            .collect()
    };
    query().map_err(|error| failed(&error, after.next()))
}

/// The hashes that are stored with an event: its leaf, and the inner nodes that it completes.
fn hashes(connection: &Connection, revision: Revision) -> Result<Vec<Hash>, ReadError> {
    let stored: Option<Vec<u8>> = connection
        .prepare_cached("SELECT hashes FROM events WHERE revision = ?1")
        .and_then(|mut statement| statement.query_row([sql(revision)], |row| row.get(0)).optional())
        .map_err(|error| failed(&error, revision))?;
    split_hashes(&stored.ok_or_else(|| corrupt(revision, "the event is missing"))?, revision)
}

/// The frontier of the tree over the first `size` events.
pub(super) fn frontier(connection: &Connection, size: Revision) -> Result<Frontier, ReadError> {
    Frontier::load(size.0, |leaf| hashes(connection, Revision(leaf)))
}

/// The frontier over the whole log, after checking that its last event fits what lies before it.
pub(super) fn checked_tail(connection: &Connection) -> Result<Frontier, ReadError> {
    let last = last_revision(connection)?;
    // Nothing asks for such a row, but whoever put it there may have changed more.
    let first: Option<i64> = connection
        .query_row("SELECT min(revision) FROM events", [], |row| row.get(0))
        .map_err(|error| failed(&error, Revision::ZERO))?;
    if first.is_some_and(|first| first < 1) {
        return Err(corrupt(Revision(1), "there is a row before the first event"));
    }
    let Some(before) = last.0.checked_sub(1).map(Revision) else { return Ok(Frontier::default()) };
    let mut tail = frontier(connection, before)?;
    let event = read(connection, before, 1, Some(last))?.pop();
    let completed = event.map(|event| tail.push(leaf_hash(&event.header)));
    if completed != Some(hashes(connection, last)?) {
        return Err(unfitting(last));
    }
    Ok(tail)
}

fn split_hashes(stored: &[u8], revision: Revision) -> Result<Vec<Hash>, ReadError> {
    let (hashes, rest) = stored.as_chunks();
    if !rest.is_empty() || hashes.len() != hashes_completed(revision.0) {
        return Err(corrupt(revision, "the event is stored with a wrong number of hashes"));
    }
    Ok(hashes.to_vec())
}
