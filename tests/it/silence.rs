//! A client that stays away for three times its usual interval is named, and the next request clears that.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream;
use muster::app::Sources;
use muster::clock::{Clock, ManualClock};
use provisioning::{EventType, Revision, Timestamp};
use serde_json::{Value, json};

use crate::harness::{Nats, Tenant, TestService, eventually};

/// How often Entra ID comes.
const CYCLE: Duration = Duration::from_mins(40);
const SECOND: Duration = Duration::from_secs(1);

/// A service whose clock stands still until it is moved. Nothing here needs the request log.
async fn service(nats: Option<String>) -> (TestService, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::default());
    let sources = Sources { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..Sources::default() };
    let service = TestService::start_with(
        |config| {
            config.nats = nats;
            config.request_log.enabled = false;
        },
        sources,
    );
    (service.await, clock)
}

/// All clients are looked at.
async fn swept(service: &TestService) {
    let house = service.house();
    house.silence.sweep(&house.directories).await;
}

/// What was recorded of silence.
fn recorded(service: &TestService) -> Vec<EventType> {
    let directory = service.house().directories.tenant("acme").expect("the tenant is open");
    let all = directory.recorded(Revision::ZERO, usize::MAX).expect("the log can be read");
    let types = all.into_iter().map(|event| event.header.event_type);
    types.filter(|told| matches!(told, EventType::ClientSilent | EventType::ClientHeard)).collect()
}

/// Since when the client is silent, and how many clients of the tenant the metric counts.
async fn silent(service: &TestService) -> (Value, String) {
    let shown = service.admin("GET", "/admin/v1/tenants/acme", None).await.expect(200);
    let metrics = service.admin("GET", "/metrics", None).await.text;
    let line = metrics.lines().find(|line| line.starts_with("muster_silent_clients{tenant=\"acme\"}"));
    let number = line.and_then(|line| line.rsplit_once(' ')).map_or("", |(_, number)| number);
    (shown["clients"][0]["silent_since"].clone(), number.to_owned())
}

fn nobody() -> (Value, String) {
    (Value::Null, "0".to_owned())
}

/// The client comes in cycles, and has gone for one at the end.
async fn cycles(service: &TestService, clock: &ManualClock, acme: &Tenant, cycles: u32) {
    for _ in 0..cycles {
        acme.get("/Users").await;
        swept(service).await;
        clock.advance(CYCLE);
    }
}

async fn switch(service: &TestService, enabled: bool) {
    let body = json!({ "enabled": enabled });
    service.admin("PATCH", "/admin/v1/tenants/acme/clients/default", Some(body)).await.expect(200);
}

/// The last message at a subject of the tenant's events.
async fn told(nats: &Nats, verb: &str) -> Value {
    let context = jetstream::new(nats.connect().await);
    let subject = format!("muster.v1.acme.events.clients.{verb}");
    let message = eventually(&format!("a message at {subject}"), || async {
        context.get_stream("MUSTER_EVENTS").await.ok()?.get_last_raw_message_by_subject(&subject).await.ok()
    })
    .await;
    serde_json::from_slice(&message.payload).expect("a message is JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stays_away_is_silent_until_its_next_request() {
    let nats = Nats::start().await;
    let (service, clock) = service(Some(nats.url())).await;
    let acme = service.create_tenant("acme", "entra").await;
    cycles(&service, &clock, &acme, 4).await;
    clock.advance(2 * CYCLE);
    swept(&service).await;
    assert_eq!(silent(&service).await, nobody());
    clock.advance(SECOND);
    swept(&service).await;
    swept(&service).await;
    let last = Timestamp(ManualClock::START.0 + 3 * i64::try_from(CYCLE.as_micros()).unwrap());
    assert_eq!(silent(&service).await, (json!(last), "1".to_owned()));
    assert_eq!(recorded(&service), [EventType::ClientSilent]);
    let message = told(&nats, "silent").await;
    assert_eq!(message["type"], "urn:muster:event:client.silent");
    let events = service.admin("GET", "/audit/v1/acme/events?type=client.silent", None).await.expect(200);
    assert_eq!(events["events"][0]["data"], json!({"seen_at": last, "usual_seconds": CYCLE.as_secs()}));
    assert_eq!(message["id"], events["events"][0]["id"]);

    // Also a request that is refused is a request.
    acme.get("/Users/nobody").await;
    swept(&service).await;
    assert_eq!(silent(&service).await, nobody());
    assert_eq!(recorded(&service), [EventType::ClientSilent, EventType::ClientHeard]);
    assert_eq!(told(&nats, "heard").await["type"], "urn:muster:event:client.heard");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_an_expired_token_is_not_heard_however_often_it_knocks() {
    let (service, clock) = service(None).await;
    let acme = service.create_tenant("acme", "entra").await;
    let body = json!({"client": "default", "expires_in": 5 * CYCLE.as_secs()});
    let issued = service.admin("POST", "/admin/v1/tenants/acme/tokens", Some(body)).await.expect(201);
    let token = issued["token"].as_str().unwrap().to_owned();
    let entra = Tenant { token, ..acme.clone() };
    cycles(&service, &clock, &entra, 9).await;
    assert_eq!(entra.get("/Users").await.status, 401);
    assert_eq!(recorded(&service), [EventType::ClientSilent]);
    acme.get("/Users").await;
    swept(&service).await;
    assert_eq!(recorded(&service), [EventType::ClientSilent, EventType::ClientHeard]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_silent_who_was_never_regular_or_is_not_expected_to_come() {
    let (service, clock) = service(None).await;
    let acme = service.create_tenant("acme", "okta").await;
    cycles(&service, &clock, &acme, 3).await;
    clock.advance(100 * CYCLE);
    swept(&service).await;
    assert_eq!(recorded(&service), [], "three visits are no habit");
    acme.get("/Users").await;
    switch(&service, false).await;
    swept(&service).await;
    clock.advance(1_000 * CYCLE);
    swept(&service).await;
    switch(&service, true).await;
    swept(&service).await;
    assert_eq!(recorded(&service), [], "it has only just been switched on again");
    cycles(&service, &clock, &acme, 1).await;

    clock.advance(1_000 * CYCLE);
    swept(&service).await;
    assert_eq!(silent(&service).await.1, "1");
    switch(&service, false).await;
    assert_eq!(silent(&service).await, nobody());
    switch(&service, true).await;
    assert_eq!(silent(&service).await, nobody());
    clock.advance(1_000 * CYCLE);
    swept(&service).await;
    assert_eq!(silent(&service).await.1, "1");
    let shown = service.admin("GET", "/admin/v1/tenants/acme", None).await.expect(200);
    let token = format!("/admin/v1/tenants/acme/tokens/{}", shown["tokens"][0]["id"].as_str().unwrap());
    service.admin("DELETE", &token, None).await.expect(200);
    assert_eq!(silent(&service).await, nobody());
    service.admin("DELETE", "/admin/v1/tenants/acme", None).await.expect(200);
    assert_eq!(silent_of_closed(&service).await, "0");
}

async fn silent_of_closed(service: &TestService) -> String {
    let metrics = service.admin("GET", "/metrics", None).await.text;
    let line = metrics.lines().find(|line| line.starts_with("muster_silent_clients{tenant=\"acme\"}"));
    line.map_or_else(|| "0".to_owned(), |line| line.rsplit(' ').next().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_usual_and_who_is_silent_outlast_a_restart() {
    let (mut service, clock) = service(None).await;
    let acme = service.create_tenant("acme", "entra").await;
    cycles(&service, &clock, &acme, 4).await;
    service.stop().await;
    clock.advance(100 * CYCLE);
    service.resume().await;
    swept(&service).await;
    clock.advance(CYCLE);
    swept(&service).await;
    assert_eq!(
        recorded(&service),
        [],
        "nobody could be heard for long, and now there is an interval to come"
    );
    clock.advance(SECOND);
    swept(&service).await;
    assert_eq!(recorded(&service), [EventType::ClientSilent]);
    service.restarted(|_| ()).await;
    assert_eq!(silent(&service).await.1, "1");
    let acme = Tenant { base_url: format!("{}/acme/scim/v2", service.url), ..acme };
    acme.get("/Users").await;
    swept(&service).await;
    assert_eq!(recorded(&service), [EventType::ClientSilent, EventType::ClientHeard]);
}
