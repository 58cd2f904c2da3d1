//! A walk by cursor over everybody while others write: each comes once, as of the first page.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::dice::Dice;
use crate::harness::{Tenant, TestService, eventually, id_of};
use crate::soak::Plan;

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const BULK_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
/// Operations of one bulk request.
const BULK: u64 = 1_000;
const WRITERS: u64 = 4;

async fn create(tenant: &Tenant, numbers: std::ops::Range<u64>) -> Vec<String> {
    let operation = |number: u64| {
        let person =
            json!({"schemas": [USER], "userName": format!("person{number}@example.com"), "active": true});
        json!({"method": "POST", "path": "/Users", "bulkId": number.to_string(), "data": person})
    };
    let operations: Vec<Value> = numbers.map(operation).collect();
    let body = json!({"schemas": [BULK_REQUEST], "Operations": operations});
    let answer = tenant.post("/Bulk", body).await.expect(200);
    let made = answer["Operations"].as_array().expect("a bulk has operations").iter();
    let id = |made: &Value| made["location"].as_str()?.rsplit('/').next().map(str::to_owned);
    made.map(|made| id(made).unwrap_or_else(|| panic!("{made}"))).collect()
}

/// Changes people, and makes and deletes others, until it is told to stop; counts what was acknowledged.
async fn write(
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    tenant: Tenant,
    people: Arc<Vec<String>>,
    number: u64,
    mut dice: Dice,
) {
    for turn in 0_u64.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let title = json!([{"op": "replace", "path": "title", "value": format!("T{turn}")}]);
        tenant.patch(&format!("/Users/{}", dice.choose(&people)), title).await.expect(200);
        let id = tenant.user(&format!("come{number}-{turn}@example.com")).await;
        assert_eq!(tenant.delete(&format!("/Users/{id}")).await.status, 204);
        written.fetch_add(3, Ordering::Relaxed);
    }
}

fn version(resource: &Value) -> u64 {
    let version = resource["meta"]["version"].as_str().expect("a version");
    version.trim_start_matches("W/").trim_matches('"').parse().expect("a version is a revision")
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_comes_once_while_others_write() {
    let plan = Plan::of("cursor_walk", 300, 100_000);
    let mut tally = plan.tally();
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let mut people = Vec::new();
    for begin in (0..plan.rounds).step_by(usize::try_from(BULK).expect("a small number")) {
        people.extend(create(&acme, begin..(begin + BULK).min(plan.rounds)).await);
    }
    let (people, stop) = (Arc::new(people), Arc::new(AtomicBool::new(false)));
    let written = Arc::new(AtomicU64::new(0));
    let mut others = JoinSet::new();
    for number in 0..WRITERS {
        let (stop, written, people) = (Arc::clone(&stop), Arc::clone(&written), Arc::clone(&people));
        others.spawn(write(stop, written, acme.clone(), people, number, plan.dice(number)));
    }
    let path = format!("/Users?count={}&cursor=", (plan.rounds / 100).clamp(10, 1_000));
    let mut page = acme.get(&path).await.expect(200);
    // Whatever is recorded from here on is of another state.
    let fence =
        version(&acme.get(&format!("/Users/{}", acme.user("fence@example.com").await)).await.expect(200));
    let total = page["totalResults"].clone();
    let mut shown = BTreeSet::new();
    loop {
        tally.rounds += 1;
        for resource in page["Resources"].as_array().expect("a list has resources") {
            let id = id_of(resource);
            if version(resource) >= fence {
                tally.doubled(format!("{id} is shown as it was later"));
            }
            if !shown.insert(id.clone()) {
                tally.doubled(format!("{id} is shown twice"));
            }
        }
        assert_eq!(page["totalResults"], total);
        let before = written.load(Ordering::Relaxed);
        eventually("others to write", || async { (written.load(Ordering::Relaxed) > before).then_some(()) })
            .await;
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        page = acme.get(&format!("{path}{cursor}")).await.expect(200);
    }
    stop.store(true, Ordering::Relaxed);
    others.join_all().await;
    tally.acknowledged += written.load(Ordering::Relaxed);
    for missing in people.iter().filter(|id| !shown.contains(*id)) {
        tally.lost(format!("{missing} is not shown"));
    }
    assert_eq!(total, shown.len(), "as many as the first page said");
    tally.note(&format!("people={} pages={}", plan.rounds, tally.rounds));
    tally.finish();
}
