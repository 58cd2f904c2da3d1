//! What a request holds: whom it names, what it asks, and what of it may be kept.
//!
//! A body is kept only if everybody in it can be found: whoever is to be erased must not stay behind in one.

use std::collections::BTreeSet;
use std::net::IpAddr;

use scim::dialect::Note;
use serde::Serialize;
use serde_json::{Value, json};

use super::body;
use super::entry::{Entry, Undone};
use super::filter_shape;
use super::names::Names;
use super::secrets::{self, Secrets};

/// A larger body is not kept.
const KEPT_BODY_BYTES_MAX: usize = 64 * 1024;

/// A request, taken apart.
pub(super) struct Contents {
    /// Whom it names.
    pub(super) names: BTreeSet<String>,
    /// The shape of its filter.
    pub(super) filter: Option<String>,
    /// What is sealed: JSON.
    pub(super) kept: Vec<u8>,
}

/// What is sealed beside the body, before it is written down.
#[derive(Serialize)]
struct Kept<'e> {
    path: &'e str,
    parameters: Vec<Value>,
    source_ip: Option<IpAddr>,
    user_agent: Option<&'e str>,
    body_bytes: usize,
    detail: Option<&'e str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    operations: &'e [Undone],
    notes: Vec<Noted<'e>>,
}

/// A dialect that was met, and where.
#[derive(Serialize)]
struct Noted<'e> {
    dialect: &'static str,
    place: &'e str,
}

impl<'e> Noted<'e> {
    fn of(note: &'e Note) -> Self {
        Self { dialect: note.dialect.name(), place: &note.place }
    }
}

/// The shape of the filter of a request, without looking at anything else.
pub(super) fn filter(entry: &Entry) -> Option<String> {
    let parameters = crate::query::decode(&entry.query).ok()?;
    filter_in(&parameters).map(filter_shape::of)
}

fn filter_in(parameters: &[(String, String)]) -> Option<&str> {
    let found = parameters.iter().find(|(name, _)| name.eq_ignore_ascii_case("filter"));
    found.map(|(_, filter)| filter.as_str())
}

/// Takes a request apart; `secrets` are the tenant's.
pub(super) fn of(entry: &Entry, secrets: &Secrets) -> Contents {
    let mut names = Names::default();
    let path = if is_without_secrets(&entry.path, secrets) { &entry.path } else { secrets::REMOVED };
    names.add_path(path);
    if let Some(id) = entry.resource {
        names.add(&id.to_string());
    }
    // What was meant for another tenant may hold what is secret there, and only that tenant's schemas tell.
    let is_foreign = entry.code.as_deref() == Some("token_elsewhere");
    let query = if is_foreign { "" } else { &entry.query };
    let parameters = crate::query::decode(query).unwrap_or_default();
    let mut filter = filter_in(&parameters).map(str::to_owned);
    let text = entry.body.as_deref().filter(|_| !is_foreign).unwrap_or_default();
    if entry.route.ends_with("/.search") {
        filter = filter_of_search(text).or(filter);
    }
    if let Some(filter) = &filter
        && !secrets.are_in_expression(filter)
    {
        names.add_quoted(filter);
    }
    let body = body::read(text, secrets);
    names.extend(body.names);
    let body = body.kept.filter(|_| entry.body_bytes <= KEPT_BODY_BYTES_MAX);
    let kept = Kept {
        path,
        parameters: parameters.iter().map(|parameter| kept_parameter(parameter, secrets)).collect(),
        source_ip: entry.source_ip,
        user_agent: entry.user_agent.as_deref().map(without_tokens),
        body_bytes: entry.body_bytes,
        detail: entry.detail.as_deref(),
        operations: &entry.operations,
        notes: entry.notes.iter().map(Noted::of).collect(),
    };
    let kept = written(&kept, body.as_deref());
    Contents { names: names.into_found(), filter: filter.as_deref().map(filter_shape::of), kept }
}

/// One JSON object of it all; the body stands there as it came, which spares writing it anew.
fn written(kept: &Kept<'_>, body: Option<&[u8]>) -> Vec<u8> {
    const ROOM_BESIDE_BODY: usize = 512;
    let body = body.unwrap_or(b"null");
    let mut written = Vec::with_capacity(body.len() + ROOM_BESIDE_BODY);
    serde_json::to_writer(&mut written, kept).expect("texts, numbers and JSON can be written as JSON");
    // The brace that ends the object.
    written.pop();
    written.extend_from_slice(b",\"body\":");
    written.extend_from_slice(body);
    written.push(b'}');
    written
}

fn filter_of_search(text: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(text).ok()?;
    body["filter"].as_str().map(str::to_owned)
}

fn without_tokens(text: &str) -> &str {
    if secrets::has_token(text) { secrets::REMOVED } else { text }
}

/// Whether a path may be kept, however it is written.
fn is_without_secrets(path: &str, secrets: &Secrets) -> bool {
    !secrets.are_in(&percent_encoding::percent_decode_str(path).decode_utf8_lossy())
}

/// A parameter as it is kept; whatever compares with a secret is one. What has no name of a parameter is the rest of a
/// value with a `&` in it, which was not encoded.
fn kept_parameter((name, value): &(String, String), secrets: &Secrets) -> Value {
    let hidden = secrets.mentions(name) || secrets.are_in_expression(value);
    let name = if secrets::is_plain(name) { without_tokens(name) } else { secrets::REMOVED };
    json!([name, if hidden { secrets::REMOVED } else { value }])
}
