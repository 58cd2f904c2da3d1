//! A member of a group as a client names it (RFC 7643 section 4.2).
//!
//! Whether a member exists, and what it is, the directory knows; here only the form is checked.

use std::collections::HashSet;

use serde_json::Value;

use crate::patch::members::MEMBERS_MAX;
use crate::{ResourceType, ScimError, ScimType};

/// The attribute of a Group that holds its members.
pub(crate) const MEMBERS: &str = "members";

/// One element of a Group's `members`. `display` and `$ref` are derived and not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRef {
    /// The `value`: the id of a User or Group. Ids regard no case, so it is in lower case as ours are.
    pub value: String,
    /// The `type`, if the client named one. What the id really is, the directory knows.
    pub member_type: Option<ResourceType>,
}

impl MemberRef {
    /// Reads the whole value of `members`; `null` means no members, and a member named twice counts once.
    pub(crate) fn read_all(value: Value) -> Result<Vec<Self>, ScimError> {
        let elements = match value {
            Value::Array(elements) => elements,
            Value::Null => return Ok(Vec::new()),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
                return Err(refuse("members_malformed", "members must be an array of objects".to_owned()));
            }
        };
        if elements.len() > MEMBERS_MAX {
            let detail = format!(
                "the request names {} members; at most {MEMBERS_MAX} fit into one request, \
                 so send them in several PATCH requests",
                elements.len()
            );
            return Err(refuse("too_many_members", detail));
        }
        let mut seen = HashSet::with_capacity(elements.len());
        let mut members = Vec::with_capacity(elements.len());
        for (index, element) in elements.into_iter().enumerate() {
            let member = Self::read(element, index + 1)?;
            if seen.insert(member.value.clone()) {
                members.push(member);
            }
        }
        Ok(members)
    }

    /// Reads one element; `number` counts from one and is for the error.
    fn read(element: Value, number: usize) -> Result<Self, ScimError> {
        let malformed =
            |wanted: &str| refuse("members_malformed", format!("element {number} of members must {wanted}"));
        let Value::Object(parts) = element else {
            return Err(malformed("be an object whose value is the member's id"));
        };
        let (mut value, mut member_type) = (None, None);
        for (name, part) in parts {
            if name.eq_ignore_ascii_case("value") {
                value = Some(part);
            } else if name.eq_ignore_ascii_case("type") && !part.is_null() {
                let named = part.as_str().and_then(named_type);
                member_type = Some(named.ok_or_else(|| malformed("have the type User or Group, or none"))?);
            }
        }
        match value {
            Some(Value::String(value)) if !value.is_empty() => {
                Ok(Self { value: value.to_ascii_lowercase(), member_type })
            }
            _ => Err(malformed("have a value, the member's id as a string")),
        }
    }
}

fn named_type(name: &str) -> Option<ResourceType> {
    [ResourceType::User, ResourceType::Group]
        .into_iter()
        .find(|resource_type| resource_type.name().eq_ignore_ascii_case(name))
}

fn refuse(code: &'static str, detail: String) -> ScimError {
    ScimError::new(ScimType::InvalidValue, code, detail)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(value: Value, expected: &[(&str, Option<ResourceType>)]) {
        let members = MemberRef::read_all(value).unwrap();
        let members: Vec<_> =
            members.iter().map(|member| (member.value.as_str(), member.member_type)).collect();
        assert_eq!(members, expected);
    }

    #[track_caller]
    fn check_refused(value: Value, code: &str, detail: &str) {
        let error = MemberRef::read_all(value).unwrap_err();
        assert_eq!((error.scim_type, error.code), (ScimType::InvalidValue, code));
        assert!(error.detail.contains(detail), "{}", error.detail);
    }

    #[test]
    fn members_are_read_whatever_the_case_of_their_names() {
        check(
            json!([
                {"value": "a", "display": "A", "$ref": null},
                {"Value": "b", "TYPE": "group", "unknown": {}},
                {"value": "c", "type": null},
            ]),
            &[("a", None), ("b", Some(ResourceType::Group)), ("c", None)],
        );
        check(Value::Null, &[]);
        check(json!([]), &[]);
    }

    #[test]
    fn a_member_named_twice_counts_once() {
        check(
            json!([{"value": "a"}, {"value": "b"}, {"value": "a", "type": "User"}]),
            &[("a", None), ("b", None)],
        );
    }

    #[test]
    fn malformed_members_are_refused_by_their_number() {
        check_refused(json!({"value": "a"}), "members_malformed", "members must be an array");
        check_refused(json!(["a"]), "members_malformed", "element 1 of members");
        check_refused(json!([{"value": "a"}, {"value": ""}]), "members_malformed", "element 2 of members");
        check_refused(json!([{"display": "a"}]), "members_malformed", "have a value");
        check_refused(json!([{"value": 1}]), "members_malformed", "have a value");
        check_refused(json!([{"value": "a", "type": "Device"}]), "members_malformed", "User or Group");
    }

    #[test]
    fn more_members_than_the_limit_are_refused_and_the_limit_is_read() {
        let members = |count: usize| (0..count).map(|id| json!({"value": id.to_string()})).collect::<Value>();
        assert_eq!(MemberRef::read_all(members(MEMBERS_MAX)).unwrap().len(), MEMBERS_MAX);
        check_refused(members(MEMBERS_MAX + 1), "too_many_members", "100001 members");
    }
}
