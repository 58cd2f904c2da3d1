//! What is true now, for decisions: the open transaction of the writer.

use provisioning::directory::Directory;
use provisioning::tenancy::Tenancy;
use provisioning::{Resource, ResourceId};
use rusqlite::params;
use scim::ResourceType;

use super::{CurrentWriter, failed, membership, rows};
use crate::column::{Column, integer, read};
use crate::{ViewError, query};

impl Directory for CurrentWriter {
    type Error = ViewError;

    fn tenancy(&self) -> &Tenancy {
        CurrentWriter::tenancy(self)
    }

    fn resource(&self, id: ResourceId) -> Result<Option<Resource>, ViewError> {
        self.live(id)
    }

    fn visible_type(&self, id: ResourceId) -> Result<Option<ResourceType>, ViewError> {
        let visible = "SELECT type FROM resources WHERE id = ?1 AND hidden = 0";
        query::one(&self.connection, visible, [Column(id)], |row| read(row, 0)).map_err(failed)
    }

    fn was_named(&self, id: ResourceId) -> Result<bool, ViewError> {
        query::exists(
            &self.connection,
            "SELECT 1 FROM resources WHERE id = ?1 UNION ALL SELECT 1 FROM deleted WHERE id = ?1",
            [Column(id)],
        )
        .map_err(failed)
    }

    fn users_named(&self, folded_user_name: &str) -> Result<Vec<ResourceId>, ViewError> {
        query::all(
            &self.connection,
            "SELECT id FROM resources WHERE type = 'User' AND name_folded = ?1 ORDER BY rid",
            [folded_user_name],
            |row| read(row, 0),
        )
        .map_err(failed)
    }

    fn groups_named(&self, folded_display_name: &str) -> Result<Vec<ResourceId>, ViewError> {
        query::all(
            &self.connection,
            "SELECT id FROM resources WHERE type = 'Group' AND name_folded = ?1 ORDER BY rid",
            [folded_display_name],
            |row| read(row, 0),
        )
        .map_err(failed)
    }

    fn shared_group_name(&self) -> Result<Option<String>, ViewError> {
        let shared = query::all(
            &self.connection,
            "SELECT name_folded FROM resources WHERE type = 'Group' AND name_folded IS NOT NULL
             GROUP BY name_folded HAVING count(*) > 1 LIMIT 1",
            [],
            |row| row.get(0),
        );
        Ok(shared.map_err(failed)?.pop())
    }

    fn holders_of_external_id(
        &self,
        resource_type: ResourceType,
        domain: &str,
        external_id: &str,
    ) -> Result<Vec<ResourceId>, ViewError> {
        rows::holders_of_external_id(&self.connection, resource_type, domain, external_id).map_err(failed)
    }

    fn holders_of_added(
        &self,
        resource_type: ResourceType,
        path: &str,
        folded: &str,
    ) -> Result<Vec<ResourceId>, ViewError> {
        query::all(
            &self.connection,
            "SELECT r.id FROM added_values AS v JOIN resources AS r ON r.rid = v.rid
             WHERE v.type = ?1 AND v.path = ?2 AND v.value_folded = ?3 ORDER BY v.rid",
            params![Column(resource_type), path, folded],
            |row| read(row, 0),
        )
        .map_err(failed)
    }

    fn has_resources(&self, resource_type: ResourceType) -> Result<bool, ViewError> {
        let any = "SELECT 1 FROM resources WHERE type = ?1 LIMIT 1";
        query::exists(&self.connection, any, [Column(resource_type)]).map_err(failed)
    }

    fn is_member(&self, group: ResourceId, member: ResourceId) -> Result<bool, ViewError> {
        query::exists(
            &self.connection,
            "SELECT 1 FROM memberships WHERE group_rid = (SELECT rid FROM resources WHERE id = ?1)
                                         AND member_rid = (SELECT rid FROM resources WHERE id = ?2)",
            [Column(group), Column(member)],
        )
        .map_err(failed)
    }

    fn members(
        &self,
        group: ResourceId,
        after: Option<ResourceId>,
        limit: usize,
    ) -> Result<Vec<(ResourceId, ResourceType)>, ViewError> {
        let after = membership::row_number_of(&self.connection, after).map_err(failed)?;
        query::all(
            &self.connection,
            "SELECT r.id, r.type FROM memberships AS m JOIN resources AS r ON r.rid = m.member_rid
             WHERE m.group_rid = (SELECT rid FROM resources WHERE id = ?1) AND m.member_rid > ?2
             ORDER BY m.member_rid LIMIT ?3",
            params![Column(group), Column(after), integer(limit as u64)],
            |row| Ok((read(row, 0)?, read(row, 1)?)),
        )
        .map_err(failed)
    }

    fn groups_of(&self, member: ResourceId) -> Result<Vec<ResourceId>, ViewError> {
        let groups = CurrentWriter::groups_of(self, member)?;
        Ok(groups.into_iter().map(|group| group.id).collect())
    }
}
