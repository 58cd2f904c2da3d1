//! `kill -9` at any moment: what was answered 2xx is there afterwards, once; nobody has to lend a hand.
//!
//! The real binary runs as a process of its own and is killed while clients write. After each start, everything
//! that clients were told is held against the log, the log against the users that are listed, and both views
//! against a rebuild. A kill loses no page cache: what power loss does is SQLite's promise, not tested here.

mod long_log;
pub(crate) mod process;
mod record;
mod writers;

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use self::process::{Client, Place, Running};
use self::record::Record;
use self::writers::Writer;
use crate::soak::{Plan, Tally, between};

const WRITERS: usize = 32;
const GROUPS: usize = 4;
const TENANT: &str = "acme";

/// After so many rounds a new folder is begun, so that checking does not become the larger part.
const ROUNDS_PER_FOLDER: u64 = 10;

/// A folder, its clients, and what is known of it.
struct House {
    place: Place,
    /// Base URL and token stay the same over all starts.
    tenant: Client,
    groups: Vec<String>,
    writers: Vec<Writer>,
    record: Record,
    slowest_start: Duration,
}

impl House {
    fn new(plan: &Plan, number: u64) -> Self {
        let place = Place::new();
        let running = place.start();
        let tenant = Client::new(&running.url, &place.operator()).create_tenant(TENANT);
        let group = |n| {
            let schemas = ["urn:ietf:params:scim:schemas:core:2.0:Group"];
            let body = json!({"schemas": schemas, "displayName": format!("group {n}")});
            let reply = tenant.send("POST", "/Groups", Some(&body), &[]).expect("the service answers");
            reply.body["id"].as_str().expect("a group has an id").to_owned()
        };
        let groups = (0..GROUPS).map(group).collect();
        running.kill();
        let writer = |n: usize| Writer::new(n, plan.dice(number * 1_000 + n as u64));
        let writers = (0..WRITERS).map(writer).collect();
        Self { place, tenant, groups, writers, record: Record::default(), slowest_start: Duration::ZERO }
    }

    fn start(&mut self) -> Running {
        let running = self.place.start();
        self.slowest_start = self.slowest_start.max(running.ready_after);
        running
    }

    /// Kills the service after a while of writing.
    fn write_and_kill(&mut self, running: Running, after: Duration) {
        let (tenant, groups) = (&self.tenant, &self.groups);
        thread::scope(|scope| {
            for writer in &mut self.writers {
                let client = tenant.clone();
                scope.spawn(move || writer.write(&client, groups));
            }
            thread::park_timeout(after);
            running.kill();
        });
    }

    /// Holds what the service says against what its clients were told, and its views against its log.
    fn check(&mut self, running: &Running, tally: &mut Tally) {
        let operator = Client::new(&running.url, &self.place.operator());
        self.record.follow(&operator, TENANT);
        for writer in &mut self.writers {
            self.record.settle(writer, tally);
        }
        record::compare_users(&self.tenant, &self.writers, tally);
        let ready = operator.get("/readyz");
        assert_eq!(ready["halted_tenants"], json!({}), "{ready}");
        let path = format!("/admin/v1/tenants/{TENANT}/projections/check");
        let report = operator.send("POST", &path, None, &[]).expect("the service answers").body;
        assert_eq!(report["equal"], true, "views differ from their log: {report}");
    }
}

#[test]
fn what_was_acknowledged_survives_every_kill_and_nothing_else_does() {
    let plan = Plan::of("crash", 3, 200);
    let mut tally = plan.tally();
    let mut slowest = Duration::ZERO;
    for folder in 0..plan.rounds.div_ceil(ROUNDS_PER_FOLDER) {
        let mut house = House::new(&plan, folder);
        for round in 0..ROUNDS_PER_FOLDER.min(plan.rounds - folder * ROUNDS_PER_FOLDER) {
            let mut dice = plan.dice(folder * ROUNDS_PER_FOLDER + round);
            let running = house.start();
            let while_writing = between(&mut dice, Duration::from_millis(5), Duration::from_millis(600));
            house.write_and_kill(running, while_writing);
            tally.rounds += 1;
            tally.faults += 1;
            // Sometimes it dies again before it is up.
            while dice.below(3) == 0 {
                let starting = house.place.spawn();
                thread::park_timeout(between(&mut dice, Duration::ZERO, Duration::from_millis(40)));
                starting.kill();
                tally.faults += 1;
            }
            let running = house.start();
            house.check(&running, &mut tally);
            running.kill();
        }
        slowest = slowest.max(house.slowest_start);
    }
    tally.note(&format!("slowest_start_ms={}", slowest.as_millis()));
    tally.finish();
}

/// Nobody was told of what a killed creation left behind: it is finished or removed, and its name can be used.
#[test]
fn a_kill_while_a_folder_or_a_tenant_is_made_needs_no_hand() {
    let plan = Plan::of("crash_while_made", 4, 200);
    let mut tally = plan.tally();
    for round in 0..plan.rounds {
        let mut dice = plan.dice(round);
        let place = Place::new();
        let first = place.spawn();
        thread::park_timeout(between(&mut dice, Duration::ZERO, Duration::from_millis(60)));
        first.kill();

        let running = place.start();
        let operator = Client::new(&running.url, &place.operator());
        let killed = thread::scope(|scope| {
            let creating = scope.spawn(|| create_tenants(&operator));
            thread::park_timeout(between(&mut dice, Duration::ZERO, Duration::from_millis(500)));
            running.kill();
            creating.join().expect("the client does not panic")
        });

        let running = place.start();
        let operator = Client::new(&running.url, &place.operator());
        for (name, tenant) in &killed.made {
            tally.acknowledged += 1;
            let found = tenant.send("GET", "/Users", None, &[]);
            if found.as_ref().is_none_or(|reply| reply.status != 200) {
                tally.lost(format!("tenant {name} was made and answers {found:?}"));
            }
        }
        // The one that was being made is there (whole) or not at all.
        let again = operator.send("POST", "/admin/v1/tenants", Some(&json!({"tenant": killed.last})), &[]);
        let again = again.expect("the service answers");
        assert!([201, 409].contains(&again.status), "{}: {}", killed.last, again.body);
        let tenants = operator.get("/admin/v1/tenants");
        let tenants = tenants["tenants"].as_array().expect("a list of tenants").clone();
        assert!(tenants.iter().all(|tenant| tenant["state"] == "open"), "{tenants:?}");
        assert_eq!(tenants.len(), killed.made.len() + 1);
        running.kill();
        tally.rounds += 1;
        tally.faults += 2;
    }
    tally.finish();
}

struct Killed {
    made: Vec<(String, Client)>,
    /// The tenant that was being made.
    last: String,
}

/// Makes tenants until no answer comes.
fn create_tenants(operator: &Client) -> Killed {
    let mut made = Vec::new();
    loop {
        let name = format!("tenant-{}", made.len());
        let reply = operator.send("POST", "/admin/v1/tenants", Some(&json!({"tenant": name})), &[]);
        let Some(reply) = reply else { return Killed { made, last: name } };
        assert_eq!(reply.status, 201, "{}", reply.body);
        let text = |key: &str| reply.body[key].as_str().expect("the answer is complete").to_owned();
        made.push((name, Client::new(&text("base_url"), &text("token"))));
    }
}

/// A value that only the position of a log is asked for.
fn revision_of(operator: &Client) -> u64 {
    let shown: Value = operator.get(&format!("/admin/v1/tenants/{TENANT}"));
    shown["revision"].as_u64().expect("a tenant has a revision")
}
