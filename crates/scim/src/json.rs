//! Strict JSON: what a request body may be before anybody looks at its meaning.
//!
//! The text is read once, straight into a [`Value`]. Errors say where (line and column) and never repeat what
//! stands there. This file knows nothing of SCIM but that attribute names do not regard case.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};

use crate::{Object, ScimError, ScimType};

/// The deepest nesting that is read. SCIM itself needs four levels.
pub const DEPTH_MAX: usize = 64;

/// Up to this many members, an object's names are compared one by one.
const SCANNED_NAMES_MAX: usize = 16;

/// The longest name that an answer or a log repeats.
const PLAIN_NAME_CHARS_MAX: usize = 64;

/// Parses a body. Refused, each with its own code and the place: bytes that are no UTF-8, malformed text,
/// nesting deeper than [`DEPTH_MAX`], two members of one object whose names are equal or differ only in case.
pub fn parse(bytes: &[u8]) -> Result<Value, ScimError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let offset = error.valid_up_to();
        refuse("json_not_utf8", format!("the body is not valid UTF-8 at byte {offset}; send JSON in UTF-8"))
    })?;
    let flaw = Cell::new(None);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    ValueSeed { depth: 0, flaw: &flaw }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| explain(&error, flaw.take()))
}

/// Whether a client's name for something may be repeated in an answer or a log: short, and of the characters
/// that attribute names and URNs are made of. Anything else might be a value that slipped into a name.
pub(crate) fn is_plain_name(name: &str) -> bool {
    name.len() <= PLAIN_NAME_CHARS_MAX
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":._$-".contains(&byte))
}

/// What our own rules found, beside what `serde_json` finds itself.
enum Flaw {
    TooDeep,
    DuplicateName(String),
}

fn refuse(code: &'static str, detail: String) -> ScimError {
    ScimError::new(ScimType::InvalidSyntax, code, detail)
}

fn explain(error: &serde_json::Error, flaw: Option<Flaw>) -> ScimError {
    let place = format!("line {}, column {}", error.line(), error.column());
    match flaw {
        Some(Flaw::TooDeep) => {
            refuse("json_too_deep", format!("the body is nested deeper than {DEPTH_MAX} levels at {place}"))
        }
        Some(Flaw::DuplicateName(name)) => {
            let name = if is_plain_name(&name) { format!("\"{name}\"") } else { "a name".to_owned() };
            refuse(
                "json_duplicate_name",
                format!(
                    "{name} stands twice in one JSON object, the second time at {place}; \
                     names that differ only in case are the same"
                ),
            )
        }
        // The messages of `serde_json` about malformed text are fixed sentences with the place at their end.
        None => refuse("json_malformed", format!("the body is not valid JSON: {error}")),
    }
}

/// Reads one value that stands inside `depth` arrays and objects.
#[derive(Clone, Copy)]
struct ValueSeed<'f> {
    depth: usize,
    flaw: &'f Cell<Option<Flaw>>,
}

impl ValueSeed<'_> {
    /// The seed for what stands inside an array or object that stands where this one does.
    fn inner<E: Error>(self) -> Result<Self, E> {
        if self.depth == DEPTH_MAX {
            return Err(self.fail(Flaw::TooDeep));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }

    fn fail<E: Error>(self, flaw: Flaw) -> E {
        self.flaw.set(Some(flaw));
        E::custom("refused")
    }
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let seed = self.inner()?;
        let mut elements = Vec::new();
        while let Some(element) = sequence.next_element_seed(seed)? {
            elements.push(element);
        }
        Ok(Value::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let seed = self.inner()?;
        let mut object = Object::new();
        let mut names = SeenNames::default();
        while let Some(name) = members.next_key::<String>()? {
            if !names.insert(&name, &object) {
                return Err(self.fail(Flaw::DuplicateName(name)));
            }
            let value = members.next_value_seed(seed)?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

/// The names that an object has had so far, whatever their case. Objects of SCIM are small, so the set is only
/// made for one that is not; it keeps the time for any object linear.
#[derive(Default)]
struct SeenNames(HashSet<String>);

impl SeenNames {
    /// Whether the name is new to the object.
    fn insert(&mut self, name: &str, object: &Object) -> bool {
        if object.len() < SCANNED_NAMES_MAX {
            return !object.keys().any(|seen| seen.eq_ignore_ascii_case(name));
        }
        if self.0.is_empty() {
            self.0.extend(object.keys().map(|seen| seen.to_ascii_lowercase()));
        }
        self.0.insert(name.to_ascii_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check_refused(text: &[u8], code: &str, detail: &str) {
        let error = parse(text).unwrap_err();
        assert_eq!((error.scim_type, error.code), (ScimType::InvalidSyntax, code));
        assert!(error.detail.contains(detail), "{}", error.detail);
    }

    #[test]
    fn every_kind_of_value_is_read_as_it_stands() {
        let text =
            r#"{"b":true,"n":null,"i":-3,"u":18446744073709551615,"f":1.5,"s":"é\u0041","a":[1,[]],"o":{}}"#;
        let value = parse(text.as_bytes()).unwrap();
        let expected = json!({
            "b": true, "n": null, "i": -3, "u": u64::MAX, "f": 1.5, "s": "éA", "a": [1, []], "o": {}
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn numbers_beyond_every_range_are_read_or_refused_without_a_crash() {
        assert!(parse(b"[123456789012345678901234567890, -9223372036854775809, 1e-999]").is_ok());
        check_refused(b"[1e999]", "json_malformed", "number out of range");
    }

    #[test]
    fn bytes_that_are_no_utf_8_are_refused_with_their_offset() {
        check_refused(b"{\"a\":\"\xff\"}", "json_not_utf8", "byte 6");
    }

    #[test]
    fn malformed_text_is_refused_with_its_place_and_without_its_content() {
        check_refused(b"", "json_malformed", "line 1 column 0");
        check_refused(b"{\"secret\":\n alice}", "json_malformed", "line 2 column 2");
        check_refused(b"{} {}", "json_malformed", "trailing characters");
        check_refused(b"{\"a\":1,}", "json_malformed", "trailing comma");
        check_refused(br#"{"a":"\ud800"}"#, "json_malformed", "line 1");
        let error = parse(b"{\"a\": alice@example.com}").unwrap_err();
        assert!(!error.detail.contains("alice"));
    }

    #[test]
    fn nesting_is_read_to_the_limit_and_refused_beyond_it() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(DEPTH_MAX).as_bytes()).is_ok());
        check_refused(nested(DEPTH_MAX + 1).as_bytes(), "json_too_deep", "64 levels at line 1");
        check_refused(nested(10_000).as_bytes(), "json_too_deep", "64 levels");
        check_refused("{\"a\":".repeat(10_000).as_bytes(), "json_too_deep", "64 levels");
    }

    #[test]
    fn a_name_that_stands_twice_is_refused_whatever_its_case() {
        check_refused(br#"{"userName":"a","username":"b"}"#, "json_duplicate_name", "\"username\"");
        check_refused(b"{\"a\":[{\"b\":1,\n\"b\":2}]}", "json_duplicate_name", "line 2");
        assert!(parse(br#"{"a":{"b":1},"b":{"a":1}}"#).is_ok());
    }

    #[test]
    fn a_doubled_name_is_only_repeated_if_it_looks_like_one() {
        let error = parse(br#"{"alice@example.com":1,"alice@example.com":2}"#).unwrap_err();
        assert!(error.detail.starts_with("a name stands twice"), "{}", error.detail);
        assert!(!is_plain_name(&"a".repeat(65)) && is_plain_name("urn:x:2.0:User:name.$ref-_"));
    }

    #[test]
    fn doubled_names_are_found_in_large_objects() {
        let mut text = String::from("{");
        for number in 0..100_000 {
            write!(text, "\"name{number}\":1,").unwrap();
        }
        check_refused(format!("{text}\"NAME3\":2}}").as_bytes(), "json_duplicate_name", "\"NAME3\"");
        assert!(parse(format!("{text}\"last\":2}}").as_bytes()).is_ok());
    }
}
