//! How much a bulk request may ask for, and the largest that are allowed.

use serde_json::{Value, json};

use super::{
    GROUP, USER, bulk, events, made, members_of, operations_of, post_group, post_user, request, send,
    statuses,
};
use crate::harness::TestService;

#[tokio::test(flavor = "multi_thread")]
async fn beyond_a_limit_nothing_is_done_and_the_answer_names_it() {
    let small = |config: &mut muster::config::Config| {
        config.limits.bulk_operations_max = 3;
        config.limits.bulk_body_bytes_max = 4_000;
        config.limits.user_body_bytes_max = 1_000;
    };
    let service = TestService::start_with(small, muster::app::Sources::default()).await;
    let acme = service.create_tenant("acme", "generic").await;
    let config = acme.get("/ServiceProviderConfig").await.expect(200);
    assert_eq!(config["bulk"], json!({"supported": true, "maxOperations": 3, "maxPayloadSize": 4_000}));
    let users =
        |count: usize| (0..count).map(|n| post_user(&n.to_string(), &format!("u{n}"))).collect::<Value>();

    let many = send(&acme, users(4)).await;
    many.refused(413, None, "bulk_too_many_operations");
    assert!(many.body["detail"].as_str().unwrap().contains("maxOperations of a bulk request (3)"));
    let mut body = request(users(1));
    body["padding"] = json!("x".repeat(4_000));
    let large = acme.post("/Bulk", body).await;
    large.refused(413, None, "bulk_too_large");
    assert!(large.body["detail"].as_str().unwrap().contains("maxPayloadSize of a bulk request (4000 bytes)"));
    assert_eq!(events(&service, 3).await.len(), 0);

    let mut operations = users(3);
    operations[1]["data"]["title"] = json!("x".repeat(1_000));
    let done = bulk(&acme, operations).await;
    assert_eq!(statuses(&done), ["201", "413", "201"], "the limit of a single request holds for each");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_read_is_refused_as_a_whole() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let good = post_user("a", "a");
    let mut with_errors = request(json!([good]));
    with_errors["failOnErrors"] = json!(0);
    for (body, scim_type, code) in [
        (json!({"Operations": [good]}), "invalidSyntax", "bulk_schema_missing"),
        (request(json!([])), "invalidSyntax", "bulk_no_operations"),
        (request(json!([good, "x"])), "invalidSyntax", "bulk_operation_invalid"),
        (request(json!([good, good])), "invalidSyntax", "bulk_id_repeated"),
        (with_errors, "invalidValue", "bulk_fail_on_errors_invalid"),
    ] {
        acme.post("/Bulk", body).await.refused(400, Some(scim_type), code);
    }
    let twice = br#"{"schemas":[],"Schemas":[]}"#.to_vec();
    let twice = acme.send_with("POST", "/Bulk", &[], Some(twice)).await;
    twice.refused(400, Some("invalidSyntax"), "json_duplicate_name");
    assert_eq!(events(&service, 3).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_and_a_circle_as_long_as_a_request_are_carried_out() {
    const LENGTH: usize = 1_000;
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let linked = |last: Value| -> Value {
        let member = |n: usize| json!([{"value": format!("bulkId:{}", n + 1)}]);
        let group = |n: usize, members: Value| {
            let data = json!({"schemas": [GROUP], "displayName": format!("g{n}"), "members": members});
            json!({"method": "POST", "path": "/Groups", "bulkId": n.to_string(), "data": data})
        };
        (0..LENGTH - 1).map(|n| group(n, member(n))).chain([group(LENGTH - 1, last)]).collect()
    };
    let chain = bulk(&acme, linked(json!([]))).await;
    let circle = bulk(&acme, linked(json!([{"value": "bulkId:0"}]))).await;
    for done in [&chain, &circle] {
        assert!(done.len() == LENGTH && done.iter().all(|operation| operation["status"] == "201"));
        let first = acme.get(&format!("/Groups/{}", made(&done[0]))).await.expect(200);
        assert_eq!(members_of(&first), [made(&done[1])]);
    }
    let last = acme.get(&format!("/Groups/{}", made(&circle[LENGTH - 1]))).await.expect(200);
    assert_eq!(members_of(&last), [made(&circle[0])]);
    let recorded = events(&service, 3 + 2 * LENGTH - 1).await;
    assert_eq!(recorded.len(), 2 * LENGTH);
    assert!(recorded.iter().all(|event| event["txn"]["of"] == json!(2 * LENGTH)));
    // A circle of as many in which the last one cannot be.
    let failed = bulk(&acme, linked(json!([{"value": "bulkId:0"}, {"value": super::STRANGER}]))).await;
    assert_eq!(statuses(&failed).iter().filter(|status| **status == "409").count(), LENGTH - 1);
    assert_eq!(failed[LENGTH - 1]["status"], "400");
    assert_eq!(events(&service, 3 + 4 * LENGTH - 1).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_references_to_one_and_one_with_many_references_are_read() {
    const MEMBERS: usize = 20_000;
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let members: Vec<&str> = (0..MEMBERS).map(|n| if n % 2 == 0 { "bulkId:a" } else { "bulkId:b" }).collect();
    let operations = json!([
        post_group("g", "G", &members),
        {"method": "POST", "path": "/Users", "bulkId": "a", "data": {"schemas": [USER], "userName": "a"}},
        post_user("b", "b"),
    ]);
    let done = operations_of(send(&acme, operations).await);
    assert_eq!(statuses(&done), ["201", "201", "201"]);
    let group = acme.get(&format!("/Groups/{}", made(&done[0]))).await.expect(200);
    assert_eq!(members_of(&group), [made(&done[1]), made(&done[2])]);
}
