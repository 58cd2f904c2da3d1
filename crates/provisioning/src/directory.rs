//! The read side of a decision: what is true in a tenant now.
//!
//! The writer implements it over the open transaction of `current.db`; tests implement it in memory. No
//! method may cost more than what it returns: nothing here reads a whole group or a whole tenant at once.

use scim::ResourceType;

use crate::ids::ResourceId;
use crate::resource::Resource;
use crate::tenancy::Tenancy;

/// What is true now.
pub trait Directory {
    /// Why a look-up failed (a broken view, never "not found").
    type Error;

    /// Settings, clients, tokens and, in the registry, tenants and operators.
    fn tenancy(&self) -> &Tenancy;

    /// The live resource with that id, hidden ones too; `None` for unknown and deleted ones.
    fn resource(&self, id: ResourceId) -> Result<Option<Resource>, Self::Error>;

    /// The type of a live and visible resource: what may be a member.
    fn visible_type(&self, id: ResourceId) -> Result<Option<ResourceType>, Self::Error>;

    /// Whether the log ever named that id as a resource, deleted ones too.
    fn was_named(&self, id: ResourceId) -> Result<bool, Self::Error>;

    /// Users whose folded `userName` is this, hidden ones too, oldest first; at most one of them is
    /// visible.
    fn users_named(&self, folded_user_name: &str) -> Result<Vec<ResourceId>, Self::Error>;

    /// Live groups with that folded `displayName`, oldest first.
    fn groups_named(&self, folded_display_name: &str) -> Result<Vec<ResourceId>, Self::Error>;

    /// A folded `displayName` that several live groups have, if there is one. Looks at the names of all groups: asked
    /// only where a setting changes.
    fn shared_group_name(&self) -> Result<Option<String>, Self::Error>;

    /// Live resources of that type with that `externalId` in that domain, hidden ones too, oldest first.
    fn holders_of_external_id(
        &self,
        resource_type: ResourceType,
        domain: &str,
        external_id: &str,
    ) -> Result<Vec<ResourceId>, Self::Error>;

    /// Live resources of that type that have this text as the value of an attribute which the tenant added, hidden
    /// ones too, oldest first: compared folded, so that case differs among them. The path is the attribute's name,
    /// behind its extension's URN and a colon if it has one.
    fn holders_of_added(
        &self,
        resource_type: ResourceType,
        path: &str,
        folded: &str,
    ) -> Result<Vec<ResourceId>, Self::Error>;

    /// Whether there is any live resource of that type, hidden ones too.
    fn has_resources(&self, resource_type: ResourceType) -> Result<bool, Self::Error>;

    /// Whether `member` is a direct member of `group` now.
    fn is_member(&self, group: ResourceId, member: ResourceId) -> Result<bool, Self::Error>;

    /// Direct members of a group with their types, in order of their creation, after `after`, at most
    /// `limit`.
    fn members(
        &self,
        group: ResourceId,
        after: Option<ResourceId>,
        limit: usize,
    ) -> Result<Vec<(ResourceId, ResourceType)>, Self::Error>;

    /// Groups that have this resource as a direct member, in order of their creation.
    fn groups_of(&self, member: ResourceId) -> Result<Vec<ResourceId>, Self::Error>;
}
