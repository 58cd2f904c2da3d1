//! What identity providers really send, rewritten to RFC form before anything else sees it.
//!
//! Each deviation is a [`Dialect`] with a name (`entra.bool_string`, `entra.member_remove` …), lives in one place
//! under `dialect/`, and is described in `docs/scim-conformance.md`: wrong URNs in `resource`, wrong values and
//! flat keys in `value`, operations and their paths in `patch`, filters in `filter`. The functions here apply all
//! of them and say which did something. What is in RFC form passes unchanged.

mod filter;
mod name;
mod patch;
mod resource;
pub(crate) mod value;

use std::borrow::Cow;

use serde_json::Value;

pub use self::name::Dialect;
use crate::ResourceSchema;

/// Names of the dialects that rewrote something, in order, without repetition.
pub type Notes = Vec<&'static str>;

/// The body of a POST or PUT.
pub fn resource_body(body: &mut Value, schema: &ResourceSchema) -> Notes {
    resource::rewrite(body, schema)
}

/// The body of a PATCH.
pub fn patch_body(body: &mut Value, schema: &ResourceSchema) -> Notes {
    patch::rewrite(body, schema)
}

/// The text of a filter.
pub fn filter_text<'a>(text: &'a str, schema: &ResourceSchema) -> (Cow<'a, str>, Notes) {
    filter::rewrite(text, schema)
}
