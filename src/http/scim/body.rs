//! Reading a request's body: media type, size, JSON.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, web};
use futures_util::StreamExt as _;
use scim::{ScimError, ScimType};
use serde_json::Value;

use crate::http::error::Failure;

/// Media types that carry JSON; identity providers send all of them.
const MEDIA_TYPES: [&str; 3] = ["application/scim+json", "application/json", "text/json"];

/// A body that was read.
pub(super) struct Body {
    /// The JSON.
    pub(super) json: Value,
    /// How large it was.
    pub(super) bytes: usize,
}

/// Reads a JSON body of at most `bytes_max` bytes.
pub(super) async fn read(
    http: &HttpRequest,
    payload: web::Payload,
    bytes_max: usize,
) -> Result<Body, Failure> {
    let bytes = read_bytes(http, payload, bytes_max, Failure::body_too_large).await?;
    Ok(Body { json: scim::json::parse(&bytes)?, bytes: bytes.len() })
}

/// Reads the bytes of a JSON body, at most `bytes_max`; `too_large` is the failure beyond that.
pub(super) async fn read_bytes(
    http: &HttpRequest,
    mut payload: web::Payload,
    bytes_max: usize,
    too_large: fn(usize) -> Failure,
) -> Result<web::BytesMut, Failure> {
    check_media_type(http)?;
    let announced =
        http.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|bytes: usize| bytes > bytes_max) {
        return Err(too_large(bytes_max));
    }
    let mut bytes = web::BytesMut::with_capacity(announced.unwrap_or_default());
    while let Some(chunk) = payload.next().await {
        let broken = |_| {
            let detail = "the body ended before it was complete";
            ScimError::new(ScimType::InvalidSyntax, "body_incomplete", detail)
        };
        let chunk = chunk.map_err(broken)?;
        if bytes.len() + chunk.len() > bytes_max {
            return Err(too_large(bytes_max));
        }
        bytes.extend_from_slice(&chunk);
    }
    if bytes.is_empty() {
        let detail = "the request needs a JSON body and has none";
        return Err(ScimError::new(ScimType::InvalidSyntax, "body_missing", detail).into());
    }
    Ok(bytes)
}

fn check_media_type(http: &HttpRequest) -> Result<(), Failure> {
    let unsupported =
        |detail: &str| Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type_unsupported", detail);
    if http.headers().get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        return Err(unsupported("send the body as it is, without a Content-Encoding such as gzip"));
    }
    let Some(value) = http.headers().get(header::CONTENT_TYPE) else { return Ok(()) };
    let text = value.to_str().unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim();
    let charset = text.split(';').skip(1).find_map(|part| part.trim().strip_prefix("charset="));
    let utf_8 = charset.is_none_or(|name| name.trim_matches('"').eq_ignore_ascii_case("utf-8"));
    if utf_8 && MEDIA_TYPES.iter().any(|known| known.eq_ignore_ascii_case(essence)) {
        return Ok(());
    }
    Err(unsupported("send the body as application/scim+json (or application/json) in UTF-8"))
}
