//! What was after a revision: which resources there were, and what they said of each other.
//!
//! Revisions are ends of transactions that the view has taken in. What these methods tell of one never changes,
//! but for [`Past::lasts`], so that pages of a list need no snapshot of this view.

use provisioning::{ResourceId, Revision};
use rusqlite::{Row, params};
use scim::ResourceType;

use super::reader::VERSION_THEN;
use super::{HistoryReader, Past, failed};
use crate::column::{Column, integer, read};
use crate::current::{GroupRef, MemberRow};
use crate::{ViewError, query};

impl HistoryReader {
    /// Where a stretch of at most `limit` resources ends that begins behind `after`: its last one that was created
    /// at or before `revision`. `None`: there is none behind it.
    pub fn stretch_end(
        &self,
        revision: Revision,
        after: Revision,
        limit: usize,
    ) -> Result<Option<Revision>, ViewError> {
        let values = params![Column(after), Column(revision), integer(limit as u64)];
        let last = query::one(&self.connection, STRETCH, values, |row| {
            row.get::<_, Option<Column<Revision>>>(0).map(|last| last.map(|Column(rid)| rid))
        });
        last.map(Option::flatten).map_err(failed)
    }

    /// The resources in a stretch that were there after `revision` and are another today, in order of creation.
    pub fn changed_since(
        &self,
        revision: Revision,
        after: Revision,
        up_to: Revision,
    ) -> Result<Vec<Past>, ViewError> {
        let values = params![Column(revision), Column(after), Column(up_to)];
        query::all(&self.connection, &changed_since(), values, past).map_err(failed)
    }

    /// The resource of this creation as it was after `revision`; `None` if it was not there.
    pub fn past(&self, revision: Revision, created: Revision) -> Result<Option<Past>, ViewError> {
        let values = params![Column(revision), Column(created)];
        query::one(&self.connection, &pasts("u.rid = ?2 AND u.rid <= ?1"), values, past).map_err(failed)
    }

    /// Revisions of the events up to `revision` whose fold is the resource's document.
    pub fn events_of(&self, revision: Revision, created: Revision) -> Result<Vec<Revision>, ViewError> {
        let events = "SELECT revision FROM versions WHERE rid = ?2 AND revision <= ?1 ORDER BY revision";
        let values = params![Column(revision), Column(created)];
        query::all(&self.connection, events, values, |row| read(row, 0)).map_err(failed)
    }

    /// How many resources of a type there were after `revision`, hidden ones included.
    pub fn count_then(&self, revision: Revision, resource_type: ResourceType) -> Result<u64, ViewError> {
        let count = format!(
            "SELECT count(*) FROM resources AS u JOIN {VERSION_THEN}
             WHERE u.type = ?2 AND u.rid <= ?1 AND v.state <> 2"
        );
        let values = params![Column(revision), Column(resource_type)];
        query::one(&self.connection, &count, values, |row| read(row, 0))
            .map(Option::unwrap_or_default)
            .map_err(failed)
    }

    /// The groups that had this resource as a direct member after `revision`, in order of their creation.
    pub fn groups_then(&self, revision: Revision, member: ResourceId) -> Result<Vec<GroupRef>, ViewError> {
        query::all(&self.connection, &groups_then(), params![Column(revision), Column(member)], |row| {
            Ok(GroupRef { id: read(row, 0)?, display: row.get(1)? })
        })
        .map_err(failed)
    }

    /// Direct members of a group after `revision` in order of their creation, behind `after`, at most `limit`;
    /// whoever had not signed in yet is left out.
    pub fn members_then(
        &self,
        revision: Revision,
        group: ResourceId,
        after: Option<ResourceId>,
        limit: usize,
    ) -> Result<Vec<MemberRow>, ViewError> {
        let values = params![Column(revision), Column(group), after.map(Column), integer(limit as u64)];
        query::all(&self.connection, &members_then(), values, |row| {
            Ok(MemberRow { id: read(row, 0)?, resource_type: read(row, 1)?, display: row.get(2)? })
        })
        .map_err(failed)
    }
}

pub(super) const STRETCH: &str = "\
    SELECT max(rid) FROM (SELECT rid FROM resources WHERE rid > ?1 AND rid <= ?2 ORDER BY rid LIMIT ?3)";

pub(super) fn changed_since() -> String {
    pasts("u.rid > ?2 AND u.rid <= ?3 AND u.last_revision > ?1")
}

/// Resources that were there after `?1`. All events of a transaction are recorded at one instant, which stands at
/// its end.
fn pasts(which: &str) -> String {
    format!(
        "SELECT p.rid, p.id, p.type, p.name, p.state, p.erased, p.revision,
                (SELECT t.recorded_at FROM transactions AS t WHERE t.revision >= p.revision
                 ORDER BY t.revision LIMIT 1),
                p.last_revision <= ?1
         FROM (SELECT u.rid, u.id, u.type, v.name, v.state, v.erased, u.last_revision,
                      max(v.revision, ifnull((SELECT max(c.revision) FROM member_changes AS c
                                              WHERE c.group_rid = u.rid AND c.revision <= ?1), 0)) AS revision
               FROM resources AS u JOIN {VERSION_THEN}
               WHERE {which} AND v.state <> 2) AS p
         ORDER BY p.rid"
    )
}

fn past(row: &Row<'_>) -> rusqlite::Result<Past> {
    Ok(Past {
        created_revision: read(row, 0)?,
        id: read(row, 1)?,
        resource_type: read(row, 2)?,
        name: row.get(3)?,
        hidden: row.get::<_, i64>(4)? == 1,
        erased: row.get(5)?,
        revision: read(row, 6)?,
        modified_at: read(row, 7)?,
        lasts: row.get(8)?,
    })
}

/// `?2`: the member's id.
pub(super) fn groups_then() -> String {
    format!(
        "SELECT u.id, ifnull(v.name, '')
         FROM memberships AS m JOIN resources AS u ON u.rid = m.group_rid JOIN {VERSION_THEN}
         WHERE m.member_rid = (SELECT rid FROM resources WHERE id = ?2)
           AND m.from_revision <= ?1 AND (m.to_revision IS NULL OR m.to_revision > ?1)
         ORDER BY m.group_rid"
    )
}

/// `?2`: the group's id; `?3`: the id that the page goes on behind, or null; `?4`: the size of the page.
pub(super) fn members_then() -> String {
    format!(
        "SELECT u.id, u.type, coalesce(v.display, v.name, '')
         FROM memberships AS m JOIN resources AS u ON u.rid = m.member_rid JOIN {VERSION_THEN}
         WHERE m.group_rid = (SELECT rid FROM resources WHERE id = ?2)
           AND m.member_rid > ifnull((SELECT rid FROM resources WHERE id = ?3), 0)
           AND m.from_revision <= ?1 AND (m.to_revision IS NULL OR m.to_revision > ?1)
           AND v.state = 0 AND v.invited = 0
         ORDER BY m.member_rid LIMIT ?4"
    )
}
