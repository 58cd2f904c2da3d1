//! What a SCIM client did wrong, in the words of RFC 7644 section 3.12.
//!
//! A [`ScimError`] carries the RFC's `scimType`, our stable code (documented in `docs/errors.md`) and one
//! sentence for the administrator of the identity provider. It never holds a value that the client sent,
//! only names of attributes and positions in the text. It does not know HTTP statuses.

use std::fmt;

/// The RFC's error keywords (RFC 7644 table 9; the last three are from RFC 9865 section 2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScimType {
    /// The filter is malformed or compares what cannot be compared.
    InvalidFilter,
    /// The answer would be larger than the service provider is willing to give.
    TooMany,
    /// A unique value is already taken.
    Uniqueness,
    /// A read-only or immutable attribute was to be changed.
    Mutability,
    /// The body is not what the operation asks for.
    InvalidSyntax,
    /// The path of a PATCH operation is malformed or names no attribute.
    InvalidPath,
    /// The path of a PATCH operation selects nothing that it could act on.
    NoTarget,
    /// A value is missing or has the wrong type.
    InvalidValue,
    /// The request was made in an unsupported version of the protocol.
    InvalidVers,
    /// The request cannot be completed because it would put sensitive data into a URI.
    Sensitive,
    /// The cursor is none that the query was answered with.
    InvalidCursor,
    /// The cursor is too old.
    ExpiredCursor,
    /// `count` is no number, or another than that of the first page.
    InvalidCount,
}

impl ScimType {
    /// The keyword as it stands in an error body.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidFilter => "invalidFilter",
            Self::TooMany => "tooMany",
            Self::Uniqueness => "uniqueness",
            Self::Mutability => "mutability",
            Self::InvalidSyntax => "invalidSyntax",
            Self::InvalidPath => "invalidPath",
            Self::NoTarget => "noTarget",
            Self::InvalidValue => "invalidValue",
            Self::InvalidVers => "invalidVers",
            Self::Sensitive => "sensitive",
            Self::InvalidCursor => "invalidCursor",
            Self::ExpiredCursor => "expiredCursor",
            Self::InvalidCount => "invalidCount",
        }
    }
}

impl fmt::Display for ScimType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A request that cannot be carried out as it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct ScimError {
    /// The RFC's keyword.
    pub scim_type: ScimType,
    /// Our stable code, in snake case: a heading of `docs/errors.md`.
    pub code: &'static str,
    /// One sentence for whoever has to mend the request: what was wrong, where, and what would be right.
    pub detail: String,
}

impl ScimError {
    /// An error from its three parts.
    pub fn new(scim_type: ScimType, code: &'static str, detail: impl Into<String>) -> Self {
        Self { scim_type, code, detail: detail.into() }
    }
}
