//! Which attributes a PUT or a PATCH is to change, by the paths that the service itself reads.
//!
//! A value filter is part of the place: `emails[type eq "work"]` is not `emails[type eq "home"]`. Of what was refused
//! the value is kept, too, as a fingerprint, so that it can be told whether the person has it by now.

use scim::attribute_path::AttributePath;
use scim::filter::Filter;
use scim::fold::fold;
use scim::patch::PatchPath;
use scim::schema::{Attribute, Mutability};
use scim::{Object, ResourceSchema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Print;
use crate::request_log::allowed::is_hidden;

/// An attribute, or a part of one, that was to change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change<N = Print> {
    /// The attribute in lower case, an extension's with its URN; none if no schema has it.
    #[serde(rename = "p", skip_serializing_if = "Option::is_none")]
    pub attribute: Option<String>,
    /// The whole path, if no schema has it.
    #[serde(rename = "q", skip_serializing_if = "Option::is_none")]
    pub unknown: Option<N>,
    /// The value filter.
    #[serde(rename = "f", skip_serializing_if = "Option::is_none")]
    pub filter: Option<N>,
    /// The sub-attribute in lower case.
    #[serde(rename = "s", skip_serializing_if = "Option::is_none")]
    pub sub_attribute: Option<String>,
    /// What a refused request wanted there; none where a filter chooses among values.
    #[serde(rename = "v", skip_serializing_if = "Option::is_none")]
    pub value: Option<N>,
    /// Nobody may read what it has: no trace of a value is kept.
    #[serde(skip)]
    is_hidden: bool,
}

impl<N: PartialEq> Change<N> {
    /// Whether whoever changed this has changed that, too: the same place, or one that it is a part of.
    pub fn covers(&self, other: &Self) -> bool {
        let is_whole = self.filter.is_none() && self.sub_attribute.is_none();
        let is_part = self.filter == other.filter
            && (self.sub_attribute.is_none() || self.sub_attribute == other.sub_attribute);
        self.attribute == other.attribute && self.unknown == other.unknown && (is_whole || is_part)
    }
}

impl Change<String> {
    pub(super) fn printed(self, print: &impl Fn(&str) -> Print) -> Change {
        let one = |text: Option<String>| text.map(|text| print(&text));
        Change {
            attribute: self.attribute,
            unknown: one(self.unknown),
            filter: one(self.filter),
            sub_attribute: self.sub_attribute,
            value: one(self.value),
            is_hidden: self.is_hidden,
        }
    }

    /// A place that no schema has. What a filter in it compares with may be anything, a secret too.
    fn of_unknown(path: &str) -> Self {
        let without_filter = path.split_once('[').map(|(before, filter)| {
            format!("{before}[]{}", filter.rsplit_once(']').map_or("", |(_, behind)| behind))
        });
        Self { unknown: Some(fold(&without_filter.unwrap_or_else(|| path.to_owned()))), ..Self::at(None) }
    }

    fn at(attribute: Option<String>) -> Self {
        let (filter, sub_attribute, value) = (None, None, None);
        Self { attribute, unknown: None, filter, sub_attribute, value, is_hidden: false }
    }

    pub(super) fn is_of(&self, attribute: &str) -> bool {
        self.attribute.as_deref() == Some(attribute) && self.filter.is_none() && self.sub_attribute.is_none()
    }
}

/// A value so that two that are the same are equal.
pub(in crate::request_log) fn canonical(value: &Value) -> String {
    match value {
        Value::String(text) if text.eq_ignore_ascii_case("true") => "true".to_owned(),
        Value::String(text) if text.eq_ignore_ascii_case("false") => "false".to_owned(),
        Value::Array(elements) => {
            format!("[{}]", elements.iter().map(canonical).collect::<Vec<_>>().join(","))
        }
        Value::Object(members) => {
            let mut members: Vec<String> = members
                .iter()
                .map(|(name, value)| format!("{}:{}", name.to_ascii_lowercase(), canonical(value)))
                .collect();
            members.sort_unstable();
            format!("{{{}}}", members.join(","))
        }
        Value::String(_) | Value::Bool(_) | Value::Number(_) | Value::Null => value.to_string(),
    }
}

/// Where a path leads; nothing if only the service itself writes there.
pub(super) fn at_path(text: &str, schema: &ResourceSchema) -> Option<Change<String>> {
    let Ok(PatchPath { path, filter, sub_attribute }) = PatchPath::parse(text) else {
        return Some(Change::of_unknown(text));
    };
    // It is in no schema's attributes: every resource has it.
    if path.schema.is_none() && path.attribute.eq_ignore_ascii_case("externalId") {
        return Some(Change::at(Some("externalid".to_owned())));
    }
    let Some((attribute, extension)) =
        path.resolve(schema).and_then(|found| Some((found.attribute?, found.extension)))
    else {
        return Some(Change::of_unknown(text));
    };
    if attribute.mutability == Mutability::ReadOnly {
        return None;
    }
    let sub_attribute = sub_attribute.or(path.sub_attribute);
    let is_unknown = sub_attribute.as_deref().is_some_and(|name| attribute.sub_attribute(name).is_none());
    if is_unknown || filter.as_ref().is_some_and(|filter| !compares_known(filter, attribute)) {
        return Some(Change::of_unknown(text));
    }
    let prefix = extension.map(|extension| format!("{}:", extension.id)).unwrap_or_default();
    Some(Change {
        filter: filter.map(|filter| fold(&filter.to_string())),
        sub_attribute: sub_attribute.map(|name| name.to_ascii_lowercase()),
        is_hidden: has_hidden(attribute),
        ..Change::at(Some(format!("{prefix}{}", attribute.name).to_ascii_lowercase()))
    })
}

/// Whether a filter compares only with what the attribute has and everybody may read.
fn compares_known(filter: &Filter, attribute: &Attribute) -> bool {
    let is_known = |path: &AttributePath| {
        path.schema.is_none() && attribute.sub_attribute(&path.attribute).is_some_and(|part| !is_hidden(part))
    };
    match filter {
        Filter::And(terms) | Filter::Or(terms) => terms.iter().all(|term| compares_known(term, attribute)),
        Filter::Not(term) => compares_known(term, attribute),
        Filter::Compare { path, .. } | Filter::Present(path) => is_known(path),
        Filter::ValuePath { .. } => false,
    }
}

/// Whether an attribute, or a part of it, is for nobody to read: then no trace of its value is kept.
fn has_hidden(attribute: &Attribute) -> bool {
    is_hidden(attribute) || attribute.sub_attributes.iter().any(is_hidden)
}

/// What an object of attributes sets, extensions included, with the values. What was refused is told part by part, so
/// that it can be seen of each whether it is so by now.
pub(super) fn in_object(attributes: &Object, schema: &ResourceSchema, is_refused: bool) -> Vec<Set> {
    let mut found = Vec::new();
    for (path, value) in members_of(attributes, schema) {
        let places = if is_refused { parts(path, value, schema) } else { vec![(path, value)] };
        for (path, value) in places {
            found.extend(at_path(&path, schema).map(|change| set(change, value, is_refused)));
        }
    }
    found
}

/// What the operations of a PATCH, in RFC form as far as they can be, change, with the values.
pub(super) fn in_patch(operations: &[Value], schema: &ResourceSchema, is_refused: bool) -> Vec<Set> {
    let mut found = Vec::new();
    for operation in operations.iter().filter_map(Value::as_object) {
        let value = member(operation, "value").unwrap_or(&Value::Null);
        let places = match (member(operation, "path").and_then(Value::as_str), value) {
            (Some(urn), Value::Object(attributes)) if schema.extension(urn).is_some() => {
                members_of_extension(urn, attributes)
            }
            (Some(path), _) => vec![(path.to_owned(), value)],
            (None, Value::Object(attributes)) => members_of(attributes, schema),
            (None, _) => Vec::new(),
        };
        for (path, value) in places {
            for (path, value) in parts(path, value, schema) {
                found.extend(at_path(&path, schema).map(|change| set(change, value, is_refused)));
            }
        }
    }
    found
}

/// The paths of an object's attributes.
fn members_of<'v>(attributes: &'v Object, schema: &ResourceSchema) -> Vec<(String, &'v Value)> {
    const DERIVED: [&str; 3] = ["schemas", "id", "meta"];
    let mut found = Vec::new();
    for (name, value) in attributes {
        match (schema.extension(name), value) {
            _ if DERIVED.iter().any(|derived| derived.eq_ignore_ascii_case(name)) => {}
            (Some(_), Value::Object(members)) => found.extend(members_of_extension(name, members)),
            _ => found.push((name.clone(), value)),
        }
    }
    found
}

fn members_of_extension<'v>(urn: &str, members: &'v Object) -> Vec<(String, &'v Value)> {
    members.iter().map(|(name, value)| (format!("{urn}:{name}"), value)).collect()
}

/// A PATCH changes of a single complex attribute only the parts that its value has.
fn parts<'v>(path: String, value: &'v Value, schema: &ResourceSchema) -> Vec<(String, &'v Value)> {
    let is_single = AttributePath::parse(&path).is_ok_and(|parsed| {
        let found = parsed.resolve(schema);
        parsed.sub_attribute.is_none()
            && found.and_then(|found| found.attribute).is_some_and(|attribute| !attribute.multi_valued)
    });
    match value {
        Value::Object(parts) if is_single => {
            parts.iter().map(|(name, value)| (format!("{path}.{name}"), value)).collect()
        }
        _ => vec![(path, value)],
    }
}

/// A change with its value, which is kept of what was refused.
pub(super) type Set = (Change<String>, Value);

fn set(change: Change<String>, value: &Value, is_refused: bool) -> Set {
    let is_told = is_refused && change.attribute.is_some() && !change.is_hidden && !value.is_null();
    let is_told = is_told && change.filter.is_none();
    (Change { value: is_told.then(|| canonical(value)), ..change }, value.clone())
}

/// The member of that name, whatever its case.
pub fn member<'m>(members: &'m Object, name: &str) -> Option<&'m Value> {
    members.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// Whether a path leads to the members of a group, and which of them it chooses.
pub(super) fn to_members(text: &str, schema: &ResourceSchema) -> Option<PatchPath> {
    let path = PatchPath::parse(text).ok()?;
    let found = AttributePath::resolve(&path.path, schema)?;
    (found.extension.is_none() && found.attribute?.name == "members").then_some(path)
}
