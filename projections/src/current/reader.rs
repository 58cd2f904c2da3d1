//! Reading the view: single resources, members, groups, the tenancy.
//!
//! A reader sees committed states only and never holds one for long: no transaction outlives a call, since an open
//! one would keep the WAL growing. Documents are handed on as text; nothing here parses one.

use std::path::Path;

use provisioning::tenancy::Tenancy;
use provisioning::{ResourceId, Revision, Status};
use rusqlite::{Connection, Row, params};
use scim::ResourceType;

use super::{GroupRef, LAYOUT, MemberRow, StoredResource, failed, membership, rows, tenancy};
use crate::column::{Column, integer, read};
use crate::{Position, ViewError, filter_sql, query, view};

/// A read-only connection. Each statement reads a committed state; no transaction outlives a call.
pub struct CurrentReader {
    pub(crate) connection: Connection,
}

impl CurrentReader {
    /// Opens the view for reading.
    pub fn open(path: &Path) -> Result<Self, ViewError> {
        let connection = LAYOUT.open_read_only(path)?;
        filter_sql::register_functions(&connection).map_err(failed)?;
        Ok(Self { connection })
    }

    /// How far the view has come.
    pub fn position(&self) -> Result<Position, ViewError> {
        view::position(&self.connection).map_err(failed)
    }

    /// One visible resource; `domain` chooses its `externalId`.
    pub fn resource(
        &self,
        resource_type: ResourceType,
        id: ResourceId,
        domain: Option<&str>,
    ) -> Result<Option<StoredResource>, ViewError> {
        let alone = self.resource_and(resource_type, id, domain, |_| Ok(()))?;
        Ok(alone.map(|(stored, ())| stored))
    }

    /// One visible resource, and what `also` reads about it: from the same state, which the statement that found
    /// the resource holds meanwhile.
    pub fn resource_and<T>(
        &self,
        resource_type: ResourceType,
        id: ResourceId,
        domain: Option<&str>,
        also: impl FnOnce(&StoredResource) -> Result<T, ViewError>,
    ) -> Result<Option<(StoredResource, T)>, ViewError> {
        let resource = "SELECT r.id, r.type, r.revision, r.created_at, r.modified_at, r.document,
                               (SELECT x.value FROM external_ids AS x WHERE x.rid = r.rid AND x.domain = ?3), r.rid,
                               r.active, r.invited
                        FROM resources AS r WHERE r.id = ?1 AND r.type = ?2 AND r.hidden = 0";
        let keys = params![Column(id), Column(resource_type), domain];
        let found = query::one(&self.connection, resource, keys, |row| {
            let stored = stored(row)?;
            let read = also(&stored);
            Ok((stored, read))
        });
        let Some((stored, read)) = found.map_err(failed)? else { return Ok(None) };
        Ok(Some((stored, read?)))
    }

    /// Calls `read`, all of whose answers come from one committed state.
    pub fn snapshot<T, E: From<ViewError>>(&self, read: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let boundary = |statement| query::execute(&self.connection, statement, []).map_err(failed);
        boundary("BEGIN")?;
        let answer = read();
        let ended = boundary("COMMIT");
        let answer = answer?;
        ended?;
        Ok(answer)
    }

    /// The resources of a page.
    pub(super) fn rows(
        &self,
        rids: Vec<Revision>,
        domain: Option<&str>,
    ) -> rusqlite::Result<Vec<StoredResource>> {
        let mut resource = self.connection.prepare_cached(
            "SELECT r.id, r.type, r.revision, r.created_at, r.modified_at, r.document,
                    (SELECT x.value FROM external_ids AS x WHERE x.rid = r.rid AND x.domain = ?2), r.rid,
                    r.active, r.invited
             FROM resources AS r WHERE r.rid = ?1",
        )?;
        rids.into_iter().map(|rid| resource.query_row(params![Column(rid), domain], stored)).collect()
    }

    /// Users with that `externalId` in that provisioning domain, oldest first.
    pub fn users_with_external_id(
        &self,
        domain: &str,
        external_id: &str,
    ) -> Result<Vec<ResourceId>, ViewError> {
        rows::holders_of_external_id(&self.connection, ResourceType::User, domain, external_id)
            .map_err(failed)
    }

    /// The groups that have this resource as a direct member, in order of their creation.
    pub fn groups_of(&self, id: ResourceId) -> Result<Vec<GroupRef>, ViewError> {
        membership::groups_of(&self.connection, id).map_err(failed)
    }

    /// Direct members of a group in order of their creation, after `after`, at most `limit`; members of a tenant
    /// with invited users who have not signed in are left out.
    pub fn members(
        &self,
        group: ResourceId,
        after: Option<ResourceId>,
        limit: usize,
    ) -> Result<Vec<MemberRow>, ViewError> {
        let members = "SELECT r.id, r.type, ifnull(r.display, '')
                       FROM memberships AS m JOIN resources AS r ON r.rid = m.member_rid
                       WHERE m.group_rid = (SELECT rid FROM resources WHERE id = ?1) AND m.member_rid > ?2
                         AND r.hidden = 0 AND r.invited = 0
                       ORDER BY m.member_rid LIMIT ?3";
        let after = membership::row_number_of(&self.connection, after).map_err(failed)?;
        let keys = params![Column(group), Column(after), integer(limit as u64)];
        query::all(&self.connection, members, keys, |row| {
            Ok(MemberRow { id: read(row, 0)?, resource_type: read(row, 1)?, display: row.get(2)? })
        })
        .map_err(failed)
    }

    /// Settings, clients, tokens, and in the registry tenants and operators.
    pub fn tenancy(&self) -> Result<Tenancy, ViewError> {
        tenancy::load(&self.connection)
    }
}

pub(super) fn stored(row: &Row<'_>) -> rusqlite::Result<StoredResource> {
    Ok(StoredResource {
        id: read(row, 0)?,
        resource_type: read(row, 1)?,
        revision: read(row, 2)?,
        created_at: read(row, 3)?,
        modified_at: read(row, 4)?,
        document: row.get(5)?,
        external_id: row.get(6)?,
        created_revision: read(row, 7)?,
        status: Status::of(row.get(8)?, row.get(9)?),
    })
}
