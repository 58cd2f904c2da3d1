//! Requests to change something, in imperative form.
//!
//! A command arrives checked against the schemas (by the HTTP workers, outside the writer) and carries every
//! id that it may need; what depends on the current state is [`crate::decide`]'s.

use scim::patch::PatchRequest;
use scim::resource::Document;
use scim::{Object, ResourceType};

use crate::event::{Context, TokenIssued};
use crate::ids::{ClientId, OperatorId, RequestId, ResourceId, Revision, StreamId, TokenId};
use crate::recorded::{Actor, Via};
use crate::tenancy::{ClientKind, ProfileStamp};
use crate::timestamp::Timestamp;

/// Who asks, and by which door: goes into the headers of whatever is recorded.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The client, operator or system.
    pub actor: Actor,
    /// The door.
    pub via: Via,
    /// The HTTP request.
    pub request: Option<RequestId>,
    /// When the request's headers were read; `None` for the system.
    pub received_at: Option<Timestamp>,
    /// Where from; personal, hence in the sealed payload.
    pub context: Option<Context>,
}

/// The client on whose behalf a SCIM command acts.
#[derive(Debug, Clone)]
pub struct Provider {
    /// The provisioning domain whose `externalId`s it reads and writes; `None` for an operator.
    pub domain: Option<String>,
    /// The kind of identity provider: decides what happens to unknown members.
    pub kind: ClientKind,
}

/// `If-Match` (RFC 7644 section 3.14), compared weakly by opaque value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Precondition {
    /// No header.
    #[default]
    None,
    /// `*`: the resource exists.
    Exists,
    /// One of these opaque tags, without `W/` and quotes.
    OneOf(Vec<String>),
}

/// What a SCIM command does to its resource.
#[derive(Debug, Clone)]
pub enum Change {
    /// POST; the id is new.
    Create(Document),
    /// PUT.
    Replace(Document),
    /// PATCH.
    Patch(PatchRequest),
    /// DELETE.
    Delete,
}

/// A change of a User or Group.
#[derive(Debug, Clone)]
pub struct ScimCommand {
    /// User or Group.
    pub resource_type: ResourceType,
    /// The resource.
    pub id: ResourceId,
    /// On whose behalf.
    pub provider: Provider,
    /// Only if this holds.
    pub precondition: Precondition,
    /// What.
    pub change: Change,
}

impl Change {
    /// The door by which the change comes as an operation of a bulk request.
    pub fn via_bulk(&self) -> Via {
        match self {
            Self::Create(_) => Via::ScimBulkPost,
            Self::Replace(_) => Via::ScimBulkPut,
            Self::Patch(_) => Via::ScimBulkPatch,
            Self::Delete => Via::ScimBulkDelete,
        }
    }
}

impl ScimCommand {
    /// Puts `to` wherever the command refers to `from`: in its values, and in its own resource unless it makes that.
    pub fn rename(&mut self, from: ResourceId, to: ResourceId) {
        let (old, new) = (from.to_string(), to.to_string());
        match &mut self.change {
            Change::Create(document) | Change::Replace(document) => document.rename(&old, &new),
            Change::Patch(request) => request.rename(&old, &new),
            Change::Delete => {}
        }
        if self.id == from && !matches!(self.change, Change::Create(_)) {
            self.id = to;
        }
    }
}

/// A new client of a tenant.
#[derive(Debug, Clone)]
pub struct NewClient {
    /// Its id.
    pub id: ClientId,
    /// Its name, unique in the tenant.
    pub name: String,
    /// The identity provider behind it.
    pub kind: ClientKind,
    /// Its provisioning domain: its own id as text, or its predecessor's.
    pub domain: String,
}

/// What is to be so of a client; what is left out stays.
#[derive(Debug, Clone, Copy, Default)]
pub struct ClientChange {
    /// On or off.
    pub enabled: Option<bool>,
    /// How many requests a second it may make.
    pub requests_per_second: Option<Bound>,
}

/// A bound, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// At most that many.
    AtMost(u32),
    /// Any number.
    Unbounded,
}

impl Bound {
    /// The number; `None` for any.
    pub fn number(self) -> Option<u32> {
        match self {
            Self::AtMost(number) => Some(number),
            Self::Unbounded => None,
        }
    }
}

/// A new token.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Its id.
    pub id: TokenId,
    /// Everything recorded about it; of the token itself only the hash.
    pub issued: TokenIssued,
}

/// One request to change something.
#[derive(Debug, Clone)]
pub enum Command {
    /// A SCIM write.
    Scim(ScimCommand),
    /// Reports the first sign-in of an invited user.
    ActivateUser(ResourceId),
    /// The first events of a tenant: the tenant itself, its client `default` and that client's token.
    CreateTenant {
        /// The resolved settings.
        settings: Object,
        /// The profile that they came from.
        profile: Option<ProfileStamp>,
        /// The first client.
        client: NewClient,
        /// Its token; it is recorded as that client's whatever it says itself.
        token: NewToken,
    },
    /// Changes settings by an RFC 7396 merge patch.
    UpdateTenant {
        /// The merge patch.
        settings: Object,
        /// The profile that it came from.
        profile: Option<ProfileStamp>,
    },
    /// Adds a client.
    CreateClient(NewClient),
    /// Switches a client on or off, or bounds its requests.
    UpdateClient {
        /// The client.
        id: ClientId,
        /// What is to be so.
        change: ClientChange,
    },
    /// Notes that a client fell silent, or was heard again.
    NotePresence {
        /// The client.
        id: ClientId,
        /// Which of the two.
        silent: bool,
        /// Its last request.
        seen_at: Timestamp,
        /// The longest that it usually stays away, in seconds.
        usual_seconds: u64,
    },
    /// Adds a token to a client.
    IssueToken(NewToken),
    /// Ends a token.
    RevokeToken(TokenId),
    /// Records that the broker accepted deprovisioning messages.
    RecordPublished(Vec<(Revision, u64, Timestamp)>),
    /// Accepts a clock that stands before the last event.
    AdjustClock {
        /// When the last event was recorded.
        from: Timestamp,
        /// Where the clock stands.
        to: Timestamp,
    },
    /// In the registry: a tenant's folder and first events are complete.
    RegisterTenant {
        /// The tenant's name in commands and paths.
        tenant: String,
        /// Its stream.
        stream: StreamId,
    },
    /// In the registry: the tenant is closed.
    CloseTenant(StreamId),
    /// In the registry: a new operator.
    CreateOperator {
        /// Its id.
        id: OperatorId,
        /// Its name, unique.
        name: String,
        /// Lower-case hex SHA-256 of its token.
        sha256: String,
    },
    /// In the registry: an operator may do nothing any more.
    RevokeOperator(OperatorId),
}
