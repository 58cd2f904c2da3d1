//! Bulk (RFC 7644 section 3.7) as values: many operations in one request, which may refer to each other's new
//! resources before these have an id.
//!
//! [`parse`] reads the message, [`references`] puts ids in the place of `bulkId:…`, [`order`] says in which order,
//! and which together, the operations are carried out, [`rename`] mends an id that turned out to be another. What
//! an operation does to its resource is not known here: its `data` is the body of a request of its own.

pub mod order;
pub mod parse;
pub mod references;
mod rename;

use serde_json::{Value, json};

use crate::dialect::Notes;
use crate::{Object, ResourceType, ScimError};

/// The schema of a request.
const BULK_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
/// The schema of a response.
const BULK_RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are HTTP's")]
pub enum Method {
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    const ALL: [Self; 4] = [Self::Post, Self::Put, Self::Patch, Self::Delete];

    /// The method in HTTP's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// The method of that name, whatever its case.
    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str().eq_ignore_ascii_case(name))
    }
}

/// What an operation's path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// The endpoint's resource type.
    pub resource_type: ResourceType,
    /// What stands behind the endpoint, as the client wrote it: an id, or `bulkId:…`. `None` for the endpoint
    /// itself.
    pub id: Option<String>,
}

/// What an operation asks for, as far as its message says.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// What to do.
    pub method: Method,
    /// To what: an endpoint for POST, else a resource.
    pub path: Path,
    /// Only if the resource is at this version; `None` for POST.
    pub version: Option<String>,
    /// The body, an object; `Null` for DELETE.
    pub data: Value,
}

/// One operation of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// The method in HTTP's spelling, or whatever text the client wrote instead.
    pub method: Option<String>,
    /// The client's name for the operation and, if it is a POST, for its resource.
    pub bulk_id: Option<String>,
    /// What the path names, if it can be read.
    pub path: Option<Path>,
    /// What it asks for, or why that cannot be read.
    pub asked: Result<Asked, ScimError>,
    /// What was noted of its form, but for its `data`.
    pub notes: Notes,
}

impl Operation {
    /// The name by which other operations may refer to the resource that this one makes.
    pub fn names(&self) -> Option<&str> {
        let posts = self.method.as_deref() == Some(Method::Post.as_str());
        self.bulk_id.as_deref().filter(|_| posts)
    }
}

/// A request.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// After how many errors the rest is left undone; `None` for never.
    pub fail_on_errors: Option<usize>,
    /// In the order in which the client wrote them.
    pub operations: Vec<Operation>,
}

/// What became of an operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// As in the request.
    pub method: Option<String>,
    /// As in the request.
    pub bulk_id: Option<String>,
    /// The resource's address.
    pub location: Option<String>,
    /// The resource's version after it.
    pub version: Option<String>,
    /// The HTTP status that a request of its own would have had.
    pub status: u16,
    /// The body of an error.
    pub response: Option<Value>,
}

/// The body of a response, of the operations that were carried out.
pub fn response(outcomes: impl IntoIterator<Item = Outcome>) -> Value {
    let operations: Vec<Value> = outcomes.into_iter().map(Outcome::into_json).collect();
    json!({"schemas": [BULK_RESPONSE], "Operations": operations})
}

impl Outcome {
    /// `status` is a text (RFC 7644 section 3.7.3, as its examples and errata have it).
    fn into_json(self) -> Value {
        let members = [
            ("method", self.method.map(Value::String)),
            ("bulkId", self.bulk_id.map(Value::String)),
            ("location", self.location.map(Value::String)),
            ("version", self.version.map(Value::String)),
            ("status", Some(Value::String(self.status.to_string()))),
            ("response", self.response),
        ];
        let present = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Value::Object(present.collect::<Object>())
    }
}

#[cfg(test)]
mod tests;
