//! Reading a request: which operations it has, and what each asks of whom.
//!
//! Bodies are rewritten by the dialects first, as where they are carried out; what cannot be read even then asks
//! nothing of anybody who is only named in the body.

use std::collections::HashMap;

use scim::ResourceSchema;
use scim::dialect::{self, Dialect, Notes};
use scim::schemas::Schemas;
use serde_json::Value;

use super::changes::{self, member};
use super::created::created;
use super::{Kind, Operation, Undone, groups};
use crate::request_log::address;
use crate::request_log::entry::Entry;
use crate::request_log::names::same_name;
use crate::request_log::reading::Row;

/// A request, as far as it matters here.
pub(in crate::request_log) struct Request<'r> {
    pub(in crate::request_log) method: &'r str,
    pub(in crate::request_log) path: &'r str,
    /// As it came; empty if it was not read.
    pub(in crate::request_log) body: &'r [u8],
    /// The resource that it is about or has made.
    pub(in crate::request_log) resource: Option<String>,
    pub(in crate::request_log) is_refused: bool,
    /// Whether somebody whom it names as a member was unknown.
    pub(in crate::request_log) misses_member: bool,
    /// Operations of a bulk request that were not carried out; without a reason if they were left because of others.
    pub(in crate::request_log) undone: HashMap<usize, Option<Undone>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Endpoint {
    Users,
    Groups,
    Bulk,
    /// A write that leads nowhere may have been meant for users.
    Unknown,
}

impl<'r> Request<'r> {
    /// A request that is logged now.
    pub(in crate::request_log) fn of(entry: &'r Entry) -> Self {
        let has = |code: &str| entry.code.as_deref().is_some_and(|codes| codes.contains(code));
        let skips = entry.notes.iter().any(|note| note.dialect == Dialect::MembersUnknownSkipped);
        let undone = entry.operations.iter().map(|undone| {
            let why = undone.status.zip(undone.code);
            (undone.number, why.map(|(status, code)| Undone { status, code: code.to_owned() }))
        });
        Self {
            method: &entry.method,
            path: &entry.path,
            body: entry.body.as_deref().unwrap_or_default(),
            resource: entry.resource.map(|id| id.to_string()),
            is_refused: entry.status >= 400,
            misses_member: skips || has("unknown_member"),
            undone: undone.collect(),
        }
    }

    /// A request of which only that is left which was kept of it.
    pub(in crate::request_log) fn of_contents(row: &'r Row, contents: &'r Value, body: &'r [u8]) -> Self {
        let undone = contents["operations"].as_array().into_iter().flatten().filter_map(|told| {
            let status = told["status"].as_u64().and_then(|status| u16::try_from(status).ok());
            let why = status.zip(told["code"].as_str());
            let number = usize::try_from(told["number"].as_u64()?).ok()?;
            Some((number, why.map(|(status, code)| Undone { status, code: code.to_owned() })))
        });
        Self {
            method: &row.method,
            // What is not kept any more is known by its route and resource.
            path: contents["path"].as_str().unwrap_or(&row.route),
            body,
            resource: row.resource.clone(),
            is_refused: matches!(row.outcome.as_str(), "refused" | "failed"),
            misses_member: row.notes.iter().any(|note| note == Dialect::MembersUnknownSkipped.name()),
            undone: undone.collect(),
        }
    }

    /// What it asked of whom; none if nobody can tell, because its body could not be read. Look-ups name whom they look
    /// for in path and filter, and ask nothing else.
    pub(in crate::request_log) fn operations(&self, schemas: &Schemas) -> Option<Vec<Operation<String>>> {
        let has_body = matches!(self.method, "POST" | "PUT" | "PATCH");
        if !has_body && self.method != "DELETE" || is_search(self.path) {
            return Some(Vec::new());
        }
        let (endpoint, id) = place(self.path);
        if endpoint == Endpoint::Bulk {
            return self.bulk(schemas);
        }
        // A create that succeeded, which is most of what there is, is not read as a whole.
        if self.method == "POST" && endpoint == Endpoint::Users && !self.is_refused {
            let mut operation = created(self.body)?;
            operation.id.clone_from(&self.resource);
            return Some(vec![operation]);
        }
        let body = if has_body { serde_json::from_slice(self.body).ok() } else { None };
        if has_body && body.is_none() && id.is_none() {
            return None;
        }
        let (method, body) = (self.method, body.unwrap_or_default());
        let asked = One { endpoint, id, method, body, is_refused: self.is_refused };
        let mut operation = asked.read(schemas, self.misses_member);
        if let Some(operation) = &mut operation
            && operation.id.is_none()
        {
            operation.id.clone_from(&self.resource);
        }
        Some(operation.into_iter().collect())
    }

    fn bulk(&self, schemas: &Schemas) -> Option<Vec<Operation<String>>> {
        let body: Value = serde_json::from_slice(self.body).ok()?;
        let operations =
            body.as_object().and_then(|body| member(body, "Operations")).and_then(Value::as_array);
        let (mut found, mut made) = (Vec::new(), HashMap::new());
        for (index, operation) in operations.into_iter().flatten().enumerate() {
            let Some(operation) = operation.as_object() else { continue };
            let undone = self.undone.get(&(index + 1));
            let text = |name| member(operation, name).and_then(Value::as_str).unwrap_or_default();
            let (endpoint, id) = place(text("path"));
            let one = One {
                endpoint,
                id,
                method: &text("method").to_ascii_uppercase(),
                body: member(operation, "data").cloned().unwrap_or_default(),
                is_refused: self.is_refused || undone.is_some(),
            };
            let misses_member = self.misses_member || undone.is_some();
            let Some(mut read) = one.read(schemas, misses_member) else { continue };
            read.number = index + 1;
            read.undone = undone.map(|why| why.clone().unwrap_or_else(left));
            let bulk_id = text("bulkId");
            if read.kind == Kind::Create && !bulk_id.is_empty() {
                made.insert(format!("bulkid:{}", same_name(bulk_id)), read.name.clone());
            }
            found.push(read);
        }
        for operation in &mut found {
            refer(operation, &made);
        }
        Some(found)
    }
}

/// What stands for the reason of an operation that was left because of others.
fn left() -> Undone {
    Undone { status: 400, code: "bulk_left_undone".to_owned() }
}

/// Puts names in the place of references to what the same bulk request makes.
fn refer(operation: &mut Operation<String>, made: &HashMap<String, Option<String>>) {
    if let Some(name) = operation.id.as_ref().and_then(|id| made.get(id)) {
        (operation.id, operation.name) = (None, name.clone());
    }
    for member in &mut operation.members {
        if let Some(Some(name)) = made.get(&member.value) {
            (member.value, member.is_made) = (name.clone(), true);
        }
    }
}

/// One operation, be it a request of its own or a part of a bulk request.
struct One<'r> {
    endpoint: Endpoint,
    id: Option<String>,
    method: &'r str,
    body: Value,
    is_refused: bool,
}

impl One<'_> {
    fn read(mut self, schemas: &Schemas, misses_member: bool) -> Option<Operation<String>> {
        if self.endpoint == Endpoint::Groups {
            let mut operation = self.group(schemas, misses_member)?;
            operation.id = self.id;
            return Some(operation);
        }
        let user = &schemas.user;
        let mut operation = match self.method {
            "POST" => self.create(user)?,
            "PUT" => {
                dialect::resource_body(&mut self.body, user, &mut Notes::new());
                let attributes = self.body.as_object();
                let set = attributes.map(|it| changes::in_object(it, user, self.is_refused));
                changed(Kind::Replace, set.unwrap_or_default())
            }
            "PATCH" => {
                let operations = patch_operations(&mut self.body, user);
                changed(Kind::Change, changes::in_patch(operations, user, self.is_refused))
            }
            "DELETE" => Operation::new(Kind::Delete),
            _ => return None,
        };
        if self.endpoint == Endpoint::Unknown && self.id.is_none() && operation.name.is_none() {
            return None;
        }
        operation.id = self.id;
        Some(operation)
    }

    fn create(&mut self, user: &ResourceSchema) -> Option<Operation<String>> {
        dialect::resource_body(&mut self.body, user, &mut Notes::new());
        let body = self.body.as_object()?;
        let mut operation = changed(Kind::Create, changes::in_object(body, user, false));
        operation.changes = Vec::new();
        if operation.name.is_none() || self.is_refused {
            let emails = member(body, "emails").and_then(Value::as_array);
            let values = emails
                .into_iter()
                .flatten()
                .filter_map(|email| email.as_str().or_else(|| member(email.as_object()?, "value")?.as_str()));
            operation.addresses = values.map(same_name).collect();
        }
        Some(operation)
    }

    fn group(&mut self, schemas: &Schemas, misses_member: bool) -> Option<Operation<String>> {
        match self.method {
            "POST" | "PUT" => groups::in_body(self.body.as_object()?, misses_member),
            "PATCH" => {
                let operations = patch_operations(&mut self.body, &schemas.group);
                groups::in_patch(operations, &schemas.group, misses_member)
            }
            _ => None,
        }
    }
}

/// The operations of a PATCH, rewritten by the dialects.
fn patch_operations<'b>(body: &'b mut Value, schema: &ResourceSchema) -> &'b [Value] {
    dialect::patch_body(body, schema, &mut Notes::new());
    let operations = body.as_object().and_then(|body| member(body, "Operations")).and_then(Value::as_array);
    operations.map_or(&[], Vec::as_slice)
}

/// An operation that sets attributes; what of them tells whom it is about is taken from them.
fn changed(kind: Kind, set: Vec<changes::Set>) -> Operation<String> {
    let mut operation = Operation::new(kind);
    for (change, value) in set {
        let text = || value.as_str().map(same_name).filter(|text| !text.is_empty());
        if change.is_of("username") {
            operation.name = text();
        } else if change.is_of("externalid") {
            operation.external_id = text();
        } else if change.is_of("active") {
            operation.active = truth(&value);
        }
        operation.changes.push(change);
    }
    operation
}

pub(super) fn truth(value: &Value) -> Option<bool> {
    match changes::canonical(value).as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

fn is_search(path: &str) -> bool {
    let last = path.trim_end_matches('/').rsplit('/').next();
    last.is_some_and(|last| last.eq_ignore_ascii_case(".search"))
}

/// The endpoint in a path, and the id behind it. Where there is none, one that was misspelt tells of whom it is.
fn place(path: &str) -> (Endpoint, Option<String>) {
    let decoded = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
    let segments: Vec<&str> = decoded.split('/').filter(|segment| !segment.is_empty()).collect();
    let endpoint = |segment: &str| match segment.to_ascii_lowercase().as_str() {
        "users" => Some(Endpoint::Users),
        "groups" => Some(Endpoint::Groups),
        "bulk" => Some(Endpoint::Bulk),
        _ => None,
    };
    // A template of a path names nobody.
    let id = |at: usize| segments.get(at + 1).filter(|id| **id != "{id}");
    for (at, segment) in segments.iter().enumerate().rev() {
        if let Some(endpoint) = endpoint(segment) {
            return (endpoint, id(at).map(|id| same_name(id)));
        }
    }
    let Some(at) = segments.iter().rposition(|segment| address::is_endpoint(segment)) else {
        return (Endpoint::Unknown, None);
    };
    let is_group = segments[at].eq_ignore_ascii_case("group");
    let endpoint = if is_group { Endpoint::Groups } else { Endpoint::Unknown };
    // A tenant may be called like that: then a base path follows.
    let id = id(at).filter(|id| !address::is_word(id));
    (endpoint, id.map(|id| same_name(id)))
}

#[cfg(test)]
mod tests;
