//! One event of every type, written by the real service, and compared with golden files byte for byte.
//!
//! Clock, ids and randomness are seeded, so headers, payloads (sealed ones too), Merkle roots and messages are
//! the same in every run. There is deliberately no way to write the files again: stored bytes cannot change
//! later. A new type gets a new step at the end of the story and its entry at the end of a file, as the failure
//! prints it; a difference anywhere else is a mistake in the code.

mod by_hand;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use muster::app::Sources;
use muster::clock::{Clock as _, ManualClock, SeededIds};
use muster::directory::{Directory, decode};
use muster::event_log::StoredEvent;
use muster::outbox::message::{self, CONTENT_TYPE, Fact, Message};
use muster::randomness::SeededRandomness;
use muster::sealing::OpenedPayload;
use provisioning::command::{Command, Origin};
use provisioning::recorded::{Actor, Via};
use provisioning::{Event, EventType, Opened, Revision, Subject, Timestamp};
use serde_json::{Value, json};

use crate::harness::{Answer, Tenant, TestService, id_of, send};

/// Part of sealed payloads, hence not the client's own, which changes with its release.
const AGENT: (&str, &str) = ("User-Agent", "golden/1.0");

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

#[tokio::test(flavor = "multi_thread")]
async fn one_event_of_every_type_is_stored_and_published_as_it_was_once_for_all() {
    let mut story = Story::begin().await;
    let acme = Arc::clone(&story.directory);
    story.people().await;
    story.groups().await;
    story.upkeep().await;
    story.registry().await;
    story.silence().await;
    let system = Arc::clone(story.service.house().directories.system());

    assert!(acme.history_caught_up().await);

    let mut written = BTreeSet::new();
    for directory in [&acme, &system] {
        for stored in events(directory) {
            written.insert(decode::header(&stored).unwrap().event_type);
        }
    }
    let missing: Vec<_> = EventType::ALL.iter().filter(|event_type| !written.contains(event_type)).collect();
    assert!(missing.is_empty(), "the story has no event of {missing:?}");

    by_hand::check_stream(&story.service.tenant_folder("acme"), story.service.data(), &acme);
    by_hand::check_stream(&story.service.data().join("system"), story.service.data(), &system);

    let published =
        |feed: &[Message], revision| feed.iter().filter(|it| it.revision == revision).cloned().collect();
    let (everything, access) = messages(&acme);
    compare("acme", &acme, |revision| [published(&everything, revision), published(&access, revision)]);
    compare("system", &system, |_| [Vec::new(), Vec::new()]);
}

/// The service, and whoever writes to it.
struct Story {
    service: TestService,
    clock: Arc<ManualClock>,
    acme: Tenant,
    directory: Arc<Directory>,
}

impl Story {
    async fn begin() -> Self {
        let clock = Arc::new(ManualClock::default());
        let sources = Sources {
            clock: Arc::clone(&clock) as _,
            ids: Arc::new(SeededIds::new(1)),
            randomness: Arc::new(SeededRandomness::new(1)),
            ..Sources::default()
        };
        // It would draw random bytes from the same source, whenever its thread comes to it.
        let service = TestService::start_with(|config| config.request_log.enabled = false, sources).await;
        let authorization = format!("Bearer {}", service.operator_token());
        let url = format!("{}/admin/v1/tenants", service.url);
        let made =
            request("POST", &url, &authorization, Some(json!({"tenant": "acme", "kind": "okta"}))).await;
        let made = made.expect(201);
        let text = |key: &str| made[key].as_str().unwrap().to_owned();
        let acme = Tenant { name: "acme".into(), base_url: text("base_url"), token: text("token") };
        let directory = service.house().directories.tenant("acme").unwrap();
        Self { service, clock, acme, directory }
    }

    /// A SCIM request, a second after the last.
    async fn scim(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.clock.advance(Duration::from_secs(1));
        let url = format!("{}{path}", self.acme.base_url);
        request(method, &url, &format!("Bearer {}", self.acme.token), body).await
    }

    async fn patch(&self, path: &str, operation: Value) -> Answer {
        let schemas = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"];
        self.scim("PATCH", path, Some(json!({"schemas": schemas, "Operations": [operation]}))).await
    }

    /// A request of the operator, a second after the last.
    async fn admin(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        self.clock.advance(Duration::from_secs(1));
        let url = format!("{}/admin/v1{path}", self.service.url);
        let answer = request(method, &url, &format!("Bearer {}", self.service.operator_token()), body).await;
        assert!((200..300).contains(&answer.status), "{}", answer.text);
        answer.body
    }

    async fn user(&self, body: Value) -> String {
        id_of(&self.scim("POST", "/Users", Some(body)).await.expect(201))
    }

    async fn people(&mut self) {
        let settings = json!({"settings": {"initial": "invited"}});
        self.admin("PATCH", "/tenants/acme", Some(settings)).await;
        let alice = self
            .user(json!({
                "schemas": [USER, ENTERPRISE],
                "externalId": "00u1",
                "userName": "alice@example.com",
                "name": {"givenName": "Alice", "familyName": "Jensen"},
                "emails": [{"value": "alice@example.com", "type": "work", "primary": true}],
                ENTERPRISE: {"department": "Finance"},
                "active": true
            }))
            .await;
        self.admin("POST", &format!("/tenants/acme/users/{alice}/activate"), None).await;
        let path = format!("/Users/{alice}");
        let replaced = json!({
            "schemas": [USER],
            "externalId": "00u2",
            "userName": "alice@example.com",
            "name": {"givenName": "Alice", "familyName": "Müller"},
            "emails": [{"value": "alice@example.com", "type": "work", "primary": true}],
            "active": true
        });
        self.scim("PUT", &path, Some(replaced)).await.expect(200);
        let off = json!({"op": "replace", "value": {"active": false, "title": "Leaver"}});
        self.patch(&path, off).await.expect(200);
        let on = json!({"op": "replace", "path": "active", "value": true});
        self.patch(&path, on).await.expect(200);
    }

    async fn groups(&mut self) {
        let bob = self.user(json!({"schemas": [USER], "userName": "bob@example.com"})).await;
        let eve = self.user(json!({"schemas": [USER], "userName": "eve@example.com", "active": false})).await;
        let members = json!([{"value": bob}, {"value": eve}]);
        let group = json!({"schemas": [GROUP], "displayName": "Finance", "members": members});
        let finance = id_of(&self.scim("POST", "/Groups", Some(group)).await.expect(201));
        let path = format!("/Groups/{finance}");
        let rename = json!({"op": "replace", "path": "displayName", "value": "Finance EU"});
        self.patch(&path, rename).await.expect(204);
        let leave = json!({"op": "remove", "path": format!("members[value eq \"{eve}\"]")});
        self.patch(&path, leave).await.expect(204);
        let regain = json!({"op": "add", "path": "members", "value": [{"value": eve}]});
        self.patch(&path, regain).await.expect(204);
        let revision = self.directory.position();
        let staff = self.admin("POST", "/tenants/acme/groups", Some(json!({"displayName": "Staff"}))).await;
        let nested = json!({"op": "add", "path": "members", "value": [{"value": finance}]});
        self.patch(&format!("/Groups/{}", id_of(&staff)), nested).await.expect(204);
        self.scim("DELETE", &format!("/Users/{bob}"), None).await.expect(204);
        self.scim("DELETE", &path, None).await.expect(204);
        let settings = json!({"settings": {"delete": "deactivate", "unknown_members": "skip"}});
        self.admin("PATCH", "/tenants/acme", Some(settings)).await;
        let staff = format!("/Groups/{}", id_of(&staff));
        let join = json!({"op": "add", "path": "members", "value": [{"value": eve}]});
        self.patch(&staff, join).await.expect(204);
        self.scim("DELETE", &format!("/Users/{eve}"), None).await.expect(204);
        self.clock.advance(Duration::from_secs(1));
        let accepted = vec![(revision, 17, self.clock.now()), (revision.next(), 18, self.clock.now())];
        self.directory.submit(Command::RecordPublished(accepted), system()).await.unwrap();
    }

    async fn upkeep(&mut self) {
        let client = json!({"name": "Entra", "kind": "entra", "replaces": "default"});
        let client = id_of(&self.admin("POST", "/tenants/acme/clients", Some(client)).await);
        let path = format!("/tenants/acme/clients/{client}");
        self.admin("PATCH", &path, Some(json!({"enabled": false}))).await;
        let token = json!({"client": "Entra", "expires_in": 3_600});
        let token = id_of(&self.admin("POST", "/tenants/acme/tokens", Some(token)).await);
        self.admin("POST", "/tenants/acme/tokens", Some(json!({"role": "auditor"}))).await;
        self.admin("DELETE", &format!("/tenants/acme/tokens/{token}"), None).await;
        let now = self.clock.now();
        self.clock.set(Timestamp(now.0 - 3_600_000_000));
        self.admin("POST", "/tenants/acme/accept-clock", None).await;
        self.user(json!({"schemas": [USER], "userName": "zoe@example.com"})).await;
        self.clock.set(now);
    }

    async fn registry(&mut self) {
        let operator = self.admin("POST", "/operators", Some(json!({"name": "Operator Two"}))).await;
        self.admin("DELETE", &format!("/operators/{}", id_of(&operator)), None).await;
        self.admin("POST", "/tenants", Some(json!({"tenant": "gone"}))).await;
        self.admin("DELETE", "/tenants/gone", None).await;
    }

    async fn silence(&mut self) {
        let tenancy = self.directory.tenancy();
        let id = *tenancy.clients.iter().find(|(_, client)| client.name == "default").unwrap().0;
        let last = self.clock.now();
        for silent in [true, false] {
            self.clock.advance(Duration::from_mins(121));
            let seen_at = if silent { last } else { self.clock.now() };
            let command = Command::NotePresence { id, silent, seen_at, usual_seconds: 2_400 };
            self.directory.submit(command, system()).await.unwrap();
        }
    }
}

async fn request(method: &str, url: &str, authorization: &str, body: Option<Value>) -> Answer {
    let mut headers = vec![("Authorization", authorization), AGENT];
    if body.is_some() {
        headers.push(("Content-Type", "application/scim+json"));
    }
    let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    send(method, url, headers, body.map(|body| body.to_string().into_bytes())).await
}

fn system() -> Origin {
    Origin { actor: Actor::SYSTEM, via: Via::System, request: None, received_at: None, context: None }
}

fn events(directory: &Directory) -> Vec<StoredEvent> {
    directory.stored(Revision::ZERO, usize::MAX).unwrap()
}

/// What a tenant's stream gives in `MUSTER_EVENTS` and in `MUSTER_DEPROVISIONING`.
fn messages(directory: &Directory) -> (Vec<Message>, Vec<Message>) {
    let facts: Vec<Fact> = directory
        .recorded(Revision::ZERO, usize::MAX)
        .unwrap()
        .into_iter()
        .map(|recorded| {
            let members = match recorded.event {
                Opened::Event(Event::GroupMembersAdded(change) | Event::GroupMembersRemoved(change)) => {
                    change.members
                }
                _ => Vec::new(),
            };
            Fact { header: recorded.header, members }
        })
        .collect();
    let everything = facts.iter().map(|fact| message::event(directory.tenant(), &fact.header)).collect();
    let transactions = facts.chunk_by(|one, next| one.header.txn.id == next.header.txn.id);
    let access = transactions.flat_map(|transaction| {
        let regained = |fact: &Fact| {
            let Subject::Group(group) = fact.header.subject else { return Ok(Vec::new()) };
            directory.with_history(|history| history.lost_before(group, &fact.members, fact.header.revision))
        };
        message::deprovisioning::<projections::ViewError>(directory.tenant(), transaction, regained).unwrap()
    });
    (everything, access.collect())
}

/// Compares every event of a stream with its entry in the golden file, and names all that differ.
#[track_caller]
fn compare(name: &str, directory: &Directory, messages: impl Fn(Revision) -> [Vec<Message>; 2]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/it/golden/{name}.txt"));
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    let mut entries = golden.split("\n\n").map(str::trim).filter(|entry| !entry.is_empty());
    let mut differences = Vec::new();
    for stored in events(directory) {
        let found = entry(directory, &stored, messages(stored.revision));
        let expected = entries.next().unwrap_or("nothing: the file ends here");
        if expected != found.trim() {
            differences.push(format!("golden/{name}.txt has\n{expected}\nbut the event is\n{found}"));
        }
    }
    let left = entries.next();
    assert!(differences.is_empty() && left.is_none(), "{}\nleft: {left:?}", differences.join("\n"));
}

/// An event as the golden file has it: a line for each thing that must never change.
fn entry(directory: &Directory, stored: &StoredEvent, messages: [Vec<Message>; 2]) -> String {
    let header = decode::header(stored).unwrap();
    let text =
        |bytes: Option<Vec<u8>>| bytes.map_or("none".into(), |bytes| String::from_utf8(bytes).unwrap());
    let open = |payload: &Vec<u8>| {
        let digest = header.payload.as_deref().unwrap();
        match directory.keys().open_payload(header.key, header.id, payload, digest).unwrap() {
            OpenedPayload::Bytes(bytes) => bytes,
            OpenedPayload::Erased => panic!("nothing is erased here"),
        }
    };
    let mut entry = String::new();
    writeln!(entry, "{} {}", stored.revision, header.event_type.as_str()).unwrap();
    writeln!(entry, "header {}", text(Some(stored.header.clone()))).unwrap();
    writeln!(entry, "opened {}", text(stored.payload.as_ref().map(open))).unwrap();
    writeln!(entry, "stored {}", stored.payload.as_ref().map_or("none".into(), hex::encode)).unwrap();
    writeln!(entry, "leaf {}", hex::encode(muster::merkle::leaf_hash(&stored.header))).unwrap();
    writeln!(entry, "root {}", hex::encode(directory.log().root_at(stored.revision).unwrap())).unwrap();
    for Message { subject, id, muster_subject, body, .. } in messages.into_iter().flatten() {
        let body = text(Some(body));
        writeln!(entry, "message {subject}").unwrap();
        writeln!(
            entry,
            "  Nats-Msg-Id: {id}, Content-Type: {CONTENT_TYPE}, Muster-Subject: {muster_subject}"
        )
        .unwrap();
        writeln!(entry, "  {body}").unwrap();
    }
    entry
}
