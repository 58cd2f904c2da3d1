//! Reading the view: who was known by what, what happened when, who had access.
//!
//! Every answer is read from one committed state, and no transaction outlives a call. `at` questions are asked in
//! two steps: [`HistoryReader::revision_at`] turns the instant into a revision, everything else speaks of that.

use std::collections::HashMap;
use std::path::Path;

use provisioning::{ResourceId, Revision, Timestamp};
use rusqlite::{CachedStatement, Connection, params};
use scim::ResourceType;
use scim::fold::fold;

use super::{Accepted, AccessRow, LAYOUT, MembershipInterval, failed, instants, intervals};
use crate::column::{Column, read, read_optional};
use crate::{Position, ViewError, query, view};

/// The version `v` of the resource `u` that was true after the event at `?1`. The inner `u.rid` is not `v.rid`, so
/// that the revision is known before `v` is looked up.
pub(super) const VERSION_THEN: &str = "\
    versions AS v ON v.rid = u.rid
    AND v.revision = (SELECT max(w.revision) FROM versions AS w WHERE w.rid = u.rid AND w.revision <= ?1)";

/// The groups that `?1` was a direct member of after the event at `?2`.
pub(super) const GROUPS_THEN: &str = "\
    SELECT group_rid FROM memberships AS m
    WHERE member_rid = ?1 AND from_revision <= ?2 AND (to_revision IS NULL OR to_revision > ?2)
    ORDER BY group_rid";

/// A read-only connection.
pub struct HistoryReader {
    pub(super) connection: Connection,
}

impl HistoryReader {
    /// Opens the view for reading.
    pub fn open(path: &Path) -> Result<Self, ViewError> {
        Ok(Self { connection: LAYOUT.open_read_only(path)? })
    }

    /// How far the view has come.
    pub fn position(&self) -> Result<Position, ViewError> {
        view::position(&self.connection).map_err(failed)
    }

    /// Users that are or ever were known by this id, userName or e-mail address (folded), oldest first; deleted
    /// ones too.
    pub fn users_known_as(&self, name: &str) -> Result<Vec<ResourceId>, ViewError> {
        self.known_as(ResourceType::User, name)
    }

    /// Groups that are or ever were known by this id or displayName (folded), oldest first.
    pub fn groups_known_as(&self, name: &str) -> Result<Vec<ResourceId>, ViewError> {
        self.known_as(ResourceType::Group, name)
    }

    fn known_as(&self, resource_type: ResourceType, name: &str) -> Result<Vec<ResourceId>, ViewError> {
        query::all(
            &self.connection,
            "SELECT id FROM resources
             WHERE type = ?1 AND rid IN (SELECT rid FROM names WHERE folded = ?2 AND type = ?1
                                         UNION ALL SELECT rid FROM resources WHERE id = ?2)
             ORDER BY rid",
            params![Column(resource_type), fold(name)],
            |row| read(row, 0),
        )
        .map_err(failed)
    }

    /// Revisions of all events about this resource, ascending; membership events of groups are not among them.
    pub fn revisions_of(&self, id: ResourceId) -> Result<Vec<Revision>, ViewError> {
        query::all(
            &self.connection,
            "SELECT revision FROM versions WHERE rid = (SELECT rid FROM resources WHERE id = ?1) ORDER BY revision",
            [Column(id)],
            |row| read(row, 0),
        )
        .map_err(failed)
    }

    /// All intervals in which the resource was a direct member of something, in order of their beginning.
    pub fn memberships_of(&self, member: ResourceId) -> Result<Vec<MembershipInterval>, ViewError> {
        intervals::of_member(&self.connection, member).map_err(failed)
    }

    /// A resource's name (userName or displayName) after the event at `revision`; `None` if it had none then. A
    /// deleted resource keeps the name that it had last.
    pub fn name_at(&self, id: ResourceId, revision: Revision) -> Result<Option<String>, ViewError> {
        query::one(
            &self.connection,
            "SELECT name FROM versions WHERE rid = (SELECT rid FROM resources WHERE id = ?1) AND revision <= ?2
             ORDER BY revision DESC LIMIT 1",
            params![Column(id), Column(revision)],
            |row| row.get(0),
        )
        .map(Option::flatten)
        .map_err(failed)
    }

    /// The last revision whose effective time is not after `at` (the effective time of an event is the least
    /// `recorded_at` of itself and all later events); only ends of transactions count.
    pub fn revision_at(&self, at: Timestamp) -> Result<Revision, ViewError> {
        instants::revision_at(&self.connection, at).map_err(failed)
    }

    /// Users who existed and were active after the event at `revision`, oldest first; with `group`, only direct
    /// members of it.
    pub fn access_at(
        &self,
        revision: Revision,
        group: Option<ResourceId>,
    ) -> Result<Vec<AccessRow>, ViewError> {
        self.access(revision, group).map_err(failed)
    }

    fn access(&self, revision: Revision, group: Option<ResourceId>) -> rusqlite::Result<Vec<AccessRow>> {
        let snapshot = self.connection.unchecked_transaction()?;
        let mut groups = GroupsThen::new(&snapshot, revision)?;
        let rows =
            query::all(&snapshot, &users_then(group), params![Column(revision), group.map(Column)], |row| {
                Ok(AccessRow {
                    id: read(row, 1)?,
                    user_name: row.get(2)?,
                    active: row.get(3)?,
                    groups: groups.of(read(row, 0)?)?,
                })
            })?;
        drop(groups);
        snapshot.finish()?;
        Ok(rows)
    }

    /// When the broker accepted the deprovisioning message of that event.
    pub fn accepted(&self, revision: Revision) -> Result<Option<Accepted>, ViewError> {
        let accepted = "SELECT sequence, at FROM published WHERE revision = ?1";
        query::one(&self.connection, accepted, [Column(revision)], |row| {
            Ok(Accepted { revision, sequence: read(row, 0)?, at: read(row, 1)? })
        })
        .map_err(failed)
    }

    /// The greatest revision that a `deprovisioning.published` event names.
    pub fn last_accepted(&self) -> Result<Option<Revision>, ViewError> {
        let last = "SELECT max(revision) FROM published";
        query::one(&self.connection, last, [], |row| read_optional(row, 0))
            .map(Option::flatten)
            .map_err(failed)
    }

    /// Which of these members lost their membership of the group by an event before `revision`.
    pub fn lost_before(
        &self,
        group: ResourceId,
        members: &[(ResourceId, ResourceType)],
        revision: Revision,
    ) -> Result<Vec<ResourceId>, ViewError> {
        let read = || {
            let snapshot = self.connection.unchecked_transaction()?;
            let ids = members.iter().map(|(id, _)| *id);
            let lost = intervals::lost_before(&snapshot, group, ids, revision)?;
            snapshot.finish()?;
            Ok(lost)
        };
        read().map_err(failed)
    }
}

/// Active users after the event at `?1`; with a group, only its members then, and `?2` is its id.
pub(super) fn users_then(group: Option<ResourceId>) -> String {
    let which = match group {
        Some(_) => {
            "u.rid IN (SELECT m.member_rid FROM memberships AS m
                       WHERE m.group_rid = (SELECT g.rid FROM resources AS g WHERE g.id = ?2)
                         AND m.from_revision <= ?1 AND (m.to_revision IS NULL OR m.to_revision > ?1))"
        }
        None => "?2 IS NULL",
    };
    format!(
        "SELECT u.rid, u.id, v.name, v.active FROM resources AS u JOIN {VERSION_THEN}
         WHERE u.type = 'User' AND u.rid <= ?1 AND v.active = 1 AND {which}
         ORDER BY u.rid"
    )
}

/// Groups of users after one revision. A group's id and name are read once, however many members it had.
struct GroupsThen<'c> {
    revision: Revision,
    memberships: CachedStatement<'c>,
    group: CachedStatement<'c>,
    known: HashMap<Revision, (ResourceId, Option<String>)>,
}

impl<'c> GroupsThen<'c> {
    fn new(connection: &'c Connection, revision: Revision) -> rusqlite::Result<Self> {
        Ok(Self {
            revision,
            memberships: connection.prepare_cached(GROUPS_THEN)?,
            group: connection.prepare_cached(&format!(
                "SELECT u.id, v.name FROM resources AS u JOIN {VERSION_THEN} WHERE u.rid = ?2"
            ))?,
            known: HashMap::new(),
        })
    }

    fn of(&mut self, user_rid: Revision) -> rusqlite::Result<Vec<(ResourceId, Option<String>)>> {
        let mut groups = Vec::new();
        let mut rows = self.memberships.query(params![Column(user_rid), Column(self.revision)])?;
        while let Some(row) = rows.next()? {
            let group_rid = read(row, 0)?;
            if !self.known.contains_key(&group_rid) {
                let keys = params![Column(self.revision), Column(group_rid)];
                let group = self.group.query_row(keys, |row| Ok((read(row, 0)?, row.get(1)?)))?;
                self.known.insert(group_rid, group);
            }
            groups.push(self.known[&group_rid].clone());
        }
        Ok(groups)
    }
}
