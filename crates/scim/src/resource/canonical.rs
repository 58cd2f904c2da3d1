//! The canonical shape of a document: schema spelling, and nothing unassigned, read-only or unknown in it.
//!
//! Nothing here fails. A value of the wrong type keeps its shape, so that [`super::check`] finds it.

use std::collections::HashSet;

use serde_json::Value;

use crate::Object;
use crate::schema::{Attribute, AttributeType, Mutability};

/// The members of an object, each under its schema's spelling. What is read-only is ignored silently (RFC 7644
/// sections 3.3 and 3.5.1).
pub(super) fn object<'s>(members: Object, find: impl Fn(&str) -> Option<&'s Attribute>) -> Object {
    let mut canonical = Object::new();
    for (name, member) in members {
        if let Some(attribute) = find(&name)
            && attribute.mutability != Mutability::ReadOnly
            && let Some(member) = value(member, attribute)
        {
            canonical.insert(attribute.name.clone(), member);
        }
    }
    canonical
}

/// The value of an attribute; `None` if it is unassigned, which `null` and `[]` mean (RFC 7643 section 2.5).
fn value(value: Value, attribute: &Attribute) -> Option<Value> {
    if !attribute.multi_valued {
        let unassigned = value.as_array().is_some_and(Vec::is_empty);
        return if unassigned { None } else { element(value, attribute) };
    }
    let Value::Array(elements) = value else {
        return (!value.is_null()).then_some(value);
    };
    let mut elements: Vec<Value> =
        elements.into_iter().filter_map(|value| element(value, attribute)).collect();
    remove_repeated(&mut elements);
    (!elements.is_empty()).then_some(Value::Array(elements))
}

/// One value: of a singular attribute, or one of the values of a multi-valued one. A complex value without any
/// assigned part is unassigned.
fn element(value: Value, attribute: &Attribute) -> Option<Value> {
    let Value::Object(members) = value else {
        return (!value.is_null()).then_some(value);
    };
    if attribute.value_type != AttributeType::Complex {
        return Some(Value::Object(members));
    }
    let members = object(members, |name| attribute.sub_attribute(name));
    (!members.is_empty()).then_some(Value::Object(members))
}

/// Keeps the first of values that are equal in every part.
pub(super) fn remove_repeated(elements: &mut Vec<Value>) {
    let mut seen = HashSet::with_capacity(elements.len());
    let is_first: Vec<bool> = elements.iter().map(|element| seen.insert(element)).collect();
    let mut is_first = is_first.into_iter();
    elements.retain(|_| is_first.next().unwrap_or(true));
}
