//! `muster why` and the routes to the request log: each trap is named, with who has to mend it and how.

mod blame;
mod hidden;
mod settled;

use std::sync::Arc;
use std::time::Duration;

use muster::app::Sources;
use muster::clock::{Clock, ManualClock};
use provisioning::Timestamp;
use serde_json::{Value, json};

use crate::harness::{Answer, Tenant, TestService, send};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const NOBODY: &str = "01900000-0000-7000-8000-00000000dead";

/// A tenant into which everything goes wrong that can.
struct House {
    service: TestService,
    clock: Arc<ManualClock>,
    acme: Tenant,
}

impl House {
    async fn start() -> Self {
        let clock = Arc::new(ManualClock::default());
        let sources = Sources { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..Sources::default() };
        let service =
            TestService::start_with(|config| config.limits.user_body_bytes_max = 4_096, sources).await;
        let settings = json!({
            "schemas": {"User": [{"id": USER, "attributes": [{"name": "role", "canonicalValues": ["guide"]}]}]},
            "enforce_canonical_values": ["role"],
        });
        let acme = service.create_tenant_with("acme", json!({"kind": "entra", "settings": settings})).await;
        Self { service, clock, acme }
    }

    async fn ask(&self, path: &str) -> Value {
        self.service.admin("GET", path, None).await.expect(200)
    }

    async fn why(&self, user: &str) -> Value {
        self.ask(&format!("/audit/v1/acme/why?user={user}")).await
    }
}

fn user(name: &str) -> Value {
    json!({"schemas": [USER], "userName": name, "active": true})
}

/// A finding of that code among some.
#[track_caller]
fn finding<'f>(findings: &'f Value, code: &str) -> &'f Value {
    let mut all = findings.as_array().expect("a list").iter();
    all.find(|finding| finding["code"] == code).unwrap_or_else(|| panic!("no {code} in {findings:#}"))
}

#[track_caller]
fn check(findings: &Value, code: &str, who: &str, answer: &Answer) {
    assert_eq!(answer.header("muster-error-code"), Some(code), "{}", answer.text);
    let found = finding(findings, code);
    assert_eq!(found["who"], who, "{found:#}");
    assert_eq!(found["request"].as_str(), answer.header("x-request-id"), "{found:#}");
    assert_eq!(found["status"], answer.status, "{found:#}");
    for text in ["why", "detail"] {
        assert!(
            found[text].as_str().is_some_and(|text| text.ends_with(|c: char| !c.is_whitespace())),
            "{found:#}"
        );
    }
    let remedies = found["remedies"].as_array().expect("there are remedies");
    assert!(
        remedies.iter().all(|remedy| remedy["do"].as_str().is_some_and(|text| text.len() > 5)),
        "{found:#}"
    );
}

fn look_up(filter: &str) -> String {
    let filter = percent_encoding::utf8_percent_encode(filter, percent_encoding::NON_ALPHANUMERIC);
    format!("/Users?filter={filter}")
}

fn bulk(operations: &Value) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations})
}

fn codes(findings: &Value) -> Vec<&str> {
    findings.as_array().expect("a list").iter().map(|it| it["code"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_about_a_person_is_named_with_who_mends_it() {
    let house = House::start().await;
    let acme = &house.acme;
    let taken = acme.user("taken@example.com").await;
    let gone = acme.user("gone@example.com").await;
    acme.delete(&format!("/Users/{gone}")).await;
    let short = house.service.token("acme", json!({"client": "default", "expires_in": 60})).await;
    house.clock.advance(Duration::from_mins(2));
    let expired = Tenant { token: short.token, ..acme.clone() };
    let strange = Tenant { token: "no token of ours".replace(' ', "-"), ..acme.clone() };
    let elsewhere = Tenant { base_url: format!("{}/nobody/scim/v2", house.service.url), ..acme.clone() };
    let text = user("text@example.com").to_string().into_bytes();
    let cases = [
        (
            "expired@example.com",
            "token_expired",
            "operator",
            expired.post("/Users", user("expired@example.com")).await,
        ),
        (
            "strange@example.com",
            "token_malformed",
            "identity_provider",
            strange.get("/Users?filter=userName%20eq%20%22strange%40example.com%22").await,
        ),
        (
            "lost@example.com",
            "tenant_not_found",
            "identity_provider",
            elsewhere.get("/Users?filter=userName%20eq%20%22Lost%40example.com%22").await,
        ),
        (
            "path@example.com",
            "route_not_found",
            "identity_provider",
            acme.post("/User", user("path@example.com")).await,
        ),
        (
            "text@example.com",
            "media_type_unsupported",
            "identity_provider",
            acme.send_with("POST", "/Users", &[("Content-Type", "text/plain")], Some(text)).await,
        ),
        (
            "filter@example.com",
            "filter_invalid",
            "identity_provider",
            acme.get("/Users?filter=userName%20is%20%22filter%40example.com%22").await,
        ),
        (
            "nameless@example.com",
            "required_missing",
            "identity_provider",
            acme.post("/Users", json!({"schemas": [USER], "emails": [{"value": "nameless@example.com"}]}))
                .await,
        ),
        (
            "Taken@example.com",
            "user_name_taken",
            "identity_provider",
            acme.post("/Users", user("TAKEN@example.com")).await,
        ),
        (
            NOBODY,
            "unknown_member",
            "identity_provider",
            acme.post(
                "/Groups",
                json!({"schemas": [GROUP], "displayName": "Staff", "members": [{"value": NOBODY}]}),
            )
            .await,
        ),
        (
            "role@example.com",
            "value_not_allowed",
            "identity_provider",
            acme.post("/Users", json!({"schemas": [USER], "userName": "role@example.com", "role": "king"}))
                .await,
        ),
        (
            gone.as_str(),
            "resource_not_found",
            "nobody",
            acme.patch(
                &format!("/Users/{gone}"),
                json!([{"op": "replace", "path": "active", "value": false}]),
            )
            .await,
        ),
    ];
    for (name, code, who, answer) in &cases {
        let why = house.why(name).await;
        assert_eq!(why["verdict"], "refused", "{name}: {why:#}");
        check(&why["findings"], code, who, answer);
        assert_eq!(why["findings"][0]["code"], *code, "what is open comes first");
    }
    assert_eq!(house.why("taken@example.com").await["people"][0]["id"], taken);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_tenants_settings_refuse_is_named_also_where_the_request_names_nobody() {
    let house = House::start().await;
    let settings = json!({"user_name": "email", "groups": "link-only"});
    let pear = house.service.create_tenant_with("pear", json!({"kind": "okta", "settings": settings})).await;
    let why = async |user: &str| house.ask(&format!("/audit/v1/pear/why?user={user}")).await;
    let bare = pear.post("/Users", user("carol")).await;
    let told = why("CAROL").await;
    assert_eq!(told["verdict"], "refused", "{told:#}");
    check(&told["findings"], "user_name_not_address", "identity_provider", &bare);

    let alice = pear.user("alice@example.com").await;
    let mut group = json!({"schemas": [GROUP], "displayName": "Staff", "members": [{"value": alice}]});
    let with_alice = pear.post("/Groups", group.clone()).await;
    let told = why("alice@example.com").await;
    check(&told["findings"], "group_create_refused", "identity_provider", &with_alice);
    assert_eq!(told["door"], json!([]), "it is about her");
    // Okta makes a group first and sends its members afterwards.
    group.as_object_mut().unwrap().remove("members");
    let empty = pear.post("/Groups", group.clone()).await;
    check(&why("nobody@example.com").await["door"], "group_create_refused", "identity_provider", &empty);
    house.service.set(&pear, json!({"groups": "off"})).await;
    let off = pear.post("/Groups", group).await;
    check(&why("nobody@example.com").await["door"], "groups_off", "identity_provider", &off);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_at_the_door_is_named_for_everybody_who_is_missing() {
    let house = House::start().await;
    let acme = &house.acme;
    let large = json!({"schemas": [USER], "userName": "large@example.com", "title": "x".repeat(5_000)});
    let large = acme.post("/Users", large).await;
    let off = json!({"enabled": false});
    house.service.admin("PATCH", "/admin/v1/tenants/acme/clients/default", Some(off)).await.expect(200);
    let off = acme.post("/Users", user("off@example.com")).await;
    let why = house.why("off@example.com").await;
    check(&why["findings"], "client_disabled", "operator", &off);
    let why = house.why("large@example.com").await;
    assert_eq!(why["verdict"], "not_seen");
    assert_eq!(why["findings"][0]["who"], "identity_provider");
    let hidden = &why["hidden"][0];
    assert_eq!(
        (&hidden["what"], &hidden["codes"]),
        (&json!("unread"), &json!(["body_too_large"])),
        "{why:#}"
    );
    check(&why["door"], "body_too_large", "identity_provider", &large);
    check(&why["door"], "client_disabled", "operator", &off);
    // Operators see what reached no tenant; auditors of one tenant do not.
    let url =
        format!("{}/nobody/scim/v2/Users?filter=userName%20eq%20%22off%40example.com%22", house.service.url);
    let nobodys = send("GET", &url, Vec::new(), None).await;
    check(
        &house.why("off@example.com").await["elsewhere"],
        "tenant_not_found",
        "identity_provider",
        &nobodys,
    );
    let listed = house.ask("/admin/v1/requests?user=off@example.com").await;
    assert_eq!(listed["requests"][0]["id"].as_str(), nobodys.header("x-request-id"), "{listed:#}");
    let auditor = house.service.token("acme", json!({"role": "auditor"})).await.token;
    let headers = vec![("Authorization".to_owned(), format!("Bearer {auditor}"))];
    let url = format!("{}/audit/v1/acme/why?user=off@example.com", house.service.url);
    assert_eq!(send("GET", &url, headers.clone(), None).await.expect(200)["elsewhere"], json!([]));
    let url = format!("{}/admin/v1/requests", house.service.url);
    assert_eq!(send("GET", &url, headers, None).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_single_refusal_tells_is_told_too() {
    let house = House::start().await;
    let acme = &house.acme;
    let why = house.why("nobody@example.com").await;
    assert_eq!((&why["verdict"], &why["requests"]), (&json!("never_seen"), &json!([])));
    assert_eq!(finding(&why["findings"], "never_seen")["who"], "identity_provider");

    acme.get("/Users?filter=userName%20eq%20%22looked%40example.com%22").await.expect(200);
    let why = house.why("looked@example.com").await;
    assert_eq!(
        (&why["verdict"], &why["requests"][0]["results"]),
        (&json!("looked_up_never_created"), &json!(0))
    );
    finding(&why["findings"], "lookup.no_create");

    let leaver = acme.user("leaver@example.com").await;
    let off = json!([{"op": "Replace", "path": "active", "value": "False"}]);
    acme.patch(&format!("/Users/{leaver}"), off).await.expect(200);
    let why = house.why("leaver@example.com").await;
    assert_eq!(why["verdict"], "deactivated", "{why:#}");
    assert_eq!(why["requests"].as_array().unwrap().len(), 2, "the PATCH names only the id");
    finding(&why["findings"], "deprovisioned");
    let tolerated = finding(&why["findings"], "tolerated");
    assert!(tolerated["notes"].as_array().is_some_and(|notes| !notes.is_empty()), "{tolerated:#}");
    for _ in 0..3 {
        acme.post("/Users", user("leaver@example.com")).await.refused(
            409,
            Some("uniqueness"),
            "user_name_taken",
        );
    }
    let why = house.why("leaver@example.com").await;
    assert_eq!(finding(&why["findings"], "user_name_taken")["requests"], 3);
    finding(&why["findings"], "rehire.post_conflict");
    finding(&why["findings"], "conflict.loop");

    let group = json!({"schemas": [GROUP], "displayName": "Staff", "members": [{"value": NOBODY}]});
    for _ in 0..10 {
        acme.post("/Groups", group.clone()).await.refused(400, Some("invalidValue"), "unknown_member");
    }
    let why = house.why(NOBODY).await;
    finding(&why["findings"], "ref.order");
    finding(&why["findings"], "quarantine.thresholds");

    let okta = house.service.create_tenant("pear", "okta").await;
    let id = okta.user("leaver@example.com").await;
    okta.patch(&format!("/Users/{id}"), json!([{"op": "replace", "value": {"active": false}}]))
        .await
        .expect(200);
    let why = house.ask("/audit/v1/pear/why?user=leaver@example.com").await;
    assert_eq!(finding(&why["findings"], "okta.never_deletes")["who"], "nobody");
    assert_eq!(
        why["requests"].as_array().unwrap().len(),
        2,
        "another tenant's requests are not told: {why:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_listed_followed_and_shown() {
    let house = House::start().await;
    let acme = &house.acme;
    let made = acme
        .post("/Users", json!({"schemas": [USER], "userName": "alice@example.com", "password": "s3cret"}))
        .await;
    acme.get("/Users/nobody").await;
    let all = house.ask("/audit/v1/acme/requests").await;
    let requests = all["requests"].as_array().unwrap();
    assert_eq!(requests.len(), 2);
    assert_eq!((&all["logged"], &all["dropped"], &all["pruned"]), (&json!(2), &json!(0), &json!(0)));
    assert_eq!(requests[0]["client"]["name"], "default");
    assert_eq!(requests[0]["path"], "/acme/scim/v2/Users");
    let after = requests[0]["number"].as_u64().unwrap();
    let later = house.ask(&format!("/audit/v1/acme/requests?after={after}")).await;
    assert_eq!(later["requests"].as_array().unwrap().as_slice(), &requests[1..]);
    let failed = house.ask("/audit/v1/acme/requests?failed=true").await;
    assert_eq!(failed["requests"].as_array().unwrap().as_slice(), &requests[1..]);
    let newest = house.ask("/audit/v1/acme/requests?limit=1").await;
    assert_eq!(newest["requests"].as_array().unwrap().as_slice(), &requests[1..]);
    let id = made.header("x-request-id").unwrap();
    let shown = house.ask(&format!("/audit/v1/acme/requests/{id}")).await;
    assert_eq!(shown["contents"]["body"]["userName"], "alice@example.com");
    assert_eq!(shown["contents"]["body"]["password"], "(removed)");
    let refused =
        house.ask(&format!("/audit/v1/acme/requests/{}", requests[1]["id"].as_str().unwrap())).await;
    assert_eq!(refused["explanations"][0]["code"], "resource_not_found");
    // Another tenant's requests are nobody else's.
    house.service.create_tenant("pear", "okta").await;
    let path = format!("/audit/v1/pear/requests/{id}");
    let elsewhere = house.service.admin("GET", &path, None).await;
    assert_eq!((elsewhere.status, elsewhere.header("muster-error-code")), (404, Some("request_not_found")));
    let auditor = house.service.token("pear", json!({"role": "auditor"})).await.token;
    for path in [
        format!("/audit/v1/acme/requests/{id}"),
        "/audit/v1/acme/requests".into(),
        "/audit/v1/acme/why?user=x".into(),
    ] {
        let headers = vec![("Authorization".to_owned(), format!("Bearer {auditor}"))];
        assert_eq!(
            send("GET", &format!("{}{path}", house.service.url), headers, None).await.status,
            404,
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_told_when_entra_id_switches_it_off_and_only_the_one_that_fails() {
    let house = House::start().await;
    let second = json!({"name": "second one", "kind": "okta"});
    house.service.admin("POST", "/admin/v1/tenants/acme/clients", Some(second)).await.expect(201);
    let second = house.service.token("acme", json!({"client": "second one"})).await;
    let okta = Tenant { token: second.token, ..house.acme.clone() };
    house.acme.user("alice@example.com").await;
    for _ in 0..20 {
        okta.get("/Users/12345").await.refused(404, None, "resource_not_found");
    }
    let why = house.why("alice@example.com").await;
    assert!(!codes(&why["findings"]).contains(&"quarantine.thresholds"), "Okta failed: {why:#}");
    house.clock.advance(Duration::from_hours(24));
    let since = house.clock.now();
    for _ in 0..9 {
        house.acme.get("/Users/12345").await;
    }
    house.clock.advance(Duration::from_hours(24));
    house.acme.get("/Users/12345").await;
    let why = house.why("alice@example.com").await;
    let found = finding(&why["findings"], "quarantine.thresholds");
    let day = Timestamp(since.0 + 28 * 24 * 3_600 * 1_000_000).to_string();
    let day = &day[.."2026-01-01".len()];
    assert!(found["why"].as_str().unwrap().contains(day), "{day} in {found:#}");
    assert!(found["ends_at"].as_str().unwrap().starts_with(day), "{found:#}");
    assert!(found["remedies"][0]["do"].as_str().unwrap().contains(day), "{found:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_mends_it_depends_on_the_provider_and_commands_can_be_run_as_they_stand() {
    let house = House::start().await;
    let second = json!({"name": "second one", "kind": "okta"});
    house.service.admin("POST", "/admin/v1/tenants/acme/clients", Some(second)).await.expect(201);
    let second = house.service.token("acme", json!({"client": "second one"})).await;
    let okta = Tenant { token: second.token, ..house.acme.clone() };
    let stale = okta.put("/Users/12345", user("stale@example.com")).await;
    let why = house.why("stale@example.com").await;
    check(&why["findings"], "resource_not_found", "identity_provider", &stale);
    assert!(
        why["findings"][0]["remedies"][0]["do"].as_str().unwrap().contains("assign them again"),
        "{why:#}"
    );
    let request = format!("/audit/v1/acme/requests/{}", stale.header("x-request-id").unwrap());
    let shown = house.ask(&request).await;
    assert_eq!(shown["explanations"][0]["remedies"][0]["who"], "identity_provider", "{shown:#}");

    let off = json!({"enabled": false});
    house.service.admin("PATCH", "/admin/v1/tenants/acme/clients/second%20one", Some(off)).await.expect(200);
    okta.post("/Users", user("off@example.com")).await;
    let why = house.why("off@example.com").await;
    let remedy = &finding(&why["findings"], "client_disabled")["remedies"][0]["do"];
    let command = "`muster client update --tenant acme 'second one' --enabled true`";
    assert!(remedy.as_str().unwrap().contains(command), "{remedy}");

    // Bringing back whoever is here, or where that is done already, helps nobody.
    let acme = &house.acme;
    let taken = acme.user("taken@example.com").await;
    let reactivation = async || {
        acme.post("/Users", user("taken@example.com")).await;
        let why = house.why("taken@example.com").await;
        let told = finding(&why["findings"], "user_name_taken")["remedies"].to_string();
        (
            told.contains("muster tenant update acme --set post_deactivated=reactivate"),
            codes(&why["findings"]).contains(&"rehire.post_conflict"),
        )
    };
    assert_eq!(reactivation().await, (false, false));
    acme.patch(&format!("/Users/{taken}"), json!([{"op": "replace", "path": "active", "value": false}]))
        .await
        .expect(200);
    assert_eq!(reactivation().await, (true, true));
    let set = json!({"post_deactivated": "reactivate"});
    house.service.set(acme, set).await;
    let why = house.why("taken@example.com").await;
    assert!(!why["findings"].to_string().contains("post_deactivated"), "{why:#}");
}
