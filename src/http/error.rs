//! Every failure to an answer: status, `scimType`, stable code, one sentence. The only place that knows both.
//!
//! SCIM answers have the RFC 7644 body and our code in a header; admin and audit answers have a small JSON body.
//! Inner layers do not know statuses, because "not found" inside is not always 404 outside.

use std::borrow::Cow;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use projections::ViewError;
use provisioning::Rejection;
use scim::dialect::{Note, Refusal};
use scim::{ScimError, ScimType};
use serde_json::{Value, json};

use crate::as_of::AsOfError;
use crate::directory::catch_up::CatchUpError;
use crate::directory::{WriteError, halted_error};
use crate::query::QueryEncodingError;
use crate::reports::ReportError;

/// Carries the stable code of a failure. Not the body: RFC 7644's Error has no place for extensions, and strict
/// clients refuse one.
pub const ERROR_CODE_HEADER: HeaderName = HeaderName::from_static("muster-error-code");
/// When a client may try again after a 503, in seconds.
const RETRY_AFTER_SECONDS: u64 = 5;

/// A request that is answered with an error.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The HTTP status.
    pub status: StatusCode,
    /// The RFC's keyword, where it has one.
    pub scim_type: Option<ScimType>,
    /// Our stable code: a heading of `docs/errors.md`.
    pub code: &'static str,
    /// One sentence for whoever has to mend it.
    pub detail: String,
    /// The methods that are allowed, for 405.
    pub allow: Option<Cow<'static, str>>,
    /// When to try again, in seconds, for 429 and 503.
    pub retry_after: Option<u64>,
}

impl Failure {
    /// A failure without a `scimType`.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        let retry_after = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_AFTER_SECONDS);
        Self { status, scim_type: None, code, detail: detail.into(), allow: None, retry_after }
    }

    /// 404 for something that is not there.
    pub fn not_found(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// 405, naming what is allowed.
    pub fn method_not_allowed(allow: impl Into<Cow<'static, str>>) -> Self {
        let allow = allow.into();
        let detail = format!("this method is not allowed here; allowed: {allow}");
        Self { allow: Some(allow), ..Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail) }
    }

    /// 429: the client asks more often than it may.
    pub fn too_many_requests(requests_per_second: u32, retry_after: u64) -> Self {
        let detail = format!(
            "this connection may make {requests_per_second} requests a second; try again after the seconds that \
             Retry-After says"
        );
        let refused = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail);
        Self { retry_after: Some(retry_after), ..refused }
    }

    /// 413, naming the limit.
    pub fn body_too_large(bytes_max: usize) -> Self {
        let detail = format!("the body is larger than the {bytes_max} bytes that are accepted here");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
    }

    /// 413 for a bulk request, naming the limit as the RFC does.
    pub fn bulk_too_large(bytes_max: usize) -> Self {
        let detail = format!(
            "the body is larger than the maxPayloadSize of a bulk request ({bytes_max} bytes); send its operations in \
             several requests"
        );
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "bulk_too_large", detail)
    }

    /// 413 for a bulk request, naming the limit as the RFC does.
    pub fn bulk_too_many_operations(operations: usize, operations_max: usize) -> Self {
        let detail = format!(
            "the request has {operations} operations, which is more than the maxOperations of a bulk request \
             ({operations_max}); send them in several requests"
        );
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "bulk_too_many_operations", detail)
    }

    /// 503: the tenant's view has not caught up with its log.
    pub fn view_behind() -> Self {
        let detail = "the tenant's view is catching up with its log; try again in a few seconds";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "view_behind", detail)
    }

    fn builder(&self) -> HttpResponseBuilder {
        let mut answer = HttpResponse::build(self.status);
        answer.insert_header((ERROR_CODE_HEADER, HeaderValue::from_static(self.code)));
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = match self.code {
                "token_missing" => r#"Bearer realm="scim""#,
                _ => r#"Bearer realm="scim", error="invalid_token""#,
            };
            answer.insert_header((header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge)));
        }
        if let Some(seconds) = self.retry_after {
            answer.insert_header((header::RETRY_AFTER, HeaderValue::from(seconds)));
        }
        if let Some(allow) = self.allow.as_deref().and_then(|allow| HeaderValue::from_str(allow).ok()) {
            answer.insert_header((header::ALLOW, allow));
        }
        answer
    }

    /// The answer in SCIM form (RFC 7644 section 3.12).
    pub fn scim_response(&self) -> HttpResponse {
        self.builder().content_type(super::scim::CONTENT_TYPE).body(self.scim_error().to_string())
    }

    /// The same as it stands on an HTTP/1.1 connection that it ends.
    pub(super) fn scim_bytes(&self) -> Vec<u8> {
        let (status, code, content_type) = (self.status, self.code, super::scim::CONTENT_TYPE);
        let body = self.scim_error().to_string();
        let bytes = body.len();
        format!(
            "HTTP/1.1 {status}\r\n{ERROR_CODE_HEADER}: {code}\r\ncontent-type: {content_type}\r\n\
             connection: close\r\ncontent-length: {bytes}\r\n\r\n{body}"
        )
        .into_bytes()
    }

    /// The body of the answer in SCIM form.
    pub fn scim_error(&self) -> Value {
        let mut body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": self.status.as_u16().to_string(),
            "detail": self.detail,
        });
        if let Some(scim_type) = self.scim_type {
            body["scimType"] = scim_type.as_str().into();
        }
        body
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.detail)
    }
}

impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    /// The answer of the admin and audit interfaces.
    fn error_response(&self) -> HttpResponse {
        let body = json!({"error": {"code": self.code, "detail": self.detail}});
        self.builder().content_type("application/json").body(body.to_string())
    }
}

impl From<ScimError> for Failure {
    fn from(error: ScimError) -> Self {
        let status = match error.scim_type {
            ScimType::Uniqueness => StatusCode::CONFLICT,
            ScimType::Sensitive => StatusCode::FORBIDDEN,
            _ => StatusCode::BAD_REQUEST,
        };
        Self { scim_type: Some(error.scim_type), ..Self::new(status, error.code, error.detail) }
    }
}

impl From<Note> for Failure {
    fn from(note: Note) -> Self {
        let detail = note.to_string();
        let status = match note.dialect.refusal() {
            Refusal::Scim(scim_type) => return ScimError::new(scim_type, "dialect_refused", detail).into(),
            Refusal::NotFound => StatusCode::NOT_FOUND,
            Refusal::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Refusal::Unauthorized => StatusCode::UNAUTHORIZED,
        };
        Self::new(status, "dialect_refused", detail)
    }
}

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::NotFound(detail) => Self::not_found("resource_not_found", detail),
            Rejection::PreconditionFailed(detail) => {
                Self::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", detail)
            }
            Rejection::Scim(error) => error.into(),
            Rejection::Deviation(note) => note.into(),
            Rejection::Forbidden { code, detail } => Self::new(StatusCode::FORBIDDEN, code, detail),
            Rejection::Conflict { code, detail } => Self::new(StatusCode::CONFLICT, code, detail),
            Rejection::Invalid { code, detail } => Self::new(StatusCode::BAD_REQUEST, code, detail),
        }
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Rejected(rejection) => rejection.into(),
            WriteError::Unavailable { code, detail } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)
            }
        }
    }
}

impl From<ViewError> for Failure {
    fn from(error: ViewError) -> Self {
        tracing::error!(error = %error, "view could not be read: {error}");
        let detail = "the tenant's view cannot be read now; try again later";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "view_unavailable", detail)
    }
}

impl From<CatchUpError> for Failure {
    fn from(error: CatchUpError) -> Self {
        let error = match error {
            CatchUpError::View(error) => return error.into(),
            // Whoever met it has halted the tenant.
            error if error.is_final() => return halted_error().into(),
            error => error,
        };
        tracing::error!(error = %error, "log could not be read: {error}");
        let detail =
            "the tenant's log cannot be read now; the operator finds the reason in the service's log";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "log_unavailable", detail)
    }
}

impl From<AsOfError> for Failure {
    fn from(error: AsOfError) -> Self {
        match error {
            AsOfError::View(error) => error.into(),
            AsOfError::Log(error) => error.into(),
            AsOfError::Behind => Self::view_behind(),
            AsOfError::TooMany => {
                let detail = "the list is too long to be sorted; ask for fewer resources with a filter, or leave \
                              sortBy out";
                ScimError::new(ScimType::TooMany, "sorted_too_many", detail).into()
            }
        }
    }
}

impl From<QueryEncodingError> for Failure {
    fn from(error: QueryEncodingError) -> Self {
        ScimError::new(ScimType::InvalidSyntax, "query_encoding", error.to_string()).into()
    }
}

impl From<ReportError> for Failure {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::NotFound { code, detail } => Self::not_found(code, detail),
            ReportError::Invalid { code, detail } => Self::new(StatusCode::BAD_REQUEST, code, detail),
            ReportError::Unavailable { code, detail } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)
            }
            ReportError::View(error) => error.into(),
            ReportError::Log(error) => error.into(),
        }
    }
}
