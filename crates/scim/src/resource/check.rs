//! Does a canonical document fit its schemas: types, required attributes, at most one `primary`, canonical values
//! where the tenant enforces them, references that are some.
//!
//! Errors name the attribute and the element, counted from one, and what would be right; never the value.

use std::fmt;
use std::sync::LazyLock;

use serde_json::Value;

use super::reference;
use crate::filter::typed::instant;
use crate::fold::fold;
use crate::schema::{Attribute, AttributeType, Mutability};
use crate::{Object, ResourceSchema, ScimError, ScimType};

/// Checks a whole document, but for what is as it was `before`.
pub(super) fn document(
    attributes: &Object,
    schema: &ResourceSchema,
    before: Option<&Object>,
) -> Result<(), ScimError> {
    members(attributes, before, &schema.core.attributes, Place::default())?;
    for extension in &schema.extensions {
        match attributes.get(&extension.id) {
            None => {}
            Some(Value::Object(inner)) => {
                let place = Place { urn: Some(&extension.id), ..Place::default() };
                let before = before.map(|before| before.get(&extension.id).and_then(Value::as_object));
                members(
                    inner,
                    before.map(|before| before.unwrap_or(&NOTHING)),
                    &extension.attributes,
                    place,
                )?;
            }
            Some(_) => {
                let detail = format!("{} must be an object with the extension's attributes", extension.id);
                return Err(refuse("wrong_type", detail));
            }
        }
    }
    Ok(())
}

/// The parts of what was not there.
static NOTHING: LazyLock<Object> = LazyLock::new(Object::new);

/// Where a value stands, for error texts.
#[derive(Debug, Clone, Copy, Default)]
struct Place<'s> {
    urn: Option<&'s str>,
    attribute: Option<&'s str>,
    sub_attribute: Option<&'s str>,
    element: Option<usize>,
}

impl<'s> Place<'s> {
    /// The place of an attribute of a document or extension, or of a sub-attribute of an attribute.
    fn member(self, name: &'s str) -> Self {
        match self.attribute {
            None => Self { attribute: Some(name), ..self },
            Some(_) => Self { sub_attribute: Some(name), ..self },
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(urn) = self.urn {
            write!(f, "{urn}:")?;
        }
        f.write_str(self.attribute.unwrap_or_default())?;
        if let Some(sub_attribute) = self.sub_attribute {
            write!(f, ".{sub_attribute}")?;
        }
        if let Some(element) = self.element {
            write!(f, " (element {element})")?;
        }
        Ok(())
    }
}

fn refuse(code: &'static str, detail: String) -> ScimError {
    ScimError::new(ScimType::InvalidValue, code, detail)
}

/// Checks the members of an object against the attributes that it may have.
fn members<'s>(
    object: &Object,
    before: Option<&Object>,
    attributes: &'s [Attribute],
    place: Place<'s>,
) -> Result<(), ScimError> {
    for attribute in attributes {
        let place = place.member(&attribute.name);
        let value = object.get(&attribute.name);
        if before.is_some_and(|before| before.get(&attribute.name) == value) {
            continue;
        }
        // What the service provider assigns, a client cannot be asked for.
        let required = attribute.required && attribute.mutability != Mutability::ReadOnly;
        if required && value.is_none_or(is_blank) {
            let detail = format!("{place} is required and must not be empty");
            return Err(refuse("required_missing", detail));
        }
        if let Some(value) = value {
            attribute_value(value, attribute, place)?;
        }
    }
    Ok(())
}

fn is_blank(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.trim().is_empty())
}

fn attribute_value<'s>(value: &Value, attribute: &'s Attribute, place: Place<'s>) -> Result<(), ScimError> {
    if !attribute.multi_valued {
        return single_value(value, attribute, place);
    }
    let Value::Array(elements) = value else {
        let detail = format!("{place} must be an array; the request has {}", kind(value));
        return Err(refuse("wrong_type", detail));
    };
    for (index, element) in elements.iter().enumerate() {
        single_value(element, attribute, Place { element: Some(index + 1), ..place })?;
    }
    // RFC 7643 section 2.4: `primary` is true at most once.
    let is_primary = |element: &&Value| element.get("primary") == Some(&Value::Bool(true));
    if attribute.value_type == AttributeType::Complex && elements.iter().filter(is_primary).count() > 1 {
        let detail =
            format!("{place} has more than one element whose primary is true; one at most may have it");
        return Err(refuse("primary_repeated", detail));
    }
    Ok(())
}

fn single_value<'s>(value: &Value, attribute: &'s Attribute, place: Place<'s>) -> Result<(), ScimError> {
    let fits = match attribute.value_type {
        AttributeType::Complex => {
            if let Value::Object(object) = value {
                return members(object, None, &attribute.sub_attributes, place);
            }
            false
        }
        AttributeType::String => value.is_string(),
        AttributeType::Reference => value.as_str().is_some_and(|text| reference::fits(text, attribute)),
        AttributeType::Boolean => value.is_boolean(),
        AttributeType::Decimal => value.is_number(),
        AttributeType::Integer => value.is_i64() || value.is_u64(),
        AttributeType::DateTime => value.as_str().is_some_and(is_date_time),
        AttributeType::Binary => value.as_str().is_some_and(is_base64),
    };
    if fits {
        return canonical_value(value, attribute, place);
    }
    let expected = expected(attribute.value_type);
    let found = if expected.of_strings && value.is_string() { "another string" } else { kind(value) };
    Err(refuse("wrong_type", format!("{place} must be {}; the request has {found}", expected.words)))
}

/// Whether the value is one of the canonical ones, where the tenant allows no other.
fn canonical_value(value: &Value, attribute: &Attribute, place: Place<'_>) -> Result<(), ScimError> {
    let Some(text) = value.as_str().filter(|_| attribute.canonical_values_enforced) else { return Ok(()) };
    let same = |allowed: &String| {
        if attribute.case_exact { allowed == text } else { fold(allowed) == fold(text) }
    };
    if attribute.canonical_values.iter().any(same) {
        return Ok(());
    }
    let allowed = attribute.canonical_values.join(", ");
    Err(refuse(
        "value_not_allowed",
        format!("{place} must be one of {allowed}; the request has another value"),
    ))
}

/// What a value of a type looks like.
struct Expected {
    words: &'static str,
    /// Whether it is a string of a certain form.
    of_strings: bool,
}

fn expected(value_type: AttributeType) -> Expected {
    let (words, of_strings) = match value_type {
        AttributeType::String => ("a string", false),
        AttributeType::Reference => ("a URI of one of the attribute's referenceTypes, without spaces", true),
        AttributeType::Boolean => ("true or false", false),
        AttributeType::Decimal => ("a number", false),
        AttributeType::Integer => ("a whole number without fraction or exponent", false),
        AttributeType::DateTime => ("a date and time such as \"2026-01-31T08:00:00Z\"", true),
        AttributeType::Binary => ("a string in base64", true),
        AttributeType::Complex => ("an object", false),
    };
    Expected { words, of_strings }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// RFC 7643 section 2.3.5: an `xsd:dateTime` with date and time. The time zone may be missing there.
fn is_date_time(text: &str) -> bool {
    text.as_bytes().get(10) == Some(&b'T') && instant(text).is_some()
}

/// RFC 7643 section 2.3.6: base64, padding optional. The URL-safe alphabet and line breaks, as in certificates
/// cut out of a file, are taken as well.
fn is_base64(text: &str) -> bool {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_whitespace() || c == '=');
    let padding = text[digits.len()..].matches('=').count();
    let mut count = 0_usize;
    let valid = digits.bytes().filter(|byte| !byte.is_ascii_whitespace()).all(|byte| {
        count += 1;
        byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte)
    });
    valid && padding <= 2 && count % 4 != 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_time_has_a_date_and_a_time() {
        for text in ["2008-01-23T04:56:22Z", "2008-01-23T04:56:22.123+01:00", "2008-01-23T04:56:22"] {
            assert!(is_date_time(text), "{text}");
        }
        for text in
            ["", "2008-01-23", "04:56:22Z", "2008-01-23 04:56:22Z", "2008-13-23T04:56:22Z", "2008-01-23T"]
        {
            assert!(!is_date_time(text), "{text}");
        }
    }

    #[test]
    fn base64_is_taken_with_and_without_padding_and_line_breaks() {
        for text in ["", "TWFu", "TWE=", "TQ==", "TWE", "-_+/", "TWFu\r\nTWE=\n"] {
            assert!(is_base64(text), "{text}");
        }
        for text in ["T", "TWFu!", "TWFuT", "TWE===", "T=WE", "é"] {
            assert!(!is_base64(text), "{text}");
        }
    }
}
