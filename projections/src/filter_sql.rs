//! From a typed filter to SQL, every value bound.
//!
//! A filter becomes a condition on a row `r` of `resources` that holds for exactly those resources whose wire
//! form satisfies [`scim::filter::evaluate::matches`]; its rules are not repeated here. Every condition is 0 or 1,
//! never NULL: `not` could not be trusted otherwise. Documents are canonical, so a value is never of another type
//! than its attribute.
//!
//! What only the wire form has is derived, but for two absolute URLs that no view knows: `meta.location` and
//! `$ref` have no value here. An element of a User's `groups` has the type `direct`.

mod fragment;
mod functions;
mod source;

#[cfg(test)]
mod plan_tests;
#[cfg(test)]
mod tests;

use scim::ResourceType;
use scim::filter::{CompareOp, Comparison, TypedFilter, TypedPath, TypedValue};
use scim::schema::AttributeType;

pub(crate) use fragment::Fragment;
pub(crate) use functions::register_functions;
pub(crate) use source::is_found_by_text;
use source::{Element, Form, Operand, Rows, Source};

/// What a filter or sort path means beside its own text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Compiler<'q> {
    /// Whose rows `r` are.
    pub(crate) resource_type: ResourceType,
    /// The provisioning domain whose `externalId` is meant; `None`: nobody has one.
    pub(crate) domain: Option<&'q str>,
}

/// What the paths of a filter start from.
#[derive(Clone, Copy)]
enum Scope<'f> {
    /// The row `r`.
    Resource,
    /// The singular complex attribute of `r` that a value path names.
    Part(&'f TypedPath),
    /// One element of a multi-valued attribute.
    Element(Element),
}

impl Compiler<'_> {
    /// The condition on `r`.
    pub(crate) fn compile(self, filter: &TypedFilter) -> Fragment {
        self.holds(filter, Scope::Resource)
    }

    /// What `r` is sorted by: of several values the primary one or else the first (RFC 7644 section 3.4.2.3).
    pub(crate) fn sort_key(self, path: &TypedPath) -> Fragment {
        let key = |operand: &Operand| match path.value_type {
            AttributeType::DateTime => operand.as_instant(),
            AttributeType::String
            | AttributeType::Reference
            | AttributeType::Binary
            | AttributeType::Complex => operand.as_text(path.case_exact),
            AttributeType::Integer | AttributeType::Decimal => operand.as_number(),
            AttributeType::Boolean => operand.plain(),
        };
        match self.source(path, Scope::Resource) {
            Source::One(operand) => key(&operand),
            Source::Many(Rows { from, operand, first }) => Fragment::text("(SELECT ")
                .then(key(&operand))
                .then_text(" FROM ")
                .then(from)
                .then_text(" AND ")
                .then(operand.plain())
                .then_text(" IS NOT NULL ORDER BY ")
                .then_text(first)
                .then_text(" LIMIT 1)"),
        }
    }

    fn holds(self, filter: &TypedFilter, scope: Scope<'_>) -> Fragment {
        match filter {
            TypedFilter::And(terms) => self.balanced(terms, " AND ", scope),
            TypedFilter::Or(terms) => self.balanced(terms, " OR ", scope),
            TypedFilter::Not(term) => Fragment::text("NOT ").then(self.holds(term, scope)).in_brackets(),
            TypedFilter::Present(path) => self.is_present(path, scope),
            TypedFilter::Compare(comparison) => self.compares(comparison, scope),
            TypedFilter::ValuePath { path, filter } => self.has_element(path, filter),
        }
    }

    /// Halves the list again and again: SQLite limits the depth of an expression to 1,000, and a chain of terms
    /// is as deep as it is long.
    fn balanced(self, terms: &[TypedFilter], operator: &str, scope: Scope<'_>) -> Fragment {
        match terms {
            [] => Fragment::text(if operator == " AND " { "1" } else { "0" }),
            [term] => self.holds(term, scope),
            terms => {
                let (left, right) = terms.split_at(terms.len() / 2);
                self.balanced(left, operator, scope)
                    .then_text(operator)
                    .then(self.balanced(right, operator, scope))
                    .in_brackets()
            }
        }
    }

    fn is_present(self, path: &TypedPath, scope: Scope<'_>) -> Fragment {
        if let (AttributeType::Complex, Scope::Resource, Some(pointer)) =
            (path.value_type, scope, self.document_pointer(path))
        {
            // Any part at any depth that is not empty.
            return Fragment::text("EXISTS (SELECT 1 FROM json_tree(r.document, ")
                .bind(pointer)
                .then_text(") AS t WHERE t.atom <> '')");
        }
        match self.source(path, scope) {
            Source::One(operand) => Fragment::text("ifnull(").then(operand.plain()).then_text(" <> '', 0)"),
            Source::Many(Rows { from, operand, .. }) => exists(from, operand.plain().then_text(" <> ''")),
        }
    }

    fn compares(self, comparison: &Comparison, scope: Scope<'_>) -> Fragment {
        let Comparison { path, op, value } = comparison;
        if let (Scope::Resource, CompareOp::Eq, TypedValue::Text(text)) = (scope, op, value)
            && let Some(found) = self.found_by_index(path, text)
        {
            return found;
        }
        match (op, value) {
            (CompareOp::Ne, TypedValue::Null) => return self.is_present(path, scope),
            (_, TypedValue::Null) => {
                return Fragment::text("NOT ").then(self.is_present(path, scope)).in_brackets();
            }
            _ => {}
        }
        match (self.source(path, scope), op) {
            // `IS` is never NULL, and an index can be used for it.
            (Source::One(operand), CompareOp::Eq) => {
                key(&operand, path, value).then_text(" IS ").then(bound(value)).in_brackets()
            }
            (Source::One(operand), CompareOp::Ne) => Fragment::text("ifnull(")
                .then(test(&operand, path, *op, value))
                .then_text(", ")
                .then(operand.plain())
                .then_text(" IS NULL)"),
            // Bare, so that an index can be used for a range of it.
            (Source::One(operand @ Operand { form: Form::Micros, .. }), _) => {
                test(&operand, path, *op, value).in_brackets()
            }
            (Source::One(operand), _) => {
                Fragment::text("ifnull(").then(test(&operand, path, *op, value)).then_text(", 0)")
            }
            (Source::Many(Rows { from, operand, .. }), CompareOp::Ne) => Fragment::text("NOT ")
                .then(exists(from.clone(), operand.plain().then_text(" IS NOT NULL")))
                .then_text(" OR ")
                .then(exists(from, test(&operand, path, *op, value)))
                .in_brackets(),
            (Source::Many(Rows { from, operand, .. }), _) => exists(from, test(&operand, path, *op, value)),
        }
    }

    /// A value path: one element satisfies the whole filter.
    fn has_element(self, path: &TypedPath, filter: &TypedFilter) -> Fragment {
        let Some((from, element)) = self.elements(path) else {
            let holds = self.holds(filter, Scope::Part(path));
            return match self.document_pointer(path) {
                // A complex attribute that is not there has no parts about which anything could hold.
                Some(pointer) => Fragment::text("json_type(r.document, ")
                    .bind(pointer)
                    .then_text(") IS NOT NULL AND ")
                    .then(holds)
                    .in_brackets(),
                None => holds,
            };
        };
        let found = exists(from, self.holds(filter, Scope::Element(element)));
        let by_index = required_value(filter).and_then(|(inner, text)| {
            let value = TypedPath {
                sub_attribute: Some(inner.attribute.clone()),
                case_exact: inner.case_exact,
                ..path.clone()
            };
            self.found_by_index(&value, text)
        });
        match by_index {
            Some(by_index) => by_index.then_text(" AND ").then(found).in_brackets(),
            None => found,
        }
    }
}

/// The `value` that an element must equal to satisfy the filter, if there is one.
fn required_value(filter: &TypedFilter) -> Option<(&TypedPath, &str)> {
    match filter {
        TypedFilter::Compare(Comparison { path, op: CompareOp::Eq, value: TypedValue::Text(text) }) => {
            (path.attribute == "value").then_some((path, text))
        }
        TypedFilter::And(terms) => terms.iter().find_map(required_value),
        TypedFilter::Compare(_)
        | TypedFilter::Or(_)
        | TypedFilter::Not(_)
        | TypedFilter::Present(_)
        | TypedFilter::ValuePath { .. } => None,
    }
}

fn exists(from: Fragment, condition: Fragment) -> Fragment {
    Fragment::text("EXISTS (SELECT 1 FROM ").then(from).then_text(" AND ").then(condition).then_text(")")
}

/// The left side of a comparison with this value.
fn key(operand: &Operand, path: &TypedPath, value: &TypedValue) -> Fragment {
    match value {
        TypedValue::Text(_) => operand.as_text(path.case_exact),
        TypedValue::Instant(_) => operand.as_instant(),
        TypedValue::Number(_) => operand.as_number(),
        TypedValue::Boolean(_) | TypedValue::Null => operand.plain(),
    }
}

fn bound(value: &TypedValue) -> Fragment {
    match value {
        TypedValue::Text(text) => Fragment::value(text.clone()),
        TypedValue::Boolean(value) => Fragment::value(*value),
        TypedValue::Number(number) => Fragment::value(*number),
        TypedValue::Instant(micros) => Fragment::value(*micros),
        TypedValue::Null => Fragment::text("NULL"),
    }
}

/// Whether one value satisfies a comparison; NULL if there is no value.
fn test(operand: &Operand, path: &TypedPath, op: CompareOp, value: &TypedValue) -> Fragment {
    let key = key(operand, path, value);
    let wanted = bound(value);
    let operator = match op {
        CompareOp::Co => return Fragment::call("instr", key, wanted).then_text(" > 0"),
        CompareOp::Sw => return Fragment::call("instr", key, wanted).then_text(" = 1"),
        CompareOp::Ew => return Fragment::call("ends_with", key, wanted),
        CompareOp::Eq => " = ",
        CompareOp::Ne => " <> ",
        CompareOp::Gt => " > ",
        CompareOp::Ge => " >= ",
        CompareOp::Lt => " < ",
        CompareOp::Le => " <= ",
    };
    key.then_text(operator).then(wanted)
}

impl Operand {
    fn as_text(&self, case_exact: bool) -> Fragment {
        match self.form {
            Form::Stored if !case_exact => Fragment::text("fold(").then(self.plain()).then_text(")"),
            Form::Stored | Form::Folded | Form::Micros => self.plain(),
        }
    }

    /// As in memory, numbers compare as doubles, also those that a double only comes near.
    fn as_number(&self) -> Fragment {
        Fragment::text("CAST(").then(self.plain()).then_text(" AS REAL)")
    }

    fn as_instant(&self) -> Fragment {
        match self.form {
            Form::Micros => self.plain(),
            Form::Stored | Form::Folded => Fragment::text("instant(").then(self.plain()).then_text(")"),
        }
    }

    fn plain(&self) -> Fragment {
        self.sql.clone()
    }
}
