//! POST, PUT, PATCH and DELETE: parse and validate here, outside the writer; decide there; answer from the
//! decided state.

use std::sync::Arc;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, web};
use provisioning::ResourceId;
use provisioning::command::{Change, Command, Precondition, Provider, ScimCommand};
use provisioning::recorded::Via;
use scim::dialect::Notes;
use scim::resource::Document;
use scim::returned::Returned;
use scim::{ResourceSchema, ResourceType, ScimError, dialect};
use serde_json::Value;

use super::conditions::{etag, if_match};
use super::read::derive;
use super::render::{Derived, Renderer, decided};
use super::{CONTENT_TYPE, ScimRequest, body};
use crate::directory::Written;
use crate::http::error::Failure;
use crate::http::{context, trace};

/// What a write asks for, before it is queued.
struct Write {
    resource_type: ResourceType,
    id: ResourceId,
    precondition: Precondition,
    change: Change,
    via: Via,
    bytes: usize,
}

impl ScimRequest<'_> {
    /// POST.
    pub(super) async fn create(
        &self,
        resource_type: ResourceType,
        payload: web::Payload,
    ) -> Result<HttpResponse, Failure> {
        let schema = self.schema(resource_type);
        let returned = self.returned(&schema)?;
        let (change, bytes) = self.document(resource_type, payload, Change::Create).await?;
        let id = ResourceId(self.house.directories.shared().ids.next());
        let precondition = Precondition::None;
        let write = Write { resource_type, id, precondition, change, via: Via::ScimPost, bytes };
        let written = self.submit(write).await?;
        self.respond(StatusCode::CREATED, written, &schema, &returned).await
    }

    /// PUT.
    pub(super) async fn replace(
        &self,
        resource_type: ResourceType,
        id: ResourceId,
        payload: web::Payload,
    ) -> Result<HttpResponse, Failure> {
        let schema = self.schema(resource_type);
        let returned = self.returned(&schema)?;
        let (change, bytes) = self.document(resource_type, payload, Change::Replace).await?;
        let precondition = if_match(self.http);
        let write = Write { resource_type, id, precondition, change, via: Via::ScimPut, bytes };
        let written = self.submit(write).await?;
        let status = if written.created { StatusCode::CREATED } else { StatusCode::OK };
        self.respond(status, written, &schema, &returned).await
    }

    /// PATCH. A user is answered with its new state; a group, whose body can be huge, only where the client
    /// chose attributes (RFC 7644 section 3.5.2 allows both).
    pub(super) async fn patch(
        &self,
        resource_type: ResourceType,
        id: ResourceId,
        payload: web::Payload,
    ) -> Result<HttpResponse, Failure> {
        let schema = self.schema(resource_type);
        let returned = self.returned(&schema)?;
        let body = body::read(self.http, payload, self.body_bytes_max(resource_type)).await?;
        let change = self.noting(|notes| read_patch(body.json, &schema, notes))?;
        let (precondition, bytes) = (if_match(self.http), body.bytes);
        let write = Write { resource_type, id, precondition, change, via: Via::ScimPatch, bytes };
        let written = self.submit(write).await?;
        if resource_type == ResourceType::Group && returned == Returned::Default {
            let mut answer = HttpResponse::NoContent();
            if let Some(resource) = &written.resource {
                answer.insert_header((header::ETAG, etag(resource.revision)));
            }
            return Ok(answer.finish());
        }
        self.respond(StatusCode::OK, written, &schema, &returned).await
    }

    /// DELETE.
    pub(super) async fn delete(
        &self,
        resource_type: ResourceType,
        id: ResourceId,
    ) -> Result<HttpResponse, Failure> {
        let (precondition, change) = (if_match(self.http), Change::Delete);
        let write = Write { resource_type, id, precondition, change, via: Via::ScimDelete, bytes: 0 };
        self.submit(write).await?;
        Ok(HttpResponse::NoContent().finish())
    }

    fn body_bytes_max(&self, resource_type: ResourceType) -> usize {
        self.house.config.limits.body_bytes_max(resource_type)
    }

    /// Reads a POST's or PUT's document.
    async fn document(
        &self,
        resource_type: ResourceType,
        payload: web::Payload,
        change: fn(Document) -> Change,
    ) -> Result<(Change, usize), Failure> {
        let body = body::read(self.http, payload, self.body_bytes_max(resource_type)).await?;
        let schema = self.schema(resource_type);
        let document = self.noting(|notes| read_document(body.json, &schema, notes))?;
        Ok((change(document), body.bytes))
    }

    /// Reads something, and refuses what is noted meanwhile if the tenant is strict. A deviation is named before
    /// whatever else may be wrong.
    fn noting<T>(&self, read: impl FnOnce(&mut Notes) -> Result<T, ScimError>) -> Result<T, Failure> {
        let mut notes = Notes::new();
        let outcome = read(&mut notes);
        self.tolerate(&notes)?;
        Ok(outcome?)
    }

    /// Queues the command and waits until its outcome is durable.
    async fn submit(&self, write: Write) -> Result<Written, Failure> {
        let origin = context::of(self.http).origin(self.http, self.client.actor(), write.via);
        let command = Command::Scim(ScimCommand {
            resource_type: write.resource_type,
            id: write.id,
            provider: self.provider(),
            precondition: write.precondition,
            change: write.change,
        });
        let written = self.directory.submit_sized(command, origin, write.bytes).await;
        let written = written.inspect_err(|error| trace::refused(self.http, error))?;
        let resource = written.resource.as_ref().map_or(write.id, |resource| resource.id);
        trace::noted(self.http, &written.notes);
        trace::written(self.http, Some(resource), written.revisions.clone());
        tracing::info!(
            tenant.id = self.directory.tenant(),
            client.id = %self.client.id,
            resource.type = write.resource_type.name(),
            resource.id = %resource,
            revisions = ?written.revisions,
            notes = trace::notes(self.http),
            "{} recorded {} events",
            self.http.method(),
            written.revisions.end - written.revisions.start,
        );
        Ok(written)
    }

    /// On whose behalf the request acts.
    pub(super) fn provider(&self) -> Provider {
        Provider { domain: Some(self.client.domain.clone()), kind: self.client.kind }
    }

    /// Answers with the decided state.
    async fn respond(
        &self,
        status: StatusCode,
        written: Written,
        schema: &ResourceSchema,
        returned: &Returned,
    ) -> Result<HttpResponse, Failure> {
        let Some(resource) = written.resource else { return Ok(HttpResponse::NoContent().finish()) };
        let stored = decided(&resource, &self.client.domain);
        let is_new = written.created && written.revisions.contains(&resource.created_revision.0);
        let derived = if is_new && resource.resource_type == ResourceType::User {
            // Nobody can have made it a member of anything yet.
            if returned.wants("groups") { Derived::Groups(Vec::new()) } else { Derived::Left }
        } else {
            let (directory, stored, returned) =
                (Arc::clone(&self.directory), stored.clone(), returned.clone());
            let work = move || directory.with_current(|reader| derive(reader, &stored, &returned));
            match resource.resource_type {
                ResourceType::User => work()?,
                ResourceType::Group => self.house.directories.shared().tasks.block(work).await?,
            }
        };
        let renderer = Renderer { base: &self.base, schema, returned };
        let location = self.location(resource.resource_type, &resource.id.to_string());
        let mut answer = HttpResponse::build(status);
        answer.content_type(CONTENT_TYPE).insert_header((header::ETAG, etag(stored.revision)));
        if status == StatusCode::CREATED {
            answer.insert_header((header::LOCATION, location.as_str()));
        }
        answer.insert_header((header::CONTENT_LOCATION, location));
        Ok(answer.body(renderer.resource(&stored, &derived)))
    }

    /// The address of a resource, as its `meta.location` says too; the id is part of it as it stands.
    pub(super) fn location(&self, resource_type: ResourceType, id: &str) -> String {
        format!("{}/{}/{id}", self.base, resource_type.endpoint())
    }
}

/// From the body of a POST or PUT to a document.
pub(super) fn read_document(
    mut body: Value,
    schema: &ResourceSchema,
    notes: &mut Notes,
) -> Result<Document, ScimError> {
    dialect::resource_body(&mut body, schema, notes);
    let (document, not_kept) = scim::resource::read(body, schema)?;
    notes.extend(not_kept);
    Ok(document)
}

/// From the body of a PATCH to a change.
pub(super) fn read_patch(
    mut body: Value,
    schema: &ResourceSchema,
    notes: &mut Notes,
) -> Result<Change, ScimError> {
    dialect::patch_body(&mut body, schema, notes);
    Ok(Change::Patch(scim::patch::parse::parse(body, schema)?))
}
