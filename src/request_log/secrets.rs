//! Taking out what must not be kept in any form: passwords, tokens, credentials.
//!
//! What is a secret is told by names (of members, in PATCH paths, filters and parameters), by the tenant's schemas (what
//! is never returned), and for tokens of our own by their prefix, wherever they stand. Where a name cannot tell which
//! part of a text is the secret, all of the text goes.

use std::collections::BTreeSet;

use scim::Object;
use scim::schema::{Attribute, Mutability, ReturnedRule};
use scim::schemas::Schemas;
use serde_json::Value;

use super::names::Meaning;

/// What stands in place of a secret.
pub(super) const REMOVED: &str = "(removed)";

/// The prefix of our tokens.
const TOKEN_PREFIX: &[u8; 4] = b"mst_";

/// A member, parameter or path is a secret if its name has one of these in it.
const NAMES: [&str; 9] =
    ["password", "passwd", "secret", "token", "authorization", "credential", "apikey", "api_key", "private"];

/// The first four letters of each of them. Every member of every body is looked at, and almost none has any.
const BEGINNINGS: [u32; 9] = {
    let (mut beginnings, mut at) = ([0; 9], 0);
    while at < beginnings.len() {
        beginnings[at] = match NAMES[at].as_bytes().first_chunk() {
            Some(beginning) => u32::from_be_bytes(*beginning),
            None => panic!("each has four letters and more"),
        };
        at += 1;
    }
    beginnings
};

/// Whether something of that name is a secret, whatever the schemas say.
pub(super) fn is_named_so(name: &str) -> bool {
    let begins = |at: &[u8], secret: &str| {
        at.get(..secret.len()).is_some_and(|part| part.eq_ignore_ascii_case(secret.as_bytes()))
    };
    let (mut beginning, name) = (0, name.as_bytes());
    name.iter().enumerate().any(|(at, byte)| {
        beginning = beginning << 8 | u32::from(byte.to_ascii_lowercase());
        BEGINNINGS.contains(&beginning) && NAMES.iter().any(|secret| begins(&name[at - 3..], secret))
    })
}

/// What a tenant keeps secret beside: attributes, by name.
/// Those whose name says it already are not among them.
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    /// Attributes that the schemas never return, or let nobody read.
    pub(super) fn of(schemas: &Schemas) -> Self {
        let mut hidden = BTreeSet::new();
        for attribute in schemas.user.all().chain(schemas.group.all()).flat_map(|schema| &schema.attributes) {
            if is_hidden(attribute) {
                hidden.insert(attribute.name.clone());
            }
            for sub in attribute.sub_attributes.iter().filter(|sub| is_hidden(sub)) {
                // `value` is what most attributes have.
                let is_common = Meaning::of(&sub.name) == Meaning::Naming;
                hidden.insert(if is_common { attribute.name.clone() } else { sub.name.clone() });
            }
        }
        Self(hidden.into_iter().filter(|name| !is_named_so(name)).collect())
    }

    /// Whether the name of a member, a path or a filter is about a secret, wherever in it. What it compares with does
    /// not count: somebody may be called `secretary@example.com`.
    pub(super) fn mentions(&self, expression: &str) -> bool {
        if !self.stand_in(expression) {
            return false;
        }
        // Which quotes are escaped is no matter here.
        let is_open = expression.contains('\\');
        let outside = expression.split('"').step_by(if is_open { 1 } else { 2 });
        let mut parts = outside.flat_map(str::split_whitespace).map(|part| match part.rsplit_once(']') {
            // A value without quotes, and what of it is meant: `a@b].password`.
            Some((value, meant)) if value.contains('@') => meant,
            None if part.contains('@') && part.len() < expression.len() => "",
            _ => part,
        });
        parts.any(|part| self.stand_in(part))
    }

    fn stand_in(&self, text: &str) -> bool {
        is_named_so(text) || (!self.0.is_empty() && words(text).any(|(word, _)| self.has(word)))
    }

    fn has(&self, word: &str) -> bool {
        self.0.iter().any(|hidden| hidden.eq_ignore_ascii_case(word))
    }

    /// Whether a filter or a path may hold a secret: `password eq "…"` does, `password` does not.
    pub(super) fn are_in_expression(&self, text: &str) -> bool {
        (!is_plain(text) && self.mentions(text)) || self.are_in(text)
    }

    /// Whether any other text may hold a secret: JSON in a text, `password=…`. A word alone is none: people are private
    /// secretaries, and in `OU=Private Banking`.
    pub(super) fn are_in(&self, text: &str) -> bool {
        let compares = text.bytes().any(|byte| matches!(byte, b'"' | b'\'' | b'=' | b':' | b'>'));
        let is_urn = || text.starts_with("urn:") && is_plain(text);
        has_token(text) || (compares && !is_urn() && self.stand_in(text) && self.are_compared_in(text))
    }

    /// Whether a secret is followed by what it is, or is compared with.
    fn are_compared_in(&self, text: &str) -> bool {
        const OPERATORS: [&str; 5] = ["eq", "ne", "co", "sw", "ew"];
        words(text).any(|(word, behind)| {
            let behind = behind.trim_start_matches([' ', '"', '\'', '\\', ']']);
            let is_compared = behind.starts_with([':', '=', '>'])
                || words(behind).next().is_some_and(|(next, _)| {
                    behind.starts_with(next) && OPERATORS.iter().any(|it| it.eq_ignore_ascii_case(next))
                });
            is_compared && (is_named_so(word) || self.has(word))
        })
    }

    /// Takes secrets out of a body.
    pub(super) fn remove(&self, body: &mut Value) {
        match body {
            Value::Object(members) => self.remove_from_members(members),
            Value::Array(elements) => elements.iter_mut().for_each(|element| self.remove(element)),
            Value::String(text) if self.are_in(text) => REMOVED.clone_into(text),
            _ => {}
        }
    }

    fn remove_from_members(&self, members: &mut Object) {
        // A PATCH operation says by its path what its value is.
        let mut paths = members.iter().filter(|(name, _)| Meaning::of(name) == Meaning::Path);
        let hides_value = paths.any(|(_, path)| path.as_str().is_some_and(|path| self.mentions(path)));
        // A name may itself be a token, or hold a filter.
        let before = members.len();
        members.retain(|name, _| !self.are_in_expression(name));
        if members.len() < before {
            members.insert(REMOVED.to_owned(), REMOVED.into());
        }
        for (name, value) in members.iter_mut() {
            let is_expression = matches!(Meaning::of(name), Meaning::Path | Meaning::Filter);
            let hidden = match value.as_str() {
                _ if self.mentions(name) => true,
                _ if hides_value && name.eq_ignore_ascii_case("value") => true,
                Some(expression) if is_expression => self.are_in_expression(expression),
                _ => false,
            };
            if hidden {
                *value = REMOVED.into();
            } else if !(is_expression && value.is_string()) {
                self.remove(value);
            }
        }
    }
}

fn is_hidden(attribute: &Attribute) -> bool {
    attribute.returned == ReturnedRule::Never || attribute.mutability == Mutability::WriteOnly
}

/// The words of a text, each with what is behind it.
fn words(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let is_part = |part: char| part.is_alphanumeric() || matches!(part, '_' | '-' | '$');
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|part| !is_part(part));
        let end = rest.find(|part| !is_part(part)).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        rest = behind;
        (!word.is_empty()).then_some((word, behind))
    })
}

/// Whether a text is a name or a path and no more.
pub(super) fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:_-$/,".contains(&byte))
}

/// Whether one of our tokens stands in a text.
pub(super) fn has_token(text: &str) -> bool {
    // Most texts are short: preparing a search would take longer than the search.
    text.as_bytes().array_windows().any(|window| window == TOKEN_PREFIX)
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
                {"op": "remove", "path": "emails[password eq \"p7\"]"},
                {"op": "replace", "value": {"emails[password eq \"p8\"].value": "p9"}},
                {"op": "replace", "path": "pin.value", "value": "p10"},
                {"op": "replace", "path": "pin[value eq \"p11\"].type", "value": "p12"},
            ],
            "filter": "title pr and PIN eq \"p13\"",
            "quoteless": {"path": "emails[value eq a@b.c].password", "value": "p22"},
            "roles": [{"value": "{\"password\":\"p14\"}"}, {"value": "password=p15"}, {"value": "pin: p16"}],
            "pin": "p17", "password@work": "p21", "urn:x:pin.code": 99,
            "emails[value eq \"secretary@example.com\"].value": "found",
            "path": "emails[value eq \"token@example.com\"].display", "value": "found too",
            "title": "Private secretary", "externalId": "CN=Jane,OU=Private Banking:1",
            "about": ["<password>p18</password>", "the pin 'eq \"p19\"", "api_key : p20"],
            "schemas": ["urn:example:private:User"],
            "note": "Bearer mst_abc", "mst_abc": 1,
        });
        Secrets(vec!["pin".to_owned()]).remove(&mut body);
        let text = body.to_string();
        for secret in (1..=22).map(|number| format!("p{number}")).chain(["mst_".to_owned(), "99".to_owned()])
        {
            assert!(!text.contains(&secret), "{secret} in {text}");
        }
        for kept in [
            "alice",
            "Guide",
            "kept",
            "kept too",
            "Private secretary",
            "CN=Jane,OU=Private Banking:1",
            "found too",
        ]
        .into_iter()
        .chain([
            "secretary@example.com",
            "token@example.com",
            r#".value":"found""#,
            "urn:example:private:User",
        ]) {
            assert!(text.contains(kept), "{kept} in {text}");
        }
    }
}
