//! `/ServiceProviderConfig`, `/ResourceTypes`, `/Schemas` (RFC 7644 section 4).

use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpRequest, HttpResponse};
use scim::discovery::{self, Advertised};
use scim::schemas::Schemas;
use serde_json::{Value, json};

use super::{CONTENT_TYPE, House, Route};
use crate::http::error::Failure;

/// Answers a discovery route; the caller has checked who asks.
pub(super) fn answer(
    http: &HttpRequest,
    route: &Route,
    base: &str,
    schemas: &Schemas,
    parameters: &[(String, String)],
) -> Result<HttpResponse, Failure> {
    match *http.method() {
        Method::GET | Method::HEAD => {}
        Method::OPTIONS => {
            return Ok(HttpResponse::NoContent().insert_header((header::ALLOW, route.allowed())).finish());
        }
        _ => return Err(Failure::method_not_allowed(route.allowed())),
    }
    // RFC 7644 section 4: a filter on discovery is answered 403, so that nobody takes it for applied.
    if parameters.iter().any(|(name, _)| name.eq_ignore_ascii_case("filter")) {
        let detail = "the discovery endpoints cannot be filtered; leave the filter out";
        return Err(Failure::new(StatusCode::FORBIDDEN, "discovery_filter", detail));
    }
    let body = match route {
        Route::ServiceProviderConfig => {
            let advertised = advertised(http);
            discovery::service_provider_config(base, advertised, crate::outbox::message::EVENT_URIS)
        }
        Route::ResourceTypes(name) => {
            pick(discovery::resource_types(base, schemas), name.as_deref(), "resource type")?
        }
        Route::Schemas(urn) => pick(discovery::schemas(base, schemas), urn.as_deref(), "schema")?,
        Route::Root
        | Route::Resources(_)
        | Route::Resource(..)
        | Route::Search(_)
        | Route::Me
        | Route::Bulk => Value::Null,
    };
    let mut answer = HttpResponse::Ok();
    if let Some(location) = body["meta"]["location"].as_str() {
        answer.insert_header((header::CONTENT_LOCATION, location));
    }
    Ok(answer.content_type(CONTENT_TYPE).body(body.to_string()))
}

fn advertised(http: &HttpRequest) -> Advertised {
    let house = http.app_data::<actix_web::web::Data<House>>().expect("every request belongs to a house");
    let limits = &house.config.limits;
    Advertised {
        page_max: limits.page_resources_max,
        page_default: limits.page_resources_default,
        cursor_seconds: limits.cursor_seconds,
        bulk_operations_max: limits.bulk_operations_max,
        bulk_body_bytes_max: limits.bulk_body_bytes_max,
    }
}

/// One of the resources by its name, or all of them as a list.
fn pick(all: Vec<(String, Value)>, name: Option<&str>, what: &str) -> Result<Value, Failure> {
    let Some(name) = name else {
        let resources: Vec<Value> = all.into_iter().map(|(_, resource)| resource).collect();
        return Ok(json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            "totalResults": resources.len(),
            "startIndex": 1,
            "itemsPerPage": resources.len(),
            "Resources": resources,
        }));
    };
    let found = all.into_iter().find(|(candidate, _)| candidate.eq_ignore_ascii_case(name));
    found.map(|(_, resource)| resource).ok_or_else(|| {
        Failure::not_found(
            "discovery_not_found",
            format!("there is no {what} of that name; list them to see all"),
        )
    })
}
