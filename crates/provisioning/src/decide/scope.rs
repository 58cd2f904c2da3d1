//! What every decision about a User or Group begins with: the resource, the precondition, the two states.
//!
//! It does not know what a decision will be; that is the files of the two subjects.

use scim::dialect::{Note, Notes};
use scim::patch::Target;
use scim::{Object, ResourceSchema, ResourceType};
use serde_json::Value;

use super::decision::DecideError;
use crate::command::{Origin, Precondition, Provider};
use crate::difference::differences;
use crate::directory::Directory;
use crate::event::{self, Context};
use crate::ids::ResourceId;
use crate::merge_patch;
use crate::rejection::Rejection;
use crate::resource::Resource;
use crate::tenancy::Settings;

/// Everything that a decision about a resource looks at.
pub(super) struct Scope<'a, D> {
    pub(super) resource_type: ResourceType,
    /// The resource that the command names, or the one that it makes.
    pub(super) id: ResourceId,
    pub(super) provider: &'a Provider,
    pub(super) precondition: &'a Precondition,
    pub(super) origin: &'a Origin,
    pub(super) directory: &'a D,
    /// The schema of the resource type.
    pub(super) schema: &'a ResourceSchema,
}

impl<D: Directory> Scope<'_, D> {
    pub(super) fn settings(&self) -> &Settings {
        &self.directory.tenancy().settings
    }

    /// Refuses what was noted, where the tenant is strict.
    pub(super) fn tolerate(&self, notes: &Notes) -> Result<(), Note> {
        if self.settings().is_strict() { notes.refuse() } else { Ok(()) }
    }

    /// The visible resource that the command names.
    pub(super) fn find(&self) -> Result<Option<Resource>, DecideError<D::Error>> {
        let resource = self.directory.resource(self.id).map_err(DecideError::Directory)?;
        Ok(resource.filter(|resource| resource.resource_type == self.resource_type && !resource.hidden))
    }

    /// The resource that the command names, with the precondition holding.
    pub(super) fn existing(&self) -> Result<Resource, DecideError<D::Error>> {
        let resource = self.find()?.ok_or_else(|| self.not_found())?;
        self.met(resource)
    }

    /// The resource, if the precondition holds for it.
    pub(super) fn met(&self, resource: Resource) -> Result<Resource, DecideError<D::Error>> {
        let holds = match self.precondition {
            Precondition::None | Precondition::Exists => true,
            Precondition::OneOf(tags) => tags.contains(&resource.revision.to_string()),
        };
        if holds {
            return Ok(resource);
        }
        Err(DecideError::Rejected(Rejection::PreconditionFailed(format!(
            "the {} was changed since it was read: its version is W/\"{}\" now, and the request asks for \
             another; read it again",
            self.resource_type.name(),
            resource.revision,
        ))))
    }

    pub(super) fn not_found(&self) -> Rejection {
        not_found(self.resource_type, self.id)
    }

    /// The resource as its client sees it, whose document is taken out of it.
    pub(super) fn take_target(&self, resource: &mut Resource) -> Target {
        let domain = self.provider.domain.as_ref();
        Target {
            attributes: std::mem::take(&mut resource.attributes),
            external_id: domain.and_then(|domain| resource.external_ids.get(domain)).cloned(),
        }
    }

    /// Names of what differs between two states, and the change to record. Without a provisioning domain
    /// there is no `externalId` that could differ.
    pub(super) fn change(&self, old: &Target, new: Target) -> (Vec<String>, event::Change) {
        let mut names: Vec<_> =
            differences(&old.attributes, &new.attributes).into_iter().map(|change| change.path).collect();
        let mut change = event::Change {
            patch: merge_patch::diff(&old.attributes, new.attributes),
            context: self.context(),
            ..event::Change::default()
        };
        if let Some(domain) = &self.provider.domain
            && old.external_id != new.external_id
        {
            change.external_ids.insert(domain.clone(), new.external_id);
            names.push("externalId".to_owned());
            names.sort_unstable();
        }
        (names, change)
    }

    /// A change of nothing but these attributes.
    pub(super) fn change_of(&self, patch: Object) -> event::Change {
        event::Change { patch, context: self.context(), ..event::Change::default() }
    }

    pub(super) fn note(&self) -> event::Note {
        note(self.origin)
    }

    fn context(&self) -> Option<Context> {
        context(self.origin)
    }
}

pub(super) fn not_found(resource_type: ResourceType, id: ResourceId) -> Rejection {
    let name = resource_type.name();
    Rejection::NotFound(format!("{name} not found: no {} has the id {id}", name.to_lowercase()))
}

pub(super) fn note(origin: &Origin) -> event::Note {
    event::Note { context: context(origin), reason: None }
}

/// A context that says nothing is left out of the payload.
fn context(origin: &Origin) -> Option<Context> {
    origin.context.clone().filter(|context| *context != Context::default())
}

/// Whether a user's document says active. Who does not say is active: that is how accounts are created.
pub(super) fn is_active(attributes: &Object) -> bool {
    attributes.get("active").and_then(Value::as_bool).unwrap_or(true)
}

pub(super) fn set_active(attributes: &mut Object, active: bool) {
    attributes.insert("active".to_owned(), Value::Bool(active));
}
