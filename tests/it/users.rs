//! Users over HTTP: every verb, what is answered, what is recorded, what makes a request fail.

use serde_json::{Value, json};

use crate::evidence::{Watch, files_with};
use crate::harness::{Tenant, TestService, id_of};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// A user's body.
fn named(user_name: &str) -> Value {
    json!({"schemas": [USER], "userName": user_name})
}

/// A user's body with more in it.
fn with(user_name: &str, more: &Value) -> Value {
    let mut body = named(user_name);
    for (name, value) in more.as_object().expect("an object") {
        body[name] = value.clone();
    }
    body
}

/// The names of a body's members, sorted.
fn keys(body: &Value) -> Vec<&str> {
    body.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_created_user_is_answered_whole_and_found_where_its_location_says() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let body = json!({
        "schemas": [USER, ENTERPRISE],
        "id": "mine", "meta": {"version": "W/\"9\""}, "groups": [{"value": "x"}],
        "USERNAME": "bjensen@example.com",
        "externalId": "701984",
        "name": {"familyName": "Jensen", "givenName": "Barbara", "middleName": null},
        "emails": [{"value": "bjensen@example.com", "type": "work", "primary": true}],
        "phoneNumbers": [],
        ENTERPRISE: {"department": "Tours", "manager": {"value": "26118915"}},
    });
    let made = acme.post("/Users", body).await;
    assert_eq!(made.header("content-type"), Some("application/scim+json"));
    assert!(made.header("x-request-id").is_some_and(|id| id.len() == 36));
    let (location, tag) =
        (made.header("location").map(str::to_owned), made.header("etag").map(str::to_owned));
    let made = made.expect(201);
    let id = id_of(&made);
    let expected = json!({
        "schemas": [USER, ENTERPRISE],
        "id": id,
        "userName": "bjensen@example.com",
        "externalId": "701984",
        "active": true,
        "name": {"familyName": "Jensen", "givenName": "Barbara"},
        "emails": [{"value": "bjensen@example.com", "type": "work", "primary": true}],
        ENTERPRISE: {"department": "Tours", "manager": {"value": "26118915"}},
        "meta": {
            "resourceType": "User",
            "created": made["meta"]["created"],
            "lastModified": made["meta"]["created"],
            "location": format!("{}/Users/{id}", acme.base_url),
            "version": made["meta"]["version"],
        },
    });
    assert_eq!(made, expected);
    assert_eq!(location.as_deref(), made["meta"]["location"].as_str());
    assert_eq!(tag.as_deref(), made["meta"]["version"].as_str());
    assert_eq!(acme.get(&format!("/Users/{id}")).await.expect(200), made);
    assert_eq!(acme.get(&format!("/users/{id}/?aadOptscim062020&")).await.expect(200), made);

    acme.delete(&format!("/Users/{id}")).await.expect(204);
    for method in ["GET", "DELETE"] {
        acme.send(method, &format!("/Users/{id}"), None).await.refused(404, None, "resource_not_found");
    }
    acme.put(&format!("/Users/{id}"), named("x")).await.refused(404, None, "resource_not_found");
    let replace = json!([{"op": "replace", "path": "userName", "value": "x"}]);
    acme.patch(&format!("/Users/{id}"), replace).await.refused(404, None, "resource_not_found");
    assert_eq!(acme.get("/Users").await.expect(200)["totalResults"], 0);
}

/// Asks with each verb, and expects a body with exactly these members.
async fn check_chosen(acme: &Tenant, id: &str, choice: &str, expected: &[&str]) {
    let path = format!("/Users/{id}?{choice}");
    let more = json!({
        "name": {"familyName": "Jensen", "givenName": "Barbara"},
        "emails": [{"value": "b@example.com", "type": "work"}],
        ENTERPRISE: {"department": "Tours"},
    });
    let by_put = acme.put(&path, with("chosen@example.com", &more)).await.expect(200);
    let by_patch =
        acme.patch(&path, json!([{"op": "replace", "path": "title", "value": choice}])).await.expect(200);
    let by_get = acme.get(&path).await.expect(200);
    let by_list = acme.get(&format!("/Users?filter=id+eq+%22{id}%22&{choice}")).await.expect(200);
    let by_post =
        acme.post(&format!("/Users?{choice}"), with(&format!("other {choice}"), &more)).await.expect(201);
    acme.delete(&format!("/Users/{}", id_of(&by_post))).await.expect(204);
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    let titled: Vec<&str> = expected.iter().copied().filter(|key| *key != "title").collect();
    for (verb, body, expected) in [
        ("PUT", &by_put, &titled),
        ("PATCH", &by_patch, &expected),
        ("GET", &by_get, &expected),
        ("list", &by_list["Resources"][0], &expected),
        ("POST", &by_post, &titled),
    ] {
        assert_eq!(&keys(body), expected, "{verb} with {choice}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_verb_answers_with_the_chosen_attributes() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let id = acme.user("chosen@example.com").await;
    let all = ["schemas", "id", "meta", "userName", "active", "name", "emails", "title", ENTERPRISE];
    let without =
        |names: &[&str]| -> Vec<&str> { all.iter().copied().filter(|name| !names.contains(name)).collect() };
    for (choice, expected) in [
        ("attributes=userName", vec!["schemas", "id", "userName"]),
        ("ATTRIBUTES=USERNAME%2C%20title", vec!["schemas", "id", "userName", "title"]),
        ("attributes=nothing", vec!["schemas", "id"]),
        ("attributes=name.familyName,emails.type", vec!["schemas", "id", "name", "emails"]),
        ("attributes=urn:ietf:params:scim:schemas:core:2.0:User:userName", vec!["schemas", "id", "userName"]),
        (
            "attributes=urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
            vec!["schemas", "id", ENTERPRISE],
        ),
        (
            "attributes=urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
            vec!["schemas", "id", ENTERPRISE],
        ),
        ("excludedAttributes=emails,name.familyName,meta", without(&["emails", "meta"])),
        ("excludedAttributes=id,schemas,nothing", without(&[])),
        ("excludedAttributes=", without(&[])),
    ] {
        check_chosen(&acme, &id, choice, &expected).await;
    }
    let chosen = acme.get(&format!("/Users/{id}?attributes=name.familyName,emails.type")).await.expect(200);
    assert_eq!(chosen["name"], json!({"familyName": "Jensen"}));
    assert_eq!(chosen["emails"], json!([{"type": "work"}]));
    let mut watch = Watch::begin(&service, &acme).await;
    let both = "attributes=userName&excludedAttributes=name";
    for (method, path) in
        [("GET", format!("/Users/{id}")), ("POST", "/Users".into()), ("PUT", format!("/Users/{id}"))]
    {
        let body = (method != "GET").then(|| named("both@example.com"));
        let refused = acme.send(method, &format!("{path}?{both}"), body).await;
        refused.refused(400, Some("invalidValue"), "attributes_and_excluded");
    }
    assert!(watch.events().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_racing_creations_of_one_name_exactly_one_wins() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let names = ["eve@example.com", "EVE@example.com", "Eve@Example.com", "eve@EXAMPLE.com"];
    let answers = futures_util::future::join_all(names.map(|name| acme.post("/Users", named(name)))).await;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409]);
    assert_eq!(acme.get("/Users").await.expect(200)["totalResults"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_user_cannot_take_a_name_that_differs_only_in_case_by_any_verb() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let street = acme.user("straße@example.com").await;
    let other = acme.user("other@example.com").await;
    let mut watch = Watch::begin(&service, &acme).await;
    for taken in ["straße@example.com", "STRASSE@EXAMPLE.COM", "Strasse@example.com"] {
        let taken = || named(taken);
        acme.post("/Users", taken()).await.refused(409, Some("uniqueness"), "user_name_taken");
        let path = format!("/Users/{other}");
        acme.put(&path, taken()).await.refused(409, Some("uniqueness"), "user_name_taken");
        let replace = json!([{"op": "replace", "path": "userName", "value": taken()["userName"]}]);
        let refused = acme.patch(&path, replace).await;
        refused.refused(409, Some("uniqueness"), "user_name_taken");
        assert!(
            !refused.text.to_lowercase().contains("stra"),
            "a refusal never repeats a value: {}",
            refused.text
        );
    }
    assert!(watch.events().await.is_empty());
    let renamed = acme.put(&format!("/Users/{street}"), named("STRASSE@example.com")).await.expect(200);
    assert_eq!(renamed["userName"], "STRASSE@example.com", "whose name it is may write it in another way");
    let found = acme.get("/Users?filter=userName%20eq%20%22stra%C3%9Fe@example.com%22").await.expect(200);
    assert_eq!(found["Resources"][0]["id"], json!(street));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_users_name_is_free_again_and_its_id_is_never_given_out_again() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let first = acme.user("alice@example.com").await;
    acme.delete(&format!("/Users/{first}")).await.expect(204);
    let second = acme.user("alice@example.com").await;
    assert_ne!(first, second);
    service.set(&acme, json!({"put_unknown": "create"})).await;
    let refused = acme.put(&format!("/Users/{first}"), named("bob@example.com")).await;
    refused.refused(404, None, "resource_not_found");
    assert_eq!(acme.get("/Users").await.expect(200)["totalResults"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_client_sees_and_filters_its_own_external_ids() {
    let service = TestService::start().await;
    let okta = service.create_tenant("acme", "okta").await;
    let entra = service.client(&okta, "entra", "entra").await;
    let made =
        okta.post("/Users", with("alice@example.com", &json!({"externalId": "okta-1"}))).await.expect(201);
    let path = format!("/Users/{}", id_of(&made));
    assert_eq!(entra.get(&path).await.expect(200).get("externalId"), None);
    let theirs = json!([{"op": "add", "path": "externalId", "value": "entra-1"}]);
    assert_eq!(entra.patch(&path, theirs).await.expect(200)["externalId"], "entra-1");

    let check = async |client: &Tenant, external_id: &str, found: u64| {
        let filter = format!("/Users?filter=externalId%20eq%20%22{external_id}%22");
        let list = client.get(&filter).await.expect(200);
        assert_eq!(list["totalResults"], found, "{external_id}");
        if found > 0 {
            assert_eq!(list["Resources"][0]["externalId"], external_id);
        }
    };
    check(&okta, "okta-1", 1).await;
    check(&okta, "entra-1", 0).await;
    check(&entra, "entra-1", 1).await;
    check(&entra, "okta-1", 0).await;
    check(&okta, "OKTA-1", 0).await;

    let second = |external_id: &str| with("bob@example.com", &json!({"externalId": external_id}));
    let refused = okta.post("/Users", second("okta-1")).await;
    refused.refused(409, Some("uniqueness"), "external_id_taken");
    let bob = id_of(&okta.post("/Users", second("entra-1")).await.expect(201));
    let taken = json!([{"op": "add", "path": "externalId", "value": "entra-1"}]);
    let refused = entra.patch(&format!("/Users/{bob}"), taken).await;
    refused.refused(409, Some("uniqueness"), "external_id_taken");

    let cleared = okta.put(&path, named("alice@example.com")).await.expect(200);
    assert_eq!(cleared.get("externalId"), None);
    assert_eq!(entra.get(&path).await.expect(200)["externalId"], "entra-1", "another domain's stays");
    check(&okta, "okta-1", 0).await;

    let replaced = json!({"name": "okta 2", "kind": "okta", "replaces": "default"});
    service.admin("POST", "/admin/v1/tenants/acme/clients", Some(replaced)).await.expect(201);
    let issued = service.token("acme", json!({"client": "okta 2"})).await;
    let successor = Tenant { token: issued.token, ..okta.clone() };
    let seen = successor.get(&format!("/Users/{bob}")).await.expect(200);
    assert_eq!(seen["externalId"], "entra-1", "who replaces a client takes over its domain");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_clears_what_it_leaves_out_unless_the_tenant_keeps_it() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let more = json!({"title": "Guide", "externalId": "1", "active": false, "name": {"givenName": "A", "familyName": "B"}});
    let path =
        format!("/Users/{}", id_of(&acme.post("/Users", with("a@example.com", &more)).await.expect(201)));
    let put = acme.put(&path, with("a@example.com", &json!({"name": {"givenName": "A"}}))).await.expect(200);
    assert_eq!(put["active"], false, "a leaver does not come back by omission");
    assert_eq!((put.get("title"), put.get("externalId")), (None, None));
    assert_eq!(put["name"], json!({"givenName": "A"}));

    service.set(&acme, json!({"put_omitted": "keep"})).await;
    acme.put(&path, with("a@example.com", &more)).await.expect(200);
    let put = acme.put(&path, named("a2@example.com")).await.expect(200);
    assert_eq!(
        (&put["title"], &put["externalId"], &put["userName"]),
        (&json!("Guide"), &json!("1"), &json!("a2@example.com"))
    );
    let put =
        acme.put(&path, with("a2@example.com", &json!({"title": null, "active": true}))).await.expect(200);
    assert_eq!(put["active"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_to_an_unknown_id_creates_only_where_the_tenant_says_so() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let id = "0198c0de-0000-7000-8000-00000000000a";
    let path = format!("/Users/{id}");
    acme.put(&path, named("a@example.com")).await.refused(404, None, "resource_not_found");
    service.set(&acme, json!({"put_unknown": "create"})).await;
    let mut watch = Watch::begin(&service, &acme).await;
    let wrong_type = acme
        .put(
            &format!("/Groups/{id}"),
            json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "x"}),
        )
        .await;
    wrong_type.refused(404, None, "resource_not_found");
    for odd in [id.to_uppercase(), id.replace('-', ""), "alice".into()] {
        let refused = acme.put(&format!("/Users/{odd}"), named("a@example.com")).await;
        refused.refused(404, None, "resource_not_found");
    }
    let body = named("a@example.com").to_string().into_bytes();
    let refused = acme.send_with("PUT", &path, &[("If-Match", "*")], Some(body)).await;
    refused.refused(412, None, "precondition_failed");
    assert!(watch.events().await.is_empty());
    let made = acme.put(&path, named("a@example.com")).await;
    assert!(made.header("location").is_some_and(|location| location.ends_with(id)));
    assert_eq!(id_of(&made.expect(201)), id);
    assert_eq!(watch.types().await, ["user.created"]);
    acme.put(&path, named("b@example.com")).await.expect(200);
    let group = acme.group("g", &[id]).await;
    let refused = acme.put(&format!("/Users/{group}"), named("c@example.com")).await;
    refused.refused(404, None, "resource_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tenant_decides_what_deletion_means() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    service.set(&acme, json!({"delete": "refuse"})).await;
    let id = acme.user("alice@example.com").await;
    let path = format!("/Users/{id}");
    let group = acme.group("Guides", &[&id]).await;
    let mut watch = Watch::begin(&service, &acme).await;
    acme.delete(&path).await.refused(400, Some("mutability"), "delete_refused");
    assert!(watch.events().await.is_empty());

    service.set(&acme, json!({"delete": "deactivate"})).await;
    watch.events().await;
    acme.delete(&path).await.expect(204);
    assert_eq!(watch.types().await, ["group.members_removed", "user.hidden"]);
    for refused in [acme.get(&path).await, acme.delete(&path).await, acme.put(&path, named("x")).await] {
        refused.refused(404, None, "resource_not_found");
    }
    assert_eq!(acme.get("/Users").await.expect(200)["totalResults"], 0);
    assert_eq!(acme.get(&format!("/Groups/{group}")).await.expect(200).get("members"), None);
    let refused = acme
        .patch(
            &format!("/Groups/{group}"),
            json!([{"op": "add", "path": "members", "value": [{"value": id}]}]),
        )
        .await;
    refused.refused(400, Some("invalidValue"), "unknown_member");
    let second = acme.user("alice@example.com").await;
    assert_ne!(second, id, "a hidden user holds no name");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_deactivated_or_hidden_comes_back_under_the_same_id_where_the_tenant_says_so() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let id = acme.user("alice@example.com").await;
    let path = format!("/Users/{id}");
    let leave = || json!([{"op": "replace", "path": "active", "value": false}]);
    acme.patch(&path, leave()).await.expect(200);
    acme.post("/Users", named("ALICE@example.com")).await.refused(409, Some("uniqueness"), "user_name_taken");

    service.set(&acme, json!({"post_deactivated": "reactivate", "delete": "deactivate"})).await;
    let mut watch = Watch::begin(&service, &acme).await;
    let back = acme.post("/Users", with("ALICE@example.com", &json!({"title": "Guide"}))).await;
    assert!(back.header("location").is_some_and(|location| location.ends_with(&id)));
    let back = back.expect(201);
    assert_eq!(
        (id_of(&back), &back["active"], &back["userName"]),
        (id.clone(), &json!(true), &json!("ALICE@example.com"))
    );
    assert_eq!(watch.types().await, ["user.reactivated", "user.updated"]);
    acme.post("/Users", named("alice@example.com")).await.refused(409, Some("uniqueness"), "user_name_taken");
    acme.delete(&path).await.expect(204);
    assert_eq!(id_of(&acme.post("/Users", named("alice@example.com")).await.expect(201)), id);
    assert_eq!(acme.get(&path).await.expect(200)["userName"], "alice@example.com");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_deactivated_is_known_by_external_id_under_another_name() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "okta").await;
    let external_id = json!({"externalId": "00ua"});
    let id = id_of(&acme.post("/Users", with("alice@example.com", &external_id)).await.expect(201));
    let path = format!("/Users/{id}");
    acme.patch(&path, json!([{"op": "replace", "value": {"active": false}}])).await.expect(200);
    let married = || with("alice.smith@example.com", &external_id);
    acme.post("/Users", married()).await.refused(409, Some("uniqueness"), "external_id_taken");
    assert_eq!(acme.get(&path).await.expect(200)["active"], false, "a conflict changes nothing");

    service.set(&acme, json!({"post_deactivated": "reactivate"})).await;
    let back = acme.post("/Users", married()).await.expect(201);
    assert_eq!(
        (id_of(&back), &back["active"], &back["userName"], &back["externalId"]),
        (id.clone(), &json!(true), &json!("alice.smith@example.com"), &json!("00ua"))
    );
    assert_eq!(acme.get(&path).await.expect(200)["active"], true);
    // The name that she had is free again.
    assert_ne!(id_of(&acme.post("/Users", named("alice@example.com")).await.expect(201)), id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_comes_in_every_form_that_providers_send() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "entra").await;
    let (boss, id) = (acme.user("boss@example.com").await, acme.user("alice@example.com").await);
    let path = format!("/Users/{id}");
    let manager = format!("{ENTERPRISE}:manager");
    for operation in [
        json!({"op": "Add", "path": manager, "value": boss}),
        json!({"op": "replace", "path": manager, "value": {"value": boss, "displayName": "Boss", "$ref": "../Users/1"}}),
        json!({"op": "Add", "path": manager, "value": [{"value": boss, "$ref": "../Users/1"}]}),
        json!({"op": "add", "path": format!("{manager}.value"), "value": boss}),
        json!({"op": "add", "value": {manager.clone(): boss}}),
        json!({"op": "add", "value": {ENTERPRISE: {"manager": {"value": boss}}}}),
        json!({"op": "replace", "path": "manager", "value": boss}),
    ] {
        let with_manager = acme.patch(&path, json!([operation])).await.expect(200);
        assert_eq!(with_manager[ENTERPRISE], json!({"manager": {"value": boss}}), "{operation}");
        assert_eq!(with_manager["schemas"], json!([USER, ENTERPRISE]));
        let without = acme.patch(&path, json!([{"op": "remove", "path": manager}])).await.expect(200);
        assert_eq!((without.get(ENTERPRISE), &without["schemas"]), (None, &json!([USER])));
    }
    acme.patch(&path, json!([{"op": "add", "path": manager, "value": boss}])).await.expect(200);
    for nothing in [json!(""), Value::Null, json!([])] {
        let cleared = acme
            .patch(&path, json!([{"op": "replace", "path": manager, "value": nothing}]))
            .await
            .expect(200);
        assert_eq!(cleared.get(ENTERPRISE), None, "{nothing}");
        acme.patch(&path, json!([{"op": "add", "path": manager, "value": boss}])).await.expect(200);
    }
    let of_boss = format!("/Users?filter={ENTERPRISE}:manager%20eq%20%22{boss}%22");
    assert_eq!(acme.get(&of_boss).await.expect(200)["totalResults"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_service_may_write_is_ignored_in_bodies_and_refused_by_path() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let made = acme.post("/Users", named("alice@example.com")).await.expect(201);
    let path = format!("/Users/{}", id_of(&made));
    let mut watch = Watch::begin(&service, &acme).await;
    let forged = json!({
        "id": "other", "groups": [{"value": "x"}],
        "meta": {"created": "2001-01-01T00:00:00Z", "resourceType": "Group", "location": 7},
    });
    assert_eq!(acme.put(&path, with("alice@example.com", &forged)).await.expect(200), made);
    assert_eq!(acme.patch(&path, json!([{"op": "replace", "value": forged}])).await.expect(200), made);
    for read_only in ["id", "groups", "meta", "meta.created", "meta.location"] {
        let refused = acme.patch(&path, json!([{"op": "replace", "path": read_only, "value": "x"}])).await;
        refused.refused(400, Some("mutability"), "attribute_read_only");
    }
    assert!(watch.events().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_is_carried_out_whole_or_not_at_all() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let made = acme.post("/Users", named("alice@example.com")).await.expect(201);
    let path = format!("/Users/{}", id_of(&made));
    let mut watch = Watch::begin(&service, &acme).await;
    let good = json!({"op": "replace", "path": "title", "value": "changed"});
    for (operation, scim_type, code) in [
        (json!({"op": "remove"}), "noTarget", "patch_remove_without_path"),
        (json!({"op": "remove", "path": "userName"}), "mutability", "attribute_required"),
        (
            json!({"op": "replace", "path": "emails[type eq \"work\" and primary eq true].display.x", "value": 1}),
            "invalidPath",
            "path_invalid",
        ),
        (json!({"op": "replace", "path": "emails[type eq", "value": "x"}), "invalidFilter", "filter_invalid"),
        (
            json!({"op": "replace", "path": "emails[type ne \"x\"]", "value": {"value": "x"}}),
            "noTarget",
            "patch_no_target",
        ),
        (json!({"op": "replace", "path": "active", "value": "maybe"}), "invalidValue", "wrong_type"),
        (json!({"op": "replace", "path": "userName", "value": " "}), "invalidValue", "required_missing"),
        (json!({"op": "move", "path": "title", "value": "x"}), "invalidSyntax", "patch_operation_invalid"),
        (json!({"op": "add", "path": "title"}), "invalidValue", "patch_value_missing"),
        (json!("x"), "invalidSyntax", "patch_operation_invalid"),
    ] {
        let refused = acme.patch(&path, json!([good, operation])).await;
        refused.refused(400, Some(scim_type), code);
        assert!(refused.body["detail"].as_str().unwrap().len() > 20, "{}", refused.text);
    }
    acme.patch(&path, json!([])).await.refused(400, Some("invalidSyntax"), "patch_no_operations");
    let no_schema = acme.send("PATCH", &path, Some(json!({"Operations": [good]}))).await;
    no_schema.refused(400, Some("invalidSyntax"), "patch_schema_missing");
    assert!(watch.events().await.is_empty());
    assert_eq!(acme.get(&path).await.expect(200), made);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_never_answered_and_reaches_no_file() {
    const PASSWORD: &str = "Tr0ub4dor-and-3-horses";
    const NAME: &str = "planted.person@example.com";
    let mut service = TestService::start().await;
    let acme = service.create_tenant("acme", "okta").await;
    let secret = json!({"password": PASSWORD});
    let made = acme.post("/Users", with(NAME, &secret)).await;
    assert!(!made.text.contains(PASSWORD));
    let id = id_of(&made.expect(201));
    let path = format!("/Users/{id}");
    let mut watch = Watch::begin(&service, &acme).await;
    for answer in [
        acme.put(&path, with(NAME, &secret)).await,
        acme.patch(&path, json!([{"op": "replace", "path": "password", "value": PASSWORD}])).await,
        acme.patch(&path, json!([{"op": "replace", "value": secret}])).await,
        acme.get(&format!("{path}?attributes=password,userName")).await,
        acme.get("/Users?attributes=password").await,
    ] {
        assert!(!answer.text.contains(PASSWORD), "{}", answer.text);
        answer.expect(200);
    }
    assert!(watch.events().await.is_empty(), "a password changes nothing that is kept");
    let filter = format!("/Users?filter=password%20eq%20%22{PASSWORD}%22");
    acme.get(&filter).await.refused(403, Some("sensitive"), "filter_sensitive_attribute");
    let wrong = acme
        .post("/Users", json!({"schemas": [USER], "userName": [PASSWORD], "password": {"x": PASSWORD}}))
        .await;
    assert_eq!(wrong.status, 400);
    assert!(!wrong.text.contains(PASSWORD), "{}", wrong.text);

    let none: Vec<std::path::PathBuf> = Vec::new();
    assert_eq!(files_with(service.data(), PASSWORD.as_bytes()), none);
    let folder = service.tenant_folder("acme");
    let named = files_with(&folder, NAME.as_bytes());
    let is_view = |path: &std::path::PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with("current.db") || name.starts_with("history.db")
    };
    assert!(!named.is_empty() && named.iter().all(is_view), "sealed everywhere but in the views: {named:?}");
    service.stop().await;
    assert_eq!(files_with(service.data(), PASSWORD.as_bytes()), none);
    assert!(files_with(&folder, NAME.as_bytes()).iter().all(is_view));
    service.resume().await;
}
