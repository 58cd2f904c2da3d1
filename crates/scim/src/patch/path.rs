//! The path of a PATCH operation (RFC 7644 figure 7): its text, and what it means in the schemas.

use crate::attribute_path::{AttributePath, Unexpected, is_path_byte, name};
use crate::filter::parse::parse_bracketed;
use crate::filter::{TypedFilter, typed};
use crate::json::is_plain_name;
use crate::schema::{Attribute, Mutability, Schema};
use crate::{ResourceSchema, ScimError, ScimType};

use super::PatchPath;

/// A path whose names have been found in the schemas.
#[derive(Debug, Clone)]
pub(crate) struct Place<'s> {
    /// The extension that holds the attribute; `None` for the core schema.
    pub(crate) extension: Option<&'s Schema>,
    /// The attribute; `None` for a path that names a whole schema.
    pub(crate) attribute: Option<&'s Attribute>,
    /// The value filter.
    pub(crate) filter: Option<TypedFilter>,
    /// The sub-attribute, whether behind a value filter or not.
    pub(crate) sub_attribute: Option<&'s Attribute>,
}

impl PatchPath {
    /// Reads a path; the error names the offset and what was expected.
    pub fn parse(text: &str) -> Result<Self, ScimError> {
        let end = text.bytes().position(|byte| !is_path_byte(byte)).unwrap_or(text.len());
        let path = AttributePath::parse(&text[..end])?;
        if end == text.len() {
            return Ok(Self { path, filter: None, sub_attribute: None });
        }
        if text.as_bytes()[end] != b'[' {
            return Err(Unexpected { offset: end, expected: "[ or the end of the path" }.in_path());
        }
        if path.sub_attribute.is_some() {
            let expected = "the end of the path, since only attributes have a filter in brackets";
            return Err(Unexpected { offset: end, expected }.in_path());
        }
        let (filter, end) = parse_bracketed(text, end + 1)?;
        let sub_attribute = match text[end..].strip_prefix('.') {
            Some(sub_attribute) => {
                Some(name(sub_attribute, end + 1).map_err(Unexpected::in_path)?.to_owned())
            }
            None if end == text.len() => None,
            None => {
                return Err(Unexpected { offset: end, expected: "a dot or the end of the path" }.in_path());
            }
        };
        Ok(Self { path, filter: Some(filter), sub_attribute })
    }

    /// Finds the path's names in the schemas and types its filter.
    pub(crate) fn resolve<'s>(&self, schema: &'s ResourceSchema) -> Result<Place<'s>, ScimError> {
        let found = self.path.resolve(schema).ok_or_else(|| self.unknown())?;
        let mut place = Place {
            extension: found.extension,
            attribute: found.attribute,
            filter: None,
            sub_attribute: found.sub_attribute,
        };
        if let Some(filter) = &self.filter {
            let Some(attribute) = found.attribute.filter(|attribute| attribute.multi_valued) else {
                let detail = format!("{} has a single value, so its path can have no filter", self.path);
                return Err(ScimError::new(ScimType::InvalidPath, "path_invalid", detail));
            };
            place.filter = Some(typed::check_elements(filter, attribute)?);
            if let Some(name) = &self.sub_attribute {
                place.sub_attribute = Some(attribute.sub_attribute(name).ok_or_else(|| self.unknown())?);
            }
        }
        Ok(place)
    }

    fn unknown(&self) -> ScimError {
        let mut name = self.path.to_string();
        if let Some(sub_attribute) = &self.sub_attribute {
            name = format!("{name}.{sub_attribute}");
        }
        let name = if is_plain_name(&name) { name } else { "something".to_owned() };
        let detail = format!("the path names {name}, which is no attribute here; use one from /Schemas");
        ScimError::new(ScimType::InvalidPath, "patch_unknown_path", detail)
    }
}

impl Place<'_> {
    /// Refuses a place that only the service provider may write to.
    pub(crate) fn check_writable(&self) -> Result<(), ScimError> {
        let parts = [self.attribute, self.sub_attribute];
        match parts.into_iter().flatten().find(|attribute| attribute.mutability == Mutability::ReadOnly) {
            Some(_) => {
                let detail = format!("{} is read-only; leave it out of the request", self.name());
                Err(ScimError::new(ScimType::Mutability, "attribute_read_only", detail))
            }
            None => Ok(()),
        }
    }

    /// The place in schema spelling, for error texts.
    pub(crate) fn name(&self) -> String {
        let names = [self.attribute, self.sub_attribute].map(|part| part.map(|part| part.name.as_str()));
        let names: Vec<&str> = names.into_iter().flatten().collect();
        names.join(".")
    }
}
