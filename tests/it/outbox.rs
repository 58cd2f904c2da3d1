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

const EVENTS: &str = "MUSTER_EVENTS";
const DEPROVISIONING: &str = "MUSTER_DEPROVISIONING";

/// A message as a consumer finds it.
#[derive(Debug, Clone)]
struct Message {
    subject: String,
    id: String,
    content_type: String,
    muster_subject: String,
    body: Value,
}

impl Message {
    fn revision(&self) -> u64 {
        self.body["revision"].as_u64().expect("a message has a revision")
    }
}

/// Everything that a JetStream stream holds of a tenant, in order.
async fn held(nats: &Nats, name: &str, tenant: &str) -> Vec<Message> {
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
async fn published(service: &TestService, nats: &Nats, tenant: &str) {
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
async fn without_its_positions_a_tenant_goes_on_behind_what_the_broker_holds() {
    let nats = Nats::start().await;
    let mut service = service(&nats.url()).await;
    let acme = service.create_tenant("acme", "okta").await;
    let alice = acme.user("alice@example.com").await;
    set_active(&acme, &alice, false).await;
    published(&service, &nats, "acme").await;
    let folder = service.tenant_folder("acme");
    service.restarted(|_| remove_database(&folder, "operations.db")).await;
    let acme = Tenant { base_url: rebased(&acme, &service), ..acme };
    set_active(&acme, &alice, true).await;
    published(&service, &nats, "acme").await;
    assert_contiguous(&held(&nats, EVENTS, "acme").await);
    assert_eq!(held(&nats, DEPROVISIONING, "acme").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_positions_make_nothing_be_sent_or_recorded_again() {
    let nats = Nats::start().await;
    let mut service = service(&nats.url()).await;
    let acme = service.create_tenant("acme", "okta").await;
    let alice = acme.user("alice@example.com").await;
    published(&service, &nats, "acme").await;
    let folder = service.tenant_folder("acme");
    let old = service.folder().join("old");
    service.restarted(|_| copy_folder(&folder, &old)).await;
    let acme = Tenant { base_url: rebased(&acme, &service), ..acme };
    set_active(&acme, &alice, false).await;
    published(&service, &nats, "acme").await;
    service
        .restarted(|_| {
            remove_database(&folder, "operations.db");
            std::fs::copy(old.join("operations.db"), folder.join("operations.db")).unwrap();
        })
        .await;
    let acme = Tenant { base_url: rebased(&acme, &service), ..acme };
    set_active(&acme, &alice, true).await;
    published(&service, &nats, "acme").await;
    assert_contiguous(&held(&nats, EVENTS, "acme").await);
    let told = revisions(&held(&nats, DEPROVISIONING, "acme").await);
    assert_eq!(told.len(), 2);
    let evidence = evidence(&service, "acme").await;
    assert_eq!(evidence, told);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_knows_how_far_publishing_was_a_person_is_asked() {
    let nats = Nats::start().await;
    let mut service = service(&nats.url()).await;
    let acme = service.create_tenant("acme", "okta").await;
    let beta = service.create_tenant("beta", "okta").await;
    acme.user("alice@example.com").await;
    let bob = beta.user("bob@example.com").await;
    set_active(&beta, &bob, false).await;
    published(&service, &nats, "acme").await;
    published(&service, &nats, "beta").await;
    let folder = service.tenant_folder("acme");
    let context = jetstream::new(nats.connect().await);
    let events = context.get_stream(EVENTS).await.unwrap();
    events.purge().filter("muster.v1.acme.>").await.unwrap();
    service.restarted(|_| remove_database(&folder, "operations.db")).await;

    let asked = await_reason(&service, "acme", EVENTS, "outbox_position_unknown").await;
    assert_eq!(asked["state"], "waiting");
    assert!(
        asked["reason"].as_str().unwrap().contains("`muster outbox resume --tenant acme --from "),
        "{asked}"
    );
    assert_eq!(await_state(&service, "beta", EVENTS, "live").await["lag_events"], 0, "the others go on");
    assert_eq!(resume(&service, "beta", json!("head")).await.status, 409, "it is not set aside");
    let beyond = head(&service, "acme").await + 1;
    assert_eq!(resume(&service, "acme", json!(beyond)).await.status, 409);
    forget_messages(&nats, EVENTS).await;
    resume(&service, "acme", json!(2)).await.expect(200);
    published(&service, &nats, "acme").await;
    let last = head(&service, "acme").await;
    assert_eq!(revisions(&held(&nats, EVENTS, "acme").await), (3..=last).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jetstream_stream_that_was_lost_is_made_and_filled_again() {
    let nats = Nats::start().await;
    let service = service(&nats.url()).await;
    let acme = service.create_tenant("acme", "okta").await;
    let beta = service.create_tenant("beta", "okta").await;
    let alice = acme.user("alice@example.com").await;
    set_active(&acme, &alice, false).await;
    beta.user("bob@example.com").await;
    published(&service, &nats, "acme").await;
    published(&service, &nats, "beta").await;
    let context = jetstream::new(nats.connect().await);
    for name in [EVENTS, DEPROVISIONING] {
        context.delete_stream(name).await.unwrap();
    }
    set_active(&acme, &alice, true).await;
    for tenant in ["acme", "beta"] {
        eventually("everything to be published again", || async {
            let events = held(&nats, EVENTS, tenant).await;
            (events.len() as u64 == head(&service, tenant).await).then_some(())
        })
        .await;
        assert_contiguous(&held(&nats, EVENTS, tenant).await);
    }
    let told = eventually("both messages", || async {
        Some(held(&nats, DEPROVISIONING, "acme").await).filter(|told| told.len() == 2)
    })
    .await;
    published(&service, &nats, "acme").await;
    let evidence = evidence(&service, "acme").await;
    assert_eq!(evidence, revisions(&told), "each is in evidence once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_lacks_what_was_published_halts_its_tenant_alone_until_an_operator_resumes_it() {
    for keep_operations in [true, false] {
        let nats = Nats::start().await;
        let mut service = service(&nats.url()).await;
        let acme = service.create_tenant("acme", "okta").await;
        let beta = service.create_tenant("beta", "okta").await;
        acme.user("alice@example.com").await;
        published(&service, &nats, "acme").await;
        let (folder, old) = (service.tenant_folder("acme"), service.folder().join("old"));
        service.restarted(|_| copy_folder(&folder, &old)).await;
        let acme = Tenant { base_url: rebased(&acme, &service), ..acme };
        for name in ["bob", "carol", "dave"] {
            acme.user(&format!("{name}@example.com")).await;
        }
        published(&service, &nats, "acme").await;
        let published_before = held(&nats, EVENTS, "acme").await.len();
        service
            .restarted(|_| {
                let operations = std::fs::read(folder.join("operations.db")).unwrap();
                std::fs::remove_dir_all(&folder).unwrap();
                copy_folder(&old, &folder);
                if keep_operations {
                    remove_database(&folder, "operations.db");
                    std::fs::write(folder.join("operations.db"), operations).unwrap();
                }
            })
            .await;
        let halted = await_reason(&service, "acme", EVENTS, "outbox_ahead_of_log").await;
        assert_eq!(halted["state"], "halted");
        let acme = Tenant { base_url: rebased(&acme, &service), ..acme };
        acme.user("erin@example.com").await;
        let beta = Tenant { base_url: rebased(&beta, &service), ..beta };
        beta.user("frank@example.com").await;
        published(&service, &nats, "beta").await;
        assert_eq!(held(&nats, EVENTS, "acme").await.len(), published_before, "nothing went out");

        let before = head(&service, "acme").await;
        resume(&service, "acme", json!("head")).await.expect(200);
        await_state(&service, "acme", EVENTS, "live").await;
        acme.user("grace@example.com").await;
        await_reason(&service, "acme", EVENTS, "outbox_message_known").await;
        beta.user("heidi@example.com").await;
        published(&service, &nats, "beta").await;
        forget_messages(&nats, EVENTS).await;
        published(&service, &nats, "acme").await;
        let all = held(&nats, EVENTS, "acme").await;
        assert_eq!(revisions(&all[published_before..]), [before + 1]);
        service.restarted(|_| ()).await;
        await_state(&service, "acme", EVENTS, "live").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_somebody_else_disturbs_nothing() {
    let nats = Nats::start().await;
    let mut service = service(&nats.url()).await;
    let acme = service.create_tenant("acme", "okta").await;
    acme.user("alice@example.com").await;
    published(&service, &nats, "acme").await;
    let context = jetstream::new(nats.connect().await);
    let intrude = || async {
        context
            .publish("muster.v1.acme.events.users.created", "no event".into())
            .await
            .unwrap()
            .await
            .unwrap();
    };
    intrude().await;
    acme.user("bob@example.com").await;
    intrude().await;
    published(&service, &nats, "acme").await;
    // The last one has an id that looks like ours; no event has that revision.
    let listed = service.admin("GET", "/audit/v1/acme/events?limit=1", None).await.expect(200);
    let id = format!("{}:0", listed["events"][0]["stream"].as_str().expect("an event names its stream"));
    let message = jetstream::message::PublishMessage::build().message_id(id).payload("no event".into());
    let sent = context.send_publish("muster.v1.acme.events.users.created", message).await.unwrap();
    sent.await.unwrap();
    service.restarted(|_| ()).await;
    let acme = Tenant { base_url: rebased(&acme, &service), ..acme };
    acme.user("carol@example.com").await;
    published(&service, &nats, "acme").await;
    let mut events = held(&nats, EVENTS, "acme").await;
    events.retain(|event| event.body.is_object());
    assert_contiguous(&events);
    assert_eq!(events.len() as u64, head(&service, "acme").await);
}

/// The id that a message in flight expects before it is no secret: a forged one lets it pass in the place of a message
/// that was refused. Here what then lies in the stream is put there by hand.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_under_the_id_of_one_that_was_refused_is_noticed_behind_later_ones() {
    let nats = Nats::start().await;
    let mut service = service(&nats.url()).await;
    let acme = service.create_tenant("acme", "okta").await;
    acme.user("alice@example.com").await;
    published(&service, &nats, "acme").await;
    let before = head(&service, "acme").await;

    service.stop().await;
    service.config.nats = None;
    service.resume().await;
    let acme = Tenant { base_url: rebased(&acme, &service), ..acme };
    acme.user("bob@example.com").await;
    acme.user("carol@example.com").await;
    let events =
        service.admin("GET", &format!("/audit/v1/acme/events?after={before}"), None).await.expect(200);
    let event = |index: usize| events["events"][index]["id"].as_str().expect("an event has an id");
    let stream = events["events"][0]["stream"].as_str().expect("an event names its stream");
    let context = jetstream::new(nats.connect().await);
    for (revision, body) in
        [(before + 1, "forged".to_owned()), (before + 2, json!({"id": event(1)}).to_string())]
    {
        let message = jetstream::message::PublishMessage::build()
            .message_id(format!("{stream}:{revision}"))
            .payload(body.into());
        let sent = context.send_publish("muster.v1.acme.events.users.created", message).await.unwrap();
        sent.await.unwrap();
    }

    service.stop().await;
    service.config.nats = Some(nats.url());
    service.resume().await;
    let halted = await_reason(&service, "acme", EVENTS, "outbox_ahead_of_log").await;
    let reason = halted["reason"].as_str().expect("a reason");
    assert!(reason.contains(&format!("revision {} was published", before + 1)), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_else_who_publishes_in_between_makes_no_gap() {
    let mut nats = Nats::start().await;
    nats.kill();
    let service = service(&nats.url()).await;
    let tenants = [service.create_tenant("acme", "okta").await, service.create_tenant("beta", "okta").await];
    for number in 0..400 {
        tenants[number % 2].user(&format!("user{number}@example.com")).await;
    }
    nats.resume().await;
    let client = nats.connect().await;
    let intruder = tokio::runtime::Handle::current().spawn(async move {
        let mut now_and_then = tokio::time::interval(Duration::from_millis(10));
        for _ in 0..100 {
            now_and_then.tick().await;
            client.publish("muster.v1.beta.events.users.created", "no event".into()).await.unwrap();
            client.flush().await.unwrap();
        }
    });
    intruder.await.unwrap();
    for tenant in ["acme", "beta"] {
        published(&service, &nats, tenant).await;
    }
    for tenant in ["acme", "beta"] {
        let mut events = held(&nats, EVENTS, tenant).await;
        events.retain(|event| !event.id.is_empty());
        assert_contiguous(&events);
        assert_eq!(events.len() as u64, head(&service, tenant).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_with_other_settings_is_reported_and_not_altered() {
    let nats = Nats::start().await;
    let context = jetstream::new(nats.connect().await);
    let other = stream::Config {
        name: EVENTS.to_owned(),
        subjects: vec!["muster.v1.*.events.>".to_owned()],
        discard: stream::DiscardPolicy::Old,
        max_messages: 10,
        ..stream::Config::default()
    };
    context.create_stream(other).await.unwrap();
    let service = service(&nats.url()).await;
    let acme = service.create_tenant("acme", "okta").await;
    let alice = acme.user("alice@example.com").await;
    set_active(&acme, &alice, false).await;
    let halted = await_reason(&service, "acme", EVENTS, "jetstream_stream_differs").await;
    assert_eq!(halted["state"], "halted");
    await_state(&service, "acme", DEPROVISIONING, "live").await;
    let found = context.get_stream(EVENTS).await.unwrap();
    assert_eq!(found.cached_info().config.discard, stream::DiscardPolicy::Old);
    assert_eq!(found.cached_info().state.messages, 0);
    context.delete_stream(EVENTS).await.unwrap();
    published(&service, &nats, "acme").await;
    assert_contiguous(&held(&nats, EVENTS, "acme").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_stream_delays_publishing_and_nothing_else() {
    let nats = Nats::start().await;
    let context = jetstream::new(nats.connect().await);
    let mut full = stream::Config {
        name: EVENTS.to_owned(),
        subjects: vec!["muster.v1.*.events.>".to_owned()],
        discard: stream::DiscardPolicy::New,
        max_messages: 5,
        ..stream::Config::default()
    };
    context.create_stream(full.clone()).await.unwrap();
    let service = service(&nats.url()).await;
    let acme = service.create_tenant("acme", "okta").await;
    for number in 0..10 {
        let user = acme.user(&format!("user{number}@example.com")).await;
        set_active(&acme, &user, false).await;
    }
    let waiting = await_reason(&service, "acme", EVENTS, "jetstream_refused").await;
    assert_eq!((&waiting["state"], &waiting["revision"]), (&json!("waiting"), &json!(5)));
    eventually("the other stream to be published whole", async || {
        let other = status(&service, "acme", DEPROVISIONING).await;
        (other["state"] == "live" && other["lag_events"] == 0).then_some(())
    })
    .await;
    full.max_messages = -1;
    context.update_stream(full).await.unwrap();
    published(&service, &nats, "acme").await;
    assert_contiguous(&held(&nats, EVENTS, "acme").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_are_named_and_right_ones_work() {
    let nats = Nats::start_with("authorization { user: muster, password: right }").await;
    let with = |password: &str| format!("nats://muster:{password}@127.0.0.1:{}", nats.port);
    let wrong = service(&with("wrong")).await;
    wrong.create_tenant("acme", "okta").await;
    eventually("the reason to be named", || async {
        let status = status(&wrong, "acme", EVENTS).await;
        status["reason"].as_str()?.contains("authorization violation").then_some(())
    })
    .await;
    let right = service(&with("right")).await;
    right.create_tenant("beta", "okta").await;
    await_state(&right, "beta", EVENTS, "live").await;
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
async fn acceptance_that_could_not_be_recorded_is_recorded_by_the_next_start() {
    let mut nats = Nats::start().await;
    nats.kill();
    let clock = Arc::new(ManualClock::default());
    let sources = Sources { clock: Arc::clone(&clock) as _, ..Sources::default() };
    let mut service = service_with(&nats.url(), sources).await;
    let acme = service.create_tenant("acme", "okta").await;
    let alice = acme.user("alice@example.com").await;
    set_active(&acme, &alice, false).await;
    // A clock that stands far behind the log lets nothing be recorded, but everything be published.
    let minute = Duration::from_mins(1);
    clock.set(Timestamp(ManualClock::START.0 - 60_000_000));
    nats.resume().await;
    eventually("the message", || async { held(&nats, DEPROVISIONING, "acme").await.pop() }).await;
    service.restarted(|_| clock.advance(2 * minute)).await;
    published(&service, &nats, "acme").await;
    let told = held(&nats, DEPROVISIONING, "acme").await;
    let evidence: Vec<_> = accepted(&service, "acme").await;
    assert_eq!(evidence, [(told[0].revision(), 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn acceptance_that_could_not_be_recorded_is_recorded_when_that_works_again() {
    let mut nats = Nats::start().await;
    nats.kill();
    let clock = Arc::new(ManualClock::default());
    let sources = Sources { clock: Arc::clone(&clock) as _, ..Sources::default() };
    let service = service_with(&nats.url(), sources).await;
    let acme = service.create_tenant("acme", "okta").await;
    let alice = acme.user("alice@example.com").await;
    set_active(&acme, &alice, false).await;
    clock.set(Timestamp(ManualClock::START.0 - 60_000_000));
    nats.resume().await;
    eventually("the message", || async { held(&nats, DEPROVISIONING, "acme").await.pop() }).await;
    clock.set(ManualClock::START);
    published(&service, &nats, "acme").await;
    set_active(&acme, &alice, true).await;
    published(&service, &nats, "acme").await;
    let told = revisions(&held(&nats, DEPROVISIONING, "acme").await);
    assert_eq!(evidence(&service, "acme").await, told, "each is in evidence once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_nats_finds_too_large_holds_up_its_tenant_alone_until_it_is_left_out() {
    let mut nats = Nats::start_with("max_payload: 8192").await;
    nats.kill();
    let service = service(&nats.url()).await;
    let acme = service.create_tenant("acme", "okta").await;
    let beta = service.create_tenant("beta", "okta").await;
    let mut members = Vec::new();
    for number in 0..250 {
        members.push(acme.user(&format!("user{number}@example.com")).await);
    }
    let ids: Vec<&str> = members.iter().map(String::as_str).collect();
    let team = acme.group("Team", &ids).await;
    set_active(&acme, ids[1], false).await;
    acme.delete(&format!("/Groups/{team}")).await.expect(204);
    nats.resume().await;
    let waits = await_reason(&service, "acme", DEPROVISIONING, "outbox_message_too_large").await;
    assert_eq!(waits["state"], "waiting");
    let bob = beta.user("bob@example.com").await;
    set_active(&beta, &bob, false).await;
    published(&service, &nats, "beta").await;
    await_state(&service, "acme", EVENTS, "live").await;
    // Not while the message is on its way once more.
    eventually("it to be left out", || async {
        (resume(&service, "acme", json!("head")).await.status == 200).then_some(())
    })
    .await;
    set_active(&acme, ids[0], false).await;
    published(&service, &nats, "acme").await;
    let told: Vec<_> = held(&nats, DEPROVISIONING, "acme").await;
    let told: Vec<_> = told.iter().map(|message| message.muster_subject.as_str()).collect();
    assert_eq!(told, [format!("users/{}", ids[1]), format!("users/{}", ids[0])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_were_too_large_go_out_by_themselves_once_the_limit_is_raised() {
    let nats = Nats::start().await;
    let service = service(&nats.url()).await;
    let tenants = [service.create_tenant("acme", "okta").await, service.create_tenant("beta", "okta").await];
    published(&service, &nats, "acme").await;
    published(&service, &nats, "beta").await;
    let context = jetstream::new(nats.connect().await);
    let made = context.get_stream(EVENTS).await.unwrap().cached_info().config.clone();
    let lowered = stream::Config { max_message_size: 100, ..made.clone() };
    context.update_stream(lowered).await.unwrap();
    for tenant in &tenants {
        tenant.user("alice@example.com").await;
        let waits = await_reason(&service, &tenant.name, EVENTS, "outbox_message_too_large").await;
        assert_eq!(waits["state"], "waiting", "{waits}");
    }
    context.update_stream(made).await.unwrap();
    for tenant in &tenants {
        published(&service, &nats, &tenant.name).await;
        assert_contiguous(&held(&nats, EVENTS, &tenant.name).await);
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

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_put_back_halts_both_streams_also_when_it_has_grown_beyond_what_was_published() {
    let mut nats = Nats::start().await;
    let mut service = service(&nats.url()).await;
    let acme = service.create_tenant("acme", "okta").await;
    let alice = acme.user("alice@example.com").await;
    set_active(&acme, &alice, false).await;
    published(&service, &nats, "acme").await;
    let (folder, old) = (service.tenant_folder("acme"), service.folder().join("old"));
    service.restarted(|_| copy_folder(&folder, &old)).await;
    let acme = Tenant { base_url: rebased(&acme, &service), ..acme };
    for name in ["bob", "carol", "dave"] {
        acme.user(&format!("{name}@example.com")).await;
    }
    published(&service, &nats, "acme").await;
    // The last deprovisioning message is one that the older log has too: it tells nothing.
    nats.kill();
    service
        .restarted(|_| {
            for name in ["log.db", "keys.db", "current.db", "history.db"] {
                remove_database(&folder, name);
                std::fs::copy(old.join(name), folder.join(name)).unwrap();
            }
        })
        .await;
    let acme = Tenant { base_url: rebased(&acme, &service), ..acme };
    for number in 0..10 {
        let leaver = acme.user(&format!("leaver{number}@example.com")).await;
        set_active(&acme, &leaver, false).await;
    }
    nats.resume().await;
    for name in [EVENTS, DEPROVISIONING] {
        let halted = await_reason(&service, "acme", name, "outbox_ahead_of_log").await;
        assert_eq!(halted["state"], "halted");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_altered_or_removed_while_nobody_writes_is_noticed() {
    let nats = Nats::start().await;
    let service = service(&nats.url()).await;
    let acme = service.create_tenant("acme", "okta").await;
    acme.user("alice@example.com").await;
    published(&service, &nats, "acme").await;
    let context = jetstream::new(nats.connect().await);
    let mut config = context.get_stream(EVENTS).await.unwrap().cached_info().config.clone();
    config.discard = stream::DiscardPolicy::Old;
    context.update_stream(config).await.unwrap();
    await_reason(&service, "acme", EVENTS, "jetstream_stream_differs").await;
    context.delete_stream(EVENTS).await.unwrap();
    eventually("the stream to be filled again", || async {
        let events = held(&nats, EVENTS, "acme").await;
        (events.len() as u64 == head(&service, "acme").await).then_some(())
    })
    .await;
    assert_contiguous(&held(&nats, EVENTS, "acme").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_setting_that_loses_or_moves_messages_is_accepted() {
    type Change = fn(&mut stream::Config);
    let cases: [(&str, Change); 8] = [
        ("subjects", |config| config.subjects = vec!["muster.v1.acme.events.>".to_owned()]),
        ("subjects", |config| config.subjects.push("elsewhere.>".to_owned())),
        ("discard", |config| config.discard = stream::DiscardPolicy::Old),
        ("retention", |config| config.retention = stream::RetentionPolicy::WorkQueue),
        ("retention", |config| config.retention = stream::RetentionPolicy::Interest),
        ("acknowledge", |config| config.no_ack = true),
        ("for each subject", |config| config.max_messages_per_subject = 1),
        ("transform", |config| {
            config.subject_transform = Some(stream::SubjectTransform {
                source: "muster.v1.*.events.>".to_owned(),
                destination: "elsewhere.{{wildcard(1)}}.>".to_owned(),
            });
        }),
    ];
    let nats = Nats::start().await;
    let context = jetstream::new(nats.connect().await);
    let service = service(&nats.url()).await;
    let acme = service.create_tenant("acme", "okta").await;
    acme.user("alice@example.com").await;
    published(&service, &nats, "acme").await;
    for (wrong, change) in cases {
        context.delete_stream(EVENTS).await.unwrap();
        let mut config = stream::Config {
            name: EVENTS.to_owned(),
            subjects: vec!["muster.v1.*.events.>".to_owned()],
            discard: stream::DiscardPolicy::New,
            ..stream::Config::default()
        };
        change(&mut config);
        // Muster may have made it first.
        while context.create_stream(config.clone()).await.is_err() {
            context.delete_stream(EVENTS).await.unwrap();
        }
        let status = eventually(&format!("`{wrong}` to be named"), || async {
            let status = status(&service, "acme", EVENTS).await;
            let reason = status["reason"].as_str()?.to_owned();
            (reason.starts_with("jetstream_stream_differs: ") && reason.contains(wrong)).then_some(status)
        })
        .await;
        assert_eq!(status["state"], "halted");
        await_state(&service, "acme", DEPROVISIONING, "live").await;
    }
    context.delete_stream(EVENTS).await.unwrap();
    eventually("the stream to be filled again", || async {
        (held(&nats, EVENTS, "acme").await.len() as u64 == head(&service, "acme").await).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_somebody_else_that_takes_our_subjects_is_named() {
    let nats = Nats::start().await;
    let context = jetstream::new(nats.connect().await);
    let everything = stream::Config {
        name: "EVERYTHING".to_owned(),
        subjects: vec!["muster.>".to_owned()],
        ..stream::Config::default()
    };
    context.create_stream(everything).await.unwrap();
    let service = service(&nats.url()).await;
    let acme = service.create_tenant("acme", "okta").await;
    let alice = acme.user("alice@example.com").await;
    set_active(&acme, &alice, false).await;
    for name in [EVENTS, DEPROVISIONING] {
        let halted = await_reason(&service, "acme", name, "jetstream_stream_refused").await;
        assert_eq!(halted["state"], "halted");
        assert!(halted["reason"].as_str().unwrap().contains("overlap"), "{halted}");
    }
    context.delete_stream("EVERYTHING").await.unwrap();
    published(&service, &nats, "acme").await;
    assert_contiguous(&held(&nats, EVENTS, "acme").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_nats_does_not_let_publish_holds_up_no_other() {
    let permissions = "authorization { users: [{ user: muster, password: p, permissions: { publish: { \
                       deny: [\"muster.v1.acme.>\"] } } }, { user: reader, password: p }] }";
    let nats = Nats::start_with(permissions).await;
    let service = service(&format!("nats://muster:p@127.0.0.1:{}", nats.port)).await;
    let acme = service.create_tenant("acme", "okta").await;
    let beta = service.create_tenant("beta", "okta").await;
    acme.user("alice@example.com").await;
    beta.user("bob@example.com").await;
    let waiting = eventually("acme alone to wait", || async {
        beta.user(&format!("{}@example.com", head(&service, "beta").await)).await;
        let acme = status(&service, "acme", EVENTS).await;
        let beta = status(&service, "beta", EVENTS).await;
        (acme["reason"].is_string() && beta["state"] == "live" && beta["lag_events"] == 0).then_some(acme)
    })
    .await;
    assert!(waiting["reason"].as_str().unwrap().contains("Permissions Violation"), "{waiting}");
}
