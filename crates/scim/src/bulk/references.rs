//! `bulkId:…`: the name of a resource that has no id yet (RFC 7644 section 3.7.2).
//!
//! The ids of new resources are drawn before anything is decided, so a reference is replaced by its id wherever it
//! stands: in a path, as a whole text anywhere in `data`, and as a text in the filter of a PATCH path. A reference
//! that leads nowhere is refused rather than kept, for nobody could tell it from a value later.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::{Asked, Method, Operation};
use crate::json::is_plain_name;
use crate::{ScimError, ScimType};

/// What stands before the name.
pub(super) const PREFIX: &str = "bulkId:";

/// Where the names of a request lead.
#[derive(Debug)]
pub struct References {
    by_name: HashMap<String, (usize, String)>,
}

/// The operations that one refers to, by their index.
pub type RefersTo = BTreeSet<usize>;

impl References {
    /// The names in a request; `id` gives the id of the resource that the operation with that index makes.
    pub fn of(operations: &[Operation], mut id: impl FnMut(usize) -> String) -> Self {
        let named = operations.iter().enumerate().filter_map(|(index, operation)| {
            let name = operation.names()?.to_owned();
            Some((name, (index, id(index))))
        });
        Self { by_name: named.collect() }
    }

    /// Replaces every reference by its id, and tells to which operations they lead.
    pub fn resolve(&self, asked: &mut Asked) -> Result<RefersTo, ScimError> {
        let mut found = RefersTo::new();
        if let Some(id) = &mut asked.path.id {
            self.in_path(id, &mut found).map_err(|Unknown(_)| refuse("in its path"))?;
        }
        if asked.method == Method::Patch {
            self.in_patch_paths(&mut asked.data, &mut found)
                .map_err(|Unknown(_)| refuse("in the path of an operation of data"))?;
        }
        self.in_value(&mut asked.data, &mut found).map_err(|Unknown(place)| {
            let place: Vec<&str> = place.iter().rev().map(String::as_str).collect();
            refuse(&format!("at {}", ["data"].into_iter().chain(place).collect::<Vec<_>>().join(".")))
        })?;
        Ok(found)
    }

    fn lookup(&self, name: &str, found: &mut RefersTo) -> Option<&str> {
        let (operation, id) = self.by_name.get(name)?;
        found.insert(*operation);
        Some(id)
    }

    /// A path may be percent-encoded; a name that holds a `%` itself counts as it stands.
    fn in_path(&self, id: &mut String, found: &mut RefersTo) -> Result<(), Unknown> {
        let decoded = percent_decode_str(id).decode_utf8().map_or_else(|_| id.clone(), Cow::into_owned);
        let plain = id.strip_prefix(PREFIX).and_then(|name| self.lookup(name, found));
        let Some(name) = decoded.strip_prefix(PREFIX) else {
            *id = decoded;
            return Ok(());
        };
        let resolved = plain.or_else(|| self.lookup(name, found)).ok_or(Unknown(Vec::new()))?.to_owned();
        *id = resolved;
        Ok(())
    }

    fn in_value(&self, value: &mut Value, found: &mut RefersTo) -> Result<(), Unknown> {
        match value {
            Value::String(text) => {
                if let Some(name) = text.strip_prefix(PREFIX) {
                    *text = self.lookup(name, found).ok_or(Unknown(Vec::new()))?.to_owned();
                }
            }
            Value::Array(elements) => {
                for element in elements {
                    self.in_value(element, found)?;
                }
            }
            Value::Object(members) => {
                for (name, member) in members.iter_mut() {
                    self.in_value(member, found).map_err(|unknown| unknown.inside(name))?;
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
        Ok(())
    }

    /// `members[value eq "bulkId:…"]`.
    fn in_patch_paths(&self, data: &mut Value, found: &mut RefersTo) -> Result<(), Unknown> {
        let Some(Value::Array(operations)) = member(data, "Operations") else { return Ok(()) };
        for operation in operations {
            if let Some(Value::String(path)) = member(operation, "path")
                && path.contains(PREFIX)
            {
                *path = self.in_filter(path, found)?;
            }
        }
        Ok(())
    }

    /// Texts of a filter are JSON strings; outside them there is no quotation mark.
    fn in_filter(&self, path: &str, found: &mut RefersTo) -> Result<String, Unknown> {
        let mut resolved = String::with_capacity(path.len());
        let mut rest = path;
        while let Some(start) = rest.find('"') {
            let (before, text) = rest.split_at(start);
            resolved.push_str(before);
            let Some(end) = end_of_text(text) else { break };
            let (text, after) = text.split_at(end);
            let read: Option<String> = serde_json::from_str(text).ok();
            match read.as_deref().and_then(|text| text.strip_prefix(PREFIX)) {
                Some(name) => {
                    let id = self.lookup(name, found).ok_or(Unknown(Vec::new()))?;
                    resolved.extend(["\"", id, "\""]);
                }
                None => resolved.push_str(text),
            }
            rest = after;
        }
        let unread = rest.find('"').unwrap_or(0);
        resolved.push_str(&rest[unread..]);
        Ok(resolved)
    }
}

/// Where a JSON string that begins here ends.
fn end_of_text(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (index, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            b'"' if !escaped => return Some(index + 1),
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    None
}

/// A reference that leads nowhere, with the names of the members around it, the innermost first.
struct Unknown(Vec<String>);

impl Unknown {
    fn inside(mut self, name: &str) -> Self {
        self.0.push(if is_plain_name(name) { name.to_owned() } else { "…".to_owned() });
        self
    }
}

/// The name itself is not repeated: clients make it of anything.
fn refuse(place: &str) -> ScimError {
    let detail = format!("the operation refers to a bulkId that no POST of this request has, {place}");
    ScimError::new(ScimType::InvalidValue, "bulk_reference_unknown", detail)
}

/// A member of an object, whatever the case of its name.
fn member<'v>(value: &'v mut Value, name: &str) -> Option<&'v mut Value> {
    let Value::Object(members) = value else { return None };
    members.iter_mut().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

#[cfg(test)]
mod tests;
