//! What resources said about each other then, and the wire form that filters and orders look at.

use projections::ViewError;
use projections::current::{MemberRow, StoredResource};
use provisioning::Revision;
use scim::filter::{TypedFilter, TypedPath};
use scim::list::{Order, Part, sort::SortKey};
use scim::schema::STATUS;
use scim::{Object, ResourceType, schemas};
use serde_json::{Value, json};

use super::{AsOfError, Derived, Question};

/// How many members one statement reads.
const MEMBERS_PER_READ: usize = 1_000;

/// The attribute of a type in which other resources say something.
pub(super) fn attribute(resource_type: ResourceType) -> &'static str {
    match resource_type {
        ResourceType::User => "groups",
        ResourceType::Group => "members",
    }
}

impl Question {
    /// Whether filter or order look at what other resources say: then no resource is as it was because nothing was
    /// recorded about it alone.
    pub(super) fn looks_elsewhere(&self) -> bool {
        let is_sorted = self.query.order != Order::Created;
        self.query.parts.iter().any(|part| {
            part.filter.as_ref().is_some_and(|filter| filter_names(filter, part))
                || part.sort_by.as_ref().is_some_and(|path| is_sorted && is_link(path, part))
        })
    }

    /// What other resources said about this one.
    pub(super) fn links(&self, stored: &StoredResource) -> Result<Derived, AsOfError> {
        Ok(self.directory.with_history(|history| match stored.resource_type {
            ResourceType::User => history.groups_then(self.revision, stored.id).map(Derived::Groups),
            ResourceType::Group => {
                let mut members: Vec<MemberRow> = Vec::new();
                loop {
                    let after = members.last().map(|member| member.id);
                    let page = history.members_then(self.revision, stored.id, after, MEMBERS_PER_READ)?;
                    let is_last = page.len() < MEMBERS_PER_READ;
                    members.extend(page);
                    if is_last {
                        return Ok::<_, ViewError>(Derived::Members(members));
                    }
                }
            }
        })?)
    }

    /// A resource as filters and orders see it: without absolute addresses, and with links only if they are looked at.
    pub(super) fn wire(&self, stored: &StoredResource) -> Result<Object, AsOfError> {
        let links = if self.looks_elsewhere() { self.links(stored)? } else { Derived::Left };
        let Ok(mut wire) = serde_json::from_str::<Object>(&stored.document) else {
            let reason = format!("resources.document of {}: no JSON object", stored.id);
            return Err(ViewError::Broken { view: "current", reason }.into());
        };
        let core = match stored.resource_type {
            ResourceType::User => schemas::USER,
            ResourceType::Group => schemas::GROUP,
        };
        // Only a URN has colons.
        let extensions = wire.keys().filter(|name| name.contains(':')).map(String::as_str);
        let urns: Vec<&str> = std::iter::once(core).chain(extensions).collect();
        let urns = json!(urns);
        wire.insert("schemas".to_owned(), urns);
        wire.insert("id".to_owned(), stored.id.to_string().into());
        if let Some(external_id) = &stored.external_id {
            wire.insert("externalId".to_owned(), external_id.as_str().into());
        }
        let meta = json!({
            "resourceType": stored.resource_type.name(), "version": format!("W/\"{}\"", stored.revision),
            "created": stored.created_at, "lastModified": stored.modified_at,
        });
        wire.insert("meta".to_owned(), meta);
        if stored.resource_type == ResourceType::User && self.directory.schemas().user.tells_status() {
            wire.insert(STATUS.to_owned(), stored.status.name().into());
        }
        let elements: Vec<Value> = match links {
            Derived::Groups(groups) => groups
                .into_iter()
                .map(|group| element(&group.id.to_string(), &group.display, "direct"))
                .collect(),
            Derived::Members(members) => members
                .into_iter()
                .map(|member| element(&member.id.to_string(), &member.display, member.resource_type.name()))
                .collect(),
            Derived::Left => Vec::new(),
        };
        if !elements.is_empty() {
            wire.insert(attribute(stored.resource_type).to_owned(), elements.into());
        }
        Ok(wire)
    }

    /// What these are sorted by.
    pub(super) fn keys(
        &self,
        resources: &[StoredResource],
    ) -> Result<Vec<(Option<SortKey>, Revision)>, AsOfError> {
        let key = |stored: &StoredResource| {
            let path = self.query.part(stored.resource_type).and_then(|part| part.sort_by.as_ref());
            let key = match path {
                Some(path) => SortKey::of(path, &self.wire(stored)?),
                None => None,
            };
            Ok((key, stored.created_revision))
        };
        resources.iter().map(key).collect()
    }
}

fn element(id: &str, display: &str, kind: &str) -> Value {
    json!({"value": id, "display": display, "type": kind})
}

fn filter_names(filter: &TypedFilter, part: &Part) -> bool {
    match filter {
        TypedFilter::And(terms) | TypedFilter::Or(terms) => terms.iter().any(|term| filter_names(term, part)),
        TypedFilter::Not(term) => filter_names(term, part),
        TypedFilter::Compare(comparison) => is_link(&comparison.path, part),
        TypedFilter::Present(path) | TypedFilter::ValuePath { path, .. } => is_link(path, part),
    }
}

fn is_link(path: &TypedPath, part: &Part) -> bool {
    path.extension.is_none() && path.attribute == attribute(part.resource_type)
}
