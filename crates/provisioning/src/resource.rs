//! A User or Group as the fold leaves it: the state that decisions and views are made of.

use std::collections::BTreeMap;

use scim::{Object, ResourceType};

use crate::ids::{ResourceId, Revision};
use crate::timestamp::Timestamp;

/// How far an account is, where users start as invited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Active, and not yet signed in.
    Invited,
    /// Active.
    Active,
    /// Inactive.
    Disabled,
}

impl Status {
    /// Of a user.
    pub fn of(active: bool, invited: bool) -> Self {
        match (active, invited) {
            (false, _) => Self::Disabled,
            (true, true) => Self::Invited,
            (true, false) => Self::Active,
        }
    }

    /// As SCIM says it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Invited => "Invited",
            Self::Active => "Active",
            Self::Disabled => "Disabled",
        }
    }
}

/// The state of one resource after some event. Members are not part of it: they are rows of their own.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "four facts, each independent of the others")]
pub struct Resource {
    /// Server-issued, never reused.
    pub id: ResourceId,
    /// User or Group.
    pub resource_type: ResourceType,
    /// The canonical document: schema spelling, sorted; without `schemas`, `id`, `externalId`, `meta`,
    /// `groups`, `members`.
    pub attributes: Object,
    /// `externalId` by provisioning domain.
    pub external_ids: BTreeMap<String, String>,
    /// Whether the account is active; always true for groups. For users, equal to the document's `active`.
    pub active: bool,
    /// Created in a tenant whose users start as invited, and not yet signed in.
    pub invited: bool,
    /// Removed under the policy `deactivate`: SCIM answers 404, audit shows an inactive account.
    pub hidden: bool,
    /// The person was erased: `attributes` and `external_ids` are empty.
    pub erased: bool,
    /// The revision of the event that created it: also its number in the views.
    pub created_revision: Revision,
    /// The revision of its last `user.*` or `group.*` event: its version.
    pub revision: Revision,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its last `user.*` or `group.*` event was recorded.
    pub modified_at: Timestamp,
    /// The number of the data key that seals its payloads.
    pub key: Option<u64>,
}
