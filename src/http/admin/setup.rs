//! Setting up a connection: what to fill in at the identity provider, and how far it has come.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::{House, json_answer, open_tenant, operator_origin};
use crate::http::error::Failure;
use crate::http::{context, scim};
use crate::query;
use crate::reports::{self, Address, Parameters};

type Answer = Result<HttpResponse, Failure>;

pub(super) async fn sheet(
    http: HttpRequest,
    path: web::Path<(String, String)>,
    house: web::Data<House>,
) -> Answer {
    operator_origin(&http, &house)?;
    let (tenant, provider) = path.into_inner();
    let directory = open_tenant(&house, &tenant)?;
    let base_url = scim::base_url(&http, &house, &directory);
    let address = Address { base_url, is_public: house.config.public_url.is_some() };
    let now = context::of(&http).received_at;
    let sheet = reports::setup_sheet(&directory, &provider, &address, now)?;
    Ok(json_answer(StatusCode::OK, &sheet))
}

pub(super) async fn progress(http: HttpRequest, path: web::Path<String>, house: web::Data<House>) -> Answer {
    operator_origin(&http, &house)?;
    let directory = open_tenant(&house, &path)?;
    let parameters = query::decode(http.query_string())?;
    house.request_log.flush().await;
    let tasks = Arc::clone(&house.directories.shared().tasks);
    let progress = tasks.block(move || reports::setup_progress(&directory, Parameters(&parameters))).await?;
    Ok(json_answer(StatusCode::OK, &progress))
}
