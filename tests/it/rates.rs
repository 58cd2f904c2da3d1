//! Bounds of clients' requests: 429 with whole seconds to wait, logged like any refusal, and nobody else's loss.

use serde_json::{Value, json};

use crate::evidence::Watch;
use crate::harness::{Answer, Tenant, TestService};

async fn bound(service: &TestService, tenant: &str, rate: Value) -> Answer {
    let path = format!("/admin/v1/tenants/{tenant}/clients/default");
    service.admin("PATCH", &path, Some(json!({"requests_per_second": rate}))).await
}

/// Asks until it is refused. A slow machine lets more pass than the bound, never for ever.
async fn until_refused(tenant: &Tenant) -> Answer {
    for _ in 0..10_000 {
        let answer = tenant.get("/Users?count=1").await;
        if answer.status != 200 {
            return answer;
        }
    }
    panic!("ten thousand requests passed a bound of one a second");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_beyond_its_bound_is_told_when_to_come_again_and_no_other_client_notices() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "okta").await;
    let beta = service.create_tenant("beta", "okta").await;
    let second = json!({"name": "second", "kind": "entra"});
    service.admin("POST", "/admin/v1/tenants/acme/clients", Some(second)).await.expect(201);
    let second =
        Tenant { token: service.token("acme", json!({"client": "second"})).await.token, ..acme.clone() };
    for _ in 0..20 {
        acme.get("/Users?count=1").await.expect(200);
    }
    let mut watch = Watch::begin(&service, &acme).await;
    assert_eq!(bound(&service, "acme", json!(1)).await.expect(200)["requests_per_second"], 1);
    assert_eq!(watch.types().await, ["client.updated"]);

    let refused = until_refused(&acme).await;
    refused.refused(429, None, "rate_limited");
    assert_eq!(refused.header("retry-after"), Some("1"));
    let user =
        json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "a@example.com"});
    for _ in 0..20 {
        beta.get("/Users?count=1").await.expect(200);
        second.get("/Users?count=1").await.expect(200);
    }
    let mut last = acme.post("/Users", user.clone()).await;
    for _ in 0..1_000 {
        if last.status == 429 {
            break;
        }
        last = acme.post("/Users", user.clone()).await;
    }
    last.refused(429, None, "rate_limited");

    let logged = service.admin("GET", "/audit/v1/acme/requests?failed=true", None).await.expect(200);
    let codes = logged["requests"].as_array().expect("a list").iter().map(|row| &row["code"]);
    assert!(codes.filter(|code| *code == "rate_limited").count() >= 2, "{logged:#}");

    bound(&service, "acme", Value::Null).await.expect(200);
    for _ in 0..20 {
        acme.get("/Users?count=1").await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_survives_a_restart_and_has_to_make_sense() {
    let mut service = TestService::start().await;
    let acme = service.create_tenant("acme", "okta").await;
    for wrong in [json!(0), json!(1_000_001)] {
        let answer = bound(&service, "acme", wrong).await;
        assert_eq!((answer.status, &answer.body["error"]["code"]), (400, &json!("client_rate_invalid")));
    }
    for wrong in [json!(-1), json!("25"), json!(1.5)] {
        let answer = bound(&service, "acme", wrong).await;
        assert_eq!((answer.status, &answer.body["error"]["code"]), (400, &json!("body_invalid")));
    }
    bound(&service, "acme", json!(1)).await.expect(200);
    service.restarted(|_| ()).await;
    let acme = Tenant { base_url: format!("{}/acme/scim/v2", service.url), ..acme };
    until_refused(&acme).await.refused(429, None, "rate_limited");
}
