//! The registry against what lies in the data folder: what was begun is finished, what is lost is told, and what
//! is none of ours stays.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use muster::app::{Service, Sources};
use muster::clock::{Clock as _, ManualClock};
use provisioning::Timestamp;
use serde_json::{Value, json};

use crate::harness::{Tenant, TestService};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

/// How a tenant is shown, and why.
async fn state(service: &TestService, tenant: &str) -> (String, String) {
    let shown = service.admin("GET", "/admin/v1/tenants", None).await.expect(200);
    let tenants = shown["tenants"].as_array().unwrap();
    let found = tenants.iter().find(|shown| shown["tenant"] == tenant);
    let text = |key: &str| found.and_then(|tenant| tenant[key].as_str()).unwrap_or_default().to_owned();
    (text("state"), text("reason"))
}

fn moved(tenant: &Tenant, service: &TestService) -> Tenant {
    Tenant { base_url: format!("{}/{}/scim/v2", service.url, tenant.name), ..tenant.clone() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_was_begun_is_registered_by_a_later_start() {
    let clock = Arc::new(ManualClock::default());
    let sources = Sources { clock: Arc::clone(&clock) as _, ..Sources::default() };
    let mut service = TestService::start_with(|_| (), sources).await;
    let acme = service.create_tenant("acme", "okta").await;
    let now = clock.now();
    clock.set(Timestamp(now.0 - 3_600_000_000));
    let create = || service.admin("POST", "/admin/v1/tenants", Some(json!({"tenant": "globex"})));
    let refused = create().await;
    assert_eq!(refused.expect(503)["error"]["code"], "clock_behind_log");

    // A clock that stands behind keeps nobody from starting.
    service.restarted(|_| ()).await;
    moved(&acme, &service).get("/Users").await.expect(200);
    assert_eq!(state(&service, "globex").await, (String::new(), String::new()));
    clock.set(now);
    service.restarted(|_| ()).await;
    assert_eq!(state(&service, "globex").await.0, "open");
    let events = service.admin("GET", "/audit/v1/globex/events", None).await.expect(200);
    let types: Vec<&Value> =
        events["events"].as_array().unwrap().iter().map(|event| &event["type"]).collect();
    assert_eq!(types, ["tenant.created", "client.created", "token.issued"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_registrys_clock_can_be_accepted_like_a_tenants() {
    let clock = Arc::new(ManualClock::default());
    clock.advance(Duration::from_hours(24));
    let sources = Sources { clock: Arc::clone(&clock) as _, ..Sources::default() };
    let service = TestService::start_with(|_| (), sources).await;
    clock.set(ManualClock::START);
    let operator = || service.admin("POST", "/admin/v1/operators", Some(json!({"name": "two"})));
    assert_eq!(operator().await.expect(503)["error"]["code"], "clock_behind_log");
    let accepted = service.admin("POST", "/admin/v1/tenants/system/accept-clock", None).await.expect(200);
    assert_eq!(accepted, json!({"tenant": "system", "revision": 2}));
    operator().await.expect(201);
    service.create_tenant("acme", "okta").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_folders_that_hold_nothing_but_a_beginning_are_removed() {
    let mut service = TestService::start().await;
    let acme = service.create_tenant("acme", "okta").await;
    service
        .restarted(|data| {
            let tenants = data.join("tenants");
            for folder in ["empty", "begun", "lost", "somebodys", "acme-copy", "unreadable"] {
                fs::create_dir(tenants.join(folder)).unwrap();
            }
            fs::write(tenants.join("begun/log.db"), "").unwrap();
            fs::write(tenants.join("begun/log.db-wal"), "").unwrap();
            // A log is complete before any other file is made, so this one was there.
            fs::write(tenants.join("lost/current.db"), "").unwrap();
            fs::write(tenants.join("somebodys/notes.txt"), "keep me").unwrap();
            fs::write(tenants.join("unreadable/log.db"), "no database").unwrap();
            for file in fs::read_dir(tenants.join("acme")).unwrap().map(|file| file.unwrap()) {
                fs::copy(file.path(), tenants.join("acme-copy").join(file.file_name())).unwrap();
            }
        })
        .await;
    let folders = fs::read_dir(service.data().join("tenants")).unwrap();
    let mut left: Vec<_> = folders.map(|folder| folder.unwrap().file_name().into_string().unwrap()).collect();
    left.sort();
    assert_eq!(left, ["acme", "acme-copy", "lost", "somebodys", "unreadable"]);
    let shown = service.admin("GET", "/admin/v1/tenants", None).await.expect(200);
    assert_eq!(shown["tenants"].as_array().unwrap().len(), 1);
    moved(&acme, &service).user("kim@example.com").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_whose_log_is_lost_stays_closed_and_no_log_is_made_in_its_place() {
    let mut service = TestService::start().await;
    let acme = service.create_tenant("acme", "okta").await;
    let globex = service.create_tenant("globex", "okta").await;
    let kim = acme.user("kim@example.com").await;
    let folder = service.tenant_folder("acme");
    let kept = service.folder().join("log.db");
    service.restarted(|_| fs::rename(folder.join("log.db"), &kept).unwrap()).await;
    let (state_of, reason) = state(&service, "acme").await;
    assert_eq!(
        (state_of.as_str(), reason.as_str()),
        ("log_behind_views", "log_behind_views: log.db is missing")
    );
    assert!(!folder.join("log.db").exists());
    let body = json!({"schemas": [USER], "userName": "lee@example.com"});
    moved(&acme, &service).post("/Users", body).await.refused(503, None, "tenant_halted");
    moved(&globex, &service).user("lee@example.com").await;

    service.restarted(|_| fs::rename(&kept, folder.join("log.db")).unwrap()).await;
    moved(&acme, &service).get(&format!("/Users/{kim}")).await.expect(200);

    // Without views nothing tells what there was, but that there was something.
    service.restarted(|data| fs::remove_dir_all(data.join("tenants/acme")).unwrap()).await;
    let (state_of, reason) = state(&service, "acme").await;
    assert_eq!(state_of, "halted");
    assert!(reason.contains("log.db is missing or empty, but events were recorded in it"), "{reason}");
    assert_eq!(state(&service, "globex").await.0, "open");
    moved(&acme, &service).get("/Users").await.refused(503, None, "tenant_halted");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_registry_a_folder_of_tenants_is_not_opened() {
    let mut service = TestService::start().await;
    service.create_tenant("acme", "okta").await;
    service.stop().await;
    fs::remove_dir_all(service.data().join("system")).unwrap();
    let refused = Service::start(service.config.clone(), Sources::default()).await.err().unwrap();
    assert_eq!(refused.to_string(), "system/log.db is missing, and there are tenants: restore it");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_tenants_with_one_name_at_once_one_is_made() {
    let service = TestService::start().await;
    for number in 0..5 {
        let create =
            || service.admin("POST", "/admin/v1/tenants", Some(json!({"tenant": format!("acme{number}")})));
        let (one, other) = tokio::join!(create(), create());
        let (won, lost) = if one.status == 201 { (one, other) } else { (other, one) };
        assert_eq!(lost.expect(409)["error"]["code"], "tenant_exists");
        let made = won.expect(201);
        let text = |key: &str| made[key].as_str().unwrap().to_owned();
        let tenant = Tenant { name: text("tenant"), base_url: text("base_url"), token: text("token") };
        tenant.user("kim@example.com").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_token_file_makes_another_operator_and_a_missing_one_makes_none() {
    let mut service = TestService::start().await;
    service.create_tenant("acme", "okta").await;
    let before = service.operator_token();
    service.restarted(|data| fs::remove_file(data.join("operator.token")).unwrap()).await;
    assert!(!service.data().join("operator.token").exists(), "a token that is kept elsewhere stays there");
    service.restarted(|data| fs::write(data.join("operator.token"), "").unwrap()).await;
    assert_ne!(service.operator_token(), before);
    let operators = service.admin("GET", "/admin/v1/operators", None).await.expect(200);
    let names: Vec<&str> =
        operators["operators"].as_array().unwrap().iter().filter_map(|it| it["name"].as_str()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.contains(&"root") && names.iter().any(|name| name.starts_with("recovered-")), "{names:?}");
    let lost = operators["operators"].as_array().unwrap().iter().find(|it| it["name"] == "root").unwrap();
    let path = format!("/admin/v1/operators/{}", lost["id"].as_str().unwrap());
    assert!(service.admin("DELETE", &path, None).await.status < 300);
}
