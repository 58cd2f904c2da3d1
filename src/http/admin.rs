//! `/admin/v1/…`: what operators set up and look after.

mod changes;
mod setup;
mod upkeep;

use std::sync::Arc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use actix_web::{HttpRequest, HttpResponse, ResponseError as _, web};
use provisioning::command::Origin;
use provisioning::recorded::Via;
use scim::Object;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _};
use serde_json::Value;

use super::error::Failure;
use super::{House, auth, context, openapi};
use crate::directory::Directory;
use crate::query;
use crate::reports::{self, EventLimits, Parameters, Report};

/// The largest body of an admin request, in bytes.
const BODY_BYTES_MAX: usize = 64 * 1024;

pub(super) fn routes(scope: &mut web::ServiceConfig) {
    scope
        .app_data(
            web::JsonConfig::default()
                .limit(BODY_BYTES_MAX)
                .content_type_required(false)
                .error_handler(bad_json),
        )
        .route("/tenants", web::post().to(changes::create_tenant))
        .route("/tenants/{tenant}", web::patch().to(changes::update_tenant))
        .route("/tenants/{tenant}", web::delete().to(changes::close_tenant))
        .route("/tenants/{tenant}/accept-clock", web::post().to(changes::accept_clock))
        .route("/tenants/{tenant}/clients", web::post().to(changes::create_client))
        .route("/tenants/{tenant}/clients/{client}", web::patch().to(changes::update_client))
        .route("/tenants/{tenant}/tokens", web::post().to(changes::issue_token))
        .route("/tenants/{tenant}/tokens/{id}", web::delete().to(changes::revoke_token))
        .route("/tenants/{tenant}/groups", web::post().to(changes::create_group))
        .route("/tenants/{tenant}/users/{user}/activate", web::post().to(changes::activate_user))
        .route("/tenants/{tenant}/setup", web::get().to(setup::progress))
        .route("/tenants/{tenant}/setup/{provider}", web::get().to(setup::sheet))
        .route("/operators", web::post().to(changes::create_operator))
        .route("/operators/{operator}", web::delete().to(changes::revoke_operator))
        .route("/tenants/{tenant}/projections/rebuild", web::post().to(upkeep::start_rebuild))
        .route("/tenants/{tenant}/projections/rebuild", web::get().to(upkeep::rebuild_progress))
        .route("/tenants/{tenant}/projections/check", web::post().to(upkeep::check))
        .route("/tenants/{tenant}/outbox/resume", web::post().to(upkeep::resume_outbox))
        .route("/outbox", web::get().to(upkeep::outbox_status))
        .route("/tenants", web::get().to(read))
        .route("/tenants/{tenant}", web::get().to(read))
        .route("/tenants/{tenant}/clients", web::get().to(read))
        .route("/tenants/{tenant}/tokens", web::get().to(read))
        .route("/operators", web::get().to(read))
        .route("/requests", web::get().to(read_requests))
        .route("/requests/{id}", web::get().to(read_requests))
        .default_service(web::to(no_route));
}

/// The body of a request.
type Body<T> = web::Json<Members<T>>;

/// What a JSON object says, member by member. Without this a struct could be given as an array, too.
struct Members<T>(T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Members<T> {
    fn deserialize<D: Deserializer<'de>>(body: D) -> Result<Self, D::Error> {
        let object = Object::deserialize(body)?;
        T::deserialize(Value::Object(object)).map(Self).map_err(D::Error::custom)
    }
}

fn bad_json(error: actix_web::error::JsonPayloadError, _: &HttpRequest) -> actix_web::Error {
    use actix_web::error::JsonPayloadError;
    let failure = match error {
        JsonPayloadError::OverflowKnownLength { .. } | JsonPayloadError::Overflow { .. } => {
            Failure::body_too_large(BODY_BYTES_MAX)
        }
        other => {
            let detail = format!("the body is not the JSON that is expected here: {other}");
            Failure::new(StatusCode::BAD_REQUEST, "body_invalid", detail)
        }
    };
    failure.into()
}

/// Lets operators in, before anybody reads what they ask for.
pub(super) async fn operators_only(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    context::set_route(request.request(), "/admin/v1");
    let house = request.app_data::<web::Data<House>>().expect("the app holds the house");
    match auth::operator(request.request(), house) {
        Ok(_) => Ok(next.call(request).await?.map_into_boxed_body()),
        Err(refused) => Ok(request.into_response(refused.error_response())),
    }
}

/// Anything that is not in the route table.
pub(super) async fn no_route(http: HttpRequest) -> Result<HttpResponse, Failure> {
    Err(match openapi::allowed(http.path()) {
        Some(methods) => Failure::method_not_allowed(methods),
        None => Failure::not_found("route_not_found", "there is nothing at this path of the interface"),
    })
}

/// A GET that only reads: the path itself says what.
async fn read(http: HttpRequest, house: web::Data<House>) -> Result<HttpResponse, Failure> {
    let path = http.path().to_owned();
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    report(&http, Arc::clone(&house), &segments).await
}

/// The log of requests that reached no tenant.
async fn read_requests(http: HttpRequest, house: web::Data<House>) -> Result<HttpResponse, Failure> {
    house.request_log.flush().await;
    read(http, house).await
}

/// Answers a report.
pub(super) async fn report(
    http: &HttpRequest,
    house: Arc<House>,
    path: &[&str],
) -> Result<HttpResponse, Failure> {
    let parameters = query::decode(http.query_string())?;
    let path: Vec<String> = path.iter().map(|segment| (*segment).to_owned()).collect();
    let limits = EventLimits {
        default: house.config.limits.page_events_default,
        max: house.config.limits.page_events_max,
    };
    let worker = Arc::clone(&house);
    let report = house
        .directories
        .shared()
        .tasks
        .block(move || {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            reports::get(&worker.directories, &path, Parameters(&parameters), limits)
        })
        .await?;
    Ok(match report {
        Report::Value(value) => json_answer(StatusCode::OK, &with_base_urls(http, &house, value)),
        Report::Text(text) => HttpResponse::Ok().content_type("application/json").body(text),
    })
}

/// Adds `base_url` wherever a tenant's `base_path` is told: only a request knows under which address it came.
fn with_base_urls(http: &HttpRequest, house: &House, mut answer: Value) -> Value {
    let add = |tenant: &mut Value| {
        let Some(base_path) = tenant.get("base_path").and_then(Value::as_str).map(str::to_owned) else {
            return;
        };
        let name = tenant["tenant"].as_str().unwrap_or_default().to_owned();
        let host = house.directories.tenant(&name).and_then(|tenant| tenant.tenancy().settings.host.clone());
        tenant["base_url"] =
            format!("{}{base_path}", context::authority(http, house, host.as_deref())).into();
    };
    if let Some(Value::Array(tenants)) = answer.get_mut("tenants") {
        tenants.iter_mut().for_each(add);
    } else {
        add(&mut answer);
    }
    answer
}

fn json_answer(status: StatusCode, body: &Value) -> HttpResponse {
    HttpResponse::build(status).content_type("application/json").body(body.to_string())
}

/// Notes on whose behalf changes are recorded.
fn operator_origin(http: &HttpRequest, house: &House) -> Result<Origin, Failure> {
    let actor = auth::operator(http, house)?;
    Ok(context::of(http).origin(http, actor, Via::Admin))
}

/// An open tenant.
fn open_tenant(house: &House, name: &str) -> Result<Arc<Directory>, Failure> {
    Ok(reports::tenant(&house.directories, name)?)
}
