//! A house with a history, put back in the same state for each round, and everything that it can be asked.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::damage::Target;
use crate::crash::process::{Client, Place, Reply, Running};
use crate::harness::PATIENCE;
use crate::soak::Tally;

const PEOPLE: usize = 40;
/// A person's and a group's answers are asked one by one for so many of them.
const ASKED: usize = 6;

/// The states that may take an answer's place.
const NAMED: [&str; 6] = [
    "tenant_halted",
    "log_behind_views",
    "view_behind",
    "view_unavailable",
    "log_unavailable",
    "keys_unavailable",
];

/// Who asks what.
type Question = (Who, String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Acme,
    Globex,
    Operator,
}

pub(super) struct House {
    place: Place,
    /// Below it, `stopped` and `killed`.
    kept: tempfile::TempDir,
    acme: Client,
    globex: Client,
    operator: Client,
    answers: BTreeMap<Question, Value>,
}

/// What came of a start.
pub(super) enum Started<'h> {
    /// The registry is damaged, and no tenant is known without it.
    Refused,
    Serves(Serving<'h>),
}

pub(super) struct Serving<'h> {
    house: &'h House,
    /// How much of the log is of earlier rounds.
    log_before: usize,
    running: Running,
}

impl House {
    pub(super) fn new() -> Self {
        let (place, kept) = (Place::new(), tempfile::tempdir().expect("a folder can be made"));
        let running = place.start();
        let operator = Client::new(&running.url, &place.operator());
        let (acme, globex) = (operator.create_tenant("acme"), operator.create_tenant("globex"));
        let user = live(&globex, PEOPLE / 4);
        let sample = live(&acme, PEOPLE);
        let mut house = Self { place, kept, acme, globex, operator, answers: BTreeMap::new() };
        running.kill();
        copy(&house.place.data(), &house.kept.path().join("killed"));

        let running = house.place.start();
        let mut questions = questions(&sample);
        questions.push((Who::Globex, format!("/Users/{}", user[0])));
        for question in questions {
            let reply = house.ask(&question).expect("the service answers");
            assert_eq!(reply.status, 200, "{question:?}: {}", reply.body);
            house.answers.insert(question, reply.body);
        }
        running.stop();
        copy(&house.place.data(), &house.kept.path().join("stopped"));
        house
    }

    /// Undoes what was done to the folder.
    pub(super) fn put_back(&self, stopped: bool) {
        let kept = self.kept.path().join(if stopped { "stopped" } else { "killed" });
        fs::remove_dir_all(self.place.data()).expect("a folder can be removed");
        copy(&kept, &self.place.data());
    }

    /// The folder in which a file lies.
    pub(super) fn folder_of(&self, file: Target) -> PathBuf {
        match file.owner {
            "system" => self.place.data().join("system"),
            tenant => self.place.data().join("tenants").join(tenant),
        }
    }

    pub(super) fn start(&self, what: &str) -> Started<'_> {
        let before = self.place.log().len();
        let mut running = self.place.spawn();
        match running.wait_until_ready() {
            Ok(()) => Started::Serves(Serving { house: self, log_before: before, running }),
            Err(status) => {
                let told = self.place.log().split_off(before);
                assert!(what.contains("system/"), "{what}: no start ({status}): {told}");
                assert!(status.code() == Some(1) && told.contains("system"), "{what}: {status}: {told}");
                Started::Refused
            }
        }
    }

    fn ask(&self, (who, path): &Question) -> Option<Reply> {
        let client = match who {
            Who::Acme => &self.acme,
            Who::Globex => &self.globex,
            Who::Operator => &self.operator,
        };
        let mut reply = client.send("GET", path, None, &[])?;
        // Each question is a use, and no round has those of the others.
        let tokens = reply.body.get_mut("tokens").and_then(Value::as_array_mut);
        for token in tokens.into_iter().flatten() {
            token["last_used_at"].take();
        }
        Some(reply)
    }
}

impl Serving<'_> {
    /// Whether any answer was not given. A wrong one is noted.
    pub(super) fn ask_everything(&self, what: &str, tally: &mut Tally) -> bool {
        let mut seen = false;
        for (question, right) in &self.house.answers {
            let reply = self.house.ask(question).unwrap_or_else(|| panic!("{what}: {question:?}: no answer"));
            if reply.status == 200 && reply.body == *right {
                tally.acknowledged += 1;
                continue;
            }
            let named =
                reply.status == 503 && reply.code.as_deref().is_some_and(|code| NAMED.contains(&code));
            if !named || question.0 == Who::Globex {
                tally.lost(format!("{what}: {question:?}: {} {:?}", reply.status, reply.code));
            }
            seen = true;
        }
        seen
    }

    /// When all is well again.
    pub(super) fn everything_is_right(&self, what: &str, tally: &mut Tally) {
        if self.ask_everything(what, tally) {
            tally.lost(format!("{what}: not everything is answered again"));
        }
    }

    /// Has log and views compared, as an operator does who suspects something. Whether the tenant is halted then:
    /// only the log or the keys may come to that, and the reason has to name the place.
    pub(super) fn is_halted(&self, file: Target, what: &str) -> bool {
        let check = || {
            let path = "/admin/v1/tenants/acme/projections/check";
            self.house.operator.send("POST", path, None, &[]).expect("the service answers")
        };
        let began = Instant::now();
        let halted = loop {
            let report = check();
            if let Some(reason) = self.halted() {
                break Some(reason);
            }
            if report.status == 200 && report.body["equal"] == true && self.waits().is_none() {
                break None;
            }
            // A view that is damaged is being made anew.
            assert!(began.elapsed() < PATIENCE, "{what}: {report:?}, {:?}", self.waits());
            thread::park_timeout(Duration::from_millis(20));
        };
        let Some(reason) = halted else { return false };
        assert!(file.name.starts_with("log.db") || file.name.starts_with("keys.db"), "{what}: {reason}");
        let places = ["revision ", "key ", "log.db", "keys.db"];
        assert!(places.iter().any(|place| reason.contains(place)), "{what}: {reason}");
        assert!(!reason.contains("revision 0"), "{what}: {reason}");
        let told = self.told();
        assert!(told.contains(&reason.replace('"', "\\\"")), "{what}: the log does not say {reason}");
        true
    }

    /// One tenant takes writes, and the other one does unless it is halted.
    pub(super) fn write(&self, halted: bool, what: &str) {
        let schemas = ["urn:ietf:params:scim:schemas:core:2.0:User"];
        let body = json!({"schemas": schemas, "userName": "newcomer@example.com"});
        let write = |client: &Client| {
            let reply = client.send("POST", "/Users", Some(&body), &[]).expect("the service answers");
            (reply.status, reply.code)
        };
        assert_eq!(write(&self.house.globex), (201, None), "{what}: another tenant is held up");
        let right = if halted { (503, Some("tenant_halted".to_owned())) } else { (201, None) };
        assert_eq!(write(&self.house.acme), right, "{what}");
    }

    /// Whether something was made anew in this life.
    pub(super) fn heals(&self) -> bool {
        self.told().contains("made anew")
    }

    fn told(&self) -> String {
        self.house.place.log().split_off(self.log_before)
    }

    fn halted(&self) -> Option<String> {
        let ready = self.house.operator.get("/readyz");
        assert_eq!(ready["halted_tenants"].get("globex"), None);
        ready["halted_tenants"]["acme"].as_str().map(str::to_owned)
    }

    fn waits(&self) -> Option<String> {
        let ready = self.house.operator.get("/readyz");
        ready["waiting_tenants"]["acme"].as_str().map(str::to_owned)
    }

    pub(super) fn stop(self) {
        self.running.kill();
    }
}

/// By another program: in this one, closing a copied file would let go of SQLite's locks on it.
fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-R").args([from, to]).status().expect("there is cp").success());
}

fn send(client: &Client, method: &str, path: &str, body: &Value) -> Value {
    let reply = client.send(method, path, Some(body), &[]).expect("the service answers");
    assert!((200..300).contains(&reply.status), "{method} {path}: {}", reply.body);
    reply.body
}

fn patch(client: &Client, path: &str, operations: &Value) {
    let schemas = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"];
    send(client, "PATCH", path, &json!({"schemas": schemas, "Operations": operations}));
}

/// Gives a tenant a history; the ids of some of its people and groups.
fn live(client: &Client, people: usize) -> Vec<String> {
    let schemas = ["urn:ietf:params:scim:schemas:core:2.0:User"];
    let person = |number: usize| {
        let body = json!({
            "schemas": schemas,
            "userName": format!("person{number}@example.com"),
            "externalId": format!("ext-{number}"),
            "title": format!("{number}").repeat(600),
            "emails": [{"value": format!("person{number}@example.org"), "type": "work", "primary": true}],
        });
        send(client, "POST", "/Users", &body)["id"].as_str().expect("an id").to_owned()
    };
    let ids: Vec<String> = (0..people).map(person).collect();
    let schemas = ["urn:ietf:params:scim:schemas:core:2.0:Group"];
    let group = |number: usize| {
        let members = ids.iter().skip(number).step_by(3).map(|id| json!({"value": id}));
        let members: Vec<Value> = members.collect();
        let body = json!({"schemas": schemas, "displayName": format!("group {number}"), "members": members});
        send(client, "POST", "/Groups", &body)["id"].as_str().expect("an id").to_owned()
    };
    let groups: Vec<String> = (0..3).map(group).collect();
    for (number, id) in ids.iter().enumerate() {
        let path = format!("/Users/{id}");
        match number % 4 {
            0 => patch(client, &path, &json!([{"op": "replace", "path": "active", "value": false}])),
            1 => patch(client, &path, &json!([{"op": "replace", "path": "nickName", "value": "Nick"}])),
            2 => {
                let remove = json!([{"op": "remove", "path": format!("members[value eq \"{id}\"]")}]);
                patch(client, &format!("/Groups/{}", groups[number % 3]), &remove);
            }
            _ if number % 8 == 3 => {
                let deleted = client.send("DELETE", &path, None, &[]).expect("the service answers");
                assert_eq!(deleted.status, 204);
            }
            _ => {}
        }
    }
    let living = ids.into_iter().enumerate().filter(|(number, _)| number % 8 != 3).map(|(_, id)| id);
    let step = (people / ASKED).max(1);
    living.step_by(step).chain(groups.into_iter().map(|id| format!("group {id}"))).collect()
}

/// What can be asked about acme, and of globex.
fn questions(sample: &[String]) -> Vec<Question> {
    let mut questions: Vec<Question> = Vec::new();
    let lists = [
        "/Users?count=1000",
        "/Users?filter=active%20eq%20false&attributes=userName",
        "/Users?startIndex=7&count=9&sortBy=userName&sortOrder=descending",
        "/Users?filter=userName%20eq%20%22person5@example.com%22",
        "/Users?filter=emails.value%20co%20%22example.org%22&attributes=userName,groups",
        "/Groups?count=1000",
    ];
    for list in lists {
        questions.extend([(Who::Acme, list.to_owned()), (Who::Globex, list.to_owned())]);
    }
    for id in sample {
        if let Some(group) = id.strip_prefix("group ") {
            questions.push((Who::Acme, format!("/Groups/{group}")));
        } else {
            questions.push((Who::Acme, format!("/Users/{id}")));
            questions.push((Who::Operator, format!("/audit/v1/acme/timeline?user={id}")));
        }
    }
    for path in [
        "/audit/v1/acme/events?limit=1000",
        "/audit/v1/acme/access?at=2100-01-01T00:00:00Z",
        "/admin/v1/tenants/acme",
    ] {
        questions.push((Who::Operator, path.to_owned()));
    }
    questions
}
