//! The header of a recorded event: public, committed to by the Merkle tree, kept for ever.
//!
//! The serialised form is fixed byte for byte (`docs/events.md`): the fields in the order of this struct,
//! absent facts as `null`, no white space. What was stored is never serialised again.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::event::{Event, EventType};
use crate::ids::{ClientId, EventId, OperatorId, RequestId, ResourceId, Revision, StreamId, TokenId, TxnId};
use crate::timestamp::Timestamp;

#[cfg(test)]
mod tests;

/// Whom an event is about. Printed as `users/<id>`, `tenant` and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A user.
    User(ResourceId),
    /// A group.
    Group(ResourceId),
    /// A client.
    Client(ClientId),
    /// A token.
    Token(TokenId),
    /// The tenant itself.
    Tenant,
    /// A registered tenant, by its stream; in the registry only.
    RegisteredTenant(StreamId),
    /// An operator; in the registry only.
    Operator(OperatorId),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "users/{id}"),
            Self::Group(id) => write!(f, "groups/{id}"),
            Self::Client(id) => write!(f, "clients/{id}"),
            Self::Token(id) => write!(f, "tokens/{id}"),
            Self::Tenant => f.write_str("tenant"),
            Self::RegisteredTenant(id) => write!(f, "tenants/{id}"),
            Self::Operator(id) => write!(f, "operators/{id}"),
        }
    }
}

impl Subject {
    /// Reads what `Display` prints.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "tenant" {
            return Some(Self::Tenant);
        }
        let (family, id) = text.split_once('/')?;
        match family {
            "users" => ResourceId::parse(id).map(Self::User),
            "groups" => ResourceId::parse(id).map(Self::Group),
            "clients" => ClientId::parse(id).map(Self::Client),
            "tokens" => TokenId::parse(id).map(Self::Token),
            "tenants" => StreamId::parse(id).map(Self::RegisteredTenant),
            "operators" => OperatorId::parse(id).map(Self::Operator),
            _ => None,
        }
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Subject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a subject"))
    }
}

/// What sort of party acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// An identity provider's connection.
    Client,
    /// A person who runs the service.
    Operator,
    /// Muster itself.
    System,
}

/// Who acted: opaque ids, never a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// What sort of party.
    pub kind: ActorKind,
    /// The client's or operator's id; `None` for the system.
    pub id: Option<String>,
    /// The id of the token that was shown.
    pub token: Option<String>,
}

impl Actor {
    /// Muster itself.
    pub const SYSTEM: Self = Self { kind: ActorKind::System, id: None, token: None };
}

/// By which door a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is the text in its attribute")]
pub enum Via {
    #[serde(rename = "scim.post")]
    ScimPost,
    #[serde(rename = "scim.put")]
    ScimPut,
    #[serde(rename = "scim.patch")]
    ScimPatch,
    #[serde(rename = "scim.delete")]
    ScimDelete,
    #[serde(rename = "scim.bulk.post")]
    ScimBulkPost,
    #[serde(rename = "scim.bulk.put")]
    ScimBulkPut,
    #[serde(rename = "scim.bulk.patch")]
    ScimBulkPatch,
    #[serde(rename = "scim.bulk.delete")]
    ScimBulkDelete,
    #[serde(rename = "admin")]
    Admin,
    #[serde(rename = "system")]
    System,
}

/// The atomic operation that an event is part of: the `n`th of `of` events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Txn {
    /// The operation.
    pub id: TxnId,
    /// 1-based.
    pub n: u32,
    /// How many events the operation has.
    pub of: u32,
}

/// The event that led to this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Its stream.
    pub stream: StreamId,
    /// Its id.
    pub id: EventId,
}

/// The public part of a recorded event, format 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The header's own format: 1.
    pub v: u32,
    /// The tenant's stream.
    pub stream: StreamId,
    /// The place in the stream.
    pub revision: Revision,
    /// The event's id.
    pub id: EventId,
    /// What kind of fact.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// The payload's format.
    pub format: u32,
    /// About whom.
    pub subject: Subject,
    /// Names of changed attributes, in schema spelling, sorted; never a value.
    pub attributes: Vec<String>,
    /// On `user.*` events, `active` before and after; `None` inside means "no such resource".
    pub active: Option<[Option<bool>; 2]>,
    /// When the request's headers were read.
    pub received_at: Option<Timestamp>,
    /// One instant for a whole transaction; never decreases, but at `clock.adjusted`.
    pub recorded_at: Timestamp,
    /// Who acted.
    pub actor: Actor,
    /// By which door.
    pub via: Via,
    /// The HTTP request.
    pub request: Option<RequestId>,
    /// The atomic operation.
    pub txn: Txn,
    /// What led here.
    pub cause: Option<Cause>,
    /// The number of the data key that seals the payload.
    pub key: Option<u64>,
    /// `sha256:<hex>` of salt and payload.
    pub payload: Option<String>,
}

impl Header {
    /// The header's format that is written now.
    pub const FORMAT: u32 = 1;

    /// The bytes to hash and store. Only for a header that was not stored yet: what was stored is kept as it
    /// is.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a header has no map and no number that JSON cannot write")
    }

    /// Reads stored bytes; fields that are not known are passed over.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }
}

/// What could be read of an event's payload.
#[derive(Debug, Clone, PartialEq)]
pub enum Opened {
    /// All of it.
    Event(Event),
    /// Nothing: its key was destroyed when its subject was erased.
    Erased,
}

/// An event with its header: what is folded.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// The public part.
    pub header: Header,
    /// The rest.
    pub event: Opened,
}
