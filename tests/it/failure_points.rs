//! The named failure points of the writer, each brought about over HTTP or against the real binary: what is
//! answered, and that the service works again by itself when the cause is gone, with nothing lost, nothing doubled
//! and views that equal a rebuild. `docs/architecture.md` lists them; a test holds that list against the names here.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use muster::app::Sources;
use muster::event_log::memory::{Fault, FaultKind};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use crate::crash::process::{self, Client, Reply, Running};
use crate::faulty_log::{Faults, FaultyLogs};
use crate::harness::{Answer, PATIENCE, Tenant, TestService, eventually};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

/// A commit that fails after all rows went in: a deferred foreign key is checked by COMMIT alone.
const FAIL_AT_COMMIT: &str = "
    CREATE TABLE targets (id INTEGER PRIMARY KEY);
    CREATE TABLE broken (id INTEGER REFERENCES targets (id) DEFERRABLE INITIALLY DEFERRED);
    CREATE TRIGGER break_it AFTER INSERT ON resources BEGIN INSERT INTO broken VALUES (1); END;";
const COMMIT_AGAIN: &str = "DROP TRIGGER break_it; DROP TABLE broken; DROP TABLE targets;";

/// A service whose logs fail on demand, and a tenant.
struct Place {
    service: TestService,
    acme: Tenant,
    log: Arc<Faults>,
}

impl Place {
    async fn new() -> Self {
        let logs = FaultyLogs::default();
        let sources = Sources { logs: Arc::new(logs.clone()), ..Sources::default() };
        let service = TestService::start_with(|_| (), sources).await;
        let acme = service.create_tenant("acme", "okta").await;
        Self { service, acme, log: logs.of("acme") }
    }

    async fn create(&self, user_name: &str) -> Answer {
        self.acme.post("/Users", named(user_name)).await
    }

    async fn refused(&self, user_name: &str, code: &str) {
        let answer = self.create(user_name).await;
        answer.refused(503, None, code);
        assert_eq!(answer.header("retry-after"), Some("5"));
    }

    /// Why the tenant is waited for, if it is.
    async fn waits(&self) -> Option<String> {
        let ready = self.service.admin("GET", "/readyz", None).await.expect(200);
        assert_eq!(ready["halted_tenants"], json!({}));
        ready["waiting_tenants"]["acme"].as_str().map(str::to_owned)
    }

    async fn goes_on(&self) {
        eventually("the tenant to go on", || async { self.waits().await.is_none().then_some(()) }).await;
    }

    /// Exactly these people were created, each once, and the views say what the log says.
    async fn stands(&self, people: &[&str]) {
        let events = self.service.events("acme", 0).await;
        let revisions = events.iter().map(|event| event["revision"].as_u64().expect("a revision"));
        assert!(revisions.eq(1..=events.len() as u64), "a gap");
        let created = events.iter().filter(|event| event["type"] == "user.created");
        let created: Vec<&str> =
            created.map(|event| event["data"]["patch"]["userName"].as_str().expect("a name")).collect();
        assert_eq!(created, people);
        let listed = self.acme.get("/Users?count=1000&attributes=userName").await.expect(200);
        let listed: BTreeSet<&str> = listed["Resources"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|user| user["userName"].as_str().expect("a name"))
            .collect();
        assert_eq!(listed, people.iter().copied().collect());
        let check = self.service.admin("POST", "/admin/v1/tenants/acme/projections/check", None).await;
        assert_eq!(check.expect(200)["equal"], true);
    }

    /// How many appends ended so, by the metric.
    async fn appends(&self, outcome: &str) -> Option<u64> {
        let metrics = self.service.admin("GET", "/metrics", None).await.text;
        let name = format!("muster_append_duration_seconds_count{{outcome=\"{outcome}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&name))?.parse().ok()
    }

    fn view(&self) -> Connection {
        let path = self.service.tenant_folder("acme").join("current.db");
        let view = page_checksums::open(&path, OpenFlags::SQLITE_OPEN_READ_WRITE).expect("a view");
        view.busy_timeout(PATIENCE).expect("a connection");
        view
    }
}

fn named(user_name: &str) -> Value {
    json!({"schemas": [USER], "userName": user_name})
}

/// By another program: in this one, closing a copied file would let go of SQLite's locks on it.
fn copy_folder(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-R").args([from, to]).status().expect("there is cp").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_between_append_and_view_commit_loses_and_doubles_nothing() {
    let place = Place::new().await;
    place.create("before").await.expect(201);
    place.log.hold_stored();
    let (answer, dead) = tokio::join!(place.create("during"), async {
        place.log.holding().await;
        let dead = place.service.folder().join("dead");
        copy_folder(place.service.data(), &dead);
        place.log.release();
        dead
    });
    answer.expect(201);
    place.stands(&["before", "during"]).await;

    let service = TestService::start_with(|config| config.data = dead, Sources::default()).await;
    let acme = Tenant { base_url: format!("{}/acme/scim/v2", service.url), ..place.acme.clone() };
    let risen = Place { service, acme, log: Arc::default() };
    risen.stands(&["before", "during"]).await;
    // Whoever was told nothing asks again.
    risen.create("during").await.refused(409, Some("uniqueness"), "user_name_taken");
    risen.create("after").await.expect(201);
    risen.stands(&["before", "during", "after"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_that_failed_is_answered_503_and_counts_for_nothing() {
    let place = Place::new().await;
    for kind in [FaultKind::Unavailable, FaultKind::OutcomeUnknown] {
        place.log.fail_next(Fault::NotStored(kind));
        place.refused("alice", "append_failed").await;
        place.goes_on().await;
        assert_eq!(place.acme.get("/Users").await.expect(200)["totalResults"], 0);
    }
    place.create("alice").await.expect(201);
    place.stands(&["alice"]).await;
    assert_eq!((place.appends("unavailable").await, place.appends("unknown").await), (Some(1), Some(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_that_failed_but_was_stored_is_answered_as_if_nothing_had_been() {
    let place = Place::new().await;
    for (name, kind) in [("alice", FaultKind::Unavailable), ("bob", FaultKind::OutcomeUnknown)] {
        place.log.fail_next(Fault::Stored(kind));
        place.create(name).await.expect(201);
        place.create(name).await.refused(409, Some("uniqueness"), "user_name_taken");
    }
    place.create("carol").await.expect(201);
    place.stands(&["alice", "bob", "carol"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_knows_whether_an_append_was_stored_the_caller_is_told_so() {
    for (fault, stored) in [(Fault::Stored as fn(_) -> _, true), (Fault::NotStored, false)] {
        let place = Place::new().await;
        place.create("before").await.expect(201);
        place.log.leave_then();
        place.log.fail_next(fault(FaultKind::OutcomeUnknown));
        place.refused("alice", "append_outcome_unknown").await;
        assert!(place.waits().await.is_some());
        place.refused("bob", "log_unavailable").await;
        assert_eq!(place.acme.get("/Users").await.expect(200)["totalResults"], 1, "reads go on");
        place.log.back();
        place.goes_on().await;
        let again = place.create("alice").await.status;
        assert_eq!(again, if stored { 409 } else { 201 });
        place.stands(&["before", "alice"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_cannot_commit_delays_the_answer_until_it_can() {
    let place = Place::new().await;
    let view = place.view();
    view.execute_batch(FAIL_AT_COMMIT).expect("the view can be changed");
    let (answer, ()) = tokio::join!(place.create("alice"), async {
        eventually("the view to be behind", || async { place.waits().await }).await;
        view.execute_batch(COMMIT_AGAIN).expect("the view can be changed");
    });
    answer.expect(201);
    drop(view);
    place.goes_on().await;
    place.stands(&["alice"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_stays_behind_is_said_to_and_catches_up_by_itself() {
    let place = Place::new().await;
    let view = place.view();
    view.execute_batch(FAIL_AT_COMMIT).expect("the view can be changed");
    let ((), read) = tokio::join!(place.refused("alice", "append_stored_view_behind"), async {
        let why = eventually("the view to be behind", || async { place.waits().await }).await;
        assert!(why.starts_with("current.db stands behind the log"), "{why}");
        // Nobody is shown a state without what is stored, and nobody writes on top of one.
        let ((), read) = tokio::join!(place.refused("bob", "view_behind"), place.acme.get("/Users"));
        read
    });
    read.refused(503, None, "view_behind");
    view.execute_batch(COMMIT_AGAIN).expect("the view can be changed");
    drop(view);
    place.goes_on().await;
    place.create("alice").await.refused(409, Some("uniqueness"), "user_name_taken");
    place.create("bob").await.expect(201);
    place.stands(&["alice", "bob"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_cannot_be_opened_for_now_is_opened_when_it_can() {
    for file in ["current.db", "history.db", "log.db", "keys.db", "operations.db"] {
        let mut place = Place::new().await;
        place.create("alice").await.expect(201);
        let globex = place.service.create_tenant("globex", "okta").await;
        let file = place.service.tenant_folder("acme").join(file);
        let aside = file.with_extension("aside");
        // Root may do anything but write to a folder as if it were a file.
        let block = |_: &Path| {
            std::fs::rename(&file, &aside).expect("a file can be moved");
            std::fs::create_dir(&file).expect("a folder can be made");
        };
        place.service.restarted(block).await;
        let moved = |tenant: &Tenant| Tenant {
            base_url: format!("{}/{}/scim/v2", place.service.url, tenant.name),
            ..tenant.clone()
        };
        let (acme, globex) = (moved(&place.acme), moved(&globex));
        place.acme = acme;
        assert!(place.waits().await.is_some(), "{}", file.display());
        place.refused("bob", "tenant_unavailable").await;
        place.acme.get("/Users").await.refused(503, None, "tenant_unavailable");
        let shown = place.service.admin("GET", "/admin/v1/tenants/acme", None).await.expect(503);
        assert_eq!(shown["error"]["code"], "tenant_unavailable");
        let listed = place.service.admin("GET", "/admin/v1/tenants", None).await.expect(200);
        assert_eq!(listed["tenants"][0]["state"], "waiting", "{listed}");
        globex.user("somebody").await;
        std::fs::remove_dir(&file).expect("nothing was put into the folder");
        std::fs::rename(&aside, &file).expect("a file can be moved");
        place.goes_on().await;
        place.create("bob").await.expect(201);
        place.stands(&["alice", "bob"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_cannot_be_made_refuse_new_people_and_nobody_else() {
    let mut place = Place::new().await;
    let alice = place.acme.user("alice").await;
    let keys = place.service.tenant_folder("acme").join("keys.db");
    // The tenant has the first key, Alice the second; two are left in the pool.
    let break_keys = |_: &Path| {
        let keys = Connection::open(&keys).expect("a key store");
        keys.execute("DELETE FROM keys WHERE number > 4", []).expect("the key store can be changed");
        let full = "CREATE TRIGGER full BEFORE INSERT ON keys BEGIN SELECT RAISE(ABORT, 'no room'); END";
        keys.execute_batch(full).expect("the key store can be changed");
    };
    place.service.restarted(break_keys).await;
    place.acme.base_url = format!("{}/acme/scim/v2", place.service.url);
    place.create("bob").await.expect(201);
    place.create("carol").await.expect(201);
    for _ in 0..2 {
        place.refused("dave", "keys_unavailable").await;
        let leave = json!([{"op": "replace", "path": "active", "value": false}]);
        place.acme.patch(&format!("/Users/{alice}"), leave).await.expect(200);
        assert_eq!(place.acme.get("/Users").await.expect(200)["totalResults"], 3);
    }
    Connection::open(&keys)
        .and_then(|keys| keys.execute_batch("DROP TRIGGER full"))
        .expect("it can be mended");
    place.create("dave").await.expect(201);
    place.stands(&["alice", "bob", "carol", "dave"]).await;
}

/// The real binary with a tenant, on a disk that is full when a file has so many blocks of 512 bytes.
struct Confined {
    place: process::Place,
    running: Running,
    acme: Client,
}

impl Confined {
    /// `prepare` is carried out while there is room.
    fn new<T>(blocks: u64, prepare: impl FnOnce(&Client) -> T) -> (Self, T) {
        let mut place = process::Place::new();
        let running = place.start();
        let acme = Client::new(&running.url, &place.operator()).create_tenant("acme");
        let prepared = prepare(&acme);
        running.stop();
        place.limits = Some(format!("ulimit -S -f {blocks}"));
        let running = place.start();
        (Self { place, running, acme }, prepared)
    }

    fn operator(&self) -> Client {
        Client::new(&self.running.url, &self.place.operator())
    }

    fn create(&self, endpoint: &str, body: &Value) -> Reply {
        let reply = self.acme.send("POST", endpoint, Some(body), &[]).expect("the service answers");
        assert!(reply.status != 503 || reply.retry_after.as_deref() == Some("5"), "{reply:?}");
        reply
    }

    /// Gives the disk room and waits until the tenant goes on.
    fn make_room(&self) {
        self.running.lift_limits();
        let (operator, began) = (self.operator(), Instant::now());
        loop {
            let ready = operator.get("/readyz");
            assert_eq!(ready["halted_tenants"], json!({}));
            if ready["waiting_tenants"] == json!({}) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{ready}");
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// What of this type was created, by name; the views equal a rebuild.
    fn created(&self, event_type: &str, name: &str) -> Vec<String> {
        let operator = self.operator();
        let path = format!("/audit/v1/acme/events?type={event_type}&limit=10000");
        let events = operator.get(&path);
        let names = events["events"].as_array().expect("a list of events").iter();
        let names = names.map(|event| event["data"]["patch"][name].as_str().expect("a name").to_owned());
        let check = operator.send("POST", "/admin/v1/tenants/acme/projections/check", None, &[]);
        assert_eq!(check.expect("the service answers").body["equal"], true);
        names.collect()
    }
}

#[test]
fn a_full_disk_under_the_log_refuses_writes_until_there_is_room() {
    const ROUNDS_MAX: usize = 20;
    // The bytes of a person are in the log first, and in the view as many again.
    let (confined, ()) = Confined::new(4_096, |_| ());
    let large = |number: usize| {
        let mut body = named(&format!("user-{number}"));
        body["title"] = json!("x".repeat(400_000));
        body
    };
    let (mut created, mut refused) = (Vec::new(), Vec::new());
    for number in 0..ROUNDS_MAX {
        let reply = confined.create("/Users", &large(number));
        match (reply.status, reply.code.as_deref()) {
            (201, _) => created.push(format!("user-{number}")),
            (503, Some(code)) => refused.push(code.to_owned()),
            _ => panic!("{reply:?}"),
        }
        if refused.last().is_some_and(|code| code == "append_failed") {
            break;
        }
    }
    assert_eq!(refused, ["append_failed"]);
    assert_eq!(confined.acme.get("/Users?count=0")["totalResults"], created.len(), "reads go on");
    confined.make_room();
    for number in ROUNDS_MAX..ROUNDS_MAX + 3 {
        assert_eq!(confined.create("/Users", &large(number)).status, 201);
        created.push(format!("user-{number}"));
    }
    assert_eq!(confined.created("user.created", "userName"), created);
}

#[test]
fn a_full_disk_under_the_view_names_what_is_stored_and_heals_when_there_is_room() {
    const MEMBERS: usize = 600;
    const GROUPS_MAX: usize = 60;
    // A membership takes far more room in the view than in the log.
    let (confined, members) = Confined::new(2_048, |acme| {
        let people = (0..MEMBERS).map(|number| {
            json!({"method": "POST", "path": "/Users", "bulkId": number.to_string(), "data": named(&format!("user-{number}"))})
        });
        let schemas = ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"];
        let body = json!({"schemas": schemas, "Operations": people.collect::<Vec<_>>()});
        let reply = acme.send("POST", "/Bulk", Some(&body), &[]).expect("the service answers");
        let operations = reply.body["Operations"].as_array().expect("operations");
        let id = |operation: &Value| {
            let location = operation["location"].as_str().expect("a location");
            location.rsplit('/').next().map(|id| json!({"value": id}))
        };
        operations.iter().map(id).collect::<Vec<_>>()
    });
    let group = |number: usize| json!({"schemas": [GROUP], "displayName": format!("group-{number}"), "members": members});
    let mut stored = Vec::new();
    let behind = (0..GROUPS_MAX).find_map(|number| {
        let reply = confined.create("/Groups", &group(number));
        stored.push(format!("group-{number}"));
        (reply.status != 201).then_some(reply)
    });
    let behind = behind.expect("the disk is full at last");
    assert_eq!((behind.status, behind.code.as_deref()), (503, Some("append_stored_view_behind")));
    let waits = confined.operator().get("/readyz");
    assert!(waits["waiting_tenants"]["acme"].is_string(), "{waits}");
    let read = confined.acme.send("GET", "/Groups", None, &[]).expect("the service answers");
    assert_eq!((read.status, read.code.as_deref()), (503, Some("view_behind")));
    let next = confined.create("/Groups", &group(GROUPS_MAX));
    assert_eq!(next.status, 503, "{next:?}");
    confined.make_room();
    assert_eq!(confined.create("/Groups", &group(GROUPS_MAX)).status, 201);
    stored.push(format!("group-{GROUPS_MAX}"));
    assert_eq!(confined.created("group.created", "displayName"), stored);
    assert_eq!(confined.acme.get("/Groups?count=0")["totalResults"], stored.len());
}

/// A folder with a tenant and some people, that nobody serves.
fn stopped(people: usize) -> (process::Place, Client) {
    let place = process::Place::new();
    let running = place.start();
    let acme = Client::new(&running.url, &place.operator()).create_tenant("acme");
    for number in 0..people {
        let mut body = named(&format!("user-{number}"));
        body["title"] = json!("x".repeat(4_000));
        let reply = acme.send("POST", "/Users", Some(&body), &[]).expect("the service answers");
        assert_eq!(reply.status, 201, "{}", reply.body);
    }
    running.stop();
    (place, acme)
}

#[test]
fn a_start_on_a_full_disk_serves_reads_and_refuses_writes_until_there_is_room() {
    let (mut place, acme) = stopped(1);
    assert!(place.data().join("reserve").exists());
    // Just enough for what SQLite keeps beside a file to read it: what the reserve is there for.
    place.limits = Some("ulimit -S -f 64".to_owned());
    let running = place.start();
    assert!(place.log().contains("what was put by is used up to start"), "{}", place.log());
    assert!(!place.data().join("reserve").exists());
    let confined = Confined { place, running, acme };
    assert_eq!(confined.acme.get("/Users")["totalResults"], 1);
    let mut large = named("bob");
    large["title"] = json!("x".repeat(100_000));
    let refused = confined.create("/Users", &large);
    assert_eq!((refused.status, refused.code.as_deref()), (503, Some("append_failed")));
    assert_eq!(confined.acme.get("/Users")["totalResults"], 1);
    confined.make_room();
    assert_eq!(confined.create("/Users", &large).status, 201);
    assert_eq!(confined.created("user.created", "userName"), ["user-0", "bob"]);
}

#[test]
fn a_view_that_has_no_room_to_be_built_is_built_when_there_is_some() {
    const PEOPLE: usize = 40;
    let (mut place, acme) = stopped(PEOPLE);
    std::fs::remove_file(place.data().join("tenants/acme/current.db")).expect("a view can be deleted");
    place.limits = Some("ulimit -S -f 100".to_owned());
    let running = place.start();
    let confined = Confined { place, running, acme };
    let waits = confined.operator().get("/readyz");
    let reason = waits["waiting_tenants"]["acme"].as_str().expect("it waits");
    assert!(reason.starts_with("there is no room for ") && reason.contains("tenants/acme ("), "{reason}");
    assert!(reason.ends_with("make room on its disk, and the tenant is opened by itself"), "{reason}");
    let read = confined.acme.send("GET", "/Users", None, &[]).expect("the service answers");
    assert_eq!((read.status, read.code.as_deref()), (503, Some("tenant_unavailable")));
    assert_eq!(confined.create("/Users", &named("early")).code.as_deref(), Some("tenant_unavailable"));
    confined.make_room();
    assert_eq!(confined.create("/Users", &named("late")).status, 201);
    assert_eq!(confined.acme.get("/Users?count=0")["totalResults"], PEOPLE + 1);
    assert_eq!(confined.created("user.created", "userName").len(), PEOPLE + 1);
}

#[test]
fn a_start_on_a_full_disk_after_a_kill_serves_what_was_acknowledged() {
    let mut place = process::Place::new();
    let running = place.start();
    let acme = Client::new(&running.url, &place.operator()).create_tenant("acme");
    let names: Vec<String> = (0..20).map(|number| format!("user-{number}")).collect();
    for name in &names {
        let reply = acme.send("POST", "/Users", Some(&named(name)), &[]).expect("the service answers");
        assert_eq!(reply.status, 201, "{}", reply.body);
    }
    running.kill();
    assert!(place.data().join("tenants/acme/log.db-wal").metadata().is_ok_and(|wal| wal.len() > 0));
    place.limits = Some("ulimit -S -f 64".to_owned());
    let running = place.start();
    let confined = Confined { place, running, acme };
    assert_eq!(confined.acme.get("/Users?count=0")["totalResults"], names.len());
    confined.make_room();
    assert_eq!(confined.created("user.created", "userName"), names);
}

#[test]
fn a_start_without_room_for_the_registry_says_what_is_full() {
    let (mut place, acme) = stopped(1);
    place.limits = Some("ulimit -S -f 8".to_owned());
    assert_eq!(place.spawn().ended().code(), Some(1));
    let told = place.log();
    let data = place.data().display().to_string();
    assert!(told.contains(&format!("error: there is no room for {data} (File too large")), "{told}");
    assert!(told.contains("make room on its disk, and start again: system: "), "{told}");
    place.limits = None;
    let running = place.start();
    assert_eq!(acme.get("/Users")["totalResults"], 1);
    running.stop();
}

#[test]
fn a_second_service_on_a_folder_is_turned_away_and_the_first_goes_on() {
    let place = process::Place::new();
    let running = place.start();
    let acme = Client::new(&running.url, &place.operator()).create_tenant("acme");
    let served = std::fs::read_to_string(place.data().join("lock")).expect("a lock");
    assert_eq!(place.spawn().ended().code(), Some(1));
    let told = place.log();
    assert!(told.contains("is in use by another process"), "{told}");
    assert_eq!(std::fs::read_to_string(place.data().join("lock")).expect("a lock"), served);
    let created = acme.send("POST", "/Users", Some(&named("alice")), &[]).expect("the service answers");
    assert_eq!(created.status, 201);
    assert_eq!(acme.get("/Users?count=0")["totalResults"], 1);
    running.stop();
    place.start().stop();
}
