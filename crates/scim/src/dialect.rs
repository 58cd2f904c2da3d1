//! What identity providers really send, rewritten to RFC form before anything else sees it.
//!
//! Each deviation is a [`Dialect`] with a name (`entra.bool_string`, `entra.member_remove` …), lives in one place
//! under `dialect/`, and is described in `docs/scim-conformance.md`: wrong URNs in `resource`, wrong values and
//! flat keys in `value`, operations and their paths in `patch`, filters in `filter`, query parameters in
//! `parameters`. The functions here apply all of them and note which did something, and where. What is in RFC form
//! passes unchanged. Whether what was noted is taken or refused, the caller decides ([`Notes::refuse`]).

mod filter;
mod name;
mod note;
mod parameters;
mod patch;
mod resource;
mod value;

use std::borrow::Cow;

use serde_json::Value;

pub use self::name::{Dialect, Refusal};
pub(crate) use self::note::Place;
pub use self::note::{Note, Notes};
use crate::patch::PatchPath;
use crate::{Object, ResourceSchema};

/// The body of a POST or PUT.
pub fn resource_body(body: &mut Value, schema: &ResourceSchema, notes: &mut Notes) {
    resource::rewrite(body, schema, notes);
}

/// The body of a PATCH.
pub fn patch_body(body: &mut Value, schema: &ResourceSchema, notes: &mut Notes) {
    patch::rewrite(body, schema, notes);
}

/// The text of a filter.
pub fn filter_text<'a>(text: &'a str, schema: &ResourceSchema, notes: &mut Notes) -> Cow<'a, str> {
    filter::rewrite(text, schema, &"filter", notes)
}

/// The path of a PATCH operation, as it is taken; `None` if nobody can read it.
pub fn patch_path(text: &str, schema: &ResourceSchema) -> Option<PatchPath> {
    patch::read_path(text, schema)
}

/// Decoded query parameters.
pub fn parameters(parameters: &mut [(String, String)], notes: &mut Notes) {
    parameters::rewrite(parameters, notes);
}

/// Takes out of a message (a PATCH, a search, a bulk request) or of one of its operations what has no meaning there.
pub(crate) fn message_members(message: &mut Object, known: &[&str], at: &Place<'_>, notes: &mut Notes) {
    message.retain(|name, _| {
        known.iter().any(|known| known.eq_ignore_ascii_case(name)) || value::unknown(name, at, notes)
    });
}

/// Takes every URN but that of the message itself out of its `schemas`.
pub(crate) fn message_urns(schemas: &mut Value, message: &str, notes: &mut Notes) {
    let Value::Array(urns) = schemas else { return };
    if urns.iter().any(|urn| urn.as_str().is_some_and(|urn| urn.eq_ignore_ascii_case(message))) {
        resource::once_each(urns, notes);
        resource::known_only(urns, |urn| urn.eq_ignore_ascii_case(message), notes);
    }
}
