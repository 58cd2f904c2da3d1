//! What a request asked about one person: whether it is theirs at all, or only names them beside another.

use std::collections::BTreeSet;

use scim::fold::fold;
use scim::schemas::Schemas;
use serde_json::{Map, Value};

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// Whether there is such a person, or what they look like.
    LookUp,
    /// To create them.
    Create,
    /// To give them exactly these attributes.
    Replace,
    /// To change these attributes, in lower case; none if nobody can tell which.
    Change(BTreeSet<String>),
    /// To delete them.
    Delete,
    /// That a group, if its id is known, has them as a member.
    Join(Option<String>),
}

/// The person, as far as requests can name them.
pub(super) struct Whom {
    /// Every name and id by which they are looked for, folded.
    pub(super) names: BTreeSet<String>,
    /// Whether there is, or was, such a person here.
    pub(super) is_known: bool,
    /// Attributes whose values refer to others, in lower case: a manager is not who is created.
    references: BTreeSet<String>,
}

/// A request, or one operation of a bulk request.
pub(super) struct Request<'r> {
    pub(super) method: &'r str,
    pub(super) path: &'r str,
    /// Null if it was not read, could not be, or is not kept any more.
    pub(super) body: &'r Value,
    /// Whether nobody has the id in the path.
    pub(super) is_about_nobody: bool,
}

impl Whom {
    pub(super) fn new(names: &[String], is_known: bool, schemas: &Schemas) -> Self {
        let all = schemas.user.all().chain(schemas.group.all()).flat_map(|schema| &schema.attributes);
        let refers = all.filter(|attribute| attribute.sub_attributes.iter().any(|part| part.name == "$ref"));
        let references = refers.map(|attribute| attribute.name.to_ascii_lowercase()).collect();
        Self { names: names.iter().map(|name| fold(name.trim())).collect(), is_known, references }
    }

    fn is(&self, name: &str) -> bool {
        self.names.contains(&fold(name.trim()))
    }

    /// What a request that names the person asked about them; `None` if it is about somebody else.
    pub(super) fn asked(&self, request: &Request<'_>) -> Option<Asked> {
        let (endpoint, id) = place(request.path);
        let is_group = endpoint.as_deref() == Some("groups");
        let reads = matches!(request.method, "GET" | "HEAD" | "OPTIONS")
            || request.path.trim_end_matches('/').to_ascii_lowercase().ends_with("/.search");
        if reads {
            return (!is_group).then_some(Asked::LookUp);
        }
        if is_group {
            let names_them = request.body.is_null() || self.are_in(request.body, false);
            return names_them.then_some(Asked::Join(id));
        }
        // What nobody can read any more is not held against somebody who is here.
        let names_them =
            if request.body.is_null() { !self.is_known } else { self.are_in(request.body, true) };
        let is_theirs = match &id {
            Some(id) if self.is(id) => true,
            Some(_) => names_them && (request.is_about_nobody || !self.is_known),
            None => names_them,
        };
        is_theirs.then(|| match request.method {
            "PUT" => Asked::Replace,
            "PATCH" => Asked::Change(changed(request.body)),
            "DELETE" => Asked::Delete,
            _ => Asked::Create,
        })
    }

    /// Whether a body names them; `themselves` leaves out where it refers to others.
    fn are_in(&self, body: &Value, themselves: bool) -> bool {
        let refers = |name: &str| themselves && self.references.contains(&attribute_of(name));
        match body {
            Value::String(text) => {
                self.is(text) || text.split('"').skip(1).step_by(2).any(|part| self.is(part))
            }
            Value::Array(elements) => elements.iter().any(|element| self.are_in(element, themselves)),
            Value::Object(members) => {
                let path = member(members, "path").and_then(Value::as_str);
                !path.is_some_and(refers)
                    && members.iter().any(|(name, value)| !refers(name) && self.are_in(value, themselves))
            }
            _ => false,
        }
    }
}

/// The endpoint in a path, in lower case, and the id behind it.
fn place(path: &str) -> (Option<String>, Option<String>) {
    let decoded = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
    let segments: Vec<&str> = decoded.split('/').filter(|segment| !segment.is_empty()).collect();
    let is_endpoint = |segment: &&str| ["users", "groups"].iter().any(|it| segment.eq_ignore_ascii_case(it));
    let Some(at) = segments.iter().rposition(is_endpoint) else { return (None, None) };
    (Some(segments[at].to_ascii_lowercase()), segments.get(at + 1).map(|id| (*id).to_owned()))
}

pub(super) fn member<'m>(members: &'m Map<String, Value>, name: &str) -> Option<&'m Value> {
    members.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// The attributes that a PATCH changes.
fn changed(body: &Value) -> BTreeSet<String> {
    let operations = body.as_object().and_then(|body| member(body, "Operations")).and_then(Value::as_array);
    let mut found = BTreeSet::new();
    for operation in operations.into_iter().flatten().filter_map(Value::as_object) {
        match member(operation, "path").and_then(Value::as_str).filter(|path| !path.is_empty()) {
            Some(path) => {
                found.insert(attribute_of(path));
            }
            None => add_members(member(operation, "value"), &mut found),
        }
    }
    found
}

fn add_members(value: Option<&Value>, found: &mut BTreeSet<String>) {
    for (name, value) in value.and_then(Value::as_object).into_iter().flatten() {
        let is_extension = name.to_ascii_lowercase().starts_with("urn:") && value.is_object();
        if is_extension {
            add_members(Some(value), found);
        } else {
            found.insert(attribute_of(name));
        }
    }
}

/// The attribute that a path, or the name of a member, means: `emails` of `urn:…:User:emails[…].value`.
fn attribute_of(path: &str) -> String {
    let before_filter = path.split('[').next().unwrap_or(path);
    let without_schema = before_filter.rsplit(':').next().unwrap_or(before_filter);
    without_schema.split('.').next().unwrap_or(without_schema).trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked(whom: &Whom, method: &str, path: &str, body: &Value) -> Option<Asked> {
        whom.asked(&Request { method, path, body, is_about_nobody: false })
    }

    #[test]
    fn a_request_is_about_whom_it_creates_or_changes_and_not_about_a_manager() {
        let whom = Whom::new(&["Alice@x".into(), "id-1".into()], true, &Schemas::standard());
        let change =
            |attributes: &[&str]| Asked::Change(attributes.iter().map(|it| (*it).to_owned()).collect());
        let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        for (method, path, body, wanted) in [
            ("POST", "/scim/v2/Users", json!({"userName": "ALICE@x"}), Some(Asked::Create)),
            (
                "POST",
                "/scim/v2/Users",
                json!({"userName": "b", "emails": [{"value": "alice@x"}]}),
                Some(Asked::Create),
            ),
            ("POST", "/Users", json!({"userName": "b", enterprise: {"manager": {"value": "id-1"}}}), None),
            (
                "PATCH",
                "/Users/2",
                json!({"Operations": [{"op": "add", "path": "manager", "value": "id-1"}]}),
                None,
            ),
            ("PATCH", "/Users/2", json!({"Operations": [{"value": {"userName": "alice@x"}}]}), None),
            ("GET", "/Users", json!(null), Some(Asked::LookUp)),
            ("GET", "/Groups", json!(null), None),
            ("POST", "/Users/.search", json!({"filter": "userName eq \"alice@x\""}), Some(Asked::LookUp)),
            ("POST", "/Groups", json!({"members": [{"value": "id-1"}]}), Some(Asked::Join(None))),
            (
                "PATCH",
                "/Groups/9",
                json!({"Operations": [{"path": "members[value eq \"id-1\"]"}]}),
                Some(Asked::Join(Some("9".into()))),
            ),
            ("PUT", "/Users/ID-1", json!(null), Some(Asked::Replace)),
            ("DELETE", "/users/id-1/", json!(null), Some(Asked::Delete)),
            ("POST", "/Users", json!(null), None),
            (
                "PATCH",
                "/Users/id-1",
                json!({"operations": [
                    {"op": "Replace", "path": "emails[type eq \"work\"].value", "value": "x"},
                    {"op": "add", "path": format!("{enterprise}:department"), "value": "x"},
                    {"op": "add", "value": {"Active": false, "name.givenName": "A", enterprise: {"costCenter": "1"}}},
                ]}),
                Some(change(&["active", "costcenter", "department", "emails", "name"])),
            ),
        ] {
            assert_eq!(asked(&whom, method, path, &body), wanted, "{method} {path} {body}");
        }
    }

    #[test]
    fn whoever_is_not_here_may_be_whom_nobody_can_read_of() {
        let whom = Whom::new(&["bob@x".into()], false, &Schemas::standard());
        assert_eq!(asked(&whom, "POST", "/Users", &json!(null)), Some(Asked::Create));
        assert_eq!(asked(&whom, "PUT", "/Users/7", &json!({"userName": "bob@x"})), Some(Asked::Replace));
    }
}
