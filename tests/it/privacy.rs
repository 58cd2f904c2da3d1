//! Nobody's name, address, number or password gets to where it must not be: log lines, metrics, event headers,
//! messages, error texts and the files of the request log.
//!
//! Identity providers' conversations are full of such values, all of them listed in `personal-values.txt`.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use muster::config::{Log, LogFormat};
use muster::directory::{Directory, decode};
use muster::outbox::message::{self, Fact, Message};
use muster::request_log::{FILE, Reader, Wanted};
use provisioning::{Event, Opened, ResourceId, Revision};
use serde_json::{Value, json};

use crate::harness::{TestService, eventually, send};
use crate::wire::player::{Moment, Service, play};
use crate::wire::{self, CROWD};

/// What the process logs, all of it.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Captured {
    /// Set up once for the process, as every subscriber is.
    fn log() -> &'static Self {
        static LOG: OnceLock<Captured> = OnceLock::new();
        LOG.get_or_init(|| {
            let captured = Self::default();
            let writer = captured.clone();
            let log = Log { format: LogFormat::Json, level: "trace".into() };
            let subscriber = muster::telemetry::subscriber(&log, move || writer.clone(), false).unwrap();
            tracing::subscriber::set_global_default(subscriber).unwrap();
            captured
        })
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// The values that must not be found.
fn personal_values() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire/personal-values.txt");
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[track_caller]
fn assert_without(what: &str, text: &str, values: &[String]) {
    for value in values {
        if let Some(at) = text.find(value.as_str()) {
            let around: String =
                text[..at].chars().rev().take(200).collect::<Vec<_>>().into_iter().rev().collect();
            panic!("{what} has {value:?} behind {around:?}");
        }
    }
}

/// Nothing of a request can be read in the file that logs it, nor beside it.
#[track_caller]
fn assert_request_log_without(folder: &Path, values: &[String]) {
    let mut bytes = 0;
    for name in [FILE.to_owned(), format!("{FILE}-wal")] {
        let read = std::fs::read(folder.join(&name)).unwrap_or_default();
        bytes += read.len();
        assert_without(&name, &String::from_utf8_lossy(&read), values);
    }
    assert!(bytes > 4_096, "requests were logged");
}

/// Every message of a tenant, as it would be published.
fn messages(directory: &Directory) -> Vec<Message> {
    let facts = directory.recorded(Revision::ZERO, usize::MAX).unwrap().into_iter().map(|recorded| {
        let members = match recorded.event {
            Opened::Event(Event::GroupMembersAdded(change) | Event::GroupMembersRemoved(change)) => {
                change.members
            }
            _ => Vec::new(),
        };
        Fact { header: recorded.header, members }
    });
    let facts: Vec<Fact> = facts.collect();
    let mut messages: Vec<_> =
        facts.iter().map(|fact| message::event(directory.tenant(), &fact.header)).collect();
    for transaction in facts.chunk_by(|one, next| one.header.txn.id == next.header.txn.id) {
        let everybody = |fact: &Fact| -> Result<Vec<ResourceId>, projections::ViewError> {
            Ok(fact.members.iter().map(|(id, _)| *id).collect())
        };
        messages.extend(message::deprovisioning(directory.tenant(), transaction, everybody).unwrap());
    }
    messages
}

#[tokio::test(flavor = "multi_thread")]
async fn what_identity_providers_say_about_people_stays_in_sealed_payloads_and_their_own_answers() {
    let log = Captured::log();
    let values = personal_values();
    let service = TestService::start().await;
    let mut refusals = 0;
    for folder in ["okta", "entra", "demo"] {
        let tenant = service.create_tenant(folder, if folder == "demo" { "okta" } else { folder }).await;
        for conversation in wire::conversations(folder).into_iter().filter(|it| it.file() != CROWD) {
            let account = Service { base: tenant.base_url.clone(), token: tenant.token.clone() };
            let played = tokio::task::spawn_blocking(move || {
                let agent = wire::agent();
                let mut refused = Vec::new();
                let played = play(
                    &conversation,
                    &account,
                    &mut |request| wire::send(&agent, request),
                    &mut |moment| {
                        if let Moment::Answered { response, .. } = moment
                            && response.status >= 400
                        {
                            refused.push(format!("{:?} {}", response.headers, response.body));
                        }
                    },
                );
                (played, refused)
            });
            let (played, refused) = played.await.unwrap();
            assert!(folder == "demo" || played.is_ok(), "{played:?}");
            refusals += refused.len();
            for refusal in &refused {
                assert_without("an error", refusal, &values);
            }
        }
        let directory = service.house().directories.tenant(folder).unwrap();
        let mut told = 0;
        for stored in directory.stored(Revision::ZERO, usize::MAX).unwrap() {
            assert_without("a header", std::str::from_utf8(&stored.header).unwrap(), &values);
            let opened = format!("{:?}", decode::recorded(directory.keys(), &stored).unwrap().event);
            told += values.iter().filter(|value| opened.contains(value.as_str())).count();
        }
        assert!(told > 10, "the payloads of {folder} hold what was said");
        for Message { subject, id, muster_subject, body, .. } in messages(&directory) {
            let body = String::from_utf8(body).unwrap();
            assert_without("a message", &[subject, id, muster_subject, body].join(" "), &values);
        }
    }
    service.house().request_log.flush().await;
    for folder in ["okta", "entra", "demo"] {
        let directory = service.house().directories.tenant(folder).unwrap();
        assert_request_log_without(directory.folder(), &values);
        let reader = Reader::open(&directory).unwrap();
        let rows = reader.rows(&Wanted { limit: 10_000, ..Wanted::default() }).unwrap();
        let kept: String =
            rows.iter().filter_map(|row| reader.detail(row)).map(|it| it.to_string()).collect();
        let told = values.iter().filter(|value| kept.contains(value.as_str())).count();
        assert!(told > 10, "the sealed contents of {folder} hold what was said");
    }
    assert!(refusals > 5, "{refusals}");
    let metrics = service.admin("GET", "/metrics", None).await.text;
    assert!(metrics.contains("/Users/{id}") && metrics.contains("user.created"), "{metrics}");
    assert_without("a metric", &metrics, &values);
    let text = log.text();
    assert!(text.contains("muster listens on"), "{text}");
    assert_without("the log", &text, &values);
}

/// Somebody's name, which every piece of rubbish bears.
const SECRET: &str = "q7-Somebody.Secret@example.com";

#[tokio::test(flavor = "multi_thread")]
async fn whoever_sends_rubbish_is_told_what_is_wrong_without_hearing_it_again() {
    let log = Captured::log();
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "entra").await;
    let user = acme.user(SECRET).await;
    let group = acme.group("Staff", &[&user]).await;
    let mut answers = Vec::new();
    for (method, path, body) in posts().into_iter().chain(patches()) {
        let path = path.replace("{user}", &user).replace("{group}", &group);
        answers.push((format!("{method} {path} {body}"), acme.send(method, &path, Some(body)).await));
    }
    let cut = format!("{{\"userName\": \"{SECRET}");
    let twice = format!("{{\"{SECRET}\": 1, \"{SECRET}\": 2}}");
    for body in [cut, twice] {
        answers.push((body.clone(), acme.send_with("POST", "/Users", &[], Some(body.into_bytes())).await));
    }
    for path in paths() {
        answers.push((path.clone(), acme.get(&path).await));
    }
    let nowhere = format!("{}/{SECRET}/Users?filter=userName%20eq%20%22{SECRET}%22", service.url);
    answers.push((nowhere.clone(), send("GET", &nowhere, Vec::new(), None).await));
    for report in
        ["access?at=", "timeline?user=x", "access?at=2026-06-30T00:00:00Z&group=", "events?subject="]
    {
        let path = format!("/audit/v1/acme/{report}{SECRET}");
        answers.push((path.clone(), service.admin("GET", &path, None).await));
    }
    let values = [SECRET, &SECRET.to_lowercase(), &SECRET.to_uppercase()].map(str::to_owned);
    let mut refused = 0;
    for (asked, answer) in answers {
        assert!(answer.status < 500, "{asked}: {}", answer.text);
        if answer.status >= 400 {
            refused += 1;
            assert_without(&asked, &answer.text, &values);
        }
    }
    assert!(refused > 35, "{refused} requests are refused");
    service.house().request_log.flush().await;
    for folder in [service.tenant_folder("acme"), service.data().join("system")] {
        assert_request_log_without(&folder, &values);
    }
    assert_without("a metric", &service.admin("GET", "/metrics", None).await.text, &values);
    assert_without("the log", &log.text(), &values);
}

type Body = (&'static str, &'static str, Value);

fn posts() -> Vec<Body> {
    let schemas = json!(["urn:ietf:params:scim:schemas:core:2.0:User"]);
    let users = [
        json!({"schemas": schemas, "userName": SECRET.to_uppercase()}),
        json!({"schemas": schemas, "userName": [SECRET]}),
        json!({"schemas": schemas, "userName": {"value": SECRET}}),
        json!({"schemas": [SECRET], "userName": 1}),
        json!({"schemas": schemas, "userName": "x", "active": SECRET}),
        json!({"schemas": schemas, "userName": "x", "emails": SECRET}),
        json!({"schemas": schemas, "userName": "x", "emails": [{"value": {"of": SECRET}}]}),
        json!({"schemas": schemas, "userName": "x", "emails": [{"primary": SECRET}]}),
        json!({"schemas": schemas, "userName": "x", "name": SECRET}),
        json!({"schemas": schemas, "displayName": SECRET}),
        json!([SECRET]),
    ];
    let groups = [
        json!({"displayName": "x", "members": [{"value": SECRET}]}),
        json!({"displayName": "x", "members": SECRET}),
        json!({"displayName": {"x": SECRET}}),
    ];
    let put = json!({"schemas": schemas, "userName": null, "title": [SECRET]});
    let users = users.map(|body| ("POST", "/Users", body)).into_iter();
    users.chain(groups.map(|body| ("POST", "/Groups", body))).chain([("PUT", "/Users/{user}", put)]).collect()
}

fn patches() -> Vec<Body> {
    let patch = |operations: Value| json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations});
    let of_user = [
        json!([{"op": SECRET, "path": "title", "value": "x"}]),
        json!([{"op": "add", "path": SECRET, "value": SECRET}]),
        json!([{"op": "replace", "path": format!("emails[value eq {SECRET}].x"), "value": "x"}]),
        json!([{"op": "replace", "path": format!("emails[{SECRET} eq \"x\"].value"), "value": "x"}]),
        json!([{"op": "replace", "path": "active", "value": SECRET}]),
        json!([{"op": "remove", "path": format!("userName[value eq \"{SECRET}\"]")}]),
        json!({"op": SECRET}),
        json!(SECRET),
    ];
    let of_group = [
        json!([{"op": "add", "path": "members", "value": [{"value": SECRET}]}]),
        json!([{"op": "add", "path": "members", "value": SECRET}]),
        json!([{"op": "replace", "path": "displayName", "value": [SECRET]}]),
        json!([{"op": "remove", "path": format!("members[{SECRET} eq \"x\"]")}]),
    ];
    let of_user = of_user.map(|operations| ("PATCH", "/Users/{user}", patch(operations)));
    let of_group = of_group.map(|operations| ("PATCH", "/Groups/{group}", patch(operations)));
    of_user.into_iter().chain(of_group).collect()
}

fn paths() -> Vec<String> {
    let queries = [
        format!("filter=userName%20eq%20{SECRET}"),
        format!("filter=userName%20xx%20%22{SECRET}%22"),
        format!("filter={SECRET}%20eq%20%22x%22"),
        format!("filter=active%20eq%20%22{SECRET}%22"),
        format!("filter=userName%20eq%20%22{SECRET}"),
        format!("filter=meta.created%20gt%20%22{SECRET}%22"),
        format!("sortBy={SECRET}"),
        format!("startIndex={SECRET}"),
        format!("count={SECRET}"),
        format!("attributes={SECRET}&excludedAttributes={SECRET}"),
    ];
    let queries = queries.map(|query| format!("/Users?{query}")).into_iter();
    queries.chain([format!("/Users/{SECRET}"), format!("/{SECRET}"), format!("/Schemas/{SECRET}")]).collect()
}

/// Every file and folder below a folder that somebody else than its owner may read, with its mode.
fn open_to_others(folder: &Path) -> Vec<String> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // A journal of SQLite's may be gone since it was listed.
        let Ok(metadata) = std::fs::metadata(&path) else { continue };
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            found.push(format!("{} {mode:o}", path.display()));
        }
        if metadata.is_dir() {
            found.extend(open_to_others(&path));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn every_file_is_readable_by_its_owner_only() {
    let mut service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    acme.user("alice@example.com").await;
    assert_eq!(open_to_others(service.data()), Vec::<String>::new());
    service.admin("POST", "/admin/v1/tenants/acme/projections/rebuild", None).await.expect(202);
    eventually("the rebuild", || async {
        let progress = service.admin("GET", "/admin/v1/tenants/acme/projections/rebuild", None).await;
        (progress.expect(200)["state"] == "done").then_some(())
    })
    .await;
    acme.user("bob@example.com").await;
    assert_eq!(open_to_others(service.data()), Vec::<String>::new());
    // What an earlier release left open is closed.
    let view = service.tenant_folder("acme").join("history.db");
    service
        .restarted(|_| {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&view, std::fs::Permissions::from_mode(0o644)).unwrap();
        })
        .await;
    assert_eq!(open_to_others(service.data()), Vec::<String>::new());
}
