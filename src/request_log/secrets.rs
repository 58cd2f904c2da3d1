//! Taking out what must not be kept in any form: passwords, tokens, credentials.
//!
//! What is a secret is told by names (of members, of PATCH paths, of parameters), by the tenant's schemas (what is
//! never returned), and for tokens of our own by their prefix, wherever they stand.

use std::collections::BTreeSet;

use scim::Object;
use scim::schema::ReturnedRule;
use scim::schemas::Schemas;
use serde_json::Value;

/// What stands in place of a secret.
pub(super) const REMOVED: &str = "(removed)";

/// The prefix of our tokens.
const TOKEN_PREFIX: &str = "mst_";

/// A member, parameter or path is a secret if its name has one of these in it.
const NAMES: [&str; 9] =
    ["password", "passwd", "secret", "token", "authorization", "credential", "apikey", "api_key", "private"];

/// Whether something of that name is a secret, whatever the schemas say.
pub(super) fn is_named_so(name: &str) -> bool {
    let begins = |at: &[u8], secret: &str| {
        at.get(..secret.len()).is_some_and(|part| part.eq_ignore_ascii_case(secret.as_bytes()))
    };
    (0..name.len()).any(|at| NAMES.iter().any(|secret| begins(&name.as_bytes()[at..], secret)))
}

/// What a tenant keeps secret beside.
pub(super) struct Secrets(BTreeSet<String>);

impl Secrets {
    /// Attributes that the schemas never return.
    pub(super) fn of(schemas: &Schemas) -> Self {
        let schemas = schemas.user.all().chain(schemas.group.all());
        let attributes = schemas.flat_map(|schema| &schema.attributes);
        let all =
            attributes.flat_map(|attribute| std::iter::once(attribute).chain(&attribute.sub_attributes));
        let hidden = all.filter(|attribute| attribute.returned == ReturnedRule::Never);
        Self(hidden.map(|attribute| attribute.name.clone()).collect())
    }

    /// Whether a member of that name, or what a path leads to, is a secret.
    fn has(&self, name: &str) -> bool {
        let last = name.rsplit(['.', ':']).next().unwrap_or(name);
        is_named_so(name) || self.0.iter().any(|hidden| hidden.eq_ignore_ascii_case(last))
    }

    /// Takes secrets out of a body.
    pub(super) fn remove(&self, body: &mut Value) {
        match body {
            Value::Object(members) => self.remove_from_members(members),
            Value::Array(elements) => elements.iter_mut().for_each(|element| self.remove(element)),
            Value::String(text) if has_token(text) => REMOVED.clone_into(text),
            _ => {}
        }
    }

    fn remove_from_members(&self, members: &mut Object) {
        // A PATCH operation says by its path what its value is.
        let path = members.iter().find(|(name, _)| name.eq_ignore_ascii_case("path"));
        let hides_value = path.and_then(|(_, path)| path.as_str()).is_some_and(|path| self.has(path));
        // A name may itself be a token, or hold one.
        let told: Vec<String> = members.keys().filter(|name| has_token(name)).cloned().collect();
        for name in told {
            members.remove(&name);
        }
        for (name, value) in members.iter_mut() {
            let hidden = self.has(name) || (hides_value && name.eq_ignore_ascii_case("value"));
            if hidden {
                *value = REMOVED.into();
            } else {
                self.remove(value);
            }
        }
    }
}

/// Whether one of our tokens stands in a text.
pub(super) fn has_token(text: &str) -> bool {
    text.contains(TOKEN_PREFIX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_taken_out_wherever_they_stand() {
        let mut body = json!({
            "userName": "alice", "password": "p1", "Password": {"value": "p2"},
            "urn:x": {"clientSecret": "p3", "title": "Guide"},
            "Operations": [
                {"op": "replace", "path": "password", "value": "p4"},
                {"op": "add", "Path": "urn:x:User:password", "Value": ["p5"]},
                {"op": "replace", "path": "title", "value": "kept"},
                {"op": "replace", "value": {"password": "p6", "displayName": "kept too"}},
            ],
            "note": "Bearer mst_abc", "mst_abc": 1,
        });
        Secrets::of(&Schemas::standard()).remove(&mut body);
        let text = body.to_string();
        for secret in ["p1", "p2", "p3", "p4", "p5", "p6", "mst_"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        for kept in ["alice", "Guide", "kept", "kept too"] {
            assert!(text.contains(kept), "{kept} in {text}");
        }
    }
}
