//! The stored bytes of one event of each type.

use std::collections::BTreeSet;

use scim::ResourceType;
use serde_json::json;

use super::*;
use crate::event::{
    Change, ClientSeen, ClockAdjusted, Context, Members, Note, OperatorCreated, Published, SettingsChange,
    TenantRegistered, TokenIssued,
};
use crate::ids::{ClientId, Revision};
use crate::recorded::Subject;
use crate::tenancy::{ProfileStamp, Role};
use crate::testing::{header, object, resource_id, uuid};
use crate::timestamp::Timestamp;

const CHANGE: &str = r#"{"patch":{"name":null,"userName":"a"},"external_ids":{"d":"x","e":null},"invited":true,"context":{"source_ip":"192.0.2.1","user_agent":"UA"},"reason":"code"}"#;
const NOTE: &str = r#"{"context":{"source_ip":"192.0.2.1"},"reason":"code"}"#;
const MEMBERS: &str = r#"{"members":[["01900000-0000-7000-8000-000000000001","User"],["01900000-0000-7000-8000-000000000002","Group"]]}"#;
const SETTINGS: &str =
    r#"{"settings":{"host":null,"tenant":"acme"},"profile":{"name":"generic","sha256":"00"}}"#;
const SEEN: &str = r#"{"seen_at":"2026-06-30T23:59:59.000000Z","usual_seconds":2400}"#;
const TOKEN: &str = r#"{"client":"01900000-0000-7000-8000-000000000001","label":"mst_abcd","role":"client","expires_at":"2026-06-30T23:59:59.000000Z","sha256":"00"}"#;

fn change() -> Change {
    Change {
        patch: object(json!({"userName": "a", "name": null})),
        external_ids: [("d".to_owned(), Some("x".to_owned())), ("e".to_owned(), None)].into(),
        invited: true,
        context: Some(Context { source_ip: Some("192.0.2.1".to_owned()), user_agent: Some("UA".to_owned()) }),
        reason: Some("code".to_owned()),
    }
}

fn note() -> Note {
    Note {
        context: Some(Context { source_ip: Some("192.0.2.1".to_owned()), user_agent: None }),
        reason: Some("code".to_owned()),
    }
}

fn members() -> Members {
    Members { members: vec![(resource_id(1), ResourceType::User), (resource_id(2), ResourceType::Group)] }
}

fn settings() -> SettingsChange {
    SettingsChange {
        settings: object(json!({"tenant": "acme", "host": null})),
        profile: Some(ProfileStamp { name: "generic".to_owned(), sha256: "00".to_owned() }),
    }
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn catalogue() -> Vec<(Event, Option<&'static str>)> {
    let token = TokenIssued {
        client: Some(ClientId(uuid(1))),
        label: "mst_abcd".to_owned(),
        role: Role::Client,
        expires_at: Some(at("2026-06-30T23:59:59Z")),
        sha256: "00".to_owned(),
    };
    let seen = || ClientSeen { seen_at: at("2026-06-30T23:59:59Z"), usual_seconds: 2_400 };
    let operator = OperatorCreated { name: "root".to_owned(), sha256: "00".to_owned() };
    let published = Published { published: vec![(Revision(12), 34, at("2026-06-30T23:59:59.123456Z"))] };
    let adjusted = ClockAdjusted { from: at("2026-06-30T23:59:59Z"), to: at("2026-06-30T12:00:00Z") };
    vec![
        (Event::UserCreated(change()), Some(CHANGE)),
        (Event::UserUpdated(change()), Some(CHANGE)),
        (Event::UserActivated(note()), Some(NOTE)),
        (Event::UserDeactivated(change()), Some(CHANGE)),
        (Event::UserReactivated(change()), Some(CHANGE)),
        (Event::UserHidden(note()), Some(NOTE)),
        (Event::UserDeleted(note()), Some(NOTE)),
        (Event::GroupCreated(change()), Some(CHANGE)),
        (Event::GroupUpdated(change()), Some(CHANGE)),
        (Event::GroupMembersAdded(members()), Some(MEMBERS)),
        (Event::GroupMembersRemoved(members()), Some(MEMBERS)),
        (Event::GroupDeleted(note()), Some(NOTE)),
        (Event::ClientCreated(settings()), Some(SETTINGS)),
        (Event::ClientUpdated(settings()), Some(SETTINGS)),
        (Event::ClientSilent(seen()), Some(SEEN)),
        (Event::ClientHeard(seen()), Some(SEEN)),
        (Event::TokenIssued(token), Some(TOKEN)),
        (Event::TokenRevoked, None),
        (Event::TenantCreated(settings()), Some(SETTINGS)),
        (Event::TenantUpdated(settings()), Some(SETTINGS)),
        (
            Event::DeprovisioningPublished(published),
            Some(r#"{"published":[[12,34,"2026-06-30T23:59:59.123456Z"]]}"#),
        ),
        (
            Event::ClockAdjusted(adjusted),
            Some(r#"{"from":"2026-06-30T23:59:59.000000Z","to":"2026-06-30T12:00:00.000000Z"}"#),
        ),
        (
            Event::TenantRegistered(TenantRegistered { tenant: "acme".to_owned() }),
            Some(r#"{"tenant":"acme"}"#),
        ),
        (Event::TenantClosed, None),
        (Event::OperatorCreated(operator), Some(r#"{"name":"root","sha256":"00"}"#)),
        (Event::OperatorRevoked, None),
    ]
}

#[test]
fn every_payload_is_written_and_read_as_the_catalogue_has_it() {
    for (event, expected) in catalogue() {
        let event_type = event.event_type();
        let bytes = event.payload();
        assert_eq!(bytes.as_deref().map(|bytes| str::from_utf8(bytes).unwrap()), expected, "{event_type:?}");
        assert_eq!(event_type.protection() == Protection::None, bytes.is_none(), "{event_type:?}");
        let read = Event::read(&header(event_type, Subject::Tenant, 1), bytes.as_deref()).unwrap();
        assert_eq!(read, event);
    }
}

#[test]
fn the_catalogue_has_every_type() {
    let told: BTreeSet<_> = catalogue().iter().map(|(event, _)| event.event_type()).collect();
    assert_eq!(told, EventType::ALL.iter().copied().collect());
}

#[test]
fn only_ids_numbers_and_codes_are_plain() {
    let plain = EventType::ALL.iter().filter(|event_type| event_type.protection() == Protection::Plain);
    let names: Vec<_> = plain.map(|event_type| event_type.as_str()).collect();
    assert_eq!(
        names,
        [
            "group.members_added",
            "group.members_removed",
            "client.silent",
            "client.heard",
            "deprovisioning.published",
            "clock.adjusted",
        ]
    );
}

#[test]
fn what_is_empty_is_left_out() {
    let bytes = |event: Event| String::from_utf8(event.payload().unwrap()).unwrap();
    assert_eq!(bytes(Event::UserUpdated(Change::default())), "{}");
    assert_eq!(bytes(Event::UserDeleted(Note::default())), "{}");
    assert_eq!(bytes(Event::TenantUpdated(SettingsChange::default())), "{}");
    let token = TokenIssued {
        client: None,
        label: "mst_abcd".to_owned(),
        role: Role::Auditor,
        expires_at: None,
        sha256: "00".to_owned(),
    };
    assert_eq!(bytes(Event::TokenIssued(token)), r#"{"label":"mst_abcd","role":"auditor","sha256":"00"}"#);
}

#[test]
fn members_that_are_not_known_are_passed_over() {
    let header = header(EventType::UserUpdated, Subject::User(resource_id(1)), 1);
    let payload = br#"{"later":{"x":[1]},"patch":{"title":"T"},"context":{"later":1}}"#;
    let Event::UserUpdated(change) = Event::read(&header, Some(payload)).unwrap() else { panic!() };
    assert_eq!(change.patch, object(json!({"title": "T"})));
}

#[test]
fn a_payload_that_does_not_fit_is_refused_without_quoting_it() {
    let header = header(EventType::GroupMembersAdded, Subject::Group(resource_id(1)), 1);
    let misfits: [Option<&[u8]>; 4] = [
        None,
        Some(b"secret"),
        Some(br#"{"members":["secret"]}"#),
        Some(br#"{"members":[["secret","User"]]}"#),
    ];
    for payload in misfits {
        let text = Event::read(&header, payload).unwrap_err().to_string();
        assert!(text.starts_with("payload of group.members_added format 1 cannot be read: "), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
}

#[test]
fn a_format_of_the_future_is_refused() {
    let header = Header { format: 2, ..header(EventType::UserDeleted, Subject::User(resource_id(1)), 1) };
    assert!(Event::read(&header, Some(b"{}")).is_err());
}

#[test]
fn types_have_two_halves_and_are_read_by_name() {
    for event_type in EventType::ALL {
        assert_eq!(format!("{}.{}", event_type.family(), event_type.verb()), event_type.as_str());
        assert_eq!(EventType::parse(event_type.as_str()), Some(*event_type));
        assert_eq!(serde_json::to_value(event_type).unwrap(), json!(event_type.as_str()));
    }
    assert_eq!(EventType::parse("user.promoted"), None);
}
