//! Which attributes an answer has: `attributes`, `excludedAttributes` and each attribute's `returned`.
//!
//! RFC 7643 section 7 and RFC 7644 section 3.9: what is `always` returned stays, what is `never` returned goes,
//! what is returned on `request` needs to be named; everything else is the client's choice. A sub-attribute's
//! own rule counts within its attribute: an excluded attribute is gone with all its parts.

use serde_json::Value;

use crate::attribute_path::AttributePath;
use crate::schema::{Attribute, AttributeType, ReturnedRule};
use crate::{Object, ResourceSchema, ScimError, ScimType};

/// A client's choice of attributes (RFC 7644 sections 3.4.2.5 and 3.9). Paths are in schema spelling, those of
/// the core schema without its URN, each once; an empty name stands for all attributes of its schema.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Returned {
    /// No choice: everything that is returned by default.
    #[default]
    Default,
    /// `attributes`: these, and what is always returned.
    Only(Vec<AttributePath>),
    /// `excludedAttributes`: everything but these.
    Except(Vec<AttributePath>),
}

impl Returned {
    /// Reads decoded query parameters, whose names are matched whatever their case. A parameter that comes more
    /// than once counts as one list.
    pub fn from_parameters(
        parameters: &[(String, String)],
        schema: &ResourceSchema,
    ) -> Result<Self, ScimError> {
        let parameter = |wanted: &str| {
            let given = parameters
                .iter()
                .filter(|(name, names)| name.eq_ignore_ascii_case(wanted) && !names.trim().is_empty());
            given.map(|(_, names)| names.as_str()).collect::<Vec<_>>().join(",")
        };
        Self::parse(Some(&parameter("attributes")), Some(&parameter("excludedAttributes")), schema)
    }

    /// Reads the two parameters (comma-separated names). Both at once is an error; unknown names are ignored.
    pub fn parse(
        attributes: Option<&str>,
        excluded: Option<&str>,
        schema: &ResourceSchema,
    ) -> Result<Self, ScimError> {
        let given = |names: &&str| !names.trim().is_empty();
        match (attributes.filter(given), excluded.filter(given)) {
            (None, None) => Ok(Self::Default),
            (Some(names), None) => Ok(Self::Only(known_paths(names, schema))),
            (None, Some(names)) => Ok(Self::Except(known_paths(names, schema))),
            (Some(_), Some(_)) => Err(ScimError::new(
                ScimType::InvalidValue,
                "attributes_and_excluded",
                "attributes and excludedAttributes exclude each other; send only one of the two parameters",
            )),
        }
    }

    /// Whether any part of this top-level core attribute may be in the answer: lets a reader skip what costs
    /// (`members`, `groups`).
    pub fn wants(&self, attribute: &str) -> bool {
        let of_attribute = |path: &&AttributePath| {
            let name = &path.attribute;
            path.schema.is_none() && (name.is_empty() || name.eq_ignore_ascii_case(attribute))
        };
        match self {
            Self::Default => true,
            Self::Only(paths) => paths.iter().any(|path| of_attribute(&path)),
            Self::Except(paths) => {
                !paths.iter().filter(of_attribute).any(|path| path.sub_attribute.is_none())
            }
        }
    }

    /// Removes from a resource in wire form what the answer shall not have.
    pub fn project(&self, resource: &mut Object, schema: &ResourceSchema) {
        self.project_members(resource, &schema.core.attributes, None);
        for extension in &schema.extensions {
            if let Some(Value::Object(members)) = resource.get_mut(&extension.id) {
                self.project_members(members, &extension.attributes, Some(&extension.id));
                if members.is_empty() {
                    resource.remove(&extension.id);
                }
            }
        }
    }

    /// Projects the attributes of one schema: the core one at the top level, or an extension in its object.
    fn project_members(&self, members: &mut Object, attributes: &[Attribute], urn: Option<&str>) {
        for attribute in attributes {
            let Some(value) = members.get_mut(&attribute.name) else { continue };
            let mention = self.mention(&attribute.name, urn);
            if !self.keeps(attribute, mention.whole || !mention.sub_attributes.is_empty(), mention.whole)
                || !self.project_value(value, attribute, &mention)
            {
                members.remove(&attribute.name);
            }
        }
    }

    /// What the client says about an attribute.
    fn mention(&self, attribute: &str, urn: Option<&str>) -> Mention<'_> {
        let mut mention = Mention::default();
        let (Self::Only(paths) | Self::Except(paths)) = self else { return mention };
        for path in paths.iter().filter(|path| path.schema.as_deref() == urn) {
            // A path without a name was a URN only: it means all attributes of that schema.
            if path.attribute.is_empty() || path.attribute == attribute {
                match &path.sub_attribute {
                    None => mention.whole = true,
                    Some(sub_attribute) => mention.sub_attributes.push(sub_attribute),
                }
            }
        }
        mention
    }

    /// Whether an attribute or sub-attribute stays: `requested` if `attributes` names it or a part of it,
    /// `excluded` if `excludedAttributes` names all of it.
    fn keeps(&self, attribute: &Attribute, requested: bool, excluded: bool) -> bool {
        match (attribute.returned, self) {
            (ReturnedRule::Always, _) | (ReturnedRule::Default, Self::Default) => true,
            (ReturnedRule::Never, _) | (ReturnedRule::Request, Self::Default | Self::Except(_)) => false,
            (ReturnedRule::Default | ReturnedRule::Request, Self::Only(_)) => requested,
            (ReturnedRule::Default, Self::Except(_)) => !excluded,
        }
    }

    /// Projects the parts of a complex value; says whether anything is left.
    fn project_value(&self, value: &mut Value, attribute: &Attribute, mention: &Mention<'_>) -> bool {
        if attribute.value_type != AttributeType::Complex {
            return true;
        }
        let keeps = |name: &str| {
            let Some(sub_attribute) = attribute.sub_attribute(name) else { return true };
            let named = mention.sub_attributes.contains(&sub_attribute.name.as_str());
            // Who asks for a whole attribute, or gets it unasked, gets what its parts return by default.
            let unasked = named || mention.sub_attributes.is_empty() || mention.whole;
            let requested = if sub_attribute.returned == ReturnedRule::Request { named } else { unasked };
            self.keeps(sub_attribute, requested, named)
        };
        // The elements of a group's members are many: they are only walked if something is to be taken out.
        if attribute.sub_attributes.iter().all(|sub_attribute| keeps(&sub_attribute.name)) {
            return true;
        }
        let project = |value: &mut Value| match value {
            Value::Object(members) => {
                members.retain(|name, _| keeps(name));
                !members.is_empty()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => true,
        };
        let Value::Array(elements) = value else { return project(value) };
        elements.retain_mut(project);
        !elements.is_empty()
    }
}

/// What a client's paths say about one attribute.
#[derive(Default)]
struct Mention<'p> {
    whole: bool,
    sub_attributes: Vec<&'p str>,
}

/// The paths that the schemas know, in their spelling. There are only so many, however long the parameter is.
fn known_paths(names: &str, schema: &ResourceSchema) -> Vec<AttributePath> {
    let mut paths = Vec::new();
    for name in names.split(',') {
        let Ok(path) = AttributePath::parse(name.trim()) else { continue };
        let Some(resolved) = path.resolve(schema) else { continue };
        let path = AttributePath::of(
            resolved.extension.map(|extension| extension.id.clone()),
            resolved.attribute.map(|attribute| attribute.name.clone()).unwrap_or_default(),
            resolved.sub_attribute.map(|attribute| attribute.name.clone()),
        );
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}

#[cfg(test)]
mod tests;
