//! GET of one resource, and what other resources say about one.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use projections::ViewError;
use projections::current::{CurrentReader, MemberRow, StoredResource};
use provisioning::tenancy::InitialState;
use provisioning::{ResourceId, Revision};
use scim::returned::Returned;
use scim::{ResourceSchema, ResourceType};

use super::conditions::{etag, none_match_holds};
use super::render::{Derived, Renderer};
use super::{CONTENT_TYPE, ScimRequest};
use crate::http::error::Failure;

/// How many members one statement reads.
const MEMBERS_PER_READ: usize = 1_000;

impl ScimRequest<'_> {
    /// The choice of attributes.
    pub(super) fn returned(&self, schema: &ResourceSchema) -> Result<Returned, Failure> {
        Ok(Returned::from_parameters(&self.parameters, schema)?)
    }

    /// What the tenant's resources of a type look like now.
    pub(super) fn schema(&self, resource_type: ResourceType) -> Arc<ResourceSchema> {
        Arc::clone(self.directory.schemas().of(resource_type))
    }

    /// GET of one resource.
    pub(super) async fn get(
        &self,
        resource_type: ResourceType,
        id: ResourceId,
    ) -> Result<HttpResponse, Failure> {
        let schema = self.schema(resource_type);
        let returned = self.returned(&schema)?;
        let not_found = || {
            let detail = format!("{} not found: no such resource, or it was deleted", resource_type.name());
            Failure::not_found("resource_not_found", detail)
        };
        // A user is one look-up at most and is read here; a group may have very many members.
        match resource_type {
            ResourceType::User => {
                let user = self.directory.user(id, &self.client.domain)?.ok_or_else(not_found)?;
                let shows_groups = returned.wants("groups");
                let derived = if shows_groups { Derived::Groups(user.groups) } else { Derived::Left };
                self.answer_with(&user.stored, &derived, &schema, &returned).await
            }
            ResourceType::Group => {
                let directory = Arc::clone(&self.directory);
                let (domain, returned_there) = (self.client.domain.clone(), returned.clone());
                let read = move || {
                    directory.with_current(|reader| {
                        let derived = |stored: &StoredResource| derive(reader, stored, &returned_there);
                        reader.resource_and(resource_type, id, Some(&domain), derived)
                    })
                };
                let found = self.house.directories.shared().tasks.block(read).await?;
                let (stored, derived) = found.ok_or_else(not_found)?;
                self.answer_with(&stored, &derived, &schema, &returned).await
            }
        }
    }

    /// Answers with a resource that was read, or that it is as the client knows it.
    async fn answer_with(
        &self,
        stored: &StoredResource,
        derived: &Derived,
        schema: &ResourceSchema,
        returned: &Returned,
    ) -> Result<HttpResponse, Failure> {
        let unchanged =
            none_match_holds(self.http, stored.revision) && self.is_unchanged(stored, derived).await?;
        let status = if unchanged { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
        let mut answer = HttpResponse::build(status);
        answer.insert_header((header::ETAG, etag(stored.revision))).insert_header((
            header::CONTENT_LOCATION,
            self.location(stored.resource_type, &stored.id.to_string()),
        ));
        if unchanged {
            return Ok(answer.finish());
        }
        let renderer = Renderer { base: &self.base, schema, returned };
        Ok(answer.content_type(CONTENT_TYPE).body(renderer.resource(stored, derived)))
    }

    /// The tag covers a resource's own state. An answer that shows derived state is the same only if that has
    /// not changed since either (design section 5).
    async fn is_unchanged(&self, stored: &StoredResource, derived: &Derived) -> Result<bool, Failure> {
        match derived {
            Derived::Left => Ok(true),
            Derived::Members(_) => Ok(self.directory.tenancy().settings.initial == InitialState::Active),
            Derived::Groups(_) => {
                if !self.directory.history_caught_up().await {
                    return Ok(false);
                }
                let intervals = self
                    .directory
                    .with_history(|history| history.memberships_of(stored.id))
                    .map_err(Failure::from)?;
                let moved = |end: Revision| end > stored.revision;
                Ok(!intervals
                    .iter()
                    .any(|span| moved(span.from_revision) || span.to_revision.is_some_and(moved)))
            }
        }
    }
}

/// Reads what other resources say about one, if the answer shows it.
pub(super) fn derive(
    reader: &CurrentReader,
    stored: &StoredResource,
    returned: &Returned,
) -> Result<Derived, ViewError> {
    match stored.resource_type {
        ResourceType::User if returned.wants("groups") => Ok(Derived::Groups(reader.groups_of(stored.id)?)),
        ResourceType::Group if returned.wants("members") => Ok(Derived::Members(members(reader, stored.id)?)),
        ResourceType::User | ResourceType::Group => Ok(Derived::Left),
    }
}

fn members(reader: &CurrentReader, group: ResourceId) -> Result<Vec<MemberRow>, ViewError> {
    let mut all: Vec<MemberRow> = Vec::new();
    loop {
        let page = reader.members(group, all.last().map(|member| member.id), MEMBERS_PER_READ)?;
        let last = page.len() < MEMBERS_PER_READ;
        all.extend(page);
        if last {
            return Ok(all);
        }
    }
}
