//! From recorded events to the messages that go out: subjects, headers and CloudEvents bodies, byte for byte as
//! `docs/events.md` has them.
//!
//! Pure, and without a key: the notice form needs headers and plain payloads only, so that no name, address or
//! other personal value can get into a message. Each event gives at most one message in each JetStream stream.
//!
//! What `event-format.md` leaves open is fixed here:
//! - An event that is not about a user or group (`tenant.*`, `client.*`, `token.*` and so on) has `data` with
//!   `txn` alone: `sub_id` and `version` are about SCIM resources. Its `subject` is `/tenant`, `/clients/<id>` or
//!   `/tokens/<id>`.
//! - `was_active` of a user's message is what `active` was before the event. Of a group's message it is true for
//!   `group_lost` and false for `restored`: headers do not tell whether a member was active, so a loss always
//!   opens an obligation and a return never does.

use std::collections::HashMap;

use provisioning::recorded::Via;
use provisioning::{EventId, EventType, Header, ResourceId, Revision, StreamId, Subject, Timestamp, TxnId};
use scim::ResourceType;
use serde::Serialize;

use crate::feed::Feed;

#[cfg(test)]
mod tests;

/// The media type of a body (CloudEvents 1.0, structured).
pub const CONTENT_TYPE: &str = "application/cloudevents+json";

/// Every CloudEvents type that a message can have: what `ServiceProviderConfig.securityEvents` advertises.
pub const EVENT_URIS: &[&str] = &[
    "urn:ietf:params:scim:event:prov:create:notice",
    "urn:ietf:params:scim:event:prov:put:notice",
    "urn:ietf:params:scim:event:prov:patch:notice",
    "urn:ietf:params:scim:event:prov:delete",
    "urn:ietf:params:scim:event:prov:activate",
    "urn:ietf:params:scim:event:prov:deactivate",
    "urn:muster:event:user.activated",
    "urn:muster:event:client.created",
    "urn:muster:event:client.updated",
    "urn:muster:event:client.silent",
    "urn:muster:event:client.heard",
    "urn:muster:event:token.issued",
    "urn:muster:event:token.revoked",
    "urn:muster:event:tenant.created",
    "urn:muster:event:tenant.updated",
    "urn:muster:event:deprovisioning.published",
    "urn:muster:event:clock.adjusted",
];

/// A message that is ready to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The event that it is about.
    pub revision: Revision,
    /// The NATS subject.
    pub subject: String,
    /// `Nats-Msg-Id`: the tenant's stream and the revision.
    pub id: String,
    /// `Muster-Subject`.
    pub muster_subject: String,
    /// The CloudEvents document.
    pub body: Vec<u8>,
}

/// A recorded event as far as messages need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Its header.
    pub header: Header,
    /// Of `group.members_*`: who came or went. Of all other types nothing.
    pub members: Vec<(ResourceId, ResourceType)>,
}

#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: EventId,
    source: String,
    #[serde(rename = "type")]
    event_type: String,
    subject: String,
    time: Timestamp,
    datacontenttype: &'static str,
    revision: Revision,
    txn: TxnId,
    txnn: u32,
    txnof: u32,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_id: Option<SubId>,
    txn: TxnId,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    was_active: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<Vec<ResourceId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<Vec<ResourceId>>,
}

/// RFC 9967 section 2.1.
#[derive(Serialize)]
struct SubId {
    format: &'static str,
    uri: String,
}

/// What a deprovisioning message adds.
struct Access {
    reason: Reason,
    was_active: bool,
    members: Option<Vec<ResourceId>>,
    groups: Option<Vec<ResourceId>>,
}

#[derive(Serialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Reason {
    Deactivated,
    Deleted,
    Hidden,
    GroupLost,
    Restored,
}

/// The message of an event in `MUSTER_EVENTS`.
pub fn event(tenant: &str, header: &Header) -> Message {
    let family = match header.event_type.family() {
        "user" => "users",
        "group" => "groups",
        "client" => "clients",
        "token" => "tokens",
        other => other,
    };
    let end = format!("{family}.{}", header.event_type.verb());
    message(tenant, header, Feed::Events.subject(tenant, &end), None)
}

/// The messages of a whole transaction in `MUSTER_DEPROVISIONING`, in order. `regained` says which of the members
/// that an event added to a group had lost it before.
pub fn deprovisioning<E>(
    tenant: &str,
    transaction: &[Fact],
    mut regained: impl FnMut(&Fact) -> Result<Vec<ResourceId>, E>,
) -> Result<Vec<Message>, E> {
    let groups_left = groups_left(transaction);
    let mut messages = Vec::new();
    for fact in transaction {
        if let Some(access) = access(fact, &groups_left, &mut regained)? {
            let subject =
                Feed::Deprovisioning.subject(tenant, &fact.header.subject.to_string().replace('/', "."));
            messages.push(message(tenant, &fact.header, subject, Some(access)));
        }
    }
    Ok(messages)
}

/// For each event that deletes or hides a user, the groups that the user left because of it.
fn groups_left(transaction: &[Fact]) -> HashMap<EventId, Vec<ResourceId>> {
    let ends_a_user =
        |fact: &&Fact| matches!(fact.header.event_type, EventType::UserDeleted | EventType::UserHidden);
    let mut left: HashMap<_, _> =
        transaction.iter().filter(ends_a_user).map(|fact| (fact.header.id, Vec::new())).collect();
    for Fact { header, .. } in transaction {
        if let (EventType::GroupMembersRemoved, Subject::Group(group), Some(cause)) =
            (header.event_type, header.subject, header.cause)
            && let Some(groups) = left.get_mut(&cause.id)
        {
            groups.push(group);
        }
    }
    left
}

fn access<E>(
    fact: &Fact,
    groups_left: &HashMap<EventId, Vec<ResourceId>>,
    regained: &mut impl FnMut(&Fact) -> Result<Vec<ResourceId>, E>,
) -> Result<Option<Access>, E> {
    let header = &fact.header;
    let of_user = |reason, groups| {
        let was_active = matches!(header.active, Some([Some(true), _]));
        Some(Access { reason, was_active, members: None, groups })
    };
    let of_group = |reason, was_active, members| {
        Some(Access { reason, was_active, members: Some(members), groups: None })
    };
    Ok(match header.event_type {
        EventType::UserDeactivated => of_user(Reason::Deactivated, None),
        EventType::UserReactivated => of_user(Reason::Restored, None),
        EventType::UserDeleted => of_user(Reason::Deleted, groups_left.get(&header.id).cloned()),
        EventType::UserHidden => of_user(Reason::Hidden, groups_left.get(&header.id).cloned()),
        // The message about the user lists the groups.
        EventType::GroupMembersRemoved
            if header.cause.is_some_and(|cause| groups_left.contains_key(&cause.id)) =>
        {
            None
        }
        EventType::GroupMembersRemoved => {
            of_group(Reason::GroupLost, true, fact.members.iter().map(|(id, _)| *id).collect())
        }
        EventType::GroupMembersAdded => match regained(fact)? {
            nobody if nobody.is_empty() => None,
            members => of_group(Reason::Restored, false, members),
        },
        EventType::UserCreated
        | EventType::UserUpdated
        | EventType::UserActivated
        | EventType::GroupCreated
        | EventType::GroupUpdated
        | EventType::GroupDeleted
        | EventType::ClientCreated
        | EventType::ClientUpdated
        | EventType::ClientSilent
        | EventType::ClientHeard
        | EventType::TokenIssued
        | EventType::TokenRevoked
        | EventType::TenantCreated
        | EventType::TenantUpdated
        | EventType::DeprovisioningPublished
        | EventType::ClockAdjusted
        | EventType::TenantRegistered
        | EventType::TenantClosed
        | EventType::OperatorCreated
        | EventType::OperatorRevoked => None,
    })
}

fn message(tenant: &str, header: &Header, subject: String, access: Option<Access>) -> Message {
    let uri = match header.subject {
        Subject::User(id) => Some(format!("/Users/{id}")),
        Subject::Group(id) => Some(format!("/Groups/{id}")),
        Subject::Client(_)
        | Subject::Token(_)
        | Subject::Tenant
        | Subject::RegisteredTenant(_)
        | Subject::Operator(_) => None,
    };
    let (event_type, lists_attributes) = cloudevents_type(header);
    let (reason, was_active, members, groups) = match access {
        Some(Access { reason, was_active, members, groups }) => {
            (Some(reason), Some(was_active), members, groups)
        }
        None => (None, None, None, None),
    };
    let cloud_event = CloudEvent {
        specversion: "1.0",
        id: header.id,
        source: format!("/tenants/{tenant}"),
        event_type,
        subject: uri.clone().unwrap_or_else(|| format!("/{}", header.subject)),
        time: header.recorded_at,
        datacontenttype: "application/json",
        revision: header.revision,
        txn: header.txn.id,
        txnn: header.txn.n,
        txnof: header.txn.of,
        data: Data {
            // The version that a resource has after its event is the event's revision (design section 5).
            version: uri.is_some().then(|| format!("W/\"{}\"", header.revision)),
            sub_id: uri.map(|uri| SubId { format: "scim", uri }),
            txn: header.txn.id,
            attributes: lists_attributes.then_some(&header.attributes),
            reason,
            was_active,
            members,
            groups,
        },
    };
    Message {
        revision: header.revision,
        subject,
        id: message_id(header.stream, header.revision),
        muster_subject: header.subject.to_string(),
        body: serde_json::to_vec(&cloud_event)
            .expect("a message has text keys and numbers that JSON can write"),
    }
}

/// The `Nats-Msg-Id` of what is said about a revision.
pub(super) fn message_id(stream: StreamId, revision: Revision) -> String {
    format!("{stream}:{revision}")
}

/// The CloudEvents type, and whether `data` lists attributes. RFC 9967 section 2.4: of its types, create, put and
/// patch notices list them, and delete, activate and deactivate have none.
fn cloudevents_type(header: &Header) -> (String, bool) {
    const RFC: &str = "urn:ietf:params:scim:event:prov";
    match header.event_type {
        EventType::UserCreated | EventType::GroupCreated => (format!("{RFC}:create:notice"), true),
        EventType::UserUpdated
        | EventType::GroupUpdated
        | EventType::GroupMembersAdded
        | EventType::GroupMembersRemoved => match header.via {
            Via::ScimPut | Via::ScimBulkPut => (format!("{RFC}:put:notice"), true),
            Via::ScimPost
            | Via::ScimPatch
            | Via::ScimDelete
            | Via::ScimBulkPost
            | Via::ScimBulkPatch
            | Via::ScimBulkDelete
            | Via::Admin
            | Via::System => (format!("{RFC}:patch:notice"), true),
        },
        EventType::UserDeactivated => (format!("{RFC}:deactivate"), false),
        EventType::UserReactivated => (format!("{RFC}:activate"), false),
        EventType::UserDeleted | EventType::UserHidden | EventType::GroupDeleted => {
            (format!("{RFC}:delete"), false)
        }
        EventType::UserActivated
        | EventType::ClientCreated
        | EventType::ClientUpdated
        | EventType::ClientSilent
        | EventType::ClientHeard
        | EventType::TokenIssued
        | EventType::TokenRevoked
        | EventType::TenantCreated
        | EventType::TenantUpdated
        | EventType::DeprovisioningPublished
        | EventType::ClockAdjusted
        | EventType::TenantRegistered
        | EventType::TenantClosed
        | EventType::OperatorCreated
        | EventType::OperatorRevoked => (format!("urn:muster:event:{}", header.event_type.as_str()), false),
    }
}
