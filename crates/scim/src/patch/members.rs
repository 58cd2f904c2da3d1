//! The operations on a group's members, taken out of a PATCH.
//!
//! Members and attributes are disjoint parts of a group, so each keeps its own order of operations. Nothing here
//! reads the group: a [`MemberChange`] says what to do whatever its members are, in time linear in the request.
//!
//! A member is added and removed, never changed: `value`, `type` and `$ref` are immutable, and its `display` is
//! its own resource's. Removing who is no member succeeds, as the example of RFC
//! 7644 section 3.5.2.2 says.

use std::collections::HashSet;

use serde_json::Value;

use super::parse::take;
use super::parts::{immutable, is_unassigned};
use super::{Operation, OperationKind, PatchPath, PatchRequest};
use crate::filter::typed::check_elements;
use crate::filter::{CompareOp, Filter, TypedFilter};
use crate::member::MEMBERS;
use crate::schema::{Attribute, ResourceType, Schema};
use crate::{MemberRef, ResourceSchema, ScimError, ScimType};

/// One change of the members.
#[derive(Debug, Clone, PartialEq)]
pub enum MemberChange {
    /// These are members, whoever else is.
    Add(Vec<MemberRef>),
    /// These (by `value`) are not.
    Remove(Vec<String>),
    /// Nobody that the filter (relative to an element: `value`, `type`) matches is.
    RemoveMatching(TypedFilter),
    /// Nobody is.
    RemoveAll,
    /// These are, and nobody else.
    Replace(Vec<MemberRef>),
}

/// The most members that one request may name.
pub const MEMBERS_MAX: usize = 100_000;

/// The sub-attributes by which members may be selected: the only ones that a group itself knows.
const SELECTABLE: [&str; 2] = ["value", "type"];

/// Parts a request on a group into what concerns its document and what concerns its members. Either part may be
/// empty. A request on a user has no members.
pub fn split(
    request: PatchRequest,
    schema: &ResourceSchema,
) -> Result<(PatchRequest, Vec<MemberChange>), ScimError> {
    let attribute = schema.core.attribute(MEMBERS);
    let Some(attribute) = attribute.filter(|attribute| is_members(schema, None, Some(attribute))) else {
        return Ok((request, Vec::new()));
    };
    let mut members = Found { attribute, named: 0, changes: Vec::new() };
    let mut operations = Vec::new();
    for mut operation in request.operations {
        match &operation.path {
            None => {
                if let Value::Object(attributes) = &mut operation.value
                    && let Some(value) = take(attributes, MEMBERS)
                {
                    members.whole(operation.kind, value)?;
                    if attributes.is_empty() {
                        continue;
                    }
                }
                operations.push(operation);
            }
            Some(path) if leads_to_members(path, schema) => members.operation(operation)?,
            Some(_) => operations.push(operation),
        }
    }
    Ok((PatchRequest { operations }, members.changes))
}

/// Whether this attribute is the one whose values are kept beside the document.
pub(crate) fn is_members(
    schema: &ResourceSchema,
    extension: Option<&Schema>,
    attribute: Option<&Attribute>,
) -> bool {
    schema.resource_type == ResourceType::Group
        && extension.is_none()
        && attribute.is_some_and(|attribute| attribute.name == MEMBERS)
}

fn leads_to_members(path: &PatchPath, schema: &ResourceSchema) -> bool {
    path.path.resolve(schema).is_some_and(|found| is_members(schema, found.extension, found.attribute))
}

/// The changes found so far.
struct Found<'s> {
    /// The attribute `members`.
    attribute: &'s Attribute,
    /// How many members they name together.
    named: usize,
    changes: Vec<MemberChange>,
}

impl Found<'_> {
    /// An operation whose path begins with `members`.
    fn operation(&mut self, operation: Operation) -> Result<(), ScimError> {
        let Operation { kind, path, value, .. } = operation;
        let Some(PatchPath { path, filter, sub_attribute }) = path else { return self.whole(kind, value) };
        if let Some(name) = sub_attribute.or(path.sub_attribute) {
            return Err(immutable(&format!("{MEMBERS}.{name}")));
        }
        let Some(filter) = filter else { return self.whole(kind, value) };
        if kind != OperationKind::Remove && !is_unassigned(&value) {
            return Err(immutable(MEMBERS));
        }
        let change = if let Some(values) = values_named(&filter) {
            self.count(values.len())?;
            let mut seen = HashSet::with_capacity(values.len());
            // Ids regard no case.
            let ids = values.into_iter().map(str::to_ascii_lowercase);
            MemberChange::Remove(ids.filter(|id| seen.insert(id.clone())).collect())
        } else {
            let filter = check_elements(&filter, self.attribute)?;
            check_selectable(&filter)?;
            MemberChange::RemoveMatching(filter)
        };
        self.changes.push(change);
        Ok(())
    }

    /// An operation on `members` as a whole.
    fn whole(&mut self, kind: OperationKind, value: Value) -> Result<(), ScimError> {
        let value = if value.is_object() { Value::Array(vec![value]) } else { value };
        let change = match kind {
            OperationKind::Remove => MemberChange::RemoveAll,
            OperationKind::Add if is_unassigned(&value) => return Ok(()),
            OperationKind::Add => MemberChange::Add(self.read(value)?),
            OperationKind::Replace => MemberChange::Replace(self.read(value)?),
        };
        self.changes.push(change);
        Ok(())
    }

    fn read(&mut self, value: Value) -> Result<Vec<MemberRef>, ScimError> {
        self.count(value.as_array().map_or(0, Vec::len))?;
        MemberRef::read_all(value)
    }

    fn count(&mut self, named: usize) -> Result<(), ScimError> {
        self.named += named;
        if self.named <= MEMBERS_MAX {
            return Ok(());
        }
        let detail =
            format!("the request names more than {MEMBERS_MAX} members; send them in several requests");
        Err(ScimError::new(ScimType::InvalidValue, "too_many_members", detail))
    }
}

/// The ids of a filter that is nothing but `value eq "…"`, or several of them joined by `or`.
fn values_named(filter: &Filter) -> Option<Vec<&str>> {
    match filter {
        Filter::Or(terms) => terms.iter().map(value_named).collect(),
        Filter::And(_)
        | Filter::Not(_)
        | Filter::Compare { .. }
        | Filter::Present(_)
        | Filter::ValuePath { .. } => Some(vec![value_named(filter)?]),
    }
}

fn value_named(filter: &Filter) -> Option<&str> {
    match filter {
        Filter::Compare { path, op: CompareOp::Eq, value: Value::String(value) }
            if path.schema.is_none()
                && path.sub_attribute.is_none()
                && path.attribute.eq_ignore_ascii_case("value") =>
        {
            Some(value)
        }
        Filter::And(_)
        | Filter::Or(_)
        | Filter::Not(_)
        | Filter::Compare { .. }
        | Filter::Present(_)
        | Filter::ValuePath { .. } => None,
    }
}

fn check_selectable(filter: &TypedFilter) -> Result<(), ScimError> {
    let path = match filter {
        TypedFilter::And(terms) | TypedFilter::Or(terms) => {
            return terms.iter().try_for_each(check_selectable);
        }
        TypedFilter::Not(term) => return check_selectable(term),
        TypedFilter::Compare(comparison) => &comparison.path,
        TypedFilter::Present(path) | TypedFilter::ValuePath { path, .. } => path,
    };
    if SELECTABLE.contains(&path.attribute.as_str()) {
        return Ok(());
    }
    let detail = format!("members cannot be selected by {}; use value or type", path.attribute);
    Err(ScimError::new(ScimType::InvalidFilter, "members_filter_unsupported", detail))
}

#[cfg(test)]
mod tests;
