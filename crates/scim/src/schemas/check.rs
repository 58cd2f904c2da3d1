//! Which additions make sense: names that are free, types that fit, and nothing that could not be kept.
//!
//! [`Additions::check`] looks at the additions alone. [`Additions::check_beside_resources`] also looks at those
//! that were there before, for a tenant that has resources: what they hold must stay readable, and a request that
//! was right yesterday (a leaver's deactivation above all) must not be refused for a value that nobody sent.

use super::additions::enforce;
use super::{Additions, Schemas};
use crate::attribute_path;
use crate::schema::{
    Attribute, AttributeType, Mutability, ResourceSchema, ResourceType, Schema, UniquenessRule,
};

/// The longest URN of a schema and the longest name of an attribute, in bytes.
const URN_BYTES_MAX: usize = 255;
const NAME_BYTES_MAX: usize = 64;
/// The most attributes, parts included, that are added to one resource type.
const ATTRIBUTES_MAX: usize = 256;
/// Namespaces that mean something else: messages and resources of the RFCs, and what a dialect rewrites.
const RESERVED: [&str; 3] =
    ["urn:ietf:params:scim:api:", "urn:ietf:params:scim:schemas:core:", "urn:scim:schemas:"];

/// Additions that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct SchemaError {
    /// Our stable code: a heading of `docs/errors.md`.
    pub code: &'static str,
    /// Which schema and attribute, what is wrong, and what would be right.
    pub detail: String,
}

fn invalid(place: &str, problem: &str) -> SchemaError {
    SchemaError { code: "schema_invalid", detail: format!("{place} {problem}") }
}

fn unsupported(place: &str, problem: &str) -> SchemaError {
    SchemaError { code: "schema_unsupported", detail: format!("{place} {problem}") }
}

impl Additions {
    /// Refuses what cannot be added to any tenant.
    pub fn check(&self) -> Result<(), SchemaError> {
        for resource_type in [ResourceType::User, ResourceType::Group] {
            check_for(Schemas::standard().of(resource_type), self.of(resource_type))?;
        }
        for schema in &self.user {
            if self.group.iter().any(|other| other.id.eq_ignore_ascii_case(&schema.id) && other != schema) {
                return Err(invalid(
                    &schema.id,
                    "is added to User and to Group and must be the same for both",
                ));
            }
        }
        Ok(())
    }

    /// Refuses paths whose attribute does not exist or has no canonical values.
    pub fn check_enforced(&self, enforced: &[String]) -> Result<(), SchemaError> {
        let mut shapes = [ResourceType::User, ResourceType::Group]
            .map(|resource_type| self.to(Schemas::standard().of(resource_type)));
        for path in enforced {
            // Both, since either may have it.
            let found = shapes.iter_mut().map(|shape| enforce(shape, path)).fold(false, |any, one| any | one);
            if !found {
                let problem = "is no attribute of User or Group that has canonical values to enforce";
                return Err(invalid(path, problem));
            }
        }
        Ok(())
    }

    /// Refuses what would not be safe for resources of that type that are stored already.
    pub fn check_beside_resources(
        &self,
        before: &Self,
        resource_type: ResourceType,
    ) -> Result<(), SchemaError> {
        let name = resource_type.name();
        let (old, new) = (before.of(resource_type), self.of(resource_type));
        for schema in old {
            let Some(now) = find(new, &schema.id) else {
                return Err(unsafe_now(&schema.id, name, "cannot be removed"));
            };
            keeps(&schema.attributes, &now.attributes, &schema.id, name)?;
        }
        for schema in new {
            let is_new_extension =
                !has(Schemas::standard().of(resource_type), &schema.id) && find(old, &schema.id).is_none();
            let known = find(old, &schema.id).map_or(&[][..], |schema| &schema.attributes);
            if !is_new_extension {
                demands_nothing_new(known, &schema.attributes, &schema.id, name)?;
            }
        }
        Ok(())
    }
}

fn find<'s>(schemas: &'s [Schema], id: &str) -> Option<&'s Schema> {
    schemas.iter().find(|schema| schema.id.eq_ignore_ascii_case(id))
}

fn has(shape: &ResourceSchema, id: &str) -> bool {
    shape.all().any(|schema| schema.id.eq_ignore_ascii_case(id))
}

fn unsafe_now(place: &str, resource_type: &str, problem: &str) -> SchemaError {
    SchemaError {
        code: "schema_in_use",
        detail: format!("{place} {problem} while the tenant has resources of the type {resource_type}"),
    }
}

/// What stored documents may hold is still there and of the same shape.
fn keeps(old: &[Attribute], new: &[Attribute], prefix: &str, resource_type: &str) -> Result<(), SchemaError> {
    for attribute in old {
        let place = format!("{prefix}:{}", attribute.name);
        let Some(now) = new.iter().find(|now| now.name == attribute.name) else {
            return Err(unsafe_now(&place, resource_type, "cannot be removed or renamed"));
        };
        if (now.value_type, now.multi_valued) != (attribute.value_type, attribute.multi_valued) {
            return Err(unsafe_now(&place, resource_type, "cannot change its type or multiValued"));
        }
        let write_only = |attribute: &Attribute| attribute.mutability == Mutability::WriteOnly;
        if write_only(now) && !write_only(attribute) {
            return Err(unsafe_now(&place, resource_type, "cannot become writeOnly"));
        }
        let unique = |attribute: &Attribute| attribute.uniqueness != UniquenessRule::None;
        if unique(now) && (!unique(attribute) || now.case_exact != attribute.case_exact) {
            let problem = "cannot become unique, or change caseExact where it is unique,";
            return Err(unsafe_now(&place, resource_type, problem));
        }
        keeps(&attribute.sub_attributes, &now.sub_attributes, &place, resource_type)?;
    }
    Ok(())
}

/// Nothing is required that was not required before.
fn demands_nothing_new(
    old: &[Attribute],
    new: &[Attribute],
    prefix: &str,
    resource_type: &str,
) -> Result<(), SchemaError> {
    for attribute in new {
        let place = format!("{prefix}:{}", attribute.name);
        let before = old.iter().find(|before| before.name == attribute.name);
        if attribute.required && before.is_none_or(|before| !before.required) {
            return Err(unsafe_now(&place, resource_type, "cannot become required"));
        }
        if let Some(before) = before {
            demands_nothing_new(&before.sub_attributes, &attribute.sub_attributes, &place, resource_type)?;
        }
    }
    Ok(())
}

fn check_for(standard: &ResourceSchema, added: &[Schema]) -> Result<(), SchemaError> {
    let mut urns: Vec<&str> = standard.all().map(|schema| schema.id.as_str()).collect();
    let mut count = 0;
    for (index, schema) in added.iter().enumerate() {
        let id = schema.id.as_str();
        if find(&added[..index], id).is_some() {
            return Err(invalid(id, "is added twice; put its attributes into one schema"));
        }
        let known = standard.all().find(|schema| schema.id.eq_ignore_ascii_case(id));
        if known.is_none() {
            check_urn(id, &urns)?;
            if schema.name.trim().is_empty() {
                return Err(invalid(id, "needs a name, which people are shown"));
            }
            urns.push(id);
        }
        if schema.attributes.is_empty() {
            return Err(invalid(id, "adds no attributes"));
        }
        let taken = known.map_or(&[][..], |schema| &schema.attributes);
        check_attributes(&schema.attributes, taken, id, false)?;
        count += schema.attributes.iter().map(|attribute| 1 + attribute.sub_attributes.len()).sum::<usize>();
    }
    if count > ATTRIBUTES_MAX {
        let problem = format!("cannot have more than {ATTRIBUTES_MAX} added attributes, parts included");
        return Err(invalid(standard.resource_type.name(), &problem));
    }
    Ok(())
}

fn check_urn(id: &str, urns: &[&str]) -> Result<(), SchemaError> {
    let starts = |prefix: &str| id.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix));
    if !starts("urn:") || id.len() > URN_BYTES_MAX || !id.bytes().all(attribute_path::is_path_byte) {
        let problem = format!(
            "is no URN that a schema can have: urn: and then at most {URN_BYTES_MAX} characters in all, without \
             spaces, quotes and brackets"
        );
        return Err(invalid(id, &problem));
    }
    if RESERVED.iter().any(|prefix| starts(prefix)) {
        return Err(invalid(id, "is in a namespace that an extension cannot be in; use a URN of your own"));
    }
    // `urn:a:b` with an attribute `c` and the schema `urn:a:b:c` would be one path.
    let continues = |long: &str, short: &str| {
        let head = long.get(..short.len()).is_some_and(|head| head.eq_ignore_ascii_case(short));
        head && long[short.len()..].starts_with(':')
    };
    match urns.iter().find(|urn| continues(id, urn) || continues(urn, id)) {
        None => Ok(()),
        Some(urn) => Err(invalid(id, &format!("and {urn} continue each other, so paths would be ambiguous"))),
    }
}

fn check_attributes(
    attributes: &[Attribute],
    taken: &[Attribute],
    prefix: &str,
    parts: bool,
) -> Result<(), SchemaError> {
    for (index, attribute) in attributes.iter().enumerate() {
        let name = attribute.name.as_str();
        let place = format!("{prefix}{}{name}", if parts { "." } else { ":" });
        let same = |other: &Attribute| other.name.eq_ignore_ascii_case(name);
        if taken.iter().any(same) || attributes[..index].iter().any(same) {
            return Err(SchemaError {
                code: "schema_name_taken",
                detail: format!("{place} is there already; names count whatever their case"),
            });
        }
        let plain = attribute_path::name(name, 0).is_ok() && (parts || name != "$ref");
        if !plain || name.len() > NAME_BYTES_MAX {
            let problem = format!(
                "needs another name: a letter and then letters, digits, - and _, at most {NAME_BYTES_MAX}"
            );
            return Err(invalid(&place, &problem));
        }
        check_characteristics(attribute, &place, parts)?;
        check_attributes(&attribute.sub_attributes, &[], &place, true)?;
    }
    Ok(())
}

fn check_characteristics(attribute: &Attribute, place: &str, part: bool) -> Result<(), SchemaError> {
    let value_type = attribute.value_type;
    let complex = value_type == AttributeType::Complex;
    if complex && part {
        // RFC 7643 section 2.3.8.
        return Err(invalid(place, "is complex; a complex attribute cannot have complex sub-attributes"));
    }
    if complex == attribute.sub_attributes.is_empty() {
        return Err(invalid(place, "must have subAttributes if it is complex, and only then"));
    }
    if part && attribute.multi_valued {
        return Err(unsupported(place, "cannot be multiValued, being a sub-attribute"));
    }
    let reference = value_type == AttributeType::Reference;
    if reference == attribute.reference_types.is_empty() {
        return Err(invalid(place, "must have referenceTypes if it is a reference, and only then"));
    }
    let known = |name: &String| matches!(name.as_str(), "external" | "uri" | "User" | "Group");
    if !attribute.reference_types.iter().all(known) {
        return Err(invalid(place, "has a referenceType that is none of external, uri, User, Group"));
    }
    let texts = matches!(value_type, AttributeType::String | AttributeType::Reference);
    let blank = |value: &String| value.trim().is_empty();
    if !attribute.canonical_values.is_empty() && !texts || attribute.canonical_values.iter().any(blank) {
        return Err(invalid(place, "can have canonicalValues only if it is a string, and no blank ones"));
    }
    check_what_is_kept(attribute, place, part)?;
    if attribute.uniqueness != UniquenessRule::None && (part || attribute.multi_valued || !texts) {
        let problem = "cannot be unique: only singular attributes of the types string and reference can, since \
                       only those are indexed";
        return Err(unsupported(place, problem));
    }
    Ok(())
}

/// What is write-only is checked and forgotten: nothing about a kept value can be asked of it.
fn check_what_is_kept(attribute: &Attribute, place: &str, part: bool) -> Result<(), SchemaError> {
    if attribute.mutability != Mutability::WriteOnly {
        return Ok(());
    }
    if part {
        return Err(unsupported(place, "cannot be writeOnly, being a sub-attribute"));
    }
    if attribute.required || attribute.uniqueness != UniquenessRule::None {
        return Err(unsupported(place, "cannot be writeOnly and required or unique: its value is not kept"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
