//! Attribute paths: `name.givenName`, `urn:…:User:department` (RFC 7644 section 3.10).
//!
//! An [`AttributePath`] is what was written; [`ResolvedPath`] is what it means in a [`ResourceSchema`].
//! `Display` prints the canonical text; parsing what was printed gives the same path.
//!
//! Grammar: RFC 7644 figure 1, with `$ref` as a further name (RFC 7643 uses it, its own rule forgot it).

use std::fmt;

use crate::schema::{Attribute, Schema};
use crate::{ResourceSchema, ScimError, ScimType};

/// A path as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributePath {
    /// The schema's URN, if the path is qualified by one.
    pub schema: Option<String>,
    /// The attribute's name. Empty only for a path that names a whole extension and could not be anything else
    /// (`urn:acme:hr:1.0`); whether `urn:…:User` is a schema or an attribute, [`AttributePath::resolve`] knows.
    pub attribute: String,
    /// The sub-attribute's name.
    pub sub_attribute: Option<String>,
    /// Where it was written, if it was part of a longer text.
    pub written: Written,
}

/// Where a path begins in a longer text, for errors that are found only after reading. It says nothing of what the
/// path is: any two are equal. Prints as the beginning of an error text (`filter position 7: `), or as nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Written(Option<(&'static str, usize)>);

impl Written {
    /// In a text of that kind, so many characters from its start.
    pub(crate) fn at(subject: &'static str, offset: usize) -> Self {
        Self(Some((subject, offset)))
    }
}

impl PartialEq for Written {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Written {}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some((subject, offset)) => write!(f, "{subject} position {}: ", offset + 1),
            None => Ok(()),
        }
    }
}

/// A path whose names have been found in the schemas of a resource type.
#[derive(Debug, Clone, Copy)]
pub struct ResolvedPath<'s> {
    /// The extension that holds the attribute; `None` for the core schema.
    pub extension: Option<&'s Schema>,
    /// The attribute; `None` for a path that names a whole schema.
    pub attribute: Option<&'s Attribute>,
    /// The sub-attribute.
    pub sub_attribute: Option<&'s Attribute>,
}

/// Where a text stops being a path, a filter or a value, and what would have been right there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unexpected {
    /// In bytes from the start of the text, 0-based; people are told the 1-based position, in characters.
    pub(crate) offset: usize,
    /// What would have been right.
    pub(crate) expected: &'static str,
}

impl Unexpected {
    /// The error for a text that is a path.
    pub(crate) fn in_path(self) -> ScimError {
        let detail = format!("path position {}: expected {}", self.offset + 1, self.expected);
        ScimError::new(ScimType::InvalidPath, "path_invalid", detail)
    }
}

impl AttributePath {
    /// A path of these parts, written nowhere.
    pub(crate) fn of(schema: Option<String>, attribute: String, sub_attribute: Option<String>) -> Self {
        Self { schema, attribute, sub_attribute, written: Written::default() }
    }

    /// Reads a path; the error names the offset and what was expected.
    pub fn parse(text: &str) -> Result<Self, ScimError> {
        Self::scan(text).map_err(Unexpected::in_path)
    }

    /// Reads a path for callers that report errors in their own words.
    pub(crate) fn scan(text: &str) -> Result<Self, Unexpected> {
        let (schema, start) = match text.rfind(':') {
            // Names begin with a letter: a last part that begins with a digit still belongs to the URN.
            Some(colon) if text[colon + 1..].starts_with(|first: char| first.is_ascii_digit()) => {
                let schema = Some(urn(text)?.to_owned());
                return Ok(Self::of(schema, String::new(), None));
            }
            Some(colon) => (Some(urn(&text[..colon])?.to_owned()), colon + 1),
            None => (None, 0),
        };
        let (attribute, sub_attribute) = match text[start..].split_once('.') {
            Some((attribute, sub)) => (attribute, Some(name(sub, start + attribute.len() + 1)?.to_owned())),
            None => (&text[start..], None),
        };
        let attribute = name(attribute, start)?.to_owned();
        Ok(Self::of(schema, attribute, sub_attribute))
    }

    /// Finds the path's names in the schemas, whatever their case; `None` if one of them does not exist.
    ///
    /// RFC 7644 section 3.10 only recommends a URN before an extension's attribute, so a bare name that the core
    /// schema lacks is looked for in the extensions, and counts if exactly one of them has it (`manager`).
    pub fn resolve<'s>(&self, schema: &'s ResourceSchema) -> Option<ResolvedPath<'s>> {
        let (extension, attribute) = match &self.schema {
            Some(_) if self.names_schema(&schema.core) => (None, None),
            Some(urn) if urn.eq_ignore_ascii_case(&schema.core.id) => {
                (None, Some(schema.core.attribute(&self.attribute)?))
            }
            Some(urn) => {
                if let Some(whole) = schema.extensions.iter().find(|extension| self.names_schema(extension)) {
                    (Some(whole), None)
                } else {
                    let extension = schema.extension(urn)?;
                    (Some(extension), Some(extension.attribute(&self.attribute)?))
                }
            }
            None => match schema.core.attribute(&self.attribute) {
                Some(attribute) => (None, Some(attribute)),
                None => self.in_only_extension(schema)?,
            },
        };
        let sub_attribute = match &self.sub_attribute {
            Some(name) => Some(attribute?.sub_attribute(name)?),
            None => None,
        };
        Some(ResolvedPath { extension, attribute, sub_attribute })
    }

    /// Whether the whole path is the URN of that schema.
    fn names_schema(&self, schema: &Schema) -> bool {
        self.sub_attribute.is_none() && self.to_string().eq_ignore_ascii_case(&schema.id)
    }

    fn in_only_extension<'s>(
        &self,
        schema: &'s ResourceSchema,
    ) -> Option<(Option<&'s Schema>, Option<&'s Attribute>)> {
        let mut found = schema
            .extensions
            .iter()
            .filter_map(|extension| Some((Some(extension), Some(extension.attribute(&self.attribute)?))));
        let first = found.next()?;
        found.next().is_none().then_some(first)
    }
}

impl fmt::Display for AttributePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            f.write_str(schema)?;
            if !self.attribute.is_empty() {
                f.write_str(":")?;
            }
        }
        f.write_str(&self.attribute)?;
        match &self.sub_attribute {
            Some(sub_attribute) => write!(f, ".{sub_attribute}"),
            None => Ok(()),
        }
    }
}

/// Whether a byte can be part of a path. Brackets, quotes and spaces cannot, so that a path inside a filter ends
/// by itself; all else that RFC 3986 allows in a URI can, except parentheses.
pub(crate) fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.:/?#@!$&'*+,;=%~".contains(&byte)
}

/// Checks the URN before an attribute's name.
fn urn(text: &str) -> Result<&str, Unexpected> {
    if !text.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return Err(Unexpected { offset: 0, expected: "an attribute name or a schema URN" });
    }
    match text.bytes().position(|byte| !is_path_byte(byte)) {
        Some(offset) => Err(Unexpected { offset, expected: "a character of a schema URN" }),
        None => Ok(text),
    }
}

/// Checks an attribute's name that stands at `start`: `ALPHA *("-" / "_" / DIGIT / ALPHA)`, or `$ref`.
pub(crate) fn name(text: &str, start: usize) -> Result<&str, Unexpected> {
    if text.eq_ignore_ascii_case("$ref") {
        return Ok(text);
    }
    if !text.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return Err(Unexpected { offset: start, expected: "an attribute name, which begins with a letter" });
    }
    match text.bytes().position(|byte| !(byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')) {
        Some(at) if text.as_bytes()[at] == b'.' => {
            Err(Unexpected { offset: start + at, expected: "the end, since sub-attributes have no parts" })
        }
        Some(at) => Err(Unexpected { offset: start + at, expected: "a letter, a digit, - or _" }),
        None => Ok(text),
    }
}

#[cfg(test)]
pub(crate) mod tests;
