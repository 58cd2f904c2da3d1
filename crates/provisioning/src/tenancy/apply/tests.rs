//! What each event means for the tenancy, and that none is too strange.

use serde_json::json;

use super::*;
use crate::event::{ClientSeen, EventType};
use crate::ids::{ClientId, OperatorId, StreamId, TokenId};
use crate::tenancy::{DeletePolicy, ProfileStamp, Role};
use crate::testing::{header, object, uuid};
use crate::timestamp::Timestamp;

fn fold(events: impl IntoIterator<Item = (Subject, Event)>) -> Tenancy {
    let mut tenancy = Tenancy::default();
    for ((subject, event), revision) in events.into_iter().zip(1..) {
        let header = header(event.event_type(), subject, revision);
        tenancy.apply(&Recorded { header, event: Opened::Event(event) });
    }
    tenancy
}

fn change(settings: Value) -> SettingsChange {
    SettingsChange { settings: object(settings), profile: None }
}

fn instant(revision: i64) -> Timestamp {
    Timestamp(1_750_000_000_000_000 + 1_000_000 * revision)
}

#[test]
fn settings_are_merged() {
    let profile = ProfileStamp { name: "zulip".to_owned(), sha256: "00".to_owned() };
    let created = SettingsChange {
        profile: Some(profile.clone()),
        ..change(json!({"tenant": "acme", "base_path": "/a", "host": "a.test", "delete": "refuse"}))
    };
    let updated = change(json!({"host": null, "base_path": "/b"}));
    let tenancy = fold([
        (Subject::Tenant, Event::TenantCreated(created)),
        (Subject::Tenant, Event::TenantUpdated(updated)),
    ]);
    let settings = &tenancy.settings;
    assert_eq!((settings.tenant.as_str(), settings.base_path.as_str()), ("acme", "/b"));
    assert_eq!((&settings.host, settings.delete), (&None, DeletePolicy::Refuse));
    assert_eq!(tenancy.profile, Some(profile));
}

#[test]
fn a_setting_that_is_unknown_or_does_not_fit_costs_only_itself() {
    let odd = change(json!({"base_path": 7, "colour": "red", "delete": "perhaps", "tenant": "acme"}));
    let settings = fold([(Subject::Tenant, Event::TenantCreated(odd))]).settings;
    assert_eq!(settings.tenant, "acme");
    assert_eq!((settings.base_path.as_str(), settings.delete), ("", DeletePolicy::Delete));
}

#[test]
fn clients_are_added_and_switched() {
    let id = ClientId(uuid(1));
    let created = change(json!({"name": "default", "kind": "okta", "domain": "d", "enabled": true}));
    let tenancy = fold([
        (Subject::Client(id), Event::ClientCreated(created)),
        (Subject::Client(id), Event::ClientUpdated(change(json!({"enabled": false})))),
        (Subject::Client(ClientId(uuid(2))), Event::ClientUpdated(change(json!({"enabled": false})))),
    ]);
    let expected = Client {
        name: "default".to_owned(),
        kind: ClientKind::Okta,
        domain: "d".to_owned(),
        enabled: false,
        requests_per_second: None,
        silent_since: None,
        created_at: instant(1),
    };
    assert_eq!(tenancy.clients, [(id, expected)].into());
}

#[test]
fn only_a_client_that_is_expected_to_come_is_silent() {
    let (id, token) = (ClientId(uuid(1)), TokenId(uuid(2)));
    let issued = TokenIssued {
        client: Some(id),
        label: "mst_abcd".to_owned(),
        role: Role::Client,
        expires_at: Some(instant(1)),
        sha256: "h".to_owned(),
    };
    let seen = || ClientSeen { seen_at: instant(5), usual_seconds: 60 };
    let mut events = vec![
        (Subject::Client(id), Event::ClientCreated(change(json!({"name": "default"})))),
        (Subject::Token(token), Event::TokenIssued(issued)),
        (Subject::Client(id), Event::ClientSilent(seen())),
    ];
    let since = |events: &[(Subject, Event)]| fold(events.to_vec()).silent_since(id);
    assert_eq!(since(&events), Some(instant(5)), "also with an expired token");
    for (subject, event) in [
        (Subject::Client(id), Event::ClientHeard(seen())),
        (Subject::Token(token), Event::TokenRevoked),
        (Subject::Client(id), Event::ClientUpdated(change(json!({"enabled": false})))),
    ] {
        events.push((subject, event));
        assert_eq!(since(&events), None);
        events.pop();
    }
    events.push((Subject::Client(id), Event::ClientUpdated(change(json!({"enabled": false})))));
    events.push((Subject::Client(id), Event::ClientUpdated(change(json!({"enabled": true})))));
    assert_eq!(since(&events), None, "it may take its time to come");
}

#[test]
fn tokens_are_issued_and_revoked_once() {
    let (id, client) = (TokenId(uuid(1)), ClientId(uuid(2)));
    let issued = TokenIssued {
        client: Some(client),
        label: "mst_abcd".to_owned(),
        role: Role::Client,
        expires_at: Some(instant(99)),
        sha256: "00".to_owned(),
    };
    let tenancy = fold([
        (Subject::Token(id), Event::TokenIssued(issued)),
        (Subject::Token(id), Event::TokenRevoked),
        (Subject::Token(id), Event::TokenRevoked),
        (Subject::Token(TokenId(uuid(3))), Event::TokenRevoked),
    ]);
    let token = &tenancy.tokens[&id];
    assert_eq!(tenancy.tokens.len(), 1);
    assert_eq!((token.client, token.role, token.sha256.as_str()), (Some(client), Role::Client, "00"));
    assert_eq!(
        (token.issued_at, token.expires_at, token.revoked_at),
        (instant(1), Some(instant(99)), Some(instant(2)))
    );
}

#[test]
fn the_registry_knows_tenants_and_operators() {
    let (stream, operator) = (StreamId(uuid(1)), OperatorId(uuid(2)));
    let tenancy = fold([
        (
            Subject::RegisteredTenant(stream),
            Event::TenantRegistered(TenantRegistered { tenant: "acme".to_owned() }),
        ),
        (
            Subject::Operator(operator),
            Event::OperatorCreated(OperatorCreated { name: "root".to_owned(), sha256: "00".to_owned() }),
        ),
        (Subject::RegisteredTenant(stream), Event::TenantClosed),
        (Subject::Operator(operator), Event::OperatorRevoked),
    ]);
    let tenant = RegisteredTenant {
        tenant: "acme".to_owned(),
        registered_at: instant(1),
        closed_at: Some(instant(3)),
    };
    assert_eq!(tenancy.tenants, [(stream, tenant)].into());
    let root = &tenancy.operators[&operator];
    assert_eq!(
        (root.name.as_str(), root.created_at, root.revoked_at),
        ("root", instant(2), Some(instant(4)))
    );
}

#[test]
fn events_that_make_no_sense_change_nothing() {
    let mut tenancy = Tenancy::default();
    for event_type in EventType::ALL {
        let header = header(*event_type, Subject::Tenant, 1);
        tenancy.apply(&Recorded { header, event: Opened::Erased });
    }
    let odd = [
        (Subject::Tenant, Event::TokenRevoked),
        (Subject::Tenant, Event::ClientCreated(change(json!({"name": "x"})))),
        (Subject::Tenant, Event::TenantClosed),
        (Subject::Tenant, Event::OperatorRevoked),
    ];
    assert_eq!((fold(odd), tenancy), (Tenancy::default(), Tenancy::default()));
}

#[test]
fn what_was_recorded_before_a_tenant_became_live_is_withheld_unless_the_event_says_from_the_start() {
    for (created, updates, withheld) in [
        (json!({}), vec![json!({"mode": "live"})], 0),
        (json!({"mode": "observe"}), vec![json!({"delete": "refuse"})], 0),
        (json!({"mode": "observe"}), vec![json!({"mode": "live", "publish_from": "here"})], 1),
        (json!({"mode": "observe"}), vec![json!({"delete": "refuse"}), json!({"mode": "live"})], 2),
        (
            json!({"mode": "observe"}),
            vec![json!({"mode": "live", "publish_from": "here"}), json!({"delete": "refuse"})],
            1,
        ),
        (json!({"mode": "observe"}), vec![json!({"mode": "live", "publish_from": "start"})], 0),
    ] {
        let events = std::iter::once(Event::TenantCreated(change(created)))
            .chain(updates.into_iter().map(|update| Event::TenantUpdated(change(update))));
        let tenancy = fold(events.map(|event| (Subject::Tenant, event)).collect::<Vec<_>>());
        assert_eq!(tenancy.withheld_up_to.0, withheld);
    }
}
