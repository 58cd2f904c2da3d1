//! What a request holds: whom it names, what it asks, and what of it may be kept.
//!
//! A body is kept only if everybody in it can be found: whoever is to be erased must not stay behind in one.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::net::IpAddr;

use scim::dialect::Note;
use scim::schemas::Schemas;
use serde::Serialize;

use super::about::{self, Operation, Request as Asked};
use super::allowed::Allowed;
use super::entry::{Entry, Undone};
use super::keeping::Keeping;
use super::{filter_shape, words};

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
    /// What it asks of whom; none if nobody can tell.
    pub(super) about: Option<Vec<Operation<String>>>,
    /// Somebody may be in it who cannot be found.
    pub(super) is_cut: bool,
}

/// What is sealed beside the body, before it is written down.
#[derive(Serialize)]
struct Kept<'e> {
    path: Cow<'e, str>,
    /// Names and values.
    parameters: Vec<[Cow<'e, str>; 2]>,
    source_ip: Option<IpAddr>,
    user_agent: Option<&'e str>,
    body_bytes: usize,
    /// It names more people than can be found in it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    names_cut: bool,
    detail: Option<Cow<'e, str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    operations: Vec<Cow<'e, Undone>>,
    notes: Vec<Noted<'e>>,
}

/// A dialect that was met, and where.
#[derive(Serialize)]
struct Noted<'e> {
    dialect: &'static str,
    place: Cow<'e, str>,
}

impl<'e> Noted<'e> {
    fn of(note: &'e Note) -> Self {
        Self { dialect: note.dialect.name(), place: words::without_tokens(&note.place) }
    }
}

/// What is told of an operation that was not carried out.
fn told(undone: &Undone) -> Cow<'_, Undone> {
    match undone.detail.as_deref().map(words::without_tokens) {
        Some(Cow::Owned(detail)) => Cow::Owned(Undone { detail: Some(detail), ..undone.clone() }),
        Some(Cow::Borrowed(_)) | None => Cow::Borrowed(undone),
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

/// Takes a request apart; `allowed` is what the tenant's schemas allow to be kept.
pub(super) fn of(entry: &Entry, allowed: &Allowed, schemas: &Schemas) -> Contents {
    let tenancy = entry.directory.tenancy();
    let own_words: Vec<&str> =
        tenancy.settings.base_path.split('/').chain([entry.directory.tenant()]).collect();
    let mut keeping = Keeping::new(allowed, entry.sender, &own_words);
    let mut path = Cow::Borrowed(entry.path.as_str());
    keeping.address(&mut path);
    if let Some(id) = entry.resource {
        keeping.name(&id.to_string());
    }
    let parameters = crate::query::decode(&entry.query).unwrap_or_default();
    let kept_parameters = parameters.iter().map(|(name, value)| keeping.parameter(name, value)).collect();
    let text = entry.body.as_deref().filter(|_| keeping.is_own());
    let body = text.and_then(|text| keeping.body(text));
    let filter = if entry.route.ends_with("/.search") { keeping.filter_shape.take() } else { None };
    let filter = filter.or_else(|| filter_in(&parameters).map(filter_shape::of));
    let mut about = if keeping.is_own() { Asked::of(entry).operations(schemas) } else { None };
    let names_cut = keeping.names.are_cut();
    let is_unseen = entry.body.is_none() && entry.body_bytes > 0;
    let is_cut = names_cut || about.as_deref().is_some_and(about::are_cut) || is_unseen;
    about.iter_mut().flatten().for_each(Operation::forget_secrets);
    let body = body.filter(|_| entry.body_bytes <= KEPT_BODY_BYTES_MAX && !names_cut);
    let kept = Kept {
        path,
        parameters: kept_parameters,
        source_ip: entry.source_ip,
        user_agent: entry.user_agent.as_deref().filter(|text| !words::has_token(text)),
        body_bytes: entry.body_bytes,
        names_cut,
        detail: entry.detail.as_deref().map(words::without_tokens),
        operations: entry.operations.iter().map(told).collect(),
        notes: entry.notes.iter().map(Noted::of).collect(),
    };
    let kept = written(&kept, body.as_deref());
    let mut names = keeping.names.into_found();
    // Whoever it is about is found whatever else it names.
    for subject in about.iter().flatten().flat_map(Operation::subjects) {
        if !names.contains(subject) {
            names.insert(subject.clone());
        }
    }
    Contents { names, filter, kept, about, is_cut }
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
