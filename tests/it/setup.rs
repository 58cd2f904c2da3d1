//! `muster setup`: what to fill in comes from the tenant as it is, and the checklist from what really arrived.

use serde_json::{Value, json};

use crate::harness::{Tenant, TestService, send};
use muster::app::Sources;

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

async fn sheet(service: &TestService, provider: &str) -> Value {
    service.admin("GET", &format!("/admin/v1/tenants/acme/setup/{provider}"), None).await.expect(200)
}

/// The item of a list whose member has that value.
#[track_caller]
fn item<'v>(list: &'v Value, member: &str, value: &str) -> &'v Value {
    let mut items = list.as_array().expect("there is a list").iter();
    items.find(|item| item[member] == value).unwrap_or_else(|| panic!("no {value} in {list:#}"))
}

async fn public(body: Value) -> (TestService, Tenant) {
    let service = TestService::start_with(
        |config| config.public_url = Some("https://scim.example.com".parse().expect("a URL")),
        Sources::default(),
    )
    .await;
    let acme = service.create_tenant_with("acme", body).await;
    (service, acme)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_provider_gets_the_address_in_the_form_that_its_page_wants() {
    let (service, acme) = public(json!({"kind": "okta"})).await;
    for (provider, field, value) in [
        ("okta", "SCIM connector base URL", "https://scim.example.com/acme/scim/v2"),
        ("okta", "Unique identifier field for users", "userName"),
        ("entra", "Tenant URL", "https://scim.example.com/acme/scim/v2?aadOptscim062020"),
        ("onelogin", "SCIM Base URL", "https://scim.example.com/acme/scim/v2"),
    ] {
        let sheet = sheet(&service, provider).await;
        assert_eq!(item(&sheet["fields"], "field", field)["value"], value, "{provider}");
        assert!(!sheet.to_string().contains(&acme.token), "a token is never shown again");
    }
    let unknown = service.admin("GET", "/admin/v1/tenants/acme/setup/ldap", None).await;
    assert_eq!(unknown.status, 404);
    assert_eq!(unknown.body["error"]["code"], "provider_unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_to_tick_and_to_map_follows_the_tenants_settings_and_schemas() {
    let schemas = json!({"User": [{"id": USER, "attributes": [
        {"name": "role", "type": "string", "canonicalValues": ["owner", "guest"]},
        {"name": "seen", "type": "dateTime", "mutability": "readOnly"},
    ]}]});
    let settings = json!({"delete": "refuse", "schemas": schemas, "enforce_canonical_values": ["role"]});
    let (service, _) = public(json!({"kind": "entra", "settings": settings})).await;
    let entra = sheet(&service, "entra").await;
    let delete = "Provision Microsoft Entra ID Users: Delete";
    assert_eq!(item(&entra["actions"], "action", delete)["tick"], false);
    let users = &entra["mappings"]["User"];
    assert_eq!(item(users, "to", "userName")["do"], "keep");
    let external_id = item(users, "to", "externalId");
    assert_eq!((&external_id["do"], &external_id["from"]), (&json!("change"), &json!("objectId")));
    let role = item(users, "to", "role");
    assert_eq!((&role["do"], &role["values"]), (&json!("add"), &json!(["owner", "guest"])));
    assert!(users.as_array().unwrap().iter().all(|mapping| mapping["to"] != "seen"), "nobody may write it");
    let okta = sheet(&service, "okta").await;
    assert_eq!(item(&okta["actions"], "action", "Sync Password")["tick"], false);
    let change = json!({"settings": {"delete": "delete"}});
    service.admin("PATCH", "/admin/v1/tenants/acme", Some(change)).await.expect(200);
    assert_eq!(item(&sheet(&service, "entra").await["actions"], "action", delete)["tick"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_to_push_and_to_map_follows_what_the_tenant_keeps() {
    let kept = ["userName", "active", "emails[type eq \"work\"].value"];
    let settings = json!({"groups": "link-only", "user_name": "email", "attributes": kept});
    let (service, acme) = public(json!({"kind": "entra", "settings": settings})).await;
    for (provider, address) in [("entra", "mail"), ("okta", "user.email"), ("onelogin", "{$user.email}")] {
        let sheet = sheet(&service, provider).await;
        let users = &sheet["mappings"]["User"];
        let name = item(users, "to", "userName");
        assert_eq!((&name["do"], &name["from"]), (&json!("change"), &json!(address)), "{provider}");
        for (to, what) in [("displayName", "remove"), ("emails[type eq \"work\"].value", "keep")] {
            assert_eq!(item(users, "to", to)["do"], what, "{provider} {to}");
        }
        assert_ne!(sheet["mappings"]["Group"], json!([]));
    }
    let groups = "Provision Microsoft Entra ID Groups";
    let linked = item(&sheet(&service, "entra").await["actions"], "action", groups).clone();
    assert!(
        linked["tick"] == true && linked["why"].as_str().unwrap().contains("operator makes them"),
        "{linked}"
    );
    service.set(&acme, json!({"groups": "off"})).await;
    let sheet = sheet(&service, "entra").await;
    assert_eq!(item(&sheet["actions"], "action", groups)["tick"], false);
    assert_eq!(sheet["mappings"]["Group"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_a_connection_from_working_is_told_with_what_mends_it() {
    let codes = |sheet: &Value| -> Vec<String> {
        let problems = sheet["problems"].as_array().expect("a list").iter();
        problems.map(|problem| problem["code"].as_str().expect("a code").to_owned()).collect()
    };
    let (service, _) = public(json!({"kind": "okta"})).await;
    assert_eq!(codes(&sheet(&service, "okta").await), [""; 0]);
    assert_eq!(codes(&sheet(&service, "entra").await), ["no_client"]);
    let switched = json!({"enabled": false});
    service.admin("PATCH", "/admin/v1/tenants/acme/clients/default", Some(switched)).await.expect(200);
    let tokens = service.admin("GET", "/admin/v1/tenants/acme/tokens", None).await.expect(200);
    let token = tokens["tokens"][0]["id"].as_str().expect("an id").to_owned();
    let revoked = service.admin("DELETE", &format!("/admin/v1/tenants/acme/tokens/{token}"), None).await;
    assert!(revoked.status < 300, "{}", revoked.text);
    assert_eq!(codes(&sheet(&service, "okta").await), ["client_disabled", "no_token"]);

    let service = TestService::start().await;
    service.create_tenant_with("acme", json!({"kind": "okta", "base_path": "/acme_corp/scim"})).await;
    assert_eq!(codes(&sheet(&service, "okta").await), ["not_https", "not_reachable", "underscore"]);
}

/// The steps that are done, and the code of what was refused last.
async fn progress(service: &TestService, query: &str) -> (Vec<String>, Value, bool) {
    let progress =
        service.admin("GET", &format!("/admin/v1/tenants/acme/setup{query}"), None).await.expect(200);
    let steps = progress["steps"].as_array().expect("a list").iter();
    let done = steps.filter(|step| step["done"] == true);
    let names = done.map(|step| step["step"].as_str().expect("a name").to_owned()).collect();
    (names, progress["refused"]["code"].clone(), progress["complete"] == true)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_step_is_ticked_off_by_the_request_that_takes_it() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "okta").await;
    assert_eq!(progress(&service, "").await, (vec![], Value::Null, false));

    let stranger = [("Authorization".to_owned(), "Bearer mst_wrong".to_owned())];
    send("GET", &format!("{}/Users", acme.base_url), stranger.into(), None).await;
    let (done, refused, _) = progress(&service, "").await;
    assert_eq!((done.len(), refused), (0, json!("token_malformed")));

    acme.get("/Users?startIndex=1&count=2").await.expect(200);
    let (mut done, refused, _) = progress(&service, "").await;
    assert_eq!((done.as_slice(), refused), (&["authenticated".to_owned()][..], Value::Null));

    let looked_up = "/Users?filter=userName%20eq%20%22nobody%40example.com%22&startIndex=1&count=100";
    let user = json!({"schemas": [USER], "userName": "bob@example.com"});
    acme.get("/ServiceProviderConfig").await.expect(200);
    done.push("discovery_read".to_owned());
    assert_eq!(progress(&service, "").await.0, done);
    acme.get(looked_up).await.expect(200);
    done.push("unknown_user_looked_up".to_owned());
    assert_eq!(progress(&service, "").await.0, done);
    let id = crate::harness::id_of(&acme.post("/Users", user).await.expect(201));
    done.push("user_created".to_owned());
    assert_eq!(progress(&service, "").await.0, done);
    let path = format!("/Users/{id}");
    // What changes nothing is no step.
    acme.patch(&path, json!([{"op": "replace", "value": {"active": true}}])).await.expect(200);
    assert_eq!(progress(&service, "").await.0, done);
    acme.patch(&path, json!([{"op": "replace", "path": "title", "value": "Clerk"}])).await.expect(200);
    done.push("user_updated".to_owned());
    assert_eq!(progress(&service, "").await.0, done);
    acme.patch(&path, json!([{"op": "replace", "value": {"active": false}}])).await.expect(200);
    done.push("user_deactivated".to_owned());
    assert_eq!(progress(&service, "").await.0, done);
    acme.post("/Groups", json!({"schemas": [GROUP], "displayName": "Guides"})).await.expect(201);
    done.push("group_pushed".to_owned());
    let (all, _, complete) = progress(&service, "?client=default").await;
    assert_eq!((all, complete), (done, true));

    let other = json!({"name": "second", "kind": "okta"});
    service.admin("POST", "/admin/v1/tenants/acme/clients", Some(other)).await.expect(201);
    assert_eq!(progress(&service, "?client=second").await.0.len(), 0, "another client's steps");
    let unknown = service.admin("GET", "/admin/v1/tenants/acme/setup?client=x", None).await;
    assert_eq!((unknown.status, &unknown.body["error"]["code"]), (404, &json!("client_not_found")));
}
