//! Messages as consumers get them, byte for byte.

use std::convert::Infallible;

use provisioning::event::Members;
use provisioning::ids::OperatorId;
use provisioning::recorded::{Actor, Cause, Txn};
use provisioning::{ClientId, StreamId, TokenId};
use serde_json::Value;
use uuid::Uuid;

use super::*;

const TENANT: &str = "acme";

fn uuid(number: u128) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + number)
}

fn user() -> Subject {
    Subject::User(ResourceId(uuid(1)))
}

fn group(number: u128) -> Subject {
    Subject::Group(ResourceId(uuid(number)))
}

/// The event of revision 7, first of two in its transaction.
fn header(event_type: EventType, subject: Subject, via: Via) -> Header {
    Header {
        v: Header::FORMAT,
        stream: StreamId(uuid(0x57)),
        revision: Revision(7),
        id: EventId(uuid(0xe7)),
        event_type,
        format: 1,
        subject,
        attributes: Vec::new(),
        active: None,
        received_at: None,
        recorded_at: Timestamp::parse("2026-06-30T08:15:00.000123Z").unwrap(),
        actor: Actor::SYSTEM,
        via,
        request: None,
        txn: Txn { id: TxnId(uuid(0x7)), n: 1, of: 2 },
        cause: None,
        key: None,
        payload: None,
    }
}

fn fact(header: Header) -> Fact {
    Fact { header, members: Vec::new() }
}

#[expect(clippy::unnecessary_wraps, reason = "stands where history is asked, which can fail")]
fn nobody(_: &Fact) -> Result<Vec<ResourceId>, Infallible> {
    Ok(Vec::new())
}

fn users(numbers: &[u128]) -> Vec<(ResourceId, ResourceType)> {
    numbers.iter().map(|number| (ResourceId(uuid(*number)), ResourceType::User)).collect()
}

/// Puts the members into the header's place: one event of a transaction.
fn in_transaction(fact: Fact, revision: u64, n: u32, of: u32) -> Fact {
    let Fact { mut header, members } = fact;
    header.revision = Revision(revision);
    header.id = EventId(uuid(0xe0 + u128::from(revision)));
    header.txn = Txn { n, of, ..header.txn };
    Fact { header, members }
}

#[track_caller]
fn check_event(header: &Header, subject: &str, body: &str) {
    let message = event(TENANT, header);
    assert_eq!(message.subject, subject);
    assert_eq!(String::from_utf8(message.body).unwrap(), body.replace(['\n', ' '], ""));
}

#[track_caller]
fn check_deprovisioning(fact: Fact, subject: &str, body: &str) {
    let [message] = deprovisioning(TENANT, &[fact], nobody).unwrap().try_into().unwrap();
    assert_eq!(message.subject, subject);
    assert_eq!(String::from_utf8(message.body).unwrap(), body.replace(['\n', ' '], ""));
}

#[test]
fn a_created_user_is_a_create_notice_with_the_names_of_its_attributes() {
    let mut header = header(EventType::UserCreated, user(), Via::ScimPost);
    header.attributes = vec!["emails".into(), "name.familyName".into(), "userName".into()];
    header.active = Some([None, Some(true)]);
    check_event(
        &header,
        "muster.v1.acme.events.users.created",
        r#"{"specversion":"1.0","id":"01900000-0000-7000-8000-0000000000e7","source":"/tenants/acme",
        "type":"urn:ietf:params:scim:event:prov:create:notice",
        "subject":"/Users/01900000-0000-7000-8000-000000000001","time":"2026-06-30T08:15:00.000123Z",
        "datacontenttype":"application/json","revision":7,"txn":"01900000-0000-7000-8000-000000000007",
        "txnn":1,"txnof":2,"data":{
        "sub_id":{"format":"scim","uri":"/Users/01900000-0000-7000-8000-000000000001"},
        "txn":"01900000-0000-7000-8000-000000000007","version":"W/\"7\"",
        "attributes":["emails","name.familyName","userName"]}}"#,
    );
}

#[test]
fn a_message_names_its_stream_revision_and_subject_in_headers() {
    let message = event(TENANT, &header(EventType::GroupCreated, group(2), Via::ScimPost));
    assert_eq!(message.id, "01900000-0000-7000-8000-000000000057:7");
    assert_eq!(message.muster_subject, "groups/01900000-0000-7000-8000-000000000002");
    assert_eq!(message.revision, Revision(7));
}

#[test]
fn an_updated_group_is_a_patch_notice() {
    let mut header = header(EventType::GroupUpdated, group(2), Via::ScimPatch);
    header.attributes = vec!["displayName".into()];
    check_event(
        &header,
        "muster.v1.acme.events.groups.updated",
        r#"{"specversion":"1.0","id":"01900000-0000-7000-8000-0000000000e7","source":"/tenants/acme",
        "type":"urn:ietf:params:scim:event:prov:patch:notice",
        "subject":"/Groups/01900000-0000-7000-8000-000000000002","time":"2026-06-30T08:15:00.000123Z",
        "datacontenttype":"application/json","revision":7,"txn":"01900000-0000-7000-8000-000000000007",
        "txnn":1,"txnof":2,"data":{
        "sub_id":{"format":"scim","uri":"/Groups/01900000-0000-7000-8000-000000000002"},
        "txn":"01900000-0000-7000-8000-000000000007","version":"W/\"7\"","attributes":["displayName"]}}"#,
    );
}

#[test]
fn a_deleted_user_is_a_delete_without_attributes() {
    let mut header = header(EventType::UserDeleted, user(), Via::ScimDelete);
    header.active = Some([Some(true), None]);
    check_event(
        &header,
        "muster.v1.acme.events.users.deleted",
        r#"{"specversion":"1.0","id":"01900000-0000-7000-8000-0000000000e7","source":"/tenants/acme",
        "type":"urn:ietf:params:scim:event:prov:delete",
        "subject":"/Users/01900000-0000-7000-8000-000000000001","time":"2026-06-30T08:15:00.000123Z",
        "datacontenttype":"application/json","revision":7,"txn":"01900000-0000-7000-8000-000000000007",
        "txnn":1,"txnof":2,"data":{
        "sub_id":{"format":"scim","uri":"/Users/01900000-0000-7000-8000-000000000001"},
        "txn":"01900000-0000-7000-8000-000000000007","version":"W/\"7\""}}"#,
    );
}

#[test]
fn an_event_that_is_not_about_a_resource_has_neither_sub_id_nor_version() {
    check_event(
        &header(EventType::TokenIssued, Subject::Token(TokenId(uuid(5))), Via::Admin),
        "muster.v1.acme.events.tokens.issued",
        r#"{"specversion":"1.0","id":"01900000-0000-7000-8000-0000000000e7","source":"/tenants/acme",
        "type":"urn:muster:event:token.issued",
        "subject":"/tokens/01900000-0000-7000-8000-000000000005","time":"2026-06-30T08:15:00.000123Z",
        "datacontenttype":"application/json","revision":7,"txn":"01900000-0000-7000-8000-000000000007",
        "txnn":1,"txnof":2,"data":{"txn":"01900000-0000-7000-8000-000000000007"}}"#,
    );
    let tenant = event(TENANT, &header(EventType::TenantUpdated, Subject::Tenant, Via::Admin));
    let body: Value = serde_json::from_slice(&tenant.body).unwrap();
    assert_eq!(body["subject"], "/tenant");
    assert_eq!(tenant.muster_subject, "tenant");
}

/// Every type with its subject, the end of its NATS subject and its CloudEvents type, when the way is PATCH.
const TYPES: &[(EventType, &str, &str)] = &[
    (EventType::UserCreated, "users.created", "urn:ietf:params:scim:event:prov:create:notice"),
    (EventType::UserUpdated, "users.updated", "urn:ietf:params:scim:event:prov:patch:notice"),
    (EventType::UserActivated, "users.activated", "urn:muster:event:user.activated"),
    (EventType::UserDeactivated, "users.deactivated", "urn:ietf:params:scim:event:prov:deactivate"),
    (EventType::UserReactivated, "users.reactivated", "urn:ietf:params:scim:event:prov:activate"),
    (EventType::UserHidden, "users.hidden", "urn:ietf:params:scim:event:prov:delete"),
    (EventType::UserDeleted, "users.deleted", "urn:ietf:params:scim:event:prov:delete"),
    (EventType::GroupCreated, "groups.created", "urn:ietf:params:scim:event:prov:create:notice"),
    (EventType::GroupUpdated, "groups.updated", "urn:ietf:params:scim:event:prov:patch:notice"),
    (EventType::GroupMembersAdded, "groups.members_added", "urn:ietf:params:scim:event:prov:patch:notice"),
    (
        EventType::GroupMembersRemoved,
        "groups.members_removed",
        "urn:ietf:params:scim:event:prov:patch:notice",
    ),
    (EventType::GroupDeleted, "groups.deleted", "urn:ietf:params:scim:event:prov:delete"),
    (EventType::ClientCreated, "clients.created", "urn:muster:event:client.created"),
    (EventType::ClientUpdated, "clients.updated", "urn:muster:event:client.updated"),
    (EventType::ClientSilent, "clients.silent", "urn:muster:event:client.silent"),
    (EventType::ClientHeard, "clients.heard", "urn:muster:event:client.heard"),
    (EventType::TokenIssued, "tokens.issued", "urn:muster:event:token.issued"),
    (EventType::TokenRevoked, "tokens.revoked", "urn:muster:event:token.revoked"),
    (EventType::TenantCreated, "tenant.created", "urn:muster:event:tenant.created"),
    (EventType::TenantUpdated, "tenant.updated", "urn:muster:event:tenant.updated"),
    (
        EventType::DeprovisioningPublished,
        "deprovisioning.published",
        "urn:muster:event:deprovisioning.published",
    ),
    (EventType::ClockAdjusted, "clock.adjusted", "urn:muster:event:clock.adjusted"),
];

/// Types that only the registry has: it is not published.
const UNPUBLISHED: &[EventType] = &[
    EventType::TenantRegistered,
    EventType::TenantClosed,
    EventType::OperatorCreated,
    EventType::OperatorRevoked,
];

fn subject_of(event_type: EventType) -> Subject {
    match event_type.family() {
        "user" => user(),
        "group" => group(2),
        "client" => Subject::Client(ClientId(uuid(4))),
        "token" => Subject::Token(TokenId(uuid(5))),
        "operator" => Subject::Operator(OperatorId(uuid(6))),
        _ => Subject::Tenant,
    }
}

#[test]
fn every_type_has_its_subject_and_cloudevents_type() {
    for (event_type, end, cloudevents_type) in TYPES {
        let message = event(TENANT, &header(*event_type, subject_of(*event_type), Via::ScimPatch));
        let body: Value = serde_json::from_slice(&message.body).unwrap();
        assert_eq!(message.subject, format!("muster.v1.acme.events.{end}"));
        assert_eq!(body["type"], *cloudevents_type);
    }
    let listed = TYPES.iter().map(|(event_type, ..)| event_type).chain(UNPUBLISHED);
    assert_eq!(listed.count(), EventType::ALL.len(), "a new type needs a line in the table");
}

#[test]
fn what_is_advertised_is_exactly_what_is_emitted() {
    let doors = [Via::ScimPost, Via::ScimPut, Via::ScimPatch, Via::ScimDelete, Via::Admin, Via::System];
    let mut emitted: Vec<String> = Vec::new();
    for (event_type, ..) in TYPES {
        emitted
            .extend(doors.map(|via| cloudevents_type(&header(*event_type, subject_of(*event_type), via)).0));
    }
    emitted.sort();
    emitted.dedup();
    let mut advertised = EVENT_URIS.to_vec();
    advertised.sort_unstable();
    assert_eq!(emitted, advertised);
}

#[test]
fn only_put_makes_a_put_notice() {
    for (via, expected) in [
        (Via::ScimPut, "put"),
        (Via::ScimPatch, "patch"),
        (Via::ScimPost, "patch"),
        (Via::ScimDelete, "patch"),
        (Via::ScimBulkPut, "put"),
        (Via::ScimBulkPatch, "patch"),
        (Via::ScimBulkPost, "patch"),
        (Via::ScimBulkDelete, "patch"),
        (Via::Admin, "patch"),
        (Via::System, "patch"),
    ] {
        for event_type in [EventType::UserUpdated, EventType::GroupMembersAdded] {
            let (found, lists_attributes) =
                cloudevents_type(&header(event_type, subject_of(event_type), via));
            assert_eq!(found, format!("urn:ietf:params:scim:event:prov:{expected}:notice"));
            assert!(lists_attributes);
        }
    }
}

#[test]
fn a_deactivated_user_loses_access_and_was_active() {
    let mut header = header(EventType::UserDeactivated, user(), Via::ScimPatch);
    header.attributes = vec!["active".into()];
    header.active = Some([Some(true), Some(false)]);
    check_deprovisioning(
        fact(header),
        "muster.v1.acme.deprovisioning.users.01900000-0000-7000-8000-000000000001",
        r#"{"specversion":"1.0","id":"01900000-0000-7000-8000-0000000000e7","source":"/tenants/acme",
        "type":"urn:ietf:params:scim:event:prov:deactivate",
        "subject":"/Users/01900000-0000-7000-8000-000000000001","time":"2026-06-30T08:15:00.000123Z",
        "datacontenttype":"application/json","revision":7,"txn":"01900000-0000-7000-8000-000000000007",
        "txnn":1,"txnof":2,"data":{
        "sub_id":{"format":"scim","uri":"/Users/01900000-0000-7000-8000-000000000001"},
        "txn":"01900000-0000-7000-8000-000000000007","version":"W/\"7\"",
        "reason":"deactivated","was_active":true}}"#,
    );
}

#[test]
fn a_reactivated_user_is_restored_which_opens_no_obligation() {
    let mut header = header(EventType::UserReactivated, user(), Via::ScimPut);
    header.active = Some([Some(false), Some(true)]);
    check_deprovisioning(
        fact(header),
        "muster.v1.acme.deprovisioning.users.01900000-0000-7000-8000-000000000001",
        r#"{"specversion":"1.0","id":"01900000-0000-7000-8000-0000000000e7","source":"/tenants/acme",
        "type":"urn:ietf:params:scim:event:prov:activate",
        "subject":"/Users/01900000-0000-7000-8000-000000000001","time":"2026-06-30T08:15:00.000123Z",
        "datacontenttype":"application/json","revision":7,"txn":"01900000-0000-7000-8000-000000000007",
        "txnn":1,"txnof":2,"data":{
        "sub_id":{"format":"scim","uri":"/Users/01900000-0000-7000-8000-000000000001"},
        "txn":"01900000-0000-7000-8000-000000000007","version":"W/\"7\"",
        "reason":"restored","was_active":false}}"#,
    );
}

#[test]
fn members_who_left_a_group_lost_it() {
    let mut header = header(EventType::GroupMembersRemoved, group(2), Via::ScimPatch);
    header.attributes = vec!["members".into()];
    check_deprovisioning(
        Fact { header, members: users(&[0x11, 0x12]) },
        "muster.v1.acme.deprovisioning.groups.01900000-0000-7000-8000-000000000002",
        r#"{"specversion":"1.0","id":"01900000-0000-7000-8000-0000000000e7","source":"/tenants/acme",
        "type":"urn:ietf:params:scim:event:prov:patch:notice",
        "subject":"/Groups/01900000-0000-7000-8000-000000000002","time":"2026-06-30T08:15:00.000123Z",
        "datacontenttype":"application/json","revision":7,"txn":"01900000-0000-7000-8000-000000000007",
        "txnn":1,"txnof":2,"data":{
        "sub_id":{"format":"scim","uri":"/Groups/01900000-0000-7000-8000-000000000002"},
        "txn":"01900000-0000-7000-8000-000000000007","version":"W/\"7\"","attributes":["members"],
        "reason":"group_lost","was_active":true,
        "members":["01900000-0000-7000-8000-000000000011","01900000-0000-7000-8000-000000000012"]}}"#,
    );
}

/// A user's deletion or hiding, with two groups that the user leaves first and one that somebody else leaves.
fn farewell(event_type: EventType, active: bool) -> Vec<Fact> {
    let mut end = header(event_type, user(), Via::ScimDelete);
    end.active = Some([Some(active), None]);
    let end = in_transaction(fact(end), 10, 4, 4);
    let leave = |group_number, member, revision, n| {
        let header = header(EventType::GroupMembersRemoved, group(group_number), Via::ScimDelete);
        in_transaction(Fact { header, members: users(&[member]) }, revision, n, 4)
    };
    let mut facts = vec![leave(0x21, 1, 7, 1), leave(0x22, 1, 8, 2), leave(0x23, 9, 9, 3)];
    for fact in &mut facts[..2] {
        fact.header.cause = Some(Cause { stream: end.header.stream, id: end.header.id });
    }
    facts.push(end);
    facts
}

#[test]
fn a_deleted_user_s_message_lists_the_groups_that_end_with_it() {
    let messages = deprovisioning(TENANT, &farewell(EventType::UserDeleted, true), nobody).unwrap();
    let revisions: Vec<_> = messages.iter().map(|message| message.revision.0).collect();
    assert_eq!(
        revisions,
        [9, 10],
        "the groups that the user left by its deletion have no message of their own"
    );
    let body = String::from_utf8(messages[1].body.clone()).unwrap();
    let data = r#""version":"W/\"10\"","reason":"deleted","was_active":true,"groups":["#.to_owned()
        + r#""01900000-0000-7000-8000-000000000021","01900000-0000-7000-8000-000000000022"]}}"#;
    assert!(body.ends_with(&data), "{body}");
}

#[test]
fn a_hidden_user_s_message_lists_its_groups_and_whether_it_was_active() {
    let messages = deprovisioning(TENANT, &farewell(EventType::UserHidden, false), nobody).unwrap();
    let body = String::from_utf8(messages[1].body.clone()).unwrap();
    let data = r#""reason":"hidden","was_active":false,"groups":["01900000-0000-7000-8000-000000000021","#;
    assert!(body.contains(data), "{body}");
}

#[test]
fn a_deleted_user_without_groups_says_so() {
    let mut end = header(EventType::UserDeleted, user(), Via::ScimDelete);
    end.active = Some([Some(true), None]);
    let [message] = deprovisioning(TENANT, &[fact(end)], nobody).unwrap().try_into().unwrap();
    assert!(String::from_utf8(message.body).unwrap().ends_with(r#""was_active":true,"groups":[]}}"#));
}

#[test]
fn members_lose_a_group_that_is_deleted() {
    let end = in_transaction(fact(header(EventType::GroupDeleted, group(2), Via::ScimDelete)), 9, 3, 3);
    let cause = Some(Cause { stream: end.header.stream, id: end.header.id });
    let mut facts: Vec<_> = [(2, 7, 1), (0x33, 8, 2)]
        .into_iter()
        .map(|(number, revision, n)| {
            let mut header = header(EventType::GroupMembersRemoved, group(number), Via::ScimDelete);
            header.cause = cause;
            in_transaction(Fact { header, members: users(&[0x11]) }, revision, n, 3)
        })
        .collect();
    facts.push(end);
    let messages = deprovisioning(TENANT, &facts, nobody).unwrap();
    let revisions: Vec<_> = messages.iter().map(|message| message.revision.0).collect();
    assert_eq!(
        revisions,
        [7, 8],
        "its members, and the groups that it was a member of; the group itself loses nothing"
    );
}

#[test]
fn only_members_who_had_lost_the_group_before_are_restored() {
    let added = header(EventType::GroupMembersAdded, group(2), Via::ScimPatch);
    let fact = Fact { header: added, members: users(&[0x11, 0x12]) };
    let none = deprovisioning(TENANT, std::slice::from_ref(&fact), nobody).unwrap();
    assert_eq!(none, []);
    let back = |fact: &Fact| Ok::<_, Infallible>(vec![fact.members[1].0]);
    let [message] = deprovisioning(TENANT, &[fact], back).unwrap().try_into().unwrap();
    let body = String::from_utf8(message.body).unwrap();
    let data =
        r#""reason":"restored","was_active":false,"members":["01900000-0000-7000-8000-000000000012"]}}"#;
    assert!(body.ends_with(data), "{body}");
}

#[test]
fn what_ends_or_restores_nobody_s_access_has_no_deprovisioning_message() {
    let silent = [
        EventType::UserCreated,
        EventType::UserUpdated,
        EventType::UserActivated,
        EventType::GroupCreated,
        EventType::GroupUpdated,
        EventType::GroupDeleted,
        EventType::TenantUpdated,
        EventType::DeprovisioningPublished,
    ];
    for event_type in silent {
        let fact = fact(header(event_type, subject_of(event_type), Via::ScimPatch));
        assert_eq!(deprovisioning(TENANT, &[fact], nobody).unwrap(), []);
    }
}

#[test]
fn the_largest_membership_event_fits_into_the_smallest_usual_limit_of_nats() {
    let members = users(&(0..provisioning::event::MEMBERS_PER_EVENT as u128).collect::<Vec<_>>());
    let members = Members { members }.members;
    let header = header(EventType::GroupMembersRemoved, group(2), Via::ScimPatch);
    let [message] = deprovisioning(TENANT, &[Fact { header, members }], nobody).unwrap().try_into().unwrap();
    assert!(message.body.len() < 64 * 1024, "{} bytes", message.body.len());
}
