//! PATCH (RFC 7644 section 3.5.2): the request as values.
//!
//! A body in RFC form (dialects have been rewritten before) becomes a [`PatchRequest`]; [`apply`] carries it
//! out on a document. A group's members are not part of its document: [`members`] takes the operations on
//! them out of the request, so that a group of any size is changed without being read.
//!
//! Where the RFC leaves a choice, `change` says what is ours for attributes and [`members`] for members.

pub mod apply;
mod change;
pub mod members;
pub mod parse;
mod parts;
mod path;
mod values;

use serde_json::Value;

use crate::attribute_path::AttributePath;
use crate::filter::Filter;

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the RFC's")]
pub enum OperationKind {
    Add,
    Remove,
    Replace,
}

/// The path of an operation: `attribute`, `attribute.sub`, `attribute[filter]`, `attribute[filter].sub`.
#[derive(Debug, Clone, PartialEq)]
pub struct PatchPath {
    /// The attribute, with its sub-attribute where no value filter stands between them.
    pub path: AttributePath,
    /// The value filter.
    pub filter: Option<Filter>,
    /// The sub-attribute behind the value filter.
    pub sub_attribute: Option<String>,
}

/// One operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// Its place in the request, counted from one.
    pub number: usize,
    /// What to do.
    pub kind: OperationKind,
    /// Where; `None` means the resource itself, and `value` is then an object.
    pub path: Option<PatchPath>,
    /// With what; always `Null` for a `remove`. `Null` for the others takes the target away: unassigned and
    /// `null` are the same state (RFC 7643 section 2.5).
    pub value: Value,
}

/// The operations of a request, in order. As parsed at least one, at most [`parse::OPERATIONS_MAX`].
#[derive(Debug, Clone, PartialEq)]
pub struct PatchRequest {
    /// In the order in which they are applied.
    pub operations: Vec<Operation>,
}

/// What a PATCH or a PUT acts on: a resource's own state, without what the service provider adds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Target {
    /// The canonical document: schema spelling, no `schemas`, `id`, `externalId`, `meta`, `groups`, `members`.
    pub attributes: crate::Object,
    /// The `externalId` in the provisioning domain of the client that asks.
    pub external_id: Option<String>,
}
