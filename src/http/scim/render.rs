//! From stored resources to SCIM bodies.
//!
//! A stored document is handed on as text: `schemas`, `id`, `externalId`, `groups` or `members` and `meta` are
//! put around it without parsing it. Only a choice of attributes needs the parsed form.

use std::fmt::Write as _;

use projections::current::StoredResource;
use provisioning::{Resource, Status};
use scim::returned::Returned;
use scim::{Object, ResourceSchema, ResourceType};

use super::conditions::etag;
pub(super) use crate::as_of::Derived;

/// Everything that rendering needs besides the resource.
pub(super) struct Renderer<'r> {
    pub(super) base: &'r str,
    pub(super) schema: &'r ResourceSchema,
    pub(super) returned: &'r Returned,
}

impl Renderer<'_> {
    /// The body of one resource.
    pub(super) fn resource(&self, stored: &StoredResource, derived: &Derived) -> String {
        let text = self.spliced(stored, derived);
        if *self.returned == Returned::Default && !self.schema.hides_parts() {
            return text;
        }
        let mut object: Object = serde_json::from_str(&text).expect("a spliced resource is a JSON object");
        self.returned.project(&mut object, self.schema);
        serde_json::to_string(&object).expect("a JSON object can be printed")
    }

    fn spliced(&self, stored: &StoredResource, derived: &Derived) -> String {
        let base = self.base;
        let endpoint = stored.resource_type.endpoint();
        let document = stored.document.trim();
        let inner = &document[1..document.len() - 1];
        let mut text = String::with_capacity(document.len() + 512 + self.weight(derived));
        text.push_str("{\"schemas\":[");
        push_string(&mut text, &self.schema.core.id);
        for extension in &self.schema.extensions {
            if has_object(document, &extension.id) {
                text.push(',');
                push_string(&mut text, &extension.id);
            }
        }
        let id = stored.id;
        write!(text, "],\"id\":\"{id}\"").expect("writing to a String cannot fail");
        if let Some(external_id) = &stored.external_id {
            text.push_str(",\"externalId\":");
            push_string(&mut text, external_id);
        }
        if !inner.is_empty() {
            text.push(',');
            text.push_str(inner);
        }
        if self.schema.tells_status() {
            write!(text, ",\"status\":\"{}\"", stored.status.name())
                .expect("writing to a String cannot fail");
        }
        self.push_derived(&mut text, derived);
        let (kind, created, modified) = (stored.resource_type.name(), stored.created_at, stored.modified_at);
        let tag = etag(stored.revision).replace('"', "\\\"");
        write!(
            text,
            ",\"meta\":{{\"resourceType\":\"{kind}\",\"created\":\"{created}\",\"lastModified\":\"{modified}\",\
             \"location\":\"{base}/{endpoint}/{id}\",\"version\":\"{tag}\"}}}}"
        )
        .expect("writing to a String cannot fail");
        text
    }

    fn weight(&self, derived: &Derived) -> usize {
        let count = match derived {
            Derived::Groups(groups) => groups.len(),
            Derived::Members(members) => members.len(),
            Derived::Left => 0,
        };
        count * (180 + self.base.len())
    }

    fn push_derived(&self, text: &mut String, derived: &Derived) {
        match derived {
            Derived::Groups(groups) if !groups.is_empty() => {
                text.push_str(",\"groups\":[");
                for (index, group) in groups.iter().enumerate() {
                    let element =
                        (group.id.to_string(), ResourceType::Group, group.display.as_str(), "direct");
                    self.push_reference(text, index, element);
                }
                text.push(']');
            }
            Derived::Members(members) if !members.is_empty() => {
                text.push_str(",\"members\":[");
                for (index, member) in members.iter().enumerate() {
                    let kind = member.resource_type;
                    self.push_reference(
                        text,
                        index,
                        (member.id.to_string(), kind, &member.display, kind.name()),
                    );
                }
                text.push(']');
            }
            Derived::Groups(_) | Derived::Members(_) | Derived::Left => {}
        }
    }

    fn push_reference(&self, text: &mut String, index: usize, element: (String, ResourceType, &str, &str)) {
        let (id, resource_type, display, kind) = element;
        let (base, endpoint) = (self.base, resource_type.endpoint());
        if index > 0 {
            text.push(',');
        }
        write!(text, "{{\"value\":\"{id}\",\"$ref\":\"{base}/{endpoint}/{id}\",\"display\":")
            .expect("writing to a String cannot fail");
        push_string(text, display);
        write!(text, ",\"type\":\"{kind}\"}}").expect("writing to a String cannot fail");
    }
}

/// Whether a document has an object under that key. A key with an object behind it cannot occur inside a JSON string:
/// its quotes would be escaped.
fn has_object(document: &str, key: &str) -> bool {
    let behind = |head: &str| head.strip_suffix("\":")?.strip_suffix(key)?.strip_suffix('"').map(drop);
    document.match_indices('{').any(|(at, _)| behind(&document[..at]).is_some())
}

fn push_string(text: &mut String, value: &str) {
    text.push_str(&serde_json::to_string(value).expect("a string can be printed as JSON"));
}

/// A list response (RFC 7644 section 3.4.2); `resources` are bodies.
pub(super) fn list(total: u64, start_index: u64, resources: &[String]) -> String {
    list_with(total, &format!("\"startIndex\":{start_index}"), resources)
}

/// A list response of a page by cursor (RFC 9865 section 2); the last page has no next one.
pub(super) fn paged_list(total: u64, next: Option<&str>, resources: &[String]) -> String {
    match next {
        // Of unreserved characters only.
        Some(next) => list_with(total, &format!("\"nextCursor\":\"{next}\""), resources),
        None => list_with(total, "", resources),
    }
}

fn list_with(total: u64, place: &str, resources: &[String]) -> String {
    let mut text =
        String::with_capacity(256 + resources.iter().map(|resource| resource.len() + 1).sum::<usize>());
    let count = resources.len();
    let comma = if place.is_empty() { "" } else { "," };
    write!(
        text,
        "{{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:ListResponse\"],\"totalResults\":{total},\
         {place}{comma}\"itemsPerPage\":{count},\"Resources\":["
    )
    .expect("writing to a String cannot fail");
    for (index, resource) in resources.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(resource);
    }
    text.push_str("]}");
    text
}

/// A decided state in the form in which stored ones are rendered.
pub(super) fn decided(resource: &Resource, domain: &str) -> StoredResource {
    StoredResource {
        created_revision: resource.created_revision,
        id: resource.id,
        resource_type: resource.resource_type,
        document: serde_json::to_string(&resource.attributes).expect("a JSON object can be printed"),
        external_id: resource.external_ids.get(domain).cloned(),
        revision: resource.revision,
        created_at: resource.created_at,
        modified_at: resource.modified_at,
        status: Status::of(resource.active, resource.invited),
    }
}
