//! Reading a request's body: size, JSON.

use std::time::Duration;

use actix_web::http::header;
use actix_web::{HttpRequest, web};
use futures_util::StreamExt as _;
use scim::{ScimError, ScimType};
use serde_json::Value;

use super::media;
use crate::http::error::Failure;
use crate::http::trace;

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
    let (json, read) = (scim::json::parse(&bytes), bytes.len());
    trace::body(http, bytes);
    Ok(Body { json: json?, bytes: read })
}

/// Looks at the body of a request that is refused before anybody reads it, so that the log can tell whom it was about.
/// What is large or slow to come is left.
pub(super) async fn glimpse(http: &HttpRequest, mut payload: web::Payload) {
    const BYTES_MAX: usize = 64 * 1024;
    const PATIENCE: Duration = Duration::from_millis(500);
    let announced =
        http.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if !announced.is_some_and(|bytes: usize| (1..=BYTES_MAX).contains(&bytes)) {
        return;
    }
    let mut bytes = web::BytesMut::new();
    let read = async {
        while let Some(Ok(chunk)) = payload.next().await {
            if bytes.len() + chunk.len() > BYTES_MAX {
                break;
            }
            bytes.extend_from_slice(&chunk);
        }
    };
    if tokio::time::timeout(PATIENCE, read).await.is_ok() {
        trace::body(http, bytes);
    }
}

/// Reads the bytes of a JSON body, at most `bytes_max`; `too_large` is the failure beyond that.
pub(super) async fn read_bytes(
    http: &HttpRequest,
    mut payload: web::Payload,
    bytes_max: usize,
    too_large: fn(usize) -> Failure,
) -> Result<web::BytesMut, Failure> {
    if let Err(refused) = media::check_body(http) {
        glimpse(http, payload).await;
        return Err(refused);
    }
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
