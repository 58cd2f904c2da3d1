//! Tenants from their making to their end, over the admin interface; whom an address or a token means.

use serde_json::{Value, json};

use crate::evidence::Watch;
use crate::harness::{Answer, Tenant, TestService, send};

/// Asserts a refusal of the admin interface.
#[track_caller]
fn assert_refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, &answer.body["error"]["code"]), (status, &json!(code)), "{}", answer.text);
    assert!(
        answer.body["error"]["detail"].as_str().is_some_and(|detail| detail.len() > 10),
        "{}",
        answer.text
    );
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("muster-error-code"), Some(code));
}

/// A request to the service itself with these headers.
async fn ask(service: &TestService, path: &str, headers: &[(&str, &str)]) -> Answer {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    send("GET", &format!("{}{path}", service.url), headers, None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_made_listed_shown_changed_and_closed() {
    let mut service = TestService::start().await;
    let made = service
        .admin("POST", "/admin/v1/tenants", Some(json!({"tenant": "acme", "kind": "okta"})))
        .await
        .expect(201);
    assert_eq!(made["base_url"], json!(format!("{}/acme/scim/v2", service.url)));
    assert_eq!(made.as_object().unwrap().keys().collect::<Vec<_>>(), ["base_url", "tenant", "token"]);
    let token = made["token"].as_str().unwrap().to_owned();
    let acme = Tenant { name: "acme".into(), base_url: made["base_url"].as_str().unwrap().into(), token };
    service.create_tenant("beta", "generic").await;
    let list = service.admin("GET", "/admin/v1/tenants", None).await.expect(200);
    let names: Vec<_> =
        list["tenants"].as_array().unwrap().iter().map(|tenant| tenant["tenant"].clone()).collect();
    assert_eq!(names, ["acme", "beta"]);
    assert_eq!(
        (&list["tenants"][0]["state"], &list["tenants"][0]["revision"], &list["tenants"][0]["base_url"]),
        (&json!("open"), &json!(3), &made["base_url"])
    );
    let shown = service.admin("GET", "/admin/v1/tenants/acme", None).await.expect(200);
    assert_eq!(shown["settings"]["base_path"], "/acme/scim/v2");
    assert_eq!(
        (&shown["clients"][0]["name"], &shown["clients"][0]["kind"]),
        (&json!("default"), &json!("okta"))
    );
    assert_eq!(
        (&shown["tokens"][0]["client"], &shown["tokens"][0]["role"]),
        (&json!("default"), &json!("client"))
    );
    assert!(acme.token.starts_with(shown["tokens"][0]["label"].as_str().unwrap()));
    assert!(!shown.to_string().contains(&acme.token));

    let mut watch = Watch::begin(&service, &acme).await;
    let changed = json!({"settings": {"delete": "refuse", "base_path": "/moved/v2"}});
    let changed = service.admin("PATCH", "/admin/v1/tenants/acme", Some(changed)).await.expect(200);
    assert_eq!(
        (&changed["settings"]["delete"], &changed["settings"]["base_path"]),
        (&json!("refuse"), &json!("/moved/v2"))
    );
    assert_eq!(watch.types().await, ["tenant.updated"]);
    acme.get("/Users").await.refused(404, None, "tenant_not_found");
    let moved = Tenant { base_url: changed["base_url"].as_str().unwrap().to_owned(), ..acme.clone() };
    moved.get("/Users").await.expect(200);

    let closed = service.admin("DELETE", "/admin/v1/tenants/acme", None).await.expect(200);
    assert_eq!(closed, json!({"tenant": "acme", "state": "closed"}));
    let after_closing = async |service: &TestService| {
        let moved = Tenant { base_url: format!("{}/moved/v2", service.url), ..moved.clone() };
        moved.get("/Users").await.refused(404, None, "tenant_not_found");
        let list = service.admin("GET", "/admin/v1/tenants", None).await.expect(200);
        assert_eq!(list["tenants"][0]["state"], "closed");
        for path in ["/admin/v1/tenants/acme/clients", "/audit/v1/acme/events"] {
            service.admin("GET", path, None).await.expect(200);
        }
        let group = Some(json!({"displayName": "x"}));
        assert_refused(
            &service.admin("POST", "/admin/v1/tenants/acme/groups", group).await,
            409,
            "tenant_closed",
        );
        assert_refused(&service.admin("DELETE", "/admin/v1/tenants/acme", None).await, 409, "tenant_closed");
        let again = service.admin("POST", "/admin/v1/tenants", Some(json!({"tenant": "acme"}))).await;
        assert_refused(&again, 409, "tenant_exists");
        assert_eq!(
            ask(service, "/readyz", &[]).await.body["halted_tenants"],
            json!({}),
            "an end is no failure"
        );
    };
    after_closing(&service).await;
    assert!(service.tenant_folder("acme").join("log.db").exists(), "the folder stays as evidence");
    service.restarted(|_| ()).await;
    after_closing(&service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_cannot_be_is_refused_and_leaves_nothing_behind() {
    let service = TestService::start().await;
    service.create_tenant("acme", "generic").await;
    let before = service.admin("GET", "/admin/v1/tenants", None).await.expect(200);
    let long = "x".repeat(64);
    for name in [
        "", "Acme", "a_b", "a.b", "ä", "../x", "a/b", " ", &long, "admin", "audit", "system", "scim", "v2",
        "readyz",
    ] {
        let refused = service.admin("POST", "/admin/v1/tenants", Some(json!({ "tenant": name }))).await;
        assert_refused(&refused, 400, "tenant_name_invalid");
    }
    for (body, status, code) in [
        (json!({"tenant": "acme"}), 409, "tenant_exists"),
        (json!({"tenant": "new", "base_path": "scim"}), 400, "base_path_invalid"),
        (json!({"tenant": "new", "base_path": "/admin/v1"}), 400, "base_path_invalid"),
        (json!({"tenant": "new", "base_path": "/"}), 400, "base_path_invalid"),
        (json!({"tenant": "new", "base_path": "/a/../b"}), 400, "base_path_invalid"),
        (json!({"tenant": "new", "host": "https://acme.test"}), 400, "host_invalid"),
        (json!({"tenant": "new", "host": "Acme.test"}), 400, "host_invalid"),
        (json!({"tenant": "new", "settings": {"colour": "red"}}), 400, "setting_unknown"),
        (json!({"tenant": "new", "settings": {"delete": "maybe"}}), 400, "setting_invalid"),
        (json!({"tenant": "new", "settings": {"delete": 7}}), 400, "setting_invalid"),
        (
            json!({"tenant": "new", "settings": {"mode": "observe", "publish_from": "start"}}),
            400,
            "publish_from_fixed",
        ),
        (json!({"tenant": "new", "kind": "ldap"}), 400, "body_invalid"),
        (json!({"tenant": "new", "colour": "red"}), 400, "body_invalid"),
        (json!({"name": "new"}), 400, "body_invalid"),
        (json!({"tenant": 7}), 400, "body_invalid"),
        (json!([]), 400, "body_invalid"),
        (json!(["new", null, null, "okta", {}]), 400, "body_invalid"),
        (json!({"tenant": "new", "base_path": "x".repeat(100_000)}), 413, "body_too_large"),
    ] {
        assert_refused(&service.admin("POST", "/admin/v1/tenants", Some(body)).await, status, code);
    }
    for (settings, code) in [
        (json!({"tenant": "other"}), "setting_fixed"),
        (json!({"base_path": "/audit/x"}), "base_path_invalid"),
        (json!({"initial": null}), "setting_invalid"),
        (json!({"colour": 1}), "setting_unknown"),
    ] {
        if code != "setting_invalid" {
            let refused =
                service.admin("PATCH", "/admin/v1/tenants/acme", Some(json!({ "settings": settings }))).await;
            assert_refused(&refused, 400, code);
        }
    }
    let unknown = json!({"settings": {}});
    assert_refused(
        &service.admin("PATCH", "/admin/v1/tenants/nobody", Some(unknown)).await,
        404,
        "tenant_not_found",
    );
    for (method, path) in [
        ("GET", "/admin/v1/tenants/nobody"),
        ("GET", "/admin/v1/tenants/..%2Fsystem"),
        ("GET", "/admin/v1/tenants/system"),
        ("GET", "/audit/v1/system/events"),
        ("GET", "/audit/v1/nobody/events"),
        ("POST", "/admin/v1/tenants/nobody/accept-clock"),
        ("POST", "/admin/v1/tenants/nobody/projections/check"),
    ] {
        assert_refused(&service.admin(method, path, None).await, 404, "tenant_not_found");
    }
    for (method, path) in
        [("GET", "/admin/v1/nothing"), ("GET", "/audit/v1/acme/nothing"), ("GET", "/audit/v1/acme/events/1")]
    {
        assert_refused(&service.admin(method, path, None).await, 404, "route_not_found");
    }
    for (method, path, allow) in [
        ("PUT", "/admin/v1/tenants", "GET, POST"),
        ("FOO", "/admin/v1/tenants", "GET, POST"),
        ("POST", "/audit/v1/acme/events", "GET"),
    ] {
        let answer = service.admin(method, path, None).await;
        assert_refused(&answer, 405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
    }
    let answer = service.admin("DELETE", "/livez", None).await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET")), "{}", answer.text);
    assert_eq!(service.admin("GET", "/admin/v1/tenants", None).await.expect(200), before);
    let folders = std::fs::read_dir(service.data().join("tenants")).unwrap();
    assert_eq!(folders.count(), 1, "nothing is left of what was refused");
    service.create_tenant("new", "generic").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_racing_creations_of_one_tenant_exactly_one_wins_and_works() {
    let service = TestService::start().await;
    for round in 0..3 {
        let body = json!({"tenant": format!("t{round}")});
        let create = || service.admin("POST", "/admin/v1/tenants", Some(body.clone()));
        let answers = futures_util::future::join_all([create(), create(), create(), create()]).await;
        let (made, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 201);
        assert_eq!((made.len(), refused.len()), (1, 3));
        for answer in &refused {
            assert_refused(answer, 409, "tenant_exists");
        }
        let text = |name: &str| made[0].body[name].as_str().unwrap().to_owned();
        let tenant = Tenant { name: text("tenant"), base_url: text("base_url"), token: text("token") };
        tenant.user("alice@example.com").await;
        assert_eq!(service.events(&tenant.name, 0).await.len(), 4);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_tenants_share_a_base_path_the_token_decides() {
    let service = TestService::start().await;
    let shared = || json!({"base_path": "/scim/v2/"});
    let acme = service.create_tenant_with("acme", shared()).await;
    assert_eq!(acme.base_url, format!("{}/scim/v2", service.url));
    ask(&service, "/scim/v2/ServiceProviderConfig", &[]).await.expect(200);
    let beta = service.create_tenant_with("beta", shared()).await;
    let own = service.create_tenant("gamma", "generic").await;
    assert_eq!(acme.base_url, beta.base_url);
    let alice = acme.user("alice@example.com").await;
    assert_eq!(beta.get("/Users").await.expect(200)["totalResults"], 0);
    beta.get(&format!("/Users/{alice}")).await.refused(404, None, "resource_not_found");
    beta.user("alice@example.com").await;

    for path in [
        "/ServiceProviderConfig",
        "/ResourceTypes",
        "/Schemas",
        "/Schemas/urn:ietf:params:scim:schemas:core:2.0:User",
    ] {
        let anonymous = ask(&service, &format!("/scim/v2{path}"), &[]).await;
        anonymous.refused(401, None, "token_missing");
        assert_eq!(anonymous.header("www-authenticate"), Some("Bearer realm=\"scim\""));
        acme.get(path).await.expect(200);
        ask(&service, &format!("/gamma/scim/v2{path}"), &[]).await.expect(200);
    }
    ask(&service, "/gamma/scim/v2/Users", &[]).await.refused(401, None, "token_missing");
    let garbage = ask(&service, "/gamma/scim/v2/Schemas", &[("Authorization", "Bearer x")]).await;
    garbage.refused(401, None, "token_malformed");
    let elsewhere = Tenant { base_url: own.base_url.clone(), ..acme.clone() };
    elsewhere.get("/Users").await.refused(401, None, "token_elsewhere");
    elsewhere.get("/Schemas").await.refused(401, None, "token_elsewhere");

    // A path below another tenant's is the other's no longer.
    let below = service.create_tenant_with("below", json!({"base_path": "/scim/v2/below"})).await;
    assert_eq!(below.get("/Users").await.expect(200)["totalResults"], 0);
    assert_eq!(acme.get("/Users").await.expect(200)["totalResults"], 1);
    acme.get("/below/Users").await.refused(401, None, "token_elsewhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_with_a_host_is_reached_by_that_host_only() {
    let service = TestService::start().await;
    let acme =
        service.create_tenant_with("acme", json!({"host": "acme.test", "base_path": "/scim/v2"})).await;
    let beta =
        service.create_tenant_with("beta", json!({"host": "beta.test", "base_path": "/scim/v2"})).await;
    let authorization = format!("Bearer {}", acme.token);
    let by_host = async |host: &str, path: &str, token: Option<&str>| {
        let mut headers = vec![("Host", host)];
        headers.extend(token.map(|token| ("Authorization", token)));
        ask(&service, path, &headers).await
    };
    for host in ["acme.test", "ACME.test", "acme.test:8080"] {
        by_host(host, "/scim/v2/Users", Some(&authorization)).await.expect(200);
    }
    for host in ["beta.test", "127.0.0.1", "acme.test.evil.test", "xacme.test"] {
        let refused = by_host(host, "/scim/v2/Users", Some(&authorization)).await;
        refused.refused(401, None, "token_elsewhere");
    }
    let config = by_host("beta.test", "/scim/v2/ServiceProviderConfig", None).await.expect(200);
    let location = config["meta"]["location"].as_str().unwrap();
    assert!(location.starts_with("http://beta.test"), "{location}");
    by_host("gamma.test", "/scim/v2/ServiceProviderConfig", None).await.refused(401, None, "token_missing");
    let forged =
        [("Host", "127.0.0.1"), ("X-Forwarded-Host", "acme.test"), ("Authorization", &authorization)];
    ask(&service, "/scim/v2/Users", &forged).await.refused(401, None, "token_elsewhere");
    service.set(&beta, json!({"host": null})).await;
    let beta = Tenant { base_url: format!("{}/scim/v2", service.url), ..beta };
    beta.get("/Users").await.expect(200);
}

/// The settings of a tenant.
async fn settings(service: &TestService, tenant: &str) -> Value {
    service.admin("GET", &format!("/admin/v1/tenants/{tenant}"), None).await.expect(200)["settings"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_setting_has_a_value_from_the_first_event_on() {
    let mut service = TestService::start().await;
    service.create_tenant_with("acme", json!({"settings": {"put_omitted": "keep"}})).await;
    let created = service.events("acme", 0).await[0]["data"]["settings"].clone();
    let shown = settings(&service, "acme").await;
    let expected = json!({
        "tenant": "acme", "base_path": "/acme/scim/v2", "host": null, "unknown_members": null, "delete": "delete",
        "put_omitted": "keep", "put_unknown": "not_found", "post_deactivated": "conflict", "initial": "active",
        "mode": null, "publish_from": null, "strict": null,
        "schemas": null, "enforce_canonical_values": null, "groups": null, "user_name": null, "attributes": null,
    });
    assert_eq!(shown, expected);
    for (name, value) in created.as_object().unwrap() {
        assert_eq!(&expected[name], value);
    }
    let named = created.as_object().unwrap().len();
    assert_eq!(named, expected.as_object().unwrap().values().filter(|value| !value.is_null()).count());
    service.restarted(|_| ()).await;
    assert_eq!(settings(&service, "acme").await, expected);
}
