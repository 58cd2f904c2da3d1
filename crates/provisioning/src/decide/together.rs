//! What it takes to decide POSTs together that refer to each other in a circle.
//!
//! Each is decided as if it were alone, by the same code, with two differences. The others may already be its
//! members, though they are created in the same transaction and perhaps behind it. And memberships are recorded
//! behind everything else, so that no event ever names a resource that the log does not know yet.

use std::collections::HashMap;

use scim::ResourceType;

use super::decision::Draft;
use crate::directory::Directory;
use crate::event::Event;
use crate::ids::ResourceId;
use crate::resource::Resource;
use crate::tenancy::Tenancy;

/// What is true now, but that some resources which are about to be there may be members.
#[derive(Debug)]
pub struct Expecting<'a, D> {
    /// What is true now.
    pub directory: &'a D,
    /// Whom the transaction will have created at its end.
    pub expected: &'a HashMap<ResourceId, ResourceType>,
}

impl<D: Directory> Directory for Expecting<'_, D> {
    type Error = D::Error;

    fn tenancy(&self) -> &Tenancy {
        self.directory.tenancy()
    }

    fn resource(&self, id: ResourceId) -> Result<Option<Resource>, D::Error> {
        self.directory.resource(id)
    }

    fn visible_type(&self, id: ResourceId) -> Result<Option<ResourceType>, D::Error> {
        match self.expected.get(&id) {
            Some(resource_type) => Ok(Some(*resource_type)),
            None => self.directory.visible_type(id),
        }
    }

    fn was_named(&self, id: ResourceId) -> Result<bool, D::Error> {
        self.directory.was_named(id)
    }

    fn users_named(&self, folded_user_name: &str) -> Result<Vec<ResourceId>, D::Error> {
        self.directory.users_named(folded_user_name)
    }

    fn groups_named(&self, folded_display_name: &str) -> Result<Vec<ResourceId>, D::Error> {
        self.directory.groups_named(folded_display_name)
    }

    fn shared_group_name(&self) -> Result<Option<String>, D::Error> {
        self.directory.shared_group_name()
    }

    fn holders_of_external_id(
        &self,
        resource_type: ResourceType,
        domain: &str,
        external_id: &str,
    ) -> Result<Vec<ResourceId>, D::Error> {
        self.directory.holders_of_external_id(resource_type, domain, external_id)
    }

    fn holders_of_added(
        &self,
        resource_type: ResourceType,
        path: &str,
        folded: &str,
    ) -> Result<Vec<ResourceId>, Self::Error> {
        self.directory.holders_of_added(resource_type, path, folded)
    }

    fn has_resources(&self, resource_type: ResourceType) -> Result<bool, Self::Error> {
        self.directory.has_resources(resource_type)
    }

    fn is_member(&self, group: ResourceId, member: ResourceId) -> Result<bool, D::Error> {
        self.directory.is_member(group, member)
    }

    fn members(
        &self,
        group: ResourceId,
        after: Option<ResourceId>,
        limit: usize,
    ) -> Result<Vec<(ResourceId, ResourceType)>, D::Error> {
        self.directory.members(group, after, limit)
    }

    fn groups_of(&self, member: ResourceId) -> Result<Vec<ResourceId>, D::Error> {
        self.directory.groups_of(member)
    }
}

/// The events of a decision about a POST, memberships apart. None of them has a cause that the split could lose.
pub fn memberships_apart(events: Vec<Draft>) -> (Vec<Draft>, Vec<Draft>) {
    events.into_iter().partition(|draft| !matches!(draft.event, Event::GroupMembersAdded(_)))
}
