//! Filters (RFC 7644 section 3.4.2.2): the tree, and how it prints.
//!
//! [`Filter`] is what was written. [`TypedFilter`] is the same after its names were found in the schemas and
//! its values were checked against their types; only that is evaluated, in memory ([`evaluate`]) or in SQL.
//! `and`/`or` are flat lists, so that ten thousand terms need no deep recursion.

pub mod evaluate;
pub mod parse;
pub mod typed;

pub use typed::{Comparison, TypedFilter, TypedPath, TypedValue};

use std::fmt;

use crate::attribute_path::AttributePath;

/// A comparison operator, whatever its case on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the RFC's")]
pub enum CompareOp {
    Eq,
    Ne,
    Co,
    Sw,
    Ew,
    Gt,
    Ge,
    Lt,
    Le,
}

impl CompareOp {
    /// All of them, in the order of RFC 7644 table 3.
    pub const ALL: [Self; 9] =
        [Self::Eq, Self::Ne, Self::Co, Self::Sw, Self::Ew, Self::Gt, Self::Ge, Self::Lt, Self::Le];

    /// The operator in the RFC's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::Co => "co",
            Self::Sw => "sw",
            Self::Ew => "ew",
            Self::Gt => "gt",
            Self::Ge => "ge",
            Self::Lt => "lt",
            Self::Le => "le",
        }
    }

    /// The operator of that name, whatever its case.
    pub(crate) fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|op| op.as_str().eq_ignore_ascii_case(word))
    }
}

impl fmt::Display for CompareOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A filter as written.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// All terms hold; two or more.
    And(Vec<Filter>),
    /// One term holds; two or more.
    Or(Vec<Filter>),
    /// The term does not hold.
    Not(Box<Filter>),
    /// `path op value`; the value is a JSON string, number, boolean or null.
    Compare {
        /// Left side.
        path: AttributePath,
        /// Operator.
        op: CompareOp,
        /// Right side.
        value: serde_json::Value,
    },
    /// `path pr`
    Present(AttributePath),
    /// `path[filter]`: one element of a complex multi-valued attribute satisfies the whole inner filter.
    ValuePath {
        /// The attribute.
        path: AttributePath,
        /// The filter on its elements; no further value path inside.
        filter: Box<Filter>,
    },
}

impl Filter {
    /// The `name eq value` pairs of a filter that is made of nothing else, joined by `and`: what an element that
    /// satisfies it must look like.
    pub(crate) fn equalities(&self) -> Option<Vec<(&AttributePath, &serde_json::Value)>> {
        match self {
            Self::Compare { path, op: CompareOp::Eq, value } => Some(vec![(path, value)]),
            Self::And(terms) => {
                let lists: Option<Vec<_>> = terms.iter().map(Self::equalities).collect();
                Some(lists?.concat())
            }
            Self::Or(_) | Self::Not(_) | Self::Compare { .. } | Self::Present(_) | Self::ValuePath { .. } => {
                None
            }
        }
    }
}

/// Prints with no more parentheses than reading the same tree again needs.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(terms) => joined(f, terms, " and ", |term| matches!(term, Self::And(_) | Self::Or(_))),
            Self::Or(terms) => joined(f, terms, " or ", |term| matches!(term, Self::Or(_))),
            Self::Not(term) => write!(f, "not ({term})"),
            Self::Compare { path, op, value } => write!(f, "{path} {op} {value}"),
            Self::Present(path) => write!(f, "{path} pr"),
            Self::ValuePath { path, filter } => write!(f, "{path}[{filter}]"),
        }
    }
}

fn joined(
    f: &mut fmt::Formatter<'_>,
    terms: &[Filter],
    word: &str,
    needs_parentheses: fn(&Filter) -> bool,
) -> fmt::Result {
    for (index, term) in terms.iter().enumerate() {
        if index > 0 {
            f.write_str(word)?;
        }
        if needs_parentheses(term) {
            write!(f, "({term})")?;
        } else {
            write!(f, "{term}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
