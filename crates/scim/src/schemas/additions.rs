//! What a tenant adds to the schemas that ship: attributes of User and Group, and extensions of them.
//!
//! Additions are schemas in the RFC's form (RFC 7643 section 7) by resource type. One whose URN is a schema's that
//! the type has already adds its attributes to it; any other is a new extension. They are part of a tenant's
//! settings; nothing in the code knows any of them by name.

use serde::{Deserialize, Serialize};

use crate::attribute_path::AttributePath;
use crate::schema::{Attribute, ResourceSchema, ResourceType, Schema};

/// Schemas by resource type. As read by [`Additions::read`] every characteristic is spelled out, so that no later
/// default changes an old tenant.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Additions {
    /// For User.
    #[serde(rename = "User", default, skip_serializing_if = "Vec::is_empty")]
    pub user: Vec<Schema>,
    /// For Group.
    #[serde(rename = "Group", default, skip_serializing_if = "Vec::is_empty")]
    pub group: Vec<Schema>,
}

impl Additions {
    /// Those for a type.
    pub fn of(&self, resource_type: ResourceType) -> &[Schema] {
        match resource_type {
            ResourceType::User => &self.user,
            ResourceType::Group => &self.group,
        }
    }

    /// A type's standard schemas with these additions. A name that is taken stays what it is.
    pub(super) fn to(&self, standard: &ResourceSchema) -> ResourceSchema {
        let ResourceSchema { resource_type, mut core, mut extensions, .. } = standard.clone();
        for added in self.of(resource_type) {
            let mut known = std::iter::once(&mut core).chain(&mut extensions);
            match known.find(|schema| schema.id.eq_ignore_ascii_case(&added.id)) {
                Some(schema) => {
                    for attribute in &added.attributes {
                        if schema.attribute(&attribute.name).is_none() {
                            schema.attributes.push(attribute.clone());
                        }
                    }
                }
                None => extensions.push(added.clone()),
            }
        }
        ResourceSchema::new(resource_type, core, extensions)
    }
}

/// Marks an attribute whose canonical values are the only ones allowed; says whether the schemas have it.
pub(super) fn enforce(schema: &mut ResourceSchema, path: &str) -> bool {
    let Some((extension, name, part)) = named(schema, path) else { return false };
    let holder = match extension {
        None => Some(&mut schema.core),
        Some(urn) => schema.extensions.iter_mut().find(|extension| extension.id == urn),
    };
    let attribute = holder.and_then(|schema| find(&mut schema.attributes, &name));
    let attribute = match part {
        None => attribute,
        Some(part) => attribute.and_then(|attribute| find(&mut attribute.sub_attributes, &part)),
    };
    match attribute {
        Some(attribute) if !attribute.canonical_values.is_empty() => {
            attribute.canonical_values_enforced = true;
            true
        }
        _ => false,
    }
}

/// The names, in schema spelling, of what a path means: extension, attribute, sub-attribute.
fn named(schema: &ResourceSchema, path: &str) -> Option<(Option<String>, String, Option<String>)> {
    let path = AttributePath::parse(path).ok()?;
    let found = path.resolve(schema)?;
    let name = |attribute: &Attribute| attribute.name.clone();
    Some((
        found.extension.map(|extension| extension.id.clone()),
        name(found.attribute?),
        found.sub_attribute.map(name),
    ))
}

fn find<'a>(attributes: &'a mut [Attribute], name: &str) -> Option<&'a mut Attribute> {
    attributes.iter_mut().find(|attribute| attribute.name == name)
}
