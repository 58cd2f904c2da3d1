//! A filter after it met the schemas: names in schema spelling, values of the attribute's type.
//!
//! This is the one form that evaluators see, so that memory and SQL cannot disagree about what a name or a
//! value means.

mod primary;

use chrono::{DateTime, NaiveDateTime};
use serde_json::Value;

use super::{CompareOp, Filter};
use crate::attribute_path::AttributePath;
use crate::fold::fold;
use crate::json::is_plain_name;
use crate::schema::{Attribute, AttributeType, Mutability, ReturnedRule, Schema};
use crate::{ResourceSchema, ScimError, ScimType};

/// Where a typed filter looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypedPath {
    /// The URN of the extension in schema spelling; `None` for the core schema.
    pub extension: Option<String>,
    /// The attribute in schema spelling.
    pub attribute: String,
    /// Whether the attribute is an array.
    pub multi_valued: bool,
    /// The sub-attribute in schema spelling. A bare complex name has become its `value` here (`emails`, `manager`),
    /// except with `pr`, which asks for any part: then this is `None` and `value_type` is `Complex`.
    /// Inside a value path, the whole path is relative: `attribute` is the sub-attribute's name and this is `None`.
    pub sub_attribute: Option<String>,
    /// The type of what is compared.
    pub value_type: AttributeType,
    /// Whether comparison regards case.
    pub case_exact: bool,
    /// Whether only the service provider says what stands there.
    pub read_only: bool,
}

/// The right side of a comparison. Texts of attributes that are not `caseExact` are already folded.
#[derive(Debug, Clone, PartialEq)]
pub enum TypedValue {
    /// String, reference or binary.
    Text(String),
    /// Boolean.
    Boolean(bool),
    /// Integer or decimal.
    Number(f64),
    /// dateTime, in microseconds since 1970-01-01T00:00:00Z.
    Instant(i64),
    /// `null`: only with `eq` (has no value) and `ne` (has one).
    Null,
}

/// One comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Left side.
    pub path: TypedPath,
    /// Operator.
    pub op: CompareOp,
    /// Right side.
    pub value: TypedValue,
}

/// A checked filter.
#[derive(Debug, Clone, PartialEq)]
pub enum TypedFilter {
    /// All terms hold; without terms, always.
    And(Vec<TypedFilter>),
    /// One term holds; without terms, never.
    Or(Vec<TypedFilter>),
    /// The term does not hold.
    Not(Box<TypedFilter>),
    /// A comparison. On a multi-valued attribute: true if any element satisfies it. What absence means, and all
    /// else that evaluators must agree on, stands in [`super::evaluate`].
    Compare(Comparison),
    /// The path has a non-empty value.
    Present(TypedPath),
    /// One element satisfies the whole inner filter, whose paths are relative to the element.
    ValuePath {
        /// The multi-valued (or singular complex) attribute.
        path: TypedPath,
        /// The filter on its elements.
        filter: Box<TypedFilter>,
    },
}

/// Finds the filter's names in the schemas and gives its values their types.
pub fn check(filter: &Filter, schema: &ResourceSchema) -> Result<TypedFilter, ScimError> {
    check_among(filter, schema, &[schema])
}

/// The same for one of several resource types that are asked at once: an attribute that another of them has and
/// this one has not is an attribute without a value here (RFC 7644 section 3.4.2.1).
pub fn check_among(
    filter: &Filter,
    schema: &ResourceSchema,
    all: &[&ResourceSchema],
) -> Result<TypedFilter, ScimError> {
    Scope::Resource(schema, all).check(filter)
}

/// The same for the filter of a PATCH path, whose names are sub-attributes of `attribute`. The values of a simple
/// multi-valued attribute are called `value` there (RFC 7644 section 3.5.2.2).
pub(crate) fn check_elements(filter: &Filter, attribute: &Attribute) -> Result<TypedFilter, ScimError> {
    Scope::Element(attribute).check(filter)
}

/// What a path leads to when its values are compared or sorted by: a bare complex name stands for its `value`.
/// `None` if there is no such attribute, if it has parts but no `value`, or if it is never returned.
pub fn typed_path(path: &AttributePath, schema: &ResourceSchema) -> Option<TypedPath> {
    let (path, attribute) = Scope::Resource(schema, &[]).locate(path).ok()?;
    comparable(path, attribute)
}

/// The instant of a dateTime (RFC 7643 section 2.3.5) in microseconds since 1970-01-01T00:00:00Z; digits beyond
/// are cut off. One without an offset is taken as UTC. `None` for any other text.
pub fn instant(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.timestamp_micros())
        .or_else(|_| {
            NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f")
                .map(|time| time.and_utc().timestamp_micros())
        })
        .ok()
}

/// Where names are looked for.
#[derive(Clone, Copy)]
enum Scope<'s> {
    /// A resource of this type, and all types that are asked.
    Resource(&'s ResourceSchema, &'s [&'s ResourceSchema]),
    Element(&'s Attribute),
}

impl<'s> Scope<'s> {
    fn check(self, filter: &Filter) -> Result<TypedFilter, ScimError> {
        if let Some(without_value) = self.without_value(filter) {
            return Ok(without_value);
        }
        match filter {
            Filter::And(terms) => Ok(TypedFilter::And(self.check_all(terms)?)),
            Filter::Or(terms) => Ok(TypedFilter::Or(self.check_all(terms)?)),
            Filter::Not(term) => Ok(TypedFilter::Not(Box::new(self.check(term)?))),
            Filter::Present(path) => Ok(TypedFilter::Present(self.locate(path)?.0)),
            Filter::Compare { path, op, value } => {
                let (located, attribute) = self.locate(path)?;
                let Some(typed) = comparable(located, attribute) else {
                    let detail = format!(
                        "{path} has parts; the filter must name one of them, such as {path}.{}",
                        attribute.sub_attributes.first().map_or("value", |first| &first.name)
                    );
                    return Err(refused(path, "filter_complex_attribute", &detail));
                };
                let value = typed_value(path, &typed, *op, value)?;
                let comparison = Comparison { path: typed, op: *op, value };
                Ok(if self.is_primary(&comparison.path) {
                    primary::filter(comparison)
                } else {
                    TypedFilter::Compare(comparison)
                })
            }
            Filter::ValuePath { path, filter } => {
                let (located, attribute) = self.locate(path)?;
                if attribute.value_type != AttributeType::Complex {
                    let detail = format!("{path} has no parts that a filter in brackets could be about");
                    return Err(refused(path, "filter_not_complex", &detail));
                }
                let filter = Box::new(Scope::Element(attribute).check(filter)?);
                Ok(TypedFilter::ValuePath { path: located, filter })
            }
        }
    }

    /// What a term comes to whose attribute only other resource types have; the rules are those of
    /// [`super::evaluate`] for an attribute without a value.
    fn without_value(self, filter: &Filter) -> Option<TypedFilter> {
        let (path, holds) = match filter {
            Filter::And(_) | Filter::Or(_) | Filter::Not(_) => return None,
            Filter::Compare { path, op: CompareOp::Eq, value } => (path, value.is_null()),
            Filter::Compare { path, op: CompareOp::Ne, value } => (path, !value.is_null()),
            Filter::Present(path) | Filter::Compare { path, .. } | Filter::ValuePath { path, .. } => {
                (path, false)
            }
        };
        let Self::Resource(_, all) = self else { return None };
        let elsewhere = self.find(path).is_none()
            && all.iter().any(|other| Self::Resource(other, &[]).find(path).is_some());
        let nothing = Vec::new();
        elsewhere.then_some(if holds { TypedFilter::And(nothing) } else { TypedFilter::Or(nothing) })
    }

    fn check_all(self, terms: &[Filter]) -> Result<Vec<TypedFilter>, ScimError> {
        terms.iter().map(|term| self.check(term)).collect()
    }

    /// The path with its names as the schemas spell them, and the attribute that it ends at.
    fn locate(self, path: &AttributePath) -> Result<(TypedPath, &'s Attribute), ScimError> {
        let (extension, attribute, sub_attribute) = self.find(path).ok_or_else(|| {
            let name = path.to_string();
            let name = if is_plain_name(&name) { name } else { "something".to_owned() };
            let detail = format!("{name} is no attribute here; use one from /Schemas");
            refused(path, "filter_unknown_attribute", &detail)
        })?;
        let end = sub_attribute.unwrap_or(attribute);
        if [attribute, end].into_iter().any(is_sensitive) {
            let detail = format!("{}{path} is never returned, so a filter cannot ask for it", path.written);
            return Err(ScimError::new(ScimType::Sensitive, "filter_sensitive_attribute", detail));
        }
        let simple_element = matches!(self, Self::Element(of) if std::ptr::eq(of, attribute));
        let typed = TypedPath {
            extension: extension.map(|schema| schema.id.clone()),
            attribute: if simple_element { "value".to_owned() } else { attribute.name.clone() },
            multi_valued: attribute.multi_valued && !simple_element,
            sub_attribute: sub_attribute.map(|sub_attribute| sub_attribute.name.clone()),
            value_type: end.value_type,
            case_exact: end.case_exact,
            read_only: attribute.mutability == Mutability::ReadOnly,
        };
        Ok((typed, end))
    }

    /// Whether a path ends at the `primary` of a multi-valued attribute.
    fn is_primary(self, path: &TypedPath) -> bool {
        path.value_type == AttributeType::Boolean
            && match self {
                Self::Resource(..) => path.multi_valued && path.sub_attribute.as_deref() == Some("primary"),
                Self::Element(of) => of.multi_valued && path.attribute == "primary",
            }
    }

    fn find(
        self,
        path: &AttributePath,
    ) -> Option<(Option<&'s Schema>, &'s Attribute, Option<&'s Attribute>)> {
        match self {
            Self::Resource(schema, _) => {
                let found = path.resolve(schema)?;
                Some((found.extension, found.attribute?, found.sub_attribute))
            }
            Self::Element(_) if path.schema.is_some() || path.sub_attribute.is_some() => None,
            Self::Element(of) if of.value_type == AttributeType::Complex => {
                Some((None, of.sub_attribute(&path.attribute)?, None))
            }
            Self::Element(of) => path.attribute.eq_ignore_ascii_case("value").then_some((None, of, None)),
        }
    }
}

fn is_sensitive(attribute: &Attribute) -> bool {
    attribute.returned == ReturnedRule::Never || attribute.mutability == Mutability::WriteOnly
}

/// Leads a path that ends at a complex attribute on to its `value`, unless that is never returned: whoever may not see
/// a value must not find it out by asking.
fn comparable(path: TypedPath, end: &Attribute) -> Option<TypedPath> {
    if end.value_type != AttributeType::Complex {
        return Some(path);
    }
    let value = end.sub_attribute("value").filter(|value| !is_sensitive(value))?;
    Some(TypedPath {
        sub_attribute: Some(value.name.clone()),
        value_type: value.value_type,
        case_exact: value.case_exact,
        ..path
    })
}

fn typed_value(
    written: &AttributePath,
    path: &TypedPath,
    op: CompareOp,
    value: &Value,
) -> Result<TypedValue, ScimError> {
    if value.is_null() && !matches!(op, CompareOp::Eq | CompareOp::Ne) {
        let detail =
            format!("the operator {op} needs a value to compare {written} with; null goes with eq and ne");
        return Err(refused(written, "filter_operator_type", &detail));
    }
    let operators = operators_of(path.value_type);
    if !operators.contains(&op) {
        let suitable: Vec<_> = operators.iter().map(|op| op.as_str()).collect();
        let detail = format!(
            "the operator {op} does not suit {written}; it can be compared with {}",
            suitable.join(", ")
        );
        return Err(refused(written, "filter_operator_type", &detail));
    }
    let (typed, wanted) = match path.value_type {
        _ if value.is_null() => (Some(TypedValue::Null), ""),
        AttributeType::Boolean => (value.as_bool().map(TypedValue::Boolean), "true or false, without quotes"),
        AttributeType::Decimal | AttributeType::Integer => {
            (value.as_f64().map(TypedValue::Number), "a number, without quotes")
        }
        AttributeType::DateTime => (
            value.as_str().and_then(instant).map(TypedValue::Instant),
            "a date and time such as \"2026-11-22T09:30:00Z\"",
        ),
        AttributeType::String | AttributeType::Binary | AttributeType::Reference | AttributeType::Complex => {
            (value.as_str().map(|text| text_value(path, text)), "text in double quotes")
        }
    };
    typed.ok_or_else(|| {
        let detail = format!("{written} can only be compared with {wanted}");
        refused(written, "filter_value_type", &detail)
    })
}

fn text_value(path: &TypedPath, text: &str) -> TypedValue {
    TypedValue::Text(if path.case_exact { text.to_owned() } else { fold(text) })
}

/// RFC 7644 table 3: booleans and binaries have no order, and only texts have parts.
fn operators_of(value_type: AttributeType) -> &'static [CompareOp] {
    use CompareOp::{Co, Eq, Ew, Ge, Gt, Le, Lt, Ne, Sw};
    match value_type {
        AttributeType::Boolean => &[Eq, Ne],
        AttributeType::Binary => &[Eq, Ne, Co, Sw, Ew],
        AttributeType::String | AttributeType::Reference => &CompareOp::ALL,
        AttributeType::Decimal
        | AttributeType::Integer
        | AttributeType::DateTime
        | AttributeType::Complex => &[Eq, Ne, Gt, Ge, Lt, Le],
    }
}

/// A refusal that says where the path stands that it is about.
fn refused(path: &AttributePath, code: &'static str, detail: &str) -> ScimError {
    ScimError::new(ScimType::InvalidFilter, code, format!("{}{detail}", path.written))
}

#[cfg(test)]
mod tests;
