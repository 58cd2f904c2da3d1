//! Reading the text of a body: whom it names, and what of it may be kept. One without secrets, as nearly all are, is
//! looked at once and not copied; of any other, secrets are taken out before anybody looks for names.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::names::{Meaning, Names};
use super::secrets::Secrets;

/// What of a body may be kept, and whom it names.
pub(super) struct Body<'t> {
    /// JSON without secrets; none if it was no JSON, or names more people than can be found.
    pub(super) kept: Option<Cow<'t, [u8]>>,
    pub(super) names: Names,
}

/// Reads a body. Nobody is named by its secrets.
pub(super) fn read<'t>(text: &'t [u8], secrets: &Secrets) -> Body<'t> {
    let Ok((names, has_secrets)) = look(text, secrets) else {
        // Nobody can tell what in it is a secret.
        return Body { kept: None, names: Names::default() };
    };
    let (kept, names) = if has_secrets {
        let kept = without_secrets(text, secrets);
        let names = kept.as_deref().and_then(|kept| Some(look(kept, secrets).ok()?.0));
        (kept.map(Cow::Owned), names.unwrap_or_default())
    } else {
        (Some(Cow::Borrowed(text)), names)
    };
    Body { kept: kept.filter(|_| !names.are_cut()), names }
}

/// Whom a JSON text names, and whether there is a secret in it.
fn look(text: &[u8], secrets: &Secrets) -> Result<(Names, bool), NotJson> {
    let text = std::str::from_utf8(text).map_err(|_| NotJson)?;
    let mut reading = Reading { secrets, names: Names::default(), has_secrets: false };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let part = Part { reading: &mut reading, meaning: Meaning::Other };
    let read = part.deserialize(&mut deserializer).and_then(|()| deserializer.end());
    read.map_err(|_| NotJson)?;
    Ok((reading.names, reading.has_secrets))
}

/// The text is no JSON.
struct NotJson;

fn without_secrets(text: &[u8], secrets: &Secrets) -> Option<Vec<u8>> {
    let mut body: Value = serde_json::from_slice(text).ok()?;
    secrets.remove(&mut body);
    serde_json::to_vec(&body).ok()
}

/// How far reading has come.
struct Reading<'r> {
    secrets: &'r Secrets,
    names: Names,
    /// Something was found that must not be kept.
    has_secrets: bool,
}

impl Reading<'_> {
    fn text(&mut self, text: &str, meaning: Meaning) {
        self.has_secrets |= match meaning {
            // A PATCH operation says by its path what its value is.
            Meaning::Path | Meaning::Filter => {
                self.secrets.mentions(text) || self.secrets.are_in_expression(text)
            }
            Meaning::Naming | Meaning::Other => self.secrets.are_in(text),
        };
        self.names.add_text(text, meaning);
    }

    fn member(&mut self, name: &str) -> Meaning {
        self.has_secrets |= self.secrets.mentions(name) || self.secrets.are_in_expression(name);
        // Entra writes a path with a filter as the name of a member.
        if name.contains('"') {
            self.names.add_quoted(name);
        }
        Meaning::of(name)
    }
}

/// A value that is about to be read.
struct Part<'p, 'r> {
    reading: &'p mut Reading<'r>,
    meaning: Meaning,
}

impl<'de> DeserializeSeed<'de> for Part<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Part<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.reading.text(text, self.meaning);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        let meaning = if self.meaning == Meaning::Naming { Meaning::Naming } else { Meaning::Other };
        while sequence.next_element_seed(Part { reading: &mut *self.reading, meaning })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(meaning) = members.next_key_seed(Member(&mut *self.reading))? {
            members.next_value_seed(Part { reading: &mut *self.reading, meaning })?;
        }
        Ok(())
    }
}

/// The name of a member that is about to be read.
struct Member<'p, 'r>(&'p mut Reading<'r>);

impl<'de> DeserializeSeed<'de> for Member<'_, '_> {
    type Value = Meaning;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Meaning, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Member<'_, '_> {
    type Value = Meaning;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_str<E>(self, name: &str) -> Result<Meaning, E> {
        Ok(self.0.member(name))
    }
}

#[cfg(test)]
mod tests {
    use scim::schemas::Schemas;

    use super::*;

    fn names(text: &str) -> (Vec<String>, bool) {
        let body = read(text.as_bytes(), &Secrets::of(&Schemas::standard()));
        (body.names.into_found().into_iter().collect(), body.kept.is_some())
    }

    #[test]
    fn people_are_found_wherever_a_body_names_them() {
        for (text, found) in [
            (r#"{"userName": " Alice ", "displayName": "Bob"}"#, vec!["alice"]),
            (
                r#"{"x": ["Alice@example.com"], "note": "bob@example.com"}"#,
                vec!["alice@example.com", "bob@example.com"],
            ),
            (r#"{"members": [{"value": "7", "$ref": "r", "display": "Carol"}]}"#, vec!["7", "r"]),
            (
                r#"{"path": "emails[value eq \"a\"]", "value": ["b", {"value": "c", "d": "e"}]}"#,
                vec!["a", "b", "c"],
            ),
            (r#"{"value": {"emails[value eq \"A\"].value": "b"}}"#, vec!["a", "b"]),
            (r#"{"path": "/Users/7", "data": {"urn:x:User:userName": "a"}}"#, vec!["7", "a"]),
            (r#"{"filter": "userName eq \"a\" or id eq b@c"}"#, vec!["a", "b@c"]),
            (r#"{"userName": "\u0041lice", "externalId": 7}"#, vec!["alice"]),
            (r#"{"filter": "userName eq \"secretary@x.org\""}"#, vec!["secretary@x.org"]),
            (r#"{"password": "p1", "externalId": "OU=Private Banking"}"#, vec!["ou=private banking"]),
        ] {
            assert_eq!(names(text), (found.into_iter().map(str::to_owned).collect(), true), "{text}");
        }
    }

    #[test]
    fn nobody_is_named_by_a_secret_nor_by_what_nobody_can_read() {
        for (text, is_kept) in [
            (r#"{"password": "p@ss", "Password": {"value": "p2"}}"#, true),
            (r#"{"value": "p1", "path": "urn:x:User:password"}"#, true),
            (r#"{"path": "emails[password eq \"p1\"].value", "value": "p2"}"#, true),
            (r#"{"emails[password eq \"p1\"].value": "p2"}"#, true),
            (r#"{"filter": "password eq \"p1\""}"#, true),
            (r#"{"value": "{\"password\": \"p@1\"}"}"#, true),
            (r#"{"id": "mst_abc"}"#, true),
            (r#"{"userName": "alice", "password": "p@1""#, false),
            ("<userName>alice@example.com</userName>", false),
            ("", false),
        ] {
            let (mut found, kept) = names(text);
            // What is left of a path may look like a name.
            found.retain(|name| name.contains('p') || name.contains("mst"));
            assert_eq!((found, kept), (vec![], is_kept), "{text}");
        }
    }

    #[test]
    fn a_body_that_names_more_than_can_be_found_is_not_kept() {
        let members = |count: usize| {
            let members: Vec<String> = (0..count).map(|id| format!(r#"{{"value":"{id}"}}"#)).collect();
            format!(r#"{{"members":[{}]}}"#, members.join(","))
        };
        let (found, is_kept) = names(&members(4_000));
        assert_eq!((found.len(), is_kept), (4_000, true));
        let (found, is_kept) = names(&members(4_001));
        assert_eq!((found.len(), is_kept), (4_000, false));
    }
}
