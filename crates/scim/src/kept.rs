//! Which attributes of a resource a tenant keeps, where it does not keep all of them.
//!
//! What is not kept is accepted and left out, since identity providers send whole profiles along. The rule is about
//! what a request brings: a value that is there already stays until a PUT, which states all that shall be, goes
//! without it. `crate::schemas` reads such a rule and finds its names.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::Object;
use crate::dialect::{Dialect, Notes, Place};
use crate::fold::fold;

/// Parts of an element that stay with whatever is kept of it: they say which element it is.
const WITH_ITS_ELEMENT: [&str; 2] = ["type", "primary"];

/// The attributes that are kept, in schema spelling.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kept(pub(crate) Vec<KeptPath>);

/// One attribute, or a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeptPath {
    /// The URN of the extension that has it; `None` for the core schema.
    pub(crate) extension: Option<String>,
    /// The attribute.
    pub(crate) attribute: String,
    /// Of a multi-valued attribute, only elements whose part of that name is this text.
    pub(crate) element: Option<(String, String)>,
    /// Only that part.
    pub(crate) sub_attribute: Option<String>,
}

impl Kept {
    /// Takes from `new` what differs from `old` and is not kept, so that `old` still holds there, and notes it. Both
    /// are canonical.
    ///
    /// `attributes.not_kept`: an attribute that the tenant does not serve in its schemas, since it keeps some only.
    pub(crate) fn restrict(&self, new: &mut Object, old: &Object, notes: &mut Notes) {
        self.restrict_members(None, new, old, notes);
        // Only a URN has colons.
        let urns: BTreeSet<String> =
            new.keys().chain(old.keys()).filter(|name| name.contains(':')).cloned().collect();
        for urn in urns {
            let nothing = Object::new();
            let before = old.get(&urn).and_then(Value::as_object).unwrap_or(&nothing);
            let mut members = match new.remove(&urn) {
                None => Object::new(),
                Some(Value::Object(members)) => members,
                // Of the wrong type: the check of the document says so.
                Some(other) => {
                    new.insert(urn, other);
                    continue;
                }
            };
            self.restrict_members(Some(&urn), &mut members, before, notes);
            if !members.is_empty() {
                new.insert(urn, Value::Object(members));
            }
        }
    }

    /// Whether anything of an attribute is kept.
    pub(crate) fn has(&self, extension: Option<&str>, attribute: &str) -> bool {
        self.of(extension, attribute).next().is_some()
    }

    /// Whether a part of an attribute is kept, or may stand beside one that is.
    pub(crate) fn has_part(&self, extension: Option<&str>, attribute: &str, part: &str) -> bool {
        self.of(extension, attribute).any(|path| match &path.sub_attribute {
            None => true,
            Some(kept) => kept == part || WITH_ITS_ELEMENT.contains(&part),
        })
    }

    fn of(&self, extension: Option<&str>, attribute: &str) -> impl Iterator<Item = &KeptPath> {
        let found =
            move |path: &&KeptPath| path.extension.as_deref() == extension && path.attribute == attribute;
        self.0.iter().filter(found)
    }

    fn restrict_members(&self, extension: Option<&str>, new: &mut Object, old: &Object, notes: &mut Notes) {
        let urn = extension.map(|urn| Place::BODY.member(urn));
        let at = urn.as_ref().unwrap_or(&Place::BODY);
        let names: BTreeSet<String> =
            new.keys().chain(old.keys()).filter(|name| !name.contains(':')).cloned().collect();
        for name in names {
            if new.get(&name) == old.get(&name) {
                continue;
            }
            let paths: Vec<&KeptPath> = self.of(extension, &name).collect();
            if paths.is_empty() {
                notes.note(Dialect::AttributesNotKept, at.member(&name));
                match old.get(&name) {
                    Some(before) => new.insert(name, before.clone()),
                    None => new.remove(&name),
                };
                continue;
            }
            let Some(value) = new.get_mut(&name) else { continue };
            if restrict_value(value, &paths) {
                notes.note(Dialect::AttributesNotKept, at.member(&name));
            }
            if value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(Object::is_empty)
            {
                new.remove(&name);
            }
        }
    }
}

/// Leaves of a value what the paths name; says whether that was not all.
fn restrict_value(value: &mut Value, paths: &[&KeptPath]) -> bool {
    if paths.iter().any(|path| path.element.is_none() && path.sub_attribute.is_none()) {
        return false;
    }
    match value {
        Value::Array(elements) => {
            let mut left_out = false;
            elements.retain_mut(|element| {
                // Of the wrong type: the check of the document says so.
                let Value::Object(parts) = element else { return true };
                left_out |= restrict_parts(parts, paths, &WITH_ITS_ELEMENT);
                !parts.is_empty()
            });
            left_out
        }
        Value::Object(parts) => restrict_parts(parts, paths, &[]),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Parts that stay only `beside` others do not stay alone.
fn restrict_parts(parts: &mut Object, paths: &[&KeptPath], beside: &[&str]) -> bool {
    let is_meant = |path: &&&KeptPath| {
        path.element.as_ref().is_none_or(|(name, wanted)| {
            parts.get(name).and_then(Value::as_str).is_some_and(|text| fold(text) == fold(wanted))
        })
    };
    let meant: Vec<&KeptPath> = paths.iter().filter(is_meant).copied().collect();
    let before = parts.len();
    if meant.iter().all(|path| path.sub_attribute.is_some()) {
        let names = |part: &str| meant.iter().any(|path| path.sub_attribute.as_deref() == Some(part));
        if parts.keys().any(|part| names(part)) {
            parts.retain(|part, _| names(part) || beside.contains(&part.as_str()));
        } else {
            parts.clear();
        }
    }
    parts.len() != before
}

#[cfg(test)]
mod tests;
