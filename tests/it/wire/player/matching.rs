//! Compares an answer with what a file expects.
//!
//! An object must have the expected members and may have others, an array must have exactly the expected
//! elements in their order, and everything else must be equal. Objects whose keys all begin with `$` are
//! matchers (`tests/wire/README.md` lists them). Nothing here knows SCIM.

use std::fmt;

use serde_json::{Map, Value};

/// Where an answer differs, and how.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Difference {
    place: String,
    expected: String,
    actual: String,
}

impl Difference {
    pub(super) fn new(
        place: impl Into<String>,
        expected: impl Into<String>,
        actual: impl Into<String>,
    ) -> Self {
        Self { place: place.into(), expected: expected.into(), actual: actual.into() }
    }

    /// The same difference, seen from one level higher.
    pub(super) fn below(mut self, parent: &str) -> Self {
        self.place.insert_str(0, parent);
        self
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.place.is_empty() { "body" } else { &self.place };
        write!(f, "at {place}: expected {}, got {}", self.expected, self.actual)
    }
}

/// Whether a value is as expected; `None` is a value that is not there.
pub(super) fn compare(expected: &Value, actual: Option<&Value>) -> Result<(), Difference> {
    match (expected, actual) {
        (Value::Object(matchers), _) if are_matchers(matchers) => {
            matchers.iter().try_for_each(|(name, argument)| apply(name, argument, actual))
        }
        (Value::Object(members), Some(Value::Object(found))) => {
            members.iter().try_for_each(|(key, value)| {
                compare(value, found.get(key)).map_err(|difference| difference.below(&format!("/{key}")))
            })
        }
        (Value::Array(items), Some(Value::Array(found))) if items.len() == found.len() => {
            items.iter().zip(found).enumerate().try_for_each(|(index, (item, found))| {
                compare(item, Some(found)).map_err(|difference| difference.below(&format!("/{index}")))
            })
        }
        (_, Some(found)) if found == expected => Ok(()),
        _ => Err(Difference::new("", expected.to_string(), show(actual))),
    }
}

/// `$ref` is an attribute of SCIM, not a matcher.
fn are_matchers(members: &Map<String, Value>) -> bool {
    !members.is_empty() && members.keys().all(|key| key.starts_with('$') && key != "$ref")
}

fn apply(name: &str, argument: &Value, actual: Option<&Value>) -> Result<(), Difference> {
    let holds = match (name, argument, actual) {
        ("$any", Value::Bool(true), _) => actual.is_some(),
        ("$absent", Value::Bool(true), _) => actual.is_none(),
        // RFC 7643 section 2.5: without value and an empty array are the same state.
        ("$empty", Value::Bool(true), None) => true,
        ("$empty", Value::Bool(true), Some(found)) => found.as_array().is_some_and(Vec::is_empty),
        ("$type", Value::String(wanted), _) => actual.is_some_and(|found| type_name(found) == wanted),
        ("$length", Value::Number(length), _) => {
            let found = actual.and_then(Value::as_array).and_then(|found| u64::try_from(found.len()).ok());
            if found != length.as_u64() {
                let actual = found.map_or_else(|| show(actual), |length| length.to_string());
                return Err(Difference::new("", format!("{length} elements"), actual));
            }
            true
        }
        ("$contains", Value::String(part), _) => {
            actual.and_then(Value::as_str).is_some_and(|found| found.contains(part.as_str()))
        }
        ("$contains", Value::Array(wanted), _) => {
            actual.and_then(Value::as_array).is_some_and(|found| find_each(wanted, found))
        }
        ("$unordered", Value::Array(wanted), _) => actual
            .and_then(Value::as_array)
            .is_some_and(|found| wanted.len() == found.len() && find_each(wanted, found)),
        ("$not", unwanted, _) => actual.is_some() && compare(unwanted, actual).is_err(),
        _ => return Err(Difference::new("", "a matcher that exists", format!("{name}: {argument}"))),
    };
    if holds { Ok(()) } else { Err(Difference::new("", format!("{name} {argument}"), show(actual))) }
}

/// Whether each wanted element is there, and no found element serves for two of them.
fn find_each(wanted: &[Value], found: &[Value]) -> bool {
    let mut free: Vec<&Value> = found.iter().collect();
    wanted.iter().all(|item| {
        let position = free.iter().position(|candidate| compare(item, Some(candidate)).is_ok());
        position.map(|position| free.swap_remove(position)).is_some()
    })
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_u64() || number.is_i64() => "integer",
        Value::Number(_) => "decimal",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn show(actual: Option<&Value>) -> String {
    actual.map_or_else(|| "nothing".to_owned(), |found| excerpt(&found.to_string()))
}

/// The beginning of a text, short enough for an error message.
pub(super) fn excerpt(text: &str) -> String {
    const CHARACTERS_MAX: usize = 600;
    if text.is_empty() {
        return "(none)".to_owned();
    }
    match text.char_indices().nth(CHARACTERS_MAX) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text.to_owned(),
    }
}
