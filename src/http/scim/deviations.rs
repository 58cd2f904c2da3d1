//! Dialects of what surrounds a body: address, parameters, headers. All are noted here, before any handler runs;
//! the code that understands them (routes, media types, tags, tokens) stands where it is needed.

use actix_web::HttpRequest;
use actix_web::http::{Method, header};
use scim::ResourceType;
use scim::dialect::{self, Dialect, Notes};

use super::{Route, conditions, media};
use crate::http::error::Failure;
use crate::http::{auth, trace};

/// What is noted of a request whose route was found below `base_path` from these segments. Brings its parameters into
/// the RFC's form.
pub(super) fn of(
    http: &HttpRequest,
    base_path: &str,
    (route, segments): (&Route, &[String]),
    parameters: &mut [(String, String)],
) -> Notes {
    let mut notes = Notes::new();
    address(&http.path()[base_path.len()..], route, segments, &mut notes);
    query(http.uri().query(), &mut notes);
    dialect::parameters(parameters, &mut notes);
    headers(http, &mut notes);
    notes
}

/// Writes notes down, and refuses what was noted if the tenant is strict.
pub(super) fn tolerate(http: &HttpRequest, strict: bool, notes: &Notes) -> Result<(), Failure> {
    trace::noted(http, notes);
    if strict { Ok(notes.refuse()?) } else { Ok(()) }
}

/// `generic.trailing_slash`: `/Users/`. `generic.double_slash`: `//Users`, from a base URL that was typed with a slash
/// at its end. `entra.path_case`: `/users`, from Microsoft's collections.
fn address(tail: &str, route: &Route, segments: &[String], notes: &mut Notes) {
    if tail.len() > 1 && tail.ends_with('/') {
        notes.note(Dialect::GenericTrailingSlash, "path");
    }
    if tail.contains("//") {
        notes.note(Dialect::GenericDoubleSlash, "path");
    }
    let fixed = route.template().split('/').filter(|part| !part.is_empty());
    let differs = fixed.zip(segments).any(|(fixed, written)| fixed != written && fixed != "{id}");
    let types = [ResourceType::User, ResourceType::Group].map(ResourceType::name);
    let of_type = |name: &String| types.contains(&name.as_str());
    if differs || matches!(route, Route::ResourceTypes(Some(name)) if !of_type(name)) {
        notes.note(Dialect::EntraPathCase, "path");
    }
}

/// `onelogin.dangling_query`: `?` or `&` with nothing behind it.
fn query(query: Option<&str>, notes: &mut Notes) {
    if query.is_some_and(|query| query.split('&').any(str::is_empty)) {
        notes.note(Dialect::OneLoginDanglingQuery, "query");
    }
}

/// `generic.body_ignored`: a body where there is none to read. `generic.media_type_missing`, `generic.text_json`: see
/// [`media`]. `generic.etag_form`: a tag without quotes, as people copy them. `generic.token_form`: a token as people
/// paste it, see [`auth`].
fn headers(http: &HttpRequest, notes: &mut Notes) {
    if matches!(*http.method(), Method::GET | Method::HEAD | Method::DELETE) {
        let is_empty = |bytes: &header::HeaderValue| bytes == "0";
        let announced = http.headers().get(header::CONTENT_LENGTH).is_some_and(|bytes| !is_empty(bytes));
        if announced || http.headers().contains_key(header::TRANSFER_ENCODING) {
            notes.note(Dialect::GenericBodyIgnored, "body");
        }
    } else if let Some(dialect) = media::dialect(http) {
        notes.note(dialect, "Content-Type");
    }
    if !conditions::have_quoted_tags(http) {
        notes.note(Dialect::GenericEtagForm, "If-Match or If-None-Match");
    }
    if !auth::is_in_rfc_form(http) {
        notes.note(Dialect::GenericTokenForm, "Authorization");
    }
}
