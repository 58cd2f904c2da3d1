//! Who is let in, and for how long: clients, their tokens, auditors, operators.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use muster::app::Sources;
use muster::clock::{Clock as _, ManualClock};
use muster::expiry;
use provisioning::Timestamp;
use serde_json::{Value, json};

use crate::evidence::files_with;
use crate::harness::{Answer, Tenant, TestService, send};

#[track_caller]
fn assert_refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, &answer.body["error"]["code"]), (status, &json!(code)), "{}", answer.text);
}

/// A request with a token of any kind.
async fn as_bearer(
    service: &TestService,
    token: &str,
    method: &str,
    path: &str,
    body: Option<Value>,
) -> Answer {
    let headers = vec![
        ("Authorization".to_owned(), format!("Bearer {token}")),
        ("Content-Type".to_owned(), "application/json".to_owned()),
    ];
    let body = body.map(|body| body.to_string().into_bytes());
    send(method, &format!("{}{path}", service.url), headers, body).await
}

fn with_token(tenant: &Tenant, token: &str) -> Tenant {
    Tenant { token: token.to_owned(), ..tenant.clone() }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tokens_of_a_client_overlap_and_a_revoked_one_ends_at_once() {
    let mut service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let second = service.token("acme", json!({})).await;
    let rotated = with_token(&acme, &second.token);
    acme.get("/Users").await.expect(200);
    rotated.get("/Users").await.expect(200);
    let third =
        service.admin("POST", "/admin/v1/tenants/acme/tokens", Some(json!({"client": "default"}))).await;
    assert_refused(&third, 409, "too_many_tokens");

    let tokens = service.admin("GET", "/admin/v1/tenants/acme/tokens", None).await.expect(200);
    let tokens = tokens["tokens"].as_array().unwrap().clone();
    assert_eq!(tokens.len(), 2);
    let first = tokens.iter().find(|token| token["id"] != json!(second.id)).unwrap();
    let path = format!("/admin/v1/tenants/acme/tokens/{}", first["id"].as_str().unwrap());
    let revoked = service.admin("DELETE", &path, None).await.expect(200);
    assert_eq!(revoked, json!({"id": first["id"], "revoked": true}));
    acme.get("/Users").await.refused(401, None, "token_invalid");
    rotated.get("/Users").await.expect(200);
    service.token("acme", json!({})).await;
    for unknown in ["0198c0de-0000-7000-8000-00000000000a", "x", "..%2F"] {
        let refused =
            service.admin("DELETE", &format!("/admin/v1/tenants/acme/tokens/{unknown}"), None).await;
        assert_eq!((refused.status, &refused.body["error"]["code"]), (404, &json!("token_not_found")));
    }
    for (asked, status) in [
        (json!({"client": "nobody"}), 404),
        (json!({"role": "operator"}), 400),
        (json!({"expires_in": 0}), 400),
        (json!({"expires_in": -1}), 400),
        (json!({"expires_in": 1e18}), 400),
        (json!({"colour": "red"}), 400),
    ] {
        let refused = service.admin("POST", "/admin/v1/tenants/acme/tokens", Some(asked.clone())).await;
        assert_eq!(refused.status, status, "{asked}: {}", refused.text);
    }

    service.restarted(|_| ()).await;
    let (acme, rotated) = (moved(&service, &acme), moved(&service, &rotated));
    acme.get("/Users").await.refused(401, None, "token_invalid");
    rotated.get("/Users").await.expect(200);
    let none: Vec<PathBuf> = Vec::new();
    for token in [&acme.token, &rotated.token, &second.token] {
        assert_eq!(files_with(service.data(), token.as_bytes()), none, "only a hash of a token is kept");
        assert_eq!(files_with(service.data(), &token.as_bytes()[4..36]), none);
    }
    let root = service.operator_token();
    assert_eq!(files_with(service.data(), root.as_bytes()), [service.data().join("operator.token")]);
}

/// The tenant after the service took another port.
fn moved(service: &TestService, tenant: &Tenant) -> Tenant {
    Tenant { base_url: format!("{}/{}/scim/v2", service.url, tenant.name), ..tenant.clone() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_ends_with_its_time() {
    let clock = Arc::new(ManualClock::at(ManualClock::START));
    let sources = Sources { clock: Arc::clone(&clock) as _, ..Sources::default() };
    let service = TestService::start_with(|_| (), sources).await;
    let acme = service.create_tenant("acme", "generic").await;
    let short = service.token("acme", json!({"expires_in": 60})).await;
    let auditor = service.token("acme", json!({"role": "auditor", "expires_in": 60})).await;
    let short = with_token(&acme, &short.token);
    clock.advance(Duration::from_secs(59));
    short.get("/Users").await.expect(200);
    as_bearer(&service, &auditor.token, "GET", "/audit/v1/acme/events", None).await.expect(200);
    let full = service.admin("POST", "/admin/v1/tenants/acme/tokens", Some(json!({}))).await;
    assert_refused(&full, 409, "too_many_tokens");
    clock.advance(Duration::from_secs(1));
    short.get("/Users").await.refused(401, None, "token_expired");
    let refused = as_bearer(&service, &auditor.token, "GET", "/audit/v1/acme/events", None).await;
    assert_eq!(refused.status, 401, "{}", refused.text);
    acme.get("/Users").await.expect(200);
    service.token("acme", json!({})).await;
}

const DAY: Duration = Duration::from_hours(24);

/// A service whose clock stands still until it is moved.
async fn timed() -> (TestService, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::default());
    let sources = Sources { clock: Arc::clone(&clock) as _, ..Sources::default() };
    (TestService::start_with(|_| (), sources).await, clock)
}

/// A token as it is listed.
async fn listed(service: &TestService, id: &str) -> Value {
    let tokens = service.admin("GET", "/admin/v1/tenants/acme/tokens", None).await.expect(200);
    let mut tokens = tokens["tokens"].as_array().unwrap().iter();
    tokens.find(|token| token["id"] == id).unwrap().clone()
}

/// How many tokens the metric counts that end within 30, 7 and 1 day.
async fn expiring(service: &TestService) -> [String; 3] {
    let metrics = service.admin("GET", "/metrics", None).await.text;
    ["30", "7", "1"].map(|days| {
        let name = format!("muster_expiring_tokens{{tenant=\"acme\",days=\"{days}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&name)).unwrap_or_default().to_owned()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_token_is_warned_of_30_7_and_1_day_before_once_each_across_restarts() {
    let (mut service, clock) = timed().await;
    service.create_tenant("acme", "entra").await;
    let days = |days: u64| json!({"client": "default", "expires_in": days * DAY.as_secs()});
    let long = service.token("acme", days(40)).await.id;
    let auditor = service.token("acme", json!({"role": "auditor", "expires_in": 5 * DAY.as_secs()})).await.id;
    for (day, due, counted) in [
        (0, vec![(&auditor, 7)], ["1", "1", "0"]),
        (4, vec![(&auditor, 1)], ["1", "1", "1"]),
        (9, vec![], ["0", "0", "0"]),
        (10, vec![(&long, 30)], ["1", "0", "0"]),
        (32, vec![], ["1", "0", "0"]),
        (33, vec![(&long, 7)], ["1", "1", "0"]),
        (39, vec![(&long, 1)], ["1", "1", "1"]),
        (40, vec![], ["0", "0", "0"]),
    ] {
        clock.set(Timestamp(ManualClock::START.0 + i64::try_from((DAY * day).as_micros()).unwrap()));
        let directories = Arc::clone(&service.house().directories);
        let warnings = expiry::sweep(&directories).await;
        let told: Vec<_> = warnings.iter().map(|told| (told.token.to_string(), told.days)).collect();
        let due: Vec<_> = due.into_iter().map(|(id, days)| (id.clone(), days)).collect();
        assert_eq!(told, due, "day {day}");
        assert_eq!(expiring(&service).await, counted, "day {day}");
        for (id, days) in due {
            assert_eq!(listed(&service, &id).await["expires_within_days"], days);
        }
        drop(directories);
        service.restarted(|_| ()).await;
        let directories = Arc::clone(&service.house().directories);
        assert_eq!(expiry::sweep(&directories).await, [], "day {day}");
    }
    assert_eq!(listed(&service, &long).await["expires_within_days"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_warned_of_a_revoked_token_or_a_closed_tenant() {
    let (service, _clock) = timed().await;
    service.create_tenant("acme", "entra").await;
    let expires = json!({"role": "auditor", "expires_in": 60});
    let [revoked, _] = [service.token("acme", expires.clone()).await, service.token("acme", expires).await];
    service.admin("DELETE", &format!("/admin/v1/tenants/acme/tokens/{}", revoked.id), None).await.expect(200);
    assert_eq!(expiring(&service).await, ["1", "1", "1"]);
    service.admin("DELETE", "/admin/v1/tenants/acme", None).await.expect(200);
    assert_eq!(expiry::sweep(&service.house().directories).await, []);
    assert!(["", "0"].contains(&&*expiring(&service).await[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_use_of_a_token_is_listed_and_outlasts_a_restart() {
    let (mut service, clock) = timed().await;
    let acme = service.create_tenant("acme", "entra").await;
    let short = service.token("acme", json!({"expires_in": 60})).await;
    let auditor = service.token("acme", json!({"role": "auditor"})).await;
    assert_eq!(listed(&service, &short.id).await["last_used_at"], Value::Null);
    let first = with_token(&acme, &short.token);
    for _ in 0..3 {
        clock.advance(Duration::from_secs(10));
        first.get("/Users").await.expect(200);
    }
    as_bearer(&service, &auditor.token, "GET", "/audit/v1/acme/events", None).await.expect(200);
    let used = json!(clock.now());
    // Whoever shows a token that does not count any more does not use it.
    clock.advance(Duration::from_mins(1));
    first.get("/Users").await.refused(401, None, "token_expired");
    for _ in 0..2 {
        for id in [&short.id, &auditor.id] {
            assert_eq!(listed(&service, id).await["last_used_at"], used);
        }
        service.restarted(|_| ()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_switched_off_is_answered_403_and_loses_nothing() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "okta").await;
    let other = service.client(&acme, "Entra (Europe)", "entra").await;
    let alice = acme.user("alice@example.com").await;
    let switch = async |name: &str, enabled: bool| {
        let path = format!("/admin/v1/tenants/acme/clients/{name}");
        let answer = service.admin("PATCH", &path, Some(json!({ "enabled": enabled }))).await.expect(200);
        assert_eq!(answer["enabled"], enabled);
    };
    switch("default", false).await;
    for (method, path) in
        [("GET", "/Users"), ("DELETE", &*format!("/Users/{alice}")), ("GET", "/Schemas"), ("GET", "/nothing")]
    {
        acme.send(method, path, None).await.refused(403, None, "client_disabled");
    }
    other.get(&format!("/Users/{alice}")).await.expect(200);
    switch("Entra%20%28Europe%29", false).await;
    other.get("/Users").await.refused(403, None, "client_disabled");
    switch("DEFAULT", true).await;
    acme.get(&format!("/Users/{alice}")).await.expect(200);

    let clients = service.admin("GET", "/admin/v1/tenants/acme/clients", None).await.expect(200);
    let names: Vec<_> =
        clients["clients"].as_array().unwrap().iter().map(|client| client["name"].clone()).collect();
    assert_eq!(names, ["default", "Entra (Europe)"]);
    for (body, status, code) in [
        (json!({"name": "DEFAULT"}), 409, "client_name_taken"),
        (json!({"name": ""}), 400, "client_name_invalid"),
        (json!({"name": "x\ny"}), 400, "client_name_invalid"),
        (json!({"name": "x", "replaces": "nobody"}), 404, "client_not_found"),
        (json!({"name": "x", "kind": "ldap"}), 400, "body_invalid"),
    ] {
        let refused = service.admin("POST", "/admin/v1/tenants/acme/clients", Some(body)).await;
        assert_refused(&refused, status, code);
    }
    let nobody =
        service.admin("PATCH", "/admin/v1/tenants/acme/clients/nobody", Some(json!({"enabled": true}))).await;
    assert_refused(&nobody, 404, "client_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_reads_the_audit_interface_of_one_tenant_and_nothing_else() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let beta = service.create_tenant("beta", "generic").await;
    let alice = acme.user("alice@example.com").await;
    let auditor = service.token("acme", json!({"role": "auditor"})).await.token;
    for report in ["events", "timeline?user=alice@example.com", "access?at=2099-01-01T00:00:00Z"] {
        as_bearer(&service, &auditor, "GET", &format!("/audit/v1/acme/{report}"), None).await.expect(200);
        let other = as_bearer(&service, &auditor, "GET", &format!("/audit/v1/beta/{report}"), None).await;
        assert_refused(&other, 404, "tenant_not_found");
        for (token, status, code) in [
            (acme.token.as_str(), 403, "token_role"),
            (&beta.token, 403, "token_role"),
            ("x", 401, "token_invalid"),
        ] {
            let refused = as_bearer(&service, token, "GET", &format!("/audit/v1/acme/{report}"), None).await;
            assert_refused(&refused, status, code);
        }
        let anonymous =
            send("GET", &format!("{}/audit/v1/acme/{report}", service.url), Vec::new(), None).await;
        assert_refused(&anonymous, 401, "token_missing");
        assert!(anonymous.header("www-authenticate").is_some());
    }
    let as_auditor = with_token(&acme, &auditor);
    for (method, path) in [
        ("GET", "/Users"),
        ("GET", &*format!("/Users/{alice}")),
        ("DELETE", &*format!("/Users/{alice}")),
        ("GET", "/Schemas"),
    ] {
        as_auditor.send(method, path, None).await.refused(403, None, "token_role");
    }
    for (method, path) in [
        ("GET", "/admin/v1/tenants"),
        ("GET", "/admin/v1/tenants/acme"),
        ("DELETE", "/admin/v1/tenants/acme"),
        ("GET", "/admin/v1/operators"),
        ("GET", "/admin/v1/outbox"),
    ] {
        for token in [&auditor, &acme.token] {
            assert_refused(&as_bearer(&service, token, method, path, None).await, 401, "token_invalid");
        }
    }
    acme.get(&format!("/Users/{alice}")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_are_made_used_and_revoked() {
    let mut service = TestService::start().await;
    let made =
        service.admin("POST", "/admin/v1/operators", Some(json!({"name": "Night shift"}))).await.expect(201);
    let token = made["token"].as_str().unwrap().to_owned();
    as_bearer(&service, &token, "POST", "/admin/v1/tenants", Some(json!({"tenant": "acme"})))
        .await
        .expect(201);
    let event = &service.events("acme", 0).await[0];
    assert_eq!(event["actor"], json!({"kind": "operator", "id": made["id"], "token": null}));
    as_bearer(&service, &token, "GET", "/audit/v1/acme/events", None).await.expect(200);
    let scim = as_bearer(&service, &token, "GET", "/acme/scim/v2/Users", None).await;
    scim.refused(401, None, "token_invalid");
    for (name, status, code) in [
        ("night SHIFT", 409, "operator_exists"),
        ("root", 409, "operator_exists"),
        (" ", 400, "operator_name_invalid"),
    ] {
        let refused = service.admin("POST", "/admin/v1/operators", Some(json!({ "name": name }))).await;
        assert_refused(&refused, status, code);
    }
    let list = service.admin("GET", "/admin/v1/operators", None).await.expect(200);
    assert_eq!(list["operators"].as_array().unwrap().len(), 2);
    assert!(!list.to_string().contains("sha256") && !list.to_string().contains(&token));
    service.admin("DELETE", "/admin/v1/operators/Night%20shift", None).await.expect(200);
    let refused = as_bearer(&service, &token, "GET", "/admin/v1/tenants", None).await;
    assert_refused(&refused, 401, "token_invalid");
    assert_refused(
        &service.admin("DELETE", "/admin/v1/operators/nobody", None).await,
        404,
        "operator_not_found",
    );
    let only_one = service.admin("DELETE", "/admin/v1/operators/root", None).await;
    assert_eq!(only_one.status, 409, "the last operator stays: {}", only_one.text);
    service.restarted(|_| ()).await;
    service.admin("GET", "/admin/v1/tenants", None).await.expect(200);
    assert_refused(
        &as_bearer(&service, &token, "GET", "/admin/v1/tenants", None).await,
        401,
        "token_invalid",
    );
    assert_eq!(files_with(service.data(), token.as_bytes()), Vec::<PathBuf>::new());
    let mode_of =
        |name: &str| std::fs::metadata(service.data().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode_of("operator.token"), mode_of("keys/master.key"), mode_of(".")), (0o600, 0o600, 0o700));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_no_operator_is_refused_before_anything_is_read() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    for (method, path) in [
        ("POST", "/admin/v1/tenants"),
        ("PATCH", "/admin/v1/tenants/acme"),
        ("DELETE", "/admin/v1/tenants/acme"),
        ("POST", "/admin/v1/tenants/acme/clients"),
        ("POST", "/admin/v1/tenants/acme/tokens"),
        ("POST", "/admin/v1/tenants/acme/groups"),
        ("POST", "/admin/v1/tenants/acme/projections/rebuild"),
        ("POST", "/admin/v1/tenants/nobody/outbox/resume"),
        ("POST", "/admin/v1/operators"),
        ("GET", "/admin/v1/tenants"),
        ("GET", "/admin/v1/nothing"),
        ("FOO", "/admin/v1/%ff"),
    ] {
        for (token, code) in [(None, "token_missing"), (Some(&acme.token), "token_invalid")] {
            let headers = token.map(|token| ("Authorization".to_owned(), format!("Bearer {token}")));
            let headers = headers.into_iter().collect();
            let refused = send(method, &format!("{}{path}", service.url), headers, Some(b"{".into())).await;
            assert_refused(&refused, 401, code);
            assert!(refused.header("www-authenticate").is_some() && refused.header("x-request-id").is_some());
        }
    }
    for (method, path) in [
        ("POST", "/admin/v1/tenants/%ff/clients"),
        ("GET", "/admin/v1/tenants/%ff"),
        ("FOO", "/admin/v1/%ff"),
    ] {
        let refused = service.admin(method, path, Some(json!({"name": "x"}))).await;
        assert_eq!(refused.status, 404, "{method} {path}: {}", refused.text);
    }
}
