//! Views that somebody writes to with SQLite as it is, while the service runs or is stopped: no answer and no decision
//! comes from such rows. Whoever meets them waits or is told to come again, and the view is right again by itself.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::json;

use crate::corruption::damage::leave_in_log;
use crate::harness::{Answer, PATIENCE, Tenant, TestService, eventually};

/// In `current.db`: nobody is active, and nobody has the name that is looked for.
const NOBODY: &str = r#"UPDATE resources SET active = 0, name_folded = name_folded || 'q',
    document = replace(document, '"active":true', '"active":false') WHERE type = 'User'"#;
/// In `history.db`: whoever was active was not.
const NEVER: &str = "UPDATE versions SET active = 1 - active";
const ACCESS: &str = "/audit/v1/acme/access?at=2100-01-01T00:00:00Z";

struct Inhabited {
    service: TestService,
    acme: Tenant,
    leaver: String,
    /// The answer about access before anything was changed.
    access: String,
}

impl Inhabited {
    async fn new() -> Self {
        let service = TestService::start().await;
        let acme = service.create_tenant("acme", "okta").await;
        let leaver = acme.user("leaver@example.com").await;
        for number in 0..20 {
            acme.user(&format!("person{number}@example.com")).await;
        }
        let access = service.admin("GET", ACCESS, None).await;
        assert_eq!(access.status, 200, "{}", access.text);
        Self { service, acme, leaver, access: access.text }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.service.tenant_folder("acme").join(name)
    }

    /// The present is right, whether it is asked or written first.
    async fn has_a_leaver(&self) {
        let person = format!("/Users/{}", self.leaver);
        let same = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "Leaver@example.com"});
        let again = settled("a name that is taken", || self.acme.post("/Users", same.clone())).await;
        again.refused(409, Some("uniqueness"), "user_name_taken");
        let leaves = json!([{"op": "replace", "path": "active", "value": false}]);
        let left = settled("a person to leave", || self.acme.patch(&person, leaves.clone())).await;
        assert_eq!(left.expect(200)["active"], false);
        let events = self.service.events("acme", 0).await;
        let last = events.last().expect("events");
        assert_eq!(last["type"], "user.deactivated", "{last}");
        let check = self.service.admin("POST", "/admin/v1/tenants/acme/projections/check", None).await;
        assert_eq!(check.expect(200)["equal"], true);
    }

    async fn lists_everybody_as_active(&self) {
        let list = settled("a list", || self.acme.get("/Users?filter=active%20eq%20true")).await;
        assert_eq!(list.expect(200)["totalResults"], 21);
        let person = format!("/Users/{}", self.leaver);
        let one = settled("a person", || self.acme.get(&person)).await;
        assert_eq!(one.expect(200)["active"], true);
    }

    async fn remembers(&self) {
        let access = settled("access", || self.service.admin("GET", ACCESS, None)).await;
        assert_eq!(access.text, self.access);
    }
}

/// The first answer that is not "come again", which has a code.
async fn settled<F: Future<Output = Answer>>(what: &str, mut ask: impl FnMut() -> F) -> Answer {
    eventually(what, || {
        let asked = ask();
        async {
            let answer = asked.await;
            if answer.status == 503 {
                let code = answer.header("muster-error-code").expect("a code");
                assert!(["view_unavailable", "view_behind"].contains(&code), "{code}: {}", answer.text);
            }
            (answer.status != 503).then_some(answer)
        }
    })
    .await
}

/// What another program does to a file. As long as it has it open, its pages stay in the write-ahead log.
fn changed(path: &Path, statement: &str) -> Connection {
    let program = Connection::open(path).expect("a database");
    program.busy_timeout(PATIENCE).expect("a connection");
    program.pragma_update(None, "wal_autocheckpoint", 0).expect("a connection");
    assert!(program.execute(statement, []).expect("a change") > 0);
    program
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_changed_while_the_service_runs_are_not_answered() {
    let house = Inhabited::new().await;
    let program = changed(&house.file("current.db"), NOBODY);
    house.lists_everybody_as_active().await;
    house.has_a_leaver().await;
    drop(program);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_changed_while_the_service_runs_decide_nothing() {
    let house = Inhabited::new().await;
    let program = changed(&house.file("current.db"), NOBODY);
    house.has_a_leaver().await;
    drop(program);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_past_that_is_changed_while_the_service_runs_is_not_answered() {
    let house = Inhabited::new().await;
    let program = changed(&house.file("history.db"), NEVER);
    house.remembers().await;
    drop(program);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_left_in_the_log_of_a_stopped_service_are_not_answered() {
    let mut house = Inhabited::new().await;
    let files =
        [("current.db", NOBODY), ("history.db", NEVER)].map(|(file, change)| (house.file(file), change));
    let leave = |_: &Path| {
        for (path, change) in &files {
            leave_in_log(changed(path, change), path);
            assert!(path.with_extension("db-wal").exists());
        }
    };
    house.service.restarted(leave).await;
    house.acme.base_url = format!("{}/acme/scim/v2", house.service.url);
    house.lists_everybody_as_active().await;
    house.remembers().await;
    house.has_a_leaver().await;
}
