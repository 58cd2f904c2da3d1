//! `/audit/v1/<tenant>/…`: read-only answers for auditors and operators.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use scim::ResourceType;

use super::error::Failure;
use super::scim::pages::PagedList;
use super::{House, admin, auth, context};
use crate::query;

pub(super) fn routes(scope: &mut web::ServiceConfig) {
    scope
        .route("/{tenant}/requests/{id}", web::get().to(request))
        .route("/{tenant}/{report}", web::get().to(report))
        .default_service(web::to(admin::no_route));
}

async fn report(
    http: HttpRequest,
    path: web::Path<(String, String)>,
    house: web::Data<House>,
) -> Result<HttpResponse, Failure> {
    context::set_route(&http, "/audit/v1/{tenant}/{report}");
    let (tenant, report) = path.into_inner();
    auth::reader(&http, &house, &tenant)?;
    let listed = match report.as_str() {
        "Users" => Some(ResourceType::User),
        "Groups" => Some(ResourceType::Group),
        _ => None,
    };
    if let Some(resource_type) = listed {
        let parameters = query::decode(http.query_string())?;
        let list = PagedList::of_auditor(&http, &house, &tenant, resource_type, parameters)?;
        return list.answer().await.map(|(_, answer)| answer);
    }
    if matches!(report.as_str(), "requests" | "why") {
        house.request_log.flush().await;
    }
    let waits = matches!(report.as_str(), "timeline" | "access" | "observe" | "why");
    if waits
        && let Some(directory) = house.directories.tenant(&tenant)
        && !directory.history_caught_up().await
    {
        return Err(Failure::view_behind());
    }
    // Operators see more of it: what reached no tenant.
    if report == "why" && auth::operator(&http, &house).is_ok() {
        return admin::report(&http, Arc::clone(&house), &["admin", "v1", "tenants", &tenant, "why"]).await;
    }
    admin::report(&http, Arc::clone(&house), &["audit", "v1", &tenant, &report]).await
}

/// One request of the tenant's request log.
async fn request(
    http: HttpRequest,
    path: web::Path<(String, String)>,
    house: web::Data<House>,
) -> Result<HttpResponse, Failure> {
    context::set_route(&http, "/audit/v1/{tenant}/requests/{id}");
    let (tenant, id) = path.into_inner();
    auth::reader(&http, &house, &tenant)?;
    house.request_log.flush().await;
    admin::report(&http, Arc::clone(&house), &["audit", "v1", &tenant, "requests", &id]).await
}
