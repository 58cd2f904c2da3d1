//! Payloads as bytes: stored names, stored members, which of them are sealed, and upcasting.
//!
//! What is written here is kept for ever. A payload that does not fit its type is an error and is never
//! guessed at; members that are not known are passed over, so that an older program reads what a newer one
//! wrote.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::{Event, EventType};
use crate::recorded::Header;

#[cfg(test)]
mod tests;

/// The payload format that is written now. Older ones are upcast by [`Event::read`]; there is none yet.
pub const PAYLOAD_FORMAT: u32 = 1;

/// How a type's payload is protected (`docs/events.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// Ids, numbers and codes only.
    Plain,
    /// Sealed by the key of the event's subject; clients, tokens and operators share the key of `tenant`.
    Sealed,
    /// The type has no payload.
    None,
}

/// A payload that does not fit its type.
#[derive(Debug, thiserror::Error)]
#[error("payload of {} format {format} cannot be read: {reason}", event_type.as_str())]
pub struct StoredPayloadError {
    /// The event's type.
    pub event_type: EventType,
    /// The payload's format.
    pub format: u32,
    /// What did not fit; names a place, never a value.
    pub reason: String,
}

impl EventType {
    /// How this type's payload is protected.
    pub fn protection(self) -> Protection {
        match self {
            Self::GroupMembersAdded
            | Self::GroupMembersRemoved
            | Self::ClientSilent
            | Self::ClientHeard
            | Self::DeprovisioningPublished
            | Self::ClockAdjusted => Protection::Plain,
            Self::UserCreated
            | Self::UserUpdated
            | Self::UserActivated
            | Self::UserDeactivated
            | Self::UserReactivated
            | Self::UserHidden
            | Self::UserDeleted
            | Self::GroupCreated
            | Self::GroupUpdated
            | Self::GroupDeleted
            | Self::ClientCreated
            | Self::ClientUpdated
            | Self::TokenIssued
            | Self::TenantCreated
            | Self::TenantUpdated
            | Self::TenantRegistered
            | Self::OperatorCreated => Protection::Sealed,
            Self::TokenRevoked | Self::TenantClosed | Self::OperatorRevoked => Protection::None,
        }
    }
}

impl Event {
    /// The payload's bytes: members in the order of `docs/events.md`, no white space; `None` for types
    /// without.
    pub fn payload(&self) -> Option<Vec<u8>> {
        match self {
            Self::UserCreated(change)
            | Self::UserUpdated(change)
            | Self::UserDeactivated(change)
            | Self::UserReactivated(change)
            | Self::GroupCreated(change)
            | Self::GroupUpdated(change) => Some(to_bytes(change)),
            Self::UserActivated(note)
            | Self::UserHidden(note)
            | Self::UserDeleted(note)
            | Self::GroupDeleted(note) => Some(to_bytes(note)),
            Self::GroupMembersAdded(members) | Self::GroupMembersRemoved(members) => Some(to_bytes(members)),
            Self::ClientCreated(settings)
            | Self::ClientUpdated(settings)
            | Self::TenantCreated(settings)
            | Self::TenantUpdated(settings) => Some(to_bytes(settings)),
            Self::ClientSilent(seen) | Self::ClientHeard(seen) => Some(to_bytes(seen)),
            Self::TokenIssued(token) => Some(to_bytes(token)),
            Self::DeprovisioningPublished(published) => Some(to_bytes(published)),
            Self::ClockAdjusted(adjusted) => Some(to_bytes(adjusted)),
            Self::TenantRegistered(registered) => Some(to_bytes(registered)),
            Self::OperatorCreated(operator) => Some(to_bytes(operator)),
            Self::TokenRevoked | Self::TenantClosed | Self::OperatorRevoked => None,
        }
    }

    /// Reads a payload of any format that was ever written.
    pub fn read(header: &Header, payload: Option<&[u8]>) -> Result<Self, StoredPayloadError> {
        if header.format != PAYLOAD_FORMAT {
            return Err(misfit(
                header,
                format!("the newest format that this release reads is {PAYLOAD_FORMAT}"),
            ));
        }
        Ok(match header.event_type {
            EventType::UserCreated => Self::UserCreated(from_bytes(header, payload)?),
            EventType::UserUpdated => Self::UserUpdated(from_bytes(header, payload)?),
            EventType::UserActivated => Self::UserActivated(from_bytes(header, payload)?),
            EventType::UserDeactivated => Self::UserDeactivated(from_bytes(header, payload)?),
            EventType::UserReactivated => Self::UserReactivated(from_bytes(header, payload)?),
            EventType::UserHidden => Self::UserHidden(from_bytes(header, payload)?),
            EventType::UserDeleted => Self::UserDeleted(from_bytes(header, payload)?),
            EventType::GroupCreated => Self::GroupCreated(from_bytes(header, payload)?),
            EventType::GroupUpdated => Self::GroupUpdated(from_bytes(header, payload)?),
            EventType::GroupMembersAdded => Self::GroupMembersAdded(from_bytes(header, payload)?),
            EventType::GroupMembersRemoved => Self::GroupMembersRemoved(from_bytes(header, payload)?),
            EventType::GroupDeleted => Self::GroupDeleted(from_bytes(header, payload)?),
            EventType::ClientCreated => Self::ClientCreated(from_bytes(header, payload)?),
            EventType::ClientUpdated => Self::ClientUpdated(from_bytes(header, payload)?),
            EventType::ClientSilent => Self::ClientSilent(from_bytes(header, payload)?),
            EventType::ClientHeard => Self::ClientHeard(from_bytes(header, payload)?),
            EventType::TokenIssued => Self::TokenIssued(from_bytes(header, payload)?),
            EventType::TokenRevoked => Self::TokenRevoked,
            EventType::TenantCreated => Self::TenantCreated(from_bytes(header, payload)?),
            EventType::TenantUpdated => Self::TenantUpdated(from_bytes(header, payload)?),
            EventType::DeprovisioningPublished => Self::DeprovisioningPublished(from_bytes(header, payload)?),
            EventType::ClockAdjusted => Self::ClockAdjusted(from_bytes(header, payload)?),
            EventType::TenantRegistered => Self::TenantRegistered(from_bytes(header, payload)?),
            EventType::TenantClosed => Self::TenantClosed,
            EventType::OperatorCreated => Self::OperatorCreated(from_bytes(header, payload)?),
            EventType::OperatorRevoked => Self::OperatorRevoked,
        })
    }
}

fn to_bytes(payload: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(payload).expect("payloads have text keys and numbers that JSON can write")
}

fn from_bytes<T: DeserializeOwned>(header: &Header, payload: Option<&[u8]>) -> Result<T, StoredPayloadError> {
    let bytes = payload.ok_or_else(|| misfit(header, "there is none".to_owned()))?;
    serde_json::from_slice(bytes).map_err(|error| {
        // The parser's own text may quote what it met, which may be personal.
        let what = match error.classify() {
            Category::Data => "a member is missing or has the wrong type",
            Category::Syntax | Category::Eof | Category::Io => "the text is no JSON",
        };
        misfit(header, format!("{what} at byte {}", error.column()))
    })
}

fn misfit(header: &Header, reason: String) -> StoredPayloadError {
    StoredPayloadError { event_type: header.event_type, format: header.format, reason }
}
