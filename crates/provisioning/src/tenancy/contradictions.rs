//! Settings that are each right and cannot be meant together. A profile is told all of them, each with its line; whoever
//! sets a tenant's settings is told the first, in the same words.

use std::fmt;

use scim::attribute_path::AttributePath;
use scim::kept::Kept;

use super::{GroupPolicy, Settings};

/// One of the settings, and why it cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Contradiction {
    pub(crate) place: Place,
    /// What is wrong and what would be right, for whoever knows the place.
    pub(crate) problem: String,
}

/// Where one of them stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    UnknownMembers,
    GroupSchemas,
    /// An element of `enforce_canonical_values`.
    Enforced(usize),
    /// An attribute of a schema of users.
    Added {
        schema: usize,
        attribute: usize,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownMembers => write!(f, "unknown_members"),
            Self::GroupSchemas => write!(f, "schemas.Group"),
            Self::Enforced(index) => write!(f, "enforce_canonical_values[{index}]"),
            Self::Added { schema, attribute } => write!(f, "schemas.User[{schema}].attributes[{attribute}]"),
        }
    }
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

impl Settings {
    /// Every contradiction; the settings have to be right one by one.
    pub(crate) fn contradictions(&self) -> Vec<Contradiction> {
        [self.about_groups(), self.about_additions(), self.about_enforced()].concat()
    }

    fn about_groups(&self) -> Vec<Contradiction> {
        if self.groups != Some(GroupPolicy::Off) {
            return Vec::new();
        }
        let has_schemas = self.schemas.as_ref().is_some_and(|schemas| !schemas.group.is_empty());
        let said =
            [(Place::UnknownMembers, self.unknown_members.is_some()), (Place::GroupSchemas, has_schemas)];
        let problem = "contradicts groups = \"off\": where there are no groups, leave it out";
        let said = said.into_iter().filter(|(_, is_said)| *is_said);
        said.map(|(place, _)| Contradiction { place, problem: problem.to_owned() }).collect()
    }

    fn about_additions(&self) -> Vec<Contradiction> {
        let schemas = self.schemas();
        let Some(kept) = &schemas.user.kept else { return Vec::new() };
        let mut found = Vec::new();
        for (schema, added) in self.schemas.iter().flat_map(|schemas| &schemas.user).enumerate() {
            for (attribute, named) in added.attributes.iter().enumerate() {
                if !kept.keeps(&format!("{}:{}", added.id, named.name), &schemas.user) {
                    let problem =
                        format!("{} is added and not kept: put it into attributes as well", named.name);
                    found.push(Contradiction { place: Place::Added { schema, attribute }, problem });
                }
            }
        }
        found
    }

    /// Where nothing of an attribute is kept there is nothing to enforce, unless groups have one of that name.
    fn about_enforced(&self) -> Vec<Contradiction> {
        let schemas = self.all_attributes();
        let Some(Ok(kept)) = self.attributes.as_ref().map(|paths| Kept::read(paths, &schemas.user)) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for (index, path) in self.enforce_canonical_values.iter().flatten().enumerate() {
            let of_groups =
                AttributePath::parse(path).is_ok_and(|path| path.resolve(&schemas.group).is_some());
            if !of_groups && !kept.keeps_some(path, &schemas.user) {
                let problem =
                    format!("{path} is not kept: put it into attributes as well, or leave it out here");
                found.push(Contradiction { place: Place::Enforced(index), problem });
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::rejection::Rejection;
    use crate::testing::object;

    fn acme() -> Settings {
        Settings { tenant: "acme".to_owned(), base_path: "/acme/scim/v2".to_owned(), ..Settings::default() }
    }

    #[track_caller]
    fn check(settings: &Settings, patch: Value, told: Option<&str>) {
        let found = match settings.updated(&object(patch)) {
            Ok(_) => None,
            Err(Rejection::Invalid { code: "settings_contradict", detail }) => Some(detail),
            Err(other) => panic!("{other:?}"),
        };
        assert_eq!(found.as_deref(), told);
    }

    #[test]
    fn settings_that_cannot_be_meant_together_are_refused_however_they_come_together() {
        let kept = json!(["userName", "active"]);
        let enforced = "enforce_canonical_values[0]: emails.type is not kept: put it into attributes as well, or leave \
                        it out here";
        let together = json!({"attributes": kept, "enforce_canonical_values": ["emails.type"]});
        check(&acme(), together, Some(enforced));
        let keeping = acme().updated(&object(json!({"attributes": kept}))).unwrap();
        check(&keeping, json!({"enforce_canonical_values": ["emails.type"]}), Some(enforced));
        let enforcing =
            acme().updated(&object(json!({"enforce_canonical_values": ["emails.type"]}))).unwrap();
        check(&enforcing, json!({"attributes": kept}), Some(enforced));
        check(&enforcing, json!({"attributes": kept, "enforce_canonical_values": null}), None);
        check(
            &keeping,
            json!({"attributes": ["userName", "active", "emails"], "enforce_canonical_values": ["emails.type"]}),
            None,
        );

        let schemas = json!({"User": [{"id": scim::schemas::USER, "attributes": [{"name": "rank"}]}]});
        let added =
            "schemas.User[0].attributes[0]: rank is added and not kept: put it into attributes as well";
        check(&keeping, json!({"schemas": schemas}), Some(added));
        check(&keeping, json!({"schemas": schemas, "attributes": ["userName", "active", "rank"]}), None);

        let no_groups = acme().updated(&object(json!({"groups": "off"}))).unwrap();
        let told = "unknown_members: contradicts groups = \"off\": where there are no groups, leave it out";
        check(&no_groups, json!({"unknown_members": "skip"}), Some(told));
        check(&no_groups, json!({"unknown_members": "skip", "groups": null}), None);
    }

    #[test]
    fn what_contradicted_before_keeps_nothing_else_from_being_set() {
        let old = Settings {
            attributes: Some(vec!["userName".to_owned(), "active".to_owned()]),
            enforce_canonical_values: Some(vec!["emails.type".to_owned()]),
            ..acme()
        };
        assert_eq!(old.contradictions().len(), 1);
        check(&old, json!({"strict": true}), None);
        let more = json!({"groups": "off", "unknown_members": "skip"});
        check(
            &old,
            more,
            Some("unknown_members: contradicts groups = \"off\": where there are no groups, leave it out"),
        );
    }
}
