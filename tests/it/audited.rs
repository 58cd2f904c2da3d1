//! What the audit interface tells of requests: the header of every event, its order and its cause.

use serde_json::{Value, json};

use crate::evidence::Watch;
use crate::harness::{TestService, id_of};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// What is compared of an event: type, subject, attributes, `active`.
fn gist(event: &Value) -> Value {
    json!([event["type"], event["subject"], event["attributes"], event["active"]])
}

fn gists(events: &[Value]) -> Value {
    events.iter().map(gist).collect()
}

/// Asserts what holds of the headers of one transaction: one instant, one id, counted from 1.
#[track_caller]
fn assert_one_transaction(events: &[Value]) {
    for (index, event) in events.iter().enumerate() {
        assert_eq!(event["txn"]["id"], events[0]["txn"]["id"]);
        assert_eq!((&event["txn"]["n"], &event["txn"]["of"]), (&json!(index + 1), &json!(events.len())));
        assert_eq!(event["recorded_at"], events[0]["recorded_at"]);
        assert_eq!(event["request"], events[0]["request"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_write_is_an_event_with_the_whole_header() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "okta").await;
    let shown = service.admin("GET", "/admin/v1/tenants/acme", None).await.expect(200);
    let (client, token) = (shown["clients"][0]["id"].clone(), shown["tokens"][0]["id"].clone());
    let begun = service.events("acme", 0).await;
    assert_eq!(
        begun.iter().map(|event| event["type"].clone()).collect::<Value>(),
        json!(["tenant.created", "client.created", "token.issued"])
    );
    assert_one_transaction(&begun);
    let mut watch = Watch::begin(&service, &acme).await;
    let body = json!({
        "schemas": [USER], "userName": "alice@example.com", "externalId": "1", "password": "secret",
        "name": {"givenName": "A"}, "emails": [{"value": "a@example.com"}], ENTERPRISE: {"department": "Tours"},
    });
    let headers = [("User-Agent", "Okta SCIM Client 1.0.0"), ("X-Forwarded-For", "203.0.113.9")];
    let made = acme.send_with("POST", "/Users", &headers, Some(body.to_string().into_bytes())).await;
    let request = made.header("x-request-id").expect("every answer has one").to_owned();
    let made = made.expect(201);
    let id = id_of(&made);
    let events = watch.events().await;
    let [event] = events.as_slice() else { panic!("{events:?}") };
    let mut names: Vec<&str> = event.as_object().unwrap().keys().map(String::as_str).collect();
    names.retain(|name| *name != "data");
    let mut expected = vec![
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
    expected.sort_unstable();
    assert_eq!(names, expected);
    let department = format!("{ENTERPRISE}:department");
    assert_eq!(
        gist(event),
        json!([
            "user.created",
            format!("users/{id}"),
            ["active", "emails", "externalId", "name.givenName", department, "userName"],
            [null, true],
        ])
    );
    assert_eq!(event["actor"], json!({"kind": "client", "id": client, "token": token}));
    assert_eq!((&event["v"], &event["format"], &event["via"]), (&json!(1), &json!(1), &json!("scim.post")));
    assert_eq!((&event["stream"], &event["request"]), (&shown["stream"], &json!(request)));
    assert_eq!((&event["revision"], &event["cause"]), (&json!(4), &Value::Null));
    assert_eq!(made["meta"]["version"], "W/\"4\"");
    assert_eq!(event["recorded_at"], made["meta"]["created"]);
    assert!(event["received_at"].as_str().unwrap() <= event["recorded_at"].as_str().unwrap());
    for name in ["received_at", "recorded_at"] {
        let time = event[name].as_str().unwrap();
        assert!(time.len() == 27 && time.ends_with('Z'), "six decimals, UTC: {time}");
    }
    assert!(
        event["payload"].as_str().is_some_and(|digest| digest.len() == 71 && digest.starts_with("sha256:"))
    );
    assert!(event["key"].is_u64());
    let data = &event["data"];
    assert_eq!(data["context"], json!({"source_ip": "127.0.0.1", "user_agent": "Okta SCIM Client 1.0.0"}));
    assert_eq!(data["external_ids"].as_object().unwrap().values().collect::<Vec<_>>(), ["1"]);
    assert_eq!(data["patch"]["userName"], "alice@example.com");
    assert_eq!((data["patch"].get("password"), data["patch"].get("externalId")), (None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_one_request_are_one_transaction_in_the_order_of_their_meaning() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let (alice, bob) = (acme.user("alice@example.com").await, acme.user("bob@example.com").await);
    let (one, two) = (acme.group("one", &[&alice, &bob]).await, acme.group("two", &[&alice]).await);
    let (user, path) = (format!("users/{alice}"), format!("/Users/{alice}"));
    let mut watch = Watch::begin(&service, &acme).await;

    let leave = json!([
        {"op": "replace", "path": "active", "value": false},
        {"op": "add", "path": "title", "value": "Former guide"},
        {"op": "add", "path": "name.familyName", "value": "A"},
    ]);
    acme.patch(&path, leave).await.expect(200);
    let events = watch.events().await;
    assert_eq!(
        gists(&events),
        json!([
            ["user.updated", user, ["name.familyName", "title"], [true, true]],
            ["user.deactivated", user, ["active"], [true, false]],
        ])
    );
    assert_one_transaction(&events);
    assert!(events.iter().all(|event| event["via"] == "scim.patch"));

    let body = json!({"schemas": [USER], "userName": "alice@example.com", "active": true});
    acme.put(&path, body).await.expect(200);
    let events = watch.events().await;
    assert_eq!(
        gists(&events),
        json!([
            ["user.updated", user, ["name.familyName", "title"], [false, false]],
            ["user.reactivated", user, ["active"], [false, true]],
        ])
    );
    assert!(events.iter().all(|event| event["via"] == "scim.put"));

    acme.delete(&path).await.expect(204);
    let events = watch.events().await;
    let (of_one, of_two) = (format!("groups/{one}"), format!("groups/{two}"));
    assert_eq!(
        gists(&events),
        json!([
            ["group.members_removed", of_one, ["members"], null],
            ["group.members_removed", of_two, ["members"], null],
            ["user.deleted", user, [], [true, null]],
        ])
    );
    assert_one_transaction(&events);
    let cause = json!({"stream": events[2]["stream"], "id": events[2]["id"]});
    assert_eq!(
        (&events[0]["cause"], &events[1]["cause"], &events[2]["cause"]),
        (&cause, &cause, &Value::Null)
    );
    assert_eq!(events[0]["data"], json!({"members": [[alice, "User"]]}));
    assert_eq!((&events[0]["key"], &events[2]["via"]), (&Value::Null, &json!("scim.delete")));

    let put = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "ONE", "members": [{"value": two}]});
    acme.put(&format!("/Groups/{one}"), put).await.expect(200);
    let events = watch.events().await;
    assert_eq!(
        gists(&events),
        json!([
            ["group.updated", of_one, ["displayName"], null],
            ["group.members_removed", of_one, ["members"], null],
            ["group.members_added", of_one, ["members"], null],
        ])
    );
    assert_one_transaction(&events);
    assert_eq!(
        (&events[1]["data"], &events[2]["data"]),
        (&json!({"members": [[bob, "User"]]}), &json!({"members": [[two, "Group"]]}))
    );
    acme.delete(&format!("/Groups/{two}")).await.expect(204);
    let events = watch.events().await;
    assert_eq!(
        gists(&events),
        json!([["group.members_removed", of_one, ["members"], null], ["group.deleted", of_two, [], null]])
    );
    assert_eq!(events[0]["cause"]["id"], events[1]["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_membership_event_names_a_thousand_members_at_most() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let names: Vec<String> = (0..1_001).map(|number| format!("u{number}@example.com")).collect();
    let mut ids = Vec::new();
    for names in names.chunks(64) {
        ids.extend(futures_util::future::join_all(names.iter().map(|name| acme.user(name))).await);
    }
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut watch = Watch::begin(&service, &acme).await;
    let group = acme.group("everybody", &ids).await;
    let events = watch.events().await;
    let sizes = |events: &[Value]| -> Vec<usize> {
        events.iter().filter_map(|event| Some(event["data"]["members"].as_array()?.len())).collect()
    };
    assert_eq!(sizes(&events), [1_000, 1]);
    assert_one_transaction(&events);
    let shown = acme.get(&format!("/Groups/{group}")).await.expect(200);
    assert_eq!(shown["members"].as_array().unwrap().len(), 1_001);
    assert_eq!(shown["meta"]["version"], json!(format!("W/\"{}\"", events[2]["revision"])));
    acme.delete(&format!("/Groups/{group}")).await.expect(204);
    assert_eq!(sizes(&watch.events().await), [1_000, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn administrative_changes_are_events_of_the_operator() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let operators = service.admin("GET", "/admin/v1/operators", None).await.expect(200);
    let root = operators["operators"][0]["id"].clone();
    let mut watch = Watch::begin(&service, &acme).await;
    service.set(&acme, json!({"initial": "invited"})).await;
    service.set(&acme, json!({"initial": "invited"})).await;
    let user = acme.user("alice@example.com").await;
    let activate = format!("/admin/v1/tenants/acme/users/{user}/activate");
    service.admin("POST", &activate, None).await.expect(200);
    service.client(&acme, "other", "entra").await;
    let off = json!({"enabled": false});
    service.admin("PATCH", "/admin/v1/tenants/acme/clients/other", Some(off)).await.expect(200);
    let issued = service.token("acme", json!({"role": "auditor", "expires_in": 60})).await;
    let path = format!("/admin/v1/tenants/acme/tokens/{}", issued.id);
    service.admin("DELETE", &path, None).await.expect(200);
    service.admin("DELETE", &path, None).await.expect(200);
    service
        .admin("POST", "/admin/v1/tenants/acme/groups", Some(json!({"displayName": "Guides"})))
        .await
        .expect(201);
    let events = watch.events().await;
    let types: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(
        types,
        [
            "tenant.updated",
            "user.created",
            "user.activated",
            "client.created",
            "token.issued",
            "client.updated",
            "token.issued",
            "token.revoked",
            "group.created",
        ]
    );
    for event in events.iter().filter(|event| event["type"] != "user.created") {
        assert_eq!(event["actor"], json!({"kind": "operator", "id": root, "token": null}), "{event}");
        assert_eq!(event["via"], "admin");
    }
    assert_eq!(events[0]["data"]["settings"], json!({"initial": "invited"}));
    let issued_event = events[6]["data"].as_object().unwrap();
    assert!(!issued_event.values().any(|value| value == &json!(issued.token)), "the token itself is nowhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_found_by_revision_subject_and_type() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let alice = acme.user("alice@example.com").await;
    acme.group("Guides", &[&alice]).await;
    acme.delete(&format!("/Users/{alice}")).await.expect(204);
    let ask = async |parameters: &str| {
        let answer =
            service.admin("GET", &format!("/audit/v1/acme/events?{parameters}"), None).await.expect(200);
        assert_eq!(answer["position"], 8, "{parameters}");
        let events = answer["events"].as_array().unwrap();
        events.iter().map(|event| event["revision"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(ask("").await, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(ask("after=5").await, [6, 7, 8]);
    assert_eq!(ask("after=2&limit=3").await, [3, 4, 5]);
    assert_eq!(ask("after=8").await, Vec::<u64>::new());
    assert_eq!(ask("after=18446744073709551615").await, Vec::<u64>::new());
    assert_eq!(ask("limit=0").await, Vec::<u64>::new());
    assert_eq!(ask(&format!("subject=users/{alice}")).await, [4, 8]);
    assert_eq!(ask("type=group.members_removed").await, [7]);
    assert_eq!(ask(&format!("subject=users/{alice}&type=user.deleted&after=4&limit=1")).await, [8]);
    for wrong in ["after=x", "after=-1", "limit=many", "subject=alice", "type=user", "type=user.exploded"] {
        let refused = service.admin("GET", &format!("/audit/v1/acme/events?{wrong}"), None).await;
        assert_eq!(
            (refused.status, &refused.body["error"]["code"]),
            (400, &json!("parameter_invalid")),
            "{wrong}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_about_nobody_or_no_time_are_refused_by_parameter() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    acme.user("alice@example.com").await;
    for (question, status, code) in [
        ("timeline", 400, "parameter_invalid"),
        ("timeline?user=", 400, "parameter_invalid"),
        ("timeline?user=nobody%40example.com", 404, "user_not_found"),
        ("timeline?user=0198c0de-0000-7000-8000-00000000000a", 404, "user_not_found"),
        ("timeline?user=%ff", 400, "query_encoding"),
        ("access", 400, "parameter_invalid"),
        ("access?at=yesterday", 400, "parameter_invalid"),
        ("access?at=2026-06-30", 400, "parameter_invalid"),
        ("access?at=2099-01-01T00:00:00Z&group=nobody", 404, "group_not_found"),
    ] {
        let refused = service.admin("GET", &format!("/audit/v1/acme/{question}"), None).await;
        assert_eq!((refused.status, &refused.body["error"]["code"]), (status, &json!(code)), "{question}");
        assert!(
            !refused.text.contains("nobody@example.com") && !refused.text.contains("yesterday"),
            "{}",
            refused.text
        );
    }
    let found =
        service.admin("GET", "/audit/v1/acme/access?at=2099-01-01T01:00:00%2B01:00", None).await.expect(200);
    assert_eq!(found["users"].as_array().unwrap().len(), 1);
    let before =
        service.admin("GET", "/audit/v1/acme/access?at=2001-01-01T00:00:00Z", None).await.expect(200);
    assert_eq!((&before["users"], &before["position"]), (&json!([]), &json!(0)));
}
