//! Bulk requests over HTTP (RFC 7644 section 3.7): references, errors, limits, versions, and what is recorded.

mod durability;
mod limits;
mod references;

use serde_json::{Value, json};

use crate::harness::{Answer, Tenant, TestService};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const STRANGER: &str = "01a202c9-760f-705d-b697-ca542c208fb3";

fn request(operations: Value) -> Value {
    let mut body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"]});
    body["Operations"] = operations;
    body
}

async fn send(tenant: &Tenant, operations: Value) -> Answer {
    tenant.post("/Bulk", request(operations)).await
}

/// Sends a request that is answered 200, and hands on what became of its operations.
async fn bulk(tenant: &Tenant, operations: Value) -> Vec<Value> {
    operations_of(send(tenant, operations).await)
}

#[track_caller]
fn operations_of(answer: Answer) -> Vec<Value> {
    assert!(answer.header("content-type").is_some_and(|found| found.starts_with("application/scim+json")));
    let mut body = answer.expect(200);
    assert_eq!(body["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:BulkResponse"]));
    match body["Operations"].take() {
        Value::Array(operations) => operations,
        other => panic!("not a list: {other}"),
    }
}

fn post_user(bulk_id: &str, user_name: &str) -> Value {
    let data = json!({"schemas": [USER], "userName": user_name});
    json!({"method": "POST", "path": "/Users", "bulkId": bulk_id, "data": data})
}

fn post_group(bulk_id: &str, name: &str, members: &[&str]) -> Value {
    let members: Vec<Value> = members.iter().map(|member| json!({"value": member})).collect();
    let data = json!({"schemas": [GROUP], "displayName": name, "members": members});
    json!({"method": "POST", "path": "/Groups", "bulkId": bulk_id, "data": data})
}

fn patch(path: &str, operations: Value) -> Value {
    let mut data = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"]});
    data["Operations"] = operations;
    json!({"method": "PATCH", "path": path, "data": data})
}

#[track_caller]
fn statuses(operations: &[Value]) -> Vec<&str> {
    operations.iter().map(|operation| operation["status"].as_str().expect("a status is a text")).collect()
}

/// The id at the end of an operation's location.
#[track_caller]
fn made(operation: &Value) -> String {
    let location = operation["location"].as_str().unwrap_or_else(|| panic!("no location: {operation}"));
    location.rsplit('/').next().expect("a location has segments").to_owned()
}

#[track_caller]
fn refused(operation: &Value, status: &str, scim_type: Option<&str>) {
    let response = &operation["response"];
    assert_eq!((operation["status"].as_str(), response["status"].as_str()), (Some(status), Some(status)));
    assert_eq!(response["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:Error"]));
    assert_eq!(response["scimType"].as_str(), scim_type, "{operation}");
    assert!(response["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
}

fn members_of(group: &Value) -> Vec<&str> {
    let members = group["members"].as_array().into_iter().flatten();
    members.map(|member| member["value"].as_str().expect("a member has a value")).collect()
}

async fn events(service: &TestService, after: usize) -> Vec<Value> {
    let path = format!("/audit/v1/acme/events?limit=10000&after={after}");
    let mut page = service.admin("GET", &path, None).await.expect(200);
    serde_json::from_value(page["events"].take()).expect("a list")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_the_rfc_adds_changes_and_removes_users() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let [bob, dave, gone] = [acme.user("bob").await, acme.user("david").await, acme.user("gone").await];
    let tag = |id: &str| {
        let (acme, path) = (acme.clone(), format!("/Users/{id}"));
        async move { acme.get(&path).await.expect(200)["meta"]["version"].clone() }
    };
    let operations = json!([
        post_user("qwerty", "Alice"),
        {
            "method": "PUT", "path": format!("/Users/{bob}"), "version": tag(&bob).await,
            "data": {"schemas": [USER], "id": bob, "userName": "Bob", "nickName": "B"},
        },
        {
            "method": "PATCH", "path": format!("/Users/{dave}"), "version": tag(&dave).await,
            "data": {
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                "Operations": [
                    {"op": "remove", "path": "nickName"}, {"op": "add", "path": "userName", "value": "Dave"},
                ],
            },
        },
        {"method": "DELETE", "path": format!("/Users/{gone}"), "version": tag(&gone).await},
    ]);
    let mut body = request(operations.clone());
    body["failOnErrors"] = json!(1);
    let answer = acme.post("/Bulk", body).await;
    assert_eq!(answer.header("muster-error-code"), None);
    let done = operations_of(answer);
    assert_eq!(statuses(&done), ["201", "200", "200", "204"]);
    let alice = made(&done[0]);
    let location = |id: &str| json!(format!("{}/Users/{id}", acme.base_url));
    let expected = json!([
        {
            "method": "POST", "bulkId": "qwerty", "location": location(&alice), "status": "201",
            "version": tag(&alice).await,
        },
        {"method": "PUT", "location": location(&bob), "version": tag(&bob).await, "status": "200"},
        {"method": "PATCH", "location": location(&dave), "version": tag(&dave).await, "status": "200"},
        {"method": "DELETE", "location": location(&gone), "status": "204"},
    ]);
    assert_eq!(json!(done), expected);
    assert_eq!(acme.get(&format!("/Users/{dave}")).await.expect(200)["userName"], "Dave");
    acme.get(&format!("/Users/{gone}")).await.refused(404, None, "resource_not_found");

    // The same once more: the name is taken, the versions are old, the user is gone.
    let answer = acme.post("/Bulk", request(operations)).await;
    let codes = answer.header("muster-error-code").map(str::to_owned);
    assert_eq!(codes.as_deref(), Some("precondition_failed, resource_not_found, user_name_taken"));
    let failed = operations_of(answer);
    refused(&failed[0], "409", Some("uniqueness"));
    refused(&failed[1], "412", None);
    refused(&failed[2], "412", None);
    refused(&failed[3], "404", None);
    let locations: Vec<_> = failed.iter().map(|operation| operation["location"].clone()).collect();
    assert_eq!(locations, [Value::Null, location(&bob), location(&dave), location(&gone)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_operation_is_recorded_as_its_own_transaction_by_its_own_door() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let kim = acme.user("kim").await;
    let before = events(&service, 0).await.len();
    let operations = json!([
        post_user("a", "alice"),
        {"method": "put", "path": format!("/Users/{kim}"), "data": {"schemas": [USER], "userName": "kim", "title": "T"}},
        patch(&format!("/Users/{kim}"), json!([{"op": "replace", "value": {"title": "U", "active": false}}])),
        patch(&format!("/Users/{kim}"), json!([{"op": "replace", "path": "title", "value": "U"}])),
        {"method": "Delete", "path": format!("/Users/{kim}")},
    ]);
    let done = bulk(&acme, operations).await;
    assert_eq!(statuses(&done), ["201", "200", "200", "200", "204"]);
    assert_eq!(done[2]["version"], done[3]["version"], "what changes nothing moves no version");
    let recorded = events(&service, before).await;
    let told: Vec<_> = recorded
        .iter()
        .map(|event| {
            (event["type"].as_str().unwrap(), event["via"].as_str().unwrap(), event["txn"]["of"].as_u64())
        })
        .collect();
    let expected = [
        ("user.created", "scim.bulk.post", Some(1)),
        ("user.updated", "scim.bulk.put", Some(1)),
        ("user.updated", "scim.bulk.patch", Some(2)),
        ("user.deactivated", "scim.bulk.patch", Some(2)),
        ("user.deleted", "scim.bulk.delete", Some(1)),
    ];
    assert_eq!(told, expected);
    for event in &recorded {
        for shared in ["received_at", "request", "actor"] {
            assert_eq!(event[shared], recorded[0][shared], "{shared}");
        }
    }
    let transactions: std::collections::BTreeSet<_> =
        recorded.iter().map(|event| event["txn"]["id"].as_str().unwrap()).collect();
    assert_eq!(transactions.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_does_not_harm_what_stands_beside_it() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let kim = acme.user("kim").await;
    let before = events(&service, 0).await.len();
    let operations = json!([
        {"method": "GET", "path": format!("/Users/{kim}")},
        post_user("a", "KIM"),
        post_user("b", "bo"),
        {"method": "POST", "path": "/Users", "bulkId": "c", "data": {"schemas": [USER]}},
        {"method": "POST", "path": "/Bulk", "bulkId": "d", "data": request(json!([post_user("x", "nested")]))},
        post_group("e", "Strangers", &[STRANGER]),
        {"method": "DELETE", "path": "/Users/../../admin?x"},
        {"method": "DELETE", "path": "/Users/no id of ours"},
        {"method": "POST", "path": "/Users", "data": {"schemas": [USER], "userName": "nameless"}},
        {"method": "PATCH", "path": format!("/Users/{kim}"), "data": [{"op": "add", "path": "title", "value": "x"}]},
        patch(&format!("/Users/{kim}"), json!([{"op": "Replace", "path": "active", "value": "False"}])),
        {"method": "PUT", "path": format!("/Groups/{kim}"), "data": {"schemas": [GROUP], "displayName": "G"}},
    ]);
    let answer = send(&acme, operations).await;
    let codes = answer.header("muster-error-code").unwrap().to_owned();
    assert_eq!(
        codes,
        "bulk_data_missing, bulk_id_missing, bulk_method_invalid, bulk_path_invalid, required_missing, \
         resource_not_found, unknown_member, user_name_taken"
    );
    let done = operations_of(answer);
    let expected = ["400", "409", "201", "400", "400", "400", "400", "404", "400", "400", "200", "404"];
    assert_eq!(statuses(&done), expected);
    assert_eq!((&done[0]["method"], &done[1]["bulkId"]), (&json!("GET"), &json!("a")));
    for (operation, status) in done.iter().zip(expected).filter(|(_, status)| status.starts_with('4')) {
        refused(operation, status, operation["response"]["scimType"].as_str());
        assert!(operation.get("version").is_none());
        assert!(operation["method"] != "POST" || operation.get("location").is_none());
    }
    assert_eq!(done[7]["location"], json!(format!("{}/Users/no%20id%20of%20ours", acme.base_url)));
    assert_eq!(done[11]["location"], json!(format!("{}/Groups/{kim}", acme.base_url)));
    let types: Vec<_> = events(&service, before).await.iter().map(|event| event["type"].clone()).collect();
    assert_eq!(types, ["user.created", "user.deactivated"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_on_one_resource_see_each_other_in_the_order_of_the_request() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let old = acme.user("bob").await;
    let operations = json!([
        // This one waits for the last user; what stands between keeps its order, so that the name is free by then.
        post_group("g", "All", &["bulkId:new", "bulkId:kim"]),
        {"method": "DELETE", "path": format!("/Users/{old}")},
        post_user("new", "Bob"),
        post_user("kim", "kim"),
        patch("/Users/bulkId:kim", json!([{"op": "add", "path": "title", "value": "one"}])),
        patch("/Users/bulkId:kim", json!([{"op": "remove", "path": "title"}])),
        {"method": "DELETE", "path": "/Users/bulkId:kim"},
        post_user("again", "kim"),
    ]);
    let done = bulk(&acme, operations).await;
    assert_eq!(statuses(&done), ["201", "204", "201", "201", "200", "200", "204", "201"]);
    let order: Vec<_> = done.iter().map(|operation| operation["bulkId"].as_str()).collect();
    assert_eq!(order, [Some("g"), None, Some("new"), Some("kim"), None, None, None, Some("again")]);
    assert_eq!(done[6]["location"], done[3]["location"]);
    let group = acme.get(&format!("/Groups/{}", made(&done[0]))).await.expect(200);
    assert_eq!(members_of(&group), [made(&done[2])]);
    assert_ne!(made(&done[7]), made(&done[3]));
}

#[tokio::test(flavor = "multi_thread")]
async fn fail_on_errors_ends_the_request_after_so_many_errors() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    acme.user("taken").await;
    let operations = |round: usize| {
        json!([
            post_user("a", &format!("a{round}")),
            post_user("b", "taken"),
            post_user("c", &format!("c{round}")),
            {"method": "POST", "path": "/Nothing", "bulkId": "d"},
            post_user("e", &format!("e{round}")),
        ])
    };
    for (errors, expected) in [
        (1, vec!["201", "409"]),
        (2, vec!["201", "409", "201", "400"]),
        (3, vec!["201", "409", "201", "400", "201"]),
    ] {
        let mut body = request(operations(errors));
        body["failOnErrors"] = json!(errors);
        assert_eq!(statuses(&operations_of(acme.post("/Bulk", body).await)), expected);
    }
    let all = bulk(&acme, operations(9)).await;
    assert_eq!(statuses(&all), ["201", "409", "201", "400", "201"]);
    assert_eq!(acme.get("/Users?count=0").await.expect(200)["totalResults"], 1 + 1 + 2 + 3 + 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_request_is_a_post_of_a_client() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE"] {
        let answer = acme.send(method, "/Bulk", None).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("POST, OPTIONS")), "{method}");
    }
    let options = acme.send("OPTIONS", "/bulk/", None).await;
    assert_eq!((options.status, options.header("allow")), (204, Some("POST, OPTIONS")));
    acme.send("POST", "/Bulk/x", Some(request(json!([])))).await.refused(404, None, "route_not_found");
    let body = request(json!([post_user("a", "a")])).to_string().into_bytes();
    let stranger = [("Authorization", "Bearer x")];
    assert_eq!(acme.send_with("POST", "/Bulk", &stranger, Some(body.clone())).await.status, 401);
    let text = acme.send_with("POST", "/Bulk", &[("Content-Type", "text/plain")], Some(body)).await;
    text.refused(415, None, "media_type_unsupported");
}
