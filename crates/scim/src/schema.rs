//! Schemas as data: what attributes a resource has and how each behaves (RFC 7643 sections 2 and 7).
//!
//! A [`Schema`] is read from JSON in the RFC's own form and is served back in it. Code never asks "is this
//! `userName`?"; it asks for the attribute's characteristics. Names are compared without regard to case
//! (RFC 7643 section 2.1); the spelling that is stored and answered is the schema's.

use serde::{Deserialize, Serialize};

use crate::kept::Kept;

/// The attribute in which a tenant with invited users tells how far a user is. Derived, hence read-only.
pub const STATUS: &str = "status";

/// The resource types that a service provider of ours offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ResourceType {
    /// `/Users`
    User,
    /// `/Groups`
    Group,
}

impl ResourceType {
    /// The type's name, as in `meta.resourceType`.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
        }
    }

    /// The endpoint below the base URL, without slashes.
    pub fn endpoint(self) -> &'static str {
        match self {
            Self::User => "Users",
            Self::Group => "Groups",
        }
    }
}

/// The type of an attribute's value (RFC 7643 section 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are the RFC's")]
pub enum AttributeType {
    String,
    Boolean,
    Decimal,
    Integer,
    DateTime,
    Binary,
    Reference,
    Complex,
}

/// Who may write an attribute, and when (RFC 7643 section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are the RFC's")]
pub enum Mutability {
    ReadOnly,
    #[default]
    ReadWrite,
    Immutable,
    WriteOnly,
}

/// When an attribute is part of an answer (RFC 7643 section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are the RFC's")]
pub enum ReturnedRule {
    Always,
    Never,
    #[default]
    Default,
    Request,
}

/// How far a value must be unique (RFC 7643 section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are the RFC's")]
pub enum UniquenessRule {
    #[default]
    None,
    Server,
    Global,
}

/// One attribute or sub-attribute with its characteristics; the defaults are RFC 7643 section 2.2's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "the characteristics are the RFC's, each for itself")]
pub struct Attribute {
    /// The canonical spelling.
    pub name: String,
    /// The value's type.
    #[serde(rename = "type", default = "string_type")]
    pub value_type: AttributeType,
    /// The parts of a complex attribute; complex sub-attributes do not exist (RFC 7643 section 2.3.8).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sub_attributes: Vec<Attribute>,
    /// Whether the value is an array.
    #[serde(default)]
    pub multi_valued: bool,
    /// A sentence for people.
    #[serde(default)]
    pub description: String,
    /// Whether a resource without it is refused.
    #[serde(default)]
    pub required: bool,
    /// The values that are suggested or, where a tenant says so, the only ones allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub canonical_values: Vec<String>,
    /// Whether comparison regards case.
    #[serde(default)]
    pub case_exact: bool,
    /// Who may write it.
    #[serde(default)]
    pub mutability: Mutability,
    /// When it is answered.
    #[serde(default)]
    pub returned: ReturnedRule,
    /// How far it is unique.
    #[serde(default)]
    pub uniqueness: UniquenessRule,
    /// What a reference may point to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reference_types: Vec<String>,
    /// Whether the canonical values are the only ones allowed: a choice of the tenant's, for which the RFC has no
    /// characteristic.
    #[serde(skip)]
    pub canonical_values_enforced: bool,
}

fn string_type() -> AttributeType {
    AttributeType::String
}

impl Attribute {
    /// The sub-attribute of that name, whatever its case.
    pub fn sub_attribute(&self, name: &str) -> Option<&Attribute> {
        find(&self.sub_attributes, name)
    }
}

/// A named set of attributes, identified by a URN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// The URN.
    pub id: String,
    /// A name for people.
    #[serde(default)]
    pub name: String,
    /// A sentence for people.
    #[serde(default)]
    pub description: String,
    /// The attributes, in the order in which they are listed to clients.
    pub attributes: Vec<Attribute>,
}

impl Schema {
    /// The attribute of that name, whatever its case.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        find(&self.attributes, name)
    }
}

fn find<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a Attribute> {
    attributes.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))
}

/// All schemas that shape one resource type: the core one and its extensions.
///
/// `id`, `externalId`, `meta` and `schemas` (RFC 7643 section 3.1) are part of `core.attributes` here, so that
/// paths, filters and `attributes` find them like any other; discovery leaves them out of `/Schemas`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceSchema {
    /// The type they shape.
    pub resource_type: ResourceType,
    /// The schema whose attributes stand at the top level.
    pub core: Schema,
    /// Schemas whose attributes stand in an object under their URN.
    pub extensions: Vec<Schema>,
    /// What the tenant keeps of it; `None`: everything.
    pub kept: Option<Kept>,
    hides_parts: bool,
    tells_status: bool,
}

impl ResourceSchema {
    /// The schemas of a type.
    pub fn new(resource_type: ResourceType, core: Schema, extensions: Vec<Schema>) -> Self {
        // What is write-only is never stored, so nothing has to hide it.
        let hides = |attribute: &Attribute| {
            let unasked = |rule: ReturnedRule| matches!(rule, ReturnedRule::Never | ReturnedRule::Request);
            attribute.mutability != Mutability::WriteOnly
                && (unasked(attribute.returned)
                    || attribute.sub_attributes.iter().any(|part| unasked(part.returned)))
        };
        let mut attributes = std::iter::once(&core).chain(&extensions).flat_map(|schema| &schema.attributes);
        let hides_parts = attributes.any(hides);
        let status = core.attribute(STATUS).filter(|attribute| attribute.mutability == Mutability::ReadOnly);
        let tells_status = resource_type == ResourceType::User && status.is_some();
        Self { resource_type, core, extensions, kept: None, hides_parts, tells_status }
    }

    /// Whether a User has a derived `status`.
    pub fn tells_status(&self) -> bool {
        self.tells_status
    }

    /// Whether a stored document may have parts that an answer leaves out although the client chose nothing.
    pub fn hides_parts(&self) -> bool {
        self.hides_parts
    }

    /// All schemas, the core one first.
    pub fn all(&self) -> impl Iterator<Item = &Schema> {
        std::iter::once(&self.core).chain(&self.extensions)
    }

    /// The extension with that URN, whatever its case.
    pub fn extension(&self, urn: &str) -> Option<&Schema> {
        self.extensions.iter().find(|schema| schema.id.eq_ignore_ascii_case(urn))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_schema_leaves_out_has_the_defaults_of_the_rfc() {
        let attribute: Attribute = serde_json::from_str(r#"{"name": "role"}"#).unwrap();
        let expected = Attribute {
            name: "role".to_owned(),
            value_type: AttributeType::String,
            sub_attributes: Vec::new(),
            multi_valued: false,
            description: String::new(),
            required: false,
            canonical_values: Vec::new(),
            case_exact: false,
            mutability: Mutability::ReadWrite,
            returned: ReturnedRule::Default,
            uniqueness: UniquenessRule::None,
            reference_types: Vec::new(),
            canonical_values_enforced: false,
        };
        assert_eq!(attribute, expected);
    }
}
