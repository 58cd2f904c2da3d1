//! Direct memberships: the statements that change and read them, for the writer and the readers.
//!
//! Members are rows, keyed by row numbers: adding one to a group of 100,000 costs what it costs in a group of 10.

use provisioning::{ResourceId, Revision};
use rusqlite::Connection;

use super::GroupRef;
use crate::column::{Column, read};
use crate::query;

/// Adding a member who is one already changes nothing.
pub(super) const ADD: &str = "INSERT OR IGNORE INTO memberships (group_rid, member_rid) VALUES (?1, ?2)";

/// Removing somebody who is no member changes nothing.
pub(super) const REMOVE: &str = "DELETE FROM memberships WHERE group_rid = ?1 AND member_rid = ?2";

/// The groups that have this resource as a direct member, in order of their creation.
pub(super) fn groups_of(connection: &Connection, member: ResourceId) -> rusqlite::Result<Vec<GroupRef>> {
    let groups = "SELECT g.id, ifnull(g.display, '')
                  FROM memberships AS m JOIN resources AS g ON g.rid = m.group_rid
                  WHERE m.member_rid = (SELECT rid FROM resources WHERE id = ?1)
                  ORDER BY m.group_rid";
    query::all(connection, groups, [Column(member)], |row| {
        Ok(GroupRef { id: read(row, 0)?, display: row.get(1)? })
    })
}

/// Where a page of members goes on: after this row number. The last one of the page before may have been deleted
/// since; an id that the log never named is after everything.
pub(super) fn row_number_of(
    connection: &Connection,
    after: Option<ResourceId>,
) -> rusqlite::Result<Revision> {
    let Some(id) = after else { return Ok(Revision::ZERO) };
    let rid = "SELECT rid FROM resources WHERE id = ?1 UNION ALL SELECT rid FROM deleted WHERE id = ?1";
    query::one(connection, rid, [Column(id)], |row| read(row, 0)).map(|rid| rid.unwrap_or(Revision(u64::MAX)))
}
