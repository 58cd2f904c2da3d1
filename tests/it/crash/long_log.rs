//! How long a service takes to be ready on a long log after it was killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use muster::app::Sources;
use muster::clock::{IdSource as _, RandomIds};
use muster::directory::Directory;
use provisioning::ResourceId;
use provisioning::command::{Change, Precondition};
use scim::ResourceType;
use serde_json::json;
use tokio::task::JoinSet;

use super::process::{Client, Place};
use super::writers::{Told, Writer};
use super::{TENANT, WRITERS};
use crate::engine::{self, Engine};
use crate::soak::Plan;

/// So many commands wait for the writer at a time, so that its batches are full.
const CONCURRENT: usize = 256;

/// Every user is created and a third of them is patched, so that histories have more than one event.
const PATCHED: u64 = 3;

const EVENTS_IN_TEST: u64 = 3_000;
const EVENTS_IN_SOAK: u64 = 1_000_000;
const READY_WITHIN: Duration = Duration::from_secs(1);

#[test]
fn a_service_with_a_long_log_is_ready_at_once_after_a_kill() {
    let plan = Plan::of("long_log", 1, 7);
    let events = if plan.soaks { EVENTS_IN_SOAK } else { EVENTS_IN_TEST };
    let mut tally = plan.tally();
    let place = Place::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(fill(&place, events));
    drop(runtime);

    let mut starts = Vec::new();
    for round in 0..plan.rounds {
        let running = place.start();
        let operator = Client::new(&running.url, &place.operator());
        let issued = operator
            .send(
                "POST",
                &format!("/admin/v1/tenants/{TENANT}/tokens"),
                Some(&json!({"client": "default"})),
                &[],
            )
            .expect("the service answers");
        let token = issued.body["token"].as_str().unwrap_or_else(|| panic!("{}", issued.body)).to_owned();
        let token_id = issued.body["id"].as_str().expect("a token has an id").to_owned();
        let tenant = Client::new(&format!("{}/{TENANT}/scim/v2", running.url), &token);
        let mut writers: Vec<_> = (0..WRITERS)
            .map(|n| {
                Writer::new(usize::try_from(round).expect("few rounds") * WRITERS + n, plan.dice(n as u64))
            })
            .collect();
        std::thread::scope(|scope| {
            for writer in &mut writers {
                let tenant = tenant.clone();
                scope.spawn(move || writer.write(&tenant, &[]));
            }
            std::thread::park_timeout(Duration::from_millis(300));
            running.kill();
        });
        tally.faults += 1;
        let deeds = writers.iter().flat_map(|writer| &writer.deeds);
        tally.acknowledged += deeds.filter(|(_, told)| matches!(told, Told::Done(_))).count() as u64;

        let running = place.start();
        starts.push(running.ready_after);
        let operator = Client::new(&running.url, &place.operator());
        assert!(super::revision_of(&operator) >= events + tally.acknowledged, "the log is there");
        assert_eq!(operator.get("/readyz")["halted_tenants"], json!({}));
        let path = format!("/admin/v1/tenants/{TENANT}/tokens/{token_id}");
        assert_eq!(operator.send("DELETE", &path, None, &[]).expect("the service answers").status, 200);
        running.kill();
        tally.rounds += 1;
    }
    starts.sort_unstable();
    let (median, slowest) = (starts[starts.len() / 2], starts[starts.len() - 1]);
    tally.note(&format!(
        "events={events} start_ms median={} slowest={}",
        median.as_millis(),
        slowest.as_millis()
    ));
    assert!(!plan.soaks || slowest < READY_WITHIN, "a start took {slowest:?}");
    tally.finish();
}

/// Writes so many events through the engine itself.
async fn fill(place: &Place, events: u64) {
    let engine = Engine::open(&place.data(), Sources::default()).await;
    let directory = engine.create_tenant(TENANT).await.expect("a tenant can be made");
    let users = Arc::new(AtomicU64::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..CONCURRENT {
        workers.spawn(work(Arc::clone(&directory), Arc::clone(&users), events));
    }
    workers.join_all().await;
    drop(directory);
    engine.close().await;
}

async fn work(directory: Arc<Directory>, users: Arc<AtomicU64>, events: u64) {
    let ids = RandomIds::default();
    while directory.position().0 < events {
        let number = users.fetch_add(1, Ordering::Relaxed);
        let id = ResourceId(ids.next());
        let body = json!({
            "userName": format!("user-{number}@example.com"),
            "displayName": format!("User {number}"),
            "name": {"givenName": "User", "familyName": number.to_string()},
            "emails": [{"value": format!("user-{number}@example.com"), "type": "work", "primary": true}],
        });
        let create = Change::Create(engine::document(ResourceType::User, body));
        let created = engine::ask(&directory, ResourceType::User, id, Precondition::None, create).await;
        created.expect("a user can be made");
        if number.is_multiple_of(PATCHED) {
            let title = json!([{"op": "replace", "path": "title", "value": "Engineer"}]);
            let patch = engine::patch(ResourceType::User, title);
            let patched = engine::ask(&directory, ResourceType::User, id, Precondition::None, patch).await;
            patched.expect("a user can be patched");
        }
    }
}
