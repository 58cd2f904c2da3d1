//! The parts of one complex value, while PATCH changes them.
//!
//! Names get the schema's spelling; what the schema lacks and what only the service provider may write is left
//! out. Types are not looked at: a value that is no object keeps its shape, and the check of the whole document
//! at the end refuses it.

use serde_json::Value;

use crate::schema::{Attribute, AttributeType, Mutability};
use crate::{Object, ScimError, ScimType};

/// Whether a value means that there is none (RFC 7643 section 2.5).
pub(super) fn is_unassigned(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

/// Sets the parts that are given and leaves the others as they are (RFC 7644 section 3.5.2.3).
pub(super) fn merge(value: &mut Value, given: &Value, attribute: &Attribute) -> Result<(), ScimError> {
    if attribute.value_type != AttributeType::Complex || !given.is_object() {
        given.clone_into(value);
        return Ok(());
    }
    let (Value::Object(parts), Value::Object(given)) = (value, given) else { return Ok(()) };
    for (name, part) in given {
        if let Some(sub_attribute) = attribute.sub_attribute(name) {
            set(parts, attribute, sub_attribute, part)?;
        }
    }
    Ok(())
}

/// Sets one part, or takes it away if the value means that there is none.
pub(super) fn set(
    parts: &mut Object,
    attribute: &Attribute,
    sub_attribute: &Attribute,
    value: &Value,
) -> Result<(), ScimError> {
    let name = || format!("{}.{}", attribute.name, sub_attribute.name);
    let old = parts.get(&sub_attribute.name);
    match sub_attribute.mutability {
        Mutability::ReadOnly => return Ok(()),
        Mutability::Immutable if old.is_some_and(|old| old != value) => return Err(immutable(&name())),
        Mutability::Immutable | Mutability::ReadWrite | Mutability::WriteOnly => {}
    }
    if !is_unassigned(value) {
        parts.insert(sub_attribute.name.clone(), value.clone());
    } else if old.is_some() && sub_attribute.required {
        return Err(required(&name()));
    } else {
        parts.remove(&sub_attribute.name);
    }
    Ok(())
}

/// RFC 7644 section 3.5.2: an immutable attribute may only be given its first value.
pub(super) fn immutable(name: &str) -> ScimError {
    let detail = format!("{name} cannot be changed once it has a value; leave it out of the request");
    ScimError::new(ScimType::Mutability, "immutable_changed", detail)
}

/// RFC 7644 section 3.5.2.2: a required attribute cannot become unassigned.
pub(super) fn required(name: &str) -> ScimError {
    let detail = format!("{name} is required and cannot be removed; replace its value instead");
    ScimError::new(ScimType::Mutability, "attribute_required", detail)
}
