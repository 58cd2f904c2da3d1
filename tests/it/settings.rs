//! What a tenant's settings make of the interface: groups that are not the provider's, attributes that are not kept,
//! names that must be addresses, users who start as invited.

use serde_json::{Value, json};

use crate::harness::{Tenant, TestService, id_of};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const ENTERPRISE_USER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

async fn tenant(service: &TestService, settings: Value) -> Tenant {
    service.create_tenant_with("acme", json!({ "settings": settings })).await
}

fn user(name: &str, more: &Value) -> Value {
    let mut body = json!({"schemas": [USER], "userName": name});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn names(list: &Value) -> Vec<&str> {
    list["Resources"].as_array().unwrap().iter().map(|user| user["userName"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_without_groups_lists_none_offers_none_and_takes_none() {
    let service = TestService::start().await;
    let acme = tenant(&service, json!({"groups": "off"})).await;
    let list = acme.get("/Groups?filter=displayName%20eq%20%22x%22").await.expect(200);
    assert_eq!((&list["totalResults"], &list["Resources"]), (&json!(0), &json!([])));
    let group = json!({"schemas": [GROUP], "displayName": "x"});
    acme.post("/Groups", group.clone()).await.refused(403, None, "groups_off");
    let path = "/Groups/0198c0de-0000-7000-8000-00000000000a";
    acme.put(path, group).await.refused(403, None, "groups_off");
    acme.delete(path).await.refused(403, None, "groups_off");
    acme.get(path).await.refused(404, None, "resource_not_found");
    let path = format!("/admin/v1/tenants/{}/groups", acme.name);
    let made = service.admin("POST", &path, Some(json!({"displayName": "x"}))).await;
    assert_eq!(made.expect(403)["error"]["code"], "groups_off");

    let ids = |list: &Value| {
        let resources = list["Resources"].as_array().unwrap().iter();
        resources.map(|one| one["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&acme.get("/ResourceTypes").await.expect(200)), ["User"]);
    assert_eq!(ids(&acme.get("/Schemas").await.expect(200)), [USER, ENTERPRISE_USER]);
    acme.get("/ResourceTypes/Group").await.refused(404, None, "discovery_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_linked_group_takes_members_and_keeps_its_name() {
    let service = TestService::start().await;
    let acme = tenant(&service, json!({"groups": "link-only"})).await;
    let group = json!({"schemas": [GROUP], "displayName": "Engineering"});
    acme.post("/Groups", group).await.refused(403, None, "group_create_refused");
    let path = format!("/admin/v1/tenants/{}/groups", acme.name);
    let made = service.admin("POST", &path, Some(json!({"displayName": "Engineering"}))).await.expect(201);
    let again = service.admin("POST", &path, Some(json!({"displayName": "engineering"}))).await.expect(409);
    assert_eq!(again["error"]["code"], "group_name_taken");
    assert!(again["error"]["detail"].as_str().unwrap().contains(made["id"].as_str().unwrap()), "{again}");
    let alice = acme.user("alice@example.com").await;
    let found = acme.get("/Groups?filter=displayName%20eq%20%22engineering%22").await.expect(200);
    assert_eq!(found["Resources"][0]["id"], made["id"]);
    let path = format!("/Groups/{}", id_of(&made));
    let push = json!([
        {"op": "replace", "value": {"id": made["id"], "displayName": "ENGINEERING"}},
        {"op": "add", "path": "members", "value": [{"value": alice}]},
    ]);
    acme.patch(&path, push).await.expect(204);
    let now = acme.get(&path).await.expect(200);
    assert_eq!((&now["displayName"], &now["members"][0]["value"]), (&json!("Engineering"), &json!(alice)));
    let rename = json!([{"op": "replace", "path": "displayName", "value": "Sales"}]);
    acme.patch(&path, rename).await.refused(403, None, "group_rename_refused");
    acme.delete(&path).await.refused(403, None, "group_delete_refused");
    service.set(&acme, json!({"groups": null})).await;
    acme.delete(&path).await.expect(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_that_share_a_name_cannot_become_ones_that_are_linked_by_it() {
    let service = TestService::start().await;
    let acme = tenant(&service, json!({})).await;
    let mut ids = Vec::new();
    for name in ["Rowers", "Stokers", "stokers"] {
        let group = json!({"schemas": [GROUP], "displayName": name});
        ids.push(id_of(&acme.post("/Groups", group).await.expect(201)));
    }
    let link = || {
        service.admin("PATCH", "/admin/v1/tenants/acme", Some(json!({"settings": {"groups": "link-only"}})))
    };
    let refused = link().await.expect(409);
    assert_eq!(refused["error"]["code"], "group_names_shared");
    let detail = refused["error"]["detail"].as_str().expect("a detail");
    assert!(detail.ends_with(&format!("{}, {}", ids[1], ids[2])), "{detail}");
    let mezmo = json!({"profile": "mezmo"});
    let refused = service.admin("PATCH", "/admin/v1/tenants/acme", Some(mezmo)).await.expect(409);
    assert_eq!(refused["error"]["code"], "group_names_shared", "by a profile as well");
    acme.delete(&format!("/Groups/{}", ids[2])).await.expect(204);
    link().await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_contradict_each_other_are_refused_wherever_they_are_set_as_in_a_profile() {
    let kept = json!(["userName", "active"]);
    let profile = "name = 'crew'\ndescription = 'A crew'\nattributes = ['userName', 'active']\nenforce_canonical_values = ['emails.type']";
    let mistakes = match muster::profiles::read(profile) {
        Err(muster::profiles::ProfileError::Mistaken(mistakes)) => mistakes,
        other => panic!("{other:?}"),
    };
    let told = mistakes[0].to_string();
    let told = told.strip_prefix("line 4: ").expect("the line of the list");
    let contradiction = json!({"attributes": kept, "enforce_canonical_values": ["emails.type"]});
    let service = TestService::start().await;
    let refused = |answer: crate::harness::Answer| {
        let body = answer.expect(400);
        assert_eq!(
            (&body["error"]["code"], &body["error"]["detail"]),
            (&json!("settings_contradict"), &json!(told))
        );
    };
    let create = |body: Value| service.admin("POST", "/admin/v1/tenants", Some(body));
    refused(create(json!({"tenant": "acme", "settings": contradiction})).await);
    let beside_profile = json!({"tenant": "acme", "profile": "mezmo", "settings": contradiction});
    refused(create(beside_profile).await);
    service.create_tenant_with("acme", json!({"settings": {"attributes": kept}})).await;
    let update = |body: Value| service.admin("PATCH", "/admin/v1/tenants/acme", Some(body));
    refused(update(json!({"settings": {"enforce_canonical_values": ["emails.type"]}})).await);
    update(json!({"settings": {"enforce_canonical_values": ["emails.type"], "attributes": null}}))
        .await
        .expect(200);
    refused(update(json!({"settings": {"attributes": kept}})).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_tenant_does_not_keep_is_left_out_and_noted() {
    let service = TestService::start().await;
    let kept = ["userName", "active", "displayName", "emails[type eq \"work\"].value", "name.givenName"];
    let acme = tenant(&service, json!({ "attributes": kept })).await;
    let body = user(
        "alice@example.com",
        &json!({
            "externalId": "e", "locale": "en", "name": {"givenName": "Alice", "middleName": "B"},
            "emails": [{"type": "work", "primary": true, "value": "a@example.com"}, {"type": "home", "value": "h"}],
        }),
    );
    let answer = acme.post("/Users", body).await;
    let request = answer.header("x-request-id").unwrap().to_owned();
    let alice = answer.expect(201);
    assert_eq!(alice["emails"], json!([{"type": "work", "primary": true, "value": "a@example.com"}]));
    assert_eq!((&alice["name"], &alice["locale"]), (&json!({"givenName": "Alice"}), &Value::Null));
    assert_eq!(alice["externalId"], "e");
    let logged = service.admin("GET", &format!("/audit/v1/acme/requests/{request}"), None).await.expect(200);
    assert_eq!(logged["notes"], json!(["attributes.not_kept"]), "{logged}");
    let path = format!("/Users/{}", id_of(&alice));
    let change = json!([{"op": "add", "path": "title", "value": "Dr"}]);
    let after = acme.patch(&path, change).await.expect(200);
    assert_eq!((&after["title"], &after["meta"]), (&Value::Null, &alice["meta"]));
    let served = acme.get(&format!("/Schemas/{USER}")).await.expect(200);
    let attributes = served["attributes"].as_array().unwrap();
    assert!(attributes.iter().all(|attribute| attribute["name"] != "title"), "{served}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_name_that_is_no_address_is_refused_by_every_verb_where_the_tenant_wants_one() {
    let service = TestService::start().await;
    let acme = tenant(&service, json!({"user_name": "email", "put_unknown": "create"})).await;
    let refused = |answer: crate::harness::Answer| {
        answer.refused(400, Some("invalidValue"), "user_name_not_address");
        assert!(answer.body["detail"].as_str().unwrap().contains("mail instead of userPrincipalName"));
    };
    refused(acme.post("/Users", user("alice", &json!({}))).await);
    let path = "/Users/0198c0de-0000-7000-8000-00000000000a";
    refused(acme.put(path, user("alice", &json!({}))).await);
    acme.put(path, user("alice@example.com", &json!({}))).await.expect(201);
    refused(acme.put(path, user("alice", &json!({}))).await);
    refused(acme.patch(path, json!([{"op": "replace", "value": {"userName": "al"}}])).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invited_user_has_a_status_and_is_no_listed_member_until_the_first_sign_in() {
    let service = TestService::start().await;
    let acme = tenant(&service, json!({"initial": "invited"})).await;
    let made = acme.post("/Users", user("alice@example.com", &json!({"status": "Active"}))).await.expect(201);
    assert_eq!(made["status"], "Invited");
    let alice = id_of(&made);
    let path = format!("/Users/{alice}");
    let by_hand = json!([{"op": "replace", "path": "status", "value": "Active"}]);
    acme.patch(&path, by_hand).await.refused(400, Some("mutability"), "attribute_read_only");
    let group = format!("/Groups/{}", acme.group("Data", &[&alice]).await);
    assert_eq!(acme.get(&group).await.expect(200)["members"], Value::Null);
    let activate = format!("/admin/v1/tenants/acme/users/{alice}/activate");
    service.admin("POST", &activate, None).await.expect(200);
    assert_eq!(acme.get(&path).await.expect(200)["status"], "Active");
    assert_eq!(acme.get(&group).await.expect(200)["members"][0]["value"], alice);
    let end = json!([{"op": "replace", "value": {"active": false}}]);
    assert_eq!(acme.patch(&path, end).await.expect(200)["status"], "Disabled");
    let only = acme.get(&format!("{path}?attributes=status")).await.expect(200);
    assert_eq!((&only["status"], &only["userName"]), (&json!("Disabled"), &Value::Null));
    let served = acme.get(&format!("/Schemas/{USER}")).await.expect(200);
    let attributes = served["attributes"].as_array().unwrap();
    let status = attributes.iter().find(|attribute| attribute["name"] == "status").unwrap();
    assert_eq!(status["canonicalValues"], json!(["Invited", "Active", "Disabled"]));
    assert_eq!(status["mutability"], "readOnly");
}

#[tokio::test(flavor = "multi_thread")]
async fn status_can_be_filtered_and_sorted_by_now_and_as_of_an_instant() {
    let service = TestService::start().await;
    let acme = tenant(&service, json!({"initial": "invited"})).await;
    let mut ids = Vec::new();
    for name in ["a@example.com", "b@example.com", "c@example.com"] {
        ids.push(acme.user(name).await);
    }
    service
        .admin("POST", &format!("/admin/v1/tenants/acme/users/{}/activate", ids[1]), None)
        .await
        .expect(200);
    let end = json!([{"op": "replace", "value": {"active": false}}]);
    acme.patch(&format!("/Users/{}", ids[2]), end.clone()).await.expect(200);
    let filtered = |status: &str| format!("/Users?filter=status%20eq%20%22{status}%22");
    for (status, name) in
        [("invited", "a@example.com"), ("Active", "b@example.com"), ("Disabled", "c@example.com")]
    {
        assert_eq!(names(&acme.get(&filtered(status)).await.expect(200)), [name]);
    }
    let sorted = acme.get("/Users?sortBy=status&sortOrder=descending").await.expect(200);
    assert_eq!(names(&sorted), ["a@example.com", "c@example.com", "b@example.com"]);

    // A page by cursor shows the state of its first page; what was then is folded again.
    let page = format!("{}&count=1&cursor=", "/Users?filter=status%20ne%20%22Disabled%22");
    let first = acme.get(&page).await.expect(200);
    assert_eq!((names(&first), &first["totalResults"]), (vec!["a@example.com"], &json!(2)));
    acme.patch(&format!("/Users/{}", ids[1]), end).await.expect(200);
    let next = format!("{page}{}", first["nextCursor"].as_str().unwrap());
    let second = acme.get(&next).await.expect(200);
    assert_eq!(
        (names(&second), &second["Resources"][0]["status"]),
        (vec!["b@example.com"], &json!("Active"))
    );

    // Without invited users there is no such attribute.
    service.set(&acme, json!({"initial": "active"})).await;
    acme.get(&filtered("Active")).await.refused(400, Some("invalidFilter"), "filter_unknown_attribute");
}
