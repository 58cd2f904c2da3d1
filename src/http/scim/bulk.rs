//! POST `/Bulk` (RFC 7644 section 3.7): many writes in one request.
//!
//! Everything is read and checked here, outside the writer, each operation by the code that reads a request of its
//! own. The ids of new resources are drawn before anything is decided, so that whatever refers to them by `bulkId`
//! is an ordinary command. The writer carries the operations out; the answer tells what became of each.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderValue;
use actix_web::{HttpResponse, web};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use provisioning::ResourceId;
use provisioning::command::{Change, Origin, Precondition, Provider, ScimCommand};
use provisioning::recorded::Via;
use scim::ResourceType;
use scim::bulk::parse::{BulkError, parse};
use scim::bulk::references::{References, RefersTo};
use scim::bulk::{Asked, Method, Operation, Outcome, Path, Request};
use scim::dialect::{Dialect, Notes};
use scim::schemas::Schemas;
use serde_json::Value;

use super::conditions::{are_quoted, etag, precondition};
use super::write::{read_document, read_patch};
use super::{CONTENT_TYPE, ScimRequest, body, resource_id};
use crate::config::Limits;
use crate::directory::{Bulk, BulkOperation, Done, OperationOutcome, Shared, WriteError};
use crate::http::error::{ERROR_CODE_HEADER, Failure};
use crate::http::{context, trace};
use crate::request_log::Undone;

/// What is encoded of an id in an address: everything that is not unreserved (RFC 3986 section 2.3).
const ID_ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Half as many operations are worth a thread of their own.
const READ_ALONE_MAX: usize = 64;

/// Everything that reading the operations needs.
struct Reading {
    schemas: Schemas,
    provider: Provider,
    origin: Origin,
    shared: Arc<Shared>,
    limits: Limits,
    /// Whether operations that deviate from the RFCs are refused.
    strict: bool,
}

/// A request that was read.
struct Read {
    /// For the writer.
    bulk: Bulk,
    /// For the answer.
    told: Vec<Told>,
}

/// What the answer has to know of an operation, beside what became of it.
struct Told {
    method: Option<String>,
    bulk_id: Option<String>,
    asks: Option<(Method, ResourceType)>,
    /// The resource that was there before the operation.
    resource: Existing,
    /// Why it was not queued.
    refused: Option<Failure>,
    /// What was noted of it.
    notes: Notes,
}

/// Which resource an operation is about.
enum Existing {
    /// One that it makes itself, or none that could be found out.
    None,
    /// The one with that id, as the client wrote it.
    Named(ResourceType, String),
    /// The one that the operation with that index makes.
    Made(usize),
}

impl ScimRequest<'_> {
    /// POST `/Bulk`.
    pub(super) async fn bulk(&self, payload: web::Payload) -> Result<HttpResponse, Failure> {
        let shared = Arc::clone(self.house.directories.shared());
        let limits = self.house.config.limits.clone();
        let bytes =
            body::read_bytes(self.http, payload, limits.bulk_body_bytes_max, Failure::bulk_too_large).await?;
        let origin = context::of(self.http).origin(self.http, self.client.actor(), Via::ScimBulkPost);
        let provider = self.provider();
        let (schemas, strict) = (self.directory.schemas(), self.strict);
        let reading = Reading { schemas, provider, origin, shared, limits, strict };
        let tasks = &self.house.directories.shared().tasks;
        let (read, notes, bytes) = tasks
            .block(move || {
                let mut notes = Notes::new();
                (reading.read(&bytes, &mut notes), notes, bytes)
            })
            .await;
        trace::body(self.http, bytes);
        self.tolerate(&notes)?;
        let Read { bulk, told } = read?;
        for (index, told) in told.iter().enumerate() {
            trace::noted(self.http, &told.notes.clone().within(&operation_name(index)));
        }
        let outcomes = self.directory.submit_bulk(bulk).await?;
        if let Some(failure) = failure_of_all(&outcomes) {
            return Err(failure.into());
        }
        Ok(self.answer_bulk(&told, &outcomes))
    }

    fn answer_bulk(&self, told: &[Told], outcomes: &[OperationOutcome]) -> HttpResponse {
        let (mut answers, mut codes) = (Vec::new(), Vec::new());
        let mut undone = Vec::new();
        for (index, (told, outcome)) in told.iter().zip(outcomes).enumerate() {
            let result = match outcome {
                OperationOutcome::LeftUndone => {
                    undone.push(Undone { number: index + 1, status: None, code: None, detail: None });
                    continue;
                }
                OperationOutcome::RefusedBefore => {
                    Err(told.refused.clone().expect("what was not queued was refused"))
                }
                OperationOutcome::Answered(answer) => answer.as_ref().map_err(|error| {
                    trace::refused(self.http, error);
                    error.clone().into()
                }),
            };
            match &result {
                Ok(written) => {
                    trace::noted(self.http, &written.notes.clone().within(&operation_name(index)));
                }
                Err(failure) => {
                    codes.push(failure.code);
                    undone.push(Undone {
                        number: index + 1,
                        status: Some(failure.status.as_u16()),
                        code: Some(failure.code),
                        detail: Some(failure.detail.clone()),
                    });
                }
            }
            answers.push(self.answer_operation(told, outcomes, result));
        }
        let failed = codes.len();
        codes.sort_unstable();
        codes.dedup();
        trace::undone(self.http, undone);
        let recorded = outcomes.iter().filter_map(|outcome| match outcome {
            OperationOutcome::Answered(Ok(written)) => Some(written.revisions.clone()),
            _ => None,
        });
        trace::written(self.http, None, spanned(recorded));
        let codes = codes.join(", ");
        tracing::info!(
            tenant.id = self.directory.tenant(),
            client.id = %self.client.id,
            codes,
            notes = trace::notes(self.http),
            "bulk of {} operations: {} carried out, {failed} failed",
            told.len(),
            answers.len() - failed,
        );
        let mut answer = HttpResponse::Ok();
        answer.content_type(CONTENT_TYPE);
        if failed > 0
            && let Ok(codes) = HeaderValue::from_str(&codes)
        {
            answer.insert_header((ERROR_CODE_HEADER, codes));
        }
        answer.body(scim::bulk::response(answers).to_string())
    }

    fn answer_operation(
        &self,
        told: &Told,
        outcomes: &[OperationOutcome],
        result: Result<&Done, Failure>,
    ) -> Outcome {
        let mut answer = Outcome {
            method: told.method.clone(),
            bulk_id: told.bulk_id.clone(),
            location: self.location_of(&told.resource, outcomes),
            version: None,
            status: 0,
            response: None,
        };
        match result {
            Ok(done) => {
                answer.status = status(told.asks, done).as_u16();
                if let Some((resource_type, id, revision)) = done.resource {
                    answer.location = Some(self.location(resource_type, &id.to_string()));
                    answer.version = Some(etag(revision));
                }
            }
            Err(failure) => {
                answer.status = failure.status.as_u16();
                answer.response = Some(failure.scim_error());
            }
        }
        answer
    }

    fn location_of(&self, resource: &Existing, outcomes: &[OperationOutcome]) -> Option<String> {
        match resource {
            Existing::None => None,
            Existing::Named(resource_type, id) => Some(self.location(*resource_type, id)),
            Existing::Made(operation) => match outcomes.get(*operation) {
                Some(OperationOutcome::Answered(Ok(Done {
                    resource: Some((resource_type, id, _)), ..
                }))) => Some(self.location(*resource_type, &id.to_string())),
                _ => None,
            },
        }
    }
}

/// The status that a request of its own would have had.
fn status(asks: Option<(Method, ResourceType)>, done: &Done) -> StatusCode {
    match asks {
        Some((Method::Post, _)) => StatusCode::CREATED,
        Some((Method::Put, _)) if done.created => StatusCode::CREATED,
        Some((Method::Delete, _) | (Method::Patch, ResourceType::Group)) => StatusCode::NO_CONTENT,
        Some((Method::Put | Method::Patch, _)) | None => StatusCode::OK,
    }
}

/// From the first revision to the last that the operations recorded. Others may have written in between.
fn spanned(recorded: impl Iterator<Item = Range<u64>>) -> Range<u64> {
    let recorded = recorded.filter(|revisions| !revisions.is_empty());
    let span = recorded.reduce(|all, one| all.start.min(one.start)..all.end.max(one.end));
    span.unwrap_or(0..0)
}

/// Where nothing was carried out because the tenant cannot take writes now, the whole request is answered so: an
/// identity provider tries again then.
fn failure_of_all(outcomes: &[OperationOutcome]) -> Option<WriteError> {
    if outcomes.iter().any(|outcome| matches!(outcome, OperationOutcome::Answered(Ok(_)))) {
        return None;
    }
    outcomes.iter().find_map(|outcome| match outcome {
        OperationOutcome::Answered(Err(error @ WriteError::Unavailable { .. })) => Some(error.clone()),
        _ => None,
    })
}

impl Reading {
    fn read(self, bytes: &[u8], notes: &mut Notes) -> Result<Read, Failure> {
        let operations_max = self.limits.bulk_operations_max;
        let request = parse(scim::json::parse(bytes)?, operations_max, notes).map_err(|error| match error {
            BulkError::TooManyOperations(count) => Failure::bulk_too_many_operations(count, operations_max),
            BulkError::Message(error) => error.into(),
        });
        let Request { fail_on_errors, operations } = request?;
        let drawn: Vec<ResourceId> = operations.iter().map(|_| ResourceId(self.shared.ids.next())).collect();
        let references = References::of(&operations, |operation| drawn[operation].to_string());
        let mut first: Vec<_> = operations.into_iter().zip(drawn.iter().copied()).collect();
        let second = first.split_off(first.len() / 2);
        let read = |part: Vec<(Operation, ResourceId)>| -> Vec<_> {
            part.into_iter().map(|(one, id)| self.operation(one, id, &references, &drawn)).collect()
        };
        // The writer waits for all of them.
        let read = if second.len() < READ_ALONE_MAX {
            [read(first), read(second)]
        } else {
            std::thread::scope(|scope| {
                let second = scope.spawn(|| read(second));
                let first = read(first);
                [first, second.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))]
            })
        };
        let (queued, told) = read.into_iter().flatten().unzip();
        Ok(Read { bulk: Bulk { operations: queued, origin: self.origin, fail_on_errors }, told })
    }

    fn operation(
        &self,
        operation: Operation,
        id: ResourceId,
        references: &References,
        drawn: &[ResourceId],
    ) -> (BulkOperation, Told) {
        let Operation { method, bulk_id, path, asked, mut notes } = operation;
        let resource = path.map_or(Existing::None, |path| existing(&path, &RefersTo::new(), drawn));
        let mut told = Told { method, bulk_id, asks: None, resource, refused: None, notes: Notes::new() };
        let mut refers_to = RefersTo::new();
        let read = asked.map_err(Failure::from).and_then(|mut asked| {
            told.asks = Some((asked.method, asked.path.resource_type));
            told.resource = Existing::None;
            refers_to = references.resolve(&mut asked)?;
            told.resource = existing(&asked.path, &refers_to, drawn);
            self.command(asked, id, &mut notes)
        });
        let tolerated = if self.strict { notes.refuse().map_err(Failure::from) } else { Ok(()) };
        told.notes = notes;
        let command = match tolerated.and(read) {
            Ok(command) => Some(command),
            Err(failure) => {
                told.refused = Some(failure);
                None
            }
        };
        (BulkOperation { command, refers_to }, told)
    }

    /// What a request of its own would be queued as; `new` is the id of the resource that a POST makes.
    fn command(&self, asked: Asked, new: ResourceId, notes: &mut Notes) -> Result<ScimCommand, Failure> {
        let Asked { method, path, version, data } = asked;
        let resource_type = path.resource_type;
        let bytes_max = self.limits.body_bytes_max(resource_type);
        if json_bytes(&data) > bytes_max {
            return Err(Failure::body_too_large(bytes_max));
        }
        let schema = self.schemas.of(resource_type);
        let change = match method {
            Method::Post => Change::Create(read_document(data, schema, notes)?),
            Method::Put => Change::Replace(read_document(data, schema, notes)?),
            Method::Patch => read_patch(data, schema, notes)?,
            Method::Delete => Change::Delete,
        };
        let id = match path.id {
            Some(id) => resource_id(resource_type, &id)?,
            None => new,
        };
        if version.as_deref().is_some_and(|version| !are_quoted(version)) {
            notes.note(Dialect::GenericEtagForm, "version");
        }
        let precondition = version.map_or(Precondition::None, |version| precondition(&version));
        let provider = self.provider.clone();
        Ok(ScimCommand { resource_type, id, provider, precondition, change })
    }
}

/// What people call an operation, in notes.
fn operation_name(index: usize) -> String {
    format!("bulk operation {}", index + 1)
}

/// The resource that an operation's path names, once its references have ids.
fn existing(path: &Path, refers_to: &RefersTo, drawn: &[ResourceId]) -> Existing {
    let Some(id) = &path.id else { return Existing::None };
    match refers_to.iter().find(|operation| drawn[**operation].to_string() == *id) {
        Some(operation) => Existing::Made(*operation),
        // What a client wrote becomes part of an address here.
        None => Existing::Named(path.resource_type, utf8_percent_encode(id, ID_ENCODED).to_string()),
    }
}

/// How many bytes a value has as JSON without white space.
fn json_bytes(value: &Value) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    serde_json::to_writer(&mut count, value).expect("counting cannot fail");
    count.0
}
