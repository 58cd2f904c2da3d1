//! Looking after views and the outbox.

use rusqlite::OpenFlags;
use serde_json::{Value, json};

use super::run;
use crate::harness::TestService;

#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_was_tampered_with_fails_the_check_until_it_is_rebuilt() {
    let mut service = TestService::start().await;
    let tenant = service.create_tenant("acme", "okta").await;
    tenant.user("alice@example.com").await;
    let data = service.data().to_owned();
    let checked = run(&data, "projections check --tenant acme --output json").await.json();
    assert_eq!(checked["equal"], true, "{checked}");

    let view = service.tenant_folder("acme").join("current.db");
    service
        .restarted(|_| {
            let connection = page_checksums::open(&view, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
            let changed = connection.execute("UPDATE resources SET modified_at = modified_at + 1", []);
            assert_eq!(changed.unwrap(), 1);
        })
        .await;
    let differs = run(&data, "projections check --tenant acme").await;
    assert_eq!((differs.code, differs.stderr.as_str()), (3, ""), "{}", differs.stdout);
    assert!(differs.stdout.contains("DIFFERS  current.resources\n"), "{}", differs.stdout);
    assert!(differs.stdout.contains("equal    history."), "{}", differs.stdout);

    let rebuilt = run(&data, "projections rebuild --tenant acme --output json").await;
    assert_eq!(rebuilt.code, 0, "{}", rebuilt.stderr);
    let state: Value = serde_json::from_str(&rebuilt.stdout).unwrap();
    assert_eq!(state["state"], "done", "{state}");
    assert_eq!(run(&data, "projections check --tenant acme").await.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_nats_the_outbox_says_so() {
    let service = TestService::start().await;
    service.create_tenant("acme", "okta").await;
    let status = run(service.data(), "outbox status --output json").await.json();
    assert_eq!(status["nats"], json!({"configured": false, "connected": false}));
    let text = run(service.data(), "outbox status").await.text();
    assert!(text.ends_with("\nno NATS server is configured\n"), "{text}");
    assert!(text.contains("MUSTER_EVENTS"), "{text}");
}
