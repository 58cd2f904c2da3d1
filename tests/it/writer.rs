//! The single writer of a tenant: batches, races, keys, transactions; and a log that nobody changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;
use provisioning::Revision;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::harness::{Answer, Tenant, TestService, id_of};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

fn named(user_name: &str) -> Value {
    json!({"schemas": [USER], "userName": user_name})
}

/// Makes the person of that number.
async fn person(tenant: &Tenant, number: usize) -> String {
    tenant.user(&format!("person{number}@example.com")).await
}

async fn patched(tenant: &Tenant, user: &str, operations: Value) -> Answer {
    tenant.patch(&format!("/Users/{user}"), operations).await
}

/// All events of the tenant `acme`, page by page.
async fn events(service: &TestService) -> Vec<Value> {
    let mut events = Vec::new();
    loop {
        let path = format!("/audit/v1/acme/events?limit=1000&after={}", events.len());
        let mut page = service.admin("GET", &path, None).await.expect(200);
        match page["events"].take() {
            Value::Array(page) if !page.is_empty() => events.extend(page),
            _ => return events,
        }
    }
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer} of {value}"))
}

/// Revisions 1, 2, 3 …; transactions whole, each with one instant, one request and one actor.
#[track_caller]
fn assert_well_formed(events: &[Value]) {
    let mut transactions: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    let mut last = String::new();
    for (event, revision) in events.iter().zip(1..) {
        assert_eq!(event["revision"], json!(revision));
        let recorded_at = text(event, "/recorded_at");
        assert!(last.as_str() <= recorded_at, "revision {revision}");
        recorded_at.clone_into(&mut last);
        transactions.entry(text(event, "/txn/id")).or_default().push(event);
    }
    let ids: BTreeSet<_> = events.iter().map(|event| text(event, "/id")).collect();
    assert_eq!(ids.len(), events.len());
    for transaction in transactions.values() {
        for (event, n) in transaction.iter().zip(1..) {
            assert_eq!((&event["txn"]["n"], &event["txn"]["of"]), (&json!(n), &json!(transaction.len())));
            for shared in ["recorded_at", "received_at", "request", "actor", "via", "stream"] {
                assert_eq!(event[shared], transaction[0][shared], "{shared} of {event}");
            }
            let first = transaction[0]["revision"].as_u64().unwrap();
            assert_eq!(event["revision"], json!(first + n - 1), "a transaction is not interrupted");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_are_all_recorded_once_and_each_caller_learns_its_own() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "okta").await;
    let names: Vec<String> = (0..64).map(|number| format!("person{number}@example.com")).collect();
    let answers = join_all(names.iter().map(|name| acme.post("/Users", named(name)))).await;
    let mut revisions = BTreeSet::new();
    for (name, answer) in names.iter().zip(answers) {
        let tag = answer.header("etag").unwrap().to_owned();
        let made = answer.expect(201);
        assert_eq!(made["userName"], json!(name));
        assert_eq!(made["meta"]["version"], json!(tag));
        revisions.insert(tag.trim_start_matches("W/\"").trim_end_matches('"').parse::<u64>().unwrap());
        assert_eq!(acme.get(&format!("/Users/{}", id_of(&made))).await.expect(200), made);
    }
    assert_eq!(revisions, (4..68).collect());
    let events = events(&service).await;
    assert_eq!(events.len(), 67);
    assert_well_formed(&events);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_or_changes_nothing_does_not_harm_what_is_decided_beside_it() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "entra").await;
    let taken = acme.user("taken@example.com").await;
    let good = |number: usize| acme.post("/Users", named(&format!("good{number}@example.com")));
    let conflict = || acme.post("/Users", named("TAKEN@example.com"));
    let unknown = || acme.delete("/Users/01a202c9-760f-705d-b697-ca542c208fb3");
    let same = || patched(&acme, &taken, json!([{"op": "replace", "path": "active", "value": true}]));
    let stranger = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
        "displayName": "Strangers",
        "members": [{"value": "01a202c9-760f-705d-b697-ca542c208fb3"}]
    });
    for round in 0..8 {
        let rounds = (0..8).map(|number| good(round * 8 + number));
        let (made, conflict, unknown, same, stranger) = tokio::join!(
            join_all(rounds),
            conflict(),
            unknown(),
            same(),
            acme.post("/Groups", stranger.clone())
        );
        for answer in made {
            answer.expect(201);
        }
        conflict.refused(409, Some("uniqueness"), "user_name_taken");
        unknown.refused(404, None, "resource_not_found");
        assert_eq!(same.expect(200)["meta"]["version"], "W/\"4\"");
        stranger.refused(400, Some("invalidValue"), "unknown_member");
    }
    let events = events(&service).await;
    assert_well_formed(&events);
    assert_eq!(events.len(), 3 + 1 + 64, "nothing else is recorded");
    let check = service.admin("POST", "/admin/v1/tenants/acme/projections/check", None).await.expect(200);
    assert_eq!(check["equal"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_want_the_same_name_at_once_one_gets_it() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "okta").await;
    for number in 0..40 {
        let (lower, upper) = (format!("same{number}@example.com"), format!("SAME{number}@example.com"));
        let (one, other) =
            tokio::join!(acme.post("/Users", named(&lower)), acme.post("/Users", named(&upper)));
        let (won, lost) = if one.status == 201 { (one, other) } else { (other, one) };
        won.expect(201);
        lost.refused(409, Some("uniqueness"), "user_name_taken");
    }
    assert_eq!(acme.get("/Users?count=1").await.expect(200)["totalResults"], 40);
    assert_eq!(events(&service).await.len(), 43);
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_people_have_a_key_each_and_go_on_after_a_restart() {
    const PEOPLE: usize = 3_000;
    const AT_ONCE: usize = 60;
    let mut service = TestService::start().await;
    let mut acme = service.create_tenant("acme", "okta").await;
    for first in (0..PEOPLE).step_by(AT_ONCE) {
        if first == PEOPLE / 2 {
            service.restarted(|_| ()).await;
            acme.base_url = format!("{}/acme/scim/v2", service.url);
        }
        let people = (first..first + AT_ONCE).map(|number| person(&acme, number));
        let ids = join_all(people).await;
        patched(&acme, &ids[0], json!([{"op": "replace", "value": {"active": false, "title": "T"}}]))
            .await
            .expect(200);
    }
    let events = events(&service).await;
    assert_well_formed(&events);
    assert_eq!(events.len(), 3 + PEOPLE + 2 * (PEOPLE / AT_ONCE));
    let mut keys: BTreeMap<u64, &str> = BTreeMap::new();
    for event in &events {
        let subject = text(event, "/subject");
        // Clients and tokens share the key of the tenant.
        let owner = if subject.starts_with("users/") { subject } else { "tenant" };
        let key = event["key"].as_u64().expect("everything here is sealed");
        assert_eq!(*keys.entry(key).or_insert(owner), owner, "key {key}");
    }
    let owners: BTreeSet<_> = keys.values().collect();
    assert_eq!((owners.len(), keys.len()), (PEOPLE + 1, PEOPLE + 1), "one key each, for ever");
    assert_eq!(keys.keys().copied().collect::<Vec<_>>(), (1..=PEOPLE as u64 + 1).collect::<Vec<_>>());
    let check = service.admin("POST", "/admin/v1/tenants/acme/projections/check", None).await.expect(200);
    assert_eq!(check["equal"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_names_its_cause_and_its_whole() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "okta").await;
    let user = acme.user("kim@example.com").await;
    let groups = [acme.group("One", &[&user]).await, acme.group("Two", &[&user]).await];
    acme.delete(&format!("/Users/{user}")).await.expect(204);
    let events = events(&service).await;
    assert_well_formed(&events);
    let [first, second, deleted] = &events[events.len() - 3..] else { panic!("three events") };
    assert_eq!((&deleted["type"], &deleted["cause"]), (&json!("user.deleted"), &Value::Null));
    assert_eq!(deleted["active"], json!([true, null]));
    for (event, group) in [first, second].into_iter().zip(groups) {
        assert_eq!(
            (&event["type"], text(event, "/subject")),
            (&json!("group.members_removed"), &*format!("groups/{group}"))
        );
        assert_eq!(event["cause"], json!({"stream": deleted["stream"], "id": deleted["id"]}));
        assert_eq!(event["data"], json!({"members": [[user, "User"]]}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_recorded_in_a_tenant_that_was_closed() {
    let mut service = TestService::start().await;
    let acme = service.create_tenant("acme", "okta").await;
    let directory = service.house().directories.tenant("acme").unwrap();
    let close = async {
        person(&acme, 1_000).await;
        service.admin("DELETE", "/admin/v1/tenants/acme", None).await.expect(200);
    };
    let bodies = (0..200).map(|number| named(&format!("person{number}@example.com")));
    let (answers, ()) = tokio::join!(join_all(bodies.map(|body| acme.post("/Users", body))), close);
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    let turned_away = answers.iter().filter(|answer| [401, 404, 409, 503].contains(&answer.status)).count();
    assert_eq!(made + turned_away, answers.len());

    let recorded = directory.recorded(Revision::ZERO, usize::MAX).unwrap();
    assert_eq!(recorded.len(), 3 + 1 + made, "what was answered is recorded, and nothing else");
    let system = Arc::clone(service.house().directories.system());
    let closed = system.recorded(Revision(system.position().0 - 1), 1).unwrap().remove(0).header;
    assert_eq!(closed.event_type.as_str(), "tenant.closed");
    assert!(recorded.iter().all(|event| event.header.recorded_at <= closed.recorded_at));
    drop((directory, system));
    service.restarted(|_| ()).await;
    let tenants = service.admin("GET", "/admin/v1/tenants", None).await.expect(200);
    assert_eq!(tenants["tenants"][0]["state"], "closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_of_the_events_is_the_header_and_its_data() {
    let service = TestService::start().await;
    service.create_tenant("acme", "okta").await;
    let item = events(&service).await.remove(0);
    let names: BTreeSet<&str> = item.as_object().unwrap().keys().map(String::as_str).collect();
    let header = [
        "v",
        "stream",
        "revision",
        "id",
        "type",
        "format",
        "subject",
        "attributes",
        "active",
        "received_at",
        "recorded_at",
        "actor",
        "via",
        "request",
        "txn",
        "cause",
        "key",
        "payload",
    ];
    assert_eq!(names, header.into_iter().chain(["data"]).collect());
    assert_eq!(item["data"]["settings"]["tenant"], "acme");
    let directory = service.house().directories.tenant("acme").unwrap();
    let stored: Value =
        serde_json::from_slice(&directory.stored(Revision::ZERO, 1).unwrap()[0].header).unwrap();
    assert!(header.iter().all(|field| stored[field] == item[field]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_lets_nobody_change_or_take_away_what_it_holds() {
    let mut service = TestService::start().await;
    let acme = service.create_tenant("acme", "okta").await;
    acme.user("kim@example.com").await;
    let before = events(&service).await;
    let file = service.tenant_folder("acme").join("log.db");
    let statements = [
        "UPDATE events SET header = '{}'",
        "UPDATE events SET payload = NULL WHERE revision = 4",
        "UPDATE events SET revision = 100 WHERE revision = 4",
        "DELETE FROM events",
        "DELETE FROM events WHERE revision = 4",
        "REPLACE INTO events (revision, id, header, payload, hashes) SELECT revision, id, '{}', payload, hashes FROM events WHERE revision = 4",
        "INSERT OR REPLACE INTO events (revision, id, header, payload, hashes) SELECT 5, id, header, payload, hashes FROM events WHERE revision = 4",
        "INSERT INTO events (revision, id, header, payload, hashes) SELECT 2, 'x', header, payload, hashes FROM events WHERE revision = 4",
        "INSERT INTO events (revision, id, header, payload, hashes) SELECT 7, 'x', header, payload, hashes FROM events WHERE revision = 4",
        "INSERT INTO events (revision, id, header, payload, hashes) SELECT 4, id, '{}', payload, hashes FROM events WHERE revision = 4 ON CONFLICT DO UPDATE SET header = '{}'",
        "UPDATE meta SET stream = 'x'",
        "DELETE FROM meta",
    ];
    let refuse = |file: &std::path::Path| {
        let log = Connection::open(file).unwrap();
        for statement in statements {
            let refused = log.execute(statement, []).expect_err(statement).to_string();
            assert!(refused.contains("the log is append-only"), "{statement}: {refused}");
        }
    };
    refuse(&file);
    service.restarted(|_| refuse(&file)).await;
    assert_eq!(events(&service).await, before);
}
