//! When transactions took effect.
//!
//! `recorded_at` never decreases but where an operator accepted a clock that was set back. An event's effective
//! time is the least `recorded_at` of itself and all later events (event format, section 5), so that "at noon" has
//! one answer even if the clock saw noon twice: the later state.

use provisioning::{Revision, Timestamp};
use rusqlite::{Connection, params};

use crate::column::{Column, read};
use crate::query;

/// When the last transaction took effect: the latest instant of all.
pub(super) fn latest(connection: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let latest = "SELECT effective_at FROM transactions ORDER BY revision DESC LIMIT 1";
    query::one(connection, latest, [], |row| read(row, 0))
}

/// Notes the end of a transaction that follows the one of `latest` and becomes the latest.
pub(super) fn note(
    connection: &Connection,
    revision: Revision,
    recorded_at: Timestamp,
    latest: &mut Option<Timestamp>,
) -> rusqlite::Result<()> {
    if latest.replace(recorded_at).is_some_and(|before| before > recorded_at) {
        let set_back = "UPDATE transactions SET effective_at = ?1 WHERE effective_at > ?1";
        query::execute(connection, set_back, [Column(recorded_at)])?;
    }
    let insert = "INSERT INTO transactions (revision, recorded_at, effective_at) VALUES (?1, ?2, ?2)";
    query::execute(connection, insert, params![Column(revision), Column(recorded_at)])
}

/// The end of the last transaction that had taken effect at that instant; 0 if none had.
pub(super) fn revision_at(connection: &Connection, at: Timestamp) -> rusqlite::Result<Revision> {
    let last = "SELECT revision FROM transactions WHERE effective_at <= ?1
                ORDER BY effective_at DESC, revision DESC LIMIT 1";
    query::one(connection, last, [Column(at)], |row| read(row, 0)).map(Option::unwrap_or_default)
}
