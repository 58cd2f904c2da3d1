//! SCIM 2.0 as values: RFC 7643 (schema) and RFC 7644 (protocol).
//!
//! Everything here is pure: no I/O, no clock, no ids. A request body comes in as bytes, is rewritten from
//! a provider's dialect to RFC form, is checked against schemas that are data, and leaves as typed values.
//! Nothing in this crate knows HTTP, SQL, events or tenants.
//!
//! Reading order: [`schema`] says what attributes exist, [`resource`] checks a document against it,
//! [`filter`] and [`patch`] are the two small languages, [`bulk`] is many requests in one, [`dialect`] is what
//! providers really send.
#![warn(missing_docs, clippy::wildcard_enum_match_arm)]

pub mod attribute_path;
pub mod bulk;
pub mod dialect;
pub mod discovery;
pub mod error;
pub mod filter;
pub mod fold;
pub mod json;
pub mod kept;
pub mod list;
pub mod member;
pub mod patch;
pub mod resource;
pub mod returned;
pub mod schema;
pub mod schemas;

pub use error::{ScimError, ScimType};
pub use member::MemberRef;
pub use schema::{ResourceSchema, ResourceType};

/// A JSON object with its members in sorted order: the canonical form of every stored document.
pub type Object = serde_json::Map<String, serde_json::Value>;
