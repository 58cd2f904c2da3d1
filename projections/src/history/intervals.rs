//! Memberships as intervals: begun by one event, ended by another or still open.
//!
//! An interval holds its first revision and not its last: after the event that ends it the membership is over.

use provisioning::{ResourceId, Revision};
use rusqlite::{Connection, Row, params};

use super::MembershipInterval;
use crate::column::{Column, read, read_optional};
use crate::query;

/// Group, member, revision: begins an interval unless one is open.
pub(super) const BEGIN: &str = "INSERT INTO memberships (group_rid, member_rid, from_revision)
     SELECT ?1, ?2, ?3 WHERE NOT EXISTS (
         SELECT 1 FROM memberships WHERE group_rid = ?1 AND member_rid = ?2 AND to_revision IS NULL)";

/// Group, member, revision: ends the open interval if there is one.
pub(super) const END: &str = "UPDATE memberships SET to_revision = ?3
     WHERE group_rid = ?1 AND member_rid = ?2 AND to_revision IS NULL";

/// All intervals of a member, in order of their beginning.
pub(super) fn of_member(
    connection: &Connection,
    member: ResourceId,
) -> rusqlite::Result<Vec<MembershipInterval>> {
    // All events of a transaction are recorded at one instant, which stands at its end.
    let intervals = "SELECT g.id, m.from_revision,
            (SELECT t.recorded_at FROM transactions AS t WHERE t.revision >= m.from_revision ORDER BY t.revision LIMIT 1),
            m.to_revision,
            (SELECT t.recorded_at FROM transactions AS t WHERE t.revision >= m.to_revision ORDER BY t.revision LIMIT 1)
         FROM memberships AS m JOIN resources AS g ON g.rid = m.group_rid
         WHERE m.member_rid = (SELECT rid FROM resources WHERE id = ?1)
         ORDER BY m.from_revision, m.group_rid";
    let interval = |row: &Row<'_>| {
        Ok(MembershipInterval {
            group: read(row, 0)?,
            member,
            from_revision: read(row, 1)?,
            from: read(row, 2)?,
            to_revision: read_optional(row, 3)?,
            to: read_optional(row, 4)?,
        })
    };
    query::all(connection, intervals, [Column(member)], interval)
}

/// Which of these members lost their membership of the group by an event before `revision`, in the order given.
pub(super) fn lost_before(
    connection: &Connection,
    group: ResourceId,
    members: impl Iterator<Item = ResourceId>,
    revision: Revision,
) -> rusqlite::Result<Vec<ResourceId>> {
    let mut query = connection.prepare_cached(
        "SELECT 1 FROM memberships
         WHERE group_rid = (SELECT rid FROM resources WHERE id = ?1)
           AND member_rid = (SELECT rid FROM resources WHERE id = ?2) AND to_revision < ?3",
    )?;
    let mut lost = Vec::new();
    for member in members {
        if query.exists(params![Column(group), Column(member), Column(revision)])? {
            lost.push(member);
        }
    }
    Ok(lost)
}
