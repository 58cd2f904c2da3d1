//! The outbox against a real nats-server: what reaches consumers, and what becomes of it when something dies.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::{self, stream};
use muster::app::Sources;
use muster::clock::ManualClock;
use provisioning::Timestamp;
use serde_json::{Value, json};

use crate::harness::{Nats, Tenant, TestService, eventually, free_port};

mod observe;
mod positions;
mod refusals;

const EVENTS: &str = "MUSTER_EVENTS";
pub(crate) const DEPROVISIONING: &str = "MUSTER_DEPROVISIONING";

/// A message as a consumer finds it.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) subject: String,
    id: String,
    content_type: String,
    muster_subject: String,
    pub(crate) body: Value,
}

impl Message {
    fn revision(&self) -> u64 {
        self.body["revision"].as_u64().expect("a message has a revision")
    }
}

/// Everything that a JetStream stream holds of a tenant, in order.
pub(crate) async fn held(nats: &Nats, name: &str, tenant: &str) -> Vec<Message> {
    let context = jetstream::new(nats.connect().await);
    let Ok(found) = context.get_stream(name).await else { return Vec::new() };
    let end = found.cached_info().state.last_sequence;
    let mut messages = Vec::new();
    for sequence in 1..=end {
        let Ok(message) = found.get_raw_message(sequence).await else { continue };
        let header = |name: &str| message.headers.get(name).map(ToString::to_string).unwrap_or_default();
        if message.subject.starts_with(&format!("muster.v1.{tenant}.")) {
            messages.push(Message {
                subject: message.subject.to_string(),
                id: header("Nats-Msg-Id"),
                content_type: header("Content-Type"),
                muster_subject: header("Muster-Subject"),
                body: serde_json::from_slice(&message.payload).unwrap_or_default(),
            });
        }
    }
    messages
}

fn revisions(messages: &[Message]) -> Vec<u64> {
    messages.iter().map(Message::revision).collect()
}

/// Asserts that a tenant's events are there: every revision once, in order, without a gap.
#[track_caller]
fn assert_contiguous(messages: &[Message]) {
    let expected: Vec<u64> = (1..=messages.len() as u64).collect();
    assert_eq!(revisions(messages), expected);
}

async fn service(nats: &str) -> TestService {
    service_with(nats, Sources::default()).await
}

async fn service_with(nats: &str, sources: Sources) -> TestService {
    let nats = nats.to_owned();
    TestService::start_with(|config| config.nats = Some(nats), sources).await
}

async fn status(service: &TestService, tenant: &str, name: &str) -> Value {
    let status = service.admin("GET", "/admin/v1/outbox", None).await.expect(200);
    let find = |list: &Value, key: &str, value: &str| {
        list.as_array().into_iter().flatten().find(|item| item[key] == value).cloned().unwrap_or_default()
    };
    find(&find(&status["tenants"], "tenant", tenant)["streams"], "stream", name)
}

async fn head(service: &TestService, tenant: &str) -> u64 {
    let shown = service.admin("GET", &format!("/admin/v1/tenants/{tenant}"), None).await.expect(200);
    shown["revision"].as_u64().expect("a tenant has a revision")
}

/// Waits until everything of a tenant is published, and that in evidence.
pub(crate) async fn published(service: &TestService, nats: &Nats, tenant: &str) {
    eventually("everything to be published", || async {
        let before = head(service, tenant).await;
        let events = status(service, tenant, EVENTS).await;
        let deprovisioning = status(service, tenant, DEPROVISIONING).await;
        let told = revisions(&held(nats, DEPROVISIONING, tenant).await);
        let evidence = evidence(service, tenant).await;
        let done = |status: &Value| status["state"] == "live" && status["lag_events"] == 0;
        let recorded = told.iter().all(|revision| evidence.contains(revision));
        (done(&events) && done(&deprovisioning) && recorded && head(service, tenant).await == before)
            .then_some(())
    })
    .await;
}

/// The revisions of the deprovisioning messages whose acceptance the log has in evidence.
async fn evidence(service: &TestService, tenant: &str) -> Vec<u64> {
    accepted(service, tenant).await.into_iter().map(|(revision, _)| revision).collect()
}

/// What the log has as evidence: revision and sequence of each accepted message.
async fn accepted(service: &TestService, tenant: &str) -> Vec<(u64, u64)> {
    let path = format!("/audit/v1/{tenant}/events?type=deprovisioning.published&limit=10000");
    let events = service.admin("GET", &path, None).await.expect(200);
    let published = events["events"].as_array().expect("a list").iter();
    let entries = published.flat_map(|event| event["data"]["published"].as_array().expect("a list").clone());
    entries.map(|entry| (entry[0].as_u64().unwrap(), entry[1].as_u64().unwrap())).collect()
}

async fn await_state(service: &TestService, tenant: &str, name: &str, state: &str) -> Value {
    eventually(&format!("{name} to be {state}"), || async {
        let status = status(service, tenant, name).await;
        (status["state"] == state).then_some(status)
    })
    .await
}

/// Waits until a tenant is not published for the reason with that code.
async fn await_reason(service: &TestService, tenant: &str, name: &str, code: &str) -> Value {
    eventually(&format!("{name} to say {code}"), || async {
        let status = status(service, tenant, name).await;
        status["reason"].as_str()?.starts_with(&format!("{code}: ")).then_some(status)
    })
    .await
}

async fn set_active(tenant: &Tenant, user: &str, active: bool) {
    let replace = json!([{"op": "replace", "path": "active", "value": active}]);
    tenant.patch(&format!("/Users/{user}"), replace).await.expect(200);
}

async fn resume(service: &TestService, tenant: &str, from: Value) -> crate::harness::Answer {
    let path = format!("/admin/v1/tenants/{tenant}/outbox/resume");
    service.admin("POST", &path, Some(json!({ "from": from }))).await
}

/// Lets the broker forget messages at once, so that it takes them in again.
async fn forget_messages(nats: &Nats, name: &str) {
    let context = jetstream::new(nats.connect().await);
    let mut config =
        context.get_stream(name).await.expect("the stream is there").cached_info().config.clone();
    config.duplicate_window = Duration::from_millis(100);
    context.update_stream(config).await.expect("the stream can be altered");
}

/// Removes the files of one SQLite database.
fn remove_database(folder: &Path, name: &str) {
    for suffix in ["", "-wal", "-shm"] {
        drop(std::fs::remove_file(folder.join(format!("{name}{suffix}"))));
    }
}

/// Copies what is in a folder of a stopped tenant.
fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder can be made");
    for file in std::fs::read_dir(from).expect("the folder is there") {
        let file = file.expect("a file");
        std::fs::copy(file.path(), to.join(file.file_name())).expect("the file can be copied");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_reaches_consumers_in_order_and_what_ends_access_a_second_time() {
    let nats = Nats::start().await;
    let service = service(&nats.url()).await;
    let acme = service.create_tenant("acme", "okta").await;
    let alice = acme.user("alice@example.com").await;
    let bob = acme.user("bob@example.com").await;
    let team = acme.group("Team", &[&alice, &bob]).await;
    let members = |op: &str, id: &str| json!([{"op": op, "path": "members", "value": [{"value": id}]}]);
    acme.patch(&format!("/Groups/{team}"), members("remove", &alice)).await.expect(204);
    acme.patch(&format!("/Groups/{team}"), members("add", &alice)).await.expect(204);
    set_active(&acme, &bob, false).await;
    set_active(&acme, &bob, true).await;
    acme.delete(&format!("/Users/{bob}")).await.expect(204);
    acme.delete(&format!("/Groups/{team}")).await.expect(204);
    published(&service, &nats, "acme").await;

    let events = held(&nats, EVENTS, "acme").await;
    assert_contiguous(&events);
    assert_eq!(events.len() as u64, head(&service, "acme").await);
    let created = events.iter().find(|event| event.subject.ends_with(".users.created")).unwrap();
    assert_eq!(created.content_type, "application/cloudevents+json");
    assert_eq!(created.muster_subject, format!("users/{alice}"));
    assert!(created.id.ends_with(&format!(":{}", created.revision())), "{}", created.id);
    assert_eq!(created.body["data"]["attributes"], json!(["active", "userName"]));

    let told: Vec<_> = held(&nats, DEPROVISIONING, "acme").await;
    let said: Vec<_> = told.iter().map(|message| (message.subject.as_str(), &message.body["data"])).collect();
    let users = format!("muster.v1.acme.deprovisioning.users.{bob}");
    let groups = format!("muster.v1.acme.deprovisioning.groups.{team}");
    let expected: [(&str, &str, Value); 6] = [
        (&groups, "group_lost", json!([alice])),
        (&groups, "restored", json!([alice])),
        (&users, "deactivated", Value::Null),
        (&users, "restored", Value::Null),
        (&users, "deleted", json!([team])),
        (&groups, "group_lost", json!([alice])),
    ];
    assert_eq!(said.len(), expected.len(), "{said:?}");
    for ((subject, data), (expected_subject, reason, ids)) in said.into_iter().zip(expected) {
        assert_eq!((subject, &data["reason"]), (expected_subject, &json!(reason)));
        let named = if reason == "deleted" { &data["groups"] } else { &data["members"] };
        assert_eq!(named, &ids, "{data}");
    }
    let evidence = evidence(&service, "acme").await;
    assert_eq!(evidence, revisions(&told));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_broker_has_not_had_when_a_tenant_is_closed_still_reaches_it() {
    let mut nats = Nats::start().await;
    nats.kill();
    let mut service = service(&nats.url()).await;
    let tenant = service.create_tenant("acme", "okta").await;
    let leaver = tenant.user("leaver@example.com").await;
    tenant.delete(&format!("/Users/{leaver}")).await.expect(204);
    service.admin("DELETE", "/admin/v1/tenants/acme", None).await.expect(200);
    service.restarted(|_| ()).await;
    nats.resume().await;
    eventually("the deprovisioning message of a closed tenant", async || {
        let told = held(&nats, DEPROVISIONING, "acme").await;
        told.iter().any(|message| message.body["data"]["reason"] == "deleted").then_some(())
    })
    .await;
    eventually("all events of a closed tenant", async || {
        (revisions(&held(&nats, EVENTS, "acme").await) == [1, 2, 3, 4, 5]).then_some(())
    })
    .await;
    let again = service.admin("GET", "/audit/v1/acme/events", None).await.expect(200);
    assert_eq!(again["position"], 5, "the stream gets no event after the tenant was closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_hold_no_personal_value() {
    let nats = Nats::start().await;
    let service = service(&nats.url()).await;
    let acme = service.create_tenant("acme", "okta").await;
    let person = acme.user("zaphod.beeblebrox@example.com").await;
    let team = acme.group("Heart of Gold crew", &[&person]).await;
    acme.delete(&format!("/Users/{person}")).await.expect(204);
    acme.delete(&format!("/Groups/{team}")).await.expect(204);
    published(&service, &nats, "acme").await;
    for name in [EVENTS, DEPROVISIONING] {
        for message in held(&nats, name, "acme").await {
            let all = format!("{message:?}").to_lowercase();
            assert!(
                !all.contains("zaphod") && !all.contains("example.com") && !all.contains("gold"),
                "{all}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nats_is_away_scim_answers_and_the_backlog_drains_when_it_is_back() {
    let mut nats = Nats::start().await;
    nats.kill();
    let service = service(&nats.url()).await;
    let acme = service.create_tenant("acme", "okta").await;
    let alice = acme.user("alice@example.com").await;
    set_active(&acme, &alice, false).await;
    let ready = crate::harness::send("GET", &format!("{}/readyz", service.url), Vec::new(), None).await;
    assert_eq!(ready.status, 200, "{}", ready.text);
    let waiting = await_reason(&service, "acme", EVENTS, "nats_unavailable").await;
    assert_eq!(
        (&waiting["state"], &waiting["lag_events"]),
        (&json!("waiting"), &json!(head(&service, "acme").await))
    );

    nats.resume().await;
    published(&service, &nats, "acme").await;
    nats.kill();
    for number in 0..20 {
        acme.user(&format!("user{number}@example.com")).await;
    }
    nats.resume().await;
    published(&service, &nats, "acme").await;
    let events = held(&nats, EVENTS, "acme").await;
    assert_contiguous(&events);
    assert_eq!(events.len() as u64, head(&service, "acme").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_killed_again_and_again_holds_each_revision_once() {
    let mut nats = Nats::start().await;
    let service = service(&nats.url()).await;
    let tenants = [service.create_tenant("acme", "okta").await, service.create_tenant("beta", "entra").await];
    for round in 0..4 {
        for number in 0..40 {
            let tenant = &tenants[number % 2];
            let user = tenant.user(&format!("user{round}.{number}@example.com")).await;
            set_active(tenant, &user, false).await;
            if number == 10 {
                nats.kill();
            }
            if number == 30 {
                nats.resume().await;
            }
        }
    }
    for tenant in ["acme", "beta"] {
        published(&service, &nats, tenant).await;
        let events = held(&nats, EVENTS, tenant).await;
        assert_contiguous(&events);
        assert_eq!(events.len() as u64, head(&service, tenant).await);
        assert_eq!(held(&nats, DEPROVISIONING, tenant).await.len(), 80);
        let evidence = evidence(&service, tenant).await;
        assert_eq!(evidence, revisions(&held(&nats, DEPROVISIONING, tenant).await));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_starts_again_goes_on_where_it_was() {
    let nats = Nats::start().await;
    let mut service = service(&nats.url()).await;
    let acme = service.create_tenant("acme", "okta").await;
    let alice = acme.user("alice@example.com").await;
    set_active(&acme, &alice, false).await;
    published(&service, &nats, "acme").await;
    service.restarted(|_| ()).await;
    let acme = Tenant { base_url: rebased(&acme, &service), ..acme };
    set_active(&acme, &alice, true).await;
    published(&service, &nats, "acme").await;
    assert_contiguous(&held(&nats, EVENTS, "acme").await);
    assert_eq!(held(&nats, DEPROVISIONING, "acme").await.len(), 2);
}

/// The base URL of a tenant after the service has got another port.
fn rebased(tenant: &Tenant, service: &TestService) -> String {
    let path = tenant.base_url.splitn(4, '/').nth(3).expect("a base URL has a path");
    format!("{}/{path}", service.url)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_streams_that_are_made_keep_everything_and_refuse_what_does_not_fit() {
    let nats = Nats::start().await;
    let service = service(&nats.url()).await;
    service.create_tenant("acme", "okta").await;
    published(&service, &nats, "acme").await;
    let context = jetstream::new(nats.connect().await);
    for (name, subject) in
        [(EVENTS, "muster.v1.*.events.>"), (DEPROVISIONING, "muster.v1.*.deprovisioning.>")]
    {
        let config = context.get_stream(name).await.unwrap().cached_info().config.clone();
        assert_eq!(config.subjects, [subject]);
        assert_eq!(config.discard, stream::DiscardPolicy::New);
        assert_eq!(config.retention, stream::RetentionPolicy::Limits);
        assert_eq!(config.storage, stream::StorageType::File);
        assert_eq!((config.max_age, config.num_replicas), (Duration::ZERO, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_nats_says_so_and_works() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "okta").await;
    acme.user("alice@example.com").await;
    let status = service.admin("GET", "/admin/v1/outbox", None).await.expect(200);
    assert_eq!(status["nats"], json!({"configured": false, "connected": false}));
    assert_eq!(resume(&service, "acme", json!("head")).await.status, 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_stops_in_time_while_nats_is_away() {
    let mut service = service(&format!("nats://127.0.0.1:{}", free_port())).await;
    let acme = service.create_tenant("acme", "okta").await;
    acme.user("alice@example.com").await;
    tokio::time::timeout(Duration::from_secs(10), service.stop()).await.expect("it stops in time");
}
