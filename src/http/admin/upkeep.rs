//! Upkeep: rebuilding and checking views, looking after the outbox.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::json;

use super::{Body, House, json_answer, open_tenant, operator_origin};
use crate::http::error::Failure;
use crate::outbox::{ResumeError, ResumeFrom};
use crate::reports;
use provisioning::Revision;

type Answer = Result<HttpResponse, Failure>;

pub(super) async fn start_rebuild(
    http: HttpRequest,
    path: web::Path<String>,
    house: web::Data<House>,
) -> Answer {
    operator_origin(&http, &house)?;
    let directory = open_tenant(&house, &path)?;
    if !directory.start_rebuild() {
        let detail = "a rebuild of this tenant's views is already running";
        return Err(Failure::new(StatusCode::CONFLICT, "rebuild_running", detail));
    }
    Ok(json_answer(StatusCode::ACCEPTED, &json!(directory.rebuild_progress())))
}

pub(super) async fn rebuild_progress(
    http: HttpRequest,
    path: web::Path<String>,
    house: web::Data<House>,
) -> Answer {
    operator_origin(&http, &house)?;
    let directory = open_tenant(&house, &path)?;
    Ok(json_answer(StatusCode::OK, &json!(directory.rebuild_progress())))
}

pub(super) async fn check(http: HttpRequest, path: web::Path<String>, house: web::Data<House>) -> Answer {
    operator_origin(&http, &house)?;
    let directory = open_tenant(&house, &path)?;
    let report = house.directories.shared().tasks.block(move || reports::check(&directory)).await?;
    Ok(json_answer(StatusCode::OK, &report))
}

pub(super) async fn outbox_status(http: HttpRequest, house: web::Data<House>) -> Answer {
    operator_origin(&http, &house)?;
    let (directories, outbox) = (Arc::clone(&house.directories), house.outbox.clone());
    let tasks = &house.directories.shared().tasks;
    let status = tasks.block(move || reports::outbox(&directories, outbox.as_ref())).await?;
    Ok(json_answer(StatusCode::OK, &status))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Resume {
    /// `"start"`, `"head"` or a revision.
    from: serde_json::Value,
}

pub(super) async fn resume_outbox(
    http: HttpRequest,
    path: web::Path<String>,
    body: Body<Resume>,
    house: web::Data<House>,
) -> Answer {
    operator_origin(&http, &house)?;
    let directory = open_tenant(&house, &path)?;
    let without_nats = || {
        let detail = "the service runs without NATS; start it with --nats to publish";
        Failure::new(StatusCode::CONFLICT, "nats_not_configured", detail)
    };
    let outbox = house.outbox.as_ref().ok_or_else(without_nats)?;
    let Resume { from: asked } = body.into_inner().0;
    let from = match (&asked, asked.as_u64()) {
        (_, Some(revision)) => ResumeFrom::Revision(Revision(revision)),
        (serde_json::Value::String(word), _) if word == "start" => ResumeFrom::Start,
        (serde_json::Value::String(word), _) if word == "head" => ResumeFrom::Head,
        _ => {
            let detail = "`from` must be \"start\", \"head\" or a revision";
            return Err(Failure::new(StatusCode::BAD_REQUEST, "parameter_invalid", detail));
        }
    };
    outbox.resume(&directory, from).await.map_err(|error| {
        let status = match error {
            ResumeError::NotSetAside | ResumeError::BeyondLog { .. } => StatusCode::CONFLICT,
            ResumeError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Failure::new(status, error.code(), error.to_string())
    })?;
    Ok(json_answer(StatusCode::OK, &json!({"tenant": *path, "resumed": true})))
}
