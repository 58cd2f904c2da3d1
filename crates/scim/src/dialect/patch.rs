//! Deviations in the body of a PATCH: operations and paths here, values in [`super::value`], filters of paths in
//! [`super::filter`].
//!
//! What cannot be read is left as it is: the PATCH parser answers for it. The time is linear in the body. Two
//! dialects depend on what a resource has and are met when a PATCH is carried out ([`crate::patch::apply`]).

use serde_json::{Value, json};

use super::value::{coerce, coerce_element, coerce_object};
use super::{Dialect, Notes, Place, filter, message_members, message_urns};
use crate::attribute_path::ResolvedPath;
use crate::patch::PatchPath;
use crate::patch::members::is_members;
use crate::patch::parse::PATCH_OP;
use crate::schema::{Attribute, AttributeType, Mutability, Schema};
use crate::{Object, ResourceSchema};

/// Applies every dialect of a PATCH body.
pub(super) fn rewrite(body: &mut Value, schema: &ResourceSchema, notes: &mut Notes) {
    let Value::Object(body) = body else { return };
    if let Some(schemas) = member(body, "schemas") {
        message_urns(schemas, PATCH_OP, notes);
    }
    message_members(body, &["schemas", "Operations"], &Place::BODY, notes);
    let Some(Value::Array(operations)) = member(body, "Operations") else { return };
    for (index, operation) in operations.iter_mut().enumerate() {
        if let Value::Object(operation) = operation {
            rewrite_operation(operation, schema, &Place::operation(index + 1), notes);
        }
    }
}

fn rewrite_operation(operation: &mut Object, schema: &ResourceSchema, at: &Place<'_>, notes: &mut Notes) {
    message_members(operation, &["op", "path", "value"], at, notes);
    op_case(operation, at, notes);
    empty_path(operation, at, notes);
    if let Some(Value::String(path)) = member(operation, "path") {
        let place = at.member("path");
        urn_dot(path, schema, &place, notes);
        filter_of(path, schema, &place, notes);
        let path = path.clone();
        rewrite_at(operation, &path, schema, at, notes);
    }
    if member(operation, "path").is_none_or(|path| path.is_null())
        && let Some(Value::Object(attributes)) = member(operation, "value")
    {
        coerce_object(attributes, schema, at, notes);
        read_only_value(attributes, schema, at, notes);
    }
}

/// `entra.op_case`: `"op": "Replace"`. Entra writes it so without `aadOptscim062020`.
fn op_case(operation: &mut Object, at: &Place<'_>, notes: &mut Notes) {
    if let Some(Value::String(op)) = member(operation, "op") {
        let lower = op.to_ascii_lowercase();
        if *op != lower && matches!(lower.as_str(), "add" | "remove" | "replace") {
            *op = lower;
            notes.note(Dialect::EntraOpCase, at.member("op"));
        }
    }
}

/// `generic.empty_path`: `"path": ""` for the resource itself, from connectors with a fixed template.
fn empty_path(operation: &mut Object, at: &Place<'_>, notes: &mut Notes) {
    if let Some(path) = member(operation, "path")
        && path.as_str().is_some_and(str::is_empty)
    {
        *path = Value::Null;
        notes.note(Dialect::GenericEmptyPath, at.member("path"));
    }
}

/// `okta.read_only_value`: what only the service provider may write, in a value without a path: Okta renames a group
/// with `{"id": "…", "displayName": "…"}`, authentik sends all that it has. It is left out.
fn read_only_value(attributes: &mut Object, schema: &ResourceSchema, at: &Place<'_>, notes: &mut Notes) {
    without_read_only(attributes, &schema.core, at, notes);
    for (name, value) in attributes.iter_mut() {
        if let (Some(extension), Value::Object(members)) = (schema.extension(name), value) {
            without_read_only(members, extension, &at.member(&extension.id), notes);
        }
    }
}

fn without_read_only(attributes: &mut Object, schema: &Schema, at: &Place<'_>, notes: &mut Notes) {
    let is_read_only = |attribute: &Attribute| attribute.mutability == Mutability::ReadOnly;
    attributes.retain(|name, _| {
        let goes = schema.attribute(name).is_some_and(is_read_only);
        if goes {
            notes.note(Dialect::OktaReadOnlyValue, at.member(name));
        }
        !goes
    });
}

/// `entra.urn_dot_path`: a dot between URN and attribute, `urn:…:User.manager`, from Entra jobs made before 2018 and
/// from Microsoft's own test collections.
fn urn_dot(path: &mut String, schema: &ResourceSchema, place: &Place<'_>, notes: &mut Notes) {
    for end in schema.all().map(|schema| schema.id.len()) {
        if path.as_bytes().get(end) == Some(&b'.') && names_schema(&path[..end], schema) {
            path.replace_range(end..=end, ":");
            notes.note(Dialect::EntraUrnDotPath, place);
            return;
        }
    }
}

/// The path that a text means once what deviates in it is rewritten.
pub(super) fn read_path(text: &str, schema: &ResourceSchema) -> Option<PatchPath> {
    let (mut path, mut notes) = (text.to_owned(), Notes::new());
    urn_dot(&mut path, schema, &Place::BODY, &mut notes);
    filter_of(&mut path, schema, &Place::BODY, &mut notes);
    PatchPath::parse(&path).ok()
}

/// What deviates in the filter of a path. A text that is no path even then stays as it is: it is refused, and whoever
/// wrote it must be told of what was written.
fn filter_of(path: &mut String, schema: &ResourceSchema, place: &Place<'_>, notes: &mut Notes) {
    let mut found = Notes::new();
    let rewritten = filter::rewrite(path, schema, place, &mut found).into_owned();
    if !found.is_empty() && PatchPath::parse(&rewritten).is_ok() {
        *path = rewritten;
        notes.extend(found);
    }
}

fn names_schema(urn: &str, schema: &ResourceSchema) -> bool {
    urn.eq_ignore_ascii_case(&schema.core.id) || schema.extension(urn).is_some()
}

/// The dialects that depend on what the path names.
fn rewrite_at(
    operation: &mut Object,
    text: &str,
    schema: &ResourceSchema,
    at: &Place<'_>,
    notes: &mut Notes,
) {
    let Ok(path) = PatchPath::parse(text) else { return };
    let Some(found) = path.path.resolve(schema) else { return path_unknown(operation, at, notes) };
    let Some(attribute) = found.attribute else { return schema_path(operation, &found, schema, at, notes) };
    let behind_filter = path.sub_attribute.as_deref().map(|name| attribute.sub_attribute(name));
    if behind_filter.is_some_and(|part| part.is_none()) {
        return path_unknown(operation, at, notes);
    }
    let sub_attribute = found.sub_attribute.or(behind_filter.flatten());
    let of_members = is_members(schema, found.extension, Some(attribute));
    if of_members && sub_attribute.is_some_and(|part| part.mutability == Mutability::ReadOnly) {
        return member_part(operation, at, notes);
    }
    if member(operation, "op").is_some_and(|op| op == "remove") {
        let whole = path.filter.is_none() && sub_attribute.is_none() && attribute.multi_valued;
        return rewrite_removed(operation, text, whole.then_some(attribute), of_members, at, notes);
    }
    // RFC 7644 section 3.5.2.1: what is added to a list may be one value.
    let adds = member(operation, "op").is_some_and(|op| op == "add");
    let Some(value) = member(operation, "value") else { return };
    let at = at.member(&attribute.name);
    match sub_attribute {
        Some(part) => coerce(value, part, &at.member(&part.name), notes),
        None if path.filter.is_some() || (adds && attribute.multi_valued && value.is_object()) => {
            coerce_element(value, attribute, &at, notes);
        }
        None => coerce(value, attribute, &at, notes),
    }
}

/// `generic.path_unknown`: a path to an attribute that no schema has, from mappings for another service provider.
/// The operation does nothing: it must not keep the others, a deactivation perhaps, from being carried out.
fn path_unknown(operation: &mut Object, at: &Place<'_>, notes: &mut Notes) {
    if do_nothing(operation) {
        notes.note(Dialect::GenericPathUnknown, at.member("path"));
    }
}

/// `generic.member_part`: what a member is called, `members[value eq "…"].display`, which its own resource says. The
/// operation does nothing.
fn member_part(operation: &mut Object, at: &Place<'_>, notes: &mut Notes) {
    if do_nothing(operation) {
        notes.note(Dialect::GenericMemberPart, at.member("path"));
    }
}

/// Makes an operation one that changes nothing, if it is an operation at all.
fn do_nothing(operation: &mut Object) -> bool {
    let op = member(operation, "op").and_then(|op| op.as_str());
    let is_operation = matches!(op, Some("add" | "remove" | "replace"));
    if is_operation {
        *operation = Object::from_iter([("op".to_owned(), json!("add")), ("value".to_owned(), json!({}))]);
    }
    is_operation
}

/// `generic.schema_path`: the URN of a schema as a path. That of the core schema means the resource itself, that of
/// an extension all its attributes.
fn schema_path(
    operation: &mut Object,
    found: &ResolvedPath<'_>,
    schema: &ResourceSchema,
    at: &Place<'_>,
    notes: &mut Notes,
) {
    notes.note(Dialect::GenericSchemaPath, at.member("path"));
    let Some(extension) = found.extension else {
        if let Some(path) = member(operation, "path") {
            *path = Value::Null;
        }
        return;
    };
    if let Some(value @ Value::Object(_)) = member(operation, "value") {
        let mut whole = Object::from_iter([(extension.id.clone(), value.take())]);
        coerce_object(&mut whole, schema, at, notes);
        *value = whole.remove(&extension.id).unwrap_or_default();
    }
}

/// The dialects of a `remove`.
///
/// `entra.member_remove`: the values to remove stand in `value` instead of a filter in the path,
/// `{"op": "Remove", "path": "members", "value": [{"value": "…"}]}`, as Entra without `aadOptscim062020` and
/// `JumpCloud` send it. Read strictly it would empty the group. Other multi-valued attributes (`list`) are treated
/// alike.
///
/// `entra.remove_value`: a value that says nothing about what is removed, `{"path": "title", "value": ""}`.
fn rewrite_removed(
    operation: &mut Object,
    path: &str,
    list: Option<&Attribute>,
    of_members: bool,
    at: &Place<'_>,
    notes: &mut Notes,
) {
    let Some(value) = member(operation, "value").filter(|value| !value.is_null()) else { return };
    let Some(attribute) = list else {
        *value = Value::Null;
        return notes.note(Dialect::EntraRemoveValue, at.member("value"));
    };
    let Some(filter) = removal_filter(value, attribute, of_members) else { return };
    *value = Value::Null;
    if let Some(place) = member(operation, "path") {
        *place = Value::String(format!("{path}[{filter}]"));
        notes.note(Dialect::EntraMemberRemove, at.member("value"));
    }
}

/// A filter that matches the values listed; `None` if one of them says nothing by which it could be found, and
/// for an empty list.
fn removal_filter(value: &Value, attribute: &Attribute, of_members: bool) -> Option<String> {
    use AttributeType::{Boolean, Decimal, Integer};
    let listed = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    let mut filter = String::new();
    for value in listed {
        if !filter.is_empty() {
            filter.push_str(" or ");
        }
        let start = filter.len();
        for (name, part) in identifying_parts(value, attribute, of_members) {
            if filter.len() > start {
                filter.push_str(" and ");
            }
            // A number where a text belongs identifies nothing.
            let end = attribute.sub_attribute(name).unwrap_or(attribute);
            if !part.is_string() && !matches!(end.value_type, Boolean | Decimal | Integer) {
                return None;
            }
            filter.extend([name, " eq ", &part.to_string()]);
        }
        if filter.len() == start {
            return None;
        }
    }
    (!filter.is_empty()).then_some(filter)
}

/// What tells a value from the others of its attribute: for a member its `value`, else `value` and `type` (RFC
/// 7643 section 2.4), or all its parts if there is no `value`.
fn identifying_parts<'v>(
    value: &'v Value,
    attribute: &'v Attribute,
    of_members: bool,
) -> Vec<(&'v str, &'v Value)> {
    let Value::Object(parts) = value else {
        return if value.is_null() { Vec::new() } else { vec![("value", value)] };
    };
    let parts: Vec<(&str, &Value)> = parts
        .iter()
        .filter(|(_, part)| !part.is_null())
        .filter_map(|(name, part)| Some((attribute.sub_attribute(name)?.name.as_str(), part)))
        .collect();
    let has_value = parts.iter().any(|(name, _)| *name == "value");
    let identifies = |name: &str| match name {
        "value" => true,
        "type" => !of_members,
        "primary" => false,
        _ => !has_value,
    };
    parts.into_iter().filter(|(name, _)| identifies(name)).collect()
}

/// A member of an object, whatever the case of its name.
fn member<'o>(object: &'o mut Object, name: &str) -> Option<&'o mut Value> {
    object.iter_mut().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

#[cfg(test)]
mod tests;
