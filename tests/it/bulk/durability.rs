//! What a bulk request costs and what it tells when the log fails: appends are counted, and some are made to fail.

use std::sync::Arc;

use futures_util::future::join_all;
use muster::app::Sources;
use muster::event_log::memory::{Fault, FaultKind};
use serde_json::{Value, json};

use super::{USER, bulk, events, operations_of, post_user, request, send, statuses};
use crate::faulty_log::{Faults, FaultyLogs};
use crate::harness::{Tenant, TestService, eventually};

/// A service whose tenant has a log that counts and can fail.
async fn watched() -> (TestService, Tenant, Arc<Faults>) {
    let logs = FaultyLogs::default();
    let sources = Sources { logs: Arc::new(logs.clone()), ..Sources::default() };
    let service = TestService::start_with(|_| (), sources).await;
    let acme = service.create_tenant("acme", "generic").await;
    (service, acme, logs.of("acme"))
}

/// POSTs of users of whom each has about so many bytes.
fn users(count: usize, bytes: usize) -> Value {
    let user = |n: usize| {
        let title = "x".repeat(bytes);
        let data = json!({"schemas": [USER], "userName": format!("user{n}"), "title": title});
        json!({"method": "POST", "path": "/Users", "bulkId": n.to_string(), "data": data})
    };
    (0..count).map(user).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_creations_cost_a_few_appends() {
    let (service, acme, log) = watched().await;
    let before = log.appended();
    let done = bulk(&acme, users(1_000, 10)).await;
    assert!(done.len() == 1_000 && done.iter().all(|operation| operation["status"] == "201"));
    let appends = log.appended() - before;
    // Two by what they record; on a machine that is very slow, a few more.
    assert!((1..=20).contains(&appends), "{appends} appends");
    let recorded = events(&service, 3).await;
    assert_eq!(recorded.len(), 1_000);
    assert!(recorded.iter().all(|event| event["txn"]["of"] == 1));
    let check = service.admin("POST", "/admin/v1/tenants/acme/projections/check", None).await.expect(200);
    assert_eq!(check["equal"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn others_write_between_the_parts_of_a_bulk() {
    let (service, acme, log) = watched().await;
    let before = log.appended();
    // Six users fill an append, so there are many parts. Others want every second name.
    let large = bulk(&acme, users(60, 200_000));
    let singles = (0..60).step_by(2).map(|n| {
        let acme = &acme;
        async move {
            let body = json!({"schemas": [USER], "userName": format!("USER{n}")});
            acme.post("/Users", body).await.status
        }
    });
    let (large, singles) = tokio::join!(large, join_all(singles));
    for (pair, single) in large.chunks(2).zip(&singles) {
        let [contested, own] = [&pair[0], &pair[1]].map(|operation| operation["status"].as_str().unwrap());
        let both = (contested, *single);
        assert!(both == ("201", 409) || both == ("409", 201), "one of two gets the name: {both:?}");
        assert_eq!(own, "201");
    }
    assert_eq!(events(&service, 3).await.len(), 60);
    let appends = log.appended() - before;
    assert!(appends >= 5, "a bulk is cut into parts: {appends}");
}

/// Sends a request whose second part meets the fault.
async fn fail_second_part(
    acme: &Tenant,
    log: &Faults,
    fault: Fault,
    fail_on_errors: Option<usize>,
) -> Vec<Value> {
    log.pass_next();
    log.fail_next(fault);
    // Each part holds two users.
    let mut body = request(users(6, 700_000));
    if let Some(errors) = fail_on_errors {
        body["failOnErrors"] = json!(errors);
    }
    operations_of(acme.post("/Bulk", body).await)
}

async fn names(acme: &Tenant) -> Vec<Value> {
    let listed = acme.get("/Users?attributes=userName").await.expect(200);
    listed["Resources"].as_array().unwrap().iter().map(|user| user["userName"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_could_not_be_stored_is_told_so_and_the_rest_is_not_tried() {
    let (_service, acme, log) = watched().await;
    let full = Fault::NotStored(FaultKind::Unavailable);
    let done = fail_second_part(&acme, &log, full, None).await;
    assert_eq!(statuses(&done), ["201", "201", "503", "503", "503", "503"]);
    let detail = |n: usize| done[n]["response"]["detail"].as_str().unwrap();
    assert!(detail(2).contains("could not be stored") && detail(5).contains("was not carried out"));
    assert_eq!(names(&acme).await, ["user0", "user1"]);
    let again = bulk(&acme, users(6, 10)).await;
    assert_eq!(statuses(&again), ["409", "409", "201", "201", "201", "201"]);

    let (_service, acme, log) = watched().await;
    let done = fail_second_part(&acme, &log, full, Some(2)).await;
    assert_eq!(statuses(&done), ["201", "201", "503", "503"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_which_nobody_knows_is_told_so_and_no_other_part_is() {
    let (_service, acme, log) = watched().await;
    log.leave_then();
    let done = fail_second_part(&acme, &log, Fault::Stored(FaultKind::OutcomeUnknown), None).await;
    assert_eq!(statuses(&done), ["201", "201", "503", "503", "503", "503"]);
    let detail = |n: usize| done[n]["response"]["detail"].as_str().unwrap();
    assert!(detail(2).contains("not known whether") && detail(5).contains("was not carried out"));
    // It was stored, and shows once the log can be read again.
    log.back();
    let again = bulk(&acme, users(6, 10)).await;
    assert_eq!(statuses(&again), ["409", "409", "409", "409", "201", "201"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_could_be_stored_the_whole_request_is_to_be_sent_again() {
    let (service, acme, log) = watched().await;
    acme.user("taken").await;
    log.fail_next(Fault::NotStored(FaultKind::Unavailable));
    let answer = send(&acme, json!([post_user("a", "a"), post_user("b", "taken"), {"method": "x"}])).await;
    answer.refused(503, None, "append_failed");
    assert_eq!(answer.header("retry-after"), Some("5"));
    service.house().directories.tenant("acme").unwrap().halt("a test");
    send(&acme, users(1, 1)).await.refused(503, None, "tenant_halted");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_queued_is_carried_out_though_the_client_has_gone() {
    let (service, acme, _) = watched().await;
    let body = request(users(6, 300_000)).to_string().into_bytes();
    let (host, path) = acme.base_url.trim_start_matches("http://").split_once('/').unwrap();
    let head = format!(
        "POST /{path}/Bulk HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n",
        acme.token,
        body.len()
    );
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    std::io::Write::write_all(&mut stream, &[head.into_bytes(), body].concat()).unwrap();
    // The first part is stored: the request is in the queue. Whoever sent it leaves.
    eventually("the first part", || async { (events(&service, 3).await.len() >= 4).then_some(()) }).await;
    drop(stream);
    eventually("the last part", || async { (events(&service, 3).await.len() == 6).then_some(()) }).await;
}
