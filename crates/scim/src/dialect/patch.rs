//! Deviations in the body of a PATCH: operations and paths here, values in [`super::value`], filters of paths in
//! [`super::filter`].
//!
//! What cannot be read is left as it is: the PATCH parser answers for it. Every rewritten operation is in RFC
//! form, so nothing behind this file knows that there are dialects. The time is linear in the body.

use serde_json::Value;

use super::value::{coerce, coerce_object, note};
use super::{Dialect, Notes, filter};
use crate::patch::PatchPath;
use crate::patch::members::is_members;
use crate::schema::{Attribute, AttributeType};
use crate::{Object, ResourceSchema};

/// Applies every dialect of a PATCH body.
pub(super) fn rewrite(body: &mut Value, schema: &ResourceSchema) -> Notes {
    let mut notes = Notes::new();
    if let Value::Object(body) = body
        && let Some(Value::Array(operations)) = member(body, "Operations")
    {
        for operation in operations {
            if let Value::Object(operation) = operation {
                rewrite_operation(operation, schema, &mut notes);
            }
        }
    }
    notes
}

fn rewrite_operation(operation: &mut Object, schema: &ResourceSchema, notes: &mut Notes) {
    op_case(operation, notes);
    empty_path(operation, notes);
    if let Some(Value::String(path)) = member(operation, "path") {
        urn_dot(path, schema, notes);
        path_filter(path, schema, notes);
        let path = path.clone();
        rewrite_value_at(operation, &path, schema, notes);
    } else if let Some(Value::Object(attributes)) = member(operation, "value") {
        coerce_object(attributes, schema, notes);
    }
}

/// `entra.op_case`: `"op": "Replace"`. Entra writes it so without `aadOptscim062020`.
fn op_case(operation: &mut Object, notes: &mut Notes) {
    if let Some(Value::String(op)) = member(operation, "op") {
        let lower = op.to_ascii_lowercase();
        if *op != lower && matches!(lower.as_str(), "add" | "remove" | "replace") {
            *op = lower;
            note(notes, Dialect::EntraOpCase);
        }
    }
}

/// `generic.empty_path`: `"path": ""` for the resource itself, from connectors with a fixed template.
fn empty_path(operation: &mut Object, notes: &mut Notes) {
    if let Some(path) = member(operation, "path")
        && path.as_str().is_some_and(str::is_empty)
    {
        *path = Value::Null;
        note(notes, Dialect::GenericEmptyPath);
    }
}

/// `entra.urn_dot`: a dot between URN and attribute, `urn:…:User.manager`, from Entra jobs made before 2018 and
/// from Microsoft's own test collections.
fn urn_dot(path: &mut String, schema: &ResourceSchema, notes: &mut Notes) {
    let schemas = std::iter::once(&schema.core).chain(&schema.extensions);
    for end in schemas.map(|schema| schema.id.len()) {
        if path.as_bytes().get(end) == Some(&b'.') && names_schema(&path[..end], schema) {
            path.replace_range(end..=end, ":");
            note(notes, Dialect::EntraUrnDot);
            return;
        }
    }
}

fn names_schema(urn: &str, schema: &ResourceSchema) -> bool {
    urn.eq_ignore_ascii_case(&schema.core.id) || schema.extension(urn).is_some()
}

/// What [`filter`] does, inside a path: `roles[primary eq "True"].value`.
fn path_filter(path: &mut String, schema: &ResourceSchema, notes: &mut Notes) {
    let (rewritten, names) = filter::rewrite(path, schema);
    for name in names {
        if !notes.contains(&name) {
            notes.push(name);
        }
    }
    *path = rewritten.into_owned();
}

/// The dialects that depend on what the path names.
fn rewrite_value_at(operation: &mut Object, text: &str, schema: &ResourceSchema, notes: &mut Notes) {
    let Ok(path) = PatchPath::parse(text) else { return };
    let Some(found) = path.path.resolve(schema) else { return };
    let Some(attribute) = found.attribute else {
        if let (Some(extension), Some(value @ Value::Object(_))) =
            (found.extension, member(operation, "value"))
        {
            let mut whole = Object::from_iter([(extension.id.clone(), value.take())]);
            coerce_object(&mut whole, schema, notes);
            *value = whole.remove(&extension.id).unwrap_or_default();
        }
        return;
    };
    let of_members = is_members(schema, found.extension, Some(attribute));
    let behind_filter = path.sub_attribute.as_deref().and_then(|name| attribute.sub_attribute(name));
    let sub_attribute = found.sub_attribute.or(behind_filter);
    if path.filter.is_none() && sub_attribute.is_none() && attribute.multi_valued {
        member_remove(operation, text, attribute, of_members, notes);
    }
    if let Some(value) = member(operation, "value") {
        coerce(value, sub_attribute.unwrap_or(attribute), notes);
    }
    if behind_filter.is_some() && !of_members {
        filtered_replace(operation, &path, notes);
    }
}

/// `entra.member_remove`: the values to remove stand in `value` instead of a filter in the path,
/// `{"op": "Remove", "path": "members", "value": [{"value": "…"}]}`, as Entra without `aadOptscim062020` and
/// `JumpCloud` send it. Read strictly it would empty the group. Other multi-valued attributes are treated alike.
fn member_remove(
    operation: &mut Object,
    path: &str,
    attribute: &Attribute,
    of_members: bool,
    notes: &mut Notes,
) {
    if !member(operation, "op").is_some_and(|op| op == "remove") {
        return;
    }
    let Some(value) = member(operation, "value") else { return };
    let Some(filter) = removal_filter(value, attribute, of_members) else { return };
    *value = Value::Null;
    if let Some(place) = member(operation, "path") {
        *place = Value::String(format!("{path}[{filter}]"));
        note(notes, Dialect::EntraMemberRemove);
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

/// `entra.filtered_replace`: a replaced part of a value that may not exist yet,
/// `emails[type eq "work"].value`. Entra counts on it to be made, where the RFC has `noTarget`. An `add` does the
/// same with a value that exists, and makes one that does not.
fn filtered_replace(operation: &mut Object, path: &PatchPath, notes: &mut Notes) {
    let makes_value = path.filter.as_ref().is_some_and(|filter| filter.equalities().is_some());
    let removes = member(operation, "value").is_none_or(|value| value.is_null());
    if let Some(op) = member(operation, "op")
        && *op == "replace"
        && makes_value
        && !removes
    {
        *op = Value::from("add");
        note(notes, Dialect::EntraFilteredReplace);
    }
}

/// A member of an object, whatever the case of its name.
fn member<'o>(object: &'o mut Object, name: &str) -> Option<&'o mut Value> {
    object.iter_mut().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

#[cfg(test)]
mod tests;
