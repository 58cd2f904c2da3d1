//! `muster setup`: what to fill in comes from the tenant as it is, and the checklist from what really arrived.

use serde_json::{Value, json};

use crate::harness::{Tenant, TestService, send};
use muster::app::Sources;

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

async fn sheet(service: &TestService, provider: &str) -> Value {
    service.admin("GET", &format!("/admin/v1/tenants/acme/setup/{provider}"), None).await.expect(200)
}

/// The tenant where it is, whatever it is called outside.
fn here(service: &TestService, tenant: &Tenant) -> Tenant {
    Tenant { base_url: format!("{}/acme/scim/v2", service.url), ..tenant.clone() }
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
    let (integration, to_app) = ("Provisioning > Integration", "Provisioning > To App");
    for (action, tick, place) in [
        ("Import Groups", true, integration),
        ("Push New Users", true, integration),
        ("Deactivate Users", true, to_app),
        ("Sync Password", false, to_app),
    ] {
        let found = item(&okta["actions"], "action", action);
        assert!(found["tick"] == tick && found["place"].as_str().unwrap().starts_with(place), "{found}");
    }
    assert_eq!(item(&okta["fields"], "field", "Application username format")["value"], "Okta username");
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
        if provider == "okta" {
            let format = item(&sheet["fields"], "field", "Application username format");
            assert_eq!(format["value"], "Email", "Okta has no mapping of userName but this");
        }
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
    let okta = sheet(&service, "okta").await;
    for action in ["Push Groups", "Import Groups"] {
        assert_eq!(item(&okta["actions"], "action", action)["tick"], false, "{action}");
    }
    let sheet = sheet(&service, "entra").await;
    assert_eq!(item(&sheet["actions"], "action", groups)["tick"], false);
    assert_eq!(sheet["mappings"]["Group"], json!([]));
}

fn codes(sheet: &Value) -> Vec<String> {
    let problems = sheet["problems"].as_array().expect("a list").iter();
    problems.map(|problem| problem["code"].as_str().expect("a code").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_a_connection_from_working_is_told_with_what_mends_it() {
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

#[tokio::test(flavor = "multi_thread")]
async fn what_a_strict_tenant_refuses_of_a_provider_is_told_before_it_is_sent() {
    let (service, acme) = public(json!({"kind": "entra", "settings": {"strict": true}})).await;
    for (provider, dialect, sent) in [
        ("entra", "entra.url_flag", "/Users?aadOptscim062020"),
        ("onelogin", "onelogin.dangling_query", "/Users?filter=userName+eq+%22x%22&"),
    ] {
        let sheet = sheet(&service, provider).await;
        let strict = item(&sheet["problems"], "code", "strict");
        assert!(strict["detail"].as_str().unwrap().contains(dialect), "{strict}");
        assert_eq!(strict["do"], "`muster tenant update acme --set strict=false`");
        let refused = here(&service, &acme).get(sent).await;
        assert_eq!(refused.status, 400, "{}", refused.text);
    }
    let okta = sheet(&service, "okta").await;
    assert!(okta["problems"].to_string().contains("okta.read_only_value"), "{okta:#}");
    service.set(&acme, json!({"groups": "off"})).await;
    assert_eq!(codes(&sheet(&service, "okta").await), ["no_client"], "Okta deviates with groups only");
    service.set(&acme, json!({"strict": false})).await;
    assert_eq!(codes(&sheet(&service, "entra").await), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_apply_to_a_tenant_is_not_told() {
    let (service, acme) = public(json!({"kind": "okta", "profile": "idmelon"})).await;
    // Neither Okta nor OneLogin lets anybody add an attribute to a group.
    for (provider, adds) in [("okta", false), ("entra", true), ("onelogin", false)] {
        let sheet = sheet(&service, provider).await;
        let groups = sheet["mappings"]["Group"].as_array().expect("a list");
        assert_eq!(groups.iter().any(|mapping| mapping["to"] == "description"), adds, "{provider}");
        let immutable_id = "urn:ietf:params:scim:schemas:extension:IDmelon:2.0:User:immutable_id";
        assert_eq!(item(&sheet["mappings"]["User"], "to", immutable_id)["do"], "add");
        let notes = sheet["notes"].to_string();
        assert!(notes.contains("an attribute to add is ") && notes.contains("member"), "{notes}");
    }
    service.set(&acme, json!({"groups": "off", "schemas": null, "attributes": ["userName", "active"]})).await;
    for strict in [false, true] {
        service.set(&acme, json!({"strict": strict})).await;
        for provider in ["okta", "entra", "onelogin"] {
            let sheet = sheet(&service, provider).await;
            assert_eq!(sheet["mappings"]["Group"], json!([]));
            let notes = sheet["notes"].to_string();
            assert!(!notes.contains("member") && !notes.contains("an attribute to add"), "{notes}");
            let title = item(&sheet["mappings"]["User"], "to", "title");
            assert_eq!(title["why"].as_str().unwrap().ends_with("refused"), strict, "{title}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_in_commands_are_words_of_a_shell() {
    let (service, _) = public(json!({"kind": "okta"})).await;
    let client = json!({"name": "my idp; rm", "kind": "entra"});
    service.admin("POST", "/admin/v1/tenants/acme/clients", Some(client)).await.expect(201);
    let sheet = sheet(&service, "entra").await;
    let command = "`muster token issue --tenant acme --client 'my idp; rm'`";
    assert_eq!(item(&sheet["problems"], "code", "no_token")["do"], command);
}

/// Without `--public-url` only whoever asks says where the service is; the tenant's own host has to be in it.
#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_with_a_host_is_reached_under_the_address_that_is_shown() {
    let service = TestService::start().await;
    let acme = service.create_tenant_with("acme", json!({"kind": "okta", "host": "acme.example.com"})).await;
    let (_, port) = service.url.rsplit_once(':').expect("a port");
    let base_url = format!("http://acme.example.com:{port}/acme/scim/v2");
    assert_eq!(acme.base_url, base_url);
    let shown = service.admin("GET", "/admin/v1/tenants/acme", None).await.expect(200);
    assert_eq!(shown["base_url"], json!(base_url));
    let okta = sheet(&service, "okta").await;
    assert_eq!(item(&okta["fields"], "field", "SCIM connector base URL")["value"], json!(base_url));
    let to_point = item(&okta["problems"], "code", "host_not_public");
    assert!(to_point["do"].as_str().unwrap().contains("acme.example.com"), "{to_point}");
    let (service, _) = public(json!({"kind": "okta", "host": "acme.example.com"})).await;
    let okta = sheet(&service, "okta").await;
    assert_eq!(okta["base_url"], "https://acme.example.com/acme/scim/v2");
    assert_eq!(codes(&okta), [""; 0]);
    assert!(
        okta["notes"].to_string().contains("acme.example.com"),
        "what has to lead here is told: {okta:#}"
    );
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

    let other = json!({"name": "Second", "kind": "okta"});
    service.admin("POST", "/admin/v1/tenants/acme/clients", Some(other)).await.expect(201);
    assert_eq!(progress(&service, "?client=second").await.0.len(), 0, "another client's steps");
    let unknown = service.admin("GET", "/admin/v1/tenants/acme/setup?client=x", None).await;
    assert_eq!((unknown.status, &unknown.body["error"]["code"]), (404, &json!("client_not_found")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_without_groups_waits_for_none() {
    let (service, acme) = public(json!({"kind": "okta", "settings": {"groups": "off"}})).await;
    let acme = here(&service, &acme);
    acme.get("/Users?filter=userName%20eq%20%22nobody%40example.com%22").await.expect(200);
    let user = json!({"schemas": [USER], "userName": "bob@example.com"});
    let path = format!("/Users/{}", crate::harness::id_of(&acme.post("/Users", user).await.expect(201)));
    acme.patch(&path, json!([{"op": "replace", "path": "title", "value": "Clerk"}])).await.expect(200);
    assert!(!progress(&service, "").await.2);
    acme.patch(&path, json!([{"op": "replace", "value": {"active": false}}])).await.expect(200);
    assert!(progress(&service, "").await.2);
}
