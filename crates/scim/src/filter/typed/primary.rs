//! `primary` of several values: an element that does not say counts as `false` (RFC 7643 section 2.4).
//!
//! The comparison becomes one that asks for `true`, so that evaluators need not know of the rule.

use super::{Comparison, TypedFilter, TypedPath, TypedValue};
use crate::filter::CompareOp;
use crate::schema::AttributeType;

/// What a comparison with `primary` asks of the elements. One with `null` stays: it asks whether an element says.
pub(super) fn filter(comparison: Comparison) -> TypedFilter {
    let TypedValue::Boolean(wanted) = comparison.value else {
        return TypedFilter::Compare(comparison);
    };
    let differs = comparison.op == CompareOp::Ne;
    let primary = wanted != differs;
    let path = comparison.path;
    if path.sub_attribute.is_none() {
        return element(path, primary);
    }
    let part = TypedPath {
        extension: None,
        attribute: "primary".to_owned(),
        multi_valued: false,
        sub_attribute: None,
        ..path.clone()
    };
    let elements = TypedPath { sub_attribute: None, value_type: AttributeType::Complex, ..path };
    let some = |filter| TypedFilter::ValuePath { path: elements.clone(), filter: Box::new(filter) };
    let found = some(element(part, primary));
    if differs {
        let nothing = TypedFilter::Not(Box::new(some(TypedFilter::And(Vec::new()))));
        TypedFilter::Or(vec![nothing, found])
    } else {
        found
    }
}

/// Whether an element is the primary one, or is not.
fn element(path: TypedPath, primary: bool) -> TypedFilter {
    let value = TypedValue::Boolean(true);
    let is_primary = TypedFilter::Compare(Comparison { path, op: CompareOp::Eq, value });
    if primary { is_primary } else { TypedFilter::Not(Box::new(is_primary)) }
}
