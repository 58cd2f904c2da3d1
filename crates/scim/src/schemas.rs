//! The schemas that ship with Muster, and the set that a tenant has.
//!
//! They are data, in `crates/scim/schemas/`: RFC 7643 section 8.7.1 with its verified errata (5368, 8471, 8472)
//! and with what the text of the RFC says where that section forgot it: references and binaries are case exact
//! (sections 2.3.6 and 2.3.7), addresses have a `primary` (section 2.4). `members.display` and `manager.$ref`
//! are ours to derive and therefore read-only. Descriptions are our own.

mod additions;
mod check;
mod keep;
mod read;

use std::sync::{Arc, LazyLock};

use serde::de::DeserializeOwned;

use crate::kept::Kept;
use crate::schema::{Attribute, ResourceSchema, ResourceType, Schema};

pub use additions::Additions;
pub use check::SchemaError;

/// URN of the core User schema.
pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// URN of the core Group schema.
pub const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// URN of the enterprise extension.
pub const ENTERPRISE_USER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// The attributes that every resource has (RFC 7643 section 3.1, and `schemas` from section 3).
static COMMON: LazyLock<Vec<Attribute>> = LazyLock::new(|| shipped(include_str!("../schemas/common.json")));

static STANDARD: LazyLock<Schemas> = LazyLock::new(|| Schemas {
    user: Arc::new(ResourceSchema::new(
        ResourceType::User,
        with_common(shipped(include_str!("../schemas/user.json"))),
        vec![shipped(include_str!("../schemas/enterprise_user.json"))],
    )),
    group: Arc::new(ResourceSchema::new(
        ResourceType::Group,
        with_common(shipped(include_str!("../schemas/group.json"))),
        Vec::new(),
    )),
    offers_groups: true,
});

/// `status`, which only a tenant with invited users has.
static STATUS: LazyLock<Attribute> = LazyLock::new(|| shipped(include_str!("../schemas/status.json")));

/// The resource types of a tenant with their schemas. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schemas {
    /// What a User looks like.
    pub user: Arc<ResourceSchema>,
    /// What a Group looks like.
    pub group: Arc<ResourceSchema>,
    /// Whether there are groups at all.
    pub offers_groups: bool,
}

impl Schemas {
    /// User, Group and `EnterpriseUser` as in RFC 7643 with its verified errata.
    pub fn standard() -> Self {
        STANDARD.clone()
    }

    /// The standard schemas with what a tenant adds, and with those attributes whose canonical values are the only
    /// ones allowed. Total: what [`Additions::check`] would refuse is passed over, since the standard has the name.
    pub fn extended(additions: &Additions, enforced: &[String]) -> Self {
        let mut schemas = Self::standard();
        if *additions == Additions::default() && enforced.is_empty() {
            return schemas;
        }
        for shape in [&mut schemas.user, &mut schemas.group] {
            let mut extended = additions.to(shape);
            for path in enforced {
                additions::enforce(&mut extended, path);
            }
            *shape = Arc::new(extended);
        }
        schemas
    }

    /// The same where a User has a derived `status`.
    #[must_use]
    pub fn telling_status(mut self) -> Self {
        let ResourceSchema { resource_type, mut core, extensions, .. } = (*self.user).clone();
        core.attributes.push(STATUS.clone());
        self.user = Arc::new(ResourceSchema::new(resource_type, core, extensions));
        self
    }

    /// The same where only this is kept of Users.
    #[must_use]
    pub fn keeping(mut self, kept: Kept) -> Self {
        Arc::make_mut(&mut self.user).kept = Some(kept);
        self
    }

    /// The types that are offered.
    pub fn offered(&self) -> impl Iterator<Item = &ResourceSchema> {
        let group = self.offers_groups.then_some(&*self.group);
        std::iter::once(&*self.user).chain(group)
    }

    /// Whether an attribute is a tenant's addition: the standard has none of that name. In schema spelling; the
    /// URN is that of an extension.
    pub fn is_added(resource_type: ResourceType, extension: Option<&str>, attribute: &str) -> bool {
        let standard = STANDARD.of(resource_type);
        let known = |schema: &Schema| schema.attributes.iter().any(|known| known.name == attribute);
        match extension {
            None => !known(&standard.core),
            Some(urn) => !standard.extensions.iter().any(|schema| schema.id == urn && known(schema)),
        }
    }

    /// The schema of a type.
    pub fn of(&self, resource_type: ResourceType) -> &Arc<ResourceSchema> {
        match resource_type {
            ResourceType::User => &self.user,
            ResourceType::Group => &self.group,
        }
    }
}

/// Whether every resource has an attribute of that name, so that no schema lists it.
pub(crate) fn is_common(name: &str) -> bool {
    COMMON.iter().any(|attribute| attribute.name.eq_ignore_ascii_case(name))
}

fn with_common(mut schema: Schema) -> Schema {
    schema.attributes.extend_from_slice(&COMMON);
    schema
}

fn shipped<T: DeserializeOwned>(json: &str) -> T {
    serde_json::from_str(json).expect("the schemas that ship with the crate are well-formed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{AttributeType, Mutability, ReturnedRule, UniquenessRule};

    fn all_attributes() -> Vec<Attribute> {
        let Schemas { user, group, .. } = Schemas::standard();
        let schemas = [&user.core, &user.extensions[0], &group.core];
        let top = schemas.into_iter().flat_map(|schema| schema.attributes.clone());
        top.flat_map(|attribute| {
            let subs = attribute.sub_attributes.clone();
            std::iter::once(attribute).chain(subs)
        })
        .collect()
    }

    #[test]
    fn the_shipped_schemas_have_their_urns() {
        let Schemas { user, group, .. } = Schemas::standard();
        assert_eq!((user.core.id.as_str(), user.extensions[0].id.as_str()), (USER, ENTERPRISE_USER));
        assert_eq!((group.core.id.as_str(), group.extensions.len()), (GROUP, 0));
    }

    #[test]
    fn complex_attributes_have_simple_sub_attributes_and_simple_ones_none() {
        for attribute in all_attributes() {
            let complex = attribute.value_type == AttributeType::Complex;
            assert_eq!(complex, !attribute.sub_attributes.is_empty(), "{}", attribute.name);
            let nested = attribute.sub_attributes.iter().any(|sub| sub.value_type == AttributeType::Complex);
            assert!(!nested, "{}", attribute.name);
        }
    }

    #[test]
    fn references_and_binaries_are_case_exact_and_references_say_to_what() {
        for attribute in all_attributes() {
            let reference = attribute.value_type == AttributeType::Reference;
            assert_eq!(reference, !attribute.reference_types.is_empty(), "{}", attribute.name);
            if reference || attribute.value_type == AttributeType::Binary {
                assert!(attribute.case_exact, "{}", attribute.name);
            }
        }
    }

    #[test]
    fn every_attribute_has_a_description_of_its_own() {
        for attribute in all_attributes() {
            assert!(attribute.description.ends_with('.'), "{}", attribute.name);
        }
    }

    #[test]
    fn the_characteristics_that_matter_most_are_the_rfcs() {
        let Schemas { user, group, .. } = Schemas::standard();
        let user_name = user.core.attribute("USERNAME").unwrap();
        assert!(user_name.required && !user_name.case_exact);
        assert_eq!(user_name.uniqueness, UniquenessRule::Server);
        let password = user.core.attribute("password").unwrap();
        assert_eq!((password.mutability, password.returned), (Mutability::WriteOnly, ReturnedRule::Never));
        assert_eq!(user.core.attribute("groups").unwrap().mutability, Mutability::ReadOnly);
        let manager = user.extensions[0].attribute("manager").unwrap();
        assert!(manager.sub_attribute("value").unwrap().case_exact, "erratum 8472");
        assert!(group.core.attribute("displayName").unwrap().required, "erratum 5368");
        let groups = user.core.attribute("groups").unwrap();
        assert_eq!(groups.sub_attribute("$ref").unwrap().reference_types, ["Group"], "erratum 8471");
    }

    #[test]
    fn common_attributes_are_found_like_any_other() {
        let Schemas { user, group, .. } = Schemas::standard();
        for schema in [&user.core, &group.core] {
            for name in ["schemas", "id", "externalId", "meta"] {
                assert!(is_common(name) && schema.attribute(name).is_some(), "{name}");
            }
            assert_eq!(schema.attribute("id").unwrap().returned, ReturnedRule::Always);
            assert_eq!(schema.attribute("externalId").unwrap().mutability, Mutability::ReadWrite);
        }
        assert!(!is_common("userName"));
    }
}
