//! Events: what has happened, in the past tense, one variant for each fact.
//!
//! Names and payload members are fixed for ever (`docs/events.md`). [`stored`] turns payloads into bytes and
//! back and upcasts old formats.

pub mod stored;

use std::collections::BTreeMap;

use scim::{Object, ResourceType};
use serde::{Deserialize, Serialize};

use crate::ids::{ClientId, ResourceId, Revision};
use crate::tenancy::{ProfileStamp, Role};
use crate::timestamp::Timestamp;

/// Where a request came from. Personal, so it is only ever part of a sealed payload.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Context {
    /// The address of the caller, as the trusted proxy or the socket tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ip: Option<String>,
    /// The caller's `User-Agent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
}

/// A change of a resource's own state.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Change {
    /// The smallest RFC 7396 merge patch from the old canonical document to the new one.
    #[serde(default, skip_serializing_if = "Object::is_empty")]
    pub patch: Object,
    /// Changed external ids by provisioning domain; `None` clears.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub external_ids: BTreeMap<String, Option<String>>,
    /// On creation: the user starts as invited.
    #[serde(default, skip_serializing_if = "is_false")]
    pub invited: bool,
    /// Where the request came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Context>,
    /// Why, as a code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// A fact that needs no values.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Note {
    /// Where the request came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Context>,
    /// Why, as a code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Members that came or went: at most [`MEMBERS_PER_EVENT`], only what changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Members {
    /// Id and type of each.
    pub members: Vec<(ResourceId, ResourceType)>,
}

/// The most members that one membership event names.
pub const MEMBERS_PER_EVENT: usize = 1_000;

/// A change of settings.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SettingsChange {
    /// An RFC 7396 merge patch.
    #[serde(default, skip_serializing_if = "Object::is_empty")]
    pub settings: Object,
    /// The profile that it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<ProfileStamp>,
}

/// What is recorded of a token: never the token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenIssued {
    /// The client that it belongs to; left out for a token without one (an auditor's).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientId>,
    /// The token's first characters, by which people tell tokens apart.
    pub label: String,
    /// What it may do.
    pub role: Role,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Lower-case hex SHA-256 of the token.
    pub sha256: String,
}

/// Deprovisioning messages that the broker accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The event's revision, the sequence in the `JetStream` stream, and when it was accepted.
    pub published: Vec<(Revision, u64, Timestamp)>,
}

/// When a client was seen: last, before it fell silent, or again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientSeen {
    /// Its request.
    pub seen_at: Timestamp,
    /// The longest that it usually stays away, in seconds.
    pub usual_seconds: u64,
}

/// A clock that was set back with consent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockAdjusted {
    /// The last `recorded_at` before.
    pub from: Timestamp,
    /// The clock when it was accepted.
    pub to: Timestamp,
}

/// A tenant in the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantRegistered {
    /// The tenant's name in commands and paths.
    pub tenant: String,
}

/// An operator in the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorCreated {
    /// The operator's name.
    pub name: String,
    /// Lower-case hex SHA-256 of the operator's token.
    pub sha256: String,
}

impl EventType {
    /// Reads what [`EventType::as_str`] gives.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|event_type| event_type.as_str() == text)
    }

    /// The first half of the stored name: `user` of `user.created`.
    pub fn family(self) -> &'static str {
        self.halves().0
    }

    /// The second half of the stored name: `created` of `user.created`.
    pub fn verb(self) -> &'static str {
        self.halves().1
    }

    fn halves(self) -> (&'static str, &'static str) {
        self.as_str().split_once('.').expect("every stored name has two halves")
    }
}

/// The change in an event that is borrowed in one way or the other.
macro_rules! change_of {
    ($event:expr) => {
        match $event {
            Self::UserCreated(change)
            | Self::UserUpdated(change)
            | Self::UserDeactivated(change)
            | Self::UserReactivated(change)
            | Self::GroupCreated(change)
            | Self::GroupUpdated(change) => Some(change),
            Self::UserActivated(_)
            | Self::UserHidden(_)
            | Self::UserDeleted(_)
            | Self::GroupMembersAdded(_)
            | Self::GroupMembersRemoved(_)
            | Self::GroupDeleted(_)
            | Self::ClientCreated(_)
            | Self::ClientUpdated(_)
            | Self::ClientSilent(_)
            | Self::ClientHeard(_)
            | Self::TokenIssued(_)
            | Self::TokenRevoked
            | Self::TenantCreated(_)
            | Self::TenantUpdated(_)
            | Self::DeprovisioningPublished(_)
            | Self::ClockAdjusted(_)
            | Self::TenantRegistered(_)
            | Self::TenantClosed
            | Self::OperatorCreated(_)
            | Self::OperatorRevoked => None,
        }
    };
}

impl Event {
    /// The change of a resource's own state, for the types that carry one.
    pub fn change(&self) -> Option<&Change> {
        change_of!(self)
    }

    /// The same, to be changed.
    pub fn change_mut(&mut self) -> Option<&mut Change> {
        change_of!(self)
    }
}

macro_rules! events {
    ($( $(#[$doc:meta])+ $name:literal $variant:ident $(($payload:ty))? ; )+) => {
        /// The stored name of a kind of fact.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum EventType { $( $(#[$doc])+ #[serde(rename = $name)] $variant, )+ }

        impl EventType {
            /// Every type, in the order of the catalogue.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stored name: `family.verb`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }

        impl Event {
            /// The type.
            pub fn event_type(&self) -> EventType {
                match self { $(Self::$variant { .. } => EventType::$variant,)+ }
            }
        }

        /// A fact with its payload.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Event { $( $(#[$doc])+ $variant $(($payload))?, )+ }
    };
}

events! {
    /// A user was created.
    "user.created" UserCreated(Change);
    /// A user's attributes changed.
    "user.updated" UserUpdated(Change);
    /// An invited user signed in for the first time.
    "user.activated" UserActivated(Note);
    /// `active` became false.
    "user.deactivated" UserDeactivated(Change);
    /// `active` became true, or a hidden user came back.
    "user.reactivated" UserReactivated(Change);
    /// A DELETE under the policy `deactivate`.
    "user.hidden" UserHidden(Note);
    /// A user was deleted.
    "user.deleted" UserDeleted(Note);
    /// A group was created.
    "group.created" GroupCreated(Change);
    /// A group's attributes changed.
    "group.updated" GroupUpdated(Change);
    /// Members came.
    "group.members_added" GroupMembersAdded(Members);
    /// Members went.
    "group.members_removed" GroupMembersRemoved(Members);
    /// A group was deleted.
    "group.deleted" GroupDeleted(Note);
    /// A client was added.
    "client.created" ClientCreated(SettingsChange);
    /// A client was switched on or off, or renamed.
    "client.updated" ClientUpdated(SettingsChange);
    /// No request came from a client for three usual intervals.
    "client.silent" ClientSilent(ClientSeen);
    /// A silent client sent a request.
    "client.heard" ClientHeard(ClientSeen);
    /// A token was issued.
    "token.issued" TokenIssued(TokenIssued);
    /// A token was revoked.
    "token.revoked" TokenRevoked;
    /// The tenant began, with these settings.
    "tenant.created" TenantCreated(SettingsChange);
    /// The tenant's settings changed.
    "tenant.updated" TenantUpdated(SettingsChange);
    /// The broker accepted deprovisioning messages.
    "deprovisioning.published" DeprovisioningPublished(Published);
    /// An operator accepted a clock that stands before the last event.
    "clock.adjusted" ClockAdjusted(ClockAdjusted);
    /// Registry: a tenant is complete.
    "tenant.registered" TenantRegistered(TenantRegistered);
    /// Registry: a tenant is closed.
    "tenant.closed" TenantClosed;
    /// Registry: an operator was added.
    "operator.created" OperatorCreated(OperatorCreated);
    /// Registry: an operator was revoked.
    "operator.revoked" OperatorRevoked;
}
