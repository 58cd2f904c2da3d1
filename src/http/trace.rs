//! What becomes known of a SCIM request while it is answered, and its way into the request log.
//!
//! Handlers note facts on the request as they learn them; [`log`] puts them together once the answer stands. The
//! service's own interfaces (admin, audit, health) are not logged.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServiceResponse;
use actix_web::http::{Method, header};
use actix_web::{HttpMessage as _, HttpRequest};
use provisioning::{ClientId, Rejection, ResourceId, TokenId};
use scim::dialect::Notes;

use super::error::{ERROR_CODE_HEADER, Failure};
use super::{House, context};
use crate::directory::{Directory, WriteError};
use crate::request_log::{Entry, Sender, Undone};

/// A larger body is not looked at by the log.
const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The most characters of a `User-Agent` that are kept.
const USER_AGENT_CHARACTERS_MAX: usize = 256;

/// The most operations of a bulk request of which is kept why they were not carried out.
const UNDONE_OPERATIONS_MAX: usize = 1_000;

/// What was noted.
#[derive(Default)]
struct Trace {
    directory: Option<Arc<Directory>>,
    sender: Sender,
    client: Option<ClientId>,
    token: Option<TokenId>,
    resource: Option<ResourceId>,
    revisions: Option<Range<u64>>,
    notes: Notes,
    results: Option<u64>,
    body: Option<Vec<u8>>,
    body_bytes: usize,
    detail: Option<String>,
    operations: Vec<Undone>,
}

fn note(http: &HttpRequest, change: impl FnOnce(&mut Trace)) {
    if let Some(trace) = http.extensions_mut().get_mut::<Trace>() {
        change(trace);
    }
}

/// The request is a SCIM one, whatever will come of it.
pub(super) fn begin(http: &HttpRequest) {
    http.extensions_mut().insert(Trace::default());
}

/// Whose request it is, as its token says, whether the token counts or not.
pub(super) fn party(
    http: &HttpRequest,
    directory: &Arc<Directory>,
    client: Option<ClientId>,
    token: TokenId,
) {
    note(http, |trace| {
        trace.directory = Some(Arc::clone(directory));
        trace.sender = Sender::Own;
        trace.client = client;
        trace.token = Some(token);
    });
}

/// The address is not that of the token's tenant.
pub(super) fn astray(http: &HttpRequest) {
    note(http, |trace| trace.sender = Sender::Astray);
}

/// The tenant of the token, if the token was known.
pub(super) fn party_of(http: &HttpRequest) -> Option<Arc<Directory>> {
    let extensions = http.extensions();
    let trace = extensions.get::<Trace>().filter(|trace| trace.token.is_some())?;
    trace.directory.clone()
}

/// Whose request it seems to be, where no token was looked at that says it.
pub(super) fn tenant(http: &HttpRequest, find: impl FnOnce() -> Option<(Arc<Directory>, Sender)>) {
    let is_known = http.extensions().get::<Trace>().is_some_and(|trace| trace.directory.is_some());
    // Finding looks at what is noted on the request, too.
    if !is_known && let Some((directory, sender)) = find() {
        note(http, |trace| {
            trace.directory = Some(directory);
            trace.sender = sender;
        });
    }
}

/// The body as it came.
pub(super) fn body(http: &HttpRequest, bytes: impl AsRef<[u8]> + Into<Vec<u8>>) {
    note(http, |trace| {
        trace.body_bytes = bytes.as_ref().len();
        trace.body = (trace.body_bytes <= BODY_BYTES_MAX).then(|| bytes.into());
    });
}

/// The resource that a write made, or is about, and what was recorded.
pub(super) fn written(http: &HttpRequest, resource: Option<ResourceId>, revisions: Range<u64>) {
    note(http, |trace| {
        trace.resource = resource;
        trace.revisions = Some(revisions);
    });
}

/// The dialects of a request, whatever will come of it.
pub(super) fn noted(http: &HttpRequest, notes: &Notes) {
    if !notes.is_empty() {
        note(http, |trace| trace.notes.extend(notes.clone()));
    }
}

/// A write that was refused: which dialect a strict tenant did not take, if that is why.
pub(super) fn refused(http: &HttpRequest, error: &WriteError) {
    if let WriteError::Rejected(Rejection::Deviation(deviation)) = error {
        note(http, |trace| trace.notes.note(deviation.dialect, &deviation.place));
    }
}

/// The names of the dialects that were noted so far.
pub(super) fn notes(http: &HttpRequest) -> String {
    let extensions = http.extensions();
    extensions.get::<Trace>().map(|trace| trace.notes.names().join(",")).unwrap_or_default()
}

/// How many resources a list found.
pub(super) fn results(http: &HttpRequest, found: u64) {
    note(http, |trace| trace.results = Some(found));
}

/// What the caller is told.
pub(super) fn failed(http: &HttpRequest, failure: &Failure) {
    note(http, |trace| trace.detail = Some(failure.detail.clone()));
}

/// Which operations of a bulk request were not carried out, as far as their number can be told.
pub(super) fn undone(http: &HttpRequest, mut operations: Vec<Undone>) {
    operations.truncate(UNDONE_OPERATIONS_MAX);
    note(http, |trace| trace.operations = operations);
}

/// Hands a SCIM request that was answered to the log.
pub(super) fn log<B>(house: &House, answer: &ServiceResponse<B>, duration: Duration) {
    let http = answer.request();
    let trace = http.extensions_mut().remove::<Trace>();
    let Some(trace) = trace else { return };
    let context = context::of(http);
    let directory = trace.directory.unwrap_or_else(|| Arc::clone(house.directories.system()));
    if !house.config.request_log.enabled {
        return house.request_log.skip(&directory, context.received_at);
    }
    let (status, route) = (answer.status().as_u16(), context::route_and_id(http).0);
    let reads = matches!(*http.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    // What needs a row of its own in any case is told in full.
    let is_plain = reads && status < 400;
    let header = |name| http.headers().get(name).and_then(|value| value.to_str().ok());
    let user_agent = header(header::USER_AGENT).filter(|_| !is_plain);
    let code = answer.headers().get(ERROR_CODE_HEADER).and_then(|value| value.to_str().ok());
    let is_astray = trace.sender == Sender::Astray;
    let addressee = is_astray.then(|| super::scim::tenant_of_address(http, house)).flatten();
    house.request_log.record(Entry {
        directory,
        sender: trace.sender,
        addressee,
        client: trace.client,
        token: trace.token,
        id: context.id,
        received_at: context.received_at,
        duration,
        method: method_of(http.method()),
        route,
        path: http.path().to_owned(),
        query: http.query_string().to_owned(),
        status,
        code: code.map(str::to_owned),
        detail: trace.detail,
        operations: trace.operations,
        results: trace.results,
        resource: trace.resource.or_else(|| named(http.path(), route)),
        revisions: trace.revisions,
        notes: trace.notes,
        source_ip: context.source_ip,
        user_agent: user_agent.map(|text| text.chars().take(USER_AGENT_CHARACTERS_MAX).collect()),
        body: trace.body,
        body_bytes: trace.body_bytes,
    });
}

fn method_of(method: &Method) -> Cow<'static, str> {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    let known = KNOWN.into_iter().find(|known| *known == method.as_str());
    known.map_or_else(|| Cow::Owned(method.as_str().to_owned()), Cow::Borrowed)
}

/// The resource that a path names.
fn named(path: &str, route: &str) -> Option<ResourceId> {
    route
        .ends_with("/{id}")
        .then(|| ResourceId::parse(path.trim_end_matches('/').rsplit('/').next()?))
        .flatten()
}
