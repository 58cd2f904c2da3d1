//! Does this resource match? The evaluator in memory; `projections` has the one in SQL.
//!
//! The rules, which the one in SQL repeats:
//! - The *values* of a path are what stands at its end, over all elements of a multi-valued attribute. `null` and
//!   absent parts are no values; an empty text is one.
//! - `eq`, `co`, `sw`, `ew`, `gt`, `ge`, `lt`, `le`: some value satisfies it (RFC 7644 section 3.4.2.2).
//! - `ne`: there is no value, or some value differs. So `title ne "x"` finds people without a title.
//! - `pr`: some value is not empty. `null`, `""`, `[]`, `{}` and objects of nothing but these are empty.
//!   `eq null` is `not pr`, `ne null` is `pr`.
//! - A value path: some element satisfies the whole inner filter; a singular complex attribute is one element.
//! - Texts compare by Unicode code point (which is the order of their UTF-8 bytes), folded unless the attribute
//!   regards case; instants chronologically. `ge` and `le` include equality.

use std::borrow::Cow;

use serde_json::Value;

use super::{CompareOp, Comparison, TypedFilter, TypedPath, TypedValue};
use crate::Object;
use crate::filter::typed::instant;
use crate::fold::fold;

/// Whether a resource in wire form (with `id`, `externalId`, `meta`, `groups`, `members`) satisfies the filter.
pub fn matches(filter: &TypedFilter, resource: &Object) -> bool {
    holds(filter, Subject::Resource(resource))
}

/// Whether one value of a multi-valued attribute satisfies a filter whose paths are relative to it.
pub(crate) fn element_matches(filter: &TypedFilter, element: &Value) -> bool {
    holds(filter, Subject::Element(element))
}

/// What the paths of a filter start from.
#[derive(Clone, Copy)]
enum Subject<'v> {
    Resource(&'v Object),
    Element(&'v Value),
}

impl<'v> Subject<'v> {
    /// What stands under the path's attribute, one value or all elements.
    fn attribute(self, path: &TypedPath) -> &'v [Value] {
        let found = match (self, &path.extension) {
            (Self::Resource(resource), Some(urn)) => {
                resource.get(urn).and_then(|extension| extension.get(&path.attribute))
            }
            (Self::Resource(resource), None) => resource.get(&path.attribute),
            (Self::Element(Value::Object(parts)), _) => parts.get(&path.attribute),
            // A simple value is its own `value`.
            (Self::Element(simple), _) => Some(simple),
        };
        match found {
            None => &[],
            Some(Value::Array(elements)) => elements,
            Some(single) => std::slice::from_ref(single),
        }
    }

    /// The values at the path's end.
    fn values(self, path: &TypedPath) -> impl Iterator<Item = &'v Value> {
        let sub_attribute = path.sub_attribute.as_deref();
        self.attribute(path)
            .iter()
            .filter_map(move |element| sub_attribute.map_or(Some(element), |name| element.get(name)))
            .filter(|value| !value.is_null())
    }
}

fn holds(filter: &TypedFilter, subject: Subject<'_>) -> bool {
    match filter {
        TypedFilter::And(terms) => terms.iter().all(|term| holds(term, subject)),
        TypedFilter::Or(terms) => terms.iter().any(|term| holds(term, subject)),
        TypedFilter::Not(term) => !holds(term, subject),
        TypedFilter::Present(path) => is_present(path, subject),
        TypedFilter::Compare(comparison) => compares(comparison, subject),
        TypedFilter::ValuePath { path, filter } => {
            subject.attribute(path).iter().any(|element| holds(filter, Subject::Element(element)))
        }
    }
}

fn is_present(path: &TypedPath, subject: Subject<'_>) -> bool {
    subject.values(path).any(|value| !is_empty(value))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(_) | Value::Number(_) => false,
        Value::String(text) => text.is_empty(),
        Value::Array(elements) => elements.iter().all(is_empty),
        Value::Object(parts) => parts.values().all(is_empty),
    }
}

fn compares(comparison: &Comparison, subject: Subject<'_>) -> bool {
    let Comparison { path, op, value: wanted } = comparison;
    match (op, wanted) {
        (CompareOp::Ne, TypedValue::Null) => is_present(path, subject),
        (_, TypedValue::Null) => !is_present(path, subject),
        (CompareOp::Ne, _) if subject.values(path).next().is_none() => true,
        _ => subject.values(path).any(|value| value_satisfies(value, *op, wanted, path.case_exact)),
    }
}

/// A value of another type than the attribute's satisfies nothing.
fn value_satisfies(value: &Value, op: CompareOp, wanted: &TypedValue, case_exact: bool) -> bool {
    match wanted {
        TypedValue::Text(wanted) => value.as_str().is_some_and(|text| {
            let text = if case_exact { Cow::Borrowed(text) } else { Cow::Owned(fold(text)) };
            match op {
                CompareOp::Co => text.contains(wanted.as_str()),
                CompareOp::Sw => text.starts_with(wanted.as_str()),
                CompareOp::Ew => text.ends_with(wanted.as_str()),
                CompareOp::Eq
                | CompareOp::Ne
                | CompareOp::Gt
                | CompareOp::Ge
                | CompareOp::Lt
                | CompareOp::Le => is_ordered(&*text, op, wanted.as_str()),
            }
        }),
        TypedValue::Boolean(wanted) => value.as_bool().is_some_and(|value| is_ordered(&value, op, wanted)),
        TypedValue::Number(wanted) => value.as_f64().is_some_and(|value| is_ordered(&value, op, wanted)),
        TypedValue::Instant(wanted) => {
            value.as_str().and_then(instant).is_some_and(|value| is_ordered(&value, op, wanted))
        }
        TypedValue::Null => false,
    }
}

fn is_ordered<T: PartialOrd + ?Sized>(value: &T, op: CompareOp, wanted: &T) -> bool {
    match op {
        CompareOp::Eq => value == wanted,
        CompareOp::Ne => value != wanted,
        CompareOp::Gt => value > wanted,
        CompareOp::Ge => value >= wanted,
        CompareOp::Lt => value < wanted,
        CompareOp::Le => value <= wanted,
        CompareOp::Co | CompareOp::Sw | CompareOp::Ew => false,
    }
}

#[cfg(test)]
mod tests;
