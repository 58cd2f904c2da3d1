//! The canonical shape of a document: schema spelling, and nothing unassigned, read-only or unknown in it.
//!
//! Nothing here fails. A value of the wrong type keeps its shape, so that [`super::check`] finds it.

use std::collections::HashSet;

use serde_json::Value;

use crate::Object;
use crate::json::is_plain_name;
use crate::schema::{Attribute, AttributeType, Mutability};

/// The most names of dropped attributes that are kept.
const DROPPED_MAX: usize = 64;
/// The longest part of a client's name that is kept.
const NAME_CHARS_MAX: usize = 64;

/// Names of what a document had and no schema knows, each once, up to a limit.
#[derive(Debug, Default)]
pub(super) struct Dropped(Vec<String>);

impl Dropped {
    /// Notes a name of the client's with the prefix that says where it stood.
    pub(super) fn note(&mut self, prefix: &Prefix<'_>, name: &str) {
        if self.0.len() == DROPPED_MAX {
            return;
        }
        let name: String = name.chars().take(NAME_CHARS_MAX).collect();
        // What does not look like a name may be a value in the wrong place, which must not get into a log.
        let name = if is_plain_name(&name) { &name } else { "(no plain name)" };
        let path = prefix.path(name);
        if !self.0.contains(&path) {
            self.0.push(path);
        }
    }

    /// The names noted.
    pub(super) fn into_names(self) -> Vec<String> {
        self.0
    }
}

/// What stands before a name: the extension's URN, the complex attribute, or nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Prefix<'s> {
    /// The extension.
    pub(super) urn: Option<&'s str>,
    /// The complex attribute.
    pub(super) attribute: Option<&'s str>,
}

impl Prefix<'_> {
    fn path(&self, name: &str) -> String {
        let urn = self.urn.map(|urn| format!("{urn}:")).unwrap_or_default();
        let attribute = self.attribute.map(|attribute| format!("{attribute}.")).unwrap_or_default();
        format!("{urn}{attribute}{name}")
    }
}

/// The members of an object, each under its schema's spelling. What is read-only is ignored silently (RFC 7644
/// sections 3.3 and 3.5.1).
pub(super) fn object<'s>(
    members: Object,
    find: impl Fn(&str) -> Option<&'s Attribute>,
    prefix: &Prefix<'_>,
    dropped: &mut Dropped,
) -> Object {
    let mut canonical = Object::new();
    for (name, member) in members {
        match find(&name) {
            None => dropped.note(prefix, &name),
            Some(attribute) if attribute.mutability == Mutability::ReadOnly => {}
            Some(attribute) => {
                if let Some(member) = value(member, attribute, prefix.urn, dropped) {
                    canonical.insert(attribute.name.clone(), member);
                }
            }
        }
    }
    canonical
}

/// The value of an attribute; `None` if it is unassigned, which `null` and `[]` mean (RFC 7643 section 2.5).
pub(super) fn value(
    value: Value,
    attribute: &Attribute,
    urn: Option<&str>,
    dropped: &mut Dropped,
) -> Option<Value> {
    if !attribute.multi_valued {
        let unassigned = value.as_array().is_some_and(Vec::is_empty);
        return if unassigned { None } else { element(value, attribute, urn, dropped) };
    }
    let Value::Array(elements) = value else {
        return (!value.is_null()).then_some(value);
    };
    let mut elements: Vec<Value> =
        elements.into_iter().filter_map(|value| element(value, attribute, urn, dropped)).collect();
    remove_repeated(&mut elements);
    (!elements.is_empty()).then_some(Value::Array(elements))
}

/// One value: of a singular attribute, or one of the values of a multi-valued one. A complex value without any
/// assigned part is unassigned.
fn element(value: Value, attribute: &Attribute, urn: Option<&str>, dropped: &mut Dropped) -> Option<Value> {
    let Value::Object(members) = value else {
        return (!value.is_null()).then_some(value);
    };
    if attribute.value_type != AttributeType::Complex {
        return Some(Value::Object(members));
    }
    let prefix = Prefix { urn, attribute: Some(&attribute.name) };
    let members = object(members, |name| attribute.sub_attribute(name), &prefix, dropped);
    (!members.is_empty()).then_some(Value::Object(members))
}

/// Keeps the first of values that are equal in every part.
pub(super) fn remove_repeated(elements: &mut Vec<Value>) {
    let mut seen = HashSet::with_capacity(elements.len());
    let is_first: Vec<bool> = elements.iter().map(|element| seen.insert(element)).collect();
    let mut is_first = is_first.into_iter();
    elements.retain(|_| is_first.next().unwrap_or(true));
}
