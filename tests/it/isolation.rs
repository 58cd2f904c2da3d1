//! Two tenants with the same people never see each other, by any route.

mod every_route;

use serde_json::{Value, json};

use crate::evidence::Watch;
use crate::harness::{Answer, Tenant, TestService, id_of, send};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// A tenant with the same people as every other one.
struct Populated {
    tenant: Tenant,
    user: String,
    group: String,
    auditor: String,
}

async fn populated(service: &TestService, name: &str, base_path: &str) -> Populated {
    let tenant = service.create_tenant_with(name, json!({ "base_path": base_path })).await;
    let body = json!({
        "schemas": [USER], "userName": "alice@example.com", "externalId": "1", "title": format!("only in {name}"),
        "emails": [{"value": "alice@example.com"}],
    });
    let user = id_of(&tenant.post("/Users", body).await.expect(201));
    let group = tenant.group("Guides", &[&user]).await;
    let auditor = service.token(name, json!({"role": "auditor"})).await.token;
    Populated { tenant, user, group, auditor }
}

/// Everything that a tenant shows of itself.
async fn everything(service: &TestService, house: &Populated) -> Value {
    let tenant = &house.tenant;
    let mut shown = vec![
        tenant.get("/Users").await.expect(200),
        tenant.get("/Groups").await.expect(200),
        tenant.get("/Schemas").await.expect(200),
        json!(service.events(&tenant.name, 0).await),
    ];
    for report in ["timeline?user=alice@example.com", "access?at=2099-01-01T00:00:00Z"] {
        let path = format!("/audit/v1/{}/{report}", tenant.name);
        shown.push(service.admin("GET", &path, None).await.expect(200));
    }
    json!(shown)
}

/// Every SCIM request that names a resource: method, path, body.
fn requests_about(user: &str, group: &str) -> Vec<(&'static str, String, Option<Value>)> {
    let patch = |operation: Value| Some(json!({"schemas": [PATCH_OP], "Operations": [operation]}));
    let (user, group) = (format!("/Users/{user}"), format!("/Groups/{group}"));
    vec![
        ("GET", user.clone(), None),
        ("HEAD", user.clone(), None),
        ("PUT", user.clone(), Some(json!({"schemas": [USER], "userName": "mallory@example.com"}))),
        ("PATCH", user.clone(), patch(json!({"op": "replace", "path": "title", "value": "taken over"}))),
        ("DELETE", user, None),
        ("GET", group.clone(), None),
        ("PUT", group.clone(), Some(json!({"schemas": [GROUP], "displayName": "taken over"}))),
        ("PATCH", group.clone(), patch(json!({"op": "remove", "path": "members"}))),
        ("DELETE", group, None),
    ]
}

async fn check_apart(service: &TestService, ours: &Populated, theirs: &Populated) {
    let before = (everything(service, ours).await, everything(service, theirs).await);
    // Our token at our address, their ids.
    for (method, path, body) in requests_about(&theirs.user, &theirs.group) {
        let answer = ours.tenant.send(method, &path, body).await;
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text);
        assert!(!answer.text.contains(&theirs.tenant.name), "{}", answer.text);
    }
    // Their ids as members, in filters and as managers.
    let member = json!({"schemas": [PATCH_OP], "Operations": [{"op": "add", "path": "members", "value": [{"value": theirs.user}]}]});
    let refused = ours.tenant.send("PATCH", &format!("/Groups/{}", ours.group), Some(member)).await;
    refused.refused(400, Some("invalidValue"), "unknown_member");
    for filter in [
        format!("id eq \"{}\"", theirs.user),
        format!("title co \"{}\"", theirs.tenant.name),
        format!("groups.value eq \"{}\"", theirs.group),
        format!("meta.version eq \"nothing\" or id eq \"{}\"", theirs.user),
    ] {
        let filter = filter.replace(' ', "%20").replace('"', "%22");
        let found = ours.tenant.get(&format!("/Users?filter={filter}")).await.expect(200);
        assert_eq!(found["totalResults"], 0, "{filter}");
    }
    let named = ours.tenant.get("/Users?filter=userName%20eq%20%22alice@example.com%22").await.expect(200);
    assert_eq!((&named["totalResults"], &named["Resources"][0]["id"]), (&json!(1), &json!(ours.user)));
    let known = ours.tenant.get("/Users?filter=externalId%20eq%20%221%22").await.expect(200);
    assert_eq!(known["Resources"][0]["id"], json!(ours.user));

    // Our token at their address, whoever is named there.
    if ours.tenant.base_url != theirs.tenant.base_url {
        let at_theirs = Tenant { base_url: theirs.tenant.base_url.clone(), ..ours.tenant.clone() };
        let lists = ["/Users", "/Groups", "/Schemas", "/ServiceProviderConfig", "/ResourceTypes", "/nothing"];
        let mut requests = requests_about(&theirs.user, &theirs.group);
        requests.extend(requests_about(&ours.user, &ours.group));
        requests.extend(lists.map(|path| ("GET", path.to_owned(), None)));
        requests.push((
            "POST",
            "/Users".into(),
            Some(json!({"schemas": [USER], "userName": "mallory@example.com"})),
        ));
        requests.push(("POST", "/Groups".into(), Some(json!({"schemas": [GROUP], "displayName": "x"}))));
        requests.push(("OPTIONS", "/Users".into(), None));
        for (method, path, body) in requests {
            let answer = at_theirs.send(method, &path, body).await;
            assert_eq!(answer.status, 401, "{method} {path}: {}", answer.text);
        }
    }
    check_audit_apart(service, ours, theirs).await;
    assert_eq!((everything(service, ours).await, everything(service, theirs).await), before);
}

/// A GET of the audit interface with a token.
async fn audit(service: &TestService, token: &str, path: &str) -> Answer {
    let headers = vec![("Authorization".to_owned(), format!("Bearer {token}"))];
    send("GET", &format!("{}/audit/v1/{path}", service.url), headers, None).await
}

async fn check_audit_apart(service: &TestService, ours: &Populated, theirs: &Populated) {
    let (our_name, their_name) = (&ours.tenant.name, &theirs.tenant.name);
    for report in ["events", "timeline?user=alice@example.com", "access?at=2099-01-01T00:00:00Z"] {
        let refused = audit(service, &ours.auditor, &format!("{their_name}/{report}")).await;
        assert_eq!(refused.status, 404, "{report}: {}", refused.text);
        let refused = audit(service, &ours.tenant.token, &format!("{their_name}/{report}")).await;
        assert_eq!(refused.status, 403, "{report}: {}", refused.text);
        let own = audit(service, &ours.auditor, &format!("{our_name}/{report}")).await;
        assert!(!own.text.contains(&theirs.user) && !own.text.contains(their_name.as_str()), "{report}");
        own.expect(200);
    }
    for (path, status) in [
        (format!("{our_name}/timeline?user={}", theirs.user), 404),
        (format!("{our_name}/access?at=2099-01-01T00:00:00Z&group={}", theirs.group), 404),
        (format!("{our_name}/..%2F{their_name}%2Fevents"), 404),
        (format!("{our_name}%2F..%2F{their_name}/events"), 404),
        (format!("{our_name}/../{their_name}/events"), 404),
    ] {
        let answer = audit(service, &ours.auditor, &path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text);
    }
    let of_theirs =
        audit(service, &ours.auditor, &format!("{our_name}/events?subject=users/{}", theirs.user)).await;
    assert_eq!(of_theirs.expect(200)["events"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tenants_with_the_same_people_never_see_each_other_by_any_route() {
    let service = TestService::start().await;
    let acme = populated(&service, "acme", "/acme/scim/v2").await;
    let beta = populated(&service, "beta", "/beta/scim/v2").await;
    check_apart(&service, &acme, &beta).await;
    check_apart(&service, &beta, &acme).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tenants_that_share_a_base_path_are_as_much_apart() {
    let service = TestService::start().await;
    let acme = populated(&service, "acme", "/scim/v2").await;
    let beta = populated(&service, "beta", "/scim/v2").await;
    check_apart(&service, &acme, &beta).await;
    check_apart(&service, &beta, &acme).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_names_the_tenant_and_reaches_no_other() {
    let service = TestService::start().await;
    let acme = populated(&service, "acme", "/acme/scim/v2").await;
    let beta = populated(&service, "beta", "/beta/scim/v2").await;
    let mut watch = Watch::begin(&service, &beta.tenant).await;
    let activate = format!("/admin/v1/tenants/acme/users/{}/activate", beta.user);
    assert_eq!(service.admin("POST", &activate, None).await.status, 404);
    let shown = service.admin("GET", "/admin/v1/tenants/beta", None).await.expect(200);
    for token in shown["tokens"].as_array().unwrap() {
        let path = format!("/admin/v1/tenants/acme/tokens/{}", token["id"].as_str().unwrap());
        assert_eq!(service.admin("DELETE", &path, None).await.status, 404);
    }
    let client = shown["clients"][0]["id"].as_str().unwrap();
    let path = format!("/admin/v1/tenants/acme/clients/{client}");
    assert_eq!(service.admin("PATCH", &path, Some(json!({"enabled": false}))).await.status, 404);
    assert!(watch.events().await.is_empty());
    beta.tenant.get("/Users").await.expect(200);
    let ids = [&acme.user, &acme.group, &beta.user, &beta.group];
    let different: std::collections::BTreeSet<_> = ids.into_iter().collect();
    assert_eq!(different.len(), 4, "ids are unique in the whole house");
}
