//! Views are disposable: whatever happens to their files, the log brings them back, and a log that does not
//! contain them is never papered over.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::OpenFlags;
use serde_json::{Value, json};

use crate::dice::Dice;
use crate::harness::{Tenant, TestService, eventually, id_of};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

/// A tenant with a past: two clients with their own external ids, everything that people and groups go through.
struct Full {
    service: TestService,
    okta: Tenant,
    entra: Tenant,
}

impl Full {
    async fn new() -> Self {
        let service = TestService::start().await;
        let okta = service.create_tenant("acme", "okta").await;
        let client = json!({"name": "Entra", "kind": "entra"});
        service.admin("POST", "/admin/v1/tenants/acme/clients", Some(client)).await.expect(201);
        let issue = json!({"client": "Entra"});
        let issued = service.admin("POST", "/admin/v1/tenants/acme/tokens", Some(issue)).await.expect(201);
        let entra = Tenant { token: issued["token"].as_str().unwrap().to_owned(), ..okta.clone() };
        let full = Self { service, okta, entra };
        full.live(0..300).await;
        full
    }

    /// A request of one of the clients for each number; no number is ever used twice.
    async fn live(&self, numbers: Range<usize>) {
        let mut dice = Dice::new(numbers.start as u64);
        let (mut users, mut groups) = (Vec::new(), Vec::new());
        for number in numbers {
            let client = if dice.below(3) == 0 { &self.entra } else { &self.okta };
            let user = (!users.is_empty()).then(|| dice.choose::<String>(&users).clone());
            let group = (!groups.is_empty()).then(|| dice.choose::<String>(&groups).clone());
            match (dice.below(12), user, group) {
                (0, _, Some(group)) => {
                    let name = json!([{"op": "replace", "path": "displayName", "value": format!("Group {number} é")}]);
                    client.patch(&format!("/Groups/{group}"), name).await.expect(204);
                }
                (1..=3, Some(user), Some(group)) => {
                    let member = json!([{"op": "add", "path": "members", "value": [{"value": user}]}]);
                    client.patch(&format!("/Groups/{group}"), member).await.expect(204);
                }
                (4, Some(user), Some(group)) => {
                    let path = format!("members[value eq \"{user}\"]");
                    client
                        .patch(&format!("/Groups/{group}"), json!([{"op": "remove", "path": path}]))
                        .await
                        .expect(204);
                }
                (5 | 6, Some(user), _) => {
                    let change = json!([{"op": "replace", "value": {"active": dice.below(2) == 0, "title": format!("T{number}")}}]);
                    client.patch(&format!("/Users/{user}"), change).await.expect(200);
                }
                (7, Some(user), _) => {
                    client.put(&format!("/Users/{user}"), person(number)).await.expect(200);
                }
                (8, Some(user), _) if users.len() > 10 => {
                    users.retain(|it| *it != user);
                    client.delete(&format!("/Users/{user}")).await.expect(204);
                }
                (9, _, Some(group)) if groups.len() > 5 => {
                    groups.retain(|it| *it != group);
                    client.delete(&format!("/Groups/{group}")).await.expect(204);
                }
                (10, _, group) => {
                    let members: Vec<&str> = group.iter().map(String::as_str).collect();
                    groups.push(client.group(&format!("Group {number}"), &members).await);
                }
                _ => users.push(id_of(&client.post("/Users", person(number)).await.expect(201))),
            }
        }
    }

    /// Where the tenant is after a restart.
    fn moved(&mut self) {
        let base_url = format!("{}/acme/scim/v2", self.service.url);
        self.okta.base_url.clone_from(&base_url);
        self.entra.base_url = base_url;
    }

    async fn restarted<T>(&mut self, between: impl FnOnce(&Path) -> T) {
        let folder = self.service.tenant_folder("acme");
        self.service.restarted(|_| drop(between(&folder))).await;
        self.moved();
    }

    /// Everything that can be asked, with `ETag`s; addresses, which a restart changes, as `HERE`.
    async fn answers(&self) -> BTreeMap<String, String> {
        let mut answers = BTreeMap::new();
        for (name, client) in [("okta", &self.okta), ("entra", &self.entra)] {
            for list in [
                "/Users?count=1000",
                "/Users?startIndex=7&count=9&sortBy=userName&sortOrder=descending",
                "/Users?filter=active%20eq%20false&attributes=userName",
                "/Users?filter=emails.value%20ew%20%22example.com%22%20and%20title%20pr&excludedAttributes=groups",
                "/Groups?count=1000",
                "/Groups?filter=displayName%20co%20%22%C3%A9%22",
            ] {
                let answer = client.get(list).await;
                for resource in answer.body["Resources"].as_array().expect("a list") {
                    let path =
                        resource["meta"]["location"].as_str().map(|url| url.replace(&client.base_url, ""));
                    let Some(path) = path else { continue };
                    let one = client.get(&path).await;
                    assert_eq!(one.header("etag"), one.body["meta"]["version"].as_str());
                    answers.insert(format!("{name} {path}"), one.text);
                }
                answers.insert(format!("{name} {list}"), answer.text);
            }
        }
        for path in ["/audit/v1/acme/events?limit=1000", "/audit/v1/acme/access?at=2100-01-01T00:00:00Z"] {
            answers.insert(path.to_owned(), self.service.admin("GET", path, None).await.text);
        }
        let mut tenant = self.service.admin("GET", "/admin/v1/tenants/acme", None).await.expect(200);
        // Each question is a use.
        for token in tenant["tokens"].as_array_mut().expect("a list") {
            token["last_used_at"].take();
        }
        answers.insert("the tenant".to_owned(), tenant.to_string());
        let events =
            self.service.admin("GET", "/audit/v1/acme/events?type=user.created&limit=1000", None).await;
        for (number, event) in events.body["events"].as_array().expect("a list").iter().enumerate() {
            let name = event["data"]["patch"]["userName"].as_str().expect("a name");
            let path = format!("/audit/v1/acme/timeline?user={name}");
            answers.insert(path.clone(), self.service.admin("GET", &path, None).await.text);
            if number % 10 == 0 {
                let at = event["recorded_at"].as_str().expect("a time");
                let path = format!("/audit/v1/acme/access?at={at}");
                answers.insert(path.clone(), self.service.admin("GET", &path, None).await.text);
            }
        }
        let here = |text: String| text.replace(&self.service.url, "HERE");
        answers.into_iter().map(|(question, answer)| (question, here(answer))).collect()
    }

    /// Whether live views equal rebuilt ones, and the tables that do not.
    async fn check(&self) -> (bool, Vec<String>) {
        let report =
            self.service.admin("POST", "/admin/v1/tenants/acme/projections/check", None).await.expect(200);
        let mut differ = Vec::new();
        for view in report["views"].as_array().expect("views") {
            for table in
                view["tables"].as_array().expect("tables").iter().filter(|table| table["equal"] == false)
            {
                differ.push(format!("{}.{}", view["view"], table["table"]).replace('"', ""));
            }
        }
        (report["equal"] == true, differ)
    }

    async fn assert_equal(&self) {
        assert_eq!(self.check().await, (true, Vec::new()));
    }
}

fn person(number: usize) -> Value {
    json!({
        "schemas": [USER],
        "userName": format!("person{number}@example.com"),
        "externalId": format!("ext-{number}"),
        "name": {"givenName": "Zoë", "familyName": format!("Fam {}", number % 7)},
        "emails": [{"value": format!("Person{number}@example.com"), "type": "work", "primary": true}],
        "active": !number.is_multiple_of(5)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_stopped_in_order_leaves_whole_files() {
    let mut full = Full::new().await;
    full.answers().await;
    full.service.stop().await;
    for folder in [full.service.tenant_folder("acme"), full.service.data().join("system")] {
        let files =
            fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        let files: BTreeSet<String> = files.collect();
        // A file that is copied or put back alone is complete: nothing of it lies in a write-ahead log.
        let kept = FILES.map(str::to_owned).into_iter();
        // Where nothing was asked there is no request log.
        let asked = files.get("requests.db").cloned();
        assert_eq!(files, kept.chain(asked).collect());
    }
}

/// What a tenant's folder holds while nobody has it open.
const FILES: [&str; 5] = ["current.db", "history.db", "keys.db", "log.db", "operations.db"];

#[track_caller]
fn assert_same(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) {
    for (question, answer) in before {
        assert_eq!(Some(answer), after.get(question), "{question}");
    }
    assert_eq!(before.len(), after.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_the_same_after_views_were_deleted() {
    let mut full = Full::new().await;
    let before = full.answers().await;
    for views in [&["current.db", "history.db"][..], &["current.db"], &["history.db"]] {
        full.restarted(|folder| views.iter().for_each(|view| fs::remove_file(folder.join(view)).unwrap()))
            .await;
        assert_same(&before, &full.answers().await);
        full.assert_equal().await;
    }
    full.live(300..320).await;
    full.assert_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn views_that_are_no_views_of_the_tenant_are_made_anew() {
    let mut full = Full::new().await;
    let globex = full.service.create_tenant("globex", "okta").await;
    globex.user("stranger@example.com").await;
    let before = full.answers().await;
    let stranger = full.service.tenant_folder("globex");
    for view in ["current.db", "history.db"] {
        full.restarted(|folder| assert!(fs::copy(stranger.join(view), folder.join(view)).unwrap() > 0)).await;
        assert_same(&before, &full.answers().await);
        full.restarted(|folder| fs::write(folder.join(view), "no database at all").unwrap()).await;
        assert_same(&before, &full.answers().await);
        full.restarted(|folder| {
            let file = fs::OpenOptions::new().write(true).open(folder.join(view)).unwrap();
            file.set_len(file.metadata().unwrap().len() / 2).unwrap();
        })
        .await;
        assert_same(&before, &full.answers().await);
        full.restarted(|folder| fs::write(folder.join(view), "").unwrap()).await;
        assert_same(&before, &full.answers().await);
    }
    full.assert_equal().await;
    assert_eq!(full.okta.get("/Users?filter=userName%20sw%20%22stranger%22").await.body["totalResults"], 0);
}

/// Overwrites the last third of a file: what is read first when it is opened stays.
fn damage(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    // Every table begins before that, and the small ones end there too.
    let last = bytes.len() / 3 * 2;
    bytes[last..].fill(0xff);
    fs::write(path, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_turns_out_damaged_while_it_catches_up_is_made_anew() {
    let mut full = Full::new().await;
    let kept = full.service.folder().to_owned();
    full.restarted(|folder| copied(folder, &kept, "current.db")).await;
    full.live(300..320).await;
    let before = full.answers().await;
    full.restarted(|folder| {
        damage(&kept.join("current.db"));
        copied(&kept, folder, "current.db");
    })
    .await;
    assert_same(&before, &full.answers().await);
    full.assert_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_view_answers_503_until_it_is_rebuilt() {
    let mut full = Full::new().await;
    let before = full.answers().await;
    full.restarted(|folder| damage(&folder.join("current.db"))).await;
    let answer = full.okta.get("/Users?count=1000").await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")), "{}", answer.text);
    rebuild(&full.service).await;
    assert_same(&before, &full.answers().await);
    full.live(300..320).await;
    full.assert_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_whose_log_is_older_than_its_views_stays_closed() {
    let mut full = Full::new().await;
    let globex = full.service.create_tenant("globex", "okta").await;
    let (kept, newer) = (full.service.folder().join("kept"), full.service.folder().join("newer"));
    for folder in [&kept, &newer] {
        fs::create_dir(folder).unwrap();
    }
    full.restarted(|folder| copied(folder, &kept, "log.db")).await;
    full.live(300..310).await;
    let before = full.answers().await;
    full.restarted(|folder| {
        copied(folder, &newer, "log.db");
        copied(&kept, folder, "log.db");
    })
    .await;

    let refused = full.okta.get("/Users").await;
    refused.refused(503, None, "tenant_halted");
    assert_eq!(refused.header("retry-after"), Some("5"));
    full.okta.post("/Users", person(1_000)).await.refused(503, None, "tenant_halted");
    let ready = full.service.admin("GET", "/readyz", None).await.expect(200);
    let reason = ready["halted_tenants"]["acme"].as_str().unwrap();
    assert!(reason.starts_with("log_behind_views: current.db stands at revision "), "{reason}");
    let shown = full.service.admin("GET", "/admin/v1/tenants", None).await.expect(200);
    let state = |name: &str| {
        let tenants = shown["tenants"].as_array().unwrap();
        tenants.iter().find(|tenant| tenant["tenant"] == name).unwrap()["state"].clone()
    };
    assert_eq!((state("acme"), state("globex")), (json!("log_behind_views"), json!("open")));
    for path in ["/admin/v1/tenants/acme", "/audit/v1/acme/timeline?user=x", "/audit/v1/acme/events"] {
        let refused = full.service.admin("GET", path, None).await;
        assert_eq!(refused.header("retry-after"), Some("5"));
        assert_eq!(refused.expect(503)["error"]["code"], "log_behind_views", "{path}");
    }
    let other = Tenant { base_url: format!("{}/globex/scim/v2", full.service.url), ..globex };
    other.user("somebody@example.com").await;

    full.restarted(|folder| copied(&newer, folder, "log.db")).await;
    assert_same(&before, &full.answers().await);
}

fn copied(from: &Path, to: &Path, file: &str) {
    assert!(fs::copy(from.join(file), to.join(file)).unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_of_another_history_is_told_by_its_root() {
    let mut full = Full::new().await;
    let (kept, aside) = (full.service.folder().join("kept"), full.service.folder().join("aside.db"));
    fs::create_dir(&kept).unwrap();
    let others = ["history.db", "keys.db", "log.db", "operations.db"];
    full.restarted(|folder| others.map(|file| copied(folder, &kept, file))).await;
    full.okta.user("one.way@example.com").await;
    full.restarted(|folder| {
        fs::rename(folder.join("current.db"), &aside).unwrap();
        others.map(|file| copied(&kept, folder, file))
    })
    .await;
    full.okta.user("the.other@example.com").await;
    full.restarted(|folder| fs::rename(&aside, folder.join("current.db")).unwrap()).await;
    let ready = full.service.admin("GET", "/readyz", None).await.expect(200);
    let reason = ready["halted_tenants"]["acme"].as_str().unwrap();
    assert!(reason.starts_with("log_behind_views: current.db was built from another log"), "{reason}");
}

/// Starts a rebuild and waits for its end.
async fn rebuild(service: &TestService) {
    let path = "/admin/v1/tenants/acme/projections/rebuild";
    let started = service.admin("POST", path, None).await.expect(202);
    assert_eq!(started["state"], "running");
    let done = eventually("the rebuild", || async {
        let progress = service.admin("GET", path, None).await.expect(200);
        (progress["state"] != "running").then_some(progress)
    })
    .await;
    assert_eq!((&done["state"], &done["error"]), (&json!("done"), &Value::Null));
    assert_eq!(done["events_done"], done["events_total"]);
    let log = service.revision("acme").await;
    assert!(done["events_total"].as_u64().unwrap() <= log, "each event counts once: {done}, {log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_disturbs_nobody() {
    let full = Full::new().await;
    let before = full.answers().await;
    let stop = AtomicBool::new(false);
    let reader = async {
        let mut reads = 0;
        while !stop.load(Ordering::Acquire) {
            assert!(full.okta.get("/Users?count=20").await.expect(200)["totalResults"].as_u64() > Some(10));
            full.okta.get("/Groups?count=5").await.expect(200);
            reads += 2;
        }
        reads
    };
    let writer = async {
        let mut written = Vec::new();
        while !stop.load(Ordering::Acquire) {
            written.push(full.entra.user(&format!("meanwhile{}@example.com", written.len())).await);
        }
        written
    };
    let rebuilds = async {
        for _ in 0..3 {
            rebuild(&full.service).await;
            full.assert_equal().await;
        }
        stop.store(true, Ordering::Release);
    };
    let (reads, written, ()) = tokio::join!(reader, writer, rebuilds);
    assert!(reads > 10, "{reads}");
    assert!(written.len() > 10, "{}", written.len());
    for id in &written {
        full.okta.get(&format!("/Users/{id}")).await.expect(200);
        full.okta.delete(&format!("/Users/{id}")).await.expect(204);
    }
    full.assert_equal().await;
    // What was there before is as it was: the writer's users have come and gone.
    let after = full.answers().await;
    for (question, answer) in
        before.iter().filter(|(question, _)| question.contains("Users/") || question.contains("timeline"))
    {
        let (answer, found) = (without_position(answer), without_position(&after[question]));
        assert_eq!(answer, found, "{question}");
    }
    for view in ["current.db", "history.db"] {
        for purpose in ["rebuild", "check"] {
            assert!(!full.service.tenant_folder("acme").join(format!("{view}.{purpose}")).exists());
        }
    }
}

fn without_position(text: &str) -> Value {
    let mut answer: Value = serde_json::from_str(text).unwrap();
    answer.as_object_mut().unwrap().remove("position");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_names_the_table_that_was_tampered_with() {
    let mut full = Full::new().await;
    full.assert_equal().await;
    let tampers = [
        (
            "current.db",
            "current.resources",
            "UPDATE resources SET document = json_set(document, '$.title', 'Chief') WHERE rid = (SELECT max(rid) FROM resources WHERE type = 'User')",
        ),
        (
            "current.db",
            "current.memberships",
            "DELETE FROM memberships WHERE member_rid = (SELECT max(member_rid) FROM memberships)",
        ),
        (
            "current.db",
            "current.tenancy",
            "UPDATE tenancy SET state = json_set(state, '$.revoked_at', '2026-01-01T00:00:00.000000Z') WHERE item LIKE 'tokens/%'",
        ),
        ("history.db", "history.versions", "UPDATE versions SET active = 0 WHERE active = 1"),
    ];
    for (file, table, statement) in tampers {
        full.restarted(|folder| {
            // As a fault of Muster's own would write: what anybody else writes is found when it is read.
            let view = page_checksums::open(&folder.join(file), OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
            assert!(view.execute(statement, []).unwrap() > 0, "{statement}");
        })
        .await;
        assert_eq!(full.check().await, (false, vec![table.to_owned()]));
        rebuild(&full.service).await;
        full.assert_equal().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_of_the_tree_that_was_changed_is_found_by_a_check_and_by_a_rebuild() {
    for upkeep in ["check", "rebuild"] {
        let mut service = TestService::start().await;
        let acme = service.create_tenant("acme", "okta").await;
        for number in 0..6 {
            acme.user(&format!("person{number}@example.com")).await;
        }
        let log = service.tenant_folder("acme").join("log.db");
        // An inner node below those that the root is made of: nothing else reads it.
        let change = "DROP TRIGGER events_are_never_changed;
            UPDATE events SET hashes = CAST(substr(hashes, 1, 40) ||
                CASE substr(hashes, 41, 1) WHEN x'00' THEN x'01' ELSE x'00' END || substr(hashes, 42) AS BLOB)
                WHERE revision = 4";
        service.restarted(|_| rusqlite::Connection::open(&log).unwrap().execute_batch(change).unwrap()).await;
        assert_eq!(service.admin("GET", "/readyz", None).await.body["halted_tenants"], json!({}));
        let path = format!("/admin/v1/tenants/acme/projections/{upkeep}");
        service.admin("POST", &path, None).await;
        let reason = eventually("the tenant to be halted", || async {
            let ready = service.admin("GET", "/readyz", None).await.expect(200);
            ready["halted_tenants"]["acme"].as_str().map(str::to_owned)
        })
        .await;
        assert!(reason.contains("corrupt at revision 4"), "{upkeep}: {reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_and_a_rebuild_at_the_same_time_do_not_meet() {
    let full = Full::new().await;
    let path = "/admin/v1/tenants/acme/projections/check";
    let ask = || full.service.admin("POST", path, None);
    let (first, second, (), third) = tokio::join!(ask(), ask(), rebuild(&full.service), ask());
    for report in [first, second, third] {
        let report = report.expect(200);
        assert_eq!(report["equal"], true, "{report}");
    }
}
