//! A PATCH body in RFC form to a [`PatchRequest`].
//!
//! Checks everything that needs no state: the message's schema, the shape of each operation, that paths name
//! attributes which a client may write, that their filters fit. Values are checked when they are applied.
//! Names of members are found whatever their case (RFC 7643 section 2.1); `op` must be in the RFC's spelling.

use serde_json::Value;

use super::path::Place;
use super::{Operation, OperationKind, PatchPath, PatchRequest};
use crate::{Object, ResourceSchema, ScimError, ScimType};

/// The most operations in one request.
pub const OPERATIONS_MAX: usize = 1_000;

/// The schema of a PATCH body (RFC 7644 section 3.5.2).
pub(crate) const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// Reads the body: `schemas` must name `PatchOp`, each operation needs an `op`, a `remove` needs a path, paths
/// must name attributes of the schema, and read-only ones are refused.
pub fn parse(body: Value, schema: &ResourceSchema) -> Result<PatchRequest, ScimError> {
    let mut body = if let Value::Object(body) = body { body } else { Object::new() };
    if !names_patch_op(member(&body, "schemas")) {
        let detail = format!("the body must be an object whose schemas attribute has {PATCH_OP}");
        return Err(ScimError::new(ScimType::InvalidSyntax, "patch_schema_missing", detail));
    }
    let operations = match take(&mut body, "Operations") {
        Some(Value::Array(operations)) if !operations.is_empty() => operations,
        _ => {
            let detail = "Operations must be an array of one or more operations";
            return Err(ScimError::new(ScimType::InvalidSyntax, "patch_no_operations", detail));
        }
    };
    if operations.len() > OPERATIONS_MAX {
        let detail =
            format!("Operations has more than {OPERATIONS_MAX} operations; send them in several requests");
        return Err(ScimError::new(ScimType::TooMany, "patch_too_many_operations", detail));
    }
    let read = |(index, value)| {
        operation(index + 1, value, schema).map_err(|error| ScimError {
            detail: format!("operation {}: {}", index + 1, error.detail),
            ..error
        })
    };
    let operations: Result<Vec<Operation>, ScimError> =
        operations.into_iter().enumerate().map(read).collect();
    Ok(PatchRequest { operations: operations? })
}

fn names_patch_op(schemas: Option<&Value>) -> bool {
    let is_patch_op = |urn: &Value| urn.as_str().is_some_and(|urn| urn.eq_ignore_ascii_case(PATCH_OP));
    schemas.and_then(Value::as_array).is_some_and(|urns| urns.iter().any(is_patch_op))
}

fn operation(number: usize, value: Value, schema: &ResourceSchema) -> Result<Operation, ScimError> {
    let Value::Object(mut operation) = value else { return Err(malformed("it must be an object")) };
    let kind = match member(&operation, "op").and_then(Value::as_str) {
        Some("add") => OperationKind::Add,
        Some("remove") => OperationKind::Remove,
        Some("replace") => OperationKind::Replace,
        _ => return Err(malformed("op must be add, remove or replace")),
    };
    let path = match take(&mut operation, "path") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(PatchPath::parse(&text)?),
        Some(_) => {
            let detail = "path must be a text";
            return Err(ScimError::new(ScimType::InvalidPath, "path_invalid", detail));
        }
    };
    let place = path.as_ref().map(|path| checked_place(path, schema)).transpose()?;
    let given = take(&mut operation, "value");
    let value = match (kind, &place) {
        (OperationKind::Remove, None) => {
            // RFC 7644 section 3.5.2.2: remove without a path has no target.
            let detail = "remove needs a path that says what to remove";
            return Err(ScimError::new(ScimType::NoTarget, "patch_remove_without_path", detail));
        }
        (OperationKind::Remove, Some(place)) => {
            check_removed_value(place, given.as_ref())?;
            Value::Null
        }
        (OperationKind::Add | OperationKind::Replace, place) => {
            let value =
                given.ok_or_else(|| invalid_value("patch_value_missing", "add and replace need a value"))?;
            if place.is_none() && !value.is_object() {
                return Err(not_an_object("the value"));
            }
            value
        }
    };
    Ok(Operation { number, kind, path, value })
}

/// The place that a path names, if a client may write there.
fn checked_place<'s>(path: &PatchPath, schema: &'s ResourceSchema) -> Result<Place<'s>, ScimError> {
    let place = path.resolve(schema)?;
    place.check_writable()?;
    Ok(place)
}

/// The RFC gives `remove` no value, so one is ignored where it changes nothing about what is removed. On a whole
/// multi-valued attribute it would: whoever names values there does not want to lose all of them. The dialect
/// `entra.member_remove` turns that into a filter; without it, it is refused.
fn check_removed_value(place: &Place<'_>, given: Option<&Value>) -> Result<(), ScimError> {
    let whole = place.filter.is_none() && place.sub_attribute.is_none();
    let many = place.attribute.is_some_and(|attribute| attribute.multi_valued);
    if whole && many && given.is_some_and(|value| !value.is_null()) {
        let name = place.name();
        let detail =
            format!("remove takes no value; name what to remove in the path: {name}[value eq \"…\"]");
        return Err(invalid_value("patch_remove_with_value", &detail));
    }
    Ok(())
}

/// The error for a value that must have named parts.
pub(super) fn not_an_object(what: &str) -> ScimError {
    let detail = format!("{what} must be an object of attributes, unless the path names a single one");
    invalid_value("patch_value_not_object", &detail)
}

fn malformed(detail: &str) -> ScimError {
    ScimError::new(ScimType::InvalidSyntax, "patch_operation_invalid", detail)
}

fn invalid_value(code: &'static str, detail: &str) -> ScimError {
    ScimError::new(ScimType::InvalidValue, code, detail)
}

fn member<'o>(object: &'o Object, name: &str) -> Option<&'o Value> {
    object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

pub(super) fn take(object: &mut Object, name: &str) -> Option<Value> {
    let key = object.keys().find(|key| key.eq_ignore_ascii_case(name))?.clone();
    object.remove(&key)
}

#[cfg(test)]
mod tests;
