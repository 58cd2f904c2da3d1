//! A document that a client sends, checked against its schemas and brought to canonical form.
//!
//! The canonical document is what is recorded: schema spelling, sorted, nothing unassigned, nothing that the
//! service provider assigns or derives, and never a password. A group's members and the `externalId`, which is
//! each provisioning domain's own, travel beside it. What a value means (is the name taken? does the member
//! exist?) is not known here.

mod canonical;
mod check;
mod names;
mod reference;

use serde_json::Value;

pub use self::names::check_names;
use crate::dialect::Notes;
use crate::member::MEMBERS;
use crate::patch::Target;
use crate::schema::{Attribute, Mutability, Schema};
use crate::{MemberRef, Object, ResourceSchema, ResourceType, ScimError, ScimType};

/// The attribute of a User that says whether it may be used.
const ACTIVE: &str = "active";
/// The attribute that stands beside the canonical document, since each provisioning domain has its own.
pub(crate) const EXTERNAL_ID: &str = "externalId";

/// The state that a POST or PUT asks for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Document {
    /// The canonical document: schema spelling, no `schemas`, `id`, `externalId`, `meta`, `groups`, `members`.
    pub attributes: Object,
    /// The `externalId` given; `None` for none.
    pub external_id: Option<String>,
    /// For groups, the members given; `None` if the attribute was absent.
    pub members: Option<Vec<MemberRef>>,
}

/// Reads a document in RFC form: names in schema spelling, types checked, `null` and `[]` dropped, read-only
/// attributes and passwords ignored. What no schema knows is left out; the dialects have noted it. So is what the tenant
/// does not keep, as the second part of the answer says. Required attributes must be there.
pub fn read(body: Value, schema: &ResourceSchema) -> Result<(Document, Notes), ScimError> {
    let Value::Object(mut body) = body else {
        let detail = format!("the body must be a JSON object, a {}", schema.resource_type.name());
        return Err(ScimError::new(ScimType::InvalidSyntax, "body_not_an_object", detail));
    };
    check_schemas(take(&mut body, "schemas"), schema)?;
    let members = match schema.resource_type {
        ResourceType::Group => take(&mut body, MEMBERS).map(MemberRef::read_all).transpose()?,
        ResourceType::User => None,
    };
    let mut attributes = Object::new();
    let mut core = Object::new();
    for (name, value) in body {
        match schema.extension(&name) {
            Some(extension) => {
                if let Some(value) = read_extension(value, extension) {
                    attributes.insert(extension.id.clone(), value);
                }
            }
            None => {
                core.insert(name, value);
            }
        }
    }
    attributes.extend(canonical::object(core, |name| schema.core.attribute(name)));
    let mut notes = Notes::new();
    if let Some(kept) = &schema.kept {
        kept.restrict(&mut attributes, &Object::new(), &mut notes);
    }
    check::document(&attributes, schema, None)?;
    forget_write_only(&mut attributes, schema);
    let external_id = match attributes.remove(EXTERNAL_ID) {
        Some(Value::String(external_id)) if !external_id.is_empty() => Some(external_id),
        _ => None,
    };
    Ok((Document { attributes, external_id, members }, notes))
}

/// Takes a member out of an object, whatever the case of its name.
fn take(object: &mut Object, name: &str) -> Option<Value> {
    let key = object.keys().find(|key| key.eq_ignore_ascii_case(name))?.clone();
    object.remove(&key)
}

/// RFC 7643 section 3: `schemas` is a non-empty array of URNs that has the core schema's.
fn check_schemas(urns: Option<Value>, schema: &ResourceSchema) -> Result<(), ScimError> {
    let core = &schema.core.id;
    let refuse = |code, problem: &str| {
        let detail = format!("schemas {problem}; it must be an array of URNs that has \"{core}\"");
        Err(ScimError::new(ScimType::InvalidSyntax, code, detail))
    };
    let urns = match urns {
        None | Some(Value::Null) => return refuse("schemas_missing", "is missing"),
        Some(Value::Array(urns)) if urns.is_empty() => return refuse("schemas_missing", "is empty"),
        Some(Value::Array(urns)) => urns,
        Some(_) => return refuse("schemas_malformed", "is no array"),
    };
    let mut has_core = false;
    for urn in &urns {
        let Value::String(urn) = urn else {
            return refuse("schemas_malformed", "has an element that is no string");
        };
        has_core |= urn.eq_ignore_ascii_case(core);
    }
    if has_core { Ok(()) } else { refuse("schemas_without_core", "lacks the resource type's own URN") }
}

/// The object under an extension's URN; anything else is left for the check.
fn read_extension(value: Value, extension: &Schema) -> Option<Value> {
    let Value::Object(members) = value else {
        let unassigned = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        return (!unassigned).then_some(value);
    };
    let members = canonical::object(members, |name| extension.attribute(name));
    (!members.is_empty()).then_some(Value::Object(members))
}

/// Takes out what must never be kept: passwords and whatever else is write-only.
fn forget_write_only(attributes: &mut Object, schema: &ResourceSchema) {
    let is_write_only = |attribute: Option<&Attribute>| {
        attribute.is_some_and(|attribute| attribute.mutability == Mutability::WriteOnly)
    };
    attributes.retain(|name, _| !is_write_only(schema.core.attribute(name)));
    for extension in &schema.extensions {
        if let Some(Value::Object(members)) = attributes.get_mut(&extension.id) {
            members.retain(|name, _| !is_write_only(extension.attribute(name)));
            if members.is_empty() {
                attributes.remove(&extension.id);
            }
        }
    }
}

/// The state after a PUT: immutable attributes may not change, an omitted `active` keeps its value; with
/// `keep_omitted` every other omitted attribute does too.
pub fn replace(
    old: &Target,
    new: Document,
    schema: &ResourceSchema,
    keep_omitted: bool,
) -> Result<Target, ScimError> {
    let mut attributes = new.attributes;
    // A leaver must not come back because a client left `active` out.
    let keeps_active = schema.resource_type == ResourceType::User;
    let keeps = |name: &str| keep_omitted || (keeps_active && name == ACTIVE);
    carry_over(&old.attributes, &mut attributes, &schema.core.attributes, "", &keeps)?;
    for extension in &schema.extensions {
        let Some(Value::Object(before)) = old.attributes.get(&extension.id) else { continue };
        let mut now = match attributes.remove(&extension.id) {
            Some(Value::Object(now)) => now,
            _ => Object::new(),
        };
        let prefix = format!("{}:", extension.id);
        carry_over(before, &mut now, &extension.attributes, &prefix, &|_| keep_omitted)?;
        if !now.is_empty() {
            attributes.insert(extension.id.clone(), Value::Object(now));
        }
    }
    let kept_external_id = if keep_omitted { old.external_id.clone() } else { None };
    Ok(Target { attributes, external_id: new.external_id.or(kept_external_id) })
}

/// Brings from the old state what an omission does not clear: what `keeps` names, and what is immutable (RFC
/// 7644 section 3.5.1). Elements of multi-valued attributes have no identity, so only whole values compare.
fn carry_over(
    old: &Object,
    new: &mut Object,
    attributes: &[Attribute],
    prefix: &str,
    keeps: &dyn Fn(&str) -> bool,
) -> Result<(), ScimError> {
    for attribute in attributes {
        let Some(before) = old.get(&attribute.name) else { continue };
        let immutable = attribute.mutability == Mutability::Immutable;
        match (new.get_mut(&attribute.name), before) {
            (None, _) => {
                if immutable || keeps(&attribute.name) {
                    new.insert(attribute.name.clone(), before.clone());
                }
            }
            (Some(now), _) if immutable && now != before => {
                let name = &attribute.name;
                let detail = format!(
                    "{prefix}{name} cannot be changed once it has a value; send it as it is, or omit it"
                );
                return Err(ScimError::new(ScimType::Mutability, "immutable_changed", detail));
            }
            (Some(Value::Object(now)), Value::Object(before)) => {
                let prefix = format!("{prefix}{}.", attribute.name);
                carry_over(before, now, &attribute.sub_attributes, &prefix, &|_| false)?;
            }
            (Some(_), _) => {}
        }
    }
    Ok(())
}

/// What must also hold after a PATCH: what is immutable has not changed, part by part, whatever the operations did in
/// between; and elements that have become equal in every part are one (RFC 7643 section 2.4).
pub(crate) fn settle(
    attributes: &mut Object,
    before: &Object,
    schema: &ResourceSchema,
) -> Result<(), ScimError> {
    carry_over(before, attributes, &schema.core.attributes, "", &|_| false)?;
    remove_repeated_in(attributes, before);
    for extension in &schema.extensions {
        if let (Some(Value::Object(now)), Some(Value::Object(before))) =
            (attributes.get_mut(&extension.id), before.get(&extension.id))
        {
            carry_over(before, now, &extension.attributes, &format!("{}:", extension.id), &|_| false)?;
            remove_repeated_in(now, before);
        }
    }
    Ok(())
}

fn remove_repeated_in(attributes: &mut Object, before: &Object) {
    for (name, value) in attributes {
        if let Value::Array(elements) = value
            && before.get(name).and_then(Value::as_array) != Some(elements)
        {
            canonical::remove_repeated(elements);
        }
    }
}

/// Required attributes are present and every value has its attribute's type: what must hold after a PATCH. What is
/// as it was `before` is not looked at again: a schema may have become stricter since, and a leaver's deactivation
/// must not be refused for what the request does not touch.
pub fn validate(attributes: &Object, before: &Object, schema: &ResourceSchema) -> Result<(), ScimError> {
    check::document(attributes, schema, Some(before))
}

/// The `schemas` of an answer: the core URN, then the URN of each extension that the document has.
pub fn schemas_in<'s>(attributes: &Object, schema: &'s ResourceSchema) -> Vec<&'s str> {
    let present = schema.extensions.iter().filter(|extension| attributes.contains_key(&extension.id));
    std::iter::once(&schema.core).chain(present).map(|schema| schema.id.as_str()).collect()
}

#[cfg(test)]
mod tests;
