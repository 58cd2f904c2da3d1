//! What a resource is sorted by (RFC 7644 section 3.4.2.3): the order in memory; `projections` has the one in SQL.
//!
//! Of several values the primary one counts, or else the first. Texts are in the order of their code points, folded
//! unless the attribute regards case; instants are chronological; `false` is before `true`.

use std::cmp::Ordering;

use serde_json::Value;

use super::Order;
use crate::Object;
use crate::filter::{TypedPath, typed};
use crate::fold::fold;
use crate::schema::AttributeType;

/// A value in an order. Those of one list are of one kind, but for lists of several types.
#[derive(Debug, Clone, PartialEq)]
pub enum SortKey {
    /// A number or a truth value.
    Number(f64),
    /// An instant in microseconds.
    Instant(i64),
    /// A text.
    Text(String),
}

impl SortKey {
    /// The key of a resource in wire form; `None`: it has no value there.
    pub fn of(path: &TypedPath, resource: &Object) -> Option<Self> {
        let holder = match &path.extension {
            Some(urn) => resource.get(urn)?.as_object()?,
            None => resource,
        };
        let found = holder.get(&path.attribute)?;
        let elements = found.as_array().map_or(std::slice::from_ref(found), Vec::as_slice);
        let valued = || elements.iter().filter(|element| !value_of(element, path).is_none_or(Value::is_null));
        let is_primary = |element: &&Value| element.get("primary") == Some(&Value::Bool(true));
        let value = value_of(valued().find(is_primary).or_else(|| valued().next())?, path)?;
        match path.value_type {
            AttributeType::DateTime => typed::instant(value.as_str()?).map(Self::Instant),
            AttributeType::Boolean => value.as_bool().map(|value| Self::Number(f64::from(u8::from(value)))),
            AttributeType::Integer | AttributeType::Decimal => value.as_f64().map(Self::Number),
            AttributeType::String
            | AttributeType::Reference
            | AttributeType::Binary
            | AttributeType::Complex => {
                let text = value.as_str()?;
                Some(Self::Text(if path.case_exact { text.to_owned() } else { fold(text) }))
            }
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            // Zero has no sign in an order.
            (Self::Number(one), Self::Number(other)) => (one + 0.0).total_cmp(&(other + 0.0)),
            (Self::Instant(one), Self::Instant(other)) => one.cmp(other),
            (Self::Text(one), Self::Text(other)) => one.cmp(other),
            (one, other) => one.kind().cmp(&other.kind()),
        }
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Number(_) | Self::Instant(_) => 0,
            Self::Text(_) => 1,
        }
    }
}

/// What stands in an element at the path's end; a simple one is its own `value`.
fn value_of<'v>(element: &'v Value, path: &TypedPath) -> Option<&'v Value> {
    match (element, &path.sub_attribute) {
        (Value::Object(parts), Some(name)) => parts.get(name),
        (element, _) => Some(element),
    }
}

impl Order {
    /// Which of two resources comes first, by their keys alone.
    pub fn compare(self, one: Option<&SortKey>, other: Option<&SortKey>) -> Ordering {
        // What has no value is larger than everything.
        let ascending = || match (one, other) {
            (Some(one), Some(other)) => one.compare(other),
            (one, other) => one.is_none().cmp(&other.is_none()),
        };
        match self {
            Self::Created => Ordering::Equal,
            Self::Ascending => ascending(),
            Self::Descending => ascending().reverse(),
        }
    }
}
