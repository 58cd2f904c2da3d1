//! Why a command is refused, in the order of the checks.

use scim::ScimError;
use scim::dialect::Note;

/// A refusal: a fact about the state, in the terms of whoever asked. Names ids and attributes, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// No such (visible) resource.
    #[error("{0}")]
    NotFound(String),
    /// `If-Match` does not hold.
    #[error("{0}")]
    PreconditionFailed(String),
    /// The request breaks a rule of SCIM or of the schemas.
    #[error(transparent)]
    Scim(#[from] ScimError),
    /// The request deviates from the RFCs, and the tenant is strict.
    #[error("{0}")]
    Deviation(Note),
    /// The tenant's policy forbids it (403).
    #[error("{detail}")]
    Forbidden {
        /// Stable code.
        code: &'static str,
        /// What to do instead.
        detail: String,
    },
    /// An administrative command that is wrong in itself, whatever is true (400).
    #[error("{detail}")]
    Invalid {
        /// Stable code.
        code: &'static str,
        /// What would be right.
        detail: String,
    },
    /// An administrative command that contradicts what is true (409).
    #[error("{detail}")]
    Conflict {
        /// Stable code.
        code: &'static str,
        /// What to do instead.
        detail: String,
    },
}
