//! What identity providers send, played over real HTTP: every file under `tests/wire`.
//!
//! Each conversation has to hold in a tenant of its own, and after all others in one tenant. A test names all
//! files that fail, not only the first. The player knows the files; this module knows HTTP and the harness.

pub(crate) mod player;
mod profiles;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use muster::request_log::{Reader, Wanted};
use scim::dialect::Dialect;
use serde_json::{Value, json};

use self::player::{Conversation, Moment, Request, Response, Service, play};
use crate::harness::TestService;

/// The file that makes thousands of users: played once, as the first in a new tenant.
pub(crate) const CROWD: &str = "okta/group-with-5000-members.json";

/// Whose requests are played beside those of Okta and Entra, and forms that nobody in particular sends.
const OTHERS: [&str; 10] = [
    "authentik",
    "generic",
    "google",
    "jumpcloud",
    "keycloak",
    "onelogin",
    "pingfederate",
    "rauthy",
    "rippling",
    "sailpoint",
];

/// Larger than the largest answer: a group with 5,000 members.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn every_okta_conversation_holds_in_a_tenant_of_its_own() {
    play_each_alone("okta").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_entra_conversation_holds_in_a_tenant_of_its_own() {
    play_each_alone("entra").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_demo_conversation_holds_in_a_tenant_of_its_own() {
    play_each_alone("demo").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_okta_conversations_hold_one_after_the_other_in_one_tenant() {
    play_all_together("okta").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_entra_conversations_hold_one_after_the_other_in_one_tenant() {
    play_all_together("entra").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_conversation_of_other_providers_holds_in_a_tenant_of_its_own() {
    for folder in OTHERS {
        play_each_alone(folder).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_conversations_of_other_providers_hold_one_after_the_other_in_one_tenant() {
    let service = TestService::start().await;
    let tenant = service.create_tenant("others", "generic").await;
    let mut failures = Vec::new();
    for conversation in OTHERS.iter().flat_map(|folder| conversations(folder)) {
        let account = Service { base: tenant.base_url.clone(), token: tenant.token.clone() };
        failures.extend(play_over_http(conversation, account).await.mismatch);
    }
    assert_none(&failures);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_of_the_rfcs_hold_in_a_strict_tenant() {
    let service = TestService::start().await;
    let settings = json!({"settings": {"strict": true}});
    let tenant = service.create_tenant_with("rfc", settings).await;
    let mut failures = Vec::new();
    for conversation in conversations("rfc") {
        let account = Service { base: tenant.base_url.clone(), token: tenant.token.clone() };
        failures.extend(play_over_http(conversation, account).await.mismatch);
    }
    assert_none(&failures);
}

#[test]
fn every_dialect_is_noted_in_some_conversation() {
    let folders = ["okta", "entra"].into_iter().chain(OTHERS);
    let mut noted = BTreeSet::new();
    for path in folders.flat_map(files) {
        let text = std::fs::read_to_string(&path).expect("the file is there");
        gather_notes(&serde_json::from_str(&text).expect("the file is JSON"), &mut noted);
    }
    let known: BTreeSet<String> = Dialect::ALL.iter().map(|dialect| dialect.name().to_owned()).collect();
    // It needs a tenant that keeps some attributes only, as `settings.rs` makes one.
    noted.insert(Dialect::AttributesNotKept.name().to_owned());
    let missing: Vec<_> = known.difference(&noted).collect();
    let unknown: Vec<_> = noted.difference(&known).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "in no file: {missing:?}; no dialects: {unknown:?}");
}

fn gather_notes(value: &Value, noted: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            let told = members.get("response").and_then(|response| response["notes"].as_array());
            noted.extend(told.into_iter().flatten().filter_map(|note| note.as_str().map(str::to_owned)));
            members.values().for_each(|member| gather_notes(member, noted));
        }
        Value::Array(items) => items.iter().for_each(|item| gather_notes(item, noted)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_of_the_rfcs_is_accepted_and_answered_in_a_tenant_of_its_own() {
    play_each_alone("rfc").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_examples_of_the_rfcs_hold_one_after_the_other_in_one_tenant() {
    play_all_together("rfc").await;
}

#[test]
fn every_personal_value_of_the_files_is_listed_and_every_listed_one_is_there() {
    let list = std::fs::read_to_string(wire_folder().join("personal-values.txt")).expect("the list is there");
    let mut personal = BTreeSet::new();
    let mut texts = String::new();
    let of_profiles = profiles::folders();
    let folders = ["okta", "entra", "rfc", "demo"].into_iter().chain(OTHERS);
    for path in folders.chain(of_profiles.iter().map(String::as_str)).flat_map(files) {
        let text = std::fs::read_to_string(&path).expect("the file is there");
        let file: Value = serde_json::from_str(&text).expect("the file is JSON");
        gather_from_requests(&file, &mut personal);
        texts.push_str(&text);
    }
    let unlisted: Vec<_> =
        personal.iter().filter(|value| !list.lines().any(|listed| value.contains(listed))).collect();
    assert!(unlisted.is_empty(), "add to personal-values.txt: {unlisted:#?}");
    let stale: Vec<_> = list.lines().filter(|listed| !texts.contains(listed)).collect();
    assert!(stale.is_empty(), "in no file any more: {stale:#?}");
}

async fn play_each_alone(folder: &str) {
    let service = TestService::start().await;
    let mut failures = Vec::new();
    for (number, conversation) in conversations(folder).into_iter().enumerate() {
        if conversation.file() != CROWD {
            let (name, file) = (format!("{folder}-{number}"), conversation.file().to_owned());
            let tenant = service.create_tenant(&name, conversation.client.kind()).await;
            let account = Service { base: tenant.base_url, token: tenant.token };
            let played = play_over_http(conversation, account).await;
            failures.extend(played.mismatch);
            failures.extend(check_notes(&service, &name, &file, &played.noted).await);
        }
    }
    assert_none(&failures);
}

async fn play_all_together(folder: &str) {
    let service = TestService::start().await;
    let conversations = conversations(folder);
    let tenant = service.create_tenant(folder, conversations[0].client.kind()).await;
    let mut failures = Vec::new();
    for conversation in conversations {
        let account = Service { base: tenant.base_url.clone(), token: tenant.token.clone() };
        failures.extend(play_over_http(conversation, account).await.mismatch);
    }
    assert_none(&failures);
}

/// Compares what was noted of each request with what its file says.
async fn check_notes(
    service: &TestService,
    tenant: &str,
    file: &str,
    noted: &[(String, Vec<String>)],
) -> Vec<String> {
    if noted.is_empty() {
        return Vec::new();
    }
    service.house().request_log.flush().await;
    let directory = service.house().directories.tenant(tenant).expect("the tenant is open");
    let rows =
        Reader::open(&directory).unwrap().rows(&Wanted { limit: 10_000, ..Wanted::default() }).unwrap();
    let mut failures = Vec::new();
    for (id, expected) in noted {
        let row = rows.iter().find(|row| row.id.as_deref() == Some(id)).expect("each request has a row");
        if row.notes != *expected {
            let request = format!("{} {}", row.method, row.route);
            failures.push(format!("{file}: {request}: expected the notes {expected:?}, got {:?}", row.notes));
        }
    }
    failures
}

#[track_caller]
fn assert_none(failures: &[String]) {
    assert!(failures.is_empty(), "{} conversations fail:\n{}", failures.len(), failures.join("\n"));
}

/// All conversations of a folder by name, but the crowd first.
pub(crate) fn conversations(folder: &str) -> Vec<Conversation> {
    let mut conversations: Vec<Conversation> = files(folder)
        .iter()
        .map(|path| Conversation::load(path).expect("the file is a conversation"))
        .collect();
    conversations.sort_by_key(|conversation| conversation.file() != CROWD);
    conversations
}

fn files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(wire_folder().join(folder)).expect("the folder is there");
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.expect("the folder can be read").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "tests/wire/{folder} has no files");
    files
}

fn wire_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire")
}

/// What became of a conversation.
struct Played {
    /// What did not hold.
    mismatch: Option<String>,
    /// Requests by their ids, with what has to be noted of them.
    noted: Vec<(String, Vec<String>)>,
}

/// Plays one conversation.
async fn play_over_http(conversation: Conversation, service: Service) -> Played {
    let played = tokio::task::spawn_blocking(move || {
        let (agent, mut noted) = (agent(), Vec::new());
        let mut observe = |moment: &Moment<'_>| noted.extend(noted_of(moment));
        let played = play(&conversation, &service, &mut |request| send(&agent, request), &mut observe);
        Played { mismatch: played.err().map(|mismatch| mismatch.to_string()), noted }
    });
    played.await.expect("the player does not panic")
}

/// The id of a request and what its file says that is noted of it, if it does.
fn noted_of(moment: &Moment<'_>) -> Option<(String, Vec<String>)> {
    let Moment::Answered { response, notes: Some(notes), .. } = moment else { return None };
    let id = response.header("x-request-id").expect("answers bear ids").to_owned();
    Some((id, notes.to_vec()))
}

pub(crate) fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_mins(1)))
        .build()
        .into()
}

pub(crate) fn send(agent: &ureq::Agent, request: &Request) -> Result<Response, String> {
    let mut builder = ureq::http::Request::builder().method(request.method.as_str()).uri(&request.url);
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    let answer = match &request.body {
        Some(body) => agent.run(builder.body(body.as_str()).map_err(|error| error.to_string())?),
        None => agent.run(builder.body(()).map_err(|error| error.to_string())?),
    };
    let mut answer = answer.map_err(|error| error.to_string())?;
    let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
    let headers = answer
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    Ok(Response {
        status: answer.status().as_u16(),
        headers: headers.collect(),
        body: body.map_err(|error| error.to_string())?,
    })
}

/// The personal values of all request bodies in a file.
fn gather_from_requests(value: &Value, personal: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            if let Some(body) = members.get("request").and_then(|request| request.get("body")) {
                gather(body, "", personal);
            }
            members.values().for_each(|member| gather_from_requests(member, personal));
        }
        Value::Array(items) => items.iter().for_each(|item| gather_from_requests(item, personal)),
        _ => {}
    }
}

/// The personal values below an attribute: addresses wherever they are, and values of some attributes.
fn gather(value: &Value, attribute: &str, personal: &mut BTreeSet<String>) {
    const PERSONAL: [&str; 4] = ["userName", "familyName", "phoneNumbers", "password"];
    match value {
        Value::String(text)
            if text.contains('@') || PERSONAL.iter().any(|name| attribute.eq_ignore_ascii_case(name)) =>
        {
            personal.insert(text.clone());
        }
        Value::Array(items) => items.iter().for_each(|item| gather(item, attribute, personal)),
        Value::Object(members) => {
            // The `value` of a PATCH operation belongs to its path, that of an element to its attribute.
            let owner = members.get("path").and_then(Value::as_str).map_or(attribute, last_name);
            for (key, member) in members {
                let attribute = if key == "value" { owner } else { last_name(key) };
                gather(member, attribute, personal);
            }
        }
        _ => {}
    }
}

/// The attribute that a path ends in; that of the whole element where a filter selects one.
fn last_name(path: &str) -> &str {
    let whole = path.split_once('[').map_or(path, |(whole, _)| whole);
    whole.rsplit([':', '.']).next().unwrap_or(whole)
}
