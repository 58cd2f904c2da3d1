//! The one fold: what a recorded event means for a resource.
//!
//! Total: any event on any state gives a state. The decider, the views, time travel and the rebuild call this
//! and nothing else. It knows neither settings nor members (rows of their own).

use scim::{Object, ResourceType};
use serde_json::Value;

use crate::event::{Change, EventType};
use crate::ids::ResourceId;
use crate::merge_patch;
use crate::recorded::{Header, Opened, Recorded, Subject};
use crate::resource::Resource;

#[cfg(test)]
mod tests;

/// The state after the event; `None` when there is no such resource (any more). Never fails: an event that
/// makes no sense for the state leaves it as it is. Events of other subjects than the state's must not be
/// given.
pub fn evolve(state: Option<Resource>, recorded: &Recorded) -> Option<Resource> {
    evolve_some(state, recorded, &|_| true)
}

/// The same for whoever keeps some attributes only: the others are not put in, and those that are kept become what they
/// would become beside them.
pub fn evolve_some(
    state: Option<Resource>,
    recorded: &Recorded,
    attributes: &dyn Fn(&str) -> bool,
) -> Option<Resource> {
    fold(state, recorded, |document, patch| merge_patch::apply_some(document, patch, attributes))
}

/// The same for whoever needs the event's patch no more: its values become the state's, and the event is left without.
pub fn evolve_taking(state: Option<Resource>, recorded: &mut Recorded) -> Option<Resource> {
    let patch = match &mut recorded.event {
        Opened::Event(event) => event.change_mut().map(|change| std::mem::take(&mut change.patch)),
        Opened::Erased => None,
    };
    fold(state, recorded, |document, _| merge_patch::apply_whole(document, patch.unwrap_or_default()))
}

/// `apply` puts the event's patch into the document.
fn fold(
    state: Option<Resource>,
    recorded: &Recorded,
    apply: impl FnOnce(&mut Object, &Object),
) -> Option<Resource> {
    let header = &recorded.header;
    match header.event_type {
        EventType::UserCreated | EventType::GroupCreated => state.or_else(|| {
            let (id, resource_type) = identity(header.subject)?;
            Some(after(blank(id, resource_type, header), recorded, apply))
        }),
        EventType::UserUpdated
        | EventType::UserActivated
        | EventType::UserDeactivated
        | EventType::UserReactivated
        | EventType::UserHidden
        | EventType::GroupUpdated
        | EventType::GroupMembersAdded
        | EventType::GroupMembersRemoved => state.map(|resource| after(resource, recorded, apply)),
        EventType::UserDeleted | EventType::GroupDeleted => None,
        EventType::ClientCreated
        | EventType::ClientUpdated
        | EventType::ClientSilent
        | EventType::ClientHeard
        | EventType::TokenIssued
        | EventType::TokenRevoked
        | EventType::TenantCreated
        | EventType::TenantUpdated
        | EventType::DeprovisioningPublished
        | EventType::ClockAdjusted
        | EventType::TenantRegistered
        | EventType::TenantClosed
        | EventType::OperatorCreated
        | EventType::OperatorRevoked => state,
    }
}

fn identity(subject: Subject) -> Option<(ResourceId, ResourceType)> {
    match subject {
        Subject::User(id) => Some((id, ResourceType::User)),
        Subject::Group(id) => Some((id, ResourceType::Group)),
        Subject::Client(_)
        | Subject::Token(_)
        | Subject::Tenant
        | Subject::RegisteredTenant(_)
        | Subject::Operator(_) => None,
    }
}

fn blank(id: ResourceId, resource_type: ResourceType, header: &Header) -> Resource {
    Resource {
        id,
        resource_type,
        attributes: Object::new(),
        external_ids: std::collections::BTreeMap::new(),
        active: true,
        invited: false,
        hidden: false,
        erased: false,
        created_revision: header.revision,
        revision: header.revision,
        created_at: header.recorded_at,
        modified_at: header.recorded_at,
        key: header.key,
    }
}

fn after(mut resource: Resource, recorded: &Recorded, apply: impl FnOnce(&mut Object, &Object)) -> Resource {
    let header = &recorded.header;
    resource.revision = header.revision;
    resource.modified_at = header.recorded_at;
    resource.key = header.key.or(resource.key);
    match &recorded.event {
        Opened::Event(event) => {
            if let Some(change) = event.change().filter(|_| !resource.erased) {
                apply(&mut resource.attributes, &change.patch);
                note(&mut resource, change);
            }
        }
        Opened::Erased => {
            resource.erased = true;
            resource.attributes = Object::new();
            resource.external_ids.clear();
        }
    }
    if header.event_type == EventType::UserActivated {
        resource.invited = false;
    } else if header.event_type == EventType::UserHidden {
        resource.hidden = true;
    } else if header.event_type == EventType::UserReactivated {
        resource.hidden = false;
    }
    if resource.resource_type == ResourceType::User {
        mirror_active(&mut resource, header);
    }
    resource
}

/// What a change says beside its patch.
fn note(resource: &mut Resource, change: &Change) {
    for (domain, external_id) in &change.external_ids {
        match external_id {
            Some(external_id) => resource.external_ids.insert(domain.clone(), external_id.clone()),
            None => resource.external_ids.remove(domain),
        };
    }
    resource.invited |= change.invited;
}

/// The header is public and outlives the payload, so `active` comes from there, and the document follows it.
fn mirror_active(resource: &mut Resource, header: &Header) {
    if let Some([_, Some(active)]) = header.active {
        resource.active = active;
    }
    if !resource.erased {
        resource.attributes.insert("active".to_owned(), Value::Bool(resource.active));
    }
}
