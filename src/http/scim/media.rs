//! Media types: which bodies are taken, and under which of the two names for JSON an answer goes out (RFC 7644
//! section 3.8).

use actix_web::HttpRequest;
use actix_web::http::{Method, StatusCode, header};
use scim::dialect::Dialect;

use super::CONTENT_TYPE;
use crate::http::error::Failure;

/// The other name under which an answer may go out.
const PLAIN_JSON: &str = "application/json";
/// What some clients call JSON.
const TEXT_JSON: &str = "text/json";
/// Media types that carry JSON; identity providers send all of them.
const MEDIA_TYPES: [&str; 3] = [CONTENT_TYPE, PLAIN_JSON, TEXT_JSON];

/// Checks that a body is JSON in UTF-8, uncompressed. A body without a media type is taken for that.
pub(super) fn check_body(http: &HttpRequest) -> Result<(), Failure> {
    let unsupported =
        |detail: &str| Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type_unsupported", detail);
    if http.headers().get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        return Err(unsupported("send the body as it is, without a Content-Encoding such as gzip"));
    }
    let Some(value) = http.headers().get(header::CONTENT_TYPE) else { return Ok(()) };
    let (essence, mut parameters) = split(value.to_str().unwrap_or_default());
    let charset = parameters.find(|(key, _)| key.eq_ignore_ascii_case("charset"));
    let utf_8 = charset.is_none_or(|(_, value)| value.trim_matches('"').eq_ignore_ascii_case("utf-8"));
    if utf_8 && MEDIA_TYPES.iter().any(|known| known.eq_ignore_ascii_case(essence)) {
        return Ok(());
    }
    Err(unsupported("send the body as application/scim+json (or application/json) in UTF-8"))
}

/// How the media type of a request with a body deviates: `generic.media_type_missing`, `generic.text_json`.
pub(super) fn dialect(http: &HttpRequest) -> Option<Dialect> {
    if *http.method() == Method::OPTIONS {
        return None;
    }
    match http.headers().get(header::CONTENT_TYPE) {
        None => Some(Dialect::GenericMediaTypeMissing),
        Some(value) => {
            let (essence, _) = split(value.to_str().unwrap_or_default());
            essence.eq_ignore_ascii_case(TEXT_JSON).then_some(Dialect::GenericTextJson)
        }
    }
}

/// What an answer is called: `application/json` for a client that rather has that, else `application/scim+json`.
/// A client that takes neither gets what there is (RFC 9110 section 12.5.1 allows it): an identity provider with a
/// strange `Accept` would do nothing useful with a 406.
pub(super) fn of_answer(http: &HttpRequest) -> &'static str {
    let accepted = http.headers().get_all(header::ACCEPT).filter_map(|value| value.to_str().ok());
    let accepted: Vec<&str> = accepted.flat_map(|list| list.split(',')).collect();
    if wish(&accepted, PLAIN_JSON) > wish(&accepted, CONTENT_TYPE) { PLAIN_JSON } else { CONTENT_TYPE }
}

/// How much a client wants a media type, from 0 to 1: what is said of it most precisely counts.
fn wish(accepted: &[&str], wanted: &str) -> f32 {
    let of_range = |range: &&str| {
        let (essence, mut parameters) = split(range);
        let precision = ["*/*", "application/*", wanted];
        let precision = precision.iter().rposition(|known| known.eq_ignore_ascii_case(essence))?;
        let weight = parameters.find(|(key, _)| key.eq_ignore_ascii_case("q"));
        Some((precision, weight.map_or(1.0, |(_, value)| value.parse().unwrap_or(0.0))))
    };
    let most_precise = accepted.iter().filter_map(of_range).max_by_key(|(precision, _)| *precision);
    most_precise.map_or(0.0, |(_, weight)| weight)
}

/// A media type and its parameters.
fn split(value: &str) -> (&str, impl Iterator<Item = (&str, &str)>) {
    let mut pieces = value.split(';').map(str::trim);
    let essence = pieces.next().unwrap_or_default();
    (essence, pieces.filter_map(|piece| piece.split_once('=')))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[track_caller]
    fn check(accepted: &[&str], expected: &str) {
        let mut request = TestRequest::get();
        for value in accepted {
            request = request.append_header((header::ACCEPT, *value));
        }
        assert_eq!(of_answer(&request.to_http_request()), expected, "{accepted:?}");
    }

    #[test]
    fn an_answer_is_plain_json_only_for_clients_that_rather_have_it() {
        for scim in [
            &[][..],
            &["*/*"],
            &["application/scim+json"],
            &["application/scim+json, application/json;q=0.9"],
            &["application/json, application/scim+json"],
            &["application/json, text/plain, */*"],
            &["application/json;q=0.5", "application/*"],
            &["text/html"],
            &["application/json;q=0"],
            &["application/json;q=x"],
            &[""],
        ] {
            check(scim, CONTENT_TYPE);
        }
        for plain in [
            &["application/json"][..],
            &["Application/JSON; charset=utf-8"],
            &["text/html, application/json;q=0.1"],
            &["application/scim+json;q=0.2, application/json;q=0.3"],
            &["*/*;q=0.1", "application/json"],
        ] {
            check(plain, PLAIN_JSON);
        }
    }
}
