//! `bulkId`: forward, backward, in a circle, and to nowhere.

use serde_json::{Value, json};

use super::{
    ENTERPRISE, GROUP, USER, bulk, events, made, members_of, patch, post_group, post_user, refused, send,
    statuses,
};
use crate::harness::TestService;

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_of_the_rfc_create_a_user_with_a_group_and_one_with_a_manager() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let bob = json!({
        "schemas": [USER, ENTERPRISE], "userName": "Bob",
        ENTERPRISE: {"employeeNumber": "11250", "manager": {"value": "bulkId:qwerty"}},
    });
    let group = json!({
        "schemas": [GROUP], "displayName": "Tour Guides",
        "members": [{"type": "User", "value": "bulkId:qwerty"}],
    });
    let operations = json!([
        post_user("qwerty", "Alice"),
        {"method": "POST", "path": "/Groups", "bulkId": "ytrewq", "data": group},
        {"method": "POST", "path": "/Users", "bulkId": "bob", "data": bob},
    ]);
    let done = bulk(&acme, operations).await;
    assert_eq!(statuses(&done), ["201", "201", "201"]);
    let alice = made(&done[0]);
    let group = acme.get(&format!("/Groups/{}", made(&done[1]))).await.expect(200);
    assert_eq!((members_of(&group), &group["meta"]["version"]), (vec![&*alice], &done[1]["version"]));
    assert_eq!(group["members"][0]["type"], "User");
    let bob = acme.get(&format!("/Users/{}", made(&done[2]))).await.expect(200);
    assert_eq!(bob[ENTERPRISE]["manager"]["value"], json!(alice));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_circle_of_the_rfc_is_one_transaction() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let before = events(&service, 0).await.len();
    let operations = json!([
        post_group("qwerty", "Group A", &["bulkId:ytrewq"]),
        post_group("ytrewq", "Group B", &["bulkId:qwerty"]),
    ]);
    let done = bulk(&acme, operations).await;
    assert_eq!(statuses(&done), ["201", "201"]);
    let [a, b] = [made(&done[0]), made(&done[1])];
    for (own, other, operation) in [(&a, &b, &done[0]), (&b, &a, &done[1])] {
        let group = acme.get(&format!("/Groups/{own}")).await.expect(200);
        assert_eq!((members_of(&group), &group["meta"]["version"]), (vec![&**other], &operation["version"]));
    }
    let recorded = events(&service, before).await;
    let types: Vec<_> = recorded.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["group.created", "group.created", "group.members_added", "group.members_added"]);
    for (event, n) in recorded.iter().zip(1..) {
        assert_eq!(event["txn"], json!({"id": recorded[0]["txn"]["id"], "n": n, "of": 4}));
        assert_eq!(
            (&event["via"], &event["recorded_at"]),
            (&json!("scim.bulk.post"), &recorded[0]["recorded_at"])
        );
    }
    let check = service.admin("POST", "/admin/v1/tenants/acme/projections/check", None).await.expect(200);
    assert_eq!(check["equal"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_circle_fails_together_and_records_nothing() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let before = events(&service, 0).await.len();
    let managed = |bulk_id: &str, user_name: &str, manager: &str| {
        let manager = json!({"manager": {"value": manager}});
        let data = json!({"schemas": [USER, ENTERPRISE], "userName": user_name, ENTERPRISE: manager});
        json!({"method": "POST", "path": "/Users", "bulkId": bulk_id, "data": data})
    };
    let operations = json!([
        // Two who want the same name, each the other's manager.
        managed("a", "same", "bulkId:b"),
        managed("b", "SAME", "bulkId:a"),
        post_group("g", "Both", &["bulkId:a"]),
        // One of three cannot be read.
        post_group("x", "X", &["bulkId:y"]),
        post_group("y", "Y", &["bulkId:z"]),
        {"method": "POST", "path": "/Groups", "bulkId": "z", "data": {"schemas": [GROUP], "members": [{"value": "bulkId:x"}]}},
        // A group in itself.
        post_group("self", "Self", &["bulkId:self"]),
        managed("own", "own manager", "bulkId:own"),
    ]);
    let answer = send(&acme, operations).await;
    assert_eq!(
        answer.header("muster-error-code"),
        Some(
            "bulk_circle_failed, bulk_reference_failed, member_is_group_itself, required_missing, user_name_taken"
        )
    );
    let done = super::operations_of(answer);
    assert_eq!(statuses(&done), ["409", "409", "409", "409", "409", "400", "400", "201"]);
    refused(&done[0], "409", None);
    refused(&done[1], "409", Some("uniqueness"));
    let own = made(&done[7]);
    let user = acme.get(&format!("/Users/{own}")).await.expect(200);
    assert_eq!(user[ENTERPRISE]["manager"]["value"], json!(own));
    assert_eq!(events(&service, before).await.len(), 1, "only the one that succeeded");
    assert_eq!(acme.get("/Groups?count=0").await.expect(200)["totalResults"], 0);
    // The keys and revisions that were tried with are used by others now.
    assert_eq!(
        statuses(&bulk(&acme, json!([managed("a", "a", "bulkId:b"), managed("b", "b", "bulkId:a")])).await),
        ["201", "201"]
    );
    let check = service.admin("POST", "/admin/v1/tenants/acme/projections/check", None).await.expect(200);
    assert_eq!(check["equal"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn references_count_everywhere_in_a_patch_and_in_paths() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "entra").await;
    let kim = acme.user("kim").await;
    let group = acme.group("Guides", &[&kim]).await;
    let path = format!("/Groups/{group}");
    let operations = json!([
        patch(&path, json!([
            {"op": "Add", "path": "members", "value": [{"value": "bulkId:alice"}, {"value": "bulkId:b/o b"}]},
            {"op": "add", "value": {"displayName": "Tour Guides", "members": [{"value": "bulkId:team"}]}},
        ])),
        post_user("alice", "alice"),
        post_user("b/o b", "bob"),
        post_group("team", "Team", &[]),
        patch(&path, json!([{"op": "remove", "path": "members[value eq \"bulkId:b/o b\"]"}])),
        // As Entra removes members.
        patch(&path, json!([{"op": "Remove", "path": "members", "value": [{"value": "bulkId:team"}]}])),
        patch("/Users/bulkId%3Aalice", json!([{"op": "add", "path": format!("{ENTERPRISE}:manager"), "value": "bulkId:b/o b"}])),
        {"method": "PUT", "path": "/Groups/bulkId:team", "data": {"schemas": [GROUP], "displayName": "Team", "members": [{"value": "bulkId:alice"}]}},
        {"method": "DELETE", "path": "/Users/bulkId:b/o b"},
    ]);
    let done = bulk(&acme, operations).await;
    assert_eq!(statuses(&done), ["204", "201", "201", "201", "204", "204", "200", "200", "204"]);
    let [alice, bob] = [made(&done[1]), made(&done[2])];
    let patched = acme.get(&path).await.expect(200);
    let mut members = members_of(&patched);
    members.sort_unstable();
    let mut expected = [&*kim, &*alice];
    expected.sort_unstable();
    assert_eq!((members, &patched["displayName"]), (expected.to_vec(), &json!("Tour Guides")));
    let user = acme.get(&format!("/Users/{alice}")).await.expect(200);
    assert_eq!(user[ENTERPRISE]["manager"]["value"], json!(bob));
    let team = acme.get(&format!("/Groups/{}", made(&done[3]))).await.expect(200);
    assert_eq!(members_of(&team), [&*alice]);
    assert_eq!((&done[6]["location"], &done[8]["location"]), (&done[1]["location"], &done[2]["location"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_to_nowhere_or_to_what_failed_fails_too() {
    let service = TestService::start().await;
    // This kind of client has unknown members skipped; a reference is no unknown member.
    let acme = service.create_tenant("acme", "okta").await;
    let kim = acme.user("kim").await;
    let path = format!("/Users/{kim}");
    let mut patched = patch(&path, json!([{"op": "add", "path": "title", "value": "x"}]));
    patched["bulkId"] = json!("patched");
    let operations = json!([
        post_user("taken", "kim"),
        post_group("g", "G", &["bulkId:taken"]),
        patch("/Groups/bulkId:g", json!([{"op": "add", "path": "displayName", "value": "H"}])),
        patched,
        post_group("h", "H", &["bulkId:patched"]),
        post_group("i", "I", &["bulkId:alice@example.com"]),
        {"method": "DELETE", "path": "/Users/bulkId:nobody"},
    ]);
    let answer = send(&acme, operations).await;
    assert!(!answer.text.contains("alice@example.com"));
    assert_eq!(
        answer.header("muster-error-code"),
        Some("bulk_reference_failed, bulk_reference_unknown, user_name_taken")
    );
    let done = super::operations_of(answer);
    assert_eq!(statuses(&done), ["409", "409", "409", "200", "400", "400", "400"]);
    refused(&done[1], "409", None);
    refused(&done[4], "400", Some("invalidValue"));
    assert_eq!([2, 6].map(|index: usize| done[index].get("location")), [None, None]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_back_is_referred_to_by_the_old_id() {
    let service = TestService::start().await;
    let settings =
        json!({"kind": "generic", "settings": {"post_deactivated": "reactivate", "delete": "deactivate"}});
    let acme = service.create_tenant_with("acme", settings).await;
    let [kim, lee] = [acme.user("kim").await, acme.user("lee").await];
    acme.patch(&format!("/Users/{kim}"), json!([{"op": "replace", "path": "active", "value": false}]))
        .await
        .expect(200);
    acme.delete(&format!("/Users/{lee}")).await.expect(204);
    let managed = |bulk_id: &str, user_name: &str, manager: &str| {
        let data = json!({"schemas": [USER, ENTERPRISE], "userName": user_name, ENTERPRISE: {"manager": {"value": manager}}});
        json!({"method": "POST", "path": "/Users", "bulkId": bulk_id, "data": data})
    };
    let operations = json!([
        post_group("g", "G", &["bulkId:kim", "bulkId:lee", "bulkId:new"]),
        managed("kim", "kim", "bulkId:lee"),
        managed("new", "new", "bulkId:kim"),
        managed("lee", "lee", "bulkId:new"),
        patch("/Users/bulkId:kim", json!([{"op": "add", "path": "title", "value": "T"}])),
        {"method": "DELETE", "path": "/Users/bulkId:lee"},
    ]);
    let done = bulk(&acme, operations).await;
    assert_eq!(statuses(&done), ["201", "201", "201", "201", "200", "204"]);
    assert_eq!(
        [made(&done[1]), made(&done[3]), made(&done[4]), made(&done[5])],
        [&*kim, &*lee, &*kim, &*lee]
    );
    let new = made(&done[2]);
    let reports_to = |user: Value| user[ENTERPRISE]["manager"]["value"].clone();
    assert_eq!(reports_to(acme.get(&format!("/Users/{kim}")).await.expect(200)), json!(lee));
    assert_eq!(reports_to(acme.get(&format!("/Users/{new}")).await.expect(200)), json!(kim));
    let group = acme.get(&format!("/Groups/{}", made(&done[0]))).await.expect(200);
    let mut members = members_of(&group);
    members.sort_unstable();
    let mut expected = [&*kim, &*new];
    expected.sort_unstable();
    assert_eq!(members, expected);
    let check = service.admin("POST", "/admin/v1/tenants/acme/projections/check", None).await.expect(200);
    assert_eq!(check["equal"], true);
}
