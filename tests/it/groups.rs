//! Groups over HTTP: their own document, their members, and what both sides of a membership show.

use serde_json::{Value, json};

use crate::evidence::Watch;
use crate::harness::{Answer, Tenant, TestService, id_of};

const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// A canonical id that nobody has.
const NOBODY: &str = "0198c0de-0000-7000-8000-00000000000a";

/// A group's body with these members.
fn body(display_name: &str, members: &[&str]) -> Value {
    let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
    json!({"schemas": [GROUP], "displayName": display_name, "members": members})
}

fn tag_of(body: &Value) -> String {
    body["meta"]["version"].as_str().expect("a resource has a tag").to_owned()
}

/// The members of a group as it is answered.
async fn members(acme: &Tenant, id: &str) -> Vec<Value> {
    let group = acme.get(&format!("/Groups/{id}")).await.expect(200);
    group["members"].as_array().cloned().unwrap_or_default()
}

/// The ids of the members of a group.
async fn member_ids(acme: &Tenant, id: &str) -> Vec<String> {
    let members = members(acme, id).await;
    members.iter().map(|member| member["value"].as_str().expect("an id").to_owned()).collect()
}

/// The ids of the groups that a user shows.
async fn group_ids(acme: &Tenant, user: &str) -> Vec<String> {
    let user = acme.get(&format!("/Users/{user}")).await.expect(200);
    let groups = user["groups"].as_array().cloned().unwrap_or_default();
    groups.iter().map(|group| group["value"].as_str().expect("an id").to_owned()).collect()
}

fn add(ids: &[&str]) -> Value {
    let members: Vec<Value> = ids.iter().map(|id| json!({"value": id})).collect();
    json!([{"op": "add", "path": "members", "value": members}])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_and_its_members_are_answered_whole_by_both_sides() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let alice = acme.user("alice@example.com").await;
    let made = acme.post("/Groups", body("Tour Guides", &[&alice])).await;
    let id = id_of(&made.body);
    let path = format!("/Groups/{id}");
    assert_eq!(made.header("location"), made.body["meta"]["location"].as_str());
    assert_eq!(made.header("etag"), made.body["meta"]["version"].as_str());
    let made = made.expect(201);
    let expected = json!({
        "schemas": [GROUP], "id": id, "displayName": "Tour Guides",
        "members": [{
            "value": alice, "type": "User", "display": "alice@example.com",
            "$ref": format!("{}/Users/{alice}", acme.base_url),
        }],
        "meta": {
            "resourceType": "Group", "created": made["meta"]["created"], "lastModified": made["meta"]["created"],
            "location": format!("{}{path}", acme.base_url), "version": made["meta"]["version"],
        },
    });
    assert_eq!(made, expected);
    assert_eq!(acme.get(&path).await.expect(200), made);
    let shown = acme.get(&format!("/Users/{alice}")).await.expect(200);
    let expected = json!([{
        "value": id, "type": "direct", "display": "Tour Guides", "$ref": format!("{}{path}", acme.base_url),
    }]);
    assert_eq!(shown["groups"], expected);
    acme.patch(&format!("/Users/{alice}"), json!([{"op": "add", "path": "displayName", "value": "Alice"}]))
        .await;
    let tag = tag_of(&made);
    let renamed = acme.get(&path).await.expect(200);
    assert_eq!((&renamed["members"][0]["display"], tag_of(&renamed)), (&json!("Alice"), tag.clone()));
    let known = acme.send_with("GET", &path, &[("If-None-Match", &tag)], None).await;
    assert_eq!((known.status, known.text.as_str()), (304, ""), "how a member is called is outside the tag");

    let emptied = acme.put(&path, body("Guides", &[])).await.expect(200);
    assert_eq!((emptied.get("members"), &emptied["displayName"]), (None, &json!("Guides")));
    assert_eq!(group_ids(&acme, &alice).await, Vec::<String>::new());
    acme.delete(&path).await.expect(204);
    for method in ["GET", "DELETE"] {
        acme.send(method, &path, None).await.refused(404, None, "resource_not_found");
    }
    acme.put(&path, body("x", &[])).await.refused(404, None, "resource_not_found");
    acme.patch(&path, add(&[&alice])).await.refused(404, None, "resource_not_found");
    acme.get(&format!("/Users/{id}")).await.refused(404, None, "resource_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patched_group_is_answered_only_where_attributes_are_chosen() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let alice = acme.user("alice@example.com").await;
    let id = acme.group("Guides", &[]).await;
    let path = format!("/Groups/{id}");
    let silent = acme.patch(&path, add(&[&alice])).await;
    let tag = silent.header("etag").map(str::to_owned);
    assert_eq!((silent.status, silent.text.as_str()), (204, ""));
    assert_eq!(tag, Some(tag_of(&acme.get(&path).await.expect(200))));
    let rename = |name: &str| json!([{"op": "replace", "path": "displayName", "value": name}]);
    for (choice, name, shown) in [
        ("attributes=displayName", "one", vec!["displayName", "id", "schemas"]),
        ("excludedAttributes=members", "two", vec!["displayName", "id", "meta", "schemas"]),
        ("attributes=members.value", "three", vec!["id", "members", "schemas"]),
        ("excludedAttributes=members.display,meta", "four", vec!["displayName", "id", "members", "schemas"]),
    ] {
        let chosen = acme.patch(&format!("{path}?{choice}"), rename(name)).await.expect(200);
        let keys: Vec<&String> = chosen.as_object().expect("an object").keys().collect();
        assert_eq!(keys, shown, "{choice}");
        assert_eq!(acme.get(&format!("{path}?{choice}")).await.expect(200), chosen);
        let list = acme.get(&format!("/Groups?{choice}")).await.expect(200);
        assert_eq!(list["Resources"], json!([chosen]));
    }
    let chosen = acme.get(&format!("{path}?attributes=members.value")).await.expect(200);
    assert_eq!(chosen["members"], json!([{"value": alice}]));
    let put =
        acme.put(&format!("{path}?excludedAttributes=members"), body("five", &[&alice])).await.expect(200);
    assert_eq!(put.get("members"), None);
    let posted = acme.post("/Groups?attributes=displayName", body("six", &[&alice])).await.expect(201);
    assert_eq!(posted.as_object().expect("an object").len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn preconditions_hold_for_groups_too_and_of_racing_writers_one_wins() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let users = [acme.user("a@example.com").await, acme.user("b@example.com").await];
    let id = acme.group("Guides", &[]).await;
    let path = format!("/Groups/{id}");
    let old = tag_of(&acme.get(&path).await.expect(200));
    acme.patch(&path, add(&[&users[0]])).await.expect(204);
    let mut watch = Watch::begin(&service, &acme).await;
    let adding = |user: &str| {
        let schemas = json!(["urn:ietf:params:scim:api:messages:2.0:PatchOp"]);
        json!({"schemas": schemas, "Operations": add(&[user])}).to_string().into_bytes()
    };
    let put = || Some(body("other", &[]).to_string().into_bytes());
    for (method, body) in [("PATCH", Some(adding(&users[1]))), ("PUT", put()), ("DELETE", None)] {
        let refused = acme.send_with(method, &path, &[("If-Match", &old)], body).await;
        refused.refused(412, None, "precondition_failed");
    }
    assert!(watch.events().await.is_empty());
    let tag = tag_of(&acme.get(&path).await.expect(200));
    let leave = || {
        let schemas = json!(["urn:ietf:params:scim:api:messages:2.0:PatchOp"]);
        let operations = json!([{"op": "remove", "path": "members"}]);
        json!({"schemas": schemas, "Operations": operations}).to_string().into_bytes()
    };
    let (acme_, path_, tag_) = (&acme, &path, &tag);
    let write = |body: Vec<u8>| async move {
        acme_.send_with("PATCH", path_, &[("If-Match", tag_)], Some(body)).await
    };
    let answers =
        futures_util::future::join_all([write(adding(&users[1])), write(leave()), write(adding(&users[1]))])
            .await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 412, 412]);
    assert_eq!(watch.events().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn members_come_and_go_by_every_form_of_patch() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "entra").await;
    let mut users = Vec::new();
    for name in ["a", "b", "c", "d"] {
        users.push(acme.user(&format!("{name}@example.com")).await);
    }
    let [a, b, c, d] = [&users[0], &users[1], &users[2], &users[3]];
    let id = acme.group("Guides", &[]).await;
    let path = format!("/Groups/{id}");
    let added = "group.members_added";
    let removed = "group.members_removed";
    let mut watch = Watch::begin(&service, &acme).await;
    let steps: [(Value, &[&String], &[&str]); 16] = [
        (
            json!([{"op": "add", "path": "members", "value": [{"value": b}, {"value": a, "display": "x"}]}]),
            &[a, b],
            &[added],
        ),
        (json!([{"op": "add", "path": "members", "value": [{"value": a}]}]), &[a, b], &[]),
        (json!([{"op": "Add", "path": "members", "value": {"value": c}}]), &[a, b, c], &[added]),
        (json!([{"op": "add", "value": {"members": [{"value": d}]}}]), &[a, b, c, d], &[added]),
        (json!([{"op": "remove", "path": format!("members[value eq \"{a}\"]")}]), &[b, c, d], &[removed]),
        (json!([{"op": "remove", "path": format!("members[value eq \"{a}\"]")}]), &[b, c, d], &[]),
        (json!([{"op": "Remove", "path": "members", "value": [{"value": b}]}]), &[c, d], &[removed]),
        (json!([{"op": "remove", "path": "members", "value": [{"value": NOBODY}]}]), &[c, d], &[]),
        (
            json!([{"op": "replace", "path": "members", "value": [{"value": a}, {"value": d}]}]),
            &[a, d],
            &[removed, added],
        ),
        (json!([{"op": "replace", "path": "members", "value": [{"value": d}, {"value": a}]}]), &[a, d], &[]),
        (
            json!([{"op": "replace", "value": {"id": id, "displayName": "Guides", "members": [{"value": a}]}}]),
            &[a],
            &[removed],
        ),
        (json!([{"op": "remove", "path": "members[type eq \"Group\"]"}]), &[a], &[]),
        (
            json!([{"op": "remove", "path": format!("members[value eq \"{a}\" or value eq \"{b}\"]")}]),
            &[],
            &[removed],
        ),
        (
            json!([{"op": "replace", "path": "displayName", "value": "New"}, {"op": "add", "path": "members", "value": [{"value": a}]}]),
            &[a],
            &["group.updated", added],
        ),
        (
            json!([{"op": "remove", "path": format!("members[value eq \"{a}\"]")}, {"op": "add", "path": "members", "value": [{"value": a}]}]),
            &[a],
            &[],
        ),
        (json!([{"op": "remove", "path": "members"}]), &[], &[removed]),
    ];
    for (operations, expected, recorded) in steps {
        let before = acme.get(&path).await.expect(200);
        acme.patch(&path, operations.clone()).await.expect(204);
        let expected: Vec<String> = expected.iter().map(|id| (*id).clone()).collect();
        assert_eq!(member_ids(&acme, &id).await, expected, "{operations}");
        assert_eq!(watch.types().await, recorded, "{operations}");
        let after = acme.get(&path).await.expect(200);
        assert_eq!(before["meta"] == after["meta"], recorded.is_empty(), "{operations}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_members_are_refused_by_id_or_skipped_where_the_tenant_or_okta_wants_that() {
    let service = TestService::start().await;
    let generic = service.create_tenant("acme", "generic").await;
    let okta = service.client(&generic, "okta", "okta").await;
    let alice = generic.user("alice@example.com").await;
    let id = generic.group("Guides", &[]).await;
    let path = format!("/Groups/{id}");
    let mut watch = Watch::begin(&service, &generic).await;
    let refused = |answer: Answer, named: &str| {
        answer.refused(400, Some("invalidValue"), "unknown_member");
        assert!(answer.body["detail"].as_str().unwrap().contains(named), "{}", answer.text);
        assert!(!answer.text.contains("bob@example.com"), "{}", answer.text);
    };
    let both = [alice.as_str(), NOBODY];
    refused(generic.post("/Groups", body("x", &both)).await, NOBODY);
    refused(generic.put(&path, body("x", &both)).await, NOBODY);
    refused(generic.patch(&path, add(&both)).await, NOBODY);
    refused(generic.patch(&path, add(&["bob@example.com"])).await, "no UUID");
    assert!(watch.events().await.is_empty());
    assert_eq!(member_ids(&generic, &id).await, Vec::<String>::new());

    let made = okta.post("/Groups", body("pushed", &both)).await.expect(201);
    assert_eq!(made["members"].as_array().unwrap().len(), 1);
    okta.patch(&path, add(&both)).await.expect(204);
    assert_eq!(member_ids(&generic, &id).await, [alice.as_str()]);
    service.set(&generic, json!({"unknown_members": "skip"})).await;
    generic.patch(&path, add(&[NOBODY])).await.expect(204);
    service.set(&generic, json!({"unknown_members": "reject"})).await;
    refused(okta.patch(&path, add(&[NOBODY])).await, NOBODY);
    service.set(&generic, json!({"unknown_members": null})).await;
    okta.patch(&path, add(&[NOBODY])).await.expect(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_can_be_members_but_never_of_themselves() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let alice = acme.user("alice@example.com").await;
    let inner = acme.group("inner", &[&alice]).await;
    let outer = acme.group("outer", &[&inner]).await;
    let expected = json!([{
        "value": inner, "type": "Group", "display": "inner", "$ref": format!("{}/Groups/{inner}", acme.base_url),
    }]);
    assert_eq!(json!(members(&acme, &outer).await), expected);
    assert_eq!(group_ids(&acme, &alice).await, [inner.as_str()], "nested memberships are not resolved");
    let typed = json!([{"op": "add", "path": "members", "value": [{"value": alice, "type": "Group"}]}]);
    acme.patch(&format!("/Groups/{outer}"), typed).await.expect(204);
    assert_eq!(members(&acme, &outer).await[0]["type"], "User", "a member is what it is");
    acme.patch(&format!("/Groups/{inner}"), add(&[&outer])).await.expect(204);
    let mut watch = Watch::begin(&service, &acme).await;
    let path = format!("/Groups/{outer}");
    for refused in [acme.patch(&path, add(&[&outer])).await, acme.put(&path, body("outer", &[&outer])).await]
    {
        refused.refused(400, Some("invalidValue"), "member_is_group_itself");
    }
    assert!(watch.events().await.is_empty());
    acme.delete(&format!("/Groups/{inner}")).await.expect(204);
    let events = watch.events().await;
    let told: Vec<_> = events
        .iter()
        .map(|event| (event["type"].as_str().unwrap(), event["subject"].as_str().unwrap()))
        .collect();
    let (of_inner, of_outer) = (format!("groups/{inner}"), format!("groups/{outer}"));
    let removed = "group.members_removed";
    assert_eq!(told, [(removed, of_inner.as_str()), (removed, &of_outer), ("group.deleted", &of_inner)]);
    assert_eq!(member_ids(&acme, &outer).await, [alice.as_str()]);
    assert_eq!(group_ids(&acme, &alice).await, [outer.as_str()]);
    acme.delete(&format!("/Users/{alice}")).await.expect(204);
    assert_eq!(member_ids(&acme, &outer).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_groups_may_repeat_and_external_ids_may_not() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let other = service.client(&acme, "other", "generic").await;
    acme.group("Guides", &[]).await;
    acme.group("guides", &[]).await;
    let found = acme.get("/Groups?filter=displayName%20eq%20%22GUIDES%22").await.expect(200);
    assert_eq!(found["totalResults"], 2);
    let with_id =
        |external_id: &str| json!({"schemas": [GROUP], "displayName": "x", "externalId": external_id});
    let id = id_of(&acme.post("/Groups", with_id("1")).await.expect(201));
    acme.post("/Groups", with_id("1")).await.refused(409, Some("uniqueness"), "external_id_taken");
    other.post("/Groups", with_id("1")).await.expect(201);
    assert_eq!(other.get(&format!("/Groups/{id}")).await.expect(200).get("externalId"), None);
    let user = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "u", "externalId": "1"});
    acme.post("/Users", user).await.expect(201);
    for nameless in [json!({"schemas": [GROUP]}), json!({"schemas": [GROUP], "displayName": ""})] {
        acme.post("/Groups", nameless).await.refused(400, Some("invalidValue"), "required_missing");
    }
    let operators = json!({"displayName": "Made by an operator"});
    let made = service.admin("POST", "/admin/v1/tenants/acme/groups", Some(operators)).await.expect(201);
    let shown = acme.get(&format!("/Groups/{}", id_of(&made))).await.expect(200);
    assert_eq!(shown["displayName"], "Made by an operator");
    for nothing in [json!({"displayName": " "}), json!({"name": "x"})] {
        let refused = service.admin("POST", "/admin/v1/tenants/acme/groups", Some(nothing)).await;
        assert_eq!(refused.status, 400, "{}", refused.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_of_a_group_without_members_clears_or_keeps_them_as_the_tenant_says() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let alice = acme.user("alice@example.com").await;
    let id = acme.group("Guides", &[&alice]).await;
    let path = format!("/Groups/{id}");
    let without = || json!({"schemas": [GROUP], "displayName": "Guides"});
    service.set(&acme, json!({"put_omitted": "keep"})).await;
    let mut watch = Watch::begin(&service, &acme).await;
    acme.put(&path, without()).await.expect(200);
    assert_eq!(watch.types().await, Vec::<String>::new());
    assert_eq!(member_ids(&acme, &id).await, [alice.as_str()]);
    service.set(&acme, json!({"put_omitted": "clear"})).await;
    watch.events().await;
    acme.put(&path, without()).await.expect(200);
    assert_eq!(watch.types().await, ["group.members_removed"]);
    assert_eq!(member_ids(&acme, &id).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invited_member_is_kept_but_not_listed_until_the_first_sign_in() {
    let service = TestService::start().await;
    let acme = service.create_tenant_with("acme", json!({"settings": {"initial": "invited"}})).await;
    let (alice, bob) = (acme.user("alice@example.com").await, acme.user("bob@example.com").await);
    let group = acme.group("Guides", &[&alice, &bob]).await;
    let path = format!("/Groups/{group}");
    assert_eq!(member_ids(&acme, &group).await, Vec::<String>::new());
    let tag = tag_of(&acme.get(&path).await.expect(200));
    let activate = format!("/admin/v1/tenants/acme/users/{alice}/activate");
    let mut watch = Watch::begin(&service, &acme).await;
    let activated = service.admin("POST", &activate, None).await.expect(200);
    assert_eq!(activated, json!({"id": alice, "activated": true}));
    assert_eq!(watch.types().await, ["user.activated"]);
    assert_eq!(member_ids(&acme, &group).await, [alice.as_str()]);
    let known = acme.send_with("GET", &path, &[("If-None-Match", &tag)], None).await;
    assert_eq!(known.status, 200, "who is listed is outside the tag");
    let by_member = |id: &str| format!("/Groups?filter=members.value%20eq%20%22{id}%22");
    assert_eq!(acme.get(&by_member(&alice)).await.expect(200)["totalResults"], 1);
    assert_eq!(acme.get(&by_member(&bob)).await.expect(200)["totalResults"], 0);
    assert_eq!(service.admin("POST", &activate, None).await.expect(200)["activated"], false);
    assert!(watch.events().await.is_empty());
    let nobody = "/admin/v1/tenants/acme/users/0198c0de-0000-7000-8000-00000000000a/activate";
    assert_eq!(service.admin("POST", nobody, None).await.status, 404);
    acme.delete(&format!("/Users/{bob}")).await.expect(204);
    assert_eq!(watch.types().await, ["group.members_removed", "user.deleted"], "the membership was there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_was_read_before_shows_every_later_change_of_itself_and_of_its_groups() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let alice = acme.user("alice@example.com").await;
    let bob = acme.user("bob@example.com").await;
    let path = format!("/Users/{alice}");
    let read = async || acme.get(&path).await.expect(200);
    // Each is read twice before and after, so that whatever is kept of it was kept.
    let (before, again) = (read().await, read().await);
    assert_eq!(before, again);
    acme.patch(&path, json!([{"op": "replace", "path": "title", "value": "Guide"}])).await.expect(200);
    assert_eq!(read().await["title"], "Guide");
    let group = id_of(&acme.post("/Groups", body("Guides", &[&alice])).await.body);
    assert_eq!(read().await["groups"][0]["display"], "Guides");
    let rename = json!([{"op": "replace", "path": "displayName", "value": "Leaders"}]);
    acme.patch(&format!("/Groups/{group}"), rename).await.expect(204);
    assert_eq!(read().await["groups"][0]["display"], "Leaders");
    acme.patch(&format!("/Users/{bob}"), json!([{"op": "replace", "path": "title", "value": "Cook"}]))
        .await
        .expect(200);
    assert_eq!(read().await["groups"][0]["display"], "Leaders");
    acme.delete(&format!("/Groups/{group}")).await.expect(204);
    assert_eq!(read().await.get("groups"), None);
    acme.delete(&path).await.expect(204);
    acme.get(&path).await.expect(404);
}
