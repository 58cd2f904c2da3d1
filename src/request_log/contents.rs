//! What a request holds: whom it names, what it asks, and what of it may be kept.
//!
//! Names are looked for in paths, filters and bodies of any form, also refused ones: texts under `userName`,
//! `value`, `id` and `externalId`, texts in quotes inside filters and PATCH paths, and elements of PATCH values. A
//! body is kept only if everybody in it can be found: whoever is to be erased must not stay behind in one.

use std::collections::BTreeSet;
use std::net::IpAddr;

use scim::dialect::Note;
use scim::fold;
use serde::Serialize;
use serde_json::{Value, json};

use super::entry::Entry;
use super::filter_shape;
use super::secrets::{self, Secrets};

/// A larger body is not kept.
const KEPT_BODY_BYTES_MAX: usize = 64 * 1024;

/// The most names of one request that are kept. A request that names more can be found by the first of them only.
const NAMES_MAX: usize = 4_000;

/// Names are at most that long.
const NAME_BYTES_MAX: usize = 1_024;

/// Members whose texts name somebody, in lower case; also with a path before them (`emails[…].value`).
const NAMING: [&str; 5] = ["username", "value", "id", "externalid", "$ref"];

/// A request, taken apart.
pub(super) struct Contents {
    /// Whom it names, as [`same_name`] writes them.
    pub(super) names: BTreeSet<String>,
    /// The shape of its filter.
    pub(super) filter: Option<String>,
    /// What is sealed: JSON.
    pub(super) kept: Vec<u8>,
}

/// What is sealed, before it is written down.
#[derive(Serialize)]
struct Kept<'e> {
    path: &'e str,
    parameters: Vec<Value>,
    source_ip: Option<IpAddr>,
    user_agent: Option<&'e str>,
    body: Option<Value>,
    body_bytes: usize,
    detail: Option<&'e str>,
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

/// How a name is written so that two that are the same are equal.
pub(crate) fn same_name(name: &str) -> String {
    fold::fold(name.trim())
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
    names.add_path(&entry.path);
    let parameters = crate::query::decode(&entry.query).unwrap_or_default();
    let mut filter = filter_in(&parameters).map(str::to_owned);
    let mut body = entry.body.as_deref().and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok());
    if let Some(body) = &body {
        names.add_members(body);
        if entry.route.ends_with("/.search") {
            filter = body["filter"].as_str().map(str::to_owned).or(filter);
        }
    }
    if let Some(filter) = &filter {
        names.add_quoted(filter);
    }
    if let Some(id) = entry.resource {
        names.add(&id.to_string());
    }
    let is_kept = entry.body_bytes <= KEPT_BODY_BYTES_MAX && !names.cut;
    let mut body = body.take().filter(|_| is_kept);
    if let Some(body) = &mut body {
        secrets.remove(body);
    }
    let kept = Kept {
        path: without_tokens(&entry.path),
        parameters: parameters.iter().map(parameter).collect(),
        source_ip: entry.source_ip,
        user_agent: entry.user_agent.as_deref().map(without_tokens),
        body,
        body_bytes: entry.body_bytes,
        detail: entry.detail.as_deref(),
        notes: entry.notes.iter().map(Noted::of).collect(),
    };
    let kept = serde_json::to_vec(&kept).expect("texts, numbers and JSON can be written as JSON");
    Contents { names: names.found, filter: filter.as_deref().map(filter_shape::of), kept }
}

fn without_tokens(text: &str) -> &str {
    if secrets::has_token(text) { secrets::REMOVED } else { text }
}

/// A parameter as it is kept; whatever compares with a secret is one.
fn parameter((name, value): &(String, String)) -> Value {
    let hidden = secrets::is_named_so(name) || secrets::is_named_so(value);
    let value = if hidden { secrets::REMOVED } else { without_tokens(value) };
    json!([without_tokens(name), value])
}

/// The names that were found so far.
#[derive(Default)]
struct Names {
    found: BTreeSet<String>,
    /// There are more.
    cut: bool,
}

impl Names {
    fn add(&mut self, name: &str) {
        if name.is_empty() || name.len() > NAME_BYTES_MAX || secrets::has_token(name) {
            return;
        }
        if self.found.len() >= NAMES_MAX {
            self.cut = true;
            return;
        }
        self.found.insert(same_name(name));
    }

    /// What follows an endpoint, and whatever looks like an address or an id.
    fn add_path(&mut self, path: &str) {
        const UUID_CHARACTERS: usize = 36;
        let mut before = String::new();
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            let segment = percent_encoding::percent_decode_str(segment).decode_utf8_lossy();
            let names = matches!(before.as_str(), "users" | "groups" | "user" | "group")
                || segment.contains('@')
                || segment.len() == UUID_CHARACTERS;
            if names {
                self.add(&segment);
            }
            before = segment.to_ascii_lowercase();
        }
    }

    /// The texts in quotes, and bare words with an `@`, which only an address has.
    fn add_quoted(&mut self, filter: &str) {
        let mut parts = filter.split('"');
        while let Some(outside) = parts.next() {
            for word in outside.split_whitespace().filter(|word| word.contains('@')) {
                self.add(word);
            }
            if let Some(inside) = parts.next() {
                self.add(inside);
            }
        }
    }

    fn add_members(&mut self, value: &Value) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    self.add_member(&name.to_ascii_lowercase(), value);
                }
            }
            Value::Array(elements) => elements.iter().for_each(|element| self.add_members(element)),
            _ => {}
        }
    }

    fn add_member(&mut self, name: &str, value: &Value) {
        let last = name.rsplit(['.', ':']).next().unwrap_or(name);
        match value {
            Value::String(text) if name == "path" => {
                self.add_quoted(text);
                // In a bulk request it is an address.
                self.add_path(text);
            }
            Value::String(text) if NAMING.contains(&last) || text.contains('@') => self.add(text),
            Value::Array(elements) if NAMING.contains(&last) => {
                for element in elements {
                    match element {
                        Value::String(text) => self.add(text),
                        other => self.add_members(other),
                    }
                }
            }
            Value::Object(_) | Value::Array(_) => {
                // Entra writes a path with a filter as the name of a member.
                self.add_quoted(name);
                self.add_members(value);
            }
            _ => {}
        }
    }
}
