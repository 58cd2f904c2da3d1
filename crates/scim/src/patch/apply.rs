//! Carrying out a PATCH on a document: (state, request) to (new state), or an error and nothing changed.
//!
//! This file finds the place of each operation; `change` says what happens to one attribute, `values` to the list
//! of a multi-valued one. Operations follow each other on a copy.
//!
//! What a client may not write is refused by an explicit path and skipped without one; dialects took it out before,
//! as they did with what the schemas lack. What is write-only (`password`) is checked and dropped: it must not reach
//! any state.

use serde_json::Value;

use super::change::Change;
use super::parse::not_an_object;
use super::values::Work;
use super::{Operation, OperationKind, PatchPath, PatchRequest, Target};
use crate::attribute_path::AttributePath;
use crate::dialect::Notes;
use crate::schema::{Attribute, Mutability, Schema};
use crate::{Object, ResourceSchema, ScimError, resource};

/// The attribute that stands beside the document, since each provisioning domain has its own.
const EXTERNAL_ID: &str = "externalId";

/// What a PATCH comes to.
#[derive(Debug, PartialEq)]
pub struct Applied {
    /// The target as it was.
    pub before: Target,
    /// The target as it is now.
    pub after: Target,
    /// The dialects that were met on the way: those that depend on what the target has, and on what the tenant keeps.
    pub notes: Notes,
}

/// Applies all operations in order, or none. Operations on `members` must have been taken out before
/// ([`super::members::split`]).
pub fn apply(request: &PatchRequest, schema: &ResourceSchema, target: Target) -> Result<Applied, ScimError> {
    let before = whole(target);
    let mut patched = Patched { schema, document: before.clone(), before, work: Work::default() };
    for operation in &request.operations {
        patched.carry_out(operation)?;
    }
    patched.leave_out_what_is_not_kept();
    patched.finish()
}

/// The document with the `externalId` in it.
fn whole(target: Target) -> Object {
    let Target { mut attributes, external_id } = target;
    if let Some(external_id) = external_id {
        attributes.insert(EXTERNAL_ID.to_owned(), Value::String(external_id));
    }
    attributes
}

/// Puts the `externalId` beside the document again. An empty one is none.
fn parted(mut attributes: Object) -> Target {
    let external_id = match attributes.remove(EXTERNAL_ID) {
        Some(Value::String(external_id)) if !external_id.is_empty() => Some(external_id),
        _ => None,
    };
    Target { attributes, external_id }
}

/// The target while operations are applied to it.
struct Patched<'s> {
    schema: &'s ResourceSchema,
    /// The document as it was, with the `externalId`.
    before: Object,
    /// The canonical document with the `externalId` and, until the end, what must not be kept.
    document: Object,
    work: Work,
}

impl<'s> Patched<'s> {
    fn leave_out_what_is_not_kept(&mut self) {
        if let Some(kept) = &self.schema.kept {
            kept.restrict(&mut self.document, &self.before, &mut self.work.notes);
        }
    }

    /// Checks the whole document and takes out what is no part of it.
    fn finish(self) -> Result<Applied, ScimError> {
        let Self { schema, before, document: mut attributes, work } = self;
        resource::settle(&mut attributes, &before, schema)?;
        resource::validate(&attributes, &before, schema)?;
        forget_write_only(&mut attributes, &schema.core);
        for extension in &schema.extensions {
            if let Some(Value::Object(inner)) = attributes.get_mut(&extension.id) {
                forget_write_only(inner, extension);
                if inner.is_empty() {
                    attributes.remove(&extension.id);
                }
            }
        }
        Ok(Applied { before: parted(before), after: parted(attributes), notes: work.notes })
    }

    fn carry_out(&mut self, operation: &Operation) -> Result<(), ScimError> {
        let Operation { number, kind, path, value } = operation;
        self.work.operation = *number;
        match path {
            None => self.change_resource(*kind, value),
            Some(path) => self.change_at(*kind, path, value),
        }
    }

    fn change_at(&mut self, kind: OperationKind, path: &PatchPath, value: &Value) -> Result<(), ScimError> {
        let place = path.resolve(self.schema)?;
        place.check_writable()?;
        match (place.extension, place.attribute) {
            (extension, Some(attribute)) => {
                let filter = path.filter.as_ref().zip(place.filter);
                let sub_attribute = place.sub_attribute;
                self.change(extension, &Change { kind, attribute, filter, sub_attribute, value })
            }
            (Some(extension), None) => self.change_extension(kind, extension, value),
            (None, None) => self.change_resource(kind, value),
        }
    }

    /// RFC 7644 sections 3.5.2.1 and 3.5.2.3: without a path, the value is a set of attributes.
    fn change_resource(&mut self, kind: OperationKind, value: &Value) -> Result<(), ScimError> {
        let Value::Object(attributes) = value else { return Err(not_an_object("the value")) };
        for (name, value) in attributes {
            if let Some(extension) = self.schema.extension(name) {
                self.change_extension(kind, extension, value)?;
                continue;
            }
            let path = AttributePath::of(None, name.clone(), None);
            if let Some(found) = path.resolve(self.schema)
                && let Some(attribute) = found.attribute
            {
                self.change_named(kind, found.extension, attribute, value)?;
            }
        }
        Ok(())
    }

    fn change_extension(
        &mut self,
        kind: OperationKind,
        extension: &'s Schema,
        value: &Value,
    ) -> Result<(), ScimError> {
        match value {
            Value::Object(attributes) => {
                for (name, value) in attributes {
                    if let Some(attribute) = extension.attribute(name) {
                        self.change_named(kind, Some(extension), attribute, value)?;
                    }
                }
                Ok(())
            }
            // `remove` has no value, and `null` means unassigned: the whole extension goes.
            Value::Null => extension.attributes.iter().try_for_each(|attribute| {
                self.change_named(OperationKind::Remove, Some(extension), attribute, &Value::Null)
            }),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(not_an_object(&extension.id))
            }
        }
    }

    /// An attribute as a whole, named without a path.
    fn change_named(
        &mut self,
        kind: OperationKind,
        extension: Option<&'s Schema>,
        attribute: &'s Attribute,
        value: &Value,
    ) -> Result<(), ScimError> {
        if attribute.mutability == Mutability::ReadOnly {
            return Ok(());
        }
        self.change(extension, &Change { kind, attribute, filter: None, sub_attribute: None, value })
    }

    fn change(&mut self, extension: Option<&'s Schema>, change: &Change<'_>) -> Result<(), ScimError> {
        let Some(extension) = extension else {
            return change_member(&mut self.document, change, &mut self.work);
        };
        let mut attributes = match self.document.remove(&extension.id) {
            Some(Value::Object(attributes)) => attributes,
            _ => Object::new(),
        };
        change_member(&mut attributes, change, &mut self.work)?;
        if !attributes.is_empty() {
            self.document.insert(extension.id.clone(), Value::Object(attributes));
        }
        Ok(())
    }
}

fn change_member(object: &mut Object, change: &Change<'_>, work: &mut Work) -> Result<(), ScimError> {
    let name = &change.attribute.name;
    let old = object.remove(name);
    if let Some(new) = change.apply(old, work)? {
        object.insert(name.clone(), new);
    }
    Ok(())
}

/// Takes out what must never be kept: passwords and whatever else is write-only.
fn forget_write_only(attributes: &mut Object, schema: &Schema) {
    attributes.retain(|name, _| {
        schema.attribute(name).is_none_or(|attribute| attribute.mutability != Mutability::WriteOnly)
    });
}

#[cfg(test)]
mod tests;
